"""ji2020 and du2019, put to the test: gradient descent on the first layer of a two-layer ReLU network.

Both train f(x) = m^(−1/2) Σ_s a_s σ(⟨w_s, x⟩) from w_s ~ N(0, I), with signs a_s that stay as they were drawn. ji2020
descends the logistic loss (1/n) Σ_i ℓ(y_i f(x_i)), du2019 the square loss ½ Σ_i (f(x_i) − y_i)², a sum.

What either assumes of the data (γ, λ₀) is measured; at a value that was given the measured bracket is the evidence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray

from boundcalc.arrays import as_numpy
from boundcalc.data import Dataset
from boundcalc.errors import InputError
from boundcalc.estimate import Estimate
from boundcalc.estimate.margins import Sampling, gamma_ji2020
from boundcalc.estimate.spectrum import lambda_0
from boundcalc.notation import bound_text, text
from boundcalc.solving import Solution
from boundcalc.train.descent import LOGISTIC, SQUARE, gradient_descent
from boundcalc.train.engine import Engine
from boundcalc.train.networks import Network, two_layer
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Line, Picture, Premise
from boundcalc.verify.engines import dense_engine_of, engine_of
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.common import (
    MARGIN_CONFIDENCE,
    Defaults,
    assumption_premise,
    data_premises,
    finite_or_none,
    measured_steps,
    shown_positive,
    step_size_of,
    steps_of,
    training_errors,
    zero_one_errors,
)
from boundcalc.verify.record import Record, Records

AVERAGE_EPSILON = Fraction(1, 2)
"""ji2020's default ε: below log 2, the loss of the zero function, and large enough to train to in minutes."""

RATIO_EPSILON = Fraction(1, 10)
"""du2019's default ε: it enters T through its logarithm alone."""

CURVE_POINTS = 400
"""Points of a curve that are kept for the plots."""

ROUNDINGS = 64
"""How many roundings of each of the m + d terms of an output a comparison allows for."""

Array = NDArray[np.float64]


