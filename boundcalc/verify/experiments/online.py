"""What statements on online SGD share: E[L_D^{0-1}(Ŵ)], Ŵ uniform in the iterates W^(0), …, W^(n−1), measured.

Each of J unseen examples is asked of one iterate, drawn at random: the j-th uniformly from the j-th of J equal parts of
the steps. So the judgements are independent, their mean is an unbiased estimate of that error, and its exact interval
(`mean_error`) is as narrow as if every example had been asked of every iterate: the examples are what limits it. Where
there are as many of them as steps, every iterate is judged.

Besides, each step's own example is one that its iterate has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.train import sgd
from boundcalc.train.dense import DenseEngine
from boundcalc.train.engine import OnlineEngine
from boundcalc.train.sgd import Judges, online_descent, sample_orders
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Line, Picture
from boundcalc.verify.engines import dense_engine_of, engine_facts
from boundcalc.verify.experiment import Note
from boundcalc.verify.experiments.population import PopulationError, Unseen, mean_error, unseen_examples
from boundcalc.verify.record import Record, Records

JUDGEMENTS_A_STEP = 1
"""The most judgements for each step. There are so many unseen examples only where the data's law is known: then more
judgements narrow the interval, with the square root of their number, and take time in proportion."""

_STREAM = 2**32 - 11  # marks the seed of which example is asked of which iterate; larger than any trial number

OWN_ORDERS = "Each init takes the training examples in a random order of its own, once; step t takes one example."

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Jury:
    """Unseen examples, the j-th of which is asked of the j-th in `iterates`, (J,), which do not decrease."""

    unseen: Unseen
    iterates: NDArray[np.int64]

    @property
    def size(self) -> int:
        """How many judgements there are."""
        return len(self.iterates)

    @property
    def judges(self) -> Judges:
        """For `online_descent`."""
        data = self.unseen.data
        return Judges(data.X, data.y, np.arange(self.size, dtype=np.int64)[:, None], self.iterates)

    def error(self, mean: float, intervals: int) -> PopulationError:
        """The error of an iterate at random behind a mean of the judgements."""
        return mean_error(mean, self.size, 1 / self.size, intervals)

    def resolution(self, intervals: int) -> float:
        """To within how much that error is known, where that is worst: at 1/2."""
        found = self.error(0.5, intervals)
        return float(found.upper - found.lower) / 2


def jury(case: Case, steps: int) -> Jury:
    """Who judges the iterates W^(0), …, W^(steps−1): fresh examples, or those held out, in a random order.

    Data is often sorted by class. The j-th of J judgements is of the iterate ⌊s⌋ for s uniform in [j, j + 1)·steps/J:
    of each iterate with the same probability, all judgements together.
    """
    most = JUDGEMENTS_A_STEP * steps
    unseen = unseen_examples(case, most)
    seeds = np.random.SeedSequence(case.options.seed, spawn_key=(_STREAM,))
    random = np.random.Generator(np.random.PCG64(seeds))
    if not unseen.fresh:
        unseen = Unseen(unseen.data.subset(random.permutation(unseen.data.n), unseen.data.name), False, unseen.repeated)
    size = min(unseen.data.n, most)
    places = (np.arange(size) + random.random(size)) * (steps / size)
    return Jury(unseen, np.minimum(places.astype(np.int64), steps - 1))


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
    """The memory that online SGD takes."""
    return sgd.online_bytes(case.network, trials, JUDGEMENTS_A_STEP, case.dtype)


def train_online(
    case: Case, step_size: float, trials: Sequence[int], note: Note, engine: DenseEngine | OnlineEngine | None = None
) -> list[Record]:
    """Train these inits by online SGD and measure; the records' success is not settled yet.

    engine: that holds them at their start; the dense one unless it is given.

    Facts: mean_error and its interval over all n iterates (one that was not reached counts as anything from 0 to 1),
    next_example_error. Series: error, of each judgement, and judged_at, of which iterate it is; next_error, 1 where the
    step's own example was an error; distances, of the layer furthest from its start, at W^(0) and after each step.
    """
    steps, n = online_steps(case), case.train.n
    judging = jury(case, steps)
    engine = engine or dense_engine_of(case, trials, examples=1)
    history = online_descent(
        engine,
        case.train.X,
        case.train.y,
        sample_orders(n, trials=trials, seed=case.options.seed)[:, :steps],
        step_size=step_size,
        judges=judging.judges,
        on_step=note,
    )
    share = steps / n
    records = []
    for i, trial in enumerate(trials):
        wrong, missed = (~(margins > 0) for margins in (history.judged[i, :, 0], history.margins[i]))
        found = judging.error(float(wrong.mean()), case.trials)
        facts = {
            "mean_error": float(found.measured),
            "mean_error_interval": [float(found.lower) * share, float(found.upper) * share + 1 - share],
            "next_example_error": float(missed.mean()),
            "last_tenth_error": float(wrong[-max(judging.size // 10, 1) :].mean()),
            **engine_facts(engine),
        }
        series = {
            "error": wrong.astype(np.float64),
            "judged_at": judging.iterates.astype(np.float64),
            "next_error": missed.astype(np.float64),
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
    judging = jury(case, steps)
    cut_short = (
        []
        if steps == case.train.n
        else [f"Only {steps} of n = {case.train.n} steps were taken: the intervals allow the other iterates any error."]
    )
    which = "each" if judging.size == steps else "drawn at random, one from each of as many equal parts"
    return (
        judging.unseen.note,
        f"Each of {judging.size} unseen examples is asked of one of the {steps} iterates, {which}: an unbiased "
        "estimate of the mean over all of them. Its interval, by Bentkus' inequality, is "
        f"±{judging.resolution(case.trials):.2g} where it is widest: an error nearer to its bound than that may be "
        "undecided.",
        OWN_ORDERS,
        *cut_short,
    )


def error_picture(trained: Records, levels: tuple[tuple[str, float], ...]) -> Picture:
    """The mean of the judgements up to each, of every init, beside bounds on the mean over all."""
    lines = []
    for record in trained.values():
        judgements = record.series["error"]
        means = np.cumsum(judgements) / np.arange(1, judgements.size + 1)
        lines.append(Line(f"init {record.trial}", record.series["judged_at"] + 1, means))
    return Picture(
        "error", "iterates", "mean population 0-1 error of the iterates so far", tuple(lines), levels=levels, log_y=True
    )


def distance_picture(trained: Records, scale: float, unit: str, radius: float) -> Picture:
    """The distance of the layer that is furthest from its start, times `scale`, at every step, beside R."""
    lines = []
    for record in trained.values():
        distances = record.series["distances"]
        t = np.arange(1, distances.size + 1, dtype=np.float64)
        lines.append(Line(f"init {record.trial}", t, scale * distances))
    what, levels = f"max over layers of ‖W_l(t) − W_l(0)‖ · {unit}", ((f"R = {radius:.4g}", radius),)
    return Picture("distance", "step t + 1", what, tuple(lines), levels=levels)
