"""The learned slope: worked numbers, difference quotients, equivalence with the fixed slope, bounds, bad input."""

import mpmath
import numpy as np
import pytest

from refimpl.activations import LeakyReLU
from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.layers import PReLU

STEP = mpmath.mpf(10) ** -16


def drawn(seed, features):
    rng = np.random.default_rng(seed)
    return rng.uniform(-2, 2, features), rng.normal(size=(3, 5, 7)), rng.normal(size=(3, 5, 7))


@pytest.mark.parametrize("slopes", [1, 7])
def test_gradients_are_the_limits_of_difference_quotients(slopes):
    """The layer is linear in the slope, and in x away from 0: a central quotient has rounding alone, 100 products."""
    slope, x, cotangent = drawn(1, slopes)
    exact = [Multiprecision(a) for a in (slope, x, cotangent)]
    gradients, x_cotangent = PReLU().backward({"slope": exact[0]}, exact[1], exact[2])
    directions = [Multiprecision(np.random.default_rng(2).uniform(-1, 1, a.shape)) for a in (slope, x)]

    def along(t, slope_share, x_cotangent):
        moved = exact[0] + t * slope_share * directions[0], exact[1] + t * x_cotangent * directions[1]
        return (PReLU().forward({"slope": moved[0]}, moved[1]) * exact[2]).sum()

    with mpmath.workdps(DIGITS):
        allowed = 1000 * mpmath.mpf(10) ** -DIGITS / STEP
    for which, derivative in (((1, 0), gradients["slope"]), ((0, 1), x_cotangent)):
        quotient = (along(STEP, *which) - along(-STEP, *which)) / (2 * STEP)
        assert abs((derivative * directions[which[1]]).sum() - quotient).value <= allowed


def test_one_shared_slope_is_the_leaky_rectifier():
    _, x, cotangent = drawn(3, 1)
    actual = PReLU().backward({"slope": np.array([0.25])}, x, cotangent)[1]
    assert np.array_equal(PReLU().forward({"slope": np.array([0.25])}, x), LeakyReLU(slope=0.25).forward(x))
    assert np.array_equal(actual, LeakyReLU(slope=0.25).backward(x, cotangent))


def test_worked_numbers_and_the_slope_at_zero():
    x, cotangent = np.array([[-2.0, 3.0], [0.0, -1.0]]), np.array([[5.0, 7.0], [11.0, 13.0]])
    parameters = {"slope": np.array([0.25, -0.5])}
    assert PReLU().forward(parameters, x).tolist() == [[-0.5, 3.0], [0.0, 0.5]]
    gradients, x_cotangent = PReLU().backward(parameters, x, cotangent)
    assert gradients["slope"].tolist() == [-10.0, -13.0]
    assert x_cotangent.tolist() == [[1.25, 7.0], [2.75, -6.5]]


def test_bounds_hold_for_float32():
    slope, x, cotangent = (a.astype(np.float32) for a in drawn(4, 7))
    target = Target(FLOAT32)
    certified = [RunningError.exact(a, target) for a in (slope, x, cotangent)]
    gradients, x_cotangent = PReLU().backward({"slope": certified[0]}, certified[1], certified[2])
    below = np.minimum(x, np.float32(0))
    value = PReLU().forward({"slope": certified[0]}, certified[1])
    assert value.within(np.where(x > 0, x, slope * x)).all()
    assert gradients["slope"].within((cotangent * below).reshape(-1, 7).sum(axis=0)).all()
    assert x_cotangent.within(np.where(x > 0, cotangent, slope * cotangent)).all()
    assert (value.bound <= 4 * FLOAT32.unit_roundoff * np.abs(value.value) + FLOAT64.unit_roundoff).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: PReLU().forward({"slope": np.ones(2)}, np.ones((5, 3))), ["PReLU", "slope", "(1,)", "(3,)", "(2,)"]),
        (lambda: PReLU().forward({"slope": np.ones(1)}, np.array(1.0)), ["PReLU", "slope", "()"]),
        (lambda: PReLU().forward({"alpha": np.ones(1)}, np.ones(3)), ["PReLU", "slope", "alpha"]),
        (lambda: PReLU().backward({"slope": np.ones(1)}, np.ones(3), np.ones(2)), ["cotangent", "(2,)", "(3,)"]),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(ValueError) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words)


def test_the_derivatives_at_nan_are_nan():
    gradients, x_cotangent = PReLU().backward(
        {"slope": np.array([0.3, 0.2])}, np.array([[np.nan, -1.0]]), np.ones((1, 2))
    )
    assert np.isnan([gradients["slope"][0], x_cotangent[0, 0]]).all()
    assert np.isfinite([gradients["slope"][1], x_cotangent[0, 1]]).all()
