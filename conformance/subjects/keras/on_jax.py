"""What Keras leaves to its backend, by JAX: precision, compilation, derivatives and pure steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax

from conformance.subjects.jax import Jax
from conformance.subjects.jax.arrays import to_jax as arrays
from conformance.subjects.keras.backend import default_format

__all__ = ["arithmetic", "arrays", "differentiated", "function", "pulled_back", "stepped"]


@contextmanager
def arithmetic(dtype: str, device: str) -> Iterator[None]:
    """Within it JAX and Keras have this precision and device; afterwards what they had."""
    with Jax("", dtype, device).arithmetic(), default_format(dtype):
        yield


def function(variant: str, build: Callable[..., Callable], *arguments: Any) -> Callable:
    """build(*arguments), compiled in the variant "jit"; for equal arguments the same function again."""
    return Jax(variant).function(build, *arguments)


def pulled_back(f: Callable, x: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    """f(x), and the cotangent of x for that of the result."""
    value, pull_back = jax.vjp(f, x)
    return value, pull_back(cotangent)[0]


def differentiated(f: Callable, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The scalar f(x) and its gradient."""
    return jax.value_and_grad(f)(x)


def stepped(
    optimizer: Any, variables: list[Any], kept: list[Any], gradients: list[Any], parameters: list[Any]
) -> tuple[list[Any], list[Any]]:
    """The new parameters, and what the optimizer, built for `variables`, then keeps."""
    return optimizer.stateless_apply(kept, gradients, parameters)
