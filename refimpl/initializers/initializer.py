"""What initializers have in common: they sample arrays of a shape, and most give all entries one distribution."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from refimpl.initializers.distributions import Distribution
from refimpl.initializers.fans import checked_shape
from refimpl.spec import Spec
from refimpl.types import Float64Array, Shape


@dataclass(frozen=True)
class Initializer(Spec):
    """A random array as a function of its shape."""

    def sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        """A float64 array of `shape`, the same for the same state of the generator.

        Raises TypeError unless the shape is a tuple of integers and the generator one of NumPy's. Raises ValueError for
        a shape that the initializer is not defined for.
        """
        if not isinstance(generator, np.random.Generator):
            raise TypeError(
                f"generator must be a numpy.random.Generator, such as numpy.random.default_rng(seed), "
                f"got {type(generator).__name__} {generator!r}"
            )
        return self._sample(checked_shape(shape), generator)

    @abstractmethod
    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        """`sample`, after the types of its arguments were checked."""


@dataclass(frozen=True)
class IdenticallyDistributed(Initializer):
    """An initializer whose entries all have the same distribution."""

    def _sample(self, shape: Shape, generator: np.random.Generator) -> Float64Array:
        """Independent entries. An initializer with dependent entries overrides this."""
        return self.entry_distribution(shape).sample(shape, generator)

    @abstractmethod
    def entry_distribution(self, shape: Shape) -> Distribution:
        """The distribution of each single entry of an array of `shape`. Raises as `sample` does."""
