"""Numbers as people type them: read exactly, or refused in one line, and never evaluated."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from boundcalc.commands.common import parse_values
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError
from boundcalc.parsing import normalize, parse_number
from boundcalc.symbols import ALIASES, VOCABULARY, lookup, show_fraction

ONE_PERCENT = [
    "0.01", ".01", "1/100", "1e-2", "1E-2", "10^-2", "10**-2", "10^(-2)", "10 ^ -2", "10⁻²", "1%", "1 %", "+0.01",
    "0.1^2", "0.1²", "  0.01 ", "10^−2", "１/１００", "0.5/50", "1e-1 / 1e1", "100^-1", "1.00e-02",
]  # fmt: skip


@pytest.mark.parametrize("text", ONE_PERCENT)
def test_one_hundredth_is_one_hundredth_however_it_is_written(text: str) -> None:
    assert parse_number(text) == Fraction(1, 100)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("½", Fraction(1, 2)),
        ("2^10", Fraction(1024)),
        ("1e60", Fraction(10**60)),
        ("1e-300", Fraction(1, 10**300)),
        ("-3", Fraction(-3)),
        ("-2^2", Fraction(-4)),
        ("−1/3", Fraction(-1, 3)),
        ("95%", Fraction(19, 20)),
        ("0", Fraction(0)),
        ("0.1", Fraction(1, 10)),
        ("5.", Fraction(5)),
        ("2^0", Fraction(1)),
        ("2^3/4", Fraction(2)),
    ],
)
def test_a_number_is_read_exactly(text: str, value: Fraction) -> None:
    assert parse_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "abc", "nan", "inf", "-inf", "1/0", "0^-1", "0/0", "1e999999999", "1e-999999999", "10^400", "9**9**9",
        "9^9^9^9", "2^99999999999999999999", "1e301", "__import__('os').system('true')", "1+1", "2*3", "1/2/3", "0x10",
        "1e", "e5", "--1", "1j", "1..2", "1,000", "(1)", "pi", "9" * 500, "1e" + "9" * 300, "1/" + "0" * 300, "%", "/",
        "10^", "^2", "1 2", "1\n2", "\x00", "1e5e5", "1%%", "0.5.5",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_number(text, "epsilon")
    message = str(refusal.value)
    assert message.startswith("epsilon")
    assert "\n" not in message
    assert len(message) < 250


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
@example("9**9**9**9")
@example("1e" + "9" * 50)
@example("⁰" * 60)
@example("1^" + "9" * 58)
@example("٣/٤")
def test_any_text_is_a_number_or_refused(text: str) -> None:
    with suppress(BoundcalcError):
        assert isinstance(parse_number(text), Fraction)


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="0123456789.eE+-^*/%() ⁻²½", max_size=30))
@example("1e300^300")
@example("0.0000001^1200")
@example("1^99999999999999")
@example("1e400/1e400")
def test_text_made_of_number_signs_is_a_number_or_refused(text: str) -> None:
    try:
        value = parse_number(text)
    except BoundcalcError:
        return
    assert value == 0 or Fraction(1, 10**300) <= abs(value) <= 10**300


@settings(deadline=None, max_examples=200)
@given(st.fractions())
def test_a_fraction_is_read_back_from_how_it_is_printed(value: Fraction) -> None:
    assert parse_number(f"{value.numerator}/{value.denominator}") == value


@settings(deadline=None, max_examples=200)
@given(st.integers(-(10**40), 10**40), st.integers(-40, 40))
def test_a_number_shown_as_exact_is_exact(mantissa: int, exponent: int) -> None:
    value = mantissa * Fraction(10) ** exponent
    shown = show_fraction(value)
    if "≈" not in shown:
        assert parse_number(shown) == value
    else:
        assert abs(parse_number(shown.replace("≈", "")) - value) <= abs(value) * Fraction(1, 10**13)


@settings(deadline=None, max_examples=200)
@given(st.fractions(max_denominator=10**12))
def test_a_fraction_shown_as_exact_is_exact(value: Fraction) -> None:
    shown = show_fraction(value)
    if "≈" not in shown:
        assert parse_number(shown) == value


def test_unicode_is_folded() -> None:
    assert normalize("ϵ ≤ 10⁻²") == "ε ≤ 10^-2"
    assert normalize("3 − 1") == "3 - 1"


# name=value -------------------------------------------------------------------------------------


def test_values_are_read_under_any_name() -> None:
    values = parse_values(["eps=1%", "δ=0.05", "depth=5", "λ₀=1/10", "gamma = 0.2", "H=4"])
    assert values == {
        "epsilon": Fraction(1, 100), "delta": Fraction(1, 20), "L": 5, "lambda_0": Fraction(1, 10),
        "gamma": Fraction(1, 5), "H": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["eps"], "name=value"),
        (["eps="], "name=value"),
        (["=1"], "name=value"),
        (["eps=1", "epsilon=1"], "twice"),
        (["epsilom=1"], "epsilon"),
        (["eps=1=2"], "not a number"),
        (["eps=eval('1')"], "not a number"),
    ],
)
def test_a_bad_assignment_is_refused_with_its_mend(assignments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_values(assignments)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_assignment_is_read_or_refused(assignments: list[str]) -> None:
    with suppress(BoundcalcError):
        assert len(parse_values(assignments)) == len(assignments)


# The vocabulary ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("ε", "epsilon"), ("ϵ", "epsilon"), ("eps", "epsilon"), ("EPS", "epsilon"), ("δ", "delta"), ("φ", "phi"),
        ("λ0", "lambda_0"), ("lambda0", "lambda_0"), ("depth", "L"), ("width", "m"), ("samples", "n"), ("η", "eta"),
        ("learning rate", "eta"), ("τ", "tau"), ("α", "alpha"), ("Depth", "L"),
    ],
)  # fmt: skip
def test_aliases_name_their_symbol(alias: str, name: str) -> None:
    assert lookup(alias).name == name


def test_one_letter_names_keep_their_case() -> None:
    assert lookup("L").name == "L"
    for wrong in ("l", "r", "M", "N", "k"):
        with pytest.raises(UnknownNameError):
            lookup(wrong)


def test_no_alias_has_two_meanings() -> None:
    listed = [alias for symbol in VOCABULARY.values() for alias in (symbol.name, *symbol.aliases)]
    assert len(listed) == len(set(listed)) == len(ALIASES)


@pytest.mark.parametrize("name", "epsilon delta gamma phi lambda_0 L m n d R B alpha tau eta T K".split())
def test_every_symbol_of_the_papers_is_there_with_a_default_in_its_domain(name: str) -> None:
    symbol = VOCABULARY[name]
    assert symbol.meaning
    assert symbol.latex
    if symbol.default is not None:
        assert symbol.default in symbol.domain
        assert symbol.check(symbol.default) == symbol.default


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("epsilon", ["1e-300", "1"], ["0", "1.01", "-1"]),
        ("delta", ["1e-300", "0.999"], ["0", "1", "2"]),
        ("gamma", ["1"], ["0", "3/2"]),
        ("phi", ["2", "0.1"], ["0", "2.1"]),
        ("alpha", ["1/2", "0.001"], ["0", "0.7"]),
        ("L", ["1", "1000000"], ["0", "2.5", "-1"]),
        ("m", ["1", "1e60"], ["0", "1/2"]),
        ("n", ["1"], ["0", "1.5"]),
        ("R", ["1e-300", "1e300"], ["0", "-1"]),
        ("B", ["1"], ["0"]),
        ("tau", ["1e-300"], ["0"]),
    ],
)
def test_the_domain_of_a_symbol(name: str, inside: list[str], outside: list[str]) -> None:
    for text in inside:
        assert VOCABULARY[name].check(parse_number(text)) == parse_number(text)
    for text in outside:
        with pytest.raises(InputError, match=rf"{name} = "):
            VOCABULARY[name].check(parse_number(text))
