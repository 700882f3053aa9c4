"""Refusal of arguments that propagation cannot work on."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from refimpl.trees import as_array


def finite_array(name: str, value: Any, axes: int) -> np.ndarray:
    """The value as a float64 array with so many axes, non-empty and finite."""
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


def square_matrix(name: str, value: Any) -> np.ndarray:
    """The value as a square matrix; a rectangular one has no eigenvalues."""
    matrix = finite_array(name, value, axes=2)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{name} must be square, got shape {matrix.shape}")
    return matrix


def factors(matrices: Any) -> list[np.ndarray]:
    """Matrices that can be applied one after another, the first one first."""
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


def square_factors(matrices: Any) -> list[np.ndarray]:
    """Square matrices of one shape."""
    return [square_matrix(f"matrices[{i}]", matrix) for i, matrix in enumerate(factors(matrices))]


def number(name: str, value: Any, at_least: float = -math.inf, above: float = -math.inf) -> float:
    """The value as a finite float in the range."""
    limit = f" > {above}" if above > at_least else f" >= {at_least}" if at_least > -math.inf else ""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a finite number{limit}, got {type(value).__name__} {value!r}")
    try:
        found = float(value)
    except OverflowError:  # an integer beyond the largest float
        found = math.inf
    if not (math.isfinite(found) and found >= at_least and found > above):
        raise ValueError(f"{name} must be a finite number{limit}, got {value!r}")
    return found


def whole_number(name: str, value: Any, at_least: int = 1, at_most: int = 2**53) -> int:
    """The value as an integer in the range; counts above 2^53 are no floats."""
    try:
        integer = operator.index(value)
    except TypeError:
        integer = None
    if integer is None or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer >= {at_least}, got {type(value).__name__} {value!r}")
    if integer < at_least:
        raise ValueError(f"{name} must be an integer >= {at_least}, got {integer}")
    if integer > at_most:
        raise ValueError(
            f"{name} must be an integer <= 2^{at_most.bit_length() - 1}, got one of {integer.bit_length()} bits"
        )
    return integer
