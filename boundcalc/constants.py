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
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import sympy

from boundcalc.errors import InputError, UnknownNameError
from boundcalc.parsing import Number, exact, parse_number
from boundcalc.symbols import show_fraction

CALIBRATION = "calibration"
"""The table of a file of constants that says what they were measured on."""

LARGEST_FILE = 1_000_000
"""Bytes that a file of constants may have."""

Direction = Literal["large", "small", "any"]


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


def substitute(expr: sympy.Expr, replacements: Mapping[sympy.Symbol, sympy.Expr]) -> sympy.Expr:
    """Put expressions in for symbols, everything else left as it is written."""
    if expr in replacements:
        return replacements[expr]
    if not expr.free_symbols & replacements.keys():
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
    """One hidden constant as it went into an answer."""

    name: str
    hides: str
    value: Fraction
    origin: str
    direction: Direction = "any"

    @property
    def assumed(self) -> bool:
        """Whether nothing but the unit policy stands behind the value."""
        return self.origin.startswith("unit policy")


@dataclass(frozen=True)
class ConstantPolicy:
    """Where the values of hidden constants come from.

    `unit`: C = 1, k = 0, exponents as the source lists them (1 where it lists none, and said so). Values in
    `values` go before that, and make the policy `explicit`. A name there is, from the most to the least specific:
    `key:C_m` (that constant of that statement), `C_m` (of any statement), `C`, `k` or `p` (all constants of that role).
    `calibrated` tells of the names in `values` that were measured on what; where all were, so is the policy.
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
                origin = self.calibrated.get(name) or f"set by {name}={show_fraction(value)}"
                break
        else:
            if constant.value is not None:
                value, origin = constant.value, constant.origin
            else:
                value = Fraction(0 if constant.role == "k" else 1)
                origin = "unit policy" + (f" ({constant.origin})" if constant.origin else "")
        if value < 0 or (constant.role == "C" and value == 0):
            least = "> 0" if constant.role == "C" else "≥ 0"
            raise InputError(f"{constant.name} = {show_fraction(value)} is not a number {least}")
        return ConstantUse(constant.name, constant.hides, value, origin, constant.direction)

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


def _some(names: Iterable[str]) -> str:
    local = sorted(name for name in names if ":" not in name and len(name) > 1)
    return ", ".join(local) or "no hidden constant"


def parse_settings(settings: Iterable[str]) -> dict[str, Fraction]:
    """Read `NAME=VALUE` settings of constants, as given to --set.

    Raises:
        InputError: a setting without `=`, with a value that is no number, or given twice.
    """
    values: dict[str, Fraction] = {}
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not name:
            raise InputError(f"--set {setting!r} is not NAME=VALUE, e.g. --set C=2")
        if name in values:
            raise InputError(f"--set {name} is given twice; give it once")
        values[name] = parse_number(text, f"constant {name}")
    return values


def read_constants(path: Path) -> ConstantPolicy:
    """Read a TOML file of constants: NAME = VALUE at the top level, or under a [statement key] table.

    A table [calibration] says what the others were measured on, in a text `on`; it makes them calibrated.

    Raises:
        InputError: no such file, not TOML, or a value that is no number.
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
            values[full] = parse_number(str(value), f"constant {full} in {str(path)!r}")
    origins = dict.fromkeys(values, f"calibrated on {calibration['on']}") if calibration else {}
    return ConstantPolicy(values, origins)


def _toml(path: Path) -> dict[str, Any]:
    import tomllib  # Only here: a query without a file need not wait for it.

    if path.exists() and (not path.is_file() or path.stat().st_size > LARGEST_FILE):
        raise InputError(f"constants file {str(path)!r} is not a file of at most {LARGEST_FILE} bytes")
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=str)
    except FileNotFoundError:
        raise InputError(f"no constants file {str(path)!r}; give the path of a TOML file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(f"cannot read constants file {str(path)!r}: {problem}") from None
