"""JAX with optax as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from conformance.subjects.jax.signatures import SIGNATURES
from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import OptimizerRun, Subject
from refimpl.activations import (
    CELU,
    ELU,
    GELU,
    SELU,
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
    Softsign,
    Tanh,
)
from refimpl.averaging import ParameterAverage
from refimpl.clipping import AdaptiveClipping, ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import DeltaOrthogonal, Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.layers import (
    Activated,
    BatchNormalization,
    BatchNormalizationInference,
    Dense,
    Residual,
    RunningStatistics,
)
from refimpl.losses import (
    BinaryCrossEntropyWithLogits,
    Hinge,
    Huber,
    KLDivergence,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from refimpl.network import Network
from refimpl.optimizers import (
    LAMB,
    LARS,
    SGD,
    AdaBelief,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientAccumulation,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    SignDescent,
    Yogi,
)
from refimpl.regularization import L1, L2
from refimpl.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    OneCycle,
    PiecewiseConstant,
    Polynomial,
    Sequential,
    StepDecay,
    WarmUp,
)
from refimpl.spec import Spec

_CAPABILITIES = ("optimizer", "clip", "schedule", "activation", "loss", "network")
# Ascent is a sign that the user of optax gives the updates.
_PENALTY = {"maximize": False, "weight_decay_kind": "coupled"}
_DECAY = {"maximize": False, "weight_decay_kind": "decoupled"}
_NORM = {"epsilon": 0.0, "order": 2.0, "norm_range": "powers"}
_REMEDY = "pip install 'refimpl[jax]'"


class Jax(Subject):
    """optax's optimizers, clipping, schedules and losses, and the initializers, activations and derivatives of JAX:
    compiled by jax.jit, and eager.

    float32 runs with 64-bit types switched off, as JAX does by default, float64 with them on. Hyperparameters are
    Python floats: what optax forms of them alone (1 - decay) is float64, rounded where it meets an array. But the step
    count is an array, so decay**count and the rates of schedules are computed in the precision of JAX's arrays.
    """

    name = "jax"
    # Initializers draw by functions that JAX has compiled itself.
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(_CAPABILITIES, ("jit", "eager")) | {
        "initializer": ("eager",)
    }
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Any]]] = {
        SGD: _PENALTY | {"dampening": 0.0, "first_velocity": "gradient", "rate": "outside"},
        Adagrad: _PENALTY | {"learning_rate_decay": 0.0, "epsilon_placement": "inside_where_positive"},
        RMSprop: _PENALTY | {"epsilon_placement": ("inside", "outside"), "rate": "inside"},
        Adadelta: _PENALTY,
        Rprop: _PENALTY | {"weight_decay": 0.0, "taken": "stale"},
        SignDescent: _PENALTY,
        Adam: _PENALTY | {"epsilon_placement": "outside"},
        AdamW: _DECAY | {"epsilon_placement": "outside"},
        AMSGrad: _PENALTY | {"epsilon_placement": "outside", "maximum": "corrected"},
        NAdam: _DECAY | {"momentum_decay": 0.0, "momentum_schedule": "constant"},
        RAdam: _PENALTY | {"epsilon_placement": "outside"},
        Adamax: _DECAY | {"epsilon_placement": "inside"},
        AdaBelief: _PENALTY,
        Yogi: _PENALTY | {"corrected": True, "first_start": "accumulator"},
        Lion: _DECAY,
        LAMB: {"maximize": False, "weight_decay_kind": "in_step"},
        LARS: _PENALTY,
        GradientAccumulation: {"accumulated": ("mean", "sum")},
        ParameterAverage: {"start": ("corrected", "zero", "given")},
        ClipByGlobalNorm: {**_NORM, "non_finite_norm": "erases"},
        ClipByNorm: {**_NORM, "non_finite_norm": "keeps"},
        AdaptiveClipping: {"smallest_divisor": 1e-6, "norm_range": "powers"},
        ClipByValue: {},
        WeightClipping: {},
        Constant: {},
        Linear: {"evaluation": "closed"},
        Exponential: {"evaluation": "closed"},
        StepDecay: {"boundary": "at", "evaluation": "closed"},
        Cosine: {"after_end": "holds", "evaluation": "closed"},
        Polynomial: {"evaluation": "closed"},
        PiecewiseConstant: {"boundary": "at"},
        CosineRestarts: {},
        OneCycle: {"counting": "rounded_down"},
        WarmUp: {"clock": "after", "evaluation": "closed"},
        Sequential: {},
        Uniform: {"low": 0.0},
        Normal: {"mean": 0.0},
        TruncatedNormal: {"mean": 0.0, "bounds": "relative"},
        VarianceScaling: {"truncation": "corrected"},
        Orthogonal: {"layout": "input_output"},
        DeltaOrthogonal: {"layout": "input_output", "middle": "lower"},
        Identity: {},
        ReLU: {"derivative_at_zero": (0.0, 0.5)},
        ReLU6: {},
        HardTanh: {"derivative_at_limits": (1.0, 0.5)},
        HardSigmoid: {},
        HardSwish: {},
        Softsign: {},
        LeakyReLU: {"derivative_at_zero": "one"},
        Sigmoid: {},
        Tanh: {},
        ELU: {},
        CELU: {},
        SELU: {},
        LogSigmoid: {},
        Mish: {},
        Softplus: {"threshold": None},
        SiLU: {},
        GELU: {},
        Softmax: {},
        LogSoftmax: {},
        MeanSquaredError: {},
        BinaryCrossEntropyWithLogits: {"positive_weights": None},
        SoftmaxCrossEntropy: {"class_weights": None, "weighted_mean": "labels"},
        KLDivergence: {"mean_over": "rows"},
        Huber: {},
        Hinge: {"derivative_at_margin": 0.5},
        Dense: {},
        Activated: {},
        Residual: {},
        BatchNormalization: {},
        BatchNormalizationInference: {},
        RunningStatistics: {},
        L1: {"derivative_at_zero": 1.0},
        L2: {},
    }
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "jax-cpu"}
    signatures = SIGNATURES
    powers: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    rates: ClassVar[Mapping[str, str]] = {"float32": "float32"}
    flush_to_zero = frozenset({"float32", "float64"})

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        from conformance.subjects.jax.defects import REPRODUCTIONS

        return REPRODUCTIONS

    @classmethod
    def version(cls) -> str:
        try:
            import jax
        except ImportError as problem:
            raise ImportError(f"JAX is not installed: {_REMEDY}") from problem
        try:
            import optax
        except ImportError as problem:
            raise ImportError(f"optax is not installed: {_REMEDY}") from problem
        return f"jax {jax.__version__}, optax {optax.__version__}"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        import jax

        return ("cpu", *sorted({device.platform for device in jax.devices()} - {"cpu"}))

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within it JAX has this subject's precision and device, and no TF32 in products; afterwards what it had."""
        import jax

        with (
            jax.enable_x64(self.dtype == "float64"),
            jax.default_device(jax.devices(self.device)[0]),
            jax.default_matmul_precision("highest"),
        ):
            yield

    def function(self, build: Callable[..., Callable], *arguments: Any) -> Callable:
        """build(*arguments), compiled in the variant "jit"; for equal arguments the same function again."""
        return _function(build, arguments, self.variant == "jit")

    def smoke(self) -> None:
        from conformance.subjects.jax.arrays import to_jax, to_numpy

        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        with self.arithmetic():
            there = to_jax(sent)
            received = to_numpy(there, sent)
        platforms = {device.platform for device in there.devices()}
        if received.dtype != sent.dtype or not np.array_equal(received, sent) or platforms != {self.device}:
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r} from {platforms}")

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        from conformance.subjects.jax import averaging, optimizers

        self.offered("optimizer", spec)
        if isinstance(spec, ParameterAverage):
            return averaging.Run(self, spec, parameters)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
        return optimizers.Run(self, spec, parameters)

    def clip(self, spec: Any, gradients: Any, parameters: Any = None) -> Any:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.clipping import clipping

        self.offered("clip", spec)
        with self.arithmetic():
            numbers = {name: value for name, value in vars(spec).items() if isinstance(value, float)}
            clip = self.function(clipping, type(spec), getattr(spec, "shares", None))
            trees = (gradients,) if parameters is None else (gradients, parameters)
            return to_numpy(clip(numbers, *map(to_jax, trees)), gradients)

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        import jax.numpy as jnp

        from conformance.subjects.jax.schedules import rate

        self.offered_schedule(spec)
        with self.arithmetic():
            at = self.function(rate, spec, steps)
            return np.array([np.asarray(at(jnp.asarray(step))) for step in range(steps)])

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        import jax

        from conformance.subjects.jax.initializers import draw

        self.offered("initializer", spec)
        with self.arithmetic():
            return np.array(self.function(draw, spec, shape, self.dtype)(jax.random.key(seed)))

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.jax.activations import pulled_back
        from conformance.subjects.jax.arrays import to_jax

        self.offered("activation", spec)
        with self.arithmetic():
            value, of_x = self.function(pulled_back, spec)(to_jax(x), to_jax(cotangent))
            return np.array(value), np.array(of_x)

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.jax.arrays import to_jax
        from conformance.subjects.jax.losses import differentiated

        self.offered("loss", spec)
        with self.arithmetic():
            value, gradient = self.function(differentiated, spec)(to_jax(prediction), to_jax(target))
            return np.array(value), np.array(gradient)

    def network(self, network: Network, parameters: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Any]:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.networks import gradients

        self.offered_network(network)
        with self.arithmetic():
            value, found = self.function(gradients, network)(to_jax(parameters), to_jax(x), to_jax(y))
            return np.array(value), to_numpy(found, parameters)

    def running_statistics(self, spec: Any, statistics: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.networks import running_statistics

        self.offered("network", spec)
        with self.arithmetic():
            return to_numpy(self.function(running_statistics, spec)(to_jax(statistics), to_jax(x)), statistics)


@lru_cache(maxsize=512)
def _function(build: Callable[..., Callable], arguments: tuple, jit: bool) -> Callable:
    import jax

    function = build(*arguments)
    return jax.jit(function) if jit else function
