"""Runs of optax's optimizers: transformations made from a spec, with hyperparameters that are Python floats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from conformance.subjects.jax.arrays import to_jax, to_numpy
from conformance.subjects.subject import OptimizerRun, Unsupported
from refimpl.optimizers import (
    LAMB,
    LARS,
    SGD,
    AdaBelief,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    GradientAccumulation,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    SignDescent,
    Yogi,
)
from refimpl.trees import map_leaves


def _with_penalty(h: Any, rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """An L2 penalty is a transformation of its own in optax, put before the rule."""
    return optax.chain(optax.add_decayed_weights(h.weight_decay), rule)


# Rule -> the transformation for hyperparameters `h`, which has the fields of the rule's spec.
TRANSFORMATIONS: dict[type, Callable[[Any], optax.GradientTransformation]] = {
    SGD: lambda h: _with_penalty(h, optax.sgd(h.learning_rate, momentum=h.momentum or None, nesterov=h.nesterov)),
    Adagrad: lambda h: _with_penalty(h, optax.adagrad(h.learning_rate, h.initial_accumulator, h.epsilon)),
    RMSprop: lambda h: _with_penalty(
        h,
        optax.rmsprop(
            h.learning_rate,
            h.decay,
            h.epsilon,
            eps_in_sqrt=h.epsilon_placement == "inside",
            centered=h.centered,
            momentum=h.momentum or None,
        ),
    ),
    Adam: lambda h: _with_penalty(h, optax.adam(h.learning_rate, h.beta1, h.beta2, h.epsilon)),
    AdamW: lambda h: optax.adamw(h.learning_rate, h.beta1, h.beta2, h.epsilon, weight_decay=h.weight_decay),
    AMSGrad: lambda h: _with_penalty(h, optax.amsgrad(h.learning_rate, h.beta1, h.beta2, h.epsilon)),
    NAdam: lambda h: optax.nadamw(h.learning_rate, h.beta1, h.beta2, h.epsilon, weight_decay=h.weight_decay),
    RAdam: lambda h: _with_penalty(h, optax.radam(h.learning_rate, h.beta1, h.beta2, h.epsilon, threshold=h.threshold)),
    Adamax: lambda h: optax.adamaxw(h.learning_rate, h.beta1, h.beta2, h.epsilon, weight_decay=h.weight_decay),
    Adadelta: lambda h: optax.adadelta(h.learning_rate, h.decay, h.epsilon, weight_decay=h.weight_decay),
    Rprop: lambda h: optax.rprop(h.learning_rate, h.shrinkage, h.growth, h.smallest_step, h.largest_step),
    Lion: lambda h: optax.lion(h.learning_rate, h.beta1, h.beta2, weight_decay=h.weight_decay),
    SignDescent: lambda h: _with_penalty(
        h, optax.signum(h.learning_rate, h.momentum) if h.momentum > 0 else optax.sign_sgd(h.learning_rate)
    ),
    AdaBelief: lambda h: _with_penalty(
        h, optax.adabelief(h.learning_rate, h.beta1, h.beta2, h.epsilon, eps_root=h.epsilon_root)
    ),
    Yogi: lambda h: _with_penalty(
        h,
        optax.chain(
            optax.scale_by_yogi(h.beta1, h.beta2, h.epsilon, initial_accumulator_value=h.initial_accumulator),
            optax.scale_by_learning_rate(h.learning_rate),
        ),
    ),
    LAMB: lambda h: optax.lamb(h.learning_rate, h.beta1, h.beta2, h.epsilon, weight_decay=h.weight_decay),
    LARS: lambda h: optax.lars(
        h.learning_rate,
        h.weight_decay,
        trust_coefficient=h.trust_coefficient,
        eps=h.epsilon,
        momentum=h.momentum,
    ),
    # Unasked it accumulates in float32, whatever the gradients are.
    GradientAccumulation: lambda h: optax.MultiSteps(
        TRANSFORMATIONS[type(h.rule)](h.rule),
        h.every,
        use_grad_mean=h.accumulated == "mean",
        accumulator_dtype=jnp.zeros(()).dtype,
    ).gradient_transformation(),
}

_MOMENTS = {"first_moment": ("mu", 1), "second_moment": ("nu", 1)}
# Rule -> slot -> the field of optax's state that holds it, and its sign there: some of them sum what they add.
SLOTS: dict[type, dict[str, tuple[str, int]]] = {
    SGD: {"velocity": ("trace", 1)},
    Adagrad: {"accumulator": ("sum_of_squares", 1)},
    RMSprop: {"second_moment": ("nu", 1), "mean": ("mu", 1), "velocity": ("trace", -1)},
    Adam: _MOMENTS,
    AdamW: _MOMENTS,
    AMSGrad: _MOMENTS | {"largest_second_moment": ("nu_max", 1)},
    NAdam: _MOMENTS,
    RAdam: _MOMENTS,
    Adamax: {"first_moment": ("mu", 1), "infinity_norm": ("nu", 1)},
    Adadelta: {"second_moment": ("e_g", 1), "squared_steps": ("e_x", 1)},
    Rprop: {"step_size": ("step_sizes", 1), "direction": ("prev_updates", 1)},
    Lion: {"first_moment": ("mu", 1)},
    SignDescent: {"first_moment": ("ema", 1)},
    AdaBelief: _MOMENTS,
    Yogi: _MOMENTS,
    LAMB: _MOMENTS,
    LARS: {"velocity": ("trace", -1)},
}

# Hyperparameters that optax applies to arrays as they are. They are arguments of the compiled step, so that a run may
# change them, and other runs may have other values, without compiling again: an argument is rounded to the arrays'
# format once, as a constant is. The decays stay constants, because optax forms 1 - decay of them.
ARGUMENTS = ("learning_rate", "weight_decay", "epsilon")


def update(spec: Any) -> Callable[..., tuple[Any, Any]]:
    """The function of (gradients, state, parameters, arguments) that makes a step: new parameters and state."""

    def step(gradients: Any, state: Any, parameters: Any, arguments: dict[str, Any]) -> tuple[Any, Any]:
        rule = TRANSFORMATIONS[type(spec)](SimpleNamespace(**vars(spec) | arguments))
        changes, state = rule.update(gradients, state, parameters)
        return optax.apply_updates(parameters, changes), state

    return step


class Run(OptimizerRun):
    """An optax run; `subject` gives the arithmetic it runs in, and compiles."""

    def __init__(self, subject: Any, spec: Any, parameters: Any) -> None:
        if isinstance(spec, RAdam) and subject.variant == "eager":
            # Eager, JAX makes repeated products of beta2**count, compiled anew for every count: in no profile.
            raise Unsupported("jax has RAdam only compiled")
        if isinstance(spec, GradientAccumulation) and subject.variant == "eager":
            # It has a lax.cond of new functions at each step, which JAX compiles eager as well.
            raise Unsupported("jax has GradientAccumulation only compiled")
        self._subject, self._model = subject, parameters
        self._use(spec)
        with subject.arithmetic():
            self._parameters = to_jax(parameters)
            self._state = TRANSFORMATIONS[type(spec)](spec).init(self._parameters)

    def _use(self, spec: Any) -> None:
        self._spec = spec
        # Zero stays a constant: optax leaves out a penalty that is the number 0.
        self._arguments = {name: getattr(spec, name) for name in ARGUMENTS if getattr(spec, name, 0.0) > 0}
        self._step = self._subject.function(update, replace(spec, **dict.fromkeys(self._arguments, 1.0)))

    def step(self, gradients: Any) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = self._step(
                to_jax(gradients), self._state, self._parameters, self._arguments
            )

    def parameters(self) -> Any:
        return to_numpy(self._parameters, self._model)

    def state(self) -> dict[str, Any]:
        kept = dict(_fields(self._state))
        slots = {}
        for slot in self._spec.slots():
            field, sign = _slots(self._spec)[slot]
            slots[slot] = map_leaves(lambda leaf, sign=sign: np.array(sign * leaf), to_numpy(kept[field], self._model))
        if "direction" in slots:
            slots["direction"] = map_leaves(np.sign, slots["direction"])  # Rprop keeps the step
        return slots

    def change(self, spec: Any) -> None:
        self._subject.offered("optimizer", spec)
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"optax: the state of {self._spec} does not fit {spec}")
        self._use(spec)

    def save(self) -> Any:
        return jax.tree.map(np.array, (self._parameters, self._state))

    def restore(self, saved: Any) -> None:
        with self._subject.arithmetic():
            self._parameters, self._state = jax.device_put(jax.tree.map(np.array, saved))


def _slots(spec: Any) -> dict[str, tuple[str, int]]:
    """SLOTS of the rule; with accumulation, of the rule within as well."""
    if isinstance(spec, GradientAccumulation):
        return SLOTS[type(spec.rule)] | {"accumulated": ("acc_grads", 1)}
    return SLOTS[type(spec)]


def _fields(state: Any) -> Iterator[tuple[str, Any]]:
    """The (name, value) pairs of all named tuples in optax's state, which is nested tuples of them."""
    if hasattr(state, "_fields"):
        yield from zip(state._fields, state, strict=True)
        if hasattr(state, "inner_opt_state"):  # of MultiSteps
            yield from _fields(state.inner_opt_state)
    else:
        for part in state:
            yield from _fields(part)
