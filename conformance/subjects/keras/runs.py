"""Runs of Keras's optimizers: their whole state is here, and a step asks Keras for a function of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from conformance.subjects.keras.table import TABLE
from conformance.subjects.subject import OptimizerRun, Saved, SteppedRule, Subject, Unsupported
from conformance.subjects.table import slot_of
from refimpl.optimizers import GradientAccumulation
from refimpl.trees import leaves, rebuilt
from refimpl.types import State, Tree

# What a method of `library.Library` returns.
Answer: TypeAlias = Any

# Hyperparameters that Keras applies to arrays as they are. They are arguments of the compiled step, so that a run may
# change them, and other runs may have other values, without compiling again. The learning rate is a variable anyway.
ARGUMENTS = ("weight_decay", "epsilon")


@dataclass(frozen=True)
class Start:
    """Names and values of all variables of an optimizer before its first step."""

    names: list[str]
    values: list[np.ndarray]


class Run(OptimizerRun):
    """A run of an optimizer. ask: a method of `library.Library` by name, and its arguments, to the answer."""

    def __init__(self, subject: Subject, ask: Callable[..., Answer], spec: SteppedRule, parameters: Tree) -> None:
        self._subject, self._ask, self._model = subject, ask, parameters
        self._parameters = [np.array(leaf) for _, leaf in leaves(parameters)]
        self._use(spec)
        self._start: Start = ask("start", self._constants, tuple(parameter.shape for parameter in self._parameters))
        self._state = self._start.values

    def _use(self, spec: Any) -> None:
        accumulating = isinstance(spec, GradientAccumulation)
        rule = spec.rule if accumulating else spec
        self._spec, self._rate = spec, rule.learning_rate
        # Zero stays a constant: Keras leaves out a penalty that is None, as it is without one.
        self._arguments = {name: getattr(rule, name) for name in ARGUMENTS if getattr(rule, name, 0.0) > 0}
        constant = replace(rule, **dict.fromkeys((*self._arguments, "learning_rate"), 1.0))
        self._constants = replace(spec, rule=constant) if accumulating else constant

    def step(self, gradients: Tree) -> None:
        rate = np.asarray(self._rate, self._subject.dtype)  # a variable of Keras's default format
        named = zip(self._start.names, self._state, strict=True)
        state = [rate if name == "learning_rate" else value for name, value in named]
        arrays = [np.asarray(leaf) for _, leaf in leaves(gradients)]
        self._parameters, self._state = self._ask(
            "step", self._constants, self._arguments, state, arrays, self._parameters
        )

    def parameters(self) -> Tree:
        return rebuilt(self._model, [np.array(parameter) for parameter in self._parameters])

    def state(self) -> State:
        return {slot: rebuilt(self._model, self._slot(slot)) for slot in self._spec.slots()}

    def _slot(self, slot: str) -> Iterator[np.ndarray]:
        """The slot of each parameter, as the rule has it."""
        variables = self._variables()
        if slot == "momentum_product":  # one number for all parameters; it alone has a name that Keras makes up
            (product,) = [value for name, value in variables.items() if name.startswith("variable")]
            yield from (np.full(parameter.shape, product) for parameter in self._parameters)
        else:
            name, sign = slot_of(TABLE, self._spec, slot)
            yield from (np.asarray(sign * variables[f"v{index}_{name}"]) for index in range(len(self._parameters)))

    def _variables(self) -> dict[str, np.ndarray]:
        """Every variable of the optimizer by Keras's name."""
        return dict(zip(self._start.names, self._state, strict=True))

    def change(self, spec: SteppedRule) -> None:
        self._subject.offered("optimizer", spec)
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"keras: the state of {self._spec} does not fit {spec}")
        self._use(spec)

    def save(self) -> Saved:
        return self._parameters, self._state

    def restore(self, saved: Saved) -> None:
        self._parameters, self._state = saved  # arrays that nobody changes: each step makes new ones
