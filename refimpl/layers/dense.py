"""The dense (fully connected) layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering
from refimpl.layers.evaluation_orders import DENSE
from refimpl.layers.layer import Layer
from refimpl.spec import convention
from refimpl.trees import as_array
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class Dense(Layer):
    """x @ weight + bias along the last axis of x, shape (..., inputs); the output has shape (..., outputs).

    Parameters: "weight", of the shape that `layout` says, and "bias" of shape (outputs,) where there is one.
    """

    layout: Literal["input_output", "output_input"] = convention(
        {
            "input_output": "weight of shape (inputs, outputs) (JAX, Keras)",
            "output_input": "weight of shape (outputs, inputs), transposed in the product (PyTorch)",
        }
    )
    bias: bool = convention({True: "with a bias", False: "without"})

    def forward(self, parameters: Parameters, x: Array) -> Array:
        x, matrix, bias = self._checked(parameters, x)
        if bias is None:
            return x @ matrix
        return covering(x @ matrix + bias, DENSE, x, matrix, bias)

    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        x, matrix, _ = self._checked(parameters, x)
        cotangent = as_array("cotangent", cotangent)
        inputs, outputs = np.shape(matrix)
        expected = (*np.shape(x)[:-1], outputs)
        if np.shape(cotangent) != expected:
            raise ValueError(f"Dense: cotangent has shape {np.shape(cotangent)}, but the output has shape {expected}")
        x_rows, cotangent_rows = x.reshape(-1, inputs), cotangent.reshape(-1, outputs)
        matrix_gradient = x_rows.T @ cotangent_rows
        gradients = {"weight": matrix_gradient if self.layout == "input_output" else matrix_gradient.T}
        if self.bias:
            gradients["bias"] = np.sum(cotangent_rows, axis=0)
        return gradients, cotangent @ matrix.T

    def _checked(self, parameters: Parameters, x: Array) -> tuple[Array, Array, Array | None]:
        """The input, the weight as (inputs, outputs) and the bias, or None."""
        weight, *biases = self.named_arrays(parameters, ("weight", "bias") if self.bias else ("weight",))
        if np.ndim(weight) != 2 or 0 in np.shape(weight):
            raise ValueError(f"Dense: weight must have two non-empty axes, got shape {np.shape(weight)}")
        x, matrix = as_array("x", x), weight if self.layout == "input_output" else weight.T
        inputs, outputs = np.shape(matrix)
        if np.shape(x)[-1:] != (inputs,):
            raise ValueError(
                f"Dense: weight of shape {np.shape(weight)} takes {inputs} inputs (layout={self.layout!r}), "
                f"but x has shape {np.shape(x)}"
            )
        if biases and np.shape(biases[0]) != (outputs,):
            raise ValueError(f"Dense: bias must have shape {(outputs,)}, got {np.shape(biases[0])}")
        return x, matrix, biases[0] if biases else None
