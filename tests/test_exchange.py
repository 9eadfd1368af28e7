"""Theorems as TOML: what is written is read back, what is wrong is named with its line, and packages may bring more."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
import sympy
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import ceil, log, mpf
from noise import mistaken, survives
from strategies import FORMULAS

import boundcalc.exchange
from boundcalc.catalogue import CATALOGUE, load
from boundcalc.cli import cli
from boundcalc.constants import HiddenConstant, O, Otilde, exponent
from boundcalc.documents import LARGEST_FILE, Node, read_document
from boundcalc.errors import InputError
from boundcalc.exchange import dumps, installed, loads, read_theorems
from boundcalc.solving import evaluate
from boundcalc.symbols import HIDDEN_LAYERS, TWO_LAYER, VOCABULARY, WEIGHT_MATRICES, Depth, L, delta, m, n
from boundcalc.theorem import (
    Bound,
    Condition,
    Guarantee,
    Hypothesis,
    Paper,
    Prescription,
    Setting,
    Theorem,
)

EXAMPLE = Path(__file__).parent.parent / "examples" / "own_theorem.toml"
TEXT = EXAMPLE.read_text("utf-8")


def constants(theorem: Theorem) -> list[tuple[object, ...]]:
    """All that is known of a theorem's hidden constants."""
    return [(c.name, c.hides, c.role, c.direction, c.value, c.origin) for c in theorem.constants]


@pytest.mark.parametrize("theorem", CATALOGUE.all(), ids=lambda theorem: f"{theorem.key}-{theorem.reading}")
def test_a_theorem_of_the_catalogue_is_read_back_as_it_was_written(theorem: Theorem) -> None:
    text = dumps([theorem])
    (again,) = loads(text)
    assert again == theorem
    assert constants(again) == constants(theorem)
    assert list(again.supplies.items()) == list(theorem.supplies.items())
    assert [type(bound) for bound in again.bounds] == [type(bound) for bound in theorem.bounds]
    assert dumps([again]) == text


def test_the_whole_catalogue_fits_into_one_file() -> None:
    theorems = CATALOGUE.all()
    text = dumps(theorems)
    assert loads(text) == theorems
    assert dumps(loads(text)) == text
    assert len({theorem.source.paper for theorem in theorems}) == text.count("[paper.")


TEXTS = st.text(max_size=12)
SETTINGS = st.builds(Setting, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from([WEIGHT_MATRICES, HIDDEN_LAYERS, TWO_LAYER]))
HYPOTHESES = st.builds(Hypothesis, TEXTS, TEXTS) | st.builds(
    Hypothesis,
    TEXTS,
    TEXTS,
    st.sampled_from([symbol.expr for symbol in VOCABULARY.values()]),
    st.just("") | TEXTS,
    st.sampled_from(["smaller", "larger"]),
)
PROVENANCES: st.SearchStrategy[Any] = st.sampled_from(["stated", "reconstructed", "secondary"])
AnyBound = TypeVar("AnyBound", bound=Bound)


@st.composite
def bounds(draw: st.DrawFn, kind: type[AnyBound]) -> AnyBound:
    symbol = VOCABULARY[draw(st.sampled_from(sorted(VOCABULARY)))].expr
    expr = draw(FORMULAS)
    named = sorted((s for s in expr.free_symbols if not isinstance(s, HiddenConstant)), key=str)
    ways = [draw(st.sampled_from(["rising", "falling", ""])) for _ in named]
    facts: dict[str, Any] = {
        "rising": tuple(s for s, way in zip(named, ways, strict=True) if way == "rising"),
        "falling": tuple(s for s, way in zip(named, ways, strict=True) if way == "falling"),
        "note": draw(TEXTS),
        "provenance": draw(st.none() | PROVENANCES),
    }
    if kind is Guarantee:
        facts |= {"probability": draw(st.none() | FORMULAS), "over": draw(TEXTS)}
    return kind(symbol, draw(st.sampled_from([">=", "<=", "="])), expr, **facts)


def some(kind: type[AnyBound], least: int = 0) -> st.SearchStrategy[tuple[AnyBound, ...]]:
    return st.lists(bounds(kind), min_size=least, max_size=2).map(tuple)


