"""Orders of growth, the certificates of inequalities between them, and curves: as text, as LaTeX and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy

from boundcalc import notation
from boundcalc.notation import text
from boundcalc.tropical import (
    EXPONENTIAL,
    Certificate,
    Growth,
    Monomial,
    Witness,
    in_reading_order,
    monomial_expr,
    monomials_in_reading_order,
    product,
    root,
    sets_in_reading_order,
    solvable,
    solve_monomial,
    variable,
)
from boundcalc.tropical.writing import Inequality


def latex(expr: sympy.Basic) -> str:
    """LaTeX of a formula or a condition, with exponents like 1/3 in line."""
    names = {symbol: notation.latex(symbol) for symbol in expr.free_symbols}
    return sympy.latex(expr, symbol_names=names, root_notation=False, fold_frac_powers=True)


def monomial_text(monomial: Monomial) -> str:
    """A monomial as text: L^6/n^2."""
    return text(monomial_expr(monomial))


def growth_text(growth: Growth) -> str:
    """An order of growth as one line."""
    return _written(growth, tex=False)


def growth_latex(growth: Growth) -> str:
    """An order of growth in LaTeX."""
    return _written(growth, tex=True)


def _written(growth: Growth, *, tex: bool) -> str:
    show = latex if tex else text
    terms = [[show(monomial_expr(monomial)) for monomial in term] for term in sets_in_reading_order(growth.terms)]
    return _extreme("max", [_extreme("min", term, tex) for term in terms], tex)


@dataclass(frozen=True)
class Names:
    """What the monomials of a growth are called: a, or a₁, a₂, …"""

    letter: str
    growth: Growth

    @property
    def monomials(self) -> list[Monomial]:
        """The monomials in the order of their names."""
        return monomials_in_reading_order({monomial for term in self.growth.terms for monomial in term})

    def name(self, monomial: Monomial, *, tex: bool = False) -> str:
        """The name of one of the monomials."""
        if len(self.monomials) == 1:
            return self.letter
        number = self.monomials.index(monomial) + 1
        return f"{self.letter}_{{{number}}}" if tex else self.letter + str(number).translate(_SUBSCRIPTS)

    def structure(self, *, tex: bool = False) -> str:
        """The growth by the names of its monomials: max(a₁, min(a₂, a₃))."""
        terms = [_extreme("min", sorted(self.name(m, tex=tex) for m in term), tex) for term in self.growth.terms]
        return _extreme("max", sorted(terms), tex)


def _extreme(word: str, parts: Sequence[str], tex: bool) -> str:
    if len(parts) == 1:
        return parts[0]
    return rf"\{word}\{{{', '.join(parts)}\}}" if tex else f"{word}({', '.join(parts)})"


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def quotient_names(upper: Names, lower: Names) -> dict[Monomial, tuple[Monomial, Monomial]]:
    """The quotients of monomials that a clause is made of, each with the pair that it is the quotient of."""
    return {(x / y).primitive(): (x, y) for x in reversed(upper.monomials) for y in reversed(lower.monomials)}


@dataclass(frozen=True)
class Identity:
    """A certificate as an identity between the monomials compared: left · Π factors = right, all factors ≥ 1.

    Hence the weighted mean of the monomials on the left is at most that of those on the right.
    """

    left: tuple[tuple[Monomial, Fraction], ...]
    factors: tuple[tuple[Monomial, Fraction], ...]
    right: tuple[tuple[Monomial, Fraction], ...]

    @classmethod
    def of(cls, certificate: Certificate, pairs: Mapping[Monomial, tuple[Monomial, Monomial]]) -> Identity:
        """The identity that a certificate about quotients of these pairs stands for."""
        left: dict[Monomial, Fraction] = {}
        right: dict[Monomial, Fraction] = {}
        weights = []
        for quotient, weight in certificate.conclusions:
            x, y = pairs[quotient]
            weights.append((x, y, weight * exponent_of(quotient, x / y)))
        total = sum(weight for _, _, weight in weights)
        for x, y, weight in weights:
            left[x] = left.get(x, Fraction(0)) + weight / total
            right[y] = right.get(y, Fraction(0)) + weight / total
        factors = tuple((premise**-1, power / total) for premise, power in certificate.premises)
        return cls(tuple(left.items()), factors, tuple(right.items()))

    def holds(self) -> bool:
        """Whether it is true, by arithmetic."""
        return product(*self.left, *self.factors) == product(*self.right)

    def text(self, upper: Names, lower: Names) -> str:
        """The identity as one line of text."""
        left = [power_text(upper.name(m), power) for m, power in self.left]
        left += [power_text(_in_parentheses(m), power) for m, power in self.factors]
        return f"{'·'.join(left)} = {'·'.join(power_text(lower.name(m), power) for m, power in self.right)}"

    def latex(self, upper: Names, lower: Names) -> str:
        """The identity in LaTeX."""
        left = [power_latex(upper.name(m, tex=True), power) for m, power in self.left]
        left += [power_latex(rf"\left({latex(monomial_expr(m))}\right)", power) for m, power in self.factors]
        right = [power_latex(lower.name(m, tex=True), power) for m, power in self.right]
        times = r" \cdot "
        return f"{times.join(left)} = {times.join(right)}"


def exponent_of(power: Monomial, of: Monomial) -> Fraction:
    """The exponent s with power = of^s; 1 for constants."""
    return next((power[name] / exponent for name, exponent in of.exponents), Fraction(1))


def _in_parentheses(monomial: Monomial) -> str:
    shown = monomial_text(monomial)
    return shown if monomial_expr(monomial).is_Symbol else f"({shown})"


def power_text(base: str, power: Fraction) -> str:
    """A power of something named: (2)^(1/3)."""
    if power == 1:
        return base
    return f"{base}^{power}" if power.denominator == 1 else f"{base}^({power})"


def power_latex(base: str, power: Fraction) -> str:
    """A power of something named, in LaTeX."""
    return base if power == 1 else f"{base}^{{{power}}}"


def is_axiom(monomial: Monomial) -> bool:
    """Whether this is L^M/2^L."""
    exponentials = [name for name in monomial.powers if name.startswith(EXPONENTIAL)]
    return len(exponentials) == 1 and set(monomial.powers) == {exponentials[0], root(exponentials[0])}


def axiom_text(monomial: Monomial) -> str:
    """L^M/2^L ≤ 1 as L^M ≤ 2^L."""
    left, sense, right = inequality(monomial)
    return f"{monomial_text(left)} {sense} {monomial_text(right)}"


def inequality(fact: Monomial, targets: Iterable[str] = ()) -> Inequality:
    """The inequality fact ≤ 1, solved for the first of the targets that it can be solved for: m ≥ L²/ε."""
    if is_axiom(fact):
        exponential = next(name for name in fact.powers if name.startswith(EXPONENTIAL))
        power = Monomial.of({exponential: -fact[exponential]})
        return fact * power, "≤", power
    left, sense, right = solve_monomial(fact, next((name for name in targets if solvable(fact, name)), None))
    if sense == "≤" and all(power < 0 for _, power in left.exponents):  # 2^(-L) ≤ 1
        return left**-1, "≥", right
    return left, sense, right


def curve_expr(witness: Witness) -> dict[str, sympy.Expr]:
    """The variables that move along a witness, as functions of s."""
    names = {root(name) for line in (witness.power, witness.rate) for name in line.powers}
    return {name: _along((witness.rate[name], witness.power[name])) for name in in_reading_order(names)}


def _along(exponents: tuple[Fraction, Fraction]) -> sympy.Expr:
    rate, power = (sympy.Rational(x.numerator, x.denominator) for x in exponents)
    s = sympy.Symbol("s", positive=True)
    return s**power * 2 ** (rate * s)


def witness_text(witness: Witness, upper: Names, lower: Names) -> str:
    """A curve and what the quotient does along it."""
    curve = ", ".join(f"{text(variable(name))} = {text(expr)}" for name, expr in curve_expr(witness).items())
    quotient = f"{upper.letter}/{lower.letter}"
    return f"along {curve}, all else constant: {quotient} = {text(ratio_along(witness, upper.growth, lower.growth))}"


def ratio_along(witness: Witness, upper: Growth, lower: Growth) -> sympy.Expr:
    """The quotient of two growths along a witness, as a function of s."""
    (rate, power), (its_rate, its_power) = upper.at(witness.along), lower.at(witness.along)
    return _along((rate - its_rate, power - its_power))


def powers_json(powers: Iterable[tuple[Monomial, Fraction]]) -> list[list[str]]:
    """Monomials to powers, as pairs in sympy's syntax."""
    return [[str(monomial_expr(monomial)), str(power)] for monomial, power in powers]
