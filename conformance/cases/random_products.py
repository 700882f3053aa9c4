"""Random layers: what depth does to norms at finite width, in exact formulas, and on networks drawn from initializers.

Draws are the reference's, on fixed seeds. A mean of many independent draws is taken as normal; its standard error is
the exact one where a theorem gives it. "caught" in an example says how probably a wrong standard deviation of the
weights would be refused there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import partial
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.special import polygamma

from conformance.judging.comparison import FALSE_ALARM_RATE, STANDARD_ERRORS
from conformance.known_values import with_bound_of
from conformance.running.case import case
from refimpl import initializers, propagation
from refimpl.arithmetic import FLOAT64, RunningError, Target

# --- closed forms ---------------------------------------------------------------------------------------------------

EULER_GAMMA = Fraction("0.577215664901532860606512090082402431042")
LOG_2 = Fraction("0.693147180559945309417232121458176568076")
PI_SQUARED = Fraction("9.869604401089358618834490999876151135314")
WIDTHS = (1, 2, 3, 4, 5, 8, 10, 16, 64, 100)


def digamma_of_half(n: int) -> Fraction:
    """psi(n / 2), to 38 digits: -gamma plus a harmonic sum (DLMF 5.4.14 and 5.4.15)."""
    sums = sum((Fraction(2, j) for j in range(1 if n % 2 else 2, n, 2)), Fraction(0))
    return sums - EULER_GAMMA - (2 * LOG_2 if n % 2 else 0)


def trigamma_of_half(n: int) -> Fraction:
    """psi'(n / 2), to 38 digits: the same with squares (DLMF 5.15.5, and pi^2 / 2 at 1/2)."""
    sums = sum((Fraction(4, j * j) for j in range(1 if n % 2 else 2, n, 2)), Fraction(0))
    return PI_SQUARED / (2 if n % 2 else 6) - sums


def known(exact: Sequence[Fraction], target: Target, ulps: float = 0.5) -> RunningError:
    """Numbers known exactly, for whoever computes them within so many ulp of max(1, the number)."""
    values = np.array([float(x) for x in exact])
    return RunningError(values, ulps * FLOAT64.ulp(np.maximum(1.0, np.abs(values))), target)


# What refimpl.propagation states of its psi and psi', and half an ulp for the rounding of the closed form.
DIGAMMA_ULPS, TRIGAMMA_ULPS = 2.5, 4.5


def logarithm(exact: Sequence[Fraction], target: Target) -> RunningError:
    """Their logarithms, relatively exact near 1 too."""
    beyond_one = np.array([float(x - 1) for x in exact])
    return np.log1p(RunningError(beyond_one, FLOAT64.unit_roundoff * np.abs(beyond_one), target))


def floats(numbers: Iterable[float]) -> np.ndarray:
    return np.array(list(numbers), dtype=np.float64)


def chi_squared_moment(degrees: int, order: int) -> int:
    """E X^order for X chi squared: k (k + 2) (k + 4) ..."""
    return math.prod(range(degrees, degrees + 2 * order, 2))


def of_open_gates(n: int, term: Callable[[int], Any]) -> Any:
    """E term(K), K the number of heads of n coins."""
    return sum((math.comb(n, k) * term(k) for k in range(n + 1)), Fraction(0)) / 2**n


def of_open_gates_if_any(n: int, term: Callable[[int], Any]) -> Any:
    """E term(K) given K > 0."""
    return sum((math.comb(n, k) * term(k) for k in range(1, n + 1)), Fraction(0)) / (2**n - 1)


def relu_moment(n: int, order: int, variance: Fraction = Fraction(2)) -> Fraction:
    """E gain^(2 order) of relu(W x), given K open gates chi squared with K degrees of freedom."""
    return of_open_gates(n, lambda k: (variance / n) ** order * chi_squared_moment(k, order))


# --- simulation -----------------------------------------------------------------------------------------------------


def layers(
    initializer: initializers.Initializer, width: int, networks: int, depth: int, seed: int
) -> Iterator[np.ndarray]:
    """Layer after layer, of shape (width, networks, width): the weights of all networks side by side, one fan-in."""
    generator = np.random.default_rng(seed)
    for _ in range(depth):
        yield initializer.sample((width, networks * width), generator).reshape(width, networks, width)


