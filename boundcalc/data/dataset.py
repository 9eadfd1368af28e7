"""The one shape in which data reaches the numeric side: unit-norm rows and labels ±1.

Every theorem of the catalogue is stated for inputs on the unit sphere and binary labels, so a `Dataset` is
made only by `make_dataset`, which normalises the rows and refuses what no such theorem covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boundcalc.errors import InputError

# Rows that agree to this in every coordinate after normalisation count as the same input: two rows on one
# ray, which no bias-free network tells apart, differ by a few units of rounding once they are normalised.
_SAME_INPUT = 1e-12
_SHOWN = 5
# Facts about the distribution that rows come from, which hold whatever rows are kept.
_OF_THE_DISTRIBUTION = frozenset({"population_error"})


@dataclass(frozen=True)
class Truth:
    """What a generator knows of its data without measuring: `name` is value, or at least or at most value.

    name: as an estimate is named (phi, gamma_random_feature, gamma_conjugate_kernel, gamma_ji2020), or
    linear_margin: max over ‖w‖₂ ≤ 1 of min_i y_i⟨w, x_i⟩, or population_error: the least 0-1 error that any
    classifier can have on fresh rows. direction: "exact" up to rounding, "lower" (value ≤ truth), "upper"
    (value ≥ truth). L: the level κ^(L−1) of cao2020 for which a margin in the conjugate kernel is stated.
    """

    name: str
    value: float
    direction: Literal["exact", "lower", "upper"]
    why: str
    L: int | None = None

    def of_fewer_rows(self) -> Truth | None:
        """Return what is left of the fact once rows are dropped: margins and distances can then only grow."""
        if self.name in _OF_THE_DISTRIBUTION:
            return self
        return None if self.direction == "upper" else replace(self, direction="lower")


@dataclass(frozen=True)
class Dataset:
    """Labelled inputs on the unit sphere (assumption ‖x_i‖₂ = 1, y_i ∈ {−1, +1} of chen2019 and cao2020).

    X: (n, d) float64, every row of Euclidean norm 1; read-only.
    y: (n,) float64, every entry −1 or +1; read-only.
    labels: the original labels that became (−1, +1), in this order.
    truth: what is known of the data by construction; empty for data from elsewhere.
    """

    name: str
    X: NDArray[np.float64]
    y: NDArray[np.float64]
    labels: tuple[str, str]
    truth: tuple[Truth, ...] = ()

    @property
    def n(self) -> int:
        """Number of samples."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of input coordinates."""
        return int(self.X.shape[1])

    def subset(self, rows: NDArray[np.intp], name: str) -> Dataset:
        """Return the data set of the given row numbers, in the given order, with what is still known of it."""
        kept = (fact.of_fewer_rows() for fact in self.truth) if np.unique(rows).size == len(rows) else ()
        truth = tuple(fact for fact in kept if fact is not None)
        return Dataset(name, _frozen(self.X[rows]), _frozen(self.y[rows]), self.labels, truth)


