"""Formulas on arrays against mpmath: over every statement, over random formulas, and at magnitudes no float holds."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from operator import add, mul
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import isfinite, lambertw, log, mp, mpf
from oracle import FORMULAS, Point, random_values

import boundcalc.arrays.functions as functions
from boundcalc.arrays import Conditions, LogFunction, as_numpy, log_function, slack_program
from boundcalc.arrays.blocks import blocks
from boundcalc.arrays.programs import Tape
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant, Notation
from boundcalc.errors import InputError, NumericsError
from boundcalc.symbols import L, R, T, alpha, epsilon, eta, gamma, lambda_0, m, n, tau
from boundcalc.theorem import Bound, Theorem


def name_of(theorem: Theorem) -> str:
    return theorem.key + ("" if theorem.reading == "stated" else f":{theorem.reading}")


BOUNDS = [
    pytest.param(name_of(theorem), bound, index, id=f"{name_of(theorem)}-{symbol.name}-{index}")
    for theorem in CATALOGUE.all()
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds)
    for index, bound in enumerate(theorem.bounds_on(symbol))
]


def expected_log(statement: str, bound: Bound, index: int, values: Mapping[str, Fraction]) -> mpf | None:
    """The oracle's logarithm, None where the bound has no finite positive value."""
    try:
        value = FORMULAS[statement, bound.symbol.name][index](Point(values))
    except ZeroDivisionError:
        return None
    return log(value) if isinstance(value, mpf) and isfinite(value) and value > 0 else None


@pytest.mark.parametrize(("statement", "bound", "index"), BOUNDS)
def test_every_bound_of_the_catalogue_over_many_decades(statement: str, bound: Bound, index: int) -> None:
    generator = random.Random(f"{statement} {bound.symbol} {index} arrays")
    constants = [s for s in bound.expr.free_symbols if isinstance(s, HiddenConstant)]
    names = {s.name for s in bound.expr.free_symbols} - {constant.name for constant in constants}
    points = []
    for trial in range(24):
        values = random_values(names, generator)
        for constant in constants:
            unit = constant.value if constant.value is not None else Fraction(constant.role != "k")
            top = 300 if constant.role == "k" else 1200
            values[constant.name] = unit if trial % 2 else Fraction(generator.randint(1, top), 100)
        points.append(values)
    everything = {name: np.array([float(values[name]) for values in points]) for name in points[0]}
    function = log_function(bound.expr, {})
    found = np.broadcast_to(function(everything), len(points))
    compared = 0
    for values, got in zip(points, found, strict=True):
        folded = log_function(bound.expr, {constant: values[constant.name] for constant in constants})
        alone = float(folded({name: float(values[name]) for name in folded.names}))
        wanted = expected_log(statement, bound, index, values)
        if wanted is None:
            assert not math.isfinite(got)
            assert not math.isfinite(alone)
            continue
        compared += 1
        for value in (got, alone):
            assert abs(value - wanted) <= mpf(10) ** -13 * max(1, abs(wanted)), values
    assert compared >= 6


# Random formulas ----------------------------------------------------------------------------------


class Undefined(Exception):
    """The formula has no real value here."""


class Unclear(Exception):
    """In double precision a number cannot be told from zero, on which everything turns."""


