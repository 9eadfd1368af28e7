"""Reports made again from what lies in the folders of runs, without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

from boundcalc.catalogue import load
from boundcalc.errors import InputError, StorageError
from boundcalc.files import check_writable, write_file
from boundcalc.report.document import Document
from boundcalc.report.drawing import legend
from boundcalc.report.figures import figure_table
from boundcalc.report.forms import FORMS, formed, json_text, write_forms
from boundcalc.report.ladder import LADDER, ladder_document
from boundcalc.report.studies import CALIBRATION, SCALING, calibration_document, scalings_document
from boundcalc.report.verification import LAYOUT, REPORT
from boundcalc.report.verification_document import side_by_side, verification_document
from boundcalc.verify.ladder import PLAN
from boundcalc.verify.statistics import Verdict
from boundcalc.verify.store import STORE, reading

_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Document]] = MappingProxyType(
    {
        REPORT: verification_document,
        CALIBRATION: calibration_document,
        SCALING: scalings_document,
        LADDER: ladder_document,
    }
)
"""What a folder may hold, by the name of its JSON file without the ending, and how that is told."""

MOST_NAMED = 5
"""Folders that a message names."""

_NOT_WHOLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""What goes wrong where a file was changed or cut."""


@dataclass(frozen=True)
class Held:
    """What a folder holds: the name of its JSON file without the ending, and the object in it."""

    folder: Path
    name: str
    facts: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """Its JSON file."""
        return self.folder / f"{self.name}.json"

    @property
    def document(self) -> Document:
        """Its report.

        Raises:
            InputError: what the file holds is not whole.
        """
        return self._built(_KINDS[self.name])

    def check(self) -> None:
        """Refuse what cannot be put beside others, as it cannot be put beside itself either.

        Raises:
            InputError: what the file holds is not whole.
        """
        self._built(lambda facts: side_by_side((("", facts), ("", facts))))

    def _built(self, build: Callable[[Mapping[str, Any]], Document]) -> Document:
        try:
            document = build(self.facts)
            for figure in document.figures:
                # A picture is drawn later, from what these read of it.
                figure_table(figure)
                legend(figure)
        except _NOT_WHOLE:
            raise _damaged(self.path, "something in it is missing, or is not what it should be") from None
        return document


def held(folder: Path) -> Held:
    """Read what a verification, a calibration or a scaling left in its folder.

    Raises:
        InputError: nothing of the kind is there, it is damaged, or of another version.
    """
    name = next((name for name in _KINDS if (folder / f"{name}.json").is_file()), None)
    if name is None:
        raise InputError(_nothing(folder))
    path = folder / f"{name}.json"
    try:
        facts = json.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise InputError(f"cannot read {str(path)!r}: {problem.strerror}; mend that and run again") from None
    except json.JSONDecodeError as problem:
        raise _damaged(path, f"from line {problem.lineno}, column {problem.colno} on it is not JSON") from None
    except (ValueError, RecursionError):
        raise _damaged(path, "it is not JSON in UTF-8") from None
    if not isinstance(facts, dict) or "layout" not in facts:
        raise _damaged(path, "it is not the object of a report")
    if facts["layout"] != LAYOUT:
        raise InputError(
            f"{str(path)!r} is of another version of boundcalc (layout {str(facts['layout'])[:20]}, here {LAYOUT}); "
            + _again(folder)
        )
    found = Held(folder, name, facts)
    try:
        wrong = _contradiction(found)
    except _NOT_WHOLE:
        raise _damaged(path, "something in it is missing, or is not what it should be") from None
    if wrong:
        raise _damaged(path, wrong)
    return found


def _contradiction(found: Held) -> str:
    """What cannot be true in a report, in words; empty where nothing of the kind is found."""
    if found.facts["theorem"] not in tuple(load()):
        return f"its theorem {found.facts['theorem']!r} is in no catalogue here"
    for one in {REPORT: (found.facts,), LADDER: found.facts.get("rungs", ())}.get(found.name, ()):
        if one["verdict"] not in get_args(Verdict):
            return f"{str(one['verdict'])[:40]!r} is no verdict"
        counts = [one[name] for name in ("successes", "undecided", "trials")]
        if min(counts) < 0 or counts[0] + counts[1] > counts[2]:
            return f"{counts[0]} successes and {counts[1]} undecided are more than its {counts[2]} trials"
        if found.name == LADDER and not (found.folder / one["folder"]).is_dir():
            return f"the folder {one['folder']!r} of one of its widths is gone"
    return ""


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{str(path)!r} is damaged: {what}; {_again(path.parent)}")


