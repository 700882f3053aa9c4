"""Penalties: integers, difference quotients, weight decay, 50 digits, conventions, float32 bounds and bad input."""

import dataclasses

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.optimizers import SGD
from refimpl.regularization import L1, L2
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import ulps

PENALTIES = [L1(0.03), L1(0.03, derivative_at_zero=1.0), L2(0.03), L2(0.03, half=False)]
every_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
STEP = mpmath.mpf(10) ** -16


def drawn_tree(seed):
    rng = np.random.default_rng(seed)
    return [
        {"weight": rng.normal(size=(3, 5)) * 10.0 ** rng.uniform(-3, 3, (3, 5)), "bias": rng.normal(size=5)},
        {},
        (np.array(-1.7), rng.normal(size=(2, 0, 3))),
    ]


def test_values_and_gradients_of_integers_are_exact():
    tree = {"a": np.array([[3.0, -1.0], [0.0, 2.0]]), "b": np.array(-4.0)}
    for penalty, value, of_a, of_b in [
        (L1(0.5), 5.0, [[0.5, -0.5], [0.0, 0.5]], -0.5),
        (L1(0.5, derivative_at_zero=1.0), 5.0, [[0.5, -0.5], [0.5, 0.5]], -0.5),
        (L2(0.5), 7.5, [[1.5, -0.5], [0.0, 1.0]], -2.0),
        (L2(0.5, half=False), 15.0, [[3.0, -1.0], [0.0, 2.0]], -4.0),
    ]:
        gradient = penalty.gradient(tree)
        assert (penalty.value(tree), gradient["a"].tolist(), gradient["b"]) == (value, of_a, of_b)


@every_penalty
def test_value_and_gradient_are_within_4_ulp_of_50_digits(penalty):
    """A sum of 21 terms of one sign, of which NumPy adds eight at a time."""
    tree = drawn_tree(1)
    exact = map_leaves(Multiprecision, tree)
    assert ulps(penalty.value(tree), penalty.value(exact)) <= 4
    expected = dict(leaves(penalty.gradient(exact)))
    for path, actual in leaves(penalty.gradient(tree)):
        assert (ulps(actual, expected[path]) <= 1).all()


@every_penalty
def test_gradient_is_the_limit_of_difference_quotients(penalty):
    """Exact for a penalty linear or quadratic in a step that turns no sign; rounding leaves 10**-42 / STEP."""
    tree = map_leaves(Multiprecision, drawn_tree(2))
    direction = map_leaves(Multiprecision, drawn_tree(3))
    ahead, behind = (penalty.value(map_leaves(lambda p, d, t=t: p + t * d, tree, direction)) for t in (STEP, -STEP))
    slopes = map_leaves(lambda g, d: (g * d).sum(), penalty.gradient(tree), direction)
    derivative = sum(slope for _, slope in leaves(slopes))
    with mpmath.workdps(DIGITS):
        assert abs(derivative - (ahead - behind) / (2 * STEP)).value <= mpmath.mpf(10) ** -42 / STEP


def test_half_squared_norm_is_the_weight_decay_of_gradient_descent():
    parameters, gradients = drawn_tree(4), drawn_tree(5)
    decayed, _ = step(SGD(0.2, weight_decay=0.03), parameters, gradients)
    penalized, _ = step(SGD(0.2), parameters, map_leaves(np.add, gradients, L2(0.03).gradient(parameters)))
    for (_, a), (_, b) in zip(leaves(decayed), leaves(penalized), strict=True):
        assert np.array_equal(a, b)


def step(rule, parameters, gradients):
    return rule.step(parameters, gradients, rule.init(parameters))


@every_penalty
def test_bounds_hold_for_float32_evaluations(penalty):
    target = Target(FLOAT32)
    tree = map_leaves(lambda leaf: leaf.astype(np.float32), drawn_tree(6))
    certified = map_leaves(lambda leaf: RunningError.exact(leaf, target), tree)
    strength = np.float32(penalty.strength / 2 if isinstance(penalty, L2) and penalty.half else penalty.strength)
    measure = np.abs if isinstance(penalty, L1) else np.square
    value = strength * sum((measure(leaf).sum(dtype=np.float32) for _, leaf in leaves(tree)), np.float32(0))
    assert value.dtype == np.float32
    assert penalty.value(certified).within(value)
    bounds = dict(leaves(penalty.gradient(certified)))
    for path, leaf in leaves(tree):
        slope = np.sign(leaf) if isinstance(penalty, L1) else np.float32(2) * leaf
        assert bounds[path].within(strength * slope).all()


@every_penalty
def test_penalty_of_strength_zero_is_nothing(penalty):
    nothing, tree = dataclasses.replace(penalty, strength=0), drawn_tree(7)
    assert nothing.value(tree) == 0
    assert all((leaf == 0).all() for _, leaf in leaves(nothing.gradient(tree)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: L1(-0.1), ["L1", "strength", "-0.1", "[0, inf)"]),
        (lambda: L2(np.nan), ["L2", "strength", "nan"]),
        (lambda: L2("0.1"), ["L2", "strength", "'0.1'"]),
        (lambda: L1(derivative_at_zero=0.5), ["derivative_at_zero", "0.5", "0.0", "1.0"]),
        (lambda: L2(half=1), ["half", "1", "True", "False"]),
        (lambda: L2().value([]), ["tree", "empty"]),
        (lambda: L2().gradient({}), ["tree", "empty"]),
        (lambda: L1().gradient({"a": np.array([1, 2])}), ["tree['a']", "int64"]),
        (lambda: L1().value([np.array([1j])]), ["tree[0]", "complex128"]),
        (lambda: L1().value([[1.0, "2"]]), ["tree[0][1]", "'2'"]),
    ],
)
def test_bad_input_is_refused_by_name_value_and_what_is_allowed(call, words):
    with pytest.raises((TypeError, ValueError)) as refusal:
        call()
    assert all(word in str(refusal.value) for word in words), str(refusal.value)
