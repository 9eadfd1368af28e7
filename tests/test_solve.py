"""Answers, against values worked in mpmath, by brute force, and in closed form."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from fractions import Fraction

import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import lambertw, log, mp, mpf
from oracle import FORMULAS, Point, random_values, real
from sympy import Float, Integer, sqrt, symbols
from sympy import log as ln

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant
from boundcalc.errors import InputError, NumericsError, UnknownNameError
from boundcalc.formula import parse_formula
from boundcalc.parsing import parse_number
from boundcalc.solving import IncompleteError, Solution, evaluate
from boundcalc.solving import solve as invert
from boundcalc.symbols import VOCABULARY, R, m
from boundcalc.theorem import Bound, Guarantee, Theorem


def solve(
    key: str, quantity: str, inputs: str = "", constants: str = "", *, reading: str = "stated", strict: bool = False
) -> Solution:
    """Evaluate with inputs and constants written as `L=5 n=1000`."""
    values, settings_ = (
        {name: parse_number(number) for name, _, number in (word.partition("=") for word in words.split())}
        for words in (inputs, constants)
    )
    return evaluate(CATALOGUE.find(key, reading), quantity, values, ConstantPolicy(settings_), strict=strict)


def oracle(key: str, symbol: str, solution: Solution, **more: int | Fraction) -> mpf:
    """The oracle's formula at everything that went into a solution."""
    point = {**solution.inputs, **{a.name: parse_number(str(a.value)) for a in solution.assumed}}
    point |= {use.name: use.value for use in solution.constants}
    return FORMULAS[key, symbol][0](Point({**point, **more}))


ANCHOR = "R=1 alpha=1/2 n=1000 delta=0.05"


@pytest.mark.parametrize(("depth", "width"), [(2, 89202588), (5, 50705800355726887)])
def test_the_width_of_chen2019_at_the_anchors(depth: int, width: int) -> None:
    solution = solve("chen2019/thm2.1", "width", f"L={depth} {ANCHOR}")
    assert solution.value == str(width)
    assert solution.proven
    assert solution.status == "ok"
    exact = mpf(depth) ** 22 * log(20000) ** (mpf(4) / 3)
    assert width - 1 < exact <= width
    assert solution.log10 == pytest.approx(float(mp.log10(exact)), rel=1e-11)


@pytest.mark.parametrize(("key", "log10"), [("cao2020/cor3.3", 53.25178310224), ("cao2020/cor3.2", 65.2929829288)])
def test_the_width_of_cao2020_at_the_anchors(key: str, log10: float) -> None:
    solution = solve(key, "width", "L=5 gamma=0.1 epsilon=0.01 delta=0.05")
    assert solution.log10 == pytest.approx(log10, rel=1e-12)
    assert solution.value is None, "beyond 10^30 no integer is claimed"


def test_the_prescriptions_of_ji2020_at_the_anchor() -> None:
    inputs = "n=1000 delta=0.05 epsilon=0.1 gamma=1/2"
    width = solve("ji2020", "width", inputs)
    assert width.value == "1195292748"
    assert width.proven
    assert solve("ji2020", "iterations", f"{inputs} eta=1").value == "91194"
    assert solve("ji2020", "step-size", inputs).value == "1"


@pytest.mark.parametrize("depth", [10**6, 10**9])
def test_a_depth_of_millions_does_not_overflow(depth: int) -> None:
    solution = solve("cao2020/cor3.2", "width", f"L={depth} gamma=0.1 epsilon=0.01 delta=0.05")
    exact = 24 * mp.log10(depth) + 8 * depth * mp.log10(2) + 8 + 28 + mp.log10(log(20))
    assert solution.log10 == pytest.approx(float(exact), rel=1e-11)


def test_an_error_too_small_for_floats_is_still_a_number() -> None:
    solution = solve("cao2020/cor3.3", "step-size", "L=1000000 gamma=1e-200 m=1e60")
    exact = -(mpf(10) ** 6) * mp.log10(4) - 18 - 400 - 60
    assert solution.log10 == pytest.approx(float(exact), rel=1e-11)
    mantissa, _, exponent = str(solution.value).partition("e")
    assert mp.log10(mpf(mantissa)) + int(exponent) <= exact


# The smallest integer ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    depth=st.integers(2, 5),
    n=st.integers(1, 10**9),
    delta=st.fractions(Fraction(1, 10**6), Fraction(999, 1000)),
    R=st.fractions(Fraction(1, 10), Fraction(2)),
    alpha=st.sampled_from([Fraction(1, 2), Fraction(1, 3), Fraction(2, 5)]),
)
def test_an_integer_width_holds_and_its_predecessor_does_not(
    depth: int, n: int, delta: Fraction, R: Fraction, alpha: Fraction
) -> None:
    theorem = CATALOGUE["chen2019/thm2.1"]
    inputs = {"L": Fraction(depth), "n": Fraction(n), "delta": delta, "R": R, "alpha": alpha}
    solution = evaluate(theorem, "width", inputs)
    bound = FORMULAS["chen2019/thm2.1", "m"][0](Point(inputs))
    if bound < mpf(10) ** 30:
        m = int(solution.value or 0)
        assert m >= bound
        assert m == 1 or m - 1 < bound
    else:
        assert solution.value is None


