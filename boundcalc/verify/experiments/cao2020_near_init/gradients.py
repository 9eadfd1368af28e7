"""cao2020's Lemmas 4.1, 4.4 and 4.5, put to the test: gradient norms from above and from below, all over W_τ.

Both sides of the bounds on ‖∇_{W_l} L_S(W)‖_F are taken over E_S(W), in which the bounds are linear: measured is
‖∇_{W_l} L_S(W)‖_F / E_S(W), beside the bound at E_S = 1. Gradients per example have norm |δ_l(x_i)|·|h_{l−1}(x_i)|.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch

from boundcalc.data import Dataset
from boundcalc.estimate import Estimate
from boundcalc.estimate.gradient_bound import Search, gradient_bound
from boundcalc.estimate.gradient_bound import search_bytes as descent_bytes
from boundcalc.train.devices import full_precision
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Picture
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.backward import Weights, forward, frobenius
from boundcalc.verify.experiments.cao2020_near_init.base import (
    NOTES,
    NearInitialization,
    Sample,
    Sampled,
    along_descent,
    explore,
    inputs_of,
    single_points,
)
from boundcalc.verify.experiments.common import assumption_premise, separating_margin, shown_positive
from boundcalc.verify.record import Record, Records


class GradientsAbove(NearInitialization):
    """Lemma 4.1: ‖∇_{W_l} f_{W^(0)}(x_i)‖_F ≤ C_J √m and ‖∇_{W_l} L_S(W)‖_F ≤ C_G √m E_S(W), W ∈ W_τ, all l and i."""

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """The norms at the start, and an exploration of W_τ for large ratios."""
        near = self.neighbourhood(case, prescribed, trials)
        X, y = inputs_of(case)

        def ratios(weights: Weights) -> torch.Tensor:
            at = forward(weights, near.sign, X)
            return frobenius(at.loss_gradients(y)) / at.surrogate(y)[:, None]

        def sampled(point: Sample) -> Sampled:
            largest = ratios(point.weights).max(dim=1)
            return {"ratio": largest.values, "layer": largest.indices + 1}

        with torch.no_grad(), full_precision(case.device, case.dtype):
            at_start = forward(near.start, near.sign, X).output_gradient_norms().amax(dim=2)
            found = explore(
                near,
                single_points(case, prescribed, near),
                sampled,
                {"the gradient over E_S": lambda weights: ratios(weights).amax(dim=1).log()},
                case.options.ascent_steps,
                self.noted(case, prescribed, note),
            )
        statement = self.statement(case, prescribed).with_inputs(E_S=1)
        allowed = {symbol: statement.bound(symbol) for symbol in ("J_f", "G_S")}
        worst = found.worst(found.values["ratio"])
        records = []
        for i, trial in enumerate(trials):
            at_worst = (i, worst[i])
            largest_J, ratio = float(at_start[i].max()), float(found.values["ratio"][at_worst])
            facts = {
                "J_f": largest_J,
                "J_f_layer": int(at_start[i].argmax()) + 1,
                "C_J_needed": statement.needed("J_f", "C_J", largest_J),
                "G_S_over_E_S": ratio,
                "G_S_layer": int(found.values["layer"][at_worst]),
                "worst_point": str(found.kinds[worst[i]]),
                "G_S_over_E_S_at_start": float(found.values["ratio"][i, 0]),
                "C_G_needed": statement.needed("G_S", "C_G", ratio),
                **found.counts(i),
            }
            along = found.here[i] & (found.steps >= 0)
            series = {"t": found.steps[along].astype(np.float64), "ratio": found.values["ratio"][i][along]}
            records.append(Record(trial, largest_J <= allowed["J_f"] and ratio <= allowed["G_S"], facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is both bounds at every point tried."""
        records = list(trained.values())
        statement = self.statement(case, prescribed).with_inputs(E_S=1)
        bounds = {symbol: statement.bound(symbol) for symbol in ("J_f", "G_S")}
        worst_J = max(records, key=lambda r: r.facts["J_f"])
        worst_G = max(records, key=lambda r: r.facts["G_S_over_E_S"])
        checks = (
            Check(
                f"largest ‖∇_(W_l) f(x_i)‖_F at W^(0) (l = {worst_J.facts['J_f_layer']}), all i, worst init",
                worst_J.facts["J_f"],
                bounds["J_f"],
                claimed=True,
                bound_is="C_J √m",
                refuted_if="significantly more than a share δ of the inits have a gradient above the bound",
                constant="C_J",
                needed=worst_J.facts["C_J_needed"],
            ),
            Check(
                f"largest ‖∇_(W_l) L_S(W)‖_F / E_S(W) over W_τ (l = {worst_G.facts['G_S_layer']}, "
                f"{worst_G.facts['worst_point']}), worst init",
                worst_G.facts["G_S_over_E_S"],
                bounds["G_S"],
                claimed=True,
                bound_is="C_G √m",
                refuted_if="significantly more than a share δ of the inits have a W in W_τ above the bound",
                constant="C_G",
                needed=worst_G.facts["C_G_needed"],
            ),
            Check(
                "the same at W^(0), worst init",
                max(r.facts["G_S_over_E_S_at_start"] for r in records),
                bounds["G_S"],
                bound_is="C_G √m",
            ),
        )
        return Conclusion(
            success="kept both gradient norms within their bounds at every point of W_τ tried",
            premises=self.premises(case),
            checks=checks,
            pictures=(
                along_descent(
                    "along descent", records, "ratio", "max over l of ‖∇_(W_l) L_S‖_F / E_S",
                    (("bound: C_G √m", bounds["G_S"]),),
                ),
                Picture(
                    "C_J", "C_J that would just do", "inits",
                    histogram=np.array([r.facts["C_J_needed"] for r in records]), log_x=False,
                ),
                Picture(
                    "C_G", "C_G that would just do", "inits",
                    histogram=np.array([r.facts["C_G_needed"] for r in records]), log_x=False,
                ),
            ),
            notes=(*NOTES, "Where a guarantee names E_S, both sides were divided by it: the bounds are linear in it."),
        )  # fmt: skip


