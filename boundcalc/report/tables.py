"""Tables and labelled lines that fit a terminal, and tables of the same cells for Markdown and LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from boundcalc.report.document import Table, plain, without_empty_columns

WIDTH = 118
"""How long lines are at most, also where the terminal is wider."""

_NARROWEST = 40
"""Lines are no shorter than this, whatever the terminal: nothing could be read."""

_LEAST_COLUMN = 7
"""A column whose cells may be broken gets no narrower than this."""


def line_width(width: int | None) -> int:
    """How long lines of prose may be on a terminal of so many columns; None: where there is no terminal."""
    return WIDTH if width is None else max(min(width, WIDTH), _NARROWEST)


def wrapped(cell: str, width: int, indent: str = "") -> str:
    """Text with no line longer than `width`; line breaks that are there stay, lines that are added begin with `indent`.

    A word is broken only where it is longer than a line, then between the factors of a formula, and within a number
    only where there is no other way.
    """
    return "\n".join(line for part in cell.split("\n") for line in _wrapped_line(part, width, indent))


def _wrapped_line(text: str, width: int, indent: str) -> list[str]:
    lines, line = [], ""
    for space, word in _SPACED.findall(text):
        for index, piece in enumerate(_broken(word, width - len(indent))):
            longer = f"{line}{'' if index else space}{piece}"
            if printed(longer) <= width:
                line = longer
                continue
            lines += [line.rstrip()] if line.strip() else []
            line = (indent if lines else "") + piece
    return [*lines, line.rstrip()]


_SPACED = re.compile(r"(\s*)(\d{1,3}(?: \d{3})+\S*|\S+)")
"""Words with the space before them; a number is one word with the spaces between its groups of digits."""

_PLACES = (
    r"(?<=[·,;])(?![^()]*\))|(?<=/)(?!\d)",  # between factors that are no part of an exponent
    r"(?<=[^\w.^+-])",
    r"(?<=[^\d.])(?!\.)|(?=[^\d.])",
)
"""Where long words are broken, the best places first."""


def _broken(word: str, width: int, place: int = 0) -> list[str]:
    """Pieces of a word, none longer than `width`."""
    if printed(word) <= width:
        return [word]
    if place == len(_PLACES):
        return [word[start : start + width] for start in range(0, len(word), width)]
    return [piece for part in re.split(_PLACES[place], word) if part for piece in _broken(part, width, place + 1)]


def folded(text: str, width: int | None) -> str:
    """Lines of prose broken where the terminal ends, if there is one; what follows is indented below each."""
    if width is None:
        return text
    return "\n".join(
        wrapped(line, line_width(width), " " * (len(line) - len(line.lstrip()) + 2)) for line in text.split("\n")
    )


def listing(rows: Iterable[tuple[str, str]], width: int | None = None, label: int = 16) -> Iterator[str]:
    """Labelled lines, wrapped; a label that repeats is written once.

    Args:
        rows: labels, and what is said; line breaks in it stay.
        width: of the terminal, None where there is none.
        label: characters that a label takes.
    """
    previous = ""
    for name, value in rows:
        head = "" if name == previous else name
        previous = name
        for piece in wrapped(value, line_width(width) - label - 1).split("\n"):
            yield f"{head:<{label}} {piece}".rstrip()
            head = ""


def fitted(
    rows: Iterable[Sequence[str]],
    headers: Sequence[str],
    width: int | None,
    *,
    most: Sequence[int | None] = (),
    whole: Iterable[int] = (),
    form: Form = "simple",
) -> str:
    """A table that is no wider than the terminal: the widest columns are narrowed first.

    Where the terminal is too narrow for all that, each row becomes labelled lines.

    Args:
        rows: cells of text, which may have several lines.
        headers: what stands above the columns.
        width: columns of the terminal; None for no limit but `most`.
        most: the width that each column may have at most, None for any; () for any of all.
        whole: indices of columns whose cells are never broken.
        form: with rules between rows and columns (grid), or below the headers alone (simple).
    """
    cells = [tuple(row) for row in rows]
    columns = list(zip(headers, *cells, strict=True))
    widths = [
        min(max(map(printed, _lines(column))), limit or WIDTH)
        for column, limit in zip(columns, most or [None] * len(headers), strict=True)
    ]
    if width is not None:
        room = width - (3 * len(headers) + 1 if form == "grid" else 2 * (len(headers) - 1))
        kept = set(whole)
        words = [max(len(word) for line in _lines(column) for word in line.split() or [""]) for column in columns]
        # First with no word broken; where that is too wide still, with words broken.
        for least in (words, [_LEAST_COLUMN] * len(words)):
            floors = [size if i in kept else min(size, least[i], _LONGEST_WORD) for i, size in enumerate(widths)]
            widths = _narrowed(widths, floors, room)
        if sum(widths) > room:
            records = (listing(zip(headers, row, strict=True), width, max(map(printed, headers)) + 1) for row in cells)
            return "\n\n".join("\n".join(lines) for lines in records)
    broken = [
        [wrapped(cell, size).split("\n") for cell, size in zip(row, widths, strict=True)] for row in (headers, *cells)
    ]
    # Broken between words, cells may be narrower than they might have been.
    widths = [max(printed(line) for cell in column for line in cell) for column in zip(*broken, strict=True)]
    return "\n".join(_drawn(broken, widths, form))


def table_text(table: Table, width: int | None) -> str:
    """A report's table as it stands on a terminal of so many columns, without what is empty."""
    kept = without_empty_columns(table)
    return fitted([[plain(cell) for cell in row] for row in kept.rows], [plain(cell) for cell in kept.columns], width)


