"""Sweeps against `evaluate` point by point, ranges as people type them, and everything that they are written to."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import random
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from oracle import FORMULAS, Point, random_values

import boundcalc
from boundcalc.arrays.blocks import blocks
from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.constants import ConstantPolicy, HiddenConstant, Otilde
from boundcalc.errors import InputError, NumericsError, UnknownNameError
from boundcalc.formula import parse_formula
from boundcalc.report import sweep_plots
from boundcalc.report.sweeps import (
    LATEX,
    PLAIN,
    check_path,
    sweep_csv,
    sweep_json,
    sweep_latex,
    sweep_markdown,
    sweep_text,
    write_sweep,
    written,
)
from boundcalc.solving import IncompleteError, Solution, evaluate
from boundcalc.sweeps import Axis, Sweep, is_axis, parse_axis, sweep
from boundcalc.symbols import HIDDEN_LAYERS, VOCABULARY, L, dist, m, n, tau
from boundcalc.theorem import Condition, Guarantee, Paper, Setting, Theorem

CHEN, COR_3_1, THM_3_1 = (CATALOGUE[key] for key in ("chen2019/thm2.1", "cao2020/cor3.1", "cao2020/thm3.1"))


def name_of(theorem: Theorem) -> str:
    return theorem.key + ("" if theorem.reading == "stated" else f":{theorem.reading}")


def assert_agrees(swept: Sweep, index: tuple[int, ...], solution: Solution) -> None:
    """One point of a sweep is what evaluate gives there: to 1e-10 of log₁₀, or 1e-9 where that is below 1."""
    where = index if swept.shape else ()
    assert swept.status[where] == solution.status
    log10 = swept.log10[where]
    if solution.status == "empty":
        assert np.isnan(log10)
    else:
        assert solution.log10 is not None
        assert abs(log10 - solution.log10) <= max(1e-10 * abs(solution.log10), 1e-9 * (abs(solution.log10) < 1))
    if solution.status == "interval":
        assert swept.ends is not None
        assert solution.upper is not None
        upper = np.broadcast_to(swept.ends.upper, swept.shape)[where]
        assert upper == pytest.approx(solution.upper.log10, rel=1e-10, abs=1e-9)
    assert [one.name for one in swept.assumed] == [one.name for one in solution.assumed]
    assert bool(swept.unmet[where]) == any(" unmet: " in note for note in solution.unmet)
    constants = [(use.name, use.value) for use in swept.constants]
    assert constants == [(use.name, use.value) for use in solution.constants]


QUANTITIES = [
    pytest.param(theorem, symbol.name, id=f"{name_of(theorem)}-{symbol.name}")
    for theorem in CATALOGUE.all()
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds)
]


@pytest.mark.parametrize(("theorem", "quantity"), QUANTITIES)
def test_every_quantity_of_every_statement_is_what_evaluate_gives(theorem: Theorem, quantity: str) -> None:
    generator = random.Random(f"{name_of(theorem)} {quantity} sweep")
    names = [s.name for s in theorem.symbols if s.name != quantity]
    compared = 0
    # All inputs given, some of them, few of them; with unit constants and with others.
    for share in (1.0, 0.6, 0.3):
        chosen = [name for name in names if generator.random() < share]
        policy = ConstantPolicy()
        if share == 0.6:
            policy = ConstantPolicy({c.name: Fraction(generator.randint(1, 300), 100) for c in theorem.constants})
        points = [in_their_domains(theorem, random_values(chosen, generator)) for _ in range(4)]
        arrays = {name: np.array([float(point[name]) for point in points]) for name in chosen}
        swept = sweep(theorem, quantity, arrays, policy, broadcast=True)
        for i, point in enumerate(points):
            try:
                solution = evaluate(theorem, quantity, {name: float(value) for name, value in point.items()}, policy)
            except (ValueError, ArithmeticError):
                continue  # A value that the statement supplies is beyond what evaluate goes on with.
            assert_agrees(swept, (i,), solution)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(("theorem", "quantity"), QUANTITIES)
def test_points_are_the_same_in_small_blocks(theorem: Theorem, quantity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = random.Random(f"{name_of(theorem)} {quantity} blocks")
    names = [s.name for s in theorem.symbols if s.name != quantity and generator.random() < 0.7]
    points = [in_their_domains(theorem, random_values(names, generator)) for _ in range(8)]
    arrays = {name: np.array([float(point[name]) for point in points]) for name in names}
    whole = sweep(theorem, quantity, arrays, broadcast=True)
    monkeypatch.setattr("boundcalc.sweeps.points.SOLVED_AT_ONCE", 3)
    monkeypatch.setattr("boundcalc.arrays.functions.blocks", lambda shape: blocks(shape, 3))
    parts = sweep(theorem, quantity, arrays, broadcast=True)
    assert np.allclose(parts.log10, whole.log10, rtol=1e-13, atol=0, equal_nan=True)
    assert np.array_equal(parts.status, whole.status)


def in_their_domains(theorem: Theorem, point: Mapping[str, Fraction]) -> dict[str, Fraction]:
    least = {"L": Fraction(theorem.setting.depth.minimum)}
    inside = {
        name: value if value in VOCABULARY[name].domain else Fraction(VOCABULARY[name].domain.upper or 1) / 2
        for name, value in point.items()
    }
    return {name: max(value, least.get(name, value)) for name, value in inside.items()}


RADII = ["R*m^(-1/2)", "R/m", "R*m^(-1/4)/L", "R/log(m)", "R*log(m)^-2", "R*m^(1/10)", ""]


@pytest.mark.parametrize("key", ["cao2020/thm3.1", "cao2020/lem4.4", "cao2020/lem4.5"])
@pytest.mark.parametrize("formula", RADII, ids=str)
def test_conditions_with_the_width_on_both_sides_near_their_limits(key: str, formula: str) -> None:
    generator = random.Random(f"{key} {formula}")
    for _ in range(3):
        policy = ConstantPolicy(
            {"C_large": short(10 ** generator.uniform(-1, 2)), "C_small": short(10 ** generator.uniform(-2, 3))}
        )
        radius = "R" if formula else "tau"
        point = {
            "L": Fraction(generator.randint(1, 3)),
            "n": Fraction(generator.randint(2, 20000)),
            "delta": short(generator.uniform(0.02, 0.9)),
            radius: short(10 ** generator.uniform(-6, 1)),
            "gamma": short(10 ** generator.uniform(-1, 0)),
        }
        given: dict[str, Any] = {"tau": parse_formula(formula)} if formula else {}
        solution = evaluate(CATALOGUE[key], "width", {**point, **given}, policy)
        if solution.value == "1":
            continue  # At m = 1 a cap with log m in its denominator is undefined; a sweep looks at larger widths only.
        swept = sweep(CATALOGUE[key], "width", {**{s: [float(v)] for s, v in point.items()}, **given}, policy)
        assert_agrees(swept, (0,) * 5, solution)
        if solution.value is not None and int(solution.value) < 10**9:
            assert swept.value.item() == int(solution.value)


def short(value: float) -> Fraction:
    return Fraction(f"{value:.5g}")


def test_a_theorem_of_ones_own_is_swept() -> None:
    theorem = Theorem(
        key="nobody2030/thm1",
        title="wide networks train",
        source=Paper("nobody2030", "Nobody", "On wide networks", "nowhere", "v1").at("Theorem 1"),
        setting=Setting("deep ReLU network", "Gaussian", "logistic", "gradient descent", HIDDEN_LAYERS),
        conditions=(
            Condition(m, ">=", Otilde(L**3 * n * sympy.log(m * n), "m")),
            Condition(tau, "<=", m ** sympy.Rational(-1, 2)),
        ),
    )
    swept = sweep(theorem, "width", {"L": [2, 5], "n": [10, 1000], "tau": 1e-6}, ConstantPolicy({"k_m": 2}))
    for index in np.ndindex(2, 2):
        point = {"L": swept.axes["L"][index[0]].item(), "n": swept.axes["n"][index[1]].item(), "tau": 1e-6}
        assert_agrees(swept, index, evaluate(theorem, "width", point, ConstantPolicy({"k_m": 2})))
    assert (swept.status == "interval").all()
    assert swept.ends is not None
    assert swept.ends.upper == pytest.approx(12, rel=1e-12)


# How arrays lie to each other -----------------------------------------------------------------------


def test_one_dimensional_arrays_span_a_grid() -> None:
    inputs = {"epsilon": np.geomspace(1e-3, 1e-1, 25), "L": [2, 3, 5], "delta": 0.05}
    swept = boundcalc.sweep(COR_3_1, "error", inputs, ConstantPolicy())
    assert swept.shape == swept.log10.shape == swept.value.shape == swept.status.shape == (25, 3)
    assert list(swept.axes) == ["epsilon", "L"]
    assert swept.grid
    assert swept.inputs == {"delta": Fraction(1, 20)}
    assert np.array_equal(swept.points("L")[7], [2, 3, 5])
    for index in [(0, 0), (24, 2), (11, 1)]:
        point = {"epsilon": swept.axes["epsilon"][index[0]].item(), "L": [2, 3, 5][index[1]], "delta": 0.05}
        assert_agrees(swept, index, evaluate(COR_3_1, "error", point))


def test_arrays_of_more_dimensions_broadcast_as_in_numpy() -> None:
    depths, samples = np.array([2, 3, 5])[:, None], np.array([10, 1000])
    swept = sweep(CHEN, "width", {"L": depths, "n": samples, "R": 1})
    assert swept.shape == (3, 2)
    assert not swept.grid
    assert np.array_equal(swept.log10, sweep(CHEN, "width", {"L": [2, 3, 5], "n": [10, 1000], "R": 1}).log10)


def test_arrays_can_be_taken_element_by_element() -> None:
    depths, samples = [2, 3, 5], [10, 100, 1000]
    together = sweep(CHEN, "width", {"L": depths, "n": samples}, broadcast=True)
    assert together.shape == (3,)
    grid = sweep(CHEN, "width", {"L": depths, "n": samples})
    assert np.allclose(together.log10, np.diag(grid.log10), rtol=1e-14)


def test_numbers_alone_make_a_single_point() -> None:
    swept = sweep(CHEN, "width", {"L": np.int64(5), "delta": "5%", "R": np.array(1.0), "n": Fraction(1000)})
    assert swept.shape == ()
    assert swept.value == pytest.approx(50705800355726887, rel=1e-12)


def test_an_axis_that_does_not_enter_keeps_its_dimension() -> None:
    swept = sweep(CHEN, "width", {"epsilon": [0.1, 0.2], "L": [2, 3, 4]})
    assert swept.shape == (2, 3)
    assert swept.unused == ("epsilon",)
    assert np.array_equal(swept.log10[0], swept.log10[1])


def test_lists_may_hold_numbers_as_people_type_them() -> None:
    swept = sweep(CHEN, "iterations", {"epsilon": ["1%", Fraction(1, 10), 0.5], "R": 1, "L": 2})
    assert swept.value == pytest.approx([400, 40, 8])


def test_hidden_layers_and_iterations_are_the_statements_own() -> None:
    by_hidden = sweep(CHEN, "width", {"H": [1, 2, 4]})
    assert list(by_hidden.axes) == ["H"]
    assert np.array_equal(by_hidden.log10, sweep(CHEN, "width", {"L": [2, 3, 5]}).log10)
    rate = CATALOGUE["du2019"]
    decay = sweep(rate, "loss", {"T": [10, 1000], "eta": 0.01, "lambda_0": 0.1})
    assert decay.log10 == pytest.approx(sweep(rate, "loss", {"K": [10, 1000], "eta": 0.01, "lambda_0": 0.1}).log10)


def test_hidden_constants_are_swept_too() -> None:
    swept = sweep(CHEN, "width", {"L": [2, 3], "C_m": [0.5, 1, 100]})
    assert swept.log10[:, 2] - swept.log10[:, 1] == pytest.approx([2, 2])
    assert "C_m" not in [use.name for use in swept.constants]
    powers = sweep(CHEN, "width", {"k_m": [0, 1.5], "L": 2})
    for i, k in enumerate(["0", "1.5"]):
        assert powers.log10[i] == pytest.approx(evaluate(CHEN, "width", {"L": 2}, ConstantPolicy({"k_m": k})).log10)
    assert sweep(CHEN, "width", {"L": [2], "C_m": 7}).constants[0].value == 7


def test_formulas_are_put_in_for_symbols() -> None:
    separated = {"R": parse_formula("n^(3/2)*phi^(-1/2)"), "n": [100, 1000], "phi": [0.1, 1]}
    swept = sweep(CHEN, "width", {"L": 2, **separated})
    assert swept.formulas["R"] == separated["R"]
    same = sweep(
        CHEN,
        "width",
        {"L": 2, "R": [[1000.0 / 0.1**0.5, 1000], [1000**1.5 / 0.1**0.5, 1000**1.5]], "n": [[100], [1000]]},
    )
    assert np.allclose(swept.log10, same.log10, rtol=1e-13)
    own_symbols = sweep(CHEN, "width", {"L": 2, "R": sympy.Symbol("n") ** 2, "n": [10, 20]})
    assert own_symbols.log10 == pytest.approx(
        sweep(CHEN, "width", {"L": 2, "R": [100, 400], "n": [10, 20]}, broadcast=True).log10
    )


def test_formulas_may_hold_floats_and_symbols_of_ones_own() -> None:
    r, width = sympy.symbols("R m")
    exact = sweep(THM_3_1, "width", {"tau": parse_formula("2*R*m^(-1/2)"), "R": [0.1, 0.2], "L": 2})
    for formula in (2.0 * r / sympy.sqrt(width), 2 * r / width**0.5, 2 * r * width ** sympy.Float("-0.5", 40)):
        swept = sweep(THM_3_1, "width", {"tau": formula, "R": [0.1, 0.2], "L": 2})
        assert np.array_equal(swept.log10, exact.log10)
    # A float is the decimal that it prints as: 0.1 is 1/10.
    tenth = sweep(CHEN, "width", {"R": sympy.Float(0.1) * sympy.Symbol("n"), "n": [10, 100], "L": 2})
    assert tenth.log10 == pytest.approx(
        sweep(CHEN, "width", {"R": [1, 10], "n": [10, 100], "L": 2}, broadcast=True).log10, abs=1e-14
    )
    assert str(tenth.formulas["R"]) == "n/10"


CONDITIONS_AND_DOMAINS = {
    "nowhere, for n < 1 at m = 1": (
        "cao2020/cor3.1", {"n": "m*log(m)", "delta": "1/n", "epsilon": "1/m"}, {"B": "0.1"}, [10, 11],
    ),
    "from n = 1 on": ("cao2019", {"n": "R/epsilon^2", "delta": "1/(2*n)", "epsilon": "1/m"}, {"R": "0.13"}, [3, 4]),
    "from n = 1 on, with nothing above": ("chen2019/thm2.1", {"n": "log(m)-5", "R": "1/m"}, {"delta": "0.5"}, [2, 3]),
    "from delta < 1 on": ("chen2019/thm2.1", {"delta": "50/m"}, {"R": "0.01", "n": "10"}, [2]),
    "up to epsilon = 1": ("cao2020/cor3.1", {"epsilon": "m/400"}, {"B": "1", "delta": "0.5"}, [1, 2]),
}  # fmt: skip
"""Statements with formulas, numbers and depths; what the formulas say is written again in `WRITTEN_AGAIN`."""

WRITTEN_AGAIN: dict[str, Any] = {
    "nowhere, for n < 1 at m = 1": lambda m: {
        "n": m * mp.log(m), "delta": 1 / (m * mp.log(m)) if m > 1 else mp.inf, "epsilon": 1 / m
    },
    "from n = 1 on": lambda m: {
        "n": mpf("0.13") * m**2, "delta": 1 / (2 * mpf("0.13") * m**2), "epsilon": 1 / m
    },
    "from n = 1 on, with nothing above": lambda m: {"n": mp.log(m) - 5, "R": 1 / m},
    "from delta < 1 on": lambda m: {"delta": 50 / m},
    "up to epsilon = 1": lambda m: {"epsilon": m / 400},
}  # fmt: skip


@pytest.mark.parametrize("case", CONDITIONS_AND_DOMAINS)
def test_formulas_of_the_unknown_lie_in_their_domains(case: str) -> None:
    key, formulas, numbers, depths = CONDITIONS_AND_DOMAINS[case]
    given_ = {name: parse_formula(formula) for name, formula in formulas.items()}
    swept = sweep(CATALOGUE[key], "width", {**given_, **numbers, "L": depths})
    assert not {"n", "epsilon"} & set(swept.unused)
    for i, depth in enumerate(depths):
        admitted = []
        for width in range(1, 3000):
            point = Point({"L": depth, "alpha": Fraction(1, 2), **{s: Fraction(v) for s, v in numbers.items()}})
            point.values |= {"m": mpf(width), **WRITTEN_AGAIN[case](mpf(width))}
            inside = (
                point.values.get("n", 1) >= 1
                and 0 < point.values.get("delta", mpf("0.5")) < 1
                and 0 < point.values.get("epsilon", 1) <= 1
            )
            if inside and width >= FORMULAS[key, "m"][0](point):
                admitted.append(width)
        assert swept.ends is not None
        if not admitted:
            assert swept.status[i] == "empty"
            continue
        assert swept.value[i] == admitted[0]
        upper = 10 ** np.broadcast_to(swept.ends.upper, swept.shape)[i]
        assert upper == math.inf if admitted[-1] == 2999 else math.floor(upper + 1e-9) == admitted[-1]


def test_what_stands_in_a_formula_is_used() -> None:
    formulas = {"delta": parse_formula("1/n"), "n": parse_formula("1/epsilon"), "R": parse_formula("gamma")}
    swept = sweep(CATALOGUE["cao2020/cor3.3"], "width", {**formulas, "epsilon": [0.1, 0.01], "L": 2})
    assert swept.unused == ("R",)


# What is not accepted ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"epsilon": [0.1, 2]}, r"epsilon = 2 is not in \(0, 1\]"),
        ({"epsilon": [0.1, 0.0]}, r"epsilon = 0 is not in"),
        ({"epsilon": [0.1, math.nan]}, "epsilon: 'nan' is not a number"),
        ({"R": [1, math.inf]}, "R: 'inf' is not a number"),
        ({"L": [2, 2.5]}, r"L = 2.5 is not an integer ≥ 1"),
        ({"L": [1, 2]}, "L = 1 is below 2"),
        ({"L": []}, "L has no values"),
        ({"L": [True, False]}, "L: values of type bool are no numbers"),
        ({"L": [2, 3], "depth": 4}, "L is given twice"),
        ({"L": [2, 3], "H": [2, 3]}, "L and H"),
        ({"R": [1, 2], "radius": parse_formula("R*n"), "tau": 1}, "tau is given twice"),
        ({"R": [[1, 2]], "n": [1, 2, 3]}, r"do not broadcast: R \(1, 2\), n \(3,\)"),
        ({"R": np.ones(10**4), "n": np.ones(10**4, int), "L": [2, 3]}, r"10000 × 10000 × 2 points are more than"),
        ({"R": np.ones(2 * 10**4), "n": np.ones(2 * 10**4, int)}, "broadcast=True takes them element by element"),
        ({"C_m": [0, 1]}, r"C_m = 0.* is not a number > 0"),
        ({"C_x": [1, 2]}, "unknown input 'C_x'"),
        ({"delta": parse_formula("2*epsilon"), "epsilon": [0.1, 0.7]}, r"delta = 2·ε is 0.2 to 1.4, not in \(0, 1\)"),
        ({"R": parse_formula("tau*n"), "tau": parse_formula("R*n")}, "in terms of itself"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_swept_is_refused_in_one_line(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        sweep(CHEN, "width", inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"L": [[2, 3], [4]]}, r"L: the rows of \[\[2, 3\], \[4\]\] differ in length"),
        ({"L": np.ma.array([2, 3, 4], mask=[0, 1, 0])}, "L: 1 of 3 values are masked; leave them out"),
        ({"R": [Fraction(10) ** 400, 1]}, "R: 1e.400 does not fit a float"),
        ({"L": np.array([2, 3], complex)}, "L: values of type complex128 are no numbers"),
        ({"R": np.array(["1e400"], np.longdouble)}, "R: 'inf' is not a number"),
        ({2: [2, 3]}, "2 is no name of an input; give text, as 'L'"),
        ({L: [2, 3]}, "L is no name of an input"),
        (None, "None is no mapping; give inputs by name"),
        ([("L", 2)], "is no mapping; give inputs by name"),
    ],
    ids=str,
)  # fmt: skip
def test_arguments_of_another_kind_are_refused_in_one_line(inputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        sweep(CHEN, "width", inputs)
    assert "\n" not in str(caught.value)


def test_a_theorem_quantity_or_policy_of_another_kind_is_refused() -> None:
    arguments: list[tuple[Any, Any, Any, str]] = [
        (
            "cao2020/thm3.1",
            "width",
            ConstantPolicy(),
            r'no theorem; give one, as boundcalc.CATALOGUE\["cao2020/thm3.1"\]',
        ),
        (CHEN, None, ConstantPolicy(), "None is no quantity"),
        (CHEN, m, ConstantPolicy(), "m is no quantity"),
        (CHEN, "width", {"C_m": 2}, "is no policy; give ConstantPolicy"),
    ]
    for theorem, quantity, policy, message in arguments:
        with pytest.raises(InputError, match=message):
            sweep(theorem, quantity, {"L": [2, 3]}, policy)


def test_arrays_of_any_kind_of_number() -> None:
    wanted = sweep(CHEN, "width", {"L": [128, 3, 50]})
    for kind in (np.int8, np.uint8, np.int16, np.uint64, np.float16, np.float32, np.longdouble, ">f8", ">i4"):
        hidden = sweep(CHEN, "width", {"H": np.array([127, 2, 49], kind)})
        assert np.array_equal(hidden.log10, wanted.log10), kind
    largest = sweep(CHEN, "width", {"H": np.array([2**63 - 1, 2], np.int64)})
    assert largest.log10[0] == pytest.approx(
        float(mp.log10(FORMULAS["chen2019/thm2.1", "m"][0](
            Point({"L": 2**63, "R": 1, "n": 1000, "delta": Fraction(1, 20), "alpha": Fraction(1, 2)})
        ))), rel=1e-14,
    )  # fmt: skip
    unmasked = np.ma.array([128, 3, 50])
    assert np.array_equal(sweep(CHEN, "width", {"L": unmasked}).log10, wanted.log10)


def test_a_constant_is_given_in_one_place() -> None:
    with pytest.raises(InputError, match="C_m is given among the inputs and among the constants"):
        sweep(CHEN, "width", {"C_m": [1, 2]}, ConstantPolicy({"C_m": 2}))


def test_strict_refuses_what_would_be_assumed() -> None:
    with pytest.raises(IncompleteError, match="would assume delta, n, R, alpha, C_m, k_m; give delta=…"):
        sweep(CHEN, "width", {"L": [2, 3]}, strict=True)
    given_ = {"L": [2, 3], "delta": 0.1, "n": 10, "R": 1, "alpha": 0.5, "C_m": 1}
    assert sweep(CHEN, "width", given_, ConstantPolicy({"k_m": 0}), strict=True).assumed == ()


# Values and what they mean ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(
    depth=st.integers(2, 4),
    samples=st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    radius=st.floats(0.05, 2),
    failure=st.floats(1e-6, 0.9),
)
def test_integers_are_rounded_to_the_safe_side(depth: int, samples: list[int], radius: float, failure: float) -> None:
    point = {"L": depth, "R": radius, "delta": failure}
    swept = sweep(CHEN, "width", {**point, "n": samples})
    for value, count in zip(swept.value, samples, strict=True):
        exact = {name: Fraction(repr(number)) for name, number in {**point, "n": count, "alpha": 0.5}.items()}
        bound = FORMULAS["chen2019/thm2.1", "m"][0](Point(exact))
        # The safe side, and the next integer there, but for the digits that double precision loses.
        lost = mpf(10) ** -13 * bound
        assert value >= bound - lost
        assert value == 1 or value - 1 < bound + lost or bound > 2**53
        assert value == int(value)


def test_a_bound_that_is_an_integer_is_not_rounded_up_to_the_next() -> None:
    needed = sweep(CATALOGUE["cao2020/thm1.1"], "samples", {"epsilon": [0.1, 0.5, 0.05, 0.2]})
    assert list(needed.value) == [10**4, 16, 160_000, 625]
    allowed = sweep(CATALOGUE["cao2020/thm3.1"], "radius", {"m": [10, 10**6], "L": 2})
    assert not allowed.whole
    assert allowed.value == pytest.approx([2**-6 / math.log(10) ** 1.5, 2**-6 / math.log(10**6) ** 1.5])


def test_what_does_not_fit_a_float_is_infinite_and_its_logarithm_is_not() -> None:
    swept = sweep(CATALOGUE["cao2020/cor3.2"], "width", {"L": [5, 10**6], "gamma": 0.1})
    assert swept.value[0] == pytest.approx(10 ** swept.log10[0])
    assert swept.value[1] == math.inf
    assert swept.log10[1] == pytest.approx(
        evaluate(CATALOGUE["cao2020/cor3.2"], "width", {"L": 10**6, "gamma": 0.1}).log10
    )


def test_a_guarantee_that_says_nothing_is_marked() -> None:
    swept = sweep(COR_3_1, "error", {"m": [10**3, 10**40], "n": 10**12, "epsilon": 0.1, "B": 0.9, "L": 1})
    assert list(swept.status) == ["vacuous", "ok"]
    unlikely = sweep(CATALOGUE["ji2020"], "loss", {"delta": [0.3, 0.34]})
    assert list(unlikely.status) == ["ok", "vacuous"]


def test_an_undefined_bound_is_marked() -> None:
    # The error bound holds log m, which is zero at m = 1; the rate of du2019 needs ηλ₀ < 2.
    swept = sweep(CATALOGUE["du2019"], "iterations", {"eta": [0.1, 2.0, 5.0], "lambda_0": 1})
    assert list(swept.status) == ["ok", "undefined", "undefined"]
    assert np.isnan(swept.value[1:]).all()


def test_unmet_conditions_are_marked_where_they_are() -> None:
    swept = sweep(COR_3_1, "error", {"m": [10**3, 10**12], "L": [1, 4]})
    assert [check.what for check in swept.checks] == ["condition m ≥ Õ(L^12/(B^4·ε^2))·log(1/δ)"]
    for index in np.ndindex(2, 2):
        point = {"m": swept.axes["m"][index[0]].item(), "L": swept.axes["L"][index[1]].item()}
        assert swept.unmet[index] == bool(evaluate(COR_3_1, "error", point).unmet)
    assert swept.unmet.any()
    assert not swept.unmet.all()


@pytest.mark.parametrize(
    ("key", "quantity"),
    [
        ("lem4.1", "gradient"),
        ("lem4.2", "linearization"),
        ("lem4.4", "gradient"),
        ("lem4.5", "gradient"),
        ("thm3.1", "error"),
    ],
)
def test_a_condition_that_is_undefined_is_not_met(key: str, quantity: str) -> None:
    # log m is zero at m = 1, and the largest radius is a power of its inverse.
    theorem = CATALOGUE[f"cao2020/{key}"]
    with pytest.raises(NumericsError, match="infinite or undefined"):
        evaluate(theorem, quantity, {"m": 1})
    assert sweep(theorem, quantity, {"m": [1, 10**60]}).unmet[0]


def test_a_condition_on_a_negative_number_is_met() -> None:
    theorem = Theorem(
        "nobody2030/thm3", "", CHEN.source, CHEN.setting,
        conditions=(Condition(n, ">=", sympy.log(m * tau)),), guarantees=(Guarantee(dist, "<=", tau),),
    )  # fmt: skip
    swept = sweep(theorem, "distance", {"m": [1, 10**6, 10**9], "n": 5, "tau": "1e-6"})
    assert list(swept.unmet) == [False, False, True]


def test_a_formula_outside_its_domain_is_shown_however_large() -> None:
    with pytest.raises(InputError, match=r"n = 1/\(m\^2\) is 10\^-600 to 1e-200, not an integer ≥ 1"):
        sweep(CATALOGUE["chen2019/thm2.2"], "error", {"n": parse_formula("1/m^2"), "m": ["1e100", "1e300"]})


def test_what_is_assumed_may_differ_from_point_to_point() -> None:
    swept = sweep(COR_3_1, "step-size", {"L": [1, 2], "B": 0.5})
    (width,) = (one for one in swept.assumed if one.name == "m")
    assert width.why == "the statement's own width"
    for i, depth in enumerate([1, 2]):
        solution = evaluate(COR_3_1, "step-size", {"L": depth, "B": 0.5})
        (single,) = (one for one in solution.assumed if one.name == "m")
        assert np.broadcast_to(width.log10, swept.shape)[i] == pytest.approx(
            math.log10(float(str(single.value))), rel=1e-10
        )
    assert " to " in width.text


# Ranges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("2,3,5", "L", [2, 3, 5]),
        ("2:6", "L", [2, 3, 4, 5, 6]),
        ("1e-3:1e-1:log3", "epsilon", [1e-3, 1e-2, 1e-1]),
        ("0.1 : 0.9 : lin5", "epsilon", [0.1, 0.3, 0.5, 0.7, 0.9]),
        ("1%,1/50,10^-3", "epsilon", [0.01, 0.02, 0.001]),
        ("1:100:log5", "n", [1, 3, 10, 32, 100]),
        ("1:4:log10", "n", [1, 2, 3, 4]),
        ("5:1:lin3", "R", [5, 3, 1]),
        ("2,4:6,10", "L", [2, 4, 5, 6, 10]),
        ("1e20,2e20", "n", [1e20, 2e20]),
        ("0.5,2", "C_m", [0.5, 2]),
    ],
)
def test_ranges_are_read(text: str, name: str, values: list[float]) -> None:
    axis = parse_axis(text, name)
    assert isinstance(axis, Axis)
    assert axis.values == pytest.approx(values)
    assert axis.values[0] == values[0]
    assert axis.values[-1] == values[-1]
    assert is_axis(text)


def test_ranges_are_given_to_the_library_as_to_the_command() -> None:
    taus = np.geomspace(1e-9, 1e-6, 4)
    wanted = sweep(THM_3_1, "width", {"tau": taus, "L": [2, 3]})
    for axis in ("1e-9:1e-6:log4", parse_axis("1e-9:1e-6:log4", "tau"), Axis(taus), "1e-9, 1e-8, 1e-7:1e-6:log2"):
        swept = sweep(THM_3_1, "width", {"radius": axis, "depth": "2:3"})
        assert swept.log10 == pytest.approx(wanted.log10, rel=1e-12)
        assert list(swept.axes) == ["tau", "L"]
    linear = sweep(CHEN, "iterations", {"epsilon": "0.1:0.5:lin5", "L": "2", "R": "1"})
    assert list(linear.value) == [40, 20, 14, 10, 8]
    assert sweep(CHEN, "width", {"C_m": "1,100", "L": 2}).log10 == pytest.approx(
        sweep(CHEN, "width", {"C_m": [1, 100], "L": 2}).log10
    )
    merged = sweep(CHEN, "width", {"samples": "1:4:log10"})
    assert merged.shape == (4,)
    assert merged.notes[0] == "n=1:4:log10: 4 distinct integers"
    with pytest.raises(InputError, match="tau: '1:2' does not say how many values"):
        sweep(THM_3_1, "width", {"tau": "1:2"})


def test_rounding_to_distinct_integers_is_said() -> None:
    axis = parse_axis("1:4:log10", "n")
    assert isinstance(axis, Axis)
    assert axis.note == "n=1:4:log10: 4 distinct integers"
    assert axis.values.dtype.kind == "i"


def test_a_number_is_a_number() -> None:
    assert parse_axis("1/3", "epsilon") == Fraction(1, 3)
    assert is_axis("1/3")
    assert not is_axis("R*m^(-1/2)")
    assert not is_axis("max(R, n)")


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("1:2", "epsilon", "does not say how many values; write 1:2:log25 or 1:2:lin25"),
        ("1:2:5", "epsilon", "does not say how to space"),
        ("1:2:log", "epsilon", "does not say how to space"),
        ("0:1:log5", "epsilon", "cannot be spaced by logarithms; give ends > 0, or lin5"),
        ("1:2:log1", "epsilon", "ask for at least 2 values"),
        ("1:2:lin1000000000", "epsilon", "ask for at most 100000000"),
        ("1:1e9", "n", "ask for at most 100000000"),
        ("5:2", "L", "no range of integers a:b with a ≤ b"),
        ("2:3.5", "L", "no range of integers"),
        ("1:2:3:4", "L", "is no range; write a list"),
        ("a:b:log5", "L", "is no range; write a list"),
        ("1,,2", "L", "names no value before or after one of its commas"),
        ("2,", "L", "names no value before or after one of its commas"),
        ("1,nan", "L", "'nan' is not a number"),
        ("1:1e999:log5", "R", "outside 10"),
    ],
)
def test_what_is_no_range_says_how_to_write_one(text: str, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_axis(text, name)
    assert name in str(caught.value)


# Tables, data and plots ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def intervals() -> Sweep:
    return sweep(THM_3_1, "width", {"tau": [1e-9, 1e-5], "L": [2, 4]})


@settings(deadline=None, max_examples=200)
@given(log10=st.floats(-400, 400), whole=st.booleans(), up=st.booleans())
def test_numbers_in_tables_are_rounded_to_the_safe_side(log10: float, whole: bool, up: bool) -> None:
    log10 = abs(log10) if whole else log10
    shown = written(log10, "up" if up else "down", whole, PLAIN)
    mantissa, _, exponent = shown.partition("e")
    found = math.log10(float(mantissa)) + int(exponent or 0)
    slack = (found - log10) * (1 if up else -1)
    largest = math.log10(2) if whole and log10 < 1 else 0.0044 if not whole or log10 >= 6 else 0.31
    assert -1e-8 <= slack <= largest


@pytest.mark.parametrize(
    ("log10", "rounding", "whole", "plain", "tex"),
    [
        (math.log10(50705800355726886.1), "up", True, "5.08e+16", r"$5.08 \times 10^{16}$"),
        (math.log10(634.2), "up", True, "635", "635"),
        (math.log10(634.2), "down", True, "634", "634"),
        (math.log10(0.0123456), "up", False, "0.0124", "0.0124"),
        (math.log10(99.99), "up", False, "100", "100"),
        (math.log10(9.999e-9), "up", False, "1.00e-08", r"$1.00 \times 10^{-8}$"),
        (-12.0, "down", False, "1.00e-12", r"$1.00 \times 10^{-12}$"),
        (3e12, "up", True, "10^3000000000000", "$10^{3000000000000}$"),
        (math.inf, "down", True, "∞", r"$\infty$"),
    ],
)
def test_numbers_as_tables_show_them(log10: float, rounding: Any, whole: bool, plain: str, tex: str) -> None:
    assert written(log10, rounding, whole, PLAIN) == plain
    assert written(log10, rounding, whole, LATEX) == tex


def test_csv_has_a_row_for_each_point(intervals: Sweep) -> None:
    rows = list(csv.DictReader(io.StringIO(sweep_csv(intervals))))
    columns = ["tau", "L", "log10", "value", "status", "upper_log10", "theorem", "quantity", "with"]
    assert list(rows[0]) == columns
    assert [(row["tau"], row["L"], row["status"]) for row in rows] == [
        ("1e-09", "2", "interval"), ("1e-09", "4", "interval"), ("1e-05", "2", "interval"), ("1e-05", "4", "empty"),
    ]  # fmt: skip
    solution = evaluate(THM_3_1, "width", {"tau": "1e-5", "L": 2})
    assert rows[2]["value"] == solution.value
    assert float(rows[2]["log10"]) == pytest.approx(solution.log10, rel=1e-11)
    assert rows[3]["log10"] == rows[3]["value"] == ""
    assert {(row["theorem"], row["quantity"]) for row in rows} == {("cao2020/thm3.1", "width: m ≥")}
    assert {row["with"] for row in rows} == {
        "delta=0.05 (default); n=1000 (default); C_large=1, C_small=1 (unit policy)"
    }


def test_csv_says_which_reading_and_what_was_given() -> None:
    theorem = CATALOGUE.find("cao2020/cor3.1", "unfolded")
    given_ = {"L": [1, 2], "n": "10^9", "epsilon": parse_formula("m^(-1/4)"), "m": "1e30", "delta": 0.1}
    row, _ = csv.DictReader(io.StringIO(sweep_csv(sweep(theorem, "error", given_))))
    assert row["theorem"] == "cao2020/cor3.1 (unfolded)"
    assert row["with"].startswith("n=1000000000; m=1e+30; delta=0.1; epsilon=m^(-1/4); B=0.1 (default); ")


def test_csv_says_where_a_condition_is_unmet_and_what_is_beyond_floats() -> None:
    errors = list(csv.DictReader(io.StringIO(sweep_csv(sweep(COR_3_1, "error", {"m": [10**3, 10**60], "L": 1})))))
    assert [row["unmet"] for row in errors] == ["1", "0"]
    (deep,) = csv.DictReader(io.StringIO(sweep_csv(sweep(CATALOGUE["cao2020/cor3.2"], "width", {"L": [10**6]}))))
    assert deep["value"] == ""
    assert float(deep["log10"]) > 2e6


def test_latex_is_a_booktabs_table_with_its_assumptions(intervals: Sweep) -> None:
    text = sweep_latex(intervals)
    comments = [line for line in text.splitlines() if line.startswith("%")]
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0] == r"\begin{tabular}{rrr}"
    assert body[1:3] == [r"\toprule", r" & \multicolumn{2}{c}{$m$ $\ge$} \\"]
    assert body[3] == r"$\tau$ & $L$ = $2$ & $L$ = $4$ \\"
    assert body[5].startswith(r"$10^{-9}$ & $8.43 \times 10^{12}$--$2.54 \times 10^{27143}$ & ")
    assert body[6].endswith(r"& none \\")
    assert body[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert any("delta=0.05 (default)" in line for line in comments)
    assert any("C_large = 1" in line for line in comments)


def test_markdown_and_terminal_show_the_same_cells(intervals: Sweep) -> None:
    markdown, terminal = sweep_markdown(intervals), sweep_text(intervals)
    for cell in (
        "8.43e+12 to 2.54e+27143",
        "none",
        "L = 4",
        "10^-9",
        "no value satisfies every condition at 1 of 4 points",
        "width: m ≥, rounded up to 3 digits",
    ):
        assert cell in markdown
        assert cell in terminal
    assert markdown.splitlines()[2].startswith("| τ ")


def test_other_sweeps_are_tables_of_points() -> None:
    swept = sweep(CHEN, "width", {"L": [2, 3], "n": [10, 20], "R": [1.5, 2]})
    lines = sweep_markdown(swept).splitlines()
    assert [cell.strip() for cell in lines[2].strip("|").split("|")] == ["L", "n", "R", "m ≥"]
    assert len([line for line in lines if line.startswith("|")]) == 2 + 8
    assert "$m$ $\\ge$" in sweep_latex(swept)


def test_latex_writes_hidden_constants_as_formulas_do() -> None:
    powers = sweep(CATALOGUE["cao2020/cor3.3"], "iterations", {"p_K_gamma": [1, 2], "L": 2})
    assert r"$p_{K,\gamma}$ & $K$ $=$ \\" in sweep_latex(powers)
    factors = sweep(CHEN, "width", {"L": [2, 3], "C_m": [1, 2]})
    assert "$C_{m}$ = $2$" in sweep_latex(factors)
    kappa = HiddenConstant("kappa", hides="O")
    theorem = Theorem("nobody2030/thm2", "", CHEN.source, CHEN.setting, conditions=(Condition(m, ">=", kappa * n),))
    assert r"$\kappa$ & $m$ $\ge$ \\" in sweep_latex(sweep(theorem, "width", {"kappa": [1, 2], "n": 5}))


def test_a_long_table_is_cut_on_a_terminal_and_refused_for_readers() -> None:
    swept = sweep(CHEN, "iterations", {"epsilon": np.geomspace(1e-6, 1, 20_000)})
    assert "… and 19940 more rows: write all of them with -o sweep.csv" in sweep_text(swept)
    with pytest.raises(InputError, match="more than 10000 rows is not for readers"):
        sweep_latex(swept)
    wide = sweep_text(sweep(CHEN, "width", {"L": range(2, 72), "n": np.geomspace(10, 1e9, 30_000).round()}))
    assert max(map(len, wide.splitlines())) < 300
    assert "… and 10 more rows and 29980 more columns: write all of them with -o sweep.csv" in wide


def test_marks_are_explained() -> None:
    swept = sweep(COR_3_1, "error", {"m": [10**3, 10**60], "L": 4, "B": 0.9, "epsilon": 0.1, "n": 10**9})
    text = sweep_text(swept)
    meaning = "* where a condition is unmet, or undefined"
    assert meaning in text.splitlines()[0]
    assert meaning.replace("*", r"\*") in sweep_markdown(swept).splitlines()[0]
    last = sweep_latex(swept).splitlines()[-2]
    assert last == r"\multicolumn{2}{l}{$^*$\,where a condition is unmet, or undefined} \\"
    assert "unmet" not in sweep_text(sweep(CHEN, "width", {"L": [2, 3]}))
    assert "(vacuous)*" in text
    assert "* unmet: condition m ≥ Õ(L^12/(B^4·ε^2))·log(1/δ) at 1 of 2 points" in text
    assert "the guarantee says nothing at 1 of 2 points" in text


def test_json_is_plain_json(intervals: Sweep) -> None:
    answer = json.loads(json.dumps(sweep_json(intervals), allow_nan=False))
    assert answer["theorem"] == "cao2020/thm3.1"
    assert answer["axes"] == {"tau": [1e-9, 1e-5], "L": [2, 4]}
    assert answer["shape"] == [2, 2]
    assert answer["status"] == [["interval", "interval"], ["interval", "empty"]]
    assert answer["log10"][1][1] is None
    assert answer["value"][1][0] == int(evaluate(THM_3_1, "width", {"tau": "1e-5", "L": 2}).value or 0)
    assert answer["assumed"] == {"delta": 0.05, "n": 1000}
    assert {use["name"] for use in answer["constants"]} == {"C_large", "C_small"}


@pytest.mark.parametrize("suffix", [".csv", ".md", ".tex", ".svg", ".png", ".pdf"])
def test_files_are_written_whole_and_alike(intervals: Sweep, suffix: str, tmp_path: Path) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (first, second):
        write_sweep(intervals, path)
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]
    start = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}.get(suffix, b"")
    assert first.read_bytes().startswith(start)


def test_a_plot_names_its_axes_and_lines(tmp_path: Path) -> None:
    swept = sweep(CATALOGUE["cao2020/cor3.3"], "width", {"epsilon": np.geomspace(1e-3, 0.1, 9), "L": [2, 3]})
    write_sweep(swept, tmp_path / "widths.svg")
    drawn = (tmp_path / "widths.svg").read_text("utf-8")
    ElementTree.fromstring(drawn)
    for label in ("the target accuracy ε", "width: m ≥", "L = 2", "L = 3", "cao2020/cor3.3 (stated; unit constants)"):
        assert f"<!-- {label} -->" in drawn
    for label in ("at most", "no value beyond", "a condition is unmet", "vacuous above"):
        assert label not in drawn


SVG = "{http://www.w3.org/2000/svg}"


def legend_lines(path: Path) -> tuple[float, list[tuple[float, str, str]]]:
    """Where the frame of a plot ends on the right; and the lines of its legend: where each begins, colour, dashes."""
    groups = {group.get("id"): group for group in ElementTree.parse(path).iter(f"{SVG}g")}
    frame = next(groups["patch_2"].iter(f"{SVG}path")).get("d", "")
    lines = []
    for group in groups["legend_1"].findall(f"{SVG}g"):
        if (group.get("id") or "").startswith("line2d"):
            line = group.find(f"{SVG}path")
            if line is not None:
                look = dict(part.split(": ") for part in line.get("style", "").split("; "))
                start = float(line.get("d", "").split()[1])
                lines.append((start, look["stroke"], look.get("stroke-dasharray", "")))
    return max(float(x) for x in re.findall(r"[ML] (\S+) ", frame)), lines


def test_lines_that_coincide_can_be_told_apart(tmp_path: Path) -> None:
    # The lower ends are the same whatever the margin is, but not up to where they are admitted.
    inputs = {"tau": np.geomspace(1e-12, 1e-6, 40), "gamma": [0.05, 0.1, 0.2, 0.5]}
    swept = sweep(CATALOGUE["cao2020/lem4.4"], "width", inputs)
    finite = np.isfinite(swept.log10)
    assert (np.ptp(swept.log10[finite.all(axis=1)], axis=1) == 0).all()
    assert len(set(finite.sum(axis=0))) == 4
    write_sweep(swept, tmp_path / "widths.svg")
    text = (tmp_path / "widths.svg").read_text("utf-8")
    assert "<!-- no value beyond -->" in text
    assert "<!-- at most -->" in text
    right, lines = legend_lines(tmp_path / "widths.svg")
    assert min(start for start, *_ in lines) > right  # beside the lines, none of which it hides
    assert len({colour for _, colour, _ in lines[:4]}) == 4
    assert all(one != other for (*_, one), (*_, other) in itertools.pairwise(lines[:4]))
    # The axis goes on to where nothing is admitted any more.
    assert "10^{-6}" in "".join(re.findall(r"<!-- (.*?) -->", text))


def test_ends_far_away_are_said_and_not_drawn(tmp_path: Path) -> None:
    swept = sweep(THM_3_1, "width", {"tau": np.geomspace(1e-9, 1e-8, 5), "L": [2, 3]})
    assert swept.ends is not None
    assert (swept.status == "interval").all()
    assert (swept.ends.upper > 100).all()
    write_sweep(swept, tmp_path / "widths.svg")
    drawn = (tmp_path / "widths.svg").read_text("utf-8")
    assert "<!-- at most -->" not in drawn
    assert "at most: m ≤ 1.36e+1155 to 2.54e+27143" in drawn


def test_upper_ends_are_drawn_where_they_are_near_and_said(tmp_path: Path) -> None:
    swept = sweep(THM_3_1, "width", {"tau": np.geomspace(1e-9, 1e-6, 40), "L": [2, 3, 4]})
    write_sweep(swept, tmp_path / "widths.svg")
    drawn = (tmp_path / "widths.svg").read_text("utf-8")
    assert "<!-- at most -->" in drawn
    least = evaluate(THM_3_1, "width", {"tau": "1e-6", "L": 4}).upper
    assert least is not None
    assert math.log10(9.21e16) <= least.log10 < math.log10(9.22e16)
    assert "m ≤ 9.21e+16 to 2.54e+27143" in drawn


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_a_plot_says_what_was_assumed_and_its_title(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"widths{suffix}"
    measured = ConstantPolicy({"cao2020/thm3.1:C_large": 2}, {"cao2020/thm3.1:C_large": "calibrated on digits"})
    write_sweep(sweep(THM_3_1, "width", {"tau": [1e-9, 1e-8], "L": 2}, measured), path)
    if suffix == ".svg":
        # The lines below the plot, each of which is drawn, and the metadata.
        said = path.read_text("utf-8")
        lines = re.findall(r"<!-- (.*?) -->", said, re.DOTALL)
        assert any("delta=0.05 (default), n=1000 (default)" in line for line in lines)
        assert "cao2020/thm3.1 (stated; calibrated constants)" in lines
        assert "<dc:title>cao2020/thm3.1 (stated), width: m ≥</dc:title>" in said
    elif suffix == ".png":
        said = path.read_bytes().decode("utf-8", "replace")
        assert "Title\0" in said
    else:
        return
    for words in ("given: L=2", "delta=0.05 (default), n=1000 (default)", "C_large=2 (calibrated on digits)"):
        assert words in said


def test_what_is_said_below_a_plot_is_not_cut() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figures: list[Any] = []

    def keep(figure: Any, *_: object) -> bytes:
        figures.append(figure)
        return b""

    wide = {f"{name}": ["1e-3", "1e-2"] for name in ("epsilon", "delta")}
    swept = sweep(CATALOGUE["cao2020/cor3.1"], "error", {**wide, "m": "1e300"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_plots, "saved", keep)
        sweep_plots.plot(swept, "png")
    (figure,) = figures
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure._supxlabel.get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert len(figure._supxlabel.get_text().split("\n")) > 3
    assert box.y1 <= figure.axes[0].get_tightbbox(canvas.get_renderer()).y0


def test_what_is_unmet_or_vacuous_is_in_the_legend(tmp_path: Path) -> None:
    swept = sweep(COR_3_1, "error", {"m": np.geomspace(1e3, 1e60, 20), "L": range(1, 22)})
    write_sweep(swept, tmp_path / "errors.svg")
    drawn = (tmp_path / "errors.svg").read_text("utf-8")
    assert "<!-- a condition is unmet -->" in drawn
    assert "<!-- vacuous above -->" in drawn


def test_integers_have_integer_ticks(tmp_path: Path) -> None:
    write_sweep(sweep(CHEN, "width", {"L": [2, 3, 4]}), tmp_path / "widths.svg")
    ticks = re.findall(r"<!-- ([\d.]+) -->", (tmp_path / "widths.svg").read_text("utf-8"))
    assert ticks == ["2", "3", "4"]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"L": [2, 3], "n": [10, 20], "R": [1, 2]}, r"a plot shows one or two axes, not 3 \(L, n, R\)"),
        ({"R": [1, 2], "L": list(range(2, 60))}, "58 lines, one for each L, cannot be told apart"),
        ({"L": [[2, 3]], "n": [10, 20]}, "a plot shows one or two axes"),
    ],
)
def test_what_cannot_be_drawn_is_refused(inputs: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_sweep(sweep(CHEN, "width", inputs), tmp_path / "plot.svg")
    assert not list(tmp_path.iterdir())


def test_a_sweep_without_a_value_has_no_plot(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is nothing to draw"):
        write_sweep(sweep(THM_3_1, "width", {"tau": [0.5, 1], "L": 5}), tmp_path / "plot.png")


def test_a_file_that_cannot_be_written_is_refused_in_one_line(intervals: Sweep, tmp_path: Path) -> None:
    for path, message in [
        (tmp_path / "sweep.xls", "a sweep is written as .csv, .md, .tex, .svg, .png, .pdf"),
        (tmp_path / "nowhere" / "sweep.csv", "there is no folder"),
    ]:
        with pytest.raises(InputError, match=message):
            write_sweep(intervals, path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_sweep(intervals, tmp_path / "folder.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize(("length", "fits"), [(245, True), (255, True), (256, False), (300, False)])
def test_names_of_files_may_be_long_but_not_too_long(intervals: Sweep, length: int, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / ("a" * (length - 4) + ".csv")
    if fits:
        write_sweep(intervals, path)
        assert list(tmp_path.iterdir()) == [path]
        return
    for write in (check_path, lambda path: write_sweep(intervals, path)):
        with pytest.raises(InputError, match=r"cannot write '.*….csv': File name too long") as caught:
            write(path)
        assert len(str(caught.value)) < 200


def test_a_link_is_kept(intervals: Sweep, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    link, target = tmp_path / "link.csv", tmp_path / "data" / "widths.csv"
    target.write_text("old")
    link.symlink_to(target)
    write_sweep(intervals, link)
    assert link.is_symlink()
    assert target.read_text("utf-8") == sweep_csv(intervals)
    assert list(target.parent.iterdir()) == [target]


# The command ------------------------------------------------------------------------------------------


def run(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "boundcalc", "sweep", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, encoding="utf-8")


SAID = """assumed: delta=0.05 (default), n=1000 (default), R=1 (default), alpha=0.5 (default)
not used: epsilon
hidden constants: C_m=1, k_m=0 (unit policy), p_L=11, p_R=4 (reconstructed: the width at which the approximation term \
L^(11/3) R^(4/3) m^(−α/3) of Theorem 2.2 is constant)
depth: L weight matrices: L − 1 hidden layers and a trained output layer
"""


def test_the_command_writes_files_and_says_so(tmp_path: Path) -> None:
    done = run("chen2019/thm2.1", "width", "epsilon=1e-3:1e-1:log25", "L=2,3,5", "-o", "out.csv", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAID}wrote out.csv: 75 points\n", "")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text("utf-8"))))
    assert len(rows) == 75
    assert int(rows[0]["value"]) == int(evaluate(CHEN, "width", {"L": 2}).value or 0)


def test_the_command_prints_one_json_object() -> None:
    done = run("cao2020/thm3.1", "width", "tau=R*m^(-1/2)", "R=0.01,1", "L=2", "--set", "C_large=2", "--json")
    answer = json.loads(done.stdout)
    assert answer["formulas"] == {"tau": "R/sqrt(m)"} or answer["formulas"] == {"tau": "R*m**(-1/2)"}
    for i, radius in enumerate(["0.01", "1"]):
        inputs = {"tau": parse_formula("R*m^(-1/2)"), "R": radius, "L": 2}
        solution = evaluate(THM_3_1, "width", inputs, ConstantPolicy({"C_large": 2}))
        assert answer["value"][i] == int(solution.value or 0)


def test_the_command_says_when_values_were_merged() -> None:
    done = run("chen2019/thm2.1", "width", "L=2:5:log25")
    assert done.returncode == 0
    assert done.stderr == "L=2:5:log25: 4 distinct integers\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["cao2020/thm3.1", "width", "tau=0.5,1", "L=5"], 3, ""),
        (["chen2019/thm2.1", "width", "L=3"], 2, "a sweep runs over ranges: give one"),
        (["chen2019/thm2.1", "width", "L=2,3", "-o", "x.foo"], 2, "a sweep is written as"),
        (["chen2019/thm2.1", "width", "L=2,3", "--strict"], 2, "--strict: chen2019/thm2.1 width would assume"),
        (["chen2019/thm2.1", "width", "L=2,3", "tau=R*"], 2, "ends after '*'"),
        (["chen2019/thm2.1", "width", "C_n=1:3"], 2, "did you mean C_T or C_m?; its hidden constants are C_T, C_eta"),
        (["cao2020/lem4.5", "gradient", "m=1,100"], 0, ""),
    ],
)
def test_exit_codes_and_one_line_of_error(arguments: list[str], code: int, message: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == (code == 2)


def test_the_command_is_listed() -> None:
    assert "sweep" in cli.list_commands(click.Context(cli))
    with pytest.raises(UnknownNameError):
        sweep(CHEN, "nonsense", {"L": [2, 3]})


def test_a_sweep_says_where_calibrated_constants_do_not_belong(tmp_path: Path) -> None:
    policy = ConstantPolicy({"chen2019/thm2.1:C_m": "1e-9"}, {"chen2019/thm2.1:C_m": "calibrated on digits"})
    own = sweep(CATALOGUE["chen2019/thm2.1"], "width", {"L": [2, 3], "n": 100}, policy)
    (apart,) = own.cautions
    assert "go with inputs measured on the same data" in apart
    assert "R = 1 is assumed here" in apart
    other = sweep(CATALOGUE["chen2019/thm2.2"], "width", {"L": [2, 3]}, policy)
    assert any("none of this statement is set" in caution for caution in other.cautions)
    write_sweep(own, tmp_path / "own.svg")
    assert "go with inputs measured on the same data" in " ".join((tmp_path / "own.svg").read_text("utf-8").split())
