"""A run on many machines, through Dask: every batch is a task, and what it finds lands in the run's own store.

Only the process that was started writes to the folder; workers send back what they found. A worker that dies loses the
batches it was at, which Dask gives to others; each is kept once. What Dask loses, because workers die faster than it
can move what they held, is handed to it again. A batch with which workers keep dying is halved, as where memory runs
out; Dask blames all that a dying worker had been given, so that a single init is tried some more times before it is
held to be what kills them. Numbers are those of a run on one machine: exactly
where batches, versions, number of threads and kind of processor are the same, else up to rounding.
"""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import re
import time
from collections import Counter
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

_MOST_LOST, _MOST_DEATHS = 5, 4
"""How often a batch may be lost before it is halved, and how many workers one init may take before it is the end."""

_POLL_SECONDS, _LOOK_SECONDS = 0.05, 2.0
"""Between two looks for results, and for the workers that are there."""


def check_address(address: str) -> None:
    """Refuse what is no address, before anything is done.

    Raises:
        InputError: it is neither one of a scheduler nor a Slurm queue.
    """
    if address.partition(":")[0] != SLURM and not re.fullmatch(r"[a-z]+://\S+", address):
        raise InputError(f"--cluster {address!r} is no address; give one as tcp://HOST:8786, or slurm or slurm:JOBS")


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
    check_address(address)
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

        packed, setbacks = _packed(work, shelf), _Setbacks()
        # A task of its own, so that the data go to the scheduler once, and are there again if a worker dies with them.
        parcels = [self._client.submit(_same, packed, pure=False)]
        under_way: dict[str, tuple[Any, Trials]] = {}
        finished = as_completed(loop=self._client.loop, raise_errors=False)
        looked = -math.inf
        try:
            while batches or under_way:
                while batches and len(under_way) < _MOST_AT_ONCE:
                    trials = batches.take()
                    future = self._client.submit(_carry_out, parcels[-1], trials, pure=False)
                    under_way[future.key] = (future, trials)
                    finished.add(future)
                again = []
                for future in finished.next_batch(block=False):
                    _, trials = under_way.pop(future.key)
                    outcome = setbacks.weigh(trials, self._outcome(future))
                    if outcome is None:
                        again.append(trials)
                    else:
                        yield trials, outcome
                if again:
                    self._threads()  # refuses where it is the scheduler that was lost
                    parcels.append(self._client.submit(_same, packed, pure=False))  # the other may be lost as well
                    batches.put_back(again)
                if under_way and time.monotonic() - looked > _LOOK_SECONDS:
                    meter.waiting(self._workers())
                    looked = time.monotonic()
                if under_way:
                    time.sleep(_POLL_SECONDS)
        finally:
            for future, _ in under_way.values():
                future.release()
            for parcel in parcels:
                parcel.release()

    def _outcome(self, future: Any) -> Outcome | _Setback:
        from distributed import CancelledError, KilledWorker

        if future.status not in ("finished", "error"):
            return _Setback()
        try:
            outcome = future.result()
        except KilledWorker as problem:
            # The data that the batch needs may have been with the workers that died: then it was not the batch.
            return _Setback(problem.allowed_failures + 1 if problem.task == future.key else 0)
        except CancelledError:
            return _Setback()
        except ImportError as problem:
            raise InputError(
                f"--cluster {self._address}: a worker cannot run boundcalc ({problem}); install the same version there"
            ) from None
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
class _Setback:
    """That nothing came of a batch: so many workers died with it, or, where that is 0, it was lost with others."""

    deaths: int = 0


class _Setbacks:
    """What became of batches of which nothing came, so far."""

    def __init__(self) -> None:
        self._deaths: Counter[Trials] = Counter()
        self._lost: Counter[Trials] = Counter()

    def weigh(self, trials: Trials, outcome: Outcome | _Setback) -> Outcome | None:
        """What is to be said of the batch, None where it is to be tried once more."""
        if not isinstance(outcome, _Setback):
            return outcome
        self._deaths[trials] += outcome.deaths
        self._lost[trials] += not outcome.deaths
        deaths, lost = self._deaths[trials], self._lost[trials]
        # The likeliest reason why workers die is that they take more memory than they may.
        if deaths and (deaths >= _MOST_DEATHS or len(trials) > 1):
            return Shortage(f"ended its worker {deaths} times", certain=False)
        return Shortage(f"was lost with its workers {lost} times", certain=False) if lost >= _MOST_LOST else None


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
        outcome = attempt(work, trials, shared, lambda step, resumed: None)
    except BoundcalcError as problem:
        return _Refusal(str(problem))
    if isinstance(outcome, Shortage):
        return outcome
    return tuple(_plain(record) for record in outcome)


def _plain(record: Record) -> Record:
    """A record that can be pickled, which read-only views cannot."""
    return replace(record, facts=dict(record.facts), series=dict(record.series))
