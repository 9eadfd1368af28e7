"""A run on a Dask cluster of real worker processes, one of which is killed in the middle of it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError, OutOfMemoryError
from boundcalc.train.checkpoints import Checkpointed
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.cluster import (
    Cluster,
    _carry_out,
    _packed,
    _Parcel,
    _Refusal,
    _Setback,
    _Unpickler,
    connected,
)
from boundcalc.verify.execution import Batches, Shelf, Shortage, Work, complete
from boundcalc.verify.experiment import Note
from boundcalc.verify.experiments.chen2019 import ReachesTarget
from boundcalc.verify.progress import State
from boundcalc.verify.record import Record
from boundcalc.verify.runner import run
from boundcalc.verify.store import Store, reading

distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")
CancelledError = distributed.CancelledError
KilledWorker = distributed.KilledWorker

TRIALS = 10


@pytest.fixture(scope="module")
def case() -> Case:
    given: Mapping[str, Fraction] = {"epsilon": Fraction(1, 5), "L": Fraction(2)}
    options = Options("sphere:n=24,d=8,margin=0.3", width=8, trials=TRIALS, device="cpu")
    return make_case("chen2019/thm2.1", options, given, ConstantPolicy({"C_T": Fraction(2)}))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes with a thread each; a task may see one worker die."""
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1, "distributed.worker.daemon": True}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0, silence_logs=50
        ) as cluster,
    ):
        yield cluster


@pytest.fixture
def scheduler(cluster: Any) -> str:
    """The address of the cluster."""
    return str(cluster.scheduler_address)


