"""Runs of the averages that Keras's optimizers keep: of one that moves nothing, and is given other parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.subjects.keras import runs
from refimpl.trees import leaves, rebuilt


class Run(runs.Run):
    """The average of the parameters that each step hands in."""

    def _use(self, spec: Any) -> None:
        self._spec, self._constants = spec, spec

    def step(self, gradients: Any) -> None:
        given = [np.asarray(leaf) for _, leaf in leaves(gradients)]
        still = [np.zeros_like(leaf) for leaf in given]
        self._parameters, self._kept = self._ask("step", self._constants, {}, self._kept, still, given)

    def parameters(self) -> Any:
        kept = dict(zip(self._start.names, self._kept, strict=True))
        averages = [kept[f"v{index}_average"] for index in range(len(self._parameters))]
        return rebuilt(self._model, [np.array(average) for average in averages])
