"""Verify a guarantee: certify its premises, train at its prescriptions, judge what came out.

For chen2019/thm2.1: with m ≥ m*, η = Θ(L^(−1) m^(−2α)) and T = O(L² R² ε^(−1)), full-batch GD reaches training loss
≤ 3ε within T steps, with probability ≥ 1 − δ over the init. Each trial is one init. R is certified on the very inits
that are trained: weights are found within R·m^(−α) at which every example's loss is below ε.
"""

from __future__ import annotations

import hashlib
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import torch

from boundcalc import __version__
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, ConstantUse
from boundcalc.data import Dataset, load, split
from boundcalc.errors import InputError
from boundcalc.estimate.radius import RadiusCertificate, certify_radius, search_bytes
from boundcalc.solving import UNIT, Assumed, IncompleteError, Solution, check_inputs, evaluate
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Theorem
from boundcalc.train.dense import DenseEngine, fitting_trials
from boundcalc.train.descent import gradient_descent
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network, scaled_relu
from boundcalc.verify.checks import Check, Premise
from boundcalc.verify.statistics import MOST_TRIALS, Verdict, clopper_pearson, fewest_trials, judge
from boundcalc.verify.store import Certificate, Store, Trial

VERIFIABLE = ("chen2019/thm2.1",)

DEFAULT_WIDTH = 64
"""The width trained at where the prescribed one is out of reach and none is given."""

PILOT_TRIALS, PILOT_MARGIN = 2, Fraction(6, 5)
"""Inits from which R is first guessed, to learn whether the prescribed width is within reach, and the room left."""

DEFAULT_EPSILON = Fraction(1, 10)
"""Large enough to train to in minutes; 3ε must stay below log 2, the loss of the zero function."""

MOST_ITERATIONS, MOST_LAYERS, LONGEST_CONSTANT = 10**9, 1000, 10_000

_DISTANCES = 24
_BATCH = MappingProxyType({"cpu": 24, "cuda": 256})
_DTYPES = MappingProxyType({"float32": torch.float32, "float64": torch.float64})


@dataclass(frozen=True)
class Options:
    """How to verify: everything that decides the numbers of a run, apart from the statement's own inputs."""

    data: str
    classes: tuple[str, str] | None = None
    label: str | None = None
    test_fraction: Fraction = Fraction(1, 4)
    width: int | None = None
    trials: int | None = None
    seed: int = 0
    dtype: str = "float32"
    device: str = "auto"
    search_steps: int = 20_000


@dataclass(frozen=True)
class Plan:
    """A verification before anything is trained."""

    theorem: Theorem
    options: Options
    inputs: Mapping[str, Fraction]
    assumed: tuple[Assumed, ...]
    train: Dataset
    test: Dataset
    network: Network
    width: int
    trials: int
    batch: int
    device: torch.device
    policy: ConstantPolicy

    @property
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
            "width": self.width,
            "trials": self.trials,
            "seed": self.options.seed,
            "test_fraction": show_fraction(self.options.test_fraction),
            "dtype": self.options.dtype,
            "device": str(self.device),
            "batch": self.batch,  # not asked for, but kept: see `Store`
            "search_steps": self.options.search_steps,
            "examples": digest.hexdigest(),
            "boundcalc": __version__,
            "torch": torch.__version__,
        }

    def batches(self) -> list[range]:
        """The inits in the groups that are trained together; the same groups whatever was finished before."""
        return [range(i, min(i + self.batch, self.trials)) for i in range(0, self.trials, self.batch)]


@dataclass(frozen=True)
class Prescribed:
    """What the statement prescribes at the certified R.

    `reached`: the width used satisfies m ≥ m*. `chosen`: it does not, but nobody set C_m, which the statement leaves
    open, so `constants` holds the C_m at which it does. `fits`: a network of the prescribed width fits into memory.
    """

    width: Solution
    step_size: Solution
    iterations: Solution
    target: Solution
    bytes_needed: str
    bytes_available: int
    fits: bool
    constants: tuple[ConstantUse, ...]
    reached: bool
    chosen: bool

    @property
    def T(self) -> int:
        """The number of iterations."""
        return int(self.iterations.value or 0)

    @property
    def eta(self) -> float:
        """The step size."""
        return float(self.step_size.value or 0)


