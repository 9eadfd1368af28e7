"""The ladder of widths: which engine is chosen, what it says of a guarantee, and the limit in place of a network."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from plain import verify

from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.estimate.kernels import Kernel, kernel_matrix
from boundcalc.train.matrixfree import MatrixFreeEngine
from boundcalc.train.networks import initial_weights
from boundcalc.train.sgd import sample_orders
from boundcalc.verify import ladder
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.engines import engine_of
from boundcalc.verify.experiments.chen2019_limit import certify_by_products
from boundcalc.verify.experiments.online import jury
from boundcalc.verify.ladder import Plan, Widths, case_at, climb, parse_widths, plan
from boundcalc.verify.probes import probe
from boundcalc.verify.record import Record
from boundcalc.verify.runner import Result, run

XOR = "xor:n=8,d=3"
QUARTER = {"epsilon": Fraction(1, 5)}
GB = 2**30


def options(**more: Any) -> Options:
    return Options(**{"data": XOR, "trials": 3, "test_fraction": Fraction(1, 2), **more})


def planned(widths: str, key: str = "chen2019/thm2.1", given: dict[str, Fraction] | None = None, **more: Any) -> Plan:
    found = parse_widths(widths)
    assert found is not None
    return plan(key, options(), QUARTER if given is None else given, found, **more)


def names(found: Plan) -> list[tuple[int | None, str]]:
    return [(rung.width, rung.engine) for rung in found.rungs]


def test_widths_are_read() -> None:
    assert parse_widths("auto") == Widths(None, None)
    assert parse_widths("64:inf") == Widths(64, None)
    assert parse_widths("64:∞") == Widths(64, None)
    assert parse_widths("1e2 : 2^12") == Widths(100, 4096)
    assert parse_widths("64") is None
    assert parse_widths("64,128") is None
    assert parse_widths("inf") is None


@pytest.mark.parametrize("text", ["1:64", "64:8", "2.5:inf", "64:", ":64", "inf:64", "-4:8", "x:inf"])
def test_widths_that_are_none_are_refused_and_echoed(text: str) -> None:
    with pytest.raises(InputError, match="--width"):
        parse_widths(text)


def test_a_ladder_goes_up_by_fours_to_its_end() -> None:
    assert names(planned("8:100")) == [(8, "dense"), (32, "dense")]


def test_a_ladder_to_infinity_ends_there_and_says_what_was_left_out() -> None:
    found = planned("8:inf", time_limit=0.05)
    assert found.rungs[-1].width is None
    assert not found.reached
    assert any("s allowed" in why for why in found.left_out.values())
    for rung in found.rungs[:-1]:
        assert rung.seconds <= 0.05


def test_a_width_that_no_memory_holds_is_trained_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """At m = 8192 one m × m matrix with its search takes more than a GB; a few directions take megabytes."""
    monkeypatch.setattr(ladder, "available_bytes", lambda device: 2 * GB)
    short = {**QUARTER, "R": Fraction(3, 2)}
    found = planned("8:inf", given=short, time_limit=math.inf)
    engines = dict(names(found))
    assert engines[8] == "dense"
    assert engines[8192] == "matrixfree"
    widest = max(width for width in engines if width is not None)
    assert widest > 8192
    assert all(rung.cost.bytes <= GB for rung in found.rungs if rung.width is not None)


def test_the_prescribed_width_alone_where_an_engine_reaches_it() -> None:
    found = plan("du2019", options(data="xor:n=4,d=2"), {"delta": Fraction(1, 5)}, Widths(None, None))
    assert found.reached
    assert found.prescribed.value is not None
    assert names(found) == [(int(found.prescribed.value) + int(found.prescribed.value) % 2, "dense")]


def test_else_the_widest_that_is_reached_and_infinity() -> None:
    found = planned("auto", time_limit=5.0)
    assert not found.reached
    (width, _), last = names(found)
    assert last == (None, "infinite")
    assert width is not None
    assert width & (width - 1) == 0


def test_a_statement_with_the_dense_engine_alone_has_no_ladder() -> None:
    with pytest.raises(InputError, match=r"cao2020/thm3\.1 is verified by the dense engine alone; give --width M"):
        plan("cao2020/thm3.1", options(), {}, Widths(8, None))


def at_infinity(trials: int = 3, **given: Fraction) -> Case:
    return case_at("chen2019/thm2.1", options(trials=trials), {**QUARTER, **given}, "infinite")


def test_the_limit_is_descent_with_the_closed_form_kernel() -> None:
    """Against kernel descent written out, from the outputs at the start."""
    case = at_infinity()
    engine = engine_of(case, range(3), 10, (case.test,))
    start = engine.outputs().numpy()
    X, y = case.train.X, case.train.y
    kernel = np.asarray(kernel_matrix(X, Kernel.tangent(3, "chen2019")))
    eta, m = 1 / (3 * float(case.width)), float(case.width)
    f = start.copy()
    for _ in range(10):
        slopes = -y / (1 + np.exp(y * f)) / len(y)
        assert engine.step(lambda f: -case_slope(f, y), eta).numpy() == pytest.approx(f, rel=1e-9, abs=1e-12)
        f = f - eta * m * slopes @ kernel
    assert engine.outputs().numpy() == pytest.approx(f, rel=1e-9, abs=1e-12)


def case_slope(f: torch.Tensor, y: NDArray[np.float64]) -> torch.Tensor:
    signs = torch.from_numpy(np.array(y))
    return signs * torch.sigmoid(-signs * f) / len(y)


def test_the_width_that_the_limit_stands_in_for_changes_nothing(tmp_path: Path) -> None:
    narrow = at_infinity(R=Fraction(2))
    wide = narrow.at_width(10**60)
    first, second = (run(case, tmp_path / str(i)) for i, case in enumerate((narrow, wide)))
    for trial in range(3):
        a, b = first.trained[trial], second.trained[trial]
        assert a.series["loss"] == pytest.approx(b.series["loss"], rel=1e-12)
        assert a.facts["distance_times_m_alpha"] == pytest.approx(b.facts["distance_times_m_alpha"], rel=1e-12)


def test_a_wide_network_is_near_its_limit(tmp_path: Path) -> None:
    """Final losses at m = 2048 have the limit's mean; the tolerance is four standard errors of 12 + 12 inits."""
    given = {**QUARTER, "R": Fraction(1)}
    wide = run(make_case("chen2019/thm2.1", options(trials=12, width=256), given), tmp_path / "wide")
    limit = run(at_infinity(12, R=Fraction(1)), tmp_path / "limit")
    losses = [np.log([record.facts["final_loss"] for record in result.trained.values()]) for result in (wide, limit)]
    error = math.sqrt(sum(part.var(ddof=1) / part.size for part in losses))
    assert abs(losses[0].mean() - losses[1].mean()) < 4 * error + 0.02


