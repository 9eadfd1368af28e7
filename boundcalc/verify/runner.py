"""Run a verification: certify, prescribe, train, judge; or what is left of it.

Each trial is one init. What is finished is kept in a folder and never repeated; a batch that was cut off is done again
from its seeds, with the same numbers.
"""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from boundcalc import __version__
from boundcalc.constants import ConstantUse, hidden_constants
from boundcalc.symbols import show_fraction
from boundcalc.theorem import Condition
from boundcalc.train.checkpoints import CHECKPOINT_SECONDS
from boundcalc.train.devices import available_bytes
from boundcalc.verify.case import Case, show_bytes
from boundcalc.verify.checks import Conclusion, Premise
from boundcalc.verify.engines import deterministic, engine_notes
from boundcalc.verify.execution import Local, Shelf, Work, Workers, complete
from boundcalc.verify.experiment import Prescribed
from boundcalc.verify.progress import Progress
from boundcalc.verify.record import Records
from boundcalc.verify.statistics import Verdict, anytime_interval, clopper_pearson, judge
from boundcalc.verify.store import CHECKPOINTS, Store, Tally


@dataclass(frozen=True)
class Reach:
    """Whether a network of the prescribed width fits into memory, and the bytes of its weights.

    Where no width is prescribed, or none is admitted, that is the width of the run.
    """

    fits: bool
    bytes_needed: str
    bytes_available: int


@dataclass(frozen=True)
class Result:
    """A finished verification.

    chosen: constants that the statement leaves open and that were chosen so that its conditions hold. constants: all
    that went in. interval: the confidence interval of the success probability; undecided inits count as failures for
    its lower end and as successes for its upper one. seconds: what its finished batches took, nan if nobody knows.
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
    seconds: float = math.nan


def run(
    case: Case,
    folder: Path,
    on_progress: Progress | None = None,
    *,
    workers: Workers | None = None,
    batch: int | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Result:
    """Run a verification, or what is left of it, in a folder.

    Args:
        case: what to verify.
        folder: of the run; new, empty, or that of the same run.
        on_progress: told how far it is.
        workers: who does it, this process by default (see `cluster` for others).
        batch: how many inits to train together; as many as fit well by default. What the folder's run was begun with
            goes before it.
        checkpoint_seconds: between two checkpoints of a long training, at least; 0 for none.

    Raises:
        InputError: the folder holds something else or another run, or cannot be written to.
        OutOfMemoryError: not even a single init fits into memory.
    """
    workers = workers or Local()
    case = replace(case, batch=min(batch or workers.batch(case), case.trials))
    with Store(folder, case.config) as store:
        return run_in(store, case, on_progress, workers=workers, checkpoint_seconds=checkpoint_seconds)


def run_in(
    store: Store,
    case: Case,
    on_progress: Progress | None = None,
    *,
    workers: Workers | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Result:
    """Run a verification, or what is left of it, in a folder that is open: its own, or that of another.

    Arguments and errors are those of `run`.
    """
    rows = store.run(case.config)
    shelf = Shelf(store.folder / CHECKPOINTS, rows.key, checkpoint_seconds) if checkpoint_seconds > 0 else None

    def stage(
        work: Work,
        judged: Callable[[Tally], Verdict] | None = None,
        decided: Callable[[Tally], bool] | None = None,
    ) -> Records:
        return complete(work, rows, workers or Local(), shelf, on_progress or (lambda state: None), judged, decided)

    case = replace(case, batch=rows.batch)
    certificates = stage(Work(case))
    prescribed = case.experiment.prescribe(case, certificates)
    decided = partial(_decided, case) if case.options.anytime else None
    trained = stage(Work(case, prescribed), _judge_so_far(case, prescribed), decided)
    result = judge_run(replace(case, batch=rows.batch), prescribed, certificates, trained)
    return replace(result, seconds=rows.seconds())


def _judge_so_far(case: Case, prescribed: Prescribed) -> Callable[[Tally], Verdict]:
    """The verdict that the inits finished so far would give; premises that are found at the end are taken as met."""
    premises, _ = _conditions(case, prescribed)

    def judged(tally: Tally) -> Verdict:
        return judge(_interval(case, tally), float(case.failure), premises, vacuous=case.failure >= 1)

    return judged


def _interval(case: Case, tally: Tally) -> tuple[float, float]:
    """Of the success probability; undecided inits are failures for the lower end and successes for the upper one.

    Where nothing is random, what happened once happens always.
    """
    if deterministic(case) and tally.trials:
        return float(tally.successes == tally.trials), float(tally.successes + tally.undecided == tally.trials)
    of = anytime_interval if case.options.anytime else clopper_pearson
    low, _ = of(tally.successes, tally.trials)
    _, high = of(tally.successes + tally.undecided, tally.trials)
    return low, high


def _decided(case: Case, tally: Tally) -> bool:
    """Whether the interval lies on one side of what is required; it may be looked at after every batch."""
    low, high = _interval(case, tally)
    return low >= 1 - float(case.failure) or high < 1 - float(case.failure)


_ONE_SAMPLE = Premise(
    "training examples",
    True,
    "one draw for all inits: the interval is of the success probability given these examples, while the statement's "
    "probability is over the initialization and the examples, which may be among those on which it may fail",
    certified=False,
)


def _conditions(case: Case, prescribed: Prescribed) -> tuple[tuple[Premise, ...], tuple[ConstantUse, ...]]:
    """The statement's conditions as premises, and the constants that were chosen so that they hold."""
    statement = case.statement.with_inputs(**prescribed.found)
    conditions, chosen = [_ONE_SAMPLE] if case.theorem.over_sample else [], []
    for use in prescribed.chosen:
        evidence = f"met by choice: {use.name} = {show_fraction(use.value)} was {use.origin}"
        conditions.append(Premise(f"{use.name} as chosen", True, evidence, certified=False))
    for condition in case.theorem.conditions:
        if case.engine == "infinite" and _on_width(condition) and condition.relation == ">=":
            conditions.append(Premise("m ≥ m*", True, "met as m → ∞, whatever the constants"))
            continue
        premise, constant = statement.condition(condition)
        conditions.append(replace(premise, name="m ≥ m*") if _on_width(condition) else premise)
        chosen += [constant] if constant else []
    return tuple(conditions), tuple(chosen)


