"""Activations: 50 digits, other definitions, difference quotients, closed forms, kinks, extreme inputs, bounds."""

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest

from refimpl.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    HardShrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SoftShrink,
    Softsign,
    Tanh,
)
from refimpl.arithmetic import FLOAT32, FLOAT64, RunningError, Target, erf, erfc
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision
from tests.refimpl.precision import relative_error, ulps

GATED = [GELU(), GELU(approximation="tanh"), SiLU(), Mish()]
SMOOTH = [*GATED, Sigmoid(), Tanh(), Softplus(), LogSigmoid(), Softsign(), CELU(alpha=0.7)]
PIECEWISE = [Identity(), ReLU(), LeakyReLU(slope=0.3), ReLU6(), HardTanh(), HardSigmoid(), HardSwish()]
SHRINKING = [SoftShrink(threshold=0.75), HardShrink(threshold=0.75)]
ELEMENTWISE = [*SMOOTH, *PIECEWISE, *SHRINKING, ELU(alpha=1.3), SELU(), Softplus(threshold=20.0)]
ALONG_AXIS = [Softmax(), LogSoftmax()]

# Definitions that are not the ones evaluated; `m` is mpmath at enough digits for them.
DEFINITIONS = {
    Sigmoid(): lambda m, x: (1 + m.tanh(x / 2)) / 2,
    Tanh(): lambda m, x: m.sinh(x) / m.cosh(x),
    Softplus(): lambda m, x: x / 2 + m.log(2 * m.cosh(x / 2)),
    GELU(): lambda m, x: x * m.ncdf(x),
    GELU(approximation="tanh"): lambda m, x: x / 2 * (1 + m.tanh(m.sqrt(2 / m.pi) * (x + m.mpf(0.044715) * x**3))),
    SiLU(): lambda m, x: x / 2 * (1 + m.tanh(x / 2)),
    ELU(alpha=1.3): lambda m, x: x if x > 0 else m.mpf(1.3) * (m.exp(x) - 1),
    Softplus(threshold=20.0): lambda m, x: x if x > 20 else m.log(1 + m.exp(x)),
    ReLU(): lambda m, x: (x + abs(x)) / 2,
    LeakyReLU(slope=0.3): lambda m, x: x if x > 0 else m.mpf(0.3) * x,
    ReLU6(): lambda m, x: (abs(x) - abs(x - 6)) / 2 + 3,
    HardTanh(): lambda m, x: (abs(x + 1) - abs(x - 1)) / 2,
    HardSigmoid(): lambda m, x: (abs(x + 3) - abs(x - 3)) / 12 + m.mpf(1) / 2,
    HardSwish(): lambda m, x: x * ((abs(x + 3) - abs(x - 3)) / 12 + m.mpf(1) / 2),
    SoftShrink(threshold=0.75): lambda m, x: x - (abs(x + 0.75) - abs(x - 0.75)) / 2,
    HardShrink(threshold=0.75): lambda m, x: x * (1 + m.sign(abs(x) - 0.75)) / 2,
    Softsign(): lambda m, x: m.sign(x) * (1 - 1 / (1 + abs(x))),
    CELU(alpha=0.7): lambda m, x: x if x > 0 else m.mpf(0.7) * (m.exp(x / m.mpf(0.7)) - 1),
    SELU(): lambda m, x: m.mpf(1.0507009873554805) * (x if x > 0 else m.mpf(1.6732632423543772) * (m.exp(x) - 1)),
    LogSigmoid(): lambda m, x: m.log(1 / (1 + m.exp(-x))),
    Mish(): lambda m, x: x * m.tanh(m.log(1 + m.exp(x))),
}


def whole_range():
    """Positive and negative numbers of all magnitudes, most of them where activations are neither 0, 1 nor x."""
    rng = np.random.default_rng(1)
    magnitude = [
        2.0 ** rng.uniform(FLOAT64.min_exponent, FLOAT64.max_exponent, 100),
        2.0 ** rng.uniform(-8, 6, 200),
        rng.uniform(0, 40, 200),
        rng.uniform(600, 720, 30),
        [0.0, 1.0, 20.0, FLOAT64.smallest_normal, FLOAT64.largest],
    ]
    return np.concatenate([*magnitude, *(-np.asarray(x) for x in magnitude)])


