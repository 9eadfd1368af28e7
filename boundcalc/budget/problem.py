"""A statement with a target and a cost: what is chosen, what must hold, and the geometric programs that follow."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import sympy
from flint import arb, ctx

from boundcalc.budget.cost import RESOURCES, iterations_symbol
from boundcalc.budget.posynomial import (
    BITS,
    Constraint,
    Monomial,
    Posynomial,
    Reader,
    branches,
    scaled,
    variable,
    variables,
)
from boundcalc.budget.program import Optimum, Program, minimise
from boundcalc.constants import ConstantPolicy, substitute
from boundcalc.errors import InputError, NumericsError
from boundcalc.notation import bound_text, text
from boundcalc.numerics import Value, Values, enclose, fits_integer, positive_ball, round_significant, round_to_integer
from boundcalc.solving import bound_holds
from boundcalc.solving.context import Context
from boundcalc.symbols import K, T, epsilon, error, m, n, show_fraction, symbol_of, tau
from boundcalc.theorem import Bound, Guarantee, Prescription, Theorem

CHOICES = (epsilon, tau, n, m, T, K)
"""What a plan may choose, if the statement has it and nobody gave it."""

ERROR, CONDITION = "error", "condition"
"""Labels of constraints."""

_ITERATIONS = (T, K)
_COUNTS = (n, m, *_ITERATIONS)

_MARGINS = (1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
"""How much tighter than asked a program is made, so that what is rounded still meets what is asked."""

_ROUNDED_FIRST = 1e9
"""Counts below this are rounded one by one, and the rest chosen again; above, rounding changes next to nothing."""

_DIGITS = 12
_SHORT = 4
_SOLVED = 1e-9
"""How near, relatively, the solver of geometric programs comes to an optimum."""

_DOUBLE = 700.0
"""Logarithms up to which a double holds the number."""

_LARGEST_LOG10 = 4000
"""Numbers above 10^4000 are not planned with: they could not even be printed as integers."""

_BINDING = 1e-6

_NEVER = (Monomial(arb(2)),)
"""A posynomial that is never ≤ 1."""

Choices = dict[sympy.Symbol, Fraction]


@dataclass(frozen=True)
class Check:
    """An inequality that a plan must satisfy, decided in ball arithmetic.

    `slack` is by what factor it is satisfied, infinite where that says nothing; `binding`: by none worth mentioning.
    """

    claim: str
    holds: bool
    slack: float
    binding: bool


def guarantee(theorem: Theorem) -> Guarantee:
    """The statement's bound on the error.

    Raises:
        InputError: it has none.
    """
    for bound in theorem.guarantees:
        if bound.symbol == error and bound.relation == "<=":
            return bound
    raise InputError(f"{theorem.key} bounds no error, so there is nothing to plan; see boundcalc list")


def restatements(theorem: Theorem) -> tuple[Bound, ...]:
    """Prescriptions written in the error itself: they restate the error bound, less exactly, and are not imposed."""
    return tuple(bound for bound in theorem.prescriptions if bound.expr.has(error))


def requirements(theorem: Theorem) -> tuple[Bound, ...]:
    """What a plan must satisfy besides the error bound: conditions, iterations, and least numbers prescribed."""
    needed: list[Bound] = list(theorem.conditions)
    for bound in theorem.prescriptions:
        if bound.symbol in _ITERATIONS:
            needed.append(Prescription(bound.symbol, ">=", bound.expr))  # more iterations do no harm
        elif bound.relation == ">=" and not bound.expr.has(error):
            needed.append(bound)
    return tuple(needed)


def error_bound(theorem: Theorem, values: Container[sympy.Symbol]) -> sympy.Expr:
    """The error bound with what the statement supplies (a loss of 3ε) put in for what has no value."""
    supplies = {symbol: expr for symbol, expr in theorem.supplies.items() if symbol not in values}
    return substitute(guarantee(theorem).expr, supplies)


def inequalities(theorem: Theorem, target: Fraction, values: Values) -> Iterator[tuple[str, Bound, Values]]:
    """Every inequality that makes a plan, in words, and the values at which it is to hold."""
    bound = Bound(error, ">=", error_bound(theorem, values))
    yield f"{show_fraction(target)} ≥ {text(bound.expr)}", bound, {**values, error: target}
    for needed in requirements(theorem):
        yield bound_text(needed), needed, values


def _domain(symbol: sympy.Symbol) -> Iterator[Bound]:
    """The ends of a symbol's domain that say something of positive numbers."""
    domain = symbol_of(symbol).domain
    if domain.lower:
        yield Bound(symbol, ">=", sympy.Rational(domain.lower))
    if domain.upper:
        yield Bound(symbol, "<=", sympy.Rational(domain.upper))