def through(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """x @ weights of each network; x of shape (networks, width)."""
    return np.einsum("ti,ito->to", x, weights)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def starts(networks: int, width: int) -> np.ndarray:
    """The same asymmetric vector of norm 1 for each network."""
    vector = np.arange(1.0, width + 1) * (-1.0) ** np.arange(width)
    return np.tile(vector / np.linalg.norm(vector), (networks, 1))


def squared_norms(x: np.ndarray) -> np.ndarray:
    return np.sum(x**2, axis=-1)


def power(shift: float, standard_error: float) -> float:
    """The probability that a mean is refused whose expectation is off by this much."""
    return NormalDist().cdf(abs(shift) / standard_error - STANDARD_ERRORS)


# Wrong deviations of weights: the variance over a fan twice as large; truncation at two deviations, not corrected; 3%.
FACTORS = (0.7071, 0.8796, 0.97)


def caught(depth: int, standard_error: float) -> dict[str, float]:
    """The power of a mean of log squared norms after `depth` layers, which 2 depth log(factor) is added to."""
    return {f"deviation * {factor}": power(2 * depth * math.log(factor), standard_error) for factor in FACTORS}


# --- Gaussian layers ------------------------------------------------------------------------------------------------


def log_of_mean_squared_weight(variance: Fraction, widths: Sequence[int], target: Target) -> RunningError:
    """log(2 variance / n), as a difference of logarithms."""
    halves = RunningError.exact([n / 2 for n in widths], target)
    return np.log(RunningError.exact(float(variance), target)) - np.log(halves)


@case(
    statement="Through square layers of iid N(0, variance / n) weights, the log squared norm of every vector but 0 "
    "changes by a sum of independent terms log(variance / n * chi^2_n), of mean log(2 variance / n) + psi(n / 2) and "
    "variance psi'(n / 2).",
    source="Cohen & Newman 1984; moments of log chi^2: derivatives of log Gamma",
    kind="statistical",
    catches="a standard deviation off by 3%, the wrong fan, weights shared by layers",
    capability="theorem",
)
def test_log_norm_of_gaussian_layers(subject, compare):
    target = subject.target
    for variance in (Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(2)):
        growths = [propagation.gaussian_growth(n, float(variance)) for n in WIDTHS]
        mean = log_of_mean_squared_weight(variance, WIDTHS, target)
        mean = mean + known([digamma_of_half(n) for n in WIDTHS], target, DIGAMMA_ULPS)
        compare.within(floats(2 * g.typical for g in growths), mean, "mean log squared gain", variance=float(variance))
        exact = known([trigamma_of_half(n) for n in WIDTHS], target, TRIGAMMA_ULPS)
        compare.within(floats(4 * g.variance for g in growths), exact, "variance of the log squared gain")

    width, depth, networks = 8, 20, 4000
    growth = propagation.gaussian_growth(width, 1.0).over(depth)
    mean_error = math.sqrt(4 * growth.variance / networks)
    powers = caught(depth, mean_error)
    compare.example(width=width, layers=depth, networks=networks, caught=powers)
    compare.exceeds(min(powers.values()), 1 - FALSE_ALARM_RATE, "power against 3% and more")
    x = starts(networks, width)
    for weights in layers(initializers.lecun_normal(), width, networks, depth, seed=1):
        x = through(x, weights)
    logs = np.log(squared_norms(x))
    compare.estimate(np.mean(logs), 2 * growth.typical, mean_error, "mean log squared norm")
    # A sum of independent terms: fourth cumulants add, that of log chi^2 is the third derivative of psi.
    spread = 2 * (4 * growth.variance) ** 2 + depth * float(polygamma(3, width / 2))
    squares = np.mean((logs - 2 * growth.typical) ** 2)
    compare.estimate(squares, 4 * growth.variance, math.sqrt(spread / networks), "variance of the log squared norm")


@case(
    statement="Products of n x n matrices of iid N(0, variance / n) have almost surely the n different Lyapunov "
    "exponents (log(2 variance / n) + psi((n - i + 1) / 2)) / 2, i = 1 ... n; each given vector but 0 follows the "
    "largest.",
    source="Newman 1986, The distribution of Lyapunov exponents: exact results for random matrices",
    kind="statistical",
    catches="exponents in the wrong order, or of the squared norm; an iteration that loses its factors",
    capability="theorem",
)
def test_lyapunov_exponents(subject, compare):
    depth = 1000
    for width, variance in ((2, Fraction(3, 2)), (3, Fraction(1)), (7, Fraction(1))):
        degrees = range(width, 0, -1)
        exact = log_of_mean_squared_weight(variance, [width] * width, subject.target)
        exact = exact + known([digamma_of_half(k) for k in degrees], subject.target, DIGAMMA_ULPS)
        exponents = propagation.lyapunov_exponents_gaussian(width, float(variance))
        compare.within(exponents, exact / 2.0, "Lyapunov exponents", width=width)

        initializer = initializers.VarianceScaling(float(variance), "fan_in", "normal")
        draw = partial(initializer.sample, (width, width), np.random.default_rng(width))
        found = propagation.lyapunov_exponents(draw, depth)
        # The triangular factors are independent, with chi_k on the diagonal: so these standard errors are exact.
        errors = [math.sqrt(trigamma_of_half(k) / 4 / depth) for k in degrees]
        compare.example(width=width, variance=float(variance), factors=depth, caught=caught(1, 2 * errors[0]))
        for i in range(width):
            compare.estimate(found.value[i], exponents[i], errors[i], "simulated exponent", width=width, i=i + 1)


@case(
    statement="Almost every product of Gaussian n x n layers neither grows nor decays exponentially at one variance "
    "n E w^2 only, (n / 2) exp(-psi(n / 2)): 1.78 for n = 2, 1.11 for n = 10, between exp(1 / n) and exp(2 / n). Of "
    "signs of equal probability and n = 1 it is 1.",
    source="Cohen & Newman 1984; 1 / (2 x) < log(x) - psi(x) < 1 / x: Alzer 1997",
    kind="analytic",
    catches="a critical variance of 1 at finite width",
    capability="theorem",
)
def test_critical_variance_exceeds_one(subject, compare):
    target = subject.target
    psi = known([digamma_of_half(n) for n in WIDTHS], target, DIGAMMA_ULPS)
    found = floats(propagation.critical_variance(n) for n in WIDTHS)
    compare.example(widths=WIDTHS, variances=found.tolist())
    log_halves = np.log(RunningError.exact([n / 2 for n in WIDTHS], target))
    compare.within(found, np.exp(log_halves - psi), "critical variance")
    for n, variance in zip(WIDTHS, found, strict=True):
        compare.exceeds(variance, math.exp(1 / n), "critical variance", width=n)
        compare.at_most(variance, math.exp(2 / n), "critical variance", width=n)
        compare.at_most(
            propagation.gaussian_growth(n, 1.0).typical, -1 / (2 * n), "mean log gain at variance 1", width=n
        )
    signs = np.random.default_rng(3).choice([-1.0, 1.0], 100)
    compare.equal(np.abs(np.cumprod(signs)), np.ones(100), "modulus of products of signs")


# That 400 factors 3/2 chi^2_2 / 2 multiply to less than 1: Gil-Pelaez's integral of Gamma(1 + i t)^400, 20 digits.
SMALLER = 0.99692243446455198257


@case(
    statement="Between 1 and the critical variance of Gaussian layers the mean square explodes while almost every "
    "product vanishes: with n = 2 and variance 3/2, E ||P v||^2 = 1.5^L ||v||^2, but the typical squared norm is "
    "0.842^L of the first, and after 400 layers it is smaller than that with probability 0.997.",
    source="Cohen & Newman 1984; the second and fourth moments of chi^2",
    kind="statistical",
    catches="a law of large numbers for squared norms at depth; a mean square taken for the typical one",
    capability="theorem",
)
def test_mean_square_explodes_where_almost_all_vanish(subject, compare):
    width, variance, depth, networks = 2, Fraction(3, 2), 400, 1000
    growths = [propagation.gaussian_growth(n, float(variance)) for n in WIDTHS]
    mean_square = logarithm([variance / n * chi_squared_moment(n, 1) for n in WIDTHS], subject.target)
    tail = logarithm([Fraction(chi_squared_moment(n, 2), n**2) for n in WIDTHS], subject.target)
    compare.within(floats(g.mean_square for g in growths), mean_square, "log E gain^2")
    compare.within(floats(g.fourth_moment for g in growths), 2.0 * mean_square + tail, "log E gain^4")

    growth = propagation.gaussian_growth(width, float(variance)).over(depth)
    standard_error = math.sqrt(4 * growth.variance / networks)
    x, logs = starts(networks, width), np.zeros(networks)
    initializer = initializers.VarianceScaling(float(variance), "fan_in", "normal")
    for weights in layers(initializer, width, networks, depth, seed=2):
        x = through(x, weights)
        squares = squared_norms(x)
        logs, x = logs + np.log(squares), x / np.sqrt(squares)[:, np.newaxis]
    vanish = float(np.mean(logs < 0))
    compare.example(
        width=width, variance=float(variance), layers=depth, networks=networks, vanish=vanish,
        caught=caught(depth, standard_error),
    )  # fmt: skip
    compare.exceeds(growth.mean_square, 0.0, "log of the mean square")
    compare.estimate(np.mean(logs), 2 * growth.typical, standard_error, "mean log squared norm")
    of_share = math.sqrt(SMALLER * (1 - SMALLER) / networks)
    compare.estimate(vanish, SMALLER, of_share, "share of the networks that vanish")
    # Not even the mean of so many squares shows the explosion: draws that are never seen make it.
    seen = float(np.logaddexp.reduce(logs)) - math.log(networks)
    compare.at_most(seen, growth.mean_square / 2, "log of the mean square over the networks")


# --- orthogonal layers ----------------------------------------------------------------------------------------------


def signed_hadamard(generator: np.random.Generator) -> np.ndarray:
    """An orthogonal matrix of entries +-1/2: rows and columns of Hadamard's, with signs and in an order drawn."""
    signs = generator.choice([-1.0, 1.0], 4)
    pair = np.array([[1.0, 1.0], [1.0, -1.0]])
    return signs[:, np.newaxis] * np.kron(pair, pair)[generator.permutation(4)] / 2


def check_one(compare, logarithm: propagation.Bracket, error: float, target: Target, what: str, **where: Any) -> None:
    """The number whose logarithm is bracketed is 1, but for an error of that of what it was computed from."""
    half = (logarithm.upper - logarithm.lower) / 2
    bound = math.expm1(half + error) + 2 * FLOAT64.unit_roundoff
    found = np.exp(np.float64(logarithm.lower + half))
    compare.within(found, RunningError(np.asarray(1.0), np.asarray(bound), target), what, **where)


@case(
    statement="A product of square orthogonal layers keeps every norm, at any depth: all its singular values are 1.",
    source="Saxe, McClelland & Ganguli 2014; rounding of Householder's QR: Higham 2002, theorem 19.4",
    kind="analytic",
    catches="Q of a QR decomposition with a gain other than 1; weights with unit columns that are not orthogonal",
    capability="theorem",
)
def test_orthogonal_layers_keep_norms(subject, compare):
    generator, depth, vector = np.random.default_rng(4), 50, np.array([3.0, -1.0, 0.5, 2.0])
    exact = [signed_hadamard(generator) for _ in range(depth)]
    compare.example(layers=depth, first_matrix=exact[0].tolist())
    check_one(compare, propagation.log_gain(exact, vector), 0.0, subject.target, "gain", drawn="entries +-1/2")
    check_one(compare, propagation.log_norm(exact), 0.0, subject.target, "norm of the product", drawn="entries +-1/2")
    for n in (3, 16):
        drawn = [initializers.Orthogonal().sample((n, n), generator) for _ in range(depth)]
        # Each of n reflections is applied with an error of (4 n + 20) u to n columns of norm 1.
        error = depth * n * (4 * n + 20) * math.sqrt(n) * FLOAT64.unit_roundoff
        check_one(
            compare, propagation.log_gain(drawn, starts(1, n)[0]), error, subject.target, "gain", drawn=f"Haar, {n}"
        )
        check_one(
            compare, propagation.log_norm(drawn), error, subject.target, "norm of the product", drawn=f"Haar, {n}"
        )


@case(
    statement="With ReLU, Haar-distributed orthogonal layers of gain sqrt(2) keep mean squares only, of signals and of "
    "cotangents of independent random signs: given an open gate in every layer the log squared norm of a signal drifts "
    "by log(2) + E psi(K / 2) - psi(n / 2) per layer, K of n gates open: -0.269 for n = 8, where He's has -0.399; "
    "about -3 / (2 n) for wide layers, against -5 / (2 n). Equal entries of a cotangent grow.",
    source="derived here: the image of a vector is uniform on the sphere, so its open part is a beta variable",
    kind="statistical",
    catches="isometry claimed through gates; a gain of 1 under ReLU",
    capability="theorem",
)
def test_orthogonal_relu_layers_drift(subject, compare):
    n, depth = 8, 10000
    initializer, generator = initializers.Orthogonal(gain=math.sqrt(2)), np.random.default_rng(5)
    start = starts(1, n)[0]
    x, squares = start, np.empty(depth)
    for layer in range(depth):
        x = relu(x @ initializer.sample((n, n), generator))
        squares[layer] = squared_norms(x)
        x = x / math.sqrt(squares[layer]) if squares[layer] else start  # all gates closed: restarts
    alive = np.log(squares[squares > 0])

    drift = float(LOG_2 + of_open_gates_if_any(n, digamma_of_half) - digamma_of_half(n))
    between = of_open_gates_if_any(n, lambda k: digamma_of_half(k) ** 2) - of_open_gates_if_any(n, digamma_of_half) ** 2
    variance = float(of_open_gates_if_any(n, trigamma_of_half) - trigamma_of_half(n) + between)
    standard_error = math.sqrt(variance / len(alive))
    of_he = 2 * propagation.relu_growth(n).typical
    compare.example(width=n, layers=depth, drift=drift, of_he=of_he, caught=caught(1, standard_error))
    compare.exceeds(power(drift, standard_error), 1 - FALSE_ALARM_RATE, "power against no drift")
    compare.exceeds(power(drift - of_he, standard_error), 1 - FALSE_ALARM_RATE, "power against the drift of He's")
    compare.estimate(np.mean(alive), drift, standard_error, "mean log squared gain")
    # E gain^4 = (n + 5) / (n + 2): 4 E K (K + 2) / (n (n + 2)).
    fourth = 4 * of_open_gates(n, lambda k: Fraction(k * (k + 2), n * (n + 2)))
    compare.estimate(np.mean(squares), 1.0, math.sqrt((fourth - 1) / depth), "mean squared gain")
    compare.equal(np.float64(fourth), (n + 5) / (n + 2), "E gain^4")

    n, depth, networks = 4, 3, 1500
    initializer = initializers.Orthogonal(gain=math.sqrt(2))
    weights = [np.stack([initializer.sample((n, n), generator) for _ in range(networks)], axis=1) for _ in range(depth)]
    signs = generator.choice([-1.0, 1.0], (networks, n))
    for cotangent, kept in ((signs * [2.0, 1.0, 0.5, 0.0], True), (np.ones((networks, n)), False)):
        gains = squared_norms(passed_down(cotangent, weights)) / squared_norms(cotangent)
        standard_error = float(np.std(gains)) / math.sqrt(networks)
        if kept:
            compare.estimate(np.mean(gains), 1.0, standard_error, "mean squared gain of random signs", layers=depth)
        else:
            lowest = np.mean(gains) - STANDARD_ERRORS * standard_error
            compare.exceeds(lowest, 1.0, "mean squared gain of equal entries, for sure", layers=depth)


def spread(inverse_width: Fraction, depth: int) -> tuple[Fraction, Fraction]:
    """Expected mean of squares, and square of the mean, of the squared singular values of so many Gaussian layers."""
    a = b = Fraction(1)
    for _ in range(depth):
        a, b = a * (1 + inverse_width) + b, b + 2 * inverse_width**2 * a
    return a, b


@case(
    statement="Of a product of Gaussian n x n layers of variance 1 / n let m be the mean of the squared singular "
    "values, and f that of their squares: E m is 1, and a layer makes (1 + 1 / n) a + b and b + 2 a / n^2 of a = E f "
    "and b = E m^2; for wide layers a - b is the depth.",
    source="derived here: second moments of a Wishart matrix; wide layers: Pennington, Schoenholz & Ganguli 2017",
    kind="statistical",
    catches="weights shared by layers, the wrong variance; isometry of the mean taken for isometry",
    capability="theorem",
)
def test_gaussian_layers_spread_singular_values(subject, compare):
    n, depth, networks = 6, 3, 20000
    products = np.tile(np.eye(n), (networks, 1, 1))
    for weights in layers(initializers.lecun_normal(), n, networks, depth, seed=6):
        products = products @ weights.transpose(1, 0, 2)
    a, b = spread(Fraction(1, n), depth)
    of_wide, of_their_means = spread(Fraction(0), depth)
    compare.equal(np.float64(of_wide - of_their_means), depth, "spread of infinitely wide layers")
    grams = products @ products.transpose(0, 2, 1)
    of_squares = np.sum(grams**2, axis=(1, 2)) / n
    compare.example(width=n, layers=depth, networks=networks, spread=float(a - b), of_orthogonal_layers=0.0)
    means = np.trace(grams, axis1=1, axis2=2) / n
    for found, exact, what in ((means, 1, "mean of squared singular values"), (of_squares, a, "mean of their squares"),
                               (means**2, b, "square of their mean")):  # fmt: skip
        compare.estimate(np.mean(found), float(exact), float(np.std(found)) / math.sqrt(networks), what)


# --- ReLU -----------------------------------------------------------------------------------------------------------


@case(
    statement="Square ReLU layers of independent weights of a symmetric distribution and variance v / n multiply the "
    "mean square of a signal by v / 2: shown for signs, and for normal weights, for which E ||x||^4 is multiplied by "
    "(v / 2)^2 (1 + 5 / n). He's v = 2 keeps it, v = 1 halves it per layer.",
    source="He et al. 2015, section 2.2; the fourth moment derived here: K gates are binomial, the rest is chi^2_K",
    kind="statistical",
    catches="a variance of 1 / n under ReLU; gates that depend on the layer before; the wrong fan",
    capability="theorem",
)
def test_he_keeps_the_mean_square(subject, compare):
    target = subject.target
    for variance in (Fraction(1), Fraction(2), Fraction(3)):
        growths = [propagation.relu_growth(n, float(variance)) for n in WIDTHS]
        mean_square = logarithm([relu_moment(n, 1, variance) for n in WIDTHS], target)
        tail = logarithm([relu_moment(n, 2) for n in WIDTHS], target)
        compare.within(floats(g.mean_square for g in growths), mean_square, "log E gain^2", variance=float(variance))
        compare.within(floats(g.fourth_moment for g in growths), 2.0 * mean_square + tail, "log E gain^4")

    x = np.array([3.0, -1.0, 2.0, 5.0, -4.0])
    patterns = np.array(list(itertools.product((-1.0, 1.0), repeat=len(x))))
    compare.equal(np.mean(relu(patterns @ x) ** 2), np.sum(x**2) / 2, "mean square over all signs")

    n, depth, networks = 16, 5, 8000
    for initializer, factor in ((initializers.he_normal(), 1.0), (initializers.lecun_normal(), 0.5)):
        x = starts(networks, n)
        for weights in layers(initializer, n, networks, depth, seed=7):
            x = relu(through(x, weights))
        squares = squared_norms(x) / factor**depth
        second, eighth = relu_moment(n, 2) ** depth, relu_moment(n, 4) ** depth
        errors = [math.sqrt(moment / networks) for moment in (second - 1, eighth - second**2)]
        # A deviation that is off by a factor multiplies the mean square by its square in each layer.
        powers = {f"deviation * {wrong}": power(wrong ** (2 * depth) - 1, errors[0]) for wrong in FACTORS}
        compare.example(width=n, layers=depth, networks=networks, factor=factor, caught=powers)
        compare.exceeds(powers["deviation * 0.8796"], 1 - FALSE_ALARM_RATE, "power against a truncated deviation")
        compare.estimate(np.mean(squares), 1.0, errors[0], "mean squared norm, relative", factor=factor)
        compare.estimate(np.mean(squares**2), float(second), errors[1], "mean fourth power, relative", factor=factor)


@case(
    statement="He's variance keeps the mean square and lets the typical network decay: given an open gate in every "
    "layer, the log squared norm drifts by E log(4 / n) + psi(K / 2) per layer of normal weights, K of n gates open: "
    "-0.176 for n = 16, about -5 / (2 n).",
    source="derived here; the distribution of the gates: Hanin & Nica 2020",
    kind="statistical",
    catches="a mean square taken for the typical one; a standard deviation off by 3%",
    capability="theorem",
)
def test_he_networks_drift_down(subject, compare):
    target = subject.target
    growths = [propagation.relu_growth(n) for n in WIDTHS]
    gates = [of_open_gates_if_any(n, digamma_of_half) for n in WIDTHS]
    drift = log_of_mean_squared_weight(Fraction(2), WIDTHS, target) + known(gates, target, DIGAMMA_ULPS)
    # The reference multiplies up n quotients to the weights of K, which sum to 1; its terms are below this in the mean.
    sizes = floats(of_open_gates_if_any(n, lambda k: abs(digamma_of_half(k))) + math.log(n) for n in WIDTHS)
    of_weights = 4 * np.array(WIDTHS) * FLOAT64.unit_roundoff * sizes
    expected = RunningError(drift.value, drift.bound + of_weights, target)
    compare.within(floats(2 * g.typical for g in growths), expected, "mean log squared gain")

    n, depth, networks = 16, 10, 4000
    growth = propagation.relu_growth(n).over(depth)
    x = starts(networks, n)
    for weights in layers(initializers.he_normal(), n, networks, depth, seed=8):
        x = relu(through(x, weights))
    squares = squared_norms(x)
    logs = np.log(squares[squares > 0])
    standard_error = math.sqrt(4 * growth.variance / len(logs))
    powers = caught(depth, standard_error)
    compare.example(width=n, layers=depth, networks=networks, drift=2 * growth.typical, caught=powers)
    compare.exceeds(min(powers.values()), 1 - FALSE_ALARM_RATE, "power against 3% and more")
    compare.exceeds(power(2 * growth.typical, standard_error), 1 - FALSE_ALARM_RATE, "power against no drift")
    compare.estimate(np.mean(logs), 2 * growth.typical, standard_error, "mean log squared norm")


@case(
    statement="With independent weights of a symmetric, continuous distribution and no biases, all gates of some of L "
    "ReLU layers of n units are closed at a given input other than 0, and gradients of all weights are 0 there, with "
    "probability 1 - (1 - 2^-n)^L.",
    source="derived here: the signs of the preactivations of a layer are independent coins, whatever the layers before",
    kind="statistical",
    catches="biases or weights that are not symmetric about 0; a gradient that passes a closed layer",
    capability="theorem",
)
def test_narrow_relu_networks_die(subject, compare):
    shapes = [(1, 1), (2, 3), (3, 5), (5, 40), (16, 100)]
    exact = [float(1 - (1 - Fraction(1, 2**n)) ** depth) for n, depth in shapes]
    width, depths = (RunningError.exact(column, subject.target) for column in np.array(shapes, dtype=float).T)
    found = floats(propagation.dead_probability(n, depth) for n, depth in shapes)
    open_gate = np.log1p(-(RunningError.exact(2.0, subject.target) ** -width))
    compare.within(found, with_bound_of(exact, -np.expm1(depths * open_gate)), "probability")

    n, depth, networks = 3, 5, 20000
    probability = propagation.dead_probability(n, depth)
    compare.example(width=n, layers=depth, networks=networks, probability=probability)
    drawn = [*layers(initializers.he_normal(), n, networks, depth, seed=9)]
    dead = squared_norms(forward(starts(networks, n), drawn)) == 0
    standard_error = math.sqrt(probability * (1 - probability) / networks)
    compare.estimate(np.mean(dead), probability, standard_error, "share of networks dead at an input")
    passed = squared_norms(cotangents_below(np.ones((networks, n)), depth, seed=9)) == 0
    compare.equal(passed.astype(np.float64), dead.astype(np.float64), "where the gradient is 0")


def forward(x: np.ndarray, weights: Iterable[np.ndarray]) -> np.ndarray:
    """Through ReLU layers; x of shape (networks, width)."""
    for matrix in weights:
        x = relu(through(x, matrix))
    return x


@case(
    statement="A ReLU network without biases, with independent weights of a symmetric, continuous distribution, whose "
    "L layers have n inputs and n units is dead at every input less often than at a given one: with probability at "
    "least 1 - (1 - 2^-(n n))^(L - 1), which is attained for n = 1 and for L = 2. 5 layers of 3 units are dead at 50 "
    "inputs with a probability below 0.3, at a given one with 0.487.",
    source="derived here: a layer above the first, whose inputs are not negative, is dead if all its weights are "
    "negative; of two layers, and in a chain, only then. Dead at every input: Lu, Shin, Su & Karniadakis 2020",
    kind="statistical",
    catches="the probability at one input taken for that of the network",
    capability="theorem",
)
def test_whole_networks_die_less_often(subject, compare):
    networks, generator = 20000, np.random.default_rng(14)
    for n, depth in ((1, 5), (2, 2)):
        drawn = [*layers(initializers.he_normal(), n, networks, depth, seed=15)]
        # Inputs that the first layer takes to every basis vector: what is above is seen weight by weight.
        inputs = [np.linalg.inv(drawn[0].transpose(1, 0, 2))[:, unit] for unit in range(n)]
        dead = np.all([squared_norms(forward(x, drawn)) == 0 for x in [*inputs, *(-x for x in inputs)]], axis=0)
        probability = float(1 - (1 - Fraction(1, 2 ** (n * n))) ** (depth - 1))
        compare.example(width=n, layers=depth, networks=networks, probability=probability)
        standard_error = math.sqrt(probability * (1 - probability) / networks)
        compare.estimate(np.mean(dead), probability, standard_error, "share of networks dead at every input", width=n)
        compare.exceeds(
            propagation.dead_probability(n, depth), probability, "probability at an input, and at all", width=n
        )
    n, depth, networks = 3, 5, 2000
    drawn = [*layers(initializers.he_normal(), n, networks, depth, seed=16)]
    dead = np.ones(networks, dtype=bool)
    for x in generator.standard_normal((50, n)):
        dead &= squared_norms(forward(np.tile(x, (networks, 1)), drawn)) == 0
    compare.example(width=n, layers=depth, networks=networks, dead_at_50_inputs=float(np.mean(dead)))
    margin = STANDARD_ERRORS / (2 * math.sqrt(networks))
    compare.at_most(np.mean(dead) + margin, 0.3, "share of networks dead at 50 inputs, for sure", width=n)
    compare.exceeds(np.mean(dead) - margin, 0.0, "share of networks dead at 50 inputs, at least", width=n)


def passed_down(cotangent: np.ndarray, drawn: Iterable[np.ndarray], below: int = 0) -> np.ndarray:
    """What the cotangents, shape (networks, width), become on their way down through ReLU layers, as drawn by `layers`.

    below: how many of the layers, the first ones, are not passed.
    """
    x, gated = starts(*cotangent.shape), []
    for weights in drawn:
        x = relu(through(x, weights))
        gated.append((x > 0, weights))
    for gates, weights in reversed(gated[below:]):
        cotangent = np.einsum("to,ito->ti", np.where(gates, cotangent, 0.0), weights)
    return cotangent


def cotangents_below(cotangent: np.ndarray, depth: int, seed: int, below: int = 0) -> np.ndarray:
    """The same through so many of He's layers."""
    networks, n = cotangent.shape
    return passed_down(cotangent, layers(initializers.he_normal(), n, networks, depth, seed), below)


@case(
    statement="A cotangent d of independent random signs, or with one entry, keeps its mean square below He's ReLU "
    "layers of normal weights, down to an input other than 0; its fourth moment is (||d||^4 + sum d_i^4) / 4 of the "
    "first gates, times 4 (1 + 2 / n) (1 + 5 / n)^(L - 1). With l layers of n units below it the mean square is (1 - "
    "2^-n)^l of that: where one of them is dead, no gate above is open.",
    source="derived here: a random sign makes a weight independent of its gate; Hanin & Nica 2020",
    kind="statistical",
    catches="the forward formula used for gradients; a pass through weights that are not transposed",
    capability="theorem",
)
def test_moments_of_a_cotangent(subject, compare):
    n, depth, networks = 4, 3, 100000
    exact = [Fraction(2), Fraction(1), Fraction(1, 2), Fraction(0)]
    first = {order: gated_moment(exact, order) * Fraction(2, n) ** order * chi_squared_moment(n, order)
             for order in (1, 2, 4)}  # fmt: skip
    moments = {order: first[order] * relu_moment(n, order) ** (depth - 1) for order in first}
    cotangent = np.array(exact, dtype=float)
    found = floats([propagation.log_fourth_moment_of_relu_cotangent(cotangent, depth)])
    below_first = (depth - 1.0) * logarithm([relu_moment(n, 2)], subject.target)
    compare.within(found, logarithm([first[2]], subject.target) + below_first, "log E ||b||^4")

    compare.example(width=n, layers=depth, networks=networks, magnitudes=cotangent.tolist())
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (networks, n))
    squares = squared_norms(cotangents_below(signs * cotangent, depth, seed=10))
    for order, what in ((1, "mean of ||b||^2"), (2, "mean of ||b||^4")):
        standard_error = math.sqrt((moments[2 * order] - moments[order] ** 2) / networks)
        compare.estimate(np.mean(squares**order), float(moments[order]), standard_error, what)

    networks = 20000
    single = squared_norms(cotangents_below(np.tile([0.0, 0.0, 1.0, 0.0], (networks, 1)), depth, seed=17))
    of_one = {order: gated_moment([Fraction(1)], order) * Fraction(2, n) ** order * chi_squared_moment(n, order)
              * relu_moment(n, order) ** (depth - 1) for order in (1, 2, 4)}  # fmt: skip
    for order, what in ((1, "mean of ||b||^2 below one entry"), (2, "mean of ||b||^4 below one entry")):
        standard_error = math.sqrt((of_one[2 * order] - of_one[order] ** 2) / networks)
        compare.estimate(np.mean(single**order), float(of_one[order]), standard_error, what)

    for n, depth, below in ((1, 2, 1), (2, 3, 2), (2, 3, 0)):
        cotangent = np.tile(np.eye(n)[0], (networks, 1))
        between = squared_norms(cotangents_below(cotangent, depth, seed=20, below=below))
        standard_error = float(np.std(between)) / math.sqrt(networks)
        where = {"width": n, "layers": depth, "layers_below": below}
        compare.estimate(np.mean(between), (1 - 2.0**-n) ** below, standard_error, "mean of ||b||^2 between", **where)


