"""Comparisons: the papers' own claims, every pair of the catalogue by brute force, rankings, and the command."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy
from click.testing import CliRunner
from logarithms import DEEP, Coordinates, condition_holds, correct

import boundcalc
from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.comparison import Comparison, compare, parse_given, rank
from boundcalc.constants import ConstantPolicy, HiddenConstant, Notation, parse_settings
from boundcalc.errors import InputError, UnknownNameError
from boundcalc.report.certificates import Identity, Names, growth_text, quotient_names
from boundcalc.report.comparison import (
    comparison_json,
    comparison_text,
    order_lines,
    ranking_json,
    ranking_latex,
    ranking_markdown,
    ranking_text,
)
from boundcalc.solving import IncompleteError
from boundcalc.symbols import HIDDEN_LAYERS, VOCABULARY, L, epsilon, m, n, phi
from boundcalc.theorem import Catalogue, Condition, Paper, Setting, Theorem

NONDEGENERATE = {"alpha": "1/2", "R": "n^(3/2)*phi^(-1/2)"}
CLAIMED_DEPTH = sympy.Max(n ** sympy.Rational(1, 3), epsilon ** sympy.Rational(-1, 6))


def same(region: sympy.Basic, expected: sympy.Basic) -> bool:
    """Whether two conditions are one: they are written without evaluation, so that only the order can differ."""
    return bool(region.doit() == expected.doit())


# --- the papers' own claims -----------------------------------------------------------------------------------------


def test_claim_d_chen2019_improves_on_zou2020_for_small_depth() -> None:
    """L ≤ max(n^(1/3), ε^(−1/6)): the paper's own condition, under nondegeneration at α = 1/2."""
    comparison = compare("chen2019/thm2.1", "zou2020", "width", solve_for="L", given=NONDEGENERATE)
    assert comparison.relation == "region"
    assert same(comparison.region, sympy.Le(L, CLAIMED_DEPTH))
    assert comparison.verify()
    reverse = compare("zou2020", "chen2019/thm2.1", "width", given=NONDEGENERATE)
    assert same(reverse.region, sympy.Ge(L, CLAIMED_DEPTH))
    for_n = compare("chen2019/thm2.1", "zou2020", solve_for="n", given=NONDEGENERATE)
    assert same(for_n.region, sympy.Or(n >= L**3, sympy.Le(L, epsilon ** sympy.Rational(-1, 6))))


def test_claim_c_the_width_is_a_power_of_L_and_logarithms() -> None:
    given = {"R": "log(n/delta) + log(1/epsilon)", "alpha": "1/2"}
    assert compare("chen2019/thm2.1", "L^22", given=given).relation == "equal"
    assert compare("chen2019/thm2.1", "L^22*n", given=given).relation == "a<=b"


def test_claim_a_gd_needs_one_over_epsilon_squared_samples() -> None:
    """At L = R = 1: n ≥ ε^(−2), and m ≥ ε^(−6) or m ≤ n·ε²."""
    constant = {"L": 1, "R": 1}
    comparison = compare("chen2019/thm2.2", "epsilon", "error", solve_for="n", given=constant)
    assert same(
        comparison.region,
        sympy.And(n >= epsilon**-2, sympy.Or(m >= epsilon**-6, n >= m / epsilon**2), evaluate=False),
    )
    widths = compare("chen2019/thm2.2", "epsilon", "error", solve_for="m", given={**constant, "n": "epsilon^-2"})
    assert same(widths.region, sympy.Or(m <= 1, m >= epsilon**-6))
    wide = compare("chen2019/thm2.2", "epsilon", "error", given={**constant, "n": "epsilon^-2", "m": "epsilon^-6"})
    assert wide.relation == "equal"
    fewer = compare("chen2019/thm2.2", "epsilon", "error", given={**constant, "n": "epsilon^-1", "m": "epsilon^-6"})
    assert fewer.relation == "b<=a"


def test_claim_b_sgd_needs_one_over_epsilon_samples() -> None:
    R = VOCABULARY["R"].expr
    comparison = compare("chen2019/thm2.3", "epsilon", "error", solve_for="n")
    assert same(comparison.region, n >= sympy.Max(1 / epsilon, L**2 * R**2 / epsilon))
    constant = compare("chen2019/thm2.3", "epsilon", "error", solve_for="n", given={"R": 1})
    assert same(constant.region, n >= L**2 / epsilon)
    assert compare("chen2019/thm2.3", "chen2019/thm2.2", "samples").relation == "a<=b"


