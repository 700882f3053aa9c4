"""Trees for the tests of adapters: what goes in, and whether what comes back has its form or its bits."""

import numpy as np

from refimpl.trees import leaves, same_structure


def tree(dtype, seed=7):
    """Leaves of unlike shape, 0-d, empty and non-contiguous ones among them, under keys in no alphabetical order."""
    normal = np.random.default_rng(seed).standard_normal
    w, scale, nothing, v, b = (np.asarray(normal(shape), dtype) for shape in ((3, 5), (), (0, 2), (2, 3), (7,)))
    return {"w": w[:, ::-1], "nested": [scale, (nothing, v.T)], "b": b[::2]}


def bits(value):
    """Every leaf, with its path, type and bits, so that equality is exact and tells -0.0 from 0.0."""
    return [(path, type(leaf), str(leaf.dtype), leaf.shape, leaf.tobytes()) for path, leaf in leaves(value)]


def same(actual, expected):
    """Whether two trees agree in structure, types and every bit."""
    return bits(actual) == bits(expected)


def check_form(subject, actual, given):
    """The structure, order of keys, shapes and dtype of what was given, in NumPy arrays that can be written to."""
    same_structure("actual", actual, given, "what was given")
    assert [path for path, _ in leaves(actual)] == [path for path, _ in leaves(given)]
    for _, leaf in leaves(actual):
        assert type(leaf) is np.ndarray and str(leaf.dtype) == subject.dtype and leaf.flags.writeable