def gated_moment(cotangent: Sequence[Fraction], order: int) -> Fraction:
    """E ||D d||^(2 order) over all gates D, each open or closed."""
    gates = itertools.product((0, 1), repeat=len(cotangent))
    total = sum((sum(g * d**2 for g, d in zip(gate, cotangent, strict=True)) ** order for gate in gates), Fraction(0))
    return total / 2 ** len(cotangent)


@case(
    statement="He's variance does not keep a given cotangent d: an open gate says that a weight points along the "
    "input, so one layer of normal weights adds ((sum d_i)^2 - ||d||^2) / (pi n) to E ||d||^2, nearly a third of it "
    "if all d_i are equal; four layers of 8 units more than double that of equal d_i.",
    source="derived here: the mean of a half-normal weight; independence of gradients and weights is an assumption: "
    "Yang 2020, Tensor Programs II",
    kind="statistical",
    catches="gates taken for coins that are independent of the weights",
    capability="theorem",
)
def test_he_changes_a_given_cotangent(subject, compare):
    networks = 40000
    for cotangent in (np.array([3.0, -1.0, -2.0, 0.0]), np.ones(8)):
        n, square = len(cotangent), float(squared_norms(cotangent))
        expected = square + (float(np.sum(cotangent)) ** 2 - square) / (math.pi * n)
        found = squared_norms(cotangents_below(np.tile(cotangent, (networks, 1)), depth=1, seed=n))
        standard_error = float(np.std(found)) / math.sqrt(networks)
        where = {"cotangent": cotangent.tolist()}
        compare.example(layers=1, networks=networks, mean_square=expected, **where)
        compare.exceeds(power(expected - square, standard_error), 1 - FALSE_ALARM_RATE, "power against a kept square")
        compare.estimate(np.mean(found), expected, standard_error, "mean of ||b||^2", **where)
    deep = squared_norms(cotangents_below(np.ones((networks, 8)), depth=4, seed=13))
    lowest = np.mean(deep) - float(np.std(deep)) / math.sqrt(networks) * NormalDist().inv_cdf(1 - FALSE_ALARM_RATE)
    compare.exceeds(lowest, 2 * 8.0, "mean of ||b||^2 below four layers, for sure")


