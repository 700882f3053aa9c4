"""Losses and their gradients: mean and sum, labels and one-hot targets, certain and wrong predictions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.batches import predictions, targets
from conformance.strategies.hyperparameters import specs
from refimpl import losses as rules
from refimpl.arithmetic import RunningError


@case(
    statement="A loss and its gradient are the rule's, with either reduction, however wrong the prediction.",
    source="the definitions in refimpl.losses",
    kind="property",
    catches="a mean over the wrong axes, a factor 2, a logarithm that overflows, a gradient of the wrong sign",
    capability="loss",
)
@pytest.mark.parametrize(
    "rule",
    [rules.MeanSquaredError, rules.BinaryCrossEntropy, rules.BinaryCrossEntropyWithLogits, rules.SoftmaxCrossEntropy],
    ids=lambda rule: rule.__name__,
)
@given(data=st.data())
def test_batch(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    shape = data.draw(st.sampled_from([(37, 5), (1, 3), (11, 2)]), label="shape")
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    prediction = predictions(generator, spec, shape, subject.dtype)
    target = targets(generator, spec, shape, subject.dtype)
    sent = target if target.dtype.kind == "i" else target.astype(subject.array_dtype)
    compare.example(spec=spec, shape=shape)
    value, gradient = subject.loss(spec, prediction.astype(subject.array_dtype), sent)
    certified = RunningError.exact(prediction, subject.target)
    compare.within(value, spec.value(certified, target), "loss")
    compare.within(gradient, spec.gradient(certified, target), "gradient")
