"""What a reader must know to use a comparison: depths, senses, what was dropped, what else a statement asks for."""

from __future__ import annotations

from collections.abc import Sequence

from boundcalc.comparison.sides import Side
from boundcalc.notation import bound_text, text
from boundcalc.theorem import Bound
from boundcalc.tropical import EXPONENTIAL, canonical


def notes_on(sides: Sequence[Side]) -> list[str]:
    """The notes on several sides, each once."""
    notes = _depth_notes(sides)
    symbols = {side.symbol: f"{side.name} bounds {text(side.symbol)}" for side in sides if side.symbol is not None}
    if len(symbols) > 1:
        notes.append(", ".join(symbols.values()))
    relations = {side.bounds[0].relation: bound_text(side.bounds[0]) for side in sides if side.bounds}
    if len({relation for relation in relations if relation != "="}) > 1:
        notes.append(f"not all bounds have the same sense: {' but '.join(relations.values())}")
    logs: dict[str, list[str]] = {}
    for side in sides:
        for log in side.asymptotics.logs:
            logs.setdefault(text(log), []).append(side.name)
    if logs:
        said = ", ".join(f"{log} ({', '.join(names)})" for log, names in logs.items())
        notes.append(f"dropped as factors: {said}; where one is near zero it matters more than a constant")
    for side in sides:
        notes += [
            f"{side.name}: −log(1 − x) is taken as x, for x = {text(expr)} ≤ 1/2: they then agree up to a factor of 1.4"
            for expr in side.asymptotics.small
        ]
        notes += [
            f"{side.name}: the logarithm of {text(expr)} is of the order of L, and is dropped like every other: "
            "powers of L beside 2^L are not resolved"
            for expr in side.asymptotics.exponential_logs
        ]
        if side.theorem is not None:
            notes += [f"{side.name} asks for {bound_text(bound)} as well" for bound in _also_asked(side)]
            notes += [f"{side.name}: {note}" for note in side.theorem.notes]
    return list(dict.fromkeys(notes))


def _also_asked(side: Side) -> list[Bound]:
    """A statement's conditions on other symbols, and what it prescribes for symbols that stand in the bound."""
    assert side.theorem is not None
    entering = {canonical(name) for name in side.asymptotics.growth.variables}
    return [
        *(bound for bound in side.theorem.conditions if bound.symbol != side.symbol),
        *(
            bound
            for bound in side.theorem.prescriptions
            if bound.symbol != side.symbol
            and canonical(bound.symbol.name) in entering
            and side.symbol not in bound.expr.free_symbols
        ),
    ]


def _depth_notes(sides: Sequence[Side]) -> list[str]:
    """What each L counts, and why one region serves them all."""
    depths = [(side, side.theorem.setting.depth) for side in sides if side.theorem is not None]
    shallow = [side.name for side, depth in depths if depth.hidden is None]
    deep = [(side, depth) for side, depth in depths if depth.hidden is not None]
    notes = [f"{', '.join(shallow)}: networks with one hidden layer only"] if shallow and deep else []
    counted: dict[str, list[str]] = {}
    for side, depth in deep:
        if {"L", EXPONENTIAL + "L"} & side.asymptotics.growth.variables:
            counted.setdefault(depth.counts, []).append(side.name)
    said = "; ".join(f"{counts} ({', '.join(names)})" for counts, names in counted.items())
    if len(counted) == 1:
        notes.append(f"depth: {said}")
    elif counted:
        notes.append(
            f"depth: {said}. Each L is the number of hidden layers to within one, and L ≤ 2·(L − 1) for L ≥ 2, so that "
            "L^p and 2^L change by constant factors: what is said holds with either L"
        )
    return notes
