"""cao2020's Theorem 3.1, put to the test: the population 0-1 error against 2 E_S and the gap, all over W_τ.

The adversary makes the gap large on unseen examples, so the errors are measured on others, which neither it nor
gradient descent has seen: fresh ones where the data's law is known, else the other half of the held-out ones. Given the
weights that were found these are independent draws, and the exact intervals are valid whatever the adversary chose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from boundcalc.data import Dataset, split
from boundcalc.errors import InputError
from boundcalc.train.devices import full_precision
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Line, Picture
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.backward import Weights, forward
from boundcalc.verify.experiments.cao2020_near_init.base import (
    NOTES,
    NearInitialization,
    Sample,
    Sampled,
    bound_values,
    explore,
    inputs_of,
    most_points,
    needed_values,
    single_points,
    tensor,
)
from boundcalc.verify.experiments.neighbourhood import Objective, search_bytes
from boundcalc.verify.experiments.population import (
    FRESH_EXAMPLES,
    Unseen,
    population_error,
    unseen_examples,
)
from boundcalc.verify.record import Record, Records

_SHARP = 0.1
"""Outputs this far below 0, in units of their typical size at the start, count as errors to the sharp surrogate."""


class GapNearInitialization(NearInitialization):
    """Theorem 3.1: P[y f_W(x) < 0] ≤ 2 E_S(W) + C' [L τ √(m/n) + L⁴ √(m log m) τ^{4/3}] for all W ∈ W_τ."""

    searches = 2

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The adversary's memory, with the fresh examples where there are any."""
        # What errors are measured on passes forwards only, and not at the same time.
        examples = case.train.n + (FRESH_EXAMPLES if unseen_examples(case).fresh else case.test.n)
        return search_bytes(case.network, examples, trials, case.dtype.itemsize)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Explore W_τ; errors, surrogate errors and the bound at every point."""
        near = self.neighbourhood(case, prescribed, trials)
        seen, unseen = adversary_and_judge(case)
        X, y = inputs_of(case)
        judged, verdicts = tensor(case, unseen.data.X), tensor(case, unseen.data.y)

        def measure(point: Sample) -> Sampled:
            fresh = forward(point.weights, near.sign, judged)
            return {
                "E_S": forward(point.weights, near.sign, X).surrogate(y),
                "wrong": (~(verdicts * fresh.outputs > 0)).sum(dim=1),
                "E_D": fresh.surrogate(verdicts),
            }

        with torch.no_grad(), full_precision(case.device, case.dtype):
            typical = forward(near.start, near.sign, X).outputs.abs().median(dim=1).values
            searches = _objectives(near.sign, X, y, tensor(case, seen.X), tensor(case, seen.y), _SHARP * typical)
            found = explore(
                near,
                single_points(case, prescribed, near),
                measure,
                searches,
                case.options.ascent_steps,
                self.noted(case, prescribed, note),
            )
        intervals = most_points(case, prescribed, self.searches) * case.trials
        error = population_error(found.values["wrong"], unseen.data.n, intervals)
        statement, at = self.statement(case, prescribed), {"E_S": found.values["E_S"]}
        bound = bound_values(statement, "error", at)
        needed, needed_above, by_surrogate = (
            needed_values(statement, "error", "C_gen", value, at)
            for value in (error.measured, error.upper, 2 * found.values["E_D"])
        )
        worst, doubtful = found.worst(error.measured - bound), found.worst(2 * found.values["E_D"] - bound)
        records = []
        for i, trial in enumerate(trials):
            here, at_worst = found.here[i], (i, worst[i])
            facts = {
                "worst_point": str(found.kinds[worst[i]]),
                "error_there": float(error.measured[at_worst]),
                "error_at_least": float(error.lower[at_worst]),
                "error_at_most": float(error.upper[at_worst]),
                "E_S_there": float(found.values["E_S"][at_worst]),
                "bound_there": float(bound[at_worst]),
                "least_bound": float(bound[i][here].min()),
                "C_gen_needed": float(needed[i][here].max()),
                "C_gen_needed_at_upper_limit": float(needed_above[i][here].max()),
                "worst_surrogate_point": str(found.kinds[doubtful[i]]),
                "twice_E_D_there": 2 * float(found.values["E_D"][i, doubtful[i]]),
                "bound_on_twice_E_D_there": float(bound[i, doubtful[i]]),
                "C_gen_needed_by_E_D": float(by_surrogate[i][here].max()),
                **found.counts(i),
            }
            along = here & (found.steps >= 0)
            series = {
                "t": found.steps[along].astype(np.float64),
                "error": error.measured[i][along],
                "bound": bound[i][along],
            }
            records.append(Record(trial, error[i, here].decide(bound[i][here]), facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is an error within the bound at every point tried."""
        records = list(trained.values())
        worst = max(records, key=lambda r: r.facts["error_there"] - r.facts["bound_there"])
        doubtful = max(records, key=lambda r: r.facts["twice_E_D_there"] - r.facts["bound_on_twice_E_D_there"])
        bound_is = "2 E_S(W) + C_gen [L τ √(m/n) + L⁴ √(m log m) τ^{4/3}] at that W"
        refuted = (
            "significantly more than a share δ of the inits have a W in W_τ where the error's interval lies above it"
        )
        checks = (
            Check(
                f"population 0-1 error where it comes nearest to its bound ({worst.facts['worst_point']}), worst init",
                worst.facts["error_there"],
                worst.facts["bound_there"],
                claimed=True,
                bound_is=bound_is,
                refuted_if=refuted,
                constant="C_gen",
                needed=_largest(records, "C_gen_needed"),
            ),
            Check(
                "upper limit of the population 0-1 error there",
                worst.facts["error_at_most"],
                worst.facts["bound_there"],
                bound_is=bound_is,
            ),
            Check(
                "C_gen that would do for the upper limits of all errors",
                _largest(records, "C_gen_needed_at_upper_limit"),
            ),
            Check(
                "2 E_D(W), by which the proof bounds the error, where it comes nearest to the bound "
                f"({doubtful.facts['worst_surrogate_point']}), worst init; mean of unseen examples, no interval",
                doubtful.facts["twice_E_D_there"],
                doubtful.facts["bound_on_twice_E_D_there"],
                bound_is=bound_is,
            ),
            Check("C_gen that would do for 2 E_D(W), everywhere", _largest(records, "C_gen_needed_by_E_D")),
        )
        _, unseen = adversary_and_judge(case)
        return Conclusion(
            success="kept the population error within its bound at every point of W_τ tried",
            premises=self.premises(case),
            checks=checks,
            pictures=(
                Picture(
                    "room",
                    "step t + 1 of gradient descent inside W_τ",
                    "bound − measured error",
                    tuple(
                        Line(f"init {r.trial}", r.series["t"] + 1, r.series["bound"] - r.series["error"])
                        for r in records
                    ),
                    levels=(("refuted below", 0.0),),
                ),
                Picture(
                    "excess",
                    "largest of P[y f < 0] − 2 E_S over the points of W_τ",
                    "inits",
                    histogram=np.array([r.facts["error_there"] - 2 * r.facts["E_S_there"] for r in records]),
                    log_x=False,
                ),
            ),
            notes=(
                *NOTES,
                unseen.note,
                "The adversary ascends unseen minus training surrogate error, and a sharper surrogate of the error "
                "itself minus 2 E_S, on unseen examples other than those that errors are measured on.",
            ),
            vacuous=all(r.facts["least_bound"] >= 1 for r in records),
        )


