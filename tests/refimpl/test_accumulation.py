"""Gradient accumulation: exact rationals, the rule on the mean or sum, 50 digits, and bounds of float32 loops."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.optimizers import SGD, Adam, GradientAccumulation, Rprop
from refimpl.schedules import Constant
from tests.refimpl.optimizers.runs import assert_same_bits, run
from tests.refimpl.precision import ulps

KINDS = tuple(GradientAccumulation.conventions()["accumulated"])
every_kind = pytest.mark.parametrize("accumulated", KINDS)
SMALL = mpmath.mpf(10) ** -45  # relative to numbers below 100, in 50 digits
ADAM = Adam(0.03, 0.8, 0.97, 1e-3, weight_decay=0.05)


def drawn(seed, steps, shape=(2, 3)):
    rng = np.random.default_rng(seed)
    return list(rng.standard_normal((steps, *shape)) * 10 ** rng.uniform(-2, 1, (steps, 1, 1)))


def tree_of(array):
    return {"weight": array, "rest": [array[0, 1:], array[1, 2]]}


@every_kind
def test_gradients_of_integers_are_gathered_exactly_and_applied_once(accumulated):
    """Mean 3 and sum 9 of (1, 2, 6), by a rate of 1/2: exact in float64, but for thirds, within 4 ulp each."""
    spec = GradientAccumulation(SGD(0.5), 3, accumulated)
    parameters, state = np.array([10.0]), spec.init(np.array([10.0]))
    so_far = {"mean": ["1", "3/2"], "total": ["1", "3"], "shares": ["1/3", "1"], "sum": ["1", "3"]}[accumulated]
    for gradient, kept in zip((1.0, 2.0), so_far, strict=True):
        parameters, state = spec.step(parameters, np.array([gradient]), state)
        assert parameters.tolist() == [10.0]
        exact = Multiprecision(np.array([Fraction(kept).numerator])) / Fraction(kept).denominator
        assert ulps(state["accumulated"], exact) <= 4
    parameters, state = spec.step(parameters, np.array([6.0]), state)
    assert ulps(parameters, Multiprecision([10 - (9 if accumulated == "sum" else 3) / 2])) <= 4
    assert (state["step"], state["accumulated"].tolist()) == (3, [0.0])


@pytest.mark.parametrize(("accumulated", "divisor"), [("mean", 3), ("total", 3), ("shares", 3), ("sum", 1)])
def test_it_is_the_rule_on_the_mean_or_sum_of_each_three_gradients(accumulated, divisor):
    """To 50 digits: parameters and slots of six gradients are those of two steps of the rule, its own step count."""
    gradients = [Multiprecision(g) for g in drawn(1, 6)]
    start = Multiprecision(np.arange(6.0).reshape(2, 3) - 1.5)
    applied = [sum(gradients[i + 1 : i + 3], gradients[i]) / divisor for i in (0, 3)]
    expected, slots = run(ADAM, start, applied)
    found, state = run(GradientAccumulation(ADAM, 3, accumulated), start, gradients)
    assert (abs(found - expected).value < SMALL).all()
    for slot in ADAM.slots():
        assert (abs(state[slot] - slots[slot]).value < SMALL).all()


@every_kind
def test_nothing_moves_before_the_last_gradient_not_even_by_decay(accumulated):
    spec = GradientAccumulation(ADAM, 5, accumulated)
    start = tree_of(np.arange(6.0).reshape(2, 3) + 1)
    state = spec.init(start)
    slots = {slot: state[slot] for slot in ADAM.slots()}
    for step, gradient in enumerate(drawn(2, 4), 1):
        parameters, state = spec.step(start, tree_of(gradient), state)
        assert_same_bits(parameters, start)
        assert_same_bits({slot: state[slot] for slot in ADAM.slots()}, slots)
        assert state["step"] == step
    parameters, state = spec.step(start, tree_of(gradient), state)
    assert all(parameters["weight"].ravel() != start["weight"].ravel())
    assert set(state) == {"step", *spec.slots()}


@every_kind
def test_of_one_gradient_each_it_is_the_rule_itself(accumulated):
    gradients, start = drawn(3, 4), np.ones((2, 3))
    expected, state = run(ADAM, start, gradients)
    found, of_wrapped = run(GradientAccumulation(ADAM, 1, accumulated), start, gradients)
    assert_same_bits(found, expected)
    assert_same_bits({k: v for k, v in of_wrapped.items() if k != "accumulated"}, state)


@every_kind
def test_accumulated_gradients_are_within_4_ulp_of_50_digits_of_the_largest(accumulated):
    spec = GradientAccumulation(SGD(), 7, accumulated)
    for seed in range(5):
        gradients = drawn(seed, 6)
        start = np.zeros((2, 3))
        found = run(spec, start, gradients)[1]["accumulated"]
        exact = run(spec, Multiprecision(start), list(map(Multiprecision, gradients)))[1]["accumulated"]
        assert (ulps(found, exact, of=np.sum(np.abs(gradients), axis=0)) <= 4).all()


def in_float32(gradients, accumulated, every):
    """What libraries keep after each gradient, and apply at last, in two forms."""
    n = np.float32(every)
    for other in (False, True):
        kept, path = np.zeros_like(gradients[0]), []
        for before, g in enumerate(gradients):
            if accumulated == "mean":
                seen = np.float32(before + 1)
                kept = np.float32(before) / seen * kept + 1 / seen * g if other else kept + (g - kept) / seen
            elif accumulated == "shares":
                kept = kept + (g * (1 / n) if other else g / n)
            else:
                kept = kept + g
            path.append(kept)
        yield path, (kept * (1 / n) if other else kept / n) if accumulated == "total" else kept


@every_kind
def test_bounds_hold_for_float32_loops_and_are_not_loose(accumulated):
    every, target, worst = 5, Target(FLOAT32), 0.0
    spec = GradientAccumulation(SGD(1.0), every, accumulated)
    for seed in range(20):
        gradients = [g.astype(np.float32) for g in drawn(seed, every)]
        for path, applied in in_float32(gradients, accumulated, every):
            certified = RunningError.exact(np.zeros((2, 3)), target)
            state = spec.init(certified)
            for gradient, kept in zip(gradients, path, strict=True):
                certified, state = spec.step(certified, RunningError.exact(gradient, target), state)
                if state["step"] < every:
                    expected = state["accumulated"]
                    assert kept.dtype == np.float32
                    assert expected.within(kept).all()
                    worst = max(worst, np.max(np.abs(kept - expected.value) / expected.bound))
            assert certified.within(-applied).all()
    assert worst > 1 / 10


def test_nan_and_infinity_are_gone_with_the_step_that_applied_them():
    spec = GradientAccumulation(SGD(0.5), 2)
    parameters, state = run(spec, np.array([1.0, 2.0]), [np.array([np.inf, 1.0]), np.array([-np.inf, 3.0])])
    assert np.isnan(parameters[0])
    assert parameters[1] == 1.0
    assert state["accumulated"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: GradientAccumulation(Constant()), ValueError, r"rule must be an Optimizer.*got Constant"),
        (lambda: GradientAccumulation(SGD), ValueError, "rule must be an Optimizer"),
        (lambda: GradientAccumulation(every=0), ValueError, "every must be an integer >= 1"),
        (lambda: GradientAccumulation(every=2.0), TypeError, "every must be an integer >= 1"),
        (lambda: GradientAccumulation(accumulated="average"), ValueError, "'mean', 'total', 'shares', 'sum'"),
        (lambda: GradientAccumulation().step(np.ones(2), np.ones(3), {}), ValueError, "gradients has shape"),
        (
            lambda: GradientAccumulation().step(np.ones(2), np.ones(2), SGD().init(np.ones(2))),
            ValueError,
            r"GradientAccumulation: state must be a dict with \['step', 'accumulated'\].*make it with init",
        ),
        (
            lambda: GradientAccumulation().step(np.ones(2), np.ones(2), {"step": 0, "accumulated": np.ones(3)}),
            ValueError,
            r"state\['accumulated'\] has shape \(3,\)",
        ),
    ],
)
def test_bad_input_is_refused_by_name(make, error, named):
    with pytest.raises(error, match=named):
        make()


def test_a_rule_that_measures_whole_arrays_or_starts_elsewhere_keeps_doing_so():
    spec = GradientAccumulation(Rprop(learning_rate=0.25), 2, "sum")
    state = spec.init(np.ones(3))
    assert state["step_size"].tolist() == [0.25] * 3
    assert spec.elementwise is Rprop.elementwise
