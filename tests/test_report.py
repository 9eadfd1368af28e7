"""Reports: one content in four forms, pages that need nothing besides themselves, and runs side by side."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import CHROMIUM, browser
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import cli
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.report.document import Code, Document, Formula, Paragraph, Pictures, Section, Table, number, plain, prose
from boundcalc.report.drawing import legend, level_style, line_style, svg
from boundcalc.report.figures import figure_table, intervals_facts, overlaid, picture_facts, sizes_facts
from boundcalc.report.folders import compared, held, remake
from boundcalc.report.forms import formed
from boundcalc.report.ladder import ladder_document, ladder_json
from boundcalc.report.latex import latex_document
from boundcalc.report.markdown import markdown
from boundcalc.report.page import page
from boundcalc.report.studies import (
    calibration_document,
    calibration_json,
    calibration_text,
    write_calibration,
    write_scalings,
)
from boundcalc.report.verification import LAYOUT, verification_json, write_reports
from boundcalc.report.verification_document import _readable, side_by_side, verification_document
from boundcalc.solving import UNIT
from boundcalc.verify.calibration import calibrate
from boundcalc.verify.case import Options, make_case
from boundcalc.verify.checks import Line, Picture
from boundcalc.verify.ladder import Ladder, Widths, climb, plan
from boundcalc.verify.probes import probe
from boundcalc.verify.runner import Result, run
from boundcalc.verify.scaling import scaling
from boundcalc.verify.settings import Setting, Study, settings_of
from boundcalc.verify.statement import Statement
from boundcalc.verify.terms import guarantee_terms, split

PGFPLOTS = (
    shutil.which("pdflatex") is not None
    and shutil.which("kpsewhich") is not None
    and subprocess.run(["kpsewhich", "pgfplots.sty"], capture_output=True, check=False).returncode == 0
)

GIVEN = {"L": Fraction(2), "epsilon": Fraction(1, 5)}
OPTIONS = Options("digits", ("3", "8"), trials=12, rows=40, width=8, search_steps=20_000)
HOSTILE = """<script>alert("1")</script> & \\input{x} $y$ 50% #1 a_b^c ~ |`` [x] *b* 'q' 日本 --"""
"""What somebody may call a file or a class."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "digits"


@pytest.fixture(scope="module")
def result(folder: Path) -> Result:
    case = make_case("chen2019/thm2.1", OPTIONS, GIVEN, ConstantPolicy({"C_T": Fraction(1, 5)}))
    found = run(case, folder)
    write_reports(found, folder, probe(found, folder, {"eta": (Fraction(3),)}))
    return found


@pytest.fixture(scope="module")
def facts(result: Result, folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def forms(result: Result, folder: Path) -> dict[str, str]:
    return {ending: (folder / f"report.{ending}").read_text("utf-8") for ending in ("html", "md", "tex")}


# --- a page, read back ---


class Parsed(HTMLParser):
    """The words of a page without its style, its elements with their attributes, its tables by their rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows = 0
        self._hidden = False
        self.feed(text)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag == "style"
        self.rows += tag == "tr"

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def tables(document: Document) -> Iterator[Table]:
    for section in document.sections:
        yield from (block for block in section.blocks if isinstance(block, Table))


def test_the_four_forms_say_the_same(facts: dict[str, Any], forms: dict[str, str]) -> None:
    document = verification_document(facts)
    page_words, md, tex = Parsed(forms["html"]).text, forms["md"], forms["tex"]
    shown = [
        facts["theorem"], facts["verdict"], facts["machine"], "binary labels", "good weights near the start",
        *(section.title for section in document.sections), *(constant["name"] for constant in facts["constants"]),
        *(one["meaning"] for one in facts["origins"] if prose(one["meaning"]) == (one["meaning"],)),
    ]  # fmt: skip
    for words in shown:
        assert words in page_words, words
        assert words in re.sub(r"\\([_*#<>])", r"\1", md), words
        assert words in tex.replace(r"\_", "_").replace("-{}", "-"), words
    numbers = [plain(number(check["measured"])) for check in facts["checks"]] + [f"{facts['interval'][0]:.4f}"]
    for value in numbers:
        assert value in page_words
        assert value in md
        assert value in tex.replace("$-$", "−")
    rows = sum(len(table.rows) + 1 for table in tables(document))
    figures = [figure_table(figure) for figure in facts["figures"]]
    figured = sum(len(table.rows) + 1 for table in figures)
    assert Parsed(forms["html"]).rows == rows + figured
    assert len(re.findall(r"^\| (?!---)", md, re.MULTILINE)) == rows + figured
    assert len(re.findall(r" \\\\(?: |$)", tex, re.MULTILINE)) == rows
    assert forms["html"].count("<svg") == tex.count(r"\begin{axis}") == md.count("*Picture: ") == len(facts["figures"])


def test_the_verdict_comes_first_and_in_one_sentence(facts: dict[str, Any], forms: dict[str, str]) -> None:
    sentence = facts["sentence"]
    assert sentence.startswith("Inconclusive: 12 of 12 inits reached training loss ≤ 0.6 within T = ")
    assert sentence.endswith("does not decide whether it is 0.95 or more, as chen2019/thm2.1 asserts.")
    assert sentence.count(". ") == 0
    assert forms["md"].startswith("# chen2019/thm2.1: inconclusive\n\n**Inconclusive: 12 of 12 inits")
    main = forms["html"].index("<main>")
    assert forms["html"].index("Inconclusive: 12 of 12") < main
    assert forms["tex"].index("Inconclusive: 12 of 12") < forms["tex"].index(r"\subsection*")


def test_the_contract_of_the_object_is_kept(facts: dict[str, Any], result: Result) -> None:
    keys = "theorem verdict successes trials interval required prescribed run premises checks constants inputs versions"
    assert set(keys.split()) <= facts.keys()
    assert set("engine width step_size iterations dtype device seed".split()) <= facts["run"].keys()
    assert {"name", "hides", "value", "origin"} <= facts["constants"][0].keys()
    assert facts["run"]["seconds"] == pytest.approx(result.seconds)
    assert result.seconds > 0
    assert facts["data"]["sha256"] == result.case.config["examples"]
    json.dumps(facts, allow_nan=False)


def test_every_input_says_where_it_comes_from(facts: dict[str, Any]) -> None:
    origins = {one["name"]: one["origin"] for one in facts["origins"]}
    assert origins["epsilon"] == origins["L"] == "given"
    assert origins["delta"].startswith("assumed: ")
    assert origins["R"].startswith("found of the inits")
    assert {one["name"]: one["value"] for one in facts["origins"]} == facts["inputs"]
    needed = {one["name"]: one["needed"] for one in facts["constants"]}
    (check,) = [check for check in facts["checks"] if check["constant"] == "C_T"]
    assert needed["C_T"] == [{"check": check["name"], "value": check["needed"]}]
    assert needed["C_m"] == []


