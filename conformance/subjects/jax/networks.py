"""Networks of jax.numpy and jax.nn, with loss and penalty, differentiated as a whole by jax.value_and_grad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from conformance.subjects.jax.activations import activation
from conformance.subjects.jax.losses import loss
from refimpl.layers import Activated, Dense
from refimpl.network import Network
from refimpl.regularization import L1, L2


def _dense(spec: Dense, parameters: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    weight = parameters["weight"]
    product = x @ (weight if spec.layout == "input_output" else weight.T)
    return product + parameters["bias"] if spec.bias else product


LAYERS: dict[type, Callable[[Any, dict[str, jax.Array], jax.Array], jax.Array]] = {
    Dense: _dense,
    Activated: lambda s, parameters, x: activation(s.activation, x),
}

PENALTIES: dict[type, Callable[[Any, jax.Array], jax.Array]] = {
    L1: lambda s, entries: s.strength * jnp.sum(jnp.abs(entries)),
    L2: lambda s, entries: (s.strength / 2 if s.half else s.strength) * jnp.sum(jnp.square(entries)),
}


def gradients(network: Network) -> Callable[..., tuple[jax.Array, Any]]:
    """The function of parameters, x and target that gives the objective and its gradients by the parameters."""

    def objective(parameters: list[dict[str, jax.Array]], x: jax.Array, target: jax.Array) -> jax.Array:
        for layer, of_layer in zip(network.layers, parameters, strict=True):
            x = LAYERS[type(layer)](layer, of_layer, x)
        value = loss(network.loss, x, target)
        if network.penalty is None:
            return value
        penalty = PENALTIES[type(network.penalty)]
        return value + sum(penalty(network.penalty, entries) for entries in jax.tree.leaves(parameters))

    return jax.value_and_grad(objective)