def checks(theorem: Theorem, target: Fraction, values: Values) -> tuple[Check, ...]:
    """Every inequality that makes a plan, and the domain of all that can be chosen, checked at these values."""
    domains = [
        Check(f"{text(symbol)} is {symbol_of(symbol).domain}", value in symbol_of(symbol).domain, math.inf, False)
        for symbol in CHOICES
        if isinstance(value := values.get(symbol), Fraction)
    ]
    with ctx.workprec(BITS):
        return (*(_check(claim, bound, at) for claim, bound, at in inequalities(theorem, target, values)), *domains)


def _check(claim: str, bound: Bound, values: Values) -> Check:
    ratio = (enclose(bound.symbol, values, BITS) / enclose(bound.expr, values, BITS)).log()
    # Infinite for a condition such as τ ≤ C/(log m)^p at m = 1.
    slack = float(ratio if bound.relation == ">=" else -ratio) if bool(ratio.is_finite()) else math.inf
    value = values[bound.symbol]
    # An integer can come no closer than one unit.
    unit = float(1 / value) if isinstance(value, Fraction) and value.denominator == 1 else 0.0
    return Check(claim, bound_holds(bound, values) is True, math.exp(min(slack, _DOUBLE)), slack <= max(_BINDING, unit))


class Problem:
    """A statement, a target, a cost, and values for everything that is not chosen.

    Attributes:
        bound: the error bound, with what the statement supplies put in.
        choices: the symbols to be chosen.
        context: the values of everything else, and where each came from.
        costs: the formula of each resource that the statement defines.
        price: the cost, a weighted sum of those.
    """

    def __init__(
        self,
        theorem: Theorem,
        target: Fraction,
        weights: Mapping[str, Fraction],
        given: Mapping[str, Fraction],
        policy: ConstantPolicy,
        *,
        strict: bool = False,
    ) -> None:
        self.theorem, self.target, self.weights, self.policy = theorem, target, weights, policy
        self.context = Context(theorem, given, policy)
        known = self.context.given
        promise = guarantee(theorem)
        self.bound = error_bound(theorem, known)
        self.requirements = requirements(theorem)
        own = promise.expr.free_symbols | self.bound.free_symbols
        own = own.union(*({b.symbol} | b.expr.free_symbols for b in self.requirements))
        self.choices = tuple(symbol for symbol in CHOICES if symbol in own - known)
        for symbol, expr in theorem.supplies.items():
            if symbol in known & own and expr.free_symbols & set(self.choices):
                raise InputError(f"{symbol.name} is {text(expr)} here, which the plan chooses; give epsilon=… instead")
        self.costs = self._costs()
        self.price = sympy.Add(*(sympy.Rational(weight) * self.costs[name] for name, weight in weights.items()))
        if not self.price.free_symbols & set(self.choices):
            fixed = [f"{symbol.name}=…" for symbol in CHOICES if symbol in known & self.price.free_symbols]
            raise InputError(f"{' and '.join(weights)}: nothing is left to choose; leave out {' or '.join(fixed)}")
        needed = self.bound.free_symbols | (own - theorem.supplies.keys())
        needed = needed.union(*(formula.free_symbols for formula in self.costs.values()))
        if promise.probability is not None:
            needed |= promise.probability.free_symbols
        self.context.fill(needed - set(self.choices), frozenset(self.choices))
        self.context.require_complete(strict, "plan")

    def _costs(self) -> dict[str, sympy.Expr]:
        iterations = iterations_symbol(self.theorem) or next((s for s in _ITERATIONS if s in self.context.given), None)
        formulas = {name: resource.formula(self.theorem, iterations) for name, resource in RESOURCES.items()}
        costs = {name: formula for name, formula in formulas.items() if formula is not None}
        for name in self.weights:
            if name not in costs:
                raise InputError(
                    f"{self.theorem.key} prescribes no number of iterations, so there are no {name} to count; give "
                    f"T=…, or choose --cost {' or '.join(costs)}"
                )
        return costs

    @property
    def values(self) -> Mapping[sympy.Symbol, Value]:
        """The values of everything that is not chosen, hidden constants included."""
        return self.context.values

    @cached_property
    def branches(self) -> tuple[sympy.Expr, ...]:
        """The error bound without its Min, one for each argument."""
        return branches(self.bound)

    def holds(self, bound: sympy.Expr, chosen: Choices) -> bool:
        """Whether every inequality holds with this branch of the error bound, decided in ball arithmetic."""
        values = {**self.values, **chosen}
        target = bound_holds(Bound(error, ">=", bound), {**values, error: self.target})
        within = all(value in symbol_of(symbol).domain for symbol, value in chosen.items())
        return within and target is True and all(bound_holds(needed, values) is True for needed in self.requirements)

    def cost(self, chosen: Choices) -> arb:
        """The cost of a choice."""
        return positive_ball(self.price, {**self.values, **chosen})

    def program(
        self, bound: sympy.Expr, fixed: Choices | None = None, *, margin: float = 0.0, even: bool = False
    ) -> Program:
        """The geometric program of one branch of the error bound.

        Args:
            bound: the branch.
            fixed: choices already made.
            margin: how much tighter to make every inequality in which something is chosen.
            even: every term of the error bound gets an equal share of the target, instead of all together the whole.
        """
        reader = Reader(
            [symbol for symbol in self.choices if symbol not in (fixed or {})], {**self.values, **(fixed or {})}
        )
        terms = self._even(reader, bound) if even else [reader.posynomial(bound)]
        met = [self._within_target(sum_) for sum_ in terms] + self._conditions(reader)
        tighter = [
            replace(c, terms=scaled(c.terms, Monomial(1 + arb(margin)))) if variables(c.terms) else c for c in met
        ]
        return self._program(reader, reader.posynomial(self.price), tighter)

    def _within_target(self, terms: Posynomial) -> Constraint:
        """That terms of the error bound stay within the target: those that can be changed, within what is left."""
        moving = tuple(term for term in terms if variables((term,)))
        if not moving:
            return Constraint(ERROR, scaled(terms, self._per_target))
        fixed = scaled(tuple(term for term in terms if not variables((term,))), self._per_target)
        left = 1 - sum((term.coefficient for term in fixed), arb(0))
        if not bool(left > 0):
            return Constraint(ERROR, _NEVER)
        return Constraint(ERROR, scaled(moving, self._per_target * Monomial(1 / left)))

    def reach(self, bound: sympy.Expr) -> Program:
        """The program that makes one branch of the error bound, relative to the target, as small as can be."""
        reader = Reader(self.choices, self.values)
        return self._program(reader, scaled(reader.posynomial(bound), self._per_target), self._conditions(reader))

    @cached_property
    def _per_target(self) -> Monomial:
        return Monomial(1 / enclose(sympy.Rational(self.target), {}, BITS))

    def _even(self, reader: Reader, bound: sympy.Expr) -> list[Posynomial]:
        """For each of the N terms in which something is chosen, N times it, and the terms that are given."""
        every = Reader(self.choices, self.values)
        parts = every.summands(bound)
        moving = [part for part in parts if variables(every.posynomial(part))]
        given = tuple(term for part in parts if part not in moving for term in every.posynomial(part))
        return [(*scaled(reader.posynomial(part), Monomial(arb(len(moving)))), *given) for part in moving]

    def _conditions(self, reader: Reader) -> list[Constraint]:
        conditions = []
        for needed in self.requirements:
            power = 1 if needed.relation == ">=" else -1
            (symbol,) = reader.posynomial(needed.symbol, -power)
            conditions.append(Constraint(CONDITION, scaled(reader.posynomial(needed.expr, power), symbol)))
        return conditions

    def _program(self, reader: Reader, objective: Posynomial, constraints: list[Constraint]) -> Program:
        domains = []
        second = Monomial(arb(1))
        for symbol in sorted(reader.choices, key=CHOICES.index):
            for limit in _domain(symbol):
                ratio = Monomial(enclose(limit.expr, {}, BITS)) * variable(symbol.name, -1)
                domains.append(Constraint(symbol.name, (ratio if limit.relation == ">=" else ratio ** Fraction(-1),)))
            if symbol != tau:
                second = second * variable(symbol.name, -1 if symbol == epsilon else 1)
        # What the reader had to introduce is known only now that everything has been read.
        return Program(objective, (*constraints, *domains, *reader.constraints), tuple(reader.logarithms), second)

    def settled(self, bound: sympy.Expr, optimum: Optimum, *, even: bool = False) -> Choices:
        """Round an optimum to numbers one can use, at which every inequality is proven to hold.

        ε and τ are rounded down to 12 digits, n and m up to integers (of 12 digits where they are larger), the
        iterations are the least that will do; then, but for an even split, n and m the least with the rest as it is.

        Raises:
            NumericsError: no margin led to such numbers.
        """
        why = "none met every inequality"
        for margin in _MARGINS:
            try:
                chosen = self._rounded(bound, margin, even, optimum)
            except NumericsError as problem:  # too narrow a program for the solver: the next one is wider
                why = str(problem)
                continue
            if chosen is not None and self.holds(bound, chosen):
                return chosen if even else self._trimmed(bound, chosen)
        raise NumericsError(f"the optimum for {self.theorem.key} could not be rounded to numbers to use: {why}")

    def _rounded(self, bound: sympy.Expr, margin: float, even: bool, start: Optimum) -> Choices | None:
        fixed: Choices = {}
        while set(fixed) != set(self.choices):
            # What was rounded up leaves the rest no room, unless it is asked for a little less each time.
            program = self.program(bound, fixed, margin=margin * 2.0 ** -len(fixed), even=even)
            optimum = minimise(program, start)
            if optimum is None:
                return None
            start = optimum
            logs = {symbol: optimum.point[symbol.name] for symbol in self.choices if symbol not in fixed}
            small = [symbol for symbol in logs if symbol in _COUNTS and logs[symbol] < math.log(_ROUNDED_FIRST)]
            for symbol in [min(small, key=logs.__getitem__)] if small else logs:
                fixed[symbol] = _rounded_number(symbol, logs[symbol], margin)
        for symbol in self.choices:
            if symbol in _ITERATIONS:
                fixed[symbol] = self._least_iterations(symbol, fixed)
        return {symbol: fixed[symbol] for symbol in self.choices}

    def _least_iterations(self, symbol: sympy.Symbol, chosen: Choices) -> Fraction:
        """The least number of iterations that the statement prescribes at a choice of all else."""
        least = Fraction(1)
        for needed in self.requirements:
            if needed.symbol == symbol:
                values = {**self.values, **chosen}
                if fits_integer(positive_ball(needed.expr, values)):
                    least = max(least, Fraction(round_to_integer(needed.expr, values, "up").value))
                else:
                    up = round_significant(needed.expr, values, "up", _DIGITS)
                    least = max(least, Fraction(up.integer * 10**up.exponent))
        return least

    def _trimmed(self, bound: sympy.Expr, chosen: Choices) -> Choices:
        """The same choice with n, and then m, as small as every inequality allows, to 12 digits."""
        for symbol in (n, m):
            if symbol not in self.choices:
                continue
            step = unit = 10 ** max(len(str(int(chosen[symbol]))) - _DIGITS, 0)
            while step >= unit:
                fewer = {**chosen, symbol: chosen[symbol] - step}
                if fewer[symbol] > 0 and self.holds(bound, fewer):
                    chosen, step = fewer, step * 2
                else:
                    step //= 2
        return chosen


