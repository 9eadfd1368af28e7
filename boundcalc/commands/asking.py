"""`ask`, `eval`, `solve`: one question."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boundcalc.commands.common import (
    INFEASIBLE,
    Command,
    constant_options,
    constant_policy,
    data_facts,
    data_options,
    form_options,
    one_form,
    parse_inputs,
    reading_option,
    show_answer,
    terminal_width,
    theorems_option,
)
from boundcalc.commands.completers import (
    complete_quantity,
    complete_query,
    complete_theorem,
    complete_unknown,
    complete_value,
)

if TYPE_CHECKING:
    from boundcalc.solving import Solution


@click.command(short_help="Answer a query over every statement that can.")
@click.argument("query", nargs=-1, required=True, shell_complete=complete_query)
@data_options
@constant_options
@theorems_option
@reading_option
@form_options
def ask(
    query: tuple[str, ...],
    data: str | None,
    classes: str | None,
    label: str | None,
    seed: str | None,
    device: str | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Answer a QUERY such as "required width for ε=0.01, L=5" over every statement that can.

    With --data, inputs that the query does not give and that the data determine are measured, each as the statement's
    own assumption defines it, and shown with what they were measured by.

    \b
    boundcalc "required width for ε=0.01,L=5"
    boundcalc "iterations for eps 1e-2, 4 hidden layers, confidence 95%, only chen2019" --tex
    boundcalc "width for ε=0.01, L=2, cao2020/cor3.2" --data relu-features:n=30,d=4,gamma=0.1
    """
    from boundcalc.catalogue import load
    from boundcalc.query import ask as answer
    from boundcalc.query import parse
    from boundcalc.report.answers import reply_json, reply_text
    from boundcalc.solving import UNANSWERED

    form = one_form(as_json, as_markdown, as_tex)
    catalogue, text = load(theorem_files), " ".join(query)
    policy = constant_policy(settings, constants_file)
    if data is not None:
        parse(text, catalogue)  # What is wrong with it is said before the data are read.
    facts = data_facts(data, classes, label, seed, device)
    reply = answer(text, catalogue, policy, strict=strict, reading=reading, facts=facts)
    if form in ("md", "tex"):
        from boundcalc.report.papers import reply_latex, reply_markdown

        show_answer(reply_latex(reply) if form == "tex" else reply_markdown(reply))
    else:
        show_answer(reply_json(reply) if form == "json" else reply_text(reply, terminal_width()))
    if all(solution.status in UNANSWERED for solution in reply.answers):
        sys.exit(INFEASIBLE)


def _statement_options(command: Command) -> Command:
    """The inputs and options of a command that answers one question of one statement."""
    for option in (form_options, reading_option, theorems_option, constant_options, data_options):
        command = option(command)
    return click.argument("values", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_value)(command)


@click.command("eval", short_help="Evaluate a quantity of one statement.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("quantity", shell_complete=complete_quantity)
@_statement_options
def evaluate_quantity(theorem: str, quantity: str, **options: Any) -> None:
    """Evaluate a QUANTITY of a THEOREM: width, step-size, iterations, samples, error, radius or loss.

    \b
    boundcalc eval cao2020/cor3.3 width L=5 gamma=0.1
    boundcalc eval chen2019/thm2.1 width L=5 R=1 --tex
    boundcalc eval cao2020/cor3.2 width L=2 --data relu-features:n=30,d=4,gamma=0.1
    """
    from boundcalc.solving import evaluate

    _print_solution(evaluate, theorem, quantity, **options)


@click.command("solve", short_help="Solve a statement for any symbol or hidden constant.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("unknown", shell_complete=complete_unknown)
@_statement_options
def solve_for(theorem: str, unknown: str, **options: Any) -> None:
    """Solve a THEOREM for an UNKNOWN: any of its symbols, or one of its hidden constants.

    \b
    boundcalc solve cao2020/cor3.3 epsilon width=1e40 L=3 gamma=0.2
    boundcalc solve cao2020/thm3.1 width "tau=R*m^(-1/2)" R=1 L=2
    """
    from boundcalc.solving import solve

    _print_solution(solve, theorem, unknown, **options)


def _print_solution(
    answer: Callable[..., Solution],
    theorem: str,
    asked: str,
    values: tuple[str, ...],
    data: str | None,
    classes: str | None,
    label: str | None,
    seed: str | None,
    device: str | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
    as_markdown: bool,
    as_tex: bool,
) -> None:
    from boundcalc.catalogue import load
    from boundcalc.report.answers import solution_json, solution_text
    from boundcalc.solving import UNANSWERED

    form = one_form(as_json, as_markdown, as_tex)
    found = load(theorem_files).find(theorem, reading)
    policy = constant_policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    inputs = parse_inputs(values)
    facts = data_facts(data, classes, label, seed, device)
    solution = answer(found, asked, inputs, policy, strict=strict, facts=facts)
    if form in ("md", "tex"):
        from boundcalc.report.papers import solution_latex_table, solution_markdown

        show_answer(solution_latex_table(solution) if form == "tex" else solution_markdown(solution))
    else:
        show_answer(solution_json(solution) if form == "json" else solution_text(solution, terminal_width()))
    if solution.status in UNANSWERED:
        sys.exit(INFEASIBLE)
