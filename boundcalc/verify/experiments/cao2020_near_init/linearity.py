"""cao2020's Lemma 4.2, put to the test: how nearly linear the network and how nearly smooth the loss are in W_τ.

The bounds contain ‖Ŵ_l − W̃_l‖₂. For all pairs it is taken as ‖Av‖/‖v‖ at the end of a power iteration, which is never
more: what is within the bound then is so in truth, and needed constants err upwards. The pair of every init that comes
worst off is measured again with proved upper bounds on the norms: only what exceeds the bound even then has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from boundcalc.constants import ConstantPolicy
from boundcalc.estimate.norms import spectral_norm_bounds
from boundcalc.train.devices import full_precision
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Picture
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.backward import Weights, forward
from boundcalc.verify.experiments.cao2020_near_init.base import (
    NOTES,
    NearInitialization,
    Sample,
    Sampled,
    along_descent,
    bound_values,
    explore,
    inputs_of,
    needed_values,
    paired_points,
)
from boundcalc.verify.experiments.neighbourhood import Neighbourhood
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement, linear_in

_ROUGH, _FINE = 8, 60
"""Steps of the power iteration while searching and while measuring."""

_REMAINDERS = {"f_lin": ("C_lin",), "L_lin": ("C_drift", "C_curvature")}
"""What the lemma bounds, and by which constants."""


@dataclass(frozen=True)
class _Pairs:
    """What is asked of pairs (W̃, Ŵ), given as W̃_1..W̃_L, Ŵ_1..Ŵ_L.

    linear: the bound on f_lin over D_1; drift, curvature: that on L_lin, over D_1·E_S and over D_2.
    """

    near: Neighbourhood
    X: torch.Tensor
    y: torch.Tensor
    linear: float
    drift: float
    curvature: float

    def moved(self, pair: Weights) -> list[torch.Tensor]:
        """Ŵ_l − W̃_l."""
        half = len(pair) // 2
        return [after - before for before, after in zip(pair[:half], pair[half:], strict=True)]

    def remainders(self, pair: Weights) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """max_i |f_Ŵ(x_i) − F(x_i)|, the excess of L_S(Ŵ) over its linearisation at W̃, and E_S(W̃), (S,) each."""
        half = len(pair) // 2
        here = forward(pair[:half], self.near.sign, self.X)
        there = forward(pair[half:], self.near.sign, self.X)
        change = here.change(self.moved(pair))
        curved = (there.outputs - here.outputs - change).abs().amax(dim=1)
        excess = there.loss(self.y) - here.loss(self.y) - (here.slopes(self.y) * change).sum(dim=1)
        return curved, excess, here.surrogate(self.y)

    def curvature_of_outputs(self, pair: Weights) -> torch.Tensor:
        """log of the first remainder over its bound but for constant factors."""
        curved, _, _ = self.remainders(pair)
        return curved.log() - spectral_norms(self.moved(pair), _ROUGH).sum(dim=1).log()

    def curvature_of_loss(self, pair: Weights) -> torch.Tensor:
        """The second remainder over its bound."""
        _, excess, surrogate = self.remainders(pair)
        norms = spectral_norms(self.moved(pair), _ROUGH)
        return excess / self.smooth(norms.sum(dim=1), norms.square().sum(dim=1), surrogate)

    def smooth(self, one: torch.Tensor, two: torch.Tensor, surrogate: torch.Tensor) -> torch.Tensor:
        """The second bound, at D_1, D_2 and E_S."""
        return self.drift * one * surrogate + self.curvature * two


class _Worst:
    """The moves Ŵ − W̃ of the pair with the largest ratio so far, init by init."""

    def __init__(self, like: Weights) -> None:
        self.moved = [torch.zeros_like(layer) for layer in like]
        self.ratio = torch.full_like(like[0][:, 0, 0], -torch.inf)

    def offer(self, ratio: torch.Tensor, moved: Weights, here: torch.Tensor) -> None:
        """Keep the moves of the inits whose ratio is larger."""
        better = here & (ratio > self.ratio)
        self.ratio = torch.where(better, ratio, self.ratio)
        self.moved = [torch.where(better[:, None, None], new, old) for new, old in zip(moved, self.moved, strict=True)]


class Linearity(NearInitialization):
    """Lemma 4.2, for W̃, Ŵ ∈ W_τ, D_1 = Σ_l ‖Ŵ_l − W̃_l‖₂ and D_2 = Σ_l ‖Ŵ_l − W̃_l‖₂².

    |f_Ŵ(x_i) − F_{W̃,Ŵ}(x_i)| ≤ C_lin L² τ^{1/3} √(m log m) D_1 for every i, and L_S(Ŵ) − L_S(W̃) − Σ_l ⟨Ŵ_l − W̃_l,
    ∇_{W_l} L_S(W̃)⟩ ≤ C_drift L² τ^{1/3} √(m log m) D_1 E_S(W̃) + C_curvature m L³ D_2.
    """

    networks = 2
    searches = 2

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Explore pairs of points of W_τ."""
        near = self.neighbourhood(case, prescribed, trials)
        statement = self.statement(case, prescribed)
        pairs = _pairs(near, *inputs_of(case), statement)
        worst = {symbol: _Worst(near.start) for symbol in _REMAINDERS}

        def measure(pair: Sample) -> Sampled:
            curved, excess, surrogate = pairs.remainders(pair.weights)
            moved = pairs.moved(pair.weights)
            norms = spectral_norms(moved, _FINE)
            one, two = norms.sum(dim=1), norms.square().sum(dim=1)
            ratios = curved / (pairs.linear * one), excess / pairs.smooth(one, two, surrogate)
            for kept, ratio in zip(worst.values(), ratios, strict=True):
                kept.offer(ratio, moved, pair.here)
            return {
                "f_lin": curved, "L_lin": excess, "E_S": surrogate, "D_1": one, "D_2": two,
                "f_lin over bound": ratios[0], "L_lin over bound": ratios[1],
            }  # fmt: skip

        with torch.no_grad(), full_precision(case.device, case.dtype):
            found = explore(
                near,
                paired_points(case, prescribed, near),
                measure,
                {"f − F": pairs.curvature_of_outputs, "the loss": pairs.curvature_of_loss},
                case.options.ascent_steps,
                self.noted(case, prescribed, note),
            )
        # Where nothing moves nothing is claimed.
        found = replace(found, here=found.here & (found.values["D_1"] > 0))
        at = {name: found.values[name] for name in ("E_S", "D_1", "D_2")}
        needed = {
            constant: needed_values(statement, symbol, constant, found.values[symbol], at)
            for symbol, constants in _REMAINDERS.items()
            for constant in constants
        }
        unit = replace(statement, policy=ConstantPolicy({}))
        needed["C_both"] = np.maximum(found.values["L_lin"] / bound_values(unit, "L_lin", at), 0.0)
        records = []
        for i, trial in enumerate(trials):
            facts: dict[str, Any] = {}
            decisions = []
            for symbol in _REMAINDERS:
                point = int(found.worst(found.values[f"{symbol} over bound"])[i])
                inputs = {name: float(values[i, point]) for name, values in at.items()}
                proved = {**inputs, **_upper_norms([layer[i] for layer in worst[symbol].moved])}
                remainder = float(found.values[symbol][i, point])
                bound, most = (statement.with_inputs(**values).bound(symbol) for values in (inputs, proved))
                decisions.append(True if remainder <= bound else False if remainder > most else None)
                facts |= {
                    symbol: remainder,
                    f"{symbol}_bound": bound,
                    f"{symbol}_bound_with_proved_norms": most,
                    f"{symbol}_pair": str(found.kinds[point]),
                }
            here = found.here[i]
            facts |= {f"{constant}_needed": float(values[i][here].max()) for constant, values in needed.items()}
            facts |= found.counts(i)
            steps = here & (found.kinds == "GD step")
            series = {"t": found.steps[steps].astype(np.float64)}
            series |= {constant: needed[constant][i][steps] for constant in ("C_lin", "C_both")}
            records.append(Record(trial, _both(decisions), facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is both bounds at every pair tried."""
        records = list(trained.values())
        worst = {
            symbol: max(records, key=lambda r, name=symbol: r.facts[name] / r.facts[f"{name}_bound"])  # type: ignore[misc]
            for symbol in _REMAINDERS
        }
        needed = {
            c: max(float(r.facts[f"{c}_needed"]) for r in records)
            for c in ("C_lin", "C_drift", "C_curvature", "C_both")
        }
        refuted = "significantly more than a share δ of the inits have a pair in W_τ above the bound"
        smooth = (
            f"L_S(Ŵ) − L_S(W̃) − Σ_l ⟨Ŵ_l − W̃_l, ∇L_S(W̃)⟩ at the pair nearest to its bound "
            f"({worst['L_lin'].facts['L_lin_pair']}), worst init",
            float(worst["L_lin"].facts["L_lin"]),
            float(worst["L_lin"].facts["L_lin_bound"]),
        )
        bound_is = "C_drift L² τ^{1/3} √(m log m) D_1 E_S(W̃) + C_curvature m L³ D_2"
        checks = (
            Check(
                "max over i of |f_Ŵ(x_i) − F(x_i)| at the pair nearest to its bound "
                f"({worst['f_lin'].facts['f_lin_pair']}), worst init",
                float(worst["f_lin"].facts["f_lin"]),
                float(worst["f_lin"].facts["f_lin_bound"]),
                claimed=True,
                bound_is="C_lin L² τ^{1/3} √(m log m) D_1",
                refuted_if=refuted,
                constant="C_lin",
                needed=needed["C_lin"],
            ),
            Check(
                *smooth, claimed=True, bound_is=bound_is, refuted_if=refuted,
                constant="C_drift", needed=needed["C_both"],
            ),
            Check(
                *smooth, claimed=True, bound_is=bound_is, refuted_if=refuted,
                constant="C_curvature", needed=needed["C_both"],
            ),
            Check("C_drift that would do with C_curvature as it is", needed["C_drift"]),
            Check("C_curvature that would do with C_drift as it is", needed["C_curvature"]),
        )  # fmt: skip
        return Conclusion(
            success="kept both remainders within their bounds at every pair of W_τ tried",
            premises=self.premises(case),
            checks=checks,
            pictures=(
                along_descent("C_lin", records, "C_lin", "C_lin that one step of gradient descent needs"),
                along_descent("C_both", records, "C_both", "C_drift = C_curvature that one step needs"),
                Picture(
                    "C_lin over inits", "C_lin that would just do", "inits",
                    histogram=np.array([r.facts["C_lin_needed"] for r in records]), log_x=False,
                ),
                Picture(
                    "C_both over inits", "C_drift = C_curvature that would just do", "inits",
                    histogram=np.array([r.facts["C_both_needed"] for r in records]), log_x=False,
                ),
            ),
            notes=(
                *NOTES,
                "D_1 = Σ_l ‖Ŵ_l − W̃_l‖₂ and D_2 = Σ_l ‖Ŵ_l − W̃_l‖₂² are taken from below, by a power iteration: the "
                "constants that would do err upwards. Bounds with proved norms have them from above.",
                "The lemma writes one C for its three terms. The C_drift and C_curvature that would do are given as "
                "one number for both; below, each with the other at its value in use.",
                "Rounding of outputs counts as distance from the linearisation; it matters where that is near 1e-14.",
            ),
        )  # fmt: skip


LINEARITY = Linearity()


def spectral_norms(layers: Weights, steps: int) -> torch.Tensor:
    """Return ‖Av‖ for the unit v at the end of a power iteration on AᵀA, at most ‖A‖₂, of every layer: (S, L).

    Differentiable in A, v held fixed: that is the derivative of the norm where v is the leading singular vector.
    """
    norms = []
    for layer in layers:
        with torch.no_grad():
            # From the longest row, which is not orthogonal to the leading right singular vector but by accident.
            row = layer.norm(dim=2).argmax(dim=1)
            v = layer[torch.arange(len(layer), device=layer.device), row].unsqueeze(2)
            for _ in range(steps):
                v = _direction(layer.mT @ (layer @ _direction(v)))
            v = _direction(v)
        norms.append((layer @ v).norm(dim=1).squeeze(1))
    return torch.stack(norms, dim=1)


def _direction(v: torch.Tensor) -> torch.Tensor:
    return v / v.norm(dim=1, keepdim=True).clamp_min(torch.finfo(v.dtype).tiny)


def _upper_norms(moved: Weights) -> dict[str, float]:
    """Proved upper bounds on D_1 and D_2 of one pair, layers (rows, cols)."""
    norms = spectral_norm_bounds(moved)
    return {"D_1": float(norms.total().upper), "D_2": float((norms * norms).total().upper)}


def _pairs(near: Neighbourhood, X: torch.Tensor, y: torch.Tensor, statement: Statement) -> _Pairs:
    """With the bounds as they are at D_1 = D_2 = E_S = 1, in each of which they are linear."""
    one = statement.with_inputs(D_1=1, D_2=1, E_S=1)
    without, _ = linear_in(statement.bound_on("L_lin").expr, "C_drift")
    curvature = one.value(without)
    return _Pairs(near, X, y, one.bound("f_lin"), one.bound("L_lin") - curvature, curvature)


def _both(decisions: Sequence[bool | None]) -> bool | None:
    if False in decisions:
        return False
    return None if None in decisions else True
