"""chen2019's Theorem 2.1, put to the test.

R of assumption (A) is certified on the very inits that are trained: weights are found within R·m^(−α) of each at which
every example's loss is below ε.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from boundcalc.data import Dataset
from boundcalc.errors import PremiseError
from boundcalc.estimate.least_radius import TOLERANCE
from boundcalc.estimate.radius import RadiusCertificate, certify_radius, search_bytes
from boundcalc.solving import Solution
from boundcalc.symbols import show_fraction
from boundcalc.train.descent import gradient_descent
from boundcalc.train.engine import Engine
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import Network, scaled_relu
from boundcalc.verify.case import DEFAULT_WIDTH, Case
from boundcalc.verify.checks import Check, Conclusion, Line, Picture, Premise
from boundcalc.verify.engines import deterministic, engine_facts, engine_of
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.chen2019_limit import certify_by_products, certify_limit
from boundcalc.verify.experiments.common import (
    Defaults,
    data_premises,
    finite_or_none,
    loss_picture,
    measured_steps,
    six_digits_up,
    step_size_of,
    steps_of,
    training_errors,
    zero_one_errors,
)
from boundcalc.verify.record import Record, Records

PILOT_TRIALS, PILOT_MARGIN = 2, Fraction(6, 5)
"""Inits from which R is first guessed, to learn whether the prescribed width is within reach, and the room left."""

DEFAULT_EPSILON = Fraction(1, 10)
"""Large enough to train to in minutes; 3ε must stay below log 2, the loss of the zero function."""


def radius_notes(case: Case) -> tuple[str, ...]:
    """What a reader must know of R."""
    over = (
        "R, and what it prescribes, is the largest that was found over these very inits; the interval takes both as "
        "given.",
    )
    return (
        *(() if deterministic(case) else over),
        "R is an upper estimate of the least R: a smaller one would prescribe fewer iterations and a smaller width.",
    )


class NearGoodWeights(Defaults):
    """What chen2019's three theorems share: the network, and R by certificate."""

    takes = ("epsilon", "L", "alpha", "R")
    defaults: Mapping[str, Fraction] = {"epsilon": DEFAULT_EPSILON}
    found = frozenset({"R"})
    answers: tuple[str, ...] = ()
    """What the statement answers besides width and step size."""

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The scaled deep ReLU network, all layers trained."""
        return scaled_relu(int(inputs["L"]), width, d, float(inputs["alpha"]))

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The search for good weights takes more than the training."""
        return trials * search_bytes(case.network, case.train.n, case.dtype)

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """R from a few inits at the default width."""
        if "R" in case.inputs:
            return {}
        found = _search(case.at_width(DEFAULT_WIDTH), range(PILOT_TRIALS))
        if not found.converged.all():
            return None
        return {"R": PILOT_MARGIN * Fraction(float(found.radius.max()))}

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        """Search good weights near these inits."""
        if case.engine == "infinite":
            return certify_limit(case, trials)
        engine = engine_of(case, trials, 0) if case.engine == "matrixfree" else None
        if isinstance(engine, MatrixFreeEngine):
            return certify_by_products(case, trials, engine)
        found = _search(case, trials, note)
        return [
            Record(
                trial,
                bool(found.converged[i]),
                {
                    "R": float(found.radius[i]) if found.converged[i] else None,
                    "worst_loss_at_R": float(found.worst_loss[i]) if found.converged[i] else None,
                    "search_steps": int(found.steps[i]),
                },
            )
            for i, trial in enumerate(trials)
        ]

    def engine(self, case: Case, prescribed: Prescribed, trials: Sequence[int]) -> Engine:
        """The inits that were certified: one without weights has to be shown the same vectors again."""
        engine = engine_of(case, trials, prescribed.steps, self.judged(case))
        if isinstance(engine, MatrixFreeEngine):
            certify_by_products(case, trials, engine)
        return engine

    def radius(self, case: Case, certificates: Records) -> Fraction:
        """R: the one given, or the largest that was needed.

        Raises:
            PremiseError: no init has one.
        """
        if "R" in case.inputs:
            return case.inputs["R"]
        found = [record.facts["R"] for record in certificates.values() if record.success]
        if not found:
            raise PremiseError(
                f"no weights with every loss below epsilon={show_fraction(case.inputs['epsilon'])} were found from any "
                f"init, so R is unknown; give a larger --width (now {case.width}), or R=…"
            )
        return six_digits_up(max(found))

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Width, η and what else the statement answers, at the certified R."""
        found = {"R": self.radius(case, certificates)}
        statement = case.statement.with_inputs(**found)
        solutions = {name: statement.solve(name) for name in ("width", "step-size", *self.answers)}
        step_size = step_size_of(case, solutions["step-size"])
        return Prescribed(found, solutions, self.step_count(case, solutions), step_size)

    def step_count(self, case: Case, solutions: Mapping[str, Solution]) -> int:
        """How many steps are taken: T."""
        return steps_of(case, solutions["iterations"], "C_T")

    def premises(self, case: Case, R: Fraction, certificates: Records) -> tuple[Premise, ...]:
        """The data, and assumption (A) for every init."""
        held = [c for c in certificates.values() if c.success and Fraction(c.facts["R"]) <= R]
        if case.engine == "infinite":
            evidence = (
                f"{len(held)} of {case.trials} draws of f_0: for m → ∞ the least R is a convex program, solved "
                f"to a gap of {TOLERANCE:g}; R = {show_fraction(R)} is no less than any of them"
            )
        else:
            worst = max((c.facts["worst_loss_at_R"] for c in held), default=math.nan)
            evidence = (
                f"{len(held)} of {case.trials} inits: weights found within R·m^(−α), R = {show_fraction(R)}, at which "
                f"every example's loss is at most {worst:.6g} < ε = {case.number('epsilon'):g} (computed in float64); "
                "R is an upper estimate"
            )
        return (*data_premises(case), Premise("(A) good weights near the start", len(held) == case.trials, evidence))


class ReachesTarget(NearGoodWeights):
    """Theorem 2.1: full-batch GD reaches training loss ≤ 3ε within T steps."""

    answers = ("iterations", "loss")
    first_step = "first_step_reached"
    engines = ("dense", "matrixfree", "infinite")

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The held-out examples, at the end."""
        return (case.test,)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Full-batch GD; losses at every step, distances at some.

        Undecided is an init that is on its way and did not reach 3ε in fewer steps than T.
        """
        target = float(prescribed.solutions["loss"].value or 0)
        whole = prescribed.steps >= _asked(case, prescribed)
        engine = self.engine(case, prescribed, trials)
        history = gradient_descent(
            engine,
            case.train.y,
            step_size=prescribed.step_size,
            iterations=prescribed.steps,
            target=target,
            distance_steps=measured_steps(prescribed.steps),
            on_step=note,
        )
        counted = {
            "train_error": training_errors(engine, case.train) / case.train.n,
            "held_out_error": zero_one_errors(engine, case.test) / case.test.n,
        }
        scale = float(case.width) ** case.number("alpha")
        records = []
        for i, trial in enumerate(trials):
            first = int(history.first_reached[i])
            furthest = scale * history.distances[i].max(axis=0)
            facts = {
                "first_step_reached": first if first >= 0 else None,
                "initial_loss": finite_or_none(history.loss[i][0]),
                "final_loss": finite_or_none(history.loss[i][-1]),
                "distance_times_m_alpha": [finite_or_none(d) for d in furthest],
                **{name: float(values[i]) for name, values in counted.items()},
                **engine_facts(engine),
            }
            series = {
                "loss": history.loss[i],
                "distance_steps": history.distance_steps.astype(np.float64),
                "distances": scale * history.distances[i].max(axis=1),
            }
            missed = False if whole or not math.isfinite(history.loss[i][-1]) else None
            records.append(Record(trial, True if first >= 0 else missed, facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a loss of 3ε within T."""
        R, target, T = prescribed.found["R"], float(prescribed.solutions["loss"].value or 0), prescribed.steps
        records = list(trained.values())
        reached = [r.facts["first_step_reached"] for r in records if r.success]
        least = [float(np.nanmin(np.where(np.isfinite(r.series["loss"]), r.series["loss"], np.inf))) for r in records]
        furthest = max(float(record.series["distances"].max()) for record in records)
        sampled = records[0].series["distance_steps"].size
        held_out = [record.facts["held_out_error"] for record in records]
        asked = _asked(case, prescribed)
        cut_short = (
            [f"Only {T} of the {asked:g} prescribed steps were run: an init that is not there yet is undecided."]
            if asked > T
            else []
        )
        checks = (
            Check(
                f"least training loss at t ≤ {T}, worst init",
                max(least),
                target,
                claimed=asked <= T or max(least) <= target,
                bound_is="3ε",
                refuted_if="significantly more than a share δ of the inits stay above 3ε for T steps",
            ),
            Check(
                "first step with training loss ≤ 3ε, worst init",
                float(max(reached)) if len(reached) == len(records) else math.inf,
                asked,
                claimed=asked <= T or len(reached) == len(records),
                bound_is="T = C_T L² R² / ε",
                refuted_if="as above",
                constant="C_T",
                needed=_needed_T(case, prescribed, reached) if len(reached) == len(records) else None,
            ),
            Check(
                f"distance of a layer from its start times m^α, worst init, at {sampled} sampled steps, not bounded in "
                "between",
                furthest,
                float(R),
                bound_is="R",
            ),
            Check("training loss at T, worst init", max(float(record.series["loss"][-1]) for record in records)),
            Check("0-1 error on held-out examples at T, mean", float(np.mean(held_out))),
            Check("0-1 error on held-out examples at T, worst init", max(held_out)),
        )
        return Conclusion(
            success=f"reached training loss ≤ {prescribed.solutions['loss'].number} within "
            + (f"T = {T}" if asked <= T else f"the {T} steps run (of T = {asked:g})"),
            premises=self.premises(case, R, certificates),
            checks=checks,
            pictures=(
                loss_picture(trained, f"guarantee: 3ε = {target:g}", target),
                Picture(
                    "distance",
                    "step t",
                    "max over layers of ‖W_l(t) − W_l(0)‖ · m^α",
                    tuple(Line(f"init {r.trial}", r.series["distance_steps"], r.series["distances"]) for r in records),
                    levels=((f"R = {float(R):.4g}", float(R)),),
                ),
                Picture(
                    "first step",
                    f"first step with training loss ≤ 3ε (T = {T})",
                    "inits",
                    histogram=np.asarray(reached, dtype=np.float64),
                    log_x=False,
                ),
            ),
            notes=(*radius_notes(case), "0-1 errors count an output of exactly 0 as an error.", *cut_short),
            vacuous=target >= math.log(2),
        )


REACHES_TARGET = ReachesTarget()


def _asked(case: Case, prescribed: Prescribed) -> float:
    """T, times the probe's factor; ∞ where it is too large to be written out."""
    T = prescribed.solutions["iterations"].value
    return math.inf if T is None else float(math.ceil(Fraction(T) * Fraction(case.factor("T"))))


def _needed_T(case: Case, prescribed: Prescribed, reached: Sequence[int]) -> float:
    """The C_T at which T would be the last first step: T is linear in it."""
    statement = case.statement.with_inputs(**prescribed.found)
    return statement.needed("T", "C_T", float(max(reached)))


def _search(case: Case, trials: Sequence[int], note: Note | None = None) -> RadiusCertificate:
    """Search good weights near these inits."""
    return certify_radius(
        case.network,
        case.train.X,
        case.train.y,
        epsilon=case.number("epsilon"),
        alpha=case.number("alpha"),
        trials=tuple(trials),
        seed=case.options.seed,
        dtype=case.dtype,
        device=str(case.device),
        max_steps=case.options.search_steps,
        on_step=note,
    )
