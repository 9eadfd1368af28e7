"""Calibrated constants and measured exponents, as text, as JSON, and as reports made of that."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from boundcalc.report.answers import json_float
from boundcalc.report.document import (
    DIGITS,
    NONE,
    Block,
    Code,
    Document,
    Paragraph,
    Pictures,
    Section,
    Table,
    Text,
    joined,
    number,
    pieces,
    size,
    symbol,
    without_empty_columns,
)
from boundcalc.report.figures import picture_facts, sizes_facts
from boundcalc.report.forms import json_text, write_forms, write_text
from boundcalc.report.runs import Series, data_words, run_json, run_sections, study_command
from boundcalc.report.tables import fitted, folded, table_text
from boundcalc.report.verification import LAYOUT
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.verify.calibration import Calibration, Need, constants_toml, widths
from boundcalc.verify.checks import Line, Picture
from boundcalc.verify.scaling import Scaling

CALIBRATION, SCALING = "calibration", "scaling"
"""The files' names, but for the endings."""

_NARROWER = " (but for narrower networks, of which the smallest that suffices was looked for)"

_MOST_ROWS = 24
"""So many settings fit into a picture."""

Facts = Mapping[str, Any]


def calibration_text(facts: Facts, width: int | None = None) -> str:
    """What was measured at every setting, the constants, how they did where left out, and the widths they ask for.

    width: of the terminal, None where there is none.
    """
    share = (
        f"With 95 % confidence at most a share {facts['share_of_fresh_inits_that_need_more']:.3g} of fresh inits, each "
        "at one of these settings drawn at random, needs more than a constant measured init by init."
    )
    withheld = [_withheld(facts["withheld"])] if facts["withheld"] else []
    return "\n\n".join(
        (
            folded(f"{facts['theorem']}, calibrated on {facts['on']}", width),
            table_text(_setting_table(facts), width),
            *([table_text(_constant_table(facts), width)] if facts["constants"] else []),
            *(folded(words, width) for words in (_NEEDED, share, _ROOM, *withheld)),
        )
    )


_NEEDED = (
    "“Needed” is what would just have done there, in the worst init. The constant of a width is needed at the smallest "
    "m, with what was found at that m (R, say); the widths asked for are at what was found at the run's own m."
)
_ROOM = (
    "Held where left out: in how many settings the inequality holds at the constant fitted on all the others. Room: "
    "how many times that constant exceeds the one needed there."
)


def _withheld(names: Sequence[str]) -> str:
    return (
        f"Not calibrated: {', '.join(names)}, as what is prescribed is out of reach and the runs chose their own step "
        "size; the number of steps it took says nothing at another."
    )


def write_calibration(calibration: Calibration, folder: Path) -> tuple[Path, ...]:
    """Write constants.toml, calibration.json, .html, .md and .tex into a folder.

    Raises:
        InputError: it cannot be written to.
    """
    facts = calibration_json(calibration)
    return (
        write_text(folder / "constants.toml", constants_toml(calibration)),
        write_text(folder / f"{CALIBRATION}.json", json_text(facts)),
        *write_forms(calibration_document(facts), folder, CALIBRATION),
    )


def write_scalings(key: str, scalings: Sequence[Scaling], folder: Path) -> tuple[Path, ...]:
    """Write scaling.json, .html, .md and .tex into a folder.

    Raises:
        InputError: it cannot be written to.
    """
    facts = scalings_json(key, scalings)
    written = write_text(folder / f"{SCALING}.json", json_text(facts))
    return written, *write_forms(scalings_document(facts), folder, SCALING)


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """The JSON object of a calibration."""
    return {
        "layout": LAYOUT,
        "theorem": calibration.key,
        "run": _calibration_run(calibration),
        "on": calibration.on,
        "inits": calibration.inits,
        "share_of_fresh_inits_that_need_more": calibration.exceeded,
        "constants": [
            {
                "name": c.name,
                "value": show_fraction(c.value),
                "log10": c.log10,
                "settings": c.settings,
                "held_where_left_out": c.held,
                "room": c.room,
            }
            for c in calibration.constants
        ],
        "withheld": sorted({name for need in calibration.needs for name in need.withheld}),
        "settings": [
            _need_json(need)
            | {
                "log10_width_as_calibrated": json_float(width.calibrated),
                "log10_width_at_unit_constants": json_float(width.unit),
            }
            for need, width in zip(calibration.needs, widths(calibration), strict=True)
        ],
    }


def _calibration_run(calibration: Calibration) -> dict[str, Any]:
    parts = (Series(calibration.needs[0].case, calibration.varied),)
    command = study_command("calibrate", parts, () if calibration.narrowed else ("--no-width",))
    return run_json(parts, command, [need.constants for need in calibration.needs])


def _need_json(need: Need) -> dict[str, Any]:
    return {
        "values": {name: show_fraction(value) for name, value in need.setting.values.items()},
        "inits": need.inits,
        "successes": need.successes,
        "vacuous": need.vacuous,
        "found": {name: float(value) for name, value in need.found.items()},
        "log10_needed": {name: json_float(value) for name, value in need.log10.items()},
        "smallest_width": need.smallest_width,
    }


