"""Gradients that the cases draw: in every format there are, and each representable in it."""

import numpy as np
import pytest

from conformance.strategies.gradients import PATTERNS, gradient_history, parameters
from refimpl.arithmetic import FORMATS


@pytest.mark.parametrize("dtype", FORMATS)
def test_gradients_and_parameters_are_numbers_of_their_format(dtype):
    generator = np.random.default_rng(3)
    drawn = gradient_history(generator, 7, 5 * len(PATTERNS), dtype), parameters(generator, 50, dtype)
    for numbers in drawn:
        assert (FORMATS[dtype].round(numbers) == numbers).all()
        assert np.isfinite(numbers).all()
        assert np.count_nonzero(numbers) > numbers.size // 2
