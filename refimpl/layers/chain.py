"""Layers one after another: what each of them receives, and the chain rule back through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from refimpl.activations import Activation
from refimpl.layers.activated import Activated
from refimpl.layers.layer import Layer
from refimpl.types import Array, Parameters

_Result = TypeVar("_Result")


def as_layers(owner: str, layers: Sequence[Layer | Activation]) -> tuple[Layer, ...]:
    """The layers, an activation standing for its own. Raises TypeError or ValueError that name the `owner`."""
    if not isinstance(layers, Sequence):
        raise TypeError(f"{owner}: layers must be a list or tuple of them, got {type(layers).__name__} {layers!r}")
    if not layers:
        raise ValueError(f"{owner}: layers must have at least one")
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer | Activation):
            given = f"{type(layer).__name__} {layer!r}"
            raise TypeError(f"{owner}: layers[{index}] must be a layer or an activation, got {given}")
    return tuple(Activated(layer) if isinstance(layer, Activation) else layer for layer in layers)


def activations(owner: str, layers: Sequence[Layer], parameters: list[Parameters], x: Array) -> list[Array]:
    """The input of every layer, and the output of the last. parameters: a list with one dict per layer."""
    if not isinstance(parameters, list) or len(parameters) != len(layers):
        given = f"{len(parameters)}" if isinstance(parameters, list) else type(parameters).__name__
        raise ValueError(f"{owner} must be a list with one dict for each of {len(layers)} layers, got {given}")
    values = [x]
    for index, layer in enumerate(layers):
        values.append(_at(index, layer.forward, parameters[index], values[-1]))
    return values


def backward(
    layers: Sequence[Layer], parameters: list[Parameters], inputs: Sequence[Array], cotangent: Array
) -> tuple[list[Parameters], Array]:
    """The gradients, a list like `parameters`, and the cotangent of the first input, given that of the last output.

    inputs: what each layer received, as `activations` gives them.
    """
    gradients = []
    for index in reversed(range(len(layers))):
        own, cotangent = _at(index, layers[index].backward, parameters[index], inputs[index], cotangent)
        gradients.append(own)
    return gradients[::-1], cotangent


def _at(index: int, function: Callable[..., _Result], *arguments: Array) -> _Result:
    """The function's result; what it refuses is said to be of this layer."""
    try:
        return function(*arguments)
    except (TypeError, ValueError) as error:
        raise type(error)(f"layers[{index}]: {error}") from error