@pytest.mark.parametrize(
    ("key", "quantity", "inputs", "value"),
    [
        # n = ε^(−4), m = ε^(−14): exact integers, which no ball can tell from their neighbours.
        ("cao2020/thm1.1", "samples", "epsilon=0.1", 10**4),
        ("cao2020/thm1.1", "width", "epsilon=1/10", 10**14),
        ("cao2020/thm1.1", "width", "epsilon=0.01", 10**28),
        ("zou2019", "width", "n=10 L=1 phi=1/10", 10**12),
        ("zou2020", "width", "n=2 L=1 phi=1 epsilon=1/2", 2**14 + 2**13),
        ("du2019", "width", "n=3 lambda_0=1/2 delta=1/5", 3**6 * 16 * 125),
        ("chen2019/thm2.1", "iterations", "L=3 R=1/3 epsilon=1/7", 7),
        # From here on the bound is no integer.
        ("zou2020", "width", "n=1 L=1 phi=1 epsilon=2/3", 3),
        ("cao2020/thm1.1", "samples", "epsilon=2/3", 6),
    ],
)
def test_exact_bounds_are_not_rounded_past(key: str, quantity: str, inputs: str, value: int) -> None:
    solution = solve(key, quantity, inputs)
    assert solution.value == str(value)
    assert solution.proven


# Widths that stand on both sides of their condition ---------------------------------------------


def holds_at(m: int, solution: Solution, key: str) -> bool:
    return bool(m >= oracle(key, "m", solution, m=m))


def test_the_first_arm_alone_gives_the_branch_of_lambert_that_reaches_to_infinity() -> None:
    # τ = 1 makes the second arm small, and a large C_small lets it pass.
    solution = solve("cao2020/thm3.1", "width", "L=3 n=1000 delta=0.05 tau=1", "C_small=1e10")
    root = -9 * lambertw(-1 / (mpf(9) * 20000), -1).real
    assert root == pytest.approx(133.15501365, abs=1e-7)
    assert solution.value == "134"
    assert solution.lower is not None
    assert solution.lower.log10 == pytest.approx(float(mp.log10(root)), rel=1e-11)
    assert [m for m in range(1, 400) if m >= 9 * log(m * 20000)] == list(range(134, 400))


KEYS = ["cao2020/thm3.1", "cao2020/lem4.1", "cao2020/lem4.2", "cao2020/lem4.4", "cao2020/lem4.5"]


@settings(deadline=None, max_examples=60)
@given(
    key=st.sampled_from(KEYS),
    depth=st.integers(1, 6),
    n=st.integers(1, 10**12),
    delta=st.fractions(Fraction(1, 10**9), Fraction(99, 100)),
    gamma=st.fractions(Fraction(1, 100), Fraction(1)),
    exponent=st.integers(-18, -1),
    large=st.fractions(Fraction(1, 20), Fraction(50)),
)
def test_from_the_least_width_on_an_implicit_condition_holds_for_good(
    key: str, depth: int, n: int, delta: Fraction, gamma: Fraction, exponent: int, large: Fraction
) -> None:
    tau = Fraction(10) ** exponent
    inputs = {"L": Fraction(depth), "n": Fraction(n), "delta": delta, "gamma": gamma, "tau": tau}
    policy = ConstantPolicy({"C_large": large, "C_small": Fraction(10**40)})
    solution = evaluate(CATALOGUE[key], "width", inputs, policy)
    assert solution.status in ("ok", "interval")
    assert solution.lower is not None
    assert solution.lower.value is not None
    least = int(solution.lower.value)
    if least > 1:
        assert not holds_at(least - 1, solution, key)
    for factor in (1, 2, 3, 10, 10**3, 10**9, 10**30):
        assert holds_at(least * factor, solution, key)
        assert holds_at(least + factor - 1, solution, key)


@pytest.mark.parametrize("tau", [0.01, 0.05, 0.25, 2, 30])
@pytest.mark.parametrize("large", [0.1, 1, 3])
def test_the_least_width_is_found_by_brute_force_too(tau: float, large: float) -> None:
    solution = solve("cao2020/lem4.5", "width", f"tau={tau} gamma=1 n=2 delta=0.9", f"C_small=1e9 C_large={large}")

    def fails(m: int) -> bool:
        return m < large * max(math.log(m * 2 / 0.9), tau ** (-4 / 3) * math.log(m / (tau * 0.9)))

    assert solution.value == str(max(filter(fails, range(1, 100_000)), default=0) + 1)


