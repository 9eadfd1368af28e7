"""Reports made again from what lies in the folders of runs, without training anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from boundcalc.errors import InputError
from boundcalc.report.document import Document
from boundcalc.report.drawing import legend
from boundcalc.report.figures import figure_table
from boundcalc.report.forms import FORMS, formed, json_text, write_forms, write_text
from boundcalc.report.ladder import LADDER, ladder_document
from boundcalc.report.studies import CALIBRATION, SCALING, calibration_document, scalings_document
from boundcalc.report.verification import LAYOUT, REPORT
from boundcalc.report.verification_document import side_by_side, verification_document
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

_NOT_WHOLE = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError)
"""What goes wrong where a file was changed or cut."""


@dataclass(frozen=True)
class Held:
    """What a folder holds: the name of its JSON file without the ending, and the object in it."""

    folder: Path
    name: str
    facts: Mapping[str, Any]

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
        except _NOT_WHOLE as problem:
            path = self.folder / f"{self.name}.json"
            raise InputError(f"{str(path)!r} is damaged ({problem!r}); {_again()}") from None
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
    except ValueError as problem:
        raise InputError(f"{str(path)!r} is damaged ({problem}); {_again()}") from None
    layout = facts.get("layout") if isinstance(facts, dict) else None
    if layout != LAYOUT:
        raise InputError(
            f"{str(path)!r} is of another version of boundcalc (layout {layout}, here {LAYOUT}); {_again()}"
        )
    return Held(folder, name, facts)


def _again() -> str:
    return "run the command that wrote it again in the same folder: what is finished there is not trained again"


def _nothing(folder: Path) -> str:
    """Why a folder has no report, and what to do."""
    if not folder.is_dir():
        return f"{str(folder)!r} is no folder; give that of a run (boundcalc verify … --out DIR)"
    goes_on = "run its command again with the same options, and it goes on from there"
    if (folder / STORE).exists():
        with reading(folder) as rows:
            done = len(rows.trial_numbers("training"))
        return f"{str(folder)!r} holds a run that is not finished (finished inits: {done}): {goes_on}"
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
        return write_text(path, json_text(runs[0] if len(runs) == 1 else {"runs": list(runs)}))
    return write_text(path, formed(document, path.suffix))


def check_path(path: Path) -> None:
    """Refuse a file whose ending asks for no form, before anything is read.

    Raises:
        InputError: another ending than .html, .md, .tex or .json.
    """
    endings = (*FORMS, ".json")
    if path.suffix not in endings:
        raise InputError(f"-o {str(path)!r} ends in none of {', '.join(endings)}; give it one of these endings")
