"""`verify`, `calibrate`, `scaling`: guarantees put to the test."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from boundcalc.commands.common import (
    A_PATH,
    INFEASIBLE,
    Command,
    constant_options,
    constant_policy,
    json_option,
    parse_values,
    show_answer,
    split_assignments,
    terminal_width,
    two_classes,
    whole_number,
)
from boundcalc.commands.completers import complete_source, complete_theorem, complete_value
from boundcalc.commands.progress import RunLine
from boundcalc.errors import InputError
from boundcalc.parsing import parse_number

if TYPE_CHECKING:
    from boundcalc.constants import ConstantPolicy
    from boundcalc.verify.case import Options as RunOptions
    from boundcalc.verify.engines import EngineName
    from boundcalc.verify.execution import Workers
    from boundcalc.verify.ladder import Plan
    from boundcalc.verify.settings import Study


def _run_options(command: Command) -> Command:
    """What decides the numbers of a verification, apart from the statement's inputs: see `_run_of`."""
    for option in (
        click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda."),
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
        click.option("--rows", metavar="N", help="Train on N of the examples only."),
        click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number [default: last]."),
        click.option("--classes", metavar="A,B", help="The two classes to tell apart; A becomes +1, B −1."),
        click.option(
            "--data", required=True, metavar="SOURCE", shell_complete=complete_source,
            help="What to train on, as for boundcalc data.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def _width_option(more: str = "") -> Callable[[Command], Command]:
    """The width to train at; what else may be given is said by `more`."""
    return click.option(
        "--width", metavar="M",
        help="Width to train at [default: the prescribed one where it fits into memory, else 64]" + more,
    )  # fmt: skip


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
    widths = tuple(whole_number(part.strip(), "--width") or 1 for part in width.split(",")) if width is not None else ()
    facts: dict[str, Any] = {
        "data": data,
        "classes": two_classes(classes),
        "label": label,
        "rows": whole_number(rows, "--rows"),
        "test_fraction": fraction,
        "width": widths[0] if len(widths) == 1 else None,
        "widths": widths if len(widths) > 1 else (),
        "trials": whole_number(trials, "--trials"),
        "anytime": anytime,
        "seed": whole_number(seed, "--seed", least=0) or 0,
        "iterations": whole_number(iterations, "--iterations"),
        "dtype": dtype,
        "device": device,
    }
    from boundcalc.verify.case import Options

    return Options(**facts)


_AGAINST = ("refuted at these constants", "premise unmet", "fails in the limit")
"""The verdicts that an exit code of 3 tells of."""


@click.command(short_help="Train as prescribed, and check what is guaranteed.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_value)
@_run_options
@_width_option(
    "; also inf, the limit m → ∞; auto, the prescribed width by whichever engine reaches it; 64:1024 or 64:inf, a "
    "ladder; and several, as 64,128,256, for cao2020/rem3.1, which is about growth with the width."
)
@click.option("--out", required=True, type=A_PATH, metavar="DIR", help="Folder of the run.")
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
    "--engine",
    type=click.Choice(["dense", "matrixfree", "infinite"]),
    help="dense: every weight is stored; matrixfree: exact in law without hidden weights, for few examples and steps; "
    "infinite: the limit [default: dense, or the quickest that fits for --width auto and ladders].",
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    help="The longest that one width of a ladder may be expected to take [default: 600].",
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
@constant_options
@json_option
def verify(
    theorem: str,
    values: tuple[str, ...],
    out: Path,
    probes: tuple[str, ...],
    engine: EngineName | None,
    time_limit: str | None,
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

    \b
    boundcalc verify chen2019/thm2.1 --data digits --classes 3,8 --out runs/digits
    boundcalc verify du2019 --data xor:n=4,d=2 --test-fraction 1/2 delta=0.2 --out runs/du2019
    """
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.solving import check_inputs

    # What is wrong with the inputs is said at once, before anything heavy is loaded.
    inputs = check_inputs(CATALOGUE.find(theorem), parse_values(values))
    policy = constant_policy(settings, constants_file)
    together, seconds = whole_number(batch, "--batch"), parse_number(checkpoint_every, "--checkpoint-every")
    if seconds < 0:
        raise InputError(f"--checkpoint-every {checkpoint_every} is negative; give seconds, or 0 for never")
    gc.enable()
    from boundcalc.verify.engines import deterministic
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.ladder import TIME_LIMIT, case_at, parse_widths, plan
    from boundcalc.verify.probes import parse_factors, probe
    from boundcalc.verify.runner import run
    from boundcalc.verify.statistics import anytime_interval, clopper_pearson, outlook
    from boundcalc.verify.store import refuse_other

    if cluster is not None:
        from boundcalc.verify.cluster import check_address

        check_address(cluster)
    factors = parse_factors(probes)
    widths = parse_widths(run_options["width"] or "")
    if time_limit is not None and widths is None:
        raise InputError(f"--time-limit {time_limit} chooses among widths; give --width auto or 64:inf, or drop it")
    if widths is not None:
        for name, value in (("--engine", engine), ("--probe", " ".join(probes)), ("--batch", batch)):
            if value and value != "none":
                raise InputError(f"{name} {value} is about one width; give --width M, or drop it")
        longest = TIME_LIMIT if time_limit is None else float(parse_number(time_limit, "--time-limit"))
        options = _run_of(**{**run_options, "width": None})
        with shortage_in_one_line(), _workers(cluster) as workers:
            _climb(
                plan(theorem, options, inputs, widths, policy, strict=strict, time_limit=longest),
                out, workers, float(seconds), as_json=as_json,
            )  # fmt: skip
        return
    if (run_options["width"] or "").casefold() in ("inf", "∞"):
        if engine not in (None, "infinite"):
            raise InputError(f"--engine {engine} cannot train at --width inf; drop one of them")
        engine, run_options["width"] = "infinite", None
    options = _run_of(**run_options)
    with shortage_in_one_line():
        case = case_at(theorem, options, inputs, engine or "dense", policy, strict=strict)
        refuse_other(out, case.config)
        interval = anytime_interval if options.anytime else clopper_pearson
        if not deterministic(case):
            _say(str(outlook(case.trials, float(case.failure), interval, refutable=not case.theorem.over_sample)))
        with _workers(cluster) as workers, RunLine() as line:
            result = run(case, out, line.show, workers=workers, batch=together, checkpoint_seconds=float(seconds))
            probed = probe(
                result, out, factors, on_progress=line.show, workers=workers, checkpoint_seconds=float(seconds)
            )
        from boundcalc.report.tables import folded
        from boundcalc.report.verification import probe_line, verdict_line, verification_json, width_line, write_reports

        paths = write_reports(result, out, probed)
    if as_json:
        show_answer(verification_json(result, probed))
    else:
        said = (width_line(result), verdict_line(result), *([probe_line(probed)] if probed else []))
        show_answer("\n".join(folded(line, terminal_width()) for line in said))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")
    if result.verdict in _AGAINST:
        sys.exit(INFEASIBLE)


def _say(line: str) -> None:
    """What is said of a run beside its answer."""
    from boundcalc.report.tables import folded

    click.echo(folded(line, terminal_width(err=True)), err=True)


def _climb(found: Plan, out: Path, workers: Workers | None, seconds: float, *, as_json: bool) -> None:
    """Run a ladder of widths; say what it is going to be, and what became of it."""
    from boundcalc.report.ladder import ladder_json, ladder_text, plan_text, write_ladder
    from boundcalc.report.verification import write_reports
    from boundcalc.verify.ladder import Climbed, climb, kept
    from boundcalc.verify.statistics import outlook

    found = kept(found, out)
    case = found.rungs[0].case
    click.echo(plan_text(found, terminal_width(err=True)), err=True)
    _say(str(outlook(case.trials, float(case.failure), refutable=not case.theorem.over_sample)))

    def report(one: Climbed) -> None:
        write_reports(one.result, out / one.rung.name)

    with RunLine() as line:
        ladder = climb(found, out, line.show, workers=workers, checkpoint_seconds=seconds, on_rung=report)
    paths, facts = write_ladder(ladder, out), ladder_json(ladder)
    if as_json:
        show_answer(facts)
    else:
        show_answer(ladder_text(facts, terminal_width()))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}, and a report for every width")
    if ladder.climbed[-1].result.verdict in _AGAINST:
        sys.exit(INFEASIBLE)


_vary_option = click.option(
    "--vary", multiple=True, required=True, metavar="NAME=VALUE,…",
    help="Values of an input, of m (the width) or of n (the number of training examples); once for each.",
)  # fmt: skip


@click.command(short_help="Measure the hidden constants of a statement.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_value)
@_vary_option
@_run_options
@_width_option(".")
@click.option("--no-width", is_flag=True, help="Do not look for the smallest sufficient width of every setting.")
@click.option("--out", required=True, type=A_PATH, metavar="DIR", help="Folder of the runs.")
@constant_options
@json_option
def calibrate(
    theorem: str,
    values: tuple[str, ...],
    vary: tuple[str, ...],
    no_width: bool,
    out: Path,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Measure the hidden constants of a THEOREM over all combinations of some inputs; leaves DIR/constants.toml.

    That file goes into --constants of every other command. Each constant is scored on settings that are left out.
    Constants given by --set or --constants are what the runs are made at; those that the runs do not measure go into
    the file as they were given.

    \b
    boundcalc calibrate chen2019/thm2.1 --data digits --classes 3,8 \\
        --vary L=2,3 --vary epsilon=0.1,0.2 --width 32 --trials 6 --out runs/calibrated
    """
    policy = constant_policy(settings, constants_file)
    study = _study(theorem, values, out, policy, run_options, strict=strict)
    from boundcalc.report.studies import calibration_json, calibration_text, write_calibration
    from boundcalc.verify.calibration import calibrate as fit
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.settings import settings_of

    with shortage_in_one_line(), RunLine() as line:
        found = fit(study, settings_of(_varied(vary, study)), widths=not no_width, progress=line.show)
    paths, facts = write_calibration(found, out), calibration_json(found)
    if as_json:
        show_answer(facts)
    else:
        show_answer(calibration_text(facts, terminal_width()))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")


@click.command(short_help="Fit how what sufficed grows with one input.")
@click.argument("theorem", shell_complete=complete_theorem)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_value)
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
@_width_option(".")
@click.option("--out", required=True, type=A_PATH, metavar="DIR", help="Folder of the runs.")
@constant_options
@json_option
def scaling(
    theorem: str,
    values: tuple[str, ...],
    vary: tuple[str, ...],
    of: Literal["T", "m"],
    out: Path,
    settings: tuple[str, ...],
    constants_file: Path | None,
    strict: bool,
    as_json: bool,
    **run_options: Any,
) -> None:
    """Fit how what sufficed grows with one input at a time, beside the exponent of what the THEOREM prescribes.

    Both are at the constants given by --set or --constants, else at unit constants.

    \b
    boundcalc scaling chen2019/thm2.1 L=2 --data digits --classes 3,8 \\
        --vary epsilon=0.05,0.1,0.2 --vary n=50,100,200 --width 32 --trials 6 --out runs/scaling
    """
    policy = constant_policy(settings, constants_file)
    study = _study(theorem, values, out, policy, run_options, strict=strict)
    from boundcalc.report.studies import scalings_json, scalings_text, write_scalings
    from boundcalc.verify.execution import shortage_in_one_line
    from boundcalc.verify.scaling import scaling as fit

    with shortage_in_one_line(), RunLine() as line:
        found = [fit(study, name, numbers, of, line.show) for name, numbers in _varied(vary, study).items()]
    paths = write_scalings(theorem, found, out)
    if as_json:
        show_answer(scalings_json(theorem, found))
    else:
        show_answer(scalings_text(theorem, found, terminal_width()))
        click.echo(f"wrote {', '.join(str(path) for path in paths)}")


def _study(
    theorem: str,
    values: tuple[str, ...],
    out: Path,
    policy: ConstantPolicy,
    run_options: dict[str, Any],
    *,
    strict: bool,
) -> Study:
    """A statement to be verified at several settings."""
    from boundcalc.catalogue import CATALOGUE
    from boundcalc.solving import check_inputs

    inputs = check_inputs(CATALOGUE.find(theorem), parse_values(values))
    gc.enable()
    options = _run_of(**run_options)
    from boundcalc.verify.settings import Study

    return Study(theorem, options, inputs, out, policy, strict)


def _varied(vary: Iterable[str], study: Study) -> dict[str, list[Fraction]]:
    """Read `NAME=VALUE,VALUE` settings of what is not given; each value counts once."""
    found = {}
    for name, values in split_assignments(vary).items():
        if name in study.given:
            raise InputError(f"--vary {name}={values}, and {name} is given too; give it once")
        found[name] = list(dict.fromkeys(parse_number(value.strip(), name) for value in values.split(",")))
    return found


def _workers(cluster: str | None) -> AbstractContextManager[Workers | None]:
    """Who carries out a run, None for this process."""
    if cluster is None:
        return nullcontext()
    from boundcalc.verify.cluster import connected

    return connected(cluster)
