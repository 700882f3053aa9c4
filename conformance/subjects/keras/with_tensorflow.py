"""Keras on TensorFlow as a subject, in a process of its own: what differs from Keras on JAX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from conformance.subjects.keras import Keras
from conformance.subjects.keras.defects_with_tensorflow import REPRODUCTIONS
from conformance.subjects.keras.process import Process
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import Unsupported
from refimpl.activations import CELU, SELU, LeakyReLU
from refimpl.losses import Hinge, SoftmaxCrossEntropy
from refimpl.optimizers import SGD, Adagrad, GradientAccumulation, Lion, NAdam
from refimpl.schedules import Schedule
from refimpl.spec import Spec

_PROCESS = Process("tensorflow")
_ALL_FLOAT32 = {"float32": "float32", "float64": "float32"}


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
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Any]]] = {
        **Keras.conventions,
        LeakyReLU: {"derivative_at_zero": "slope"},
        Hinge: {**Keras.conventions[Hinge], "derivative_at_margin": 1.0},
        # Other weights than one-hot labels have a gradient of their own: keras-tensorflow-cross-entropy-weights.
        SoftmaxCrossEntropy: {**Keras.conventions[SoftmaxCrossEntropy], "labels": "index"},
    }
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "tensorflow-cpu"}
    # keras.ops.cast rounds a Python float to float32, whatever it is to become: keras-tensorflow-cast-float32.
    rule_scalars: ClassVar[Mapping[type[Spec], Mapping[str, str]]] = {
        **Keras.rule_scalars,
        SGD: {"float64": "float32"},
        Adagrad: {"float64": "float32"},
        GradientAccumulation: {"float64": "float32"},
        NAdam: _ALL_FLOAT32,
        Lion: _ALL_FLOAT32,
    }
    powers: ClassVar[Mapping[str, str]] = _ALL_FLOAT32
    flush_to_zero = frozenset({"float32", "float64"})
    # A Python float becomes a tensor of float32 here, whatever Keras's default format: rates are such tensors.
    always_float32: ClassVar[tuple[type[Spec], ...]] = tuple(r for r in Keras.conventions if issubclass(r, Schedule))
    # Rule -> the variants with another derivative at 0, where every case of it looks, and the defect.
    wrong_at_zero: ClassVar[Mapping[type[Spec], tuple[tuple[str, ...], str]]] = {
        CELU: (("eager", "graph", "jit"), "keras-tensorflow-celu-at-zero"),
        SELU: (("eager", "graph"), "keras-tensorflow-selu-at-zero"),
    }

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

    def offered(self, capability: str, spec: Any) -> None:
        super().offered(capability, spec)
        variants, defect = self.wrong_at_zero.get(type(spec), ((), ""))
        if self.variant in variants:
            rule = type(spec).__name__
            raise Unsupported(
                f"{self.name}'s derivative of {rule} at 0 is wrong: `conformance divergences show {defect}`"
            )

    def ask(self, question: str, *arguments: Any) -> Any:
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
