"""Schedules: exact fractions, closed forms, boundaries, 50 digits, and bounds that hold programs of libraries."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseTime,
    Linear,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Sequential,
    StepDecay,
    WarmUp,
)
from tests.refimpl.precision import ulps

# NumPy's functions, in ulp; conformance/profiles/numpy.toml has the measured errors.
FUNCTIONS = {name: {"power": 1.0, "cos": 1.0, "sin": 1.0} for name in ("float32", "float64")}
IN_FLOAT64 = RunningError.exact(0.0, Target(FLOAT64, functions=FUNCTIONS))
IN_FLOAT32 = RunningError.exact(0.0, Target(FLOAT32, scalars=FLOAT32, functions=FUNCTIONS))
EXACT = Multiprecision(0.0)


def exactly(fractions):
    with mpmath.workdps(DIGITS):
        return Multiprecision(np.array([mpmath.mpf(x.numerator) / x.denominator for x in fractions], dtype=object))


def drawn(seed, count=25):
    """Rates of all magnitudes, a decay, and lengths from 1 on."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        first, second = 10 ** rng.uniform(-6, 1, 2)
        yield first, second, rng.uniform(0.1, 1.1), int(10 ** rng.uniform(0, 3)), int(rng.integers(1, 40))


def around(*boundaries):
    return np.unique([max(b + offset, 0) for b in boundaries for offset in (-1, 0, 1)])


# --- accuracy --------------------------------------------------------------------------------------------------------


def schedules(first, second, decay, length, period):
    yield Constant(first)
    yield Linear(first, second, length)
    yield Linear(0.0, second, length)
    yield Linear(first, 0.0, length)
    yield Exponential(first, decay, period)
    yield Exponential(first, decay, period, staircase=True)
    yield StepDecay(first, decay, period, boundary="after")
    yield InverseTime(first, decay, period)
    yield InverseTime(first, decay, period, staircase=True)
    yield Cosine(first, second, length)
    yield Cosine(first, second, length, after_end="rises")
    yield Cosine(first, 0.0, length)
    for power in (0.5, 1.0, 3.3):
        yield Polynomial(first, min(first, second), length, power)
    yield PiecewiseConstant(first, (period, period + 1, length + 50), (decay, 0.3, second))
    yield CosineRestarts(first, min(first, second), period)
    yield CosineRestarts(first, min(first, second), period, 3, decay)
    for phases in (2, 3):
        for shape in ("cosine", "linear"):
            yield OneCycle(first, length + 12, 0.3, 0.7, 25.0, 1e3, phases, shape, "rounded_down")
            yield OneCycle(first, 4000, 0.31, 0.77, 25.0, 1e3, phases, shape)
    yield Sequential((Linear(second, first, period), Cosine(first, second, length), Constant(second)), (period, 900))
    yield WarmUp(InverseTime(first, decay), period, start=second)
    yield WarmUp(Exponential(first, decay), period, start=second, clock="from_start")


def test_rates_are_within_4_ulp_of_50_digits():
    for numbers in drawn(1):
        length, period = numbers[3:]
        step = np.concatenate([around(0, 1, period, length, 2 * length), [3 * length + 5, 997]])
        for schedule in schedules(*numbers):
            assert ulps(schedule.rate(step), schedule.rate(step, EXACT)).max() <= 4, schedule


