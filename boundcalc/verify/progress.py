"""How far a stage of a run is, and what it looks like so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from boundcalc.verify.record import Record
from boundcalc.verify.statistics import Verdict
from boundcalc.verify.store import Tally

_INTERVAL = 0.1
"""Seconds between two reports of steps: a step may take a ten-thousandth of a second."""

_SUCCEEDED = {"training": "succeeded", "certifying": "certified"}


@dataclass(frozen=True)
class State:
    """How far a stage is.

    trials: inits of the stage. done: those finished, `before` of them by earlier starts of the run. underway: how much
    of those in progress is done, as a number of inits. seconds: since this start of the stage. tally: of the finished.
    verdict: what the finished inits would give if they were all, None where no verdict is asked for. detail: what else
    there is to say. run: what it is a stage of, where there are several runs.
    """

    stage: str
    trials: int
    done: int
    before: float
    underway: float
    seconds: float
    tally: Tally
    verdict: Verdict | None = None
    detail: str = ""
    run: str = ""

    @property
    def name(self) -> str:
        """What is going on: training, or probe eta × 1/2, training."""
        return f"{self.run}, {self.stage}" if self.run else self.stage

    @property
    def share(self) -> float:
        """How much of the stage is done, from 0 to 1."""
        return (self.done + self.underway) / self.trials

    @property
    def rate(self) -> float | None:
        """Inits a second since this start, None before there is anything to tell it by."""
        taken = self.done - self.before + self.underway
        return taken / self.seconds if taken > 0 and self.seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds left at this rate."""
        return None if self.rate is None else (self.trials - self.done - self.underway) / self.rate

    def line(self) -> str:
        """All of it, for a person: 24/72 inits, 3.1/s, 0:15 left; 24 of 24 succeeded: inconclusive so far."""
        parts = [f"{self.done}/{self.trials} inits"]
        if self.rate is not None and self.left is not None:
            parts += [_rate(self.rate), f"{_duration(self.left)} left"]
        if self.detail:
            parts.append(self.detail)
        line, tally = ", ".join(parts), self.tally
        if self.verdict is None and tally.undecided == tally.trials:
            return line
        line += f"; {tally.successes} of {tally.trials} {_SUCCEEDED.get(self.stage, 'succeeded')}"
        if tally.undecided:
            line += f" ({tally.undecided} undecided)"
        return line if self.verdict is None or not tally.trials else f"{line}: {self.verdict} so far"


Progress = Callable[[State], None]
"""Called with how far a stage is, now and then."""


def progress_of(run: str, on_progress: Progress | None) -> Progress | None:
    """Progress of one of several runs, told by its name."""
    return None if on_progress is None else lambda state: on_progress(replace(state, run=run))


class Meter:
    """Follows one stage, and reports how far it is."""

    def __init__(
        self,
        stage: str,
        trials: int,
        tally: Tally,
        on_progress: Progress,
        judge: Callable[[Tally], Verdict] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stage, self._trials, self._on_progress, self._judge, self._clock = (
            stage, trials, on_progress, judge, clock,
        )  # fmt: skip
        self._tally = tally
        self._verdict = judge(tally) if judge and tally.trials else None
        self._done, self._before = tally.trials, float(tally.trials)
        self._credited = False
        self._underway, self._detail = 0.0, ""
        self._begun = self._said = clock()

    def finished(self, trials: int, records: Iterable[Record]) -> None:
        """So many more inits are finished, with these records."""
        successes = [record.success for record in records]
        self._tally = Tally(
            self._tally.trials + len(successes),
            self._tally.successes + successes.count(True),
            self._tally.undecided + successes.count(None),
        )
        if self._judge is not None:
            self._verdict = self._judge(self._tally)
        self._done += trials
        self._underway, self._detail = 0.0, ""
        self._credited = False
        self._say()

    def step(self, trials: int, steps: int | None, step: int, resumed: bool = False) -> None:
        """A batch of so many inits, which takes so many steps if that is known, has taken this one.

        resumed: it went on from a checkpoint, so that what came before the first step heard of is of an earlier start.
        """
        if resumed and not self._credited and steps is not None:
            self._before += trials * min((step - 1) / max(steps, 1), 1.0)
            self._credited = True
        if self._clock() - self._said < _INTERVAL:
            return
        if steps is None:
            self._detail = f"step {step}"
        else:
            self._underway = trials * min(step / max(steps, 1), 1.0)
        self._say()

    def waiting(self, detail: str) -> None:
        """Nothing is finished, but there is something to say."""
        self._detail = detail
        self._say()

    def _say(self) -> None:
        self._said = self._clock()
        self._on_progress(
            State(
                self._stage,
                self._trials,
                self._done,
                self._before,
                self._underway,
                self._said - self._begun,
                self._tally,
                self._verdict,
                self._detail,
            )
        )


def _rate(rate: float) -> str:
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1 or unit == "h":
            return f"{rate * seconds:.3g}/{unit}"
    raise AssertionError


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
