"""At the shell: completion of words, tables that fit the terminal, colour only there, one form of output for all."""

from __future__ import annotations

import io
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from click import shell_completion
from click.shell_completion import ShellComplete
from shown import ROOT, commands, run_here

from boundcalc.auditing import audit
from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import COMMANDS, cli
from boundcalc.commands.common import COMPLETION_VARIABLE, coloured, terminal_width
from boundcalc.commands.completing import MENDED, SHELLS, mended
from boundcalc.commands.progress import RunLine
from boundcalc.comparison import compare, rank
from boundcalc.notation import bound_latex, bound_text
from boundcalc.query import ask
from boundcalc.report.answers import catalogue_text, reply_text, solution_text, theorem_text
from boundcalc.report.audits import audit_text, audits_text
from boundcalc.report.comparison import comparison_text, ranking_text
from boundcalc.report.data import data_text
from boundcalc.report.manual import PAGES, page, terminal_text
from boundcalc.report.papers import number_latex, short_number
from boundcalc.report.sweeps import sweep_text
from boundcalc.report.tables import fitted, markdown_table, printed, wrapped
from boundcalc.solving import evaluate, solve
from boundcalc.sweeps import sweep
from boundcalc.symbols import QUANTITIES, VOCABULARY
from boundcalc.verify.progress import State

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


def test_click_has_what_is_mended_in_its_scripts() -> None:
    for shell, mends in MENDED.items():
        template = getattr(shell_completion, SHELLS[shell]).source_template
        assert all(there in template for there, _ in mends), shell
        assert mended(template, shell) != template


ASKED = ("boundcalc eval cao2020/cor3.3 width gam", "boundcalc show zou2019")
"""One word that completes to `gamma=`, and one to a statement whose title has a comma."""


