"""Scaling and negation of gradients change the path of an optimizer as they must, bit for bit."""

import dataclasses

import numpy as np
import pytest

from refimpl import optimizers
from refimpl.trees import map_leaves
from tests.refimpl.optimizers.runs import assert_same_bits, flat, run, scaled
from tests.refimpl.optimizers.variants import BASES, ODD, drawn_gradients, drawn_parameters, short, variants

SCALE_FREE = [
    optimizers.Adam(0.3, 0.8, 0.97, 0.0),
    optimizers.Adam(0.3, 0.8, 0.97, 0.0, epsilon_placement="inside"),
    optimizers.AdamW(0.3, 0.8, 0.97, 0.0, weight_decay=0.07, epsilon_placement="uncorrected"),
    optimizers.Adagrad(0.05, 0.2, 0.0),
    optimizers.RMSprop(0.02, 0.85, 0.0, momentum=0.6, centered=True),
]


def nonzero_gradients(steps):
    return [map_leaves(lambda g: np.where(g == 0, 0.5, g), gradients) for gradients in drawn_gradients(steps)]


@pytest.mark.parametrize("spec", SCALE_FREE, ids=short)
def test_without_epsilon_scaling_gradients_by_a_power_of_two_changes_nothing(spec):
    gradients = nonzero_gradients(20)
    expected, _ = run(spec, drawn_parameters(), gradients)
    for exponent in (-40, 3, 77):
        assert_same_bits(run(spec, drawn_parameters(), scaled(gradients, 2.0**exponent))[0], expected)


@pytest.mark.parametrize("spec", [dataclasses.replace(s, epsilon=0.03) for s in SCALE_FREE], ids=short)
def test_scaling_gradients_and_epsilon_by_a_power_of_two_changes_nothing(spec):
    gradients = list(drawn_gradients(20))
    power = 2 if spec.epsilon_placement == "inside" else 1  # epsilon under the root has the unit of the square
    for exponent in (-40, 3, 77):
        larger = dataclasses.replace(spec, epsilon=spec.epsilon * 2.0 ** (power * exponent))
        found, _ = run(larger, drawn_parameters(), scaled(gradients, 2.0**exponent))
        assert_same_bits(found, run(spec, drawn_parameters(), gradients)[0])


@pytest.mark.parametrize(
    "spec", [v for base in BASES if type(base) is optimizers.SGD for v in variants(base)], ids=short
)
def test_sgd_is_linear_in_powers_of_two(spec):
    gradients = list(drawn_gradients(20))
    found, _ = run(spec, scaled([drawn_parameters()], 2.0**9)[0], scaled(gradients, 2.0**9))
    expected, _ = run(spec, drawn_parameters(), gradients)
    assert_same_bits(found, scaled([expected], 2.0**9)[0])


@pytest.mark.parametrize("spec", ODD, ids=short)
def test_negating_parameters_and_gradients_negates_the_path(spec):
    gradients = list(drawn_gradients(20))
    found, _ = run(spec, scaled([drawn_parameters()], -1.0)[0], scaled(gradients, -1.0))
    expected, _ = run(spec, drawn_parameters(), gradients)
    assert (flat(found) == -flat(expected)).all()


@pytest.mark.parametrize("spec", ODD, ids=short)
def test_zero_gradients_on_fresh_state_leave_the_parameters_alone(spec):
    still = dataclasses.replace(spec, weight_decay=0.0)
    zeros = map_leaves(np.zeros_like, drawn_parameters())
    assert_same_bits(run(still, drawn_parameters(), [zeros] * 3)[0], drawn_parameters())