@pytest.mark.parametrize(
    ("key", "cap", "inputs"),
    [
        ("cao2020/thm3.1", lambda L, g: L**-6, "L=1 tau=1e-1 n=1 delta=0.9"),
        ("cao2020/lem4.1", lambda L, g: L**-6, "L=2 tau=1e-4 n=10 delta=0.05"),
        ("cao2020/lem4.4", lambda L, g: 8**-L * L**-2 * g**3, "L=2 gamma=1/2 tau=1e-6 n=10 delta=0.05"),
        ("cao2020/lem4.5", lambda L, g: g**3, "gamma=1/2 tau=1e-3 n=10 delta=0.05"),
    ],
)
def test_the_radius_caps_the_width_from_above(key: str, cap: Callable[[mpf, mpf], mpf], inputs: str) -> None:
    solution = solve(key, "width", inputs, "C_large=1/100")
    values = {name: real(parse_number(number)) for name, _, number in (word.partition("=") for word in inputs.split())}
    coefficient = cap(values.get("L", mpf(1)), values.get("gamma", mpf(1)))
    greatest = mp.exp((coefficient / values["tau"]) ** (mpf(2) / 3))
    assert solution.status == "interval"
    assert solution.upper is not None
    assert solution.upper.log10 == pytest.approx(float(mp.log10(greatest)), rel=1e-10)
    if greatest < mpf(10) ** 30:
        assert solution.upper.value == str(int(mp.floor(greatest)))


def radius_constant(m: float) -> str:
    """The C_small at which τ = 1 is allowed up to width m, for L = 3."""
    value = mpf(3) ** 6 * log(m) ** mpf("1.5")
    return mp.nstr(value, 30)


@pytest.mark.parametrize(("reach", "status"), [(135.5, "interval"), (134.5, "interval"), (133.5, "empty")])
def test_an_interval_may_hold_one_width_or_none(reach: float, status: str) -> None:
    solution = solve("cao2020/thm3.1", "width", "L=3 n=1000 delta=0.05 tau=1", f"C_small={radius_constant(reach)}")
    assert solution.status == status
    assert solution.lower is not None
    assert solution.upper is not None
    assert (solution.lower.value, solution.upper.value) == ("134", str(math.floor(reach)))
    assert solution.value == ("134" if status == "interval" else None)
    assert (solution.log10 is None) == (status == "empty")


def test_a_condition_that_formulas_turn_round_caps_the_width() -> None:
    # With γ = m^(−1/10), ε = n^(−1/8): n ≥ C_n·L^4·4^L·m^(1/5)·log(1/δ)·n^(1/2), and m ≥ C_m·L^24·2^(8L)·m^(4/5)·….
    formulas = {name: parse_formula(text) for name, text in (("gamma", "m^(-1/10)"), ("epsilon", "n^(-1/8)"))}
    inputs = {"L": 4, "n": 80081, "delta": "0.008"}
    log_delta, n = log(1 / mpf("0.008")), mpf(80081)
    greatest = (mp.sqrt(n) / (mpf(4) ** 8 * log_delta * mpf("1e-7"))) ** 5
    least = (mpf(4) ** 24 * 2**32 * log_delta * n ** mpf("1.75") * mpf("1e-36")) ** 5
    policy = ConstantPolicy({"C_m": "1e-36", "C_n": "1e-7"})
    solution = evaluate(CATALOGUE["cao2020/cor3.2"], "width", {**inputs, **formulas}, policy)
    assert solution.status == "interval"
    assert solution.value == str(int(mp.ceil(least)))
    assert solution.upper is not None
    assert solution.upper.value == str(int(mp.floor(greatest)))
    assert solution.upper.binding.startswith("n ≥")
    # ε = 1/n: n ≥ a·n^4 with a > 1 holds for no n.
    formulas["epsilon"] = parse_formula("1/n")
    assert evaluate(CATALOGUE["cao2020/cor3.2"], "width", {**inputs, **formulas}).status == "empty"


def test_a_condition_on_a_formula_in_what_is_asked_for_is_not_passed_over() -> None:
    given = {"m": parse_formula("n^2"), "epsilon": "0.1"}
    assert "n also enters the condition on m" in evaluate(CATALOGUE["cao2020/cor3.2"], "samples", given).notes


def test_an_empty_set_is_an_answer_that_says_what_is_needed_and_what_allowed() -> None:
    solution = solve("cao2020/thm3.1", "width", "L=3 n=1000 delta=0.05 tau=100")
    assert solution.status == "empty"
    assert solution.value is None
    assert solution.log10 is None
    assert any("134" in note for note in solution.notes)


# The safe side ----------------------------------------------------------------------------------

EXPLICIT = [
    pytest.param(theorem, bound, id=f"{theorem.key}:{theorem.reading}-{bound.symbol}")
    for theorem in CATALOGUE.all()
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds)
    for bound in [theorem.bounds_on(symbol)[0]]
    if not bound.implicit
]


