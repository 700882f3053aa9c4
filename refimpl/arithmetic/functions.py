"""The elementary functions in float64, and the facts about each that bounds rely on, apart from its declared error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic.special import erf, erfc, rsqrt
from refimpl.types import Array, Float64Array


@dataclass(frozen=True)
class Elementary:
    """A function of one array, monotone where it is defined.

    name: under which a target declares its error. evaluate: the function in float64. reference_ulp: largest error of
    `evaluate`, in ulp. nonnegative: no target returns a negative number, whatever its error. lowest: where the domain
    begins. open_: the domain does not contain `lowest`.
    """

    name: str
    evaluate: Callable[[Float64Array], Float64Array]
    reference_ulp: float = 2.0  # NumPy and the C library are known to make 1.2, and 1.5 for erf
    nonnegative: bool = False
    lowest: float = -np.inf
    open_: bool = False


# The function of NumPy, or the operation, that a formula calls, and what is known of it.
MONOTONE: dict[Callable[..., Array], Elementary] = {
    np.sqrt: Elementary("sqrt", np.sqrt, reference_ulp=0.5, nonnegative=True, lowest=0.0),
    rsqrt: Elementary("rsqrt", rsqrt, nonnegative=True, lowest=0.0, open_=True),
    np.exp: Elementary("exp", np.exp, nonnegative=True),
    np.expm1: Elementary("expm1", np.expm1),
    np.log: Elementary("log", np.log, lowest=0.0, open_=True),
    np.log1p: Elementary("log1p", np.log1p, lowest=-1.0, open_=True),
    np.tanh: Elementary("tanh", np.tanh),
    erf: Elementary("erf", erf),
    erfc: Elementary("erfc", erfc, reference_ulp=6.0, nonnegative=True),  # known to make 5.2
}

# Waves: bounded by 1, with slopes of at most 1.
WAVES: dict[Callable[..., Array], Elementary] = {np.sin: Elementary("sin", np.sin), np.cos: Elementary("cos", np.cos)}

POWER_REFERENCE_ULP = 2.0
