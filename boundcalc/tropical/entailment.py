"""Which inequalities between monomials follow from others: decided by Farkas' lemma, certified or refuted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

from boundcalc.errors import InputError
from boundcalc.tropical.monomials import EXPONENTIAL, ONE, Monomial, product, root

_ZERO = Fraction(0)


def alternative(
    rows: Sequence[Sequence[Fraction]], bounds: Sequence[Fraction]
) -> tuple[list[Fraction], None] | tuple[None, list[Fraction]]:
    """Farkas' alternative: a solution of a system of linear inequalities, or a proof that there is none.

    Phase one of the simplex method with Bland's rule, over the integers (Edmonds' pivoting), hence exact and finite.

    Args:
        rows: the matrix A, m rows of n numbers.
        bounds: the m numbers c.

    Returns:
        (u, None) with A·u ≥ c, or (None, λ) with λ ≥ 0, λ·A = 0 and λ·c = 1.
    """
    size = len(rows)
    # One equation for each column of A, Σ λ_i A_ij = 0, and Σ λ_i c_i = 1.
    equations = (*zip(*rows, strict=True), bounds)
    scales = [lcm(*(entry.denominator for entry in equation)) for equation in equations]
    count = len(equations)
    tableau = [
        [entry.numerator * (scale // entry.denominator) for entry in equation]
        + [int(i == k) for i in range(count)]
        + [scale if k == count - 1 else 0]
        for k, (equation, scale) in enumerate(zip(equations, scales, strict=True))
    ]
    costs = [-sum(row[j] for row in tableau) if j < size or j == size + count else 0 for j in range(size + count + 1)]
    tableau.append(costs)
    basis = list(range(size, size + count))
    unit = 1  # What stands for 1 in the tableau.
    while (entering := next((j for j in range(size) if tableau[count][j] < 0), None)) is not None:
        leaving = min(
            (k for k in range(count) if tableau[k][entering] > 0),
            key=lambda k: (Fraction(tableau[k][-1], tableau[k][entering]), basis[k]),
        )
        pivot, pivot_row = tableau[leaving][entering], tableau[leaving]
        for k, row in enumerate(tableau):
            factor = row[entering]
            if k != leaving and (factor or pivot != unit):
                tableau[k] = [(x * pivot - factor * y) // unit for x, y in zip(row, pivot_row, strict=True)]
        basis[leaving], unit = entering, pivot
    if tableau[count][-1] == 0:
        multipliers = [Fraction(0)] * size
        for row, name in zip(tableau, basis, strict=False):
            if name < size:
                multipliers[name] = Fraction(row[-1], unit)
        return None, multipliers
    dual = [(1 - Fraction(tableau[count][size + k], unit)) * scales[k] for k in range(count)]
    return [-entry / dual[-1] for entry in dual[:-1]], None


@dataclass(frozen=True)
class Certificate:
    """Why one of some monomials is at most 1, up to a constant, wherever all of some others are.

    The product of the conclusions to their weights equals that of the premises to their multipliers; the weights are
    positive and add up to one, the multipliers are positive. A premise is one of those given; or L^M/2^L; or, where
    `bounded` shows that L itself is bounded, any product of powers of L and 2^L.
    """

    premises: tuple[tuple[Monomial, Fraction], ...]
    conclusions: tuple[tuple[Monomial, Fraction], ...]
    bounded: Certificate | None = None

    def proves(self, premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> bool:
        """Whether it proves that one of the conclusions is ≤ 1 wherever the premises are: arithmetic, no search."""
        given = frozenset(premises)
        return (
            all(power > 0 for _, power in (*self.premises, *self.conclusions))
            and sum(weight for _, weight in self.conclusions) == 1
            and product(*self.conclusions) == product(*self.premises)
            and {monomial for monomial, _ in self.conclusions} <= set(conclusions)
            and all(monomial in given or self._is_axiom(monomial, given) for monomial, _ in self.premises)
        )

    def _is_axiom(self, monomial: Monomial, given: frozenset[Monomial]) -> bool:
        exponential = _exponential([monomial])
        if exponential is None or set(monomial.powers) - {exponential, root(exponential)}:
            return False
        if self.bounded is not None:
            return self.bounded.proves(given, [Monomial.of({root(exponential): 1})])
        return monomial[exponential] < 0


CONSTANT_ALONG = (_ZERO, _ZERO)
"""What a constant is along a curve."""


@dataclass(frozen=True)
class Witness:
    """A curve in s → ∞ along which some monomials stay bounded and others grow without bound.

    Each variable is s^power·2^(rate·s): both are given as the exponents of a monomial. Where an exponential 2^L occurs,
    L = s or L is constant.
    """

    power: Monomial
    rate: Monomial = ONE

    def along(self, monomial: Monomial) -> tuple[Fraction, Fraction]:
        """(q, p), if the monomial is s^p·2^(q·s) on the curve: compared as pairs, (0, 0) being a constant."""
        rate, power = (
            sum((exponent * direction[name] for name, exponent in monomial.exponents), Fraction(0))
            for direction in (self.rate, self.power)
        )
        return rate, power

    def refutes(self, premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> bool:
        """Whether all premises stay bounded along the curve while every conclusion grows without bound."""
        bounded, growing = tuple(premises), tuple(conclusions)
        exponential = _exponential((*bounded, *growing, self.rate, self.power))
        return (
            (exponential is None or self._keeps(exponential))
            and all(self.along(monomial) <= CONSTANT_ALONG for monomial in bounded)
            and all(self.along(monomial) > CONSTANT_ALONG for monomial in growing)
        )

    def _keeps(self, exponential: str) -> bool:
        """Whether 2^L is what it must be: L = s and 2^s, or both constant."""
        base = root(exponential)
        constant = self.power[base] == 0 and self.rate[exponential] == 0
        growing = self.power[base] == 1 and self.rate[exponential] == 1
        return (constant or growing) and self.rate[base] == 0 and self.power[exponential] == 0

    def simplest(self, premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> Witness:
        """The same curve with every variable held constant that need not move."""
        curve, bounded, growing = self, tuple(premises), tuple(conclusions)
        for name in sorted({root(name) for name in (*self.rate.powers, *self.power.powers)}):
            moved = ({k: v for k, v in line.exponents if root(k) != name} for line in (curve.power, curve.rate))
            simpler = Witness(*(Monomial.of(direction) for direction in moved))
            if simpler.refutes(bounded, growing):
                curve = simpler
        return curve if curve.rate != ONE else Witness(curve.power.primitive())


def _exponential(monomials: Iterable[Monomial]) -> str | None:
    """The one variable 2^L that occurs, if any.

    Raises:
        InputError: there are two: how 2^L and 2^n compare is then no linear question.
    """
    names = {name for monomial in monomials for name in monomial.powers if name.startswith(EXPONENTIAL)}
    if len(names) > 1:
        raise InputError(f"{' and '.join(sorted(names))} cannot be compared exactly together; give one a value")
    return names.pop() if names else None


def entails(premises: Iterable[Monomial], conclusions: Iterable[Monomial]) -> Certificate | Witness:
    """Decide whether, wherever all premises are ≤ 1, one of the conclusions is, up to a constant.

    Args:
        premises: monomials m, for the inequalities m ≤ 1.
        conclusions: at least one monomial.

    Raises:
        InputError: two different exponentials occur.
    """
    wanted = tuple(dict.fromkeys(conclusions))
    given = _connected(tuple(dict.fromkeys(premises)), wanted)
    exponential = _exponential((*given, *wanted))
    known = next((monomial for monomial in wanted if monomial == ONE or monomial in given), None)
    if known is not None:
        return Certificate(((known, Fraction(1)),) if known != ONE else (), ((known, Fraction(1)),))
    found = _farkas(given, wanted, frozenset())
    if exponential is None or isinstance(found, Certificate):
        return found
    base = root(exponential)
    certificate = _farkas_with_axiom(given, wanted, exponential)
    if certificate is not None:
        return certificate
    constant_base = _farkas(given, wanted, frozenset({base, exponential}))
    if isinstance(constant_base, Witness):
        return constant_base
    witness = _growing_witness(given, wanted, exponential)
    if witness is not None:
        return witness
    # What is left: the premises bound L, so that powers of L and 2^L are constants, and the rest follows without them.
    bounded = entails(given, [Monomial.of({base: 1})])
    assert isinstance(bounded, Certificate)
    rest = product(*constant_base.conclusions) / product(*constant_base.premises)
    extra = ((rest, Fraction(1)),) if rest != ONE else ()
    return Certificate((*constant_base.premises, *extra), constant_base.conclusions, bounded)


def _connected(given: tuple[Monomial, ...], wanted: tuple[Monomial, ...]) -> tuple[Monomial, ...]:
    """The premises that have to do with the conclusions; a curve need not move the variables of the others."""
    variables = {root(name) for monomial in wanted for name in monomial.powers}
    rest = {monomial: {root(name) for name in monomial.powers} for monomial in given}
    while linked := [monomial for monomial, names in rest.items() if names & variables]:
        for monomial in linked:
            variables |= rest.pop(monomial)
    return tuple(monomial for monomial in given if monomial not in rest)


def _rows(monomials: Iterable[Monomial], names: Sequence[str], sign: int) -> list[list[Fraction]]:
    signed = (
        monomial.powers if sign > 0 else {name: -power for name, power in monomial.exponents} for monomial in monomials
    )
    return [[powers.get(name, _ZERO) for name in names] for powers in signed]


def _names(monomials: Iterable[Monomial], ignored: Iterable[str]) -> list[str]:
    return sorted({name for monomial in monomials for name in monomial.powers}.difference(ignored))


def _farkas(
    given: tuple[Monomial, ...], wanted: tuple[Monomial, ...], ignored: frozenset[str]
) -> Certificate | Witness:
    """Decide with each variable on its own, as if 2^L had nothing to do with L; ignored ones count as constant."""
    names = _names((*given, *wanted), ignored)
    rows = _rows(wanted, names, 1) + _rows(given, names, -1)
    point, multipliers = alternative(rows, [Fraction(1)] * len(wanted) + [Fraction(0)] * len(given))
    if multipliers is not None:
        return _certificate(given, wanted, multipliers)
    return Witness(Monomial.of(dict(zip(names, point or (), strict=True))).primitive())


def _certificate(
    given: tuple[Monomial, ...], wanted: tuple[Monomial, ...], multipliers: Sequence[Fraction]
) -> Certificate:
    weights, rest = multipliers[: len(wanted)], multipliers[len(wanted) :]
    total = sum(weights)
    return Certificate(
        tuple((monomial, power / total) for monomial, power in zip(given, rest, strict=True) if power),
        tuple((monomial, power / total) for monomial, power in zip(wanted, weights, strict=True) if power),
    )


def _farkas_with_axiom(
    given: tuple[Monomial, ...], wanted: tuple[Monomial, ...], exponential: str
) -> Certificate | None:
    """A certificate that uses L^M/2^L for the M that it needs: the powers of L are left open, 2^L must be to spare."""
    base = root(exponential)
    given = tuple(monomial for monomial in given if monomial != Monomial.of({exponential: -1}))  # spared instead
    names = [*_names((*given, *wanted), (base, exponential)), exponential]
    spare = [Fraction(name == exponential) for name in names]
    rows = [*_rows(wanted, names, 1), *_rows(given, names, -1), spare]
    sizes = (len(wanted), len(given), 1)
    total = [Fraction(0)] * len(rows)
    for marked in (0, 2):  # multipliers with some conclusion in use, then some with 2^L to spare: their sum has both
        if marked and total[-1]:
            break
        bounds = [Fraction(part == marked) for part, size in enumerate(sizes) for _ in range(size)]
        _, multipliers = alternative(rows, bounds)
        if multipliers is None:
            return None
        total = [x + y for x, y in zip(total, multipliers, strict=True)]
    spared = total[-1]
    left, right = total[: len(wanted)], total[len(wanted) : -1]
    power = product(*zip(wanted, left, strict=True))[base] - product(*zip(given, right, strict=True))[base]
    axiom = Monomial.of({base: power / spared, exponential: -1})
    return _certificate((*given, axiom), wanted, total)


def _growing_witness(given: tuple[Monomial, ...], wanted: tuple[Monomial, ...], exponential: str) -> Witness | None:
    """A curve with L = s, every other variable s^p·2^(q·s).

    The unknowns are ξ ≥ 1, y = ξ·p, κ ≥ 1 and z = κ·q. A monomial grows if its part in (κ, z) is ≥ 0 and its parts in
    (ξ, y) and in (κ, z) add up to at least 1: its rate is then positive, or it is zero and its power is positive.
    """
    base = root(exponential)
    names = _names((*given, *wanted), (base, exponential))
    slow, fast = [base, *names], [exponential, *names]
    size = len(slow)
    nothing = [Fraction(0)] * size
    first = [Fraction(1), *nothing[1:]]
    rows, bounds = [first + nothing, nothing + first], [Fraction(1), Fraction(1)]
    for monomials, sign in ((wanted, 1), (given, -1)):
        for powers, rates in zip(_rows(monomials, slow, sign), _rows(monomials, fast, sign), strict=True):
            rows += [nothing + rates, powers + rates]
            bounds += [Fraction(0), Fraction(sign == 1)]
    point, _ = alternative(rows, bounds)
    if point is None:
        return None
    return Witness(
        Monomial.of({name: y / point[0] for name, y in zip(slow, point[:size], strict=True)}),
        Monomial.of({name: z / point[size] for name, z in zip(fast, point[size:], strict=True)}),
    )
