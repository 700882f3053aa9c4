"""Spectral radius and numerical radius of a square matrix, which bound its powers."""

from __future__ import annotations

import math

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_matrix
from refimpl.propagation.balancing import balanced, scaled_or_balanced
from refimpl.propagation.rounding import (
    SMALLEST,
    UNIT_ROUNDOFF,
    Enclosure,
    gamma,
    lapack_rounding,
    ldexp_outward,
    norm_above,
    product_above,
    product_rounding,
    rescaled,
    rescaled_enclosure,
)
from refimpl.types import ArrayLike, Float64Array

# --- spectral radius ------------------------------------------------------------------------------------------------


def spectral_radius(matrix: ArrayLike) -> Bracket:
    """The largest modulus of an eigenvalue of a square matrix, which is the limit of ||A^k||^(1/k) (Gelfand 1941).

    The bracket comes from computed eigenvectors and from powers. Its relative width is of the order of n^2 u kappa,
    with kappa the condition number of the eigenvectors, so it is wide where the matrix is close to a defective one.
    There no eigenvalue computed in float64 says whether powers vanish; `transient` and `numerical_radius` do.

    Raises TypeError or ValueError unless the matrix is real, square and finite.
    """
    matrix = square_matrix("matrix", matrix)
    bracket = _bracket(scaled_or_balanced(matrix))
    if bracket.upper <= 2 * bracket.lower:
        return bracket
    other = _bracket(balanced(matrix).enclosure)
    return Bracket(max(bracket.lower, other.lower), min(bracket.upper, other.upper))


def _bracket(enclosure: Enclosure) -> Bracket:
    lower, upper = enclosed_spectral_radius(enclosure.matrix, enclosure.error)
    return Bracket(ldexp_outward(lower, enclosure.exponent, -1), ldexp_outward(upper, enclosure.exponent, +1))


def enclosed_spectral_radius(matrix: Float64Array, error: Float64Array) -> Bracket:
    """A bracket of the spectral radius of every matrix that differs from this one by at most `error`, elementwise."""
    eigenvectors, powers = _by_eigenvectors(matrix, error), _by_powers(matrix, error)
    return Bracket(max(eigenvectors.lower, powers.lower), min(eigenvectors.upper, powers.upper))


def _by_eigenvectors(matrix: Float64Array, error: Float64Array) -> Bracket:
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
    complex_product = gamma(8 * n + 16)  # the relative rounding of a complex product, and of the bounds here
    vector_moduli, inverse_moduli = np.abs(vectors), np.abs(inverse)
    with np.errstate(over="ignore", invalid="ignore"):
        defect = np.abs(np.eye(n) - inverse @ vectors) + complex_product * (inverse_moduli @ vector_moduli + np.eye(n))
    distance = _largest_row_sum(defect)
    if not distance < 1:
        return Bracket(0.0, math.inf)
    residual = np.abs(matrix @ vectors - vectors * values)
    rounding = complex_product * (np.abs(matrix) @ vector_moduli + vector_moduli * np.abs(values))
    residual += rounding + product_above(error, vector_moduli)
    residual += 8 * (n + 1) * SMALLEST  # of underflow
    radius = _largest_row_sum(product_above(inverse_moduli, residual)) / (1 - distance) * (1 + complex_product)
    moduli = np.sort(np.abs(values))[::-1]
    # Overlapping discs contain as many eigenvalues as they have centres: the lowest centre bounds them all from below.
    gaps = np.flatnonzero(moduli[:-1] - moduli[1:] > 2 * radius * (1 + complex_product))
    lowest = moduli[gaps[0]] if gaps.size else moduli[-1]
    outward = radius + 4 * UNIT_ROUNDOFF * moduli[0]
    return Bracket(max(0.0, float(lowest - outward)), float(moduli[0] + outward))


def _largest_row_sum(matrix: Float64Array) -> float:
    return float(np.max(np.sum(matrix, axis=1)))


