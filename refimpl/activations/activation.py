"""What every activation has in common, and what those of single elements have."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import nan_at_nan
from refimpl.spec import Spec
from refimpl.trees import as_array


@dataclass(frozen=True)
class Activation(Spec):
    """A parameterless function of an array. Its methods raise TypeError unless arrays are of real floating point."""

    @abstractmethod
    def forward(self, x: Any) -> Any:
        """The activation of `x`, of the same shape."""

    @abstractmethod
    def backward(self, x: Any, cotangent: Any) -> Any:
        """The cotangent of `x`, given that of the result. Raises ValueError unless the shapes are equal."""


@dataclass(frozen=True)
class Elementwise(Activation):
    """An activation of each element by itself, of any shape.

    A continuous function is written without a comparison, so that rounding never decides a branch of it.
    """

    def forward(self, x: Any) -> Any:
        x = as_array("x", x)
        return self._function(x, self.hyperparameters(x))

    def derivative(self, x: Any) -> Any:
        """The derivative at each element of `x`; at a kink, what the convention says."""
        x = as_array("x", x)
        return nan_at_nan(x, self._vjp(x, np.ones_like(x), self.hyperparameters(x)))

    def backward(self, x: Any, cotangent: Any) -> Any:
        x, cotangent = checked(x, cotangent)
        return nan_at_nan(x, self._vjp(x, cotangent, self.hyperparameters(x)))

    @abstractmethod
    def _function(self, x: Any, h: Any) -> Any:
        """The function; `h` has the fields as numbers of the arithmetic in use."""

    @abstractmethod
    def _vjp(self, x: Any, cotangent: Any, h: Any) -> Any:
        """The cotangent times the derivative, in the orders in which libraries multiply."""


def checked(x: Any, cotangent: Any) -> tuple[Any, Any]:
    """Both as arrays of the arithmetic in use. Raises ValueError unless their shapes are equal."""
    x, cotangent = as_array("x", x), as_array("cotangent", cotangent)
    if np.shape(x) != np.shape(cotangent):
        raise ValueError(f"cotangent has shape {np.shape(cotangent)}, but x has shape {np.shape(x)}")
    return x, cotangent
