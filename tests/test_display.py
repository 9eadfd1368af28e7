"""Formulas and theorems as people see them: LaTeX, MathML, notebooks, and the forms of `show`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from strategies import FORMULAS
from sympy import Integer, Rational, log, sqrt

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.constants import Notation, absolute
from boundcalc.display import prose_html, prose_latex, theorem_html, theorem_latex
from boundcalc.errors import InputError
from boundcalc.exchange import loads
from boundcalc.formula import parse_formula
from boundcalc.mathml import from_latex
from boundcalc.notation import bound_latex, bound_mathml, latex, mathml
from boundcalc.solving import evaluate
from boundcalc.symbols import D_1, VOCABULARY, L, delta, lambda_0, m, n
from boundcalc.theorem import Condition, Theorem

THEOREMS = CATALOGUE.all()
EACH = pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: f"{theorem.key}-{theorem.reading}")
MATHML = "{http://www.w3.org/1998/Math/MathML}"


@pytest.mark.parametrize(
    ("key", "printed"),
    [
        ("cao2020/thm3.2", r"m \ge \tilde{O}\left(L^{12} B^{-4} \epsilon^{-2}\right) \log\left(1/\delta\right)"),
        ("cao2020/thm1.1", r"m \ge \tilde{\Omega}\left(\epsilon^{-14}\right)"),
        (
            "cao2020/thm3.1",
            r"m \ge C_{\mathrm{large}} \max\left\{L^{2} \log\left(m n/\delta\right), "
            r"L^{-8/3} \tau^{-4/3} \log\left(m/\left(\tau \delta\right)\right)\right\}",
        ),
        ("du2019", r"m \ge \Omega\left(n^{6} \lambda_0^{-4} \delta^{-3}\right)"),
    ],
)  # fmt: skip
def test_latex_is_in_the_notation_of_the_paper(key: str, printed: str) -> None:
    assert bound_latex(CATALOGUE[key].conditions[0]) == printed


with sympy.evaluate(False):
    PRINTED = {
        r"1 - \delta": 1 - delta,
        r"- \frac{L}{m}": -L / m,
        r"L - \left(m + n\right)": L - (m + n),
        r"L - 2 m": L - 2 * m,
        r"\left(L + 1\right) m": (L + 1) * m,
        r"\frac{L + 1}{m}": (L + 1) / m,
        r"L \cdot 2^{- L}": L * Integer(2) ** -L,
        r"\sqrt{m/\left(n L\right)}": sqrt(m / (n * L)),
        r"m^{\left(L + 1\right)/2}": m ** ((L + 1) / 2),
        r"\left[\log\left(m\right)\right]^{-3/2}": log(m) ** Rational(-3, 2),
        r"\left(2^{L}\right)^{2}": (Integer(2) ** L) ** 2,
        r"\left(-2\right)^{L}": Integer(-2) ** L,
        r"\left(\frac{1}{3}\right)^{L}": Rational(1, 3) ** L,
        r"L^{1/3}": L ** Rational(1, 3),
        r"\frac{2 L}{3}": Rational(2, 3) * L,
        r"C_{\kappa,\mathrm{up}}": absolute("kappa_up"),
        r"\left(\sum_l\|\hat W_l - \tilde W_l\|_2\right) m": D_1 * m,
    }  # fmt: skip


@pytest.mark.parametrize("printed", PRINTED)
def test_latex_keeps_what_is_written_together(printed: str) -> None:
    assert latex(PRINTED[printed]) == printed


def test_latex_is_read_by_another_program() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("agg")
    # What matplotlib calls otherwise, or leaves out.
    other = {r"\le ": r"\leq ", r"\ge ": r"\geq ", r"\ne ": r"\neq ", r"\Bigl": r"\left", r"\Bigr": r"\right"}
    other |= {r"\sqrt m": r"\sqrt{m}"}
    other |= {r"\mathcal F": r"\mathcal{F}", r"\surd": r"\int", r"\lceil": r"\langle", r"\rceil": r"\rangle"}
    formulas = {bound_latex(bound) for theorem in THEOREMS for bound in theorem.bounds}
    for theorem in THEOREMS:
        formulas |= set(re.findall(r"\$([^$]*)\$", theorem_latex(theorem)))
    assert len(formulas) > 150
    for formula in formulas:
        for ours, theirs in other.items():
            formula = formula.replace(ours, theirs)
        parser.parse(f"${formula}$")


@EACH
def test_a_theorem_in_latex_is_balanced_and_plain(theorem: Theorem) -> None:
    text = theorem_latex(theorem)
    assert text.startswith(f"% {theorem.key} ")
    assert text.isascii() or "Póczos" in text
    bare = re.sub(r"\\[{}$%&#_\\]", "", text.partition("\n")[2])
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    for group in re.findall(r"\\begin\{align\*\}(.*?)\\end\{align\*\}", text, re.DOTALL):
        bound_rows = group.strip().split("\\\\\n")
        assert all(re.search(r" &(\\le|\\ge|=) ", row) for row in bound_rows)
    outside = re.sub(r"\$[^$]*\$|\\begin\{align\*\}.*?\\end\{align\*\}", "", bare, flags=re.DOTALL)
    assert not re.search(r"[_^~#&]", outside)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("‖x_i‖₂ = 1 for every i", r"$\|x_{i}\|_{2}$ = 1 for every i"),
        ("100% {sure} & more", r"100\% \{sure\} \& more"),
        ("reaches loss 3ε", r"reaches loss $3\epsilon $"),
        ("W_l^(0)ᵀ", r"$W_{l}^{(0)}{}^{\top }$"),
        ("x_{L−1}", "$x_{L-1}$"),
        ("v̄ and Ω̃", r"$\bar{v}$ and $\tilde{\Omega}$"),
        ("a_", r"$a\_$"),
        ("m ≥ 10^11.82.", r"m $\ge $ $10^{11.82}.$"),
        ("10^-3.30 e^−z", r"$10^{-3.30}$ $e^{-z}$"),
        ("by (gamma_ji2020, loss_ratio):", r"by (gamma\_ji2020, loss\_ratio):"),
        ("lambda_0 p_K_gamma C_gen", r"$\lambda _{0}$ $p_{K}{}_{\gamma }$ $C_{\mathrm{gen}}$"),
    ],
)
def test_prose_with_formulas_in_it_becomes_latex(text: str, printed: str) -> None:
    assert prose_latex(text) == printed


# MathML is checked by a small calculator, which reads the presentation as a person would.


class Calculator:
    """Evaluates presentation MathML: side by side is times; a slash, a line, a raised number mean what they do."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self.values = values

    def value(self, element: ElementTree.Element) -> Any:
        tag, parts = element.tag.removeprefix(MATHML), list(element)
        text = "".join(element.itertext())
        if (tag, text) in self.values:
            return self.values[tag, text]
        if tag == "msubsup":
            return self.values["msub", text.removesuffix("".join(parts[2].itertext()))] ** self.value(parts[2])
        if tag == "mn":
            return mpf(element.text or "")
        if tag == "msqrt":
            return mp.sqrt(self.value(parts[0]))
        if tag == "mfrac":
            return self.value(parts[0]) / self.value(parts[1])
        if tag == "msup":
            return self.value(parts[0]) ** self.value(parts[1])
        assert tag in ("mrow", "math"), tag
        if len(parts) == 3 and parts[0].text in ("(", "[") and parts[2].text in (")", "]"):
            return self.value(parts[1])
        return self.sum(parts)

    def sum(self, parts: list[ElementTree.Element]) -> Any:
        total, sign = mpf(0), 1
        term: list[ElementTree.Element] = []
        for part in [*parts, None]:
            signs = {"+": 1, "−": -1}
            if part is None or (part.tag == f"{MATHML}mo" and part.text in signs):
                total += sign * self.product(term) if term else 0
                sign, term = signs[part.text or ""] if part is not None else 1, []
            else:
                term.append(part)
        return total

    def product(self, parts: list[ElementTree.Element]) -> Any:
        total, over = mpf(1), False
        waiting = iter(parts)
        for part in waiting:
            if part.tag == f"{MATHML}mo":
                assert part.text in ("/", "·")
                over = part.text == "/"
                continue
            value = self.call(part.text, next(waiting)) if part.text in ("log", "max", "min") else None
            if "".join(part.itertext()) in ("O", "O~", "Θ", "Ω", "Ω~"):
                value = self.value(next(waiting))
            value = self.value(part) if value is None else value
            total, over = total / value if over else total * value, False
        return total

    def call(self, name: str | None, argument: ElementTree.Element) -> Any:
        if name == "log":
            return mp.log(self.value(argument))
        groups: list[list[ElementTree.Element]] = [[]]
        inner = argument[1]
        for part in inner if inner.tag == f"{MATHML}mrow" else [inner]:
            groups.append([]) if part.text == "," else groups[-1].append(part)
        return (max if name == "max" else min)(self.sum(group) for group in groups)


