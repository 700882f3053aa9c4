"""Products of matrices: what eigenvalues, singular values, resolvents and determinants say about them, and what not."""

from __future__ import annotations

import math
from bisect import bisect_left
from fractions import Fraction

import numpy as np
import pytest

from conformance.case import case
from refimpl.arithmetic import FLOAT32, RunningError
from refimpl.propagation import (
    Bracket,
    joint_spectral_radius,
    log_gain,
    log_norm,
    log_singular_value_bounds,
    mean_log_singular_value,
    numerical_radius,
    spectral_radius,
    transient,
)

FIRST, SECOND = np.eye(2)


def exact(subject, number: float) -> RunningError:
    return RunningError.exact(float(number), subject.target)


def log(subject, number: float) -> RunningError:
    return np.log(exact(subject, number))


def hold(subject, compare, found: Bracket, closed: RunningError, what: str, **where) -> None:
    """Holds the middle of a bracket against a closed form: within half the width, and the error of evaluating that."""
    middle = (found.lower + found.upper) / 2
    half = max(found.upper - middle, middle - found.lower)
    bound = np.nextafter(closed.bound + half, np.inf)
    compare.within(np.array(middle), RunningError(closed.value, bound, closed.target), what, **where)


# --- one matrix, repeated ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("eigenvalue", [0.75, 0.99])
@case(
    statement="Powers of a 2x2 Jordan block with eigenvalue x < 1 and a one beside it grow up to power "
    "ceil(x / (1 - x)); for 0.99 to 37-fold at power 99, and no power below 645 is smaller than 1.",
    source="Horn & Johnson 2013, section 3.2.5; ||J^k|| = x^k exp(asinh(k / (2 x))) derived here",
    kind="analytic",
    catches="decay at the rate of the eigenvalue expected from the first power on",
    capability="theorem",
)
def test_jordan_blocks_peak_before_they_decay(subject, compare, eigenvalue):
    block = np.array([[eigenvalue, 1.0], [0.0, eigenvalue]])
    compare.example(matrices=[block.tolist()])
    found, rational = transient(block), Fraction(eigenvalue)
    peak = math.ceil(rational / (1 - rational))
    compare.equal(np.array(float(found.power)), peak, "power of the peak", eigenvalue=eigenvalue)
    # ||J^k|| = (b + sqrt(b^2 + 4 a^2)) / 2 is below 1 exactly when b + a^2 < 1, for a = x^k beside b = k x^(k - 1).
    # It is log-concave in k, so that it falls through 1 once.
    decays_at = bisect_left(range(1000), True, lo=1, key=lambda k: k * rational ** (k - 1) + rational ** (2 * k) < 1)
    compare.equal(np.array(float(found.decays_at)), decays_at, "first power below 1", eigenvalue=eigenvalue)
    x, k = exact(subject, eigenvalue), exact(subject, peak)
    closed = (k - 1.0) * np.log(x) + np.log((k + np.sqrt(k * k + 4.0 * x * x)) / 2.0)
    hold(subject, compare, found.log_peak, closed, "log of the largest norm", eigenvalue=eigenvalue)


@case(
    statement="Powers of the Jordan block of size 3 with eigenvalue x have entries binomial(k, j - i) x^(k - j + i).",
    source="Horn & Johnson 2013, section 3.2.5",
    kind="exact",
    catches="powers taken elementwise; decay at the rate of the eigenvalue expected from the first power on",
    capability="theorem",
)
def test_powers_of_a_jordan_block_are_binomials(subject, compare):
    block = 0.75 * np.eye(3) + np.diag([1.0, 1.0], 1)
    compare.example(matrices=[block.tolist()])
    power = np.eye(3)
    for k in range(1, 21):  # so far the numbers fit into 53 bits
        power = block @ power
        by_diagonal = [math.comb(k, above) * 0.75 ** max(k - above, 0) for above in range(3)]
        expected = sum(entry * np.diag(np.ones(3 - above), above) for above, entry in enumerate(by_diagonal))
        compare.equal(power, expected, "power of the block", power=k)


