"""How the norm of a vector grows through layers of random weights: moments of the gain, in closed form."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from refimpl.propagation.arguments import LARGEST_WIDTH, finite_array, number, whole_number
from refimpl.propagation.polygamma import digamma, trigamma
from refimpl.types import ArrayLike, Float64Array


class Growth(NamedTuple):
    """Moments of the gain ||P v|| / ||v|| of random layers, in natural logarithms.

    mean_square, fourth_moment: log E gain^2 and log E gain^4. typical, variance: mean and variance of log gain. Almost
    every realisation grows like exp(typical), so the mean square may explode while almost every realisation vanishes.

    Errors per layer are below 1e-14, or below 1e-15 of |log variance| where the variance of the weights is far from 1.
    """

    mean_square: float
    fourth_moment: float
    typical: float
    variance: float

    def over(self, depth: int) -> Growth:
        """The growth through `depth` (>= 1) independent layers like this one: each number is a sum over layers.

        The error grows in proportion. Raises TypeError or ValueError for another depth.
        """
        depth = whole_number("depth", depth)
        return Growth(*(depth * moment for moment in self))


# --- linear layers --------------------------------------------------------------------------------------------------


def gaussian_growth(width: int, variance: float) -> Growth:
    """The growth through one square linear layer with weights iid N(0, variance / width).

    gain^2 = variance / width * chi^2_width, for every vector, forward and backward, and independent from layer to layer
    (Cohen & Newman 1984). Raises TypeError or ValueError unless width >= 1 and variance > 0.
    """
    n, variance = whole_number("width", width), number("variance", variance, above=0)
    mean_square, half = math.log(variance), n / 2
    typical = (mean_square - math.log(half) + digamma(half)) / 2
    return Growth(mean_square, 2 * mean_square + math.log1p(2 / n), typical, trigamma(half) / 4)


def critical_variance(width: int) -> float:
    """The variance n E w^2 at which almost no product of Gaussian layers grows or decays exponentially; it exceeds 1.

    (n / 2) exp(-psi(n / 2)), from `gaussian_growth`, with a relative error below 1e-14. Raises as that does.
    """
    half = whole_number("width", width) / 2
    return math.exp(math.log(half) - digamma(half))


# --- ReLU layers ----------------------------------------------------------------------------------------------------


def relu_growth(width: int, variance: float = 2.0) -> Growth:
    """The growth through one square layer relu(W x) with weights iid N(0, variance / width).

    gain^2 = variance / width * chi^2_K, where the number K of open gates is binomial (n, 1/2). The default variance is
    He's, which keeps the mean square. `mean_square` and `fourth_moment` are over all realisations, `typical` and
    `variance` over those with an open gate (see `dead_probability`).

    A cotangent of independent random signs grows in the same way below its first layer (Hanin & Nica 2020: gates are
    independent coins). A fixed cotangent does not, since gates are open more often where weights point along the input.

    Raises TypeError or ValueError unless 1 <= width <= 2^20 and variance > 0.
    """
    n, variance = whole_number("width", width, at_most=LARGEST_WIDTH), number("variance", variance, above=0)
    gates = range(1, n + 1)
    probabilities = _binomial(n)
    probabilities = probabilities[1:] / math.fsum(probabilities[1:])
    means = [digamma(k / 2) - math.log(n / 2) for k in gates]  # of log gain^2, up to the variance, given k open gates
    mean = math.fsum(probabilities * means)
    within = math.fsum(probabilities * [trigamma(k / 2) for k in gates])
    between = math.fsum(probabilities * (np.array(means) - mean) ** 2)
    mean_square = math.log(variance) - math.log(2)
    typical = (math.log(variance) + mean) / 2
    return Growth(mean_square, 2 * mean_square + math.log1p(5 / n), typical, (within + between) / 4)


def _binomial(n: int) -> Float64Array:
    """Probabilities of 0..n heads of n coins, up to a common factor, from the largest outward."""
    middle = n // 2
    k = np.arange(n + 1, dtype=np.float64)
    up = np.cumprod((n - k[middle:-1]) / (k[middle:-1] + 1))
    down = np.cumprod(k[middle:0:-1] / (n - k[middle:0:-1] + 1))
    return np.concatenate([down[::-1], [1.0], up])


def dead_probability(width: int, depth: int) -> float:
    """1 - (1 - 2^-width)^depth: the probability that an input other than 0 closes every gate of some ReLU layer.

    Weights are independent, of a symmetric, continuous distribution, and there are no biases. Networks that are dead at
    every input are rarer. The relative error is below 1e-15, or the error is half the smallest float.

    Raises TypeError or ValueError unless both arguments are >= 1.
    """
    width, depth = whole_number("width", width), whole_number("depth", depth)
    if width > 60:  # log1p(x) is x
        return -math.expm1(-math.ldexp(depth, -width))
    return -math.expm1(depth * math.log1p(-(2.0**-width)))


def log_fourth_moment_of_relu_cotangent(cotangent: ArrayLike, depth: int, variance: float = 2.0) -> float:
    """log E ||b||^4 for the cotangent b that a cotangent d of shape (width,) becomes below `depth` layers relu(W x).

    Weights are iid N(0, variance / width). The entries of d have the given magnitudes and independent random signs, or
    all but one are 0. Other sums of entries meet the correlation of gates with weights, and grow. The first layer sees
    d, with E ||D d||^4 = (||d||^4 + sum d_i^4) / 4 over its gates D; below it the growth is that of `relu_growth`.

    Errors are those of `Growth` per layer, and 1e-15 of the |log| of the largest entry's fourth power.
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
