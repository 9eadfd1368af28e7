"""Probes of both sides of the prescriptions, against verifications that are set up by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from boundcalc.errors import InputError
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.execution import Shelf
from boundcalc.verify.probes import DEFAULT_FACTORS, parse_factors, probe
from boundcalc.verify.progress import State
from boundcalc.verify.runner import Result, run
from boundcalc.verify.statistics import anytime_interval

OPTIONS = Options("digits", ("3", "8"), trials=4, rows=40, width=8, search_steps=1500)
GIVEN = {"L": Fraction(2), "epsilon": Fraction(1, 5)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("probes") / "run"
    return run(make_case("chen2019/thm2.1", OPTIONS, GIVEN), folder), folder


def test_factors_multiply_what_is_prescribed(finished: tuple[Result, Path]) -> None:
    result, folder = finished
    found = probe(result, folder, {"eta": (Fraction(3),), "T": (Fraction(1, 50), Fraction(1))}, inits=3)
    assert [(p.name, p.factor, p.trials) for p in found] == [("eta", 3, 3), ("T", Fraction(1, 50), 3)]
    assert float(found[0].value) == pytest.approx(3 * result.prescribed.step_size, rel=1e-5)
    assert int(found[1].value) == -(-result.prescribed.steps // 50)
    # With the same R and the same inits, fewer steps succeed exactly where the first step came early enough.
    early = [result.trained[trial].facts["first_step_reached"] <= int(found[1].value) for trial in range(3)]
    assert found[1].successes == sum(early)


def test_a_probe_is_the_verification_that_it_stands_for(finished: tuple[Result, Path], tmp_path: Path) -> None:
    result, folder = finished
    (probed,) = probe(result, folder, {"eta": (Fraction(4),)}, inits=4)
    options = replace(OPTIONS, factors={"eta": Fraction(4)})
    by_hand = run(make_case("chen2019/thm2.1", options, {**GIVEN, **result.prescribed.found}), tmp_path / "run")
    assert by_hand.prescribed.step_size == pytest.approx(4 * result.prescribed.step_size, rel=1e-12)
    assert (probed.successes, probed.trials) == (by_hand.successes, 4)


def test_other_widths_find_their_own_radius(finished: tuple[Result, Path]) -> None:
    result, folder = finished
    half, double = probe(result, folder, {"m": (Fraction(1, 2), Fraction(2))}, inits=2)
    assert (half.value, double.value) == ("4", "16")
    assert double.trials == 2
    assert double.interval is not None
    # A network too narrow for the premises is reported, and ends nothing.
    assert half.trials == 2 or "no weights" in half.problem


def test_probes_are_kept_and_leave_the_run_alone(finished: tuple[Result, Path]) -> None:
    result, folder = finished
    factors = {"eta": (Fraction(1, 2),)}
    first = probe(result, folder, factors, inits=2)
    said: list[object] = []
    assert probe(result, folder, factors, inits=2, on_progress=said.append) == first
    again = run(result.case, folder)
    assert {n: r.facts for n, r in again.trained.items()} == {n: r.facts for n, r in result.trained.items()}


def test_a_probe_says_which_it_is_and_keeps_checkpoints_as_often_as_asked(
    finished: tuple[Result, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    result, folder = finished
    asked: list[float] = []

    class Noted(Shelf):
        def __init__(self, folder: Path, key: str, seconds: float) -> None:
            asked.append(seconds)
            super().__init__(folder, key, seconds)

    monkeypatch.setattr("boundcalc.verify.runner.Shelf", Noted)
    said: list[State] = []
    factors = {"eta": (Fraction(2, 3),), "T": (Fraction(3, 4),)}
    probe(result, folder, factors, inits=1, on_progress=said.append, checkpoint_seconds=7)
    assert list(dict.fromkeys(state.name for state in said)) == [
        "probe eta × 2/3, training",
        "probe T × 0.75, training",
    ]
    assert asked == [7, 7]
    probe(result, folder, {"eta": (Fraction(5, 7),)}, inits=1, checkpoint_seconds=0)
    assert asked == [7, 7], "0 is for never"


def test_factors_as_they_are_typed() -> None:
    assert parse_factors([]) == DEFAULT_FACTORS
    assert parse_factors(["none"]) == {}
    assert parse_factors(["eta=1/2, 3", "m=2"]) == {"eta": (Fraction(1, 2), Fraction(3)), "m": (Fraction(2),)}
    for wrong, word in (("alpha=2", "alpha=2"), ("eta", "'eta'"), ("eta=-1", "-1"), ("m=x", "x")):
        with pytest.raises(InputError, match=word):
            parse_factors([wrong])
    with pytest.raises(InputError, match="each once"):
        parse_factors(["eta=2", "eta=3"])


def test_an_early_stop_is_by_the_interval_that_is_valid_at_any_time(tmp_path: Path) -> None:
    options = replace(OPTIONS, trials=120, anytime=True)
    # A step size that is far too small reaches nothing, which 24 inits show beyond doubt.
    hopeless = replace(options, factors={"eta": Fraction(1, 10**6)})
    given = {"L": Fraction(2), "epsilon": Fraction(1, 20), "R": Fraction(3)}
    result = run(make_case("chen2019/thm2.1", hopeless, given), tmp_path / "hopeless", batch=12)
    assert len(result.trained) == 12
    assert result.interval == anytime_interval(0, 12)
    assert result.interval[1] < 0.95
    again = run(result.case, tmp_path / "hopeless", batch=12)
    assert len(again.trained) == 12  # what was decided is not gone on with


def test_the_command_probes_stops_early_and_says_beforehand_what_can_be_decided(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "boundcalc", "verify", "chen2019/thm2.1", "L=2", "epsilon=0.2", "--data", "digits",
        "--classes", "3,8", "--rows", "40", "--width", "8", "--trials", "2", "--stop-early", "--probe", "eta=2",
        "--out", str(tmp_path / "run"), "--json",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "2 inits: cannot support a success probability ≥ 0.95, refute from 2 failures" in done.stderr
    assert "probe eta × 2, training 100%: 2/2 inits" in done.stderr
    report = json.loads(done.stdout)
    assert [(p["symbol"], p["factor"], p["trials"]) for p in report["probes"]] == [("eta", 2.0, 2)]
    assert report["interval"] == list(anytime_interval(report["successes"], 2))
    assert "Both sides" in (tmp_path / "run" / "report.html").read_text("utf-8")
