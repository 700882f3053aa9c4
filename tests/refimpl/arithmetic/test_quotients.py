"""The quotient: by a division in float64, with a bound for targets that multiply by a reciprocal."""

from fractions import Fraction

import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, Target, quotient

TARGET = Target(FLOAT32)


@pytest.fixture
def pair():
    """Float32 numbers, among them quotients on both sides of powers of two, where units in the last place double."""
    generator = np.random.default_rng(3)
    denominator = generator.uniform(1, 4, 20_000).astype(np.float32)
    factor = generator.choice([0.5, 1.0, 2.0], 20_000) * (1 + generator.integers(-3, 4, 20_000) * 2.0**-23)
    numerator = np.where(generator.random(20_000) < 0.5, denominator * factor, generator.standard_normal(20_000))
    return numerator.astype(np.float32), denominator


def test_plain_numbers_are_divided():
    a, b = np.array([1.0, 5.0, -7.0]), np.array([3.0, 49.0, 0.3])
    assert np.array_equal(quotient(a, b), a / b)
    assert not np.array_equal(quotient(a, b), a * (1 / b))


def test_the_bound_holds_for_a_division_and_for_a_reciprocal_and_a_divisions_own_does_not(pair):
    a, b = (RunningError.exact(x, TARGET) for x in pair)
    numerator, denominator = pair
    by_reciprocal = numerator * (np.float32(1) / denominator)
    bounded = quotient(a, b)
    assert bounded.within(numerator / denominator).all()
    assert bounded.within(by_reciprocal).all()
    assert not (a / b).within(by_reciprocal).all()


def test_the_bound_is_no_more_than_two_relative_roundings(pair):
    """In fractions; float64, in which bounds are computed, adds 2**-29 of that."""
    bounded = quotient(*(RunningError.exact(x, TARGET) for x in pair))
    roundings = (1 + Fraction(FLOAT32.unit_roundoff)) ** 2 - 1
    for numerator, denominator, bound in list(zip(*pair, bounded.bound, strict=True))[::97]:
        exact = abs(Fraction(float(numerator)) / Fraction(float(denominator)))
        assert Fraction(float(bound)) < exact * roundings * (1 + Fraction(1, 2**28)) + Fraction(1, 2**140)


def test_one_running_error_operand_is_enough():
    certified, plain = RunningError.exact(np.array([3.0]), TARGET), np.array([7.0])
    assert quotient(certified, plain).bound > (certified / plain).bound
    assert quotient(plain, certified).bound > (plain / certified).bound


def test_a_divisor_that_may_be_zero_has_no_bound():
    a, b = (RunningError.exact(np.array([x]), TARGET) for x in (1.0, 3.0))
    assert np.isnan(quotient(a, b - b).bound).all()
