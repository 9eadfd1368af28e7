"""The options of a generator: `key=value,…` read into whole numbers and reals, with every mistake named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from boundcalc.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Option:
    """An option of a generator: its default, whose type is the option's, and the values that it takes.

    least ≤ value ≤ most, with a strict sign where `open_below` or `open_above`.
    """

    default: int | float
    least: float
    most: float = math.inf
    open_below: bool = False
    open_above: bool = False

    def admits(self, value: float) -> bool:
        """Whether the value lies within the bounds."""
        below = value > self.least if self.open_below else value >= self.least
        above = value < self.most if self.open_above else value <= self.most
        return below and above

    @property
    def phrase(self) -> str:
        """What the option takes, in words."""
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        least = f"{'>' if self.open_below else '≥'} {self.least:g}"
        most = f" and {'<' if self.open_above else '≤'} {self.most:.6g}" if self.most < math.inf else ""
        return f"{kind} {least}{most}"


def read_options(generator: str, text: str, options: Mapping[str, Option]) -> dict[str, int | float]:
    """Return a value for each option: those that the text sets, and the defaults of the others.

    Raises InputError for a part without '=', a key that is set twice and a value that its option does not
    take; UnknownNameError for a key that the generator does not have.
    """
    values: dict[str, int | float] = {key: option.default for key, option in options.items()}
    given: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise InputError(f"{generator}: {part!r} is no option; write key=value, keys {', '.join(options)}")
        if key not in options:
            raise UnknownNameError(f"option of {generator}", key, options, f"the options are {', '.join(options)}")
        if key in given:
            raise InputError(f"{generator}: {key} is given twice; give it once")
        given.add(key)
        values[key] = _read(generator, key, value, options[key])
    return values


def _read(generator: str, key: str, text: str, option: Option) -> int | float:
    value: int | float = math.nan
    try:
        number = float(text)
        value = int(text) if text.lstrip("+-").isdecimal() else number
    except ValueError:
        pass
    if isinstance(option.default, int) and isinstance(value, float) and value.is_integer():
        value = int(value)  # 1e3
    whole = isinstance(value, int) or not isinstance(option.default, int)
    if not math.isfinite(value) or not whole or not option.admits(value):
        raise InputError(f"{generator}: {key}={text} is not {option.phrase}; give such a value")
    return value if isinstance(option.default, int) else float(value)
