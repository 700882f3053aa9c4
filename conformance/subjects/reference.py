"""The reference itself as a subject: what a theorem is proven on, and what a wrong subject is derived from."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from inspect import isabstract, isclass
from typing import ClassVar

import numpy as np

import refimpl
from conformance.subjects.subject import CAPABILITIES, ClippingRule, OptimizerRun, Saved, SteppedRule, Subject
from refimpl.activations import Activation
from refimpl.clipping import AdaptiveClipping
from refimpl.initializers import Initializer
from refimpl.layers import RunningStatistics
from refimpl.losses import Loss
from refimpl.network import Network
from refimpl.schedules import Schedule
from refimpl.spec import Spec
from refimpl.types import Shape, State, Tree, Value


class Reference(Subject):
    """refimpl in plain float64: every rule, every convention."""

    name = "refimpl"
    dtypes = ("float64",)
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(CAPABILITIES, ("numpy",))
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Value]]] = {
        rule: {}
        for rule in (getattr(refimpl, name) for name in refimpl.__all__)
        if isclass(rule) and issubclass(rule, Spec) and not isabstract(rule)
    }

    @classmethod
    def version(cls) -> str:
        return f"numpy {np.__version__}"

    def optimizer(self, spec: SteppedRule, parameters: Tree) -> OptimizerRun:
        return Run(spec, parameters)

    def clip(self, spec: ClippingRule, gradients: Tree, parameters: Tree = None) -> Tree:
        return spec.apply(gradients, parameters) if isinstance(spec, AdaptiveClipping) else spec.apply(gradients)

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        return np.asarray(spec.rate(np.arange(steps)))

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        return np.asarray(spec.sample(shape, np.random.default_rng(seed)))

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(spec.forward(x)), np.asarray(spec.backward(x, cotangent))

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(spec.value(prediction, target)), np.asarray(spec.gradient(prediction, target))

    def network(self, network: Network, parameters: Tree, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Tree]:
        objective, gradients = network.gradients(parameters, x, y)
        return np.asarray(objective), gradients

    def running_statistics(
        self, spec: RunningStatistics, statistics: dict[str, np.ndarray], x: np.ndarray
    ) -> dict[str, np.ndarray]:
        return spec.update(statistics, x)


class Run(OptimizerRun):
    """A run of one of refimpl's optimizers."""

    def __init__(self, spec: SteppedRule, parameters: Tree) -> None:
        self._spec, self._parameters, self._state = spec, parameters, spec.init(parameters)

    def step(self, gradients: Tree) -> None:
        self._parameters, self._state = self._spec.step(self._parameters, gradients, self._state)

    def parameters(self) -> Tree:
        return self._parameters

    def state(self) -> State:
        return {slot: self._state[slot] for slot in self._spec.slots()}

    def change(self, spec: SteppedRule) -> None:
        self._spec = spec

    def save(self) -> Saved:
        return deepcopy((self._parameters, self._state))

    def restore(self, saved: Saved) -> None:
        self._parameters, self._state = deepcopy(saved)
