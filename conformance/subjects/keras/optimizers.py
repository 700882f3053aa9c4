"""The optimizers of keras.optimizers, and what they keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from refimpl.averaging import ParameterAverage
from refimpl.optimizers import (
    LAMB,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientAccumulation,
    Lion,
    NAdam,
    RMSprop,
)


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


def slots(spec: Any) -> dict[str, tuple[str, int]]:
    """By slot Keras's name of what it keeps, and the sign it has there."""
    if isinstance(spec, ParameterAverage):
        return {}
    if isinstance(spec, GradientAccumulation):
        return RULES[type(spec.rule)].slots | {"accumulated": ("gradient_accumulator", 1)}
    return RULES[type(spec)].slots


def _made(spec: Any) -> Any:
    if isinstance(spec, ParameterAverage):  # the optimizer itself moves nothing
        return keras.optimizers.SGD(learning_rate=0.0, use_ema=True, ema_momentum=spec.decay)
    accumulating = isinstance(spec, GradientAccumulation)
    every = {"gradient_accumulation_steps": spec.every} if accumulating else {}
    of_rule = spec.rule if accumulating else spec
    rule = RULES[type(of_rule)]
    common = {"learning_rate": of_rule.learning_rate, "weight_decay": of_rule.weight_decay or None}
    return rule.optimizer(**common | every | rule.arguments(of_rule))


def built(spec: Any, shapes: tuple[tuple[int, ...], ...], dtype: str) -> tuple[Any, list[Any]]:
    """The optimizer, and the variables v0, v1, ... of these shapes that it is built for."""
    optimizer = _made(spec)
    zeros = [np.zeros(shape, dtype) for shape in shapes]
    variables = [keras.Variable(zero, dtype=dtype, name=f"v{index}") for index, zero in enumerate(zeros)]
    optimizer.build(variables)
    return optimizer, variables
