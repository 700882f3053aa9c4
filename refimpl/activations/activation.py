"""What every activation has in common, and what those of single elements have."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from refimpl.arithmetic import nan_at_nan
from refimpl.spec import Spec
from refimpl.trees import as_array
from refimpl.types import Array


@dataclass(frozen=True)
class Activation(Spec):
    """A parameterless function of an array. Its methods raise TypeError unless arrays are of real floating point."""

    @abstractmethod
    def forward(self, x: Array) -> Array:
        """The activation of `x`, of the same shape."""

    @abstractmethod
    def backward(self, x: Array, cotangent: Array) -> Array:
        """The cotangent of `x`, given that of the result. Raises ValueError unless the shapes are equal."""


@dataclass(frozen=True)
class Elementwise(Activation):
    """An activation of each element by itself, of any shape.

    A continuous function is written without a comparison, so that rounding never decides a branch of it.
    """

    def forward(self, x: Array) -> Array:
        x = as_array("x", x)
        return self.in_arithmetic_of(x)._function(x)

    def derivative(self, x: Array) -> Array:
        """The derivative at each element of `x`; at a kink, what the convention says."""
        x = as_array("x", x)
        return nan_at_nan(x, self.in_arithmetic_of(x)._vjp(x, np.ones_like(x)))

    def backward(self, x: Array, cotangent: Array) -> Array:
        x, cotangent = of_one_shape(x, cotangent)
        return nan_at_nan(x, self.in_arithmetic_of(x)._vjp(x, cotangent))

    # Formulas are evaluated on the rule in the arithmetic of x, whose hyperparameters are numbers of that arithmetic.

    @abstractmethod
    def _function(self, x: Array) -> Array:
        """The function."""

    @abstractmethod
    def _vjp(self, x: Array, cotangent: Array) -> Array:
        """The vector-Jacobian product: the cotangent times the derivative."""


def of_one_shape(x: Array, cotangent: Array) -> tuple[Array, Array]:
    """Both as arrays of the arithmetic in use. Raises ValueError unless their shapes are equal."""
    x, cotangent = as_array("x", x), as_array("cotangent", cotangent)
    if np.shape(x) != np.shape(cotangent):
        raise ValueError(f"cotangent has shape {np.shape(cotangent)}, but x has shape {np.shape(x)}")
    return x, cotangent
