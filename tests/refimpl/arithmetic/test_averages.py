"""The moving average: every form that libraries use, over many steps, and what it must not become."""

from fractions import Fraction

import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, covering, moving_average
from refimpl.arithmetic.multiprecision import Multiprecision
from tests.attack.comparison import error_over_bound
from tests.attack.rounding import nearest
from tests.attack.targets import target
from tests.refimpl.arithmetic.programs import DECAYS, ELEMENTS, OPERATIONS, TARGETS, average_with
from tests.refimpl.arithmetic.simulated import Machine

STEPS = 40
T = target(FLOAT32)
U = FLOAT32.unit_roundoff


def averages(start, values, decay):
    """The averages after each value, in whatever arithmetic start is."""
    found = [start]
    for value in values:
        found.append(moving_average(found[-1], value, decay))
    return found[1:]


def drawn(name, seed):
    rng = np.random.default_rng(seed)
    format_ = TARGETS[name].format
    scale = np.exp2(rng.integers(-8, 6, ELEMENTS))
    return [nearest(rng.standard_normal(ELEMENTS) * scale, format_) for _ in range(STEPS + 1)]


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", TARGETS)
def test_no_form_leaves_the_bound_over_many_steps(name, decay):
    t = TARGETS[name]
    start, *values = drawn(name, seed=17)
    arrays = [RunningError.exact(x, t) for x in (start, *values)]
    certified = averages(arrays[0], arrays[1:], arrays[0].hyperparameter(decay))
    operation = OPERATIONS[f"moving average, {decay:g}"]
    for seed in range(4):
        machine, average = Machine(t, seed), start
        for value, expected in zip(values, certified, strict=True):
            average = operation.machine(machine, average, value)
            assert (error_over_bound(expected, average) <= 1).all()


@pytest.mark.parametrize("interval", [(0.05, 0.25), (0.3, 0.5), (0.5, 0.7), (0.9, 0.999)])
@pytest.mark.parametrize("scale", [1 / 8, 1, 8], ids=["small average", "equal", "large average"])
def test_one_step_holds_and_is_sharp_where_its_weight_is_rounded_most(interval, scale):
    rng = np.random.default_rng(2)
    decays = rng.uniform(*interval, 4000)
    decay = decays[np.argmax(np.abs(FLOAT32.round(1 - decays) - (1 - decays)) / FLOAT32.ulp(1 - decays))]
    average = nearest(scale * rng.uniform(1, 2, 10000), FLOAT32)
    value = nearest(rng.choice([-1, 1], 10000) * rng.uniform(1, 2, 10000), FLOAT32)
    operation = average_with(float(decay))
    expected = operation.formula(RunningError.exact(average, T), RunningError.exact(value, T))
    worst = max(
        error_over_bound(expected, operation.machine(Machine(T, seed), average, value)).max() for seed in range(12)
    )
    assert 0.78 <= worst <= 1


@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", ["float32", "bfloat16", "float64", "bfloat16 hyperparameters"])
def test_the_exact_average_is_within_the_bound(name, decay):
    start, *values = drawn(name, seed=5)
    first = RunningError.exact(start, TARGETS[name])
    certified = averages(first, values, first.hyperparameter(decay))[-1]
    d = Fraction(decay)
    for element in range(0, ELEMENTS, 7):
        exact = Fraction(start[element])
        for value in values:
            exact = d * exact + (1 - d) * Fraction(value[element])
        assert abs(exact - Fraction(certified.value[element])) <= Fraction(certified.bound[element])


def by_difference(average, value, decay):
    return average + (1 - decay) * (value - average)


def test_the_bound_settles_where_two_forms_of_a_recurrence_let_it_grow():
    """In average + (1 - decay) * (value - average) the average occurs twice: its error would count 2 - decay times."""
    first = RunningError.exact(np.full(3, 0.7), T)
    decay = first.hyperparameter(0.9)
    values = [first] * 400
    bounds = [average.bound[0] for average in averages(first, values, decay)]
    assert bounds[-1] == bounds[-2] < 30 * U
    both = first
    for value in values[:60]:
        both = covering(decay * both + (1 - decay) * value, (by_difference,), both, value, decay)
    assert both.bound[0] > 50 * bounds[-1]


def test_plain_numbers_and_duck_arrays_follow_one_formula():
    a, v = np.array([1.0, -2.0, 3.5]), np.array([0.25, 4.0, -1.0])
    plain = moving_average(a, v, 0.75)
    assert plain.tolist() == (0.75 * a + 0.25 * v).tolist()
    assert RunningError.exact(a, T).shape == moving_average(RunningError.exact(a, T), v, 0.75).shape
    assert moving_average(a, RunningError.exact(v, T), 0.75).value.tolist() == plain.tolist()
    assert moving_average(Multiprecision(a), v, 0.75).to_float64().tolist() == plain.tolist()


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_without_rounding_of_the_decay_the_ends_are_nearly_exact(decay):
    a, v = RunningError.exact([3.0], T), RunningError.exact([5.0], T)
    found = moving_average(a, v, a.hyperparameter(decay))
    assert found.value.tolist() == [3 * decay + 5 * (1 - decay)]
    assert 0 < found.bound[0] <= 32 * U


def test_an_average_of_squares_is_nonnegative_and_one_of_signed_numbers_is_not():
    x = RunningError.exact([1e-30, -1.0, 0.0], T)
    decay = x.hyperparameter(0.999)
    assert moving_average(np.zeros_like(x), x**2, decay).nonnegative
    assert not moving_average(np.zeros_like(x), x, decay).nonnegative
    assert not moving_average(x, x**2, decay).nonnegative


def test_products_on_the_way_may_be_flushed():
    """0.9 * average is below the smallest normal number, the result is not."""
    t = target(FLOAT32, flush_to_zero=True)
    average, value = RunningError.exact([1.1 * FLOAT32.smallest_normal], t), RunningError.exact([1e-36], t)
    average = RunningError(average.value, np.zeros(1), t)
    found = moving_average(average, value, average.hyperparameter(0.9))
    assert found.value[0] > FLOAT32.smallest_normal
    assert found.within(0.1 * value.value).all()


def test_flushing_costs_a_normal_number_for_each_product_and_no_more():
    plain, flushing = (
        RunningError.exact([1.1e-30, -2.3e-34], target(FLOAT32, flush_to_zero=flush)) for flush in (False, True)
    )
    bounds = [moving_average(x, x[::-1], x.hyperparameter(0.9)).bound for x in (plain, flushing)]
    assert (bounds[1] - bounds[0] < 3 * FLOAT32.smallest_normal).all()


def test_the_difference_of_opposite_huge_numbers_may_overflow():
    huge = RunningError.exact([0.9 * FLOAT32.largest], T)
    decay = huge.hyperparameter(0.5)
    for factor in (-1.0, -0.2):
        assert np.isinf(moving_average(huge, factor * huge, decay).bound).all()
        assert np.isinf(moving_average(factor * huge, huge, decay).bound).all()
    assert np.isfinite(moving_average(huge * 0.5, huge * 0.5, decay).bound).all()


def test_in_float64_the_bound_is_a_few_units():
    t = target(FLOAT64)
    x = RunningError.exact([1.0], t)
    assert moving_average(x, x, x.hyperparameter(0.9)).bound[0] <= 16 * FLOAT64.unit_roundoff
