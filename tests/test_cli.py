"""The command line: each kind of answer and refusal through a real process, the many cases of each in this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy
from mpmath import mp

from boundcalc.catalogue import CATALOGUE
from boundcalc.cli import main

ANCHOR = ("chen2019/thm2.1", "width", "L=5", "R=1", "alpha=1/2", "n=1000", "delta=0.05")


def run(*arguments: str, module: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the command; no traceback ever shows, whatever happens."""
    command = [sys.executable, "-m", "boundcalc"] if module else [str(Path(sys.executable).with_name("boundcalc"))]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def run_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, where starting one for each of many cases would take minutes."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["boundcalc", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
    assert isinstance(stop.value.code, int)
    return subprocess.CompletedProcess(arguments, stop.value.code, out.getvalue(), err.getvalue())


def answered(*arguments: str) -> str:
    """The output of a command that answers, and complains of nothing."""
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def answered_here(*arguments: str) -> str:
    """The same in this process."""
    done = run_here(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@cache
def evaluated(*arguments: str) -> dict[str, Any]:
    return json.loads(answered_here("eval", *arguments, "--json"))


def test_help_is_shown_on_request() -> None:
    text = answered("--help")
    for word in ("ask", "list", "show", "eval"):
        assert word in text
        assert answered_here(word, "--help")


def test_the_module_and_the_script_are_one_command() -> None:
    assert run(*("eval", *ANCHOR)).stdout == run("eval", *ANCHOR, module=False).stdout
    assert run("--version").stdout == run("--version", module=False).stdout


def test_a_question_alone_is_a_question() -> None:
    query = "required width for ε=0.01, L=5, chen2019/thm2.1"
    assert answered(query) == answered("ask", query) == answered(*query.split())
    assert "50 705 800 355 726 887" in answered(query)


def test_an_answer_in_text_shows_everything_that_went_in() -> None:
    text = answered("eval", "chen2019/thm2.1", "width", "L=5", "epsilon=0.1")
    for shown in (
        "n=1000",
        "delta=0.05",
        "R=1",
        "alpha=0.5",
        "C_m = 1",
        "k_m = 0",
        "p_L = 11",
        "unit",
        "reconstructed",
    ):
        assert shown in text
    assert "epsilon" in text, "an input that does not enter is named"


@pytest.mark.parametrize("key", sorted(CATALOGUE))
def test_every_statement_can_be_listed_and_shown(key: str) -> None:
    assert key in listing()
    shown = json.loads(answered_here("show", key, "--json"))
    assert shown["theorem"] == key
    assert shown["conditions"] or shown["guarantees"]
    assert {constant["name"] for constant in shown["constants"]} == {c.name for c in CATALOGUE[key].constants}


@cache
def listing() -> str:
    return answered("list")


def test_the_list_marks_secondary_results() -> None:
    (line,) = (line for line in listing().splitlines() if line.startswith("zou2020"))
    assert "secondary" in line
    as_json = json.loads(answered("list", "--json"))
    assert {entry["theorem"] for entry in as_json["theorems"]} == set(CATALOGUE)


# JSON -------------------------------------------------------------------------------------------

SCHEMA: dict[str, tuple[type, ...]] = {
    "theorem": (str,), "quantity": (str,), "symbol": (str,), "relation": (str,), "status": (str,),
    "value": (str, type(None)), "log10": (float, int, type(None)), "expression": (str,), "latex": (str,),
    "inputs": (dict,), "assumed": (dict,), "constants": (list,), "provenance": (str,),
}  # fmt: skip


def check_answer(answer: dict[str, Any]) -> None:
    """Check the names and types of one answer, and that its expression gives its log10."""
    for name, types in SCHEMA.items():
        assert isinstance(answer[name], types), name
    assert answer["relation"] in (">=", "<=", "=")
    assert answer["provenance"] in ("stated", "reconstructed", "secondary")
    for constant in answer["constants"]:
        assert isinstance(constant["value"], int | float | str)
        assert all(isinstance(constant[name], str) for name in ("name", "hides", "origin"))
    for given in (answer["inputs"], answer["assumed"]):
        assert all(isinstance(value, int | float | str) for value in given.values())
    if answer["status"] == "interval":
        for end in ("lower", "upper"):
            assert isinstance(answer[end]["log10"], float)
            assert isinstance(answer[end]["value"], str | None)


def recomputed_log10(answer: dict[str, Any]) -> float:
    """log10 of the expression, with everything that the answer lists put in."""
    numbers = {**answer["inputs"], **answer["assumed"], **{c["name"]: c["value"] for c in answer["constants"]}}
    symbols = {name: sympy.Symbol(name, positive=True) for name in [*numbers, answer["symbol"]]}
    expression = sympy.sympify(answer["expression"], locals=symbols)
    if answer["symbol"] not in numbers and symbols[answer["symbol"]] in expression.free_symbols:
        numbers[answer["symbol"]] = str(mp.mpf(10) ** mp.mpf(repr(answer["log10"])))
    values = {symbols[name]: sympy.Rational(str(value)) for name, value in numbers.items()}
    assert expression.free_symbols <= values.keys(), "every symbol of the expression has a value in the answer"
    return float(sympy.log(expression.xreplace(values)).evalf(40) / sympy.log(10).evalf(40))


EVALUATIONS = [
    ("chen2019/thm2.1", "width", "L=5"),
    ("chen2019/thm2.1", "step-size", "L=5", "m=1e6"),
    ("chen2019/thm2.2", "error", "L=2", "n=1e6"),
    ("chen2019/thm2.3", "step-size", "L=3", "m=1000"),
    ("chen2019/thm2.3", "error", "n=1e6"),
    ("cao2020/thm1.1", "samples", "epsilon=1/3"),
    ("cao2020/thm3.1", "width", "tau=1e-6", "L=1"),
    ("cao2020/thm3.1", "error", "tau=1e-20"),
    ("cao2020/rem3.2", "gradient-constant", "phi=0.1", "n=50"),
    ("cao2020/thm3.2", "radius", "B=0.2"),
    ("cao2020/cor3.1", "error", "B=0.2", "--reading", "unfolded"),
    ("cao2020/cor3.2", "width", "L=4", "epsilon=0.1"),
    ("cao2020/cor3.3", "width", "--reading", "unfolded"),
    ("cao2020/lem4.2", "smoothness", "m=1000"),
    ("cao2020/lem4.4", "gradient", "L=3", "m=100"),
    ("zou2020", "width", "phi=0.3"),
    ("du2019", "iterations", "epsilon=0.1"),
    ("cao2019", "error", "n=1e6"),
    ("ji2020", "distance", "m=1e9"),
    ("neyshabur2018", "error", "n=1000"),
]


@pytest.mark.parametrize("arguments", EVALUATIONS, ids=" ".join)
def test_an_evaluation_in_json_can_be_recomputed_from_itself(arguments: tuple[str, ...]) -> None:
    answer = evaluated(*arguments)
    check_answer(answer)
    assert answer["theorem"] == arguments[0]
    assert answer["quantity"] == arguments[1]
    assert recomputed_log10(answer) == pytest.approx(answer["log10"], rel=1e-9, abs=1e-10)


def test_the_anchor_in_json() -> None:
    answer = json.loads(answered("eval", *ANCHOR, "--json"))
    assert answer == evaluated(*ANCHOR)
    assert answer["value"] == "50705800355726887"
    assert answer["status"] == "ok"
    assert answer["symbol"] == "m"
    assert answer["relation"] == ">="
    assert answer["inputs"] == {"L": 5, "R": 1, "alpha": 0.5, "n": 1000, "delta": 0.05}
    assert answer["assumed"] == {}
    assert {c["name"]: (c["value"], c["hides"]) for c in answer["constants"]} == {
        "C_m": (1, "Otilde"), "k_m": (0, "Otilde"), "p_L": (11, "poly(R, L)"), "p_R": (4, "poly(R, L)"),
    }  # fmt: skip


def test_a_width_beyond_all_integers_has_a_log10_and_no_value() -> None:
    answer = evaluated("cao2020/cor3.2", "width", "L=1000000", "gamma=0.1", "epsilon=0.01", "delta=0.05")
    assert answer["value"] is None
    exact = 24 * 6 + 8e6 * mp.log10(2) + 8 + 28 + mp.log10(mp.log(20))
    assert answer["log10"] == pytest.approx(float(exact), rel=1e-11)


def test_an_interval_in_json_has_its_two_ends() -> None:
    answer = evaluated("cao2020/thm3.1", "width", "L=3", "n=1000", "delta=0.05", "tau=1", "--set", "C_small=1e4")
    check_answer(answer)
    assert answer["status"] == "interval"
    assert answer["value"] == answer["lower"]["value"] == "134"
    greatest = mp.exp((mp.mpf(10) ** 4 / 3**6) ** (mp.mpf(2) / 3))
    assert answer["upper"]["value"] == str(int(mp.floor(greatest)))


def test_a_condition_that_fails_is_told_apart_in_json() -> None:
    assert evaluated("chen2019/thm2.2", "error", "m=10", "L=2", "n=1000", "R=1", "delta=0.05")["unmet"]
    assert evaluated("chen2019/thm2.2", "error", "m=1e8", "L=2", "n=1000", "R=1", "delta=0.05")["unmet"] == []


def test_an_empty_set_is_answered_with_exit_code_3() -> None:
    done = run("eval", "cao2020/thm3.1", "width", "tau=100", "--json")
    assert (done.returncode, done.stderr) == (3, "")
    answer = json.loads(done.stdout)
    check_answer(answer)
    assert (answer["status"], answer["value"], answer["log10"]) == ("empty", None, None)


def test_a_question_in_json() -> None:
    query = "required width for ε=0.01, L=5"
    reply = json.loads(answered("ask", query, "--json"))
    assert reply["query"] == query
    assert reply["quantity"] == "width"
    assert reply["inputs"] == {"epsilon": 0.01, "L": 5}
    assert {a["theorem"] for a in reply["answers"]} == {k for k in CATALOGUE if "width" in CATALOGUE[k].quantities}
    for answer in reply["answers"]:
        check_answer(answer)
        assert set(answer["inputs"]) <= {"epsilon", "L"}
        assert recomputed_log10(answer) == pytest.approx(answer["log10"], rel=1e-9)


def test_numbers_in_the_formula_shown_keep_their_parentheses() -> None:
    text = " ".join(answered("eval", "cao2020/cor3.3", "width", "epsilon=1/3", "gamma=1/7", "L=2").split())
    assert "1/3^14" not in text.replace("(1/3)^14", "")
    assert "1/1/7" not in text
    tau = answered("eval", "cao2020/lem4.5", "width", "tau=1e-6")
    assert "1e-06^(" not in tau
    assert "1e-6^(" not in tau


# Constants --------------------------------------------------------------------------------------


def test_constants_come_from_a_file_and_settings_go_before_it(tmp_path: Path) -> None:
    file = tmp_path / "constants.toml"
    file.write_text('C = 4\np_L = 1\n["chen2019/thm2.1"]\nC_m = 0.5\n', "utf-8")
    arguments = ("chen2019/thm2.1", "width", "L=5", "--constants", str(file))
    from_file = {c["name"]: c["value"] for c in evaluated(*arguments)["constants"]}
    assert (from_file["C_m"], from_file["p_L"], from_file["k_m"]) == (0.5, 1, 0)
    settings = ("--set", "chen2019/thm2.1:C_m=3", "--set", "k=1/2")
    from_both = {c["name"]: c["value"] for c in evaluated(*arguments, *settings)["constants"]}
    assert (from_both["C_m"], from_both["p_L"], from_both["k_m"]) == (3, 1, 0.5)


def test_strict_answers_only_what_is_complete() -> None:
    complete = ("eval", *ANCHOR, "--strict", "--set", "C=1", "--set", "k=0")
    assert "50 705 800 355 726 887" in answered(*complete)
    done = run("eval", *ANCHOR, "--strict")
    assert done.returncode == 2
    assert "C_m" in done.stderr
    assert "k_m" in done.stderr


# Bad input --------------------------------------------------------------------------------------

BAD = [
    (("eval", "cao2020/cor3.3", "width", "epsilon=0"), "epsilon = 0"),
    (("eval", "cao2020/cor3.3", "width", "epsilon=-0.1"), "epsilon = -0.1"),
    (("eval", "cao2020/cor3.3", "width", "delta=1"), "delta = 1"),
    (("eval", "cao2020/cor3.3", "width", "delta=1.5"), "delta = 1.5"),
    (("eval", "chen2019/thm2.1", "width", "L=2.5"), "L = 2.5"),
    (("eval", "chen2019/thm2.1", "width", "L=1"), "L = 1"),
    (("eval", "chen2019/thm2.1", "width", "alpha=0.7"), "alpha = 0.7"),
    (("eval", "chen2019/thm21", "width"), "chen2019/thm2.1"),
    (("eval", "nothing", "width"), "nothing"),
    (("show", "cao2020/cor33"), "cao2020/cor3.3"),
    (("eval", "chen2019/thm2.1", "widht"), "width"),
    (("eval", "chen2019/thm2.1", "error"), "error"),
    (("eval", "chen2019/thm2.1", "width", "epsilom=0.1"), "epsilon"),
    (("eval", "chen2019/thm2.1", "width", "frob=0.1"), "frob"),
    (("eval", "chen2019/thm2.1", "width", "L"), "name=value"),
    (("eval", "chen2019/thm2.1", "width", "L=5", "depth=5"), "twice"),
    (("eval", "chen2019/thm2.1", "width", "L=5", "L=5"), "twice"),
    (("eval", "chen2019/thm2.1", "width", "L=5", "H=4"), "H"),
    (("eval", "chen2019/thm2.1", "width", "n=1/0"), "divides by zero"),
    (("eval", "chen2019/thm2.1", "width", "n=__import__('os').system('true')"), "not a number"),
    (("eval", "chen2019/thm2.1", "width", "n=9**9**9"), "not a number"),
    (("eval", "chen2019/thm2.1", "width", "n=1e999999999"), "1e999999999"),
    (("eval", "chen2019/thm2.1", "width", "n=" + "9" * 10_000), "not a number"),
    (("eval", "chen2019/thm2.1", "width", "--constants", "absent.toml"), "absent.toml"),
    (("eval", "chen2019/thm2.1", "width", "--set", "C_eat=2"), "C_eta"),
    (("eval", "chen2019/thm2.1", "width", "--set", "C=2", "--set", "C=3"), "twice"),
    (("eval", "chen2019/thm2.1", "width", "--set", "C=0"), "C_m = 0"),
    (("eval", "chen2019/thm2.1", "width", "--strict"), "--strict"),
    (("eval", "chen2019/thm2.1", "width", "--reading", "unfolded"), "unfolded"),
    (("eval", "chen2019/thm2.1", "width", "--frob"), "boundcalc eval --help"),
    (("show", "zou2020", "zou2019"), "boundcalc show --help"),
    (("list", "--theorems", "/"), "is a folder; give a TOML file in it"),
    (("eval",), "THEOREM"),
    (("ask",), "QUERY"),
    (("lsit",), "list"),
    (("evla", "chen2019/thm2.1", "width"), "eval"),
    (("required width for ε=0.01, frobnicate",), "frobnicate"),
    (("required width for ε=0",), "epsilon = 0"),
    (("ε=0.01",), "width"),
    (("",), "width"),
    # What the formula does not allow at these numbers is said in one line as well.
    (("eval", "cao2020/thm3.1", "radius", "m=1"), "m=1"),
    (("eval", "du2019", "loss", "T=3", "eta=10", "lambda_0=1"), "negative"),
]  # fmt: skip


def check_refusal(done: subprocess.CompletedProcess[str], says: str) -> None:
    """Check that a command was refused in one clear line."""
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("boundcalc: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert len(done.stderr) < 600


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[" ".join(arguments)[:60] for arguments, _ in BAD])
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments: tuple[str, ...], says: str) -> None:
    check_refusal(run_here(*arguments), says)


