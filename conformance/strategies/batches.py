"""Predictions and targets for each loss: what a head of a network hands to it, and what data say."""

from __future__ import annotations

import numpy as np

from conformance.strategies.gradients import representable
from refimpl import losses


def targets(generator: np.random.Generator, loss: losses.Loss, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Targets for predictions of `shape`; labels are integers, everything else is representable in `dtype`.

    Where a loss takes weights of classes, half are those of one class alone, half are anything in [0, 1].
    """
    if isinstance(loss, (losses.SoftmaxCrossEntropy, losses.NegativeLogLikelihood)):
        labels = generator.integers(0, shape[-1], shape[:-1])
        if isinstance(loss, losses.NegativeLogLikelihood) or loss.labels == "index":
            return labels
        certain = generator.random((*shape[:-1], 1)) < 0.5
        return np.where(certain, np.eye(shape[-1])[labels], representable(generator.random(shape), dtype))
    if isinstance(loss, (losses.BinaryCrossEntropy, losses.BinaryCrossEntropyWithLogits)):
        certain = generator.random(shape) < 0.5
        return np.where(certain, generator.integers(0, 2, shape), representable(generator.random(shape), dtype))
    if isinstance(loss, losses.Hinge):
        return generator.choice([-1.0, 1.0], shape)
    if isinstance(loss, losses.KLDivergence):
        probability = generator.dirichlet(np.full(shape[-1], 0.4), shape[:-1])
        if loss.target_as == "logarithm":
            return representable(np.log(np.maximum(probability, 1e-12)), dtype)
        return representable(np.where(generator.random(shape) < 0.2, 0.0, probability), dtype)
    return representable(generator.standard_normal(shape) * 3, dtype)


def predictions(generator: np.random.Generator, loss: losses.Loss, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Predictions in the loss's domain, from indifferent to nearly certain."""
    if isinstance(loss, losses.BinaryCrossEntropy):
        near_zero, from_one = (10.0 ** generator.uniform(lowest, -0.3, shape) for lowest in (-12, -5))
        return representable(np.where(generator.random(shape) < 0.5, near_zero, 1 - from_one), dtype)
    if isinstance(loss, (losses.MeanSquaredError, losses.Huber, losses.SmoothL1)):
        return representable(generator.standard_normal(shape) * 3, dtype)
    if isinstance(loss, (losses.KLDivergence, losses.NegativeLogLikelihood)):
        return representable(np.log(generator.dirichlet(np.full(shape[-1], 0.4), shape[:-1]) + 1e-12), dtype)
    return representable(generator.standard_normal(shape) * 10.0 ** generator.uniform(-2, 1.6, shape), dtype)
