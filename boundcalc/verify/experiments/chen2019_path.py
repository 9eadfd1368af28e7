"""chen2019's Theorem 2.2, put to the test: the population error all along the path of gradient descent.

Its bound is 2 L_S(W^(t)) plus what does not change along the path: the smaller of two branches, and a term in δ. So the
gap, error − 2 L_S, is what the branches have to cover; each is held against it by itself too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.data import Dataset
from boundcalc.notation import text
from boundcalc.train.descent import gradient_descent
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Line, Picture
from boundcalc.verify.engines import engine_facts
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.bound_parts import Affine, affine_in, branches, needed
from boundcalc.verify.experiments.chen2019 import NearGoodWeights, radius_notes
from boundcalc.verify.experiments.common import (
    finite_or_none,
    loss_picture,
    measured_steps,
    zero_one_errors,
)
from boundcalc.verify.experiments.population import PopulationError, population_error, unseen_examples
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement

C_GEN = "C_gen"

Array = NDArray[np.float64]


class GeneralizesAlongPath(NearGoodWeights):
    """Theorem 2.2: for all t ≤ T, error ≤ 2 L_S + Õ(min{…, …}) + O(√(log(1/δ)/n))."""

    answers = ("iterations", "error")
    engines = ("dense", "matrixfree", "infinite")

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The unseen examples, now and then."""
        return (unseen_examples(case).data,)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Full-batch GD; the loss at every step, errors on unseen examples at some."""
        unseen = unseen_examples(case)
        engine = self.engine(case, prescribed, trials)
        history = gradient_descent(
            engine,
            case.train.y,
            step_size=prescribed.step_size,
            iterations=prescribed.steps,
            distance_steps=(0, *measured_steps(prescribed.steps)) if prescribed.steps else (),
            measure=lambda: {"wrong": zero_one_errors(engine, unseen.data)},
            on_step=note,
        )
        at, wrong = history.distance_steps, history.measured["wrong"]
        errors = population_error(wrong, unseen.data.n, case.trials * len(at))
        bound, whole = _bound(_statement(case, prescribed)), _whole_path(prescribed)
        found = [_record(trial, history.loss[i], at, errors[i], bound, whole) for i, trial in enumerate(trials)]
        return [replace(record, facts={**record.facts, **engine_facts(engine)}) for record in found]

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is an error within the bound at every measured step of the whole path."""
        statement = _statement(case, prescribed)
        bound, records = _bound(statement), list(trained.values())
        at = records[0].series["measured_steps"]
        bounds = np.stack([bound.at(_losses(record)) for record in records])
        values = [(text(branch), statement.value(branch)) for branch, _ in branches(bound.rest_expr)]
        path = f"{at.size} steps, evenly spread over log t, up to t = {prescribed.steps}"
        if not _whole_path(prescribed):
            path += f" of T = {prescribed.solutions['iterations'].number}, so that no init can be counted as a success"
        return Conclusion(
            success=f"kept error ≤ 2 L_S + {bound.rest:.6g} at {at.size} steps up to t = {prescribed.steps}",
            premises=self.premises(case, prescribed.found["R"], certificates),
            checks=_checks(statement, bound, records),
            pictures=_pictures(trained, bounds),
            notes=(
                *radius_notes(case),
                unseen_examples(case).note,
                f"Errors were measured at {path}.",
                f"Without constants and logs, the smaller branch of the min is {' < '.join(_sorted(values))}.",
            ),
            vacuous=bool((bounds >= 1).all()),
        )


GENERALIZES_ALONG_PATH = GeneralizesAlongPath()


def _statement(case: Case, prescribed: Prescribed) -> Statement:
    return case.statement.with_inputs(**prescribed.found)


def _bound(statement: Statement) -> Affine:
    """The bound as a function of the training loss."""
    return affine_in(statement, "error", "L_S")


def _whole_path(prescribed: Prescribed) -> bool:
    """Whether training goes as far as the statement speaks."""
    asked = prescribed.solutions["iterations"].value
    return asked is not None and prescribed.steps >= int(asked)


def _losses(record: Record) -> Array:
    """The training loss at the measured steps."""
    return np.asarray(record.series["loss"][record.series["measured_steps"].astype(np.int64)])


