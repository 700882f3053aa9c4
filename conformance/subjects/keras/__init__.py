"""Keras as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from conformance.subjects.jax import Jax
from conformance.subjects.keras import averaging
from conformance.subjects.keras.backend import choose
from conformance.subjects.keras.runs import Answer, Run
from conformance.subjects.keras.table import TABLE
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import ClippingRule, OptimizerRun, SteppedRule, Subject, Unsupported
from conformance.subjects.table import fixed, scalars
from refimpl.activations import Activation
from refimpl.averaging import ParameterAverage
from refimpl.initializers import Initializer
from refimpl.losses import Loss
from refimpl.optimizers import GradientAccumulation
from refimpl.schedules import Schedule
from refimpl.trees import leaves, rebuilt
from refimpl.types import Shape, Tree


class Keras(Subject):
    """Keras's optimizers with their clipping, schedules, initializers, activations and losses, on the JAX backend:
    eager, and compiled by jax.jit.

    float32 runs with 64-bit types of JAX switched off, as they are by default, float64 with them on; Keras's default
    format is that of the run. Hyperparameters are Python floats, so that 1 - decay is float64, rounded where it meets
    an array; learning rate and step count are variables, and what is computed with them has the arrays' format.
    """

    name = "keras"
    # Clipping goes through a step, with its limit a constant of it; a schedule is compiled where it is used.
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "optimizer": ("eager", "jit"),
        "clip": ("eager",),
        "schedule": ("jit",),
        "initializer": ("eager",),
        "activation": ("eager", "jit"),
        "loss": ("eager", "jit"),
    }
    table = TABLE
    conventions = fixed(TABLE)
    rule_scalars = scalars(TABLE)
    profiles = Jax.profiles
    powers: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    rates: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    flush_to_zero = Jax.flush_to_zero

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        choose("jax")
        from conformance.subjects.keras.defects import REPRODUCTIONS

        return REPRODUCTIONS

    @classmethod
    def version(cls) -> str:
        remedy = "pip install 'refimpl[keras]'"
        try:
            import jax
        except ImportError as problem:
            raise ImportError(f"JAX is not installed: {remedy}") from problem
        try:
            choose("jax")
            import keras
        except ModuleNotFoundError as problem:
            raise ImportError(f"Keras is not installed: {remedy}") from problem
        return f"keras {keras.__version__}, jax {jax.__version__}"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return Jax.devices()

    def ask(self, question: str, *arguments: object) -> Answer:
        """The answer of a method of `library.Library`, in this process."""
        choose("jax")
        from conformance.subjects.keras.library import Library

        return getattr(Library(self.variant, self.dtype, self.device), question)(*arguments)

    def smoke(self) -> None:
        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        received = self.ask("returned", sent)
        if received.dtype != sent.dtype or not np.array_equal(received, sent):
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r}")

    def optimizer(self, spec: SteppedRule, parameters: Tree) -> OptimizerRun:
        self.offered("optimizer", spec)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
            if spec.every == 1:
                raise Unsupported(f"{self.name} accumulates at least two gradients")
        run = averaging.Run if isinstance(spec, ParameterAverage) else Run
        return run(self, self.ask, spec, parameters)

    def clip(self, spec: ClippingRule, gradients: Tree, parameters: Tree = None) -> Tree:
        self.offered("clip", spec)
        if getattr(spec, "max_norm", 1.0) == 0:
            raise Unsupported(f"{self.name} does not clip where the norm is limited to 0")
        return rebuilt(gradients, self.ask("clip", spec, [np.asarray(leaf) for _, leaf in leaves(gradients)]))

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        self.offered_schedule(spec)
        rates: np.ndarray = self.ask("schedule", spec, steps)
        return rates

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        self.offered("initializer", spec)
        drawn: np.ndarray = self.ask("initializer", spec, shape, seed)
        return drawn

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("activation", spec)
        value, x_cotangent = self.ask("activation", spec, x, cotangent)
        return value, x_cotangent

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("loss", spec)
        value, gradient = self.ask("loss", spec, prediction, target)
        return value, gradient
