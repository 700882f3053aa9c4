"""Gains of products: exact integers at depth 10 000, closed forms of powers, theorems on singular values, bad input."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from refimpl.propagation import log_gain, log_norm, log_singular_value_bounds, mean_log_singular_value, transient
from tests.refimpl.propagation.exact import exact_product, holds, log_euclidean, log_norm_of_two_by_two

RIGHT, LEFT = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])


def integers(shapes, seed):
    """Matrices of full rank."""
    rng, found = np.random.default_rng(seed), []
    while len(found) < len(shapes):
        matrix = rng.integers(-3, 4, shapes[len(found)]).astype(float)
        if np.linalg.matrix_rank(matrix) == min(matrix.shape):
            found.append(matrix)
    return found


def test_matrices_in_one_array_are_those_in_a_list():
    matrices = integers([(3, 3)] * 4, seed=1)
    assert log_norm(np.stack(matrices)) == log_norm(matrices)


# --- rounding ---


@pytest.mark.parametrize("size", [2, 5])
def test_gain_at_depth_10000_is_the_exact_one_to_1e_8(size):
    matrices, vector = integers([(size, size)] * 10_000, seed=size), np.arange(1.0, size + 1)
    exact = exact_product(matrices, vector)
    with mpmath.workdps(50):
        assert holds(log_gain(matrices, vector), log_euclidean(exact) - log_euclidean(vector), width=1e-8)


def test_gain_of_a_cotangent_takes_transposes_in_reverse():
    matrices, cotangent = integers([(3, 2), (7, 3), (5, 7)], seed=0), np.array([1.0, -2.0, 0.0, 3.0, 1.0])
    product = exact_product(matrices, np.eye(2))
    found = log_gain([matrix.T for matrix in reversed(matrices)], cotangent)
    expected = log_euclidean(product.T @ cotangent.astype(int)) - log_euclidean(cotangent)
    assert holds(found, expected, width=1e-13)


def test_norm_at_depth_10000_is_the_exact_one_to_1e_9():
    matrices = [RIGHT, LEFT] * 5000
    assert holds(log_norm(matrices), log_norm_of_two_by_two(exact_product(matrices, np.eye(2))), width=1e-9)


def test_norm_of_products_with_signs_is_the_exact_one():
    for depth in (1, 2, 7, 300):
        matrices = integers([(2, 2)] * depth, seed=depth)
        exact = exact_product(matrices, np.eye(2))
        assert holds(log_norm(matrices), log_norm_of_two_by_two(exact), width=1e-9)


@pytest.mark.parametrize("factor", [2.0**1000, 2.0**-1000])
def test_nothing_overflows_or_vanishes(factor):
    """A power of two per layer adds its logarithm, exactly but for the rounding of the sum."""
    shapes = [(3, 2), (5, 3), (7, 5), (2, 7)]
    matrices, vector = integers(shapes, seed=3), np.array([1.0, 2.0])
    scaled = [matrix * factor for matrix in matrices] * 25
    exact = exact_product(matrices * 25, vector)
    with mpmath.workdps(50):
        expected = log_euclidean(exact) - log_euclidean(vector) + 100 * mpmath.log(mpmath.mpf(factor))
        assert holds(log_gain(scaled, vector), expected, width=1e-9)


def test_a_product_that_is_zero_has_gain_minus_infinity():
    zero = [np.diag([0.0, 2.0]), np.diag([2.0, 0.0])]
    assert log_norm(zero) == (-math.inf, -math.inf) == log_gain(zero, np.array([1.0, 3.0]))


def test_rounding_that_decides_the_result_is_in_the_bracket():
    """An integer matrix with A^4 = 0, halved and thirded: in float64 its powers never vanish."""
    basis = np.array([[1.0, 0, 0, 0], [7, 1, 0, 0], [-5, 11, 1, 0], [3, -9, 8, 1]])
    inverse = np.round(np.linalg.inv(basis))
    assert (basis @ inverse == np.eye(4)).all()
    nilpotent = inverse @ np.diag([3.0, 5.0, 7.0], 1) @ basis / 3
    assert log_norm([nilpotent] * 60).lower == -math.inf
    unsure = log_norm([nilpotent] * 6)
    assert unsure.lower == -math.inf and unsure.upper > log_norm([nilpotent] * 3).lower - 40


# --- singular values ---


def test_gains_lie_between_the_bounds():
    matrices, rng = integers([(2, 2), (3, 2), (5, 3), (7, 5)], seed=1), np.random.default_rng(0)
    bounds = log_singular_value_bounds(matrices)
    assert bounds.lower > -math.inf
    for _ in range(20):
        gain = log_gain(matrices, rng.normal(size=2))
        assert bounds.lower < gain.lower and gain.upper < bounds.upper


def test_bounds_meet_for_multiples_of_rotations_at_depth_10000():
    rotation = np.array([[3.0, -4.0], [4.0, 3.0]])
    bounds = log_singular_value_bounds([rotation] * 10_000)
    with mpmath.workdps(50):
        assert holds(bounds, 10_000 * mpmath.log(5), width=1e-9)
        assert holds(log_norm([rotation] * 10_000), 10_000 * mpmath.log(5), width=1e-8)


def test_slopes_of_activations_widen_the_bounds():
    matrices = [np.diag([2.0, 3.0]), np.diag([5.0, 7.0])]
    bounds = log_singular_value_bounds(matrices, slopes=(0.5, 1.25))
    with mpmath.workdps(50):
        lower, upper = mpmath.log(mpmath.mpf(10) / 4), mpmath.log(mpmath.mpf(21) * 25 / 16)
        assert 0 <= lower - bounds.lower <= 1e-13 and 0 <= bounds.upper - upper <= 1e-13
    assert log_singular_value_bounds(matrices, slopes=(0.0, 1.0)).lower == -math.inf


@pytest.mark.parametrize("matrix", [np.eye(2, 3), np.ones((3, 3)), np.zeros((3, 2))])
def test_no_gain_is_guaranteed_where_a_direction_is_lost(matrix):
    assert log_singular_value_bounds([matrix]).lower == -math.inf


def test_a_zero_layer_has_no_gain_at_all():
    assert log_singular_value_bounds([np.ones((3, 2)), np.zeros((5, 3))]) == (-math.inf, -math.inf)


def test_mean_of_logarithms_is_that_of_the_determinant():
    matrices = integers([(3, 3)] * 50, seed=11)
    determinant = Fraction(1)
    for (a, b, c), (d, e, f), (g, h, i) in (matrix.astype(int).tolist() for matrix in matrices):
        determinant *= a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    assert determinant
    found = mean_log_singular_value(matrices)
    with mpmath.workdps(50):
        assert holds(found, mpmath.log(abs(determinant.numerator)) / 3, width=1e-10)
    assert log_norm(matrices).upper > found.lower


def turned_blocks(depth):
    """Layers Q J Q^T whose every eigenvalue is 1.1, each turned so that the vector meets the least singular value."""
    block, vector, layers = np.array([[1.1, 10.0], [0.0, 1.1]]), np.array([1.0, 0.0]), []
    cosine, sine = np.linalg.svd(block)[2][-1]
    for _ in range(depth):
        turn = np.array([[vector[0], -vector[1]], [vector[1], vector[0]]]) @ np.array([[cosine, sine], [-sine, cosine]])
        layers.append(turn @ block @ turn.T)
        vector = layers[-1] @ vector
        vector /= np.linalg.norm(vector)
    return layers


def test_eigenvalues_above_one_let_a_vector_vanish_but_not_all():
    layers = turned_blocks(8)
    a, b = Fraction(1), Fraction(0)
    for (p, q), (r, s) in ([[Fraction(entry) for entry in row] for row in layer.tolist()] for layer in layers):
        a, b = p * a + q * b, r * a + s * b
    found, mean = log_gain(layers, np.array([1.0, 0.0])), mean_log_singular_value(layers)
    with mpmath.workdps(50):
        square = a * a + b * b
        assert holds(found, mpmath.log(mpmath.mpf(square.numerator) / square.denominator) / 2, width=0.1)
        assert holds(mean, 8 * mpmath.log(mpmath.mpf("1.1")), width=1e-11)
    assert found.upper < -16 < 0 < mean.lower < log_norm(layers).lower


def test_what_rounding_of_the_layers_above_magnifies_is_not_claimed():
    """Four layers more, and float64 says nothing about the gain that is left."""
    assert log_gain(turned_blocks(12), np.array([1.0, 0.0])).lower == -math.inf


# --- transients ---


def power_of_jordan_block(eigenvalue, k):
    """log of the norm of the k-th power of a block of size 2, whose entries are known."""
    with mpmath.workdps(50):
        power, off = mpmath.mpf(eigenvalue) ** k, k * mpmath.mpf(eigenvalue) ** (k - 1)
        return mpmath.log((off + mpmath.sqrt(off**2 + 4 * power**2)) / 2)


def test_jordan_block_peaks_and_decays_where_its_closed_form_does():
    found = transient(np.array([[0.99, 1.0], [0.0, 0.99]]))
    assert (found.power, found.decays_at) == (99, 645)
    assert holds(found.log_peak, power_of_jordan_block(0.99, 99), width=1e-12)
    assert f"{math.exp(found.log_peak.lower):.3f}" == "36.977"
    norms = [power_of_jordan_block(0.99, k) for k in range(1, 646)]
    assert max(range(645), key=norms.__getitem__) == 98
    assert norms[643] > 0 > norms[644]


def test_a_contraction_peaks_at_once():
    found = transient(np.array([[0.5, 0.25], [0.0, 0.5]]))
    assert (found.power, found.decays_at) == (1, 1)


def test_small_entries_may_have_a_norm_above_one():
    """u v' with v' u = 1/4: the k-th power is (v' u)**(k - 1) u v', of norm 7/4 and 7/16, all entries at most 1/4."""
    signs = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    for scale in (1.0, 1.5):
        found = transient(scale / 4 * np.outer(np.ones(7), signs))
        assert (found.power, found.decays_at) == (1, 2)
        with mpmath.workdps(50):
            assert holds(found.log_peak, mpmath.log(mpmath.mpf(7 * scale) / 4), width=1e-11)


def test_a_triangle_peaks_and_decays_where_exact_powers_do():
    matrix = np.array([[0.5, 100.0, 0.0], [0.0, 0.625, 100.0], [0.0, 0.0, 0.75]])
    found, power, norms = transient(matrix), np.eye(3, dtype=int).astype(object), []
    exact = np.array([[Fraction(entry) for entry in row] for row in matrix.tolist()])
    with mpmath.workdps(50):
        for _ in range(found.decays_at):
            power = exact @ power
            entries = [[mpmath.mpf(entry.numerator) / entry.denominator for entry in row] for row in power]
            norms.append(max(mpmath.svd_r(mpmath.matrix(entries), compute_uv=False)))
        assert holds(found.log_peak, mpmath.log(max(norms)), width=1e-12)
        assert norms.index(max(norms)) == found.power - 1
        assert norms[-1] < 1 <= norms[-2]


def test_entries_of_powers_further_apart_than_floats_reach_are_told_apart():
    """Powers of a block of size 5: that of k - 4 from 1/2, times k over 4 and 1e800, is below 1 from k = 2703 on."""
    found = transient(np.diag([1e200] * 4, 1) + np.diag([0.5] * 5))
    corner = [Fraction(1e200) ** 4 * math.comb(k, 4) / Fraction(2) ** (k - 4) for k in (2702, 2703)]
    assert found.decays_at == 2703 and corner[1] < 1 < corner[0]
    assert found.log_peak.upper - found.log_peak.lower < 1e-11


def test_a_nilpotent_matrix_decays_where_its_power_is_zero_exactly():
    """In float64 that power is about 1e-2; whole numbers say that it is zero."""
    basis = np.tril(np.full((7, 7), 9.0), -1) + np.eye(7)
    matrix = np.round(np.linalg.inv(basis)) @ np.diag([90.0] * 6, 1) @ basis
    assert log_norm([matrix] * 7).lower == -math.inf
    assert transient(matrix).decays_at == 7


def test_a_decay_that_rounding_decides_on_is_refused():
    """A rotation, rounded: of its powers float64 cannot tell, and soon whole numbers are too long."""
    with pytest.raises(ValueError, match="their rounding decides on whether power"):
        transient(np.kron(np.eye(4), np.array([[0.6, -0.8], [0.8, 0.6]])) * (1 + 2**-50))


def test_no_power_before_the_decay_has_a_norm_below_one():
    """Rank one: the squared norm is the sum of the squares, 1 - 8.3e-17 here, which float64 rounds to 1."""
    matrix = np.array([[0.8583300622574335, 0.5044719171441998], [0.08077117282621828, 0.04747216740662976]])
    square = sum(Fraction(entry) ** 2 for entry in matrix.ravel().tolist())
    assert 1 - Fraction(1, 10**16) < square < 1
    assert transient(matrix).decays_at == 1


def test_a_norm_of_exactly_one_does_not_decay_yet():
    assert transient(np.array([[0.0, 1.0], [0.5, 0.0]])).decays_at == 2


def test_a_matrix_that_is_its_own_inverse_never_decays():
    with pytest.raises(ValueError, match=r"rounding decides|no power up to longest"):
        transient(np.array([[0.0, 2.0**600], [2.0**-600, 0.0]]))


def test_of_powers_with_one_norm_the_peak_holds_all():
    found = transient(np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    with mpmath.workdps(50):
        assert holds(found.log_peak, mpmath.log(2), width=1e-13)
    assert found.decays_at == 3


@pytest.mark.parametrize(
    ("matrix", "least"),
    [
        ([[1.5, 3.0], [0.0, 0.25]], "1.49999"),
        ([[0.0, 2.0], [1.0, 0.0]], "1.41421"),  # eigenvalues of both signs
        ([[0.0, 2.0**400], [2.0**400, 0.0]], "2.58224"),  # squares of these entries leave float64
    ],
)
def test_a_matrix_whose_powers_never_decay_is_refused_with_its_spectral_radius(matrix, least):
    """Whatever `longest` is: raising it would not help, and is not advised."""
    with pytest.raises(ValueError, match=rf"spectral radius is at least {least}.*log_norm\(\[matrix\] \* d") as caught:
        transient(np.array(matrix), longest=1)
    assert "longest" not in str(caught.value)


def test_a_decay_that_comes_later_than_the_longest_power_is_said_to_come():
    matrix = np.array([[0.99, 1.0], [0.0, 0.99]])
    with pytest.raises(
        ValueError, match=r"no power up to longest=644 .* is in \[0\.9.*, 0\.9.*\], so a later one has: raise"
    ):
        transient(matrix, longest=644)
    assert transient(matrix, longest=645).decays_at == 645


def test_a_decay_that_the_spectral_radius_leaves_open_is_not_promised():
    with pytest.raises(ValueError, match=r"no power up to longest=50 .* is in \[0\.9.*, 1\.0.*\], which leaves open"):
        transient(np.array([[1.0, 1.0], [0.0, 1.0]]), longest=50)


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: log_norm(5.0), TypeError, "matrices must be a sequence of matrices, got float"),
        (lambda: log_norm(np.ones((2, 2))), TypeError, "matrices must be a sequence of matrices, got ndarray"),
        (lambda: log_norm([]), ValueError, "matrices must have at least one"),
        (lambda: log_norm([np.ones(3)]), ValueError, r"matrices\[0\] must be a matrix .* got shape \(3,\)"),
        (lambda: log_norm([np.ones((2, 2), dtype=int)]), TypeError, r"matrices\[0\] must be an array of"),
        (lambda: log_norm([np.eye(2), np.array([[1.0, np.nan]])]), ValueError, r"matrices\[1\]\[0, 1\] must be finite"),
        (lambda: log_norm([np.ones((3, 2)), np.ones((3, 2))]), ValueError, r"matrices\[1\] of shape \(3, 2\)"),
        (lambda: log_gain([np.ones((3, 2))], np.ones(3)), ValueError, "vector must have the 2 inputs"),
        (lambda: log_gain([np.ones((3, 2))], np.zeros(2)), ValueError, "vector must not be zero"),
        (lambda: mean_log_singular_value([np.ones((3, 2))]), ValueError, r"matrices\[0\] must be square"),
        (lambda: log_singular_value_bounds([np.eye(2)], slopes=1.0), TypeError, "slopes must be a tuple"),
        (lambda: log_singular_value_bounds([np.eye(2)], slopes=(1.0, 0.5)), ValueError, r"slopes must be \(least"),
        (lambda: log_singular_value_bounds([np.eye(2)], slopes=(-1.0, 0.5)), ValueError, r"slopes\[0\] must be a fin"),
        (lambda: transient(np.ones((2, 3))), ValueError, "matrix must be square"),
        (lambda: transient(np.eye(2), longest=0), ValueError, "longest must be an integer >= 1, got 0"),
        (lambda: transient(np.eye(2), longest=1.0), TypeError, "longest must be an integer >= 1, got float 1.0"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
