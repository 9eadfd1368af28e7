"""The audit: every step of a derivation judged, what does not hold repaired, and the repairs carried downstream."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType
from typing import Literal

import sympy

from boundcalc.auditing.choices import Repair, smallest_choices
from boundcalc.auditing.confirming import Counterexample, counterexample
from boundcalc.auditing.formulas import (
    Entry,
    assemble,
    choices_of,
    exact_terms,
    expanded,
    from_statement,
    from_step,
    hides_logarithms,
    values,
    without_exact_terms,
)
from boundcalc.auditing.judging import Judgement, Premises, at_the_worst, curves, excess, judge, simplified
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant, Otilde, exponents_hidden, hidden_constants
from boundcalc.derivation import Claim, Derivation, DerivationStep, Sense
from boundcalc.errors import InputError
from boundcalc.proofs import derivations_of
from boundcalc.solving.solution import combined
from boundcalc.symbols import symbol_of
from boundcalc.theorem import Bound, Catalogue, Condition, Guarantee, Theorem
from boundcalc.tropical import (
    LOGARITHM,
    Clause,
    Growth,
    Monomial,
    canonical,
    monomial_expr,
    monomials_in_reading_order,
    quotients,
    read_growth,
    regime,
    root,
    slow_logarithms,
)

Status = Literal["holds", "loose", "violated", "undecided"]
UNIT = ConstantPolicy()

SIZES = ("m", "n")
"""Choices in terms of which the others are given."""

LARGER_EXPONENTS = "larger exponents in poly(…) would mend it"
MOST_EXTRA = 64
"""By how much exponents that poly(…) hides are raised at most."""

LARGE_CHOICES = ("eta",)
"""Choices that are better the larger they are; all others should be small."""


@dataclass(frozen=True)
class Verdict:
    """What became of one step.

    `claimed` and `derived` are the two sides with everything put in: what the paper says, and what follows. `excess` is
    the factor by which the claim is weaker than what follows (loose), or falls short of it (violated). `there` judges
    that the claim follows, `back` that it is no weaker; `point` is where a violation shows in numbers.
    """

    step: DerivationStep
    status: Status
    claimed: sympy.Expr
    derived: sympy.Expr
    put: tuple[Entry, ...]
    there: Judgement
    back: Judgement
    excess: Growth | None
    up_to_logarithms: bool
    point: Counterexample | None = None
    exponents: tuple[tuple[str, Fraction], ...] = ()
    notes: tuple[str, ...] = ()

    def verify(self) -> bool:
        """Check every certificate and witness again, by arithmetic alone, and that they say what the status says."""
        says = {
            "holds": self.there.holds and (self.back.holds or self.step.because is None or bool(self.exponents)),
            "loose": self.there.holds and not self.back.holds and self.point is not None,
            "violated": not self.there.holds and self.point is not None,
            "undecided": not (self.there.holds and self.back.holds),
        }
        return says[self.status] and self.there.verify() and self.back.verify()


@dataclass(frozen=True)
class Audit:
    """The verdicts on a derivation of a statement, and its repair.

    `repair` gives, for each symbol that the statement must choose or promise differently, the smallest formula, up to
    constants and logarithms; it takes account of repaired statements that are used, listed in `upstream`. `choices`
    proves that it satisfies everything needed, and that nothing smaller does. `alternatives` are audits of other
    derivations of the same statement; `under` is the same audit where statements upstream are repaired by another
    derivation of theirs, by its name.
    """

    theorem: Theorem
    derivation: Derivation
    verdicts: tuple[Verdict, ...]
    repair: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=lambda: MappingProxyType({}))
    choices: Repair | None = None
    upstream: tuple[str, ...] = ()
    alternatives: tuple[Audit, ...] = ()
    under: Mapping[str, Audit] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """The worst verdict."""
        found = {verdict.status for verdict in self.verdicts}
        ordered: tuple[Status, ...] = ("violated", "undecided", "loose")
        return next((status for status in ordered if status in found), "holds")

    def verify(self) -> bool:
        """Check every verdict and the repair again, by arithmetic alone."""
        sound = self.choices is None or self.choices.verify()
        verdicts = all(verdict.verify() for verdict in self.verdicts)
        others = (*self.alternatives, *self.under.values())
        return sound and verdicts and all(other.verify() for other in others)


def audit(theorem: Theorem | str, *, catalogue: Catalogue = CATALOGUE, policy: ConstantPolicy = UNIT) -> Audit:
    """Judge every step by which a statement is derived.

    Args:
        theorem: the statement or its key.
        catalogue: where the statements that the derivation uses are looked up.
        policy: the values of exponents that poly(…) hides.

    Raises:
        UnknownNameError: no statement has this key, or a step uses one that does not exist.
        InputError: the statement has no derivation, or a formula in it has no order of growth.
    """
    found = catalogue.find(theorem) if isinstance(theorem, str) else theorem
    if not derivations_of(found):
        known = [key for key in catalogue if derivations_of(catalogue[key])]
        raise InputError(f"{found.key} has no derivation to audit; one is known for {', '.join(known)}")
    return _Auditor(catalogue, policy).audit(found)


def audit_all(catalogue: Catalogue = CATALOGUE, policy: ConstantPolicy = UNIT) -> tuple[Audit, ...]:
    """Audit every statement of a catalogue that has a derivation, in reading order.

    Raises:
        InputError: as for `audit`.
    """
    auditor = _Auditor(catalogue, policy)
    return tuple(auditor.audit(catalogue[key]) for key in catalogue if derivations_of(catalogue[key]))


class _Auditor:
    """Audits by key, each done once: repairs of the statements used come first.

    They are repaired by their derivation of the name `way`, where they have one, else by their own.
    """

    def __init__(self, catalogue: Catalogue, policy: ConstantPolicy, way: str = "") -> None:
        self.catalogue = catalogue
        self.policy = policy
        self.way = way
        self.done: dict[str, Audit] = {}
        self.repaired: dict[str, Theorem] = {}
        self.pending: list[str] = []

    def audit(self, theorem: Theorem) -> Audit:
        if theorem.key in self.done:
            return self.done[theorem.key]
        if theorem.key in self.pending:
            raise InputError(f"{theorem.key} is derived from itself: {' → '.join((*self.pending, theorem.key))}")
        self.pending.append(theorem.key)
        derivations = derivations_of(theorem)
        used = self._used(theorem, derivations)
        upstream = tuple(key for key in used if self._repaired(key) is not used[key])
        audits = [self._derivation(theorem, derivation, used, upstream) for derivation in derivations]
        self.pending.pop()
        preferred = next((found for found in audits if found.derivation.name == self.way), audits[0])
        self.repaired[theorem.key] = _with(theorem, preferred.repair) if preferred.repair else theorem
        under: dict[str, Audit] = {}
        if not self.way:
            ways = dict.fromkeys(name for key in used for name in self._ways(key))
            under = {name: _Auditor(self.catalogue, self.policy, name).audit(theorem) for name in ways}
        self.done[theorem.key] = replace(audits[0], alternatives=tuple(audits[1:]), under=MappingProxyType(under))
        return self.done[theorem.key]

    def _ways(self, key: str) -> tuple[str, ...]:
        """The names of other derivations by which a statement, or one that it rests on, can be repaired."""
        if key not in self.done:
            return ()
        done = self.done[key]
        own = [other.derivation.name for other in done.alternatives if done.repair]
        return (*own, *done.under)

    def _used(self, theorem: Theorem, derivations: Iterable[Derivation]) -> dict[str, Theorem]:
        found: dict[str, Theorem] = {}
        for derivation in derivations:
            ids = {step.id for step in derivation.steps}
            for step in derivation.steps:
                for key in step.uses:
                    if key not in ids and key not in found:
                        found[key] = theorem if key == theorem.key else self.catalogue.find(key)
        return found

    def _repaired(self, key: str) -> Theorem:
        """A statement as its own audit leaves it."""
        if key in self.pending:
            return self.catalogue[key]
        if derivations_of(self.catalogue[key]):
            self.audit(self.catalogue[key])
        return self.repaired.get(key, self.catalogue[key])

    def _derivation(
        self, theorem: Theorem, derivation: Derivation, used: Mapping[str, Theorem], upstream: tuple[str, ...]
    ) -> Audit:
        verdicts, policy = self._verdicts(theorem, derivation, used)
        repaired = {key: self._repaired(key) if key in upstream else statement for key, statement in used.items()}
        sound = all(verdict.status in ("holds", "loose") for verdict in verdicts)
        if sound and not upstream:
            return Audit(theorem, derivation, verdicts)
        repair, choices, notes = _Proof(theorem, derivation, repaired, policy).repair()
        return Audit(theorem, derivation, verdicts, repair, choices, upstream, notes=notes)

    def _verdicts(
        self, theorem: Theorem, derivation: Derivation, used: Mapping[str, Theorem]
    ) -> tuple[tuple[Verdict, ...], ConstantPolicy]:
        """Every step judged, with exponents of poly(…) as large as the steps need where that mends them.

        A poly(…) says that there are exponents; those that the catalogue takes are no part of the statement.
        """
        verdicts = _Proof(theorem, derivation, used, self.policy).verdicts()
        open_ = {verdict.step.id for verdict in verdicts if LARGER_EXPONENTS in verdict.notes}
        if not open_:
            return verdicts, self.policy
        uses = {
            constant: self.policy.use(constant, theorem.key)
            for verdict in verdicts
            if verdict.step.id in open_
            for constant in _exponents_of(verdict)
        }
        for extra in range(1, MOST_EXTRA + 1):
            larger = {f"{theorem.key}:{constant.name}": use.value + extra for constant, use in uses.items()}
            policy = ConstantPolicy({**self.policy.values, **larger})
            proof = _Proof(theorem, derivation, used, policy)
            if all(verdict.there.holds for verdict in proof.verdicts(open_)):
                raised = tuple((constant.name, use.value + extra) for constant, use in uses.items())
                return tuple(
                    replace(verdict, status="holds", excess=None, point=None, notes=(), exponents=raised)
                    if verdict.step.id in open_
                    else verdict
                    for verdict in proof.verdicts()
                ), policy
        return verdicts, self.policy


def _exponents_of(verdict: Verdict) -> list[HiddenConstant]:
    """The exponents of poly(…) in what a step claims, or else in what is derived."""
    sides = ([c for c in hidden_constants(side) if c.role == "p"] for side in (verdict.claimed, verdict.derived))
    return next((exponents for exponents in sides if exponents), [])


class _Proof:
    """One derivation of a statement, from given forms of the statements that it uses."""

    def __init__(
        self, theorem: Theorem, derivation: Derivation, used: Mapping[str, Theorem], policy: ConstantPolicy
    ) -> None:
        self.theorem, self.derivation, self.used, self.policy = theorem, derivation, used, policy
        self.earlier = _by_id(theorem, derivation)
        self.choices = choices_of(theorem)

    def steps(self) -> Iterator[DerivationStep]:
        """The derivation's steps, and before the first use of a statement, its conditions as steps of their own."""
        met: set[object] = set()
        for step in self.derivation.steps:
            for key in step.uses:
                if key in self.earlier or key == self.theorem.key:
                    continue
                statement = self.used[key]
                for bound in statement.conditions:
                    if (bound.symbol, bound.expr) not in met:
                        met.add((bound.symbol, bound.expr))
                        yield self._condition(statement, bound, step.fixed)
            yield step

    def _condition(self, statement: Theorem, bound: Condition, fixed: tuple[sympy.Symbol, ...]) -> DerivationStep:
        name = f"{statement.source.locator}: {symbol_of(bound.symbol).text}"
        same = [other for other in statement.conditions if other.symbol == bound.symbol]
        number = f" {same.index(bound) + 1}" if len(same) > 1 else ""
        sense: Sense = "<=" if bound.relation == "<=" else ">="
        everything = tuple(
            dict.fromkeys(key for step in self.derivation.steps for key in step.uses if key in self.used)
        )
        return DerivationStep(
            name + number,
            Claim(bound.symbol, sense, bound.expr),
            f"a condition of {statement.key}",
            needed=True,
            uses=tuple(key for key in everything if key != statement.key),
            fixed=fixed,
            provenance="reconstructed",
        )

    def verdicts(self, only: Container[str] | None = None) -> tuple[Verdict, ...]:
        """Every step judged, or those with these ids."""
        return tuple(self._named_verdict(step) for step in self.steps() if only is None or step.id in only)

    def _named_verdict(self, step: DerivationStep) -> Verdict:
        """The verdict; what cannot be judged is said with the step's name."""
        try:
            return self._verdict(step)
        except InputError as error:
            raise InputError(f"{self.theorem.key}, step {step.id}: {error}") from None

    def _entries(self, step: DerivationStep, *, chosen: bool) -> list[Entry]:
        """What may be put in, what counts first first."""
        entries = values(step.put, "put in") + values(self.derivation.put, "put in")
        for name in reversed(step.uses):
            if name in self.earlier:
                entries += from_step(self.earlier[name])
        entries += self.choices if chosen else []
        for name in step.uses:
            if name not in self.earlier:
                statement = self.used[name]
                # A choice of this statement is its own; only where it is all there is, is the other's asked for.
                own = {entry.symbol for entry in self.choices} if chosen else set()
                entries += [entry for entry in from_statement(statement) if entry.symbol not in own]
        return entries

    def _sides(self, step: DerivationStep, *, chosen: bool) -> tuple[Claim, sympy.Expr, sympy.Expr, tuple[Entry, ...]]:
        """The inequality to be shown, small ≤ large; what is claimed and what is derived; what was put in."""
        entries = self._entries(step, chosen=chosen)
        if step.needed:
            entries = [entry for entry in entries if not entry.whole]
            small, large = assemble(step.claim.small, entries, "<="), assemble(step.claim.large, entries, ">=")
            claim = Claim(small.expr, "<=", large.expr)
            claimed, derived = (small, large) if step.claim.relation == ">=" else (large, small)
            # In m ≥ X the left side is the choice, and X what is asked of it.
            if step.claim.relation == ">=":
                claimed, derived = large, small
            return claim, claimed.expr, derived.expr, (*small.put, *large.put)
        source = step.because if step.because is not None else step.claim.left
        derived = assemble(source, entries, step.claim.relation)
        fixed = values(step.put, "put in") + values(self.derivation.put, "put in")
        claimed = assemble(step.claim.right, fixed, step.claim.relation)
        pair = (derived.expr, claimed.expr) if step.claim.relation == "<=" else (claimed.expr, derived.expr)
        return Claim(pair[0], "<=", pair[1]), claimed.expr, derived.expr, derived.put

    def _given(self, step: DerivationStep) -> list[Claim]:
        """The premises of a step: its own, steps that it uses, and the conditions of all statements involved.

        The conditions of the statements used are premises of what follows only; that they hold is a step of its own.
        """
        entries = values(step.put, "put in") + values(self.derivation.put, "put in")
        claims = [*step.where, *self.derivation.where]
        claims += [
            self.earlier[name].claim
            for name in step.uses
            if name in self.earlier and not self.earlier[name].claim.left.is_Symbol
        ]
        statements = [self.theorem]
        if step.needed:
            entries += self.choices
            claims += [Claim(e.expr, ">=", sympy.Integer(1)) for e in self.choices if _is_count(e.symbol)]
        else:
            statements += [self.used[name] for name in step.uses if name in self.used]
            entries += [entry for statement in statements[1:] for entry in choices_of(statement)]
        claims += [
            Claim(bound.symbol, ">=" if bound.relation == ">=" else "<=", bound.expr)
            for statement in statements
            for bound in statement.conditions
        ]
        put = [Claim(_put(claim.left, entries), claim.relation, _put(claim.right, entries)) for claim in claims]
        return list(dict.fromkeys(put))

    def _growth(self, expr: sympy.Expr, step: DerivationStep, *, soft: bool, from_above: bool = False) -> Growth:
        found = read_growth(expr, policy=self.policy, key=self.theorem.key, logarithms=not soft, from_above=from_above)
        growth = found.growth
        return _held(growth, {symbol.name for symbol in step.fixed})

    def _premises(self, step: DerivationStep, claims: Iterable[Claim], *growths: Growth, soft: bool) -> Premises:
        singles: list[Monomial] = []
        clauses: list[Clause] = []
        for claim in claims:
            try:
                below, above = (self._growth(side, step, soft=soft) for side in (claim.small, claim.large))
            except InputError:
                continue  # A premise without an order of growth proves nothing; in numbers it is still asked for.
            for clause in quotients(below, above):
                if len(clause) == 1:
                    singles += clause
                else:
                    clauses.append(clause)
        names = {name for growth in growths for name in growth.variables}
        names |= {name for clause in (*clauses, singles) for x in clause for name in x.powers}
        return Premises(
            (*regime(names), *slow_logarithms(names)), tuple(dict.fromkeys(singles)), tuple(dict.fromkeys(clauses))
        )

    def _verdict(self, step: DerivationStep) -> Verdict:
        claim, claimed, derived, put = self._sides(step, chosen=step.needed)
        given = self._given(step)
        small, large = without_exact_terms(claim.small, claim.large)
        # An Õ above a premise's smaller side makes that premise larger by the logarithms that it hides.
        hidden = hides_logarithms(claim.small, claim.large, *(premise.large for premise in given))
        there, back = self._judgements(step, small, large, given, soft=True)
        verdict = Verdict(step, "holds", claimed, derived, put, there, back, None, hidden)
        powers = self._judged(verdict, (small, large), given, ())
        if hidden or not there.holds:
            return powers
        # The powers allow it: now the logarithms.
        fine, fine_back = self._judgements(step, small, large, given, soft=False)
        if fine.holds and (step.because is None or not back.holds):
            return replace(powers, there=fine)
        exact = replace(verdict, there=fine, back=fine_back)
        return self._judged(exact, (small, large), given, ("by a logarithm only, which an Õ would absorb",))

    def _judged(
        self, verdict: Verdict, sides: tuple[sympy.Expr, sympy.Expr], given: Sequence[Claim], notes: tuple[str, ...]
    ) -> Verdict:
        """A verdict with its status, by its judgements and in numbers."""
        there, back, step = verdict.there, verdict.back, verdict.step
        if there.holds and (back.holds or step.because is None):
            return verdict
        status: Status = "loose" if there.holds else "violated"
        failing = back if there.holds else there
        assert failing.witness is not None
        factor = self._worst(excess(failing.small, failing.large, failing.premises), failing.premises)
        ordered = sides[::-1] if there.holds else sides
        found = self._point(ordered, given, failing)
        if found is None:
            unseen = "by its orders of growth it is, but no point was found at which that shows in numbers"
            return replace(verdict, status="undecided", excess=factor, notes=(f"{status}: {unseen}",))
        point, shown = found
        verdict = replace(verdict, back=shown) if there.holds else replace(verdict, there=shown)
        if status == "violated" and (exponents_hidden(sides[0]) or exponents_hidden(sides[1])):
            mendable = self._mendable(step, sides, there, soft=not notes)
            notes += (LARGER_EXPONENTS if mendable else "no exponents in poly(…) mend it",)
        return replace(verdict, status=status, excess=factor, point=point, notes=notes)

    def _point(
        self, sides: tuple[sympy.Expr, sympy.Expr], given: Sequence[Claim], failing: Judgement
    ) -> tuple[Counterexample, Judgement] | None:
        """Where a judgement that fails shows in numbers, along one curve or another, and it with that curve."""
        for curve in curves(failing):
            point = counterexample(*sides, given, curve, self.policy, self.theorem.key)
            if point is not None:
                return point, replace(failing, witness=curve)
        return None

    def _judgements(
        self, step: DerivationStep, small: sympy.Expr, large: sympy.Expr, given: Iterable[Claim], *, soft: bool
    ) -> tuple[Judgement, Judgement]:
        """Whether small ≤ large, and whether large ≤ small; up to logarithms as well if `soft`."""
        below = self._growth(small, step, soft=soft, from_above=step.needed)
        above = self._growth(large, step, soft=soft)
        premises = self._premises(step, given, below, above, soft=soft)
        return judge(below, above, premises), judge(above, below, premises)

    def _worst(self, factor: Growth, premises: Premises) -> Growth:
        """A factor at the worst that the premises admit of the choices that are not put in."""
        sizes = [bound.symbol for bound in self.theorem.conditions if bound.relation == ">="]
        for symbol in dict.fromkeys((*reversed(self.derivation.choices), *sizes)):
            factor = simplified(at_the_worst(factor, canonical(symbol.name), premises), premises)
        return factor

    def _mendable(
        self, step: DerivationStep, sides: tuple[sympy.Expr, sympy.Expr], there: Judgement, *, soft: bool
    ) -> bool:
        """Whether larger exponents of poly(…) could mend a claim: it holds where all that they raise is bounded."""
        bases = [base for side in sides for base in exponents_hidden(side)]
        bounded = [x for base in bases for term in self._growth(base, step, soft=soft).terms for x in term]
        free = replace(there.premises, given=(*there.premises.given, *bounded))
        return judge(there.small, there.large, free).holds

    def repair(self) -> tuple[dict[sympy.Symbol, sympy.Expr], Repair | None, tuple[str, ...]]:
        """What the statement has to say instead, its proof for the choices, and notes.

        As few choices as possible are changed, each as little as possible.
        """
        changed, solved, notes = self._repaired_choices()
        for step in self.derivation.steps:
            symbol = step.claim.left
            promised = [g for g in self.theorem.guarantees if g.symbol == symbol and g.expr == step.claim.right]
            if promised and not step.needed:
                verdict = self._verdict(step)
                if verdict.status in ("violated", "undecided"):
                    changed[symbol] = self._promise(step, verdict)
        return changed, solved, notes

    def _promise(self, step: DerivationStep, verdict: Verdict) -> sympy.Expr:
        """What follows instead of a guarantee: the terms that the claim has exactly, and the order of the others."""
        derived, _ = without_exact_terms(verdict.derived, verdict.claimed)
        exact = [
            term for term in exact_terms(verdict.claimed) if term in sympy.Add.make_args(expanded(verdict.derived))
        ]
        growth = self._growth(derived, step, soft=verdict.up_to_logarithms)
        premises = self._premises(step, self._given(step), growth, soft=verdict.up_to_logarithms)
        rest = growth_expr(simplified(growth, premises), join=sympy.Add)
        return sympy.Add(*exact, rest, evaluate=False) if exact else rest

    def _repaired_choices(self) -> tuple[dict[sympy.Symbol, sympy.Expr], Repair | None, tuple[str, ...]]:
        choices = self.derivation.choices
        if not choices:
            return {}, None, ()
        impossible = ""
        for count in range(len(choices) + 1):
            for free in combinations(choices, count):
                try:
                    solved = self._solved(free)
                except InputError as reason:
                    impossible = str(reason)
                    continue
                chosen: dict[sympy.Symbol, sympy.Expr] = {}
                for choice in solved.choices if solved else ():
                    symbol = next(s for s in free if canonical(s.name) == choice.name)
                    inner = {s: expr for s, expr in chosen.items() if s.name not in SIZES}
                    step = DerivationStep("", Claim(symbol, "<=", growth_expr(choice.value).xreplace(inner)))
                    chosen[symbol] = growth_expr(self._growth(step.claim.right, step, soft=True))
                return chosen, solved, tuple(self._admitted(chosen))
        return {}, None, (impossible,)

    def _admitted(self, chosen: Mapping[sympy.Symbol, sympy.Expr]) -> Iterator[str]:
        """Which of the repaired choices the statement admits as it is, with other exponents in its poly(…)."""
        for symbol, value in chosen.items():
            stated = combined(self.theorem.bounds_on(symbol)) if self.theorem.bounds_on(symbol) else symbol
            claim = Claim(value, "<=", stated)
            step = DerivationStep("", claim)
            if exponents_hidden(stated) and symbol.name not in LARGE_CHOICES:
                there, _ = self._judgements(step, value, stated, [*self.derivation.where], soft=True)
                if there.holds or self._mendable(step, (value, stated), there, soft=True):
                    yield f"{symbol_of(symbol).text} is as stated, with exponents in poly(…) that are large enough"

    def _solved(self, free: tuple[sympy.Symbol, ...]) -> Repair | None:
        """The smallest values of some choices, the others staying as stated.

        Raises:
            InputError: no values will do.
        """
        system, given = self._system(free), self._kept(free)
        names = {name for x in (*system, *given) for name in x.powers}
        wanted = [canonical(symbol.name) for symbol in free if canonical(symbol.name) in names]
        return smallest_choices(system, wanted, LARGE_CHOICES, (*regime(names), *given)) if system else None

    def _kept(self, free: tuple[sympy.Symbol, ...]) -> list[Monomial]:
        """The premises throughout, and the statement's own conditions on what is not chosen anew."""
        entries = [entry for entry in self.choices if entry.symbol not in free]
        claims = list(self.derivation.where)
        for bound in self.theorem.conditions:
            if bound.symbol not in free:
                sense: Sense = "<=" if bound.relation == "<=" else ">="
                claims.append(Claim(bound.symbol, sense, _put(bound.expr, entries)))
        return [x for claim in claims for x in self._monomials(claim, DerivationStep("", claim))]

    def _system(self, free: tuple[sympy.Symbol, ...]) -> list[Monomial]:
        """Everything needed of the choices, as monomials that must be ≤ 1, with those that are not free put in."""
        system: list[Monomial] = []
        kept = [entry for entry in self.choices if entry.symbol not in free]
        for step in self.steps():
            if not step.needed:
                continue
            entries = [*self._entries(step, chosen=False)]
            entries = [entry for entry in entries if entry.symbol not in self.derivation.choices and not entry.whole]
            entries += kept
            small = assemble(step.claim.small, entries, "<=").expr
            large = assemble(step.claim.large, entries, ">=").expr
            system += self._monomials(Claim(small, "<=", large), step)
        for statement in self.used.values():
            for bound in statement.prescriptions:
                if bound.symbol in self.derivation.choices and bound.relation == "=":
                    entries = [*values(self.derivation.put, ""), *kept]
                    # A smaller step size than prescribed is allowed, and more iterations are.
                    sense: Sense = "<=" if bound.symbol.name in LARGE_CHOICES else ">="
                    claim = Claim(_put(bound.symbol, entries), sense, _put(bound.expr, entries))
                    system += self._monomials(claim, DerivationStep(statement.key, claim))
        return list(dict.fromkeys(x for x in system if x.powers))

    def _monomials(self, claim: Claim, step: DerivationStep) -> Iterator[Monomial]:
        below = self._growth(claim.small, step, soft=True, from_above=True)
        for clause in quotients(below, self._growth(claim.large, step, soft=True)):
            if len(clause) > 1:
                raise InputError(f"step {step.id} holds in one of several cases; a repair needs each choice to be one")
            yield from clause


