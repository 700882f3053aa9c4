"""Adam, AdamW and AMSGrad: moving averages of the gradient and its square, corrected for starting at zero."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.evaluation_orders import ADAM_EPSILON_INSIDE, ADAM_EPSILON_OUTSIDE, ADAM_EPSILON_UNCORRECTED
from refimpl.optimizers.optimizer import DECOUPLED, Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Scalar, Slots


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
    epsilon_placement: Literal["outside", "inside", "uncorrected"] = convention(
        {
            "outside": "added to the root of the corrected second moment (algorithm 1; PyTorch, optax)",
            "inside": "added to the corrected second moment under the root (optax's eps_root)",
            "uncorrected": "added to the root of the uncorrected second moment: 'epsilon hat' (section 2; Keras)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = moving_average(state["second_moment"], gradient**2, self.beta2)

        # Bias correction (section 3)
        m_correction, v_correction = bias_correction(self.beta1, step), bias_correction(self.beta2, step)
        m_hat, v_hat = quotient(m, m_correction), quotient(v, v_correction)

        # Update
        increment = self._increment(m, v, m_hat, v_hat, m_correction, v_correction)
        return parameter - increment, {"first_moment": m, "second_moment": v}

    def _increment(
        self, m: Array, v: Array, m_hat: Array, v_hat: Array, m_correction: Scalar, v_correction: Scalar
    ) -> Array:
        """learning_rate * m_hat / (sqrt(v_hat) + epsilon), with epsilon where it is placed."""
        if self.epsilon_placement == "uncorrected":
            rate = self.learning_rate * np.sqrt(v_correction) / m_correction
            denominator = np.sqrt(v) + self.epsilon
            return covering(quotient(rate * m, denominator), ADAM_EPSILON_UNCORRECTED, rate, m, denominator)
        inside = self.epsilon_placement == "inside"
        denominator = np.sqrt(v_hat + self.epsilon) if inside else np.sqrt(v_hat) + self.epsilon
        increment = self.learning_rate * quotient(m_hat, denominator)
        if inside:
            return covering(increment, ADAM_EPSILON_INSIDE, self.learning_rate, m, m_correction, denominator)
        operands = (self.learning_rate, m, m_correction, v, v_correction, self.epsilon)
        return covering(increment, ADAM_EPSILON_OUTSIDE, *operands)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2, line 12).

    As Adam, but weight_decay shrinks the parameter itself: at each step by learning_rate * weight_decay of it, so that
    it follows the learning rate as in PyTorch, optax and Keras.
    """

    _: KW_ONLY
    weight_decay: float = hyperparameter(1e-2, at_least=0)
    weight_decay_kind: Literal["decoupled", "unscaled"] = convention(DECOUPLED)


@dataclass(frozen=True)
class AMSGrad(Adam):
    """Adam whose second moment never decreases where it divides (Reddi, Kale & Kumar 2018, algorithm 2).

    The paper corrects no bias. Libraries do, and so does this rule: the raw maximum is corrected after it is taken, or
    the second moment before.

    Fields as Adam's. State: as Adam's, and "largest_second_moment".
    """

    maximum: Literal["raw", "corrected"] = convention(
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

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = moving_average(state["second_moment"], gradient**2, self.beta2)

        # Largest second moment, and bias correction
        m_correction, v_correction = bias_correction(self.beta1, step), bias_correction(self.beta2, step)
        m_hat = quotient(m, m_correction)
        if self.maximum == "raw":
            largest = np.maximum(state["largest_second_moment"], v)
            divisor, v_hat = largest, quotient(largest, v_correction)
        else:
            largest = np.maximum(state["largest_second_moment"], quotient(v, v_correction))
            divisor, v_hat = largest * v_correction, largest

        # Update
        increment = self._increment(m, divisor, m_hat, v_hat, m_correction, v_correction)
        return parameter - increment, {"first_moment": m, "second_moment": v, "largest_second_moment": largest}
