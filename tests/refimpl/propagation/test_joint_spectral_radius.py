"""Joint spectral radius: sets whose radius is known."""

import itertools
import math

import numpy as np
import pytest

from refimpl.propagation import joint_spectral_radius, spectral_radius
from tests.refimpl.propagation.exact import holds

RIGHT, LEFT = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0]])


def test_two_shears_have_the_golden_ratio_from_length_two_on():
    golden = (1 + math.sqrt(5)) / 2
    assert holds(joint_spectral_radius([RIGHT, LEFT], 2), golden, width=1e-13)
    assert holds(joint_spectral_radius([RIGHT, LEFT], 9), golden, width=1e-13)
    assert joint_spectral_radius([RIGHT, LEFT], 1).lower < 1.1


def test_two_nilpotent_matrices_can_grow():
    up, down = np.array([[0.0, 3.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 0.0]])
    assert spectral_radius(up).upper == 0
    assert holds(joint_spectral_radius([up, down], 2), 3, width=1e-13)


def test_diagonal_matrices_grow_like_the_largest_entry():
    assert holds(joint_spectral_radius([np.diag([2.0, 0.125]), np.diag([0.125, 1.5])], 3), 2, width=1e-13)


def test_lengths_that_tell_less_widen_nothing():
    """Norms of powers of [[0, 4], [1, 0]] have roots 4, 2, 2.52, 2, ..."""
    turn = np.array([[0.0, 4.0], [1.0, 0.0]])
    assert holds(joint_spectral_radius([turn, turn / 2], 2), 2, width=1e-13)
    assert holds(joint_spectral_radius([turn, turn / 2], 3), 2, width=1e-13)


def test_a_matrix_and_its_transpose_grow_like_the_norm():
    matrix = np.random.default_rng(0).normal(size=(3, 3))
    norm = np.linalg.norm(matrix, 2)
    assert holds(joint_spectral_radius([matrix, matrix.T], 2), norm, width=1e-12)


def test_the_bracket_narrows_with_the_length_and_scales():
    matrices = [np.random.default_rng(seed).normal(size=(3, 3)) for seed in range(3)]
    brackets = [joint_spectral_radius(matrices, length) for length in (1, 3, 6)]
    for shorter, longer in itertools.pairwise(brackets):
        assert shorter.lower <= longer.lower < longer.upper < shorter.upper
    assert brackets[-1].lower >= max(spectral_radius(matrix).lower for matrix in matrices)
    huge = joint_spectral_radius([np.ldexp(matrix, 900) for matrix in matrices], 6)
    assert huge == tuple(math.ldexp(end, 900) for end in brackets[-1])


@pytest.mark.parametrize("gap", [600, 1050, 1074])
def test_letters_far_apart_have_the_radius_of_their_word(gap):
    """Of two nilpotent letters, ones that take turns: the root of the product of their entries."""
    high = 2.0 ** min(gap, 600) if gap == 600 else 1.0
    up, down = np.array([[0.0, high], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0**-gap, 0.0]])
    exact = math.sqrt(high) * math.sqrt(2.0**-gap)
    assert holds(joint_spectral_radius([up, down], 8), exact, width=1e-5 * exact)


def test_a_joint_radius_below_the_normal_floats_is_rounded_outward():
    tiny = 2.0**-1074
    letters = [np.array([[0.0, 1.0], [2.0, 0.0]]) * tiny, np.array([[0.0, 1.0], [0.0, 0.0]]) * tiny]
    found = joint_spectral_radius(letters, 4)
    assert (found.lower / tiny) ** 2 <= 2 <= (found.upper / tiny) ** 2


def test_a_joint_radius_above_the_floats_is_above_the_largest():
    full = np.full((10, 10), 1e308)
    assert joint_spectral_radius([full, full / 2], 2) == (np.finfo(np.float64).max, math.inf)


@pytest.mark.parametrize(
    ("matrices", "length", "message"),
    [
        ([RIGHT], 3, "matrices must be at least two"),
        ([RIGHT, np.ones((3, 2))], 3, r"matrices\[1\] must be square, got shape \(3, 2\)"),
        ([np.ones((2, 3)), np.ones((3, 2))], 3, r"matrices\[0\] must be square"),
        ([RIGHT, LEFT], 17, "length must be at most 16 for 2 matrices, got 17"),
        ([RIGHT, LEFT], 0, "length must be an integer >= 1, got 0"),
    ],
)
def test_bad_input_is_refused(matrices, length, message):
    with pytest.raises(ValueError, match=message):
        joint_spectral_radius(matrices, length)
