"""A verification as a whole, through real processes and through its parts."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from plain import verify

from boundcalc.data import load, split
from boundcalc.train.networks import initial_weights, scaled_relu
from boundcalc.verify.case import show_bytes
from boundcalc.verify.experiments.common import measured_steps
from boundcalc.verify.store import STORE, Store

DIGITS = ["chen2019/thm2.1", "--data", "digits", "--classes", "3,8"]
SMALL = ["--width", "16", "--trials", "3", "epsilon=0.2", "L=2", "--set", "C_T=0.2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    done = verify(*DIGITS, *SMALL, "--out", str(folder))
    assert done.returncode == 0, done.stderr
    assert "3 of 3 inits reached training loss ≤ 0.6" in done.stdout
    return folder


@pytest.fixture(scope="module")
def report(finished: Path) -> dict[str, Any]:
    return json.loads((finished / "report.json").read_text("utf-8"))


def test_report_has_what_its_readers_rely_on(report: dict[str, Any]) -> None:
    keys = "theorem verdict successes trials interval required prescribed run premises checks constants inputs versions"
    assert set(keys.split()) <= report.keys()
    assert set("engine width step_size iterations dtype device seed".split()) <= report["run"].keys()
    assert all({"name", "met", "evidence"} <= premise.keys() for premise in report["premises"])
    assert all({"name", "measured", "bound", "slack", "holds"} <= check.keys() for check in report["checks"])
    assert report["theorem"] == "chen2019/thm2.1"
    assert report["required"] == pytest.approx(0.95)
    assert report["trials"] == 3
    assert report["verdict"] == "inconclusive"  # three inits cannot support 95 %


def test_prescriptions_are_those_of_the_statement(report: dict[str, Any]) -> None:
    # η = L^(−1) m^(−2α), T = C_T L² R² / ε and m ≥ (L^11 R^4)^(1/α) log(n/δ)^(2/(2−α)), worked out here.
    L, m, alpha, epsilon, R = 2, 16, 0.5, 0.2, report["inputs"]["R"]
    n, delta = report["inputs"]["n"], 0.05
    assert report["run"]["step_size"] == pytest.approx(1 / (L * m ** (2 * alpha)), rel=1e-9)
    assert report["run"]["iterations"] == pytest.approx(0.2 * L**2 * R**2 / epsilon, abs=1.01)
    width = (L**11 * R**4) ** (1 / alpha) * np.log(n / delta) ** (2 / (2 - alpha))
    assert report["prescribed"]["width"] == pytest.approx(width, rel=1e-5)
    constant = next(c for c in report["constants"] if c["name"] == "C_m")
    assert constant["value"] * width <= m  # at this constant the width in use suffices …
    assert constant["value"] * width == pytest.approx(m, rel=1e-4)  # … and only just
    assert report["out_of_reach"]["bytes_needed"].endswith("B")


def plain_descent(
    weights: list[NDArray[np.float64]], X: NDArray[np.float64], y: NDArray[np.float64], eta: float, steps: int
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Gradient descent on the logistic loss of √m · W_2 σ(W_1 x), written out for two layers."""
    first, last = (w.copy() for w in weights)
    m = first.shape[0]
    losses = []
    for t in range(steps + 1):
        hidden = np.maximum(X @ first.T, 0)
        f = np.sqrt(m) * hidden @ last[0]
        losses.append(np.mean(np.logaddexp(0, -y * f)))
        if t == steps:
            break
        slope = -y / (1 + np.exp(y * f)) / len(y) * np.sqrt(m)
        gradient_first = (np.outer(slope, last[0]) * (hidden > 0)).T @ X
        gradient_last = slope @ hidden
        first, last = first - eta * gradient_first, last - eta * gradient_last[None, :]
    return np.array(losses), [first, last]


