"""A machine for the tests: correctly rounded operations of any format, in random order, fused or not, flushed or not.

It shares no rule with the running-error arithmetic. Numbers are float64 arrays, each representable in the format; sums
that float64 cannot hold are rounded to odd, after which a second rounding, to at most 24 bits, is the correct one
(Boldo & Melquiond 2008). Products of numbers of 24 bits are exact in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format, Target

_TYPES = {"float16": np.float16, "float32": np.float32, "float64": np.float64}


def nearest(x: np.ndarray, format_: Format) -> np.ndarray:
    """Float64 numbers rounded to nearest, ties to even, by the conversions of NumPy and ml_dtypes."""
    if format_ is BFLOAT16:  # ml_dtypes converts through float32: round to odd on the way
        single = x.astype(np.float32)
        even = (single.view(np.int32) & 1) == 0
        onwards = np.nextafter(single, np.where(x > single, np.inf, -np.inf).astype(np.float32))
        single = np.where(np.isfinite(single) & (single != x) & even, onwards, single)
        return single.astype(ml_dtypes.bfloat16).astype(np.float64)
    return x.astype(_TYPES[format_.name]).astype(np.float64)


def truncated(x: np.ndarray, format_: Format) -> np.ndarray:
    """Float64 numbers rounded towards zero."""
    rounded = nearest(x, format_)
    unit = spacing(rounded, format_)
    down = np.abs(rounded) - np.where(np.abs(rounded) == power_of_two(rounded), unit / 2, unit)
    down = np.where(np.isinf(rounded) & np.isfinite(x), format_.largest, down)
    return np.copysign(np.where(np.abs(rounded) > np.abs(x), nearest(down, format_), np.abs(rounded)), x)


def power_of_two(x: np.ndarray) -> np.ndarray:
    """The largest power of two not above |x|; zero for zero."""
    mantissa, exponent = np.frexp(np.abs(x))
    return np.where(mantissa > 0, np.ldexp(0.5, exponent), 0.0)


def spacing(x: np.ndarray, format_: Format) -> np.ndarray:
    """One unit in the last place of x, by its exponent."""
    mantissa, exponent = np.frexp(np.abs(x))
    exponent = np.where(mantissa > 0, np.maximum(exponent - 1, format_.min_exponent), format_.min_exponent)
    return np.ldexp(1.0, exponent - format_.precision + 1)


def odd_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b rounded to odd in float64: exact, or with last bit 1 (two-sum; Knuth, volume 2, section 4.2.2)."""
    total = a + b
    part = total - a
    error = (a - (total - part)) + (b - part)
    bits = np.asarray(total, np.float64).view(np.int64)
    onwards = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    return np.where(np.isfinite(total) & np.isfinite(error) & (error != 0) & ((bits & 1) == 0), onwards, total)


