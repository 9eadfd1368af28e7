"""`audit`: proofs, step by step."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boundcalc.commands.common import (
    INFEASIBLE,
    constant_options,
    constant_policy,
    form_options,
    one_form,
    show_answer,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import complete_theorem

if TYPE_CHECKING:
    from boundcalc.auditing import Audit
    from boundcalc.constants import ConstantPolicy


@click.command("audit", short_help="Judge every step of a derivation, and repair it.")
@click.argument("theorem", required=False, shell_complete=complete_theorem)
@click.option("--format", "form", type=click.Choice(["text", "latex", "json"]), help="latex is --tex, and json --json.")
@constant_options
@theorems_option
@form_options
def audit_derivation(
    theorem: str | None,
    form: str | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Judge every step by which a THEOREM is derived: it holds, is loose, or is violated, and by which factor.

    What is violated is repaired: the smallest change of the printed choices is given, with its proof. Without THEOREM,
    a table of every statement whose derivation is known.

    \b
    boundcalc audit cao2020/thm3.2
    boundcalc audit doe2030/thm2 --theorems examples/own_derivation.toml
    """
    from boundcalc.auditing import audit, audit_all
    from boundcalc.catalogue import load
    from boundcalc.report.audits import check_audits

    form = one_form(as_json, as_markdown, as_tex, form)
    catalogue = load(theorem_files)
    policy = constant_policy(settings, constants_file)
    audits = (audit(theorem, catalogue=catalogue, policy=policy),) if theorem else audit_all(catalogue, policy)
    check_audits(audits, policy, strict=strict)
    show_answer(_audited(form, audits, policy, alone=theorem is not None))
    if any(found.status in ("violated", "undecided") for found in audits):
        sys.exit(INFEASIBLE)


def _audited(form: str, audits: tuple[Audit, ...], policy: ConstantPolicy, *, alone: bool) -> dict[str, Any] | str:
    """Audits in one of the forms of `audit`: one in full, or a table of several."""
    if form == "json":
        from boundcalc.report.audit_json import audit_json, audits_json

        return audit_json(audits[0], policy) if alone else audits_json(audits, policy)
    from boundcalc.report import audits as report

    if form == "tex":
        return report.audit_latex(audits[0], policy) if alone else report.audits_latex(audits)
    if form == "md":
        return report.audit_markdown(audits[0], policy) if alone else report.audits_markdown(audits)
    width = terminal_width()
    return report.audit_text(audits[0], policy, width) if alone else report.audits_text(audits, width)
