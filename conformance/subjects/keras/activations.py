"""The activations of keras.activations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from refimpl.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    HardShrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SoftShrink,
    Softsign,
    Tanh,
)

ACTIVATIONS: dict[type, Callable[[Any, Any], Any]] = {
    Identity: lambda s, x: keras.activations.linear(x),
    ReLU: lambda s, x: keras.activations.relu(x),
    LeakyReLU: lambda s, x: keras.activations.leaky_relu(x, s.slope),
    ReLU6: lambda s, x: keras.activations.relu6(x),
    HardTanh: lambda s, x: keras.activations.hard_tanh(x),
    HardSigmoid: lambda s, x: keras.activations.hard_sigmoid(x),
    HardSwish: lambda s, x: keras.activations.hard_silu(x),
    SoftShrink: lambda s, x: keras.activations.soft_shrink(x, s.threshold),
    HardShrink: lambda s, x: keras.activations.hard_shrink(x, s.threshold),
    Softsign: lambda s, x: keras.activations.softsign(x),
    Sigmoid: lambda s, x: keras.activations.sigmoid(x),
    Tanh: lambda s, x: keras.activations.tanh(x),
    ELU: lambda s, x: keras.activations.elu(x, s.alpha),
    CELU: lambda s, x: keras.activations.celu(x, s.alpha),
    SELU: lambda s, x: keras.activations.selu(x),
    LogSigmoid: lambda s, x: keras.activations.log_sigmoid(x),
    Mish: lambda s, x: keras.activations.mish(x),
    Softplus: lambda s, x: keras.activations.softplus(x),
    SiLU: lambda s, x: keras.activations.silu(x),
    GELU: lambda s, x: keras.activations.gelu(x, approximate=s.approximation == "tanh"),
    Softmax: lambda s, x: keras.activations.softmax(x, s.axis),
    LogSoftmax: lambda s, x: keras.activations.log_softmax(x, s.axis),
}


def activation(spec: Any) -> Callable[[Any], Any]:
    """The function of an array."""
    return partial(ACTIVATIONS[type(spec)], spec)
