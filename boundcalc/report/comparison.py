"""Comparisons as text for a terminal, as JSON objects, and as the tables that papers print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy

from boundcalc.comparison import Best, Comparison, Ranking, Side, Terms
from boundcalc.notation import bound_text, text
from boundcalc.report.answers import constants_json
from boundcalc.report.certificates import (
    Identity,
    Names,
    axiom_text,
    curve_expr,
    growth_latex,
    growth_text,
    is_axiom,
    latex,
    monomial_text,
    powers_json,
    quotient_names,
    ratio_along,
    witness_text,
)
from boundcalc.report.tables import escaped, fitted, latex_table, listing, markdown_table
from boundcalc.symbols import show_fraction
from boundcalc.tropical import (
    Certificate,
    Clause,
    Monomial,
    Region,
    default_target,
    facts_text,
    monomial_expr,
    monomials_in_reading_order,
    regime,
    region_expr,
    sets_in_reading_order,
)

RELATION_WORDS = {
    "equal": "a and b are equal",
    "a<=b": "a ≤ b everywhere; b is larger on some of it",
    "b<=a": "b ≤ a everywhere; a is larger on some of it",
    "region": "neither is smaller everywhere",
}


def condition_text(condition: sympy.Basic) -> str:
    """A condition as one line: n ≥ max(…) and (m ≥ … or L bounded)."""
    return _condition(condition, text, (" and ", " or "), "{} bounded", ("≤", "≥"))


def condition_latex(condition: sympy.Basic) -> str:
    """A condition in LaTeX; what is bounded is O(1)."""
    words = (r" \text{ and } ", r" \text{ or } ")
    return _condition(condition, latex, words, "{} = O(1)", (r"\le", r"\ge"), r"\text{everywhere}")


def _condition(
    condition: sympy.Basic,
    show: Callable[[sympy.Expr], str],
    connectives: tuple[str, str],
    bounded: str,
    senses: tuple[str, str],
    everywhere: str = "everywhere",
) -> str:
    """A condition in words, with the words and the way to show a formula."""

    def said(part: sympy.Basic) -> str:
        if isinstance(part, sympy.And | sympy.Or):
            inner = [f"({said(arg)})" if isinstance(arg, sympy.And | sympy.Or) else said(arg) for arg in part.args]
            return connectives[isinstance(part, sympy.Or)].join(inner)
        left, right = part.args
        lower = isinstance(part, sympy.GreaterThan)
        # On L ≥ 1, L ≤ 1 up to a constant says that L is bounded; on ε ≤ 1, ε ≥ 1 says so of 1/ε.
        if right == 1 and left.is_Symbol and regime([left.name]) == (Monomial.of({left.name: 1 if lower else -1}),):
            return bounded.format(show(1 / left if lower else left))
        return f"{show(left)} {senses[lower]} {show(right)}"

    return everywhere if condition == sympy.true else said(condition)


def comparison_text(comparison: Comparison, width: int | None = None) -> str:
    """A comparison that a reader can follow and check: the sides, the decision, and why.

    width: of the terminal, None where there is none.
    """
    a, b = Names("a", comparison.a.growth), Names("b", comparison.b.growth)
    of = f"{comparison.terms.quantity}, " if comparison.terms.quantity else ""
    above = region_expr(comparison.above, comparison.solved_for or default_target(comparison.above))
    rows = [("compared", f"{of}up to constants and logarithms")]
    rows += _side_rows("a", comparison.a, a)
    rows += _side_rows("b", comparison.b, b)
    rows.append(("on", facts_text(comparison.terms.regime) or "all positive values"))
    rows.append(("relation", RELATION_WORDS[comparison.relation]))
    rows.append(("a ≤ b", condition_text(comparison.region)))
    rows.append(("b ≤ a", condition_text(above)))
    rows += _why(comparison.below, a, b)
    rows += _why(comparison.above, b, a)
    rows += _terms_rows(comparison.terms, (comparison.a, comparison.b))
    rows += [("note", note) for note in comparison.notes]
    return "\n".join(listing(rows, width, LABEL))


LABEL = 12
"""Characters that the labels of rows take."""


def _side_rows(letter: str, side: Side, names: Names) -> list[tuple[str, str]]:
    rows = [(letter, f"{side.name} [{provenance(side)}]")]
    rows += [(letter, bound_text(bound)) for bound in side.bounds]
    if len(names.monomials) == 1:
        return [*rows, (letter, f"{letter} = {monomial_text(names.monomials[0])}")]
    named = ", ".join(f"{names.name(monomial)} = {monomial_text(monomial)}" for monomial in names.monomials)
    return [*rows, (letter, f"{letter} = {names.structure()} with {named}")]


def provenance(side: Side) -> str:
    """The side's provenance, and the exponents that its statement does not itself give."""
    exponents = [use.name for use in side.asymptotics.constants if use.origin.startswith("reconstructed")]
    return side.provenance + (f"; {', '.join(exponents)} reconstructed" if exponents else "")


