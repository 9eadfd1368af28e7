"""What an answer is: a value, its status, and everything that went in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import sympy

from boundcalc.constants import ConstantUse, explicit
from boundcalc.notation import text
from boundcalc.numerics import Scaled, Value
from boundcalc.solving.facts import Measured
from boundcalc.symbols import show_fraction
from boundcalc.theorem import Bound, Theorem

Status = Literal["ok", "half-line", "interval", "all", "empty", "vacuous", "premise unmet"]
"""ok: one bound evaluated, or one condition inverted. half-line, interval, all, empty: what several conditions, or one
that is no plain bound, admit. vacuous: a guarantee that says nothing. premise unmet: an assumption of the statement is
not shown to hold for the data that it is asked about."""

UNANSWERED: tuple[Status, ...] = ("empty", "premise unmet")
"""Nothing is admitted."""


@dataclass(frozen=True)
class Assumed:
    """An input that nobody gave: its value, why that value, and how to set it."""

    name: str
    value: Fraction | Scaled
    why: str

    @property
    def text(self) -> str:
        """The value as a person would write it."""
        return show_value(self.value)

    @property
    def how(self) -> str:
        """The words that set it."""
        return f"set it with {self.name}=…"


@dataclass(frozen=True)
class End:
    """One end of an answer: `value` is exact or rounded to the safe side, None where only log₁₀ is given.

    `proven`: an integer whose neighbour on the other side provably fails. `binding` names the condition that fails
    there; it is empty where the end is that of the symbol's domain. `formula` is the end in closed form, where the
    symbol was solved for and there is one.
    """

    value: str | None
    log10: float
    proven: bool = False
    binding: str = ""
    formula: sympy.Expr | None = None

    @property
    def number(self) -> str:
        """The value, or a power of ten where it is too large to write out."""
        if self.value is not None:
            return self.value
        exponent = f"{self.log10:.12g}"
        return f"10^({exponent})" if "e" in exponent else f"10^{exponent}"


@dataclass(frozen=True)
class Solution:
    """A value, its status, and everything that went in.

    `bounds` are the inequalities as the paper writes them, `caps` conditions on other symbols that limit it besides.
    `value` is rounded so that the inequality holds, `log10` is that of the bound before rounding. Where the admissible
    set is an interval, `lower` and `upper` are its ends and `value` is the lower one; where it is empty, they say what
    is needed and what is allowed. `formulas` are inputs that were given as expressions of others. `measured` says which
    of the `inputs` were taken from data, and how. `unmet` says which conditions of the statement fail at the values in
    use. `solved` is the answer as a formula, where the unknown was solved for: both ends of an interval, if each has
    one. `policy` is what the `constants` rest on, and `cautions` what has to be known of that.
    """

    theorem: Theorem
    quantity: str
    symbol: sympy.Symbol
    relation: str
    status: Status
    value: str | None
    log10: float | None
    proven: bool
    bounds: tuple[Bound, ...]
    inputs: Mapping[str, Fraction]
    assumed: tuple[Assumed, ...]
    unused: tuple[str, ...]
    constants: tuple[ConstantUse, ...]
    policy: str
    provenance: str
    lower: End | None = None
    upper: End | None = None
    binding: str = ""
    formulas: Mapping[str, sympy.Expr] = field(default_factory=lambda: MappingProxyType({}))
    solved: sympy.Basic | None = None
    unmet: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    measured: tuple[Measured, ...] = ()
    cautions: tuple[str, ...] = ()
    caps: tuple[Bound, ...] = ()

    def _repr_latex_(self) -> str:
        from boundcalc.solving.notebook import solution_latex

        return f"${solution_latex(self)}$"

    def _repr_html_(self) -> str:
        from boundcalc.solving.notebook import solution_html

        return solution_html(self)

    @property
    def expression(self) -> sympy.Basic:
        """The bound with its constants explicit, or the unknown in closed form, or the inequalities that it solves."""
        return explicit(combined(self.bounds)) if self.solved is None else self.solved

    @property
    def number(self) -> str:
        """The answer in one word, for a table."""
        if self.status == "all":
            return "any"
        if self.log10 is None:
            return "none"
        return End(self.value, self.log10).number


def show_value(value: Value) -> str:
    """An input as a person would write it."""
    if isinstance(value, sympy.Expr):
        return text(value)
    return show_fraction(value) if isinstance(value, Fraction) else str(value)


def combined(bounds: tuple[Bound, ...]) -> sympy.Expr:
    """Several bounds on one symbol as one: the largest of lower bounds, the least of upper ones."""
    expressions = [bound.expr for bound in bounds]
    if len(expressions) == 1:
        return expressions[0]
    join = sympy.Max if bounds[0].relation == ">=" else sympy.Min
    return join(*expressions, evaluate=False)
