"""Repairs: what is printed and what replaces it, why nothing smaller will do, and that it is enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import sympy

from boundcalc.auditing import Audit, Repair
from boundcalc.auditing.formulas import exact_terms
from boundcalc.notation import RELATIONS
from boundcalc.report.styles import Equation, Row, Style
from boundcalc.tropical import (
    Growth,
    Monomial,
    maximum,
    minimum,
    variable,
)

NOTHING_CHANGED = Row("changed", "nothing: what is printed here can stay")


def repaired(audit: Audit, style: Style) -> Iterator[tuple[str, str, str]]:
    """For each symbol repaired: what is printed of it, what replaces that, and the latter without Õ."""
    for symbol, expr in audit.repair.items():
        printed = audit.theorem.bounds_on(symbol)
        before = " and ".join(style.claim(bound) for bound in printed)
        sign = RELATIONS[printed[0].relation] if printed else "="
        terms = sympy.Add.make_args(expr)
        exact = [term for bound in printed for term in exact_terms(bound.expr) if term in terms]
        rest = sympy.Add(*(term for term in terms if term not in exact), evaluate=False)
        after, bare = (
            style.relation(style.formula(symbol), sign, formula)
            for formula in (style.order(exact, rest), style.formula(expr))
        )
        yield before, after, bare


def repair_rows(audit: Audit, style: Style, *, proof: bool = True) -> Iterator[Row]:
    """The repair as changes of what is printed, why nothing smaller will do, and that it is enough."""
    if audit.upstream:
        keys = ", ".join(audit.upstream)
        yield Row("upstream", style.prose(f"{keys}: taken as their own audits repair them"))
    if audit.repair:
        changes = (Equation(before, "→", after) for before, after, _ in repaired(audit, style))
        yield Row("changed", "printed → repaired" if not style.tex else "", tuple(changes))
    elif audit.upstream and not audit.notes:
        yield NOTHING_CHANGED
    if audit.choices is not None and audit.choices.choices and proof:
        yield from _proof_rows(audit.choices, style)
    yield from (Row("note", style.prose(note)) for note in audit.notes)


def _proof_rows(repair: Repair, style: Style) -> Iterator[Row]:
    """The needed inequalities, numbered; the products of them that force the choices; what the choices make them."""
    numbers = {monomial: f"({number})" for number, monomial in enumerate(repair.system, 1)}
    listed = ", ".join(f"{number} {style.math(style.monomial(x))}" for x, number in numbers.items())
    yield Row("needed", f"that each of these is at most 1: {listed}")
    order = ", then ".join(
        f"{style.math(style.formula(variable(choice.name)))} as {'large' if choice.greatest else 'small'} as can be"
        for choice in repair.choices
    )
    yield Row("smallest", f"{order}:", tuple(_reasons(repair, numbers, style)))
    values = {choice.name: choice.value for choice in repair.choices}
    shown = ", ".join(f"{number} {style.math(style.growth(_at(x, values)))}" for x, number in numbers.items())
    where = style.facts(_plain(repair.regime, values))
    yield Row("enough", f"these choices make them {shown}: each is at most 1, up to a constant, on {where}")


def _reasons(repair: Repair, numbers: Mapping[Monomial, str], style: Style) -> Iterator[Equation]:
    for choice in repair.choices:
        for bound, reason in choice.reasons:
            right = style.powers([(numbers.get(x) or style.bracketed(x), power) for x, power in reason.premises])
            yield Equation(style.monomial(bound), "=", right, f"hence {style.facts([bound], [choice.name])}")


def _at(monomial: Monomial, values: Mapping[str, Growth]) -> Growth:
    """What a monomial comes to at the choices, those chosen later in terms of the earlier ones."""
    growth = Growth.of(monomial)
    for name, value in reversed(list(values.items())):
        growth = _with_value(growth, name, value)
    return growth


def _with_value(growth: Growth, name: str, value: Growth) -> Growth:
    """An order of growth with a value put in for a variable."""

    def put_in(monomial: Monomial) -> Growth:
        power = monomial[name]
        return Growth.of(monomial / Monomial.of({name: power})) * value**power

    return maximum(*(minimum(*map(put_in, term)) for term in growth.terms))


def _plain(regime: Iterable[Monomial], values: Mapping[str, Growth]) -> list[Monomial]:
    """What holds of the parameters alone."""
    return [fact for fact in regime if not any(name in values for name in fact.powers)]
