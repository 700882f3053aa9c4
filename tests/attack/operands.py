"""Operands where bounds are likely to fail, as value and bound, and the numbers that a target may have for them."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, Format, RunningError, Target
from tests.attack.rounding import nearest, spacing


def numbers(format_: Format, shape: tuple[int, ...], rng: np.random.Generator, alike: bool = False) -> np.ndarray:
    """Numbers of a format: of order one, of all magnitudes, next to powers of two, tiny, subnormal, largest, ties, 0.

    alike: numbers along the first axis are of one kind.
    """
    sign = rng.choice([-1.0, 1.0], shape)
    low, high = format_.min_exponent, format_.max_exponent
    precision = format_.precision
    one = rng.uniform(0.5, 4.0, shape)
    any_magnitude = one * np.exp2(rng.integers(max(low, -60), min(high, 60) - 1, shape))
    power = np.exp2(rng.integers(max(low, -30), min(high, 30), shape))
    edge = power * (1 + rng.integers(-3, 4, shape) * 2.0**-precision)
    tiny = 2.0**low * (1 + rng.integers(-6, 7, shape) * 2.0 ** (1 - precision)) * np.exp2(rng.integers(0, 4, shape))
    subnormal = 2.0 ** (low - precision + 1) * rng.integers(1, 9, shape)
    largest = (2 - 2.0 ** (1 - precision) * rng.integers(1, 9, shape)) * np.exp2(high - rng.integers(0, 3, shape))
    grid = rng.integers(1, 2 ** min(precision, 20), shape) * 2.0 ** -rng.integers(0, precision, shape)
    power = np.exp2(rng.integers(low // 2 - 2, low // 2 + 2, shape))
    roots = power * (1 + rng.integers(0, 9, shape) * 2.0 ** (1 - precision))
    kinds = [one, one, any_magnitude, any_magnitude, edge, tiny, subnormal, largest, grid, roots, np.zeros(shape)]
    kind = rng.integers(len(kinds), size=(1, *shape[1:]) if alike else shape)
    return nearest(sign * np.choose(np.broadcast_to(kind, shape), kinds), format_)


def rounded_upwards(format_: Format, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Addends of one sign along the first axis; each addition rounds the partial sum up by nearly half a unit."""
    addends = [
        np.exp2(rng.integers(-2, 3, shape[1:])) * rng.integers(2 ** (format_.precision - 1), 2**format_.precision)
    ]
    total = addends[0] = nearest(addends[0] * 2.0 ** (1 - format_.precision), format_)
    for _ in range(1, shape[0]):
        halves = rng.choice([0.5, 0.5, 0.5, 1.5, 2.5], shape[1:])
        addends.append(nearest(spacing(total, format_) * halves * (1 + 2.0 ** (1 - format_.precision)), format_))
        total = nearest(total + addends[-1], format_)
    return np.stack(addends) * rng.choice([-1.0, 1.0], shape[1:])


def bounds(value: np.ndarray, format_: Format, rng: np.random.Generator) -> np.ndarray:
    """Bounds of all sizes for a value: zero, some units, a share of it, more than it, a tiny number."""
    unit = 2.0 ** (1 - format_.precision) * np.abs(value)
    smallest = 2.0 ** (format_.min_exponent - format_.precision + 1)
    kinds = [
        np.zeros_like(value),
        np.zeros_like(value),
        unit * rng.uniform(0.5, 4.0, value.shape),
        unit * 2.0 ** rng.integers(-1, 6, value.shape),
        np.abs(value) * rng.uniform(0.0, 1.5, value.shape),
        smallest * rng.integers(1, 5, value.shape),
        2.0**format_.min_exponent * rng.uniform(0.0, 2.0, value.shape),
    ]
    return np.choose(rng.integers(len(kinds), size=value.shape), kinds)


def uncertain(
    target: Target, shape: tuple[int, ...], rng: np.random.Generator, exact: bool = False, alike: bool = False
) -> RunningError:
    """Operands as earlier operations may have made them. exact: numbers of the format. alike: of one kind in a sum."""
    format_ = target.format
    with np.errstate(over="ignore"):
        value = numbers(format_, shape, rng, alike)
    if exact:
        return RunningError.exact(value, target)
    bound, largest = bounds(value, format_, rng), (2 - 2.0 ** (1 - format_.precision)) * 2.0**format_.max_exponent
    # A value of float64 lies anywhere in its interval, which holds a number of the format.
    value = np.where(bound == 0, value, value + rng.uniform(-0.5, 0.5, shape) * bound)
    value = np.clip(value, -largest, largest)
    bound = np.minimum(np.maximum(bound, np.abs(nearest(value, format_) - value)), largest - np.abs(value))
    keeps_sign = bool(rng.integers(2))
    if keeps_sign:
        value = np.abs(value)
    if target.flush_to_zero:  # what may be below the smallest normal number may be zero
        small = np.abs(value) - bound < 2.0**format_.min_exponent
        bound = np.where(small, np.maximum(bound, np.abs(value)), bound)
    return RunningError(value, bound, target, nonnegative=keeps_sign)


def value_in_interval(operand: RunningError, where: float, excess: bool) -> np.ndarray:
    """A number that the target may have for an operand: at `where` in -1 to 1 of its interval, or the next one inside.

    excess: a number of a half format may still have the digits of float32, and one of float32 those of float64. It is
    then so far inside the interval that rounding would not lead out of it, since bounds always count one rounding.
    """
    format_, value, bound = operand.target.format, operand.value, operand.bound
    lowest = 0.0 if operand.nonnegative else -np.inf
    wanted = np.maximum(value + where * bound, lowest)
    found = _inside(wanted, value, bound, format_)
    if excess:
        reach = bound - spacing(np.abs(value) + bound, format_) / 2
        wider = np.maximum(value + where * reach, lowest)
        wider = nearest(wider, FLOAT32) if format_ in (FLOAT16, BFLOAT16) else wider
        found = np.where(np.abs(wider - value) <= reach, wider, found)
    return np.maximum(found, lowest)


def _inside(wanted: np.ndarray, value: np.ndarray, bound: np.ndarray, format_: Format) -> np.ndarray:
    """The number of the format nearest to `wanted`, or the next one towards the value where that is outside."""
    found = nearest(wanted, format_)
    onwards = nearest(found + np.sign(value - found) * spacing(found, format_), format_)
    found = np.where(np.abs(found - value) <= bound, found, onwards)
    return np.where(np.abs(found - value) <= bound, found, nearest(value, format_))
