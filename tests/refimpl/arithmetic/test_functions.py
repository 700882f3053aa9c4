"""The facts about elementary functions that bounds rely on: accuracy in float64, monotony, domain, sign."""

import numpy as np
import pytest

from refimpl.arithmetic import formats
from refimpl.arithmetic.functions import MONOTONE, POWER_REFERENCE_ULP, WAVES
from refimpl.arithmetic.multiprecision import Multiprecision
from tests.refimpl.precision import ulps

FUNCTIONS = {function.name: (ufunc, function) for ufunc, function in (MONOTONE | WAVES).items()}


def test_a_target_knows_the_functions_whose_accuracy_formulas_need():
    assert set(formats.FUNCTIONS) == {*FUNCTIONS, "power"}


RANGES = {
    "sqrt": (1e-8, 1e8),
    "rsqrt": (1e-3, 1e3),
    "exp": (-700.0, 700.0),
    "expm1": (-3.0, 3.0),
    "log": (1e-3, 1e3),
    "log1p": (-0.9, 3.0),
    "tanh": (-3.0, 3.0),
    "erf": (-3.0, 3.0),
    "erfc": (-2.0, 25.0),
    "sin": (-3.0, 3.0),
    "cos": (-3.0, 3.0),
}


def draws(name, count):
    return np.random.default_rng(11).uniform(*RANGES[name], count)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_functions_are_as_accurate_as_the_bounds_take_them_to_be(name):
    ufunc, function = FUNCTIONS[name]
    x = draws(name, 2000)
    assert ulps(function.evaluate(x), ufunc(Multiprecision(x))).max() <= function.reference_ulp


def test_float64_powers_are_as_accurate_as_the_bounds_take_them_to_be():
    x = np.random.default_rng(11).uniform(0.0, 2.0, 2000)
    assert ulps(x**7.3, Multiprecision(x) ** 7.3).max() <= POWER_REFERENCE_ULP


@pytest.mark.parametrize("function", MONOTONE.values(), ids=lambda function: function.name)
def test_functions_that_are_evaluated_at_the_ends_of_an_interval_are_monotone(function):
    values = function.evaluate(np.sort(draws(function.name, 300)))
    assert len({*np.sign(np.diff(values)).tolist()}) == 1


@pytest.mark.parametrize("function", WAVES.values(), ids=lambda function: function.name)
def test_waves_move_by_no_more_than_their_argument(function):
    x = np.sort(draws(function.name, 300))
    assert (abs(np.diff(function.evaluate(x))) <= np.diff(x)).all()
    assert abs(function.evaluate(x)).max() <= 1


@pytest.mark.parametrize("function", MONOTONE.values(), ids=lambda function: function.name)
def test_functions_are_defined_from_the_stated_lowest_argument_on(function):
    with np.errstate(all="ignore"):
        at, above, below = (
            function.evaluate(x) for x in (function.lowest, np.nextafter(function.lowest, 1.0), function.lowest - 1.0)
        )
    assert np.isfinite(at) != function.open_
    if np.isfinite(function.lowest):
        assert np.isfinite(above) and np.isnan(below)


@pytest.mark.parametrize("function", MONOTONE.values(), ids=lambda function: function.name)
def test_functions_that_are_taken_to_keep_their_sign_are_never_negative(function):
    """Where it is smallest; of the others it is clearly negative at the lower end."""
    with np.errstate(divide="ignore"):
        ends = function.evaluate(np.array([max(function.lowest, -30.0), 30.0]))
    assert (ends.min() >= 0) == function.nonnegative
