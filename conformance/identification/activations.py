"""Identifying activations: values and derivatives at kinks, next to them and far away."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task
from conformance.strategies.gradients import representable
from conformance.subjects import Subject
from refimpl.activations import Activation
from refimpl.arithmetic import RunningError, Target

POINTS = (0.0, 0.5, 1.0, 3.0, 6.0, 20.0, 25.0)  # kinks, thresholds, and beyond them
COLUMNS = 9


class Activations(Task):
    """activation(x, **hyperparameters) -> y, or (y, derivative)."""

    rules = (Activation,)
    capability = "activation"
    takes = ("x",)
    returns = "y, or (y, derivative)"
    optional = "derivative"
    at_work = {"alpha": 0.7, "slope": 0.3, "threshold": 0.4, "axis": 0}  # noqa: RUF012

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        own = [getattr(specs[0], f.name) for f in fields(specs[0]) if "limits" in f.metadata]
        kinks = np.array([sign * point for point in (*POINTS, *own) for sign in (1.0, -1.0)])
        generator = np.random.default_rng(8)
        others = generator.standard_normal(63 - len(kinks)) * 10.0 ** generator.uniform(-3, 1.5, 63 - len(kinks))
        x = representable(np.append(kinks, others), dtype)
        return [Input("points at and next to kinks", x.reshape(-1, COLUMNS))]

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        result = function(np.array(given.data), **{name: getattr(spec, name) for name in names})
        return self.several(("activation", "derivative"), result, [given.data.shape] * 2)

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        x, ones = (RunningError.exact(array, target) for array in (given.data, np.ones_like(given.data)))
        return [Part("activation", {}, spec.forward(x)), Part("derivative", {}, spec.backward(x, ones))]

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        def activation(x: Any, **hyperparameters: Any) -> tuple[np.ndarray, np.ndarray]:
            x = x.astype(subject.array_dtype)
            return subject.activation(build(**hyperparameters), x, np.ones_like(x))

        return activation
