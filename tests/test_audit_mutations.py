"""Every way to spoil one exponent of a derivation: the audit notices, unless what is changed is still right.

What is right is decided by linear programmes over the facts and by numbers far out, not by the audit.
`python benchmarks/mutations.py` counts over all changes.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from mutants import Mutant, Outcome, all_mutants, changed, outcome
from sympy import Rational, log

from boundcalc.constants import O
from boundcalc.proofs import PROOFS
from boundcalc.symbols import L, gamma, m, tau

SAMPLE = 90


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    mutants = list(all_mutants())
    return [outcome(mutant) for mutant in random.Random(4).sample(mutants, SAMPLE)]


def test_no_wrong_step_goes_unnoticed(outcomes: list[Outcome]) -> None:
    missed = [(found.mutant.theorem.key, found.mutant.step, found.mutant.change) for found in outcomes if found.missed]
    assert missed == []


def test_every_status_is_the_one_found_by_other_means(outcomes: list[Outcome]) -> None:
    wrong = [(found.mutant.step, found.mutant.change, found.wrong) for found in outcomes if found.wrong]
    assert wrong == []


def test_most_changes_matter_and_nothing_right_is_accused(outcomes: list[Outcome]) -> None:
    """Of all changes nearly half leave what holds, or what did not; those are not held against a step."""
    kinds = Counter((found.noticed, found.sound) for found in outcomes)
    assert kinds[True, False] > SAMPLE / 3
    assert kinds[False, True] > SAMPLE / 4
    assert kinds[True, True] == 0


def test_no_change_is_refused(outcomes: list[Outcome]) -> None:
    assert [found.refused for found in outcomes if found.refused] == []


def test_each_step_is_changed() -> None:
    steps = {(mutant.theorem.key, mutant.original.name, mutant.step) for mutant in all_mutants()}
    assert steps == {
        (key, derivation.name, step.id)
        for key, derivations in PROOFS.items()
        for derivation in derivations
        for step in derivation.steps
    }


def test_changes_reach_every_exponent_once() -> None:
    third = Rational(1, 3)
    assert set(changed(L**2)) == {L ** (2 + by) for by in (third, -third, 1, -1, Rational(2, 7))}
    assert {L, tau**2} < set(changed(L * tau**2))
    assert O(gamma ** Rational(4, 3), "x") in set(changed(O(gamma, "x")))
    assert log(m) ** Rational(5, 6) in set(changed(log(m) ** Rational(1, 2)))
    assert 2 ** (-2 * L) in set(changed(2**-L))


def test_a_mutant_names_its_step() -> None:
    mutant = next(all_mutants())
    assert isinstance(mutant, Mutant)
    assert mutant.derivation.steps != mutant.original.steps
