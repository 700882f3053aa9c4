"""What initializers have in common: they sample arrays of a shape, most of them with one law for all entries."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.initializers.distributions import Distribution
from refimpl.initializers.fans import checked_shape
from refimpl.spec import Spec


@dataclass(frozen=True)
class Initializer(Spec):
    """A random array as a function of its shape."""

    def sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """A float64 array of `shape`; the same for the same state of the generator.

        Raises TypeError for a shape that is no tuple of integers or another generator than NumPy's, ValueError for a
        shape that the initializer has no law for.
        """
        if not isinstance(generator, np.random.Generator):
            raise TypeError(
                f"generator must be a numpy.random.Generator, such as numpy.random.default_rng(seed), "
                f"got {type(generator).__name__} {generator!r}"
            )
        return self._sample(checked_shape(shape), generator)

    @abstractmethod
    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """`sample`, for a shape and a generator that are such."""


@dataclass(frozen=True)
class IdenticallyDistributed(Initializer):
    """An initializer all of whose entries have the same law."""

    def _sample(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """Independent entries, unless an initializer says otherwise."""
        return self.law(shape).sample(shape, generator)

    @abstractmethod
    def law(self, shape: Any) -> Distribution:
        """The law of each single entry of an array of `shape`. Raises as `sample` does."""
