"""Answers, theorems and the catalogue as text for a terminal and as JSON objects."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import sympy

from boundcalc.constants import ConstantUse, HiddenConstant
from boundcalc.notation import LATEX_RELATIONS, RELATIONS, bound_latex, bound_mathml, bound_text, hidden_by, latex, text
from boundcalc.numerics import Scaled
from boundcalc.query import Reply
from boundcalc.report.tables import fitted, folded, line_width, listing, printed
from boundcalc.solving import UNANSWERED, Assumed, End, Measured, Solution
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.theorem import Bound, Catalogue, Guarantee, Theorem


def json_number(value: Fraction | Scaled) -> int | float | str:
    """A JSON number where one holds the value to double precision, else text."""
    if isinstance(value, Scaled):
        return str(value)
    if value.denominator == 1:
        return int(value)
    return float(value) if abs(value) > Fraction(1, 10**300) else show_fraction(value)


def json_float(value: float | None) -> float | None:
    """A JSON number; JSON has none that are not finite, and null says that there is none."""
    return value if value is not None and math.isfinite(value) else None


def constants_json(constants: Iterable[ConstantUse]) -> list[dict[str, Any]]:
    """The constants that went into an answer."""
    return [
        {
            "name": use.name,
            "hides": use.hides,
            "value": json_number(use.value),
            "origin": use.origin,
            "direction": use.direction,
        }
        for use in constants
    ]


def measured_json(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """The inputs that were measured of data, and where each comes from."""
    return [
        {
            "name": one.name,
            "value": None if one.value is None else json_number(one.value),
            "estimate": one.estimate,
            "direction": one.direction,
            "source": one.source,
            "method": one.method,
            "end": one.end,
            "lower": one.lower,
            "upper": one.upper,
            "at": {name: json_number(value) for name, value in one.at},
            "safe": one.safe,
            "why": one.why,
            "converged": one.converged,
        }
        for one in measured
    ]


def _end_json(end: End | None) -> dict[str, Any] | None:
    return None if end is None else {"value": end.value, "log10": end.log10, "binding": end.binding}


def formulas_latex(solution: Solution) -> list[str]:
    """The unknown in closed form where there is one, else the bounds as the paper writes them.

    Of an interval, both ends; where only one has a closed form, the bounds stand for the other.
    """
    closed = [f"{latex(solution.symbol)} {LATEX_RELATIONS[how]} {latex(expr)}" for how, expr in closed_forms(solution)]
    enough = isinstance(solution.solved, sympy.Expr) or len(closed) == 2
    return closed if enough else [*closed, *map(bound_latex, (*solution.bounds, *solution.caps))]


def closed_forms(solution: Solution) -> list[tuple[str, sympy.Expr]]:
    """Each end that has a closed form, with the relation in which the unknown stands to it."""
    if isinstance(solution.solved, sympy.Expr):
        return [(solution.relation, solution.solved)]
    ends = ((">=", solution.lower), ("<=", solution.upper))
    return [(how, end.formula) for how, end in ends if end is not None and end.formula is not None]


def solution_json(solution: Solution) -> dict[str, Any]:
    """The JSON object of an evaluated quantity."""
    answer = {
        "theorem": solution.theorem.key,
        "reading": solution.theorem.reading,
        "source": str(solution.theorem.source),
        "quantity": solution.quantity,
        "symbol": solution.symbol.name,
        "relation": solution.relation,
        "status": solution.status,
        "value": solution.value,
        "log10": solution.log10,
        "proven": solution.proven,
        "expression": str(solution.expression),
        "latex": "; ".join(formulas_latex(solution)),
        "binding": solution.binding,
        "inputs": {
            **{name: json_number(value) for name, value in solution.inputs.items()},
            **{name: text(expr) for name, expr in solution.formulas.items()},
        },
        "assumed": {assumed.name: json_number(assumed.value) for assumed in solution.assumed},
        "measured": measured_json(solution.measured),
        "unused": list(solution.unused),
        "constants": constants_json(solution.constants),
        "policy": solution.policy,
        "provenance": solution.provenance,
        "depth": solution.theorem.setting.depth.counts,
        "unmet": list(solution.unmet),
        "notes": [*solution.cautions, *solution.notes],
    }
    if solution.lower is not None or solution.upper is not None:
        answer |= {"lower": _end_json(solution.lower), "upper": _end_json(solution.upper)}
    return answer


def reply_json(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answered query."""
    return {
        "query": reply.request.query,
        "quantity": reply.request.quantity,
        "inputs": {name: json_number(value) for name, value in reply.inputs.items()},
        "answers": [solution_json(solution) for solution in reply.answers],
        "refused": dict(reply.refused),
        "notes": list(reply.notes),
    }


