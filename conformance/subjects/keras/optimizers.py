"""Runs of Keras's optimizers, as pure functions of what they keep (stateless_apply)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from conformance.subjects.jax.arrays import to_jax
from conformance.subjects.keras.backend import keras
from conformance.subjects.subject import NotOffered, OptimizerRun
from refimpl.optimizers import LAMB, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, AMSGrad, Lion, NAdam, RMSprop
from refimpl.trees import leaves, rebuilt


@dataclass(frozen=True)
class Rule:
    """Keras's optimizer, its arguments as functions of the spec, and by slot Keras's name and its sign there."""

    optimizer: Callable[..., Any]
    arguments: Callable[[Any], dict[str, Any]]
    slots: dict[str, tuple[str, int]]


def _moments(spec: Any) -> dict[str, Any]:
    return {"beta_1": spec.beta1, "beta_2": spec.beta2, "epsilon": spec.epsilon}


_NEXT_TO_ZERO = float(np.nextafter(0, 1))  # flushed to zero where it meets an array: Keras's Lion refuses 0 itself
_MOMENTS = {"first_moment": ("momentum", 1), "second_moment": ("velocity", 1)}
RULES: dict[type, Rule] = {
    SGD: Rule(
        keras.optimizers.SGD,
        lambda s: {"momentum": s.momentum, "nesterov": s.nesterov},
        {"velocity": ("momentum", -1)},
    ),
    Adagrad: Rule(
        keras.optimizers.Adagrad,
        lambda s: {"initial_accumulator_value": s.initial_accumulator, "epsilon": s.epsilon},
        {"accumulator": ("accumulator", 1)},
    ),
    RMSprop: Rule(
        keras.optimizers.RMSprop,
        lambda s: {"rho": s.decay, "momentum": s.momentum, "epsilon": s.epsilon, "centered": s.centered},
        {"second_moment": ("velocity", 1), "mean": ("average_gradient", 1), "velocity": ("momentum", 1)},
    ),
    Adadelta: Rule(
        keras.optimizers.Adadelta,
        lambda s: {"rho": s.decay, "epsilon": s.epsilon},
        {"second_moment": ("accumulated_grad", 1), "squared_steps": ("accumulated_delta_var", 1)},
    ),
    Adam: Rule(keras.optimizers.Adam, _moments, _MOMENTS),
    AdamW: Rule(keras.optimizers.AdamW, lambda s: _moments(s) | {"weight_decay": s.weight_decay}, _MOMENTS),
    AMSGrad: Rule(
        keras.optimizers.Adam,
        lambda s: _moments(s) | {"amsgrad": True},
        _MOMENTS | {"largest_second_moment": ("velocity_hat", 1)},
    ),
    Adamax: Rule(keras.optimizers.Adamax, _moments, {"first_moment": ("momentum", 1), "infinity_norm": ("norm", 1)}),
    NAdam: Rule(keras.optimizers.Nadam, _moments, _MOMENTS),
    Lion: Rule(
        keras.optimizers.Lion,
        lambda s: {"beta_1": s.beta1 or _NEXT_TO_ZERO, "beta_2": s.beta2},
        {"first_moment": ("momentum", 1)},
    ),
    LAMB: Rule(keras.optimizers.Lamb, _moments, _MOMENTS),
}

# Hyperparameters that Keras applies to arrays as they are. They are arguments of the compiled step, so that a run may
# change them, and other runs may have other values, without compiling again. The learning rate is a variable anyway.
ARGUMENTS = ("weight_decay", "epsilon")


class Step:
    """An optimizer of Keras, built for parameters v0, v1, ... of these shapes; a call is one step."""

    def __init__(self, spec: Any, shapes: tuple[tuple[int, ...], ...], dtype: str) -> None:
        rule = RULES[type(spec)]
        common = {"learning_rate": spec.learning_rate, "weight_decay": spec.weight_decay or None}
        self._optimizer = rule.optimizer(**common | rule.arguments(spec))
        zeros = [np.zeros(shape, dtype) for shape in shapes]
        self._optimizer.build([keras.Variable(zero, dtype=dtype, name=f"v{index}") for index, zero in enumerate(zeros)])
        self.names = [variable.name for variable in self._optimizer.variables]
        self.start = [np.array(variable.value) for variable in self._optimizer.variables]

    def __call__(
        self, arguments: dict[str, Any], kept: list[Any], gradients: list[Any], parameters: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """The new parameters, and what is kept for the next step, in the order of `names`."""
        for name, value in arguments.items():
            setattr(self._optimizer, name, value)
        return self._optimizer.stateless_apply(kept, gradients, parameters)


@lru_cache(maxsize=512)
def _built(spec: Any, shapes: tuple[tuple[int, ...], ...], dtype: str, compiled: bool) -> tuple[Step, Callable]:
    step = Step(spec, shapes, dtype)
    return step, jax.jit(step.__call__) if compiled else step


class Run(OptimizerRun):
    """A run of an optimizer; `subject` gives the arithmetic it runs in, and its variant."""

    def __init__(self, subject: Any, spec: Any, parameters: Any) -> None:
        self._subject, self._model = subject, parameters
        self._parameters = [np.array(leaf) for _, leaf in leaves(parameters)]
        self._use(spec)
        self._kept = self._built.start

    def _use(self, spec: Any) -> None:
        self._spec = spec
        # Zero stays a constant: Keras leaves out a penalty that is None, as it is without one.
        self._arguments = {name: getattr(spec, name) for name in ARGUMENTS if getattr(spec, name, 0.0) > 0}
        constants = replace(spec, **dict.fromkeys((*self._arguments, "learning_rate"), 1.0))
        shapes = tuple(np.shape(parameter) for parameter in self._parameters)
        with self._subject.arithmetic():
            self._built, self._step = _built(constants, shapes, self._subject.dtype, self._subject.variant == "jit")

    def step(self, gradients: Any) -> None:
        names = self._built.names
        rate = np.asarray(self._spec.learning_rate, self._subject.dtype)  # a variable of Keras's default format
        kept = [rate if name == "learning_rate" else value for name, value in zip(names, self._kept, strict=True)]
        with self._subject.arithmetic():
            sent = to_jax([kept, [leaf for _, leaf in leaves(gradients)], self._parameters])
            self._parameters, self._kept = self._step(self._arguments, *sent)

    def parameters(self) -> Any:
        return rebuilt(self._model, [np.array(parameter) for parameter in self._parameters])

    def state(self) -> dict[str, Any]:
        kept = dict(zip(self._built.names, self._kept, strict=True))
        return {slot: rebuilt(self._model, self._slot(slot, kept)) for slot in self._spec.slots()}

    def _slot(self, slot: str, kept: dict[str, Any]) -> Iterator[np.ndarray]:
        """The slot of each parameter, as the rule has it."""
        for index, parameter in enumerate(self._parameters):
            if slot == "momentum_product":  # one number for all parameters; it alone has a name that Keras makes up
                (product,) = [kept[name] for name in kept if name.startswith("variable")]
                yield np.full(parameter.shape, np.array(product))
            else:
                name, sign = RULES[type(self._spec)].slots[slot]
                yield np.asarray(sign * np.array(kept[f"v{index}_{name}"]))

    def change(self, spec: Any) -> None:
        self._subject.offered("optimizer", spec)
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise NotOffered(f"keras: a run of {self._spec} has not the state that {spec} needs")
        self._use(spec)

    def save(self) -> Any:
        return [np.array(value) for value in self._parameters], [np.array(value) for value in self._kept]

    def restore(self, saved: Any) -> None:
        self._parameters, self._kept = saved  # arrays that nobody changes: each step makes new ones
