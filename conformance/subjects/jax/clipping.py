"""Clipping by optax: gradient transformations without a state, and functions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import jax
import optax

from conformance.subjects.jax.table import TABLE
from refimpl.clipping import ClipByNorm, WeightClipping
from refimpl.spec import Spec
from refimpl.types import Scalar, Tree


def clipping(rule: type[Spec], shares: str | None) -> Callable[..., Tree]:
    """The function that clips a tree (and looks at the parameters), given the numbers among the fields of a spec."""

    def clip(numbers: dict[str, Scalar], tree: Tree, parameters: Tree = None) -> Tree:
        if rule is WeightClipping:
            return optax.tree.clip(tree, -numbers["limit"], numbers["limit"])
        if rule is ClipByNorm:
            return _each(tree, numbers["max_norm"], str(shares))
        transformation = TABLE[rule].call(SimpleNamespace(**numbers))
        return transformation.update(tree, transformation.init(tree), parameters)[0]

    return clip


def _each(tree: Tree, max_norm: Scalar, shares: str) -> Tree:
    """By what optax has for batches of examples, of which there is one."""
    batch = jax.tree.map(lambda array: array[None], tree)
    if shares == "each":
        return jax.tree.map(lambda array: optax.per_example_global_norm_clip([array], max_norm)[0][0], batch)
    return TABLE[ClipByNorm].call(SimpleNamespace(max_norm=max_norm, shares=shares), batch)[0]