def plain(expr: sympy.Expr, values: dict[sympy.Expr, Any]) -> Any:
    """The value of a formula, a notation standing for what is in it."""
    if expr in values:
        return values[expr]
    if expr.is_Rational:
        return mpf(expr.p) / expr.q
    if isinstance(expr, Notation):
        return plain(expr.args[0], values)
    arguments = [plain(argument, values) for argument in expr.args]
    rules: dict[Any, Any] = {
        sympy.Add: lambda *args: mp.fsum(args),
        sympy.Mul: lambda *args: mp.fprod(args),
        sympy.Pow: lambda base, power: base**power,
        sympy.log: mp.log,
        sympy.exp: mp.exp,
        sympy.Max: max,
        sympy.Min: min,
    }
    return rules[expr.func](*arguments)


def look(symbol: sympy.Symbol) -> tuple[str, str]:
    """How the calculator recognizes a symbol: its element's tag, and its text."""
    (element,) = ElementTree.fromstring(mathml(symbol))
    return element.tag.removeprefix(MATHML), "".join(element.itertext())


def agree(expr: sympy.Expr) -> None:
    symbols = sorted(expr.free_symbols, key=str)
    values = {symbol: mpf(1) + mpf(17 * i + 3) / 23 for i, symbol in enumerate(symbols)}
    by_look = {look(symbol): value for symbol, value in values.items()}
    assert len(by_look) == len(symbols)
    found = Calculator(by_look).value(ElementTree.fromstring(mathml(expr)))
    assert mp.almosteq(found, plain(expr, values), rel_eps=mpf(10) ** -30)


