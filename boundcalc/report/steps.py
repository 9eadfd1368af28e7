"""Steps of a derivation with their verdicts, as a person would write their algebra."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import sympy

from boundcalc.auditing import Judgement, Verdict, growth_expr
from boundcalc.auditing.formulas import Entry, expanded, without_exact_terms
from boundcalc.derivation import Derivation
from boundcalc.notation import RELATIONS
from boundcalc.report.certificates import (
    Identity,
    Names,
    curve_expr,
    exponent_of,
    inequality,
    quotient_names,
    ratio_along,
)
from boundcalc.report.styles import CHOSEN, Equation, Row, Style
from boundcalc.symbols import show_fraction
from boundcalc.tropical import (
    LOGARITHM,
    Certificate,
    Growth,
    Monomial,
    Proof,
    Witness,
    in_reading_order,
    variable,
)


@dataclass(frozen=True)
class Sides:
    """The inequality a ≤ b of a step, in orders of growth, and which side is which."""

    a: Names
    b: Names
    derived_is_a: bool
    roles: tuple[str, str]

    @classmethod
    def of(cls, verdict: Verdict) -> Sides:
        """The sides of a step's inequality."""
        step = verdict.step
        least = step.claim.relation == ">="
        a, b = Names("a", verdict.there.small), Names("b", verdict.there.large)
        if step.needed or step.because is None:
            roles = ("the right side", "the left side") if least else ("the left side", "the right side")
        else:
            roles = ("what is claimed", "what follows") if least else ("what follows", "what is claimed")
        return cls(a, b, step.needed or not least, roles)

    @property
    def claimed(self) -> Growth:
        """The order of growth of what is claimed."""
        return (self.b if self.derived_is_a else self.a).growth

    @property
    def derived(self) -> Growth:
        """The order of growth of what follows."""
        return (self.a if self.derived_is_a else self.b).growth


def formulas_of(verdict: Verdict) -> tuple[sympy.Expr, sympy.Expr]:
    """The two sides a and b with everything put in, without the terms that both have exactly."""
    small, large = verdict.derived, verdict.claimed
    if not Sides.of(verdict).derived_is_a:
        small, large = large, small
    return without_exact_terms(small, large)


def shared_terms(verdict: Verdict) -> sympy.Expr:
    """The terms that both sides have exactly, and that the orders of growth are without."""
    rest = formulas_of(verdict)[0 if Sides.of(verdict).derived_is_a else 1]
    return sympy.Add(*(term for term in _terms(verdict.derived) if term not in _terms(rest)))


def _terms(formula: sympy.Expr) -> tuple[sympy.Expr, ...]:
    return sympy.Add.make_args(expanded(formula))


def without_logarithms(verdict: Verdict) -> bool:
    """Whether a step's formulas have logarithms that its orders of growth leave out."""
    variables = verdict.there.small.variables | verdict.there.large.variables
    has = verdict.claimed.has(sympy.log) or verdict.derived.has(sympy.log)
    return (has or verdict.up_to_logarithms) and not any(name.startswith(LOGARITHM) for name in variables)


def up_to(verdict: Verdict) -> str:
    """What a verdict leaves out of account."""
    return "constants and logarithms" if verdict.up_to_logarithms else "constants"


def excess_expr(verdict: Verdict) -> sympy.Expr | None:
    """The factor of a verdict as a formula."""
    return None if verdict.excess is None else growth_expr(verdict.excess)


def verdict_words(verdict: Verdict, style: Style) -> str:
    """The verdict and its factor, in words."""
    factor = excess_expr(verdict)
    by = "" if factor is None else f" by a factor {style.math(style.formula(factor))}"
    words = {
        "holds": "holds",
        "loose": f"loose: the claim is weaker than what follows{by}",
        "violated": f"violated: falls short{by}",
        "undecided": "undecided",
    }
    raised = [f"{style.prose(name)} = {show_fraction(value)}" for name, value in verdict.exponents]
    said = f" with {', '.join(raised)}" if raised else ""
    return f"{words[verdict.status]}{said}, up to {up_to(verdict)}"


