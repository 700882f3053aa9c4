"""Each value of a convention of an optimizer changes what it should."""

import dataclasses

import numpy as np
import pytest

from refimpl import optimizers
from tests.refimpl.optimizers.runs import assert_same_bits, run, scaled
from tests.refimpl.optimizers.variants import (
    BASES,
    SHARED,
    VARIANTS,
    drawn_gradients,
    drawn_parameters,
    every_variant,
    short,
)

COUPLING = [spec for spec in VARIANTS if "coupled" in spec.conventions()["weight_decay_kind"] and not spec.maximize]


@pytest.mark.parametrize("spec", COUPLING, ids=short)
def test_l2_penalty_adds_its_gradient(spec):
    spec = dataclasses.replace(spec, weight_decay=0.125, weight_decay_kind="coupled")
    parameters = np.array([1.5, -4.0, 0.0])
    gradient, penalized = np.array([0.75, 0.25, -2.0]), np.array([0.9375, -0.25, -2.0])
    _, state = spec.step(parameters, gradient, spec.init(parameters))
    found = spec.step(parameters, gradient, state)
    assert_same_bits(found, dataclasses.replace(spec, weight_decay=0.0).step(parameters, penalized, state))


# A rule in which the values of the convention differ, and the gradients of one element that show it.
VARIED = [np.array(g) for g in (0.5, -2.0, 3e-3, 1.0)]
TOO_SMALL_TO_SQUARE = [np.array(1e-200)]
SHOWN_BY = {
    (optimizers.SGD, "nesterov"): (optimizers.SGD(0.1, 0.5), VARIED),
    (optimizers.SGD, "first_velocity"): (optimizers.SGD(0.1, 0.5, dampening=0.5), VARIED),
    (optimizers.SGD, "rate"): (optimizers.SGD(0.1, 0.5), VARIED),
    (optimizers.Adagrad, "epsilon_placement"): (optimizers.Adagrad(0.1, epsilon=1e-2), TOO_SMALL_TO_SQUARE),
    (optimizers.RMSprop, "centered"): (optimizers.RMSprop(0.1, epsilon=1e-2), VARIED),
    (optimizers.RMSprop, "epsilon_placement"): (optimizers.RMSprop(0.1, epsilon=1e-2), VARIED),
    (optimizers.RMSprop, "rate"): (optimizers.RMSprop(0.1, momentum=0.5), VARIED),
    (optimizers.Adam, "epsilon_placement"): (optimizers.Adam(0.1, epsilon=1e-2), VARIED),
    (optimizers.AdamW, "epsilon_placement"): (optimizers.AdamW(0.1, epsilon=1e-2), VARIED),
    (optimizers.AMSGrad, "epsilon_placement"): (optimizers.AMSGrad(0.1, epsilon=1e-2), VARIED),
    (optimizers.AMSGrad, "maximum"): (optimizers.AMSGrad(0.1), VARIED),
    (optimizers.NAdam, "momentum_schedule"): (optimizers.NAdam(0.1), VARIED),
    (optimizers.RAdam, "threshold"): (optimizers.RAdam(0.1, beta2=0.9988), VARIED * 2),
    (optimizers.RAdam, "epsilon_placement"): (optimizers.RAdam(0.1, epsilon=1e-2), VARIED * 2),
    (optimizers.Adamax, "epsilon_placement"): (optimizers.Adamax(0.1, beta2=0.5, epsilon=1e-2), VARIED),
    (optimizers.Rprop, "taken"): (optimizers.Rprop(0.1), VARIED),
    (optimizers.Yogi, "corrected"): (optimizers.Yogi(0.1), VARIED),
    (optimizers.Yogi, "first_start"): (optimizers.Yogi(0.1, initial_accumulator=0.5), VARIED),
} | {(type(base), name): (dataclasses.replace(base, weight_decay=0.3), VARIED) for base in BASES for name in SHARED}


def test_every_convention_is_shown_by_an_input():
    rules = {type(base) for base in BASES}
    assert set(SHOWN_BY) == {(rule, name) for rule in rules for name in rule.conventions()}


@pytest.mark.parametrize(("rule", "name"), SHOWN_BY, ids=lambda x: getattr(x, "__name__", x))
def test_each_value_of_a_convention_gives_another_result(rule, name):
    spec, gradients = SHOWN_BY[rule, name]
    pairs = [np.array([g, g**3]) for g in gradients]  # a layer of one element shows nothing of its direction
    results = []
    for value in rule.conventions()[name]:
        chosen = dataclasses.replace(spec, **{name: value})
        halfway = run(chosen, np.array([0.0, 0.5]), pairs[:2])
        slower = dataclasses.replace(chosen, learning_rate=chosen.learning_rate / 4)
        results.append(tuple(run(slower, halfway[0], pairs[2:], halfway[1])[0].tolist()))
    assert np.isfinite(results).all()
    assert len(set(results)) == len(results)


@every_variant
def test_ascent_is_descent_along_the_negative_gradient_with_the_same_decay(spec):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(2))
    gradients = next(drawn_gradients(1))
    turned = dataclasses.replace(spec, maximize=not spec.maximize)
    assert_same_bits(
        spec.step(parameters, gradients, state), turned.step(parameters, scaled([gradients], -1.0)[0], state)
    )


@every_variant
@pytest.mark.parametrize(("kind", "kept"), [("decoupled", 0.875), ("unscaled", 0.5)])
def test_decay_shrinks_the_parameter_before_its_step(spec, kind, kept):
    within = {"largest_step": 1.0} if isinstance(spec, optimizers.Rprop) else {}
    spec = dataclasses.replace(spec, weight_decay=0.5, weight_decay_kind=kind, learning_rate=0.25, **within)
    plain = dataclasses.replace(spec, weight_decay=0.0)
    parameters, state = run(plain, drawn_parameters(), drawn_gradients(2))
    gradients = next(drawn_gradients(1))
    decayed = scaled([parameters], kept)[0]  # both factors are exact
    assert_same_bits(spec.step(parameters, gradients, state), plain.step(decayed, gradients, state))


def test_adagrad_skips_an_element_without_history_only_where_declared():
    gradient = np.array([0.0, 2.0])
    skipping, plain = (
        run(optimizers.Adagrad(0.5, epsilon=0.0, epsilon_placement=placement), np.array([1.0, 1.0]), [gradient])[0]
        for placement in ("inside_where_positive", "inside")
    )
    assert skipping.tolist() == [1.0, 0.5]
    assert np.isnan(plain[0])
    assert plain[1] == 0.5


def test_an_optimizer_without_a_rule_cannot_be_made():
    with pytest.raises(TypeError, match="update"):
        optimizers.Optimizer()
