"""From where on, and up to where, a condition on a large number holds: Newton's method on whole arrays.

A condition left ≤ right on x ≥ 1 is given by its slack h(u) = log(right/left), a function of u = log x that is known
with its derivative. It holds where h ≥ 0: from some x on, as x ≥ a·log(bx) does, or up to some x, as a cap does that
tightens while x grows. For x ≥ a·log(bx) the slack is convex in u, and Newton's method from above decreases to its
largest root: the one on Lambert's branch W₋₁, never the tiny one on W₀. Where it does not simply decrease, every step
is kept between the nearest point at which the condition is known to fail and the nearest at which it is known to hold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from boundcalc.arrays.programs import Array, Operand, Program, Tape

Function = Callable[[Operand], tuple[Operand, Operand]]
"""The values of a function and of its derivative; they hold until it is called again."""

SEARCH = (2.0**10, 2.0**20, 2.0**40, 2.0**80, 2.0**160, 2.0**200)
"""Where a root is sought from above, in u = log x; one beyond the last is taken for none."""

NEAREST = math.log(2.0**-40)
"""Least log u at which the end of a range is told from x = 1."""

NARROWEST = 1e-6
"""The width of the narrowest range that is found, relative to its upper end."""

TOLERANCE = 1e-8
"""Newton's method stops at steps of this size, relative to what it moves where that exceeds 1: the error that such a
step leaves is about its square."""

CLOSE = 1e-13
"""The same for steps that may halve an interval, and leave as much as they move."""

MOST_DESCENTS = 12
PATIENCE = 180
"""Newton's method makes steps of length 1 on what grows exponentially; after so many every other step is a halving."""

MOST_STEPS = 300


class Conditions:
    """Conditions on one number, given by their slacks: for one block of points after another, in the same memory."""

    def __init__(self, slacks: Program, known: Mapping[str, Array], shape: tuple[int, ...]) -> None:
        """Begin with a first block.

        Args:
            slacks: the program that computes every slack, of its `known` inputs and of u.
            known: what is known of the block; the arrays broadcast to its shape.
            shape: of the block, in one dimension at least.
        """
        self.shape = shape
        self._known = Tape()
        left = slacks.given(known, self._known)
        u, *rooms = (np.empty(shape) for _ in range(3))
        self._slacks: list[_Slack] = []
        for output in left.outputs:
            # One is done with when the next is looked at: they use the same arrays.
            self._slacks.append(_Slack(left.alone(output), u, rooms, self._slacks[-1:]))

    def move(self, known: Mapping[str, Array]) -> None:
        """Go on to the next block."""
        self._known.again(known)

    def ranges(self, caps: Sequence[bool]) -> tuple[Array, Array]:
        """The ends of what is common to the last ranges of u ≥ 0 on which the conditions hold, one for each.

        Args:
            caps: which conditions are expected to hold up to a point, rather than from a point on: the answer is the
                same, and sooner found.

        Returns:
            The lower and upper ends: 0 where the conditions hold from x = 1 on, ∞ where they hold for good. The lower
            end is ∞, and the upper 0, where one holds nowhere. NaN where the method did not converge, and where a
            condition is undefined at the largest values.
        """
        lower, upper = np.zeros(self.shape), np.full(self.shape, math.inf)
        for slack, cap in zip(self._slacks, caps, strict=True):
            low, high = _last_range(slack, cap)
            np.maximum(lower, low, out=lower)
            np.minimum(upper, high, out=upper)
        return lower, upper


class _Slack:
    """The slack of one condition on a block."""

    def __init__(self, program: Program, u: Array, rooms: Sequence[Array], before: Sequence[_Slack]) -> None:
        self.rooms = rooms
        self._u = u
        self._program = program
        self._before = before
        self._tape = Tape()
        self._result: tuple[Operand, Operand] | None = None

    def rising(self, u: Operand) -> tuple[Operand, Operand]:
        """The slack in u, and its derivative."""
        self._u[...] = u
        if self._result is None:
            self._tape = Tape(array for other in self._before for array in other._tape.arrays)
            self._result = self._program.tangent(self._u, self._tape)
        else:
            self._tape.again({})
        return self._result

    def falling(self, w: Operand) -> tuple[Operand, Operand]:
        """The negative slack in w = log u, in which a cap's is nearly linear: its root is soon found, however large."""
        value, slope = self.rising(np.exp(w))
        return np.negative(value), np.negative(slope * self._u)