def in_mpmath(expr: sympy.Expr, values: Mapping[sympy.Symbol, mpf]) -> tuple[mpf, mpf]:
    """The value of a formula, and what an error in the last digit of every logarithm may come to in it."""
    if expr.is_Symbol or expr.is_Rational:
        return with_digit(values[expr] if expr.is_Symbol else mpf(int(expr.p)) / int(expr.q), mpf(0))
    parts = [in_mpmath(arg, values) for arg in expr.args]
    numbers, errors = [value for value, _ in parts], [error for _, error in parts]
    first, error = parts[0]
    if isinstance(expr, sympy.Add):
        return with_digit(reduce(add, numbers), sum(errors))
    if isinstance(expr, sympy.Mul):
        product = reduce(mul, numbers)
        return with_digit(product, sum(error * abs(product / x) for x, error in parts if x))
    if isinstance(expr, sympy.Max | sympy.Min):
        return (max if isinstance(expr, sympy.Max) else min)(numbers), max(errors)
    if abs(first) * 10**6 <= error:
        raise Unclear
    if isinstance(expr, sympy.log):
        if first < 0:
            raise Undefined
        return with_digit(log(first), error / first)
    power = numbers[1]
    if first < 0 and power != int(power):
        raise Undefined
    value = (-1) ** int(power) * abs(first) ** power if first < 0 else first**power
    return with_digit(value, abs(power) * error * abs(value / first))


def with_digit(value: mpf, error: mpf) -> tuple[mpf, mpf]:
    return value, error + (abs(value) * (1 + abs(log(abs(value)))) if value else 0)


