"""Spectral and numerical radius: 50-digit eigenvalues, integer similarities, closed forms of fields of values."""

import math

import mpmath
import numpy as np
import pytest

from refimpl.propagation import log_norm, numerical_radius, spectral_radius
from tests.refimpl.propagation.exact import holds

NILPOTENT = np.array([[0.0, 1.0], [0.0, 0.0]])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_spectral_radius_holds_that_of_50_digits(size):
    rng = np.random.default_rng(size)
    for scale in (1.0, 1e-300, 1e300):
        matrix = rng.normal(size=(size, size)) * scale
        with mpmath.workdps(50):
            eigenvalues, _ = mpmath.eig(mpmath.matrix(matrix.tolist()))
            exact = max(map(abs, eigenvalues))
            assert holds(spectral_radius(matrix), exact, width=1e-11 * exact)


def test_spectral_radius_of_a_rotation_is_its_factor():
    assert holds(spectral_radius(np.array([[3.0, -4.0], [4.0, 3.0]])), 5, width=1e-12)


def test_spectral_radius_of_a_wide_matrix_is_tight():
    rng = np.random.default_rng(0)
    found = spectral_radius(rng.normal(size=(60, 60)))
    assert found.upper - found.lower <= 1e-8 * found.lower


@pytest.mark.parametrize("eigenvalue", [0.99, 1.0, 2.0])
def test_spectral_radius_of_jordan_blocks_holds_the_eigenvalue(eigenvalue):
    assert holds(spectral_radius(np.array([[eigenvalue, 1.0], [0.0, eigenvalue]])), eigenvalue, width=1e-12)


def test_spectral_radius_of_an_exactly_nilpotent_matrix_is_never_claimed_positive():
    """Integers P^-1 N P: computed eigenvalues of it have moduli far above 0."""
    basis = np.tril(np.random.default_rng(0).integers(-3, 4, (8, 8)), -1) + np.eye(8)
    inverse = np.round(np.linalg.inv(basis))
    assert (basis @ inverse == np.eye(8)).all()
    matrix = inverse @ np.diag([2.0] * 7, 1) @ basis
    assert np.abs(np.linalg.eigvals(matrix)).max() > 1e-3
    assert spectral_radius(matrix).lower == 0


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_spectral_radius_of_nearly_defective_matrices_holds_that_of_80_digits(size):
    """Similar to a Jordan block but for their own rounding, which moves eigenvalues by u^(1/n)."""
    basis = np.tril(np.random.default_rng(size).integers(-9, 10, (size, size)), -1) + np.eye(size)
    for eigenvalue in (0.0, 0.1, 1.0):
        block = np.diag([eigenvalue] * size) + np.diag([1.0] * (size - 1), 1)
        matrix = np.linalg.inv(basis) @ block @ basis / 3
        with mpmath.workdps(80):
            eigenvalues, _ = mpmath.eig(mpmath.matrix(matrix.tolist()))
            found = spectral_radius(matrix)
            assert found.lower <= max(map(abs, eigenvalues)) <= found.upper


def test_spectral_radius_of_zeros_is_zero():
    assert spectral_radius(np.zeros((3, 3))) == (0, 0)
    assert spectral_radius(NILPOTENT) == (0, 0)


# --- numerical radius ---


@pytest.mark.parametrize("size", [2, 3, 5, 7])
def test_numerical_radius_of_a_shift_is_a_cosine(size):
    """Its field of values is a disc of radius cos(pi / (n + 1)) (Haagerup & de la Harpe 1992)."""
    exact = math.cos(math.pi / (size + 1))
    found = numerical_radius(np.diag([1.0] * (size - 1), 1))
    assert holds(found, exact, width=1e-7 * exact)


@pytest.mark.parametrize(("first", "second", "off"), [(0.5, -0.25, 3.0), (-0.75, -0.5, 0.125), (2.0, 2.0, 1.0)])
def test_numerical_radius_of_a_triangle_is_that_of_an_ellipse(first, second, off):
    """Foci at the eigenvalues, minor axis |off| (the elliptical range theorem: Horn & Johnson 1991, section 1.3)."""
    exact = (abs(first + second) + math.hypot(first - second, off)) / 2
    found = numerical_radius(np.array([[first, off], [0.0, second]]))
    assert holds(found, exact, width=2e-9 * exact)


@pytest.mark.parametrize(("centre", "upper", "lower"), [(0.5, 3.0, -1.0), (-0.25, 2.0, -1.5), (0.125, 0.5, -4.0)])
def test_numerical_radius_is_found_at_an_angle(centre, upper, lower):
    """[[a, b], [c, a]]: an ellipse around a, semi-axes |b + c| / 2 and |b - c| / 2; farthest where a cosine says."""
    along, across = (upper + lower) / 2, (upper - lower) / 2
    cosine = centre * along / (across**2 - along**2)
    assert 0 < abs(cosine) < 1
    exact = math.hypot(centre + along * cosine, across * math.sqrt(1 - cosine**2))
    found = numerical_radius(np.array([[centre, upper], [lower, centre]]))
    assert holds(found, exact, width=2e-9 * exact)


