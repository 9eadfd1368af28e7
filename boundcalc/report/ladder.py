"""Ladders of widths: the plan as text, and what became of it as JSON, text, and reports made of that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boundcalc.report.document import (
    Code,
    Document,
    Paragraph,
    Pictures,
    Section,
    Table,
    Text,
    number,
    without_empty_columns,
)
from boundcalc.report.figures import intervals_facts, sizes_facts
from boundcalc.report.forms import json_text, write_forms, write_text
from boundcalc.report.runs import LIMIT, Series, data_words, ladder_command, run_json, run_sections
from boundcalc.report.tables import fitted, folded, table_text
from boundcalc.report.verification import LAYOUT
from boundcalc.symbols import show_fraction
from boundcalc.verify.case import show_bytes
from boundcalc.verify.ladder import Climbed, Ladder, Plan, Rung

LADDER = "ladder"
"""The files' name, but for the endings."""

Facts = Mapping[str, Any]


def plan_text(plan: Plan, width: int | None = None) -> str:
    """What is going to be run, and at what cost; `width` is the terminal's, None without one."""
    rows = [
        (_width(rung), rung.engine, show_bytes(rung.cost.bytes), _seconds(rung.seconds), str(rung.case.trials))
        for rung in plan.rungs
    ]
    table = fitted(rows, ("m", "engine", "memory", "time, about", "inits"), width)
    return "\n".join([folded(_asked(plan), width), "", table, *_left_out(plan.left_out, width)])


def ladder_text(facts: Facts, width: int | None = None) -> str:
    """What became of every rung, where the guarantee starts to hold, and what that says of the constant.

    width: of the terminal, None where there is none.
    """
    summary = (folded(line, width) for line in facts["summary"])
    return "\n".join([table_text(_widths(facts), width), "", *summary, *_left_out(facts["left_out"], width)])


def _left_out(reasons: Mapping[str, str], width: int | None) -> list[str]:
    return [folded(f"left out: {name}: {why}", width) for name, why in reasons.items()]


def ladder_json(ladder: Ladder) -> dict[str, Any]:
    """All of it as one JSON object."""
    plan, start, case = ladder.plan, ladder.start, ladder.plan.rungs[0].case
    return {
        "layout": LAYOUT,
        "theorem": ladder.climbed[0].result.case.theorem.key,
        "data": ladder.climbed[0].result.case.options.data,
        "run": run_json(
            [Series(case, {"m": ()})],
            ladder_command(case, plan.asked["widths"], plan.asked["time_limit"]),
            [one.result.constants for one in ladder.climbed],
        ),
        "prescribed": {"width": plan.prescribed.number, "log10": plan.prescribed.log10, "reached": ladder.reached},
        "asked": _asked(plan),
        "guess": {name: show_fraction(value) for name, value in plan.guess.items()},
        "iterations": plan.steps,
        "available_bytes": plan.available,
        "rungs": [_rung_json(one) for one in ladder.climbed],
        "left_out": {**plan.left_out, **ladder.failed},
        "holds_from": None if start is None else {"width": start.rung.width, "constant": _constant_json(start)},
        "summary": _summary(ladder),
    }


def ladder_document(facts: Facts) -> Document:
    """The report of a ladder, from ladder.json."""
    required = facts["rungs"][0]["required"]
    successes = [
        (f"m = {_shown(one)}: {one['successes']} of {one['trials']}", one["successes"] / one["trials"], one["interval"])
        for one in facts["rungs"]
    ]
    constants = [
        (f"m = {_shown(one)}", [(one["constant"]["name"], one["constant"]["log10"])])
        for one in facts["rungs"]
        if one["constant"] is not None
    ]
    pictures = [intervals_facts("success", "success probability", successes, [(f"required: {required:g}", required)])]
    pictures += [found for found in (sizes_facts("constants", "the constant that makes m enough", constants),) if found]
    first, *rest = facts["summary"]
    left_out = tuple(Paragraph(f"Left out: {name}: {why}") for name, why in facts["left_out"].items())
    folders: tuple[tuple[Text, ...], ...] = tuple(
        (_shown(one), Code(f"{one['folder']}/report.html")) for one in facts["rungs"]
    )
    return Document(
        f"{facts['theorem']} from width to width",
        (first, data_words(facts["run"]["data"])),
        "good" if facts["holds_from"] and facts["holds_from"]["width"] is not None else "open",
        (
            Section("Widths", (*map(Paragraph, rest), without_empty_columns(_widths(facts)))),
            Section("Pictures", (Pictures(tuple(pictures)),)),
            Section(
                "What was planned",
                (Paragraph(facts["asked"]), Table(_PLANNED, tuple(_planned(facts))), *left_out, _ELSEWHERE),
            ),
            Section("The report of every width", (Table(("m", "report"), folders),)),
            *run_sections(facts["run"]),
        ),
        f"{LADDER}.json",
    )


def write_ladder(ladder: Ladder, folder: Path) -> tuple[Path, ...]:
    """Write ladder.json, .html, .md and .tex; the reports of the rungs are in their folders.

    Raises:
        InputError: they cannot be written.
    """
    facts = ladder_json(ladder)
    written = write_text(folder / f"{LADDER}.json", json_text(facts))
    return written, *write_forms(ladder_document(facts), folder, LADDER)