@case(
    statement="Norms of powers lie between rho^k and kappa rho^k, for the spectral radius rho and the condition number "
    "kappa of the eigenvectors; one matrix, with kappa 32, attains the first at even k and the second at odd ones.",
    source="Gelfand's formula: Horn & Johnson 2013, corollary 5.6.14; the bounds from A^k = V D^k V^-1; the matrix, a "
    "multiple of an oblique reflection, derived here",
    kind="analytic",
    catches="an eigenvalue taken for a norm; a power one off",
    capability="theorem",
)
def test_powers_lie_between_radius_and_condition_number(subject, compare):
    matrix = np.array([[0.5, -1023 / 64], [0.0, -0.5]])
    vectors = np.array([[1025.0, 1023.0], [0.0, 64.0]])  # the eigenvectors, both of length 1025
    compare.example(matrices=[matrix.tolist()], eigenvectors=vectors.tolist())
    compare.equal(matrix @ vectors, vectors * [0.5, -0.5], "matrix times eigenvectors")
    # kappa(V) = ||V||^2 / |det V| of two columns: 1025 * 2048 / (1025 * 64)
    of_vectors = (log(subject, 1025) + 11.0 * log(subject, 2)) / 2.0
    hold(subject, compare, log_norm([vectors]), of_vectors, "log of the norm of the eigenvectors")
    hold(subject, compare, spectral_radius(matrix), exact(subject, 0.5), "spectral radius")
    for power in range(1, 41):
        closed = (5.0 * (power % 2) - power) * log(subject, 2)
        hold(subject, compare, log_norm([matrix] * power), closed, "log of the norm", power=power)


@case(
    statement="For K = sup (|z| - 1) ||(z - A)^-1|| over |z| > 1, the largest norm of a power, A^0 included, is "
    "between K and e d K; the expression at one z proves the lower bound, and must not be taken for K in the upper.",
    source="the Kreiss matrix theorem with the constant of Spijker 1991: Trefethen & Embree 2005, Spectra and "
    "Pseudospectra, section 18; K = 5/3 of [[0, 6], [0, 0]] derived here",
    kind="analytic",
    catches="the maximum over a grid of z taken for K in the upper bound",
    capability="theorem",
)
def test_kreiss_constant_bounds_the_largest_power(subject, compare):
    nilpotent, identity = np.array([[0.0, 6.0], [0.0, 0.0]]), np.eye(2)
    compare.example(matrices=[nilpotent.tolist()], kreiss_constant="5/3, at |z| = 9/4")
    # ||M^-1|| = ||M|| / |det M| for two by two, so that the expression is (z - 1) ||z - A|| / z^2. It depends on |z|
    # alone, and its derivative has one zero, at 9/4.
    at_maximum = log_norm([2.25 * identity - nilpotent])
    hold(subject, compare, at_maximum, log(subject, 6.75), "log ||z - A|| at the maximum")  # K = 5/4 * 27/4 * 16/81
    for z in (1.0625, 1.5, 2.0, 2.5, 4.0, 64.0):
        limit = math.log(5 / 3 * z**2 / (z - 1))
        compare.at_most(log_norm([z * identity - nilpotent]).upper, limit, "log ||z - A||, and what K allows", z=z)
    largest = log_norm([nilpotent])  # the next power is 0
    hold(subject, compare, largest, log(subject, 6), "log of the largest norm")
    compare.at_most(math.log(5 / 3), largest.lower, "log of K, and of the largest norm")
    compare.at_most(largest.upper, 1 + math.log(2 * 5 / 3), "log of the largest norm, and of e d K")
    far = log_norm([64 * identity - nilpotent]).upper + math.log(63 / 64**2)
    compare.exceeds(largest.lower, 1 + math.log(2) + far, "log of the largest norm, beyond e d times one z", z=64.0)