def normal_or_zero(exact):
    """Where float64 has the number with all of its digits."""
    magnitude = np.abs(exact.to_float64())
    return (exact == 0) | ((magnitude >= FLOAT64.smallest_normal) & (magnitude <= FLOAT64.largest))


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_values_are_within_4_ulp_of_50_digits_over_the_whole_range(activation):
    x = whole_range()
    with np.errstate(over="ignore"):  # the slope of SELU is above 1
        value, exact = activation.forward(x), activation.forward(Multiprecision(x))
    settled = normal_or_zero(exact)
    # Where x times a gate is normal but the gate is not, the gate is off by at most a smallest subnormal number.
    gate_error = np.abs(x) * FLOAT64.smallest_subnormal / FLOAT64.ulp(np.abs(value))
    allowed = 4 + (gate_error if activation in GATED else 0)
    assert np.count_nonzero(settled) > len(x) / 3
    assert (ulps(value, exact) <= allowed)[settled].all()


@pytest.mark.parametrize("activation", [a for a in ELEMENTWISE if a not in GATED], ids=repr)
def test_derivatives_are_within_4_ulp_of_50_digits_over_the_whole_range(activation):
    x = whole_range()
    exact = activation.derivative(Multiprecision(x))
    settled = normal_or_zero(exact)
    assert np.count_nonzero(settled) > len(x) / 3
    assert (ulps(activation.derivative(x), exact) <= 4)[settled].all()


@pytest.mark.parametrize("activation", GATED, ids=repr)
def test_derivatives_of_gated_units_are_within_4_ulp_of_the_larger_of_their_two_terms(activation):
    """The derivative is gate + x gate', each with 4 ulp. The terms cancel below 0: the sum has a zero near -0.75
    (GELU), -1.28 (SiLU) or -1.19 (Mish), where 4 ulp of the sum need more digits than float64 has in the terms."""
    x = np.concatenate([whole_range(), np.random.default_rng(2).uniform(-2, -0.5, 200)])
    exact = activation.derivative(Multiprecision(x))
    gate = activation.forward(Multiprecision(x)) / np.where(x == 0, 1.0, x)
    larger = np.maximum(np.abs(gate.to_float64()), np.abs((exact - gate).to_float64()))
    normal = np.minimum(np.abs(exact.to_float64()), gate.to_float64()) >= FLOAT64.smallest_normal
    assert np.count_nonzero(normal) > len(x) / 3
    assert (ulps(activation.derivative(x), exact, of=larger) <= 4)[normal].all()


@pytest.mark.parametrize("activation", DEFINITIONS, ids=repr)
def test_50_digit_values_are_those_of_another_definition(activation):
    """To 46 digits: a dozen roundings of 50, in arguments too that exp magnifies by at most 140."""
    x = np.concatenate([np.random.default_rng(3).uniform(-12, 12, 100), [-1e-30, 0.0, 1e-30, 20.0, 20.5]])
    actual = activation.forward(Multiprecision(x))
    with mpmath.workdps(3 * DIGITS):
        expected = [DEFINITIONS[activation](mpmath, mpmath.mpf(v)) for v in x]
        assert all(abs(f - e) * 10**46 <= abs(e) for f, e in zip(actual.value, expected, strict=True))


STEP = mpmath.mpf(10) ** -16


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_derivative_is_the_limit_of_difference_quotients(activation):
    """The central quotient of 50-digit values is off by STEP**2 / 6 times a third derivative (below 6 for all of
    these), and by what rounding leaves: 10**-50 / STEP, times 700 for the argument of exp, times 40 for the value."""
    x = Multiprecision(np.random.default_rng(4).uniform(-6, 6, 100))
    quotient = (activation.forward(x + STEP) - activation.forward(x - STEP)) / (2 * STEP)
    with mpmath.workdps(DIGITS):
        allowed = STEP**2 + 700 * 40 * mpmath.mpf(10) ** -DIGITS / STEP
    assert (abs(activation.derivative(x) - quotient).value <= allowed).all()


