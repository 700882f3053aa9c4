"""What Keras leaves to its backend, by TensorFlow: precision, compilation, derivatives and pure steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import keras
import tensorflow as tf

from conformance.subjects.keras.backend import default_format
from refimpl.trees import map_leaves
from refimpl.types import Array, Tree

# One thread: pytest-xdist fills the cores. A profile is of the CPU, and so is a run.
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
tf.config.set_visible_devices([], "GPU")


@contextmanager
def arithmetic(dtype: str, device: str) -> Iterator[None]:
    """Within it Keras has this precision, on the CPU; afterwards what it had."""
    with default_format(dtype):
        yield


def arrays(tree: Tree) -> Tree:
    """The tree with every leaf a tensor of its own."""
    return map_leaves(tf.constant, tree)


def function(variant: str, build: Callable[..., Callable[..., Array]], *arguments: object) -> Callable[..., Array]:
    """build(*arguments), by tf.function in the variant "graph", and compiled by XLA in "jit"; for equal arguments the
    same function again."""
    return _function(variant, keras.config.floatx(), build, arguments)


@lru_cache(maxsize=512)
def _function(
    variant: str, default_format: str, build: Callable[..., Callable[..., Array]], arguments: tuple[object, ...]
) -> Callable[..., Array]:
    f = build(*arguments)  # a loss keeps the default format of when it was made
    if variant != "eager":
        f = tf.function(f, jit_compile=variant == "jit", autograph=False)
    return lambda *values: f(*tf.nest.map_structure(_tensor, list(values)))


def _tensor(value: Array | float) -> Array:
    """A tensor for a Python number: it would be a constant to compile again for, and tf.cast rounds it to float32."""
    return tf.constant(value, keras.config.floatx()) if isinstance(value, float) else value


def vjp(f: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, cotangent: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """f(x), and the cotangent of x for that of the result."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = f(x)
    return value, tape.gradient(value, x, cotangent)


def value_and_gradient(f: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The scalar f(x) and its gradient."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = f(x)
    return value, tape.gradient(value, x)


def stepped(
    optimizer: keras.Optimizer,
    variables: list[keras.Variable],
    state: list[tf.Tensor],
    gradients: list[tf.Tensor],
    parameters: list[tf.Tensor],
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """The new parameters and state of an optimizer that was built for `variables`: it has no pure step here."""
    for variable, value in zip([*variables, *optimizer.variables], [*parameters, *state], strict=True):
        variable.value.assign(value)
    optimizer.apply(gradients, variables)
    return _values(variables), _values(optimizer.variables)


def _values(variables: list[keras.Variable]) -> list[tf.Tensor]:
    return [tf.identity(variable.value) for variable in variables]
