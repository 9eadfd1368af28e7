"""What the experiments on cao2020's gradient descent have in common: the network, η and K, and the descent.

Theorem 3.2 and its corollaries prescribe a step size η and a number K of iterates that are out of reach at unit
constants: K grows with B⁻⁴ or γ⁻⁴. So a run takes K iterates or as many as it may, whichever is less; and where it
cannot take K, C_η is chosen, unless it was set: the statements leave it open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from boundcalc.constants import ConstantUse
from boundcalc.data import Dataset
from boundcalc.solving import Solution
from boundcalc.symbols import show_fraction
from boundcalc.train.descent import gradient_descent
from boundcalc.train.engine import Engine
from boundcalc.train.networks import Network, he_relu
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Line, Picture, Premise
from boundcalc.verify.engines import engine_facts, engine_of
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.common import (
    Defaults,
    data_premises,
    finite_or_none,
    measured_steps,
    step_size_of,
    training_errors,
    zero_one_errors,
)
from boundcalc.verify.experiments.population import unseen_examples
from boundcalc.verify.record import Record, Records
from boundcalc.verify.statement import Statement

DEFAULT_EPSILON = Fraction(1, 4)
"""Half the surrogate error of the zero function, and large enough for an error to be told from it by 90 examples."""

DEFAULT_DEPTH = Fraction(2)
"""Hidden layers: as many as chen2019's default depth of 3 has."""

