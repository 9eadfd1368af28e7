"""Evaluate what a statement prescribes or promises, with everything that went into the number.

An explicit bound is evaluated; a width that stands on both sides of its condition is solved for, on the branch that
reaches to large widths. Answers are rounded to the side on which the inequality stays true.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import sympy
from flint import arb, ctx

from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant, explicit, hidden_constants
from boundcalc.errors import InputError, NumericsError, UnknownNameError
from boundcalc.notation import RELATIONS, bound_text, text
from boundcalc.numerics import (
    WRITTEN_TO_LOG10,
    Rounding,
    Scaled,
    Value,
    Values,
    as_function,
    fits_integer,
    holds,
    log10,
    positive_ball,
    round_significant,
    round_to_integer,
)
from boundcalc.parsing import Number, exact
from boundcalc.symbols import QUANTITIES, VOCABULARY, L, lookup, m, n, show_fraction, symbol_of
from boundcalc.theorem import Bound, Condition, Guarantee, Theorem

Status = Literal["ok", "interval", "empty", "vacuous"]

UNIT = ConstantPolicy()


class IncompleteError(InputError):
    """Strict evaluation was asked for, and inputs or constants would have had to be assumed."""


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
    """One end of an answer: `value` is exact or rounded to the safe side, None where only log₁₀ is given."""

    value: str | None
    log10: float
    proven: bool = False

    @property
    def number(self) -> str:
        """The value, or a power of ten where it is too large to write out."""
        return self.value if self.value is not None else f"10^{self.log10:.12g}"


@dataclass(frozen=True)
class Solution:
    """A value, its status, and everything that went in.

    `bounds` are the inequalities as the paper writes them. `value` is rounded so that the inequality holds, `log10` is
    that of the bound before rounding. Where the admissible set is an interval, `lower` and `upper` are its ends and
    `value` is the lower one. `unmet` says which conditions of the statement fail at the values in use.
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
    unmet: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def expression(self) -> sympy.Expr:
        """The bound with its constants explicit."""
        return explicit(_combined(self.bounds))

    @property
    def number(self) -> str:
        """The answer in one word, for a table."""
        if self.log10 is None:
            return "none"
        return End(self.value, self.log10).number


def quantity_symbols(theorem: Theorem, quantity: str) -> tuple[str, tuple[sympy.Symbol, ...]]:
    """The quantity's proper name, and the symbols of the statement that answer it, in reading order.

    Args:
        theorem: the statement.
        quantity: a quantity (`width`, `step-size`, …), or the name of a symbol that the statement bounds.

    Raises:
        UnknownNameError: no such quantity.
        InputError: the statement does not bound it.
    """
    known = {bound.symbol.name: bound.symbol for bound in theorem.bounds}
    if quantity in known:
        return symbol_of(known[quantity]).quantity or quantity, (known[quantity],)
    name = quantity.replace("_", "-").replace(" ", "-")
    if name not in QUANTITIES:
        try:
            name = lookup(quantity).quantity or ""
        except UnknownNameError:
            name = ""
        if not name:
            raise UnknownNameError("quantity", quantity, QUANTITIES, f"known: {', '.join(QUANTITIES)}")
    symbols = theorem.bounded_symbols(name)
    if not symbols and name == "error":
        symbols = theorem.bounded_symbols("gap")  # the nearest to an error that such a statement bounds
    if not symbols:
        raise InputError(f"{theorem.key} says nothing about {name}; ask it for {', '.join(theorem.quantities)}")
    return name, symbols


