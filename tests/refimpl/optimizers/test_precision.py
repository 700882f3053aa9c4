"""Steps of optimizers are within 4 ulp of 50 digits, and runs within their running-error bounds."""

import dataclasses

import mpmath
import numpy as np
import pytest

from refimpl import optimizers
from refimpl.arithmetic import FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.trees import map_leaves
from tests.refimpl.optimizers.runs import flat, run
from tests.refimpl.optimizers.variants import (
    ELEMENTWISE,
    drawn_gradients,
    drawn_parameters,
    every_base,
    flat_parts,
    short,
)
from tests.refimpl.precision import ulps


def in_50_digits(tree):
    return map_leaves(Multiprecision, tree)


def exact_step(spec, parameters, gradients, state):
    slots = {slot: in_50_digits(tree) for slot, tree in state.items() if slot != "step"}
    return spec.step(in_50_digits(parameters), in_50_digits(gradients), slots | {"step": state["step"]})


def largest_terms(spec, parameters, gradients, state):
    """The largest term of the sums that each result ends in, since a sum that cancels has no relative accuracy.

    The same step downhill on absolute values cancels nothing but the parameter against its change.
    """
    spec = dataclasses.replace(spec, maximize=False)
    size = [map_leaves(np.abs, tree) for tree in (parameters, gradients)]
    sizes = {slot: tree if slot == "step" else map_leaves(np.abs, tree) for slot, tree in state.items()}
    if isinstance(spec, optimizers.AdaBelief):
        return largest_terms_of_belief(spec, parameters, gradients, state)
    if not getattr(spec, "centered", False):
        moved, slots = spec.step(*size, sizes)
        return flat_parts(map_leaves(lambda p, new: np.maximum(p, p - new), size[0], moved), slots)
    # The variance v - m**2 cancels too: a relative error of v counts v / (v - m**2) fold in it, and the step itself is
    # up to the root of that longer than without centering.
    largest = flat_parts(*spec.step(*size, sizes))
    plain = dataclasses.replace(spec, centered=False)
    uncentered = largest_terms(plain, *size, {slot: sizes[slot] for slot in ("step", *plain.slots())})
    centered = flat_parts(*spec.step(parameters, gradients, state))
    condition = centered["second_moment"] / (centered["second_moment"] - centered["mean"] ** 2)
    assert (condition < 50).all()
    stretched = {name: uncentered[name] * condition**1.5 for name in ("parameters", "velocity") if name in uncentered}
    return largest | stretched


def largest_terms_of_belief(spec, parameters, gradients, state):
    """The distance from the average is one difference of what is given: the step is as long as the average's terms."""
    if spec.weight_decay_kind == "coupled":
        gradients = map_leaves(lambda g, p: np.abs(g) + spec.weight_decay * np.abs(p), gradients, parameters)
    moved, new = spec.step(parameters, gradients, state)
    terms = map_leaves(
        lambda m, g: spec.beta1 * np.abs(m) + (1 - spec.beta1) * np.abs(g), state["first_moment"], gradients
    )
    found = flat_parts(moved, new)
    stretch = np.maximum(flat(terms), 1e-300) / np.maximum(np.abs(found["first_moment"]), 1e-300)
    start = flat(parameters)
    change = np.abs(start - found["parameters"]) * stretch
    return found | {"parameters": np.maximum(np.abs(start), change), "first_moment": flat(terms)}


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=short)
def test_one_step_is_within_4_ulp_of_50_digits_from_any_state(spec):
    parameters, state = drawn_parameters(), spec.init(drawn_parameters())
    for step, gradients in enumerate(drawn_gradients(60), start=1):
        arguments = parameters, gradients, state
        parameters, state = spec.step(*arguments)
        if step in (1, 2, 10, 60):
            largest, found = largest_terms(spec, *arguments), flat_parts(parameters, state)
            for name, exact in flat_parts(*exact_step(spec, *arguments)).items():
                unit = FLOAT64.ulp(np.abs(exact.to_float64())) / FLOAT64.ulp(largest[name])
                assert (ulps(found[name], exact) * unit <= 4).all(), (name, step)


IN_FLOAT64 = Target(FLOAT64, functions={"float64": {"sqrt": 0.5, "rsqrt": 1.5, "power": 1.0}})


@every_base
def test_60_steps_and_their_50_digits_stay_within_the_running_error_bound(spec):
    # With rate * decay / epsilon above 1 a penalty makes the rules that divide unstable, and no bound stays finite.
    spec = dataclasses.replace(spec, weight_decay=spec.weight_decay / 100)
    gradients = list(drawn_gradients(60))
    found = flat_parts(*run(spec, drawn_parameters(), gradients))
    exact = flat_parts(*run(spec, in_50_digits(drawn_parameters()), map(in_50_digits, gradients)))
    bounded = [map_leaves(lambda x: RunningError.exact(x, IN_FLOAT64), g) for g in (drawn_parameters(), *gradients)]
    for name, certified in flat_parts(*run(spec, bounded[0], bounded[1:])).items():
        assert np.isfinite(certified.bound).all()
        assert certified.within(found[name]).all()
        with mpmath.workdps(DIGITS):
            error = np.abs(exact[name].value - certified.value)
        assert (error <= certified.bound).all()


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=short)
def test_a_gradient_that_is_not_a_number_leaves_none_and_no_other_parameter_learns_of_it(spec):
    gradients = np.array([0.5, np.nan, -0.25])
    found, _ = run(spec, np.array([1.0, 2.0, 3.0]), [gradients] * 2)
    assert np.isnan(found).tolist() == [False, True, False]


def test_decoupled_weight_decay_shrinks_the_running_error_bound_with_the_parameter():
    """By 200 steps of 0.9 each; an expression with the parameter in two terms lets the bound grow by 1.1 each."""
    zero = RunningError.exact(np.zeros(2), IN_FLOAT64)
    start = RunningError.exact(np.array([3.0, -0.7]), IN_FLOAT64)
    decayed, _ = run(optimizers.AdamW(0.2, weight_decay=0.5), start, [zero] * 200)
    assert (decayed.bound <= 4 * 200 * FLOAT64.ulp(np.abs(decayed.value))).all()
