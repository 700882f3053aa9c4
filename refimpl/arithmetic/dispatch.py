"""What the array twins share: NumPy's dispatch protocols and the functions that only move elements."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

# Functions that rearrange or copy elements: a twin applies them to each of its component arrays.
_MOVES_ONE = {
    np.reshape, np.transpose, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.broadcast_to, np.ravel,
    np.take, np.take_along_axis, np.flip, np.copy, np.repeat, np.tile, np.roll, np.diagonal, np.tril, np.triu,
    np.atleast_1d, np.atleast_2d,
}  # fmt: skip
_MOVES_MANY = {np.concatenate, np.stack}


class DuckArray(NDArrayOperatorsMixin):
    """An array whose NumPy expressions are evaluated in another arithmetic.

    Subclasses fill `ufuncs` and `functions` (NumPy callable -> rule) and implement `moved` and `constant`.
    """

    __slots__ = ()

    ufuncs: ClassVar[dict[Any, Callable]] = {}
    functions: ClassVar[dict[Any, Callable]] = {}
    value: np.ndarray

    def map_components(self, move: Callable[..., np.ndarray], others: tuple[Any, ...] = ()) -> Self:
        """This twin with `move` applied to every component (of `others` as well, where it takes several arrays)."""
        raise NotImplementedError

    def constant(self, value: Any) -> DuckArray:
        """A plain number or array as a twin of the same arithmetic."""
        raise NotImplementedError

    @property
    def pi(self) -> DuckArray:
        """π in this arithmetic."""
        return self.constant(math.pi)

    def hyperparameter(self, value: float) -> DuckArray:
        """A hyperparameter that will meet this array, in the arithmetic that hyperparameters are computed in."""
        return self.constant(value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if kwargs.pop("out", None) is not None:
            raise TypeError(f"numpy.{ufunc.__name__}(out=...) would mutate: {type(self).__name__} is immutable")
        if method == "reduce" and ufunc in _REDUCTIONS:
            return self.__array_function__(_REDUCTIONS[ufunc], (), inputs, {"axis": 0} | kwargs)
        rule = self.ufuncs.get(ufunc)
        if method != "__call__" or rule is None or kwargs:
            return self._unknown(f"numpy.{ufunc.__name__}", method, kwargs)
        with np.errstate(all="ignore"):
            return rule(*(x if isinstance(x, DuckArray) else self.constant(x) for x in inputs))

    def __array_function__(self, function: Callable, types: Any, args: tuple, kwargs: dict) -> Any:
        if function in _MOVES_ONE:
            return args[0].map_components(lambda component: function(component, *args[1:], **kwargs))
        if function in _MOVES_MANY:
            twins = tuple(x if isinstance(x, DuckArray) else self.constant(x) for x in args[0])
            return twins[0].map_components(lambda *components: function(components, *args[1:], **kwargs), twins[1:])
        if function in (np.shape, np.ndim, np.size):
            return function(args[0].value, *args[1:], **kwargs)
        if function in (np.zeros_like, np.ones_like):
            return self.constant(function(np.asarray(self.value, dtype=np.float64), *args[1:], **kwargs))
        if function is np.full_like:  # of a hyperparameter, such as what a state starts from
            everywhere = np.ones(self.shape, dtype=bool)
            return np.where(everywhere, self.hyperparameter(args[1]), np.zeros_like(self))
        if function is np.where:
            condition, *branches = args
            with np.errstate(all="ignore"):
                return self.functions[np.where](
                    condition, *(x if isinstance(x, DuckArray) else self.constant(x) for x in branches)
                )
        if function is np.clip:
            array, lowest, highest = args
            return np.minimum(np.maximum(array, lowest), highest)
        rule = self.functions.get(function)
        if rule is None:
            return self._unknown(f"numpy.{function.__name__}", "__call__", kwargs)
        with np.errstate(all="ignore"):
            return rule(*args, **kwargs)

    def _unknown(self, name: str, method: str, kwargs: dict) -> Any:
        raise TypeError(
            f"{type(self).__name__} has no rule for {name} ({method}, options {sorted(kwargs)}); "
            f"add one to {type(self).__module__}"
        )

    def __getitem__(self, index: Any) -> Self:
        return self.map_components(lambda component: component[index])

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.value.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.value.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.value.size

    @property
    def T(self) -> DuckArray:
        """The transpose, as of a NumPy array."""
        return np.transpose(self)

    def reshape(self, *shape: Any) -> DuckArray:
        """The same elements in another shape, as of a NumPy array."""
        return self.map_components(lambda component: component.reshape(*shape))

    def sum(self, axis: Any = None, keepdims: bool = False) -> DuckArray:
        """The sum along the axis, or of all elements."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> DuckArray:
        """The mean along the axis, or of all elements."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> DuckArray:
        """The largest along the axis, or of all elements."""
        return np.max(self, axis=axis, keepdims=keepdims)


_REDUCTIONS: dict[Any, Callable] = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min}


def constant(value: Any, like: Any) -> Any:
    """A plain number or array in the arithmetic that `like` is evaluated in; a twin unchanged."""
    return like.constant(value) if isinstance(like, DuckArray) and not isinstance(value, DuckArray) else value


def pi(like: Any) -> Any:
    """π in the arithmetic that `like` is evaluated in."""
    return like.pi if isinstance(like, DuckArray) else math.pi
