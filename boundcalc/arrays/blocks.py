"""Large arrays in blocks that stay in the processor's cache, and what they broadcast to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.arrays.programs import Array
from boundcalc.errors import InputError

BLOCK = 1 << 16
"""Elements that go through a whole program at a time."""

Index = tuple[slice, ...]


def broadcast_shape(arrays: Mapping[str, NDArray[Any]]) -> tuple[int, ...]:
    """The shape that arrays broadcast to.

    Raises:
        InputError: they do not; the message lists their shapes.
    """
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items() if array.ndim)
        raise InputError(f"these shapes do not broadcast: {shapes}") from None


def blocks(shape: tuple[int, ...], size: int = BLOCK) -> Iterator[Index]:
    """Parts of an array of this shape, cut along its longest axis, of about `size` elements."""
    elements = math.prod(shape)
    if elements <= size:
        yield (slice(None),) * len(shape)
        return
    axis = _longest(shape)
    step = max(size * shape[axis] // elements, 1)
    for start in range(0, shape[axis], step):
        yield (*[slice(None)] * axis, slice(start, start + step), *[slice(None)] * (len(shape) - axis - 1))


def at(array: NDArray[Any], index: Index) -> Array:
    """The part of an array that broadcasts to a part of the whole."""
    own = index[len(index) - array.ndim :]
    part = array[tuple(cut if n > 1 else slice(None) for cut, n in zip(own, array.shape, strict=True))]
    return np.asarray(part, np.float64)


def parted(
    arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
) -> tuple[dict[str, Array], dict[str, NDArray[Any]]]:
    """The arrays that are the same in every block, and the others."""
    axis = _longest(shape) - len(shape)
    moving = {name: array for name, array in arrays.items() if shape and array.ndim >= -axis and array.shape[axis] > 1}
    return {name: np.asarray(array, np.float64) for name, array in arrays.items() if name not in moving}, moving


def _longest(shape: tuple[int, ...]) -> int:
    return max(range(len(shape)), key=shape.__getitem__, default=0)