@pytest.mark.parametrize("activation", ALONG_AXIS, ids=repr)
def test_backward_along_an_axis_is_the_limit_of_difference_quotients(activation):
    """The same of <w, f(x + t v)>: its third derivative by t is below 100 for |v|, |w| <= 2 and five classes."""
    rng = np.random.default_rng(5)
    x, direction, cotangent = (Multiprecision(rng.uniform(-2, 2, (7, 5))) for _ in range(3))

    def along(t):
        return (activation.forward(x + t * direction) * cotangent).sum(axis=-1)

    quotient = (along(STEP) - along(-STEP)) / (2 * STEP)
    with mpmath.workdps(DIGITS):
        allowed = 100 * STEP**2 + 1000 * mpmath.mpf(10) ** -DIGITS / STEP
    derivative = (activation.backward(x, cotangent) * direction).sum(axis=-1)
    assert (abs(derivative - quotient).value <= allowed).all()


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_backward_is_the_cotangent_times_the_derivative(activation):
    """Products of up to three factors in another order: two roundings each, of at most one ulp."""
    rng = np.random.default_rng(6)
    x, cotangent = rng.normal(size=(3, 5, 2)) * 4, rng.normal(size=(3, 5, 2))
    exact = Multiprecision(activation.derivative(x)) * cotangent
    assert (ulps(activation.backward(x, cotangent), exact) <= 4).all()


# --- closed forms ---


def test_values_and_derivatives_at_the_origin_are_exact():
    zero = np.array(0.0)
    assert (Sigmoid().forward(zero), Sigmoid().derivative(zero)) == (0.5, 0.25)
    assert (Tanh().forward(zero), Tanh().derivative(zero)) == (0.0, 1.0)
    assert (SiLU().derivative(zero), GELU().derivative(zero)) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("activation", "at", "largest"),
    [
        (SiLU(), "2.3993572805154676678", "1.0998393201288669"),
        (GELU(), "1.4142135623730950488", "1.1289041451851548"),
    ],
    ids=repr,
)
def test_largest_derivative_of_gated_units(activation, at, largest):
    """Their Lipschitz constants, computed with mpmath; the derivative is flat there, so `at` may be rounded."""
    actual = activation.derivative(np.array(float(at)))
    with mpmath.workdps(DIGITS):
        assert ulps(actual, Multiprecision(mpmath.mpf(largest))) <= 4.5  # half a unit for the constant's own rounding
    others = activation.derivative(np.linspace(-9, 9, 20001))
    assert (others <= np.nextafter(np.nextafter(actual, 2), 2)).all()


def test_gelu_at_one_tells_the_two_approximations_apart():
    one = np.array(1.0)
    assert f"{GELU().forward(one):.7f}" == "0.8413447"  # the normal distribution function at 1
    assert f"{GELU(approximation='tanh').forward(one):.7f}" == "0.8411920"


@pytest.mark.parametrize("activation", [GELU(), GELU(approximation="tanh"), SiLU(), Softplus()], ids=repr)
def test_difference_of_mirrored_values_is_the_argument(activation):
    """Two values, each within 4 ulp of itself, and neither of them above that of |x|, or |x| itself."""
    x = np.abs(whole_range())
    difference = Multiprecision(activation.forward(x)) - activation.forward(-x)
    assert (ulps(x, difference, of=np.maximum(x, activation.forward(x))) <= 8).all()


def test_softmax_of_equal_entries_is_uniform_whatever_they_are():
    for value in (0.0, -1e300, 1e300, 3.7):
        x = np.full((2, 3), value)
        assert (Softmax().forward(x) == 1 / 3).all()
        assert (ulps(LogSoftmax().forward(x), -np.log(Multiprecision(np.full((2, 3), 3.0)))) <= 1).all()


@pytest.mark.parametrize("activation", ALONG_AXIS, ids=repr)
def test_common_shift_of_exact_logits_changes_no_bit(activation):
    x = np.random.default_rng(7).integers(-2000, 2000, (5, 7)) / 64
    assert np.array_equal(activation.forward(x), activation.forward(x + 2.0**30))


def test_log_softmax_of_the_dominating_of_two_entries_keeps_its_digits():
    gap = np.array([0.0, 1e-9, 1.0, 36.0, 37.5, 80.0, 400.0, 700.0])
    actual = LogSoftmax().forward(np.stack([gap, np.zeros_like(gap)], axis=-1))
    with mpmath.workdps(400):
        expected = Multiprecision([[-mpmath.log(1 + mpmath.exp(-g)), -mpmath.log(1 + mpmath.exp(g))] for g in gap])
    assert (ulps(actual, expected) <= 4).all()


