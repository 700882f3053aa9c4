"""Averages of parameters: closed forms, the sum of weights 1 - decay**n, exact rationals, 50 digits, float32 bounds."""

from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.averaging import ParameterAverage
from tests.refimpl.optimizers.runs import assert_same_bits
from tests.refimpl.precision import ulps

STARTS = tuple(ParameterAverage.conventions()["start"])
every_start = pytest.mark.parametrize("start", STARTS)
IN_FLOAT32 = Target(FLOAT32, functions={"float64": {"power": 1.0}})


def path_of(spec, given, history):
    """The averages after each of the parameters in the history."""
    average, state, path = given, spec.init(given), []
    for parameters in history:
        average, state = spec.step(average, parameters, state)
        path.append(average)
    return path


def exactly(fractions):
    with mpmath.workdps(DIGITS):
        return Multiprecision(np.array([mpmath.mpf(x.numerator) / x.denominator for x in fractions], dtype=object))


def weighted(decay, start, given, history):
    """By the weight of each term: (1 - decay) * decay**age, and decay**n, or the first term's, of where it starts."""
    d, terms, found = Fraction(decay), [Fraction(x) for x in history], []
    for n in range(1, len(terms) + 1):
        total = sum((1 - d) * d ** (n - k) * terms[k - 1] for k in range(1, n + 1))
        if start == "corrected":
            total /= 1 - d**n
        elif start == "first":
            total += d**n * terms[0]
        elif start == "given":
            total += d**n * Fraction(given)
        found.append(total)
    return found


@every_start
@pytest.mark.parametrize("decay", [0.0, 0.25, 0.9, 0.999])
def test_averages_are_the_exact_weighted_sums(start, decay):
    """One step rounds three times, and each is forgotten at the rate of the average: 4 ulp of the largest a step."""
    history = [1.5, -0.3, 0.7, 2.25, 0.1, -1.0, 3.3]
    found = path_of(ParameterAverage(decay, start), np.array([0.6]), [np.array([x]) for x in history])
    exact = exactly(weighted(decay, start, 0.6, history))
    allowed = 4 * np.arange(1, 8) if start == "corrected" else 4
    assert (ulps(np.concatenate(found), exact, of=np.full(7, 3.3)) <= allowed).all()


@every_start
def test_the_average_of_a_constant_is_the_sum_of_its_weights(start):
    """1 - decay**n of it from zero, all of it once corrected or from the first one; from elsewhere a mixture."""
    with mpmath.workdps(DIGITS):
        history = [Multiprecision([2.0])] * 20
        for n, average in enumerate(path_of(ParameterAverage(0.9, start), Multiprecision([5.0]), history), 1):
            rest = mpmath.mpf(0.9) ** n
            exact = {"corrected": 2, "first": 2, "zero": 2 * (1 - rest), "given": 2 + 3 * rest}[start]
            assert abs(average.value[0] - exact) < mpmath.mpf(10) ** -46


def test_without_decay_the_average_is_the_last_parameter():
    for start in STARTS:
        assert path_of(ParameterAverage(0.0, start), np.array([7.0]), [np.array([0.1]), np.array([0.3])])[-1] == 0.3


def test_the_first_average_is_the_first_parameter_where_it_is_taken_over_or_corrected():
    first = np.array([0.1, -3.3])
    for start in ("first", "corrected"):
        average = path_of(ParameterAverage(0.999, start), np.array([5.0, 7.0]), [first])[0]
        assert (ulps(average, Multiprecision(first)) <= (0 if start == "first" else 4)).all()


@every_start
def test_averages_of_one_sign_are_within_4_ulp_of_50_digits_a_step(start):
    rng, spec = np.random.default_rng(3), ParameterAverage(0.97, start)
    given, history = rng.uniform(0.5, 2, (2, 3)), rng.uniform(0.5, 2, (9, 2, 3))
    exact = path_of(spec, Multiprecision(given), [Multiprecision(p) for p in history])
    for n, (found, expected) in enumerate(zip(path_of(spec, given, history), exact, strict=True), 1):
        assert (ulps(found, expected) <= 4 * n).all()


@every_start
@pytest.mark.parametrize("decay", [0.3, 0.9, 0.999])
def test_bounds_hold_for_float32_loops_and_are_not_loose(start, decay):
    """average + (1 - decay) * (parameter - average) (PyTorch's lerp), and the two products (optax, Keras)."""
    rng, spec, worst = np.random.default_rng(4), ParameterAverage(decay, start), 0.0
    given, history = (rng.standard_normal(size).astype(np.float32) for size in ((50,), (30, 50)))
    old, new = np.float32(decay), np.float32(1 - decay)
    certified = path_of(
        spec, RunningError.exact(given, IN_FLOAT32), [RunningError.exact(p, IN_FLOAT32) for p in history]
    )
    for two_products in (False, True):
        average = np.zeros_like(given) if start in ("zero", "corrected") else given
        for n, (parameters, expected) in enumerate(zip(history, certified, strict=True), 1):
            if n == 1 and start == "first":
                average = parameters
            elif two_products:
                average = old * average + new * parameters
            else:
                average = average + new * (parameters - average)
            found = average / np.float32(1 - decay**n) if start == "corrected" else average
            assert found.dtype == np.float32
            assert expected.within(found).all()
            error = np.abs(found - expected.value)
            worst = max(worst, np.max(np.divide(error, expected.bound, out=np.zeros(50), where=expected.bound > 0)))
    assert worst > 1 / 10


def test_the_uncorrected_average_is_kept_where_the_result_is_corrected():
    spec, history = ParameterAverage(0.5), [np.array([4.0]), np.array([8.0])]
    average, state = spec.step(np.array([1.0]), history[0], spec.init(np.array([1.0])))
    assert (average.tolist(), state["uncorrected"].tolist(), state["step"]) == ([4.0], [2.0], 1)
    average, state = spec.step(average, history[1], state)
    assert ulps(average, exactly([Fraction(20, 3)])) <= 4
    assert state["uncorrected"].tolist() == [5.0]
    assert ParameterAverage(start="zero").slots() == ()


@every_start
def test_trees_keep_their_structure_and_nothing_passed_in_is_changed(start):
    spec = ParameterAverage(0.75, start)
    given = {"weight": np.arange(6.0).reshape(2, 3), "rest": (np.array(0.5),)}
    parameters = {"rest": (np.array(2.0),), "weight": np.ones((2, 3))}
    kept = {"weight": given["weight"].copy(), "rest": (given["rest"][0].copy(),)}
    average, state = spec.step(given, parameters, spec.init(given))
    again, _ = spec.step(average, parameters, state)
    assert_same_bits(given, kept)
    assert average["weight"].shape == (2, 3)
    assert isinstance(again["rest"], tuple)
    assert not np.shares_memory(average["weight"], parameters["weight"])


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: ParameterAverage(1.0), ValueError, r"decay must be a finite number in \[0, 1\)"),
        (lambda: ParameterAverage(start="copy"), ValueError, "'corrected', 'zero', 'first', 'given'"),
        (lambda: ParameterAverage().init(np.arange(3)), TypeError, "parameters must be an array of"),
        (lambda: ParameterAverage().step(np.ones(2), np.ones(3), {}), ValueError, r"parameters has shape \(3,\)"),
        (
            lambda: ParameterAverage().step(np.ones(2), np.ones(2), {"step": 3}),
            ValueError,
            r"ParameterAverage: state must be a dict with \['step', 'uncorrected'\].*make it with init",
        ),
    ],
)
def test_bad_input_is_refused_by_name(make, error, named):
    with pytest.raises(error, match=named):
        make()
