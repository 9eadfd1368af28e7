"""Every statement that boundcalc knows, by key, in reading order: one file per paper, and theorems from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import sympy

# Formulas stay as the papers print them; sympy would reorder and combine their terms, and take its time over it.
with sympy.evaluate(False):
    from boundcalc.catalogue import cao2020, chen2019, secondary
from boundcalc.errors import InputError
from boundcalc.plugins import announced
from boundcalc.theorem import Catalogue, Theorem

CATALOGUE = Catalogue([*chen2019.THEOREMS, *cao2020.THEOREMS, *secondary.THEOREMS])
"""The built-in statements."""


def load(files: Iterable[Path] = ()) -> Catalogue:
    """The built-in statements, those of installed packages, and those of TOML files.

    Raises:
        InputError: a file or a package does not give theorems, two of them give a theorem of the same key and reading,
            or a key has no stated reading.
    """
    files = tuple(files)
    if not files and not announced():
        return CATALOGUE
    places: dict[tuple[str, str], str] = {}
    theorems: list[Theorem] = []
    for place, found in (("boundcalc itself", CATALOGUE.all()), *_from_elsewhere(files)):
        for theorem in found:
            name = theorem.key, theorem.reading
            if name in places:
                raise InputError(
                    f"{theorem.key} ({theorem.reading}) is defined twice, by {places[name]} and by {place}; "
                    "rename one of them"
                )
            places[name] = place
            theorems.append(theorem)
    for (key, _), place in places.items():
        if (key, "stated") not in places:
            raise InputError(f"{place} gives {key} only as unfolded; give its stated reading too")
    return Catalogue(theorems)


def _from_elsewhere(files: Iterable[Path]) -> Iterator[tuple[str, tuple[Theorem, ...]]]:
    """Each package and file that gives theorems, as messages name it, and those theorems."""
    # Only here: few queries need it, and reading formulas takes a while to import.
    from boundcalc.exchange import installed_by_place, read_theorems

    yield from installed_by_place()
    for file in files:
        yield str(file), read_theorems(file)