# --- pages ---


def is_self_contained(text: str) -> None:
    """Nothing is loaded from anywhere, and names within the page are unique and found."""
    parsed = Parsed(text)
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {e for e, _ in parsed.elements}
    assert "@import" not in text
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    pointed = {a["href"] for _, a in parsed.elements if "href" in a} | set(re.findall(r"url\(([^)]*)\)", text))
    assert pointed <= {f"#{name}" for name in ids}
    for attributes in parsed.named("svg"):
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 30
    policy = next(a["content"] for a in parsed.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert (policy or "").startswith("default-src 'none'")


def test_a_page_needs_nothing_besides_itself(forms: dict[str, str]) -> None:
    is_self_contained(forms["html"])
    assert len(forms["html"]) < 400_000
    assert not re.search(
        r"#[0-9a-f]{6}(?!\))", forms["html"][forms["html"].index("<body>") :]
    )  # colours are the page's


def hostile(facts: Mapping[str, Any]) -> dict[str, Any]:
    data = {**facts["data"], "source": HOSTILE, "classes": {"+1": HOSTILE, "-1": HOSTILE[::-1]}}
    command = f"boundcalc verify x --data {shlex.quote(HOSTILE)}"
    return {**facts, "data": data, "command": command, "machine": HOSTILE, "notes": [HOSTILE]}


def test_hostile_names_are_only_names(facts: dict[str, Any]) -> None:
    document = verification_document(hostile(facts))
    text = page(document)
    is_self_contained(text)
    assert Parsed(text).text.count('<script>alert("1")</script> & \\input{x} $y$ 50% #1 a_b^c ~ |`` [x]') >= 3
    assert latex_problems(latex_document(document)) == []
    assert r"\input" not in latex_document(document)
    md = markdown(document)
    outside = re.sub(r"(`+).*?(?<!`)\1(?!`)", "", md, flags=re.DOTALL)
    assert "<script" not in re.sub(r"\\<", "", outside)
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table_named(md, "input")}
    assert len(widths) == 1  # no bar of a name begins a cell


def table_named(md: str, first: str) -> list[str]:
    lines = md.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} |"))
    return lines[start:][: lines[start:].index("")]


def test_bars_and_backticks_stay_within_their_cell() -> None:
    row = (Code("a|b"), Code("`` ` |"), "c|d \\", Formula("|x|", "|x|"))
    section = Section("t", (Table(("1", "2", "3", "4"), (row,)),))
    lines = markdown(Document("t", ("v",), "open", (section,))).splitlines()
    (shown,) = [line for line in lines if "a" in line and line.startswith("|")]
    assert len(re.findall(r"(?<!\\)\|", shown)) == 5
    assert "``` `` ` \\| ```" in shown


# --- LaTeX that compiles in form ---


def latex_problems(text: str) -> list[str]:
    """What pdflatex would stumble over: braces, dollars, environments, signs with a meaning, letters it has not.

    A reader of its own: it follows the text sign by sign and knows nothing of how that was written.
    """
    body, problems, opened = text[text.index(r"\begin{document}") :], [], []
    index = 0
    while index < len(body):
        found = re.compile(
            r"\\(begin|end)\{(\w+\*?)\}|\\text\{|\\[A-Za-z]+\*?|\\.|[{}$&#%_^~]|[^\x00-\x7f]", re.DOTALL
        ).search(body, index)
        if found is None:
            break
        token, index = found[0], found.end()
        near = repr(body[max(0, found.start() - 20) : found.end() + 10])
        within = [name for name in opened if name in ("$", "text")]
        tabular, math_on = "longtable" in opened, within[-1:] == ["$"]
        if found[1] == "begin":
            opened.append(found[2])
        elif found[1] == "end" or token == "}":
            expected = (found[2],) if found[2] else ("{", "text")
            if not opened or opened.pop() not in expected:
                problems.append(f"closes what is not open: {near}")
        elif token in ("{", r"\text{"):
            opened.append("{" if token == "{" else "text")
        elif token == "$" and opened[-1] == "$":
            opened.pop()
        elif token == "$":
            opened.append("$")
        elif token in ("_", "^") and not math_on:
            problems.append(f"script outside mathematics: {near}")
        elif (token == "&" and (math_on or not tabular)) or token in ("#", "%", "~"):
            problems.append(f"a sign with a meaning: {near}")
        elif not token.isascii() and (math_on or not (0xA1 <= ord(token) <= 0x17F or token in "–—‘’‚“”„†‡•…")):
            problems.append(f"a letter that pdflatex has not: {near}")
    return problems + ([f"left open: {opened}"] if opened else [])


@pytest.mark.parametrize(
    "wrong",
    ["{", "}", "$x", "a_b", "a & b", "50%", "#1", r"\begin{itemize}", r"\end{itemize}", "日", "$α$", r"{$a}$", "~"],
)
def test_the_checker_of_latex_finds_what_is_wrong(wrong: str) -> None:
    sound = r"\begin{document} a $b_c$ \& \% \begin{longtable}{P{1\linewidth}} x & y \\ \end{longtable} “é” "
    assert latex_problems(sound + r"\end{document}") == []
    assert latex_problems(sound + wrong + r"\end{document}") != []


def test_latex_compiles_in_form(forms: dict[str, str], facts: dict[str, Any]) -> None:
    assert latex_problems(forms["tex"]) == []
    both = latex_document(side_by_side([("a", facts), ("b_1", facts)]))
    assert latex_problems(both) == []
    assert forms["tex"].startswith("% Written by boundcalc, for pdflatex. Needs the packages ")
    # Nothing that begins a row or an item may be taken for an option of what is before it.
    assert not re.search(r"\\\\\s*[\[*]|\\item\s*\[", forms["tex"] + both)


