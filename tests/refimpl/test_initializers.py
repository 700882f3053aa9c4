"""Initializers: distributions against exact integrals, samplers against them, orthogonality, Haar distribution."""

import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from refimpl.initializers import (
    DeltaOrthogonal,
    Dirac,
    Normal,
    NormalDistribution,
    Orthogonal,
    Sparse,
    SphereCoordinateDistribution,
    TruncatedNormal,
    TruncatedNormalDistribution,
    Uniform,
    UniformDistribution,
    VarianceScaling,
    glorot_normal,
    glorot_truncated_normal,
    glorot_uniform,
    he_normal,
    he_truncated_normal,
    he_uniform,
    lecun_normal,
    lecun_truncated_normal,
    lecun_uniform,
)
from refimpl.initializers.truncated_normal import truncated_moments
from tests.refimpl.precision import ulps

U = FLOAT64.unit_roundoff
FALSE_ALARM = 1e-9
SHAPE = (5, 3, 2, 7)  # input_output: fan-in 30, fan-out 105; output_input: fan-in 42, fan-out 70


def exactly(*numbers):
    return Multiprecision(np.array(numbers, dtype=object))


def largest_distance(sample, distribution):
    """Kolmogorov's distance between the empirical distribution function of a sample and a distribution."""
    x = np.sort(np.ravel(sample))
    value, count = distribution.cdf(x), x.size
    before = distribution.cdf(np.nextafter(x, -np.inf))
    return max(np.max(np.arange(1, count + 1) / count - value), np.max(before - np.arange(count) / count))


