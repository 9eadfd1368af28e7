"""Derivations with one exponent changed or one factor dropped, audited and judged again by other means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import sympy
from certificates import sides
from steps import POLYLOG, Place, fastest, growth, opinion, rises_to
from sympy import Rational

from boundcalc.auditing import Audit, Verdict, audit
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import HiddenConstant, Notation
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.errors import InputError
from boundcalc.proofs import PROOFS
from boundcalc.symbols import m
from boundcalc.theorem import Catalogue, Theorem

CHANGES = (Rational(1, 3), Rational(-1, 3), Rational(1), Rational(-1), Rational(2, 7))

TRIVIAL = (Derivation((DerivationStep("trivial", Claim(m, "<=", m)),)),)
QUIET = Catalogue([replace(theorem, derivations=TRIVIAL) for theorem in CATALOGUE.all()])
"""The catalogue with nothing upstream to repair: an audit of one derivation is then of that alone."""


@dataclass(frozen=True)
class Mutant:
    """A derivation of which one step is changed."""

    theorem: Theorem
    original: Derivation
    derivation: Derivation
    step: str
    change: str


def changed(expr: sympy.Expr) -> Iterator[sympy.Expr]:
    """A formula with one exponent changed, or one factor dropped, in every way."""
    if isinstance(expr, HiddenConstant) or expr.is_Number:
        return
    if expr.is_Symbol and expr.name != "alpha":
        yield from (expr ** (1 + by) for by in CHANGES)
        return
    if expr.is_Pow and expr.exp.is_Rational:
        yield from (expr.base ** (expr.exp + by) for by in CHANGES)
        if expr.base.is_Symbol:
            return
    if expr.is_Pow and expr.base.is_Number:  # 2^(−L)
        (symbol,) = (symbol for symbol in expr.exp.free_symbols if not isinstance(symbol, HiddenConstant))
        yield from (expr.base ** (expr.exp + by * symbol) for by in CHANGES)
        return
    if expr.is_Mul:
        for part in expr.args:
            if not part.is_Number and not isinstance(part, HiddenConstant):
                yield expr / part
    places = [0] if isinstance(expr, Notation) or expr.is_Pow else range(len(expr.args))
    for place in places:
        for other in changed(expr.args[place]):
            arguments = list(expr.args)
            arguments[place] = other
            whole = expr.func(*arguments)
            if whole.is_zero is not True:
                yield whole


def mutants(theorem: Theorem, derivation: Derivation) -> Iterator[Mutant]:
    """Every derivation that differs from this one in one place of a step's claim, its reason, or what it puts in."""
    for index, step in enumerate(derivation.steps):
        for change, other in _changed_steps(step):
            steps = (*derivation.steps[:index], other, *derivation.steps[index + 1 :])
            # No choices: the verdicts are asked for, not the repair.
            yield Mutant(theorem, derivation, replace(derivation, steps=steps, choices=()), step.id, change)


def _changed_steps(step: DerivationStep) -> Iterator[tuple[str, DerivationStep]]:
    for side in ("left", "right"):
        formula = getattr(step.claim, side)
        if side == "left" and formula.is_Symbol:
            continue  # What the step is about.
        for other in dict.fromkeys(changed(formula)):
            yield f"claims {formula} as {other}", replace(step, claim=replace(step.claim, **{side: other}))
    if step.because is not None and not step.because.is_Symbol:
        for other in dict.fromkeys(changed(step.because)):
            yield f"because {step.because} as {other}", replace(step, because=other)
    for symbol, formula in step.put.items():
        for other in dict.fromkeys(changed(formula)):
            yield f"puts {formula} for {symbol} as {other}", replace(step, put={**step.put, symbol: other})


def all_mutants() -> Iterator[Mutant]:
    """Of every step of the catalogue's derivations."""
    for key, derivations in PROOFS.items():
        for derivation in derivations:
            yield from mutants(CATALOGUE[key], derivation)


def verdicts_of(theorem: Theorem, derivation: Derivation) -> Audit:
    return audit(replace(theorem, derivations=(derivation,)), catalogue=QUIET)


@cache
def _before(key: str, name: str) -> dict[str, str]:
    (original,) = (derivation for derivation in PROOFS[key] if derivation.name == name)
    found = verdicts_of(CATALOGUE[key], replace(original, choices=()))
    return {verdict.step.id: judged(verdict) for verdict in found.verdicts}


@dataclass(frozen=True)
class Outcome:
    """What the audit makes of a mutant.

    Attributes:
        noticed: some step has another status than before, or the derivation is refused.
        refused: why it is refused.
        sound: the changed step is what it was before, by linear programmes over the facts and in numbers.
        wrong: steps that rest on the change and whose status is not the one found that way, with both.
        undecided: steps that are found to be wrong, but not shown in numbers.
    """

    mutant: Mutant
    noticed: bool
    refused: str = ""
    sound: bool = False
    wrong: tuple[tuple[str, str, str], ...] = ()
    undecided: int = 0

    @property
    def missed(self) -> bool:
        """Whether the change makes something wrong and nothing is noticed."""
        return not self.noticed and not self.sound


def outcome(mutant: Mutant) -> Outcome:
    """Audit a mutant, and judge each step that rests on the change a second time."""
    before = _before(mutant.theorem.key, mutant.original.name)
    try:
        found = verdicts_of(mutant.theorem, mutant.derivation)
    except InputError as error:
        return Outcome(mutant, True, str(error))
    assert found.verify()
    now = {verdict.step.id: judged(verdict) for verdict in found.verdicts}
    resting = _resting(mutant)
    wrong: list[tuple[str, str, str]] = []
    sound = True
    for verdict in (verdict for verdict in found.verdicts if verdict.step.id in resting):
        place = Place.of(found, verdict)
        status = second_opinion(place, verdict)
        sound = sound and status == before[verdict.step.id]
        if judged(verdict) != status:
            wrong.append((verdict.step.id, verdict.status, status))
        if not follows(place, verdict):
            wrong.append((verdict.step.id, "what is put in", "does not follow"))
    undecided = sum(verdict.status == "undecided" for verdict in found.verdicts)
    return Outcome(mutant, now != before, "", sound, tuple(wrong), undecided)


def judged(verdict: Verdict) -> str:
    """The status, also where it is not shown in numbers."""
    return verdict.notes[0].partition(":")[0] if verdict.status == "undecided" else verdict.status


def second_opinion(place: Place, verdict: Verdict) -> str:
    """The status by linear programmes, confirmed in numbers on the curve that they find, or on some where they do not.

    With larger exponents in poly(…), a claim says less than what follows.
    """
    mine = opinion(place, verdict.claimed, verdict.derived)
    small, large = map(place.with_exponents, sides(verdict))
    if mine.curve is None:
        assert fastest(place, small, large, 3)[0] <= POLYLOG
        return mine.status
    ends = (large, small) if mine.status == "loose" else (small, large)
    assert growth(*ends, mine.curve) > POLYLOG / 4
    return "holds" if verdict.exponents and mine.status == "loose" else mine.status


def follows(place: Place, verdict: Verdict) -> bool:
    """Whether what is derived follows from what the step uses, with nothing put in."""
    ends = (place.source(), verdict.derived)
    return verdict.step.needed or place.breach(*(ends if rises_to(verdict.step) else ends[::-1])) is None


def _resting(mutant: Mutant) -> set[str]:
    """The changed step, and those that use it."""
    found = {mutant.step}
    for step in mutant.derivation.steps:
        found |= {step.id} if found & set(step.uses) else set()
    return found
