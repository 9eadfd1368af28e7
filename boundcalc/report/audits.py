"""Audits as text, Markdown and LaTeX: each step's algebra as a person would write it, then the repair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import sympy

from boundcalc.auditing import Audit, Verdict
from boundcalc.constants import ConstantPolicy, ConstantUse, HiddenConstant
from boundcalc.report.repairs import NOTHING_CHANGED, repair_rows, repaired
from boundcalc.report.steps import excess_expr, step_rows, verdict_words
from boundcalc.report.styles import LABEL, TEX, TEXT, Row, Style, markdown_lines, tex_lines, text_lines
from boundcalc.report.tables import fitted, folded, markdown_prose, markdown_table
from boundcalc.solving import IncompleteError
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.tropical import (
    LOGARITHM,
    Assumption,
    in_reading_order,
    monomials_in_reading_order,
    read_growth,
    variable,
)

UNIT = ConstantPolicy()

NOT_REFUTED = (
    "A violated step does not refute the statement: it says that the step does not follow from what is printed."
)


@dataclass(frozen=True)
class Terms:
    """What an audit rests on beside the derivation: values assumed, and exponents that poly(…) hides."""

    assumed: tuple[Assumption, ...]
    exponents: tuple[ConstantUse, ...]

    @classmethod
    def of(cls, audit: Audit, policy: ConstantPolicy) -> Terms:
        """What went into the formulas of an audit."""
        formulas = [side for verdict in audit.verdicts for side in (verdict.claimed, verdict.derived)]
        found = [
            read_growth(formula, policy=policy, key=audit.theorem.key, from_above=True)
            for formula in (*formulas, *(bound.expr for bound in audit.theorem.conditions))
        ]
        raised = raised_exponents(audit)
        return cls(
            tuple(dict.fromkeys(assumption for growth in found for assumption in growth.assumed)),
            tuple(dict.fromkeys(_raised(use, raised) for growth in found for use in growth.constants)),
        )


def raised_exponents(audit: Audit) -> dict[str, Fraction]:
    """Exponents of poly(…) that are larger than listed, as the steps need them; by name."""
    return {name: value for verdict in audit.verdicts for name, value in verdict.exponents}


def _raised(use: ConstantUse, raised: Mapping[str, Fraction]) -> ConstantUse:
    if use.name not in raised:
        return use
    origin = f"raised from {show_fraction(use.value)}, as the steps need it; poly(…) leaves it open"
    return use.chosen(raised[use.name], origin)


def check_audits(audits: Iterable[Audit], policy: ConstantPolicy, *, strict: bool = False) -> None:
    """Refuse a policy that sets what does not occur, and, if `strict`, audits that rest on something assumed.

    Raises:
        UnknownNameError: the policy sets a constant that is none of theirs.
        IncompleteError: `strict`, and an exponent was assumed.
    """
    found = tuple(audits)
    policy.check_names((audit.theorem.key, constant) for audit in found for constant in constants_of(audit))
    terms = [Terms.of(audit, policy) for audit in found] if strict else []
    assumed = [assumption.name for term in terms for assumption in term.assumed]
    assumed += [use.name for term in terms for use in term.exponents if use.assumed]
    if assumed:
        names = ", ".join(dict.fromkeys(assumed))
        raise IncompleteError(f"--strict: this audit would assume {names}; set what --set can, or leave --strict out")


def constants_of(audit: Audit) -> Iterator[HiddenConstant]:
    """The hidden constants of a statement and of its derivations."""
    yield from audit.theorem.constants
    for one in (audit, *audit.alternatives):
        for verdict in one.verdicts:
            yield from (verdict.claimed + verdict.derived).atoms(HiddenConstant)


def head_rows(audit: Audit, policy: ConstantPolicy, style: Style) -> Iterator[Row]:
    """What is audited, the verdict, and what it rests on."""
    theorem = audit.theorem
    yield Row("statement", style.prose(f"{theorem.key}: {theorem.title}"))
    yield Row("source", style.prose(str(theorem.source)))
    if audit.derivation.name:
        yield Row("derivation", style.prose(audit.derivation.name))
    if audit.derivation.note:
        yield Row("note", style.prose(audit.derivation.note))
    yield from verdict_rows(audit, style)
    if audit.status == "violated":
        yield Row("verdict", style.prose(NOT_REFUTED))
    for bound in theorem.bounds:
        yield Row("printed", style.math(style.claim(bound)))
    for claim in audit.derivation.where:
        yield Row("given", style.math(style.claim(claim)))
    regime = dict.fromkeys(fact for verdict in audit.verdicts for fact in verdict.there.premises.regime)
    plain = [fact for fact in regime if not any(name.startswith(LOGARITHM) for name in fact.powers)]
    if plain:
        yield Row("on", style.facts(monomials_in_reading_order(plain)))
    for name, meaning in _meanings(audit):
        shown = style.formula(variable(name))
        yield Row(
            "symbols",
            style.prose(f"{name}: {meaning}") if not style.tex else f"{style.math(shown)}: {style.prose(meaning)}",
        )
    terms = Terms.of(audit, policy)
    yield from (Row("assumed", style.prose(f"{a.name} = {a.expr} ({a.why})")) for a in terms.assumed)
    uses: dict[str, dict[str, None]] = {}
    for use in terms.exponents:
        uses.setdefault(use.origin, {})[f"{use.name} = {show_fraction(use.value)}"] = None
    for origin, values in uses.items():
        yield Row("exponents", style.prose(f"{', '.join(values)}: {origin}"))
    if uses:
        yield Row("exponents", style.prose("set them with --set NAME=…"))
    if any(verdict.point for verdict in audit.verdicts):
        rest = " where they are not set" if policy.values else ""
        words = f"every hidden factor C is 1 and every hidden power k is 0{rest} ({policy.name} policy)"
        yield Row("in numbers", style.prose(words))


def verdict_rows(audit: Audit, style: Style) -> Iterator[Row]:
    """The steps by their verdicts, the worst first."""
    total = len(audit.verdicts)
    for status in ("violated", "undecided", "loose"):
        ids = [style.prose(verdict.step.id) for verdict in audit.verdicts if verdict.status == status]
        if ids:
            yield Row("verdict", f"{status}, {len(ids)} of {total} steps: {'; '.join(ids)}")
    held = sum(verdict.status == "holds" for verdict in audit.verdicts)
    yield Row("verdict", f"{'all' if held == total else held} of {total} steps hold")


def _meanings(audit: Audit) -> Iterator[tuple[str, str]]:
    """The symbols of the steps that are no parameters, with what they mean."""
    formulas = [
        side
        for verdict in audit.verdicts
        for side in (verdict.step.claim.left, verdict.step.claim.right, verdict.step.because or sympy.S.One)
    ]
    formulas += [entry.expr for verdict in audit.verdicts for entry in verdict.put]
    names = {symbol.name for formula in formulas for symbol in formula.free_symbols}
    for name in in_reading_order(names):
        if name in audit.derivation.quantities:
            yield name, audit.derivation.quantities[name]
        elif name in VOCABULARY and len(name) > 1 and VOCABULARY[name].text == name:
            yield name, VOCABULARY[name].meaning


def audit_text(audit: Audit, policy: ConstantPolicy = UNIT, width: int | None = None) -> str:
    """An audit that a reader can follow with the paper at hand; `width` is the terminal's, None without one."""
    blocks = [list(text_lines(head_rows(audit, policy, TEXT), width))]
    for verdict in audit.verdicts:
        heading = f"{verdict.step.id:<{LABEL - 2}}  {verdict_words(verdict, TEXT)}"
        blocks.append([folded(heading, width), *text_lines(step_rows(verdict, audit.derivation, TEXT), width)])
    for title, rows in _endings(audit, TEXT):
        blocks.append([folded(title, width), *text_lines(rows, width)])
    return "\n\n".join("\n".join(block) for block in blocks)


