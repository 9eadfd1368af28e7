"""Two processes that hold half of every layer each, against one that holds all of it."""

from __future__ import annotations

import ast
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import boundcalc.data
from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import LOGISTIC, SQUARE, gradient_descent
from boundcalc.train.networks import Layer, Network, he_relu, initial_weights, scaled_relu, two_layer
from boundcalc.train.sharded import ShardedEngine, main, peak_bytes, process_mesh

PROCESSES = 2
ROOT = Path(boundcalc.__file__).parent


def sphere(n: int, d: int, seed: int) -> np.ndarray[Any, Any]:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


X, UNSEEN, Y = sphere(6, 5, 0), sphere(15, 5, 1), np.array([1.0, -1, -1, 1, 1, -1])
WIDE, WIDE_N = scaled_relu(3, 4096, 8, 0.5), 16


def chain(*widths: int) -> Network:
    """Layers of any widths; the second matrix is not trained."""
    sizes = [5, *widths, 1]
    return Network(
        "chain", tuple(Layer(b, a, (2 / b) ** 0.5, at != 1) for at, (a, b) in enumerate(pairwise(sizes))), 1.5
    )


@dataclass(frozen=True)
class Training:
    """What is trained both ways."""

    network: Network
    step_size: float
    trials: tuple[int, ...] = (3,)
    dtype: torch.dtype = torch.float64
    target: float | None = None
    square: bool = False

    def run(self, engine: Any) -> dict[str, np.ndarray[Any, Any]]:
        history = gradient_descent(
            engine, Y, step_size=self.step_size, iterations=8, distance_steps=(0, 3), target=self.target,
            stop_when_reached=self.target is not None, loss=SQUARE if self.square else LOGISTIC,
        )  # fmt: skip
        return {
            "loss": history.loss, "first_reached": history.first_reached, "distances": history.distances,
            "unseen": engine.outputs(UNSEEN).numpy(), "few": engine.outputs(UNSEEN[:2]).numpy(),
        }  # fmt: skip


TRAININGS = {
    "chen2019": Training(scaled_relu(3, 300, 5, 0.5), 2e-3, (4, 0)),
    "chen2019, float32": Training(scaled_relu(3, 300, 5, 0.5), 2e-3, (4, 0), torch.float32),
    "chen2019, L = 2": Training(scaled_relu(2, 9, 5, 0.25), 0.1, (1,)),
    "chen2019, L = 5, odd width": Training(scaled_relu(5, 7, 5, 0.5), 0.02, (1, 2, 5)),
    "cao2020": Training(he_relu(3, 12, 5), 0.01, (0, 1)),
    "two-layer, square loss": Training(two_layer(10, 5), 0.05, (0, 1), square=True),
    "a process without units": Training(chain(5, 1, 3), 0.05, (0, 2)),
    "stopped": Training(scaled_relu(3, 300, 5, 0.5), 2e-3, (4, 0), target=0.8),
}