@pytest.mark.skipif(not PGFPLOTS, reason="pdflatex with pgfplots (TeX Live's collection pictures) is not installed")
def test_latex_compiles(facts: dict[str, Any], tmp_path: Path) -> None:
    """One run, the same beside itself, and every kind of picture, in one go: starting pdflatex is what takes time."""
    alone, both = verification_document(facts), side_by_side([("a", facts), ("b_1", hostile(facts))])
    drawn = Section("pictures", (Pictures(tuple(figure for figure in PICTURES if figure)),))
    document = Document("all", alone.lead, "open", (*alone.sections, *both.sections, drawn))
    (tmp_path / "report.tex").write_text(latex_document(document), "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "report.pdf").stat().st_size > 10_000
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \((\d+\.?\d*)pt", done.stdout)]
    assert max(wide, default=0.0) < 20
    assert "Missing character" not in done.stdout


def test_words_of_the_whole_catalogue_are_latex_and_mathml() -> None:
    words = []
    for theorem in CATALOGUE.values():
        setting = theorem.setting
        words += [setting.network, setting.init, setting.loss, setting.algorithm, setting.depth.counts, theorem.title]
        words += [f"{h.name}: {h.statement}" for h in theorem.hypotheses] + list(theorem.notes)
        words += [bound.note for bound in theorem.bounds]
    document = Document("all", tuple(words), "open", ())
    assert latex_problems(latex_document(document)) == []
    assert "U+" not in latex_document(document)
    assert page(document).count("<p>") == len(words)


@given(st.text(max_size=40))
@example("W_l^(0)‖_F ≤ R·m^(−α)")
@example("{}_^$\\%&#~ `x` a_ ^b _{ ^( \\")
@example("10^-14.5 (4.87e-14); 1e5,")
def test_any_words_can_be_written_in_every_form(words: str) -> None:
    document = Document(words, (words, Code(words)), "open", (Section(words, (Paragraph(words),)),))
    assert latex_problems(latex_document(document)) == []
    Parsed(page(document))
    markdown(document)


def test_formulas_within_words() -> None:
    assert prose("within R·m^(−α), R = 7") == ("within ", Formula(r"R\cdot m^{-\alpha }", "R·m^(−α)"), ", R = 7")
    assert prose("at 4.87049e-14; 10^14.5") == (
        "at ", Formula(r"4.87049 \cdot 10^{-14}", "4.87049·10^-14"), "; ", Formula("10^{14.5}", "10^14.5"),
    )  # fmt: skip


def test_a_formula_within_words_has_no_bracket_of_theirs() -> None:
    assert prose("log(1 + e^(−z)), averaged") == ("log(1 + ", Formula("e^{-z}", "e^(−z)"), "), averaged")
    assert prose("(W_1 of W_l^(0)") == (
        "(", Formula("W_{1}", "W_1"), " of ", Formula("W_{l}^{(0)}", "W_l^(0)"),
    )  # fmt: skip
    assert prose("R/√n ≥ √(m/n)")[0] == Formula(r"R/\sqrt{n}", "R/√n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0, "0"), (0.0, "0"), (60, "60"), (233.0, "233"), (0.223678, "0.2237"), (-0.17402, "−0.174"),
        (1234567, "1234567"), (117181.4, "117200"), (4.87049e-14, "4.87·10^-14"), (1e-5, "10^-5"), (-1e9, "−10^9"),
        (0.00012346, "1.235·10^-4"), (math.inf, "∞"), (math.nan, "–"), ("1.5e-600", "1.5·10^-600"), ("any", "any"),
        ("10^41.25", "10^41.25"), ("1.23456789012e+40", "1.235·10^40"), (657016882725391, "6.57·10^14"), ("0e+00", "0"),
    ],
)  # fmt: skip
def test_numbers_have_sensible_digits(value: float | str | None, shown: str) -> None:
    assert plain(number(value)) == shown


def test_what_is_enough_stays_enough_when_it_is_written_with_fewer_digits() -> None:
    written = _readable("m ≥ 35866529325 and C ≤ 35866529325 of 35866529325")
    assert written == "m ≥ 3.58666·10^10 and C ≤ 3.58665·10^10 of 3.58665·10^10"


# --- pictures ---


def test_a_band_is_the_quantiles_over_the_inits() -> None:
    x = np.arange(1.0, 6)
    values = np.random.default_rng(0).permutation(np.arange(55.0)).reshape(11, 5)
    picture = Picture("loss", "t", "loss", tuple(Line(f"init {i}", x, row) for i, row in enumerate(values)))
    facts = picture_facts(picture)
    assert facts is not None
    band, ordered = facts["band"], np.sort(values, axis=0)
    assert band["inits"] == 11
    assert band["x"] == x.tolist()
    # Of 11 values in order, the share 1/10 is reached by the 2nd, 1/2 by the 6th, 9/10 by the 10th.
    for name, place in (("lowest", 0), ("tenth", 1), ("median", 5), ("ninetieth", 9), ("highest", 10)):
        assert band[name] == ordered[place].tolist()
    assert f"of 11 inits goes from {ordered[5, 0]:.4g} to {ordered[5, 4]:.4g}" in facts["alt"]


def test_a_band_of_few_of_unequal_and_of_infinite_curves() -> None:
    x = np.array([1.0, 2, 4])
    lines = (Line("a", x, np.array([3.0, 2, 1])), Line("b", x[:2], np.array([5.0, 4])),
             Line("c", x, np.array([1.0, np.inf, np.nan])))  # fmt: skip
    facts = picture_facts(Picture("loss", "t", "loss", lines))
    assert facts is not None
    band = facts["band"]
    assert "tenth" not in band  # three inits have no tenth
    assert band["lowest"] == [1, 2, 1]
    assert band["median"] == [3, 4, 4]  # b stays where it ended, c is beyond everything
    assert band["highest"] == [5, None, None]
    assert "<svg" in svg(facts, "p")
    assert picture_facts(Picture("loss", "t", "loss", (lines[2],)))["band"]["median"] == [1, None, None]
    assert picture_facts(Picture("none", "t", "n", histogram=np.array([]))) is None
    assert picture_facts(Picture("none", "t", "n", (Line("a", x, np.full(3, np.nan)),))) is None


def test_the_median_of_an_even_number_of_curves_lies_between_the_middle_ones() -> None:
    x = np.array([1.0, 2, 4])
    values = ([1.0, 1, np.inf], [2, 5, np.inf], [4, 9, 3], [9, np.inf, 1])
    lines = tuple(Line(f"{i}", x, np.array(value)) for i, value in enumerate(values))
    facts = picture_facts(Picture("loss", "t", "loss", lines))
    assert facts is not None
    assert facts["band"]["median"] == [3, 7, None]
    assert (facts["band"]["lowest"], facts["band"]["highest"]) == ([1, 1, 1], [9, None, None])


def test_bins_of_whole_numbers_hold_equally_many_each() -> None:
    for values in (np.arange(52.0), np.array([0.0, 1, 1, 6]), np.array([7.0])):
        facts = picture_facts(Picture("first", "first step", "inits", histogram=values))
        assert facts is not None
        widths = np.diff(facts["edges"])
        assert (widths == widths[0]).all()
        assert widths[0] % 1 == 0
        assert facts["edges"][0] % 1 == 0.5
        assert sum(facts["counts"]) == values.size
        assert len(facts["counts"]) <= 24
    evenly = picture_facts(Picture("first", "first step", "inits", histogram=np.arange(48.0)))
    assert evenly is not None
    assert set(evenly["counts"]) == {2}


def test_a_table_of_curves_has_the_lines_beside_the_band() -> None:
    x = np.array([1.0, 2, 4])
    picture = Picture(
        "loss", "t", "loss", (Line("0", x, np.array([3.0, 2, 1])),), (Line("bound", x[::2], np.array([5.0, 4])),)
    )
    table = figure_table(picture_facts(picture) or {})
    assert table.columns[-1] == "bound"
    assert [tuple(map(plain, row)) for row in table.rows] == [
        ("1", "3", "3", "3", "5"), ("2", "2", "2", "2", ""), ("4", "1", "1", "1", "4"),
    ]  # fmt: skip


def test_what_is_said_of_a_picture_keeps_its_symbols() -> None:
    facts = sizes_facts("C_T", "hidden constant C_T", [("run", [("in use", 0.0), ("would just do", -math.inf)])])
    assert facts is not None
    assert facts["alt"].startswith("Hidden constant C_T, by powers of ten.")
    # A 0 is an arrow, which the legend tells of; and one size alone has whole powers of ten beside it.
    assert [(key.shape, key.label) for key in legend(facts)][-1] == (
        "arrow", "would just do: 0, left of every power of ten",
    )  # fmt: skip
    assert {"0.1", "1"} <= set(re.findall(r">([\d.]+)</text>", svg(facts, "p")))
    written = latex_document(Document("t", ("v",), "open", (Section("s", (Pictures((facts,)),)),)))
    assert written.count("mark=triangle*") == 1


def test_logarithmic_axes_of_latex_have_round_ticks_and_a_zero() -> None:
    x = np.array([1.0, 2, 4])
    lines = (Line("a", x, np.array([0.05, 0.3, 0])),)
    written = latex_document(
        Document(
            "t", ("v",), "open",
            (Section("s", (Pictures((picture_facts(Picture("e", "t", "error", lines, log_y=True)) or {},)),)),),
        )
    )  # fmt: skip
    assert r"ytick={0.0166667,0.05,0.1,0.2}, yticklabels={{0},{0.05},{0.1},{0.2}}" in written
    assert "(4,0.0166667)" in written


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    t = np.arange(1.0, 50_001)
    facts = picture_facts(Picture("loss", "t", "loss", tuple(Line(f"{i}", t, 1 / t) for i in range(20))))
    assert facts is not None
    kept = facts["band"]["x"]
    assert (kept[0], kept[-1]) == (1, 50_000)
    assert len(kept) <= 240
    assert len(json.dumps(facts)) < 20_000
    assert len(figure_table(facts).rows) <= 8


T3 = np.arange(1.0, 4)
SUCCESS = [("run", 1.0, (0.9, 1.0)), ("η × 3", 0.0, (0.0, 0.3))]
SIZES = [
    ("C_T", [("would just do", -2.5), ("in use", 0.0)]),
    ("C_m", [("would just do", -math.inf), ("in use", -620.0)]),
]
PICTURES = [
    picture_facts(Picture("h", "first step", "inits", histogram=np.array([1.0, 5, 5, 9]), log_x=False)),
    picture_facts(Picture("zeros", "t", "error", (Line("a", T3, np.array([0.5, 0.1, 0])),), log_y=True)),
    picture_facts(Picture("flat", "t", "error", (Line("a", T3, np.ones(3)),), log_y=True)),
    picture_facts(Picture("beyond", "t", "e", (Line("a", T3, np.array([1e-30, 1, 1e30])),), log_y=True)),
    intervals_facts("success", "success probability", SUCCESS, [("required: 0.95", 0.95)]),
    sizes_facts("constants", "hidden constants", SIZES),
]


@pytest.mark.parametrize("facts", PICTURES, ids=lambda facts: facts["name"])
def test_every_kind_of_picture_is_drawn_described_and_tabled(facts: dict[str, Any]) -> None:
    json.dumps(facts, allow_nan=False)
    drawn = svg(facts, "one")
    assert drawn == svg(facts, "one")  # the same facts, the same picture
    (element,) = Parsed(drawn).named("svg")
    assert unescape(element["aria-label"] or "") == facts["alt"]
    assert "nan" not in drawn
    assert figure_table(facts).rows
    document = Document("t", ("v",), "open", (Section("s", (Pictures((facts,)),)),))
    assert latex_problems(latex_document(document)) == []


def test_eighteen_lines_and_eighteen_levels_look_different() -> None:
    for style in (line_style, level_style):
        assert len({style(i) for i in range(18)}) == 18
    both = overlaid([(f"{i}", {"x": "t", "y": "e", "band": None, "log_x": False, "log_y": False, "lines": [
        {"label": "a", "x": [1, 2], "y": [i, i + 1], "low": None, "high": None}], "levels": [
        {"label": f"{i}", "value": i}]}) for i in range(18)])  # fmt: skip
    keys = legend({**both, "kind": "curves"})
    assert (
        len({(key.colour, key.dash) for key in keys[:18]}) == len({(key.colour, key.dash) for key in keys[18:]}) == 18
    )
    drawn = svg({**both, "kind": "curves"}, "p")
    assert all(f"var(--{key.colour}," in drawn for key in keys)


def test_equal_runs_look_equal_and_probes_are_explained() -> None:
    equal = intervals_facts("success", "success probability", SUCCESS, [])
    apart = intervals_facts("success", "success probability", SUCCESS, [], "probes")
    assert [key.colour for key in legend(equal)] == ["band", "band"]
    assert [(key.colour, key.label) for key in legend(apart)][2:] == [("soft", "probes")]
    mark = re.compile(r"<use [^>]*fill: var\(--(\w+),")
    assert [colour for colour in mark.findall(svg(equal, "p")) if colour != "ink"] == ["band", "band"]
    assert [colour for colour in mark.findall(svg(apart, "p")) if colour != "ink"] == ["band", "soft"]


def test_a_number_has_one_form_in_a_sentence_of_markdown() -> None:
    words = "asks for m ≥ 5.10522e+14 at W_τ = 6.26809e-14; as 1.2e-7."
    written = markdown(Document("t", ((words, number(5.10522e14, 6)),), "open", ()))
    assert "m ≥ 5.10522·10^14 at W\\_τ = 6.26809·10^-14; as 1.2·10^-7." in written


def test_zero_and_what_no_float_holds_have_their_size_in_words() -> None:
    table = figure_table(PICTURES[-1])
    assert [tuple(map(plain, row)) for row in table.rows] == [("C_T", "0.003162", "1"), ("C_m", "0", "10^-620")]


# --- the terms of a bound ---


def test_the_terms_of_a_bound_add_up_to_it() -> None:
    theorem = CATALOGUE.find("chen2019/thm2.3")
    inputs = {
        "L": Fraction(3),
        "R": Fraction(2),
        "n": Fraction(500),
        "delta": Fraction(1, 20),
        "epsilon": Fraction(1, 10),
    }
    statement = Statement(theorem, inputs, UNIT)
    (guarantee,) = theorem.guarantees
    values = [statement.value(term) for term in split(guarantee.expr)]
    assert sorted(values) == pytest.approx(sorted([8 * 9 * 4 / 500, 8 * math.log(20) / 500, 2.4]))
    assert sum(values) == pytest.approx(statement.bound("error"))


def test_terms_within_a_factor_and_within_a_notation() -> None:
    (gap,) = CATALOGUE.find("cao2020/thm3.1").guarantees
    assert len(split(gap.expr)) == 3  # 2 E_S + C (a + b)
    inputs = {name: Fraction(value) for name, value in {"L": 2, "tau": 1, "m": 64, "n": 100, "E_S": 1}.items()}
    statement = Statement(CATALOGUE.find("cao2020/thm3.1"), inputs, UNIT)
    values = [statement.value(term) for term in split(gap.expr)]
    by_hand = [2, 2 * math.sqrt(64 / 100), 16 * math.sqrt(64 * math.log(64))]
    assert sorted(values) == pytest.approx(sorted(by_hand))
    (unfolded,) = CATALOGUE.find("cao2020/cor3.1", "unfolded").guarantees
    assert len(split(unfolded.expr)) == 3  # ε + Õ(a + b)


def test_a_bound_of_one_term_is_not_taken_apart(result: Result) -> None:
    assert guarantee_terms(result) == ()


# --- folders ---


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli, ["report", *arguments])