def test_numerical_radius_of_a_normal_matrix_is_the_spectral_one():
    assert holds(numerical_radius(np.diag([-3.0, -2.0, 1.0])), 3, width=1e-8)
    assert holds(numerical_radius(np.array([[3.0, -4.0], [4.0, 3.0]])), 5, width=1e-8)


@pytest.mark.parametrize(
    ("exponents", "mantissas", "largest"),
    [
        ([0, -762, -526], [[1.25, -1.5, 1.25], [-1, -1, -1.5], [-1, 1, -1]], -1.5),
        ([0, -407, -444, -604], [[-1, -1, 1.25, 1.25], [-1, 1, 1.25, 1], [1, 1, 1.25, -1.5], [0, 1, 1, -1]], 1.25),
    ],
)
def test_a_numerical_radius_is_not_lost_among_entries_whose_squares_underflow(exponents, mantissas, largest):
    """All but one entry are so small that the radius is half of that one, to 150 digits before rounding."""
    exponents = np.array(exponents)
    powers = exponents[:, np.newaxis] - exponents + exponents.min() - 1
    matrix = np.ldexp(mantissas, powers)
    assert np.max(np.abs(matrix)) == abs(largest) / 2
    assert holds(numerical_radius(matrix), abs(largest) / 4, width=1e-7)


def test_norms_of_powers_are_at_most_twice_the_powers_of_the_numerical_radius():
    for seed in range(3):
        matrix = np.random.default_rng(seed).normal(size=(5, 5))
        radius = math.log(numerical_radius(matrix).upper)
        assert all(log_norm([matrix] * k).lower <= math.log(2) + k * radius for k in range(1, 30))
    barely = numerical_radius(1.9 * NILPOTENT)
    assert log_norm([1.9 * NILPOTENT]).upper > math.log(2 * barely.lower)  # attained


@pytest.mark.parametrize("exponent", [-900, 900])
def test_numerical_radius_scales_exactly(exponent):
    matrix = np.random.default_rng(4).normal(size=(3, 3))
    found, scaled = numerical_radius(matrix), numerical_radius(np.ldexp(matrix, exponent))
    assert scaled == tuple(math.ldexp(end, exponent) for end in found)


# --- the ends of the range of floats ---

TINY = 2.0**-1074


@pytest.mark.parametrize("exponent", [300, 600, 1000])
def test_entries_far_apart_have_the_radius_of_their_cycle(exponent):
    matrix = np.array([[0.0, 2.0**exponent], [2.0**-exponent, 0.0]])
    assert holds(spectral_radius(matrix), 1.0, width=1e-13)
    assert holds(spectral_radius(np.array([[2.0**-exponent, 2.0**exponent], [0.0, 0.5]])), 0.5, width=1e-13)


@pytest.mark.parametrize(
    ("matrix", "square"),
    [
        ([[1, 1], [1, 0]], (3 + math.sqrt(5)) / 2),
        ([[0, 1], [2, 0]], 2),
        ([[3, 2], [5, 0]], (3 + math.sqrt(49)) ** 2 / 4),
    ],
)
def test_radii_below_the_normal_floats_are_rounded_outward(matrix, square):
    found = spectral_radius(np.array(matrix) * TINY)
    lower, upper = found.lower / TINY, found.upper / TINY
    assert lower**2 <= square <= upper**2 and upper - lower <= 2


def test_a_numerical_radius_below_the_normal_floats_is_rounded_outward():
    """Symmetric [[7, 1], [1, 4]] times the smallest float: the larger eigenvalue is (11 + sqrt 13) / 2."""
    found = numerical_radius(np.array([[7.0, 1.0], [1.0, 4.0]]) * TINY)
    lower, upper = found.lower / TINY, found.upper / TINY
    assert (2 * lower - 11) ** 2 <= 13 <= (2 * upper - 11) ** 2 and upper - lower <= 2


@pytest.mark.parametrize("function", [spectral_radius, numerical_radius])
def test_a_radius_above_the_floats_is_above_the_largest(function):
    assert function(np.full((10, 10), 1e308)) == (np.finfo(np.float64).max, math.inf)


@pytest.mark.parametrize("function", [spectral_radius, numerical_radius])
@pytest.mark.parametrize(
    ("matrix", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"matrix must be square, got shape \(2, 3\)"),
        (np.ones((0, 0)), ValueError, "matrix must be a matrix with at least one entry"),
        (np.array([[1.0, np.inf], [0.0, 1.0]]), ValueError, r"matrix\[0, 1\] must be finite, got inf"),
        ([[1.0]], TypeError, "matrix must be a floating-point array, got list"),
        (np.eye(2) * 1j, TypeError, "matrix must be an array of"),
    ],
)
def test_bad_input_is_refused(function, matrix, error, message):
    with pytest.raises(error, match=message):
        function(matrix)
