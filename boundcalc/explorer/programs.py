"""Programs as JSON: the steps that arrays run, for a page to interpret."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from boundcalc.arrays import programs
from boundcalc.arrays.programs import Affine, Operation, Program

NAMES: Mapping[Operation, str] = MappingProxyType(
    {
        programs.COPY: "copy",
        programs.LOG: "log",
        programs.LOG_ABS: "logAbs",
        programs.LOG_POSITIVE: "logPositive",
        programs.EXP: "exp",
        programs.PLUS: "plus",
        programs.MINUS: "minus",
        programs.TIMES: "times",
        programs.POWER: "power",
        programs.MAXIMUM: "maximum",
        programs.MINIMUM: "minimum",
        programs.SIGN: "sign",
        programs.MASKED: "masked",
        programs.LOG_SUM: "logSum",
        programs.LOG_DIFFERENCE: "logDifference",
        programs.SCALED_SUM: "scaledSum",
        programs.LOG_LOG1P: "logLog1p",
    }
)
"""What the page calls each operation; an affine sum is `affine`."""


class Once:
    """JSON by number, each of it once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, held: Mapping[str, Any]) -> int:
        """The number of an object, added where it is new."""
        return self._numbers.setdefault(json.dumps(held, allow_nan=False), len(self._numbers))

    @property
    def json(self) -> list[Any]:
        """All objects, in the order of their numbers."""
        return [json.loads(text) for text in self._numbers]


def program_json(program: Program) -> dict[str, Any]:
    """Inputs as slots by name; steps as [operation, slot that it fills, slots that it reads, …]; the slots of results.

    The coefficients and the constant of an affine sum come last in its step; those that are no finite numbers are text.
    """
    steps: list[list[Any]] = []
    for step in program.steps:
        if isinstance(step.operation, Affine):
            numbers = [_number(c) for c in step.operation.coefficients]
            steps.append(["affine", step.out, list(step.args), numbers, _number(step.operation.constant)])
        else:
            steps.append([NAMES[step.operation], step.out, list(step.args)])
    return {"inputs": dict(program.inputs), "steps": steps, "outputs": list(program.outputs)}


def _number(x: float) -> float | str:
    x = float(x)
    if math.isfinite(x):
        return int(x) if x.is_integer() and abs(x) < 2**53 else x
    return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
