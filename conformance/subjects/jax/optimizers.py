"""Runs of optax's optimizers: transformations made from a spec, with hyperparameters that are Python floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from conformance.subjects.jax.arrays import to_jax, to_numpy
from conformance.subjects.jax.execution import Execution
from conformance.subjects.jax.table import TABLE
from conformance.subjects.subject import OptimizerRun, Saved, SteppedRule, Unsupported
from conformance.subjects.table import slot_of
from refimpl.optimizers import GradientAccumulation, SignDescent, Yogi
from refimpl.spec import Spec
from refimpl.trees import map_leaves
from refimpl.types import Scalar, State, Tree

# Hyperparameters that optax applies to arrays as they are. They are arguments of the compiled step, so that a run may
# change them, and other runs may have other values, without compiling again: an argument is rounded to the arrays'
# format once, as a constant is. The decays stay constants, because optax forms 1 - decay of them.
ARGUMENTS = ("learning_rate", "weight_decay", "epsilon")


def transformation(rule: type[Spec], h: SimpleNamespace) -> optax.GradientTransformation:
    """optax's transformation for hyperparameters `h`, which has the fields of the rule.

    An L2 penalty that optax's function does not have is a transformation of its own, put before it.
    """
    row = TABLE[rule]
    if rule is GradientAccumulation:
        # By default it accumulates in float32, whatever the gradients are.
        of_rule = transformation(type(h.rule), SimpleNamespace(**vars(h.rule)))
        steps = row.call(h, opt=of_rule, accumulator_dtype=jnp.zeros(()).dtype)
        return steps.gradient_transformation()
    if rule is Yogi:
        scaled = optax.scale_by_yogi(h.beta1, h.beta2, h.epsilon, initial_accumulator_value=h.initial_accumulator)
        of_rule = optax.chain(scaled, optax.scale_by_learning_rate(h.learning_rate))
    elif rule is SignDescent and h.momentum == 0:
        of_rule = optax.sign_sgd(h.learning_rate)
    else:
        of_rule = row.call(h)
    if "weight_decay" in row.defaults or "weight_decay" in row.fixed:
        return of_rule
    return optax.chain(optax.add_decayed_weights(h.weight_decay), of_rule)


def update(spec: Spec) -> Callable[..., tuple[Tree, State]]:
    """The function of (gradients, state, parameters, arguments) that makes a step: new parameters and state."""

    def step(gradients: Tree, state: State, parameters: Tree, arguments: dict[str, Scalar]) -> tuple[Tree, State]:
        rule = transformation(type(spec), SimpleNamespace(**vars(spec) | arguments))
        updates, state = rule.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state

    return step


class Run(OptimizerRun):
    """An optax run; `subject` gives the arithmetic it runs in, and compiles."""

    def __init__(self, subject: Execution, spec: SteppedRule, parameters: Tree) -> None:
        self._subject, self._model = subject, parameters
        self._use(spec)
        with subject.arithmetic():
            self._parameters = to_jax(parameters)
            self._state = transformation(type(spec), SimpleNamespace(**vars(spec))).init(self._parameters)

    def _use(self, spec: Spec) -> None:
        self._spec: Any = spec
        # Zero stays a constant: optax leaves out a penalty that is the number 0.
        self._arguments = {name: getattr(spec, name) for name in ARGUMENTS if getattr(spec, name, 0.0) > 0}
        self._step = self._subject.function(update, replace(spec, **dict.fromkeys(self._arguments, 1.0)))

    def step(self, gradients: Tree) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = self._step(
                to_jax(gradients), self._state, self._parameters, self._arguments
            )

    def parameters(self) -> Tree:
        return to_numpy(self._parameters, self._model)

    def state(self) -> State:
        optax_state = dict(_fields(self._state))
        slots = {}
        for slot in self._spec.slots():
            name, sign = slot_of(TABLE, self._spec, slot)
            array = to_numpy(optax_state[name], self._model)
            slots[slot] = map_leaves(lambda leaf, sign=sign: np.array(sign * leaf), array)
        if "direction" in slots:
            slots["direction"] = map_leaves(np.sign, slots["direction"])  # Rprop keeps the step
        return slots

    def change(self, spec: SteppedRule) -> None:
        self._subject.offered("optimizer", spec)
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"optax: the state of {self._spec} does not fit {spec}")
        self._use(spec)

    def save(self) -> Saved:
        return jax.tree.map(np.array, (self._parameters, self._state))

    def restore(self, saved: Saved) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = jax.device_put(jax.tree.map(np.array, saved))


def _fields(state: Any) -> Iterator[tuple[str, Any]]:
    """The (name, value) pairs of all named tuples in optax's state, which is nested tuples of them."""
    if hasattr(state, "_fields"):
        yield from zip(state._fields, state, strict=True)
        if hasattr(state, "inner_opt_state"):  # of MultiSteps
            yield from _fields(state.inner_opt_state)
    else:
        for part in state:
            yield from _fields(part)
