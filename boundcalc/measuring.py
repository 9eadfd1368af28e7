"""Inputs of statements taken from data: which estimate a statement's assumption asks for, and which end of it.

An assumption names what measures its symbol, and on which side it gets weaker. Taken is the end of the estimate at
which it is known to hold: of a margin γ between two bounds the lower, since what holds at γ holds at every smaller γ;
of the radius R, which the assumption bounds from above, the upper. A statement is true at that value, whichever of its
quantities is asked for. Where the estimate has no such end, or is of networks of another width than the statement's,
the answer says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy

from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate
from boundcalc.estimate.measures import DEPENDS, MEASURES, WIDTHS, Options, measure
from boundcalc.solving.facts import Measured, Taken
from boundcalc.symbols import VOCABULARY
from boundcalc.theorem import Hypothesis, Theorem, Weaker

DIGITS = 12
"""Significant digits of a measured value; the rest is rounded away to the safe side."""


class DataFacts:
    """A data set as the source of statements' inputs: n, d, and what their assumptions bring in.

    Nothing is measured before an answer needs it, and nothing twice.

    Args:
        data: unit rows with labels ±1.
        seed: of sampled random features.
        device: auto, cpu or cuda.
        announce: called with the name of what is measured, before it is.
    """

    def __init__(
        self, data: Dataset, *, seed: int = 0, device: str = "auto", announce: Callable[[str], None] = lambda name: None
    ) -> None:
        self.data = data
        self._options = Options(seed=seed, device=device)
        self._announce = announce
        self._found: dict[tuple[str, Options], Estimate] = {}

    @property
    def counted(self) -> tuple[Measured, ...]:
        """The numbers of examples and of dimensions."""
        positive = int((self.data.y > 0).sum())
        minus, plus = self.data.labels
        examples = f"{positive} examples of {plus!r} as +1, {self.data.n - positive} of {minus!r} as −1"
        return tuple(
            Measured(name, Fraction(count), name, "exact", "exact", self.data.name, method)
            for name, count, method in (("n", self.data.n, examples), ("d", self.data.d, "columns of the data"))
        )

    def needs(self, theorem: Theorem, symbol: sympy.Symbol) -> frozenset[str] | None:
        """The names of inputs that measuring a symbol of a statement depends on; None where nothing measures it."""
        assumption = _assumption(theorem, symbol)
        if assumption is None:
            return None
        needs = DEPENDS.get(assumption.measure, frozenset())
        # Where the number of hidden layers is fixed, no L enters.
        return needs - {"L"} if theorem.setting.depth.hidden is None else needs

    def measured(self, theorem: Theorem, symbol: sympy.Symbol, at: Mapping[str, Fraction]) -> Measured:
        """A symbol of a statement, measured at the inputs that it `needs`; its value on the safe side.

        Raises:
            InputError: the estimate that the assumption names measures another symbol, or cannot be taken of this data.
            UnknownNameError: there is no such estimate.
        """
        assumption = _assumption(theorem, symbol)
        assert assumption is not None
        estimate = self._estimate(assumption.measure, self._at(theorem, at))
        if estimate.symbol != symbol.name:
            raise InputError(
                f"{theorem.key}: {assumption.name} is about {symbol.name}, but {estimate.name} measures "
                f"{estimate.symbol}; give {symbol.name}=…"
            )
        found = taken(estimate, assumption, self.data.name)
        return replace(found, at=tuple(sorted(at.items())))

    def _at(self, theorem: Theorem, at: Mapping[str, Fraction]) -> Options:
        """How to measure at a statement's inputs; a depth is counted in hidden layers."""
        settings: dict[str, Any] = {name: float(value) for name, value in at.items()}
        if "L" in at:
            settings["L"] = int(at["L"]) + (theorem.setting.depth.hidden or 0)
        return replace(self._options, **settings)

    def _estimate(self, name: str, options: Options) -> Estimate:
        if (name, options) not in self._found:
            self._announce(name)
            (self._found[name, options],) = measure(self.data, [name], options)
        return self._found[name, options]


