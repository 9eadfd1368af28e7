"""The ladder of widths: one verification at several widths, each by the engine that reaches it, up to infinity.

What every rung takes is estimated before any runs: the engine of a width is the quickest of those that fit. Where no
finite engine reaches the prescribed width, the widest that one reaches and the limit m → ∞ stand side by side. Each
says what it is: a network of a width that a statement does not ask for, and no network at all.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, ConstantUse, hidden_constants
from boundcalc.errors import InputError, PremiseError, StorageError
from boundcalc.parsing import parse_number
from boundcalc.solving import UNIT, Solution
from boundcalc.train.costs import Cost, Rates, measure_rates
from boundcalc.train.devices import available_bytes
from boundcalc.verify.case import BATCH, DEFAULT_WIDTH, DTYPES, Case, Options, make_case, show_bytes
from boundcalc.verify.engines import STAND_IN_LOG10, EngineName, cost_of, deterministic
from boundcalc.verify.execution import Workers
from boundcalc.verify.experiments import EXPERIMENTS
from boundcalc.verify.experiments.chen2019 import PILOT_MARGIN
from boundcalc.verify.progress import Progress
from boundcalc.verify.runner import Result, run

STEP = 4
"""The factor between the widths of a ladder."""

TIME_LIMIT = 600.0
"""The longest that a rung may be expected to take, in seconds."""

_SHARE = 0.5
"""Of the memory at hand that a rung may take."""

_PILOT = 4
"""Inits at the default width that tell beforehand what only inits can tell, and how long it takes to find."""

_SEARCH_STEP = 2.5
"""What a step of the search for good weights takes, in steps of training: it passes ten times over the weights."""

_CROSSOVER = 1024
"""The width from which on training without hidden weights is thought of: see benchmarks/matrixfree.py."""

_FINITE: tuple[EngineName, ...] = ("dense", "matrixfree")

_OF_A_RUNG = frozenset({"width", "engine", "batch", "dtype", "trials"})
"""What of a configuration is a rung's own."""

PLAN = "plan.json"


@dataclass(frozen=True)
class Widths:
    """Which widths to verify at: from `lowest` to `highest` (None: to infinity), or the prescribed one (auto)."""

    lowest: int | None
    highest: int | None

    @property
    def auto(self) -> bool:
        """Whether it is the prescribed width."""
        return self.lowest is None


def parse_widths(text: str) -> Widths | None:
    """Read `auto`, `64:inf` or `64:4096`; None for anything else: a number, or several.

    Raises:
        InputError: ends that are no widths, or in the wrong order.
    """
    if text.casefold() == "auto":
        return Widths(None, None)
    low, colon, high = (part.strip() for part in text.casefold().partition(":"))
    if not colon:
        return None
    lowest = parse_number(low, "--width")
    highest = None if high in ("inf", "∞") else parse_number(high, "--width")
    for end in (lowest, highest):
        if end is not None and (end.denominator != 1 or end < 2):
            raise InputError(f"--width {text}: {end} is not a width, an integer ≥ 2; give 64:inf, say")
    if highest is not None and highest < lowest:
        raise InputError(f"--width {text} ends below where it begins; give {high}:{low}")
    return Widths(int(lowest), None if highest is None else int(highest))


@dataclass(frozen=True)
class Rung:
    """One width, and the engine that it is to be trained by.

    case: the verification there; its width is None in `width` for the limit. cost: of one batch. seconds: an estimate
    for all inits, good to a factor of two or so.
    """

    case: Case
    cost: Cost
    seconds: float

    @property
    def engine(self) -> EngineName:
        """What trains it."""
        return self.case.engine

    @property
    def width(self) -> int | None:
        """m, or None for the limit m → ∞."""
        return None if self.engine == "infinite" else self.case.width

    @property
    def name(self) -> str:
        """As its folder is named."""
        return "infinite" if self.width is None else f"m={self.width}"


@dataclass(frozen=True)
class Plan:
    """A ladder before it is climbed, the narrowest width first.

    prescribed: the width that the statement asks for, at a guess of what only the inits can tell, `guess`. steps: the
    number prescribed there. reached: whether a finite engine reaches it within memory and time. left_out: why, by
    name, what was asked for and is no rung. asked: what makes two ladders the same ladder.
    """

    rungs: tuple[Rung, ...]
    prescribed: Solution
    guess: Mapping[str, Fraction]
    steps: int
    reached: bool
    left_out: Mapping[str, str]
    available: int
    rates: Mapping[EngineName, Rates]
    asked: Mapping[str, Any]