def _by_id(theorem: Theorem, derivation: Derivation) -> dict[str, DerivationStep]:
    """The steps of a derivation, none of which may use itself or a later one."""
    found: dict[str, DerivationStep] = {}
    ids = {step.id for step in derivation.steps}
    for step in derivation.steps:
        if step.id in found:
            raise InputError(f"{theorem.key}: two steps have the id {step.id!r}; change one of them")
        for name in step.uses:
            if name in ids and name not in found:
                raise InputError(f"{theorem.key}, step {step.id}: {name!r} comes no earlier; use what stands before it")
        if step.needed and step.because is not None:
            raise InputError(f"{theorem.key}, step {step.id}: a needed step has no because; drop one of the two")
        found[step.id] = step
    return found


def _is_count(symbol: sympy.Symbol) -> bool:
    """Whether a symbol is at least 1."""
    return symbol_of(symbol).domain.lower == 1


def _put(expr: sympy.Expr, entries: Sequence[Entry]) -> sympy.Expr:
    return assemble(expr, [replace(entry, sense=None) for entry in entries]).expr


def _held(growth: Growth, fixed: set[str]) -> Growth:
    """A growth with some symbols, and what is made of them alone, held constant."""
    if not fixed:
        return growth

    def free(name: str) -> bool:
        return root(name.removeprefix(LOGARITHM)) not in fixed

    return Growth(
        frozenset(
            frozenset(Monomial.of({k: v for k, v in x.exponents if free(k)}) for x in term) for term in growth.terms
        )
    )


