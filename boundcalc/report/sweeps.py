"""Sweeps as text for a terminal, JSON objects, CSV, and tables for papers; and into files by their suffix."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from tabulate import tabulate

from boundcalc.errors import InputError
from boundcalc.files import check_writable, write_file
from boundcalc.notation import LATEX_RELATIONS, RELATIONS, bound_latex, bound_text, hidden_by, latex, text
from boundcalc.numerics import Rounding
from boundcalc.report.answers import constants_json, json_number, reading_key
from boundcalc.report.tables import folded, listing, markdown_prose, markdown_table
from boundcalc.sweeps import Sweep
from boundcalc.symbols import VOCABULARY, show_fraction

DIGITS = 3
"""Significant digits of a value in a table."""

EXACT_TO_LOG10 = 1e9
"""Where log₁₀ exceeds this, double precision does not tell the digits of a mantissa: only the power of ten is given."""

WHOLE_TO = 10**6
"""Integers below this are written out in tables."""

MOST_ROWS = 10_000
"""Rows that a table for readers may have."""

SHOWN_ROWS, SHOWN_COLUMNS = 60, 20
"""Rows and columns that are printed on a terminal."""


# Numbers ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Style:
    """How a table writes a×10^b, symbols, and what is not a number."""

    power: Callable[[str, int], str]
    symbol: Callable[[str], str]
    nothing: str
    interval: str
    unmet: str


def _plain_power(mantissa: str, exponent: int) -> str:
    return f"{mantissa}e{exponent:+03d}" if mantissa else f"10^{exponent}"


def _latex_power(mantissa: str, exponent: int) -> str:
    return rf"${mantissa} \times 10^{{{exponent}}}$" if mantissa else f"$10^{{{exponent}}}$"


def _plain_symbol(name: str) -> str:
    return VOCABULARY[name].text if name in VOCABULARY else name


def _latex_symbol(name: str) -> str:
    return f"${latex(sympy.Symbol(name))}$"


PLAIN = Style(_plain_power, _plain_symbol, "none", " to ", "*")
LATEX = Style(_latex_power, _latex_symbol, "--", "--", "$^*$")


def written(log10: float, rounding: Rounding, whole: bool, style: Style) -> str:
    """A positive number given by its log₁₀, rounded to one side at three digits; small integers in full."""
    if not math.isfinite(log10):
        return r"$\infty$" if log10 > 0 and style is LATEX else "∞" if log10 > 0 else style.nothing
    if abs(log10) > EXACT_TO_LOG10:
        return style.power("", math.ceil(log10) if rounding == "up" else math.floor(log10))
    value = 10.0**log10 if abs(log10) < 16 else math.nan
    if whole and value < WHOLE_TO:
        return f"{max(_rounded(value, rounding), 1)}"
    exponent = math.floor(log10)
    mantissa = _rounded(10 ** (log10 - exponent + DIGITS - 1), rounding)
    if mantissa >= 10**DIGITS:
        mantissa, exponent = mantissa // 10, exponent + 1
    if -3 <= exponent < DIGITS and not whole:
        return f"{mantissa * 10.0 ** (exponent - DIGITS + 1):.{DIGITS - 1 - exponent}f}"
    digits = str(mantissa)
    return style.power(f"{digits[0]}.{digits[1:]}", exponent)


def _rounded(value: float, rounding: Rounding) -> int:
    """An integer on one side of a value, which counts as an integer where double precision cannot tell."""
    if math.isclose(value, round(value), rel_tol=1e-9):
        return round(value)
    return math.ceil(value) if rounding == "up" else math.floor(value)


def _number(value: Any, style: Style) -> str:
    """A value of an axis."""
    plain = f"{value:.6g}" if isinstance(value, float) else f"{value}"
    mantissa, e, exponent = plain.partition("e")
    if not e:
        return f"${plain}$" if style is LATEX else plain
    return style.power("" if mantissa == "1" else mantissa, int(exponent))


# What went in -------------------------------------------------------------------------------------


def facts(sweep: Sweep) -> list[tuple[str, str]]:
    """Everything that the values rest on, as labelled lines."""
    theorem = sweep.theorem
    rows = [
        ("statement", f"{theorem.key}: {theorem.title} [{theorem.reading}]"),
        ("source", str(theorem.source)),
        ("formula", " and ".join(bound_text(bound) for bound in (*sweep.bounds, *sweep.caps))),
    ]
    rows += [("swept", f"{name}: {_span(values)}") for name, values in sweep.axes.items()]
    rows.append(("given", ", ".join(_given(sweep)) or "nothing else"))
    rows += [("assumed", f"{one.name}={one.text} ({one.why}): {VOCABULARY[one.name].meaning}") for one in sweep.assumed]
    rows += [("not used", name) for name in sweep.unused]
    rows += [
        ("constant", f"{use.name} = {show_fraction(use.value)}, hidden by {hidden_by(use.hides)}: {use.origin}")
        for use in sweep.constants
    ]
    rows += [("policy", sweep.policy), ("provenance", sweep.provenance)]
    rows += [("depth", depth) for depth in _depth(sweep)]
    rows += [("note", note) for note in (*_counts(sweep), *sweep.cautions, *sweep.notes)]
    return rows


def _given(sweep: Sweep) -> list[str]:
    """The inputs that were given besides the axes."""
    numbers = [f"{name}={show_fraction(value)}" for name, value in sweep.inputs.items()]
    return numbers + [f"{name}={text(expr)}" for name, expr in sweep.formulas.items()]


def _assumed(sweep: Sweep) -> list[str]:
    """The inputs that nobody gave."""
    return [f"{one.name}={one.text} ({one.why})" for one in sweep.assumed]


def _constants(sweep: Sweep) -> list[str]:
    """The hidden constants that are not swept, those of one origin together."""
    by_origin: dict[str, list[str]] = {}
    for use in sweep.constants:
        by_origin.setdefault(use.origin, []).append(f"{use.name}={show_fraction(use.value)}")
    return [f"{', '.join(uses)} ({origin})" for origin, uses in by_origin.items()]


def with_what(sweep: Sweep) -> list[str]:
    """What the values rest on besides the axes, and at how many points something is the matter, in short lines."""
    parts = {
        "given": _given(sweep),
        "assumed": _assumed(sweep),
        "not used": sweep.unused,
        "hidden constants": _constants(sweep),
        "depth": _depth(sweep),
    }
    matters = [line.removeprefix(f"{PLAIN.unmet} ") for line in _counts(sweep)]
    return (
        [f"{label}: {', '.join(values)}" for label, values in parts.items() if values] + matters + list(sweep.cautions)
    )


def _depth(sweep: Sweep) -> list[str]:
    """What a depth counts, if the statement has one."""
    return [sweep.theorem.setting.depth.counts] if any(s.name == "L" for s in sweep.theorem.symbols) else []


def _span(values: NDArray[Any]) -> str:
    numbers = [_number(value, PLAIN) for value in (values.min().item(), values.max().item())]
    return f"{values.size} values, {numbers[0]} to {numbers[1]}" if values.size > 1 else numbers[0]


def _counts(sweep: Sweep) -> list[str]:
    """At how many points something is the matter."""
    status, size = sweep.status, sweep.log10.size
    meanings = {
        "empty": "no value satisfies every condition",
        "undefined": "the bound has no finite positive value",
        "vacuous": "the guarantee says nothing",
    }
    counts = [(meaning, int((status == word).sum())) for word, meaning in meanings.items()]
    counts += [(f"* unmet: {check.what}", _count(check.fails, sweep)) for check in sweep.checks]
    return [f"{what} at {count} of {size} points" for what, count in counts if count]


def _count(where: NDArray[np.bool], sweep: Sweep) -> int:
    return int(where.sum()) * (sweep.log10.size // where.size)


def quantity_label(sweep: Sweep) -> str:
    """What the values are: `width: m ≥`."""
    symbol = text(sweep.symbol)
    quantity = f"{sweep.quantity}: {symbol}" if symbol != sweep.quantity else symbol
    return f"{quantity} {RELATIONS[sweep.relation]}"


# Tables -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """Cells as text; `left_out` says how many rows and columns there are besides."""

    headers: list[str]
    rows: list[list[str]]
    left_out: tuple[int, int] = (0, 0)


def table(sweep: Sweep, style: Style, most: int, across: int | None = None) -> Table:
    """Two axes that span a grid as rows and columns, anything else as a row for each point.

    Args:
        sweep: what to show.
        style: how numbers are written.
        most: rows that are wanted at most.
        across: values of the second axis that are wanted at most; None for all.
    """
    names = list(sweep.axes)
    if _is_square(sweep):
        first, second = (sweep.axes[name].tolist() for name in names)
        shown = second[:across]
        heads = [f"{style.symbol(names[1])} = {_number(value, style)}" for value in shown]
        rows = [
            [_number(value, style), *(_cell(sweep, style, (i, j)) for j in range(len(shown)))]
            for i, value in enumerate(first[:most])
        ]
        return Table([style.symbol(names[0]), *heads], rows, (max(len(first) - most, 0), len(second) - len(shown)))
    heads = [*map(style.symbol, names), f"{style.symbol(sweep.symbol.name)} {_sign(sweep, style)}"]
    values = [sweep.points(name) for name in names]
    rows = [
        [*(_number(axis[index].item(), style) for axis in values), _cell(sweep, style, index)]
        for index in islice(np.ndindex(sweep.shape), most)
    ]
    return Table(heads, rows, (max(sweep.log10.size - most, 0), 0))


def _is_square(sweep: Sweep) -> bool:
    """Whether two axes span a grid."""
    return sweep.grid and len(sweep.axes) == 2


def _sign(sweep: Sweep, style: Style) -> str:
    return f"${LATEX_RELATIONS[sweep.relation]}$" if style is LATEX else RELATIONS[sweep.relation]


def _cell(sweep: Sweep, style: Style, index: tuple[int, ...]) -> str:
    """The value at a point, as a table shows it."""
    status, log10 = str(sweep.status[index]), float(sweep.log10[index])
    mark = style.unmet if sweep.unmet[index] else ""
    if status in ("empty", "undefined"):
        return {"empty": "none", "undefined": "undefined"}[status] + mark
    cell = written(log10, sweep.rounding, sweep.whole, style)
    if status == "interval" and sweep.ends is not None:
        upper = float(np.broadcast_to(sweep.ends.upper, sweep.shape)[index])
        cell += style.interval + written(upper, "down", sweep.whole, style)
    return cell + (" (vacuous)" if status == "vacuous" else "") + mark


UNMET = "where a condition is unmet, or undefined"


def _caption(sweep: Sweep) -> str:
    """What a table shows."""
    mark = f"; * {UNMET}" if sweep.unmet.any() else ""
    return f"{quantity_label(sweep)}, rounded {sweep.rounding} to {DIGITS} digits{mark}"


def sweep_text(sweep: Sweep, width: int | None = None) -> str:
    """A sweep as a table for a terminal of so many columns, and below it what the values rest on.

    width: None where there is no terminal.
    """
    shown = table(sweep, PLAIN, SHOWN_ROWS, SHOWN_COLUMNS)
    while width is not None and _across(shown) > width and len(shown.headers) > 2 and _is_square(sweep):
        shown = table(sweep, PLAIN, SHOWN_ROWS, len(shown.headers) - 2)
    grid = tabulate(shown.rows, shown.headers, tablefmt="simple", disable_numparse=True, stralign="right")
    rest = " and ".join(f"{n} more {kind}" for n, kind in zip(shown.left_out, ("rows", "columns"), strict=True) if n)
    more = [f"… and {rest}: write all of them with -o sweep.csv"] if rest else []
    head, tail = folded(_caption(sweep), width), [folded(line, width) for line in more]
    return "\n".join([head, "", grid, *tail, "", *listing(facts(sweep), width, 12)])


def _across(shown: Table) -> int:
    """Characters that a table takes."""
    columns = zip(shown.headers, *shown.rows, strict=True)
    return sum(max(map(len, column)) for column in columns) + 2 * (len(shown.headers) - 1)


def sweep_markdown(sweep: Sweep) -> str:
    """A sweep as a Markdown table, and below it what the values rest on."""
    whole = _table_for_readers(sweep, PLAIN)
    grid = markdown_table(whole.rows, whole.headers)
    lines = [f"- {label}: {markdown_prose(value)}" for label, value in facts(sweep)]
    return "\n".join([_caption(sweep).replace("*", r"\*"), "", grid, "", *lines, ""])


def sweep_latex(sweep: Sweep) -> str:
    """A sweep as a LaTeX table for booktabs; what the values rest on is said in comments."""
    whole = _table_for_readers(sweep, LATEX)
    formulas = "; ".join(bound_latex(bound) for bound in (*sweep.bounds, *sweep.caps))
    columns = len(whole.headers)
    bounded = f"{_latex_symbol(sweep.symbol.name)} {_sign(sweep, LATEX)}"
    above = [rf" & \multicolumn{{{columns - 1}}}{{c}}{{{bounded}}} \\"] if _is_square(sweep) else []
    mark = [rf"\multicolumn{{{columns}}}{{l}}{{{LATEX.unmet}\,{UNMET}}} \\"] if sweep.unmet.any() else []
    return "\n".join(
        [
            f"% {_caption(sweep)}: {formulas}",
            *(f"% {label}: {value}" for label, value in facts(sweep)),
            rf"\begin{{tabular}}{{{'r' * columns}}}",
            r"\toprule",
            *above,
            " & ".join(whole.headers) + r" \\",
            r"\midrule",
            *(" & ".join(row) + r" \\" for row in whole.rows),
            r"\bottomrule",
            *mark,
            r"\end{tabular}",
            "",
        ]
    )


def _table_for_readers(sweep: Sweep, style: Style) -> Table:
    whole = table(sweep, style, MOST_ROWS)
    if any(whole.left_out):
        raise InputError(f"a table of more than {MOST_ROWS} rows is not for readers; write a .csv file, or sweep less")
    return whole


# Data ---------------------------------------------------------------------------------------------


def sweep_csv(sweep: Sweep) -> str:
    """A sweep as comma-separated values, a row for each point; what does not exist is left empty.

    The last columns say the same in every row: the statement, the quantity, and all inputs and constants besides.
    """
    columns: dict[str, Sequence[Any]] = {name: sweep.points(name).ravel().tolist() for name in sweep.axes}
    columns["log10"] = _finite(sweep.log10)
    columns["value"] = _values(sweep)
    columns["status"] = sweep.status.ravel().tolist()
    if sweep.ends is not None:
        columns["upper_log10"] = _finite(np.broadcast_to(sweep.ends.upper, sweep.shape))
    if sweep.checks:
        columns["unmet"] = sweep.unmet.astype(int).ravel().tolist()
    about = {
        "theorem": reading_key(sweep.theorem),
        "quantity": quantity_label(sweep),
        "with": "; ".join([*_given(sweep), *_assumed(sweep), *_constants(sweep)]),
    }
    for name, what in about.items():
        columns[name] = [what] * sweep.log10.size
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def _finite(values: NDArray[Any]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.ravel().tolist()]


def _values(sweep: Sweep) -> list[float | int | None]:
    """The values that fit a float; integers as such where floats hold all of them."""
    values = _finite(sweep.value)
    return [int(v) if v is not None and v < 2**53 else v for v in values] if sweep.whole else values


def sweep_json(sweep: Sweep) -> dict[str, Any]:
    """The JSON object of a sweep; arrays are nested lists, and what does not exist is null."""

    def shaped(flat: Sequence[Any]) -> Any:
        return np.array(flat, dtype=object).reshape(sweep.shape).tolist()

    answer = {
        "theorem": sweep.theorem.key,
        "reading": sweep.theorem.reading,
        "source": str(sweep.theorem.source),
        "quantity": sweep.quantity,
        "symbol": sweep.symbol.name,
        "relation": sweep.relation,
        "axes": {name: values.tolist() for name, values in sweep.axes.items()},
        "shape": list(sweep.shape),
        "log10": shaped(_finite(sweep.log10)),
        "value": shaped(_values(sweep)),
        "status": sweep.status.tolist(),
        "expression": str(sweep.expression),
        "latex": "; ".join(bound_latex(bound) for bound in (*sweep.bounds, *sweep.caps)),
        "inputs": {name: json_number(value) for name, value in sweep.inputs.items()},
        "formulas": {name: str(expr) for name, expr in sweep.formulas.items()},
        "assumed": {one.name: one.text if one.value is None else json_number(one.value) for one in sweep.assumed},
        "unused": list(sweep.unused),
        "constants": constants_json(sweep.constants),
        "policy": sweep.policy,
        "provenance": sweep.provenance,
        "depth": sweep.theorem.setting.depth.counts,
        "unmet": [
            {"what": check.what, "points": _count(check.fails, sweep)} for check in sweep.checks if check.fails.any()
        ],
        "notes": [*sweep.cautions, *sweep.notes],
    }
    if sweep.ends is not None:
        answer["upper_log10"] = shaped(_finite(np.broadcast_to(sweep.ends.upper, sweep.shape)))
    return answer


# Files --------------------------------------------------------------------------------------------

TEXTS: dict[str, Callable[[Sweep], str]] = {".csv": sweep_csv, ".md": sweep_markdown, ".tex": sweep_latex}
PLOTS = (".svg", ".png", ".pdf")


def check_path(path: Path) -> None:
    """Refuse a file that could not be written, before anything is computed.

    Raises:
        InputError: an unknown suffix; as for `check_writable`.
    """
    if path.suffix.lower() not in (*TEXTS, *PLOTS):
        raise InputError(
            f"-o {str(path)!r}: a sweep is written as {', '.join((*TEXTS, *PLOTS))}; name it sweep.csv, say"
        )
    check_writable(path)


def write_sweep(sweep: Sweep, path: Path) -> None:
    """Write a sweep in the form that the file's suffix names; the file appears whole or not at all.

    Raises:
        InputError: the file cannot be written, or a sweep of this shape not shown in this form.
    """
    check_path(path)
    suffix = path.suffix.lower()
    if suffix in PLOTS:
        from boundcalc.report.sweep_plots import plot  # Only here: matplotlib takes its time to load.

        content = plot(sweep, suffix[1:])
    else:
        content = TEXTS[suffix](sweep).encode()
    write_file(path, content)
