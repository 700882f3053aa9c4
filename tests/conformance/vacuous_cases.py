"""Cases that are vacuous, each in its own way, and cases that are not: the suite must tell them apart."""

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from conformance import case
from conformance.subjects import Unsupported
from refimpl.arithmetic import RunningError


def seeded(function):
    mark = case(
        statement="Nothing.", source="seeded", kind="property", catches="nothing at all", capability="activation"
    )
    return mark(function)


def ones(subject):
    return np.ones(5, dtype=subject.array_dtype)


def certified(subject, value, bound):
    return RunningError(np.full(5, value), np.full(5, bound), subject.target)


@seeded
def test_sound(subject, compare):
    compare.within(ones(subject), certified(subject, 1.0, 0.0), "ones")


@seeded
@given(number=st.integers(1, 4))
def test_discards_a_draw(subject, compare, number):
    assume(number != 1)  # which comes first, and compare.example is never called
    compare.equal(ones(subject), np.ones(5), "ones")


@seeded
def test_compares_nothing(subject, compare):
    compare.example(size=5)


@seeded
def test_returns_early(subject, compare):
    for _ in range(0):
        compare.equal(ones(subject), np.ones(5), "ones")


@seeded
def test_compares_empty_arrays(subject, compare):
    compare.equal(ones(subject)[:0], np.ones(0), "ones")


@seeded
def test_masks_most(subject, compare):
    compare.equal(ones(subject)[:4], np.ones(4), "ones")
    compare.within(ones(subject), certified(subject, 1.0, np.nan), "ones")


@seeded
def test_matches_nan_with_nan(subject, compare):
    compare.within(np.nan * ones(subject), certified(subject, np.nan, np.nan), "not a number")


@seeded
def test_bound_exceeds_the_value(subject, compare):
    compare.within(ones(subject), certified(subject, 1.5, 2.0), "ones")


@seeded
def test_bound_of_zeros_is_no_roundoff(subject, compare):
    compare.within(9 * ones(subject), certified(subject, 0.0, 1e9), "zeros")


@seeded
def test_limit_that_all_keep(subject, compare):
    compare.at_most(1.0, np.inf, "statistic")


@seeded
def test_limit_that_all_exceed(subject, compare):
    compare.exceeds(1.0, -np.inf, "number")


@seeded
def test_standard_error_of_any_mean(subject, compare):
    compare.estimate(5.0, 1.0, np.inf, "mean")


@seeded
@given(number=st.integers(0, 10_000))
def test_discards_most_draws(subject, compare, number):
    assume(number % 50 == 0)
    compare.equal(ones(subject), np.ones(5), "ones")


@seeded
def test_gives_up(subject, compare):
    compare.equal(ones(subject), np.ones(5), "ones")
    raise Unsupported("it has no more")
