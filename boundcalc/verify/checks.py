"""The measurable consequences of a guarantee, the premises it rests on, and the pictures that show both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Premise:
    """One assumption of the statement, and what was found of it.

    certified: whether the evidence proves it. What a search merely failed to contradict is met but not certified, and
    then nothing that happens afterwards can refute the statement.
    """

    name: str
    met: bool
    evidence: str
    certified: bool = True


@dataclass(frozen=True)
class Check:
    """One measured number beside its bound.

    `bound_is` writes the bound out. `claimed` tells what the statement promises from what is only of interest; without
    a bound, `slack` and `holds` are None. `at_least`: the bound is one from below. `refuted_if`: what would refute the
    claim. `constant` names the hidden constant that scales the bound, and `needed` is the value of it at which the
    bound would just be met by what was measured.
    """

    name: str
    measured: float
    bound: float | None = None
    claimed: bool = False
    bound_is: str = ""
    at_least: bool = False
    refuted_if: str = ""
    constant: str = ""
    needed: float | None = None

    @property
    def slack(self) -> float | None:
        """Bound over measured value, or the inverse for a bound from below: above 1 there is room.

        None where what it is divided by is not positive.
        """
        above, below = (self.measured, self.bound) if self.at_least else (self.bound, self.measured)
        return None if above is None or below is None or below <= 0 else above / below

    @property
    def holds(self) -> bool | None:
        """Whether the measured value is within the bound."""
        if self.bound is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


@dataclass(frozen=True)
class Line:
    """One line of a picture, or with `low` and `high` a band."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Picture:
    """Facts for a plot: a line for every init, lines with names, and level lines for the bounds."""

    name: str
    x: str
    y: str
    inits: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()
    levels: tuple[tuple[str, float], ...] = ()
    histogram: NDArray[np.float64] | None = None
    log_x: bool = True
    log_y: bool = False


@dataclass(frozen=True)
class Conclusion:
    """What an experiment says of a finished run.

    success: what a success of one init is, to follow "12 of 20 inits". vacuous: the guarantee says nothing at these
    inputs. notes: what a reader must know to weigh the numbers.
    """

    success: str
    premises: tuple[Premise, ...]
    checks: tuple[Check, ...]
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()
    vacuous: bool = False
