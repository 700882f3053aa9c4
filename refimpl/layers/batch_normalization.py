"""Batch normalization: by the batch itself in training, by running statistics in inference, and how these run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Literal

import numpy as np

from refimpl.arithmetic import constant, covering, moving_average, product, rsqrt
from refimpl.layers.evaluation_orders import (
    BATCH_NORMALIZATION_COTANGENT,
    INVERSE_ROOT,
    NORMALIZED,
    SCALE_GRADIENT,
    UNBIASED_VARIANCE,
)
from refimpl.layers.layer import Layer
from refimpl.spec import Spec, convention, hyperparameter
from refimpl.trees import as_array
from refimpl.types import Array, Parameters


@dataclass(frozen=True)
class _Normalization(Layer):
    """(x - mean) / sqrt(variance + epsilon) * scale + shift for each feature, the last axis of x."""

    _: KW_ONLY
    epsilon: float = hyperparameter(1e-5, at_least=0)

    @np.errstate(divide="ignore", invalid="ignore")
    def forward(self, parameters: Parameters, x: Array) -> Array:
        rows, scale, shift = self._checked(parameters, x)
        return self.in_arithmetic_of(rows)._forward(rows, scale, shift).reshape(np.shape(x))

    @np.errstate(divide="ignore", invalid="ignore")
    def backward(self, parameters: Parameters, x: Array, cotangent: Array) -> tuple[Parameters, Array]:
        rows, scale, _ = self._checked(parameters, x)
        cotangent = as_array("cotangent", cotangent)
        if np.shape(cotangent) != np.shape(x):
            raise ValueError(
                f"{type(self).__name__}: cotangent has shape {np.shape(cotangent)}, "
                f"but the output has shape {np.shape(x)}"
            )
        cotangent = cotangent.reshape(np.shape(rows))
        gradients, rows_cotangent = self.in_arithmetic_of(rows)._backward(rows, scale, cotangent)
        return gradients, rows_cotangent.reshape(np.shape(x))

    def _forward(self, rows: Array, scale: Array, shift: Array) -> Array:
        mean, variance = self._statistics(rows)
        deviation, inverse = rows - mean, self._inverse_deviation(variance)
        return covering(product(deviation, inverse, scale) + shift, NORMALIZED, rows, mean, inverse, scale, shift)

    def _backward(self, rows: Array, scale: Array, cotangent: Array) -> tuple[Parameters, Array]:
        mean, variance = self._statistics(rows)
        deviation, inverse = rows - mean, self._inverse_deviation(variance)
        scale_gradient = covering(
            np.sum(cotangent * (deviation * inverse), axis=0), SCALE_GRADIENT, cotangent, deviation, inverse
        )
        rows_cotangent = self._rows_cotangent(deviation, variance, inverse, scale, cotangent)
        return {"scale": scale_gradient, "shift": np.sum(cotangent, axis=0)}, rows_cotangent

    def _inverse_deviation(self, variance: Array) -> Array:
        """1 / sqrt(variance + epsilon)."""
        spread = variance + self.epsilon
        return covering(rsqrt(spread), INVERSE_ROOT, spread)

    @abstractmethod
    def _statistics(self, rows: Array) -> tuple[Array, Array]:
        """Mean and variance of each feature, by which rows of shape (rows, features) are normalized."""

    @abstractmethod
    def _rows_cotangent(
        self, deviation: Array, variance: Array, inverse: Array, scale: Array, cotangent: Array
    ) -> Array:
        """The cotangent of the rows, of which deviation is rows - mean and inverse 1 / sqrt(variance + epsilon)."""

    def _checked(self, parameters: Parameters, x: Array) -> tuple[Array, Array, Array]:
        """x as (rows, features), the scale and the shift."""
        scale, shift = self.named_arrays(parameters, ("scale", "shift"))
        rows = _rows(type(self).__name__, x)
        features = np.shape(rows)[1:]
        for name, array in (("scale", scale), ("shift", shift)):
            if np.shape(array) != features:
                raise ValueError(
                    f"{type(self).__name__}: {name} must have shape {features} for x of shape {np.shape(x)}, "
                    f"got {np.shape(array)}"
                )
        return rows, scale, shift


@dataclass(frozen=True)
class BatchNormalization(_Normalization):
    """Training: normalizes by mean and biased variance of the batch, over all axes but the last (Ioffe & Szegedy 2015).

    x of shape (..., features), and the result as well: (x - mean) / sqrt(variance + epsilon) * scale + shift.
    Parameters: "scale" and "shift" (gamma and beta there), both of shape (features,). Where epsilon is 0, a
    constant feature has no result (NaN, or its rounding magnified) and a running-error evaluation claims none.
    """

    def _statistics(self, rows: Array) -> tuple[Array, Array]:
        return _mean_and_variance(rows)

    def _rows_cotangent(
        self, deviation: Array, variance: Array, inverse: Array, scale: Array, cotangent: Array
    ) -> Array:
        """Ioffe & Szegedy 2015, section 3: the formulas after algorithm 1, their sums over the batch put together.

        scale / sqrt(variance + epsilon) times three parts: the cotangent, through x itself; minus its mean, through the
        mean of the batch; minus normalized * mean(cotangent * normalized), through the variance of the batch.
        """
        through_mean = np.mean(cotangent, axis=0)
        through_variance = product(deviation, inverse, inverse, np.mean(cotangent * deviation, axis=0))
        rows_cotangent = product(cotangent - through_mean - through_variance, inverse, scale)
        parts = (cotangent, through_mean, through_variance, deviation, variance, self.epsilon, inverse, scale)
        return covering(rows_cotangent, BATCH_NORMALIZATION_COTANGENT, *parts)


@dataclass(frozen=True)
class BatchNormalizationInference(_Normalization):
    """Inference: normalizes by given statistics, which are constants (Ioffe & Szegedy 2015, algorithm 2).

    x of shape (..., features), and the result as well: (x - mean) / sqrt(variance + epsilon) * scale + shift.
    mean, variance: one number per feature, such as those of `RunningStatistics`; variance >= 0.
    Parameters: "scale" and "shift", both of shape (features,). A feature is NaN where variance and epsilon are 0.
    """

    mean: Sequence[float]
    variance: Sequence[float]

    def check(self) -> None:
        for name, lowest in (("mean", -np.inf), ("variance", 0.0)):
            numbers = getattr(self, name)
            if np.ndim(numbers) != 1 or np.size(numbers) == 0:
                self.refuse(name, numbers, "one number per feature")
            limits = {"at_least": lowest, "above": -np.inf, "at_most": np.inf, "below": np.inf}
            numbers = tuple(self._real(f"{name}[{i}]", number, limits) for i, number in enumerate(numbers))
            object.__setattr__(self, name, numbers)
        if len(self.mean) != len(self.variance):
            self.refuse("variance", self.variance, f"as many numbers as mean, {len(self.mean)}")

    def _statistics(self, rows: Array) -> tuple[Array, Array]:
        if np.shape(rows)[1] != len(self.mean):
            raise ValueError(
                f"{type(self).__name__}: mean and variance are of {len(self.mean)} features, "
                f"but x has {np.shape(rows)[1]}"
            )
        return constant(np.array(self.mean), rows), constant(np.array(self.variance), rows)

    def _rows_cotangent(
        self, deviation: Array, variance: Array, inverse: Array, scale: Array, cotangent: Array
    ) -> Array:
        return product(cotangent, inverse, scale)


@dataclass(frozen=True)
class RunningStatistics(Spec):
    """Moving averages of the batches' mean and variance: a dict of "mean" and "variance", both of shape (features,).

    momentum: weight of the old average, in [0, 1] (PyTorch's momentum is 1 minus that).
    """

    momentum: float = hyperparameter(0.9, at_least=0, at_most=1)
    variance: Literal["unbiased", "biased"] = convention(
        {
            "unbiased": "sum of squared deviations / (rows - 1) (Ioffe & Szegedy 2015, algorithm 2; PyTorch)",
            "biased": "sum of squared deviations / rows (Flax, Keras)",
        }
    )

    def init(self, features: int) -> Parameters:
        """Mean 0 and variance 1, float64. Raises TypeError or ValueError unless `features` is an integer >= 1."""
        features = self._integer("features", features, 1)
        return {"mean": np.zeros(features), "variance": np.ones(features)}

    def update(self, statistics: Parameters, x: Array) -> Parameters:
        """The statistics after one more batch `x`, shape (..., features).

        Raises TypeError or ValueError that name the argument where they do not fit together.
        """
        if not isinstance(statistics, dict) or set(statistics) != {"mean", "variance"}:
            given = list(statistics) if isinstance(statistics, dict) else type(statistics).__name__
            raise ValueError(f"RunningStatistics: statistics must be a dict of 'mean' and 'variance', got {given}")
        rows = _rows("RunningStatistics", x)
        count, features = np.shape(rows)
        old = {name: as_array(f"statistics[{name!r}]", statistics[name]) for name in ("mean", "variance")}
        for name, average in old.items():
            if np.shape(average) != (features,):
                raise ValueError(
                    f"RunningStatistics: statistics[{name!r}] has shape {np.shape(average)}, "
                    f"but x of shape {np.shape(x)} has {features} features"
                )
        mean, variance = _mean_and_variance(rows)
        if self.variance == "unbiased":
            if count < 2:
                self.refuse("variance", self.variance, "'biased' for a single row: the unbiased divides by rows - 1")
            variance = _unbiased(rows - mean, variance)
        momentum = self.in_arithmetic_of(rows).momentum
        new = {"mean": mean, "variance": variance}
        return {name: moving_average(old[name], new[name], momentum) for name in old}


def _mean_and_variance(rows: Array) -> tuple[Array, Array]:
    """Of each feature over the rows, the variance biased and in two passes."""
    mean = np.mean(rows, axis=0)
    return mean, np.mean((rows - mean) ** 2, axis=0)


def _unbiased(deviation: Array, biased: Array) -> Array:
    count = np.shape(deviation)[0]
    return covering(np.sum(deviation**2, axis=0) / (count - 1), UNBIASED_VARIANCE, biased, count)


def _rows(owner: str, x: Array) -> Array:
    """x as an array of shape (rows, features). Raises unless it has at least one element."""
    array = as_array("x", x)
    if np.ndim(array) == 0 or np.size(array) == 0:
        raise ValueError(f"{owner}: x must be a non-empty array of shape (..., features), got shape {np.shape(array)}")
    return array.reshape(-1, np.shape(array)[-1])