def formula(solution: Solution) -> str:
    """The bound in the paper's notation, with the numbers that the user gave and the exponents of poly(…) put in."""
    numbers = {name: show_fraction(value) for name, value in solution.inputs.items()}
    numbers |= {use.name: show_fraction(use.value) for use in solution.constants if use.hides.startswith("poly")}
    return " and ".join(bound_text(bound, numbers) for bound in (*solution.bounds, *solution.caps))


def _value(solution: Solution) -> str:
    """The value as a table shows it."""
    if solution.status == "empty":
        return f"none: no admissible {solution.symbol.name}"
    if solution.status == "premise unmet":
        return "none: premise unmet"
    if solution.status == "all":
        return "any"
    shown = grouped(solution.number)
    if solution.upper is not None:
        shown = f"{shown} to {grouped(solution.upper.number)}"
    return f"{shown} (vacuous)" if solution.status == "vacuous" else shown


def grouped(number: str) -> str:
    """A number with its digits in groups of three, where there are many."""
    return f"{int(number):,}".replace(",", " ") if number.isdigit() and len(number) > 6 else number


def _assumed(assumed: Assumed) -> str:
    return f"{assumed.name}={assumed.text}" + ("" if assumed.why == "default" else f" ({assumed.why})")


def _measured(measured: Measured) -> str:
    return f"{measured.name}={measured.text}" + ("" if measured.safe else " (not on the safe side)")


COLUMNS: Mapping[str, int | None] = MappingProxyType(
    {
        "statement": None,
        "formula, given numbers put in": 38,
        "value": 24,
        "measured": 24,
        "assumed": 22,
        "constants": 16,
        "provenance": 13,
    }
)
"""What is said of each answer to a query, and the characters that it takes at most in a line of a table."""


def reply_row(solution: Solution) -> dict[str, str]:
    """The cells of one answer, by `COLUMNS`."""
    return {
        "statement": reading_key(solution.theorem),
        "formula, given numbers put in": formula(solution),
        "value": _value(solution),
        "measured": "\n".join(map(_measured, solution.measured)) or "nothing",
        "assumed": "\n".join(map(_assumed, solution.assumed)) or "nothing",
        "constants": _short_constants(solution),
        "provenance": _provenance(solution),
    }


def reading_key(theorem: Theorem) -> str:
    """A statement's key, and its reading where that is not what it states."""
    return theorem.key + ("" if theorem.reading == "stated" else f" ({theorem.reading})")


def reply_text(reply: Reply, width: int | None = None) -> str:
    """An answered query as a table, and below it what was measured, what was assumed, and how to set it.

    width: of the terminal, None where there is none.
    """
    given = ", ".join(f"{name} = {show_fraction(value)}" for name, value in reply.inputs.items())
    sources = dict.fromkeys(one.source for solution in reply.answers for one in solution.measured)
    on = "".join(f", on {source}" for source in sources)
    lines = [folded(f"{reply.request.quantity} for {given or 'default inputs'}{on}", width), ""]
    headers = [column for column in COLUMNS if sources or column != "measured"]
    rows = [reply_row(solution) for solution in reply.answers]
    table = fitted(
        [[row[header] for header in headers] for row in rows],
        headers,
        None,
        most=[COLUMNS[header] for header in headers],
        form="grid",
    )
    fits = width is None or all(printed(line) <= width for line in table.split("\n"))
    lines.append(table if fits else "\n\n".join(_record(row, headers, width) for row in rows))
    lines += [folded(line, width) for line in reply_notes(reply, width)]
    return "\n".join(lines)


def _record(row: Mapping[str, str], headers: Sequence[str], width: int | None) -> str:
    """One answer in a few lines, for a terminal that is too narrow for the table."""
    statement, bound, *rest = headers
    said = [f"{name} {', '.join(row[name].split(chr(10)))}" for name in rest if name != "value"]
    lines = (f"{row[statement]}: {row['value']}", f"  {row[bound]}", f"  {'; '.join(said)}")
    return "\n".join(folded(line, width) for line in lines)


