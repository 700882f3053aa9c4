"""The 50-digit array, against rational arithmetic, power series in fractions, and the decimal module."""

import operator
from decimal import Decimal, localcontext
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.arithmetic import constant, erf, erfc, moving_average, pi, rsqrt
from refimpl.arithmetic.multiprecision import DIGITS, Multiprecision

WITHIN = Fraction(1, 10**45)  # relative

RNG = np.random.default_rng(20240229)
NUMBERS = np.concatenate([RNG.standard_normal(7) * 10.0 ** RNG.integers(-3, 2, 7), [1.0, -1.0, 0.5, 0.1, 1e-7, -3.0]])
POSITIVE = np.abs(NUMBERS)


def fraction(number):
    """An mpmath number, a Decimal or a float as the rational number it is."""
    if isinstance(number, mpmath.mpf):
        sign, mantissa, exponent, _ = number._mpf_
        return Fraction(-mantissa if sign else mantissa) * Fraction(2) ** exponent
    return Fraction(number)


def assert_equal_to_45_digits(found, expected):
    assert isinstance(found, Multiprecision)
    assert found.value.size == len(expected)
    for x, y in zip(found.value.ravel(), expected, strict=True):
        assert abs(fraction(x) - fraction(y)) <= WITHIN * abs(fraction(y)), (x, y)


def decimal(function):
    """A function of Decimals evaluated at floats, with digits enough for terms up to 10**190 that cancel."""

    def evaluate(*numbers):
        with localcontext() as context:
            context.prec = 500
            return function(*(Decimal(x) for x in numbers))

    return evaluate


def series(term, ratio):
    """term + term * ratio(1) + term * ratio(1) * ratio(2) + ..., for as long as it matters."""
    total, n = Decimal(0), 0
    while abs(term) > Decimal(10) ** -300:
        total, n = total + term, n + 1
        term = term * ratio(n)
    return total


def sine(x):
    return series(x, lambda n: -x * x / (2 * n * (2 * n + 1)))


def cosine(x):
    return series(Decimal(1), lambda n: -x * x / (2 * n * (2 * n - 1)))


def arc_tangent_of_reciprocal(k):
    return series(1 / k, lambda n: -1 / (k * k) * (2 * n - 1) / (2 * n + 1))


def machin():
    return 16 * arc_tangent_of_reciprocal(Decimal(5)) - 4 * arc_tangent_of_reciprocal(Decimal(239))


PI = decimal(machin)()


def error_function(x):
    return 2 / PI.sqrt() * series(x, lambda n: -x * x / n * (2 * n - 1) / (2 * n + 1))


def hyperbolic_tangent(x):
    return 1 - 2 / ((2 * x).exp() + 1)


def test_pi():
    assert_equal_to_45_digits(pi(Multiprecision(0.0)), [PI])


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv])
def test_arithmetic_is_that_of_fractions(operation):
    a, b = NUMBERS, NUMBERS[::-1] + 0.3
    exact = [operation(Fraction(x), Fraction(y)) for x, y in zip(a, b, strict=True)]
    assert_equal_to_45_digits(operation(Multiprecision(a), b), exact)
    assert_equal_to_45_digits(operation(a, Multiprecision(b)), exact)


@pytest.mark.parametrize(
    ("rule", "exact"),
    [
        (lambda x: -x, lambda x: -Fraction(x)),
        (lambda x: +x, Fraction),
        (abs, lambda x: abs(Fraction(x))),
        (np.square, lambda x: Fraction(x) ** 2),
        (np.reciprocal, lambda x: 1 / Fraction(x)),
        (lambda x: x**3, lambda x: Fraction(x) ** 3),
        (lambda x: np.float_power(x, -2), lambda x: Fraction(x) ** -2),
        (np.sign, lambda x: Fraction((x > 0) - (x < 0))),
        (lambda x: np.maximum(x, 0.25), lambda x: max(Fraction(x), Fraction(0.25))),
        (lambda x: np.minimum(x, 0.25), lambda x: min(Fraction(x), Fraction(0.25))),
        (lambda x: np.clip(x, -0.5, 0.5), lambda x: min(max(Fraction(x), Fraction(-0.5)), Fraction(0.5))),
        (lambda x: np.where(x > 0, x, 2.0), lambda x: Fraction(x) if x > 0 else Fraction(2)),
        (lambda x: moving_average(x, 3.0, 0.9), lambda x: Fraction(0.9) * Fraction(x) + (1 - Fraction(0.9)) * 3),
        (np.sin, decimal(sine)),
        (np.cos, decimal(cosine)),
        (np.exp, decimal(Decimal.exp)),
        (np.expm1, decimal(lambda x: x.exp() - 1)),
        (np.tanh, decimal(hyperbolic_tangent)),
        (erf, decimal(error_function)),
    ],
)
def test_a_rule_for_all_numbers(rule, exact):
    assert_equal_to_45_digits(rule(Multiprecision(NUMBERS)), [exact(x) for x in NUMBERS.tolist()])


