"""Products of matrices: what eigenvalues, singular values, resolvents and determinants say about them, and what not."""

from __future__ import annotations

import math
from bisect import bisect_left
from fractions import Fraction

import numpy as np
import pytest

from conformance.claims.witnesses import ORTHOGONAL, WITNESSES, jordan
from conformance.running.case import case
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


def check(subject, compare, found: Bracket, closed: RunningError, what: str, **where) -> None:
    """Checks the middle of a bracket against a closed form: within half the width, and the error of evaluating that."""
    middle = (found.lower + found.upper) / 2
    half = max(found.upper - middle, middle - found.lower)
    bound = np.nextafter(closed.bound + half, np.inf)
    compare.within(np.array(middle), RunningError(closed.value, bound, closed.target), what, **where)


# --- one matrix, repeated ------------------------------------------------------------------------------------------


# The power at which the norm is largest, by mpmath with 30 digits.
PEAKS = {0.5: 1, 0.51: 1, 0.669: 2, 0.75: 3, 0.973: 36, 0.99: 99}


@pytest.mark.parametrize("eigenvalue", PEAKS)
@case(
    statement="In a 2x2 Jordan block with 0 < x < 1 and a one next to it, the entry k x^(k - 1) of power k is largest "
    "at k = ceil(x / (1 - x)); the norm is so there or one power earlier, as for x = 0.51, 0.669 and 0.973, and falls "
    "below 1 for good. For x = 0.99 it reaches 36.98 at power 99, and is below 1 from power 645 on.",
    source="Horn & Johnson 2013, section 3.2.5; ||J^k|| = x^k exp(asinh(k / (2 x))) and its peak derived here",
    kind="analytic",
    catches="decay at the rate of the eigenvalue expected from the first power on; the peak of an entry taken for that "
    "of the norm",
    capability="theorem",
)
def test_jordan_blocks_peak_before_they_decay(subject, compare, eigenvalue):
    block = jordan(eigenvalue)
    compare.example(matrices=[block.tolist()])
    found, rational, peak = transient(block), Fraction(eigenvalue), PEAKS[eigenvalue]
    where = {"eigenvalue": eigenvalue}
    compare.equal(np.array(float(found.power)), peak, "power of the largest norm", **where)
    off_diagonal = [k * rational ** (k - 1) for k in range(1, 2 * peak + 4)]
    of_entry = 1 + off_diagonal.index(max(off_diagonal))
    closed_form = math.ceil(rational / (1 - rational))
    compare.equal(np.array(float(of_entry)), closed_form, "power of the largest entry", **where)
    compare.at_most(peak, of_entry, "power of the largest norm, and of the largest entry", **where)
    compare.at_most(of_entry, peak + 1, "power of the largest entry, and the next after the largest norm", **where)
    # ||J^k|| = (b + sqrt(b^2 + 4 a^2)) / 2 is below 1 exactly when b + a^2 < 1, for a = x^k and b = k x^(k - 1).
    # It is log-concave in k, so that it falls through 1 once.
    decays_at = bisect_left(range(1000), True, lo=1, key=lambda k: k * rational ** (k - 1) + rational ** (2 * k) < 1)
    compare.equal(np.array(float(found.decays_at)), decays_at, "first power below 1", **where)
    x, k = exact(subject, eigenvalue), exact(subject, peak)
    closed = (k - 1.0) * np.log(x) + np.log((k + np.sqrt(k * k + 4.0 * x * x)) / 2.0)
    check(subject, compare, found.log_peak, closed, "log of the largest norm", **where)
    for beside_it in (peak + 1, max(peak - 1, 1)):
        if beside_it != peak:
            other = log_norm([block] * beside_it).upper
            compare.exceeds(found.log_peak.lower, other, "log of the largest norm, and of its neighbours", **where)


@case(
    statement="Power k of the Jordan block of size 3 with eigenvalue x has entries binomial(k, j - i) x^(k - j + i) "
    "for 0 <= j - i <= k, and zeros elsewhere: shown for x = 3/4.",
    source="Horn & Johnson 2013, section 3.2.5",
    kind="exact",
    catches="powers taken elementwise; decay at the rate of the eigenvalue expected from the first power on",
    capability="theorem",
)
def test_powers_of_a_jordan_block_are_binomials(subject, compare):
    block = jordan(0.75, 3)
    compare.example(matrices=[block.tolist()])
    power = np.eye(3)
    for k in range(1, 21):  # so far the numbers fit into 53 bits
        power = block @ power
        by_diagonal = [math.comb(k, above) * 0.75 ** max(k - above, 0) for above in range(3)]
        expected = sum(entry * np.diag(np.ones(3 - above), above) for above, entry in enumerate(by_diagonal))
        compare.equal(power, expected, "power of the block", power=k)