def test_the_remark_on_generalization_gaps() -> None:
    """cao2020, Remark 3.1: τ·√(m/n) against m·τ/√n, by a factor √m."""
    comparison = compare("cao2020/rem3.1", "neyshabur2018", "gap", given={"L": 1, "P_2": 1, "S_F": "sqrt(m)*tau"})
    assert comparison.relation == "a<=b"
    assert growth_text(comparison.b.growth) == "m·τ/√n"
    assert "v_norm" in {assumption.name for assumption in comparison.terms.assumed}


def test_exponential_width_against_polynomial_width() -> None:
    comparison = compare("cao2020/cor3.2", "cao2020/cor3.3")
    assert comparison.relation == "b<=a"
    assert same(comparison.region, sympy.Le(L, 1))
    assert compare("cao2020/cor3.3", "2^L*epsilon^-14*gamma^-8").relation == "a<=b"
    assert compare("cao2020/cor3.2", "L^1000").relation == "b<=a"
    assert any("powers of L beside 2^L are not resolved" in note for note in comparison.notes)


def test_the_unfolded_reading_is_compared_where_there_is_one() -> None:
    comparison = compare("cao2020/cor3.2", "zou2020", reading="unfolded")
    assert comparison.a.name == "cao2020/cor3.2 (unfolded)"
    assert comparison.b.name == "zou2020"
    # of its two conditions on the width, one is below the other: the certificate of that is kept
    assert len(comparison.a.bounds) == 2
    assert growth_text(comparison.a.growth) == "2^(8·L)·L^24/(ε^14·γ^8)"
    assert comparison.a.reduction
    assert comparison.verify()


# --- every pair by brute force --------------------------------------------------------------------------------------


def size(expr: sympy.Expr, point: Coordinates, put_in: Mapping[str, sympy.Expr], key: str) -> Fraction:
    """The logarithm of a formula without its constants and logarithms: one rule for each kind of node."""
    if isinstance(expr, Notation):
        return size(expr.args[0], point, put_in, key)
    if expr.is_Number or isinstance(expr, HiddenConstant | sympy.log):
        return Fraction(0)
    if expr.is_Symbol:
        return size(put_in[expr.name], point, put_in, key) if expr.name in put_in else point[expr.name]
    if expr.is_Pow:
        constants = {c: sympy.Rational(ConstantPolicy().use(c, key).value) for c in expr.exp.atoms(HiddenConstant)}
        exponent = expr.exp.subs({**constants, VOCABULARY["alpha"].expr: sympy.Rational(1, 2)})
        if expr.base.is_Number:
            bits = sympy.Rational(exponent.coeff(L) * sympy.log(expr.base, 2))
            return Fraction(bits.p, bits.q) * point[DEEP]
        if isinstance(expr.base, sympy.log) or not expr.base.free_symbols:
            return Fraction(0)
        exponent = sympy.Rational(exponent.doit())
        return Fraction(exponent.p, exponent.q) * size(expr.base, point, put_in, key)
    parts = [size(argument, point, put_in, key) for argument in expr.args]
    if expr.is_Mul:
        return sum(parts, Fraction(0))
    return min(parts) if isinstance(expr, sympy.Min) else max(parts)  # Max, and sums up to a factor


def side_size(side: object, point: Coordinates) -> Fraction:
    theorem, bounds = side.theorem, side.bounds  # type: ignore[attr-defined]
    put_in = {symbol.name: expr for symbol, expr in theorem.supplies.items()}
    sizes = [size(bound.expr, point, put_in, theorem.key) for bound in bounds]
    return max(sizes) if bounds[0].relation == ">=" else min(sizes)


def random_point(generator: random.Random) -> Coordinates:
    point: Coordinates = {}
    for name, entry in VOCABULARY.items():
        value = Fraction(generator.randint(0, 12), generator.randint(1, 4))
        small = name == "B" or entry.domain.upper is not None
        free = not small and not entry.domain.lower
        point[name] = -value if small or (free and generator.random() < 0.5) else value
    if generator.random() < 0.3:
        point["L"] = Fraction(0)
    point[DEEP] = (point["L"] + bool(point["L"])) * 10**6
    return point


UNEVALUATED = ("du2019", "iterations")
"""−log(1 − ηλ₀/2) is of the size of ηλ₀, which the evaluation above does not know."""


