"""Arrays that evaluate a formula of the reference as an adversary would, with the numbers of a machine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

from refimpl.arithmetic.dispatch import DuckArray
from refimpl.arithmetic.special import erf, erfc, rsqrt
from tests.attack.machine import Machine
from tests.attack.rounding import Exact, two_product


class Adversary(DuckArray):
    """The numbers of a machine, and what they were before rounding.

    product: the exact product where this is one, which a sum may fuse. origin: the operation and its operands.
    """

    __slots__ = ("machine", "origin", "product", "value")

    def __init__(
        self, value: Any, machine: Machine, product: Exact | None = None, origin: tuple[Any, ...] = ()
    ) -> None:
        self.value, self.machine = np.asarray(value, np.float64), machine
        self.product, self.origin = product, origin

    def constant(self, value: Any) -> Adversary:
        with np.errstate(all="ignore"):
            return Adversary(self.machine.number(value), self.machine)

    def hyperparameter(self, value: float) -> Adversary:
        scalars = self.machine if self.machine.scalar else self.machine.scalars
        with np.errstate(all="ignore"):
            return Adversary(scalars.number(value), scalars)

    def map_components(self, move: Callable[..., np.ndarray], others: tuple[Any, ...] = ()) -> Adversary:
        arrays, machine = in_one_machine(self, *others)
        return Adversary(move(*(x.value for x in arrays)), machine)


def in_one_machine(*arrays: Adversary) -> tuple[list[Adversary], Machine]:
    """Hyperparameters take the format of the arrays in the operation. Among themselves they take the coarser format."""
    machine = min((x.machine for x in arrays), key=lambda m: (m.scalar, m.format.precision))
    with np.errstate(all="ignore"):
        return [x if x.machine is machine else Adversary(machine.number(x.value), machine) for x in arrays], machine


def pick(candidates: list[Adversary]) -> Adversary:
    """The worst of several evaluations of one quantity, element by element."""
    arrays, machine = in_one_machine(*candidates)
    values = np.broadcast_arrays(*(x.value for x in arrays))
    return Adversary(machine.chosen(values), machine)


def _sum_of_two(sign: int) -> Callable:
    def rule(a: Adversary, b: Adversary) -> Adversary:
        origin = (a, b)
        (a, b), machine = in_one_machine(a, b)
        second = sign * b.value
        products = [(a.product, second)] * (a.product is not None)
        if b.product is not None:
            products.append(((sign * b.product[0], sign * b.product[1]), a.value))
        name = np.add if sign > 0 else np.subtract
        return Adversary(machine.add(a.value, second, *products), machine, origin=(name, *origin))

    return rule


def _multiply(a: Adversary, b: Adversary) -> Adversary:
    origin = (a, b)
    (a, b), machine = in_one_machine(a, b)
    exact = two_product(a.value, b.value)
    return Adversary(machine.multiply(a.value, b.value), machine, exact, (np.multiply, *origin))


def _divide(a: Adversary, b: Adversary) -> Adversary:
    (a, b), machine = in_one_machine(a, b)
    return Adversary(machine.divide(a.value, b.value), machine)


def _negative(a: Adversary) -> Adversary:
    product = None if a.product is None else (-a.product[0], -a.product[1])
    return Adversary(-a.value, a.machine, product)


def _function(name: str, reference: Callable, nonnegative: bool = False) -> Callable:
    def rule(a: Adversary) -> Adversary:
        return Adversary(a.machine.function(name, reference, a.value, nonnegative=nonnegative), a.machine)

    return rule


def _power(a: Adversary, b: Adversary) -> Adversary:
    exponent = float(b.value) if b.ndim == 0 else None
    hyperparameters = a.machine.scalar and b.machine.scalar
    if not hyperparameters and exponent in _OWN_RULE:
        return _OWN_RULE[exponent](a)
    if hyperparameters:
        machine = a.machine.powers
        (a, b) = (Adversary(machine.number(x.value), machine) for x in (a, b))
    else:
        (a, b), machine = in_one_machine(a, b)
    even = np.all(b.value % 2 == 0)
    nonnegative = bool(np.all(a.value >= 0) or even)
    return Adversary(machine.function("power", _wide_power, a.value, b.value, nonnegative=nonnegative), machine)


def _wide_power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.power(np.asarray(a, np.longdouble), b).astype(np.float64)


_OWN_RULE: dict[float | None, Callable] = {
    1.0: lambda a: a, 2.0: lambda a: _multiply(a, a), -1.0: lambda a: _divide(a.constant(1.0), a),
}  # fmt: skip


def _compared(operation: Callable) -> Callable:
    def rule(a: Adversary, b: Adversary) -> np.ndarray:
        (a, b), machine = in_one_machine(a, b)
        return operation(machine.read(a.value), machine.read(b.value))

    return rule


def _where(condition: np.ndarray, a: Adversary, b: Adversary) -> Adversary:
    (a, b), machine = in_one_machine(a, b)
    return Adversary(np.where(condition, a.value, b.value), machine)


def _extremum(function: Callable) -> Callable:
    def rule(a: Adversary, b: Adversary) -> Adversary:
        (a, b), machine = in_one_machine(a, b)
        return Adversary(function(machine.read(a.value), machine.read(b.value)), machine)

    return rule


def _sum(a: Adversary, axis: Any = None, keepdims: bool = False) -> Adversary:
    axes = tuple(range(a.ndim)) if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, a.ndim)
    kept = np.sum(a.value, axis=axes, keepdims=keepdims).shape
    rows = np.moveaxis(a.value, axes, range(len(axes)))
    rows = rows.reshape(-1, *rows.shape[len(axes) :])
    total = a.machine.sum(list(rows)) if len(rows) else np.zeros(rows.shape[1:])
    return Adversary(total.reshape(kept), a.machine)


def _mean(a: Adversary, axis: Any = None, keepdims: bool = False) -> Adversary:
    total = _sum(a, axis, keepdims)
    count = a.constant(a.size // max(total.size, 1))
    return pick([_divide(total, count), _multiply(total, _divide(a.constant(1.0), count))])


def _matmul(a: Adversary, b: Adversary) -> Adversary:
    (a, b), machine = in_one_machine(a, b)
    x, y = np.atleast_2d(a.value), b.value if b.ndim > 1 else b.value[:, None]
    return Adversary(machine.matmul(x, y).reshape(np.matmul(a.value, b.value).shape), machine)


def _largest(function: Callable) -> Callable:
    def rule(a: Adversary, axis: Any = None, keepdims: bool = False) -> Adversary:
        return Adversary(function(a.machine.read(a.value), axis=axis, keepdims=keepdims), a.machine)

    return rule


def _square_root(a: Adversary) -> Adversary:
    return Adversary(a.machine.function("sqrt", np.sqrt, a.value, nonnegative=True), a.machine)


Adversary.ufuncs = {
    np.add: _sum_of_two(1),
    np.subtract: _sum_of_two(-1),
    np.multiply: _multiply,
    np.divide: _divide,
    np.negative: _negative,
    np.positive: lambda a: a,
    np.absolute: lambda a: Adversary(np.abs(a.value), a.machine),
    np.square: lambda a: _multiply(a, a),
    np.reciprocal: lambda a: _divide(a.constant(1.0), a),
    np.power: _power,
    np.float_power: _power,
    np.sqrt: _square_root,
    np.exp: _function("exp", np.exp, nonnegative=True),
    np.expm1: _function("expm1", np.expm1),
    np.log: _function("log", np.log),
    np.log1p: _function("log1p", np.log1p),
    np.tanh: _function("tanh", np.tanh),
    np.sin: _function("sin", np.sin),
    np.cos: _function("cos", np.cos),
    np.less: _compared(operator.lt),
    np.less_equal: _compared(operator.le),
    np.greater: _compared(operator.gt),
    np.greater_equal: _compared(operator.ge),
    np.equal: _compared(operator.eq),
    np.not_equal: _compared(operator.ne),
    np.maximum: _extremum(np.maximum),
    np.minimum: _extremum(np.minimum),
    np.sign: lambda a: Adversary(np.sign(a.machine.read(a.value)), a.machine),
    np.matmul: _matmul,
}
Adversary.functions = {
    erf: _function("erf", scipy.special.erf), erfc: _function("erfc", scipy.special.erfc, nonnegative=True),
    rsqrt: _function("rsqrt", lambda x: 1 / np.sqrt(x), nonnegative=True),
    np.where: _where, np.sum: _sum, np.mean: _mean, np.max: _largest(np.max), np.min: _largest(np.min),
}  # fmt: skip