def make_dataset(name: str, X: ArrayLike, labels_raw: ArrayLike, classes: tuple[str, str] | None = None) -> Dataset:
    """Validate and normalise raw inputs and labels.

    X: (n, d) numbers; each row is divided by its Euclidean norm. labels_raw: (n,) labels of any kind,
    compared as text (3, 3.0 and "3" are one label). classes = (A, B) keeps the rows labelled A (→ +1) and B
    (→ −1); without it there must be exactly two labels, and the later one in sorted order (numeric where
    both are numbers) is +1.

    Raises InputError, with row numbers counted from 0 in the array given, for: a shape other than (n, d);
    lengths that differ; no rows; NaN or infinite entries; zero rows; missing labels; fewer or more than two
    classes; classes that do not occur; identical inputs (after normalisation) with opposite labels.
    """
    inputs = _numeric_matrix(name, X)
    labels = _label_texts(name, labels_raw)
    if len(labels) != inputs.shape[0]:
        raise InputError(f"{name}: X has {inputs.shape[0]} rows but y has {len(labels)} labels; give one label a row")
    if not labels:
        raise InputError(f"{name}: X of shape {inputs.shape} has no rows; give some of each class")
    if inputs.shape[1] == 0:
        raise InputError(f"{name}: X of shape {inputs.shape} has no columns; give at least one feature")
    positive, negative = _choose_classes(name, labels, classes)
    texts = np.asarray(labels, dtype=object)
    rows = np.flatnonzero((texts == positive) | (texts == negative))
    inputs = inputs[rows]
    y = np.where(texts[rows] == positive, 1.0, -1.0)

    bad = rows[~np.isfinite(inputs).all(axis=1)]
    if bad.size:
        raise InputError(f"{name}: {_rows_phrase(bad)} a NaN or infinite entry; remove or impute what is missing")
    # Dividing by the largest entry first keeps the norm of a row of 1e200 finite and of 1e-200 non-zero.
    largest = np.maximum(inputs.max(axis=1), -inputs.min(axis=1))
    zero = rows[largest == 0.0]
    if zero.size:
        raise InputError(
            f"{name}: {_rows_phrase(zero)} only zeros, which no scaling brings to unit norm; remove such rows"
        )
    inputs /= largest[:, None]  # a copy since the rows were chosen
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    _refuse_contradictions(name, inputs, y, rows)
    return Dataset(name, _frozen(inputs), _frozen(y), (negative, positive))


