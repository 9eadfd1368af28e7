"""Formulas as functions of numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import sympy
from numpy.typing import ArrayLike

from boundcalc.arrays.blocks import at, blocks, broadcast_shape, parted
from boundcalc.arrays.nodes import NAN, NOTHING, Reader
from boundcalc.arrays.programs import Array, Builder, Program, Tape
from boundcalc.constants import ConstantPolicy, hidden_constants
from boundcalc.errors import InputError
from boundcalc.theorem import Bound

UNIT = ConstantPolicy()


@dataclass(frozen=True)
class LogFunction:
    """The logarithm of a formula, as a function of arrays."""

    program: Program

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that are to be given."""
        return tuple(self.program.inputs)

    def __call__(self, inputs: Mapping[str, ArrayLike]) -> Array:
        """Evaluate.

        Args:
            inputs: numbers or arrays by symbol name, of mutually broadcastable shapes; others than `names` are ignored.

        Returns:
            An array of the shape that the inputs broadcast to: NaN where the formula is negative or undefined, −∞ where
            it is zero.

        Raises:
            InputError: an input is missing, or the shapes do not broadcast.
        """
        missing = [name for name in self.names if name not in inputs]
        if missing:
            raise InputError(f"no values for {', '.join(missing)}; the formula needs {', '.join(self.names)}")
        arrays = {name: np.asarray(inputs[name]) for name in self.names}
        shape = broadcast_shape(arrays)
        out = np.empty(shape)
        steady, moving = parted(arrays, shape)
        tape, room = Tape(), np.empty(0)
        with np.errstate(all="ignore"):
            program = self.program.given(steady, Tape())
            for index in blocks(shape):
                block = {name: at(array, index) for name, array in moving.items()}
                part = out[index]
                if room.shape == part.shape and tape.moved(room, part):
                    tape.again(block)
                    room = part
                else:
                    tape = Tape()
                    room = np.asarray(program.run(block, tape))
                    out[index] = room
        return out


def log_function(
    expr: sympy.Expr,
    constants: Mapping[sympy.Symbol, Fraction | sympy.Expr],
    *,
    base: float = math.e,
    logs: Collection[str] = (),
    negative: float = NAN,
) -> LogFunction:
    """The logarithm of a formula, as a function of arrays.

    Args:
        expr: the formula; its symbols are positive.
        constants: hidden constants and other symbols by what they stand for: numbers, or formulas in the others.
            All other symbols are inputs of the function.
        base: of the logarithm that is returned.
        logs: names of inputs of which natural logarithms will be given, in place of values; they may be of any size.
        negative: what the logarithm is where the formula is negative: NaN or −∞.

    Raises:
        NumericsError: the formula holds something that there is no rule for.
    """
    builder = Builder()
    node = Reader(constants, logs)(expr)
    return LogFunction(builder.program(node.log(builder, negative).times(1 / math.log(base))))


def sides(expr: sympy.Expr, constants: Mapping[sympy.Symbol, Fraction | sympy.Expr]) -> tuple[int, int]:
    """The signs that a formula and its logarithm have wherever they are defined and not zero; 0 where not known."""
    node = Reader(constants, ())(expr)
    return node.sign, node.side


def slack_program(
    conditions: Iterable[tuple[sympy.Expr, sympy.Expr]],
    constants: Mapping[sympy.Symbol, Fraction | sympy.Expr],
    *,
    logs: Collection[str] = (),
) -> Program:
    """The program that computes log(large/small) for conditions small ≤ large, each an output.

    The slack of a condition is ∞ where `small` is not positive, and NaN where `large` is not.

    Args:
        conditions: pairs (large, small).
        constants: as for `log_function`.
        logs: as for `log_function`.
    """
    builder, read = Builder(), Reader(constants, logs)
    slacks = (read(large).log(builder) + read(small).log(builder, NOTHING).times(-1) for large, small in conditions)
    return builder.program(*slacks)


def as_numpy(bound: Bound | sympy.Expr, policy: ConstantPolicy = UNIT, key: str = "") -> LogFunction:
    """The natural logarithm of a bound's right-hand side, as a function of arrays.

        width = as_numpy(CATALOGUE["zou2019"].conditions[0])
        width({"n": [100, 1000], "L": 5, "phi": 0.1})      # array([65.3…, 83.7…]), log m

    Args:
        bound: an inequality of a statement, or any formula.
        policy: where the values of hidden constants come from.
        key: the statement's key, for constants that the policy sets for one statement alone.
    """
    expr = bound.expr if isinstance(bound, Bound) else bound
    return log_function(expr, {constant: policy.use(constant, key).value for constant in hidden_constants(expr)})
