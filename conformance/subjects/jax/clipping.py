"""Clipping by optax: gradient transformations without a state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from refimpl.clipping import ClipByGlobalNorm, ClipByValue, WeightClipping


def _stateless(rule: optax.GradientTransformation) -> Callable[[Any], Any]:
    return lambda tree: rule.update(tree, rule.init(tree))[0]


CLIPPINGS: dict[type, Callable[[Any], Callable[[Any], Any]]] = {
    ClipByGlobalNorm: lambda s: _stateless(optax.clip_by_global_norm(s.max_norm)),
    ClipByValue: lambda s: _stateless(optax.clip(s.limit)),
    WeightClipping: lambda s: lambda tree: optax.tree.clip(tree, -s.limit, s.limit),
}


def clipping(spec: Any) -> Callable[[Any], Any]:
    """The function that clips a tree."""
    return CLIPPINGS[type(spec)](spec)
