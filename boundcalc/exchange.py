"""Theorems as TOML files, and theorems that installed packages bring along.

    [paper.nobody2030]                       # what theorems share, by name
    authors = "Nobody"
    title = "On wide networks"
    venue = "nowhere"
    version = "v1"

    [setting.relu]
    network = "deep ReLU network"
    init = "Gaussian"
    loss = "logistic"
    algorithm = "gradient descent"
    depth = "hidden layers"                  # or "weight matrices", "two-layer": what L counts

    [[theorem]]
    key = "nobody2030/thm1"
    title = "wide networks train"
    paper = "nobody2030"
    at = "Theorem 1"
    setting = "relu"
    conditions = [{bound = "m >= Otilde_m(L^3*n*log(n/delta))", rising = ["L", "n"], falling = ["delta"]}]
    prescriptions = ["eta = Theta_eta(1/(L*m))"]
    guarantees = [{bound = "L_S <= epsilon", probability = "1 - delta"}]

An inequality is a text, or a table where there is more to say of it. Formulas are those of `formula`; `Otilde_m(g)`
hides C_m and k_m. A table `[theorem.constants]` says of a hidden constant what is not its default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast, get_args

import sympy

from boundcalc.constants import Direction, HiddenConstant
from boundcalc.documents import Node, read_document, read_file
from boundcalc.errors import InputError, nearest
from boundcalc.formula import NAMES, NOTATION_CALL, RESERVED, parse_formula, show_formula
from boundcalc.parsing import normalize, parse_number
from boundcalc.plugins import offered
from boundcalc.symbols import HIDDEN_LAYERS, TWO_LAYER, VOCABULARY, WEIGHT_MATRICES
from boundcalc.theorem import (
    Bound,
    Condition,
    Guarantee,
    Hypothesis,
    Paper,
    Prescription,
    Provenance,
    Reading,
    Relation,
    Setting,
    Theorem,
)

KEY = re.compile(r"[a-z]+[0-9]{4}(/[a-z0-9_.]+[a-z0-9_])?")
"""A theorem's key, as queries can name it: the paper's, and perhaps the statement's in it."""

_DEPTHS = {"weight matrices": WEIGHT_MATRICES, "hidden layers": HIDDEN_LAYERS, "two-layer": TWO_LAYER}
_RELATIONS: Mapping[str, Relation] = {">=": ">=", "≥": ">=", "<=": "<=", "≤": "<=", "=": "="}
_GROUPS: Mapping[str, type[Bound]] = {"conditions": Condition, "prescriptions": Prescription, "guarantees": Guarantee}

_PAPER = ("authors", "title", "venue", "version")
_SETTING = ("network", "init", "loss", "algorithm", "depth")
_HYPOTHESIS = ("name", "statement", "symbol")
_NEEDED = ("key", "title", "paper", "at", "setting")
_THEOREM = (*_NEEDED, "reading", "provenance", "hypotheses", *_GROUPS, "supplies", "constants", "notes")
_BOUND = ("bound", "rising", "falling", "note", "provenance")
_GUARANTEE = (*_BOUND, "probability", "over")
_CONSTANT = ("role", "hides", "direction", "value", "origin")

Role = Literal["C", "k", "p"]
Fact = TypeVar("Fact")


def loads(text: str, origin: str = "<string>") -> tuple[Theorem, ...]:
    """Read theorems from TOML.

    Args:
        text: the TOML.
        origin: where it comes from, for messages.

    Raises:
        InputError: something in it is not as it should be; the message names the file, the line and the field.
    """
    return _theorems(read_document(text, origin))


def read_theorems(path: Path) -> tuple[Theorem, ...]:
    """Read theorems from a TOML file.

    Raises:
        InputError: the file cannot be read, or something in it is not as it should be.
    """
    return _theorems(read_file(path))


@dataclass(frozen=True)
class _Shared:
    """What the theorems of a file refer to by name."""

    papers: Mapping[str, Paper]
    settings: Mapping[str, Setting]
    hypotheses: Mapping[str, Hypothesis]


def _theorems(document: Node) -> tuple[Theorem, ...]:
    fields = document.fields(("paper", "setting", "hypothesis", "theorem"), required=("theorem",))

    def named(kind: str, read: Callable[[str, Node], Fact]) -> dict[str, Fact]:
        return {name: read(name, node) for name, node in fields[kind].entries().items()} if kind in fields else {}

    shared = _Shared(named("paper", _paper), named("setting", _setting), named("hypothesis", _hypothesis))
    found: dict[tuple[str, str], tuple[Theorem, Node]] = {}
    for node in fields["theorem"].items():
        theorem = _theorem(node, shared)
        _, first = found.setdefault((theorem.key, theorem.reading), (theorem, node))
        if first is not node:
            node.fail(f"{theorem.key} ({theorem.reading}) is defined already, at {first.place}")
    return tuple(theorem for theorem, _ in found.values())


