"""Networks of torch.nn.functional's operations, with loss and penalty, differentiated as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch.activations import activation
from conformance.subjects.torch.differentiation import value_and_gradients
from conformance.subjects.torch.losses import loss
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.activations import Activation
from refimpl.layers import (
    Activated,
    BatchNormalization,
    BatchNormalizationInference,
    Dense,
    Layer,
    PReLU,
    Residual,
    RunningStatistics,
)
from refimpl.network import Network
from refimpl.regularization import L1, L2
from refimpl.trees import leaves, map_leaves, rebuilt
from refimpl.types import Parameters, Tree


def _dense(spec: Dense, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
    weight = parameters["weight"]
    return functional.linear(x, weight if spec.layout == "output_input" else weight.T, parameters.get("bias"))


def _residual(spec: Residual, parameters: dict[str, Tree], x: torch.Tensor) -> torch.Tensor:
    return x + spec.scale * _output(spec.layers, parameters["branch"], x)


def _by_batch(spec: BatchNormalization, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
    if spec.epsilon == 0:
        raise Unsupported("torch.nn.functional.batch_norm takes no eps=0 in training")
    features = x.movedim(-1, 1)
    weight, bias = parameters["scale"], parameters["shift"]
    return functional.batch_norm(features, None, None, weight, bias, training=True, eps=spec.epsilon).movedim(1, -1)


def _by_statistics(spec: BatchNormalizationInference, parameters: Parameters, x: torch.Tensor) -> torch.Tensor:
    mean, variance = (torch.tensor(numbers, dtype=x.dtype, device=x.device) for numbers in (spec.mean, spec.variance))
    weight, bias = parameters["scale"], parameters["shift"]
    return functional.batch_norm(x.movedim(-1, 1), mean, variance, weight, bias, eps=spec.epsilon).movedim(1, -1)


LAYERS: dict[type, Callable[[Any, Any, torch.Tensor], torch.Tensor]] = {
    Dense: _dense,
    Activated: lambda s, parameters, x: activation(s.activation)(x),
    PReLU: lambda s, parameters, x: functional.prelu(x.movedim(-1, 1), parameters["slope"]).movedim(1, -1),
    Residual: _residual,
    BatchNormalization: _by_batch,
    BatchNormalizationInference: _by_statistics,
}


def _output(layers: Iterable[Layer | Activation], parameters: Tree, x: torch.Tensor) -> torch.Tensor:
    for layer, own in zip(layers, parameters, strict=True):
        x = LAYERS[type(layer)](layer, own, x)
    return x


PENALTIES: dict[type, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    L1: lambda s, entries: s.strength * entries.abs().sum(),
    L2: lambda s, entries: (s.strength / 2 if s.half else s.strength) * entries.square().sum(),
}


def with_gradients(
    network: Network, variant: str, parameters: Tree, x: np.ndarray, target: np.ndarray, device: str
) -> tuple[np.ndarray, Tree]:
    """The objective of the network, and its gradients as a list like `parameters`."""
    tensors = [to_torch(array, device) for _, array in leaves(parameters)]
    function = objective(network, parameters, to_torch(x, device), to_torch(target, device))
    with _full_precision():
        value, gradients = value_and_gradients(variant, function, tensors)
    return to_numpy(value), map_leaves(to_numpy, rebuilt(parameters, gradients))


def objective(network: Network, parameters: Tree, x: torch.Tensor, target: torch.Tensor) -> Callable[..., torch.Tensor]:
    """The loss and penalty as a function of tensors, the leaves of a list like `parameters`."""

    assert network.loss is not None
    of_output = loss(network.loss, target)

    def function(*tensors: torch.Tensor) -> torch.Tensor:
        value = of_output(_output(network.layers, rebuilt(parameters, tensors), x))
        if network.penalty is None:
            return value
        return value + sum(PENALTIES[type(network.penalty)](network.penalty, tensor) for tensor in tensors)

    return function


def running_statistics(
    spec: RunningStatistics, statistics: dict[str, np.ndarray], x: np.ndarray, device: str
) -> dict[str, np.ndarray]:
    """The statistics after a batch; PyTorch's momentum is the weight of the new value."""
    tensors = {name: to_torch(array, device) for name, array in statistics.items()}
    mean, variance = tensors["mean"], tensors["variance"]
    features = to_torch(x, device).movedim(-1, 1)
    functional.batch_norm(features, mean, variance, training=True, momentum=1 - spec.momentum)
    return {name: to_numpy(tensor) for name, tensor in tensors.items()}


@contextmanager
def _full_precision() -> Iterator[None]:
    """Within it float32 products are float32 throughout: no TF32, and no algorithm of cuDNN's choice."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.backends.cudnn.flags(enabled=False, allow_tf32=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
