"""Runs of the averages of Keras's optimizers: of one that moves nothing, and is given other parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.subjects.keras import runs
from refimpl.trees import leaves, rebuilt
from refimpl.types import Tree


class Run(runs.Run):
    """The average of the parameters that each step passes in."""

    def _use(self, spec: Any) -> None:
        self._spec, self._constants = spec, spec

    def step(self, gradients: Tree) -> None:
        parameters = [np.asarray(leaf) for _, leaf in leaves(gradients)]
        still = [np.zeros_like(parameter) for parameter in parameters]
        self._parameters, self._state = self._ask("step", self._constants, {}, self._state, still, parameters)

    def parameters(self) -> Tree:
        variables = self._variables()
        averages = [variables[f"v{index}_average"] for index in range(len(self._parameters))]
        return rebuilt(self._model, [np.array(average) for average in averages])