@dataclass(frozen=True)
class Result:
    """A finished verification."""

    plan: Plan
    R: Fraction
    prescribed: Prescribed
    certificates: Mapping[int, Certificate]
    trials: Mapping[int, Trial]
    premises: tuple[Premise, ...]
    checks: tuple[Check, ...]
    successes: int
    interval: tuple[float, float]
    verdict: Verdict
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""


def make_plan(
    key: str,
    options: Options,
    given: Mapping[str, Fraction],
    policy: ConstantPolicy = UNIT,
    *,
    strict: bool = False,
) -> Plan:
    """Read the data, settle every input, and refuse what cannot be run.

    Without a width, the prescribed one is taken where it fits into memory, else `DEFAULT_WIDTH`.

    Raises:
        InputError: a statement that cannot be verified yet, bad data, bad inputs, a width that does not fit, or, if
            `strict`, an input or a unit constant that would have to be assumed.
    """
    theorem = CATALOGUE.find(key)
    if key not in VERIFIABLE:
        raise InputError(f"{key} cannot be verified yet; verify one of: {', '.join(VERIFIABLE)}")
    policy.check_names((key, constant) for constant in theorem.constants)
    inputs = check_inputs(theorem, given)
    for name in inputs:
        if name not in ("epsilon", "delta", "L", "alpha", "R"):
            mend = "use --width" if name == "m" else "give epsilon, delta, L, alpha or R"
            raise InputError(f"{name} is not an input of this verification; {mend}")
    assumed: list[Assumed] = []
    defaults = {name: VOCABULARY[name].default for name in ("delta", "L", "alpha")}
    for name, default in {"epsilon": DEFAULT_EPSILON, **defaults}.items():
        if name not in inputs:
            assert default is not None
            inputs[name] = default
            assumed.append(Assumed(name, default, "default of verify"))
    uses = [policy.use(constant, key) for constant in theorem.constants]
    if inputs["L"] > MOST_LAYERS:
        raise InputError(f"L = {show_fraction(inputs['L'])} is more than {MOST_LAYERS} layers to train; give fewer")
    if strict:
        missing = [f"{a.name}=…" for a in assumed] + [f"--set {use.name}=…" for use in uses if use.assumed]
        if missing:
            raise IncompleteError(f"--strict: {key} would be verified at assumed values; give {' '.join(missing)}")
    if options.trials is not None and options.trials > MOST_TRIALS:
        raise InputError(f"--trials {options.trials} is more than {MOST_TRIALS}; give fewer")
    if options.dtype not in _DTYPES:
        raise InputError(f"--dtype {options.dtype!r} is not one of {', '.join(_DTYPES)}")
    dataset = load(options.data, classes=options.classes, label=options.label)
    train, test = split(dataset, float(options.test_fraction), options.seed)
    trials = options.trials or fewest_trials(float(inputs["delta"]))
    device = resolve_device(options.device)
    width = options.width or _reachable_width(theorem, options, inputs, train, device, policy)
    network = scaled_relu(int(inputs["L"]), width, train.d, float(inputs["alpha"]))
    dtype = _DTYPES[options.dtype]
    needed, available = search_bytes(network, train.n, dtype), available_bytes(device)
    if needed > available:
        raise InputError(
            f"--width {width} needs {show_bytes(needed)} to certify R for one network (its weights take "
            f"{show_bytes(network.weight_bytes(dtype.itemsize))}), and {device} has {show_bytes(available)} available; "
            "give a smaller --width"
        )
    batch = max(min(fitting_trials(network, train.n, dtype, device), _BATCH[device.type], trials), 1)
    return Plan(theorem, options, inputs, tuple(assumed), train, test, network, width, trials, batch, device, policy)


def _reachable_width(
    theorem: Theorem,
    options: Options,
    inputs: Mapping[str, Fraction],
    train: Dataset,
    device: torch.device,
    policy: ConstantPolicy,
) -> int:
    """The prescribed width if it fits into memory, at an R guessed from a few inits; else, or if R is not found, 64."""
    dtype = _DTYPES[options.dtype]

    def network(width: int) -> Network:
        return scaled_relu(int(inputs["L"]), width, train.d, float(inputs["alpha"]))

    R = inputs.get("R")
    if R is None:
        guess = _search(network(DEFAULT_WIDTH), train, options, inputs, device, range(PILOT_TRIALS))
        if not guess.converged.all():
            return DEFAULT_WIDTH
        R = PILOT_MARGIN * Fraction(float(guess.radius.max()))
    prescribed = evaluate(theorem, "width", {**inputs, "R": R, "n": Fraction(train.n)}, policy).value
    if prescribed is None or int(prescribed) <= DEFAULT_WIDTH:
        return DEFAULT_WIDTH
    fits = search_bytes(network(int(prescribed)), train.n, dtype) <= available_bytes(device)
    return int(prescribed) if fits else DEFAULT_WIDTH


