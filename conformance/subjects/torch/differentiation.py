"""Derivatives in PyTorch's two ways: the tape of torch.autograd, and the transformations of torch.func."""

from __future__ import annotations

from collections.abc import Callable

import torch


def vjp(
    variant: str, function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, cotangent: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """function(x), and the cotangent of x for that of the result."""
    if variant == "func":
        result, pull_back = torch.func.vjp(function, x)
        return result, pull_back(cotangent)[0]
    x.requires_grad_()
    result = function(x)
    return result, torch.autograd.grad(result, x, cotangent)[0]


def value_and_gradients(
    variant: str, function: Callable[..., torch.Tensor], arguments: list[torch.Tensor]
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """The 0-d function(*arguments), and its gradient with respect to each argument."""
    if variant == "func":
        gradients, value = torch.func.grad_and_value(function, argnums=tuple(range(len(arguments))))(*arguments)
        return value, gradients
    for argument in arguments:
        argument.requires_grad_()
    value = function(*arguments)
    return value, torch.autograd.grad(value, arguments)