@case(
    statement="One z proves a transient that eigenvalues do not show: all are 63/64, and some power has a norm of 16.",
    source="the lower bound of the Kreiss matrix theorem: Trefethen & Embree 2005, Spectra and Pseudospectra, "
    "section 18",
    kind="analytic",
    catches="a spectral radius below 1 taken for a norm below 1",
    capability="theorem",
)
def test_one_resolvent_proves_a_transient(subject, compare):
    block, z = np.array([[63 / 64, 1.0], [0.0, 63 / 64]]), 65 / 64
    compare.example(matrices=[block.tolist()], z=z)
    # (z - 1) ||(z - A)^-1|| = ||z - A|| / 64 * 32^2 = 16 ||z - A||
    closed = np.log((1.0 + np.sqrt(exact(subject, 1 + 4 / 32**2))) / 2.0)
    found = log_norm([z * np.eye(2) - block])
    hold(subject, compare, found, closed, "log ||z - A||")
    peak = transient(block).log_peak
    compare.at_most(math.log(16) + found.upper, peak.lower, "log by one z, and of the largest norm")


@case(
    statement="The norm of power k is at most twice the k-th power of the numerical radius, and attains that.",
    source="||A|| <= 2 w(A), and the power inequality of Berger 1965 (Pearcy 1966, Michigan Mathematical Journal 13); "
    "matrices that attain it: Crabb 1971, Michigan Mathematical Journal 18",
    kind="analytic",
    catches="the spectral radius, or a norm, taken for the numerical radius",
    capability="theorem",
)
def test_numerical_radius_bounds_every_power(subject, compare):
    attaining = {1: np.array([[0.0, 6.0], [0.0, 0.0]]), 2: np.diag([2.0, 2.0], 1)}
    radius = {1: exact(subject, 3), 2: np.sqrt(exact(subject, 2))}
    compare.example(matrices=[matrix.tolist() for matrix in attaining.values()])
    for power, matrix in attaining.items():
        hold(subject, compare, numerical_radius(matrix), radius[power], "numerical radius", attained_at=power)
        twice = log(subject, 2) + float(power) * np.log(radius[power])
        hold(subject, compare, log_norm([matrix] * power), twice, "log of the norm", power=power)
    block = np.array([[0.5, 0.75], [0.0, 0.5]])
    hold(subject, compare, numerical_radius(block), exact(subject, 0.875), "numerical radius of a Jordan block")
    for power in range(1, 41):
        limit = math.log(2) + power * math.log(0.875)
        compare.at_most(log_norm([block] * power).upper, limit, "log of the norm, and what 7/8 allows", power=power)


@case(
    statement="A turn times 5/4 multiplies every norm by 5/4, whatever the signs of the entries: of a normal matrix, "
    "the modulus of the eigenvalues sets the rate from the first power on.",
    source="||A^k|| = rho^k of a normal matrix: Horn & Johnson 2013, section 2.5",
    kind="analytic",
    catches="a real part, or the sign of an entry, taken for the rate",
    capability="theorem",
)
def test_normal_powers_grow_by_the_modulus(subject, compare):
    turn, vector = np.array([[0.75, -1.0], [1.0, 0.75]]), np.array([2.0, -7.0])
    compare.example(matrices=[turn.tolist()])
    hold(subject, compare, spectral_radius(turn), exact(subject, 1.25), "modulus of the eigenvalues")
    for power in range(1, 41):
        closed = float(power) * log(subject, 1.25)
        hold(subject, compare, log_norm([turn] * power), closed, "log of the norm", power=power)
        hold(subject, compare, log_gain([turn] * power, vector), closed, "log of the gain of a vector", power=power)


# --- in floating point ---------------------------------------------------------------------------------------------


def thrice_nilpotent(size: int) -> np.ndarray:
    """3 C, for C the companion matrix of (x + 1)^size plus the identity: integers, and C^size is exactly 0."""
    matrix = np.eye(size) + np.diag(np.ones(size - 1), 1)
    matrix[-1] -= [math.comb(size, j) for j in range(size)]
    return 3 * matrix