@pytest.mark.parametrize(("arguments", "says"), BAD[::6], ids=[" ".join(arguments)[:60] for arguments, _ in BAD[::6]])
def test_bad_input_is_one_clear_line_in_a_real_process_too(arguments: tuple[str, ...], says: str) -> None:
    check_refusal(run(*arguments), says)


@pytest.mark.parametrize(
    "content", ["C = = 1", "C = nan", 'C = "eval()"', "C = [1]", "[a.b]\nc = 1", "C_zzz = 1"], ids=repr
)
def test_a_bad_constants_file_is_one_clear_line(content: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(content, "utf-8")
    done = run_here("eval", "chen2019/thm2.1", "width", "--constants", str(file))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("value", ["1e300", "1e12"])
def test_a_power_with_a_huge_exponent_is_answered_or_refused(value: str) -> None:
    # (1 − ηλ₀/2)^T = 0.75^T
    done = run("eval", "du2019", "loss", f"T={value}", "eta=1", "lambda_0=0.5", "--json")
    if done.returncode == 0:
        exact = float(Fraction(value)) * float(mp.log10(mp.mpf(3) / 4))
        assert json.loads(done.stdout)["log10"] == pytest.approx(exact, rel=1e-11)
    else:
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_trouble() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "boundcalc", "required width"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_letters_that_the_output_cannot_write_are_written_by_number(encoding: str) -> None:
    command = [sys.executable, "-m", "boundcalc", "show", "zou2020", "--json"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stderr) == (0, b"")
    # Where it is ascii, it is UTF-8 that is meant.
    answer = json.loads(done.stdout.decode("utf-8" if encoding == "ascii" else encoding))
    assert answer["hypotheses"][1]["statement"] == "‖x_i − x_j‖ ≥ φ for all i ≠ j"


@pytest.mark.skipif(os.name != "posix", reason="there is no such shell")
def test_a_closed_output_is_one_line() -> None:
    command = f"'{sys.executable}' -m boundcalc list >&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    said = "boundcalc: standard output is closed; send it to a file, or to /dev/null\n"
    assert (done.returncode, done.stderr) == (2, said)
    assert subprocess.run(["sh", "-c", f"{command} 2>&-"], capture_output=True).returncode == 2
