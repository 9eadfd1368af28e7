"""One verification before anything is trained: what is verified, on what data, at which inputs, how."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import sympy
import torch

from boundcalc import __version__
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy
from boundcalc.data import Dataset, load, split
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate
from boundcalc.solving import UNIT, Assumed, IncompleteError, check_inputs
from boundcalc.symbols import VOCABULARY, delta, show_fraction
from boundcalc.theorem import Theorem
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network
from boundcalc.verify.engines import EngineName
from boundcalc.verify.experiment import Experiment
from boundcalc.verify.statement import Statement
from boundcalc.verify.statistics import MOST_TRIALS, fewest_trials

DEFAULT_WIDTH = 64
"""The width trained at where the prescribed one is out of reach and none is given."""

MOST_LAYERS = 1000

BATCH = MappingProxyType({"cpu": 24, "cuda": 256})
"""How many inits to train together where memory allows, by the type of device."""

DTYPES = MappingProxyType({"float32": torch.float32, "float64": torch.float64})


@dataclass(frozen=True)
class Options:
    """How to verify: everything that decides the numbers of a run, apart from the statement's own inputs.

    rows: how many of the training examples to use. anytime: stop as soon as an interval that is valid at any time
    decides, rather than after all trials. widths: several instead of one width, for a statement about growth
    with it; the run's own is then the largest. iterations: the most steps that one init is trained for, None for as
    many as are prescribed. search_steps: of the search for good weights near the start. points, ascent_steps: random
    points of the ball around the start, and steps of the adversarial search in it. factors: by what the prescribed step
    size ("eta") or number of iterations ("T") is multiplied, to probe both sides of it. dtype: float32, float64, or
    auto for what the experiment needs.
    """

    data: str
    classes: tuple[str, str] | None = None
    label: str | None = None
    test_fraction: Fraction = Fraction(1, 4)
    rows: int | None = None
    width: int | None = None
    widths: tuple[int, ...] = ()
    trials: int | None = None
    anytime: bool = False
    seed: int = 0
    dtype: str = "auto"
    device: str = "auto"
    iterations: int | None = None
    search_steps: int = 20_000
    points: int = 8
    ascent_steps: int = 60
    factors: Mapping[str, Fraction] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Case:
    """A verification before anything is trained.

    inputs: what was given, measured on the data or assumed, by symbol name; what only the inits can tell (R) is not
    among them. measured: the estimates that inputs were taken from, where they were not given. engine: what trains the
    networks; for the infinite one, the limit m → ∞ is in the place of networks of the width. repeated: how many
    held-out examples were left out because they equal a training example.
    """

    theorem: Theorem
    experiment: Experiment
    options: Options
    inputs: Mapping[str, Fraction]
    assumed: tuple[Assumed, ...]
    measured: tuple[Estimate, ...]
    train: Dataset
    test: Dataset
    network: Network
    width: int
    trials: int
    batch: int
    device: torch.device
    policy: ConstantPolicy
    engine: EngineName = "dense"
    repeated: int = 0

    @property
    def dtype(self) -> torch.dtype:
        """The precision of the training."""
        return DTYPES[self.options.dtype]

    @property
    def statement(self) -> Statement:
        """The statement at the inputs, n and the width of this run."""
        known = {**self.inputs, "n": Fraction(self.train.n), "m": Fraction(self.width)}
        used = {symbol.name for symbol in self.theorem.symbols}
        return Statement(self.theorem, {name: v for name, v in known.items() if name in used}, self.policy)

    @property
    def failure(self) -> Fraction:
        """How probable a failure may be for the statement to be true: see `allowed_failure`."""
        return allowed_failure(self.theorem, self.inputs["delta"])

    def number(self, name: str) -> float:
        """An input as a float."""
        return float(self.inputs[name])

    def factor(self, name: str) -> float:
        """By what a prescription is multiplied in this run."""
        return float(self.options.factors.get(name, 1))

    @cached_property
    def config(self) -> dict[str, Any]:
        """What makes two runs the same run, for the store."""
        digest = hashlib.sha256(self.train.X.tobytes() + self.train.y.tobytes())
        digest.update(self.test.X.tobytes() + self.test.y.tobytes())
        return {
            "theorem": self.theorem.key,
            "data": self.options.data,
            "classes": self.options.classes and list(self.options.classes),
            "inputs": {name: show_fraction(value) for name, value in self.inputs.items()},
            "constants": {name: show_fraction(value) for name, value in self.policy.exact.items()},
            "rows": self.options.rows,
            "width": self.width,
            "widths": list(self.options.widths),
            "trials": self.trials,
            "anytime": self.options.anytime,
            "seed": self.options.seed,
            "test_fraction": show_fraction(self.options.test_fraction),
            "dtype": self.options.dtype,
            "device": str(self.device),
            "engine": self.engine,
            "batch": self.batch,  # not asked for, but kept: see `Store`
            "iterations": self.options.iterations,
            "search_steps": self.options.search_steps,
            "points": self.options.points,
            "ascent_steps": self.options.ascent_steps,
            "factors": {name: show_fraction(value) for name, value in sorted(self.options.factors.items())},
            "examples": digest.hexdigest(),
            "boundcalc": __version__,
            "torch": torch.__version__,
        }

    def batches(self) -> list[range]:
        """The inits in the groups that are trained together; the same groups whatever was finished before."""
        return [range(i, min(i + self.batch, self.trials)) for i in range(0, self.trials, self.batch)]

    def at_width(self, width: int) -> Case:
        """The same verification at another width."""
        return replace(self, width=width, network=self.experiment.network(self.inputs, width, self.train.d))

    def trained_by(self, engine: EngineName, width: int) -> Case:
        """The same verification by another engine, at another width; all but the dense one compute in float64."""
        options = self.options if engine == "dense" else replace(self.options, dtype="float64")
        return replace(self.at_width(width), engine=engine, options=options)


def allowed_failure(theorem: Theorem, at: Fraction) -> Fraction:
    """One minus the probability with which a statement's guarantees hold at δ = `at`, δ itself where none names one.

    Of several guarantees, that of the surest counts.
    """
    named = [bound.probability for bound in theorem.guarantees if bound.probability is not None]
    failures = [sympy.Rational(1) - probability.subs(delta, sympy.Rational(at)) for probability in named]
    return min([Fraction(int(f.p), int(f.q)) for f in failures], default=at)


def make_case(
    key: str,
    options: Options,
    given: Mapping[str, Fraction],
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
) -> Case:
    """Read the data, settle every input, and refuse what cannot be run.

    Without a width, the prescribed one is taken where it fits into memory, else `DEFAULT_WIDTH`.

    Raises:
        InputError: a statement without an experiment, bad data, bad inputs, a width that does not fit, or, if
            `strict`, an input or a unit constant that would have to be assumed.
    """
    from boundcalc.verify.experiments import EXPERIMENTS, UNVERIFIED

    theorem = CATALOGUE.find(key)
    if theorem.key not in EXPERIMENTS:
        why = f": {UNVERIFIED[theorem.key]}" if theorem.key in UNVERIFIED else ""
        raise InputError(f"{theorem.key} cannot be verified{why}; verify one of: {', '.join(EXPERIMENTS)}")
    experiment = EXPERIMENTS[theorem.key]
    policy.check_names((theorem.key, constant) for constant in theorem.constants)
    inputs = check_inputs(theorem, given)
    takes = ("delta", *experiment.takes)
    for name in inputs:
        if name not in takes:
            mend = "use --width" if name == "m" else f"give {', '.join(takes[:-1])} or {takes[-1]}"
            raise InputError(f"{name} is not an input of this verification; {mend}")
    if inputs.get("L", 0) > MOST_LAYERS:
        raise InputError(f"L = {show_fraction(inputs['L'])} is more than {MOST_LAYERS} layers to train; give fewer")
    if options.trials is not None and options.trials > MOST_TRIALS:
        raise InputError(f"--trials {options.trials} is more than {MOST_TRIALS}; give fewer")
    if options.dtype == "auto":
        options = replace(options, dtype=experiment.dtype)
    if options.dtype not in DTYPES:
        raise InputError(f"--dtype {options.dtype!r} is not one of auto, {', '.join(DTYPES)}")
    assumed = []
    for name in takes:
        default = experiment.defaults.get(name, VOCABULARY[name].default)
        if name not in inputs and name not in experiment.found and default is not None:
            inputs[name] = default
            assumed.append(Assumed(name, default, "default of verify"))
    if strict:
        uses = [policy.use(constant, key) for constant in theorem.constants]
        missing = [f"{a.name}=…" for a in assumed] + [f"--set {use.name}=…" for use in uses if use.assumed]
        if missing:
            raise IncompleteError(f"--strict: {key} would be verified at assumed values; give {' '.join(missing)}")
    options = replace(options, widths=_widths(theorem, experiment, options))
    trials = options.trials or fewest_trials(float(allowed_failure(theorem, inputs["delta"])))
    train, test = split(
        load(options.data, classes=options.classes, label=options.label), float(options.test_fraction), options.seed
    )
    if options.rows is not None:
        train = _fewer(train, options.rows, options.seed)
    test, repeated = _not_in(train, test)
    measured = experiment.measure(inputs, train, options.seed, options.device)
    for estimate in measured:
        side = estimate.lower if estimate.direction == "bracket" else estimate.value
        assert side is not None
        inputs.setdefault(estimate.symbol, Fraction(side))
    device = resolve_device(options.device)
    width = max(options.widths, default=options.width or DEFAULT_WIDTH)
    network = experiment.network(inputs, width, train.d)
    case = Case(
        theorem, experiment, options, inputs, tuple(assumed), measured, train, test, network, width, trials, 1, device,
        policy, repeated=repeated,
    )  # fmt: skip
    if options.width is None and not options.widths:
        case = case.at_width(_reachable_width(case))
    needed, available = experiment.bytes_needed(case, 1), available_bytes(device)
    if needed > available:
        raise InputError(
            f"--width {case.width} needs {show_bytes(needed)} for one network (its weights take "
            f"{show_bytes(case.network.weight_bytes(case.dtype.itemsize))}), and {device} has "
            f"{show_bytes(available)} available; give a smaller --width"
        )
    return replace(case, batch=max(min(_fitting(case, available), BATCH[device.type], trials), 1))


def _widths(theorem: Theorem, experiment: Experiment, options: Options) -> tuple[int, ...]:
    """The widths that every init is trained at, growing; empty where it is trained at one.

    Raises:
        InputError: several for a statement that is verified at one, or one for a statement about growth.
    """
    if options.widths and not experiment.widths:
        several = ",".join(map(str, options.widths))
        raise InputError(f"--width {several} is several widths, and {theorem.key} is verified at one; give one")
    if not experiment.widths:
        return ()
    given = options.widths or ((options.width,) if options.width else experiment.widths)
    if len(set(given)) < 2:
        raise InputError(
            f"--width {','.join(map(str, given))} is one width, and {theorem.key} is about growth with it; give "
            f"several, such as --width {','.join(map(str, experiment.widths))}"
        )
    return tuple(sorted(set(given)))


def _not_in(train: Dataset, test: Dataset) -> tuple[Dataset, int]:
    """The held-out examples that equal no training example, and how many do: those were seen in training.

    Raises:
        InputError: all of them do.
    """
    seen = {row.tobytes() for row in train.X}
    new = np.array([row.tobytes() not in seen for row in test.X])
    if not new.any():
        raise InputError(
            f"every one of the {test.n} held-out examples of {test.name} equals a training example, so that nothing is "
            "left to measure errors on; give data without repeated rows"
        )
    return (test if new.all() else test.subset(np.flatnonzero(new), test.name)), int((~new).sum())


def _fewer(train: Dataset, rows: int, seed: int) -> Dataset:
    """About this many of the training examples, both classes in proportion.

    Raises:
        InputError: more than there are, or a number that cannot be had so: it leaves a class without any, or takes all
            of one.
    """
    if rows > train.n:
        raise InputError(f"n = {rows} is more than the {train.n} training examples of {train.name}; give fewer")
    if rows == train.n:
        return train
    try:
        return split(train, 1 - rows / train.n, seed)[0]
    except InputError:
        negative = int((train.y < 0).sum())
        raise InputError(
            f"n = {rows} of the {train.n} training examples of {train.name} cannot be taken in proportion, some of "
            f"each class and not all ({negative} of {train.labels[0]!r}, {train.n - negative} of {train.labels[1]!r}); "
            f"give another number, or all {train.n}"
        ) from None


def _fitting(case: Case, available: int) -> int:
    """How many inits fit into half of what is available together."""
    one, two = case.experiment.bytes_needed(case, 1), case.experiment.bytes_needed(case, 2)
    return (available // 2 - one) // max(two - one, 1) + 1


def _reachable_width(case: Case) -> int:
    """The prescribed width if it fits into memory, what only the inits can tell guessed; else `DEFAULT_WIDTH`."""
    guess = case.experiment.guess(case)
    if guess is None:
        return DEFAULT_WIDTH
    statement = case.statement.with_inputs(**guess)
    inputs = {name: value for name, value in statement.inputs.items() if name != "m"}
    prescribed = replace(statement, inputs=inputs).solve("width").value
    if prescribed is None or int(prescribed) <= DEFAULT_WIDTH:
        return DEFAULT_WIDTH
    width = int(prescribed) + int(prescribed) % 2
    fits = case.experiment.bytes_needed(case.at_width(width), 1) <= available_bytes(case.device)
    return width if fits else DEFAULT_WIDTH


def show_bytes(count: int) -> str:
    """A number of bytes as a person would write it."""
    if count < 1000:
        return f"{count} B"
    power = min(int(math.log10(count)) // 3, 6)
    scaled = count / 1000**power
    return f"{scaled:.3g} {' kMGTPE'[power]}B" if scaled < 1000 else f"10^{math.log10(count):.1f} B"
