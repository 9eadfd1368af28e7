"""Straight-line programs over numpy arrays: their operations, how they are written, and how they are run.

A program computes each of its steps on the smallest shape that the step's own inputs broadcast to. Some inputs can be
put in for good, which leaves a shorter program; a program with one input left is differentiated as it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Operand = float | Array
"""What a step computes: an array, or a plain number that broadcasts against all of them."""

Slot = int
"""Where a program keeps an input, or what a step computes."""

# Operations ---------------------------------------------------------------------------------------

Room = Array | None
"""An array that may be overwritten with a result. It has the result's shape and is none of the arguments."""


@dataclass(frozen=True)
class Operation:
    """A function of arrays, and its derivative, a function of its value, its arguments and their derivatives."""

    function: Callable[..., Operand]
    derivative: Callable[[Operand, Sequence[Operand], Sequence[Operand], Room], Operand]

    def value(self, args: Sequence[Operand], room: Room = None) -> Operand:
        """The value."""
        return self.function(*args, room)

    def slope(self, value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room = None) -> Operand:
        """The derivative."""
        return self.derivative(value, args, slopes, room)


@dataclass(frozen=True)
class Affine:
    """The operation constant + Σ coefficient·x."""

    coefficients: tuple[float, ...]
    constant: float = 0.0

    def value(self, args: Sequence[Operand], room: Room = None) -> Operand:
        """The value; what is small is added up before it is spread over what is large."""
        terms = list(zip(args, self.coefficients, strict=True))
        if len({np.shape(x) for x in args}) > 1:
            terms.sort(key=lambda term: np.size(term[0]))
        return _weighted_sum(terms, self.constant, room)

    def slope(self, value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room = None) -> Operand:
        """The derivative."""
        moving = [(s, c) for s, c in zip(slopes, self.coefficients, strict=True) if not _is_zero(s)]
        return _weighted_sum(moving, 0.0, room)

    def parted(self, settled: Sequence[bool]) -> tuple[Operation | Affine, Operation | Affine]:
        """The sum of the settled terms, and that of the others with the first sum as its last term."""
        own = tuple(c for c, known in zip(self.coefficients, settled, strict=True) if known)
        others = tuple(c for c, known in zip(self.coefficients, settled, strict=True) if not known)
        return affine(own, self.constant), affine((*others, 1.0))


def affine(coefficients: tuple[float, ...], constant: float = 0.0) -> Operation | Affine:
    """The operation constant + Σ coefficient·x, as the simplest that it is."""
    return (_SIMPLE_SUMS.get(coefficients) if constant == 0 else None) or Affine(coefficients, constant)


def _weighted_sum(terms: Iterable[tuple[Operand, float]], constant: float, room: Room) -> Operand:
    sum_: Operand = constant
    for x, coefficient in terms:
        if coefficient not in (1, -1):
            # The sum so far may be in the room already.
            x = np.multiply(x, coefficient, out=room if _fills(room, x) and sum_ is not room else None)
        if coefficient != -1 and _is_zero(sum_):
            sum_ = x
        else:
            add = np.subtract if coefficient == -1 else np.add
            sum_ = add(sum_, x, out=room if _fills(room, sum_, x) else None)
    return sum_


def _fills(room: Room, *parts: Operand) -> bool:
    """Whether a result of these operands has the shape of the room."""
    if room is None:
        return False
    shapes = [np.shape(part) for part in parts]
    return room.shape in shapes or (len(parts) > 1 and np.broadcast_shapes(*shapes) == room.shape)


def _is_zero(x: Operand) -> bool:
    return isinstance(x, float) and x == 0


def _sum(terms: Iterable[Operand], room: Room = None) -> Operand:
    return _weighted_sum([(term, 1.0) for term in terms if not _is_zero(term)], 0.0, room)


def _choose(condition: bool | NDArray[np.bool], x: Operand, y: Operand, room: Room) -> Operand:
    if room is None:
        return np.where(condition, x, y)
    np.copyto(room, y)
    np.copyto(room, x, where=condition)
    return room


def _relative(x: Operand, top: Operand, room: Room = None) -> Operand:
    """exp(x − top) for x ≤ top; the difference of two infinities counts as none."""
    gap = np.subtract(x, top, out=room)
    room = gap if isinstance(gap, np.ndarray) else None
    return np.exp(np.fmin(gap, 0.0, out=room), out=room)


