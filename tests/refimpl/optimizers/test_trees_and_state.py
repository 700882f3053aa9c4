"""Steps of optimizers on trees: structure, purity, and a state that can be saved and restored."""

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest

from refimpl import optimizers
from refimpl.trees import leaves, map_leaves
from tests.refimpl.optimizers.runs import assert_same_bits, flat, run
from tests.refimpl.optimizers.variants import BASES, drawn_gradients, drawn_parameters, every_base, every_variant, short


class Layer(NamedTuple):
    weights: np.ndarray
    bias: np.ndarray


UNLIKE = {
    "matrix": np.arange(6.0).reshape(2, 3) - 2.5,
    "nested": [np.array(0.7), (np.zeros((0, 3)), {"column": np.array([[1.0], [-2.0]])})],
    "layer": Layer(np.array([1.5, -0.5, 2.0], dtype=np.float32), np.float64(-3.0)),
    4: np.asfortranarray(np.arange(12.0).reshape(3, 4))[::2, ::-1],
}


def gradients_of(tree, step):
    return map_leaves(lambda leaf: np.sin(np.asarray(leaf, dtype=np.float64) * (step + 1) + step), tree)


@every_variant
def test_each_array_of_a_tree_moves_as_if_alone(spec):
    gradients = [gradients_of(UNLIKE, step) for step in range(4)]
    parameters, state = run(spec, UNLIKE, gradients)
    for path, start in leaves(UNLIKE):
        alone, alone_state = run(spec, start, [dict(leaves(g))[path] for g in gradients])
        assert_same_bits(dict(leaves(parameters))[path], alone)
        for slot in spec.slots():
            assert_same_bits(dict(leaves(state[slot]))[path], alone_state[slot])


@every_variant
def test_results_are_float64_arrays_in_the_structure_of_the_parameters(spec):
    parameters, state = run(spec, UNLIKE, [gradients_of(UNLIKE, step) for step in range(2)])
    assert type(state["step"]) is int
    assert state["step"] == 2
    slots = [held[slot] for held in (state, spec.init(UNLIKE)) for slot in spec.slots()]
    for tree in (parameters, *slots):
        for (path, leaf), (_, start) in zip(leaves(tree), leaves(UNLIKE), strict=True):
            assert type(leaf) is np.ndarray, path
            assert (leaf.dtype, leaf.shape) == (np.float64, np.shape(start)), path
        assert type(tree["layer"]) is Layer
        assert type(tree["nested"][1]) is tuple
        assert list(tree) == list(UNLIKE)


@every_variant
def test_a_step_neither_changes_nor_shares_what_it_was_given(spec):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(2))
    arguments = parameters, next(drawn_gradients(1)), state
    for tree in arguments:
        for _, leaf in leaves(tree):
            if isinstance(leaf, np.ndarray):
                leaf.setflags(write=False)
    before = copy.deepcopy(arguments)
    results = [spec.step(*arguments), spec.step(*arguments), (parameters, spec.init(parameters))]
    assert_same_bits(before, arguments)
    assert_same_bits(results[0], results[1])
    given = [leaf for _, leaf in leaves(arguments)]
    made = [leaf for result in (*results[:2], results[2][1]) for _, leaf in leaves(result)]
    for i, array in enumerate(made):
        assert not any(np.shares_memory(array, other) for other in given + made[:i] if isinstance(other, np.ndarray))


def reordered(tree):
    return dict(reversed(list(tree.items())))


@every_variant
def test_the_order_of_keys_does_not_matter(spec):
    parameters = {"b": np.array([1.0, -2.0]), "a": np.array([3.0, 0.5])}  # of one shape: a mix-up would go unnoticed
    gradients = {"b": np.array([0.1, 0.2]), "a": np.array([-0.3, 0.7])}
    parameters, state = spec.step(parameters, gradients, spec.init(parameters))
    turned = reordered({slot: tree if slot == "step" else reordered(tree) for slot, tree in state.items()})
    found, expected = spec.step(parameters, reordered(gradients), turned), spec.step(parameters, gradients, state)
    assert_same_bits(found[0], expected[0])
    for slot in spec.slots():
        assert_same_bits(found[1][slot], expected[1][slot])


@every_variant
def test_a_run_equals_two_runs_with_the_state_saved_between_them(spec, tmp_path):
    gradients = list(drawn_gradients(7))
    expected = run(spec, drawn_parameters(), gradients)
    half_way = run(spec, drawn_parameters(), gradients[:3])
    (tmp_path / "saved").write_bytes(pickle.dumps((spec, *half_way)))
    restored_spec, parameters, state = pickle.loads((tmp_path / "saved").read_bytes())
    assert restored_spec == spec
    assert_same_bits((parameters, state), half_way)
    assert_same_bits(run(restored_spec, parameters, gradients[3:], state), expected)


@every_base
def test_state_survives_a_file_of_plain_arrays(spec, tmp_path):
    parameters, state = run(spec, drawn_parameters(), drawn_gradients(3))
    np.savez(tmp_path / "saved.npz", **dict(leaves(state)))
    with np.load(tmp_path / "saved.npz") as saved:
        arrays = iter([saved[path] for path, _ in leaves(state)])
        restored = map_leaves(lambda _: next(arrays), state)
    gradients = next(drawn_gradients(1))
    assert_same_bits(spec.step(parameters, gradients, restored), spec.step(parameters, gradients, state))


@every_base
def test_states_of_two_trees_are_independent(spec):
    gradients = list(drawn_gradients(6))
    expected = run(spec, drawn_parameters(), gradients[::2])
    ours, theirs = (drawn_parameters(), spec.init(drawn_parameters())), (UNLIKE, spec.init(UNLIKE))
    for step, gradient in enumerate(gradients):
        if step % 2 == 0:
            ours = spec.step(ours[0], gradient, ours[1])
        else:
            theirs = spec.step(theirs[0], gradients_of(UNLIKE, step), theirs[1])
    assert_same_bits(ours, expected)


@pytest.mark.parametrize("spec", [base for base in BASES if base.elementwise], ids=short)
def test_not_a_number_stays_in_its_element(spec):
    parameters = {"a": np.array([1.0, 2.0]), "b": np.array(3.0)}
    moved, _ = run(spec, parameters, [{"a": np.array([np.nan, 0.5]), "b": np.array(-0.5)}] * 2)
    assert np.isnan(flat(moved)).tolist() == [True, False, False]


@pytest.mark.filterwarnings("error")
def test_infinite_and_undefined_results_come_without_warning():
    moved, _ = run(optimizers.Adam(0.1, epsilon=0.0), np.array([1.0, 1.0]), [np.array([0.0, 1e200])])
    assert np.isnan(moved[0])
    assert moved[1] == 1.0
