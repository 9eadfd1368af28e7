"""The max-plus algebra: growths against brute force, certificates and witnesses against an independent checker."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product as choices

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from logarithms import (
    CONSTANT_ALONG,
    DEEP,
    Coordinates,
    along,
    at,
    condition_holds,
    correct,
    holds,
    log_of,
    proves,
    refutes,
)
from mpmath import mp
from oracle import FORMULAS, Point

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, Otilde
from boundcalc.errors import InputError
from boundcalc.formula import parse_formula
from boundcalc.symbols import VOCABULARY
from boundcalc.tropical import (
    CONSTANT,
    ONE,
    Cases,
    Certificate,
    Growth,
    Monomial,
    Proof,
    Region,
    Witness,
    alternative,
    decide,
    entails,
    maximum,
    minimum,
    monomial_expr,
    quotients,
    read_growth,
    reduce_clauses,
    regime,
    region_expr,
    solve_monomial,
)
from boundcalc.tropical.regions import follows, prove

LARGE, SMALL, FREE = ("L", "n", "m"), ("epsilon", "phi"), ("R", "tau")
PLAIN = (*LARGE, *SMALL, *FREE)


def monomial(**exponents: Fraction | int | str) -> Monomial:
    """A monomial; `two_L` is the exponent of 2^L."""
    return Monomial.of({name.replace("two_", "2^"): Fraction(power) for name, power in exponents.items()})


exponents = st.fractions(-3, 3, max_denominator=4)


def monomials(names: Sequence[str]) -> st.SearchStrategy[Monomial]:
    return st.dictionaries(st.sampled_from(names), exponents, max_size=3).map(Monomial.of)


def growths(names: Sequence[str]) -> st.SearchStrategy[Growth]:
    terms = st.frozensets(st.frozensets(monomials(names), min_size=1, max_size=2), min_size=1, max_size=3)
    return terms.map(lambda sets: maximum(*(Growth(frozenset({term})) for term in sets)))


@st.composite
def points(draw: st.DrawFn, names: Sequence[str]) -> Coordinates:
    """Logarithms of the variables, within the regime; that of 2^L beyond any multiple of that of L that matters."""
    point: Coordinates = {}
    for name in names:
        size = draw(st.fractions(0, 5, max_denominator=6))
        free = draw(st.booleans()) if name in FREE else name in SMALL
        point[name] = -size if free else size
    if DEEP in names:
        point[DEEP] = (point["L"] + bool(point["L"])) * draw(st.integers(10**6, 10**7))
    return point


# --- growths --------------------------------------------------------------------------------------------------------

Tree = tuple[Growth, Callable[[Coordinates], Fraction]]


def trees() -> st.SearchStrategy[Tree]:
    """Growths with the function of the logarithms that they should be, built by the operations in parallel."""
    leaves = monomials(PLAIN).map(lambda m: (Growth.of(m), lambda point: log_of(m, point)))

    def combine(children: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        pair = st.tuples(children, children)
        return st.one_of(
            pair.map(lambda p: (maximum(p[0][0], p[1][0]), lambda x: max(p[0][1](x), p[1][1](x)))),
            pair.map(lambda p: (minimum(p[0][0], p[1][0]), lambda x: min(p[0][1](x), p[1][1](x)))),
            pair.map(lambda p: (p[0][0] * p[1][0], lambda x: p[0][1](x) + p[1][1](x))),
            st.tuples(children, exponents).map(lambda p: (p[0][0] ** p[1], lambda x: p[0][1](x) * p[1])),
        )

    return st.recursive(leaves, combine, max_leaves=4)


@given(trees(), st.lists(points(PLAIN), min_size=3, max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_growth_is_the_lattice_polynomial_that_it_is_built_as(tree: Tree, where: list[Coordinates]) -> None:
    growth, function = tree
    for point in where:
        assert at(growth, point) == function(point)
        assert min(max(log_of(m, point) for m in clause) for clause in growth.clauses) == function(point)


def test_normal_forms_hold_no_set_that_holds_another() -> None:
    n, L = Growth.of(monomial(n=1)), Growth.of(monomial(L=1))
    assert maximum(n, minimum(n, L)) == n
    assert minimum(n, maximum(n, L)) == n
    assert (n * L) ** 0 == CONSTANT
    assert n ** Fraction(1, 2) * n ** Fraction(-1, 2) == CONSTANT


def test_too_many_alternatives_are_refused() -> None:
    pairs = [maximum(Growth.of(monomial(n=k)), Growth.of(monomial(L=k))) for k in range(1, 12)]
    with pytest.raises(InputError, match="branch into"):
        minimum(*pairs)
    wide = maximum(*(Growth.of(monomial(n=k, L=-k)) for k in range(40)))
    with pytest.raises(InputError, match="branch into 1600"):
        wide * wide


def test_primitive_monomials_say_the_same() -> None:
    assert monomial(n="3/2", phi="-1/2").primitive() == monomial(n=3, phi=-1)
    assert monomial(L=-22, n=4).primitive() == monomial(L=-11, n=2)
    assert ONE.primitive() == ONE


# --- the linear programme -------------------------------------------------------------------------------------------

numbers = st.one_of(st.integers(-4, 4).map(Fraction), st.fractions(-2, 2, max_denominator=5))


@st.composite
def systems(draw: st.DrawFn) -> tuple[list[list[Fraction]], list[Fraction]]:
    rows, columns = draw(st.integers(1, 7)), draw(st.integers(1, 5))
    matrix = [[draw(numbers) for _ in range(columns)] for _ in range(rows)]
    return matrix, [draw(numbers) for _ in range(rows)]


def dot(x: Iterable[Fraction], y: Iterable[Fraction]) -> Fraction:
    return sum((a * b for a, b in zip(x, y, strict=True)), Fraction(0))


@given(systems())
@settings(max_examples=200, deadline=None)
def test_the_alternative_solves_the_system_or_proves_that_nothing_does(
    system: tuple[list[list[Fraction]], list[Fraction]],
) -> None:
    rows, bounds = system
    point, multipliers = alternative(rows, bounds)
    if point is not None:
        assert multipliers is None
        assert all(dot(row, point) >= bound for row, bound in zip(rows, bounds, strict=True))
    else:
        assert multipliers is not None
        assert min(multipliers) >= 0
        assert all(dot(multipliers, column) == 0 for column in zip(*rows, strict=True))
        assert dot(multipliers, bounds) == 1


def test_the_alternative_agrees_with_scipy() -> None:
    from scipy.optimize import linprog

    generator = random.Random(1)
    outcomes = set()
    for _ in range(120):
        shape = generator.randint(1, 6), generator.randint(1, 4)
        matrix = [[generator.randint(-5, 5) for _ in range(shape[1])] for _ in range(shape[0])]
        bounds = [generator.randint(-3, 3) for _ in range(shape[0])]
        point, _ = alternative(
            [[Fraction(entry) for entry in row] for row in matrix], [Fraction(bound) for bound in bounds]
        )
        found = linprog([0] * shape[1], A_ub=-np.array(matrix), b_ub=-np.array(bounds), bounds=(None, None))
        assert (point is not None) == (found.status == 0)
        outcomes.add(found.status)
    assert outcomes == {0, 2}


def test_degenerate_systems_end() -> None:
    """Beale's example, on which the simplex method without Bland's rule can run in a circle."""
    rows = [[Fraction(x) for x in row] for row in ((-1, 32, 4, -36), (-1, 24, 1, -6), (0, 0, -1, 0), (3, -80, 2, -24))]
    point, _ = alternative(rows, [Fraction(0), Fraction(0), Fraction(-1), Fraction(1)])
    assert point is not None


# --- certificates and witnesses, checked without the library's own arithmetic -------------------------------------


@given(st.lists(monomials(PLAIN), max_size=2), st.lists(monomials(PLAIN), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_an_entailment_is_certified_or_refuted(premises: list[Monomial], conclusions: list[Monomial]) -> None:
    given_ = (*regime(PLAIN), *premises)
    check(given_, conclusions, entails(given_, conclusions))


@given(
    st.lists(monomials(("L", DEEP, "n", "epsilon", "R")), max_size=2),
    st.lists(monomials(("L", DEEP, "n", "epsilon", "R")), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_an_entailment_with_2_to_the_L_is_certified_or_refuted(
    premises: list[Monomial], conclusions: list[Monomial]
) -> None:
    given_ = (*regime(("L", DEEP, "n", "epsilon")), *premises)
    check(given_, conclusions, entails(given_, conclusions))


def check(premises: Sequence[Monomial], conclusions: Sequence[Monomial], found: Certificate | Witness) -> None:
    if isinstance(found, Certificate):
        assert proves(found, premises, conclusions)
        assert found.proves(premises, conclusions)
    else:
        assert refutes(found, premises, conclusions)
        assert found.refutes(premises, conclusions)
        simplest = found.simplest(premises, conclusions)
        assert refutes(simplest, premises, conclusions)


DEPTH = regime(("L", DEEP, "n"))


@pytest.mark.parametrize(
    ("premises", "conclusion", "follows"),
    [
        ((), monomial(L=5, two_L=-1), True),
        ((), monomial(L=1000, two_L="-1/1000"), True),
        ((), monomial(L=-5, two_L=1), False),
        ((), monomial(L=5, two_L=-1, n=-1), True),
        ((), monomial(L=5, two_L=-1, n=1), False),
        ((), monomial(L=1, two_L=0), False),
        # n ≤ L^7: then n is below 2^L, and n² below 2^L too
        ((monomial(n=1, L=-7),), monomial(n=2, two_L=-1), True),
        # n ≤ 2^L/L: then n·√L < 2^L, but n·L² is not
        ((monomial(n=1, two_L=-1, L=1),), monomial(n=1, two_L=-1, L="1/2"), True),
        ((monomial(n=1, two_L=-1, L=1),), monomial(n=1, two_L=-1, L=2), False),
        # L⁴ ≤ n¹²: no bound on n, and L² ≤ n⁵ fails at L = n³
        ((monomial(L=4, n=-12), monomial(two_L=-1)), monomial(L=2, n=-5), False),
        # L bounded: then 2^L is, too
        ((monomial(L=2),), monomial(two_L=3, L=2), True),
        ((monomial(two_L=1, L=-9),), monomial(L=1), True),
        ((monomial(two_L=1, L=-9),), monomial(two_L=7), True),
        ((monomial(L=1, n=-1),), monomial(two_L=1, n=-50), False),
    ],
)
def test_powers_and_exponentials_of_L(premises: tuple[Monomial, ...], conclusion: Monomial, follows: bool) -> None:
    found = entails((*DEPTH, *premises), [conclusion])
    assert isinstance(found, Certificate) == follows
    check((*DEPTH, *premises), [conclusion], found)


def test_two_exponentials_are_refused() -> None:
    with pytest.raises(InputError, match=r"2\^L and 2\^n cannot be compared exactly"):
        entails([], [Monomial.of({"2^L": Fraction(1), "2^n": Fraction(-1)})])


def test_the_mean_of_two_is_below_their_sum() -> None:
    """√(nL) ≤ n + L by weights one half each: neither n nor L alone is above √(nL)."""
    n, L = Growth.of(monomial(n=1)), Growth.of(monomial(L=1))
    region = decide((n * L) ** Fraction(1, 2), maximum(n, L), regime(("n", "L")))
    assert region.everywhere
    (proof,) = region.certificates
    assert proof.premises == ()
    assert [weight for _, weight in proof.conclusions] == [Fraction(1, 2), Fraction(1, 2)]


def test_corrupted_certificates_are_rejected() -> None:
    premises = regime(("n", "L", "phi"))
    conclusion = monomial(n=-2, L=-1, phi=3)
    found = entails(premises, [conclusion])
    assert isinstance(found, Certificate)
    assert found.proves(premises, [conclusion])
    (first, power), *rest = found.premises
    other = (monomial(n=-3, L=-1, phi=3), Fraction(1))
    corrupted = [
        replace(found, premises=((first, power + 1), *rest)),
        replace(found, premises=tuple(rest)),
        replace(found, premises=((first, -power), *rest)),
        replace(found, conclusions=(other,)),
        replace(found, conclusions=((conclusion, Fraction(2)),)),
        replace(found, premises=(), conclusions=()),
        replace(found, premises=(*found.premises, (monomial(two_L=1), Fraction(1)))),
    ]
    assert not any(wrong.proves(premises, [conclusion]) for wrong in corrupted)
    assert not found.proves(premises[1:], [conclusion])
    assert not found.proves(premises, [monomial(n=-2)])


def test_an_axiom_needs_2_to_the_L_to_spare() -> None:
    wrong = monomial(two_L=1, L=-5)
    certificate = Certificate(((wrong, Fraction(1)),), ((wrong, Fraction(1)),))
    assert not certificate.proves(DEPTH, [wrong])
    right = wrong**-1
    assert Certificate(((right, Fraction(1)),), ((right, Fraction(1)),)).proves(DEPTH, [right])


def test_corrupted_witnesses_are_rejected() -> None:
    conclusion = monomial(n=1, L=-3)
    found = entails(regime(("n", "L")), [conclusion])
    assert isinstance(found, Witness)
    assert found.refutes(regime(("n", "L")), [conclusion])
    assert not Witness(found.power**-1).refutes(regime(("n", "L")), [conclusion])
    # L = s² with 2^L = 2^s is no curve, nor is L = s with 2^L constant
    for power, rate in ((monomial(L=2), monomial(two_L=1)), (monomial(L=1), ONE), (ONE, monomial(two_L=1))):
        assert not Witness(power, rate).refutes(DEPTH, [monomial(L=1, two_L=1)])
    assert Witness(monomial(L=1), monomial(two_L=1)).refutes(DEPTH, [monomial(L=1, two_L=1)])


# --- regions --------------------------------------------------------------------------------------------------------


@given(growths(PLAIN), growths(PLAIN), st.lists(points(PLAIN), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_region_is_where_one_growth_is_at_most_the_other(a: Growth, b: Growth, where: list[Coordinates]) -> None:
    region = decide(a, b, regime(PLAIN))
    compare_at(region, a, b, where)


DEEP_NAMES = ("L", DEEP, "n", "epsilon", "R")


@given(growths(DEEP_NAMES), growths(DEEP_NAMES), st.lists(points(DEEP_NAMES), min_size=8, max_size=8))
@settings(max_examples=40, deadline=None)
def test_a_region_with_2_to_the_L_is_where_one_growth_is_at_most_the_other(
    a: Growth, b: Growth, where: list[Coordinates]
) -> None:
    region = decide(a, b, regime(DEEP_NAMES))
    compare_at(region, a, b, where)


def compare_at(region: Region, a: Growth, b: Growth, where: list[Coordinates]) -> None:
    for point in where:
        smaller = at(a, point) <= at(b, point)
        assert holds(region.clauses, point) == smaller
        assert condition_holds(region_expr(region, None), point) == smaller
        assert condition_holds(region_expr(region, "L"), point) == smaller
    assert correct(region)
    assert region.verify()
    if (witness := region.witness) is not None:
        assert a.at(lambda m: along(witness, m)) > b.at(lambda m: along(witness, m))
        assert refutes(witness, region.regime, [])


def test_corrupted_regions_are_rejected() -> None:
    n, L, epsilon = (Growth.of(monomial(**{name: 1})) for name in ("n", "L", "epsilon"))
    region = decide(maximum(n * L**2, L), maximum(n**2, L * epsilon**-1, L), regime(("n", "L", "epsilon")))
    assert region.verify()
    kept, always = region.derivations
    assert kept.dropped
    assert always.proof is not None
    wrong = Certificate((), ((monomial(n=1), Fraction(1)),))
    for corrupted in (
        replace(region, clauses=()),
        replace(region, clauses=(frozenset({monomial(n=1)}),)),
        replace(region, witness=None),
        replace(region, witness=Witness(monomial(n=1))),
        replace(region, written=(*region.written, frozenset({monomial(n=1)}))),
        replace(region, derivations=(kept,)),
        replace(region, derivations=(always,)),
        replace(region, derivations=(kept, replace(always, proof=wrong))),
        replace(region, derivations=(replace(kept, dropped=()), always)),
        replace(region, derivations=(replace(kept, source=kept.clause), always)),
        replace(region, derivations=(replace(kept, dropped=tuple((m, wrong) for m, _ in kept.dropped)), always)),
    ):
        assert not corrupted.verify()
        assert not correct(corrupted) or corrupted.witness != region.witness


def with_a_case_missing(proof: Proof) -> Proof:
    if isinstance(proof, Certificate):
        return proof
    if len(proof.proofs) > 1:
        return Cases(proof.proofs[:1])
    return Cases(tuple((m, with_a_case_missing(part)) for m, part in proof.proofs))


def test_a_proof_by_cases_needs_every_case_of_a_clause_that_is_there() -> None:
    facts = regime(("n", "L", "epsilon"))
    either = frozenset({monomial(n=1, L=-1), monomial(n=1, epsilon=1)})
    clauses = [either, frozenset({monomial(L=1, R=-1)}), frozenset({monomial(epsilon=-1, R=-1)})]
    implied = frozenset({monomial(n=1, R=-1)})
    proof = prove(facts, clauses, implied)
    assert isinstance(proof, Cases)
    assert follows(proof, facts, clauses, implied)
    assert not follows(with_a_case_missing(proof), facts, clauses, implied)
    assert not follows(proof, facts, clauses[1:], implied)
    witness = prove(facts, clauses[:2], implied)
    assert isinstance(witness, Witness)
    assert refutes(witness, facts, implied)
    assert all(any(along(witness, m) <= CONSTANT_ALONG for m in clause) for clause in clauses[:2])


def test_what_the_regime_or_other_clauses_say_is_left_out() -> None:
    facts = regime(("n", "L", "epsilon"))
    always = frozenset({monomial(n=-1, epsilon=2)})
    stronger, weaker = frozenset({monomial(n=2, L=-1)}), frozenset({monomial(n=1, L=-1)})
    region = reduce_clauses([always, stronger, weaker], facts)
    assert region.clauses == (stronger,)
    # of two alternatives, one of which implies the other, the weaker stays
    region = reduce_clauses([stronger | weaker], facts)
    assert region.clauses == (weaker,)
    assert region.verify()


def test_a_clause_may_follow_from_several_others_together() -> None:
    """n ≤ L or n ≤ 1/ε, with L ≤ R and 1/ε ≤ R, give n ≤ R: by cases, not by any one of them."""
    facts = regime(("n", "L", "epsilon"))
    clauses = [
        frozenset({monomial(n=1, L=-1), monomial(n=1, epsilon=1)}),
        frozenset({monomial(L=1, R=-1)}),
        frozenset({monomial(epsilon=-1, R=-1)}),
    ]
    implied = frozenset({monomial(n=1, R=-1)})
    region = reduce_clauses([*clauses, implied], facts)
    assert set(region.clauses) == set(clauses)
    assert correct(region)


@pytest.mark.parametrize(
    ("exponents", "target", "solved"),
    [
        ({"L": 6, "n": -2}, "L", ("L", "≤", {"n": "1/3"})),
        ({"L": 6, "n": -2}, None, ("n", "≥", {"L": 3})),
        ({"L": -6, "epsilon": -1}, "L", ("L", "≥", {"epsilon": "-1/6"})),
        ({"2^L": 8, "L": 1, "epsilon": 2}, "L", ("epsilon", "≤", {"2^L": -4, "L": "-1/2"})),
        ({"2^L": 1, "L": -3}, "L", None),
    ],
)
def test_an_inequality_is_solved_for_a_symbol(
    exponents: dict[str, int], target: str | None, solved: tuple[str, str, dict[str, Fraction | str]] | None
) -> None:
    left, sense, right = solve_monomial(Monomial.of(exponents), target)
    if solved is None:
        assert (left, sense, right) == (Monomial.of(exponents), "≤", ONE)
    else:
        name, expected_sense, powers = solved
        assert left == Monomial.of({name: 1})
        assert sense == expected_sense
        assert right == Monomial.of({other: Fraction(power) for other, power in powers.items()})


def test_what_is_everywhere_at_least_one_is_taken_apart() -> None:
    facts = regime(("n", "phi", "L", DEEP))
    n, phi, L = (VOCABULARY[name].expr for name in ("n", "phi", "L"))
    thin = reduce_clauses([frozenset({monomial(n=2, phi=-3)})], facts)
    assert set(region_expr(thin, None).args) == {sympy.Le(n, 1), sympy.Ge(phi, 1)}
    assert region_expr(reduce_clauses([frozenset({monomial(two_L=2, L=-7)})], facts), None) == sympy.Le(L, 1)


# --- formulas -------------------------------------------------------------------------------------------------------

SCALE = 1500


def oracle_cases() -> list[tuple[str, str, str, int]]:
    """Every inequality of the catalogue: key, reading, symbol, and which of the inequalities on that symbol."""
    cases: list[tuple[str, str, str, int]] = []
    for theorem in CATALOGUE.all():
        for symbol in dict.fromkeys(bound.symbol.name for bound in theorem.bounds):
            bounds = theorem.bounds_on(VOCABULARY[symbol].expr)
            cases += [(theorem.key, theorem.reading, symbol, index) for index in range(len(bounds))]
    return cases


@pytest.mark.parametrize(("key", "reading", "symbol", "index"), [c for c in oracle_cases() if c[2] != "loss_ratio"])
def test_a_growth_is_the_slope_of_the_formula_in_logarithms(key: str, reading: str, symbol: str, index: int) -> None:
    """At x_i = 2^(s·c_i) with s = 1500, log₂ of the formula is s times the growth, but for constants and logarithms."""
    theorem = CATALOGUE.find(key, reading)
    bound = theorem.bounds_on(VOCABULARY[symbol].expr)[index]
    read = read_growth(bound.expr, {"alpha": sympy.Rational(1, 2)}, key=key)
    formula = FORMULAS[key + (":unfolded" if reading == "unfolded" else ""), symbol][index]
    deep = DEEP in read.growth.variables
    generator = random.Random(f"{key} {symbol} {index}")
    for _ in range(2):
        point: Coordinates = {}
        values: dict[str, Fraction] = {"alpha": Fraction(1, 2)}
        for name in {s.name for s in theorem.symbols} - {"alpha"}:
            domain = VOCABULARY[name].domain
            size = Fraction(generator.randint(1, 4))
            point[name] = size if domain.lower else -size
            values[name] = Fraction(2) ** int(SCALE * point[name])
        if deep:
            point[DEEP] = Fraction(generator.randint(1, 3))
            values["L"] = SCALE * point[DEEP]
            point["L"] = Fraction(math.log2(values["L"])) / SCALE
        # Constants that no source gives a value are 1, as under the unit policy.
        values |= {c.name: ConstantPolicy().use(c, key).value for c in theorem.constants if c.role == "p"}
        with mp.workdps(8 * SCALE // 3):
            slope = mp.log(formula(Point(values)), 2) / SCALE
        expected = at(read.growth, point)
        assert abs(slope - mp.mpf(expected.numerator) / expected.denominator) < 0.1


def growth(text: str, **given_: str) -> Growth:
    return read_growth(parse_formula(text), {name: parse_formula(value) for name, value in given_.items()}).growth


@pytest.mark.parametrize(
    ("formula", "same"),
    [
        ("7*n^2/3", "n^2"),
        ("n*log(n/delta)^(7/3)", "n"),
        ("n^2 + 5*n*L + 1", "max(n^2, n*L, 1)"),
        ("1/(n + L)", "min(1/n, 1/L)"),
        ("(n + L)^(-1/2)*max(n, L)", "sqrt(n + L)"),
        ("4^L*8^(-L)*2^(3*L)", "2^(2*L)"),
        ("(1/2)^(-L)", "2^L"),
        ("2^(L/2 + 3)*2^7", "2^(L/2)"),
        ("(2^L)^3", "8^L"),
        ("n^alpha", "n^(1/2)"),
        ("(L^3*n)^(1/alpha)", "L^6*n^2"),
        ("alpha*n", "n"),
        ("n^(2*(alpha + 1/2)^2)", "n^2"),
        ("-log(epsilon)*n", "n"),
        ("-log(1 - eta*lambda_0/2)", "eta*lambda_0"),
        ("n/log(1 - eta)*(-1)", "n/eta"),
        ("(-n)*(-L)", "n*L"),
        ("n/(2 - alpha)", "n"),
        ("n*(1 + sqrt(2))", "n"),
        ("n*(1 - 2*alpha + 1)", "n"),
        ("H^2*2^H", "L^2*2^L"),
        ("exp(1)*3^(1/2)*n", "n"),
        ("exp(alpha)*7^alpha*n", "n"),
    ],
)
def test_formulas_with_the_same_growth(formula: str, same: str) -> None:
    one, other = growth(formula), growth(same)
    facts = regime(one.variables | other.variables)
    assert decide(one, other, facts).everywhere
    assert decide(other, one, facts).everywhere


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("n - L", r"n - L is a difference"),
        ("log(n - L)", r"is a difference"),
        ("1 - delta", r"is a difference"),
        ("-n", r"-n is negative"),
        ("log(delta)", r"log\(δ\) is negative"),
        ("0*n", r"0 has no order of growth"),
        ("n*(1 - 2*alpha)", r"0 has no order of growth"),
        ("n*(1 - 3*alpha)", r"is negative"),
        ("3^L", r"3\^L: only 2, 4, 8"),
        ("exp(L)", r"exp\(L\): only 2, 4, 8"),
        ("(-2)^L", r"only powers of positive numbers"),
        ("2^(L*n)", r"no exact number or multiple of one symbol"),
        ("2^(L + n)", r"to the power of one symbol"),
        ("2^epsilon", r"epsilon is not ≥ 1"),
        ("n^L", r"an exponent needs a number; give L=…"),
        ("n^log(L)", r"the exponent log\(L\) is no exact number"),
        ("(-n)^(1/2)", r"root of a negative"),
    ],
)
def test_formulas_without_a_growth_are_refused(formula: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        growth(formula)


def test_what_is_given_is_put_in_to_the_end() -> None:
    assert growth("R^2*n", R="n^(3/2)/sqrt(phi)", n="epsilon^(-2)") == growth("epsilon^(-8)/phi")
    assert growth("2^L*L", L="5") == CONSTANT
    assert growth("n^d", d="3") == growth("n^3")
    assert growth("2^d", d="2*L") == growth("4^L")
    assert growth("R", R="log(n/delta) + log(1/epsilon)") == CONSTANT
    with pytest.raises(InputError, match="R is given in terms of itself: R → n → R"):
        growth("R", R="n", n="R^2")


def test_what_went_into_a_growth_is_said() -> None:
    read = read_growth(parse_formula("n^alpha*log(n/delta)*2^L"), key="")
    assert [(a.name, a.expr, a.why) for a in read.assumed] == [("alpha", sympy.Rational(1, 2), "default")]
    assert [str(log) for log in read.logs] == ["log(n/delta)"]
    assert read.exponential_logs == ()
    hidden = read_growth(Otilde(parse_formula("4^L*n"), "m"))
    assert [str(inside) for inside in hidden.exponential_logs] == ["4**L*n"]


def test_the_log_of_an_exponential_is_no_log() -> None:
    assert read_growth(parse_formula("n*log(4^L*n)")).growth == Growth.of(monomial(n=1, L=1))
    assert read_growth(parse_formula("log(max(2^L, 4^L*n))")).growth == Growth.of(monomial(L=1))
    with pytest.raises(InputError, match="difference of L and a logarithm"):
        read_growth(parse_formula("log(2^L/n)"))


@pytest.mark.parametrize("formula", ["log(n)^L", "(2*log(n))^n", "sqrt(2)^L", "(1+1/2)^L", "alpha^L"])
def test_a_symbol_in_an_exponent_is_never_overlooked(formula: str) -> None:
    with pytest.raises(InputError, match="exponent"):
        read_growth(parse_formula(formula))


@given(monomials((*PLAIN, DEEP)))
def test_a_monomial_survives_being_written_as_a_formula(m: Monomial) -> None:
    assert read_growth(monomial_expr(m)).growth == Growth.of(m)


def test_the_regime_follows_the_domains() -> None:
    facts = regime(("n", "epsilon", "phi", "R", "tau", DEEP, "L", "T", "B", "alpha"))
    assert set(facts) >= {monomial(n=-1), monomial(epsilon=1), monomial(phi=1), monomial(two_L=-1), monomial(T=-1)}
    assert monomial(B=1) in facts
    assert not any({"R", "tau"} & set(fact.powers) for fact in facts)


def test_quotients_are_the_clauses_of_an_inequality() -> None:
    a = minimum(Growth.of(monomial(n=1)), Growth.of(monomial(L=1)))
    b = maximum(Growth.of(monomial(R=1)), Growth.of(monomial(m=1)))
    expected = {monomial(**{x: 1, y: -1}) for x, y in choices(("n", "L"), ("R", "m"))}
    assert quotients(a, b) == frozenset({frozenset(expected)})