def _endings(audit: Audit, style: Style) -> Iterator[tuple[str, list[Row]]]:
    """The repair, and what other derivations give."""
    rows = list(repair_rows(audit, style))
    if rows:
        yield "Repair, up to constants and logarithms", rows
    for name, other in audit.under.items():
        title = f"Repair, where what is upstream is repaired by {style.prose(name)}"
        yield title, list(repair_rows(other, style, proof=False)) or [NOTHING_CHANGED]
    for other in audit.alternatives:
        title = f"Another derivation: {style.prose(other.derivation.name)}"
        yield title, [*_short_rows(other, style), *repair_rows(other, style, proof=False)]


def _short_rows(audit: Audit, style: Style) -> Iterator[Row]:
    """Each step of an audit in one line."""
    if audit.derivation.note:
        yield Row("note", style.prose(audit.derivation.note))
    yield from verdict_rows(audit, style)
    for verdict in audit.verdicts:
        step = verdict.step
        claim = style.math(style.claim(step.claim))
        yield Row("steps", f"{style.prose(step.id)}: {claim}: {verdict_words(verdict, style)}")


HEADERS = ("statement", "steps", "verdict", "where, and by which factor", "smallest repair")


def audits_text(audits: Iterable[Audit], width: int | None = None) -> str:
    """A table of audits, one or more rows for each statement; `width` is the terminal's, None without one."""
    rows = [tuple("\n".join(cell) for cell in row) for row in _table(audits, TEXT)]
    return "\n".join(
        [
            fitted(rows, HEADERS, width, most=WIDTHS, whole=(2,), form="grid"),
            "",
            folded(UP_TO, width),
            folded(NOT_REFUTED, width),
            folded("A statement in full, with what proves each verdict: boundcalc audit STATEMENT", width),
        ]
    )