@dataclass(frozen=True)
class Climbed:
    """A rung after its run: what came of it, and the seconds that this start of it took."""

    rung: Rung
    result: Result
    seconds: float

    @property
    def asked_for(self) -> bool:
        """Whether the statement asks for this width, at what was found of these very inits and no chosen constant."""
        met = all(premise.met for premise in self.result.premises if premise.name == "m ≥ m*")
        return met and self.constant is None

    @property
    def holds(self) -> bool | None:
        """Whether the guarantee is shown to hold there, or not to; None: neither, or it says nothing.

        As `supported` and `refuted` but for the width: that it is below what is prescribed is no objection here.
        """
        low, high = self.result.interval
        required = 1 - float(self.result.case.failure)
        unmet = [premise for premise in self.result.premises if not premise.met and premise.name != "m ≥ m*"]
        if unmet or self.result.conclusion.vacuous:
            return None
        return True if low >= required else False if high < required else None

    @property
    def constant(self) -> ConstantUse | None:
        """The constant of the condition on m that makes this width just enough, if it was chosen so."""
        on_width = [bound.expr for bound in self.result.case.theorem.conditions if bound.symbol.name == "m"]
        names = {str(constant.name) for constant in hidden_constants(*on_width)}
        return next((use for use in self.result.chosen if use.name in names), None)


RungSeen = Callable[[Climbed], None]
"""Called with every rung as soon as it is done."""


