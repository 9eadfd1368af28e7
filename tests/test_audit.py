"""The audit of the catalogue: certificates checked anew, verdicts formed again by other means and in numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
from certificates import certified, kept, monomial, own, primitive, repaired, sides
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from orders import (
    Curve,
    Inequality,
    Monomial,
    Order,
    breach,
    clauses,
    far_point,
    ln,
    order_of,
    size,
    slope,
    times_orders,
    to_power,
)
from scipy.optimize import linprog
from steps import POLYLOG, Place, fastest, hides_logarithms, opinion, rises_to
from sympy import Integer, Rational, log, sqrt

from boundcalc.auditing import Audit, Verdict, audit, audit_all, growth_expr, smallest_choices
from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import O, Otilde
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.errors import InputError
from boundcalc.numerics import Scaled, Value
from boundcalc.proofs import PROOFS
from boundcalc.symbols import (
    E_S,
    B,
    K,
    L,
    T,
    delta,
    epsilon,
    eta,
    gamma,
    m,
    n,
    tau,
)
from boundcalc.theorem import Condition, Theorem
from boundcalc.tropical import Growth, regime
from boundcalc.tropical import Monomial as TheirMonomial

AUDITS = {found.theorem.key: found for found in audit_all()}


def every(found: Audit) -> Iterable[Audit]:
    return (found, *found.alternatives, *found.under.values())


DERIVED = [part for found in AUDITS.values() for part in every(found)]
STEPS = [(found, verdict) for found in DERIVED for verdict in found.verdicts]
NAMED = [
    pytest.param(found, verdict, id=f"{found.theorem.key}-{found.derivation.name}-{verdict.step.id}")
    for found in AUDITS.values()
    for found in (found, *found.alternatives)
    for verdict in found.verdicts
]


def step_of(key: str, step: str, way: int = 0) -> Verdict:
    found = (AUDITS[key], *AUDITS[key].alternatives)[way]
    (verdict,) = (verdict for verdict in found.verdicts if verdict.step.id == step)
    return verdict


def factor(verdict: Verdict) -> sympy.Expr:
    assert verdict.excess is not None
    return growth_expr(verdict.excess)


def same(a: sympy.Expr, b: sympy.Expr) -> bool:
    """Whether two formulas are of one order, exactly."""
    return order_of(a) == order_of(b)


# --- certificates ----------------------------------------------------------------------------------------------------


def test_every_statement_with_a_proof_is_audited() -> None:
    assert AUDITS.keys() == PROOFS.keys()
    assert all(found.verify() for found in AUDITS.values())


@pytest.mark.parametrize(("found", "verdict"), NAMED)
def test_certificates_and_witnesses_show_what_the_verdict_says(found: Audit, verdict: Verdict) -> None:
    assert certified(found, verdict)


def test_repairs_satisfy_what_is_needed_and_nothing_smaller_does() -> None:
    checked = [found.choices for found in DERIVED if found.choices and repaired(found.choices, kept(found))]
    assert checked == [found.choices for found in DERIVED if found.choices]
    assert len(checked) >= 5


def test_the_checker_rejects_what_is_wrong() -> None:
    """Verdicts of one step, judged as those of another, or with a certificate from elsewhere."""
    violated, holds = step_of("cao2020/thm3.2", "(4.2)"), step_of("cao2020/thm3.2", "(4.5)")
    found = AUDITS["cao2020/thm3.2"]
    assert not certified(found, replace(violated, status="holds"))
    assert not certified(found, replace(violated, status="loose"))
    assert not certified(found, replace(holds, there=violated.there))
    assert not certified(found, replace(violated, there=holds.there))
    assert not certified(found, replace(holds, claimed=holds.claimed * epsilon))
    assert found.choices is not None
    smaller = replace(found.choices.choices[0], value=found.choices.choices[0].value ** Fraction(19, 20))
    assert not repaired(replace(found.choices, choices=(smaller, *found.choices.choices[1:])))
    assert not repaired(replace(found.choices, proofs=found.choices.proofs[1:]))


# --- a second opinion ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "verdict"), NAMED)
def test_the_verdict_is_that_of_linear_programmes_over_the_facts(found: Audit, verdict: Verdict) -> None:
    place = Place.of(found, verdict)
    status = opinion(place, verdict.claimed, verdict.derived).status
    raised = bool(verdict.exponents) and status == "loose"  # with larger exponents in poly(…), the claim says less
    assert verdict.status == ("holds" if raised else status)


@pytest.mark.parametrize(("found", "verdict"), NAMED)
def test_what_is_derived_follows_though_nothing_is_put_in(found: Audit, verdict: Verdict) -> None:
    """The bounds used are premises here, not substitutions; the claim follows from them unless it is violated."""
    place = Place.of(found, verdict)
    if not verdict.step.needed:
        bounds = (place.source(), verdict.derived)
        assert place.breach(*(bounds if rises_to(verdict.step) else bounds[::-1])) is None
    curve = place.breach(*place.target())
    if curve is None and not hides_logarithms(verdict.claimed + verdict.derived):
        curve = place.breach(*place.target(), logs=True)
    assert (curve is not None) == (verdict.status == "violated")


@pytest.mark.parametrize(
    ("found", "verdict"),
    [p for p in NAMED if p.values[1].status in ("loose", "violated")],  # type: ignore[union-attr]
)
def test_the_factor_is_the_worst_that_the_premises_admit(found: Audit, verdict: Verdict) -> None:
    """No curve has a larger ratio than the factor, and on some curve the ratio is the factor, and unbounded."""
    place, logs = Place.of(found, verdict), any("logarithm" in note for note in verdict.notes)
    read = [place.order(side, logs) for side in ratio(verdict)]
    premises = [(place.order(low, logs), place.order(high, logs)) for low, high in place.premises()]
    over = times_orders(read[0], to_power(read[1], Fraction(-1)))
    worst = place.order(factor(verdict), logs)
    unit: Order = frozenset({frozenset({frozenset()})})
    assert breach(over, worst | unit, premises, logs=logs) is None
    assert breach(over, unit, [*premises, (worst, over)], logs=logs) is not None


def ratio(verdict: Verdict) -> Inequality:
    """What is too large, over what it should be at most."""
    small, large = sides(verdict)
    return (large, small) if verdict.status == "loose" else (small, large)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "verdict"), [p for p in NAMED if p.values[1].status in ("holds", "loose")])  # type: ignore[union-attr]
def test_what_holds_holds_in_numbers_far_out(found: Audit, verdict: Verdict) -> None:
    """On curves of the premises the small side outgrows the large one by logarithms at most."""
    growth, tried = fastest(Place.of(found, verdict), *sides(verdict), 14)
    assert growth <= POLYLOG
    assert tried >= 7


@pytest.mark.parametrize(("found", "verdict"), [p for p in NAMED if p.values[1].point is not None])  # type: ignore[union-attr]
def test_counterexamples_meet_the_premises_and_show_the_ratio(found: Audit, verdict: Verdict) -> None:
    assert verdict.point is not None
    place = Place.of(found, verdict)
    point = {name: log_of(value) for name, value in verdict.point.point.items()}
    for low, high in place.premises():
        assert ln(low, point) <= ln(high, point) + mpf(10) ** -50, (low, high)
    for name, value in point.items():
        assert size(name) * value >= 0 or name == "E_S"
    large, small = map(place.with_exponents, ratio(verdict)[::-1])
    values = [ln(side, point) / mp.log(10) for side in (small, large)]
    assert values[0] == pytest.approx(verdict.point.small, abs=1e-6)
    assert values[1] == pytest.approx(verdict.point.large, abs=1e-6)
    assert values[0] - values[1] >= 1
    assert verdict.point.further > verdict.point.excess > 0
    curve = opinion(place, verdict.claimed, verdict.derived).curve
    assert curve is not None
    grows = slope(small, large, curve, far=30)
    assert grows > 0.01


def log_of(value: Value) -> mpf:
    if isinstance(value, Scaled):
        return mp.log(value.integer) + value.exponent * mp.log(10)
    if isinstance(value, arb):
        mantissa, exponent = value.mid().man_exp()
        return mp.log(int(mantissa)) + int(exponent) * mp.log(2)
    return mp.log(value.numerator) - mp.log(value.denominator)


# --- by hand ---------------------------------------------------------------------------------------------------------

TAU = 1 / (B * epsilon * sqrt(m))  # Theorem 3.2 as printed
ETA = L**-3 * B**2 / m
ITERATIONS = L**3 * B**-4 * epsilon**-2

# What is claimed and what follows at the choices as printed, each worked out on paper: L² τ^(1/3) √m is
# L² B^(−1/3) ε^(−1/3) m^(1/3), K η m is B^(−2) ε^(−2), and so on.
BY_HAND: Mapping[tuple[str, str], tuple[sympy.Expr, sympy.Expr]] = {
    ("cao2020/thm3.1", "I_1"): (L**4 * sqrt(m) * tau ** Rational(4, 3), L**3 * sqrt(m) * tau ** Rational(4, 3)),
    ("cao2020/thm3.1", "I_2"): (L * tau * sqrt(m / n), L * tau * sqrt(m / n)),
    ("cao2020/thm3.1", "error"): (
        E_S + L * tau * sqrt(m / n) + L**4 * sqrt(m) * tau ** Rational(4, 3),
        E_S + L * tau * sqrt(m / n) + L**4 * sqrt(m) * tau ** Rational(4, 3) + 1 / sqrt(n),
    ),
    ("cao2020/thm3.2", "(4.2)"): (TAU, B**-2 / (epsilon * sqrt(m))),
    ("cao2020/thm3.2", "(4.3)"): (B**2, B**2),
    ("cao2020/thm3.2", "(4.4)"): (B**2 * m, L**2 * (m / (B * epsilon)) ** Rational(1, 3)),
    ("cao2020/thm3.2", "(4.5)"): (epsilon, epsilon),
    ("cao2020/thm3.2", "Lemma 4.1: m"): (
        m,
        L**2 + L ** Rational(-8, 3) * (B * epsilon) ** Rational(4, 3) * m ** Rational(2, 3),
    ),
    ("cao2020/thm3.2", "Lemma 4.1: τ"): (L**-6, TAU),
    ("cao2020/thm3.2", "one step"): (TAU, L**-3 * B**2 / sqrt(m)),
    ("cao2020/thm3.2", "(4.6)"): (
        B**4 * E_S**2 * L**-3,
        E_S**2 * (B ** Rational(5, 3) * (epsilon**2 * m) ** Rational(-1, 6) + L**-2 * B**4),
    ),
    ("cao2020/cor3.1", "error"): (
        epsilon + L**2 / (B * epsilon * sqrt(n)) + L**4 * (B * epsilon) ** Rational(-4, 3) * m ** Rational(-1, 6),
        epsilon + L / (B * epsilon * sqrt(n)) + L**4 * (B * epsilon) ** Rational(-4, 3) * m ** Rational(-1, 6),
    ),
    ("cao2020/cor3.2", "Lemma 4.4: τ"): (8**-L * L**-2 * gamma**3, 2**L / (gamma * epsilon * sqrt(m))),
    ("cao2020/cor3.2", "Theorem 3.2: m"): (m, L**12 * 16**L * gamma**-4 * epsilon**-2),
    ("cao2020/cor3.2", "step size"): (4**-L * L**-3 * gamma**2 / m, 4**-L * L**-3 * gamma**2 / m),
    ("cao2020/cor3.2", "iterations"): (
        L**3 * 16**L * gamma**-4 * epsilon**-2,
        L**3 * 16**L * gamma**-4 * epsilon**-2,
    ),
    ("cao2020/cor3.2", "(4.5)"): (epsilon, epsilon),
    ("cao2020/cor3.3", "step size"): (4**-L * L**-3 * gamma**2 / m, L**-3 * gamma**2 / m),
    ("cao2020/cor3.3", "iterations"): (gamma**-4 * epsilon**-2, L**3 * gamma**-4 * epsilon**-2),
    ("cao2020/cor3.3", "(4.5)"): (epsilon, epsilon * 2**L * L ** Rational(3, 2)),
}


@pytest.mark.parametrize(("key", "step"), BY_HAND)
def test_what_is_claimed_and_what_follows(key: str, step: str) -> None:
    verdict, (claimed, derived) = step_of(key, step), BY_HAND[key, step]
    assert same(verdict.claimed, claimed)
    assert same(verdict.derived, derived)


# I_1: D_1 ≤ L τ makes L² τ^(1/3) √m · L τ, one L less than printed. The error drops √(1/n), which is worst where
# m = L^(−8/3) τ^(−4/3) is least: there L τ √m = (τ/L)^(1/3) and L⁴ √m τ^(4/3) = L^(8/3) τ^(2/3).
# (4.2): its left side is 1/B times τ. (4.6) at the choices: the first term over the claim is L³ τ^(1/3)/B², and with
# m = L^12 B^(−4) ε^(−2), τ = B L^(−6): L B^(−5/3); the second is L.
# Corollary 3.1: L τ √(m/n) is one L less than printed. Corollary 3.3's step size has 4^(−L) to spare.
FACTORS: Mapping[tuple[str, str, int], tuple[str, sympy.Expr]] = {
    ("cao2020/thm3.1", "I_1", 0): ("loose", L),
    ("cao2020/thm3.1", "error", 0): (
        "violated",
        sympy.Min((L / tau) ** Rational(1, 3), L ** Rational(-8, 3) * tau ** Rational(-2, 3) / sqrt(n)),
    ),
    ("cao2020/thm3.2", "(4.2)", 0): ("violated", 1 / B),
    ("cao2020/thm3.2", "(4.6)", 0): ("violated", L * B ** Rational(-5, 3)),
    # Within (4.4), L² τ^(1/3) ≤ B²·√m says nothing of L³ τ^(1/3) ≤ B²; τ ≤ L^(−6) leaves L/B².
    ("cao2020/thm3.2", "(4.6), first order", 0): ("violated", L * B**-2),
    # Were it B²·√m, then L² τ^(1/3) ≤ B², and L is left: there are L layers.
    ("cao2020/thm3.2", "(4.6), reading √m in (4.4)", 0): ("violated", L),
    ("cao2020/thm3.2", "(4.6), second order", 0): ("violated", L),
    ("cao2020/thm3.2", "distance", 0): ("loose", log(n / delta) ** Rational(1, 4)),
    ("cao2020/thm3.2", "telescoping", 0): ("violated", log(n / delta) ** Rational(1, 4)),
    # L⁵ τ^(2/3) ≤ B² at τ = B L^(−6): L B^(2/3)/B².
    ("cao2020/thm3.2", "first order", 1): ("violated", L * B ** Rational(-4, 3)),
    ("cao2020/cor3.1", "error", 0): ("loose", L),
    ("cao2020/cor3.3", "step size", 0): ("loose", 4**L),
}


def test_what_is_loose_or_violated_and_by_which_factor() -> None:
    for (key, step, way), (status, expected) in FACTORS.items():
        verdict = step_of(key, step, way)
        assert verdict.status == status
        logs = any("logarithm" in note for note in verdict.notes)
        assert order_of(factor(verdict), logs) == order_of(expected, logs), (key, step, verdict.excess)
    unsound = {
        (found.theorem.key, verdict.step.id) for found, verdict in STEPS if verdict.status in ("loose", "violated")
    }
    known = {(key, step) for key, step, _ in FACTORS}
    assert unsound == known
    assert not any(verdict.status == "undecided" for _, verdict in STEPS)


def test_without_a_small_margin_corollary_3_3_takes_more_iterations() -> None:
    """K lacks the L³ of Theorem 3.2; then K η m B² = 4^(−L) L^(−3) ε^(−2), and (4.5) fails by 2^L L^(3/2).

    With 2^L ≤ γ^(−2), both are powers of 1/γ: K = γ^(−p) ε^(−2) needs γ^((p−4)/2) 2^L L^(3/2) ≤ 1, so p > 8.
    """
    (printed,) = PROOFS["cao2020/cor3.3"]
    found = audit(replace(CATALOGUE["cao2020/cor3.3"], derivations=(replace(printed, where=()),)))
    verdicts = {verdict.step.id: verdict for verdict in found.verdicts}
    assert verdicts["iterations"].status == verdicts["(4.5)"].status == "violated"
    assert same(factor(verdicts["iterations"]), L**3)
    assert same(factor(verdicts["(4.5)"]), 2**L * L ** Rational(3, 2))
    assert step_of("cao2020/cor3.3", "(4.5)").exponents == (("p_K_gamma", Fraction(9)),)


# τ ≥ √(K η)/B ≥ B^(−2) ε^(−1) m^(−1/2) by (4.2) and (4.5), and L³ τ^(1/3) ≤ B² by (4.6): m ≥ L^18 B^(−16) ε^(−2).
# L⁴ m η ≤ B² by (4.6) bounds η, and (4.5) then K. With every layer's gradient τ ≥ √(K η), and L⁵ τ^(2/3) ≤ B².
# Corollary 3.1: that τ in L τ √(m/n) + L⁴ √m τ^(4/3). 3.2 and 3.3: where that is ε, with B = 2^(−L) γ or γ.
REPAIRS: Mapping[tuple[str, int], Mapping[sympy.Symbol, sympy.Expr]] = {
    ("cao2020/thm3.2", 0): {
        m: L**18 * B**-16 * epsilon**-2,
        eta: L**-4 * B**2 / m,
        K: L**4 * B**-4 * epsilon**-2,
        tau: B**-2 / (epsilon * sqrt(m)),
    },
    ("cao2020/thm3.2", 1): {m: L**15 * B**-8 * epsilon**-2},
    ("cao2020/cor3.1", 0): {
        m: L**18 * B**-16 * epsilon**-2,
        eta: L**-4 * B**2 / m,
        K: L**4 * B**-4 * epsilon**-2,
        tau: B**-2 / (epsilon * sqrt(m)),
        sympy.Symbol("error", positive=True): epsilon
        + L * B**-2 / (epsilon * sqrt(n))
        + L**4 * (B**2 * epsilon) ** Rational(-4, 3) * m ** Rational(-1, 6),
    },
    ("cao2020/cor3.2", 0): {
        m: L**24 * 2 ** (16 * L) * gamma**-16 * epsilon**-14,
        n: L**2 * 2 ** (4 * L) * gamma**-4 * epsilon**-4,
        eta: L**-4 * 4**-L * gamma**2 / m,
        K: L**4 * 2 ** (4 * L) * gamma**-4 * epsilon**-2,
    },
    ("cao2020/cor3.3", 0): {m: L**24 * gamma**-16 * epsilon**-14, n: L**2 * gamma**-4 * epsilon**-4},
    ("cao2020/thm1.1", 0): {},
}


@pytest.mark.parametrize(("key", "way"), REPAIRS)
def test_the_repairs_are_those_found_by_hand(key: str, way: int) -> None:
    found = (AUDITS[key], *AUDITS[key].alternatives)[way]
    expected = REPAIRS[key, way]
    assert found.repair.keys() == expected.keys()
    for symbol, value in expected.items():
        assert same(found.repair[symbol], value), symbol


def test_the_other_derivation_of_theorem_3_2_leaves_the_corollaries_as_they_are() -> None:
    """m ≥ L^15 B^(−8) ε^(−2) is below the corollaries' L^24 B^(−8) ε^(−14), and τ, η, K are as printed."""
    way = "keeping every layer's gradient"
    assert {symbol: expr for symbol, expr in AUDITS["cao2020/cor3.1"].under[way].repair.items() if symbol != m} == {}
    assert same(AUDITS["cao2020/cor3.1"].under[way].repair[m], L**15 * B**-8 * epsilon**-2)
    assert not AUDITS["cao2020/cor3.2"].under[way].repair
    assert not AUDITS["cao2020/cor3.3"].under[way].repair


