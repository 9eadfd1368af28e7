"""What is known of the data that a statement is asked about, as far as an answer needs it: not how it was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import sympy

from boundcalc.errors import BoundcalcError
from boundcalc.symbols import show_fraction
from boundcalc.theorem import Theorem

Taken = Literal["exact", "lower", "upper"]


@dataclass(frozen=True)
class Measured:
    """An input that was measured of data: its value, and where that comes from.

    name: the symbol. value: None where the measurement does not show that the statement's assumption holds at any
    value. estimate: what was measured, as `boundcalc data` names it; direction: on which side it errs, as there;
    lower, upper: between which the truth lies, where that is known. end: which of these the value is, rounded away from
    the other. safe: whether the value errs on the side on which the assumption holds; why: the reason. at: inputs that
    the measurement depends on. source: the data; method: how it was measured, and of what.
    """

    name: str
    value: Fraction | None
    estimate: str
    direction: str
    end: Taken
    source: str
    method: str
    why: str = ""
    at: tuple[tuple[str, Fraction], ...] = ()
    lower: float | None = None
    upper: float | None = None
    safe: bool = True
    converged: bool = True

    @property
    def text(self) -> str:
        """The value as a person would write it."""
        return "none" if self.value is None else show_fraction(self.value)

    @property
    def origin(self) -> str:
        """What was measured, which end of it was taken and why, and how it was measured."""
        at = ", ".join(f"{name}={show_fraction(value)}" for name, value in self.at)
        measured = f"{self.estimate} at {at}" if at else self.estimate if self.estimate != self.name else ""
        taken = ""
        if self.value is not None and self.end != "exact":
            between = self.lower is not None and self.upper is not None
            taken = f"{self.end} end of {self.lower:.6g} to {self.upper:.6g}" if between else f"{self.end} estimate"
            taken += f", {self.why}"
        parts = [measured, taken, self.method, "" if self.converged else "not converged"]
        return "; ".join(part for part in parts if part)


class UnmetPremiseError(BoundcalcError):
    """What was measured does not show that an assumption of the statement holds."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        super().__init__(measured.why)


class Facts(Protocol):
    """Data, as an answer sees it: what it counts, and what can be measured of it."""

    @property
    def counted(self) -> tuple[Measured, ...]:
        """What is known without measuring: n and d."""

    def needs(self, theorem: Theorem, symbol: sympy.Symbol) -> frozenset[str] | None:
        """The names of inputs that measuring a symbol of a statement depends on; None where nothing measures it."""

    def measured(self, theorem: Theorem, symbol: sympy.Symbol, at: Mapping[str, Fraction]) -> Measured:
        """A symbol of a statement, measured at the inputs that it `needs`."""
