"""Clipping, with norms and factors written in several ways."""

import math

import numpy as np

from conformance import Subject
from refimpl import clipping
from refimpl.trees import leaves, map_leaves, rebuilt


def powers(x, order):
    """Powers of magnitudes."""
    return {1: np.abs(x), 2: x * x}[order] if order in (1, 2) else np.abs(x) ** order


def root(x, order):
    return {1: x, 2: np.sqrt(x)}[order] if order in (1, 2) else x ** (1 / order)


def root_of_powers(x, order):
    return root(np.sum(powers(x, order), axis=0), order)


def norm_of_norms(x, order):
    """By blocks of 5 entries, then over the blocks, the last one first."""
    blocks = np.concatenate([x, np.zeros((-len(x) % 5, x.shape[1]), x.dtype)]).reshape(-1, 5, x.shape[1])
    of_blocks = root(np.sum(powers(blocks, order), axis=1), order)
    return root_of_powers(of_blocks[::-1], order)


def scaled_norm(x, order):
    """Relative to the largest entry, as LAPACK 3.9 and before did it."""
    largest = np.max(np.abs(x), axis=0, initial=0)
    sound = (largest > 0) & np.isfinite(largest)
    return np.where(sound, largest * root_of_powers(x / np.where(sound, largest, 1), order), largest)


def exact_sum(x, order):
    """Powers in float64, their sum without a rounding."""
    sums = [math.fsum(column) if np.isfinite(column).all() else np.sum(column)
            for column in powers(x.astype(np.float64), order).T]  # fmt: skip
    return root(np.array(sums), order).astype(x.dtype)


def products_and_roots(x, order):
    """Powers and roots by those that processors have, where they do."""
    size = np.abs(x)
    if order == 3:
        return np.cbrt(np.sum(size * size * size, axis=0))
    if order == 1.5:
        return np.cbrt(np.sum((size * np.sqrt(size))[::-1], axis=0)) ** 2
    return root_of_powers(x[::-1], order)


def norms(spec, norm, x):
    """Of the columns of a matrix; relative to a power of two where no norm may leave the range."""
    order, largest = getattr(spec, "order", 2.0), np.max(np.abs(x), axis=0, initial=0)
    if order == np.inf:
        return largest
    scaled = spec.norm_range == "full" and order > 1
    unit = np.where(scaled & (largest > 0) & np.isfinite(largest), np.exp2(np.frexp(largest)[1] - 1.0), 1)
    return norm(x / unit.astype(x.dtype), order) * unit.astype(x.dtype)


# What is left of a gradient above its limit; and of any gradient, where one below is rescaled too.


def factor_first(g, size, limit):
    return g * (limit / size)


def factor_at_most_one(g, size, limit):
    return g * np.minimum(limit / size, 1)


def factor_last(g, size, limit):
    return g / size * limit


def by_reciprocal(g, size, limit):
    return g * (1 / size * limit)


def limit_first(g, size, limit):
    return g * limit / size


CLIPPING = {
    "plain": (root_of_powers, factor_first, factor_first),
    "blocks": (norm_of_norms, factor_last, limit_first),
    "scaled": (scaled_norm, factor_at_most_one, by_reciprocal),
    "exact-sum": (exact_sum, factor_at_most_one, limit_first),
    "reciprocal": (products_and_roots, by_reciprocal, by_reciprocal),
}


class Clipping(Subject):
    """Norms and factors in all orders."""

    name = "clipping"
    variants = {"clip": tuple(CLIPPING)}
    conventions = {
        rule: {}
        for rule in (
            clipping.ClipByValue, clipping.WeightClipping, clipping.ClipByGlobalNorm, clipping.ClipByNorm,
            clipping.AdaptiveClipping,
        )
    }  # fmt: skip

    @np.errstate(all="ignore")
    def clip(self, spec, gradients, parameters=None):
        if isinstance(spec, clipping.ClipByValue):
            return map_leaves(lambda g: np.asarray(np.clip(g, -spec.limit, spec.limit)), gradients)
        arrays = [g for _, g in leaves(gradients)]
        if isinstance(spec, clipping.AdaptiveClipping):
            weights = dict(leaves(parameters))
            return rebuilt(gradients, [self.by_unit(spec, g, weights[path]) for path, g in leaves(gradients)])
        if isinstance(spec, clipping.ClipByGlobalNorm):
            size = self.size(spec, arrays)
            return map_leaves(lambda g: self.decayed_parameter(spec, g, size, spec.max_norm), gradients)
        entries = sum(g.size for g in arrays)

        def limit(g):
            share = {"each": 1, "equal": 1 / len(arrays), "by_size": g.size / entries}[spec.shares]
            return spec.max_norm * math.sqrt(share)

        return map_leaves(lambda g: self.decayed_parameter(spec, g, self.size(spec, [g]), limit(g)), gradients)

    def size(self, spec, arrays):
        """The norm of all entries, and epsilon."""
        entries = np.concatenate([np.ravel(x) for x in arrays])[:, None]
        return norms(spec, CLIPPING[self.variant][0], entries)[0] + spec.epsilon

    def decayed_parameter(self, spec, g, size, max_norm):
        _, scaled, rescaled = CLIPPING[self.variant]
        limit = g.dtype.type(max_norm)
        if spec.within == "rescaled" and limit > 0:
            found = rescaled(g, np.maximum(size, limit), limit)
        else:
            found = g if size <= limit else scaled(g, size, limit)
        if spec.non_finite_norm == "keeps" and np.isnan(size):
            found = g
        return np.asarray(found + 0 * size if spec.non_finite_norm == "spreads" else found, g.dtype)

    def by_unit(self, spec, g, weight):
        """Adaptive clipping of one array; its units are the columns of a matrix."""
        inputs = g.size if sum(length != 1 for length in g.shape) <= 1 else len(g)
        if g.ndim > 3:
            inputs = g.size // g.shape[-1]
        norm, scaled, _ = CLIPPING[self.variant]
        rows = g.reshape(inputs, -1)
        size, of_weight = (norms(spec, norm, x.reshape(inputs, -1)) for x in (g, weight))
        limit = spec.clipping * np.maximum(of_weight, g.dtype.type(spec.epsilon))
        above = scaled(rows, np.maximum(size, g.dtype.type(spec.smallest_divisor)), limit)
        return np.where(size <= limit, rows, above).reshape(g.shape)