class TwoLayer(Defaults):
    """What both have in common: the network, and an assumption on the data that can be measured.

    scales_steps: the hidden constant by which T can be changed, if there is one.
    """

    scales_steps = ""

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The two-layer network with its second layer fixed."""
        return two_layer(width, d)

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory of training, and of every step's loss and surrogate error, twice while they are put together.

        Raises:
            InputError: more steps are prescribed than can be run.
        """
        # Too many are refused here, before there is a folder.
        steps = steps_of(case, case.statement.solve("iterations"), self.scales_steps)
        return super().bytes_needed(case, trials) + 8 * steps * (4 * trials + 8)

    def measure(self, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> tuple[Estimate, ...]:
        """Bracket γ or λ₀.

        Raises:
            InputError: it is not shown to be positive, and nobody gave a value.
        """
        return (shown_positive(self.estimate(train, seed, device), inputs, train),)

    def estimate(self, train: Dataset, seed: int, device: str) -> Estimate:
        """What the statement's assumption on the data asks for."""
        raise NotImplementedError

    def premises(self, case: Case) -> tuple[Premise, ...]:
        """The data, and the assumption on it, at the value that was measured or given."""
        return (*data_premises(case), assumption_premise(case))


class SmallAverageLoss(TwoLayer):
    """ji2020: the training loss averaged over t < T is at most ε, and no neuron goes far."""

    takes = ("epsilon", "gamma", "eta")
    defaults: Mapping[str, Fraction] = {"epsilon": AVERAGE_EPSILON}
    found = frozenset({"gamma"})
    first_step = "steps_to_average"

    def estimate(self, train: Dataset, seed: int, device: str) -> Estimate:
        """The margin γ of its tangent features."""
        return gamma_ji2020(train.X, train.y, Sampling(seed=seed, confidence=MARGIN_CONFIDENCE), device=device)

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Width, T, ε and the distance at the largest step size that it allows, or at the one given.

        Raises:
            InputError: more steps than can be run, or a step size beyond the precision that is trained in.
        """
        quantities = ("width", "step-size", "iterations", "loss", "distance")
        solutions = {name: case.statement.solve(name) for name in quantities}
        eta = float(case.inputs.get("eta", solutions["step-size"].value or 0)) * case.factor("eta")
        limits = torch.finfo(case.dtype)
        if not limits.tiny <= eta <= limits.max:
            raise InputError(f"the step size is {eta:g}, beyond {case.options.dtype}; give another eta, at most 1")
        return Prescribed({}, solutions, steps_of(case, solutions["iterations"]), eta)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Full-batch GD; every loss counts, neurons are measured at some steps and bounded in between.

        A step moves a neuron by η m^(−1/2) E_S(W(t)) at most, since ‖x_i‖ = 1: so much may be added between steps at
        which distances are measured.
        """
        engine = dense_engine_of(case, trials)
        target, limit, T = case.number("epsilon"), case.statement.bound("dist"), prescribed.steps
        due = np.array(sorted({0, *(t for t in measured_steps(T - 1) if t < T)}))
        history = gradient_descent(
            engine,
            case.train.y,
            loss=LOGISTIC,
            step_size=prescribed.step_size,
            iterations=T,
            distance_steps=tuple(due),
            measure=lambda: {"furthest": engine.row_distances()[:, 0].numpy()},
            on_step=note,
            record_surrogate=True,
        )
        assert history.surrogate is not None
        speed = prescribed.step_size / math.sqrt(case.width)
        asked = _asked(case, prescribed.solutions["iterations"])
        counted = _errors(engine, case)
        curve = _curve_steps(T)
        records = []
        for i, trial in enumerate(trials):
            losses = np.cumsum(history.loss[i, :T])
            averages = losses / np.arange(1, T + 1)
            met = np.flatnonzero(averages <= target)
            # Σ of E_S(W(t')) over t' < t, at the measured steps and at the end of the last of them.
            errors = np.append(0.0, np.cumsum(history.surrogate[i, :T]))[np.append(due, due[-1])]
            distances = history.measured["furthest"][i, : due.size]
            with np.errstate(invalid="ignore"):  # where an init has diverged, these are no numbers
                furthest, at_most = distances.max(), (distances + speed * np.diff(errors)).max()
            held = asked <= T and averages[-1] <= target and at_most <= limit
            failed = not math.isfinite(losses[-1]) or losses[-1] > target * asked or not furthest <= limit
            facts = {
                "average_loss": finite_or_none(averages[-1]),
                "steps_to_average": int(met[0]) + 1 if met.size else None,
                "furthest_neuron": finite_or_none(furthest),
                "furthest_neuron_at_most": finite_or_none(at_most),
                **{name: float(values[i]) for name, values in counted.items()},
            }
            series = {
                "step": curve + 1.0,
                "loss": history.loss[i, curve],
                "average": averages[curve],
                "distance_steps": due.astype(np.float64),
                "distances": distances,
            }
            records.append(Record(trial, False if failed else True if held else None, facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is an average of at most ε over all T, and no neuron beyond its distance at any t < T."""
        target, limit, T = case.number("epsilon"), case.statement.bound("dist"), prescribed.steps
        records = list(trained.values())
        asked = _asked(case, prescribed.solutions["iterations"])
        step_size = _bounds(case, prescribed.solutions["step-size"])
        sampled = records[0].series["distance_steps"].size
        distance_is = bound_text(case.statement.bound_on("dist"))
        checks = (
            Check(
                f"training loss averaged over t < {T}, worst init",
                _worst(records, "average_loss"),
                target,
                claimed=asked <= T,
                bound_is="ε",
                refuted_if="significantly more than a share 3δ of the inits stay above ε on average",
            ),
            Check(
                "least T' with an average over t < T' of at most ε, worst init",
                _worst(records, "steps_to_average"),
                float(asked),
                bound_is=_bounds(case, prescribed.solutions["iterations"]),
            ),
            Check(
                f"distance of a neuron from its start, worst neuron and init, at {sampled} sampled steps",
                _worst(records, "furthest_neuron"),
                limit,
                claimed=True,
                bound_is=distance_is,
                refuted_if="significantly more than a share 3δ of the inits have a neuron beyond it",
            ),
            Check(
                "the same at every step t < T, bounded from above",
                _worst(records, "furthest_neuron_at_most"),
                limit,
                claimed=True,
                bound_is=distance_is,
                refuted_if="not by itself: it is an upper estimate",
            ),
            *_error_checks(records),
        )
        return Conclusion(
            success=f"had an average loss ≤ {target:g} over T = {T} steps and every neuron near its start",
            premises=(
                *self.premises(case),
                Premise(step_size, prescribed.step_size <= 1, f"trained at η = {prescribed.step_size:g}"),
            ),
            checks=checks,
            pictures=(
                _picture(records, "loss", "step t + 1", "training loss L_S(W(t))", "loss"),
                _picture(
                    records,
                    "average",
                    "T'",
                    "training loss averaged over t < T'",
                    "average",
                    levels=((f"guarantee at T: ε = {target:g}", target),),
                ),
                Picture(
                    "distance",
                    "step t",
                    "max over neurons of ‖w_s(t) − w_s(0)‖",
                    tuple(
                        Line(f"init {r.trial}", r.series["distance_steps"][1:], r.series["distances"][1:])
                        for r in records
                    ),
                    levels=((f"guarantee: {limit:.4g}", limit),),
                    log_y=True,
                ),
            ),
            notes=(
                "The statement hides no constant: at a width below m* it promises nothing, and what was measured there "
                "shows only how much its width leaves to spare.",
                "Between sampled steps a neuron moves by η m^(−1/2) E_S(W(t)) a step at most, since ‖x_i‖ = 1; with "
                "that its distance is bounded at every step, and an init counts as a success only if that bound does.",
                *_cut_short(T, asked),
            ),
            vacuous=target >= math.log(2),
        )


class LinearRate(TwoLayer):
    """du2019: the square loss falls at least by a factor 1 − ηλ₀/2 a step."""

    takes = ("epsilon", "lambda_0")
    defaults: Mapping[str, Fraction] = {"epsilon": RATIO_EPSILON}
    found = frozenset({"lambda_0"})
    first_step = "first_step_reached"
    scales_steps = "C_eta"
    dtype = "float64"
    engines = ("dense", "infinite")

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The held-out examples, at the end."""
        return (case.test,)

    def estimate(self, train: Dataset, seed: int, device: str) -> Estimate:
        """The least eigenvalue λ₀ of H^∞."""
        return lambda_0(train.X, device=device)

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Width, η, and the T after which a share ε of the loss is left.

        Raises:
            InputError: more steps than can be run, or a step size beyond the precision that is trained in.
        """
        solutions = {name: case.statement.solve(name) for name in ("width", "step-size", "iterations", "loss")}
        return Prescribed(
            {},
            solutions,
            steps_of(case, solutions["iterations"], self.scales_steps),
            step_size_of(case, solutions["step-size"]),
        )

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Full-batch GD on the square loss; every step's loss is compared with the statement's bound."""
        N = prescribed.steps
        engine = engine_of(case, trials, N, self.judged(case))
        history = gradient_descent(
            engine, case.train.y, loss=SQUARE, step_size=prescribed.step_size, iterations=N, on_step=note
        )
        t = np.arange(1, N + 1)
        bound = _log_ratio_bound(case, prescribed.step_size, t)
        # What rounding errors of the outputs come to, as a share of the residuals at the start.
        terms = case.train.n if case.engine == "infinite" else case.width + case.train.d
        unit = ROUNDINGS * terms * torch.finfo(case.dtype).eps
        counted = _errors(engine, case)
        whole = _asked(case, prescribed.solutions["iterations"]) <= N
        curve = _curve_steps(N + 1)
        records = []
        for i, trial in enumerate(trials):
            ratio = history.loss[i, 1:] / history.loss[i, 0]
            with np.errstate(divide="ignore"):  # a loss of exactly 0 is within every bound
                logs = np.log(ratio)
                excess = logs - bound
                tolerance = unit / np.sqrt(ratio) + np.finfo(np.float64).eps * t
            violated, close = bool((excess > tolerance).any()), bool((np.abs(excess) <= tolerance).any())
            met = np.flatnonzero(ratio <= case.number("epsilon"))
            decided = not close and (whole or met.size > 0)
            facts = {
                "initial_loss": finite_or_none(history.loss[i, 0]),
                "final_ratio": finite_or_none(ratio[-1]),
                "ratio_over_bound": finite_or_none(_exp(excess.max())),
                "slowest_rate": finite_or_none(-np.expm1(logs / t).max()),
                "first_step_reached": int(met[0]) + 1 if met.size else None,
                "rounding_decides": close and not violated,
                **{name: float(values[i]) for name, values in counted.items()},
            }
            series = {"step": curve + 1.0, "ratio": np.append(1.0, ratio)[curve]}
            records.append(Record(trial, False if violated else True if decided else None, facts, series))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a loss within the bound at every step, up to the one that leaves a share ε."""
        N, records = prescribed.steps, list(trained.values())
        asked = _asked(case, prescribed.solutions["iterations"])
        logs = _log_ratio_bound(case, prescribed.step_size, np.array([1, N]))
        ratio_is = text(case.statement.bound_on("loss_ratio").expr)
        refuted = "significantly more than a share δ of the inits are above the bound at some step"
        slowest = [record.facts["slowest_rate"] for record in records]
        steps = records[0].series["step"]
        checks = (
            Check(
                f"L(t)/L(0) over its bound, largest over t = 1, …, {N}, worst init",
                _worst(records, "ratio_over_bound"),
                1.0,
                claimed=True,
                bound_is=f"of {ratio_is}",
                refuted_if=refuted,
            ),
            Check(
                f"rate 1 − (L(t)/L(0))^(1/t), least over t = 1, …, {N}, worst init",
                -math.inf if None in slowest else min(slowest),
                -math.expm1(logs[0]),
                claimed=True,
                at_least=True,
                bound_is=f"1 − {ratio_is} at T = 1",
                refuted_if="as above",
            ),
            Check(
                f"L({N})/L(0), worst init",
                _worst(records, "final_ratio"),
                _exp(logs[1]),
                claimed=True,
                bound_is=ratio_is,
                refuted_if="as above",
            ),
            Check(
                "first step with L(t)/L(0) ≤ ε, worst init",
                _worst(records, "first_step_reached"),
                float(asked),
                claimed=asked <= N,
                bound_is=_bounds(case, prescribed.solutions["iterations"]),
                refuted_if="as above",
            ),
            *_error_checks(records),
        )
        eta = f"{float(Fraction(prescribed.solutions['step-size'].value or 0)):.6g}"
        return Conclusion(
            success=f"kept the loss within its bound at every t ≤ {N}",
            premises=self.premises(case),
            checks=checks,
            pictures=(
                _picture(
                    records,
                    "ratio",
                    "step t + 1",
                    "½ Σ (f(x_i) − y_i)² relative to its start",
                    "ratio",
                    lines=(
                        Line(
                            f"guarantee: {ratio_is}",
                            steps,
                            np.exp(_log_ratio_bound(case, prescribed.step_size, steps - 1)),
                        ),
                    ),
                    levels=((f"ε = {case.number('epsilon'):g}", case.number("epsilon")),),
                ),
            ),
            notes=(
                f"The statement leaves open how small η must be; η = {eta} is its C_eta at work. Set C_eta larger to "
                "learn by how much η may grow: the bound is then the faster one of that η.",
                "'For every T' is checked at every t up to the T that leaves a share ε of the loss, no further.",
                "An init is undecided where the loss is as near to its bound as rounding errors could bring it.",
                *_cut_short(N, asked),
            ),
        )


SMALL_AVERAGE_LOSS = SmallAverageLoss()
LINEAR_RATE = LinearRate()


def _curve_steps(count: int) -> NDArray[np.int64]:
    """Some of the steps 0, …, count − 1, evenly spread over log(t + 1)."""
    return np.unique(np.rint(np.geomspace(1, count, CURVE_POINTS)).astype(np.int64)) - 1


def _log_ratio_bound(case: Case, step_size: float, t: NDArray[np.generic]) -> Array:
    """The logarithm of du2019's bound on the loss ratio at steps t, at the step size that was taken.

    −∞, which no loss meets, where the step size is so large that the bound is the power of a negative number.
    """
    statement = case.statement
    bound = as_numpy(statement.bound_on("loss_ratio"), case.policy, case.theorem.key)
    inputs = {name: float(value) for name, value in statement.inputs.items()}
    logs = bound({**inputs, "eta": step_size, "T": t})
    return np.where(np.isnan(logs), -np.inf, logs)


def _asked(case: Case, iterations: Solution) -> float:
    """How many steps are prescribed, times the probe's factor."""
    if iterations.value is None:
        return math.inf
    return math.ceil(Fraction(iterations.value) * Fraction(case.factor("T")))


def _cut_short(steps: int, asked: float) -> tuple[str, ...]:
    """What to say of a run that was shorter than prescribed."""
    if steps >= asked:
        return ()
    return (f"Only {steps} of the {asked:g} prescribed steps were run: what the rest would show is undecided.",)


def _bounds(case: Case, solution: Solution) -> str:
    """A prescription, written out."""
    return "; ".join(bound_text(bound) for bound in solution.bounds)


def _errors(engine: Engine, case: Case) -> dict[str, Array]:
    """0-1 errors at the end."""
    return {
        "train_error": training_errors(engine, case.train) / case.train.n,
        "held_out_error": zero_one_errors(engine, case.test) / case.test.n,
    }


def _error_checks(records: Sequence[Record]) -> tuple[Check, ...]:
    held_out = [record.facts["held_out_error"] for record in records]
    return (
        Check("0-1 error on held-out examples at the end, mean", float(np.mean(held_out))),
        Check("0-1 error on held-out examples at the end, worst init", max(held_out)),
    )


def _worst(records: Sequence[Record], fact: str) -> float:
    """The largest value of a fact, ∞ where an init has none."""
    values = [record.facts[fact] for record in records]
    return math.inf if None in values else float(max(values))


def _picture(
    records: Sequence[Record],
    name: str,
    x: str,
    y: str,
    series: str,
    lines: tuple[Line, ...] = (),
    levels: tuple[tuple[str, float], ...] = (),
) -> Picture:
    """A curve of every init."""
    inits = tuple(Line(f"init {record.trial}", record.series["step"], record.series[series]) for record in records)
    return Picture(name, x, y, inits, lines, levels, log_y=True)


def _exp(value: float) -> float:
    """e to a power, ∞ beyond float's range."""
    return math.exp(value) if value < 700 else math.inf
