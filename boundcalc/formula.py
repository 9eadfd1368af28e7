"""Formulas as people type them and as files keep them, read by a grammar of our own and never evaluated.

    sum      := product { (`+` | `-`) product }
    product  := factor { (`*` | `·` | `/`) factor }
    factor   := (`-` | `+`) factor | power
    power    := atom [ (`^` | `**`) factor ]                right associative: 2^L^2 is 2^(L^2)
    atom     := number | name | `(` sum `)` | function `(` sum { `,` sum } `)`
    function := log | ln | sqrt | exp | max | min | sum | prod
              | Otilde_m | O_T | Theta_eta | …              where notations are allowed

The tree that is built is the one that Python's operators build while sympy leaves formulas as written: `a*b*c` is
(a·b)·c, and `1 - x` is 1 + (−1)·x. The quotient of two numbers is a number, 1/3. `sum(a, b, c)` and `prod(a, b, c)` are
flat, as the sums and products that sympy evaluates are. `show_formula` prints a tree so that it reads back as that
very tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import NoReturn

import sympy

from boundcalc.constants import Notation, O, Omega, Omegatilde, Otilde, Theta
from boundcalc.errors import InputError, nearest
from boundcalc.parsing import LARGEST_EXPONENT, normalize, parse_number
from boundcalc.symbols import ALIASES, VOCABULARY

LONGEST_FORMULA = 2000
DEEPEST = 60
"""How deep a formula may be nested, in parentheses and as a tree."""
LARGEST_POWER = 10**6
"""The largest number, and the largest denominator, that may stand as an exponent."""

NAMES: Mapping[str, sympy.Symbol] = MappingProxyType(
    {alias: VOCABULARY[name].expr for alias, name in ALIASES.items() if alias.isidentifier()}
)
"""What a formula may call the parameters of the field."""

_NOTATIONS = {notation.__name__: notation for notation in (O, Theta, Omega, Otilde, Omegatilde)}
NOTATION_CALL = re.compile(rf"\b({'|'.join(sorted(_NOTATIONS, key=len, reverse=True))})_(\w+)")
"""A notation and its label, as in `Otilde_m(…)`, which hides C_m and k_m."""


def _power(base: sympy.Expr, exponent: sympy.Expr) -> sympy.Expr:
    return sympy.Pow(base, exponent, evaluate=False)


def _product(*factors: sympy.Expr) -> sympy.Expr:
    return sympy.Mul(*factors, evaluate=False)


def _total(*terms: sympy.Expr) -> sympy.Expr:
    return sympy.Add(*terms, evaluate=False)


def _negative(expr: sympy.Expr) -> sympy.Expr:
    """−expr: the sign goes into a number, and in front of a product's factors."""
    if expr.is_Number:
        return -expr
    if not expr.is_Mul:
        return _product(sympy.S.NegativeOne, expr)
    first, *rest = expr.args
    if first.is_Number:
        return _product(*rest) if first == -1 else _product(-first, *rest)
    return _product(sympy.S.NegativeOne, *expr.args)


def _quotient(over: sympy.Expr, under: sympy.Expr) -> sympy.Expr:
    if over.is_Rational and under.is_Rational:
        return sympy.Rational(over.p * under.q, over.q * under.p)
    inverse = _power(under, sympy.S.NegativeOne)
    return inverse if over == 1 else _product(over, inverse)


def _too_extreme(expr: sympy.Expr) -> bool:
    """Whether `expr` is a number outside the range in which numbers are read."""
    largest = 10**LARGEST_EXPONENT
    return bool(expr.is_Rational and expr.p and (abs(expr.p) > largest * expr.q or expr.q > largest * abs(expr.p)))


@dataclass(frozen=True)
class _Function:
    """What a name before a parenthesis builds, and how many arguments it takes: exactly one, or two and more."""

    build: Callable[..., sympy.Expr]
    several: bool = False


def _unevaluated(build: Callable[..., sympy.Expr], several: bool = False) -> _Function:
    return _Function(lambda *args: build(*args, evaluate=False), several)


_FUNCTIONS: Mapping[str, _Function] = MappingProxyType(
    {
        "log": _unevaluated(sympy.log),
        "ln": _unevaluated(sympy.log),
        "sqrt": _Function(lambda arg: _power(arg, sympy.S.Half)),
        "exp": _unevaluated(sympy.exp),
        "max": _unevaluated(sympy.Max, several=True),
        "min": _unevaluated(sympy.Min, several=True),
        "sum": _unevaluated(sympy.Add, several=True),
        "prod": _unevaluated(sympy.Mul, several=True),
    }
)

