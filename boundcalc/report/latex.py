"""A document as LaTeX: one file for pdflatex, its pictures drawn by pgfplots from the same facts as everywhere."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

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
    number,
    pieces,
    plain,
    prose,
)
from boundcalc.report.drawing import COLOURS, LEAST_SPAN, Stroke, level_style, line_style, probability_limits
from boundcalc.report.figures import Figure, thinned

_PREAMBLE = r"""% Written by boundcalc, for pdflatex. Needs the packages inputenc, fontenc, textcomp, geometry, amsmath,
% amssymb, array, booktabs, longtable, xcolor, pgfplots: all in TeX Live's collections latex-recommended and pictures.
\documentclass[10pt]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{textcomp}
\usepackage[margin=22mm]{geometry}
\usepackage{amsmath,amssymb,array,booktabs,longtable,xcolor,pgfplots}
\pgfplotsset{compat=1.16, every axis/.append style={width=0.86\linewidth, height=58mm, axis lines=left,
  minor tick num=0, font=\small,
  legend style={draw=none, font=\footnotesize, at={(0,-0.3)}, anchor=north west, cells={anchor=west}}}}
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt}\setlength{\tabcolsep}{3pt}
\newcolumntype{P}[1]{>{\raggedright\arraybackslash}p{#1}}
"""

_CODE: Mapping[str, str] = MappingProxyType(
    {sign: f"\\{sign}" for sign in "{}$&#%_"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "-": "-{}"}
    | {"'": r"\textquotesingle{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}", "<": r"\textless{}"}
    | {">": r"\textgreater{}", "|": r"\textbar{}"}
)
_MORE: Mapping[str, str] = MappingProxyType(
    {"′": r"\ensuremath{'}", "⟂": r"\ensuremath{\perp}", "σ": r"\ensuremath{\sigma}"}
)

_KNOWN = re.compile("[\x00-\x7f\u00a1-\u017f\u2013\u2014\u2018-\u201e\u2020-\u2022\u2026]")
"""What pdflatex prints as it is; everything else is written as its number in Unicode."""

_SIGN = re.compile("[{}$&#%_]")
"""What TeX reads as more than a sign, of words that hold no formula: those with ^, ~ or a backslash hold one."""

_POINTS, _MOST_TICKS = 48, 7
_LEAST_SHARE, _LONGEST = 4, 70


def latex_document(document: Document) -> str:
    """The whole of a document, to be compiled by pdflatex."""
    lines = [_PREAMBLE + "\n".join(rf"\definecolor{{{n}}}{{HTML}}{{{c[1:].upper()}}}" for n, c in COLOURS.items())]
    lines += [r"\begin{document}", rf"\section*{{{words(document.title)}}}"]
    for index, line in enumerate(document.lead):
        lines += [rf"\textbf{{{words(line)}}}" if index == 0 else words(line), ""]
    for section in document.sections:
        lines.append(rf"\subsection*{{{words(section.title)}}}")
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join([*lines, r"\end{document}"]) + "\n"


def words(text: Text) -> str:
    """A line of words."""
    return "".join(map(_inline, pieces(text)))


def _inline(piece: Inline) -> str:
    if isinstance(piece, str):
        return _prose(piece)
    if isinstance(piece, Formula):
        return f"${_in_math(piece.latex)}$"
    if isinstance(piece, Code):
        return rf"\texttt{{{_code(piece.text)}}}"
    return rf"\textbf{{{_prose(piece.text)}}}" if piece.good is False else _prose(piece.text)


def _prose(text: str) -> str:
    """Words as LaTeX; their spaces at the ends stay."""
    return "".join(
        f"${_in_math(part.latex)}$" if isinstance(part, Formula) else _printable(_SIGN.sub(r"\\\g<0>", plain(part)))
        for part in prose(" ".join(text.split("\n")))
    )


def _code(text: str) -> str:
    return "".join(_CODE.get(sign, sign if sign.isascii() else _prose(sign)) for sign in " ".join(text.splitlines()))


def _printable(text: str) -> str:
    return "".join(_MORE.get(c, c if _KNOWN.match(c) else f"[U+{ord(c):04X}]") for c in text)


def _in_math(latex: str) -> str:
    """A formula whose letters beyond ASCII, which mathematics has not, are words within it."""
    return "".join(c if c.isascii() else rf"\text{{{_printable(c)}}}" for c in latex)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield words(block.text) + "\n"
    elif isinstance(block, Bullets):
        yield r"\begin{itemize}"
        yield from (rf"\item {_guarded(words(item))}" for item in block.items)
        yield r"\end{itemize}"
    elif isinstance(block, Command):
        yield rf"\begin{{flushleft}}\small\ttfamily {_code(block.text)}\end{{flushleft}}"
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Pictures):
        for figure in block.figures:
            yield from _picture(figure)


def _guarded(text: str) -> str:
    r"""What a bracket or a star would begin, a command before it (`\item`, `\\`) would take for its own."""
    return "{}" + text if text.startswith(("[", "*")) else text


def _table(table: Table) -> Iterator[str]:
    columns = list(zip(*(map(plain, row) for row in (table.columns, *table.rows)), strict=True))
    lengths = [min(max(map(len, column)), _LONGEST) for column in columns]
    shares = [max(length, _LEAST_SHARE) ** 0.7 for length in lengths]
    room = 1 - 0.014 * len(shares)
    widths = "".join(rf"P{{{room * share / sum(shares):.3f}\linewidth}}" for share in shares)
    size = r"\footnotesize" if len(shares) <= 7 else r"\scriptsize"
    yield rf"{{{size}\begin{{longtable}}{{@{{}}{widths}@{{}}}}"
    yield rf"\toprule {_row(table.columns)} \midrule \endhead \bottomrule \endfoot"
    yield from map(_row, table.rows)
    yield r"\end{longtable}}"


def _row(row: Sequence[Text]) -> str:
    return _guarded(" & ".join(map(words, row))) + r" \\"


def _picture(figure: Figure) -> Iterator[str]:
    yield r"\begin{center}\begin{tikzpicture}"
    yield from {"curves": _curves, "histogram": _histogram, "intervals": _intervals, "sizes": _sizes}[figure["kind"]](
        figure
    )
    yield r"\end{axis}\end{tikzpicture}\end{center}"
    yield rf"{{\footnotesize {_prose(figure['alt'])}\par}}"


def _curves(figure: Figure) -> Iterator[str]:
    band, parts = figure["band"], [part for part in (figure["band"], *figure["lines"]) if part]
    names = ("lowest", "median", "highest", "y", "low", "high")
    values = [value for part in parts for name in names for value in part.get(name) or ()]
    values += [level["value"] for level in figure["levels"]]
    across = [value for part in parts for value in part["x"]]
    scaled_x, _ = _scale("x", across, logarithmic=figure["log_x"])
    scaled_y, zero = _scale("y", values, logarithmic=figure["log_y"])
    yield rf"\begin{{axis}}[xlabel={{{_prose(figure['x'])}}}, ylabel={{{_prose(figure['y'])}}}{scaled_x}{scaled_y}]"
    if band:
        if band["inits"] > 1:
            yield from _shaded(band["x"], band["lowest"], band["highest"], "band", "20", zero)
            if "tenth" in band:
                yield from _shaded(band["x"], band["tenth"], band["ninetieth"], "band", "40", zero)
        name = f"median of {band['inits']} inits, and all of them" if band["inits"] > 1 else "the one init"
        yield from _drawn(band["x"], band["median"], Stroke("band", "solid"), name, zero)
    for i, line in enumerate(figure["lines"]):
        style = line_style(i)
        if line["low"] is not None:
            yield from _shaded(line["x"], line["low"], line["high"], style.colour, "25", zero)
        yield from _drawn(line["x"], line["y"], style, line["label"], zero)
    for i, level in enumerate(figure["levels"]):
        if level["value"] is not None:
            ends = [min(across), max(across)]
            yield from _drawn(ends, [level["value"]] * 2, level_style(i), level["label"], zero)


def _scale(which: str, values: Sequence[float | None], *, logarithmic: bool) -> tuple[str, float]:
    """The options of an axis, and where its 0 is: a logarithmic one has none, and shows it below everything else."""
    finite = [value for value in values if value is not None]
    positive = [value for value in finite if value > 0]
    if not logarithmic or not positive or max(positive) < LEAST_SPAN * min(positive):
        return "", 0.0
    low, high = min(positive), max(positive)
    tens = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    steps = (1, 2, 5) if high <= 100 * low else (1,)
    ticks = [step * 10.0**ten for ten in tens for step in steps if low <= step * 10.0**ten * (1 + 1e-9) <= high * 1.01]
    ticks = ticks[:: math.ceil(len(ticks) / _MOST_TICKS)]
    zero = low / 3 if len(positive) < len(finite) else 0.0
    at = ",".join(f"{tick:.6g}" for tick in ([zero] if zero else []) + ticks)
    labels = ",".join(f"{{{words(number(tick))}}}" for tick in ([0.0] if zero else []) + ticks)
    return f", {which}mode=log, {which}tick={{{at}}}, {which}ticklabels={{{labels}}}", zero


def _drawn(
    x: Sequence[float | None], y: Sequence[float | None], style: Stroke, label: str, zero: float = 0.0
) -> Iterator[str]:
    yield rf"\addplot[{style.colour}, {style.dash}, thick] coordinates {{{_coordinates(x, y, zero)}}};"
    yield rf"\addlegendentry{{{_prose(label)}}}"


def _shaded(
    x: Sequence[float | None],
    low: Sequence[float | None],
    high: Sequence[float | None],
    colour: str,
    shade: str,
    zero: float,
) -> Iterator[str]:
    there, back = _coordinates(x, low, zero), _coordinates(x[::-1], high[::-1], zero)
    yield rf"\addplot[draw=none, fill={colour}!{shade}, forget plot] coordinates {{{there} {back}}} --cycle;"


def _coordinates(x: Sequence[float | None], y: Sequence[float | None], zero: float) -> str:
    return " ".join(
        f"({x[i]:.6g},{y[i] or zero:.6g})" for i in thinned(len(x), _POINTS) if x[i] is not None and y[i] is not None
    )


def _histogram(figure: Figure) -> Iterator[str]:
    yield (
        rf"\begin{{axis}}[ybar interval, xtick=, x tick label as interval=false, xlabel={{{_prose(figure['x'])}}}, "
        rf"ylabel={{number of {_prose(figure['y'])}}}]"
    )
    counts = [*figure["counts"], 0]
    points = " ".join(f"({x:.6g},{count})" for x, count in zip(figure["edges"], counts, strict=True))
    yield rf"\addplot[draw=band, fill=band!50] coordinates {{{points}}};"


def _intervals(figure: Figure) -> Iterator[str]:
    low, high = probability_limits(figure)
    yield _row_axis(figure, limits=f"xmin={low:.6g}, xmax={high:.6g}")
    points = " ".join(
        f"({row['value']:.6g},{i}) += ({row['high'] - row['value']:.6g},0) -= ({row['value'] - row['low']:.6g},0)"
        for i, row in enumerate(figure["rows"])
    )
    yield rf"\addplot[only marks, band, error bars/.cd, x dir=both, x explicit] coordinates {{{points}}};"
    yield r"\addlegendentry{share that succeeded, with its 95\,\% interval}"
    for i, level in enumerate(figure["levels"]):
        ends = [-0.5, len(figure["rows"]) - 0.5]
        yield from _drawn([level["value"]] * 2, ends, level_style(i), level["label"])


def _sizes(figure: Figure) -> Iterator[str]:
    yield _row_axis(figure, "decimal logarithm: ", "enlarge x limits=0.1")
    least = min(p["log10"] for row in figure["rows"] for p in row["points"] if p["log10"] is not None)
    kinds = list(dict.fromkeys(point["of"] for row in figure["rows"] for point in row["points"]))
    for kind, style in zip(kinds, ("band, mark=*, mark size=3pt", "level, mark=diamond*, mark size=2pt"), strict=False):
        points = " ".join(
            f"({point['log10']:.6g},{i})"
            for i, row in enumerate(figure["rows"])
            for point in row["points"]
            if point["of"] == kind and point["log10"] is not None
        )
        if points:
            yield rf"\addplot[only marks, {style}] coordinates {{{points}}};"
            yield rf"\addlegendentry{{{_prose(kind)}}}"
        zeros = " ".join(
            f"({least - 0.3:.6g},{i})"
            for i, row in enumerate(figure["rows"])
            for point in row["points"]
            if point["of"] == kind and point["log10"] is None
        )
        if zeros:
            colour = style.split(",")[0]
            arrow = f"{colour}, mark=triangle*, mark options={{rotate=90}}"
            yield rf"\addplot[only marks, {arrow}] coordinates {{{zeros}}};"
            yield rf"\addlegendentry{{{_prose(kind)}: 0, left of every power of ten}}"


def _row_axis(figure: Mapping[str, Any], before: str = "", limits: str = "") -> str:
    labels = ", ".join(f"{{{_code(row['label'])}}}" for row in figure["rows"])
    ticks = ",".join(str(i) for i in range(len(figure["rows"])))
    return (
        rf"\begin{{axis}}[height={25 + 7 * len(figure['rows'])}mm, y dir=reverse, ymin=-0.5, "
        rf"ymax={len(figure['rows']) - 0.5}, ytick={{{ticks}}}, yticklabels={{{labels}}}, "
        rf"{limits}, xlabel={{{before}{_prose(figure['x'])}}}]"
    )
