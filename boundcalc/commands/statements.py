"""`list`, `show`: the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boundcalc.commands.common import (
    form_options,
    one_form,
    reading_option,
    show_answer,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import complete_theorem

if TYPE_CHECKING:
    from boundcalc.theorem import Theorem


@click.command("list", short_help="List every statement of the catalogue.")
@theorems_option
@form_options
def list_statements(theorem_files: tuple[Path, ...], as_json: bool, as_markdown: bool, as_tex: bool) -> None:
    """List every statement of the catalogue.

    \b
    boundcalc list
    boundcalc list --theorems examples/own_theorem.toml
    """
    form = one_form(as_json, as_markdown, as_tex)
    from boundcalc.catalogue import load
    from boundcalc.report.answers import catalogue_json, catalogue_text

    catalogue = load(theorem_files)
    if form in ("md", "tex"):
        from boundcalc.report.papers import catalogue_latex, catalogue_markdown

        show_answer(catalogue_latex(catalogue) if form == "tex" else catalogue_markdown(catalogue))
    else:
        show_answer(catalogue_json(catalogue) if form == "json" else catalogue_text(catalogue, terminal_width()))


@click.command(short_help="Show a statement in full.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.option(
    "--format", "form", type=click.Choice(["text", "toml", "latex", "mathml", "json"]),
    help="toml can be read with --theorems; mathml is a piece of HTML; latex is --tex, and json --json.",
)  # fmt: skip
@theorems_option
@reading_option
@form_options
def show(
    theorem: str,
    form: str | None,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Show a THEOREM in full: setting, hypotheses, conditions, prescriptions, guarantees, constants.

    \b
    boundcalc show cao2020/cor3.3
    boundcalc show chen2019/thm2.1 --tex
    boundcalc show cao2020/thm3.1 --format toml
    """
    from boundcalc.catalogue import load

    found = load(theorem_files).find(theorem, reading)
    show_answer(_shown(one_form(as_json, as_markdown, as_tex, form), found))


def _shown(form: str, theorem: Theorem) -> dict[str, Any] | str:
    """A statement in one of the forms of `show`."""
    if form == "toml":
        from boundcalc.exchange import dumps

        return dumps([theorem]).rstrip()
    if form in ("tex", "mathml"):
        from boundcalc.display import theorem_html, theorem_latex

        return theorem_latex(theorem) if form == "tex" else theorem_html(theorem)
    if form == "md":
        from boundcalc.report.manual import theorem_markdown

        return theorem_markdown(theorem)
    from boundcalc.report.answers import theorem_json, theorem_text

    return theorem_json(theorem) if form == "json" else theorem_text(theorem, terminal_width())
