"""What `refimpl.testing` accepts, and what it says of the rest."""

import numpy as np
import pytest

from refimpl import Adam
from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.testing import assert_within

TARGET = Target(FLOAT32, functions={"float32": {"sqrt": 0.5}, "float64": {"power": 1.0, "sqrt": 0.5}})


def certified_step():
    parameters = {"weight": np.array([[1.0, -2.0], [0.5, 3.0]]), "bias": np.array([0.25])}
    slopes = {"weight": np.array([[0.1, 0.2], [-0.3, 4.0]]), "bias": np.array([-1.0])}
    adam = Adam(0.1)
    enter = {name: RunningError.exact(array.astype(np.float32), TARGET) for name, array in parameters.items()}
    given = {name: RunningError.exact(array.astype(np.float32), TARGET) for name, array in slopes.items()}
    return adam.step(enter, given, adam.init(enter))[0]


def as_float32(tree):
    return {name: leaf.value.astype(np.float32) for name, leaf in tree.items()}


def test_a_rounded_result_is_within():
    certified = certified_step()
    assert_within(as_float32(certified), certified)


def test_the_first_element_outside_is_named_with_both_numbers_and_the_bound():
    certified = certified_step()
    actual = as_float32(certified)
    actual["weight"][1, 0] *= 1 + 2.0**-10
    expected = certified["weight"]
    with pytest.raises(AssertionError) as caught:
        assert_within(actual, certified)
    message = str(caught.value)
    assert message.startswith("actual['weight'][1, 0] must be within ")
    for number in (expected.bound[1, 0], expected.value[1, 0], actual["weight"][1, 0]):
        assert repr(float(number)) in message
    assert message.endswith("1 of 4 elements are outside")


def test_an_infinity_is_refused_where_the_exact_result_is_finite_and_no_bound_is_claimed():
    unclaimed = RunningError(np.array([2.0, 1.0]), np.array([np.nan, 0.5]), TARGET)
    assert_within(np.array([7.0, 1.0], dtype=np.float32), unclaimed)
    with pytest.raises(AssertionError, match=r"actual\[0\] must be finite, as the exact result 2.0 is, got inf"):
        assert_within(np.array([np.inf, 1.0], dtype=np.float32), unclaimed)


def test_other_formats_shapes_and_plain_arrays_are_refused():
    certified = RunningError.exact(np.ones(3), TARGET)
    with pytest.raises(TypeError, match="actual must have the format that the bound is for, float32, got float64"):
        assert_within(np.ones(3), certified)
    with pytest.raises(ValueError, match="actual"):
        assert_within(np.ones(4, dtype=np.float32), certified)
    with pytest.raises(ValueError, match="actual"):
        assert_within({"a": np.ones(3, dtype=np.float32)}, certified)
    with pytest.raises(TypeError, match=r"certified must be a RunningError: .* got ndarray"):
        assert_within(np.ones(3, dtype=np.float32), np.ones(3))
