r"""What O, Θ, Ω, Õ, Ω̃ and poly hide, made explicit.

A hidden constant is a sympy symbol that knows what hides it, so that a formula carries its own ledger: the
constants of a statement are the `HiddenConstant` atoms of its expressions. The notations are kept in the formula as
the paper writes them, and `explicit` replaces each by what it stands for:

    O(g), Θ(g), Ω(g)   →  C·g
    Õ(g), Ω̃(g)         →  C·g·max(1, log g)^k

Never `sympy.O`: it has no multivariate orders, and forgets the constant that a bound is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import sympy

from boundcalc.documents import read_text
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.parsing import Number, exact, parse_number
from boundcalc.symbols import show_fraction

CALIBRATION = "calibration"
"""The table of a file of constants that says what they were measured on."""

Direction = Literal["large", "small", "any"]
Basis = Literal["unit", "source", "set", "calibrated", "chosen"]
"""What a value rests on: nothing but the unit policy, a source, a setting, a measurement, or what a run chose."""


class HiddenConstant(sympy.Symbol):
    """A constant that a statement hides: a factor C, a log power k, or an exponent p.

    Attributes:
        hides: the notation that hides it, e.g. `Otilde` or `poly(R, L)`.
        role: `C` for a factor, `k` for a power of a logarithm, `p` for an exponent.
        direction: whether the statement needs it large enough, small enough, or says neither.
        value: the value that a source gives, or None.
        origin: where that value comes from, or why there is none.
    """

    __slots__ = ("direction", "hides", "origin", "role", "value")

    hides: str
    role: str
    direction: Direction
    value: Fraction | None
    origin: str

    def __new__(
        cls,
        name: str,
        *,
        hides: str,
        role: Literal["C", "k", "p"] = "C",
        direction: Direction = "large",
        value: int | Fraction | None = None,
        origin: str = "",
    ) -> HiddenConstant:
        """Make a constant; two are equal only if all that is known of them is."""
        assumptions = {"positive": True} if role == "C" else {"nonnegative": True}
        # Past sympy's cache, which would merge constants of different statements that share a name.
        self: HiddenConstant = sympy.Symbol.__xnew__(cls, name, **assumptions)
        self.hides, self.role, self.direction = hides, role, direction
        self.value = None if value is None else Fraction(value)
        self.origin = origin
        return self

    @property
    def placeholder(self) -> bool:
        """Whether it is an exponent that no source gives: the unit policy's 1 for it is a guess."""
        return self.role == "p" and self.value is None

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.hides, self.role, self.direction, self.value, self.origin)

    def __reduce__(self) -> tuple[Any, ...]:
        facts = {slot: getattr(self, slot) for slot in self.__slots__}
        return _rebuild, (self.name, facts)


def _rebuild(name: str, facts: dict[str, Any]) -> HiddenConstant:
    return HiddenConstant(name, **facts)


class Notation(sympy.Function):
    """O, Θ, Ω: arguments (g, C). Õ, Ω̃: arguments (g, C, k)."""

    latex_name: ClassVar[str]
    text_name: ClassVar[str]

    def _eval_is_positive(self) -> bool:
        return True

    def explicit(self) -> sympy.Expr:
        """The expression this notation stands for, its constants explicit."""
        g, factor, *powers = self.args
        expr = factor * g
        for power in powers:
            expr *= sympy.Max(1, sympy.log(g), evaluate=False) ** power
        return expr

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = rf"{self.latex_name}\left({printer._print(self.args[0])}\right)"
        return body if exp is None else rf"{body}^{{{exp}}}"


class _O(Notation):
    nargs, latex_name, text_name = 2, "O", "O"


class _Theta(Notation):
    nargs, latex_name, text_name = 2, r"\Theta", "Θ"


class _Omega(Notation):
    nargs, latex_name, text_name = 2, r"\Omega", "Ω"


class _Otilde(Notation):
    nargs, latex_name, text_name = 3, r"\tilde{O}", "Õ"


class _Omegatilde(Notation):
    nargs, latex_name, text_name = 3, r"\tilde{\Omega}", "Ω̃"


def _factor(notation: str, label: str, direction: Direction) -> HiddenConstant:
    return HiddenConstant(f"C_{label}", hides=notation, direction=direction)


def _log_power(notation: str, label: str, direction: Direction) -> HiddenConstant:
    return HiddenConstant(f"k_{label}", hides=notation, role="k", direction=direction)


def O(g: sympy.Expr, label: str, direction: Direction = "large") -> sympy.Expr:
    """O(g), hiding the factor C_label."""
    return _O(sympy.sympify(g), _factor("O", label, direction))


def Theta(g: sympy.Expr, label: str, direction: Direction = "any") -> sympy.Expr:
    """Θ(g), hiding the factor C_label."""
    return _Theta(sympy.sympify(g), _factor("Theta", label, direction))


def Omega(g: sympy.Expr, label: str, direction: Direction = "large") -> sympy.Expr:
    """Ω(g), hiding the factor C_label."""
    return _Omega(sympy.sympify(g), _factor("Omega", label, direction))


