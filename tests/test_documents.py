"""The manual, and every command that a document or a help text shows: each is run, and none is refused."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner
from shown import DOCUMENTS, ROOT, arguments, commands, in_document, in_help, joined, run_here
from test_readme import queries

from boundcalc.catalogue import CATALOGUE, load
from boundcalc.cli import cli
from boundcalc.proofs import derivations_of
from boundcalc.report.manual import GENERATED, PAGES, page, write_manual
from boundcalc.verify.statistics import Verdict

MANUAL = "boundcalc manual -o pages"
OBJECTS = ROOT / "boundcalc" / "manual" / "json.md"
RUN_ELSEWHERE = {*(f"boundcalc {query}" for query in queries()), *in_document(OBJECTS), MANUAL}
SHOWN = {
    **{command: path.name for path in DOCUMENTS if path.stem != GENERATED for command in in_document(path)},
    **{example: f"{name} --help" for name, command in commands().items() for example in in_help(command)},
    **dict.fromkeys(in_help(cli), "--help"),
}
COMMANDS_SHOWN = sorted(command for command in SHOWN if command not in RUN_ELSEWHERE)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples in it, and runs as those that commands report on."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "examples").symlink_to(ROOT / "examples")
    made = "boundcalc verify du2019 --data xor:n=4,d=2 --test-fraction 1/2 delta=0.2 --out runs/du2019"
    assert run_here(arguments(made), folder)[0] in (0, 3)
    for name in ("digits", "narrow", "wide"):
        shutil.copytree(folder / "runs" / "du2019", folder / "runs" / name)
    return folder


@pytest.mark.parametrize("command", COMMANDS_SHOWN)
def test_a_command_that_is_shown_is_answered(command: str, runs: Path, tmp_path: Path) -> None:
    words = arguments(command)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    folder = runs if words[0] == "report" else tmp_path
    code, out, err = run_here(words, folder)
    assert code in ((0, 3) if words[0] in ("audit", "verify") else (0,)), err
    assert out
    for written in re.findall(r"-o (\S+)", command):
        assert (folder / written).exists()


class TrainingBeginsError(Exception):
    """Everything has been read, planned and found to fit."""


@pytest.mark.parametrize(
    "command", sorted(command for command in SHOWN if command.split()[1] in ("verify", "calibrate", "scaling"))
)
def test_a_training_that_is_shown_is_accepted_as_it_stands(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above cuts trainings short by other options; here they are not, and nothing is trained."""

    def begin(*given: object, **named: object) -> None:
        raise TrainingBeginsError

    for name in ("runner.run", "ladder.climb", "settings.run"):
        monkeypatch.setattr(f"boundcalc.verify.{name}", begin)
    monkeypatch.chdir(tmp_path)
    assert isinstance(CliRunner().invoke(cli, shlex.split(command)[1:]).exception, TrainingBeginsError)


def test_the_program_that_torchrun_starts_takes_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from boundcalc.train import sharded

    text = joined("\n".join(path.read_text("utf-8") for path in DOCUMENTS))
    shown = [shlex.split(line) for line in text if line.startswith("torchrun ")]
    assert shown
    for words in shown:
        taken: list[object] = []
        monkeypatch.setattr(sharded, "_run", taken.append)
        assert words[3:5] == ["-m", sharded.__name__]
        sharded.main(words[5:])
        assert len(taken) == 1


def test_enough_is_shown_to_be_worth_the_test_above() -> None:
    assert len(COMMANDS_SHOWN) >= 40
    for path in DOCUMENTS:
        assert in_document(path) or path.name == "theorems.md", path.name


@pytest.mark.parametrize("name", list(commands()))
def test_every_command_shows_examples_of_itself(name: str) -> None:
    examples = in_help(commands()[name])
    assert examples
    for example in examples:
        assert example.startswith(f"boundcalc {name if name != 'ask' else chr(34)}"), example


# The manual ---------------------------------------------------------------------------------------


def test_the_page_of_the_theorems_is_what_the_catalogue_gives(tmp_path: Path) -> None:
    assert MANUAL in SHOWN
    assert run_here(arguments(MANUAL), tmp_path)[0] == 0
    for name in PAGES:
        written = (tmp_path / "pages" / f"{name}.md").read_text("utf-8")
        assert written == page(name), "write it again: boundcalc manual -o boundcalc/manual"


def test_the_commands_of_that_page_are_audits_of_statements_that_have_one() -> None:
    # Each is run by the tests of audits.
    (shown,) = (path for path in DOCUMENTS if path.stem == GENERATED)
    audited = [command.removeprefix("boundcalc audit ") for command in in_document(shown)]
    assert audited == [key for key, theorem in CATALOGUE.items() if derivations_of(theorem)]


def test_the_page_of_the_theorems_says_everything_of_each_statement() -> None:
    text = page("theorems")
    for key, theorem in CATALOGUE.items():
        _, _, entry = text.partition(f"\n## {key}\n")
        entry = entry.partition("\n## ")[0]
        assert theorem.title in entry
        assert str(theorem.source) in entry
        assert f"Provenance: {theorem.provenance}" in entry
        assert f"- depth: {theorem.setting.depth.counts}" in entry
        for constant in theorem.constants:
            assert f"| `{constant.name}` |" in entry
        assert "Audit: " in entry
    assert "Audit: **violated**" in text.partition("\n## cao2020/thm3.2\n")[2].partition("\n## ")[0]


def test_a_statement_of_ones_own_gets_its_entry(tmp_path: Path) -> None:
    own = load([ROOT / "examples" / "own_derivation.toml"])
    few = type(own)([own["doe2030/thm2"], own["zou2020"]])
    write_manual(tmp_path, few)
    text = (tmp_path / "theorems.md").read_text("utf-8")
    assert "## doe2030/thm2" in text
    assert "Audit: **violated**" in text
    assert {path.stem for path in tmp_path.iterdir()} == set(PAGES)


def test_every_page_is_there_and_every_link_leads_to_one() -> None:
    folder = ROOT / "boundcalc" / "manual"
    assert {path.stem for path in folder.glob("*.md")} == set(PAGES)
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", path.read_text("utf-8"))):
            assert target.startswith("http") or (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_contents_of_the_page_of_the_theorems_lead_to_its_headings() -> None:
    text = page("theorems")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-").lower() for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == anchors


def test_verdicts_that_the_manual_explains_are_those_that_there_are() -> None:
    text = page("verdicts")
    for verdict in get_args(Verdict):
        assert f"| `{verdict}` |" in text
    for status in ("holds", "loose", "violated", "undecided"):
        assert f"| `{status}` |" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["manual", "verdict"], "unknown page 'verdict'; did you mean verdicts"),
        (["manual", "index", "-o", "pages"], "drop index"),
        (["manual", "-o", "taken"], "cannot be written"),
    ],
)
def test_a_page_that_there_is_not_is_refused_in_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    code, out, err = run_here(words, tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_an_exponent_that_no_source_gives_has_the_value_that_is_put_in() -> None:
    rows = [line.split(" | ") for line in page("theorems").split("\n") if line.startswith("| `p_")]
    guesses = [(name.strip("| `"), value) for name, _, _, value, origin in rows if "no source at hand" in origin]
    assert guesses == [("p_n", "1"), ("p_phi", "1"), ("p_L", "1"), ("p_R", "1")]
    assert all(value for _, _, _, value, _ in rows)
