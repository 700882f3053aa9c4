"""Losses with their gradients by the prediction: one rule each, as a mean or a sum."""

from refimpl.losses.binary import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, Hinge
from refimpl.losses.classes import KLDivergence, NegativeLogLikelihood, SoftmaxCrossEntropy
from refimpl.losses.loss import Loss
from refimpl.losses.regression import Huber, MeanSquaredError, SmoothL1

__all__ = [
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "Hinge",
    "Huber",
    "KLDivergence",
    "Loss",
    "MeanSquaredError",
    "NegativeLogLikelihood",
    "SmoothL1",
    "SoftmaxCrossEntropy",
]