def growth_expr(growth: Growth, join: type[sympy.Expr] = sympy.Max) -> sympy.Expr:
    """A growth as a formula: a maximum (or a sum) of minima of monomials."""
    terms = []
    for term in growth.terms:
        parts = [monomial_expr(x) for x in monomials_in_reading_order(term)]
        terms.append(parts[0] if len(parts) == 1 else sympy.Min(*parts, evaluate=False))
    ordered = sorted(_with_joint_logarithms(terms), key=str)
    return ordered[0] if len(ordered) == 1 else join(*ordered, evaluate=False)


def _with_joint_logarithms(terms: Iterable[sympy.Expr]) -> list[sympy.Expr]:
    """Terms that differ in one logarithm only as one: log(n)·x and log(1/δ)·x as log(n/δ)·x, up to a factor."""
    found: dict[tuple[sympy.Expr, sympy.Expr], list[sympy.Expr]] = {}
    for term in terms:
        logs = [factor for factor in sympy.Mul.make_args(term) if factor.as_base_exp()[0].func == sympy.log]
        base, power = logs[0].as_base_exp() if len(logs) == 1 else (sympy.S.One, sympy.S.One)
        rest = term / logs[0] if len(logs) == 1 else term
        found.setdefault((rest, power if len(logs) == 1 else sympy.S.Zero), []).append(base)
    joined = []
    for (rest, power), bases in found.items():
        if power == 0:
            joined.append(rest)
        else:
            joined.append(rest * sympy.log(sympy.Mul(*(base.args[0] for base in bases))) ** power)
    return joined


def _with(theorem: Theorem, repair: Mapping[sympy.Symbol, sympy.Expr]) -> Theorem:
    """A statement that says what its repair says."""

    def mended(bound: Bound) -> Bound:
        if bound.symbol not in repair:
            return bound
        return replace(bound, expr=Otilde(repair[bound.symbol], bound.symbol.name), rising=(), falling=())

    def all_mended(bounds: Iterable[Bound]) -> list[Bound]:
        """Several bounds on one symbol become the one that the repair gives."""
        found: dict[object, Bound] = {}
        for bound in map(mended, bounds):
            found.setdefault((bound.symbol, bound.expr), bound)
        return list(found.values())

    return replace(
        theorem,
        conditions=tuple(b for b in all_mended(theorem.conditions) if isinstance(b, Condition)),
        prescriptions=tuple(all_mended(theorem.prescriptions)),  # type: ignore[arg-type]
        guarantees=tuple(b for b in all_mended(theorem.guarantees) if isinstance(b, Guarantee)),
        provenance="reconstructed",
    )
