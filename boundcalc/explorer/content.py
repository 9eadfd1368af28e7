"""What the page holds of a catalogue, as one object: symbols, statements, the programs of their bounds."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import sympy

from boundcalc import __version__
from boundcalc.arrays import programs as operations
from boundcalc.arrays import thresholds
from boundcalc.arrays.programs import Program
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant
from boundcalc.explorer.plans import Checked, Filled, Plan, Put, Solved, Unavailable, optional, plans
from boundcalc.explorer.programs import Once, program_json
from boundcalc.notation import bound_mathml, hidden_by, mathml
from boundcalc.solving import UNIT
from boundcalc.sweeps.inputs import CLOSE
from boundcalc.sweeps.points import DIGITS_LOST
from boundcalc.sweeps.sweep import AT_MOST_ONE
from boundcalc.symbols import QUANTITIES, VOCABULARY, Symbol, show_fraction
from boundcalc.theorem import Bound, Catalogue, Guarantee, Theorem

UNITS: Mapping[str, str] = MappingProxyType(
    {"L": "layers", "m": "neurons", "n": "examples", "d": "coordinates", "T": "steps", "K": "steps"}
)
"""What symbols count; all others have no unit."""

REACH: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "epsilon": ("1e-6", "1"),
        "delta": ("1e-9", "0.5"),
        "gamma": ("1e-4", "1"),
        "lambda_0": ("1e-6", "1"),
        "L": ("1", "1e6"),
        "m": ("1", "1e18"),
        "n": ("1", "1e12"),
        "alpha": ("0.02", "0.5"),
        "tau": ("1e-40", "1"),
        "eta": ("1e-30", "10"),
        "T": ("1", "1e18"),
        "K": ("1", "1e18"),
        "D_1": ("1e-40", "1"),
        "D_2": ("1e-80", "1"),
    }
)
"""What the sliders of some symbols reach over; other numbers can be typed."""

FACTORS, POWERS = ("1e-6", "1e6"), ("0", "20")
"""What the sliders of hidden factors and of hidden powers reach over."""

SHORT = 4
"""Up to how many decades a slider reaches, up and down from a default, where nothing better is known."""

ACROSS: Mapping[str, tuple[str, str]] = MappingProxyType({"L": ("1", "100"), "n": ("10", "1e6")})
"""What the horizontal axis spans at first, of symbols whose sliders reach farther than what is of interest."""

FIRST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"width": ("chen2019/thm2.1", "cao2020/cor3.3", "ji2020", "zou2020", "zou2019", "du2019")}
)
"""The statements drawn at first. Of other quantities, those that come first in the catalogue and differ."""

MOST_FIRST = 6
"""How many statements are drawn at first: as many as can be told apart at a glance."""


def catalogue_json(catalogue: Catalogue, policy: ConstantPolicy = UNIT) -> dict[str, Any]:
    """Everything that the page needs: symbols, statements with their curves, programs, and what arithmetic goes by.

    Raises:
        UnknownNameError: the policy sets a constant that no statement has.
    """
    theorems = catalogue.all()
    policy.check_names((theorem.key, constant) for theorem in theorems for constant in theorem.constants)
    writer = _Writer(optional(catalogue))
    statements = [writer.statement(theorem) for theorem in theorems]
    entering = {name for one in statements for curve in one["curves"] for name in curve["enters"]}
    built_in = {theorem.key for theorem in CATALOGUE.all()}
    own = [one["id"] for one in statements if one["key"] not in built_in]
    quantities = [
        quantity
        for quantity in QUANTITIES
        if any(quantity == curve["quantity"] for one in statements for curve in one["curves"])
    ]
    return {
        "version": __version__,
        "own": own,
        "symbols": {
            name: _symbol_json(symbol, name in writer.optional)
            for name, symbol in VOCABULARY.items()
            if name in entering or any(name == curve["symbol"] for one in statements for curve in one["curves"])
        },
        "quantities": quantities,
        "first": {quantity: _first(statements, own, quantity) for quantity in quantities},
        "statements": statements,
        "unavailable": writer.unavailable,
        "start": _start(theorems, policy),
        "origins": _origins(theorems, policy),
        "roles": {
            "C": {"meaning": "every hidden factor", "value": 1, "reach": FACTORS, "scale": "log"},
            "k": {"meaning": "every hidden power of a logarithm", "value": 0, "reach": POWERS, "scale": "linear"},
        },
        "reach": {"C": FACTORS, "k": POWERS, "p": POWERS},
        "numerics": {
            "close": CLOSE,
            "digitsLost": float(DIGITS_LOST),
            "negligible": operations.NEGLIGIBLE,
            "thresholds": {
                "search": thresholds.SEARCH,
                "nearest": thresholds.NEAREST,
                "narrowest": thresholds.NARROWEST,
                "close": thresholds.CLOSE,
                "patience": thresholds.PATIENCE,
                "mostSteps": thresholds.MOST_STEPS,
            },
        },
        "filled": writer.filled.json,
        "checks": writer.checks.json,
        "programs": writer.programs.json,
    }


def _first(statements: list[dict[str, Any]], own: Collection[str], quantity: str) -> list[str]:
    """The curves to draw at first: those of the reader's own statements, then built-in ones that differ."""
    curves = [
        (one["id"], curve)
        for one in statements
        for curve in one["curves"]
        if curve["quantity"] == quantity and one["id"] == one["key"]
    ]
    mine = [curve["id"] for statement, curve in curves if statement in own]
    chosen = FIRST.get(quantity, ())
    others = sorted(
        (curve for statement, curve in curves if statement not in own and (not chosen or statement in chosen)),
        key=lambda curve: chosen.index(curve["id"]) if curve["id"] in chosen else len(chosen),
    )
    # Statements that share a formula share its program, and would be drawn on top of each other.
    differing = {json.dumps(curve["plans"][""].get("bound", curve["id"])): curve["id"] for curve in reversed(others)}
    kept = [curve["id"] for curve in others if curve["id"] in differing.values()]
    return [*mine, *kept[: max(MOST_FIRST - len(mine), 1)]]


