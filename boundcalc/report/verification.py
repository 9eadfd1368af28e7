"""A finished verification as report.json, and from that as report.html, report.md and report.tex.

report.json holds all that the others show, the pictures' facts included, so that they can be written again without
the run, and so that several runs can be put side by side.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boundcalc.constants import ConstantUse, policy_of
from boundcalc.notation import bound_latex, bound_text, latex, text
from boundcalc.report.answers import constants_json, json_float, json_number
from boundcalc.report.figures import intervals_facts, picture_facts, sizes_facts
from boundcalc.report.forms import json_text, write_forms, write_text
from boundcalc.report.runs import data_arguments, data_json, origins_json, split_arguments, value_arguments, width_of
from boundcalc.report.verification_document import verification_document
from boundcalc.solving import Solution
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Bound, Guarantee, Theorem
from boundcalc.verify.case import Case, show_bytes
from boundcalc.verify.checks import Check
from boundcalc.verify.engines import deterministic
from boundcalc.verify.probes import Probe
from boundcalc.verify.runner import Result
from boundcalc.verify.statistics import CONFIDENCE
from boundcalc.verify.terms import guarantee_terms

LAYOUT = 4
"""Of report.json: what is of another layout cannot be made into a page again."""

REPORT = "report"
"""The files' name, but for the ending."""


def _check_json(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "measured": json_float(check.measured),
        "bound": json_float(check.bound),
        "slack": json_float(check.slack),
        "holds": check.holds,
        "claimed": check.claimed,
        "bound_is": check.bound_is,
        "refuted_if": check.refuted_if,
        "constant": check.constant or None,
        "needed": json_float(check.needed),
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
    chosen = [use for use in result.constants if use.basis == "chosen"]
    return {
        "layout": LAYOUT,
        "theorem": case.theorem.key,
        "source": str(case.theorem.source),
        "sentence": verdict_sentence(result),
        "width_sentence": width_line(result),
        "statement": _statement_json(case.theorem),
        "guarantee": [bound_text(bound) for bound in case.theorem.guarantees],
        "verdict": result.verdict,
        "success": result.conclusion.success,
        "successes": result.successes,
        "undecided": result.undecided,
        "trials": len(result.trained),
        "interval": list(result.interval),
        "confidence": CONFIDENCE,
        "interval_is": _interval_is(case),
        "required": float(1 - case.failure),
        "prescribed": {name: _prescribed_json(solution) for name, solution in solutions.items()},
        "formulas": {name: [bound_text(b) for b in solution.bounds] for name, solution in solutions.items()},
        "formulas_latex": {name: [bound_latex(b) for b in solution.bounds] for name, solution in solutions.items()},
        "chosen": {
            name: found
            for name, solution in solutions.items()
            if (found := [use.name for use in solution.constants if use.basis == "chosen"])
        },
        "out_of_reach": (
            None if reach.fits else {"bytes_needed": reach.bytes_needed, "bytes_available": reach.bytes_available}
        ),
        "run": {
            "engine": case.engine,
            "width": width_of(case),
            "step_size": prescribed.step_size,
            "iterations": prescribed.steps,
            "dtype": case.options.dtype,
            "device": str(case.device),
            "seed": case.options.seed,
            "batch": case.batch,
            "seconds": json_float(result.seconds),
        },
        "premises": [
            {"name": p.name, "met": p.met, "certified": p.certified, "evidence": p.evidence} for p in result.premises
        ],
        "checks": [_check_json(check) for check in result.conclusion.checks],
        "probes": [_probe_json(probe) for probe in probes],
        "terms": _terms_json(result),
        "constants": _constants_json(result),
        "policy": "; ".join([policy_of(result.constants), *(f"{use.name} {use.origin}" for use in chosen)]),
        "inputs": {name: json_number(value) for name, value in inputs.items()}
        | {"n": case.train.n, "d": case.train.d, "m": width_of(case)},
        "origins": origins_json(case, prescribed.found),
        "assumed": {assumed.name: json_number(assumed.value) for assumed in case.assumed},
        "measured": [
            {"name": e.name, "symbol": e.symbol, "value": e.value, "direction": e.direction, "method": e.method}
            for e in case.measured
        ],
        "data": data_json(case),
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
        "figures": _figures(result, probes),
        "command": reproduction(case, probes),
        "versions": dict(result.versions),
        "machine": result.machine,
    }


def _interval_is(case: Case) -> str:
    if deterministic(case):
        return "a single run tells it all: nothing is random here"
    given = ", given these training examples" if case.theorem.over_sample else ""
    return ("valid at any time" if case.options.anytime else "exact, by Clopper and Pearson") + given


def _statement_json(theorem: Theorem) -> dict[str, Any]:
    setting = theorem.setting
    return {
        "title": theorem.title,
        "provenance": theorem.provenance,
        "reading": theorem.reading,
        "setting": {
            "network": setting.network,
            "initialization": setting.init,
            "loss": setting.loss,
            "algorithm": setting.algorithm,
            "depth": setting.depth.counts,
        },
        "hypotheses": [{"name": h.name, "statement": h.statement} for h in theorem.hypotheses],
        "bounds": [_bound_json(bound) for bound in theorem.bounds],
        "notes": list(theorem.notes),
    }


def _bound_json(bound: Bound) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": type(bound).__name__.lower(),
        "text": bound_text(bound),
        "latex": bound_latex(bound),
        "note": bound.note or None,
        "provenance": bound.provenance or None,
    }
    if isinstance(bound, Guarantee) and bound.probability is not None:
        facts["probability"] = {
            "text": text(bound.probability),
            "latex": latex(bound.probability),
            "over": bound.over,
        }
    return facts