SYMBOLS = (R, tau, epsilon, n, gamma)
numbers_ = st.fractions(Fraction(1, 12), Fraction(20), max_denominator=12).map(
    lambda f: sympy.Rational(f.numerator, f.denominator)
)
powers = st.sampled_from([sympy.Rational(p, q) for p, q in [(-4, 3), (-2, 1), (-1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]])


def built(kind: Callable[..., sympy.Expr]) -> Callable[..., sympy.Expr]:
    return lambda *args: kind(*args, evaluate=False)


def larger(formula: st.SearchStrategy[sympy.Expr]) -> st.SearchStrategy[sympy.Expr]:
    """Formulas of formulas: those that can be negative stand in sums, maxima and even powers only."""
    signed = st.one_of(formula, formula.map(built(sympy.log)), formula.map(lambda x: sympy.Mul(-1, x, evaluate=False)))
    return st.one_of(
        st.builds(built(sympy.Mul), formula, formula),
        st.builds(built(sympy.Pow), formula, powers),
        st.builds(built(sympy.Add), formula, formula, signed),
        st.builds(built(sympy.Max), formula, signed),
        st.builds(built(sympy.Min), formula, formula),
        signed.map(lambda x: sympy.Pow(x, 2, evaluate=False)),
        signed.map(lambda x: sympy.Max(1, x, evaluate=False)),
    )


formulas = st.recursive(st.one_of(st.sampled_from(SYMBOLS), numbers_), larger, max_leaves=8)
MAGNITUDES = {R: (-300, 300), tau: (-300, 300), epsilon: (-300, 0), n: (0, 300), gamma: (-300, 0)}


@settings(deadline=None, max_examples=100)
@given(formula=formulas, seed=st.integers(0, 2**32), mild=st.booleans())
def test_random_formulas_over_three_hundred_decades(formula: sympy.Expr, seed: int, mild: bool) -> None:
    generator = random.Random(seed)
    count = 6
    values = {
        symbol: np.array([10 ** (generator.uniform(low, high) * (0.01 if mild else 1)) for _ in range(count)])
        for symbol, (low, high) in MAGNITUDES.items()
    }
    with mp.workdps(700):
        function = log_function(formula, {})
        found = np.broadcast_to(function({symbol.name: array for symbol, array in values.items()}), count)
        for i in range(count):
            try:
                exact, error = in_mpmath(formula, {symbol: mpf(float(array[i])) for symbol, array in values.items()})
            except Undefined:
                assert not math.isfinite(found[i])
            except Unclear:
                continue
            else:
                if error >= abs(exact) * 10**6:
                    continue
                if exact < 0:
                    assert not math.isfinite(found[i])
                else:
                    assert abs(found[i] - log(exact)) <= mpf(10) ** -14 * error / exact, (formula, i)


# What no float holds ------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [10**6, 10**9, 10**15])
def test_a_power_with_the_depth_in_its_exponent(depth: int) -> None:
    with sympy.evaluate(False):
        formula = 2 ** (8 * L) * L**24 * 4**-L
    found = float(log_function(formula, {})({"L": depth}))
    assert found == pytest.approx(float(6 * depth * log(2) + 24 * log(depth)), rel=1e-15)


@pytest.mark.parametrize("tiny", [1e-3, 1e-10, 1e-150, 1e-300])
def test_the_logarithm_of_what_is_next_to_one_keeps_its_digits(tiny: float) -> None:
    with sympy.evaluate(False):
        steps = -sympy.log(1 / epsilon) / sympy.log(1 - eta * lambda_0 / 2)
    found = float(log_function(steps, {})({"epsilon": 0.01, "eta": tiny, "lambda_0": tiny}))
    with mp.workdps(700):
        exact = log(log(100) / -log(1 - mpf(tiny) * mpf(tiny) / 2))
    assert abs(found - exact) <= 1e-13 * abs(exact)


def test_a_tiny_rate_over_a_huge_number_of_steps() -> None:
    with sympy.evaluate(False):
        decay = (1 - eta * lambda_0 / 2) ** T
    function = log_function(decay, {}, logs=["T"])
    # (1 − 10^(−600)/2)^(10^601)
    found = float(function({"eta": 1e-300, "lambda_0": 1e-300, "T": 601 * math.log(10)}))
    assert found == pytest.approx(-5.0, rel=1e-12)


def test_inputs_given_by_their_logarithms_may_be_of_any_size() -> None:
    function = log_function(m ** (-2 * alpha) / L, {alpha: Fraction(1, 4)}, logs=["m"])
    assert function({"m": [1e6, -1e6], "L": 1}) == pytest.approx([-5e5, 5e5])


def test_a_constant_beyond_floats_is_still_a_constant() -> None:
    huge = Fraction(10) ** 400
    assert float(log_function(R * tau, {R: huge})({"tau": 1e-300})) == pytest.approx(100 * math.log(10))


# What is not positive -----------------------------------------------------------------------------


def test_zero_and_negative_values_are_told_apart_from_positive_ones() -> None:
    values = {"R": np.array([0.5, 1.0, 2.0])}
    logarithm = log_function(sympy.log(R), {})(values)
    assert np.isnan(logarithm[0])
    assert logarithm[1] == -math.inf
    assert logarithm[2] == pytest.approx(math.log(math.log(2)))


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (sympy.Max(sympy.log(R), tau, evaluate=False), [3.0, 3.0]),
        (sympy.Min(sympy.log(R), tau, evaluate=False), [None, math.log(2)]),
        (sympy.Max(tau * sympy.log(R), n * sympy.log(R), evaluate=False), [None, 5 * math.log(2)]),
        (tau - sympy.log(R), [3 + math.log(2), 3 - math.log(2)]),
        (tau + n * sympy.log(R), [None, 3 + 5 * math.log(2)]),
        (sympy.Mul(sympy.log(R), sympy.log(R), tau, evaluate=False), [3 * math.log(2) ** 2] * 2),
        (sympy.Pow(sympy.log(R), sympy.Rational(1, 2), evaluate=False), [None, math.log(2) ** 0.5]),
        (1 + sympy.Pow(tau * sympy.log(R), sympy.S.Half, evaluate=False), [None, 1 + (3 * math.log(2)) ** 0.5]),
        (sympy.exp(sympy.log(R), evaluate=False), [0.5, 2.0]),
        (sympy.E * sympy.pi * R, [math.e * math.pi * 0.5, math.e * math.pi * 2]),
    ],
    ids=str,
)  # fmt: skip
def test_signs_that_depend_on_the_values(formula: sympy.Expr, expected: list[float | None]) -> None:
    found = log_function(formula, {})({"R": [0.5, 2.0], "tau": 3, "n": 5})
    for got, wanted in zip(found, expected, strict=True):
        assert math.isnan(got) if wanted is None else got == pytest.approx(math.log(wanted), rel=1e-13)