_NEXT_TO_NOTHING = 2.0**-960  # below, the rounding of a float is no longer relative


def _by_powers(matrix: Float64Array, error: Float64Array) -> Bracket:
    """|trace A^k| / n <= rho^k <= ||A^k|| for k = 1, 2, 4, ... until rounding is as large as the power."""
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
        moduli = np.abs(power)
        propagated = (product_above(moduli, error) + product_above(error, moduli + error)) * (1 + gamma(8))
        power, error, shift = rescaled_enclosure(power @ power, propagated + product_rounding(power, power))
        exponent, k = 2 * exponent + shift, 2 * k
    return Bracket(lower, upper)


def _root(mantissa: float, exponent: int, k: int, direction: int) -> float:
    """(mantissa * 2^exponent)^(1 / k), rounded up (+1) or down (-1); the root of zero is 0."""
    if mantissa == 0:
        return 0.0
    logarithm = math.log(mantissa) / k + exponent / k * math.log(2)
    relative = 8 * UNIT_ROUNDOFF * (4 + abs(logarithm) + abs(exponent / k))
    return max(0.0, math.exp(logarithm) * (1 + direction * relative) + direction * SMALLEST)


# --- numerical radius -----------------------------------------------------------------------------------------------

_RELATIVE_WIDTH = 1e-9
_DIRECTIONS = 4096
_NEGLIGIBLE = UNIT_ROUNDOFF**2  # LAPACK's Hermitian eigenvalues may lose every digit where squares of entries underflow


def numerical_radius(matrix: ArrayLike) -> Bracket:
    """w(A) = max |x* A x| over complex unit vectors x, of a real square matrix.

    ||A^k|| <= 2 w^k (Berger 1965), so w < 1 proves that powers vanish. The bracket comes from supporting lines of the
    field of values (Johnson 1978). Its relative width is 1e-9 plus the rounding of LAPACK, or up to 1e-7 where the
    field is nearly a disc.

    Raises TypeError or ValueError unless the matrix is real, square and finite.
    """
    whole, exponent = rescaled(square_matrix("matrix", matrix))
    scaled = np.where(np.abs(whole) < _NEGLIGIBLE, 0.0, whole)
    # The field of a real matrix is symmetric about the real axis, so half of the directions suffice.
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
    # Of eigenvalues and of the rotated matrices; the entries left out move no x* A x by more than their norm.
    rounding = 2 * lapack_rounding(scaled) + norm_above(whole - scaled)
    upper = float(bounds.max()) * (1 + 2.0**-40) + rounding  # 2^-40: of the angles, relative to their differences
    return Bracket(ldexp_outward(max(0.0, lowest - rounding), exponent, -1), ldexp_outward(upper, exponent, +1))


def _supports(matrix: Float64Array, angles: Float64Array) -> Float64Array:
    """The largest eigenvalue of the Hermitian part of e^(i angle) A, for each angle."""
    supports = []
    for angle in angles:  # one by one: a batch of the matrices of all directions would fill the memory
        rotated = complex(math.cos(angle), math.sin(angle)) * matrix
        supports.append(float(np.linalg.eigvalsh((rotated + rotated.conj().T) / 2)[-1]))
    return np.array(supports)


def _bounds_between(supports: Float64Array, widths: Float64Array) -> Float64Array:
    """How far the field can reach in directions between two supporting lines: to where they meet, if that lies between.

    The support function h has h'' + h >= 0 (a radius of curvature), so it stays below a sinusoid through its ends.
    """
    left, right = supports[:-1], supports[1:]
    squared = (left - right) ** 2 + 4 * left * right * np.sin(widths / 2) ** 2
    corner = np.sqrt(np.maximum(squared, 0.0)) / np.sin(widths)
    between = (right > left * np.cos(widths)) & (left > right * np.cos(widths))
    return np.where(between, np.maximum(corner, np.maximum(left, right)), np.maximum(left, right))