def _last_range(slack: _Slack, cap: bool) -> tuple[Operand, Operand]:
    """The ends of the last range of u ≥ 0 on which one condition holds."""
    for falls in (cap, not cap):
        if falls:
            root = _descent(slack.falling, math.log(SEARCH[-1]), NEAREST, slack.rooms)
            if root is not None and root.min() > NEAREST and np.min(slack.rising(0.0)[0]) >= 0:
                return 0.0, np.exp(root)
        else:
            root = _descent(slack.rising, SEARCH[0], 0.0, slack.rooms)
            if root is not None:
                return root, math.inf
    return _mixed_range(slack.rising, slack.falling, slack.rooms[0].shape)


def _mixed_range(rising: Function, falling: Function, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """The same, where points differ in kind or Newton's method needs help."""
    value, slope = rising(SEARCH[-1])
    undefined = np.isnan(value)
    lasts = np.broadcast_to(value >= 0, shape)
    rooted = np.broadcast_to(np.logical_and(lasts, slope > 0), shape)
    top = np.full(shape, SEARCH[-1])
    nearest, held = top, lasts
    lower, upper = np.zeros(shape), np.full(shape, math.inf)
    if lasts.any():
        for u in reversed(SEARCH[:-1]):
            value, slope = rising(u)
            holds = value >= 0
            found = np.logical_and(holds, slope > 0)
            top, rooted = np.where(found, u, top), np.logical_or(rooted, lasts & found)
            held = held & holds
            nearest = np.where(held, u, nearest)
        lower = np.where(rooted, _largest_root(rising, top, rooted, 0.0), lower)
    if not lasts.all():
        w = _largest_root(falling, np.full(shape, math.log(SEARCH[-1])), ~lasts, NEAREST)
        nowhere = ~lasts & (w <= NEAREST + 1e-9)
        lower = np.where(nowhere, math.inf, lower)
        upper = np.where(lasts, upper, np.where(nowhere, 0.0, np.exp(w)))
    # Below its end, what falls may begin to hold at a point too: it does where it fails at x = 1. And what holds of
    # itself from some point on, of what is negative there, has no slope by which to tell.
    begins = ~rooted & (lower == 0) & ~(rising(0.0)[0] >= 0)
    begins = np.logical_or(begins, lasts & ~rooted & (rising(nearest)[0] == math.inf))
    if begins.any():
        inside = np.minimum(upper * (1 - NARROWEST), nearest)
        lower = np.where(begins, _largest_root(rising, inside, begins, 0.0), lower)
    return np.where(undefined, math.nan, lower), np.where(undefined, math.nan, upper)


def _descent(function: Function, top: float, least: float, rooms: Sequence[Array]) -> Array | None:
    """The largest roots in [least, top], `least` where there is none, if Newton's method simply finds them all."""
    x, step = rooms
    x[...] = top
    for count in range(MOST_DESCENTS):
        value, slope = function(x)
        if count == 0 and not np.min(value) >= 0:
            break
        np.divide(value, slope, out=step)
        np.subtract(x, step, out=x)
        lowest = x.min()
        if lowest < least:
            # Undone, as far as it goes beyond the end.
            np.add(x, step, out=step)
            np.maximum(x, least, out=x)
            np.subtract(step, x, out=step)
        if max(step.max(), -step.min()) <= TOLERANCE * max(lowest, 1.0):
            # What rises here, being convex, rises all the way to the top; what is negative was held back at the end.
            return x if np.min(slope) > 0 and np.min(value) >= -TOLERANCE * max(x.max(), 1.0) else None
    return None


def _largest_root(function: Function, top: Array, wanted: NDArray[np.bool], least: float) -> Array:
    """The largest root in [least, top] of a function that is ≥ 0 and rises at the top; `least` where it has none.

    Every step is kept between the nearest points above and below the root. Only the `wanted` points are waited for;
    NaN where they do not converge.
    """
    x, high, low = top, top, np.full(top.shape, -math.inf)
    settled = np.zeros(top.shape, bool)
    for count in range(MOST_STEPS):
        value, slope = function(x)
        holds = value >= 0
        high, low = np.where(holds, x, high), np.where(holds, low, x)
        target = np.maximum(x - value / slope, least)
        inside = (target > low) & (target <= high)
        if count > PATIENCE and count % 2:
            inside &= settled
        following = np.where(inside, target, (np.maximum(low, least) + high) / 2)
        settled = np.abs(following - x) <= CLOSE * np.maximum(np.abs(x), 1.0)
        x = following
        if (settled | ~wanted).all():
            break
    # What halving brought this near to the end has no root.
    x = np.where(x - least <= 4 * CLOSE, least, x)
    return np.where(settled | ~wanted, x, math.nan)
