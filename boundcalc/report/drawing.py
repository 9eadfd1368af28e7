"""Pictures as inline SVG, drawn from their facts alone, in colours that the page sets.

Every colour is written as `var(--name, #hex)`, so that one picture serves light and dark pages; text stays text. What
the lines are is said in a legend beside the picture (`legend`), where words can wrap.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from boundcalc.report.figures import Figure

Array = NDArray[np.float64]

INK, SOFT, BAND, LEVEL = "#1b1b1f", "#8a8f98", "#0072b1", "#d55e01"
SERIES = ("#009e74", "#cc79a8", "#e69f01", "#56b4ea", "#7a5195", "#3d3d46")
"""Okabe and Ito's colours, which colour-blind readers can tell apart; each of them, to the last digit, stands for a
variable of the page. The dashes of lines and levels tell a few of them apart without colour."""

COLOURS: Mapping[str, str] = MappingProxyType(
    {"ink": INK, "soft": SOFT, "band": BAND, "level": LEVEL} | {f"series{i}": c for i, c in enumerate(SERIES)}
)
"""By their variables."""

DASHES = ("solid", "dashed", "dotted")
"""Of lines; a CSS border has the same."""

_SIZE = (4.6, 3.0)
"""Inches. Small, so that on a phone, where it is as wide as the screen, its text is as large as other small text."""

_ROW, _AROUND = 0.3, 1.05
"""Inches of a row of intervals or sizes, and of what is around them."""

LEAST_SPAN = 3
"""A logarithmic axis over less than this factor says less than a linear one."""

_FEW = 6
"""So many values along an axis get a tick each."""

_DARKEST = 0.32
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_WIDE = 52
"""Letters of a title line."""


@dataclass(frozen=True)
class Key:
    """One entry of a legend: its shape (line, band, dark, dot, diamond or arrow), its variable colour, its dashes."""

    shape: str
    colour: str
    label: str
    dash: str = "solid"


@dataclass(frozen=True)
class Stroke:
    """How a line is drawn: its variable colour, its dashes."""

    colour: str
    dash: str


def line_style(index: int) -> Stroke:
    """Of a line of a picture; the first 18 look different."""
    return Stroke(f"series{index % len(SERIES)}", DASHES[(index + index // len(SERIES)) % len(DASHES)])


def level_style(index: int) -> Stroke:
    """Of a level of a picture, which is never solid; the first 18 look different."""
    colours = ("level", "ink", "soft", *(f"series{i}" for i in range(len(SERIES))))
    return Stroke(colours[index // 2 % len(colours)], DASHES[1:][index % 2])


def legend(figure: Figure) -> tuple[Key, ...]:
    """What is what in a picture."""
    keys: list[Key] = []
    if figure["kind"] == "curves":
        band = figure["band"]
        if band and band["inits"] > 1:
            keys.append(Key("line", "band", f"median of {band['inits']} inits"))
            if "tenth" in band:
                keys.append(Key("dark", "band", "the middle 80 % of them"))
            keys.append(Key("band", "band", "all of them"))
        elif band:
            keys.append(Key("line", "band", "the one init"))
        keys += [
            Key("line", (style := line_style(i)).colour, line["label"], style.dash)
            for i, line in enumerate(figure["lines"])
        ]
    if figure["kind"] == "intervals":
        keys += [Key("dot", "band", "share that succeeded"), Key("band", "band", "its 95 % interval")]
        keys += [Key("dot", "soft", figure["others"])] if figure["others"] else []
    if figure["kind"] == "sizes":
        points = [point for row in figure["rows"] for point in row["points"]]
        kinds = list(dict.fromkeys(point["of"] for point in points))
        keys += [Key(*_dot(i), kind) for i, kind in enumerate(kinds)]
        for kind in dict.fromkeys(point["of"] for point in points if point["log10"] is None):
            keys.append(Key("arrow", _dot(kinds.index(kind))[1], f"{kind}: 0, left of every power of ten"))
    levels = enumerate(figure.get("levels", ()))
    return (
        *keys,
        *(Key("line", (style := level_style(i)).colour, level["label"], style.dash) for i, level in levels),
    )


def svg(figure: Figure, prefix: str) -> str:
    """One `svg` element with its description; `prefix` keeps the names within it apart from those of others."""
    rows = len(figure.get("rows", ()))
    size = (_SIZE[0], _AROUND + _ROW * rows) if rows else _SIZE
    # A fixed salt and no date: the same facts give the same picture.
    settings: dict[Any, Any] = {
        "svg.hashsalt": "boundcalc", "svg.fonttype": "none", "font.size": 10, "axes.spines.top": False,
        "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": SOFT,
        "xtick.color": INK, "ytick.color": INK, "axes.titlesize": 10, "axes.titlelocation": "left",
        "axes.facecolor": "none", "figure.facecolor": "none",
    }  # fmt: skip
    with rc_context(settings):
        canvas = Canvas(figsize=size, layout="constrained")
        axes = canvas.add_subplot()
        {"curves": _curves, "histogram": _histogram, "intervals": _intervals, "sizes": _sizes}[figure["kind"]](
            axes, figure
        )
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _embedded(buffer.getvalue(), figure["alt"], prefix)


def _embedded(text: str, alt: str, prefix: str) -> str:
    """The element alone: described, its names its own, its colours the page's, nothing in it that points elsewhere."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'xlink:href="#', f'href="#{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    for name, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{name}, {colour})")
    text = re.sub(r"<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 role="img" aria-label="{_quoted(alt)}">', text)
    text = re.sub(r"(<text [^>]*>)([^<]*)(</text>)", lambda m: m[1] + _scripts(m[2]) + m[3], text)
    return re.sub(r"\n\s*", "\n", text)


def _scripts(text: str) -> str:
    """Text whose W_l and m^α have their scripts below and above the line; those within them stay beside them."""

    def script(found: re.Match[str]) -> str:
        shift = 2.5 if found["sign"] == "_" else -3.5
        body = (found["braced"] or found["whole"] or found["bracketed"]).replace("_", "")
        return f'<tspan dy="{shift}" font-size="75%">{body}</tspan><tspan dy="{-shift}">\u200b</tspan>'

    return re.sub(r"(?P<sign>[_^])(?:\{(?P<braced>[^{}]*)\}|(?P<whole>\w+)|(?P<bracketed>\([^()]*\)))", script, text)


def _quoted(text: str) -> str:
    return escape(text).replace("\\", r"\\")


def _curves(axes: Axes, figure: Figure) -> None:
    band, lines = figure["band"], figure["lines"]
    drawn: list[Array] = []
    if band:
        x = _array(band["x"])
        for below, above, shade in (("lowest", "highest", 0.18), ("tenth", "ninetieth", _DARKEST)):
            if below in band and band["inits"] > 1:
                low, high = _array(band[below]), _array(band[above])
                axes.fill_between(x, low, high, color=BAND, alpha=shade, linewidth=0)
                drawn += [low, high]
        axes.plot(x, _array(band["median"]), color=BAND, linewidth=1.6, **_dots(x))
        drawn.append(_array(band["median"]))
    for i, line in enumerate(lines):
        x, y = _array(line["x"]), _array(line["y"])
        style = _stroke(line_style(i))
        axes.plot(x, y, linewidth=1.6, **style, **_dots(x))
        drawn.append(y)
        if line["low"] is not None:
            low, high = _array(line["low"]), _array(line["high"])
            # Many that lie over each other are not to hide what is drawn below them.
            axes.fill_between(x, low, high, color=style["color"], alpha=min(0.18, 0.6 / len(lines)), linewidth=0)
            drawn += [low, high]
    levels = [level["value"] for level in figure["levels"] if level["value"] is not None]
    for i, level in enumerate(figure["levels"]):
        if level["value"] is not None:
            axes.axhline(level["value"], linewidth=1.4, **_stroke(level_style(i)))
    across = [_array(part["x"]) for part in ([band] if band else []) + list(lines)]
    _scale(axes, "x", np.concatenate(across), logarithmic=figure["log_x"])
    _scale(axes, "y", np.concatenate([*drawn, np.array(levels)]), logarithmic=figure["log_y"])
    axes.set_xlabel(figure["x"])
    axes.set_title(_titled(figure["y"]))


def _histogram(axes: Axes, figure: Figure) -> None:
    axes.stairs(figure["counts"], figure["edges"], fill=True, color=BAND, alpha=0.75)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=figure["edges"][0] % 1 == 0.5))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel("\n".join(textwrap.wrap(figure["x"], _WIDE)))
    axes.set_title(_titled(f"number of {figure['y']}"))


