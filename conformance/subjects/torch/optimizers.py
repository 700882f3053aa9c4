"""Runs of torch.optim's optimizers: one loop per parameter, horizontally fused (foreach), or in one kernel (fused)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from conformance.subjects.subject import OptimizerRun, Unsupported
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    NAdam,
    Optimizer,
    RAdam,
    RMSprop,
    Rprop,
)
from refimpl.trees import leaves, map_leaves

CHOICES = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


@dataclass(frozen=True)
class Rule:
    """PyTorch's optimizer, its arguments as functions of the spec, and its names of the slots."""

    optimizer: Callable[..., torch.optim.Optimizer]
    arguments: Callable[[Any], dict[str, Any]]
    slots: dict[str, str]


def _common(spec: Optimizer) -> dict[str, Any]:
    return {"lr": spec.learning_rate, "weight_decay": spec.weight_decay, "maximize": spec.maximize}


def _sgd(spec: SGD) -> dict[str, Any]:
    return _common(spec) | {"momentum": spec.momentum, "dampening": spec.dampening, "nesterov": spec.nesterov}


def _adagrad(spec: Adagrad) -> dict[str, Any]:
    return _common(spec) | {
        "lr_decay": spec.learning_rate_decay,
        "initial_accumulator_value": spec.initial_accumulator,
        "eps": spec.epsilon,
    }


def _rmsprop(spec: RMSprop) -> dict[str, Any]:
    return _common(spec) | {
        "alpha": spec.decay,
        "eps": spec.epsilon,
        "momentum": spec.momentum,
        "centered": spec.centered,
    }


def _adadelta(spec: Adadelta) -> dict[str, Any]:
    return _common(spec) | {"rho": spec.decay, "eps": spec.epsilon}


def _rprop(spec: Rprop) -> dict[str, Any]:
    return {
        "lr": spec.learning_rate,
        "etas": (spec.shrinkage, spec.growth),
        "step_sizes": (spec.smallest_step, spec.largest_step),
        "maximize": spec.maximize,
    }


def _adaptive(spec: Any) -> dict[str, Any]:
    return _common(spec) | {"betas": (spec.beta1, spec.beta2), "eps": spec.epsilon}


def _decoupling(spec: Any) -> dict[str, Any]:
    return _adaptive(spec) | {"decoupled_weight_decay": spec.weight_decay_kind == "decoupled"}


def _amsgrad(spec: AMSGrad) -> dict[str, Any]:
    return _decoupling(spec) | {"amsgrad": True}


def _nadam(spec: NAdam) -> dict[str, Any]:
    return _decoupling(spec) | {"momentum_decay": spec.momentum_decay}


_MOMENTS = {"first_moment": "exp_avg", "second_moment": "exp_avg_sq"}
RULES: dict[type, Rule] = {
    SGD: Rule(torch.optim.SGD, _sgd, {"velocity": "momentum_buffer"}),
    Adagrad: Rule(torch.optim.Adagrad, _adagrad, {"accumulator": "sum"}),
    RMSprop: Rule(
        torch.optim.RMSprop,
        _rmsprop,
        {"second_moment": "square_avg", "mean": "grad_avg", "velocity": "momentum_buffer"},
    ),
    Adadelta: Rule(torch.optim.Adadelta, _adadelta, {"second_moment": "square_avg", "squared_steps": "acc_delta"}),
    Rprop: Rule(torch.optim.Rprop, _rprop, {"step_size": "step_size", "direction": "prev"}),
    Adam: Rule(torch.optim.Adam, _decoupling, _MOMENTS),
    AdamW: Rule(torch.optim.AdamW, _adaptive, _MOMENTS),
    AMSGrad: Rule(torch.optim.Adam, _amsgrad, _MOMENTS | {"largest_second_moment": "max_exp_avg_sq"}),
    Adamax: Rule(torch.optim.Adamax, _adaptive, {"first_moment": "exp_avg", "infinity_norm": "exp_inf"}),
    NAdam: Rule(torch.optim.NAdam, _nadam, _MOMENTS | {"momentum_product": "mu_product"}),
    RAdam: Rule(torch.optim.RAdam, _decoupling, _MOMENTS),
}


class Run(OptimizerRun):
    """A run of an optimizer in one of the variants in CHOICES, on a tree of tensors of its own."""

    def __init__(self, spec: Any, variant: str, parameters: Any, device: str) -> None:
        self._spec, self._rule, self._device = spec, RULES[type(spec)], device
        if not CHOICES[variant].keys() <= inspect.signature(self._rule.optimizer).parameters.keys():
            raise Unsupported(f"torch.optim has no {variant} implementation of {type(spec).__name__}")
        self._arguments = self._rule.arguments(spec) | CHOICES[variant]
        self._begin(map_leaves(lambda array: to_torch(array, device).requires_grad_(), parameters))

    def _begin(self, parameters: Any) -> None:
        self._parameters = parameters
        self._optimizer = self._rule.optimizer([tensor for _, tensor in leaves(parameters)], **self._arguments)

    def step(self, gradients: Any) -> None:
        def receive(parameter: torch.Tensor, gradient: Any) -> None:
            parameter.grad = to_torch(gradient, self._device)

        map_leaves(receive, self._parameters, gradients)
        self._optimizer.step()

    def parameters(self) -> Any:
        return map_leaves(to_numpy, self._parameters)

    def state(self) -> dict[str, Any]:
        if not self._optimizer.state:
            return {}  # most optimizers create their slots at the first step
        if isinstance(self._spec, NAdam) and next(leaves(self._parameters))[1].dtype == torch.float64:
            return {}  # its product is of float32 there, and off by all of itself where it underflows
        return {
            slot: map_leaves(lambda parameter, slot=slot: self._shown(slot, parameter), self._parameters)
            for slot in self._spec.slots()
        }

    def _shown(self, slot: str, parameter: torch.Tensor) -> Any:
        """One slot of one parameter, as the rule has it."""
        kept = to_numpy(self._optimizer.state[parameter][self._rule.slots[slot]])
        if slot == "direction":
            return np.sign(kept)  # Rprop keeps the gradient, of which its rule needs the sign alone
        given = to_numpy(parameter)
        return np.broadcast_to(kept, given.shape).astype(given.dtype)  # one number per parameter: NAdam's product

    def change(self, spec: Any) -> None:
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"torch: the state of {self._spec} does not fit {spec}")
        self._spec = spec
        for group in self._optimizer.param_groups:
            group.update(self._rule.arguments(spec))

    def save(self) -> Any:
        return deepcopy((self._spec, self._parameters, self._optimizer.state_dict()))

    def restore(self, saved: Any) -> None:
        # Copied again: load_state_dict keeps the tensors that it is given.
        self._spec, parameters, state = deepcopy(saved)
        self._begin(parameters)
        self._optimizer.load_state_dict(state)