def scalings_text(key: str, scalings: Sequence[Scaling], width: int | None = None) -> str:
    """The exponents beside the theorem's, and what sufficed at each value (the median over the inits).

    width: of the terminal, None where there is none.
    """
    rows = []
    for one in scalings:
        with_all = one.sufficed[np.isfinite(one.sufficed).all(axis=1)]
        points = ", ".join(
            f"{value:g}: {np.median(column):g}" for value, column in zip(one.values, with_all.T, strict=True)
        )
        interval = "–" if one.interval is None else f"[{one.interval[0]:.2f}, {one.interval[1]:.2f}]"
        used = f"{one.used} of {len(one.sufficed)}"
        rows.append((one.of, one.name, f"{one.exponent:.2f}", interval, f"{one.theorem:.2f}", used, points))
    headers = ("smallest", "in", "exponent", "95 % interval", "theorem's", "inits used", "median at each value")
    return f"{key}: exponents of what sufficed\n\n{fitted(rows, headers, width)}\n\n{folded(_FITTED, width)}"


_FITTED = (
    "Each init gives one least-squares exponent (0 steps count as 1); the interval is Student's over the inits. The "
    "theorem's exponent is that of what it prescribes at the same values, with what was measured there (R, B, γ) put "
    "in. What suffices need not be necessary, and the theorem's exponent is one of a sufficient condition."
)


def scalings_json(key: str, scalings: Sequence[Scaling]) -> dict[str, Any]:
    """The JSON object of several exponents of one statement."""
    parts = [Series(one.case, {one.name: one.asked}) for one in scalings]
    made_at = [constants for one in scalings for constants in one.constants]
    run = run_json(parts, study_command("scaling", parts, ("--of", scalings[0].of)), made_at)
    return {"layout": LAYOUT, "theorem": key, "run": run, "scalings": [scaling_json(one) for one in scalings]}


def scaling_json(one: Scaling) -> dict[str, Any]:
    """The JSON object of one exponent."""
    return {
        "smallest": one.of,
        "in": one.name,
        "values": one.values.tolist(),
        "sufficed": [[json_float(value) for value in row] for row in one.sufficed.tolist()],
        "prescribed_log10": [json_float(value) for value in one.prescribed.tolist()],
        "exponent": one.exponent,
        "interval": None if one.interval is None else list(one.interval),
        "theorem": json_float(one.theorem),
        "inits_used": one.used,
    }


def calibration_document(facts: Facts) -> Document:
    """The report of a calibration, from calibration.json."""
    constants = facts["constants"]
    values = joined([(f"{one['name']} = ", *pieces(number(one["value"]))) for one in constants], ", ")
    many = "constants" if len(constants) != 1 else "constant"
    share = facts["share_of_fresh_inits_that_need_more"]
    data = Code(facts["run"]["data"]["source"])
    if not constants:
        lead: tuple[Text, ...] = (
            ("No constant calibrated on ", data, ": none that these runs tell of was needed above 0."),
        )
    else:
        lead = (
            ("Calibrated on ", data, ": ", *pieces(values), "."),
            f"Each is the value that would just have done in the worst of {facts['inits']} inits at "
            f"{len(facts['settings'])} settings. With 95 % confidence at most {100 * share:.3g} % of fresh inits at "
            "one of these settings need more of a constant that is measured init by init (that of the width is not).",
        )
    return Document(
        f"{facts['theorem']}: {len(constants)} {many} calibrated",
        lead,
        "open",
        (
            Section("The constants", tuple(_constants(facts))),
            Section("Setting by setting", tuple(_settings(facts))),
            *run_sections(facts["run"], _NARROWER if any(one["smallest_width"] for one in facts["settings"]) else ""),
        ),
        f"{CALIBRATION}.json",
    )


def _constants(facts: Facts) -> Iterator[Block]:
    if facts["constants"]:
        yield _constant_table(facts)
        yield Paragraph(_ROOM)
    if facts["withheld"]:
        yield Paragraph(_withheld(facts["withheld"]))


def _constant_table(facts: Facts) -> Table:
    rows = tuple(
        (
            Code(one["name"]),
            # All its digits, rounded to the side on which the inequality holds.
            number(one["value"]),
            f"{one['held_where_left_out']} of {one['settings']}",
            number(one["room"], 3),
        )
        for one in facts["constants"]
    )
    return Table(("constant", "calibrated", "held where left out", "room (median)"), rows)


def _setting_table(facts: Facts) -> Table:
    names = [one["name"] for one in facts["constants"]]
    found = list(dict.fromkeys(name for one in facts["settings"] for name in one["found"]))
    columns = (
        "setting", "successes", *(f"{VOCABULARY[name].text} found" for name in found),
        *(f"{name} needed" for name in names), "smallest m that sufficed",
        "m asked for, as calibrated", "m asked for at C = 1",
    )  # fmt: skip
    rows = tuple(
        (
            _setting(one),
            f"{one['successes']} of {one['inits']}" + (", vacuously" if one["vacuous"] else ""),
            *(number(one["found"].get(name)) for name in found),
            *(_needed(one, name) for name in names),
            number(one["smallest_width"]),
            _asked(one["log10_width_as_calibrated"]),
            _asked(one["log10_width_at_unit_constants"]),
        )
        for one in facts["settings"]
    )
    return Table(columns, rows)


