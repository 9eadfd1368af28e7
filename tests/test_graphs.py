"""Training on a device: nothing waits for it within the loop, and steps replayed as a graph are the steps."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from boundcalc.train import dense, descent, graphs
from boundcalc.train.checkpoints import Checkpointed, Checkpoints
from boundcalc.train.dense import DenseEngine
from boundcalc.train.descent import LOGISTIC, SQUARE, History, Loss, gradient_descent
from boundcalc.train.devices import Arriving
from boundcalc.train.graphs import WORTHWHILE, Replayed, Step
from boundcalc.train.networks import Network, he_relu, scaled_relu
from boundcalc.train.sgd import BLOCK, Judges, online_descent, sample_orders

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 5))
X /= np.linalg.norm(X, axis=1, keepdims=True)
Y = np.where(RNG.random(12) < 0.5, -1.0, 1.0)
NETWORK = scaled_relu(3, 16, 5, 0.5)


class Enough(Exception):
    """Ends a training from within."""


class Traffic(TorchDispatchMode):
    """Notes, while it is on, every operation that hands a number to the host or touches two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.on = False
        self.seen = 0
        self.noted: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self.on:
            self.seen += 1
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
            if func is torch.ops.aten._local_scalar_dense.default or len({t.device for t in tensors}) > 1:
                self.noted.append(str(func))
        return result


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes engines on the device "meta", which holds no numbers: whoever asks it for one gets an error."""
    monkeypatch.setattr(dense, "resolve_device", torch.device)
    monkeypatch.setattr(dense, "available_bytes", lambda device: 2**40)


@pytest.mark.usefixtures("far_away")
@pytest.mark.parametrize("loss", [LOGISTIC, SQUARE])
@pytest.mark.parametrize("trials", [[0], [0, 1, 2]])
@pytest.mark.parametrize("network", [NETWORK, he_relu(2, 16, 5)])
def test_a_step_of_gradient_descent_asks_the_device_for_nothing(
    network: Network, trials: list[int], loss: Loss
) -> None:
    engine = DenseEngine(network, X, trials=trials, seed=0, device="meta")

    def look(step: int) -> None:
        traffic.on = step < 5
        if step == 5:
            raise Enough

    with Traffic() as traffic, pytest.raises(Enough):
        gradient_descent(engine, Y, step_size=0.1, iterations=9, loss=loss, on_step=look, record_surrogate=True)
    assert traffic.seen > 40
    assert not traffic.noted


def repeated_orders(steps: int) -> np.ndarray[Any, Any]:
    return np.tile(sample_orders(12, trials=[0, 1], seed=0), (1, steps // 12 + 1))[:, :steps]


@pytest.mark.usefixtures("far_away")
def test_a_step_of_online_descent_asks_the_device_for_nothing() -> None:
    engine = DenseEngine(NETWORK, X, trials=[0, 1], seed=0, device="meta")

    orders, judges = repeated_orders(2 * BLOCK), Judges(X, Y, np.zeros((2 * BLOCK, 3), dtype=np.int64))

    def look(step: int) -> None:
        traffic.on = True
        if step == BLOCK + 3:  # beyond what is measured at the end of a block
            raise Enough

    with Traffic() as traffic, pytest.raises(Enough):
        online_descent(engine, X, Y, orders, step_size=0.1, judges=judges, on_step=look)
    assert traffic.seen > 10 * BLOCK
    assert not traffic.noted


def test_what_would_be_noted_is_noted() -> None:
    meta, values = torch.zeros(3, device="meta"), torch.ones(3)
    with Traffic() as traffic:
        traffic.on = True
        assert bool(values.any())
        meta.copy_(values)
        values.to("meta")
    assert len(traffic.noted) == 3
    with pytest.raises((RuntimeError, NotImplementedError)):
        meta.cpu()


def on_the_cpu(**options: Any) -> History:
    engine = DenseEngine(NETWORK, X, trials=(0, 1, 2), seed=0, dtype=torch.float64)
    return gradient_descent(engine, Y, step_size=0.02, **options)


def test_on_the_cpu_it_is_seen_at_every_step_whether_all_is_over() -> None:
    def look(step: int) -> None:
        traffic.on = 0 < step < 9

    with Traffic() as traffic:
        on_the_cpu(iterations=9, on_step=look)
        assert not traffic.noted
        on_the_cpu(iterations=9, on_step=look, target=-1.0, stop_when_reached=True)
    assert traffic.noted == ["aten._local_scalar_dense.default"] * 8


@pytest.mark.parametrize("behind", [1, 4, 32])
def test_seeing_it_later_changes_nothing_but_how_many_steps_follow(
    behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = on_the_cpu(iterations=400, target=0.3, stop_when_reached=True)
    last = int(plain.first_reached.max())
    assert 0 < last < 300
    monkeypatch.setattr(descent, "_steps_behind", lambda device: behind)
    late = on_the_cpu(iterations=400, target=0.3, stop_when_reached=True)
    # Settled for the device after step last + 1; asked at the next multiple, answered one later.
    assert late.steps == behind * (-(-(last + 1) // behind) + 1)
    assert late.steps <= last + 2 * behind
    np.testing.assert_array_equal(late.first_reached, plain.first_reached)
    np.testing.assert_array_equal(late.loss[:, : last + 2], plain.loss)


@pytest.mark.parametrize("left", [1, 4, 7, 8, 9, 15])
def test_a_training_cut_off_while_an_answer_is_due_stops_where_it_would_have(
    left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descent, "_steps_behind", lambda device: 8)
    options = {"iterations": 400, "target": 0.58, "stop_when_reached": True}
    whole = on_the_cpu(**options)
    assert 16 < whole.steps < 400
    assert whole.steps % 8 == 0
    cut, now = whole.steps - left, [0.0]

    def stop(step: int) -> None:
        now[0] += 1
        if step == cut:
            raise Enough

    with pytest.raises(Enough):  # kept at every step
        on_the_cpu(on_step=Checkpointed(stop, Checkpoints(tmp_path, "a", 0.5, lambda: now[0])), **options)
    steps: list[int] = []
    again = on_the_cpu(on_step=Checkpointed(steps.append, Checkpoints(tmp_path, "a", 1e9)), **options)
    assert steps[0] == cut
    np.testing.assert_array_equal(again.loss, whole.loss)


def test_what_arrives_is_what_was_sent() -> None:
    values = torch.arange(6.0).view(2, 3)
    np.testing.assert_array_equal(Arriving(values).read(), values)
    assert bool(Arriving(values.sum() > 0).read())


class Counting:
    """A step that counts, in place of one that trains: what it returns is how many have been taken."""

    def __init__(self) -> None:
        self.taken = torch.zeros(1)

    def __call__(self) -> tuple[torch.Tensor, ...]:
        self.taken += 1
        return (self.taken.clone(),)


def recorder(seen: list[str]) -> Callable[[Step, torch.device], Step]:
    """Stands in for the recording of a graph: runs nothing at first, and the step at every call of what it returns."""

    def record(step: Step, device: torch.device) -> Step:
        seen.append(f"recorded on {device}")

        def replay() -> tuple[torch.Tensor, ...]:
            seen.append("replayed")
            return step()

        return replay

    return record


def test_every_call_is_one_step_before_and_after_the_recording() -> None:
    seen: list[str] = []
    take = Replayed(Counting(), torch.device("cpu"), recorder(seen))
    assert [int(take()[0]) for _ in range(6)] == [1, 2, 3, 4, 5, 6]
    assert seen == ["recorded on cpu", "replayed", "replayed", "replayed"]


def test_what_cannot_be_recorded_is_said_once_and_goes_on_step_by_step() -> None:
    def refuse(step: Step, device: torch.device) -> Step:
        raise RuntimeError("operation not permitted when stream is capturing\nand much more")

    take = Replayed(Counting(), torch.device("cpu"), refuse)
    with pytest.warns(
        RuntimeWarning, match=r"^no CUDA graph .*\(operation not permitted .* capturing\); .* one by one$"
    ):
        assert [int(take()[0]) for _ in range(4)] == [1, 2, 3, 4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert int(take()[0]) == 5


@pytest.mark.parametrize(("iterations", "recordings"), [(WORTHWHILE, 1), (WORTHWHILE - 1, 0)])
def test_long_trainings_of_a_capturable_engine_are_replayed(
    iterations: int, recordings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = on_the_cpu(iterations=iterations, record_surrogate=True, target=-1.0, stop_when_reached=True)
    seen: list[str] = []
    record = recorder(seen)
    monkeypatch.setattr(descent, "Replayed", lambda step, device: Replayed(step, device, record))
    monkeypatch.setattr(DenseEngine, "capturable", True)
    replayed = on_the_cpu(iterations=iterations, record_surrogate=True, target=-1.0, stop_when_reached=True)
    assert seen.count("recorded on cpu") == recordings
    assert seen.count("replayed") == recordings * (iterations - 3)
    np.testing.assert_array_equal(replayed.loss, plain.loss)
    np.testing.assert_array_equal(replayed.surrogate, plain.surrogate)


def test_on_a_cpu_nothing_is_recorded() -> None:
    assert not DenseEngine(NETWORK, X, trials=[0], seed=0).capturable


def on_the_gpu(network: Network, trials: list[int], **options: Any) -> History:
    engine = DenseEngine(network, X, trials=trials, seed=0, dtype=torch.float64, device="cuda")
    return gradient_descent(engine, Y, step_size=0.02, iterations=400, **options)


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("trials", [[0], [0, 1, 2]])
@pytest.mark.parametrize("network", [scaled_relu(3, 64, 5, 0.5), he_relu(3, 64, 5)])
def test_replayed_steps_are_the_steps(network: Network, trials: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[Step] = []
    record = graphs.capture

    def noted(step: Step, device: torch.device) -> Step:
        recorded.append(step)
        return record(step, device)

    options = {"record_surrogate": True, "distance_steps": (0, 100, 399), "target": 0.3}
    with warnings.catch_warnings(), monkeypatch.context() as patch:
        warnings.simplefilter("error")  # a recording that failed would warn
        patch.setattr(descent, "Replayed", lambda step, device: Replayed(step, device, noted))
        replayed = on_the_gpu(network, trials, **options)
        stopped = on_the_gpu(network, trials, stop_when_reached=True, **options)
    assert len(recorded) == 2
    monkeypatch.setattr(DenseEngine, "capturable", False)
    plain = on_the_gpu(network, trials, **options)
    np.testing.assert_allclose(replayed.loss, plain.loss, rtol=1e-6)
    assert plain.surrogate is not None
    assert replayed.surrogate is not None
    np.testing.assert_allclose(replayed.surrogate, plain.surrogate, rtol=1e-6)
    np.testing.assert_allclose(replayed.distances, plain.distances, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(stopped.first_reached, replayed.first_reached)
    np.testing.assert_array_equal(stopped.loss, replayed.loss[:, : stopped.steps + 1])


@contextmanager
def no_waiting() -> Iterator[Callable[[int], None]]:
    """An on_step from whose 10th call on whatever makes the host wait is an error, up to the 390th."""

    def on_step(step: int) -> None:
        if step in (10, 390):
            torch.cuda.set_sync_debug_mode("error" if step == 10 else "default")

    try:
        yield on_step
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@gpu
@pytest.mark.parametrize("capturable", [True, False])
@pytest.mark.parametrize("loss", [LOGISTIC, SQUARE])
def test_the_host_never_waits_within_the_loop(loss: Loss, capturable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DenseEngine, "capturable", capturable)
    monkeypatch.setattr(descent, "_BLOCK", 100)  # so that losses travel meanwhile
    with no_waiting() as on_step:
        history = on_the_gpu(
            NETWORK, [0, 1], loss=loss, record_surrogate=True, target=-1.0, stop_when_reached=True, on_step=on_step
        )
    assert history.steps == 400


@pytest.mark.gpu
@gpu
def test_the_host_never_waits_within_online_descent() -> None:
    engine = DenseEngine(NETWORK, X, trials=[0, 1], seed=0, device="cuda")
    judges = Judges(X, Y, np.zeros((400, 3), dtype=np.int64))
    with no_waiting() as on_step:
        history = online_descent(engine, X, Y, repeated_orders(400), step_size=0.02, judges=judges, on_step=on_step)
    assert history.judged.shape == (2, 400, 3)
