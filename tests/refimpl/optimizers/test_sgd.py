"""SGD in exact rationals: momentum, stability limits, weight decay, the first velocity."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest

from refimpl import optimizers
from tests.refimpl.optimizers.runs import path_of
from tests.refimpl.optimizers.variants import short

DYADIC = [
    optimizers.SGD(0.25, weight_decay=0.125),
    *(
        optimizers.SGD(0.25, 0.5, dampening=0.25, weight_decay=0.125, first_velocity=first, rate=rate)
        for first in ("gradient", "dampened")
        for rate in ("outside", "inside")
    ),
    *(optimizers.SGD(0.25, 0.75, weight_decay=0.125, nesterov=True, rate=rate) for rate in ("outside", "inside")),
]


def transition(spec, step):
    """The matrix and the vector of (parameter, velocity, gradient) -> (parameter, velocity), in rationals.

    The velocity sums gradients; where the rule sums steps instead, it is that times the learning rate.
    """
    rate, momentum, dampening, decay = map(
        Fraction, (spec.learning_rate, spec.momentum, spec.dampening, spec.weight_decay)
    )
    kept = 1 if step == 1 and spec.first_velocity == "gradient" else 1 - dampening
    unit = rate if spec.rate == "inside" else Fraction(1)
    velocity = np.array([kept * unit * decay, momentum, kept * unit], dtype=object)
    penalized = np.array([unit * decay, 0, unit], dtype=object)
    direction = penalized + momentum * velocity if spec.nesterov else velocity
    return np.array([[1, 0, 0] - rate / unit * direction, velocity])


@pytest.mark.parametrize("spec", DYADIC, ids=short)
def test_sgd_on_dyadic_data_is_exact(spec):
    gradients = [np.array([3.0, -0.5, 0.0]), np.array([-1.0, 0.25, 1.5]), np.array([2.0, 2.0, -0.75])] * 2
    parameters, state = (
        np.array([1.5, -2.0, 0.25]),
        {"step": 0} | {slot: np.array([0.5, 0, -1]) for slot in spec.slots()},
    )
    for lane in range(3):
        vector = np.array([Fraction(x) for x in (parameters[lane], state.get("velocity", np.zeros(3))[lane])])
        lane_parameters, lane_state = parameters, state
        for step, gradient in enumerate(gradients, start=1):
            vector = transition(spec, step) @ np.append(vector, Fraction(gradient[lane]))
            lane_parameters, lane_state = spec.step(lane_parameters, gradient, lane_state)
            assert Fraction(lane_parameters[lane]) == vector[0]
            for slot in spec.slots():
                assert Fraction(lane_state[slot][lane]) == vector[1]


def descent_of(spec, curvature, steps, start=1.0):
    """The parameter under the gradients of curvature * x**2 / 2, before and after each step."""
    x, state, path = np.array(start), spec.init(np.array(start)), [start]
    for _ in range(steps):
        x, state = spec.step(x, curvature * x, state)
        path.append(float(x))
    return path


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_on_a_quadratic_obeys_its_characteristic_polynomial_exactly(nesterov):
    """Heavy ball: z**2 - (1 + b - a) z + b; Nesterov: z**2 - (1 - a)(1 + b) z + b (1 - a); a = rate * curvature."""
    b, a = Fraction(1, 2), Fraction(3, 4)
    trace, determinant = ((1 - a) * (1 + b), b * (1 - a)) if nesterov else (1 + b - a, b)
    x = [Fraction(value) for value in descent_of(optimizers.SGD(0.25, 0.5, nesterov=nesterov), 3.0, 16)]
    assert x[1] == 1 - a * (1 + b if nesterov else 1)
    for k in range(1, 16):
        assert x[k + 1] == trace * x[k] - determinant * x[k - 1]


@pytest.mark.parametrize(
    ("spec", "limit"),
    [(optimizers.SGD(1.0), 2.0), (optimizers.SGD(1.0, 0.9), 3.8), (optimizers.SGD(1.0, 0.9, nesterov=True), 3.8 / 2.8)],
    ids=["plain", "heavy ball", "Nesterov"],
)
def test_descent_converges_just_below_its_stability_limit_and_diverges_just_above(spec, limit):
    for factor, grows in ((0.999, False), (1.001, True)):
        sizes = np.abs(descent_of(spec, factor * limit, 3000))
        assert (sizes[-100:].max() > sizes[:100].max()) == grows


def test_descent_at_twice_the_inverse_curvature_is_a_2_cycle():
    assert descent_of(optimizers.SGD(0.5), 4.0, 6, start=0.3) == [0.3, -0.3] * 3 + [0.3]


def test_weight_decay_of_sgd_shrinks_the_parameter_by_rate_times_decay():
    path = path_of(optimizers.SGD(0.25, weight_decay=0.5), [np.zeros(2)] * 9, start=3.0)
    assert [Fraction(x) for x in path[:, 1]] == [3 * Fraction(7, 8) ** k for k in range(10)]


@pytest.mark.parametrize(("rate", "second", "third"), [("outside", 0.19, 0.271), ("inside", 1.0, 1.0)])
def test_a_changed_learning_rate_meets_the_momentum_as_declared(rate, second, third):
    """Rate 1, then 0.1, on a constant gradient of 1."""
    spec, gradient = optimizers.SGD(1.0, 0.9, rate=rate), np.array(1.0)
    x, state = spec.step(np.array(0.0), gradient, spec.init(gradient))
    path = [x]
    for _ in range(2):
        x, state = dataclasses.replace(spec, learning_rate=0.1).step(x, gradient, state)
        path.append(x)
    assert np.round(-np.diff(path, prepend=0.0), 12).tolist() == [1.0, second, third]


@pytest.mark.parametrize(
    ("first", "velocities"), [("gradient", [1.0, 1.25, 1.4375]), ("dampened", [0.5, 0.875, 1.15625])]
)
def test_first_velocity_is_dampened_only_where_declared(first, velocities):
    path = path_of(optimizers.SGD(1.0, 0.75, dampening=0.5, first_velocity=first), [np.array(1.0)] * 3)
    assert (-np.diff(path)).tolist() == velocities


def test_a_step_below_half_an_ulp_of_the_parameter_is_lost():
    assert optimizers.SGD(0.99).step(np.array(1.0), np.array(2.0**-54), {"step": 0})[0] == 1.0
    assert optimizers.SGD(1.01).step(np.array(1.0), np.array(2.0**-54), {"step": 0})[0] < 1.0