def _start(theorems: tuple[Theorem, ...], policy: ConstantPolicy) -> dict[str, str]:
    """The constants that a policy sets: of a role, and of statements as `key:name`."""
    found = {role: _typed(policy.exact[role]) for role in ("C", "k") if role in policy.exact}
    for theorem in theorems:
        for constant in theorem.constants:
            names = (f"{theorem.key}:{constant.name}", constant.name, *(["p"] if constant.role == "p" else []))
            if any(name in policy.exact for name in names):
                found[names[0]] = _typed(policy.use(constant, theorem.key).value)
    return found


def _typed(value: Fraction) -> str:
    """A number as the page's fields take it."""
    return repr(float(value)).removesuffix(".0")


def _origins(theorems: tuple[Theorem, ...], policy: ConstantPolicy) -> dict[str, str]:
    """Where the constants that were measured come from, by `key:name`."""
    uses = {
        f"{theorem.key}:{constant.name}": policy.use(constant, theorem.key).origin
        for theorem in theorems
        for constant in theorem.constants
    }
    measured = set(policy.calibrated.values())
    return {name: origin for name, origin in uses.items() if origin in measured}


def _symbol_json(symbol: Symbol, is_optional: bool) -> dict[str, Any]:
    domain = symbol.domain
    low, high = REACH.get(symbol.name) or _reach(symbol)
    return {
        "math": mathml(symbol.expr),
        "text": symbol.text,
        "meaning": symbol.meaning,
        "unit": UNITS.get(symbol.name, ""),
        "domain": str(domain),
        "lower": None if domain.lower is None else float(domain.lower),
        "upper": None if domain.upper is None else float(domain.upper),
        "lowerOpen": domain.lower_open,
        "upperOpen": domain.upper_open,
        "integer": domain.integer,
        "default": None if symbol.default is None else show_fraction(symbol.default),
        "value": None if symbol.default is None else float(symbol.default),
        "optional": is_optional,
        "reach": [low, high],
        "across": ACROSS.get(symbol.name, (low, high)),
        "scale": "linear" if symbol.name == "alpha" else "log",
    }


def _reach(symbol: Symbol) -> tuple[str, str]:
    middle = symbol.default if symbol.default is not None else Fraction(1)
    low, high = middle / 10**SHORT, middle * 10**SHORT
    least, most = symbol.domain.lower, symbol.domain.upper
    return show_fraction(max(low, least or low)), show_fraction(high if most is None else min(high, most))


