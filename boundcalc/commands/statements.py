"""`list`, `show`: the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boundcalc.commands.common import (
    json_option,
    reading_option,
    show_answer,
    theorems_option,
)
from boundcalc.errors import InputError

if TYPE_CHECKING:
    from boundcalc.theorem import Theorem


@click.command("list")
@theorems_option
@json_option
def list_statements(theorem_files: tuple[Path, ...], as_json: bool) -> None:
    """List every statement of the catalogue."""
    from boundcalc.catalogue import load
    from boundcalc.report.answers import catalogue_json, catalogue_text

    catalogue = load(theorem_files)
    show_answer(catalogue_json(catalogue) if as_json else catalogue_text(catalogue))


@click.command()
@click.argument("theorem")
@click.option(
    "--format", "form", type=click.Choice(["text", "toml", "latex", "mathml", "json"]), default="text",
    show_default=True, help="toml can be read with --theorems; mathml is a piece of HTML.",
)  # fmt: skip
@theorems_option
@reading_option
@json_option
def show(theorem: str, form: str, theorem_files: tuple[Path, ...], reading: str, as_json: bool) -> None:
    """Show a THEOREM in full: setting, hypotheses, conditions, prescriptions, guarantees, constants."""
    from boundcalc.catalogue import load

    found = load(theorem_files).find(theorem, reading)
    if as_json and form not in ("text", "json"):
        raise InputError(f"--json and --format {form} ask for two things; give one of them")
    show_answer(_shown("json" if as_json else form, found))


def _shown(form: str, theorem: Theorem) -> dict[str, Any] | str:
    """A statement in one of the forms of `show`."""
    if form == "toml":
        from boundcalc.exchange import dumps

        return dumps([theorem]).rstrip()
    if form in ("latex", "mathml"):
        from boundcalc.display import theorem_html, theorem_latex

        return theorem_latex(theorem) if form == "latex" else theorem_html(theorem)
    from boundcalc.report.answers import theorem_json, theorem_text

    return theorem_json(theorem) if form == "json" else theorem_text(theorem)
