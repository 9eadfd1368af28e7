"""From a name or a file to a `Dataset`."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.data.dataset import Dataset, make_dataset
from boundcalc.errors import InputError, UnknownNameError

BUNDLED = ("breast_cancer", "digits", "wine")
_SUFFIXES = (".npz", ".csv")


def load(source: str, *, classes: tuple[str, str] | None = None, label: str | None = None) -> Dataset:
    """Return the data set that `source` names.

    source: a bundled name (`digits`, `breast_cancer`, `wine`: from scikit-learn, no download), a path
    ending in .npz (arrays X (n, d) and y (n,)), or a path ending in .csv (comma-separated; a first row
    without any numeric feature is the header). `label` chooses the label column of a CSV file by name or by
    index (from 0, negative from the end; default the last). `classes` as in `make_dataset`.

    Raises InputError for files that are missing or cannot be read as such, arrays that are missing or
    pickled, cells that are not numbers, and everything that `make_dataset` refuses; UnknownNameError (an
    InputError) offering the nearest names for a name that is neither bundled nor a file.
    """
    path = Path(source)
    suffix = path.suffix.lower()
    if label is not None and suffix != ".csv":
        raise InputError(f"label column {label!r}: {source!r} is not a CSV file; leave it out")
    if source in BUNDLED:
        return _load_bundled(source, classes)
    if suffix not in _SUFFIXES:
        if path.exists() or "/" in source or "\\" in source:
            raise InputError(f"{source!r} does not end in {' or '.join(_SUFFIXES)}; convert it")
        raise UnknownNameError(
            "data set",
            source,
            BUNDLED,
            f"use {', '.join(BUNDLED)} or a path ending in {' or '.join(_SUFFIXES)}",
        )
    if not path.is_file():
        raise InputError(f"there is no file {source!r}; check the path")
    return _load_npz(path, classes) if suffix == ".npz" else _load_csv(path, classes, label)


def _load_bundled(name: str, classes: tuple[str, str] | None) -> Dataset:
    from sklearn import datasets  # takes a second to import: only when a bundled set is asked for

    loaders: dict[str, Any] = {
        "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
    }
    bundle = loaders[name]()
    labels = np.asarray(bundle.target_names).astype(str)[bundle.target]
    return make_dataset(name, bundle.data, labels, classes)


def _load_npz(path: Path, classes: tuple[str, str] | None) -> Dataset:
    try:
        # Opened here: np.load leaves a file that it opened itself dangling where the archive is torn.
        with path.open("rb") as handle:
            archive = np.load(handle, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise InputError(f"{str(path)!r} holds one bare array; save X and y with np.savez")
            missing = [key for key in ("X", "y") if key not in archive.files]
            if missing:
                found = ", ".join(archive.files) or "nothing"
                raise InputError(
                    f"{str(path)!r} holds {found} but not {' and '.join(missing)}; save both with np.savez"
                )
            arrays = {key: _unpickled(archive, key, path) for key in ("X", "y")}
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no readable NPZ file ({error}); use np.savez") from None
    return make_dataset(str(path), arrays["X"], arrays["y"], classes)


def _unpickled(archive: Any, key: str, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(archive[key])
    except ValueError:
        raise InputError(
            f"{str(path)!r}: the array {key} is pickled objects, which are not loaded; save numbers or text"
        ) from None


def _load_csv(path: Path, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    lines: list[int] = []
    rows: list[list[str]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            for row in reader:
                if row:  # blank lines carry nothing
                    lines.append(reader.line_num)
                    rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{str(path)!r} cannot be read as UTF-8 CSV ({error}); save it as such") from None
    if not rows:
        raise InputError(f"{str(path)!r} is empty; give one row per sample")
    width = len(rows[0])
    if width < 2:
        raise InputError(f"{str(path)!r} has a single column ({rows[0][0]!r}); separate features and label with commas")
    for line, row in zip(lines, rows, strict=True):
        if len(row) != width:
            raise InputError(f"{str(path)!r}, line {line}: {len(row)} cells, not {width} as above; complete the row")
    names = [cell.strip() for cell in rows[0]]
    # A first row without a single number names the columns; so does one that holds the name asked for.
    has_header = not any(map(_is_number, names)) or (label in names and not _is_number(str(label)))
    column = _label_column(label, width, names if has_header else [])
    body, body_lines = (rows[1:], lines[1:]) if has_header else (rows, lines)
    if not body:
        raise InputError(f"{str(path)!r} has a header but no rows; give one row per sample")
    features = [row[:column] + row[column + 1 :] for row in body]
    try:
        X = np.array(features, dtype=np.float64)
    except ValueError:
        raise _first_bad_cell(path, body, body_lines, column, names if has_header else None) from None
    return make_dataset(str(path), X, np.array([row[column] for row in body], dtype=object), classes)


def _label_column(label: str | None, width: int, header: list[str]) -> int:
    if label is None:
        return width - 1
    if label in header:
        return header.index(label)
    try:
        index = int(label)
    except ValueError:
        listing = ", ".join(header[:12]) + (", …" if width > 12 else "")
        mend = f"the columns are {listing}" if header else f"no header; give an index, 0 to {width - 1}"
        raise UnknownNameError("label column", label, header, mend) from None
    if not -width <= index < width:
        raise InputError(f"label column {index}: there are {width} columns; give 0 to {width - 1} or a name")
    return index % width


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _first_bad_cell(
    path: Path, body: list[list[str]], lines: list[int], column: int, header: list[str] | None
) -> InputError:
    for line, row in zip(lines, body, strict=True):
        for index, cell in enumerate(row):
            if index != column and not _is_number(cell):
                where = f"column {index}" + (f" ({header[index]})" if header else "")
                return InputError(
                    f"{str(path)!r}, line {line}, {where}: {cell!r} is not a number; features must be numeric"
                )
    return InputError(f"{str(path)!r} holds cells that are not numbers; features must be numeric")