def safe_side(bound: Bound) -> int:
    """+1 where a larger number keeps the statement true, −1 where a smaller one does, 0 where neither is asked for."""
    if isinstance(bound, Guarantee):
        return -1 if bound.relation == ">=" else 1
    name = bound.symbol.name
    return {"m": 1, "n": 1, "T": 1, "K": 1, "eta": -1}.get(name, -1 if bound.relation == "<=" else 0)


def value_of(solution: Solution) -> mpf:
    assert solution.value is not None
    return mpf(solution.value)


@pytest.mark.parametrize(("theorem", "bound"), EXPLICIT)
def test_answers_are_rounded_to_the_safe_side_and_tightly(theorem: Theorem, bound: Bound) -> None:
    name = theorem.key + ("" if theorem.reading == "stated" else f":{theorem.reading}")
    generator = random.Random(f"{name} {bound.symbol} side")
    symbols = {s.name for b in theorem.bounds_on(bound.symbol) for s in b.expr.free_symbols} & VOCABULARY.keys()
    for _ in range(8):
        values = random_values(symbols, generator)
        try:
            exact = max(formula(Point(values)) for formula in FORMULAS[name, bound.symbol.name])
            solution = evaluate(theorem, bound.symbol.name, values)
        except (NumericsError, ZeroDivisionError):
            continue
        if solution.value is None:
            assert VOCABULARY[bound.symbol.name].domain.integer
            assert exact >= mpf(10) ** 30
            continue
        # 10^(−140): the oracle's own last digits.
        assert safe_side(bound) * (value_of(solution) - exact) >= -abs(exact) * mpf(10) ** -140, values
        whole = 1 if VOCABULARY[bound.symbol.name].domain.integer else 0
        assert abs(value_of(solution) - exact) <= max(abs(exact) * mpf(10) ** -11, whole), values


@settings(deadline=None, max_examples=60)
@given(power=st.integers(1, 60), offset=st.integers(1, 9), depth=st.sampled_from([2, 4, 5, 8, 10]))
def test_a_step_size_just_below_a_short_decimal_is_not_rounded_up_to_it(power: int, offset: int, depth: int) -> None:
    width = 10**power + offset
    solution = solve("chen2019/thm2.1", "step-size", f"L={depth} m={width} alpha=1/2")
    assert Fraction(str(solution.value)) <= Fraction(1, depth * width)


@pytest.mark.parametrize(("epsilon", "loss"), [("0.01", "0.03"), ("1/3", "1"), ("1e-40", "3e-40")])
def test_a_short_decimal_is_answered_as_it_is(epsilon: str, loss: str) -> None:
    assert solve("chen2019/thm2.1", "loss", f"epsilon={epsilon}").value == loss


# What went in -----------------------------------------------------------------------------------


def test_what_is_assumed_is_reported_with_its_reason_and_how_to_set_it() -> None:
    solution = solve("chen2019/thm2.1", "width", "L=5")
    assert {a.name: a.value for a in solution.assumed} == {
        "delta": Fraction(1, 20), "n": Fraction(1000), "R": Fraction(1), "alpha": Fraction(1, 2),
    }  # fmt: skip
    assert all(a.why == "default" and f"{a.name}=" in a.how for a in solution.assumed)
    assert dict(solution.inputs) == {"L": 5}


def test_a_width_that_was_not_given_is_the_statements_own() -> None:
    solution = solve("chen2019/thm2.1", "step-size", f"L=5 {ANCHOR}")
    (assumed,) = solution.assumed
    assert (assumed.name, assumed.value) == ("m", 50705800355726887)
    assert "width" in assumed.why
    assert Fraction(str(solution.value)) <= Fraction(1, 5 * 50705800355726887)


