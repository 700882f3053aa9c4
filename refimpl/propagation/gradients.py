"""Gradients of a network layer by layer: their norms at any depth, and the Jacobian of each layer."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from refimpl.clipping import global_norm
from refimpl.network import Network
from refimpl.propagation.arguments import finite_array
from refimpl.trees import leaves


class LayerNorms(NamedTuple):
    """log10 of Euclidean norms: of the cotangent of a layer's output, and of the gradient by each of its parameters."""

    cotangent: float
    parameters: dict[str, float]


def gradient_norms(network: Network, parameters: list[dict], x: Any, target: Any) -> list[LayerNorms]:
    """Norms of the derivatives of the loss, for each layer from the first, over the whole batch; -inf for zeros.

    The penalty is left out: it does not pass through layers. As the backward pass is linear in the cotangent, it is
    scaled by powers of two on the way, so that no depth makes it overflow or vanish. Rounding is that of
    `Network.gradients`. Raises TypeError or ValueError as that does.
    """
    _check_network(network)
    if network.loss is None:
        raise ValueError("network has no loss; pass one, such as Network(layers, loss=MeanSquaredError())")
    activations = network.activations(parameters, x)
    cotangent, exponent = _rescaled(network.loss.gradient(activations[-1], target), 0)
    norms = []
    layers: Any = network.layers
    for layer, own, inputs in zip(layers[::-1], parameters[::-1], activations[-2::-1], strict=True):
        gradients, below = layer.backward(own, inputs, cotangent)
        of_parameters = {name: _log10_norm(gradient, exponent) for name, gradient in gradients.items()}
        norms.append(LayerNorms(_log10_norm(cotangent, exponent), of_parameters))
        cotangent, exponent = _rescaled(below, exponent)
    return norms[::-1]


def jacobians(network: Network, parameters: list[dict], x: Any) -> list[np.ndarray]:
    """The Jacobian of each layer, the first one first, shape (outputs, inputs), where input x of shape (inputs,) leads.

    They are what the other functions of refimpl.propagation take. The batch is x alone, for layers that see a batch.
    Raises TypeError or ValueError as the layers do.
    """
    _check_network(network)
    activations = network.activations(parameters, finite_array("x", x, axes=1)[np.newaxis])
    found: list[np.ndarray] = []
    layers: Any = network.layers
    for layer, own, row, output in zip(layers, parameters, activations[:-1], activations[1:], strict=True):
        rows = [layer.backward(own, row, cotangent[np.newaxis])[1] for cotangent in np.eye(output.shape[-1])]
        found.append(np.concatenate(rows))
    return found


def _check_network(network: Any) -> None:
    if not isinstance(network, Network):
        raise TypeError(f"network must be a refimpl.Network, got {type(network).__name__}")


def _rescaled(cotangent: np.ndarray, exponent: int) -> tuple[np.ndarray, int]:
    shift = math.frexp(float(np.max(np.abs(cotangent))))[1]  # 0 for zero, infinity and NaN
    return np.ldexp(cotangent, -shift), exponent + shift


def _log10_norm(tree: Any, exponent: int) -> float:
    norm = float(global_norm(tree)) if any(np.size(leaf) for _, leaf in leaves(tree)) else 0.0
    return math.log10(norm) + exponent * math.log10(2) if norm else -math.inf
