"""Where one order of growth is at most another: the exact region, without what is superfluous, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from boundcalc.tropical.entailment import CONSTANT_ALONG, Certificate, Witness, entails
from boundcalc.tropical.monomials import Clause, Growth, Monomial, in_order, minimal, quotients


@dataclass(frozen=True)
class Cases:
    """A proof by cases: one for each monomial of a clause, for in one of the cases that monomial is ≤ 1."""

    proofs: tuple[tuple[Monomial, Proof], ...]

    @property
    def clause(self) -> Clause:
        """The clause that says that there are no other cases."""
        return frozenset(monomial for monomial, _ in self.proofs)


Proof: TypeAlias = Certificate | Cases


def follows(proof: Proof, premises: tuple[Monomial, ...], clauses: Iterable[Clause], conclusion: Clause) -> bool:
    """Whether a proof shows that premises and clauses imply a clause: by arithmetic alone."""
    if isinstance(proof, Certificate):
        return proof.proves(premises, conclusion)
    known = tuple(clauses)
    return proof.clause in known and all(
        follows(part, (*premises, monomial), known, conclusion) for monomial, part in proof.proofs
    )


def prove(premises: tuple[Monomial, ...], clauses: Sequence[Clause], conclusion: Clause) -> Proof | Witness:
    """Decide whether premises and clauses imply a clause: a proof, or a curve on which they hold and it does not."""
    found = entails(premises, in_order(conclusion))
    if isinstance(found, Certificate):
        return found
    broken = next((clause for clause in clauses if all(found.along(m) > CONSTANT_ALONG for m in clause)), None)
    if broken is None:
        return found
    # The curve leaves this clause: only there can it help.
    parts: list[tuple[Monomial, Proof]] = []
    for monomial in in_order(broken):
        part = prove((*premises, monomial), clauses, conclusion)
        if isinstance(part, Witness):
            return part
        parts.append((monomial, part))
    return Cases(tuple(parts))


@dataclass(frozen=True)
class Derivation:
    """Why a clause holds: by a `proof` from the clauses that are kept, or for a clause `source` that was written does.

    In the second case the clause lacks some monomials of its source; `dropped` shows that each implies one that it has.
    """

    clause: Clause
    proof: Proof | None = None
    source: Clause = frozenset()
    dropped: tuple[tuple[Monomial, Certificate], ...] = ()

    @property
    def certificates(self) -> Iterator[Certificate]:
        """Every certificate in it."""
        pending: list[Proof] = [*([self.proof] if self.proof else []), *(found for _, found in self.dropped)]
        while pending:
            proof = pending.pop(0)
            if isinstance(proof, Certificate):
                yield proof
            else:
                pending += [part for _, part in proof.proofs]

    def verify(self, regime: tuple[Monomial, ...], written: Iterable[Clause], kept: Iterable[Clause]) -> bool:
        """Whether it shows what it says: by arithmetic alone."""
        if self.proof is not None:
            return follows(self.proof, regime, kept, self.clause)
        return (
            self.source in written
            and self.clause <= self.source
            and {monomial for monomial, _ in self.dropped} == self.source - self.clause
            and all(found.proves((*regime, monomial), self.clause) for monomial, found in self.dropped)
        )


@dataclass(frozen=True)
class Region:
    """Where a growth is at most another, up to constants: where, in every clause, some monomial is ≤ 1.

    `written` are the clauses as the two growths give them, `clauses` what is left of them on the regime, where all of
    its monomials are ≤ 1. `derivations` say why nothing is lost: of every written clause that is not among those left
    or weaker than one of them, and of every clause left. `witness` is a curve in the regime that leaves the region,
    None where the region is everything.
    """

    regime: tuple[Monomial, ...]
    written: tuple[Clause, ...]
    clauses: tuple[Clause, ...]
    derivations: tuple[Derivation, ...]
    witness: Witness | None

    @property
    def everywhere(self) -> bool:
        """Whether the region is all of the regime."""
        return not self.clauses

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """Every certificate, once."""
        return tuple(dict.fromkeys(found for derivation in self.derivations for found in derivation.certificates))

    def verify(self) -> bool:
        """Check by arithmetic that `clauses` and `written` say the same on the regime, and that `witness` leaves it."""
        proven = {derivation.clause for derivation in self.derivations if derivation.proof is not None}
        derived = {derivation.clause for derivation in self.derivations if derivation.proof is None}
        return (
            all(clause in proven or any(kept <= clause for kept in self.clauses) for clause in self.written)
            and derived >= set(self.clauses)
            and all(derivation.verify(self.regime, self.written, self.clauses) for derivation in self.derivations)
            and (self.witness is None) == self.everywhere
            and (self.witness is None or any(self.witness.refutes(self.regime, clause) for clause in self.written))
        )


def decide(a: Growth, b: Growth, regime: Iterable[Monomial]) -> Region:
    """Where a ≤ b up to constants, exactly.

    Args:
        a: the growth that should be at most the other.
        b: the other.
        regime: monomials that are ≤ 1 throughout.
    """
    return reduce_clauses(quotients(a, b), regime)


def reduce_clauses(clauses: Iterable[Clause], regime: Iterable[Monomial]) -> Region:
    """The region where in every clause some monomial is ≤ 1, without what the regime makes superfluous.

    Args:
        clauses: sets of monomials.
        regime: monomials that are ≤ 1 throughout.
    """
    inside = tuple(regime)
    written = _clauses_in_order(minimal(clauses))
    shortened: list[Derivation] = []
    witness: Witness | None = None
    for clause in written:
        found = entails(inside, in_order(clause))
        if isinstance(found, Witness):
            witness = witness or found.simplest(inside, clause)
            shortened.append(_shortened(inside, clause))
    kept = list(_clauses_in_order(minimal(derivation.clause for derivation in shortened)))
    for clause in sorted(kept, key=len, reverse=True):
        others = [other for other in kept if other != clause]
        if not isinstance(prove(inside, others, clause), Witness):
            kept = others
    derivations = [next(found for found in shortened if found.clause == clause) for clause in kept]
    for clause in written:
        if not any(smaller <= clause for smaller in kept):
            proof = prove(inside, kept, clause)
            assert not isinstance(proof, Witness), "a clause is dropped only where the others imply it"
            derivations.append(Derivation(clause, proof))
    return Region(inside, written, tuple(kept), tuple(derivations), witness)


def _clauses_in_order(clauses: Iterable[Clause]) -> tuple[Clause, ...]:
    """Clauses with the fewest alternatives first, otherwise in a fixed order."""
    return tuple(sorted(clauses, key=lambda clause: (len(clause), [m.exponents for m in in_order(clause)])))


def _shortened(regime: tuple[Monomial, ...], source: Clause) -> Derivation:
    """A clause without the alternatives that imply one of the others."""
    clause = source
    for monomial in in_order(source):
        others = clause - {monomial}
        if others and isinstance(entails((*regime, monomial), in_order(others)), Certificate):
            clause = others
    found = [(monomial, entails((*regime, monomial), in_order(clause))) for monomial in in_order(source - clause)]
    dropped = tuple((monomial, proof) for monomial, proof in found if isinstance(proof, Certificate))
    return Derivation(clause, source=source, dropped=dropped)
