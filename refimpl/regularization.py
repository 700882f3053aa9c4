"""Penalties on the size of parameters: value and gradient over a tree of arrays."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from refimpl.spec import Spec, convention, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves
from refimpl.types import Array, Tree


@dataclass(frozen=True)
class Penalty(Spec):
    """A measure of all entries of a tree; pass the part of the parameters that it is meant for. strength >= 0.

    Its methods raise TypeError or ValueError for a tree that does not hold real arrays.
    """

    strength: float = hyperparameter(1e-2, at_least=0)

    def value(self, tree: Tree) -> Array:
        """The penalty, 0-d."""
        entries = np.concatenate([np.ravel(leaf) for _, leaf in leaves(as_arrays("tree", tree))])
        return self.in_arithmetic_of(entries)._value(entries)

    def gradient(self, tree: Tree) -> Tree:
        """The derivative of the penalty by each entry: a tree of the same structure."""
        return map_leaves(lambda leaf: self.in_arithmetic_of(leaf)._gradient(leaf), as_arrays("tree", tree))

    @abstractmethod
    def _value(self, entries: Array) -> Array:
        """The penalty of a vector."""

    @abstractmethod
    def _gradient(self, entries: Array) -> Array:
        """Its derivative by each entry of an array."""


@dataclass(frozen=True)
class L1(Penalty):
    """strength * sum(|w|)."""

    derivative_at_zero: float = convention({0.0: "PyTorch", 1.0: "the derivative on the right (JAX)"})

    def _value(self, entries: Array) -> Array:
        return self.strength * np.sum(np.abs(entries))

    def _gradient(self, entries: Array) -> Array:
        if self.derivative_at_zero == 0:
            return self.strength * np.sign(entries)
        return self.strength * np.where(entries >= 0, np.ones_like(entries), -1.0)


@dataclass(frozen=True)
class L2(Penalty):
    """strength * sum(w**2), or half of that."""

    half: bool = convention({True: "strength / 2 * sum(w**2), gradient strength * w", False: "strength * sum(w**2)"})

    def _value(self, entries: Array) -> Array:
        return (self.strength / 2 if self.half else self.strength) * np.sum(entries**2)

    def _gradient(self, entries: Array) -> Array:
        return (self.strength if self.half else 2 * self.strength) * entries