def _log_sum(*arguments: Any) -> Operand:
    *args, room = arguments
    top = reduce(np.maximum, args)
    if len(args) == 2:
        return np.add(top, np.log1p(_relative(np.minimum(*args), top, room), out=room), out=room)
    return np.add(top, np.log(_sum(_relative(x, top) for x in args), out=room), out=room)


def _log_sum_slope(value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room) -> Operand:
    return _sum(_relative(x, value) * s for x, s in zip(args, slopes, strict=True) if not _is_zero(s))


def _log_difference(x: Operand, y: Operand, room: Room) -> Operand:
    return np.add(np.maximum(x, y), np.log(-np.expm1(-np.abs(x - y)), out=room), out=room)


def _log_difference_slope(value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room) -> Operand:
    ratio = np.exp(args[1] - args[0])
    return np.divide(slopes[0] - ratio * slopes[1], 1 - ratio, out=room)


def _scaled_sum(*arguments: Any) -> Operand:
    top, *terms, _ = arguments
    half = len(terms) // 2
    return _sum(sign * _relative(x, top) for x, sign in zip(terms[:half], terms[half:], strict=True))


def _scaled_sum_slope(value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room) -> Operand:
    half = len(args) // 2 + 1
    terms = zip(args[1:half], args[half:], slopes[1:half], strict=True)
    return _sum(sign * _relative(x, args[0]) * (s - slopes[0]) for x, sign, s in terms)


NEGLIGIBLE = -40.0
"""The logarithm of an r for which log(1 + r) is r in double precision."""


def _log_log1p(x: Operand, sign: Operand, room: Room) -> Operand:
    return _choose(x < NEGLIGIBLE, x, np.log(np.abs(np.log1p(sign * np.exp(x)))), room)


def _log_log1p_slope(value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room) -> Operand:
    r = args[1] * np.exp(args[0])
    return _choose(args[0] < NEGLIGIBLE, slopes[0], r / ((1 + r) * np.log1p(r)) * slopes[0], room)


def _power(x: Operand, exponent: Operand, room: Room) -> Operand:
    if exponent == 0.5:
        return np.sqrt(x, out=room)
    return np.divide(1.0, x, out=room) if exponent == -1 else np.power(x, exponent, out=room)


def _ratio(value: Operand, args: Sequence[Operand], slopes: Sequence[Operand], room: Room) -> Operand:
    return np.divide(slopes[0], args[0], out=room)


COPY = Operation(lambda x, room: np.positive(x, out=room), lambda _, x, dx, room: dx[0])
LOG = Operation(lambda x, room: np.log(x, out=room), _ratio)
LOG_ABS = Operation(lambda x, room: np.log(np.abs(x, out=room), out=room), _ratio)
LOG_POSITIVE = Operation(lambda x, room: np.log(np.maximum(x, 0.0, out=room), out=room), _ratio)
"""log max(x, 0)."""
EXP = Operation(lambda x, room: np.exp(x, out=room), lambda y, x, dx, room: np.multiply(y, dx[0], out=room))
PLUS = Operation(lambda x, y, room: np.add(x, y, out=room), lambda _, x, dx, room: _sum(dx, room))
MINUS = Operation(
    lambda x, y, room: np.subtract(x, y, out=room), lambda _, x, dx, room: np.subtract(dx[0], dx[1], out=room)
)
_SIMPLE_SUMS: Mapping[tuple[float, ...], Operation] = {(1.0,): COPY, (1.0, 1.0): PLUS, (1.0, -1.0): MINUS}
TIMES = Operation(lambda x, y, room: np.multiply(x, y, out=room), lambda _, x, dx, room: dx[0] * x[1] + x[0] * dx[1])
POWER = Operation(_power, lambda y, x, dx, room: x[1] * y / x[0] * dx[0])
"""x^p for a number p."""
MAXIMUM = Operation(
    lambda x, y, room: np.maximum(x, y, out=room), lambda _, x, dx, room: _choose(x[0] >= x[1], dx[0], dx[1], room)
)
MINIMUM = Operation(
    lambda x, y, room: np.minimum(x, y, out=room), lambda _, x, dx, room: _choose(x[0] <= x[1], dx[0], dx[1], room)
)
SIGN = Operation(lambda x, room: np.sign(x, out=room), lambda y, x, dx, room: 0.0)
MASKED = Operation(lambda x, sign, below, room: _choose(sign < 0, below, x, room), lambda y, x, dx, room: dx[0])
"""x, and `below` where the sign is negative."""
LOG_SUM = Operation(_log_sum, _log_sum_slope)
"""log Σ exp x."""
LOG_DIFFERENCE = Operation(_log_difference, _log_difference_slope)
"""log |exp x − exp y|."""
SCALED_SUM = Operation(_scaled_sum, _scaled_sum_slope)
"""Σ sign·exp(x − top), of top, every x, every sign."""
LOG_LOG1P = Operation(_log_log1p, _log_log1p_slope)
"""log |log(1 + sign·exp x)|, however small exp x is."""