@case(
    statement="A matrix of integers whose 12th power is 0, without a rounding: computed eigenvalues of 64 times it "
    "have moduli above 10, and say that powers explode.",
    source="computed eigenvalues of nearly defective matrices: Trefethen & Embree 2005, Spectra and Pseudospectra; the "
    "companion matrix derived here from Cayley and Hamilton's theorem",
    kind="exact",
    catches="matrices classified by computed eigenvalues",
    capability="theorem",
)
def test_computed_eigenvalues_explode_where_powers_vanish(subject, compare):
    size = 12
    matrix = thrice_nilpotent(size)
    compare.example(matrices=[matrix.tolist()])
    integers = matrix.astype(int).astype(object)
    power, of_integers = np.eye(size), np.eye(size, dtype=int).astype(object)
    for k in range(1, size + 1):
        power, of_integers = matrix @ power, integers @ of_integers
        compare.equal(power, of_integers.astype(np.float64), "power of the matrix", power=k)
    compare.equal(power, np.zeros((size, size)), "twelfth power")
    compare.exceeds(np.max(np.abs(np.linalg.eigvals(64 * matrix))), 10.0, "largest modulus of a computed eigenvalue")
    compare.equal(np.array(spectral_radius(64 * matrix).lower), 0.0, "what is proven of the spectral radius")


# Its square is 0: (97, 101) is perpendicular to (101, -97).
NILPOTENT = np.outer([97.0, 101.0], [101.0, -97.0])


@case(
    statement="Rounded powers of nilpotent matrices need not vanish: where a product does not fit into 24 bits, "
    "float32 multiplies its rounding error by the matrix; of one whose 12th power is 0 the powers explode.",
    source="Higham & Knight 1995, Matrix powers in finite precision arithmetic; the matrices derived here",
    kind="exact",
    catches="exact nilpotency expected of rounded powers",
    capability="theorem",
)
def test_rounded_powers_explode_where_exact_ones_vanish(subject, compare):
    start = np.array([16385.0, 3.0])
    compare.example(matrices=[NILPOTENT.tolist()], vector=start.tolist())
    once = NILPOTENT @ start
    compare.equal(once, [97.0 * 1654594, 101.0 * 1654594], "once, in float64")
    compare.equal(NILPOTENT @ once, [0.0, 0.0], "twice, in float64")
    rounded = FLOAT32.round(once)
    compare.equal(rounded - once, [-2.0, 6.0], "rounding error of once in float32")
    compare.equal(FLOAT32.round(NILPOTENT @ rounded), [-76048.0, -79184.0], "twice, in float32")

    matrix, vector = thrice_nilpotent(12), np.arange(1.0, 13.0)
    limit = np.linalg.norm(vector)
    for power in range(1, 61):
        vector = FLOAT32.round(matrix @ vector)
        if power in (12, 60):
            compare.exceeds(np.linalg.norm(vector), limit, "norm in float32, and before", power=power)
            limit = np.linalg.norm(vector)


# --- different matrices --------------------------------------------------------------------------------------------

# Every eigenvalue of both is 2, and each takes one basis vector to half the other.
HALVING = (np.array([[0.0, -8.0], [0.5, 4.0]]), np.array([[4.0, 0.5], [-8.0, 0.0]]))


@case(
    statement="If every eigenvalue of each factor has modulus >= m, the norm of the product is at least m^L; yet a "
    "vector can vanish: here every eigenvalue is 2, and it becomes 2^-L times as long.",
    source="the product of singular values is |det P| >= m^(n L), so the largest is >= m^L: Horn & Johnson 1991, "
    "Topics in Matrix Analysis, section 3.3; the matrices derived here",
    kind="analytic",
    catches="growth of the norm taken for growth of every gradient; eigenvalues taken for gains",
    capability="theorem",
)
def test_eigenvalues_above_one_make_the_norm_grow(subject, compare):
    layers = [*HALVING] * 10
    compare.example(matrices=[matrix.tolist() for matrix in HALVING], layers=len(layers))
    for matrix in HALVING:
        shifted = matrix - 2 * np.eye(2)
        compare.equal(shifted @ shifted, np.zeros((2, 2)), "(A - 2)^2")
    growth = float(len(layers)) * log(subject, 2)
    hold(subject, compare, mean_log_singular_value(layers), growth, "mean log of the singular values")
    hold(subject, compare, log_gain(layers, FIRST), -growth, "log of the gain of the first basis vector")
    compare.at_most(growth.value, log_norm(layers).lower, "log of 2^L, and of the norm")