def result_of(successes: int, trials: int, case: Case, result: Result) -> Result:
    from boundcalc.verify.statistics import clopper_pearson

    return replace(result, successes=successes, interval=clopper_pearson(successes, trials))


def test_where_a_guarantee_starts_to_hold(tmp_path: Path) -> None:
    """It holds from a rung on if it is shown to on that one and on all above it."""
    climbed = climb(planned("32:40"), tmp_path)
    one = climbed.climbed[0]
    failure = float(one.result.case.failure)
    assert failure == pytest.approx(0.05)

    def rungs(*successes: int) -> ladder.Ladder:
        made = [
            replace(one, rung=replace(one.rung, case=replace(one.rung.case, width=32 * 4**i)),
                    result=result_of(count, 100, one.rung.case, one.result))
            for i, count in enumerate(successes)
        ]  # fmt: skip
        return ladder.Ladder(climbed.plan, tuple(made))

    def width(found: ladder.Ladder) -> int | None:
        return None if found.start is None else found.start.rung.width

    assert [rung.holds for rung in rungs(100, 97, 60).climbed] == [True, None, False]
    assert width(rungs(60, 100, 100)) == 128
    assert width(rungs(100, 60, 100)) == 512
    assert width(rungs(100, 100, 97)) is None
    assert width(rungs(100, 100, 100)) == 32


