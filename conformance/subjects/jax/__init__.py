"""JAX with optax as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from conformance.subjects.jax.execution import Execution, Function
from conformance.subjects.jax.table import TABLE
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import ClippingRule, OptimizerRun, SteppedRule
from conformance.subjects.table import fixed
from refimpl.activations import Activation
from refimpl.averaging import ParameterAverage
from refimpl.initializers import Initializer
from refimpl.layers import RunningStatistics
from refimpl.losses import Loss
from refimpl.network import Network
from refimpl.optimizers import GradientAccumulation
from refimpl.schedules import Schedule
from refimpl.spec import Spec
from refimpl.types import Shape, Tree

_CAPABILITIES = ("optimizer", "clip", "schedule", "activation", "loss", "network")
_REMEDY = "pip install 'refimpl[jax]'"


class Jax(Execution):
    """optax's optimizers, clipping, schedules and losses, and the initializers, activations and derivatives of JAX:
    compiled by jax.jit, and eager.

    float32 runs with 64-bit types switched off, as JAX does by default, float64 with them on. Hyperparameters are
    Python floats: what optax forms of them alone (1 - decay) is float64, rounded where it meets an array. But the step
    count is an array, so decay**count and the rates of schedules are computed in the precision of JAX's arrays.
    """

    name = "jax"
    # Initializers draw by functions that JAX has compiled itself.
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(_CAPABILITIES, ("jit", "eager")) | {
        "initializer": ("eager",)
    }
    table = TABLE
    conventions = fixed(TABLE)
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "jax-cpu"}
    powers: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    rates: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    flush_to_zero = frozenset({"float32", "float64"})

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        from conformance.subjects.jax.defects import REPRODUCTIONS

        return REPRODUCTIONS

    @classmethod
    def version(cls) -> str:
        try:
            import jax
        except ImportError as problem:
            raise ImportError(f"JAX is not installed: {_REMEDY}") from problem
        try:
            import optax
        except ImportError as problem:
            raise ImportError(f"optax is not installed: {_REMEDY}") from problem
        return f"jax {jax.__version__}, optax {optax.__version__}"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        import jax

        return ("cpu", *sorted({device.platform for device in jax.devices()} - {"cpu"}))

    def smoke(self) -> None:
        from conformance.subjects.jax.arrays import to_jax, to_numpy

        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        with self.arithmetic():
            array = to_jax(sent)
            received = to_numpy(array, sent)
        platforms = {device.platform for device in array.devices()}
        if received.dtype != sent.dtype or not np.array_equal(received, sent) or platforms != {self.device}:
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r} from {platforms}")

    def optimizer(self, spec: SteppedRule, parameters: Tree) -> OptimizerRun:
        from conformance.subjects.jax import averaging, optimizers

        self.offered("optimizer", spec)
        if isinstance(spec, ParameterAverage):
            return averaging.Run(self, spec, parameters)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
        return optimizers.Run(self, spec, parameters)

    def clip(self, spec: ClippingRule, gradients: Tree, parameters: Tree = None) -> Tree:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.clipping import clipping

        self.offered("clip", spec)
        with self.arithmetic():
            numbers = {name: value for name, value in vars(spec).items() if isinstance(value, float)}
            clip = self.function(clipping, type(spec), getattr(spec, "shares", None))
            trees = (gradients,) if parameters is None else (gradients, parameters)
            return to_numpy(clip(numbers, *map(to_jax, trees)), gradients)

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        import jax.numpy as jnp

        from conformance.subjects.jax.schedules import rate

        self.offered_schedule(spec)
        with self.arithmetic():
            at = self.function(rate, spec, steps)
            return np.array([np.asarray(at(jnp.asarray(step))) for step in range(steps)])

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        import jax

        from conformance.subjects.jax.initializers import draw

        self.offered("initializer", spec)
        with self.arithmetic():
            return np.array(self.function(draw, spec, shape, self.dtype)(jax.random.key(seed)))

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.jax.activations import vjp

        self.offered("activation", spec)
        return self._evaluated(vjp, spec, x, cotangent)

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.jax.losses import value_and_gradient

        self.offered("loss", spec)
        return self._evaluated(value_and_gradient, spec, prediction, target)

    def _evaluated(
        self, build: Callable[..., Function], spec: Spec, *arrays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.jax.arrays import to_jax

        with self.arithmetic():
            first, second = self.function(build, spec)(*map(to_jax, arrays))
            return np.array(first), np.array(second)

    def network(self, network: Network, parameters: Tree, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Tree]:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.networks import value_and_gradients

        self.offered_network(network)
        with self.arithmetic():
            value, gradients = self.function(value_and_gradients, network)(to_jax(parameters), to_jax(x), to_jax(y))
            return np.array(value), to_numpy(gradients, parameters)

    def running_statistics(
        self, spec: RunningStatistics, statistics: dict[str, np.ndarray], x: np.ndarray
    ) -> dict[str, np.ndarray]:
        from conformance.subjects.jax.arrays import to_jax
        from conformance.subjects.jax.networks import running_statistics

        self.offered("network", spec)
        with self.arithmetic():
            updated = self.function(running_statistics, spec)(to_jax(statistics), to_jax(x))
            return {name: np.array(updated[name]) for name in statistics}
