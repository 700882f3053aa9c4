"""Runs of Keras's optimizers: all that they keep is here, and a step asks Keras for a function of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.subjects.subject import OptimizerRun, Unsupported
from refimpl.optimizers import GradientAccumulation
from refimpl.trees import leaves, rebuilt

# Hyperparameters that Keras applies to arrays as they are. They are arguments of the compiled step, so that a run may
# change them, and other runs may have other values, without compiling again. The learning rate is a variable anyway.
ARGUMENTS = ("weight_decay", "epsilon")


@dataclass(frozen=True)
class Start:
    """Names and values of all that an optimizer keeps, before its first step; by slot Keras's name, and sign, there."""

    names: list[str]
    values: list[np.ndarray]
    slots: Mapping[str, tuple[str, int]]


class Run(OptimizerRun):
    """A run of an optimizer. ask: a method of `library.Library` by name, and its arguments, to the answer."""

    def __init__(self, subject: Any, ask: Callable[..., Any], spec: Any, parameters: Any) -> None:
        self._subject, self._ask, self._model = subject, ask, parameters
        self._parameters = [np.array(leaf) for _, leaf in leaves(parameters)]
        self._use(spec)
        self._start: Start = ask("start", self._constants, tuple(parameter.shape for parameter in self._parameters))
        self._kept = self._start.values

    def _use(self, spec: Any) -> None:
        accumulating = isinstance(spec, GradientAccumulation)
        rule = spec.rule if accumulating else spec
        self._spec, self._rate = spec, rule.learning_rate
        # Zero stays a constant: Keras leaves out a penalty that is None, as it is without one.
        self._arguments = {name: getattr(rule, name) for name in ARGUMENTS if getattr(rule, name, 0.0) > 0}
        constant = replace(rule, **dict.fromkeys((*self._arguments, "learning_rate"), 1.0))
        self._constants = replace(spec, rule=constant) if accumulating else constant

    def step(self, gradients: Any) -> None:
        rate = np.asarray(self._rate, self._subject.dtype)  # a variable of Keras's default format
        named = zip(self._start.names, self._kept, strict=True)
        kept = [rate if name == "learning_rate" else value for name, value in named]
        given = [np.asarray(leaf) for _, leaf in leaves(gradients)]
        self._parameters, self._kept = self._ask(
            "step", self._constants, self._arguments, kept, given, self._parameters
        )

    def parameters(self) -> Any:
        return rebuilt(self._model, [np.array(parameter) for parameter in self._parameters])

    def state(self) -> dict[str, Any]:
        kept = dict(zip(self._start.names, self._kept, strict=True))
        return {slot: rebuilt(self._model, self._slot(slot, kept)) for slot in self._spec.slots()}

    def _slot(self, slot: str, kept: dict[str, np.ndarray]) -> Iterator[np.ndarray]:
        """The slot of each parameter, as the rule has it."""
        for index, parameter in enumerate(self._parameters):
            if slot == "momentum_product":  # one number for all parameters; it alone has a name that Keras makes up
                (product,) = [kept[name] for name in kept if name.startswith("variable")]
                yield np.full(parameter.shape, product)
            else:
                name, sign = self._start.slots[slot]
                yield np.asarray(sign * kept[f"v{index}_{name}"])

    def change(self, spec: Any) -> None:
        self._subject.offered("optimizer", spec)
        if type(spec) is not type(self._spec) or spec.slots() != self._spec.slots():
            raise Unsupported(f"keras: the state of {self._spec} does not fit {spec}")
        self._use(spec)

    def save(self) -> Any:
        return self._parameters, self._kept

    def restore(self, saved: Any) -> None:
        self._parameters, self._kept = saved  # arrays that nobody changes: each step makes new ones
