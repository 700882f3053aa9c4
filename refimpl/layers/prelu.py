"""The rectifier whose slope below 0 is learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import nan_at_nan, product
from refimpl.layers.layer import Layer
from refimpl.trees import as_array
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class PReLU(Layer):
    """x above 0, slope * x below, along the last axis of x, shape (..., features) (He et al. 2015, equations 1-3).

    Parameters: "slope", of shape (features,), or (1,) for one that all features share. The derivative by x at 0 is the
    slope (PyTorch).
    """

    def forward(self, parameters: Parameters, x: Array) -> Array:
        x, slope = self._checked(parameters, x)
        return np.maximum(x, 0.0) + slope * np.minimum(x, 0.0)

    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        x, slope = self._checked(parameters, x)
        cotangent = as_array("cotangent", cotangent)
        if np.shape(cotangent) != np.shape(x):
            raise ValueError(f"PReLU: cotangent has shape {np.shape(cotangent)}, but x has shape {np.shape(x)}")
        slope_terms = (cotangent * np.minimum(x, 0.0)).reshape(-1, np.shape(slope)[0])
        x_cotangent = np.where(x > 0, cotangent, product(cotangent, slope))
        return {"slope": np.sum(slope_terms, axis=0)}, nan_at_nan(x, x_cotangent)

    def _checked(self, parameters: Parameters, x: Array) -> tuple[Array, Array]:
        (slope,) = self.named_arrays(parameters, ("slope",))
        x = as_array("x", x)
        if np.ndim(x) == 0 or np.shape(slope) not in ((1,), np.shape(x)[-1:]):
            raise ValueError(
                f"PReLU: slope must have shape (1,) or that of the last axis of x, {np.shape(x)[-1:]}, "
                f"got {np.shape(slope)}"
            )
        return x, slope
