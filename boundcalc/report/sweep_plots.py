"""Sweeps as plots: the first axis across, a line for each value of the second."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.report.sweeps import PLAIN, quantity_label, with_what, written
from boundcalc.sweeps import Sweep
from boundcalc.symbols import VOCABULARY

COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7")
"""Okabe and Ito's colours, which colour-blind readers can tell apart, but for the yellow that is lost on white."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""The shape of the points of each colour."""

DASHES = ("solid", (0, (4, 2)), (0, (6, 1.5, 1, 1.5)))
"""Lines of one colour are told apart by these; and neighbours, so that one on top of another does not hide it."""

MOST_LINES = len(COLOURS) * len(DASHES)

MOST_DOTS = 30
"""A line of at most so many points shows each of them; a longer one some, at other places than its neighbours."""

GREY = "#666666"
"""The colour of what the legend says of all lines."""

MOST_IN_A_COLUMN = 14
"""Entries of the legend that fit one below the other."""

CAPTION = 112
"""Characters of a line below the plot."""

LARGEST_LOG10 = 290
"""Beyond this a value does not fit a float, and its logarithm is drawn."""


def plot(sweep: Sweep, form: str) -> bytes:
    """Draw a sweep over one or two axes.

    Args:
        sweep: over a grid.
        form: svg, png or pdf.

    Raises:
        InputError: more than two axes, more lines than can be told apart, or nothing to draw.
    """
    names = list(sweep.axes)
    if not sweep.grid or not 1 <= len(names) <= 2:
        raise InputError(
            f"a plot shows one or two axes, not {len(names)} ({', '.join(names) or 'none'}): give ranges to one or two "
            "inputs and numbers to the others, or write a .csv file"
        )
    lines = sweep.axes[names[1]].size if len(names) == 2 else 1
    if lines > MOST_LINES:
        raise InputError(
            f"{lines} lines, one for each {names[1]}, cannot be told apart; give {names[1]} at most {MOST_LINES} "
            "values, or put it first"
        )
    if not np.isfinite(sweep.log10).any():
        raise InputError("there is nothing to draw: no point of the sweep has a value")
    below = [line for said in [*with_what(sweep), *_upper_ends(sweep)] for line in textwrap.wrap(said, CAPTION)]
    with rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(6.4, 4.0 + 0.13 * len(below)), layout="constrained")
        _draw(figure.add_subplot(), sweep, names)
        figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=7, parse_math=False)
        title = f"{sweep.theorem.key} ({sweep.theorem.reading}), {quantity_label(sweep)}"
        return saved(figure, form, title, "; ".join([*with_what(sweep), *_upper_ends(sweep)]))


def saved(figure: Figure, form: str, title: str, about: str) -> bytes:
    """A picture as svg, png or pdf, of the same bytes whenever it is drawn, with what it shows in its metadata."""
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Title": title, "Description": about, "Date": None},
        "png": {"Title": title, "Description": about},
        "pdf": {"Title": title, "Subject": about, "CreationDate": None},
    }
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "boundcalc"}):
        figure.savefig(buffer, format=form, dpi=200, metadata=metadata[form])
    return buffer.getvalue()


