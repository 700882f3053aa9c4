"""An activation as a layer without parameters."""

from __future__ import annotations

from dataclasses import dataclass, field

from refimpl.activations import Activation, Identity
from refimpl.layers.layer import Layer
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class Activated(Layer):
    """The activation of the input, of the same shape; parameters {}."""

    activation: Activation = field(default_factory=Identity)

    def check(self) -> None:
        if not isinstance(self.activation, Activation):
            self.refuse("activation", self.activation, "one of refimpl.activations")

    def forward(self, parameters: Parameters, x: Array) -> Array:
        self.named_arrays(parameters, ())
        return self.activation.forward(x)

    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        self.named_arrays(parameters, ())
        return {}, self.activation.backward(x, cotangent)
