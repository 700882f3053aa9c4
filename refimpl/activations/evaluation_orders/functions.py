"""The evaluation orders of the functions that several activations are made of."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import erf
from refimpl.types import Array


def reciprocal_of_one_plus_exponential(x: Array) -> Array:
    """1 / (1 + exp(-x)): PyTorch, JAX."""
    return 1 / (1 + np.exp(-x))


def half_of_one_plus_erf(scaled: Array) -> Array:
    """(1 + erf(x / sqrt(2))) / 2: PyTorch."""
    return (1 + erf(scaled)) / 2


def half_of_one_plus_tanh(argument: Array) -> Array:
    """(1 + tanh(argument / 2)) / 2: PyTorch, JAX."""
    return (1 + np.tanh(argument / 2)) / 2


def difference_from_logarithm(shifted: Array, exponentials: Array, axis: int) -> Array:
    """shifted - log(sum(exp(shifted))), all of it in the format: PyTorch, JAX."""
    return shifted - np.log(np.sum(exponentials, axis=axis, keepdims=True))


SIGMOID = (reciprocal_of_one_plus_exponential,)
NORMAL_DISTRIBUTION = (half_of_one_plus_erf,)
TANH_GATE = (half_of_one_plus_tanh,)
LOG_SOFTMAX = (difference_from_logarithm,)