@case(
    statement="Below one of He's ReLU layers and one output of normal weights the mean square of the cotangent is kept "
    "where the derivative by the output is fixed, as for a sum of outputs; half the squared output multiplies it by "
    "1 + 5 / n, since its derivative depends on the output weights, and a derivative ||h||, of the units h below them, "
    "by 1 + 1 / n + 4 / n^2, though the cotangent has random signs.",
    source="derived here: E w_i w_j (w, h)^2 = 2 h_i h_j for normal w, and h_i > 0 where gates are open, which makes "
    "h longer",
    kind="statistical",
    catches="output weights taken to make cotangents of random signs whatever the loss",
    capability="theorem",
)
def test_a_loss_changes_what_he_keeps(subject, compare):
    networks = 60000
    for n in (4, 8):
        generator = np.random.default_rng(18 + n)
        output = generator.standard_normal((networks, n))
        [weights] = layers(initializers.he_normal(), n, networks, 1, seed=19)
        hidden = relu(through(starts(networks, n), weights))
        of_squares = output * np.sum(output * hidden, axis=1)[:, np.newaxis]
        of_norms = output * np.sqrt(squared_norms(hidden))[:, np.newaxis]
        for loss, cotangent, of_hidden, factor in (
            ("the output", output, n, Fraction(1)),
            ("half its square", of_squares, n + 2, 1 + Fraction(5, n)),
            ("the output times a norm below", of_norms, n, 1 + Fraction(1, n) + Fraction(4, n * n)),
        ):
            below = np.einsum("to,ito->ti", np.where(hidden > 0, cotangent, 0.0), weights)
            compare.example(width=n, networks=networks, loss=loss, factor=float(factor))
            for found, expected, what in (
                (squared_norms(cotangent), of_hidden, "mean square of the cotangent"),
                (squared_norms(below), of_hidden * factor, "mean square below one layer"),
            ):
                standard_error = float(np.std(found)) / math.sqrt(networks)
                compare.estimate(np.mean(found), float(expected), standard_error, what, width=n, loss=loss)