def dkw(count):
    """The distance that a sample of `count` exceeds with probability <= FALSE_ALARM (Massart 1990)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * count))


def hoeffding(count, low, high):
    """What the mean of `count` numbers in [low, high] is off by with probability <= FALSE_ALARM."""
    return (high - low) * dkw(count)


# --- distributions ---------------------------------------------------------------------------------------------------

# The variance in closed form: (numerator, fans added up), by name.
FAMILIES = [
    (glorot_uniform, 2, "both"),
    (glorot_normal, 2, "both"),
    (glorot_truncated_normal, 2, "both"),
    (he_uniform, 2, "in"),
    (he_normal, 2, "in"),
    (he_truncated_normal, 2, "in"),
    (lecun_uniform, 1, "in"),
    (lecun_normal, 1, "in"),
    (lecun_truncated_normal, 1, "in"),
]


@pytest.mark.parametrize(("layout", "fan_in", "fan_out"), [("input_output", 30, 105), ("output_input", 42, 70)])
@pytest.mark.parametrize(("family", "numerator", "over"), FAMILIES)
def test_variance_of_entries_is_that_of_the_paper(family, numerator, over, layout, fan_in, fan_out):
    distribution = family(layout).entry_distribution(SHAPE)
    with mpmath.workdps(DIGITS):
        exact = mpmath.mpf(numerator) / (fan_in + fan_out if over == "both" else fan_in)
    assert distribution.mean == 0
    assert ulps([distribution.variance], exactly(exact))[0] <= 4


@pytest.mark.parametrize(
    ("spec", "under_the_root"),
    [
        (glorot_uniform(), (6, 135)),
        (he_uniform(), (6, 30)),
        (VarianceScaling(1 / 3, "fan_in"), (1, 30)),  # PyTorch's nn.Linear
        (VarianceScaling(0.5, "fan_out"), (3, 210)),
        (VarianceScaling(0.5, "fan_out", groups=7), (3, 30)),
    ],
)
def test_limits_of_uniform_distributions_have_their_closed_form(spec, under_the_root):
    low, high = spec.entry_distribution(SHAPE).support
    with mpmath.workdps(DIGITS):
        limit = mpmath.sqrt(mpmath.mpf(under_the_root[0]) / under_the_root[1])
    assert ulps([low, high], exactly(-limit, limit)).max() <= 4


def test_variance_is_one_formula_in_every_arithmetic():
    spec = VarianceScaling(scale=1.3, mode="fan_avg")
    exact = spec.variance((3, 5, 7), like=Multiprecision(0.0))
    assert ulps(spec.variance((3, 5, 7)), exact) <= 4
    like = RunningError.exact(0.0, Target(FLOAT32, scalars=FLOAT32))
    bounded = spec.variance((3, 5, 7), like=like)
    assert abs(exact.to_float64() - bounded.value) <= bounded.bound
    assert bounded.within(np.float32(1.3) / np.float32(18))
    assert not bounded.within(np.float32(1.3) / np.float32(15))
    assert bounded.bound <= 4 * FLOAT32.unit_roundoff * bounded.value


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_variance_of_the_geometric_mean_of_fans_is_a_root_in_every_arithmetic(scale):
    spec = VarianceScaling(scale, "fan_geo_avg")
    with mpmath.workdps(DIGITS):
        exact = exactly(mpmath.mpf(scale) / mpmath.sqrt(15 * 21))
    assert ulps([spec.variance((3, 5, 7))], exact)[0] <= 4
    many_digits = spec.variance((3, 5, 7), like=Multiprecision(0.0))
    assert abs((many_digits - exact).to_float64()[0]) <= U**2  # not a float64 on its way
    target = Target(FLOAT32, scalars=FLOAT32, functions={"float32": {"sqrt": 0.5}})
    bounded = spec.variance((3, 5, 7), like=RunningError.exact(0.0, target))
    assert abs(exact.to_float64()[0] - bounded.value) <= bounded.bound
    assert bounded.bound <= 8 * FLOAT32.unit_roundoff * bounded.value


PYTORCH = {"layout": "output_input"}
# What PyTorch 2.13, JAX 0.10 and Keras 3 call an initializer, as a rule with conventions. On SHAPE: the square of the
# limit of a uniform distribution, or of a normal one's deviation before truncation, as a fraction; and the end of the
# support in those deviations (0: not truncated).
DIALECTS = {
    "torch xavier_uniform_(gain=2)": (VarianceScaling(4.0, "fan_avg", "uniform", **PYTORCH), (24, 112), None),
    "torch xavier_normal_": (VarianceScaling(1.0, "fan_avg", "normal", **PYTORCH), (2, 112), 0),
    "torch kaiming_normal_": (VarianceScaling(2.0, "fan_in", "normal", **PYTORCH), (2, 42), 0),
    "torch kaiming_uniform_, fan_out": (VarianceScaling(2.0, "fan_out", "uniform", **PYTORCH), (6, 70), None),
    "torch nn.Conv2d": (VarianceScaling(1 / 3, "fan_in", "uniform", **PYTORCH), (1, 42), None),
    "torch trunc_normal_(std=0.5)": (TruncatedNormal(0.0, 0.5, -2.0, 2.0, "absolute"), (1, 4), 4),
    "JAX truncated_normal(0.5)": (TruncatedNormal(0.0, 0.5, -2.0, 2.0, "relative"), (1, 4), 2),
    "JAX glorot_normal": (VarianceScaling(1.0, "fan_avg", "truncated_normal"), (2, 135), 2),
    "JAX variance_scaling, geometric": (VarianceScaling(1.5, "fan_geo_avg", "uniform"), (4.5, "sqrt(3150)"), None),
    "JAX, batch axis": (VarianceScaling(1.0, "fan_out", "normal", groups=7), (1, 15), 0),
    "Keras GlorotUniform": (VarianceScaling(1.0, "fan_avg", "uniform"), (6, 135), None),
    "Keras HeNormal": (VarianceScaling(2.0, "fan_in", "truncated_normal"), (2, 30), 2),
    "Keras LecunNormal": (VarianceScaling(1.0, "fan_in", "truncated_normal"), (1, 30), 2),
    "Keras, untruncated": (VarianceScaling(1.0, "fan_out", "normal"), (1, 105), 0),
    "Keras TruncatedNormal(stddev=0.5)": (TruncatedNormal(0.0, 0.5), (1, 4), 2),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_initializers_of_the_libraries_are_rules_with_conventions(name):
    spec, (numerator, denominator), truncated = DIALECTS[name]
    distribution = spec.entry_distribution(SHAPE)
    with mpmath.workdps(DIGITS):
        if isinstance(denominator, str):
            denominator = mpmath.sqrt(3150)
        square = mpmath.mpf(numerator) / denominator
        # Only where the rule corrects its deviation for the truncation is it another than the declared one.
        corrected = getattr(spec, "truncation", "") == "corrected" and truncated
        square = square / mpmath.mpf("0.87962566103423975041") ** 2 if corrected else square
        size = mpmath.sqrt(square)
        if truncated == 0:
            assert distribution.support == (-math.inf, math.inf)
            assert ulps([distribution.scale], exactly(size))[0] <= 4
        else:
            end = size * (truncated or 1)
            assert ulps(distribution.support, exactly(-end, end)).max() <= 4
        if truncated:
            assert ulps([distribution.scale], exactly(size))[0] <= 4


@pytest.mark.parametrize(
    ("k", "deviation"),
    [  # JAX's and Keras's constant is the one of k = 2, rounded
        (1, "0.53956009375489697273"),
        (2, "0.87962566103423975041"),
        (3, "0.98657839255810862"),
    ],
)
def test_deviation_of_a_truncated_normal_is_the_published_constant(k, deviation):
    assert ulps([math.sqrt(truncated_moments(-k, k)[1])], exactly(mpmath.mpf(deviation)))[0] <= 4


def test_truncated_normal_is_corrected_for_truncation_only_where_declared():
    distribution = VarianceScaling(distribution="truncated_normal", truncation="uncorrected").entry_distribution((7, 3))
    with mpmath.workdps(DIGITS):
        deviation = mpmath.mpf("0.87962566103423975041") / mpmath.sqrt(7)
        assert ulps([distribution.variance], exactly(deviation**2))[0] <= 4
        assert ulps(distribution.support, exactly(-2 / mpmath.sqrt(7), 2 / mpmath.sqrt(7))).max() <= 4
        corrected = lecun_truncated_normal().entry_distribution((7, 3))
        assert ulps([corrected.support[1]], exactly(2 / deviation / 7))[0] <= 4


def test_bounds_of_a_truncated_normal_are_relative_or_absolute():
    relative = TruncatedNormal(mean=0.25, standard_deviation=0.5, lower=-1, upper=3)
    assert relative.entry_distribution((2,)).support == (-0.25, 1.75)
    absolute = replace(relative, bounds="absolute")
    assert absolute.entry_distribution((2,)).support == (-1, 3)


def test_absolute_bounds_far_outside_do_not_truncate():
    """PyTorch's trunc_normal_(std=0.02), bounds +-2, is a normal distribution."""
    distribution = TruncatedNormal(standard_deviation=0.02, bounds="absolute").entry_distribution((3,))
    moments = [distribution.variance, distribution.fourth_moment]
    assert ulps(moments, exactly(mpmath.mpf(0.02) ** 2, 3 * mpmath.mpf(0.02) ** 4)).max() <= 4