def composite(theorem: Theorem) -> Iterator[str]:
    """The symbols of a statement that MathML shows by several signs, which the calculator does not know."""
    for symbol in theorem.symbols:
        if look(symbol)[0] not in ("mi", "msub"):
            yield symbol.name


@EACH
def test_mathml_has_the_value_of_the_formula(theorem: Theorem) -> None:
    for bound in theorem.bounds:
        document = ElementTree.fromstring(bound_mathml(bound))
        assert document.tag == f"{MATHML}math"
        if not {symbol.name for symbol in bound.expr.free_symbols} & set(composite(theorem)):
            agree(bound.expr)


def test_most_formulas_were_checked() -> None:
    right = {symbol.name for theorem in THEOREMS for bound in theorem.bounds for symbol in bound.expr.free_symbols}
    left_out = {name for theorem in THEOREMS for name in composite(theorem)} & right
    assert left_out == {"D_1", "D_2", "v_norm", "P_2", "S_21", "S_F"}  # those of four statements


def real(expr: sympy.Expr) -> bool:
    """Whether every part of a formula is real and of moderate size at the values of the check."""
    symbols = sorted(expr.free_symbols, key=str)
    values = {symbol: mpf(1) + mpf(17 * i + 3) / 23 for i, symbol in enumerate(symbols)}
    try:
        return all(
            isinstance(value := plain(part, values), mpf) and mpf(10) ** -50 < abs(value) < mpf(10) ** 50
            for part in sympy.preorder_traversal(expr)
        )
    except (ZeroDivisionError, ValueError, OverflowError, TypeError):
        return False


@given(FORMULAS.filter(lambda expr: not expr.has(sympy.exp)))
@settings(max_examples=150, deadline=None)
def test_mathml_of_any_formula_has_its_value(expr: sympy.Expr) -> None:
    assume(real(expr))
    agree(expr)


def test_mathml_shows_every_symbol_and_refuses_what_it_does_not_know() -> None:
    for symbol in VOCABULARY.values():
        ElementTree.fromstring(mathml(symbol.expr))
    assert mathml(lambda_0) == from_latex(r"\lambda_0") == (
        '<math xmlns="http://www.w3.org/1998/Math/MathML"><msub><mi>λ</mi><mn>0</mn></msub></math>'
    )  # fmt: skip
    for unknown in (r"\sinh x", r"\frac{1}", r"\left( x", "{x", "x_"):
        with pytest.raises(InputError, match="MathML"):
            from_latex(unknown)


@EACH
def test_a_theorem_in_html_holds_all_its_formulas(theorem: Theorem) -> None:
    document = ElementTree.fromstring(theorem_html(theorem))
    formulas = document.findall(f".//{MATHML}math")
    assert len(formulas) >= len(theorem.bounds) + len(theorem.constants)
    assert theorem.key in "".join(document.itertext())
    assert not re.search(r"https?://(?!www\.w3\.org/1998/Math/MathML)", theorem_html(theorem))