@case(
    statement="Norms of powers of a diagonalizable matrix lie between rho^k and kappa rho^k, for the spectral radius "
    "rho and the condition number kappa of the eigenvectors, of length 1; one matrix, with kappa 32, attains the "
    "first at even k and the second at odd ones.",
    source="Gelfand's formula: Horn & Johnson 2013, corollary 5.6.14; the bounds from A^k = V D^k V^-1; the matrix, a "
    "multiple of an oblique reflection, derived here",
    kind="analytic",
    catches="an eigenvalue taken for a norm; a power one off",
    capability="theorem",
)
def test_powers_lie_between_radius_and_condition_number(subject, compare):
    [matrix] = WITNESSES["oblique reflection"]
    vectors = np.array([[1025.0, 1023.0], [0.0, 64.0]])  # the eigenvectors, both of length 1025
    compare.example(matrices=[matrix.tolist()], eigenvectors=vectors.tolist())
    compare.equal(matrix @ vectors, vectors * [0.5, -0.5], "matrix times eigenvectors")
    # kappa(V) = ||V||^2 / |det V| of two columns: 1025 * 2048 / (1025 * 64)
    of_vectors = (log(subject, 1025) + 11.0 * log(subject, 2)) / 2.0
    check(subject, compare, log_norm([vectors]), of_vectors, "log of the norm of the eigenvectors")
    check(subject, compare, spectral_radius(matrix), exact(subject, 0.5), "spectral radius")
    for power in range(1, 41):
        closed = (5.0 * (power % 2) - power) * log(subject, 2)
        check(subject, compare, log_norm([matrix] * power), closed, "log of the norm", power=power)


@case(
    statement="For K = sup (|z| - 1) ||(z - A)^-1|| over |z| > 1, the largest norm of a power of a d x d matrix, A^0 "
    "included, is between K and e d K; the expression at one z proves the lower bound, and must not be taken for K in "
    "the upper: shown for [[0, 6], [0, 0]].",
    source="the Kreiss matrix theorem with the constant of Spijker 1991: Trefethen & Embree 2005, Spectra and "
    "Pseudospectra, section 18; K = 5/3 of [[0, 6], [0, 0]] derived here",
    kind="analytic",
    catches="the maximum over a grid of z taken for K in the upper bound",
    capability="theorem",
)
def test_kreiss_constant_bounds_the_largest_power(subject, compare):
    [nilpotent], identity = WITNESSES["nilpotent"], np.eye(2)
    compare.example(matrices=[nilpotent.tolist()], kreiss_constant="5/3, at |z| = 9/4")
    # ||M^-1|| = ||M|| / |det M| for two by two, so that the expression is (z - 1) ||z - A|| / z^2. It depends on |z|
    # alone, and its derivative has one zero, at 9/4.
    at_maximum = log_norm([2.25 * identity - nilpotent])
    check(subject, compare, at_maximum, log(subject, 6.75), "log ||z - A|| at the maximum")  # K = 5/4 * 27/4 * 16/81
    for z in (1.0625, 1.5, 2.0, 2.5, 4.0, 64.0):
        limit = math.log(5 / 3 * z**2 / (z - 1))
        compare.at_most(log_norm([z * identity - nilpotent]).upper, limit, "log ||z - A||, and what K allows", z=z)
    largest = log_norm([nilpotent])  # the next power is 0
    check(subject, compare, largest, log(subject, 6), "log of the largest norm")
    compare.at_most(math.log(5 / 3), largest.lower, "log of K, and of the largest norm")
    compare.at_most(largest.upper, 1 + math.log(2 * 5 / 3), "log of the largest norm, and of e d K")
    far = log_norm([64 * identity - nilpotent]).upper + math.log(63 / 64**2)
    compare.exceeds(largest.lower, 1 + math.log(2) + far, "log of the largest norm, beyond e d times one z", z=64.0)


