"""Initializers: the distribution of the entries, tested at a stated false-alarm rate on fixed seeds.

Left out: complex entries, for which JAX has a correction of its own (arrays are real here); Keras's max(1, fan), which
changes no entry, since the fans of an array with entries are at least 1; strides, which no library counts in its fans.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.special import chdtr, chdtrc, chdtri, gammaincinv  # scipy.stats takes more than a second to import

from conformance.identification.initializers import CONVOLUTION
from conformance.judging.comparison import FALSE_ALARM_RATE
from conformance.known_values import offered, supported_values
from conformance.running.case import case
from refimpl.arithmetic import FORMATS
from refimpl.initializers import (
    DeltaOrthogonal,
    Dirac,
    Normal,
    NormalDistribution,
    Orthogonal,
    Sparse,
    SphereCoordinateDistribution,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
)

LAYOUTS = ("input_output", "output_input")
# Few shapes for all cases: a library may compile its draws of each for a second.
SHAPES = {"dense": (300, 500), "convolution": CONVOLUTION}
ORTHOGONAL_SHAPES = (48, 30), (30, 48), (2, 3, 8, 30)
DELTA_SHAPE = (4, 3), 4, 8  # kernel, inputs, outputs


def entries(subject, spec, shape, seed):
    """A draw as float64, after a check of its type and shape."""
    draw = subject.initializer(spec, shape, seed)
    if draw.shape != shape or str(draw.dtype) != subject.dtype:
        raise AssertionError(f"the draw must be {subject.dtype} of shape {shape}, got {draw.dtype} {draw.shape}")
    return np.asarray(draw, dtype=np.float64)


def shaped(spec, kernel, inputs, outputs):
    """The shape of weights in the order of the spec's layout."""
    return {
        "input_output": (*kernel, inputs, outputs),
        "output_input": (outputs, inputs, *kernel),
        "transposed_input_output": (*kernel, outputs, inputs),
        "transposed_output_input": (inputs, outputs, *kernel),
    }[spec.layout]


def scaled(subject, scale, mode, distribution, shape, **more):
    """The required VarianceScaling under the subject's conventions, and the (kernel, inputs, outputs) in its order."""
    spec = subject.spec(VarianceScaling, scale=scale, mode=mode, distribution=distribution, **more)
    return spec, shaped(spec, shape[:-2], *shape[-2:])


def check_sample(compare, sample, distribution, unit_roundoff):
    """Distribution (Dvoretzky, Kiefer & Wolfowitz 1956 with Massart's constant), second moment and ends of a sample.

    Rounding a sample to its format moves the distribution function by less than two units of roundoff.
    """
    x = np.sort(sample.ravel())
    n = x.size
    at, steps = np.asarray(distribution.cdf(x)), np.arange(n + 1) / n
    distance = max(np.max(steps[1:] - at), np.max(at - steps[:-1]))
    within = math.sqrt(math.log(2 / FALSE_ALARM_RATE) / (2 * n)) + 2 * unit_roundoff
    compare.at_most(float(distance), within, "distance of the distribution functions", entries=n)
    squares = (x - distribution.mean) ** 2
    excess = abs(float(np.mean(squares)) - distribution.variance) / distribution.variance
    limit = _variance_limit(distribution, n) + 4 * unit_roundoff
    compare.at_most(excess, limit, "relative error of the variance", entries=n)
    low, high = distribution.support
    if math.isfinite(high - low):
        beyond = max(low - x[0], x[-1] - high)
        compare.at_most(beyond, 4 * unit_roundoff * max(-low, high), "distance beyond the support", entries=n)
    # All of n entries lie below x with probability cdf(x)**n: here an end that is wrong by little shows.
    unreached = 1 - (FALSE_ALARM_RATE / 2) ** (1 / n) + 2 * unit_roundoff
    compare.at_most(max(at[0], 1 - at[-1]), unreached, "probability beyond the outermost entries", entries=n)


def caught_factor(distribution, n):
    """By what factor a standard deviation must be wrong for the variance of n entries to show it.

    With the declared deviation times r, the mean square over r**2 keeps to the same limit, so that r is caught where
    the two intervals are apart: above this factor and below its reciprocal, but for FALSE_ALARM_RATE.
    """
    limit = _variance_limit(distribution, n)
    return math.sqrt((1 + limit) / (1 - limit))


def caught(distribution, n):
    factor = math.ceil(1e4 * caught_factor(distribution, n)) / 1e4
    return f"a deviation wrong by a factor of {factor} or more, either way, but for a probability of {FALSE_ALARM_RATE}"


def _chi_squared_quantile(probability, n):
    """Where the distribution function of chi-squared has this value; from above, chdtri has it."""
    return 2 * gammaincinv(n / 2, probability)


