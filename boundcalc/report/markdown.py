"""A document as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from boundcalc.report.document import (
    Block,
    Bullets,
    Code,
    Command,
    Document,
    Formula,
    Inline,
    Paragraph,
    Pictures,
    Table,
    Text,
    pieces,
    plain,
    prose,
)
from boundcalc.report.figures import figure_table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#])")


def markdown(document: Document) -> str:
    """The whole of a document; every picture as its description and some of its numbers."""
    lines = [f"# {_escaped(document.title)}", ""]
    for index, line in enumerate(document.lead):
        lines += [f"**{words(line)}**" if index == 0 else words(line), ""]
    for section in document.sections:
        lines += [f"## {_escaped(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def words(text: Text, *, cell: bool = False) -> str:
    """A line of words; in a cell of a table a bar would end it even within code."""
    return "".join(_inline(piece, cell) for piece in pieces(text))


def _inline(piece: Inline, cell: bool) -> str:
    if isinstance(piece, str):
        return _escaped(piece)
    if isinstance(piece, Formula | Code):
        return _code(piece.text).replace("|", r"\|") if cell else _code(piece.text)
    return f"**{_escaped(piece.text)}**" if piece.good is False else _escaped(piece.text)


def _escaped(text: str) -> str:
    """Words, their numbers with powers of ten as everywhere: 6.27·10^-14 for 6.27e-14."""
    return _SPECIAL.sub(r"\\\1", plain(prose(" ".join(text.split("\n")))))


def _code(text: str) -> str:
    """Code between more backticks than it has in a row, so that it cannot end early."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence, space = "`" * (longest + 1), " " if longest else ""
    return f"{fence}{space}{' '.join(text.splitlines())}{space}{fence}"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield words(block.text)
    elif isinstance(block, Bullets):
        yield from (f"- {words(item)}" for item in block.items)
    elif isinstance(block, Command):
        yield from ("```sh", *block.text.splitlines(), "```")
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Pictures):
        for index, figure in enumerate(block.figures):
            yield from ([""] if index else [])
            yield f"*Picture: {_escaped(figure['alt'])}*"
            yield ""
            yield from _table(figure_table(figure))


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_cell, table.columns))} |"
    yield f"|{' --- |' * len(table.columns)}"
    for row in table.rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: Text) -> str:
    return words(text, cell=True)
