"""`report`: what a run left in its folder, as pages, Markdown and LaTeX again; several runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from boundcalc.commands.common import A_PATH, json_option, show_answer, terminal_width
from boundcalc.errors import InputError


@click.command(short_help="Write the report of a run, or of several side by side.")
@click.argument("folders", nargs=-1, required=True, metavar="DIR [DIR]...", type=A_PATH)
@click.option(
    "-o", "--out", type=A_PATH, metavar="FILE",
    help="Write one file (.html, .md, .tex or .json) in place of those in DIR.",
)  # fmt: skip
@click.option("--md", "as_markdown", is_flag=True, help="Print Markdown.")
@click.option("--tex", "as_tex", is_flag=True, help="Print LaTeX.")
@json_option
def report(folders: tuple[Path, ...], out: Path | None, as_markdown: bool, as_tex: bool, as_json: bool) -> None:
    """Write the report of a run in DIR again, or put several runs side by side; trains nothing.

    DIR is that of a verify, a ladder of widths too, of a calibrate or a scaling. Several DIR, of one verify each, are
    printed in Markdown unless another form is asked for.

    \b
    boundcalc report runs/digits
    boundcalc report runs/narrow runs/wide -o compared.html
    """
    if (out is not None) + as_markdown + as_tex + as_json > 1:
        raise InputError("-o, --md, --tex and --json ask for different things; give one of them")
    from boundcalc.report.folders import check_path, compared, held, remake, write_compared
    from boundcalc.report.forms import formed
    from boundcalc.report.tables import folded

    if out is not None:
        check_path(out)
    if len(folders) == 1 and out is None and not (as_markdown or as_tex or as_json):
        found, paths = remake(folders[0])
        said = (found.document.headline, f"wrote {', '.join(str(path) for path in paths)}")
        show_answer(folded("\n".join(said), terminal_width()))
        return
    if len(folders) == 1:
        found = held(folders[0])
        document, runs = found.document, [dict(found.facts)]
    else:
        document, runs = compared(folders)
    if out is not None:
        click.echo(f"wrote {write_compared(document, runs, out)}")
    elif as_json:
        show_answer(runs[0] if len(runs) == 1 else {"runs": runs})
    else:
        show_answer(formed(document, ".tex" if as_tex else ".md").rstrip())
