"""A finished verification as report.json, report.md and a self-contained report.html."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from matplotlib import rc_context
from matplotlib.figure import Figure

from boundcalc.errors import InputError
from boundcalc.notation import bound_text
from boundcalc.report.answers import constants_json, json_number
from boundcalc.solving import Solution
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.verify.checks import Check
from boundcalc.verify.runner import Result, show_bytes
from boundcalc.verify.statistics import CONFIDENCE

_CURVE_POINTS = 400

NOTES = (
    "R, and with it T, is the largest that was found over these very inits; the interval takes both as given.",
    "R is an upper estimate of the least R: a smaller one would prescribe fewer iterations and a smaller width.",
    "0-1 errors count an output of exactly 0 as an error.",
)
"""What a reader must know to weigh the numbers."""


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
    }


def _prescribed_json(solution: Solution) -> int | str | None:
    if solution.value is None:
        return f"10^{solution.log10:.12g}"
    return int(solution.value) if solution.value.isdigit() else solution.value


def verification_json(result: Result) -> dict[str, Any]:
    """The object of report.json; numbers that do not exist (an infinite loss, a step never reached) are null."""
    plan, prescribed = result.plan, result.prescribed
    solutions = {
        "width": prescribed.width,
        "step-size": prescribed.step_size,
        "iterations": prescribed.iterations,
        "loss": prescribed.target,
    }
    return {
        "theorem": plan.theorem.key,
        "source": str(plan.theorem.source),
        "guarantee": [bound_text(bound) for bound in plan.theorem.guarantees],
        "verdict": result.verdict,
        "successes": result.successes,
        "trials": len(result.trials),
        "interval": list(result.interval),
        "confidence": CONFIDENCE,
        "required": 1 - float(plan.inputs["delta"]),
        "prescribed": {name: _prescribed_json(solution) for name, solution in solutions.items()},
        "formulas": {name: [bound_text(b) for b in solution.bounds] for name, solution in solutions.items()},
        "out_of_reach": (
            None
            if prescribed.fits
            else {"bytes_needed": prescribed.bytes_needed, "bytes_available": prescribed.bytes_available}
        ),
        "run": {
            "engine": "dense",
            "width": plan.width,
            "step_size": prescribed.eta,
            "iterations": prescribed.T,
            "dtype": plan.options.dtype,
            "device": str(plan.device),
            "seed": plan.options.seed,
            "batch": plan.batch,
        },
        "premises": [{"name": p.name, "met": p.met, "evidence": p.evidence} for p in result.premises],
        "checks": [_check_json(check) for check in result.checks],
        "constants": constants_json(prescribed.constants),
        "policy": plan.policy.name + (", C_m chosen from the width" if prescribed.chosen else ""),
        "inputs": {name: json_number(value) for name, value in plan.inputs.items()}
        | {"R": float(result.R), "n": plan.train.n, "d": plan.train.d, "m": plan.width},
        "assumed": {assumed.name: json_number(assumed.value) for assumed in plan.assumed},
        "data": {
            "source": plan.options.data,
            "classes": {"+1": plan.train.labels[1], "-1": plan.train.labels[0]},
            "train": plan.train.n,
            "held_out": plan.test.n,
            "d": plan.train.d,
            "test_fraction": float(plan.options.test_fraction),
        },
        "initializations": [
            {
                "trial": number,
                "R": certificate.radius,
                "worst_loss_at_R": certificate.worst_loss,
                "first_step_reached": trial.first_reached,
                "initial_loss": _number(float(trial.loss[0])),
                "final_loss": _number(float(trial.loss[-1])),
                "distance_times_m_alpha": [
                    _number(d * plan.width ** float(plan.inputs["alpha"])) for d in trial.furthest
                ],
                "train_error": trial.train_error,
                "held_out_error": trial.test_error,
            }
            for number, trial in sorted(result.trials.items())
            for certificate in (result.certificates[number],)
        ],
        "notes": list(NOTES),
        "versions": dict(result.versions),
        "machine": result.machine,
    }


def verdict_line(result: Result) -> str:
    """The verdict in one line."""
    low, high = result.interval
    return (
        f"{result.plan.theorem.key}: {result.verdict}: {result.successes} of {len(result.trials)} inits reached "
        f"training loss ≤ {result.prescribed.target.number} within T = {result.prescribed.T}; success probability in "
        f"[{low:.4f}, {high:.4f}] ({CONFIDENCE:.0%}), required ≥ {1 - float(result.plan.inputs['delta']):g}"
    )


def width_line(result: Result) -> str:
    """The prescribed width, and what became of it, in one line."""
    prescribed, plan = result.prescribed, result.plan
    line = f"prescribed width m ≥ {prescribed.width.number} at R = {show_fraction(result.R)}"
    if prescribed.reached:
        return f"{line}: width {plan.width} satisfies it"
    available = show_bytes(prescribed.bytes_available)
    reach = "within reach" if prescribed.fits else "out of reach here"
    line += f": {reach} ({prescribed.bytes_needed} of weights a network, {available} available)"
    line += f"; trained at width {plan.width}"
    if not prescribed.chosen:
        return f"{line}, which does not suffice at the constants given"
    constant = next(use for use in prescribed.constants if use.name == "C_m")
    return f"{line}, which suffices if C_m ≤ {show_fraction(constant.value)}"


def _figures(result: Result) -> dict[str, str]:
    """The plots as SVG, by name."""
    target, T = float(result.prescribed.target.value or 0), result.prescribed.T
    scale = result.plan.width ** float(result.plan.inputs["alpha"])
    trials = [result.trials[number] for number in sorted(result.trials)]

    def losses(figure: Figure) -> None:
        axes = figure.add_subplot()
        steps = np.unique(np.geomspace(1, T + 1, _CURVE_POINTS).astype(int)) - 1
        for trial in trials:
            axes.plot(steps + 1, trial.loss[steps], color="#33658a", alpha=0.35, linewidth=0.8)
        axes.axhline(target, color="#c1292e", linewidth=1.2, label=f"guarantee: 3ε = {target:g}")
        axes.set(xscale="log", yscale="log", xlabel="step t + 1", ylabel="training loss L_S(W(t))")
        axes.legend(frameon=False)

    def distances(figure: Figure) -> None:
        axes = figure.add_subplot()
        for trial in trials:
            furthest = np.max(np.asarray(trial.distances), axis=1) * scale
            axes.plot(np.asarray(trial.distance_steps), furthest, color="#33658a", alpha=0.35, linewidth=0.8)
        axes.axhline(float(result.R), color="#c1292e", linewidth=1.2, label=f"R = {float(result.R):.4g}")
        axes.set(xscale="log", xlabel="step t", ylabel="max over layers of ‖W_l(t) − W_l(0)‖ · m^α")
        axes.legend(frameon=False)

    def first_steps(figure: Figure) -> None:
        axes = figure.add_subplot()
        reached = [trial.first_reached for trial in trials if trial.first_reached is not None]
        axes.hist(reached, bins=min(24, max(len(set(reached)), 1)), color="#33658a")
        axes.set(xlabel=f"first step with training loss ≤ 3ε (T = {T})", ylabel="inits")

    return {"loss": _svg(losses), "distance": _svg(distances), "first step": _svg(first_steps)}


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


def write_reports(result: Result, folder: Path) -> tuple[Path, ...]:
    """Write report.json, report.md and report.html into the run's folder; each file appears whole or not at all."""
    facts = verification_json(result)
    context = {
        "facts": facts,
        "verdict_line": verdict_line(result),
        "width_line": width_line(result),
        "assumed": [
            (assumed.name, VOCABULARY[assumed.name].meaning, json_number(assumed.value), assumed.how)
            for assumed in result.plan.assumed
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