# What Theorem 3.2 needs of its choices, (4.2)–(4.5) as printed. Descent is Lemma 4.2 with ‖Ŵ_l − W̃_l‖ = η G_S and
# G_S ≤ √m E_S by Lemma 4.1, summed over L layers, at most η B² m E_S²: the two terms over E_S².
NEAR: list[Inequality] = [
    (L**2, m),
    (L ** Rational(-8, 3) * tau ** Rational(-4, 3) * log(m / tau), m),
    (tau, L**-6 * log(m) ** Rational(-3, 2)),
    (eta * sqrt(m), tau),
]
ENOUGH: Inequality = (1 / (sqrt(K * eta * m) * B), epsilon)
NEEDED: Mapping[tuple[str, int], list[Inequality]] = {
    ("cao2020/thm3.2", 0): [
        (sqrt(K * eta) / B * sqrt(log(n / delta)), tau),
        (L**3 * m * eta, B**2),
        (L**2 * tau ** Rational(1, 3) * sqrt(m * log(m)), B**2 * m),
        ENOUGH,
        *NEAR,
        (L * L**2 * tau ** Rational(1, 3) * eta * m * sqrt(log(m)), eta * B**2 * m),
        (L * L**3 * m**2 * eta**2, eta * B**2 * m),
    ],
    ("cao2020/thm3.2", 1): [
        (sqrt(K * eta) * log(n / delta) ** Rational(1, 4), tau),
        (L**3 * m * eta, Integer(1)),
        (L * (L**2 * tau ** Rational(1, 3) * sqrt(m * log(m))) ** 2, B**2 * m),
        ENOUGH,
        *NEAR,
    ],
}
FREE = (m, eta, K, tau)
STATED: Mapping[sympy.Symbol, sympy.Expr] = {tau: TAU, eta: ETA, K: ITERATIONS}
DIRECTIONS = [{"L": a, "B": -b, "epsilon": -c} for a in (0, 1, 3) for b in (0, 1, 2) for c in (0, 1, 2)]
Direction = Mapping[str, float]


