"""Runs of optimizers, their closed forms in 50 digits, and the comparison of both."""

from __future__ import annotations

import mpmath
import numpy as np

from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.trees import leaves, map_leaves
from tests.refimpl.precision import ulps


def run(spec, parameters, gradients, state=None):
    """Parameters and state after a step with each of the gradients."""
    state = spec.init(parameters) if state is None else state
    for gradient in gradients:
        parameters, state = spec.step(parameters, gradient, state)
    return parameters, state


def path_of(spec, gradients, start=0.0):
    """The parameters before the first and after each step, stacked; gradients of one shape."""
    parameters, path = np.full_like(gradients[0], start), []
    state = spec.init(parameters)
    for gradient in gradients:
        path.append(parameters)
        parameters, state = spec.step(parameters, gradient, state)
    return np.array([*path, parameters])


def changes_of(spec, gradients):
    """What each step adds to a parameter of zero, where no sum cancels; for rules without weight decay."""
    still, changes = np.zeros_like(gradients[0]), []
    state = spec.init(still)
    for gradient in gradients:
        change, state = spec.step(still, gradient, state)
        changes.append(change)
    return np.array(changes)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for _, leaf in leaves(tree)])


def assert_same_bits(left, right):
    for (path, a), (other_path, b) in zip(leaves(left), leaves(right), strict=True):
        assert path == other_path
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), path


def exactly(formula, *arrays):
    """`formula` of mpmath numbers, elementwise, in 50 digits."""
    with mpmath.workdps(DIGITS):
        operands = [Multiprecision(np.asarray(array, dtype=np.float64)).value for array in arrays]
        return Multiprecision(np.frompyfunc(formula, len(arrays), 1)(*operands))


def assert_within_4_ulp_per_step(value, exact, steps):
    """One step is within 4 ulp (see test_one_step...), and in sums of one sign the errors of the steps add."""
    assert (ulps(value, exact) <= 4 * np.asarray(steps)).all()


def scaled(trees, factor):
    return [map_leaves(lambda leaf: leaf * factor, tree) for tree in trees]
