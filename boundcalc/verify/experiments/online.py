"""What statements on online SGD share: E[L_D^{0-1}(Ŵ)], Ŵ uniform in the iterates W^(0), …, W^(n−1), measured.

Every iterate is judged on some unseen examples, which take turns where they are few: the mean over all is an unbiased
estimate with an exact interval (`mean_error`). Besides, each step's own example is one that its iterate has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train.dense import DenseEngine, peak_bytes
from boundcalc.train.sgd import online_descent, sample_orders
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Line, Picture
from boundcalc.verify.experiment import Note
from boundcalc.verify.experiments.common import measured_steps
from boundcalc.verify.experiments.population import PopulationError, Unseen, mean_error, unseen_examples
from boundcalc.verify.record import Record, Records

EXAMPLES_AN_ITERATE = 8
"""On how many unseen examples every iterate is judged; fewer would take hardly less time: that of a step or two."""

_MOST_ENTRIES = 2**27  # 1 GiB of fresh examples
_STREAM = 2**32 - 11  # marks the seed of the order of held-out examples; larger than any trial number

OWN_ORDERS = "Each init takes the training examples in a random order of its own, once; step t takes one example."

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Turns:
    """Unseen examples in blocks of equal size: iterate t is judged on block t mod their number."""

    unseen: Unseen
    size: int
    blocks: int
    steps: int

    @property
    def examples(self) -> int:
        """How many examples are used."""
        return self.size * self.blocks

    @property
    def weight(self) -> float:
        """The most that one example can add to the mean error: it is asked about ⌈steps/blocks⌉ iterates at most."""
        return -(-self.steps // self.blocks) / (self.steps * self.size)


def turns(case: Case, steps: int) -> Turns:
    """How the iterates W^(0), …, W^(steps−1) take turns on the unseen examples; fresh ones are asked about one each.

    Held-out ones are put into a random order first: data is often sorted by class.
    """
    most = EXAMPLES_AN_ITERATE * steps
    unseen = unseen_examples(case, most if most * case.train.d <= _MOST_ENTRIES else steps)
    if unseen.fresh:
        return Turns(unseen, unseen.data.n // steps, steps, steps)
    seeds = np.random.SeedSequence(case.options.seed, spawn_key=(_STREAM,))
    order = np.random.Generator(np.random.PCG64(seeds)).permutation(unseen.data.n)
    blocks = min(max(unseen.data.n // EXAMPLES_AN_ITERATE, 1), steps)
    size = min(unseen.data.n // blocks, EXAMPLES_AN_ITERATE)
    return Turns(Unseen(unseen.data.subset(order, unseen.data.name), False), size, blocks, steps)


def online_steps(case: Case) -> int:
    """How many steps to take: one for each example, and no more than the user allows.

    Raises:
        InputError: another number of steps was asked for; there is none.
    """
    if case.factor("T") != 1:
        raise InputError(
            f"{case.factor('T'):g} times the number of steps: online SGD takes one for each of the n = {case.train.n} "
            "examples; give more or fewer examples instead"
        )
    return min(case.train.n, case.options.iterations or case.train.n)


def online_bytes(case: Case, trials: int) -> int:
    """The memory that online SGD takes: weights, and the activations of one block."""
    return peak_bytes(case.network, EXAMPLES_AN_ITERATE, trials, case.dtype)


def train_online(case: Case, step_size: float, trials: Sequence[int], note: Note) -> list[Record]:
    """Train these inits by online SGD and measure; the records' success is not settled yet.

    Facts: mean_error and its interval over all n iterates (an iterate that was not reached counts as anything from 0 to
    1), next_example_error. Series: error, of each iterate on its block; next_error, 1 where the step's own example was
    an error; distance_steps, distances.
    """
    steps, n = online_steps(case), case.train.n
    order = turns(case, steps)
    used = order.unseen.data.X[: order.examples], order.unseen.data.y[: order.examples]
    engine = DenseEngine(
        case.network,
        used[0][: order.size],
        trials=tuple(trials),
        seed=case.options.seed,
        dtype=case.dtype,
        device=str(case.device),
    )
    X, y = (torch.from_numpy(np.array(part)).to(engine.device, engine.dtype) for part in used)
    wrong = torch.empty((steps, len(trials)), dtype=torch.float64, device=engine.device)

    def judge(t: int) -> None:
        block = slice(t % order.blocks * order.size, (t % order.blocks + 1) * order.size)
        wrong[t] = (~(y[block] * engine.outputs(X[block]) > 0)).sum(dim=1)
        note(t + 1)

    history = online_descent(
        engine,
        case.train.X,
        case.train.y,
        sample_orders(n, trials=trials, seed=case.options.seed)[:, :steps],
        step_size=step_size,
        distance_steps=tuple(t for t in measured_steps(steps) if t < steps),
        on_iterate=judge,
    )
    errors = wrong.t().cpu().numpy() / order.size
    records = []
    for i, trial in enumerate(trials):
        found = mean_error(float(errors[i].mean()), order.examples, order.weight, case.trials)
        lower, upper = float(found.lower) * steps / n, (float(found.upper) * steps + n - steps) / n
        missed = (~(history.margins[i] > 0)).astype(np.float64)
        facts = {
            "mean_error": float(found.measured),
            "mean_error_interval": [lower, upper],
            "next_example_error": float(missed.mean()),
            "last_tenth_error": float(errors[i][-max(steps // 10, 1) :].mean()),
        }
        series = {
            "error": errors[i],
            "next_error": missed,
            "distance_steps": history.distance_steps.astype(np.float64),
            "distances": history.distances[i].max(axis=1),
        }
        records.append(Record(trial, None, facts, series))
    return records


def population_of(record: Record) -> PopulationError:
    """The population error of Ŵ that a record holds."""
    lower, upper = record.facts["mean_error_interval"]
    return PopulationError(np.array(record.facts["mean_error"]), np.array(lower), np.array(upper))


def error_checks(trained: Records) -> tuple[Check, ...]:
    """What else was measured of the errors, without a bound."""
    records = list(trained.values())
    return (
        Check(
            "0-1 error at the next example, mean over all steps and inits",
            float(np.mean([record.facts["next_example_error"] for record in records])),
        ),
        Check(
            "population error of the last tenth of the iterates, mean over inits",
            float(np.mean([record.facts["last_tenth_error"] for record in records])),
        ),
    )


def online_notes(case: Case) -> tuple[str, ...]:
    """How errors were measured."""
    steps = online_steps(case)
    order = turns(case, steps)
    cut_short = (
        []
        if steps == case.train.n
        else [f"Only {steps} of n = {case.train.n} steps were taken: the intervals allow the other iterates any error."]
    )
    which = "of its own" if order.blocks == steps else f"{order.examples} of them taking turns"
    return (
        order.unseen.note,
        f"Every iterate is judged on {order.size} of these, {which}; the interval of the mean over iterates is by "
        "Bentkus' inequality.",
        OWN_ORDERS,
        *cut_short,
    )


def error_picture(trained: Records, levels: tuple[tuple[str, float], ...]) -> Picture:
    """The mean error of the iterates up to each, of every init, beside bounds on the mean over all."""
    lines = []
    for record in trained.values():
        t = np.arange(1, record.series["error"].size + 1, dtype=np.float64)
        lines.append(Line(f"init {record.trial}", t, np.cumsum(record.series["error"]) / t))
    return Picture(
        "error", "iterates", "mean population 0-1 error of the iterates so far", tuple(lines), levels=levels, log_y=True
    )


def distance_picture(trained: Records, scale: float, unit: str) -> Picture:
    """The distance of the layer that is furthest from its start, times `scale`, at some steps."""
    lines = tuple(
        Line(f"init {record.trial}", record.series["distance_steps"] + 1, scale * record.series["distances"])
        for record in trained.values()
    )
    return Picture("distance", "step t + 1", f"max over layers of ‖W_l(t) − W_l(0)‖ · {unit}", lines)
