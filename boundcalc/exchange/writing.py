"""Write theorems as TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, count
from typing import Any

from boundcalc.errors import InputError
from boundcalc.exchange.derivations import constants_of, derivation_facts, formulas_of
from boundcalc.exchange.hidden import default_constant, hiding, unlike_default
from boundcalc.exchange.reading import DEPTHS, GROUPS, PAPER, SETTING, Fact, loads
from boundcalc.formula import show_formula
from boundcalc.theorem import Bound, Guarantee, Hypothesis, Paper, Setting, Theorem

_ROWS = (*GROUPS, "steps")
"""Lists of which each element stands on a line of its own."""


def dumps(theorems: Iterable[Theorem]) -> str:
    """Write theorems as TOML, in one canonical form; `loads` gives the same theorems back.

    Raises:
        InputError: there is no theorem, or one holds something that the format has no words for.
    """
    theorems = tuple(theorems)
    text = "\n".join(_tables(theorems))
    if loads(text, "this theorem, written as TOML") != theorems:
        raise InputError(f"{', '.join(theorem.key for theorem in theorems)} cannot be written so as to be read back")
    return text


def _tables(theorems: tuple[Theorem, ...]) -> Iterator[str]:
    """The tables of a file, each a paragraph."""
    papers: dict[str, Paper] = {}
    settings: dict[Setting, str] = {}
    hypotheses: dict[Hypothesis, str] = {}
    for theorem in theorems:
        paper = theorem.source.paper
        if papers.setdefault(paper.key, paper) != paper:
            raise InputError(f"two papers have the key {paper.key!r}; change one of them")
        _name(settings, theorem.setting, paper.key)
        for hypothesis in theorem.hypotheses:
            _name(hypotheses, hypothesis, re.sub(r"\W+", "-", hypothesis.name.lower(), flags=re.ASCII).strip("-_"))
    for key, paper in papers.items():
        yield _table(f"[paper.{_key(key)}]", {field: getattr(paper, field) for field in PAPER})
    for setting, name in settings.items():
        depths = [depth for depth, meant in DEPTHS.items() if meant == setting.depth]
        if not depths:
            raise InputError(f"the depth {setting.depth.counts!r} cannot be written; use {', '.join(DEPTHS)}")
        facts = {field: getattr(setting, field) for field in SETTING}
        yield _table(f"[setting.{_key(name)}]", {**facts, "depth": depths[0]})
    for hypothesis, name in hypotheses.items():
        facts = {field: getattr(hypothesis, field) for field in ("name", "statement")}
        if hypothesis.symbol is not None:
            facts["symbol"] = show_formula(hypothesis.symbol)
        facts |= {"measure": hypothesis.measure} if hypothesis.measure else {}
        facts |= {"weaker": hypothesis.weaker} if hypothesis.weaker != "smaller" else {}
        yield _table(f"[hypothesis.{_key(name)}]", facts)
    for theorem in theorems:
        yield from _theorem_tables(theorem, settings, hypotheses)


def _name(names: dict[Fact, str], fact: Fact, wish: str) -> None:
    """Name a shared fact as wished, with a number behind where the name is taken."""
    taken, wish = set(names.values()), wish or "unnamed"
    if fact not in names:
        numbered = (f"{wish}-{number}" for number in count(2))
        names[fact] = next(name for name in chain([wish], numbered) if name not in taken)


def _theorem_tables(
    theorem: Theorem, settings: Mapping[Setting, str], hypotheses: Mapping[Hypothesis, str]
) -> Iterator[str]:
    facts: dict[str, Any] = {"key": theorem.key, "title": theorem.title}
    facts |= {"paper": theorem.source.paper.key, "at": theorem.source.locator, "setting": settings[theorem.setting]}
    facts |= {"reading": theorem.reading} if theorem.reading != "stated" else {}
    facts |= {"provenance": theorem.provenance} if theorem.provenance != "stated" else {}
    facts["hypotheses"] = [hypotheses[hypothesis] for hypothesis in theorem.hypotheses]
    facts |= {group: [_inequality(bound) for bound in getattr(theorem, group)] for group in GROUPS}
    facts["notes"] = list(theorem.notes)
    yield _table("[[theorem]]", {name: fact for name, fact in facts.items() if fact != []})

    supplies = {show_formula(symbol): show_formula(expr) for symbol, expr in theorem.supplies.items()}
    if supplies:
        yield _table("[theorem.supplies]", supplies)
    if declared := _declared(theorem):
        yield _table("[theorem.constants]", declared)
    for derivation in theorem.derivations:
        yield _table("[[theorem.derivation]]", derivation_facts(derivation))


def _declared(theorem: Theorem) -> dict[str, Any]:
    """What a file has to say of a theorem's hidden constants."""
    formulas = [*(bound.expr for bound in theorem.bounds), *theorem.supplies.values()]
    formulas += [bound.probability for bound in theorem.guarantees if bound.probability is not None]
    formulas += [formula for derivation in theorem.derivations for formula in formulas_of(derivation)]
    hidden = hiding((theorem.key, show_formula(formula)) for formula in formulas)
    constants = {constant.name: constant for constant in constants_of(theorem)}
    if len(constants) != len(constants_of(theorem)):
        raise InputError(f"{theorem.key}: two hidden constants have the same name; rename one of them")
    unlike = {
        name: unlike_default(constant, default_constant(name, hidden.get(name), constants))
        for name, constant in constants.items()
    }
    return {name: facts for name, facts in unlike.items() if facts or name not in hidden}


def _inequality(bound: Bound) -> str | dict[str, Any]:
    text = f"{show_formula(bound.symbol)} {bound.relation} {show_formula(bound.expr)}"
    facts: dict[str, Any] = {}
    for direction in ("rising", "falling"):
        if symbols := getattr(bound, direction):
            facts[direction] = [show_formula(symbol) for symbol in symbols]
    if isinstance(bound, Guarantee):
        facts |= {"probability": show_formula(bound.probability)} if bound.probability is not None else {}
        facts |= {"over": bound.over} if bound.over != "initialization" else {}
    facts |= {"note": bound.note} if bound.note else {}
    facts |= {"provenance": bound.provenance} if bound.provenance else {}
    return {"bound": text, **facts} if facts else text


def _table(header: str, facts: Mapping[str, Any]) -> str:
    lines = [header]
    for name, value in facts.items():
        if isinstance(value, list) and name in _ROWS:
            lines += [f"{name} = [", *(f"    {_toml(item)}," for item in value), "]"]
        else:
            lines.append(f"{_key(name)} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value)
    escaped = re.sub(r'[\\"]', r"\\\g<0>", str(value))
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04X}", escaped) + '"'


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)