def resident(key: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def work(rank: int, port: int, folder: str) -> None:
    """What each of the processes does; it leaves its results in the folder."""
    from torch.distributed.tensor.debug import CommDebugMode

    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(PROCESSES), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    torch.set_num_threads(1)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    facts: dict[str, Any] = {"refusals": []}
    with process_mesh("cpu", timeout=60) as mesh:

        def engine(network: Network, x: np.ndarray[Any, Any], **options: Any) -> ShardedEngine:
            return ShardedEngine(network, x, **{"trials": [0], "seed": 7, "mesh": mesh, **options})

        for name, training in TRAININGS.items():
            sharded = engine(training.network, X, trials=training.trials, dtype=training.dtype)
            for layer, weight in enumerate(sharded.sharded_weights):
                arrays[f"{name}/weights.{layer}"] = weight.full_tensor().numpy()
            facts[name] = {"shapes": [list(weight.to_local().shape) for weight in sharded.sharded_weights]}
            for key, values in training.run(sharded).items():
                arrays[f"{name}/{key}"] = values
            with CommDebugMode() as traffic:
                sharded.step(LOGISTIC.slope(torch.from_numpy(Y).to(training.dtype)), 1e-3)
            facts[name]["sent"] = {str(kind): count for kind, count in traffic.get_comm_counts().items()}

        before = resident("VmRSS")
        wide = engine(WIDE, sphere(WIDE_N, 8, 0))
        gradient_descent(wide, np.sign(sphere(WIDE_N, 8, 0)[:, 0]), step_size=1e-5, iterations=3, distance_steps=(1,))
        facts["memory"] = {"grown": resident("VmHWM") - before, "weights": wide.weight_bytes}

        for network, options in (
            (WIDE, {"seed": rank}),
            (WIDE, {"trials": [rank]}),
            (WIDE, {"dtype": torch.float16}),
            (WIDE, {"trials": []}),
            (scaled_relu(3, 3_000_000, 8, 0.5), {}),
        ):
            try:
                engine(network, sphere(2, 8, 0), **options)
            except InputError as problem:
                facts["refusals"].append([type(problem).__name__, str(problem)])
    np.savez(Path(folder) / f"{rank}.npz", **arrays)
    (Path(folder) / f"{rank}.json").write_text(json.dumps(facts), "utf-8")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Results:
    """Of one process."""

    arrays: Mapping[str, np.ndarray[Any, Any]]
    facts: Mapping[str, Any]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Results]:
    folder = tmp_path_factory.mktemp("sharded")
    running = torch.multiprocessing.start_processes(
        work, args=(free_port(), str(folder)), nprocs=PROCESSES, join=False, start_method="spawn"
    )
    deadline = time.monotonic() + 120
    try:
        while not running.join(timeout=1):
            assert time.monotonic() < deadline, "the processes wait for each other"
    finally:
        for process in running.processes:
            if process.is_alive():
                process.kill()
    return [
        Results(np.load(folder / f"{rank}.npz"), json.loads((folder / f"{rank}.json").read_text("utf-8")))
        for rank in range(PROCESSES)
    ]


@pytest.mark.parametrize("name", TRAININGS)
def test_the_start_is_that_of_one_process(name: str, results: list[Results]) -> None:
    training = TRAININGS[name]
    whole = initial_weights(training.network, seed=7, trials=training.trials, dtype=training.dtype)
    for result in results:
        for layer, weight in enumerate(whole):
            np.testing.assert_array_equal(result.arrays[f"{name}/weights.{layer}"], weight)


@pytest.mark.parametrize("name", TRAININGS)
def test_the_training_is_that_of_one_process(name: str, results: list[Results]) -> None:
    training = TRAININGS[name]
    one = DenseEngine(training.network, X, trials=training.trials, seed=7, dtype=training.dtype)
    expected = training.run(one)
    if training.target is not None:
        assert expected["loss"].shape[1] < 9, "it stops on the way"
    assert (expected["loss"][:, 0] != expected["loss"][:, -1]).all()
    tolerance = 1e-12 if training.dtype == torch.float64 else 1e-6
    for key, values in expected.items():
        ours = results[0].arrays[f"{name}/{key}"]
        if key == "distances":  # of weights that have cancelled against their start
            tolerance *= 100
        scale = max(1.0, float(np.abs(values).max())) if key in ("unseen", "few") else 0.0
        np.testing.assert_allclose(ours, values, rtol=tolerance, atol=tolerance * scale, err_msg=key)
        np.testing.assert_array_equal(results[1].arrays[f"{name}/{key}"], ours, err_msg=f"{key} of the other process")


