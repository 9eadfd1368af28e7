"""cao2020's Theorem 3.2: gradient descent stays in W_τ, and some iterate has a surrogate error of at most ε."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from boundcalc.notation import text
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.cao2020_descent.base import (
    iterates_asked,
    iterates_taken,
    mean_fact,
    run_notes,
    series_picture,
    statement_of,
    surrogate_picture,
)
from boundcalc.verify.experiments.cao2020_descent.bound import BOUND_NOTE, UnderGradientBound, ratio_checks
from boundcalc.verify.experiments.common import finite_or_none
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement

ZERO_FUNCTION = Fraction(1, 2)
"""The surrogate error of the zero function; a target that is not below it says nothing."""


class ReachesSurrogate(UnderGradientBound):
    """Theorem 3.2: (i) every iterate stays in W_τ, (ii) some iterate before the K-th has E_S ≤ ε."""

    answers = ("radius", "loss")
    first_step = "first_step_reached"

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Gradient descent; whether W_τ was kept and ε reached.

        Undecided is an init that stayed, and did not reach ε in fewer iterates than K.
        """
        course = self.descend(case, prescribed, trials, note)
        tau, K = statement_of(case, prescribed).bound("tau"), iterates_asked(case, prescribed.solutions["iterations"])
        first = course.first_within(case.number("epsilon"))
        records = []
        for i, trial in enumerate(trials):
            stayed, reached = bool((course.furthest[i] <= tau).all()), bool(0 <= first[i] < K)
            after = course.furthest[i][course.at >= first[i]]
            facts = {
                "stayed_in_W_tau": stayed,
                "first_step_reached": int(first[i]) if reached else None,
                "least_E_S": finite_or_none(course.surrogate[i].min()),
                "distance_when_reached": finite_or_none(after[0]) if reached else None,
                **course.facts(i, case),
            }
            missed = False if prescribed.steps >= K else None
            records.append(Record(trial, (reached or missed) if stayed else False, facts, course.series(i)))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is both of (i) and (ii)."""
        statement, records = statement_of(case, prescribed), list(trained.values())
        epsilon, tau, B = case.number("epsilon"), statement.bound("tau"), float(statement.inputs["B"])
        reached = sum(record.facts["first_step_reached"] is not None for record in records)
        stayed = sum(record.facts["stayed_in_W_tau"] for record in records)
        return Conclusion(
            success=f"were within τ = {tau:.6g} at the measured ones of {iterates_taken(case, prescribed)} and reached "
            f"E_S ≤ {epsilon:g}",
            premises=self.bound_premises(case, prescribed, certificates, trained),
            checks=(
                *_checks(
                    statement,
                    epsilon,
                    records,
                    prescribed.steps >= iterates_asked(case, prescribed.solutions["iterations"]),
                ),
                *ratio_checks(case, prescribed, certificates, records),
                Check("0-1 error on unseen examples at the last iterate, mean", mean_fact(records, "error_at_end")),
            ),
            pictures=(
                surrogate_picture(records, epsilon),
                series_picture(
                    "distance", records, "furthest", "max over layers of ‖W_l(k) − W_l(0)‖_F", {f"τ = {tau:.4g}": tau}
                ),
                series_picture("ratio", records, "ratio", "‖∇_{W_L} L_S‖_F / (√m E_S)", {f"B = {B:.4g}": B}),
            ),
            notes=(
                f"{stayed} of {len(records)} inits stayed in W_τ at the measured iterates, {reached} reached "
                f"E_S ≤ {epsilon:g}.",
                BOUND_NOTE,
                *run_notes(case, prescribed),
            ),
            vacuous=case.inputs["epsilon"] >= ZERO_FUNCTION,
        )


def _checks(statement: Statement, epsilon: float, records: Sequence[Record], whole: bool) -> list[Check]:
    """What (i) and (ii) claim, and how far a layer had moved when ε was reached.

    whole: whether all K iterates were taken; with fewer, nothing is claimed of those that did not reach ε.
    """
    first = [record.facts["first_step_reached"] for record in records]
    last = math.inf if None in first else float(max(first))
    furthest = max(float(np.nan_to_num(record.series["furthest"], nan=math.inf).max()) for record in records)
    K, sampled = statement.bound_on("K").expr, records[0].series["at"].size
    where = f"at {sampled} iterates, not bounded in between"
    checks = [
        _moved(statement, f"(i) distance of a layer from its start, worst init, {where}", furthest, True),
        Check(
            "(ii) least surrogate error E_S, worst init",
            max(float(record.series["surrogate"].min()) for record in records),
            epsilon,
            claimed=whole or math.isfinite(last),
            bound_is="ε",
            refuted_if="significantly more than a share δ of the inits stay above ε for K iterates",
        ),
        Check(
            "(ii) first iterate with E_S ≤ ε, worst init",
            last,
            statement.bound("K"),
            claimed=whole or math.isfinite(last),
            bound_is=f"K = {text(K)}",
            refuted_if="as above",
            constant="C_K",
            needed=statement.needed("K", "C_K", last + 1) if math.isfinite(last) else None,
        ),
    ]
    if math.isfinite(last):
        moved = max(record.facts["distance_when_reached"] for record in records)
        checks.append(_moved(statement, "distance of a layer when E_S ≤ ε was reached, worst init", moved, False))
    return checks


def _moved(statement: Statement, name: str, measured: float, claimed: bool) -> Check:
    """A distance beside τ."""
    return Check(
        name,
        measured,
        statement.bound("tau"),
        claimed=claimed,
        bound_is=f"τ = {text(statement.bound_on('tau').expr)}",
        refuted_if="significantly more than a share δ of the inits leave W_τ" if claimed else "",
        constant="C_tau",
        needed=statement.needed("tau", "C_tau", measured) if math.isfinite(measured) else None,
    )
