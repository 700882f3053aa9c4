"""The fastest growth that products of matrices from a small set can have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_factors, whole_number
from refimpl.propagation.balancing import balanced
from refimpl.propagation.rounding import (
    UNIT_ROUNDOFF,
    gamma,
    ldexp_outward,
    product_above,
    rescaled_enclosure,
    rounding_of_lapack,
    rounding_of_product,
)
from refimpl.propagation.spectra import enclosed_spectral_radius

_LARGEST_NUMBER_OF_WORDS = 2**16


def joint_spectral_radius(matrices: Any, length: int) -> Bracket:
    """The limit of max ||A_1 ... A_k||^(1/k) over all products of k of the matrices, bracketed by k up to `length`.

    max rho(A_1 ... A_k)^(1/k) <= it <= max ||A_1 ... A_k||^(1/k) for every k (Rota & Strang
    1960; Berger & Wang 1992). The bracket narrows with the length, at a rate that nothing tells beforehand.
    Below 1, the gradient of every network of linear layers with these weights vanishes.
    Raises TypeError or ValueError unless there are two matrices or more, real, finite and square, of one shape, and at
    most 65536 words of that length.
    """
    matrices, length = square_factors(matrices), whole_number("length", length)
    if len(matrices) == 1:
        raise ValueError("matrices must be at least two: of one alone this is its spectral_radius")
    if len(matrices) ** length > _LARGEST_NUMBER_OF_WORDS:
        longest = int(math.log(_LARGEST_NUMBER_OF_WORDS) / math.log(len(matrices)))
        raise ValueError(f"length must be at most {longest} for {len(matrices)} matrices, got {length}")
    letters, of_letters, exponent = balanced(np.stack(matrices))
    words, errors, scale, lower, upper = letters, of_letters, 0, 0.0, math.inf
    for k in range(1, length + 1):
        if k > 1:
            left, right = letters[:, np.newaxis], words[np.newaxis]
            passed_on = product_above(np.abs(left) + of_letters[:, np.newaxis], errors[np.newaxis])
            passed_on += product_above(of_letters[:, np.newaxis], np.abs(right))
            errors = passed_on * (1 + gamma(8)) + rounding_of_product(left, right)
            words, errors, shift = rescaled_enclosure(
                *(found.reshape(-1, *letters.shape[1:]) for found in (left @ right, errors))
            )
            scale += shift
        unit = np.max(errors) or 1.0
        norms = np.linalg.norm(words, 2, axis=(1, 2)) + unit * np.linalg.norm(errors / unit, axis=(1, 2))
        largest = float(np.max(norms)) + rounding_of_lapack(words)
        upper = min(upper, _root(largest, scale, k, exponent, +1))
        best = int(np.argmax(np.max(np.abs(np.linalg.eigvals(words)), axis=1)))
        radius = enclosed_spectral_radius(words[best], errors[best]).lower
        lower = max(lower, _root(radius, scale, k, exponent, -1))
    return Bracket(lower, upper)


def _root(number: float, scale: int, k: int, exponent: int, direction: int) -> float:
    """2^exponent * (number * 2^scale)^(1 / k), rounded outward."""
    if number == 0:
        return 0.0
    whole, rest = divmod(scale, k)
    power = math.ldexp(number, rest)
    relative = 8 * UNIT_ROUNDOFF * max(1.0, abs(math.log(power)) / k)
    return ldexp_outward(power ** (1 / k) * (1 + direction * relative), exponent + whole, direction)