def _why(region: Region, upper: Names, lower: Names) -> list[tuple[str, str]]:
    """Certificates for what holds, and a witness for what does not."""
    label = f"why {upper.letter} ≤ {lower.letter}"
    pairs = quotient_names(upper, lower)
    rows = [
        (label, ("and " if number else "exactly where ") + _clause_text(clause, pairs, upper, lower))
        for number, clause in enumerate(region.clauses)
    ]
    for proof in region.certificates:
        identity = Identity.of(proof, pairs)
        trivial = not identity.factors and [m for m, _ in identity.left] == [m for m, _ in identity.right]
        rows.append((label, "the same monomial" if trivial else _proof_text(proof, identity, region, upper, lower)))
    if region.witness is not None:
        rows.append((f"{upper.letter} > {lower.letter}", witness_text(region.witness, upper, lower)))
    return rows


def _clause_text(
    clause: Clause, pairs: Mapping[Monomial, tuple[Monomial, Monomial]], upper: Names, lower: Names
) -> str:
    quotients = [
        f"{upper.name(x)}/{lower.name(y)} = {monomial_text(x / y)} ≤ 1"
        for x, y in (pairs[monomial] for monomial in monomials_in_reading_order(clause))
    ]
    return " or ".join(quotients)


def _proof_text(proof: Certificate, identity: Identity, region: Region, upper: Names, lower: Names) -> str:
    cases = [monomial for monomial, _ in proof.premises if monomial not in region.regime and not is_axiom(monomial)]
    grounds = facts_text(monomial for monomial, _ in proof.premises if monomial in region.regime)
    axioms = [f"{axiom_text(monomial)} up to a constant" for monomial, _ in proof.premises if is_axiom(monomial)]
    said = ", ".join(part for part in (grounds, *axioms) if part)
    where = f"where {' and '.join(f'{monomial_text(monomial)} ≤ 1' for monomial in cases)}: " if cases else ""
    return f"{where}{identity.text(upper, lower)}" + (f", for {said}" if said else "")