@pytest.fixture(scope="module", autouse=True)
def _sent_as_they_are() -> Iterator[None]:
    """The experiments of this file: the workers cannot import it."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def processes(scheduler: str, *, busy: bool = False) -> set[int]:
    """The processes of the workers, or of those that are at a task."""
    with distributed.Client(scheduler, set_as_default=False) as client:
        found = [address for address, tasks in client.processing().items() if tasks or not busy]
        return set(client.run(os.getpid, workers=found).values()) if found else set()


def assert_same(found: Mapping[int, Record], expected: Mapping[int, Record]) -> None:
    assert found.keys() == expected.keys()
    for trial, record in expected.items():
        assert (found[trial].success, found[trial].facts) == (record.success, record.facts)
        for name, series in record.series.items():
            np.testing.assert_array_equal(found[trial].series[name], series)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_is_counted_twice(
    case: Case, scheduler: str, tmp_path: Path
) -> None:
    killed: set[int] = set()
    said: list[State] = []

    def kill_one(state: State) -> None:
        said.append(state)
        if state.stage == "training" and state.done >= 2 and not killed:
            for process in list(processes(scheduler, busy=True))[:1]:
                os.kill(process, signal.SIGKILL)
                killed.add(process)

    with connected(scheduler) as workers:
        assert workers.batch(replace(case, batch=10)) == 5  # ten inits on two threads
        found = run(case, tmp_path / "cluster", kill_one, workers=workers, batch=1)
    assert killed, "no worker was at a task"
    assert not killed & processes(scheduler)
    assert [state.done for state in said if state.stage == "training"][-1] == TRIALS
    with reading(tmp_path / "cluster") as rows:
        assert rows.tally("training").trials == rows.tally("certifying").trials == TRIALS
    # The workers have one thread each, and so has this process while it does the same alone.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = run(case, tmp_path / "alone", batch=1)
    torch.set_num_threads(threads)
    assert_same(found.trained, alone.trained)
    assert_same(found.certificates, alone.certificates)
    assert (found.verdict, found.interval, found.prescribed) == (alone.verdict, alone.interval, alone.prescribed)
    # What was done on the cluster is there for a run of this process, and the other way round.
    again = run(case, tmp_path / "cluster", lambda state: pytest.fail("it was done again"), batch=1)
    assert_same(again.trained, found.trained)


@dataclass
class Deadly(ReachesTarget):
    """Kills the worker that is given this init."""

    trial: int

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        if self.trial in trials:
            os.kill(os.getpid(), signal.SIGKILL)
        return [Record(trial, True, {"R": 1.0, "worst_loss_at_R": 0.1}) for trial in trials]


@dataclass
class Large(ReachesTarget):
    """Takes no more than three inits at once, and refuses to train."""

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        if len(trials) > 3:
            raise MemoryError
        return [Record(trial, True, {"R": 1.0, "worst_loss_at_R": 0.1}) for trial in trials]

    def train(self, case: Case, prescribed: Any, trials: Sequence[int], note: Note) -> list[Record]:
        raise InputError("epsilon = 7 is refused here; give another")


@pytest.mark.slow
def test_an_init_that_kills_every_worker_ends_in_one_clear_line(
    case: Case, cluster: Any, scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    monkeypatch.setattr("boundcalc.verify.cluster._MOST_DEATHS", 2)  # a new worker takes seconds
    deadly = replace(case, experiment=Deadly(3), trials=4)
    with connected(scheduler) as workers, pytest.raises(OutOfMemoryError) as refused:
        run(deadly, tmp_path / "run", workers=workers, batch=2)
    message = str(refused.value)
    # Init 2 may have waited at the same worker both times, and is blamed as well.
    ends = "alone ended its worker 2 times: at width 8 it probably does not fit into the memory of one; the finished "
    assert re.match(f"init [23] {ends}inits are kept: free some memory", message)
    assert "\n" not in message
    with reading(tmp_path / "run") as rows:
        assert rows.batch == 1, "it was halved first"
        # Which of the others were done by then is a matter of who was first.
        assert rows.trial_numbers("certifying") <= {0, 1, 2}


@pytest.mark.slow
def test_what_happens_on_a_worker_is_heard_here(case: Case, scheduler: str, tmp_path: Path) -> None:
    large = replace(case, experiment=Large())
    with connected(scheduler) as workers, pytest.raises(InputError, match="epsilon = 7 is refused here; give another"):
        run(large, tmp_path / "run", workers=workers, batch=10)
    with reading(tmp_path / "run") as rows:
        assert (rows.batch, rows.tally("certifying").trials, rows.tally("training").trials) == (3, TRIALS, 0)


@pytest.mark.slow
def test_the_command_runs_on_a_cluster(scheduler: str, tmp_path: Path) -> None:
    arguments = ["verify", "chen2019/thm2.1", "--data", "sphere:n=24,d=8,margin=0.3", "--width", "8", "--trials", "3"]
    options = ["epsilon=0.2", "L=2", "--device", "cpu", "--probe", "none", "--cluster", scheduler]
    done = CliRunner().invoke(cli, [*arguments, *options, "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "3/3 inits" in done.stderr
    assert "3 of 3 inits reached training loss" in done.stdout


# What needs no cluster.


def test_a_parcel_holds_the_whole_work_and_statements_by_name(case: Case) -> None:
    work = Work(case)
    packed = _packed(work, None)
    unpacked, shelf = _Unpickler(io.BytesIO(packed.packed)).load()
    assert shelf is None
    assert unpacked.case.config == case.config
    assert unpacked.case.theorem is CATALOGUE.find("chen2019/thm2.1")
    assert unpacked.case.statement.solve("step-size") == case.statement.solve("step-size")
    outcome = _carry_out(packed, (1, 4))
    assert not isinstance(outcome, Shortage | _Refusal)
    assert_same({r.trial: r for r in outcome}, {r.trial: r for r in work.of((1, 4), lambda step: None)})


def test_other_versions_are_refused(case: Case) -> None:
    parcel = _packed(Work(case), None)
    for name in ("boundcalc", "torch"):
        answer = _carry_out(replace(parcel, **{name: "0.0.1"}), (0,))
        assert isinstance(answer, _Refusal)
        assert name in answer.message
        assert "0.0.1" in answer.message
    assert isinstance(parcel, _Parcel)


@dataclass
class Noted(ReachesTarget):
    """Says whether it could keep checkpoints."""

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        return [Record(trial, isinstance(note, Checkpointed)) for trial in trials]


@pytest.mark.parametrize("there", [True, False])
def test_workers_that_see_the_folder_keep_checkpoints_in_it(case: Case, tmp_path: Path, there: bool) -> None:
    folder = tmp_path if there else tmp_path / "elsewhere"
    parcel = _packed(Work(replace(case, experiment=Noted())), Shelf(folder / "checkpoints", "a" * 64, 60))
    outcome = _carry_out(parcel, (0,))
    assert isinstance(outcome, tuple)
    assert outcome[0].success == there


class Undescribed:
    """Stands for dask-jobqueue's SLURMCluster where no jobqueue.yaml says what a job is."""

    def __init__(self) -> None:
        raise ValueError("You must specify how much cores and memory per job you want to use")


