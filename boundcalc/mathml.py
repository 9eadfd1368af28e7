r"""MathML from LaTeX: a small converter for the LaTeX that formulas and symbols are printed in.

    row    := { atom [ `_` group ] [ `^` group ] }         subscript and superscript in either order
    atom   := group | command | letter | digits | sign | `\left` sign row `\right` sign
    group  := `{` row `}` | atom

So both languages show a formula in one notation, laid out in one place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NoReturn

from boundcalc.errors import InputError

GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
        "omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split(),
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ",
        strict=True,
    )
)
_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "ge": "≥", "le": "≤", "in": "∈", "emptyset": "∅", "cdot": "·", "|": "‖", "{": "{", "}": "}", "sum": "∑",
        "prod": "∏", "langle": "⟨", "rangle": "⟩", "nabla": "∇", "top": "⊤", "lfloor": "⌊", "rfloor": "⌋",
        "lceil": "⌈", "rceil": "⌉", "ell": "ℓ", "cdots": "⋯", "ldots": "…", "to": "→", "times": "×", "sim": "~",
        "ne": "≠", "approx": "≈", "pm": "±", "infty": "∞", "int": "∫", "surd": "√", "backslash": "\\", "&": "&amp;",
        "$": "$", "#": "#", "%": "%", "_": "_",
    }
)  # fmt: skip
_ACCENTS: Mapping[str, str] = MappingProxyType({"tilde": "~", "hat": "^", "bar": "¯"})
_WORDS = frozenset({"log", "max", "min", "exp"})
_SCRIPT: Mapping[str, str] = MappingProxyType({"E": "ℰ", "F": "ℱ", "L": "ℒ"})
_FENCES: Mapping[str, str] = MappingProxyType({"left": r"\right", "Bigl": r"\Bigr"})

_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\S")


def from_latex(latex: str) -> str:
    """One `math` element for a formula.

    Raises:
        InputError: the formula uses a LaTeX command that this converter does not know.
    """
    converter = _Converter(latex)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{converter.row("")}</math>'


class _Converter:
    """One pass over the tokens of a formula."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = _TOKEN.findall(latex)
        self.index = 0

    def row(self, end: str) -> str:
        """Everything up to the closing token, as one element."""
        elements: list[str] = []
        while self.peek() not in (end, ""):
            elements.append(self.scripted())
        if end and self.take() != end:
            self.fail("is not closed")
        return elements[0] if len(elements) == 1 else f"<mrow>{''.join(elements)}</mrow>"

    def scripted(self) -> str:
        base = self.group()
        scripts: dict[str, str] = {}
        while (sign := self.peek()) in ("_", "^") and sign not in scripts:
            self.take()
            scripts[sign] = self.group()
        if not scripts:
            return base
        tag = {"_": "msub", "^": "msup"}[next(iter(scripts))] if len(scripts) == 1 else "msubsup"
        return f"<{tag}>{base}{scripts.get('_', '')}{scripts.get('^', '')}</{tag}>"

    def group(self) -> str:
        token = self.take()
        if token == "{":
            return self.row("}")
        if token[0] == "\\":
            return self.command(token[1:])
        if token[0].isdigit():
            return f"<mn>{token}</mn>"
        if token.isalpha():
            return f"<mi>{token}</mi>"
        return f"<mo>{'−' if token == '-' else token.translate(_ESCAPED)}</mo>"

    def command(self, name: str) -> str:
        if name in GREEK:
            return f"<mi>{GREEK[name]}</mi>"
        if name in _SIGNS:
            return f"<mo>{_SIGNS[name]}</mo>"
        if name in _WORDS:
            return f"<mi>{name}</mi>"
        if name in _ACCENTS:
            return f'<mover accent="true">{self.group()}<mo>{_ACCENTS[name]}</mo></mover>'
        if name in _FENCES:
            opening, body, closing = self.group(), self.row(_FENCES[name]), self.group()
            return f"<mrow>{opening}{body}{closing}</mrow>"
        if name == "frac":
            return f"<mfrac>{self.group()}{self.group()}</mfrac>"
        if name == "sqrt":
            return f"<msqrt>{self.group()}</msqrt>"
        if name == "mathrm":
            return f'<mi mathvariant="normal">{self.word()}</mi>'
        if name == "mathcal":
            word = self.word()
            return f"<mi>{_SCRIPT.get(word, word)}</mi>"
        self.fail(f"uses \\{name}")

    def word(self) -> str:
        """The letters in a group, as one word."""
        if self.peek() != "{":
            return self.take()
        letters = ""
        self.take()
        while self.peek() not in ("}", ""):
            letters += self.take().translate(_ESCAPED)
        self.take()
        return letters

    def peek(self) -> str:
        return self.tokens[self.index] if self.index < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.index += 1
        return token or self.fail("ends too early")

    def fail(self, problem: str) -> NoReturn:
        raise InputError(f"the formula {self.latex[:60]!r} {problem}, which cannot be shown in MathML")