@st.composite
def theorems(draw: st.DrawFn) -> Theorem:
    symbols = draw(st.lists(st.sampled_from(sorted(VOCABULARY)), max_size=2, unique=True))
    return Theorem(
        key=draw(st.from_regex(r"[a-z]{1,5}[0-9]{4}(/[a-z0-9.]{1,3}[a-z0-9])?", fullmatch=True)),
        title=draw(TEXTS),
        source=draw(st.builds(Paper, *[TEXTS] * 5)).at(draw(TEXTS)),
        setting=draw(SETTINGS),
        hypotheses=draw(st.lists(HYPOTHESES, max_size=3).map(tuple)),
        conditions=draw(some(Condition, least=1)),
        prescriptions=draw(some(Prescription)),
        guarantees=draw(some(Guarantee)),
        provenance=draw(PROVENANCES),
        reading=draw(st.sampled_from(["stated", "unfolded"])),
        supplies=MappingProxyType({VOCABULARY[name].expr: draw(FORMULAS) for name in symbols}),
        notes=draw(st.lists(TEXTS, max_size=2).map(tuple)),
    )


@given(theorems())
@settings(max_examples=60, deadline=None)
def test_any_theorem_is_read_back_as_it_was_written(theorem: Theorem) -> None:
    text = dumps([theorem])
    (again,) = loads(text)
    assert again == theorem
    assert constants(again) == constants(theorem)
    assert dumps([again]) == text


def test_formulas_that_sympy_has_evaluated_are_written_too() -> None:
    theorem = own(conditions=(Condition(m, ">=", Otilde(L**3 * n * sympy.log(n / delta) / 2 - 2 * L - 1, "m")),))
    assert loads(dumps([theorem])) == (theorem,)


def own(**facts: Any) -> Theorem:
    paper = Paper("nobody2030", "Nobody", "On wide networks", "nowhere", "v1")
    given: dict[str, Any] = {
        "key": "nobody2030/thm1",
        "title": "wide networks train",
        "source": paper.at("Theorem 1"),
        "setting": Setting("deep ReLU network", "Gaussian", "logistic", "gradient descent", HIDDEN_LAYERS),
        "conditions": (Condition(m, ">=", L**2),),
    }
    return Theorem(**{**given, **facts})


@pytest.mark.parametrize(
    ("theorem", "problem"),
    [
        (own(conditions=(Condition(m, ">=", sympy.sin(L)),)), "cannot be written"),
        (own(setting=Setting("", "", "", "", Depth("L counts sheep", 3))), "L counts sheep"),
        (own(conditions=(Condition(m, ">=", O(L, "m")), Condition(m, ">=", Otilde(L, "m")))), "hide C_m"),
        (
            own(conditions=(Condition(m, ">=", L ** exponent("p", "L", 1, "a") * m ** exponent("p", "L", 2, "b")),)),
            "same name",
        ),
        (own(conditions=(Condition(m, ">=", L * HiddenConstant("n", hides="nothing")),)), "vocabulary's own"),
        (own(conditions=(Condition(m, ">=", L ** exponent("p", "L", 3, "")),)), "where the value comes from"),
        (own(key="Nobody"), "is no key"),
    ],
)
def test_what_the_format_has_no_words_for_is_not_written(theorem: Theorem, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        dumps([theorem])


def test_the_format_is_described_by_an_example_that_can_be_read() -> None:
    (theorem,) = loads("\n".join(re.findall(r"^ {4}(.*)$", boundcalc.exchange.__doc__ or "", re.MULTILINE)))
    with sympy.evaluate(False):
        assert theorem.conditions[0].expr == Otilde(L**3 * n * sympy.log(n / delta), "m")
    (derivation,) = theorem.derivations
    assert [step.id for step in derivation.steps] == ["(2)", "rest", "(3)"]
    assert derivation.steps[1].claim.left == sympy.Symbol("rest", positive=True)


def test_the_example_is_a_theorem_like_any_other() -> None:
    (theorem,) = read_theorems(EXAMPLE)
    assert str(theorem.source) == "Doe, Roe, an example (first draft), Theorem 1"
    assert theorem.setting.depth is HIDDEN_LAYERS
    assert theorem.conditions[0].rising == (L, n)
    assert {c.name: c.direction for c in theorem.constants} == {
        "C_T": "large", "C_eta": "small", "C_width": "large", "k_T": "large", "p_L": "large",
    }  # fmt: skip
    body = TEXT.partition("[[theorem]]")[2].strip().splitlines()
    assert len([line for line in body if line]) <= 25


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=True)
    if isinstance(result.exception, InputError):
        return 2, str(result.exception)
    return result.exit_code, result.output


