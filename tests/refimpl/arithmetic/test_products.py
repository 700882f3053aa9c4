"""Products of several factors: every order of multiplication stays within one bound, and so does the exact product."""

import itertools
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest

from refimpl.arithmetic import FLOAT16, FLOAT32, RunningError, Target, product
from refimpl.arithmetic.multiprecision import Multiprecision
from tests.refimpl.precision import ulps

TYPES = {"float16": np.float16, "float32": np.float32}


def orders(factors):
    """Every product of the factors, two at a time in any order."""
    if len(factors) == 1:
        yield factors[0]
        return
    for i, j in itertools.combinations(range(len(factors)), 2):
        rest = [x for k, x in enumerate(factors) if k not in (i, j)]
        yield from orders([*rest, factors[i] * factors[j]])


@pytest.mark.parametrize("format_", [FLOAT16, FLOAT32], ids=lambda f: f.name)
@pytest.mark.parametrize("count", [2, 3, 4])
@np.errstate(over="ignore", under="ignore")
def test_every_order_and_the_exact_product_stay_within_the_bound(format_, count):
    """Magnitudes around 1 and at the lower end of the range, where underflow is magnified by the other factors."""
    rng = np.random.default_rng(count)
    exponents = np.where(rng.random((count, 3000)) < 0.5, rng.uniform(-1, 1, (count, 3000)), 0)
    exponents = exponents + np.where(rng.random((count, 3000)) < 0.3, rng.uniform(-12, 6, (count, 3000)), 0)
    factors = (rng.choice([-1, 1], exponents.shape) * 2.0**exponents).astype(TYPES[format_.name])
    bound = product(*(RunningError.exact(x, Target(format_)) for x in factors))
    assert np.isfinite(bound.bound).mean() > 0.9
    worst = 0.0
    for found in orders(list(factors)):
        assert bound.within(found).all()
        worst = max(worst, np.nanmax(np.abs(found - bound.value) / bound.bound))
    assert worst > 0.4
    for element in range(0, 3000, 100):
        exact = reduce(lambda a, b: a * b, (Fraction(float(x)) for x in factors[:, element]))
        assert not abs(exact - Fraction(float(bound.value[element]))) > bound.bound[element]


def test_factors_with_errors_and_hyperparameters_are_covered():
    """Every corner of the factors' bounds, in float32; the coefficient is rounded from float64."""
    rng = np.random.default_rng(5)
    target = Target(FLOAT32)
    values = rng.uniform(0.5, 2, (2, 500)).astype(np.float32)
    errors = np.float32(2.0**-20) * rng.integers(0, 3, (2, 500)).astype(np.float32)
    factors = [
        RunningError(v.astype(np.float64), e.astype(np.float64), target) for v, e in zip(values, errors, strict=True)
    ]
    bound = product(*factors, factors[0].hyperparameter(0.1), 3)
    for signs in itertools.product([-1, 1], repeat=2):
        corner = [v + np.float32(s) * e for v, e, s in zip(values, errors, signs, strict=True)]
        for found in orders([*corner, np.float32(0.1), np.float32(3)]):
            assert bound.within(found).all()


def test_rounding_of_hyperparameters_to_the_format_is_covered():
    rng = np.random.default_rng(7)
    x = rng.uniform(1, 2, 100).astype(np.float32)
    certified = RunningError.exact(x, Target(FLOAT32))
    for _ in range(100):
        numbers = rng.uniform(1, 1.2, 5)
        bound = product(certified, *(certified.hyperparameter(v) for v in numbers))
        assert bound.within(reduce(lambda a, b: a * np.float32(b), numbers, x)).all()


def test_an_order_that_may_leave_the_range_leaves_no_bound():
    target = Target(FLOAT32)
    huge, tiny = (RunningError.exact(np.array([x]), target) for x in (1e30, 1e-30))
    assert not np.isfinite(product(huge, huge, tiny).bound).any()
    assert np.isfinite(product(huge, tiny, tiny).bound).all()


def test_plain_arrays_and_50_digits_multiply_from_left_to_right():
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(3, 5)), rng.normal(size=5)
    assert np.array_equal(product(a, b, 3.0), a * b * 3.0)
    exact = product(Multiprecision(a), b, 3.0)
    assert (ulps(product(a, b, 3.0), exact) <= 2).all()