def _assumption(theorem: Theorem, symbol: sympy.Symbol) -> Hypothesis | None:
    """The assumption that brings a symbol in, if something measures it.

    A symbol that no assumption of the statement brings in, such as φ in a formula that was given for R, is measured
    where an estimate of that very name depends on the data alone.
    """
    own = [hypothesis for hypothesis in theorem.hypotheses if hypothesis.symbol == symbol]
    if not own and symbol.name in MEASURES and symbol.name not in DEPENDS:
        return Hypothesis(symbol.name, VOCABULARY[symbol.name].meaning, symbol, symbol.name)
    named = [hypothesis for hypothesis in own if hypothesis.measure]
    if len({hypothesis.measure for hypothesis in named}) > 1:
        raise InputError(
            f"{theorem.key} assumes {symbol.name} in {len(named)} ways, measured by "
            f"{' and '.join(hypothesis.measure for hypothesis in named)}; give {symbol.name}=…"
        )
    return named[0] if named else None


def taken(estimate: Estimate, assumption: Hypothesis, source: str) -> Measured:
    """The value of an estimate at which an assumption is known to hold, and why it is that one.

    Args:
        estimate: of the assumption's symbol.
        assumption: what is to hold at the value.
        source: the data's name.
    """
    symbol = str(assumption.symbol)
    wanted: Taken = "lower" if assumption.weaker == "smaller" else "upper"
    end: Taken
    if estimate.direction == "bracket":
        end, value = wanted, (estimate.lower if wanted == "lower" else estimate.upper) or 0.0
    else:
        end, value = estimate.direction, estimate.value
    safe, why = end in ("exact", wanted), ""
    if not safe:
        why = (
            f"though {assumption.name!r} needs a {wanted} one: nothing shows that it holds at this {symbol}, and what "
            "follows from it may fall short"
        )
    elif estimate.name in WIDTHS:
        safe = False
        why = (
            f"at which {assumption.name!r} holds for the networks that were sampled, of width {WIDTHS[estimate.name]}: "
            f"at the statement's own width it may take a {assumption.weaker} {symbol}"
        )
    elif end != "exact":
        why = f"since {assumption.name!r} holds at every {assumption.weaker} {symbol} as well"
    found = Measured(
        name=symbol,
        value=None,
        estimate=estimate.name,
        direction=estimate.direction,
        end=end,
        source=source,
        method=estimate.method,
        why=why,
        lower=estimate.lower,
        upper=estimate.upper,
        safe=safe,
        converged=estimate.converged,
    )
    if math.isfinite(value) and (value > 0 or assumption.weaker == "larger"):
        return replace(found, value=_rounded(value, assumption.weaker))
    return replace(found, safe=False, why=_not_shown(estimate, assumption, source))


def _not_shown(estimate: Estimate, assumption: Hypothesis, source: str) -> str:
    """What is measured where an assumption does not hold, or is not known to."""
    symbol = str(assumption.symbol)
    if estimate.direction == "bracket":
        measured = f"is between {estimate.lower:.6g} and {estimate.upper:.6g}"
        holds = (estimate.upper or 0.0) > 0 or assumption.weaker == "larger"
    else:
        words = {"exact": "is", "lower": "is at least", "upper": "is at most"}
        measured = f"{words[estimate.direction]} {estimate.value:.6g}"
        # What sampled networks of one width do says nothing final about those of another.
        holds = estimate.direction == "lower" or assumption.weaker == "larger" or estimate.name in WIDTHS
    verdict = "is not shown to hold" if holds else "does not hold"
    return (
        f"{assumption.name!r} {verdict} for {source}: {estimate.name} {measured} ({estimate.method}); "
        f"give {symbol}=… to take it for granted"
    )


def _rounded(value: float, towards: Weaker) -> Fraction:
    """A number rounded to twelve significant digits, to a smaller or a larger one; 0 becomes 10⁻³⁰."""
    exact = Fraction(value or 1e-30)
    unit = Fraction(10) ** (math.floor(math.log10(exact)) - DIGITS + 1)
    digits = math.floor(exact / unit) if towards == "smaller" else math.ceil(exact / unit)
    return digits * unit