DEFAULT_ITERATIONS = 2000
"""The most iterates of a run where --iterations does not say: at the step size 1/(L m) digits are fitted by then."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Course:
    """What gradient descent did, for S inits.

    surrogate: (S, T+1) E_S(W^(k)) of every iterate taken. at: (P,) the iterates at which more was measured. furthest:
    (S, P) max over the layers of ‖W_l − W_l^(0)‖_F there. looks: (S, P) by name, what `Descends.looks` says. examples:
    how many unseen examples there are. engine: what the engine has to tell.
    """

    surrogate: Array
    at: NDArray[np.int64]
    furthest: Array
    looks: Mapping[str, Array]
    examples: int
    engine: Mapping[str, float]

    def first_within(self, target: float) -> NDArray[np.int64]:
        """The first iterate with E_S ≤ target, (S,), −1 where there is none."""
        reached = self.surrogate <= target
        return np.asarray(np.where(reached.any(axis=1), reached.argmax(axis=1), -1), dtype=np.int64)

    @property
    def best(self) -> NDArray[np.intp]:
        """Which of the iterates at which more was measured has the least E_S, (S,): k* among them.

        The last one is W^(K), and the statement is about k < K.
        """
        return np.asarray(self.surrogate[:, self.at[:-1]].argmin(axis=1))

    def facts(self, i: int, case: Case) -> dict[str, float | None]:
        """What every record tells of its course."""
        return {
            "furthest": finite_or_none(self.furthest[i].max()),
            "final_E_S": finite_or_none(self.surrogate[i, -1]),
            "train_error_at_end": float(self.looks["wrong_in_training"][i, -1]) / case.train.n,
            "error_at_end": float(self.looks["wrong"][i, -1]) / self.examples,
            **self.engine,
        }

    def series(self, i: int) -> dict[str, Array]:
        """What every record keeps for checks and plots."""
        return {
            "surrogate": self.surrogate[i],
            "at": self.at.astype(np.float64),
            "furthest": self.furthest[i],
            "error": self.looks["wrong"][i] / self.examples,
            **({"ratio": self.looks["ratio"][i]} if "ratio" in self.looks else {}),
        }


class Descends(Defaults):
    """What all have in common: the network, η and K, and gradient descent."""

    takes: tuple[str, ...] = ("epsilon", "L")
    defaults: Mapping[str, Fraction] = {"epsilon": DEFAULT_EPSILON, "L": DEFAULT_DEPTH}
    answers: tuple[str, ...] = ()
    """What the statement answers besides width, step size and iterations."""

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The deep ReLU network with a fixed output vector."""
        return he_relu(int(inputs["L"]), width, d)

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Width, η, K, and what is promised."""
        return self.prescribed(case, case.statement, {}, ())

    def prescribed(
        self, case: Case, statement: Statement, found: Mapping[str, Fraction], chosen: tuple[ConstantUse, ...]
    ) -> Prescribed:
        """The statement's answers; C_η chosen where K is out of reach and nobody set it.

        Then η becomes K/N times the prescribed one for N iterates, so that they cover the same K·η, but no more than
        1/(L m), at which gradient descent is stable. A probe of the number of iterates changes that alone.
        """
        iterations, step = statement.solve("iterations"), statement.solve("step-size")
        limit = DEFAULT_ITERATIONS if case.options.iterations is None else case.options.iterations
        steps = int(min(iterates_asked(case, iterations), math.ceil(limit * min(case.factor("T"), 1.0))))
        raised = _raised(case, statement, iterations, step, limit)
        if raised is not None:
            chosen = (*chosen, raised)
            statement = statement.with_constant(raised)
        names = ("width", "step-size", "iterations", *self.answers)
        solutions = {name: _credited(statement.solve(name), chosen) for name in names}
        return Prescribed(found, solutions, steps, step_size_of(case, solutions["step-size"]))

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The unseen examples, now and then."""
        return (unseen_examples(case).data,)

    def looks(self, case: Case, engine: Engine, unseen: Dataset) -> Mapping[str, Array]:
        """What is measured at some iterates, (S,) by name: numbers of errors."""
        return {"wrong": zero_one_errors(engine, unseen), "wrong_in_training": training_errors(engine, case.train)}

    def descend(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> Course:
        """Full-batch gradient descent; E_S at every iterate, the rest at some."""
        unseen = unseen_examples(case).data
        engine = engine_of(case, trials, prescribed.steps, self.judged(case))
        history = gradient_descent(
            engine,
            case.train.y,
            step_size=prescribed.step_size,
            iterations=prescribed.steps,
            distance_steps=sorted({0, prescribed.steps - 1, *measured_steps(prescribed.steps)} - {prescribed.steps}),
            on_step=note,
            record_surrogate=True,
            measure=lambda: self.looks(case, engine, unseen),
        )
        assert history.surrogate is not None
        furthest = history.distances.max(axis=2)
        return Course(
            history.surrogate, history.distance_steps, furthest, history.measured, unseen.n, engine_facts(engine)
        )

    def premises(self, case: Case) -> tuple[Premise, ...]:
        """The data; that all hidden layers are equally wide is how the network is made."""
        return (
            *data_premises(case),
            Premise(
                "Assumption 3.2", True, f"all {case.network.hidden_layers} hidden layers have m = {case.width} units"
            ),
        )


def statement_of(case: Case, prescribed: Prescribed) -> Statement:
    """The statement at what the run found and chose."""
    statement = case.statement.with_inputs(**prescribed.found)
    for use in prescribed.chosen:
        statement = statement.with_constant(use)
    return statement


def constant_use(statement: Statement, name: str) -> ConstantUse:
    """A constant as it goes into a statement; `assumed` if nobody set it, so that it is still to be chosen."""
    constant = next(constant for constant in statement.theorem.constants if constant.name == name)
    return statement.policy.use(constant, statement.theorem.key)


def iterates_asked(case: Case, iterations: Solution) -> float:
    """K, times the probe's factor; ∞ where it is too large to be written out."""
    if iterations.value is None:
        return math.inf
    return float(math.ceil(Fraction(iterations.value) * Fraction(case.factor("T"))))


def iterates_taken(case: Case, prescribed: Prescribed) -> str:
    """Which iterates a success is about."""
    K = prescribed.solutions["iterations"]
    if prescribed.steps >= iterates_asked(case, K):
        return f"all K = {prescribed.steps} iterates"
    return f"the {prescribed.steps} iterates taken (of K = {K.number})"


def run_notes(case: Case, prescribed: Prescribed) -> tuple[str, ...]:
    """What was cut short, and what was chosen."""
    K, notes, chosen = prescribed.solutions["iterations"], [], prescribed.chosen
    if prescribed.steps < iterates_asked(case, K):
        notes.append(
            f"K = {K.number} iterates are prescribed and {prescribed.steps} were taken: what holds at every iterate is "
            "known of these alone, and an init that fell short is undecided, not failed."
        )
    for use in chosen:
        value = show_fraction(use.value)
        notes.append(f"{use.name} = {value} was {use.origin}. Keep it at 1 with --set {use.name}=1.")
    if any(use.name == "C_eta" for use in chosen):
        notes.append(
            "C_eta and C_K trade against each other, since k·η is what counts; the C_K needed is at this C_eta."
        )
    return (*notes, unseen_examples(case).note)


def surrogate_picture(records: Sequence[Record], epsilon: float) -> Picture:
    """E_S of every init at every iterate, beside ε."""
    lines = []
    for record in records:
        surrogate = record.series["surrogate"]
        lines.append(Line(f"init {record.trial}", np.arange(1, surrogate.size + 1, dtype=np.float64), surrogate))
    levels = ((f"ε = {epsilon:g}", epsilon),)
    return Picture("surrogate error", "iterate k + 1", "E_S(W(k))", tuple(lines), levels=levels, log_y=True)


def series_picture(
    name: str, records: Sequence[Record], series: str, what: str, levels: Mapping[str, float]
) -> Picture:
    """One of the series of every init, beside some levels."""
    lines = tuple(Line(f"init {record.trial}", record.series["at"] + 1, record.series[series]) for record in records)
    return Picture(name, "iterate k + 1", what, lines, levels=tuple(levels.items()))


def mean_fact(records: Sequence[Record], fact: str) -> float:
    """The mean of a fact over the inits."""
    return float(np.mean([record.facts[fact] for record in records]))


def _credited(solution: Solution, chosen: Sequence[ConstantUse]) -> Solution:
    """An answer whose chosen constants say so."""
    by_name = {use.name: use for use in chosen}
    return replace(solution, constants=tuple(by_name.get(use.name, use) for use in solution.constants))


def _raised(case: Case, statement: Statement, iterations: Solution, step: Solution, steps: int) -> ConstantUse | None:
    """C_η, where nobody set it and K is out of reach: see `Descends.prescribed`."""
    use = constant_use(statement, "C_eta")
    assert iterations.log10 is not None
    assert step.log10 is not None
    short = iterations.log10 + math.log10(case.factor("T")) - math.log10(steps)
    stable = -math.log10(case.network.hidden_layers * case.width) - step.log10
    if not use.assumed or steps >= iterates_asked(case, iterations) or min(short, stable) <= 0:
        return None
    why = (
        f"{steps} iterates cover K·η to six digits,"
        if short < stable
        else "η = 1/(L m), at which gradient descent is stable,"
    )
    value = use.value * _power_of_ten(min(short, stable))
    return use.chosen(value, f"chosen so that {why} as K = {iterations.number} is out of reach")


def _power_of_ten(exponent: float) -> Fraction:
    """10^exponent, rounded down to six significant digits."""
    whole = math.floor(exponent)
    return Fraction(math.floor(10 ** (exponent - whole) * 10**5), 10**5) * Fraction(10) ** whole
