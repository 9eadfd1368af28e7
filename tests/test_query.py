"""Questions in words: what they ask, what they give, and what in them is not understood."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import log, mp, mpf

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError
from boundcalc.query import Reply, ask, parse
from boundcalc.report.answers import reply_text, solution_json
from boundcalc.solving import IncompleteError, evaluate

KEYS = tuple(CATALOGUE)


def asked(query: str) -> tuple[str, dict[str, Fraction], tuple[str, ...]]:
    """The quantity, every number by symbol, and the statements that a query names."""
    request = parse(query, KEYS)
    return request.quantity, {**request.inputs, **request.targets}, request.statements


def answers(reply: Reply) -> dict[str, str | None]:
    return {solution.theorem.key: solution.value for solution in reply.answers}


CENT = Fraction(1, 100)


@pytest.mark.parametrize(
    "query",
    [
        "required width for ε=0.01, L=5",
        "width L=5 epsilon=0.01",
        "ε=0.01, L=5: required width?",
        "what width do I need for eps = 1/100 and depth 5?",
        "Width for ϵ = 10⁻² and L = 5",
        "width eps 1e-2 depth 5",
        "width, 5 layers, accuracy parameter 1%",
        "L=5 ε ≤ 10**-2 width",
        "required  width\nfor ε=0.01 , L=5 .",
        "WIDTH for EPSILON=0.01 and DEPTH=5",
        "how wide must the network be for ε at most 0.01 with L being 5",
        "minimum width given ε is 0.01 and L equals 5",
    ],
)
def test_one_question_in_many_words(query: str) -> None:
    assert asked(query) == ("width", {"epsilon": CENT, "L": 5}, ())


@pytest.mark.parametrize(
    ("query", "quantity", "inputs"),
    [
        ("width", "width", {}),
        ("width at depth 5", "width", {"L": 5}),
        ("width with confidence 95%", "width", {"delta": Fraction(1, 20)}),
        ("width with 95% confidence", "width", {"delta": Fraction(1, 20)}),
        ("width with failure probability 0.1", "width", {"delta": Fraction(1, 10)}),
        ("width for γ=.2, R=3", "width", {"gamma": Fraction(1, 5), "R": 3}),
        ("width for 4 hidden layers", "width", {"H": 4}),
        ("width for λ₀=0.1", "width", {"lambda_0": Fraction(1, 10)}),
        ("width for φ=0.1 and 1000 samples", "width", {"phi": Fraction(1, 10), "n": 1000}),
        ("step size for m=4096 L=3", "step-size", {"m": 4096, "L": 3}),
        ("learning rate for width 4096", "step-size", {"m": 4096}),
        ("iterations for eps 1e-2", "iterations", {"epsilon": CENT}),
        ("how many steps for ε=0.01", "iterations", {"epsilon": CENT}),
        (
            "how many samples for error 0.05 with L=3, gamma=0.2",
            "samples",
            {"error": Fraction(1, 20), "L": 3, "gamma": Fraction(1, 5)},
        ),
        ("samples for accuracy 95%", "samples", {"error": Fraction(1, 20)}),
        ("how much data for test error 5%", "samples", {"error": Fraction(1, 20)}),
        ("error for m=1e6 and n=10^4", "error", {"m": 10**6, "n": 10**4}),
        ("radius for L=3 and m=1e6", "radius", {"L": 3, "m": 10**6}),
        ("width for training loss 0.3", "width", {"L_S": Fraction(3, 10)}),
    ],
)
def test_phrases_are_understood(query: str, quantity: str, inputs: dict[str, Fraction]) -> None:
    assert asked(query) == (quantity, inputs, ())


@pytest.mark.parametrize(
    ("query", "statements"),
    [
        ("width chen2019/thm2.1 L=5", ("chen2019/thm2.1",)),
        ("width in cao2020, L=5", ("cao2020",)),
        ("width of ji2020 and du2019", ("ji2020", "du2019")),
        ("width by CHEN2019/Thm2.1", ("chen2019/thm2.1",)),
    ],
)
def test_statements_and_papers_can_be_named(query: str, statements: tuple[str, ...]) -> None:
    assert asked(query)[2] == statements


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("required width for ε=0.01, L=5, frobnicate", ["frobnicate"]),
        ("widht for L=5", ["widht", "width"]),
        ("width for epsilom=0.1", ["epsilom", "epsilon"]),
        ("width for quux and zorp", ["quux", "zorp"]),
        ("width for 10^-2", ["10^-2"]),
        ("width for L=", ["L"]),
        ("width for L=five", ["five"]),
        ("width and samples for L=5", ["width", "samples", "one at a time"]),
        ("epsilon=0.01 L=5", ["does not say what it asks for"]),
        ("", ["does not say what it asks for"]),
        ("width for L=5 and L=6", ["L is given twice"]),
        ("width for ε=0", ["epsilon = 0"]),
        ("width for δ=1", ["delta = 1"]),
        ("width for L=2.5", ["L = 2.5"]),
        ("width for α=0.7", ["alpha = 0.7"]),
        ("width with confidence 100%", ["delta = 0"]),
        ("width for eps=__import__('os').system('true')", ["__import__"]),
        ("width for eps=9**9**9", ["**9"]),
        ("width for eps=1e999999999", ["1e999999999"]),
        ("width for chen2019/thm9.9", ["chen2019/thm9.9"]),
        ("width " * 1000, ["2000"]),
    ],
)
def test_what_is_not_understood_is_named(query: str, words: list[str]) -> None:
    with pytest.raises(InputError) as refusal:
        parse(query, KEYS)
    for word in words:
        assert word in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_every_misunderstood_word_is_reported_with_its_nearest() -> None:
    with pytest.raises(InputError) as refusal:
        parse("widht and dpeth for L=5", KEYS)
    message = str(refusal.value)
    for word in ("'widht'", "width", "'dpeth'", "depth"):
        assert word in message


def test_a_misspelt_statement_offers_the_nearest() -> None:
    with pytest.raises(InputError, match=r"chen2019/thm2\.1"):
        parse("width chen2019/thm21 L=5", KEYS)


WORDS = [
    "width", "samples", "error", "loss", "step size", "depth", "L", "ε", "epsilon", "δ", "=", "≤", "of", "at most",
    "0.01", "1e-2", "10^-2", "5", "1%", "95%", "confidence", "hidden layers", "cao2020", "chen2019/thm2.1", ",", "for",
    "and", "accuracy", "K", "T", "m", "-1", "1/0", "((", "widht", "0", "10", "γ=0.2",
]  # fmt: skip


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join))
def test_any_sequence_of_known_words_is_understood_or_refused(query: str) -> None:
    with suppress(BoundcalcError):
        assert parse(query, KEYS).quantity


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=200))
@example("width for ε=" + "9" * 1900)
@example("(" * 1999)
@example("1" * 1999)
@example("10^" * 600)
@example("a" * 1999)
@example("width \ud800")
@example("ǅ" * 100)
@example("ﷺ" * 1000)
@example("⁻" * 1000)
@example("width L=5\x00")
def test_any_text_is_understood_or_refused(text: str) -> None:
    with suppress(BoundcalcError):
        assert parse(text, KEYS).quantity


# Answers ----------------------------------------------------------------------------------------


def test_the_first_example_of_all_is_answered_by_every_width_condition() -> None:
    reply = ask("required width for ε=0.01, L=5", CATALOGUE)
    found = answers(reply)
    with_width = {key for key in CATALOGUE if "width" in CATALOGUE[key].quantities}
    assert found.keys() == with_width
    assert not reply.refused
    assert found["chen2019/thm2.1"] == "50705800355726887"
    assert found["cao2020/thm1.1"] == str(10**28)
    assert found["cao2020/cor3.3"] is None
    cor33 = next(s for s in reply.answers if s.theorem.key == "cao2020/cor3.3")
    assert cor33.log10 == pytest.approx(53.25178310224, rel=1e-12)


def test_only_the_statements_named_answer() -> None:
    assert answers(ask("width of cao2020 for L=5", CATALOGUE)).keys() == {
        key for key in CATALOGUE if key.startswith("cao2020/") and "width" in CATALOGUE[key].quantities
    }
    assert answers(ask("width ji2020", CATALOGUE)).keys() == {"ji2020"}
    with pytest.raises(InputError, match="ji2020"):
        ask("samples ji2020", CATALOGUE)


def test_a_target_error_becomes_the_epsilon_that_reaches_it() -> None:
    reply = ask("how many samples for error 0.05 with L=3, gamma=0.2", CATALOGUE)
    found = answers(reply)
    assert found["cao2020/thm1.1"] == str(20**4)
    # L^4 γ^(−2) ε^(−4) log(1/δ) at δ = 0.05
    assert found["cao2020/cor3.3"] == str(int(mp.ceil(mpf(3) ** 4 * 25 * 20**4 * log(20))))
    assert found["chen2019/thm2.2"] == "400"
    assert found["chen2019/thm2.3"] == "20"


def test_a_target_loss_becomes_the_epsilon_that_reaches_it() -> None:
    # chen2019 reaches 3ε, so a loss of 0.3 is ε = 0.1: T = L²R²/ε = 40.
    reply = ask("iterations for training loss 0.3, chen2019/thm2.1, L=2, R=1", CATALOGUE)
    assert answers(reply) == {"chen2019/thm2.1": "40"}
    with pytest.raises(InputError, match="epsilon"):
        ask("iterations for training loss 0.3, epsilon 0.2, chen2019/thm2.1", CATALOGUE)


def test_a_width_that_depends_on_no_error_is_answered_whatever_the_error() -> None:
    found = answers(ask("width for error 0.05", CATALOGUE))
    assert {"cao2020/thm3.1", "cao2020/thm3.2", "cao2019", "chen2019/thm2.2"} <= found.keys()


def test_a_gap_is_not_an_error() -> None:
    reply = ask("generalization gap for m=1e6 n=1e5", CATALOGUE)
    assert {solution.symbol.name for solution in reply.answers} <= {"gap", "gap_uniform"}


def test_hidden_layers_are_counted_as_each_paper_does() -> None:
    reply = ask("width for 4 hidden layers", CATALOGUE)
    depths = {s.theorem.key: s.inputs.get("L") for s in reply.answers}
    assert depths["chen2019/thm2.1"] == 5
    assert depths["cao2020/cor3.3"] == 4


def test_a_depth_below_a_papers_least_refuses_that_paper_only() -> None:
    reply = ask("width for L=1", CATALOGUE)
    assert "chen2019/thm2.1" in reply.refused
    assert "cao2020/cor3.3" in answers(reply)


def test_policies_reach_the_answers() -> None:
    unit, doubled = (
        ask("width L=5 chen2019/thm2.1", CATALOGUE, ConstantPolicy(values)) for values in ({}, {"C": Fraction(2)})
    )
    exact = 2 * mpf(5) ** 22 * log(20000) ** (mpf(4) / 3)
    assert answers(doubled)["chen2019/thm2.1"] == str(int(mp.ceil(exact)))
    assert answers(unit) != answers(doubled)
    with pytest.raises(UnknownNameError, match="C_m"):
        ask("width L=5 chen2019/thm2.1", CATALOGUE, ConstantPolicy({"C_n": Fraction(2)}))


def test_strict_refuses_where_everything_would_be_assumed() -> None:
    with pytest.raises(IncompleteError):
        ask("width for ε=0.01, L=5", CATALOGUE, strict=True)
    reply = ask("width for ε=0.1, ji2020, n=1000, δ=0.05, γ=0.5", CATALOGUE, strict=True)
    assert answers(reply) == {"ji2020": "1195292748"}
    partly = ask("width for ε=0.1, n=1000, δ=0.05, γ=0.5", CATALOGUE, strict=True)
    assert answers(partly).keys() == {"ji2020"}
    assert "cao2020/cor3.3" in partly.refused


def calibrated(key: str = "chen2019/thm2.1") -> ConstantPolicy:
    """As `boundcalc calibrate` files it."""
    names = (f"{key}:C_m", f"{key}:C_T")
    return ConstantPolicy(dict.fromkeys(names, "4.27e-15"), dict.fromkeys(names, "calibrated on digits (3, 8)"))


@pytest.mark.parametrize("policy", [ConstantPolicy(), ConstantPolicy({"p_L": 5}), calibrated()])
def test_only_exponents_that_no_source_gives_are_called_guesses(policy: ConstantPolicy) -> None:
    sourced = reply_text(ask("width only chen2019/thm2.1", policy=policy))
    assert "guess" not in sourced
    assert "p_R: reconstructed: the width" in sourced or "p_L, p_R: reconstructed: the width" in sourced


def test_exponents_that_no_source_gives_are_named_as_guesses_until_they_are_set() -> None:
    assert "p_L, p_R of cao2019: given by no source at hand; 1 is put in, a guess" in reply_text(ask("width, cao2019"))
    one = reply_text(ask("width, cao2019", policy=ConstantPolicy({"p_L": 5})))
    assert "p_R of cao2019: given by no source" in one
    assert "p_L of" not in one
    assert "p_L, p_R of" not in one
    assert "guess" not in reply_text(ask("width, cao2019", policy=ConstantPolicy({"p": 5})))


def test_calibrated_constants_are_named_by_what_they_are_and_where_they_were_used() -> None:
    text = reply_text(ask("width for L=3, chen2019/thm2.1, zou2020, ji2020", policy=calibrated()))
    assert "  C_m: calibrated on digits (3, 8)" in text
    assert "exponents calibrated" not in text
    assert "zou2020: the calibrated constants are of chen2019/thm2.1: none of this statement is set" in text
    assert "ji2020: the calibrated constants are of chen2019/thm2.1: this statement hides none" in text
    reply = ask("width for L=3", policy=calibrated())
    policies = {one.theorem.key: one.policy for one in reply.answers}
    assert {key for key, policy in policies.items() if policy == "calibrated"} == {"chen2019/thm2.1"}
    assert set(policies.values()) == {"unit", "calibrated"}


def test_calibrated_constants_beside_assumed_inputs_say_so() -> None:
    theorem = CATALOGUE["chen2019/thm2.1"]
    bare = evaluate(theorem, "width", {"L": 3}, calibrated())
    (caution,) = bare.cautions
    assert "(C_m)" in caution
    assert "n = 1000 and R = 1 are assumed here" in caution
    assert caution in solution_json(bare)["notes"]
    (caution,) = evaluate(theorem, "width", {"L": 3, "n": 24}, calibrated()).cautions
    assert "R = 1 is assumed here" in caution
    assert evaluate(theorem, "width", {"L": 3, "n": 24, "R": 8}, calibrated()).cautions == ()
    assert evaluate(theorem, "width", {"L": 3}, ConstantPolicy({"C_m": 2})).cautions == ()
