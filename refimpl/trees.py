"""Parameters as trees: an array, or dicts, lists and tuples of them nested to any depth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.formats import FORMATS
from refimpl.types import Array, Tree


def leaves(tree: Tree, path: str = "") -> Iterator[tuple[str, Array]]:
    """The (path, leaf) pairs of a tree in a fixed order; the path reads like the indexing that reaches the leaf."""
    if isinstance(tree, dict):
        for key in tree:
            yield from leaves(tree[key], f"{path}[{key!r}]")
    elif isinstance(tree, (list, tuple)):
        for index, branch in enumerate(tree):
            yield from leaves(branch, f"{path}[{index}]")
    else:
        yield path, tree


def map_leaves(function: Callable[..., Array], tree: Tree, *others: Tree) -> Tree:
    """`function` applied to corresponding leaves.

    Raises ValueError unless all trees branch as the first one does; `same_structure` says where they do not.
    """
    branching = _branching(tree)
    if branching is not None and (different := [other for other in others if _branching(other) != branching]):
        raise ValueError(f"trees must have the same structure, got {branching} and {_branching(different[0])}")
    if isinstance(tree, dict):
        return {key: map_leaves(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, (list, tuple)):
        branches = [map_leaves(function, *branch) for branch in zip(tree, *others, strict=True)]
        return tree._make(branches) if hasattr(tree, "_make") else type(tree)(branches)  # named tuples have _make
    result = function(tree, *others)
    return np.asarray(result) if isinstance(result, np.float64) else result  # NumPy makes scalars of 0-d arrays


def _branching(tree: Tree) -> set[object] | int | None:
    """The keys of a dict, the length of a list or tuple, None at a leaf."""
    if isinstance(tree, dict):
        return set(tree)
    return len(tree) if isinstance(tree, (list, tuple)) else None


def rebuilt(model: Tree, new_leaves: Iterable[Array]) -> Tree:
    """A tree of the structure of `model` with the leaves given, in the order of `leaves(model)`."""
    ordered = iter(new_leaves)
    return map_leaves(lambda _: next(ordered), model)


def same_structure(name: str, tree: Tree, model: Tree, model_name: str = "parameters") -> None:
    """Raises ValueError, naming the path, unless `tree` has the keys, lengths and leaf shapes of `model`."""
    found, expected = dict(leaves(tree)), dict(leaves(model))
    missing, surplus = [p for p in expected if p not in found], [p for p in found if p not in expected]
    if missing or surplus:
        parts = [f"no leaf {name}{p}" for p in missing] + [f"{name}{p} matches no leaf" for p in surplus]
        raise ValueError(f"{name} must have the structure of {model_name}: " + "; ".join(parts))
    for path, leaf in found.items():
        if np.shape(leaf) != np.shape(expected[path]):
            raise ValueError(
                f"{name}{path} has shape {np.shape(leaf)}, but {model_name}{path} has shape {np.shape(expected[path])}"
            )


def as_arrays(name: str, tree: Tree) -> Tree:
    """The tree with every leaf a float64 array of its own (see `as_array`).

    Raises ValueError for a tree without leaves, TypeError for a leaf that is not real floating point.
    """
    if not any(True for _ in leaves(tree)):
        raise ValueError(f"{name} is an empty tree: pass an array, or a dict, list or tuple with at least one")
    return rebuilt(tree, [as_array(f"{name}{path}", leaf) for path, leaf in leaves(tree)])


def as_array(name: str, value: Array) -> Array:
    """`value`, an array or a float, as a float64 array of its own; a duck array, which nothing can change, unchanged.

    Raises TypeError unless it is real floating point.
    """
    if isinstance(value, DuckArray):
        return value
    dtype = "float64" if isinstance(value, float) else getattr(value, "dtype", None)
    if dtype is None:
        raise TypeError(f"{name} must be a floating-point array, got {type(value).__name__} {value!r}")
    if str(dtype) not in FORMATS:
        raise TypeError(f"{name} must be an array of {', '.join(FORMATS)}, got one of {dtype}: convert it first")
    return np.array(value, dtype=np.float64)
