"""Activations and their cotangents: from tiny to saturating arguments, at kinks, in rows that cancel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.case import case
from conformance.known_values import asked
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from refimpl import activations as rules
from refimpl.arithmetic import RunningError

ELEMENTWISE = (
    rules.Identity, rules.Sigmoid, rules.Tanh, rules.ReLU, rules.LeakyReLU, rules.ELU, rules.Softplus, rules.GELU,
    rules.SiLU,
)  # fmt: skip
SHAPES = [(512,), (7, 5, 11), (), (3, 0)]


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
    # Up to 1000, where exp overflows in every format.
    x = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.uniform(-6, 3, shape)
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
    rows, columns = data.draw(st.sampled_from([(61, 7), (4, 1)]), label="shape")
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.standard_normal((rows, columns)) * 10.0 ** generator.uniform(-3, 3, (rows, 1))
    x = x + generator.choice([0.0, 1e4, -300.0], (rows, 1))
    x[::4] = x[::4, :1]
    cotangent = generator.standard_normal((rows, columns))
    x, cotangent = np.moveaxis(np.stack([x, cotangent]), -1, 1 + spec.axis % 2)
    compare.example(spec=spec, shape=x.shape)
    hold(subject, compare, spec, representable(x, subject.dtype), representable(cotangent, subject.dtype))


# Fields with the values to ask for, and the derivatives on both sides of 0.
KINKS: dict[type[rules.Elementwise], tuple[dict[str, tuple], float, float]] = {
    rules.ReLU: ({"derivative_at_zero": (0.0, 0.5, 1.0)}, 0.0, 1.0),
    rules.LeakyReLU: ({"slope": (0.25,), "derivative_at_zero": ("slope", "one")}, 0.25, 1.0),
    rules.ELU: ({"alpha": (0.5,)}, 0.5, 1.0),
}


def at_kink(spec, left, right):
    """The derivative at 0 that the spec declares."""
    declared = getattr(spec, "derivative_at_zero", "slope")
    return {"slope": left, "one": right}.get(declared, declared)


@case(
    statement="At a kink the derivative is a convention: a number between those of both sides, the same at 0 and -0.",
    source="subdifferential of a convex function: Rockafellar 1970, section 23; the conventions in refimpl.activations",
    kind="exact",
    catches="the other side taken at 0; a derivative at -0 that differs; NaN",
    capability="activation",
)
@pytest.mark.parametrize("rule", list(KINKS), ids=lambda rule: rule.__name__)
def test_kink(subject, compare, rule):
    fields, left, right = KINKS[rule]
    names = list(fields)
    for values in itertools.product(*(asked(subject, rule, name, fields[name]) for name in names)):
        spec = rule(**dict(zip(names, values, strict=True)))
        declared = at_kink(spec, left, right)
        compare.example(spec=spec, derivatives=f"{left} below, {declared} at 0, {right} above")
        x, cotangent = np.array([0.0, -0.0, 2.0**-30]), np.array([3.0, -5.0, 7.0])
        found = subject.activation(spec, x.astype(subject.array_dtype), cotangent.astype(subject.array_dtype))
        compare.equal(found[0], [0.0, 0.0, 2.0**-30], "activation", spec=spec)
        compare.equal(found[1], np.array([declared, declared, right]) * cotangent, "cotangent", spec=spec)
        compare.at_most(left, declared, "derivative on the left")
        compare.at_most(declared, right, "derivative at the kink")


@case(
    statement="relu(x) - relu(-x) is x, but its derivative at 0 comes out as twice that of relu: 0 in most libraries.",
    source="Kakade & Lee 2018, Provably correct automatic subdifferentiation; Bolte & Pauwels 2020",
    kind="exact",
    catches="a library that declares one convention and follows another",
    capability="activation",
)
def test_kinks_break_the_sum_rule(subject, compare):
    for declared in asked(subject, rules.ReLU, "derivative_at_zero", (0.0, 0.5, 1.0)):
        spec = rules.ReLU(derivative_at_zero=declared)
        compare.example(function="relu(x) - relu(-x)", at=0.0, derivative=2 * declared, true_derivative=1.0)
        x, cotangent = (np.array(values, dtype=subject.array_dtype) for values in ([0.0, 1.5, -1.5], [4.0, 4.0, 4.0]))
        (first, of_x), (second, of_minus_x) = (subject.activation(spec, s * x, s * cotangent) for s in (1, -1))
        compare.equal(first - second, x, "function")
        # The chain rule: the cotangent of relu(-x) is -1 times what arrives, and so is that of x in -x.
        compare.equal(of_x - of_minus_x, [2 * declared * 4.0, 4.0, 4.0], "cotangent", declared=declared)