def test_an_undefined_part_is_not_dropped_by_a_maximum() -> None:
    # log(1 − R) is undefined at R = 2, whatever else there is to choose from.
    with sympy.evaluate(False):
        formula = sympy.Max(tau, -tau * sympy.log(1 - R))
    found = log_function(formula, {})({"R": [0.5, 2.0], "tau": 3.0})
    assert found[0] == pytest.approx(math.log(3))
    assert math.isnan(found[1])


# Arrays -------------------------------------------------------------------------------------------

WIDTH = CATALOGUE["chen2019/thm2.1"].conditions[0].expr
CONSTANTS = {c: ConstantPolicy().use(c, "").value for c in WIDTH.free_symbols if isinstance(c, HiddenConstant)}


def grid() -> dict[str, Any]:
    return {
        "L": np.arange(2, 9)[:, None, None],
        "R": np.geomspace(1e-3, 1e3, 5)[:, None],
        "n": np.array([10, 1000, 10**6]),
        "delta": np.array(0.05),
        "alpha": np.linspace(0.1, 0.5, 7)[:, None, None],
    }


def test_shapes_broadcast_as_in_numpy() -> None:
    function = log_function(WIDTH, CONSTANTS)
    found = function(grid())
    assert found.shape == (7, 5, 3)
    for index in [(0, 0, 0), (6, 4, 2), (3, 1, 2)]:
        point = {name: float(np.broadcast_to(array, found.shape)[index]) for name, array in grid().items()}
        assert found[index] == pytest.approx(float(function(point)), rel=1e-14)
    assert function({name: float(array.flat[0]) for name, array in grid().items()}).shape == ()


@pytest.mark.parametrize("size", [1, 2, 10, 1000])
def test_blocks_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    theorem = CATALOGUE["cao2020/cor3.1"]
    function = as_numpy(theorem.guarantees[0])
    generator = np.random.default_rng(3)
    flat = {name: generator.uniform(0.01, 1, 103) for name in function.names}
    wanted = [function(flat), log_function(WIDTH, CONSTANTS)(grid())]
    monkeypatch.setattr(functions, "blocks", lambda shape: blocks(shape, size))
    assert np.array_equal(function(flat), wanted[0])
    assert np.allclose(log_function(WIDTH, CONSTANTS)(grid()), wanted[1], rtol=1e-14, atol=0)


def test_blocks_cover_an_array_once() -> None:
    for shape in [(), (1,), (10,), (3, 50, 2), (2, 1, 100)]:
        seen = np.zeros(shape)
        for index in blocks(shape, 7):
            seen[index] += 1
        assert (seen == 1).all()


def test_inputs_are_left_as_they_are() -> None:
    function = as_numpy(CATALOGUE["cao2020/cor3.1"].guarantees[0])
    inputs = {name: np.random.default_rng(1).uniform(0.1, 0.9, 200_000) for name in function.names}
    before = {name: array.copy() for name, array in inputs.items()}
    first, second = function(inputs), function(inputs)
    assert all(np.array_equal(inputs[name], before[name]) for name in inputs)
    assert np.array_equal(first, second)
    assert not any(np.shares_memory(first, array) for array in inputs.values())


def test_integers_and_views_are_taken_as_they_come() -> None:
    function = log_function(n**-2 * R, {})
    integers = np.arange(1, 200_001)
    assert np.allclose(function({"n": integers[::2], "R": 1}), -2 * np.log(integers[::2]))
    assert np.allclose(
        function({"n": integers.reshape(2, -1).T, "R": [1, 2]})[:, 1] + 2 * np.log(integers[100_000:]), np.log(2)
    )


def test_what_cancels_leaves_no_trace() -> None:
    function = log_function(sympy.Mul(R, sympy.Pow(R, -1, evaluate=False), tau, evaluate=False), {})
    assert np.array_equal(np.exp(function({"R": [1e300, 1e-300], "tau": [[1.0], [2.0]]})), [[1.0, 1.0], [2.0, 2.0]])


