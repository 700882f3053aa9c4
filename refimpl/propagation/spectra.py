"""Numbers of one square matrix that say what its powers do: spectral radius and numerical radius."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_matrix
from refimpl.propagation.balancing import balanced, similar
from refimpl.propagation.rounding import (
    SMALLEST,
    UNIT_ROUNDOFF,
    gamma,
    ldexp_outward,
    norm_above,
    product_above,
    rescaled,
    rescaled_enclosure,
    rounding_of_lapack,
    rounding_of_product,
)


def spectral_radius(matrix: Any) -> Bracket:
    """The largest modulus of an eigenvalue of a square matrix: the rate of ||A^k||^(1/k) as k grows (Gelfand 1941).

    An enclosure, by eigenvectors and by powers. Its relative width is of the order of n^2 u kappa, with kappa the
    condition number of the eigenvectors. It is wide where the matrix is close to a defective one: no eigenvalue
    computed in float64 says there whether powers vanish; `transient` and `numerical_radius` do.
    Raises TypeError or ValueError unless the matrix is real, square and finite.
    """
    matrix = square_matrix("matrix", matrix)
    found = _of_scaled(*balanced(matrix))
    if found.upper <= 2 * found.lower:
        return found
    other = _of_scaled(*similar(matrix)[:3])
    return Bracket(max(found.lower, other.lower), min(found.upper, other.upper))


def _of_scaled(matrix: np.ndarray, error: np.ndarray, exponent: int) -> Bracket:
    lower, upper = enclosed_spectral_radius(matrix, error)
    return Bracket(ldexp_outward(lower, exponent, -1), ldexp_outward(upper, exponent, +1))


def enclosed_spectral_radius(matrix: np.ndarray, error: np.ndarray) -> Bracket:
    """A bracket of the spectral radius of every matrix that differs from this one by at most `error`, elementwise."""
    eigenvectors, powers = _by_eigenvectors(matrix, error), _by_powers(matrix, error)
    return Bracket(max(eigenvectors.lower, powers.lower), min(eigenvectors.upper, powers.upper))


def _by_eigenvectors(matrix: np.ndarray, error: np.ndarray) -> Bracket:
    """Gershgorin's theorem for V^-1 A V, V the computed eigenvectors (Horn & Johnson 2013, theorem 6.1.1)."""
    n = len(matrix)
    try:
        values, vectors = np.linalg.eig(matrix)
        with np.errstate(over="ignore", invalid="ignore"):
            inverse = np.linalg.inv(vectors)
    except np.linalg.LinAlgError:
        return Bracket(0.0, math.inf)
    if not np.isfinite(inverse).all():
        return Bracket(0.0, math.inf)
    in_complex = gamma(8 * n + 16)  # for one complex product, and the rounding of the bounds
    sizes, of_inverse = np.abs(vectors), np.abs(inverse)
    with np.errstate(over="ignore", invalid="ignore"):
        defect = np.abs(np.eye(n) - inverse @ vectors) + in_complex * (of_inverse @ sizes + np.eye(n))
    distance = _row_norm(defect)
    if not distance < 1:
        return Bracket(0.0, math.inf)
    residual = np.abs(matrix @ vectors - vectors * values)
    residual += in_complex * (np.abs(matrix) @ sizes + sizes * np.abs(values)) + product_above(error, sizes)
    residual += 8 * (n + 1) * SMALLEST  # of underflow
    radius = _row_norm(product_above(of_inverse, residual)) / (1 - distance) * (1 + in_complex)
    moduli = np.sort(np.abs(values))[::-1]
    # The discs that hang together hold as many eigenvalues as centres: the lowest of them holds for the chain.
    gaps = np.flatnonzero(moduli[:-1] - moduli[1:] > 2 * radius * (1 + in_complex))
    lowest = moduli[gaps[0]] if gaps.size else moduli[-1]
    outward = radius + 4 * UNIT_ROUNDOFF * moduli[0]
    return Bracket(max(0.0, float(lowest - outward)), float(moduli[0] + outward))


