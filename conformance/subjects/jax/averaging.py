"""Runs of optax's averages of parameters: optax.ema of them, or optax.incremental_update of a copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax

from conformance.subjects.jax.arrays import to_jax, to_numpy
from conformance.subjects.jax.execution import Execution
from conformance.subjects.jax.table import TABLE
from conformance.subjects.subject import OptimizerRun, Saved
from refimpl.averaging import ParameterAverage
from refimpl.types import State, Tree


def update(spec: ParameterAverage) -> Callable[[Tree, Tree, State], tuple[Tree, State]]:
    """The function of (parameters, average, state) that gives the new average and state."""
    if spec.start == "given":
        return lambda new, average, state: (optax.incremental_update(new, average, 1 - spec.decay), state)
    return lambda new, _, state: TABLE[ParameterAverage].call(spec).update(new, state)


class Run(OptimizerRun):
    """An average; `subject` gives the arithmetic it runs in, and compiles."""

    def __init__(self, subject: Execution, spec: ParameterAverage, parameters: Tree) -> None:
        self._subject, self._spec, self._model = subject, spec, parameters
        self._update = subject.function(update, spec)
        with subject.arithmetic():
            self._average = to_jax(parameters)
            # A copy that is updated is all of its state.
            self._state: Any = () if spec.start == "given" else TABLE[ParameterAverage].call(spec).init(self._average)

    def step(self, gradients: Tree) -> None:
        with self._subject.arithmetic():
            self._average, self._state = self._update(to_jax(gradients), self._average, self._state)

    def parameters(self) -> Tree:
        return to_numpy(self._average, self._model)

    def state(self) -> State:
        return {slot: to_numpy(self._state.ema, self._model) for slot in self._spec.slots()}

    def save(self) -> Saved:
        return jax.tree.map(np.array, (self._average, self._state))

    def restore(self, saved: Saved) -> None:
        with self._subject.arithmetic():
            self._average, self._state = jax.device_put(saved)
