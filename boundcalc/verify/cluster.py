"""A run on many machines, through Dask: every batch is a task, and what it finds lands in the run's own store.

Only the process that was started writes to the folder; workers send back what they found. A worker that dies loses the
batches it was at, which Dask gives to others; each is kept once. Numbers are those of a run on one machine: exactly
where batches, versions, number of threads and kind of processor are the same, else up to rounding.
"""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch

from boundcalc import __version__
from boundcalc.catalogue import CATALOGUE
from boundcalc.errors import BoundcalcError, InputError
from boundcalc.theorem import Theorem
from boundcalc.verify.case import Case
from boundcalc.verify.execution import Batches, Outcome, Shelf, Shortage, Trials, Work, attempt
from boundcalc.verify.progress import Meter
from boundcalc.verify.record import Record

SLURM, SLURM_JOBS = "slurm", 10
"""The address that stands for a Slurm queue, and how many of its jobs are asked for at most, if nobody says."""

CONNECT_SECONDS = 20
"""How long to try to reach a scheduler, and to reach it again when it is lost."""

_MOST_AT_ONCE = 2000
"""Tasks handed to the scheduler at a time."""

_POLL_SECONDS, _LOOK_SECONDS = 0.05, 2.0
"""Between two looks for results, and for the workers that are there."""


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """The workers at an address: that of a Dask scheduler, or slurm:JOBS for jobs of a Slurm queue.

    What a job is (queue, cores, memory, time) stands in the user's own jobqueue.yaml, as dask-jobqueue describes it.

    Raises:
        InputError: Dask is not installed, nobody answers at the address, or the queue refuses.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"--cluster {address} needs Dask; pip install 'boundcalc[cluster]'") from None
    with contextlib.ExitStack() as stack:
        at: Any = address
        if address.partition(":")[0] == SLURM:
            at = stack.enter_context(_slurm(address))
        try:
            client = Client(at, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TypeError) as problem:
            raise InputError(
                f"--cluster {address}: no Dask scheduler answers ({problem}); give its address, as tcp://HOST:8786"
            ) from None
        stack.enter_context(client)
        yield Cluster(client, address)


@contextlib.contextmanager
def _slurm(address: str) -> Iterator[Any]:
    """A cluster of jobs that come and go with the work there is."""
    try:
        jobqueue: Any = import_module("dask_jobqueue")
    except ImportError:
        raise InputError(f"--cluster {address} needs dask-jobqueue; pip install 'boundcalc[cluster]'") from None
    _, colon, count = address.partition(":")
    if colon and not (count.isdecimal() and int(count) > 0):
        raise InputError(f"--cluster {address}: {count!r} is no number of jobs; give slurm:{SLURM_JOBS}, say")
    try:
        cluster = jobqueue.SLURMCluster()
    except (OSError, ValueError, RuntimeError) as problem:
        raise InputError(f"--cluster {address}: {problem}; say it in ~/.config/dask/jobqueue.yaml") from None
    with cluster:
        cluster.adapt(minimum_jobs=1, maximum_jobs=int(count) if colon else SLURM_JOBS)
        yield cluster


class Cluster:
    """The workers of a Dask cluster, as those that carry out a run's batches."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address

    def batch(self, case: Case) -> int:
        """So many that every thread of the workers that are there has something to do; no more than fit well."""
        threads = sum(self._threads().values())
        return min(case.batch, math.ceil(case.trials / max(threads, 1)))

    def outcomes(
        self, work: Work, batches: Batches, shelf: Shelf | None, meter: Meter
    ) -> Generator[tuple[Trials, Outcome], None, None]:
        """In the order in which they are finished."""
        from distributed import as_completed

        # A task of its own, so that the data go to the scheduler once, and are there again if a worker dies with them.
        parcel = self._client.submit(_same, _packed(work, shelf), pure=False)
        under_way: dict[str, tuple[Any, Trials]] = {}
        finished = as_completed(loop=self._client.loop, raise_errors=False)
        looked = -math.inf
        try:
            while batches or under_way:
                while batches and len(under_way) < _MOST_AT_ONCE:
                    trials = batches.take()
                    future = self._client.submit(_carry_out, parcel, trials, pure=False)
                    under_way[future.key] = (future, trials)
                    finished.add(future)
                for future in finished.next_batch(block=False):
                    _, trials = under_way.pop(future.key)
                    yield trials, self._outcome(future)
                if under_way and time.monotonic() - looked > _LOOK_SECONDS:
                    meter.waiting(self._workers())
                    looked = time.monotonic()
                if under_way:
                    time.sleep(_POLL_SECONDS)
        finally:
            for future, _ in under_way.values():
                future.release()
            parcel.release()

    def _outcome(self, future: Any) -> Outcome:
        from distributed.scheduler import KilledWorker

        if future.status != "finished":
            problem = future.exception() if future.status == "error" else None
            if isinstance(problem, KilledWorker):
                # The likeliest reason is that the worker took more memory than it may.
                return Shortage(f"it ended its worker {problem.allowed_failures + 1} times")
            if isinstance(problem, ImportError):
                raise InputError(
                    f"--cluster {self._address}: a worker cannot run boundcalc ({problem}); install the same "
                    "version there"
                )
            if problem is None:
                raise self._lost(f"a task was {future.status}")
            raise problem
        outcome = future.result()
        if isinstance(outcome, _Refusal):
            raise InputError(outcome.message)
        return outcome

    def _workers(self) -> str:
        count = len(self._threads())
        return f"{count} worker{'s' * (count != 1)}" if count else "waiting for workers"

    def _threads(self) -> dict[str, int]:
        """The number of threads of every worker."""
        try:
            return dict(self._client.nthreads())
        except (OSError, TimeoutError) as problem:
            raise self._lost(str(problem)) from None

    def _lost(self, why: str) -> InputError:
        return InputError(
            f"--cluster {self._address}: the scheduler was lost ({why}); the finished inits are kept, so run the same "
            "command again"
        )


