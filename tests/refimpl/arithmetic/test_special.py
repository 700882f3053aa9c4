"""erf, erfc and 1 / sqrt on plain arrays."""

import math

import numpy as np
import pytest

from refimpl.arithmetic import erf, erfc, rsqrt
from refimpl.arithmetic.multiprecision import Multiprecision
from tests.refimpl.precision import ulps

NUMBERS = np.concatenate([np.linspace(-5, 25, 400), [0.0, 1e-300, -1e-20]])


@pytest.mark.parametrize(("function", "within"), [(erf, 2), (erfc, 6), (rsqrt, 2)])
def test_values_are_within_a_few_ulp_of_50_digits(function, within):
    x = NUMBERS[NUMBERS > 0] if function is rsqrt else NUMBERS
    assert ulps(function(x), function(Multiprecision(x))).max() <= within


@pytest.mark.parametrize("function", [erf, erfc, rsqrt])
@pytest.mark.parametrize("shape", [(), (0,), (2, 0), (2, 3)])
def test_shape_and_type_are_kept(function, shape):
    result = function(np.full(shape, 0.5))
    assert result.shape == shape
    assert result.dtype == np.float64


def test_a_python_number_is_an_array_without_dimensions():
    assert (float(erf(0.5)), float(erfc(0.5)), float(rsqrt(4.0))) == (math.erf(0.5), math.erfc(0.5), 0.5)


def test_rsqrt_has_the_limits_of_one_over_a_root(recwarn):
    assert np.array_equal(rsqrt(np.array([0.0, -1.0, np.inf, np.nan])), [np.inf, np.nan, 0.0, np.nan], equal_nan=True)
    assert not recwarn.list
