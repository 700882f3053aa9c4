"""What every loss has in common: checked arrays, and the reduction of its terms to one number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import constant
from refimpl.arithmetic.dispatch import DuckArray
from refimpl.losses.reduction import reduced
from refimpl.spec import Spec, convention
from refimpl.trees import as_array
from refimpl.types import Array, Float64Array, Scalar


@dataclass(frozen=True)
class Loss(Spec):
    """How far a prediction is from a target: arrays of equal shape, unless a loss says otherwise.

    Its methods raise TypeError or ValueError for arrays that are empty, of unequal shape or outside the range stated.
    """

    reduction: Literal["mean", "sum"] = convention({"mean": "over all that is summed", "sum": "no division"})

    @abstractmethod
    def value(self, prediction: Array, target: Array) -> Array:
        """The loss, 0-d."""

    @abstractmethod
    def gradient(self, prediction: Array, target: Array) -> Array:
        """The derivative of the loss by the prediction, of its shape."""

    def _checked(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        prediction, target = as_array("prediction", prediction), as_array("target", target)
        if np.size(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with at least one element")
        if np.shape(prediction) != np.shape(target):
            raise ValueError(
                f"{type(self).__name__}: target has shape {np.shape(target)}, "
                f"but prediction has shape {np.shape(prediction)}"
            )
        return prediction, constant(target, prediction)

    def _refuse_where(self, name: str, array: Array, wrong: Callable[[Float64Array], Array], allowed: str) -> None:
        """Raises ValueError, naming the first, where elements of an array are `wrong`."""
        values = np.asarray(array.value if isinstance(array, DuckArray) else array)
        outside = wrong(values).astype(bool)
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            self.refuse(f"{name}{list(index) if index else ''}", float(values[index]), allowed)

    def _refuse_outside_unit_interval(self, name: str, array: Array) -> None:
        """Raises ValueError for an element that is not in [0, 1]."""
        self._refuse_where(name, array, lambda values: ~((values >= 0) & (values <= 1)).astype(bool), "in [0, 1]")

    def _reduced(self, total: Array, count: Scalar) -> Array:
        """The sum, or the mean, of so many terms or of terms with weights of this sum."""
        return reduced(total, self._divisor(count))

    def _divisor(self, count: Scalar) -> Scalar | None:
        """What a mean divides by, and None for a sum."""
        return None if self.reduction == "sum" else count
