"""Comparisons as text for a terminal, as JSON objects, and as the tables that papers print."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from tabulate import tabulate

from boundcalc.comparison import Best, Comparison, Ranking, Side, Terms
from boundcalc.notation import bound_text, text
from boundcalc.report.answers import WIDTH, constants_json
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.tropical import (
    EXPONENTIAL,
    Certificate,
    Clause,
    Growth,
    Monomial,
    Region,
    Witness,
    default_target,
    facts_text,
    in_reading_order,
    monomial_expr,
    monomials_in_reading_order,
    product,
    regime,
    region_expr,
    root,
    sets_in_reading_order,
    variable,
)

RELATION_WORDS = {
    "equal": "a and b are equal",
    "a<=b": "a ≤ b everywhere; b is larger on some of it",
    "b<=a": "b ≤ a everywhere; a is larger on some of it",
    "region": "neither is smaller everywhere",
}


def latex(expr: sympy.Basic) -> str:
    """LaTeX of a formula or a condition, with exponents like 1/3 in line."""
    names = {
        symbol: VOCABULARY[symbol.name].latex if symbol.name in VOCABULARY else symbol.name
        for symbol in expr.free_symbols
    }
    return sympy.latex(expr, symbol_names=names, root_notation=False, fold_frac_powers=True)


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


def monomial_text(monomial: Monomial) -> str:
    """A monomial as text: L^6/n^2."""
    return text(monomial_expr(monomial))


@dataclass(frozen=True)
class Names:
    """What the monomials of a growth are called: a, or a₁, a₂, …"""

    letter: str
    growth: Growth

    @property
    def monomials(self) -> list[Monomial]:
        """The monomials in the order of their names."""
        return monomials_in_reading_order({monomial for term in self.growth.terms for monomial in term})

    def name(self, monomial: Monomial, *, tex: bool = False) -> str:
        """The name of one of the monomials."""
        if len(self.monomials) == 1:
            return self.letter
        number = self.monomials.index(monomial) + 1
        return f"{self.letter}_{{{number}}}" if tex else self.letter + str(number).translate(_SUBSCRIPTS)

    def structure(self) -> str:
        """The growth by the names of its monomials: max(a₁, min(a₂, a₃))."""
        terms = [self._extreme("min", sorted(self.name(m) for m in term)) for term in self.growth.terms]
        return self._extreme("max", sorted(terms))

    @staticmethod
    def _extreme(word: str, parts: Sequence[str]) -> str:
        return parts[0] if len(parts) == 1 else f"{word}({', '.join(parts)})"


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def growth_text(growth: Growth) -> str:
    """An order of growth as one line."""
    terms = [[monomial_text(monomial) for monomial in term] for term in sets_in_reading_order(growth.terms)]
    least = [term[0] if len(term) == 1 else f"min({', '.join(term)})" for term in terms]
    return least[0] if len(least) == 1 else f"max({', '.join(least)})"


def growth_latex(growth: Growth) -> str:
    """An order of growth in LaTeX."""
    terms = [[latex(monomial_expr(monomial)) for monomial in term] for term in sets_in_reading_order(growth.terms)]
    least = [term[0] if len(term) == 1 else rf"\min\{{{', '.join(term)}\}}" for term in terms]
    return least[0] if len(least) == 1 else rf"\max\{{{', '.join(least)}\}}"


def quotient_names(upper: Names, lower: Names) -> dict[Monomial, tuple[Monomial, Monomial]]:
    """The quotients of monomials that a clause is made of, each with the pair that it is the quotient of."""
    return {(x / y).primitive(): (x, y) for x in reversed(upper.monomials) for y in reversed(lower.monomials)}


@dataclass(frozen=True)
class Identity:
    """A certificate as an identity between the monomials compared: left · Π factors = right, all factors ≥ 1.

    Hence the weighted mean of the monomials on the left is at most that of those on the right.
    """

    left: tuple[tuple[Monomial, Fraction], ...]
    factors: tuple[tuple[Monomial, Fraction], ...]
    right: tuple[tuple[Monomial, Fraction], ...]

    @classmethod
    def of(cls, certificate: Certificate, pairs: Mapping[Monomial, tuple[Monomial, Monomial]]) -> Identity:
        """The identity that a certificate about quotients of these pairs stands for."""
        left: dict[Monomial, Fraction] = {}
        right: dict[Monomial, Fraction] = {}
        weights = []
        for quotient, weight in certificate.conclusions:
            x, y = pairs[quotient]
            weights.append((x, y, weight * _ratio(quotient, x / y)))
        total = sum(weight for _, _, weight in weights)
        for x, y, weight in weights:
            left[x] = left.get(x, Fraction(0)) + weight / total
            right[y] = right.get(y, Fraction(0)) + weight / total
        factors = tuple((premise**-1, power / total) for premise, power in certificate.premises)
        return cls(tuple(left.items()), factors, tuple(right.items()))

    def holds(self) -> bool:
        """Whether it is true, by arithmetic."""
        return product(*self.left, *self.factors) == product(*self.right)

    def text(self, upper: Names, lower: Names) -> str:
        """The identity as one line of text."""
        left = [_power_text(upper.name(m), power) for m, power in self.left]
        left += [_power_text(_in_parentheses(m), power) for m, power in self.factors]
        return f"{'·'.join(left)} = {'·'.join(_power_text(lower.name(m), power) for m, power in self.right)}"

    def latex(self, upper: Names, lower: Names) -> str:
        """The identity in LaTeX."""
        left = [_power_latex(upper.name(m, tex=True), power) for m, power in self.left]
        left += [_power_latex(rf"\left({latex(monomial_expr(m))}\right)", power) for m, power in self.factors]
        right = [_power_latex(lower.name(m, tex=True), power) for m, power in self.right]
        times = r" \cdot "
        return f"{times.join(left)} = {times.join(right)}"


def _ratio(power: Monomial, of: Monomial) -> Fraction:
    """The exponent s with power = of^s; 1 for constants."""
    return next((power[name] / exponent for name, exponent in of.exponents), Fraction(1))


def _in_parentheses(monomial: Monomial) -> str:
    shown = monomial_text(monomial)
    return shown if monomial_expr(monomial).is_Symbol else f"({shown})"


def _power_text(base: str, power: Fraction) -> str:
    if power == 1:
        return base
    return f"{base}^{power}" if power.denominator == 1 else f"{base}^({power})"


def _power_latex(base: str, power: Fraction) -> str:
    return base if power == 1 else f"{base}^{{{power}}}"


def comparison_text(comparison: Comparison) -> str:
    """A comparison that a reader can follow and check: the sides, the decision, and why."""
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
    return listing(rows)


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
    axioms = [f"{_axiom_text(monomial)} up to a constant" for monomial, _ in proof.premises if is_axiom(monomial)]
    said = ", ".join(part for part in (grounds, *axioms) if part)
    where = f"where {' and '.join(f'{monomial_text(monomial)} ≤ 1' for monomial in cases)}: " if cases else ""
    return f"{where}{identity.text(upper, lower)}" + (f", for {said}" if said else "")


def is_axiom(monomial: Monomial) -> bool:
    """Whether this is L^M/2^L."""
    exponentials = [name for name in monomial.powers if name.startswith(EXPONENTIAL)]
    return len(exponentials) == 1 and set(monomial.powers) == {exponentials[0], root(exponentials[0])}


def _axiom_text(monomial: Monomial) -> str:
    exponential = next(name for name in monomial.powers if name.startswith(EXPONENTIAL))
    power = Monomial.of({exponential: -monomial[exponential]})
    return f"{monomial_text(monomial * power)} ≤ {monomial_text(power)}"


def curve_expr(witness: Witness) -> dict[str, sympy.Expr]:
    """The variables that move along a witness, as functions of s."""
    names = {root(name) for line in (witness.power, witness.rate) for name in line.powers}
    return {name: _along((witness.rate[name], witness.power[name])) for name in in_reading_order(names)}


def _along(exponents: tuple[Fraction, Fraction]) -> sympy.Expr:
    rate, power = (sympy.Rational(x.numerator, x.denominator) for x in exponents)
    s = sympy.Symbol("s", positive=True)
    return s**power * 2 ** (rate * s)


def witness_text(witness: Witness, upper: Names, lower: Names) -> str:
    """A curve and what the quotient does along it."""
    curve = ", ".join(f"{text(variable(name))} = {text(expr)}" for name, expr in curve_expr(witness).items())
    quotient = f"{upper.letter}/{lower.letter}"
    return f"along {curve}, all else constant: {quotient} = {text(ratio_along(witness, upper.growth, lower.growth))}"


def ratio_along(witness: Witness, upper: Growth, lower: Growth) -> sympy.Expr:
    """The quotient of two growths along a witness, as a function of s."""
    (rate, power), (its_rate, its_power) = upper.at(witness.along), lower.at(witness.along)
    return _along((rate - its_rate, power - its_power))


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


def listing(rows: Iterable[tuple[str, str]]) -> str:
    """Labelled lines, wrapped; a label is printed once for all of its lines."""
    lines: list[str] = []
    previous = ""
    for label, value in rows:
        wrapped = textwrap.wrap(value, WIDTH - 13, break_long_words=True, break_on_hyphens=False) or [""]
        for number, piece in enumerate(wrapped):
            head = label if number == 0 and label != previous else ""
            lines.append(f"{head:<12} {piece}".rstrip())
        previous = label
    return "\n".join(lines)


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
                "premises": _powers_json(proof.premises),
                "conclusions": _powers_json(proof.conclusions),
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


def _powers_json(powers: Iterable[tuple[Monomial, Fraction]]) -> list[list[str]]:
    return [[str(monomial_expr(monomial)), str(power)] for monomial, power in powers]


HEADERS = ("statement", "up to constants and logs", "smallest where", "provenance")


def ranking_text(ranking: Ranking) -> str:
    """The table of a ranking, the order among its sides, and what it rests on."""
    rows = [
        (
            _wrap(best.side.name, 24),
            _wrap(growth_text(best.side.growth), 30),
            _wrap(condition_text(best.region), 38),
            _wrap(provenance(best.side), 14),
        )
        for best in ranking.best
    ]
    rest = [("on", facts_text(ranking.terms.regime)), *(("order", line) for line in order_lines(ranking))]
    rest += _terms_rows(ranking.terms, ranking.sides)
    rest += [("refused", f"{name}: {reason}") for name, reason in ranking.refused.items()]
    rest += [("note", note) for note in ranking.notes]
    return "\n".join(
        [
            f"{ranking.terms.quantity or 'formulas'}, up to constants and logarithms",
            "",
            tabulate(rows, headers=HEADERS, tablefmt="simple_grid", disable_numparse=True),
            "",
            listing(rest),
        ]
    )


def _wrap(line: str, width: int) -> str:
    return "\n".join(textwrap.wrap(line, width, break_long_words=True, break_on_hyphens=False)) or line


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
    rows = [
        (best.side.name, growth_text(best.side.growth), condition_text(best.region), provenance(best.side))
        for best in ranking.best
    ]
    return tabulate(rows, headers=HEADERS, tablefmt="pipe", disable_numparse=True)


def ranking_latex(ranking: Ranking) -> str:
    """The table of a ranking in LaTeX, with booktabs' rules."""
    lines = [r"\begin{tabular}{llll}", r"\toprule", " & ".join(HEADERS) + r" \\", r"\midrule"]
    for best in ranking.best:
        formulas = growth_latex(best.side.growth), condition_latex(best.region)
        cells = (best.side.name, *(f"${formula}$" for formula in formulas), provenance(best.side))
        lines.append(" & ".join(cell if cell.startswith("$") else _escaped(cell) for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _escaped(name: str) -> str:
    """Plain text for LaTeX."""
    return "".join(f"\\{char}" if char in "_&%#$" else r"\textasciicircum{}" if char == "^" else char for char in name)


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
