"""The activations of jax.nn, with their derivatives by jax.vjp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from refimpl.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)

ACTIVATIONS: dict[type, Callable[[Any, jax.Array], jax.Array]] = {
    Identity: lambda s, x: jax.nn.identity(x),
    ReLU: lambda s, x: jax.nn.relu(x),
    LeakyReLU: lambda s, x: jax.nn.leaky_relu(x, s.slope),
    Sigmoid: lambda s, x: jax.nn.sigmoid(x),
    Tanh: lambda s, x: jax.nn.tanh(x),
    ELU: lambda s, x: jax.nn.elu(x, s.alpha),
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
