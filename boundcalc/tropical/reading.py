"""From formulas to their orders of growth, up to constants and logarithms.

A sum is, up to a factor, the maximum of its terms. Constants and hidden constants are dropped, logarithms are dropped
as factors, and exponents are exact numbers: those that poly(…) hides come from the policy of constants, and an α in an
exponent is given, or assumed and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import NoReturn

import sympy

from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant, Notation
from boundcalc.errors import InputError
from boundcalc.notation import text
from boundcalc.symbols import VOCABULARY, symbol_of
from boundcalc.tropical.monomials import CONSTANT, EXPONENTIAL, ONE, Growth, Monomial, maximum, minimum, root
from boundcalc.tropical.regions import decide
from boundcalc.tropical.variables import EXPONENT_SYMBOLS, LOGARITHM, canonical, regime

UNIT = ConstantPolicy()


@dataclass(frozen=True)
class Assumption:
    """A value that nobody gave, and why it is taken."""

    name: str
    expr: sympy.Expr
    why: str


@dataclass(frozen=True)
class Asymptotics:
    """The growth of a formula, and everything that went into it.

    `logs` are the logarithms that were dropped, `used` the symbols for which something given was put in, `small` the
    expressions that are at most 1/2 where the growth is right, `exponential_logs` the formulas whose logarithm is of
    the order of L, and was dropped all the same.
    """

    growth: Growth
    assumed: tuple[Assumption, ...] = ()
    constants: tuple[ConstantUse, ...] = ()
    logs: tuple[sympy.Expr, ...] = ()
    used: tuple[str, ...] = ()
    small: tuple[sympy.Expr, ...] = ()
    exponential_logs: tuple[sympy.Expr, ...] = ()


def read_growth(
    expr: sympy.Expr,
    given: Mapping[str, sympy.Expr] = MappingProxyType({}),
    *,
    supplied: Mapping[sympy.Symbol, sympy.Expr] = MappingProxyType({}),
    policy: ConstantPolicy = UNIT,
    key: str = "",
    logarithms: bool = False,
    from_above: bool = False,
) -> Asymptotics:
    """The order of growth of a formula.

    Args:
        expr: the formula.
        given: what to put in for symbols, by name; it may hold further symbols that are given.
        supplied: what to put in where nothing is given.
        policy: where the exponents that poly(…) hides come from.
        key: the statement whose constants they are.
        logarithms: keep those that are written out, as variables of their own: log(n/δ) is the larger of log n and
            |log δ|. Those that Õ hides are dropped all the same.
        from_above: an upper bound will do: log(x/2^L), whose order of growth is undecided, is read as log x.

    Raises:
        InputError: the formula has no order of growth, or one that is not written in monomials: a difference, an
            exponent without a value, an exponential other than a power of 2^L.
    """
    reader = _Reader(given, supplied, policy, key, logarithms, from_above)
    growth = reader.positive(expr)
    return Asymptotics(
        growth,
        tuple(reader.assumed.values()),
        tuple(reader.constants.values()),
        tuple(dict.fromkeys(reader.logs)),
        tuple(dict.fromkeys(reader.used)),
        tuple(dict.fromkeys(reader.small)),
        tuple(dict.fromkeys(reader.exponential_logs)),
    )


Affine = dict[str, Fraction]
"""A number plus multiples of symbols: by name, the number under the empty name."""


class _Reader:
    """One formula being read; every rule returns the sign and the growth of the size."""

    def __init__(
        self,
        given: Mapping[str, sympy.Expr],
        supplied: Mapping[sympy.Symbol, sympy.Expr],
        policy: ConstantPolicy,
        key: str,
        logarithms: bool,
        from_above: bool,
    ) -> None:
        self.logarithms = logarithms
        self.from_above = from_above
        self.given = given
        self.supplied = {symbol.name: expr for symbol, expr in supplied.items()}
        self.policy = policy
        self.key = key
        self.pending: list[str] = []
        self.assumed: dict[str, Assumption] = {}
        self.constants: dict[str, ConstantUse] = {}
        self.logs: list[sympy.Expr] = []
        self.used: list[str] = []
        self.small: list[sympy.Expr] = []
        self.exponential_logs: list[sympy.Expr] = []
        self.rules: Mapping[type, Callable[[sympy.Expr], tuple[int, Growth]]] = {
            sympy.Add: self._sum,
            sympy.Mul: self._product,
            sympy.Pow: self._power,
            sympy.Max: lambda expr: (1, maximum(*map(self.positive, expr.args))),
            sympy.Min: lambda expr: (1, minimum(*map(self.positive, expr.args))),
            sympy.log: self._log,
            sympy.exp: lambda expr: (1, self._exponential(sympy.E, expr.args[0], expr)),
        }

    def positive(self, expr: sympy.Expr) -> Growth:
        """The growth of an expression that must be positive."""
        sign, growth = self.signed(expr)
        if sign < 0:
            raise InputError(f"{text(expr)} is negative: only positive formulas have an order of growth")
        return growth

    def signed(self, expr: sympy.Expr) -> tuple[int, Growth]:
        if expr.is_Number:
            return self._number(expr)
        if expr.is_NumberSymbol or isinstance(expr, HiddenConstant):
            return 1, CONSTANT
        if expr.is_Symbol:
            return 1, self._symbol(expr)
        if isinstance(expr, Notation):
            growth = self.positive(expr.args[0])
            if len(expr.args) > 2:
                self._drop_log(expr.args[0], growth)
            return 1, growth
        rule = self.rules.get(expr.func)
        if rule is None:
            raise InputError(f"{text(expr)}: {expr.func.__name__} has no order of growth in monomials")
        return rule(expr)

    def _number(self, expr: sympy.Expr) -> tuple[int, Growth]:
        if not expr.is_finite or expr == 0:
            raise InputError(f"{text(expr)} has no order of growth; give a positive formula")
        return (1 if expr > 0 else -1), CONSTANT

    def _symbol(self, symbol: sympy.Symbol) -> Growth:
        name = canonical(symbol.name)
        if name in EXPONENT_SYMBOLS:
            return CONSTANT
        expr = self.substitute(name)
        if expr is not None:
            self.pending.append(name)
            growth = self.positive(expr)
            self.pending.pop()
            return growth
        return Growth.of(Monomial.of({name: 1}))

    def substitute(self, name: str) -> sympy.Expr | None:
        """What is put in for a symbol: given, else supplied by the statement, else nothing."""
        if name in self.pending:
            raise InputError(f"{name} is given in terms of itself: {' → '.join((*self.pending, name))}")
        if name in self.given:
            self.used.append(name)
            return self.given[name]
        if name in self.supplied:
            self.assumed[name] = Assumption(name, self.supplied[name], "supplied by the statement")
            return self.supplied[name]
        return None

    def _sum(self, expr: sympy.Expr) -> tuple[int, Growth]:
        symbols = {canonical(symbol.name) for symbol in expr.free_symbols}
        if symbols and symbols <= set(EXPONENT_SYMBOLS):  # 2 − α is a number
            return self._number(sympy.Rational(self.number(expr, expr)))
        terms = [self.signed(term) for term in expr.args]
        signs = {sign for sign, _ in terms}
        if len(signs) > 1:
            raise InputError(
                f"{text(expr)} is a difference: it may be of any size up to its terms', so it has no order of growth"
            )
        return signs.pop(), maximum(*(growth for _, growth in terms))

    def _product(self, expr: sympy.Expr) -> tuple[int, Growth]:
        sign, growth = 1, CONSTANT
        for factor in expr.args:
            its_sign, its_growth = self.signed(factor)
            sign, growth = sign * its_sign, growth * its_growth
        return sign, growth

    def _power(self, expr: sympy.Expr) -> tuple[int, Growth]:
        if expr.base.is_Number or expr.base == sympy.E:
            return 1, self._exponential(expr.base, expr.exp, expr)
        sign, base = self.signed(expr.base)
        # Always read: a symbol in it makes even the power of a constant grow.
        exponent = self.number(expr.exp, expr)
        if sign < 0 and exponent.denominator != 1:
            raise InputError(f"{text(expr)} is a root of a negative number")
        return (sign if exponent.numerator % 2 else 1), base**exponent

    def _exponential(self, base: sympy.Expr, exponent: sympy.Expr, where: sympy.Expr) -> Growth:
        """A positive number to the power of a symbol: a power of 2^L."""
        rates = {name: rate for name, rate in self.affine(exponent, where).items() if name and rate}
        if base.is_negative or base == 0:
            raise InputError(f"{text(where)}: only powers of positive numbers have an order of growth")
        if not rates or base == 1:
            return CONSTANT
        bits = _log2(Fraction(base.p, base.q)) if base.is_Rational else None
        if bits is None or len(rates) > 1:
            raise InputError(f"{text(where)}: only 2, 4, 8, … to the power of one symbol are compared exactly")
        ((name, rate),) = rates.items()
        entry = VOCABULARY.get(name)
        if entry is None or entry.domain.lower is None or entry.domain.lower < 1:
            raise InputError(f"{text(where)}: {name} is not ≥ 1, so that 2^{name} has no order of growth of its own")
        return Growth.of(Monomial.of({EXPONENTIAL + name: bits * rate}))

    def _log(self, expr: sympy.Expr) -> tuple[int, Growth]:
        """A logarithm is no more than a factor; −log(1 − x) is x up to a factor, for x ≤ 1/2."""
        argument = expr.args[0]
        rest = _taken_from_one(argument)
        if rest is not None:
            self.small.append(rest)
            return -1, self.positive(rest)
        growth = self.positive(argument)
        if any(name.startswith(EXPONENTIAL) for name in growth.variables):
            return 1, self._log_of_exponential(growth, expr)
        self.logs.append(expr)
        below_one = growth != CONSTANT and decide(growth, CONSTANT, regime(growth.variables)).everywhere
        return (-1 if below_one else 1), _logarithm(growth) if self.logarithms else CONSTANT

    def _log_of_exponential(self, growth: Growth, where: sympy.Expr) -> Growth:
        """log(2^L·g) is L up to a factor log g, where g ≥ 1."""

        def of(monomial: Monomial) -> Monomial:
            rates = {name: rate for name, rate in monomial.exponents if name.startswith(EXPONENTIAL)}
            rest = Growth.of(Monomial.of({name: power for name, power in monomial.exponents if name not in rates}))
            if not rates:
                return ONE
            if self.from_above and max(rates.values()) < 0:
                return ONE
            if min(rates.values()) < 0 or not decide(CONSTANT, rest, regime(rest.variables)).everywhere:
                raise InputError(f"{text(where)} is a difference of {', '.join(map(root, rates))} and a logarithm")
            return Monomial.of({root(name): 1 for name in rates})

        return maximum(*(minimum(*(Growth.of(of(monomial)) for monomial in term)) for term in growth.terms))

    def _drop_log(self, expr: sympy.Expr, growth: Growth) -> None:
        if any(name.startswith(EXPONENTIAL) for name in growth.variables):
            self.exponential_logs.append(expr)

    def number(self, exponent: sympy.Expr, where: sympy.Expr) -> Fraction:
        """The value of an exponent."""
        affine = self.affine(exponent, where)
        open_symbols = [name for name, rate in affine.items() if name and rate]
        if open_symbols:
            raise InputError(f"{text(where)}: an exponent needs a number; give {open_symbols[0]}=…")
        return affine.get("", Fraction(0))

    def affine(self, exponent: sympy.Expr, where: sympy.Expr) -> Affine:
        """An exponent as a number plus multiples of symbols that have no value."""
        if exponent.is_Rational:
            return {"": Fraction(exponent.p, exponent.q)}
        if isinstance(exponent, HiddenConstant):
            use = self.policy.use(exponent, self.key)
            self.constants[use.name] = use
            return {"": use.value}
        if exponent.is_Symbol:
            return self._symbol_in_exponent(exponent, where)
        parts = [self.affine(argument, where) for argument in exponent.args]
        if exponent.is_Add:
            names = dict.fromkeys(name for part in parts for name in part)
            return {name: sum((part.get(name, Fraction(0)) for part in parts), Fraction(0)) for name in names}
        if exponent.is_Mul:
            total: Affine = {"": Fraction(1)}
            for part in parts:
                constant, other = (total, part) if set(total) == {""} else (part, total)
                if set(constant) != {""}:
                    self._refuse_exponent(exponent, where)
                total = {name: value * constant[""] for name, value in other.items()}
            return total
        if exponent.is_Pow and all(set(part) == {""} for part in parts):
            base, power = (part[""] for part in parts)
            if power.denominator == 1 and (base or power > 0) and abs(power) <= 1000:
                return {"": base**power.numerator}
        self._refuse_exponent(exponent, where)

    def _refuse_exponent(self, exponent: sympy.Expr, where: sympy.Expr) -> NoReturn:
        raise InputError(f"{text(where)}: the exponent {text(exponent)} is no exact number or multiple of one symbol")

    def _symbol_in_exponent(self, symbol: sympy.Symbol, where: sympy.Expr) -> Affine:
        name = canonical(symbol.name)
        expr = self.substitute(name)
        if expr is not None:
            self.pending.append(name)
            affine = self.affine(expr, where)
            self.pending.pop()
            return affine
        if name in EXPONENT_SYMBOLS:
            default = symbol_of(symbol).default
            assert default is not None, f"{name} stands in exponents and has a default"
            value = sympy.Rational(default.numerator, default.denominator)
            self.assumed[name] = Assumption(name, value, "default")
            return {"": default}
        return {name: Fraction(1)}


def _logarithm(growth: Growth) -> Growth:
    """The size of the logarithm of a growth: for a monomial, the largest of its variables' logarithms."""

    def of(monomial: Monomial) -> Growth:
        names = [name if name.startswith(LOGARITHM) else LOGARITHM + name for name in monomial.powers]
        return maximum(*(Growth.of(Monomial.of({name: 1})) for name in names)) if names else CONSTANT

    return maximum(*(minimum(*map(of, term)) for term in growth.terms))


def _log2(value: Fraction) -> Fraction | None:
    """log₂ of a power of two, None for any other number."""
    bits = value.numerator.bit_length() - value.denominator.bit_length()
    return Fraction(bits) if value == Fraction(2) ** bits else None


def _taken_from_one(expr: sympy.Expr) -> sympy.Expr | None:
    """x, where `expr` is written 1 − x with x a product that begins with a negative number."""
    if not expr.is_Add or len(expr.args) != 2:
        return None
    one, other = expr.args if expr.args[0].is_Number else expr.args[::-1]
    if one != 1 or not other.could_extract_minus_sign():
        return None
    return -other
