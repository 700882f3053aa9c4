"""Sums and means: what rounding may make of them in any order of additions, and how sharp that is."""

import math

import numpy as np
import pytest

from refimpl.arithmetic import BFLOAT16, FLOAT16, Format, RunningError, Target, moving_average

TWO_BITS = Format("two bits", 2, -1022, 1023)
THREE_BITS = Format("three bits", 3, -1022, 1023)


def to_nearest(x, bits):
    """An integer rounded to so many significant bits, ties to even."""
    drop = abs(x).bit_length() - bits
    if drop <= 0:
        return x
    quotient, rest = divmod(x, 1 << drop)
    return (quotient + (2 * rest > 1 << drop or (2 * rest == 1 << drop and quotient & 1))) << drop


def sums_in_every_order(bits, terms, largest, signs):
    """(computed sum, exact sum, sum of magnitudes) of so many numbers, associated in any way."""
    found = {1: {(s * x, s * x, x) for x in range(1, largest + 1) if to_nearest(x, bits) == x for s in signs}}
    for n in range(2, terms + 1):
        found[n] = {
            (to_nearest(computed + other, bits), exact + of_other, size + more)
            for k in range(1, n // 2 + 1)
            for computed, exact, size in found[k]
            for other, of_other, more in found[n - k]
            if size + more <= largest
        }
    return found


@pytest.mark.parametrize(
    ("format_", "terms", "largest", "signs"),
    [(TWO_BITS, 4, 160, (1,)), (THREE_BITS, 7, 60, (1,)), (TWO_BITS, 3, 24, (1, -1)), (THREE_BITS, 4, 12, (1, -1))],
)
def test_no_order_of_additions_leaves_the_bound(format_, terms, largest, signs):
    """All of them, in formats so narrow that errors of second order are large."""
    target = Target(format_)
    for n, sums in sums_in_every_order(format_.precision, terms, largest, signs).items():
        # As the bound depends on the magnitudes and the value alone, one array stands for all with these.
        relative = np.sum(RunningError(np.ones(n), np.zeros(n), target)).bound / n
        assert max(abs(computed - exact) / size for computed, exact, size in sums) <= relative


def rounded_upwards(format_, terms):
    """A chain of additions each of which rounds up by nearly half a unit: terms, computed and exact sum."""
    total, addends = 1.0, [1.0]
    for _ in range(terms - 1):
        addends.append(float(format_.round(float(format_.ulp(total)) / 2 * (1 + 2 * format_.unit_roundoff))))
        total = float(format_.round(total + addends[-1]))
    return np.array(addends), total, math.fsum(addends)


@pytest.mark.parametrize(
    ("format_", "terms", "sharp"),
    [(BFLOAT16, 16, 0.9), (BFLOAT16, 192, 0.75), (BFLOAT16, 700, 0.9), (FLOAT16, 512, 0.75), (FLOAT16, 4000, 0.85)],
)
def test_sums_in_sixteen_bits_are_bounded_by_less_than_their_terms_and_nearly_reach_it(format_, terms, sharp):
    addends, computed, exact = rounded_upwards(format_, terms)
    found = np.sum(RunningError.exact(addends, Target(format_)))
    assert found.bound < exact
    assert sharp < (computed - exact) / found.bound <= 1


def test_a_chain_that_rounds_upwards_passes_what_a_stagnating_one_can_reach():
    """So that n u / (1 + n u) is no bound beyond n u = 1/2."""
    addends, computed, exact = rounded_upwards(BFLOAT16, 192)
    reached = len(addends) * BFLOAT16.unit_roundoff
    assert (computed - exact) / exact > reached / (1 + reached)


@pytest.mark.parametrize("terms", [1, 2, 8, 64])
def test_a_mean_of_a_power_of_two_of_terms_is_off_by_their_sum_alone(terms):
    x = RunningError.exact(np.full(terms, 1.0), Target(BFLOAT16))
    mean, total = np.mean(x), np.sum(x)
    rounding = mean.bound - total.bound / terms
    assert 0 <= rounding <= BFLOAT16.smallest_subnormal + mean.bound * 2.0**-48


def test_a_mean_is_divided_with_the_declared_error():
    x = RunningError.exact(np.ones(8), Target(BFLOAT16, functions={"bfloat16": {"divide": 1.5}}))
    assert np.mean(x).bound > np.mean(RunningError.exact(np.ones(8), Target(BFLOAT16))).bound


@pytest.mark.parametrize(("decay", "sharp"), [(0.0, 0.9), (0.5, 0.95)])
def test_bounds_of_moving_averages_count_no_rounding_of_a_product_with_a_power_of_two(decay, sharp):
    """In the form average + (1 - decay) * (value - average), over all pairs of numbers of four binades."""
    round_ = BFLOAT16.round
    grid = np.outer([0.25, 0.5, 1.0, 2.0], np.arange(128, 256) / 128).ravel()
    average, value = (x.ravel() for x in np.meshgrid(grid, np.concatenate([-grid, grid])))
    weight = round_(1 - decay)
    found = round_(average + round_(weight * round_(value - average)))
    old, new = (RunningError.exact(x, Target(BFLOAT16)) for x in (average, value))
    certified = moving_average(old, new, old.hyperparameter(decay))
    assert sharp < np.max(abs(found - certified.value) / certified.bound) <= 1


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.75, 0.9, 0.999])
def test_one_minus_a_decay_is_exact_where_floating_point_numbers_make_it_so(decay):
    like = RunningError.exact([1.0], Target(BFLOAT16))
    weight = 1 - like.hyperparameter(decay)
    assert weight.bound == 0
    assert weight.value == 1 - decay
    assert (1 - like.hyperparameter(0.1)).bound > 0
