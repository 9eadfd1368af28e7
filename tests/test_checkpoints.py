"""A training that is cut off goes on from its checkpoint with the very numbers of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boundcalc.errors import InputError
from boundcalc.train import descent
from boundcalc.train.checkpoints import Checkpointed, Checkpoints
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import History, gradient_descent
from boundcalc.train.networks import scaled_relu


def descend(on_step: Callable[[int], None] | None = None, *, iterations: int = 300, **options: Any) -> History:
    """A training of two inits."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    engine = DenseEngine(scaled_relu(3, 10, 4, 0.5), X, trials=(1, 4), seed=2)
    return gradient_descent(
        engine,
        np.sign(rng.standard_normal(12)),
        step_size=0.02,
        iterations=iterations,
        on_step=on_step,
        distance_steps=(0, 7, 100, 210, 299),
        measure=lambda: {
            "outputs": engine.outputs().double().numpy(),
            "norm": engine.weights[0].double().norm(dim=(1, 2)).numpy(),
        },
        **options,
    )


def assert_same(a: History, b: History) -> None:
    for name in ("loss", "first_reached", "distance_steps", "distances"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.measured.keys() == b.measured.keys() == {"outputs", "norm"}
    for name, values in a.measured.items():
        np.testing.assert_array_equal(values, b.measured[name])
    if a.surrogate is not None:
        assert b.surrogate is not None
        np.testing.assert_array_equal(a.surrogate, b.surrogate)


def test_what_is_measured_is_what_the_weights_give_there() -> None:
    history = descend()
    assert history.measured["outputs"].shape == (2, 6, 12)
    assert history.measured["norm"].shape == (2, 6)
    np.testing.assert_array_equal(history.distance_steps, [0, 7, 100, 210, 299, 300])
    short = descend_to(7)
    np.testing.assert_array_equal(history.measured["outputs"][:, 1], short)


def descend_to(steps: int) -> np.ndarray[Any, Any]:
    """The outputs after so many steps of a training of its own."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((12, 4))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    engine = DenseEngine(scaled_relu(3, 10, 4, 0.5), X, trials=(1, 4), seed=2)
    gradient_descent(engine, np.sign(rng.standard_normal(12)), step_size=0.02, iterations=steps)
    return engine.outputs().double().numpy()


@pytest.mark.parametrize("cut", [1, 7, 64, 250, 299])
@pytest.mark.parametrize("options", [{}, {"record_surrogate": True, "target": 0.38, "stop_when_reached": True}])
def test_a_training_that_was_cut_off_ends_as_if_it_had_not_been(
    tmp_path: Path, cut: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = descend(**options)
    monkeypatch.setattr(descent, "_BLOCK", 32)
    cut = min(cut, whole.steps - 1)

    class Stop(Exception):
        pass

    # A clock by which one second passes at every step, so that every tenth is kept.
    now = [0.0]

    def stop(step: int) -> None:
        now[0] += 1
        if step == cut:
            raise Stop

    with pytest.raises(Stop):
        descend(Checkpointed(stop, Checkpoints(tmp_path, "a", 10, lambda: now[0])), **options)
    steps: list[int] = []
    history = descend(Checkpointed(steps.append, Checkpoints(tmp_path, "a", 1e9)), **options)
    assert steps[0] == (cut - 1) // 10 * 10 + 1
    assert_same(history, whole)


def test_a_training_that_is_over_is_not_done_again(tmp_path: Path) -> None:
    """What follows a long training in the same batch may be cut off as well."""
    now, steps = [0.0], [0]

    def tick(step: int) -> None:
        now[0] += 1
        steps[0] += 1

    options: dict[str, Any] = {"target": 0.38, "stop_when_reached": True}
    first = descend(Checkpointed(tick, Checkpoints(tmp_path, "a", 10, lambda: now[0])), **options)
    assert steps[0] == first.steps < 300
    again = descend(Checkpointed(tick, Checkpoints(tmp_path, "a", 10, lambda: now[0])), **options)
    assert steps[0] == first.steps
    assert_same(again, first)


def test_kill_9_in_a_training(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom boundcalc.train.checkpoints import Checkpointed, Checkpoints\n"
        "sys.path.insert(0, sys.argv[1])\nfrom test_checkpoints import descend\n"
        "descend(Checkpointed(lambda step: None, Checkpoints(Path(sys.argv[2]), 'a', 1e-9)), iterations=1_000_000)\n"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    for _ in range(3000):
        if (tmp_path / "a.0").exists():
            break
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # As many steps again as it had taken; the facts are those of the longer training.
    kept = np.load(tmp_path / "a.0")["taken"][0]
    assert 0 < kept < 1_000_000

    class Enough(Exception):
        pass

    losses: list[int] = []

    def stop(step: int) -> None:
        losses.append(step)
        if step == kept + 50:
            raise Enough

    checkpoints = Checkpoints(tmp_path, "a", 0.0)
    with pytest.raises(Enough):
        descend(Checkpointed(stop, checkpoints), iterations=1_000_000)
    assert losses[0] == kept + 1
    checkpoints.remove()
    assert list(tmp_path.iterdir()) == []


def test_only_a_function_that_gathers_nothing_gets_checkpoints(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "a", 1e-9)
    note = Checkpointed(lambda step: None, checkpoints)
    gathered: list[int] = []

    def on_step(step: int) -> None:
        note(step)
        gathered.append(step)

    descend(on_step)
    assert len(gathered) == 300
    assert list(tmp_path.iterdir()) == []


def kept(checkpoints: Checkpoints, facts: dict[str, Any]) -> dict[str, list[float]] | None:
    found = checkpoints.begin(facts, 0).read()
    return None if found is None else {name: values.tolist() for name, values in found.items()}


def test_a_checkpoint_of_something_else_or_cut_off_is_as_good_as_none(tmp_path: Path) -> None:
    facts = {"iterations": 10, "target": None}
    checkpoint = Checkpoints(tmp_path, "a").begin(facts, 0)
    assert checkpoint.read() is None
    checkpoint.keep(iter([("x", np.arange(300.0)), ("y", np.array(1))]))
    assert kept(Checkpoints(tmp_path, "a"), facts) == {"x": list(range(300)), "y": 1}
    assert kept(Checkpoints(tmp_path, "a"), {**facts, "iterations": 11}) is None
    assert kept(Checkpoints(tmp_path, "b"), facts) is None
    second = Checkpoints(tmp_path, "a")
    second.begin(facts, 0)
    assert kept(second, facts) is None, "the second training of a batch has a file of its own"
    whole = (tmp_path / "a.0").read_bytes()
    for damaged in (whole[:200], whole[:-30], b"", b"nonsense", whole.replace(b"\x40\x59", b"\x40\x58")):
        (tmp_path / "a.0").write_bytes(damaged)
        assert kept(Checkpoints(tmp_path, "a"), facts) is None


def test_checkpoints_take_a_fiftieth_of_the_time_at_most(tmp_path: Path) -> None:
    now = [0.0]

    def costly() -> Any:
        now[0] += 8.0
        yield "x", np.arange(3)

    checkpoint = Checkpoints(tmp_path, "a", 60, lambda: now[0]).begin({}, 0)
    now[0] = 59.9
    assert not checkpoint.due()
    now[0] = 60.0
    assert checkpoint.due()
    checkpoint.keep(costly())  # until 68
    now[0] = 68 + 8 / 0.02 - 0.1
    assert not checkpoint.due()
    now[0] += 0.2
    assert checkpoint.due()
    # 20 GB take 100 s to write even before that has been timed.
    large = Checkpoints(tmp_path, "a", 60, lambda: now[0]).begin({}, 20_000_000_000)
    now[0] += 4999
    assert not large.due()


def test_a_checkpoint_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    checkpoint = Checkpoints(tmp_path / "file", "a").begin({}, 0)
    with pytest.raises(InputError, match=r"cannot keep a checkpoint .* --checkpoint-every 0"):
        checkpoint.keep(iter([("x", np.arange(3))]))
