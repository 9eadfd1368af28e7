"""Which bound is the smallest at every point of a plane: in numbers, and up to constants and logarithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from boundcalc.catalogue import CATALOGUE
from boundcalc.comparison.sides import Comparand, Side, gather
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.notation import text
from boundcalc.parsing import Number, exact
from boundcalc.solving import UNIT
from boundcalc.sweeps import parse_axis, sweep
from boundcalc.symbols import HIDDEN_LAYERS, VOCABULARY, L, dist, gap, lookup, show_fraction
from boundcalc.theorem import Catalogue, Guarantee, Paper, Setting, Theorem
from boundcalc.tropical import EXPONENT_SYMBOLS, EXPONENTIAL, Growth, Monomial, canonical, root

Array = NDArray[np.float64]

NOTHING = -1
"""Where no side has a bound."""

RANGES = {"L": "2:50", "large": "1e1:1e8:log200", "small": "1e-8:0.5:log200"}
"""The range of an axis for which none is given: of a depth, of what is large and of what is small."""


@dataclass(frozen=True, eq=False)
class Map:
    """Which of several bounds is the smallest over two symbols.

    Attributes:
        quantity: what is bounded; None where only formulas are compared.
        names: what is compared.
        x, y: the symbols' names; a depth L counts hidden layers here.
        x_values, y_values: their values.
        log10: log₁₀ of each bound, of shape (names, y values, x values); NaN where there is none.
        smallest: the index of the smallest bound, −1 where there is none; of shape (y values, x values).
        asymptotic: the logarithm of each bound with constants and logarithms dropped, of the shape of `log10`; None
            where that needs a value that nobody gives.
        given, assumed: what was put in for other symbols; a depth L counts hidden layers here, too.
        policy: the policy of constants.
        notes: what was left out, and why.
    """

    quantity: str | None
    names: tuple[str, ...]
    x: str
    y: str
    x_values: NDArray[Any]
    y_values: NDArray[Any]
    log10: Array
    smallest: NDArray[np.intp]
    asymptotic: Array | None
    given: Mapping[str, str]
    assumed: Mapping[str, str]
    policy: str
    notes: tuple[str, ...]

    def shares(self) -> dict[str, float]:
        """The share of the plane on which each bound is the smallest, by name."""
        return {name: float(np.mean(self.smallest == index)) for index, name in enumerate(self.names)}


def smallest_map(
    comparands: Sequence[Comparand] | None,
    axes: Mapping[str, str],
    quantity: str | None = None,
    *,
    given: Mapping[str, Number | sympy.Expr],
    reading: str = "stated",
    policy: ConstantPolicy = UNIT,
    catalogue: Catalogue = CATALOGUE,
) -> Map:
    """Evaluate bounds over two symbols, and say which is the smallest where.

    Args:
        comparands: statements, keys or formulas; None for every statement that bounds the quantity.
        axes: two symbols by name, each with a range such as `1:1e6:log200`, or with "" for a range of its own.
        quantity, reading, policy, catalogue: as for `rank`.
        given: numbers or formulas to put in for other symbols; what else is needed is assumed, and said.

    Raises:
        InputError: not two symbols, a range that is none, or fewer than two bounds that can be evaluated.
    """
    values = _axis_values(axes)
    if clash := {canonical(lookup(name).name) for name in given} & values.keys():
        raise InputError(f"{', '.join(clash)} is an axis and given as well; drop one of the two")
    put_in = {name: value for name, value in given.items() if _is_formula(name, value)}
    sides, terms, refused = gather(
        comparands, quantity, given=put_in, reading=reading, policy=policy, strict=False, catalogue=catalogue
    )
    notes = [f"{name} is left out: {reason}" for name, reason in refused.items()]
    assumed: dict[str, str] = {}
    evaluated: list[tuple[Side, Array]] = []
    policies: dict[str, list[str]] = {}
    for side in sides:
        try:
            log10, own, rests_on = _evaluated(side, terms.quantity, values, given, policy)
        except InputError as problem:
            notes.append(f"{side.name} is left out: {problem}")
            continue
        evaluated.append((side, log10))
        assumed |= own
        policies.setdefault(rests_on, []).append(side.name)
    if len(evaluated) < 2:
        raise InputError(f"fewer than two bounds can be drawn on this plane: {'; '.join(notes)}")
    logs = np.stack([log10 for _, log10 in evaluated])
    names = tuple(side.name for side, _ in evaluated)
    smallest = _smallest(logs)
    if (smallest == NOTHING).all():
        raise InputError(f"none of {', '.join(names)} has a bound anywhere on this plane; give other ranges or inputs")
    notes += _ties(names, logs, smallest)
    x, y = values
    return Map(
        quantity=terms.quantity,
        names=names,
        x=x,
        y=y,
        x_values=values[x],
        y_values=values[y],
        log10=logs,
        smallest=smallest,
        asymptotic=_asymptotic([side.growth for side, _ in evaluated], values, given),
        given={
            name: text(value) if isinstance(value, sympy.Expr) else show_fraction(exact(value, name))
            for name, value in given.items()
        },
        assumed=assumed,
        policy=_policies(policies),
        notes=tuple(notes),
    )


def _axis_values(axes: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The values of each axis, by the symbol's proper name."""
    values: dict[str, NDArray[Any]] = {}
    for name, range_ in axes.items():
        symbol = VOCABULARY[canonical(lookup(name).name)]
        kind = "small" if symbol.domain.upper is not None else "large"
        axis = parse_axis(range_ or RANGES.get(symbol.name, RANGES[kind]), symbol.name)
        if isinstance(axis, Fraction) or len(axis.values) < 2:
            raise InputError(f"{name} = {range_} is no range; write {name}=1:1e6:log200, say")
        values[symbol.name] = axis.values
    if len(values) != 2:
        raise InputError(f"a map has two different axes, not {len(values)} ({', '.join(values)}); give --map n,L, say")
    return values