def _paper(name: str, node: Node) -> Paper:
    fields = node.fields(_PAPER, required=_PAPER)
    return Paper(name, *(fields[field].text() for field in _PAPER))


def _setting(_: str, node: Node) -> Setting:
    fields = node.fields(_SETTING, required=_SETTING)
    depth = _DEPTHS[fields.pop("depth").text(*_DEPTHS)]
    return Setting(**{name: field.text() for name, field in fields.items()}, depth=depth)


def _hypothesis(_: str, node: Node) -> Hypothesis:
    fields = node.fields(_HYPOTHESIS, required=("name", "statement"))
    symbol = _symbol(fields["symbol"]) if "symbol" in fields else None
    return Hypothesis(fields["name"].text(), fields["statement"].text(), symbol)


def _theorem(node: Node, shared: _Shared) -> Theorem:
    fields = node.fields(_THEOREM, required=_NEEDED)
    key = fields["key"].text()
    if not KEY.fullmatch(key):
        fields["key"].fail(
            f"{key[:60]!r} is no key; write small letters and a year of four digits, and perhaps / and the statement, "
            "like nobody2030/thm1"
        )
    rows = {group: _rows(fields, group) for group in _GROUPS}
    if not any(rows.values()):
        node.fail(f"{key} bounds nothing; give it {', '.join(_GROUPS)}")
    supplies = fields["supplies"].entries() if "supplies" in fields else {}
    formulas = [
        row[name] for group in rows.values() for row in group for name in ("bound", "probability") if name in row
    ]
    formulas += supplies.values()
    declared = fields["constants"].entries() if "constants" in fields else {}
    constants = _constants(declared, _hiding((formula.place, formula.text()) for formula in formulas))
    theorem = Theorem(
        key=key,
        title=fields["title"].text(),
        source=_referred(fields["paper"], shared.papers, "paper").at(fields["at"].text()),
        setting=_referred(fields["setting"], shared.settings, "setting"),
        hypotheses=tuple(_assumption(item, shared) for item in _items(fields, "hypotheses")),
        **{group: tuple(_bound(_GROUPS[group], row, constants) for row in rows[group]) for group in _GROUPS},
        provenance=_choice(fields, "provenance", Provenance, "stated"),
        reading=_choice(fields, "reading", Reading, "stated"),
        supplies=MappingProxyType(_supplies(supplies, constants)),
        notes=tuple(item.text() for item in _items(fields, "notes")),
    )
    used = {constant.name for constant in theorem.constants}
    for name, constant in declared.items():
        if name not in used:
            constant.fail("this constant stands in no formula; drop it, or use it" + _offer(name, used))
    return theorem


def _items(fields: Mapping[str, Node], name: str) -> tuple[Node, ...]:
    return fields[name].items() if name in fields else ()


def _offer(name: str, known: Iterable[str]) -> str:
    offers = nearest(name, known)
    return f"; did you mean {' or '.join(offers)}?" if offers else ""


def _referred(node: Node, known: Mapping[str, Fact], kind: str) -> Fact:
    name = node.text()
    if name not in known:
        node.fail(f"no {kind} {name[:60]!r}{_offer(name, known)}; describe it in a table [{kind}.{name[:60]}]")
    return known[name]


def _assumption(node: Node, shared: _Shared) -> Hypothesis:
    """A hypothesis by name, or described on the spot."""
    return _hypothesis("", node) if isinstance(node.value, dict) else _referred(node, shared.hypotheses, "hypothesis")


def _text(fields: Mapping[str, Node], name: str, default: str = "") -> str:
    return fields[name].text() if name in fields else default


def _choice(fields: Mapping[str, Node], name: str, literal: Any, default: Any) -> Any:
    """One of the words of a Literal type."""
    return fields[name].text(*get_args(literal)) if name in fields else default


def _symbol(node: Node, text: str | None = None) -> sympy.Symbol:
    """The parameter of the field that a text names."""
    name = normalize(node.text() if text is None else text).strip()
    if name not in NAMES:
        known = "; known are " + ", ".join(VOCABULARY)
        node.fail(f"unknown symbol {name[:40]!r}{_offer(name, NAMES) or known}")
    return NAMES[name]


