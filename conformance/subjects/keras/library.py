"""Keras in one variant, format and device, where it is imported: specs and NumPy arrays go in, arrays come out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import keras
import numpy as np

from conformance.subjects.keras.functions import activation, clipped, draw, loss, rate
from conformance.subjects.keras.optimizers import built
from conformance.subjects.keras.runs import Start
from refimpl.activations import Activation
from refimpl.initializers import Initializer
from refimpl.losses import Loss
from refimpl.schedules import Schedule
from refimpl.spec import Spec
from refimpl.types import Array, Scalar, Shape

backend: Any = import_module(f"conformance.subjects.keras.on_{keras.config.backend()}")


@dataclass(frozen=True)
class Library:
    """Every method is a function: the same answer at any time, in any process. A subject offers the specs."""

    variant: str
    dtype: str
    device: str

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within it Keras and its backend have this precision and device; afterwards what they had."""
        with backend.arithmetic(self.dtype, self.device):
            yield

    def returned(self, array: np.ndarray) -> np.ndarray:
        """The array as it comes back from Keras."""
        with self.arithmetic():
            return np.array(keras.Variable(array).value)

    def elementary(self, name: str, x: np.ndarray) -> np.ndarray:
        """The function of `keras.ops` with this name."""
        with self.arithmetic():
            return np.array(getattr(keras.ops, name)(backend.arrays(x)))

    def start(self, spec: Spec, shapes: tuple[Shape, ...]) -> Start:
        """An optimizer of parameters v0, v1, ... of these shapes."""
        with self.arithmetic():
            return _start(spec, shapes, self.dtype)

    def step(
        self,
        spec: Spec,
        arguments: dict[str, float],
        state: list[np.ndarray],
        gradients: list[np.ndarray],
        parameters: list[np.ndarray],
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The new parameters and state: the optimizer's variables. arguments: attributes of the optimizer to set."""
        shapes = tuple(np.shape(parameter) for parameter in parameters)
        with self.arithmetic():
            step = backend.function(self.variant, Step, spec, shapes, self.dtype)
            new_parameters, new_state = step(arguments, *backend.arrays([state, gradients, parameters]))
            return [np.array(array) for array in new_parameters], [np.array(array) for array in new_state]

    def clip(self, spec: Spec, gradients: list[np.ndarray]) -> list[np.ndarray]:
        """The clipped gradients."""
        with self.arithmetic():
            return clipped(spec, backend.arrays(gradients))

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        """The rates of steps 0 .. steps - 1, shape (steps,)."""
        with self.arithmetic():
            at = backend.function(self.variant, rate, spec)
            return np.array([np.asarray(at(backend.arrays(np.int32(step)))) for step in range(steps)])

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        """One draw."""
        with self.arithmetic():
            return np.array(draw(spec, shape, seed, self.dtype))

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The activation of `x`, and the cotangent of `x` for that of the result."""
        return self._evaluated(_vjp, spec, x, cotangent)

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss and its gradient with respect to the prediction."""
        return self._evaluated(_value_and_gradient, spec, prediction, target)

    def _evaluated(
        self, build: Callable[..., Callable[..., Array]], spec: Spec, *arrays: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        with self.arithmetic():
            first, second = backend.function(self.variant, build, spec)(*backend.arrays(list(arrays)))
            return np.array(first), np.array(second)


class Step:
    """A call is one step of the optimizer for parameters of these shapes."""

    def __init__(self, spec: Spec, shapes: tuple[Shape, ...], dtype: str) -> None:
        self.optimizer, self._variables = built(spec, shapes, dtype)

    def __call__(
        self, arguments: dict[str, Scalar], state: list[Array], gradients: list[Array], parameters: list[Array]
    ) -> tuple[list[Array], list[Array]]:
        for name, value in arguments.items():
            setattr(self.optimizer, name, value)
        new_parameters, new_state = backend.stepped(self.optimizer, self._variables, state, gradients, parameters)
        return new_parameters, new_state


@lru_cache(maxsize=512)
def _start(spec: Spec, shapes: tuple[Shape, ...], dtype: str) -> Start:
    variables = built(spec, shapes, dtype)[0].variables
    return Start([variable.name for variable in variables], [np.array(variable.value) for variable in variables])


def _vjp(spec: Activation) -> Callable[[Array, Array], tuple[Array, Array]]:
    return lambda x, cotangent: backend.vjp(activation(spec), x, cotangent)


def _value_and_gradient(spec: Loss) -> Callable[[Array, Array], tuple[Array, Array]]:
    function = loss(spec)
    return lambda prediction, target: backend.value_and_gradient(lambda x: function(target, x), prediction)