# Writing ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Linear:
    """constant + Σ coefficient·slot: a sum that is left open until something other than a sum is made of it."""

    constant: float = 0.0
    terms: Mapping[Slot, float] = field(default_factory=dict)

    def __add__(self, other: Linear) -> Linear:
        terms = dict(self.terms)
        for slot, coefficient in other.terms.items():
            terms[slot] = terms.get(slot, 0.0) + coefficient
        return Linear(self.constant + other.constant, terms)

    def times(self, factor: float) -> Linear:
        """The multiple."""
        return Linear(self.constant * factor, {slot: coefficient * factor for slot, coefficient in self.terms.items()})


def total(terms: Iterable[Linear]) -> Linear:
    """The sum of sums."""
    return sum(terms, Linear())


@dataclass(frozen=True)
class Step:
    """out = operation(args)."""

    operation: Operation | Affine
    args: tuple[Slot, ...]
    out: Slot


class Builder:
    """Writes a program: constants are folded, and equal steps become one."""

    def __init__(self) -> None:
        self._inputs: dict[str, Slot] = {}
        self._steps: dict[tuple[Operation | Affine, tuple[Slot, ...]], Step] = {}

    def input(self, name: str) -> Linear:
        """An input, by name."""
        if name not in self._inputs:
            self._inputs[name] = self._free
        return Linear(terms={self._inputs[name]: 1.0})

    def apply(self, operation: Operation, *arguments: Linear) -> Linear:
        """What an operation makes of its arguments."""
        if not any(argument.terms for argument in arguments):
            with np.errstate(all="ignore"):
                return Linear(float(operation.value([np.float64(argument.constant) for argument in arguments])))
        return Linear(terms={self._step(operation, tuple(self._slot(argument) for argument in arguments)): 1.0})

    def times(self, one: Linear, other: Linear) -> Linear:
        """The product."""
        if not one.terms:
            return other.times(one.constant)
        if not other.terms:
            return one.times(other.constant)
        return self.apply(TIMES, one, other)

    def program(self, *results: Linear) -> Program:
        """The program that computes these results."""
        outputs = tuple(self._slot(result) for result in results)
        return Program(tuple(self._steps.values()), dict(self._inputs), outputs)

    @property
    def _free(self) -> Slot:
        return len(self._inputs) + len(self._steps)

    def _slot(self, linear: Linear) -> Slot:
        terms = sorted((slot, coefficient) for slot, coefficient in linear.terms.items() if coefficient)
        if len(terms) == 1 and terms[0][1] == 1 and not linear.constant:
            return terms[0][0]
        terms.sort(key=lambda term: -term[1])
        return self._step(affine(tuple(c for _, c in terms), linear.constant), tuple(slot for slot, _ in terms))

    def _step(self, operation: Operation | Affine, args: tuple[Slot, ...]) -> Slot:
        if (operation, args) not in self._steps:
            self._steps[operation, args] = Step(operation, args, self._free)
        return self._steps[operation, args].out


# Running ------------------------------------------------------------------------------------------


class Tape:
    """What was computed, to be computed again from other inputs of the same shapes, in the same arrays.

    Fresh memory costs more than the arithmetic that fills it, and so does finding out twice what is to be done.
    """

    def __init__(self, spare: Iterable[Array] = ()) -> None:
        """Begin; what is computed goes into `spare` arrays where their shapes fit."""
        self._spare = list(spare)
        self._calls: list[_Call] = []
        self._reads: list[tuple[list[Operand], int, str]] = []

    @property
    def arrays(self) -> list[Array]:
        """The arrays in which everything was computed."""
        return [call.room for call in self._calls]

    def value(self, operation: Operation | Affine, args: list[Operand], names: Sequence[str | None] = ()) -> Operand:
        """Compute an operation; the arguments that are inputs have names."""
        self._reads += [(args, i, name) for i, name in enumerate(names) if name is not None]
        return self._keep(operation.value, (args,), operation.value(args), args)

    def slope(
        self, operation: Operation | Affine, value: Operand, args: list[Operand], slopes: list[Operand]
    ) -> Operand:
        """Compute the derivative of an operation."""
        result = operation.slope(value, args, slopes)
        return self._keep(operation.slope, (value, args, slopes), result, [value, *args, *slopes])

    def _keep(
        self, function: Callable[..., Operand], args: tuple[Any, ...], result: Operand, sources: Sequence[Operand]
    ) -> Operand:
        if not isinstance(result, np.ndarray) or any(result is source for source in sources):
            return result  # a number that stays, or what is computed elsewhere
        if self._spare and self._spare[-1].shape == result.shape:
            room = self._spare.pop()
            room[...] = result
            result = room
        self._calls.append(_Call(function, args, result))
        return result

    def again(self, inputs: Mapping[str, Operand]) -> None:
        """Compute everything again."""
        for args, i, name in self._reads:
            args[i] = inputs[name]
        for call in self._calls:
            result = call.function(*call.args, call.room)
            if result is not call.room:
                call.room[...] = result

    def moved(self, result: Operand, room: Array) -> bool:
        """Have a result computed into another array from now on; False where it is none of this tape's own."""
        calls = [call for call in self._calls if call.room is result]
        for call in calls:
            call.room = room
        return bool(calls)


