"""The elementary functions in float64, and the facts about each that bounds rely on, apart from its declared error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic.special import erf, erf_ufunc, erfc, erfc_ufunc, rsqrt, rsqrt_ufunc


@dataclass(frozen=True)
class Elementary:
    """A function of one array, monotone where it is defined.

    name: under which a target declares its error. evaluate: the function in float64. reference_ulp: largest error of
    `evaluate`, in ulp. nonnegative: no target returns a negative number, whatever its error. lowest: where the domain
    begins. open_: the domain does not contain `lowest`.
    """

    name: str
    evaluate: Callable[[Any], Any]
    reference_ulp: float = 2.0  # NumPy and the C library are known to make 1.2, and 1.5 for erf
    nonnegative: bool = False
    lowest: float = -np.inf
    open_: bool = False


MONOTONE: dict[np.ufunc, Elementary] = {
    np.sqrt: Elementary("sqrt", np.sqrt, reference_ulp=0.5, nonnegative=True, lowest=0.0),
    rsqrt_ufunc: Elementary("rsqrt", rsqrt, nonnegative=True, lowest=0.0, open_=True),
    np.exp: Elementary("exp", np.exp, nonnegative=True),
    np.expm1: Elementary("expm1", np.expm1),
    np.log: Elementary("log", np.log, lowest=0.0, open_=True),
    np.log1p: Elementary("log1p", np.log1p, lowest=-1.0, open_=True),
    np.tanh: Elementary("tanh", np.tanh),
    erf_ufunc: Elementary("erf", erf),
    erfc_ufunc: Elementary("erfc", erfc, reference_ulp=6.0, nonnegative=True),  # known to make 5.2
}

# Waves: bounded by 1, with slopes of at most 1.
WAVES: dict[np.ufunc, Elementary] = {np.sin: Elementary("sin", np.sin), np.cos: Elementary("cos", np.cos)}

POWER_REFERENCE_ULP = 2.0
