"""Commands as documents and help texts show them, and how the tests run them: in this process, long ones cut short."""

from __future__ import annotations

import io
import os
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from inspect import cleandoc
from pathlib import Path

import click
import pytest

from boundcalc.cli import COMMANDS, cli, main

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "boundcalc" / "manual").glob("*.md")))


def joined(lines: str) -> list[str]:
    """Lines, those that end in a backslash together with what follows."""
    return re.sub(r"\s*\\\n\s*", " ", lines).splitlines()


def in_document(path: Path) -> list[str]:
    """The commands of a document's blocks, and those within its prose that have arguments."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
    lines = [line.removeprefix("$ ").removesuffix(" &&") for block in blocks for line in joined(block)]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`(boundcalc [^`]+)`", prose)]
    # Words in capitals, and dots, stand for what a reader puts there.
    inline = [code for code in inline if code.count(" ") > 1 and not re.search(r"\b[A-Z]{3,}\b(?!=)|…", code)]
    return list(dict.fromkeys(line for line in (*lines, *inline) if line.startswith("boundcalc ")))


def in_help(command: click.Command) -> list[str]:
    """The examples of a help text: its unwrapped block."""
    _, _, block = cleandoc(command.help or "").partition("\b\n")
    block = block.partition("\n\n")[0]
    return [line.strip() for line in joined(block) if line.strip()]


def commands() -> dict[str, click.Command]:
    """Every command by name."""
    found = {name: cli.get_command(click.Context(cli), name) for name in COMMANDS}
    return {name: command for name, command in found.items() if command is not None}


def arguments(shown: str) -> list[str]:
    """What is run in place of a command: the same, with fewer and shorter trainings."""
    words = shlex.split(shown)[1:]
    if words[0] not in ("verify", "calibrate", "scaling"):
        return words
    width = words[words.index("--width") + 1] if "--width" in words else "8"
    few = ["--trials", "2"] + (["--rows", "8"] if "digits" in words else [])
    if words[0] != "verify":
        return [*words, *few, "--width", "16", *(["--no-width"] if words[0] == "calibrate" else [])]
    if ":" in width:
        rows = ["--rows", "4"] if "digits" in words else []
        return [*words, *few, *rows, "--iterations", "40", "--time-limit", "0.1"]
    return [*words, *few, "--iterations", "5", "--probe", "none", *([] if width == "inf" else ["--width", "8"])]


def run_here(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Run a command in this process, in a folder; its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(folder)
    try:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr("sys.argv", ["boundcalc", *words])
            with pytest.raises(SystemExit) as stop:
                main()
    finally:
        os.chdir(before)
    assert isinstance(stop.value.code, int)
    return stop.value.code, out.getvalue(), err.getvalue()