def _gaps(record: Record, bound: Affine, series: str = "error") -> Array:
    """Error − 2 L_S at the measured steps; −∞ where the loss is infinite and bounds nothing."""
    return np.asarray(record.series[series] - bound.factor * _losses(record))


def _record(
    trial: int, loss: Array, at: NDArray[np.int64], error: PopulationError, bound: Affine, whole_path: bool
) -> Record:
    within = error.decide(bound.at(loss[at]))
    series = {
        "loss": loss,
        "measured_steps": at.astype(np.float64),
        "error": error.measured,
        "error_lower": error.lower,
        "error_upper": error.upper,
    }
    gaps = _gaps(Record(trial, series=series), bound)
    facts = {
        "initial_loss": finite_or_none(loss[0]),
        "final_loss": finite_or_none(loss[-1]),
        "error_at_start": float(error.measured[0]),
        "error_at_end": float(error.measured[-1]),
        "error_at_end_interval": [float(error.lower[-1]), float(error.upper[-1])],
        "largest_gap": finite_or_none(gaps.max()),
        "largest_gap_at_step": int(at[gaps.argmax()]),
    }
    return Record(trial, None if within and not whole_path else within, facts, series)


def _checks(statement: Statement, bound: Affine, records: Sequence[Record]) -> tuple[Check, ...]:
    """The error beside its bound, and the gap beside the whole of what has to cover it and beside each branch alone."""
    nearest = max(records, key=lambda record: float(_gaps(record, bound).max()))
    position = int(_gaps(nearest, bound).argmax())
    step = int(nearest.series["measured_steps"][position])
    gap = {
        name: max(float(_gaps(record, bound, name).max()) for record in records)
        for name in ("error", "error_lower", "error_upper")
    }
    rest, last = bound.rest_expr, int(nearest.series["measured_steps"][-1])
    ends = [float(record.series["error"][-1]) for record in records]

    def against(name: str, measured: float, expr: sympy.Expr) -> Check:
        constant = needed(statement, expr, C_GEN, measured)
        return Check(name, measured, statement.value(expr), bound_is=text(expr), constant=C_GEN, needed=constant)

    largest = "error − 2 L_S, largest over inits and measured t"
    return (
        Check(
            f"population error where it is nearest to its bound (init {nearest.trial}, t = {step})",
            float(nearest.series["error"][position]),
            bound.at(float(_losses(nearest)[position])),
            claimed=True,
            bound_is=text(statement.bound_on("error").expr),
            refuted_if="for significantly more than a share δ of the inits, an error interval is above the bound",
            constant=C_GEN,
            needed=needed(statement, rest, C_GEN, gap["error"]),
        ),
        against(largest, gap["error"], rest),
        against(f"{largest}, at the lower limits of the errors", gap["error_lower"], rest),
        against(f"{largest}, at the upper limits of the errors", gap["error_upper"], rest),
        *(
            against(f"{largest}, if the branch {text(branch)} stood alone", gap["error"], expr)
            for branch, expr in branches(rest)
        ),
        Check(f"training loss at t = {last}, worst init", max(float(record.series["loss"][-1]) for record in records)),
        Check(f"population error at t = {last}, mean", float(np.mean(ends))),
        Check(f"population error at t = {last}, worst init", max(ends)),
    )


def _pictures(trained: Records, bounds: Array) -> tuple[Picture, ...]:
    records = list(trained.values())
    t = records[0].series["measured_steps"] + 1
    return (
        Picture(
            "error",
            "step t + 1",
            "population 0-1 error",
            tuple(Line(f"init {record.trial}", t, record.series["error"]) for record in records),
            (Line("lowest bound of any init", t, bounds.min(axis=0)),),
            levels=(("no error exceeds 1", 1.0),),
            log_y=True,
        ),
        Picture(
            "interval",
            "step t + 1",
            "population 0-1 error, all inits",
            lines=(
                Line(
                    "mean, and the intervals of all inits",
                    t,
                    np.mean([record.series["error"] for record in records], axis=0),
                    np.min([record.series["error_lower"] for record in records], axis=0),
                    np.max([record.series["error_upper"] for record in records], axis=0),
                ),
            ),
        ),
        loss_picture(trained, "above 1/2 the bound says nothing", 0.5),
    )


def _sorted(values: Sequence[tuple[str, float]]) -> list[str]:
    return [f"{name} = {value:.6g}" for name, value in sorted(values, key=lambda pair: pair[1])]