@pytest.mark.parametrize("way", [0, 1])
def test_what_is_needed_holds_at_the_repaired_choices(way: int) -> None:
    found = (AUDITS["cao2020/thm3.2"], *AUDITS["cao2020/thm3.2"].alternatives)[way]
    values = {**STATED, **found.repair}
    values = {symbol: expr.xreplace(dict(values)) if symbol != m else expr for symbol, expr in values.items()}
    generator = random.Random(way)
    for _ in range(60):
        moves = {name: Fraction(generator.randint(0, 40), 8) * size(name) for name in ("L", "B", "epsilon")}
        curve = curve_of({**moves, "n": Fraction(generator.randint(1, 30), 8), "delta": Fraction(-1, 2)})
        for small, large in NEEDED["cao2020/thm3.2", way]:
            at = {m: values[m]}
            low, high = (side.xreplace(values).xreplace(at) for side in (small, large))
            assert slope(low, high, curve) <= POLYLOG, (small, large, curve)


def curve_of(moves: Mapping[str, Fraction]) -> Curve:
    return Curve({name: (Fraction(0), power) for name, power in moves.items() if power})


@pytest.mark.parametrize("way", [0, 1])
def test_no_smaller_width_leaves_choices_that_do(way: int) -> None:
    """With m smaller by s^(1/20) along L = s, B = 1/s or ε = 1/s, no η, K and τ whatever satisfy what is needed."""
    needed = NEEDED["cao2020/thm3.2", way]
    width = REPAIRS["cao2020/thm3.2", way][m]
    for direction in DIRECTIONS:
        least = exponent(width, direction)
        assert feasible(needed, direction, {m: least})
        if any(direction.values()):
            assert least > 0
            assert not feasible(needed, direction, {m: least - 1 / 20})


