"""cao2020's gradient lower bound (3.1): its B and W_τ, searched around the very inits that are trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch

from boundcalc.data import Dataset
from boundcalc.errors import InputError, PremiseError
from boundcalc.estimate.gradient_bound import GradientBound, Search, gradient_bound, gradient_ratio, search_bytes
from boundcalc.symbols import show_fraction
from boundcalc.train.engine import Engine, RestorableEngine
from boundcalc.train.networks import initial_weights
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Premise
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.cao2020_descent.ball import Ball, largest_admissible, widest_ball
from boundcalc.verify.experiments.cao2020_descent.base import (
    Array,
    Descends,
    constant_use,
    statement_of,
)
from boundcalc.verify.experiments.common import six_digits_down
from boundcalc.verify.record import Record, Records

PILOT_TRIALS = 2
"""Inits on which the neighbourhood of (3.1) is chosen, before every init is searched in it."""

BOUND_NOTE = (
    "B is known from above only: (3.1) was searched for contradictions, not proved, so that nothing can be refuted."
)


class UnderGradientBound(Descends):
    """What rests on (3.1)."""

    takes = ("epsilon", "L", "B")
    found = frozenset({"B"})

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The search for contradictions takes more than the training."""
        return trials * search_bytes(case.network, case.train.n, case.dtype)

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """B is not known before networks of the width in question were searched."""
        return {} if "B" in case.inputs else None

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        """Search W_τ for the least ratio of (3.1), after choosing τ on the first few inits."""
        ball = _ball(case)
        found = _searched(case, trials, ball.tau, case.options.points, case.options.ascent_steps)
        least = _least(case, found)
        return [
            Record(
                trial,
                bool(least[i] >= ball.B),
                {
                    "searched_radius": ball.tau,
                    "B_tried": ball.B if ball.as_set else None,
                    "ratio_at_start": float(found.at_start[i]),
                    "least_ratio": float(least[i]),
                },
            )
            for i, trial in enumerate(trials)
        ]

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """B in use, and what follows from it; C_τ chosen where nobody set it and the search needs another.

        Raises:
            PremiseError: some init has no gradient somewhere in the neighbourhood that others have one in.
        """
        facts = [record.facts for record in certificates.values()]
        tau, tried = facts[0]["searched_radius"], facts[0]["B_tried"]
        least, given = min(fact["least_ratio"] for fact in facts), case.inputs.get("B")
        open_ = constant_use(case.statement, "C_tau").assumed and given is None and least > 0
        if tried is not None and not (open_ and least < tried):
            B = given or Fraction(str(tried))
            return self.prescribed(case, case.statement.with_inputs(B=B), {} if given else {"B": B}, ())
        if given is None and least <= 0:
            raise PremiseError(
                f"no B satisfies (3.1): weights without a gradient were found within tau={tau:.3g} of an init; give "
                "B=…, a smaller --set C_tau=…, or a larger --width"
            )
        B = given or six_digits_down(least)
        statement = case.statement.with_inputs(B=B)
        use = constant_use(statement, "C_tau")
        chosen = use.chosen(
            six_digits_down(statement.needed("tau", "C_tau", tau)),
            f"chosen so that (3.1), contradicted in the W_τ of C_tau = {show_fraction(use.value)}, is not in that of "
            f"τ = {tau:.6g}",
        )
        return self.prescribed(case, statement.with_constant(chosen), {} if given else {"B": B}, (chosen,))

    def looks(self, case: Case, engine: Engine, unseen: Dataset) -> Mapping[str, Array]:
        """The ratio of (3.1) too; in float64, as the search has it, one init at a time."""
        assert isinstance(engine, RestorableEngine)
        x, y = (torch.tensor(part, dtype=torch.float64, device=case.device) for part in (case.train.X, case.train.y))
        ratios = [
            float(gradient_ratio([layer[i : i + 1].double() for layer in engine.weights], x, y))
            for i in range(len(engine.trials))
        ]
        return {**super().looks(case, engine, unseen), "ratio": np.array(ratios)}

    def bound_premises(
        self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records
    ) -> tuple[Premise, ...]:
        """The data, and (3.1) as far as it was searched."""
        statement = statement_of(case, prescribed)
        B, tau = float(statement.inputs["B"]), statement.bound("tau")
        least = {
            trial: min(certificates[trial].facts["least_ratio"], _inside_ratio(record, tau))
            for trial, record in trained.items()
        }
        kept = sum(ratio >= B for ratio in least.values())
        evidence = (
            f"for {kept} of {case.trials} inits, no weights within τ = {tau:.6g} were found at which "
            f"‖∇_{{W_L}} L_S‖_F/(√m E_S) is below B = {B:.6g}, by projected descents on it from W(0), from gradient "
            f"descent's iterates and from {case.options.points} random points; the least found is "
            f"{min(least.values()):.6g}"
        )
        return (
            *self.premises(case),
            Premise("(3.1) gradient lower bound", kept == case.trials, evidence, certified=False),
        )


