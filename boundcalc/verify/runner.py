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
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from boundcalc import __version__
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, ConstantUse
from boundcalc.data import Dataset, load, split
from boundcalc.errors import InputError
from boundcalc.estimate.radius import certify_radius, search_bytes
from boundcalc.solve import UNIT, Assumed, Solution, check_inputs, evaluate
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Theorem
from boundcalc.train.dense import DenseEngine, fitting_trials
from boundcalc.train.descent import gradient_descent
from boundcalc.train.devices import available_bytes, resolve_device
from boundcalc.train.networks import Network, scaled_relu
from boundcalc.verify.checks import Check, Premise
from boundcalc.verify.statistics import Verdict, clopper_pearson, fewest_trials, judge
from boundcalc.verify.store import Certificate, Store, Trial

VERIFIABLE = ("chen2019/thm2.1",)

DEFAULT_WIDTH = 64
"""The width trained at where the prescribed one is out of reach and none is given."""

DEFAULT_EPSILON = Fraction(1, 10)
"""Large enough to train to in minutes; 3ε must stay below log 2, the loss of the zero function."""

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
            "batch": self.batch,
            "search_steps": self.options.search_steps,
            "examples": digest.hexdigest(),
        }

    def batches(self) -> list[range]:
        """The inits in the groups that are trained together; the same groups whatever was finished before."""
        return [range(i, min(i + self.batch, self.trials)) for i in range(0, self.trials, self.batch)]


@dataclass(frozen=True)
class Prescribed:
    """What the statement prescribes at the certified R, and the constant that makes the width used suffice."""

    width: Solution
    step_size: Solution
    iterations: Solution
    target: Solution
    bytes_needed: str
    bytes_available: int
    constants: tuple[ConstantUse, ...]
    reached: bool

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
    radius: float
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


