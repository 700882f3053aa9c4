"""Assertions for tests that use the oracle alone."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import RunningError
from refimpl.trees import leaves, same_structure
from refimpl.types import Tree


def assert_within(actual: Tree, certified: Tree) -> None:
    """Raises AssertionError unless every element of `actual` lies within the certified bound.

    actual: an array of the format that the bound is for, or a tree of them. certified: `RunningError` arrays of the
    same shapes, in a tree of the same structure. The message names the first element that is outside, both numbers, the
    bound, and how many elements are outside. Where no bound can be claimed (NaN), a finite number is required if the
    exact one is finite.

    Raises TypeError for `certified` without a bound, and for arrays of another format; ValueError for trees of another
    structure or shape.
    """
    by_path = dict(leaves(certified))
    for path, expected in by_path.items():
        if not isinstance(expected, RunningError):
            got = type(expected).__name__
            raise TypeError(
                f"certified{path} must be a RunningError: evaluate the rule on RunningError arrays, got {got}"
            )
    same_structure("actual", actual, certified, "certified")
    for path, found in leaves(actual):
        _assert_array_within(np.asarray(found), by_path[path], path)


def _assert_array_within(actual: np.ndarray, expected: RunningError, path: str) -> None:
    name = expected.target.format.name
    if str(actual.dtype) != name:
        raise TypeError(f"actual{path} must have the format that the bound is for, {name}, got {actual.dtype}")
    outside = ~expected.within(actual)
    if not outside.any():
        return
    index = tuple(int(i) for i in np.argwhere(outside)[0])
    value, bound, got = (float(x[index]) for x in (expected.value, expected.bound, actual))
    at = f"actual{path}" + (f"[{', '.join(map(str, index))}]" if index else "")
    if np.isfinite(bound):
        error = abs(got - value)
        said = f"must be within {bound!r} of {value!r}, got {got!r}: the error is {error!r}"
        said += f", {error / bound:.3g} times the bound" if bound > 0 else ""
    else:
        said = f"must be finite, as the exact result {value!r} is, got {got!r}"
    raise AssertionError(f"{at} {said}; {int(outside.sum())} of {outside.size} elements are outside")
