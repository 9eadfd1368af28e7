"""A finished verification as report.json, report.md and a self-contained report.html."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from boundcalc.constants import ConstantUse
from boundcalc.errors import InputError
from boundcalc.notation import bound_text
from boundcalc.report.answers import constants_json, json_number
from boundcalc.solving import Solution
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.verify.case import show_bytes
from boundcalc.verify.checks import Check, Picture
from boundcalc.verify.probes import Probe
from boundcalc.verify.runner import Result
from boundcalc.verify.statistics import CONFIDENCE

_CURVE_POINTS = 400

# Colours that are told apart by all eyes (Okabe and Ito), on white and on black.
_INITS, _LEVEL = "#33658a", "#c1292e"
_NAMED = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
_DASHES = ("-", "--", ":", "-.")


def _number(value: float | None) -> float | None:
    """A JSON number; JSON has no infinity, and null says that there is none."""
    return value if value is not None and math.isfinite(value) else None


def _check_json(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "measured": _number(check.measured),
        "bound": _number(check.bound),
        "slack": _number(check.slack),
        "holds": check.holds,
        "claimed": check.claimed,
        "bound_is": check.bound_is,
        "refuted_if": check.refuted_if,
        "constant": check.constant or None,
        "needed": _number(check.needed),
    }


def _prescribed_json(solution: Solution) -> int | str | None:
    if solution.status == "empty":
        return None
    if solution.value is None:
        return f"10^{solution.log10:.12g}"
    return int(solution.value) if solution.value.isdigit() else solution.value


def verification_json(result: Result, probes: Sequence[Probe] = ()) -> dict[str, Any]:
    """The object of report.json; numbers that do not exist (an infinite loss, a step never reached) are null."""
    case, prescribed, reach = result.case, result.prescribed, result.reach
    solutions = prescribed.solutions
    inputs = {**case.inputs, **prescribed.found}
    return {
        "theorem": case.theorem.key,
        "source": str(case.theorem.source),
        "guarantee": [bound_text(bound) for bound in case.theorem.guarantees],
        "verdict": result.verdict,
        "success": result.conclusion.success,
        "successes": result.successes,
        "undecided": result.undecided,
        "trials": len(result.trained),
        "interval": list(result.interval),
        "confidence": CONFIDENCE,
        "required": float(1 - case.failure),
        "prescribed": {name: _prescribed_json(solution) for name, solution in solutions.items()},
        "formulas": {name: [bound_text(b) for b in solution.bounds] for name, solution in solutions.items()},
        "out_of_reach": (
            None if reach.fits else {"bytes_needed": reach.bytes_needed, "bytes_available": reach.bytes_available}
        ),
        "run": {
            "engine": "dense",
            "width": case.width,
            "step_size": prescribed.step_size,
            "iterations": prescribed.steps,
            "dtype": case.options.dtype,
            "device": str(case.device),
            "seed": case.options.seed,
            "batch": case.batch,
        },
        "premises": [
            {"name": p.name, "met": p.met, "certified": p.certified, "evidence": p.evidence} for p in result.premises
        ],
        "checks": [_check_json(check) for check in result.conclusion.checks],
        "probes": [_probe_json(probe) for probe in probes],
        "constants": constants_json(result.constants),
        "policy": case.policy.name + "".join(f", {use.name} chosen from {_of_the_run(use)}" for use in result.chosen),
        "inputs": {name: json_number(value) for name, value in inputs.items()}
        | {"n": case.train.n, "d": case.train.d, "m": case.width},
        "assumed": {assumed.name: json_number(assumed.value) for assumed in case.assumed},
        "measured": [
            {"name": e.name, "symbol": e.symbol, "value": e.value, "direction": e.direction, "method": e.method}
            for e in case.measured
        ],
        "data": {
            "source": case.options.data,
            "classes": {"+1": case.train.labels[1], "-1": case.train.labels[0]},
            "train": case.train.n,
            "held_out": case.test.n,
            "d": case.train.d,
            "test_fraction": float(case.options.test_fraction),
        },
        "initializations": [
            {
                "trial": number,
                "success": record.success,
                **(result.certificates[number].facts if number in result.certificates else {}),
                **record.facts,
            }
            for number, record in sorted(result.trained.items())
        ],
        "notes": list(result.conclusion.notes),
        "versions": dict(result.versions),
        "machine": result.machine,
    }


def _probe_json(probe: Probe) -> dict[str, Any]:
    return {
        "quantity": VOCABULARY[probe.name].quantity,
        "symbol": probe.name,
        "factor": float(probe.factor),
        "value": probe.value,
        "successes": probe.successes,
        "undecided": probe.undecided,
        "trials": probe.trials,
        "interval": None if probe.interval is None else list(probe.interval),
        "problem": probe.problem or None,
    }


def _of_the_run(use: ConstantUse) -> str:
    """What a constant was chosen from, from the words that say so."""
    return use.origin.removeprefix("chosen so that ").removesuffix(" suffices")


def verdict_line(result: Result) -> str:
    """The verdict in one line."""
    low, high = result.interval
    undecided = f" ({result.undecided} could not be decided)" if result.undecided else ""
    return (
        f"{result.case.theorem.key}: {result.verdict}: {result.successes} of {len(result.trained)} inits "
        f"{result.conclusion.success}{undecided}; success probability in [{low:.4f}, {high:.4f}] ({CONFIDENCE:.0%}), "
        f"required ≥ {float(1 - result.case.failure):g}"
    )


def probe_line(probes: Sequence[Probe]) -> str:
    """What became of the probes, in one line."""
    parts = [
        f"{probe.name}×{show_fraction(probe.factor)} {probe.successes} of {probe.trials}"
        if not probe.problem
        else f"{probe.name}×{show_fraction(probe.factor)} could not be run"
        for probe in probes
    ]
    return f"both sides: {', '.join(parts)} inits succeeded"


def width_line(result: Result) -> str:
    """The prescribed width, and what became of it, in one line."""
    case, width = result.case, result.prescribed.solutions.get("width")
    if width is None:
        return f"no width is prescribed; run at width {case.width}"
    found = ", ".join(f"{name} = {show_fraction(value)}" for name, value in result.prescribed.found.items())
    if width.status == "empty":
        return f"no width satisfies every condition at {found}; run at width {case.width}{_suffices(result)}"
    line = f"prescribed width m ≥ {width.number}" + (f" and ≤ {width.upper.number}" if width.upper else "")
    line += f" at {found}" if found else ""
    below = width.upper is None or math.log10(case.width) <= width.upper.log10
    if width.value is not None and int(width.value) <= case.width and below:
        return f"{line}: width {case.width} satisfies it"
    available = show_bytes(result.reach.bytes_available)
    reach = "within reach" if result.reach.fits else "out of reach here"
    line += f": {reach} ({result.reach.bytes_needed} of weights a network, {available} available)"
    return f"{line}; trained at width {case.width}{_suffices(result)}"


def _suffices(result: Result) -> str:
    """At which constants the width of the run satisfies the conditions, in words."""
    if not result.chosen:
        return ", which does not suffice at the constants given"
    sides = [
        f"{use.name} {'≥' if use.direction == 'small' else '≤'} {show_fraction(use.value)}" for use in result.chosen
    ]
    return f", which suffices if {' and '.join(sides)}"


def _figures(result: Result) -> dict[str, str]:
    """The plots as SVG, by name."""
    return {picture.name: _svg(partial(_draw, picture)) for picture in result.conclusion.pictures}


def _draw(picture: Picture, figure: Figure) -> None:
    axes = figure.add_subplot()
    if picture.histogram is not None:
        axes.hist(picture.histogram, bins=min(24, max(np.unique(picture.histogram).size, 1)), color=_INITS)
    for line in picture.inits:
        chosen = _thinned(line.x.size)
        axes.plot(line.x[chosen], line.y[chosen], color=_INITS, alpha=0.35, linewidth=0.8)
    for index, line in enumerate(picture.lines):
        chosen = _thinned(line.x.size)
        axes.plot(line.x[chosen], line.y[chosen], color=_NAMED[index % len(_NAMED)], label=line.label, linewidth=1.2)
        if line.low is not None and line.high is not None:
            shade = _NAMED[index % len(_NAMED)]
            axes.fill_between(line.x[chosen], line.low[chosen], line.high[chosen], color=shade, alpha=0.2, linewidth=0)
    for index, (label, level) in enumerate(picture.levels):
        axes.axhline(level, color=_LEVEL, linewidth=1.2, linestyle=_DASHES[index % len(_DASHES)], label=label)
    axes.set(xlabel=picture.x, ylabel=picture.y)
    if picture.log_x:
        axes.set_xscale("log")
    if picture.log_y:
        axes.set_yscale("log")
    if picture.lines or picture.levels:
        axes.legend(frameon=False)


def _thinned(size: int) -> NDArray[np.intp]:
    """Which points of a curve to draw: evenly spread over the logarithm of their number."""
    if size <= _CURVE_POINTS:
        return np.arange(size)
    return np.unique(np.geomspace(1, size, _CURVE_POINTS).astype(np.intp)) - 1


def _svg(draw: Callable[[Figure], None]) -> str:
    # A fixed salt: the same run gives the same file.
    with rc_context(
        {"svg.hashsalt": "boundcalc", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    ):
        figure = Figure(figsize=(6.4, 3.6), layout="constrained")
        draw(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _show(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _cell(value: Any) -> str:
    """A fact of an init, as the table shows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_cell(part) for part in value)
    return _show(value) if isinstance(value, float) or value is None else str(value)


