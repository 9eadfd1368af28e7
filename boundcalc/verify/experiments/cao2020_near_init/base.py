"""What the experiments on cao2020's neighbourhood W_τ have in common: τ, gradient descent within it, exploring it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.arrays import as_numpy
from boundcalc.errors import InputError
from boundcalc.solving import Solution
from boundcalc.symbols import show_fraction
from boundcalc.train.devices import available_bytes
from boundcalc.train.networks import Network, he_relu
from boundcalc.verify.case import DEFAULT_WIDTH, Case
from boundcalc.verify.checks import Line, Picture, Premise
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.backward import Weights
from boundcalc.verify.experiments.cao2020_descent.base import DEFAULT_DEPTH
from boundcalc.verify.experiments.common import Defaults, data_premises, measured_steps
from boundcalc.verify.experiments.neighbourhood import Neighbourhood, Objective, around, least_radius, search_bytes
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement, linear_in

Array = NDArray[np.float64]

PATH_STEPS = 64
"""Steps of gradient descent within W_τ, where --iterations does not say."""

_LEAST_STEPS_TO_LEAVE = 16
"""Gradient descent takes at least this many steps to the boundary of W_τ while ‖∇_{W_l} L_S‖_F ≤ √m: Lemma 4.1 at
C = 2, E_S being about 1/2 at the start."""

_LARGEST_GUESSED = 2**24

NOTES = (
    "W_τ was searched, not exhausted: its points are those of gradient descent while inside, random ones and the ends "
    "of projected ascents. A bound that held at all of them was not refuted; a success says no more.",
    "Where τ is not given it is the largest that the condition on τ allows at the constant in use, or the least that "
    "the precision can tell from 0.",
)

Sampled = Mapping[str, torch.Tensor]
"""What was measured at one point: numbers of every init, (S,), by name."""


@dataclass(frozen=True)
class Sample:
    """One point of W_τ, or several networks in a row, of every init; `here`: the inits that it is a point of, (S,)."""

    kind: str
    weights: Weights
    here: torch.Tensor
    step: int = -1


@dataclass(frozen=True)
class Explored:
    """What was measured at P points of W_τ.

    kinds, steps: (P,) what kind of point, and the step of gradient descent that it belongs to, −1 for none. here:
    (S, P) whether it is a point of that init. values: (S, P) by name.
    """

    kinds: NDArray[np.str_]
    steps: NDArray[np.int64]
    here: NDArray[np.bool_]
    values: Mapping[str, Array]

    def worst(self, excess: Array) -> NDArray[np.intp]:
        """Return the point with the largest excess (S, P) of every init, (S,)."""
        return np.asarray(np.where(self.here, excess, -np.inf).argmax(axis=1))

    def counts(self, init: int) -> dict[str, int]:
        """Return how many points an init has, and how many of them gradient descent gave."""
        here = self.here[init]
        return {"points": int(here.sum()), "points_of_GD": int((here & (self.steps > 0)).sum())}


def explore(
    near: Neighbourhood,
    samples: Iterable[Sample],
    measure: Callable[[Sample], Sampled],
    searches: Mapping[str, Objective],
    ascent_steps: int,
    note: Callable[[], None] = lambda: None,
) -> Explored:
    """Measure at every sample, and where ascents end that begin at the last sample of every kind that an init has.

    searches: what to ascend, by what it is. note: called after every sample and every ascent.

    Raises:
        InputError: there is no sample.
    """
    everywhere = torch.ones(len(near.trials), dtype=torch.bool, device=near.sign.device)
    found: list[tuple[Sample, Sampled]] = []
    latest: dict[str, list[torch.Tensor]] = {}
    for sample in samples:
        found.append((sample, measure(sample)))
        before = latest.get(sample.kind) or near.project(sample.weights)
        latest[sample.kind] = [
            torch.where(sample.here[:, None, None], new, old) for new, old in zip(sample.weights, before, strict=True)
        ]
        note()
    for what, objective in searches.items():
        for kind, begin in latest.items():
            end, _ = near.ascend(objective, begin, ascent_steps)
            sample = Sample(f"ascent on {what} from {kind}", end, everywhere)
            found.append((sample, measure(sample)))
            note()
    if not found:
        raise InputError("gradient descent leaves W_τ at once and no random points are tried; give points ≥ 1")
    points = [sample for sample, _ in found]
    return Explored(
        kinds=np.array([point.kind for point in points]),
        steps=np.array([point.step for point in points]),
        here=torch.stack([point.here for point in points], dim=1).cpu().numpy(),
        values={
            name: torch.stack([values[name].double() for _, values in found], dim=1).cpu().numpy()
            for name in found[0][1]
        },
    )


def bound_values(statement: Statement, symbol: str, measured: Mapping[str, Array]) -> Array:
    """Return the statement's bound on a symbol with arrays put in for some of its inputs."""
    inputs = {name: float(value) for name, value in statement.inputs.items()}
    log = as_numpy(statement.bound_on(symbol), statement.policy, statement.theorem.key)
    return np.asarray(np.exp(log({**inputs, **measured})))