@pytest.mark.parametrize("activation", ALONG_AXIS, ids=repr)
def test_values_along_an_axis_are_within_4_ulp_of_50_digits_however_many(activation):
    """Entries are less than 75 apart, so that 50 digits suffice for a sum of their exponentials less the largest."""
    rng = np.random.default_rng(8)
    for classes in (1, 2, 7, 61):
        x = rng.uniform(-1, 1, (11, classes)) * 10.0 ** rng.uniform(-3, 1.5, (11, 1)) + rng.choice([0, 1e4], (11, 1))
        assert (ulps(activation.forward(x), activation.forward(Multiprecision(x))) <= 4).all()


@pytest.mark.parametrize("activation", ALONG_AXIS, ids=repr)
def test_backward_along_an_axis_agrees_with_50_digits(activation):
    """Terms cancel, so the error is relative to the largest entry: a dot product of 7 terms and 8 more roundings."""
    rng = np.random.default_rng(9)
    x, cotangent = rng.normal(size=(5, 7)) * 3, rng.normal(size=(5, 7))
    exact = activation.backward(Multiprecision(x), Multiprecision(cotangent))
    assert relative_error(activation.backward(x, cotangent), exact) <= 16 * FLOAT64.unit_roundoff


@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
def test_axis_is_the_one_named(kind):
    """Compared with the last axis after a move; only the order of a sum of at most 5 terms may differ."""
    rng = np.random.default_rng(10)
    x, cotangent = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 3))
    for axis in (0, 1, -2, 2):
        moved = [np.moveaxis(a, axis, -1) for a in (x, cotangent)]
        for actual, last in [
            (kind(axis=axis).forward(x), kind().forward(moved[0])),
            (kind(axis=axis).backward(x, cotangent), kind().backward(*moved)),
        ]:
            expected = np.moveaxis(last, -1, axis)
            assert (ulps(actual, Multiprecision(expected), of=np.full_like(x, abs(expected).max())) <= 10).all()


# --- kinks and thresholds ---


@pytest.mark.parametrize("at_zero", [0.0, 0.5, 1.0])
def test_relu_derivative_at_zero_is_the_convention(at_zero):
    relu, x = ReLU(derivative_at_zero=at_zero), np.array([-1e-320, -0.0, 0.0, 1e-320])
    assert relu.derivative(x).tolist() == [0.0, at_zero, at_zero, 1.0]
    assert relu.backward(x, np.full(4, -3.0)).tolist() == [0.0, -3 * at_zero, -3 * at_zero, -3.0]


def test_leaky_relu_derivative_at_zero_is_the_convention():
    x = np.array([-2.0, 0.0, 2.0])
    assert LeakyReLU(slope=0.25).derivative(x).tolist() == [0.25, 0.25, 1.0]
    assert LeakyReLU(slope=0.25, derivative_at_zero="one").derivative(x).tolist() == [0.25, 1.0, 1.0]


def test_elu_derivative_at_zero_is_alpha():
    assert ELU(alpha=1.7).derivative(np.array([0.0, 1e-300])).tolist() == [1.7, 1.0]


@pytest.mark.parametrize("at_limits", [0.0, 0.5, 1.0])
def test_hard_tanh_derivative_at_its_limits_is_the_convention(at_limits):
    x = np.array([np.nextafter(-1, -2), -1.0, np.nextafter(-1, 0), 0.0, 1.0, np.nextafter(1, 2)])
    expected = [0.0, at_limits, 1.0, 1.0, at_limits, 0.0]
    assert HardTanh(derivative_at_limits=at_limits).derivative(x).tolist() == expected


