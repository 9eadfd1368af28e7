"""cao2020's Lemma 4.3, put to the test: how large the outputs are at initialisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
import torch

from boundcalc.train.devices import full_precision
from boundcalc.verify.case import Case
from boundcalc.verify.checks import Check, Conclusion, Picture
from boundcalc.verify.engines import dense_engine_of
from boundcalc.verify.experiment import Note, Prescribed
from boundcalc.verify.experiments.cao2020_near_init.base import NearInitialization
from boundcalc.verify.record import Record, Records


class OutputAtInitialization(NearInitialization):
    """Lemma 4.3: |f_{W^(0)}(x_i)| ≤ C_f0 √log(n/δ) for every i."""

    takes: tuple[str, ...] = ("L",)
    found: frozenset[str] = frozenset()

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """The lemma prescribes no width."""
        return None

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """Nothing: the lemma is about the start."""
        return Prescribed({}, {"output": case.statement.solve("output")}, 0, 0.0)

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """The outputs on the training inputs."""
        with torch.no_grad(), full_precision(case.device, case.dtype):
            outputs = dense_engine_of(case, trials).outputs().abs().double().cpu().numpy()
        statement = case.statement
        bound = statement.bound("f_0")
        records = []
        for i, trial in enumerate(trials):
            largest = float(outputs[i].max())
            facts = {
                "f_0": largest,
                "example": int(outputs[i].argmax()),
                "root_mean_square": float(np.sqrt(np.square(outputs[i]).mean())),
                "C_f0_needed": statement.needed("f_0", "C_f0", largest),
            }
            records.append(Record(trial, largest <= bound, facts))
        return records

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Success is outputs within the bound."""
        records = list(trained.values())
        largest = np.array([record.facts["f_0"] for record in records])
        needed = [float(record.facts["C_f0_needed"]) for record in records]
        checks = (
            Check(
                "largest |f(x_i)| at W^(0), worst init",
                float(largest.max()),
                case.statement.bound("f_0"),
                claimed=True,
                bound_is="C_f0 √log(n/δ)",
                refuted_if="significantly more than a share δ of the inits have a larger output",
                constant="C_f0",
                needed=max(needed),
            ),
            Check("largest |f(x_i)| at W^(0), median over inits", float(np.median(largest))),
        )
        return Conclusion(
            success="had every output at W^(0) within the bound",
            premises=self.premises(case),
            checks=checks,
            pictures=(Picture("C_f0", "C_f0 that would just do", "inits", histogram=np.array(needed), log_x=False),),
            notes=(
                "Nothing is trained. The bound is to hold for all but a share δ of the inits: the C_f0 that would do "
                "for every one tried is larger than the lemma needs.",
            ),
        )


OUTPUT_AT_INITIALIZATION = OutputAtInitialization()
