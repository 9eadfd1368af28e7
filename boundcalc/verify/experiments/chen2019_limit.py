"""Good weights near the start where no weights are stored: in the limit of infinite width, and along its solution.

In the limit the network is linear in its weights and the least R is a cone program that `estimate.limit_radius`
solves. At a finite width, W* = W^(0) + m^{−α} r with the limit's r for this init's own f_0 is tried, and solved again
for what the margins fell short by: Newton's method with the limit's derivatives. W* at which every loss is below ε is
a certificate at that width as good as any.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from boundcalc.estimate.least_radius import least_radius
from boundcalc.estimate.limit_radius import LimitProblem, limit_problem, limit_radii
from boundcalc.estimate.radius import needed_margin
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.verify.case import Case
from boundcalc.verify.record import Record

TRIES = 10
"""How often weights are tried: always so many, so that no init depends on its companions."""

_BEYOND = 1e-3
"""By what share more than the needed margin is aimed at: what is needed is strictly more."""


def certify_limit(case: Case, trials: Sequence[int]) -> list[Record]:
    """R of the limit for these draws of f_0: its upper end, which is within the tolerance of the least."""
    problem = _problem(case)
    found = limit_radii(problem, case.number("epsilon"), tuple(trials))
    records = []
    for i, trial in enumerate(trials):
        one = found.solutions[i]
        solved = one.status in ("solved", "start")
        facts = {
            "R": float(found.upper[i]) if solved else None,
            "worst_loss_at_R": None,  # ε, as that is what R is the least radius for
            "search_steps": one.steps,
        }
        records.append(Record(trial, solved, facts))
    return records


def certify_by_products(case: Case, trials: Sequence[int], engine: MatrixFreeEngine) -> list[Record]:
    """R of networks without weights: those of the limit, tried at this width; the engine returns to its start.

    What an engine has multiplied fixes W^(0) further, so that one that is to have the same W^(0) has to do this too.
    """
    y, needed = case.train.y, needed_margin(case.number("epsilon"))
    aim = needed + _BEYOND * (1 + abs(needed))
    problem, scale = _problem(case), float(case.width) ** case.number("alpha")
    rises = aim - engine.outputs().cpu().numpy() * y
    radius, worst, tries = np.full(len(trials), np.inf), np.full(len(trials), np.nan), np.zeros(len(trials), np.int64)
    for count in range(1, TRIES + 1):
        solved = [least_radius(problem.layers, problem.y, each) for each in rises]
        # r_l is in units of m^α and φ_l = m^{−α}∇_{W_l}f, so the weights move by m^{−2α} times the coefficients.
        along = np.stack([np.nan_to_num(one.coefficients) for one in solved], axis=1) / scale**2
        engine.move_along_start(torch.from_numpy(along))
        margins = engine.outputs().cpu().numpy() * y
        least, distances = margins.min(axis=1), scale * engine.distances().max(dim=1).values.numpy()
        better = (least > needed) & (distances < radius)
        radius[better], worst[better], tries[better] = distances[better], np.logaddexp(0, -least[better]), count
        rises += aim - margins
    engine.return_to_start()
    return [
        Record(
            trial,
            bool(np.isfinite(radius[i])),
            {
                "R": float(radius[i]) if np.isfinite(radius[i]) else None,
                "worst_loss_at_R": float(worst[i]) if np.isfinite(radius[i]) else None,
                "search_steps": int(tries[i]),
            },
        )
        for i, trial in enumerate(trials)
    ]


def _problem(case: Case) -> LimitProblem:
    return limit_problem(
        case.train.X,
        case.train.y,
        L=len(case.network.layers),
        alpha=case.number("alpha"),
        seed=case.options.seed,
        device=str(case.device),
    )