def test_reports_are_made_again_from_what_lies_there(
    result: Result, folder: Path, forms: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_bytes((folder / "report.json").read_bytes())
    done = invoke(str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Inconclusive: 12 of 12 inits")
    assert {ending: (tmp_path / f"report.{ending}").read_text("utf-8") for ending in forms} == forms
    assert not (tmp_path / "trials.sqlite").exists()
    assert json.loads(invoke(str(tmp_path), "--json").output) == json.loads((folder / "report.json").read_text("utf-8"))
    assert invoke(str(tmp_path), "--md").output == forms["md"]
    assert invoke(str(tmp_path), "--tex").output == forms["tex"]


def test_the_command_repeats_the_run(result: Result, folder: Path, facts: dict[str, Any]) -> None:
    command = shlex.split(facts["command"])
    assert command[:2] == ["boundcalc", "verify"]
    assert command[-2:] == ["--out", "DIR"]
    before = (folder / "trials.sqlite").read_bytes()
    done = CliRunner().invoke(cli, [*command[1:-1], str(folder)])
    assert done.exit_code == 0, done.output
    assert "certifying" not in done.output
    assert "training " not in done.output.replace("training loss", "")
    assert (folder / "trials.sqlite").read_bytes() == before
    assert json.loads((folder / "report.json").read_text("utf-8"))["run"] == facts["run"]  # the time too


def test_the_command_names_what_is_hard_to_name(result: Result) -> None:
    from boundcalc.report.verification import reproduction

    case = replace(result.case, options=replace(result.case.options, data="my file; rm -rf $HOME.npz", label="y y"))
    words = shlex.split(reproduction(case))
    assert words[words.index("--batch") + 1] == str(result.case.batch)  # it decides how numbers are rounded
    assert words[words.index("--data") + 1] == "my file; rm -rf $HOME.npz"
    assert words[words.index("--label") + 1] == "y y"
    assert words[words.index("--probe") + 1] == "none"


def test_several_runs_side_by_side(facts: dict[str, Any], folder: Path, tmp_path: Path) -> None:
    for name, changes in (("narrow", {}), ("wide", {"trials": 13, "verdict": "supported"})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps({**facts, **changes}), "utf-8")
    folders = [str(tmp_path / name) for name in ("narrow", "wide")]
    done = invoke(*folders)
    assert done.exit_code == 0, done.output
    assert done.output.startswith(
        "# 2 runs side by side: chen2019/thm2.1\n\n**Of 2 runs: 1 inconclusive, 1 supported.**"
    )
    differs = done.output[done.output.index("## Where they differ") : done.output.index("| the same in all")]
    assert differs.split("\n\n")[1].splitlines()[2:] == ["| inits | 12 | 13 |"]
    for ending in ("html", "md", "tex", "json"):
        assert invoke(*folders, "-o", str(tmp_path / f"both.{ending}")).exit_code == 0
    is_self_contained((tmp_path / "both.html").read_text("utf-8"))
    runs = json.loads((tmp_path / "both.json").read_text("utf-8"))["runs"]
    assert [one["folder"] for one in runs] == ["narrow", "wide"]
    # Of the same name, folders are told apart by their paths.
    (tmp_path / "other" / "wide").mkdir(parents=True)
    (tmp_path / "other" / "wide" / "report.json").write_text(json.dumps(facts), "utf-8")
    _, objects = compared([tmp_path / "wide", tmp_path / "other" / "wide"])
    assert [one["folder"] for one in objects] == [str(tmp_path / "wide"), str(tmp_path / "other" / "wide")]


def test_why_a_premise_is_unmet_is_said_side_by_side_too(facts: dict[str, Any]) -> None:
    unmet = {**facts, "verdict": "premise unmet", "sentence": "Premise unmet (m ≥ m*): nothing.", "required": 0.8}
    written = markdown(side_by_side([("a", facts), ("b", unmet)]))
    assert "**premise unmet** (m ≥ m\\*): nothing." in written
    legend_of = [key.label for key in legend(side_by_side([("a", facts), ("b", unmet)]).figures[0])]
    assert legend_of[-2:] == ["required: 0.95 (a)", "required: 0.8 (b)"]


@pytest.mark.parametrize(
    "damage",
    [{"trials": 0}, {"constants": None}, {"figures": [{"kind": "curves", "name": "x"}]}, {"interval": []}],
    ids=str,
)
def test_damage_is_named_side_by_side_too(damage: dict[str, Any], facts: dict[str, Any], tmp_path: Path) -> None:
    for name, changes in (("sound", {}), ("hurt", damage)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps({**facts, **changes}), "utf-8")
    with pytest.raises(InputError, match=r"hurt/report\.json' is damaged"):
        compared([tmp_path / "sound", tmp_path / "hurt"])


def test_a_picture_of_no_kind_is_damage(facts: dict[str, Any], tmp_path: Path) -> None:
    figures = [{"kind": "pie", "name": "success", "alt": "a pie"}]
    (tmp_path / "report.json").write_text(json.dumps({**facts, "figures": figures}), "utf-8")
    with pytest.raises(InputError, match="is damaged"):
        remake(tmp_path)


def test_names_of_folders_are_no_formulas(facts: dict[str, Any]) -> None:
    document = side_by_side([("narrow", facts), ("wide_2^b", facts), ("a name that is too long for a label", facts)])
    first = next(tables(document))
    assert [plain(row[0]) for row in first.rows] == [
        "narrow", "run 2: wide_2^b", "run 3: a name that is too long for a label",
    ]  # fmt: skip
    assert [row["label"] for row in document.figures[0]["rows"]] == [
        "narrow: 12 of 12", "run 2: 12 of 12", "run 3: 12 of 12",
    ]  # fmt: skip
    # What all runs share is no run's own.
    assert [level["label"] for figure in document.figures[1:2] for level in figure["levels"]] == ["guarantee: 3ε = 0.6"]


def test_curves_of_several_runs_lie_over_each_other(facts: dict[str, Any]) -> None:
    loss = next(figure for figure in facts["figures"] if figure["name"] == "loss")
    both = overlaid([("a", loss), ("b", loss)])
    assert [line["label"] for line in both["lines"]] == ["a: median and range", "b: median and range"]
    assert both["lines"][1]["y"] == loss["band"]["median"]
    assert both["lines"][1]["high"] == loss["band"]["highest"]
    assert [level["value"] for level in both["levels"]] == [0.6]


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: None, ["no folder", "--out DIR"]),
        (lambda path: path.mkdir(), ["holds no run"]),
        (lambda path: (path.mkdir(), (path / "report.json").write_text("{")), ["from line 1", "another --out"]),
        (lambda path: (path.mkdir(), (path / "report.json").write_text("[1]")), ["damaged", "not the object"]),
        (lambda path: (path.mkdir(), (path / "report.json").write_text('{"layout": 1}')), [f"layout 1, here {LAYOUT}"]),
    ],
)  # fmt: skip
def test_what_holds_no_report_gets_one_clear_line(prepare: Any, words: list[str], tmp_path: Path) -> None:
    prepare(tmp_path / "run")
    with pytest.raises(InputError) as problem:
        held(tmp_path / "run")
    assert "\n" not in str(problem.value)
    for word in words:
        assert word in str(problem.value)


