"""Networks of jax.numpy and jax.nn, with loss and penalty, differentiated as a whole by jax.value_and_grad."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from conformance.subjects.jax.activations import activation
from conformance.subjects.jax.losses import loss
from refimpl.activations import Activation
from refimpl.layers import (
    Activated,
    BatchNormalization,
    BatchNormalizationInference,
    Dense,
    Layer,
    Residual,
    RunningStatistics,
)
from refimpl.network import Network
from refimpl.regularization import L1, L2
from refimpl.types import Parameters, Tree


def _dense(spec: Dense, parameters: Parameters, x: jax.Array) -> jax.Array:
    weight = parameters["weight"]
    product = x @ (weight if spec.layout == "input_output" else weight.T)
    return product + parameters["bias"] if spec.bias else product


def _residual(spec: Residual, parameters: dict[str, Tree], x: jax.Array) -> jax.Array:
    return x + spec.scale * _output(spec.layers, parameters["branch"], x)


def _by_batch(spec: BatchNormalization, parameters: Parameters, x: jax.Array) -> jax.Array:
    mean, variance = _moments(x)
    return (x - mean) * jax.lax.rsqrt(variance + spec.epsilon) * parameters["scale"] + parameters["shift"]


def _by_statistics(spec: BatchNormalizationInference, parameters: Parameters, x: jax.Array) -> jax.Array:
    mean, variance = (jnp.array(numbers, dtype=x.dtype) for numbers in (spec.mean, spec.variance))
    return (x - mean) * jax.lax.rsqrt(variance + spec.epsilon) * parameters["scale"] + parameters["shift"]


def _moments(x: jax.Array, ddof: int = 0) -> tuple[jax.Array, jax.Array]:
    """JAX has no batch normalization; this is how it is written with jax.numpy."""
    batch = tuple(range(x.ndim - 1))
    return jnp.mean(x, batch), jnp.var(x, batch, ddof=ddof)


LAYERS: dict[type, Callable[[Any, Any, jax.Array], jax.Array]] = {
    Dense: _dense,
    Activated: lambda s, parameters, x: activation(s.activation, x),
    Residual: _residual,
    BatchNormalization: _by_batch,
    BatchNormalizationInference: _by_statistics,
}


def _output(layers: Iterable[Layer | Activation], parameters: Tree, x: jax.Array) -> jax.Array:
    for layer, own in zip(layers, parameters, strict=True):
        x = LAYERS[type(layer)](layer, own, x)
    return x


PENALTIES: dict[type, Callable[[Any, jax.Array], jax.Array]] = {
    L1: lambda s, entries: s.strength * jnp.sum(jnp.abs(entries)),
    L2: lambda s, entries: (s.strength / 2 if s.half else s.strength) * jnp.sum(jnp.square(entries)),
}


def value_and_gradients(network: Network) -> Callable[..., tuple[jax.Array, Tree]]:
    """The function of parameters, x and target that gives the objective and its gradients by the parameters."""

    rule = network.loss
    assert rule is not None

    def objective(parameters: Tree, x: jax.Array, target: jax.Array) -> jax.Array:
        value = loss(rule, _output(network.layers, parameters, x), target)
        if network.penalty is None:
            return value
        penalty = PENALTIES[type(network.penalty)]
        return value + sum(penalty(network.penalty, entries) for entries in jax.tree.leaves(parameters))

    function: Callable[..., tuple[jax.Array, Tree]] = jax.value_and_grad(objective)
    return function


def running_statistics(spec: RunningStatistics) -> Callable[[dict[str, jax.Array], jax.Array], dict[str, jax.Array]]:
    """The function of statistics and a batch that gives the statistics after it."""

    def update(statistics: dict[str, jax.Array], x: jax.Array) -> dict[str, jax.Array]:
        mean, variance = _moments(x, ddof=int(spec.variance == "unbiased"))
        return {
            name: spec.momentum * statistics[name] + (1 - spec.momentum) * new
            for name, new in (("mean", mean), ("variance", variance))
        }

    return update
