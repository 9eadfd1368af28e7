"""What a report says, before it is a page, Markdown or LaTeX: sections of words, tables and pictures.

Every form is written from one `Document`, so that they cannot say different things.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from boundcalc.display import prose_latex
from boundcalc.symbols import VOCABULARY

NONE = "–"
"""What stands for a number that does not exist."""

DIGITS = 4
"""Significant digits of a measured number; report.json has them all."""

_MOST_DIGITS = 7
"""So many digits of a number that came as text stay."""

_PLAIN = (Fraction(1, 1000), 10**7)
"""Numbers between these are written without a power of ten."""

_SCIENTIFIC = re.compile(r"(-?\d+(?:\.\d+)?)e([+-]?\d+)|10\^(-?\d+(?:\.\d+)?)")

_LONG_NUMBER = re.compile(r"([(\[{]*)(-?\d+(?:\.\d+)?e[+-]?\d+)([)\]};:,.]*)")
"""A number written with an e, as a word, with the punctuation around it."""


_CLOSING: Mapping[str, str] = MappingProxyType({"(": ")", "[": "]"})
_OPENING: Mapping[str, str] = MappingProxyType({")": "(", "]": "["})
_PUNCTUATION = ",;:.”’"

_BRACKETED_POWER = re.compile(r"\^\{\((-[^(){}]*|[^(){}]*/[^(){}]*)\)\}")
"""As prose has to write them: m^(−α), R^(4/3)."""

_ROOT = re.compile(r"\\surd (?:\(((?:[^()]|\([^()]*\))*)\)|((?:\\[a-z]+|[A-Za-z0-9])(?:_\{[^{}]*\})?))")
"""√n and √(m/n), whose sign alone would hang below the line."""


@dataclass(frozen=True)
class Formula:
    """A formula: in LaTeX (of which MathML is made) and as a line of text."""

    latex: str
    text: str


@dataclass(frozen=True)
class Code:
    """Something that is to be read letter by letter: a name, a command, a file."""

    text: str


@dataclass(frozen=True)
class Mark:
    """A word that says whether something is as it should be; None where that is not asked."""

    text: str
    good: bool | None


Inline = str | Formula | Code | Mark
Text = Inline | tuple[Inline, ...]
"""A line of words, with formulas, code and marks among them."""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph."""

    text: Text


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Table:
    """A table. folded: what a page shows in its place until it is opened; empty for a table that is always open."""

    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    folded: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures that belong together, as the facts that `figures` makes."""

    figures: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Command:
    """What to type at a shell."""

    text: str


Block = Paragraph | Bullets | Table | Pictures | Command


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


Tone = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class Document:
    """A report. lead: what it comes to, the first of it in one sentence. tone: whether that is good, bad or open.

    numbers: the file that has all digits of the numbers, if there is one.
    """

    title: str
    lead: tuple[Text, ...]
    tone: Tone
    sections: tuple[Section, ...]
    numbers: str = ""

    @property
    def figures(self) -> tuple[Mapping[str, Any], ...]:
        """Its pictures."""
        blocks = (block for section in self.sections for block in section.blocks)
        return tuple(figure for block in blocks if isinstance(block, Pictures) for figure in block.figures)

    @property
    def headline(self) -> str:
        """What it comes to, in one line of plain text."""
        return plain(self.lead[0])


def pieces(text: Text) -> tuple[Inline, ...]:
    """A line as its parts."""
    return text if isinstance(text, tuple) else (text,)


def plain(text: Text) -> str:
    """A line as plain text."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in pieces(text))


def prose(words: str) -> tuple[Inline, ...]:
    """Words taken apart: those that hold a formula, or a number with a power of ten, are formulas."""
    found: list[Inline] = []
    for index, word in enumerate(words.split(" ")):
        found += [" "] if index else []
        number_in = _LONG_NUMBER.fullmatch(word)
        if number_in:
            before, value, after = number_in.groups()
            found += [part for part in (before, _written(value), after) if part]
            continue
        before, held, after = _bare(word)
        shown = _tidied(prose_latex(held))
        formula = shown[:1] == shown[-1:] == "$" and len(shown) > 1
        found += [part for part in (before, Formula(shown[1:-1], held), after) if part] if formula else [word]
    return tuple(_merged(found))


