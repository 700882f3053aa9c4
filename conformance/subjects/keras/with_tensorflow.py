"""Keras on TensorFlow as a subject, in a process of its own: what differs from Keras on JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from conformance.subjects.keras import Keras
from conformance.subjects.keras.defects_with_tensorflow import REPRODUCTIONS
from conformance.subjects.keras.process import Process
from conformance.subjects.keras.runs import Answer
from conformance.subjects.keras.table import IN_FLOAT32, TABLE
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.table import Row, fixed, scalars, table
from refimpl.activations import CELU, SELU, LeakyReLU
from refimpl.losses import Hinge, SoftmaxCrossEntropy
from refimpl.optimizers import SGD, Adagrad, GradientAccumulation, Lion, NAdam
from refimpl.schedules import Schedule
from refimpl.spec import Spec

_PROCESS = Process("tensorflow")
_ALL_FLOAT32 = {"float32": "float32", "float64": "float32"}
# keras.ops.cast rounds a Python float to float32, whatever it is to become: keras-tensorflow-cast-float32.
_CAST = {"scalars": {"float64": "float32"}}
_WRONG_AT_ZERO = "its derivative at 0, where every case looks, is wrong: `conformance divergences show {}`"

_CHANGES: Mapping[type[Spec], Mapping[str, Any]] = {
    SGD: _CAST,
    Adagrad: _CAST,
    GradientAccumulation: _CAST,
    NAdam: {"scalars": _ALL_FLOAT32},
    Lion: {"scalars": _ALL_FLOAT32},
    LeakyReLU: {"fixed": {"derivative_at_zero": "slope"}},
    CELU: {"variants": (), "reason": _WRONG_AT_ZERO.format("keras-tensorflow-celu-at-zero")},
    SELU: {"variants": ("jit",), "reason": _WRONG_AT_ZERO.format("keras-tensorflow-selu-at-zero")},
    Hinge: {"fixed": {**TABLE[Hinge].fixed, "derivative_at_margin": 1.0}},
    # Other weights than one-hot labels have a gradient of their own: keras-tensorflow-cross-entropy-weights.
    SoftmaxCrossEntropy: {"fixed": {**TABLE[SoftmaxCrossEntropy].fixed, "labels": "index"}},
}


def _on_tensorflow(row: Row) -> Row:
    if issubclass(row.rule, Schedule):
        # A Python float becomes a tensor of float32, whatever Keras's default format: rates are such tensors.
        return replace(row, dtypes=("float32",), reason=IN_FLOAT32)
    return replace(row, dtypes=None, **_CHANGES.get(row.rule, {}))


class KerasTensorFlow(Keras):
    """Keras on the TensorFlow backend, on the CPU: eager, by tf.function ("graph"), and compiled by XLA ("jit")."""

    name = "keras-tensorflow"
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "optimizer": ("eager", "graph", "jit"),
        "clip": ("eager",),
        "schedule": ("graph",),
        "initializer": ("eager",),
        "activation": ("eager", "graph", "jit"),
        "loss": ("eager", "graph", "jit"),
    }
    table = table(*map(_on_tensorflow, TABLE.values()))
    conventions = fixed(table)
    rule_scalars = scalars(table)
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "tensorflow-cpu"}
    powers: ClassVar[Mapping[str, str]] = _ALL_FLOAT32
    flush_to_zero = frozenset({"float32", "float64"})

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        ask = partial(_PROCESS.ask, ("eager", "float64", "cpu"))
        return {name: partial(reproduce, ask) for name, reproduce in REPRODUCTIONS.items()}

    @classmethod
    def version(cls) -> str:
        return _version()

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return ("cpu",)

    def ask(self, question: str, *arguments: object) -> Answer:
        """The answer of a method of `library.Library`, in a process of its own."""
        return _PROCESS.ask((self.variant, self.dtype, self.device), question, *arguments)


@cache
def _version() -> str:
    """Without importing what takes seconds: that is for the other process."""
    try:
        keras = version("keras")
    except PackageNotFoundError as problem:
        raise ImportError("Keras is not installed: pip install 'refimpl[tensorflow]'") from problem
    for name in ("tensorflow-cpu", "tensorflow"):
        try:
            return f"keras {keras}, tensorflow {version(name)}"
        except PackageNotFoundError:
            continue
    raise ImportError("TensorFlow is not installed: pip install 'refimpl[tensorflow]'")