_ELSEWHERE = Paragraph("Memory and time are those of this machine: on another one, other widths may be left out.")
_HEADER = (
    "m",
    "engine",
    "found",
    "succeeded",
    "95 % interval",
    "guarantee",
    "verdict",
    "constant that makes m enough",
)
_PLANNED = ("m", "engine", "memory", "time, estimated", "time, taken by this start")


def _summary(ladder: Ladder) -> list[str]:
    """What a ladder comes to, in sentences."""
    lines, start, limit, widest = [], ladder.start, ladder.limit, ladder.widest
    if start is None:
        lines.append(
            "What is guaranteed is not shown to happen at the widest of these widths, and so from no width on."
        )
    elif start.rung.width is None:
        lines.append("What is guaranteed is shown to happen in the limit m → ∞, and at no width that was tried.")
    else:
        which = (
            "the only width" if len(ladder.climbed) == 1 else "and at all wider ones here, each with 95 % confidence"
        )
        lines.append(f"What is guaranteed is shown to happen at m = {start.rung.width}, {which}.")
        use, found = start.constant, start.result.prescribed
        if use is not None:
            at = "".join(f" (at its {name} = {float(value):.4g})" for name, value in found.found.items())
            lines.append(
                f"With {use.name} = {show_fraction(use.value)} the statement asks for no more than that width; at "
                f"the constants in use it asks for m ≥ {found.solutions['width'].number} there{at}."
            )
    if not ladder.reached:
        lines.append("No finite width here is one that the statement asks for at the constants in use.")
        if widest is not None:
            lines.append(
                f"At the widest finite one, m = {widest.rung.width} ({widest.rung.engine}), where it asks for m ≥ "
                f"{widest.result.prescribed.solutions['width'].number}: {_counted(widest)}."
            )
        if limit is not None:
            lines.append(f"In the limit m → ∞, which is no network: {_counted(limit)}.")
    return lines


def _counted(one: Climbed) -> str:
    result = one.result
    said = _guarantee(one.holds, result.conclusion.vacuous)
    return f"{result.successes} of {len(result.trained)} inits {result.conclusion.success} ({said})"


def _guarantee(holds: bool | None, vacuous: bool) -> str:
    return "says nothing" if vacuous else {True: "holds", False: "fails", None: "undecided"}[holds]


def _rung_json(one: Climbed) -> dict[str, Any]:
    result = one.result
    return {
        "width": one.rung.width,
        "engine": one.rung.engine,
        "folder": one.rung.name,
        "bytes": one.rung.cost.bytes,
        "estimated_seconds": one.rung.seconds,
        "seconds": one.seconds,
        "successes": result.successes,
        "undecided": result.undecided,
        "trials": len(result.trained),
        "interval": list(result.interval),
        "required": 1 - float(result.case.failure),
        "holds": one.holds,
        "vacuous": result.conclusion.vacuous,
        "verdict": result.verdict,
        "found": {name: float(value) for name, value in result.prescribed.found.items()},
        "prescribed": result.prescribed.solutions["width"].number,
        "asked_for": one.asked_for,
        "constant": _constant_json(one),
    }


def _constant_json(one: Climbed) -> dict[str, Any] | None:
    use = one.constant
    if use is None:
        return None
    log10 = math.log10(use.value.numerator) - math.log10(use.value.denominator)
    return {"name": use.name, "value": show_fraction(use.value), "log10": log10}


def _widths(facts: Facts) -> Table:
    rows = [
        (
            _shown(one),
            one["engine"],
            ", ".join(f"{name} = {value:.4g}" for name, value in one["found"].items()) or "–",
            f"{one['successes']} of {one['trials']}",
            f"{one['interval'][0]:.3f} to {one['interval'][1]:.3f}",
            _guarantee(one["holds"], one["vacuous"]),
            one["verdict"],
            "–" if one["constant"] is None else _constant(one["constant"]),
        )
        for one in facts["rungs"]
    ]
    return Table(_HEADER, tuple(rows))


def _constant(facts: Facts) -> Text:
    # All digits of it, as --set takes them: rounded to fewer it might not do.
    return f"{facts['name']} = ", number(facts["value"])


def _planned(facts: Facts) -> list[tuple[Text, ...]]:
    return [
        (
            _shown(one),
            one["engine"],
            show_bytes(one["bytes"]),
            _seconds(one["estimated_seconds"]),
            _seconds(one["seconds"]),
        )
        for one in facts["rungs"]
    ]


def _shown(facts: Facts) -> str:
    return LIMIT if facts["width"] is None else str(facts["width"])


def _asked(plan: Plan) -> str:
    guess = ", ".join(f"{name} ≈ {float(value):.4g} (guessed)" for name, value in plan.guess.items())
    reached = "which an engine reaches here" if plan.reached else "which no finite engine reaches here"
    return f"Prescribed: m ≥ {plan.prescribed.number}{f' at {guess}' if guess else ''}, {reached}; {plan.steps} steps."


def _width(rung: Rung) -> str:
    return LIMIT if rung.width is None else str(rung.width)


def _seconds(seconds: float) -> str:
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"
