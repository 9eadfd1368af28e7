"""Data sets: what is accepted is normalised exactly, what is refused is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boundcalc.data import load, make_dataset, split
from boundcalc.errors import InputError, UnknownNameError

X = np.array([[3.0, 4.0], [0.0, -2.0], [1.0, 1.0], [-5.0, 12.0]])
Y = np.array([1, 0, 1, 0])


def refusal(*args: object, **kwargs: object) -> str:
    with pytest.raises(InputError) as caught:
        make_dataset("toy", *args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_rows_are_brought_to_unit_norm() -> None:
    dataset = make_dataset("toy", X, Y)
    expected = [[0.6, 0.8], [0.0, -1.0], [0.5**0.5, 0.5**0.5], [-5 / 13, 12 / 13]]
    np.testing.assert_allclose(dataset.X, expected, rtol=1e-15)
    assert (dataset.n, dataset.d) == (4, 2)
    np.testing.assert_array_equal(dataset.y, [1, -1, 1, -1])
    assert dataset.labels == ("0", "1")


def test_extreme_scales_do_not_overflow_or_vanish() -> None:
    dataset = make_dataset("toy", [[3e200, 4e200], [3e-200, -4e-200]], ["a", "b"])
    np.testing.assert_allclose(dataset.X, [[0.6, 0.8], [0.6, -0.8]], rtol=1e-14)


def test_a_dataset_cannot_be_changed() -> None:
    dataset = make_dataset("toy", X, Y)
    with pytest.raises(ValueError, match="read-only"):
        dataset.X[0, 0] = 7.0
    assert X[0, 0] == 3.0


def test_the_first_of_two_classes_is_positive() -> None:
    dataset = make_dataset("toy", X, ["a", "b", "c", "a"], classes=("b", "a"))
    np.testing.assert_array_equal(dataset.y, [-1, 1, -1])
    assert dataset.labels == ("a", "b")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([9, 10, 9, 10], ("9", "10")),  # sorted as numbers, not as text
        ([-1.0, 1.0, -1.0, 1.0], ("-1", "1")),
        (["no", "yes", "no", "yes"], ("no", "yes")),
        ([b"no", b"yes", b"no", b"yes"], ("no", "yes")),
        (["3", "3.0", "2", "2"], ("2", "3")),
    ],
)
def test_without_classes_the_later_label_is_positive(labels: list[object], expected: tuple[str, str]) -> None:
    dataset = make_dataset("toy", X, labels)
    assert dataset.labels == expected
    texts = np.array([str(label).strip("b'") for label in labels])
    later = np.isin(texts, [expected[1], expected[1] + ".0"])
    np.testing.assert_array_equal(dataset.y, np.where(later, 1.0, -1.0))


def test_refuses_more_than_two_classes_and_lists_them() -> None:
    message = refusal(X, ["a", "b", "c", "a"])
    assert "a, b, c" in message
    assert "--classes A,B" in message


def test_refuses_one_class() -> None:
    assert "'1'" in refusal(X, [1, 1, 1, 1])


def test_refuses_classes_that_do_not_occur_and_names_those_that_do() -> None:
    message = refusal(X, ["a", "b", "c", "a"], classes=("a", "z"))
    assert "'z'" in message
    assert "a, b, c" in message


def test_refuses_the_same_class_twice() -> None:
    assert "'a'" in refusal(X, ["a", "b", "c", "a"], classes=("a", "a"))


def test_names_rows_that_are_not_finite() -> None:
    bad = np.tile(X, (5, 1)) + np.arange(40).reshape(20, 2)
    rows = [1, 4, 5, 8, 11, 17]
    bad[rows, 0] = [np.nan, np.inf, -np.inf, np.nan, np.nan, np.nan]
    message = refusal(bad, np.arange(20) % 2)
    assert "6 rows" in message
    assert "1, 4, 5, 8, 11, …" in message
    assert "NaN" in message


def test_rows_of_other_classes_may_be_bad_and_row_numbers_are_the_callers() -> None:
    bad = X.copy()
    bad[0] = np.nan
    assert make_dataset("toy", bad, ["x", "a", "b", "a"], classes=("a", "b")).n == 3
    bad[3] = np.nan
    assert "row 3 " in refusal(bad, ["x", "a", "b", "a"], classes=("a", "b"))


def test_names_zero_rows() -> None:
    bad = X.copy()
    bad[2] = 0.0
    message = refusal(bad, Y)
    assert "row 2 " in message
    assert "zero" in message


@pytest.mark.parametrize(
    ("inputs", "labels", "said"),
    [
        (np.ones(4), Y, "(4,)"),
        (np.ones((2, 2, 2)), Y, "(2, 2, 2)"),
        (X, [0, 1], "4 rows but y has 2 labels"),
        (np.ones((0, 3)), [], "no rows"),
        (np.ones((4, 0)), Y, "no columns"),
        (X.astype(str), Y, "dtype"),
        (X + 1j, Y, "complex"),
        ([[1.0], [1.0, 2.0]], [0, 1], "rectangular"),
        (X, np.ones((4, 2)), "(4, 2)"),
        (X, ["a", "", "b", "a"], "row 1 "),
        (X, [1.0, np.nan, 0.0, 1.0], "row 1 "),
    ],
)
def test_refuses_wrong_shapes_and_types(inputs: object, labels: object, said: str) -> None:
    assert said in refusal(inputs, labels)


def test_names_contradicting_rows_even_on_the_same_ray() -> None:
    inputs = np.array([[0.1, 0.3], [1.0, 0.0], [0.7, 2.1], [0.0, 1.0], [2.0, 0.0]])
    message = refusal(inputs, ["a", "a", "b", "b", "a"])
    assert "1 pair " in message
    assert "0 and 2" in message
    assert "remove them" in message


def test_repeated_inputs_with_one_label_are_fine() -> None:
    assert make_dataset("toy", [[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0]], [1, 1, 0]).n == 3


@pytest.mark.parametrize(
    ("source", "classes", "n", "d", "positive"),
    [
        ("digits", ("3", "8"), 357, 64, 183),
        ("breast_cancer", None, 569, 30, 212),
        ("wine", ("class_0", "class_1"), 130, 13, 59),
    ],
)
def test_bundled_sets(source: str, classes: tuple[str, str] | None, n: int, d: int, positive: int) -> None:
    dataset = load(source, classes=classes)
    assert (dataset.n, dataset.d, int((dataset.y > 0).sum())) == (n, d, positive)
    np.testing.assert_allclose(np.linalg.norm(dataset.X, axis=1), 1.0, rtol=1e-14)


def load_refusal(source: str, **kwargs: object) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean digits"):
        load("digit")


def test_a_wrong_suffix_and_a_missing_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "data.txt"
    path.write_text("1,2\n")
    assert ".npz or .csv" in load_refusal(str(path))
    assert "no file" in load_refusal(str(tmp_path / "absent.csv"))
    assert "CSV" in load_refusal("digits", label="y")


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=X, y=Y)
    np.testing.assert_array_equal(load(str(path)).X, make_dataset("toy", X, Y).X)


def test_npz_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=X, z=Y)
    assert "not y" in load_refusal(str(path))
    np.savez(path, X=X, y=np.array(["a", 1, None, "b"], dtype=object))
    assert "pickled" in load_refusal(str(path))
    path.write_bytes(b"not an archive")
    assert str(path) in load_refusal(str(path))
    path.write_bytes(b"PK\x03\x04 torn archive")
    assert str(path) in load_refusal(str(path))
    with path.open("wb") as handle:
        np.save(handle, X)
    assert "bare array" in load_refusal(str(path))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("3,4,1\n0,-2,0\n1,1,1\n-5,12,0\n", None),
        ("\ufeffa,b,kind\n3,4,1\n0,-2,0\n\n1,1,1\n-5,12,0\n", None),
        ("kind,a,b\n1,3,4\n0,0,-2\n1,1,1\n0,-5,12\n", "kind"),
        ("kind,a,b\n1,3,4\n0,0,-2\n1,1,1\n0,-5,12\n", "0"),
        ("3,1,4\n0,0,-2\n1,1,1\n-5,0,12\n", "-2"),
    ],
)
def test_csv(tmp_path: Path, text: str, label: str | None) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    dataset, expected = load(str(path), label=label), make_dataset("toy", X, Y)
    np.testing.assert_array_equal(dataset.X, expected.X)
    np.testing.assert_array_equal(dataset.y, expected.y)
    assert dataset.labels == expected.labels


@pytest.mark.parametrize(
    ("text", "label", "said"),
    [
        ("a,b,kind\n3,4,1\n0,oops,0\n", None, "line 3, column 1 (b): 'oops'"),
        ("3,4,1\n0,,0\n", None, "line 2, column 1: ''"),
        ("3,4,1\n0,0\n", None, "line 2: 2 cells"),
        ("a,b,kind\n3,4,1\n", "knd", "did you mean kind"),
        ("3,4,1\n0,1,0\n", "3", "3 columns"),
        ("3,4,1\n0,1,0\n", "kind", "no header"),
        ("a,4,1\n0,1,0\n", None, "line 1, column 0: 'a'"),
        ("", None, "empty"),
        ("a,b,kind\n", None, "no rows"),
        ("1;2;3\n4;5;6\n", None, "single column"),
        ("a,b,kind\n3,nan,1\n0,1,0\n", None, "row 0 "),
    ],
)
def test_csv_that_cannot_be_used(tmp_path: Path, text: str, label: str | None, said: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    assert said in load_refusal(str(path), label=label)


def test_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"1,2,\xff\xfe\n")
    assert "UTF-8" in load_refusal(str(path))


def test_split_is_stratified_deterministic_and_a_partition() -> None:
    dataset = load("digits", classes=("3", "8"))
    train, test = split(dataset, 0.25, seed=0)
    for sign in (-1, 1):
        members = int((dataset.y == sign).sum())
        assert int((test.y == sign).sum()) == round(0.25 * members)
    rows = np.concatenate([train.X, test.X])
    assert sorted(map(bytes, rows)) == sorted(map(bytes, dataset.X))
    again, _ = split(dataset, 0.25, seed=0)
    other, _ = split(dataset, 0.25, seed=1)
    np.testing.assert_array_equal(train.X, again.X)
    assert not np.array_equal(train.X, other.X)
    assert train.labels == dataset.labels


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan"), 0.01, 0.99])
def test_split_refuses_fractions_that_empty_a_side(fraction: float) -> None:
    with pytest.raises(InputError, match=r"fraction"):
        split(make_dataset("toy", X, Y), fraction, seed=0)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_split_refuses_other_seeds(seed: int) -> None:
    with pytest.raises(InputError, match="seed"):
        split(make_dataset("toy", X, Y), 0.5, seed=seed)
