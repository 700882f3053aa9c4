"""Activations with their derivatives: one rule each, with its convention at kinks and its algebraic forms."""

from refimpl.activations.activation import Activation, Elementwise
from refimpl.activations.exponential_linear import CELU, ELU, SELU
from refimpl.activations.gaussian import GELU
from refimpl.activations.logistic import LogSigmoid, Mish, Sigmoid, SiLU, Softplus, Tanh
from refimpl.activations.piecewise import (
    HardShrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    ReLU,
    ReLU6,
    SoftShrink,
    Softsign,
)
from refimpl.activations.softmax import AlongAxis, LogSoftmax, Softmax

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Activation",
    "AlongAxis",
    "Elementwise",
    "HardShrink",
    "HardSigmoid",
    "HardSwish",
    "HardTanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "SoftShrink",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]