def test_the_example_is_evaluated_asked_listed_and_shown() -> None:
    further = ("--theorems", str(EXAMPLE))
    width = str(int(ceil(mpf(4) ** 12 * 5**8 * log(mpf(1000) / mpf("0.05")))))
    code, printed = run("eval", "doe2030/thm1", "width", "L=4", "gamma=1/5", "--json", *further)
    assert (code, json.loads(printed)["value"]) == (0, width)
    code, printed = run("ask", "width for L=4, gamma=0.2", "--json", *further)
    answers = {answer["theorem"]: answer["value"] for answer in json.loads(printed)["answers"]}
    assert code == 0
    assert answers["doe2030/thm1"] == width
    assert len(answers) > 10
    code, printed = run("ask", "width, only doe2030", "--json", *further)
    assert [answer["theorem"] for answer in json.loads(printed)["answers"]] == ["doe2030/thm1"]
    assert "doe2030/thm1" in run("list", *further)[1]
    assert "unknown theorem 'doe2030/thm1'" in run("show", "doe2030/thm1")[1]
    code, printed = run("show", "doe2030/thm1", "--format", "toml", *further)
    assert loads(printed) == read_theorems(EXAMPLE)


MISTAKES = [
    # what is replaced, by what, the field that the message names, and what it says
    ('title = "gradient', 'titel = "gradient', "theorem.titel", "unknown field 'titel'; did you mean title"),
    ('key = "doe2030/thm1"', 'key = "Doe"', "theorem.key", "like nobody2030/thm1"),
    ('key = "doe2030/thm1"', "key = 3", "theorem.key", "3 is not a text; write it in quotes"),
    ('paper = "doe2030"', 'paper = "do2030"', "theorem.paper", "no paper 'do2030'; did you mean doe2030"),
    ('setting = "deep_relu"', 'setting = "x"', "theorem.setting", "describe it in a table [setting.x]"),
    ('depth = "hidden layers"', 'depth = "layers"', "setting.deep_relu.depth", "none of weight matrices"),
    ('authors = "Doe, Roe"', 'authors = ["Doe"]', "paper.doe2030.authors", "a list is not a text"),
    ("m >=", "m >", "theorem.conditions.bound", "the relation '>'; write >=, <= or ="),
    ("m >=", "m", "theorem.conditions.bound", "has no relation"),
    ("m >=", "M >=", "theorem.conditions.bound", "unknown symbol 'M'; did you mean m?"),
    ("m >=", "€ >=", "theorem.conditions.bound", "unknown symbol '€'; known are epsilon, delta,"),
    ("m >=", "wdth >=", "theorem.conditions.bound", "unknown symbol 'wdth'; did you mean width"),
    ("log(n/delta)", "log(n/dleta)", "theorem.conditions.bound", "'dleta' at character 35 is an unknown name"),
    ("C_width*L", "2 L", "theorem.conditions.bound", "write * between them"),
    ('rising = ["L", "n"]', 'rising = ["L", "x"]', "theorem.conditions.rising", "unknown symbol 'x'"),
    ('rising = ["L", "n"]', 'rising = ["L", "R"]', "theorem.conditions.rising", "R does not occur"),
    ('rising = ["L", "n"]', 'rising = "L"', "theorem.conditions.rising", "L is not a list"),
    ('"n"], falling = ["gamma"', '"n"], falling = ["n"', "theorem.conditions.falling", "n is declared rising"),
    ('symbol = "gamma"', 'symbol = "gama"', "hypothesis.margin.symbol", "did you mean gamma"),
    ('{name = "unit', '{measure = "phi", name = "unit', "theorem.hypotheses.measure", 'as symbol = "gamma"'),
    ('weaker = "smaller"', 'weaker = "less"', "hypothesis.margin.weaker", "none of smaller, larger"),
    ('name = "unit inputs", ', "", "theorem.hypotheses", "the field 'name' is missing"),
    ('probability = "1 - delta"', 'probability = "1 - "', "theorem.guarantees.probability", "ends after '-'"),
    ('note = "at some', 'nota = "at some', "theorem.guarantees.nota", "did you mean note"),
    ('"eta = O_eta(gamma^2/(L*m))"', "7", "theorem.prescriptions", "7 is not a text"),
    ("Otilde_T(L^2", "Otilde_eta(L^2", "theorem.prescriptions.bound", "both O and Otilde hide C_eta"),
    ('direction = "small"', 'direction = "tiny"', "theorem.constants.C_eta.direction", "none of large, small"),
    ("value = 12", "value = true", "theorem.constants.p_L.value", "not a number"),
    ("value = 12", 'value = "-1"', "theorem.constants.p_L.value", "not a number ≥ 0"),
    ("value = 12", 'value = "1e999"', "theorem.constants.p_L.value", "outside 10^±300"),
    (', origin = "read off the proof"', "", "theorem.constants.p_L", "where the value comes from"),
    ('hides = "poly(L)", ', "", "theorem.constants.p_L", "say what hides this constant"),
    ("C_width = {}", "C_tau = {}; C_width = {}", "", "not TOML"),
    ("C_width = {}", "epsilon = {}", "theorem.constants.epsilon", "cannot name a constant"),
    ("C_width = {}", "C_width = 3", "theorem.constants.C_width", "3 is not a table"),
    ("C_eta = {", "C_tau = {}, C_eta = {", "", "not TOML"),
    ("[setting.deep_relu]", "[settings.deep_relu]", "settings", "did you mean setting?"),
    ("[[theorem]]", "[theorem]", "theorem", "a table is not a list"),
]