_WRITTEN = {sympy.log: "log", sympy.exp: "exp", sympy.Max: "max", sympy.Min: "min"}

RESERVED = frozenset(_FUNCTIONS)
"""Names of functions, which nothing else may bear."""


def parse_formula(
    text: str,
    names: Mapping[str, sympy.Expr] | None = None,
    *,
    notations: bool = False,
    what: str = "formula",
) -> sympy.Expr:
    """Read a formula, exactly as written.

    Args:
        text: what the user typed, e.g. `L^2*log(n/delta)`.
        names: names that go before the vocabulary's, with what they stand for.
        notations: whether `Otilde_m(g)`, `O_T(g)`, `Theta_eta(g)`, … are known. They take the constants C_m and k_m
            from `names` where they are there, and else make them.
        what: what the formula is, for the message.

    Raises:
        InputError: the text is no formula, is too long, too deep or holds too large numbers, or a name is unknown.
    """
    if len(text) > LONGEST_FORMULA:
        raise InputError(f"{what}: {len(text)} characters; write a formula in at most {LONGEST_FORMULA}")
    return _Parser(text, names or {}, notations, what).parse()


_TOKEN = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)|(?P<sign>\*\*|[-+*/^(),·])|(?P<other>\S)"
)


_OUTSIDE = f"makes this a number outside 10^±{LARGEST_EXPONENT}; give one within that range"


@dataclass(frozen=True)
class _Token:
    kind: str  # "number", "name", "sign", "other", "end"
    text: str
    position: int


