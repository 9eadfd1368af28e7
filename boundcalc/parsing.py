"""Numbers as people type them, read exactly and without evaluating anything.

`0.01`, `1/100`, `1e-2`, `10^-2`, `10**-2`, `10⁻²`, `1%`: each is the same exact fraction.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction

from boundcalc.errors import InputError

LARGEST_EXPONENT = 300
"""Inputs reach from 10^−300 to 10^300; answers have no such limit."""

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_FOLDED = str.maketrans("−–⁄×ϵϕ", "--/*εφ")
_DECIMAL = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
NUMBER = rf"[+-]?{_DECIMAL}(?:\s*(?:\^|\*\*)\s*(?:\(\s*[+-]?\d+\s*\)|[+-]?\d+))?(?:\s*/\s*{_DECIMAL})?\s*%?"
"""A regular expression for a number in normalized text."""

_PARTS = re.compile(rf"([+-]?)({_DECIMAL})(?:\s*(?:\^|\*\*)\s*\(?\s*([+-]?\d+)\s*\)?)?(?:\s*/\s*({_DECIMAL}))?\s*(%?)")
_FULL = re.compile(NUMBER)


def normalize(text: str) -> str:
    """Fold Unicode variants: superscripts to ^, mathematical letters to plain ones, minus signs to -."""
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)
    # NFKC would turn the lambda's subscript and the half sign into something longer, which is what we want.
    text = unicodedata.normalize("NFKC", text)
    return text.translate(_FOLDED)


def parse_number(text: str, what: str = "value") -> Fraction:
    """Read one number exactly.

    Args:
        text: what the user typed.
        what: what it is, for the message.

    Raises:
        InputError: it is no number, divides by zero, or lies outside 10^±300.
    """
    cleaned = normalize(text).strip()
    if len(cleaned) > 400 or not _FULL.fullmatch(cleaned):
        raise InputError(f"{what}: {text[:60]!r} is not a number; write it like 0.01, 1/100, 1e-2, 10^-2 or 1%")
    match = _PARTS.fullmatch(cleaned)
    assert match is not None
    sign, base_text, power_text, divisor_text, percent = match.groups()
    base = _decimal(base_text, text, what)
    power = int(power_text) if power_text else 1
    if power != 1:
        if base == 0 and power <= 0:
            raise InputError(f"{what}: {text[:60]!r} divides by zero")
        if base > 0 and abs(power) * max(_digits(base), 1) > 4 * LARGEST_EXPONENT:
            raise InputError(_too_extreme(text, what))
        base = base**power
    divisor = _decimal(divisor_text, text, what) if divisor_text else Fraction(1)
    if divisor == 0:
        raise InputError(f"{what}: {text[:60]!r} divides by zero")
    value = base / divisor / (100 if percent else 1)
    if value and not Fraction(10) ** -LARGEST_EXPONENT <= value <= Fraction(10) ** LARGEST_EXPONENT:
        raise InputError(_too_extreme(text, what))
    return -value if sign == "-" else value


Number = int | float | str | Fraction
"""What may be given as a number: text is read as a person types it, a float as the decimal that it prints as."""


def exact(value: Number, what: str = "value") -> Fraction:
    """The exact fraction that a given number stands for: 0.01 is 1/100.

    Raises:
        InputError: text that is no number, a float that is not finite, or a size outside 10^±300.
    """
    if isinstance(value, Fraction):
        return value
    return parse_number(value if isinstance(value, str) else repr(value), what)


def _decimal(text: str, whole: str, what: str) -> Fraction:
    exponent = text.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > LARGEST_EXPONENT + 100:
        raise InputError(_too_extreme(whole, what))
    return Fraction(text)


def _digits(value: Fraction) -> int:
    """A size for value**power that bounds the work: about the decimal digits of the longer part."""
    return max(len(str(value.numerator)), len(str(value.denominator)))


def _too_extreme(text: str, what: str) -> str:
    return f"{what}: {text[:60]!r} is outside 10^±{LARGEST_EXPONENT}; give a number within that range"
