"""Results that say how accurate they are."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from refimpl.types import Float64Array

Value = TypeVar("Value", float, Float64Array)


class Bracket(NamedTuple):
    """lower <= x <= upper for the exact number x, with all rounding errors included.

    Brackets hold for every finite input and at any depth. For a number above the largest float, lower is that float
    and upper is infinity.
    """

    lower: float
    upper: float


class Estimate(NamedTuple, Generic[Value]):
    """A value and the size of its error: two floats, or two arrays of one shape.

    The function that returns an estimate says what the error is.
    """

    value: Value
    error: Value
