"""The evaluation orders of libraries for the composite rules, written out; the adversary takes the worst of them.

The reference evaluates one order of each, with a bound by analysis. Here every order is evaluated.
"""

from __future__ import annotations

import importlib
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, reduce
from itertools import permutations
from typing import Any

import numpy as np

from refimpl import arithmetic
from tests.attack.adversary import Adversary, in_one_machine, pick
from tests.attack.machine import Machine

PACKAGES = (
    "activations", "averaging", "clipping", "layers", "losses", "network", "optimizers", "propagation",
    "regularization", "schedules",
)  # fmt: skip
_ORDERS_OF_A_PRODUCT = 4  # the number that is evaluated


def read(*operands: Any) -> tuple[list[Adversary], Machine]:
    """Operands that a rule reads more than once, each flushed or not."""
    arrays, machine = in_one_machine(*operands)
    return [Adversary(machine.read(x.value), machine) for x in arrays], machine


def _moving_average(average: Any, value: Any, decay: Any) -> Any:
    weight = 1 - decay
    rest = 1 - weight
    (average, value), machine = read(average, value)
    with machine.operands_read():
        found = [
            decay * average + weight * value,
            weight * value + decay * average,
            average + weight * (value - average),
            average - weight * (average - value),
        ]
        if weight.value >= 0.5:  # as torch.lerp
            found.append(value - (value - average) * rest)
        return pick(found)


def _product(*factors: Any) -> Any:
    orders = list(permutations(factors))
    machine = in_one_machine(*factors)[1]
    first = machine.choices.pick(len(orders))
    step = max(1, len(orders) // _ORDERS_OF_A_PRODUCT)
    found = [reduce(operator.mul, orders[(first + k * step) % len(orders)]) for k in range(_ORDERS_OF_A_PRODUCT)]
    if len(factors) > 3:
        a, b, *others = orders[first]
        found.append((a * b) * reduce(operator.mul, others))
    return pick(found)


def _quotient(numerator: Any, denominator: Any) -> Any:
    plain, reciprocal = numerator / denominator, 1 / denominator
    (in_format,), machine = in_one_machine(reciprocal)
    size = np.abs(in_format.value)
    normal = (size >= 2.0**machine.format.min_exponent) & np.isfinite(size)
    inverted = np.where(normal, numerator * reciprocal, plain)
    return pick([plain, inverted])


def _decayed_parameter(parameter: Any, *shares: Any) -> Any:
    share = reduce(operator.mul, shares)
    (parameter,), machine = read(parameter)
    with machine.operands_read():
        found = [parameter * (1 - share), parameter - share * parameter]
        for first, *others in permutations(shares):
            found.append(parameter - reduce(operator.mul, others, first * parameter))
        return pick(found)


def _fused_decay(updated: Any, decayed: Any, parameter: Any, *shares: Any) -> Any:
    if updated.origin[:1] != (np.subtract,) or updated.origin[1] is not decayed:
        return updated
    update = updated.origin[2]
    rate, decay = shares[0], shares[-1]
    (parameter,), machine = read(parameter)
    with machine.operands_read():
        found = [updated, parameter - (reduce(operator.mul, shares) * parameter + update)]
        if len(shares) == 2 and update.origin[:1] == (np.multiply,) and update.origin[1] is rate:
            found.append(parameter - rate * (decay * parameter + update.origin[2]))
        return pick(found)


LIBRARY_ORDERS = {
    arithmetic.moving_average: _moving_average,
    arithmetic.product: _product,
    arithmetic.quotient: _quotient,
    arithmetic.decayed_parameter: _decayed_parameter,
    arithmetic.fused_decay: _fused_decay,
}


def _dispatching(original: Callable, ours: Callable) -> Callable:
    def rule(*operands: Any) -> Any:
        array = next((x for x in operands if isinstance(x, Adversary)), None)
        if array is None:
            return original(*operands)
        return ours(*(x if isinstance(x, Adversary) else array.constant(x) for x in operands))

    return rule


def _dispatching_forms(*candidates: Callable[[], Any]) -> Any:
    first = candidates[0]()
    if not isinstance(first, Adversary):
        return arithmetic.forms(lambda: first, *candidates[1:])
    return pick([first, *(candidate() for candidate in candidates[1:])])


def _any_order(covering: Callable) -> Callable:
    def rule(value: Any, orders: Any, *arguments: Any) -> Any:
        if not isinstance(value, Adversary):
            return covering(value, orders, *arguments)
        return pick([value, *(order(*arguments) for order in orders)])

    return rule


@cache
def _places() -> list[tuple[Any, str, Callable, Callable]]:
    """Every module and name of the reference with a composite rule, that rule, and its replacement."""
    for package in PACKAGES:
        importlib.import_module(f"refimpl.{package}")
    replaced = {rule: _dispatching(rule, ours) for rule, ours in LIBRARY_ORDERS.items()}
    replaced[arithmetic.forms] = _dispatching_forms
    replaced[arithmetic.covering] = _any_order(arithmetic.covering)
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "refimpl"]
    return [
        (module, name, rule, new)
        for module in modules
        for name, found in list(vars(module).items())
        for rule, new in replaced.items()
        if found is rule
    ]


@contextmanager
def library_orders() -> Iterator[None]:
    """A context in which the composite rules of the reference, wherever they are named, take the adversary's arrays."""
    try:
        for module, name, _, new in _places():
            setattr(module, name, new)
        yield
    finally:
        for module, name, rule, _ in _places():
            setattr(module, name, rule)