UP_TO = "Factors and repairs are up to constants; logarithms show only where they alone decide."
WIDTHS = (16, 5, 9, 40, 36)


def _table(audits: Iterable[Audit], style: Style) -> Iterator[tuple[list[str], ...]]:
    """Rows of cells of lines: of each statement, and of each other derivation of it."""
    for audit in audits:
        for one in (audit, *audit.alternatives):
            name = one.derivation.name
            statement = [style.prose(f"by {name}")] if one is not audit else [style.prose(one.theorem.key)]
            worst = [verdict for verdict in one.verdicts if verdict.status == one.status != "holds"]
            changed = [style.math(bare) for _, _, bare in repaired(one, style)]
            if one.upstream and changed:
                changed.insert(0, "with upstream repaired:")
            yield statement, [str(len(one.verdicts))], [one.status], [_where(v, style) for v in worst], changed


def _where(verdict: Verdict, style: Style) -> str:
    factor = excess_expr(verdict)
    shown = "" if factor is None else f" by {style.math(style.formula(factor))}"
    return f"{style.prose(verdict.step.id)}{shown}"


def audits_markdown(audits: Iterable[Audit]) -> str:
    """A table of audits in Markdown."""
    rows = [tuple("\n".join(map(markdown_prose, cell)) for cell in row) for row in _table(audits, TEXT)]
    return "\n".join([markdown_table(rows, HEADERS), "", UP_TO, NOT_REFUTED])


def audits_latex(audits: Iterable[Audit]) -> str:
    """A table of audits in LaTeX, with booktabs' rules; needs amsmath."""
    lines = [r"\begin{tabular}{lrlll}", r"\toprule", " & ".join(HEADERS) + r" \\", r"\midrule"]
    for row in _table(audits, TEX):
        height = max(map(len, row))
        for number in range(height):
            cells = (cell[number] if number < len(cell) else "" for cell in row)
            lines.append(" & ".join(cells).rstrip() + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def audit_markdown(audit: Audit, policy: ConstantPolicy = UNIT) -> str:
    """An audit in Markdown, a heading for each step."""
    blocks = [f"## Audit of {audit.theorem.key}\n", *markdown_lines(head_rows(audit, policy, TEXT))]
    for verdict in audit.verdicts:
        heading = f"{verdict.step.id}: {verdict_words(verdict, TEXT)}"
        blocks += [f"\n### {markdown_prose(heading)}\n", *markdown_lines(step_rows(verdict, audit.derivation, TEXT))]
    for title, rows in _endings(audit, TEXT):
        blocks += [f"\n### {markdown_prose(title)}\n", *markdown_lines(rows)]
    return "\n".join(blocks)


def audit_latex(audit: Audit, policy: ConstantPolicy = UNIT) -> str:
    """An audit in LaTeX, to be pasted into a document that loads amsmath."""
    blocks = [
        f"% {audit.theorem.key}: audit of its derivation; needs amsmath",
        rf"\paragraph{{Audit of {TEX.prose(str(audit.theorem.source.locator))}.}}",
        *tex_lines(head_rows(audit, policy, TEX)),
    ]
    for verdict in audit.verdicts:
        blocks.append(rf"\paragraph{{{TEX.prose(verdict.step.id)}}} {verdict_words(verdict, TEX)}.")
        blocks += tex_lines(step_rows(verdict, audit.derivation, TEX))
    for title, rows in _endings(audit, TEX):
        blocks += [rf"\paragraph{{{title}}}", *tex_lines(rows)]
    return "\n".join(blocks)
