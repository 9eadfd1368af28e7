"""The command line: reads arguments, calls the library, prints. No mathematics, and nothing heavy at the top.

Exit codes: 0 answered, 2 bad usage or input (one clear line on stderr), 3 answered but refuted or infeasible.
"""

from __future__ import annotations

import gc
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

import click

from boundcalc import __version__
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError, nearest
from boundcalc.parsing import normalize, parse_number

if TYPE_CHECKING:
    from sympy import Expr

    from boundcalc.auditing import Audit
    from boundcalc.constants import ConstantPolicy
    from boundcalc.estimate import Estimate
    from boundcalc.measuring import DataFacts
    from boundcalc.solving import Solution
    from boundcalc.theorem import Theorem
    from boundcalc.verify.case import Options as RunOptions
    from boundcalc.verify.execution import Workers
    from boundcalc.verify.progress import State
    from boundcalc.verify.settings import Study

Command = TypeVar("Command", bound=Callable[..., Any])

ANSWERED, BAD_INPUT, INFEASIBLE = 0, 2, 3


class _AskByDefault(click.Group):
    """A group in which anything that is not a command is a query."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        leading = next((i for i, arg in enumerate(args) if not arg.startswith("-")), None)
        if leading is not None and args[leading] not in self.commands:
            word = args[leading]
            alone = len(args) == 1 and word.isascii() and word.isalpha()
            close = nearest(word, self.commands)
            if (alone or len(args) > leading + 1) and close and not word.casefold().startswith("width"):
                raise click.UsageError(
                    f"no command {word!r}; did you mean {' or '.join(close)}? "
                    'A query goes in quotes: boundcalc "required width for ε=0.01, L=5"'
                )
            args = ["ask", *args]
        return super().parse_args(ctx, args)


def _constant_options(command: Command) -> Command:
    command = click.option(
        "--set", "settings", multiple=True, metavar="NAME=VALUE",
        help="Value of a hidden constant: C_m=2, C=2 (every factor), chen2019/thm2.1:C_m=2. Repeatable.",
    )(command)  # fmt: skip
    command = click.option(
        "--constants", "constants_file", type=click.Path(path_type=Path), metavar="FILE",
        help="TOML file of hidden constants; --set goes before it.",
    )(command)  # fmt: skip
    return click.option("--strict", is_flag=True, help="Refuse assumed inputs and unit constants.")(command)


def _theorems_option(command: Command) -> Command:
    return click.option(
        "--theorems", "theorem_files", multiple=True, type=click.Path(path_type=Path), metavar="FILE",
        help="TOML file of further theorems. Repeatable.",
    )(command)  # fmt: skip


def _json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def _data_options(command: Command) -> Command:
    """Where an answer takes inputs from that are not given."""
    for option in (
        click.option("--device", metavar="NAME", help="Where it is measured: auto, cpu or cuda [default: auto]."),
        click.option("--seed", metavar="N", help="Seed of the random features that it is measured by [default: 0]."),
        click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number [default: last]."),
        click.option("--classes", metavar="A,B", help="The two classes of the data; A becomes +1, B −1."),
        click.option(
            "--data", metavar="SOURCE",
            help="Take what you do not give (n, γ, φ, λ₀, …) from data: see boundcalc data.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _reading_option(command: Command) -> Command:
    return click.option(
        "--reading", type=click.Choice(["stated", "unfolded"]), default="stated", show_default=True,
        help="A corollary as stated, or with what its proof plugs in.",
    )(command)  # fmt: skip


@click.group(cls=_AskByDefault, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="boundcalc")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Bounds of deep-learning theory, computable, with every hidden constant explicit.

    \b
    boundcalc "required width for ε=0.01, L=5"
    boundcalc eval chen2019/thm2.1 width L=5 R=1 n=1000 delta=0.05
    boundcalc verify chen2019/thm2.1 --data digits --classes 3,8 --out runs/digits
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@click.argument("query", nargs=-1, required=True)
@_data_options
@_constant_options
@_theorems_option
@_reading_option
@_json_option
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
) -> None:
    """Answer a QUERY such as "required width for ε=0.01, L=5" over every statement that can.

    With --data, inputs that the query does not give and that the data determine are measured, each as the statement's
    own assumption defines it, and shown with what they were measured by.

    \b
    boundcalc "required width for ε=0.01, L=3" --data digits --classes 3,8
    """
    from boundcalc.catalogue import load
    from boundcalc.query import ask as answer
    from boundcalc.query import parse
    from boundcalc.report.answers import reply_json, reply_text
    from boundcalc.solving import UNANSWERED

    catalogue, text = load(theorem_files), " ".join(query)
    policy = _policy(settings, constants_file)
    if data is not None:
        parse(text, catalogue)  # What is wrong with it is said before the data are read.
    facts = _facts(data, classes, label, seed, device)
    reply = answer(text, catalogue, policy, strict=strict, reading=reading, facts=facts)
    _print(reply_json(reply) if as_json else reply_text(reply))
    if all(solution.status in UNANSWERED for solution in reply.answers):
        sys.exit(INFEASIBLE)


def _facts(
    source: str | None, classes: str | None, label: str | None, seed: str | None, device: str | None
) -> DataFacts | None:
    """The data from which inputs are taken, if there are any."""
    if source is None:
        options = {"--classes": classes, "--label": label, "--seed": seed, "--device": device}
        for name, value in options.items():
            if value is not None:
                raise InputError(f"{name} {value} is about data: give --data SOURCE too, or drop it")
        return None
    gc.enable()
    chosen, number = _two(classes), _whole(seed, "--seed", least=0)
    from boundcalc.data import load
    from boundcalc.measuring import DataFacts

    def announce(name: str) -> None:
        if sys.stderr.isatty():
            click.echo(f"measuring {name}", err=True)

    return DataFacts(load(source, classes=chosen, label=label), seed=number or 0, device=device or "auto",
                     announce=announce)  # fmt: skip


@cli.command("list")
@_theorems_option
@_json_option
def list_statements(theorem_files: tuple[Path, ...], as_json: bool) -> None:
    """List every statement of the catalogue."""
    from boundcalc.catalogue import load
    from boundcalc.report.answers import catalogue_json, catalogue_text

    catalogue = load(theorem_files)
    _print(catalogue_json(catalogue) if as_json else catalogue_text(catalogue))


@cli.command()
@click.argument("theorem")
@click.option(
    "--format", "form", type=click.Choice(["text", "toml", "latex", "mathml", "json"]), default="text",
    show_default=True, help="toml can be read with --theorems; mathml is a piece of HTML.",
)  # fmt: skip
@_theorems_option
@_reading_option
@_json_option
def show(theorem: str, form: str, theorem_files: tuple[Path, ...], reading: str, as_json: bool) -> None:
    """Show a THEOREM in full: setting, hypotheses, conditions, prescriptions, guarantees, constants."""
    from boundcalc.catalogue import load

    found = load(theorem_files).find(theorem, reading)
    if as_json and form not in ("text", "json"):
        raise InputError(f"--json and --format {form} ask for two things; give one of them")
    _print(_shown("json" if as_json else form, found))


def _statement_options(command: Command) -> Command:
    """The inputs and options of a command that answers one question of one statement."""
    for option in (_json_option, _reading_option, _theorems_option, _constant_options, _data_options):
        command = option(command)
    return click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")(command)


@cli.command("eval")
@click.argument("theorem")
@click.argument("quantity")
@_statement_options
def evaluate_quantity(theorem: str, quantity: str, **options: Any) -> None:
    """Evaluate a QUANTITY of a THEOREM: width, step-size, iterations, samples, error, radius or loss.

    \b
    boundcalc eval cao2020/cor3.3 width L=5 gamma=0.1
    boundcalc eval cao2020/cor3.3 width L=5 --data digits --classes 3,8
    """
    from boundcalc.solving import evaluate

    _print_solution(evaluate, theorem, quantity, **options)


@cli.command("solve")
@click.argument("theorem")
@click.argument("unknown")
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
) -> None:
    from boundcalc.catalogue import load
    from boundcalc.report.answers import solution_json, solution_text
    from boundcalc.solving import UNANSWERED

    found = load(theorem_files).find(theorem, reading)
    policy = _policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    inputs = parse_inputs(values)
    facts = _facts(data, classes, label, seed, device)
    solution = answer(found, asked, inputs, policy, strict=strict, facts=facts)
    _print(solution_json(solution) if as_json else solution_text(solution))
    if solution.status in UNANSWERED:
        sys.exit(INFEASIBLE)


@cli.command("sweep")
@click.argument("theorem")
@click.argument("quantity")
@click.argument("values", nargs=-1, metavar="[NAME=RANGE]...")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a table (.csv, .md, .tex) or a plot (.svg, .png, .pdf) in place of printing a table.",
)
@_constant_options
@_theorems_option
@_reading_option
@_json_option
def sweep_over(
    theorem: str,
    quantity: str,
    values: tuple[str, ...],
    out: Path | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
) -> None:
    """Evaluate a QUANTITY of a THEOREM over ranges of its inputs and hidden constants, which span a grid.

    A range is a list 2,3,5, values spaced by logarithms 1e-3:1e-1:log25 or evenly 0.1:0.9:lin9, or every integer of
    2:10; of an integer symbol, spaced values are rounded and each is taken once.

    \b
    boundcalc sweep chen2019/thm2.1 width n=1e2:1e6:log25 L=2,3,5 -o widths.csv
    boundcalc sweep cao2020/thm3.1 width tau=1e-9:1e-6:log200 L=2:4 -o widths.svg
    boundcalc sweep chen2019/thm2.1 width L=2:6 C_m=0.1,1,10
    """  # fmt: skip
    from boundcalc.catalogue import load
    from boundcalc.report.sweeps import check_path, sweep_json, sweep_text, write_sweep
    from boundcalc.sweeps import Axis, is_axis, parse_axis, sweep

    if out is not None:
        check_path(out)
    found = load(theorem_files).find(theorem, reading)
    policy = _policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    texts = _assignments(values, {constant.name for constant in found.constants})
    read = {n: parse_axis(v, n) if is_axis(v) else _number_or_formula(n, v) for n, v in texts.items()}
    given = {name: value.values if isinstance(value, Axis) else value for name, value in read.items()}
    if not any(isinstance(value, Axis) for value in read.values()):
        raise InputError("a sweep runs over ranges: give one, as L=2:10 or epsilon=1e-3:1e-1:log25; eval takes numbers")
    swept = sweep(found, quantity, given, policy, strict=strict)
    if out is not None:
        write_sweep(swept, out)
    if as_json:
        _print(sweep_json(swept))
    elif out is None:
        _print(sweep_text(swept))
    for value in read.values():
        if isinstance(value, Axis) and value.note:
            click.echo(value.note, err=True)
    if out is not None and not as_json:
        click.echo(f"wrote {out}: {swept.log10.size} points")
    if (swept.status == "empty").all():
        sys.exit(INFEASIBLE)


@cli.command()
@click.argument("arguments", nargs=-1, metavar="A B [C]... [NAME=EXPRESSION]...")
@click.option(
    "--quantity",
    metavar="NAME",
    help="width, error, iterations, … [default: width if all bound it, else the first shared].",
)
@click.option(
    "--for", "solve_for", metavar="SYMBOL", help="Symbol for which the region is solved [default: L, if it can be]."
)
@click.option("--all", "everything", is_flag=True, help="Compare every statement that bounds the quantity.")
@click.option("--md", "as_markdown", is_flag=True, help="Print the table in Markdown.")
@click.option("--tex", "as_tex", is_flag=True, help="Print the table in LaTeX, for booktabs.")
@click.option(
    "--map", "plane", metavar="X,Y", help="Draw which is the smallest over two symbols; ranges as n=1:1e6:log200."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE", help="The map: FILE.svg, .png or .pdf.")
@_constant_options
@_theorems_option
@_reading_option
@_json_option
def compare(
    arguments: tuple[str, ...],
    quantity: str | None,
    solve_for: str | None,
    everything: bool,
    as_markdown: bool,
    as_tex: bool,
    plane: str | None,
    out: Path | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
) -> None:
    """Decide where A ≤ B, up to constants and logarithms, and say why: statements, or formulas such as "L^22*n".

    \b
    boundcalc compare chen2019/thm2.1 zou2020 --for L alpha=1/2 "R=n^(3/2)*phi^(-1/2)"
    boundcalc compare chen2019/thm2.2 epsilon --quantity error --for n
    boundcalc compare zou2020 zou2019 allenzhu2019 cao2020/cor3.3 --tex
    boundcalc compare zou2020 zou2019 cao2020/cor3.3 --map n,L n=1:1e6:log200 L=2:50 -o map.svg
    """
    from boundcalc.catalogue import load
    from boundcalc.comparison import compare as decide
    from boundcalc.comparison import rank
    from boundcalc.report import comparison as report

    sides = [argument for argument in arguments if "=" not in argument]
    if as_json + as_markdown + as_tex > 1:
        raise InputError("--json, --md and --tex ask for different things; give one of them")
    if everything and sides:
        raise InputError(f"--all compares every statement: drop {', '.join(sides)}, or drop --all")
    if not everything and len(sides) < 2:
        raise InputError("compare needs two statements or formulas, or --all; see boundcalc compare --help")
    assignments = [argument for argument in arguments if "=" in argument]
    options: dict[str, Any] = {
        "reading": reading,
        "policy": _policy(settings, constants_file),
        "catalogue": load(theorem_files),
    }
    if plane is not None:
        if out is None or strict or solve_for or as_markdown or as_tex:
            raise InputError("--map draws into a file: give -o map.svg, without --strict, --for, --md or --tex")
        _print(_drawn(None if everything else sides, quantity, plane, assignments, out, as_json, options))
        return
    options |= {"solve_for": solve_for, "given": parse_inputs(assignments), "strict": strict}
    if len(sides) == 2 and not (as_markdown or as_tex):
        comparison = decide(sides[0], sides[1], quantity, **options)
        _print(report.comparison_json(comparison) if as_json else report.comparison_text(comparison))
        return
    ranking = rank(None if everything else sides, quantity, **options)
    if as_json:
        _print(report.ranking_json(ranking))
    elif as_markdown:
        _print(report.ranking_markdown(ranking))
    else:
        _print(report.ranking_latex(ranking) if as_tex else report.ranking_text(ranking))


@cli.command("audit")
@click.argument("theorem", required=False)
@click.option(
    "--format", "form", type=click.Choice(["text", "latex", "json"]), default="text", show_default=True,
    help="latex is to be pasted into a document that loads amsmath, amssymb and booktabs.",
)  # fmt: skip
@_constant_options
@_theorems_option
@_json_option
def audit_derivation(
    theorem: str | None,
    form: str,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    as_json: bool,
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

    if as_json and form == "latex":
        raise InputError("--json and --format latex ask for two things; give one of them")
    catalogue = load(theorem_files)
    policy = _policy(settings, constants_file)
    audits = (audit(theorem, catalogue=catalogue, policy=policy),) if theorem else audit_all(catalogue, policy)
    check_audits(audits, policy, strict=strict)
    _print(_audited("json" if as_json else form, audits, policy, alone=theorem is not None))
    if any(found.status in ("violated", "undecided") for found in audits):
        sys.exit(INFEASIBLE)


@cli.command("plan")
@click.argument("theorem")
@click.argument("values", nargs=-1, metavar="error=VALUE [NAME=VALUE]...")
@click.option(
    "--cost", default="flops", show_default=True, metavar="COST",
    help="flops, memory or samples, or a weighted sum: flops=1,memory=2.5,samples=1e6.",
)  # fmt: skip
@_constant_options
@_theorems_option
@_reading_option
@_json_option
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
) -> None:
    """Choose ε, n, m and the iterations that meet a target error by a THEOREM at the least cost.

    What is given is kept. Needs cvxpy: pip install 'boundcalc[plan]'.

    \b
    boundcalc plan cao2020/cor3.1 error=0.1 B=0.5 L=2 d=10 --cost flops
    boundcalc plan chen2019/thm2.2 error=5% n=1e6 --cost memory
    """
    from boundcalc.budget import plan
    from boundcalc.catalogue import load
    from boundcalc.report.plans import plan_json, plan_text

    gc.enable()
    found = load(theorem_files).find(theorem, reading)
    policy = _policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    given = parse_values(values)
    if "error" not in given:
        raise InputError("plan needs a target: give error=0.1, say")
    answer = plan(found, given.pop("error"), given, cost, policy, strict=strict)
    _print(plan_json(answer) if as_json else plan_text(answer))
    if answer.status != "planned":
        sys.exit(INFEASIBLE)


@cli.command("data")
@click.argument("source")
@click.option("--classes", metavar="A,B", help="The two classes to tell apart; A becomes +1, B −1.")
@click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number; the last by default.")
@click.option("--only", metavar="NAME,…", help="What to measure, e.g. phi,lambda_0 [default: everything].")
@click.option(
    "--depth", default="3", show_default=True, metavar="L", help="Hidden layers, for the conjugate kernel, B, R."
)
@click.option(
    "--epsilon",
    default="0.1",
    show_default=True,
    metavar="E",
    help="Loss that R is to reach on each example.",
)
@click.option("--alpha", default="1/2", show_default=True, metavar="A", help="Output scaling exponent, for R.")
@click.option(
    "--width", default="64", show_default=True, metavar="M", help="Width of the networks in which R is sought."
)
@click.option("--inits", default="4", show_default=True, metavar="N", help="How many networks R is to hold for.")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Seed of what is drawn at random.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@_json_option
def measure_data(
    source: str,
    classes: str | None,
    label: str | None,
    only: str | None,
    depth: str,
    epsilon: str,
    alpha: str,
    width: str,
    inits: str,
    seed: str,
    device: str,
    as_json: bool,
) -> None:
    """Measure what the theorems assume of a data set: φ, λ₀, margins γ, B and R, each with the side on which it errs.

    They are named phi, lambda_0, gamma_random_feature, gamma_conjugate_kernel, gamma_ji2020, B and R.

    SOURCE is digits, breast_cancer, wine or mnist; a file (.npz, .npy, .csv, .parquet, LIBSVM); a generator such as
    xor:n=500,d=10; or openml:NAME. What does not fit into memory is left out, and said, unless --only names it.

    \b
    boundcalc data digits --classes 3,8
    boundcalc data relu-features:n=200,d=5,gamma=0.05 --only gamma_random_feature
    """
    gc.enable()
    from boundcalc.data import load
    from boundcalc.estimate.measures import MEASURES, Options, check_measures, measure
    from boundcalc.report.data import data_json, data_text

    options = Options(
        L=_whole(depth, "--depth") or 1,
        seed=_whole(seed, "--seed", least=0) or 0,
        device=device,
        epsilon=float(parse_number(epsilon, "--epsilon")),
        alpha=float(parse_number(alpha, "--alpha")),
        width=_whole(width, "--width") or 1,
        inits=_whole(inits, "--inits") or 1,
    )
    names = list(MEASURES) if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise InputError(f"--only {only!r} names nothing; give some of {', '.join(MEASURES)}")
    check_measures(names)
    data = load(source, classes=_two(classes), label=label)
    found: list[Estimate] = []
    refused: dict[str, str] = {}
    with _ProgressBar() as bar:
        for done, name in enumerate(name for name in MEASURES if name in names):
            bar.show("measuring", done, len(set(names)), name)
            try:
                found += measure(data, [name], options)
            except InputError as problem:
                if only is not None:
                    raise
                refused[name] = str(problem)
    _print(data_json(data, found, refused) if as_json else data_text(data, found, refused))


def _run_options(command: Command) -> Command:
    """What decides the numbers of a verification, apart from the statement's inputs: see `_run_of`."""
    for option in (
        click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda."),
        click.option(
            "--dtype", default="auto", metavar="TYPE",
            help="float32 or float64 [default: float64 where rounding could decide, else float32].",
        ),
        click.option("--iterations", metavar="N", help="Train for at most N steps [default: as many as prescribed]."),
        click.option(
            "--test-fraction", default="1/4", show_default=True, metavar="F", help="Share of examples held out."
        ),
        click.option("--seed", default="0", show_default=True, metavar="N", help="Seed of the inits and of the split."),
        click.option("--trials", metavar="N", help="Number of inits [default: the fewest that could support 1 − δ]."),
        click.option(
            "--width", metavar="M",
            help="Width to train at [default: the prescribed one where it fits into memory, else 64]; several "
            "(64,128,256) for cao2020/rem3.1, which is about growth with it.",
        ),
        click.option("--rows", metavar="N", help="Train on N of the examples only."),
        click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number [default: last]."),
        click.option("--classes", metavar="A,B", help="The two classes to tell apart; A becomes +1, B −1."),
        click.option("--data", required=True, metavar="SOURCE", help="What to train on, as for boundcalc data."),
    ):  # fmt: skip
        command = option(command)
    return command


