"""Data sets from files: NPZ, NPY, CSV, Parquet, LIBSVM."""

from __future__ import annotations

import csv
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.data.bundled import extra_module
from boundcalc.data.dataset import Dataset, make_dataset
from boundcalc.errors import InputError, UnknownNameError

LIBSVM_SUFFIXES = (".libsvm", ".svm", ".svmlight")
SUFFIXES = (".npz", ".npy", ".csv", ".parquet", *LIBSVM_SUFFIXES)
# With a label column to choose; the other formats say for themselves what the label is.
_LABELLED = (".npy", ".csv", ".parquet")
_LIBSVM_LINE = re.compile(r"[-+0-9.eE]+(\s+\d+:\S+)+\s*(#.*)?")
# A sparse file may name features of any index; 8 GiB is where its dense form stops being what anyone meant.
_DENSE_BYTES = 2**33


def load_file(path: Path, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    """Return the data set of a file, in the format that its suffix names.

    A file with another suffix, or none, whose first line of data reads `label index:value …` is LIBSVM: so
    are most files of that collection named. Raises InputError for what cannot be read.
    """
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder; give a file in it")
    if not path.is_file():
        raise InputError(f"there is no file {str(path)!r}; check the path")
    if not os.access(path, os.R_OK):
        raise InputError(f"{str(path)!r} may not be read: permission denied; chmod u+r allows it")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES and _looks_like_libsvm(path):
        suffix = ".libsvm"
    if suffix not in SUFFIXES:
        raise InputError(f"{str(path)!r} does not end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; convert it")
    if label is not None and suffix not in _LABELLED:
        where = "the array y" if suffix == ".npz" else "the first entry of each line"
        raise InputError(f"label column {label!r}: the labels of {str(path)!r} are {where}; leave it out")
    if suffix == ".npz":
        return _load_npz(path, classes)
    if suffix == ".npy":
        return _load_npy(path, classes, label)
    if suffix == ".csv":
        return _load_csv(path, classes, label)
    return _load_parquet(path, classes, label) if suffix == ".parquet" else _load_libsvm(path, classes)


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
        raise InputError(f"{str(path)!r} is no readable NPZ file{_reason(error)}; use np.savez") from None
    return make_dataset(str(path), arrays["X"], arrays["y"], classes)


def _reason(error: Exception) -> str:
    """What was wrong; numpy takes whatever it does not know for pickled objects, and offers to load them."""
    text = str(error).partition("\n")[0]
    return f" ({text})" if text and "pickle" not in text else ""


def _unpickled(archive: Any, key: str, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(archive[key])
    except ValueError:
        raise InputError(
            f"{str(path)!r}: the array {key} is pickled objects, which are not loaded; save numbers or text"
        ) from None


def _load_npy(path: Path, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    try:
        with path.open("rb") as handle:
            table = np.load(handle, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is no readable NPY file{_reason(error)}; use np.save") from None
    if not isinstance(table, np.ndarray):
        raise InputError(f"{str(path)!r} is an archive of arrays; name it .npz")
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError(
            f"{str(path)!r} has shape {table.shape}; give a matrix of features with one column of labels, or NPZ"
        )
    column = _label_column(label, table.shape[1], [])
    return make_dataset(str(path), np.delete(table, column, axis=1), table[:, column], classes)


def _load_csv(path: Path, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            return _read_csv(path, ((reader.line_num, row) for row in reader if row), classes, label)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{str(path)!r} cannot be read as UTF-8 CSV ({error}); save it as such") from None


def _read_csv(
    path: Path, rows: Iterator[tuple[int, list[str]]], classes: tuple[str, str] | None, label: str | None
) -> Dataset:
    """Turn (line number, cells) into a data set, row by row: a file of 60,000 images does not pile up as text."""
    first = next(rows, None)
    if first is None:
        raise InputError(f"{str(path)!r} is empty; give one row per sample")
    width = len(first[1])
    if width < 2:
        raise InputError(f"{str(path)!r} has a single column ({first[1][0]!r}); separate features and label by commas")
    names = [cell.strip() for cell in first[1]]
    # A first row without a single number names the columns; so does one that holds the name asked for.
    has_header = not any(map(_is_number, names)) or (label in names and not _is_number(str(label)))
    header = names if has_header else []
    column = _label_column(label, width, header)
    features: list[NDArray[np.float64]] = []
    labels: list[str] = []
    for line, row in rows if has_header else _chain(first, rows):
        if len(row) != width:
            raise InputError(f"{str(path)!r}, line {line}: {len(row)} cells, not {width} as above; complete the row")
        labels.append(row.pop(column))
        try:
            features.append(np.array(row, dtype=np.float64))
        except ValueError:
            raise _first_bad_cell(path, line, row, column, header) from None
    if not features:
        raise InputError(f"{str(path)!r} has a header but no rows; give one row per sample")
    return make_dataset(str(path), np.stack(features), np.array(labels, dtype=object), classes)


def _chain(first: tuple[int, list[str]], rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rows


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


def _first_bad_cell(path: Path, line: int, features: list[str], column: int, header: list[str]) -> InputError:
    for place, cell in enumerate(features):
        if not _is_number(cell):
            index = place + (place >= column)
            where = f"column {index}" + (f" ({header[index]})" if header else "")
            problem = "the cell is empty; impute what is missing, or drop the row"
            if cell.strip():
                problem = f"{cell[:40]!r} is not a number; features must be numeric: encode or drop the column"
            return InputError(f"{str(path)!r}, line {line}, {where}: {problem}")
    return InputError(f"{str(path)!r}, line {line} holds cells that are not numbers; features must be numeric")


def _load_parquet(path: Path, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    parquet = extra_module("pyarrow.parquet", "parquet", "Parquet files are read by pyarrow")
    try:
        table = parquet.read_table(str(path))
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors and OSErrors
        reason = str(error).partition("\n")[0]
        raise InputError(f"{str(path)!r} is no readable Parquet file ({reason}); write it anew") from None
    names = [str(name) for name in table.column_names]
    if len(names) < 2:
        raise InputError(f"{str(path)!r} has {len(names)} columns; give features and a label")
    column = _label_column(label, len(names), names)
    features = np.empty((table.num_rows, len(names) - 1))
    for place, index in enumerate(index for index in range(len(names)) if index != column):
        features[:, place] = _numbers(path, names[index], table.column(index))
    return make_dataset(str(path), features, np.array(table.column(column).to_pylist(), dtype=object), classes)


def _numbers(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    """Return a column as float64; what is missing becomes NaN, which `make_dataset` reports by row."""
    kind = str(column.type)
    if not kind.startswith(("int", "uint", "float", "double", "halffloat", "bool", "decimal", "null")):
        raise InputError(f"{str(path)!r}, column {name!r} has type {kind}; features must be numeric: encode or drop it")
    # Decimals and truth values with gaps come as objects.
    values = column.to_numpy()
    if values.dtype.kind == "O":
        values = np.array([np.nan if value is None else float(value) for value in values])
    return np.asarray(values, dtype=np.float64)


def _load_libsvm(path: Path, classes: tuple[str, str] | None) -> Dataset:
    from sklearn.datasets import load_svmlight_file

    try:
        sparse, labels = load_svmlight_file(str(path))
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"{str(path)!r} is no readable LIBSVM file ({error}); lines are: label index:value …"
        ) from None
    n, d = sparse.shape
    if 8 * n * d > _DENSE_BYTES:
        raise InputError(
            f"{str(path)!r}: {n} rows of {d} features take {8 * n * d / 2**30:.0f} GiB; keep fewer rows or features"
        )
    return make_dataset(str(path), sparse.toarray(), labels, classes)


def _looks_like_libsvm(path: Path) -> bool:
    """Whether the first line that is neither blank nor a comment reads `label index:value …`."""
    try:
        with path.open(encoding="utf-8") as handle:
            for _ in range(100):
                line = handle.readline(2**20).strip()
                if line and not line.startswith("#"):
                    return _LIBSVM_LINE.fullmatch(line) is not None
    except (OSError, UnicodeDecodeError):
        pass
    return False