def moments_by_integration(density, low, high, kinks=()):
    """Mean, variance and fourth central moment of an unnormalized density."""
    points = [low, *kinks, high]

    def integral(f):
        return mpmath.quad(lambda x: f(x) * density(x), points)

    mass = integral(lambda x: 1)
    mean = integral(lambda x: x) / mass
    return mean, integral(lambda x: (x - mean) ** 2) / mass, integral(lambda x: (x - mean) ** 4) / mass


def normal_density(location, scale):
    return lambda x: mpmath.exp(-(((x - mpmath.mpf(location)) / mpmath.mpf(scale)) ** 2) / 2)


def sphere_density(dimension, radius):
    return lambda x: (1 - (x / mpmath.mpf(radius)) ** 2) ** (mpmath.mpf(dimension - 3) / 2)


DENSITIES = [
    (UniformDistribution(-0.25, 1.5), lambda x: mpmath.mpf(1)),
    (NormalDistribution(0.3, 1.7), normal_density(0.3, 1.7)),
    (TruncatedNormalDistribution(0.0, 0.3, -0.6, 0.6), normal_density(0, 0.3)),
    (TruncatedNormalDistribution(0.5, 2.0, -1.0, 6.0), normal_density(0.5, 2)),
    (TruncatedNormalDistribution(0.0, 1.0, 3.0, 5.0), normal_density(0, 1)),  # a tail
    (TruncatedNormalDistribution(0.0, 1.0, -6.0, -2.0), normal_density(0, 1)),
    (TruncatedNormalDistribution(1.0, 1.0, 0.875, 1.0), normal_density(1, 1)),  # narrow
    (TruncatedNormalDistribution(0.0, 1.0, -1.0, 40.0), normal_density(0, 1)),  # nearly one-sided
    (SphereCoordinateDistribution(3, 0.5), sphere_density(3, 0.5)),
    (SphereCoordinateDistribution(5, 2.0), sphere_density(5, 2)),
    (SphereCoordinateDistribution(8, 1.25), sphere_density(8, 1.25)),
]


