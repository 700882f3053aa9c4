"""Defects of Keras on TensorFlow that no case shows, each in a few lines: what it gives, what is wrong and right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from conformance.divergences import Reproduction
from refimpl.activations import CELU, SELU, Softmax
from refimpl.losses import SoftmaxCrossEntropy

# A method of `library.Library` by name, and its arguments, to the answer of a float64 Library that is eager.
Ask = Callable[..., Any]
AROUND_ZERO = np.array([-3000.0, -(2.0**-60), 0.0, -0.0, 2.0])  # where the exponential is 0 or 1


def celu_at_zero(ask: Ask) -> Reproduction:
    """tf.maximum(x, 0) + alpha * tf.math.expm1(tf.minimum(x, 0) / alpha): at the tie both hand the cotangent on."""
    rule = CELU(alpha=2.0)
    _, found = ask("activation", rule, AROUND_ZERO, np.ones(5))
    right = rule.derivative(AROUND_ZERO)
    return Reproduction(found, wrong=np.where(AROUND_ZERO == 0, 2 * right, right), right=right)


def selu_at_zero(ask: Ask) -> Reproduction:
    """The derivative on the right of 0, also just below, where the value exp(x) - 1 is rounded to 0."""
    _, found = ask("activation", SELU(), AROUND_ZERO, np.ones(5))
    right, on_the_right = SELU().derivative(AROUND_ZERO), SELU().derivative(np.ones(5))
    return Reproduction(found, wrong=np.where(np.exp(AROUND_ZERO) == 1, on_the_right, right), right=right)


def cross_entropy_weights(ask: Ask) -> Reproduction:
    """Weights of the classes that sum to 1/2, at equal logits of four classes: nothing is rounded."""
    rule, logits, weights = SoftmaxCrossEntropy(), np.zeros((1, 4)), np.array([[0.5, 0.0, 0.0, 0.0]])
    _, found = ask("loss", rule, logits, weights)
    return Reproduction(found, Softmax().forward(logits) - weights, right=rule.gradient(logits, weights))


def erf_of_large_numbers(ask: Ask) -> Reproduction:
    """x**2 is infinite from 2**512 on."""
    x = np.array([-1e200, -(2.0**512), -6.0, 6.0, 7.4e169])
    wrong = np.where(np.abs(x) < 2.0**512, np.sign(x), np.nan)
    return Reproduction(ask("elementary", "erf", x), wrong, right=np.sign(x))


REPRODUCTIONS: dict[str, Callable[[Ask], Reproduction]] = {
    "keras-tensorflow-celu-at-zero": celu_at_zero,
    "keras-tensorflow-selu-at-zero": selu_at_zero,
    "keras-tensorflow-cross-entropy-weights": cross_entropy_weights,
    "tensorflow-erf-nan": erf_of_large_numbers,
}