def _terms_json(result: Result) -> list[dict[str, Any]]:
    """The guarantees whose bounds are sums, term by term; a value that the training alone tells is null."""
    return [
        {
            "guarantee": bound_text(found.guarantee),
            "guarantee_latex": bound_latex(found.guarantee),
            "terms": [{"text": text(t.expr), "latex": latex(t.expr), "log10": t.log10} for t in found.terms],
            "check": found.check and found.check.name,
        }
        for found in guarantee_terms(result)
    ]


def _constants_json(result: Result) -> list[dict[str, Any]]:
    """The constants that went in, each with the values that would just do by the checks that measure it."""
    written = {constant.name: latex(constant) for constant in result.case.theorem.constants}
    return [
        facts
        | {
            "latex": written[facts["name"]],
            "log10": _log10(use),
            "needed": [
                {"check": check.name, "value": json_float(check.needed)}
                for check in result.conclusion.checks
                if check.constant == facts["name"] and check.needed is not None
            ],
        }
        for facts, use in zip(constants_json(result.constants), result.constants, strict=True)
    ]


def _log10(use: ConstantUse) -> float | None:
    """Of its value, None for 0; the parts of a fraction have logarithms even where it is beyond every float."""
    if use.value <= 0:
        return None
    return math.log10(use.value.numerator) - math.log10(use.value.denominator)


def _figures(result: Result, probes: Sequence[Probe]) -> list[dict[str, Any]]:
    """The pictures: what the experiment shows, the terms of its bound, what the constants are, who succeeded."""
    found = [picture_facts(picture) for picture in result.conclusion.pictures]
    return [figure for figure in (*found, *_terms_figures(result), _constants_figure(result)) if figure] + [
        _success_figure(result, probes)
    ]


def _terms_figures(result: Result) -> list[dict[str, Any] | None]:
    figures = []
    for found in guarantee_terms(result):
        rows: list[tuple[str, list[tuple[str, float | None]]]] = []
        if found.check is not None:
            sizes = (("measured", found.check.measured), ("of the bound", found.check.bound))
            rows = [
                ("measured and bound", [(name, _size(value)) for name, value in sizes if value is not None]),
            ]
        rows += [
            (_short(text(term.expr), i), [("of the bound", term.log10)])
            for i, term in enumerate(found.terms)
            if term.log10 is not None
        ]
        figures.append(sizes_facts("terms of the bound", f"terms of the bound on {text(found.guarantee.symbol)}", rows))
    return figures


def _short(formula: str, index: int) -> str:
    return formula if len(formula) <= 26 else f"term {index + 1}"


def _constants_figure(result: Result) -> dict[str, Any] | None:
    rows = []
    for facts in _constants_json(result):
        needed = [one["value"] for one in facts["needed"] if one["value"] is not None]
        if needed:
            worst = min(needed) if facts["direction"] == "small" else max(needed)
            in_use = -math.inf if facts["log10"] is None else facts["log10"]
            rows.append((facts["name"], [("would just do", _size(worst)), ("in use", in_use)]))
    return sizes_facts("constants", "hidden constants", rows) if rows else None


