"""PyTorch optimizers, functions and modules of anybody's own as subjects."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import torch

from conformance.adapters.arguments import Arguments
from conformance.subjects import OptimizerRun, Subject
from conformance.subjects.torch import Torch
from conformance.subjects.torch.tensors import to_numpy, to_torch
from refimpl.trees import leaves, map_leaves


class TorchSubject(Subject):
    """What adapters for PyTorch have in common: its devices and the accuracy of its functions."""

    profiles = Torch.profiles
    implementation: ClassVar[Callable[..., Any]]
    arguments: ClassVar[Arguments]

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        return Torch.devices()

    def build(self, spec: Any, *given: Any) -> Any:
        """The implementation, called with these arguments and the hyperparameters of the spec."""
        return type(self).implementation(*given, **self.arguments.of(spec))

    def differentiated(self, function: Callable[..., Any], x: np.ndarray, cotangent: Any) -> tuple[Any, Any]:
        """The result of a function of a tensor, and by automatic differentiation the cotangent of the tensor."""
        tensor = to_torch(x, self.device).requires_grad_()
        result = function(tensor)
        seed = torch.ones_like(result) if cotangent is None else to_torch(cotangent, self.device)
        (gradient,) = torch.autograd.grad(result, tensor, seed)
        return to_numpy(result), to_numpy(gradient)


class TorchOptimizer(TorchSubject):
    """A class of torch.optim.Optimizer."""

    variants: ClassVar = {"optimizer": ("torch",)}

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        self.offered("optimizer", spec)
        return _Run(self, spec, parameters)


class _Run(OptimizerRun):
    """A run of an optimizer on a tree of tensors of its own."""

    def __init__(self, subject: TorchOptimizer, spec: Any, parameters: Any) -> None:
        self._subject, self._spec = subject, spec
        self._begin(map_leaves(lambda array: to_torch(array, subject.device).requires_grad_(), parameters))

    def _begin(self, parameters: Any) -> None:
        self._parameters = parameters
        self._optimizer = self._subject.build(self._spec, [tensor for _, tensor in leaves(parameters)])

    def step(self, gradients: Any) -> None:
        def receive(parameter: torch.Tensor, gradient: Any) -> None:
            parameter.grad = to_torch(gradient, self._subject.device)

        map_leaves(receive, self._parameters, gradients)
        self._optimizer.step()

    def parameters(self) -> Any:
        return map_leaves(to_numpy, self._parameters)

    def change(self, spec: Any) -> None:
        self._spec = spec
        for group in self._optimizer.param_groups:
            group.update(self._subject.arguments.of(spec))

    def save(self) -> Any:
        return deepcopy((self._spec, self._parameters, self._optimizer.state_dict()))

    def restore(self, saved: Any) -> None:
        # Copied again: load_state_dict keeps the tensors that it is given.
        self._spec, parameters, state = deepcopy(saved)
        self._begin(parameters)
        self._optimizer.load_state_dict(state)


class TorchFunction(TorchSubject):
    """A function of tensors, `torch.autograd.Function.apply` for one: an activation f(x, ...), or a loss
    f(prediction, target, ...)."""

    variants: ClassVar = {"activation": ("torch",), "loss": ("torch",)}

    def activation(self, spec: Any, x: np.ndarray, cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("activation", spec)
        return self.differentiated(lambda tensor: self.build(spec, tensor), x, cotangent)

    def loss(self, spec: Any, prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.offered("loss", spec)
        goal = torch.from_numpy(target) if target.dtype.kind in "iu" else to_torch(target, self.device)
        return self.differentiated(lambda tensor: self.build(spec, tensor, goal.to(self.device)), prediction, None)


class TorchModule(TorchFunction):
    """A class of torch.nn.Module without parameters: its constructor takes the hyperparameters."""

    def build(self, spec: Any, *given: Any) -> Any:
        return type(self).implementation(**self.arguments.of(spec))(*given)
