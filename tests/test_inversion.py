"""Solving for any unknown, against the oracle: at the answer the condition holds, just beyond it does not."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import lambertw, log, mp, mpf
from oracle import FORMULAS, Formula, Point, random_values, real

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant
from boundcalc.errors import InputError, NumericsError, UnknownNameError
from boundcalc.solving import IncompleteError, Solution, evaluate, solve
from boundcalc.symbols import VOCABULARY, R, epsilon, m, n, tau
from boundcalc.theorem import Bound, Condition, Guarantee, Prescription, Theorem


def alone(theorem: Theorem, bound: Bound) -> Theorem:
    """The statement with nothing but one of its bounds."""
    kinds = {Condition: "conditions", Prescription: "prescriptions", Guarantee: "guarantees"}
    nothing = dict.fromkeys(kinds.values(), ())
    return replace(theorem, supplies={}, **{**nothing, kinds[type(bound)]: (bound,)})


def matters(formula: Formula, values: dict[str, Fraction], constants: dict[str, Fraction], name: str) -> bool:
    """Whether doubling a symbol changes a formula in its first 20 digits."""
    if name not in {**values, **constants}:
        return True
    point, other = Point({**values, **constants}), Point({**values, **constants})
    other.values[name] *= 2
    try:
        return bool(abs(formula(other) / formula(point) - 1) > mpf(10) ** -20)
    except (ValueError, ZeroDivisionError, TypeError):
        return False


CASES = [
    pytest.param(theorem, bound, index, unknown, id=f"{theorem.key}:{theorem.reading}-{bound.symbol}-{unknown}")
    for theorem in CATALOGUE.all()
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds)
    for index, bound in enumerate(theorem.bounds_on(symbol))
    for unknown in sorted(bound.expr.free_symbols, key=str)
]


def demanded(bound: Bound, own: bool) -> str:
    """How what is given must stand to the formula, so that the statement applies or its promise suffices."""
    if bound.symbol.name in ("T", "K") and isinstance(bound, Prescription):
        return ">="
    if isinstance(bound, Guarantee) and not own:
        return {"<=": ">=", ">=": "<="}[bound.relation]
    small = any(constant.direction == "small" for constant in bound.expr.atoms(HiddenConstant))
    return "<=" if bound.relation == "=" and small else bound.relation


def holds(left: mpf, relation: str, right: mpf) -> bool:
    return left >= right if relation == ">=" else left <= right


def plain(value: mpf, digits: int = 40) -> Fraction:
    """A number of mpmath as an exact decimal."""
    mantissa, _, exponent = mp.nstr(value, digits, min_fixed=1, max_fixed=0).partition("e")
    return Fraction(mantissa) * Fraction(10) ** int(exponent or 0)


def ends(solution: Solution) -> list[tuple[str, mpf, bool]]:
    """The ends of the answer that a condition makes: the side, the value, and whether it is given as a number."""
    found = []
    sides = [(">=", solution.lower), ("<=", solution.upper)]
    if solution.lower is None and solution.upper is None:
        sides = [(solution.relation, solution)]  # type: ignore[list-item]
    for side, end in sides:
        if end is None or end.log10 is None or not end.binding:
            continue
        value = mpf(10) ** mpf(end.log10) if end.value is None else mpf(end.value)
        found.append((side, value, end.value is not None))
    return found


@pytest.mark.parametrize("draw", [0, 1])
@pytest.mark.parametrize(("theorem", "bound", "index", "unknown"), CASES)
def test_at_the_answer_a_condition_holds_and_just_beyond_it_fails(
    theorem: Theorem, bound: Bound, index: int, unknown: sympy.Symbol, draw: int
) -> None:
    key = theorem.key + (":unfolded" if theorem.reading == "unfolded" else "")
    formula = FORMULAS[key, bound.symbol.name][index]
    generator = random.Random(zlib.crc32(f"{key} {bound.symbol} {index} {unknown} {draw}".encode()))
    names = {symbol.name for symbol in bound.expr.free_symbols if not isinstance(symbol, HiddenConstant)}
    constants = {c.name: Fraction(generator.randint(1, 300), 100) for c in bound.expr.atoms(HiddenConstant)}
    own = bound.symbol == unknown
    for attempt in range(400):
        values = random_values(names, generator)
        if attempt >= 200:  # an error below 1 takes much data, great width and a moderate accuracy
            easy = {"n": 10 ** generator.randint(4, 30), "m": 10 ** generator.randint(20, 100), "B": Fraction(1, 3),
                    "L": generator.randint(2, 4), "epsilon": Fraction(generator.randint(1, 300), 1000)}  # fmt: skip
            values |= {name: Fraction(easy[name]) for name in easy if name in names}
        try:
            value = formula(Point({**values, **constants}))
        except (ValueError, ZeroDivisionError, TypeError):
            continue
        if not isinstance(value, mpf) or not value > 0 or not mp.isfinite(value):
            continue
        target = plain(value)
        domain = VOCABULARY[bound.symbol.name].domain
        if domain.integer:
            target = Fraction(max(round(target), 1))
        if target in domain and abs(mp.log10(value)) < 2000 and matters(formula, values, constants, unknown.name):
            break
    else:
        pytest.skip("no value of the formula lies in its symbol's domain")
    fixed = {**values, bound.symbol.name: target}
    policy = ConstantPolicy({name: number for name, number in constants.items() if name != unknown.name})
    fixed = {name: number for name, number in fixed.items() if name != unknown.name}
    solution = solve(alone(theorem, bound), unknown.name, fixed, policy)
    relation = demanded(bound, own)
    known = {**fixed, **{name: number for name, number in constants.items() if name != unknown.name}}

    def satisfied(x: mpf) -> bool:
        point = Point(known)
        point.values[unknown.name] = x
        try:
            right = formula(point)
        except (TypeError, ValueError, ZeroDivisionError):
            return False
        return isinstance(right, mpf) and holds(x if own else real(target), relation, right)

    integer = not isinstance(unknown, HiddenConstant) and VOCABULARY[unknown.name].domain.integer
    assert solution.status in ("ok", "interval", "all", "empty", "half-line")
    if relation == "=":
        if solution.status == "empty":
            return
        assert solution.log10 is not None
        root = mpf(10) ** mpf(solution.log10) if solution.value is None or integer else real(Fraction(solution.value))
        slack = mpf(10) ** -9
        point, other = Point(known), Point(known)
        point.values[unknown.name], other.values[unknown.name] = root * (1 - slack), root * (1 + slack)
        between = sorted([formula(point), formula(other)])
        assert between[0] <= real(target) <= between[1]
        return
    for side, x, written in ends(solution) if solution.status != "empty" else []:
        inward, outward = (1, -1) if side == ">=" else (-1, 1)
        if written and integer:
            assert satisfied(x)
            assert x == 1 or not satisfied(x + outward)
        else:
            step = mpf(10) ** -10 * max(1, abs(mp.log(x)))
            assert satisfied(x) if written else satisfied(x * mp.exp(inward * step))
            assert not satisfied(x * mp.exp(outward * step))
    if solution.status in ("all", "empty"):
        samples = [real(random_values({unknown.name}, generator)[unknown.name]) for _ in range(20)]
        assert {satisfied(x) for x in samples} == {solution.status == "all"}


def test_nearly_every_case_is_solved_not_skipped() -> None:
    assert len(CASES) > 250


# There and back ---------------------------------------------------------------------------------

BACK = [
    pytest.param(theorem, symbol, symbol in bound.rising, id=f"{theorem.key}:{theorem.reading}-{symbol}")
    for theorem in CATALOGUE.all()
    for bound in theorem.bounds_on(m)[:1]
    for symbol in (*bound.rising, *bound.falling)
    if isinstance(bound, Condition) and len(theorem.bounds_on(m)) == 1
]


@pytest.mark.parametrize(("theorem", "symbol", "rising"), BACK)
@settings(deadline=None, max_examples=15)
@given(decades=st.integers(1, 300), others=st.tuples(*[st.integers(-300, 0)] * 4))
def test_what_a_width_buys_needs_that_width(
    theorem: Theorem, symbol: sympy.Symbol, rising: bool, decades: int, others: tuple[int, ...]
) -> None:
    """Solve, then evaluate: over 300 decades of the width and of the other inputs the answer meets it exactly."""
    small = dict(zip(("epsilon", "gamma", "phi", "tau"), others, strict=True))
    inputs = {name: Fraction(10) ** (decade // 8) for name, decade in small.items() if name != symbol.name}
    width = Fraction(10) ** decades
    bare = replace(theorem, conditions=theorem.bounds_on(m), prescriptions=(), guarantees=())
    solution = solve(bare, symbol.name, {**inputs, "m": width})

    def needed(x: Fraction) -> float:
        back = evaluate(bare, "width", {**inputs, symbol.name: x}).log10
        assert back is not None
        return back

    if solution.status == "empty":
        assert solution.value is None
        return
    if solution.value is None:
        assert solution.status == "all" or solution.log10 is not None
        return
    assert solution.relation == ("<=" if rising else ">=")
    assert solution.log10 is not None
    if abs(solution.log10) > 1000:  # too long a number to put in
        return
    x = Fraction(solution.value)
    outward = 1 if rising else -1
    beyond = x + outward if VOCABULARY[symbol.name].domain.integer else x * (1 + outward * Fraction(1, 10**9))
    assert needed(x) <= decades * (1 + 1e-11)
    if beyond in VOCABULARY[symbol.name].domain:
        assert needed(beyond) >= decades * (1 - 1e-11)


# Closed forms -----------------------------------------------------------------------------------


def test_the_width_on_both_sides_is_the_lower_branch_of_lambert() -> None:
    theorem = alone(CATALOGUE["cao2020/thm3.1"], CATALOGUE["cao2020/thm3.1"].conditions[0])
    solution = solve(theorem, "width", {"L": 3, "n": 1000, "delta": "0.05", "tau": 10})
    exact = -9 * lambertw(mpf(-1) / (9 * 20000), -1).real
    assert (solution.value, solution.proven, solution.status) == ("134", True, "ok")
    assert solution.log10 == pytest.approx(float(mp.log10(exact)), rel=1e-11)
    assert abs(exact - mpf("133.15501365")) < mpf("2e-8")
    expression = solution.expression
    assert expression.has(sympy.LambertW)
    values = {"C_large": 1, "L": 3, "delta": sympy.Rational(1, 20), "n": 1000}
    number = expression.subs({s: values[s.name] for s in expression.free_symbols}).evalf(30)
    assert abs(mpf(str(number)) - exact) < mpf(10) ** -20


@settings(deadline=None, max_examples=60)
@given(
    epsilon=st.integers(-20, 0),
    width=st.integers(1, 300),
    depth=st.integers(1, 9),
    gamma=st.integers(1, 100),
)
def test_a_monomial_is_inverted_by_the_formula_that_is_printed(
    epsilon: int, width: int, depth: int, gamma: int
) -> None:
    inputs = {"m": Fraction(10) ** width, "L": depth, "gamma": Fraction(gamma, 100), "delta": Fraction(1, 20)}
    solution = solve(CATALOGUE["cao2020/cor3.3"], "epsilon", inputs)
    exact = (mpf(depth) ** 24 * real(Fraction(100, gamma)) ** 8 * log(20) / mpf(10) ** width) ** (mpf(1) / 14)
    assert solution.log10 == pytest.approx(float(mp.log10(exact)), rel=1e-11, abs=1e-11)
    assert solution.status == ("ok" if exact <= 1 else "empty")
    values = {"C_m": 1, "L": depth, "gamma": sympy.Rational(gamma, 100), "delta": sympy.Rational(1, 20),
              "m": sympy.Integer(10) ** width}  # fmt: skip
    number = solution.expression.subs({s: values[s.name] for s in solution.expression.free_symbols}).evalf(30)
    assert abs(mpf(str(number)) / exact - 1) < mpf(10) ** -25


# Several conditions ------------------------------------------------------------------------------


def test_a_radius_is_admitted_between_two_conditions() -> None:
    theorem = CATALOGUE["cao2020/thm3.1"]
    solution = solve(theorem, "tau", {"width": 10**6, "L": 2, "n": 1000, "delta": "0.05"})
    assert solution.status == "interval"
    assert solution.lower is not None
    assert solution.upper is not None
    assert "log(m/(τ·δ))" in solution.lower.binding
    assert "C_small" in solution.upper.binding
    greatest = mpf(2) ** -6 * log(10**6) ** mpf("-1.5")
    assert 0 <= greatest - mpf(solution.upper.value) < greatest * mpf(10) ** -11

    def allowed(x: mpf) -> bool:
        return mpf(2) ** (-8 / mpf(3)) * x ** (-4 / mpf(3)) * log(10**6 / (x * mpf("0.05"))) <= 10**6

    least = mpf(solution.lower.value)
    assert allowed(least)
    assert not allowed(least * (1 - mpf(10) ** -11))


def test_the_depth_that_a_width_and_a_sample_allow_is_the_smaller_of_both() -> None:
    inputs = {"width": "1e60", "epsilon": "0.1", "gamma": "0.2", "delta": "0.05"}
    theorem = CATALOGUE["cao2020/cor3.3"]
    by_width = solve(theorem, "L", inputs)
    both = solve(theorem, "L", {**inputs, "n": 10**8})
    assert (by_width.value, by_width.status) == ("46", "ok")
    assert (
        mpf(46) ** 24 * 5**8 * mpf(10) ** 14 * log(20) <= mpf(10) ** 60 < mpf(47) ** 24 * 5**8 * mpf(10) ** 14 * log(20)
    )
    least = (mpf(10) ** 8 * mpf("0.04") / (mpf(10) ** 4 * log(20))) ** (mpf(1) / 4)
    assert both.value == str(int(mp.floor(least)))
    assert both.status == "half-line"
    assert both.binding.startswith("n ≥")


def test_a_radius_that_shrinks_with_the_width_admits_every_large_width() -> None:
    theorem = CATALOGUE["cao2020/thm3.1"]
    inputs = {"tau": R * m ** sympy.Rational(-1, 2), "R": 1, "L": 2, "n": 1000, "delta": "0.05"}
    solution = solve(theorem, "width", inputs)
    assert solution.status == "half-line"
    least = int(solution.value or 0)

    def admitted(width: int) -> bool:
        x, t = mpf(width), mpf(width) ** mpf("-0.5")
        first = max(4 * log(x * 20000), mpf(2) ** (-8 / mpf(3)) * t ** (-4 / mpf(3)) * log(x / (t * mpf("0.05"))))
        return x >= first and t <= mpf(2) ** -6 * log(x) ** mpf("-1.5")

    assert admitted(least)
    assert not admitted(least - 1)
    assert all(admitted(least * factor) for factor in (2, 10, 10**6, 10**30))
    same = evaluate(theorem, "width", inputs)
    assert (same.value, same.status) == (solution.value, "half-line")
    # Numbers put in for τ at that width agree.
    at_least = evaluate(theorem, "width", {**inputs, "tau": plain(mpf(least) ** mpf("-0.5"))})
    assert int(at_least.value or 0) <= least


def test_nothing_is_admitted_where_two_conditions_exclude_each_other() -> None:
    solution = solve(CATALOGUE["cao2020/thm3.1"], "tau", {"width": 50, "L": 3, "n": 1000, "delta": "0.05"})
    assert solution.status == "empty"
    assert solution.value is None
    assert any("holds nowhere" in note and "log(m·n/δ)" in note for note in solution.notes)


def test_an_accuracy_out_of_reach_says_what_would_be_needed() -> None:
    solution = solve(CATALOGUE["cao2020/cor3.3"], "epsilon", {"width": 10**6, "L": 3, "gamma": "0.2"})
    assert (solution.status, solution.value) == ("empty", None)
    exact = (mpf(3) ** 24 * 5**8 * log(20) / 10**6) ** (mpf(1) / 14)
    assert solution.log10 == pytest.approx(float(mp.log10(exact)), rel=1e-11)
    assert any("(0, 1]" in note for note in solution.notes)


def test_an_error_is_met_between_two_accuracies() -> None:
    """ε + a/ε + b·ε^(−4/3) is convex in log ε: too small an internal ε costs as much as too large a one."""
    theorem = alone(CATALOGUE["cao2020/cor3.1"], CATALOGUE["cao2020/cor3.1"].guarantees[0])
    inputs = {"error": "0.1", "n": "1e8", "m": "1e40", "B": 1, "L": 1}
    solution = solve(theorem, "epsilon", inputs)
    assert solution.status == "interval"

    def total(x: mpf) -> mpf:
        return x + 1 / (x * 10**4) + x ** (-4 / mpf(3)) * mpf(10) ** (-40 / mpf(6))

    for end, inward in ((solution.lower, 1), (solution.upper, -1)):
        assert end is not None
        x = mpf(end.value)
        assert total(x) <= mpf("0.1") < total(x * (1 - inward * mpf(10) ** -10))


def test_a_step_size_fixes_the_width_with_equality() -> None:
    theorem = CATALOGUE["chen2019/thm2.1"]
    solution = solve(theorem, "m", {"eta": "1e-40", "L": 2, "R": 1, "n": 1000, "delta": "0.05", "alpha": "1/2"})
    assert (solution.status, solution.relation) == ("ok", "=")
    assert solution.log10 == pytest.approx(40 - float(mp.log10(2)), rel=1e-12)
    refused = solve(theorem, "m", {"eta": "1e-4", "L": 2})
    assert refused.status == "empty"
    assert refused.log10 == pytest.approx(float(mp.log10(5000)), rel=1e-11)


def test_a_symbol_that_nobody_gave_follows_the_unknown() -> None:
    """Corollary 3.1 at its own width: m = L^12 B^−4 ε^−2 log(1/δ) wherever it enters the error."""
    theorem = CATALOGUE["cao2020/cor3.1"]
    solution = solve(theorem, "epsilon", {"error": "0.9", "n": "1e20", "B": 1, "L": 1, "delta": "1e-200"},
                     ConstantPolicy({"C_gen": "0.1"}))  # fmt: skip
    log_delta = 200 * log(10)

    def total(x: mpf) -> mpf:
        return x + (1 / (x * mpf(10) ** 10) + x ** (-4 / mpf(3)) * (x**-2 * log_delta) ** (-1 / mpf(6))) / 10

    assert solution.status == "interval"
    for end, inward in ((solution.lower, 1), (solution.upper, -1)):
        assert end is not None
        x = mpf(end.value)
        assert total(x) <= mpf("0.9") < total(x * (1 - inward * mpf(10) ** -10))
    assert any("m = " in note and "the statement's own" in note for note in solution.notes)


def test_a_promise_on_the_unknown_itself_is_evaluated() -> None:
    theorem = CATALOGUE["cao2020/cor3.1"]
    inputs = {"n": "1e20", "m": "1e60", "epsilon": "0.01", "B": 1, "L": 1}
    assert solve(theorem, "error", inputs).value == evaluate(theorem, "error", inputs).value


@pytest.mark.parametrize("name", ["C_m", "k_m", "p_L", "p_R"])
def test_hidden_constants_are_solved_for(name: str) -> None:
    theorem = CATALOGUE["chen2019/thm2.1"]
    inputs = {"width": "1e30", "R": "1.5", "L": 2, "n": 1000, "delta": "0.05", "alpha": "1/2"}
    solution = solve(theorem, name, inputs)
    assert (solution.status, solution.relation) == ("ok", "<=")
    largest = Fraction(solution.value or 0)
    at = [
        evaluate(theorem, "width", inputs, ConstantPolicy({name: largest * factor})).log10
        for factor in (1, 1 + Fraction(1, 10**9))
    ]
    assert at[0] is not None
    assert at[1] is not None
    assert at[0] <= 30 + 1e-10
    assert at[1] > 30


# Ends of the scale ------------------------------------------------------------------------------


def test_an_exponent_may_be_as_large_as_it_must() -> None:
    """(1 − ηλ₀/2)^T ≤ 0.01 with ηλ₀ = 10^−25 takes 9·10^25 steps."""
    inputs = {"loss_ratio": "0.01", "eta": "1e-15", "lambda_0": "1e-10"}
    solution = solve(CATALOGUE["du2019"], "T", inputs)
    exact = log(mpf("0.01")) / mp.log1p(-mpf("5e-26"))
    assert solution.value == str(int(mp.ceil(exact)))
    assert solution.proven


def test_a_difference_may_be_as_small_as_it_must() -> None:
    inputs = {"tau": sympy.Rational(1, 10**20) - 1 / m, "L": 2, "n": 1000, "delta": "0.05"}
    solution = solve(CATALOGUE["cao2020/thm3.1"], "width", inputs)
    plain_radius = solve(CATALOGUE["cao2020/thm3.1"], "width", {**inputs, "tau": "1e-20"})
    assert solution.upper is not None
    assert plain_radius.upper is not None
    assert solution.upper.log10 == pytest.approx(plain_radius.upper.log10, rel=1e-11)


def test_what_holds_only_next_to_the_end_of_a_domain_is_found() -> None:
    inputs = {"width": 10**6, "L": 3, "gamma": "0.2", "epsilon": "0.01"}
    solution = solve(CATALOGUE["cao2020/cor3.3"], "delta", inputs)
    log_delta = -(mpf(10) ** 6) * mpf("0.01") ** 14 * mpf("0.2") ** 8 / mpf(3) ** 24
    assert (solution.status, solution.relation, solution.value) == ("ok", ">=", None)
    assert solution.log10 == pytest.approx(float(log_delta / log(10)), rel=1e-11)


def test_an_end_that_is_a_short_number_is_that_number() -> None:
    solution = solve(CATALOGUE["ji2020"], "eta", {"T": "1e9", "gamma": "0.5"})
    assert solution.upper is not None
    assert (solution.upper.value, solution.upper.log10) == ("1", 0)


def test_an_equation_is_solved_to_all_digits() -> None:
    inputs = {"tau": "1e-9", "B": "0.1", "L": 3, "epsilon": "0.01"}
    solution = solve(CATALOGUE["cao2020/thm3.2"], "m", inputs)
    assert (solution.value, solution.relation) == (str(10**24), "=")
    later = solve(CATALOGUE["chen2019/thm2.3"], "epsilon", {"eta": "1e-5", "L": 2, "R": 3, "n": 10000, "m": 1000})
    assert later.expression.atoms(sympy.Eq)


@pytest.mark.parametrize(("theorem", "bound", "index", "unknown"), CASES[::3])
def test_what_is_solved_for_is_never_assumed(theorem: Theorem, bound: Bound, index: int, unknown: sympy.Symbol) -> None:
    if isinstance(unknown, HiddenConstant):
        pytest.skip("a constant is not an input")
    given = {bound.symbol.name: "1/2" if bound.symbol.name in ("error", "E_S", "loss_ratio") else 1000}
    if bound.symbol == unknown:
        given = {}
    try:
        solution = solve(theorem, unknown.name, given)
    except (InputError, NumericsError):
        return
    assert unknown.name not in {assumed.name for assumed in solution.assumed}


def test_a_formula_stays_in_its_symbols_domain() -> None:
    theorem = CATALOGUE["cao2020/thm3.1"]
    assert solve(theorem, "width", {"delta": m, "tau": "1e-9", "L": 2}).status == "empty"
    with pytest.raises(InputError, match=r"R = .* is a number > 0"):
        evaluate(CATALOGUE["chen2019/thm2.1"], "width", {"R": 1 - 200 * epsilon, "epsilon": "0.01", "L": 2})
    rounded = evaluate(theorem, "error", {"tau": "1e-9", "m": sympy.sqrt(n), "n": 1000})
    assert any("not rounded to an integer" in note for note in rounded.notes)


def test_a_formulas_own_symbols_can_be_the_unknown() -> None:
    inputs = {"tau": R * m ** sympy.Rational(-1, 2), "width": 10**8, "L": 2, "n": 1000, "delta": "0.05"}
    solution = solve(CATALOGUE["cao2020/thm3.1"], "R", inputs)
    assert solution.status == "interval"
    assert solution.upper is not None
    assert mpf(solution.upper.value) == pytest.approx(float(mpf(10) ** 4 / 64 / log(10**8) ** mpf("1.5")), rel=1e-11)


def test_a_quantity_means_the_statements_own_symbol() -> None:
    solution = solve(CATALOGUE["cao2020/thm3.2"], "epsilon", {"loss": "0.1"})
    assert (solution.value, solution.relation, solution.inputs) == ("0.1", "<=", {"E_S": Fraction(1, 10)})


def test_a_step_size_beyond_the_prescribed_one_is_reported() -> None:
    inputs = {"eta": 1, "n": 100, "lambda_0": "0.01", "epsilon": "0.01"}
    assert any("η ≤ 10^-6" in note for note in evaluate(CATALOGUE["du2019"], "iterations", inputs).unmet)


# Inputs -----------------------------------------------------------------------------------------


def test_what_cannot_be_solved_is_refused_with_the_mend() -> None:
    theorem = CATALOGUE["cao2020/cor3.3"]
    with pytest.raises(InputError, match=r"give m=… or n=… or .*error=…"):
        solve(theorem, "epsilon", {"L": 3})
    with pytest.raises(InputError, match="do not give it"):
        solve(theorem, "epsilon", {"eps": "0.1", "width": 10**6})
    with pytest.raises(InputError, match="does not occur"):
        solve(theorem, "phi", {"width": 10**6})
    with pytest.raises(UnknownNameError, match="gamma"):
        solve(theorem, "gama", {"width": 10**6})
    with pytest.raises(IncompleteError, match="delta"):
        solve(theorem, "epsilon", {"width": 10**6}, strict=True)
    with pytest.raises(InputError, match="do not set it"):
        solve(theorem, "C_m", {"width": 10**6}, ConstantPolicy({"C_m": 3}))
    with pytest.raises(NumericsError, match="infinite or undefined"):
        solve(CATALOGUE["cao2020/thm3.1"], "tau", {"width": 1, "L": 3})
    with pytest.raises(InputError, match="in terms of itself"):
        solve(CATALOGUE["cao2020/thm3.1"], "m", {"tau": 2 * tau})
    with pytest.raises(InputError, match="given twice"):
        solve(CATALOGUE["cao2020/thm3.1"], "m", {"tau": R / m, "radius": 1})


def test_a_complete_strict_solve_goes_through() -> None:
    policy = ConstantPolicy({"C": 2, "k": 1, "p": 3})
    inputs = {"width": "1e90", "L": 3, "gamma": "0.2", "delta": "0.05"}
    assert solve(CATALOGUE["cao2020/cor3.3"], "epsilon", inputs, policy, strict=True).value