class Machine:
    """One correct evaluation in `target`, free to choose at random wherever the target leaves a choice."""

    def __init__(self, target: Target, seed: int) -> None:
        self.target, self.rng = target, np.random.default_rng(seed)
        self.format = target.format
        self.exact_in_float64 = target.format is not FLOAT64

    # --- rounding ---

    def chance(self) -> bool:
        return bool(self.rng.integers(2))

    def flushed(self, x: np.ndarray, exact: np.ndarray | None = None) -> np.ndarray:
        """Some of the numbers below the smallest normal one replaced by zero, where the target allows it."""
        if not self.target.flush_to_zero:
            return x
        below = np.abs(x if exact is None else exact) < self.format.smallest_normal
        return np.where(below & (self.rng.integers(2, size=np.shape(x)) == 1), 0.0, x)

    def rounded(self, exact: np.ndarray) -> np.ndarray:
        """Rounded to the format; half-precision results may be kept in, or rounded through, float32 instead."""
        if not self.exact_in_float64:
            return self.flushed(exact)
        result = nearest(exact, self.format)
        if self.format in (FLOAT16, BFLOAT16):
            choice = self.rng.integers(4)
            if choice == 0:
                result = nearest(exact, FLOAT32)
            elif choice == 1:
                result = nearest(nearest(exact, FLOAT32), self.format)
        return self.flushed(result, exact)

    def constant(self, value: float) -> np.ndarray:
        return self.rounded(np.float64(value))

    # --- operations ---

    def add(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = self.flushed(a), self.flushed(b)
        return self.rounded(odd_sum(a, b) if self.exact_in_float64 else a + b)

    def subtract(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.add(a, -b)

    def multiply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.rounded(self.flushed(a) * self.flushed(b))

    def divide(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        # Twice rounded, but no quotient of 24-bit numbers lies that close to the middle of two others.
        return self.rounded(self.flushed(a) / self.flushed(b))

    def multiply_add(self, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
        """a * b + c, fused or not."""
        if self.exact_in_float64 and self.chance():
            return self.rounded(odd_sum(self.flushed(a) * self.flushed(b), self.flushed(c)))
        return self.add(self.multiply(a, b), c)

    def function(self, name: str, function: Callable, *operands: np.ndarray, nonnegative: bool = False) -> np.ndarray:
        """A function with an error of up to the declared number of units in the last place."""
        ulp = self.target.function_error(name)
        exact = np.asarray(function(*(self.flushed(x) for x in operands)), np.float64)
        if not self.exact_in_float64:
            return self.flushed(exact)
        unit = spacing(exact, self.format)
        shifts = (ulp - 0.5) * np.where(
            self.rng.integers(2, size=exact.shape) == 1,
            self.rng.choice([-1.0, 1.0], size=exact.shape),
            self.rng.uniform(-1, 1, size=exact.shape),
        )
        result = nearest(exact + shifts * unit, self.format)
        if nonnegative:
            result = np.maximum(result, 0.0)
        kept = np.abs(result - exact) <= ulp * unit
        overflow = np.isinf(result) & (np.abs(exact) + ulp * unit > self.format.largest)
        return self.flushed(np.where(kept | overflow, result, nearest(exact, self.format)), exact)

    # --- sums ---

    def sum(self, terms: list[np.ndarray]) -> np.ndarray:
        """The sum of arrays in a random order of association."""
        return self._tree([(self.flushed(x), False) for x in terms])

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Rows times columns: products rounded or fused, in a random order of association."""
        a, b = self._input(a), self._input(b)
        return self._tree([(a[:, k, None] * b[None, k, :], True) for k in range(a.shape[1])])

    def _input(self, x: np.ndarray) -> np.ndarray:
        x = self.flushed(x)
        if self.target.matmul_input_roundoff == 0 or self.chance():
            return x
        kept = Format("input", 1 - round(math.log2(self.target.matmul_input_roundoff)), -126, 127)
        unit = spacing(x, kept)
        return np.trunc(x / unit) * unit

    def _tree(self, items: list[tuple[np.ndarray, bool]]) -> np.ndarray:
        """The sum of (array, whether it is a product not yet rounded)."""
        accumulator = self.target.accumulator or self.format
        if self.target.accumulator is None and self.format in (FLOAT16, BFLOAT16) and self.chance():
            accumulator = FLOAT32  # wider than declared
        round_ = truncated if self.target.truncating_accumulator and self.chance() else nearest

        def stored(exact: np.ndarray) -> np.ndarray:
            return self.flushed(round_(exact, accumulator) if self.exact_in_float64 else exact, exact)

        items, in_order = list(items), self.chance()
        if len(items) == 1 and items[0][1]:
            items = [(stored(items[0][0]), False)]
        while len(items) > 1:
            first, second = (0, 1) if in_order else sorted(self.rng.choice(len(items), 2, replace=False))
            (y, y_product), (x, x_product) = items.pop(second), items.pop(first)
            if x_product and y_product:
                x, x_product = stored(x), False
            fused = self.exact_in_float64 and self.chance()
            x, y = (stored(z) if product and not fused else z for z, product in ((x, x_product), (y, y_product)))
            items.insert(
                0 if in_order else len(items), (stored(odd_sum(x, y) if self.exact_in_float64 else x + y), False)
            )
        return self.flushed(nearest(items[0][0], self.format))
