"""The command line: reads arguments, calls the library, prints. No mathematics, and nothing heavy at the top.

Exit codes: 0 answered, 2 bad usage or input (one clear line on stderr), 3 answered but refuted or infeasible.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Collection, Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from boundcalc import __version__
from boundcalc.errors import BoundcalcError, InputError, UnknownNameError, nearest
from boundcalc.parsing import normalize, parse_number

if TYPE_CHECKING:
    from sympy import Expr

    from boundcalc.auditing import Audit
    from boundcalc.constants import ConstantPolicy
    from boundcalc.solving import Solution
    from boundcalc.theorem import Theorem

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
@_constant_options
@_theorems_option
@_reading_option
@_json_option
def ask(
    query: tuple[str, ...],
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
) -> None:
    """Answer a QUERY such as "required width for ε=0.01, L=5" over every statement that can."""
    from boundcalc.catalogue import load
    from boundcalc.query import ask as answer
    from boundcalc.report.answers import reply_json, reply_text

    catalogue = load(theorem_files)
    reply = answer(" ".join(query), catalogue, _policy(settings, constants_file), strict=strict, reading=reading)
    _print(reply_json(reply) if as_json else reply_text(reply))
    if all(solution.status == "empty" for solution in reply.answers):
        sys.exit(INFEASIBLE)


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
    for option in (_json_option, _reading_option, _theorems_option, _constant_options):
        command = option(command)
    return click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")(command)


@cli.command("eval")
@click.argument("theorem")
@click.argument("quantity")
@_statement_options
def evaluate_quantity(theorem: str, quantity: str, **options: Any) -> None:
    """Evaluate a QUANTITY of a THEOREM: width, step-size, iterations, samples, error, radius or loss."""
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
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    theorem_files: tuple[Path, ...],
    reading: str,
    as_json: bool,
) -> None:
    from boundcalc.catalogue import load
    from boundcalc.report.answers import solution_json, solution_text

    found = load(theorem_files).find(theorem, reading)
    policy = _policy(settings, constants_file)
    policy.check_names((found.key, constant) for constant in found.constants)
    solution = answer(found, asked, parse_inputs(values), policy, strict=strict)
    _print(solution_json(solution) if as_json else solution_text(solution))
    if solution.status == "empty":
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
@click.option("--depth", default="3", show_default=True, metavar="L", help="Hidden layers L of the conjugate kernel.")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Seed of the sampled random features.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@_json_option
def measure_data(
    source: str,
    classes: str | None,
    label: str | None,
    only: str | None,
    depth: str,
    seed: str,
    device: str,
    as_json: bool,
) -> None:
    """Measure what the theorems assume of a data set: φ, λ₀ and the margins γ, each with the side on which it errs.

    SOURCE is digits, breast_cancer, wine or mnist; a file (.npz, .npy, .csv, .parquet, LIBSVM); a generator such as
    xor:n=500,d=10; or openml:NAME.

    \b
    boundcalc data digits --classes 3,8
    boundcalc data relu-features:n=200,d=5,gamma=0.05 --only gamma_random_feature
    """
    gc.enable()
    from boundcalc.data import load
    from boundcalc.estimate.measures import MEASURES, Options, measure
    from boundcalc.report.data import data_json, data_text

    options = Options(_whole(depth, "--depth") or 1, _whole(seed, "--seed", least=0) or 0, device)
    names = [name.strip() for name in only.split(",")] if only is not None else list(MEASURES)
    data = load(source, classes=_two(classes), label=label)
    with _ProgressBar() as bar:
        found = measure(data, names, options, lambda name, done, count: bar.show("measuring", done, count, name))
    _print(data_json(data, found) if as_json else data_text(data, found))


@cli.command()
@click.argument("theorem")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--data", required=True, metavar="SOURCE", help="digits, breast_cancer, wine, or a .npz or .csv file.")
@click.option("--classes", metavar="A,B", help="The two classes to tell apart; A becomes +1, B −1.")
@click.option("--label", metavar="COLUMN", help="Label column of a CSV file, by name or number; the last by default.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run.")
@click.option(
    "--width", metavar="M", help="Width to train at [default: the prescribed one where it fits into memory, else 64]."
)
@click.option("--trials", metavar="N", help="Number of inits [default: the fewest that could support 1 − δ].")
@click.option("--seed", default="0", show_default=True, metavar="N", help="Seed of the inits and of the split.")
@click.option("--test-fraction", default="1/4", show_default=True, metavar="F", help="Share of examples held out.")
@click.option("--dtype", default="float32", show_default=True, metavar="TYPE", help="float32 or float64.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@_constant_options
@_json_option
def verify(
    theorem: str,
    values: tuple[str, ...],
    data: str,
    classes: str | None,
    label: str | None,
    out: Path,
    width: str | None,
    trials: str | None,
    seed: str,
    test_fraction: str,
    dtype: str,
    device: str,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Train at what a THEOREM prescribes and check what it guarantees; leaves a report in DIR.

    The same command again continues a run that was cut off. Inputs: epsilon, delta, L, alpha, R.
    """
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.solving import check_inputs

    # What is wrong with the inputs is said at once, before anything heavy is loaded.
    inputs = check_inputs(CATALOGUE.find(theorem), parse_values(values))
    policy = _policy(settings, constants_file)
    fraction = parse_number(test_fraction, "--test-fraction")
    if not 0 < fraction < 1:
        raise InputError(f"--test-fraction {test_fraction} is not between 0 and 1; give 1/4, say")
    from boundcalc.verify.case import Options, make_case
    from boundcalc.verify.runner import run

    gc.enable()
    options = Options(
        data=data,
        classes=_two(classes),
        label=label,
        test_fraction=fraction,
        width=_whole(width, "--width"),
        trials=_whole(trials, "--trials"),
        seed=_whole(seed, "--seed", least=0) or 0,
        dtype=dtype,
        device=device,
    )
    case = make_case(theorem, options, inputs, policy, strict=strict)
    with _ProgressBar() as bar:
        result = run(case, out, bar.show)
    from boundcalc.report.verification import verdict_line, verification_json, width_line, write_reports

    paths = write_reports(result, out)
    if as_json:
        _print(verification_json(result))
    else:
        click.echo(width_line(result))
        click.echo(verdict_line(result))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")
    if result.verdict in ("refuted at these constants", "premise unmet"):
        sys.exit(INFEASIBLE)


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

    values = read_constants(constants_file) if constants_file else {}
    return ConstantPolicy({**values, **parse_settings(settings)})


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
    sys.exit(ANSWERED)


def _one_line(message: str) -> str:
    return " ".join(message.split())
