"""Every outcome that a target admits for an operation, and the one that an adversary chooses for each element.

The machine rounds to nearest, or twice where the format is a half one, or keeps the digits. It fuses a product with a
sum. It flushes operands and results, judged before or after rounding. Its functions have the declared error. It sums in
any order, in the declared accumulator or a wider one. It reads the declared fields of a target and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product as combinations
from typing import Any

import numpy as np

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format, Target
from tests.attack.choices import Choices
from tests.attack.rounding import (
    Exact,
    double_rounded,
    identity,
    nearest,
    plus,
    quotient,
    root,
    spacing,
    to_odd,
    truncated,
    two_product,
    two_sum,
)

# A function that returns an exact result, and its operands.
Alternative = tuple[Callable[..., Exact], tuple[np.ndarray, ...]]

# A share of the declared error, so that the error of the float64 reference cannot make an outcome inadmissible.
_SURELY = 1 - 2.0**-16
_REFERENCE_ULPS = 6.0  # the error of the reference of a function, where the target is float64

_HALVES = (FLOAT16, BFLOAT16)
_ORDERS = 6


class Machine:
    """One correct evaluation in `target`, in the arithmetic of its arrays or (scalar) of its hyperparameters."""

    def __init__(self, target: Target, choices: Choices, format_: Format | None = None, scalar: bool = False) -> None:
        self.target, self.choices, self.scalar = target, choices, scalar
        self.format = format_ or target.format
        flushes = target.flush_to_zero and not (scalar and self.format is FLOAT64)  # Python's floats are never flushed
        self.tiny = 2.0**self.format.min_exponent if flushes else 0.0
        self.excess = choices.pick(2) == 1
        self.already_read = False  # whether operands were flushed, or not, by an earlier read
        if not scalar:
            self.scalars = Machine(target, choices, target.scalars, scalar=True)
            self.scalars.powers = Machine(target, choices, target.powers or target.scalars, scalar=True)
            self.scalars.powers.powers = self.scalars.powers
            self.accumulator = Accumulator(self)

    # --- outcomes ---

    def rounded(self, high: np.ndarray, low: np.ndarray) -> list[np.ndarray]:
        """The exact result in the format: rounded to nearest first, then all other admissible roundings."""
        if self.format is FLOAT64:
            return [high]
        exact = to_odd(high, low)
        found = [nearest(exact, self.format)]
        if self.format in _HALVES:
            found.append(double_rounded(exact, self.format))
            if self.excess:
                found.append(nearest(exact, FLOAT32))
        elif self.excess:
            found.append(high)
        return found

    def outcomes(self, high: np.ndarray, low: np.ndarray) -> list[np.ndarray]:
        """The outcomes of a correctly rounded operation, flushed where the target may flush."""
        found = self.rounded(high, low)
        below = (np.abs(high) < self.tiny) | ((np.abs(high) == self.tiny) & (low * high < 0))  # before rounding
        return found + self.flushed(found[:1], below)

    def flushed(self, found: Sequence[np.ndarray], below: Any = False) -> list[np.ndarray]:
        """The outcomes with zero where one is below the smallest normal number, or was before rounding."""
        if not self.tiny:
            return []
        small = [below | (np.abs(x) < self.tiny) for x in found]
        return [np.where(s, 0.0, x) for x, s in zip(found, small, strict=True) if s.any()]

    def within(self, exact: np.ndarray, ulp: float, nonnegative: bool = False) -> list[np.ndarray]:
        """The outcomes of a function with an error of `ulp`: the usual result, and the ends of what it may return.

        Where digits are kept the error is half a unit smaller, since the declared one includes the rounding.
        """
        exact = np.asarray(exact, np.float64)
        usual = nearest(exact, self.format)
        unit = spacing(np.nextafter(exact, 0.0), self.format)  # where the result lies just below a power of two
        if self.format is FLOAT64:
            reach = np.floor(max(ulp - _REFERENCE_ULPS, 0.0)) * unit
            ends = [exact + reach, exact - reach]
        else:
            reach = ulp * _SURELY * unit
            ends = [self._inwards(exact + side * reach, exact, usual) for side in (1.0, -1.0)]
            if self.excess:
                ends += [exact + side * (reach - unit / 2) for side in (1.0, -1.0)]
        if nonnegative:
            ends = [np.maximum(end, 0.0) for end in ends]
        found = [usual, *ends]
        return found + self.flushed(found)

    def _inwards(self, end: np.ndarray, exact: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """The last number of the format before such an end. An overflow remains one."""
        found = nearest(end, self.format)
        outside = np.abs(found - exact) > np.abs(end - exact)
        onwards = found + np.sign(exact - end) * spacing(np.nextafter(found, exact), self.format)
        found = np.where(outside & np.isfinite(found), onwards, found)
        return np.where(np.isinf(found) | (np.abs(found - exact) <= np.abs(end - exact)), found, usual)

    # --- choosing ---

    def chosen(self, candidates: Sequence[np.ndarray]) -> np.ndarray:
        if len(candidates) == 1:
            return candidates[0]
        largest, smallest, usual = np.asarray(candidates[0]), np.asarray(candidates[0]), np.asarray(candidates[0])
        for x in candidates[1:]:
            largest, smallest = np.maximum(largest, x), np.minimum(smallest, x)
        direction = self.choices.direction(largest.shape)
        found = np.where(direction == 1, largest, np.where(direction == -1, smallest, usual))
        return np.where(direction == 2, candidates[min(2, len(candidates) - 1)], found)  # such as kept digits

    def reads(self, operands: tuple[np.ndarray, ...]) -> Iterator[tuple[np.ndarray, ...]]:
        """The operands as they are, and with each one flushed that may be."""
        yield operands
        if not self.tiny or self.already_read:
            return
        zeroed = [np.where(np.abs(x) < self.tiny, 0.0, x) for x in operands]
        touched = [bool(np.any((z != x) & ~np.isnan(x))) for z, x in zip(zeroed, operands, strict=True)]
        if not any(touched):
            return
        options = [(x, z) if t else (x,) for x, z, t in zip(operands, zeroed, touched, strict=True)]
        yield from list(combinations(*options))[1:]

    def read(self, x: np.ndarray) -> np.ndarray:
        """An operand that is compared or selected, or read more than once: flushed or not."""
        return self.chosen([values[0] for values in self.reads((x,))])

    @contextmanager
    def operands_read(self) -> Iterator[None]:
        """A context without flushing of operands: a number that is read twice is flushed both times or not at all."""
        before, self.already_read = self.already_read, True
        try:
            yield
        finally:
            self.already_read = before

    def operation(self, *alternatives: Alternative) -> np.ndarray:
        """The chosen outcome of a correctly rounded operation, which may be evaluated in several ways."""
        found: list[np.ndarray] = []
        for exact, operands in alternatives:
            for values in self.reads(operands):
                found += self.outcomes(*exact(*values))
        return self.chosen(found)

    def function(
        self, name: str, reference: Callable[..., np.ndarray], *operands: np.ndarray, nonnegative: bool = False
    ) -> np.ndarray:
        """The chosen outcome of a function with the error that the target declares."""
        declared = self.target.functions.get(self.format.name, {})
        if name not in declared:
            raise KeyError(f"no declared accuracy of {name!r} in {self.format.name}")
        found: list[np.ndarray] = []
        for values in self.reads(operands):
            if declared[name] <= 0.5:
                found += self.outcomes(*(root(*values) if name == "sqrt" else identity(reference(*values))))
            else:
                found += self.within(reference(*values), declared[name], nonnegative)
        return self.chosen(found)

    # --- operations on numbers of this machine ---

    def number(self, value: Any) -> np.ndarray:
        """The rounding of a number or array that may not be of the format."""
        return self.chosen(self.outcomes(*identity(np.asarray(value, np.float64))))

    def add(self, a: np.ndarray, b: np.ndarray, *products: tuple[Exact, np.ndarray]) -> np.ndarray:
        """a + b. products: a or b before it was rounded, and the other operand, which may be fused."""
        fused = [(lambda c, p=p: plus(p, c), (c,)) for p, c in products]
        return self.operation((two_sum, (a, b)), *fused)

    def multiply(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.operation((two_product, (a, b)))

    def divide(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        ulp = self.target.functions.get(self.format.name, {}).get("divide", 0.5)
        if ulp <= 0.5:
            return self.operation((quotient, (a, b)))
        found: list[np.ndarray] = []
        for x, y in self.reads((a, b)):
            exact = x / y  # a product with the reciprocal has the same sign
            found += [np.where(end * exact > 0, end, 0.0 * exact) for end in self.within(exact, ulp)]
        return self.chosen(found)

    # --- sums ---

    def sum(self, terms: Sequence[np.ndarray]) -> np.ndarray:
        """The sum of arrays, in an order that is picked."""
        return self.accumulator.total([(self.read(x), None) for x in terms])

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """a @ b for shapes (..., k) and (k, m), with products rounded or fused, added in any order."""
        a, b = self._input(a), self._input(b)
        products = [two_product(a[..., :, k, None], b[k, :]) for k in range(b.shape[0])]
        return self.accumulator.total([(self.accumulator.number(high, low), (high, low)) for high, low in products])

    def _input(self, x: np.ndarray) -> np.ndarray:
        """An input of a product of matrices, truncated or rounded to fewer bits where the target does so."""
        roundoff = self.target.matmul_input_roundoff
        found = [values[0] for values in self.reads((x,))]
        if roundoff:
            unit = spacing(x, Format("input", 1 - int(np.log2(roundoff)), -126, 127))
            found += [np.trunc(x / unit) * unit, nearest(np.rint(x / unit) * unit, self.format)]
        return self.chosen(found)


class Accumulator:
    """Partial sums of a machine: in the declared format or a wider one, rounded or truncated, flushed as its arrays."""

    def __init__(self, machine: Machine) -> None:
        target, self.machine = machine.target, machine
        self.format = target.accumulator or target.format
        self.truncating = target.truncating_accumulator
        self.wider = machine.choices.pick(2) == 1

    def outcomes(self, high: np.ndarray, low: np.ndarray) -> list[np.ndarray]:
        if self.format is FLOAT64:
            return [high]
        exact = to_odd(high, low)
        found = [nearest(exact, self.format)]
        if self.truncating:
            found.append(truncated(exact, self.format))
        if self.wider:
            found.append(nearest(exact, FLOAT32) if self.format in _HALVES else high)
        below = np.abs(high) < self.machine.tiny
        return found + self.machine.flushed(found[:1], below)

    def number(self, high: np.ndarray, low: np.ndarray) -> np.ndarray:
        return self.machine.chosen(self.outcomes(high, low))

    def total(self, terms: list[tuple[np.ndarray, Exact | None]]) -> np.ndarray:
        """The sum. terms: each rounded, and the exact product where it is one."""
        if not terms:
            raise ValueError("Accumulator.total: terms must be one or more")
        shape = np.broadcast_shapes(*(np.shape(x) for x, _ in terms))
        terms = [(np.broadcast_to(x, shape), p) for x, p in terms]
        order = self.machine.choices.pick(_ORDERS)
        if order in (2, 3):
            terms = _sorted(terms, descending=order == 3)
        elif order == 1:
            terms = terms[::-1]
        items = list(terms)
        seed = self.machine.choices.pick(2**31 - 1)
        rng = np.random.default_rng(seed)
        while len(items) > 1:
            if order == 4:  # pairs, then pairs of pairs
                halves = zip(items[::2], items[1::2], strict=False)
                items = [self._added(x, y) for x, y in halves] + items[len(items) // 2 * 2 :]
            else:
                first, second = sorted(rng.choice(len(items), 2, replace=False)) if order == 5 else (0, 1)
                y, x = items.pop(second), items.pop(first)
                items.insert(0, self._added(x, y))
        return self.machine.chosen(self.machine.outcomes(*identity(items[0][0])))

    def _added(self, x: tuple[np.ndarray, Exact | None], y: tuple[np.ndarray, Exact | None]) -> tuple[np.ndarray, None]:
        found = self.outcomes(*two_sum(x[0], y[0]))
        for (_, product), (other, _) in ((x, y), (y, x)):
            if product is not None:
                found += self.outcomes(*plus(product, other))
        return self.machine.chosen(found), None


def _sorted(terms: list[tuple[np.ndarray, Exact | None]], descending: bool) -> list[tuple[np.ndarray, Exact | None]]:
    """The terms by magnitude, for each element of the sum alone."""
    values = np.stack([x for x, _ in terms])
    order = np.argsort(-np.abs(values) if descending else np.abs(values), axis=0, kind="stable")
    values = np.take_along_axis(values, order, axis=0)
    if any(p is None for _, p in terms):
        return [(x, None) for x in values]
    high, low = (np.take_along_axis(np.stack([p[k] for _, p in terms]), order, axis=0) for k in (0, 1))
    return [(x, (h, v)) for x, h, v in zip(values, high, low, strict=True)]