def _terms_rows(terms: Terms, sides: Iterable[Side]) -> list[tuple[str, str]]:
    rows = [("given", ", ".join(f"{name} = {text(expr)}" for name, expr in terms.given.items()))] if terms.given else []
    rows += [
        ("assumed", f"{assumption.name} = {text(assumption.expr)} ({assumption.why}); set it with {assumption.name}=…")
        for assumption in terms.assumed
    ]
    exponents: dict[tuple[str, str], list[str]] = {}
    for side in sides:
        for use in side.asymptotics.constants:
            exponents.setdefault((side.name, use.origin), []).append(f"{use.name} = {show_fraction(use.value)}")
    rows += [("exponents", f"{name}: {', '.join(uses)}: {origin}") for (name, origin), uses in exponents.items()]
    return [*rows, ("exponents", "set them with --set NAME=…")] if exponents else rows


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The JSON object of a comparison. `region` is true iff a ≤ b up to constants and logarithms."""
    above = region_expr(comparison.above, comparison.solved_for or default_target(comparison.above))
    a, b = Names("a", comparison.a.growth), Names("b", comparison.b.growth)
    return {
        "a": comparison.a.name,
        "b": comparison.b.name,
        "quantity": comparison.terms.quantity,
        "relation": comparison.relation,
        "region": str(comparison.region),
        "latex": condition_latex(comparison.region),
        "text": condition_text(comparison.region),
        "region_b_below_a": str(above),
        "solved_for": comparison.solved_for,
        "sides": {"a": side_json(comparison.a), "b": side_json(comparison.b)},
        "certificate": {
            "a<=b": region_json(comparison.below, a, b),
            "b<=a": region_json(comparison.above, b, a),
        },
        **terms_json(comparison.terms),
        "notes": list(comparison.notes),
    }


def side_json(side: Side) -> dict[str, Any]:
    """One side: what it is and its order of growth."""
    return {
        "name": side.name,
        "bounds": [bound_text(bound) for bound in side.bounds],
        "growth": growth_text(side.growth),
        "latex": growth_latex(side.growth),
        "max_of_min": [
            [str(monomial_expr(monomial)) for monomial in term] for term in sets_in_reading_order(side.growth.terms)
        ],
        "constants": constants_json(side.asymptotics.constants),
        "provenance": side.provenance,
        "depth": side.theorem.setting.depth.counts if side.theorem else None,
    }


def terms_json(terms: Terms) -> dict[str, Any]:
    """What a comparison rests on."""
    return {
        "regime": facts_text(terms.regime),
        "substitutions": {name: str(expr) for name, expr in terms.given.items()},
        "assumed": {assumption.name: str(assumption.expr) for assumption in terms.assumed},
    }


def region_json(region: Region, upper: Names, lower: Names) -> dict[str, Any]:
    """A decision and its certificates: clauses as sets of monomials, one of which is ≤ 1 in each.

    In a proof, the product of the conclusions to their weights equals that of the premises to their multipliers.
    """
    pairs = quotient_names(upper, lower)
    clauses = [
        [[str(monomial_expr(monomial)) for monomial in clause] for clause in sets_in_reading_order(group)]
        for group in (region.written, region.clauses)
    ]
    answer: dict[str, Any] = {
        "written": clauses[0],
        "clauses": clauses[1],
        "proofs": [
            {
                "premises": powers_json(proof.premises),
                "conclusions": powers_json(proof.conclusions),
                "identity": Identity.of(proof, pairs).text(upper, lower),
                "latex": Identity.of(proof, pairs).latex(upper, lower),
            }
            for proof in region.certificates
        ],
    }
    if region.witness is not None:
        answer["witness"] = {
            "curve": {name: str(expr) for name, expr in curve_expr(region.witness).items()},
            "quotient": str(ratio_along(region.witness, upper.growth, lower.growth)),
        }
    return answer


HEADERS = ("statement", "up to constants and logs", "smallest where", "provenance")


def ranking_text(ranking: Ranking, width: int | None = None) -> str:
    """The table of a ranking, the order among its sides, and what it rests on.

    width: of the terminal, None where there is none.
    """
    rest = [("on", facts_text(ranking.terms.regime)), *(("order", line) for line in order_lines(ranking))]
    rest += _terms_rows(ranking.terms, ranking.sides)
    rest += [("refused", f"{name}: {reason}") for name, reason in ranking.refused.items()]
    rest += [("note", note) for note in ranking.notes]
    return "\n".join(
        [
            f"{ranking.terms.quantity or 'formulas'}, up to constants and logarithms",
            "",
            fitted(_ranking_rows(ranking), HEADERS, width, most=(24, 30, 38, 14), form="grid"),
            "",
            *listing(rest, width, LABEL),
        ]
    )


def _ranking_rows(ranking: Ranking) -> list[tuple[str, ...]]:
    return [
        (best.side.name, growth_text(best.side.growth), condition_text(best.region), provenance(best.side))
        for best in ranking.best
    ]


def order_lines(ranking: Ranking) -> list[str]:
    """The order as chains: each says that one side is at most the next, everywhere on the regime."""
    names = [" = ".join(members) for members in ranking.classes]
    following: dict[int, list[int]] = {}
    for below, above in ranking.covers:
        following.setdefault(below, []).append(above)
    has_below = {above for _, above in ranking.covers}
    lines: list[str] = []
    starts = [index for index in range(len(names)) if index in following and index not in has_below]
    while starts:
        chain = [starts.pop(0)]
        while targets := following.get(chain[-1]):
            chain.append(targets.pop(0))
            if targets:
                starts.append(chain[-2])
        lines.append(" ≤ ".join(names[index] for index in chain))
    touched = has_below | {below for below, _ in ranking.covers}
    lines += [name for index, name in enumerate(names) if index not in touched and " = " in name]
    return lines or ["no two are comparable everywhere"]


def ranking_markdown(ranking: Ranking) -> str:
    """The table of a ranking in Markdown."""
    return markdown_table(_ranking_rows(ranking), HEADERS)


def ranking_latex(ranking: Ranking) -> str:
    """The table of a ranking in LaTeX, with booktabs' rules."""
    rows = [
        (
            escaped(best.side.name),
            f"${growth_latex(best.side.growth)}$",
            f"${condition_latex(best.region)}$",
            escaped(provenance(best.side)),
        )
        for best in ranking.best
    ]
    return latex_table(rows, HEADERS)


def ranking_json(ranking: Ranking) -> dict[str, Any]:
    """The JSON object of a ranking."""
    return {
        "quantity": ranking.terms.quantity,
        "statements": [side_json(best.side) | smallest_json(best) for best in ranking.best],
        "pairs": [
            {"a": pair.a.name, "b": pair.b.name, "relation": pair.relation, "region": str(pair.region)}
            for pair in ranking.pairs
        ],
        "order": order_lines(ranking),
        "refused": dict(ranking.refused),
        **terms_json(ranking.terms),
        "notes": list(ranking.notes),
    }


def smallest_json(best: Best) -> dict[str, str]:
    """Where a side is the smallest."""
    return {"smallest_where": str(best.region), "smallest_where_latex": condition_latex(best.region)}