@pytest.mark.parametrize(
    ("activation", "at", "value", "derivative"),
    [
        (ReLU6(), [0.0, 6.0], [0.0, 6.0], [0.0, 0.0]),
        (HardSigmoid(), [-3.0, 3.0], [0.0, 1.0], [0.0, 0.0]),
        (HardSwish(), [-3.0, 3.0, 0.0], [0.0, 3.0, 0.0], [0.0, 1.0, 0.5]),
        (SoftShrink(0.75), [-0.75, 0.75, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (HardShrink(0.75), [-0.75, 0.75, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        (CELU(alpha=1.7), [0.0, -0.0], [0.0, 0.0], [1.0, 1.0]),
    ],
    ids=repr,
)
def test_values_and_derivatives_at_kinks_are_those_of_every_library(activation, at, value, derivative):
    assert activation.forward(np.array(at)).tolist() == value
    assert activation.derivative(np.array(at)).tolist() == derivative


def test_selu_keeps_mean_0_and_variance_1_of_standard_normal_numbers():
    """What its two constants are for: Gauss-Legendre quadrature over [-12, 0] and [0, 12], in 50 digits; the constants
    are given to float64, 2**-53 of the moments' parts, of which none exceeds 2."""

    def moment(power):
        def integrand(x):
            value = SELU().forward(Multiprecision(x)).value.item()
            return value**power * mpmath.npdf(x)

        return mpmath.quad(integrand, [-12, -6, -2, 0]) + mpmath.quad(integrand, [0, 2, 6, 12])

    with mpmath.workdps(30):
        assert abs(moment(1)) <= 4 * 2.0**-53
        assert abs(moment(2) - 1) <= 4 * 2.0**-53


def test_selu_derivative_at_zero_is_the_one_on_the_left():
    left, right = SELU().derivative(np.array([0.0, 5e-324]))
    assert (f"{left:.4f}", f"{right:.4f}") == ("1.7581", "1.0507")


def test_softplus_turns_into_the_identity_above_its_threshold_only():
    x = np.array([19.999, 20.0, np.nextafter(20.0, 21), 25.0])
    cut, smooth = Softplus(threshold=20.0), Softplus()
    assert np.array_equal(cut.forward(x)[:2], smooth.forward(x)[:2])
    assert np.array_equal(cut.derivative(x)[:2], smooth.derivative(x)[:2])
    assert cut.forward(x)[2:].tolist() == x[2:].tolist()
    assert cut.derivative(x)[2:].tolist() == [1.0, 1.0]
    assert f"{smooth.forward(x)[3]:.15f}" == "25.000000000013888"
    assert f"{smooth.derivative(x)[3]:.15f}" == "0.999999999986112"


# --- extreme and bad input ---


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_finite_input_of_any_size_gives_finite_results_without_a_warning(activation):
    largest = FLOAT64.largest / (2 if isinstance(activation, SELU) else 1)  # whose slope is above 1
    x = np.array([-largest, -1e200, -745.0, -5e-324, 0.0, 5e-324, 745.0, 1e200, largest])
    assert np.isfinite(activation.forward(x)).all()
    derivative = activation.derivative(x)
    assert np.isfinite(derivative).all()
    assert (derivative[-2:] == slope_far_up(activation)).all()


def slope_far_up(activation):
    if isinstance(activation, (Sigmoid, Tanh, LogSigmoid, ReLU6, HardTanh, HardSigmoid, Softsign)):
        return 0.0
    return 1.0507009873554805 if isinstance(activation, SELU) else 1.0


# At infinity: the value, and the derivative; at minus infinity likewise.
LIMITS = {
    ReLU6(): ((6.0, 0.0), (0.0, 0.0)),
    HardTanh(): ((1.0, 0.0), (-1.0, 0.0)),
    HardSigmoid(): ((1.0, 0.0), (0.0, 0.0)),
    HardSwish(): ((np.inf, 1.0), (0.0, 0.0)),
    SoftShrink(): ((np.inf, 1.0), (-np.inf, 1.0)),
    HardShrink(): ((np.inf, 1.0), (-np.inf, 1.0)),
    Softsign(): ((1.0, 0.0), (-1.0, 0.0)),
    CELU(alpha=0.7): ((np.inf, 1.0), (-0.7, 0.0)),
    LogSigmoid(): ((0.0, 0.0), (-np.inf, 1.0)),
    Mish(): ((np.inf, 1.0), (0.0, 0.0)),
    SiLU(): ((np.inf, 1.0), (0.0, 0.0)),
    GELU(): ((np.inf, 1.0), (0.0, 0.0)),
    GELU(approximation="tanh"): ((np.inf, 1.0), (0.0, 0.0)),
    Tanh(): ((1.0, 0.0), (-1.0, 0.0)),
    Sigmoid(): ((1.0, 0.0), (0.0, 0.0)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", LIMITS, ids=repr)
def test_infinite_input_gives_the_limits(activation):
    for x, expected in zip((np.inf, -np.inf), LIMITS[activation], strict=True):
        assert (activation.forward(np.array(x)), activation.derivative(np.array(x))) == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ELEMENTWISE, ids=repr)
def test_nan_gives_nan_and_nothing_else_does(activation):
    x, cotangent = np.array([1.0, np.nan, -1.0]), np.array([3.0, 5.0, -7.0])
    for actual in (activation.forward(x), activation.derivative(x), activation.backward(x, cotangent)):
        assert np.isnan(actual).tolist() == [False, True, False]


@pytest.mark.parametrize("activation", [*ELEMENTWISE, *ALONG_AXIS], ids=repr)
def test_nothing_passed_in_is_changed_or_returned(activation):
    x, cotangent = np.array([-2.0, 0.0, 3.0]), np.array([0.3, -0.7, 0.9])
    copies = x.copy(), cotangent.copy()
    for result in (activation.forward(x), activation.backward(x, cotangent)):
        assert not np.shares_memory(result, x)
        assert not np.shares_memory(result, cotangent)
    assert np.array_equal(x, copies[0])
    assert np.array_equal(cotangent, copies[1])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ReLU(derivative_at_zero=0.25), ["ReLU", "derivative_at_zero", "0.25", "0.0", "0.5", "1.0"]),
        (lambda: LeakyReLU(slope=1.5), ["LeakyReLU", "slope", "1.5", "[0, 1]"]),
        (lambda: LeakyReLU(derivative_at_zero="left"), ["derivative_at_zero", "'left'", "'slope'"]),
        (lambda: ELU(alpha=-1.0), ["ELU", "alpha", "-1"]),
        (lambda: CELU(alpha=0.0), ["CELU", "alpha", "0.0", "(0, inf)"]),
        (lambda: SoftShrink(threshold=-0.5), ["SoftShrink", "threshold", "-0.5", "[0, inf)"]),
        (lambda: HardTanh(derivative_at_limits=0.25), ["derivative_at_limits", "0.25", "1.0", "0.0", "0.5"]),
        (lambda: Softplus(threshold=5.0), ["threshold", "5.0", "None", "20.0"]),
        (lambda: GELU(approximation="erf"), ["approximation", "'erf'", "'none'", "'tanh'"]),
        (lambda: Softmax(axis=0.5), ["axis", "0.5", "integer"]),
        (lambda: Softmax(axis=2).forward(np.zeros((2, 3))), ["axis", "2", "(2, 3)"]),
        (lambda: LogSoftmax().forward(np.array(1.0)), ["axis", "-1", "()"]),
        (lambda: Softmax().forward(np.zeros((2, 0))), ["axis", "(2, 0)"]),
        (lambda: Tanh().forward(np.array([1, 2])), ["x", "int64"]),
        (lambda: Tanh().forward(np.array([1j])), ["x", "complex128"]),
        (lambda: Sigmoid().forward([1.0, 2.0]), ["x", "list"]),
        (lambda: SiLU().backward(np.zeros(3), np.zeros(2)), ["cotangent", "(2,)", "(3,)"]),
        (lambda: Softmax().backward(np.zeros((2, 3)), np.zeros(3)), ["cotangent", "(3,)", "(2, 3)"]),
        (lambda: ReLU().backward(np.zeros(3), np.zeros(3, dtype=int)), ["cotangent", "int64"]),
    ],
)
def test_bad_input_is_refused_by_name_value_and_what_is_allowed(make, words):
    with pytest.raises((TypeError, ValueError)) as refusal:
        make()
    assert all(word in str(refusal.value) for word in words)


# --- running error ---


def rounded_from_float64(function):
    """A float32 function that is correct but for one rounding."""
    return lambda x: np.asarray(function(np.asarray(x, np.float64))).astype(np.float32)


FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "erf": erf,
    "erfc": erfc,
}
IN_FLOAT32 = SimpleNamespace(
    **{name: rounded_from_float64(function) for name, function in FUNCTIONS.items()},
    halved=lambda x: np.float32(0.5) * x,
)
CERTIFIED = SimpleNamespace(
    **FUNCTIONS,
    halved=lambda x: RunningError(x.value / 2, x.bound / 2, x.target),  # exact, which no rule of a product can know
)
# Rounding to float32 what float64 gets right to 4 ulp of its own: half a unit, and 2**-27 of one.
TARGET = Target(FLOAT32, functions={"float32": dict.fromkeys([*FUNCTIONS, "sqrt"], 0.5 + 2.0**-27)})

one, three, alpha = (np.float32(c) for c in (1.0, 3.0, 1.3))
root_half, root_two_over_pi, cubic = (np.float32(c) for c in (math.sqrt(0.5), math.sqrt(2 / math.pi), 0.044715))
density_at_zero, erf_slope = np.float32(1 / math.sqrt(2 * math.pi)), np.float32(2 / math.sqrt(math.pi))


def sigmoid(m, x):
    return one / (one + m.exp(-x))


def tanh_of_gelu(m, x):
    return m.tanh(root_two_over_pi * (x + cubic * (x * x * x)))


def slope_of_gelu(m, x):
    return root_two_over_pi * (one + three * cubic * (x * x))


# What libraries evaluate (m: in float32, or certified): activations of x, and cotangents of x given that of the result.
FORWARD_ORDERS = {
    Sigmoid(): [sigmoid],
    Tanh(): [lambda m, x: m.tanh(x)],
    ELU(alpha=1.3): [lambda m, x: np.where(x > 0, x, alpha * m.expm1(np.minimum(x, 0)))],
    Softplus(threshold=20.0): [lambda m, x: np.where(x > 20, x, m.log1p(m.exp(np.minimum(x, 20))))],
    Softplus(): [
        lambda m, x: np.maximum(x, 0) + m.log1p(m.exp(-np.abs(x))),
        lambda m, x: np.where(x > 40, x, m.log1p(m.exp(np.minimum(x, 40)))),
    ],
    SiLU(): [lambda m, x: x / (one + m.exp(-x)), lambda m, x: x * sigmoid(m, x)],
    GELU(): [
        lambda m, x: m.halved(x) * (one + m.erf(x * root_half)),
        lambda m, x: m.halved(x) * m.erfc(-x * root_half),
    ],
    GELU(approximation="tanh"): [lambda m, x: m.halved(x) * (one + tanh_of_gelu(m, x))],
}
BACKWARD_ORDERS = {
    Sigmoid(): [
        lambda m, x, g: g * (one - sigmoid(m, x)) * sigmoid(m, x),
        lambda m, x, g: g * (sigmoid(m, x) * (one - sigmoid(m, x))),
    ],
    Tanh(): [
        lambda m, x, g: g * (one - m.tanh(x) * m.tanh(x)),
        lambda m, x, g: g * (one - m.tanh(x)) * (one + m.tanh(x)),
        lambda m, x, g: (g + g * m.tanh(x)) * (one - m.tanh(x)),
    ],
    ELU(alpha=1.3): [
        lambda m, x, g: np.where(x > 0, g, g * alpha * m.exp(np.minimum(x, 0))),
        lambda m, x, g: np.where(x > 0, g, g * (alpha * m.exp(np.minimum(x, 0)))),
        lambda m, x, g: np.where(x > 0, g, g * alpha * (m.expm1(np.minimum(x, 0)) + one)),
    ],
    Softplus(threshold=20.0): [
        lambda m, x, g: np.where(x > 20, g, g * m.exp(np.minimum(x, 20)) / (m.exp(np.minimum(x, 20)) + one))
    ],
    Softplus(): [lambda m, x, g: g * m.exp(x - (np.maximum(x, 0) + m.log1p(m.exp(-np.abs(x)))))],
    SiLU(): [
        lambda m, x, g: g * sigmoid(m, x) * (one + x * (one - sigmoid(m, x))),
        lambda m, x, g: g * sigmoid(m, x) + (g * x) * (sigmoid(m, x) * (one - sigmoid(m, x))),
    ],
    GELU(): [
        lambda m, x, g: g * (m.halved(one + m.erf(x * root_half)) + x * (m.exp(-m.halved(x * x)) * density_at_zero)),
        lambda m, x, g: (
            g * (m.halved(m.erfc(-x * root_half)))
            + erf_slope * ((g * m.halved(x)) * m.exp(-((x * root_half) * (x * root_half)))) * root_half
        ),
    ],
    GELU(approximation="tanh"): [
        lambda m, x, g: (
            g
            * (
                m.halved(one + tanh_of_gelu(m, x))
                + m.halved(x) * (one - tanh_of_gelu(m, x) * tanh_of_gelu(m, x)) * slope_of_gelu(m, x)
            )
        ),
    ],
}


def drawn_in_float32(seed):
    """Arguments and cotangents: products overflow nowhere, and underflow in the tails."""
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(size=6000) * 4, rng.uniform(-30, 30, 3000), rng.uniform(-80, 80, 1000), [0.0, -0.0]])
    return x.astype(np.float32), (rng.normal(size=x.shape) * 10.0 ** rng.uniform(-3, 3, x.shape)).astype(np.float32)


