"""Derivations in files: read, and said in the words of a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy

from boundcalc.constants import HiddenConstant, hidden_constants
from boundcalc.derivation import Claim, Derivation, DerivationStep, Sense
from boundcalc.documents import Node
from boundcalc.exchange.fields import (
    KEY,
    choice_of,
    entries_of,
    is_plain,
    items_of,
    offer,
    read_formula,
    read_relation,
    read_replacements,
    read_symbol,
    text_of,
)
from boundcalc.formula import NAMES, NOTATION_CALL, RESERVED, show_formula
from boundcalc.theorem import Provenance, Theorem

_SENSES: Mapping[str, Sense] = {">=": ">=", "≥": ">=", "<=": "<=", "≤": "<="}
_DERIVATION = ("name", "choices", "put", "where", "quantities", "note", "steps")
_STEP = ("id", "claim", "says", "needed", "because", "uses", "put", "where", "fixed", "provenance")


def formulas_of(derivation: Derivation) -> Iterator[sympy.Expr]:
    """Every formula of a derivation, in reading order."""
    yield from derivation.put.values()
    for claim in derivation.where:
        yield from (claim.left, claim.right)
    for step in derivation.steps:
        for claim in (step.claim, *step.where):
            yield claim.left
            yield claim.right
        if step.because is not None:
            yield step.because
        yield from step.put.values()


def constants_of(theorem: Theorem) -> tuple[HiddenConstant, ...]:
    """The hidden constants of a statement and of its derivations, by name."""
    formulas = (formula for derivation in theorem.derivations for formula in formulas_of(derivation))
    return hidden_constants(*theorem.constants, *formulas)


@dataclass(frozen=True)
class Draft:
    """The fields of a derivation and of its steps, their formulas not yet read."""

    node: Node
    fields: Mapping[str, Node]
    steps: tuple[Mapping[str, Node], ...]

    @staticmethod
    def of(node: Node) -> Draft:
        """The fields of a [[theorem.derivation]]."""
        fields = node.fields(_DERIVATION, required=("steps",))
        steps = tuple(step.fields(_STEP, required=("id", "claim")) for step in fields["steps"].items())
        if not steps:
            fields["steps"].fail("this derives nothing; give it a step, with an id and a claim")
        return Draft(node, fields, steps)

    def formulas(self) -> Iterator[Node]:
        """Every text that holds formulas."""
        for fields in (self.fields, *self.steps):
            yield from (fields[name] for name in ("claim", "because") if name in fields)
            yield from items_of(fields, "where")
            yield from entries_of(fields, "put").values()


@dataclass(frozen=True)
class _Names:
    """What a derivation may name: symbols, and in its formulas hidden constants as well."""

    symbols: Mapping[str, sympy.Symbol]
    constants: Mapping[str, HiddenConstant]

    def formula(self, node: Node) -> sympy.Expr:
        return read_formula(node, self._known)

    def claim(self, node: Node) -> Claim:
        relation, begin, end = read_relation(node, _SENSES, "sqrt(K*eta) <= tau")
        left, right = read_formula(node, self._known, 0, begin), read_formula(node, self._known, end)
        return Claim(left, relation, right)

    def replacements(self, fields: Mapping[str, Node]) -> Mapping[sympy.Symbol, sympy.Expr]:
        return MappingProxyType(read_replacements(entries_of(fields, "put"), self._known, self.symbols))

    @property
    def _known(self) -> Mapping[str, sympy.Expr]:
        return {**self.symbols, **self.constants}


def read_derivations(drafts: Iterable[Draft], constants: Mapping[str, HiddenConstant]) -> tuple[Derivation, ...]:
    """The derivations of a statement, whose hidden constants are these."""
    named: dict[str, Node] = {}
    derivations = []
    for draft in drafts:
        name, node = text_of(draft.fields, "name"), draft.fields.get("name", draft.node)
        if named and not name:
            node.fail("a further derivation needs a name, which tells it apart from the first")
        if named.setdefault(name, node) is not node:
            node.fail(f"{name[:60]!r} is the name of another derivation, at {named[name].place}; change one of them")
        derivations.append(_derivation(name, draft, constants))
    return tuple(derivations)


def _derivation(name: str, draft: Draft, constants: Mapping[str, HiddenConstant]) -> Derivation:
    fields = draft.fields
    quantities = {name: _meaning(name, node, constants) for name, node in entries_of(fields, "quantities").items()}
    names = _Names({**NAMES, **{name: sympy.Symbol(name, positive=True) for name in quantities}}, constants)
    return Derivation(
        steps=_steps(draft.steps, names),
        choices=_chosen(items_of(fields, "choices")),
        put=names.replacements(fields),
        where=tuple(names.claim(item) for item in items_of(fields, "where")),
        quantities=MappingProxyType(quantities),
        name=name,
        note=text_of(fields, "note"),
    )


def _meaning(name: str, node: Node, constants: Mapping[str, HiddenConstant]) -> str:
    """What a quantity means, whose name nothing else bears."""
    if not is_plain(name):
        node.fail(f"{name[:60]!r} cannot name a quantity; write one plain word, such as I_1")
    bearers = {
        "a parameter of the field": name in NAMES,
        "a function": name.lower() in RESERVED or NOTATION_CALL.fullmatch(name),
        "a hidden constant": name in constants,
    }
    for bearer in (bearer for bearer, bears in bearers.items() if bears):
        node.fail(f"{name[:60]!r} is {bearer} already; give the quantity another name")
    return node.text()


def _chosen(nodes: Iterable[Node]) -> tuple[sympy.Symbol, ...]:
    chosen: dict[sympy.Symbol, None] = {}
    for node in nodes:
        symbol = read_symbol(node)
        if symbol in chosen:
            node.fail(f"{symbol} is chosen twice; name it once")
        chosen[symbol] = None
    return tuple(chosen)


def _steps(rows: tuple[Mapping[str, Node], ...], names: _Names) -> tuple[DerivationStep, ...]:
    ids = {row["id"].text() for row in rows}
    earlier: dict[str, Node] = {}
    steps = []
    for row in rows:
        node = row["id"]
        used = tuple(_used(item, earlier, ids) for item in items_of(row, "uses"))
        if not node.text():
            node.fail("this id is empty; write the number of the formula, such as (4.2), or a short name")
        if earlier.setdefault(node.text(), node) is not node:
            other = earlier[node.text()].place
            node.fail(f"{node.text()[:60]!r} is the id of another step, at {other}; change one of them")
        steps.append(_step(row, used, names))
    return tuple(steps)


def _used(node: Node, earlier: Mapping[str, Node], ids: Set[str]) -> str:
    """The id of an earlier step, or the key of a statement."""
    used = node.text()
    if used not in earlier and not KEY.fullmatch(used):
        if used in ids:
            node.fail(f"the step {used[:60]!r} comes no earlier than this one; use what stands before it")
        node.fail(
            f"no earlier step {used[:60]!r}{offer(used, earlier)}; write the id of one, or a statement's key such as "
            "cao2020/lem4.2"
        )
    return used


def _step(fields: Mapping[str, Node], used: tuple[str, ...], names: _Names) -> DerivationStep:
    needed = "needed" in fields and fields["needed"].flag()
    if needed and "because" in fields:
        fields["because"].fail("a needed step has no because; drop one of the two")
    return DerivationStep(
        id=fields["id"].text(),
        claim=names.claim(fields["claim"]),
        says=text_of(fields, "says"),
        needed=needed,
        because=names.formula(fields["because"]) if "because" in fields else None,
        uses=used,
        put=names.replacements(fields),
        where=tuple(names.claim(item) for item in items_of(fields, "where")),
        fixed=tuple(read_symbol(item, names=names.symbols) for item in items_of(fields, "fixed")),
        provenance=choice_of(fields, "provenance", Provenance, "stated"),
    )


def derivation_facts(derivation: Derivation) -> dict[str, Any]:
    """What a file has to say of a derivation."""
    facts = {
        "name": derivation.name,
        "choices": [show_formula(symbol) for symbol in derivation.choices],
        "put": _put(derivation.put),
        "where": [_inequality(claim) for claim in derivation.where],
        "quantities": dict(derivation.quantities),
        "note": derivation.note,
        "steps": [_step_facts(step) for step in derivation.steps],
    }
    return _said(facts)


def _step_facts(step: DerivationStep) -> dict[str, Any]:
    facts = {
        "id": step.id,
        "claim": _inequality(step.claim),
        "needed": step.needed,
        "because": "" if step.because is None else show_formula(step.because),
        "uses": list(step.uses),
        "put": _put(step.put),
        "where": [_inequality(claim) for claim in step.where],
        "fixed": [show_formula(symbol) for symbol in step.fixed],
        "provenance": "" if step.provenance == "stated" else step.provenance,
        "says": step.says,
    }
    return _said(facts)


def _said(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in facts.items() if fact}


def _put(replacements: Mapping[sympy.Symbol, sympy.Expr]) -> dict[str, str]:
    return {show_formula(symbol): show_formula(expr) for symbol, expr in replacements.items()}


def _inequality(claim: Claim) -> str:
    return f"{show_formula(claim.left)} {claim.relation} {show_formula(claim.right)}"