def _by_powers(matrix: np.ndarray, error: np.ndarray) -> Bracket:
    """|trace A^k| / n <= rho^k <= ||A^k|| for k = 1, 2, 4, ... while rounding leaves a digit."""
    n, exponent, k, lower, upper = len(matrix), 0, 1, 0.0, math.inf
    power = matrix
    for _ in range(60):
        norm, trace = norm_above(np.abs(power) + error), abs(float(np.trace(power)))
        trace -= float(np.trace(error)) + gamma(2 * n) * float(np.abs(np.diagonal(power)).sum())
        upper = min(upper, _root(norm * (1 + gamma(n * n + 4)), exponent, k, +1))
        if trace > _NEXT_TO_NOTHING:
            lower = max(lower, _root(trace / n, exponent, k, -1))
        if not norm_above(error) < norm / 4:
            break
        size = np.abs(power)
        passed_on = (product_above(size, error) + product_above(error, size + error)) * (1 + gamma(8))
        power, error, shift = rescaled_enclosure(power @ power, passed_on + rounding_of_product(power, power))
        exponent, k = 2 * exponent + shift, 2 * k
    return Bracket(lower, upper)


def _root(mantissa: float, exponent: int, k: int, direction: int) -> float:
    """(mantissa * 2^exponent)^(1 / k), rounded outward; the root of a zero is 0."""
    if mantissa == 0:
        return 0.0
    logarithm = math.log(mantissa) / k + exponent / k * math.log(2)
    relative = 8 * UNIT_ROUNDOFF * (4 + abs(logarithm) + abs(exponent / k))
    return max(0.0, math.exp(logarithm) * (1 + direction * relative) + direction * SMALLEST)


_NEXT_TO_NOTHING = 2.0**-960  # below, the rounding of a float is no longer relative


def _row_norm(matrix: np.ndarray) -> float:
    return float(np.max(np.sum(matrix, axis=1)))


_RELATIVE_WIDTH = 1e-9
_DIRECTIONS = 4096
_NEGLIGIBLE = UNIT_ROUNDOFF**2  # LAPACK's Hermitian eigenvalues may lose every digit where squares of entries underflow


def numerical_radius(matrix: Any) -> Bracket:
    """w(A) = max |x* A x| over complex unit vectors, of a real square matrix: ||A^k|| <= 2 w^k (Berger 1965).

    So w < 1 certifies that powers vanish. An enclosure by supporting lines of the field of values (Johnson 1978):
    relative width 1e-9 plus the rounding of LAPACK, or at most 1e-7 where that field is nearly a disc.
    Raises TypeError or ValueError unless the matrix is real, square and finite.
    """
    whole, exponent = rescaled(square_matrix("matrix", matrix))
    scaled = np.where(np.abs(whole) < _NEGLIGIBLE, 0.0, whole)
    # The field of a real matrix is symmetric about the real axis: half the directions do.
    angles = np.linspace(0.0, np.pi, 33)
    supports = _supports(scaled, angles)
    while True:
        bounds = _bounds_between(supports, np.diff(angles))
        lowest = max(0.0, float(supports.max()))
        wide = bounds > lowest * (1 + _RELATIVE_WIDTH)
        if not wide.any() or len(angles) > _DIRECTIONS:
            break
        middles = (angles[:-1][wide] + angles[1:][wide]) / 2
        order = np.argsort(np.concatenate([angles, middles]))
        angles = np.concatenate([angles, middles])[order]
        supports = np.concatenate([supports, _supports(scaled, middles)])[order]
    # Of eigenvalues, and of the rotated matrices; and what was left out, which moves no x* A x by more than its norm.
    rounding = 2 * rounding_of_lapack(scaled) + norm_above(whole - scaled)
    upper = float(bounds.max()) * (1 + 2.0**-40) + rounding  # 2^-40: of the angles, next to their differences
    return Bracket(ldexp_outward(max(0.0, lowest - rounding), exponent, -1), ldexp_outward(upper, exponent, +1))


def _supports(matrix: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """The largest eigenvalue of the Hermitian part of e^(i angle) A, for each angle."""
    found = []
    for angle in angles:  # one by one: as a batch, the matrices of all directions fill the memory
        rotated = complex(math.cos(angle), math.sin(angle)) * matrix
        found.append(float(np.linalg.eigvalsh((rotated + rotated.conj().T) / 2)[-1]))
    return np.array(found)


def _bounds_between(supports: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """How far the field can reach in directions between two supporting lines: to where they meet, if that lies between.

    The support function h has h'' + h >= 0 (a radius of curvature), so it stays below a sinusoid through its ends.
    """
    left, right = supports[:-1], supports[1:]
    squared = (left - right) ** 2 + 4 * left * right * np.sin(widths / 2) ** 2
    corner = np.sqrt(np.maximum(squared, 0.0)) / np.sin(widths)
    between = (right > left * np.cos(widths)) & (left > right * np.cos(widths))
    return np.where(between, np.maximum(corner, np.maximum(left, right)), np.maximum(left, right))