def _rows(fields: Mapping[str, Node], group: str) -> list[dict[str, Node]]:
    """The fields of each inequality of a group; a text alone is the inequality itself."""
    known = _GUARANTEE if group == "guarantees" else _BOUND
    return [
        item.fields(known, required=("bound",)) if isinstance(item.value, dict) else {"bound": item}
        for item in _items(fields, group)
    ]


def _formula(node: Node, constants: Mapping[str, HiddenConstant], begin: int = 0) -> sympy.Expr:
    """The formula that a text holds from a character on."""
    text = node.text()
    # Blanks in place of what stands before it keep its characters' numbers.
    return parse_formula(" " * begin + text[begin:], constants, notations=True, what=node.place)


def _bound(kind: type[Bound], fields: Mapping[str, Node], constants: Mapping[str, HiddenConstant]) -> Any:
    node = fields["bound"]
    sign = re.search(r"[<>=≤≥≈~!]+", node.text())
    if sign is None or sign[0] not in _RELATIONS:
        found = "no relation" if sign is None else f"the relation {sign[0][:10]!r}"
        node.fail(f"{node.text()[:60]!r} has {found}; write >=, <= or =, as in m >= Otilde_m(L^3)")
    symbol = _symbol(node, node.text()[: sign.start()])
    expr = _formula(node, constants, sign.end())
    facts: dict[str, Any] = {
        "note": _text(fields, "note"),
        "provenance": _choice(fields, "provenance", Provenance, None),
    }
    for direction in ("rising", "falling"):
        facts[direction] = tuple(_symbol(item) for item in _items(fields, direction))
        for item, named in zip(_items(fields, direction), facts[direction], strict=True):
            if not expr.has(named):
                item.fail(f"{named} does not occur in the formula")
            if direction == "falling" and named in facts["rising"]:
                item.fail(f"{named} is declared rising as well")
    if "probability" in fields:
        facts["probability"] = _formula(fields["probability"], constants)
    if "over" in fields:
        facts["over"] = fields["over"].text()
    return kind(symbol, _RELATIONS[sign[0]], expr, **facts)


def _supplies(entries: Mapping[str, Node], constants: Mapping[str, HiddenConstant]) -> dict[sympy.Symbol, sympy.Expr]:
    supplies: dict[sympy.Symbol, sympy.Expr] = {}
    for name, node in entries.items():
        symbol = _symbol(node, name)
        if symbol in supplies:
            node.fail(f"{symbol} is supplied twice, under two of its names")
        supplies[symbol] = _formula(node, constants)
    return supplies