def test_long_cosines_are_within_4_ulp_of_the_papers_formula():
    """Loshchilov & Hutter 2017, equation 5, at 50 digits: near the end, where its terms cancel, and far from it."""
    rng = np.random.default_rng(2)
    for peak, floor, *_ in drawn(2):
        length = int(10 ** rng.uniform(3, 6))
        step = np.concatenate([around(0, length // 3), length - np.arange(1, 8), rng.integers(0, length, 20)])
        for lowest in (floor, 0.0):
            with mpmath.workdps(DIGITS):
                shares = [(1 + mpmath.cos(mpmath.pi * int(s) / length)) / 2 for s in step]
                exact = [lowest + (mpmath.mpf(peak) - lowest) * share for share in shares]
            rates = Cosine(peak, lowest, length).rate(step)
            assert ulps(rates, Multiprecision(np.array(exact, dtype=object))).max() <= 4, (peak, lowest, length)


def test_linear_is_the_exact_fraction():
    for first, second, _, length, _ in drawn(3):
        step = around(0, length // 2, length, 2 * length)
        portions = [Fraction(int(min(s, length)), length) for s in step]
        exact = [Fraction(first) + (Fraction(second) - Fraction(first)) * p for p in portions]
        assert ulps(Linear(first, second, length).rate(step), exactly(exact)).max() <= 4


def test_decays_are_the_exact_fractions():
    step = np.arange(12)
    initial, decay = Fraction(0.3), Fraction(0.7)
    for schedule, exact in [
        (Exponential(0.3, 0.7), [initial * decay**s for s in range(12)]),
        (Exponential(0.3, 0.7, 4, staircase=True), [initial * decay**k for k in (0, 1, 2) for _ in range(4)]),
        (StepDecay(0.3, 0.7, 4), [initial * decay**k for k in (0, 1, 2) for _ in range(4)]),
        (StepDecay(0.3, 0.7, 4, "after"), [initial * decay**k for k in (0, *[0] * 4, *[1] * 4, 2, 2, 2)]),
        (InverseTime(0.3, 0.7, 4), [initial / (1 + decay * Fraction(s, 4)) for s in range(12)]),
        (InverseTime(0.3, 0.7, 4, True), [initial / (1 + decay * k) for k in (0, 1, 2) for _ in range(4)]),
    ]:
        assert ulps(schedule.rate(step), exactly(exact)).max() <= 4, schedule


def test_exponential_between_periods_is_a_root():
    """rate(1)**5 * initial**-4 is rate(5): the fifth root, by exact powers of the float64 rate."""
    rate = Fraction(Exponential(0.25, 0.4, 5).rate(1))
    fifth = rate**5 / Fraction(0.25) ** 4
    assert abs(fifth / (Fraction(0.25) * Fraction(0.4)) - 1) <= 5 * 8 * Fraction(FLOAT64.unit_roundoff)


def test_large_exponents_lose_no_digits():
    schedule = Exponential(1.0, 0.96, 3)
    assert ulps(schedule.rate([9998]), schedule.rate([9998], EXACT))[0] <= 4
    naive = 0.96 ** (9998 / 3)
    assert ulps([naive], schedule.rate([9998], EXACT))[0] > 4


# --- closed forms and boundaries -------------------------------------------------------------------------------------


def test_linear_goes_through_its_ends_and_stays():
    assert Linear(0.0, 1.0, 4).rate(np.arange(6)).tolist() == [0, 0.25, 0.5, 0.75, 1, 1]
    assert Linear(0.25, 1.0, 4).rate(np.arange(6)).tolist() == [0.25, 0.4375, 0.625, 0.8125, 1, 1]
    schedule = Linear(0.3, 0.1, 7)
    assert (schedule.rate(0), schedule.rate(7), schedule.rate(10**15)) == (0.3, 0.1, 0.1)


def test_cosine_goes_through_its_ends_and_middle():
    schedule = Cosine(0.3, 0.1, 8)
    assert (schedule.rate(0), schedule.rate(8), schedule.rate(9), schedule.rate(10**15)) == (0.3, 0.1, 0.1, 0.1)
    with mpmath.workdps(DIGITS):  # (1 + cos(pi / 4)) / 2 and its complement
        share = (2 + mpmath.sqrt(2)) / 4
        exact = [share * mpmath.mpf(a) + (1 - share) * mpmath.mpf(b) for a, b in ((0.3, 0.1), (0.1, 0.3))]
    assert ulps(schedule.rate([2, 6]), Multiprecision(np.array(exact, dtype=object))).max() <= 4


@pytest.mark.parametrize("length", [1, 2, 7, 10, 1001])
def test_cosine_falls_symmetrically_about_the_mean(length):
    """The closed form of the sum over a decay: (length + 1) * (peak + floor) / 2."""
    schedule = Cosine(1.0, 0.125, length)
    total = sum(Fraction(float(rate)) for rate in schedule.rate(np.arange(length + 1)))
    assert abs(total - Fraction(length + 1) * Fraction(9, 16)) <= (length + 1) * 4 * 2 * Fraction(FLOAT64.unit_roundoff)


def test_cosine_after_its_end_holds_or_rises():
    step = np.arange(5, 11)
    assert Cosine(1.0, 0.0, 5).rate(step).tolist() == [0.0] * 6
    rises = Cosine(1.0, 0.0, 5, after_end="rises")
    assert rises.rate(step).tolist() == rises.rate(step[::-1] - 5).tolist()
    assert rises.rate([0, 10, 20]).tolist() == [1, 1, 1]
    assert rises.rate([5, 15, 25]).tolist() == [0, 0, 0]
    # PyTorch's documented sequence: 0, (3 - sqrt 5) / 8, (5 - sqrt 5) / 8
    with mpmath.workdps(DIGITS):
        root = mpmath.sqrt(5)
        exact = Multiprecision(np.array([(3 - root) / 8, (5 - root) / 8], dtype=object))
    assert ulps(rises.rate([6, 7]), exact).max() <= 4


def test_step_decay_changes_at_or_after_the_boundary():
    assert StepDecay(1.0, 0.5, 3).rate(np.arange(8)).tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]
    assert StepDecay(1.0, 0.5, 3, "after").rate(np.arange(8)).tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_staircase_jumps_and_otherwise_decays_at_each_step():
    steps = np.arange(9)
    stairs, smooth = (Exponential(1.0, 0.5, 4, staircase).rate(steps) for staircase in (True, False))
    assert stairs.tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]
    assert np.all(np.diff(smooth) < 0)
    assert np.array_equal(smooth[::4], stairs[::4])


def test_warm_up_rises_to_the_first_rate_and_starts_the_clock_there():
    after = WarmUp(StepDecay(1.0, 0.5, 2), 4)
    assert after.rate(np.arange(10)).tolist() == [0, 0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 0.25, 0.25]
    from_start = WarmUp(StepDecay(1.0, 0.5, 2), 4, clock="from_start")
    assert from_start.rate(np.arange(10)).tolist() == [0, 0.25, 0.5, 0.75, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]


def test_warm_up_may_warm_up_a_warm_up():
    schedule = WarmUp(WarmUp(Constant(3.0), 2, start=1.0), 2)
    assert schedule.rate(np.arange(6)).tolist() == [0, 0.5, 1, 2, 3, 3]


def test_polynomial_is_the_exact_fraction_for_whole_powers():
    step = np.arange(9)
    portions = [Fraction(7 - min(s, 7), 7) for s in range(9)]
    exact = [Fraction(0.1) + (Fraction(0.3) - Fraction(0.1)) * p**3 for p in portions]
    assert ulps(Polynomial(0.3, 0.1, 7, 3.0).rate(step), exactly(exact)).max() <= 4
    assert Polynomial(0.25, 0.0, 4, 0.5).rate([0, 3, 4, 10**15]).tolist() == [0.25, 0.125, 0, 0]


def test_polynomial_of_power_1_is_linear():
    for first, second, _, length, _ in drawn(5):
        step = around(0, length // 2, length)
        high, low = max(first, second), min(first, second)
        line = Linear(high, low, length).rate(step, EXACT)
        assert ulps(Polynomial(high, low, length, 1.0).rate(step), line).max() <= 4


def test_piecewise_constant_changes_at_or_after_its_boundaries():
    fields = (1.0, (3, 6), (0.5, 3.0))
    assert PiecewiseConstant(*fields).rate(np.arange(8)).tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 1.5, 1.5]
    assert PiecewiseConstant(*fields, "after").rate(np.arange(8)).tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.5, 1.5]


def test_equal_stairs_are_piecewise_constant():
    step = np.arange(30)
    for boundary in ("at", "after"):
        stairs = PiecewiseConstant(1.0, (7, 14, 21, 28), (0.5,) * 4, boundary)
        assert np.array_equal(stairs.rate(step), StepDecay(1.0, 0.5, 7, boundary).rate(step))


def test_restarts_are_cosines_one_after_the_other():
    """Keras's m_mul, 0.5 here, halves the height above the floor from cycle to cycle."""
    step = np.arange(40)
    found = CosineRestarts(1.0, 0.25, 3, 2, 0.5).rate(step)
    begin, height = 0, 0.75
    for length in (3, 6, 12, 19):
        cosine = Cosine(0.25 + height, 0.25, 3 * 2 ** {0: 0, 3: 1, 9: 2, 21: 3}[begin])
        assert ulps(found[begin : begin + length], cosine.rate(np.arange(length), EXACT)).max() <= 4
        begin, height = begin + length, height / 2
    # PyTorch's sequence of 4 steps: 1, 0.854, 0.5, 0.146, and 1 again
    known = ["1.000", "0.854", "0.500", "0.146", "1.000"]
    assert [f"{rate:.3f}" for rate in CosineRestarts(1.0, 0.0, 4).rate(np.arange(5))] == known
    assert CosineRestarts(1.0, 0.0, 1, 2).rate(2**53) > 0


@pytest.mark.parametrize(("growth", "starts"), [(1, [0, 3, 6, 300]), (2, [0, 3, 9, 21, 45, 93])])
def test_each_cycle_of_restarts_begins_at_the_peak_and_ends_above_the_floor(growth, starts):
    """Asked one step at a time: no later step says that another cycle has begun."""
    schedule = CosineRestarts(1.0, 0.25, 3, growth)
    assert [schedule.rate(start) for start in starts] == [1.0] * len(starts)
    assert all(0.25 < schedule.rate(start - 1) < 0.5 for start in starts[1:])


def test_a_cycle_of_restarts_may_have_as_many_steps_as_float64_counts_and_no_more():
    """Cycles of 1, 2**26 and 2**52 steps, which begin at 0, 1 and 2**26 + 1; the next is longer than int64 counts."""
    schedule = CosineRestarts(1.0, 0.25, 1, 2**26)
    starts = [0, 1, 2**26 + 1]
    assert schedule.rate(starts).tolist() == [1.0] * 3
    halves = [1 + 2**25, 2**26 + 1 + 2**51]
    assert ulps(schedule.rate(halves), Multiprecision([0.625] * 2)).max() <= 4
    for growth in (2**40, 10**15):
        rates = CosineRestarts(1.0, 0.25, 1, growth)
        assert rates.rate([0, 1]).tolist() == [1.0, 1.0]
        with pytest.raises(ValueError, match=r"2\*\*53 steps"):
            rates.rate([0, 1 + growth])


def test_a_floor_at_the_peak_and_an_end_at_the_start_are_constants():
    step = np.arange(30)
    for schedule in (CosineRestarts(0.5, 0.5, 3, 2), Cosine(0.5, 0.5, 7), Polynomial(0.5, 0.5, 7), Linear(0.5, 0.5, 7)):
        assert ulps(schedule.rate(step), Multiprecision(np.full(30, 0.5))).max() <= 4


def test_one_cycle_counts_to_the_last_step_or_to_the_number_of_steps():
    """10 steps and a rise of 0.3: the peak is at step 2 and the last rate at 9, or at 3 and 10."""
    early, late = (OneCycle(1.0, 10, 0.3, counting=counting) for counting in ("first_to_last", "rounded_down"))
    assert np.argmax(early.rate(np.arange(10))) == 2
    assert np.argmax(late.rate(np.arange(12))) == 3
    assert f"{early.rate(9):.0e} {late.rate(10):.0e} {late.rate(11):.0e}" == "4e-06 4e-06 4e-06"
    assert early.rate(0) == late.rate(0) == 0.04
    assert np.array_equal(early.rate(np.arange(2)), [0.04, early.rate(1)])


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_one_cycle_of_three_phases_falls_back_to_its_first_rate(shape):
    rates = OneCycle(1.0, 20, 0.25, 0.5, 4.0, 8.0, 3, shape, "rounded_down").rate(np.arange(22))
    assert rates[[0, 5, 10, 20, 21]].tolist() == [0.25, 1.0, 0.25, 0.03125, 0.03125]
    assert np.all(np.diff(rates[:6]) > 0)
    assert np.all(np.diff(rates[5:21]) < 0)
    early = OneCycle(1.0, 20, 0.25, 0.5, 4.0, 8.0, 3, shape).rate(np.arange(20))
    assert early[[0, 4, 8, 19]].tolist() == [0.25, 1.0, 0.25, 0.03125]


def test_one_cycle_that_ends_has_no_rate_after():
    with pytest.raises(ValueError, match="below steps = 10"):
        OneCycle(1.0, 10).rate([3, 10])


def test_a_warm_up_is_a_line_and_a_schedule_in_sequence():
    step = np.arange(60)
    after = Cosine(0.3, 0.1, 20)
    sequence = Sequential((Linear(0.05, 0.3, 7), after), (7,))
    assert np.array_equal(sequence.rate(step), WarmUp(after, 7, start=0.05).rate(step))


def test_schedules_in_sequence_count_from_their_boundaries():
    schedule = Sequential((Constant(3.0), StepDecay(1.0, 0.5, 2), Linear(0.0, 1.0, 4)), (2, 7))
    assert schedule.rate(np.arange(11)).tolist() == [3, 3, 1, 1, 0.5, 0.5, 0.25, 0, 0.25, 0.5, 0.75]
    cycles = Sequential((OneCycle(1.0, 10), OneCycle(1.0, 10)), (10,))
    assert np.array_equal(cycles.rate(np.arange(10)), cycles.rate(np.arange(10, 20)))
    assert Sequential((Constant(0.2),), ()).rate(7) == 0.2


def test_constant_is_constant():
    assert Constant(0.3).rate(np.array([[0, 5], [7, 2**53]])).tolist() == [[0.3, 0.3], [0.3, 0.3]]


def test_one_step_gives_a_float_and_an_array_its_shape():
    for numbers in drawn(4, count=2):
        for schedule in schedules(*numbers):
            step = np.array([[0, 3, 5], [40, 2, 1001]])
            rates = schedule.rate(step)
            assert rates.shape == step.shape
            assert rates.flags.writeable
            for s, rate in zip(step.flat, rates.flat, strict=True):
                one = schedule.rate(int(s))
                assert type(one) is float
                assert one == rate
            for like in (IN_FLOAT64, EXACT):
                assert schedule.rate(step, like).shape == step.shape
                assert schedule.rate(3, like).shape == ()
            assert schedule.rate(np.zeros(0, dtype=int)).shape == (0,)


# --- bounds: what libraries evaluate, written as they do -------------------------------------------------------------


def pytorch_step_lr(initial, factor, every, count):
    rates = [initial]
    for now in range(1, count):
        rates.append(rates[-1] * factor if now % every == 0 else rates[-1])
    return rates


def pytorch_linear_lr(start, end, length, count):
    base = max(start, end)
    first, last = start / base, end / base
    rates = [base * first]
    for now in range(1, count):
        if now > length:
            rates.append(rates[-1])
        else:
            factor = 1.0 + (last - first) / (length * first + (now - 1) * (last - first))
            rates.append(rates[-1] * factor)
    return rates


def pytorch_cosine_annealing_lr(peak, floor, length, count):
    rates = [peak]
    for now in range(1, count):
        if (now - 1 - length) % (2 * length) == 0:
            rates.append(rates[-1] + (peak - floor) * (1 - math.cos(math.pi / length)) / 2)
        else:
            ratio = (1 + math.cos(math.pi * now / length)) / (1 + math.cos(math.pi * (now - 1) / length))
            rates.append(ratio * (rates[-1] - floor) + floor)
    return rates


def pytorch_polynomial_lr(initial, power, length, count):
    rates = [initial]
    for now in range(1, count):
        ratio = ((1.0 - now / length) / (1.0 - (now - 1) / length)) ** power if now <= length else 1.0
        rates.append(rates[-1] * ratio)
    return rates


RECURSIONS = [
    (Polynomial(0.3, 0.0, 900, 2.0, "recursive"), pytorch_polynomial_lr(0.3, 2.0, 900, 905)),
    (Polynomial(0.3, 0.0, 3000, 3.0, "recursive"), pytorch_polynomial_lr(0.3, 3.0, 3000, 900)),
    (Exponential(0.3, 0.97, evaluation="recursive"), pytorch_step_lr(0.3, 0.97, 1, 900)),
    (Exponential(0.3, 0.9, 7, True, "recursive"), pytorch_step_lr(0.3, 0.9, 7, 900)),
    (StepDecay(0.3, 0.83, 5, evaluation="recursive"), pytorch_step_lr(0.3, 0.83, 5, 900)),
    (Linear(0.01, 0.3, 800, "recursive"), pytorch_linear_lr(0.01, 0.3, 800, 900)),
    (Linear(0.3, 0.0, 801, "recursive"), pytorch_linear_lr(0.3, 0.0, 801, 900)),
    (Cosine(0.3, 0.1, 140, "rises", "recursive"), pytorch_cosine_annealing_lr(0.3, 0.1, 140, 900)),
    (Cosine(0.3, 0.0, 99, "rises", "recursive"), pytorch_cosine_annealing_lr(0.3, 0.0, 99, 900)),
]


@pytest.mark.parametrize(("schedule", "program"), RECURSIONS, ids=lambda x: repr(x) if not isinstance(x, list) else "")
def test_recursive_programs_stay_within_the_bound(schedule, program):
    step = np.arange(len(program))
    bounded = schedule.rate(step, IN_FLOAT64)
    assert np.all(np.isfinite(bounded.bound))
    assert np.all(bounded.within(np.array(program)))
    exact = schedule.rate(step, EXACT).to_float64()
    assert np.all(np.abs(exact - bounded.value) <= bounded.bound)
    # The claim is needed: without it they do not. And it is small: one step too late is seen.
    closed = type(schedule)(**{**vars(schedule), "evaluation": "closed"}).rate(step, IN_FLOAT64)
    assert not np.all(closed.within(np.array(program)))
    late = ~bounded.within(np.roll(program, 1))
    assert np.all(late == (np.roll(program, 1) != np.array(program)))


def optax_programs():
    """Schedules with what optax evaluates for them in float32, at an array of float32 counts."""
    f = np.float32
    yield (
        Linear(0.3, 0.07, 300),
        lambda t: (f(0.3) - f(0.07)) * (f(1) - np.clip(t, f(0), f(300)) / f(300)) + f(0.07),
    )
    yield Exponential(0.3, 0.83, 9), lambda t: f(0.3) * np.power(f(0.83), t / f(9))
    yield Exponential(0.3, 0.83, 9, True), lambda t: f(0.3) * np.power(f(0.83), np.floor(t / f(9)))

    def cosine(t, floor):
        peak = f(0.3)
        alpha = f(floor) / peak
        decayed = f(0.5) * (f(1) + np.cos(f(np.pi) * np.minimum(t, f(300)) / f(300)))
        return peak * ((f(1) - alpha) * decayed + alpha)

    yield Cosine(0.3, 0.07, 300), lambda t: cosine(t, 0.07)
    yield Cosine(0.3, 0.29, 300), lambda t: cosine(t, 0.29)

    def warm_up(t):
        warming = (f(0) - f(0.3)) * (f(1) - t / f(40)) + f(0.3)
        return np.where(t < 40, warming, cosine(np.maximum(t - f(40), f(0)), 0.07))

    yield WarmUp(Cosine(0.3, 0.07, 300), 40), warm_up


@pytest.mark.parametrize(("schedule", "program"), list(optax_programs()), ids=lambda x: "" if callable(x) else repr(x))
def test_float32_programs_stay_within_the_bound(schedule, program):
    step = np.arange(420)
    rates = program(step.astype(np.float32))
    assert rates.dtype == np.float32
    bounded = schedule.rate(step, IN_FLOAT32)
    assert np.all(bounded.within(rates))
    exact = schedule.rate(step, EXACT).to_float64()
    assert np.all(np.abs(exact - bounded.value) <= bounded.bound)
    changed = np.roll(rates, 1) != rates
    assert np.all(~bounded.within(np.roll(rates, 1)) == changed)  # one step too late is seen, at each step


def test_bound_of_float64_is_a_few_roundings():
    for schedule in (Linear(0.3, 0.07, 300), Cosine(0.3, 0.07, 300), StepDecay(0.3, 0.7, 13), InverseTime(0.3, 0.2)):
        bounded = schedule.rate(np.arange(420), IN_FLOAT64)
        assert np.all(bounded.bound <= 64 * FLOAT64.unit_roundoff * bounded.value)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: Constant(-0.1), ValueError, "learning_rate"),
        (lambda: Constant(math.nan), ValueError, "learning_rate"),
        (lambda: Constant("0.1"), TypeError, "learning_rate"),
        (lambda: Linear(-1.0, 1.0, 5), ValueError, "start"),
        (lambda: Linear(1.0, -1.0, 5), ValueError, "end"),
        (lambda: Linear(1.0, 0.0, 0), ValueError, "steps"),
        (lambda: Linear(1.0, 0.0, 2.5), TypeError, "steps"),
        (lambda: Linear(0.0, 1.0, 5, "recursive"), ValueError, "evaluation.*start > 0"),
        (lambda: Exponential(1.0, 0.0), ValueError, "decay"),
        (lambda: Exponential(1.0, 0.9, 0), ValueError, "decay_steps"),
        (lambda: Exponential(1.0, 0.9, 5, staircase="yes"), ValueError, "staircase"),
        (lambda: Exponential(1.0, 0.9, 5, evaluation="recursive"), ValueError, "evaluation.*staircase"),
        (lambda: StepDecay(1.0, -0.5), ValueError, "factor"),
        (lambda: StepDecay(1.0, 0.5, 0), ValueError, "every"),
        (lambda: StepDecay(1.0, 0.5, 3, "before"), ValueError, "boundary"),
        (lambda: InverseTime(1.0, -0.5), ValueError, "decay"),
        (lambda: Cosine(0.0, 0.0), ValueError, "peak"),
        (lambda: Cosine(1.0, -0.1), ValueError, "floor"),
        (lambda: Cosine(1.0, 0.0, -5), ValueError, "steps"),
        (lambda: Cosine(after_end="restarts"), ValueError, "after_end"),
        (lambda: Polynomial(1.0, 2.0), ValueError, "end"),
        (lambda: Polynomial(1.0, 0.0, 5, -1.0), ValueError, "power"),
        (lambda: Polynomial(1.0, 0.1, 5, evaluation="recursive"), ValueError, "evaluation.*end = 0"),
        (lambda: PiecewiseConstant(1.0, (3, 3), (0.1, 0.1)), ValueError, "boundaries.*2 increasing"),
        (lambda: PiecewiseConstant(1.0, (3.0,), (0.1,)), ValueError, "boundaries"),
        (lambda: PiecewiseConstant(1.0, (3,), (0.0,)), ValueError, "factors"),
        (lambda: CosineRestarts(1.0, 0.0, 0), ValueError, "period"),
        (lambda: CosineRestarts(1.0, 0.0, 5, 1.5), TypeError, "growth"),
        (lambda: CosineRestarts(0.1, 0.2), ValueError, "floor"),
        (lambda: OneCycle(1.0, 10, 0.7, 0.6, phases=3), ValueError, "fallen.*above rise = 0.7"),
        (lambda: OneCycle(1.0, 10, 0.05), ValueError, "steps.*each phase takes time"),
        (lambda: OneCycle(1.0, 10, shape="sine"), ValueError, "shape"),
        (lambda: Sequential((Constant(),), (5,)), ValueError, "boundaries.*0 increasing"),
        (lambda: Sequential((), ()), ValueError, "schedules"),
        (lambda: Sequential([Constant()], ()), ValueError, "schedules"),
        (lambda: WarmUp(0.1), ValueError, "schedule"),
        (lambda: WarmUp(Constant(), 0), ValueError, "steps"),
        (lambda: WarmUp(Constant(), 5, evaluation="recursive"), ValueError, "evaluation.*start > 0"),
        (lambda: WarmUp(clock="before"), ValueError, "clock"),
        (lambda: Constant().rate(-1), ValueError, "step"),
        (lambda: Constant().rate(2**53 + 1), ValueError, "step"),
        (lambda: Constant().rate(1.0), TypeError, "step"),
        (lambda: Constant().rate(True), TypeError, "step"),
        (lambda: Constant().rate("3"), TypeError, "step"),
        (lambda: Cosine().rate(np.array([1, -2])), ValueError, "step"),
        (lambda: Cosine().rate([0.0, 1.0]), TypeError, "step"),
    ],
)
def test_bad_input_is_refused_by_name(make, error, named):
    with pytest.raises(error, match=named):
        make()