def evaluate(
    theorem: Theorem,
    quantity: str,
    given: Mapping[str, Number],
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
) -> Solution:
    """Evaluate one quantity of a statement.

    Args:
        theorem: the statement, in the reading that is wanted.
        quantity: `width`, `step-size`, `iterations`, `samples`, `error`, `radius`, `loss`, or a bounded symbol's name;
            where the statement bounds several symbols under a quantity, the first in reading order is answered.
        given: numbers by symbol name or alias, exact or as one types them; `H` (hidden layers) is converted to the
            statement's own depth.
        policy: where the values of hidden constants come from.
        strict: refuse to assume an input, or a constant's unit value.

    Raises:
        InputError: a value outside its symbol's domain, or an unknown name.
        IncompleteError: `strict`, and something would have had to be assumed.
        NumericsError: the bound has no finite positive value at these inputs.
    """
    name, symbols = quantity_symbols(theorem, quantity)
    symbol = symbols[0]
    inputs = check_inputs(theorem, given)
    bounds = theorem.bounds_on(symbol)
    also = tuple(
        bound
        for bound in theorem.conditions
        if bound.symbol != symbol and bound.expr.has(symbol) and not bound.implicit
    )
    context = _Context(theorem, inputs, policy)
    caps = also if symbol == m else ()
    context.fill({s for bound in (*bounds, *caps) for s in _inputs_of(bound)} - {symbol}, frozenset({symbol}))
    context.require_complete(strict, name)
    unmet = context.unmet(symbol, strict)
    notes = [f"{name} is what is asked for: the {symbol.name} given is not used"] if symbol.name in inputs else []
    notes += [bound.note for bound in bounds if bound.note]
    notes += [
        f"{symbol.name} also enters the condition on {other.symbol.name}"
        for other in theorem.conditions
        if other.symbol != symbol and other.expr.has(symbol) and other not in caps
    ]
    notes += [f"{other.name} is bounded too: ask for it by that name" for other in symbols[1:]]
    if isinstance(bounds[0], Guarantee) and bounds[0].probability is not None:
        notes.append(f"with probability ≥ {text(bounds[0].probability)} over the {bounds[0].over}")

    lower, upper, status = _answer(symbol, bounds, caps, context.values)
    main = lower if lower is not None else upper
    if status == "ok" and main is not None and _says_nothing(symbol, bounds[0], context.values, main):
        status = "vacuous"
    if status == "empty":
        notes.append(
            "no width satisfies every condition at these inputs"
            + (f": m ≥ {lower.number} is needed" if lower else "")
            + (f", m ≤ {upper.number} is allowed" if upper else ", and none is allowed" if caps else "")
        )
    provenance = next((bound.provenance for bound in bounds if bound.provenance), theorem.provenance)
    ranged = status in ("interval", "empty")
    answered = main if status != "empty" else None
    return Solution(
        theorem=theorem,
        quantity=name,
        symbol=symbol,
        relation=bounds[0].relation,
        status=status,
        value=answered.value if answered else None,
        log10=answered.log10 if answered else None,
        proven=bool(answered and answered.proven),
        bounds=bounds,
        inputs={key: value for key, value in inputs.items() if key in context.used},
        assumed=tuple(context.assumed),
        unused=tuple(key for key in inputs if key not in context.used),
        constants=tuple(context.constants),
        policy=policy.name,
        provenance=provenance,
        lower=lower if ranged else None,
        upper=upper if ranged else None,
        unmet=unmet,
        notes=tuple(dict.fromkeys((*notes, *theorem.notes))),
    )


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
    for mine, other in (("K", "T"), ("T", "K")):
        if mine in own and other not in own and other in inputs:
            inputs[mine] = inputs.pop(other)
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


def _inputs_of(bound: Bound) -> set[sympy.Symbol]:
    """The symbols, constants included, whose values an inequality needs."""
    probability = bound.probability.free_symbols if isinstance(bound, Guarantee) and bound.probability else set()
    own = {bound.symbol} if isinstance(bound, Condition) else set()
    return bound.expr.free_symbols | probability | own


