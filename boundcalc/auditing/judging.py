"""Whether one order of growth stays below another: proven, or refuted by a curve, and by which factor it is off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from itertools import product as product_of

from boundcalc.tropical import (
    CONSTANT,
    CONSTANT_ALONG,
    EXPONENTIAL,
    LOGARITHM,
    Certificate,
    Clause,
    Growth,
    Monomial,
    Proof,
    Witness,
    alternative,
    entails,
    follows,
    in_order,
    maximum,
    minimum,
    prove,
    quotients,
    regime,
    root,
)


@dataclass(frozen=True)
class Premises:
    """What may be used: monomials that are ≤ 1, and clauses of which some monomial is.

    `given` are those of the monomials that hold only up to constants and logarithms, as a statement's conditions do;
    the others are the regime.
    """

    regime: tuple[Monomial, ...]
    given: tuple[Monomial, ...] = ()
    clauses: tuple[Clause, ...] = ()

    @property
    def monomials(self) -> tuple[Monomial, ...]:
        """All monomials that are ≤ 1."""
        return tuple(dict.fromkeys((*self.regime, *self.given)))


@dataclass(frozen=True)
class Judgement:
    """Whether `small` ≤ `large` up to constants, where the premises hold.

    With a proof of every clause of that inequality, or with a clause that fails along a `witness`.
    """

    small: Growth
    large: Growth
    premises: Premises
    proofs: tuple[tuple[Clause, Proof], ...]
    broken: Clause | None = None
    witness: Witness | None = None

    @property
    def holds(self) -> bool:
        """Whether the inequality follows."""
        return self.witness is None

    def verify(self) -> bool:
        """Check proofs and witness again, by arithmetic alone."""
        clauses = quotients(self.small, self.large)
        inside = self.premises.monomials
        if self.witness is not None and self.broken is not None:
            kept = all(any(self.witness.refutes([x], []) for x in clause) for clause in self.premises.clauses)
            return self.broken in clauses and kept and self.witness.refutes(inside, self.broken)
        proven = {clause for clause, proof in self.proofs if follows(proof, inside, self.premises.clauses, clause)}
        return clauses <= proven


def judge(small: Growth, large: Growth, premises: Premises) -> Judgement:
    """Decide whether small ≤ large up to constants, where the premises hold."""
    proofs: list[tuple[Clause, Proof]] = []
    for clause in sorted(quotients(small, large), key=_order):
        found = prove(premises.monomials, premises.clauses, clause)
        if isinstance(found, Witness):
            return Judgement(small, large, premises, (), clause, found)
        proofs.append((clause, found))
    return Judgement(small, large, premises, tuple(proofs))


def _order(clause: Clause) -> list[tuple[tuple[str, Fraction], ...]]:
    return [x.exponents for x in in_order(clause)]


MOST_CASES = 32
"""How many cases of premises that branch are looked into."""


def curves(failing: Judgement) -> Iterator[Witness]:
    """Curves along which a judgement fails, those first that show it in numbers best.

    On these, what is given holds by an unbounded factor wherever that can be, so that constants do not matter; of
    premises that branch one case holds; 2^L is constant; and where logarithms decide, one of them moves:
    x = 2^(±s), log x = s.
    """
    assert failing.broken is not None
    assert failing.witness is not None
    premises, conclusion = failing.premises, failing.broken
    for case in islice(product_of(*map(in_order, premises.clauses)), MOST_CASES):
        inside = Premises(premises.regime, (*premises.given, *case))
        variables = {name for x in (*inside.monomials, *conclusion) for name in x.powers}
        still = {name for power in variables if power.startswith(EXPONENTIAL) for name in (power, root(power))}
        logs = sorted(name for name in variables if name.startswith(LOGARITHM))
        moves = [(log, sign) for log in logs for sign in _directions(log)] or [("", 1)]
        for moving, sign in moves:
            found = _strict_witness(inside, conclusion, variables - still, moving, sign)
            if found is not None:
                yield found
    yield failing.witness


def _directions(log: str) -> tuple[int, ...]:
    """Whether what stands in a logarithm grows, 1, or falls, −1, or may do either."""
    facts = regime([log.removeprefix(LOGARITHM)])
    return tuple(-1 if power > 0 else 1 for fact in facts for _, power in fact.exponents) or (1, -1)


def _strict_witness(
    premises: Premises, conclusion: Clause, variables: Iterable[str], log: str, sign: int
) -> Witness | None:
    """Such a curve along which this logarithm moves, if one is named, x as 2^(sign·s), and no other does.

    The given monomials are asked to vanish one after the other.
    """
    of = log.removeprefix(LOGARITHM)
    names = sorted(name for name in variables if name != of and not name.startswith(LOGARITHM))
    wanted = [x for x in in_order(conclusion) if sign * x[of] <= 0]
    if any(sign * x[of] < 0 for x in wanted) or any(sign * x[of] > 0 for x in premises.monomials):
        return None
    level = [x for x in premises.monomials if not x[of]]
    rows = [[x[name] for name in names] for x in wanted] + [[-x[name] for name in names] for x in level]
    shift = [-x[log] for x in wanted] + [x[log] for x in level]
    strict: list[Monomial] = []
    best: list[Fraction] | None = None
    for extra in (None, *premises.given):
        tried = [*strict, extra] if extra is not None else strict
        margin = [Fraction(1, 2)] * len(wanted) + [Fraction(x in tried, 8) for x in level]
        point, _ = alternative(rows, [least + move for least, move in zip(margin, shift, strict=True)])
        if point is not None:
            strict, best = tried, point
    if best is None:
        return None
    fixed = {log: Fraction(1)} if log else {}
    rate = Monomial.of({of: sign} if log else {})
    curve = Witness(Monomial.of({**dict(zip(names, best, strict=True)), **fixed}), rate)
    return _with_few(curve, premises, conclusion, strict)


def _with_few(curve: Witness, premises: Premises, conclusion: Clause, strict: Iterable[Monomial]) -> Witness:
    """The same curve with every variable held constant that need not move."""
    for name in sorted(name for name in curve.power.powers if not name.startswith(LOGARITHM)):
        simpler = Witness(Monomial.of({k: v for k, v in curve.power.exponents if k != name}), curve.rate)
        still = all(simpler.along(x) < CONSTANT_ALONG for x in strict)
        if still and simpler.refutes(premises.monomials, conclusion):
            curve = simpler
    return curve if curve.rate.powers else Witness(curve.power.primitive())


def at_least_one(monomial: Monomial, premises: Premises) -> bool:
    """Whether a monomial is ≥ 1 wherever the premises hold."""
    return isinstance(entails(premises.monomials, [monomial**-1]), Certificate)


def excess(small: Growth, large: Growth, premises: Premises) -> Growth:
    """By which factor `small` exceeds `large`, term by term.

    A term that is provably larger than some term of `large` exceeds it by their quotient, the least where there are
    several; otherwise, by the quotient with the whole of `large`.
    """
    factors: list[Growth] = []
    for term in small.terms:
        own = Growth(frozenset({term}))
        if judge(own, large, premises).holds:
            continue
        quotient = [x / y for x in term for other in large.terms for y in other]
        above = [x for x in quotient if at_least_one(x, premises)] if len(term) == 1 else []
        if above and all(len(other) == 1 for other in large.terms):
            least = [x for x in above if all(at_least_one(y / x, premises) for y in above)]
            factors.append(Growth.of(least[0]) if least else minimum(*map(Growth.of, above)))
        else:
            factors.append(own * large**-1)
    return simplified(maximum(*factors), premises) if factors else CONSTANT


def simplified(growth: Growth, premises: Premises) -> Growth:
    """A growth without the monomials and terms that the premises make superfluous."""
    terms = [
        _least(term, premises) for term in sorted(growth.terms, key=lambda term: [x.exponents for x in in_order(term)])
    ]
    kept = list(terms)
    for term in terms:
        others = [other for other in kept if other != term]
        if others and any(_below(term, other, premises) for other in others):
            kept = others
    return Growth(frozenset(kept))


def _least(term: Clause, premises: Premises) -> Clause:
    kept = list(in_order(term))
    for x in in_order(term):
        others = [y for y in kept if y != x]
        if any(at_least_one(x / y, premises) for y in others):
            kept = others
    return frozenset(kept)


def _below(term: Clause, other: Clause, premises: Premises) -> bool:
    """Whether one minimum is at most another."""
    return all(isinstance(entails(premises.monomials, [x / y for x in term]), Certificate) for y in other)


def at_the_worst(growth: Growth, name: str, premises: Premises) -> Growth:
    """A growth with one variable where the premises bound it, on the side that makes the growth larger.

    A term whose monomials want different sides, or that nothing bounds, stays as it is.
    """
    own = Monomial.of({name: 1})
    bounds = {sign: [own * x ** (-1 / x[name]) for x in premises.given if sign * x[name] > 0] for sign in (1, -1)}
    terms: list[Clause] = []
    for term in growth.terms:
        signs = {1 if x[name] > 0 else -1 for x in term if x[name]}
        ends = bounds[signs.pop()] if len(signs) == 1 else []
        parts = (({x * (end / own) ** x[name] for end in ends} if x[name] and ends else {x}) for x in term)
        terms.append(frozenset().union(*parts))
    return Growth(frozenset(terms))