def test_a_ladder_at_the_command_line(tmp_path: Path) -> None:
    out = tmp_path / "ladder"
    arguments = ("chen2019/thm2.1", "--data", XOR, "--test-fraction", "1/2", "--trials", "2", "epsilon=1/5", "R=3")
    done = verify(*arguments, "--width", "32:inf", "--time-limit", "0.5", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "Prescribed: m ≥" in done.stderr
    assert "which no finite engine reaches here" in done.stderr
    assert "In the limit m → ∞, which is no network: 2 of 2 inits" in done.stdout
    facts = json.loads((out / "ladder.json").read_text(encoding="utf-8"))
    assert [rung["engine"] for rung in facts["rungs"]][-1] == "infinite"
    assert facts["rungs"][-1]["width"] is None
    words = ("boundcalc verify chen2019/thm2.1", "--width 32:inf", "--time-limit 0.5", "--trials 2", "epsilon=0.2 R=3")
    for shown in (facts["run"]["command"], (out / "ladder.md").read_text(encoding="utf-8")):
        assert all(word in shown for word in words), shown
    for rung in facts["rungs"]:
        report = json.loads((out / rung["folder"] / "report.json").read_text(encoding="utf-8"))
        assert report["run"]["engine"] == rung["engine"]
        assert report["successes"] == rung["successes"]
    # What C_m is said to make a width enough does so, and a little more does not.
    first = facts["rungs"][0]
    name, value = first["constant"]["name"], Fraction(first["constant"]["value"])
    for factor, enough in ((1, True), (Fraction(1001, 1000), False)):
        again = verify(
            *arguments, "--width", "32", "--probe", "none", "--set", f"{name}={value * factor}",
            "--out", str(tmp_path / f"at {enough}"),
        )  # fmt: skip
        assert ("width 32 satisfies it" in again.stdout) is enough, again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--width", "8:inf", "--engine", "dense"), "--engine dense is about one width"),
        (("--width", "8:inf", "--probe", "eta=2"), "--probe eta=2 is about one width"),
        (("--width", "8", "--time-limit", "9"), "--time-limit 9 chooses among widths"),
        (("--width", "8", "--engine", "infinite"), "--width 8 with the infinite engine, which has none"),
        (("--width", "inf", "--engine", "dense"), "--engine dense cannot train at --width inf"),
        (("--width", "8:64", "--dtype", "float32"), "--dtype float32: only the dense engine computes in it"),
        (("--width", "7:7"), "no even width lies between 7 and 7"),
        (("--width", "8:4"), "--width 8:4 ends below where it begins"),
        (("--width", "auto", "--time-limit", "-1"), "a time limit of -1 s"),
    ],
)
def test_wrong_ladders_are_refused_in_one_line(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = verify("chen2019/thm2.1", "--data", XOR, "R=2", *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "run").exists()


def test_good_weights_without_weights_are_good_weights() -> None:
    """R by products, beside the limit's and beside the searched one of stored weights, over 12 inits of each."""
    case = make_case("chen2019/thm2.1", options(trials=12, width=256), QUARTER)
    searched = [record.facts["R"] for record in case.experiment.certify(case, range(12), lambda step: None)]
    products = case.trained_by("matrixfree", 256)
    records = products.experiment.certify(products, range(12), lambda step: None)
    assert all(record.success and record.facts["worst_loss_at_R"] < 0.2 for record in records)
    found = [record.facts["R"] for record in records]
    assert np.mean(found) == pytest.approx(np.mean(searched), rel=0.15)
    limit = at_infinity(12)
    least = [record.facts["R"] for record in limit.experiment.certify(limit, range(12), lambda step: None)]
    assert np.mean(found) == pytest.approx(np.mean(least), rel=0.15)


def test_what_was_certified_is_what_is_trained() -> None:
    """Engines that are shown the same vectors have the same W(0): the same R again, and the same outputs after it."""
    case = make_case("chen2019/thm2.1", options(width=256), QUARTER).trained_by("matrixfree", 256)
    first = case.experiment.certify(case, range(3), lambda step: None)
    engine = engine_of(case, range(3), 5, (case.test,))
    assert isinstance(engine, MatrixFreeEngine)
    before = engine.outputs()
    second = certify_by_products(case, range(3), engine)
    assert [one.facts["R"] for one in second] == pytest.approx([one.facts["R"] for one in first], rel=1e-9)
    assert engine.outputs().numpy() == pytest.approx(before.numpy(), rel=1e-9, abs=1e-12)
    assert engine.distances().numpy() == pytest.approx(0.0, abs=1e-12)
    alone = engine_of(case, [1], 5, (case.test,))
    assert isinstance(alone, MatrixFreeEngine)
    (again,) = certify_by_products(case, [1], alone)
    assert again.facts["R"] == pytest.approx(first[1].facts["R"], rel=1e-9)


def test_weights_moved_along_the_start_are_those_of_a_dense_network() -> None:
    """One product form against W(0) + Σ c ∇f written out, for the layers that are stored and the one that is not."""
    case = make_case("chen2019/thm2.1", options(width=16), QUARTER).trained_by("matrixfree", 16)
    engine = engine_of(case, [0], 5)
    assert isinstance(engine, MatrixFreeEngine)
    coefficients = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 1, case.train.n))) / 16
    # Its hidden matrix, completed by showing it every coordinate.
    hidden = engine.matrices[1].times(torch.eye(16, dtype=torch.float64)[None], start=True).values[0].T
    first, last = (initial_weights(case.network, seed=0, trials=[0], dtype=torch.float64)[i][0] for i in (0, 2))
    weights = [first, hidden, last]
    X = torch.tensor(case.train.X)

    def outputs(layers: list[torch.Tensor]) -> torch.Tensor:
        h = X.T
        for layer in layers[:-1]:
            h = torch.relu(layer @ h)
        return case.network.output_scale * (layers[-1] @ h)[0]

    leaves = [weight.clone().requires_grad_() for weight in weights]
    moved = []
    for number, leaf in enumerate(leaves):
        (gradient,) = torch.autograd.grad((outputs(leaves) * coefficients[number, 0]).sum(), leaf)
        moved.append(leaf.detach() + gradient)
    engine.move_along_start(coefficients)
    assert engine.outputs()[0].numpy() == pytest.approx(outputs(moved).numpy(), rel=1e-9)
    distances = [float(torch.linalg.matrix_norm(a - b)) for a, b in zip(moved, weights, strict=True)]
    assert engine.distances()[0].numpy() == pytest.approx(distances, rel=1e-6)