def test_a_formula_may_stand_for_a_symbol() -> None:
    function = log_function(tau**2, {tau: R * m ** sympy.Rational(-1, 2), R: Fraction(3)})
    assert function.names == ("m",)
    assert np.exp(function({"m": [9, 36]})) == pytest.approx([1, 0.25])


def test_a_base_of_ten() -> None:
    assert log_function(R, {}, base=10)({"R": [1e-300, 1.0, 1e300]}) == pytest.approx([-300, 0, 300], abs=1e-13)


def test_a_bound_is_exported_as_a_numpy_function() -> None:
    width = as_numpy(CATALOGUE["zou2019"].conditions[0], ConstantPolicy({"zou2019:C_m": 2}), "zou2019")
    assert isinstance(width, LogFunction)
    assert set(width.names) == {"n", "L", "phi"}
    found = width({"n": [100, 1000], "L": 5, "phi": 0.1})
    assert np.exp(found) == pytest.approx([2 * 100**8 * 5**12 * 1e4, 2 * 1000**8 * 5**12 * 1e4], rel=1e-12)


def test_what_is_missing_or_does_not_fit_is_named() -> None:
    function = log_function(L * R * tau, {})
    with pytest.raises(InputError, match=r"no values for R, tau; the formula needs L, R, tau"):
        function({"L": 2})
    with pytest.raises(InputError, match=r"do not broadcast: L \(2,\), R \(3,\)"):
        function({"L": [1, 2], "R": [1, 2, 3], "tau": 1})
    with pytest.raises(NumericsError, match="no rule to compute sin"):
        log_function(sympy.sin(R), {})


def test_a_notation_is_what_it_stands_for() -> None:
    formula = next(iter(WIDTH.atoms(Notation)))
    values: dict[str, Any] = {**grid(), "C_m": 3.0, "k_m": 1.5, "p_L": 2.0, "p_R": 0.5}
    assert np.allclose(log_function(formula, {})(values), log_function(formula.explicit(), {})(values), rtol=1e-14)


# Conditions solved for a large number --------------------------------------------------------------


def solved(
    *conditions: tuple[sympy.Expr, sympy.Expr], caps: bool = False, **values: object
) -> tuple[np.ndarray, np.ndarray]:
    """The range of log m in which small ≤ large holds, for pairs (large, small)."""
    arrays = {name: np.atleast_1d(np.asarray(array, float)) for name, array in values.items()}
    shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
    program = slack_program(conditions, {}, logs=["m"])
    with np.errstate(all="ignore"):
        return Conditions(program, arrays, shape).ranges([caps] * len(conditions))


@settings(deadline=None, max_examples=100)
@given(
    decades=st.lists(st.tuples(st.floats(0.7, 250), st.floats(0, 250)), min_size=1, max_size=6),
    cap=st.booleans(),
)
def test_the_root_on_the_branch_that_reaches_to_large_widths(decades: list[tuple[float, float]], cap: bool) -> None:
    a, b = (np.array([10.0 ** pair[i] for pair in decades]) for i in (0, 1))
    lower, upper = solved((m, R * sympy.log(n * m)), caps=cap, R=a, n=b)
    for got, top, x, y in zip(lower, upper, a, b, strict=True):
        with mp.workdps(600):
            exact = log(-mpf(x) * lambertw(-1 / (mpf(x) * mpf(y)), -1).real)
        assert abs(got - exact) <= 1e-12 * exact
        assert top == math.inf


@settings(deadline=None, max_examples=60)
@given(decades=st.lists(st.floats(-85, 2), min_size=1, max_size=6))
def test_a_cap_ends_where_its_closed_form_says(decades: list[float]) -> None:
    # tau ≤ L^(−6)·log(m)^(−3/2) holds up to log m = (L^(−6)/tau)^(2/3).
    taus = np.array([10.0**decade for decade in decades])
    with sympy.evaluate(False):
        bound = L**-6 * sympy.log(m) ** sympy.Rational(-3, 2)
    lower, upper = solved((bound, tau), caps=True, L=2.0, tau=taus)
    for low, got, x in zip(lower, upper, taus, strict=True):
        exact = (mpf(2) ** -6 / mpf(float(x))) ** (mpf(2) / 3)
        assert low == 0
        assert got == pytest.approx(float(exact), rel=1e-12)