# --- Glorot, residual -----------------------------------------------------------------------------------------------


@case(
    statement="Between linear layers of unequal width Glorot's variance keeps neither pass: the mean square of a "
    "unit changes by 2 fan_in / (fan_in + fan_out) forward, and by 2 fan_out / (fan_in + fan_out) backward, in "
    "expectation.",
    source="Glorot & Bengio 2010, equations 8 to 12",
    kind="statistical",
    catches="one fan in place of the mean of both",
    capability="theorem",
)
def test_glorot_is_a_compromise(subject, compare):
    fan_in, fan_out, networks = 3, 7, 4000
    generator = np.random.default_rng(11)
    weights = np.array([initializers.glorot_normal().sample((fan_in, fan_out), generator) for _ in range(networks)])
    passes = {"forward": (weights, fan_in, fan_out), "backward": (weights.transpose(0, 2, 1), fan_out, fan_in)}
    for name, (matrices, inputs, outputs) in passes.items():
        factor = 2 * inputs / (inputs + outputs)
        found = squared_norms(np.einsum("ti,tio->to", starts(networks, inputs), matrices)) * inputs / outputs
        standard_error = factor * math.sqrt(2 / outputs / networks)  # chi^2 of the outputs
        powers = {f"deviation * {wrong}": power(factor * (wrong**2 - 1), standard_error) for wrong in FACTORS}
        compare.example(fan_in=fan_in, fan_out=fan_out, networks=networks, factor=factor, caught=powers)
        compare.exceeds(power(factor - 1, standard_error), 1 - FALSE_ALARM_RATE, "power against a factor 1")
        compare.estimate(np.mean(found), factor, standard_error, f"factor {name}")


