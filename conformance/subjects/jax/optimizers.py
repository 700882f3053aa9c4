"""Runs of optax's optimizers: a transformation per spec, with hyperparameters that are Python floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from conformance.subjects.jax.arrays import to_jax, to_numpy
from conformance.subjects.subject import NotOffered, OptimizerRun
from refimpl.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop

# How optax makes each rule. A coupled penalty is a transformation of its own, put before: see `transformation`.
RULES: dict[type, Callable[[Any], optax.GradientTransformation]] = {
    SGD: lambda s: optax.sgd(s.learning_rate, momentum=s.momentum or None, nesterov=s.nesterov),
    Adagrad: lambda s: optax.adagrad(s.learning_rate, s.initial_accumulator, s.epsilon),
    RMSprop: lambda s: optax.rmsprop(
        s.learning_rate, s.decay, s.epsilon, centered=s.centered, momentum=s.momentum or None
    ),
    Adam: lambda s: optax.adam(s.learning_rate, s.beta1, s.beta2, s.epsilon),
    AdamW: lambda s: optax.adamw(s.learning_rate, s.beta1, s.beta2, s.epsilon, weight_decay=s.weight_decay),
}

# Slot -> field of optax's state. The "velocity" of RMSprop sums what is added to the parameters: see `Run.state`.
FIELDS: dict[type, dict[str, str]] = {
    SGD: {"velocity": "trace"},
    Adagrad: {"accumulator": "sum_of_squares"},
    RMSprop: {"second_moment": "nu", "mean": "mu", "velocity": "trace"},
    Adam: {"first_moment": "mu", "second_moment": "nu"},
    AdamW: {"first_moment": "mu", "second_moment": "nu"},
}


def transformation(spec: Any) -> optax.GradientTransformation:
    """The rule as people put it together."""
    rule = RULES[type(spec)](spec)
    if type(spec) is AdamW:
        return rule
    return optax.chain(optax.add_decayed_weights(spec.weight_decay), rule)


def update(spec: Any) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """The function of (gradients, state, parameters) that makes a step: new parameters and state."""
    rule = transformation(spec)

    def step(gradients: Any, state: Any, parameters: Any) -> tuple[Any, Any]:
        changes, state = rule.update(gradients, state, parameters)
        return optax.apply_updates(parameters, changes), state

    return step


class Run(OptimizerRun):
    """An optax run; `subject` gives the arithmetic it runs in, and compiles."""

    def __init__(self, subject: Any, spec: Any, parameters: Any) -> None:
        self._subject, self._spec, self._model = subject, spec, parameters
        self._step = subject.function(update, spec)
        with subject.arithmetic():
            self._parameters = to_jax(parameters)
            self._state = transformation(spec).init(self._parameters)

    def step(self, gradients: Any) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = self._step(to_jax(gradients), self._state, self._parameters)

    def parameters(self) -> Any:
        return to_numpy(self._parameters, self._model)

    def state(self) -> dict[str, Any]:
        kept, fields = dict(_fields(self._state)), FIELDS[type(self._spec)]
        slots = {slot: to_numpy(kept[fields[slot]], self._model) for slot in self._spec.slots()}
        if type(self._spec) is RMSprop and "velocity" in slots:
            slots["velocity"] = jax.tree.map(np.negative, slots["velocity"])
        return slots

    def change(self, spec: Any) -> None:
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise NotOffered(f"optax: the state of {self._spec} does not fit {spec}")
        self._spec, self._step = spec, self._subject.function(update, spec)

    def save(self) -> Any:
        return jax.tree.map(np.array, (self._parameters, self._state))

    def restore(self, saved: Any) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = jax.tree.map(jnp.array, saved)


def _fields(state: Any) -> Iterator[tuple[str, Any]]:
    """The (name, value) pairs of all named tuples in optax's state, which is nested tuples of them."""
    if hasattr(state, "_fields"):
        yield from zip(state._fields, state, strict=True)
    else:
        for part in state:
            yield from _fields(part)
