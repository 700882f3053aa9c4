"""The activations of keras.activations, with their derivatives by jax.vjp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from conformance.subjects.keras.backend import keras
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

ACTIVATIONS: dict[type, Callable[[Any, jax.Array], jax.Array]] = {
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


def pulled_back(spec: Any) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of x and the cotangent of the result that gives the result and the cotangent of x."""

    def evaluate(x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, pull_back = jax.vjp(lambda x: ACTIVATIONS[type(spec)](spec, x), x)
        return value, pull_back(cotangent)[0]

    return evaluate
