"""Activations and their cotangents: from tiny to saturating arguments, at kinks, in rows that cancel.

Left out, since no rule of the reference has them: derivatives of sqrt(x), x**0.5 and sqrt(x**2) at 0, of a norm at 0,
of the standard deviation of a constant, of where(x > 0, sqrt(x), 0) at 0, of the log-sum-exp of minus infinities, of a
normalized zero vector, and of max at a tie. The magnitude at 0 is SmoothL1's with beta=0 (`losses.magnitude_of_error`)
and L1's (`networks`); maximum(x, 0), clamp and clip are conventions of ReLU and HardTanh.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import divisor, summed, supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.draws import enlarged, random_numbers
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from refimpl import activations as rules
from refimpl.arithmetic import RunningError
from refimpl.layers import Dense, PReLU
from refimpl.losses import MeanSquaredError
from refimpl.network import Network

ELEMENTWISE = (
    rules.Identity, rules.Sigmoid, rules.Tanh, rules.ReLU, rules.LeakyReLU, rules.ELU, rules.Softplus, rules.GELU,
    rules.SiLU, rules.ReLU6, rules.HardTanh, rules.HardSigmoid, rules.HardSwish, rules.SoftShrink, rules.HardShrink,
    rules.Softsign, rules.CELU, rules.SELU, rules.LogSigmoid, rules.Mish,
)  # fmt: skip
# Kinks and thresholds; next to 20 as well, where the branches of softplus differ by little.
POINTS = [0.0, 1.0, -1.0, 20.0, 19.0, 21.0, 3.0, -3.0, 6.0, 0.5, -0.5]
CURVED = (rules.ELU, rules.CELU, rules.HardSigmoid, rules.HardSwish)  # whose slopes next to a kink are rounded
# The solution of E f(z) = 0, E f(z)^2 = 1 for standard normal z, to 17 digits.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
SHAPE = (37, 5)


def check(subject, compare, spec, x, cotangent):
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
    shape = enlarged(SHAPE)
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    # Up to 1000, where exp overflows in every format.
    x = generator.choice([-1.0, 1.0], shape) * 10.0 ** generator.uniform(-6, 3, shape)
    x = np.where(generator.random(shape) < 0.2, generator.choice(POINTS, shape), x)
    cotangent = generator.standard_normal(shape) * 10.0 ** generator.uniform(-3, 3, shape)
    compare.example(spec=spec, shape=shape)
    check(subject, compare, spec, representable(x, subject.dtype), representable(cotangent, subject.dtype))


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
    rows, columns = enlarged(SHAPE)
    generator = random_numbers(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.standard_normal((rows, columns)) * 10.0 ** generator.uniform(-3, 3, (rows, 1))
    x = x + generator.choice([0.0, 1e4, -300.0], (rows, 1))
    x[::4] = x[::4, :1]
    cotangent = generator.standard_normal((rows, columns))
    x, cotangent = np.moveaxis(np.stack([x, cotangent]), -1, 1 + spec.axis % 2)
    compare.example(spec=spec, shape=x.shape)
    check(subject, compare, spec, representable(x, subject.dtype), representable(cotangent, subject.dtype))


# Fields with the required values, and the kinks of a spec: (where, value, derivatives on the left, declared, right).
KINKS: dict[type[rules.Elementwise], tuple[dict[str, tuple], Callable[[Any], list[tuple[float, ...]]]]] = {
    rules.ReLU: (
        {"derivative_at_zero": (0.0, 0.5, 1.0)},
        lambda s: [(0.0, 0.0, 0.0, s.derivative_at_zero, 1.0)],
    ),
    rules.LeakyReLU: (
        {"slope": (0.25,), "derivative_at_zero": ("slope", "one")},
        lambda s: [(0.0, 0.0, 0.25, {"slope": 0.25, "one": 1.0}[s.derivative_at_zero], 1.0)],
    ),
    rules.ELU: ({"alpha": (0.5, 1.0, 2.0)}, lambda s: [(0.0, 0.0, s.alpha, s.alpha, 1.0)]),
    rules.CELU: ({"alpha": (0.5, 1.0, 2.0)}, lambda s: [(0.0, 0.0, 1.0, 1.0, 1.0)]),
    rules.ReLU6: ({}, lambda s: [(0.0, 0.0, 0.0, 0.0, 1.0), (6.0, 6.0, 1.0, 0.0, 0.0)]),
    rules.HardTanh: (
        {"derivative_at_limits": (0.0, 0.5, 1.0)},
        lambda s: [(-1.0, -1.0, 0.0, s.derivative_at_limits, 1.0), (1.0, 1.0, 1.0, s.derivative_at_limits, 0.0)],
    ),
    rules.HardSigmoid: ({}, lambda s: [(-3.0, 0.0, 0.0, 0.0, 1 / 6), (3.0, 1.0, 1 / 6, 0.0, 0.0)]),
    rules.HardSwish: ({}, lambda s: [(-3.0, 0.0, 0.0, 0.0, -0.5), (3.0, 3.0, 1.5, 1.0, 1.0)]),
    rules.SoftShrink: (
        {"threshold": (0.5, 2.0)},
        lambda s: [(-s.threshold, 0.0, 1.0, 0.0, 0.0), (s.threshold, 0.0, 0.0, 0.0, 1.0)],
    ),
    rules.HardShrink: (
        {"threshold": (0.5, 2.0)},
        lambda s: [(-s.threshold, 0.0, 1.0, 0.0, 0.0), (s.threshold, 0.0, 0.0, 0.0, 1.0)],
    ),
}


@case(
    statement="At a kink the derivative is a convention: a number between those of both sides, the same at 0 and -0.",
    source="Clarke 1983, theorem 2.5.1: the generalized gradient; the conventions in refimpl.activations",
    kind="exact",
    catches="the other side taken at a kink; a derivative at -0 that differs; NaN",
    capability="activation",
)
@pytest.mark.parametrize("rule", list(KINKS), ids=lambda rule: rule.__name__)
def test_kink(subject, compare, rule):
    fields, kinks_of = KINKS[rule]
    names = list(fields)
    for values in itertools.product(*(supported_values(subject, rule, name, fields[name]) for name in names)):
        spec = rule(**dict(zip(names, values, strict=True)))
        for at, value, left, declared, right in kinks_of(spec):
            compare.example(spec=spec, derivatives=f"{left} below {at}, {declared} there, {right} above")
            x, cotangent = np.array([at, at]), np.array([3.0, -5.0])
            if at == 0:
                x = np.array([0.0, -0.0])
            found = subject.activation(spec, x.astype(subject.array_dtype), cotangent.astype(subject.array_dtype))
            compare.equal(found[0], [value, value], "activation", spec=spec)
            compare.equal(found[1], declared * cotangent, "cotangent", spec=spec)
            compare.at_most(min(left, right), declared, "least derivative on a side")
            compare.at_most(declared, max(left, right), "derivative at the kink")


@case(
    statement="Next to a kink, at the nearest numbers of the format, the derivative is that of the side.",
    source="the definitions in refimpl.activations",
    kind="exact",
    catches="a kink that reaches beyond its point; the sides interchanged",
    capability="activation",
)
@pytest.mark.parametrize("rule", [rule for rule in KINKS if rule not in CURVED], ids=lambda rule: rule.__name__)
def test_beside_kink(subject, compare, rule):
    fields, kinks_of = KINKS[rule]
    spec = subject.spec(
        rule, **{name: supported_values(subject, rule, name, values)[0] for name, values in fields.items()}
    )
    least = 2.0**-30  # at 0, where the nearest numbers are subnormal
    for at, _, left, _, right in kinks_of(spec):
        number = subject.array_dtype.type(at)
        x = np.array([np.nextafter(number, number.dtype.type(side)) if at else side * least for side in (-9, 9)])
        compare.example(spec=spec, arguments=x.tolist(), derivatives=(left, right))
        cotangent = np.array([3.0, -5.0])
        found = subject.activation(spec, x.astype(subject.array_dtype), cotangent.astype(subject.array_dtype))
        compare.equal(found[1], [3.0 * left, -5.0 * right], "cotangent")


@case(
    statement="SELU has the derivative of its lower side at 0, scale times alpha, and maps standard normal numbers to "
    "mean 0 and variance 1: scale and alpha are the solution of these two equations.",
    source="Klambauer, Unterthiner, Mayr & Hochreiter 2017, equation 14; the constants derived here by quadrature",
    kind="analytic",
    catches="other constants; the derivative on the right at 0",
    capability="activation",
)
def test_selu(subject, compare):
    spec = subject.spec(rules.SELU)
    x, cotangent = np.array([0.0, 1.0, -60.0]), np.array([1.0, 1.0, 1.0])
    compare.example(spec=spec)
    found = subject.activation(spec, x.astype(subject.array_dtype), cotangent.astype(subject.array_dtype))
    certified, of_result = (RunningError.exact(a, subject.target) for a in (x, cotangent))
    saturated = SELU_SCALE * SELU_ALPHA
    values, derivatives = spec.forward(certified), spec.backward(certified, of_result)
    compare.within(found[0][1:], with_bound_of([SELU_SCALE, -saturated], values[1:]), "activation")
    compare.within(found[1][:2], with_bound_of([saturated, SELU_SCALE], derivatives[:2]), "derivative")


# Slopes, with the gradient by them and by the weight, worked by hand; the last with a slope that is shared.
LEARNED_SLOPES = [
    ([0.25, 0.5], [24.0, 8.0], [[4.0, 2.0], [-1.0, 0.0]]),
    ([0.25], [32.0], [[4.0, 1.0], [-1.0, -2.0]]),
]


@case(
    statement="A learned slope holds below 0 and at 0; its own gradient is the sum over all that is below 0.",
    source="He, Zhang, Ren & Sun 2015, equations 9 to 11; PyTorch has the slope at 0",
    kind="exact",
    catches="the derivative on the right at 0; a gradient of the slope from above 0, or of one row or feature alone",
    capability="network",
)
def test_learned_slope(subject, compare):
    dense, rule = subject.spec(Dense, bias=False), subject.spec(PReLU)
    network = Network([dense, rule], summed(subject, MeanSquaredError))
    x = np.array([[1.0, -1.0], [0.0, 2.0], [-3.0, 0.0], [2.0, -2.0]])
    error = np.array([[1.0, 4.0], [3.0, 1.0], [4.0, 2.0], [0.0, 0.0]])
    terms = divisor(network.loss, error.size)
    for slope, of_slope, of_weight in LEARNED_SLOPES:
        parameters = [{"weight": np.eye(2, dtype=subject.array_dtype)}, {"slope": np.array(slope, subject.array_dtype)}]
        target = rule.forward({"slope": np.array(slope)}, x) + error
        compare.example(preactivations=x.tolist(), slope=slope)
        value, gradients = subject.network(network, parameters, *(a.astype(subject.array_dtype) for a in (x, target)))
        compare.equal(value, 47.0 / terms, "loss")
        compare.equal(gradients[1]["slope"], np.array(of_slope) / terms, "gradient of the slope")
        expected = np.array(of_weight) / terms
        compare.equal(
            gradients[0]["weight"], expected if dense.layout == "input_output" else expected.T, "gradient of the weight"
        )


@case(
    statement="relu(x) - relu(-x) is x, but its derivative at 0 comes out as twice that of relu: as 0 where that is 0.",
    source="Kakade & Lee 2018, Provably correct automatic subdifferentiation; Bolte & Pauwels 2020",
    kind="exact",
    catches="a library that declares one convention and follows another",
    capability="activation",
)
def test_kinks_break_the_sum_rule(subject, compare):
    for declared in supported_values(subject, rules.ReLU, "derivative_at_zero", (0.0, 0.5, 1.0)):
        spec = rules.ReLU(derivative_at_zero=declared)
        compare.example(function="relu(x) - relu(-x)", at=0.0, derivative=2 * declared, true_derivative=1.0)
        x, cotangent = (np.array(values, dtype=subject.array_dtype) for values in ([0.0, 1.5, -1.5], [4.0, 4.0, 4.0]))
        (first, of_x), (second, of_minus_x) = (subject.activation(spec, s * x, s * cotangent) for s in (1, -1))
        compare.equal(first - second, x, "function")
        # The chain rule: the cotangent of relu(-x) is -1 times what arrives, and so is that of x in -x.
        compare.equal(of_x - of_minus_x, [2 * declared * 4.0, 4.0, 4.0], "cotangent", declared=declared)
