"""What every loss has in common: checked arrays, and the reduction of its terms to one number."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import constant, forms
from refimpl.arithmetic.dispatch import DuckArray
from refimpl.spec import Spec, convention
from refimpl.trees import as_array


@dataclass(frozen=True)
class Loss(Spec):
    """How far a prediction is from a target: arrays of equal shape, unless a loss says otherwise.

    Its methods raise TypeError or ValueError for arrays that are empty, of unequal shape or outside the range stated.
    """

    reduction: str = convention({"mean": "over all that is summed", "sum": "no division"})

    @abstractmethod
    def value(self, prediction: Any, target: Any) -> Any:
        """The loss, 0-d."""

    @abstractmethod
    def gradient(self, prediction: Any, target: Any) -> Any:
        """The derivative of the loss by the prediction, of its shape."""

    def _checked(self, prediction: Any, target: Any) -> tuple[Any, Any]:
        prediction, target = as_array("prediction", prediction), as_array("target", target)
        if np.size(prediction) == 0:
            self.refuse("prediction", np.shape(prediction), "an array with at least one element")
        if np.shape(prediction) != np.shape(target):
            raise ValueError(
                f"{type(self).__name__}: target has shape {np.shape(target)}, "
                f"but prediction has shape {np.shape(prediction)}"
            )
        return prediction, constant(target, prediction)

    def _refuse_where(self, name: str, array: Any, wrong: Callable[[np.ndarray], np.ndarray], allowed: str) -> None:
        """Raises ValueError, naming the first, where elements of an array are `wrong`."""
        values = np.asarray(array.value if isinstance(array, DuckArray) else array)
        outside = wrong(values).astype(bool)
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            self.refuse(f"{name}{list(index) if index else ''}", float(values[index]), allowed)

    def _refuse_outside_unit_interval(self, name: str, array: Any) -> None:
        """Raises ValueError for an element that is not in [0, 1]."""
        self._refuse_where(name, array, lambda values: ~((values >= 0) & (values <= 1)).astype(bool), "in [0, 1]")

    def _per_term(self, total: Any, terms: int) -> Any:
        """The sum, or the mean of so many terms, which libraries form by division or by a reciprocal."""
        if self.reduction == "sum":
            return total
        return forms(lambda: total / terms, lambda: total * (1 / constant(float(terms), total)))

    def _shared(self, weights: Any, terms: int) -> Any:
        """The weights of the terms in the reduction, which automatic differentiation multiplies first: for a sum of
        parts that cancel, one more rounding of each part."""
        return weights if self.reduction == "sum" else weights * constant(1.0 / terms, weights)
