"""Trees of parameters: order and paths of leaves, structure, and what becomes an array."""

from collections import OrderedDict
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest

from refimpl.arithmetic import FLOAT32, RunningError, Target
from refimpl.arithmetic.multiprecision import Multiprecision
from refimpl.trees import as_array, as_arrays, leaves, map_leaves, rebuilt, same_structure


class Layer(NamedTuple):
    weights: object
    bias: object


TREE = {"b": [1.0, (2.0, {"x": 3.0})], "a": Layer(4.0, []), 7: OrderedDict(z=5.0, y={})}
PATHS = ["['b'][0]", "['b'][1][0]", "['b'][1][1]['x']", "['a'][0]", "[7]['z']"]


def test_leaves_come_in_the_order_of_the_containers_with_the_indexing_that_reaches_them():
    assert list(leaves(TREE)) == list(zip(PATHS, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True))
    for path, leaf in leaves(TREE):
        assert eval(f"tree{path}", {"tree": TREE}) == leaf


def test_an_array_is_its_own_only_leaf():
    array = np.zeros((2, 3))
    assert list(leaves(array)) == [("", array)]
    assert map_leaves(lambda leaf: leaf, array) is array


def test_mapped_trees_keep_keys_containers_and_empty_branches():
    doubled = map_leaves(lambda leaf: 2 * leaf, TREE)
    assert doubled == {"b": [2.0, (4.0, {"x": 6.0})], "a": Layer(8.0, []), 7: {"z": 10.0, "y": {}}}
    assert list(doubled) == list(TREE)
    assert type(doubled["a"]) is Layer


def test_corresponding_leaves_are_mapped_together_whatever_the_order_of_keys():
    left, right = {"a": [1.0, 2.0], "b": 3.0}, {"b": 30.0, "a": [10.0, 20.0]}
    assert map_leaves(lambda x, y: x + y, left, right) == {"a": [11.0, 22.0], "b": 33.0}


@pytest.mark.parametrize("tree", [{"a": 1.0, "b": 2.0}, [1.0, 2.0]])
@pytest.mark.parametrize("other", [{"a": 1.0}, {"a": 1.0, "b": 2.0, "c": 3.0}, [1.0], (1.0, 2.0, 3.0), 1.0])
def test_trees_of_another_structure_are_not_mapped_together(tree, other):
    with pytest.raises(ValueError, match="same structure"):
        map_leaves(lambda x, y: x + y, tree, other)


def test_a_0d_result_stays_an_array():
    result = map_leaves(lambda leaf: leaf + 1, np.array(2.0))
    assert type(result) is np.ndarray
    assert result.shape == ()


def test_rebuilt_puts_leaves_where_they_were():
    assert rebuilt(TREE, [leaf for _, leaf in leaves(TREE)]) == TREE


# --- structure -------------------------------------------------------------------------------------------------------

MODEL = {"w": np.zeros((2, 3)), "rest": [np.zeros(5), np.array(1.0)]}


def test_trees_of_equal_keys_lengths_and_shapes_have_the_same_structure():
    same_structure("gradients", {"rest": (np.ones(5), 2.0), "w": np.ones((2, 3), dtype=np.float32)}, MODEL)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {"w": np.zeros((2, 3)), "rest": [np.zeros(5)]},
            "gradients must have the structure of parameters: no leaf gradients['rest'][1]",
        ),
        (
            {"w": np.zeros((2, 3)), "rest": [np.zeros(5), 1.0, 2.0]},
            "gradients must have the structure of parameters: gradients['rest'][2] matches no leaf",
        ),
        (
            {"v": np.zeros((2, 3)), "rest": [np.zeros(5), 1.0]},
            "gradients must have the structure of parameters: no leaf gradients['w']; gradients['v'] matches no leaf",
        ),
        (
            {"w": np.zeros((3, 2)), "rest": [np.zeros(5), 1.0]},
            "gradients['w'] has shape (3, 2), but parameters['w'] has shape (2, 3)",
        ),
        (
            {"w": np.zeros((2, 3)), "rest": [np.zeros(5), np.zeros(1)]},
            "gradients['rest'][1] has shape (1,), but parameters['rest'][1] has shape ()",
        ),
        (
            np.zeros((2, 3)),
            "gradients must have the structure of parameters: no leaf gradients['w']; no leaf gradients['rest'][0]; "
            "no leaf gradients['rest'][1]; gradients matches no leaf",
        ),
    ],
    ids=["missing", "surplus", "renamed", "transposed", "one axis more", "no tree"],
)
def test_another_structure_is_refused_by_path(tree, message):
    with pytest.raises(ValueError) as refusal:
        same_structure("gradients", tree, MODEL)
    assert str(refusal.value) == message


# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_every_format_becomes_float64_of_the_same_values(dtype):
    value = np.array([[0.1, -3.0], [1e4, np.inf]]).astype(dtype)
    array = as_array("x", value)
    assert array.dtype == np.float64
    assert (array == value.astype(np.float64)).all()


@pytest.mark.parametrize(
    "value",
    [
        np.array(0.5),
        np.zeros((0, 3)),
        np.arange(12.0).reshape(3, 4)[::2, ::-1],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.float64(0.5),
        np.float32(0.5),
        0.5,
    ],
    ids=["0-d", "empty", "strided", "Fortran order", "float64 scalar", "float32 scalar", "float"],
)
def test_an_array_of_any_shape_and_layout_becomes_one_of_its_own(value):
    array = as_array("x", value)
    assert type(array) is np.ndarray
    assert array.flags.writeable
    assert array.shape == np.shape(value)
    assert np.array_equal(array, value)
    assert not np.shares_memory(array, np.asarray(value))


def test_duck_arrays_are_taken_as_they_are():
    for duck_array in (Multiprecision(np.ones(2)), RunningError.exact(np.ones(2), Target(FLOAT32))):
        assert as_array("x", duck_array) is duck_array
        assert as_arrays("x", [duck_array])[0] is duck_array


def test_arrays_of_a_tree_are_converted_where_they_are():
    tree = as_arrays("parameters", {"a": (np.float32([1, 2]),), "b": 3.0})
    assert tree["a"][0].dtype == tree["b"].dtype == np.float64
    assert tree["a"][0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "dtype", [np.int64, np.uint8, np.bool_, np.complex128, np.longdouble, "U3", object, "datetime64[s]", ">f8"], ids=str
)
def test_another_dtype_is_refused_by_path_with_the_allowed_ones(dtype):
    array = np.zeros(2, dtype=dtype)
    with pytest.raises(TypeError) as refusal:
        as_arrays("parameters", {"w": [array]})
    assert str(refusal.value) == (
        "parameters['w'][0] must be an array of float64, float32, float16, bfloat16, "
        f"got one of {array.dtype}: convert it first"
    )


@pytest.mark.parametrize("value", [1, True, None, "1.0", 1j, {1.0}], ids=repr)
def test_what_is_no_array_is_refused_by_path_type_and_value(value):
    with pytest.raises(TypeError) as refusal:
        as_arrays("parameters", [1.0, value])
    assert str(refusal.value) == (f"parameters[1] must be a floating-point array, got {type(value).__name__} {value!r}")


@pytest.mark.parametrize("tree", [{}, [], (), {"a": [], "b": {}}], ids=repr)
def test_a_tree_without_leaves_is_refused(tree):
    with pytest.raises(ValueError, match="parameters is an empty tree: pass an array"):
        as_arrays("parameters", tree)
