"""The page: what it shows of a catalogue, put into a template."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from boundcalc import __version__
from boundcalc.constants import ConstantPolicy
from boundcalc.errors import InputError
from boundcalc.explorer.content import catalogue_json
from boundcalc.files import check_writable, write_file
from boundcalc.solving import UNIT
from boundcalc.theorem import Catalogue

SUFFIXES = (".html", ".htm")

INTERFACE = ("elements", "numbers", "state", "plot", "reading", "rows", "table", "cards", "choices")
"""The scripts of what is drawn and what moves it; they share one scope, and what a later one defines at its top is not
there before."""


def write_page(path: Path, catalogue: Catalogue, policy: ConstantPolicy = UNIT) -> None:
    """Write the page for a catalogue, one file that needs no other and no network.

    Args:
        path: where to; a file that is there is replaced.
        catalogue: the statements that it shows.
        policy: what the hidden constants are at first.

    Raises:
        InputError: the path names no HTML file, or cannot be written.
        UnknownNameError: the policy sets a constant that no statement has.
    """
    check_path(path)
    write_file(path, render(catalogue, policy).encode())


def check_path(path: Path) -> None:
    """Refuse a path that is no place for a page.

    Raises:
        InputError: its suffix is not that of HTML; as for `check_writable`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{str(path)!r} does not end in {' or '.join(SUFFIXES)}; give page.html, say")
    check_writable(path)


def render(catalogue: Catalogue, policy: ConstantPolicy = UNIT) -> str:
    """The text of the page.

    Raises:
        UnknownNameError: the policy sets a constant that no statement has.
    """
    environment = Environment(
        loader=PackageLoader("boundcalc", "explorer"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = files("boundcalc.explorer")
    held = catalogue_json(catalogue, policy)
    data = json.dumps(held, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return environment.get_template("page.html.jinja").render(
        version=__version__,
        statements=len(catalogue),
        own=held["own"],
        style=(own / "style.css").read_text("utf-8"),
        evaluator=(own / "evaluator.js").read_text("utf-8"),
        interface="\n".join((own / f"{name}.js").read_text("utf-8") for name in INTERFACE),
        # In a script element only its own end tag could end it.
        catalogue=data.replace("</", "<\\/"),
    )
