"""Keras optimizers of anybody's own as subjects, eager and on the JAX backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.arguments import Arguments
from conformance.subjects import OptimizerRun, Subject
from conformance.subjects.keras import Keras
from conformance.subjects.keras.library import Library, keras
from refimpl.trees import leaves, rebuilt


class KerasOptimizer(Subject):
    """A class of keras.optimizers.Optimizer. Powers have the arrays' format, as Keras counts steps in a variable."""

    variants: ClassVar = {"optimizer": ("eager",)}
    profiles = Keras.profiles
    powers = Keras.powers
    flush_to_zero = Keras.flush_to_zero
    implementation: ClassVar[Callable[..., Any]]
    arguments: ClassVar[Arguments]

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return Keras.devices()

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        self.offered("optimizer", spec)
        return _Run(self, spec, parameters)


class _Run(OptimizerRun):
    """A run of an optimizer on variables of its own."""

    def __init__(self, subject: KerasOptimizer, spec: Any, parameters: Any) -> None:
        self._subject, self._model = subject, parameters
        self._library = Library("eager", subject.dtype, subject.device)
        with self._library.arithmetic():
            self._variables = [keras.Variable(leaf) for _, leaf in leaves(parameters)]
            self._optimizer = type(subject).implementation(**subject.arguments.of(spec))
            self._optimizer.build(self._variables)

    def step(self, gradients: Any) -> None:
        with self._library.arithmetic():
            given = [keras.ops.convert_to_tensor(leaf) for _, leaf in leaves(gradients)]
            self._optimizer.apply(given, self._variables)

    def parameters(self) -> Any:
        return rebuilt(self._model, [np.array(variable.value) for variable in self._variables])

    def change(self, spec: Any) -> None:
        with self._library.arithmetic():
            for name, value in self._subject.arguments.of(spec).items():
                setattr(self._optimizer, name, value)

    def save(self) -> Any:
        return [np.array(variable.value) for variable in self._kept()]

    def restore(self, saved: Any) -> None:
        with self._library.arithmetic():
            for variable, value in zip(self._kept(), saved, strict=True):
                variable.assign(value)

    def _kept(self) -> list[Any]:
        return [*self._variables, *self._optimizer.variables]