@pytest.mark.parametrize(
    ("rule", "exact"),
    [
        (np.sqrt, decimal(Decimal.sqrt)),
        (rsqrt, decimal(lambda x: 1 / x.sqrt())),
        (np.log, decimal(Decimal.ln)),
        (np.log1p, decimal(lambda x: (1 + x).ln())),
        (lambda x: x**0.7, decimal(lambda x: x ** Decimal.from_float(0.7))),
        (lambda x: np.power(1.7, x), decimal(lambda x: Decimal.from_float(1.7) ** x)),
    ],
)
def test_a_rule_for_positive_numbers(rule, exact):
    numbers = POSITIVE[POSITIVE != 1]  # log is 0 there: below
    assert_equal_to_45_digits(rule(Multiprecision(numbers)), [exact(x) for x in numbers.tolist()])


def test_erfc_is_one_minus_erf_without_its_cancellation():
    complement = decimal(lambda x: 1 - error_function(x))
    numbers = [*NUMBERS.tolist(), 9.5, 20.0]
    assert_equal_to_45_digits(erfc(Multiprecision(numbers)), [complement(x) for x in numbers])


def test_sums_means_and_products_of_matrices_are_those_of_fractions():
    a, b = RNG.standard_normal((3, 5)) * 10.0 ** RNG.integers(-8, 8, (3, 5)), RNG.standard_normal((5, 2))
    exact = [[Fraction(x) for x in row] for row in a.tolist()]
    digits = Multiprecision(a)
    assert_equal_to_45_digits(digits.sum(axis=1), [sum(row) for row in exact])
    assert_equal_to_45_digits(
        np.sum(digits, axis=0, keepdims=True), [sum(column) for column in zip(*exact, strict=True)]
    )
    assert_equal_to_45_digits(np.mean(digits), [sum(map(sum, exact)) / 15])
    products = [
        sum(x * Fraction(y) for x, y in zip(row, column, strict=True)) for row in exact for column in b.T.tolist()
    ]
    assert_equal_to_45_digits(digits @ b, products)
    assert (a[:, :0] @ Multiprecision(b[:0])).to_float64().tolist() == [[0.0, 0.0]] * 3


def test_extremes_comparisons_and_moves_are_those_of_numpy():
    a = RNG.permutation(np.arange(15.0)).reshape(3, 5) / 8
    digits = Multiprecision(a)
    assert np.array_equal(np.max(digits, axis=1).to_float64(), np.max(a, axis=1))
    assert np.array_equal(np.min(digits, axis=0, keepdims=True).to_float64(), np.min(a, axis=0, keepdims=True))
    for compare in (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne):
        assert np.array_equal(compare(digits, 1.0), compare(a, 1.0))
    assert np.array_equal(
        np.concatenate([digits.T[::2], np.ones((1, 3))]).to_float64(), np.vstack([a.T[::2], np.ones(3)])
    )
    assert np.array_equal(np.stack([digits, digits])[1, 2].to_float64(), a[2])
    assert np.array_equal(constant(a, digits).to_float64(), a)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (lambda one: np.sqrt(-one), np.nan),
        (lambda one: np.log(-one), np.nan),
        (lambda one: (-one) ** 0.5, np.nan),
        (lambda one: (one - 1) / (one - 1), np.nan),
        (lambda one: np.log(one - 1), -np.inf),
        (lambda one: np.log1p(-one), -np.inf),
        (lambda one: np.log(one), 0.0),
        (lambda one: -one / (one - 1), -np.inf),
        (lambda one: (one - 1) ** -0.3, np.inf),
        (lambda one: np.float_power(one - 1, -1), np.inf),
        (lambda one: np.maximum(np.sqrt(-one), one), np.nan),
        (lambda one: np.exp(one * np.inf) ** 0, 1.0),
        (lambda one: np.exp(np.exp(np.exp(20 * one))), np.inf),  # mpmath alone would fill the memory
        (lambda one: np.exp(-np.exp(np.exp(20 * one))), 0.0),
        (lambda one: erfc(1e300 * one), 0.0),
    ],
)
def test_outside_domain_and_range_results_are_those_of_ieee_754(rule, expected):
    assert np.array_equal(rule(Multiprecision(np.ones(2))).to_float64(), [expected] * 2, equal_nan=True)


def test_fifty_digits_survive_cancellation_that_float64_does_not():
    found = fraction(((1 + Multiprecision(1e-30)) - 1).value.item())
    assert abs(found - Fraction(1e-30)) <= Fraction(1, 10 ** (DIGITS - 1))
    assert (1 + 1e-30) - 1 == 0


def test_to_float64_rounds_to_nearest():
    exact = [
        Fraction(int(n), 10**k) for n, k in zip(RNG.integers(1, 10**9, 200), RNG.integers(0, 60, 200), strict=True)
    ]
    with mpmath.workdps(DIGITS):
        digits = Multiprecision([mpmath.mpf(x.numerator) / x.denominator for x in exact])
    assert digits.to_float64().tolist() == [float(x) for x in exact]


def test_arrays_keep_their_shape_when_empty_or_zero_dimensional():
    assert Multiprecision(0.5).shape == ()
    assert (Multiprecision(0.5) * 2).to_float64() == 1.0
    assert np.exp(Multiprecision(np.zeros((0, 3)))).shape == (0, 3)
    assert Multiprecision(np.zeros((0, 3))).sum(axis=0).to_float64().tolist() == [0.0] * 3