class _Writer:
    """Writes statements as JSON; keeps the programs that they use, and what the page cannot evaluate."""

    def __init__(self, optional: frozenset[str]) -> None:
        self.optional = optional
        self.programs, self.filled, self.checks = Once(), Once(), Once()
        self.unavailable: list[dict[str, str]] = []

    def statement(self, theorem: Theorem) -> dict[str, Any]:
        """One statement in one reading."""
        depth = theorem.setting.depth
        stated = theorem.reading == "stated"
        name = theorem.key if stated else f"{theorem.key}:{theorem.reading}"
        symbols = dict.fromkeys(bound.symbol for bound in theorem.bounds)
        return {
            "id": name,
            "key": theorem.key,
            "title": theorem.title + ("" if stated else f" ({theorem.reading})"),
            "source": str(theorem.source),
            "provenance": theorem.provenance,
            "depth": {"hidden": depth.hidden, "minimum": depth.minimum, "counts": depth.counts},
            "hypotheses": [f"{one.name}: {one.statement}" for one in theorem.hypotheses],
            "notes": list(theorem.notes),
            "constants": [_constant_json(constant) for constant in theorem.constants],
            "curves": _named(name, [self._curve(theorem, symbol, name) for symbol in symbols]),
        }

    def _curve(self, theorem: Theorem, symbol: sympy.Symbol, statement: str) -> dict[str, Any] | None:
        """A bounded symbol; None, and noted, where the page cannot evaluate it whatever is given."""
        found = plans(theorem, symbol, self.optional)
        quantity = VOCABULARY[symbol.name].quantity or symbol.name
        for given, plan in found.items():
            if isinstance(plan, Unavailable):
                told = f" with {', '.join(sorted(given))} given" if given else ""
                self.unavailable.append({"what": f"{statement}: {quantity} {symbol.name}{told}", "why": plan.problem})
        usable = [plan for plan in found.values() if isinstance(plan, Plan)]
        if not usable:
            return None
        bounds = theorem.bounds_on(symbol)
        options = frozenset().union(*found)
        enters = options.union(*((*plan.inputs, *(filled.name for filled in plan.filled)) for plan in usable))
        return {
            "symbol": symbol.name,
            "quantity": quantity,
            "relation": bounds[0].relation,
            "rounding": bounds[0].rounding,
            "integer": VOCABULARY[symbol.name].domain.integer,
            "atMostOne": isinstance(bounds[0], Guarantee) and symbol.name in AT_MOST_ONE,
            "formulas": [self._formula(bound) for bound in usable[0].bounds],
            "enters": [name for name in VOCABULARY if name in enters],
            "options": sorted(options),
            "plans": {",".join(sorted(given)): self._plan(plan) for given, plan in found.items()},
        }

    def _formula(self, bound: Bound) -> dict[str, str]:
        probability = bound.probability if isinstance(bound, Guarantee) else None
        return {
            "math": bound_mathml(bound),
            "probability": "" if probability is None else mathml(probability),
            "over": bound.over if isinstance(bound, Guarantee) else "",
            "note": bound.note,
        }

    def _plan(self, plan: Plan | Unavailable) -> dict[str, Any]:
        if isinstance(plan, Unavailable):
            return {"problem": plan.problem}
        return {
            "inputs": plan.inputs,
            "puts": [self._put(put) for put in plan.puts],
            "bound": self._program(plan.bound),
            "several": plan.several,
            "probability": None if plan.probability is None else self._number(plan.probability),
            "filled": [self.filled.number(self._filled(filled)) for filled in plan.filled],
            "checks": [self.checks.number(self._check(check)) for check in plan.checks],
        }

    def _number(self, program: Program) -> int:
        return self.programs.number(program_json(program))

    def _put(self, put: Put) -> dict[str, Any]:
        return {"name": put.name, "rounding": put.rounding, **self._program(put.of)}

    def _program(self, program: Program | Solved) -> dict[str, Any]:
        if isinstance(program, Solved):
            return {"program": self._number(program.program), "solved": True}
        return {"program": self._number(program), "solved": False}

    def _filled(self, filled: Filled) -> dict[str, Any]:
        how = {"value": float(Fraction(filled.value))} if isinstance(filled.value, str) else self._program(filled.value)
        return {"name": filled.name, "why": filled.why, **how}

    def _check(self, check: Checked) -> dict[str, Any]:
        return {
            "what": check.what,
            "large": self._number(check.large),
            "small": self._number(check.small),
        }


def _named(statement: str, curves: list[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The curves that there are, by the statement's name; further ones of a quantity by their symbol too."""
    found: dict[str, dict[str, Any]] = {}
    for curve in curves:
        if curve is not None:
            further = any(other["quantity"] == curve["quantity"] for other in found.values())
            name = f"{statement}~{curve['symbol']}" if further else statement
            found[curve["symbol"]] = {"id": name, **curve}
    return list(found.values())


def _constant_json(constant: HiddenConstant) -> dict[str, Any]:
    use = UNIT.use(constant, "")
    return {
        "name": constant.name,
        "math": mathml(constant),
        "role": constant.role,
        "hides": hidden_by(constant.hides),
        "direction": constant.direction,
        "value": float(use.value),
        "origin": use.origin,
    }