def pairs(quantity: str) -> list[tuple[str, str]]:
    keys = [
        key for key, theorem in CATALOGUE.items() if quantity in theorem.quantities and (key, quantity) != UNEVALUATED
    ]
    return list(itertools.combinations(keys, 2))


@pytest.mark.parametrize(
    "quantity", ["width", "error", "samples", "step-size", "iterations", "radius", "gap", "gradient"]
)
@pytest.mark.parametrize("reading", ["stated", "unfolded"])
def test_every_pair_of_the_catalogue_is_decided_as_by_brute_force(quantity: str, reading: str) -> None:
    generator = random.Random(quantity + reading)
    assert pairs(quantity)
    for a, b in pairs(quantity):
        comparison = compare(a, b, quantity, reading=reading)
        assert comparison.verify()
        check_certificates(comparison)
        for _ in range(6):
            point = random_point(generator)
            x, y = side_size(comparison.a, point), side_size(comparison.b, point)
            assert condition_holds(comparison.region, point) == (x <= y), (a, b)
            if comparison.relation != "region":
                assert {"equal": x == y, "a<=b": x <= y, "b<=a": x >= y}[comparison.relation], (a, b)


def check_certificates(comparison: Comparison) -> None:
    for region, upper, lower in ((comparison.below, "a", "b"), (comparison.above, "b", "a")):
        assert correct(region)
        assert region.everywhere or region.witness is not None
        names = {letter: Names(letter, getattr(comparison, letter).growth) for letter in "ab"}
        for proof in region.certificates:
            identity = Identity.of(proof, quotient_names(names[upper], names[lower]))
            assert identity.holds()
            assert sum(weight for _, weight in identity.left) == sum(weight for _, weight in identity.right) == 1


def test_a_corrupted_comparison_does_not_verify() -> None:
    comparison = compare("chen2019/thm2.1", "zou2020", given=NONDEGENERATE)
    other = compare("chen2019/thm2.1", "zou2019", given=NONDEGENERATE)
    assert comparison.verify()
    assert not replace(comparison, relation="a<=b").verify()
    assert not replace(comparison, below=other.below).verify()
    assert not replace(comparison, above=other.above).verify()
    assert not replace(comparison, b=other.b).verify()
    unfolded = compare("cao2020/cor3.2", "zou2020", reading="unfolded")
    assert not replace(unfolded, a=replace(unfolded.a, reduction=())).verify()
    assert not replace(unfolded, a=replace(unfolded.a, reduction=unfolded.a.reduction[::-1])).verify()


# --- what is given, assumed and noted -------------------------------------------------------------------------------


def test_what_a_statement_supplies_is_put_in_unless_given() -> None:
    supplied = compare("chen2019/thm2.2", "epsilon", "error")
    assert {(a.name, str(a.expr)) for a in supplied.terms.assumed} == {("L_S", "3*epsilon"), ("alpha", "1/2")}
    own = compare("chen2019/thm2.2", "epsilon", "error", solve_for="m", given={"L_S": "epsilon^2", "alpha": "1/3"})
    assert own.terms.assumed == ()
    assert "m ≥ L^33·R^12/ε^9" in comparison_text(own)


def test_a_prescribed_quantity_stays_a_symbol_and_its_prescription_is_said() -> None:
    comparison = compare("ji2020", "zou2019", "iterations")
    assert "eta" in comparison.a.growth.variables
    assert "ji2020 asks for η ≤ 1 as well" in comparison.notes


def test_depths_are_converted_and_the_conversion_is_said() -> None:
    comparison = compare("chen2019/thm2.1", "zou2020", given=NONDEGENERATE)
    (depth,) = (note for note in comparison.notes if note.startswith("depth"))
    assert "L weight matrices" in depth
    assert "L hidden layers" in depth
    assert "holds with either L" in depth
    assert compare("zou2019", "H^12*n^8*phi^-4").relation == "equal"
    assert same(compare("zou2019", "n^8", given={"H": "n"}).region, sympy.And(n <= 1, phi >= 1))
    shallow = compare("ji2020", "zou2019")
    assert "ji2020: networks with one hidden layer only" in shallow.notes


def test_what_is_given_may_restrict_the_regime() -> None:
    """ε = L/n is at most 1 where L ≤ n: on that, n^(-1)·L² ≤ L."""
    comparison = compare("epsilon*L", "L", given={"epsilon": "L/n"})
    assert comparison.relation == "a<=b"
    assert any(note.startswith("epsilon = L/n ≤ 1 is taken as given") for note in comparison.notes)
    with pytest.raises(InputError, match="only on a region that is no product of powers"):
        compare("epsilon*L", "L", given={"epsilon": "min(L, n)/d"})