def _variance_limit(distribution, n):
    """How far the mean square may be off: exact for normal entries (chi squared), else by Hoeffding's inequality."""
    if isinstance(distribution, NormalDistribution):
        tail = FALSE_ALARM_RATE / 2
        return max(chdtri(n, tail) / n - 1, 1 - _chi_squared_quantile(tail, n) / n)
    low, high = distribution.support
    largest = max((low - distribution.mean) ** 2, (high - distribution.mean) ** 2)
    return largest * math.sqrt(math.log(2 / FALSE_ALARM_RATE) / (2 * n)) / distribution.variance


@case(
    statement="Entries follow the declared distribution, with the fan of the shape in the variance.",
    source="Glorot & Bengio 2010; He et al. 2015; LeCun et al. 1998; DKW inequality with Massart's constant",
    kind="statistical",
    catches="the wrong fan, a standard deviation not corrected for truncation, a limit without its factor 3",
    capability="initializer",
)
@pytest.mark.parametrize("weights", SHAPES)
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg", "fan_geo_avg"])
def test_variance_scaling(subject, compare, mode, distribution, weights):
    spec, shape = scaled(subject, 2.0, mode, distribution, SHAPES[weights])
    expected = spec.entry_distribution(shape)
    compare.example(spec=spec, shape=shape, catches=caught(expected, math.prod(shape)))
    check_sample(compare, entries(subject, spec, shape, seed=1), expected, FORMATS[subject.dtype].unit_roundoff)


@case(
    statement="Entries of the plain initializers follow their distribution, bounds included.",
    source="DKW inequality with Massart's constant (1990); exact chi-squared test for normal distributions",
    kind="statistical",
    catches="a standard deviation taken for a variance; bounds counted in the wrong unit",
    capability="initializer",
)
@pytest.mark.parametrize("rule", [Uniform, Normal, TruncatedNormal], ids=lambda rule: rule.__name__)
def test_plain(subject, compare, rule):
    wanted = {
        Uniform: {"low": -0.3, "high": 0.7},
        Normal: {"mean": 0.1, "standard_deviation": 0.6},
        TruncatedNormal: {"mean": 0.1, "standard_deviation": 0.6, "lower": -1.2, "upper": 0.9},
    }[rule]
    spec = subject.spec(rule, **{name: x for name, x in wanted.items() if name not in subject.fixed(rule)})
    expected = spec.entry_distribution(SHAPES["dense"])
    compare.example(spec=spec, catches=caught(expected, math.prod(SHAPES["dense"])))
    sample = entries(subject, spec, SHAPES["dense"], seed=2)
    check_sample(compare, sample, expected, FORMATS[subject.dtype].unit_roundoff)


def check_orthonormal(compare, q, unit_roundoff):
    """The columns of a matrix of at least as many rows, made by as many reflections.

    Each costs at most (4 rows + 20) u (Higham 2002, lemma 19.2 counted out).
    """
    rows, columns = q.shape
    limit = math.sqrt(columns) * columns * (4 * rows + 20) * unit_roundoff
    compare.at_most(float(np.max(np.abs(q.T @ q - np.eye(columns)))), limit, "distance from orthonormal")


@case(
    statement="Orthogonal draws have orthonormal rows or columns, and their entries are distributed as those of the "
    "Haar distribution, signs included.",
    source="Mezzadri 2007; Higham 2002, theorem 19.4",
    kind="statistical",
    catches="Q of a QR decomposition without the signs of R's diagonal, which is not uniform; a gain left out",
    capability="initializer",
)
def test_orthogonal(subject, compare):
    unit_roundoff, gain = FORMATS[subject.dtype].unit_roundoff, 0.25  # a power of two, which rounds nothing
    layouts = supported_values(subject, Orthogonal, "layout", LAYOUTS)
    for layout, shape in itertools.product(layouts, ORTHOGONAL_SHAPES):
        spec = subject.spec(Orthogonal, gain=gain, layout=layout)
        compare.example(spec=spec, shape=shape)
        outputs = -1 if layout == "input_output" else 0
        q = np.moveaxis(entries(subject, spec, shape, seed=3), outputs, -1).reshape(-1, shape[outputs]) / gain
        q = q if q.shape[0] >= q.shape[1] else q.T
        check_orthonormal(compare, q, unit_roundoff)
    draws = np.array([entries(subject, spec, (6, 6), seed) for seed in range(400)])
    check_orthonormal(compare, draws[0] / gain, unit_roundoff)
    for corner in (0, -1):
        check_sample(compare, draws[:, corner, corner], spec.entry_distribution((6, 6)), unit_roundoff)