def test_no_fewer_choices_can_be_changed() -> None:
    """With any one of the four as printed there is a direction in which the others cannot be chosen."""
    printed = {**STATED, m: L**12 * B**-4 * epsilon**-2}
    for symbol, expr in printed.items():
        assert not all(feasible(NEEDED["cao2020/thm3.2", 0], d, {}, {symbol: expr}) for d in DIRECTIONS)
    assert not all(feasible(NEEDED["cao2020/thm3.2", 1], d, {}, printed) for d in DIRECTIONS)
    assert all(feasible(NEEDED["cao2020/thm3.2", 1], d, {}, STATED) for d in DIRECTIONS)


def exponent(expr: sympy.Expr, direction: Direction) -> float:
    return sum(float(power) * direction[name] for name, power in monomial(expr))


def feasible(
    needed: Iterable[Inequality],
    direction: Direction,
    values: Mapping[sympy.Symbol, float],
    stated: Mapping[sympy.Symbol, sympy.Expr] | None = None,
) -> bool:
    """Whether there are exponents of the choices that satisfy everything, some being given or as stated."""
    pairs = [*needed, *((s, e) for s, e in (stated or {}).items()), *((e, s) for s, e in (stated or {}).items())]
    rows, bounds = [], []
    for low, high in pairs:
        for (x,) in clauses(order_of(low), order_of(high)):
            powers = {name: float(power) for name, power in x}
            rows.append([powers.get(symbol.name, 0.0) for symbol in FREE])
            bounds.append(-sum(power * direction[name] for name, power in powers.items() if name in direction))
    box = [(values.get(s), values.get(s)) if s in values else (0 if size(s.name) > 0 else None, None) for s in FREE]
    found = linprog([0] * len(FREE), A_ub=rows, b_ub=np.array(bounds) + 1e-9, bounds=box)
    return bool(found.status == 0)


