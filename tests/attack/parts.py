"""The parts of the long attack: what is attacked, with how many elements, and how one part runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from tests.attack import brackets, digits, modular, whole
from tests.attack.operations import OPERATIONS
from tests.attack.record import Record
from tests.attack.rules import Rule, rules
from tests.attack.targets import TARGETS


@dataclass(frozen=True)
class Size:
    """Numbers of elements: of operations, of whole rules, and of results in 50 digits.

    rounds: of hill climbing. attacks: the least number on each rule in each group, however few its variants. products:
    of each family of matrices.
    """

    operations: int = 2**14
    rules: int = 2**11
    digits: int = 48
    rounds: int = 3
    attacks: int = 40
    products: int = 2500


LONG = Size()


def all_parts() -> list[str]:
    """Names of parts. Each part runs alone, and its record is saved under its name."""
    return [
        *(f"operation {name}" for name in OPERATIONS),
        *(f"rule {name}" for name in rules_by_name()),
        *(f"digits {name}" for name in OPERATIONS),
        *(f"brackets {name}" for name in brackets.NAMES),
    ]


def rules_by_name() -> Mapping[str, list[Rule]]:
    """Rules with their derivatives, under the name of the rule."""
    return {name: list(found) for name, found in groupby(rules(), key=lambda rule: rule.name.partition(",")[0])}


def run(part: str, size: Size = LONG) -> dict[str, Any]:
    """The record of a part, as JSON."""
    kind, _, name = part.partition(" ")
    record = Record()
    if kind == "operation":
        _operation(name, size, record)
    elif kind == "rule":
        _rule(rules_by_name()[name], size, record)
    elif kind == "brackets":
        brackets.attack(name, brackets.NAMES[name], size.products, record)
    else:
        for group, targets in (TARGETS | {digits.GROUP: [digits.FLOAT64_TARGET]}).items():
            digits.attack(name, OPERATIONS[name], targets[0], group, size.digits, 0, record)
    return record.as_json()


def _operation(name: str, size: Size, record: Record) -> None:
    for group, targets in TARGETS.items():
        for k, target in enumerate(targets):
            modular.attack(name, OPERATIONS[name], target, group, size.operations, k, record)


def _rule(variants: list[Rule], size: Size, record: Record) -> None:
    """Successive attacks take successive targets of a group: all targets are attacked, but not with all variants."""
    times = -(-size.attacks // len(variants))
    for i, rule in enumerate(variants * times):
        for j, (group, targets) in enumerate(TARGETS.items()):
            whole.attack(rule, targets[(i + j) % len(targets)], group, size.rules, i, record, size.rounds)
