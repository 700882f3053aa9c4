"""Keras as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from conformance.subjects.jax import Jax
from conformance.subjects.keras import averaging
from conformance.subjects.keras.backend import choose
from conformance.subjects.keras.runs import Run
from conformance.subjects.keras.signatures import SIGNATURES
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import OptimizerRun, Subject, Unsupported
from refimpl.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
    HardShrink,
    HardSigmoid,
    HardSwish,
    HardTanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SoftShrink,
    Softsign,
    Tanh,
)
from refimpl.averaging import ParameterAverage
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue
from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.losses import BinaryCrossEntropyWithLogits, Hinge, Huber, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.optimizers import (
    LAMB,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientAccumulation,
    Lion,
    NAdam,
    RMSprop,
)
from refimpl.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    InverseTime,
    Linear,
    PiecewiseConstant,
    Polynomial,
    StepDecay,
)
from refimpl.spec import Spec
from refimpl.trees import leaves, rebuilt

# Decay is a part of every optimizer; ascent is a sign that the user gives the gradients.
_COMMON = {"maximize": False, "weight_decay_kind": "decoupled"}
_NORM = {"epsilon": 0.0, "order": 2.0, "norm_range": "powers", "within": "rescaled"}


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
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Any]]] = {
        SGD: _COMMON | {"dampening": 0.0, "first_velocity": "gradient", "rate": "inside"},
        Adagrad: _COMMON | {"learning_rate_decay": 0.0, "epsilon_placement": "inside"},
        RMSprop: _COMMON | {"epsilon_placement": "inside", "rate": "inside"},
        Adadelta: _COMMON,
        Adam: _COMMON | {"epsilon_placement": "uncorrected"},
        AdamW: _COMMON | {"epsilon_placement": "uncorrected"},
        AMSGrad: _COMMON | {"epsilon_placement": "uncorrected", "maximum": "raw"},
        Adamax: _COMMON | {"epsilon_placement": "outside"},
        NAdam: _COMMON | {"momentum_decay": 1.0, "momentum_schedule": "rising"},
        Lion: _COMMON,
        LAMB: _COMMON,
        GradientAccumulation: {"accumulated": "total"},
        ParameterAverage: {"start": "first"},
        ClipByGlobalNorm: _NORM | {"non_finite_norm": "spreads"},
        ClipByNorm: _NORM | {"non_finite_norm": "erases", "shares": "each"},
        ClipByValue: {},
        Linear: {"evaluation": "closed"},
        Polynomial: {"evaluation": "closed"},
        Exponential: {"evaluation": "closed"},
        StepDecay: {"boundary": "at", "evaluation": "closed"},
        PiecewiseConstant: {"boundary": "after"},
        InverseTime: {},
        Cosine: {"after_end": "holds", "evaluation": "closed"},
        CosineRestarts: {},
        Uniform: {},
        Normal: {},
        TruncatedNormal: {"bounds": "relative", "lower": -2.0, "upper": 2.0},
        VarianceScaling: {
            "mode": ("fan_in", "fan_out", "fan_avg"),
            "truncation": "corrected",
            "layout": "input_output",
            "groups": 1,
        },
        Orthogonal: {"layout": "input_output"},
        Identity: {},
        ReLU: {"derivative_at_zero": 0.0},
        LeakyReLU: {"derivative_at_zero": "one"},
        ReLU6: {},
        HardTanh: {"derivative_at_limits": 1.0},
        HardSigmoid: {},
        HardSwish: {},
        SoftShrink: {},
        HardShrink: {},
        Softsign: {},
        CELU: {},
        SELU: {},
        LogSigmoid: {},
        Mish: {},
        Sigmoid: {},
        Tanh: {},
        ELU: {},
        Softplus: {"threshold": None},
        SiLU: {},
        GELU: {},
        Softmax: {},
        LogSoftmax: {},
        # A sum is one of means over the last axis.
        MeanSquaredError: {"reduction": "mean"},
        Huber: {"reduction": "mean"},
        Hinge: {"reduction": "mean", "derivative_at_margin": 0.5},
        BinaryCrossEntropyWithLogits: {"reduction": "mean", "positive_weights": None},
        SoftmaxCrossEntropy: {"class_weights": None, "weighted_mean": "rows", "largest_logit": "subtracted"},
    }
    profiles = Jax.profiles
    signatures = SIGNATURES
    # These make arrays of their decays first.
    rule_scalars: ClassVar[Mapping[type[Spec], Mapping[str, str]]] = {
        NAdam: {"float32": "float32"},
        Lion: {"float32": "float32"},
        ParameterAverage: {"float32": "float32"},
    }
    powers: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    rates: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    flush_to_zero = Jax.flush_to_zero
    # Result types have 32 bits at most on JAX (keras.backend.result_type), whatever the arguments of these.
    always_float32: ClassVar[tuple[type[Spec], ...]] = (
        *(Tanh, Cosine, CosineRestarts),
        *(MeanSquaredError, Huber, Hinge, BinaryCrossEntropyWithLogits, SoftmaxCrossEntropy),
    )

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

    def offered(self, capability: str, spec: Any) -> None:
        super().offered(capability, spec)
        if self.dtype == "float64" and isinstance(spec, self.always_float32):
            raise Unsupported(f"{self.name} computes {type(spec).__name__} in float32 in every format")

    def ask(self, question: str, *arguments: Any) -> Any:
        """The answer of a method of `library.Library`, in this process."""
        choose("jax")
        from conformance.subjects.keras.library import Library

        return getattr(Library(self.variant, self.dtype, self.device), question)(*arguments)

    def smoke(self) -> None:
        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        received = self.ask("returned", sent)
        if received.dtype != sent.dtype or not np.array_equal(received, sent):
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r}")

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        self.offered("optimizer", spec)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
            if spec.every == 1:
                raise Unsupported(f"{self.name} accumulates at least two gradients")
            if self.variant == "eager":  # lax.cond of new functions at each step, which JAX compiles eager as well
                raise Unsupported(f"{self.name} has GradientAccumulation only compiled")
        run = averaging.Run if isinstance(spec, ParameterAverage) else Run
        return run(self, self.ask, spec, parameters)

    def clip(self, spec: Any, gradients: Any, parameters: Any = None) -> Any:
        self.offered("clip", spec)
        if getattr(spec, "max_norm", 1.0) == 0:
            raise Unsupported(f"{self.name} does not clip where the norm is limited to 0")
        return rebuilt(gradients, self.ask("clip", spec, [np.asarray(leaf) for _, leaf in leaves(gradients)]))

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        self.offered_schedule(spec)
        return self.ask("schedule", spec, steps)

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        self.offered("initializer", spec)
        return self.ask("initializer", spec, shape, seed)

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("activation", spec)
        return self.ask("activation", spec, x, cotangent)

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("loss", spec)
        return self.ask("loss", spec, prediction, target)
