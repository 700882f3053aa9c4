"""Decay of a parameter: every form that libraries use, over many steps, and what its bound must not become."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, decayed_parameter, decays, fused_decay
from refimpl.arithmetic.multiprecision import Multiprecision
from tests.attack.comparison import error_over_bound
from tests.attack.rounding import nearest
from tests.attack.targets import target
from tests.refimpl.arithmetic.programs import ELEMENTS, SHARES, TARGETS, decayed_by, inputs
from tests.refimpl.arithmetic.simulated import Machine

STEPS = 30
T = target(FLOAT32)
U = FLOAT32.unit_roundoff
by_shares = pytest.mark.parametrize("shares", SHARES, ids=str)


def drawn(name, seed):
    """A parameter and the directions of its steps, of like sizes."""
    rng = np.random.default_rng(seed)
    scale = np.exp2(rng.integers(-6, 6, ELEMENTS))
    return [nearest(rng.standard_normal(ELEMENTS) * scale, TARGETS[name].format) for _ in range(STEPS + 1)]


def numbers(array, shares):
    return [array.hyperparameter(x) for x in shares]


@by_shares
@pytest.mark.parametrize("name", TARGETS)
def test_no_form_leaves_the_bound_over_many_steps(name, shares):
    t, operation = TARGETS[name], decayed_by(shares)
    start, *directions = drawn(name, seed=23)
    certified = [RunningError.exact(start, t)]
    for direction in directions:
        certified.append(operation.formula(certified[-1], RunningError.exact(direction, t)))
    for seed in range(4):
        machine, parameter = Machine(t, seed), start
        for direction, expected in zip(directions, certified[1:], strict=True):
            with np.errstate(all="ignore"):
                parameter = operation.machine(machine, parameter, direction)
            assert not (error_over_bound(expected, parameter) > 1).any()  # NaN where a float16 may have overflowed
    assert np.isfinite(certified[-1].bound).sum() >= ELEMENTS // 2


def worst(shares, names=("float16", "bfloat16", "float32"), examples=40):
    """The largest error over bound of one step, whatever the sizes of parameter and direction; and how many bounded."""
    operation, counted, largest = decayed_by(shares), Counter(), 0.0
    for name in names:
        t = TARGETS[name]
        for seed in range(examples):
            parameter, direction, _ = inputs(t, seed)
            if seed % 2:
                direction = nearest(
                    parameter * np.random.default_rng(seed).uniform(-2, 2) * 2.0 ** (1 - seed), t.format
                )
            expected = operation.formula(RunningError.exact(parameter, t), RunningError.exact(direction, t))
            for run in range(4):
                with np.errstate(all="ignore"):
                    found = operation.machine(Machine(t, run), parameter, direction)
                ratio = error_over_bound(expected, found)
                counted["all"] += ratio.size
                counted["bounded"] += int((~np.isnan(ratio)).sum())
                largest = max(largest, float(np.nanmax(ratio, initial=0.0)))
    assert counted["bounded"] > counted["all"] // 2
    return largest


@by_shares
def test_one_step_holds_and_a_bound_half_as_wide_would_not(shares):
    assert 0.5 < worst(shares) <= 1


@pytest.mark.parametrize("name", ["bfloat16 summed in float32, flushed", "float32 flushed, float32 hyperparameters"])
@by_shares
def test_one_step_holds_where_small_numbers_are_flushed(shares, name):
    assert worst(shares, [name], examples=60) <= 1


def test_a_factor_alone_does_not_cover_what_libraries_do(monkeypatch):
    assert worst((0.9, 1.1), ["float32"]) <= 1
    factor_alone = {decayed_parameter: lambda p, a, b: p * (1 - a * b), fused_decay: lambda updated, *others: updated}
    monkeypatch.setattr(RunningError, "functions", RunningError.functions | factor_alone)
    assert worst((0.9, 1.1), ["float32"]) > 3


def test_a_sum_of_decay_and_step_has_a_rounding_of_its_own(monkeypatch):
    assert worst((0.7, 1.43)) <= 1
    monkeypatch.setitem(RunningError.functions, fused_decay, lambda updated, *others: updated)
    assert worst((0.7, 1.43)) > 1


@by_shares
@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16 hyperparameters"])
def test_the_exact_result_is_within_the_bound(name, shares):
    start, *directions = drawn(name, seed=6)
    t, operation = TARGETS[name], decayed_by(shares)
    certified = RunningError.exact(start, t)
    share, rate = Fraction(1), Fraction(shares[0]) if len(shares) == 2 else 1
    for x in shares:
        share *= Fraction(x)
    exact = [Fraction(x) for x in start]
    for direction in directions[:6]:
        certified = operation.formula(certified, RunningError.exact(direction, t))
        exact = [(1 - share) * p - rate * Fraction(d) for p, d in zip(exact, direction, strict=True)]
        for element, value in enumerate(exact):
            assert abs(value - Fraction(certified.value[element])) <= Fraction(certified.bound[element])


@pytest.mark.parametrize("format_", [FLOAT32, FLOAT64], ids=lambda f: f.name)
def test_a_small_share_costs_no_more_than_its_factor_and_a_rounded_product(format_):
    t = target(format_)
    x = RunningError.exact(np.linspace(1.0, 2.0, 50)[:-1], t)
    by_factor = (x * (1 - x.hyperparameter(1e-3) * x.hyperparameter(1e-2))).bound
    assert (decayed_parameter(x, *numbers(x, (1e-3, 1e-2))).bound <= (1 + 2**-10) * by_factor).all()


@pytest.mark.parametrize("share", [2.0**-10, 2.0**-30, 2.0**-60, 0.0])
def test_the_rounding_of_the_sum_vanishes_with_the_decay(share):
    x, change = RunningError.exact([1.0, -3.0], T), RunningError.exact([0.5, 1e4], T)
    left = decayed_parameter(x, x.hyperparameter(share))
    moved = left - change
    wider = fused_decay(moved, left, x, x.hyperparameter(share)).bound - moved.bound
    # Of the sum by the decay at most, and of the product with the rate by twice that where a power of two lies between.
    assert (wider <= 3 * share * abs(x.value) * (1 + U) + 64 * FLOAT64.unit_roundoff * moved.bound).all()
    assert (wider <= 2 * U * (1 + abs(change.value))).all()


def test_a_parameter_that_shrinks_takes_its_bound_along():
    x = RunningError.exact(np.full(3, 0.7), T)
    for _ in range(400):
        left = decayed_parameter(x, *numbers(x, (0.2, 0.5)))
        x = fused_decay(left - np.zeros(3), left, x, *numbers(x, (0.2, 0.5)))
    assert (x.bound <= 5 * 400 * FLOAT32.ulp(abs(x.value)) + 100 * FLOAT32.smallest_subnormal).all()


def test_plain_numbers_and_duck_arrays_follow_one_formula():
    p = np.array([1.0, -2.0, 3.5])
    assert decayed_parameter(p, 0.5, 0.25).tolist() == (0.875 * p).tolist()
    assert fused_decay(p, 2 * p, 3 * p, 0.5) is p
    certified = RunningError.exact(p, T)
    assert decayed_parameter(certified, *numbers(certified, (0.5, 0.25))).value.tolist() == (0.875 * p).tolist()
    assert decayed_parameter(Multiprecision(p), 0.5, 0.25).to_float64().tolist() == (0.875 * p).tolist()


def test_the_product_of_rate_and_sum_may_be_rounded_in_a_higher_binade_than_the_step(monkeypatch):
    """NumPy itself: the step is below 4, its sum with the decay above, where a rounding is twice as large."""
    parameter, direction = np.array([0.6396484375]), np.array([3.806640625])
    rate, decay = np.float16(0.9), np.float16(1.1)
    p, g = np.float16(parameter), np.float16(direction)
    actual = p - rate * (decay * p + g)
    assert actual.dtype == np.float16

    def certified():
        arrays = [RunningError.exact(x, TARGETS["float16"]) for x in (parameter, direction)]
        return decayed_by((0.9, 1.1)).formula(*arrays)

    assert certified().within(actual).all()
    monkeypatch.setattr(decays, "binade", np.zeros_like)
    assert not certified().within(actual).any()


def test_a_sum_beyond_the_range_is_not_bounded():
    """The learning rate would bring it back, too late."""
    parameter = RunningError.exact([0.9 * FLOAT32.largest, 1.0], T)
    shares = numbers(parameter, (2.0**-10, 1.0))
    left = decayed_parameter(parameter, *shares)
    moved = left - RunningError.exact([FLOAT32.largest * 2.0**-11, 1.0], T)
    assert np.isfinite(moved.bound).all()
    found = fused_decay(moved, left, parameter, *shares)
    assert np.isinf(found.bound).tolist() == [True, False] and np.isnan(found.value).tolist() == [True, False]
