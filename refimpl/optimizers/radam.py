"""RAdam: Adam that waits until its second moment has seen enough steps, and shortens its steps until then."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.arithmetic.dispatch import DuckArray
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter


def rectification(decay: Any, step: int) -> tuple[Any, Any]:
    """Length of the average of squares and the square of the rectification (Liu et al. 2020, equations 4 and 5).

    decay in [0, 1). The square has no meaning for a length of 4 or less.
    """
    number = (
        decay if isinstance(decay, DuckArray) else Decimal(decay)
    )  # in float64 the difference would lose its digits
    with localcontext(prec=50):
        power = number**step
        longest = 2 / (1 - number) - 1
        length = longest - 2 * step * power / (1 - power)
        square = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return (length, square) if isinstance(decay, DuckArray) else (float(length), float(square))


@dataclass(frozen=True)
class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2020, algorithm 2).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0. State: "first_moment", "second_moment", neither corrected.
    The step is the corrected first moment itself until the average of squares is longer than the threshold.
    """

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    threshold: float = convention({4.0: "algorithm 2", 5.0: "its authors' code; PyTorch, optax"})
    epsilon_placement: str = convention(
        {
            "outside": "added to the root of the corrected second moment (optax)",
            "uncorrected": "added to the root of the uncorrected second moment (PyTorch)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        first = moving_average(state["first_moment"], gradient, h.beta1)
        second = moving_average(state["second_moment"], gradient**2, h.beta2)

        # Bias correction
        first_correction = bias_correction(h.beta1, step)
        second_correction = bias_correction(h.beta2, step)
        corrected, root = quotient(first, first_correction), np.sqrt(second_correction)

        # Update
        length, square = rectification(h.beta2, step)
        factor = np.sqrt(square)
        rate = h.learning_rate * factor
        if self.epsilon_placement == "uncorrected":
            shifted = np.sqrt(second) + h.epsilon
            rectified = forms(
                lambda: rate * root * quotient(corrected, shifted),
                lambda: corrected * h.learning_rate * quotient(root, shifted) * factor,
                lambda: first * quotient(root * rate / first_correction, shifted),
            )
        else:
            scale = np.sqrt(quotient(second, second_correction)) + h.epsilon
            rectified = forms(
                lambda: rate * quotient(corrected, scale),
                lambda: h.learning_rate * quotient(factor * corrected, scale),
            )
        plain = forms(lambda: h.learning_rate * corrected, lambda: h.learning_rate / first_correction * first)
        change = np.where(length > self.threshold, rectified, plain)
        return parameter - change, {"first_moment": first, "second_moment": second}