def refusal(text: str, folder: Path) -> str:
    """What `boundcalc list` says of a file with this text, after the file's name."""
    file = folder / "own.toml"
    file.write_text(text, "utf-8")
    code, printed = run("list", "--theorems", str(file))
    assert code == 2
    assert "\n" not in printed
    assert printed.startswith(str(file))
    return printed.removeprefix(str(file))


def line_of(part: str) -> int:
    assert TEXT.count(part) == 1, part
    return TEXT[: TEXT.index(part)].count("\n") + 1


@pytest.mark.parametrize(("old", "new", "field", "problem"), MISTAKES, ids=lambda part: str(part)[:25])
def test_a_mistake_is_named_with_the_file_the_line_and_the_field(
    old: str, new: str, field: str, problem: str, tmp_path: Path
) -> None:
    said = refusal(TEXT.replace(old, new), tmp_path)
    assert problem in said
    if field:
        assert said.startswith(f", line {line_of(old)}, {field}: ")
    else:
        assert f"line {line_of(old)}, " in said


def test_a_mistake_that_shows_elsewhere_is_named_where_it_shows(tmp_path: Path) -> None:
    missing = refusal(TEXT.replace('at = "Theorem 1"\n', ""), tmp_path)
    assert missing == f", line {line_of('[[theorem]]')}, theorem: the field 'at' is missing"
    undeclared = refusal(TEXT.replace("C_width = {}", "C_wide = {}"), tmp_path)
    assert undeclared.startswith(f", line {line_of('m >=')}, theorem.conditions.bound: 'C_width' at character 6 is")
    unused = refusal(TEXT.replace("C_width = {}", "C_width = {}\nC_tau = {}"), tmp_path)
    assert unused.startswith(
        f", line {line_of('C_width = {}') + 1}, theorem.constants.C_tau: this constant stands in no"
    )
    twice = '[theorem.supplies]\nloss = "1"\nL_S = "2"\n\n[theorem.constants]'
    supplied = refusal(TEXT.replace("[theorem.constants]", twice), tmp_path)
    assert supplied.startswith(
        f", line {line_of('[theorem.constants]') + 2}, theorem.supplies.L_S: L_S is supplied twice"
    )


