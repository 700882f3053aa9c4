"""The initializers of torch.nn.init, each with a generator of its own."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import init

from conformance.subjects.subject import Unsupported
from conformance.subjects.torch.table import TABLE
from conformance.subjects.torch.tensors import to_numpy
from refimpl.initializers import Dirac, Initializer, Sparse, VarianceScaling
from refimpl.types import Shape


def draw(spec: Initializer, shape: Shape, seed: int, dtype: str, device: str) -> np.ndarray:
    """One draw; the same for the same seed."""
    tensor = torch.empty(shape, dtype=getattr(torch, dtype), device=device)
    generator = torch.Generator(device).manual_seed(seed)
    match spec:
        case VarianceScaling():
            _variance_scaling(spec, tensor, generator)
        case Dirac():
            _dirac(spec, tensor)
        case Sparse():
            _sparse(spec, tensor, generator)
        case _:
            TABLE[type(spec)].call(spec, tensor, generator=generator)
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


def _dirac(spec: Dirac, tensor: torch.Tensor) -> None:
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
        TABLE[Sparse].call(spec, tensor, generator=generator)
