"""`manual`: the pages of the manual."""

from __future__ import annotations

from pathlib import Path

import click

from boundcalc.commands.common import A_PATH, json_option, show_answer, terminal_width, theorems_option
from boundcalc.commands.completers import complete_page
from boundcalc.errors import InputError


@click.command("manual", short_help="Print a page of the manual.")
@click.argument("name", metavar="[PAGE]", required=False, shell_complete=complete_page)
@click.option("-o", "--out", type=A_PATH, metavar="DIR", help="Write all pages into DIR, in Markdown.")
@theorems_option
@json_option
def manual(name: str | None, out: Path | None, theorem_files: tuple[Path, ...], as_json: bool) -> None:
    """Print a PAGE of the manual: index (which lists the others), verdicts, theorems, own_theorem, engines or json.

    Pages are Markdown, laid out where they go to a terminal. That of the theorems is generated from the catalogue where
    --theorems adds to it, or -o writes it.

    \b
    boundcalc manual
    boundcalc manual verdicts
    boundcalc manual -o pages
    """
    from boundcalc.report.manual import page, terminal_text, write_manual

    if name is not None and out is not None:
        raise InputError(f"-o {str(out)!r} writes every page: drop {name}, or print it without -o")
    if out is not None:
        from boundcalc.catalogue import load

        paths = write_manual(out, load(theorem_files))
        show_answer({"files": [str(path) for path in paths]} if as_json else f"wrote {', '.join(map(str, paths))}")
        return
    shown = name or "index"
    if theorem_files:
        from boundcalc.catalogue import load

        text = page(shown, load(theorem_files))
    else:
        text = page(shown)
    width = terminal_width()
    printed = text.rstrip() if width is None else terminal_text(text, width)
    show_answer({"page": shown, "markdown": text} if as_json else printed)