def test_exponents_of_poly_can_be_set_and_other_constants_change_nothing() -> None:
    policy = ConstantPolicy(parse_settings(["p_L=6", "C_m=3"]))
    comparison = compare("chen2019/thm2.1", "L^12*R^8", policy=policy)
    assert comparison.relation == "equal"
    assert "C_m: constants and powers of logarithms are dropped, whatever their value" in comparison.notes
    with pytest.raises(UnknownNameError, match="C_q"):
        compare("chen2019/thm2.1", "L^12", policy=ConstantPolicy({"C_q": 1}))


def test_strict_refuses_what_would_be_assumed() -> None:
    with pytest.raises(IncompleteError, match="alpha"):
        compare("chen2019/thm2.1", "zou2020", strict=True)
    with pytest.raises(IncompleteError, match="p_R, p_L"):
        compare("cao2019", "zou2020", strict=True)
    assert compare("chen2019/thm2.1", "zou2020", given={"alpha": 0.5}, strict=True).terms.assumed == ()


def test_the_quantity_is_width_or_the_first_that_all_bound() -> None:
    assert compare("zou2019", "zou2020").terms.quantity == "width"
    assert compare("cao2020/rem3.1", "bartlett2017").terms.quantity == "gap"
    assert compare("n", "L").terms.quantity is None
    with pytest.raises(InputError, match="no quantity is bounded by every statement: zou2020 bounds width"):
        compare("zou2020", "bartlett2017")


def test_symbols_and_senses_that_differ_are_said() -> None:
    notes = compare("cao2020/rem3.1", "bartlett2017").notes
    assert any("cao2020/rem3.1 bounds gap, bartlett2017 bounds gap_uniform" in note for note in notes)
    notes = compare("cao2020/lem4.1", "cao2020/lem4.4", "G_S").notes
    assert any("not all bounds have the same sense" in note for note in notes)


def test_dropped_logarithms_are_said() -> None:
    notes = compare("chen2019/thm2.1", "L^22").notes
    assert any(note.startswith("dropped as factors: log(n/δ) (chen2019/thm2.1);") for note in notes)


def test_numbers_count_as_constants_and_that_is_said() -> None:
    comparison = compare("zou2020", "zou2019", given={"n": 1000, "L": 1})
    assert comparison.relation == "b<=a"
    assert "n: a number is a constant here, and is dropped like every other" in comparison.notes
    assert same(comparison.region, sympy.Ge(epsilon, 1))


def test_logarithms_of_one_minus_something_small() -> None:
    comparison = compare("du2019", "n^2*lambda_0^-2", "iterations", given={"eta": "lambda_0/n^2"})
    assert comparison.relation == "equal"
    assert any("−log(1 − x) is taken as x, for x = η·λ₀/2 ≤ 1/2" in note for note in comparison.notes)


IMPLICIT = Theorem(
    key="nobody2030/thm1",
    title="a width on both sides",
    source=Paper("nobody2030", "Nobody", "On wide networks", "nowhere", "v1").at("Theorem 1"),
    setting=Setting("deep ReLU network", "Gaussian", "logistic", "gradient descent", HIDDEN_LAYERS),
    conditions=(Condition(m, ">=", sympy.sqrt(m) * n),),
)


def test_a_new_theorem_is_compared_like_any_other() -> None:
    own = replace(IMPLICIT, conditions=(Condition(m, ">=", n**8 * sympy.log(m)),))
    catalogue = Catalogue([own, *CATALOGUE.all()])
    assert compare("nobody2030/thm1", "zou2019", catalogue=catalogue).relation == "a<=b"
    assert compare(own, n**8).relation == "equal"
    with pytest.raises(InputError, match="has m on both sides, beyond logarithms"):
        compare(IMPLICIT, "n^2")


