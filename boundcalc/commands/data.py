"""`data`: what a data set is like."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import click

from boundcalc.commands.common import (
    form_options,
    one_form,
    show_answer,
    terminal_width,
    two_classes,
    whole_number,
)
from boundcalc.commands.completers import complete_measure, complete_source
from boundcalc.commands.progress import announce
from boundcalc.errors import InputError
from boundcalc.parsing import parse_number

if TYPE_CHECKING:
    from boundcalc.estimate import Estimate


@click.command("data", short_help="Measure what the theorems assume of a data set.")
@click.argument("source", shell_complete=complete_source)
@click.option("--classes", metavar="A,B", help="The two classes to tell apart; A becomes +1, B −1.")
@click.option("--label", metavar="COLUMN", help="Label column of a file, by name or number; the last by default.")
@click.option(
    "--only", metavar="NAME,…", shell_complete=complete_measure,
    help="What to measure, e.g. phi,lambda_0 [default: everything].",
)  # fmt: skip
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
@click.option("--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu or cuda.")
@form_options
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
    as_markdown: bool,
    as_tex: bool,
) -> None:
    """Measure what the theorems assume of a data set: φ, λ₀, margins γ, B and R, each with the side on which it errs.

    They are named phi, lambda_0, gamma_random_feature, gamma_conjugate_kernel, gamma_ji2020, B and R.

    SOURCE is digits, breast_cancer, wine or mnist; a file (.npz, .npy, .csv, .parquet, LIBSVM); a generator such as
    xor:n=500,d=10; or openml:NAME. What does not fit into memory is left out, and said, unless --only names it.

    \b
    boundcalc data digits --classes 3,8 --only phi,lambda_0
    boundcalc data relu-features:n=40,d=5,gamma=0.05 --only gamma_random_feature
    """
    gc.enable()
    from boundcalc.data import load
    from boundcalc.estimate.measures import MEASURES, Options, check_measures, measure
    from boundcalc.report.data import data_json, data_latex, data_markdown, data_text

    form = one_form(as_json, as_markdown, as_tex)
    options = Options(
        L=whole_number(depth, "--depth") or 1,
        seed=whole_number(seed, "--seed", least=0) or 0,
        device=device,
        epsilon=float(parse_number(epsilon, "--epsilon")),
        alpha=float(parse_number(alpha, "--alpha")),
        width=whole_number(width, "--width") or 1,
        inits=whole_number(inits, "--inits") or 1,
    )
    names = list(MEASURES) if only is None else [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise InputError(f"--only {only!r} names nothing; give some of {', '.join(MEASURES)}")
    check_measures(names)
    data = load(source, classes=two_classes(classes), label=label)
    found: list[Estimate] = []
    refused: dict[str, str] = {}
    for done, name in enumerate((name for name in MEASURES if name in names), 1):
        announce(f"measuring {name}, {done} of {len(set(names))}")
        try:
            found += measure(data, [name], options)
        except InputError as problem:
            if only is not None:
                raise
            refused[name] = str(problem)
    if form == "json":
        show_answer(data_json(data, found, refused))
    elif form == "text":
        show_answer(data_text(data, found, refused, terminal_width()))
    else:
        show_answer((data_latex if form == "tex" else data_markdown)(data, found, refused))