@case(
    statement="Blocks x + scale * W x, W of independent N(0, variance / n), multiply the mean square by 1 + scale^2 "
    "variance: 16 blocks with variance 1 by 65536 at scale 1, by 2.64 at 1 / 4 (the root of 1 / 16) and by 1.06 at 1 "
    "/ 16.",
    source="derived here: the gain^2 is a noncentral chi^2; scales as in Hanin & Rolnick 2018",
    kind="statistical",
    catches="a branch scaled by its square; a skip connection that is lost",
    capability="theorem",
)
def test_random_residual_branches(subject, compare):
    n, depth, networks, scales = 16, 16, 4000, [Fraction(1), Fraction(1, 4), Fraction(1, 16)]
    second = {scale: residual_fourth_moment(n, scale**2) for scale in scales}
    found = [propagation.residual_log_moments(n, float(scale), 1.0) for scale in scales]
    exact = [logarithm(moments, subject.target) for moments in ([1 + s**2 for s in scales], [*second.values()])]
    compare.within(floats(m.mean_square for m in found), exact[0], "log E gain^2")
    compare.within(floats(m.fourth_moment for m in found), exact[1], "log E gain^4")

    passed = {scale: starts(networks, n) for scale in scales}
    for weights in layers(initializers.lecun_normal(), n, networks, depth, seed=12):
        passed = {scale: x + float(scale) * through(x, weights) for scale, x in passed.items()}
    for scale, x in passed.items():
        mean = (1 + scale**2) ** depth
        where = {"scale": float(scale)}
        compare.example(width=n, blocks=depth, networks=networks, **where, mean_square=float(mean))
        standard_error = math.sqrt((second[scale] ** depth - mean**2) / networks)
        compare.estimate(np.mean(squared_norms(x)), float(mean), standard_error, "mean squared norm", **where)


