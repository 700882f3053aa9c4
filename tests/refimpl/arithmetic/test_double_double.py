"""Twice float64: sums and products against exact rationals, functions against 50 digits, infinities, shapes."""

import operator
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import erfc, from_double_double, pi, to_double_double
from refimpl.arithmetic.double_double import DoubleDouble
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.refimpl.precision import ulps

RELATIVE_ERROR = Fraction(1, 2**98)
OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def drawn(seed, size=300):
    """Numbers of two parts, of magnitudes where products neither overflow nor underflow."""
    rng = np.random.default_rng(seed)
    high = rng.choice([-1, 1], size) * 2.0 ** rng.uniform(-100, 100, size)
    return DoubleDouble(high, high * rng.uniform(-1, 1, size) * 2.0**-54)


def rationals(x):
    return [Fraction(float(high)) + Fraction(float(low)) for high, low in zip(x.value, x.low, strict=True)]


@pytest.mark.parametrize("sign", OPERATIONS)
def test_arithmetic_has_twice_the_precision(sign):
    """Relative to the terms for sums, which may cancel, and to the result for the others."""
    a, b, operation = drawn(1), drawn(2), OPERATIONS[sign]
    for x, y, found in zip(rationals(a), rationals(b), rationals(operation(a, b)), strict=True):
        exact = operation(x, y)
        assert abs(found - exact) <= RELATIVE_ERROR * (abs(x) + abs(y) if sign in "+-" else abs(exact))


def test_root_and_pi_have_twice_the_precision():
    x = abs(drawn(3))
    for square, root in zip(rationals(x), rationals(np.sqrt(x)), strict=True):
        assert abs(root * root - square) <= 2 * RELATIVE_ERROR * square
    with mpmath.workdps(DIGITS):
        array = pi(to_double_double(np.zeros(1)))
        assert abs(mpmath.mpf(float(array.value)) + mpmath.mpf(float(array.low)) - mpmath.pi) < mpmath.mpf(2) ** -104


def test_sum_keeps_what_float64_would_lose_beside_one():
    for others in ([1e-300], [1e-20, 3e-20], [0.25] * 5, [2.0**-60] * 4):
        x = to_double_double(np.array([[1.0, *others], [*others, 1.0]]))
        assert from_double_double(np.sum(x, axis=-1) - 1).tolist() == [sum(others)] * 2
        assert np.sum(x, axis=-1, keepdims=True).shape == (2, 1)
        assert np.array_equal(from_double_double(np.sum(x, axis=0)), x.value[0] + x.value[1])


@pytest.mark.parametrize(
    ("function", "lowest", "highest", "allowed"),
    [(np.exp, -700, 700, 2), (np.log1p, -0.5, 100, 2), (erfc, -5, 26, 3)],
    ids=["exp", "log1p", "erfc"],
)
def test_functions_of_two_parts_add_one_rounding_to_that_of_the_first(function, lowest, highest, allowed):
    """NumPy's exp and log1p are within 1.5 ulp, the C library's erfc within 2.5."""
    rng = np.random.default_rng(4)
    high = rng.uniform(lowest, highest, 400)
    x = DoubleDouble(high, high * rng.uniform(-1, 1, 400) * 2.0**-54)
    exact = function(Multiprecision(x.value) + Multiprecision(x.low))
    assert (ulps(function(x), exact) <= allowed).all()


def test_sine_of_two_parts_is_as_accurate_as_that_of_the_first():
    rng = np.random.default_rng(5)
    high = rng.uniform(0, np.pi / 2, 400)
    x = DoubleDouble(high, high * rng.uniform(-1, 1, 400) * 2.0**-54)
    sine, argument = (Multiprecision(array.value) + Multiprecision(array.low) for array in (np.sin(x), x))
    error = sine - np.sin(argument)
    of_first = Multiprecision(np.sin(high)) - np.sin(Multiprecision(high))
    assert (abs(error - of_first) <= float(RELATIVE_ERROR)).all()


def test_minimum_and_absolute_value_look_at_both_parts():
    one = np.ones(2)
    above, below = DoubleDouble(one, one * 2.0**-80), DoubleDouble(one, -one * 2.0**-80)
    assert (np.minimum(above, below).low == -(2.0**-80)).all()
    assert (np.minimum(above, 1.0).low == 0).all()
    assert (abs(-above).low == 2.0**-80).all()


@pytest.mark.filterwarnings("error")
def test_infinities_stay_infinite_without_a_warning():
    x = to_double_double(np.array([1e200, -1e200, np.inf, 0.0]))
    assert from_double_double(x * x * x).tolist() == [np.inf, -np.inf, np.inf, 0.0]
    assert np.exp(-(x * x)).tolist() == [0.0, 0.0, 0.0, 1.0]
    assert from_double_double(x + 1e200)[2] == np.inf


def test_other_arithmetics_and_shapes_pass_through():
    array = Multiprecision(np.ones(3))
    assert to_double_double(array) is array
    assert from_double_double(array) is array
    x = to_double_double(np.arange(6.0).reshape(2, 3))
    assert from_double_double(x[:, 1:]).tolist() == [[1.0, 2.0], [4.0, 5.0]]
    assert from_double_double(x.T * to_double_double(np.array(2.0))).shape == (3, 2)
    assert from_double_double(to_double_double(np.array(2.0)) * np.array(3.0)).shape == ()
