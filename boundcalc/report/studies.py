"""Calibrated constants and measured exponents, as text and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from boundcalc.errors import InputError
from boundcalc.symbols import show_fraction
from boundcalc.verify.calibration import Calibration, Need, constants_toml, widths
from boundcalc.verify.scaling import Scaling


def calibration_text(calibration: Calibration) -> str:
    """What was measured at every setting, the constants, how they did where left out, and the widths they ask for."""
    names = [constant.name for constant in calibration.constants]
    asked = widths(calibration)
    rows = [
        (
            need.setting.name.replace("_", "/"),
            f"{need.successes} of {need.inits}",
            *(_power(need.log10.get(name)) for name in names),
            "–" if need.smallest_width is None else str(need.smallest_width),
            _power(width.calibrated),
            _power(width.unit),
        )
        for need, width in zip(calibration.needs, asked, strict=True)
    ]
    headers = (
        "setting", "successes", *(f"{name} needed" for name in names), "smallest width", "m* as calibrated",
        "m* at C = 1",
    )  # fmt: skip
    fitted = [
        (c.name, show_fraction(c.value), f"{c.held} of {c.settings}", f"{c.room:.3g}") for c in calibration.constants
    ]
    share = (
        f"With 95 % confidence at most a share {calibration.exceeded:.3g} of fresh inits, each at one of these "
        "settings drawn at random, needs more than a constant measured init by init."
    )
    return "\n\n".join(
        (
            f"{calibration.key}, calibrated on {calibration.on}",
            tabulate(rows, headers=headers, disable_numparse=True),
            tabulate(
                fitted, headers=("constant", "calibrated", "held where left out", "room (median)"),
                disable_numparse=True,
            ),
            share,
            _ROOM,
            *_withheld_text(calibration),
        )
    )  # fmt: skip


_ROOM = (
    "Held where left out: in how many settings the inequality holds at the constant fitted on all the others. Room: "
    "how many times that constant exceeds the one needed there."
)


def _withheld_text(calibration: Calibration) -> tuple[str, ...]:
    """Which constants were measured and are not given, and why."""
    names = sorted({name for need in calibration.needs for name in need.withheld})
    if not names:
        return ()
    return (
        f"Not calibrated: {', '.join(names)}, as what is prescribed is out of reach and the runs chose their own step "
        "size; the number of steps it took says nothing at another.",
    )


def write_calibration(calibration: Calibration, folder: Path) -> tuple[Path, ...]:
    """Write constants.toml, calibration.json and calibration.md into a folder.

    Raises:
        InputError: it cannot be written to.
    """
    contents = {
        "constants.toml": constants_toml(calibration),
        "calibration.json": json.dumps(calibration_json(calibration), ensure_ascii=False, indent=2) + "\n",
        "calibration.md": f"# {calibration.key}, calibrated\n\n```\n{calibration_text(calibration)}\n```\n",
    }
    try:
        for name, text in contents.items():
            (folder / name).write_text(text, "utf-8")
    except OSError as problem:
        raise InputError(f"cannot write into {str(folder)!r}: {problem.strerror}; mend that and run again") from None
    return tuple(folder / name for name in contents)


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """The JSON object of a calibration."""
    return {
        "theorem": calibration.key,
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
                "log10_width_as_calibrated": _finite(width.calibrated),
                "log10_width_at_unit_constants": _finite(width.unit),
            }
            for need, width in zip(calibration.needs, widths(calibration), strict=True)
        ],
    }


def _need_json(need: Need) -> dict[str, Any]:
    return {
        "values": {name: show_fraction(value) for name, value in need.setting.values.items()},
        "inits": need.inits,
        "successes": need.successes,
        "log10_needed": {name: _finite(value) for name, value in need.log10.items()},
        "smallest_width": need.smallest_width,
    }


def scalings_text(key: str, scalings: Sequence[Scaling]) -> str:
    """The exponents beside the theorem's, and what sufficed at each value (the median over the inits)."""
    rows = []
    for one in scalings:
        with_all = one.sufficed[np.isfinite(one.sufficed).all(axis=1)]
        points = ", ".join(
            f"{value:g}: {np.median(column):g}" for value, column in zip(one.values, with_all.T, strict=True)
        )
        interval = "–" if one.interval is None else f"[{one.interval[0]:.2f}, {one.interval[1]:.2f}]"
        used = f"{one.used} of {len(one.sufficed)}"
        rows.append((one.of, one.name, f"{one.exponent:.2f}", interval, f"{one.theorem:.2f}", used, points))
    table = tabulate(
        rows,
        headers=("smallest", "in", "exponent", "95 % interval", "theorem's", "inits used", "median at each value"),
        disable_numparse=True,
    )
    return f"{key}: exponents of what sufficed\n\n{table}\n\n{_FITTED}"


_FITTED = (
    "Each init gives one least-squares exponent; the interval is Student's over the inits. The theorem's exponent is "
    "that of what it prescribes at the same values, with what was measured there (R, B, γ) put in. What suffices need "
    "not be necessary, and the theorem's exponent is one of a sufficient condition."
)


def scaling_json(one: Scaling) -> dict[str, Any]:
    """The JSON object of one exponent."""
    return {
        "smallest": one.of,
        "in": one.name,
        "values": one.values.tolist(),
        "sufficed": [[_finite(value) for value in row] for row in one.sufficed.tolist()],
        "prescribed_log10": [_finite(value) for value in one.prescribed.tolist()],
        "exponent": one.exponent,
        "interval": None if one.interval is None else list(one.interval),
        "theorem": _finite(one.theorem),
        "inits_used": one.used,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _power(log10: float | None) -> str:
    """A number of any size from its log₁₀."""
    if log10 is None or math.isnan(log10):
        return "–"
    if log10 == -math.inf:
        return "0"
    whole = math.floor(log10)
    return f"{10**log10:.3g}" if abs(log10) < 5 else f"{10 ** (log10 - whole):.3f}e{whole}"
