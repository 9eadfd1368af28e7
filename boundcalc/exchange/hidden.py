"""Hidden constants in files: what is their default, and what a file says beyond that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal, cast

from boundcalc.constants import Direction, HiddenConstant
from boundcalc.documents import Node
from boundcalc.errors import InputError
from boundcalc.exchange.fields import choice_of, is_plain, text_of
from boundcalc.formula import NAMES, NOTATION_CALL, RESERVED
from boundcalc.parsing import normalize, parse_number

_CONSTANT = ("role", "hides", "direction", "value", "origin")
Role = Literal["C", "k", "p"]


def hiding(formulas: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The constants that notations in the formulas hide, with the notation.

    Args:
        formulas: each with its place.

    Raises:
        InputError: two notations hide a constant of the same name.
    """
    found: dict[str, str] = {}
    for place, formula in formulas:
        for notation, label in NOTATION_CALL.findall(normalize(formula)):
            for name in (f"C_{label}", f"k_{label}") if notation.endswith("tilde") else (f"C_{label}",):
                if found.setdefault(name, notation) != notation:
                    raise InputError(f"{place}: both {found[name]} and {notation} hide {name}; change one's label")
    return found


def read_constants(declared: Mapping[str, Node], hidden: Mapping[str, str]) -> dict[str, HiddenConstant]:
    """Constants by name: those that notations hide, and those that a file declares."""
    constants: dict[str, HiddenConstant] = {}
    for name in sorted({*hidden, *declared}):  # C_m before k_m, which takes its direction from it
        default = default_constant(name, hidden.get(name), constants)
        constants[name] = _constant(default, declared[name]) if name in declared else default
    return constants


def default_constant(name: str, notation: str | None, constants: Mapping[str, HiddenConstant]) -> HiddenConstant:
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
    if not is_plain(name) or name in NAMES or name in RESERVED:
        node.fail(f"{name!r} cannot name a constant; write one plain word that means nothing else, such as C_large")
    role = choice_of(fields, "role", Role, default.role)
    hides = text_of(fields, "hides", default.hides)
    origin = text_of(fields, "origin")
    value = _value(fields["value"], role) if "value" in fields else None
    direction = choice_of(fields, "direction", Direction, default.direction)
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


def unlike_default(constant: HiddenConstant, default: HiddenConstant) -> dict[str, Any]:
    """What a file has to say of a constant."""
    facts = {fact: getattr(constant, fact) for fact in _CONSTANT}
    return {fact: value for fact, value in facts.items() if value != getattr(default, fact)}