class _Parser:
    """One pass over one formula, by recursive descent."""

    def __init__(self, text: str, names: Mapping[str, sympy.Expr], notations: bool, what: str) -> None:
        self.text = normalize(text)
        self.read_as = f" (read as {self.text[:60]!r})" if self.text != text else ""
        self.names = {**NAMES, **names}
        self.notations = notations
        self.what = what
        self.tokens = [_Token(m.lastgroup or "", m[0], m.start()) for m in _TOKEN.finditer(self.text)]
        self.tokens.append(_Token("end", "", len(self.text)))
        self.index = 0
        self.depth = 0

    def parse(self) -> sympy.Expr:
        expr = self.sum()
        if self.next.kind != "end":
            self.unexpected()
        level, depth = [expr], 0
        while level:
            level, depth = [argument for node in level for argument in node.args], depth + 1
            if depth > DEEPEST:
                raise InputError(f"{self.what}: nested more than {DEEPEST} deep; split the formula")
        return expr

    @property
    def next(self) -> _Token:
        return self.tokens[self.index]

    def take(self, *signs: str) -> str:
        """Step over the next token and return its text if it is one of these signs, else return nothing."""
        token = self.next
        if token.kind != "sign" or token.text not in signs:
            return ""
        self.index += 1
        return token.text

    def sum(self) -> sympy.Expr:
        expr = self.product()
        while sign := self.take("+", "-"):
            term = self.product()
            expr = _total(expr, term if sign == "+" else _negative(term))
        return expr

    def product(self) -> sympy.Expr:
        expr = self.factor()
        while sign := self.take("*", "·", "/"):
            operand = self.next
            factor = self.factor()
            if sign != "/":
                expr = _product(expr, factor)
            elif factor == 0:
                self.fail(operand, "divides by zero")
            else:
                expr = _quotient(expr, factor)
                if _too_extreme(expr):
                    self.fail(operand, _OUTSIDE)
        return expr

    def factor(self) -> sympy.Expr:
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(self.next, f"is nested more than {DEEPEST} deep; split the formula")
        if sign := self.take("-", "+"):
            expr = self.factor()
            expr = _negative(expr) if sign == "-" else expr
        else:
            expr = self.power()
        self.depth -= 1
        return expr

    def power(self) -> sympy.Expr:
        base = self.atom()
        if not self.take("^", "**"):
            return base
        operand = self.next
        exponent = self.factor()
        self.check_power(base, exponent, operand)
        return _power(base, exponent)

    def check_power(self, base: sympy.Expr, exponent: sympy.Expr, token: _Token) -> None:
        """Refuse what a number could not hold: a tower of numbers, 0 to a negative power, a huge exponent."""
        if exponent.free_symbols:
            return
        if not exponent.is_Rational:
            self.fail(token, "begins an exponent that names nothing; write it as one number")
        if max(abs(exponent.p), exponent.q) > LARGEST_POWER:
            self.fail(token, f"begins an exponent beyond {LARGEST_POWER}; give a smaller one")
        if not base.is_Rational:
            return
        if base.p == 0 and exponent.p <= 0:
            self.fail(token, "makes this a division by zero")
        digits = max(len(str(base.p)), len(str(base.q)))
        if abs(exponent.p) * digits > 4 * LARGEST_EXPONENT * exponent.q:
            self.fail(token, _OUTSIDE)

    def atom(self) -> sympy.Expr:
        token = self.next
        if token.kind == "number":
            self.index += 1
            value = parse_number(token.text, self.what)
            expr: sympy.Expr = sympy.Rational(value.numerator, value.denominator)
        elif token.kind == "name":
            self.index += 1
            if self.take("("):
                return self.call(token)
            expr = self.named(token)
        elif self.take("("):
            expr = self.sum()
            self.close(token)
        else:
            self.unexpected()
        self.no_juxtaposition(token)
        return expr

    def named(self, token: _Token) -> sympy.Expr:
        if token.text in self.names:
            return self.names[token.text]
        if token.text.lower() in _FUNCTIONS or self.notation(token.text):
            self.fail(token, f"is a function; write {token.text}(…)")
        offers = nearest(token.text, [*self.names, *_FUNCTIONS])
        mend = "; a hidden constant is declared before it is used" if self.notations else ""
        self.fail(token, "is an unknown name" + (f"; did you mean {' or '.join(offers)}?" if offers else "") + mend)

    def notation(self, name: str) -> tuple[str, str] | None:
        """The notation and the label that a name such as Otilde_m is made of."""
        match = NOTATION_CALL.fullmatch(name) if self.notations else None
        return (match[1], match[2]) if match else None

    def call(self, token: _Token) -> sympy.Expr:
        opening = self.tokens[self.index - 1]
        notation = self.notation(token.text)
        function = _FUNCTIONS.get(token.text if token.text in _FUNCTIONS else token.text.lower())
        if notation:
            function = _Function(lambda g: self.hide(g, *notation))
        elif function is None:
            if token.text in self.names:
                self.fail(token, f"is no function; write {token.text}*(…)")
            if token.text in _NOTATIONS and self.notations:
                self.fail(token, f"needs a label that names its constants; write {token.text}_m(…), say")
            offers = nearest(token.text, _FUNCTIONS)
            known = " or ".join(offers) if offers else ", ".join(_FUNCTIONS)
            self.fail(token, f"is an unknown function; did you mean {known}?")
        arguments = [self.sum()]
        while self.take(","):
            arguments.append(self.sum())
        self.close(opening)
        if function.several != (len(arguments) > 1):
            takes = "at least two arguments" if function.several else "one argument"
            self.fail(token, f"takes {takes}, not {len(arguments)}")
        self.no_juxtaposition(token)
        return function.build(*arguments)

    def hide(self, g: sympy.Expr, notation: str, label: str) -> sympy.Expr:
        with sympy.evaluate(False):
            made = _NOTATIONS[notation](g, label)
            return made.func(g, *(self.names.get(constant.name, constant) for constant in made.args[1:]))

    def close(self, opening: _Token) -> None:
        if self.take(")"):
            return
        if self.next.kind == "end":
            self.fail(opening, "is never closed")
        self.unexpected()

    def no_juxtaposition(self, token: _Token) -> None:
        follower = self.next
        if follower.kind in ("number", "name") or follower.text == "(":
            written = self.text[token.position : follower.position].rstrip()
            self.fail(follower, f"follows {written[-30:]!r}; write * between them")

    def unexpected(self) -> NoReturn:
        token = self.next
        if token.kind == "end":
            before = f"ends after {self.tokens[self.index - 1].text!r}" if self.index else "is empty"
            raise InputError(f"{self.what}: {before}; a number, a name or a parenthesis is missing{self.read_as}")
        if token.kind == "other":
            self.fail(token, "has no meaning here; a formula is made of numbers, names, + - * / ^ ( ) and functions")
        if token.text == ")" and self.depth == 0:
            self.fail(token, "closes nothing; drop it")
        if token.text == "," and self.depth == 0:
            self.fail(token, "parts nothing here; a formula is one expression, and a decimal has a point")
        self.fail(token, "stands where a number, a name or a parenthesis is expected")

    def fail(self, token: _Token, problem: str) -> NoReturn:
        raise InputError(f"{self.what}: {token.text[:40]!r} at character {token.position + 1} {problem}{self.read_as}")


class _Level(IntEnum):
    """How tightly a printed formula holds together."""

    SUM = 1
    PRODUCT = 2
    FACTOR = 3
    POWER = 4
    ATOM = 5


def show_formula(expr: sympy.Expr) -> str:
    """Print a formula in the grammar of this file; it reads back as the identical tree.

    Raises:
        InputError: the formula holds something that the grammar has no words for.
    """
    return _show(expr)[0]