class _Context:
    """The values that go into one answer, and where each came from."""

    def __init__(self, theorem: Theorem, inputs: Mapping[str, Fraction], policy: ConstantPolicy) -> None:
        self.theorem = theorem
        self.inputs = inputs
        self.policy = policy
        self.values: dict[sympy.Symbol, Value] = {}
        self.used: set[str] = set()
        self.assumed: list[Assumed] = []
        self.constants: list[ConstantUse] = []

    def fill(self, needed: set[sympy.Symbol], unknown: frozenset[sympy.Symbol]) -> None:
        """Give every needed symbol a value; `unknown` are those that are being solved for."""
        constants = hidden_constants(*needed)
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
        if symbol.name in self.inputs:
            self.used.add(symbol.name)
            self.values[symbol] = self.inputs[symbol.name]
            return
        pending = unknown | {symbol}
        if symbol in self.theorem.supplies:
            expr = self.theorem.supplies[symbol]
            self.fill(expr.free_symbols, pending)
            value, why = self._rounded(symbol, expr, "up"), f"{text(expr)}, supplied by the statement"
        elif own := self._own(symbol, pending):
            self.fill(set().union(*(bound.expr.free_symbols for bound in own)), pending)
            value = self._prescribed(symbol, _combined(own), own[0].rounding)
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
        self.values[symbol] = value

    def _own(self, symbol: sympy.Symbol, pending: frozenset[sympy.Symbol]) -> tuple[Bound, ...]:
        """The statement's own bounds on an input that was not given, if they can be evaluated.

        Never on n: how many examples there are is a fact of the user's data, not a choice.
        """
        if symbol == n:
            return ()
        bounds = tuple(b for b in self.theorem.bounds_on(symbol) if not isinstance(b, Guarantee))
        return () if any(b.expr.free_symbols & (pending - {symbol}) for b in bounds) else bounds

    def _prescribed(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> Fraction | Scaled:
        if not expr.has(symbol):
            return self._rounded(symbol, expr, rounding)
        least = least_solution(symbol, expr, self.values)
        if least is None or least.value is None:
            raise InputError(f"{self.theorem.key} supplies no {symbol_of(symbol).quantity} here; give {symbol.name}=…")
        return Fraction(least.value)

    def _rounded(self, symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding) -> Fraction | Scaled:
        ball = _positive(symbol, expr, self.values)
        if symbol_of(symbol).domain.integer and fits_integer(ball):
            return Fraction(max(round_to_integer(expr, self.values, rounding).value, 1))
        if abs(log10(ball)) > WRITTEN_TO_LOG10:
            raise InputError(
                f"the {symbol_of(symbol).quantity} that {self.theorem.key} supplies is 10^{log10(ball):.6g}, too "
                f"extreme to go on with; give {symbol.name}=…"
            )
        return round_significant(expr, self.values, rounding)

    def unmet(self, asked: sympy.Symbol, strict: bool) -> tuple[str, ...]:
        """What the statement needs, or prescribes, and the values in use do not satisfy.

        Checked are the conditions on symbols that have a value; what else they need is assumed, and listed, where the
        user gave that value, for then it may contradict them. Inequalities prescribed for a given input are checked
        too, but for the number of iterations, where more do no harm.
        """
        given = {VOCABULARY[name].expr for name in self.inputs}
        prescribed = [
            bound
            for bound in self.theorem.prescriptions
            if bound.relation != "=" and bound.symbol in given and bound.symbol.name not in ("T", "K")
        ]
        notes = []
        for bound in (*self.theorem.conditions, *prescribed):
            needed = _inputs_of(bound) | {bound.symbol}
            missing = {s.name for s in needed - self.values.keys() - given if not isinstance(s, HiddenConstant)}
            if asked in needed or (missing and bound.symbol not in given):
                continue
            kind = "condition" if isinstance(bound, Condition) else "prescription"
            if missing and strict:
                notes.append(f"{kind} not checked: {bound_text(bound)}; give {', '.join(sorted(missing))}")
                continue
            self.fill(needed, frozenset())
            if bound_holds(bound, self.values) is False:
                limit = End(None, log10(_positive(bound.symbol, bound.expr, self.values)))
                notes.append(
                    f"{kind} unmet: {text(bound.symbol)} = {show_value(self.values[bound.symbol])}, but the statement "
                    f"asks for {text(bound.symbol)} {RELATIONS[bound.relation]} {limit.number} at these inputs and "
                    "constants"
                )
        return tuple(notes)

    def require_complete(self, strict: bool, quantity: str) -> None:
        """Refuse what was assumed, in a strict evaluation."""
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


def show_value(value: Value) -> str:
    """An input as a person would write it."""
    return show_fraction(value) if isinstance(value, Fraction) else str(value)


def _combined(bounds: tuple[Bound, ...]) -> sympy.Expr:
    """Several bounds on one symbol as one: the largest of lower bounds, the least of upper ones."""
    expressions = [bound.expr for bound in bounds]
    if len(expressions) == 1:
        return expressions[0]
    join = sympy.Max if bounds[0].relation == ">=" else sympy.Min
    return join(*expressions, evaluate=False)


def _answer(
    symbol: sympy.Symbol, bounds: tuple[Bound, ...], caps: tuple[Bound, ...], values: Values
) -> tuple[End | None, End | None, Status]:
    """The lower and upper end of what the bounds admit, and the status."""
    expression = _combined(bounds)
    if not expression.has(symbol) and not caps:
        end = _explicit_end(symbol, expression, bounds[0].rounding, values)
        return end, None, "ok"
    lower = least_solution(symbol, expression, values)
    if lower is None:
        return None, None, "empty"
    if not caps:
        return lower, None, "ok"
    upper = greatest_solution(symbol, caps, values)
    if upper is _UNBOUNDED:
        return lower, None, "ok"
    if upper is None or upper.log10 < lower.log10 or _below(upper, lower):
        return lower, upper, "empty"
    return lower, upper, "interval"


def _below(upper: End, lower: End) -> bool:
    return None not in (upper.value, lower.value) and int(upper.value or 0) < int(lower.value or 0)


def _positive(symbol: sympy.Symbol, expr: sympy.Expr, values: Values) -> arb:
    """The value of a bound, which means something only if it is finite and positive."""
    try:
        return positive_ball(expr, values)
    except NumericsError as problem:
        numbers = {s.name: show_value(v) for s, v in values.items() if s in expr.free_symbols}
        shown = ", ".join(f"{name}={value}" for name, value in numbers.items() if len(value) < 30)
        raise NumericsError(f"the bound on {symbol}, {text(expr)}, is {problem} at {shown}; change an input") from None


def _explicit_end(symbol: sympy.Symbol, expr: sympy.Expr, rounding: Rounding, values: Values) -> End:
    ball = _positive(symbol, expr, values)
    if abs(log10(ball)) > WRITTEN_TO_LOG10:
        return End(None, log10(ball))
    if not symbol_of(symbol).domain.integer:
        return End(str(round_significant(expr, values, rounding)), log10(ball))
    if not fits_integer(ball):
        return End(None, log10(ball))
    rounded = round_to_integer(expr, values, rounding)
    return End(str(max(rounded.value, 1)), log10(ball), rounded.proven)


def _says_nothing(symbol: sympy.Symbol, bound: Bound, values: Values, end: End) -> bool:
    """Whether a guarantee is empty: an error bound of at least 1, or a probability of at most 0."""
    if not isinstance(bound, Guarantee):
        return False
    if bound.probability is not None and holds(bound.probability, "<=", sympy.S.Zero, values):
        return True
    return symbol.name in ("error", "gap", "gap_uniform") and end.log10 >= 0


_UNBOUNDED = End(None, float("inf"))
_SQUARINGS = 200
_BITS = 256
_TIGHT = 110
"""Iterations stop at a relative 2^−110: an integer below 10^30 is then known to within one."""


def least_solution(symbol: sympy.Symbol, expr: sympy.Expr, values: Values) -> End | None:
    """The least x from which on x ≥ expr(x) holds for good, or None if it never does.

    Where `expr` grows slower than x, the fixed-point iteration x ← expr(x) that starts above every solution of
    x = expr(x) decreases to the largest of them, so each of its iterates is on the safe side: this is the branch that
    Lambert's W₋₁ gives for x = a·log(bx), not the tiny root on W₀.
    """
    with ctx.workprec(_BITS):
        f = as_function(expr, symbol, values)
        x = arb(2)
        for _ in range(_SQUARINGS):
            if bool(f(x) <= x):
                break
            x = x * x
        else:
            return None
        for _ in range(10_000):
            following = f(x).mid()
            if not bool(following > 1):
                return End("1", 0.0, proven=True)
            if bool(x - following <= x * arb(2) ** -_TIGHT):
                break
            x = following
    if not fits_integer(x):
        return End(None, log10(x))

    def satisfied(candidate: int) -> bool | None:
        return holds(symbol, ">=", expr, {**values, symbol: Fraction(candidate)})

    candidate = max(round_to_integer(symbol, {symbol: x}, "up").value - 1, 1)
    while not satisfied(candidate):
        candidate += 1
    while candidate > 1 and satisfied(candidate - 1):
        candidate -= 1
    return End(str(candidate), log10(x), proven=candidate == 1 or satisfied(candidate - 1) is False)


def greatest_solution(symbol: sympy.Symbol, caps: tuple[Bound, ...], values: Values) -> End | None:
    """The greatest integer x ≥ 2 at which every cap still holds, for caps that only tighten as x grows.

    A cap is an inequality on another symbol in which x occurs, such as τ ≤ C·L^(−6)·(log x)^(−3/2). Returns None if
    they fail already at 2, and the unbounded end if they never fail.
    """
    with ctx.workprec(_BITS):
        slacks = [
            (as_function(cap.symbol, symbol, values), as_function(cap.expr, symbol, values), cap.relation)
            for cap in caps
        ]

        def allowed(x: arb) -> bool:
            pairs = ((left(x), right(x), relation) for left, right, relation in slacks)
            return all(bool(a <= b) if relation == "<=" else bool(a >= b) for a, b, relation in pairs)

        low, high = arb(2), arb(4)
        if not allowed(low):
            return None
        for _ in range(_SQUARINGS):
            if not allowed(high):
                break
            low, high = high, high * high
        else:
            return _UNBOUNDED
        # Halving log x until it is known to 50 bits, or, below 10^30, until x is known to within one integer.
        while bool(high.log() > low.log() * (1 + arb(2) ** -50)) or (fits_integer(low) and bool(high > low + 1)):
            middle = (low * high).sqrt().mid()
            low, high = (middle, high) if allowed(middle) else (low, middle)
    if not fits_integer(low):
        return End(None, log10(low))
    candidate = round_to_integer(symbol, {symbol: low}, "down").value
    while all(bound_holds(cap, {**values, symbol: Fraction(candidate + 1)}) for cap in caps):
        candidate += 1
    return End(str(candidate), log10(low), proven=True)


def bound_holds(bound: Bound, values: Values) -> bool | None:
    """Whether an inequality holds at these values, decided by interval arithmetic; None where it cannot be."""
    return holds(bound.symbol, bound.relation, bound.expr, values)
