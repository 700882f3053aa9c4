"""optax transformations, and functions of JAX arrays, of anybody's own as subjects."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from conformance.adapters.arguments import Arguments
from conformance.subjects import OptimizerRun, Subject
from conformance.subjects.jax import Jax
from conformance.subjects.jax.arrays import to_jax, to_numpy


class JaxSubject(Subject):
    """What adapters for JAX have in common: its devices, the accuracy of its functions, what it flushes to zero."""

    profiles = Jax.profiles
    flush_to_zero = Jax.flush_to_zero
    implementation: ClassVar[Callable[..., Any]]
    arguments: ClassVar[Arguments]

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return Jax.devices()

    def build(self, spec: Any, *given: Any) -> Any:
        """The implementation, called with these arguments and the hyperparameters of the spec."""
        return type(self).implementation(*given, **self.arguments.of(spec))


class OptaxTransformation(JaxSubject):
    """A function that makes an optax.GradientTransformation of hyperparameters."""

    variants: ClassVar = {"optimizer": ("optax",)}
    powers: ClassVar = {"float32": "float32"}

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        self.offered("optimizer", spec)
        return _Run(self, spec, parameters)


class _Run(OptimizerRun):
    def __init__(self, subject: OptaxTransformation, spec: Any, parameters: Any) -> None:
        self._subject, self._model = subject, parameters
        with jax.enable_x64(subject.dtype == "float64"):
            self._parameters = to_jax(parameters)
            self._rule = subject.build(spec)
            self._state = self._rule.init(self._parameters)

    def step(self, gradients: Any) -> None:
        with jax.enable_x64(self._subject.dtype == "float64"):
            updates, self._state = self._rule.update(to_jax(gradients), self._state, self._parameters)
            self._parameters = optax.apply_updates(self._parameters, updates)

    def parameters(self) -> Any:
        return to_numpy(self._parameters, self._model)

    def change(self, spec: Any) -> None:
        self._rule = self._subject.build(spec)

    def save(self) -> Any:
        return deepcopy((self._parameters, self._state))

    def restore(self, saved: Any) -> None:
        self._parameters, self._state = saved


class JaxFunction(JaxSubject):
    """A function of JAX arrays: an activation f(x, ...), or a loss f(prediction, target, ...)."""

    variants: ClassVar = {"activation": ("jax",), "loss": ("jax",)}

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("activation", spec)
        with jax.enable_x64(self.dtype == "float64"):
            result, pull = jax.vjp(lambda array: self.build(spec, array), jnp.asarray(x))
            return np.array(result), np.array(pull(jnp.asarray(cotangent))[0])

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("loss", spec)
        with jax.enable_x64(self.dtype == "float64"):
            of_prediction = jax.value_and_grad(lambda array: self.build(spec, array, jnp.asarray(target)))
            value, gradient = of_prediction(jnp.asarray(prediction))
            return np.array(value), np.array(gradient)