def _again(folder: Path) -> str:
    """How a report comes to be again."""
    if (folder / STORE).exists() or any(folder.glob(f"*/{STORE}")):
        return "run the command that wrote it again in the same folder: what is finished there is not trained again"
    return "the record of its trials is gone too: run the command that wrote it again with another --out"


def _nothing(folder: Path) -> str:
    """Why a folder has no report, and what to do."""
    if not folder.is_dir():
        return f"{str(folder)!r} is no folder; give that of a run (boundcalc verify … --out DIR)"
    goes_on = "run its command again with the same options, and it goes on from there"
    if (folder / STORE).exists():
        try:
            with reading(folder) as rows:
                done = len(rows.trial_numbers("training"))
        except StorageError as problem:
            # Its mend is for who writes there.
            why = str(problem).rpartition(";")[0]
            return f"{why}, and no report is beside it: run its command again with another --out"
        return f"{str(folder)!r} holds a run that is not finished (finished inits: {done}): {goes_on}"
    inside = sorted({path.parent for name in _KINDS for path in folder.glob(f"*/{name}.json")})
    if inside and not (folder / PLAN).exists():
        named = ", ".join(repr(str(path)) for path in inside[:MOST_NAMED]) + (", …" if len(inside) > MOST_NAMED else "")
        return f"{str(folder)!r} holds no run itself, but finished ones in it: give the folder of one of them, {named}"
    if any(folder.glob(f"*/{STORE}")):
        return f"{str(folder)!r} holds a ladder, a calibrate or a scaling that is not finished: {goes_on}"
    return f"{str(folder)!r} holds no run; give the folder of one (boundcalc verify … --out DIR)"


def remake(folder: Path) -> tuple[Held, tuple[Path, ...]]:
    """Write the .html, .md and .tex of a folder's report again, from its JSON file.

    Raises:
        InputError: as for `held`; or they cannot be written.
    """
    found = held(folder)
    return found, write_forms(found.document, folder, found.name)


def compared(folders: Sequence[Path]) -> tuple[Document, list[dict[str, Any]]]:
    """Several verifications side by side, as a document and as the objects it was made of.

    Raises:
        InputError: as for `held`; a folder that is given twice or holds no verification; too many of them.
    """
    found = [held(folder) for folder in folders]
    for one in found:
        if one.name != REPORT:
            raise InputError(f"{str(one.folder)!r} holds a {one.name}; only verifications are put side by side")
    paths = [folder.resolve() for folder in folders]
    for path, folder in zip(paths, folders, strict=True):
        if paths.count(path) > 1:
            raise InputError(f"{str(folder)!r} is given twice; give it once")
    names = [path.name for path in paths]
    called = [
        path.name if names.count(path.name) == 1 else str(folder) for path, folder in zip(paths, folders, strict=True)
    ]
    for one in found:
        one.check()
    runs = [(name, one.facts) for name, one in zip(called, found, strict=True)]
    return side_by_side(runs), [{"folder": name, **facts} for name, facts in runs]


def write_compared(document: Document, runs: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Write one run, or several side by side, into a file, in the form that its ending asks for.

    Raises:
        InputError: another ending than .html, .md, .tex or .json, or it cannot be written.
    """
    if path.suffix == ".json":
        text = json_text(runs[0] if len(runs) == 1 else {"runs": list(runs)})
    else:
        text = formed(document, path.suffix)
    return write_file(path, text.encode())


def check_path(path: Path) -> None:
    """Refuse a file whose ending asks for no form or that could not be written, before anything is read.

    Raises:
        InputError: another ending than .html, .md, .tex or .json; as for `check_writable`.
    """
    endings = (*FORMS, ".json")
    if path.suffix not in endings:
        raise InputError(f"-o {str(path)!r} ends in none of {', '.join(endings)}; give it one of these endings")
    check_writable(path)