def test_losses_distances_and_errors_are_those_of_plain_descent(finished: Path, report: dict[str, Any]) -> None:
    train, test = split(load("digits", classes=("3", "8")), 0.25, 0)
    network = scaled_relu(2, 16, train.d, 0.5)
    steps = report["run"]["iterations"]
    with sqlite3.connect(finished / STORE) as database:
        config = json.loads(database.execute("SELECT config FROM run").fetchone()[0])
    with Store(finished, config) as store:
        trials = store.records("training")
    for number in range(3):
        start = [w[0].double().numpy() for w in initial_weights(network, seed=0, trials=(number,))]
        loss, end = plain_descent(start, train.X, train.y, report["run"]["step_size"], steps)
        trial = trials[number]
        np.testing.assert_allclose(trial.series["loss"], loss, rtol=2e-4)
        assert trial.facts["first_step_reached"] == int(np.argmax(loss <= 0.6))
        moved = [np.linalg.norm(b - a) for a, b in zip(start, end, strict=True)]
        assert trial.series["distances"][-1] == pytest.approx(4 * max(moved), rel=1e-3)  # m^α = 4
        margins = test.y * (np.maximum(test.X @ end[0].T, 0) @ end[1][0])
        assert trial.facts["held_out_error"] == pytest.approx(np.mean(margins < 0), abs=1.5 / test.n)


def test_radius_premise_is_certified_for_every_init(report: dict[str, Any]) -> None:
    premise = next(p for p in report["premises"] if p["name"].startswith("(A)"))
    assert premise["met"]
    for init in report["initializations"]:
        assert init["worst_loss_at_R"] < 0.2
        assert init["R"] <= report["inputs"]["R"]


def test_html_is_self_contained_and_says_everything(finished: Path, report: dict[str, Any]) -> None:
    html = (finished / "report.html").read_text("utf-8")
    links = re.findall(r'(?:src|href)="([^"#][^"]*)"', html)
    assert links == []
    assert html.count("<svg") == 5
    for constant in report["constants"]:
        assert constant["name"] in html
    assert report["machine"] in html
    assert report["verdict"] in html
    markdown = (finished / "report.md").read_text("utf-8")
    assert markdown.startswith("# chen2019/thm2.1: inconclusive")


def initializations(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text("utf-8"))["initializations"]