def Otilde(g: sympy.Expr, label: str, direction: Direction = "large") -> sympy.Expr:
    """Õ(g), hiding the factor C_label and the log power k_label."""
    return _Otilde(sympy.sympify(g), _factor("Otilde", label, direction), _log_power("Otilde", label, direction))


def Omegatilde(g: sympy.Expr, label: str, direction: Direction = "large") -> sympy.Expr:
    """Ω̃(g), hiding the factor C_label and the log power k_label."""
    return _Omegatilde(
        sympy.sympify(g), _factor("Omegatilde", label, direction), _log_power("Omegatilde", label, direction)
    )


def absolute(label: str, direction: Direction = "large", hides: str = "absolute constant") -> HiddenConstant:
    """An absolute constant that the statement names: C̄ large enough, C̲ small enough, or neither."""
    return HiddenConstant(f"C_{label}", hides=hides, direction=direction)


def exponent(name: str, poly: str, value: int | Fraction | None, origin: str) -> HiddenConstant:
    """An exponent that poly(…) hides, with the value that `origin` gives it."""
    return HiddenConstant(name, hides=f"poly({poly})", role="p", value=value, origin=origin)


def explicit(expr: sympy.Expr) -> sympy.Expr:
    """Replace every notation in `expr` by the expression it stands for."""
    if not expr.has(Notation):
        return expr
    arguments = [explicit(argument) for argument in expr.args]
    # Max and Min would otherwise compare their arguments symbolically, at length and in vain.
    options = {"evaluate": False} if isinstance(expr, sympy.Max | sympy.Min | sympy.log) else {}
    rebuilt = expr.func(*arguments, **options)
    return rebuilt.explicit() if isinstance(rebuilt, Notation) else rebuilt


def substitute(expr: sympy.Expr, replacements: Mapping[sympy.Expr, sympy.Expr]) -> sympy.Expr:
    """Put expressions in for symbols, or for parts of an expression, everything else left as it is written."""
    if expr in replacements:
        return replacements[expr]
    if not any(old.free_symbols <= expr.free_symbols for old in replacements):
        return expr
    arguments = [substitute(argument, replacements) for argument in expr.args]
    with sympy.evaluate(False):
        return expr.func(*arguments)


def hidden_constants(*expressions: sympy.Expr) -> tuple[HiddenConstant, ...]:
    """The constants in the expressions, by name."""
    found = set().union(*(expr.atoms(HiddenConstant) for expr in expressions))
    return tuple(sorted(found, key=lambda constant: constant.name))


def exponents_hidden(expr: sympy.Expr) -> tuple[sympy.Expr, ...]:
    """The bases to which an expression raises exponents that poly(…) hides: L and 1/γ of poly(L, 1/γ)."""
    hidden = {
        power.base for power in expr.atoms(sympy.Pow) if isinstance(power.exp, HiddenConstant) and power.exp.role == "p"
    }
    return tuple(sorted(hidden, key=str))


@dataclass(frozen=True)
class ConstantUse:
    """One hidden constant as it went into an answer: what it is, its value, and what that rests on."""

    constant: HiddenConstant
    value: Fraction
    origin: str
    basis: Basis

    @property
    def name(self) -> str:
        """Its name, as --set knows it."""
        return self.constant.name

    @property
    def hides(self) -> str:
        """The notation that hides it."""
        return self.constant.hides

    @property
    def direction(self) -> Direction:
        """Whether the statement needs it large enough, small enough, or says neither."""
        return self.constant.direction

    @property
    def assumed(self) -> bool:
        """Whether nothing but the unit policy stands behind the value."""
        return self.basis == "unit"

    @property
    def guessed(self) -> bool:
        """Whether it is an exponent that no source gives, and nobody has set."""
        return self.assumed and self.constant.placeholder

    def chosen(self, value: Fraction, origin: str) -> ConstantUse:
        """The same constant at a value that was chosen, for a reason that `origin` gives."""
        return replace(self, value=value, origin=origin, basis="chosen")