def _intervals(axes: Axes, figure: Figure) -> None:
    rows = figure["rows"]
    for i, row in enumerate(rows):
        colour = SOFT if i and figure["others"] else BAND
        axes.plot([row["low"], row["high"]], [i, i], color=colour, linewidth=5, alpha=0.4, solid_capstyle="butt")
        axes.plot(row["value"], i, marker="o", color=colour, markersize=6)
    for i, level in enumerate(figure["levels"]):
        axes.axvline(level["value"], linewidth=1.4, **_stroke(level_style(i)))
    axes.set_xlim(*probability_limits(figure))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    _rows(axes, [row["label"] for row in rows])
    axes.set_xlabel(figure["x"])


def probability_limits(figure: Figure) -> tuple[float, float]:
    """From where to where an axis of probabilities goes: one close to 1 is not to be lost at the edge."""
    shown = [row["low"] for row in figure["rows"]] + [level["value"] for level in figure["levels"]]
    return (-0.02 if min(shown) < 0.5 else min(shown) - 0.12), 1.02


def _sizes(axes: Axes, figure: Figure) -> None:
    rows = figure["rows"]
    kinds = list(dict.fromkeys(point["of"] for row in rows for point in row["points"]))
    found = [p["log10"] for row in rows for p in row["points"] if p["log10"] is not None]
    low, high = min(found), max(found)
    room = max(0.08 * (high - low), 0.3)
    for i, row in enumerate(rows):
        ends = [point["log10"] for point in row["points"] if point["log10"] is not None]
        if len(ends) > 1:
            axes.plot([min(ends), max(ends)], [i, i], color=SOFT, linewidth=1)
        for point in row["points"]:
            shape, colour = _dot(kinds.index(point["of"]))
            # What is 0 lies to the left of everything: an arrow says so.
            at = low - room if point["log10"] is None else point["log10"]
            marker = "<" if point["log10"] is None else {"dot": "o", "diamond": "D"}[shape]
            # A dot is seen around a diamond that lies on it.
            size = {"dot": 8.0, "diamond": 5.0}[shape]
            axes.plot(
                at, i, marker=marker, color={"band": BAND, "level": LEVEL}[colour], markersize=size, linestyle="none"
            )
    # Wide enough for two whole powers of ten: others are no round numbers.
    least, most = math.floor(low), math.ceil(high)
    least -= least == most
    axes.set_xlim(min(low - 2 * room, least - 0.1), max(high + 2 * room, most + 0.1))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _power_of_ten(value)))
    _rows(axes, [row["label"] for row in rows])
    axes.set_xlabel(figure["x"])