def test_mean_of_a_normal_distribution_truncated_alike_on_both_sides_is_exactly_its_location():
    for k in (0.3, 1.3, 2.0, 5.0):
        assert truncated_moments(-k, k)[0] == 0
    assert TruncatedNormalDistribution(0.75, 0.25, 0.5, 1.0).mean == 0.75


@pytest.mark.parametrize(("distribution", "density"), DENSITIES, ids=lambda x: repr(x) if hasattr(x, "mean") else "")
def test_moments_are_the_integrals(distribution, density):
    """Quadrature adds terms of one sign: 8 ulp, for the mean in units of the deviation."""
    low, high = (max(min(x, 20), -20) for x in distribution.support)  # beyond, a density of exp(-69) at most
    with mpmath.workdps(30):
        mean, variance, fourth = moments_by_integration(density, low, high, kinks=(0.5,) if low < 0.5 < high else ())
        size = max(abs(mean), mpmath.sqrt(variance))
        assert abs(distribution.mean - mean) <= 8 * U * size
        assert abs(distribution.variance / variance - 1) <= 8 * U
        assert abs(distribution.fourth_moment / fourth - 1) <= 8 * U


@pytest.mark.parametrize(("distribution", "density"), DENSITIES, ids=lambda x: repr(x) if hasattr(x, "mean") else "")
def test_distribution_function_is_the_integral_of_the_density(distribution, density):
    low, high = (max(min(x, 20), -20) for x in distribution.support)
    x = low + (high - low) * np.array([0.0, 0.03, 0.2, 0.45, 0.55, 0.81, 0.99, 1.0])
    with mpmath.workdps(30):
        pieces = [mpmath.quad(density, [a, b]) for a, b in itertools.pairwise(x)]
        exact = [sum(pieces[:k]) / sum(pieces) for k in range(len(x))]
        # The slope times the roundings of x, and those of the result.
        slopes = [density(mpmath.mpf(p)) / sum(pieces) * abs(mpmath.mpf(p) - distribution.mean) for p in x]
        for value, true, slope in zip(distribution.cdf(x), exact, slopes, strict=True):
            assert abs(value - true) <= (4 + 4 * slope) * U
    assert np.all(distribution.cdf([distribution.support[0] - 1.0, -np.inf]) == 0)
    assert np.all(distribution.cdf([distribution.support[1] + 1.0, np.inf]) == 1)
    assert np.isnan(distribution.cdf(np.nan))


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 7, 60, 1001])
def test_sphere_coordinate_squared_is_beta(dimension):
    distribution = SphereCoordinateDistribution(dimension, 2.0)
    x = 2.0 * np.array([-1.0, -0.75, -0.1, -0.01, 0.0, 0.02, 0.3, 0.9, 1.0]) / min(dimension, 3) ** 0.5
    with mpmath.workdps(30):
        for point, value in zip(x, distribution.cdf(x), strict=True):
            square = (mpmath.mpf(point) / 2) ** 2
            if dimension == 1:
                exact = (point >= -2) / 2 + (point >= 2) / 2
            else:
                within = mpmath.betainc(0.5, mpmath.mpf(dimension - 1) / 2, 0, square, regularized=True)
                exact = (1 + mpmath.sign(point) * within) / 2
            assert abs(value - exact) <= (8 + dimension) * U


@pytest.mark.parametrize("dimension", [1, 2, 3, 10])
def test_sphere_coordinate_has_the_moments_of_beta(dimension):
    distribution = SphereCoordinateDistribution(dimension, 3.0)
    with mpmath.workdps(30):  # E Beta(a, b)**k as products of (a + j) / (a + b + j), a = 1/2, a + b = dimension / 2
        first = mpmath.mpf(1) / dimension
        second = first * 3 / (dimension + 2)
        assert ulps([distribution.variance, distribution.fourth_moment], exactly(9 * first, 81 * second)).max() <= 4


# --- samplers --------------------------------------------------------------------------------------------------------

