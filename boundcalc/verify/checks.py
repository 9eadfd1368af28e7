"""The measurable consequences of a guarantee, and the premises it rests on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Premise:
    """One assumption of the statement, and what was found of it."""

    name: str
    met: bool
    evidence: str


@dataclass(frozen=True)
class Check:
    """One measured number beside its bound.

    `slack` is bound/measured: how many times the measured value would fit. `claimed` tells what the statement promises
    from what is only of interest; without a bound, `slack` and `holds` are None.
    """

    name: str
    measured: float
    bound: float | None = None
    claimed: bool = False

    @property
    def slack(self) -> float | None:
        """Bound over measured value."""
        return None if self.bound is None or self.measured == 0 else self.bound / self.measured

    @property
    def holds(self) -> bool | None:
        """Whether the measured value is within the bound."""
        return None if self.bound is None else self.measured <= self.bound