def needed_values(
    statement: Statement, symbol: str, constant: str, value: Array, measured: Mapping[str, Array]
) -> Array:
    """Return `Statement.needed` of arrays: the constant at which the bound on `symbol` would equal `value`, or 0."""
    inputs = {name: float(known) for name, known in statement.inputs.items()}
    rest, slope = (
        np.exp(as_numpy(part, statement.policy, statement.theorem.key)({**inputs, **measured})) if part != 0 else 0.0
        for part in linear_in(statement.bound_on(symbol).expr, constant)
    )
    return np.asarray(np.maximum(0.0, (value - rest) / slope))


class NearInitialization(Defaults):
    """W_τ of cao2020's network, its radius, and gradient descent within it."""

    takes: tuple[str, ...] = ("L", "tau")
    defaults: Mapping[str, Fraction] = {"L": DEFAULT_DEPTH}
    found = frozenset({"tau"})
    dtype = "float64"
    networks = 1
    searches = 1

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The deep ReLU network with a fixed output vector."""
        return he_relu(int(inputs["L"]), width, d)

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory of the adversarial search, on all examples."""
        examples = case.train.n + case.test.n
        return search_bytes(case.network, examples, trials, case.dtype.itemsize, networks=self.networks)

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """A τ at which some width satisfies the conditions, looked for over growing widths.

        Both ends of the admissible widths move with τ: a smaller τ is admitted at larger widths and asks for larger
        ones. At the least width that is admitted for a τ, the largest τ allowed is at least this one.
        """
        if "tau" in case.inputs:
            return {}
        width, available = DEFAULT_WIDTH, available_bytes(case.device)
        while width <= _LARGEST_GUESSED and self.bytes_needed(case.at_width(width), 1) <= available:
            tau = self.radius(case.at_width(width))
            statement = case.statement.with_inputs(tau=tau)
            if statement.solve("width").status != "empty":
                return {"tau": tau}
            width *= 2
        return None

    def radius(self, case: Case) -> Fraction:
        """τ: the one given, or the largest that its condition allows; not below what the precision can tell from 0.

        Raises:
            InputError: the one given is.
        """
        least = least_radius(case.network, case.dtype)
        if "tau" in case.inputs:
            tau = case.inputs["tau"]
            if tau < least:
                raise InputError(
                    f"tau = {show_fraction(tau)} is below what {case.options.dtype} tells the points of a "
                    f"neighbourhood apart by at width {case.width}; give tau ≥ {least:.1e}"
                )
            return tau
        allowed = case.statement.solve("radius").value
        return max(Fraction(allowed or 0), Fraction(f"{least:.3g}"))

    def statement(self, case: Case, prescribed: Prescribed) -> Statement:
        """The statement at this run's τ."""
        return case.statement.with_inputs(**prescribed.found)

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """τ, the widths that it asks for, and a step size that leaves W_τ in some tens of steps.

        No statement here prescribes a step size, as each is about all of W_τ.
        """
        tau = self.radius(case)
        solutions: dict[str, Solution] = {
            "width": case.statement.with_inputs(tau=tau).solve("width"),
            "radius": case.statement.solve("radius"),
        }
        eta = min(
            1 / (case.network.hidden_layers * case.width),
            float(tau) / (_LEAST_STEPS_TO_LEAVE * math.sqrt(case.width)),
        )
        steps = PATH_STEPS if case.options.iterations is None else case.options.iterations
        return Prescribed({"tau": tau}, solutions, steps, eta * case.factor("eta"))

    def neighbourhood(self, case: Case, prescribed: Prescribed, trials: Sequence[int]) -> Neighbourhood:
        """W_τ of these inits."""
        return around(
            case.network,
            seed=case.options.seed,
            trials=trials,
            radius=prescribed.found["tau"],
            dtype=case.dtype,
            device=case.device,
        )

    def noted(self, case: Case, prescribed: Prescribed, note: Note) -> Callable[[], None]:
        """Progress by samples and ascents, as progress by steps."""
        whole, done = most_points(case, prescribed, self.searches), 0

        def one_more() -> None:
            nonlocal done
            done += 1
            note(min(done * prescribed.steps // whole, prescribed.steps))

        return one_more

    def premises(self, case: Case) -> tuple[Premise, ...]:
        """The data; that all hidden layers are equally wide is how the network is made."""
        return (
            *data_premises(case),
            Premise(
                "Assumption 3.2", True, f"all {case.network.hidden_layers} hidden layers have m = {case.width} units"
            ),
        )


def inputs_of(case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """The training inputs (n, d) and labels (n,)."""
    return tensor(case, case.train.X), tensor(case, case.train.y)


def tensor(case: Case, array: Array) -> torch.Tensor:
    """An array in the precision and on the device of the run."""
    return torch.tensor(array, dtype=case.dtype, device=case.device)


def single_points(case: Case, prescribed: Prescribed, near: Neighbourhood) -> Iterator[Sample]:
    """W^(0), gradient descent's at some steps while inside, and random points, on the spheres or within in turn."""
    X, y = inputs_of(case)
    due = measured_steps(prescribed.steps)
    for t, weights, inside in near.path(X, y, prescribed.step_size, prescribed.steps):
        if t == 0 or t in due:
            yield Sample("GD" if t else "W(0)", weights, inside, t)
    everywhere = torch.ones(len(near.trials), dtype=torch.bool, device=near.sign.device)
    for number in range(case.options.points):
        yield Sample("random", near.random(number, boundary=number % 2 == 0), everywhere)


def paired_points(case: Case, prescribed: Prescribed, near: Neighbourhood) -> Iterator[Sample]:
    """Pairs (W̃, Ŵ) in a row: steps of gradient descent, from W^(0) along it, and between random points and W^(0)."""
    X, y = inputs_of(case)
    due = measured_steps(prescribed.steps)
    path = near.path(X, y, prescribed.step_size, prescribed.steps)
    for (_, before, inside), (t, after, still) in pairwise(path):
        if t in due:
            yield Sample("GD step", [*before, *after], inside & still, t)
            yield Sample("W(0) and GD", [*near.start, *after], still, t)
    everywhere = torch.ones(len(near.trials), dtype=torch.bool, device=near.sign.device)
    random: Weights = near.start
    for number in range(case.options.points):
        following = near.random(number, boundary=number % 2 == 0)
        yield Sample("random", [*random, *following], everywhere)
        random = following


def along_descent(
    name: str, records: Sequence[Record], series: str, what: str, levels: tuple[tuple[str, float], ...] = ()
) -> Picture:
    """One of the series of every init at the steps of gradient descent, beside some levels."""
    lines = tuple(Line(f"init {record.trial}", record.series["t"] + 1, record.series[series]) for record in records)
    return Picture(name, "step t + 1 of gradient descent inside W_τ", what, lines, levels=levels)


def most_points(case: Case, prescribed: Prescribed, searches: int) -> int:
    """The most points, or pairs, that one init has; three kinds of them begin ascents."""
    return 1 + 2 * len(measured_steps(prescribed.steps)) + case.options.points + 3 * searches