@dataclass(frozen=True)
class _Refusal:
    """What a worker cannot do, in words for the person who asked."""

    message: str


@dataclass(frozen=True)
class _Parcel:
    """The work of a stage as a worker gets it: the versions that have to be its own, and the rest still packed."""

    boundcalc: str
    torch: str
    packed: bytes


def _packed(work: Work, shelf: Shelf | None) -> _Parcel:
    from cloudpickle import CloudPickler

    class Pickler(CloudPickler):
        def persistent_id(self, obj: Any) -> tuple[str, str] | None:
            """Statements of the catalogue go by name: sympy would simplify their formulas on the way."""
            known = isinstance(obj, Theorem) and any(obj is statement for statement in CATALOGUE.all())
            return (obj.key, obj.reading) if known else None

    buffer = io.BytesIO()
    Pickler(buffer).dump((work, shelf))
    return _Parcel(__version__, torch.__version__, buffer.getvalue())


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Theorem:
        key, reading = pid
        return CATALOGUE.find(key, reading)


def _same(parcel: _Parcel) -> _Parcel:
    """The parcel: a task of its own hands it on."""
    return parcel


def _carry_out(parcel: _Parcel, trials: Trials) -> Outcome | _Refusal:
    """Do a batch, on a worker."""
    for name, here, there in (("boundcalc", __version__, parcel.boundcalc), ("torch", torch.__version__, parcel.torch)):
        if here != there:
            return _Refusal(f"a worker has {name} {here}, and this process {there}; install the same versions")
    work, shelf = _Unpickler(io.BytesIO(parcel.packed)).load()
    # Checkpoints are kept where the worker sees the run's folder.
    shared = shelf if shelf is not None and shelf.folder.parent.is_dir() else None
    try:
        outcome = attempt(work, trials, shared, lambda step: None)
    except BoundcalcError as problem:
        return _Refusal(str(problem))
    if isinstance(outcome, Shortage):
        return outcome
    return tuple(_plain(record) for record in outcome)


def _plain(record: Record) -> Record:
    """A record that can be pickled, which read-only views cannot."""
    return replace(record, facts=dict(record.facts), series=dict(record.series))
