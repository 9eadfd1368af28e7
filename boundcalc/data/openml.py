"""Data sets of openml.org, by name: only for machines that are online, or that have fetched the set before."""

from __future__ import annotations

import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from boundcalc.data.dataset import Dataset, make_dataset
from boundcalc.errors import InputError

PREFIX = "openml:"
_SECONDS = 30.0
_NAME = re.compile(r"(?P<name>[^@\s]+)(@(?P<version>[1-9][0-9]*))?")


class NotFetchedError(InputError):
    """OpenML did not answer, or has no such data set."""


def load_openml(name: str, classes: tuple[str, str] | None, label: str | None) -> Dataset:
    """Return the data set of that name; `name@2` asks for version 2, otherwise it is the oldest active one.

    label names the target column where it is not OpenML's own choice. The version fetched is part of the
    name of the data set. Raises NotFetchedError when offline and for names that OpenML does not
    have; InputError for features that are not numbers.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InputError(f"OpenML data set {name!r}: write {PREFIX}NAME or {PREFIX}NAME@VERSION")
    bundle = _fetch(match["name"], int(match["version"]) if match["version"] else "active", label)
    full = f"{PREFIX}{match['name']}@{bundle.details['version']}"
    if bundle.target is None:
        raise InputError(f"{full} has no target of its own; choose the label column with --label")
    nominal = [column for column in bundle.feature_names if column in (bundle.categories or {})]
    if nominal:
        more = ", …" if len(nominal) > 5 else ""
        raise InputError(
            f"{full}: {', '.join(nominal[:5])}{more} are categories, not numbers; encode them and give a file"
        )
    inputs = bundle.data.toarray() if hasattr(bundle.data, "toarray") else bundle.data
    return make_dataset(full, _as_numbers(inputs), bundle.target, classes)


def _as_numbers(inputs: Any) -> Any:
    """Return what pandas parsed as objects, because entries are missing, as float64; else the input."""
    array = np.asarray(inputs)
    if array.dtype.kind != "O":
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array  # refused by make_dataset, which names the type


def _fetch(name: str, version: int | str, label: str | None) -> Any:
    from sklearn import datasets

    try:
        # Warnings: of several active versions, of which the name of the data set tells the one taken.
        with _patience(_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return datasets.fetch_openml(
                name,
                version=version,
                target_column="default-target" if label is None else label,
                as_frame=False,
                parser="auto" if find_spec("pandas") else "liac-arff",
                n_retries=1,
                delay=0.5,
            )
    except OSError as error:  # URLError, HTTPError and timeouts among them
        reason = str(getattr(error, "reason", "") or error or type(error).__name__).partition("\n")[0]
        raise NotFetchedError(
            f"OpenML cannot be reached for {name!r} ({reason}); go online, or give a file or a bundled set"
        ) from None
    except KeyError as error:
        raise InputError(f"OpenML data set {name!r}: {error.args[0]}; choose another --label") from None
    except ValueError as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise NotFetchedError(f"OpenML gave no data set {name!r} ({reason}); see openml.org for its names") from None


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Let no connection made meanwhile wait for longer: by default Python waits for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
