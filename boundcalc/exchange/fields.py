"""What the fields of a file hold: words, symbols, formulas, inequalities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

import sympy

from boundcalc.documents import Node
from boundcalc.errors import nearest
from boundcalc.formula import NAMES, parse_formula
from boundcalc.parsing import normalize
from boundcalc.symbols import VOCABULARY

KEY = re.compile(r"[a-z]+[0-9]{4}(/[a-z0-9_.]+[a-z0-9_])?")
"""A theorem's key, as queries can name it: the paper's, and perhaps the statement's in it."""

Sign = TypeVar("Sign", bound=str)


def offer(name: str, known: Iterable[str]) -> str:
    """What a message adds where some of the `known` names look like this one."""
    offers = nearest(name, known)
    return f"; did you mean {' or '.join(offers)}?" if offers else ""


def is_plain(name: str) -> bool:
    """Whether a formula reads this text as one name."""
    return re.fullmatch(r"[^\W\d]\w*", name) is not None and name.isidentifier() and normalize(name) == name


def items_of(fields: Mapping[str, Node], name: str) -> tuple[Node, ...]:
    """The elements of a field; none where it is left out."""
    return fields[name].items() if name in fields else ()


def entries_of(fields: Mapping[str, Node], name: str) -> dict[str, Node]:
    """The entries of a table; none where it is left out."""
    return fields[name].entries() if name in fields else {}


def text_of(fields: Mapping[str, Node], name: str, default: str = "") -> str:
    """The text of a field that may be left out."""
    return fields[name].text() if name in fields else default


def choice_of(fields: Mapping[str, Node], name: str, literal: Any, default: Any) -> Any:
    """One of the words of a Literal type."""
    return fields[name].text(*get_args(literal)) if name in fields else default


def read_symbol(node: Node, text: str | None = None, names: Mapping[str, sympy.Symbol] = NAMES) -> sympy.Symbol:
    """The parameter that a text names: the field's, or another of the `names`."""
    name = normalize(node.text() if text is None else text).strip()
    if name not in names:
        known = [*VOCABULARY, *(names.keys() - NAMES.keys())]
        node.fail(f"unknown symbol {name[:40]!r}{offer(name, names) or '; known are ' + ', '.join(known)}")
    return names[name]


def read_formula(node: Node, names: Mapping[str, sympy.Expr], begin: int = 0, end: int | None = None) -> sympy.Expr:
    """The formula that a text holds from a character on, up to another."""
    text = node.text()
    # Blanks in place of what stands before it keep its characters' numbers.
    return parse_formula(" " * begin + text[begin:end], names, notations=True, what=node.place)


def read_relation(node: Node, signs: Mapping[str, Sign], example: str) -> tuple[Sign, int, int]:
    """What the sign in an inequality's text means, and where that sign begins and ends."""
    text = node.text()
    sign = re.search(r"[<>=≤≥≈~!]+", text)
    if sign is None or sign[0] not in signs:
        found = "no relation" if sign is None else f"the relation {sign[0][:10]!r}"
        *others, last = dict.fromkeys(signs.values())
        node.fail(f"{text[:60]!r} has {found}; write {', '.join(others)} or {last}, as in {example}")
    return signs[sign[0]], sign.start(), sign.end()


def read_replacements(
    entries: Mapping[str, Node],
    names: Mapping[str, sympy.Expr],
    symbols: Mapping[str, sympy.Symbol] = NAMES,
    done: str = "put in",
) -> dict[sympy.Symbol, sympy.Expr]:
    """Formulas by the symbols that they stand for.

    Args:
        entries: the table's.
        names: what the formulas may name beyond the vocabulary.
        symbols: what may be replaced.
        done: what is done to a symbol, for the message.
    """
    replacements: dict[sympy.Symbol, sympy.Expr] = {}
    for name, node in entries.items():
        symbol = read_symbol(node, name, symbols)
        if symbol in replacements:
            node.fail(f"{symbol} is {done} twice, under two of its names")
        replacements[symbol] = read_formula(node, names)
    return replacements