def step_rows(verdict: Verdict, derivation: Derivation, style: Style) -> Iterator[Row]:
    """One step: what it says, what was put in, what that comes to, and why it follows or not."""
    step = verdict.step
    says = [step.says, "[reconstructed]" if step.provenance == "reconstructed" else ""]
    if any(says):
        yield Row("says", style.prose(" ".join(words for words in says if words)))
    yield Row("needed" if step.needed else "claim", style.math(style.claim(step.claim)))
    if step.because is not None and step.because != step.claim.left:
        bound = style.relation(
            style.formula(step.claim.left), RELATIONS[step.claim.relation], style.formula(step.because)
        )
        yield Row("from", style.math(bound))
    earlier = {other.id: other for other in derivation.steps}
    yield from _put_rows(verdict.put, earlier, style)
    if step.fixed:
        yield Row("constant", ", ".join(style.math(style.formula(symbol)) for symbol in step.fixed))
    given = [style.math(style.claim(claim)) for claim in step.where]
    given += [style.prose(name) for name in step.uses if name in earlier and not earlier[name].claim.left.is_Symbol]
    if given:
        yield Row("given", ", ".join(given))
    yield from _side_rows(verdict, style)
    yield from _why_rows(verdict, style)
    yield from (Row("note", style.prose(note)) for note in verdict.notes)


def _put_rows(put: Iterable[Entry], steps: Container[str], style: Style) -> Iterator[Row]:
    """What was put in, by where it came from."""
    groups: dict[str, list[str]] = {}
    for entry in dict.fromkeys(put):
        sign = RELATIONS[entry.sense] if entry.sense else "="
        shown = style.math(style.relation(style.formula(entry.symbol), sign, style.formula(entry.expr)))
        origin = "here" if entry.origin == "put in" else entry.origin
        groups.setdefault(f"step {origin}" if origin in steps else origin, []).append(shown)
    for origin, entries in groups.items():
        yield Row("put in", f"{style.prose(origin)}: {', '.join(dict.fromkeys(entries))}")


def _side_rows(verdict: Verdict, style: Style) -> Iterator[Row]:
    sides = Sides.of(verdict)
    remarks = [f"up to {up_to(verdict)}"]
    shared = shared_terms(verdict)
    if shared != 0:
        remarks.append(f"without {style.math(style.formula(shared))}, which both sides have exactly")
    if without_logarithms(verdict) and not verdict.up_to_logarithms:
        remarks.append("logarithms left out")
    if sides.a.growth == sides.b.growth:
        same = style.math(style.growth(sides.a.growth))
        yield Row("orders", f"both sides are {same}, {', '.join(remarks)}")
        return
    equations = [*_named(sides.a, sides.roles[0], style), *_named(sides.b, sides.roles[1], style)]
    yield Row("to show", f"{style.math(style.relation('a', '≤', 'b'))}, {', '.join(remarks)}", tuple(equations))


def _named(names: Names, role: str, style: Style) -> Iterator[Equation]:
    """A side's growth; where it is made of several monomials, these by their names."""
    if len(names.monomials) == 1:
        yield Equation(names.letter, "=", style.growth(names.growth), role)
        return
    yield Equation(names.letter, "=", names.structure(tex=style.tex), role)
    for monomial in names.monomials:
        yield Equation(names.name(monomial, tex=style.tex), "=", style.monomial(monomial))