@pytest.mark.parametrize("activation", FORWARD_ORDERS, ids=repr)
def test_bounds_hold_for_float32_evaluations_and_are_not_loose(activation):
    x, cotangent = drawn_in_float32(11)
    certified, certified_cotangent = (RunningError.exact(a, TARGET) for a in (x, cotangent))
    for expected, found_by_order in [
        (activation.forward(certified), [order(IN_FLOAT32, x) for order in FORWARD_ORDERS[activation]]),
        (
            activation.backward(certified, certified_cotangent),
            [order(IN_FLOAT32, x, cotangent) for order in BACKWARD_ORDERS[activation]],
        ),
    ]:
        assert np.isfinite(expected.bound).all()
        bound = np.maximum(expected.bound, FLOAT32.smallest_subnormal)
        error_over_bound = [np.abs(actual - expected.value) / bound for actual in found_by_order]
        assert all(actual.dtype == np.float32 for actual in found_by_order)
        assert 0.25 < np.max(error_over_bound) <= 1


@pytest.mark.parametrize("activation", FORWARD_ORDERS, ids=repr)
def test_bounds_cover_those_of_every_evaluation_order_of_libraries(activation):
    certified, certified_cotangent = (RunningError.exact(a, TARGET) for a in drawn_in_float32(13))
    for expected, orders in [
        (activation.forward(certified), [order(CERTIFIED, certified) for order in FORWARD_ORDERS[activation]]),
        (
            activation.backward(certified, certified_cotangent),
            [order(CERTIFIED, certified, certified_cotangent) for order in BACKWARD_ORDERS[activation]],
        ),
    ]:
        for order in orders:
            reach = np.abs(order.value - expected.value) + order.bound
            # but for float64 roundings, which are 2**-29 of one in float32
            assert (reach <= expected.bound * (1 + 2.0**-24)).all()