SAMPLED = [
    Uniform(-0.3, 0.9),
    Normal(0.2, 1.3),
    TruncatedNormal(0.1, 0.5),
    TruncatedNormal(-1.0, 1.0, 1.0, 9.0, bounds="absolute"),  # a tail, between 2 and 10 deviations
    TruncatedNormal(1.0, 1.0, -9.0, -2.0, bounds="absolute"),
    glorot_uniform(),
    he_normal("output_input"),
    lecun_truncated_normal(),
    VarianceScaling(1.7, "fan_out", "truncated_normal", truncation="uncorrected"),
]
BIG = (20, 3, 5, 200)


@pytest.mark.parametrize("spec", SAMPLED, ids=repr)
def test_samples_have_their_distribution(spec):
    sample = spec.sample(BIG, np.random.default_rng(20261121))
    distribution = spec.entry_distribution(BIG)
    assert sample.shape == BIG
    assert sample.dtype == np.float64
    assert distribution.support[0] <= sample.min() <= sample.max() <= distribution.support[1]
    assert largest_distance(sample, distribution) <= dkw(sample.size)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        (lecun_truncated_normal(), VarianceScaling(distribution="truncated_normal", truncation="uncorrected")),
        (he_normal(), lecun_normal()),
        (he_normal(), he_truncated_normal()),
        (glorot_uniform(), glorot_uniform("output_input")),
        (glorot_uniform(), glorot_normal()),
        (Normal(0.0, 1.0), Normal(0.1, 1.0)),
        (TruncatedNormal(0.0, 1.0), TruncatedNormal(0.0, 1.0, -1.8, 1.8)),
    ],
)
def test_a_sample_of_another_distribution_is_told_apart(spec, wrong):
    sample = spec.sample(BIG, np.random.default_rng(20261121))
    assert largest_distance(sample, wrong.entry_distribution(BIG)) > dkw(sample.size)


def test_sphere_coordinate_samples_have_their_distribution():
    distribution = SphereCoordinateDistribution(4, 1.5)
    sample = distribution.sample((300, 100), np.random.default_rng(20261121))
    assert largest_distance(sample, distribution) <= dkw(sample.size)
    assert largest_distance(sample, SphereCoordinateDistribution(5, 1.5)) > dkw(sample.size)