def _is_formula(name: str, value: Number | sympy.Expr) -> bool:
    """Whether what is given changes the order of growth: numbers do so in exponents only."""
    return isinstance(value, sympy.Expr) or lookup(name).name in EXPONENT_SYMBOLS


def _evaluated(
    side: Side,
    quantity: str | None,
    axes: Mapping[str, NDArray[Any]],
    given: Mapping[str, Number | sympy.Expr],
    policy: ConstantPolicy,
) -> tuple[Array, dict[str, str], str]:
    """log₁₀ of a bound, of shape (y values, x values), what was assumed for it, and what its constants rest on."""
    values = [*axes.items(), *((lookup(name).name, value) for name, value in given.items())]
    # Statements count L differently: all are evaluated on the same networks. Both L and H are left to be refused.
    names = {"L": "L" if "H" in dict(values) else "H"}
    inputs = {names.get(name, name): value for name, value in values}
    if side.theorem is None:
        statement, asked = _as_statement(side), None
    else:
        statement, asked = side.theorem, quantity
    found = sweep(statement, asked or statement.bounds[0].symbol.name, inputs, policy)
    own = {
        assumed.name: assumed.text + ("" if assumed.why == "default" else f" ({assumed.why})")
        for assumed in found.assumed
    }
    return np.asarray(found.log10, dtype=np.float64).T, own, found.policy


def _as_statement(side: Side) -> Theorem:
    """A formula as a statement whose L counts hidden layers, so that it is evaluated like all others."""
    nowhere = Paper(side.name, "", "", "", "").at("")
    bounded = dist if dist not in side.expr.free_symbols else gap
    expr = side.expr.xreplace({VOCABULARY["H"].expr: L})
    setting = Setting("", "", "", "", HIDDEN_LAYERS)
    return Theorem(side.name, side.name, nowhere, setting, guarantees=(Guarantee(bounded, "<=", expr),))


def _asymptotic(
    growths: Sequence[Growth], axes: Mapping[str, NDArray[Any]], given: Mapping[str, Number | sympy.Expr]
) -> Array | None:
    """The logarithms of orders of growth, other symbols at given or default values; None where one has neither."""
    x, y = axes
    logs: dict[str, Any] = {x: np.log(axes[x])[np.newaxis, :], y: np.log(axes[y])[:, np.newaxis]}
    numbers = {canonical(lookup(name).name): value for name, value in given.items() if not _is_formula(name, value)}
    for name in {root(name) for growth in growths for name in growth.variables} - logs.keys():
        value = exact(numbers[name], name) if name in numbers else VOCABULARY[name].default
        if value is None:
            return None
        logs[name] = np.log(float(value))
    logs |= {EXPONENTIAL + name: np.exp(logs[name]) * np.log(2) for name in logs.keys() & {"L"}}

    def value_of(monomial: Monomial) -> Any:
        return sum((float(power) * logs[name] for name, power in monomial.exponents), np.zeros((1, 1)))

    def extreme(fold: np.ufunc, parts: Sequence[Any]) -> Any:
        return fold.reduce(np.broadcast_arrays(*parts))

    over = [
        extreme(np.maximum, [extreme(np.minimum, [value_of(monomial) for monomial in term]) for term in growth.terms])
        for growth in growths
    ]
    return np.stack([np.broadcast_to(log, (len(axes[y]), len(axes[x]))) for log in over])


def _policies(found: Mapping[str, Sequence[str]]) -> str:
    """What the constants rest on, statement by statement where that differs."""
    return ", ".join(f"{policy} ({', '.join(names)})" if len(found) > 1 else policy for policy, names in found.items())


def _ties(names: Sequence[str], logs: NDArray[Any], smallest: NDArray[np.intp]) -> list[str]:
    """Which bounds are as small as another wherever that is called the smallest."""
    notes = []
    for index, name in enumerate(names):
        here = smallest == index
        equal = [
            other
            for place, other in enumerate(names)
            if place != index and here.any() and np.allclose(logs[place][here], logs[index][here], rtol=0, atol=1e-9)
        ]
        notes += [f"where {name} is the smallest, {', '.join(equal)} is as small"] if equal else []
    return notes


def _smallest(logs: NDArray[Any]) -> NDArray[np.intp]:
    """The index of the smallest number along the first axis, −1 where there is none."""
    found = ~np.isnan(logs)
    return np.where(found.any(axis=0), np.argmin(np.where(found, logs, np.inf), axis=0), NOTHING)
