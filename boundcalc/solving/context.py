"""The values that go into one answer, and where each came from: given, measured, supplied, prescribed, or assumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import count

import sympy
from flint import arb

from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant, hidden_constants, substitute
from boundcalc.errors import InputError, NumericsError
from boundcalc.notation import RELATIONS, bound_text, text
from boundcalc.numerics import (
    WRITTEN_TO_LOG10,
    Rounding,
    Scaled,
    Value,
    Values,
    fits_integer,
    holds,
    log10,
    positive_ball,
    round_significant,
    round_to_integer,
    short_fraction,
)
from boundcalc.parsing import Number, exact
from boundcalc.solving.admissible import Edge, Inequality, admissible
from boundcalc.solving.ends import domain_of, end_of, log_range
from boundcalc.solving.facts import Facts, Measured, UnmetPremiseError
from boundcalc.solving.solution import Assumed, End, combined, show_value
from boundcalc.symbols import VOCABULARY, L, lookup, n, show_fraction, symbol_of
from boundcalc.theorem import Bound, Condition, Guarantee, Prescription, Relation, Theorem

ITERATIONS = ("T", "K")
"""Counts of iterations: more than prescribed do no harm."""

Given = Mapping[str, Number | sympy.Expr]
"""Inputs by name or alias: numbers, exact or as one types them, or formulas in other symbols (τ = R·m^(−1/2)). In a
formula a symbol is known by its name, and a float is the decimal that it prints as."""


class IncompleteError(InputError):
    """Strict evaluation was asked for, and inputs or constants would have had to be assumed."""


def check_inputs(theorem: Theorem, given: Mapping[str, Number]) -> dict[str, Fraction]:
    """Resolve aliases, convert hidden layers to the statement's depth, and check every domain.

    Raises:
        UnknownNameError: a name that is no symbol.
        InputError: a value outside its domain, or one symbol given twice.
    """
    inputs: dict[str, Fraction] = {}
    for name, value in given.items():
        symbol = lookup(name)
        if symbol.name in inputs:
            raise InputError(f"{symbol.name} is given twice ({name} is another name of it); give it once")
        inputs[symbol.name] = symbol.check(exact(value, symbol.name))
    own = {s.name for s in theorem.symbols}
    for name in [name for name in inputs if name not in own]:
        # A quantity by another of its names: iterations T or K, the loss L_S or the surrogate error E_S.
        same = theorem.bounded_symbols(VOCABULARY[name].quantity or "")
        if len(same) == 1 and same[0].name not in inputs:
            inputs[same[0].name] = symbol_of(same[0]).check(inputs.pop(name))
    depth = theorem.setting.depth
    if depth.hidden is None and inputs.get("H", 1) != 1:
        raise InputError(f"H = {inputs['H']} contradicts {theorem.key}, which is about {depth.counts}")
    if "H" in inputs and depth.hidden is not None:
        if "L" in inputs:
            raise InputError("L and H (hidden layers) are both given; give one of them")
        inputs["L"] = depth.from_hidden_layers(inputs.pop("H"))
    if "L" in inputs and "L" in own and inputs["L"] < depth.minimum:
        raise InputError(
            f"L = {show_fraction(inputs['L'])} is below {depth.minimum}: {theorem.key} counts {depth.counts}"
        )
    return inputs


def check_formulas(given: Mapping[str, sympy.Expr]) -> dict[sympy.Symbol, sympy.Expr]:
    """Inputs that are formulas, by the symbol that each defines, none of them containing another one's symbol.

    Raises:
        UnknownNameError: a name that is no symbol, or a formula with an unknown symbol in it.
        InputError: a symbol defined twice, or in terms of itself.
    """
    formulas: dict[sympy.Symbol, sympy.Expr] = {}
    for name, expr in given.items():
        symbol = lookup(name)
        if symbol.expr in formulas:
            raise InputError(f"{symbol.name} is given twice; give it once")
        if symbol.name == "H":
            raise InputError("H (hidden layers) cannot be given as a formula; give L, as the statement counts it")
        formulas[symbol.expr] = in_vocabulary(expr)
    put_in = formulas
    for _ in formulas:
        put_in = {symbol: substitute(expr, put_in) for symbol, expr in put_in.items()}
    for symbol, expr in formulas.items():
        if put_in[symbol].free_symbols & formulas.keys():
            raise InputError(f"{symbol.name} = {text(expr)} is defined in terms of itself; give a value instead")
    return put_in


def in_vocabulary(expr: sympy.Expr) -> sympy.Expr:
    """A formula in the vocabulary's own symbols, whatever is assumed of symbols with these names, and floats exact.

    Raises:
        UnknownNameError: a symbol that the vocabulary does not have.
        InputError: a float outside 10^±300.
    """
    if isinstance(expr, sympy.Float):
        value = exact(_shortest(expr), "formula")
        return sympy.Rational(value.numerator, value.denominator)
    if expr.is_Symbol:
        return expr if isinstance(expr, HiddenConstant) else lookup(expr.name).expr
    if not expr.args:
        return expr
    arguments = [in_vocabulary(argument) for argument in expr.args]
    with sympy.evaluate(False):
        return expr.func(*arguments)


def _shortest(number: sympy.Float) -> str:
    """The shortest decimal that reads as a float, as Python prints its own: 0.1 stands for 1/10."""
    texts = (str(number.n(digits)) for digits in count(1))
    return next(text for text in texts if sympy.Float(text, precision=number._prec) == number)


def demand(bound: Bound, own: bool = True) -> Relation:
    """The relation in which the symbol of a bound, given or solved for, must stand to its expression."""
    if isinstance(bound, Guarantee) and not own:
        flipped: dict[Relation, Relation] = {"<=": ">=", ">=": "<=", "=": "="}
        return flipped[bound.relation]
    if isinstance(bound, Prescription):
        if bound.symbol.name in ITERATIONS:
            return ">="
        small = any(constant.direction == "small" for constant in bound.expr.atoms(HiddenConstant))
        if bound.relation == "=" and small:
            return "<="
    return bound.relation


def cautions(
    theorem: Theorem, policy: ConstantPolicy, constants: Iterable[ConstantUse], assumed: Mapping[str, str]
) -> tuple[str, ...]:
    """What has to be known of where the constants come from: that none was set, or at what they were measured.

    assumed: inputs that nobody gave, by name, as they are shown.
    """
    silent = policy.silent_on(theorem.key, theorem.constants)
    measurable = {hypothesis.symbol for hypothesis in theorem.hypotheses if hypothesis.measure} | {n}
    calibrated = [use.name for use in constants if use.basis == "calibrated"]
    guessed = [f"{name} = {shown}" for name, shown in assumed.items() if VOCABULARY[name].expr in measurable]
    apart = (
        f"calibrated constants ({', '.join(calibrated)}) go with inputs measured on the same data (--data); "
        f"{' and '.join(guessed)} {'are' if len(guessed) > 1 else 'is'} assumed here"
    )
    return (*([silent] if silent else []), *([apart] if calibrated and guessed else []))


class Context:
    """The values that go into one answer, and where each came from.

    Formulas that were given are put into the statement at once: `theorem` is what is left to evaluate. What the data
    count is an input from the start, unless it is given; what is measured of them, once it is needed.
    """

    def __init__(self, theorem: Theorem, given: Given, policy: ConstantPolicy, facts: Facts | None = None) -> None:
        numbers: dict[str, Number] = {}
        formulas: dict[str, sympy.Expr] = {}
        for name, value in given.items():
            if not isinstance(value, sympy.Expr):
                numbers[name] = value
            elif value.is_Rational or value.is_Float:
                number = in_vocabulary(value)
                numbers[name] = Fraction(number.p, number.q)
            else:
                formulas[name] = value
        self.inputs = check_inputs(theorem, numbers)
        self.formulas = check_formulas(formulas)
        both = {symbol.name for symbol in self.formulas} & self.inputs.keys()
        if both:
            raise InputError(f"{', '.join(sorted(both))} is given twice, as a number and as a formula; give it once")
        self.theorem = _with_formulas(theorem, self.formulas)
        self.policy = policy
        self.values: dict[sympy.Symbol, Value] = {}
        self.used: set[str] = set()
        self.assumed: list[Assumed] = []
        self.constants: list[ConstantUse] = []
        self.facts = facts
        self.measured: dict[str, Measured] = {}
        occurring = {*self.theorem.symbols, *(s for expr in self.formulas.values() for s in expr.free_symbols)}
        for one in facts.counted if facts else ():
            if VOCABULARY[one.name].expr in occurring - self.given:
                self._take(one)

    def release(self, unknown: sympy.Symbol) -> None:
        """Leave open what is asked for, though the data tell it."""
        if self.measured.pop(unknown.name, None):
            del self.inputs[unknown.name]

    def _take(self, measured: Measured) -> None:
        self.measured[measured.name] = measured
        if measured.value is None:
            self.used.add(measured.name)
            raise UnmetPremiseError(measured)
        self.inputs[measured.name] = VOCABULARY[measured.name].check(measured.value)

    def _needs(self, symbol: sympy.Symbol) -> frozenset[str] | None:
        """The inputs that measuring a symbol depends on; None where it is not measured."""
        return self.facts.needs(self.theorem, symbol) if self.facts and symbol not in self.given else None

    def _measure(self, symbol: sympy.Symbol, needs: frozenset[str], pending: frozenset[sympy.Symbol]) -> None:
        assert self.facts is not None
        depends = {VOCABULARY[name].expr for name in needs}
        for other in depends & (pending | self.formulas.keys()):
            how = "given as a formula" if other in self.formulas else "not fixed here"
            raise InputError(f"{symbol.name} is measured at a value of {other.name}, which is {how}; "
                             f"give {symbol.name}=…")  # fmt: skip
        self.fill(depends, pending)
        at: dict[str, Fraction] = {}
        for other in depends:
            value = self.values[other]
            if isinstance(value, sympy.Expr):  # supplied by the statement
                value = self._rounded(other, value, "up", self.values)
            at[other.name] = value if isinstance(value, Fraction) else Fraction(str(value))
        self._take(self.facts.measured(self.theorem, symbol, at))

    @property
    def given(self) -> set[sympy.Symbol]:
        """The symbols that were given, as numbers or as formulas, or measured."""
        return {VOCABULARY[name].expr for name in self.inputs} | self.formulas.keys()

    def inequality(self, bound: Bound, relation: str = "") -> Inequality:
        """A bound as an inequality between expressions, formulas put in."""
        left = self.formulas.get(bound.symbol, bound.symbol)
        return Inequality(left, relation or bound.relation, bound.expr, bound_text(bound))

    def holds(self, bound: Bound) -> bool | None:
        """Whether a bound holds at the values in use, decided by interval arithmetic; None where it cannot be."""
        return holds(self.formulas.get(bound.symbol, bound.symbol), bound.relation, bound.expr, self.values)

    def domains_in(self, unknown: sympy.Symbol) -> tuple[Inequality, ...]:
        """That the formulas in which the unknown occurs lie in the domains of the symbols they stand for.

        A formula in which something else has no value, and was not given one, is left out: it enters nothing.
        """
        known = {unknown, *self.values, *self.given}
        found = tuple(one for one in self._domains() if unknown in one.left.free_symbols <= known)
        self.fill({s for one in found for s in one.left.free_symbols} - {unknown}, frozenset({unknown}))
        return found

    @property
    def fractional(self) -> tuple[str, ...]:
        """Notes on formulas that stand for integers."""
        return tuple(
            f"{symbol.name} = {text(expr)} is taken as it is, not rounded to an integer"
            for symbol, expr in self.formulas.items()
            if symbol_of(symbol).domain.integer
        )

    def check_domains(self) -> None:
        """Refuse a formula whose value lies outside its symbol's domain.

        Raises:
            InputError: one does; the message shows it.
        """
        for one in self._domains():
            known = one.left.free_symbols <= self.values.keys()
            if known and holds(one.left, one.relation, one.right, self.values) is False:
                raise InputError(f"at these inputs it is not so that {one.name}; give another formula")

    def _domains(self) -> Iterator[Inequality]:
        for symbol, expr in self.formulas.items():
            domain = symbol_of(symbol).domain
            for end, relation in ((domain.lower, ">="), (domain.upper, "<=")):
                if end or (end is not None and not expr.is_positive):
                    limit = sympy.Rational(end.numerator, end.denominator)
                    yield Inequality(expr, relation, limit, f"{symbol.name} = {text(expr)} is {domain}")

    def needs(self, bound: Bound) -> set[sympy.Symbol]:
        """The symbols, constants included, whose values an inequality needs."""
        found = set(bound.expr.free_symbols)
        if isinstance(bound, Guarantee) and bound.probability is not None:
            found |= bound.probability.free_symbols
        if isinstance(bound, Condition):
            found |= self.formulas.get(bound.symbol, bound.symbol).free_symbols
        return found

    def fill(self, needed: set[sympy.Symbol], unknown: frozenset[sympy.Symbol]) -> None:
        """Give every needed symbol a value; `unknown` are those that are being solved for."""
        constants = hidden_constants(*(needed - unknown))
        for constant in constants:
            if constant not in self.values:
                use = self.policy.use(constant, self.theorem.key)
                self.constants.append(use)
                self.values[constant] = use.value
        order = [VOCABULARY[name].expr for name in VOCABULARY]
        for symbol in sorted(needed - set(constants) - self.values.keys() - unknown, key=order.index):
            if symbol not in self.values:
                self._fill_one(symbol, unknown)

    def _fill_one(self, symbol: sympy.Symbol, unknown: frozenset[sympy.Symbol]) -> None:
        if (needs := self._needs(symbol)) is not None:
            self._measure(symbol, needs, unknown | {symbol})
        if symbol.name in self.inputs:
            self.used.add(symbol.name)
            self.values[symbol] = self.inputs[symbol.name]
            return
        pending = unknown | {symbol}
        if symbol in self.theorem.supplies:
            expr = self.theorem.supplies[symbol]
            self.fill(expr.free_symbols, pending)
            value, why = self._rounded(symbol, expr, "up", self.values), f"{text(expr)}, supplied by the statement"
            if not symbol_of(symbol).domain.integer:
                # A fact, no choice of ours: what follows from it is computed from the formula itself.
                self.values[symbol] = expr
                value = short_fraction(expr, self.values) or value
        elif own := self.own(symbol, pending):
            self.fill(set().union(*(bound.expr.free_symbols for bound in own)), pending)
            value = self._prescribed(symbol, own)
            why = f"the statement's own {symbol_of(symbol).quantity}"
        else:
            default = symbol_of(symbol).default
            if default is None:
                raise InputError(
                    f"{self.theorem.key} needs {symbol.name} ({symbol_of(symbol).meaning}) and has no default "
                    f"for it; give {symbol.name}=…"
                )
            if symbol == L:
                default = max(default, Fraction(self.theorem.setting.depth.minimum))
            value, why = default, "default"
        self.assumed.append(Assumed(symbol.name, value, why))
        self.values.setdefault(symbol, value)

    def own(self, symbol: sympy.Symbol, pending: frozenset[sympy.Symbol]) -> tuple[Bound, ...]:
        """The statement's own bounds on an input that was not given, if they can be evaluated.

        Never on n, nor on what is measured: how many examples there are is a fact of the user's data, not a choice.
        """
        if symbol == n or self._needs(symbol) is not None:
            return ()
        bounds = tuple(b for b in self.theorem.bounds_on(symbol) if not isinstance(b, Guarantee))
        return () if any(b.expr.free_symbols & (pending - {symbol}) for b in bounds) else bounds

    def ties(self, unknown: sympy.Symbol) -> dict[sympy.Symbol, sympy.Expr]:
        """Every input that nobody gave, and for which the statement prescribes a value in terms of the unknown.

        So the ε that an error buys, in a statement whose width depends on ε, is sought at the statement's own width.
        """
        free = {s for s in self.theorem.symbols if s not in self.given}
        return {s: own for s in free if (own := self._tie(s, unknown)) is not None}

    def _free(self, expr: sympy.Expr) -> set[sympy.Symbol]:
        return {s for s in expr.free_symbols - self.given if not isinstance(s, HiddenConstant)}

    def _tie(
        self, symbol: sympy.Symbol, unknown: sympy.Symbol, above: frozenset[sympy.Symbol] = frozenset()
    ) -> sympy.Expr | None:
        """What a symbol is in terms of the unknown, or None where it does not follow from it."""
        if symbol == unknown or symbol in above:
            return None
        if symbol in self.theorem.supplies:
            expr = self.theorem.supplies[symbol]
        elif symbol != n and (bounds := self.own(symbol, frozenset())):
            expr = combined(bounds)
        else:
            return None
        inner = {s: own for s in self._free(expr) if (own := self._tie(s, unknown, above | {symbol})) is not None}
        expr = substitute(expr, inner)
        return expr if expr.has(unknown) and not expr.has(symbol) else None

    def _prescribed(self, symbol: sympy.Symbol, bounds: tuple[Bound, ...]) -> Fraction | Scaled:
        expr = combined(bounds)
        if not expr.has(symbol):
            return self._rounded(symbol, expr, bounds[0].rounding, self.values)
        edge, least = least_solution(symbol, expr, self.values)
        if least is not None and least.value is not None:
            return Fraction(least.value)
        if edge is not None:
            return self._rounded(symbol, symbol, "up", {symbol: edge.point})
        raise InputError(f"{self.theorem.key} supplies no {symbol_of(symbol).quantity} here; give {symbol.name}=…")

    def _rounded(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding, values: Values) -> Fraction | Scaled:
        ball = positive(symbol, expr, values)
        if symbol_of(symbol).domain.integer and fits_integer(ball):
            return Fraction(max(round_to_integer(expr, values, rounding).value, 1))
        if abs(log10(ball)) > WRITTEN_TO_LOG10:
            raise InputError(
                f"the {symbol_of(symbol).quantity} that {self.theorem.key} supplies is 10^{log10(ball):.6g}, too "
                f"extreme to go on with; give {symbol.name}=…"
            )
        return round_significant(expr, values, rounding)

    @property
    def cautions(self) -> tuple[str, ...]:
        """See `cautions`."""
        return cautions(self.theorem, self.policy, self.constants, {one.name: one.text for one in self.assumed})

    def unmet(self, asked: sympy.Symbol, strict: bool) -> tuple[str, ...]:
        """What the statement needs, or prescribes, and the values in use do not satisfy.

        Checked are the conditions on symbols that have a value; what else they need is assumed, and listed, where the
        user gave that value, for then it may contradict them. Inequalities prescribed for a given input are checked
        too, but for the number of iterations, where more do no harm.
        """
        given = self.given
        prescribed = [
            bound
            for bound in self.theorem.prescriptions
            if demand(bound) != "=" and bound.symbol in given and bound.symbol.name not in ITERATIONS
        ]
        follow = {asked, *self.ties(asked)}
        notes = []
        for bound in (*self.theorem.conditions, *prescribed):
            left = self.formulas.get(bound.symbol, bound.symbol)
            needed = bound.expr.free_symbols | left.free_symbols
            missing = {s.name for s in needed - self.values.keys() - given if not isinstance(s, HiddenConstant)}
            if follow & (needed - self.values.keys()) or asked in needed or (missing and bound.symbol not in given):
                continue
            kind = "condition" if isinstance(bound, Condition) else "prescription"
            if missing and strict:
                notes.append(f"{kind} not checked: {bound_text(bound)}; give {', '.join(sorted(missing))}")
                continue
            self.fill(needed, frozenset())
            if self.holds(replace(bound, relation=demand(bound))) is False:
                limit = End(None, log10(positive(bound.symbol, bound.expr, self.values)))
                value = show_value(self.values[left]) if left.is_Symbol else text(left)
                notes.append(
                    f"{kind} unmet: {text(bound.symbol)} = {value}, but the statement asks for {text(bound.symbol)} "
                    f"{RELATIONS[demand(bound)]} {limit.number} at these inputs and constants"
                )
        return tuple(notes)

    def require_complete(self, strict: bool, quantity: str) -> None:
        """Refuse what was assumed, in a strict evaluation.

        Raises:
            IncompleteError: something was; the message lists it.
        """
        if not strict:
            return
        inputs = [assumed.name for assumed in self.assumed]
        constants = [use.name for use in self.constants if use.assumed]
        missing = [f"{name}=…" for name in inputs] + [f"--set {name}=…" for name in constants]
        if missing:
            raise IncompleteError(
                f"--strict: {self.theorem.key} {quantity} would assume {', '.join(inputs + constants)}; "
                f"give {' '.join(missing)}"
            )


def _with_formulas(theorem: Theorem, formulas: Mapping[sympy.Symbol, sympy.Expr]) -> Theorem:
    """The statement with formulas put in for the symbols on the right-hand sides of its bounds."""
    if not formulas:
        return theorem

    def put(expr: sympy.Expr) -> sympy.Expr:
        return substitute(expr, formulas)

    return replace(
        theorem,
        conditions=tuple(replace(bound, expr=put(bound.expr)) for bound in theorem.conditions),
        prescriptions=tuple(replace(bound, expr=put(bound.expr)) for bound in theorem.prescriptions),
        guarantees=tuple(
            replace(bound, expr=put(bound.expr), probability=bound.probability and put(bound.probability))
            for bound in theorem.guarantees
        ),
        supplies={symbol: put(expr) for symbol, expr in theorem.supplies.items()},
    )


def least_solution(symbol: sympy.Symbol, expr: sympy.Expr, values: Values) -> tuple[Edge | None, End | None]:
    """The least x from which on x ≥ expr(x) holds for good, as it is and rounded up; None if it never does."""
    domain = domain_of(symbol)
    inequality = Inequality(symbol, ">=", expr)
    pieces = admissible(symbol, (inequality,), values, *log_range(domain))
    if not pieces or pieces[-1].upper is not None:
        return None, None
    edge = pieces[-1].lower
    return edge, end_of(symbol, domain, edge, "up", (inequality,), values)


def positive(symbol: sympy.Symbol, expr: sympy.Expr, values: Values) -> arb:
    """The value of a bound, which means something only if it is finite and positive.

    Raises:
        NumericsError: it is not; the message shows the formula and the inputs.
    """
    try:
        return positive_ball(expr, values)
    except NumericsError as problem:
        numbers = {s.name: show_value(v) for s, v in values.items() if s in expr.free_symbols}
        shown = ", ".join(f"{name}={value}" for name, value in numbers.items() if len(value) < 30)
        raise NumericsError(f"the bound on {symbol}, {text(expr)}, is {problem} at {shown}; change an input") from None