@dataclass(frozen=True)
class Ladder:
    """A ladder that was climbed. failed: rungs that could not be run, by name, and why."""

    plan: Plan
    climbed: tuple[Climbed, ...]
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether a finite rung has a width that the statement asks for."""
        return any(one.asked_for for one in self.climbed if one.rung.width is not None)

    @cached_property
    def start(self) -> Climbed | None:
        """The narrowest rung from which on the guarantee is shown to hold, on it and on all wider ones."""
        found = None
        for one in reversed(self.climbed):
            if one.holds is not True:
                break
            found = one
        return found

    @property
    def widest(self) -> Climbed | None:
        """The widest finite rung."""
        return next((one for one in reversed(self.climbed) if one.rung.width is not None), None)

    @property
    def limit(self) -> Climbed | None:
        """The rung at infinity."""
        return next((one for one in self.climbed if one.rung.width is None), None)


def plan(
    key: str,
    options: Options,
    given: Mapping[str, Fraction],
    widths: Widths,
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
    time_limit: float = TIME_LIMIT,
) -> Plan:
    """Choose widths and engines, and estimate what they take; trains nothing but a pilot for what must be guessed.

    Args:
        key: the statement.
        options: as for `make_case`; `width` is not used.
        given: inputs that are given.
        widths: which widths.
        policy: values of hidden constants.
        strict: as for `make_case`.
        time_limit: the longest that one rung may be expected to take, in seconds.

    Raises:
        InputError: what `make_case` refuses, a statement for which there is no other engine than the dense one, and
            where not one rung is within reach.
    """
    if not time_limit > 0:
        raise InputError(f"a time limit of {time_limit:g} s; give a positive number of seconds")
    planner, width, guess = _planned(key, options, given, policy, strict, time_limit)
    wanted = _even(int(width.value)) if width.value is not None else None
    at_wanted = planner.finite(wanted) if wanted is not None else None
    rungs, left_out = [], dict[str, str]()
    if widths.lowest is None:
        found = at_wanted or planner.widest(wanted)
        rungs = [found] if found is not None else []
    else:
        m = _even(widths.lowest)
        if widths.highest is not None and m > widths.highest:
            raise InputError(f"no even width lies between {widths.lowest} and {widths.highest}; give others")
        while widths.highest is None or m <= widths.highest:
            rung = planner.finite(m)
            if rung is None:
                left_out[f"m = {m} and wider"] = planner.why(m)
                break
            rungs.append(rung)
            m *= STEP
        if at_wanted is not None and widths.lowest < at_wanted.case.width <= (widths.highest or math.inf):
            by_width = {rung.case.width: rung for rung in (*rungs, at_wanted)}
            rungs = [by_width[m] for m in sorted(by_width)]
    if widths.highest is None and not (widths.lowest is None and at_wanted is not None):
        if "infinite" in planner.engines:
            rungs.append(planner.infinite())
        else:
            left_out["m → ∞"] = f"there is no engine for {key} there"
    if not rungs:
        asked = _even(widths.lowest) if widths.lowest is not None else wanted or 2
        raise InputError(f"m = {asked} is not within reach: {planner.why(asked)}; give another --width or --time-limit")
    ends = ["inf" if end is None else str(end) for end in (widths.lowest, widths.highest)]
    identity = {
        **{name: value for name, value in rungs[0].case.config.items() if name not in _OF_A_RUNG},
        "widths": "auto" if widths.auto else ":".join(ends),
        "time_limit": time_limit,
    }
    return Plan(
        tuple(rungs), width, guess, planner.steps, at_wanted is not None, left_out, planner.available, planner.rates,
        identity,
    )  # fmt: skip


def case_at(
    key: str,
    options: Options,
    given: Mapping[str, Fraction],
    engine: EngineName,
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
) -> Case:
    """The verification by one engine, at `options.width`, or the default one; at infinity for the infinite engine.

    Raises:
        InputError: what `make_case` refuses, an engine that the statement cannot be verified by, a width given for the
            infinite one, or one that does not fit into memory.
    """
    if engine == "dense":
        return make_case(key, options, given, policy, strict=strict)
    planner, _, _ = _planned(key, options, given, policy, strict, math.inf)
    if engine not in planner.engines:
        raise InputError(f"--engine {engine} cannot verify {key}; use {' or '.join(planner.engines)}")
    if engine == "infinite":
        if options.width is not None:
            raise InputError(f"--width {options.width} with the infinite engine, which has none; give --width inf")
        return planner.infinite().case
    rung = planner.rung(engine, _even(options.width or DEFAULT_WIDTH))
    if rung.cost.bytes > planner.available:
        raise InputError(f"--width {rung.case.width} does not fit: {planner.why(rung.case.width)}; give a smaller one")
    return rung.case


def _planned(
    key: str,
    options: Options,
    given: Mapping[str, Fraction],
    policy: ConstantPolicy,
    strict: bool,
    time_limit: float,
) -> tuple[_Planner, Solution, Mapping[str, Fraction]]:
    """What finds engines, the width that is prescribed, and at which guess of what only the inits can tell."""
    known = EXPERIMENTS.get(CATALOGUE.find(key).key)
    if known is not None and known.engines == ("dense",):
        raise InputError(f"{key} is verified by the dense engine alone; give --width M")
    if options.dtype not in ("auto", "float64"):
        raise InputError(
            f"--dtype {options.dtype}: only the dense engine computes in it; give --width M, or drop the type"
        )
    base = make_case(key, replace(options, width=DEFAULT_WIDTH), given, policy, strict=strict)
    pilot, searched = replace(base, trials=min(_PILOT, base.trials)), [0]
    certificates = {
        record.trial: record for record in pilot.experiment.certify(pilot, range(pilot.trials), searched.append)
    }
    found = pilot.experiment.prescribe(pilot, certificates).found
    guess = {name: PILOT_MARGIN * value for name, value in found.items() if name not in base.inputs}
    guessed = replace(pilot, inputs={**pilot.inputs, **guess})
    unbound = {name: value for name, value in guessed.statement.inputs.items() if name != "m"}
    width = replace(guessed.statement, inputs=unbound).solve("width")
    steps = guessed.experiment.prescribe(guessed, certificates).steps
    return _Planner(base, steps, max(searched), time_limit), width, guess


def climb(
    found: Plan,
    folder: Path,
    on_progress: Progress | None = None,
    *,
    workers: Workers | None = None,
    checkpoint_seconds: float = 60.0,
    on_rung: RungSeen | None = None,
) -> Ladder:
    """Run every rung of a plan, each in a folder of its own, the narrowest first; what is done is not repeated.

    Raises:
        InputError: what `run` refuses. A rung whose premises are not found to hold is left out, and said so in the
            ladder, unless all are.
        OutOfMemoryError: not even one init of a rung fits into memory.
    """
    found = kept(found, folder)
    climbed, failed = [], {}
    for rung in found.rungs:
        begun = time.monotonic()
        try:
            result = run(
                rung.case, folder / rung.name, on_progress,
                workers=workers, batch=rung.case.batch, checkpoint_seconds=checkpoint_seconds,
            )  # fmt: skip
        except PremiseError as problem:
            # Too narrow for its premises, say: that is no reason to leave the wider ones.
            failed[rung.name] = str(problem)
            continue
        climbed.append(Climbed(rung, result, time.monotonic() - begun))
        if on_rung is not None:
            on_rung(climbed[-1])
    if not climbed:
        raise PremiseError("; ".join(f"{name}: {why}" for name, why in failed.items()))
    return Ladder(found, tuple(climbed), failed)


def kept(found: Plan, folder: Path) -> Plan:
    """The ladder as it was planned when it was begun: rates that are measured again may say otherwise.

    Raises:
        StorageError: the folder holds another ladder or something else, or cannot be written to.
    """
    path = folder / PLAN
    another = "give another --out, or the same command to go on with what is there"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            before = json.loads(path.read_text("utf-8"))
            for name, value in found.asked.items():
                there = before["asked"].get(name)
                if there != value:
                    raise StorageError(
                        f"{str(folder)!r} holds another ladder ({name} is {there} there, {value} here); {another}"
                    )
            left_out = before.get("left_out", found.left_out)
            return replace(found, rungs=tuple(_again(found, one) for one in before["rungs"]), left_out=left_out)
        if any(folder.iterdir()):
            raise StorageError(f"{str(folder)!r} holds something else than a ladder; {another}")
        rungs = [{"engine": r.engine, "width": r.case.width, "batch": r.case.batch} for r in found.rungs]
        partial = path.with_name(path.name + ".partial")
        plan_facts = {"asked": found.asked, "rungs": rungs, "left_out": dict(found.left_out)}
        partial.write_text(json.dumps(plan_facts, indent=2), "utf-8")
        os.replace(partial, path)
    except OSError as problem:
        raise StorageError(f"cannot use {str(folder)!r}: {problem.strerror}; {another}") from None
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as problem:
        raise StorageError(f"{str(path)!r} is damaged ({problem}); {another}") from None
    return found


def _again(found: Plan, kept: Mapping[str, Any]) -> Rung:
    """A rung of the plan that was kept."""
    for rung in found.rungs:
        if (rung.engine, rung.case.width, rung.case.batch) == (kept["engine"], kept["width"], kept["batch"]):
            return rung
    case = replace(found.rungs[0].case.trained_by(kept["engine"], kept["width"]), batch=kept["batch"])
    cost = cost_of(case, case.batch, found.steps, sum(part.n for part in case.experiment.judged(case)))
    return Rung(case, cost, found.rates[case.engine].seconds(cost) * math.ceil(case.trials / case.batch))


class _Planner:
    """Finds the engine of a width, for one verification of so many steps."""

    def __init__(self, base: Case, steps: int, searched: int, time_limit: float) -> None:
        self._base, self.steps, self._searched, self._time_limit = base, steps, searched, time_limit
        self.engines = base.experiment.engines
        self._held_out = sum(part.n for part in base.experiment.judged(base))
        self.available = available_bytes(base.device)
        # The precision that an engine trains in decides its rates.
        measured = {name: measure_rates(base.device, dtype) for name, dtype in DTYPES.items()}
        self.rates: Mapping[EngineName, Rates] = {
            engine: measured[base.trained_by(engine, base.width).options.dtype] for engine in base.experiment.engines
        }

    def finite(self, m: int) -> Rung | None:
        """The quickest of the engines that reach this width, within memory and time."""
        reaching = [rung for rung in self._rungs(m) if self._fits(rung)]
        return min(reaching, key=lambda rung: rung.seconds, default=None)

    def widest(self, below: int | None) -> Rung | None:
        """The widest power of two within reach, no wider than this."""
        top = 40 if below is None else below.bit_length() - 1
        return next((rung for k in range(top, 0, -1) if (rung := self.finite(2**k)) is not None), None)

    def infinite(self) -> Rung:
        """The limit, in the place of a network that is wide enough; one init where nothing is random in it."""
        case = self._base.trained_by("infinite", 10**STAND_IN_LOG10)
        return self.rung("infinite", case.width, 1 if deterministic(case) else case.trials)

    def why(self, m: int) -> str:
        """What a width that is not within reach would take."""
        return "; ".join(
            f"{rung.engine} takes {show_bytes(rung.cost.bytes)} (of {show_bytes(self.available)} available) and about "
            f"{rung.seconds:.3g} s (of {self._time_limit:g} s allowed)"
            for rung in self._rungs(m)
        )

    def _rungs(self, m: int) -> list[Rung]:
        """By every finite engine; below the crossover stored weights are quicker, and certified by a better search."""
        engines = _FINITE if m >= _CROSSOVER else ("dense",)
        return [self.rung(engine, m) for engine in self._base.experiment.engines if engine in engines]

    def rung(self, engine: EngineName, m: int, trials: int | None = None) -> Rung:
        """This engine at this width, whether it fits or not."""
        case = self._base.trained_by(engine, m)
        case = replace(case, trials=trials or case.trials)
        one, two = (cost_of(case, trials, self.steps, self._held_out) for trials in (1, 2))
        spare, each = _SHARE * self.available - one.bytes, max(two.bytes - one.bytes, 1)
        fitting = 1 + max(int(spare // each), 0)
        batch = max(min(fitting, BATCH[case.device.type], case.trials), 1)
        steps = self.steps
        if engine == "dense":
            steps += math.ceil(_SEARCH_STEP * self._searched)
        cost = cost_of(case, batch, steps, self._held_out)
        if engine == "dense":
            cost = replace(cost, bytes=max(cost.bytes, case.experiment.bytes_needed(case, batch)))
        seconds = self.rates[engine].seconds(cost) * math.ceil(case.trials / batch)
        return Rung(replace(case, batch=batch), cost, seconds)

    def _fits(self, rung: Rung) -> bool:
        return rung.cost.bytes <= _SHARE * self.available and rung.seconds <= self._time_limit


def _even(m: int) -> int:
    return m + m % 2
