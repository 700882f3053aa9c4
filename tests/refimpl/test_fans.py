"""Fan-in and fan-out of dense and convolution weights, counted by hand."""

import numpy as np
import pytest

from refimpl.initializers import fans


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("input_output", (7, 3), (7, 3)),
        ("output_input", (3, 7), (7, 3)),
        ("input_output", (2, 5, 7, 3), (70, 30)),
        ("output_input", (3, 7, 2, 5), (70, 30)),
        ("input_output", (5, 1, 1), (5, 5)),
        ("output_input", [3, 7, 2], (14, 6)),
        ("input_output", (np.int64(2), 3), (2, 3)),
    ],
)
def test_fans_count_inputs_and_outputs_times_kernel(layout, shape, expected):
    assert fans(shape, layout) == expected


def test_fan_in_is_the_number_of_products_in_one_output_of_a_convolution():
    """A convolution of ones with ones counts its terms."""
    kernel, inputs, outputs, length = 5, 3, 2, 11
    weights = np.ones((kernel, inputs, outputs))
    windows = np.lib.stride_tricks.sliding_window_view(np.ones((length, inputs)), kernel, axis=0)
    result = np.einsum("tik,kio->to", windows, weights)
    used = np.einsum("to,kio->i", np.ones((1, outputs)), weights)  # uses of one input position
    fan_in, fan_out = fans(weights.shape)
    assert np.all(result == fan_in)
    assert np.all(used == fan_out)


@pytest.mark.parametrize(
    ("shape", "layout", "error", "named"),
    [
        ((3,), "input_output", ValueError, "shape"),
        ((), "output_input", ValueError, "shape"),
        ((3, 0), "input_output", ValueError, "shape"),
        ((3, -2), "input_output", ValueError, "-2"),
        ((3, 2.0), "input_output", TypeError, "2.0"),
        ((3, True), "input_output", TypeError, "True"),
        (6, "input_output", TypeError, "6"),
        ("32", "input_output", TypeError, "'32'"),
        (np.ones((3, 2)), "input_output", TypeError, "shape"),
        ((3, 2), "channels_last", ValueError, "channels_last"),
    ],
)
def test_what_is_no_shape_of_weights_is_refused(shape, layout, error, named):
    with pytest.raises(error, match=named):
        fans(shape, layout)
