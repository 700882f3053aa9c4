"""The residual block: its input plus what a branch of layers makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from refimpl.activations import Activation
from refimpl.arithmetic import covering
from refimpl.layers import chain
from refimpl.layers.evaluation_orders import RESIDUAL_COTANGENT
from refimpl.layers.layer import Layer
from refimpl.spec import hyperparameter
from refimpl.trees import as_array
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class Residual(Layer):
    """x + scale * branch(x), the branch being layers one after another (He, Zhang, Ren & Sun 2016, equation 1).

    Parameters: "branch", a list with one dict per layer of the branch. The branch keeps the shape of its input.
    """

    layers: Sequence[Layer | Activation]
    scale: float = hyperparameter(1.0)

    def check(self) -> None:
        object.__setattr__(self, "layers", chain.as_layers("Residual", self.layers))

    def forward(self, parameters: Parameters, x: Array) -> Array:
        x = as_array("x", x)
        return x + self.in_arithmetic_of(x).scale * self._activations(parameters, x)[-1]

    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        x, cotangent = as_array("x", x), as_array("cotangent", cotangent)
        if np.shape(cotangent) != np.shape(x):
            raise ValueError(
                f"Residual: cotangent has shape {np.shape(cotangent)}, but the output has shape {np.shape(x)}"
            )
        inputs = self._activations(parameters, x)
        output_cotangent = self.in_arithmetic_of(x).scale * cotangent
        gradients, branch_cotangent = chain.backward(self._layers(), parameters["branch"], inputs, output_cotangent)
        x_cotangent = covering(cotangent + branch_cotangent, RESIDUAL_COTANGENT, cotangent, branch_cotangent)
        return {"branch": gradients}, x_cotangent

    def _layers(self) -> tuple[Layer, ...]:
        """The layers, in which an activation has become one."""
        return cast(tuple[Layer, ...], self.layers)

    def _activations(self, parameters: Parameters, x: Array) -> list[Array]:
        """The input of every layer of the branch, and its output, which must be of the shape of x."""
        if not isinstance(parameters, dict) or list(parameters) != ["branch"]:
            given = list(parameters) if isinstance(parameters, dict) else type(parameters).__name__
            raise ValueError(f"Residual: parameters must be a dict with ['branch'], got {given}")
        values = chain.activations("Residual: parameters['branch']", self._layers(), parameters["branch"], x)
        if np.shape(values[-1]) != np.shape(x):
            raise ValueError(
                f"Residual: the branch makes shape {np.shape(values[-1])} of x with shape {np.shape(x)}; "
                "they are added, so its last layer must have as many outputs as x has features"
            )
        return values
