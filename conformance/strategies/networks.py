"""Small networks of unlike widths, with a batch, small enough for end-to-end bounds."""

from __future__ import annotations

from itertools import pairwise
from math import isqrt
from typing import Any

import numpy as np
from hypothesis import strategies as st

from conformance.strategies.batches import targets
from conformance.strategies.draws import random_numbers, size
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.subjects import Subject, Unsupported
from refimpl import activations as rules
from refimpl.layers import BatchNormalization, BatchNormalizationInference, Dense, Layer, Residual
from refimpl.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MeanSquaredError, SoftmaxCrossEntropy
from refimpl.network import Network
from refimpl.regularization import Penalty
from refimpl.trees import map_leaves

# Few shapes, since a library may compile each operation for each of them; what is in a network varies freely. One
# weight is square, which nothing but its numbers tells from its transpose; those of residual branches are anyway.
WIDTHS, BLOCK_WIDTHS = (4, 3, 3, 4), (4, 3, 4)
BATCH = (5, 2)  # one row has no variance, and PyTorch refuses to normalize it
# Without GELU, which is held on its own: PyTorch's float32 kernel is a declared divergence.
LOSSES = (MeanSquaredError, BinaryCrossEntropy, BinaryCrossEntropyWithLogits, SoftmaxCrossEntropy)
HIDDEN = (rules.Sigmoid, rules.Tanh, rules.ReLU, rules.LeakyReLU, rules.ELU, rules.Softplus, rules.SiLU)


@st.composite
def networks(
    draw: st.DrawFn, subject: Subject, block: type[Layer] | None = None
) -> tuple[Network, list[dict], np.ndarray, np.ndarray]:
    """A network under the subject's conventions, its parameters, a batch and its targets, all representable.

    block: the rule of layers that stand between a dense layer and its activation; None for dense layers alone.
    """

    def one_of(kinds: tuple[type, ...]) -> Any:
        offered = [rule for rule in subject.conventions if issubclass(rule, kinds)]
        if not offered:
            raise Unsupported(f"{subject.name} declares none of {', '.join(kind.__name__ for kind in kinds)}")
        rule = draw(st.sampled_from(offered), label="loss or penalty")
        return draw(specs(rule, subject.fixed(rule)))

    # Weights have `size` times the entries.
    widths = [width * isqrt(size()) for width in (WIDTHS if block is None else BLOCK_WIDTHS)]
    hidden = [rule for rule in HIDDEN if rule in subject.conventions]
    probabilities = rules.Sigmoid in subject.conventions
    loss = one_of(tuple(rule for rule in LOSSES if rule is not BinaryCrossEntropy or probabilities))
    penalised = any(issubclass(rule, Penalty) for rule in subject.conventions) and draw(st.booleans(), label="penalty")
    generator = random_numbers(draw(st.integers(0, 2**32 - 1), label="seed"))

    layers: list[Any] = []
    parameters: list[dict] = []

    def activation() -> list[tuple[Any, dict]]:
        """One, or none of a subject that has none of these: its networks are linear."""
        drawn = st.sampled_from(hidden).flatmap(lambda rule: specs(rule, subject.fixed(rule)))
        return [(draw(drawn), {})] if hidden else []

    def dense(inputs: int, outputs: int) -> tuple[Dense, dict]:
        layer = draw(specs(Dense, subject.fixed(Dense)))
        shape = (inputs, outputs) if layer.layout == "input_output" else (outputs, inputs)
        entries = {"weight": generator.standard_normal(shape) * np.sqrt(2 / inputs)}
        if layer.bias:
            entries["bias"] = generator.standard_normal(outputs) / 2
        return layer, entries

    def normalization(rule: type[Layer], features: int) -> tuple[Layer, dict]:
        fixed = dict(subject.fixed(rule))
        if rule is BatchNormalizationInference:
            fixed |= {"mean": generator.standard_normal(features), "variance": generator.uniform(0.1, 3, features)}
        entries = {"scale": generator.uniform(0.5, 2, features), "shift": generator.standard_normal(features) / 2}
        return draw(specs(rule, fixed)), entries

    def residual(features: int) -> tuple[Residual, dict]:
        branch: list[tuple[Any, dict]] = [*activation(), dense(features, features)]
        if BatchNormalization in subject.conventions and draw(st.booleans(), label="normalized branch"):
            branch.insert(0, normalization(BatchNormalization, features))
        scale = draw(st.sampled_from([1.0, 0.1, -0.75]), label="scale of the branch")
        return Residual([layer for layer, _ in branch], scale), {"branch": [entries for _, entries in branch]}

    for inputs, outputs in pairwise(widths):
        stacked: list[tuple[Any, dict]] = [dense(inputs, outputs)]
        if block is not None:
            stacked.append(residual(outputs) if block is Residual else normalization(block, outputs))
        stacked += activation()
        layers += [layer for layer, _ in stacked]
        parameters += [map_leaves(lambda leaf: representable(leaf, subject.dtype), entries) for _, entries in stacked]
    if isinstance(loss, BinaryCrossEntropy):  # wants probabilities
        layers[-1] = rules.Sigmoid(**subject.fixed(rules.Sigmoid))
    elif hidden:
        del layers[-1], parameters[-1]
    x = representable(generator.standard_normal((*BATCH, widths[0])), subject.dtype)
    network = Network(layers, loss, one_of((Penalty,)) if penalised else None)
    return network, parameters, x, targets(generator, loss, (*BATCH, widths[-1]), subject.dtype)
