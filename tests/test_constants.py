"""What a notation hides, and where the values of constants come from."""

from __future__ import annotations

import pickle
import random
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from boundcalc.catalogue import CATALOGUE
from boundcalc.commands.common import constant_policy
from boundcalc.constants import (
    ConstantPolicy,
    HiddenConstant,
    O,
    Omega,
    Omegatilde,
    Otilde,
    Theta,
    absolute,
    explicit,
    exponent,
    hidden_constants,
    parse_settings,
    policy_of,
    read_constants,
)
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError
from boundcalc.numerics import enclose
from boundcalc.symbols import m, n


@pytest.mark.parametrize(
    ("notation", "hides"),
    [(O, "O"), (Theta, "Theta"), (Omega, "Omega"), (Otilde, "Otilde"), (Omegatilde, "Omegatilde")],
)
def test_a_notation_owns_its_constants(notation: object, hides: str) -> None:
    assert callable(notation)
    constants = hidden_constants(notation(n**2, "x"))
    names = ["C_x", "k_x"] if hides.endswith("tilde") else ["C_x"]
    assert [c.name for c in constants] == names
    assert {c.hides for c in constants} == {hides}


@pytest.mark.parametrize("notation", [O, Theta, Omega])
def test_hard_notation_is_a_factor(notation: object) -> None:
    assert callable(notation)
    expr = notation(n**2, "x")
    (factor,) = hidden_constants(expr)
    assert explicit(expr) == factor * n**2


@pytest.mark.parametrize("notation", [Otilde, Omegatilde])
@pytest.mark.parametrize(("at", "value"), [(1, 3), (2, 12), (10**6, 3 * 10**12 * 27.631021115928547**2)])
def test_soft_notation_is_a_factor_and_a_power_of_a_logarithm_of_at_least_one(
    notation: object, at: int, value: float
) -> None:
    assert callable(notation)
    expr = notation(n**2, "x")
    factor, power = hidden_constants(expr)
    values = {n: Fraction(at), factor: Fraction(3), power: Fraction(2)}
    if at == 2:  # log 4 > 1
        value *= 1.3862943611198906**2
    assert float(enclose(expr, values)) == pytest.approx(value, rel=1e-14)
    assert float(enclose(explicit(expr), values)) == pytest.approx(value, rel=1e-14)


def test_notations_within_notations_are_made_explicit() -> None:
    expr = 1 + O(sympy.sqrt(Otilde(n, "inner")), "outer") * m
    assert {c.name for c in explicit(expr).free_symbols - {m, n}} == {"C_inner", "k_inner", "C_outer"}
    assert "tilde" not in str(explicit(expr))


@pytest.mark.parametrize("theorem", CATALOGUE.all(), ids=lambda t: f"{t.key}:{t.reading}")
def test_the_explicit_formula_has_the_value_of_the_notation(theorem: object) -> None:
    generator = random.Random(1)
    for bound in theorem.bounds:  # type: ignore[attr-defined]
        values = {s: Fraction(generator.randint(2, 9), generator.choice([1, 20])) for s in bound.expr.free_symbols}
        by_notation, by_formula = enclose(bound.expr, values), enclose(explicit(bound.expr), values)
        assert by_notation.overlaps(by_formula) or not by_notation.is_finite()


def test_constants_are_the_same_only_if_all_that_is_known_of_them_is() -> None:
    assert absolute("a", "large") == absolute("a", "large")
    assert absolute("a", "large") != absolute("a", "small")
    assert exponent("p", "R", 3, "here") != exponent("p", "R", 4, "here")
    assert HiddenConstant("C_a", hides="O") != sympy.Symbol("C_a", positive=True)


def test_a_constant_survives_pickling() -> None:
    constant = exponent("p_L", "R, L", 11, "read off")
    copy = pickle.loads(pickle.dumps(constant))
    assert copy == constant
    assert (copy.hides, copy.role, copy.value, copy.origin) == ("poly(R, L)", "p", 11, "read off")


def test_the_unit_policy_puts_in_one_and_zero_and_says_so() -> None:
    factor, power = hidden_constants(Otilde(n, "x"))
    policy = ConstantPolicy()
    assert policy.name == "unit"
    assert (policy.use(factor, "a").value, policy.use(power, "a").value) == (1, 0)
    assert policy.use(factor, "a").assumed
    sourced, guessed = exponent("p_1", "R", 3, "the proof"), exponent("p_2", "R", None, "nobody says")
    assert (policy.use(sourced, "a").value, policy.use(sourced, "a").origin) == (3, "the proof")
    assert not policy.use(sourced, "a").assumed
    assert policy.use(guessed, "a").value == 1
    assert policy.use(guessed, "a").assumed
    assert "nobody says" in policy.use(guessed, "a").origin


def test_a_set_value_is_not_assumed_and_names_its_setting() -> None:
    (factor,) = hidden_constants(O(n, "x"))
    use = ConstantPolicy({"C": Fraction(2)}).use(factor, "a")
    assert not use.assumed
    assert "C=2" in use.origin


def test_settings_are_read() -> None:
    assert parse_settings(["C=2", " k = 1/2 ", "a/b:C_m=1e-3"]) == {
        "C": 2, "k": Fraction(1, 2), "a/b:C_m": Fraction(1, 1000),
    }  # fmt: skip


@pytest.mark.parametrize(
    "settings_", [["C"], ["=2"], ["C="], ["C=x"], ["C=1", "C=1"], ["C=1=2"], ["C=9**9**9"], ["C=-1"]]
)
def test_bad_settings_are_refused(settings_: list[str]) -> None:
    with pytest.raises(InputError):
        parse_settings(settings_)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(max_size=30), max_size=3))