def _size(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf


def _success_figure(result: Result, probes: Sequence[Probe]) -> dict[str, Any]:
    trials = len(result.trained)
    rows = [(f"this run: {result.successes} of {trials}", result.successes / trials, result.interval)]
    rows += [
        (
            f"{VOCABULARY[probe.name].text} × {show_fraction(probe.factor)}: {probe.successes} of {probe.trials}"
            + (f", {probe.undecided} undecided" if probe.undecided else ""),
            probe.successes / probe.trials,
            probe.interval,
        )
        for probe in probes
        if probe.interval is not None
    ]
    required = float(1 - result.case.failure)
    return intervals_facts("success", "success probability", rows, [(f"required: {required:g}", required)], "probes")


def reproduction(case: Case, probes: Sequence[Probe] = ()) -> str:
    """The command that repeats a run, or continues it: nothing that was assumed or chosen for it is left open."""
    options = case.options
    widths = options.widths or (case.width,)
    arguments = ["boundcalc", "verify", case.theorem.key, *data_arguments(case)]
    arguments += ["--rows", str(options.rows)] if options.rows is not None else []
    arguments += ["--engine", case.engine] if case.engine == "matrixfree" else []
    arguments += ["--width", "inf" if case.engine == "infinite" else ",".join(map(str, widths))]
    arguments += ["--trials", str(case.trials), *split_arguments(case)]
    # Inits are trained together, and how many are decides how their numbers are rounded.
    arguments += ["--dtype", options.dtype, "--device", str(case.device), "--batch", str(case.batch)]
    arguments += ["--stop-early"] if options.anytime else []
    factors: dict[str, list[str]] = {}
    for probe in probes:
        factors.setdefault(probe.name, []).append(show_fraction(probe.factor))
    for setting in [f"{name}={','.join(shown)}" for name, shown in factors.items()] or ["none"]:
        arguments += ["--probe", setting]
    return f"{shlex.join([*arguments, *value_arguments(case)])} --out DIR"


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


def verdict_line(result: Result) -> str:
    """The verdict in one line."""
    low, high = result.interval
    undecided = f" ({result.undecided} could not be decided)" if result.undecided else ""
    return (
        f"{result.case.theorem.key}: {result.verdict}: {result.successes} of {len(result.trained)} {_inits(result)} "
        f"{result.conclusion.success}{undecided}; {_chance(result)} in [{low:.4f}, {high:.4f}] ({CONFIDENCE:.0%}), "
        f"required ≥ {float(1 - result.case.failure):g}"
    )


def _chance(result: Result) -> str:
    """What the interval is of."""
    return "success probability" + (" given these training examples" if result.case.theorem.over_sample else "")


def _inits(result: Result) -> str:
    """What the trials are, named for what it is."""
    return "inits at infinite width" if result.case.engine == "infinite" else "inits"


def verdict_sentence(result: Result) -> str:
    """The verdict in one sentence for a reader who knows no more than the statement's name."""
    key, low, high = result.case.theorem.key, *result.interval
    required = f"{float(1 - result.case.failure):g}"
    done = f"{result.successes} of {len(result.trained)} {_inits(result)} {result.conclusion.success}" + (
        f", {result.undecided} could not be decided" if result.undecided else ""
    )
    chance = _chance(result)
    between = f"with {100 * CONFIDENCE:g} % confidence the {chance} is between {low:.3f} and {high:.3f}"
    open_ = "; ".join(premise.name for premise in result.premises if not premise.certified)
    if result.verdict == "supported":
        rests = f" (not certified: {open_})" if open_ else ""
        return f"Supported: {done}; {between}, and {key} asserts at least {required}{rests}."
    if result.verdict in ("holds in the limit", "fails in the limit"):
        said = done if deterministic(result.case) else f"{done}; {between}"
        return (
            f"{result.verdict.capitalize()} m → ∞, which is no network: {said}, and {key} asserts at least {required}."
        )
    if result.verdict == "premise unmet":
        unmet = "; ".join(premise.name for premise in result.premises if not premise.met)
        return f"Premise unmet ({unmet}): {key} claims nothing of this run, in which {done}."
    if result.verdict == "vacuous":
        return f"Vacuous: at these inputs what {key} guarantees says nothing, whatever happens; {done}."
    if result.verdict == "refuted at these constants":
        return f"Refuted at these constants: {done}; {between}, and {key} asserts at least {required}."
    if high < float(1 - result.case.failure):
        return (
            f"Inconclusive: {done}; {between}, less than the {required} that {key} asserts, but not every premise is "
            f"certified ({open_}), so that nothing is refuted."
        )
    return f"Inconclusive: {done}; {between}, which does not decide whether it is {required} or more, as {key} asserts."


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
    found = ", ".join(f"{VOCABULARY[name].text} = {float(v):.6g}" for name, v in result.prescribed.found.items())
    if width.status == "empty":
        return f"no width satisfies every condition at {found}; run at width {case.width}{_suffices(result)}"
    line = f"prescribed width m ≥ {width.number}" + (f" and ≤ {width.upper.number}" if width.upper else "")
    line += f" at {found}" if found else ""
    if case.engine == "infinite":
        return (
            f"{line}; trained in the limit m → ∞, which is no network and stands in for one of width "
            f"10^{round(math.log10(case.width))}"
        )
    below = width.upper is None or math.log10(case.width) <= width.upper.log10
    if width.value is not None and int(width.value) <= case.width and below:
        next_one = case.width == int(width.value) + 1
        return f"{line}: width {case.width} satisfies it{' (the widths trained are even)' if next_one else ''}"
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


def write_reports(result: Result, folder: Path, probes: Sequence[Probe] = ()) -> tuple[Path, ...]:
    """Write report.json, .html, .md and .tex into the run's folder; each file appears whole or not at all."""
    facts = verification_json(result, probes)
    written = write_text(folder / f"{REPORT}.json", json_text(facts))
    return written, *write_forms(verification_document(facts), folder, REPORT)
