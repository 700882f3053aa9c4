"""Single operations attacked: at the ends of their operands' intervals, with the worst outcome up and down."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from refimpl.arithmetic import RunningError, Target
from tests.attack.adversary import Adversary
from tests.attack.choices import Choices
from tests.attack.comparison import error_over_bound
from tests.attack.machine import Machine
from tests.attack.operands import numbers, rounded_upwards, uncertain, value_in_interval
from tests.attack.operations import Operation
from tests.attack.orders import library_orders
from tests.attack.record import Record

_ENDS = (-1.0, 1.0, 0.0)


def attack(
    name: str,
    operation: Operation,
    target: Target,
    group: str,
    size: int,
    seed: int,
    record: Record,
    corners: int = 9,
    leans: Sequence[int | None] = (-1, 1, None),
) -> None:
    """Attacks with exact operands, and with uncertain ones at some corners of their intervals and inside.

    corners: how many. leans: the directions in which all outcomes of an evaluation lie; None draws each.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    for exact in (True, False):
        operands = drawn(operation, target, size, rng, exact)
        with np.errstate(all="ignore"):
            expected = operation.formula(*operands)
        if not isinstance(expected, RunningError):
            expected = operands[0].constant(expected)
        for where in [(0.0,) * operation.operands] if exact else places(operation.operands, corners, rng):
            for lean in leans:
                choices = Choices(int(rng.integers(2**31)), lean)
                ratio = error_over_bound(expected, evaluated(operation, operands, where, choices))
                record.add(name, group, ratio, partial(witness, operands, where, expected))


def drawn(operation: Operation, target: Target, size: int, rng: np.random.Generator, exact: bool) -> list[RunningError]:
    """Operands of the shapes that an operation takes. Half of the exact sums round upwards at each addition."""
    shape = _shape(operation, size)
    with np.errstate(all="ignore"):
        if exact and operation.terms > 1 and operation.operands == 1:
            upwards = rounded_upwards(target.format, shape, rng)
            mixed = np.where(rng.integers(2, size=shape[1:]), upwards, numbers(target.format, shape, rng, alike=True))
            return [RunningError.exact(mixed, target)]
        alike = operation.terms > 3  # else nearly all sums would overflow
        return [uncertain(target, shape, rng, exact, alike) for _ in range(operation.operands)]


def _shape(operation: Operation, size: int) -> tuple[int, ...]:
    if not operation.terms:
        return (size,)
    return (operation.terms, int(size**0.5) if operation.operands == 2 else size // operation.terms)


def places(operands: int, corners: int, rng: np.random.Generator) -> list[tuple[float, ...]]:
    """Places in the box of intervals: some corners and middles of faces, and a point inside."""
    box = list(product(_ENDS, repeat=operands))
    chosen = [box[i] for i in rng.choice(len(box), min(len(box), corners), replace=False)]
    return [*chosen, tuple(rng.uniform(-1, 1, operands))]


def evaluated(
    operation: Operation, operands: list[RunningError], where: tuple[float, ...], choices: Choices
) -> np.ndarray:
    """The result of an adversary's evaluation with the operands at these places in their intervals."""
    machine = Machine(operands[0].target, choices)
    with library_orders(), np.errstate(all="ignore"):
        arrays: list[Any] = [
            Adversary(value_in_interval(x, place, machine.excess), machine)
            for x, place in zip(operands, where, strict=True)
        ]
        result = operation.formula(*arrays)
    return result.value if isinstance(result, Adversary) else np.asarray(result)


def witness(operands: list[RunningError], where: tuple[float, ...], expected: RunningError, index: int) -> str:
    """The worst element in hexadecimal numbers: its operands, and the value and bound that were claimed."""
    parts = []
    for operand, place in zip(operands, where, strict=True):
        if operand.shape == expected.shape:
            value, bound = (float(np.ravel(x)[index]) for x in (operand.value, operand.bound))
            parts.append(f"{value.hex()} +- {bound.hex()} at {place:g}")
    claimed = f"{float(np.ravel(expected.value)[index]).hex()} +- {float(np.ravel(expected.bound)[index]).hex()}"
    return "; ".join([*parts, f"claimed {claimed}"])
