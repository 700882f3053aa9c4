"""Results that say how accurate they are."""

from __future__ import annotations

from typing import Any, NamedTuple


class Bracket(NamedTuple):
    """The number lies in [lower, upper], all rounding errors included, for every finite input and at any depth.

    Ends beyond the range of floats are the largest float below, infinity above.
    """

    lower: float
    upper: float


class Estimate(NamedTuple):
    """A value, a float or an array, and the size of its error, of the same shape; what it means, the function says."""

    value: Any
    error: Any
