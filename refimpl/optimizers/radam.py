"""RAdam: Adam that waits until its second moment has seen enough steps, and shortens its steps until then."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Literal

import numpy as np

from refimpl.arithmetic import covering, moving_average, quotient
from refimpl.arithmetic.dispatch import DuckArray
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.evaluation_orders import RADAM_EPSILON_OUTSIDE, RADAM_EPSILON_UNCORRECTED, RADAM_UNRECTIFIED
from refimpl.optimizers.optimizer import Optimizer
from refimpl.spec import convention, hyperparameter
from refimpl.types import Array, Scalar, Slots


def rectification(beta2: Scalar, step: int) -> tuple[Scalar, Scalar]:
    """Length rho of the average of squares and the square of the rectification r (Liu et al. 2020, equations 4 and 5).

    beta2 in [0, 1). The square has no meaning for a length of 4 or less.
    """
    in_float64 = not isinstance(beta2, DuckArray)
    beta2 = Decimal(beta2) if in_float64 else beta2  # in float64 the difference rho_max - 4 would lose its digits
    with localcontext(prec=50):
        power = beta2**step
        rho_max = 2 / (1 - beta2) - 1
        rho = rho_max - 2 * step * power / (1 - power)
        r_squared = (rho - 4) * (rho - 2) * rho_max / ((rho_max - 4) * (rho_max - 2) * rho)
    return (float(rho), float(r_squared)) if in_float64 else (rho, r_squared)


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
    epsilon_placement: Literal["outside", "uncorrected"] = convention(
        {
            "outside": "added to the root of the corrected second moment (optax)",
            "uncorrected": "added to the root of the uncorrected second moment (PyTorch)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        return ("first_moment", "second_moment")

    def update(self, parameter: Array, gradient: Array, state: Slots, step: int) -> tuple[Array, Slots]:
        # Moments
        m = moving_average(state["first_moment"], gradient, self.beta1)
        v = moving_average(state["second_moment"], gradient**2, self.beta2)

        # Bias correction
        m_correction, v_correction = bias_correction(self.beta1, step), bias_correction(self.beta2, step)
        m_hat = quotient(m, m_correction)

        # Rectification
        rho, r_squared = rectification(self.beta2, step)
        r = np.sqrt(r_squared)

        # Update
        rate = self.learning_rate * r
        if self.epsilon_placement == "uncorrected":
            root = np.sqrt(v_correction)
            denominator = np.sqrt(v) + self.epsilon
            rectified = rate * root * quotient(m_hat, denominator)
            operands = (self.learning_rate, r, m, m_correction, m_hat, root, denominator)
            rectified = covering(rectified, RADAM_EPSILON_UNCORRECTED, *operands)
        else:
            denominator = np.sqrt(quotient(v, v_correction)) + self.epsilon
            rectified = rate * quotient(m_hat, denominator)
            rectified = covering(rectified, RADAM_EPSILON_OUTSIDE, self.learning_rate, r, m_hat, denominator)
        unrectified = self.learning_rate * m_hat
        unrectified = covering(unrectified, RADAM_UNRECTIFIED, self.learning_rate, m, m_correction)
        increment = np.where(rho > self.threshold, rectified, unrectified)
        return parameter - increment, {"first_moment": m, "second_moment": v}
