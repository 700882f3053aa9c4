"""The residual block: its input plus what a branch of layers makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.activations import Activation
from refimpl.arithmetic import forms
from refimpl.layers import chain
from refimpl.layers.layer import Layer
from refimpl.spec import hyperparameter
from refimpl.trees import as_array

# A library adds the cotangents of all uses of x in any order, and the first layer of a branch may use it seven times.
_ADDENDS = 8


@dataclass(frozen=True)
class Residual(Layer):
    """x + scale * branch(x), the branch being layers one after another (He, Zhang, Ren & Sun 2016, equation 1).

    Parameters: "branch", a list with one dict per layer of the branch. The branch keeps the shape of its input.
    """

    layers: Sequence[Layer | Activation]
    scale: float = hyperparameter(1.0)

    def check(self) -> None:
        object.__setattr__(self, "layers", chain.as_layers("Residual", self.layers))

    def forward(self, parameters: dict[str, Any], x: Any) -> Any:
        x = as_array("x", x)
        return x + self.hyperparameters(x).scale * self._activations(parameters, x)[-1]

    def backward(self, parameters: dict[str, Any], x: Any, cotangent: Any) -> tuple[dict[str, Any], Any]:
        x, cotangent = as_array("x", x), as_array("cotangent", cotangent)
        if np.shape(cotangent) != np.shape(x):
            raise ValueError(
                f"Residual: cotangent has shape {np.shape(cotangent)}, but the output has shape {np.shape(x)}"
            )
        inputs = self._activations(parameters, x)
        of_branch = self.hyperparameters(x).scale * cotangent
        gradients, of_x = chain.backward(self.layers, parameters["branch"], inputs, of_branch)
        unused = [np.zeros_like(of_x)] * (_ADDENDS - 2)
        of_x = forms(lambda: cotangent + of_x, lambda: np.sum(np.stack([cotangent, of_x, *unused]), axis=0))
        return {"branch": gradients}, of_x

    def _activations(self, parameters: Any, x: Any) -> list[Any]:
        """The input of every layer of the branch, and its output, which must be of the shape of x."""
        if not isinstance(parameters, dict) or list(parameters) != ["branch"]:
            found = list(parameters) if isinstance(parameters, dict) else type(parameters).__name__
            raise ValueError(f"Residual: parameters must be a dict with ['branch'], got {found}")
        values = chain.activations("Residual: parameters['branch']", self.layers, parameters["branch"], x)
        if np.shape(values[-1]) != np.shape(x):
            raise ValueError(
                f"Residual: the branch makes shape {np.shape(values[-1])} of x with shape {np.shape(x)}; "
                "they are added, so its last layer must have as many outputs as x has features"
            )
        return values
