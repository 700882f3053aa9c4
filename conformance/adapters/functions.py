"""Plain functions of NumPy arrays as subjects: of the forms that `conformance.identify` takes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np

from conformance.adapters.arguments import Arguments
from conformance.subjects import OptimizerRun, Subject
from refimpl.trees import leaves, map_leaves, rebuilt

CAPABILITIES = ("optimizer", "clip", "schedule", "initializer", "activation", "loss")


class Functions(Subject):
    """A subject that calls one function, with the hyperparameters of the spec by name."""

    variants: ClassVar = dict.fromkeys(
        ("optimizer", "clip", "schedule", "initializer", "activation", "loss"), ("function",)
    )
    function: ClassVar[Callable[..., Any]]
    arguments: ClassVar[Arguments]

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        self.offered("optimizer", spec)
        return _Run(self, spec, parameters)

    def clip(self, spec: Any, gradients: Any, parameters: Any = None) -> Any:
        self.offered("clip", spec)
        trees = [gradients] if parameters is None else [gradients, parameters]
        return rebuilt(gradients, self.call(spec, *([leaf for _, leaf in leaves(tree)] for tree in trees)))

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        self.offered_schedule(spec)
        return np.array([self.call(spec, step) for step in range(steps)], dtype=np.float64)

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        self.offered("initializer", spec)
        return np.asarray(self.call(spec, shape, seed), dtype=self.array_dtype)

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("activation", spec)
        result, derivative = self._pair(self.call(spec, x), "(y, derivative)")
        return result, cotangent * derivative

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("loss", spec)
        value, gradient = self._pair(self.call(spec, prediction, target), "(value, gradient)")
        return np.asarray(value, dtype=self.array_dtype), gradient

    def call(self, spec: Any, *given: Any) -> Any:
        """What the function returns for these arguments and the hyperparameters of the spec."""
        return type(self).function(*given, **self.arguments.of(spec))

    def _pair(self, result: Any, wanted: str) -> tuple[Any, Any]:
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self.name} must return {wanted} to be checked, got {type(result).__name__}")
        return result


class _Run(OptimizerRun):
    """Steps of a function of one array, on each leaf of a tree."""

    def __init__(self, subject: Functions, spec: Any, parameters: Any) -> None:
        self._subject, self._spec, self._count = subject, spec, 0
        self._parameters = parameters
        self._states: list[Any] = [None] * len(list(leaves(parameters)))

    def step(self, gradients: Any) -> None:
        self._count += 1
        by_path = dict(leaves(gradients))
        results = [
            self._subject.call(self._spec, np.array(leaf), np.array(by_path[path]), state, self._count)
            for (path, leaf), state in zip(leaves(self._parameters), self._states, strict=True)
        ]
        self._parameters = rebuilt(self._parameters, [parameter for parameter, _ in results])
        self._states = [state for _, state in results]

    def parameters(self) -> Any:
        return map_leaves(np.array, self._parameters)

    def change(self, spec: Any) -> None:
        self._spec = spec

    def save(self) -> Any:
        return deepcopy((self._parameters, self._states, self._count))

    def restore(self, saved: Any) -> None:
        self._parameters, self._states, self._count = deepcopy(saved)