@dataclass(frozen=True)
class _Line:
    """How one of several lines is told apart from the others, also where one lies on top of another."""

    index: int
    lines: int
    points: int

    @property
    def style(self) -> dict[str, Any]:
        """Its colour and dashes; lines with gaps lie on top of others."""
        dash = (self.index + self.index // len(COLOURS)) % len(DASHES)
        colour = COLOURS[self.index % len(COLOURS)]
        return {"color": colour, "linestyle": DASHES[dash], "linewidth": 1.3, "zorder": 2 + dash / 10}

    @property
    def marker(self) -> dict[str, Any]:
        """Its points, hollow where others may lie below them; not all of many, and not those of the next line."""
        style: dict[str, Any] = {"marker": MARKERS[self.index % len(MARKERS)], "markersize": 3}
        if self.lines > 1:
            step = 1 if self.points <= MOST_DOTS else self.points // 6
            style |= {"markersize": 4, "markerfacecolor": "none", "markevery": (self.index * step // self.lines, step)}
        return style if self.lines > 1 or self.points <= MOST_DOTS else {}


def _draw(axes: Axes, sweep: Sweep, names: list[str]) -> None:
    x = sweep.axes[names[0]].astype(float)
    order = np.argsort(x)
    x = x[order]
    values = np.where(np.isfinite(sweep.log10), sweep.log10, np.nan).reshape(x.size, -1)[order]
    unmet = sweep.unmet.reshape(x.size, -1)[order]
    logarithms = bool(np.nanmax(np.abs(values)) > LARGEST_LOG10)
    handles: list[Line2D] = []
    for i, column in enumerate(values.T):
        line = _Line(i, values.shape[1], x.size)
        if unmet[:, i].any():
            # What is faint goes on to the next point, so that it is joined to the rest.
            beside = np.pad(unmet[:, i], 1)
            faint = np.where(beside[2:] | beside[1:-1] | beside[:-2], column, np.nan)
            axes.plot(x, _drawn(faint, logarithms), alpha=0.3, **line.style, **line.marker)
        met = np.where(unmet[:, i], np.nan, column)
        axes.plot(x, _drawn(met, logarithms), **line.style, **line.marker)
        if len(names) == 2:
            label = f"{_symbol(names[1])} = {sweep.axes[names[1]][i]:.6g}"
            handles.append(Line2D([], [], label=label, **line.style, **{**line.marker, "markevery": None}))
    _scale_across(axes, x, names[0])
    handles += _draw_ends(axes, x, values, logarithms)
    handles += _draw_upper_ends(axes, sweep, x, values, order, logarithms)
    handles += [Line2D([], [], color=GREY, alpha=0.3, label="a condition is unmet")] if unmet.any() else []
    if (sweep.status == "vacuous").any():
        limit: dict[str, Any] = {"color": "#999999", "linewidth": 0.8, "dashes": (4, 4)}
        axes.axhline(0.0 if logarithms else 1.0, **limit)
        handles.append(Line2D([], [], label="vacuous above", **limit))
    axes.set_ylabel(f"log₁₀ of {quantity_label(sweep)}" if logarithms else quantity_label(sweep))
    axes.set_yscale("linear" if logarithms else "log")
    axes.set_title(f"{sweep.theorem.key} ({sweep.theorem.reading}; {sweep.policy} constants)", fontsize=9)
    if handles:  # Beside the lines, none of which it hides.
        columns = 1 + (len(handles) > MOST_IN_A_COLUMN)
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, ncols=columns)


def _scale_across(axes: Axes, x: NDArray[np.float64], name: str) -> None:
    """The first axis with all its points, also those without a value; integers get integer ticks."""
    logarithmic = bool(x[0] > 0 and x[-1] >= 10 * x[0])
    first, last = np.log(x[[0, -1]]) if logarithmic else x[[0, -1]]
    if last > first:
        limits = np.array([first, last]) + np.array([-0.04, 0.04]) * (last - first)
        axes.set_xlim(*(np.exp(limits) if logarithmic else limits))
    axes.set_xscale("log" if logarithmic else "linear")
    if not logarithmic and name in VOCABULARY and VOCABULARY[name].domain.integer:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(VOCABULARY[name].meaning if name in VOCABULARY else f"hidden constant {name}")


def _draw_ends(axes: Axes, x: NDArray[np.float64], values: NDArray[np.float64], logarithms: bool) -> list[Line2D]:
    """A bar across each line at a point beside which there is no value."""
    missing = np.pad(np.isnan(values), ((1, 1), (0, 0)))
    last = ~missing[1:-1] & (missing[2:] | missing[:-2])
    if not last.any():
        return []
    bar: dict[str, Any] = {"marker": "|", "markersize": 12, "markeredgewidth": 1.5, "linestyle": "none"}
    for i, column in enumerate(values.T):
        axes.plot(x[last[:, i]], _drawn(column[last[:, i]], logarithms), color=COLOURS[i % len(COLOURS)], **bar)
    return [Line2D([], [], color=GREY, label="no value beyond", **bar)]


def _draw_upper_ends(
    axes: Axes,
    sweep: Sweep,
    x: NDArray[np.float64],
    values: NDArray[np.float64],
    order: NDArray[np.intp],
    logarithms: bool,
) -> list[Line2D]:
    """Dotted lines, where the upper ends are near: often they are astronomically far up, which `_upper_ends` says."""
    ends = _admitted(sweep).reshape(values.shape)[order]
    low, high = np.nanmin(values), np.nanmax(values)
    top = high + 1.5 * max(1.0, high - low)
    if not (ends <= top).any():
        return []
    top = min(top, np.nanmax(ends) + 0.05 * (top - low))
    ends = np.minimum(ends, top + 1)
    for i, column in enumerate(ends.T):
        axes.plot(x, _drawn(column, logarithms), color=COLOURS[i % len(COLOURS)], linestyle="dotted")
    axes.set_ylim(*_drawn(np.array([low - 0.05 * (top - low), top]), logarithms))
    return [Line2D([], [], color=GREY, linestyle="dotted", label="at most")]


def _admitted(sweep: Sweep) -> NDArray[np.float64]:
    """log₁₀ of the upper ends where anything is admitted; ∞ where nothing bounds the symbol above, NaN elsewhere."""
    upper = sweep.ends.upper if sweep.ends is not None else np.inf
    return np.where(np.isfinite(sweep.log10), np.broadcast_to(upper, sweep.shape), np.nan)


def _upper_ends(sweep: Sweep) -> list[str]:
    """Up to where values are admitted, in a line, as far up as that may be; none where nothing bounds them above."""
    finite = _admitted(sweep)[np.isfinite(_admitted(sweep))]
    if not finite.size:
        return []
    least, most = (written(float(end), "down", sweep.whole, PLAIN) for end in (finite.min(), finite.max()))
    symbol = _symbol(sweep.symbol.name)
    return [f"at most: {symbol} ≤ {least}" + (f" to {most}" if most != least else "") + ", dotted where near"]


def _drawn(log10: NDArray[np.float64], logarithms: bool) -> NDArray[np.float64]:
    """Values, or their logarithms."""
    return log10 if logarithms else np.power(10.0, log10)


def _symbol(name: str) -> str:
    return VOCABULARY[name].text if name in VOCABULARY else name