def ratio_checks(
    case: Case, prescribed: Prescribed, certificates: Records, records: Sequence[Record]
) -> tuple[Check, ...]:
    """The measured ratios of (3.1) beside the B in use: a premise, and so nothing that the statement claims."""
    statement = statement_of(case, prescribed)
    B, tau = float(statement.inputs["B"]), statement.bound("tau")
    facts = [record.facts for record in certificates.values()]
    least = {
        "at W(0)": min(fact["ratio_at_start"] for fact in facts),
        "found in W_τ": min(fact["least_ratio"] for fact in facts),
        "of the iterates in W_τ": min(_inside_ratio(record, tau) for record in records),
        "of all iterates": min(float(record.series["ratio"].min()) for record in records),
    }
    return tuple(
        Check(f"(3.1) least ratio {where}, worst init", ratio, B, bound_is="B", at_least=True)
        for where, ratio in least.items()
        if math.isfinite(ratio)
    )


def _inside_ratio(record: Record, tau: float) -> float:
    """The least ratio of (3.1) at gradient descent's measured iterates in W_τ; ∞ if there are none."""
    inside = record.series["furthest"] <= tau
    return float(record.series["ratio"][inside].min()) if inside.any() else math.inf


def _ball(case: Case) -> Ball:
    """B and W_τ to search, found on a few inits: the same for every batch.

    Raises:
        InputError: one of them has no gradient to begin with.
    """
    pilot, open_ = range(min(PILOT_TRIALS, case.trials)), constant_use(case.statement, "C_tau").assumed

    def radius(B: float | Fraction) -> float:
        return case.statement.with_inputs(B=B).bound("tau")

    def least(tau: float) -> float:
        return float(_least(case, _searched(case, pilot, tau, 0, case.options.ascent_steps)).min())

    given = case.inputs.get("B")
    start = float(_searched(case, pilot, radius(given or 1), 0, 0).at_start.min())
    if given is not None:
        return widest_ball(least, start, float(given), radius(given), open_=open_)
    if start <= 0:
        raise InputError("no B satisfies (3.1): an init has no gradient at all; give a larger --width")
    found = largest_admissible(least, start, radius, open_=open_)
    if not found.as_set:
        return found
    B = six_digits_down(found.B)
    return Ball(radius(B), float(B), as_set=True)


def _least(case: Case, found: GradientBound) -> Array:
    """(S,) the least ratio found; 0 where W_τ holds weights with a layer of zeros, which leave no gradient of W_L.

    For then h_(L−1) is 0, or, if it is W_L itself, no unit is on: σ'(0) = 0, as in the paper's 1[z > 0].
    """
    start = initial_weights(case.network, seed=case.options.seed, trials=found.trials, device=case.device)[:-1]
    norms = torch.stack([torch.linalg.vector_norm(layer.double(), dim=(1, 2)) for layer in start], dim=1)
    reached = (norms.min(dim=1).values * (1 + 1e-12) <= found.tau).cpu().numpy()
    return np.where(reached, 0.0, found.adversarial)


def _searched(case: Case, trials: Sequence[int], tau: float, points: int, steps: int) -> GradientBound:
    """Search W_τ of these inits."""
    return gradient_bound(
        case.network,
        case.train.X,
        case.train.y,
        trials=tuple(trials),
        seed=case.options.seed,
        tau=tau,
        search=Search(points=points, steps=steps),
        dtype=case.dtype,
        device=str(case.device),
    )
