"""Defects of Keras that no case shows, each in a few lines: what it gives, what is wrong with it, and what is right."""

from __future__ import annotations

from collections.abc import Callable

import jax
import keras
import numpy as np

import refimpl
from conformance.subjects.reproduction import Reproduction


def large_gradient_in_float16() -> Reproduction:
    """The norm of one entry is that entry, but its square is beyond float16."""
    gradient = np.array([300.0], dtype=np.float16)
    parameter = keras.Variable(np.zeros(1), dtype="float16")
    keras.optimizers.SGD(1.0, global_clipnorm=1.0).apply([gradient], [parameter])
    step = refimpl.ClipByGlobalNorm(max_norm=1.0).apply(gradient.astype(np.float64))
    return Reproduction(actual=np.asarray(parameter.value), wrong=np.full(1, np.nan), right=-step)


def tversky_weights() -> Reproduction:
    """Four hits, four false positives, no false negatives; alpha is the weight of false positives, beta of the others
    (Salehi, Erdogmus & Gholipour 2017, eq. 3)."""
    truth, prediction = np.array([1.0] * 4 + [0.0] * 4), np.ones(8)
    alpha, beta, hits, false_positives, false_negatives = 1.0, 0.0, 4.0, 4.0, 0.0

    def loss(of_positives: float, of_negatives: float) -> np.ndarray:
        return np.asarray(1 - hits / (hits + of_positives * false_positives + of_negatives * false_negatives))

    actual = keras.losses.tversky(truth, prediction, alpha=alpha, beta=beta)
    return Reproduction(np.asarray(actual), wrong=loss(beta, alpha), right=loss(alpha, beta))


def label_smoothing_along_another_axis() -> Reproduction:
    """Two classes along the axis 1, at four places: smoothing shares out among the places what belongs to classes."""
    labels, logits = np.zeros((1, 2, 4), dtype=np.float32), np.zeros((1, 2, 4), dtype=np.float32)
    labels[:, 0] = 1.0

    def loss(labels: np.ndarray, label_smoothing: float) -> np.ndarray:
        actual = keras.losses.categorical_crossentropy(
            labels, logits, from_logits=True, label_smoothing=label_smoothing, axis=1
        )
        return np.asarray(actual)

    rule = refimpl.SoftmaxCrossEntropy(label_smoothing=0.5)
    right = [[rule.value(logits[0, :, place], labels[0, :, place]) for place in range(4)]]
    return Reproduction(actual=loss(labels, 0.5), wrong=loss(labels / 2 + 0.5 / 4, 0.0), right=np.array(right))


def normalize_of_zeros() -> Reproduction:
    """x / max(norm(x), epsilon) is x / epsilon near 0."""
    actual = jax.grad(lambda x: keras.ops.normalize(x).sum())(np.zeros((1, 2), dtype=np.float32))
    return Reproduction(np.asarray(actual), np.full((1, 2), np.nan), right=np.full((1, 2), 1 / keras.config.epsilon()))


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "keras-float16-large-gradient": large_gradient_in_float16,
    "keras-tversky-swapped": tversky_weights,
    "keras-label-smoothing-axis": label_smoothing_along_another_axis,
    "keras-normalize-nan": normalize_of_zeros,
}