def test_a_run_without_a_report_is_told_how_far_it_is(result: Result, folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "trials.sqlite", tmp_path)
    with pytest.raises(InputError, match=r"not finished \(finished inits: 12\)"):
        remake(tmp_path)


def test_a_folder_of_runs_names_those_in_it(folder: Path, facts: dict[str, Any]) -> None:
    done = invoke(str(folder.parent))
    assert f"holds no run itself, but finished ones in it: give the folder of one of them, {str(folder)!r}" in str(
        done.exception
    )
    assert "'' names neither a file nor a folder" in invoke("").output


def test_a_record_that_is_damaged_is_not_told_what_report_was_not_given(tmp_path: Path) -> None:
    (tmp_path / "trials.sqlite").write_bytes(b"no database")
    with pytest.raises(InputError, match=r"no report is beside it: run its command again with another --out$"):
        remake(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "banana"}, "'banana' is no verdict"),
        ({"verdict": None}, "'None' is no verdict"),
        ({"successes": 1000}, "1000 successes and 0 undecided are more than its 12 trials"),
        ({"undecided": -1}, "trials"),
        ({"theorem": "nope/1"}, "'nope/1' is in no catalogue here"),
        ({"trials": "12"}, "missing, or is not what it should be"),
        ({"premises": 3}, "missing, or is not what it should be"),
    ],
)
def test_what_cannot_be_true_is_damage(
    changes: dict[str, Any], said: str, folder: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text(json.dumps({**facts, **changes}), "utf-8")
    with pytest.raises(
        InputError, match=r"report\.json' is damaged: .*the record of its trials is gone too"
    ) as problem:
        remake(tmp_path)
    assert said in str(problem.value)
    assert "Error" not in str(problem.value)
    shutil.copy(folder / "trials.sqlite", tmp_path)
    with pytest.raises(InputError, match=r"is damaged: .*what is finished there is not trained"):
        remake(tmp_path)


def test_an_unfinished_study_is_told_what_it_is(result: Result, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "L=2").mkdir()
    shutil.copy(folder / "trials.sqlite", tmp_path / "L=2")
    with pytest.raises(InputError, match=r"a calibrate or a scaling that is not finished: run its command again"):
        remake(tmp_path)


def test_wrong_ways_to_ask(result: Result, folder: Path, tmp_path: Path) -> None:
    for arguments, word in (
        ((str(folder), str(folder)), "given twice"),
        ((str(folder), "-o", "page.docx"), "page.docx"),
        ((str(folder), "--md", "--tex"), "different things"),
        ((str(folder), "-o", str(tmp_path / "no" / "such.html")), "cannot write"),
    ):
        done = invoke(*arguments)
        assert isinstance(done.exception, InputError), done.output
        assert word in str(done.exception)
    with pytest.raises(InputError, match="13 runs cannot be put side by side"):
        side_by_side([(str(i), {"verdict": "vacuous", "theorem": "x"}) for i in range(13)])
    with pytest.raises(InputError, match=r"'\.docx'"):
        formed(Document("t", ("v",), "open", ()), ".docx")


# --- studies share the frame ---


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    options = Options("digits", ("3", "8"), trials=3, rows=40, width=8, search_steps=20_000)
    study = Study("chen2019/thm2.1", options, GIVEN, folder)
    epsilons = [Fraction(3, 20), Fraction(1, 5)]
    found = calibrate(study, settings_of({"epsilon": epsilons}), widths=False)
    (folder / "calibrated").mkdir()
    (folder / "scaled").mkdir()
    write_calibration(found, folder / "calibrated")
    write_scalings(study.key, [scaling(study, "epsilon", epsilons)], folder / "scaled")
    return folder


@pytest.mark.parametrize(("where", "name"), [("calibrated", "calibration"), ("scaled", "scaling")])
def test_studies_are_reported_in_the_same_frame(studied: Path, where: str, name: str) -> None:
    text = (studied / where / f"{name}.html").read_text("utf-8")
    is_self_contained(text)
    assert text.count("<svg") == 1
    assert latex_problems((studied / where / f"{name}.tex").read_text("utf-8")) == []
    found, paths = remake(studied / where)
    assert found.name == name
    assert [path.name for path in paths] == [f"{name}.html", f"{name}.md", f"{name}.tex"]
    assert (studied / where / f"{name}.html").read_text("utf-8") == text
    with pytest.raises(InputError, match="only verifications"):
        compared([studied / where, studied / where])
    # A reader who has nothing else is told on what data it was measured, at which inputs, and how to repeat it.
    page_words = Parsed(text).text
    for words in ("digits", "40 training", "the failure probability δ", "the depth L", "torch", f"{name}.json has"):
        assert words in page_words, words
    facts = json.loads((studied / where / f"{name}.json").read_text("utf-8"))
    command = shlex.split(facts["run"]["command"])
    assert command[-2:] == ["--out", "DIR"]
    done = CliRunner().invoke(cli, [*command[1:-1], str(studied)])
    assert done.exit_code == 0, done.output
    assert "training" not in done.output  # nothing is done again: they are the same runs
    again = json.loads((studied / f"{name}.json").read_text("utf-8"))
    assert again == facts


def test_a_calibration_without_a_constant_says_so(studied: Path) -> None:
    facts = json.loads((studied / "calibrated" / "calibration.json").read_text("utf-8"))
    with_widths = next(table for table in tables(calibration_document(facts)) if "setting" in table.columns)
    assert "smallest width that sufficed" not in with_widths.columns  # none was looked for
    document = calibration_document({**facts, "constants": []})
    assert document.headline == "No constant calibrated on digits: none that these runs tell of was needed above 0."
    assert all(table.rows for table in tables(document))
    assert document.figures == ()
    assert latex_problems(latex_document(document)) == []


def test_a_constant_of_which_nothing_was_needed_is_zero_and_one_not_measured_is_none(studied: Path) -> None:
    facts = json.loads((studied / "calibrated" / "calibration.json").read_text("utf-8"))
    first, second = facts["settings"]
    changed = {**facts, "settings": [{**first, "log10_needed": {"C_T": None}}, {**second, "log10_needed": {}}]}
    document = calibration_document(changed)
    (table,) = [table for table in tables(document) if "setting" in table.columns]
    place = table.columns.index("C_T needed")
    assert [plain(row[place]) for row in table.rows] == ["0", "–"]
    assert re.search(r"^ε = 0\.15 .* 0 ", calibration_text(changed), re.MULTILINE)
    points = [[(point["of"], point["log10"]) for point in row["points"]] for row in document.figures[0]["rows"]]
    assert [[of for of, _ in row] for row in points] == [["needed there", "calibrated"], ["calibrated"]]
    assert points[0][0][1] is None


# --- runs that choose their constants, and the limit ---


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    """Two widths below the one that is asked for, and the limit."""
    options = Options("xor:n=4,d=2", trials=2, test_fraction=Fraction(1, 2), device="cpu")
    found = plan("du2019", options, {"delta": Fraction(1, 5)}, Widths(64, None), time_limit=1.0)
    return climb(replace(found, rungs=(*found.rungs[:2], found.rungs[-1])), tmp_path_factory.mktemp("ladder"))


@pytest.fixture(scope="module")
def rungs(climbed: Ladder) -> list[tuple[str, dict[str, Any]]]:
    """The reports of its widths, as they are read from files."""
    return [(one.rung.name, json.loads(json.dumps(verification_json(one.result)))) for one in climbed.climbed]


DEPTHS = [Setting({"L": Fraction(1)}), Setting({"L": Fraction(2)})]


@pytest.fixture(scope="module")
def descents(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Runs that choose their step size, the ball and the constant of the width."""
    options = Options(
        "sphere:n=24,d=4,margin=0.3",
        rows=12,
        trials=2,
        width=16,
        iterations=40,
        points=1,
        ascent_steps=10,
        device="cpu",
    )
    return Study("cao2020/thm3.2", options, {"B": Fraction(1, 20)}, tmp_path_factory.mktemp("descents"))


def in_use(run: Mapping[str, Any], results: list[Result], name: str) -> None:
    """What is said of a constant of several runs is what each of them says of itself."""
    uses = [next(use for use in result.constants if use.name == name) for result in results]
    told = [one for one in run["constants"] if one["name"] == name]
    assert sum(one["runs"] for one in told) == run["runs"] == len(results)
    for chosen in (True, False):
        values = [float(use.value) for use in uses if (use.basis == "chosen") is chosen]
        found = [one for one in told if one["origin"].startswith("chosen") is chosen]
        assert len(found) == bool(values)
        for one in found:
            assert (one["lowest"], one["highest"], one["runs"]) == (min(values), max(values), len(values))


def test_a_ladder_without_the_folder_of_a_width_is_damage(climbed: Ladder, tmp_path: Path) -> None:
    facts = ladder_json(climbed)
    (tmp_path / "ladder.json").write_text(json.dumps(facts), "utf-8")
    *there, gone = [one["folder"] for one in facts["rungs"]]
    for name in there:
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"the folder '{gone}' of one of its widths is gone"):
        remake(tmp_path)
    (tmp_path / gone).mkdir()
    remake(tmp_path)
    # Before it has a report, its finished widths do not make it a folder of runs.
    (tmp_path / "ladder.json").unlink()
    (tmp_path / "plan.json").touch()
    (tmp_path / gone / "trials.sqlite").touch()
    (tmp_path / gone / "report.json").touch()
    with pytest.raises(InputError, match="a ladder, a calibrate or a scaling that is not finished"):
        remake(tmp_path)


def test_a_ladder_tells_the_constants_that_its_runs_chose(climbed: Ladder) -> None:
    facts = ladder_json(climbed)
    in_use(facts["run"], [one.result for one in climbed.climbed], "C_m")
    written = table_named(markdown(ladder_document(facts)), "constant")
    assert [line for line in written if "`C_m`" in line] == [
        "| `C_m` | from `5·10^-4` to 0.002 | chosen so that m = … suffices (2 of 3 runs) |",
        "| `C_m` | 1 | unit policy (1 of 3 runs) |",
    ]


def test_a_calibration_tells_the_constants_that_its_runs_chose(descents: Study) -> None:
    calibration = calibrate(descents, DEPTHS, widths=False)
    results = [descents.run(setting) for setting in DEPTHS]
    facts = calibration_json(calibration)
    for name in ("C_eta", "C_m", "C_tau", "C_K"):
        in_use(facts["run"], results, name)
    assert all(use.basis == "chosen" for result in results for use in result.constants if use.name == "C_eta")
    (section,) = [one for one in calibration_document(facts).sections if one.title == "What all runs share"]
    assert isinstance(section.blocks[-1], Table)
    by_name = {plain(name): (plain(value), plain(origin)) for name, value, origin in section.blocks[-1].rows}
    assert by_name["C_K"] == ("1", "unit policy")
    assert by_name["C_eta"][0].startswith("from ")
    assert by_name["C_eta"][1].startswith(
        "chosen so that η = 1/(L m), at which gradient descent is stable, as K = … is"
    )


def test_a_limit_has_no_width(rungs: list[tuple[str, dict[str, Any]]]) -> None:
    name, facts = rungs[-1]
    assert name == "infinite"
    assert facts["run"]["width"] is facts["inputs"]["m"] is None
    assert not re.search(r"\d{100}", json.dumps(facts))
    written = markdown(verification_document(facts))
    assert re.search(r"^\| width \| .* \| ∞ \|$", written, re.MULTILINE)
    assert re.search(r"^\| `m` \| ∞ \| .* \| the limit, which is no network \|$", written, re.MULTILINE)


def test_engines_and_premises_stand_side_by_side(rungs: list[tuple[str, dict[str, Any]]]) -> None:
    (narrow, dense), (limit, infinite) = rungs[0], rungs[-1]
    unmet = {**infinite, "premises": [{**one, "met": one["name"] != "unit inputs"} for one in infinite["premises"]]}
    document = side_by_side([(narrow, dense), (limit, infinite), ("unmet", unmet)])
    sections = {section.title: section for section in document.sections}
    by_label = {
        plain(row[0]): [plain(cell) for cell in row[1:]]
        for title in ("Premises", "Where they differ")
        for table in sections[title].blocks
        if isinstance(table, Table) and len(table.columns) == 4
        for row in table.rows
    }
    assert by_label["engine"] == ["dense", "infinite", "infinite"]
    assert by_label["m"] == ["64", "∞", "∞"]
    assert by_label["m ≥ m*"] == ["met, not certified", "certified", "certified"]
    assert by_label["unit inputs"] == ["certified", "certified", "not met"]
    evidence = sections["Premises"].blocks[-1]
    assert isinstance(evidence, Table)
    shown = [tuple(map(plain, row)) for row in evidence.rows if plain(row[0]) == "m ≥ m*"]
    assert [run for _, run, _ in shown] == ["m=64", "infinite, unmet"]
    assert "met by choice" in shown[0][2]
    # The statement stands there once, if it is one.
    assert dense["statement"]["title"][1:] in plain(sections["The statement"].blocks[0].text)
    other = {**infinite, "statement": {**infinite["statement"], "title": "another"}}
    assert "The statement" not in {
        section.title for section in side_by_side([(narrow, dense), (limit, other)]).sections
    }


# --- looked at in a browser ---

MEASURE = """
const seen = [];
if (document.documentElement.scrollWidth > innerWidth) seen.push("page wider than screen");
for (const picture of document.querySelectorAll("svg")) {
  const frame = picture.getBoundingClientRect(), texts = [...picture.querySelectorAll("text")];
  const boxes = texts.map(text => [text.textContent, text.getBoundingClientRect()]);
  for (const [words, box] of boxes)
    if (box.left < frame.left - 1 || box.right > frame.right + 1
        || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
      seen.push("cut: " + words);
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
    const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (w > 1 && h > 3) seen.push("overlap: " + one + " and " + two);
  }));
}
for (const cell of document.querySelectorAll("td, th, p, li, summary, h1, h2")) {
  const box = cell.getBoundingClientRect();
  for (const math of cell.querySelectorAll("math"))
    if (math.getBoundingClientRect().right > box.right + 1) seen.push("formula beyond its cell: " + cell.textContent);
}
parent.tell(name, seen);
"""


@pytest.fixture(scope="module")
def pages(
    facts: dict[str, Any],
    studied: Path,
    climbed: Ladder,
    rungs: list[tuple[str, dict[str, Any]]],
    descents: Study,
) -> dict[str, str]:
    """A page of every kind."""
    descent = verification_json(descents.run(DEPTHS[1]))
    return {
        "run": page(verification_document(facts)),
        "descent": page(verification_document(descent)),
        "limit": page(verification_document(rungs[-1][1])),
        "side by side": page(side_by_side(rungs)),
        "of two statements": page(side_by_side([("digits", facts), ("descent", descent), *rungs[-1:]])),
        "ladder": page(ladder_document(ladder_json(climbed))),
        "calibration": page(calibration_document(calibration_json(calibrate(descents, DEPTHS, widths=False)))),
        "scaling": (studied / "scaled" / "scaling.html").read_text("utf-8"),
    }


@pytest.fixture(scope="module", params=[1280, 390])
def faults(
    request: pytest.FixtureRequest, pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[str]]:
    """What is seen of each page, all of them opened at once: starting a browser is what takes time."""
    folder = tmp_path_factory.mktemp("browser")
    frames = {}
    for name, text in pages.items():
        allowed = re.sub(r"<meta http-equiv=[^>]*>", "", text)  # it would rightly forbid the script below
        script = f"<script>onload = () => {{ const name = {json.dumps(name)}; {MEASURE} }}</script></body>"
        frames[name] = allowed.replace("</body>", script)
    (folder / "frames.html").write_text(
        f"""<!doctype html><title></title><script>
