"""Carrying out one stage of a run, batch by batch, here or on other machines, so that it survives.

A batch is a pure function of the case, what is prescribed and the numbers of its inits. What it finds is kept at once,
as a whole or not at all; what is kept is never done again. Where memory runs out, the batch is halved. How inits are
put together into batches changes their numbers by rounding alone: matrix products of other shapes add up in another
order, which a long training may amplify.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import torch

from boundcalc.errors import OutOfMemoryError
from boundcalc.train.checkpoints import Checkpointed, Checkpoints
from boundcalc.verify.case import Case
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.progress import Meter, Progress
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statistics import Verdict
from boundcalc.verify.store import Rows, Tally

Trials = tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """One stage of a run as a function of the inits: certifying, or training at what is prescribed."""

    case: Case
    prescribed: Prescribed | None = None

    @property
    def stage(self) -> str:
        """Its name in the store."""
        return "certifying" if self.prescribed is None else "training"

    @property
    def steps(self) -> int | None:
        """How many steps a batch takes, None where nobody knows."""
        return None if self.prescribed is None else self.prescribed.steps

    def of(self, trials: Sequence[int], note: Note) -> list[Record]:
        """Do it for these inits."""
        if self.prescribed is None:
            return self.case.experiment.certify(self.case, trials, note)
        return self.case.experiment.train(self.case, self.prescribed, trials, note)


@dataclass(frozen=True)
class Shelf:
    """Where the checkpoints of a run lie: in a folder, under the key of its configuration; every so many seconds."""

    folder: Path
    key: str
    seconds: float

    def of(self, stage: str, trials: Sequence[int]) -> Checkpoints:
        """Those of one batch."""
        batch = hashlib.sha256(repr(tuple(trials)).encode()).hexdigest()
        return Checkpoints(self.folder, f"{self._prefix(stage)}{batch[:16]}", self.seconds)

    def clear(self, stage: str) -> None:
        """Remove those of a stage that is finished; the folder too if it held no others."""
        if not self.folder.is_dir():
            return
        for path in self.folder.glob(f"{self._prefix(stage)}*"):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _prefix(self, stage: str) -> str:
        return f"{self.key[:16]}-{stage}-"


@dataclass(frozen=True)
class Shortage:
    """That a batch did not fit into memory, in the words of whoever said so.

    certain: whether it was memory. Where the whole process died, that is only the likeliest reason, and the message
    goes on from the batch: "ended its worker 4 times".
    """

    message: str
    certain: bool = True


Outcome = tuple[Record, ...] | Shortage


class Batches:
    """The batches that are left to do, none larger than `size`, which only ever shrinks."""

    def __init__(self, batches: Sequence[Trials], size: int) -> None:
        self._left, self.size = deque(batches), size

    def __bool__(self) -> bool:
        return bool(self._left)

    def take(self) -> Trials:
        """The next one."""
        batch = self._left.popleft()
        if len(batch) > self.size:
            self._left.appendleft(batch[self.size :])
        return batch[: self.size]

    def put_back(self, batches: Sequence[Trials]) -> None:
        """Put back what is to be done once more."""
        self._left.extendleft(reversed(batches))

    def halve(self, batch: Trials) -> None:
        """Put back one that did not fit, to be done in halves, and all others no larger than those."""
        self._left.appendleft(batch)
        self.size = min(self.size, (len(batch) + 1) // 2)


class Workers(Protocol):
    """Whoever carries out batches."""

    def batch(self, case: Case) -> int:
        """How many inits to train together, if nobody says."""

    def outcomes(
        self, work: Work, batches: Batches, shelf: Shelf | None, meter: Meter
    ) -> Generator[tuple[Trials, Outcome], None, None]:
        """Carry out all batches, those that are put back on the way included; each with what came of it."""


class Local:
    """This process, one batch after the other."""

    def batch(self, case: Case) -> int:
        """As many as fit well."""
        return case.batch

    def outcomes(
        self, work: Work, batches: Batches, shelf: Shelf | None, meter: Meter
    ) -> Generator[tuple[Trials, Outcome], None, None]:
        """In the order in which they lie there."""
        while batches:
            trials = batches.take()
            yield trials, attempt(work, trials, shelf, partial(meter.step, len(trials), work.steps))


def attempt(work: Work, trials: Trials, shelf: Shelf | None, on_step: Callable[[int, bool], None]) -> Outcome:
    """Do a batch; a shortage of memory is an answer. on_step hears of each step, and whether the batch was resumed."""
    kept = None if shelf is None else shelf.of(work.stage, trials)

    def told(step: int) -> None:
        on_step(step, kept is not None and kept.resumed)

    note = told if kept is None else Checkpointed(told, kept)
    try:
        return tuple(work.of(trials, note))
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        message = " ".join(str(problem).split()) or "out of memory"
    # Not before here: the exception held on to the frames, and they to the tensors.
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return Shortage(message)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception says that memory ran out: Python's, numpy's, torch's on a GPU or a CPU, or ours."""
    if isinstance(problem, MemoryError | torch.OutOfMemoryError | OutOfMemoryError):
        return True
    # On a CPU torch raises a plain RuntimeError, and so does the GPU's matrix library.
    words = ("DefaultCPUAllocator", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")
    return isinstance(problem, RuntimeError) and any(word in str(problem) for word in words)


@contextlib.contextmanager
def shortage_in_one_line() -> Iterator[None]:
    """Say it in one line where memory runs out outside of any batch.

    Raises:
        OutOfMemoryError: it did.
    """
    try:
        yield
    except OutOfMemoryError:
        raise
    except Exception as problem:
        if not is_out_of_memory(problem):
            raise
        raise OutOfMemoryError(
            f"out of memory ({str(problem) or type(problem).__name__}); the finished inits are kept: free some memory "
            "and run the same command again"
        ) from None


def complete(
    work: Work,
    rows: Rows,
    workers: Workers,
    shelf: Shelf | None,
    on_progress: Progress,
    judge: Callable[[Tally], Verdict] | None = None,
    decided: Callable[[Tally], bool] | None = None,
) -> Records:
    """Do what is left of a stage, or as much of it as is needed to decide, and return all that is done.

    Raises:
        OutOfMemoryError: a single init does not fit.
        InputError: what was found cannot be written; what an experiment refuses.
    """
    stage, case = work.stage, work.case
    done = rows.trial_numbers(stage)
    missing = [tuple(trial for trial in batch if trial not in done) for batch in case.batches()]
    batches = Batches([batch for batch in missing if batch], rows.batch)
    enough = decided or (lambda tally: False)
    if batches and not enough(rows.tally(stage)):
        meter = Meter(stage, case.trials, rows.tally(stage), on_progress, judge)
        with contextlib.closing(workers.outcomes(work, batches, shelf, meter)) as outcomes:
            found = (
                outcomes if decided is None else _in_order(outcomes, [trial for batch in missing for trial in batch])
            )
            since = time.monotonic()
            for trials, outcome in found:
                if isinstance(outcome, Shortage):
                    _halve(case, rows, batches, trials, outcome)
                    continue
                now = time.monotonic()
                rows.add(stage, outcome, now - since)
                since = now
                if shelf is not None:
                    shelf.of(stage, trials).remove()
                meter.finished(len(trials), outcome)
                if enough(rows.tally(stage)):
                    break
    if shelf is not None:
        shelf.clear(stage)
    return rows.records(stage)


def _in_order(outcomes: Iterator[tuple[Trials, Outcome]], trials: Sequence[int]) -> Iterator[tuple[Trials, Outcome]]:
    """Outcomes in the order of their inits, as of one process; shortages at once.

    Where a decision ends the run, it must not hang on which inits take the least time: those may be the successes.
    """
    waiting: dict[int, tuple[Trials, Outcome]] = {}
    place = 0
    for batch, outcome in outcomes:
        if isinstance(outcome, Shortage):
            yield batch, outcome
            continue
        waiting[batch[0]] = batch, outcome
        while place < len(trials) and trials[place] in waiting:
            following = waiting.pop(trials[place])
            place += len(following[0])
            yield following


def _halve(case: Case, rows: Rows, batches: Batches, trials: Trials, shortage: Shortage) -> None:
    if len(trials) == 1:
        what = (
            f"not even one init of width {case.width} fits into memory ({shortage.message})"
            if shortage.certain
            else f"init {trials[0]} alone {shortage.message}: at width {case.width} it probably does not fit into the "
            "memory of one"
        )
        raise OutOfMemoryError(
            f"{what}; the finished inits are kept: free some memory and run the same command again, or give a smaller "
            "--width and another --out"
        )
    batches.halve(trials)
    if batches.size < rows.batch:
        rows.shrink_batch(batches.size)
