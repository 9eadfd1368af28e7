"""A data set and what was measured of it, as text and as a JSON object."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from boundcalc.data import Dataset
from boundcalc.estimate import Estimate
from boundcalc.report.tables import fitted, folded

_SIDES = {"exact": "exact", "lower": "at least", "upper": "at most", "bracket": "between"}


_NOTHING: Mapping[str, str] = MappingProxyType({})


def data_text(
    data: Dataset, estimates: Iterable[Estimate], refused: Mapping[str, str] = _NOTHING, width: int | None = None
) -> str:
    """A data set's size and labels, what is known of it by construction, a table of the estimates, and their methods.

    `refused`: what could not be measured, and why. `width`: of the terminal, None where there is none.
    """
    estimates = tuple(estimates)
    positive = int((data.y > 0).sum())
    minus, plus = data.labels
    lines = [
        f"source       {data.name}",
        f"examples     n = {data.n} in d = {data.d} dimensions, on the unit sphere",
        f"labels       {plus!r} as +1 ({positive} times), {minus!r} as −1 ({data.n - positive} times)",
    ]
    lines += [
        f"known        {fact.name} {_fact_side(fact.direction)} {fact.value:.10g}: {fact.why}" for fact in data.truth
    ]
    rows = [
        (
            found.name,
            f"{found.value:.6g}",
            _between(found),
            "" if found.converged else "no",
            "" if found.seconds is None else f"{found.seconds:.2g} s",
        )
        for found in estimates
    ]
    left_out = [f"not measured: {name}: {reason}" for name, reason in refused.items()]
    table = fitted(rows, ("measured", "value", "truth", "converged", "time"), width, whole=(0,))
    methods = [f"{found.name}: {found.method}" for found in estimates]
    prose = (folded(line, width) for line in (*methods, *left_out))
    return "\n".join([*(folded(line, width) for line in lines), "", table, "", *prose])


def _fact_side(direction: str) -> str:
    return {"exact": "=", "lower": "≥", "upper": "≤"}[direction]


def _between(found: Estimate) -> str:
    """On which side of the value the truth is."""
    if found.direction == "bracket":
        return f"between {found.lower:.6g} and {found.upper:.6g}"
    return _SIDES[found.direction]


def _finite(value: float | None) -> float | None:
    """A JSON number; JSON has none that are not finite."""
    return value if value is not None and math.isfinite(value) else None


def data_json(data: Dataset, estimates: Iterable[Estimate], refused: Mapping[str, str] = _NOTHING) -> dict[str, Any]:
    """The JSON object of a data set, its estimates, and what could not be measured; ends that are infinite are null."""
    return {
        "source": data.name,
        "n": data.n,
        "d": data.d,
        "labels": [str(label) for label in data.labels],
        "truth": [
            {"name": fact.name, "value": fact.value, "direction": fact.direction, "why": fact.why, "L": fact.L}
            for fact in data.truth
        ],
        "estimates": [
            {
                "name": found.name,
                "symbol": found.symbol,
                "value": _finite(found.value),
                "lower": _finite(found.lower),
                "upper": _finite(found.upper),
                "direction": found.direction,
                "method": found.method,
                "converged": found.converged,
                "seconds": found.seconds,
            }
            for found in estimates
        ],
        "not_measured": dict(refused),
    }
