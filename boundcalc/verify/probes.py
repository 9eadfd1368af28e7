"""Both sides of what a statement prescribes: the same verification at other step sizes, widths and numbers of steps.

A theorem's conditions are sufficient. That the guarantee survives beyond them is slack, and that it fails below them is
no failure of the theorem; neither enters the verdict. A probe is made of a few inits, at the R (B, …) found by the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from boundcalc.errors import InputError, StorageError
from boundcalc.parsing import parse_number
from boundcalc.symbols import show_fraction
from boundcalc.train.checkpoints import CHECKPOINT_SECONDS
from boundcalc.verify.case import Case
from boundcalc.verify.execution import Workers
from boundcalc.verify.progress import Progress, progress_of
from boundcalc.verify.runner import Result, run_in
from boundcalc.verify.store import Store

_QUANTITY: Mapping[str, str] = MappingProxyType({"eta": "step-size", "m": "width", "T": "iterations"})

DEFAULT_FACTORS: Mapping[str, tuple[Fraction, ...]] = MappingProxyType(
    {"eta": (Fraction(1, 2), Fraction(3)), "m": (Fraction(1, 2), Fraction(2)), "T": (Fraction(1, 2),)}
)
"""Below and above; more than the prescribed number of steps can only help where any t ≤ T will do."""

DEFAULT_INITS = 8


@dataclass(frozen=True)
class Probe:
    """One factor on one prescription: what became of a few inits, or why it could not be run.

    interval: of the success probability there, as `Result.interval` is.
    """

    name: str
    factor: Fraction
    value: str
    successes: int = 0
    undecided: int = 0
    trials: int = 0
    interval: tuple[float, float] | None = None
    problem: str = ""


def parse_factors(texts: Iterable[str]) -> dict[str, tuple[Fraction, ...]]:
    """Read `eta=1/2,3` settings; `none` alone asks for no probe, and nothing for the default ones.

    Raises:
        InputError: another name than eta, m or T, one given twice, or a factor that is no positive number.
    """
    given = list(texts)
    if not given:
        return dict(DEFAULT_FACTORS)
    if given == ["none"]:
        return {}
    found: dict[str, tuple[Fraction, ...]] = {}
    for text in given:
        name, equals, values = (part.strip() for part in text.partition("="))
        if not equals or name not in _QUANTITY or name in found:
            raise InputError(
                f"--probe {text!r} is not eta=…, m=… or T=…, each once; give --probe eta=1/2,3, say, or none"
            )
        factors = tuple(parse_number(value, f"--probe {name}") for value in values.split(","))
        for factor in factors:
            if factor <= 0:
                raise InputError(f"--probe {text}: {show_fraction(factor)} is not a factor > 0")
        found[name] = tuple(dict.fromkeys(factors))
    return found


def probe(
    result: Result,
    folder: Path,
    factors: Mapping[str, Sequence[Fraction]],
    *,
    inits: int = DEFAULT_INITS,
    on_progress: Progress | None = None,
    workers: Workers | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> tuple[Probe, ...]:
    """Probe both sides of what a finished run was prescribed; kept in its folder, and not repeated.

    Args:
        result: the run.
        folder: its folder.
        factors: by what to multiply eta, m or T; what the statement does not prescribe is left out.
        inits: how many of the run's inits to use.
        on_progress: told how far each probe is, by its name.
        workers: who does it, this process by default.
        checkpoint_seconds: between two checkpoints of a long training, at least; 0 for none.

    Raises:
        InputError: the folder cannot be written to.
    """
    found = []
    prescribed = {name for name in factors if _QUANTITY[name] in result.prescribed.solutions}
    if result.case.engine == "infinite":
        prescribed.discard("m")  # There is no width to change.
    with Store(folder, result.case.config) as store:
        for name, values in factors.items():
            for factor in values:
                if factor != 1 and name in prescribed:
                    told = progress_of(f"probe {name} × {show_fraction(factor)}", on_progress)
                    found.append(_probe(result, store, name, factor, inits, told, workers, checkpoint_seconds))
    return tuple(found)


def _probe(
    result: Result,
    store: Store,
    name: str,
    factor: Fraction,
    inits: int,
    on_progress: Progress | None,
    workers: Workers | None,
    checkpoint_seconds: float,
) -> Probe:
    case = _at(result.case, name, factor, inits)
    if name == "m":
        value = str(case.width)
        if case.width == result.case.width:
            return Probe(name, factor, value, problem="the width cannot be smaller")
    else:
        # At the R of the run, whose certificates are those of the same inits at the same width.
        case = replace(case, inputs={**case.inputs, **result.prescribed.found})
        kept = [record for trial, record in result.certificates.items() if trial < case.trials]
        store.run(case.config).add("certifying", kept)
        value = show_fraction(factor) + "×"
    try:
        probed = run_in(store, case, on_progress, workers=workers, checkpoint_seconds=checkpoint_seconds)
    except StorageError:
        raise
    except InputError as problem:
        return Probe(name, factor, value, problem=str(problem))
    if name == "eta":
        value = f"{probed.prescribed.step_size:.6g}"
    elif name == "T":
        value = str(probed.prescribed.steps)
    return Probe(name, factor, value, probed.successes, probed.undecided, len(probed.trained), probed.interval)


def _at(case: Case, name: str, factor: Fraction, inits: int) -> Case:
    """A few inits of a verification, with one prescription multiplied."""
    few = replace(case, trials=min(inits, case.trials), batch=min(case.batch, inits))
    if name == "m":
        even = max(2 * round(case.width * factor / 2), 2)
        return few.at_width(even)
    return replace(few, options=replace(case.options, factors={**case.options.factors, name: factor}))
