"""Clipping: by global norm, by the norm of each array, by value; below, at and above the threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.strategies.trees import gradient_trees, in_format
from refimpl.arithmetic import RunningError
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.trees import leaves, map_leaves


def certified(subject, tree):
    return map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), tree)


@case(
    statement="A clipped tree of gradients is the rule's, whatever its magnitude, with norms of all sizes.",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
    kind="property",
    catches="a norm of the wrong arrays; a factor above 1; an epsilon nobody declared; clipping that changes direction",
    capability="clip",
)
@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping], ids=lambda r: r.__name__)
@given(data=st.data())
def test_tree(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    tree = data.draw(gradient_trees(subject.dtype), label="gradients")
    compare.example(spec=spec)
    compare.tree(
        subject.clip(spec, in_format(tree, subject.array_dtype)), spec.apply(certified(subject, tree)), "clipped"
    )


@case(
    statement="A norm equal to the threshold, one unit in the last place below or above it, is clipped by the rule.",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
    kind="analytic",
    catches="a comparison turned round, or a jump at the threshold",
    capability="clip",
)
@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm], ids=lambda r: r.__name__)
def test_threshold(subject, compare, rule):
    for threshold in (5.0, np.nextafter(5.0, 0.0), 5.0 * (1 + 2.0**-22), 5.0 * (1 - 2.0**-22)):
        spec = rule(max_norm=float(threshold), **subject.fixed(rule))
        tree = (
            {"a": np.array([3.0, 0.0]), "b": [np.array([[4.0]])]}
            if rule is ClipByGlobalNorm
            else {"a": np.array([3.0, 4.0])}
        )
        compare.example(spec=spec)
        found = subject.clip(spec, in_format(tree, subject.array_dtype))
        compare.tree(found, spec.apply(certified(subject, tree)), "clipped")


@case(
    statement="Clipping by value touches only entries beyond the limit, and gives these the limit itself.",
    source="exact: rounding has no part in it",
    kind="exact",
    catches="an open interval, a limit on one side only, a norm in place of entries",
    capability="clip",
)
def test_values_are_exact(subject, compare):
    limit = 0.75
    spec = ClipByValue(limit=limit, **subject.fixed(ClipByValue))
    x = representable(
        np.array([0.0, 0.5, -0.5, 0.75, -0.75, 0.7500001, -3.0, 1e10, -1e-10, np.inf, -np.inf]), subject.dtype
    )
    inside = np.abs(x) <= limit
    compare.example(spec=spec)
    found = subject.clip(spec, in_format({"x": x}, subject.array_dtype))
    for _, leaf in leaves(found):
        compare.equal(leaf[inside], x[inside], "entries within the limit")
        compare.equal(leaf[~inside], np.sign(x[~inside]) * limit, "entries beyond the limit")