def test_bounds_hold_for_float32_evaluations_along_an_axis():
    rng = np.random.default_rng(12)
    x = (rng.normal(size=(200, 7)) * 10.0 ** rng.uniform(-2, 1.3, (200, 1))).astype(np.float32)
    cotangent = rng.normal(size=x.shape).astype(np.float32)
    certified, certified_cotangent = (RunningError.exact(a, TARGET) for a in (x, cotangent))
    shifted = x - x.max(axis=-1, keepdims=True)
    total = IN_FLOAT32.exp(shifted).sum(axis=-1, keepdims=True)
    softmax, log_softmax = IN_FLOAT32.exp(shifted) / total, shifted - IN_FLOAT32.log(total)
    dot = (softmax * cotangent).sum(axis=-1, keepdims=True)
    assert Softmax().forward(certified).within(softmax).all()
    assert Softmax().forward(certified).within(IN_FLOAT32.exp(log_softmax)).all()
    assert Softmax().backward(certified, certified_cotangent).within(softmax * (cotangent - dot)).all()
    assert LogSoftmax().forward(certified).within(log_softmax).all()
    log_cotangent = cotangent - IN_FLOAT32.exp(log_softmax) * cotangent.sum(axis=-1, keepdims=True)
    assert LogSoftmax().backward(certified, certified_cotangent).within(log_cotangent).all()


def test_continuous_activations_leave_nothing_undecided():
    x = RunningError(np.array([-1e-9, 0.0, 1e-9]), np.full(3, 1e-7), TARGET)
    for activation in (Sigmoid(), Tanh(), Softplus(), GELU(), SiLU(), ELU(alpha=1.3), LeakyReLU(), ReLU()):
        assert activation.forward(x).undecided is None


def test_gate_that_rounding_can_turn_over_covers_both_sides():
    x, cotangent = RunningError(np.array([1e-9, 1.0]), np.full(2, 1e-7), TARGET), np.array([3.0, 3.0])
    x_cotangent = ReLU().backward(x, RunningError.exact(cotangent, TARGET))
    assert x_cotangent.undecided.tolist() == [True, False]
    assert x_cotangent.within(np.array([0.0, 3.0])).all()
    assert not x_cotangent.within(np.array([3.0, 0.0]))[1]
