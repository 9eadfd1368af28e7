"""Run a verification: certify, prescribe, train, judge; or what is left of it.

Each trial is one init. What is finished is kept in a folder and never repeated; a batch that was cut off is done again
from its seeds, with the same numbers.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import torch

from boundcalc import __version__
from boundcalc.constants import ConstantUse
from boundcalc.theorem import Condition
from boundcalc.train.devices import available_bytes
from boundcalc.verify.case import Case, show_bytes
from boundcalc.verify.checks import Conclusion, Premise
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statistics import Verdict, clopper_pearson, judge
from boundcalc.verify.store import Store


@dataclass(frozen=True)
class Reach:
    """Whether a network of the prescribed width fits into memory, and the bytes of its weights."""

    fits: bool
    bytes_needed: str
    bytes_available: int


@dataclass(frozen=True)
class Result:
    """A finished verification.

    chosen: constants that the statement leaves open and that were chosen so that its conditions hold. constants: all
    that went in. interval: the confidence interval of the success probability; undecided inits count as failures for
    its lower end and as successes for its upper one.
    """

    case: Case
    prescribed: Prescribed
    reach: Reach
    certificates: Records
    trained: Records
    conclusion: Conclusion
    premises: tuple[Premise, ...]
    chosen: tuple[ConstantUse, ...]
    constants: tuple[ConstantUse, ...]
    successes: int
    undecided: int
    interval: tuple[float, float]
    verdict: Verdict
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


class Progress(Protocol):
    """Called with what is being done, how far it is, out of how much, and perhaps a detail."""

    def __call__(self, stage: str, step: int, steps: int, detail: str = "") -> None:
        """Take note of the progress."""


def run(case: Case, folder: Path, on_progress: Progress | None = None) -> Result:
    """Run a verification, or what is left of it, in a folder.

    Raises:
        InputError: the folder holds something else or another run.
    """
    progress = on_progress or (lambda what, step, steps, detail="": None)
    experiment = case.experiment
    with Store(folder, case.config) as store:
        case = replace(case, batch=store.batch)

        def certify(trials: Sequence[int], note: Note) -> list[Record]:
            return experiment.certify(case, trials, note)

        certificates = _stage(case, store, "certifying", certify, None, progress)
        prescribed = experiment.prescribe(case, certificates)

        def train(trials: Sequence[int], note: Note) -> list[Record]:
            return experiment.train(case, prescribed, trials, note)

        trained = _stage(case, store, "training", train, prescribed.steps, progress)
    return judge_run(case, prescribed, certificates, trained)


def _stage(
    case: Case,
    store: Store,
    stage: str,
    work: Callable[[Sequence[int], Note], list[Record]],
    steps: int | None,
    progress: Progress,
) -> Records:
    """Do what is left of one stage, batch by batch; `steps` is the length of a batch, None where nobody knows it."""
    done = store.trial_numbers(stage)
    batches = case.batches()
    for index, batch in enumerate(batches):
        if set(batch) <= done:
            continue
        store.add(stage, work(batch, _noted(progress, stage, case, index, steps)))
        if steps is None:
            progress(stage, batch[-1] + 1, case.trials)
    return store.records(stage)


def _noted(progress: Progress, stage: str, case: Case, index: int, steps: int | None) -> Note:
    """Progress of one batch as progress of all."""
    if steps is None:
        return lambda step: progress(stage, index * case.batch, case.trials, f"step {step}")
    return lambda step: progress(stage, index * steps + step, steps * len(case.batches()))


def judge_run(case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Result:
    """Premises, checks and verdict of a finished run."""
    conclusion = case.experiment.conclude(case, prescribed, certificates, trained)
    statement = case.statement.with_inputs(**prescribed.found)
    conditions, chosen = [], []
    for condition in case.theorem.conditions:
        premise, constant = statement.condition(condition)
        conditions.append(replace(premise, name="m ≥ m*") if _on_width(condition) else premise)
        chosen += [constant] if constant else []
    premises = (*conclusion.premises, *conditions)
    uses = {use.name: use for solution in prescribed.solutions.values() for use in solution.constants}
    uses |= {use.name: use for use in chosen}
    successes = sum(record.success is True for record in trained.values())
    undecided = sum(record.success is None for record in trained.values())
    count = len(trained)
    interval = clopper_pearson(successes, count)[0], clopper_pearson(successes + undecided, count)[1]
    return Result(
        case=case,
        prescribed=prescribed,
        reach=_reach(case, prescribed),
        certificates=certificates,
        trained=trained,
        conclusion=conclusion,
        premises=premises,
        chosen=tuple(chosen),
        constants=tuple(uses[name] for name in sorted(uses)),
        successes=successes,
        undecided=undecided,
        interval=interval,
        verdict=judge(interval, case.number("delta"), premises, vacuous=conclusion.vacuous),
        versions=versions(),
        machine=machine(case.device),
    )


def _on_width(condition: Condition) -> bool:
    return condition.symbol.name == "m"


def _reach(case: Case, prescribed: Prescribed) -> Reach:
    """Whether a network of the prescribed width fits."""
    width, available = prescribed.solutions["width"], available_bytes(case.device)
    if width.value is not None:
        wide = case.at_width(int(width.value) + int(width.value) % 2)
        return Reach(
            case.experiment.bytes_needed(wide, 1) <= available,
            show_bytes(wide.network.weight_bytes(case.dtype.itemsize)),
            available,
        )
    # All but the leading term of the number of weights is lost beside 10^30.
    assert width.log10 is not None
    square = case.network.hidden_layers > 1
    count = case.network.hidden_layers - 1 if square else case.train.d + 1
    power = (2 if square else 1) * width.log10
    return Reach(False, f"10^{power + math.log10(count * case.dtype.itemsize):.1f} B", available)


def versions() -> dict[str, str]:
    """The versions that could change a number."""
    return {
        "boundcalc": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: version(name) for name in ("numpy", "scipy", "scikit-learn", "sympy", "python-flint")},
    }


def machine(device: torch.device) -> str:
    """The machine, in words."""
    if device.type == "cuda":
        return f"{platform.system()} {platform.machine()}, {torch.cuda.get_device_name(device)}"
    return f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads, {sys.byteorder}-endian"