@pytest.mark.parametrize(
    ("sides", "options", "message"),
    [
        (("zou2021", "zou2020"), {}, "unknown theorem 'zou2021'; did you mean zou2020"),
        (("chen2019", "zou2020"), {}, "chen2019 is a paper; name one of its statements"),
        (("foo", "zou2020"), {}, "'foo' is no statement; as a formula: 'foo' at character 1 is an unknown name"),
        (("n - L", "zou2020"), {}, "n - L is a difference"),
        (("du2019", "1"), {"quantity": "loss_ratio"}, r"du2019: 1 - η·λ₀/2 is a difference"),
        (("zou2020", "du2019"), {"quantity": "error"}, "zou2020 says nothing about error"),
        (("zou2020", "du2019"), {"quantity": "wdth"}, "unknown quantity 'wdth'; did you mean width"),
        (("zou2020", "n"), {"given": {"epsilon": 2}}, r"epsilon = 2 is not in \(0, 1\]"),
        (("zou2020", "n"), {"given": {"alpha": "1/n"}}, "alpha stands in exponents, give it one"),
        (("zou2020", "n"), {"given": {"L": 1, "H": 2}}, "L is given twice"),
        (("zou2020", "n"), {"given": {"Q": 2}}, "unknown symbol 'Q'"),
        (("zou2020", "n"), {"solve_for": "Q"}, "unknown symbol 'Q'"),
        (("chen2019/thm2.1", "n"), {"given": {"R": "n*R"}}, "R is given in terms of itself: R → R"),
        (("2^L", "2^n"), {}, r"2\^L and 2\^n cannot be compared exactly together"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    sides: tuple[str, str], options: dict[str, dict[str, str | int]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        compare(*sides, **options)  # type: ignore[arg-type]


def test_given_numbers_are_exact() -> None:
    assert parse_given({"alpha": 0.1, "ε": "1e-2"}) == {
        "alpha": sympy.Rational(1, 10),
        "epsilon": sympy.Rational(1, 100),
    }


# --- many statements ------------------------------------------------------------------------------------------------

NAMES = ["chen2019/thm2.1", "zou2020", "zou2019", "allenzhu2019", "cao2020/cor3.3"]


def test_a_ranking_says_where_each_is_the_smallest() -> None:
    ranking = rank(NAMES, given=NONDEGENERATE)
    generator = random.Random(7)
    smallest = set()
    for _ in range(60):
        point = random_point(generator)
        # the substitution, in logarithms
        point["R"] = point["n"] * 3 / 2 - point["phi"] / 2
        sizes = {best.side.name: side_size(best.side, point) for best in ranking.best}
        for best in ranking.best:
            is_smallest = sizes[best.side.name] == min(sizes.values())
            assert condition_holds(best.region, point) == is_smallest
            smallest |= {best.side.name} if is_smallest else set()
    assert {"zou2019", "cao2020/cor3.3"} <= smallest
    assert all(pair.verify() for pair in ranking.pairs)
    assert all(best.where.verify() for best in ranking.best)


def test_the_order_has_no_step_that_others_make() -> None:
    ranking = rank(["n^3", "n", "L*n^3", "n^2", "2*n^2", "L"])
    assert ranking.classes[0] in (("n",), ("L",))
    assert ("n^2", "2*n^2") in ranking.classes
    assert order_lines(ranking) == ["n ≤ n^2 = 2*n^2 ≤ n^3 ≤ L*n^3", "L ≤ L*n^3"]
    assert order_lines(rank(["n", "L"])) == ["no two are comparable everywhere"]


def test_all_statements_that_bound_a_quantity() -> None:
    ranking = rank(quantity="loss")
    assert {side.name for side in ranking.sides} == {"chen2019/thm2.1", "cao2020/thm3.2", "ji2020"}
    assert set(ranking.refused) == {"du2019"}
    samples = rank(quantity="samples")
    assert samples.classes[0] == ("chen2019/thm2.3",)
    with pytest.raises(InputError, match="1 bounds on linearization are too few"):
        rank(quantity="linearization")


def test_the_table_in_its_four_forms() -> None:
    ranking = rank(NAMES, given=NONDEGENERATE)
    text, markdown, tex = ranking_text(ranking), ranking_markdown(ranking), ranking_latex(ranking)
    for shown in (text, markdown, tex):
        assert all(name in shown for name in NAMES)
        assert "secondary" in shown
    assert "zou2019 ≤ zou2020" in text
    assert markdown.count("\n") == len(NAMES) + 1
    assert tex.startswith(r"\begin{tabular}")
    assert r"\toprule" in tex
    assert r"$\frac{L^{12} n^{8}}{\phi^{4}}$" in tex
    assert "p\\_L" in tex
    answer = json.loads(json.dumps(ranking_json(ranking)))
    assert [entry["name"] for entry in answer["statements"]] == NAMES
    assert len(answer["pairs"]) == 10
    assert all({"a", "b", "relation", "region"} <= set(pair) for pair in answer["pairs"])


# --- the report and the command -------------------------------------------------------------------------------------


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


CLAIM_D = ("chen2019/thm2.1", "zou2020", "--quantity", "width", "--for", "L", "alpha=1/2", "R=n^(3/2)*phi^(-1/2)")


def test_the_json_object_of_a_comparison() -> None:
    answer = json.loads(run(*CLAIM_D, "--json"))
    assert (answer["a"], answer["b"], answer["quantity"]) == ("chen2019/thm2.1", "zou2020", "width")
    assert answer["relation"] == "region"
    local = {symbol.name: symbol for symbol in (L, n, epsilon)}
    region = sympy.sympify(answer["region"], locals=local)
    assert region == sympy.Le(L, CLAIMED_DEPTH)
    assert answer["latex"] == r"L \le \max\left(\epsilon^{-1/6}, n^{1/3}\right)"
    assert answer["substitutions"] == {"alpha": "1/2", "R": "n**(3/2)/sqrt(phi)"}
    witness = answer["certificate"]["a<=b"]["witness"]
    assert witness == {"curve": {"L": "s"}, "quotient": "s**6"}
    assert json.loads(run("zou2019", "zou2020", "--json"))["region"] == "True"


def test_the_proofs_in_the_json_object_can_be_checked_by_hand() -> None:
    """Each proof: the product of the conclusions' powers is that of the premises'; a premise is a regime fact."""
    answer = json.loads(run("sqrt(n*L)/d", "n*epsilon^-1 + L", "--json"))
    assert answer["relation"] == "a<=b"
    local = {name: VOCABULARY[name].expr for name in ("n", "L", "d", "epsilon")}
    (proof,) = answer["certificate"]["a<=b"]["proofs"]
    products = [
        sympy.prod(sympy.sympify(base, locals=local) ** sympy.Rational(power) for base, power in proof[side])
        for side in ("premises", "conclusions")
    ]
    assert sympy.simplify(products[0] / products[1]) == 1
    assert sum(sympy.Rational(power) for _, power in proof["conclusions"]) == 1
    assert {base for base, _ in proof["premises"]} <= {"1/n", "1/L", "1/d", "epsilon"}
    assert proof["identity"] == "a·d·(1/ε)^(1/2) = b₁^(1/2)·b₂^(1/2)"


def test_a_reader_can_follow_the_text() -> None:
    lines = run(*CLAIM_D).splitlines()
    for said in (
        "a = L^22·n^12/φ^4",
        "[secondary]",
        "on           L ≥ 1, n ≥ 1, ε ≤ 1, φ ≤ 1",
        "a ≤ b        L ≤ max(ε^(-1/6), n^(1/3))",
        "a/b₁ = L^6/n^2 ≤ 1",
        "a > b        along L = s, all else constant: a/b = s^6",
        "given        alpha = 1/2, R = n^(3/2)/√φ",
        "p_L = 11, p_R = 4: reconstructed",
    ):
        assert any(said in line for line in lines), said
    everywhere = run("zou2019", "allenzhu2019")
    assert "why a ≤ b    a·n^16·(1/φ)^4 = b, for n ≥ 1, φ ≤ 1" in everywhere
    exponential = run("L^30", "2^L*n")
    assert "a·n·(2^L/L^30) = b, for n ≥ 1, L^30 ≤ 2^L up to a constant" in exponential


@pytest.mark.parametrize("form", ["--md", "--tex", "--json"])
def test_the_command_prints_tables(form: str) -> None:
    shown = run("zou2019", "zou2020", "allenzhu2019", form)
    assert "zou2019" in shown
    assert "secondary" in shown


def test_two_statements_can_be_put_into_a_table() -> None:
    assert run("zou2019", "zou2020", "--md").startswith("| statement")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zou2020"], "compare needs two statements or formulas"),
        (["zou2020", "zou2019", "--all"], "drop zou2020, zou2019, or drop --all"),
        (["zou2020", "zou2019", "--json", "--md"], "give one of them"),
        (["zou2020", "n", "q=2"], "unknown input 'q'"),
    ],
)
def test_bad_usage_is_one_clear_line(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(cli, ["compare", *arguments])
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)


def test_the_library_call() -> None:
    assert boundcalc.compare("zou2019", "zou2020").relation == "a<=b"
    assert boundcalc.compare is compare
    assert boundcalc.rank is rank
    assert isinstance(comparison_json(boundcalc.compare("n", "L"))["region"], str)