def test_same_seed_same_numbers_other_seed_other_numbers(finished: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        assert verify(*DIGITS, *SMALL, "--seed", seed, "--out", str(tmp_path / seed)).returncode == 0
    assert initializations(tmp_path / "0") == initializations(finished)
    assert initializations(tmp_path / "1") != initializations(finished)


def test_a_finished_run_is_not_trained_again(finished: Path) -> None:
    before = (finished / STORE).read_bytes()
    done = verify(*DIGITS, *SMALL, "--out", str(finished))
    assert done.returncode == 0
    assert "training" not in done.stderr
    assert (finished / STORE).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["epsilon=0"], ["epsilon = 0", "(0, 1]"]),
        (["delta=1"], ["delta = 1", "(0, 1)"]),
        (["L=2.5"], ["L = 2.5", "integer"]),
        (["L=1"], ["L = 1", "weight matrices"]),
        (["alpha=0.7"], ["alpha = 0.7", "1/2"]),
        (["n=5"], ["n is not an input"]),
        (["m=64"], ["--width"]),
        (["--width", "2.5"], ["--width 2.5", "integer"]),
        (["--width", "10000000"], ["--width 10000000", "PB", "smaller"]),
        (["--width", "60000"], ["--width 60000", "GB", "smaller"]),
        (["--trials", "0"], ["--trials 0"]),
        (["--classes", "3"], ["'3'", "two different classes"]),
        (["--classes", "3,x"], ["x"]),
        (["--device", "abacus"], ["abacus"]),
        (["--dtype", "float8"], ["float8", "float64"]),
        (["--test-fraction", "1"], ["--test-fraction 1"]),
        (["--set", "C_q=1"], ["C_q", "C_m"]),
        (["--data", "digitz"], ["digitz", "digits"]),
        (["--data", "nowhere.npz"], ["nowhere.npz"]),
        (["--strict"], ["--strict", "epsilon", "alpha", "--set C_m"]),
        (["delta=1e-12"], ["1 − 1e-12", "--trials"]),
        (["--trials", "1e18"], ["--trials 1000000000000000000", "fewer"]),
    ],
)
def test_bad_input_gets_one_clear_line(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    done = verify(*DIGITS, *arguments, "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "run").exists()


def test_unknown_and_unverifiable_statements() -> None:
    for key, word in (("chen2019/thm2.7", "chen2019/thm2.1"), ("zou2020", "cannot be verified")):
        done = verify(key, "--data", "digits", "--out", "never")
        assert done.returncode == 2
        assert word in done.stderr


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 3))
    cases = {
        "nan": (np.where(np.arange(20)[:, None] == 4, np.nan, X), np.arange(20) % 2, "row"),
        "one class": (X, np.zeros(20), "class"),
    }
    for name, (rows, labels, word) in cases.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, X=rows, y=labels)
        done = verify("chen2019/thm2.1", "--data", str(path), "--out", str(tmp_path / "run"))
        assert done.returncode == 2, name
        assert word in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_nothing_is_overwritten(finished: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    done = verify(*DIGITS, *SMALL, "--seed", "7", "--out", str(finished))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()  # nothing is said of the run that is not going to be
    assert "holds another run" in line
    assert "seed is 0 there, 7 here" in done.stderr
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before
    (tmp_path / "notes.txt").write_text("mine")
    done = verify(*DIGITS, *SMALL, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "not empty" in done.stderr
    done = verify(*DIGITS, *SMALL, "--out", str(tmp_path / "notes.txt"))
    assert done.returncode == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_vacuous_guarantees_and_unmet_premises_are_called_so(tmp_path: Path) -> None:
    common = ["--width", "16", "--trials", "2", "L=2", "--set", "C_T=0.01"]
    done = verify(*DIGITS, *common, "epsilon=0.3", "--out", str(tmp_path / "vacuous"))
    assert "vacuous" in done.stdout
    done = verify(*DIGITS, *common, "epsilon=0.2", "R=0.001", "--out", str(tmp_path / "unmet"))
    assert done.returncode == 3
    assert "premise unmet" in done.stdout


def test_a_constant_that_was_set_is_not_replaced(tmp_path: Path) -> None:
    common = ["--trials", "2", "L=2", "epsilon=0.2", "--set", "C_T=0.02", "--set", "C_m=1e-14"]
    done = verify(*DIGITS, *common, "--width", "8", "--out", str(tmp_path / "narrow"))
    assert done.returncode == 3
    assert "within reach" in done.stdout
    assert "premise unmet" in done.stdout
    done = verify(*DIGITS, *common, "--out", str(tmp_path / "prescribed"))
    report = json.loads((tmp_path / "prescribed" / "report.json").read_text("utf-8"))
    assert report["run"]["width"] >= max(report["prescribed"]["width"], 64)
    assert next(c for c in report["constants"] if c["name"] == "C_m")["value"] == 1e-14
    assert all(premise["met"] for premise in report["premises"])


def test_a_constant_below_the_smallest_float_is_still_a_number(tmp_path: Path) -> None:
    done = verify(*DIGITS, *SMALL, "alpha=0.01", "--out", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert re.search(r"C_m ≤ \d\.\d+e-[56]\d\d", done.stdout)


def test_a_record_of_something_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / STORE) as database:
        database.execute("CREATE TABLE clinical (patient TEXT)")
    before = (tmp_path / STORE).read_bytes()
    done = verify(*DIGITS, *SMALL, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "not the record of a run" in done.stderr
    assert (tmp_path / STORE).read_bytes() == before


@pytest.mark.parametrize("column", ["record", "series"])
def test_a_damaged_record_is_called_so(finished: Path, tmp_path: Path, column: str) -> None:
    (tmp_path / STORE).write_bytes((finished / STORE).read_bytes())
    with sqlite3.connect(tmp_path / STORE) as database:
        database.execute(f"UPDATE trials SET {column} = 'nonsense' WHERE trial = 1")
    done = verify(*DIGITS, *SMALL, "--out", str(tmp_path))
    assert done.returncode == 2
    assert "is damaged" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("T", [1, 2, 30, 10_000])
def test_measured_steps_end_at_the_last_step(T: int) -> None:
    steps = measured_steps(T)
    assert steps[-1] == T
    assert list(steps) == sorted(set(steps))
    assert steps[0] >= 1


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (2_000, "2 kB"), (16_777_216, "16.8 MB"), (10**40, "10^40.0 B")]
)
def test_bytes_as_a_person_writes_them(count: int, text: str) -> None:
    assert show_bytes(count) == text