def reply_notes(reply: Reply, width: int | None = None) -> list[str]:
    """Below a table of answers: what was measured, what was assumed, and what they rest on.

    width: of the terminal, None where there is none.
    """
    lines = _measured_legend(reply.answers, width)
    assumed = any(solution.assumed for solution in reply.answers)
    lines += ["", "Assumed inputs, each set by adding it to the query:" if assumed else "No input was assumed."]
    for name in dict.fromkeys(a.name for solution in reply.answers for a in solution.assumed):
        values = {a.text for solution in reply.answers for a in solution.assumed if a.name == name}
        shown = values.pop() if len(values) == 1 else "…"
        lines.append(f"  {name}={shown}  {VOCABULARY[name].meaning}")
    lines += ["", _constants_legend(reply.answers)]
    unused = {name for solution in reply.answers for name in solution.unused}
    for name in sorted(unused):
        keys = [solution.theorem.key for solution in reply.answers if name in solution.unused]
        lines.append(f"{name} does not enter {', '.join(dict.fromkeys(keys))}")
    lines += _depth_legend(reply.answers)
    lines += [f"{key}: not answered: {reason}" for key, reason in reply.refused.items()]
    lines += list(reply.notes)
    notes: dict[str, list[str]] = {}
    for solution in reply.answers:
        own = [bound.note for bound in solution.bounds if bound.note]
        empty = [note for note in solution.notes if solution.status == "empty" and note.startswith("no value of")]
        for note in dict.fromkeys([*solution.cautions, *solution.unmet, *empty, *own]):
            notes.setdefault(note, []).append(solution.theorem.key)
    lines += [f"{', '.join(dict.fromkeys(keys))}: {note}" for note, keys in notes.items()]
    return lines


def _measured_legend(answers: tuple[Solution, ...], width: int | None) -> list[str]:
    """What was measured of the data, of which statements it is an input, and how it was measured."""
    users: dict[Measured, list[str]] = {}
    for solution in answers:
        for one in solution.measured:
            users.setdefault(one, []).append(solution.theorem.key)
    lines: list[str] = []
    for source in dict.fromkeys(one.source for one in users):
        lines += ["", f"Measured on {source}, each set otherwise by adding it to the query:"]
        for one, keys in users.items():
            several = len({other.value for other in users if other.name == one.name}) > 1
            of = f" in {', '.join(dict.fromkeys(keys))}" if several else ""
            said = f"  {_measured(one)}{of}: {one.origin}"
            lines += textwrap.wrap(said, line_width(width), subsequent_indent="    ", break_on_hyphens=False)
    return lines


def _depth_legend(answers: tuple[Solution, ...]) -> list[str]:
    """What L counts, paper by paper, where it enters at all."""
    papers: dict[int, list[str]] = {-1: [], 0: []}
    for theorem in dict.fromkeys(solution.theorem.key for solution in answers):
        setting = next(s.theorem.setting for s in answers if s.theorem.key == theorem)
        if setting.depth.hidden in papers:
            papers[setting.depth.hidden].append(theorem.partition("/")[0])
    words = ((-1, "weight matrices"), (0, "hidden layers"))
    counted = [f"{word} in {', '.join(dict.fromkeys(papers[hidden]))}" for hidden, word in words if papers[hidden]]
    return [f"L counts {' and '.join(counted)}; H=… sets the hidden layers."] if counted else []


def _provenance(solution: Solution) -> str:
    """The statement's provenance, and which exponents it does not itself give."""
    reconstructed = [use.name for use in solution.constants if use.origin.startswith("reconstructed")]
    return solution.provenance + (f"; {', '.join(reconstructed)} reconstructed" if reconstructed else "")


def _short_constants(solution: Solution) -> str:
    if not solution.constants:
        return "none hidden"
    names = [f"{use.name}={show_fraction(use.value)}" for use in solution.constants]
    return f"{solution.policy}: {', '.join(names)}"


def _constants_legend(answers: tuple[Solution, ...]) -> str:
    """What the constants rest on, those of one origin together."""
    origins: dict[str, dict[str, None]] = {}
    guessed: dict[str, list[str]] = {}
    for solution in answers:
        for use in solution.constants:
            if use.guessed:
                guessed.setdefault(solution.theorem.key, []).append(use.name)
            elif use.basis in ("source", "calibrated"):
                origins.setdefault(use.origin, {})[use.name] = None
    lines = ["Constants: unit policy puts C = 1 and k = 0 where the paper gives no value; set with --set NAME=VALUE."]
    lines += [f"  {', '.join(names)}: {origin}" for origin, names in origins.items()]
    lines += [
        f"  {', '.join(dict.fromkeys(names))} of {key}: given by no source at hand; 1 is put in, a guess"
        for key, names in guessed.items()
    ]
    return "\n".join(lines)


_NO_VALUE = (*UNANSWERED, "all")