def test_two_theorems_of_one_key_are_named_with_both_lines() -> None:
    first, second = line_of("[[theorem]]"), TEXT.count("\n") + 2
    with pytest.raises(InputError) as caught:
        loads(TEXT + "\n" + TEXT[TEXT.index("[[theorem]]") :], "f")
    said = f"f, line {second}, theorem: doe2030/thm1 (stated) is defined already, at f, line {first}, theorem"
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the field 'theorem' is missing"),
        ("a = ]", r"not TOML: .*line 1"),
        ("a = 1\nb = = 2", r"not TOML: .*line 2"),
        ("a = 1\na = 2", "not TOML: Cannot overwrite a value"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "9" * 10_000, "not TOML"),
        ("a." * 400_000 + "b = 1", "more than 30 parts"),
        ('"a" . ' * 100_000 + "b = 1", "more than 30 parts"),
        ("a" * 900_000 + " = 1", "unknown field"),
        ('a = "' + "x.y " * 200_000 + '"', "unknown field"),
        ("a = " + "{a = " * 5_000 + "1" + "}" * 5_000, "nested too deeply"),
        ("theorem = [3]", "line 1, theorem: 3 is not a table"),
        ("theorem = 3", "line 1, theorem: 3 is not a list"),
        ('theorem = [{key = "a2030"}]', "line 1, theorem: the field 'title' is missing"),
    ],
    ids=lambda text: text[:12],
)
def test_a_text_that_holds_no_theorem_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        loads(text)
    assert len(str(caught.value)) < 300


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    large, latin = tmp_path / "large.toml", tmp_path / "latin.toml"
    large.write_text("#" * (LARGEST_FILE + 1))
    latin.write_bytes(b"# \xe9\n")
    for path, problem in (
        (tmp_path / "none.toml", "no file"),
        (tmp_path, "is a folder; give a TOML file in it"),
        (Path(os.devnull), "is a device or a pipe; give a TOML file"),
        (large, f"has more than {LARGEST_FILE} bytes"),
        (latin, "is not text in UTF-8"),
        (tmp_path / ("x" * 5000), "cannot read"),
    ):
        with pytest.raises(InputError, match=problem):
            read_theorems(path)


def every(node: Node) -> Iterator[Node]:
    yield node
    below = (
        node.entries().values()
        if isinstance(node.value, dict)
        else node.items()
        if isinstance(node.value, list)
        else ()
    )
    for child in below:
        yield from every(child)


def test_every_value_of_a_file_knows_its_line() -> None:
    text = dumps(CATALOGUE.all()) + '\n["odd \\" key".\'k\'] # [x]\nz = """\n[no]\n""" # ]\n"a.b".c = [[1, 2],\n [3]]\n'
    lines = text.splitlines()
    nodes = [node for node in every(read_document(text, "f")) if node.steps]
    assert len(nodes) > 1000
    for node in nodes:
        named = [step for step in node.steps if isinstance(step, str)][-1]
        line = int(re.match(r"f, line (\d+)", node.place)[1])  # type: ignore[index]
        if isinstance(node.steps[-1], str):
            assert named.replace('"', '\\"') in lines[line - 1]
        elif isinstance(node.value, str):
            assert node.value.replace("\\", "\\\\").replace('"', '\\"') in lines[line - 1]
    assert nodes[-1].place == f'f, line {len(lines)}, odd " key.k.a.b.c'


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_files_with_random_mistakes_are_read_or_refused(count: int) -> None:
    chance = random.Random(count)
    was_read, refused = survives(loads, (mistaken(chance, TEXT) for _ in range(count)))
    assert min(was_read, refused) > count // 20


PLUGIN = """
from pathlib import Path
from boundcalc.exchange import read_theorems
one, = several = read_theorems(Path({example!r}))
def function():
    return iter(several)
def broken():
    raise RuntimeError("out of order")
number = 3
strings = "ab"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package's folder on the path; what is written into its entry_points.txt is installed."""
    (tmp_path / "own_theorems.py").write_text(PLUGIN.format(example=str(EXAMPLE)))
    package = tmp_path / "own_theorems-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: own-theorems\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return package / "entry_points.txt"


def announce(file: Path, target: str, group: str = "boundcalc.theorems") -> None:
    file.write_text(f"[{group}]\nmine = {target}\n")


