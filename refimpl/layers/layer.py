"""What every layer has in common: a forward and a backward pass that need nothing but the layer's own input."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from reprlib import repr as short

from refimpl.spec import Spec
from refimpl.trees import as_array
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class Layer(Spec):
    """A function of an array and of parameters, a dict of arrays (empty where a layer has none).

    The backward pass takes the layer's own input and the cotangent of its output, and no memory of a forward pass:
    so a layer is checked on the inputs that a subject itself had there. Both passes raise TypeError for arrays that
    are not of real floating point, and ValueError for parameters or shapes that do not fit together.
    """

    @abstractmethod
    def forward(self, parameters: Parameters, x: Array) -> Array:
        """The output for the input `x`."""

    @abstractmethod
    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        """The gradients, a dict like `parameters`, and the cotangent of `x`, given the cotangent of the output."""

    def named_arrays(self, parameters: Parameters, names: tuple[str, ...]) -> list[Array]:
        """The arrays of these names, and a refusal of parameters that are not a dict of exactly these."""
        if not isinstance(parameters, dict) or set(parameters) != set(names):
            kind = type(parameters).__name__
            given = list(parameters) if isinstance(parameters, dict) else f"{kind} {short(parameters)}"
            raise ValueError(f"{type(self).__name__}: parameters must be a dict with {sorted(names)}, got {given}")
        return [as_array(f"parameters[{name!r}]", parameters[name]) for name in names]
