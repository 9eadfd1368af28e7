"""Plans as text for a terminal and as JSON objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from tabulate import tabulate

from boundcalc.budget import Plan
from boundcalc.budget.cost import RESOURCES
from boundcalc.budget.planner import Amount, Optimality, Split
from boundcalc.notation import text
from boundcalc.numerics import Scaled
from boundcalc.report.answers import constants_json, json_number
from boundcalc.report.tables import fitted, folded, listing
from boundcalc.symbols import VOCABULARY, show_fraction

_LABEL = 16
"""Characters that the labels of rows take."""

_WRITTEN_OUT = 10**16


def number_text(value: Fraction) -> str:
    """A chosen number exactly: an integer below 10^16 in groups of three, larger ones in scientific notation."""
    if value.denominator != 1:
        return show_fraction(value)
    if value < _WRITTEN_OUT:
        return f"{int(value):,}".replace(",", " ") if value >= 10**6 else str(int(value))
    digits = str(int(value))
    kept = digits.rstrip("0")
    return str(Scaled(int(kept), len(digits) - len(kept)))


def plan_text(plan: Plan, width: int | None = None) -> str:
    """A plan with everything that went into it, beside the even split; `width` is the terminal's, None without one."""
    theorem = plan.theorem
    asked = f"{theorem.key} [{theorem.reading}]: error ≤ {show_fraction(plan.target)} at the least {_cost_text(plan)}"
    lines = [
        folded(asked, width),
        folded(str(theorem.source), width),
        "",
    ]
    if plan.best is None or plan.optimality is None:
        lines.append(folded(f"{plan.status}: {plan.explanation}", width))
    else:
        lines += [_choices_table(plan.best, plan.even, plan.weights), "", _terms_table(plan.best, plan.even, width), ""]
        said = [*_comparison(plan), *_optimality(plan.optimality), *_checks(plan)]
        lines += listing(said, width, _LABEL)
    lines += listing(_origins(plan), width, _LABEL)
    return "\n".join(lines)


def _cost_text(plan: Plan) -> str:
    return " + ".join(
        name if weight == 1 else f"{show_fraction(weight)}·{name}" for name, weight in plan.weights.items()
    )


def _choices_table(best: Split, even: Split | None, weights: Mapping[str, Fraction]) -> str:
    splits = [split for split in (best, even) if split is not None]
    names = {name: VOCABULARY[name].text for name in best.choices}
    rows = [(shown, *(number_text(split.choices[name]) for split in splits)) for name, shown in names.items()]
    if len(weights) > 1:
        rows.append(("cost", *(split.cost.value for split in splits)))
    for number, part in enumerate(best.parts):
        rows.append((part.resource, *(f"{split.parts[number].amount.value} {part.unit}" for split in splits)))
    return tabulate(
        rows, headers=["", "plan", "even split"][: len(splits) + 1], disable_numparse=True, tablefmt="simple"
    )


def _terms_table(best: Split, even: Split | None, width: int | None) -> str:
    """The terms of the error bound; those of the even split beside them where it uses the same branch of a Min."""
    splits = [best]
    if even is not None and [term.expr for term in even.terms] == [term.expr for term in best.terms]:
        splits.append(even)
    rows = [(text(term.expr), *(_share(split, number) for split in splits)) for number, term in enumerate(best.terms)]
    headers = ["term of the error bound", "plan", "even split"][: len(splits) + 1]
    return fitted(rows, headers, width, most=(60, None, None)[: len(headers)], whole=range(1, len(headers)))


def _share(split: Split, number: int) -> str:
    term = split.terms[number]
    return f"{float(term.value.value):.6g} ({term.share:.3%})" if term.value.log10 > -300 else term.value.value


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
        yield "constant", f"{use.name} = {show_fraction(use.value)}, hidden by {use.hides}{direction}: {origin}"
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
        "choices": {name: _choice(value) for name, value in split.choices.items()},
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


def _choice(value: Fraction) -> str:
    """A chosen number exactly, without spaces."""
    return number_text(value).replace(" ", "")


def _amount_json(amount: Amount | None) -> dict[str, Any] | None:
    return None if amount is None else {"value": amount.value, "log10": amount.log10}
