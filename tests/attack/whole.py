"""Whole rules attacked: with all outcomes in one direction, at random, and by hill climbing from random decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from refimpl.arithmetic import RunningError, Target
from tests.attack.adversary import Adversary
from tests.attack.choices import Choices, climbed
from tests.attack.comparison import error_over_bound
from tests.attack.machine import Machine
from tests.attack.orders import library_orders
from tests.attack.record import Record
from tests.attack.rules import Rule, results


def attack(
    rule: Rule,
    target: Target,
    group: str,
    size: int,
    seed: int,
    record: Record,
    rounds: int = 0,
    leans: Sequence[int] = (-1, 1),
) -> None:
    """Attacks with data that are numbers of the format; every later number is the adversary's."""
    rng = np.random.default_rng([seed, *rule.name.encode()])
    with np.errstate(all="ignore"):
        data = rule.draw(target.format, size, rng)
        expected = results(rule.formula(*(RunningError.exact(x, target) for x in data)))

    def ratios(choices: Choices) -> list[np.ndarray]:
        machine = Machine(target, choices)
        with library_orders(), np.errstate(all="ignore"):
            found = results(rule.formula(*(Adversary(x, machine) for x in data)))
            every = [
                error_over_bound(e if isinstance(e, RunningError) else RunningError.exact(e, target), _numbers(f))
                for e, f in zip(expected, found, strict=True)
            ]
        for ratio, claimed in zip(every, expected, strict=True):
            record.add(rule.name, group, ratio, lambda i, c=claimed: witness(data, c, i, rule, choices))
        return every

    def worst(choices: Choices) -> np.ndarray:
        every = ratios(choices)
        if not rule.elementwise:
            return np.asarray(max(float(np.max(np.nan_to_num(x, nan=0.0), initial=0.0)) for x in every))
        shape = max((x.shape for x in every), key=len)
        alike = [np.nan_to_num(x, nan=0.0) for x in every if x.shape == shape]
        return np.maximum.reduce(alike)

    for lean in leans:
        ratios(Choices(int(rng.integers(2**31)), lean))
    climbed(worst, int(rng.integers(2**31)), rounds, rule.elementwise)


def _numbers(found: Any) -> np.ndarray:
    return found.value if isinstance(found, Adversary) else np.asarray(found, np.float64)


def witness(data: list[np.ndarray], claimed: Any, index: int, rule: Rule, choices: Choices) -> str:
    """The data of the worst element in hexadecimal numbers, and the value and bound that were claimed."""
    shape = np.shape(claimed.value)
    parts = [float(np.ravel(x)[index]).hex() for x in data if rule.elementwise and np.shape(x) == shape]
    value, bound = (float(np.ravel(x)[index]) for x in (claimed.value, claimed.bound))
    return f"{', '.join(parts) or f'element {index}'}; claimed {value.hex()} +- {bound.hex()}; seed {choices.seed}"