const pages = {json.dumps(frames).replace("</", "<" + chr(92) + "/")}, seen = {{}};
function tell(name, faults) {{
  seen[name] = faults;
  if (Object.keys(seen).length == Object.keys(pages).length) document.title = JSON.stringify(seen);
}}
for (const text of Object.values(pages)) {{
  const frame = document.createElement("iframe");
  frame.style = "width: {request.param}px; height: 900px; border: 0";
  frame.srcdoc = text;
  document.documentElement.append(frame);
}}
</script>""",
        "utf-8",
    )
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1300,900"]
    command += ["--virtual-time-budget=8000", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, (folder / "frames.html").as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None
    return dict(json.loads(unescape(found[1])))


@browser
@pytest.mark.parametrize(
    "name", ["run", "descent", "limit", "side by side", "of two statements", "ladder", "calibration", "scaling"]
)
def test_nothing_is_cut_and_nothing_overlaps(name: str, faults: dict[str, list[str]]) -> None:
    assert faults[name] == []


def test_verification_json_can_be_made_without_probes(result: Result) -> None:
    assert verification_json(result)["probes"] == []


@pytest.mark.parametrize("facts", [{}, {"theorem": "chen2019/thm2.1", "verdict": "supported"}, {"rungs": 3}])
@pytest.mark.parametrize("name", ["report", "ladder", "calibration", "scaling"])
def test_a_report_that_is_not_whole_is_called_damaged(name: str, facts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / f"{name}.json").write_text(json.dumps({"layout": LAYOUT, **facts}), "utf-8")
    with pytest.raises(InputError, match="is damaged"):
        remake(tmp_path)
