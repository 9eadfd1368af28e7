"""What every statement of the catalogue must be, in every reading, against the transcription in `oracle`."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction

import pytest
import sympy
from mpmath import isfinite, mp, mpf
from oracle import FORMULAS, Point, random_values, relation, rounded_log10

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy, HiddenConstant, Notation
from boundcalc.errors import NumericsError, UnknownNameError
from boundcalc.numerics import log10, positive_ball
from boundcalc.solving import evaluate
from boundcalc.symbols import ALIASES, QUANTITIES, VOCABULARY
from boundcalc.theorem import Bound, Guarantee, Theorem

SECONDARY = {
    "zou2020", "zou2019", "allenzhu2019", "du2019", "cao2019", "ji2020", "bartlett2017", "neyshabur2018",
}  # fmt: skip
KEYS = SECONDARY | {
    "chen2019/thm2.1", "chen2019/thm2.2", "chen2019/thm2.3",
    "cao2020/thm1.1", "cao2020/thm3.1", "cao2020/rem3.1", "cao2020/thm3.2",
    "cao2020/cor3.1", "cao2020/cor3.2", "cao2020/cor3.3",
    "cao2020/lem4.1", "cao2020/lem4.2", "cao2020/lem4.3", "cao2020/lem4.4", "cao2020/lem4.5",
}  # fmt: skip

THEOREMS = CATALOGUE.all()


def name_of(theorem: Theorem) -> str:
    return theorem.key + ("" if theorem.reading == "stated" else f":{theorem.reading}")


def vocabulary_symbols(expr: sympy.Expr) -> set[str]:
    return {s.name for s in expr.free_symbols if not isinstance(s, HiddenConstant)}


every_theorem = pytest.mark.parametrize("theorem", THEOREMS, ids=name_of)

BOUNDS = [
    pytest.param(theorem, bound, index, id=f"{name_of(theorem)}-{symbol.name}-{index}")
    for theorem in THEOREMS
    for symbol in dict.fromkeys(bound.symbol for bound in theorem.bounds)
    for index, bound in enumerate(theorem.bounds_on(symbol))
]
every_bound = pytest.mark.parametrize(("theorem", "bound", "index"), BOUNDS)


def test_the_catalogue_holds_exactly_the_known_statements() -> None:
    assert set(CATALOGUE) - {"cao2020/rem3.2"} == KEYS


def test_the_transcription_covers_exactly_the_catalogue() -> None:
    bounded = defaultdict(int)
    for theorem in THEOREMS:
        for bound in theorem.bounds:
            bounded[name_of(theorem), bound.symbol.name] += 1
    assert bounded == {where: len(formulas) for where, formulas in FORMULAS.items()}


def test_the_corollaries_have_both_readings_and_nothing_else_does() -> None:
    both = {key for key in CATALOGUE if len(CATALOGUE.readings(key)) == 2}
    assert both == {"cao2020/cor3.1", "cao2020/cor3.2", "cao2020/cor3.3"}


def test_an_unknown_key_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"cao2020/thm3\.1"):
        CATALOGUE.find("cao2020/thm31")


@every_theorem
def test_the_place_in_the_literature_is_given(theorem: Theorem) -> None:
    paper = theorem.source.paper
    assert paper.key == theorem.key.partition("/")[0]
    for fact in (paper.authors, paper.title, paper.venue, paper.version, theorem.source.locator, theorem.title):
        assert fact.strip()
    if "/" in theorem.key:
        # `thm3.2` stands for a locator that says 3.2.
        assert theorem.key.rpartition("/")[2].lstrip("abcdefghijklmnopqrstuvwxyz") in theorem.source.locator


@every_theorem
def test_results_known_from_citations_alone_are_marked_secondary(theorem: Theorem) -> None:
    expected = "secondary" if theorem.key in SECONDARY else {"stated": "stated", "unfolded": "reconstructed"}
    assert theorem.provenance == (expected if isinstance(expected, str) else expected[theorem.reading])


@every_theorem
def test_the_depth_is_counted_as_the_paper_counts_it(theorem: Theorem) -> None:
    paper = theorem.key.partition("/")[0]
    # From three hidden layers: chen2019 counts four weight matrices, cao2020 three layers.
    if paper == "chen2019":
        assert theorem.setting.depth.from_hidden_layers(Fraction(3)) == 4
    elif paper == "cao2020":
        assert theorem.setting.depth.from_hidden_layers(Fraction(3)) == 3
    elif paper in ("du2019", "ji2020"):
        assert "L" not in {s.name for s in theorem.symbols}


@every_theorem
def test_every_symbol_is_in_the_vocabulary_as_written_there(theorem: Theorem) -> None:
    for bound in theorem.bounds:
        for symbol in {bound.symbol} | bound.expr.free_symbols:
            if not isinstance(symbol, HiddenConstant):
                assert symbol == VOCABULARY[symbol.name].expr
    for hypothesis in theorem.hypotheses:
        assert hypothesis.name
        assert hypothesis.statement
        assert hypothesis.symbol is None or hypothesis.symbol.name in VOCABULARY


@every_theorem
def test_every_bounded_symbol_can_be_asked_for(theorem: Theorem) -> None:
    for bound in theorem.bounds:
        quantity = VOCABULARY[bound.symbol.name].quantity
        assert quantity in QUANTITIES
        assert quantity in theorem.quantities


def notations(theorem: Theorem) -> set[Notation]:
    expressions = [bound.expr for bound in theorem.bounds]
    return set().union(*(expr.atoms(Notation) for expr in expressions))


@every_theorem
def test_no_two_notations_share_a_constant(theorem: Theorem) -> None:
    owners: dict[HiddenConstant, Notation] = {}
    for notation in notations(theorem):
        for constant in notation.args[1:]:
            assert owners.setdefault(constant, notation) == notation


@every_theorem
def test_every_soft_notation_owns_a_factor_and_a_log_power(theorem: Theorem) -> None:
    for notation in notations(theorem):
        roles = [constant.role for constant in notation.args[1:]]
        hides = {constant.hides for constant in notation.args[1:]}
        assert roles == (["C", "k"] if "tilde" in type(notation).__name__ else ["C"])
        assert hides == {type(notation).__name__.removeprefix("_")}


@every_theorem
def test_constants_have_one_name_each_and_know_what_hides_them(theorem: Theorem) -> None:
    names = [constant.name for constant in theorem.constants]
    assert len(names) == len(set(names))
    assert not set(names) & set(ALIASES), "a constant is confused with a symbol"
    for constant in theorem.constants:
        assert constant.direction in ("large", "small", "any")
        assert constant.hides
        assert constant.hides.startswith("poly(") == (constant.role == "p")
        if constant.role == "p":
            assert constant.origin, "an exponent says where its value comes from"
        if constant.role == "k":
            assert constant.value is None


@pytest.mark.parametrize(
    ("key", "constant", "direction"),
    [
        ("cao2020/thm3.1", "C_large", "large"),
        ("cao2020/thm3.1", "C_small", "small"),
        ("cao2020/lem4.4", "C_B", "small"),
        ("cao2020/thm3.2", "C_eta", "small"),
        ("chen2019/thm2.1", "C_eta", "any"),
        ("chen2019/thm2.1", "C_T", "large"),
    ],
)
def test_the_direction_of_a_constant_is_the_papers(key: str, constant: str, direction: str) -> None:
    assert {c.name: c.direction for c in CATALOGUE[key].constants}[constant] == direction


@pytest.mark.parametrize(
    ("key", "exponents"),
    [
        ("chen2019/thm2.1", {"p_L": 11, "p_R": 4}),
        ("cao2020/cor3.2", {"p_m_L": 24, "p_m_two_L": 8, "p_m_gamma": 8, "p_n_L": 4, "p_n_two_L": 2, "p_n_gamma": 2}),
        ("cao2020/cor3.3", {"p_m_L": 24, "p_m_gamma": 8, "p_n_L": 4, "p_n_gamma": 2}),
        ("cao2019", {"p_R": None, "p_L": None}),
        ("cao2020/rem3.2", {"p_phi": None, "p_n": None}),
    ],
)
def test_the_exponents_that_poly_hides_are_those_of_the_proofs(key: str, exponents: dict[str, int | None]) -> None:
    values = {c.name: c.value for c in CATALOGUE[key].constants if c.role == "p"}
    assert {name: values[name] for name in exponents} == exponents


@every_bound
def test_the_relation_is_the_papers(theorem: Theorem, bound: Bound, index: int) -> None:
    assert bound.relation == relation(name_of(theorem), bound.symbol.name)


UNQUANTIFIED = {"cao2020/thm1.1", "cao2020/rem3.1", "cao2020/rem3.2", "bartlett2017", "neyshabur2018"}


@every_theorem
def test_the_probability_is_the_papers(theorem: Theorem) -> None:
    delta = VOCABULARY["delta"].expr
    for bound in theorem.guarantees:
        if theorem.key in UNQUANTIFIED:
            assert bound.probability != 1, "the source quantifies no probability, least of all certainty"
        else:
            assert sympy.simplify(bound.probability - (1 - (3 if theorem.key == "ji2020" else 1) * delta)) == 0


def values_at(
    theorem: Theorem, bound: Bound, generator: random.Random, *, unit: bool
) -> tuple[dict[sympy.Symbol, Fraction], dict[str, Fraction]]:
    """Random values for every symbol of a bound: by symbol for the library, by name for the oracle."""
    named = random_values(vocabulary_symbols(bound.expr), generator)
    constants = [s for s in bound.expr.free_symbols if isinstance(s, HiddenConstant)]
    for constant in constants if not unit else []:
        largest = 3 if constant.role == "k" else 12
        named[constant.name] = Fraction(generator.randint(1, 100 * largest), 100)
    policy = ConstantPolicy({c.name: named[c.name] for c in constants if c.name in named})
    symbols = {s: named[s.name] for s in bound.expr.free_symbols if s not in constants}
    return symbols | {c: policy.use(c, theorem.key).value for c in constants}, named


def oracle_value(theorem: Theorem, bound: Bound, index: int, named: dict[str, Fraction]) -> mpf | None:
    """The oracle's value, None where there is no finite positive one."""
    try:
        value = FORMULAS[name_of(theorem), bound.symbol.name][index](Point(named))
    except ZeroDivisionError:
        return None
    return value if isinstance(value, mpf) and isfinite(value) and value > 0 else None