def _search(
    network: Network,
    train: Dataset,
    options: Options,
    inputs: Mapping[str, Fraction],
    device: torch.device,
    trials: range,
    on_step: Callable[[int], None] | None = None,
) -> RadiusCertificate:
    """Search good weights near the start for these inits."""
    return certify_radius(
        network,
        train.X,
        train.y,
        epsilon=float(inputs["epsilon"]),
        alpha=float(inputs["alpha"]),
        trials=tuple(trials),
        seed=options.seed,
        dtype=_DTYPES[options.dtype],
        device=str(device),
        max_steps=options.search_steps,
        on_step=on_step,
    )


def show_bytes(count: int) -> str:
    """A number of bytes as a person would write it."""
    if count < 1000:
        return f"{count} B"
    power = min(int(math.log10(count)) // 3, 6)
    scaled = count / 1000**power
    return f"{scaled:.3g} {' kMGTPE'[power]}B" if scaled < 1000 else f"10^{math.log10(count):.1f} B"


class Progress(Protocol):
    """Called with what is being done, how far it is, out of how much, and perhaps a detail."""

    def __call__(self, stage: str, step: int, steps: int, detail: str = "") -> None:
        """Take note of the progress."""


def run(plan: Plan, folder: Path, on_progress: Progress | None = None) -> Result:
    """Run a verification, or what is left of it, in a folder.

    Finished batches of inits are kept in DIR/trials.sqlite and never repeated; a batch that was cut off is done again
    from its seeds, with the same numbers.

    Raises:
        InputError: the folder holds something else or another run.
    """
    progress = on_progress or (lambda what, step, steps, detail="": None)
    with Store(folder, plan.config) as store:
        plan = replace(plan, batch=store.batch)
        certificates = _certify(plan, store, progress)
        found = [c.radius for c in certificates.values() if c.radius is not None]
        if not found and "R" not in plan.inputs:
            raise InputError(
                f"no weights with every loss below epsilon={show_fraction(plan.inputs['epsilon'])} were found from any "
                f"init, so R is unknown; give a larger --width (now {plan.width}), or R=…"
            )
        R = plan.inputs["R"] if "R" in plan.inputs else six_digits_up(max(found))
        prescribed = prescribe(plan, R)
        trials = _train(plan, prescribed, store, progress)
    return judge_run(plan, R, prescribed, certificates, trials)


def six_digits_up(value: float) -> Fraction:
    """A positive number rounded up to six significant digits, exactly."""
    unit = Fraction(10) ** (math.floor(math.log10(value)) - 5)
    return math.ceil(Fraction(value) / unit) * unit


def _certify(plan: Plan, store: Store, progress: Progress) -> dict[int, Certificate]:
    done = store.certificates()
    for batch in plan.batches():
        if all(trial in done for trial in batch):
            continue
        found = _search(
            plan.network,
            plan.train,
            plan.options,
            plan.inputs,
            plan.device,
            batch,
            _searching(batch[0], plan.trials, progress),
        )
        store.add_certificates(
            Certificate(
                trial=trial,
                radius=float(found.radius[i]) if found.converged[i] else None,
                worst_loss=float(found.worst_loss[i]) if found.converged[i] else None,
                layer_distances=tuple(map(float, found.layer_distances[i])),
                steps=int(found.steps[i]),
            )
            for i, trial in enumerate(batch)
        )
        progress("certifying R", batch[-1] + 1, plan.trials)
    return store.certificates()


def prescribe(plan: Plan, R: Fraction) -> Prescribed:
    """Evaluate width, step size, iterations and target at this R."""
    inputs = {**plan.inputs, "R": R, "n": Fraction(plan.train.n)}
    width = evaluate(plan.theorem, "width", inputs, plan.policy)
    step_size = evaluate(plan.theorem, "step-size", {**inputs, "m": Fraction(plan.width)}, plan.policy)
    iterations = evaluate(plan.theorem, "iterations", inputs, plan.policy)
    target = evaluate(plan.theorem, "loss", inputs, plan.policy)
    if iterations.value is None or int(iterations.value) > MOST_ITERATIONS:
        raise InputError(
            f"the prescribed number of iterations is {iterations.number}, too many to run; give a larger epsilon "
            f"(now {show_fraction(plan.inputs['epsilon'])}) or --set C_T=…"
        )
    eta, limits = float(step_size.value or 0), torch.finfo(_DTYPES[plan.options.dtype])
    if not limits.tiny <= eta <= limits.max:
        raise InputError(
            f"the prescribed step size is {step_size.number}, beyond {plan.options.dtype}; give --set C_eta=…, or "
            "another alpha"
        )
    assert width.log10 is not None
    reached = int(width.value) <= plan.width if width.value is not None else False
    uses = {use.name: use for solution in (width, step_size, iterations) for use in solution.constants}
    factor = uses["C_m"]
    chosen = not reached and factor.assumed
    if chosen:
        at = math.log10(plan.width) - width.log10
        if at < -LONGEST_CONSTANT:
            raise InputError(
                f"the prescribed width is {width.number}, so the C_m at which width {plan.width} suffices is below "
                f"10^-{LONGEST_CONSTANT}; change alpha or give --set C_m=…"
            )
        # Rounded down, so that the width still suffices at it.
        mantissa = Fraction(math.floor(10 ** (at - math.floor(at)) * 10**5 * (1 - 1e-9)), 10**5)
        uses["C_m"] = replace(
            factor,
            value=mantissa * Fraction(10) ** math.floor(at),
            origin=f"chosen so that width {plan.width} suffices; at C_m = 1 the statement asks for m ≥ {width.number}",
        )
    dtype = _DTYPES[plan.options.dtype]
    available = available_bytes(plan.device)
    if width.value is not None:
        L, alpha = int(plan.inputs["L"]), float(plan.inputs["alpha"])
        network = scaled_relu(L, int(width.value), plan.train.d, alpha)
        fits = search_bytes(network, plan.train.n, dtype) <= available
        bytes_needed = show_bytes(network.weight_bytes(dtype.itemsize))
    else:
        # All but the leading term of the number of weights is lost beside 10^30.
        square = plan.network.hidden_layers > 1
        count = plan.network.hidden_layers - 1 if square else plan.train.d + 1
        fits, bytes_needed = (
            False,
            f"10^{(2 if square else 1) * width.log10 + math.log10(count * dtype.itemsize):.1f} B",
        )
    return Prescribed(
        width=width,
        step_size=step_size,
        iterations=iterations,
        target=target,
        bytes_needed=bytes_needed,
        bytes_available=available,
        fits=fits,
        constants=tuple(uses[name] for name in sorted(uses)),
        reached=reached,
        chosen=chosen,
    )


def distance_steps(iterations: int) -> tuple[int, ...]:
    """The steps at which distances from the start are taken: some two dozen, evenly spread over log t, and the last."""
    return tuple(sorted({int(t) for t in np.geomspace(1, max(iterations, 1), _DISTANCES)} | {iterations}))


def _train(plan: Plan, prescribed: Prescribed, store: Store, progress: Progress) -> dict[int, Trial]:
    target = float(prescribed.target.value or 0)
    total = len(plan.batches()) * prescribed.T
    for index, batch in enumerate(plan.batches()):
        if set(batch) <= store.trial_numbers():
            continue
        engine = DenseEngine(
            plan.network,
            plan.train.X,
            trials=tuple(batch),
            seed=plan.options.seed,
            dtype=_DTYPES[plan.options.dtype],
            device=str(plan.device),
        )
        history = gradient_descent(
            engine,
            plan.train.y,
            step_size=prescribed.eta,
            iterations=prescribed.T,
            target=target,
            distance_steps=distance_steps(prescribed.T),
            on_step=_from(index * prescribed.T, total, progress),
        )
        errors = [_errors(engine, part) for part in (plan.train, plan.test)]
        store.add_trials(
            Trial(
                trial=trial,
                loss=history.loss[i],
                first_reached=int(history.first_reached[i]) if history.first_reached[i] >= 0 else None,
                distance_steps=tuple(map(int, history.distance_steps)),
                distances=tuple(tuple(map(float, row)) for row in history.distances[i]),
                train_error=float(errors[0][i]),
                test_error=float(errors[1][i]),
            )
            for i, trial in enumerate(batch)
        )
    return store.trials()


def _searching(done: int, total: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one batch's search, whose length nobody knows."""
    return lambda step: progress("certifying R", done, total, f"step {step}")


def _from(start: int, total: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one batch as progress of all."""
    return lambda step: progress("training", start + step, total)


def _errors(engine: DenseEngine, dataset: Dataset) -> Sequence[float]:
    """The share of examples with y f(x) ≤ 0 or undefined, for every init: an output of 0 has learnt nothing."""
    margins = engine.outputs(dataset.X).double().cpu().numpy() * dataset.y
    return [float(error) for error in np.mean(~(margins > 0), axis=1)]


def judge_run(
    plan: Plan,
    R: Fraction,
    prescribed: Prescribed,
    certificates: Mapping[int, Certificate],
    trials: Mapping[int, Trial],
) -> Result:
    """Premises, checks and verdict of a finished run."""
    epsilon, delta = float(plan.inputs["epsilon"]), float(plan.inputs["delta"])
    alpha = float(plan.inputs["alpha"])
    target = float(prescribed.target.value or 0)
    scale = plan.width**alpha
    certified = [c for c in certificates.values() if c.radius is not None and Fraction(c.radius) <= R]
    norms = np.linalg.norm(plan.train.X, axis=1)
    worst = max((c.worst_loss or 0.0 for c in certified), default=math.nan)
    premises = (
        Premise(
            "unit inputs", bool(np.abs(norms - 1).max() < 1e-9), f"max |‖x_i‖ − 1| = {np.abs(norms - 1).max():.1e}"
        ),
        Premise(
            "binary labels",
            bool(np.isin(plan.train.y, (-1, 1)).all()),
            f"{int((plan.train.y > 0).sum())} of +1, {int((plan.train.y < 0).sum())} of −1",
        ),
        Premise(
            "(A) good weights near the start",
            len(certified) == plan.trials,
            f"{len(certified)} of {plan.trials} inits: weights found within R·m^(−α), R = {show_fraction(R)}, "
            f"at which every example's loss is at most {worst:.6g} < ε = {epsilon:g} (computed in float64); "
            "R is an upper estimate",
        ),
        Premise("m ≥ m*", prescribed.reached or prescribed.chosen, _width_evidence(plan, prescribed)),
    )
    reached = [trial.first_reached for trial in trials.values() if trial.first_reached is not None]
    successes = len(reached)
    least_loss = [float(np.nanmin(np.where(np.isfinite(t.loss), t.loss, np.inf))) for t in trials.values()]
    sampled = len(next(iter(trials.values())).distance_steps)
    furthest = max(max(trial.furthest) for trial in trials.values()) * scale
    checks = (
        Check("least training loss within T, worst init", max(least_loss), target, claimed=True),
        Check(
            "first step with training loss ≤ 3ε, worst init",
            float(max(reached)) if successes == len(trials) else math.inf,
            float(prescribed.T),
            claimed=True,
        ),
        Check(
            f"distance of a layer from its start times m^α, worst init, at {sampled} sampled steps", furthest, float(R)
        ),
        Check("training loss at T, worst init", max(float(trial.loss[-1]) for trial in trials.values())),
        Check("0-1 error on held-out examples at T, mean", float(np.mean([t.test_error for t in trials.values()]))),
        Check("0-1 error on held-out examples at T, worst init", max(t.test_error for t in trials.values())),
    )
    verdict = judge(
        successes,
        len(trials),
        delta,
        premises_met=all(premise.met for premise in premises),
        vacuous=target >= math.log(2),
    )
    return Result(
        plan=plan,
        R=R,
        prescribed=prescribed,
        certificates=certificates,
        trials=trials,
        premises=premises,
        checks=checks,
        successes=successes,
        interval=clopper_pearson(successes, len(trials)),
        verdict=verdict,
        versions=versions(),
        machine=machine(plan.device),
    )


def _width_evidence(plan: Plan, prescribed: Prescribed) -> str:
    constants = ", ".join(
        f"{use.name} = {show_fraction(use.value)}" for use in prescribed.constants if use.name in ("C_m", "k_m")
    )
    if prescribed.chosen:
        return f"met by choice: the statement leaves C_m open, and width {plan.width} is m* at {constants}"
    return f"width {plan.width}, and m* = {prescribed.width.number} at {constants}"


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