def _run_of(
    *,
    data: str,
    classes: str | None,
    label: str | None,
    rows: str | None,
    width: str | None,
    trials: str | None,
    seed: str,
    test_fraction: str,
    iterations: str | None,
    dtype: str,
    device: str,
    anytime: bool = False,
) -> RunOptions:
    """The options of `_run_options`, read."""
    fraction = parse_number(test_fraction, "--test-fraction")
    if not 0 < fraction < 1:
        raise InputError(f"--test-fraction {test_fraction} is not between 0 and 1; give 1/4, say")
    widths = tuple(_whole(part.strip(), "--width") or 1 for part in width.split(",")) if width is not None else ()
    facts: dict[str, Any] = {
        "data": data,
        "classes": _two(classes),
        "label": label,
        "rows": _whole(rows, "--rows"),
        "test_fraction": fraction,
        "width": widths[0] if len(widths) == 1 else None,
        "widths": widths if len(widths) > 1 else (),
        "trials": _whole(trials, "--trials"),
        "anytime": anytime,
        "seed": _whole(seed, "--seed", least=0) or 0,
        "iterations": _whole(iterations, "--iterations"),
        "dtype": dtype,
        "device": device,
    }
    from boundcalc.verify.case import Options

    return Options(**facts)


@cli.command()
@click.argument("theorem")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@_run_options
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run.")
@click.option(
    "--stop-early",
    "anytime",
    is_flag=True,
    help="Stop as soon as a confidence interval that is valid at any time decides.",
)
@click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME=FACTORS",
    help="Run a few inits at eta, m or T times these factors [default: eta=1/2,3 m=1/2,2 T=1/2]; none for no probe.",
)
@click.option(
    "--batch", metavar="N", help="Inits trained together [default: 24 on a CPU, 256 on a GPU, or what fits well]."
)
@click.option(
    "--checkpoint-every",
    default="60",
    show_default=True,
    metavar="SECONDS",
    help="How often a long training keeps how far it is; 0 for never.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Train on a Dask cluster: the address of its scheduler (tcp://HOST:8786), or slurm or slurm:JOBS for a Slurm "
    "queue as ~/.config/dask/jobqueue.yaml describes it. A task is a batch, so that --batch says how finely the inits "
    "are shared out. Needs boundcalc[cluster].",
)
@_constant_options
@_json_option
def verify(
    theorem: str,
    values: tuple[str, ...],
    out: Path,
    probes: tuple[str, ...],
    batch: str | None,
    checkpoint_every: str,
    cluster: str | None,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Train at what a THEOREM prescribes and check what it guarantees; leaves a report in DIR.

    The same command again continues a run that was cut off. Inputs are those of the statement that can be chosen:
    epsilon, delta, L, and alpha, R, B, gamma, tau or eta where it has them.
    """
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.solving import check_inputs

    # What is wrong with the inputs is said at once, before anything heavy is loaded.
    inputs = check_inputs(CATALOGUE.find(theorem), parse_values(values))
    policy = _policy(settings, constants_file)
    together, seconds = _whole(batch, "--batch"), parse_number(checkpoint_every, "--checkpoint-every")
    if seconds < 0:
        raise InputError(f"--checkpoint-every {checkpoint_every} is negative; give seconds, or 0 for never")
    gc.enable()
    options = _run_of(**run_options)
    from boundcalc.verify.case import make_case
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.probes import parse_factors, probe
    from boundcalc.verify.runner import run
    from boundcalc.verify.statistics import anytime_interval, clopper_pearson, outlook

    factors = parse_factors(probes)
    with shortage_in_one_line():
        case = make_case(theorem, options, inputs, policy, strict=strict)
        interval = anytime_interval if options.anytime else clopper_pearson
        click.echo(str(outlook(case.trials, float(case.failure), interval)), err=True)
        with _workers(cluster) as workers, _RunLine() as line:
            result = run(case, out, line.show, workers=workers, batch=together, checkpoint_seconds=float(seconds))
            probed = probe(result, out, factors, on_progress=line.show, workers=workers)
        from boundcalc.report.verification import probe_line, verdict_line, verification_json, width_line, write_reports

        paths = write_reports(result, out, probed)
    if as_json:
        _print(verification_json(result, probed))
    else:
        click.echo(width_line(result))
        click.echo(verdict_line(result))
        if probed:
            click.echo(probe_line(probed))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")
    if result.verdict in ("refuted at these constants", "premise unmet"):
        sys.exit(INFEASIBLE)


_vary_option = click.option(
    "--vary", multiple=True, required=True, metavar="NAME=VALUE,…",
    help="Values of an input, of m (the width) or of n (the number of training examples); once for each.",
)  # fmt: skip


@cli.command()
@click.argument("theorem")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@_vary_option
@_run_options
@click.option("--no-width", is_flag=True, help="Do not look for the smallest sufficient width of every setting.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the runs.")
@_json_option
def calibrate(
    theorem: str,
    values: tuple[str, ...],
    vary: tuple[str, ...],
    no_width: bool,
    out: Path,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Measure the hidden constants of a THEOREM over all combinations of some inputs; leaves DIR/constants.toml.

    That file goes into --constants of every other command. Each constant is scored on settings that are left out.

    \b
    boundcalc calibrate chen2019/thm2.1 --data digits --classes 3,8 --vary L=2,3 --vary epsilon=0.1,0.2
        --width 32 --trials 6 --out runs/calibrated
    """
    study = _study(theorem, values, out, run_options)
    from boundcalc.report.studies import calibration_json, calibration_text, write_calibration
    from boundcalc.verify.calibration import calibrate as fit
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.settings import settings_of

    with shortage_in_one_line(), _RunLine() as line:
        found = fit(study, settings_of(_varied(vary)), widths=not no_width, progress=line.show)
    paths = write_calibration(found, out)
    if as_json:
        _print(calibration_json(found))
    else:
        click.echo(calibration_text(found))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")


@cli.command()
@click.argument("theorem")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@_vary_option
@click.option(
    "--of",
    "of",
    type=click.Choice(["T", "m"]),
    default="T",
    show_default=True,
    help="The smallest sufficient number of steps, or width.",
)
@_run_options
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the runs.")
@_json_option
def scaling(
    theorem: str,
    values: tuple[str, ...],
    vary: tuple[str, ...],
    of: Literal["T", "m"],
    out: Path,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Fit how what sufficed grows with one input at a time, beside the exponent of what the THEOREM prescribes.

    \b
    boundcalc scaling chen2019/thm2.1 L=2 --data digits --classes 3,8 --vary epsilon=0.05,0.1,0.2 --vary n=50,100,200
        --width 32 --trials 6 --out runs/scaling
    """
    study = _study(theorem, values, out, run_options)
    from boundcalc.report.studies import scaling_json, scalings_text
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.scaling import scaling as fit

    with shortage_in_one_line(), _RunLine() as line:
        found = [fit(study, name, numbers, of, line.show) for name, numbers in _varied(vary).items()]
    if as_json:
        _print({"theorem": theorem, "scalings": [scaling_json(one) for one in found]})
    else:
        click.echo(scalings_text(theorem, found))


def _study(theorem: str, values: tuple[str, ...], out: Path, run_options: dict[str, Any]) -> Study:
    """A statement to be verified at several settings."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.solving import check_inputs

    inputs = check_inputs(CATALOGUE.find(theorem), parse_values(values))
    gc.enable()
    options = _run_of(**run_options)
    from boundcalc.verify.settings import Study

    return Study(theorem, options, inputs, out)


def _varied(vary: Iterable[str]) -> dict[str, list[Fraction]]:
    """Read `NAME=VALUE,VALUE` settings."""
    return {
        name: [parse_number(value.strip(), name) for value in values.split(",")]
        for name, values in _assignments(vary).items()
    }


def _workers(cluster: str | None) -> AbstractContextManager[Workers | None]:
    """Who carries out a run, None for this process."""
    if cluster is None:
        return nullcontext()
    from boundcalc.verify.cluster import connected

    return connected(cluster)


class _RunLine:
    """How far a run is, on stderr: one line, rewritten where someone can see it, else a new one now and then."""

    def __init__(self) -> None:
        self._rewritten = sys.stderr.isatty()
        self._stage = ""
        self._said = -math.inf
        self._open = False

    def __enter__(self) -> _RunLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def show(self, state: State) -> None:
        """Show how far a stage is."""
        now, over = time.monotonic(), state.done == state.trials
        if state.stage == self._stage and not over and now - self._said < (0.2 if self._rewritten else 10):
            return
        if state.stage != self._stage:
            self._end()
        self._stage, self._said = state.stage, now
        text = f"{state.stage} {state.share:.0%}: {state.line()}"
        if self._rewritten:
            # Back to the start of the line; what was there goes.
            click.echo(f"\r\033[K{text[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)
            self._open = True
        else:
            click.echo(text, err=True)

    def _end(self) -> None:
        if self._open:
            click.echo(err=True)
        self._open = False


class _ProgressBar:
    """One line on stderr for each stage of a run."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._said = time.monotonic()

    def __enter__(self) -> _ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, stage: str, step: int, steps: int, detail: str = "") -> None:
        """Show how far a stage is."""
        from tqdm import tqdm

        if stage != self._stage:
            if self._bar is not None:
                self._bar.close()
            # A bar that is rewritten in place only where there is someone to see it; else a line now and then.
            self._bar = tqdm(total=steps, desc=stage, file=sys.stderr, mininterval=0.2 if sys.stderr.isatty() else 10)
            self._stage = stage
        self._bar.update(step - self._bar.n)
        if detail and time.monotonic() - self._said > self._bar.mininterval:
            self._bar.set_postfix_str(detail)
            self._said = time.monotonic()


def _drawn(
    sides: list[str] | None,
    quantity: str | None,
    plane: str,
    assignments: list[str],
    out: Path,
    as_json: bool,
    options: dict[str, Any],
) -> dict[str, Any] | str:
    """Draw a map, and say what is on it."""
    from boundcalc.comparison.maps import smallest_map
    from boundcalc.report.maps import map_json, map_text, write_map
    from boundcalc.symbols import lookup

    texts = _assignments(assignments)
    names = [lookup(normalize(name).strip()).name for name in plane.split(",")]
    axes = {name: texts.pop(name, "") for name in names}
    given = {name: _number_or_formula(name, value) for name, value in texts.items()}
    drawn = smallest_map(sides, axes, quantity, given=given, **options)
    write_map(drawn, out)
    return map_json(drawn, out) if as_json else map_text(drawn, out)


def _two(classes: str | None) -> tuple[str, str] | None:
    if classes is None:
        return None
    parts = [part.strip() for part in classes.split(",")]
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        raise InputError(f"--classes {classes!r} does not name two different classes; give --classes 3,8, say")
    return parts[0], parts[1]


def _whole(text: str | None, what: str, least: int = 1) -> int | None:
    if text is None:
        return None
    value = parse_number(text, what)
    if value.denominator != 1 or value < least:
        raise InputError(f"{what} {text} is not an integer ≥ {least}")
    return int(value)


def parse_values(assignments: Iterable[str]) -> dict[str, Fraction]:
    """Read `name=value` arguments; any alias, any way of writing a number.

    Raises:
        InputError: no `=`, an unknown name, a value that is no number, a name given twice.
    """
    return {name: parse_number(number, name) for name, number in _assignments(assignments).items()}


def parse_inputs(assignments: Iterable[str]) -> dict[str, Fraction | Expr]:
    """Read `name=value` arguments whose values may also be formulas in other symbols, as in tau=R*m^(-1/2).

    Raises:
        InputError: as for `parse_values`; or a value that is neither a number nor a formula.
    """
    return {name: _number_or_formula(name, value) for name, value in _assignments(assignments).items()}


def _number_or_formula(name: str, value: str) -> Fraction | Expr:
    try:
        return parse_number(value, name)
    except InputError as no_number:
        if not any(character.isalpha() for character in value):
            raise
        from boundcalc.formula import parse_formula  # Only here: numbers are the rule.

        try:
            return parse_formula(value, what=name)
        except InputError as no_formula:
            raise InputError(f"{no_number}; nor a formula: {no_formula}") from None


def _assignments(assignments: Iterable[str], constants: Collection[str] = ()) -> dict[str, str]:
    """Split `name=value` arguments, by the proper names of their symbols, or of hidden constants."""
    from boundcalc.symbols import ALIASES, lookup

    values: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = (part.strip() for part in normalize(assignment).partition("="))
        if not equals or not name or not value:
            raise InputError(f"{assignment!r} is not name=value, e.g. epsilon=0.01")
        try:
            canonical = name if name in constants else lookup(name).name
        except UnknownNameError:
            own = ", ".join(sorted(constants))
            mend = f"its hidden constants are {own}" if own else "constants go into --set"
            raise UnknownNameError("input", name, [*ALIASES, *constants], mend) from None
        if canonical in values:
            raise InputError(f"{canonical} is given twice; give it once")
        values[canonical] = value
    return values


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


def _audited(form: str, audits: tuple[Audit, ...], policy: ConstantPolicy, *, alone: bool) -> dict[str, Any] | str:
    """Audits in one of the forms of `audit`: one in full, or a table of several."""
    if form == "json":
        from boundcalc.report.audit_json import audit_json, audits_json

        return audit_json(audits[0], policy) if alone else audits_json(audits, policy)
    from boundcalc.report.audits import audit_latex, audit_text, audits_latex, audits_text

    if form == "latex":
        return audit_latex(audits[0], policy) if alone else audits_latex(audits)
    return audit_text(audits[0], policy) if alone else audits_text(audits)


def _policy(settings: tuple[str, ...], constants_file: Path | None) -> ConstantPolicy:
    from boundcalc.constants import ConstantPolicy, parse_settings, read_constants

    held = read_constants(constants_file) if constants_file else ConstantPolicy()
    own = parse_settings(settings)
    measured = {name: origin for name, origin in held.calibrated.items() if name not in own}
    return ConstantPolicy({**held.values, **own}, measured)


def _print(answer: dict[str, Any] | str) -> None:
    if not isinstance(answer, str):
        import json

        answer = json.dumps(answer, ensure_ascii=False, indent=2)
    try:
        click.echo(answer)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone (`boundcalc list | head`): nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """Run the command; turn every foreseen problem into one line on stderr and exit code 2."""
    # What loading makes stays for good: looking through it for garbage takes a tenth of a query's time.
    gc.disable()
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as problem:
        click.echo(f"boundcalc: {_one_line(problem.format_message())}", err=True)
        sys.exit(BAD_INPUT)
    except BoundcalcError as problem:
        click.echo(f"boundcalc: {_one_line(str(problem))}", err=True)
        sys.exit(BAD_INPUT)
    except MemoryError:
        click.echo("boundcalc: out of memory; free some, or ask for less", err=True)
        sys.exit(BAD_INPUT)
    sys.exit(ANSWERED)


def _one_line(message: str) -> str:
    return " ".join(message.split())