def residual_fourth_moment(n: int, c: Fraction) -> Fraction:
    """E ||v + g||^4 for ||v|| = 1 and g of n independent N(0, c / n): of (1 + 2 <v, g> + ||g||^2)^2."""
    square, fourth = c, Fraction(c, n) ** 2 * chi_squared_moment(n, 2)
    return 1 + 2 * square + 4 * Fraction(c, n) + fourth


# --- weights of mean 1/2 --------------------------------------------------------------------------------------------


def mean_log_of_uniform_sum(n: int) -> float:
    """E log(u_1 + ... + u_n), u uniform on [0, 1], to 30 digits and more: from the density of Irwin and Hall."""
    with localcontext(prec=80):
        terms = [(-1) ** (n - k) * math.comb(n, k) * Decimal(k) ** n * Decimal(k).ln() for k in range(1, n + 1)]
        harmonic = sum(Decimal(1) / k for k in range(1, n + 1))
        return float(sum(terms) / math.factorial(n) - harmonic)


def first_unit_through_uniform(n: int, networks: int, depth: int, seed: int) -> np.ndarray:
    """What (1, 0, ..., 0) becomes through linear layers of weights uniform on [0, 1), shape (networks, n)."""
    x = np.tile(np.eye(n)[0], (networks, 1))
    for weights in layers(initializers.Uniform(low=0.0, high=1.0), n, networks, depth, seed):
        x = through(x, weights)
    return x