@dataclass
class _Call:
    function: Callable[..., Operand]
    args: tuple[Any, ...]
    room: Array


@dataclass(frozen=True)
class Program:
    """Steps in order. `inputs` are still to be given, by name; `known` is what those given have led to."""

    steps: tuple[Step, ...]
    inputs: Mapping[str, Slot]
    outputs: tuple[Slot, ...]
    known: Mapping[Slot, Operand] = field(default_factory=dict)

    def given(self, inputs: Mapping[str, Operand], tape: Tape) -> Program:
        """The program that is left when some inputs are put in."""
        slots, names = self._put(inputs)
        left: list[Step] = []
        for step in self.steps:
            known = [arg for arg in step.args if arg in slots]
            operation = step.operation
            if len(known) == len(step.args):
                slots[step.out] = tape.value(operation, [slots[arg] for arg in known], [*map(names.get, known)])
            elif isinstance(operation, Affine) and known:
                # What is known of a sum is added up once.
                settled, rest = operation.parted([arg in slots for arg in step.args])
                spare = ~step.out
                slots[spare] = tape.value(settled, [slots[arg] for arg in known], [*map(names.get, known)])
                left.append(Step(rest, (*(arg for arg in step.args if arg not in known), spare), step.out))
            else:
                left.append(step)
        open_ = {name: slot for name, slot in self.inputs.items() if name not in inputs}
        read = {*self.outputs, *(arg for step in left for arg in step.args)}
        # What the rest reads is kept in an array of the tape's own.
        slots |= {slot: tape.value(COPY, [slots[slot]], [name]) for slot, name in names.items() if slot in read}
        return Program(tuple(left), open_, self.outputs, {slot: x for slot, x in slots.items() if slot in read})

    def run(self, inputs: Mapping[str, Operand], tape: Tape) -> Operand:
        """The one output, from every input that is left."""
        slots, names = self._put(inputs)
        for step in self.steps:
            args = [slots[arg] for arg in step.args]
            slots[step.out] = tape.value(step.operation, args, [*map(names.get, step.args)])
        (output,) = self.outputs
        return slots[output]

    def tangent(self, x: Operand, tape: Tape) -> tuple[Operand, Operand]:
        """The one output and its derivative, at values x of the one input that is left."""
        ((name, start),) = self.inputs.items()
        slots, _ = self._put({name: x})
        slopes: dict[Slot, Operand] = {start: 1.0}
        for step in self.steps:
            args = [slots[arg] for arg in step.args]
            slots[step.out] = value = tape.value(step.operation, args)
            slopes[step.out] = tape.slope(step.operation, value, args, [slopes.get(arg, 0.0) for arg in step.args])
        (output,) = self.outputs
        return slots[output], slopes.get(output, 0.0)

    def alone(self, output: Slot) -> Program:
        """The part of the program that computes one of its outputs."""
        read, steps = {output}, []
        for step in reversed(self.steps):
            if step.out in read:
                read |= set(step.args)
                steps.append(step)
        return Program(tuple(reversed(steps)), self.inputs, (output,), self.known)

    def _put(self, inputs: Mapping[str, Operand]) -> tuple[dict[Slot, Operand], dict[Slot, str]]:
        """The slots that are filled, and the names of those that are inputs."""
        slots = {self.inputs[name]: x for name, x in inputs.items()}
        return {**self.known, **slots}, {self.inputs[name]: name for name in inputs}