def systems() -> list[tuple[str, int, list[Inequality]]]:
    """What the corollaries need: Theorem 3.2 as repaired, the lemma's conditions at its τ, and an error of at most ε.

    With τ = B^(−2) ε^(−1) m^(−1/2): τ ≤ t is m ≥ B^(−4) ε^(−2) t^(−2), and m ≥ L^(−8/3) τ^(−4/3) is
    m ≥ L^(−8) B^8 ε^4.
    """
    learned = []
    for key, bound, least, ball in (
        ("cao2020/cor3.2", 2**-L * gamma, 4**L * L**2 * gamma**-2, 8**-L * L**-2 * gamma**3),
        ("cao2020/cor3.3", gamma, gamma**-2, gamma**3),
    ):
        third = 1 if key == "cao2020/cor3.3" else L**-8
        learned.append(
            (
                key,
                0,
                [
                    (least, m),
                    (third * bound**8 * epsilon**4, m),
                    (bound**-4 * epsilon**-2 * ball**-2, m),
                    (L**18 * bound**-16 * epsilon**-2, m),
                    (L**24 * bound**-16 * epsilon**-14, m),
                    (L**2 * bound**-4 * epsilon**-4, n),
                ],
            )
        )
    return [(key, way, needed) for (key, way), needed in NEEDED.items()] + learned


