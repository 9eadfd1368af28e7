"""cao2020's Theorem 3.2 and Corollaries 3.1 to 3.3, against plain gradient descent and the formulas written out."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain import verify as run_verify

from boundcalc.constants import ConstantPolicy
from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.train.networks import he_relu, initial_weights
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.checks import Check
from boundcalc.verify.experiment import Prescribed
from boundcalc.verify.experiments.cao2020_descent.ball import ROOM, largest_admissible, widest_ball
from boundcalc.verify.experiments.population import unseen_examples
from boundcalc.verify.record import Record, Records
from boundcalc.verify.runner import judge_run

Array = NDArray[np.float64]

SPHERE = "sphere:n=40,d=4,margin=0.3"
M, L, TRIALS, STEPS, EPSILON = 16, 2, 3, 40, 0.25


def a_case(
    key: str,
    *,
    data: str = SPHERE,
    trials: int = TRIALS,
    iterations: int | None = STEPS,
    constants: dict[str, Any] | None = None,
    factors: dict[str, Fraction] | None = None,
    **inputs: Any,
) -> Case:
    options = Options(
        data, width=M, trials=trials, points=1, ascent_steps=20, iterations=iterations, device="cpu",
        factors=factors or {},
    )  # fmt: skip
    given = {name: Fraction(value) for name, value in {"L": L, **inputs}.items()}
    return make_case(f"cao2020/{key}", options, given, ConstantPolicy(constants or {}))


Ran = tuple[Case, Prescribed, Records, Records]


def ran(case: Case) -> Ran:
    trials = range(case.trials)
    certificates = {record.trial: record for record in case.experiment.certify(case, trials, lambda step: None)}
    prescribed = case.experiment.prescribe(case, certificates)
    trained = {record.trial: record for record in case.experiment.train(case, prescribed, trials, lambda step: None)}
    return case, prescribed, certificates, trained


@pytest.fixture(scope="module")
def theorem() -> Ran:
    return ran(a_case("thm3.2"))


def checks_of(run: Ran) -> dict[str, Check]:
    case, prescribed, certificates, trained = run
    return {check.name: check for check in case.experiment.conclude(case, prescribed, certificates, trained).checks}


# Independent computations, one network and one example at a time -----------------------------------


def start_of(trial: int, d: int, depth: int = L) -> tuple[list[Array], Array]:
    *layers, v = (w[0].double().numpy() for w in initial_weights(he_relu(depth, M, d), seed=0, trials=(trial,)))
    return layers, v[0]


def outputs(layers: list[Array], v: Array, X: Array) -> tuple[Array, list[Array]]:
    hidden = [X]
    for layer in layers:
        hidden.append(np.maximum(hidden[-1] @ layer.T, 0))
    return hidden[-1] @ v, hidden


def gradients(layers: list[Array], v: Array, data: Dataset) -> tuple[list[Array], float]:
    """∇ L_S layer by layer, and E_S, as sums over the examples."""
    f, hidden = outputs(layers, v, data.X)
    found = [np.zeros_like(layer) for layer in layers]
    share = 1 / (1 + np.exp(data.y * f))
    for i in range(data.n):
        error = -data.y[i] * share[i] / data.n * v
        for number in range(len(layers) - 1, -1, -1):
            error = error * (hidden[number + 1][i] > 0)
            found[number] += np.outer(error, hidden[number][i])
            error = layers[number].T @ error
    return found, float(share.mean())


def plain_descent(
    trial: int, case: Case, eta: float, steps: int
) -> tuple[Array, Array, Array, list[list[Array]], Array]:
    """E_S, max-layer distances and ratios of (3.1) at every iterate, and the iterates."""
    start, v = start_of(trial, case.train.d)
    layers = [layer.copy() for layer in start]
    surrogate, furthest, ratios, path = [], [], [], []
    for _ in range(steps + 1):
        slopes, E_S = gradients(layers, v, case.train)
        surrogate.append(E_S)
        furthest.append(max(np.linalg.norm(a - b) for a, b in zip(layers, start, strict=True)))
        ratios.append(np.linalg.norm(slopes[-1]) / (math.sqrt(M) * E_S))
        path.append([layer.copy() for layer in layers])
        layers = [layer - eta * slope for layer, slope in zip(layers, slopes, strict=True)]
    return np.array(surrogate), np.array(furthest), np.array(ratios), path, v


def wrong(layers: list[Array], v: Array, data: Dataset) -> int:
    return int((outputs(layers, v, data.X)[0] * data.y <= 0).sum())


# Theorem 3.2 --------------------------------------------------------------------------------------


def test_prescriptions_are_those_of_the_theorem(theorem: Ran) -> None:
    _, prescribed, certificates, _ = theorem
    B = float(prescribed.found["B"])
    # Nobody set C_eta, and K is out of reach: η = 1/(L m), which is C_eta times L^(−3) B²/m.
    assert prescribed.step_size == pytest.approx(1 / (L * M), rel=1e-5)
    assert prescribed.steps == STEPS
    uses = {use.name: use for solution in prescribed.solutions.values() for use in solution.constants}
    assert float(uses["C_eta"].value) == pytest.approx(L**2 / B**2, rel=1e-5)
    assert uses["C_eta"].origin.startswith("chosen so that")
    assert float(prescribed.solutions["iterations"].value or 0) == pytest.approx(L**3 / B**4 / EPSILON**2, rel=1e-5)
    assert prescribed.solutions["iterations"].value is not None
    assert float(prescribed.solutions["width"].value or 0) == pytest.approx(
        L**12 / B**4 / EPSILON**2 * math.log(20), rel=1e-6
    )
    # Nobody set C_tau, and at 1 the ball reaches to zero weights: τ = C_tau/(B ε √m) is the radius that was searched.
    tau = certificates[0].facts["searched_radius"]
    assert 1 / (B * EPSILON * math.sqrt(M)) > math.sqrt(2 * M)
    assert float(uses["C_tau"].value) == pytest.approx(tau * B * EPSILON * math.sqrt(M), rel=1e-5)
    assert float(prescribed.solutions["radius"].value or 0) == pytest.approx(tau, rel=1e-5)
    assert min(record.facts["least_ratio"] for record in certificates.values()) == pytest.approx(B, rel=1e-5)
    # Whatever happens at constants that were chosen refutes nothing.
    premises = {premise.name: premise for premise in judge_run(*theorem).premises}
    for name in ("C_eta", "C_tau"):
        assert premises[f"{name} as chosen"].met
        assert not premises[f"{name} as chosen"].certified


def test_what_was_trained_and_measured_is_plain_descent(theorem: Ran) -> None:
    case, prescribed, certificates, trained = theorem
    unseen = unseen_examples(case).data
    for trial in range(TRIALS):
        record = trained[trial]
        surrogate, furthest, ratios, path, v = plain_descent(trial, case, prescribed.step_size, STEPS)
        at = record.series["at"].astype(int)
        assert at[0] == 0
        assert at[-1] == STEPS
        np.testing.assert_allclose(record.series["surrogate"], surrogate, rtol=1e-4)
        np.testing.assert_allclose(record.series["furthest"], furthest[at], rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(record.series["ratio"], ratios[at], rtol=1e-3)
        assert certificates[trial].facts["ratio_at_start"] == pytest.approx(ratios[0], rel=1e-10)
        errors = [wrong(path[k], v, unseen) / unseen.n for k in at]
        np.testing.assert_allclose(record.series["error"], errors, atol=2 / unseen.n)
        assert record.facts["train_error_at_end"] == wrong(path[-1], v, case.train) / case.train.n
        reached = surrogate <= EPSILON
        assert record.facts["first_step_reached"] == (int(reached.argmax()) if reached.any() else None)
        inside = bool((furthest[at] <= certificates[trial].facts["searched_radius"]).all())
        assert record.facts["stayed_in_W_tau"] == inside
        assert record.success is (False if not inside else True if reached.any() else None)


def test_checks_say_which_constants_would_just_do() -> None:
    run = ran(a_case("thm3.2", iterations=150))
    _, prescribed, certificates, trained = run
    B, checks = float(prescribed.found["B"]), checks_of(run)
    first = [record.facts["first_step_reached"] for record in trained.values()]
    furthest = max(record.facts["furthest"] for record in trained.values())
    moved = next(check for name, check in checks.items() if name.startswith("(i)"))
    assert moved.claimed
    assert moved.measured == pytest.approx(furthest)
    assert moved.needed == pytest.approx(furthest * B * EPSILON * math.sqrt(M), rel=1e-6)
    reached = checks["(ii) first iterate with E_S ≤ ε, worst init"]
    assert None not in first
    assert reached.measured == max(first)
    assert reached.needed == pytest.approx((max(first) + 1) * B**4 * EPSILON**2 / L**3, rel=1e-6)
    when = checks["distance of a layer when E_S ≤ ε was reached, worst init"]
    # The next measured iterate after the first that reached ε: no less than at that one, no more than at the end.
    assert 0 < when.measured <= furthest
    searched = checks["(3.1) least ratio found in W_τ, worst init"]
    assert searched.at_least
    assert searched.holds
    assert searched.measured == min(record.facts["least_ratio"] for record in certificates.values())


def test_random_weights_of_the_ball_do_not_contradict_the_B_in_use(theorem: Ran) -> None:
    case, prescribed, certificates, _ = theorem
    B, tau = float(prescribed.found["B"]), certificates[0].facts["searched_radius"]
    generator = np.random.default_rng(5)
    for trial in range(TRIALS):
        start, v = start_of(trial, case.train.d)
        for _ in range(20):
            layers = []
            for layer in start:
                step = generator.standard_normal(layer.shape)
                layers.append(layer + tau * step / np.linalg.norm(step))
            slopes, E_S = gradients(layers, v, case.train)
            assert np.linalg.norm(slopes[-1]) >= B * math.sqrt(M) * E_S


@pytest.mark.parametrize(
    ("arguments", "success"),
    [
        # Too few iterates, each too short to leave or to reach anything: undecided.
        ({"iterations": 3, "constants": {"C_eta": 1}}, None),
        # As many as are prescribed, and ε was not reached: that is decided.
        ({"iterations": None, "constants": {"C_eta": 1, "C_K": 1e-6}}, False),
        # W_τ so small that the first step leaves it.
        ({"iterations": 5, "constants": {"C_tau": 1e-6}}, False),
        # W_τ larger than gradient descent goes, and ε is reached.
        ({"iterations": 150, "constants": {"C_tau": 1}}, True),
    ],
)
def test_success_is_both_parts_and_only_what_can_be_told(arguments: dict[str, Any], success: bool | None) -> None:
    _, prescribed, _, trained = ran(a_case("thm3.2", trials=2, **arguments))
    assert [record.success for record in trained.values()] == [success] * 2
    if arguments["iterations"] is None:
        assert prescribed.steps == float(prescribed.solutions["iterations"].value or 0) < 100
        assert prescribed.step_size == pytest.approx(float(prescribed.found["B"]) ** 2 / L**3 / M, rel=1e-6)


def test_a_bound_that_the_search_contradicts_is_a_premise_unmet() -> None:
    for arguments in ({"B": "0.9"}, {"constants": {"C_tau": 1}}):
        run = ran(a_case("thm3.2", trials=2, iterations=2, **arguments))
        result = judge_run(run[0], run[1], run[2], run[3])
        premise = next(premise for premise in result.premises if premise.name.startswith("(3.1)"))
        assert not premise.met
        assert premise.evidence.startswith("for 0 of 2 inits")
        assert result.verdict == "premise unmet"


def test_a_bound_that_was_given_is_used_as_it_is() -> None:
    case, prescribed, certificates, trained = ran(a_case("thm3.2", trials=2, iterations=2, B="0.02"))
    assert prescribed.found == {}
    assert case.statement.inputs["B"] == Fraction("0.02")
    tau = certificates[0].facts["searched_radius"]
    unit = 1 / (0.02 * EPSILON * math.sqrt(M))
    assert math.log2(unit / tau) == pytest.approx(round(math.log2(unit / tau)), abs=1e-9)
    result = judge_run(case, prescribed, certificates, trained)
    premise = next(premise for premise in result.premises if premise.name.startswith("(3.1)"))
    assert premise.met
    assert not premise.certified  # a search is no proof …
    failed = {trial: replace(record, success=False) for trial, record in trained.items()}
    many = {trial: replace(failed[0], trial=trial) for trial in range(100)}
    searched = {trial: replace(certificates[0], trial=trial) for trial in many}
    judged = judge_run(replace(case, trials=100), prescribed, searched, many)
    assert judged.interval[1] < 0.95
    assert judged.verdict == "inconclusive"  # … so that even a hundred failures refute nothing


def test_a_target_that_fewer_iterates_than_K_miss_is_no_claim_that_failed() -> None:
    checks = checks_of(ran(a_case("thm3.2", trials=1, iterations=2, B="1/20")))
    late = [check for name, check in checks.items() if name.startswith("(ii)")]
    assert [(check.claimed, check.holds) for check in late] == [(False, False), (False, False)]


def test_a_target_that_the_zero_function_meets_is_vacuous() -> None:
    run = ran(a_case("thm3.2", trials=2, iterations=2, epsilon="1/2"))
    assert judge_run(run[0], run[1], run[2], run[3]).verdict == "vacuous"


def test_probes_multiply_what_is_prescribed() -> None:
    constants = {"C_eta": 1, "C_K": 1e-6, "C_tau": 1}
    _, once, *_ = ran(a_case("thm3.2", trials=1, iterations=None, constants=constants, B="1/20"))
    factors = {"eta": Fraction(3), "T": Fraction(1, 2)}
    _, probed, *_ = ran(a_case("thm3.2", trials=1, iterations=None, constants=constants, B="1/20", factors=factors))
    assert probed.step_size == pytest.approx(3 * once.step_size)
    assert probed.steps == math.ceil(once.steps / 2)


# Which B and τ ------------------------------------------------------------------------------------


def wedge(r: float, reach: float) -> Callable[[float], float]:
    """A least ratio that falls linearly from r to 0 at τ = reach."""
    return lambda tau: r * max(0.0, 1 - tau / reach)


@pytest.mark.parametrize("scale", [1e-4, 1e-3, 0.01, 0.02])
def test_the_largest_admissible_bound_is_found_up_to_a_step(scale: float) -> None:
    r, reach = 0.3, 1.0
    least = wedge(r, reach)
    found = largest_admissible(least, r, lambda B: scale / B, open_=True)
    assert found.as_set
    assert least(found.tau) >= found.B
    assert found.tau == pytest.approx(scale / found.B)
    # B = r (1 − scale/(B·reach)): the larger root of B² − r B + r scale/reach.
    largest = (r + math.sqrt(r * r - 4 * r * scale / reach)) / 2
    assert largest / 2 < found.B <= largest / ROOM * 1.0001


@pytest.mark.parametrize("scale", [0.08, 0.1, 0.3, 5.0, 1e3])
def test_without_an_admissible_bound_the_radius_asks_least_of_the_constant(scale: float) -> None:
    r, reach = 0.3, 1.0
    least = wedge(r, reach)
    found = largest_admissible(least, r, lambda B: scale / B, open_=True)
    assert not found.as_set
    assert least(found.tau) == found.B
    best = r * reach / 4  # the maximum of τ b(τ), at τ = reach/2
    assert 0.85 * best <= found.tau * found.B <= best
    fixed = largest_admissible(least, r, lambda B: scale / B, open_=False)
    assert fixed.as_set
    assert (fixed.B, fixed.tau) == (r, scale / r)


def test_where_nothing_helps_the_search_is_left_to_contradict() -> None:
    found = largest_admissible(lambda tau: 0.0, 0.3, lambda B: 1 / B, open_=True)
    assert (found.B, found.as_set) == (0.3, True)


def test_the_widest_ball_for_a_given_bound() -> None:
    least = wedge(0.3, 1.0)
    assert widest_ball(least, 0.3, 0.1, 0.5, open_=True).tau == 0.5
    narrower = widest_ball(least, 0.3, 0.1, 7.0, open_=True)
    assert not narrower.as_set
    assert narrower.tau == 7.0 / 16  # the first half whose ratio, 0.3·(1 − 7/16), has room over 0.1
    assert widest_ball(least, 0.3, 0.1, 7.0, open_=False).tau == 7.0
    assert widest_ball(least, 0.3, 0.4, 7.0, open_=True).tau == 7.0  # above the ratio at the start: nothing helps
    assert widest_ball(lambda tau: 0.0, 0.3, 0.1, 7.0, open_=True).as_set


# Corollaries --------------------------------------------------------------------------------------


def test_corollary_3_1_bounds_the_error_at_the_best_iterate() -> None:
    case, prescribed, certificates, trained = ran(a_case("cor3.1", constants={"C_gen": 1e-6}))
    B, n = float(prescribed.found["B"]), case.train.n
    g = L**2 / (B * EPSILON * math.sqrt(n)) + L**4 * (B * EPSILON) ** (-4 / 3) * M ** (-1 / 6)
    bound = EPSILON + 1e-6 * g
    unseen = unseen_examples(case).data
    assert unseen.n > 1000  # fresh examples: the sphere's law is known
    for trial, record in trained.items():
        surrogate, _, _, path, v = plain_descent(trial, case, prescribed.step_size, STEPS)
        at = record.series["at"].astype(int)
        before = at[at < STEPS]  # the statement is about k < K
        best = before[surrogate[before].argmin()]
        assert record.facts["best_step"] == best
        error = wrong(path[best], v, unseen) / unseen.n
        assert record.facts["error_at_best"] == pytest.approx(error, abs=2 / unseen.n)
        low, high = record.facts["error_interval"]
        assert low < error < high
        assert record.success is (True if high <= bound else None)
        within = [k for k in at if wrong(path[k], v, unseen) / unseen.n <= bound]
        assert record.facts["first_step_within_bound"] == (within[0] if within else None)
    checks = checks_of((case, prescribed, certificates, trained))
    worst = checks["population 0-1 error at k*, worst init"]
    assert worst.bound == pytest.approx(bound, rel=1e-9)
    assert worst.claimed
    assert worst.needed == pytest.approx(max(0.0, (worst.measured - EPSILON) / g), rel=1e-9)
    assert not case.experiment.conclude(case, prescribed, certificates, trained).vacuous
    assert "C_tau" in {use.name for use in prescribed.solutions["radius"].constants}


def test_an_error_bound_of_one_is_vacuous() -> None:
    run = ran(a_case("cor3.1", trials=2, iterations=2))
    result = judge_run(run[0], run[1], run[2], run[3])
    assert result.verdict == "vacuous"
    assert [record.success for record in run[3].values()] == [True, True]


def test_errors_that_are_proven_too_large_fail_only_after_all_iterates() -> None:
    data = "random-labels:n=40,d=4"
    few, all_ = (
        ran(a_case("cor3.3", data=data, trials=2, iterations=iterations, gamma="0.1", constants=constants))
        for iterations, constants in ((3, {"C_eta": 1}), (None, {"C_eta": 1, "C_K": "1e-5"}))
    )
    assert all_[1].steps < 1000
    for record in few[3].values():
        assert record.facts["error_interval"][0] > EPSILON  # about one half of the labels are wrong
    assert [record.success for record in few[3].values()] == [None, None]
    assert [record.success for record in all_[3].values()] == [False, False]


@pytest.mark.parametrize(
    ("key", "data", "factors"),
    [
        # η = 4^(−L) L^(−3) γ²/m; K and n* with the powers of 2^L, 1/γ and L that the proofs plug in.
        ("cor3.2", "relu-features:n=60,d=3,gamma=0.05", (L**3 * 16**L, L**4 * 4**L, L**24 * 256**L)),
        ("cor3.3", "conjugate:n=60,d=4,gamma=0.1,L=2", (1, L**4, L**24)),
    ],
)  # fmt: skip
def test_corollaries_at_a_measured_margin(key: str, data: str, factors: tuple[int, int, int]) -> None:
    case = a_case(key, data=data, trials=1, iterations=2)
    (estimate,) = case.measured
    gamma = case.number("gamma")
    assert gamma == estimate.lower
    assert estimate.name == {"cor3.2": "gamma_random_feature", "cor3.3": "gamma_conjugate_kernel"}[key]
    truth = next(fact.value for fact in case.train.truth if fact.name == estimate.name)
    assert (estimate.upper or 0) >= truth * (1 - 1e-6)  # fewer rows have no smaller margin
    assert gamma >= 0.5 * truth
    run = ran(case)
    solutions = run[1].solutions
    steps, examples, width = factors
    assert float(solutions["iterations"].value or 0) == pytest.approx(steps / gamma**4 / EPSILON**2, rel=1e-9, abs=1)
    m_star = math.log10(width / gamma**8 / EPSILON**14 * math.log(20))
    assert solutions["width"].log10 == pytest.approx(m_star, abs=1e-6)
    assert run[1].step_size <= 1 / (L * M) * 1.0001
    result = judge_run(*run)
    chosen = {use.name: float(use.value) for use in result.chosen}
    n_star = examples / gamma**2 / EPSILON**4 * math.log(20)
    assert chosen["C_n"] == pytest.approx(case.train.n / n_star, rel=1e-4)
    assert solutions["samples"].log10 == pytest.approx(math.log10(n_star), abs=1e-6)
    assert chosen["C_m"] == pytest.approx(M / 10**m_star, rel=1e-4)
    assert all(premise.met for premise in result.premises)
    named = next(premise for premise in result.premises if premise.name.startswith("Assumption 3."))
    assert named
    proved = next(premise for premise in result.premises if "proved" in premise.evidence)
    assert proved.certified


def test_the_step_size_covers_as_much_as_is_prescribed_where_that_is_stable() -> None:
    # γ = 1/2: K·η is so small that a few iterates of a larger η cover it, below 1/(L m).
    _, prescribed, *_ = ran(a_case("cor3.3", trials=1, iterations=30, gamma="1/2"))
    K, eta = 2**4 * 16, 4.0**-L * L**-3 * 0.25 / M
    assert float(prescribed.solutions["iterations"].value or 0) == K
    assert prescribed.steps == 30
    assert prescribed.step_size == pytest.approx(K * eta / 30, rel=1e-5)
    _, kept, *_ = ran(a_case("cor3.3", trials=1, iterations=30, gamma="1/2", constants={"C_eta": 1}))
    assert kept.step_size == pytest.approx(eta, rel=1e-9)
    _, whole, *_ = ran(a_case("cor3.3", trials=1, iterations=None, gamma="1/2"))
    assert whole.steps == K
    assert whole.step_size == pytest.approx(eta, rel=1e-9)


def test_a_margin_that_is_given_is_held_against_the_bracket() -> None:
    data = "conjugate:n=60,d=4,gamma=0.1,L=2"
    for gamma, met in (("1/20", True), ("9/10", False)):
        run = ran(a_case("cor3.3", data=data, trials=1, iterations=2, gamma=gamma))
        premise = next(p for p in judge_run(*run).premises if p.name == "Assumption 3.4")
        assert premise.met is met
        assert ("proved" if met else "refuted") in premise.evidence


def test_a_margin_that_is_not_shown_to_be_positive_is_refused() -> None:
    with pytest.raises(InputError, match=r"not shown to be positive .* give gamma=…"):
        a_case("cor3.3", data="xor:n=40,d=8", L="1")  # the kernel is linear, and no direction separates


def test_a_trial_does_not_depend_on_its_companions() -> None:
    case = a_case("thm3.2", iterations=20)
    together = ran(case)
    certificates = case.experiment.certify(case, (2,), lambda step: None)
    alone = case.experiment.train(case, together[1], (2,), lambda step: None)
    assert certificates[0].facts["searched_radius"] == together[2][2].facts["searched_radius"]
    assert certificates[0].facts["least_ratio"] == pytest.approx(together[2][2].facts["least_ratio"], rel=0.05)
    np.testing.assert_allclose(alone[0].series["surrogate"], together[3][2].series["surrogate"], rtol=1e-5)
    np.testing.assert_allclose(alone[0].series["furthest"], together[3][2].series["furthest"], rtol=1e-4, atol=1e-7)


def test_divergence_is_a_failure() -> None:
    case, prescribed, _, _ = ran(a_case("thm3.2", trials=1, iterations=2))
    wild = replace(prescribed, step_size=1e30, steps=20)
    (record,) = case.experiment.train(case, wild, (0,), lambda step: None)
    assert record.success is False
    assert record.facts["final_E_S"] is None
    assert isinstance(record, Record)


# The command --------------------------------------------------------------------------------------


def verify(key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_verify(f"cao2020/{key}", *arguments)


@pytest.mark.parametrize(
    ("key", "data", "depth", "constants"),
    [
        ("thm3.2", SPHERE, 1, {"C_tau", "C_K"}),
        ("cor3.1", SPHERE, 1, {"C_gen", "C_K"}),
        ("cor3.2", "sphere:n=40,d=2,margin=0.3", 1, {"C_K"}),
        ("cor3.3", "conjugate:n=40,d=4,gamma=0.1,L=2", 2, {"C_K"}),
    ],
)
def test_every_statement_has_its_report(key: str, data: str, depth: int, constants: set[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["--data", data, "--width", "8", "--trials", "2", f"L={depth}", "--set", "C_K=1e-6"]
    command += ["--probe", "none", "--out", str(out)]
    done = verify(key, *command)
    assert done.returncode in (0, 3), done.stderr
    assert "of 2 inits" in done.stdout
    report = json.loads((out / "report.json").read_text("utf-8"))
    claimed = [check for check in report["checks"] if check["claimed"]]
    assert claimed
    assert all(check["refuted_if"] and check["bound_is"] for check in claimed)
    assert {check["constant"] for check in report["checks"] if check["constant"]} == constants
    assert {"C_m", "C_eta", "C_K"} <= {constant["name"] for constant in report["constants"]}
    assert len(report["initializations"]) == 2
    markdown = (out / "report.md").read_text("utf-8")
    assert markdown.startswith(f"# cao2020/{key}: {report['verdict']}")
    assert (out / "report.html").read_text("utf-8").count("<svg") >= 2
    again = verify(key, *command)
    verdict = done.stdout.splitlines()[1]
    assert verdict.startswith(f"cao2020/{key}: {report['verdict']}")
    assert again.stdout.splitlines()[1] == verdict  # a finished run is not repeated


@pytest.mark.parametrize(
    ("key", "arguments", "words"),
    [
        ("thm3.2", ["B=0"], ["B = 0"]),
        ("thm3.2", ["gamma=0.1"], ["gamma is not an input"]),
        ("thm3.2", ["--width", "7"], ["width m = 7 is odd", "8"]),
        ("thm3.2", ["--width", "8,16"], ["--width 8,16", "one"]),
        ("cor3.1", ["epsilon=2"], ["epsilon = 2"]),
        ("cor3.1", ["--set", "C_q=1"], ["C_q", "C_gen"]),
        ("cor3.2", ["B=0.1"], ["B is not an input"]),
        ("cor3.2", ["gamma=0"], ["gamma = 0"]),
        ("cor3.3", ["L=0"], ["L = 0"]),
        ("cor3.3", ["--strict"], ["--strict", "epsilon=…", "--set C_eta=…"]),
    ],
)
def test_bad_input_gets_one_clear_line(key: str, arguments: list[str], words: list[str], tmp_path: Path) -> None:
    done = verify(key, "--data", SPHERE, *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()
