"""Plans as text for a terminal, tables for papers, and JSON objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import sympy

from boundcalc.budget import Plan
from boundcalc.budget.cost import RESOURCES
from boundcalc.budget.planner import Amount, Optimality, Split
from boundcalc.display import prose_latex
from boundcalc.notation import hidden_by, latex, text
from boundcalc.numerics import Scaled
from boundcalc.report.answers import constants_json, grouped, json_number
from boundcalc.report.papers import number_latex
from boundcalc.report.tables import fitted, folded, latex_table, listing, markdown_prose, markdown_table
from boundcalc.symbols import VOCABULARY, show_fraction

_LABEL = 16
"""Characters that the labels of rows take."""

_WRITTEN_OUT = 10**16


def number_text(value: Fraction) -> str:
    """A chosen number exactly: an integer below 10^16 written out, larger ones in scientific notation."""
    if value.denominator != 1:
        return show_fraction(value)
    if value < _WRITTEN_OUT:
        return str(int(value))
    digits = str(int(value))
    kept = digits.rstrip("0")
    return str(Scaled(int(kept), len(digits) - len(kept)))


def plan_text(plan: Plan, width: int | None = None) -> str:
    """A plan with everything that went into it, beside the even split; `width` is the terminal's, None without one."""
    lines = [folded(line, width) for line in _heading(plan)]
    for rows, headers in _tables(plan, text, _number_text):
        lines += ["", fitted(rows, headers, width, most=_MOST[: len(headers)], whole=range(1, len(headers)))]
    lines += ["", *listing(_said(plan), width, _LABEL)]
    return "\n".join(lines)


def plan_markdown(plan: Plan) -> str:
    """A plan as Markdown tables, and below them everything that went into it."""
    lines = _heading(plan)
    for rows, headers in _tables(plan, text, _number_text):
        lines += ["", markdown_table(rows, headers)]
    return "\n".join([*lines, "", *(f"- {label}: {markdown_prose(value)}" for label, value in _said(plan))])


def plan_latex(plan: Plan) -> str:
    """A plan as LaTeX tables; everything that went into it is said in comments. Needs booktabs, amsmath."""
    said = [*_heading(plan), *(f"{label}: {value}" for label, value in _said(plan))]
    tables = (latex_table(rows, headers) for rows, headers in _tables(plan, _in_math, _number_latex))
    return "\n".join([*(f"% {line}" for line in said), "\n\n".join(tables)])


_MOST = (60, None, None)


def _heading(plan: Plan) -> list[str]:
    theorem = plan.theorem
    asked = f"{theorem.key} [{theorem.reading}]: error ≤ {show_fraction(plan.target)} at the least {_cost_text(plan)}"
    unsolved = [f"{plan.status}: {plan.explanation}"] if plan.optimality is None else []
    return [asked, str(theorem.source), *unsolved]


