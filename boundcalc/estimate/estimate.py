"""A number with the direction in which it errs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from boundcalc.errors import InputError

Direction = Literal["exact", "lower", "upper", "bracket"]


@dataclass(frozen=True)
class Estimate:
    """A measured quantity of the data or of the network at its start.

    name: as in the command line (phi, lambda_0, R, …); symbol: as in the formulas. direction: "exact" (up
    to rounding), "lower" (value ≤ truth), "upper" (value ≥ truth), "bracket" (lower ≤ truth ≤ upper, both
    given). method: how it was computed, in words, with the confidence of ends
    that rest on samples. converged: whether the method did what it set out to do;
    the value of an estimate that has not converged still errs only in the stated direction, but may be far
    off. rows: the rows of the data that attain the value, where there are such. seconds: what it cost; two
    estimates that differ in that alone are equal.
    """

    name: str
    symbol: str
    value: float
    direction: Direction
    method: str
    converged: bool
    lower: float | None = None
    upper: float | None = None
    rows: tuple[int, ...] = ()
    seconds: float | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.direction not in ("exact", "lower", "upper", "bracket"):
            raise InputError(f"direction {self.direction!r}; use exact, lower, upper or bracket")
        if self.direction == "bracket" and not (
            self.lower is not None and self.upper is not None and self.lower <= self.value <= self.upper
        ):
            raise InputError(
                f"bracket of {self.name}: {self.lower} ≤ {self.value} ≤ {self.upper} fails; order the three"
            )