def _bare(word: str) -> tuple[str, str, str]:
    """A word without the punctuation around it, and without brackets that other words open or close."""
    behind = word.lstrip("“‘")
    while behind[:1] in _CLOSING and behind.count(behind[0]) > behind.count(_CLOSING[behind[0]]):
        behind = behind[1:]
    held = behind.rstrip(_PUNCTUATION)
    while held[-1:] in _OPENING and held.count(held[-1]) > held.count(_OPENING[held[-1]]):
        held = held[:-1].rstrip(_PUNCTUATION)
    return word[: len(word) - len(behind)], held, behind[len(held) :]


def _tidied(latex: str) -> str:
    """A formula as it is set: exponents without the brackets that text puts around them (an index W^(0) keeps its)."""
    latex = _ROOT.sub(lambda found: rf"\sqrt{{{found[1] or found[2]}}}", latex)
    return _BRACKETED_POWER.sub(r"^{\1}", latex).replace("..", r"\ldots ")


def _merged(parts: Iterable[Inline]) -> Iterator[Inline]:
    """Neighbouring words as one."""
    held = ""
    for part in parts:
        if isinstance(part, str):
            held += part
            continue
        if held:
            yield held
        held = ""
        yield part
    if held:
        yield held


def capital(words: str) -> str:
    """Words as a sentence begins; what follows (C_T) keeps its capitals."""
    return words[:1].upper() + words[1:]


def symbol(name: str) -> Formula:
    """A symbol of the vocabulary."""
    entry = VOCABULARY[name]
    return Formula(entry.latex, entry.text)


def size(log10: float) -> Inline:
    """A number by its decimal logarithm."""
    return number(10**log10) if abs(log10) < 300 else number(f"10^{log10:.4f}")


def without_empty_columns(table: Table) -> Table:
    """A table without the columns that have nothing but dashes."""
    kept = [i for i in range(len(table.columns)) if any(plain(row[i]) != NONE for row in table.rows)]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows)


def joined(parts: Iterable[Text], separator: str = "; ") -> Text:
    """Several lines as one."""
    found: list[Inline] = []
    for part in parts:
        found += [separator, *pieces(part)] if found else pieces(part)
    return tuple(found)


def number(value: float | str | None, digits: int = DIGITS) -> Inline:
    """A number as a person writes it, with a power of ten where it is long; a dash for none.

    A string is a number that no float holds (`1.5e-600`, `10^41.2`), or words, which stay as they are.
    """
    if value is None:
        return NONE
    if isinstance(value, str):
        return _written(value)
    if math.isnan(value) or math.isinf(value):
        return "∞" if value > 0 else "−∞" if value < 0 else NONE
    if value == 0 or _PLAIN[0] <= abs(value) < _PLAIN[1]:
        if isinstance(value, int) or float(value).is_integer():
            return _signed(str(int(value)))
        shown = f"{value:.{digits}g}"
        return _signed(shown if "e" not in shown else str(int(float(shown))))
    return _written(f"{value:.{digits - 1}e}")


def _signed(shown: str) -> str:
    return shown.replace("-", "−")


def _written(text: str) -> Inline:
    found = _SCIENTIFIC.fullmatch(text)
    if not found:
        return text
    mantissa, exponent, power = found.groups()
    if power is not None:
        return Formula(f"10^{{{power}}}", f"10^{power}")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    if float(mantissa) == 0:
        return "0"
    whole = int(exponent)
    if len(mantissa) > _MOST_DIGITS + 1:
        mantissa = f"{float(mantissa):.{DIGITS}g}"
    front = {"1": ("", ""), "-1": ("-", "−")}.get(mantissa, (rf"{mantissa} \cdot ", f"{_signed(mantissa)}·"))
    return Formula(f"{front[0]}10^{{{whole}}}", f"{front[1]}10^{whole}")