@pytest.mark.parametrize(("key", "way", "needed"), systems())
def test_what_is_needed_is_what_the_proof_needs(key: str, way: int, needed: list[Inequality]) -> None:
    """By hand; of Theorem 3.2 other derivation, η, K and τ are as stated."""
    found = (AUDITS[key], *AUDITS[key].alternatives)[way]
    assert found.choices is not None
    stated = {s: e for s, e in STATED.items() if s not in found.repair} if key == "cao2020/thm3.2" else {}
    mine = {x for low, high in needed for x in inequalities(low.xreplace(stated), high.xreplace(stated))}
    theirs = {primitive(own(x)) for x in found.choices.system}
    sized = (
        {x for x in theirs if not {name for name, _ in x} & {"eta", "K"}} if key.startswith("cao2020/cor") else theirs
    )
    chosen = {s.name for s in found.repair}
    assert {x for x in mine if {name for name, _ in x} & chosen} == {
        x for x in sized if {name for name, _ in x} & chosen
    }


def inequalities(low: sympy.Expr, high: sympy.Expr) -> set[Monomial]:
    return {primitive(x) for (x,) in clauses(order_of(low), order_of(high)) if x}


# --- the smallest choices --------------------------------------------------------------------------------------------

SIZED = ("m", "n", "eta", "K")
PARAMETERS = ("L", "B", "epsilon")
powers = st.sampled_from([Fraction(p, q) for p in (-3, -2, -1, 1, 2, 3) for q in (1, 2, 3)])