@pytest.mark.slow
@pytest.mark.parametrize(("address", "jobs"), [("slurm", 10), ("slurm:3", 3)])
def test_a_queue_grows_to_the_jobs_that_were_asked_for_and_is_closed(
    address: str, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Queue(distributed.LocalCluster):  # type: ignore[misc]
        """Stands for dask-jobqueue's SLURMCluster, and starts nothing."""

        asked: ClassVar[list[dict[str, int]]] = []

        def __init__(self) -> None:
            super().__init__(n_workers=0, dashboard_address=":0")

        def adapt(self, **options: int) -> None:
            self.asked.append(options)

    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=Queue))
    with connected(address) as workers:
        assert workers._workers() == "waiting for workers"
        assert Queue.asked == [{"minimum_jobs": 1, "maximum_jobs": jobs}]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("tcp://127.0.0.1:9", ["no Dask scheduler answers", "tcp://127.0.0.1:9", "tcp://HOST:8786"]),
        ("nowhere", ["nowhere", "tcp://HOST:8786"]),
        ("slurm:few", ["slurm:few", "'few' is no number of jobs", "slurm:10"]),
        ("slurm:0", ["slurm:0", "no number of jobs"]),
        ("slurm", ["--cluster slurm", "how much cores and memory", "jobqueue.yaml"]),
    ],
)
def test_addresses_at_which_nobody_is(address: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=Undescribed))
    monkeypatch.setattr("boundcalc.verify.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(InputError) as refused, connected(address):
        pass
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(("module", "address"), [("distributed", "tcp://h:1"), ("dask_jobqueue", "slurm")])
def test_without_the_extra_one_clear_line_says_so(module: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=r"pip install 'boundcalc\[cluster\]'"), connected(address):
        pass


def test_no_run_of_one_process_loads_dask() -> None:
    script = (
        "import sys, boundcalc.verify.runner, boundcalc.verify.cluster, boundcalc.cli\n"
        "print({'dask', 'distributed', 'cloudpickle'} & {name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_lost_scheduler_is_one_clear_line() -> None:
    class Gone:
        def nthreads(self) -> dict[str, int]:
            raise OSError("Timed out")

    class Future:
        status = "lost"

    cluster = Cluster(Gone(), "tcp://h:1")
    with pytest.raises(InputError, match=r"tcp://h:1: the scheduler was lost .* same command again"):
        cluster._workers()
    assert cluster._outcome(Future()) == _Setback()


class Task:
    """Stands for a future of Dask."""

    def __init__(self, key: str, status: str, told: Any = None) -> None:
        self.key, self.status, self.told = key, status, told

    def result(self) -> Any:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told

    def release(self) -> None:
        pass


class Forgetful:
    """Stands for a client whose scheduler loses every batch so many times, and then does it."""

    loop = None

    def __init__(self, times: Mapping[tuple[int, ...], int], loss: Any) -> None:
        self.times, self.loss, self.asked = dict(times), loss, 0
        self.handed: list[tuple[int, ...]] = []
        self.parcels = 0

    def nthreads(self) -> dict[str, int]:
        return {"tcp://w:1": 1}

    def submit(self, function: Any, *arguments: Any, pure: bool) -> Task:
        self.asked += 1
        key = f"task-{self.asked}"
        if function is not _carry_out:
            self.parcels += 1
            return Task(key, "finished")
        trials = arguments[1]
        self.handed.append(trials)
        if self.times.get(trials, 0) > 0:
            self.times[trials] -= 1
            return self.loss(key)
        return Task(key, "finished", tuple(Record(trial, True) for trial in trials))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every future is over as soon as it is there."""

    class Completed:
        def __init__(self, **options: Any) -> None:
            self.waiting: list[Task] = []

        def add(self, task: Task) -> None:
            self.waiting.append(task)

        def next_batch(self, block: bool) -> list[Task]:
            found, self.waiting = self.waiting, []
            return found

    monkeypatch.setattr(distributed, "as_completed", Completed)


def killed(key: str, of: str = "") -> Task:
    return Task(key, "error", KilledWorker(of or key, None, 0))


LOSSES = {
    "lost": lambda key: Task(key, "lost"),
    "cancelled": lambda key: Task(key, "cancelled"),
    "cancelled at last": lambda key: Task(key, "finished", CancelledError()),
    "its data lost": lambda key: killed(key, "parcel"),
}


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_what_the_scheduler_loses_is_handed_to_it_again(case: Case, loss: Any) -> None:
    client = Forgetful({(0, 1): 3, (4, 5): 1}, loss)
    batches = Batches([(0, 1), (2, 3), (4, 5)], 2)
    outcomes = list(Cluster(client, "tcp://h:1").outcomes(Work(case), batches, None, Any))
    assert sorted(trials for trials, _ in outcomes) == [(0, 1), (2, 3), (4, 5)]
    assert not any(isinstance(outcome, Shortage) for _, outcome in outcomes)
    assert [client.handed.count(trials) for trials in ((0, 1), (2, 3), (4, 5))] == [4, 1, 2]
    assert client.parcels == 4  # the first, and a new one after each round of losses


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("loss", "words", "rounds"),
    [
        (LOSSES["lost"], "init 2 alone was lost with its workers 5 times: at width 8 it probably does not fit", 5),
        (killed, "init 2 alone ended its worker 4 times: at width 8 it probably does not fit", 4),
    ],
)
def test_what_is_lost_again_and_again_is_halved_and_then_given_up(
    case: Case, tmp_path: Path, loss: Any, words: str, rounds: int
) -> None:
    client = Forgetful({(2, 3): 99, (2,): 99}, loss)
    with Store(tmp_path, {"a": 1, "batch": 2}) as store:
        few = replace(case, trials=4, batch=2)
        with pytest.raises(OutOfMemoryError, match=words):
            complete(Work(few), store, Cluster(client, "tcp://h:1"), None, lambda state: None)
        assert store.batch == 1
        assert store.trial_numbers("certifying") == {0, 1, 3}
    assert client.handed.count((2,)) == rounds
    assert client.handed.count((2, 3)) == (rounds if loss is LOSSES["lost"] else 1)


@pytest.mark.usefixtures("at_once")
def test_an_init_that_shared_its_worker_with_a_deadly_one_is_tried_again(case: Case) -> None:
    client = Forgetful({(0,): 3}, killed)
    outcomes = dict(Cluster(client, "tcp://h:1").outcomes(Work(case), Batches([(0,), (1,)], 1), None, Any))
    assert isinstance(outcomes[0,], tuple)
    assert client.handed.count((0,)) == 4
