"""Many bounds compared: the order among them, and the exact region where each is the smallest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType

import sympy

from boundcalc.catalogue import CATALOGUE
from boundcalc.comparison.decision import Comparison, compare_sides, symbol_name
from boundcalc.comparison.notes import notes_on
from boundcalc.comparison.sides import Comparand, Side, Terms, gather
from boundcalc.constants import ConstantPolicy
from boundcalc.parsing import Number
from boundcalc.solving import UNIT
from boundcalc.theorem import Catalogue
from boundcalc.tropical import Clause, Growth, Monomial, Region, default_target, reduce_clauses, region_expr


@dataclass(frozen=True)
class Best:
    """Where one of several sides is the smallest: the region, and the region solved for a symbol."""

    side: Side
    where: Region
    region: sympy.Basic


@dataclass(frozen=True)
class Ranking:
    """Several sides compared: each pair, the order among them, and where each is the smallest.

    `classes` are sides that are equal, smallest first wherever the order says so; `covers` are the pairs of classes, by
    index, of which the first is smaller everywhere with no class between them. `refused` says of what could not be
    compared why.
    """

    sides: tuple[Side, ...]
    terms: Terms
    pairs: tuple[Comparison, ...]
    classes: tuple[tuple[str, ...], ...]
    covers: tuple[tuple[int, int], ...]
    best: tuple[Best, ...]
    refused: Mapping[str, str]
    notes: tuple[str, ...]


def rank(
    comparands: Sequence[Comparand] | None = None,
    quantity: str | None = None,
    *,
    solve_for: str | None = None,
    given: Mapping[str, Number | sympy.Expr] = MappingProxyType({}),
    reading: str = "stated",
    policy: ConstantPolicy = UNIT,
    strict: bool = False,
    catalogue: Catalogue = CATALOGUE,
) -> Ranking:
    """Compare several bounds: each pair, the order among them, and the exact region where each is the smallest.

    Args:
        comparands: statements, keys or formulas; None for every statement that bounds the quantity.
        quantity, solve_for, given, reading, policy, strict, catalogue: as for `compare`.

    Raises:
        InputError: as for `compare`; with None, statements that cannot be compared are reported as refused instead.
    """
    sides, terms, refused = gather(
        comparands, quantity, given=given, reading=reading, policy=policy, strict=strict, catalogue=catalogue
    )
    target = symbol_name(solve_for)
    pairs = tuple(compare_sides(first, second, terms, target) for first, second in combinations(sides, 2))
    classes, covers = _order(len(sides), pairs, sides)
    where: dict[Growth, Region] = {}
    for side in sides:
        if side.growth not in where:
            where[side.growth] = _where_smallest(side, pairs, terms.regime)
    best = tuple(
        Best(side, region, region_expr(region, target or default_target(region)))
        for side in sides
        for region in [where[side.growth]]
    )
    return Ranking(sides, terms, pairs, classes, covers, best, refused, (*terms.notes, *notes_on(sides)))


def _where_smallest(side: Side, pairs: Iterable[Comparison], facts: tuple[Monomial, ...]) -> Region:
    """Where one side is at most every other that it is paired with."""
    clauses: list[Clause] = []
    for pair in pairs:
        if pair.a is side:
            clauses += pair.below.clauses
        elif pair.b is side:
            clauses += pair.above.clauses
    return reduce_clauses(clauses, facts)


def _order(
    count: int, pairs: Iterable[Comparison], sides: Sequence[Side]
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[int, int], ...]]:
    """The classes of equal sides, smallest first, and the pairs of them that cover one another."""
    below = [[i == j for j in range(count)] for i in range(count)]
    for (i, j), pair in zip(combinations(range(count), 2), pairs, strict=True):
        below[i][j], below[j][i] = pair.below.everywhere, pair.above.everywhere
    representatives = [i for i in range(count) if not any(below[i][j] and below[j][i] for j in range(i))]
    representatives.sort(key=lambda i: sum(below[j][i] for j in range(count)))
    classes = tuple(tuple(sides[j].name for j in range(count) if below[i][j] and below[j][i]) for i in representatives)
    strictly = {
        (p, q) for p, i in enumerate(representatives) for q, j in enumerate(representatives) if p != q and below[i][j]
    }
    covers = tuple(
        sorted(
            (p, q)
            for p, q in strictly
            if not any((p, r) in strictly and (r, q) in strictly for r in range(len(representatives)))
        )
    )
    return classes, covers
