"""Clipping by optax: gradient transformations without a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from refimpl.clipping import ClipByGlobalNorm, ClipByValue, WeightClipping


def _applied(rule: optax.GradientTransformation, tree: Any) -> Any:
    return rule.update(tree, rule.init(tree))[0]


CLIPPINGS: dict[type, Callable[..., Any]] = {
    ClipByGlobalNorm: lambda tree, max_norm, **_: _applied(optax.clip_by_global_norm(max_norm), tree),
    ClipByValue: lambda tree, limit: _applied(optax.clip(limit), tree),
    WeightClipping: lambda tree, limit: optax.tree.clip(tree, -limit, limit),
}


def clipping(rule: type) -> Callable[[Any, dict[str, float]], Any]:
    """The function of a tree, and of the fields of a spec of `rule`, that clips."""
    return lambda tree, fields: CLIPPINGS[rule](tree, **fields)
