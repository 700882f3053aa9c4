"""Clipping of gradients by norms or by value, and of weights: pure functions of trees of arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import constant, forms
from refimpl.arithmetic.dispatch import DuckArray
from refimpl.spec import Spec, as_float, convention, hyperparameter
from refimpl.trees import as_arrays, leaves, map_leaves, rebuilt, same_structure

NORM_RANGE = {
    "full": "every norm in the format's range is found (LAPACK's dnrm2)",
    "powers": "infinite or 0 where the powers of entries leave the range: squares, by order 2 (PyTorch, optax, Keras)",
}
NON_FINITE_NORM = {
    "erases": "infinite: finite entries become 0, others NaN; NaN: all become NaN (PyTorch, optax, Keras's clipnorm)",
    "spreads": "every entry becomes NaN (Keras's global_clipnorm, TensorFlow's clip_by_global_norm)",
    "keeps": "infinite: as 'erases'; NaN: no entry changes (optax, for gradients of single examples)",
}
WITHIN = {
    "kept": "a gradient whose norm is at most max_norm stays as it is (PyTorch, optax)",
    "rescaled": "it is multiplied by max_norm and divided by max_norm, which may round it (Keras)",
}
SHARES = {
    "each": "every array has max_norm (PyTorch for one parameter, Keras's clipnorm)",
    "equal": "of k arrays every one has max_norm / sqrt(k), so that all together keep to max_norm (optax, uniform)",
    "by_size": "an array with the share s of all entries has max_norm * sqrt(s) (optax, not uniform)",
}


def global_norm(tree: Any) -> Any:
    """The Euclidean norm of all entries of a tree as one vector, 0-d; without needless overflow or underflow.

    Infinite where an entry is, NaN where one is. The bound of a running-error evaluation covers the sum of plain
    squares in any order, and norms of norms: it is infinite where such squares leave the target's range.
    Raises TypeError or ValueError for a tree that does not hold real arrays.
    """
    return _norm([leaf for _, leaf in leaves(as_arrays("tree", tree))])


def _norm(arrays: list[Any], order: float = 2.0, norm_range: str = "full", axis: Any = None) -> Any:
    """The norm of all entries, or of those of the only array along `axis`, which stays, with length 1."""
    entries = np.concatenate([np.ravel(array) for array in arrays]) if axis is None else arrays[0]

    def total(terms: Any) -> Any:
        return np.sum(terms, axis=axis, keepdims=axis is not None)

    if entries.size == 0 or order == 1:
        return total(np.abs(entries))
    if order == math.inf:
        return np.max(np.abs(entries))
    # A root of another order would magnify the rounding error of its exponent, but for numbers near 1.
    unit = 1.0 if norm_range == "powers" else _unit(entries, axis, scaled_from=400 if order == 2 else 0)
    if order == 2:
        return forms(
            lambda: unit * np.sqrt(total((entries / unit) ** 2)),
            lambda: np.sqrt(total(entries**2)),
            lambda: np.sqrt(sum(np.sqrt(total(array**2)) ** 2 for array in arrays)),
        )
    power = constant(order, entries)
    return forms(
        lambda: unit * total(np.abs(entries / unit) ** power) ** (1 / power),
        lambda: total(np.abs(entries) ** power) ** (1 / power),
        lambda: sum((total(np.abs(array) ** power) ** (1 / power)) ** power for array in arrays) ** (1 / power),
    )


def _unit(entries: Any, axis: Any, scaled_from: int) -> np.ndarray:
    """A power of two next to the largest entry where its exponent is that large; elsewhere 1."""
    magnitudes = np.abs(entries.value if isinstance(entries, DuckArray) else entries)
    largest = np.asarray(np.max(magnitudes, axis=axis, keepdims=axis is not None), dtype=np.float64)
    exponent = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
    return np.where(np.abs(exponent) < scaled_from, 1.0, np.ldexp(1.0, exponent - 1))


@dataclass(frozen=True)
class Clipping(Spec):
    """A rule that maps a tree of gradients (or weights) to one of the same structure."""

    def apply(self, tree: Any) -> Any:
        """The clipped tree, as new float64 arrays; an infinite or NaN entry yields what the formula makes of it.

        Raises TypeError or ValueError for a tree that does not hold real arrays.
        """
        tree = as_arrays("tree", tree)
        with np.errstate(invalid="ignore", over="ignore"):
            return self._apply(tree, self.hyperparameters(next(leaves(tree))[1]))

    @abstractmethod
    def _apply(self, tree: Any, h: Any) -> Any:
        """The rule; `h` has the fields as numbers of the arithmetic in use."""


@dataclass(frozen=True)
class _NormClipping(Clipping):
    """What rules that look at the norm of gradients have in common."""

    max_norm: float = hyperparameter(1.0, at_least=0)
    epsilon: float = hyperparameter(0.0, at_least=0)
    order: float = 2.0
    norm_range: str = convention(NORM_RANGE)
    non_finite_norm: str = convention(NON_FINITE_NORM)
    within: str = convention(WITHIN)

    def check(self) -> None:
        order = as_float(self.order)
        if order is None or not order >= 1:
            self.refuse("order", self.order, "a number >= 1, such as 2.0 for the Euclidean norm; math.inf is allowed")
        object.__setattr__(self, "order", order)

    def _norm(self, arrays: list[Any]) -> Any:
        return _norm(arrays, self.order, self.norm_range)

    def _decayed_parameter(self, gradient: Any, size: Any, max_norm: Any) -> Any:
        scaled, within = _scaled(gradient, size, max_norm), gradient
        if self.within == "rescaled" and self.max_norm > 0:
            divisor = np.maximum(size, max_norm)
            scaled = within = forms(
                lambda: scaled,
                lambda: gradient * (max_norm * (1 / divisor)),
                lambda: gradient * max_norm / divisor,
            )
        if self.non_finite_norm == "keeps":
            return np.where(size > max_norm, scaled, np.where(size <= max_norm, within, gradient))
        shrunk = np.where(size <= max_norm, within, scaled)
        return shrunk + 0 * size if self.non_finite_norm == "spreads" else shrunk


@dataclass(frozen=True)
class ClipByGlobalNorm(_NormClipping):
    """gradient * min(1, max_norm / (norm + epsilon)), norm over all arrays (Pascanu, Mikolov & Bengio 2013, alg. 1).

    max_norm >= 0. epsilon >= 0: PyTorch adds 1e-6, optax 0, where this is the projection on the ball. order in
    [1, inf]: the norm is the root of that order of the sum of such powers, and with math.inf the largest magnitude.
    """

    def _apply(self, tree: Any, h: Any) -> Any:
        size = self._norm([leaf for _, leaf in leaves(tree)]) + h.epsilon
        return map_leaves(lambda gradient: self._decayed_parameter(gradient, size, h.max_norm), tree)


@dataclass(frozen=True)
class ClipByNorm(_NormClipping):
    """As ClipByGlobalNorm, each array by its own norm; `shares` of the threshold: McMahan et al. 2018, section 2.3."""

    shares: str = convention(SHARES)

    def _apply(self, tree: Any, h: Any) -> Any:
        sizes = [leaf.size for _, leaf in leaves(tree)]

        def limit(gradient: Any) -> Any:
            if self.shares == "each":
                return h.max_norm
            share = 1 / len(sizes) if self.shares == "equal" else gradient.size / sum(sizes)
            return h.max_norm * np.sqrt(constant(share, gradient))

        return map_leaves(lambda g: self._decayed_parameter(g, self._norm([g]) + h.epsilon, limit(g)), tree)


@dataclass(frozen=True)
class AdaptiveClipping(Spec):
    """gradient * min(1, clipping * max(|weights|, epsilon) / |gradient|), unit by unit (Brock et al. 2021, equation 3).

    A unit is what leads to one output: the norms run over the first axis of 2 or 3, over all but the last of 4 or 5,
    and over an array with at most one axis longer than 1 as a whole. clipping >= 0, epsilon >= 0. smallest_divisor
    >= 0: a gradient above its limit is divided by no less, which shrinks it too far (optax: 1e-6).
    """

    clipping: float = hyperparameter(0.01, at_least=0)
    epsilon: float = hyperparameter(1e-3, at_least=0)
    smallest_divisor: float = hyperparameter(0.0, at_least=0)
    norm_range: str = convention(NORM_RANGE)

    def apply(self, gradients: Any, parameters: Any) -> Any:
        """The clipped tree, as new float64 arrays; the parameters are a tree of the same structure.

        Raises TypeError or ValueError for trees that do not hold real arrays, or are unlike; ValueError for an array
        of more than 5 axes, two of them longer than 1.
        """
        gradients, parameters = as_arrays("gradients", gradients), as_arrays("parameters", parameters)
        same_structure("gradients", gradients, parameters)
        h = self.hyperparameters(next(leaves(gradients))[1])
        weight_at = dict(leaves(parameters))
        with np.errstate(invalid="ignore", over="ignore"):
            clipped = [self._clipped(path, gradient, weight_at[path], h) for path, gradient in leaves(gradients)]
        return rebuilt(gradients, clipped)

    def _clipped(self, path: str, gradient: Any, weight: Any, h: Any) -> Any:
        axes = _axes_of_a_unit(f"gradients{path}", gradient.shape)
        size, of_weight = (_norm([array], norm_range=self.norm_range, axis=axes) for array in (gradient, weight))
        limit = h.clipping * np.maximum(of_weight, h.epsilon)
        return np.where(size <= limit, gradient, _scaled(gradient, size, limit, h.smallest_divisor))


def _axes_of_a_unit(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    axes = tuple(range(len(shape)))
    if sum(length != 1 for length in shape) <= 1:
        return axes
    if len(shape) > 5:
        raise ValueError(f"{name} must have at most 5 axes, so that its units are known, got shape {shape}: reshape it")
    return axes[:1] if len(shape) <= 3 else axes[:-1]


@dataclass(frozen=True)
class ClipByValue(Clipping):
    """Each entry to the nearest number in [-limit, limit]; limit > 0."""

    limit: float = hyperparameter(1.0, above=0)

    def _apply(self, tree: Any, h: Any) -> Any:
        return map_leaves(lambda gradient: np.minimum(np.maximum(gradient, -h.limit), h.limit), tree)


@dataclass(frozen=True)
class WeightClipping(ClipByValue):
    """As ClipByValue, applied to the weights after an update (Arjovsky, Chintala & Bottou 2017, algorithm 1)."""

    limit: float = hyperparameter(1e-2, above=0)


def _scaled(gradient: Any, size: Any, max_norm: Any, smallest: Any = 0.0) -> Any:
    """gradient * max_norm / size where size > max_norm, and there alone.

    Multiplying always, by min(1, ...), is the same: a product with 1 is exact.
    """
    # Zero only for a gradient of 0, and continuous at the threshold, where rounding may decide.
    divisor = np.maximum(np.maximum(size, max_norm), smallest)
    return forms(
        lambda: gradient * (max_norm / divisor),
        lambda: (gradient / divisor) * max_norm,
    )
