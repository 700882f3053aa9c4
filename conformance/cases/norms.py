"""Norms that clipping looks at: their orders and ranges, zero and infinity, shares of arrays, units of a weight.

Left out: float16, in which no subject runs; PyTorch's error_if_nonfinite=True, which is an error and no number.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.hyperparameters import specs
from conformance.strategies.trees import gradient_trees, in_format
from refimpl.arithmetic import FORMATS, RunningError
from refimpl.clipping import AdaptiveClipping, ClipByGlobalNorm, ClipByNorm
from refimpl.trees import map_leaves

by_rule = pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm], ids=lambda r: r.__name__)
# Vectors whose norm of each order is a whole number.
WHOLE = {
    1.0: ((2.0, -3.0, 4.0), 9), 2.0: ((-2.0, 3.0, 6.0), 7), 3.0: ((3.0, 4.0, -5.0), 6), math.inf: ((2.0, -8.0, 3.0), 8),
}  # fmt: skip


def certified(subject, tree):
    return map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), tree)


def check(subject, compare, spec, entries, closed, what, **where):
    """One array, clipped, against the exact result."""
    found = subject.clip(spec, {"g": np.array(entries).astype(subject.array_dtype)})["g"]
    rule = spec.apply(certified(subject, {"g": np.array(entries, dtype=np.float64)}))["g"]
    compare.within(found, with_bound_of([float(entry) for entry in closed], rule), what, **where)


@case(
    statement="A norm of order p is the p-th root of the sum of p-th powers, and of order infinity the largest entry.",
    source="the definition; torch.nn.utils.clip_grad_norm_, norm_type",
    kind="analytic",
    catches="a norm of another order, a root or a power left out, magnitudes that keep their signs",
    capability="clip",
)
@by_rule
def test_order(subject, compare, rule):
    for order in supported_values(subject, rule, "order", tuple(WHOLE)):
        entries, norm = WHOLE[order]
        for epsilon, max_norm in ((supported_values(subject, rule, "epsilon", (0.0,))[0], m) for m in (1.5, 100.0)):
            spec = subject.spec(rule, max_norm=max_norm, epsilon=epsilon, order=order)
            compare.example(spec=spec)
            factor = min(Fraction(1), Fraction(max_norm) / (norm + Fraction(epsilon)))
            check(subject, compare, spec, entries, [Fraction(x) * factor for x in entries], "clipped", order=order)


@case(
    statement="Where its powers leave the range a norm is infinite, and a gradient clipped by it 0; or the norm is "
    "found: libraries differ.",
    source="the conventions of ClipByGlobalNorm in refimpl.clipping; max_norm / infinity is 0; pytorch#46849",
    kind="exact",
    catches="the other convention, where a gradient of finite norm vanishes or stays as it is",
    capability="clip",
)
@by_rule
def test_range(subject, compare, rule):
    format_ = FORMATS[subject.dtype]
    triangle = np.array([3.0, -4.0, 0.0])
    beyond, below = 2.0 ** (format_.max_exponent // 2 + 2), 2.0 ** (2 * format_.min_exponent // 3)
    for norm_range in supported_values(subject, rule, "norm_range", ("full", "powers")):
        found_anyway = norm_range == "full"
        spec = subject.spec(rule, max_norm=1.0, order=2.0, norm_range=norm_range)
        compare.example(spec=spec)
        found = subject.clip(spec, {"g": (triangle * beyond).astype(subject.array_dtype)})["g"]
        if found_anyway:  # a power of two changes no rounding: the bound is that of the triangle
            rule_of_triangle = spec.apply(certified(subject, {"g": triangle}))["g"]
            compare.within(
                found, with_bound_of(triangle / 5, rule_of_triangle), "clipped", norm="beyond the root of the range"
            )
        elif spec.non_finite_norm == "spreads":
            spread = np.isnan(found).astype(subject.array_dtype)
            compare.equal(spread, np.ones(3), "which entries are no numbers", norm="infinite")
        else:
            compare.equal(found, np.zeros(3), "clipped", norm="infinite")
        if spec.epsilon == 0:
            spec = subject.spec(rule, max_norm=below, order=2.0, norm_range=norm_range)
            found = subject.clip(spec, {"g": (triangle * below).astype(subject.array_dtype)})["g"]
            if found_anyway:
                compare.within(found / below, with_bound_of(triangle / 5, rule_of_triangle), "clipped", norm="below it")
            elif spec.within == "rescaled":  # the product with max_norm leaves the range too
                compare.within(found, spec.apply(certified(subject, {"g": triangle * below}))["g"], "clipped", norm="0")
            else:
                compare.equal(found, triangle * below, "clipped", norm="0")


@case(
    statement="Where nothing is allowed every gradient becomes 0, and one that is 0 stays.",
    source="the projection on a ball of radius 0; optax#1752",
    kind="exact",
    catches="0 / 0",
    capability="clip",
)
@by_rule
def test_nothing_allowed(subject, compare, rule):
    spec = subject.spec(rule, max_norm=0.0)
    for gradient in (np.array([3.0, -4.0, 0.0]), np.zeros(3), np.zeros((2, 1))):
        compare.example(spec=spec, gradient=gradient.tolist())
        found = subject.clip(spec, {"g": gradient.astype(subject.array_dtype)})["g"]
        compare.within(found, spec.apply(certified(subject, {"g": gradient}))["g"], "clipped")
        sound = np.isfinite(found)
        compare.equal(found[sound], np.zeros(np.count_nonzero(sound)), "entries that are numbers")


@case(
    statement="Arrays clipped each by its own norm share the threshold: each has all of it, or equal shares, or shares "
    "by size, and then all together keep to it.",
    source="McMahan, Ramage, Talwar & Zhang 2018, section 2.3; optax.per_example_layer_norm_clip",
    kind="analytic",
    catches="shares by the number of entries where arrays count, or the other way round; a root left out",
    capability="clip",
)
def test_shares(subject, compare):
    # 9 and 16 of 25 entries: roots of shares 3/5 and 4/5. Norms 6 and 12.
    tree = {"a": np.full((3, 3), 2.0), "b": [np.full(16, -3.0)]}
    rest = {"a": np.full((3, 3), 2.0), "b": [np.full((2, 8), -3.0), np.zeros(1), np.zeros((2, 0, 3))]}
    for shares in supported_values(subject, ClipByNorm, "shares", ("each", "equal", "by_size")):
        spec = subject.spec(ClipByNorm, max_norm=1.25, order=2.0, shares=shares)
        compare.example(spec=spec)
        given = rest if shares == "equal" else tree  # of 4 arrays the root of a share is 1/2
        found = subject.clip(spec, in_format(given, subject.array_dtype))
        rule = spec.apply(certified(subject, given))
        limits = {
            "each": (Fraction(5, 4), Fraction(5, 4)),
            "equal": (Fraction(5, 8), Fraction(5, 8)),
            "by_size": (Fraction(3, 4), Fraction(1)),
        }[shares]
        pairs = zip((found["a"], found["b"][0]), (rule["a"], rule["b"][0]), limits, (2, -3), (6, 12), strict=True)
        for array, of_rule, limit, entry, norm in pairs:
            closed = float(entry * limit / (norm + Fraction(spec.epsilon)))
            compare.within(array, with_bound_of(np.full(array.shape, closed), of_rule), "clipped", norm=norm)


@case(
    statement="Adaptive clipping is the rule's, on trees of gradients and weights of all magnitudes.",
    source="Brock, De, Smith & Simonyan 2021, equation 3",
    kind="property",
    catches="norms of the wrong axes; a limit by the norm of the gradient; arrays changed in place",
    capability="clip",
)
@given(data=st.data())
def test_adaptive(subject, compare, data):
    spec = data.draw(specs(AdaptiveClipping, subject.fixed(AdaptiveClipping)), label="spec")
    gradients, weights = (data.draw(gradient_trees(subject.dtype), label=name) for name in ("gradients", "weights"))
    given = [in_format(tree, subject.array_dtype) for tree in (gradients, weights)]
    compare.example(spec=spec)
    rule = spec.apply(certified(subject, gradients), certified(subject, weights))
    compare.tree(subject.clip(spec, *given), rule, "clipped")


# Shape of a weight, the axes its units run over, and how many units there are.
UNITS = (((4, 3), (0,), 3), ((4, 2, 3), (0,), 6), ((2, 1, 2, 3), (0, 1, 2), 3), ((4,), (0,), 1), ((1, 4), (0, 1), 1))


@case(
    statement="Each unit of a weight, which is what leads to one output, is clipped by its own norms, and by epsilon "
    "where the weight is shorter.",
    source="Brock, De, Smith & Simonyan 2021, section 4.1 and equation 3",
    kind="analytic",
    catches="rows for columns, a norm of the whole array, epsilon added, or a limit that forgets the weight",
    capability="clip",
)
def test_units(subject, compare):
    # Exact: 4 equal entries have twice their norm.
    spec = subject.spec(AdaptiveClipping, clipping=0.25, epsilon=0.5)
    compare.example(spec=spec, shapes=[shape for shape, *_ in UNITS])
    gradients: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    closed: list[np.ndarray] = []
    for shape, axes, units in UNITS:
        kept = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
        gradient, weight = (np.reshape(2.0**x, kept) for x in (-np.arange(units), np.arange(-3, units - 3)))
        limit = np.maximum(2 * weight, 0.5) * 0.25
        clipped = np.where(2 * gradient <= limit, gradient, limit / 2)
        for tree, array in ((gradients, gradient), (weights, weight), (closed, clipped)):
            tree.append(np.array(np.broadcast_to(array, shape)))
    found = subject.clip(spec, *(in_format(tree, subject.array_dtype) for tree in (gradients, weights)))
    rule = spec.apply(certified(subject, gradients), certified(subject, weights))
    compare.tree(found, map_leaves(with_bound_of, closed, rule), "clipped")


@case(
    statement="A unit that is above its limit, and shorter than the smallest divisor, is shrunk by that divisor.",
    source="the hyperparameter smallest_divisor of AdaptiveClipping in refimpl.clipping; optax: 1e-6",
    kind="analytic",
    catches="another divisor, or one where there is none",
    capability="clip",
)
def test_smallest_divisor(subject, compare):
    for smallest in supported_values(subject, AdaptiveClipping, "smallest_divisor", (0.0, 1e-6)):
        spec = subject.spec(AdaptiveClipping, clipping=2.0**-8, epsilon=2.0**-20, smallest_divisor=smallest)
        compare.example(spec=spec)
        limit = Fraction(1, 2**28)
        for exponent in (-26, -32):  # norms above the limit, and below it
            gradient, weight = np.array([3.0, -4.0]) * 2.0**exponent, np.zeros(2)
            found = subject.clip(spec, *({"w": x.astype(subject.array_dtype)} for x in (gradient, weight)))["w"]
            rule = spec.apply(*(certified(subject, {"w": x}) for x in (gradient, weight)))["w"]
            norm = 5 * Fraction(2) ** exponent
            factor = limit / max(norm, Fraction(smallest)) if norm > limit else Fraction(1)
            closed = [float(Fraction(x) * factor) for x in gradient.tolist()]
            compare.within(found, with_bound_of(closed, rule), "clipped", norm=float(norm))
