"""PyTorch as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np

from conformance.subjects.reproduction import Reproduction
from conformance.subjects.subject import ClippingRule, OptimizerRun, SteppedRule, Subject
from conformance.subjects.table import fixed
from conformance.subjects.torch.table import TABLE
from refimpl.activations import Activation
from refimpl.averaging import ParameterAverage
from refimpl.initializers import Initializer
from refimpl.layers import RunningStatistics
from refimpl.losses import Loss
from refimpl.network import Network
from refimpl.optimizers import GradientAccumulation
from refimpl.schedules import Schedule
from refimpl.types import Shape, Tree


class Torch(Subject):
    """torch.optim in its three implementations, gradient clipping in two, lr_scheduler, nn.init, and the activations
    and losses of torch.nn with their derivatives by torch.autograd and torch.func.

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
    table = TABLE
    conventions = fixed(TABLE)
    profiles: ClassVar[Mapping[str, str]] = {"cpu": "torch-cpu"}

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
        tensor = to_torch(sent, self.device)
        received = to_numpy(tensor)
        if received.dtype != sent.dtype or not np.array_equal(received, sent) or tensor.device.type != self.device:
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r} from {tensor.device}")

    def optimizer(self, spec: SteppedRule, parameters: Tree) -> OptimizerRun:
        from conformance.subjects.torch import accumulation, averaging, optimizers

        self.offered("optimizer", spec)
        if isinstance(spec, ParameterAverage):
            return averaging.Run(spec, self.variant, parameters, self.device)
        if isinstance(spec, GradientAccumulation):
            self.offered("optimizer", spec.rule)
            return accumulation.Run(spec, self.variant, parameters, self.device)
        return optimizers.Run(spec, self.variant, parameters, self.device)

    def clip(self, spec: ClippingRule, gradients: Tree, parameters: Tree = None) -> Tree:
        from conformance.subjects.torch.clipping import clipped

        self.offered("clip", spec)
        return clipped(spec, self.variant, gradients, self.device)

    def schedule(self, spec: Schedule, steps: int) -> np.ndarray:
        from conformance.subjects.torch.schedules import rates

        self.offered_schedule(spec)
        return rates(spec, steps)

    def initializer(self, spec: Initializer, shape: Shape, seed: int) -> np.ndarray:
        from conformance.subjects.torch.initializers import draw

        self.offered("initializer", spec)
        return draw(spec, shape, seed, self.dtype, self.device)

    def activation(self, spec: Activation, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.torch.activations import with_cotangent

        self.offered("activation", spec)
        return with_cotangent(spec, self.variant, x, cotangent, self.device)

    def loss(self, spec: Loss, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from conformance.subjects.torch.losses import with_gradient

        self.offered("loss", spec)
        return with_gradient(spec, self.variant, prediction, target, self.device)

    def network(self, network: Network, parameters: Tree, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, Tree]:
        from conformance.subjects.torch.networks import with_gradients

        self.offered_network(network)
        return with_gradients(network, self.variant, parameters, x, y, self.device)

    def running_statistics(
        self, spec: RunningStatistics, statistics: dict[str, np.ndarray], x: np.ndarray
    ) -> dict[str, np.ndarray]:
        from conformance.subjects.torch.networks import running_statistics

        self.offered("network", spec)
        return running_statistics(spec, statistics, x, self.device)