def test_a_notebook_shows_theorems_bounds_and_answers() -> None:
    theorem = CATALOGUE["cao2020/thm3.1"]
    assert theorem._repr_html_() == theorem_html(theorem)
    assert theorem._repr_latex_() == theorem_latex(theorem)
    bound = theorem.conditions[0]
    assert bound._repr_latex_() == f"${bound_latex(bound)}$"
    assert bound._repr_html_() == bound_mathml(bound)
    shown = {}
    cases = {"interval": {"tau": "1e-6"}, "empty": {"L": "10^6"}, "huge": {"tau": "1e-40"}}
    for name, inputs in cases.items():
        answer = evaluate(theorem, "width", inputs)
        ElementTree.fromstring(answer._repr_html_())
        shown[name] = answer._repr_latex_()
    assert re.fullmatch(r"\$\d+ \\le m \\le 10\^\{[\d.]+\}\$", shown["interval"])
    assert re.fullmatch(r"\$10\^\{[\d.]+\} \\le m \\le 10\^\{[\d.]+ \\cdot 10\^\{\d+\}\}\$", shown["huge"])
    assert shown["empty"] == r"$m \in \emptyset$"
    step = evaluate(CATALOGUE["chen2019/thm2.1"], "step-size", {"m": 3 * 10**9, "L": 7, "alpha": "1/2"})
    assert re.fullmatch(r"\$\\eta = 4\.76\d+ \\cdot 10\^\{-11\}\$", step._repr_latex_())
    page = step._repr_html_()
    for part in ("chen2019/thm2.1", from_latex(r"\alpha = 0.5"), from_latex(r"C_{\eta} = 1"), "unit policy"):
        assert part in page
    assert "hidden by <math" in page
    assert "Theta" not in page


def test_an_evil_title_stays_text() -> None:
    theorem = CATALOGUE["zou2020"]
    evil = type(theorem)(
        key="evil2030", title="<script>alert(1)</script> & ]]>", source=theorem.source, setting=theorem.setting,
        conditions=(Condition(m, ">=", L, note="<img src=x onerror=y>"),),
    )  # fmt: skip
    page = theorem_html(evil)
    assert "<script" not in page
    assert "<img" not in page
    ElementTree.fromstring(page)


@EACH
def test_show_writes_every_form(theorem: Theorem) -> None:
    def show(*options: str) -> str:
        done = CliRunner().invoke(cli, ["show", theorem.key, "--reading", theorem.reading, *options])
        assert done.exit_code == 0, done.output
        return done.output

    assert loads(show("--format", "toml")) == (theorem,)
    assert show("--format", "latex") == theorem_latex(theorem) + "\n"
    assert show("--format", "mathml") == theorem_html(theorem) + "\n"
    assert show("--format", "text") == show()
    facts = json.loads(show("--format", "json"))
    assert facts == json.loads(show("--json"))
    names = {constant.name: constant for constant in theorem.constants}
    for group in ("conditions", "prescriptions", "guarantees"):
        for said, bound in zip(facts[group], getattr(theorem, group), strict=True):
            assert parse_formula(said["expression"], names, notations=True) == bound.expr
            assert said["rising"] == [symbol.name for symbol in bound.rising]
            ElementTree.fromstring(said["mathml"])


def test_two_forms_at_once_are_refused() -> None:
    done = CliRunner().invoke(cli, ["show", "zou2020", "--json", "--format", "toml"])
    assert isinstance(done.exception, InputError)
    assert "give one of them" in str(done.exception)


def test_prose_in_html_shows_its_formulas_as_mathematics() -> None:
    html = prose_html("there is W* with ‖W*_l − W_l^(0)‖_F ≤ R for every l & m < 2")
    formulas = re.findall(r"<math.*?</math>", html)
    assert len(formulas) == 2, "words side by side are one formula"
    assert "msubsup" in formulas[0]
    assert "R for every l &amp; m <math" in html
    ElementTree.fromstring(f"<p>{html}</p>")


@settings(deadline=None, max_examples=200)
@given(st.text("ab W_l^(0)‖√≥Õ&<>{}$%#\\~|²₀ᵀ\u0302·.,", max_size=30))
def test_any_prose_is_well_formed(words: str) -> None:
    ElementTree.fromstring(f"<p>{prose_html(words)}</p>")


@pytest.mark.parametrize("theorem", CATALOGUE.all(), ids=lambda theorem: f"{theorem.key}:{theorem.reading}")
def test_no_formula_of_a_statement_is_left_in_plain_signs(theorem: Theorem) -> None:
    words = re.sub(r"<math.*?</math>", "", theorem_html(theorem))
    assert not re.search(r"[_^‖√]", words)
