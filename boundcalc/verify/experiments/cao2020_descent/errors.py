"""cao2020's Corollaries 3.1 to 3.3: gradient descent finds an iterate whose population error is within a bound.

Looked at is k*, the iterate with the least E_S of those measured: chosen by the training examples alone, so that the
unseen ones are still unseen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from boundcalc.data import Dataset
from boundcalc.estimate import Estimate
from boundcalc.notation import text
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Premise
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.cao2020_descent.base import (
    Descends,
    iterates_asked,
    iterates_taken,
    mean_fact,
    run_notes,
    series_picture,
    statement_of,
    surrogate_picture,
)
from boundcalc.verify.experiments.cao2020_descent.bound import BOUND_NOTE, UnderGradientBound, ratio_checks
from boundcalc.verify.experiments.common import (
    assumption_premise,
    finite_or_none,
    separating_margin,
    shown_positive,
)
from boundcalc.verify.experiments.population import population_error
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement


class ErrorAtBest(Descends):
    """What ends in a population error at k*."""

    answers: tuple[str, ...] = ("error",)
    first_step = "first_step_within_bound"

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Gradient descent; errors on unseen examples.

        A success is an error within the bound at k*. The statements promise some iterate, not k*, so that an init has
        failed only where every one of all K iterates was measured and is above the bound; else it is undecided.
        """
        course = self.descend(case, prescribed, trials, note)
        bound, best = statement_of(case, prescribed).bound("error"), course.best
        # The last iterate measured is W^(K), and the statements are about k < K.
        whole = course.at.size > iterates_asked(case, prescribed.solutions["iterations"])
        wrong = course.looks["wrong"]
        errors = population_error(wrong[np.arange(len(trials)), best], course.examples, case.trials)
        everywhere = population_error(wrong[:, :-1], course.examples, case.trials * (course.at.size - 1))
        records = []
        for i, trial in enumerate(trials):
            within, decided = wrong[i] / course.examples <= bound, errors[i].decide(bound)
            facts = {
                "best_step": int(course.at[best[i]]),
                "E_S_at_best": finite_or_none(course.surrogate[i, course.at[best[i]]]),
                "error_at_best": float(errors.measured[i]),
                "error_interval": [float(errors.lower[i]), float(errors.upper[i])],
                "first_step_within_bound": int(course.at[within.argmax()]) if within.any() else None,
                **course.facts(i, case),
            }
            failed = whole and bool((everywhere.lower[i] > bound).all())
            success = True if decided else False if failed else None
            records.append(Record(trial, success, facts, course.series(i)))
        return records

    def concluded(
        self, case: Case, prescribed: Prescribed, premises: tuple[Premise, ...], records: Sequence[Record]
    ) -> Conclusion:
        """Success is an error at k* within the bound."""
        statement = statement_of(case, prescribed)
        bound = statement.bound("error")
        return Conclusion(
            success=f"had a population error ≤ {bound:.6g} at k*, the best measured one of "
            f"{iterates_taken(case, prescribed)}",
            premises=premises,
            checks=_checks(statement, records),
            pictures=(
                series_picture(
                    "error", records, "error", "0-1 error on unseen examples",
                    {f"bound {bound:.4g}": bound} if bound < 1 else {"no error exceeds 1": 1.0},
                ),
                surrogate_picture(records, case.number("epsilon")),
            ),
            notes=(
                *run_notes(case, prescribed),
                "k* is the iterate with the least E_S among those measured: chosen without the unseen examples.",
            ),
            vacuous=bound >= 1,
        )  # fmt: skip


class GeneralizesUnderBound(ErrorAtBest, UnderGradientBound):
    """Corollary 3.1: with (3.1), some iterate has an error of at most ε plus what falls with n and m."""

    answers = ("error", "radius")

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is an error at k* within the bound."""
        records = list(trained.values())
        premises = self.bound_premises(case, prescribed, certificates, trained)
        found = self.concluded(case, prescribed, premises, records)
        checks = ratio_checks(case, prescribed, certificates, records)
        return replace(found, checks=(*found.checks, *checks), notes=(BOUND_NOTE, *found.notes))


class LearnsSeparable(ErrorAtBest):
    """Corollaries 3.2 and 3.3: data with a margin γ of random features, or of the conjugate kernel, are learnt.

    estimate: the name of what measures γ.
    """

    engines = ("dense", "matrixfree", "infinite")
    answers = ("error", "samples")
    takes = ("epsilon", "L", "gamma")
    found = frozenset({"gamma"})

    def __init__(self, estimate: str) -> None:
        self.estimate = estimate

    def measure(self, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> tuple[Estimate, ...]:
        """Bracket γ of the statement's assumption on the training examples.

        Raises:
            InputError: it is not shown to be positive, and nobody gave a value.
        """
        return (shown_positive(separating_margin(self.estimate, inputs, train, seed, device), inputs, train),)

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is an error at k* of at most ε."""
        premises = (*self.premises(case), assumption_premise(case))
        return self.concluded(case, prescribed, premises, list(trained.values()))


def _checks(statement: Statement, records: Sequence[Record]) -> tuple[Check, ...]:
    """The errors beside their bound, and when it was first met."""
    bound, expr, K = statement.bound("error"), statement.bound_on("error").expr, statement.bound_on("K").expr
    first = [record.facts["first_step_within_bound"] for record in records]
    last = math.inf if None in first else float(max(first))
    constant = "C_gen" if any(constant.name == "C_gen" for constant in statement.theorem.constants) else ""

    def error(name: str, measured: float, claimed: bool = False) -> Check:
        return Check(
            f"population 0-1 error {name}",
            measured,
            bound,
            claimed=claimed,
            bound_is=text(expr),
            refuted_if=(
                "for significantly more than a share δ of the inits, the error's interval is above the bound at every "
                "one of all K iterates"
                if claimed
                else ""
            ),
            constant=constant,
            needed=statement.needed("error", constant, measured) if constant else None,
        )

    return (
        error("at k*, worst init", max(record.facts["error_at_best"] for record in records), claimed=True),
        error("at k*, largest upper limit", max(record.facts["error_interval"][1] for record in records)),
        error("at k*, mean", mean_fact(records, "error_at_best")),
        error("at the last iterate, mean", mean_fact(records, "error_at_end")),
        Check(
            "first measured iterate with a measured error within the bound, worst init",
            last,
            statement.bound("K"),
            bound_is=f"K = {text(K)}",
            constant="C_K",
            needed=statement.needed("K", "C_K", last + 1) if math.isfinite(last) else None,
        ),
        Check(
            "surrogate error E_S at k*, worst init",
            max(_number(record.facts["E_S_at_best"]) for record in records),
        ),
    )


def _number(fact: float | None) -> float:
    """A fact that is None where it was not finite."""
    return math.inf if fact is None else fact
