"""Clipping by optax: gradient transformations without a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import optax

from refimpl.clipping import AdaptiveClipping, ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping


def _applied(rule: optax.GradientTransformation, tree: Any, parameters: Any = None) -> Any:
    return rule.update(tree, rule.init(tree), parameters)[0]


def _each(tree: Any, max_norm: float, shares: str) -> Any:
    """By what optax has for batches of examples, of which there is one."""
    batch = jax.tree.map(lambda array: array[None], tree)
    if shares == "each":
        return jax.tree.map(lambda array: optax.per_example_global_norm_clip([array], max_norm)[0][0], batch)
    return optax.per_example_layer_norm_clip(batch, max_norm, uniform=shares == "equal")[0]


CLIPPINGS: dict[type, Callable[..., Any]] = {
    ClipByGlobalNorm: lambda tree, max_norm, **_: _applied(optax.clip_by_global_norm(max_norm), tree),
    ClipByValue: lambda tree, limit: _applied(optax.clip(limit), tree),
    WeightClipping: lambda tree, limit: optax.tree.clip(tree, -limit, limit),
    AdaptiveClipping: lambda tree, parameters, clipping, epsilon, **_: _applied(
        optax.adaptive_grad_clip(clipping, epsilon), tree, parameters
    ),
}


def clipping(rule: type, shares: str | None) -> Callable[..., Any]:
    """The function that clips a tree (and looks at the parameters), given the numbers among the fields of a spec."""
    if rule is ClipByNorm:
        return lambda fields, tree: _each(tree, fields["max_norm"], str(shares))
    return lambda fields, *trees: CLIPPINGS[rule](*trees, **fields)
