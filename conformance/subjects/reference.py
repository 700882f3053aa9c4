"""The reference itself as a subject: what a theorem is proven on, and what a wrong subject is derived from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from inspect import isabstract, isclass
from typing import Any, ClassVar

import numpy as np

import refimpl
from conformance.subjects.subject import CAPABILITIES, OptimizerRun, Subject
from refimpl.spec import Spec


class Reference(Subject):
    """refimpl in plain float64: every rule, every convention."""

    name = "refimpl"
    dtypes = ("float64",)
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(CAPABILITIES, ("numpy",))
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Any]]] = {
        rule: {}
        for rule in (getattr(refimpl, name) for name in refimpl.__all__)
        if isclass(rule) and issubclass(rule, Spec) and not isabstract(rule)
    }

    @classmethod
    def version(cls) -> str:
        return f"numpy {np.__version__}"

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        return Run(spec, parameters)

    def clip(self, spec: Any, gradients: Any, parameters: Any = None) -> Any:
        return spec.apply(gradients) if parameters is None else spec.apply(gradients, parameters)

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        return spec.rate(np.arange(steps))

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        return spec.sample(shape, np.random.default_rng(seed))

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(spec.forward(x)), np.asarray(spec.backward(x, cotangent))

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(spec.value(prediction, target)), spec.gradient(prediction, target)

    def network(self, network: Any, parameters: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Any]:
        objective, gradients = network.gradients(parameters, x, y)
        return np.asarray(objective), gradients

    def running_statistics(self, spec: Any, statistics: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
        return spec.update(statistics, x)


class Run(OptimizerRun):
    """A run of one of refimpl's optimizers."""

    def __init__(self, spec: Any, parameters: Any) -> None:
        self._spec, self._parameters, self._state = spec, parameters, spec.init(parameters)

    def step(self, gradients: Any) -> None:
        self._parameters, self._state = self._spec.step(self._parameters, gradients, self._state)

    def parameters(self) -> Any:
        return self._parameters

    def state(self) -> dict[str, Any]:
        return {slot: self._state[slot] for slot in self._spec.slots()}

    def change(self, spec: Any) -> None:
        self._spec = spec

    def save(self) -> Any:
        return deepcopy((self._parameters, self._state))

    def restore(self, saved: Any) -> None:
        self._parameters, self._state = deepcopy(saved)
