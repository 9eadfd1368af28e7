"""The values that an input runs over: ranges and lists as people type them, and how arrays lie to each other."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.arrays.blocks import broadcast_shape
from boundcalc.errors import InputError
from boundcalc.parsing import NUMBER, normalize, parse_number
from boundcalc.symbols import VOCABULARY

MOST_POINTS = 10**8

_RANGE = re.compile(rf"({NUMBER})\s*:\s*({NUMBER})\s*(?::\s*(\w*))?")
_SPACING = re.compile(r"(log|lin)(\d{1,12})")
_MEND = "write a list 2,3,5, a range 1e-3:1e-1:log25 or 0:1:lin11, or all integers 2:10"


@dataclass(frozen=True, eq=False)
class Axis:
    """The values of a one-dimensional axis; `note` says what was made of the words that gave them."""

    values: NDArray[Any]
    note: str = ""


def parse_axis(text: str, name: str) -> Fraction | Axis:
    """Read a number, or a list of numbers and ranges: `0.1`, `2,3,5`, `1e-3:1e-1:log25`, `0.1:0.9:lin9`, `2:10`.

    Ranges hold both their ends. `log` spaces the values evenly in their logarithms, `lin` evenly; for a symbol whose
    values are integers they are rounded to integers, of which each is taken once. `a:b` is every integer from a to b.

    Args:
        text: what was typed.
        name: the symbol or hidden constant that it is for.

    Raises:
        InputError: it is none of these, or has too many values.
    """
    cleaned = normalize(text).strip()
    whole = name in VOCABULARY and VOCABULARY[name].domain.integer
    items = [item.strip() for item in cleaned.split(",")]
    if len(items) == 1 and ":" not in cleaned:
        return parse_number(cleaned, name)
    parts, notes = [], []
    for item in items:
        if not item:
            raise InputError(f"{name}: {cleaned[:60]!r} names no value before or after one of its commas; {_MEND}")
        if ":" not in item:
            parts.append(_listed(parse_number(item, name), whole))
            continue
        values = _range(item, name, whole)
        asked = _count(item)
        if asked is not None and asked != values.size:
            notes.append(f"{name}={item}: {values.size} distinct integers")
        parts.append(values)
    return Axis(np.concatenate(parts), "; ".join(notes))


def is_axis(text: str) -> bool:
    """Whether a text is made of numbers and ranges, rather than of a formula."""
    cleaned = normalize(text).strip()
    return ":" in cleaned or ("," in cleaned and "(" not in cleaned) or re.fullmatch(NUMBER, cleaned) is not None


def _listed(value: Fraction, whole: bool) -> NDArray[Any]:
    return np.array([int(value) if whole and value.denominator == 1 and abs(value) < 2**63 else float(value)])


def _count(item: str) -> int | None:
    match = _SPACING.fullmatch(item.rpartition(":")[2].strip())
    return int(match[2]) if match else None


def _range(item: str, name: str, whole: bool) -> NDArray[Any]:
    match = _RANGE.fullmatch(item)
    if match is None:
        raise InputError(f"{name}: {item[:60]!r} is no range; {_MEND}")
    start, stop = (parse_number(end, name) for end in match.group(1, 2))
    if match[3] is None:
        return _integers(start, stop, item, name, whole)
    spacing = _SPACING.fullmatch(match[3])
    if spacing is None:
        raise InputError(f"{name}: {item[:60]!r} does not say how to space its values; {_MEND}")
    kind, count = spacing[1], int(spacing[2])
    _check_count(count, item, name)
    if count < 2:
        raise InputError(f"{name}: {item[:60]!r} has two ends; ask for at least 2 values")
    if kind == "log" and (start <= 0 or stop <= 0):
        raise InputError(f"{name}: {item[:60]!r} cannot be spaced by logarithms; give ends > 0, or lin{count}")
    space = np.geomspace if kind == "log" else np.linspace
    values = space(float(start), float(stop), count)
    if not whole:
        return values
    rounded = np.rint(values)
    _, first = np.unique(rounded, return_index=True)
    kept = rounded[np.sort(first)]
    return kept.astype(np.int64) if np.abs(kept).max() < 2**53 else kept


def _integers(start: Fraction, stop: Fraction, item: str, name: str, whole: bool) -> NDArray[Any]:
    if not whole:
        raise InputError(f"{name}: {item[:60]!r} does not say how many values; write {item}:log25 or {item}:lin25")
    if start.denominator != 1 or stop.denominator != 1 or start > stop:
        raise InputError(f"{name}: {item[:60]!r} is no range of integers a:b with a ≤ b")
    _check_count(int(stop - start) + 1, item, name)
    return np.arange(int(start), int(stop) + 1) if stop < 2**53 else float(start) + np.arange(int(stop - start) + 1)


def _check_count(count: int, item: str, name: str) -> None:
    if count > MOST_POINTS:
        raise InputError(f"{name}: {item[:60]!r} has {count} values; ask for at most {MOST_POINTS}")


def placed(axes: Mapping[str, NDArray[Any]], broadcast: bool) -> tuple[dict[str, NDArray[Any]], tuple[int, ...], bool]:
    """The axes as arrays that broadcast to each other, the shape of the whole, and whether that is their outer grid.

    One-dimensional axes span a grid, each its own dimension, in order. With `broadcast`, or where one of them has more
    dimensions and so says itself how it lies to the others, all are broadcast as numpy does.

    Raises:
        InputError: an empty axis, shapes that do not broadcast, or too many points.
    """
    for name, values in axes.items():
        if values.size == 0:
            raise InputError(f"{name} has no values; give at least one")
    grid = not broadcast and all(values.ndim <= 1 for values in axes.values())
    if grid:
        count = len(axes)
        arrays = {
            name: values.reshape((1,) * i + (-1,) + (1,) * (count - i - 1))
            for i, (name, values) in enumerate(axes.items())
        }
        shape = tuple(values.size for values in axes.values())
    else:
        arrays, shape = dict(axes), broadcast_shape(axes)
    points = math.prod(shape)
    if points > MOST_POINTS:
        sizes = " × ".join(f"{size}" for size in shape)
        mend = (
            "; in the library, broadcast=True takes them element by element"
            if grid and len(set(shape)) == 1 < len(shape)
            else ""
        )
        raise InputError(f"{sizes} points are more than {MOST_POINTS}: take fewer values of {', '.join(axes)}{mend}")
    return arrays, shape, grid
