"""What the arguments of public functions are: arrays of any arithmetic, trees of them, slots, states and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

# An array or number in any arithmetic: NumPy's, or a duck array (RunningError, Multiprecision, DoubleDouble). NumPy's
# stubs cannot express arrays that its functions dispatch on, so that a type checker accepts every operation on one.
Array: TypeAlias = Any

# A hyperparameter or another number alone, in any arithmetic.
Scalar: TypeAlias = Any

# The value of a field of a rule: a number, a named value of a convention, a tuple of numbers, None, or another rule.
Value: TypeAlias = Any

# What NumPy makes an array of: arrays, numbers and nested sequences of them.
ArrayLike: TypeAlias = Any

# An array, or dicts, lists and tuples of trees; its leaves are arrays.
Tree: TypeAlias = Any

# What an optimizer keeps of one parameter, by name; and its whole state, with the number of steps taken under "step".
Slots: TypeAlias = Mapping[str, Array]
State: TypeAlias = dict[str, Tree]

# The parameters of one layer, or their gradients, by name.
Parameters: TypeAlias = dict[str, Array]

Shape: TypeAlias = tuple[int, ...]

# The axes that a sum runs over; None for all.
Axis: TypeAlias = int | tuple[int, ...] | None

# What stands in the brackets of an array.
Index: TypeAlias = Any

# Arrays of NumPy that are no duck arrays.
NumPyArray: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Float64Array: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Int64Array: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
BoolArray: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
IndexArray: TypeAlias = np.ndarray[Any, np.dtype[np.intp]]
ObjectArray: TypeAlias = np.ndarray[Any, np.dtype[np.object_]]  # of Python integers or mpmath numbers

# A value of a convention.
ConventionValue: TypeAlias = str | bool | int | float | None
