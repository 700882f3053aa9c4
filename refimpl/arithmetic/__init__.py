"""The arithmetics that one formula can be evaluated in: float64, running error bounds, 50 digits."""

from refimpl.arithmetic.averages import moving_average
from refimpl.arithmetic.decays import joined, shrunk
from refimpl.arithmetic.dispatch import constant, pi
from refimpl.arithmetic.double_double import collapsed, extended
from refimpl.arithmetic.formats import (
    BFLOAT16,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    FORMATS,
    TF32_INPUT_ROUNDOFF,
    Format,
    Target,
)
from refimpl.arithmetic.forms import forms
from refimpl.arithmetic.products import product
from refimpl.arithmetic.quotients import quotient
from refimpl.arithmetic.running_error import RunningError
from refimpl.arithmetic.special import erf, erfc, finite, nan_at_nan, rsqrt

__all__ = [
    "BFLOAT16",
    "FLOAT16",
    "FLOAT32",
    "FLOAT64",
    "FORMATS",
    "TF32_INPUT_ROUNDOFF",
    "Format",
    "RunningError",
    "Target",
    "collapsed",
    "constant",
    "erf",
    "erfc",
    "extended",
    "finite",
    "forms",
    "joined",
    "moving_average",
    "nan_at_nan",
    "pi",
    "product",
    "quotient",
    "rsqrt",
    "shrunk",
]
