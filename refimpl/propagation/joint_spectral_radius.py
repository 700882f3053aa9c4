"""The fastest growth that products of matrices from a small set can have."""

from __future__ import annotations

import math

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_factors, whole_number
from refimpl.propagation.balancing import scaled_or_balanced
from refimpl.propagation.rounding import (
    UNIT_ROUNDOFF,
    Enclosure,
    gamma,
    lapack_rounding,
    ldexp_outward,
    product_above,
    product_rounding,
    rescaled_enclosure,
)
from refimpl.propagation.spectra import enclosed_spectral_radius
from refimpl.types import ArrayLike, Float64Array

_LARGEST_NUMBER_OF_WORDS = 2**16


def joint_spectral_radius(matrices: ArrayLike, length: int) -> Bracket:
    """The limit of max ||A_1 ... A_k||^(1/k) over all products of k of the matrices, as k grows.

    matrices: two or more, square, of one shape. length: the largest k that the bracket uses. For every k the limit
    lies between the largest rho(A_1 ... A_k)^(1/k) and the largest ||A_1 ... A_k||^(1/k) (Rota & Strang 1960; Berger &
    Wang 1992). The bracket narrows with the length, at an unknown rate. Below 1, the gradient of every network of
    linear layers with these weights vanishes.

    Raises TypeError or ValueError unless there are two matrices or more, real, finite and square, of one shape, and
    at most 65536 products of that length.
    """
    matrices, length = square_factors(matrices), whole_number("length", length)
    if len(matrices) == 1:
        raise ValueError("matrices must be at least two: of one alone this is its spectral_radius")
    if len(matrices) ** length > _LARGEST_NUMBER_OF_WORDS:
        longest = int(math.log(_LARGEST_NUMBER_OF_WORDS) / math.log(len(matrices)))
        raise ValueError(f"length must be at most {longest} for {len(matrices)} matrices, got {length}")
    letters = scaled_or_balanced(np.stack(matrices))
    words = Enclosure(letters.matrix, letters.error, 0)  # products of k letters, without the exponent of the letters
    lower, upper = 0.0, math.inf
    for k in range(1, length + 1):
        if k > 1:
            words = _longer_by_a_letter(letters, words)
        upper = min(upper, _root(_largest_norm(words), words.exponent, k, letters.exponent, +1))
        best = int(np.argmax(np.max(np.abs(np.linalg.eigvals(words.matrix)), axis=1)))
        radius = enclosed_spectral_radius(words.matrix[best], words.error[best]).lower
        lower = max(lower, _root(radius, words.exponent, k, letters.exponent, -1))
    return Bracket(lower, upper)


def _longer_by_a_letter(letters: Enclosure, words: Enclosure) -> Enclosure:
    """All products of a letter and a word."""
    left, right = letters.matrix[:, np.newaxis], words.matrix[np.newaxis]
    left_error, right_error = letters.error[:, np.newaxis], words.error[np.newaxis]
    propagated = product_above(np.abs(left) + left_error, right_error) + product_above(left_error, np.abs(right))
    error = propagated * (1 + gamma(8)) + product_rounding(left, right)
    longer = rescaled_enclosure(_as_stack(left @ right), _as_stack(error))
    return longer._replace(exponent=words.exponent + longer.exponent)


def _as_stack(matrices: Float64Array) -> Float64Array:
    return matrices.reshape(-1, *matrices.shape[-2:])


def _largest_norm(words: Enclosure) -> float:
    """An upper bound on the 2-norms."""
    unit = np.max(words.error) or 1.0
    norms = np.linalg.norm(words.matrix, 2, axis=(1, 2)) + unit * np.linalg.norm(words.error / unit, axis=(1, 2))
    return float(np.max(norms)) + lapack_rounding(words.matrix)


def _root(number: float, exponent: int, k: int, letter_exponent: int, direction: int) -> float:
    """2^letter_exponent * (number * 2^exponent)^(1 / k), rounded up (+1) or down (-1)."""
    if number == 0:
        return 0.0
    whole, rest = divmod(exponent, k)
    power = math.ldexp(number, rest)
    relative = 8 * UNIT_ROUNDOFF * max(1.0, abs(math.log(power)) / k)
    return ldexp_outward(power ** (1 / k) * (1 + direction * relative), letter_exponent + whole, direction)
