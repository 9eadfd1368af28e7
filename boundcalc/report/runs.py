"""What several runs of one statement have in common: data, inputs and their origins, constants, how to repeat them.

The parts of the object of report.json that calibration.json, scaling.json and ladder.json have as well, under `run`,
and what a page says of them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from boundcalc.constants import ConstantUse
from boundcalc.report.answers import json_number
from boundcalc.report.document import (
    Block,
    Code,
    Command,
    Formula,
    Inline,
    Paragraph,
    Section,
    Table,
    Text,
    number,
    pieces,
)
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.verify.case import Case
from boundcalc.verify.runner import machine, versions

Facts = Mapping[str, Any]

_IN_TURN = "; where it does not vary"

LIMIT = "∞"
"""The width where there is none."""

_FIGURE = re.compile(r"\S*\d\S*")
"""A word with a digit."""


def data_json(case: Case) -> dict[str, Any]:
    """The data of a run."""
    return {
        "source": case.options.data,
        "classes": {"+1": case.train.labels[1], "-1": case.train.labels[0]},
        "train": case.train.n,
        "held_out": case.test.n,
        "d": case.train.d,
        "test_fraction": float(case.options.test_fraction),
        "sha256": case.config["examples"],
    }


def data_words(data: Facts) -> Text:
    """The data of a run, in a sentence."""
    classes = data["classes"]
    return (
        "Data: ",
        Code(data["source"]),
        f", {data['train'] or 'n'} training and {data['held_out']} held-out examples with d = {data['d']}; class ",
        Code(classes["+1"]),
        " is +1, class ",
        Code(classes["-1"]),
        " is −1.",
    )


def digest_words(data: Facts) -> Text:
    """By what a reader can tell that the examples are the same; the file has all of it."""
    return "SHA-256 ", Code(f"{data['sha256'][:16]}…")


def origins_json(case: Case, found: Mapping[str, Fraction]) -> list[dict[str, Any]]:
    """Every input with its meaning, its value and where that comes from. found: what the inits told, by name.

    The width is null where the limit m → ∞ is in the place of networks.
    """
    assumed = {one.name: one.how for one in case.assumed}
    origins = {
        name: "found of the inits: the value that does for all of them" if name in found else "given"
        for name in {**case.inputs, **found}
    }
    origins |= {name: f"assumed: {how}" for name, how in assumed.items()}
    for estimate in case.measured:
        ends = [f"{end:.6g}" for end in (estimate.lower, estimate.upper) if end is not None]
        between = f", between {' and '.join(ends)}" if len(ends) == 2 else ""
        taken = (estimate.lower if estimate.direction == "bracket" else estimate.value) == case.inputs[estimate.symbol]
        origins[estimate.symbol] = ("" if taken else "given; ") + (
            f"measured on the training data: {estimate.name}{between}; errs: {estimate.direction} ({estimate.method})"
        )
    values: dict[str, int | float | str | None] = {
        name: json_number(value) for name, value in {**case.inputs, **found}.items()
    }
    width = "the limit, which is no network" if case.engine == "infinite" else "the width of the run"
    origins |= {"n": "the training examples", "d": "the coordinates of an example", "m": width}
    values |= {"n": case.train.n, "d": case.train.d, "m": width_of(case)}
    return [
        {
            "name": name,
            "latex": VOCABULARY[name].latex,
            "meaning": VOCABULARY[name].meaning,
            "value": value,
            "origin": origins[name],
        }
        for name, value in values.items()
    ]


def width_of(case: Case) -> int | None:
    """The width of a run; None for the limit m → ∞."""
    return None if case.engine == "infinite" else case.width


def origins_table(origins: Sequence[Facts]) -> Table:
    """The inputs, each with its origin."""
    return Table(
        ("input", "value", "meaning", "origin"),
        tuple((Formula(one["latex"], one["name"]), input_value(one), one["meaning"], one["origin"]) for one in origins),
    )


def input_value(origin: Facts) -> Inline:
    """The value of an input; the width of a limit is ∞."""
    return LIMIT if origin["value"] is None else number(float_of(origin["value"]), 6)


def origin_words(origin: str) -> Text:
    """Where a constant comes from; one that was set, as it was typed."""
    _, set_by, typed = origin.partition("set by ")
    return ("set by ", Code(typed)) if set_by and origin.startswith(set_by) else origin


def float_of(value: float | str) -> float | str:
    """A number that came as text, where it is one that a float holds."""
    if isinstance(value, str):
        try:
            found = float(value)
        except ValueError:
            return value
        return found if 0 < abs(found) < 1e300 else value
    return value


def data_arguments(case: Case) -> list[str]:
    """The options of a command that name the data."""
    options = case.options
    arguments = ["--data", options.data]
    arguments += ["--classes", ",".join(options.classes)] if options.classes else []
    return arguments + (["--label", options.label] if options.label is not None else [])


def split_arguments(case: Case) -> list[str]:
    """The options that choose the inits, the held-out examples and the most steps."""
    options = case.options
    arguments = ["--seed", str(options.seed), "--test-fraction", show_fraction(options.test_fraction)]
    return arguments + (["--iterations", str(options.iterations)] if options.iterations is not None else [])


def value_arguments(case: Case, varied: Collection[str] = ()) -> list[str]:
    """The constants that were set, and the inputs that were given and do not vary."""
    left_open = {*(estimate.symbol for estimate in case.measured), *(one.name for one in case.assumed), *varied}
    arguments = []
    for name, value in case.policy.exact.items():
        arguments += ["--set", f"{name}={show_fraction(value)}"]
    return arguments + [f"{name}={show_fraction(v)}" for name, v in case.inputs.items() if name not in left_open]


@dataclass(frozen=True)
class Series:
    """Runs of one study: the first of them, and the inputs in which the others differ from it, with their values."""

    case: Case
    varied: Mapping[str, Sequence[Fraction]]


def study_command(command: str, parts: Sequence[Series], more: Sequence[str] = ()) -> str:
    """The command that repeats a calibrate or a scaling, whose parts vary different inputs in turn."""
    first = parts[0].case
    arguments = ["boundcalc", command, first.theorem.key, *data_arguments(first)]
    for part in parts:
        for name, values in part.varied.items():
            arguments += ["--vary", f"{name}={','.join(map(show_fraction, values))}"]
    # What one part varies stands still in the others.
    fixed = [f"--rows={part.case.options.rows}" for part in parts if "n" not in part.varied]
    fixed += [f"--width={part.case.options.width}" for part in parts if "m" not in part.varied]
    fixed += [f"--trials={first.options.trials}"]
    arguments += [one for one in dict.fromkeys(fixed) if not one.endswith("=None")]
    arguments += [*split_arguments(first), "--dtype", first.options.dtype, "--device", str(first.device), *more]
    given = dict.fromkeys(one for part in parts for one in value_arguments(part.case, part.varied) if one != "--set")
    for one in given:
        arguments += ["--set", one] if one.partition("=")[0] in first.policy.exact else [one]
    return f"{shlex.join(arguments)} --out DIR"


def ladder_command(case: Case, widths: str, time_limit: float) -> str:
    """The command that repeats a ladder. case: that of its first rung."""
    options = case.options
    arguments = ["boundcalc", "verify", case.theorem.key, *data_arguments(case)]
    arguments += ["--rows", str(options.rows)] if options.rows is not None else []
    arguments += ["--width", widths, "--time-limit", f"{time_limit:g}"]
    arguments += ["--trials", str(options.trials)] if options.trials is not None else []
    arguments += split_arguments(case)
    arguments += ["--dtype", options.dtype] if options.dtype == "float64" else []
    arguments += ["--device", str(case.device), *(["--stop-early"] if options.anytime else [])]
    return f"{shlex.join([*arguments, *value_arguments(case)])} --out DIR"


def run_json(parts: Sequence[Series], command: str, constants: Sequence[Sequence[ConstantUse]]) -> dict[str, Any]:
    """What the runs have in common; what varies in all of them, and what the inits tell, is not among the inputs.

    `train` and `sha256` of the data are null where the number of training examples varies in all of them. constants:
    those that each run was made at; the runs may have chosen theirs.
    """
    case = next((part.case for part in parts if "n" not in part.varied), parts[0].case)
    fixed: dict[str, dict[str, Any]] = {}
    for part in parts:
        own = {*part.varied, *(("m",) if part.case.options.width is None else ())}
        for one in origins_json(part.case, {}):
            if one["name"] not in own:
                fixed.setdefault(one["name"], one)
    turns = {name for part in parts for name in part.varied}
    inputs = [{**one, "origin": f"{one['origin']}{_IN_TURN if name in turns else ''}"} for name, one in fixed.items()]
    return {
        "data": data_json(case) | ({} if "n" in fixed else {"train": None, "sha256": None}),
        "inputs": inputs,
        "runs": len(constants),
        "constants": _constants_json(constants),
        "dtype": case.options.dtype,
        "device": str(case.device),
        "seed": case.options.seed,
        "command": command,
        "versions": versions(),
        "machine": machine(case.device),
    }


def _constants_json(runs: Sequence[Sequence[ConstantUse]]) -> list[dict[str, Any]]:
    """The constants of several runs, those of one name and one origin together, whatever the numbers in its words."""
    found: dict[tuple[str, str], list[ConstantUse]] = {}
    for uses in runs:
        for use in uses:
            found.setdefault((use.name, _FIGURE.sub("", use.origin)), []).append(use)
    return [
        {
            "name": name,
            "hides": uses[0].hides,
            "lowest": json_number(min(use.value for use in uses)),
            "highest": json_number(max(use.value for use in uses)),
            "origin": _in_common([use.origin for use in uses]),
            "direction": uses[0].direction,
            "runs": len(uses),
        }
        for (name, _), uses in sorted(found.items())
    ]


def _in_common(origins: Sequence[str]) -> str:
    """Lines that differ in words with digits alone, as one: “…” stands for what differs."""
    places = zip(*(origin.split() for origin in origins), strict=True)
    return " ".join(words[0] if len(set(words)) == 1 else "…" for words in places)


def run_sections(run: Facts, apart: str = "") -> tuple[Section, Section]:
    """What the runs had in common, and how to repeat them. apart: runs that the table of constants is not about."""
    shared, reproduced = tuple(_shared(run, apart)), tuple(_reproduced(run))
    return Section("What all runs share", shared), Section("To reproduce it", reproduced)


def _shared(run: Facts, apart: str) -> Iterator[Block]:
    yield Paragraph(data_words(run["data"]))
    yield origins_table(run["inputs"])
    if run["constants"]:
        yield Paragraph(f"The hidden constants that the runs were made at{apart}:")
        rows = ((Code(one["name"]), _range(one), _origin(one, run["runs"])) for one in run["constants"])
        yield Table(("constant", "in use", "origin"), tuple(rows))


def _range(constant: Facts) -> Text:
    low, high = (number(float_of(constant[end])) for end in ("lowest", "highest"))
    return low if low == high else ("from ", low, " to ", high)


def _origin(constant: Facts, runs: int) -> Text:
    words = origin_words(constant["origin"])
    return words if constant["runs"] == runs else (*pieces(words), f" ({constant['runs']} of {runs} runs)")


def _reproduced(run: Facts) -> Iterator[Block]:
    yield Command(run["command"])
    yield Table(
        ("", "these runs"),
        (
            ("precision", run["dtype"]),
            ("device", (f"{run['device']}: ", Code(run["machine"]))),
            ("seed", str(run["seed"])),
            *([("examples", digest_words(run["data"]))] if run["data"]["sha256"] else []),
            ("versions", ", ".join(f"{name} {version}" for name, version in run["versions"].items())),
        ),
    )
