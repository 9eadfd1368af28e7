"""Inputs taken from data: the right estimate for each assumption, on its safe side, with its origin shown.

Two rows at an angle θ with opposite labels have every margin in closed form: by symmetry both weigh ½. Six rows of a
regular hexagon with alternating labels are the third harmonic, which no mean of ReLU features holds: its margin is 0.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.spatial.distance import pdist

import boundcalc.estimate.measures as measures
import boundcalc.measuring as measuring
from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli, main
from boundcalc.data import load
from boundcalc.estimate import Estimate
from boundcalc.estimate.radius_study import radius_bracket
from boundcalc.measuring import DataFacts, taken
from boundcalc.query import ask
from boundcalc.report.answers import reply_json, reply_text
from boundcalc.solving import Measured, evaluate, solve
from boundcalc.symbols import R, gamma, phi
from boundcalc.theorem import Hypothesis, Theorem

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_theorem.toml"
THETA = 1.0


def write_csv(path: Path, rows: NDArray[np.float64], labels: list[int]) -> str:
    lines = [
        ",".join([*(repr(float(entry)) for entry in row), str(label)]) for row, label in zip(rows, labels, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def at_angles(*angles: float) -> NDArray[np.float64]:
    return np.array([[math.cos(angle), math.sin(angle)] for angle in angles])


@pytest.fixture
def two(tmp_path: Path) -> str:
    """Two rows at the angle θ, one of each label."""
    return write_csv(tmp_path / "two.csv", at_angles(0.0, THETA), [1, -1])


@pytest.fixture
def hexagon(tmp_path: Path) -> str:
    """The third harmonic, which neither means of ReLU features hold nor κ^(0) and κ^(1); κ^(2) does."""
    return write_csv(tmp_path / "hexagon.csv", at_angles(*(math.pi / 3 * k for k in range(6))), [1, -1] * 3)


@pytest.fixture
def cloud(tmp_path: Path) -> str:
    """Nine rows in four dimensions, of any norm."""
    random = np.random.default_rng(7)
    return write_csv(tmp_path / "cloud.csv", random.standard_normal((9, 4)) * 5, [1, 1, 1, 1, -1, -1, -1, -1, -1])


def rows_of(path: str) -> NDArray[np.float64]:
    table = np.loadtxt(path, delimiter=",")[:, :-1]
    return np.asarray(table / np.linalg.norm(table, axis=1, keepdims=True))


def answered(*arguments: str, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == code, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def origins(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in answer["measured"]}


def refused(*arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The line that refuses a command."""
    monkeypatch.setattr("sys.argv", ["boundcalc", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("boundcalc: ")
    return err


# What is measured ---------------------------------------------------------------------------------


def test_n_is_the_number_of_rows(cloud: str) -> None:
    answer = answered("eval", "cao2020/lem4.3", "output", "delta=0.05", "--data", cloud)
    assert answer["inputs"] == {"delta": 0.05, "n": 9}
    assert answer["assumed"] == {}
    (n,) = answer["measured"]
    assert (n["name"], n["value"], n["direction"], n["source"]) == ("n", 9, "exact", cloud)
    assert "4 examples of '1'" in n["method"]
    assert float(answer["log10"]) == pytest.approx(math.log10(math.sqrt(math.log(9 / 0.05))), rel=1e-12)


def test_phi_is_the_least_distance_and_the_width_is_the_formula_at_it(cloud: str) -> None:
    answer = answered("eval", "zou2019", "width", "L=3", "--data", cloud)
    least = pdist(rows_of(cloud)).min()
    found = Fraction(str(answer["inputs"]["phi"]))
    assert float(found) == pytest.approx(least, rel=1e-11)
    assert found <= Fraction(float(least)), "rounded to the safe side"
    assert int(answer["value"]) == math.ceil(9**8 * 3**12 / found**4)
    assert origins(answer)["phi"]["estimate"] == "phi"
    assert origins(answer)["phi"]["end"] == "exact"


def test_lambda_0_is_the_least_eigenvalue_from_below(cloud: str) -> None:
    answer = answered("eval", "du2019", "width", "delta=1/20", "--data", cloud)
    inner = np.clip(rows_of(cloud) @ rows_of(cloud).T, -1.0, 1.0)
    np.fill_diagonal(inner, 1.0)
    least = np.linalg.eigvalsh(inner * (math.pi - np.arccos(inner)) / (2 * math.pi)).min()
    found = Fraction(str(answer["inputs"]["lambda_0"]))
    assert float(found) == pytest.approx(least, rel=1e-6)
    assert float(found) <= least + 1e-15
    assert int(answer["value"]) == math.ceil(9**6 / found**4 * 20**3)
    one = origins(answer)["lambda_0"]
    assert (one["end"], one["safe"]) == ("lower", True)
    assert one["lower"] <= least + 1e-15 <= one["upper"] + 2e-15


def conjugate(levels: int, cosine: float) -> float:
    """κ^(levels) of two unit rows: each level takes E[σσ] = √(k k')·(sin t + (π − t) cos t)/(2π)."""
    size = 1.0
    for _ in range(levels):
        angle = math.acos(cosine)
        cosine = (math.sin(angle) + (math.pi - angle) * cosine) / math.pi
        size /= 2
    return size * cosine


def conjugate_margin(levels: int) -> float:
    return math.sqrt((2.0**-levels - conjugate(levels, math.cos(THETA))) / 2)


def random_feature_margin() -> float:
    """½ E|σ(⟨u, x⟩) − σ(⟨u, x'⟩)|, of which the radius is E‖u‖ = √(π/2)."""
    integral, _ = quad(
        lambda t: abs(max(math.cos(t), 0) - max(math.cos(t - THETA), 0)),
        -math.pi, math.pi, points=[THETA / 2, THETA / 2 - math.pi, -math.pi / 2, math.pi / 2, THETA - math.pi / 2],
        epsabs=1e-13, limit=200,
    )  # fmt: skip
    return math.sqrt(math.pi / 2) * integral / (2 * math.pi) / 2


def ji_margin() -> float:
    """½ E‖x 1{⟨z, x⟩ > 0} − x' 1{⟨z, x'⟩ > 0}‖: 1 where one of them is on, ‖x − x'‖ where both are."""
    return (2 * THETA + (math.pi - THETA) * 2 * math.sin(THETA / 2)) / (2 * math.pi) / 2


@pytest.mark.parametrize(
    ("key", "estimate", "margin"),
    [
        ("cao2020/cor3.2", "gamma_random_feature", random_feature_margin),
        ("cao2020/lem4.4", "gamma_random_feature", random_feature_margin),
        ("cao2020/cor3.3", "gamma_conjugate_kernel", lambda: conjugate_margin(3)),
        ("cao2020/lem4.5", "gamma_conjugate_kernel", lambda: conjugate_margin(3)),
        ("ji2020", "gamma_ji2020", ji_margin),
    ],
)
def test_each_assumption_has_its_own_margin(key: str, estimate: str, margin: Callable[[], float], two: str) -> None:
    answer = answered("eval", key, "width", "L=4", "--data", two)
    one = origins(answer)["gamma"]
    assert (one["estimate"], one["end"], one["safe"], one["source"]) == (estimate, "lower", True, two)
    assert one["at"] == ({"L": 4} if estimate == "gamma_conjugate_kernel" else {})
    assert one["value"] == answer["inputs"]["gamma"]
    assert one["value"] <= one["lower"]
    assert one["value"] == pytest.approx(margin(), rel=1e-7)
    assert one["value"] <= margin() + 1e-14


@pytest.mark.parametrize("L", [1, 2, 6])
def test_the_conjugate_kernel_is_that_of_the_statement_s_depth(L: int, two: str) -> None:
    answer = answered("eval", "cao2020/cor3.3", "width", f"L={L}", "epsilon=1/10", "delta=1/20", "--data", two)
    found = Fraction(str(answer["inputs"]["gamma"]))
    assert float(found) == pytest.approx(conjugate_margin(L - 1), rel=1e-8)
    log10 = 24 * math.log10(L) - 8 * math.log10(found) + 14 + math.log10(math.log(20))
    assert answer["log10"] == pytest.approx(log10, rel=1e-11)


def test_a_depth_in_hidden_layers_and_one_in_weight_matrices_are_the_same_kernel(two: str, tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    file = tmp_path / "own.toml"
    file.write_text(text.replace('depth = "hidden layers"', 'depth = "weight matrices"'), "utf-8")
    found = {}
    for theorems, L in ((EXAMPLE, 3), (file, 4)):
        answer = answered("eval", "doe2030/thm1", "width", f"L={L}", "--data", two, "--theorems", str(theorems))
        found[L] = answer["inputs"]["gamma"]
        assert origins(answer)["gamma"]["at"] == {"L": L}
    assert found[3] == found[4] == pytest.approx(conjugate_margin(2), rel=1e-8)


def test_an_assumed_depth_at_which_something_is_measured_is_listed(two: str) -> None:
    """No inequality of Lemma 4.5 has an L, but its margin has."""
    answer = answered("eval", "cao2020/lem4.5", "width", "--data", two)
    assert answer["assumed"]["L"] == 3
    assert origins(answer)["gamma"]["at"] == {"L": 3}
    given = answered("eval", "cao2020/lem4.5", "width", "L=2", "--data", two)
    assert given["inputs"]["L"] == 2
    assert given["unused"] == []
    assert given["inputs"]["gamma"] == pytest.approx(conjugate_margin(1), rel=1e-8)


def test_what_is_given_is_not_measured(two: str) -> None:
    answer = answered("eval", "cao2020/cor3.3", "width", "gamma=0.3", "n=50", "L=3", "--data", two)
    assert answer["measured"] == []
    assert answer["inputs"] == {"gamma": 0.3, "L": 3, "n": 50}


def test_symbols_of_a_formula_that_was_given_are_measured_too(cloud: str) -> None:
    answer = answered("eval", "chen2019/thm2.1", "width", "R=n^(3/2)*phi^(-1/2)", "L=2", "--data", cloud)
    assert set(origins(answer)) == {"n", "phi"}
    radius = 9**1.5 / math.sqrt(answer["inputs"]["phi"])
    log10 = 2 * (11 * math.log10(2) + 4 * math.log10(radius)) + 4 / 3 * math.log10(math.log(9 / 0.05))
    assert answer["log10"] == pytest.approx(log10, rel=1e-11)


def test_data_do_not_answer_what_is_asked_for(cloud: str) -> None:
    asked = ("eval", "cao2020/cor3.3", "samples", "gamma=0.3", "L=3")
    with_data, without = answered(*asked, "--data", cloud), answered(*asked)
    assert with_data == without
    solved = ("solve", "cao2020/lem4.3", "n", "output=3", "delta=0.1")
    assert answered(*solved, "--data", cloud) == answered(*solved)


def test_the_condition_on_the_number_of_examples_is_checked(two: str) -> None:
    answer = answered("eval", "cao2020/cor3.3", "width", "L=3", "--data", two)
    (unmet,) = answer["unmet"]
    assert unmet.startswith("condition unmet: n = 2, but the statement asks for n ≥ 10^")
    assert (
        answered("solve", "cao2020/cor3.3", "epsilon", "width=1e90", "L=3", "--data", two, code=3)["status"] == "empty"
    )


def test_strict_takes_what_is_measured(cloud: str) -> None:
    arguments = ("eval", "du2019", "width", "delta=0.1", "--strict", "--set", "C=1")
    assert answered(*arguments, "--data", cloud)["assumed"] == {}
    assert CliRunner().invoke(cli, arguments).exit_code != 0


def test_a_query_measures_what_its_statements_need_and_nothing_twice(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: Counter[str] = Counter()

    def counted(name: str) -> Callable[..., Estimate]:
        def take(*arguments: Any) -> Estimate:
            counts[name] += 1
            return real[name](*arguments)

        return take

    real = measures.MEASURES
    monkeypatch.setattr(measures, "MEASURES", {name: counted(name) for name in real})
    facts = DataFacts(load(two))
    reply = ask("width for ε=0.01, L=3, only cao2020", facts=facts)
    keys = {answer.theorem.key for answer in reply.answers}
    assert {"cao2020/cor3.2", "cao2020/cor3.3", "cao2020/lem4.4", "cao2020/lem4.5"} <= keys
    assert {"gamma_random_feature", "gamma_conjugate_kernel"} <= counts.keys()
    assert not {"phi", "lambda_0", "gamma_ji2020"} & counts.keys()
    assert set(counts.values()) == {1}
    ask("iterations for ε=0.01, L=4, only cao2020/cor3.3", facts=facts)
    assert counts["gamma_conjugate_kernel"] == 2, "another depth is another kernel"
    assert counts["gamma_random_feature"] == 1


def test_a_query_shows_where_each_input_comes_from(two: str) -> None:
    found = ask("required width for ε=0.01, L=3", facts=DataFacts(load(two)))
    reply = reply_json(found)
    assert reply["inputs"] == {"epsilon": 0.01, "L": 3}
    by_key = {answer["theorem"]: answer for answer in reply["answers"]}
    assert reply["refused"] == {}
    named = {key: origins(answer)["gamma"]["estimate"] for key, answer in by_key.items() if "gamma" in origins(answer)}
    assert named["cao2020/cor3.2"] == "gamma_random_feature"
    assert named["cao2020/cor3.3"] == "gamma_conjugate_kernel"
    assert named["ji2020"] == "gamma_ji2020"
    for answer in by_key.values():
        assert not set(origins(answer)) & set(answer["assumed"])
        assert set(origins(answer)) <= set(answer["inputs"])
        assert not {"n", "phi", "gamma", "lambda_0", "B"} & set(answer["assumed"])
    text = reply_text(found)
    assert f"width for epsilon = 0.01, L = 3, on {two}\n" in text
    assert f"Measured on {two}" in text
    assert "gamma_conjugate_kernel at L=3; lower end of" in " ".join(text.split())
    assert "│ measured" in text
    assert "measured" not in reply_text(ask("required width for ε=0.01, L=3"))


def test_a_query_takes_data_on_the_command_line(cloud: str) -> None:
    reply = answered("iterations for ε=0.01, L=3, only zou2019", "--data", cloud)
    (answer,) = reply["answers"]
    assert set(origins(answer)) == {"n", "phi"}
    text = CliRunner().invoke(cli, ["--data", cloud, "iterations for ε=0.01, L=3, only zou2019"]).stdout
    assert f"phi={answer['inputs']['phi']}" in text


def test_an_answer_in_text_shows_where_each_input_comes_from(two: str) -> None:
    text = " ".join(CliRunner().invoke(cli, ["eval", "cao2020/cor3.3", "width", "L=3", "--data", two]).stdout.split())
    assert "given L=3 measured n=2" in text
    assert "since 'Assumption 3.4' holds at every smaller gamma as well" in text


# The safe side ------------------------------------------------------------------------------------


def estimate(direction: Any, value: float, lower: float | None = None, upper: float | None = None) -> Estimate:
    return Estimate("e", "gamma", value, direction, "m", True, lower, upper)


LOWER, UPPER = Hypothesis("h", "", gamma, "e"), Hypothesis("h", "", R, "e", "larger")


@pytest.mark.parametrize(
    ("found", "assumption", "value", "end", "safe"),
    [
        (estimate("bracket", 0.3, 0.2, 0.4), LOWER, 0.2, "lower", True),
        (estimate("bracket", 0.3, 0.2, 0.4), UPPER, 0.4, "upper", True),
        (estimate("lower", 0.3), LOWER, 0.3, "lower", True),
        (estimate("lower", 0.3), UPPER, 0.3, "lower", False),
        (estimate("upper", 0.3), LOWER, 0.3, "upper", False),
        (estimate("upper", 0.3), UPPER, 0.3, "upper", True),
        (estimate("exact", 0.3), LOWER, 0.3, "exact", True),
        (estimate("exact", 0.3), UPPER, 0.3, "exact", True),
    ],
)
def test_the_end_at_which_the_assumption_holds_is_taken(
    found: Estimate, assumption: Hypothesis, value: float, end: str, safe: bool
) -> None:
    one = taken(found, assumption, "data")
    assert one.value is not None
    assert (float(one.value), one.end, one.safe) == (pytest.approx(value, rel=1e-11), end, safe)
    smaller = assumption.weaker == "smaller"
    assert one.value <= Fraction(value) if smaller else one.value >= Fraction(value)
    assert ("nothing shows that it holds" in one.origin) is not safe


@pytest.mark.parametrize(
    ("found", "assumption", "says"),
    [
        (estimate("bracket", 0.0, 0.0, 0.4), LOWER, "is not shown to hold for data: e is between 0 and 0.4"),
        (estimate("bracket", 0.0, 0.0, 0.0), LOWER, "does not hold for data"),
        (estimate("lower", -0.1), LOWER, "is not shown to hold for data: e is at least -0.1"),
        (estimate("upper", 0.0), LOWER, "does not hold for data: e is at most 0"),
        (estimate("exact", 0.0), LOWER, "does not hold for data: e is 0"),
        (estimate("upper", math.inf), UPPER, "is not shown to hold for data: e is at most inf"),
        (estimate("bracket", 2.0, 1.0, math.inf), UPPER, "is not shown to hold for data: e is between 1 and inf"),
    ],
)
def test_without_an_end_the_assumption_is_not_shown(found: Estimate, assumption: Hypothesis, says: str) -> None:
    one = taken(found, assumption, "data")
    assert one.value is None
    assert says in one.why


@pytest.mark.parametrize("theorem", CATALOGUE.all(), ids=lambda theorem: f"{theorem.key}-{theorem.reading}")
def test_the_side_that_an_assumption_names_is_that_of_the_larger_width(theorem: Theorem) -> None:
    for hypothesis in theorem.hypotheses:
        if hypothesis.symbol is None or not hypothesis.measure or "width" not in theorem.quantities:
            continue
        name = hypothesis.symbol.name
        less, more = (evaluate(theorem, "width", {name: value}).log10 for value in ("0.1", "0.2"))
        assert less is not None
        assert more is not None
        assert less > more - 1e-9 if hypothesis.weaker == "smaller" else less < more


def test_every_measured_assumption_names_an_estimate_of_its_symbol() -> None:
    named = {(h.measure, h.symbol) for theorem in CATALOGUE.all() for h in theorem.hypotheses if h.measure}
    assert {"phi", "lambda_0", "gamma_random_feature", "gamma_conjugate_kernel", "gamma_ji2020", "R", "B"} == {
        name for name, _ in named
    }
    for name, symbol in named:
        assert symbol is not None
        assert name.startswith(symbol.name)
    for theorem in CATALOGUE.all():
        margins = [h for h in theorem.hypotheses if h.symbol in (gamma, phi)]
        assert all(h.measure for h in margins)


@pytest.mark.parametrize(("direction", "safe"), [("upper", False), ("lower", True)])
def test_an_estimate_on_the_wrong_side_is_said_to_be(
    direction: Any, safe: bool, two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Estimate("B", "B", 0.25, direction, "sampled weights", True)
    monkeypatch.setattr(measures, "MEASURES", {**measures.MEASURES, "B": lambda data, how: found})
    monkeypatch.setattr(measuring, "WIDTHS", {})
    answer = answered("eval", "cao2020/thm3.2", "width", "L=2", "epsilon=0.5", "delta=0.5", "--data", two)
    one = origins(answer)["B"]
    assert (one["value"], one["safe"], one["direction"]) == (0.25, safe, direction)
    assert answer["log10"] == pytest.approx(math.log10(2**12 * 4**4 * 4 * math.log(2)), rel=1e-12)
    text = CliRunner().invoke(cli, ["width of cao2020/thm3.2", "--data", two]).stdout
    assert ("not on the safe side" in " ".join(text.replace("│", " ").split())) is not safe


def test_R_is_that_of_the_statement_s_depth_accuracy_and_scale_and_said_to_be_of_another_width(two: str) -> None:
    """chen2019's L counts weight matrices; its prescribed width is far from that of the networks that are sampled."""
    answer = answered("eval", "chen2019/thm2.1", "width", "L=2", "epsilon=0.2", "alpha=0.4", "--data", two)
    one = origins(answer)["R"]
    assert one["at"] == {"L": 2, "alpha": 0.4, "epsilon": 0.2}
    data = load(two)
    direct = radius_bracket(data.X, data.y, m=64, L=2, epsilon=0.2, alpha=0.4, inits=4, seed=0)
    assert direct.upper is not None
    assert direct.upper <= one["value"] <= direct.upper * (1 + 1e-11), "rounded up: larger is weaker"
    assert (one["end"], one["safe"]) == ("upper", False)
    assert "of width 64: at the statement's own width it may take a larger R" in one["why"]
    log10 = 2.5 * (11 * math.log10(2) + 4 * math.log10(one["value"])) + 1.25 * math.log10(math.log(2 / 0.05))
    assert answer["log10"] == pytest.approx(log10, rel=1e-11)
    assert "R" in answered("eval", "cao2019", "width", "--data", two)["assumed"], "another network's radius"


def test_a_bracket_that_is_wide_gives_its_lower_end(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Estimate("gamma_random_feature", "gamma", 0.3, "bracket", "made up", False, 0.2, 0.5)
    monkeypatch.setattr(measures, "MEASURES", {**measures.MEASURES, found.name: lambda data, how: found})
    solution = evaluate(CATALOGUE["cao2020/cor3.2"], "width", {"L": 1, "delta": 0.5}, facts=DataFacts(load(two)))
    assert solution.inputs["gamma"] == Fraction(1, 5)
    (one,) = (one for one in solution.measured if one.name == "gamma")
    assert "lower end of 0.2 to 0.5" in one.origin
    assert "not converged" in one.origin


# Where an assumption does not hold ----------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", "cao2020/cor3.2", "width", "L=3"),
        ("eval", "cao2020/cor3.2", "step-size", "L=3"),
        ("solve", "cao2020/lem4.4", "width", "tau=1e-9", "L=3"),
        ("eval", "cao2020/cor3.3", "width", "L=1"),
        ("eval", "cao2020/cor3.3", "width", "L=2"),
    ],
    ids=" ".join,
)
def test_data_that_are_not_separable_have_no_answer_and_no_division_by_zero(
    arguments: tuple[str, ...], hexagon: str
) -> None:
    answer = answered(*arguments, "--data", hexagon, code=3)
    assert (answer["status"], answer["value"], answer["log10"]) == ("premise unmet", None, None)
    (unmet,) = answer["unmet"]
    assert "Assumption 3." in unmet
    assert f"is not shown to hold for {hexagon}" in unmet
    assert "gamma" not in answer["inputs"]
    one = origins(answer)["gamma"]
    assert (one["value"], one["safe"], one["lower"]) == (None, False, 0)
    assert one["upper"] < 1e-6
    text = CliRunner().invoke(cli, [*arguments, "--data", hexagon])
    assert text.exit_code == 3
    assert "none: premise unmet" in text.stdout


def test_taking_it_for_granted_goes_on(hexagon: str) -> None:
    assert answered("eval", "cao2020/cor3.2", "width", "L=3", "gamma=0.1", "--data", hexagon)["status"] == "ok"


def test_a_query_answers_what_the_data_allow(hexagon: str) -> None:
    found = ask("width for L=3", facts=DataFacts(load(hexagon)))
    status = {answer.theorem.key: answer.status for answer in found.answers}
    assert status["cao2020/cor3.2"] == "premise unmet"
    assert status["zou2019"] == "ok"
    assert "'Assumption 3.3' is not shown to hold" in reply_text(found)
    answered("width for L=3, only cao2020/cor3.2", "--data", hexagon, code=3)


def test_what_does_not_fit_into_memory_is_refused_statement_by_statement(
    two: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("margins", "kernels"):
        monkeypatch.setattr(f"boundcalc.estimate.{module}.available_bytes", lambda *_: 10)
    reply = answered("width for L=3", "--data", two)
    assert "measure a subset" in reply["refused"]["cao2020/cor3.2"]
    assert "zou2019" in {answer["theorem"] for answer in reply["answers"]}


def test_equal_rows_have_no_separation(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "same.csv", at_angles(0.0, 0.0, 2.0), [1, 1, -1])
    answer = answered("eval", "zou2020", "width", "--data", path, code=3)
    assert "'separation' does not hold" in answer["unmet"][0]
    assert "least between rows 0 and 1" in answer["unmet"][0]
    answered("eval", "du2019", "width", "--data", path, code=3)


def test_a_notebook_shows_what_was_measured_and_what_does_not_hold(two: str, hexagon: str) -> None:
    theorem = CATALOGUE["cao2020/cor3.3"]
    shown = evaluate(theorem, "width", {"L": 3}, facts=DataFacts(load(two)))._repr_html_()
    assert "measured" in shown
    assert "gamma_conjugate_kernel at L=3" in shown
    unmet = evaluate(theorem, "width", {"L": 2}, facts=DataFacts(load(hexagon)))
    assert "premise unmet" in unmet._repr_html_()
    assert unmet._repr_latex_() == r"$m \in \emptyset$"


# Bad input ----------------------------------------------------------------------------------------


BAD = [
    (("width for L=3", "--classes", "3,8"), "--classes 3,8 is about data: give --data SOURCE"),
    (("eval", "zou2019", "width", "--label", "y"), "--label y is about data"),
    (("solve", "zou2019", "phi", "width=1e60", "--seed", "1"), "--seed 1 is about data"),
    (("eval", "zou2019", "width", "--device", "cpu"), "--device cpu is about data"),
    (("width for L=3", "--data", "digitz"), "did you mean digits?"),
    (("width for L=3", "--data", "absent.csv"), "there is no file 'absent.csv'"),
    (("width for L=3", "--data", "digits"), "10 classes"),
    (("eval", "zou2019", "width", "--data", "digits", "--classes", "3,11"), "no row has the label '11'"),
    (("eval", "zou2019", "width", "--data", "digits", "--classes", "3"), "--classes '3'"),
    (("eval", "zou2019", "width", "--data", "xor:n=8,d=3", "--device", "tpu"), "unknown device 'tpu'"),
    (("eval", "zou2019", "width", "--data", "xor:n=8,d=3", "--seed", "x"), "--seed"),
    (("eval", "zou2019", "width", "--data", "xor:n=8,d=3", "--seed", "1e30"), "is not between 0 and 4294967295"),
    (("width for L=3, frobnicate", "--data", "absent.csv"), "frobnicate"),
    (("eval", "zou2019", "width", "frob=1", "--data", "absent.csv"), "frob"),
    (("solve", "cao2020/cor3.3", "L", "width=1e60", "--data", "xor:n=8,d=3"), "gamma is measured at a value of L"),
    (("eval", "cao2020/cor3.3", "width", "L=2*n", "--data", "xor:n=8,d=3"), "L, which is given as a formula"),
    (("eval", "cao2020/cor3.3", "width", "L=5000", "--data", "xor:n=8,d=3"), "give L ≤ 1001"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[" ".join(arguments)[:70] for arguments, _ in BAD])
def test_what_is_wrong_is_one_line(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert says in refused(*arguments, capsys=capsys, monkeypatch=monkeypatch)


def test_a_measure_of_another_symbol_is_refused(
    two: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(EXAMPLE.read_text("utf-8").replace('"gamma_conjugate_kernel"', '"phi"'), "utf-8")
    arguments = ("eval", "doe2030/thm1", "width", "--data", two, "--theorems", str(file))
    said = refused(*arguments, capsys=capsys, monkeypatch=monkeypatch)
    assert "margin is about gamma, but phi measures phi" in said


def test_one_symbol_of_two_assumptions_with_two_measures_is_refused(two: str) -> None:
    theorem = CATALOGUE["cao2020/cor3.3"]
    (other,) = (h for h in CATALOGUE["ji2020"].hypotheses if h.symbol == gamma)
    both = replace(theorem, hypotheses=(*theorem.hypotheses, other))
    with pytest.raises(ValueError, match="gamma_conjugate_kernel and gamma_ji2020"):
        solve(both, "epsilon", {"width": "1e60", "L": 3}, facts=DataFacts(load(two)))


def test_what_is_measured_of_one_data_set_does_not_reach_another(two: str, cloud: str) -> None:
    values: list[Measured] = []
    for source in (two, cloud):
        solution = evaluate(CATALOGUE["zou2019"], "width", {"L": 3}, facts=DataFacts(load(source)))
        values += [one for one in solution.measured if one.name == "phi"]
    assert values[0].value == Fraction(math.floor(2 * math.sin(0.5) * 1e12), 10**12)
    assert values[0].source == two
    assert values[0] != values[1]
