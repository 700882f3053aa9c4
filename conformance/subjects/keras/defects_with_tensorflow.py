"""Defects of Keras on TensorFlow that no case shows, each in a few lines: what it gives, what is wrong and right."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from conformance.subjects.keras.runs import Answer
from conformance.subjects.reproduction import Reproduction
from refimpl.activations import CELU, SELU, Softmax
from refimpl.losses import SoftmaxCrossEntropy
from refimpl.optimizers import SGD, Adagrad, Adam, Optimizer

# A method of `library.Library` by name, and its arguments, to the answer of a float64 Library that is eager.
Ask: TypeAlias = Callable[..., Answer]
AROUND_ZERO = np.array([-3000.0, -(2.0**-60), 0.0, -0.0, 2.0])  # where the exponential is 0 or 1


def celu_at_zero(ask: Ask) -> Reproduction:
    """tf.maximum(x, 0) + alpha * tf.math.expm1(tf.minimum(x, 0) / alpha): at the tie both hand the cotangent on."""
    rule = CELU(alpha=2.0)
    _, actual = ask("activation", rule, AROUND_ZERO, np.ones(5))
    right = rule.derivative(AROUND_ZERO)
    return Reproduction(actual, wrong=np.where(AROUND_ZERO == 0, 2 * right, right), right=right)


def selu_at_zero(ask: Ask) -> Reproduction:
    """The derivative on the right of 0, also just below, where the value exp(x) - 1 is rounded to 0."""
    _, actual = ask("activation", SELU(), AROUND_ZERO, np.ones(5))
    right, on_the_right = (np.asarray(SELU().derivative(x)) for x in (AROUND_ZERO, np.ones(5)))
    return Reproduction(actual, wrong=np.where(np.exp(AROUND_ZERO) == 1, on_the_right, right), right=right)


def cross_entropy_weights(ask: Ask) -> Reproduction:
    """Weights of the classes that sum to 1/2, at equal logits of four classes: nothing is rounded."""
    rule, logits, weights = SoftmaxCrossEntropy(), np.zeros((1, 4)), np.array([[0.5, 0.0, 0.0, 0.0]])
    _, actual = ask("loss", rule, logits, weights)
    return Reproduction(actual, Softmax().forward(logits) - weights, right=rule.gradient(logits, weights))


def erf_of_large_numbers(ask: Ask) -> Reproduction:
    """x**2 is infinite from 2**512 on."""
    x = np.array([-1e200, -(2.0**512), -6.0, 6.0, 7.4e169])
    wrong = np.where(np.abs(x) < 2.0**512, np.sign(x), np.nan)
    return Reproduction(ask("elementary", "erf", x), wrong, right=np.sign(x))


def cast_of_hyperparameters(ask: Ask) -> Reproduction:
    """Where SGD comes to by its momentum and by its penalty, Adagrad from its first accumulator, and Adam by its bias
    correction, with the gradients -1 and 0 and the learning rate 1."""

    def ends(tenth: float, decay: float) -> np.ndarray:
        return np.array([1 + tenth, 1 - tenth, 1 / np.sqrt(tenth + 1), np.sqrt(1 - decay) / np.sqrt(1 - 0.999)])

    specs = (
        SGD(learning_rate=1.0, momentum=0.1),
        SGD(learning_rate=1.0, weight_decay=0.1),
        Adagrad(learning_rate=1.0, initial_accumulator=0.1, epsilon=0.0),
        Adam(learning_rate=1.0, beta1=0.0, beta2=0.999, epsilon=0.0),
    )
    actual = np.array([_end(ask, spec, gradients=(-1.0, 0.0)) for spec in specs])
    return Reproduction(actual, wrong=ends(float(np.float32(0.1)), float(np.float32(0.999))), right=ends(0.1, 0.999))


def _end(ask: Ask, spec: Optimizer, gradients: tuple[float, ...]) -> np.ndarray:
    """The parameter after these gradients, from 0."""
    state, parameters = ask("start", spec, ((),)).values, [np.zeros(())]
    for gradient in gradients:
        parameters, state = ask("step", spec, {}, state, [np.array(gradient)], parameters)
    return parameters[0]


REPRODUCTIONS: dict[str, Callable[[Ask], Reproduction]] = {
    "keras-tensorflow-celu-at-zero": celu_at_zero,
    "keras-tensorflow-selu-at-zero": selu_at_zero,
    "keras-tensorflow-cross-entropy-weights": cross_entropy_weights,
    "keras-tensorflow-cast-float32": cast_of_hyperparameters,
    "tensorflow-erf-nan": erf_of_large_numbers,
}