def write_reports(result: Result, folder: Path, probes: Sequence[Probe] = ()) -> tuple[Path, ...]:
    """Write report.json, report.md and report.html into the run's folder; each file appears whole or not at all."""
    facts = verification_json(result, probes)
    context = {
        "facts": facts,
        "verdict_line": verdict_line(result),
        "width_line": width_line(result),
        "columns": list(dict.fromkeys(name for init in facts["initializations"] for name in init)),
        "assumed": [
            (assumed.name, VOCABULARY[assumed.name].meaning, json_number(assumed.value), assumed.how)
            for assumed in result.case.assumed
        ],
    }
    html = _environment(autoescape=True).get_template("verification.html.jinja")
    markdown = _environment(autoescape=False).get_template("verification.md.jinja")
    contents = {
        "report.json": json.dumps(facts, ensure_ascii=False, indent=2, allow_nan=False) + "\n",
        "report.md": markdown.render(**context),
        "report.html": html.render(figures=_figures(result), **context),
    }
    return tuple(_write(folder / name, text) for name, text in contents.items())


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("boundcalc", "report"),
        autoescape=select_autoescape(default=True) if autoescape else False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["show"] = _show
    environment.filters["cell"] = _cell
    return environment


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, "utf-8")
        os.replace(partial, path)
    except OSError as problem:
        raise InputError(
            f"cannot write {str(path)!r}: {problem.strerror}; the trials are kept, so mend that and run again"
        ) from None
    return path