@pytest.fixture
def shell_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which `boundcalc` is the command, as shells find it."""
    command = tmp_path / "bin" / "boundcalc"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m boundcalc "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_and_says_what_words_mean(tmp_path: Path, shell_path: dict[str, str]) -> None:
    (tmp_path / "boundcalc.fish").write_text(run_here(["completion", "fish"], tmp_path)[1], encoding="utf-8")
    script = "source boundcalc.fish; " + "; ".join(f"complete -C '{line}'" for line in ASKED)
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], cwd=tmp_path, env=shell_path, capture_output=True, text=True
    )
    meanings = {"gamma=": VOCABULARY["gamma"].meaning, "zou2019": CATALOGUE["zou2019"].title}
    assert "," in meanings["zou2019"]
    assert done.stdout.splitlines() == [f"{word}\t{meaning}" for word, meaning in meanings.items()], done.stderr


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes_without_a_space_after_a_sign_of_equality(tmp_path: Path, shell_path: dict[str, str]) -> None:
    (tmp_path / "complete.zsh").write_text(run_here(["completion", "zsh"], tmp_path)[1], encoding="utf-8")
    # Ctrl-E writes what stands in the line, and empties it.
    (tmp_path / "inner.zsh").write_text(
        "autoload -Uz compinit; compinit -u -D; source complete.zsh\n"
        "show() { print -r -- $'\\n'\"<$BUFFER>\"; BUFFER= }; zle -N show; bindkey '^E' show\n"
    )
    (tmp_path / "outer.zsh").write_text(
        "zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'source inner.zsh'\n"
        + "".join(f"zpty -n -w z '{line}'$'\\t\\x05'; zpty -r z part '*<*>*'; print -r -- $part\n" for line in ASKED)
    )
    command = ["zsh", "-f", "outer.zsh"]
    done = subprocess.run(command, cwd=tmp_path, env=shell_path, capture_output=True, text=True, timeout=60)
    lines = [re.sub(r"\s\s+", " ", line) for line in re.findall(r"<(.*)>", done.stdout)]
    assert lines == ["boundcalc eval cao2020/cor3.3 width gamma=", "boundcalc show zou2019 "], done.stderr


# Tables that fit ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 100])
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
        "audit that repairs": audit_text(audit("cao2020/cor3.3"), width=width),
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


FORMULA = "L ≤ min(1/(R^(12/37)·ε^(7/11)), 10^14.25, 50 705 800 355 726 887, max(2^(2·L)·L^2/γ^2, n^(1/3)))"


@pytest.mark.parametrize("width", [11, 16, 24, 40])
def test_a_formula_is_broken_between_its_factors_and_never_within_a_number(width: int) -> None:
    lines = wrapped(FORMULA, width).split("\n")
    assert max(map(printed, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(FORMULA.split())
    for line, following in itertools.pairwise(lines):
        assert not (line[-1].isdigit() and following[0].isdigit() and width > 22), (line, following)
        assert not re.search(r"[\d.]$", line) or not re.match(r"[\d.]", following) or " " in FORMULA[: len(line)]
        assert not re.search(r"\^$|\^\([\d/]*$", line), (line, following)


def test_a_number_is_broken_only_where_nothing_else_is_left() -> None:
    assert wrapped("1.55001984263e+28", 13) == "1.55001984263\ne+28"
    assert wrapped("12345678", 4) == "1234\n5678"
    assert wrapped("m ≥ 19 345 406", 12) == "m ≥\n19 345 406"


def test_what_is_printed_of_a_ladder_and_a_plan_fits() -> None:
    from boundcalc.budget import plan
    from boundcalc.report.ladder import ladder_text
    from boundcalc.report.plans import plan_text

    rung = {
        "width": 131072, "engine": "matrixfree", "found": {"R": 7.31712}, "successes": 17, "trials": 17,
        "interval": [0.805, 1.0], "holds": None, "vacuous": False, "verdict": "refuted at these constants",
        "constant": {"name": "C_m", "value": "1/3", "log10": -12.3456},
    }  # fmt: skip
    facts = {"rungs": [rung, {**rung, "width": None, "constant": None}], "summary": ["word " * 40], "left_out": {}}
    planned = plan(CATALOGUE["cao2020/cor3.1"], "0.1", {"B": "0.5", "L": 2, "d": 10})
    for width in (60, 80, 120):
        for text in (ladder_text(facts, width), plan_text(planned, width)):
            assert max(map(printed, text.split("\n"))) <= width
    assert all(word in ladder_text(facts, 80) for word in ("  matrixfree  ", "  1/3", "undecided"))


def test_pages_of_the_manual_fit_the_terminal() -> None:
    for name in PAGES:
        lines = terminal_text(page(name), 80).split("\n")
        assert max(printed(line) for line in lines if not line.startswith("    ")) <= 80, name
        assert not any(re.match(r"```|\|", line) for line in lines)
        # Words are all there: what is left out is Markdown's signs, and what links lead to.
        said = "".join(re.findall(r"[^\W_]", re.sub(r"\]\([^)]*\)|```\w*", "", page(name))))
        assert sorted(said) == sorted(re.findall(r"[^\W_]", "".join(lines))), name


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


def test_the_list_of_commands_cuts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run_here(["--help"], tmp_path)[1]
    assert "..." not in text.partition("Commands:")[2]
    assert max(map(len, text.split("\n"))) <= 80
    for name, command in commands().items():
        assert f"  {name:<10}  {command.short_help}\n" in text


def test_formulas_are_written_as_the_paper_has_them() -> None:
    text = theorem_text(CATALOGUE["ji2020"])
    assert "with probability ≥ 1 - 3·δ over" in text
    assert "C_m: hidden by Ω̃, large enough" in theorem_text(CATALOGUE["zou2020"])
    found = solution_text(solve(CATALOGUE["cao2020/thm3.1"], "tau", {"width": 10**6, "L": 2, "n": 1000}))
    assert "τ from 0.0000913218382493 to 0.000304277344487" in found
    assert "exp(-3·LambertW(" in found


def test_the_last_line_of_a_stage_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    lines = {0: "training " * 10, 2: "4 of 4 succeeded: inconclusive so far, and more"}
    with RunLine() as line:
        for done, said in lines.items():
            line.show(cast(State, SimpleNamespace(name="stage", done=done, trials=2, share=0, line=lambda s=said: s)))
    first, last = terminal.getvalue().split("\r\033[K")[1:]
    assert first == f"stage 0%: {lines[0]}"[:49]
    assert " ".join(last.split()) == f"stage 0%: {lines[2]}"
    assert max(map(len, last.split("\n"))) < 50


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
    monkeypatch.setenv("TERM", "dumb")
    assert coloured(text) == text
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert coloured(text) == painted
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert coloured(text) == painted
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured(text) == text


def test_forced_colour_goes_through_a_pipe() -> None:
    words = [sys.executable, "-m", "boundcalc", "audit", "chen2019/thm2.3"]
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    for forced, escapes in (({}, False), ({"FORCE_COLOR": "1"}, True)):
        done = subprocess.run(words, env={**plain, **forced}, capture_output=True, text=True)
        assert ("\x1b[32m" in done.stdout) == escapes


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "boundcalc", "list"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "boundcalc: the output cannot be read or written: No space left on device\n"


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
    ["plan", "cao2020/cor3.1", "error=0.1", "B=0.5", "L=2", "d=10"],
    ["data", "relu-features:n=8,d=3,gamma=0.1", "--only", "phi,lambda_0"],
]


@pytest.mark.parametrize("words", TABLES, ids=lambda words: words[0])
def test_tables_for_papers(words: list[str], tmp_path: Path) -> None:
    code, tex, _ = run_here([*words, "--tex"], tmp_path)
    assert code == 0
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    rows = re.findall(r"^(.*) \\\\$", body, re.MULTILINE)
    columns = re.findall(r"\\begin\{tabular\}\{(\w+)\}", body)
    assert columns
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows if "multicolumn" not in row} == {*map(len, columns)}
    assert all(row.count("$") % 2 == 0 for row in rows)
    assert re.sub(r"\$[^$]*\$", "", body).isascii(), "only formulas have other letters"
    assert not re.search(r"\^\{[^{}]*\}\^", body), "no two superscripts"
    _, markdown, _ = run_here([*words, "--md"], tmp_path)
    tables = re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE)
    assert tables
    for table in tables:
        lines = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
        assert len(lines) >= 3


def test_two_forms_at_once_are_refused(tmp_path: Path) -> None:
    for words in TABLES:
        code, out, err = run_here([*words, "--tex", "--json"], tmp_path)
        assert (code, out) == (2, "")
        assert "ask for different things" in err


@pytest.mark.parametrize("reading", ["stated", "unfolded"])
def test_a_statement_in_markdown_is_its_entry_in_the_reference(reading: str, tmp_path: Path) -> None:
    code, text, _ = run_here(["show", "cao2020/cor3.3", "--reading", reading, "--md"], tmp_path)
    assert code == 0
    assert text.startswith("## cao2020/cor3.3\n")
    for bound in CATALOGUE.find("cao2020/cor3.3", reading).bounds:
        assert f"$`{bound_latex(bound)}`$" in text
    assert "Hidden constants:" in text


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


def test_both_ends_of_an_interval_go_into_a_paper(tmp_path: Path) -> None:
    given = ["solve", "cao2020/thm3.1", "tau", "width=1e6", "L=2", "n=1000"]
    _, tex, _ = run_here([*given, "--tex"], tmp_path)
    (row,) = (line for line in tex.splitlines() if line.startswith("cao2020/thm3.1 &"))
    bound, value = row.split(" & ")[1:3]
    assert r"$\tau \ge " in bound
    assert r" and $\tau \le L^{-6} \left[\log\left(m\right)\right]^{-3/2} C_{\mathrm{small}}$" in bound
    assert value == r"$9.1322 \times 10^{-5}$ to $3.0427 \times 10^{-4}$"
    found = solve(CATALOGUE["cao2020/thm3.1"], "tau", {"width": 10**6, "L": 2, "n": 1000})
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower.formula is not None
    at = {symbol: {"m": 10**6, "L": 2, "delta": 0.05}.get(str(symbol), 1) for symbol in found.expression.free_symbols}
    assert float(found.lower.formula.subs(at).evalf()) == pytest.approx(float(found.lower.number), rel=1e-9)
    assert 1 / (2**6 * math.log(10**6) ** 1.5) == pytest.approx(float(found.upper.number), rel=1e-9)
    text = solution_text(found)
    assert re.search(r"closed form +τ ≥ .*\n +τ ≤ C_small/\(L\^6·log\(m\)\^\(3/2\)\)\n", text)
    # What limits the width from above is a condition on τ; it stands in the table too.
    _, tex, _ = run_here(["width only cao2020/lem4.4", "--tex"], tmp_path)
    assert r"$ and $\tau \le C_{\mathrm{small}}" in tex


@pytest.mark.parametrize(
    ("number", "up", "down"),
    [
        ("667398383751", "6.674e+11", "6.6739e+11"),
        ("0.0000913218382493", "9.1322e-05", "9.1321e-05"),
        ("9.99999999e-05", "1e-04", "9.9999e-05"),
        ("123456", "123456", "123456"),
        ("1000000", "1e+06", "1e+06"),
        ("123.456789", "123.46", "123.45"),
        ("0.05", "0.05", "0.05"),
        ("10^53.6339835028", "10^53.634", "10^53.633"),
        ("10^-14.2", "10^-14.2", "10^-14.2"),
        ("10^(1e+30)", "10^(1e+30)", "10^(1e+30)"),
    ],
)
def test_a_paper_prints_few_digits_rounded_to_the_safe_side(number: str, up: str, down: str) -> None:
    assert (short_number(number, "up"), short_number(number, "down")) == (up, down)
    if "^" not in number:
        assert Fraction(short_number(number, "down")) <= Fraction(number) <= Fraction(short_number(number, "up"))


def test_a_value_out_of_range_is_refused_once(tmp_path: Path) -> None:
    code, _, err = run_here(["eval", "chen2019/thm2.1", "width", "L=1e400"], tmp_path)
    assert (code, err.count("outside 10^±300")) == (2, 1)
    assert "nor a formula" not in err
    assert "nor a formula" in run_here(["eval", "chen2019/thm2.1", "width", "L=2*x"], tmp_path)[2]


def test_a_paper_s_own_name_stands_for_a_part_of_a_formula() -> None:
    theorem = CATALOGUE["ji2020"]
    named = {bound.symbol.name: (bound_text(bound), bound_latex(bound)) for bound in theorem.bounds}
    meaning = " with λ = 4·(√(2·log(4·n/δ)) + log(4/ε))/γ"
    assert named["m"][0] == f"m ≥ 4096·λ^2/γ^6{meaning}"
    assert named["T"][0] == f"T = 2·λ^2/(η·ε){meaning}"
    assert named["dist"][0] == f"dist ≤ 4·λ/(γ·√m){meaning}"
    assert named["dist"][1].startswith(r"\|W_l - W_l^{(0)}\| \le \frac{4 \lambda}{\gamma \sqrt{m}}, \lambda = ")
    assert "log(4·7/δ)" in solution_text(evaluate(theorem, "width", {"n": 7}))
