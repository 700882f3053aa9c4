"""The activations of jax.nn, with their derivatives by jax.vjp."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from conformance.subjects.jax.table import TABLE
from refimpl.activations import Activation, HardTanh, ReLU


def activation(spec: Activation, x: jax.Array) -> jax.Array:
    """The activation of x."""
    match spec:
        case ReLU(derivative_at_zero=0.5):
            return jnp.maximum(x, 0)
        case HardTanh(derivative_at_limits=0.5):
            return jnp.clip(x, -1, 1)
    return TABLE[type(spec)].call(spec, x)


def vjp(spec: Activation) -> Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """The function of x and the cotangent of the result that gives the result and the cotangent of x."""

    def evaluate(x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, pull_back = jax.vjp(lambda x: activation(spec, x), x)
        return value, pull_back(cotangent)[0]

    return evaluate
