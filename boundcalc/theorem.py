"""A theorem as data: frozen facts, with no behaviour beyond reading themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import sympy

from boundcalc.constants import HiddenConstant, hidden_constants
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.numerics import Rounding
from boundcalc.symbols import QUANTITIES, VOCABULARY, Depth, symbol_of

if TYPE_CHECKING:
    from boundcalc.derivation import Derivation

Relation = Literal[">=", "<=", "="]
Provenance = Literal["stated", "reconstructed", "secondary"]
Reading = Literal["stated", "unfolded"]
Weaker = Literal["smaller", "larger"]


@dataclass(frozen=True)
class Paper:
    """A paper in the version that was read."""

    key: str
    authors: str
    title: str
    venue: str
    version: str

    def at(self, locator: str) -> Source:
        """The place of one statement in this paper."""
        return Source(self, locator)


@dataclass(frozen=True)
class Source:
    """A statement's place: the paper, its version, the statement's number."""

    paper: Paper
    locator: str

    def __str__(self) -> str:
        return f"{self.paper.authors}, {self.paper.venue} ({self.paper.version}), {self.locator}"


@dataclass(frozen=True)
class Setting:
    """What a statement is about: network, initialization, loss, algorithm, and what its L counts."""

    network: str
    init: str
    loss: str
    algorithm: str
    depth: Depth


@dataclass(frozen=True)
class Hypothesis:
    """An assumption on the data or the initialization; `symbol` is the parameter that it brings in, if any.

    `measure` names what measures that parameter of a data set, as `boundcalc data` shows it; empty where nothing does.
    `weaker` says on which side the assumption gets weaker: one that holds at a value of its symbol holds at every
    smaller one as well (y_i f(x_i) ≥ γ), or at every larger one (‖W* − W^(0)‖_F ≤ R·m^(−α)).
    """

    name: str
    statement: str
    symbol: sympy.Symbol | None = None
    measure: str = ""
    weaker: Weaker = "smaller"


@dataclass(frozen=True)
class Bound:
    """One inequality of a statement: `symbol relation expr`, e.g. m ≥ Õ(…).

    `rising` and `falling` declare in which symbols the expression is nondecreasing or nonincreasing over their whole
    domains, at unit constants. `source` and `provenance` are set where they differ from the statement's own.
    `shorthand` is a part of the expression by the paper's name for it, under which it is printed.
    """

    symbol: sympy.Symbol
    relation: Relation
    expr: sympy.Expr
    rising: tuple[sympy.Symbol, ...] = ()
    falling: tuple[sympy.Symbol, ...] = ()
    note: str = ""
    provenance: Provenance | None = None
    shorthand: tuple[str, sympy.Expr] | None = field(default=None, compare=False, kw_only=True)

    def _repr_latex_(self) -> str:
        from boundcalc.notation import bound_latex

        return f"${bound_latex(self)}$"

    def _repr_html_(self) -> str:
        from boundcalc.notation import bound_mathml

        return bound_mathml(self)

    @property
    def implicit(self) -> bool:
        """Whether the bounded symbol occurs on the right-hand side as well."""
        return self.expr.has(self.symbol)

    @property
    def rounding(self) -> Rounding:
        """The side to which a value is rounded so that using it keeps the inequality true."""
        if symbol_of(self.symbol).domain.integer:
            return "down" if self.relation == "<=" and self.symbol.name not in ("T", "K") else "up"
        return "up" if self.relation == ">=" else "down"


class Condition(Bound):
    """An inequality that the statement needs."""


class Prescription(Bound):
    """What the statement tells you to use."""


@dataclass(frozen=True)
class Guarantee(Bound):
    """What the statement promises, with the probability (None where it names none) and over what that is taken."""

    probability: sympy.Expr | None = None
    over: str = "initialization"

    @property
    def rounding(self) -> Rounding:
        """The side on which the rounded bound is still a consequence of the statement."""
        return "down" if self.relation == ">=" else "up"


@dataclass(frozen=True)
class Theorem:
    """One statement of a paper.

    `supplies` gives inputs that the statement fixes by itself, such as the training loss 3ε that enters an error
    bound; they are reported as assumed. A corollary has two readings: as `stated`, and `unfolded`, with what its proof
    plugs in. `derivations` is how the statement is derived, where it brings that along: the paper's own way first.
    """

    key: str
    title: str
    source: Source
    setting: Setting
    hypotheses: tuple[Hypothesis, ...] = ()
    conditions: tuple[Condition, ...] = ()
    prescriptions: tuple[Prescription, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    provenance: Provenance = "stated"
    reading: Reading = "stated"
    supplies: Mapping[sympy.Symbol, sympy.Expr] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    derivations: tuple[Derivation, ...] = ()

    def _repr_latex_(self) -> str:
        from boundcalc.display import theorem_latex

        return theorem_latex(self)

    def _repr_html_(self) -> str:
        from boundcalc.display import theorem_html

        return theorem_html(self)

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """All inequalities, in reading order."""
        return (*self.conditions, *self.prescriptions, *self.guarantees)

    @property
    def over_sample(self) -> bool:
        """Whether a guarantee's probability is over the draw of the training examples as well."""
        return any("sample" in guarantee.over for guarantee in self.guarantees)

    @property
    def constants(self) -> tuple[HiddenConstant, ...]:
        """The ledger: every hidden constant of this statement, by name."""
        expressions = [bound.expr for bound in self.bounds]
        expressions += [bound.probability for bound in self.guarantees if bound.probability is not None]
        return hidden_constants(*expressions, *self.supplies.values())

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """Every vocabulary symbol that occurs, in the vocabulary's order."""
        used: set[sympy.Basic] = set()
        for bound in self.bounds:
            used |= bound.expr.free_symbols | {bound.symbol}
        for guarantee in self.guarantees:
            used |= guarantee.probability.free_symbols if guarantee.probability is not None else set()
        for symbol, expr in self.supplies.items():
            used |= expr.free_symbols | {symbol}
        names = {symbol.name for symbol in used if not isinstance(symbol, HiddenConstant)}
        return tuple(VOCABULARY[name].expr for name in VOCABULARY if name in names) + tuple(
            sympy.Symbol(name) for name in sorted(names - VOCABULARY.keys())
        )

    @property
    def quantities(self) -> tuple[str, ...]:
        """The quantities that can be asked of this statement, in the vocabulary's order."""
        bounded = {symbol_of(bound.symbol).quantity for bound in self.bounds}
        return tuple(quantity for quantity in QUANTITIES if quantity in bounded)

    def bounded_symbols(self, quantity: str) -> tuple[sympy.Symbol, ...]:
        """The symbols that this statement bounds under a quantity's name, in reading order."""
        found = [bound.symbol for bound in self.bounds if symbol_of(bound.symbol).quantity == quantity]
        return tuple(dict.fromkeys(found))

    def bounds_on(self, symbol: sympy.Symbol) -> tuple[Bound, ...]:
        """The inequalities that have `symbol` on their left."""
        return tuple(bound for bound in self.bounds if bound.symbol == symbol)