def _rounded_number(symbol: sympy.Symbol, log: float, margin: float) -> Fraction:
    """e^log as a number one can use, rounded to the side that needs no more of anything else."""
    if abs(log) > _LARGEST_LOG10 * math.log(10):
        raise InputError(
            f"the plan needs {symbol.name} = 10^{log / math.log(10):.6g}, too extreme to go on; change an input"
        )
    ball = arb(log).exp()
    if symbol not in _COUNTS:
        # 0.1 rather than 0.0999999999987, as far as the solver can tell them apart.
        short = Fraction(f"{math.exp(log):.{_SHORT}g}") if abs(log) < _DOUBLE else Fraction(0)
        if short and abs(math.log(short) - log) < _SOLVED:
            return short
        down = round_significant(symbol, {symbol: ball}, "down", _DIGITS)
        return Fraction(down.integer) * Fraction(10) ** down.exponent
    if log < math.log(10**_DIGITS):
        # Neither the margin nor the solver's last digits make a new example or neuron: 400.0000001 is 400.
        number = math.exp(log)
        return Fraction(max(math.ceil(number - min(1e-6 + 10 * margin * number, 1e-3)), 1))
    up = round_significant(symbol, {symbol: ball}, "up", _DIGITS)
    return Fraction(up.integer * 10**up.exponent)