Form = Literal["simple", "grid"]

_LONGEST_WORD = 17
"""Words up to this are not broken where there is another way."""


def _lines(column: Iterable[str]) -> list[str]:
    return [line for cell in column for line in cell.split("\n")]


def printed(text: str) -> int:
    """The columns that text takes on a terminal: an accent stands above its letter."""
    return sum(not unicodedata.combining(character) for character in text)


def _narrowed(widths: list[int], floors: list[int], room: int) -> list[int]:
    """Widths that sum to `room`, if that can be, none below its floor: the widest give way."""
    widths = list(widths)
    while sum(widths) > room and (wide := [i for i, size in enumerate(widths) if size > floors[i]]):
        widths[max(wide, key=lambda i: widths[i])] -= 1
    return widths


def _drawn(rows: Sequence[Sequence[Sequence[str]]], widths: Sequence[int], form: Form) -> Iterator[str]:
    """The lines of a table, of which the first row is its head."""

    def rule(left: str, between: str, right: str) -> str:
        return left + between.join("─" * (size + 2) for size in widths) + right

    grid = form == "grid"
    for number, row in enumerate(rows):
        if grid:
            yield rule("├", "┼", "┤") if number else rule("┌", "┬", "┐")
        for line in range(max(map(len, row))):
            cells = [cell[line] if line < len(cell) else "" for cell in row]
            padded = [cell + " " * (size - printed(cell)) for cell, size in zip(cells, widths, strict=True)]
            yield f"│ {' │ '.join(padded)} │" if grid else "  ".join(padded).rstrip()
        if not grid and number == 0:
            yield "  ".join("-" * size for size in widths)
    if grid:
        yield rule("└", "┴", "┘")


def markdown_table(rows: Iterable[Sequence[str]], headers: Sequence[str]) -> str:
    """A table in Markdown; bars in cells are escaped, and line breaks are written as HTML does."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), '<br>') for cell in line)} |"
        for line in lines
    )


def markdown_prose(text: str) -> str:
    """Plain text, in which Markdown would take some signs for its own."""
    return "".join(f"\\{sign}" if sign in "\\`*_<>|" else sign for sign in text)


def latex_table(rows: Iterable[Sequence[str]], headers: Sequence[str]) -> str:
    r"""A table in LaTeX with booktabs' rules, of cells that are LaTeX; headers are plain text."""
    lines = [rf"\begin{{tabular}}{{{'l' * len(headers)}}}", r"\toprule", _row(map(escaped, headers)), r"\midrule"]
    return "\n".join([*lines, *map(_row, rows), r"\bottomrule", r"\end{tabular}"])


def escaped(name: str) -> str:
    """Plain text for LaTeX."""
    return "".join(f"\\{char}" if char in "_&%#$" else r"\textasciicircum{}" if char == "^" else char for char in name)


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