class Catalogue(Mapping[str, Theorem]):
    """Theorems by key, in reading order; each key has a stated reading and perhaps an unfolded one."""

    def __init__(self, theorems: Iterator[Theorem] | list[Theorem] | tuple[Theorem, ...]) -> None:
        self._readings: dict[str, dict[str, Theorem]] = {}
        for theorem in theorems:
            readings = self._readings.setdefault(theorem.key, {})
            if theorem.reading in readings:
                raise InputError(f"theorem {theorem.key!r} ({theorem.reading}) is defined twice")
            readings[theorem.reading] = theorem

    def __getitem__(self, key: str) -> Theorem:
        return self.find(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._readings)

    def __len__(self) -> int:
        return len(self._readings)

    def find(self, key: str, reading: str = "stated") -> Theorem:
        """The statement with this key, in this reading.

        Raises:
            UnknownNameError: no such key; the message offers the nearest ones.
            InputError: the statement has no such reading.
        """
        key = key if key in self._readings else key.lower()
        statements = [known for known in self._readings if known.startswith(f"{key}/")]
        if statements and key not in self._readings:
            raise InputError(f"{key} is a paper; name one of its statements: {', '.join(statements)}")
        if key not in self._readings:
            raise UnknownNameError("theorem", key, self._readings, "see boundcalc list")
        readings = self._readings[key]
        if reading not in readings:
            raise InputError(f"{key} has no {reading} reading, only: {', '.join(readings)}")
        return readings[reading]

    def readings(self, key: str) -> tuple[Theorem, ...]:
        """All readings of one statement."""
        return tuple(self._readings[self.find(key).key].values())

    def all(self) -> tuple[Theorem, ...]:
        """Every theorem in every reading."""
        return tuple(theorem for readings in self._readings.values() for theorem in readings.values())
