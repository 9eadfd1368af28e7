"""What a machine can do: reach by engine, against direct inequalities; extras against setup.cfg; both forms."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shown import ROOT, run_here

from boundcalc.machine import DENSE, EXTRAS, MATRIX_FREE, PATIENCE, Machine, examine, reaches, widest
from boundcalc.report.machine import machine_json, machine_text
from boundcalc.train import dense, matrixfree
from boundcalc.train.costs import Rates, dense_cost
from boundcalc.train.networks import scaled_relu
from boundcalc.verify.ladder import TIME_LIMIT

GIGABYTE = 10**9
FAST = dict.fromkeys(("float32", "float64"), Rates(1e30, 1e30, 1e-30))
SLOW = dict.fromkeys(("float32", "float64"), Rates(1e9, 1e9, 1e-5))


@pytest.fixture(scope="module")
def machine() -> Machine:
    return examine()


def test_the_widest_is_found_by_bisection() -> None:
    for last in (1, 2, 3, 1000, 2**50):
        assert widest(lambda m, last=last: m <= last) == last
    assert widest(lambda m: False) is None


def test_the_widths_that_fit_fit_and_the_next_do_not() -> None:
    stored, without, limit = reaches(GIGABYTE, FAST)
    for m in (stored.width, (stored.width or 0) + 1):
        network = scaled_relu(3, m, 64, 0.5)
        assert (dense.peak_bytes(network, DENSE.n, 1, torch.float32) <= GIGABYTE) == (m == stored.width)
    for m in (without.width, (without.width or 0) + 1):
        network = scaled_relu(3, m, 64, 0.5)
        fits = matrixfree.peak_bytes(network, MATRIX_FREE.n, 1, MATRIX_FREE.steps) <= GIGABYTE
        assert fits == (m == without.width)
    # 4 bytes for each of m² weights of the one square matrix; the rest is of order m.
    assert stored.width == pytest.approx((GIGABYTE / 4) ** 0.5, rel=0.15)
    assert limit.width is None
    # With rates that are beyond any machine, time is no limit.
    assert (stored.patient, without.patient) == (stored.width, without.width)


def test_a_slow_machine_reaches_less_within_the_time() -> None:
    stored, without, _ = reaches(10 * GIGABYTE, SLOW)
    assert stored.patient is not None
    for m, within in ((stored.patient, True), (stored.patient + 1, False)):
        cost = dense_cost(scaled_relu(3, m, 64, 0.5), DENSE.n, 1, DENSE.steps, torch.float32)
        assert (SLOW["float32"].seconds(cost) <= PATIENCE) == within
    assert stored.patient < (stored.width or 0)
    assert stored.seconds > PATIENCE
    assert without.patient is not None


def test_the_time_allowed_is_that_of_a_ladder() -> None:
    assert PATIENCE == TIME_LIMIT


def test_extras_are_those_of_the_setup() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    declared = {
        name: [line.partition(">")[0].strip() for line in packages.split("\n") if line.strip()]
        for name, packages in setup["options.extras_require"].items()
        if name != "dev"
    }
    assert {name: list(packages) for name, (_, packages) in EXTRAS.items()} == declared


def test_this_machine_is_described(machine: Machine) -> None:
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.versions["torch"] == torch.__version__
    assert machine.devices[0].name == "cpu"
    assert len(machine.devices) == 1 + torch.cuda.device_count()
    for device in machine.devices:
        assert device.available > 0
        assert all(rates.operations > 1e6 for rates in device.rates.values())
        assert [reach.setting.engine for reach in device.reach] == ["dense", "matrixfree", "infinite"]


def test_text_fits_and_says_how_to_install_what_is_missing(machine: Machine) -> None:
    missing = replace(machine.extras[0], packages={"cvxpy": None})
    text = machine_text(replace(machine, extras=(missing, *machine.extras[1:])), 80)
    assert max(map(len, text.split("\n"))) <= 80
    assert "pip install 'boundcalc[plan]'" in " ".join(text.split())
    for word in ("dense", "matrixfree", "infinite", "∞", "cpu", "torch"):
        assert word in text


def test_json_is_one_object(machine: Machine, tmp_path: Path) -> None:
    said = json.loads(json.dumps(machine_json(machine)))
    engines = {engine["engine"]: engine for engine in said["devices"][0]["engines"]}
    assert engines["infinite"]["width"] is None
    assert engines["dense"]["width"] == machine.devices[0].reach[0].width
    code, out, err = run_here(["doctor", "--json"], tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out).keys() == said.keys()


@pytest.fixture
def broken_torch(tmp_path: Path) -> dict[str, str]:
    """An environment in which torch is installed, and cannot be loaded."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text('raise ImportError("libcudart.so: cannot open shared object")\n')
    return {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}


def test_a_torch_that_cannot_be_loaded_is_found(broken_torch: dict[str, str]) -> None:
    command = [sys.executable, "-m", "boundcalc", "doctor"]
    done = subprocess.run([*command, "--json"], env=broken_torch, capture_output=True, text=True)
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert (said["trouble"], said["devices"]) == ("libcudart.so: cannot open shared object", [])
    assert {extra["name"] for extra in said["extras"]} == set(EXTRAS)
    done = subprocess.run(command, env=broken_torch, capture_output=True, text=True)
    assert "torch            cannot be loaded: libcudart.so: cannot open shared object" in done.stdout


def test_without_torch_other_commands_say_so_in_one_line(broken_torch: dict[str, str]) -> None:
    command = [sys.executable, "-m", "boundcalc", "data", "digits", "--only", "phi"]
    done = subprocess.run(command, env=broken_torch, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "boundcalc: libcudart.so: cannot open shared object; boundcalc doctor says what is installed\n"
    )
