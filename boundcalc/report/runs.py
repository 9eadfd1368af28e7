"""What several runs of one statement have in common: data, inputs and their origins, constants, how to repeat them.

The parts of the object of report.json that calibration.json, scaling.json and ladder.json have as well, under `run`,
and what a page says of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from boundcalc.report.answers import constants_json, json_number
from boundcalc.report.document import Block, Code, Command, Formula, Paragraph, Section, Table, Text, number
from boundcalc.symbols import VOCABULARY, show_fraction
from boundcalc.verify.case import Case
from boundcalc.verify.runner import machine, versions

Facts = Mapping[str, Any]

_IN_TURN = "; where it does not vary"


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
    """Every input with its meaning, its value and where that comes from. found: what the inits told, by name."""
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
    values = {name: json_number(value) for name, value in {**case.inputs, **found}.items()}
    origins |= {"n": "the training examples", "d": "the coordinates of an example", "m": "the width of the run"}
    values |= {"n": case.train.n, "d": case.train.d, "m": case.width}
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


def origins_table(origins: Sequence[Facts]) -> Table:
    """The inputs, each with its origin."""
    return Table(
        ("input", "value", "meaning", "origin"),
        tuple(
            (Formula(one["latex"], one["name"]), number(float_of(one["value"]), 6), one["meaning"], one["origin"])
            for one in origins
        ),
    )


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


def run_json(parts: Sequence[Series], command: str) -> dict[str, Any]:
    """What the runs have in common; what varies in all of them, and what the inits tell, is not among the inputs.

    `train` and `sha256` of the data are null where the number of training examples varies in all of them.
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
        "constants": constants_json(case.policy.use(c, case.theorem.key) for c in case.theorem.constants),
        "dtype": case.options.dtype,
        "device": str(case.device),
        "seed": case.options.seed,
        "command": command,
        "versions": versions(),
        "machine": machine(case.device),
    }


def run_sections(run: Facts) -> tuple[Section, Section]:
    """What the runs had in common, and how to repeat them."""
    return Section("What all runs share", tuple(_shared(run))), Section("To reproduce it", tuple(_reproduced(run)))


def _shared(run: Facts) -> Iterator[Block]:
    yield Paragraph(data_words(run["data"]))
    yield origins_table(run["inputs"])
    if run["constants"]:
        yield Paragraph("The hidden constants that the runs were made at:")
        yield Table(
            ("constant", "in use", "origin"),
            tuple(
                (Code(one["name"]), number(float_of(one["value"])), origin_words(one["origin"]))
                for one in run["constants"]
            ),
        )


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
