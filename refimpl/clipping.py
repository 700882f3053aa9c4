"""Clipping of gradients by their norm or by value, and of weights: pure functions of a tree of arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import forms
from refimpl.arithmetic.dispatch import Twin
from refimpl.spec import Spec, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves


def global_norm(tree: Any) -> Any:
    """The Euclidean norm of all entries of a tree as one vector, 0-d; without needless overflow or underflow.

    Infinite where an entry is, NaN where one is. The bound of a running-error evaluation covers the sum of plain
    squares in any order, and norms of norms: it is infinite where such squares leave the target's range.
    Raises TypeError or ValueError for a tree that does not hold real arrays.
    """
    return _norm([leaf for _, leaf in leaves(as_arrays("tree", tree))])


def _norm(arrays: list[Any]) -> Any:
    entries = np.concatenate([np.ravel(array) for array in arrays])
    if entries.size == 0:
        return np.sum(entries)
    unit = _unit(entries)
    return forms(
        lambda: unit * np.sqrt(np.sum((entries / unit) ** 2)),
        lambda: np.sqrt(np.sum(entries**2)),
        lambda: np.sqrt(sum(np.sqrt(np.sum(array**2)) ** 2 for array in arrays)),
    )


def _unit(entries: Any) -> float:
    """1 where float64 holds the squares of the entries, else a power of two next to the largest."""
    largest = float(np.max(np.abs(entries.value if isinstance(entries, Twin) else entries)))
    exponent = math.frexp(largest)[1]  # 0 for zero, infinity and NaN
    return 1.0 if abs(exponent) < 400 else math.ldexp(1.0, exponent - 1)


@dataclass(frozen=True)
class Clipping(Spec):
    """A rule that maps a tree of gradients (or weights) to one of the same structure."""

    def apply(self, tree: Any) -> Any:
        """The clipped tree, as new float64 arrays; an infinite or NaN entry yields what the formula makes of it.

        Raises TypeError or ValueError for a tree that does not hold real arrays.
        """
        tree = as_arrays("tree", tree)
        with np.errstate(invalid="ignore"):
            return self._apply(tree, self.hyperparameters(next(leaves(tree))[1]))

    @abstractmethod
    def _apply(self, tree: Any, h: Any) -> Any:
        """The rule; `h` has the fields as numbers of the arithmetic in use."""


@dataclass(frozen=True)
class ClipByGlobalNorm(Clipping):
    """gradient * min(1, max_norm / (norm + epsilon)), norm over all arrays (Pascanu, Mikolov & Bengio 2013, alg. 1).

    max_norm > 0. epsilon >= 0: PyTorch adds 1e-6, optax 0, where this is the projection on the ball.
    """

    max_norm: float = hyperparameter(1.0, above=0)
    epsilon: float = hyperparameter(0.0, at_least=0)

    def _apply(self, tree: Any, h: Any) -> Any:
        size = _norm([leaf for _, leaf in leaves(tree)]) + h.epsilon
        return map_leaves(lambda gradient: _shrunk(gradient, size, h.max_norm), tree)


@dataclass(frozen=True)
class ClipByNorm(Clipping):
    """As ClipByGlobalNorm, each array by its own norm."""

    max_norm: float = hyperparameter(1.0, above=0)
    epsilon: float = hyperparameter(0.0, at_least=0)

    def _apply(self, tree: Any, h: Any) -> Any:
        return map_leaves(lambda gradient: _shrunk(gradient, _norm([gradient]) + h.epsilon, h.max_norm), tree)


@dataclass(frozen=True)
class ClipByValue(Clipping):
    """Each entry to the nearest number in [-limit, limit]; limit > 0."""

    limit: float = hyperparameter(1.0, above=0)

    def _apply(self, tree: Any, h: Any) -> Any:
        return map_leaves(lambda gradient: np.minimum(np.maximum(gradient, -h.limit), h.limit), tree)


@dataclass(frozen=True)
class WeightClipping(ClipByValue):
    """As ClipByValue, applied to the weights after an update (Arjovsky, Chintala & Bottou 2017, algorithm 1)."""

    limit: float = hyperparameter(1e-2, above=0)


def _shrunk(gradient: Any, size: Any, max_norm: Any) -> Any:
    """The gradient itself where size <= max_norm, else scaled by max_norm / size.

    Multiplying always, by min(1, ...), is the same: a product with 1 is exact.
    """
    divisor = np.maximum(size, max_norm)  # never zero, and continuous at the threshold, where rounding may decide
    scaled = forms(
        lambda: gradient * (max_norm / divisor),
        lambda: (gradient / divisor) * max_norm,
    )
    return np.where(size <= max_norm, gradient, scaled)