class GradientBelow(NearInitialization):
    """Lemmas 4.4 and 4.5: ‖∇_{W_L} L_S(W)‖_F ≥ C_B 2^(−L) γ √m E_S(W), or C_B γ √m E_S(W), for all W ∈ W_τ.

    estimate: the name of what measures γ of the statement's assumption; scale: the bound, in words.
    """

    takes: tuple[str, ...] = ("L", "tau", "gamma")
    found = frozenset({"tau", "gamma"})

    def __init__(self, estimate: str, scale: str) -> None:
        self.estimate, self.scale = estimate, scale

    def measure(self, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> tuple[Estimate, ...]:
        """Bracket γ of the statement's assumption on the training examples; its lower end is used.

        Raises:
            InputError: it is not shown to be positive, and nobody gave a value.
        """
        return (shown_positive(separating_margin(self.estimate, inputs, train, seed, device), inputs, train),)

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory of the search for small gradients."""
        return trials * descent_bytes(case.network, case.train.n, case.dtype)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Look for the least ‖∇_{W_L} L_S(W)‖_F / (√m E_S(W)) in W_τ."""
        found = gradient_bound(
            case.network,
            case.train.X,
            case.train.y,
            trials=trials,
            seed=case.options.seed,
            tau=float(prescribed.found["tau"]),
            search=Search(
                iterations=prescribed.steps,
                step_size=prescribed.step_size,
                points=case.options.points,
                steps=case.options.ascent_steps,
            ),
            dtype=case.dtype,
            device=str(case.device),
        )
        note(prescribed.steps)
        statement, width = self.statement(case, prescribed).with_inputs(E_S=1), math.sqrt(case.width)
        bound = statement.bound("G_S")
        ratios = {
            "W(0)": found.at_start,
            "GD": found.along_descent,
            "random": found.at_random,
            "projected descent": found.adversarial,
        }
        records = []
        for i, trial in enumerate(trials):
            kind = min(ratios, key=lambda kind: ratios[kind][i])
            least = width * float(found.adversarial[i])
            facts = {
                "least_G_S_over_E_S": least,
                "worst_point": kind,
                "C_B_needed": statement.needed("G_S", "C_B", least),
                "B_at_most": float(found.adversarial[i]),
                "B_at_start": float(found.at_start[i]),
                "GD_steps_inside": int(found.inside[i]),
            }
            records.append(Record(trial, least >= bound, facts))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a gradient above the bound at every point tried."""
        records = list(trained.values())
        bound = self.statement(case, prescribed).with_inputs(E_S=1).bound("G_S")
        worst = min(records, key=lambda r: r.facts["least_G_S_over_E_S"])
        checks = (
            Check(
                f"least ‖∇_(W_L) L_S(W)‖_F / E_S(W) over W_τ ({worst.facts['worst_point']}), worst init",
                worst.facts["least_G_S_over_E_S"],
                bound,
                claimed=True,
                bound_is=f"C_B {self.scale} √m",
                at_least=True,
                refuted_if="significantly more than a share δ of the inits have a W in W_τ below the bound",
                constant="C_B",
                needed=worst.facts["C_B_needed"],
            ),
            Check("the same over √m, an upper bound on the B of (3.1)", worst.facts["B_at_most"]),
            Check("the same over √m at W^(0), least of all inits", min(float(r.facts["B_at_start"]) for r in records)),
        )
        return Conclusion(
            success="kept the last layer's gradient above its bound at every point of W_τ tried",
            premises=(*self.premises(case), assumption_premise(case)),
            checks=checks,
            pictures=(
                Picture(
                    "C_B", "C_B that would just do", "inits",
                    histogram=np.array([r.facts["C_B_needed"] for r in records]), log_x=False,
                ),
            ),
            notes=(
                *NOTES,
                "Both sides were divided by E_S, in which the bound is linear. C_B is small enough: the least of the "
                "values that would just do is the one that would do for all inits.",
                "γ, where it is measured, enters at its lower end: a larger one would ask for a larger gradient, or a "
                "smaller C_B.",
            ),
        )  # fmt: skip


GRADIENTS_ABOVE = GradientsAbove()
RANDOM_FEATURES_BELOW = GradientBelow("gamma_random_feature", "2^(−L) γ")
CONJUGATE_KERNEL_BELOW = GradientBelow("gamma_conjugate_kernel", "γ")
