"""Small dense networks of unlike widths, with a batch, small enough for end-to-end bounds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.strategies.batches import targets
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.subjects import Subject
from refimpl import activations as rules
from refimpl.layers import Dense
from refimpl.losses import BinaryCrossEntropy, Loss
from refimpl.network import Network
from refimpl.regularization import Penalty

# Without GELU, which is held on its own: PyTorch's float32 kernel is a declared divergence.
HIDDEN = (rules.Sigmoid, rules.Tanh, rules.ReLU, rules.LeakyReLU, rules.ELU, rules.Softplus, rules.SiLU)


@st.composite
def networks(draw: st.DrawFn, subject: Subject) -> tuple[Network, list[dict], np.ndarray, np.ndarray]:
    """A network under the subject's conventions, its parameters, a batch and its targets, all representable."""

    def one_of(kind: type) -> Any:
        offered = [rule for rule in subject.conventions if issubclass(rule, kind)]
        rule = draw(st.sampled_from(offered), label=kind.__name__)
        return draw(specs(rule, subject.fixed(rule)))

    widths = draw(st.lists(st.sampled_from([2, 3, 5, 7]), min_size=2, max_size=4), label="widths")
    hidden = [rule for rule in HIDDEN if rule in subject.conventions]
    loss = one_of(Loss)
    penalised = any(issubclass(rule, Penalty) for rule in subject.conventions) and draw(st.booleans(), label="penalty")
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))

    layers: list[Any] = []
    parameters: list[dict] = []
    for inputs, outputs in pairwise(widths):
        dense = draw(specs(Dense, subject.fixed(Dense)))
        shape = (inputs, outputs) if dense.layout == "input_output" else (outputs, inputs)
        entries = {"weight": generator.standard_normal(shape) * np.sqrt(2 / inputs)}
        if dense.bias:
            entries["bias"] = generator.standard_normal(outputs) / 2
        layers.append(dense)
        parameters.append({name: representable(array, subject.dtype) for name, array in entries.items()})
        activation = draw(st.sampled_from(hidden).flatmap(lambda rule: specs(rule, subject.fixed(rule))))
        layers.append(activation)
        parameters.append({})
    if isinstance(loss, BinaryCrossEntropy):  # wants probabilities
        layers[-1] = rules.Sigmoid(**subject.fixed(rules.Sigmoid))
    else:
        del layers[-1], parameters[-1]
    batch = draw(st.sampled_from([1, 3, 8]), label="batch")
    x = representable(generator.standard_normal((batch, widths[0])), subject.dtype)
    network = Network(layers, loss, one_of(Penalty) if penalised else None)
    return network, parameters, x, targets(generator, loss, (batch, widths[-1]), subject.dtype)
