"""A data set and what was measured of it, as text, tables for papers, and a JSON object."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from boundcalc.data import Dataset
from boundcalc.estimate import Estimate
from boundcalc.report.tables import escaped, fitted, folded, latex_table, listing, markdown_prose, markdown_table

_SIDES = {"exact": "exact", "lower": "at least", "upper": "at most", "bracket": "between"}


_NOTHING: Mapping[str, str] = MappingProxyType({})


def data_text(
    data: Dataset, estimates: Iterable[Estimate], refused: Mapping[str, str] = _NOTHING, width: int | None = None
) -> str:
    """A data set's size and labels, what is known of it by construction, a table of the estimates, and their methods.

    `refused`: what could not be measured, and why. `width`: of the terminal, None where there is none.
    """
    estimates = tuple(estimates)
    return "\n".join(
        [
            *listing(_facts(data), width, 12),
            "",
            fitted([_row(found, str) for found in estimates], _HEADERS, width, whole=(0,)),
            "",
            *(folded(f"{name}: {said}", width) for name, said in _methods(estimates, refused)),
        ]
    )


def data_markdown(data: Dataset, estimates: Iterable[Estimate], refused: Mapping[str, str] = _NOTHING) -> str:
    """What `data_text` says, with its table in Markdown."""
    estimates = tuple(estimates)
    above, below = (
        [f"- {name}: {markdown_prose(said)}" for name, said in lines]
        for lines in (_facts(data), _methods(estimates, refused))
    )
    return "\n".join([*above, "", markdown_table([_row(found, str) for found in estimates], _HEADERS), "", *below])


def data_latex(data: Dataset, estimates: Iterable[Estimate], refused: Mapping[str, str] = _NOTHING) -> str:
    """The estimates as a LaTeX table; what else `data_text` says is said in comments. Needs booktabs."""
    estimates = tuple(estimates)
    said = [f"% {name}: {words}" for name, words in (*_facts(data), *_methods(estimates, refused))]
    return "\n".join([*said, latex_table([_row(found, escaped) for found in estimates], _HEADERS)])


_HEADERS = ("measured", "value", "truth", "converged", "time")


def _facts(data: Dataset) -> list[tuple[str, str]]:
    """Its size and labels, and what is known of it by construction."""
    positive = int((data.y > 0).sum())
    minus, plus = data.labels
    known = (f"{fact.name} {_fact_side(fact.direction)} {fact.value:.10g}: {fact.why}" for fact in data.truth)
    return [
        ("source", data.name),
        ("examples", f"n = {data.n} in d = {data.d} dimensions, on the unit sphere"),
        ("labels", f"{plus!r} as +1 ({positive} times), {minus!r} as −1 ({data.n - positive} times)"),
        *(("known", fact) for fact in known),
    ]


def _row(found: Estimate, words: Callable[[str], str]) -> tuple[str, ...]:
    """The cells of an estimate; `words` writes each."""
    cells = (
        found.name,
        f"{found.value:.6g}",
        _between(found),
        "yes" if found.converged else "no",
        "" if found.seconds is None else f"{found.seconds:.2g} s",
    )
    return tuple(map(words, cells))


def _methods(estimates: Iterable[Estimate], refused: Mapping[str, str]) -> list[tuple[str, str]]:
    """How each was measured, and why some were not."""
    return [
        *((found.name, found.method) for found in estimates),
        *(("not measured", f"{name}: {reason}") for name, reason in refused.items()),
    ]


def _fact_side(direction: str) -> str:
    return {"exact": "=", "lower": "≥", "upper": "≤"}[direction]


def _between(found: Estimate) -> str:
    """On which side of the value the truth is."""
    if found.direction != "bracket":
        return _SIDES[found.direction]
    # As many digits as it takes to tell the ends apart, if double precision does.
    ends = ((f"{found.lower:.{digits}g}", f"{found.upper:.{digits}g}") for digits in range(6, 13))
    lower, upper = next(((lower, upper) for lower, upper in ends if lower != upper), ("", ""))
    return f"between {lower} and {upper}" if lower else "the value to 12 digits"


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
