"""Which B, and with it which neighbourhood W_τ, cao2020's gradient lower bound (3.1) is put to the test at.

(3.1) asks for ‖∇_{W_L} L_S(W)‖_F ≥ B √m E_S(W) on all of W_τ, and τ itself falls with B: τ = C_τ·g(B). With b(τ) the
least ratio of the two sides in W_τ, which can only fall as τ grows, B is admissible if b(C_τ g(B)) ≥ B. An admissible B
is at most b at any smaller radius, so the largest one is approached from above, from the ratio at W^(0).

Where C_τ is left open and no B is admissible at C_τ = 1, because W_τ then reaches to weights without a gradient, the
radius with the largest τ·b(τ) is taken: the one that asks least of C_τ.

b is known from above only, by a search. So a B found here was not contradicted, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ROOM = 1.2
"""By what the ratio that a few inits have must exceed B, so that others have B as well."""

_GRID = 0.5**0.5
_LEAST_SHARE = 2.0**-10
_MOST_HALVINGS = 40

Least = Callable[[float], float]
"""The least ratio found in W_τ, by τ."""


@dataclass(frozen=True)
class Ball:
    """A radius τ, and the B that goes with it; `as_set`: at the C_τ in use, and not at one still to be chosen."""

    tau: float
    B: float
    as_set: bool


def largest_admissible(least: Least, start: float, radius: Callable[[float], float], *, open_: bool) -> Ball:
    """Return the largest B, up to a factor √2, that the search does not contradict in its own W_τ.

    Args:
        least: b(τ).
        start: the least ratio at W^(0).
        radius: τ at the C_τ in use, by B; it falls with B.
        open_: whether C_τ may be chosen instead. Where that is not allowed, or does not help, B is `start`: whatever
            happens then, the search has contradicted (3.1).
    """
    candidate, tried = start / ROOM, []
    while candidate >= start * _LEAST_SHARE:
        tau = radius(candidate)
        found = least(tau)
        if found >= ROOM * candidate:
            return Ball(tau, candidate, as_set=True)
        tried.append(Ball(tau, found, as_set=False))
        candidate = min(found / ROOM, candidate * _GRID)
    as_it_is = Ball(radius(start), start, as_set=True)
    if not open_:
        return as_it_is
    best, tau = max(tried, key=_reach), radius(start)
    for _ in range(_MOST_HALVINGS):
        if start * tau <= _reach(best):  # no smaller radius does better, as b ≤ b(0)
            break
        best = max(best, Ball(tau, least(tau), as_set=False), key=_reach)
        tau /= 2
    return best if best.B > 0 else as_it_is


def widest_ball(least: Least, start: float, B: float, tau: float, *, open_: bool) -> Ball:
    """Return W_τ, or where C_τ may be chosen the widest of W_τ, W_(τ/2), … in which the search does not contradict B.

    Where it is contradicted in all of them, W_τ.
    """
    as_it_is = Ball(tau, B, as_set=True)
    if not open_ or start < B or least(tau) >= B:
        return as_it_is
    for _ in range(_MOST_HALVINGS):
        tau /= 2
        if least(tau) >= ROOM * B:
            return Ball(tau, B, as_set=False)
    return as_it_is


def _reach(ball: Ball) -> float:
    """τ·B, which C_τ is in proportion to."""
    return ball.tau * ball.B