def _at(expr: sympy.Expr, least: _Level) -> str:
    """The formula, in parentheses where it would fall apart beside something that binds as tightly as `least`."""
    text, level = _show(expr)
    return text if level >= least else f"({text})"


def _show(expr: sympy.Expr) -> tuple[str, _Level]:
    if isinstance(expr, Notation):
        return f"{_notation_name(expr)}({show_formula(expr.args[0])})", _Level.ATOM
    if expr.is_Symbol:
        return _symbol_name(expr), _Level.ATOM
    if expr.is_Rational:
        if _too_extreme(expr):
            raise InputError(f"a formula's numbers lie within 10^±{LARGEST_EXPONENT}; this one does not")
        level = _Level.PRODUCT if expr.q != 1 else _Level.FACTOR if expr.p < 0 else _Level.ATOM
        return str(expr), level
    if expr.is_Pow:
        return _show_power(*expr.args)
    if expr.is_Mul:
        return _show_product(expr)
    if expr.is_Add:
        return _show_sum(expr)
    name = _WRITTEN.get(expr.func)
    if name is None or _FUNCTIONS[name].several != (len(expr.args) > 1):
        raise InputError(f"{expr} ({expr.func.__name__}) cannot be written in a formula; use {', '.join(_FUNCTIONS)}")
    return _show_call(name, expr), _Level.ATOM


def _show_call(name: str, expr: sympy.Expr) -> str:
    return f"{name}({', '.join(show_formula(argument) for argument in expr.args)})"


def _show_power(base: sympy.Expr, exponent: sympy.Expr) -> tuple[str, _Level]:
    if exponent == sympy.S.Half:
        return f"sqrt({show_formula(base)})", _Level.ATOM
    if exponent == -1 and not base.is_Rational:
        return f"1/{_at(base, _Level.POWER)}", _Level.PRODUCT
    return f"{_at(base, _Level.ATOM)}^{_at(exponent, _Level.FACTOR)}", _Level.POWER


def _show_product(expr: sympy.Expr) -> tuple[str, _Level]:
    if len(expr.args) == 2:
        first, second = expr.args
        if second.is_Pow and second.exp == -1 and _quotient(first, second.base) == expr:
            return f"{_at(first, _Level.PRODUCT)}/{_at(second.base, _Level.POWER)}", _Level.PRODUCT
    positive = _positive(expr)
    if positive is not None and expr.args[0] == -1:
        return f"-{_at(positive, _Level.POWER)}", _Level.FACTOR
    if len(expr.args) != 2:
        return _show_call("prod", expr), _Level.ATOM
    # Not as a quotient, which would read back as another tree.
    inverse = second.is_Pow and second.exp == -1
    right = f"{_at(second.base, _Level.ATOM)}^-1" if inverse else _at(second, _Level.POWER)
    return f"{_at(first, _Level.PRODUCT)}*{right}", _Level.PRODUCT


def _show_sum(expr: sympy.Expr) -> tuple[str, _Level]:
    if len(expr.args) != 2:
        return _show_call("sum", expr), _Level.ATOM
    first, second = expr.args
    positive = _positive(second)
    if positive is not None:
        return f"{_at(first, _Level.SUM)} - {_at(positive, _Level.PRODUCT)}", _Level.SUM
    right = _at(second, _Level.PRODUCT)
    return f"{_at(first, _Level.SUM)} + {f'({right})' if right.startswith('-') else right}", _Level.SUM


def _positive(expr: sympy.Expr) -> sympy.Expr | None:
    """What `expr` is the negative of, where it begins with a sign; None where the sign cannot be taken off."""
    first = expr.args[0] if expr.is_Mul else expr
    if not first.is_Rational or first.p >= 0:
        return None
    positive = _negative(expr)
    return positive if _negative(positive) == expr else None


def _symbol_name(symbol: sympy.Symbol) -> str:
    name: str = symbol.name
    if not name.isidentifier() or name in RESERVED or normalize(name) != name:
        raise InputError(f"the name {name!r} cannot be written in a formula; use a plain word")
    if NAMES.get(name, symbol) != symbol:
        raise InputError(f"{name!r} is not the vocabulary's own symbol; take it from boundcalc.symbols")
    return name


def _notation_name(expr: Notation) -> str:
    notation = type(expr).__name__.lstrip("_")
    factor, *powers = expr.args[1:]
    label = factor.name.removeprefix("C_")
    if [factor.name, *(power.name for power in powers)] != [f"C_{label}", *(f"k_{label}" for _ in powers)]:
        raise InputError(f"{notation} hides {factor.name}; a notation's constants are C_label and k_label of one label")
    return f"{notation}_{label}"