def test_a_cap_beyond_the_search_is_taken_for_none() -> None:
    lower, upper = solved((sympy.log(m) ** sympy.Rational(-3, 2), tau), caps=True, tau=[1e-300, 1e-3])
    assert list(lower) == [0, 0]
    assert upper[0] == math.inf
    assert upper[1] == pytest.approx(100)


@pytest.mark.parametrize("cap", [False, True])
def test_points_of_every_kind_side_by_side(cap: bool) -> None:
    # m ≥ R·m^alpha: for alpha < 1 from R^(1/(1 − alpha)) on, for alpha > 1 up to there, for alpha = 1 all or nothing.
    cases = {
        (100.0, 0.5): (2 * math.log(100), math.inf),
        (0.01, 0.5): (0.0, math.inf),
        (0.01, 1.5): (0.0, 2 * math.log(100)),
        (100.0, 1.5): (math.inf, 0.0),
        (0.5, 1.0): (0.0, math.inf),
        (2.0, 1.0): (math.inf, 0.0),
        (1e300, 0.999): (300 * math.log(10) / 0.001, math.inf),
    }
    scales, powers_ = (np.array([case[i] for case in cases]) for i in (0, 1))
    lower, upper = solved((m, R * m**alpha), caps=cap, R=scales, alpha=powers_)
    for low, high, wanted in zip(lower, upper, cases.values(), strict=True):
        assert (low, high) == (pytest.approx(wanted[0], rel=1e-11), pytest.approx(wanted[1], rel=1e-11))


def test_a_condition_that_holds_between_two_points() -> None:
    # m ≥ R + m²/400 holds between 200·(1 ∓ √(1 − R/100)).
    lower, upper = solved((m, R + m**2 / 400), R=[36.0, 75.0, 101.0])
    assert np.exp(lower[:2]) == pytest.approx([40, 100])
    assert np.exp(upper[:2]) == pytest.approx([360, 300])
    assert (lower[2], upper[2]) == (math.inf, 0)


def test_a_condition_that_holds_of_itself_from_some_point_on() -> None:
    # Beyond m = n the logarithm is negative; below, m = R·log(n/m) at m = R·W(n/R).
    scales, counts = np.array([1e9, 1e4, 2.0]), np.array([1e3, 1e6, 1e30])
    lower, upper = solved((m, R * sympy.log(n / m)), R=scales, n=counts)
    for low, x, y in zip(lower, scales, counts, strict=True):
        assert low == pytest.approx(float(log(mpf(x) * lambertw(mpf(y) / mpf(x)).real)), rel=1e-11)
    assert (upper == math.inf).all()


def test_a_condition_that_holds_everywhere_holds_from_one_on() -> None:
    # m ≥ 2·log m, and e^m ≥ m²: the first nearly fails at m = 2, the second grows exponentially in log m.
    for pair in ((m, R * sympy.log(m)), (sympy.exp(m), m**R)):
        lower, upper = solved(pair, R=[2.0])
        assert (lower.item(), upper.item()) == (0, math.inf)


def test_a_condition_that_is_undefined_at_large_values_has_no_ends() -> None:
    lower, upper = solved((m, sympy.log(n / m) ** sympy.Rational(4, 3)), n=[1e3, 1e9])
    assert np.isnan(lower).all()
    assert np.isnan(upper).all()


