"""cao2020's statements about the neighbourhood of the start, against plain computations of the same numbers."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from plain import verify as run_verify

from boundcalc.constants import ConstantPolicy
from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.train.networks import he_relu, initial_weights
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.experiment import Prescribed
from boundcalc.verify.experiments.backward import forward, frobenius
from boundcalc.verify.experiments.cao2020_near_init.base import bound_values, needed_values
from boundcalc.verify.experiments.cao2020_near_init.gap import adversary_and_judge
from boundcalc.verify.experiments.cao2020_near_init.linearity import LINEARITY, spectral_norms
from boundcalc.verify.experiments.neighbourhood import Neighbourhood, around, least_radius
from boundcalc.verify.record import Record

Array = NDArray[np.float64]

SPHERE = "sphere:n=32,d=4,margin=0.2"
RADIUS = 0.05


def a_case(
    key: str,
    *,
    data: str = SPHERE,
    width: int | None = 8,
    trials: int = 2,
    constants: dict[str, Any] | None = None,
    points: int = 2,
    ascent_steps: int = 12,
    iterations: int | None = 12,
    **inputs: Any,
) -> Case:
    options = Options(
        data, width=width, trials=trials, points=points, ascent_steps=ascent_steps, iterations=iterations, device="cpu"
    )
    given = {name: Fraction(value) for name, value in {"L": 2, "tau": RADIUS, **inputs}.items() if value is not None}
    return make_case(f"cao2020/{key}", options, given, ConstantPolicy(constants or {}))


def trained(case: Case, trials: tuple[int, ...] | None = None) -> tuple[Prescribed, list[Record]]:
    prescribed = case.experiment.prescribe(case, {})
    steps: list[int] = []
    records = case.experiment.train(case, prescribed, trials or tuple(range(case.trials)), steps.append)
    assert steps == sorted(steps)
    assert max(steps, default=0) <= prescribed.steps
    return prescribed, records


def concluded(case: Case) -> Any:
    prescribed, records = trained(case)
    return case.experiment.conclude(case, prescribed, {}, {record.trial: record for record in records})


def start_of(case: Case, trial: int = 0) -> list[Array]:
    weights = initial_weights(case.network, seed=case.options.seed, trials=(trial,), dtype=torch.float64)
    return [layer[0].numpy() for layer in weights]


def output_of(weights: list[Array], X: Array) -> Array:
    h = X.T
    for layer in weights[:-1]:
        h = np.maximum(layer @ h, 0)
    return np.asarray((weights[-1] @ h)[0])


def surrogate_of(weights: list[Array], data: Dataset) -> float:
    return float(np.mean(1 / (1 + np.exp(data.y * output_of(weights, data.X)))))


def autograd(weights: list[Array], value: Callable[[list[torch.Tensor]], torch.Tensor]) -> list[Array]:
    """The gradient of a number in the hidden layers of one network, by torch's own differentiation."""
    leaves = [torch.tensor(layer, requires_grad=index < len(weights) - 1) for index, layer in enumerate(weights)]
    return [grad.numpy() for grad in torch.autograd.grad(value(leaves), leaves[:-1])]


def plain(leaves: list[torch.Tensor], X: Array) -> torch.Tensor:
    h = torch.tensor(X).T
    for layer in leaves[:-1]:
        h = torch.relu(layer @ h)
    return (leaves[-1] @ h)[0]


def loss_gradient(weights: list[Array], data: Dataset) -> list[Array]:
    def loss(leaves: list[torch.Tensor]) -> torch.Tensor:
        return torch.log1p(torch.exp(-torch.tensor(data.y) * plain(leaves, data.X))).mean()

    return autograd(weights, loss)


def ratios_of(weights: list[Array], data: Dataset) -> list[float]:
    return [float(np.linalg.norm(g)) / surrogate_of(weights, data) for g in loss_gradient(weights, data)]


@pytest.fixture(scope="module")
def ball() -> Neighbourhood:
    return around(he_relu(3, 6, 4), seed=3, trials=(5, 2), radius=0.25)


