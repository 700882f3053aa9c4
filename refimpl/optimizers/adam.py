"""Adam, AdamW and AMSGrad: moving averages of the gradient and its square, corrected for starting at zero."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import DECOUPLED, Optimizer
from refimpl.spec import convention, hyperparameter


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, algorithm 1).

    learning_rate >= 0; beta1, beta2 in [0, 1); epsilon >= 0.
    State: "first_moment", "second_moment", neither corrected.
    """

    learning_rate: float = hyperparameter(1e-3, at_least=0)
    beta1: float = hyperparameter(0.9, at_least=0, below=1)
    beta2: float = hyperparameter(0.999, at_least=0, below=1)
    epsilon: float = hyperparameter(1e-8, at_least=0)
    epsilon_placement: str = convention(
        {
            "outside": "added to the root of the corrected second moment (algorithm 1; PyTorch, optax)",
            "inside": "added to the corrected second moment under the root (optax's eps_root)",
            "uncorrected": "added to the root of the uncorrected second moment: 'epsilon hat' (section 2; Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Any, gradient: Any, state: dict[str, Any], step: int, h: Any) -> tuple[Any, dict]:
        # Moments
        first = moving_average(state["first_moment"], gradient, h.beta1)
        second = moving_average(state["second_moment"], gradient**2, h.beta2)

        # Bias correction (section 3)
        first_correction = bias_correction(h.beta1, step)
        second_correction = bias_correction(h.beta2, step)

        # Update
        divisor, corrected, kept = self._divisor(second, second_correction, state)
        if self.epsilon_placement == "uncorrected":
            rate = h.learning_rate * np.sqrt(second_correction) / first_correction
            scale = np.sqrt(divisor) + h.epsilon
            change = forms(lambda: quotient(rate * first, scale), lambda: rate * quotient(first, scale))
        else:
            inside = self.epsilon_placement == "inside"
            scale = np.sqrt(corrected + h.epsilon) if inside else np.sqrt(corrected) + h.epsilon
            rate, root = h.learning_rate / first_correction, np.sqrt(second_correction)
            change = forms(
                lambda: h.learning_rate * quotient(quotient(first, first_correction), scale),
                lambda: quotient(rate * first, scale if inside else np.sqrt(divisor) / root + h.epsilon),  # PyTorch
            )
        return parameter - change, {"first_moment": first, "second_moment": second} | kept

    def _divisor(self, second: Any, second_correction: Any, state: dict[str, Any]) -> tuple[Any, Any, dict]:
        """The second moment to divide by, the same corrected, and the slots of it."""
        corrected = quotient(second, second_correction)
        return second, corrected, {}


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, line 12).

    As Adam, but weight_decay shrinks the parameter itself: at each step by learning_rate * weight_decay of it, so that
    it follows the learning rate as in PyTorch, optax and Keras.
    """

    _: KW_ONLY
    weight_decay: float = hyperparameter(1e-2, at_least=0)
    weight_decay_kind: str = convention(DECOUPLED)


@dataclass(frozen=True)
class AMSGrad(Adam):
    """Adam whose second moment never decreases where it divides (Reddi, Kale & Kumar 2018, algorithm 2).

    The paper corrects no bias. Libraries do, and so does this rule: the raw maximum is corrected after it is taken, or
    the second moment before.

    Fields as Adam's. State: as Adam's, and "largest_second_moment".
    """

    maximum: str = convention(
        {
            "raw": "the largest raw second moment is corrected by the current step (PyTorch, Keras)",
            "corrected": "each second moment is corrected by its own step, then the largest is taken (optax)",
        }
    )

    def check(self) -> None:
        if self.maximum == "corrected" and self.epsilon_placement == "uncorrected":
            self.refuse("epsilon_placement", "uncorrected", "'outside' or 'inside' where maximum = 'corrected'")

    def slots(self) -> tuple[str, ...]:
        return (*super().slots(), "largest_second_moment")

    def _divisor(self, second: Any, second_correction: Any, state: dict[str, Any]) -> tuple[Any, Any, dict]:
        candidate = second if self.maximum == "raw" else quotient(second, second_correction)
        largest = np.maximum(state["largest_second_moment"], candidate)
        kept = {"largest_second_moment": largest}
        if self.maximum == "raw":
            return largest, quotient(largest, second_correction), kept
        return largest * second_correction, largest, kept