def _settings(facts: Facts) -> Iterator[Block]:
    constants, settings = facts["constants"], facts["settings"]
    yield without_empty_columns(_setting_table(facts))
    if constants:
        yield Paragraph(_NEEDED)
    if len(settings) > _MOST_ROWS:
        return
    pictures = []
    for constant in constants:
        rows = [
            (
                _setting(one),
                [*_point(one, constant["name"]), ("calibrated", constant["log10"])],
            )
            for one in settings
        ]
        found = sizes_facts(constant["name"], f"hidden constant {constant['name']}", rows)
        pictures += [found] if found else []
    if pictures:
        yield Pictures(tuple(pictures))


def _point(one: Facts, name: str) -> list[tuple[str, float]]:
    """What a constant would have had to be at a setting, −∞ for 0; nothing where it was not measured."""
    measured = one["log10_needed"]
    if name not in measured:
        return []
    return [("needed there", -math.inf if measured[name] is None else measured[name])]


def _setting(one: Facts) -> str:
    return ", ".join(f"{VOCABULARY[name].text} = {value}" for name, value in one["values"].items())


def _needed(one: Facts, name: str) -> Text:
    """What a constant would have had to be at a setting: nothing is said of one that was not measured there."""
    if name not in one["log10_needed"]:
        return NONE
    log10 = one["log10_needed"][name]
    return "0" if log10 is None else size(log10)


def _asked(log10: float | None) -> Text:
    """A width: a whole number where it is not too long."""
    if log10 is None:
        return NONE
    return number(math.ceil(10**log10 * (1 - 1e-9))) if log10 < DIGITS else size(log10)


def scalings_document(facts: Facts) -> Document:
    """The report of measured exponents, from scaling.json."""
    scalings = facts["scalings"]
    said = "; ".join(
        f"the {_SMALLEST[one['smallest']]} grew like {VOCABULARY[one['in']].text} to the power "
        f"{_signed(one['exponent'])}"
        + (f" (95 % interval {' to '.join(map(_signed, one['interval']))})" if one["interval"] else "")
        + (f", what is prescribed to the power {_signed(one['theorem'])}" if one["theorem"] is not None else "")
        for one in scalings
    )
    pictures = [_grown(one) for one in scalings]
    return Document(
        f"{facts['theorem']}: exponents of what sufficed",
        (f"Measured: {said}.", data_words(facts["run"]["data"])),
        "open",
        (
            Section("Exponents", (_exponents(scalings), Paragraph(_FITTED))),
            Section("What sufficed", (Pictures(tuple(found for found in pictures if found)),)),
            *run_sections(facts["run"], _NARROWER if any(one["smallest"] == "m" for one in scalings) else ""),
        ),
        f"{SCALING}.json",
    )


_SMALLEST: Mapping[str, str] = MappingProxyType({"T": "smallest number of steps T", "m": "smallest width m"})


def _signed(exponent: float) -> str:
    return f"{exponent:.2f}".replace("-", "−")


def _exponents(scalings: Sequence[Facts]) -> Table:
    rows: list[tuple[Text, ...]] = [
        (
            _SMALLEST[one["smallest"]],
            symbol(one["in"]),
            _signed(one["exponent"]),
            "–" if one["interval"] is None else f"[{', '.join(map(_signed, one['interval']))}]",
            "–" if one["theorem"] is None else _signed(one["theorem"]),
            f"{one['inits_used']} of {len(one['sufficed'])}",
        )
        for one in scalings
    ]
    return Table(("what sufficed", "in", "exponent", "95 % interval", "theorem's", "inits used"), tuple(rows))


def _grown(one: Facts) -> dict[str, Any] | None:
    """What sufficed over the input, beside the theorem's growth from the same first point."""
    x = np.array(one["values"], dtype=np.float64)
    order = np.argsort(x)
    x = x[order]
    sufficed = np.array([[math.nan if v is None else v for v in row] for row in one["sufficed"]])[:, order]
    used = sufficed[np.isfinite(sufficed).all(axis=1)]
    entry = VOCABULARY[one["in"]]
    lines = []
    if one["theorem"] is not None and used.size:
        first = max(float(np.median(used[:, 0])), 1.0)
        lines.append(Line("growth with the theorem's exponent", x, first * (x / x[0]) ** one["theorem"]))
    return picture_facts(
        Picture(
            f"smallest {one['smallest']} in {one['in']}",
            entry.meaning,
            f"{_SMALLEST[one['smallest']]} that sufficed",
            tuple(Line(f"init {i}", x, row) for i, row in enumerate(used)),
            tuple(lines),
            log_y=True,
        )
    )
