"""Predictions and targets for each loss: what a head of a network hands to it, and what data say."""

from __future__ import annotations

import numpy as np

from conformance.strategies.gradients import representable
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, Loss, MeanSquaredError, SoftmaxCrossEntropy


def targets(generator: np.random.Generator, loss: Loss, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Targets for predictions of `shape`; labels are integers, everything else is representable in `dtype`."""
    if isinstance(loss, SoftmaxCrossEntropy):
        labels = generator.integers(0, shape[-1], shape[:-1])
        return labels if loss.labels == "index" else np.eye(shape[-1])[labels]
    if isinstance(loss, (BinaryCrossEntropy, BinaryCrossEntropyWithLogits)):
        return generator.integers(0, 2, shape).astype(np.float64)
    return representable(generator.standard_normal(shape) * 3, dtype)


def predictions(generator: np.random.Generator, loss: Loss, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Predictions in the loss's domain, from indifferent to nearly certain."""
    if isinstance(loss, BinaryCrossEntropy):
        near_ends = 10.0 ** generator.uniform(-5, -0.3, shape)
        return representable(np.where(generator.random(shape) < 0.5, near_ends, 1 - near_ends), dtype)
    if isinstance(loss, MeanSquaredError):
        return representable(generator.standard_normal(shape) * 3, dtype)
    return representable(generator.standard_normal(shape) * 10.0 ** generator.uniform(-2, 1.6, shape), dtype)
