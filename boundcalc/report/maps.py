"""Maps of which bound is the smallest: a plot, and a summary as text and as JSON."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from boundcalc.comparison.maps import NOTHING, Map
from boundcalc.errors import InputError
from boundcalc.files import check_writable, write_file
from boundcalc.report.sweep_plots import saved
from boundcalc.report.tables import folded
from boundcalc.symbols import VOCABULARY

COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#F0E442", "#CC79A7", "#0072B2", "#D55E00", "#999999")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""

HATCHES = ("", "//", "..", "xx")
"""Told apart by these where there are more bounds than colours."""

FORMATS = (".svg", ".png", ".pdf")

DEPTH = "L is read as the number of hidden layers H, the same networks for every statement"
OWN_DEPTH = "L is what each statement calls so; give H, the number of hidden layers, for the same networks"
"""How a depth is read that is given, and one that is not: statements have different notions of it."""


def check_path(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises:
        InputError: the file is to be of a format that is not drawn; as for `check_writable`.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"-o {str(path)!r}: maps are written as {', '.join(FORMATS)}; name the file map.svg, say")
    check_writable(path)


def write_map(plane: Map, path: Path) -> None:
    """Draw a map into a file.

    Raises:
        InputError: as for `check_path`; or the file cannot be written.
    """
    check_path(path)
    said = [f"compared: {', '.join(plane.names)}", caption(plane), *plane.notes]
    below = [line for one in said for line in textwrap.wrap(one, 120)]
    with rc_context({"font.size": 9}):
        figure = Figure(figsize=(7.2, 4.8 + 0.13 * len(below)), layout="constrained")
        draw_map(figure.add_subplot(), plane)
        figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=7, parse_math=False)
        write_file(path, saved(figure, path.suffix.lower().removeprefix("."), title(plane), "; ".join(said)))


def draw_map(axes: Axes, plane: Map) -> None:
    """The plane coloured by the smallest bound, with dashed lines where it changes up to constants and logarithms."""
    scales = [_is_logarithmic(values) for values in (plane.x_values, plane.y_values)]
    edges = [_edges(values, log) for values, log in zip((plane.x_values, plane.y_values), scales, strict=True)]
    handles: list[Any] = []
    # Colours go to those that are the smallest somewhere, so that they suffice for longer.
    for rank, index in enumerate(np.unique(plane.smallest[plane.smallest != NOTHING])):
        colour, hatch = COLOURS[rank % len(COLOURS)], HATCHES[rank // len(COLOURS) % len(HATCHES)]
        here = plane.smallest == index
        cells = np.ma.masked_where(~here, plane.smallest)
        axes.pcolormesh(*edges, cells, cmap=ListedColormap([colour]), rasterized=True)
        if hatch:  # which a mesh does not draw
            inside: dict[str, Any] = {"levels": [0.5, 1.5], "colors": "none", "hatches": [hatch]}
            axes.contourf(plane.x_values, plane.y_values, here.astype(float), **inside)
        handles.append(Patch(facecolor=colour, hatch=hatch, label=plane.names[index]))
    if (plane.smallest == NOTHING).any():
        handles.append(Patch(facecolor="white", edgecolor="#999999", label="no bound"))
    axes.set_xscale("log" if scales[0] else "linear")
    axes.set_yscale("log" if scales[1] else "linear")
    if _draw_boundaries(axes, plane):
        handles.append(Line2D([], [], color="black", linestyle="dashed", label="boundary up to constants and logs"))
    axes.set_xlabel(axis_label(plane.x))
    axes.set_ylabel(axis_label(plane.y))
    axes.set_title(title(plane))
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def title(plane: Map) -> str:
    """What a map shows."""
    return f"Which statement has the smallest {plane.quantity or 'value'}"


def _draw_boundaries(axes: Axes, plane: Map) -> bool:
    """Dashed lines between the orders of growth that are smallest; whether there are any."""
    if plane.asymptotic is None:
        return False
    _, *others = np.unique(np.argmin(plane.asymptotic, axis=0))
    for index in others:
        rivals = np.delete(plane.asymptotic, index, axis=0).min(axis=0)
        ahead = rivals - plane.asymptotic[index]
        axes.contour(plane.x_values, plane.y_values, ahead, levels=[0], colors="black", linestyles="dashed")
    return bool(others)


def axis_label(name: str) -> str:
    """What an axis counts."""
    return "hidden layers $H$" if name == "L" else f"${VOCABULARY[name].latex}$"


def _is_logarithmic(values: NDArray[Any]) -> bool:
    """Whether an axis spans more than a factor of 50."""
    return bool(values.min() > 0 and values.max() > 50 * values.min())


def _edges(values: NDArray[Any], logarithmic: bool) -> NDArray[Any]:
    """The edges of cells around values, halfway between them on the axis as drawn."""
    positions = np.log(values) if logarithmic else values.astype(float)
    middles = (positions[1:] + positions[:-1]) / 2
    ends = 2 * positions[0] - middles[0], 2 * positions[-1] - middles[-1]
    edges = np.concatenate([ends[:1], middles, ends[1:]])
    return np.exp(edges) if logarithmic else edges


def caption(plane: Map) -> str:
    """What the numbers of a map rest on."""
    parts = [f"{name} = {value}" for name, value in plane.given.items()]
    parts += [f"{name} = {value} (assumed)" for name, value in plane.assumed.items()]
    return "; ".join(
        [f"hidden constants: {plane.policy} policy", *([", ".join(parts)] if parts else []), *_depth(plane)]
    )


def _depth(plane: Map) -> list[str]:
    """How a depth is read, if there is one."""
    if {"L", "H"} & {plane.x, plane.y, *plane.given}:
        return [DEPTH]
    return [OWN_DEPTH] if "L" in plane.assumed else []


def map_text(plane: Map, path: Path, width: int | None = None) -> str:
    """Where the map is, what it rests on, and how much of the plane is whose; `width` is the terminal's, if any."""
    lines = [f"{name}: smallest on {share:.1%} of the plane" for name, share in plane.shares().items()]
    return folded("\n".join([*lines, caption(plane), *plane.notes, f"wrote {path}"]), width)


def map_json(plane: Map, path: Path) -> dict[str, Any]:
    """The same as a JSON object."""
    return {
        "quantity": plane.quantity,
        "x": plane.x,
        "y": plane.y,
        "shares": plane.shares(),
        "given": dict(plane.given),
        "assumed": dict(plane.assumed),
        "policy": plane.policy,
        "notes": [*_depth(plane), *plane.notes],
        "file": str(path),
    }
