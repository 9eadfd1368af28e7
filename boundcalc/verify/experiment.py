"""What an experiment is: how one statement's guarantee is put to the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from boundcalc.constants import ConstantUse
from boundcalc.data import Dataset
from boundcalc.estimate import Estimate
from boundcalc.solving import Solution
from boundcalc.train.networks import Network
from boundcalc.verify.checks import Conclusion
from boundcalc.verify.engines import EngineName
from boundcalc.verify.record import Record, Records

if TYPE_CHECKING:
    from boundcalc.verify.case import Case

Note = Callable[[int], None]
"""Called with the number of steps that the batch in progress has taken."""


@dataclass(frozen=True)
class Prescribed:
    """What a run is made at: what is prescribed, and what the run does of it.

    found: the inputs that only the inits could tell (R). solutions: the statement's answers by quantity, the width
    first. steps: how many steps an init is trained for; step_size: at which step size.
    """

    found: Mapping[str, Fraction]
    solutions: Mapping[str, Solution]
    steps: int
    step_size: float

    @property
    def chosen(self) -> tuple[ConstantUse, ...]:
        """The constants that the run chose for what it makes its own: the statement leaves them open."""
        uses = (use for solution in self.solutions.values() for use in solution.constants)
        return tuple({use.name: use for use in uses if use.basis == "chosen"}.values())


class Experiment(Protocol):
    """How one statement's guarantee is put to the test."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Names of the inputs that may be given, besides delta."""

    @property
    def defaults(self) -> Mapping[str, Fraction]:
        """Their values where they are not given and the vocabulary has none, or another."""

    @property
    def found(self) -> frozenset[str]:
        """Those of them that are measured if they are not given."""

    @property
    def first_step(self) -> str:
        """The fact of a record that holds the first step at which the guarantee was met; empty if there is none."""

    @property
    def dtype(self) -> str:
        """The precision to train in where nobody asks for another: float32, or float64 where rounding could decide."""

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths that every init is trained at where nobody gives others; empty where it is trained at one."""

    @property
    def engines(self) -> tuple[EngineName, ...]:
        """What can train the networks and measure what there is to measure: the dense engine, and others."""

    def network(self, inputs: Mapping[str, Fraction], width: int, d: int) -> Network:
        """The network that the statement is about."""

    def examples_a_step(self, case: Case) -> int:
        """How many of the training examples a step is taken on: all of them, or one."""

    def judged(self, case: Case) -> tuple[Dataset, ...]:
        """The examples that outputs are measured on besides the training examples."""

    def measure(self, inputs: Mapping[str, Fraction], train: Dataset, seed: int, device: str) -> tuple[Estimate, ...]:
        """Measure on the training data what the statement assumes of it; what was given stays as it was given."""

    def guess(self, case: Case) -> Mapping[str, Fraction] | None:
        """A guess at what only the inits can tell, to learn whether the prescribed width is in reach; None: unknown."""

    def bytes_needed(self, case: Case, trials: int) -> int:
        """The memory that this many inits take together."""

    def certify(self, case: Case, trials: Sequence[int], note: Note) -> list[Record]:
        """What premises and prescriptions need of these inits; nothing where they need nothing."""

    def prescribe(self, case: Case, certificates: Records) -> Prescribed:
        """What the statement prescribes, given what was found of all inits."""

    def train(self, case: Case, prescribed: Prescribed, trials: Sequence[int], note: Note) -> list[Record]:
        """Train these inits as prescribed, and measure."""

    def conclude(self, case: Case, prescribed: Prescribed, certificates: Records, trained: Records) -> Conclusion:
        """Premises, checks and pictures of a finished run."""
