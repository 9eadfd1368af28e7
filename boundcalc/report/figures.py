"""What the pictures of a report show, as JSON values: bands over the inits, lines, levels, intervals.

A picture is drawn from these facts alone (see `drawing` and `latex`), so that it can be drawn again without the run.
Every one says in words what is on it (`alt`). Its `kind` is one of

    curves       a band over the inits, lines and levels over x
    histogram    how often a number came out how large
    intervals    values with their intervals, one below the other, beside levels
    sizes        decimal logarithms of numbers, one below the other
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boundcalc.report.document import Code, Table, Text, capital, number, plain
from boundcalc.verify.checks import Line, Picture

Array = NDArray[np.float64]
Figure = Mapping[str, Any]

POINTS = 240
"""As many points of a curve are kept: more than can be told apart on a page."""

SHOWN = 8
"""As many points of a curve stand in a table below it."""

FEWEST_FOR_TENTHS = 10
"""So many inits are needed before the tenth and the ninetieth in a hundred of them mean something."""

_BANDS = ("lowest", "tenth", "median", "ninetieth", "highest")
_QUANTILES = (0.0, 0.1, 0.9, 1.0)

_BINS = 24


def picture_facts(picture: Picture) -> dict[str, Any] | None:
    """A picture of an experiment; None where there is nothing on it."""
    if picture.histogram is not None:
        return _histogram(picture)
    band = _band(picture.inits) if picture.inits else None
    lines = [_line(line) for line in picture.lines]
    facts = {
        "name": picture.name,
        "kind": "curves",
        "x": picture.x,
        "y": picture.y,
        "log_x": picture.log_x,
        "log_y": picture.log_y,
        "band": band,
        "lines": lines,
        "levels": [{"label": label, "value": _number(level)} for label, level in picture.levels],
    }
    drawn = [*([band["median"]] if band else []), *(line["y"] for line in lines)]
    if not any(value is not None for values in drawn for value in values):
        return None
    return facts | {"alt": _curves_in_words(facts)}


def intervals_facts(
    name: str,
    x: str,
    rows: Sequence[tuple[str, float, tuple[float, float]]],
    levels: Sequence[tuple[str, float]],
    others: str = "",
) -> dict[str, Any]:
    """Values with their intervals. others: what all but the first are, where that is the one that counts."""
    listed = [{"label": label, "value": value, "low": low, "high": high} for label, value, (low, high) in rows]
    said = "; ".join(f"{label}: {value:.3g} in [{low:.3g}, {high:.3g}]" for label, value, (low, high) in rows)
    beside = ", ".join(label for label, _ in levels)
    return {
        "name": name,
        "kind": "intervals",
        "x": x,
        "rows": listed,
        "others": others if len(rows) > 1 else "",
        "levels": [{"label": label, "value": level} for label, level in levels],
        "alt": f"{capital(x)} with its 95 % interval: {said}. Level: {beside}.",
    }


def sizes_facts(
    name: str, x: str, rows: Sequence[tuple[str, Sequence[tuple[str, float | None]]]]
) -> dict[str, Any] | None:
    """Sizes by their decimal logarithms (−∞ for 0, None for unknown): for every row, those of several kinds."""
    listed: list[dict[str, Any]] = [
        {"label": label, "points": [{"of": of, "log10": _number(log10)} for of, log10 in points if log10 is not None]}
        for label, points in rows
    ]
    if not any(point["log10"] is not None for row in listed for point in row["points"]):
        return None
    said = "; ".join(
        f"{row['label']}: " + ", ".join(f"{point['of']} {_power(point['log10'])}" for point in row["points"])
        for row in listed
    )
    return {
        "name": name,
        "kind": "sizes",
        "x": x,
        "rows": listed,
        "alt": f"{capital(x)}, by powers of ten. {said}.",
    }


def overlaid(figures: Sequence[tuple[str, Figure]]) -> dict[str, Any]:
    """One picture of the same curves of several runs: the median of each with the range over its inits."""
    first = figures[0][1]
    lines: list[dict[str, Any]] = []
    for label, figure in figures:
        band = figure["band"]
        if band:
            ends = {"low": band["lowest"], "high": band["highest"]}
            lines.append({"label": f"{label}: median and range", "x": band["x"], "y": band["median"], **ends})
        lines += [{**line, "label": f"{label}: {line['label']}"} for line in figure["lines"]]
    owners: dict[tuple[str, float | None], list[str]] = {}
    for label, figure in figures:
        for level in figure["levels"]:
            owners.setdefault((level["label"], level["value"]), []).append(label)
    levels = [
        {"label": name if len(of) == len(figures) else f"{', '.join(of)}: {name}", "value": value}
        for (name, value), of in owners.items()
    ]
    facts = {**first, "band": None, "lines": lines, "levels": levels}
    return facts | {"alt": _curves_in_words(facts)}


def figure_table(figure: Figure) -> Table:
    """The numbers of a picture, of long curves a few."""
    if figure["kind"] == "curves":
        return _curves_table(figure)
    if figure["kind"] == "histogram":
        bins = zip(figure["edges"][:-1], figure["edges"][1:], figure["counts"], strict=True)
        counted = tuple((number(low), number(high), number(count)) for low, high, count in bins)
        return Table((f"{figure['x']}: from", "to", figure["y"]), counted)
    if figure["kind"] == "intervals":
        rows = (
            (row["label"], number(row["value"]), f"[{plain(number(row['low']))}, {plain(number(row['high']))}]")
            for row in figure["rows"]
        )
        return Table(("", figure["x"], "95 % interval"), tuple(rows))
    kinds = tuple(dict.fromkeys(point["of"] for row in figure["rows"] for point in row["points"]))
    found = [{point["of"]: _power(point["log10"]) for point in row["points"]} for row in figure["rows"]]
    return Table(
        ("", *kinds),
        tuple(
            (Code(row["label"]), *(_sized(powers.get(kind)) for kind in kinds))
            for row, powers in zip(figure["rows"], found, strict=True)
        ),
    )


def _curves_table(figure: Figure) -> Table:
    band, lines = figure["band"], figure["lines"]
    if band:
        shown = [name for name in _BANDS if name in band]
        columns = [band[name] for name in shown]
        names = [f"{figure['y']}: {shown[0]}", *shown[1:], *(line["label"] for line in lines)]
        curves = [(band["x"], column) for column in columns] + [(line["x"], line["y"]) for line in lines]
        known = [dict(zip(x, y, strict=True)) for x, y in curves]
        at = sorted({x[i] for x in (band["x"], *(line["x"] for line in lines)) for i in _few(len(x))})
        rows = tuple((number(x), *(number(values[x]) if x in values else "" for values in known)) for x in at)
        return Table((figure["x"], *names), rows)
    named: list[tuple[Text, ...]] = [
        (line["label"], number(line["x"][i]), number(line["y"][i]), *_ends(line, i))
        for line in lines
        for i in _few(len(line["x"]))
    ]
    return Table(("", figure["x"], figure["y"], "from", "to"), tuple(named))


def _ends(line: Mapping[str, Any], i: int) -> tuple[Text, Text]:
    if line["low"] is None:
        return "", ""
    return number(line["low"][i]), number(line["high"][i])


def _few(size: int) -> list[int]:
    """Some of so many points, the first and the last among them, evenly spread over the logarithm of their number."""
    if size <= SHOWN:
        return list(range(size))
    return sorted({int(i) - 1 for i in np.geomspace(1, size, SHOWN).round()})


def _band(inits: Sequence[Line]) -> dict[str, Any]:
    """How the curves of all inits lie; of what is not finite, the worst is taken: that it is larger than all."""
    x = _grid(inits)
    values = np.stack([_on(line, x) for line in inits])
    worst = np.sort(np.where(np.isnan(values), math.inf, values), axis=0)
    # A quantile is one of the values, so that an infinite one among them spoils no other.
    lowest, tenth, ninetieth, highest = np.quantile(worst, _QUANTILES, axis=0, method="inverted_cdf")
    median = (worst[(len(worst) - 1) // 2] + worst[len(worst) // 2]) / 2
    by_name = dict(zip(_BANDS, (lowest, tenth, median, ninetieth, highest), strict=True))
    if len(inits) < FEWEST_FOR_TENTHS:
        by_name = {name: by_name[name] for name in ("lowest", "median", "highest")}
    return {"inits": len(inits), "x": _numbers(x)} | {name: _numbers(values) for name, values in by_name.items()}


def _grid(inits: Sequence[Line]) -> Array:
    """Where the band is known: at the points of the longest curve, thinned out."""
    longest = max((line.x for line in inits), key=lambda x: x.size)
    return longest[thinned(longest.size)]


def _on(line: Line, x: Array) -> Array:
    """A curve at the points of the band; one that ended earlier stays where it ended."""
    if line.x.shape == x.shape and bool((line.x == x).all()):
        return line.y
    return line.y[np.clip(np.searchsorted(line.x, x), 0, line.x.size - 1)]


def thinned(size: int, points: int = POINTS) -> NDArray[np.intp]:
    """Which points of a curve to keep: evenly spread over the logarithm of their number, the last among them."""
    if size <= points:
        return np.arange(size)
    return np.unique(np.geomspace(1, size, points).round().astype(np.intp)) - 1


def _line(line: Line) -> dict[str, Any]:
    kept = thinned(line.x.size)
    facts: dict[str, Any] = {"label": line.label, "x": _numbers(line.x[kept]), "y": _numbers(line.y[kept])}
    if line.low is None or line.high is None:
        return facts | {"low": None, "high": None}
    return facts | {"low": _numbers(line.low[kept]), "high": _numbers(line.high[kept])}


def _histogram(picture: Picture) -> dict[str, Any] | None:
    assert picture.histogram is not None
    finite = picture.histogram[np.isfinite(picture.histogram)]
    if not finite.size:
        return None
    counts, edges = np.histogram(finite, bins=_bins(finite))
    low, middle, high = np.quantile(finite, (0, 0.5, 1))
    return {
        "name": picture.name,
        "kind": "histogram",
        "x": picture.x,
        "y": picture.y,
        "edges": _numbers(edges),
        "counts": [int(count) for count in counts],
        "alt": f"How often which {picture.x} came out, over {finite.size} {picture.y}: from {low:.4g} to {high:.4g}, "
        f"median {middle:.4g}.",
    }


def _bins(values: Array) -> int | Array:
    """How many bins, or their edges: bins of whole numbers hold equally many of them each."""
    if not (values == np.rint(values)).all():
        return min(_BINS, np.unique(values).size)
    low, span = values.min(), float(np.ptp(values)) + 1
    width = math.ceil(span / _BINS)
    return low - 0.5 + width * np.arange(math.ceil(span / width) + 1, dtype=np.float64)


def _curves_in_words(facts: Figure) -> str:
    said = [f"{facts['y']} over {facts['x']}"]
    band = facts["band"]
    if band:
        inits = f"of {band['inits']} inits" if band["inits"] > 1 else "of one init"
        said.append(f"the median {inits} goes {_course(band['median'])}")
        ends = _last(band["lowest"]), _last(band["highest"])
        if band["inits"] > 1 and None not in ends:
            said.append(f"all end between {ends[0]:.4g} and {ends[1]:.4g}")
    said += [f"“{line['label']}” goes {_course(line['y'])}" for line in facts["lines"]]
    said += [
        f"level “{level['label']}” at {level['value']:.4g}" for level in facts["levels"] if level["value"] is not None
    ]
    return "; ".join(said) + "."


def _course(values: Sequence[float | None]) -> str:
    first, last = values[0], _last(values)
    return f"from {'∞' if first is None else f'{first:.4g}'} to {'∞' if last is None else f'{last:.4g}'}"


def _last(values: Sequence[float | None]) -> float | None:
    return values[-1]


def _number(value: float) -> float | None:
    """To six significant digits: nobody sees more of them in a picture."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _numbers(values: Array) -> list[float | None]:
    return [_number(float(value)) for value in values]


def _power(log10: float | None) -> str:
    """A size from its decimal logarithm; None for 0."""
    if log10 is None:
        return "0"
    if abs(log10) < 300:
        return f"{10**log10:.4g}"
    whole = math.floor(log10)
    return f"{10 ** (log10 - whole):.4g}e{whole:+d}"


def _sized(power: str | None) -> Text:
    if power is None:
        return "–"
    return number(float(power)) if abs(float(power)) not in (0.0, math.inf) else number(power)
