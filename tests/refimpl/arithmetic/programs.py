"""Random programs: every operation as a NumPy formula, and as what the simulated machine makes of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from refimpl.arithmetic import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    TF32_INPUT_ROUNDOFF,
    RunningError,
    Target,
    covering,
    decayed_parameter,
    erf,
    erfc,
    fused_decay,
    moving_average,
    rsqrt,
)
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.attack.rounding import nearest
from tests.attack.targets import target
from tests.refimpl.arithmetic.simulated import Machine

ELEMENTS = 36  # as rows of 12 for sums, as 6 x 6 for products of matrices

TARGETS = {
    "float16": target(FLOAT16),
    "bfloat16": target(BFLOAT16),
    "float32": target(FLOAT32),
    "float64": target(FLOAT64),
    "float16 summed in float32": target(FLOAT16, accumulator=FLOAT32),
    "bfloat16 summed in float32, flushed": target(BFLOAT16, accumulator=FLOAT32, flush_to_zero=True),
    "float32 flushed, float32 hyperparameters": target(FLOAT32, scalars=FLOAT32, flush_to_zero=True),
    "float32 with TF32 matmul": target(
        FLOAT32, matmul_input_roundoff=TF32_INPUT_ROUNDOFF, truncating_accumulator=True, powers=FLOAT32
    ),
    "bfloat16 hyperparameters": target(BFLOAT16, scalars=BFLOAT16),
}

DECAYS = (0.0, 0.25, 0.4, 0.6, 0.9, 0.999)

# Learning rate and weight decay, or weight decay alone: 1 - their product is nearly 1, nearly 0 or negative.
SHARES = ((0.1, 0.03), (0.6, 0.7), (0.9, 1.1), (0.7, 1.43), (0.03, 70.0), (0.05,), (0.97,), (1.3,))


@dataclass(frozen=True)
class Operation:
    """formula: of duck arrays. machine: of a Machine and its numbers.

    Operands and result are arrays of ELEMENTS elements.
    """

    operands: int
    formula: Callable[..., Any]
    machine: Callable[..., np.ndarray]


# --- hyperparameters: scalars that the machine rounds before they meet an array ---


def _scalar(m: Machine, value: float) -> np.ndarray:
    return nearest(np.float64(value), m.target.scalars)


def average_with(decay: float) -> Operation:
    def machine(m: Machine, average: np.ndarray, value: np.ndarray) -> np.ndarray:
        d = _scalar(m, decay)
        w = _scalar(m, 1 - d)
        d, w, rest = m.rounded(d), m.rounded(w), m.rounded(_scalar(m, 1 - w))
        match m.rng.integers(4):
            case 0:
                return m.multiply_add(d, average, m.multiply(w, value))
            case 1:
                return m.multiply_add(w, value, m.multiply(d, average))
            case 2:
                return m.multiply_add(w, m.subtract(value, average), average)
            case _ if w >= 0.5:  # as torch.lerp
                return m.multiply_add(-m.subtract(value, average), rest, value)
            case _:
                return m.multiply_add(m.subtract(value, average), w, average)

    return Operation(2, lambda a, b: moving_average(a, b, a.hyperparameter(decay)), machine)


def decayed_by(shares: tuple[float, ...]) -> Operation:
    """A parameter that decays and moves by the second operand, times the learning rate where there is one."""

    def formula(parameter: Any, direction: Any) -> Any:
        numbers = [parameter.hyperparameter(x) for x in shares]
        left = decayed_parameter(parameter, *numbers)
        moved = left - (numbers[0] * direction if len(shares) == 2 else direction)
        return fused_decay(moved, left, parameter, *numbers)

    def machine(m: Machine, parameter: np.ndarray, direction: np.ndarray) -> np.ndarray:
        scalars = [_scalar(m, x) for x in shares]
        share = _scalar(m, math.prod(float(x) for x in scalars))
        numbers = [m.rounded(x) for x in scalars]
        rate, decay = (numbers[0] if len(shares) == 2 else None), numbers[-1]
        if m.rng.integers(3) == 0:  # in one sum, as optax
            together = m.multiply_add(decay, parameter, direction)
            return m.subtract(parameter, together) if rate is None else m.multiply_add(-rate, together, parameter)
        match m.rng.integers(4):
            case 0:  # as PyTorch
                left = m.multiply(parameter, m.rounded(_scalar(m, 1 - share)))
            case 1:
                left = m.multiply_add(-m.rounded(share), parameter, parameter)
            case 2 if rate is not None:
                left = m.multiply_add(-m.multiply(rate, parameter), decay, parameter)
            case _ if rate is not None:  # as Keras
                left = m.multiply_add(-m.multiply(decay, parameter), rate, parameter)
            case _:
                left = m.multiply_add(-decay, parameter, parameter)
        return m.subtract(left, direction) if rate is None else m.multiply_add(-rate, direction, left)

    return Operation(2, formula, machine)


def _scaled(rate: float) -> Operation:
    return Operation(1, lambda a: a.hyperparameter(rate) * a, lambda m, a: m.multiply(m.rounded(_scalar(m, rate)), a))


def _corrected(decay: float, steps: int) -> Operation:
    """x / (1 - decay**steps), as in Adam's bias correction."""

    def machine(m: Machine, a: np.ndarray) -> np.ndarray:
        format_ = m.target.powers or m.target.scalars
        base = nearest(_scalar(m, decay), format_)
        one_off = m.rng.integers(-1, 2) * 2 * format_.unit_roundoff  # within the 2 ulp declared
        power = nearest(base**steps * (1 + one_off / 2), format_)
        return m.divide(a, m.rounded(nearest(1 - power, format_)))

    return Operation(1, lambda a: a / (1 - a.hyperparameter(decay) ** steps), machine)


