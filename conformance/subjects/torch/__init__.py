"""PyTorch as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import OptimizerRun, Subject, Unsupported
from conformance.subjects.torch.signatures import SIGNATURES
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
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import Dirac, Normal, Orthogonal, Sparse, TruncatedNormal, Uniform, VarianceScaling
from refimpl.layers import (
    Activated,
    BatchNormalization,
    BatchNormalizationInference,
    Dense,
    PReLU,
    Residual,
    RunningStatistics,
)
from refimpl.losses import (
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    Hinge,
    Huber,
    KLDivergence,
    MeanSquaredError,
    NegativeLogLikelihood,
    SmoothL1,
    SoftmaxCrossEntropy,
)
from refimpl.network import Network
from refimpl.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientAccumulation,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
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

_NORM = {"epsilon": 1e-6, "norm_range": "powers", "non_finite_norm": "erases"}


class Torch(Subject):
    """torch.optim in its three implementations, gradient clipping in two, lr_scheduler, nn.init, and the functions of
    torch.nn.functional with their derivatives by torch.autograd and torch.func.

    Hyperparameters are Python floats, and so is all arithmetic on them: in float64, rounded where it meets a tensor.
    """

    name = "torch"
    variants: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "optimizer": ("for-loop", "foreach", "fused"),
        "clip": ("for-loop", "foreach"),
        "schedule": ("lr_scheduler",),
        "initializer": ("init",),
        "activation": ("autograd", "func"),
        "loss": ("autograd", "func"),
        "network": ("autograd", "func"),
    }
    conventions: ClassVar[Mapping[type[Spec], Mapping[str, Any]]] = {
        SGD: {"weight_decay_kind": "coupled", "first_velocity": "gradient", "rate": "outside"},
        Adagrad: {"weight_decay_kind": "coupled", "epsilon_placement": "outside"},
        RMSprop: {"weight_decay_kind": "coupled", "epsilon_placement": "outside", "rate": "outside"},
        Adadelta: {"weight_decay_kind": "coupled"},
        Rprop: {"weight_decay": 0.0, "weight_decay_kind": "coupled", "taken": "current"},
        Adam: {"weight_decay_kind": ("coupled", "decoupled"), "epsilon_placement": "outside"},
        AdamW: {"weight_decay_kind": "decoupled", "epsilon_placement": "outside"},
        AMSGrad: {"weight_decay_kind": ("coupled", "decoupled"), "epsilon_placement": "outside", "maximum": "raw"},
        Adamax: {"weight_decay_kind": "coupled", "epsilon_placement": "inside"},
        NAdam: {"weight_decay_kind": ("coupled", "decoupled"), "momentum_schedule": "rising"},
        RAdam: {
            "weight_decay_kind": ("coupled", "decoupled"),
            "threshold": 5.0,
            "epsilon_placement": "uncorrected",
        },
        GradientAccumulation: {"accumulated": ("shares", "sum")},
        ParameterAverage: {"start": "first"},
        ClipByGlobalNorm: _NORM,
        ClipByNorm: {**_NORM, "shares": "each"},
        ClipByValue: {},
        WeightClipping: {},
        Constant: {},
        Linear: {"evaluation": "recursive"},
        Exponential: {"evaluation": "recursive"},
        StepDecay: {"boundary": "at", "evaluation": "recursive"},
        Cosine: {"after_end": "rises", "evaluation": "recursive"},
        Polynomial: {"evaluation": "recursive"},
        PiecewiseConstant: {"boundary": "at"},
        CosineRestarts: {"factor": 1.0},
        OneCycle: {"counting": "first_to_last"},
        WarmUp: {"clock": "after", "evaluation": "recursive"},
        Sequential: {},
        Uniform: {},
        Normal: {},
        TruncatedNormal: {"bounds": "absolute"},
        VarianceScaling: {
            "mode": ("fan_in", "fan_out", "fan_avg"),
            "distribution": ("uniform", "normal"),
            "layout": "output_input",
            "groups": 1,
        },
        Orthogonal: {"layout": "output_input"},
        Dirac: {"gain": 1.0, "layout": "output_input", "middle": "upper"},
        Sparse: {"zeros_of": "input", "layout": "output_input"},
        Identity: {},
        ReLU: {"derivative_at_zero": (0.0, 0.5)},
        ReLU6: {},
        HardTanh: {"derivative_at_limits": (0.0, 1.0)},
        HardSigmoid: {},
        HardSwish: {},
        SoftShrink: {},
        HardShrink: {},
        Softsign: {},
        LeakyReLU: {"derivative_at_zero": "slope"},
        Sigmoid: {},
        Tanh: {},
        ELU: {},
        CELU: {},
        SELU: {},
        LogSigmoid: {},
        Mish: {},
        Softplus: {"threshold": 20.0},
        SiLU: {},
        GELU: {},
        Softmax: {},
        LogSoftmax: {},
        MeanSquaredError: {},
        BinaryCrossEntropy: {"logarithm": "clamped"},
        BinaryCrossEntropyWithLogits: {},
        SoftmaxCrossEntropy: {"largest_logit": "subtracted", "weighted_mean": "labels"},
        NegativeLogLikelihood: {"weighted_mean": "labels"},
        KLDivergence: {},
        Huber: {},
        SmoothL1: {},
        Hinge: {"derivative_at_margin": 1.0},
        Dense: {},
        PReLU: {},
        Activated: {},
        Residual: {},
        BatchNormalization: {},
        BatchNormalizationInference: {},
        RunningStatistics: {"variance": "unbiased"},
        L1: {"derivative_at_zero": 0.0},
        L2: {},
    }
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "torch-cpu"}
    signatures = SIGNATURES

    @classmethod
    def reproductions(cls) -> Mapping[str, Callable[[], Reproduction]]:
        from conformance.subjects.torch.defects import REPRODUCTIONS

        return REPRODUCTIONS

    @classmethod
    def version(cls) -> str:
        try:
            import torch
        except ImportError as problem:
            raise ImportError("PyTorch is not installed: pip install 'refimpl[torch]'") from problem
        return f"torch {torch.__version__}"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        import torch

        return ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)

    def smoke(self) -> None:
        from conformance.subjects.torch.tensors import to_numpy, to_torch

        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        there = to_torch(sent, self.device)
        received = to_numpy(there)
        if received.dtype != sent.dtype or not np.array_equal(received, sent) or there.device.type != self.device:
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r} from {there.device}")

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        from conformance.subjects.torch import accumulation, averaging, optimizers

        self.offered("optimizer", spec)
        if isinstance(spec, ParameterAverage):
            if self.variant not in averaging.CHOICES:
                raise Unsupported(f"torch has no {self.variant} implementation of an average of parameters")
            return averaging.Run(spec, self.variant, parameters, self.device)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
            return accumulation.Run(spec, self.variant, parameters, self.device)
        return optimizers.Run(spec, self.variant, parameters, self.device)

    def clip(self, spec: Any, gradients: Any, parameters: Any = None) -> Any:
        from conformance.subjects.torch.clipping import clipped

        self.offered("clip", spec)
        return clipped(spec, self.variant, gradients, self.device)

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        from conformance.subjects.torch.schedules import rates

        self.offered_schedule(spec)
        return rates(spec, steps)

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        from conformance.subjects.torch.initializers import draw

        self.offered("initializer", spec)
        return draw(spec, shape, seed, self.dtype, self.device)

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.torch.activations import with_cotangent

        self.offered("activation", spec)
        return with_cotangent(spec, self.variant, x, cotangent, self.device)

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.torch.losses import with_gradient

        self.offered("loss", spec)
        return with_gradient(spec, self.variant, prediction, target, self.device)

    def network(self, network: Network, parameters: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Any]:
        from conformance.subjects.torch.networks import with_gradients

        self.offered_network(network)
        return with_gradients(network, self.variant, parameters, x, y, self.device)

    def running_statistics(self, spec: Any, statistics: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
        from conformance.subjects.torch.networks import running_statistics

        self.offered("network", spec)
        return running_statistics(spec, statistics, x, self.device)
