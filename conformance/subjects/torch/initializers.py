"""The initializers of torch.nn.init, with a generator of their own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import init

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch.tensors import to_numpy
from refimpl.initializers import Dirac, Normal, Orthogonal, Sparse, TruncatedNormal, Uniform, VarianceScaling

Draw = Callable[[Any, torch.Tensor, torch.Generator], Any]


def draw(spec: Any, shape: tuple[int, ...], seed: int, dtype: str, device: str) -> np.ndarray:
    """One draw; the same for the same seed."""
    tensor = torch.empty(shape, dtype=getattr(torch, dtype), device=device)
    INITIALIZERS[type(spec)](spec, tensor, torch.Generator(device).manual_seed(seed))
    return to_numpy(tensor)


def _variance_scaling(spec: VarianceScaling, tensor: torch.Tensor, generator: torch.Generator) -> None:
    uniform = spec.distribution == "uniform"
    if spec.mode == "fan_avg":
        glorot = init.xavier_uniform_ if uniform else init.xavier_normal_
        glorot(tensor, math.sqrt(spec.scale), generator)
    elif spec.scale <= 2:
        he = init.kaiming_uniform_ if uniform else init.kaiming_normal_
        he(tensor, math.sqrt(2 / spec.scale - 1), spec.mode, "leaky_relu", generator)  # scale = 2 / (1 + slope**2)
    else:
        raise Unsupported(f"torch.nn.init has scales of at most 2 for {spec.mode}, got {spec.scale:g}")


def _dirac(spec: Dirac, tensor: torch.Tensor, generator: torch.Generator) -> None:
    if tensor.ndim > 2:
        init.dirac_(tensor, spec.groups)
    elif spec.groups == 1:
        init.eye_(tensor)
    else:
        raise Unsupported("torch.nn.init.eye_ has no groups")


def _sparse(spec: Sparse, tensor: torch.Tensor, generator: torch.Generator) -> None:
    # sparse_ places its zeros by the global generator of the CPU, whichever it is given (2.13, pytorch#98200). Another
    # seed there: the places would depend on the entries.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(generator.initial_seed() + 1)
        init.sparse_(tensor, spec.sparsity, spec.standard_deviation, generator)


INITIALIZERS: dict[type, Draw] = {
    Uniform: lambda s, tensor, generator: init.uniform_(tensor, s.low, s.high, generator),
    Normal: lambda s, tensor, generator: init.normal_(tensor, s.mean, s.standard_deviation, generator),
    TruncatedNormal: lambda s, tensor, generator: init.trunc_normal_(
        tensor, s.mean, s.standard_deviation, s.lower, s.upper, generator
    ),
    VarianceScaling: _variance_scaling,
    Orthogonal: lambda s, tensor, generator: init.orthogonal_(tensor, s.gain, generator),
    Dirac: _dirac,
    Sparse: _sparse,
}