def make_plan(key: str, options: Options, given: Mapping[str, Fraction], policy: ConstantPolicy = UNIT) -> Plan:
    """Read the data, settle every input, and refuse what cannot be run.

    Raises:
        InputError: a statement that cannot be verified yet, bad data, bad inputs, or a width that does not fit.
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
    if options.dtype not in _DTYPES:
        raise InputError(f"--dtype {options.dtype!r} is not one of {', '.join(_DTYPES)}")
    dataset = load(options.data, classes=options.classes, label=options.label)
    train, test = split(dataset, float(options.test_fraction), options.seed)
    width = options.width or DEFAULT_WIDTH
    trials = options.trials or fewest_trials(float(inputs["delta"]))
    device = resolve_device(options.device)
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


def show_bytes(count: int) -> str:
    """A number of bytes as a person would write it."""
    if count < 1000:
        return f"{count} B"
    power = min(int(math.log10(count)) // 3, 6)
    scaled = count / 1000**power
    return f"{scaled:.3g} {' kMGTPE'[power]}B" if scaled < 1000 else f"10^{math.log10(count):.1f} B"


Progress = Callable[[str, int, int], None]
"""Called with what is being done, the step, and the number of steps."""


def run(plan: Plan, folder: Path, on_progress: Progress | None = None) -> Result:
    """Run a verification, or what is left of it, in a folder.

    Finished batches of inits are kept in DIR/trials.sqlite and never repeated; a batch that was cut off is done again
    from its seeds, with the same numbers.

    Raises:
        InputError: the folder holds something else or another run.
    """
    progress = on_progress or (lambda what, step, steps: None)
    with Store(folder, plan.config) as store:
        certificates = _certify(plan, store, progress)
        found = [c.radius for c in certificates.values() if c.radius is not None]
        radius = float(plan.inputs["R"]) if "R" in plan.inputs else max(found, default=math.nan)
        if math.isnan(radius):
            raise InputError(
                f"no weights with every loss below epsilon={show_fraction(plan.inputs['epsilon'])} were found from any "
                f"init, so R is unknown; give a larger --width (now {plan.width}), or R=…"
            )
        prescribed = prescribe(plan, radius)
        trials = _train(plan, prescribed, store, progress)
    return judge_run(plan, radius, prescribed, certificates, trials)


def _certify(plan: Plan, store: Store, progress: Progress) -> dict[int, Certificate]:
    done = store.certificates()
    for batch in plan.batches():
        if all(trial in done for trial in batch):
            continue
        found = certify_radius(
            plan.network,
            plan.train.X,
            plan.train.y,
            epsilon=float(plan.inputs["epsilon"]),
            alpha=float(plan.inputs["alpha"]),
            trials=tuple(batch),
            seed=plan.options.seed,
            dtype=_DTYPES[plan.options.dtype],
            device=str(plan.device),
            max_steps=plan.options.search_steps,
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


def prescribe(plan: Plan, radius: float) -> Prescribed:
    """Evaluate width, step size, iterations and target at the certified R, rounded up in its sixth digit."""
    R = Fraction(math.ceil(Fraction(radius) * 10**6), 10**6)
    inputs = {**plan.inputs, "R": R, "n": Fraction(plan.train.n)}
    at_width = {**inputs, "m": Fraction(plan.width)}
    width = evaluate(plan.theorem, "width", inputs, plan.policy)
    step_size = evaluate(plan.theorem, "step-size", at_width, plan.policy)
    iterations = evaluate(plan.theorem, "iterations", inputs, plan.policy)
    target = evaluate(plan.theorem, "loss", inputs, plan.policy)
    if iterations.value is None or int(iterations.value) > 10**9:
        raise InputError(
            f"the prescribed number of iterations is {iterations.number}, too many to run; give a larger epsilon "
            f"(now {show_fraction(plan.inputs['epsilon'])}) or --set C_T=…"
        )
    uses = {use.name: use for solution in (width, step_size, iterations) for use in solution.constants}
    assert width.log10 is not None
    # Within the twelve digits of log10: far finer than a constant is ever quoted.
    reached = math.log10(plan.width) >= width.log10
    if not reached:
        scale = 10 ** (math.log10(plan.width) - width.log10)
        factor = uses["C_m"]
        uses["C_m"] = ConstantUse(
            factor.name,
            factor.hides,
            Fraction(f"{float(factor.value) * scale * (1 - 1e-5):.6g}"),
            f"the constant at which width {plan.width} suffices (at {factor.name} = "
            f"{show_fraction(factor.value)} the statement asks for m ≥ {width.number})",
            factor.direction,
        )
    itemsize = _DTYPES[plan.options.dtype].itemsize
    hidden = plan.network.hidden_layers
    if width.value is not None:
        m_star = int(width.value)
        bytes_needed = show_bytes(((hidden - 1) * m_star**2 + (plan.train.d + 1) * m_star) * itemsize)
    else:
        exponent = (2 if hidden > 1 else 1) * width.log10 + math.log10(itemsize * max(hidden - 1, plan.train.d))
        bytes_needed = f"10^{exponent:.1f} B"
    return Prescribed(
        width=width,
        step_size=step_size,
        iterations=iterations,
        target=target,
        bytes_needed=bytes_needed,
        bytes_available=available_bytes(plan.device),
        constants=tuple(uses[name] for name in sorted(uses)),
        reached=reached,
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


def _from(start: int, total: int, progress: Progress) -> Callable[[int], None]:
    """Progress of one batch as progress of all."""
    return lambda step: progress("training", start + step, total)


def _errors(engine: DenseEngine, dataset: Dataset) -> Sequence[float]:
    """The 0-1 error P[y f(x) < 0] of every init, on a dataset; a network that diverged errs everywhere."""
    margins = engine.outputs(dataset.X).double().cpu().numpy() * dataset.y
    return [float(error) for error in np.mean(~(margins >= 0), axis=1)]


def judge_run(
    plan: Plan,
    radius: float,
    prescribed: Prescribed,
    certificates: Mapping[int, Certificate],
    trials: Mapping[int, Trial],
) -> Result:
    """Premises, checks and verdict of a finished run."""
    epsilon, delta = float(plan.inputs["epsilon"]), float(plan.inputs["delta"])
    alpha = float(plan.inputs["alpha"])
    target = float(prescribed.target.value or 0)
    scale = plan.width**alpha
    certified = [c for c in certificates.values() if c.radius is not None and c.radius <= radius * (1 + 1e-12)]
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
            f"{len(certified)} of {plan.trials} inits: weights found within R·m^(−α), R = {radius:.6g}, at which every "
            f"example's loss is at most {worst:.6g} < ε = {epsilon:g} (computed in float64); R is an upper estimate",
        ),
        Premise(
            "m ≥ m*",
            True,
            f"width {plan.width} at "
            + ", ".join(
                f"{use.name} = {show_fraction(use.value)}" for use in prescribed.constants if use.name in ("C_m", "k_m")
            )
            + ("" if prescribed.reached else " (the C_m that makes this width suffice)"),
        ),
    )
    reached = [trial.first_reached for trial in trials.values() if trial.first_reached is not None]
    successes = len(reached)
    least_loss = [float(np.nanmin(np.where(np.isfinite(t.loss), t.loss, np.inf))) for t in trials.values()]
    furthest = max(max(trial.furthest) for trial in trials.values()) * scale
    checks = (
        Check("least training loss within T, worst init", max(least_loss), target, claimed=True),
        Check(
            "first step with training loss ≤ 3ε, worst init",
            float(max(reached)) if successes == len(trials) else math.inf,
            float(prescribed.T),
            claimed=True,
        ),
        Check("distance of a layer from its start times m^α, worst init", furthest, radius),
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
        radius=radius,
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


def versions() -> dict[str, str]:
    """The versions that could change a number."""
    return {
        "boundcalc": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def machine(device: torch.device) -> str:
    """The machine, in words."""
    if device.type == "cuda":
        return f"{platform.system()} {platform.machine()}, {torch.cuda.get_device_name(device)}"
    return f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads, {sys.byteorder}-endian"
