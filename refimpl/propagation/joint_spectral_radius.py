"""The fastest growth that products of matrices from a small set can have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_factors, whole_number
from refimpl.propagation.rounding import UNIT_ROUNDOFF, gamma, rounding_of_lapack, rounding_of_product
from refimpl.propagation.spectra import enclosed_spectral_radius

_LARGEST_NUMBER_OF_WORDS = 2**16


def joint_spectral_radius(matrices: Any, length: int) -> Bracket:
    """The limit of max ||A_1 ... A_k||^(1/k) over all products of k of the matrices, bracketed by k up to `length`.

    max rho(A_1 ... A_k)^(1/k) <= it <= max ||A_1 ... A_k||^(1/k) for every k (Rota & Strang
    1960; Berger & Wang 1992). The bracket narrows with the length, at a rate that nothing tells beforehand.
    Below 1, the gradient of every network of such layers vanishes.
    Raises TypeError or ValueError unless there are two matrices or more, real, finite and square, of one shape, and at
    most 65536 words of that length.
    """
    matrices, length = square_factors(matrices), whole_number("length", length)
    if len(matrices) == 1:
        raise ValueError("matrices must be at least two: of one alone this is its spectral_radius")
    if len(matrices) ** length > _LARGEST_NUMBER_OF_WORDS:
        longest = int(math.log(_LARGEST_NUMBER_OF_WORDS) / math.log(len(matrices)))
        raise ValueError(f"length must be at most {longest} for {len(matrices)} matrices, got {length}")
    letters = np.stack(matrices)
    exponent = math.frexp(float(np.max(np.abs(letters))))[1]
    letters = np.ldexp(letters, -exponent)
    words, errors, lower, upper = letters, np.zeros_like(letters), 0.0, math.inf
    for k in range(1, length + 1):
        if k > 1:
            left, right = letters[:, np.newaxis], words[np.newaxis]
            passed_on = np.abs(left) @ errors[np.newaxis] * (1 + gamma(4 * letters.shape[1]))
            errors = passed_on + rounding_of_product(left, right)
            words, errors = ((a.reshape(-1, *letters.shape[1:])) for a in (left @ right, errors))
        norms = np.linalg.norm(words, 2, axis=(1, 2)) + np.linalg.norm(errors, axis=(1, 2))
        largest = float(np.max(norms)) + rounding_of_lapack(words)
        upper = min(upper, largest ** (1 / k) * (1 + 8 * UNIT_ROUNDOFF))
        best = int(np.argmax(np.max(np.abs(np.linalg.eigvals(words)), axis=1)))
        radius = enclosed_spectral_radius(words[best], errors[best]).lower
        lower = max(lower, radius ** (1 / k) * (1 - 8 * UNIT_ROUNDOFF))
    return Bracket(math.ldexp(lower, exponent), math.ldexp(upper, exponent))