@case(
    statement="Delta-orthogonal weights are zero except at the centre of the kernel, where they have orthonormal rows "
    "and entries distributed as those of the Haar distribution, signs included.",
    source="Xiao et al. 2018, algorithm 1; Mezzadri 2007; the middle of an even kernel by the conventions of "
    "DeltaOrthogonal in refimpl.initializers",
    kind="statistical",
    catches="a centre that is off by one, a kernel of orthogonal matrices, orthonormal columns; Q without R's signs",
    capability="initializer",
)
def test_delta_orthogonal(subject, compare):
    unit_roundoff, gain = FORMATS[subject.dtype].unit_roundoff, 0.25  # a power of two, which rounds nothing
    (kernel, inputs, outputs), centres = DELTA_SHAPE, {"upper": (2, 1), "lower": (1, 1)}
    for layout, middle in itertools.product(
        supported_values(subject, DeltaOrthogonal, "layout", LAYOUTS),
        supported_values(subject, DeltaOrthogonal, "middle", tuple(centres)),
    ):
        spec = subject.spec(DeltaOrthogonal, gain=gain, layout=layout, middle=middle)
        shape = shaped(spec, kernel, inputs, outputs)
        compare.example(spec=spec, shape=shape)
        draws = np.array([entries(subject, spec, shape, seed) for seed in range(100)]) / gain
        if layout == "output_input":
            draws = np.moveaxis(draws, (2, 1), (-2, -1))
        matrices = draws[(slice(None), *centres[middle])].copy()
        draws[(slice(None), *centres[middle])] = 0
        compare.at_most(np.count_nonzero(draws), 0, "entries off the centre that are not zero")
        check_orthonormal(compare, matrices[0].T, unit_roundoff)
        for corner in (0, -1):
            expected = SphereCoordinateDistribution(outputs, 1.0)
            check_sample(compare, matrices[:, corner, corner], expected, unit_roundoff)


def convolved(x, weights, groups):
    """The convolution, without padding and unflipped, of x (*lengths, inputs) with weights (*kernel, inputs of a group,
    outputs)."""
    kernel = weights.shape[:-2]
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel, tuple(range(len(kernel))))
    inputs = -1 - len(kernel)
    axes = (inputs, *range(-len(kernel), 0)), (len(kernel), *range(len(kernel)))
    shares = zip(np.split(windows, groups, axis=inputs), np.split(weights, groups, axis=-1), strict=True)
    return np.concatenate([np.tensordot(sent, share, axes) for sent, share in shares], axis=-1)