@case(
    statement="One z proves a transient that eigenvalues do not show: all are 63/64, and some power has a norm of 16 "
    "or more.",
    source="the lower bound of the Kreiss matrix theorem: Trefethen & Embree 2005, Spectra and Pseudospectra, "
    "section 18",
    kind="analytic",
    catches="a spectral radius below 1 taken for a norm below 1",
    capability="theorem",
)
def test_one_resolvent_proves_a_transient(subject, compare):
    block, z = jordan(63 / 64), 65 / 64
    compare.example(matrices=[block.tolist()], z=z)
    # (z - 1) ||(z - A)^-1|| = ||z - A|| / 64 * 32^2 = 16 ||z - A||
    closed = np.log((1.0 + np.sqrt(exact(subject, 1 + 4 / 32**2))) / 2.0)
    found = log_norm([z * np.eye(2) - block])
    check(subject, compare, found, closed, "log ||z - A||")
    peak = transient(block).log_peak
    compare.at_most(math.log(16) + found.upper, peak.lower, "log by one z, and of the largest norm")


@case(
    statement="The norm of power k is at most twice the k-th power of the numerical radius, and attains that for a "
    "matrix of size k + 1: shown for k = 1, 2, 3 and 5.",
    source="||A|| <= 2 w(A), and the power inequality of Berger 1965 (Pearcy 1966, Michigan Mathematical Journal 13); "
    "matrices that attain it: Crabb 1971, Michigan Mathematical Journal 18",
    kind="analytic",
    catches="the spectral radius, or a norm, taken for the numerical radius",
    capability="theorem",
)
def test_numerical_radius_bounds_every_power(subject, compare):
    attaining = {1: WITNESSES["nilpotent"][0], 2: WITNESSES["nilpotent of size 3"][0]}
    radius = {1: exact(subject, 3), 2: np.sqrt(exact(subject, 2))}
    compare.example(matrices=[matrix.tolist() for matrix in attaining.values()])
    for power in (3, 5):
        # Crabb's: sqrt 2, 1 ... 1, sqrt 2 above the diagonal, each square root off by less than an ulp.
        attaining[power] = np.diag([math.sqrt(2), *[1.0] * (power - 2), math.sqrt(2)], 1)
        radius[power] = RunningError(np.array(1.0), np.array(np.spacing(2.0)), subject.target)
    for power, matrix in attaining.items():
        check(subject, compare, numerical_radius(matrix), radius[power], "numerical radius", attained_at=power)
        twice = log(subject, 2) + float(power) * np.log(radius[power])
        check(subject, compare, log_norm([matrix] * power), twice, "log of the norm", power=power)
    [block] = WITNESSES["short Jordan block"]
    check(subject, compare, numerical_radius(block), exact(subject, 0.875), "numerical radius of a Jordan block")
    for power in range(1, 41):
        limit = math.log(2) + power * math.log(0.875)
        compare.at_most(log_norm([block] * power).upper, limit, "log of the norm, and what 7/8 allows", power=power)


@case(
    statement="The norm of power k of a normal matrix is rho^k, from the first power on and whatever the arguments "
    "of the eigenvalues; it is the gain of every vector where all moduli are equal. diag(1/2, 2) halves (1, 0), and "
    "takes (1, 1) to sqrt((4^-k + 4^k) / 2) times its length.",
    source="||A^k|| = rho^k of a normal matrix: Horn & Johnson 2013, section 2.5",
    kind="analytic",
    catches="a real part, or the sign of an entry, taken for the rate; the norm of a power taken for every gain",
    capability="theorem",
)
def test_normal_powers_grow_by_the_modulus(subject, compare):
    equal = {"minus a half": 0.5, "half a quarter turn": 0.5, "three quarter turns": 3.0, "growing turn": 1.25}
    unequal = {"half and double": 2.0, "decaying symmetric": 0.75}
    vector, [between] = np.array([2.0, -7.0]), WITNESSES["half and double"]
    compare.example(matrices=[WITNESSES[name][0].tolist() for name in (*equal, *unequal)])
    for name, modulus in (equal | unequal).items():
        [matrix] = WITNESSES[name]
        check(subject, compare, spectral_radius(matrix), exact(subject, modulus), "modulus of the eigenvalues", of=name)
        for power in (*range(1, 8), 40):
            where, closed = {"of": name, "power": power}, float(power) * log(subject, modulus)
            check(subject, compare, log_norm([matrix] * power), closed, "log of the norm", **where)
            if name in equal:
                gain = log_gain([matrix] * power, vector)
                check(subject, compare, gain, closed, "log of the gain of a vector", **where)
    for power in range(1, 9):
        halved = -float(power) * log(subject, 2)
        check(subject, compare, log_gain([between] * power, FIRST), halved, "log of the gain of (1, 0)", power=power)
        mixed = log(subject, (4.0**-power + 4.0**power) / 2) / 2.0
        check(
            subject, compare, log_gain([between] * power, np.ones(2)), mixed, "log of the gain of (1, 1)", power=power
        )