def _relation(solution: Solution) -> str:
    return "from" if solution.upper is not None else RELATIONS[solution.relation]


def _proven(solution: Solution) -> str:
    if not solution.proven or (solution.relation != ">=" and solution.solved is None):
        return ""
    return f" ({'smallest' if solution.relation == '>=' else 'greatest'} integer, proven)"


def solution_text(solution: Solution, width: int | None = None) -> str:
    """An evaluated quantity with everything that went into it; `width` is the terminal's, None without one."""
    return "\n".join(listing(solution_rows(solution), width))


def solution_rows(solution: Solution) -> list[tuple[str, str]]:
    """An evaluated quantity with everything that went into it, as labelled lines."""
    theorem = solution.theorem
    rows: list[tuple[str, str]] = [
        ("statement", f"{theorem.key}: {theorem.title} [{theorem.reading}]"),
        ("source", str(theorem.source)),
        (
            solution.quantity,
            (f"{text(solution.symbol)} {_relation(solution)} " if solution.status not in _NO_VALUE else "")
            + _value(solution)
            + _proven(solution),
        ),
    ]
    if solution.log10 is not None:
        rows.append(("log10", f"{solution.log10:.12g} (before rounding)"))
    rows.append(("formula", "\n".join(bound_text(bound) for bound in (*solution.bounds, *solution.caps))))
    rows.append(("numbers put in", formula(solution)))
    if closed := closed_forms(solution):
        forms = (f"{text(solution.symbol)} {RELATIONS[relation]} {text(expr)}" for relation, expr in closed)
        rows.append(("closed form", "\n".join(forms)))
    for end in (solution.lower, solution.upper):
        if end is not None and end.binding:
            rows.append(("binding", f"at {grouped(end.number)}: {end.binding}"))
    if solution.binding and solution.lower is None and solution.upper is None:
        rows.append(("binding", solution.binding))
    measured = {one.name for one in solution.measured}
    given = [f"{name}={show_fraction(value)}" for name, value in solution.inputs.items() if name not in measured]
    given += [f"{name}={text(expr)}" for name, expr in solution.formulas.items()]
    rows.append(("given", ", ".join(given) or "nothing"))
    rows += [
        ("measured", f"{_measured(one)}: {VOCABULARY[one.name].meaning}; on {one.source}, {one.origin}")
        for one in solution.measured
    ]
    rows += [
        ("assumed", f"{_assumed(assumed)}: {VOCABULARY[assumed.name].meaning}; {assumed.how}")
        for assumed in solution.assumed
    ]
    rows += [("not used", name) for name in solution.unused]
    rows += [
        (
            "constant",
            f"{use.name} = {show_fraction(use.value)}, hidden by {hidden_by(use.hides)}"
            + (f", {use.direction} enough" if use.direction != "any" else "")
            + f": {use.origin}; set it with --set {use.name}=…",
        )
        for use in solution.constants
    ]
    rows.append(("policy", solution.policy))
    rows.append(("provenance", solution.provenance))
    if any(s.name == "L" for s in theorem.symbols):
        rows.append(("depth", theorem.setting.depth.counts))
    rows += [("unmet", note) for note in solution.unmet]
    rows += [("note", note) for note in (*solution.cautions, *solution.notes)]
    return rows


CATALOGUE_HEADERS = ("statement", "what it says", "quantities", "provenance", "readings")


def catalogue_rows(catalogue: Catalogue) -> list[tuple[str, ...]]:
    """All statements, by `CATALOGUE_HEADERS`."""
    return [
        (
            theorem.key,
            theorem.title,
            ", ".join(theorem.quantities),
            theorem.provenance,
            ", ".join(reading.reading for reading in catalogue.readings(theorem.key)),
        )
        for theorem in catalogue.values()
    ]


def catalogue_text(catalogue: Catalogue, width: int | None = None) -> str:
    """All statements in a table; `width` is the terminal's, None without one."""
    most = (None, 44, 34, None, None)
    return fitted(catalogue_rows(catalogue), CATALOGUE_HEADERS, width, most=most, whole=(0,))


def catalogue_json(catalogue: Catalogue) -> dict[str, Any]:
    """All statements as JSON."""
    return {
        "theorems": [
            {
                "theorem": theorem.key,
                "title": theorem.title,
                "source": str(theorem.source),
                "quantities": list(theorem.quantities),
                "provenance": theorem.provenance,
                "readings": [reading.reading for reading in catalogue.readings(theorem.key)],
            }
            for theorem in catalogue.values()
        ]
    }