def _rows(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), ["\n".join(textwrap.wrap(label, 26)) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _scale(axes: Axes, which: str, values: Array, *, logarithmic: bool) -> None:
    """The scale of an axis and few round ticks; logarithmic where that was asked for and the numbers span enough."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    axis = getattr(axes, f"{which}axis")
    set_scale = getattr(axes, f"set_{which}scale")
    span = positive.max() / positive.min() if positive.size else 1.0
    if logarithmic and span >= LEAST_SPAN:
        if positive.size < finite.size:  # zeros too: linear below the smallest positive value
            set_scale("symlog", linthresh=float(positive.min()), linscale=0.4)
            tens = 10.0 ** np.arange(math.ceil(np.log10(positive.min())), math.floor(np.log10(positive.max())) + 1)
            axis.set_ticks([0.0, *tens[:: max(1, math.ceil(tens.size / 5))]])
            if not (finite < 0).any():
                (axes.set_xlim if which == "x" else axes.set_ylim)(0.0, None)
        else:
            set_scale("log")
            apart = np.unique(positive)
            if which == "x" and apart.size <= _FEW and (np.diff(np.log(apart)) > 0.1 * math.log(span)).all():
                axis.set_ticks(apart)
            else:
                subs = (1.0,) if span > 100 else (1.0, 2.0, 5.0)
                axis.set_major_locator(LogLocator(subs=subs, numticks=7))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_major_locator(MaxNLocator(6))
    axis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _: object = None) -> str:
    """A round number as a tick says it."""
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)) + 1e-9)
    if -4 < exponent < 5:
        return f"{value:.6g}".replace("-", "−")
    mantissa = value / 10.0**exponent
    front = "" if math.isclose(mantissa, 1) else f"{mantissa:.4g}·".replace("-", "−")
    return f"{front}10{str(exponent).translate(_RAISED)}"


def _power_of_ten(log10: float) -> str:
    return _tick(float(f"{10.0**log10:.3g}")) if abs(log10) < 300 else f"10^{log10:g}".replace("-", "−")


def _titled(label: str) -> str:
    """What is on the y axis, above it and across: upright words are read more easily."""
    return "\n".join(textwrap.wrap(label, _WIDE))


def _stroke(style: Stroke) -> dict[str, Any]:
    """As the drawing wants it."""
    return {"color": COLOURS[style.colour], "linestyle": style.dash}


def _dot(index: int) -> tuple[str, str]:
    return (("dot", "band"), ("diamond", "level"))[index % 2]


def _dots(x: Array) -> dict[str, Any]:
    """A curve of few points shows them."""
    return {"marker": "o", "markersize": 3} if x.size <= 30 else {}


def _array(values: Sequence[float | None]) -> Array:
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)
