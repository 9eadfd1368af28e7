"""A document written into files: HTML, Markdown or LaTeX by the ending of the name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from boundcalc.errors import InputError
from boundcalc.files import write_file
from boundcalc.report.document import Document
from boundcalc.report.latex import latex_document
from boundcalc.report.markdown import markdown
from boundcalc.report.page import page

FORMS = {".html": page, ".md": markdown, ".tex": latex_document}


def formed(document: Document, ending: str) -> str:
    """A document as .html, .md or .tex.

    Raises:
        InputError: another ending.
    """
    if ending not in FORMS:
        raise InputError(f"{ending!r} is none of {', '.join(FORMS)}; give a file one of these endings")
    return FORMS[ending](document)


def write_forms(document: Document, folder: Path, name: str) -> tuple[Path, ...]:
    """Write FOLDER/NAME.html, .md and .tex."""
    return tuple(write_text(folder / f"{name}{ending}", formed(document, ending)) for ending in FORMS)


def json_text(facts: Mapping[str, Any]) -> str:
    """A JSON object as a file holds it."""
    return json.dumps(facts, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> Path:
    """Write a file into the folder of a run; it appears whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    try:
        return write_file(path, text.encode())
    except InputError as problem:
        raise InputError(f"{problem}; what was computed is kept, so run the command again then") from None