def test_the_loss_in_an_error_bound_is_what_the_paper_reaches() -> None:
    solution = solve("chen2019/thm2.2", "error", "L=2 R=1 n=1e8 delta=0.05 epsilon=0.01 m=1e20 alpha=1/2")
    assert [(a.name, parse_number(str(a.value))) for a in solution.assumed if a.name == "L_S"] == [
        ("L_S", Fraction(3, 100))
    ]
    given_loss = solve("chen2019/thm2.2", "error", "L=2 R=1 n=1e8 delta=0.05 L_S=0.02 m=1e20 alpha=1/2")
    assert not [a for a in given_loss.assumed if a.name == "L_S"]
    assert value_of(solution) - value_of(given_loss) == pytest.approx(0.02, abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(epsilon=st.floats(1e-10, 1, exclude_max=True))
@example(epsilon=3.6821412924992244e-06)  # 1/ε² = 73756296448.006
def test_what_the_statement_supplies_is_not_rounded(epsilon: float) -> None:
    exact = Fraction(repr(epsilon))
    solution = evaluate(CATALOGUE["chen2019/thm2.2"], "samples", {"epsilon": epsilon})
    assert solution.value == str(math.ceil(1 / exact**2))
    assert solution.proven
    assert [(one.name, one.value) for one in solution.assumed] == [("error", exact)]


@settings(deadline=None, max_examples=30)
@given(radius=st.integers(10**24, 10**36))
def test_an_irrational_that_the_statement_supplies_is_not_rounded(radius: int) -> None:
    # ε = R^(−1/3): n ≥ R^(2/3), so that n³ ≥ R².
    given = {"epsilon": parse_formula("R^(-1/3)"), "R": radius}
    n = int(evaluate(CATALOGUE["chen2019/thm2.2"], "samples", given).value or 0)
    assert n**3 >= radius**2 > (n - 1) ** 3


def test_a_width_that_was_not_given_may_be_beyond_every_integer_that_is_written_out() -> None:
    # m = c·log(m/(τδ)) has the greater root −c·W₋₁(−τδ/c), and m = c·log m has −c·W₋₁(−1/c).
    solution = evaluate(CATALOGUE["cao2020/thm3.1"], "error", {"tau": "1e-22", "L": 3, "delta": "0.05", "n": 1000})
    c = mpf(3) ** (-8 / mpf(3)) * mpf("1e-22") ** (-4 / mpf(3))
    assert_is_just_above(solution, -c * lambertw(-mpf("5e-24") / c, -1).real)
    exact = oracle("cao2020/thm3.1", "error", solution)
    assert 0 <= value_of(solution) - exact <= exact * mpf(10) ** -11
    given = {"delta": parse_formula("1/m"), "L": 6, "gamma": "0.75", "epsilon": "0.01"}
    c = mpf(6) ** 24 * (mpf(4) / 3) ** 8 * mpf(100) ** 14
    assert_is_just_above(evaluate(CATALOGUE["cao2020/cor3.3"], "step-size", given), -c * lambertw(-1 / c, -1).real)


def assert_is_just_above(solution: Solution, width: mpf) -> None:
    """The width that was assumed is a width rounded up to twelve digits."""
    (assumed,) = (mpf(str(one.value)) for one in solution.assumed if one.name == "m")
    assert 0 <= assumed - width <= width * mpf(10) ** -11


def test_a_formula_that_does_not_enter_asks_for_nothing() -> None:
    formulas = {"tau": parse_formula("R*m^(-1/2)*log(m)"), "delta": parse_formula("1/m")}
    given = {**formulas, "L": 11, "epsilon": "0.03", "B": 1}
    c = mpf(11) ** 12 / mpf("0.03") ** 2
    least = -c * lambertw(-1 / c, -1).real
    for solution in (
        evaluate(CATALOGUE["cao2020/thm3.2"], "width", given, ConstantPolicy({"C": 1, "k": 0}), strict=True),
        invert(CATALOGUE["cao2020/cor3.3"], "L", {"width": "1e60", "epsilon": "0.1", "tau": parse_formula("L - R")}),
    ):
        assert "R" not in {one.name for one in solution.assumed}
    solution = evaluate(CATALOGUE["cao2020/thm3.2"], "width", given)
    assert solution.value == str(int(mp.ceil(least)))
    # A radius that is given is checked, as numbers are that do not enter: log(m) > R takes m > e^60.
    far = {**given, "tau": parse_formula("log(m) - R"), "R": 60}
    assert evaluate(CATALOGUE["cao2020/thm3.2"], "width", far).value == str(int(mp.ceil(mp.exp(60))))
    lemma = evaluate(
        CATALOGUE["cao2020/lem4.5"],
        "width",
        {"n": m, "epsilon": parse_formula("1/(n*L)"), "gamma": "0.6", "tau": "1e-3", "delta": "0.05"},
    )
    c = mpf(1000) ** (4 / mpf(3))
    assert lemma.value == str(int(mp.ceil(-c * lambertw(-mpf("5e-5") / c, -1).real)))


def test_inputs_that_do_not_enter_are_named() -> None:
    solution = solve("chen2019/thm2.1", "width", "L=5 epsilon=0.01 gamma=0.2")
    assert set(solution.unused) == {"epsilon", "gamma"}
    assert "epsilon" not in solution.inputs


def test_every_constant_is_listed_with_its_value_and_origin() -> None:
    uses = {use.name: use for use in solve("chen2019/thm2.1", "width").constants}
    assert {name: use.value for name, use in uses.items()} == {"C_m": 1, "k_m": 0, "p_L": 11, "p_R": 4}
    assert "unit" in uses["C_m"].origin
    assert "unit" in uses["k_m"].origin
    assert "reconstructed" in uses["p_L"].origin


STRICT = "L=5 R=1 alpha=1/2 n=1000 delta=0.05"


@pytest.mark.parametrize(
    ("inputs", "constants", "missing"),
    [
        ("", "C_m=1 k_m=0", "alpha"),
        (STRICT, "", "C_m"),
        (STRICT, "C_m=1", "k_m"),
        ("L=5 R=1 n=1000 delta=0.05", "C=1 k=0", "alpha"),
    ],
)
def test_strict_refuses_to_assume(inputs: str, constants: str, missing: str) -> None:
    with pytest.raises(IncompleteError, match=missing):
        solve("chen2019/thm2.1", "width", inputs, constants, strict=True)


def test_strict_answers_where_everything_is_given() -> None:
    solution = solve("chen2019/thm2.1", "width", STRICT, "C=1 k=0", strict=True)
    assert solution.value == "50705800355726887"
    assert not solution.assumed


def test_strict_refuses_exponents_that_no_source_gives() -> None:
    with pytest.raises(IncompleteError, match="p_R"):
        solve("cao2019", "width", "L=5 R=1 n=1000 delta=0.05", "C=1 k=0", strict=True)


# Constants --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "quantity", "inputs"),
    [
        ("chen2019/thm2.1", "width", STRICT),  # Õ
        ("chen2019/thm2.1", "step-size", "L=5 m=1000 alpha=1/2"),  # Θ
        ("chen2019/thm2.1", "iterations", "L=5 R=1 epsilon=0.01"),  # O
        ("du2019", "width", "n=100 lambda_0=0.1 delta=0.05"),  # Ω
        ("cao2020/thm1.1", "width", "epsilon=0.01"),  # Ω̃
        ("cao2020/lem4.3", "output", "n=100 delta=0.05"),  # a named absolute constant
    ],
)
def test_a_factor_of_two_doubles_the_bound(key: str, quantity: str, inputs: str) -> None:
    doubled, unit = (solve(key, quantity, inputs, constants) for constants in ("C=2", ""))
    assert doubled.log10 is not None
    assert unit.log10 is not None
    assert doubled.log10 - unit.log10 == pytest.approx(math.log10(2), abs=1e-10)
    assert (doubled.policy, unit.policy) == ("explicit", "unit")