@pytest.mark.parametrize("unit", [True, False], ids=["unit constants", "random constants"])
@every_bound
def test_every_formula_is_the_papers_over_many_decades(theorem: Theorem, bound: Bound, index: int, unit: bool) -> None:
    generator = random.Random(f"{name_of(theorem)} {bound.symbol} {index} {unit}")
    compared = 0
    for _ in range(12):
        symbols, named = values_at(theorem, bound, generator, unit=unit)
        expected = oracle_value(theorem, bound, index, named)
        if expected is None:
            with pytest.raises(NumericsError):
                positive_ball(bound.expr, symbols)
            continue
        compared += 1
        wanted = rounded_log10(expected)
        # 12 significant digits, or 28 of the value itself where it is within a hair of 1.
        tolerance = max(mpf(10) ** -11 * abs(wanted), mpf(10) ** -28)
        assert abs(log10(positive_ball(bound.expr, symbols)) - wanted) <= tolerance, named
    assert compared >= 4


@every_bound
def test_declared_monotonicity_holds(theorem: Theorem, bound: Bound, index: int) -> None:
    generator = random.Random(f"{name_of(theorem)} {bound.symbol} {index} monotone")
    used = bound.expr.free_symbols
    assert set(bound.rising) | set(bound.falling) <= used
    assert not set(bound.rising) & set(bound.falling)
    for symbol, sign in [*((s, 1) for s in bound.rising), *((s, -1) for s in bound.falling)]:
        for trial in range(40):
            named = random_values(vocabulary_symbols(bound.expr), generator)
            other = random_values([symbol.name], generator)[symbol.name]
            if trial % 2:  # a small step, at which a non-monotone stretch is not jumped over
                step = Fraction(generator.randint(1001, 1500), 1000)
                other = Fraction(max(int(named[symbol.name] * step), 1)) if other.denominator == 1 else other
            low, high = sorted((named[symbol.name], other))
            first, second = (
                oracle_value(theorem, bound, index, {**named, symbol.name: value}) for value in (low, high)
            )
            if first is not None and second is not None:
                assert sign * (second - first) >= -(mp.mpf(10) ** -100) * first, (symbol, sign, low, high, named)


@pytest.mark.parametrize(
    ("theorem", "quantity"),
    [
        pytest.param(theorem, quantity, id=f"{name_of(theorem)}-{quantity}")
        for theorem in THEOREMS
        for quantity in theorem.quantities
    ],
)
def test_every_quantity_has_an_answer_at_default_inputs(theorem: Theorem, quantity: str) -> None:
    solution = evaluate(theorem, quantity, {})
    assert solution.status in ("ok", "interval", "vacuous")
    assert solution.log10 is not None
    assert solution.quantity == quantity
    assert not solution.inputs
    # Nothing is silent: all that the formula holds is either assumed or a constant with its origin.
    shown = {a.name for a in solution.assumed} | {use.name for use in solution.constants}
    needed = {s.name for s in solution.expression.free_symbols} - (
        {solution.symbol.name} if quantity == "width" else set()
    )
    assert needed <= shown
    for use in solution.constants:
        assert use.origin


@every_theorem
def test_guarantees_and_conditions_are_kept_apart(theorem: Theorem) -> None:
    for bound in theorem.conditions:
        assert not isinstance(bound, Guarantee)
        assert bound.relation in (">=", "<=")
