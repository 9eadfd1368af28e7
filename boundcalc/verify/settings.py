"""Several verifications of one statement, at all combinations of some values of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from pathlib import Path

from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError, PremiseError
from boundcalc.solving import UNIT
from boundcalc.symbols import show_fraction
from boundcalc.verify.case import Case, Options, make_case
from boundcalc.verify.progress import Progress, progress_of
from boundcalc.verify.runner import Result, run

MOST_SETTINGS = 1000


@dataclass(frozen=True)
class Setting:
    """Values of some inputs; m is the width, n the number of training examples."""

    values: Mapping[str, Fraction]

    @property
    def name(self) -> str:
        """As a folder is named: epsilon=1_10,L=3."""
        parts = (f"{name}={show_fraction(value)}" for name, value in self.values.items())
        return ",".join(parts).replace("/", "_")

    def with_width(self, width: int) -> Setting:
        """The same setting at another width."""
        return Setting({**self.values, "m": Fraction(width)})


def settings_of(vary: Mapping[str, Sequence[Fraction]]) -> tuple[Setting, ...]:
    """All combinations, the last name varying fastest.

    Raises:
        InputError: more than `MOST_SETTINGS`, or m or n that is no whole number ≥ 1.
    """
    for name in ("m", "n"):
        for value in vary.get(name, ()):
            if value.denominator != 1 or value < 1:
                raise InputError(f"{name} = {show_fraction(value)} is not an integer ≥ 1")
    combined = [Setting(dict(zip(vary, values, strict=True))) for values in product(*vary.values())]
    if len(combined) > MOST_SETTINGS:
        raise InputError(f"{len(combined)} settings are more than {MOST_SETTINGS}; give fewer values to vary")
    return tuple(combined)


@dataclass(frozen=True)
class Study:
    """One statement, to be verified at several settings, each in a folder of its own below `folder`.

    policy: where its hidden constants come from. strict: refuse inputs and constants that would have to be assumed.
    """

    key: str
    options: Options
    given: Mapping[str, Fraction]
    folder: Path
    policy: ConstantPolicy = UNIT
    strict: bool = False

    def case(self, setting: Setting) -> Case:
        """The verification at one setting.

        Raises:
            InputError: what `make_case` refuses.
        """
        values = dict(setting.values)
        width, rows = values.pop("m", None), values.pop("n", None)
        options = replace(
            self.options,
            width=self.options.width if width is None else int(width),
            rows=self.options.rows if rows is None else int(rows),
        )
        return make_case(self.key, options, {**self.given, **values}, self.policy, strict=self.strict)

    def run(self, setting: Setting, progress: Progress | None = None) -> Result:
        """Verify at one setting, or take what is there of it.

        Raises:
            InputError: what `make_case` and `run` refuse.
        """
        told = progress_of(setting.name, progress)
        return run(self.case(setting), self.folder / (setting.name or "run"), told)


def smallest_width(
    study: Study, setting: Setting, widths: Sequence[int], progress: Progress | None = None
) -> int | None:
    """The smallest of some widths from which on every init succeeds, at every larger one too; None if none does.

    From the largest down, and no further than the first that fails. A success that cannot be decided counts as a
    failure, so that the width errs upwards; and so does one by a guarantee that says nothing, which any width meets.
    """
    found = None
    for width in sorted(widths, reverse=True):
        try:
            result = study.run(setting.with_width(width), progress)
        except PremiseError:
            # Too narrow for the premises themselves (no good weights near any init).
            if found is None:
                raise
            break
        if result.conclusion.vacuous or result.successes < len(result.trained):
            break
        found = width
    return found


def powers_of_two(largest: int) -> tuple[int, ...]:
    """2, 4, 8, … and the largest itself."""
    return tuple(sorted({2**k for k in range(1, largest.bit_length()) if 2**k <= largest} | {largest}))
