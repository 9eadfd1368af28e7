"""Derivations in TOML: what is written is read back, and what is wrong is named with its line."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from noise import mistaken, survives
from strategies import FORMULAS, unevaluated
from sympy import Rational, log, sqrt
from test_exchange import PROVENANCES, TEXTS, own

from boundcalc.catalogue import CATALOGUE
from boundcalc.constants import HiddenConstant, O, Otilde
from boundcalc.derivation import Claim, Derivation, DerivationStep
from boundcalc.errors import InputError
from boundcalc.exchange import dumps, loads
from boundcalc.proofs import PROOFS
from boundcalc.symbols import D_1, L_S, VOCABULARY, B, K, L, epsilon, eta, f_lin, gamma, m, tau
from boundcalc.theorem import Condition, Theorem

HEAD = """\
[paper.nobody2030]
authors = "Nobody"
title = "On wide networks"
venue = "nowhere"
version = "v1"

[setting.relu]
network = "deep ReLU network"
init = "Gaussian"
loss = "logistic"
algorithm = "gradient descent"
depth = "hidden layers"

[[theorem]]
key = "nobody2030/thm1"
title = "wide networks train"
paper = "nobody2030"
at = "Theorem 1"
setting = "relu"
conditions = ["m >= Otilde_m(L^3)"]

[theorem.constants]
C_tau = {direction = "small"}
C_own = {hides = "a number", value = 3, origin = "counted"}

"""
TEXT = (
    HEAD
    + """\
[[theorem.derivation]]
choices = ["width", "η"]
put = {B = "2^(-L)*gamma"}
quantities = {I_1 = "the remainder", "ρ" = "how far the weights move"}
note = "without constants"
steps = [
    {id = "(4.2)", claim = "sqrt(K*eta)/B <= tau", needed = true, says = "the iterates stay within tau"},
    {id = "reach", claim = "ρ ≤ Otilde_tau(tau)", fixed = ["ρ", "L"], uses = ["(4.2)"], says = "telescope"},
    {id = "I_1", claim = "L*m*tau >= I_1", because = "f_lin", uses = ["reach", "cao2020/lem4.2"], put = {D_1 = "L*ρ"}},
    {id = "last", claim = "L_S <= epsilon", where = ["m ≥ L^2", "I_1 <= C_own"], provenance = "reconstructed"},
]

[[theorem.derivation]]
name = "another way"

