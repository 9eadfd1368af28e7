"""Sweeps as plots: the first axis across, a line for each value of the second."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from boundcalc.errors import InputError
from boundcalc.notation import RELATIONS, text
from boundcalc.sweeps import Sweep
from boundcalc.symbols import VOCABULARY

COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7")
"""Okabe and Ito's colours, which colour-blind readers can tell apart, but for the yellow that is lost on white."""

DASHES = ("solid", (0, (4, 2)), (0, (1, 1.5)))
"""Lines of one colour are told apart by these."""

MOST_LINES = len(COLOURS) * len(DASHES)

MOST_DOTS = 30
"""A line of at most so many points shows each of them."""

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
    # A fixed salt and no date: the same sweep gives the same file.
    with rc_context(
        {"svg.hashsalt": "boundcalc", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        _draw(figure.add_subplot(), sweep, names)
        buffer = io.BytesIO()
        dateless: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
        figure.savefig(buffer, format=form, dpi=200, metadata=dateless)
    return buffer.getvalue()


def _draw(axes: Axes, sweep: Sweep, names: list[str]) -> None:
    x = sweep.axes[names[0]].astype(float)
    order = np.argsort(x)
    values = np.where(np.isfinite(sweep.log10), sweep.log10, np.nan).reshape(x.size, -1)[order]
    unmet = sweep.unmet.reshape(x.size, -1)[order]
    logarithms = bool(np.nanmax(np.abs(values)) > LARGEST_LOG10)
    low, high = np.nanmin(values), np.nanmax(values)
    for i, column in enumerate(values.T):
        style: dict[str, Any] = {"color": COLOURS[i % len(COLOURS)], "linewidth": 1.3}
        label = f"{_symbol(names[1])} = {sweep.axes[names[1]][i]:.6g}" if len(names) == 2 else None
        dots: dict[str, Any] = {"marker": "o", "markersize": 3} if x.size <= MOST_DOTS else {}
        style["linestyle"] = DASHES[i // len(COLOURS)]
        if unmet[:, i].any():
            axes.plot(x[order], _drawn(column, logarithms), alpha=0.3, **style, **dots)
        column = np.where(unmet[:, i], np.nan, column)
        axes.plot(x[order], _drawn(column, logarithms), label=label, **style, **dots)
    symbol = text(sweep.symbol)
    quantity = f"{sweep.quantity}: {symbol}" if symbol != sweep.quantity else symbol
    quantity += f" {RELATIONS[sweep.relation]}"
    if sweep.ends is not None and np.isfinite(sweep.ends.upper).any():
        # Upper ends are often astronomically far up: they are drawn as far as the lower ones leave room.
        quantity += " …, dotted: ≤"
        high += max(1.0, (high - low) / 2)
        ends = np.broadcast_to(sweep.ends.upper, sweep.shape).reshape(x.size, -1)[order]
        for i, column in enumerate(np.where(np.isnan(values), np.nan, np.minimum(ends, high + 1)).T):
            axes.plot(x[order], _drawn(column, logarithms), color=COLOURS[i % len(COLOURS)], linestyle="dotted")
        axes.set_ylim(*_drawn(np.array([low - 0.05 * (high - low), high]), logarithms))
    axes.set_ylabel(f"log₁₀ of {quantity}" if logarithms else quantity)
    axes.set_yscale("linear" if logarithms else "log")
    axes.set_xscale("log" if x.min() > 0 and x.max() >= 10 * x.min() else "linear")
    axes.set_xlabel(VOCABULARY[names[0]].meaning if names[0] in VOCABULARY else f"hidden constant {names[0]}")
    if (sweep.status == "vacuous").any():
        axes.axhline(0.0 if logarithms else 1.0, color="#999999", linewidth=0.8, dashes=(4, 4), label="vacuous above")
    title = f"{sweep.theorem.key} ({sweep.theorem.reading}; {sweep.policy} constants)"
    axes.set_title(title + (", faint where a condition is unmet" if unmet.any() else ""), fontsize=9)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, ncols=1 + (values.shape[1] > len(COLOURS)))


def _drawn(log10: NDArray[np.float64], logarithms: bool) -> NDArray[np.float64]:
    """Values, or their logarithms."""
    return log10 if logarithms else np.power(10.0, log10)


def _symbol(name: str) -> str:
    return VOCABULARY[name].text if name in VOCABULARY else name