def test_the_log_power_is_that_of_everything_under_the_tilde() -> None:
    g = mpf(5) ** 22 * log(20000) ** (mpf(4) / 3)
    solution = solve("chen2019/thm2.1", "width", STRICT, "k_m=2")
    assert solution.value == str(int(mp.ceil(g * log(g) ** 2)))


def test_the_logarithm_under_the_tilde_is_at_least_one() -> None:
    # g = ε^(−4) = 1 at ε = 1: without the 1 the bound would be 0.
    assert solve("cao2020/thm1.1", "samples", "epsilon=1", "k_n=3").value == "1"
    assert solve("cao2020/thm1.1", "samples", "epsilon=9/10", "k_n=3 C_n=100").value == str(
        int(mp.ceil(100 / mpf("0.9") ** 4))
    )


def test_a_logarithm_under_the_tilde_that_vanishes_leaves_an_exact_integer() -> None:
    solution = solve("cao2020/cor3.3", "iterations", "epsilon=0.01", "p_K_gamma=0 k_K=2")
    assert (solution.value, solution.log10) == ("10000", 4)


def test_exponents_of_poly_can_be_set() -> None:
    solution = solve("chen2019/thm2.1", "width", STRICT, "p_L=2")
    assert solution.value == str(int(mp.ceil(mpf(5) ** 4 * log(20000) ** (mpf(4) / 3))))


def test_the_most_specific_setting_wins() -> None:
    constants = "C=2 C_m=3 chen2019/thm2.1:C_m=5 cao2020/thm3.2:C_m=7"
    assert solve("chen2019/thm2.1", "width", STRICT, constants).log10 == pytest.approx(
        float(mp.log10(5 * mpf(5) ** 22 * log(20000) ** (mpf(4) / 3))), rel=1e-11
    )


def test_an_unknown_constant_is_refused_with_the_nearest() -> None:
    theorem = CATALOGUE["chen2019/thm2.1"]
    known = [(theorem.key, constant) for constant in theorem.constants]
    ConstantPolicy({"C_m": Fraction(1), "chen2019/thm2.1:k_m": Fraction(1), "p": Fraction(2)}).check_names(known)
    with pytest.raises(UnknownNameError, match="C_eta"):
        ConstantPolicy({"C_etta": Fraction(1)}).check_names(known)


@pytest.mark.parametrize("constants", ["C=0", "C_m=-1", "k_m=-1", "p_L=-1"])
def test_a_constant_out_of_its_range_is_refused(constants: str) -> None:
    with pytest.raises(InputError, match=constants.partition("=")[0]):
        solve("chen2019/thm2.1", "width", STRICT, constants)


