"""A machine for the tests: correctly rounded operations of any format, in random order, fused or not, flushed or not.

It chooses at random, where tests/attack chooses the worst. Both share exact sums and roundings, and no rule with the
running-error arithmetic. Numbers are float64 arrays; products of numbers of 24 bits are exact in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format, Target
from tests.attack.rounding import nearest, spacing, to_odd, truncated, two_sum


def odd_sum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b rounded to odd in float64: exact, or with last bit 1."""
    return to_odd(*two_sum(a, b))


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