def test_online_sgd_without_weights_and_at_infinity() -> None:
    """Theorem 2.3: the limit against kernel SGD written out; without hidden weights, the same orders and judges."""
    given = {**QUARTER, "R": Fraction(2)}
    at = options(data="sphere:n=40,d=3,margin=0.8", trials=2)
    case = case_at("chen2019/thm2.3", at, given, "infinite")
    prescribed = case.experiment.prescribe(case, {0: Record(0, True, {"R": 2.0})})
    records = case.experiment.train(case, prescribed, range(2), lambda step: None)
    judging = jury(case, prescribed.steps)
    seen = judging.unseen.data
    start = engine_of(case, range(2), 1, (seen,)).outputs(np.concatenate([case.train.X, seen.X])).numpy()
    kernel = np.asarray(kernel_matrix(np.concatenate([case.train.X, seen.X]), Kernel.tangent(3, "chen2019")))
    orders = sample_orders(case.train.n, trials=range(2), seed=0)
    for trial in range(2):
        f, wrong = start[trial].copy(), []
        for t, row in enumerate(orders[trial]):
            wrong += [f[case.train.n + j] * seen.y[j] <= 0 for j in np.flatnonzero(judging.iterates == t)]
            sign = case.train.y[row]
            f += prescribed.step_size * case.width * sign / (1 + np.exp(sign * f[row])) * kernel[row]
        assert records[trial].facts["mean_error"] == pytest.approx(np.mean(wrong))
    products = case.trained_by("matrixfree", 128)
    prescribed = products.experiment.prescribe(products, {0: Record(0, True, {"R": 2.0})})
    for record in products.experiment.train(products, prescribed, range(2), lambda step: None):
        assert record.series["error"].size == judging.size
        assert record.series["distances"].size == prescribed.steps + 1


@pytest.mark.parametrize("key", ["chen2019/thm2.1", "chen2019/thm2.2", "cao2020/cor3.2"])
def test_a_run_without_weights_says_what_it_left_out(key: str, tmp_path: Path) -> None:
    """At a width where the directions fill the space, so that most of them have something left out."""
    given = {"gamma": Fraction(1, 5)} if key.startswith("cao2020") else {**QUARTER, "R": Fraction(1)}
    at = options(width=16, iterations=12, trials=2)
    result = run(case_at(key, at, given, "matrixfree"), tmp_path)
    for record in result.trained.values():
        assert 0 < record.facts["loss_of_orthogonality"] < 1e-12
        assert 0 <= record.facts["output_error"] < 1e-8
    assert "Trained without its hidden weights" in result.conclusion.notes[0]


