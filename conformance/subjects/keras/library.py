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

from conformance.subjects.keras.activations import activation
from conformance.subjects.keras.clipping import clipped
from conformance.subjects.keras.initializers import draw
from conformance.subjects.keras.losses import loss
from conformance.subjects.keras.optimizers import built, slots
from conformance.subjects.keras.runs import Start
from conformance.subjects.keras.schedules import rate

backend = import_module(f"conformance.subjects.keras.on_{keras.config.backend()}")


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

    def start(self, spec: Any, shapes: tuple[tuple[int, ...], ...]) -> Start:
        """An optimizer of parameters v0, v1, ... of these shapes."""
        with self.arithmetic():
            return _start(spec, shapes, self.dtype)

    def step(
        self, spec: Any, arguments: dict[str, float], kept: list[Any], gradients: list[Any], parameters: list[Any]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The new parameters, and what is kept for the next step. arguments: attributes of the optimizer to set."""
        shapes = tuple(np.shape(parameter) for parameter in parameters)
        with self.arithmetic():
            step = backend.function(self.variant, Step, spec, shapes, self.dtype)
            found = step(arguments, *backend.arrays([kept, gradients, parameters]))
            return tuple([np.array(array) for array in arrays] for arrays in found)  # type: ignore[return-value]

    def clip(self, spec: Any, gradients: list[np.ndarray]) -> list[np.ndarray]:
        """The clipped gradients."""
        with self.arithmetic():
            return clipped(spec, backend.arrays(gradients))

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        """The rates of steps 0 .. steps - 1, shape (steps,)."""
        with self.arithmetic():
            at = backend.function(self.variant, rate, spec)
            return np.array([np.asarray(at(backend.arrays(np.int32(step)))) for step in range(steps)])

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        """One draw."""
        with self.arithmetic():
            return np.array(draw(spec, shape, seed, self.dtype))

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The activation of `x`, and the cotangent of `x` for that of the result."""
        return self._evaluated(_vjp, spec, x, cotangent)

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The loss and its gradient by the prediction."""
        return self._evaluated(_differentiated, spec, prediction, target)

    def _evaluated(self, build: Callable, spec: Any, *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with self.arithmetic():
            first, second = backend.function(self.variant, build, spec)(*backend.arrays(list(arrays)))
            return np.array(first), np.array(second)


class Step:
    """A call is one step of the optimizer for parameters of these shapes."""

    def __init__(self, spec: Any, shapes: tuple[tuple[int, ...], ...], dtype: str) -> None:
        self.optimizer, self._parameters = built(spec, shapes, dtype)

    def __call__(
        self, arguments: dict[str, Any], kept: list[Any], gradients: list[Any], parameters: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        for name, value in arguments.items():
            setattr(self.optimizer, name, value)
        return backend.stepped(self.optimizer, self._parameters, kept, gradients, parameters)


@lru_cache(maxsize=512)
def _start(spec: Any, shapes: tuple[tuple[int, ...], ...], dtype: str) -> Start:
    kept = built(spec, shapes, dtype)[0].variables
    values = [np.array(variable.value) for variable in kept]
    return Start([variable.name for variable in kept], values, slots(spec))


def _vjp(spec: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    return lambda x, cotangent: backend.pulled_back(activation(spec), x, cotangent)


def _differentiated(spec: Any) -> Callable[[Any, Any], tuple[Any, Any]]:
    of_spec = loss(spec)
    return lambda prediction, target: backend.differentiated(lambda x: of_spec(target, x), prediction)
