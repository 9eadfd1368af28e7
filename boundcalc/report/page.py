"""A document as one HTML page that needs nothing besides itself: light and dark, on a phone and on paper."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from jinja2 import Environment, PackageLoader, StrictUndefined

from boundcalc import __version__
from boundcalc.mathml import from_latex
from boundcalc.report.document import (
    DIGITS,
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
from boundcalc.report.drawing import Key, legend, svg
from boundcalc.report.figures import Figure, figure_table

_LONG, _SHORT = 28, 14
"""Letters of a cell that gets room to wrap in, and of one that is kept on one line."""

_LAID_OUT = re.compile("[_^\u0302-\u0304]")
"""What of a formula within words text cannot show: 3ε ≤ R² stays text, W_l^(0) does not."""

_SIGNS = {True: "✓ ", False: "✗ ", None: ""}
_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'


def page(document: Document) -> str:
    """The whole of a document.

    Raises:
        InputError: a formula that MathML cannot show.
    """
    drawn = 0
    sections = []
    for index, section in enumerate(document.sections):
        body: list[str] = []
        for block in section.blocks:
            if isinstance(block, Pictures):
                body.append(_pictures(block.figures, drawn))
                drawn += len(block.figures)
            else:
                body += _block(block)
        sections.append({"id": f"section-{index + 1}", "title": section.title, "body": "\n".join(body)})
    environment = Environment(
        loader=PackageLoader("boundcalc", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        title=document.title,
        tone=document.tone,
        lead=[words(line) for line in document.lead],
        sections=sections,
        version=__version__,
        precision=f"Measured numbers are shown to {DIGITS} significant digits"
        + (f"; {document.numbers} has them all." if document.numbers else "."),
    )


def words(text: Text) -> str:
    """A line of words."""
    return "".join(map(_inline, pieces(text)))


def _inline(piece: Inline) -> str:
    if isinstance(piece, str):
        return "".join(
            _word(part) if isinstance(part, Formula) and _LAID_OUT.search(part.text) else escape(plain(part))
            for part in prose(piece)
        )
    if isinstance(piece, Formula):
        # In a page of HTML the element needs no namespace; fractions within a line would be too small to read.
        return from_latex(piece.latex).replace(_NAMESPACE, ' displaystyle="true"', 1)
    if isinstance(piece, Code):
        return f"<code>{escape(piece.text)}</code>"
    tone = {True: " good", False: " bad", None: ""}[piece.good]
    return f'<span class="mark{tone}">{_SIGNS[piece.good]}{escape(piece.text)}</span>'


def _word(formula: Formula) -> str:
    """A formula that is one word of a line: its brackets may belong to those of other words, so that none grows."""
    return _inline(formula).replace("<mo>", '<mo stretchy="false">')


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield f"<p>{words(block.text)}</p>"
    elif isinstance(block, Bullets):
        yield f"<ul>{''.join(f'<li>{words(item)}</li>' for item in block.items)}</ul>"
    elif isinstance(block, Command):
        yield f"<pre><code>{' '.join(map(_argument, block.text.split(' ')))}</code></pre>"
    elif isinstance(block, Table):
        yield _table(block)


def _argument(word: str) -> str:
    """A word of a command, which breaks at none of its hyphens where it is short enough for a line."""
    return f'<span class="word">{escape(word)}</span>' if len(word) <= _LONG else escape(word)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{words(column)}</th>' for column in table.columns)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in table.rows)
    two = ' class="two"' if len(table.columns) == 2 else ""
    said = escape(", ".join(filter(None, map(plain, table.columns))))
    box = (
        # It takes the focus, so that it can be scrolled from the keyboard.
        f'<div class="scroll" tabindex="0" role="region" aria-label="table: {said}"><table{two}>'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>"
    )
    return f"<details><summary>{escape(table.folded)}</summary>\n{box}\n</details>" if table.folded else box


def _cell(cell: Text) -> str:
    length = len(plain(cell))
    if any(isinstance(piece, Formula) and len(piece.text) > _LONG for piece in pieces(cell)):
        name = ' class="wide"'  # no browser breaks a formula
    else:
        name = ' class="long"' if length > _LONG else ' class="short"' if length <= _SHORT else ""
    return f"<td{name}>{words(cell)}</td>"


def _pictures(figures: Sequence[Figure], drawn: int) -> str:
    shown = "\n".join(_figure(figure, f"picture-{drawn + i + 1}") for i, figure in enumerate(figures))
    return f'<div class="pictures">\n{shown}\n</div>'


def _figure(figure: Figure, prefix: str) -> str:
    keys = "".join(map(_key, legend(figure)))
    numbers = _table(figure_table(figure))
    return (
        f"<figure>{svg(figure, prefix)}\n<figcaption>"
        + (f'<ul class="legend">{keys}</ul>' if keys else "")
        + f"<details><summary>numbers and description</summary><p>{escape(figure['alt'])}</p>{numbers}</details>"
        + "</figcaption></figure>"
    )


def _key(key: Key) -> str:
    dashed = f"key {key.shape} {key.dash}" if key.shape == "line" else f"key {key.shape}"
    paint = "border-color" if key.shape == "line" else "background"
    style = f"{paint}: var(--{key.colour})"
    return f'<li><span class="{dashed}" style="{style}" aria-hidden="true"></span><span>{words(key.label)}</span></li>'