def test_constants_of_one_statement_do_not_reach_another() -> None:
    constants = {c.name: c for c in CATALOGUE["cao2020/lem4.4"].constants}
    others = {c.name: c for c in CATALOGUE["cao2020/lem4.5"].constants}
    policy = ConstantPolicy({"cao2020/lem4.4:C_B": Fraction(9)})
    assert isinstance(constants["C_B"], HiddenConstant)
    assert policy.use(constants["C_B"], "cao2020/lem4.4").value == 9
    assert policy.use(others["C_B"], "cao2020/lem4.5").value == 1


# Names and domains ------------------------------------------------------------------------------


def test_K_and_T_are_both_the_number_of_iterations() -> None:
    assert (
        solve("cao2020/thm3.2", "T", "L=2 B=1 epsilon=1/2").value
        == solve("cao2020/thm3.2", "K", "L=2 B=1 epsilon=1/2").value
    )
    assert solve("cao2020/thm3.2", "iterations", "L=2 B=1 epsilon=1/2").value == "32"
    by_K, by_T = (solve("du2019", "loss", f"{name}=3 eta=1 lambda_0=1") for name in "KT")
    assert by_K.value == by_T.value == "0.125"


@pytest.mark.parametrize(("key", "depth"), [("chen2019/thm2.1", 5), ("cao2020/thm3.2", 4)])
def test_hidden_layers_become_each_papers_own_depth(key: str, depth: int) -> None:
    by_layers, by_depth = solve(key, "width", "H=4"), solve(key, "width", f"L={depth}")
    assert by_layers.value == by_depth.value
    assert by_layers.inputs["L"] == depth


def test_depth_and_hidden_layers_are_not_both_taken() -> None:
    with pytest.raises(InputError, match="give one"):
        solve("chen2019/thm2.1", "width", "H=4 L=5")


@pytest.mark.parametrize(
    ("key", "inputs"),
    [
        ("chen2019/thm2.1", "L=1"),
        ("chen2019/thm2.1", "L=5/2"),
        ("chen2019/thm2.1", "alpha=0.7"),
        ("chen2019/thm2.1", "alpha=0"),
        ("chen2019/thm2.1", "R=0"),
        ("chen2019/thm2.1", "n=0"),
        ("chen2019/thm2.1", "delta=1"),
        ("chen2019/thm2.1", "delta=0"),
        ("cao2020/cor3.3", "epsilon=0"),
        ("cao2020/cor3.3", "epsilon=-1"),
        ("cao2020/cor3.3", "gamma=0"),
        ("du2019", "lambda_0=0"),
        ("zou2019", "phi=5/2"),
        # Even an input that the formula does not hold is checked.
        ("chen2019/thm2.1", "epsilon=0"),
    ],
)
def test_a_value_outside_its_domain_is_refused_by_name(key: str, inputs: str) -> None:
    with pytest.raises(InputError, match=f"^{inputs.partition('=')[0]} = "):
        solve(key, "width", inputs)


@pytest.mark.parametrize(
    ("quantity", "message"), [("widht", "width"), ("error", "says nothing about error"), ("gamma", "unknown quantity")]
)
def test_a_quantity_the_statement_has_not_is_refused(quantity: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve("chen2019/thm2.1", quantity)


@pytest.mark.parametrize(
    ("formula", "exact"),
    [
        (2.0 * R / sqrt(m), 2 * R / sqrt(m)),
        (0.1 * R / m**0.3, Integer(1) / 10 * R / m ** (Integer(3) / 10)),
        (0.30000000000000004 * R, Integer(30000000000000004) / 10**17 * R),
        (Float("0.1234567890123456789012345", 25) * R, Integer(1234567890123456789012345) / 10**25 * R),
        (Float("0.1", 5) * R, R / 10),
        (symbols("R") / sqrt(symbols("m")) * 1e-7, R / sqrt(m) / 10**7),
        (symbols("R", real=True) * ln(symbols("width")), R * ln(m)),
    ],
    ids=str,
)
def test_floats_and_plain_symbols_in_a_formula_are_what_they_read_as(formula: sympy.Expr, exact: sympy.Expr) -> None:
    given = {"tau": formula, "L": 2, "R": 3, "m": 10**9, "n": 10**6, "delta": "0.05"}
    theorem = CATALOGUE["cao2020/thm3.1"]
    for solution in (evaluate(theorem, "error", given), invert(theorem, "epsilon", {**given, "error": 1})):
        assert solution.formulas["tau"].equals(exact)
        assert not solution.formulas["tau"].atoms(Float)


def test_the_error_within_a_radius_of_floats_is_the_oracles() -> None:
    radius = 0.25 * symbols("R") / symbols("m") ** 0.5
    given = {"tau": radius, "R": "1e-3", "L": 2, "m": 10**9, "n": 10**6, "delta": "0.05", "epsilon": "0.01"}
    solution = evaluate(CATALOGUE["cao2020/thm3.1"], "error", given)
    tau = mpf("0.25e-3") / mp.sqrt(10**9)
    point = Point({"L": 2, "m": 10**9, "n": 10**6, "E_S": Fraction(1, 100)})
    point.values["tau"] = tau
    exact = FORMULAS["cao2020/thm3.1", "error"][0](point)
    assert 0 <= value_of(solution) - exact <= exact * mpf(10) ** -11


def test_a_number_of_sympy_is_a_number() -> None:
    with pytest.raises(InputError, match="L = 1 is below 2"):
        evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"L": Integer(1)})
    solution = evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"L": Integer(2), "delta": Float(0.05)})
    assert solution.value == "89202588"
    assert solution.inputs == {"L": 2, "delta": Fraction(1, 20)}
    with pytest.raises(InputError, match=r"outside 10\^±300"):
        evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"R": Float("1e-400")})
    with pytest.raises(UnknownNameError, match="foo"):
        evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"R": symbols("foo")})


