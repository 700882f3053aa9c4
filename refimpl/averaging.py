"""The exponential moving average of parameters over the steps of a training, which is evaluated in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from refimpl.arithmetic import moving_average, quotient
from refimpl.optimizers.bias_correction import bias_correction
from refimpl.optimizers.optimizer import steps_and_slots
from refimpl.spec import Spec, convention, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves, same_structure
from refimpl.types import State, Tree


@dataclass(frozen=True)
class ParameterAverage(Spec):
    """decay * average + (1 - decay) * parameters after each step (Kingma & Ba 2015, section 7.2); decay in [0, 1).

    State: "step" (averages taken, int), and "uncorrected" where the average is corrected.
    """

    elementwise: ClassVar[bool] = True

    decay: float = hyperparameter(0.999, at_least=0, below=1)
    start: Literal["corrected", "zero", "first", "given"] = convention(
        {
            "corrected": "at zero, and divided by the sum of the weights, 1 - decay**step (section 7.2; optax.ema)",
            "zero": "at zero, and small at first (optax.ema with debias=False)",
            "first": "at the parameters of the first step, as they are (PyTorch's AveragedModel, Keras's use_ema)",
            "given": "at the parameters before the first step (optax.incremental_update of a copy)",
        }
    )

    def slots(self) -> tuple[str, ...]:
        """Names of the arrays that the state has for every parameter, apart from the average."""
        return ("uncorrected",) if self.start == "corrected" else ()

    def init(self, parameters: Tree) -> State:
        """The state before the first step. Raises as `Optimizer.init` does."""
        parameters = as_arrays("parameters", parameters)
        return {"step": 0} | {slot: map_leaves(np.zeros_like, parameters) for slot in self.slots()}

    def step(self, average: Tree, parameters: Tree, state: State) -> tuple[Tree, State]:
        """Average and state after one more step, as new float64 arrays; nothing passed in is changed.

        average: what the step before returned, and at first the parameters that the training starts from.
        parameters: those after the step, a tree like it. Raises as `Optimizer.step` does.
        """
        average, parameters = as_arrays("average", average), as_arrays("parameters", parameters)
        same_structure("parameters", parameters, average, "average")
        count, slots = steps_and_slots(self, self.slots(), state, average)
        rule = self.in_arithmetic_of(next(leaves(average))[1])

        # Start
        old = slots.get("uncorrected", average)
        if count == 0 and self.start == "zero":
            old = map_leaves(np.zeros_like, old)
        if count == 0 and self.start == "first":
            return map_leaves(lambda _, p: p, average, parameters), {"step": 1}

        with np.errstate(all="ignore"):
            # Average
            new = map_leaves(lambda a, p: moving_average(a, p, rule.decay), old, parameters)
            if self.start != "corrected":
                return new, {"step": count + 1}

            # Bias correction
            correction = bias_correction(rule.decay, count + 1)
            return map_leaves(lambda a: quotient(a, correction), new), {"step": count + 1, "uncorrected": new}
