"""`explore`: the catalogue as one page with sliders."""

from __future__ import annotations

from pathlib import Path

import click

from boundcalc.commands.common import A_PATH, constant_policy, json_option, show_answer, theorems_option


@click.command("explore", short_help="Write a page of curves that move with sliders.")
@click.option("-o", "--out", required=True, type=A_PATH, metavar="FILE", help="The page to write, FILE.html.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of a hidden constant to begin with: C=2 (every factor), chen2019/thm2.1:C_m=2. Repeatable.",
)
@click.option(
    "--constants",
    "constants_file",
    type=A_PATH,
    metavar="FILE",
    help="TOML file of hidden constants; --set goes before it.",
)
@theorems_option
@json_option
def explore(
    out: Path,
    settings: tuple[str, ...],
    constants_file: Path | None,
    theorem_files: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Write a page on which every bound is a curve that moves with sliders for its inputs and hidden constants.

    The page is one file and needs no network; its address carries what it shows, to be sent to others.

    \b
    boundcalc explore -o page.html
    boundcalc explore -o page.html --set C=2 --set cao2020/cor3.2:C_m=0.1
    """  # fmt: skip
    from boundcalc.catalogue import load
    from boundcalc.explorer import write_page

    catalogue = load(theorem_files)
    write_page(out, catalogue, constant_policy(settings, constants_file))
    if as_json:
        show_answer({"file": str(out), "statements": len(catalogue), "bytes": out.stat().st_size})
    else:
        click.echo(f"wrote {out}: {len(catalogue)} statements, {out.stat().st_size // 1000} kB")