def judge_run(case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Result:
    """Premises, checks and verdict of a finished run."""
    conclusion = case.experiment.conclude(case, prescribed, certificates, trained)
    conclusion = replace(conclusion, notes=(*engine_notes(case, trained), *conclusion.notes))
    conditions, chosen = _conditions(case, prescribed)
    premises = (*conclusion.premises, *conditions)
    uses = {use.name: use for use in _in_guarantees(case)}
    uses |= {use.name: use for solution in prescribed.solutions.values() for use in solution.constants}
    uses |= {use.name: use for use in chosen}
    successes = sum(record.success is True for record in trained.values())
    undecided = sum(record.success is None for record in trained.values())
    interval = _interval(case, Tally(len(trained), successes, undecided))
    return Result(
        case=case,
        prescribed=prescribed,
        reach=_reach(case, prescribed),
        certificates=certificates,
        trained=trained,
        conclusion=conclusion,
        premises=premises,
        chosen=chosen,
        constants=tuple(uses[name] for name in sorted(uses)),
        successes=successes,
        undecided=undecided,
        interval=interval,
        verdict=_named(
            case, judge(interval, float(case.failure), premises, vacuous=conclusion.vacuous or case.failure >= 1)
        ),
        versions=versions(),
        machine=machine(case.device),
    )


def _named(case: Case, verdict: Verdict) -> Verdict:
    """A verdict on a limit is none on the statement, which is about networks."""
    if case.engine != "infinite":
        return verdict
    of_limit: Mapping[Verdict, Verdict] = {
        "supported": "holds in the limit",
        "refuted at these constants": "fails in the limit",
    }
    return of_limit.get(verdict, verdict)


def _in_guarantees(case: Case) -> list[ConstantUse]:
    """The constants of what the statement promises: the checks' bounds are at these."""
    found = {constant for bound in case.theorem.guarantees for constant in hidden_constants(bound.expr)}
    return [case.policy.use(constant, case.theorem.key) for constant in found]


def _on_width(condition: Condition) -> bool:
    return condition.symbol.name == "m"


def _reach(case: Case, prescribed: Prescribed) -> Reach:
    """Whether a network of the prescribed width fits."""
    width, available = prescribed.solutions.get("width"), available_bytes(case.device)
    if width is None or width.status == "empty":
        return Reach(True, show_bytes(case.network.weight_bytes(case.dtype.itemsize)), available)
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
    threads = torch.get_num_threads()
    return (
        f"{platform.system()} {platform.machine()}, {threads} thread{'s' if threads != 1 else ''}, "
        f"{sys.byteorder}-endian"
    )
