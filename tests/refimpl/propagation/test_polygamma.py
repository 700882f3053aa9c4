"""psi and psi' against 50 digits."""

import mpmath
import numpy as np
import pytest

from refimpl.propagation.polygamma import digamma, trigamma

ARGUMENTS = [*(n / 2 for n in range(1, 60)), 1e-3, 1.4616321449683622, 0.1, 15.999, 16.0, 16.5, 100.3, 5000.5, 1e15]


@pytest.mark.parametrize("x", ARGUMENTS)
def test_digamma_is_within_2_ulp_of_its_own_size_or_of_one(x):
    with mpmath.workdps(50):
        exact = mpmath.digamma(mpmath.mpf(x))
        assert abs(digamma(x) - exact) <= 2 * np.spacing(max(1.0, abs(float(exact))))


@pytest.mark.parametrize("x", ARGUMENTS)
def test_trigamma_is_within_4_ulp(x):
    with mpmath.workdps(50):
        exact = mpmath.polygamma(1, mpmath.mpf(x))
        assert abs(trigamma(x) - exact) <= 4 * np.spacing(float(exact))


def test_what_is_beyond_the_floats_is_infinite():
    assert trigamma(1e-200) == np.inf and digamma(5e-324) == -np.inf


@pytest.mark.parametrize("x", [0.63964, 0.11237, 2.7182818])
def test_digamma_between_halves_is_within_3_ulp(x):
    with mpmath.workdps(50):
        exact = mpmath.digamma(mpmath.mpf(x))
        assert abs(digamma(x) - exact) <= 3 * np.spacing(max(1.0, abs(float(exact))))
