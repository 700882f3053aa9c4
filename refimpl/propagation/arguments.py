"""Checks of the arguments of propagation: each returns the argument as a float, an integer or float64 arrays."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import SupportsIndex

import numpy as np

from refimpl.spec import LARGEST_COUNT
from refimpl.trees import as_array
from refimpl.types import ArrayLike, Float64Array

LARGEST_WIDTH = 2**20  # of functions that go through all units


def finite_array(name: str, value: ArrayLike, axes: int) -> Float64Array:
    """`value` as a float64 array of 1 or 2 axes.

    Raises TypeError unless it is a floating-point array, ValueError for another number of axes, no entries, or entries
    that are not finite.
    """
    array = as_array(name, value)
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name} must be a floating-point array, got {type(array).__name__}: pass its float64 values")
    if array.ndim != axes or array.size == 0:
        kind = {1: "a vector", 2: "a matrix"}[axes]
        raise ValueError(f"{name} must be {kind} with at least one entry, got shape {array.shape}")
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(index)} must be finite, got {array[index]}")
    return array


def square_matrix(name: str, value: ArrayLike) -> Float64Array:
    """`value` as a square matrix. Raises as `finite_array` does, and ValueError for a rectangular one."""
    matrix = finite_array(name, value, axes=2)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be square, got shape {matrix.shape}")
    return matrix


def factors(matrices: ArrayLike) -> list[Float64Array]:
    """A sequence of matrices, or an array of three axes, as matrices that are applied one after another.

    The first one acts first. Raises TypeError or ValueError unless there is one at least, each passes `finite_array`,
    and each takes as many inputs as the one before has outputs.
    """
    if not isinstance(matrices, Sequence) and not (isinstance(matrices, np.ndarray) and matrices.ndim == 3):
        raise TypeError(f"matrices must be a sequence of matrices, got {type(matrices).__name__}")
    checked = [finite_array(f"matrices[{i}]", matrix, axes=2) for i, matrix in enumerate(matrices)]
    if not checked:
        raise ValueError("matrices must have at least one")
    for i in range(1, len(checked)):
        if checked[i].shape[1] != checked[i - 1].shape[0]:
            raise ValueError(
                f"matrices[{i}] of shape {checked[i].shape} (outputs, inputs) must take the "
                f"{checked[i - 1].shape[0]} outputs of matrices[{i - 1}]; transpose weights that are (inputs, outputs)"
            )
    return checked


def square_factors(matrices: ArrayLike) -> list[Float64Array]:
    """`factors`, all square and thus of one shape. Raises as that does, and ValueError for a rectangular one."""
    return [square_matrix(f"matrices[{i}]", matrix) for i, matrix in enumerate(factors(matrices))]


def number(name: str, value: object, at_least: float = -math.inf, above: float = -math.inf) -> float:
    """A real number as a float. Raises TypeError for other types, ValueError unless it is finite and in the range."""
    limit = f" > {above}" if above > at_least else f" >= {at_least}" if at_least > -math.inf else ""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a finite number{limit}, got {type(value).__name__} {value!r}")
    try:
        real = float(value)
    except OverflowError:  # an integer beyond the largest float
        real = math.inf
    if not (math.isfinite(real) and real >= at_least and real > above):
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r}")
    return real


def whole_number(name: str, value: SupportsIndex, at_least: int = 1, at_most: int = LARGEST_COUNT) -> int:
    """An integer of any type as Python's. Raises TypeError for other types, ValueError outside the range.

    at_most: a power of two.
    """
    try:
        integer = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        integer = None
    if integer is None:
        raise TypeError(f"{name} must be an integer >= {at_least}, got {type(value).__name__} {value!r}")
    if integer < at_least:
        raise ValueError(f"{name} must be an integer >= {at_least}, got {integer}")
    if integer > at_most:
        raise ValueError(
            f"{name} must be an integer <= 2^{at_most.bit_length() - 1}, got one of {integer.bit_length()} bits"
        )
    return integer
