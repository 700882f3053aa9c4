"""Identifying losses: values and gradients of predictions of all kinds, with targets in each form."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task
from conformance.strategies.batches import predictions, targets
from conformance.subjects import Subject
from refimpl.arithmetic import RunningError, Target
from refimpl.losses import BinaryCrossEntropy, Hinge, Loss

SHAPE = (37, 5)


class Losses(Task):
    """loss(prediction, target, **hyperparameters) -> value, or (value, gradient)."""

    rules = (Loss,)
    capability = "loss"
    takes = ("prediction", "target")
    returns = "a value, or (value, gradient)"
    optional = "gradient"
    at_work = {  # noqa: RUF012
        "delta": 0.7, "beta": 0.6, "label_smoothing": 0.3, "class_weights": (0.5, 2.0, 1.0, 0.25, 3.0),
        "positive_weights": (2.0, 0.5, 3.0, 1.0, 0.25),
    }  # fmt: skip

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        drawn: dict[tuple, Input] = {}
        for spec in specs:
            prediction = predictions(np.random.default_rng(9), spec, SHAPE, dtype)
            target = targets(np.random.default_rng(10), spec, SHAPE, dtype)
            if isinstance(spec, Hinge):
                prediction[:, 0] = target[:, 0]  # at the margin
            name = f"{'indices' if target.dtype.kind == 'i' else 'numbers'} of shape {target.shape} as targets"
            drawn.setdefault((target.dtype.kind, target.tobytes()), Input(name, (prediction, target)))
        certain = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
        wrong = [Input("a certain and wrong prediction", certain, singular=True)]
        return list(drawn.values()) + wrong * isinstance(specs[0], BinaryCrossEntropy)

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        arrays = (np.array(array) for array in given.data)
        result = function(*arrays, **{name: getattr(spec, name) for name in names})
        return self.several(("loss", "gradient"), result, [(), given.data[0].shape])

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        prediction, goal = given.data
        if not given.singular:
            prediction = RunningError.exact(prediction, target)
        return [
            Part("loss", {}, spec.value(prediction, goal)),
            Part("gradient", {}, spec.gradient(prediction, goal)),
        ]

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        def loss(prediction: Any, target: Any, **hyperparameters: Any) -> tuple[np.ndarray, np.ndarray]:
            goal = target if target.dtype.kind == "i" else target.astype(subject.array_dtype)
            return subject.loss(build(**hyperparameters), prediction.astype(subject.array_dtype), goal)

        return loss
