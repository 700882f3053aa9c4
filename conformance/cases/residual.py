"""Residual blocks: linear ones, at both ends of what such blocks do to gradients, by themselves and at any depth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from conformance.known_values import divisor, summed
from conformance.running.case import case
from conformance.strategies.trees import in_format
from refimpl.arithmetic import RunningError
from refimpl.layers import Dense, Residual
from refimpl.losses import MeanSquaredError
from refimpl.network import Network
from refimpl.propagation import log_gain, log_residual_bounds

BLOCKS = 10  # (5/4)**10 has 24 bits
SCALE = 0.25


@pytest.mark.parametrize("sign", [1, -1])
@case(
    statement="Blocks whose branch, of Lipschitz constant 1/4, is x / 4 or -x / 4 multiply gradients by exactly 5/4 "
    "or 3/4 each, the ends of what a branch of that constant can do: ten blocks by 9.31 or by 0.056.",
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


@case(
    statement="Branches of Lipschitz constants s_l < 1 keep the gain of L blocks between the products of 1 - s_l and "
    "of 1 + s_l, attained by -s_l x and s_l x: with s_l = s it may vanish or explode exponentially; with s_l = c / "
    "L, c < L, it is between (1 - c / L)^L, which tends to e^-c, and e^c at every depth.",
    source="Weyl's inequality for singular values: Horn & Johnson 2013, corollary 7.3.5; log(1 + x) <= x",
    kind="analytic",
    catches="contraction of every branch taken to keep gradients from vanishing; a scale that does not fall with depth",
    capability="theorem",
)
def test_a_bounded_sum_of_branches_keeps_gradients(subject, compare):
    turns = [np.array([[0.0, -1.0], [1.0, 0.0]]), np.array([[0.6, 0.8], [0.8, -0.6]]), np.diag([1.0, -1.0])]
    vector, c = np.array([3.0, -2.0]), 0.75
    compare.example(branches="s_l times orthogonal matrices", sum=c)
    for depth in (1, 4, 16, 64, 256):
        s = c / depth  # a power of two times 3
        bounds = log_residual_bounds(s, depth)
        ends = {sign: log_gain([(1 + sign * s) * np.eye(2)] * depth, vector) for sign in (1, -1)}
        for sign, gain in ends.items():
            closed = float(depth) * np.log1p(sign * RunningError.exact(s, subject.target))
            middle, half = (gain.lower + gain.upper) / 2, (gain.upper - gain.lower) / 2
            known = RunningError(closed.value, closed.bound + half + np.spacing(abs(middle)), subject.target)
            compare.within(np.array(middle), known, "log of the extreme gain", depth=depth, sign=sign)
        compare.at_most(ends[1].upper, c, "log of the largest gain, and the sum", depth=depth)
        compare.at_most(depth * math.log1p(-s), -c, "log of the least gain, and minus the sum", depth=depth)
        # Between the ends: other branches, and those of unequal constants.
        for sizes in ([s] * depth, [c * (layer + 1) / depth / (depth + 1) for layer in range(depth)]):
            blocks = [np.eye(2) + size * turns[layer % 3] for layer, size in enumerate(sizes)]
            gain = log_gain(blocks, vector)
            compare.at_most(gain.lower, math.fsum(math.log1p(size) for size in sizes), "log of a gain", depth=depth)
            least = math.fsum(math.log1p(-size) for size in sizes)
            compare.at_most(least, gain.upper, "log of the least gain, and a gain", depth=depth)
        compare.at_most(bounds.lower, ends[-1].upper, "stated lower bound, and the least gain", depth=depth)
        compare.at_most(ends[1].lower, bounds.upper, "largest gain, and the stated upper bound", depth=depth)
        if depth > 1:  # it rises to e^-c
            shallower = depth / 4 * math.log1p(-c / (depth / 4))
            compare.exceeds(ends[-1].lower, shallower, "log of the least gain, and at a fourth", depth=depth)
