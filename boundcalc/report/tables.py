"""Tables and labelled lines that fit a terminal, and tables of the same cells for Markdown and LaTeX."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

WIDTH = 118
"""How long lines are at most, also where the terminal is wider."""

_NARROWEST = 40
"""Lines are no shorter than this, whatever the terminal: nothing could be read."""

_LEAST_COLUMN = 7
"""A column whose cells may be broken gets no narrower than this."""


def line_width(width: int | None) -> int:
    """How long lines of prose may be on a terminal of so many columns; None: where there is no terminal."""
    return WIDTH if width is None else max(min(width, WIDTH), _NARROWEST)


def wrapped(cell: str, width: int) -> str:
    """A cell with no line longer than `width`; line breaks that are there stay."""
    return "\n".join(
        piece
        for part in cell.split("\n")
        for piece in textwrap.wrap(part, width, break_long_words=True, break_on_hyphens=False) or [""]
    )


def folded(text: str, width: int | None) -> str:
    """Lines of prose broken where the terminal ends, if there is one; what follows is indented below each."""
    if width is None:
        return text
    return "\n".join(
        textwrap.fill(
            line,
            line_width(width),
            subsequent_indent=" " * (len(line) - len(line.lstrip()) + 2),
            break_on_hyphens=False,
        )
        for line in text.split("\n")
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
    """A table that is no wider than the terminal, if that can be: the widest columns are narrowed first.

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
        for least in (_LONGEST_WORD, 0):
            floors = [
                size if i in kept else min(size, max(_LEAST_COLUMN, min(words[i], least)))
                for i, size in enumerate(widths)
            ]
            widths = _narrowed(widths, floors, room)
    broken = [
        [wrapped(cell, size).split("\n") for cell, size in zip(row, widths, strict=True)] for row in (headers, *cells)
    ]
    # Broken between words, cells may be narrower than they might have been.
    widths = [max(printed(line) for cell in column for line in cell) for column in zip(*broken, strict=True)]
    return "\n".join(_drawn(broken, widths, form))


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


def latex_table(rows: Iterable[Sequence[str]], headers: Sequence[str]) -> str:
    r"""A table in LaTeX with booktabs' rules, of cells that are LaTeX; headers are plain text."""
    lines = [rf"\begin{{tabular}}{{{'l' * len(headers)}}}", r"\toprule", _row(map(escaped, headers)), r"\midrule"]
    return "\n".join([*lines, *map(_row, rows), r"\bottomrule", r"\end{tabular}"])


def escaped(name: str) -> str:
    """Plain text for LaTeX."""
    return "".join(f"\\{char}" if char in "_&%#$" else r"\textasciicircum{}" if char == "^" else char for char in name)


def _row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
