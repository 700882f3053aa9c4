"""Every operation and composite rule that formulas consist of, to be attacked alone with uncertain operands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl import arithmetic
from refimpl.activations.functions import gated, sigmoid, sigmoid_gate_derivative
from refimpl.arithmetic import constant, erf, erfc, rsqrt

DECAYS = (0.0, 0.1, 0.5, 0.6, 0.9, 0.999, 0.99999, 1e-5, 1 - 2.0**-26, 1.0)
# Learning rate and weight decay, or weight decay alone: 1 - their product is nearly 1, nearly 0 or negative.
SHARES = ((0.1, 0.03), (0.6, 0.7), (0.9, 1.1), (0.7, 1.43), (0.03, 70.0), (0.05,), (0.97,), (1.3,), (1e-3, 1e-2))


@dataclass(frozen=True)
class Operation:
    """operands: the number of arrays of `formula`. terms: 0, or the length of a first axis that it reduces."""

    operands: int
    formula: Callable[..., Any]
    terms: int = 0


def _averaged(decay: float) -> Operation:
    return Operation(2, lambda a, b: arithmetic.moving_average(a, b, a.hyperparameter(decay)))


def _decayed(shares: tuple[float, ...], fuse: bool) -> Operation:
    def formula(parameter: Any, direction: Any) -> Any:
        numbers = [parameter.hyperparameter(x) for x in shares]
        decayed = arithmetic.decayed_parameter(parameter, *numbers)
        if not fuse:
            return decayed
        updated = decayed - (numbers[0] * direction if len(shares) == 2 else direction)
        return arithmetic.fused_decay(updated, decayed, parameter, *numbers)

    return Operation(2 if fuse else 1, formula if fuse else lambda a: formula(a, None))


def _difference_of_squares(a: Any, b: Any) -> Any:
    return arithmetic.covering((a + b) * (a - b), (_squares_apart,), a, b)


def _squares_apart(a: Any, b: Any) -> Any:
    return a * a - b * b


def _matmul(a: Any, b: Any) -> Any:
    """The product of matrices (n, k) and (k, m); the array of each has k first."""
    return np.transpose(a) @ b


# Composite rules are called by name, so that the adversary can replace them.

ELEMENTARY = {
    "add": Operation(2, lambda a, b: a + b),
    "subtract": Operation(2, lambda a, b: a - b),
    "multiply": Operation(2, lambda a, b: a * b),
    "divide": Operation(2, lambda a, b: a / b),
    "reciprocal": Operation(1, lambda a: np.reciprocal(a)),
    "square": Operation(1, lambda a: a**2),
    "multiply, add": Operation(3, lambda a, b, c: a * b + c),
    "multiply, subtract from": Operation(3, lambda a, b, c: c - a * b),
    "sum of two products": Operation(4, lambda a, b, c, d: a * b + c * d),
    "absolute": Operation(1, abs),
    "negative": Operation(1, lambda a: -a),
    "maximum": Operation(2, np.maximum),
    "minimum": Operation(2, np.minimum),
    "clip": Operation(1, lambda a: np.clip(a, -0.5, 2.0)),
    "clip at 1 + 2**-8 + 2**-30": Operation(1, lambda a: np.clip(a, -(1 + 2.0**-8 + 2.0**-30), 1 + 2.0**-8 + 2.0**-30)),
    "sign": Operation(1, np.sign),
    "where greater": Operation(3, lambda a, b, c: np.where(a > b, b, c)),
    "where equal": Operation(2, lambda a, b: np.where((a == b) | ~(a <= 1.0), a, 2.0 * b)),
    "plus 0.3": Operation(1, lambda a: a + 0.3),
    "times 0.1": Operation(1, lambda a: a.hyperparameter(0.1) * a),
    "times 1 + 2**-11 + 2**-30": Operation(1, lambda a: a * (1 + 2.0**-11 + 2.0**-30)),
    "filled": Operation(1, lambda a: np.full_like(a, 1 + 2.0**-8 + 2.0**-30)),
    "tiny hyperparameters": Operation(
        1, lambda a: a.hyperparameter(1e-25) * a.hyperparameter(1e-15) * a.hyperparameter(1e20) * a
    ),
    "bias correction": Operation(1, lambda a: a / (1 - a.hyperparameter(0.999) ** 2)),
    "bias correction at step 20": Operation(1, lambda a: a / (1 - a.hyperparameter(0.9) ** 20)),
}  # fmt: skip

FUNCTIONS = {
    "sqrt": Operation(1, np.sqrt),
    "rsqrt": Operation(1, rsqrt),
    "exp": Operation(1, np.exp),
    "expm1": Operation(1, np.expm1),
    "log": Operation(1, np.log),
    "log1p": Operation(1, np.log1p),
    "tanh": Operation(1, np.tanh),
    "erf": Operation(1, erf),
    "erfc": Operation(1, erfc),
    "sin": Operation(1, np.sin),
    "cos": Operation(1, np.cos),
    **{
        f"power {exponent:g}": Operation(1, lambda a, exponent=exponent: a**exponent)
        for exponent in (0.0, 0.1, 1.5, 3.0, 4.0, 7.0, 20.0, -2.0, -0.3)
    },
    "power": Operation(2, lambda a, b: abs(a) ** np.clip(b, -4.0, 4.0)),
}

COMPOSITE = {
    **{f"moving average, {decay:g}": _averaged(decay) for decay in DECAYS},
    **{f"decayed by {' x '.join(map(str, shares))}": _decayed(shares, fuse=False) for shares in SHARES},
    **{f"fused decay by {' x '.join(map(str, shares))}": _decayed(shares, fuse=True) for shares in SHARES},
    "root of a moving average": Operation(
        2, lambda a, b: np.sqrt(arithmetic.moving_average(a * a, b * b, a.hyperparameter(0.9)))
    ),
    "root of a moving average, 0": Operation(
        2, lambda a, b: np.sqrt(arithmetic.moving_average(a * a, b * b, a.hyperparameter(0.0)))
    ),
    "product of 2": Operation(2, lambda *factors: arithmetic.product(*factors)),
    "product of 3": Operation(3, lambda *factors: arithmetic.product(*factors)),
    "product of 4": Operation(4, lambda *factors: arithmetic.product(*factors)),
    "quotient": Operation(2, lambda a, b: arithmetic.quotient(a, b)),
    "quotient by 1 + |b|": Operation(2, lambda a, b: arithmetic.quotient(a, 1 + abs(b))),
    "forms": Operation(2, _difference_of_squares),
    "logistic": Operation(1, sigmoid),
    "gated": Operation(2, gated),
    "gated by a logistic": Operation(1, lambda a: gated(a, sigmoid(a))),
    "derivative of gated": Operation(1, lambda a: sigmoid_gate_derivative(np.clip(a, -2000.0, 2000.0), a)),
    "one over an exponential": Operation(1, lambda a: 1 / (1 + np.exp(-a))),
}

SUMS = {
    **{f"sum of {n}": Operation(1, lambda a: np.sum(a, axis=0), terms=n) for n in (1, 2, 3, 5, 8, 17, 40, 200)},
    **{f"mean of {n}": Operation(1, lambda a: np.mean(a, axis=0), terms=n) for n in (1, 2, 3, 8, 12)},
    "mean of squares of 6": Operation(1, lambda a: np.mean(a**2, axis=0), terms=6),
    "root of a sum of squares of 7": Operation(1, lambda a: np.sqrt(np.sum(a**2, axis=0)), terms=7),
    "largest of 5": Operation(1, lambda a: np.max(a, axis=0), terms=5),
    "smallest of 5": Operation(1, lambda a: np.min(a, axis=0), terms=5),
    **{f"matmul over {n}": Operation(2, _matmul, terms=n) for n in (1, 2, 5, 9, 24)},
    "weighted sum of 4": Operation(2, lambda a, b: np.sum(arithmetic.product(a, b, constant(0.3, a)), axis=0), terms=4),
}

OPERATIONS: dict[str, Operation] = ELEMENTARY | FUNCTIONS | COMPOSITE | SUMS
