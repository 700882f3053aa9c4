"""Residual blocks: linear ones, run without a rounding, at both ends of what such blocks do to gradients."""

from __future__ import annotations

import numpy as np
import pytest

from conformance.case import case
from conformance.known_values import divisor, summed
from conformance.strategies.trees import in_format
from refimpl.layers import Dense, Residual
from refimpl.losses import MeanSquaredError
from refimpl.network import Network

BLOCKS = 10  # (5/4)**10 has 24 bits
SCALE = 0.25


@pytest.mark.parametrize("sign", [1, -1])
@case(
    statement="Blocks whose branch, of Lipschitz constant 1/4, is x / 4 or -x / 4 multiply gradients by exactly 5/4 "
    "or 3/4 each: no such block multiplies them by more, or by less.",
    source="He, Zhang, Ren & Sun 2016 (Identity Mappings), equation 5; "
    "Weyl's inequality for singular values: Horn & Johnson 2013, corollary 7.3.5",
    kind="exact",
    catches="a skip connection lost in the forward or backward pass, or scaled; a scale used twice or in one pass only",
    capability="network",
)
def test_extremes_of_linear_blocks(sign, subject, compare):
    dense = subject.spec(Dense, bias=True)
    loss = summed(subject, MeanSquaredError)
    scale = sign * SCALE
    network = Network([subject.spec(Residual, layers=[dense], scale=scale)] * BLOCKS, loss)
    entries = {"weight": np.eye(2), "bias": np.zeros(2)}
    parameters = [{"branch": [entries]} for _ in range(BLOCKS)]
    factor = 1 + scale
    x = np.array([[1.0, -2.0]])
    target = factor**BLOCKS * x - 0.5  # the cotangent of the output is then 1, or 1/2 of a mean
    terms = divisor(loss, target.size)
    compare.example(network=network)

    sent = (in_format(array, subject.array_dtype) for array in (parameters, x, target))
    value, gradients = subject.network(network, *sent)
    compare.equal(value, 0.5 / terms, "loss")
    for above, gradient in enumerate(reversed(gradients)):
        [of_branch] = gradient["branch"]
        compare.equal(of_branch["bias"], [scale * factor**above / terms] * 2, "bias gradient", above=above)
        of_weight = scale * factor ** (BLOCKS - 1) * np.array([x[0], x[0]]).T / terms  # the same in every block
        expected = of_weight if dense.layout == "input_output" else of_weight.T
        compare.equal(of_branch["weight"], expected, "weight gradient", above=above)
