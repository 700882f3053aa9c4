"""How the norm of a vector grows through layers of random weights: exact laws, and Lyapunov exponents by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refimpl.propagation.accuracy import Bracket, Estimate
from refimpl.propagation.arguments import finite_array, number, square_matrix, whole_number
from refimpl.propagation.exact_decisions import rank
from refimpl.propagation.polygamma import digamma, trigamma
from refimpl.propagation.rounding import UNIT_ROUNDOFF, rescaled, rounding_of_lapack


class Growth(NamedTuple):
    """Laws of gain = ||P v|| / ||v|| of random layers, as natural logarithms.

    Errors per layer are below 1e-14, and where the variance of the weights is far from 1 below 1e-15 of its |log|.

    mean_square, fourth_moment: log E gain^2 and log E gain^4. typical, variance: mean and variance of log gain; almost
    every realisation grows like exp(typical). The mean square may explode while almost every realisation vanishes.
    """

    mean_square: float
    fourth_moment: float
    typical: float
    variance: float

    def over(self, depth: int) -> Growth:
        """Of so many independent layers: each law is a sum over layers. The error grows in proportion."""
        depth = whole_number("depth", depth)
        return Growth(*(depth * law for law in self))


def gaussian_growth(width: int, variance: float) -> Growth:
    """One linear layer, square, with weights iid N(0, variance / width): gain^2 = variance / width * chi^2_width.

    Exact for every vector, forward and backward, and independent from layer to layer (Cohen & Newman 1984).
    Raises TypeError or ValueError unless width >= 1 and variance > 0.
    """
    n, variance = whole_number("width", width), number("variance", variance, above=0)
    mean_square, half = math.log(variance), n / 2
    typical = (mean_square - math.log(half) + digamma(half)) / 2
    return Growth(mean_square, 2 * mean_square + math.log1p(2 / n), typical, trigamma(half) / 4)


def critical_variance(width: int) -> float:
    """The variance n E w^2 at which almost no product of Gaussian layers grows or decays exponentially: above 1.

    (n / 2) exp(-psi(n / 2)), from `gaussian_growth`; relative error below 1e-14. Raises as that does.
    """
    half = whole_number("width", width) / 2
    return math.exp(math.log(half) - digamma(half))


def lyapunov_exponents_gaussian(width: int, variance: float) -> np.ndarray:
    """All exponents of products of square matrices of iid N(0, variance / width), the largest first: shape (width,).

    (log(2 variance / n) + psi((n - i + 1) / 2)) / 2 (Newman 1986); errors as those of `Growth`.
    Raises TypeError or ValueError unless 1 <= width <= 2^20 and variance > 0.
    """
    n, variance = whole_number("width", width, at_most=_WIDEST), number("variance", variance, above=0)
    return np.array([(math.log(variance) - math.log(n / 2) + digamma((n - i) / 2)) / 2 for i in range(n)])


_WIDEST = 2**20  # of laws that go through all units
_BATCHES = 32
_TOGETHER = 256  # steps that are looked through for singular ones together
_HEADROOM = 500  # the exponent of the largest entry: neither squares of it leave the floats, nor far smaller ones


def lyapunov_exponents(draw: Callable[[], Any], depth: int) -> Estimate:
    """Exponents of the random product that `draw` makes square factors of, the largest first: value of shape (n,).

    Orthogonalised by QR at each step (Benettin et al. 1980), so nothing overflows at any depth. error: the standard
    error from 32 batches of steps; the start adds a bias of the order of 1 / depth. -inf, with error 0, where a factor
    is singular: as many as the lowest rank leaves, by exact elimination.
    Raises TypeError or ValueError unless depth >= 320 and factors are real, finite and square, of one shape, and where
    rounding decides on whether a factor is singular, or on which exponents that makes infinite.
    """
    depth = whole_number("depth", depth, at_least=10 * _BATCHES)
    if not callable(draw):
        raise TypeError(f"draw must be a function without arguments that returns a matrix, got {type(draw).__name__}")
    batches, q = [], None
    for first in range(0, depth, _TOGETHER):
        drawn, exponents, diagonals = [], [], []
        for step in range(first, min(first + _TOGETHER, depth)):
            matrix = square_matrix(f"draw() number {step}", draw())
            if q is not None and matrix.shape != q.shape:
                raise ValueError(f"draw() number {step} has shape {matrix.shape}, the first had {q.shape}")
            exponents.append(rescaled(matrix)[1] - _HEADROOM)
            drawn.append(np.ldexp(matrix, -exponents[-1]))
            q, r = np.linalg.qr(drawn[-1] if q is None else drawn[-1] @ q)
            diagonals.append(np.abs(np.diagonal(r)))
        with np.errstate(divide="ignore"):
            logarithms = np.log(_certain(np.array(drawn), np.array(diagonals), first))
        batches.append(logarithms + np.array(exponents)[:, np.newaxis] * math.log(2))
    increments = np.concatenate(batches)
    value = increments.mean(axis=0)
    means = np.array([batch.mean(axis=0) for batch in np.array_split(increments, _BATCHES)])
    with np.errstate(invalid="ignore"):
        error = np.where(np.isfinite(value), means.std(axis=0, ddof=1) / math.sqrt(_BATCHES), 0.0)
    order = np.argsort(-value, kind="stable")
    return Estimate(value[order], error[order])


def _certain(matrices: np.ndarray, diagonals: np.ndarray, first: int) -> np.ndarray:
    """Diagonals of R, with 0 for what is but rounding where a matrix is singular."""
    rows = np.ldexp(matrices, -np.frexp(np.abs(matrices).max(axis=2, keepdims=True))[1])
    even = np.ldexp(rows, -np.frexp(np.abs(rows).max(axis=1, keepdims=True))[1])  # scaling keeps the rank
    clear = (np.linalg.svd(even, compute_uv=False)[:, -1] > rounding_of_lapack(even)) & (diagonals > 0).all(axis=1)
    certain = diagonals.copy()
    for i in np.flatnonzero(~clear):
        lost = np.argsort(diagonals[i])[: len(diagonals[i]) - rank(matrices[i])]
        certain[i, lost] = 0.0
        unsure = 4 * len(diagonals[i]) * rounding_of_lapack(matrices[i])
        if len(lost) == 0 or (diagonals[i, lost] > unsure).any() or (np.delete(diagonals[i], lost) <= unsure).any():
            raise ValueError(
                f"draw() number {first + i} is singular, or nearly so, and rounding decides on which exponents are "
                "-inf: take factors that are well conditioned, or plainly singular"
            )
    return certain


# --- ReLU -----------------------------------------------------------------------------------------------------------


def relu_growth(width: int, variance: float = 2.0) -> Growth:
    """One square layer relu(W x), weights iid N(0, variance / width): gain^2 = variance / width * chi^2_K.

    The number K of open gates is binomial (n, 1/2). variance = 2 is He's, which keeps the mean square. Moments are over
    all realisations, typical and variance over those with an open gate (see `dead_probability`). The same law holds
    for a cotangent of independent random signs below its first layer (Hanin & Nica 2020: gates are independent coins);
    not for any fixed one, since the gates that are open go with weights that point along the input.
    Raises TypeError or ValueError unless 1 <= width <= 2^20 and variance > 0.
    """
    n, variance = whole_number("width", width, at_most=_WIDEST), number("variance", variance, above=0)
    gates = range(1, n + 1)
    weights = _binomial(n)
    weights = weights[1:] / math.fsum(weights[1:])
    given_gates = [digamma(k / 2) - math.log(n / 2) for k in gates]
    mean = math.fsum(weights * given_gates)
    within = math.fsum(weights * [trigamma(k / 2) for k in gates])
    between = math.fsum(weights * (np.array(given_gates) - mean) ** 2)
    mean_square = math.log(variance) - math.log(2)
    typical = (math.log(variance) + mean) / 2
    return Growth(mean_square, 2 * mean_square + math.log1p(5 / n), typical, (within + between) / 4)


def _binomial(n: int) -> np.ndarray:
    """Probabilities of 0..n heads of n coins, up to a common factor, from the largest outward."""
    middle = n // 2
    k = np.arange(n + 1, dtype=np.float64)
    up = np.cumprod((n - k[middle:-1]) / (k[middle:-1] + 1))
    down = np.cumprod(k[middle:0:-1] / (n - k[middle:0:-1] + 1))
    return np.concatenate([down[::-1], [1.0], up])


def dead_probability(width: int, depth: int) -> float:
    """The probability 1 - (1 - 2^-width)^depth that a given input other than 0 closes every gate of some ReLU layer.

    Of independent weights of a symmetric, continuous law, without biases; networks dead at every input are fewer.
    Relative error below 1e-15, or half the smallest float. Raises TypeError or ValueError unless both are >= 1.
    """
    width, depth = whole_number("width", width), whole_number("depth", depth)
    if width > 60:  # log1p(x) is x
        return -math.expm1(-math.ldexp(depth, -width))
    return -math.expm1(depth * math.log1p(-(2.0**-width)))


def log_fourth_moment_of_relu_cotangent(cotangent: Any, depth: int, variance: float = 2.0) -> float:
    """log E ||b||^4 for the cotangent b that one of shape (width,) becomes below so many layers relu(W x).

    The entries have the given magnitudes and independent random signs, or all but one are 0: a sum of entries that do
    not cancel meets the correlation of gates with weights, and grows. The first layer sees these entries d, with
    E ||D d||^4 = (||d||^4 + sum d_i^4) / 4 over its gates D; from there on it is as in `relu_growth`. Errors are
    those of `Growth` per layer, and 1e-15 of the |log| of the largest entry's fourth power.
    Raises TypeError or ValueError unless the cotangent is finite and not zero, depth >= 1 and variance > 0.
    """
    cotangent = finite_array("cotangent", cotangent, axes=1)
    depth, variance = whole_number("depth", depth), number("variance", variance, above=0)
    largest = float(np.max(np.abs(cotangent)))
    if largest == 0:
        raise ValueError("cotangent must not be zero")
    n, squares = len(cotangent), (cotangent / largest) ** 2
    gated = math.log((math.fsum(squares) ** 2 + math.fsum(squares**2)) / 4) + 4 * math.log(largest)
    first = 2 * math.log(variance) + math.log1p(2 / n)
    return gated + first + (depth - 1) * relu_growth(n, variance).fourth_moment


# --- residual -------------------------------------------------------------------------------------------------------


class LogMoments(NamedTuple):
    """log E gain^2 and log E gain^4 of a random layer; independent layers add theirs."""

    mean_square: float
    fourth_moment: float


def residual_log_moments(width: int, scale: float, variance: float) -> LogMoments:
    """Moments of the gain of one square layer x + scale * W x, weights iid N(0, variance / width).

    gain^2 is noncentral chi^2: mean 1 + c and variance (4 c + 2 c^2) / n with c = scale^2 variance; relative errors
    below 1e-15, or a few of the smallest floats. Raises TypeError or ValueError unless width >= 1 and variance > 0.
    """
    n = whole_number("width", width)
    (of_scale, twos), (of_variance, more) = map(
        math.frexp, (number("scale", scale), number("variance", variance, above=0))
    )
    mantissa, exponent = of_scale**2 * of_variance, 2 * twos + more
    if exponent > 200 and mantissa:  # 1 + c is c
        log_c = math.log(mantissa) + exponent * math.log(2)
        return LogMoments(log_c, 2 * log_c + math.log1p(2 / n))
    c = math.ldexp(mantissa, exponent)
    return LogMoments(math.log1p(c), math.log1p(2 * c + c * c + (4 * c + 2 * c * c) / n))


def log_residual_bounds(lipschitz: float, depth: int) -> Bracket:
    """Bounds of log singular values of so many layers x + F(x), F of Lipschitz constant below 1: depth * log(1 -+ it).

    Attained by F(x) = -+lipschitz * x. Raises TypeError or ValueError unless 0 <= lipschitz < 1 and depth >= 1.
    """
    lipschitz, depth = number("lipschitz", lipschitz, at_least=0), whole_number("depth", depth)
    if lipschitz >= 1:
        raise ValueError(f"lipschitz must be below 1, got {lipschitz}: a larger branch may cancel the identity")
    lower, upper = (depth * math.log1p(slope) for slope in (-lipschitz, lipschitz))
    if lipschitz == 0:
        return Bracket(0.0, 0.0)
    outward = 1 + 8 * UNIT_ROUNDOFF  # and one float further, where they are too few for that
    return Bracket(math.nextafter(lower * outward, -math.inf), math.nextafter(upper * outward, math.inf))