# --- functions, reductions, selections ---


def _function(name: str, function: Callable, formula: Callable | None = None, nonnegative: bool = False) -> Operation:
    formula = formula or function
    return Operation(1, formula, lambda m, a: m.function(name, function, a, nonnegative=nonnegative))


def _by_rows(reduction: Callable) -> Callable:
    """A formula that reduces rows of 12, and spreads the result over them again."""

    def formula(a: Any) -> Any:
        rows = a.reshape(-1, 12)
        return np.broadcast_to(reduction(rows), rows.shape).reshape(-1)

    return formula


def _by_rows_machine(reduction: Callable) -> Callable:
    def machine(m: Machine, a: np.ndarray) -> np.ndarray:
        rows = a.reshape(-1, 12)
        return np.repeat(reduction(m, list(rows.T)), 12)

    return machine


def _mean_machine(m: Machine, columns: list[np.ndarray]) -> np.ndarray:
    total, count = m.sum(columns), m.constant(float(len(columns)))
    return m.divide(total, count) if m.chance() else m.multiply(total, m.divide(m.constant(1.0), count))


def _matmul(a: Any, b: Any) -> Any:
    return (a.reshape(6, 6) @ b.reshape(6, 6)).reshape(-1)


def _matmul_machine(m: Machine, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return m.matmul(a.reshape(6, 6), b.reshape(6, 6)).reshape(-1)


def _squares_apart(a: Any, b: Any) -> Any:
    return a * a - b * b


def _difference_of_squares(m: Machine, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if m.chance():
        return m.multiply(m.add(a, b), m.subtract(a, b))
    return m.multiply_add(a, a, -m.multiply(b, b))


def _power(exponent: float) -> Operation:
    def machine(m: Machine, a: np.ndarray) -> np.ndarray:
        result = m.function("power", lambda x: np.power(x, exponent), a)
        return np.where(a >= 0, np.maximum(result, 0.0), result)

    return Operation(1, lambda a: a**exponent, machine)


_ERF, _ERFC = (lambda x, f=f: np.array([f(v) for v in x.tolist()]) for f in (math.erf, math.erfc))

OPERATIONS: dict[str, Operation] = {
    "add": Operation(2, lambda a, b: a + b, Machine.add),
    "subtract": Operation(2, lambda a, b: a - b, Machine.subtract),
    "multiply": Operation(2, lambda a, b: a * b, Machine.multiply),
    "divide": Operation(2, lambda a, b: a / b, Machine.divide),
    "reciprocal": Operation(1, lambda a: np.reciprocal(a), lambda m, a: m.divide(m.constant(1.0), a)),
    "square": Operation(1, lambda a: a**2, lambda m, a: m.multiply(a, a)),
    "multiply, add": Operation(3, lambda a, b, c: a * b + c, Machine.multiply_add),
    "multiply, subtract from": Operation(3, lambda a, b, c: c - a * b, lambda m, a, b, c: m.multiply_add(-a, b, c)),
    "evaluation orders": Operation(
        2, lambda a, b: covering((a + b) * (a - b), (_squares_apart,), a, b), _difference_of_squares
    ),
    "scaled by 0.1": _scaled(0.1),
    "plus 1": Operation(1, lambda a: 1 + a, lambda m, a: m.add(a, m.constant(1.0))),
    "plus 0.3": Operation(1, lambda a: a + 0.3, lambda m, a: m.add(a, m.constant(0.3))),
    "corrected at step 1": _corrected(0.9, 1),
    "corrected at step 2": _corrected(0.999, 2),
    "corrected at step 7": _corrected(0.9, 7),
    **{f"moving average, {decay:g}": average_with(decay) for decay in DECAYS},
    **{f"decayed by {' x '.join(map(str, shares))}": decayed_by(shares) for shares in SHARES},
    "sqrt": _function("sqrt", np.sqrt, nonnegative=True),
    "rsqrt": _function("rsqrt", lambda x: 1 / np.sqrt(x), rsqrt, nonnegative=True),
    "exp": _function("exp", np.exp, nonnegative=True),
    "expm1": _function("expm1", np.expm1),
    "log": _function("log", np.log),
    "log1p": _function("log1p", np.log1p),
    "tanh": _function("tanh", np.tanh),
    "erf": _function("erf", _ERF, erf),
    "erfc": _function("erfc", _ERFC, erfc, nonnegative=True),
    "sin": _function("sin", np.sin),
    "cos": _function("cos", np.cos),
    "power 3": _power(3.0),
    "power 0": _power(0.0),
    "power 1.5": _power(1.5),
    "power -2": _power(-2.0),
    "power -0.3": _power(-0.3),
    "sigmoid": Operation(
        1,
        lambda a: 1 / (1 + np.exp(-a)),
        lambda m, a: m.divide(m.constant(1.0), m.add(m.constant(1.0), m.function("exp", np.exp, -a, nonnegative=True))),
    ),
    "absolute": Operation(1, abs, lambda m, a: np.abs(a)),
    "negative": Operation(1, lambda a: -a, lambda m, a: -a),
    "maximum": Operation(2, np.maximum, lambda m, a, b: np.maximum(m.flushed(a), m.flushed(b))),
    "minimum": Operation(2, np.minimum, lambda m, a, b: np.minimum(m.flushed(a), m.flushed(b))),
    "relu": Operation(1, lambda a: np.maximum(a, 0.0), lambda m, a: np.maximum(m.flushed(a), 0.0)),
    "clip": Operation(1, lambda a: np.clip(a, -0.5, 2.0), lambda m, a: np.clip(m.flushed(a), -0.5, 2.0)),
    "sign": Operation(1, np.sign, lambda m, a: np.sign(m.flushed(a))),
    "where greater": Operation(
        3, lambda a, b, c: np.where(a > b, b, c), lambda m, a, b, c: np.where(m.flushed(a) > m.flushed(b), b, c)
    ),
    "gate": Operation(1, lambda a: np.where(a > 0, 1.0, 0.0), lambda m, a: np.where(m.flushed(a) > 0, 1.0, 0.0)),
    "where between": Operation(
        3,
        lambda a, b, c: np.where((a >= b) & ~(a >= c) | (a == 0), a, b),
        lambda m, a, b, c: np.where(
            (m.flushed(a) >= m.flushed(b)) & ~(m.flushed(a) >= m.flushed(c)) | (m.flushed(a) == 0), a, b
        ),
    ),
    "moved": Operation(1, lambda a: np.roll(a, 5)[::-1], lambda m, a: np.roll(a, 5)[::-1]),
    "interleaved": Operation(
        2,
        lambda a, b: np.concatenate([a[::2], b[::2]]),
        lambda m, a, b: np.concatenate([a[::2], b[::2]]),
    ),
    "transposed": Operation(1, lambda a: a.reshape(4, 9).T.reshape(-1), lambda m, a: a.reshape(4, 9).T.reshape(-1)),
    "sum": Operation(1, _by_rows(lambda r: r.sum(axis=1, keepdims=True)), _by_rows_machine(Machine.sum)),
    "mean": Operation(1, _by_rows(lambda r: r.mean(axis=1, keepdims=True)), _by_rows_machine(_mean_machine)),
    "largest": Operation(
        1,
        _by_rows(lambda r: np.max(r, axis=1, keepdims=True)),
        _by_rows_machine(lambda m, columns: functools.reduce(np.maximum, [m.flushed(x) for x in columns])),
    ),
    "smallest": Operation(
        1,
        _by_rows(lambda r: np.min(r, axis=1, keepdims=True)),
        _by_rows_machine(lambda m, columns: functools.reduce(np.minimum, [m.flushed(x) for x in columns])),
    ),
    "matmul": Operation(2, _matmul, _matmul_machine),
}


def stagnating(target: Target, row: int) -> list[np.ndarray]:
    """Rows of 1, u, u, ... whose partial sums stay at 1, and ones to multiply them with."""
    rows = np.where(np.arange(ELEMENTS) % row == 0, 1.0, target.format.unit_roundoff)
    return [np.ones(ELEMENTS), np.ones(ELEMENTS), rows]


# --- running them ---

# An instruction: a name, and the operands as indices into the inputs and results so far, counted from the last one.
Program = Sequence[tuple[str, tuple[int, int, int]]]


def inputs(target: Target, seed: int) -> list[np.ndarray]:
    """Three arrays of numbers of the format: of order one, of all magnitudes, on a grid, near the ends of the range."""
    rng, format_ = np.random.default_rng(seed), target.format
    span = min(40, -format_.min_exponent)

    def draw(kind: int) -> np.ndarray:
        x = rng.standard_normal(ELEMENTS)
        match kind:
            case 0:
                x = x * np.exp2(rng.uniform(-span, span / 2, ELEMENTS))
            case 1:
                x = rng.integers(-8, 9, ELEMENTS) / 4
            case 2:
                x = x * format_.smallest_normal * np.exp2(rng.integers(-6, 12, ELEMENTS))
            case 3:
                x = np.clip(x / 4, -1, 1) * format_.largest
        return nearest(x, format_)

    arrays = []
    for _ in range(3):
        parts = [draw(int(kind)) for kind in rng.integers(8, size=3)]
        mixed = rng.integers(3, size=ELEMENTS) if rng.integers(2) else np.zeros(ELEMENTS, int)
        arrays.append(np.choose(mixed, parts))
    return arrays


def run(program: Program, arrays: Sequence[Any], apply: Callable[[str, tuple], Any]) -> list[Any]:
    """The results of all instructions."""
    known = list(arrays)
    for name, picks in program:
        operands = tuple(known[-1 - pick % len(known)] for pick in picks[: OPERATIONS[name].operands])
        known.append(apply(name, operands))
    return known[len(arrays) :]


def certified(program: Program, target: Target, arrays: Sequence[np.ndarray]) -> list[RunningError]:
    claimed = [RunningError.exact(x, target) for x in arrays]
    return run(program, claimed, lambda name, operands: OPERATIONS[name].formula(*operands))


def simulated(program: Program, target: Target, arrays: Sequence[np.ndarray], seed: int) -> list[np.ndarray]:
    machine = Machine(target, seed)
    with np.errstate(all="ignore"):
        return run(program, arrays, lambda name, operands: OPERATIONS[name].machine(machine, *operands))


def exact_error_over_bound(
    program: Program, expected: Sequence[RunningError], arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The same for the exact results, to 50 digits; NaN where an operation is not defined."""

    def apply(name: str, operands: tuple) -> Multiprecision:
        result = OPERATIONS[name].formula(*operands)
        return result if isinstance(result, Multiprecision) else Multiprecision(result)  # selected from plain numbers

    results = run(program, [Multiprecision(x) for x in arrays], apply)

    def ratio(exact: Any, value: float, bound: float) -> float:
        if not math.isfinite(bound):
            return math.nan
        error = abs(exact - mpmath.mpf(value))
        return 0.0 if error == 0 else float(error / bound) if bound else math.inf

    with mpmath.workdps(DIGITS):
        return [
            np.array([ratio(*element) for element in zip(r.value, e.value.tolist(), e.bound.tolist(), strict=True)])
            for r, e in zip(results, expected, strict=True)
        ]
