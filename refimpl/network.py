"""Forward and backward through a stack of layers, with the loss and the penalty that it is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from refimpl.activations import Activation
from refimpl.layers import Layer, chain
from refimpl.losses import Loss
from refimpl.regularization import Penalty
from refimpl.trees import map_leaves
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class Network:
    """Layers one after another (an activation stands for its layer), and the loss of the last output.

    parameters: a list with one dict per layer, empty for a layer without any. penalty: on all of them.
    Methods raise TypeError or ValueError that name the layer where parameters or shapes do not fit.
    """

    layers: Sequence[Layer | Activation]
    loss: Loss | None = None
    penalty: Penalty | None = None

    def __post_init__(self) -> None:
        _require(self.loss is None or isinstance(self.loss, Loss), "loss", "one of refimpl.losses", self.loss)
        is_penalty = self.penalty is None or isinstance(self.penalty, Penalty)
        _require(is_penalty, "penalty", "one of refimpl.regularization", self.penalty)
        object.__setattr__(self, "layers", chain.as_layers("Network", self.layers))

    def forward(self, parameters: list[Parameters], x: Array) -> Array:
        """The output of the last layer."""
        return self.activations(parameters, x)[-1]

    def activations(self, parameters: list[Parameters], x: Array) -> list[Array]:
        """The input of every layer, and the output of the last."""
        return chain.activations("Network: parameters", self._layers(), parameters, x)

    def backward(self, parameters: list[Parameters], x: Array, cotangent: Array) -> tuple[list[Parameters], Array]:
        """The gradients, a list like `parameters`, and the cotangent of `x`, given the cotangent of the output."""
        return chain.backward(self._layers(), parameters, self.activations(parameters, x), cotangent)

    def objective(self, parameters: list[Parameters], x: Array, target: Array) -> Array:
        """The loss, plus the penalty where there is one."""
        return self._with_penalty(self._loss().value(self.forward(parameters, x), target), parameters)

    def gradients(self, parameters: list[Parameters], x: Array, target: Array) -> tuple[Array, list[Parameters]]:
        """The objective, and its derivatives by all parameters as a list like `parameters`."""
        loss, activations = self._loss(), self.activations(parameters, x)
        objective = self._with_penalty(loss.value(activations[-1], target), parameters)
        cotangent = loss.gradient(activations[-1], target)
        gradients, _ = chain.backward(self._layers(), parameters, activations, cotangent)
        if self.penalty is not None:
            gradients = map_leaves(lambda a, b: a + b, gradients, self.penalty.gradient(parameters))
        return objective, gradients

    def _layers(self) -> tuple[Layer, ...]:
        """The layers, in which an activation has become one."""
        return cast(tuple[Layer, ...], self.layers)

    def _loss(self) -> Loss:
        if self.loss is None:
            raise ValueError("Network: it has no loss; pass one, such as Network(layers, loss=MeanSquaredError())")
        return self.loss

    def _with_penalty(self, loss: Array, parameters: list[Parameters]) -> Array:
        return loss if self.penalty is None else loss + self.penalty.value(parameters)


def _require(fulfilled: bool, name: str, allowed: str, value: object) -> None:
    if not fulfilled:
        raise TypeError(f"Network: {name} must be {allowed}, got {type(value).__name__} {value!r}")