def test_several_conditions_hold_where_each_does() -> None:
    # From 3·log m = m on, or from tau² on where that is later, up to log m = 10^(2/3)·R^(−2/3).
    with sympy.evaluate(False):
        cap = 10 * sympy.log(m) ** sympy.Rational(-3, 2)
        conditions = ((m, 3 * sympy.log(m)), (m, tau * m ** sympy.Rational(1, 2)), (cap, R))
    lower, upper = solved(*conditions, R=[[1e-3], [10.0]], tau=[1e-3, 30.0])
    logarithmic = float(log(-3 * lambertw(-mpf(1) / 3, -1).real))
    assert lower == pytest.approx(np.array([[logarithmic, 2 * math.log(30)]] * 2), rel=1e-12)
    assert upper == pytest.approx(np.array([[1e4 ** (2 / 3)] * 2, [1.0] * 2]), rel=1e-12)


def test_a_bound_that_is_not_positive_holds_by_itself() -> None:
    # R·log(m/10^6) is negative below 10^6: m ≥ it there, whatever R.
    lower, upper = solved((m, R * sympy.log(m * tau)), R=[2.0, 1e9], tau=1e-6)
    assert lower[0] == 0
    exact = -(mpf(10) ** 9) * lambertw(-(mpf(10) ** -3) * 1, -1).real
    assert lower[1] == pytest.approx(float(log(exact)), rel=1e-12)
    assert (upper == math.inf).all()


@pytest.mark.parametrize(
    ("large", "small", "caps"),
    [(m, R * sympy.log(n * m), False), (R, m * sympy.log(m), True), (m, R + m**2 / n, False)],
    ids=str,
)
def test_the_next_block_is_solved_in_the_same_memory(large: sympy.Expr, small: sympy.Expr, caps: bool) -> None:
    program = slack_program([(large, small), (m, n)], {}, logs=["m", "R"])
    points = [
        {"R": np.log([10.0, 1e9]), "n": np.array([5.0, 7.0])},
        {"R": np.log([2.0, 30.0]), "n": np.array([2.0, 1e3])},
    ]
    with np.errstate(all="ignore"):
        alone = [Conditions(program, block, (2,)).ranges([caps, False]) for block in points]
        solver = Conditions(program, points[0], (2,))
        for i in (1, 0, 1):
            solver.move(points[i])
            assert np.array_equal(solver.ranges([caps, False]), alone[i])


@settings(deadline=None, max_examples=25)
@given(u=st.floats(0.5, 200), decades=st.tuples(st.floats(-20, -1), st.floats(0, 9)))
def test_derivatives_are_those_of_mpmath(u: float, decades: tuple[float, float]) -> None:
    with sympy.evaluate(False):
        formula = (
            sympy.Max(L**2 * sympy.log(m * n), tau ** sympy.Rational(-4, 3) * sympy.log(m / tau))
            * (1 + m * tau**3 + sympy.log(m))
            * (m - sympy.log(m) / 2)
            * sympy.Min(m**alpha, n * sympy.exp(sympy.log(m) / 3))
            * (1 - 1 / (2 * m)) ** m
            + m**-alpha
        )
    point = {"L": 3.0, "n": 10.0 ** decades[1], "tau": 10.0 ** decades[0], "alpha": 0.25}
    program = log_function(formula, {}, logs=["m"]).program
    with np.errstate(all="ignore"):
        known = program.given({name: np.array([x]) for name, x in point.items()}, Tape())
        value, slope = known.tangent(np.array([u]), Tape())

    def exact(v: mpf) -> mpf:
        x, N, t = mp.exp(v), mpf(point["n"]), mpf(point["tau"])
        bound = max(9 * log(x * N), t ** (-mpf(4) / 3) * log(x / t))
        rest = (1 + x * t**3 + v) * (x - v / 2) * min(mp.exp(v / 4), N * mp.exp(v / 3)) * (1 - 1 / (2 * x)) ** x
        return log(bound * rest + mp.exp(-v / 4))

    assert abs(float(np.asarray(value).item()) - exact(mpf(u))) <= 1e-12 * abs(exact(mpf(u)))
    assert abs(float(np.asarray(slope).item()) - mp.diff(exact, mpf(u))) <= 1e-12