@pytest.mark.parametrize("spec", [*SAMPLED, Orthogonal()], ids=repr)
def test_a_sample_depends_on_the_state_of_the_generator_alone(spec):
    first, again, other = (spec.sample((5, 3), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.any(first == other)


@pytest.mark.parametrize("end", [0, 1])
def test_a_draw_at_either_end_of_the_uniform_distribution_is_inside_too(end):
    """The probabilities of float64 begin at 0 in the far tail, where no quantile is finite."""

    class AtTheEnd:
        def uniform(self, *ends_and_shape):
            return np.full(ends_and_shape[2], ends_and_shape[end])

    for low, high in ((-50.0, 60.0), (-50.0, 1.0), (-1.0, 50.0)):
        sample = TruncatedNormalDistribution(0.0, 1.0, low, high).sample((3,), AtTheEnd())
        assert np.all((low <= sample) & (sample <= high)), (low, high, sample)


def test_far_tails_are_sampled_and_stay_inside():
    distribution = TruncatedNormal(0.0, 1.0, 30.0, 31.0).entry_distribution(())
    sample = distribution.sample((2000,), np.random.default_rng(3))
    assert 30 <= sample.min() <= sample.max() <= 31
    assert largest_distance(sample, distribution) <= dkw(sample.size)


# --- orthogonal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "layout", "matrix"),
    [
        ((7, 7), "input_output", (7, 7)),
        ((7, 3), "input_output", (7, 3)),
        ((2, 5), "input_output", (2, 5)),
        ((3, 2, 5, 7), "input_output", (30, 7)),
        ((7, 5, 3, 2), "output_input", (7, 30)),
        ((40, 3, 2), "output_input", (40, 6)),
        ((1, 5), "input_output", (1, 5)),
        ((1, 1), "input_output", (1, 1)),
    ],
)
def test_vectors_along_the_longer_side_are_orthogonal_and_of_norm_gain(shape, layout, matrix):
    gain = 1.75
    weights = Orthogonal(gain, layout).sample(shape, np.random.default_rng(20261121))
    assert weights.shape == shape
    q = weights.reshape(matrix)
    q = q if matrix[0] >= matrix[1] else q.T
    rows, columns = q.shape
    # Higham 2002, theorem 19.4: ||Q^ - Q||_F <= sqrt(columns) gamma, columns reflections of `rows` entries; each rounds
    # twice per entry in v'x and x - v, and its own v and scale carry as much again (lemmas 19.1 and 19.2): below 10 u.
    off = math.sqrt(columns) * columns * 10 * rows * U
    gram = Multiprecision(q).T @ Multiprecision(q) / gain**2 - Multiprecision(np.eye(columns))
    assert np.linalg.norm(gram.to_float64()) <= 2 * off + off**2 + 2 * U


DRAWS = 20_000
SIDE = 6


@pytest.fixture(scope="module")
def haar():
    spec, generator = Orthogonal(), np.random.default_rng(20261121)
    return np.stack([spec.sample((SIDE, SIDE), generator) for _ in range(DRAWS)])


@pytest.fixture(scope="module")
def without_sign_fix():
    return np.linalg.qr(np.random.default_rng(20261121).normal(size=(DRAWS, SIDE, SIDE)))[0]


def haar_defects(matrices):
    """Which statements about the Haar distribution a sample of square matrices contradicts."""
    trace = np.trace(matrices, axis1=1, axis2=2)
    distribution = Orthogonal().entry_distribution((SIDE, SIDE))
    distances = {
        "first entry": largest_distance(matrices[:, 0, 0], distribution) - dkw(DRAWS),
        "last entry": largest_distance(matrices[:, -1, -1], distribution) - dkw(DRAWS),
        "entry off the diagonal": largest_distance(matrices[:, 1, 4], distribution) - dkw(DRAWS),
        "mean trace is 0": abs(trace.mean()) - hoeffding(DRAWS, -SIDE, SIDE),
        "mean squared trace is 1": abs((trace**2).mean() - 1) - hoeffding(DRAWS, 0, SIDE**2),
        "determinants have either sign": abs((np.linalg.det(matrices) > 0).mean() - 0.5) - hoeffding(DRAWS, 0, 1),
    }
    return {name for name, excess in distances.items() if excess > 0}


def test_orthogonal_matrices_are_haar_distributed(haar):
    assert haar_defects(haar) == set()


def test_qr_without_sign_fix_is_not_haar_distributed(without_sign_fix):
    assert haar_defects(without_sign_fix) >= {
        "first entry",
        "mean trace is 0",
        "mean squared trace is 1",
        "determinants have either sign",
    }


@pytest.mark.parametrize(
    ("shape", "layout"), [((3, 5), "input_output"), ((2, 2, 3), "input_output"), ((2, 2, 2), "output_input")]
)
def test_entries_of_rectangular_samples_have_the_distribution_of_the_longer_side(shape, layout):
    spec, generator = Orthogonal(0.5, layout), np.random.default_rng(20261121)
    sample = np.array([spec.sample(shape, generator) for _ in range(5000)])
    for entry in (sample[(slice(None), *np.zeros_like(shape))], sample[(slice(None), *(-np.ones_like(shape)))]):
        assert largest_distance(entry, spec.entry_distribution(shape)) <= dkw(entry.size)
        assert largest_distance(entry, Orthogonal(0.6, layout).entry_distribution(shape)) > dkw(entry.size)


# --- convolutions with one entry of the kernel ------------------------------------------------------------------------


def test_delta_orthogonal_weights_keep_the_norm_of_what_they_convolve():
    kernel, inputs, outputs, length = 4, 3, 5, 7
    weights = DeltaOrthogonal(gain=1.5).sample((kernel, inputs, outputs), np.random.default_rng(20261121))
    x = np.arange(1.0, 1 + length * inputs).reshape(length, inputs)
    circular = np.stack([np.roll(x, -entry, axis=0) for entry in range(kernel)])
    received = np.einsum("kti,kio->to", circular, weights)
    squares = np.sum(received**2), 2.25 * np.sum(x**2)
    # Two sums of squares, after inner products with `inputs` terms and reflections of `outputs` entries (as above).
    assert abs(squares[0] - squares[1]) <= 2 * inputs * 10 * outputs * U * squares[1]


@pytest.mark.parametrize(("middle", "at"), [("upper", (2, 1)), ("lower", (1, 1))])
@pytest.mark.parametrize("spec", [DeltaOrthogonal(), Dirac()], ids=lambda spec: type(spec).__name__)
def test_weights_are_zero_except_at_the_middle_of_the_kernel(spec, middle, at):
    generator = np.random.default_rng(20261121)
    ordinary = replace(spec, middle=middle).sample((4, 3, 2, 5), generator)
    others = np.ones((4, 3), dtype=bool)
    others[at] = False
    assert ordinary.shape == (4, 3, 2, 5)
    assert np.all(ordinary[others] == 0)
    assert np.all(np.any(ordinary[at] != 0, axis=1))
    other_order = replace(spec, middle=middle, layout="output_input").sample((5, 2, 4, 3), generator)
    assert other_order.shape == (5, 2, 4, 3)
    assert np.all(other_order[:, :, others] == 0)
    assert np.all(np.any(other_order[:, :, *at] != 0, axis=0))


def test_delta_orthogonal_centres_are_haar_distributed():
    spec, generator = DeltaOrthogonal(0.5), np.random.default_rng(20261121)
    sample = np.array([spec.sample((3, 2, 4), generator) for _ in range(2000)])
    distribution = SphereCoordinateDistribution(4, 0.5)
    for entry in (sample[:, 1, 0, 0], sample[:, 1, -1, -1]):
        assert largest_distance(entry, distribution) <= dkw(entry.size)


@pytest.mark.parametrize(
    ("spec", "shape", "ones"),
    [
        (Dirac(), (3, 5), [(0, 0), (1, 1), (2, 2)]),
        (Dirac(), (3, 2), [(0, 0), (1, 1)]),
        (Dirac(layout="output_input"), (2, 3), [(0, 0), (1, 1)]),
        (Dirac(groups=2), (3, 2, 6), [(1, 0, 0), (1, 1, 1), (1, 0, 3), (1, 1, 4)]),
        (Dirac(groups=3, layout="output_input"), (6, 3, 1), [(g * 2 + d, d, 0) for g in range(3) for d in range(2)]),
    ],
    ids=repr,
)
def test_dirac_weights_are_one_where_an_input_is_passed_on(spec, shape, ones):
    expected = np.zeros(shape)
    expected[tuple(np.array(ones).T)] = 1
    generator = np.random.default_rng(0)
    assert np.array_equal(spec.sample(shape, generator), expected)
    assert np.array_equal(replace(spec, gain=0.5).sample(shape, generator), expected / 2)
    assert generator.random() == np.random.default_rng(0).random()  # nothing was drawn


# --- sparse ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "zeros_of", "axis"),
    [("input_output", "output", 0), ("input_output", "input", 1), ("output_input", "output", 1),
     ("output_input", "input", 0)],
)  # fmt: skip
def test_sparse_weights_have_as_many_zeros_for_each_unit_as_declared(layout, zeros_of, axis):
    spec = Sparse(0.3, 2.0, zeros_of, layout)
    sample = spec.sample((11, 17), np.random.default_rng(20261121))
    zeros = np.sum(sample == 0, axis=axis)
    assert np.all(zeros == {11: 4, 17: 6}[sample.shape[axis]])  # 3.3 and 5.1, rounded up
    assert np.unique(np.sum(sample == 0, axis=1 - axis)).size > 1


