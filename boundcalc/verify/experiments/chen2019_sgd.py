"""chen2019's Theorem 2.3, put to the test: the population error of a random iterate of online SGD.

Its constants are the paper's, so that nothing can be calibrated: the bound holds or it does not. It says something only
where 8 L²R² < n and 24 ε < 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from boundcalc.data import Dataset
from boundcalc.notation import text
from boundcalc.solving import Solution
from boundcalc.train.engine import OnlineEngine
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.bound_parts import terms
from boundcalc.verify.experiments.chen2019 import NearGoodWeights, radius_notes
from boundcalc.verify.experiments.online import (
    distance_picture,
    error_checks,
    error_picture,
    jury,
    online_notes,
    online_steps,
    population_of,
    train_online,
)
from boundcalc.verify.record import Record, Records

DEFAULT_SGD_EPSILON = Fraction(1, 100)
"""Small enough that 24ε leaves room below 1, where the bound would say nothing."""


class RandomIterateGeneralizes(NearGoodWeights):
    """Theorem 2.3: E[L_D^{0-1}(Ŵ)] ≤ 8L²R²/n + 8 log(1/δ)/n + 24ε, Ŵ uniform in the iterates of online SGD."""

    defaults: Mapping[str, Fraction] = {"epsilon": DEFAULT_SGD_EPSILON}

    answers = ("error",)
    engines = ("dense", "matrixfree", "infinite")

    def examples_a_step(self, case: Case) -> int:
        """One."""
        return 1

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The unseen examples, each by one iterate."""
        return (jury(case, online_steps(case)).unseen.data,)

    def step_count(self, case: Case, solutions: Mapping[str, Solution]) -> int:
        """A step for each example."""
        return online_steps(case)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Online SGD; every iterate is judged."""
        bound = case.statement.with_inputs(**prescribed.found).bound("error")
        engine = None if case.engine == "dense" else self.engine(case, prescribed, trials)
        assert engine is None or isinstance(engine, OnlineEngine)
        records = train_online(case, prescribed.step_size, trials, note, engine)
        return [Record(r.trial, population_of(r).decide(bound), r.facts, r.series) for r in records]

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is a mean error of the iterates within the bound."""
        statement = case.statement.with_inputs(**prescribed.found)
        bound, expr = statement.bound("error"), statement.bound_on("error").expr
        R, records = prescribed.found["R"], list(trained.values())
        scale = float(case.width) ** case.number("alpha")
        errors = [record.facts["mean_error"] for record in records]
        uppers = [record.facts["mean_error_interval"][1] for record in records]
        parts = [f"{text(term)} = {statement.value(term):.6g}" for term in terms(expr)]
        checks = (
            Check(
                "population error of a random iterate, worst init",
                max(errors),
                bound,
                claimed=True,
                bound_is=text(expr),
                refuted_if="for significantly more than a share δ of the inits, the interval of this error is above it",
            ),
            Check(
                "population error of a random iterate, worst init, at the upper limit of its interval",
                max(uppers),
                bound,
                bound_is=text(expr),
            ),
            Check(
                "population error of a random iterate, mean over inits",
                float(np.mean(errors)),
                bound,
                bound_is=text(expr),
            ),
            *error_checks(trained),
            Check(
                "distance of a layer from its start times m^α, worst init, at every step",
                max(scale * float(record.series["distances"].max()) for record in records),
                float(R),
                bound_is="R",
            ),
        )
        vacuous = f"; at n = {case.train.n} it says nothing" if bound >= 1 else ""
        return Conclusion(
            success=f"had a mean error of the iterates within {bound:.6g}",
            premises=self.premises(case, R, certificates),
            checks=checks,
            pictures=(
                error_picture(trained, ((f"bound = {bound:.4g}", bound),)),
                distance_picture(trained, scale, "m^α", float(R)),
            ),
            notes=(
                *radius_notes(case),
                *online_notes(case),
                f"The bound is the sum of {', '.join(parts)}{vacuous}. Its constants are the paper's own.",
            ),
            vacuous=bound >= 1,
        )


RANDOM_ITERATE_GENERALIZES = RandomIterateGeneralizes()
