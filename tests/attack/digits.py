"""Bounds compared with the exact result to 50 digits: of exact operands, and at the ends of uncertain ones."""

from __future__ import annotations

from functools import partial

import mpmath
import numpy as np

from refimpl.arithmetic import FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.attack.modular import drawn, places, witness
from tests.attack.operations import Operation
from tests.attack.record import Record
from tests.attack.targets import target

FLOAT64_TARGET = target(FLOAT64)
GROUP = "float64"


def attack(name: str, operation: Operation, against: Target, group: str, size: int, seed: int, record: Record) -> None:
    """Attacks with the exact result for operands anywhere in their intervals, in the format or not."""
    rng = np.random.default_rng([seed, *name.encode()])
    for exact in (True, False):
        operands = [_in_50_digits(x) for x in drawn(operation, against, size, rng, exact)]
        with np.errstate(all="ignore"):
            expected = operation.formula(*operands)
        if not isinstance(expected, RunningError):
            expected = operands[0].constant(expected)
        for where in [(0.0,) * operation.operands] if exact else places(operation.operands, 4, rng):
            with mpmath.workdps(DIGITS):
                arrays = [_value_in_interval(x, place) for x, place in zip(operands, where, strict=True)]
                found = operation.formula(*arrays)
                found = found if isinstance(found, Multiprecision) else Multiprecision(found)
                ratio = _error_over_bound(expected, found)
            record.add(name, group, ratio, partial(witness, operands, where, expected))


def _in_50_digits(operand: RunningError) -> RunningError:
    """The operand with a bound that is not so small compared with the value that 50 digits lose it."""
    least = np.where(operand.bound > 0, np.abs(operand.value) * 2.0**-60, 0.0)
    return RunningError(operand.value, np.maximum(operand.bound, least), operand.target, operand.nonnegative)


def _value_in_interval(operand: RunningError, where: float) -> Multiprecision:
    """The number at `where` in the interval."""
    value, bound = Multiprecision(operand.value).value, Multiprecision(operand.bound).value
    found = value + bound * mpmath.mpf(where)
    return Multiprecision(np.where(found < 0, mpmath.mpf(0), found) if operand.nonnegative else found)


def _error_over_bound(expected: RunningError, found: Multiprecision) -> np.ndarray:
    """As comparison.error_over_bound, for results with more digits than float64 has."""

    def ratio(exact: mpmath.mpf, value: float, bound: float) -> float:
        if not np.isfinite(bound) or mpmath.isnan(exact):
            return np.nan
        if expected.nonnegative and exact < 0:
            return np.inf
        error = abs(exact - mpmath.mpf(value))
        return 0.0 if error == 0 else float(error / bound) if bound else np.inf

    values = np.broadcast_to(found.value, expected.value.shape)
    return np.asarray(np.frompyfunc(ratio, 3, 1)(values, expected.value, expected.bound), np.float64)