def test_any_setting_is_read_or_refused(texts: list[str]) -> None:
    with suppress(BoundcalcError):
        assert all(isinstance(value, Fraction) for value in parse_settings(texts).values())


def test_a_constants_file_is_read_exactly(tmp_path: Path) -> None:
    file = tmp_path / "constants.toml"
    file.write_text('C = 0.1\nk = 2\np_L = "1/3"\n["chen2019/thm2.1"]\nC_m = 1e-40\n', "utf-8")
    assert read_constants(file).values == {
        "C": Fraction(1, 10), "k": 2, "p_L": Fraction(1, 3), "chen2019/thm2.1:C_m": Fraction(1, 10**40),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "C = ",
        "C = true",
        "C = nan",
        "C = inf",
        "C = [1]",
        'C = "os.system()"',
        "C = 1979-05-27",
        "[a.b]\nc = 1",
        "\x00",
        "",
        '[calibration]\non = "digits"',
        "C_m = -1",
    ],
)
def test_a_bad_constants_file_is_refused_by_name(content: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"bad\.toml"):
        read_constants(file)


def test_a_constants_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no constants file"):
        read_constants(tmp_path / "absent.toml")
    with pytest.raises(InputError):
        read_constants(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"binary\.toml"):
        read_constants(binary)


def test_a_name_that_sets_nothing_is_refused() -> None:
    constants = [("chen2019/thm2.1", c) for c in CATALOGUE["chen2019/thm2.1"].constants]
    for good in ("C", "k", "p", "C_m", "p_L", "chen2019/thm2.1:C_m"):
        ConstantPolicy({good: Fraction(1)}).check_names(constants)
    for bad in ("C_M", "chen2019/thm2.1:C", "zou2020:C_m", "c", "q"):
        with pytest.raises(UnknownNameError):
            ConstantPolicy({bad: Fraction(1)}).check_names(constants)


def test_calibrated_constants_say_what_they_were_measured_on(tmp_path: Path) -> None:
    file = tmp_path / "measured.toml"
    file.write_text('[calibration]\non = "digits 3,8"\n["chen2019/thm2.1"]\nC_T = "0.02"\n', "utf-8")
    policy = read_constants(file)
    assert policy.name == "calibrated"
    constant = next(c for c in CATALOGUE.find("chen2019/thm2.1").constants if c.name == "C_T")
    use = policy.use(constant, "chen2019/thm2.1")
    assert (use.value, use.origin) == (Fraction(1, 50), "calibrated on digits 3,8")
    policy.check_names([("cao2020/thm3.2", constant)])  # a file may hold constants of other statements too
    assert ConstantPolicy({**policy.values, "C": 2}, policy.calibrated).name == "explicit"
    file.write_text("[calibration]\nC_T = 1\n", "utf-8")
    with pytest.raises(InputError, match="does not say what was measured on"):
        read_constants(file)


def test_what_a_value_rests_on_is_a_fact_of_its_own() -> None:
    (factor,) = hidden_constants(O(n, "x"))
    # Words in parentheses, and those of the unit policy, say nothing.
    sourced = exponent("p_1", "R", 3, "unit policy (of Theorem 2)")
    unknown = exponent("p_2", "R", None, "")
    measured = ConstantPolicy({"C_x": 2, "p_1": 5}, {"C_x": "calibrated on digits"})
    cases = [
        (ConstantPolicy(), factor, "unit", False),
        (ConstantPolicy(), sourced, "source", False),
        (ConstantPolicy(), unknown, "unit", True),
        (ConstantPolicy({"p": 2}), unknown, "set", False),
        (measured, factor, "calibrated", False),
        (measured, sourced, "set", False),
    ]
    for policy, constant, basis, guessed in cases:
        use = policy.use(constant, "a")
        assert (use.basis, use.guessed, use.assumed) == (basis, guessed, basis == "unit")
    uses = [ConstantPolicy().use(factor, "a"), measured.use(factor, "a"), measured.use(sourced, "a")]
    assert [policy_of(uses[:count]) for count in range(4)] == ["unit", "unit", "calibrated", "explicit"]
    chosen = uses[0].chosen(Fraction(7), "chosen so that it suffices")
    assert (chosen.value, chosen.assumed, chosen.name) == (7, False, "C_x")


def test_a_value_that_no_constant_has_is_named_with_where_it_came_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--set C_m=-1 is negative"):
        parse_settings(["C_m=-1"])
    file = tmp_path / "own.toml"
    file.write_text('["chen2019/thm2.1"]\nC_m = -1\n', "utf-8")
    with pytest.raises(InputError, match=r"chen2019/thm2\.1:C_m = -1 in '.*own\.toml'"):
        read_constants(file)
    (factor,) = hidden_constants(O(n, "x"))
    with pytest.raises(InputError, match=r"C_x = 0, set by C_x=0, is not a number > 0"):
        ConstantPolicy({"C_x": 0}).use(factor, "a")


@pytest.mark.parametrize("setting", ["C_m=3", "C=3", "chen2019/thm2.1:C_m=3"])
def test_what_is_set_goes_before_the_file_however_it_is_named(setting: str, tmp_path: Path) -> None:
    path = tmp_path / "constants.toml"
    path.write_text('calibration = {on = "digits"}\n["chen2019/thm2.1"]\nC_m = 1e-9\nk_m = 2\n', "utf-8")
    policy = constant_policy((setting,), path)
    theorem = CATALOGUE["chen2019/thm2.1"]
    used = {constant.name: policy.use(constant, theorem.key) for constant in theorem.constants}
    assert used["C_m"].value == 3
    assert used["C_m"].basis == "set"
    assert used["k_m"].value == 2  # what is not set again stays
