"""What duck arrays share: NumPy's dispatch protocols and the functions that only move elements."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, Self, TypeAlias

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from refimpl.types import Array, ArrayLike, Axis, Index, NumPyArray, Shape

# Functions that rearrange or copy elements: a duck array applies them to each of its components.
_MOVES_ONE = {
    np.reshape, np.transpose, np.swapaxes, np.moveaxis, np.expand_dims, np.squeeze, np.broadcast_to, np.ravel,
    np.take, np.take_along_axis, np.flip, np.copy, np.repeat, np.tile, np.roll, np.diagonal, np.tril, np.triu,
    np.atleast_1d, np.atleast_2d,
}  # fmt: skip
_MOVES_MANY = {np.concatenate, np.stack}


_Rule: TypeAlias = Callable[..., Any]


class DuckArray(NDArrayOperatorsMixin):
    """An array whose NumPy expressions are evaluated in another arithmetic.

    Every subclass has two tables of rules: `ufuncs` (of universal functions of NumPy) and `functions` (of other
    functions of NumPy, and of operations; see `refimpl.arithmetic.operations`). It implements `map_components` and
    `constant`.
    """

    __slots__ = ()

    ufuncs: ClassVar[dict[Callable[..., Array], _Rule]] = {}
    functions: ClassVar[dict[Callable[..., Array], _Rule]] = {}
    value: NumPyArray

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.ufuncs, cls.functions = dict(cls.ufuncs), dict(cls.functions)

    def map_components(self, move: Callable[..., Array], others: tuple[Self, ...] = ()) -> Self:
        """This array with `move` applied to every component (of `others` as well, where it takes several arrays)."""
        raise NotImplementedError

    def constant(self, value: ArrayLike) -> DuckArray:
        """A plain number or array as a duck array of the same arithmetic."""
        raise NotImplementedError

    @property
    def pi(self) -> DuckArray:
        """π in this arithmetic."""
        return self.constant(math.pi)

    def hyperparameter(self, value: float) -> DuckArray:
        """A hyperparameter that will meet this array, in the arithmetic that hyperparameters are computed in."""
        return self.constant(value)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: ArrayLike, **kwargs: Array) -> Array:
        if kwargs.pop("out", None) is not None:
            raise TypeError(f"numpy.{ufunc.__name__}(out=...) would mutate: {type(self).__name__} is immutable")
        if method == "reduce" and ufunc in _REDUCTIONS:
            return self.__array_function__(_REDUCTIONS[ufunc], (), inputs, {"axis": 0} | kwargs)
        rule = self.ufuncs.get(ufunc)
        if method != "__call__" or rule is None or kwargs:
            return self._unknown(f"numpy.{ufunc.__name__}", method, kwargs)
        with np.errstate(all="ignore"):
            return rule(*(x if isinstance(x, DuckArray) else self.constant(x) for x in inputs))

    def __array_function__(
        self,
        function: Callable[..., Array],
        types: Iterable[type],
        args: Sequence[Array],
        kwargs: Mapping[str, Array],
    ) -> Array:
        if function in _MOVES_ONE:
            return args[0].map_components(lambda component: function(component, *args[1:], **kwargs))
        if function in _MOVES_MANY:
            first, *others = (x if isinstance(x, DuckArray) else self.constant(x) for x in args[0])
            return first.map_components(lambda *components: function(components, *args[1:], **kwargs), tuple(others))
        if function in (np.shape, np.ndim, np.size):
            return function(args[0].value, *args[1:], **kwargs)
        if function in (np.zeros_like, np.ones_like):
            return self.constant(function(np.asarray(self.value, dtype=np.float64), *args[1:], **kwargs))
        if function is np.full_like:  # of a hyperparameter, such as what a state starts from
            everywhere = np.ones(self.shape, dtype=bool)
            return np.where(everywhere, self.hyperparameter(args[1]), np.zeros_like(self))
        if function is np.where:
            condition, *branches = args
            args = (condition, *(x if isinstance(x, DuckArray) else self.constant(x) for x in branches))
        if function is np.clip:
            array, lowest, highest = args
            return np.minimum(np.maximum(array, lowest), highest)
        rule = self.functions.get(function)
        if rule is None:
            return self._unknown(f"numpy.{function.__name__}", "__call__", kwargs)
        with np.errstate(all="ignore"):
            return rule(*args, **kwargs)

    def _unknown(self, name: str, method: str, kwargs: Mapping[str, Array]) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} has no rule for {name} ({method}, options {sorted(kwargs)}); "
            f"add one to {type(self).__module__}"
        )

    def __getitem__(self, index: Index) -> Self:
        return self.map_components(lambda component: component[index])

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        shape: Shape = self.value.shape
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return int(self.value.ndim)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.value.size)

    @property
    def T(self) -> Array:
        """The transpose, as of a NumPy array."""
        return np.transpose(self)

    def reshape(self, *shape: int | Shape) -> Self:
        """The same elements in another shape, as of a NumPy array."""
        return self.map_components(lambda component: component.reshape(*shape))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The sum along the axis, or of all elements."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The mean along the axis, or of all elements."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Array:
        """The largest along the axis, or of all elements."""
        return np.max(self, axis=axis, keepdims=keepdims)


_REDUCTIONS: dict[np.ufunc, Callable[..., Array]] = {np.add: np.sum, np.maximum: np.max, np.minimum: np.min}


def constant(value: ArrayLike, like: Array) -> Array:
    """A plain number or array in the arithmetic that `like` is evaluated in; a duck array unchanged."""
    return like.constant(value) if isinstance(like, DuckArray) and not isinstance(value, DuckArray) else value


def pi(like: Array) -> Array:
    """π in the arithmetic that `like` is evaluated in."""
    return like.pi if isinstance(like, DuckArray) else math.pi
