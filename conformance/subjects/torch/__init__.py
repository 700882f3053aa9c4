"""PyTorch as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from conformance.subjects.subject import OptimizerRun, Subject
from refimpl.activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.layers import (
    Activated,
    BatchNormalization,
    BatchNormalizationInference,
    Dense,
    Residual,
    RunningStatistics,
)
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from refimpl.regularization import L1, L2
from refimpl.schedules import Constant, Cosine, Exponential, Linear, StepDecay, WarmUp
from refimpl.spec import Spec


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
        SGD: {"first_velocity": "gradient", "rate": "outside"},
        Adagrad: {"epsilon_placement": "outside"},
        RMSprop: {"epsilon_placement": "outside", "rate": "outside"},
        Adam: {"epsilon_placement": "outside"},
        AdamW: {"epsilon_placement": "outside"},
        ClipByGlobalNorm: {"epsilon": 1e-6},
        ClipByNorm: {"epsilon": 1e-6},
        ClipByValue: {},
        WeightClipping: {},
        Constant: {},
        Linear: {"evaluation": "recursive"},
        Exponential: {"evaluation": "recursive"},
        StepDecay: {"boundary": "at", "evaluation": "recursive"},
        Cosine: {"after_end": "rises", "evaluation": "recursive"},
        WarmUp: {"clock": "after", "evaluation": "recursive"},
        Uniform: {},
        Normal: {},
        TruncatedNormal: {"bounds": "absolute"},
        VarianceScaling: {"layout": "output_input"},
        Orthogonal: {"layout": "output_input"},
        Identity: {},
        ReLU: {"derivative_at_zero": 0.0},
        LeakyReLU: {"derivative_at_zero": "slope"},
        Sigmoid: {},
        Tanh: {},
        ELU: {},
        Softplus: {"threshold": 20.0},
        SiLU: {},
        GELU: {},
        Softmax: {},
        LogSoftmax: {},
        MeanSquaredError: {},
        BinaryCrossEntropy: {"logarithm": "clamped"},
        BinaryCrossEntropyWithLogits: {},
        SoftmaxCrossEntropy: {"largest_logit": "subtracted"},
        Dense: {},
        Activated: {},
        Residual: {},
        BatchNormalization: {},
        BatchNormalizationInference: {},
        RunningStatistics: {"variance": "unbiased"},
        L1: {"derivative_at_zero": 0.0},
        L2: {},
    }
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "torch-cpu"}

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
        from conformance.subjects.torch.optimizers import Run

        self.offered("optimizer", spec)
        return Run(spec, self.variant, parameters, self.device)

    def clip(self, spec: Any, gradients: Any) -> Any:
        from conformance.subjects.torch.clipping import clipped

        self.offered("clip", spec)
        return clipped(spec, self.variant, gradients, self.device)

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        from conformance.subjects.torch.schedules import rates

        self.offered("schedule", spec)
        if isinstance(spec, WarmUp):
            self.offered("schedule", spec.schedule)
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