@pytest.mark.parametrize("name", TRAININGS)
def test_every_process_holds_its_share_of_every_layer_and_no_weight_is_sent(name: str, results: list[Results]) -> None:
    network, count = TRAININGS[name].network, len(TRAININGS[name].trials)
    for rank, result in enumerate(results):
        # Of an odd number of units, the first process has one more.
        units = [(layer.rows + 1 - rank) // 2 for layer in network.layers[:-1]]
        expected = [[count, mine, layer.cols] for mine, layer in zip(units, network.layers, strict=False)]
        expected.append([count, 1, units[-1]])
        assert result.facts[name]["shapes"] == expected
        sent = result.facts[name]["sent"]
        # Of each hidden-to-hidden matrix its inputs and its errors; and the outputs, summed in parts and sent to all.
        between = len(network.layers) - 2
        gathers = sum(number for kind, number in sent.items() if "all_gather" in kind)
        scatters = sum(number for kind, number in sent.items() if "reduce_scatter" in kind)
        assert (gathers, scatters) == (between + 1, between + 1)
        assert sum(sent.values()) == gathers + scatters


def test_a_process_needs_half_the_memory(results: list[Results]) -> None:
    whole = WIDE.weight_bytes(4)
    predicted = peak_bytes(WIDE, WIDE_N, 1, PROCESSES)
    for result in results:
        assert result.facts["memory"]["weights"] == whole / 2
        # Beside what is counted, the libraries keep a few MiB for packing and sending.
        assert whole / 2 < result.facts["memory"]["grown"] < predicted + 12 * 2**20 < 0.75 * whole


def test_one_process_is_counted_as_all_of_it() -> None:
    assert peak_bytes(WIDE, WIDE_N, 1, 1) > WIDE.weight_bytes(4) > peak_bytes(WIDE, WIDE_N, 1, 2)


def test_all_processes_refuse_what_one_of_them_cannot_do(results: list[Results]) -> None:
    assert results[0].facts["refusals"] == results[1].facts["refusals"]
    seeds, trials, dtype, none, large = results[0].facts["refusals"]
    for kind, text in (seeds, trials):
        assert kind == "InputError"
        assert text.startswith("the processes were given different networks")
    assert "float16" in dtype[1]
    assert "no trials" in none[1]
    assert large[0] == OutOfMemoryError.__name__
    assert "each of 2 processes needs 1.68e+04 GiB for width 3000000" in large[1]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torchrun --nproc-per-node 1 sets."""
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}.items():
        monkeypatch.setenv(name, str(value))


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("options", "network"),
    [
        (["--network", "chen2019", "-L", "3", "--alpha", "0.25"], scaled_relu(3, 10, 4, 0.25)),
        (["--network", "cao2020", "-L", "2"], he_relu(2, 10, 4)),
        (["--network", "two-layer"], two_layer(10, 4)),
    ],
)
def test_the_command(options: list[str], network: Network, capsys: pytest.CaptureFixture[str]) -> None:
    common = "--data sphere:n=8,d=4,seed=1 -m 10 --step-size 0.05 --steps 4 --inits 2 --dtype float64 --seed 3"
    main([*common.split(), *options])
    told = json.loads(capsys.readouterr().out)
    data = boundcalc.data.load("sphere:n=8,d=4,seed=1")
    engine = DenseEngine(network, data.X, trials=(0, 1), seed=3, dtype=torch.float64)
    history = gradient_descent(engine, data.y, step_size=0.05, iterations=4)
    np.testing.assert_allclose(told["loss"], history.loss, rtol=1e-12)
    np.testing.assert_allclose(told["distances"], history.distances[:, -1], rtol=1e-10)
    assert (told["processes"], told["width"]) == (1, 10)
    assert told["weight_bytes"] == told["weight_bytes_of_process_0"] == 2 * 8 * network.weight_count


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.usefixtures("alone")
def test_the_command_on_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    command = "--data sphere:n=8,d=4,seed=1 -m 10 --step-size 0.05 --steps 4 --dtype float64 --device".split()
    told = []
    for device in ("cpu", "cuda"):
        main([*command, device])
        told.append(json.loads(capsys.readouterr().out))
    np.testing.assert_allclose(told[0]["loss"], told[1]["loss"], rtol=1e-9)
    np.testing.assert_allclose(told[0]["distances"], told[1]["distances"], rtol=1e-9)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"-m": "0"}, "width m = 0"),
        ({"--data": "sphree:n=4"}, "sphree"),
        ({"--step-size": "-1"}, "step size -1.0"),
        ({"--device": "tpu"}, "tpu"),
        ({"--inits": "0"}, "no trials"),
    ],
)
def test_bad_input_is_one_line(changed: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"--data": "sphere:n=8,d=4", "-m": "10", "--step-size": "0.1", "--steps": "2"} | changed
    with pytest.raises(SystemExit) as stop:
        main([part for pair in options.items() for part in pair])
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert not told.out
    assert said in told.err
    assert len(told.err.splitlines()) == 1


def test_outside_torchrun_it_says_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(SystemExit):
        main(["--data", "sphere:n=8,d=4", "-m", "10", "--step-size", "0.1", "--steps", "2"])
    assert capsys.readouterr().err.startswith("RANK is not set; start it with torchrun --nproc-per-node")


def test_nothing_else_imports_torch_distributed() -> None:
    for path in ROOT.rglob("*.py"):
        if path.name == "sharded.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            for name in [f"{module}.{name}" for name in names] if module else names:
                assert not name.startswith(("torch.distributed", "boundcalc.train.sharded")), path
