"""Layers: forward and backward of each side by side, one per file."""

from refimpl.layers.activated import Activated
from refimpl.layers.batch_normalization import BatchNormalization, BatchNormalizationInference, RunningStatistics
from refimpl.layers.dense import Dense
from refimpl.layers.layer import Layer
from refimpl.layers.prelu import PReLU
from refimpl.layers.residual import Residual

__all__ = [
    "Activated",
    "BatchNormalization",
    "BatchNormalizationInference",
    "Dense",
    "Layer",
    "PReLU",
    "Residual",
    "RunningStatistics",
]
