"""Clipping: by global norm, by the norm of each array, by value; below, at and above the threshold."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.known_values import supported_values, with_bound_of
from conformance.running.case import case
from conformance.strategies.gradients import representable
from conformance.strategies.hyperparameters import specs
from conformance.strategies.trees import gradient_trees, in_format
from refimpl.arithmetic import FORMATS, RunningError
from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping
from refimpl.trees import leaves, map_leaves

EPSILONS = (0.0, 1e-6)  # of a subject that leaves the choice
WITHIN = "within", ("kept", "rescaled")
NON_FINITE = ("erases", "spreads", "keeps")


def certified(subject, tree):
    return map_leaves(lambda leaf: RunningError.exact(leaf, subject.target), tree)


def clipped_entries(entries, norm, spec):
    """Exact entries of a vector of this norm after clipping by `spec`, a number with fractions all along."""
    factor = min(Fraction(1), Fraction(spec.max_norm) / (Fraction(norm) + Fraction(spec.epsilon)))
    return [float(Fraction(entry) * factor) for entry in entries]


def check_vector(subject, compare, spec, entries, norm, what, **where):
    """One vector of known norm, clipped by its global norm, against the exact result."""
    vector = np.array(entries, dtype=np.float64)
    found = subject.clip(spec, {"g": vector.astype(subject.array_dtype)})["g"]
    rule = spec.apply(certified(subject, {"g": vector}))["g"]
    compare.within(found, with_bound_of(clipped_entries(entries, norm, spec), rule), what, **where)


@case(
    statement="A clipped tree of gradients is the rule's, whatever its magnitude, with norms of all sizes.",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
    kind="property",
    catches="a norm of the wrong arrays; a factor above 1; an epsilon nobody declared; gradients changed in place",
    capability="clip",
)
@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping], ids=lambda r: r.__name__)
@given(data=st.data())
def test_tree(subject, compare, rule, data):
    spec = data.draw(specs(rule, subject.fixed(rule)), label="spec")
    tree = data.draw(gradient_trees(subject.dtype), label="gradients")
    compare.example(spec=spec)
    found = subject.clip(spec, in_format(tree, subject.array_dtype))
    compare.tree(found, spec.apply(certified(subject, tree)), "clipped")


@case(
    statement="A norm equal to the threshold, one unit in the last place below or above it, is clipped by the rule.",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1",
    kind="analytic",
    catches="a comparison turned round, or a jump at the threshold",
    capability="clip",
)
@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm], ids=lambda r: r.__name__)
def test_threshold(subject, compare, rule):
    for threshold in (5.0, np.nextafter(5.0, 0.0), *(5.0 * (1 + sign * 2.0**-k) for k in (22, 40) for sign in (1, -1))):
        spec = subject.spec(rule, max_norm=float(threshold))
        tree = (
            {"a": np.array([3.0, 0.0]), "b": [np.array([[4.0]])]}
            if rule is ClipByGlobalNorm
            else {"a": np.array([3.0, 4.0])}
        )
        compare.example(spec=spec)
        found = subject.clip(spec, in_format(tree, subject.array_dtype))
        compare.tree(found, spec.apply(certified(subject, tree)), "clipped")


@case(
    statement="Clipping by value touches only entries beyond the limit, and gives these the limit itself.",
    source="exact: rounding has no part in it",
    kind="exact",
    catches="an open interval, a limit on one side only, a norm in place of entries",
    capability="clip",
)
def test_values_are_exact(subject, compare):
    limit = 0.75
    spec = subject.spec(ClipByValue, limit=limit)
    x = representable(
        np.array([0.0, 0.5, -0.5, 0.75, -0.75, 0.7500001, -3.0, 1e10, -1e-10, np.inf, -np.inf]), subject.dtype
    )
    inside = np.abs(x) <= limit
    compare.example(spec=spec)
    found = subject.clip(spec, in_format({"x": x}, subject.array_dtype))
    for _, leaf in leaves(found):
        compare.equal(leaf[inside], x[inside], "entries within the limit")
        compare.equal(leaf[~inside], np.sign(x[~inside]) * limit, "entries beyond the limit")


# Pythagorean triples over a power of two: inside the unit ball, on its sphere, and outside.
TRIANGLES = (
    (3, 4, 5, 8), (-5, 12, 13, 16), (15, -8, 17, 32), (-7, -24, 25, 64), (0, 1, 1, 1), (-1, 0, 1, 1),
    (3, 4, 5, 4), (-12, 5, 13, 8), (8, -15, 17, 8), (-20, -21, 29, 16), (24, 7, 25, 8), (4, -3, 5, 1),
)  # fmt: skip


@case(
    statement="A gradient becomes max_norm / (norm + epsilon) of itself where that is below 1; elsewhere it stays.",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1: with epsilon 0, the projection on the ball",
    kind="analytic",
    catches="a factor above 1, a direction that turns, an epsilon nobody declared",
    capability="clip",
)
def test_projection(subject, compare):
    epsilons, within = (
        supported_values(subject, ClipByGlobalNorm, *choice) for choice in (("epsilon", EPSILONS), WITHIN)
    )
    for chosen in itertools.product(epsilons, within, (1.0, 0.375)):
        where = dict(zip(("epsilon", "within", "max_norm"), chosen, strict=True))
        spec = subject.spec(ClipByGlobalNorm, **where)
        compare.example(points="triangles with whole sides, over powers of two", **where)
        for a, b, hypotenuse, scale in TRIANGLES:
            point = (a / scale, b / scale)
            where["point"] = point
            check_vector(subject, compare, spec, point, hypotenuse / scale, "clipped point", **where)


@case(
    statement="Clipping by global norm is the projection on a ball: the nearest point, 1-Lipschitz, the same twice.",
    source="projection on a closed convex set: Bauschke & Combettes 2017, theorem 3.16 and proposition 4.16",
    kind="analytic",
    catches="a scaling that is not the projection",
    capability="theorem",
)
def test_projection_is_nearest(subject, compare):
    spec = ClipByGlobalNorm(max_norm=1.0)
    points = [np.array([a, b]) / scale for a, b, _, scale in TRIANGLES]
    projected = [spec.apply(point) for point in points]
    on_sphere = [np.array([a, b]) / hypotenuse for a, b, hypotenuse, _ in TRIANGLES]
    compare.example(points=len(points), max_norm=1.0)
    # No point of the ball is nearer than norm - 1, by the triangle inequality.
    for (*_, hypotenuse, scale), point, nearest in zip(TRIANGLES, points, projected, strict=True):
        where = {"point": tuple(point.tolist())}
        rule = spec.apply(certified(subject, {"g": point}))["g"]
        compare.within(
            spec.apply(nearest), with_bound_of(nearest, spec.apply({"g": rule})["g"]), "projected twice", **where
        )
        squared = np.sum((point - rule) ** 2)
        distance = max(0.0, hypotenuse / scale - 1.0)
        compare.within(np.sum((point - nearest) ** 2), with_bound_of(distance**2, squared), "squared distance", **where)
        for other in on_sphere:
            compare.at_most(np.linalg.norm(point - nearest), np.linalg.norm(point - other), "distance of nearest")
    for i, j in itertools.combinations(range(len(points)), 2):
        spread = math.dist(projected[i], projected[j])
        compare.at_most(spread, math.dist(points[i], points[j]), "distance of projections", pair=(i, j))


@case(
    statement="Clipped to 1 with an epsilon in the divisor, a norm above 1 - epsilon shrinks at each application: its "
    "reciprocal becomes 1 + epsilon / norm. Clipped to less than epsilon every norm shrinks.",
    source="derived here from max_norm / (norm + epsilon): a linear recurrence for 1 / norm with fixed point "
    "max_norm - epsilon; torch.nn.utils.clip_grad_norm_ adds 1e-6",
    kind="analytic",
    catches="another epsilon than the declared one; an epsilon added to the square",
    capability="clip",
)
def test_epsilon_shrinks(subject, compare):
    for epsilon in supported_values(subject, ClipByGlobalNorm, "epsilon", EPSILONS):
        spec = subject.spec(ClipByGlobalNorm, max_norm=1.0, epsilon=epsilon)
        compare.example(gradient=(3.0, 4.0), max_norm=1.0, epsilon=epsilon)
        found, rule = np.array([3.0, 4.0], dtype=subject.array_dtype), certified(subject, np.array([3.0, 4.0]))
        e = Fraction(epsilon)
        for times in (1, 2, 3):
            found, rule = subject.clip(spec, {"g": found})["g"], spec.apply({"g": rule})["g"]
            norm = 1 / ((1 - e**times) / (1 - e) + e**times / 5)
            closed = [float(norm * Fraction(side, 5)) for side in (3, 4)]
            compare.within(found, with_bound_of(closed, rule), "clipped again", times=times)
        for side in (1 - 2.0**-21, 1 - 2.0**-19):  # above and below 1 - 1e-6, both below the threshold
            check_vector(subject, compare, spec, (0.0, side), side, "gradient just below the threshold", of_norm=side)
        # Far below the threshold too: here epsilon is 130 times max_norm, and 1700 times the norm.
        small = subject.spec(ClipByGlobalNorm, max_norm=2.0**-27, epsilon=epsilon)
        check_vector(subject, compare, small, (3 * 2.0**-33, 2.0**-31), 5 * 2.0**-33, "gradient below the threshold")


@case(
    statement="The rule holds for norms so small, and so large, that all squares are just in the format's range.",
    source="the range of the format",
    kind="analytic",
    catches="a norm accumulated in a narrower format; squares that overflow or underflow before they must",
    capability="clip",
)
def test_range_of_the_norm(subject, compare):
    format_ = FORMATS[subject.dtype]
    for epsilon in supported_values(subject, ClipByGlobalNorm, "epsilon", EPSILONS):
        compare.example(epsilon=epsilon)
        for exponent, max_norm in (
            ((format_.max_exponent - 5) // 2, 1.0),
            (format_.min_exponent // 2, 2.0 ** (format_.min_exponent // 2)),
        ):
            spec, unit = subject.spec(ClipByGlobalNorm, max_norm=max_norm, epsilon=epsilon), 2.0**exponent
            check_vector(subject, compare, spec, (3 * unit, 4 * unit), 5 * unit, "clipped", exponent=exponent)


@case(
    statement="A norm formed of plain squares overflows from the root of the range on, and the gradient becomes 0; far "
    "below 1 it is 0, and the gradient is not clipped. With a power of two taken out of the entries neither is so.",
    source="derived here: max_norm / infinity is 0, and 0 is below every threshold",
    kind="exact",
    catches="a reference that loses gradients whose norm is representable, or does not clip them",
    capability="theorem",
)
def test_overflowing_norm_erases(subject, compare):
    for dtype, exponent, tiny in ((np.float16, 8, -17), (np.float32, 64, -80), (np.float64, 512, -600)):
        gradient = np.array([3.0, 4.0, 0.0]) * 2.0**exponent
        compare.example(gradient=f"(3, 4, 0) 2**{exponent}", format=dtype.__name__, max_norm=1.0)
        narrow: np.ndarray = gradient.astype(dtype)
        with np.errstate(over="ignore"):
            plain = narrow * (dtype(1) / np.sqrt(np.sum(narrow * narrow)))
        compare.equal(plain.astype(np.float64), [0.0, 0.0, 0.0], "by plain squares", exponent=exponent)
        spec = ClipByGlobalNorm(max_norm=1.0)
        # A power of two changes no rounding: the bound is that of (3, 4, 0).
        rule = spec.apply(certified(subject, np.array([3.0, 4.0, 0.0])))
        found = subject.clip(spec, gradient)
        compare.within(found, with_bound_of([3 / 5, 4 / 5, 0.0], rule), "by the reference", exponent=exponent)
        narrow = (np.array([3.0, 4.0, 0.0]) * 2.0**tiny).astype(dtype)
        norm = np.sqrt(np.sum(narrow * narrow)).astype(np.float64)
        compare.equal(norm, 0.0, "norm by plain squares", exponent=tiny)
        found = subject.clip(ClipByGlobalNorm(max_norm=2.0**tiny), narrow.astype(np.float64)) / 2.0**tiny
        compare.within(found, with_bound_of([3 / 5, 4 / 5, 0.0], rule), "by the reference", exponent=tiny)


@case(
    statement="A NaN makes every entry under its norm NaN, or changes none; an infinity becomes NaN, and the finite "
    "entries 0, or NaN too: libraries differ. By value a NaN stays one, alone.",
    source="arithmetic of IEEE 754: max_norm / infinity is 0, 0 times infinity is NaN; the conventions of "
    "ClipByGlobalNorm in refimpl.clipping; pytorch#46849, tensorflow#21363",
    kind="exact",
    catches="a comparison that takes NaN for a small norm; a broken gradient that comes back as a sound one",
    capability="clip",
)
@pytest.mark.parametrize("rule", [ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping], ids=lambda r: r.__name__)
def test_not_a_number(subject, compare, rule):
    by_norm = rule in (ClipByGlobalNorm, ClipByNorm)
    for convention in supported_values(subject, rule, "non_finite_norm", NON_FINITE) if by_norm else ("",):
        spec = subject.spec(rule, **({"non_finite_norm": convention} if by_norm else {}))
        for broken in (math.nan, math.inf, -math.inf):
            gradient = np.array([0.25, broken, -0.25])
            compare.example(spec=spec, gradient=gradient.tolist())
            found = subject.clip(spec, {"g": gradient.astype(subject.array_dtype)})["g"]
            all_lost = convention == "spreads" or (convention == "erases" and math.isnan(broken))
            lost = [all_lost, True, all_lost] if by_norm else np.isnan(gradient)
            compare.equal(np.isnan(found).astype(subject.array_dtype), lost, "entries that are NaN", broken=broken)
            if by_norm and not all_lost:
                left = gradient[::2] if math.isnan(broken) else np.zeros(2)
                compare.equal(found[::2], left, "finite entries", broken=broken)


# Gradients of layers that vanish by 4 each, and of a head that makes the global norm 137/64.
LAYERS, HEAD, LAYERS_NORM = (1.0, 1 / 4, 1 / 16, 1 / 64), 15 / 8, 137 / 64


@case(
    statement="Clipping by global norm keeps the ratio of all layers. By value layers of 1, 1/4, 1/16 and 1/64 become "
    "equal, and of two layers of norm 4, one entry of 4 and 16 entries of 1, the first is divided by 4.",
    source="Pascanu, Mikolov & Bengio 2013, section 3.2; one factor for all, derived here",
    kind="analytic",
    catches="a factor per array where one for all is meant; layers left out of the norm",
    capability="clip",
)
def test_layers_keep_their_ratio(subject, compare):
    tree = {"layers": [np.array([entry]) for entry in LAYERS], "head": np.array([HEAD])}
    for epsilon in supported_values(subject, ClipByGlobalNorm, "epsilon", EPSILONS):
        spec = subject.spec(ClipByGlobalNorm, max_norm=1.0, epsilon=epsilon)
        compare.example(layers=LAYERS, head=HEAD, norm=LAYERS_NORM, max_norm=1.0, epsilon=epsilon)
        found = subject.clip(spec, in_format(tree, subject.array_dtype))["layers"]
        rule = spec.apply(certified(subject, tree))["layers"]
        for layer, (closed, entry) in enumerate(zip(clipped_entries(LAYERS, LAYERS_NORM, spec), LAYERS, strict=True)):
            compare.within(found[layer], with_bound_of(closed, rule[layer]), "by global norm", layer=layer)
            compare.equal(found[layer], found[0] * entry, "ratio to the last layer", layer=layer)
    by_value = subject.clip(subject.spec(ClipByValue, limit=1 / 64), in_format(tree, subject.array_dtype))
    for layer, gradient in enumerate(by_value["layers"]):
        compare.equal(gradient, [1 / 64], "by value", layer=layer)
    spec = subject.spec(ClipByValue, limit=1.0)
    for entries, norm in (([4.0], 1.0), ([1.0] * 16, 4.0)):
        clipped = subject.clip(spec, {"g": np.array(entries, dtype=subject.array_dtype)})["g"]
        compare.equal(np.sqrt(np.sum(clipped**2)), norm, "norm by value", entries=len(entries), norm_before=4.0)


@case(
    statement="Clipping by value turns a gradient of n >= 2 entries: the cosine exceeds 1 / sqrt(n), by as little as "
    "you like.",
    source="derived here: with A > 0 the sum of the entries beyond the limit 1 and Q the squares of the others, the "
    "inner product A + Q is at least sqrt(A**2 + Q); the norms are at most that and sqrt(n), and not both equal",
    kind="exact",
    catches="clipping that rescales, where it is meant to clip",
    capability="clip",
)
def test_value_clipping_turns(subject, compare):
    entries = 16
    for largest in (7.0, *(2.0**k for k in range(4, 24, 4))):
        gradient = np.array([largest] + [1.0] * (entries - 1))
        found = subject.clip(subject.spec(ClipByValue, limit=1.0), {"g": gradient.astype(subject.array_dtype)})["g"]
        compare.equal(found, np.ones(entries), "clipped by value", largest=largest)
        squared_cosine = squared_cosine_of(found, gradient)
        if largest == 7.0:  # 22**2 / (64 * 16)
            compare.equal(np.asarray(float(squared_cosine), dtype=subject.array_dtype), 121 / 256, "squared cosine")
        compare.exceeds(squared_cosine, Fraction(1, entries), "squared cosine", largest=largest)
        nearly = (1 + Fraction(entries - 1) / Fraction(largest)) ** 2 / entries
        compare.at_most(squared_cosine, nearly, "squared cosine", largest=largest)
    generator = np.random.default_rng(44)
    for number in range(24):  # a few entries beyond the limit, or most
        gradient = np.rint(generator.standard_normal(entries) * 2.0 ** (number % 8)) / 4
        found = subject.clip(subject.spec(ClipByValue, limit=1.0), {"g": gradient.astype(subject.array_dtype)})["g"]
        cosine = squared_cosine_of(found, gradient)
        compare.exceeds(cosine, Fraction(1, entries), "squared cosine of a drawn gradient", number=number)
    compare.example(gradient="(7, 1, ..., 1), 16 entries", limit=1.0, cosine="22/32, towards 1/4 as 7 grows")


def squared_cosine_of(found, gradient):
    """Of the angle between two vectors, exactly."""
    h, g = [[Fraction(float(x)) for x in vector] for vector in (found, gradient)]
    product = sum(a * b for a, b in zip(g, h, strict=True))
    return product**2 / (sum(a * a for a in g) * sum(b * b for b in h))


@case(
    statement="Clipped each by its own norm, k arrays have a norm of up to sqrt(k) max_norm, and lose their ratio.",
    source="derived here: Pythagoras",
    kind="analytic",
    catches="clipping by global norm under the name of the other",
    capability="clip",
)
def test_norm_of_each_array(subject, compare):
    tree = [np.array([3.0, 4.0]) * 2.0**k for k in range(4)]
    for epsilon in supported_values(subject, ClipByNorm, "epsilon", EPSILONS):
        spec = subject.spec(ClipByNorm, max_norm=1.0, epsilon=epsilon, shares="each")
        compare.example(arrays="(3, 4) times 1, 2, 4, 8", max_norm=1.0, epsilon=epsilon)
        found = subject.clip(spec, in_format(tree, subject.array_dtype))
        rule = spec.apply(certified(subject, tree))
        for k, (array, by_rule) in enumerate(zip(found, rule, strict=True)):
            closed = clipped_entries(tree[k].tolist(), 5 * 2**k, spec)
            compare.within(array, with_bound_of(closed, by_rule), "clipped by its own norm", array=k)
        squares = sum(float(np.sum(np.square(array, dtype=np.float64))) for array in found)
        compare.exceeds(math.sqrt(squares), spec.max_norm, "norm of all arrays")


@case(
    statement="Weights clipped to [-c, c] multiply the norm of a gradient by at most c n per layer, for width n, and "
    "those of entries +-c and rank one do.",
    source="the matrix of ones has norm n, and a matrix of the box at most c n: Horn & Johnson 2013, section 5.6",
    kind="exact",
    catches="a limit on one side only; clipping of the norm under the name of weight clipping",
    capability="clip",
)
def test_weight_clipping_bounds_entries(subject, compare):
    limit, layers = 0.25, 20
    spec = subject.spec(WeightClipping, limit=limit)
    for width in (2, 4, 8):
        compare.example(spec=spec, width=width, layers=layers)
        signs = np.where(np.arange(width) % 2 == 0, 1.0, -1.0)
        weight = np.outer(signs, signs) * np.arange(1.0, width + 1)
        clipped = subject.clip(spec, {"weight": weight.astype(subject.array_dtype)})["weight"]
        compare.equal(clipped, limit * np.outer(signs, signs), "clipped weight", width=width)
        gradient = signs.astype(subject.array_dtype)
        for layer in range(1, layers + 1):
            gradient = clipped @ gradient
            compare.equal(gradient, (limit * width) ** layer * signs, "gradient", width=width, layer=layer)
        weight = np.random.default_rng(width).standard_normal((width, width))
        for spread in (2.0**-4, 0.25, 2.0, 64.0):  # of entries within the box, some beyond, nearly all
            clipped = subject.clip(spec, {"weight": (spread * weight).astype(subject.array_dtype)})["weight"]
            squares = sum(Fraction(float(x)) ** 2 for x in clipped.flat)  # Frobenius's norm is no less than the other
            compare.at_most(squares, (limit * width) ** 2, "squared norm of the weight", width=width, spread=spread)