@case(
    statement="If every eigenvalue of each factor has modulus <= m, some vector becomes at most m^L times as long; yet "
    "another can grow: here every eigenvalue is 1/2, and it becomes 2^L times as long.",
    source="the product of singular values is |det P| <= m^(n L), so the least is <= m^L: Horn & Johnson 1991, Topics "
    "in Matrix Analysis, section 3.3; the matrices derived here",
    kind="analytic",
    catches="decay of one gradient taken for decay of all; eigenvalues taken for gains",
    capability="theorem",
)
def test_eigenvalues_below_one_make_a_vector_vanish(subject, compare):
    inverses = tuple(np.eye(2) - matrix / 4 for matrix in HALVING)  # A^2 - 4 A + 4 = 0
    layers = [*reversed(inverses)] * 10
    compare.example(matrices=[matrix.tolist() for matrix in inverses], layers=len(layers))
    for matrix, inverse in zip(HALVING, inverses, strict=True):
        compare.equal(matrix @ inverse, np.eye(2), "matrix times inverse")
    decay = -float(len(layers)) * log(subject, 2)
    hold(subject, compare, mean_log_singular_value(layers), decay, "mean log of the singular values")
    hold(subject, compare, log_gain(layers, FIRST), -decay, "log of the gain of the first basis vector")
    # ||P^-1|| is one over the least gain of P.
    compare.at_most(-log_norm([*HALVING] * 10).lower, decay.value, "log of the least gain, and of (1/2)^L")


@case(
    statement="Products of the least and of the largest singular values bound what layers, square or not, do to any "
    "vector, and are attained; below a layer with fewer outputs than inputs, a vector can become 0.",
    source="||A v|| between s_min ||v|| and s_max ||v||, applied layer by layer: Horn & Johnson 2013, section 7.3",
    kind="analytic",
    catches="eigenvalues asked for where a layer is not square; a lower bound claimed where outputs are lost",
    capability="theorem",
)
def test_singular_values_bound_rectangular_layers(subject, compare):
    orthogonal = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    wider = orthogonal[:, :2] @ np.diag([4.0, 0.5])  # (outputs, inputs) = (4, 2)
    square = orthogonal @ np.diag([3.0, 0.5, 1.0, 2.0]) @ orthogonal.T
    five = np.vstack([orthogonal, np.zeros(4)])
    layers = [wider, square, five]
    compare.example(matrices=[layer.tolist() for layer in layers])
    bounds = log_singular_value_bounds(layers)
    largest, smallest = log_gain(layers, FIRST), log_gain(layers, SECOND)
    hold(subject, compare, largest, log(subject, 12), "log of the largest gain")
    hold(subject, compare, smallest, log(subject, 0.25), "log of the least gain")
    attained = Bracket(largest.lower, bounds.upper)
    hold(subject, compare, attained, log(subject, 12), "log of the product of largest singular values")
    attained = Bracket(bounds.lower, smallest.upper)
    hold(subject, compare, attained, log(subject, 0.25), "log of the product of least singular values")
    compare.equal(orthogonal[2:] @ square @ wider @ FIRST, [0.0, 0.0], "what two outputs of four keep")


@pytest.mark.parametrize("pair", ["shears", "nilpotent matrices"])
@case(
    statement="The joint spectral radius is the rate of the fastest products of a set: of two shears with all "
    "eigenvalues 1 the golden ratio, of two nilpotent matrices 2.",
    source="Jungers 2009, The Joint Spectral Radius, chapters 1 and 2; max rho(word)^(1/k) <= it <= max ||word||^(1/k)",
    kind="analytic",
    catches="the largest spectral radius of the factors taken for the rate of products",
    capability="theorem",
)
def test_joint_spectral_radius(subject, compare, pair):
    matrices, closed = {
        "shears": (([[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), (1.0 + np.sqrt(exact(subject, 5))) / 2.0),
        "nilpotent matrices": (([[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [2.0, 0.0]]), exact(subject, 2)),
    }[pair]
    compare.example(matrices=list(matrices))
    found = joint_spectral_radius([np.array(matrix) for matrix in matrices], length=2)
    hold(subject, compare, found, closed, "joint spectral radius", of=pair)