# Premises ---------------------------------------------------------------------------------------


def test_an_error_bound_whose_width_condition_fails_says_so() -> None:
    unmet = solve("chen2019/thm2.2", "error", "m=10 L=2 R=1 n=1000 delta=0.05").unmet
    assert len(unmet) == 1
    assert "m = 10," in unmet[0]
    assert "10^7.95" in unmet[0]
    assert solve("chen2019/thm2.2", "error", "m=89202588 L=2 R=1 n=1000 delta=0.05").unmet == ()
    assert len(solve("chen2019/thm2.2", "error", "m=89202587 L=2 R=1 n=1000 delta=0.05").unmet) == 1


@pytest.mark.parametrize(
    ("key", "quantity", "inputs"),
    [
        ("chen2019/thm2.1", "step-size", "m=10 L=3 R=1 n=1000 delta=0.05"),
        ("cao2020/thm3.2", "step-size", "m=10 L=3 B=0.1 epsilon=0.1 delta=0.05"),
        ("ji2020", "iterations", "eta=5 n=1000 delta=0.05 epsilon=0.1 gamma=1/2"),
        # Where a condition needs inputs that nobody gave, it is not passed over in silence.
        ("cao2020/cor3.2", "error", "m=1e6 n=1e5"),
        ("cao2020/cor3.3", "error", "m=1e6 n=1e5"),
        ("chen2019/thm2.1", "loss", "m=2"),
        ("chen2019/thm2.1", "step-size", "m=10"),
        ("cao2020/thm3.2", "E_S", "m=1"),
    ],
)
def test_a_width_or_step_that_contradicts_the_statement_is_named(key: str, quantity: str, inputs: str) -> None:
    solution = solve(key, quantity, inputs)
    assert any(VOCABULARY[name.partition("=")[0]].text + " = " in " ".join(solution.unmet) for name in inputs.split())


def test_what_the_check_of_a_condition_assumed_is_listed() -> None:
    solution = solve("cao2020/cor3.3", "error", "m=1e6 n=1e12")
    assert {"gamma", "L"} <= {assumed.name for assumed in solution.assumed}


def test_an_input_that_meets_every_condition_is_not_complained_of() -> None:
    # L^24 γ^(−8) ε^(−14) log(1/δ) and L^4 γ^(−2) ε^(−4) log(1/δ), at L = γ = 1.
    for width, n, count in ((29958, 30, 2), (29958, 48, 1), (49083, 47, 1), (49083, 48, 0)):
        solution = solve("cao2020/cor3.3", "error", f"L=1 gamma=1 epsilon=1/2 delta=0.05 m={width} n={n}")
        assert len(solution.unmet) == count


@pytest.mark.parametrize(
    ("key", "quantity", "inputs", "status"),
    [
        ("chen2019/thm2.2", "error", "n=1", "vacuous"),
        ("chen2019/thm2.3", "error", "L=2 R=1 n=1e6 delta=0.05 epsilon=1/24", "vacuous"),
        ("chen2019/thm2.3", "error", "L=2 R=1 n=1e6 delta=0.05 epsilon=1/25", "ok"),
        ("ji2020", "loss", "delta=1/3", "vacuous"),
        ("ji2020", "loss", "delta=0.33", "ok"),
    ],
)
def test_a_guarantee_that_says_nothing_is_vacuous(key: str, quantity: str, inputs: str, status: str) -> None:
    assert solve(key, quantity, inputs).status == status


def test_the_largest_of_two_lower_bounds_is_the_width() -> None:
    # Unfolded: L^24 γ^(−8) ε^(−14) against L^12 γ^(−4) ε^(−2) log(1/δ); either may be the larger.
    first = solve("cao2020/cor3.3", "width", "L=2 gamma=1 epsilon=1/2 delta=1/2", reading="unfolded")
    assert first.value == str(2**24 * 2**14)
    second = solve("cao2020/cor3.3", "width", "L=1 gamma=1 epsilon=1 delta=1e-9", reading="unfolded")
    assert second.value == str(math.ceil(9 * math.log(10)))