def split(dataset: Dataset, test_fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Split into (train, test), class by class, deterministically in `seed`.

    Of a class with c rows, round(test_fraction·c) rows, drawn without replacement by PCG64(seed), go to the
    test side; both sides keep the order of the rows. Raises InputError unless 0 < test_fraction < 1 and
    both sides get at least one row of each class.
    """
    if not 0.0 < test_fraction < 1.0:
        raise InputError(f"test fraction {test_fraction!r} is not between 0 and 1; try 0.25")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed {seed!r} is not a whole number ≥ 0; give one such as 0")
    generator = np.random.Generator(np.random.PCG64(int(seed)))
    chosen = []
    for sign, label in zip((-1.0, 1.0), dataset.labels, strict=True):
        members = np.flatnonzero(dataset.y == sign)
        count = round(test_fraction * members.size)
        if not 0 < count < members.size:
            raise InputError(
                f"test fraction {test_fraction!r} puts {count} of the {members.size} rows of class {label!r} "
                "into the test side; choose a fraction that leaves each side at least one row of each class"
            )
        chosen.append(generator.permutation(members)[:count])
    in_test = np.zeros(dataset.n, dtype=bool)
    in_test[np.concatenate(chosen)] = True
    return (
        dataset.subset(np.flatnonzero(~in_test), f"{dataset.name} (train)"),
        dataset.subset(np.flatnonzero(in_test), f"{dataset.name} (test)"),
    )


def label_text(label: Any) -> str:
    """Return the text by which a raw label is known: whole numbers lose their '.0', text its outer blanks."""
    if isinstance(label, (bytes, np.bytes_)):
        return label.decode("utf-8", errors="replace").strip()
    text = str(label).strip()
    number = _as_number(text)
    if number is not None and number.is_integer() and abs(number) < 2**53:
        return str(int(number))
    return text


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array = np.ascontiguousarray(array, dtype=np.float64)
    array.flags.writeable = False
    return array


def _numeric_matrix(name: str, X: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise InputError(f"{name}: X is no rectangular array ({error}); give rows of equal length") from None
    if array.ndim != 2:
        raise InputError(f"{name}: X has shape {array.shape}; give a matrix (n, d) with one row per sample")
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name}: X has dtype {array.dtype}; give real numbers")
    return array.astype(np.float64)


def _label_texts(name: str, labels_raw: ArrayLike) -> list[str]:
    array = np.asarray(labels_raw)
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.ndim != 1:
        raise InputError(f"{name}: y has shape {array.shape}; give one label per row, shape (n,)")
    labels = [label_text(value) for value in array.tolist()]
    missing = np.flatnonzero([text.casefold() in ("", "nan", "none") for text in labels])
    if missing.size:
        raise InputError(f"{name}: {_rows_phrase(missing)} no label; remove such rows")
    return labels


def _choose_classes(name: str, labels: Sequence[str], classes: tuple[str, str] | None) -> tuple[str, str]:
    """Return the labels that become +1 and −1."""
    present = sorted(set(labels), key=_sort_key)
    if classes is None:
        if len(present) == 2:
            return present[1], present[0]
        if len(present) == 1:
            rows = f"all {len(labels)} rows (0 to {len(labels) - 1}) have" if len(labels) > 1 else "the only row has"
            raise InputError(f"{name}: {rows} the label {present[0]!r}; two classes are needed")
        raise InputError(
            f"{name}: {len(present)} classes ({_listing(present)}), but the theorems are binary; "
            "choose two with --classes A,B (A becomes +1)"
        )
    if len(classes) != 2:
        raise InputError(f"classes {classes!r}: name exactly two classes A,B (A becomes +1)")
    positive, negative = (label_text(text) for text in classes)
    if positive == negative:
        raise InputError(f"classes {positive!r} and {negative!r} are the same; name two different classes")
    absent = [text for text in (positive, negative) if text not in present]
    if absent:
        raise InputError(
            f"{name}: no row has the label {' or '.join(map(repr, absent))}; there are {_listing(present)}"
        )
    return positive, negative


def _sort_key(text: str) -> tuple[int, float, str]:
    number = _as_number(text)
    return (1, 0.0, text) if number is None else (0, number, text)


def _as_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _listing(labels: Sequence[str], shown: int = 12) -> str:
    more = f" and {len(labels) - shown} more" if len(labels) > shown else ""
    return ", ".join(labels[:shown]) + more


def _rows_phrase(rows: NDArray[np.intp]) -> str:
    """Return e.g. 'row 7 has' or '9 rows (2, 3, 5, 7, 8, …) have': the first row numbers and the count."""
    if rows.size == 1:
        return f"row {rows[0]} (counted from 0) has"
    shown = ", ".join(map(str, rows[:_SHOWN])) + (", …" if rows.size > _SHOWN else "")
    return f"{rows.size} rows (counted from 0: {shown}) have"


def _refuse_contradictions(
    name: str, inputs: NDArray[np.float64], y: NDArray[np.float64], rows: NDArray[np.intp]
) -> None:
    pairs = [f"{rows[first]} and {rows[second]}" for first, second in _contradictions(inputs, y)]
    if pairs:
        shown = ", ".join(pairs[:_SHOWN]) + (", …" if len(pairs) > _SHOWN else "")
        raise InputError(
            f"{name}: {len(pairs)} pair{'s' if len(pairs) > 1 else ''} of rows with the same input but "
            f"opposite labels (rows counted from 0: {shown}), which no network separates; remove them"
        )


def _contradictions(inputs: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Return (first, second) for each row whose input is that of an earlier `first` with the opposite label.

    Equal rows project to equal numbers on any direction; so only rows that are neighbours once the
    projections on a random direction are sorted need to be compared.
    """
    direction = np.random.Generator(np.random.PCG64(0)).standard_normal(inputs.shape[1])
    direction /= np.abs(direction).sum()
    projections = inputs @ direction
    order = np.argsort(projections, kind="stable")
    # The product's own rounding is below 1e-15 here: |direction|₁ = 1 and entries are at most 1.
    breaks = np.flatnonzero(np.diff(projections[order]) > 2 * _SAME_INPUT) + 1
    found: list[tuple[int, int]] = []
    for run in np.split(order, breaks) if breaks.size < len(order) - 1 else []:
        left = np.sort(run)
        while left.size > 1 and np.ptp(y[left]) > 0:
            same = np.abs(inputs[left] - inputs[left[0]]).max(axis=1) <= _SAME_INPUT
            group = left[same]
            found += [(int(group[0]), int(second)) for second in group[y[group] != y[group[0]]]]
            left = left[~same]
    return sorted(found, key=lambda pair: pair[1])
