"""What Keras leaves to its backend, by JAX: precision, compilation, derivatives and pure steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import jax
import keras

from conformance.subjects.jax import Jax
from conformance.subjects.jax.arrays import to_jax as arrays
from conformance.subjects.keras.backend import default_format
from refimpl.types import Array

__all__ = ["arithmetic", "arrays", "function", "stepped", "value_and_gradient", "vjp"]


@contextmanager
def arithmetic(dtype: str, device: str) -> Iterator[None]:
    """Within it JAX and Keras have this precision and device; afterwards what they had."""
    with Jax("", dtype, device).arithmetic(), default_format(dtype):
        yield


def function(variant: str, build: Callable[..., Callable[..., Array]], *arguments: object) -> Callable[..., Array]:
    """build(*arguments), compiled in the variant "jit"; for equal arguments the same function again."""
    return Jax(variant).function(build, *arguments)


def vjp(f: Callable[[jax.Array], jax.Array], x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    """f(x), and the cotangent of x for that of the result."""
    value, pull_back = jax.vjp(f, x)
    return value, pull_back(cotangent)[0]


def value_and_gradient(f: Callable[[jax.Array], jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The scalar f(x) and its gradient."""
    value, gradient = jax.value_and_grad(f)(x)
    return value, gradient


def stepped(
    optimizer: keras.Optimizer,
    variables: list[keras.Variable],
    state: list[jax.Array],
    gradients: list[jax.Array],
    parameters: list[jax.Array],
) -> tuple[list[jax.Array], list[jax.Array]]:
    """The new parameters and state of an optimizer that was built for `variables`."""
    new_parameters, new_state = optimizer.stateless_apply(state, gradients, parameters)
    return new_parameters, new_state
