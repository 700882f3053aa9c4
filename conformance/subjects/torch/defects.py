"""Defects of PyTorch that no case shows, each in a few lines: what it gives, what is wrong, and what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch.nn import functional

import refimpl
from conformance.subjects.reproduction import Reproduction


def fused_sgd_skips_first_step() -> Reproduction:
    """Mixed precision skips a step of infinite gradients; the fused kernel keeps its momentum buffer, never written."""
    spec = refimpl.SGD(learning_rate=0.25, momentum=0.5)
    parameter = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([parameter], lr=spec.learning_rate, momentum=spec.momentum, fused=True)
    gradient = np.array([2.0, -1.0], dtype=np.float32)
    with _fresh_memory_is_nan():
        # What torch.amp.GradScaler tells a fused optimizer of a step with an infinity.
        for given, skipped in ((np.full(2, np.inf, dtype=np.float32), 1.0), (gradient, 0.0)):
            parameter.grad = torch.tensor(given)
            optimizer.grad_scale, optimizer.found_inf = torch.ones(()), torch.tensor(skipped)
            optimizer.step()
    start = np.ones(2)
    right, _ = spec.step(start, gradient.astype(np.float64), spec.init(start))
    return Reproduction(actual=parameter.detach().numpy(), wrong=np.full(2, np.nan), right=right)


@contextmanager
def _fresh_memory_is_nan() -> Iterator[None]:
    """Within it memory that nobody has written is NaN, where it would be whatever was there before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


def small_norms_are_clipped_too_far() -> Reproduction:
    """A gradient below 1e-6 is nearly erased where it should be halved."""
    max_norm, length = np.float32(2.0**-23), np.float32(2.0**-22)
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.tensor([length])
    torch.nn.utils.clip_grad_norm_(parameter, float(max_norm))
    right = refimpl.ClipByGlobalNorm(max_norm=float(max_norm)).apply(np.array([float(length)]))
    wrong = np.array([length * (max_norm / (length + np.float32(1e-6)))])
    return Reproduction(actual=parameter.grad.numpy(), wrong=wrong, right=right)


def zero_gradients_in_float16() -> Reproduction:
    """By six optimizers: epsilon, 1e-8 or 1e-10, is 0 in float16."""
    optimizers = {
        torch.optim.Adam: refimpl.Adam(),
        torch.optim.AdamW: refimpl.AdamW(weight_decay=0.0),
        torch.optim.NAdam: refimpl.NAdam(),
        torch.optim.Adamax: refimpl.Adamax(),
        torch.optim.RMSprop: refimpl.RMSprop(),
        torch.optim.Adagrad: refimpl.Adagrad(),
    }
    start, ends, right = np.ones(1), [], []
    for optimizer, spec in optimizers.items():
        parameter = torch.ones(1, dtype=torch.float16, requires_grad=True)
        parameter.grad = torch.zeros_like(parameter)
        optimizer([parameter], weight_decay=0.0).step()
        ends.append(parameter.item())
        right.append(spec.step(start, np.zeros(1), spec.init(start))[0][0])
    return Reproduction(np.array(ends), wrong=np.full(len(optimizers), np.nan), right=np.array(right))


def rprop_forgives_nan() -> Reproduction:
    """A gradient that is NaN has the sign 0, which is a step of 0."""
    spec, start = refimpl.Rprop(), np.ones(1)
    parameter = torch.ones(1, requires_grad=True)
    parameter.grad = torch.full((1,), torch.nan)
    torch.optim.Rprop([parameter]).step()
    right, _ = spec.step(start, np.full(1, np.nan), spec.init(start))
    return Reproduction(actual=parameter.detach().numpy(), wrong=start, right=right)


def logsumexp_of_minus_infinities() -> Reproduction:
    """Equal logits, however low, are one half each."""
    return Reproduction(
        actual=_gradient(lambda x: torch.logsumexp(x, 0), [-torch.inf, -torch.inf]),
        wrong=np.full(2, np.nan),
        right=refimpl.Softmax().forward(np.full(2, -1e300)),
    )


def branch_not_taken() -> Reproduction:
    """The root at 0 is not taken, and its infinite derivative, times 0, is NaN."""
    return Reproduction(
        actual=_gradient(lambda x: torch.where(x > 0, torch.sqrt(x), 0.0).sum(), [0.0, 4.0]),
        wrong=np.array([np.nan, 0.25]),
        right=np.array([0.0, 0.25]),
    )


def one_function_two_derivatives() -> Reproduction:
    """hardtanh and clamp at -1 and 1, where they are the same function."""
    ends = [-1.0, 1.0]
    return Reproduction(
        actual=_gradient(lambda x: functional.hardtanh(x).sum(), ends),
        wrong=refimpl.HardTanh(derivative_at_limits=0.0).backward(np.array(ends), np.ones(2)),
        right=_gradient(lambda x: torch.clamp(x, -1, 1).sum(), ends),
    )


def _gradient(function: Callable[[torch.Tensor], torch.Tensor], at: list[float]) -> np.ndarray:
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    function(x).backward()
    return np.asarray(x.grad)


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "torch-fused-sgd-uninitialised": fused_sgd_skips_first_step,
    "torch-clipping-small-norms": small_norms_are_clipped_too_far,
    "torch-float16-zero-gradient": zero_gradients_in_float16,
    "torch-rprop-nan": rprop_forgives_nan,
    "torch-logsumexp-nan": logsumexp_of_minus_infinities,
    "torch-where-nan": branch_not_taken,
    "torch-hardtanh-is-not-clamp": one_function_two_derivatives,
}