def _why_rows(verdict: Verdict, style: Style) -> Iterator[Row]:
    """The certificates of what holds, and a curve and a point for what does not."""
    sides = Sides.of(verdict)
    same = sides.a.growth == sides.b.growth
    if verdict.there.holds and not same:
        yield Row(_label("a", "≤", "b", style), *_proven(verdict.there, sides.a, sides.b, style))
    if verdict.step.because is not None and verdict.there.holds and verdict.back.holds and not same:
        yield Row(_label("b", "≤", "a", style), *_proven(verdict.back, sides.b, sides.a, style))
    failing, upper, lower = (
        (verdict.back, sides.b, sides.a) if verdict.there.holds else (verdict.there, sides.a, sides.b)
    )
    if failing.witness is not None and verdict.status != "holds":
        label = _label(upper.letter, ">", lower.letter, style)
        yield Row(label, curve_words(failing.witness, upper, lower, style))
        yield from _point_rows(verdict, upper, lower, style)


def _label(left: str, sign: str, right: str, style: Style) -> str:
    return style.math(style.relation(left, sign, right))


def _proven(judgement: Judgement, upper: Names, lower: Names, style: Style) -> tuple[str, tuple[Equation, ...]]:
    """Words for what is plain, and an identity for each certificate that is more than that."""
    pairs = quotient_names(upper, lower)
    equations: list[Equation] = []
    for _, proof in judgement.proofs:
        for where, certificate in leaves(proof):
            identity = Identity.of(certificate, pairs)
            if identity.factors:
                left = [(upper.name(x, tex=style.tex), power) for x, power in identity.left]
                left += [_factor(x, power, style) for x, power in identity.factors]
                right = [(lower.name(x, tex=style.tex), power) for x, power in identity.right]
                grounds = style.facts(x for x, _ in certificate.premises if x not in where)
                remarks = [f"where {style.facts(where)}" if where else "", f"for {grounds}" if grounds else ""]
                said = ", ".join(remark for remark in remarks if remark)
                equations.append(Equation(style.powers(left), "=", style.powers(right), said))
    words = "" if equations else f"every term of {upper.letter} is one of {lower.letter}"
    return words, tuple(equations)


def _factor(factor: Monomial, power: Fraction, style: Style) -> tuple[str, Fraction]:
    """A factor ≥ 1 to its power, as the quotient of the two sides of the inequality that says so."""
    small, sign, large = inequality(factor**-1, CHOSEN)
    base = large / small if sign == "≤" else small / large
    return style.bracketed(base), power * exponent_of(factor, base)


def leaves(proof: Proof, where: tuple[Monomial, ...] = ()) -> Iterator[tuple[tuple[Monomial, ...], Certificate]]:
    """The certificates of a proof, each with the cases in which it is used."""
    if isinstance(proof, Certificate):
        yield where, proof
    else:
        for monomial, part in proof.proofs:
            yield from leaves(part, (*where, monomial))


def curve_words(witness: Witness, upper: Names, lower: Names, style: Style) -> str:
    """A curve, and what the quotient of the sides does along it."""
    moves = ", ".join(
        style.math(style.relation(style.formula(variable(name)), "=", style.formula(expr)))
        for name, expr in curve_expr(witness).items()
    )
    grows = style.formula(ratio_along(witness, upper.growth, lower.growth))
    quotient = style.math(style.relation(f"{upper.letter}/{lower.letter}", "=", grows))
    return f"along {moves}, all else constant, {quotient} grows without bound"


def _point_rows(verdict: Verdict, upper: Names, lower: Names, style: Style) -> Iterator[Row]:
    point = verdict.point
    if point is None:
        return
    at = ", ".join(
        style.math(style.relation(style.formula(variable(name)), "=", style.number(point.point[name])))
        for name in in_reading_order(point.point)
    )
    sizes = [
        style.math(style.relation(names.letter, "=", style.ten_to(value)))
        for names, value in ((upper, point.small), (lower, point.large))
    ]
    factors = [style.math(style.ten_to(value)) for value in (point.excess, point.further)]
    yield Row(
        "in numbers",
        f"at {at}: {' and '.join(sizes)}; "
        f"{style.math(f'{upper.letter}/{lower.letter}')} is {factors[0]} there, {factors[1]} further along",
    )
