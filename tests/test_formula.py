"""Formulas: read as Python would build them, printed so that they read back, refused in one line, never run."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from noise import noise, survives
from strategies import FORMULAS
from sympy import Integer, Max, Min, Rational, exp, log, sqrt

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import (
    HiddenConstant,
    O,
    Otilde,
    absolute,
    exponent,
    hidden_constants,
)
from boundcalc.errors import InputError
from boundcalc.formula import DEEPEST, LONGEST_FORMULA, NAMES, parse_formula, show_formula
from boundcalc.parsing import parse_number
from boundcalc.query import parse
from boundcalc.symbols import L, R, alpha, delta, epsilon, eta, lambda_0, m, n, tau
from boundcalc.theorem import Theorem

LIKELY = (
    "L^2*log(n/delta)",
    "Otilde_m((L^2*R^3)^(1/alpha)*log(n/δ)^(2/(2 - alpha)))",
    "4096*(4*(sqrt(2*log(4*n/delta)) + log(4/epsilon))/gamma)^2/gamma^6",
    "max(1/L, L*R^2/(n*epsilon)) + min(m, n)",
    "-log(1/epsilon)/log(1 - eta*lambda_0/2)",
    "4^-L·L²·m^(-1/2) + 1e-3",
    "exp(exp(L)) + 2^L^2 - 10^300*prod(L, m, n)/sum(1, 2, L)",
)

with sympy.evaluate(False):
    TREES = {
        "L**2 * log(n/delta)": L**2 * log(n / delta),
        "2*L*m": 2 * L * m,
        "2*(L*m)": 2 * (L * m),
        "L/m/n": L / m / n,
        "L/(m*n)": L / (m * n),
        "1/L": 1 / L,
        "1 - delta": 1 - delta,
        "1 - 3*delta": 1 - 3 * delta,
        "1 - eta*lambda_0/2": 1 - eta * lambda_0 / 2,
        "-log(L)/m": -log(L) / m,
        "L - m - n": L - m - n,
        "L - (m - n)": L - (m - n),
        "2^L^2": Integer(2) ** (L**2),
        "(2^L)^2": (Integer(2) ** L) ** 2,
        "m^-alpha": m**-alpha,
        "m^(-2*alpha)": m ** (-2 * alpha),
        "-L^2": -(L**2),
        "L^(-8/3)": L ** Rational(-8, 3),
        "L^-8/3": L**-8 / 3,
        "sqrt(m/n)": sqrt(m / n),
        "m^(1/2)": sqrt(m),
        "m^0.5": sqrt(m),
        "max(L, m, 2)": Max(L, m, 2),
        "Min(L, m)": Min(L, m),
        "ln(exp(tau))": log(exp(tau)),
        "alpha/3": alpha / 3,
        "2/3*L": Rational(2, 3) * L,
        "0.01": Rational(1, 100),
        "1e-3*L": Rational(1, 1000) * L,
        "+L": +L,
        "2*3": sympy.Mul(2, 3),
    }


@pytest.mark.parametrize("text", TREES)
def test_a_formula_is_the_tree_that_python_builds(text: str) -> None:
    assert parse_formula(text) == TREES[text]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("eps", "epsilon"),
        ("ε", "epsilon"),
        ("ϵ", "epsilon"),
        ("width*depth", "m*L"),
        ("λ₀", "lambda_0"),
        ("L² · γ⁻²", "L^2*gamma^-2"),
        ("L × m − n", "L*m - n"),
        (" L\n* m ", "L*m"),
        ("LOG(L)", "log(L)"),
        ("prod(L, m)", "L*m"),
        ("((L))", "L"),
    ],
)
def test_a_formula_may_be_written_in_several_ways(text: str, same: str) -> None:
    assert parse_formula(text) == parse_formula(same)


def test_names_that_are_given_go_before_the_vocabulary() -> None:
    p = exponent("p_L", "L", 11, "from nowhere")
    assert parse_formula("L^p_L + m", {"p_L": p, "m": n * R}) == sympy.Add(
        sympy.Pow(L, p, evaluate=False), n * R, evaluate=False
    )


def test_every_symbol_of_one_word_has_its_names() -> None:
    assert NAMES["lambda"] == lambda_0
    assert "step size" not in NAMES
    for name, symbol in NAMES.items():
        assert parse_formula(name) == symbol


def test_notations_take_declared_constants_and_make_the_others() -> None:
    small = HiddenConstant("C_eta", hides="O", direction="small")
    made = parse_formula("O_eta(1/L)*Otilde_m(L)", {"C_eta": small}, notations=True)
    with sympy.evaluate(False):
        assert made == O(1 / L, "eta", "small") * Otilde(L, "m")
    assert {c.name: c.direction for c in hidden_constants(made)} == {"C_eta": "small", "C_m": "large", "k_m": "large"}
    with pytest.raises(InputError, match="Otilde_m"):
        parse_formula("Otilde_m(L)")


REFUSED = {
    "": "is empty",
    "   ": "is empty",
    "2L": "'L' at character 2 follows '2'; write * between them",
    "2 L": "'L' at character 3 follows '2'",
    "L M": "follows 'L'",
    "(L)(m)": "'(' at character 4 follows '(L)'",
    "L(2)": "'L' at character 1 is no function; write L*",
    "log L": "is a function; write log(…)",
    "lamda_0": "unknown name; did you mean lambda_0",
    "L + epsilom": "'epsilom' at character 5 is an unknown name; did you mean epsilon",
    "sqr(L)": "unknown function; did you mean sqrt?",
    "(L": "'(' at character 1 is never closed",
    "L)": "')' at character 2 closes nothing",
    "1,5": "a decimal has a point",
    "L +": "ends after '+'",
    "* L": "'*' at character 1 stands where",
    "L ** ^ 2": "'^' at character 6 stands where",
    "L $ 2": "'$' at character 3 has no meaning",
    "max(L)": "takes at least two arguments, not 1",
    "log(L, 2)": "takes one argument, not 2",
    "log()": "')' at character 5 stands where",
    "1/0": "divides by zero",
    "L/(0)": "divides by zero",
    "0^-1": "division by zero",
    "9^9^9^9": "an exponent that names nothing; write it as one number",
    "L^(1+1)": "an exponent that names nothing",
    "9^9999": "outside 10^±300",
    "L^1e7": "an exponent beyond 1000000",
    "1e400": "outside 10^±300",
    "1e300/1e-300": "outside 10^±300",
    "E": "unknown name",
    "pi": "unknown name; did you mean phi",
    "L.real": "'.' at character 2 has no meaning",
    "'L'": '"\'" at character 1 has no meaning',
    "L == m": "'=' at character 3 has no meaning",
    "Ł": "unknown name",
    "L²²(2)": "read as 'L^22(2)'",
    "(" * 1000: f"nested more than {DEEPEST} deep",
    "-" * 1000 + "L": f"nested more than {DEEPEST} deep",
    "+".join(["L"] * 500): f"nested more than {DEEPEST} deep",
    "L" * (LONGEST_FORMULA + 1): f"in at most {LONGEST_FORMULA}",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_is_no_formula_is_refused_with_the_place_and_the_mend(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_formula(text, what="the width")
    message = str(caught.value)
    assert message.startswith("the width: ")
    assert REFUSED[text] in message
    assert "\n" not in message


def catalogue_formulas(theorem: Theorem) -> list[sympy.Expr]:
    promised = [bound.probability for bound in theorem.guarantees if bound.probability is not None]
    return [*(bound.expr for bound in theorem.bounds), *promised, *theorem.supplies.values()]


@pytest.mark.parametrize("theorem", CATALOGUE.all(), ids=lambda theorem: f"{theorem.key}-{theorem.reading}")
def test_every_formula_of_the_catalogue_reads_back_as_the_identical_tree(theorem: Theorem) -> None:
    names = {constant.name: constant for constant in theorem.constants}
    for formula in catalogue_formulas(theorem):
        again = parse_formula(show_formula(formula), names, notations=True)
        assert again == formula
        assert sympy.srepr(again) == sympy.srepr(formula)
        facts = [(c.name, c.hides, c.role, c.direction, c.value, c.origin) for c in hidden_constants(formula)]
        assert facts == [(c.name, c.hides, c.role, c.direction, c.value, c.origin) for c in hidden_constants(again)]


def test_a_printed_formula_is_what_a_person_would_write() -> None:
    with sympy.evaluate(False):
        formula = absolute("large") * Max(L**2 * log(n / delta), L ** Rational(-8, 3) * sqrt(m)) - 2 * epsilon / n
    assert show_formula(formula) == "C_large*max(L^(-8/3)*sqrt(m), L^2*log(n/delta)) - 2*epsilon/n"


@pytest.mark.parametrize(
    ("expr", "problem"),
    [
        (sympy.Float(0.5) * L, "cannot be written"),
        (sympy.sin(L), "cannot be written"),
        (sympy.Symbol("L") + 1, "not the vocabulary's own symbol"),
        (sympy.Symbol("two words") + 1, "use a plain word"),
        (sympy.Integer(10) ** 301, "within 10^±300"),
        (log(L).func(L, 2, evaluate=False), "cannot be written"),
        (O(L, "m").func(L, HiddenConstant("kappa", hides="O")), "hides kappa"),
    ],
)
def test_what_the_grammar_has_no_words_for_is_not_printed(expr: sympy.Expr, problem: str) -> None:
    with pytest.raises(InputError, match=problem.replace("^", r"\^")):
        show_formula(expr)


@given(FORMULAS)
@settings(max_examples=400, deadline=None)
def test_any_tree_reads_back_as_the_identical_tree(expr: sympy.Expr) -> None:
    names = {constant.name: constant for constant in hidden_constants(expr)}
    assert parse_formula(show_formula(expr), names, notations=True) == expr


@given(st.recursive(st.integers(1, 99).map(str), lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}) {t[1]} {t[2]}"),
    st.tuples(inner, st.sampled_from("+-*"), inner).map(" ".join),
    inner.map(lambda text: f"-{text}"),
    st.tuples(st.integers(1, 9), st.integers(0, 3)).map(lambda t: f"{t[0]}**{t[1]}"),
), max_leaves=8))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_arithmetic_has_the_value_that_python_gives_it(text: str) -> None:
    try:
        value = eval(_with_fractions(text), {"F": Fraction})
    except ZeroDivisionError:
        return
    assert parse_formula(text).doit() == Rational(value.numerator, value.denominator)


def _with_fractions(text: str) -> str:
    """The text with each number that is no exponent as a Fraction, so that Python divides exactly."""
    return re.sub(r"(?<!\*\*)(?<!\d)\d+", lambda found: f"F({found[0]})", text)


READERS = {
    "number": (parse_number, ("0.01", "1/100", "1e-2", "10^-2", "10⁻²", "1%", "-1e300", "½", "9^99", "0^0", "1/0")),
    "formula": (lambda text: parse_formula(text, notations=True), LIKELY),
    "query": (
        parse,
        (
            "required width for ε=0.01, L=5",
            "how many samples for error 0.05 with L=3, gamma=0.2",
            "iterations for eps 1e-2, confidence 95%",
            "width, 4 hidden layers, only chen2019",
            "loss at most 10^-2 cao2020/cor3.3 step size",
        ),
    ),
}


@pytest.mark.parametrize(
    ("reader", "count"),
    [
        ("number", 100_000),
        ("formula", 10_000),
        ("query", 3_000),
        pytest.param("formula", 100_000, marks=pytest.mark.slow),
        pytest.param("query", 100_000, marks=pytest.mark.slow),
    ],
)
def test_random_strings_are_read_or_refused(reader: str, count: int) -> None:
    read, likely = READERS[reader]
    was_read, refused = survives(read, noise(count, seed=count, likely=likely))
    assert min(was_read, refused) > count // 20