def _said(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is said of a plan below its tables."""
    if plan.optimality is not None:
        yield from (*_comparison(plan), *_optimality(plan.optimality), *_checks(plan))
    yield from _origins(plan)


def _in_math(expr: sympy.Expr) -> str:
    return f"${latex(expr)}$"


def _number_text(number: str, words: str = "") -> str:
    """A number, and what is said after it."""
    return f"{grouped(number)} {words}".rstrip()


def _number_latex(number: str, words: str = "") -> str:
    return f"${number_latex(number)}$ {prose_latex(words)}".rstrip()


def _cost_text(plan: Plan) -> str:
    return " + ".join(
        name if weight == 1 else f"{show_fraction(weight)}·{name}" for name, weight in plan.weights.items()
    )


Tabled = tuple[list[tuple[str, ...]], tuple[str, ...]]
"""The rows of a table, and its headers."""


def _tables(plan: Plan, formula: Callable[[sympy.Expr], str], value: Callable[..., str]) -> Iterator[Tabled]:
    """What was chosen and what it costs; the terms of the error bound. `formula` and `value` write what cells hold."""
    best, even = plan.best, plan.even
    if best is None:
        return
    splits = [split for split in (best, even) if split is not None]
    headers = ("", "plan", "even split")
    rows = [
        (formula(VOCABULARY[name].expr), *(value(number_text(split.choices[name])) for split in splits))
        for name in best.choices
    ]
    if len(plan.weights) > 1:
        rows.append(("cost", *(value(split.cost.value) for split in splits)))
    for number, part in enumerate(best.parts):
        amounts = (value(split.parts[number].amount.value, part.unit) for split in splits)
        rows.append((part.resource, *amounts))
    yield rows, headers[: len(splits) + 1]
    # Those of the even split stand beside them where it uses the same branch of a minimum.
    if even is None or [term.expr for term in even.terms] != [term.expr for term in best.terms]:
        splits = [best]
    rows = [
        (formula(term.expr), *(value(*_share(split, number)) for split in splits))
        for number, term in enumerate(best.terms)
    ]
    yield rows, ("term of the error bound", *headers[1 : len(splits) + 1])


def _share(split: Split, number: int) -> tuple[str, str]:
    """A term's value, and its share of the target."""
    term = split.terms[number]
    if term.value.log10 <= -300:
        return term.value.value, ""
    return f"{float(term.value.value):.6g}", f"({term.share:.3%})"


def _comparison(plan: Plan) -> Iterable[tuple[str, str]]:
    if plan.ratio is None:
        yield "even split", "there is none: with an equal share of the target for each term, no choice meets it"
    else:
        yield "even split", f"costs {plan.ratio.value} times as much as the plan"


def _optimality(found: Optimality) -> Iterable[tuple[str, str]]:
    how = "at real numbers" if found.attained else "approached, but attained by no choice"
    yield "least cost", f"{found.least.value}, {how}; the plan costs {_percent(found.excess)} more"
    if found.free:
        names = ", ".join(VOCABULARY[name].text for name in found.free)
        yield "left open", f"{names}: the cost does not decide it; it was chosen as if it cost next to nothing"
    if found.scope == "global":
        yield "optimum", "global"
    else:
        yield (
            "optimum",
            "a stationary point, perhaps not global: logarithms of what is chosen stand in the inequalities",
        )
    if found.programs > 1:
        yield "optimum", f"reached by {found.programs} geometric programs in succession"
    if found.proven is None or found.gap is None:
        yield "proof", "none was found that nothing is cheaper"
    else:
        proof = f"no choice costs less than {found.proven.value}; the plan costs {_percent(found.gap)} more than that"
        yield "proof", proof
    yield "sensitivity", f"a target 1 % lower costs about {_percent(0.99**-found.exponent - 1)} more"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _checks(plan: Plan) -> Iterable[tuple[str, str]]:
    """The inequalities, each with what is left of it."""
    for check in plan.checks:
        if not math.isfinite(check.slack):
            continue
        left = "binding" if check.binding else f"met {check.slack:.6g} times over"
        yield "verified" if check.holds else "FAILS", f"{check.claim}: {left}"
    for name, value in plan.prescribed.items():
        yield "also prescribed", f"{VOCABULARY[name].text} = {value}"


def _origins(plan: Plan) -> Iterable[tuple[str, str]]:
    """Everything that went in."""
    theorem = plan.theorem
    yield "given", ", ".join(f"{name}={show_fraction(value)}" for name, value in plan.inputs.items()) or "nothing"
    for assumed in plan.assumed:
        yield "assumed", f"{assumed.name}={assumed.text}: {VOCABULARY[assumed.name].meaning}; {assumed.how}"
    for name in plan.unused:
        yield "not used", name
    for use in plan.constants:
        direction = f", {use.direction} enough" if use.direction != "any" else ""
        origin = f"{use.origin}; set it with --set {use.name}=…"
        yield (
            "constant",
            f"{use.name} = {show_fraction(use.value)}, hidden by {hidden_by(use.hides)}{direction}: {origin}",
        )
    yield "policy", plan.policy
    yield "provenance", theorem.provenance
    yield "depth", theorem.setting.depth.counts
    for part in plan.best.parts if plan.best else ():
        yield "counted", f"{part.resource} = {text(part.formula)}: {RESOURCES[part.resource].counts}"
    for note in plan.notes:
        yield "note", note


def plan_json(plan: Plan) -> dict[str, Any]:
    """The JSON object of a plan; numbers that may exceed a double are text, beside their log₁₀."""
    found = plan.optimality
    return {
        "theorem": plan.theorem.key,
        "reading": plan.theorem.reading,
        "source": str(plan.theorem.source),
        "target": json_number(plan.target),
        "weights": {name: json_number(weight) for name, weight in plan.weights.items()},
        "status": plan.status,
        "explanation": plan.explanation,
        "plan": _split_json(plan.best),
        "even_split": _split_json(plan.even),
        "ratio": _amount_json(plan.ratio),
        "optimality": None
        if found is None
        else {
            "scope": found.scope,
            "attained": found.attained,
            "open": list(found.free),
            "programs": found.programs,
            "least": _amount_json(found.least),
            "excess": found.excess,
            "proven": _amount_json(found.proven),
            "gap": found.gap,
            "exponent": found.exponent,
        },
        "checks": [
            {
                "claim": check.claim,
                "holds": check.holds,
                "slack": check.slack if math.isfinite(check.slack) else None,
                "binding": check.binding,
            }
            for check in plan.checks
        ],
        "prescribed": dict(plan.prescribed),
        "inputs": {name: json_number(value) for name, value in plan.inputs.items()},
        "assumed": {assumed.name: json_number(assumed.value) for assumed in plan.assumed},
        "unused": list(plan.unused),
        "constants": constants_json(plan.constants),
        "policy": plan.policy,
        "provenance": plan.theorem.provenance,
        "depth": plan.theorem.setting.depth.counts,
        "notes": list(plan.notes),
    }


def _split_json(split: Split | None) -> dict[str, Any] | None:
    if split is None:
        return None
    return {
        "choices": {name: number_text(value) for name, value in split.choices.items()},
        "cost": _amount_json(split.cost),
        "parts": [
            {
                "resource": part.resource,
                "unit": part.unit,
                "formula": text(part.formula),
                "weight": None if part.weight is None else json_number(part.weight),
                **(_amount_json(part.amount) or {}),
            }
            for part in split.parts
        ],
        "terms": [
            {"term": text(term.expr), "share": term.share, **(_amount_json(term.value) or {})} for term in split.terms
        ],
    }


def _amount_json(amount: Amount | None) -> dict[str, Any] | None:
    return None if amount is None else {"value": amount.value, "log10": amount.log10}