def test_zeros_of_sparse_weights_are_uniform_over_places_and_pairs_of_places():
    """Chi-squared over the 10 pairs of 5 places: a normal approximation of Wilson and Hilferty to its quantile."""
    units = 20_000
    zero = Sparse(0.4).sample((5, units), np.random.default_rng(20261121)) == 0
    found = np.array([np.sum(zero[i] & zero[j]) for i, j in itertools.combinations(range(5), 2)])
    assert found.sum() == units
    statistic = np.sum((found - units / 10) ** 2) / (units / 10)
    z, freedom = NormalDist().inv_cdf(1 - FALSE_ALARM), 9
    assert statistic <= freedom * (1 - 2 / (9 * freedom) + z * math.sqrt(2 / (9 * freedom))) ** 3


def test_weights_of_a_sparse_draw_that_are_not_zero_are_normal():
    sample = Sparse(0.5, 0.3).sample((100, 400), np.random.default_rng(20261121))
    others = sample[sample != 0]
    assert largest_distance(others, NormalDistribution(0.0, 0.3)) <= dkw(others.size)
    assert largest_distance(others, NormalDistribution(0.0, 0.27)) > dkw(others.size)


def test_sparsity_goes_from_none_to_all():
    generator = np.random.default_rng(0)
    assert np.all(Sparse(0.0).sample((5, 3), generator) != 0)
    assert np.all(Sparse(1.0).sample((5, 3), generator) == 0)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: Uniform(1.0, 1.0), ValueError, "high"),
        (lambda: Uniform(math.nan, 1.0), ValueError, "low"),
        (lambda: Normal(0.0, 0.0), ValueError, "standard_deviation"),
        (lambda: Normal(0.0, -1.0), ValueError, "standard_deviation"),
        (lambda: Normal(math.inf, 1.0), ValueError, "mean"),
        (lambda: TruncatedNormal(lower=2.0, upper=-2.0), ValueError, "upper"),
        (lambda: TruncatedNormal(upper=math.inf), ValueError, "upper"),
        (lambda: TruncatedNormal(lower=50.0, upper=51.0), ValueError, "bounds"),
        (lambda: TruncatedNormal(bounds="sigmas"), ValueError, "bounds"),
        (lambda: VarianceScaling(scale=0.0), ValueError, "scale"),
        (lambda: VarianceScaling(scale="2"), TypeError, "scale"),
        (lambda: VarianceScaling(mode="fan"), ValueError, "mode"),
        (lambda: VarianceScaling(distribution="gaussian"), ValueError, "distribution"),
        (lambda: VarianceScaling(truncation="none"), ValueError, "truncation"),
        (lambda: glorot_uniform("NHWC"), ValueError, "layout"),
        (lambda: Orthogonal(gain=-1.0), ValueError, "gain"),
        (lambda: VarianceScaling(groups=0), ValueError, "groups"),
        (lambda: VarianceScaling(groups=2.0), TypeError, "groups"),
        (lambda: VarianceScaling(groups=2).entry_distribution((4, 3)), ValueError, "groups"),
        (lambda: Dirac(groups=2).sample((4, 3), np.random.default_rng(0)), ValueError, "groups"),
        (lambda: Dirac().sample((3,), np.random.default_rng(0)), ValueError, "shape"),
        (lambda: Dirac().sample((3, 2), 0), TypeError, "generator"),
        (lambda: Dirac(layout="transposed_input_output"), ValueError, "layout"),
        (lambda: DeltaOrthogonal(middle="centre"), ValueError, "middle"),
        (lambda: DeltaOrthogonal().sample((3, 5, 4), np.random.default_rng(0)), ValueError, "5 > 4"),
        (lambda: DeltaOrthogonal(0.0), ValueError, "gain"),
        (lambda: Sparse(1.5), ValueError, "sparsity"),
        (lambda: Sparse(zeros_of="row"), ValueError, "zeros_of"),
        (lambda: Sparse().sample((3, 5, 4), np.random.default_rng(0)), ValueError, "two axes"),
        (lambda: glorot_uniform().entry_distribution((3,)), ValueError, "shape"),
        (lambda: glorot_uniform().variance((3, 0)), ValueError, "shape"),
        (lambda: Orthogonal().sample((3,), np.random.default_rng(0)), ValueError, "shape"),
        (lambda: Normal().sample((3, -1), np.random.default_rng(0)), ValueError, "shape"),
        (lambda: Normal().sample(3, np.random.default_rng(0)), TypeError, "shape"),
        (lambda: Normal().sample((3.0,), np.random.default_rng(0)), TypeError, "shape"),
        (lambda: Normal().sample((3,), 0), TypeError, "generator"),
        (lambda: Normal().sample((3,), np.random.RandomState(0)), TypeError, "generator"),
        (lambda: he_normal().sample((3, 2), None), TypeError, "generator"),
    ],
)
def test_bad_input_is_refused_by_name(make, error, named):
    with pytest.raises(error, match=named):
        make()


def test_empty_and_zero_dimensional_samples_have_their_shape():
    generator = np.random.default_rng(0)
    assert Normal().sample((3, 0), generator).shape == (3, 0)
    assert np.shape(Uniform().sample((), generator)) == ()
    assert np.shape(TruncatedNormal().sample((), generator)) == ()
