"""`plan`: the cheapest way to an error."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boundcalc.commands.common import (
    INFEASIBLE,
    constant_options,
    constant_policy,
    form_options,
    one_form,
    parse_values,
    reading_option,
    show_answer,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import complete_theorem, complete_value
from boundcalc.errors import InputError

if TYPE_CHECKING:
    pass


@click.command("plan", short_help="Choose ε, n, m and the iterations at the least cost.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("values", nargs=-1, metavar="error=VALUE [NAME=VALUE]...", shell_complete=complete_value)
@click.option(
    "--cost", default="flops", show_default=True, metavar="COST",
    help="flops, memory or samples, or a weighted sum: flops=1,memory=2.5,samples=1e6.",
)  # fmt: skip
@constant_options
@theorems_option
@reading_option
@form_options
def plan_budget(
    theorem: str,
    values: tuple[str, ...],
    cost: str,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Choose ε, n, m and the iterations that meet a target error by a THEOREM at the least cost.

    What is given is kept. Needs cvxpy: pip install 'boundcalc[plan]'.

    \b
    boundcalc plan cao2020/cor3.1 error=0.1 B=0.5 L=2 d=10 --cost flops
    boundcalc plan chen2019/thm2.2 error=5% n=1e6 --cost memory
    """
    from boundcalc.budget import plan
    from boundcalc.catalogue import load
    from boundcalc.report.plans import plan_json, plan_latex, plan_markdown, plan_text

    form = one_form(as_json, as_markdown, as_tex)
    gc.enable()
    found = load(theorem_files).find(theorem, reading)
    policy = constant_policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    given = parse_values(values)
    if "error" not in given:
        raise InputError("plan needs a target: give error=0.1, say")
    answer = plan(found, given.pop("error"), given, cost, policy, strict=strict)
    if form == "json":
        show_answer(plan_json(answer))
    elif form == "text":
        show_answer(plan_text(answer, terminal_width()))
    else:
        show_answer((plan_latex if form == "tex" else plan_markdown)(answer))
    if answer.status != "planned":
        sys.exit(INFEASIBLE)
