"""The README's commands are what a new user types: they must be there, and say what the README says they say."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_exactly_two_set_up_commands() -> None:
    setups = [block for block in blocks("sh") if block.startswith("# set up: ")]
    assert [block.split("\n", 1)[0] for block in setups] == ["# set up: main job", "# set up: tests"]
    main_job, tests = setups
    assert 'boundcalc "required width for ε=0.01,L=5"' in main_job
    assert "boundcalc verify chen2019/thm2.1 --data digits --classes 3,8 --out" in main_job
    assert "pytest -W error" in tests
    for setup in setups:
        assert "pip install -c constraints.txt" in setup


def queries() -> list[str]:
    lines = "\n".join(blocks("sh") + blocks("console")).splitlines()
    commands = [line.removeprefix("$ ").removesuffix(" &&") for line in lines]
    words = r'boundcalc ("|list|show|eval|solve|compare|sweep|plan|audit)'
    return [c.removeprefix("boundcalc ") for c in commands if re.match(words, c)]


@pytest.mark.parametrize("command", queries())
def test_printed_query_is_answered(command: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = subprocess.run(
        f'"{sys.executable}" -m boundcalc {command}',
        shell=True, capture_output=True, text=True, timeout=900 if "--data" in command else 60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in ((0, 3) if command.startswith("audit") else (0,)), done.stderr
    assert done.stderr == ""
    for out in re.findall(r"-o (\S+)", command):
        assert (tmp_path / out).stat().st_size > 100


def test_enough_queries_are_printed_to_be_worth_the_test_above() -> None:
    assert len(queries()) >= 22


def test_printed_answer_is_the_answer() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "boundcalc", "required width for ε=0.01, L=5"], capture_output=True, text=True
    )
    (block,) = (
        block for block in blocks("console") if block.startswith('$ boundcalc "required width for ε=0.01,L=5"\n')
    )
    printed = block.split("\n", 1)[1].partition("\n…\n")[0]
    assert "50 705 800 355 726 887" in printed
    assert done.stdout.startswith(printed)


def test_printed_measurements_are_what_is_measured() -> None:
    (block,) = (block for block in blocks("console") if "--data" in block and "required" in block)
    printed = re.findall(r"^  (\w+=\S+)(.*)$", block, re.MULTILINE)
    assert [name.partition("=")[0] for name, _ in printed] == ["n", "gamma", "phi"]
    command = [sys.executable, "-m", "boundcalc", "eval", "cao2020/lem4.5", "width", "L=3"]
    done = subprocess.run([*command, "--data", "digits", "--classes", "3,8"], capture_output=True, text=True)
    shown = " ".join(done.stdout.split())
    (n, method), (margin, estimate), (_, separation) = printed
    assert f"{n.removesuffix(':')}: the number n of training examples; on digits, {method.strip()}" in shown
    # The last digits of an end of a bracket are the machine's.
    assert margin[: len("gamma=0.0286419")] in shown
    assert estimate.partition(": ")[2].strip() in shown
    command[3:] = ["data", "digits", "--classes", "3,8", "--only", "phi"]
    assert separation.strip() in subprocess.run(command, capture_output=True, text=True).stdout


def test_printed_audit_is_the_audit() -> None:
    (block,) = (block for block in blocks("console") if block.startswith("$ boundcalc audit"))
    command, printed = block.split("\n", 1)
    done = subprocess.run([sys.executable, "-m", *command.split()[1:]], capture_output=True, text=True)
    assert done.returncode == 3
    assert printed.strip("…\n") in done.stdout


def test_printed_python_gives_the_printed_values() -> None:
    program, printed = [], []
    for line in "\n".join(blocks("python")).splitlines():
        expression, _, value = line.partition("  # ")
        program.append(f"print(repr({expression}))" if value else line)
        printed += [value] if value else []
    done = subprocess.run([sys.executable, "-c", "\n".join(program)], capture_output=True, text=True)
    assert done.stdout.splitlines() == printed, done.stderr
    assert len(printed) >= 3


def test_printed_tables_have_the_columns_of_today() -> None:
    from boundcalc.report import ladder

    (printed,) = (block for block in blocks("console") if "--width 8192:inf" in block)
    head, _, *rows = printed.split("\n")[1:]
    # At this statement nothing is found by training that its width depends on.
    assert re.split(r"\s{2,}", head) == [name for name in ladder._HEADER if name != "found"]
    # The largest C_m that a width admits is that width over the 128000.0005… asked for at C_m = 1, rounded down.
    shown = [Fraction(row.split("C_m = ")[1]) for row in rows if row[:1].isdigit() and " = " in row]
    assert all(m * (1 - Fraction(1, 10**5)) < value * 128000 < m for m, value in zip((8192, 32768), shown, strict=True))
    assert (
        "What is guaranteed is shown to happen at m = 8192, and at all wider ones here, each with 95 % confidence."
        in rows
    )


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run(example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", [str(example)])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out


def test_ci_runs_the_test_command_as_printed() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    awk = re.search(r"awk '(.*?)' README.md", script)
    assert awk is not None
    found = subprocess.run(["awk", awk[1], "README.md"], capture_output=True, text=True, cwd=ROOT).stdout
    assert found.strip() == blocks("sh")[1].split("\n", 1)[1].strip()