[[theorem.derivation.steps]]
id = "(4.2)"
needed = false
claim = "m >= O_way(L)"
"""
)


def written(build: Any, *arguments: Any) -> Any:
    return unevaluated(build, *arguments)


I_1, RHO = sympy.Symbol("I_1", positive=True), sympy.Symbol("ρ", positive=True)
OWN = HiddenConstant("C_own", hides="a number", value=3, origin="counted")
THE_PAPER_S = Derivation(
    choices=(m, eta),
    put=MappingProxyType({B: written(lambda: 2 ** (-L) * gamma)}),
    quantities=MappingProxyType({"I_1": "the remainder", "ρ": "how far the weights move"}),
    note="without constants",
    steps=(
        DerivationStep(
            "(4.2)",
            Claim(written(lambda: sqrt(K * eta) / B), "<=", tau),
            "the iterates stay within tau",
            needed=True,
        ),
        DerivationStep(
            "reach", Claim(RHO, "<=", Otilde(tau, "tau", "small")), "telescope", uses=("(4.2)",), fixed=(RHO, L)
        ),
        DerivationStep(
            "I_1",
            Claim(written(lambda: L * m * tau), ">=", I_1),
            because=f_lin,
            uses=("reach", "cao2020/lem4.2"),
            put=MappingProxyType({D_1: written(lambda: L * RHO)}),
        ),
        DerivationStep(
            "last",
            Claim(L_S, "<=", epsilon),
            where=(Claim(m, ">=", L**2), Claim(I_1, "<=", OWN)),
            provenance="reconstructed",
        ),
    ),
)
ANOTHER = Derivation(name="another way", steps=(DerivationStep("(4.2)", Claim(m, ">=", O(L, "way"))),))


def test_a_file_s_derivations_are_read_as_they_stand() -> None:
    (theorem,) = loads(TEXT)
    assert theorem.derivations == (THE_PAPER_S, ANOTHER)
    assert list(theorem.derivations[0].quantities) == ["I_1", "ρ"]


def test_a_theorem_without_derivations_has_none() -> None:
    (theorem,) = loads(HEAD[: HEAD.index("[theorem.constants]")])
    assert theorem.derivations == ()
    assert "derivation" not in dumps([theorem])


def test_a_theorem_with_two_derivations_is_read_back_as_it_was_written() -> None:
    with sympy.evaluate(False):
        theorem = own(
            conditions=(Condition(m, ">=", Otilde(L**3, "m")), Condition(m, ">=", O(L, "way"))),
            derivations=(THE_PAPER_S, ANOTHER),
        )
    text = dumps([theorem])
    (again,) = loads(text)
    assert again == theorem
    assert again.derivations[0].steps[1].claim.right.args[1].direction == "small"
    assert dumps([again]) == text
    assert "C_tau = {direction" in text
    assert 'C_own = {hides = "a number", value = 3, origin = "counted"}' in text
    assert 'needed = true, says = "the iterates stay within tau"}' in text


def test_formulas_that_sympy_has_evaluated_are_written_too() -> None:
    step = DerivationStep(
        "x",
        Claim(L**4 * sqrt(m * log(m)) * tau ** Rational(4, 3), ">=", 2 * L - tau - 1),
        because=sympy.Integer(0),
        put={tau: 1 / (L * m)},
    )
    theorem = own(derivations=(Derivation((step,)),))
    assert loads(dumps([theorem])) == (theorem,)


@pytest.mark.parametrize("key", PROOFS)
def test_the_catalogue_s_derivations_are_read_back_as_they_were_written(key: str) -> None:
    theorem = replace(CATALOGUE[key], derivations=PROOFS[key])
    text = dumps([theorem])
    (again,) = loads(text)
    assert again == theorem
    assert _constants(again) == _constants(theorem)
    assert dumps([again]) == text
    for read, meant in zip(again.derivations, PROOFS[key], strict=True):
        assert list(read.quantities.items()) == list(meant.quantities.items())
        assert list(read.put) == list(meant.put)


def _constants(theorem: Theorem) -> set[HiddenConstant]:
    """The hidden constants that stand anywhere in a theorem, looked for in every field."""
    found: set[HiddenConstant] = set(theorem.constants)
    pending: list[Any] = list(theorem.derivations)
    while pending:
        fact = pending.pop()
        if isinstance(fact, sympy.Basic):
            found |= fact.atoms(HiddenConstant)
        elif isinstance(fact, tuple | list):
            pending += fact
        elif hasattr(fact, "items"):
            pending += [part for entry in fact.items() for part in entry]
        elif hasattr(fact, "__dataclass_fields__"):
            pending += [getattr(fact, name) for name in fact.__dataclass_fields__]
    return found


NAMES = ("I_1", "rest", "drop_2", "ρ")


@st.composite
def derivations(draw: st.DrawFn, name: str) -> Derivation:
    quantities = draw(st.dictionaries(st.sampled_from(NAMES), TEXTS))
    own_symbols = [sympy.Symbol(quantity, positive=True) for quantity in quantities]
    symbols = st.sampled_from([*(symbol.expr for symbol in VOCABULARY.values()), *own_symbols])
    joined = st.builds(unevaluated, st.sampled_from([sympy.Add, sympy.Mul]), FORMULAS, symbols)
    formulas = FORMULAS | symbols | joined
    claims = st.builds(Claim, formulas, st.sampled_from([">=", "<="]), formulas)
    put = st.dictionaries(symbols, formulas, max_size=2).map(MappingProxyType)
    ids = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3, unique=True))
    steps = []
    for number, step in enumerate(ids):
        known = [*ids[:number], "cao2020/lem4.2", "zou2020"]
        needed = draw(st.booleans())
        steps.append(
            DerivationStep(
                id=step,
                claim=draw(claims),
                says=draw(TEXTS),
                needed=needed,
                because=None if needed else draw(st.none() | formulas),
                uses=tuple(draw(st.lists(st.sampled_from(known), max_size=2))),
                put=draw(put),
                where=tuple(draw(st.lists(claims, max_size=2))),
                fixed=tuple(draw(st.lists(symbols, max_size=2))),
                provenance=draw(PROVENANCES),
            )
        )
    choices = draw(st.lists(st.sampled_from([m, eta, K, tau]), unique=True).map(tuple))
    return Derivation(
        steps=tuple(steps),
        choices=choices,
        put=draw(put),
        where=tuple(draw(st.lists(claims, max_size=2))),
        quantities=MappingProxyType(quantities),
        name=name,
        note=draw(TEXTS),
    )


@st.composite
def several(draw: st.DrawFn) -> tuple[Derivation, ...]:
    further = st.text(min_size=1, max_size=8)
    names = draw(st.lists(further, max_size=2, unique=True))
    return tuple(draw(derivations(name)) for name in ([""] if draw(st.booleans()) else []) + names)


@given(several())
@settings(max_examples=60, deadline=None)
def test_any_derivations_are_read_back_as_they_were_written(drawn: tuple[Derivation, ...]) -> None:
    theorem = own(derivations=drawn)
    text = dumps([theorem])
    (again,) = loads(text)
    assert again == theorem
    assert _constants(again) == _constants(theorem)
    assert dumps([again]) == text


def derivation(**facts: Any) -> Derivation:
    return Derivation(**{"steps": (DerivationStep("a", Claim(m, ">=", L)),), **facts})


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((derivation(steps=()),), "derivation: the field 'steps' is missing"),
        ((derivation(), derivation()), "a further derivation needs a name"),
        ((derivation(name="a"), derivation(name="a")), "is the name of another derivation"),
        ((derivation(quantities={"I 1": ""}),), "'I 1' cannot name a quantity"),
        ((derivation(steps=(DerivationStep("a", Claim(I_1, ">=", L)),)),), "'I_1' .* is an unknown name"),
        ((derivation(steps=(DerivationStep("a", Claim(sympy.sin(m), ">=", L)),)),), "sin.* cannot be written"),
        (
            (derivation(quantities={"x": ""}, steps=(DerivationStep("a", Claim(sympy.Symbol("x"), ">=", L)),)),),
            "cannot be written so as to be read back",
        ),
        (
            (derivation(put={tau: O(L, "x")}, steps=(DerivationStep("a", Claim(m, ">=", O(L, "x", "small"))),)),),
            "two hidden constants have the same name",
        ),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_the_format_has_no_words_for_is_not_written(given: tuple[Derivation, ...], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        dumps([own(derivations=given)])


AT = "theorem.derivation"
MISTAKES = [
    # what is replaced, by what, the field that the message names, and what it says of it
    ("note =", "nota =", f"{AT}.nota", "unknown field 'nota'; did you mean note?"),
    ('says = "telescope', 'sais = "telescope', f"{AT}.steps.sais", "unknown field 'sais'; did you mean says?"),
    ('note = "without', 'note = 3 # "without', f"{AT}.note", '3 is not a text; write it in quotes, "3"'),
    ('name = "another way"', 'name = ["x"]', f"{AT}.name", "a list is not a text"),
    ('name = "another way"', 'name = ""', f"{AT}.name", "a further derivation needs a name, which tells it apart"),
    ('name = "another way"', "", AT, ""),  # below: it shows at the header
    ('["width", "η"]', '["width", "eat"]', f"{AT}.choices", "unknown symbol 'eat'; did you mean eta?"),
    ('["width", "η"]', '["width", "I_1"]', f"{AT}.choices", "unknown symbol 'I_1'"),
    ('["width", "η"]', '["width", "m"]', f"{AT}.choices", "m is chosen twice; name it once"),
    ('["width", "η"]', '"width"', f"{AT}.choices", "width is not a list; write it in brackets, [width]"),
    ("{B =", "{I_2 =", f"{AT}.put.I_2", "unknown symbol 'I_2'; did you mean P_2 or I_1 or D_2?"),
    ("{B =", "{€ =", "", "not TOML"),
    ("{B =", '{"€" =', f"{AT}.put.€", "unknown symbol '€'; known are epsilon, delta,"),
    ("{B =", '{m = "L", width =', f"{AT}.put.width", "m is put in twice, under two of its names"),
    ('"2^(-L)*gamma"', '"2^(-L)*gama"', f"{AT}.put.B", "'gama' at character 8 is an unknown name; did you mean gamma"),
    ('"2^(-L)*gamma"', "2", f"{AT}.put.B", '2 is not a text; write it in quotes, "2"'),
    ('put = {B = "2^(-L)*gamma"}', 'put = "B"', f"{AT}.put", "B is not a table; write name = value pairs"),
    ("{I_1 =", '{"I 1" = "", I_1 =', f"{AT}.quantities.I 1", "'I 1' cannot name a quantity; write one plain word"),
    ("{I_1 =", '{"2m" = "", I_1 =', f"{AT}.quantities.2m", "'2m' cannot name a quantity; write one plain word"),
    ("{I_1 =", '{"a·b" = "", I_1 =', f"{AT}.quantities.a·b", "'a·b' cannot name a quantity; write one plain word"),
    ("{I_1 =", '{"I²" = "", I_1 =', f"{AT}.quantities.I²", "'I²' cannot name a quantity; write one plain word"),
    ("{I_1 =", '{eps = "", I_1 =', f"{AT}.quantities.eps", "'eps' is a parameter of the field already; give the"),
    ("{I_1 =", '{m = "", I_1 =', f"{AT}.quantities.m", "'m' is a parameter of the field already; give the quantity"),
    ("{I_1 =", '{sum = "", I_1 =', f"{AT}.quantities.sum", "'sum' is a function already; give the quantity another"),
    ("{I_1 =", '{O_m = "", I_1 =', f"{AT}.quantities.O_m", "'O_m' is a function already; give the quantity another"),
    ("{I_1 =", '{C_m = "", I_1 =', f"{AT}.quantities.C_m", "'C_m' is a hidden constant already; give the quantity"),
    ("{I_1 =", '{k_way = "", C_way = "", I_1 =', f"{AT}.quantities.C_way", "'C_way' is a hidden constant already"),
    ('"the remainder"', "{}", f"{AT}.quantities.I_1", "a table is not a text"),
    ('{id = "(4.2)", ', "{", f"{AT}.steps", "the field 'id' is missing"),
    ('claim = "L_S <= epsilon", ', "", f"{AT}.steps", "the field 'claim' is missing"),
    ('id = "last"', 'id = ""', f"{AT}.steps.id", "this id is empty; write the number of the formula, such as (4.2)"),
    ('id = "last"', "id = 4", f"{AT}.steps.id", "4 is not a text"),
    ('id = "last"', 'id = "reach"', f"{AT}.steps.id", "'reach' is the id of another step, at f, line 33, "),
    ("L_S <= epsilon", "L_S < epsilon", f"{AT}.steps.claim", "the relation '<'; write >= or <=, as in sqrt(K*eta) <="),
    ("L_S <= epsilon", "L_S = epsilon", f"{AT}.steps.claim", "the relation '='; write >= or <=, as in sqrt(K*eta) <="),
    ("L_S <= epsilon", "L_S", f"{AT}.steps.claim", "'L_S' has no relation; write >= or <=, as in"),
    ("L_S <= epsilon", "<= epsilon", f"{AT}.steps.claim", "is empty; a number, a name or a parenthesis is missing"),
    ("L_S <= epsilon", "L_S <= ", f"{AT}.steps.claim", "is empty; a number, a name or a parenthesis is missing"),
    ("L_S <= epsilon", "L_S <= 1 <= epsilon", f"{AT}.steps.claim", "'<' at character 10 has no meaning here"),
    ("L_S <= epsilon", "(L_S <= epsilon", f"{AT}.steps.claim", "'(' at character 1 is never closed"),
    (
        "L_S <= epsilon",
        "L_S <= I_11",
        f"{AT}.steps.claim",
        "'I_11' at character 8 is an unknown name; did you mean I_1",
    ),
    ("L_S <= epsilon", "L_S <= C_tou", f"{AT}.steps.claim", "'C_tou' at character 8 is an unknown name"),
    ("needed = true", 'needed = "yes"', f"{AT}.steps.needed", "yes is neither true nor false; write one of these two"),
    ("needed = true", "needed = 1", f"{AT}.steps.needed", "1 is neither true nor false; write one of these two words"),
    ("needed = true", 'needed = true, because = "L"', f"{AT}.steps.because", "a needed step has no because; drop one"),
    ('because = "f_lin"', 'because = "f_lan"', f"{AT}.steps.because", "'f_lan' at character 1 is an unknown name"),
    ('because = "f_lin"', 'because = ""', f"{AT}.steps.because", "is empty; a number, a name or a parenthesis"),
    ('"cao2020/lem4.2"', '"lem4.2"', f"{AT}.steps.uses", "no earlier step 'lem4.2'; write the id of one, or a"),
    ('["reach", ', '["raech", ', f"{AT}.steps.uses", "no earlier step 'raech'; did you mean reach?; write the id"),
    ('["reach", ', '["last", ', f"{AT}.steps.uses", "the step 'last' comes no earlier than this one; use what stands"),
    ('["reach", ', '["I_1", ', f"{AT}.steps.uses", "the step 'I_1' comes no earlier than this one; use what stands"),
    ('uses = ["(4.2)"]', 'uses = "(4.2)"', f"{AT}.steps.uses", "(4.2) is not a list; write it in brackets, [(4.2)]"),
    ('{D_1 = "L*ρ"}', '{D_1 = "L ρ"}', f"{AT}.steps.put.D_1", "write * between them"),
    ('{D_1 = "L*ρ"}', '{D_9 = "L*ρ"}', f"{AT}.steps.put.D_9", "unknown symbol 'D_9'; did you mean D_"),
    ('"m ≥ L^2"', '"m > L^2"', f"{AT}.steps.where", "the relation '>'; write >= or <="),
    ('["m ≥ L^2", "I_1 <= C_own"]', '"m ≥ L^2"', f"{AT}.steps.where", "m ≥ L^2 is not a list; write it in brackets"),
    ('fixed = ["ρ", "L"]', 'fixed = ["rho", "L"]', f"{AT}.steps.fixed", "unknown symbol 'rho'"),
    ('"reconstructed"', '"remade"', f"{AT}.steps.provenance", "'remade' is none of stated, reconstructed, secondary"),
    ("ρ ≤ Otilde_tau(", "ρ ≤ Otilde_way(", f"{AT}.steps.claim", ""),  # below: it shows at the second notation
    ("O_way(L)", "O_m(L)", f"{AT}.steps.claim", "both Otilde and O hide C_m; change one's label"),
    ("I_1 <= C_own", "I_1 <= 3", "", ""),  # below: it shows where the constant is declared
]
ELSEWHERE = {
    'name = "another way"': ("[[theorem.derivation]]\nname", AT, "a further derivation needs a name, which tells it"),
    "ρ ≤ Otilde_tau(": ("O_way(L)", f"{AT}.steps.claim", "both Otilde and O hide C_way; change one's label"),
    "I_1 <= C_own": ("C_own = {", "theorem.constants.C_own", "this constant stands in no formula; drop it, or use it"),
}


def line_of(part: str) -> int:
    assert TEXT.count(part) == 1, part
    return TEXT[: TEXT.index(part)].count("\n") + 1


@pytest.mark.parametrize(("old", "new", "field", "problem"), MISTAKES, ids=lambda part: str(part)[:25])
def test_a_mistake_is_named_with_the_file_the_line_and_the_field(old: str, new: str, field: str, problem: str) -> None:
    where = old
    if not problem:
        where, field, problem = ELSEWHERE[old]
    with pytest.raises(InputError) as caught:
        loads(TEXT.replace(old, new, 1), "f")
    said = str(caught.value)
    assert problem in said
    assert "\n" not in said
    assert len(said) < 900
    assert f"line {line_of(where)}, " in said
    if field:
        assert said.startswith(f"f, line {line_of(where)}, {field}: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + "[theorem.derivation]\nsteps = []\n", "a table is not a list"),
        (HEAD + "[[theorem.derivation]]\n", "line 26, theorem.derivation: the field 'steps' is missing"),
        (
            HEAD + "[[theorem.derivation]]\nsteps = []\n",
            "line 27, theorem.derivation.steps: this derives nothing; give it",
        ),
        (HEAD + "[[theorem.derivation]]\nsteps = {}\n", "line 27, theorem.derivation.steps: a table is not a list"),
        (HEAD + '[[theorem.derivation]]\nsteps = ["m >= L"]\n', "theorem.derivation.steps: m >= L is not a table"),
        (HEAD + "[[theorem.derivations]]\n", "unknown field 'derivations'; did you mean derivation"),
        (
            TEXT + '\n[[theorem.derivation]]\nname = "another way"\nsteps = [{id = "a", claim = "m >= L"}]\n',
            "theorem.derivation.name: 'another way' is the name of another derivation, at f, line 39, ",
        ),
    ],
    ids=lambda part: part[-40:],
)
def test_a_derivation_that_is_not_one_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        loads(text, "f")
    assert problem in str(caught.value)


def test_the_first_derivation_may_have_a_name() -> None:
    first = TEXT.index("[[theorem.derivation]]")
    second = TEXT.index("[[theorem.derivation]]", first + 1)
    text = TEXT[: TEXT.index("[theorem.constants]")] + TEXT[second:]
    (theorem,) = loads(text)
    assert theorem.derivations == (ANOTHER,)


def test_a_constant_of_a_derivation_is_the_statement_s() -> None:
    (theorem,) = loads(TEXT.replace("Otilde_tau(tau)", "Otilde_m(tau)").replace('C_tau = {direction = "small"}', ""))
    assert theorem.derivations[0].steps[1].claim.right.args[1:] == theorem.conditions[0].expr.args[1:]


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_derivations_with_random_mistakes_are_read_or_refused(count: int) -> None:
    chance = random.Random(count)
    way = TEXT.removeprefix(HEAD)
    was_read, refused = survives(loads, (HEAD + mistaken(chance, way) for _ in range(count)))
    assert min(was_read, refused) > count // 20


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(name)} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every table and array below a value, with every key or number in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from places(value[key])


WORDS = st.sampled_from(
    ["I_1", "m", "tau", "m >= L", "I_1 <= O_m(L)", "(4.2)", "cao2020/lem4.2", "O_x", "C_m", "", "€"]
)
FIELDS = st.sampled_from(["name", "choices", "put", "quantities", "steps", "id", "because", "needed", "where", "uses"])
VALUES = st.recursive(
    WORDS | TEXTS | st.booleans() | st.integers(-9, 9),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(FIELDS | WORDS | TEXTS, below, max_size=2),
    max_leaves=5,
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_derivation_with_anything_in_place_of_anything_is_read_or_refused(data: st.DataObject) -> None:
    document = copy.deepcopy(tomllib.loads(TEXT))
    damaged = document["theorem"][0]["derivation"]
    for _ in range(data.draw(st.integers(1, 3))):
        if not (found := list(places(damaged))):
            break
        holder, key = data.draw(st.sampled_from(found))
        action = data.draw(st.sampled_from(["replace", "drop", "add"]))
        if action == "drop":
            del holder[key]
        elif action == "replace":
            holder[key] = data.draw(VALUES)
        elif isinstance(holder, dict):
            holder[data.draw(FIELDS | WORDS)] = data.draw(VALUES)
        else:
            holder.append(data.draw(VALUES))
    text = "\n".join(f"{name} = {toml(value)}" for name, value in document.items())
    if problem := refusal(text):
        assert problem.startswith("f, line ")
        assert "\n" not in problem
    else:
        read = loads(text)
        assert loads(dumps(read)) == read


def refusal(text: str) -> str:
    """Why a text is refused; nothing where it is read."""
    try:
        loads(text, "f")
    except InputError as problem:
        return str(problem)
    return ""
