"""The activations of jax.nn, with their derivatives by jax.vjp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from refimpl.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
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
    Softsign,
    Tanh,
)

ACTIVATIONS: dict[type, Callable[[Any, jax.Array], jax.Array]] = {
    Identity: lambda s, x: jax.nn.identity(x),
    ReLU: lambda s, x: jax.nn.relu(x) if s.derivative_at_zero == 0 else jnp.maximum(x, 0),
    ReLU6: lambda s, x: jax.nn.relu6(x),
    HardTanh: lambda s, x: jax.nn.hard_tanh(x) if s.derivative_at_limits == 1 else jnp.clip(x, -1, 1),
    HardSigmoid: lambda s, x: jax.nn.hard_sigmoid(x),
    HardSwish: lambda s, x: jax.nn.hard_swish(x),
    Softsign: lambda s, x: jax.nn.soft_sign(x),
    LeakyReLU: lambda s, x: jax.nn.leaky_relu(x, s.slope),
    Sigmoid: lambda s, x: jax.nn.sigmoid(x),
    Tanh: lambda s, x: jax.nn.tanh(x),
    ELU: lambda s, x: jax.nn.elu(x, s.alpha),
    CELU: lambda s, x: jax.nn.celu(x, s.alpha),
    SELU: lambda s, x: jax.nn.selu(x),
    LogSigmoid: lambda s, x: jax.nn.log_sigmoid(x),
    Mish: lambda s, x: jax.nn.mish(x),
    Softplus: lambda s, x: jax.nn.softplus(x),
    SiLU: lambda s, x: jax.nn.silu(x),
    GELU: lambda s, x: jax.nn.gelu(x, approximate=s.approximation == "tanh"),
    Softmax: lambda s, x: jax.nn.softmax(x, s.axis),
    LogSoftmax: lambda s, x: jax.nn.log_softmax(x, s.axis),
}


def activation(spec: Any, x: jax.Array) -> jax.Array:
    """The activation of x."""
    return ACTIVATIONS[type(spec)](spec, x)


def pulled_back(spec: Any) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of x and the cotangent of the result that gives the result and the cotangent of x."""

    def evaluate(x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, pull_back = jax.vjp(lambda x: activation(spec, x), x)
        return value, pull_back(cotangent)[0]

    return evaluate