def moved(ball: Neighbourhood, scale: float, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [w + scale * torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in ball.start]


# Forwards and backwards ---------------------------------------------------------------------------


def test_gradients_are_those_of_torch(ball: Neighbourhood) -> None:
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((7, 4)), np.where(rng.random(7) < 0.5, 1.0, -1.0)
    data = Dataset("some", X, y, ("-1", "1"))
    weights = moved(ball, 0.3)
    here = forward(weights, ball.sign, torch.tensor(X))
    norms, gradients = here.output_gradient_norms(), here.loss_gradients(torch.tensor(y))
    for s in range(2):
        one = [*(w[s].numpy() for w in weights), ball.sign[s].numpy()]
        np.testing.assert_allclose(here.outputs[s], output_of(one, X), rtol=1e-12)
        assert float(here.surrogate(torch.tensor(y))[s]) == pytest.approx(surrogate_of(one, data), rel=1e-12)
        assert float(here.loss(torch.tensor(y))[s]) == pytest.approx(
            float(np.mean(np.logaddexp(0, -y * output_of(one, X)))), rel=1e-12
        )
        for mine, other in zip(gradients, loss_gradient(one, data), strict=True):
            np.testing.assert_allclose(mine[s], other, atol=1e-14)
        for i in range(7):
            per_example = autograd(one, lambda leaves, i=i: plain(leaves, X)[i])  # type: ignore[misc]
            np.testing.assert_allclose(norms[s, :, i], [np.linalg.norm(g) for g in per_example], rtol=1e-11)


def test_the_linear_change_is_the_derivative_along_the_move(ball: Neighbourhood) -> None:
    X = torch.tensor(np.random.default_rng(2).standard_normal((5, 4)))
    weights, step = moved(ball, 0.1), [w - s for w, s in zip(moved(ball, 1.0, 7), ball.start, strict=True)]
    small = 1e-7
    ahead, behind = (
        forward([w + sign * small * d for w, d in zip(weights, step, strict=True)], ball.sign, X).outputs
        for sign in (1, -1)
    )
    change = forward(weights, ball.sign, X).change(step)
    torch.testing.assert_close(change, (ahead - behind) / (2 * small), rtol=1e-6, atol=1e-7)


# The neighbourhood --------------------------------------------------------------------------------


def test_projection_is_onto_the_product_of_the_balls(ball: Neighbourhood) -> None:
    far = moved(ball, 1.0)
    near = moved(ball, 0.001)
    mixed = [far[0], near[1], far[2]]
    back = ball.project(mixed)
    assert bool(ball.inside(back).all())
    assert not bool(ball.inside(mixed).any())
    torch.testing.assert_close(back[1], near[1], rtol=0, atol=0)
    for layer in (0, 2):
        away, kept = far[layer] - ball.start[layer], back[layer] - ball.start[layer]
        torch.testing.assert_close(kept, away * (0.25 / frobenius([away])[:, :, None]), rtol=1e-12, atol=1e-14)
    pair = ball.project([*far, *near])
    for one, other in zip(pair, [*ball.project(far), *near], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("radius", [1e-3, 0.3, 50.0])
def test_random_points_are_inside_though_they_are_rounded(dtype: torch.dtype, radius: float) -> None:
    network = he_relu(2, 8, 3)
    near = around(network, seed=1, trials=(4, 9, 0), radius=radius, dtype=dtype)
    alone = around(network, seed=1, trials=(9,), radius=radius, dtype=dtype)
    for number in range(4):
        boundary = number % 2 == 0
        point = near.random(number, boundary=boundary)
        exact = [(w.double() - s.double()).norm(dim=(1, 2)) for w, s in zip(point, near.start, strict=True)]
        assert max(float(norm.max()) for norm in exact) <= radius
        if boundary:
            assert min(float(norm.min()) for norm in exact) >= radius * 0.999
        for layer, other in zip(point, alone.random(number, boundary=boundary), strict=True):
            assert torch.equal(layer[1:2], other)
    assert not torch.equal(near.random(0, boundary=True)[0], near.random(2, boundary=True)[0])


def test_random_points_are_uniform_in_their_balls() -> None:
    near = around(he_relu(1, 2, 1), seed=0, trials=tuple(range(400)), radius=2.0)  # a disc
    distances = near.distances(near.random(0, boundary=False))[:, 0] / 2.0
    assert float((distances**2).mean()) == pytest.approx(0.5, abs=0.05)  # uniform in area: r² is uniform
    assert float((distances < 0.5).double().mean()) == pytest.approx(0.25, abs=0.07)


def test_the_path_is_gradient_descent_until_all_have_left() -> None:
    case = a_case("lem4.1", iterations=40)
    near = around(case.network, seed=0, trials=(0, 1), radius=RADIUS)
    X, y = torch.tensor(case.train.X), torch.tensor(case.train.y)
    eta = 0.004
    path = list(near.path(X, y, eta, 40))
    assert 3 < len(path) < 41
    for s in range(2):
        start = start_of(case, s)
        weights = [layer.copy() for layer in start]
        for t, found, inside in path:
            assert path[t][0] == t
            for layer, other in zip(found, weights[:-1], strict=True):
                np.testing.assert_allclose(layer[s], other, atol=1e-12)
            far = max(np.linalg.norm(a - b) for a, b in zip(weights, start, strict=True))
            assert bool(inside[s]) == (far <= RADIUS)
            gradient = loss_gradient(weights, case.train)
            weights = [*(w - eta * g for w, g in zip(weights, gradient, strict=False)), weights[-1]]


def test_ascent_finds_the_largest_value_of_a_linear_function(ball: Neighbourhood) -> None:
    slopes = moved(ball, 1.0, 11)

    def value(weights: Any) -> torch.Tensor:
        return sum((a * w).sum(dim=(1, 2)) for a, w in zip(slopes, weights, strict=True))  # type: ignore[return-value]

    largest = value(ball.start) + 0.25 * frobenius(slopes).sum(dim=1)
    end, found = ball.ascend(value, ball.random(0, boundary=True), 40)
    assert bool(ball.inside(end).all())
    torch.testing.assert_close(found, value(end))
    assert bool((found <= largest).all())
    assert bool((largest - found < 0.02 * 0.25 * frobenius(slopes).sum(dim=1)).all())


def test_ascent_keeps_the_best_and_each_init_to_itself(ball: Neighbourhood) -> None:
    target = ball.random(3, boundary=True)

    def value(weights: Any) -> torch.Tensor:  # largest at the start of the ascent already; not finite elsewhere for one
        found = -frobenius([w - t for w, t in zip(weights, target, strict=True)]).sum(dim=1)
        return torch.stack([found[0], torch.where(found[1] < -0.1, torch.nan, found[1])])

    end, found = ball.ascend(value, target, 10)
    assert found.tolist() == [0.0, 0.0]
    assert all(torch.equal(a, b) for a, b in zip(end, target, strict=True))
    alone = around(he_relu(3, 6, 4), seed=3, trials=(2,), radius=0.25)
    goal = [layer[1:] for layer in target]
    both, _ = ball.ascend(lambda ws: -frobenius([w - t for w, t in zip(ws, target, strict=True)]).sum(1), ball.start, 9)
    one, _ = alone.ascend(lambda ws: -frobenius([w - t for w, t in zip(ws, goal, strict=True)]).sum(1), alone.start, 9)
    for layer, other in zip(both, one, strict=True):
        torch.testing.assert_close(layer[1:], other, rtol=1e-10, atol=1e-12)


def test_a_radius_below_the_precision_is_refused() -> None:
    network = he_relu(2, 8, 4)
    assert least_radius(network) < 1e-11 < least_radius(network, torch.float32)
    case = a_case("lem4.1", tau="1e-15")
    with pytest.raises(InputError, match=r"tau = 1e-15 is below what float64 tells .* apart by at width 8; give tau ≥"):
        case.experiment.prescribe(case, {})


# Radii and widths ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["thm3.1", "lem4.1", "lem4.2"])
def test_the_radius_is_the_largest_that_the_condition_allows(key: str) -> None:
    case = a_case(key, tau=None, width=16)
    prescribed = case.experiment.prescribe(case, {})
    tau = float(prescribed.found["tau"])
    assert tau == pytest.approx(2**-6 * math.log(16) ** -1.5, rel=1e-9)
    statement = case.statement.with_inputs(**prescribed.found)
    premises = {
        premise.name: (premise, chosen) for premise, chosen in map(statement.condition, case.theorem.conditions)
    }
    for name, (premise, chosen) in premises.items():
        assert premise.met
        assert (chosen is None) == name.startswith("τ")  # no constant had to be chosen for the condition on τ


def test_a_width_is_prescribed_where_one_satisfies_both_conditions() -> None:
    case = a_case("lem4.1", tau=None, width=None, L=1)
    prescribed = case.experiment.prescribe(case, {})
    statement = case.statement.with_inputs(**prescribed.found)
    assert all(premise.met and not chosen for premise, chosen in map(statement.condition, case.theorem.conditions))
    m, n, delta, tau = case.width, case.train.n, 0.05, float(prescribed.found["tau"])
    assert m > 64
    assert m >= max(math.log(m * n / delta), tau ** (-4 / 3) * math.log(m / (tau * delta)))
    assert tau <= math.log(m) ** -1.5 * (1 + 1e-9)


def test_bounds_of_arrays_are_those_of_numbers() -> None:
    case = a_case("lem4.2", constants={"C_drift": "0.3", "C_curvature": 7})
    prescribed = case.experiment.prescribe(case, {})
    statement = case.statement.with_inputs(**prescribed.found)
    at = {"E_S": np.array([[0.5, 0.1]]), "D_1": np.array([[1.0], [0.25]]), "D_2": np.array([[2.0], [0.01]])}
    value = np.array([[400.0, 3.0], [0.05, 1.0]])
    bounds = bound_values(statement, "L_lin", at)
    needed = needed_values(statement, "L_lin", "C_drift", value, at)
    m, tau = 8, RADIUS
    for row, column in np.ndindex(2, 2):
        one, two, E = float(at["D_1"][row, 0]), float(at["D_2"][row, 0]), float(at["E_S"][0, column])
        drift = 2**2 * tau ** (1 / 3) * math.sqrt(m * math.log(m)) * one * E
        curvature = 7 * m * 2**3 * two
        assert bounds[row, column] == pytest.approx(0.3 * drift + curvature, rel=1e-9)
        put_in = statement.with_inputs(E_S=E, D_1=one, D_2=two)
        assert bounds[row, column] == pytest.approx(put_in.bound("L_lin"), rel=1e-9)
        assert needed[row, column] == pytest.approx(max(0.0, (value[row, column] - curvature) / drift), rel=1e-9)
        assert needed[row, column] == pytest.approx(put_in.needed("L_lin", "C_drift", value[row, column]), rel=1e-9)
    assert needed_values(statement, "f_lin", "C_lin", np.array([1.0]), {"D_1": np.array([0.5])}) == pytest.approx(
        1 / (4 * tau ** (1 / 3) * math.sqrt(m * math.log(m)) * 0.5), rel=1e-9
    )


# Lemma 4.1 ----------------------------------------------------------------------------------------


def test_gradients_above_are_measured_at_the_start_and_searched_beyond() -> None:
    case = a_case("lem4.1")
    _, records = trained(case)
    for record in records:
        start = start_of(case, record.trial)
        norms = [
            [float(np.linalg.norm(g)) for g in autograd(start, lambda leaves, i=i: plain(leaves, case.train.X)[i])]  # type: ignore[misc]
            for i in range(case.train.n)
        ]
        assert record.facts["J_f"] == pytest.approx(np.max(norms), rel=1e-10)
        assert record.facts["J_f_layer"] == np.max(norms, axis=0).argmax() + 1
        assert record.facts["C_J_needed"] == pytest.approx(np.max(norms) / math.sqrt(8), rel=1e-9)
        at_start = max(ratios_of(start, case.train))
        assert record.facts["G_S_over_E_S_at_start"] == pytest.approx(at_start, rel=1e-10)
        assert record.facts["G_S_over_E_S"] > at_start * 1.001  # the ascent found more
        assert record.facts["C_G_needed"] == pytest.approx(record.facts["G_S_over_E_S"] / math.sqrt(8), rel=1e-9)
        assert record.series["ratio"][0] == pytest.approx(at_start, rel=1e-10)
        # A sum of gradients of examples, weighted by their shares of E_S, is no longer than the longest.
        assert record.facts["G_S_over_E_S"] < 1.5 * record.facts["J_f"]


def test_success_is_both_bounds() -> None:
    case = a_case("lem4.1")
    _, records = trained(case)
    needed = [(record.facts["C_J_needed"], record.facts["C_G_needed"]) for record in records]
    for C_J, C_G in ((max(n[0] for n in needed) * 1.001, max(n[1] for n in needed) * 1.001), (1e-3, 10), (10, 1e-3)):
        _, again = trained(a_case("lem4.1", constants={"C_J": C_J, "C_G": C_G}))
        assert [r.success for r in again] == [a <= C_J and b <= C_G for a, b in needed]


def test_trials_do_not_depend_on_their_companions() -> None:
    case = a_case("lem4.1", trials=3)
    _, together = trained(case)
    _, alone = trained(case, (2,))
    assert alone[0].facts["worst_point"] == together[2].facts["worst_point"]
    for name in ("J_f", "G_S_over_E_S"):
        assert alone[0].facts[name] == pytest.approx(together[2].facts[name], rel=1e-9)
    assert trained(case)[1][1].facts == together[1].facts


# Lemma 4.2 ----------------------------------------------------------------------------------------


def test_spectral_norms_from_below() -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [torch.randn(3, *shape, generator=generator, dtype=torch.float64) for shape in ((6, 4), (5, 5))]
    layers[0][1] = 0.0
    layers[1][2] = torch.outer(torch.arange(5.0), torch.arange(1.0, 6.0)).double()
    truth = torch.stack([torch.linalg.svdvals(layer)[:, 0] for layer in layers], dim=1)
    found = spectral_norms(layers, 200)
    assert bool((found <= truth * (1 + 1e-12)).all())
    torch.testing.assert_close(found, truth, rtol=1e-6, atol=1e-12)
    assert bool((spectral_norms(layers, 1) <= truth * (1 + 1e-12)).all())


def test_remainders_and_needed_constants() -> None:
    case = a_case("lem4.2", points=3, ascent_steps=0, iterations=4)
    prescribed, records = trained(case)
    near = LINEARITY.neighbourhood(case, prescribed, (0, 1))
    m, tau, L = 8, RADIUS, 2
    scale = L**2 * tau ** (1 / 3) * math.sqrt(m * math.log(m))
    path = [[w.clone() for w in weights] for _, weights, _ in near.path(
        torch.tensor(case.train.X), torch.tensor(case.train.y), prescribed.step_size, 4)]  # fmt: skip
    random = [list(near.start), *(near.random(k, boundary=k % 2 == 0) for k in range(3))]
    pairs = [
        *pairwise(random),
        *pairwise(path),
        *((path[0], p) for p in path[1:]),
    ]
    for s, record in enumerate(records):
        lin, both = [], []
        for before, after in pairs:
            old, new = ([*(w[s].numpy() for w in layers), near.sign[s].numpy()] for layers in (before, after))
            delta = [b - a for a, b in zip(old[:-1], new[:-1], strict=True)]
            linear = np.array([
                sum(np.vdot(g, d) for g, d in zip(
                    autograd(old, lambda leaves, i=i: plain(leaves, case.train.X)[i]), delta, strict=True))  # type: ignore[misc]
                for i in range(case.train.n)
            ])  # fmt: skip
            norms = [np.linalg.svd(d, compute_uv=False)[0] for d in delta]
            curved = np.abs(output_of(new, case.train.X) - output_of(old, case.train.X) - linear).max()
            loss = [np.mean(np.logaddexp(0, -case.train.y * output_of(w, case.train.X))) for w in (old, new)]
            along = sum(np.vdot(g, d) for g, d in zip(loss_gradient(old, case.train), delta, strict=True))
            lin.append(curved / (scale * sum(norms)))
            E, D_2 = surrogate_of(old, case.train), sum(norm**2 for norm in norms)
            both.append((loss[1] - loss[0] - along) / (scale * sum(norms) * E + m * L**3 * D_2))
        assert record.facts["points"] == len(pairs) + 6  # and ascents of no steps, from one pair of each kind
        assert record.facts["C_lin_needed"] == pytest.approx(max(lin), rel=1e-4)
        assert record.facts["C_both_needed"] == pytest.approx(max(both), rel=1e-4)
        assert record.facts["C_drift_needed"] == record.facts["C_curvature_needed"] == 0  # the other at 1 is enough
        assert record.success is True


def test_the_adversary_finds_worse_pairs_and_failures_are_proved() -> None:
    _, plainly = trained(a_case("lem4.2", ascent_steps=0))
    _, searched = trained(a_case("lem4.2", ascent_steps=25))
    for before, after in zip(plainly, searched, strict=True):
        assert after.facts["C_lin_needed"] > 1.05 * before.facts["C_lin_needed"]
        assert after.facts["C_both_needed"] > before.facts["C_both_needed"]
        assert after.facts["f_lin_pair"].startswith("ascent on ")
        assert after.facts["f_lin"] / after.facts["f_lin_bound"] == pytest.approx(after.facts["C_lin_needed"], rel=1e-9)
    needed = searched[0].facts["C_lin_needed"]
    for factor, success in ((1.001, True), (0.9, False)):
        _, records = trained(a_case("lem4.2", ascent_steps=25, constants={"C_lin": needed * factor}))
        assert records[0].success is success
    _, records = trained(a_case("lem4.2", constants={"C_drift": "1e-9", "C_curvature": "1e-9"}))
    assert not any(record.success for record in records)


def test_pairs_need_points() -> None:
    case = a_case("lem4.2", points=0, iterations=0)
    with pytest.raises(InputError, match="no random points are tried"):
        trained(case)


# Lemma 4.3 ----------------------------------------------------------------------------------------


def test_outputs_at_initialization() -> None:
    case = a_case("lem4.3", tau=None, trials=3)
    prescribed, records = trained(case)
    bound = math.sqrt(math.log(case.train.n / 0.05))
    for record in records:
        outputs = np.abs(output_of(start_of(case, record.trial), case.train.X))
        assert record.facts["f_0"] == pytest.approx(outputs.max(), rel=1e-12)
        assert record.facts["example"] == outputs.argmax()
        assert record.facts["C_f0_needed"] == pytest.approx(outputs.max() / bound, rel=1e-9)
        assert record.success == bool(outputs.max() <= bound)
    needed = max(record.facts["C_f0_needed"] for record in records)
    _, failing = trained(a_case("lem4.3", tau=None, trials=3, constants={"C_f0": needed / 2}))
    assert False in [record.success for record in failing]
    assert prescribed.steps == 0


# Lemmas 4.4 and 4.5 -------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "factor"), [("lem4.4", 2.0**-2), ("lem4.5", 1.0)])
def test_gradients_below(key: str, factor: float) -> None:
    case = a_case(key, gamma=Fraction(1, 20))
    _, records = trained(case)
    for record in records:
        at_start = ratios_of(start_of(case, record.trial), case.train)[-1] / math.sqrt(8)
        assert record.facts["B_at_start"] == pytest.approx(at_start, rel=1e-9)
        assert 0 < record.facts["B_at_most"] < at_start
        assert record.facts["least_G_S_over_E_S"] == pytest.approx(record.facts["B_at_most"] * math.sqrt(8), rel=1e-12)
        assert record.facts["C_B_needed"] == pytest.approx(record.facts["B_at_most"] / (factor * 0.05), rel=1e-9)
        assert record.success == (record.facts["C_B_needed"] >= 1)
    conclusion = concluded(case)
    claim = next(check for check in conclusion.checks if check.claimed)
    assert claim.at_least
    assert claim.bound == pytest.approx(factor * 0.05 * math.sqrt(8), rel=1e-9)
    assert claim.needed == pytest.approx(min(record.facts["C_B_needed"] for record in records), rel=1e-9)
    (premise,) = (premise for premise in conclusion.premises if premise.name == f"Assumption 3.{int(key[-1]) - 1}")
    assert (premise.met, premise.certified) == (True, True)
    assert "gamma = 0.05 is proved" in premise.evidence
    (premise,) = (p for p in concluded(a_case(key, gamma=Fraction(1, 2))).premises if p.name == premise.name)
    assert (premise.met, premise.certified) == (False, True)
    _, failing = trained(a_case(key, gamma=Fraction(1, 20), constants={"C_B": 100}))
    assert [record.success for record in failing] == [False, False]


def test_the_margin_is_measured_on_the_training_data() -> None:
    case = a_case("lem4.5", data="conjugate:n=40,d=4,gamma=0.1,L=2", tau=None)
    assert case.inputs["gamma"] >= Fraction(1, 10) * (1 - Fraction(1, 10**6))  # fewer rows have no smaller margin
    (found,) = case.measured
    assert float(case.inputs["gamma"]) == found.lower
    prescribed = case.experiment.prescribe(case, {})
    assert float(prescribed.found["tau"]) == pytest.approx(float(found.lower) ** 3 * math.log(8) ** -1.5, rel=1e-9)
    conclusion = concluded(case)
    assert any("is proved" in premise.evidence and premise.certified for premise in conclusion.premises)


def test_without_a_margin_nothing_is_run() -> None:
    with pytest.raises(InputError, match=r"gamma"):
        a_case("lem4.5", data="xor:n=32,d=5", L=1)  # κ^(0) is linear, and no line separates the corners


# Theorem 3.1 --------------------------------------------------------------------------------------


def test_the_adversary_and_the_judge_have_no_example_in_common(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 3))
    np.savez(tmp_path / "data.npz", X=X, y=np.where(X[:, 0] > 0, 1, -1))
    case = a_case("thm3.1", data=str(tmp_path / "data.npz"))
    adversary, judge = adversary_and_judge(case)
    assert not judge.fresh
    assert {adversary.n, judge.data.n} <= {7, 8}
    rows = {tuple(row) for part in (adversary, judge.data) for row in part.X.tolist()}
    assert rows == {tuple(row) for row in case.test.X.tolist()}
    fresh = a_case("thm3.1")
    adversary, judge = adversary_and_judge(fresh)
    assert judge.fresh
    seen = {tuple(row) for part in (adversary, fresh.train) for row in part.X.tolist()}
    assert not seen & {tuple(row) for row in judge.data.X.tolist()}
    few = case.test.subset(
        np.concatenate([np.flatnonzero(case.test.y > 0)[:1], np.flatnonzero(case.test.y < 0)[:5]]), "few"
    )
    with pytest.raises(InputError, match="6 held-out examples are too few"):
        adversary_and_judge(replace(case, test=few))


def test_errors_bounds_and_needed_constants() -> None:
    case = a_case("thm3.1")
    prescribed, records = trained(case)
    _, judge = adversary_and_judge(case)
    m, n, L, tau = 8, case.train.n, 2, RADIUS
    g = L * tau * math.sqrt(m / n) + L**4 * math.sqrt(m * math.log(m)) * tau ** (4 / 3)
    for record in records:
        start = start_of(case, record.trial)
        margins = judge.data.y * output_of(start, judge.data.X)
        assert record.series["t"][0] == 0
        assert record.series["error"][0] == pytest.approx(np.mean(~(margins > 0)), abs=1e-12)
        assert record.series["bound"][0] == pytest.approx(2 * surrogate_of(start, case.train) + g, rel=1e-9)
        facts = record.facts
        assert facts["error_at_least"] <= facts["error_there"] <= facts["error_at_most"]
        assert facts["bound_there"] == pytest.approx(2 * facts["E_S_there"] + g, rel=1e-9)
        excess = (facts["error_there"] - 2 * facts["E_S_there"]) / g
        assert facts["C_gen_needed"] == pytest.approx(max(excess, 0.0), abs=1e-9)
        assert facts["C_gen_needed_at_upper_limit"] >= facts["C_gen_needed"]
        doubtful = (facts["twice_E_D_there"] - facts["bound_on_twice_E_D_there"]) / g + 1
        assert facts["C_gen_needed_by_E_D"] == pytest.approx(max(doubtful, 0.0), abs=1e-9)
        assert record.success is True
        assert facts["points"] <= 1 + 12 + 2 + 6
    assert prescribed.step_size == pytest.approx(min(1 / 16, RADIUS / (16 * math.sqrt(8))), rel=1e-12)


def test_memorized_random_labels_refute_a_gap_that_is_too_small() -> None:
    """Fresh labels are coin tosses, so that the error is ½ wherever; E_S falls far below as the labels are learnt."""
    arguments = {
        "data": "random-labels:n=16,d=8",
        "width": 32,
        "tau": 20,
        "iterations": 60,
        "L": 1,
        "ascent_steps": 40,
        "points": 1,
    }
    _, records = trained(a_case("thm3.1", constants={"C_gen": "1e-9"}, **arguments))  # type: ignore[arg-type]
    for record in records:
        assert record.facts["E_S_there"] < 0.1
        assert record.facts["error_at_least"] <= 0.5 <= record.facts["error_at_most"]
        assert record.success is False
    case = a_case("thm3.1", **arguments)  # type: ignore[arg-type]
    _, kept = trained(case)
    assert [record.success for record in kept] == [True, True]
    assert kept[0].facts["C_gen_needed"] > 0
    just = kept[0].facts[
        "C_gen_needed"
    ]  # at this C the bound lies within the interval of one error, and above all others
    _, doubtful = trained(a_case("thm3.1", constants={"C_gen": just}, **arguments))  # type: ignore[arg-type]
    assert doubtful[0].success is None
    assert concluded(case).vacuous  # the bound is above 1 everywhere


# The command --------------------------------------------------------------------------------------


def verify(key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_verify(f"cao2020/{key}", *arguments)


@pytest.mark.parametrize(
    ("key", "more", "constants"),
    [
        ("thm3.1", ["tau=0.05"], {"C_gen"}),
        ("lem4.1", [], {"C_J", "C_G"}),
        ("lem4.2", [], {"C_lin", "C_drift", "C_curvature"}),
        ("lem4.3", [], {"C_f0"}),
        ("lem4.4", ["gamma=0.05"], {"C_B"}),
        ("lem4.5", [], {"C_B"}),
    ],
)
def test_every_statement_has_its_report(key: str, more: list[str], constants: set[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = verify(
        key, "--data", SPHERE, "--width", "8", "--trials", "2", "--probe", "none", "L=2", *more, "--out", str(out)
    )
    assert done.returncode in (0, 3), done.stderr
    report = json.loads((out / "report.json").read_text("utf-8"))
    assert report["run"]["dtype"] == "float64"
    claimed = [check for check in report["checks"] if check["claimed"]]
    assert {check["constant"] for check in claimed} == constants
    assert all(check["refuted_if"] and check["bound_is"] and check["needed"] is not None for check in claimed)
    assert constants <= {constant["name"] for constant in report["constants"]}
    assert all(premise["met"] for premise in report["premises"])
    assert len(report["initializations"]) == 2
    assert report["prescribed"].get("width") is None  # both conditions leave no width at unit constants
    markdown = (out / "report.md").read_text("utf-8")
    assert markdown.startswith(f"# cao2020/{key}: {report['verdict']}")
    said = "no width is prescribed" if key == "lem4.3" else "no width satisfies every condition at τ = "
    assert said in markdown.lower()
    inits = markdown[markdown.index("## Every init") :].splitlines()
    rows = [line for line in inits if line.startswith(("| 0 |", "| 1 |"))]
    cells = {line.count(" | ") for line in rows}
    assert len(cells) == 1  # nothing in a cell breaks the table
    assert (out / "report.html").read_text("utf-8").count("<svg") >= 1


@pytest.mark.parametrize(
    ("key", "arguments", "words"),
    [
        ("lem4.1", ["tau=0"], ["tau = 0"]),
        ("lem4.1", ["--width", "7"], ["width m = 7 is odd", "8"]),
        ("lem4.1", ["epsilon=0.1"], ["epsilon is not an input"]),
        ("lem4.1", ["L=0"], ["L = 0"]),
        ("lem4.3", ["tau=0.1"], ["tau is not an input"]),
        ("lem4.4", ["gamma=2"], ["gamma = 2"]),
        ("lem4.1", ["--set", "C_gen=1"], ["C_gen"]),
    ],
)
def test_bad_input_gets_one_clear_line(key: str, arguments: list[str], words: list[str], tmp_path: Path) -> None:
    done = verify(key, "--data", SPHERE, "--trials", "2", *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()
