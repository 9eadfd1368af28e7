"""`boundcalc data`: what is measured of a data set, against what its generator knows of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mpmath import mp, mpf

from boundcalc.cli import cli, main
from boundcalc.data import load
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.estimate import Estimate
from boundcalc.estimate.measures import MEASURES, Options, measure
from boundcalc.report.data import data_json

XOR = "xor:n=8,d=3"


def measured(*args: str) -> dict[str, Any]:
    done = CliRunner().invoke(cli, ["data", *args, "--json"])
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_object_has_the_fields_that_were_promised() -> None:
    answer = measured(XOR, "--only", "phi,lambda_0")
    assert {"source", "n", "d", "labels", "estimates"} <= answer.keys()
    assert (answer["n"], answer["d"], sorted(answer["labels"])) == (8, 3, ["-1", "1"])
    assert [found["name"] for found in answer["estimates"]] == ["phi", "lambda_0"]
    for found in answer["estimates"]:
        fields = {"name", "symbol", "value", "lower", "upper", "direction", "method", "converged"}
        assert fields <= found.keys()


def test_the_corners_of_a_cube() -> None:
    """Corners ±1/√3: φ = 2/√3; H^∞ has three eigenvalues by symmetry, one for each degree of parity."""
    answer = measured(XOR, "--only", "phi,lambda_0")
    phi, lambda_0 = answer["estimates"]
    assert phi["value"] == pytest.approx(2 / math.sqrt(3), rel=1e-14)
    corners = np.array([[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]) / math.sqrt(3)
    inner = np.clip(corners @ corners.T, -1, 1)
    least = np.linalg.eigvalsh(inner * (math.pi - np.arccos(inner)) / (2 * math.pi)).min()
    assert lambda_0["lower"] <= least + 1e-13
    assert least - 1e-13 <= lambda_0["upper"]


def test_a_planted_margin_lies_in_the_bracket() -> None:
    data = load("conjugate:n=30,d=4,gamma=0.1,L=3,seed=1")
    (planted,) = [fact for fact in data.truth if fact.name == "gamma_conjugate_kernel"]
    assert planted.L == 3
    (found,) = measure(data, ["gamma_conjugate_kernel"], Options(L=3))
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower - 1e-9 <= planted.value <= found.upper + 1e-9


def test_measures_come_in_their_order_and_are_announced() -> None:
    said: list[tuple[str, int, int]] = []
    found = measure(load(XOR), ["lambda_0", "phi"], progress=lambda *what: said.append(what))
    assert [estimate.name for estimate in found] == ["phi", "lambda_0"]
    assert said == [("phi", 0, 2), ("lambda_0", 1, 2)]


def test_text_says_what_is_known_and_what_was_measured() -> None:
    done = CliRunner().invoke(cli, ["data", XOR, "--only", "phi"])
    assert done.exit_code == 0
    assert "n = 8 in d = 3" in done.stdout
    assert "phi = 1.154700538" in done.stdout
    assert "exact" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([XOR, "--only", "phj"], "phj"),
        ([XOR, "--depth", "0"], "0"),
        ([XOR, "--depth", "x"], "x"),
        ([XOR, "--seed", "-1"], "-1"),
        ([XOR, "--classes", "1,-1"], "leave them out"),
        (["xor:n=8,q=3"], "q"),
        (["digitz"], "digitz"),
        (["missing.csv"], "missing.csv"),
        (["."], "is a folder"),
        ([""], "has no name"),
        ([XOR, "--only", " , "], "names nothing"),
        ([XOR, "--only", "phi,q"], "unknown measure 'q'"),
        ([XOR, "--seed", "1e99"], "is not between 0 and 4294967295"),
        ([XOR, "--depth", "5000", "--only", "gamma_conjugate_kernel"], "give L ≤ 1001"),
        ([XOR, "--device", "tpu"], "tpu"),
    ],
)
def test_what_is_wrong_is_one_line_that_echoes_it(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["boundcalc", "data", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line and "measuring" not in line]
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize("depth", [20, 40, 100, 900])
def test_the_margin_of_a_deep_kernel_is_not_lost_in_rounding(depth: int) -> None:
    """The labels of `xor` are a character of the cube, so that γ² is the kernel's eigenvalue on it over n."""
    corners = [[a, b, c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    with mp.workdps(400):
        level = {one: (mp.mpf(one) / 3, mp.mpf(1)) for one in (-3, -1, 1, 3)}  # by inner product: cosine, norm
        for _ in range(depth - 1):
            level = {one: (arccos_step(cosine), size / 2) for one, (cosine, size) in level.items()}
        eigenvalue = sum(
            a * b * level[a + b + c][0] * level[a + b + c][1] for a, b, c in corners
        )  # against the corner (1, 1, 1), whose label is 1·1
        expected = mp.sqrt(eigenvalue / 8)
    (found,) = measure(load(XOR), ["gamma_conjugate_kernel"], Options(L=depth))
    assert found.converged
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= expected <= found.upper
    assert found.upper - found.lower <= 1e-3 * found.upper


def arccos_step(cosine: mpf) -> mpf:
    """cos θ' = (sin θ + (π − θ) cos θ)/π."""
    angle = mp.acos(min(cosine, mp.mpf(1)))
    return (mp.sin(angle) + (mp.pi - angle) * cosine) / mp.pi


def test_what_does_not_fit_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("margins", "kernels"):
        monkeypatch.setattr(f"boundcalc.estimate.{module}.available_bytes", lambda *_: 100)
    answer = measured(XOR)
    assert "phi" in {found["name"] for found in answer["estimates"]}
    assert {"lambda_0", *(name for name in MEASURES if name.startswith("gamma"))} <= answer["not_measured"].keys()
    assert "measure a subset" in answer["not_measured"]["gamma_ji2020"]
    assert measured(XOR, "--only", "phi")["not_measured"] == {}
    text = CliRunner().invoke(cli, ["data", XOR])
    assert text.exit_code == 0
    assert "not measured: lambda_0: " in text.stdout
    assert CliRunner().invoke(cli, ["data", XOR, "--only", "lambda_0"]).exit_code != 0


def test_infinite_ends_are_null_in_json() -> None:
    data = load(XOR)
    shown = data_json(data, [Estimate("R", "R", math.inf, "bracket", "none found", False, 1.0, math.inf)])
    (found,) = json.loads(json.dumps(shown, allow_nan=False))["estimates"]
    assert (found["value"], found["lower"], found["upper"]) == (None, 1.0, None)


@pytest.mark.parametrize("name", ["torn.npz", "torn.npy"])
def test_a_file_that_numpy_cannot_read_is_not_offered_to_be_run(name: str, tmp_path: Path) -> None:
    """numpy takes any text for pickled objects, and says how to load them all the same."""
    (tmp_path / name).write_text("hello", "utf-8")
    with pytest.raises(InputError, match="is no readable NP") as refused:
        load(str(tmp_path / name))
    assert "pickle" not in str(refused.value)


def test_an_unknown_measure_is_refused_before_anything_is_measured() -> None:
    with pytest.raises(UnknownNameError, match="gamma_ji2020"):
        measure(load(XOR), ["gamma_ji"])
    assert set(MEASURES) >= {"phi", "lambda_0", "gamma_random_feature", "gamma_conjugate_kernel", "gamma_ji2020"}
