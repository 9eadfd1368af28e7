"""Read theorems from TOML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from boundcalc.constants import HiddenConstant
from boundcalc.documents import Node, read_document, read_file
from boundcalc.exchange.derivations import Draft, constants_of, read_derivations
from boundcalc.exchange.fields import (
    KEY,
    choice_of,
    entries_of,
    items_of,
    offer,
    read_formula,
    read_relation,
    read_replacements,
    read_symbol,
    text_of,
)
from boundcalc.exchange.hidden import hiding, read_constants
from boundcalc.symbols import HIDDEN_LAYERS, TWO_LAYER, WEIGHT_MATRICES
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
    Weaker,
)

DEPTHS = {"weight matrices": WEIGHT_MATRICES, "hidden layers": HIDDEN_LAYERS, "two-layer": TWO_LAYER}
_RELATIONS: Mapping[str, Relation] = {">=": ">=", "≥": ">=", "<=": "<=", "≤": "<=", "=": "="}
GROUPS: Mapping[str, type[Bound]] = {"conditions": Condition, "prescriptions": Prescription, "guarantees": Guarantee}

PAPER = ("authors", "title", "venue", "version")
SETTING = ("network", "init", "loss", "algorithm", "depth")
_HYPOTHESIS = ("name", "statement", "symbol", "measure", "weaker")
_NEEDED = ("key", "title", "paper", "at", "setting")
_THEOREM = (*_NEEDED, "reading", "provenance", "hypotheses", *GROUPS, "supplies", "constants", "notes", "derivation")
_BOUND = ("bound", "rising", "falling", "note", "provenance")
_GUARANTEE = (*_BOUND, "probability", "over")

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
    fields = node.fields(PAPER, required=PAPER)
    return Paper(name, *(fields[field].text() for field in PAPER))


def _setting(_: str, node: Node) -> Setting:
    fields = node.fields(SETTING, required=SETTING)
    depth = DEPTHS[fields.pop("depth").text(*DEPTHS)]
    return Setting(**{name: field.text() for name, field in fields.items()}, depth=depth)


def _hypothesis(_: str, node: Node) -> Hypothesis:
    fields = node.fields(_HYPOTHESIS, required=("name", "statement"))
    symbol = read_symbol(fields["symbol"]) if "symbol" in fields else None
    for name in ("measure", "weaker"):
        if name in fields and symbol is None:
            fields[name].fail('this is about the symbol that the assumption brings in; name that, as symbol = "gamma"')
    measure, weaker = text_of(fields, "measure"), choice_of(fields, "weaker", Weaker, "smaller")
    return Hypothesis(fields["name"].text(), fields["statement"].text(), symbol, measure, weaker)


def _theorem(node: Node, shared: _Shared) -> Theorem:
    fields = node.fields(_THEOREM, required=_NEEDED)
    key = fields["key"].text()
    if not KEY.fullmatch(key):
        fields["key"].fail(
            f"{key[:60]!r} is no key; write small letters and a year of four digits, and perhaps / and the statement, "
            "like nobody2030/thm1"
        )
    rows = {group: _rows(fields, group) for group in GROUPS}
    if not any(rows.values()):
        node.fail(f"{key} bounds nothing; give it {', '.join(GROUPS)}")
    supplies = entries_of(fields, "supplies")
    formulas = [
        row[name] for group in rows.values() for row in group for name in ("bound", "probability") if name in row
    ]
    formulas += supplies.values()
    drafts = [Draft.of(item) for item in items_of(fields, "derivation")]
    formulas += [formula for draft in drafts for formula in draft.formulas()]
    declared = entries_of(fields, "constants")
    constants = read_constants(declared, hiding((formula.place, formula.text()) for formula in formulas))
    theorem = Theorem(
        key=key,
        title=fields["title"].text(),
        source=_referred(fields["paper"], shared.papers, "paper").at(fields["at"].text()),
        setting=_referred(fields["setting"], shared.settings, "setting"),
        hypotheses=tuple(_assumption(item, shared) for item in items_of(fields, "hypotheses")),
        **{group: tuple(_bound(GROUPS[group], row, constants) for row in rows[group]) for group in GROUPS},
        provenance=choice_of(fields, "provenance", Provenance, "stated"),
        reading=choice_of(fields, "reading", Reading, "stated"),
        supplies=MappingProxyType(read_replacements(supplies, constants, done="supplied")),
        notes=tuple(item.text() for item in items_of(fields, "notes")),
        derivations=read_derivations(drafts, constants),
    )
    used = {constant.name for constant in constants_of(theorem)}
    for name, constant in declared.items():
        if name not in used:
            constant.fail("this constant stands in no formula; drop it, or use it" + offer(name, used))
    return theorem


def _referred(node: Node, known: Mapping[str, Fact], kind: str) -> Fact:
    name = node.text()
    if name not in known:
        node.fail(f"no {kind} {name[:60]!r}{offer(name, known)}; describe it in a table [{kind}.{name[:60]}]")
    return known[name]


def _assumption(node: Node, shared: _Shared) -> Hypothesis:
    """A hypothesis by name, or described on the spot."""
    return _hypothesis("", node) if isinstance(node.value, dict) else _referred(node, shared.hypotheses, "hypothesis")


def _rows(fields: Mapping[str, Node], group: str) -> list[dict[str, Node]]:
    """The fields of each inequality of a group; a text alone is the inequality itself."""
    known = _GUARANTEE if group == "guarantees" else _BOUND
    return [
        item.fields(known, required=("bound",)) if isinstance(item.value, dict) else {"bound": item}
        for item in items_of(fields, group)
    ]


def _bound(kind: type[Bound], fields: Mapping[str, Node], constants: Mapping[str, HiddenConstant]) -> Any:
    node = fields["bound"]
    relation, begin, end = read_relation(node, _RELATIONS, "m >= Otilde_m(L^3)")
    symbol = read_symbol(node, node.text()[:begin])
    expr = read_formula(node, constants, end)
    facts: dict[str, Any] = {
        "note": text_of(fields, "note"),
        "provenance": choice_of(fields, "provenance", Provenance, None),
    }
    for direction in ("rising", "falling"):
        facts[direction] = tuple(read_symbol(item) for item in items_of(fields, direction))
        for item, named in zip(items_of(fields, direction), facts[direction], strict=True):
            if not expr.has(named):
                item.fail(f"{named} does not occur in the formula")
            if direction == "falling" and named in facts["rising"]:
                item.fail(f"{named} is declared rising as well")
    if "probability" in fields:
        facts["probability"] = read_formula(fields["probability"], constants)
    if "over" in fields:
        facts["over"] = fields["over"].text()
    return kind(symbol, relation, expr, **facts)
