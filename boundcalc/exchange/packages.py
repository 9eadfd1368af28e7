"""Theorems that installed packages bring along."""

from __future__ import annotations

from collections.abc import Iterator

from boundcalc.errors import InputError
from boundcalc.exchange.derivations import constants_of, formulas_of
from boundcalc.exchange.fields import KEY, offer
from boundcalc.plugins import offered
from boundcalc.symbols import VOCABULARY
from boundcalc.theorem import Theorem


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
            raise InputError(f"{place}, {theorem.key}: unknown symbol {symbol.name!r}{offer(symbol.name, VOCABULARY)}")
    for derivation in theorem.derivations:
        known = {*VOCABULARY, *derivation.quantities, *(constant.name for constant in constants_of(theorem))}
        named = set(derivation.choices).union(*(formula.free_symbols for formula in formulas_of(derivation)))
        for name in sorted({symbol.name for symbol in named} - known):
            raise InputError(
                f"{place}, {theorem.key}: unknown symbol {name!r} in a derivation{offer(name, known)}; give its "
                "meaning in the derivation's quantities"
            )
    return theorem
