"""The arithmetics that one formula can be evaluated in: float64, running error bounds, 50 digits."""

from refimpl.arithmetic.averages import moving_average
from refimpl.arithmetic.decays import decayed_parameter, fused_decay
from refimpl.arithmetic.dispatch import constant, pi
from refimpl.arithmetic.double_double import from_double_double, to_double_double
from refimpl.arithmetic.evaluation_orders import covering
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
from refimpl.arithmetic.quotients import mean_of_sum, quotient
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
    "constant",
    "covering",
    "decayed_parameter",
    "erf",
    "erfc",
    "finite",
    "forms",
    "from_double_double",
    "fused_decay",
    "mean_of_sum",
    "moving_average",
    "nan_at_nan",
    "pi",
    "product",
    "quotient",
    "rsqrt",
    "to_double_double",
]
