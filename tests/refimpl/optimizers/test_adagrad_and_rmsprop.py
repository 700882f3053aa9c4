"""Adagrad and RMSprop in closed form."""

import dataclasses
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl import optimizers
from refimpl.arithmetic.multiprecision import DIGITS
from tests.refimpl.optimizers.runs import assert_same_bits, assert_within_4_ulp_per_step, changes_of, exactly, path_of


def test_adagrad_on_a_constant_gradient_steps_by_the_inverse_roots_of_the_counts():
    path = path_of(optimizers.Adagrad(1.0, epsilon=0.0), [np.array([3.0, -0.25])] * 1000)
    with mpmath.workdps(DIGITS):
        total = mpmath.nsum(lambda k: 1 / mpmath.sqrt(k), [1, 1000])
        approximate = 2 * mpmath.sqrt(1000) + mpmath.zeta(0.5) + 1 / mpmath.sqrt(4000)
        assert abs(total - approximate) < mpmath.mpf(10) ** -5  # the next term of Euler and Maclaurin's sum
    assert_within_4_ulp_per_step(path[-1], exactly(lambda g: -mpmath.sign(g) * total, np.array([3.0, -0.25])), 1000)
    assert np.round(-path[-1, 0], 8) == 61.80100877


def test_adagrad_that_starts_its_accumulator_above_zero_steps_shorter():
    spec = optimizers.Adagrad(1.0, initial_accumulator=0.1, epsilon=0.0, epsilon_placement="inside")
    exact = exactly(lambda k: -3 / mpmath.sqrt(mpmath.mpf(0.1) + 9 * k), np.arange(1.0, 5))
    assert_within_4_ulp_per_step(changes_of(spec, [np.array(3.0)] * 4), exact, np.arange(1, 5))


def test_adagrad_decays_its_rate_by_the_steps_before():
    spec = optimizers.Adagrad(1.0, learning_rate_decay=0.5, epsilon=0.0)
    state = {"accumulator": np.array(0.0)}
    for taken, rate in enumerate([1.0, Fraction(2, 3), 0.5, 0.4]):
        change, _ = spec.step(np.array(0.0), np.array(-4.0), state | {"step": taken})
        assert change == float(rate)


@pytest.mark.parametrize(
    ("centered", "form", "known"),
    [
        (False, lambda k, a: 1 / mpmath.sqrt(1 - a**k), [10.0, 7.0888, 5.8025]),
        (True, lambda k, a: 1 / mpmath.sqrt((1 - a**k) * a**k), [10.0504, 7.1604, 5.8906]),
    ],
)
def test_rmsprop_on_a_constant_gradient_steps_by_what_its_average_lacks(centered, form, known):
    """The second moment has gathered 1 - a**k of the square, the variance (1 - a**k) a**k."""
    gradient = np.array([1.0, -3.7, 2e-4])
    spec = optimizers.RMSprop(1.0, 0.99, 0.0, centered=centered)
    changes, counts = changes_of(spec, [gradient] * 3), np.arange(1.0, 4)[:, None]
    operands = np.broadcast_arrays(gradient, counts, 0.99)
    assert_within_4_ulp_per_step(changes, exactly(lambda g, k, a: -mpmath.sign(g) * form(k, a), *operands), counts)
    assert np.round(-changes[:, 0], 4).tolist() == known


@pytest.mark.parametrize(("placement", "known"), [("outside", 99.0099), ("inside", 10.0)])
def test_first_step_shows_where_rmsprop_adds_epsilon(placement, known):
    path = path_of(optimizers.RMSprop(1.0, 0.99, 0.01, epsilon_placement=placement), [np.array(1e-3)])
    assert np.round(-path[1] / 1e-3, 4) == known


def test_centered_rmsprop_divides_by_the_root_of_the_variance():
    """Decay 0.9, gradient 4: the variance is 1.6 - 0.16 = 1.44."""
    path = path_of(optimizers.RMSprop(1.2, 0.9, 0.0, centered=True), [np.array(4.0)])
    assert np.round(path[1], 12) == -4.0


@pytest.mark.parametrize("placement", ["outside", "inside"])
@pytest.mark.parametrize("rate", ["outside", "inside"])
def test_momentum_of_rmsprop_without_memory_is_that_of_sgd_on_the_signs(placement, rate):
    """Decay 0 and epsilon 0 leave g / |g|; the momentum of SGD is checked above, in rationals."""
    gradients = [np.array([3.0, -0.1]), np.array([-7e-5, -2.0]), np.array([0.3, 1e4])] * 2
    divided = optimizers.RMSprop(0.25, decay=0.0, epsilon=0.0, momentum=0.75, epsilon_placement=placement, rate=rate)
    summed = optimizers.SGD(0.25, 0.75, rate=rate)
    left, right = (np.array([1.5, -0.5]), divided.init(np.zeros(2))), (np.array([1.5, -0.5]), summed.init(np.zeros(2)))
    for step, gradient in enumerate(gradients):
        slower = {"learning_rate": 0.25 / (step + 1)}
        left = dataclasses.replace(divided, **slower).step(left[0], gradient, left[1])
        right = dataclasses.replace(summed, **slower).step(right[0], np.sign(gradient), right[1])
        assert_same_bits((left[0], left[1]["velocity"]), (right[0], right[1]["velocity"]))
