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
        ("transposed_input_output", (2, 5, 3, 7), (70, 30)),
        ("transposed_output_input", (7, 3, 2, 5), (70, 30)),
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


def connections(inputs, outputs, groups, kernel):
    """Pairs (input, output, entry of the kernel) that a grouped convolution connects, listed one by one."""
    of_input, of_output = (np.repeat(np.arange(groups), n // groups) for n in (inputs, outputs))
    return [
        (i, o, entry)
        for i in range(inputs) for o in range(outputs) for entry in range(kernel) if of_input[i] == of_output[o]
    ]  # fmt: skip


@pytest.mark.parametrize(("inputs", "outputs", "groups", "kernel"), [(6, 9, 3, 5), (4, 4, 4, 9), (10, 4, 2, 1)])
def test_fans_of_a_grouped_convolution_are_its_connections(inputs, outputs, groups, kernel):
    pairs = connections(inputs, outputs, groups, kernel)
    expected = sum(o == 0 for _, o, _ in pairs), sum(i == 0 for i, _, _ in pairs)
    assert fans((kernel, inputs // groups, outputs), "input_output", groups) == expected
    assert fans((outputs, inputs // groups, kernel), "output_input", groups) == expected
    assert fans((kernel, outputs // groups, inputs), "transposed_input_output", groups) == expected
    assert fans((inputs, outputs // groups, kernel), "transposed_output_input", groups) == expected


def test_without_groups_the_outputs_of_all_groups_count():
    """pytorch#23854: Conv2d(4, 4, 3, groups=4)."""
    assert fans((4, 1, 3, 3), "output_input") == (9, 36)
    assert fans((4, 1, 3, 3), "output_input", groups=4) == (9, 9)


def test_a_transposed_convolution_read_as_an_ordinary_one_has_its_fans_interchanged():
    """What PyTorch makes of ConvTranspose2d(6, 4, 3), and Keras of its own."""
    assert fans((6, 4, 3, 3), "output_input") == fans((6, 4, 3, 3), "transposed_output_input")[::-1] == (36, 54)
    assert fans((3, 3, 4, 6), "input_output") == fans((3, 3, 4, 6), "transposed_input_output")[::-1] == (36, 54)


@pytest.mark.parametrize(
    ("groups", "error"), [(0, ValueError), (-2, ValueError), (4, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_groups_that_do_not_divide_are_refused(groups, error):
    with pytest.raises(error, match=f"groups .* {groups}"):
        fans((5, 3, 6), "input_output", groups)


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
