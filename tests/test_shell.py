"""At the shell: completion of words, tables that fit the terminal, colour only there, one form of output for all."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, ShellComplete
from shown import ROOT, commands, run_here

from boundcalc.auditing import audit
from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import COMMANDS, cli
from boundcalc.commands.common import COMPLETION_VARIABLE, coloured, terminal_width
from boundcalc.commands.completing import without_space
from boundcalc.comparison import compare, rank
from boundcalc.query import ask
from boundcalc.report.answers import catalogue_text, reply_text, solution_text, theorem_text
from boundcalc.report.audits import audit_text, audits_text
from boundcalc.report.comparison import comparison_text, ranking_text
from boundcalc.report.data import data_text
from boundcalc.report.papers import number_latex
from boundcalc.report.sweeps import sweep_text
from boundcalc.report.tables import fitted, markdown_table, printed
from boundcalc.solving import evaluate
from boundcalc.sweeps import sweep
from boundcalc.symbols import QUANTITIES, VOCABULARY

# Completion ---------------------------------------------------------------------------------------


def completed(*words: str) -> dict[str, str]:
    """What the last word can become, with what each means."""
    *before, incomplete = words
    shell = ShellComplete(cli, {}, "boundcalc", COMPLETION_VARIABLE)
    return {item.value: item.help or item.type for item in shell.get_completions(before, incomplete)}


def test_commands_complete() -> None:
    assert set(completed("")) == set(COMMANDS)
    assert set(completed("co")) == {"compare", "completion"}


@pytest.mark.parametrize(
    "command", ["show", "eval", "solve", "sweep", "audit", "plan", "verify", "calibrate", "scaling"]
)
def test_statements_complete_with_their_titles(command: str) -> None:
    found = completed(command, "cao2020/cor")
    assert set(found) == {key for key in CATALOGUE if key.startswith("cao2020/cor")}
    assert found["cao2020/cor3.3"] == CATALOGUE["cao2020/cor3.3"].title


def test_statements_of_a_file_complete() -> None:
    own = str(ROOT / "examples" / "own_theorem.toml")
    assert completed("eval", "--theorems", own, "doe") == {"doe2030/thm1": "gradient descent reaches training loss 2ε"}
    assert completed("eval", "--theorems", "missing.toml", "zou") == completed("eval", "zou")


def test_quantities_complete_as_the_statement_has_them() -> None:
    assert set(completed("eval", "cao2020/cor3.3", "")) == set(CATALOGUE["cao2020/cor3.3"].quantities)
    assert set(completed("eval", "unknown", "")) == set(QUANTITIES)
    assert {"epsilon", "C_m", "width"} <= set(completed("solve", "cao2020/cor3.3", ""))


def test_symbols_complete_up_to_their_value() -> None:
    theorem = CATALOGUE["cao2020/cor3.3"]
    names = {f"{symbol.name}=" for symbol in theorem.symbols}
    assert set(completed("eval", theorem.key, "width", "")) == names
    assert completed("eval", theorem.key, "width", "gam") == {"gamma=": VOCABULARY["gamma"].meaning}
    assert set(completed("eval", theorem.key, "width", "gamma=0.1", "")) == names - {"gamma="}
    assert completed("eval", theorem.key, "width", "gamma=0") == {}
    assert "C_m=" in completed("sweep", theorem.key, "width", "C")


def test_words_that_bash_takes_apart_at_the_sign_are_put_together() -> None:
    before = ("eval", "cao2020/cor3.3", "width", "gamma", "=", "0.1")
    assert set(completed(*before, "")) == set(completed("eval", "cao2020/cor3.3", "width", "gamma=0.1", ""))
    assert completed("eval", "cao2020/cor3.3", "width", "gamma", "=") == {}
    assert completed("eval", "cao2020/cor3.3", "width", "gamma", "=", "") == {}


def test_sides_queries_constants_sources_measures_and_pages_complete() -> None:
    assert "zou2020" in completed("compare", "zou2019", "")
    assert "zou2019" not in completed("compare", "zou2019", "")
    assert {"iterations", "epsilon=", "zou2020"} <= set(completed("ask", ""))
    assert "epsilon=" in completed("iterations", "eps"), "what is no command is a query"
    assert completed("no-command", "x", "zou2020") == {"zou2020": CATALOGUE["zou2020"].title}
    assert {"C=", "C_m=", "p_L="} <= set(completed("eval", "chen2019/thm2.1", "width", "--set", ""))
    assert {"digits", "xor"} <= set(completed("data", ""))
    assert completed("eval", "zou2020", "width", "--data", "table.c") == {"table.c": "file"}
    assert set(completed("data", "digits", "--only", "phi,lam")) == {"phi,lambda_0"}
    assert set(completed("manual", "ver")) == {"verdicts"}


def test_a_shell_is_answered_and_nothing_heavy_is_loaded() -> None:
    code = (
        "import os, sys\n"
        f"os.environ.update({COMPLETION_VARIABLE}='bash_complete', COMP_CWORD='3')\n"
        "os.environ['COMP_WORDS'] = 'boundcalc eval chen2019/thm2.1 st'\n"
        "sys.argv = ['boundcalc']\n"
        "from boundcalc.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "print('MODULES', *{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answer, _, loaded = done.stdout.partition("MODULES")
    assert answer.split() == ["plain,step-size"]
    assert not set(loaded.split()) & {"torch", "scipy", "sklearn", "matplotlib", "pandas", "cvxpy"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_asks_by_the_same_variable(shell: str, tmp_path: Path) -> None:
    code, script, _ = run_here(["completion", shell], tmp_path)
    assert code == 0
    assert f"{COMPLETION_VARIABLE}={shell}_complete" in script


def test_after_a_sign_of_equality_bash_adds_no_space() -> None:
    changed = without_space(BashComplete.source_template)
    assert changed != BashComplete.source_template
    assert "[[ $value == *= ]] && compopt -o nospace" in changed


# Tables that fit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 100])
def test_what_is_printed_fits_the_terminal(width: int) -> None:
    theorem = CATALOGUE["cao2020/cor3.3"]
    two = compare("chen2019/thm2.1", "zou2020", given={"alpha": "1/2"}, solve_for="L")
    texts = {
        "list": catalogue_text(CATALOGUE, width),
        "show": theorem_text(theorem, width),
        "ask": reply_text(ask("required width for ε=0.01, L=5"), width),
        "eval": solution_text(evaluate(theorem, "width", {"L": 5}), width),
        "compare": comparison_text(two, width),
        "compare several": ranking_text(rank(["zou2020", "zou2019", "cao2020/cor3.3", "ji2020"]), width),
        "audit": audit_text(audit("cao2020/thm3.1"), width=width),
        "audits": audits_text([audit("cao2020/thm3.1"), audit("cao2020/rem3.1")], width),
        "sweep": sweep_text(sweep(theorem, "width", {"L": range(2, 20), "gamma": [0.1, 0.2, 0.3]}), width),
    }
    for name, text in texts.items():
        longest = max(text.split("\n"), key=printed)
        assert printed(longest) <= width, f"{name}: {longest}"


def test_measurements_fit_the_terminal() -> None:
    from boundcalc.data import load
    from boundcalc.estimate.measures import measure

    data = load("relu-features:n=20,d=4,gamma=0.1")
    text = data_text(data, measure(data, ["phi", "lambda_0"]), {"R": "too large " * 20}, 60)
    assert max(map(len, text.split("\n"))) <= 60


def test_without_a_terminal_nothing_is_broken_for_its_sake() -> None:
    reply = ask("required width for ε=0.01, L=5")
    table, wide = (reply_text(reply, width).split("\n\n")[1] for width in (None, 400))
    assert table == wide
    assert max(map(len, table.split("\n"))) > 118


def test_a_narrowed_table_holds_every_word_in_its_column() -> None:
    rows = [("chen2019/thm2.1", "alpha beta gamma delta"), ("zou2020", "one two")]
    text = fitted(rows, ("statement", "what it says"), 30, whole=(0,))
    lines = [(line[:15].rstrip(), line[17:]) for line in text.split("\n")]
    assert max(map(len, text.split("\n"))) <= 30
    assert [left for left, _ in lines] == ["statement", "---------------", "chen2019/thm2.1", "", "zou2020"]
    assert " ".join(right for _, right in lines).split()[4:] == "alpha beta gamma delta one two".split()


def test_an_accent_takes_no_column() -> None:
    assert printed("Ω̃(n)") == 4
    grid = fitted([("Ω̃(n)",), ("n",)], ("order",), None, form="grid")
    assert {printed(line) for line in grid.split("\n")} == {9}


def test_a_bar_in_a_cell_of_markdown_is_escaped() -> None:
    assert markdown_table([("a|b", "c\nd")], ("x", "y")) == "| x | y |\n| --- | --- |\n| a\\|b | c<br>d |"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert terminal_width() is None
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert terminal_width() == 72


# Colour -------------------------------------------------------------------------------------------


def test_verdicts_are_coloured_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    text = (
        "(4.2)        violated: falls short\n(4.3)        holds\n│ cao2020 │ loose │\nwhat holds has a proof\n"
        "chen2019/thm2.1: supported: 72 of 72"
    )
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert coloured(text) == text
    monkeypatch.setattr(sys, "stdout", Terminal())
    painted = coloured(text)
    assert re.findall(r"\x1b\[(\d+)m\x1b\[1m(\w+)\x1b\[0m", painted) == [
        ("31", "violated"), ("32", "holds"), ("33", "loose"), ("32", "supported"),
    ]  # fmt: skip
    assert re.sub(r"\x1b\[\d+m", "", painted) == text
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(text) == text


# One form of output -------------------------------------------------------------------------------


def test_every_command_but_a_script_has_json() -> None:
    for name, command in commands().items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) == (name != "completion"), name


TABLES = [
    ["required width for ε=0.01, L=5"],
    ["eval", "cao2020/thm3.1", "width", "tau=1e-6"],
    ["solve", "cao2020/cor3.3", "epsilon", "width=1e40", "L=3", "gamma=0.2"],
    ["sweep", "cao2020/cor3.3", "width", "L=2:4", "gamma=0.1,0.2"],
    ["list"],
    ["compare", "zou2020", "zou2019", "allenzhu2019"],
]


@pytest.mark.parametrize("words", TABLES, ids=lambda words: words[0])
def test_tables_for_papers(words: list[str], tmp_path: Path) -> None:
    code, tex, _ = run_here([*words, "--tex"], tmp_path)
    assert code == 0
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    rows = re.findall(r"^(.*) \\\\$", body, re.MULTILINE)
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", body)
    assert columns
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows if "multicolumn" not in row} == {len(columns[1])}
    assert all(row.count("$") % 2 == 0 for row in rows)
    assert re.sub(r"\$[^$]*\$", "", body).isascii(), "only formulas have other letters"
    assert not re.search(r"\^\{[^{}]*\}\^", body), "no two superscripts"
    code, markdown, _ = run_here([*words, "--md"], tmp_path)
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert code == 0
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    assert len(table) >= 3


def test_two_forms_at_once_are_refused(tmp_path: Path) -> None:
    for words in TABLES:
        code, out, err = run_here([*words, "--tex", "--json"], tmp_path)
        assert (code, out) == (2, "")
        assert "ask for different things" in err


def test_a_number_in_latex_keeps_its_digits() -> None:
    assert number_latex("50705800355726887") == r"50\,705\,800\,355\,726\,887"
    assert number_latex("1e+40") == "10^{40}"
    assert number_latex("1.25e-12") == r"1.25 \times 10^{-12}"
    assert number_latex("≈1.2e+16") == r"\approx 1.2 \times 10^{16}"
    assert number_latex("10^53.25") == "10^{53.25}"
    assert number_latex("0.05") == "0.05"


def test_the_explorer_says_as_json_what_it_wrote(tmp_path: Path) -> None:
    code, out, _ = run_here(["explore", "-o", "page.html", "--json"], tmp_path)
    said = json.loads(out)
    assert code == 0
    assert said == {
        "file": "page.html",
        "statements": len(CATALOGUE),
        "bytes": (tmp_path / "page.html").stat().st_size,
    }