@st.composite
def choice_systems(draw: st.DrawFn) -> tuple[list[str], list[TheirMonomial]]:
    names = draw(st.permutations(SIZED))[: draw(st.integers(1, 3))]

    def one() -> TheirMonomial:
        mine = draw(st.dictionaries(st.sampled_from(names), powers, min_size=1, max_size=2))
        return TheirMonomial.of({**mine, **draw(st.dictionaries(st.sampled_from(PARAMETERS), powers, max_size=2))})

    return names, [one() for _ in range(draw(st.integers(1, 5)))]


def directions(count: int) -> list[dict[str, Fraction]]:
    generator = random.Random(count)
    corners = [{name: Fraction(size(name) * (name == other)) for name in PARAMETERS} for other in PARAMETERS]
    return corners + [
        {name: Fraction(size(name) * generator.randint(0, 12), generator.randint(1, 4)) for name in PARAMETERS}
        for _ in range(count)
    ]


def best(names: list[str], system: list[TheirMonomial], at: Mapping[str, Fraction]) -> dict[str, float] | str:
    """The best exponents of the choices, one after the other, by linear programmes; or why there are none."""
    found: dict[str, float] = {}
    rows = [x for x in system if any(x[name] for name in names)]
    rows += [TheirMonomial.of({name: -1}) for name in names if size(name) > 0]
    for name in names:
        open_ = [other for other in names if other not in found]
        matrix = [[float(x[other]) for other in open_] for x in rows]
        known = {**{k: float(v) for k, v in at.items()}, **found}
        bounds = [-sum(float(e) * known.get(k, 0.0) for k, e in x.exponents) + 1e-9 for x in rows]
        aim = [(-1.0 if name == "eta" else 1.0) if other == name else 0.0 for other in open_]
        answer = linprog(aim, A_ub=matrix, b_ub=bounds, bounds=[(None, None)] * len(open_))
        if answer.status:
            return "unbounded" if answer.status == 3 else "infeasible"
        found[name] = float(answer.x[open_.index(name)])
    return found


def value_at(growth: Growth, point: Mapping[str, Fraction]) -> Fraction:
    return max(
        min(sum((e * point[name] for name, e in x.exponents), Fraction(0)) for x in term) for term in growth.terms
    )


@given(choice_systems())
@settings(max_examples=80, deadline=None)
def test_the_smallest_choices_are_those_of_a_linear_programme(drawn: tuple[list[str], list[TheirMonomial]]) -> None:
    names, system = drawn
    where = directions(6)
    answers = [best(names, system, at) for at in where]
    try:
        found = smallest_choices(system, names, ("eta",), regime((*names, *PARAMETERS)))
    except InputError:
        # Where the choices can be made is a convex cone: if they cannot be everywhere, then not on a corner.
        assert any(isinstance(answer, str) for answer in answers[: len(PARAMETERS)])
        return
    assert found.verify()
    assert repaired(found)
    for at, answer in zip(where, answers, strict=True):
        assert isinstance(answer, dict), answer
        point = dict(at)
        for choice in found.choices:
            point[choice.name] = value_at(choice.value, point)
            assert float(point[choice.name]) == pytest.approx(answer[choice.name], abs=1e-6)


# --- small derivations -----------------------------------------------------------------------------------------------

x, y, z = sympy.symbols("x y z", positive=True)


def statement(*steps: DerivationStep, conditions: tuple[Condition, ...] = (), **more: object) -> Theorem:
    derivation = Derivation(steps, **more)  # type: ignore[arg-type]
    return replace(
        CATALOGUE["cao2020/thm3.1"],
        key="test/statement",
        conditions=conditions,
        guarantees=(),
        supplies={},
        derivations=(derivation,),
    )


def statuses(*steps: DerivationStep, conditions: tuple[Condition, ...] = ()) -> dict[str, str]:
    found = audit(statement(*steps, conditions=conditions))
    assert found.verify()
    return {verdict.step.id: verdict.status for verdict in found.verdicts}


def accepted(*steps: DerivationStep) -> bool:
    """Whether the step `a` is said to follow; it may be refused, too."""
    try:
        return statuses(*steps)["a"] in ("holds", "loose")
    except InputError:
        return False


def bound(name: str, left: sympy.Expr, right: sympy.Expr, because: sympy.Expr, *uses: str) -> DerivationStep:
    return DerivationStep(name, Claim(left, "<=", right), because=because, uses=uses)


def test_a_step_cannot_rest_on_itself_or_on_what_comes_later() -> None:
    for steps in (
        [bound("a", x, 1 / n, x, "a")],
        [bound("a", x, 1 / n, y, "b"), bound("b", y, 1 / n, x, "a")],
    ):
        with pytest.raises(InputError, match="comes no earlier"):
            audit(statement(*steps))


