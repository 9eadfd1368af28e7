"""The smallest choices that make a system of inequalities hold, by elimination over exact exponents.

In logarithms every inequality between monomials is linear. Eliminating the choices one after the other (Fourier and
Motzkin) leaves, for each, the bounds that those before it impose; all of them are consequences of the system, with
certificates, so that no smaller choice would do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from boundcalc.auditing.judging import Premises, simplified
from boundcalc.errors import InputError
from boundcalc.tropical import (
    Certificate,
    Clause,
    Growth,
    Monomial,
    Proof,
    Witness,
    entails,
    facts_text,
    follows,
    in_order,
    maximum,
    minimum,
    product,
    prove,
)

MOST_INEQUALITIES = 400


@dataclass(frozen=True)
class Choice:
    """The best value of one choice, the earlier ones being given, and why none better would do.

    `value` is a maximum of monomials for a choice that should be small, a minimum for one that should be large.
    `reasons` has, for each of them, a certificate that the system implies the bound.
    """

    name: str
    greatest: bool
    value: Growth
    reasons: tuple[tuple[Monomial, Certificate], ...]


@dataclass(frozen=True)
class Repair:
    """Choices that satisfy a system, each the best that those before it allow.

    `proofs` has, for each inequality, a proof that it holds at the choices.
    """

    regime: tuple[Monomial, ...]
    system: tuple[Monomial, ...]
    choices: tuple[Choice, ...]
    proofs: tuple[tuple[Monomial, Proof], ...]

    def verify(self) -> bool:
        """Check by arithmetic that the choices satisfy the system, and that the system implies their bounds."""
        values, clauses = at_choices(self.choices)
        inside = (*self.regime, *values)
        return (
            {monomial for monomial, _ in self.proofs} == set(self.system)
            and all(follows(proof, inside, clauses, frozenset({monomial})) for monomial, proof in self.proofs)
            and all(
                reason.proves((*self.regime, *self.system), [bound])
                for choice in self.choices
                for bound, reason in choice.reasons
            )
        )


def at_choices(choices: Iterable[Choice]) -> tuple[tuple[Monomial, ...], tuple[Clause, ...]]:
    """What holds where every choice has its value: monomials that are ≤ 1, and clauses of which some monomial is."""
    facts: list[Monomial] = []
    clauses: list[Clause] = []
    for choice in choices:
        own = Monomial.of({choice.name: 1})
        ends = [x for term in choice.value.terms for x in term]
        facts += [own / x if choice.greatest else x / own for x in ends]
        reached = frozenset(x / own if choice.greatest else own / x for x in ends)
        if len(reached) == 1:
            facts += reached
        else:
            clauses.append(reached)
    return tuple(dict.fromkeys(facts)), tuple(clauses)


def smallest_choices(
    system: Iterable[Monomial], names: Sequence[str], greatest: Iterable[str], regime: tuple[Monomial, ...]
) -> Repair:
    """The best choices, in their order, that make every monomial of a system at most 1.

    Args:
        system: monomials that must be ≤ 1.
        names: the variables to be chosen, in order; each as small as the later ones can bear.
        greatest: those of them that should be as large as possible instead.
        regime: what holds of the other variables.

    Raises:
        InputError: no choice makes the system hold throughout the regime, or nothing bounds a choice.
    """
    large = frozenset(greatest)
    wanted = tuple(dict.fromkeys(system))
    # The regime of a choice, such as m ≥ 1, is eliminated with it.
    stages = [[*wanted, *(fact for fact in regime if any(fact[name] for name in names))]]
    # Facts about the choices are in the system by now; they must not make what is left of them superfluous.
    rest = tuple(fact for fact in regime if not any(fact[name] for name in names))
    for name in reversed(names):
        stages.append(_without(stages[-1], name, rest))
    for left in stages[-1]:
        if not isinstance(entails(regime, [left]), Certificate):
            raise InputError(f"no choice of {', '.join(names)} will do: {facts_text([left])} would be needed")
    choices: list[Choice] = []
    for name, stage in zip(names, reversed(stages[:-1]), strict=True):
        choices.append(_choice(name, name in large, stage, wanted, regime, at_choices(choices)[0]))
    values, clauses = at_choices(choices)
    proofs = []
    for monomial in wanted:
        proof = prove((*regime, *values), clauses, frozenset({monomial}))
        if isinstance(proof, Witness):
            raise InputError(f"the smallest {', '.join(names)} leave {facts_text([monomial])} open")
        proofs.append((monomial, proof))
    return Repair(regime, wanted, tuple(choices), tuple(proofs))


def _without(stage: list[Monomial], name: str, regime: tuple[Monomial, ...]) -> list[Monomial]:
    """What a system says without one variable: every upper bound on it is at least every lower one."""
    above = [x for x in stage if x[name] > 0]
    below = [x for x in stage if x[name] < 0]
    rest = [x for x in stage if not x[name]]
    rest += [product((x, 1 / x[name]), (y, -1 / y[name])) for x in above for y in below]
    if len(rest) > MOST_INEQUALITIES:
        raise InputError(f"more than {MOST_INEQUALITIES} inequalities; give the derivation fewer choices")
    kept = list(dict.fromkeys(x.primitive() for x in rest))
    for x in list(kept):
        others = [y for y in kept if y != x]
        if isinstance(entails((*regime, *others), [x]), Certificate):
            kept = others
    return kept


def _choice(
    name: str,
    greatest: bool,
    stage: list[Monomial],
    system: tuple[Monomial, ...],
    regime: tuple[Monomial, ...],
    earlier: tuple[Monomial, ...],
) -> Choice:
    """The best value of a choice: what the inequalities in it and in earlier choices ask, those being as chosen."""
    own = Monomial.of({name: 1})
    # What nothing bounds from below is best as large as the rest allows: a radius τ ≤ L^(−6), say.
    greatest = greatest or not any(x[name] < 0 for x in stage)
    ends = [own * x ** (-1 / x[name]) for x in in_order(stage) if (x[name] > 0 if greatest else x[name] < 0)]
    if not ends:
        raise InputError(f"nothing bounds the choice of {name}; no smallest repair")
    inside = Premises(regime, earlier)
    value = simplified((minimum if greatest else maximum)(*map(Growth.of, ends)), inside)
    reasons = []
    for term in value.terms:
        for x in term:
            bound = own / x if greatest else x / own
            reason = entails((*regime, *system), [bound])
            assert isinstance(reason, Certificate), "elimination only combines the system"
            reasons.append((bound, reason))
    return Choice(name, greatest, value, tuple(reasons))