@pytest.mark.parametrize("target", ["own_theorems:one", "own_theorems:several", "own_theorems:function"])
def test_an_installed_package_brings_theorems(plugin: Path, target: str) -> None:
    announce(plugin, target)
    assert [theorem.key for theorem in installed()] == ["doe2030/thm1"]
    catalogue = load()
    assert len(catalogue) == len(CATALOGUE) + 1
    assert evaluate(catalogue["doe2030/thm1"], "loss", {"epsilon": "0.1"}).value == "0.2"


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("own_theorems:broken", "cannot be loaded: RuntimeError: out of order"),
        ("own_theorems:missing", "cannot be loaded: AttributeError"),
        ("no_such_module:one", "cannot be loaded: ModuleNotFoundError"),
        ("own_theorems:number", "gives 3; give a Theorem"),
        ("own_theorems:strings", "gives 'a'; give a Theorem"),
    ],
)
def test_an_entry_point_that_gives_no_theorem_is_named(plugin: Path, target: str, problem: str) -> None:
    announce(plugin, target)
    with pytest.raises(InputError, match=rf"the entry point mine = {target} of own-theorems .*{problem}"):
        load()


def test_an_installed_theorem_must_have_a_key_and_known_symbols(plugin: Path) -> None:
    code = "from test_exchange import own, sympy, Condition, m\n"
    (plugin.parent.parent / "strange_theorems.py").write_text(
        f"{code}key = own(key='Two words')\nsymbol = own(conditions=(Condition(m, '>=', sympy.Symbol('lamda_0')),))\n"
        "from boundcalc.derivation import Claim, Derivation, DerivationStep\n"
        "steps = (DerivationStep('a', Claim(m, '>=', sympy.Symbol('rest'))),)\n"
        "quantity = own(derivations=(Derivation(steps, quantities={'rst': ''}),))\n"
        "known = own(derivations=(Derivation(steps, quantities={'rest': ''}),))\n"
    )
    for target, problem in (
        ("key", "'Two words' is no key"),
        ("symbol", "unknown symbol 'lamda_0'; did you mean lambda_0"),
        ("quantity", "unknown symbol 'rest' in a derivation; did you mean rst"),
    ):
        announce(plugin, f"strange_theorems:{target}")
        with pytest.raises(InputError, match=problem):
            installed()
    announce(plugin, "strange_theorems:known")
    assert len(installed()) == 1


def test_other_entry_points_are_left_alone(plugin: Path) -> None:
    announce(plugin, "own_theorems:broken", group="somebody.else")
    assert installed() == ()
    assert load() is CATALOGUE


def test_a_key_that_is_defined_twice_is_an_error_that_names_both_places(plugin: Path, tmp_path: Path) -> None:
    announce(plugin, "own_theorems:one")
    with pytest.raises(
        InputError, match=r"doe2030/thm1 .* twice, by the entry point mine .* and by .*own_theorem.toml"
    ):
        load([EXAMPLE])
    plugin.unlink()
    copy = tmp_path / "copy.toml"
    copy.write_text(dumps([CATALOGUE["zou2020"]]), "utf-8")
    with pytest.raises(
        InputError, match=r"zou2020 \(stated\) is defined twice, by boundcalc itself and by .*copy.toml"
    ):
        load([copy])


def test_an_unfolded_reading_needs_a_stated_one(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(dumps([own(reading="unfolded")]), "utf-8")
    with pytest.raises(InputError, match=r"own.toml gives nobody2030/thm1 only as unfolded"):
        load([file])
    file.write_text(dumps([own(reading="unfolded"), own()]), "utf-8")
    assert [theorem.reading for theorem in load([file]).readings("nobody2030/thm1")] == ["unfolded", "stated"]


def test_a_statement_of_a_paper_does_not_hide_the_paper_s_own_theorem(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(dumps([own(key="zou2020/lem1")]), "utf-8")
    catalogue = load([file])
    assert catalogue["zou2020"] == CATALOGUE["zou2020"]
    assert catalogue["zou2020/lem1"].title == "wide networks train"


def test_a_query_without_further_theorems_does_not_pay_for_them() -> None:
    code = (
        "import sys; sys.argv = ['boundcalc', 'eval', 'chen2019/thm2.1', 'width']\n"
        "from boundcalc.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'importlib.metadata', 'tomllib', 'boundcalc.exchange'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
