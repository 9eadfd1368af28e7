"""What a plan costs: documented posynomials in the width m, the samples n and the iterations.

The network has H hidden layers of width m and inputs of dimension d, so m·d + (H − 1)·m² trained weights, and m more
where the output layer is trained too. Per weight and example a gradient takes 6 FLOPs: 2 to go forward, 4 to go
backward; what grows more slowly (activations, losses, the update) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import sympy

from boundcalc.errors import InputError, UnknownNameError
from boundcalc.parsing import parse_number
from boundcalc.symbols import WEIGHT_MATRICES, K, L, T, d, m, n
from boundcalc.theorem import Theorem

BYTES_PER_WEIGHT = sympy.Integer(4)
FLOPS_PER_WEIGHT = sympy.Integer(6)


@dataclass(frozen=True)
class Resource:
    """One kind of cost: its name, its unit, and in words what is counted.

    `formula` maps a statement and its symbol for the number of iterations to an expression, or to None where the
    statement has no such number.
    """

    name: str
    unit: str
    counts: str
    formula: Callable[[Theorem, sympy.Symbol | None], sympy.Expr | None]


def weights(theorem: Theorem) -> sympy.Expr:
    """How many weights the statement's network trains."""
    depth = theorem.setting.depth
    terms = [m * d]
    if depth.hidden is not None:  # else there is one hidden layer, and only that is trained
        terms.append(_product(sympy.Add(L, depth.hidden - 1, evaluate=False), m**2))
    if depth == WEIGHT_MATRICES:
        terms.append(m)
    return sympy.Add(*terms, evaluate=False)


def online(theorem: Theorem) -> bool:
    """Whether each example is used for one step only: then there are as many steps as examples."""
    return "online" in theorem.setting.algorithm


def iterations_symbol(theorem: Theorem) -> sympy.Symbol | None:
    """The symbol for which the statement prescribes the number of iterations, if it prescribes any."""
    return next((bound.symbol for bound in theorem.prescriptions if bound.symbol in (T, K)), None)


def _flops(theorem: Theorem, iterations: sympy.Symbol | None) -> sympy.Expr | None:
    if online(theorem):
        return _product(FLOPS_PER_WEIGHT, weights(theorem), n)
    return None if iterations is None else _product(FLOPS_PER_WEIGHT, weights(theorem), n, iterations)


def _memory(theorem: Theorem, _: sympy.Symbol | None) -> sympy.Expr:
    return _product(BYTES_PER_WEIGHT, weights(theorem))


def _samples(theorem: Theorem, _: sympy.Symbol | None) -> sympy.Expr:
    return n


def _product(*factors: sympy.Expr) -> sympy.Expr:
    """A product left as it is written."""
    return sympy.Mul(*factors, evaluate=False)


RESOURCES: Mapping[str, Resource] = MappingProxyType(
    {
        resource.name: resource
        for resource in (
            Resource(
                "flops",
                "FLOPs",
                "training: 6 FLOPs per weight and example (2 forward, 4 backward), every example at every iteration "
                "of full-batch gradient descent, once in online SGD",
                _flops,
            ),
            Resource(
                "memory",
                "bytes",
                "the weights at 4 bytes each, updated in place: no gradient buffer, activations and data left out",
                _memory,
            ),
            Resource("samples", "examples", "the training examples", _samples),
        )
    }
)


def read_cost(text: str) -> dict[str, Fraction]:
    """Read a cost: one resource, `flops`, or a weighted sum, `flops=1,memory=2.5,samples=1e6`.

    Raises:
        UnknownNameError: no such resource.
        InputError: a weight that is no number or not positive, a resource named twice, or none at all.
    """
    found: dict[str, Fraction] = {}
    for part in text.split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        name = name.casefold()
        if not name or (equals and not number):
            raise InputError(f"--cost {text!r} is not a resource or a weighted sum, e.g. flops or flops=1,samples=1e6")
        if name in found:
            raise InputError(f"--cost names {name} twice; give it once")
        found[name] = parse_number(number, f"the cost of {name}") if equals else Fraction(1)
    return check_cost(found)


def check_cost(cost: Mapping[str, Fraction]) -> dict[str, Fraction]:
    """Refuse a cost with an unknown resource or a weight that is not positive.

    Raises:
        UnknownNameError: no such resource.
        InputError: no resource, or a weight that is not positive.
    """
    for name, weight in cost.items():
        if name not in RESOURCES:
            raise UnknownNameError("cost", name, RESOURCES, f"known: {', '.join(RESOURCES)}")
        if weight <= 0:
            raise InputError(f"the cost of {name} is {weight}, not a positive number; leave out what costs nothing")
    if not cost:
        raise InputError(f"no cost is given; name one of {', '.join(RESOURCES)}")
    return dict(cost)