@case(
    statement="Powers of a matrix are below C r^k for every r above its spectral radius, though not always for r "
    "equal to it: [[1/2, 1], [0, 1/2]]^k has the entry k 2^(1 - k). Different weights below 1 need not vanish: the "
    "first L of 1 - 1 / (l + 1)^2 leave (L + 2) / (2 L + 2). The norm of a product of normal ones is at most the "
    "product of their spectral radii.",
    source="Gelfand's formula: Horn & Johnson 2013, corollary 5.6.14; the telescoping product derived here; the norm "
    "of a normal matrix is its spectral radius: section 2.5",
    kind="analytic",
    catches="a rate of rho^k claimed for defective matrices; eigenvalues below 1, but not by a margin, taken for decay",
    capability="theorem",
)
def test_decay_needs_a_repeated_weight_or_a_margin(subject, compare):
    block, pair = jordan(0.5), WITNESSES["normal pair"]
    compare.example(matrices=[block.tolist(), *(matrix.tolist() for matrix in pair)])
    power = np.eye(2)
    for k in range(1, 51):
        power = block @ power
        compare.equal(power[0, 1], k * 2.0 ** (1 - k), "entry next to the diagonal", power=k)
        compare.exceeds(log_norm([block] * k).lower, -k * math.log(2), "log of the norm, and of rho^k", power=k)
    # For any r above rho, k rho^(k-1) / r^k is largest at 1 / log(r / rho): a C for the bound C r^k.
    rate, above_radius = 0.625, math.log(0.625 / 0.5)
    constant = math.log(1 + 2 / (math.e * above_radius))
    for k in (1, 2, 5, 10, 100, 1000):
        limit = constant + k * math.log(rate)
        compare.at_most(log_norm([block] * k).upper, limit, "log of the norm, and of C r^k", power=k)
    # Scaled to integers: of 1 - 1 / (l + 1)^2 = l (l + 2) / (l + 1)^2.
    chain = [np.array([[float(layer * (layer + 2))]]) for layer in range(1, 201)]
    scale = [np.array([[float((layer + 1) ** 2)]]) for layer in range(1, 201)]
    for depth in (1, 2, 10, 200):
        above, below = log_norm(chain[:depth]), log_norm(scale[:depth])
        found = Bracket(above.lower - below.upper, above.upper - below.lower)
        left = log(subject, depth + 2) - log(subject, 2 * depth + 2)
        check(subject, compare, found, left, "log of what a chain leaves", layers=depth)
    radii = [spectral_radius(matrix).upper for matrix in pair]
    for depth in (2, 10, 50):
        limit = depth / 2 * math.fsum(map(math.log, radii))
        compare.at_most(log_norm([*pair] * (depth // 2)).lower, limit, "log of the norm of normal ones", layers=depth)


@case(
    statement="Repeated, a weight with the eigenvalues 2, 2 and 1/2, and no second eigenvector of 2, takes v of the "
    "generalized eigenspace of 2 and w of that of 1/2 to 2^k v + k 2^(k - 1) (A - 2) v + 2^-k w: what has such a v "
    "explodes, what has none is halved per layer.",
    source="A^k (v + w) = 2^k v + k 2^(k - 1) (A - 2) v + 2^-k w: Horn & Johnson 2013, sections 1.1 and 3.2.5",
    kind="exact",
    catches="growth expected of every gradient as soon as one eigenvalue is above 1, or of eigenvectors alone",
    capability="theorem",
)
def test_growth_needs_a_generalized_component(subject, compare):
    [weight] = WITNESSES["growth of a generalized component"]
    compare.example(matrices=[weight.tolist()])
    chained, eigenvector = np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0])
    vanishing = np.array([1.0, -3.0, 3.0])  # times 1/2 by the weight
    compare.equal((weight - 2 * np.eye(3)) @ chained, eigenvector, "(A - 2) times the generalized eigenvector")
    compare.equal(weight @ vanishing, vanishing / 2, "weight times the eigenvector of 1/2")
    for component in (0.0, 1.0, -3.0):
        found = component * chained + vanishing
        for k in range(1, 21):
            found = weight @ found
            grown = component * (2.0**k * chained + k * 2.0 ** (k - 1) * eigenvector)
            compare.equal(found, grown + 0.5**k * vanishing, "vector", component=component, power=k)


@case(
    statement="Gates that change break the eigenvalue criterion, too: a weight whose eigenvalues are all 0, under "
    "two patterns of gates in turn that leave Jacobians whose eigenvalues are all 0, makes a gradient grow by 4 "
    "every two layers.",
    source="derived here; the condition is on singular values: Pascanu, Mikolov & Bengio 2013, section 2.1",
    kind="exact",
    catches="eigenvalues of the weight, or of each Jacobian, taken for what their products do",
    capability="theorem",
)
def test_gates_in_turn_make_nilpotent_jacobians_explode(subject, compare):
    [weight], jacobians = WITNESSES["gated in turn"], WITNESSES["Jacobians of the gated in turn"]
    compare.example(matrices=[weight.tolist(), *(jacobian.tolist() for jacobian in jacobians)])
    compare.equal(np.linalg.matrix_power(weight, 3), np.zeros((3, 3)), "third power of the weight")
    for unit, jacobian in enumerate(jacobians):
        compare.equal(weight @ np.diag(np.eye(3)[unit]), jacobian, "weight times gates", open=unit)
        compare.equal(jacobian @ jacobian, np.zeros((3, 3)), "square of the Jacobian", open=unit)
    gradient = np.eye(3)[0]
    for steps in range(1, 21):
        gradient = jacobians[(steps - 1) % 2] @ gradient
        expected = [0.0, 2.0**steps, 2.0 ** (steps - 1)] if steps % 2 else [2.0**steps, 0.0, 1.5 * 2.0**steps]
        compare.equal(gradient, expected, "gradient", steps=steps)


# --- in floating point ---------------------------------------------------------------------------------------------


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
    [matrix] = WITNESSES["nilpotent integers of size 12"]
    size = len(matrix)
    compare.example(matrices=[matrix.tolist()])
    integers = matrix.astype(int).astype(object)
    power, of_integers = np.eye(size), np.eye(size, dtype=int).astype(object)
    for k in range(1, size + 1):
        power, of_integers = matrix @ power, integers @ of_integers
        compare.equal(power, of_integers.astype(np.float64), "power of the matrix", power=k)
    compare.equal(power, np.zeros((size, size)), "twelfth power")
    compare.exceeds(np.max(np.abs(np.linalg.eigvals(64 * matrix))), 10.0, "largest modulus of a computed eigenvalue")
    compare.equal(np.array(spectral_radius(64 * matrix).lower), 0.0, "what is proven of the spectral radius")


@case(
    statement="Rounded powers of nilpotent matrices need not vanish: where a product does not fit into 24 bits, "
    "float32 multiplies its rounding error by the matrix; of one whose 12th power is 0 the powers explode.",
    source="Higham & Knight 1995, Matrix powers in finite precision arithmetic; the matrices derived here",
    kind="exact",
    catches="exact nilpotency expected of rounded powers",
    capability="theorem",
)
def test_rounded_powers_explode_where_exact_ones_vanish(subject, compare):
    start, [weight] = np.array([16385.0, 3.0]), WITNESSES["nilpotent integers"]
    compare.example(matrices=[weight.tolist()], vector=start.tolist())
    once = weight @ start  # the square of the weight is 0: (97, 101) is perpendicular to (101, -97)
    compare.equal(once, [97.0 * 1654594, 101.0 * 1654594], "once, in float64")
    compare.equal(weight @ once, [0.0, 0.0], "twice, in float64")
    rounded = FLOAT32.round(once)
    compare.equal(rounded - once, [-2.0, 6.0], "rounding error of once in float32")
    compare.equal(FLOAT32.round(weight @ rounded), [-76048.0, -79184.0], "twice, in float32")

    [matrix], vector = WITNESSES["nilpotent integers of size 12"], np.arange(1.0, 13.0)
    limit = np.linalg.norm(vector)
    for power in range(1, 61):
        vector = FLOAT32.round(matrix @ vector)
        if power in (12, 60):
            compare.exceeds(np.linalg.norm(vector), limit, "norm in float32, and before", power=power)
            limit = np.linalg.norm(vector)


# --- different matrices --------------------------------------------------------------------------------------------

# Every eigenvalue of both is 2, and each takes one basis vector to half the other; their inverses, the last one first.
HALVING, DOUBLING = WITNESSES["halving pair"], WITNESSES["doubling pair"]


@case(
    statement="If every eigenvalue of each of L square factors has modulus >= m, the norm of the product is >= m^L; "
    "yet a vector can vanish: here every eigenvalue is 2, and it becomes 2^-L times as long.",
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
    check(subject, compare, mean_log_singular_value(layers), growth, "mean log of the singular values")
    check(subject, compare, log_gain(layers, FIRST), -growth, "log of the gain of the first basis vector")
    compare.at_most(growth.value, log_norm(layers).lower, "log of 2^L, and of the norm")


@case(
    statement="If every eigenvalue of each of L square factors has modulus <= m, some vector becomes at most m^L "
    "times as long; yet another can grow: here every eigenvalue is 1/2, and it becomes 2^L times as long.",
    source="the product of singular values is |det P| <= m^(n L), so the least is <= m^L: Horn & Johnson 1991, Topics "
    "in Matrix Analysis, section 3.3; the matrices derived here",
    kind="analytic",
    catches="decay of one gradient taken for decay of all; eigenvalues taken for gains",
    capability="theorem",
)
def test_eigenvalues_below_one_make_a_vector_vanish(subject, compare):
    layers = [*DOUBLING] * 10
    compare.example(matrices=[matrix.tolist() for matrix in DOUBLING], layers=len(layers))
    for matrix, inverse in zip(HALVING, reversed(DOUBLING), strict=True):
        compare.equal(matrix @ inverse, np.eye(2), "matrix times inverse")
    decay = -float(len(layers)) * log(subject, 2)
    check(subject, compare, mean_log_singular_value(layers), decay, "mean log of the singular values")
    check(subject, compare, log_gain(layers, FIRST), -decay, "log of the gain of the first basis vector")
    # ||P^-1|| is one over the least gain of P.
    compare.at_most(-log_norm([*HALVING] * 10).lower, decay.value, "log of the least gain, and of (1/2)^L")


@case(
    statement="Products of the least and of the largest singular values bound what matrices, square or with more "
    "rows than columns, do to any vector, and are attained; one with fewer rows than columns takes some vector to 0.",
    source="||A v|| between s_min ||v|| and s_max ||v||, applied layer by layer: Horn & Johnson 2013, section 7.3",
    kind="analytic",
    catches="eigenvalues asked for where a layer is not square; a lower bound claimed where outputs are lost",
    capability="theorem",
)
def test_singular_values_bound_rectangular_layers(subject, compare):
    layers = WITNESSES["rectangular"]
    wider, square, _ = layers  # (outputs, inputs) = (4, 2), (4, 4)
    compare.example(matrices=[layer.tolist() for layer in layers])
    bounds = log_singular_value_bounds(layers)
    largest, smallest = log_gain(layers, FIRST), log_gain(layers, SECOND)
    check(subject, compare, largest, log(subject, 12), "log of the largest gain")
    check(subject, compare, smallest, log(subject, 0.25), "log of the least gain")
    attained = Bracket(largest.lower, bounds.upper)
    check(subject, compare, attained, log(subject, 12), "log of the product of largest singular values")
    attained = Bracket(bounds.lower, smallest.upper)
    check(subject, compare, attained, log(subject, 0.25), "log of the product of least singular values")
    compare.equal(ORTHOGONAL[2:] @ square @ wider @ FIRST, [0.0, 0.0], "what two outputs of four keep")


@case(
    statement="Layers of weights W and slopes with moduli from a to b multiply norms by at least a times the least "
    "and at most b times the largest singular value of W, their product accordingly, and both ends are attained: "
    "shown for slopes from 1/4 to 1 in modulus.",
    source="||A v|| between s_min ||v|| and s_max ||v||: Horn & Johnson 2013, section 7.3; Pascanu, Mikolov & Bengio "
    "2013, section 2.1",
    kind="analytic",
    catches="bounds of the weights alone; a lower bound that forgets the least slope",
    capability="theorem",
)
def test_slopes_and_singular_values_bound_gains(subject, compare):
    least, largest = 0.25, 1.0
    weights = [*WITNESSES["growth"], *WITNESSES["decay"], *WITNESSES["halving pair"]]
    compare.example(matrices=[weight.tolist() for weight in weights], slopes=[least, largest])
    bounds = log_singular_value_bounds(weights, (least, largest))
    for slopes in ([least, largest], [largest, least], [-largest, least], [least, -least], [largest, largest]):
        layers = [factor for weight in weights for factor in (weight, np.diag(slopes))]
        for vector in (FIRST, SECOND, np.array([3.0, -2.0])):
            gain, where = log_gain(layers, vector), {"slopes": slopes, "vector": vector.tolist()}
            compare.at_most(gain.lower, bounds.upper, "log of the gain, and the upper bound", **where)
            compare.at_most(bounds.lower, gain.upper, "log of the lower bound, and the gain", **where)
    diagonal = [np.diag([4.0, 0.5]), np.diag([2.0, 0.125])]
    attained = log_singular_value_bounds(diagonal, (least, largest))
    for slope, vector, product in ((largest, FIRST, 8.0), (least, SECOND, 1 / 256)):
        gain = log_gain([factor for weight in diagonal for factor in (weight, slope * np.eye(2))], vector)
        check(subject, compare, gain, log(subject, product), "log of the extreme gain", slope=slope)
        end = Bracket(gain.lower, attained.upper) if slope == largest else Bracket(attained.lower, gain.upper)
        check(subject, compare, end, log(subject, product), "log of the bound", slope=slope)


def log_determinant(matrix: np.ndarray) -> float:
    """log |det| of a matrix of floats, by exact elimination."""
    rows, product = [[Fraction(entry) for entry in row] for row in matrix.tolist()], Fraction(1)
    for column in range(len(rows)):
        pivot = next((row for row in rows[column:] if row[column]), None)
        if pivot is None:
            return -math.inf
        rows.remove(pivot)
        rows.insert(column, pivot)
        product *= pivot[column]
        for row in rows[column + 1 :]:
            factor = row[column] / pivot[column]
            row[:] = [a - factor * b for a, b in zip(row, pivot, strict=True)]
    return math.log(abs(product))


@case(
    statement="Every matrix that the catalogue shows obeys all that it says of products of matrices: of singular "
    "values, determinants, radii and resolvents; of one matrix repeated, and of several in turn.",
    source="Horn & Johnson 2013, sections 5.6 and 7.3; powers by radius and departure from normality derived here "
    "from the Schur form Q (D + N) Q*: terms with d or more factors N vanish; Trefethen & Embree 2005, section 18; "
    "Berger 1965; Jungers 2009, chapter 1",
    kind="analytic",
    catches="a statement of the catalogue that the witness of another one refutes",
    capability="theorem",
)
def test_statements_hold_for_every_witness(subject, compare):
    depth = 12
    compare.example(matrices=[matrix.tolist() for matrices in WITNESSES.values() for matrix in matrices], layers=depth)
    for name, matrices in WITNESSES.items():
        layers = [*matrices] * (1 if name == "rectangular" else depth // len(matrices))
        norm, bounds, where = log_norm(layers), log_singular_value_bounds(layers), {"of": name}
        compare.at_most(norm.lower, bounds.upper, "log norm, and singular values", **where)
        if bounds.lower > -math.inf:
            for vector in np.eye(layers[0].shape[1]):
                gain = log_gain(layers, vector).upper
                compare.at_most(bounds.lower, gain, "log of singular values, and gain", **where)
        if name == "rectangular":
            continue
        determinants = [log_determinant(matrix) for matrix in matrices]
        if -math.inf not in determinants:
            mean, size = mean_log_singular_value(layers), len(layers[0])
            total = math.fsum(determinants) * (depth // len(matrices)) / size
            rounding = 4 * depth * np.spacing(max(1.0, *map(abs, determinants), abs(total)))
            known = RunningError(np.array(total), np.array(rounding), subject.target)
            check(subject, compare, mean, known, "mean log of the singular values", **where)
            compare.at_most(mean.lower, norm.upper, "mean log of the singular values, and log norm", **where)
        radii = [spectral_radius(matrix) for matrix in matrices]
        if len(matrices) == 1:
            check_powers(compare, matrices[0], radii[0], name)
        else:
            rates = [joint_spectral_radius(matrices, length) for length in (1, 3)]
            highest = min(rate.upper for rate in rates)
            compare.at_most(max(rate.lower for rate in rates), highest, "joint spectral radius by others", **where)
            compare.at_most(max(radius.lower for radius in radii), highest, "radius, and the joint one", **where)


def power_bound(radius: float, size: float, dimension: int, power: int) -> float:
    """log of the sum over j < d of binomial(k, j) rho^(k - j) ||N||^j >= ||A^k||, for Schur's N; size >= ||N||."""
    terms = [math.comb(power, j) * radius ** (power - j) * size**j for j in range(min(dimension, power + 1))]
    return math.log(math.fsum(terms)) if any(terms) else -math.inf


OF_LOGARITHMS = np.spacing(64.0)  # more than the roundings of one, of their sums and of a limit made of some


def check_powers(compare, matrix: np.ndarray, radius: Bracket, name: str) -> None:
    """What is true of the powers of every matrix."""
    field = math.log(numerical_radius(matrix).upper)
    frobenius, identity = float(np.linalg.norm(matrix)) * (1 + 8 * len(matrix) * np.spacing(1.0)), np.eye(len(matrix))
    normal = bool((matrix @ matrix.T == matrix.T @ matrix).all())
    for power in (1, 2, 5, 12):
        norm, where = log_norm([matrix] * power), {"of": name, "power": power}
        if norm.lower == -math.inf:
            continue
        limit = power_bound(radius.upper, frobenius, len(matrix), power) + power * OF_LOGARITHMS
        compare.at_most(norm.lower, limit, "log norm of a power, by radius and departure from normality", **where)
        limit = math.log(2) + power * field + power * OF_LOGARITHMS
        compare.at_most(norm.lower, limit, "log norm of a power, and of twice that of the numerical radius", **where)
        if radius.lower > 0:
            least = power * math.log(radius.lower) - power * OF_LOGARITHMS
            compare.at_most(least, norm.upper, "log of the power of the radius, and the norm", **where)
        if normal:
            limit = power * math.log(radius.upper) + power * OF_LOGARITHMS
            compare.at_most(norm.lower, limit, "log norm of a normal power, and of the radius", **where)
    if radius.upper < 1:
        peak = max(0.0, transient(matrix).log_peak.upper)
        for z in (1.0625, 4.0):
            resolvent = -log_singular_value_bounds([z * identity - matrix]).upper  # at most: s_min <= s_max
            if len(matrix) == 2:
                resolvent = log_norm([z * identity - matrix]).lower - log_determinant(z * identity - matrix)
            found = resolvent + math.log(z - 1) - OF_LOGARITHMS
            compare.at_most(found, peak, "log by one z, and of the largest norm", of=name, z=z)


# Of each pair: the length of words looked at, and the rate, of golden = (1 + sqrt 5) / 2.
RATES = {
    "shears": (2, lambda golden: golden),
    "nilpotent pair": (2, lambda golden: 0.0 * golden + 2.0),
    "stretched shears": (8, lambda golden: golden / 2.0),
}


@pytest.mark.parametrize("pair", RATES)
@case(
    statement="The joint spectral radius is the rate of the fastest products of a finite set: of two shears with all "
    "eigenvalues 1 the golden ratio, of two nilpotent matrices 2; of two, one of which has a norm above 2, it is 0.81, "
    "and every long product vanishes.",
    source="Jungers 2009, The Joint Spectral Radius, chapters 1 and 2; max rho(word)^(1/k) <= it <= max ||word||^(1/k)",
    kind="analytic",
    catches="the largest spectral radius, or norm, of the factors taken for the rate of products",
    capability="theorem",
)
def test_joint_spectral_radius(subject, compare, pair):
    matrices, (length, rate) = WITNESSES[pair], RATES[pair]
    compare.example(matrices=[matrix.tolist() for matrix in matrices])
    found, closed = joint_spectral_radius(matrices, length), rate((1.0 + np.sqrt(exact(subject, 5))) / 2.0)
    check(subject, compare, found, closed, "joint spectral radius", of=pair)
    if closed.value < 1:
        largest = max(log_norm([matrix]).lower for matrix in matrices)
        compare.exceeds(largest, math.log(2), "log of the norm of a factor", of=pair)
        compare.exceeds(1.0, found.upper, "1, and the joint spectral radius", of=pair)