def _constant_text(constant: HiddenConstant) -> str:
    value = "" if constant.value is None else f" = {show_fraction(constant.value)}"
    direction = "" if constant.direction == "any" else f", {constant.direction} enough"
    return f"{constant.name}{value}: hidden by {hidden_by(constant.hides)}{direction}" + (
        f"; {constant.origin}" if constant.origin else ""
    )


def _bound_line(bound: Bound) -> str:
    promise = ""
    if isinstance(bound, Guarantee) and bound.probability is not None:
        promise = f", with probability ≥ {text(bound.probability)} over the {bound.over}"
    note = f" ({bound.note})" if bound.note else ""
    provenance = f" [{bound.provenance}]" if bound.provenance else ""
    return f"{bound_text(bound)}{promise}{note}{provenance}"


def theorem_text(theorem: Theorem, width: int | None = None) -> str:
    """A statement in full; `width` is the terminal's, None without one."""
    setting = theorem.setting
    rows: list[tuple[str, str]] = [
        ("statement", f"{theorem.key}: {theorem.title} [{theorem.reading}]"),
        ("source", str(theorem.source)),
        ("provenance", theorem.provenance),
        ("network", setting.network),
        ("initialization", setting.init),
        ("loss", setting.loss),
        ("algorithm", setting.algorithm),
        ("depth", setting.depth.counts),
    ]
    rows += [
        ("hypothesis", f"{h.name}: {h.statement}" + (f" [measured by {h.measure}]" if h.measure else ""))
        for h in theorem.hypotheses
    ]
    rows += [("condition", _bound_line(bound)) for bound in theorem.conditions]
    rows += [("prescription", _bound_line(bound)) for bound in theorem.prescriptions]
    rows += [("guarantee", _bound_line(bound)) for bound in theorem.guarantees]
    rows += [("supplies", f"{text(symbol)} = {text(expr)}") for symbol, expr in theorem.supplies.items()]
    rows += [("constant", _constant_text(constant)) for constant in theorem.constants]
    rows += [("symbol", f"{text(symbol)}: {VOCABULARY[symbol.name].meaning}") for symbol in theorem.symbols]
    rows += [("note", note) for note in theorem.notes]
    return "\n".join(listing(rows, width))


def theorem_json(theorem: Theorem) -> dict[str, Any]:
    """A statement in full, as JSON."""
    from boundcalc.formula import show_formula  # Only here: an answer does without it.

    def bounds(group: Iterable[Bound]) -> list[dict[str, Any]]:
        return [
            {
                "symbol": bound.symbol.name,
                "quantity": VOCABULARY[bound.symbol.name].quantity,
                "relation": bound.relation,
                "formula": text(bound.expr),
                "expression": show_formula(bound.expr),
                "latex": bound_latex(bound),
                "mathml": bound_mathml(bound),
                "rising": [symbol.name for symbol in bound.rising],
                "falling": [symbol.name for symbol in bound.falling],
                "note": bound.note,
                "provenance": bound.provenance or theorem.provenance,
            }
            | (
                {"probability": None if bound.probability is None else str(bound.probability), "over": bound.over}
                if isinstance(bound, Guarantee)
                else {}
            )
            for bound in group
        ]

    return {
        "theorem": theorem.key,
        "reading": theorem.reading,
        "title": theorem.title,
        "source": str(theorem.source),
        "provenance": theorem.provenance,
        "setting": {
            "network": theorem.setting.network,
            "init": theorem.setting.init,
            "loss": theorem.setting.loss,
            "algorithm": theorem.setting.algorithm,
            "depth": theorem.setting.depth.counts,
        },
        "hypotheses": [
            {
                "name": h.name,
                "statement": h.statement,
                "symbol": h.symbol.name if h.symbol else None,
                "measure": h.measure or None,
                "weaker": h.weaker if h.symbol else None,
            }
            for h in theorem.hypotheses
        ],
        "conditions": bounds(theorem.conditions),
        "prescriptions": bounds(theorem.prescriptions),
        "guarantees": bounds(theorem.guarantees),
        "constants": [
            {
                "name": constant.name,
                "hides": constant.hides,
                "role": constant.role,
                "direction": constant.direction,
                "value": None if constant.value is None else json_number(constant.value),
                "origin": constant.origin,
            }
            for constant in theorem.constants
        ],
        "supplies": {symbol.name: latex(expr) for symbol, expr in theorem.supplies.items()},
        "symbols": [symbol.name for symbol in theorem.symbols],
        "notes": list(theorem.notes),
    }