def _hiding(formulas: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The constants that notations in the formulas hide, with the notation.

    Args:
        formulas: each with its place.

    Raises:
        InputError: two notations hide a constant of the same name.
    """
    hiding: dict[str, str] = {}
    for place, formula in formulas:
        for notation, label in NOTATION_CALL.findall(normalize(formula)):
            for name in (f"C_{label}", f"k_{label}") if notation.endswith("tilde") else (f"C_{label}",):
                if hiding.setdefault(name, notation) != notation:
                    raise InputError(f"{place}: both {hiding[name]} and {notation} hide {name}; change one's label")
    return hiding


def _constants(declared: Mapping[str, Node], hiding: Mapping[str, str]) -> dict[str, HiddenConstant]:
    constants: dict[str, HiddenConstant] = {}
    for name in sorted({*hiding, *declared}):  # C_m before k_m, which takes its direction from it
        default = _default(name, hiding.get(name), constants)
        constants[name] = _constant(default, declared[name]) if name in declared else default
    return constants


def _default(name: str, notation: str | None, constants: Mapping[str, HiddenConstant]) -> HiddenConstant:
    """A constant of which a file says nothing; nothing hides an exponent or a power until the file says what does."""
    role = cast(Role, name[0] if re.match("[Ckp]_", name) else "C")
    hides = notation or ("absolute constant" if role == "C" else "")
    direction: Direction = "any" if notation == "Theta" else "large"
    if notation and role == "k":
        direction = constants[f"C_{name[2:]}"].direction
    return HiddenConstant(name, hides=hides, role=role, direction=direction)


def _constant(default: HiddenConstant, node: Node) -> HiddenConstant:
    fields = node.fields(_CONSTANT)
    name = default.name
    if not name.isidentifier() or normalize(name) != name or name in NAMES or name in RESERVED:
        node.fail(f"{name!r} cannot name a constant; write one plain word that means nothing else, such as C_large")
    role = _choice(fields, "role", Role, default.role)
    hides = _text(fields, "hides", default.hides)
    origin = _text(fields, "origin")
    value = _value(fields["value"], role) if "value" in fields else None
    direction = _choice(fields, "direction", Direction, default.direction)
    if not hides:
        node.fail('say what hides this constant, e.g. hides = "poly(L, R)"')
    if value is not None and not origin:
        node.fail('say where the value comes from, e.g. origin = "from the proof"')
    return HiddenConstant(name, hides=hides, role=role, direction=direction, value=value, origin=origin)


def _value(node: Node, role: str) -> Fraction:
    if isinstance(node.value, bool) or not isinstance(node.value, int | str):
        node.fail('this is not a number; write it like 11, 0.5 or "1/3"')
    value = parse_number(str(node.value), node.place)
    if value < 0 or (role == "C" and value == 0):
        node.fail(f"{node.value} is not a number {'> 0' if role == 'C' else '≥ 0'}")
    return value


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
        yield _table(f"[paper.{_key(key)}]", {field: getattr(paper, field) for field in _PAPER})
    for setting, name in settings.items():
        depths = [depth for depth, meant in _DEPTHS.items() if meant == setting.depth]
        if not depths:
            raise InputError(f"the depth {setting.depth.counts!r} cannot be written; use {', '.join(_DEPTHS)}")
        facts = {field: getattr(setting, field) for field in _SETTING}
        yield _table(f"[setting.{_key(name)}]", {**facts, "depth": depths[0]})
    for hypothesis, name in hypotheses.items():
        facts = {field: getattr(hypothesis, field) for field in ("name", "statement")}
        if hypothesis.symbol is not None:
            facts["symbol"] = show_formula(hypothesis.symbol)
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
    facts |= {group: [_inequality(bound) for bound in getattr(theorem, group)] for group in _GROUPS}
    facts["notes"] = list(theorem.notes)
    yield _table("[[theorem]]", {name: fact for name, fact in facts.items() if fact != []})

    supplies = {show_formula(symbol): show_formula(expr) for symbol, expr in theorem.supplies.items()}
    if supplies:
        yield _table("[theorem.supplies]", supplies)
    promised = [bound.probability for bound in theorem.guarantees if bound.probability is not None]
    formulas = [show_formula(expr) for expr in (*(bound.expr for bound in theorem.bounds), *promised)]
    hiding = _hiding((theorem.key, formula) for formula in (*formulas, *supplies.values()))
    constants = {constant.name: constant for constant in theorem.constants}
    if len(constants) != len(theorem.constants):
        raise InputError(f"{theorem.key}: two hidden constants have the same name; rename one of them")
    unlike = {
        name: _unlike(constant, _default(name, hiding.get(name), constants)) for name, constant in constants.items()
    }
    declared = {name: facts for name, facts in unlike.items() if facts or name not in hiding}
    if declared:
        yield _table("[theorem.constants]", declared)


def _unlike(constant: HiddenConstant, default: HiddenConstant) -> dict[str, Any]:
    """What a file has to say of a constant."""
    facts = {fact: getattr(constant, fact) for fact in _CONSTANT}
    return {fact: value for fact, value in facts.items() if value != getattr(default, fact)}


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
        if isinstance(value, list) and name in _GROUPS:
            lines += [f"{name} = [", *(f"    {_toml(item)}," for item in value), "]"]
        else:
            lines.append(f"{_key(name)} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, Fraction) and value.denominator == 1:
        return str(value)
    escaped = re.sub(r'[\\"]', r"\\\g<0>", str(value))
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04X}", escaped) + '"'


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _toml(name)


def installed() -> tuple[Theorem, ...]:
    """The theorems that installed packages bring along.

    Raises:
        InputError: an entry point does not give theorems; the message names it.
    """
    return tuple(theorem for _, theorems in installed_by_place() for theorem in theorems)


def installed_by_place() -> Iterator[tuple[str, tuple[Theorem, ...]]]:
    """Each entry point, as messages name it, and the theorems that it brings along.

    Raises:
        InputError: an entry point cannot be loaded, or gives what is no theorem.
    """
    for place, given in offered():
        yield place, tuple(_checked(theorem, place) for theorem in given)


def _checked(theorem: object, place: str) -> Theorem:
    """Refuse what is no theorem, or is one that the rest of the program could not name."""
    if not isinstance(theorem, Theorem):
        raise InputError(f"{place} gives {theorem!r:.60}; give a Theorem, several, or a function that returns them")
    if not KEY.fullmatch(theorem.key):
        raise InputError(f"{place}: {theorem.key!r:.60} is no key; write one like nobody2030/thm1")
    for symbol in theorem.symbols:
        if symbol.name not in VOCABULARY:
            raise InputError(f"{place}, {theorem.key}: unknown symbol {symbol.name!r}{_offer(symbol.name, VOCABULARY)}")
    return theorem