def test_a_ladder_goes_on_as_it_was_planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rates are measured again at every start, and must not change what was begun."""
    given = {**QUARTER, "R": Fraction(3)}
    first = climb(planned("32:128", given=given), tmp_path)
    slower = planned("32:128", given=given)
    slower = replace(slower, rungs=slower.rungs[:1], left_out={"m = 128 and wider": "it takes too long"})
    second = climb(slower, tmp_path)
    assert [one.rung.case.width for one in second.climbed] == [32, 128]
    assert second.plan.left_out == first.plan.left_out == {}  # 128 was not left out: it was run
    for before, after in zip(first.climbed, second.climbed, strict=True):
        assert before.result.trained.keys() == after.result.trained.keys()
        assert before.result.interval == after.result.interval
    with pytest.raises(InputError, match=r"holds another ladder \(inputs is .*; give another --out"):
        climb(planned("32:128", given={**given, "epsilon": Fraction(1, 4)}), tmp_path)
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        climb(slower, tmp_path)
    (tmp_path / "plan.json").unlink()
    with pytest.raises(InputError, match="holds something else than a ladder"):
        climb(slower, tmp_path)


def test_a_rung_that_cannot_be_run_does_not_end_the_ladder(tmp_path: Path) -> None:
    """At m = 2 no init has weights that fit the examples."""
    done = verify(
        "chen2019/thm2.1", "--data", XOR, "--test-fraction", "1/2", "--trials", "2", "epsilon=1/5",
        "--width", "2:40", "--out", str(tmp_path / "run"),
    )  # fmt: skip
    facts = json.loads((tmp_path / "run" / "ladder.json").read_text(encoding="utf-8"))
    assert [rung["width"] for rung in facts["rungs"]][-1] == 32
    if "m=2" in facts["left_out"]:
        assert "good weights" in facts["left_out"]["m=2"] or "no weights" in facts["left_out"]["m=2"]
        assert "left out: m=2" in done.stdout


def test_what_is_reached_is_said_of_the_inits_that_were_run(tmp_path: Path) -> None:
    """With a C_m so small that the narrow width is just enough at R = 1, the inits' own R asks for more."""
    given = {**QUARTER, "R": Fraction(3)}
    found = planned("32:40", given=given)
    climbed = climb(found, tmp_path)
    (one,) = climbed.climbed
    assert not one.asked_for
    assert not climbed.reached
    enough = one.constant
    assert enough is not None
    again = climb(
        plan("chen2019/thm2.1", options(), given, Widths(32, 40), ConstantPolicy({"C_m": enough.value})),
        tmp_path / "again",
    )
    assert again.climbed[0].asked_for
    assert again.reached


def test_a_limit_without_randomness_is_run_once_and_decides(tmp_path: Path) -> None:
    """Below α = 1/2 f_0 = 0 in the limit: 72 equal runs would be no evidence."""
    case = case_at("chen2019/thm2.1", options(trials=None), {**QUARTER, "alpha": Fraction(2, 5)}, "infinite")
    assert case.trials == 1
    result = run(case, tmp_path)
    assert result.interval == (1.0, 1.0)
    assert result.verdict == "holds in the limit"
    assert "Nothing is random here" in result.conclusion.notes[1]
    assert not any("draw of" in note or "over these very inits" in note for note in result.conclusion.notes)
    assert not probe(result, tmp_path, {"m": [Fraction(2)]})
    (half,) = probe(result, tmp_path, {"eta": [Fraction(1, 2)]}, inits=1)
    assert half.interval == (1.0, 1.0)


def test_a_limit_is_neither_supported_nor_refuted(tmp_path: Path) -> None:
    result = run(at_infinity(72), tmp_path)
    assert result.verdict == "holds in the limit"
    assert not any(premise.name == "m ≥ m*" and not premise.met for premise in result.premises)


def test_an_address_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    for address in ("foo", "", "localhost:8786"):
        done = verify(
            "chen2019/thm2.1", "--data", XOR, "--width", "8", "--cluster", address, "--out", str(tmp_path / "run")
        )
        assert done.returncode == 2
        assert f"--cluster {address!r} is no address; give one as tcp://HOST:8786" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
