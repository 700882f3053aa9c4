"""Clipping by optax: gradient transformations without a state, and the projection on a box."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optax

from refimpl.clipping import ClipByGlobalNorm, ClipByValue, WeightClipping


def clipping(spec: Any) -> Callable[[Any], Any]:
    """The function that clips a tree."""
    return RULES[type(spec)](spec)


def _stateless(rule: optax.GradientTransformation) -> Callable[[Any], Any]:
    return lambda tree: rule.update(tree, rule.init(tree))[0]


RULES: dict[type, Callable[[Any], Callable[[Any], Any]]] = {
    ClipByGlobalNorm: lambda s: _stateless(optax.clip_by_global_norm(s.max_norm)),
    ClipByValue: lambda s: _stateless(optax.clip(s.limit)),
    WeightClipping: lambda s: lambda tree: optax.tree.clip(tree, -s.limit, s.limit),
}
