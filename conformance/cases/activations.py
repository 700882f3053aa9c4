"""Activations and their cotangents: from tiny to saturating arguments, at kinks, in rows that cancel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from refimpl import activations as rules
from refimpl.arithmetic import RunningError

ELEMENTWISE = (
    rules.Identity, rules.Sigmoid, rules.Tanh, rules.ReLU, rules.LeakyReLU, rules.ELU, rules.Softplus, rules.GELU,
    rules.SiLU,
)  # fmt: skip
SHAPES = [(512,), (7, 5, 11), (1,), (), (3, 0), (2, 257)]


def hold(subject, compare, spec, x, cotangent):
    """Value and cotangent of one activation against the certified reference."""
    found = subject.activation(spec, x.astype(subject.array_dtype), cotangent.astype(subject.array_dtype))
    certified, of_result = (RunningError.exact(a, subject.target) for a in (x, cotangent))
    compare.within(found[0], spec.forward(certified), "activation")
    compare.within(found[1], spec.backward(certified, of_result), "cotangent")


@case(
    statement="An activation and its cotangent are the rule's, at arguments of all magnitudes and at kinks.",
    source="the rule's paper, as cited in refimpl.activations",
    kind="property",
    catches="a wrong derivative, also where it is small; cancellation in a tail; another convention at a kink",
    capability="activation",
)
@pytest.mark.parametrize("rule", ELEMENTWISE, ids=lambda rule: rule.__name__)
@given(data=st.data())
def test_elementwise(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    shape = data.draw(st.sampled_from(SHAPES), label="shape")
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.uniform(-6, 2, shape)
    x = np.where(generator.random(shape) < 0.1, generator.choice([0.0, 1.0, -1.0, 20.0, 3.0, -3.0], shape), x)
    cotangent = generator.standard_normal(shape) * 10.0 ** generator.uniform(-3, 3, shape)
    compare.example(spec=spec, shape=shape)
    hold(subject, compare, spec, representable(x, subject.dtype), representable(cotangent, subject.dtype))


@case(
    statement="Softmax and its logarithm are the rule's in every row, with equal, shifted and dominating entries.",
    source="the definition; shift invariance as in Blanchard, Higham & Higham 2021",
    kind="property",
    catches="overflow without the shift by the maximum, the wrong axis, a Jacobian without its rank-one part",
    capability="activation",
)
@pytest.mark.parametrize("rule", [rules.Softmax, rules.LogSoftmax], ids=lambda rule: rule.__name__)
@given(data=st.data())
def test_rows(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    rows, columns = data.draw(st.sampled_from([(61, 7), (5, 2), (3, 41), (4, 1)]), label="shape")
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.standard_normal((rows, columns)) * 10.0 ** generator.uniform(-3, 1.3, (rows, 1))
    x = x + generator.choice([0.0, 1e4, -300.0], (rows, 1))
    x[::4] = x[::4, :1]
    cotangent = generator.standard_normal((rows, columns))
    compare.example(spec=spec, shape=(rows, columns))
    hold(subject, compare, spec, representable(x, subject.dtype), representable(cotangent, subject.dtype))