@dataclass(frozen=True)
class ConstantPolicy:
    """Where the values of hidden constants come from.

    `unit`: C = 1, k = 0, exponents as the source lists them (1 where it lists none, and said so). Values in
    `values` go before that, and make the policy `explicit`. A name there is, from the most to the least specific:
    `key:C_m` (that constant of that statement), `C_m` (of any statement), `C`, `k` or `p` (all constants of that role).
    `calibrated` tells of the names in `values` that were measured on what; where all were, so is the policy. What an
    answer calls its policy is `policy_of` the constants that went into it.
    """

    values: Mapping[str, Number] = field(default_factory=lambda: MappingProxyType({}))
    calibrated: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @cached_property
    def exact(self) -> Mapping[str, Fraction]:
        """The values, as exact fractions."""
        return {name: exact(value, f"constant {name}") for name, value in self.values.items()}

    @property
    def name(self) -> str:
        """`unit`, `calibrated` where all values that were set were measured, or `explicit`."""
        if not self.values:
            return "unit"
        return "calibrated" if self.values.keys() <= self.calibrated.keys() else "explicit"

    def use(self, constant: HiddenConstant, key: str) -> ConstantUse:
        """The value of a constant of the statement `key`, and where it came from."""
        for name in (f"{key}:{constant.name}", constant.name, constant.role):
            if name in self.exact:
                value = self.exact[name]
                measured = self.calibrated.get(name)
                use = ConstantUse(
                    constant,
                    value,
                    measured or f"set by {name}={show_fraction(value)}",
                    "calibrated" if measured else "set",
                )
                break
        else:
            if constant.value is not None:
                use = ConstantUse(constant, constant.value, constant.origin, "source")
            else:
                origin = "unit policy" + (f" ({constant.origin})" if constant.origin else "")
                use = ConstantUse(constant, Fraction(0 if constant.role == "k" else 1), origin, "unit")
        if use.value < 0 or (constant.role == "C" and use.value == 0):
            least = "> 0" if constant.role == "C" else "≥ 0"
            raise InputError(f"{use.name} = {show_fraction(use.value)}, {use.origin}, is not a number {least}")
        return use

    def silent_on(self, key: str, constants: Iterable[HiddenConstant]) -> str:
        """In a line, that nothing calibrated is a constant of the statement `key`; empty where something is.

        Args:
            key: of the statement.
            constants: all that it hides.
        """
        own = {name for constant in constants for name in (f"{key}:{constant.name}", constant.name, constant.role)}
        if not self.calibrated or own & self.values.keys():
            return ""
        others = dict.fromkeys(name.rpartition(":")[0] or name for name in self.calibrated)
        none = "none of this statement is set" if own else "this statement hides none"
        return f"the calibrated constants are of {', '.join(others)}: {none}"

    def check_names(self, known: Iterable[tuple[str, HiddenConstant]]) -> None:
        """Refuse a name that sets no constant at all.

        A calibrated name may be of another statement: one file serves many.

        Args:
            known: the (statement key, constant) pairs that the policy is going to be asked for.

        Raises:
            UnknownNameError: a name matches none of them; the message offers the nearest ones.
        """
        names = set()
        for key, constant in known:
            names |= {f"{key}:{constant.name}", constant.name, constant.role}
        for name in self.values:
            if name not in names and name not in self.calibrated:
                raise UnknownNameError("constant", name, names, f"this answer uses {_some(names)}")


def policy_of(uses: Iterable[ConstantUse]) -> str:
    """What the constants of an answer rest on: `explicit` where one was set, else `calibrated`, else `unit`."""
    bases = {use.basis for use in uses}
    return "explicit" if "set" in bases else "calibrated" if "calibrated" in bases else "unit"


def _some(names: Iterable[str]) -> str:
    local = sorted(name for name in names if ":" not in name and len(name) > 1)
    return ", ".join(local) or "no hidden constant"


def parse_settings(settings: Iterable[str]) -> dict[str, Fraction]:
    """Read `NAME=VALUE` settings of constants, as given to --set.

    Raises:
        InputError: a setting without `=`, with a value that is no number or a negative one, or given twice.
    """
    values: dict[str, Fraction] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not name:
            raise InputError(f"--set {setting!r} is not NAME=VALUE, e.g. --set C=2")
        if name in values:
            raise InputError(f"--set {name} is given twice; give it once")
        values[name] = _not_negative(parse_number(text, f"constant {name}"), f"--set {name}={text}")
    return values


def _not_negative(value: Fraction, given: str) -> Fraction:
    """A value that some constant may have."""
    if value < 0:
        raise InputError(f"{given} is negative, which no hidden constant is; give a number ≥ 0")
    return value


def read_constants(path: Path) -> ConstantPolicy:
    """Read a TOML file of constants: NAME = VALUE at the top level, or under a [statement key] table.

    A table [calibration] says what the others were measured on, in a text `on`; it makes them calibrated.

    Raises:
        InputError: no such file, not TOML, a value that is no number or a negative one, or a file that sets nothing.
    """
    table = _toml(path)
    calibration = table.pop(CALIBRATION, None)
    if calibration is not None and not (isinstance(calibration, dict) and isinstance(calibration.get("on"), str)):
        raise InputError(f'[{CALIBRATION}] in {str(path)!r} does not say what was measured on; give on = "…"')
    values: dict[str, Number] = {}
    for name, entry in table.items():
        entries = entry.items() if isinstance(entry, dict) else [(None, entry)]
        for local, value in entries:
            full = name if local is None else f"{name}:{local}"
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise InputError(f"{full} = {value!r} in {str(path)!r} is not a number")
            number = parse_number(str(value), f"constant {full} in {str(path)!r}")
            values[full] = _not_negative(number, f"{full} = {value} in {str(path)!r}")
    if not values:
        raise InputError(f"constants file {str(path)!r} sets nothing; write NAME = VALUE in it, e.g. C_m = 2")
    origins = dict.fromkeys(values, f"calibrated on {calibration['on']}") if calibration else {}
    return ConstantPolicy(values, origins)


def _toml(path: Path) -> dict[str, Any]:
    import tomllib  # Only here: a query without a file need not wait for it.

    text = read_text(path, "constants file")
    try:
        return tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as problem:
        raise InputError(f"cannot read constants file {str(path)!r}: {problem}") from None
