"""Gradients of a network layer by layer: their norms at any depth, and the Jacobian of each layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from refimpl.clipping import global_norm
from refimpl.layers import Layer
from refimpl.network import Network
from refimpl.propagation.arguments import finite_array
from refimpl.trees import leaves
from refimpl.types import ArrayLike, Float64Array, Parameters, Tree


class LayerNorms(NamedTuple):
    """log10 of the Euclidean norms of one layer: of the cotangent of its output, and of the gradient of each parameter.

    Both are over the whole batch, and -inf for zeros.
    """

    cotangent: float
    parameters: dict[str, float]


def gradient_norms(network: Network, parameters: list[Parameters], x: ArrayLike, target: ArrayLike) -> list[LayerNorms]:
    """Norms of the derivatives of the loss, for each layer from the first, over the whole batch.

    parameters, x and target are those of `Network.gradients`. The penalty is left out: it does not pass through layers.
    The cotangent is scaled by powers of two between layers, which the linear backward pass allows, so that no depth
    makes it overflow or vanish. The norms have the rounding errors of `Network.gradients`.

    Raises TypeError or ValueError as `Network.gradients` does.
    """
    _check_network(network)
    if network.loss is None:
        raise ValueError("network has no loss; pass one, such as Network(layers, loss=MeanSquaredError())")
    activations = network.activations(parameters, x)
    cotangent, exponent = _rescaled(network.loss.gradient(activations[-1], target), 0)
    norms = []
    layers = _layers(network)
    for layer, layer_parameters, inputs in zip(layers[::-1], parameters[::-1], activations[-2::-1], strict=True):
        gradients, input_cotangent = layer.backward(layer_parameters, inputs, cotangent)
        parameter_norms = {name: _log10_norm(gradient, exponent) for name, gradient in gradients.items()}
        norms.append(LayerNorms(_log10_norm(cotangent, exponent), parameter_norms))
        cotangent, exponent = _rescaled(input_cotangent, exponent)
    return norms[::-1]


def jacobians(network: Network, parameters: list[Parameters], x: ArrayLike) -> list[Float64Array]:
    """The Jacobian of each layer at the point that the input x, shape (inputs,), leads to; the first layer first.

    Each has the shape (outputs, inputs) of its layer, which the other functions of refimpl.propagation take. Layers
    that depend on the batch see x alone.

    Raises TypeError or ValueError as the layers do.
    """
    _check_network(network)
    activations = network.activations(parameters, finite_array("x", x, axes=1)[np.newaxis])
    matrices: list[Float64Array] = []
    layers = _layers(network)
    for layer, layer_parameters, row, output in zip(layers, parameters, activations[:-1], activations[1:], strict=True):
        basis = np.eye(output.shape[-1])
        rows = [layer.backward(layer_parameters, row, cotangent[np.newaxis])[1] for cotangent in basis]
        matrices.append(np.concatenate(rows))
    return matrices


def _check_network(network: object) -> None:
    if not isinstance(network, Network):
        raise TypeError(f"network must be a refimpl.Network, got {type(network).__name__}")


def _layers(network: Network) -> Sequence[Layer]:
    return cast(Sequence[Layer], network.layers)  # a network has made a layer of each activation


def _rescaled(cotangent: Float64Array, exponent: int) -> tuple[Float64Array, int]:
    shift = math.frexp(float(np.max(np.abs(cotangent))))[1]  # 0 for zero, infinity and NaN
    return np.ldexp(cotangent, -shift), exponent + shift


def _log10_norm(gradient: Tree, exponent: int) -> float:
    norm = float(global_norm(gradient)) if any(np.size(leaf) for _, leaf in leaves(gradient)) else 0.0
    return math.log10(norm) + exponent * math.log10(2) if norm else -math.inf