def moments_through_uniform(n: int, depth: int) -> tuple[Fraction, Fraction, Fraction]:
    """E s, E s^2 and E ||x||^2 of the same x and its sum s."""
    first, second, squares = Fraction(1), Fraction(1), Fraction(1)
    for _ in range(depth):
        first, second, squares = (
            first * Fraction(n, 2),
            second * Fraction(n * n, 4) + squares * Fraction(n, 12),
            second * Fraction(n, 4) + squares * Fraction(n, 12),
        )
    return first, second, squares


@case(
    statement="Weights uniform on [0, 1) multiply the sum of a vector without negative entries by n / 2 per layer in "
    "expectation, and its logarithm grows by at least E log(u_1 + ... + u_n), which is -0.114 for n = 2 and 0.338 for "
    "n = 3: from three units on almost every product explodes, though n Var(w) = n / 12 is below 1 up to 11; "
    "at 12 it is 1, and three layers multiply the mean square of (1, 0, ..., 0) by 4123.",
    source="derived here: the sum is multiplied by a weighted mean of column sums, whose logarithm is concave; the "
    "density of Irwin and Hall; a law of large numbers for the increments, whose conditional means have this bound",
    kind="statistical",
    catches="a deviation taken for the size of the weights, whatever their mean",
    capability="theorem",
)
def test_uniform_weights_explode(subject, compare):
    for n, known_mean in UNIFORM_SUMS.items():
        exact = RunningError(np.array(known_mean), FLOAT64.ulp(np.array(known_mean)), subject.target)
        compare.within(np.array(mean_log_of_uniform_sum(n)), exact, "mean log of a column sum", units=n)
    sums = np.random.default_rng(15).uniform(size=(100000, 3)).sum(axis=1)
    error = float(np.std(np.log(sums))) / math.sqrt(len(sums))
    compare.estimate(np.mean(np.log(sums)), UNIFORM_SUMS[3], error, "mean log of a drawn column sum")

    n, depth, networks = 12, 3, 1000
    found = squared_norms(first_unit_through_uniform(n, networks, depth, seed=21))
    *_, squares = moments_through_uniform(n, depth)
    compare.equal(np.float64(squares), 4123.0, "mean square after three layers", units=n)
    standard_error = float(np.std(found)) / math.sqrt(networks)
    compare.estimate(np.mean(found), 4123.0, standard_error, "drawn mean square after three layers", units=n)

    n, depth, networks = 3, 8, 20000
    x = first_unit_through_uniform(n, networks, depth, seed=14)
    first, second, _ = moments_through_uniform(n, depth)
    compare.example(units=n, layers=depth, networks=networks, variance=1 / 12, mean_of_the_sum=float(first))
    found = x.sum(axis=1)
    standard_error = math.sqrt((second - first**2) / networks)
    compare.estimate(np.mean(found), float(first), standard_error, "mean of the sum of entries")
    least = (np.mean(np.log(found)) - STANDARD_ERRORS * np.std(np.log(found)) / math.sqrt(networks)) / depth
    compare.exceeds(least, UNIFORM_SUMS[n], "mean log growth of the sum per layer, for sure")


# E log(u_1 + ... + u_n): mpmath with 40 digits, quadrature over the density for n = 3.
UNIFORM_SUMS = {
    1: -1.0,
    2: -0.1137056388801093811655,
    3: 0.3378332434333790402763,
    12: 1.777254960732991788900,
}
