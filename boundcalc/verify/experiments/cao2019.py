"""cao2019's theorem, put to the test: online SGD against the best tangent features of the start.

The infimum over the tangent features is bracketed for every init (`tangent_infimum`): its lower end is used where the
bound must be shown to hold, its upper one where it must be shown to fail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from boundcalc.estimate.tangent_class import tangent_bytes, tangent_infimum
from boundcalc.notation import text
from boundcalc.symbols import show_fraction
from boundcalc.train.networks import Network, scaled_relu
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Premise
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.bound_parts import Affine, affine_in, needed
from boundcalc.verify.experiments.common import Defaults, data_premises, step_size_of
from boundcalc.verify.experiments.online import (
    distance_picture,
    error_checks,
    error_picture,
    online_bytes,
    online_notes,
    online_steps,
    population_of,
    train_online,
)
from boundcalc.verify.record import Record, Records

DEFAULT_RADIUS = Fraction(10)
"""Large enough for tangent features of digits to fit (a loss of about 0.1), at a price of L·10/√n in the bound."""

C_GEN = "C_gen"


class RivalsTangentFeatures(Defaults):
    """cao2019: E[L_D^{0-1}(Ŵ)] ≤ 4 inf_{f ∈ F(W^(0),R)} L_S(f) + O(L R/√n + √(log(1/δ)/n)), Ŵ an iterate at random."""

    takes = ("L", "R")
    defaults: Mapping[str, Fraction] = {"R": DEFAULT_RADIUS}

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The deep ReLU network of chen2019 at α = 1/2."""
        return scaled_relu(int(inputs["L"]), width, d, 0.5)

    def bytes_needed(self, case: Case, trials: int) -> int:
        """Kernels are made for as many inits together as fit, one at least; training holds the weights of all."""
        return tangent_bytes(case.network, case.train.n) + online_bytes(case, trials)

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Width and η; a step for each example."""
        solutions = {name: case.statement.solve(name) for name in ("width", "step-size")}
        return Prescribed({}, solutions, online_steps(case), step_size_of(case, solutions["step-size"]))

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Bracket the infimum over the tangent features at each start, then online SGD; every iterate is judged."""
        unit = math.sqrt(case.width)
        found = tangent_infimum(
            case.network,
            case.train.X,
            case.train.y,
            radius=case.number("R") / unit,
            trials=tuple(trials),
            seed=case.options.seed,
            device=str(case.device),
        )
        bound = _bound(case)
        records = []
        for i, record in enumerate(train_online(case, prescribed.step_size, trials, note)):
            lower, upper = float(found.lower[i]), float(found.upper[i])
            error = population_of(record)
            holds = error.decide(bound.at(lower)) is True
            fails = error.decide(bound.at(upper)) is False
            facts = {
                "initial_loss": float(found.start[i]),
                "tangent_loss_lower": lower,
                "tangent_loss_upper": upper,
                "tangent_norms_times_sqrt_m": [unit * float(norm) for norm in found.norms[i]],
                **record.facts,
            }
            records.append(Record(record.trial, True if holds else False if fails else None, facts, record.series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a mean error of the iterates within the init's own bound."""
        bound, records = _bound(case), list(trained.values())
        bounds = [bound.at(record.facts["tangent_loss_lower"]) for record in records]
        scale = math.sqrt(case.width)
        return Conclusion(
            success="had a mean error of the iterates within 4 times the least tangent loss of their start "
            f"+ {bound.rest:.6g}",
            premises=(
                *data_premises(case),
                Premise(
                    "parameterization",
                    True,
                    "as in chen2019 at α = 1/2, output layer trained: the original was not consulted",
                    certified=False,
                ),
            ),
            checks=_checks(case, bound, records),
            pictures=(
                error_picture(trained, (("lowest bound of any init", min(bounds)),)),
                distance_picture(trained, scale, "√m", case.number("R")),
            ),
            notes=(
                *online_notes(case),
                "The network is that of chen2019 at α = 1/2, f = √m · W_L σ(W_{L−1} ⋯ σ(W_1 x)): the original was not "
                "consulted, and nothing measured here can refute what it says of another network.",
                f"R = {show_fraction(case.inputs['R'])} is an input of the statement: a larger one makes the tangent "
                "loss smaller and the other term larger.",
                "The least tangent loss is bracketed for every init: a bound holds where it does at the lower end, and "
                "fails where it does at the upper one.",
            ),
            vacuous=min(bounds) >= 1,
        )


RIVALS_TANGENT_FEATURES = RivalsTangentFeatures()


def _bound(case: Case) -> Affine:
    """The bound as a function of the least tangent loss."""
    return affine_in(case.statement, "error", "L_F")


def _checks(case: Case, bound: Affine, records: Sequence[Record]) -> tuple[Check, ...]:
    """The error beside its bound, what of it the tangent features leave to the hidden constant, and each by itself."""
    statement = case.statement
    written = text(statement.bound_on("error").expr)

    def error(record: Record) -> float:
        return float(record.facts["mean_error"])

    def gap(record: Record, limit: int | None = None, end: str = "lower") -> float:
        measured = error(record) if limit is None else record.facts["mean_error_interval"][limit]
        return float(measured - bound.factor * record.facts[f"tangent_loss_{end}"])

    def against(name: str, measured: float) -> Check:
        return Check(
            name,
            measured,
            bound.rest,
            bound_is=text(bound.rest_expr),
            constant=C_GEN,
            needed=needed(statement, bound.rest_expr, C_GEN, measured),
        )

    worst = max(records, key=gap)
    tangent = [record.facts["tangent_loss_upper"] for record in records]
    largest = "population error of a random iterate − 4 L_F, largest over inits"
    return (
        Check(
            f"population error of a random iterate where it is nearest to its bound (init {worst.trial})",
            error(worst),
            bound.at(worst.facts["tangent_loss_lower"]),
            claimed=True,
            bound_is=written,
            refuted_if="for significantly more than a share δ of the inits, the interval of this error is above it",
            constant=C_GEN,
            needed=needed(statement, bound.rest_expr, C_GEN, gap(worst)),
        ),
        against(largest, gap(worst)),
        against(f"{largest}, at lower limits", max(gap(record, 0, "upper") for record in records)),
        against(f"{largest}, at upper limits", max(gap(record, 1) for record in records)),
        Check("population error of a random iterate, mean over inits", float(np.mean([error(r) for r in records]))),
        *error_checks({record.trial: record for record in records}),
        Check("least training loss of the tangent features, mean over inits (upper ends)", float(np.mean(tangent))),
        Check(
            "width of its bracket, largest over inits",
            max(r.facts["tangent_loss_upper"] - r.facts["tangent_loss_lower"] for r in records),
        ),
        Check(
            "distance of a layer from its start times √m, worst init, at every step",
            max(math.sqrt(case.width) * float(record.series["distances"].max()) for record in records),
            case.number("R"),
            bound_is="R",
        ),
    )
