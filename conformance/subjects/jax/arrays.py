"""Arrays between NumPy and JAX: always copied, in trees that keep their structure."""

from __future__ import annotations

import jax
import numpy as np

from refimpl.trees import map_leaves
from refimpl.types import Tree


def to_jax(tree: Tree) -> Tree:
    """The tree with every leaf a JAX array of its own; jnp.array would compile a copy for every shape."""
    return jax.device_put(map_leaves(np.array, tree))  # which may share the memory of what it is given


def to_numpy(tree: Tree, model: Tree) -> Tree:
    """The tree with every leaf a NumPy array of its own, and keys in the order of `model`: JAX sorts them."""
    return map_leaves(lambda _, leaf: np.array(leaf), model, tree)