def test_lower_bounds_are_judged_the_other_way_round() -> None:
    below = DerivationStep("a", Claim(x, ">=", n), because=n * L)
    assert statuses(below, replace(below, id="b", because=n), replace(below, id="c", because=n / L)) == {
        "a": "loose",
        "b": "holds",
        "c": "violated",
    }


def test_what_fails_by_a_logarithm_is_no_loose_claim() -> None:
    """L·m is larger than m·log n by L, but with L fixed it is smaller by log n."""
    assert statuses(bound("a", x, L * m, m * log(n))) == {"a": "violated"}


def test_bounds_are_put_in_only_on_the_side_on_which_they_carry_over() -> None:
    """2^(−K) and 1/log K fall in K, log(1/y) falls in y: an upper bound on these says nothing of how large they are."""
    few, little = bound("few", K, T, T), bound("little", y, 1 / n, 1 / n)
    assert not accepted(few, bound("a", x, 2**-T, 2**-K, "few"))
    assert not accepted(few, bound("a", x, 1 / log(T), 1 / log(K), "few"))
    assert not accepted(little, bound("a", x, log(n), log(1 / y), "little"))


def test_nor_are_bounds_on_what_stands_for_a_symbol() -> None:
    """1/z, with z = y and y ≤ n, is at least 1/n."""
    step = replace(bound("a", x, 1 / n, 1 / z, "most"), put={z: y})
    assert statuses(bound("most", y, n, n), step)["a"] == "violated"


def test_of_two_bounds_on_a_symbol_either_may_be_used() -> None:
    first, second = bound("first", y, n, n), bound("second", y, m, m)
    assert statuses(first, second, bound("a", x, n, y, "first", "second"))["a"] != "violated"
    assert statuses(first, second, bound("a", x, m, y, "first", "second"))["a"] != "violated"


def test_logarithms_that_a_premise_hides_are_not_overlooked() -> None:
    """τ ≤ Õ(1/m) bounds τ·m by a power of log m, not by a constant."""
    step = DerivationStep("a", Claim(tau * m, "<=", Integer(1)), needed=True)
    (verdict,) = audit(statement(step, conditions=(Condition(tau, "<=", Otilde(1 / m, "tau")),))).verdicts
    assert verdict.up_to_logarithms or verdict.status != "holds"


def test_small_and_free_quantities_have_logarithms_too() -> None:
    small = Condition(tau, "<=", 1 / m)
    assert statuses(bound("a", x, tau, tau * log(1 / tau)), conditions=(small,)) == {"a": "violated"}


def test_clear_violations_are_seen_beside_premises_that_branch_or_bind() -> None:
    either = DerivationStep(
        "a", Claim(x, "<=", eta), because=eta**2, where=(Claim(L, "<=", sympy.Max(n, 1 / epsilon)),)
    )
    least = (Condition(m, ">=", L**4 * B**-2),)
    assert statuses(either, conditions=least) == {"a": "violated"}
    deep = (Condition(m, ">=", O(2**L / epsilon, "m")),)
    assert statuses(bound("a", x, epsilon * m, Integer(1)), conditions=deep) == {"a": "loose"}
    assert statuses(bound("a", x, epsilon * m / L, 2**L), conditions=deep) == {"a": "violated"}
    assert statuses(bound("a", x, epsilon / B, B), conditions=(Condition(m, ">=", n + 2**-L * epsilon),)) == {
        "a": "violated"
    }


def test_a_choice_stays_in_its_domain_when_later_ones_are_made() -> None:
    """K ≥ η ≥ L² ε: the least number of iterations is that or 1, whichever is larger."""
    system = [TheirMonomial.of({"eta": 1, "K": -1}), TheirMonomial.of({"L": 2, "epsilon": 1, "eta": -1})]
    found = smallest_choices(system, ["K", "eta"], ["eta"], regime(["K", "eta", "L", "epsilon"]))
    assert value_at(found.choices[0].value, {"L": Fraction(0), "epsilon": Fraction(-1)}) == 0


def test_far_points_are_where_they_should_be() -> None:
    """The tests' own ruler: on L = s, ε = 1/s the ratio of 2^L·ε to L³·ε² has a slope beyond any polynomial."""
    curve = curve_of({"L": Fraction(1), "epsilon": Fraction(-1)})
    point = far_point(curve, [L, epsilon], mpf(150))
    assert ln(L**3 * epsilon**2, point) == pytest.approx(150 - 2 * mp.log(50))
    assert slope(L**3 * epsilon**2 * log(L), L, curve) == pytest.approx(0, abs=0.01)
    assert slope(2**L, L**9, curve, far=20) > 10**6