GAP_NEAR_INITIALIZATION = GapNearInitialization()


def adversary_and_judge(case: Case) -> tuple[Dataset, Unseen]:
    """Unseen examples for the adversary to ascend on, and others to measure on: fresh, or halves of those held out.

    Raises:
        InputError: a class has fewer than two held-out examples.
    """
    judge = unseen_examples(case)
    if judge.fresh:
        return unseen_examples(case, draw=1).data, judge
    held_out = case.test
    if min((held_out.y > 0).sum(), (held_out.y < 0).sum()) < 2:
        raise InputError(
            f"{held_out.n} held-out examples are too few: the adversary searches on one half and errors are measured "
            "on the other, which takes two of each class; give a larger --test-fraction"
        )
    adversary, kept = split(held_out, 0.5, case.options.seed)
    return adversary, Unseen(kept, False)


def _objectives(
    sign: torch.Tensor,
    X: torch.Tensor,
    y: torch.Tensor,
    unseen: torch.Tensor,
    labels: torch.Tensor,
    width: torch.Tensor,
) -> Mapping[str, Objective]:
    """E(unseen) − E_S, and mean σ(−y f/width) over the unseen − 2 E_S."""

    def smooth(weights: Weights) -> torch.Tensor:
        return forward(weights, sign, unseen).surrogate(labels) - forward(weights, sign, X).surrogate(y)

    def sharp(weights: Weights) -> torch.Tensor:
        margins = labels * forward(weights, sign, unseen).outputs
        return torch.sigmoid(-margins / width[:, None]).mean(dim=1) - 2 * forward(weights, sign, X).surrogate(y)

    return {"E_D − E_S": smooth, "error − 2 E_S": sharp}


def _largest(records: Sequence[Record], fact: str) -> float:
    return max(float(record.facts[fact]) for record in records)