@case(
    statement="Dirac weights pass on the inputs of each group, as many as it has outputs, from the middle of the "
    "kernel, and leave the other outputs zero.",
    source="the convolution itself; the middle of an even kernel by the conventions of Dirac in refimpl.initializers",
    kind="exact",
    catches="a centre that is off by one; groups of which the first alone is the identity; axes interchanged",
    capability="initializer",
)
def test_dirac(subject, compare):
    middles = {"upper": {3: 1, 4: 2}, "lower": {3: 1, 4: 1}}
    for gain, layout, middle in itertools.product(
        supported_values(subject, Dirac, "gain", (0.5, 2.0)),
        supported_values(subject, Dirac, "layout", LAYOUTS),
        supported_values(subject, Dirac, "middle", tuple(middles)),
    ):
        for kernel, inputs, outputs, groups in (
            ((), 3, 5, 1), ((), 5, 3, 1), ((4,), 2, 5, 1), ((3,), 3, 4, 2), ((4, 3), 2, 9, 3),
        ):  # fmt: skip
            spec = subject.spec(Dirac, gain=gain, groups=groups, layout=layout, middle=middle)
            shape = shaped(spec, kernel, inputs, outputs)
            compare.example(spec=spec, shape=shape)
            weights = entries(subject, spec, shape, seed=0)
            if layout == "output_input":
                weights = np.moveaxis(weights, (1, 0), (-2, -1))
            x = np.arange(1.0, 1 + 7 ** len(kernel) * groups * inputs).reshape(*(7 for _ in kernel), groups * inputs)
            reached = x[tuple(slice(middles[middle][k], middles[middle][k] + 8 - k) for k in kernel)]
            expected = np.zeros((*reached.shape[:-1], groups, outputs // groups))
            passed = min(inputs, outputs // groups)
            expected[..., :passed] = gain * reached.reshape(*reached.shape[:-1], groups, inputs)[..., :passed]
            received = convolved(x, weights, groups).astype(subject.array_dtype)
            compare.equal(received, expected.reshape(received.shape), "outputs", gain=gain)


@case(
    statement="Of the weights that belong together, as many as declared are zero, rounded up, in each place with the "
    "same probability; the others are normal.",
    source="Martens 2010, section 5; zeros drawn without replacement, exact counts and binomial standard errors",
    kind="statistical",
    catches="zeros counted along the other axis, rounded down, or each on its own; places that repeat or stay together",
    capability="initializer",
)
def test_sparse(subject, compare):
    inputs, outputs, sparsity, deviation = 150, 220, 0.33, 0.3
    for layout, zeros_of in itertools.product(
        supported_values(subject, Sparse, "layout", LAYOUTS),
        supported_values(subject, Sparse, "zeros_of", ("output", "input")),
    ):
        spec = subject.spec(Sparse, sparsity=sparsity, standard_deviation=deviation, layout=layout, zeros_of=zeros_of)
        shape = shaped(spec, (), inputs, outputs)
        compare.example(spec=spec, shape=shape)
        sample = entries(subject, spec, shape, seed=11)
        sample = sample if layout == "input_output" else sample.T
        sample = sample if zeros_of == "output" else sample.T  # (that belong together, units)
        zero = sample == 0
        together, units = zero.shape
        count = {150: 50, 220: 73}[together]  # 49.5 and 72.6, rounded up
        found = np.sum(zero, axis=0).astype(subject.array_dtype)
        compare.equal(found, np.full(units, count), "zeros of each unit", zeros_of=zeros_of)
        one, two = count / together, count * (count - 1) / (together * (together - 1))
        for first, second in ((0, 1), (together - 2, together - 1)):
            for share, places in ((one, zero[first]), (two, zero[first] & zero[second])):
                error = math.sqrt(share * (1 - share) / units)
                compare.estimate(np.mean(places), share, error, "share of units with zeros there", place=first)
        check_sample(compare, sample[~zero], NormalDistribution(0.0, deviation), FORMATS[subject.dtype].unit_roundoff)


_FIRST, _SECOND, _THIRD, _FOURTH = CONVOLUTION
# (fan-in, fan-out) that each layout reads off the same shape.
FANS = {
    "input_output": (_FIRST * _SECOND * _THIRD, _FIRST * _SECOND * _FOURTH),
    "output_input": (_SECOND * _THIRD * _FOURTH, _FIRST * _THIRD * _FOURTH),
    "transposed_input_output": (_FIRST * _SECOND * _FOURTH, _FIRST * _SECOND * _THIRD),
    "transposed_output_input": (_FIRST * _THIRD * _FOURTH, _SECOND * _THIRD * _FOURTH),
}


def check_fans(compare, subject, shape, fan_in, fan_out, **fields):
    """Variance 1.5 / fan of both fans."""
    for mode, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
        spec = subject.spec(VarianceScaling, scale=1.5, mode=mode, distribution="uniform", **fields)
        compare.example(spec=spec, shape=shape, fan=fan)
        sample = entries(subject, spec, shape, seed=10)
        unit, where = math.sqrt(1.5 / fan), {"mode": mode, **fields}
        check_mean_square(compare, sample, unit, 1.0, 9 / 5, "variance over scale / fan", **where)


@case(
    statement="Weights of a convolution have the fans of their axes, in every order of the axes.",
    source="the conventions of VarianceScaling in refimpl.initializers: (*kernel, inputs, outputs) in JAX and Keras, "
    "(outputs, inputs, *kernel) in PyTorch; inputs and outputs interchanged for transposed convolutions",
    kind="statistical",
    catches="axes read in the other library's order; a kernel that counts once, or for one of the fans",
    capability="initializer",
)
def test_layouts(subject, compare):
    for layout in supported_values(subject, VarianceScaling, "layout", tuple(FANS)):
        check_fans(compare, subject, SHAPES["convolution"], *FANS[layout], layout=layout)


@case(
    statement="Fans of a grouped convolution count the channels that one is connected to, those of its group.",
    source="the connections of a grouped convolution; pytorch#23854",
    kind="statistical",
    catches="groups that divide the wrong fan, both fans, or none; the wrong one of a transposed convolution",
    capability="initializer",
)
def test_groups(subject, compare):
    ordinary, transposed = (72, 24), (24, 72)  # of square matrices, read either way
    for layout in supported_values(subject, VarianceScaling, "layout", ("input_output", "transposed_input_output")):
        fans = transposed if layout.startswith("transposed") else ordinary
        check_fans(compare, subject, (72, 72), *fans, layout=layout, groups=3)


UNIFORM_LIMITS = {  # scale, mode, and the square of the limit
    "glorot_uniform": (1.0, "fan_avg", lambda fan_in, fan_out: 6 / (fan_in + fan_out)),
    "he_uniform": (2.0, "fan_in", lambda fan_in, fan_out: 6 / fan_in),
    "lecun_uniform": (1.0, "fan_in", lambda fan_in, fan_out: 3 / fan_in),
    "torch.nn.Linear": (1 / 3, "fan_in", lambda fan_in, fan_out: 1 / fan_in),
}


@case(
    statement="Uniform entries reach up to the published limit: sqrt(6 / (fan-in + fan-out)), sqrt(6 / fan-in), "
    "sqrt(3 / fan-in), and 1 / sqrt(fan-in) for PyTorch's dense layers, which use a slope of sqrt(5).",
    source="Glorot & Bengio 2010, equation 16; He et al. 2015; LeCun et al. 1998, section 4.6; torch.nn.Linear, 2.13",
    kind="statistical",
    catches="a limit without its factor 3; a scale taken for a slope, or the slope for a gain",
    capability="initializer",
)
@pytest.mark.parametrize("name", UNIFORM_LIMITS)
def test_uniform_limits(subject, compare, name):
    scale, mode, square = UNIFORM_LIMITS[name]
    fan_in, fan_out = SHAPES["dense"]
    spec, shape = scaled(subject, scale, mode, "uniform", (fan_in, fan_out))
    limit = math.sqrt(square(fan_in, fan_out))
    compare.example(initializer=name, spec=spec, limit=limit)
    reached = np.abs(entries(subject, spec, shape, seed=12)) / limit
    unit_roundoff = FORMATS[subject.dtype].unit_roundoff
    # From the scale to the limit and the entry there are less than 16 roundings.
    compare.at_most(np.max(reached) - 1, 16 * unit_roundoff, "distance beyond the limit", initializer=name)
    unreached = 1 - FALSE_ALARM_RATE ** (1 / reached.size)
    compare.at_most(1 - np.max(reached), unreached + 16 * unit_roundoff, "distance not reached", initializer=name)


@case(
    statement="The same seed gives the same array again, 0 as well; another seed gives another.",
    source="the contract of a subject; keras#19361: a seed of 0 that counted as none",
    kind="exact",
    catches="seeds that are ignored, one that is taken for none, all draws alike",
    capability="initializer",
)
@pytest.mark.parametrize(
    "rule",
    [Uniform, Normal, TruncatedNormal, VarianceScaling, Orthogonal, DeltaOrthogonal, Sparse],
    ids=lambda r: r.__name__,
)
def test_seeds(subject, compare, rule):
    spec, shape = subject.spec(rule), SHAPES["dense"]
    if rule is Orthogonal:
        shape = ORTHOGONAL_SHAPES[0]
    if rule is DeltaOrthogonal:
        shape = shaped(spec, *DELTA_SHAPE)
    compare.example(spec=spec, shape=shape)
    draws = [entries(subject, spec, shape, seed) for seed in range(4)]
    for seed, draw in enumerate(draws):
        compare.equal(subject.initializer(spec, shape, seed), draw, "the same draw again", seed=seed)
        for other in range(seed):
            compare.exceeds(np.count_nonzero(draw != draws[other]), 0, "entries that differ", seeds=(other, seed))


# --- closed forms ----------------------------------------------------------------------------------------------------


def density(z):
    """Of a standard normal variable."""
    return math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def below(z):
    """The standard normal distribution function."""
    return math.erfc(-z / math.sqrt(2)) / 2


def truncated_variance(k):
    """Of a standard normal variable truncated at +-k (Johnson, Kotz & Balakrishnan 1994, chapter 13, section 10.1)."""
    return 1 - 2 * k * density(k) / (2 * below(k) - 1)


def truncated_fourth_moment(k):
    """Of the same variable, by parts as its variance."""
    return 3 - 2 * (k**3 + 3 * k) * density(k) / (2 * below(k) - 1)


def check_mean_square(compare, sample, unit, variance, fourth_moment, what, **where):
    """The mean square of independent entries of mean 0 in units of `unit`, given their moments there."""
    error = math.sqrt((fourth_moment - variance**2) / sample.size)
    compare.estimate(np.mean((sample / unit) ** 2), variance, error, what, **where)


_DEVIATION = math.sqrt(truncated_variance(2.0))
# Distributions of mean 0 and variance 1 where no more is said: end of the support, distribution function.
DISTRIBUTIONS = {
    "uniform": (math.sqrt(3), lambda z: (1 + z / math.sqrt(3)) / 2),
    "normal": (math.inf, below),
    "truncated_normal": (2 / _DEVIATION, lambda z: (below(z * _DEVIATION) - below(-2.0)) / (2 * below(2.0) - 1)),
}
NAMED = {
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "normal"),
    "he_normal": (2.0, "fan_in", "normal"),
    "he_truncated_normal": (2.0, "fan_in", "truncated_normal"),
}


@case(
    statement="The share of entries below each point is the distribution function of variance scale / fan, in closed "
    "form.",
    source="Glorot & Bengio 2010, equations 12 and 16; He et al. 2015, equation 10; binomial standard errors",
    kind="statistical",
    catches="another distribution of the same variance; the wrong fan or scale; truncation left uncorrected",
    capability="initializer",
)
@pytest.mark.parametrize("name", NAMED)
def test_distribution_function(subject, compare, name):
    scale, mode, distribution = NAMED[name]
    fan_in, fan_out = 300, 500
    truncation = {"truncation": "corrected"} if distribution == "truncated_normal" else {}
    spec, shape = scaled(subject, scale, mode, distribution, (fan_in, fan_out), **truncation)
    fan = {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2}[mode]
    end, distribution_function = DISTRIBUTIONS[distribution]
    compare.example(initializer=name, spec=spec, fan=fan, unit="standard deviations, sqrt(scale / fan)")
    standard = entries(subject, spec, shape, seed=4).ravel() / math.sqrt(scale / fan)
    for z in (np.arange(-12, 13) / 4).tolist():
        if abs(z) < end:
            share = distribution_function(z)
            error = math.sqrt(share * (1 - share) / standard.size)
            compare.estimate(np.mean(standard <= z), share, error, "share of entries below", initializer=name, z=z)


@case(
    statement="A normal distribution truncated at k deviations on both sides has 0.8796 of its declared deviation for "
    "k = 2 and 0.5396 for k = 1. Bounds at 2 in absolute units take nothing that shows from a deviation of 0.02.",
    source="variance 1 - 2 k phi(k) / (2 Phi(k) - 1): Johnson, Kotz & Balakrishnan 1994, chapter 13, section 10.1",
    kind="statistical",
    catches="bounds taken in the other unit; a deviation corrected where none is declared to be",
    capability="initializer",
)
def test_truncated_deviation(subject, compare):
    requests = []
    for bounds in supported_values(subject, TruncatedNormal, "bounds", ("relative", "absolute")):
        for deviation, bound in ((1.0, 2.0), (0.02, 2.0), (1.0, 1.0)):
            fields = {"mean": 0.0, "standard_deviation": deviation, "lower": -bound, "upper": bound, "bounds": bounds}
            requests.append((TruncatedNormal, fields, (deviation, bound)))
    for spec, (deviation, bound) in offered(subject, requests):
        k = bound if spec.bounds == "relative" else bound / deviation
        compare.example(spec=spec, deviation=f"{math.sqrt(truncated_variance(k)):.6f} of the declared one")
        sample = entries(subject, spec, SHAPES["dense"], seed=5)
        moments = truncated_variance(k), truncated_fourth_moment(k)
        where = {"bounds": spec.bounds, "deviation": deviation, "k": k}
        check_mean_square(compare, sample, deviation, *moments, "variance over the declared one", **where)


@case(
    statement="Variance scaling by a normal distribution truncated at 2 deviations has variance scale / fan if the "
    "deviation is corrected for the truncation, and 0.7737 of it if not.",
    source="as for the truncated deviation; corrected in JAX and Keras",
    kind="statistical",
    catches="a correction left out, made twice, or applied to the variance in place of the deviation",
    capability="initializer",
)
def test_truncation_correction(subject, compare):
    for truncation in supported_values(subject, VarianceScaling, "truncation", ("corrected", "uncorrected")):
        spec, shape = scaled(subject, 2.0, "fan_in", "truncated_normal", SHAPES["dense"], truncation=truncation)
        variance, fourth = truncated_variance(2.0), truncated_fourth_moment(2.0)
        if truncation == "corrected":
            variance, fourth = 1.0, fourth / variance**2
        compare.example(spec=spec, variance=f"{variance:.6f} scale / fan")
        unit = math.sqrt(2 / SHAPES["dense"][0])
        sample = entries(subject, spec, shape, seed=6)
        check_mean_square(compare, sample, unit, variance, fourth, "variance over scale / fan", truncation=truncation)


@case(
    statement="A layer multiplies the mean square by scale * fan_in / fan, backward by scale * fan_out / fan: He's "
    "keeps it forward through ReLU, Glorot's in both directions only if the layer is square.",
    source="second moments add up over independent entries: Glorot & Bengio 2010, equations 5 and 6; He et al. 2015, "
    "equations 7 to 10",
    kind="statistical",
    catches="fan-in and fan-out interchanged; a scale of 1 before ReLU",
    capability="initializer",
)
@pytest.mark.parametrize("name", ["glorot_normal", "glorot_uniform", "he_normal"])
def test_layer_keeps_second_moments(subject, compare, name):
    scale, mode, distribution = NAMED[name]
    kurtosis = {"uniform": 9 / 5, "normal": 3.0}[distribution]
    for fan_in, fan_out in ((100, 1000), (300, 300)):
        spec, shape = scaled(subject, scale, mode, distribution, (fan_in, fan_out))
        weight = entries(subject, spec, shape, seed=7)
        weight = weight if spec.layout in ("input_output", "transposed_output_input") else weight.T
        variance = scale / {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2}[mode]
        compare.example(initializer=name, fan_in=fan_in, fan_out=fan_out)
        for way, matrix in (("forward", weight), ("backward", weight.T)):
            sent = np.where(np.arange(matrix.shape[0]) % 3 == 0, 2.0, -0.5)
            power = np.sum(sent**2)
            received = sent @ matrix / math.sqrt(power / matrix.shape[0])
            second = variance * matrix.shape[0]
            fourth = 3 * second**2 + (kurtosis - 3) * variance**2 * np.sum(sent**4) * (matrix.shape[0] / power) ** 2
            where = {"initializer": name, "way": way, "fans": (fan_in, fan_out)}
            check_mean_square(compare, received, 1.0, second, fourth, "mean square after over before", **where)
            if way == "forward" and name == "he_normal":  # a symmetric distribution: half of the square lies above 0
                after = np.maximum(received, 0.0)
                check_mean_square(compare, after, 1.0, second / 2, fourth / 2, "mean square after ReLU", **where)


def poisson(counts, mean):
    """The probability of these counts."""
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in counts)


def chi_squared_survival(x, n):
    """P(X > x) for n even, as a sum of Poisson probabilities."""
    return poisson(range(n // 2), x / 2)


def chi_squared_distribution(x, n):
    """P(X < x) for n even: not 1 less the other tail, which would cancel. Those of larger counts add nothing here."""
    return poisson(range(n // 2, n + 200), x / 2)


@case(
    statement="The exact test of a normal variance rejects a deviation wrong by r with the computed probability: the "
    "level at r = 1, P(r**2 chi2_n outside the limits) else.",
    source="n mean square / sigma**2 is chi-squared with n degrees of freedom; its survival function for even n is a "
    "sum of Poisson probabilities",
    kind="statistical",
    catches="a test of initializers that cannot see what it is for; normal draws with tails cut off, or that depend",
    capability="initializer",
)
def test_power_of_the_variance_test(subject, compare):
    n, tests, level, deviation = 200, 2000, 0.02, 0.5
    low, high = _chi_squared_quantile(level / 2, n), chdtri(n, level / 2)
    spec = subject.spec(Normal, mean=0.0, standard_deviation=deviation)
    squares = np.sum((entries(subject, spec, (n, tests), seed=8) / deviation) ** 2, axis=0)
    for ratio in (0.85, 0.95, 1.0, 1.1, 1.25):
        statistic = ratio**2 * squares  # of a test for the deviation / ratio
        rejected = np.mean((statistic < low) | (statistic > high))
        power = 1 - chi_squared_survival(low / ratio**2, n) + chi_squared_survival(high / ratio**2, n)
        compare.example(entries=n, level=level, deviation_wrong_by=ratio, power=power)
        compare.estimate(rejected, power, math.sqrt(power * (1 - power) / tests), "share rejected", ratio=ratio)


def smallest_sample(ratio, distribution, survival):
    """The smallest even number of normal entries whose mean square shows a deviation wrong by ratio.

    distribution(x, n), survival(x, n): P(X < x) and P(X > x) for chi-squared X. FALSE_ALARM_RATE bounds false alarms
    and misses: for a ratio below 1 a mean square that is not too small, above 1 one that is not too large.
    """

    def is_enough(half):
        n, tail = 2 * half, FALSE_ALARM_RATE / 2
        if ratio < 1:
            return survival(_chi_squared_quantile(tail, n) / ratio**2, n) <= FALSE_ALARM_RATE
        return distribution(chdtri(n, tail) / ratio**2, n) <= FALSE_ALARM_RATE

    low, high = 0, 1
    while not is_enough(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return 2 * high


@case(
    statement="At 1e-9 for a false alarm and for a miss, the exact test needs 4464 normal entries for a deviation of "
    "0.87963 of the declared one, 250 for sqrt(1/3) of it, 27872 for one that is 5 % too small and 30786 for one 5 % "
    "too large, counted in even numbers.",
    source="chi-squared distribution: quantiles by SciPy, misses by sums of Poisson probabilities",
    kind="analytic",
    catches="a sample too small to catch what the suite says that it catches",
    capability="theorem",
)
def test_sample_size(subject, compare):
    drawn = math.prod(SHAPES["dense"])
    wrongs = {"not corrected": _DEVIATION, "no factor 3": math.sqrt(1 / 3), "5 % less": 0.95, "5 % more": 1.05}
    for (wrong, ratio), known in zip(wrongs.items(), (4464, 250, 27872, 30786), strict=True):
        compare.example(deviation_wrong_by=ratio, entries=known, drawn=drawn)
        for by, tails in (
            ("SciPy", (lambda x, n: chdtr(n, x), lambda x, n: chdtrc(n, x))),
            ("Poisson sums", (chi_squared_distribution, chi_squared_survival)),
        ):
            found = smallest_sample(ratio, *tails)
            compare.equal(np.asarray(float(found)), known, "entries needed", wrong=wrong, by=by)
        compare.at_most(found, drawn, "entries needed, of those drawn", wrong=wrong)
    factor = caught_factor(NormalDistribution(0.0, 1.0), drawn)
    missed = chi_squared_survival((1 - _variance_limit(NormalDistribution(0.0, 1.0), drawn)) * factor**2 * drawn, drawn)
    compare.at_most(missed, FALSE_ALARM_RATE, "probability to miss the deviation over this factor", factor=factor)


@case(
    statement="Traces of 8 x 8 Haar orthogonal matrices have the first, second and fourth moment of a standard normal "
    "distribution, 0, 1 and 3, and half of the determinants are 1.",
    source="Diaconis & Shahshahani 1994, theorem 4; at small sizes, and E tr**8 = 105 for the standard error, Rains "
    "1998, Increasing subsequences and the classical groups",
    kind="statistical",
    catches="Q of a QR decomposition without the signs of R's diagonal: mean trace -1.3, one determinant only",
    capability="initializer",
)
def test_haar_traces(subject, compare):
    size, draws = 8, 400
    spec = subject.spec(Orthogonal)
    matrices = np.array([entries(subject, spec, (size, size), seed) for seed in range(draws)])
    traces = np.trace(matrices, axis1=1, axis2=2)
    compare.example(spec=spec, size=size, draws=draws)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (4, 3, 96)):
        error = math.sqrt(variance / draws)
        compare.estimate(np.mean(traces**power), mean, error, "moment of the trace", power=power)
    positive = np.mean(np.linalg.det(matrices) > 0)
    compare.estimate(positive, 0.5, 0.5 / math.sqrt(draws), "share of positive determinants")


@case(
    statement="Q of LAPACK's QR decomposition of an n x n matrix of independent standard normal entries, n >= 2, is "
    "not uniform: Q[0, 0] is never positive, of mean -Gamma(n / 2) / (sqrt(pi) Gamma((n + 1) / 2)). The signs of R's "
    "diagonal correct it.",
    source="Mezzadri 2007, sections 4 and 5; a Householder reflection gives the diagonal of R the other sign than the "
    "entry it replaces, and n - 1 of them have determinant (-1)**(n - 1)",
    kind="statistical",
    catches="a reference that leaves the signs as the decomposition has them",
    capability="theorem",
)
def test_signs_make_haar(subject, compare):
    size, draws = 6, 4000
    q, r = np.linalg.qr(np.random.default_rng(9).standard_normal((draws, size, size)))
    fixed = q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, np.newaxis, :]
    compare.example(size=size, draws=draws)
    mean = math.gamma(size / 2) / (math.sqrt(math.pi) * math.gamma((size + 1) / 2))
    error = math.sqrt((1 / size - mean**2) / draws)
    compare.equal(np.sign(q[:, 0, 0]), np.full(draws, -1.0), "sign of Q[0, 0]")
    compare.equal(np.sign(np.linalg.det(q)), np.full(draws, (-1.0) ** (size - 1)), "sign of the determinant")
    compare.estimate(np.mean(q[:, 0, 0]), -mean, error, "mean of Q[0, 0]")
    compare.estimate(np.mean(fixed[:, 0, 0]), 0.0, math.sqrt(1 / size / draws), "mean of Q[0, 0], signs fixed")
    traces = np.trace(fixed, axis1=1, axis2=2)
    compare.estimate(np.mean(traces), 0.0, 1 / math.sqrt(draws), "mean trace, signs fixed")
    compare.estimate(np.mean(traces**2), 1.0, math.sqrt(2 / draws), "mean squared trace, signs fixed")
    reference = [subject.initializer(Orthogonal(), (size, size), seed) for seed in range(400)]
    corners = np.array(reference)[:, 0, 0]
    compare.estimate(np.mean(corners), 0.0, math.sqrt(1 / size / len(reference)), "mean of Q[0, 0], refimpl")
