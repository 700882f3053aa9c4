"""What every rule is declared with: validated hyperparameters and conventions with named values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType, SimpleNamespace
from typing import Any

from refimpl.arithmetic.dispatch import Twin


def hyperparameter(
    default: float,
    *,
    at_least: float = -math.inf,
    above: float = -math.inf,
    at_most: float = math.inf,
    below: float = math.inf,
) -> Any:
    """A real, finite field of a Spec with its range; strict limits are `above` and `below`."""
    limits = {"at_least": at_least, "above": above, "at_most": at_most, "below": below}
    return field(default=default, metadata={"limits": limits})


def whole(default: int, *, at_least: int) -> Any:
    """An integer field of a Spec, such as a number of steps."""
    return field(default=default, metadata={"at_least": at_least})


def convention(values: Mapping[Any, str]) -> Any:
    """A field where correct libraries differ: its values with their one-line meanings, the default first."""
    return field(default=next(iter(values)), metadata={"values": MappingProxyType(dict(values))})


@dataclass(frozen=True)
class Spec:
    """A rule with its hyperparameters and conventions; refuses fields outside their range."""

    def __post_init__(self) -> None:
        for declared in fields(self):
            value, metadata = getattr(self, declared.name), declared.metadata
            if "limits" in metadata:
                object.__setattr__(self, declared.name, self._real(declared.name, value, metadata["limits"]))
            elif "at_least" in metadata:
                object.__setattr__(self, declared.name, self._integer(declared.name, value, metadata["at_least"]))
            elif "values" in metadata and (type(value), value) not in [(type(v), v) for v in metadata["values"]]:
                self.refuse(declared.name, value, "one of " + ", ".join(repr(v) for v in metadata["values"]))
        self.check()

    def check(self) -> None:
        """Refuses combinations of fields that have no meaning together; rules override it."""

    def refuse(self, name: str, value: Any, allowed: str) -> None:
        raise ValueError(f"{type(self).__name__}: {name} must be {allowed}, got {value!r}")

    def _real(self, name: str, value: Any, limits: Mapping[str, float]) -> float:
        allowed = _describe(limits)
        real = isinstance(value, (int, float)) or getattr(getattr(value, "dtype", None), "kind", "") in "fiu"
        if isinstance(value, bool) or not real or getattr(value, "shape", ()) != ():
            raise TypeError(f"{type(self).__name__}: {name} must be {allowed}, got {type(value).__name__} {value!r}")
        number = float(value)
        inside = (
            limits["at_least"] <= number <= limits["at_most"]
            and (number > limits["above"] or limits["above"] == -math.inf)
            and (number < limits["below"] or limits["below"] == math.inf)
        )
        if not (math.isfinite(number) and inside):
            self.refuse(name, number, allowed)
        return number

    def _integer(self, name: str, value: Any, at_least: int) -> int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(
                f"{type(self).__name__}: {name} must be an integer >= {at_least}, got {type(value).__name__} {value!r}"
            )
        if value < at_least:
            self.refuse(name, value, f"an integer >= {at_least}")
        return int(value)

    def hyperparameters(self, like: Any) -> Any:
        """The fields by name, the real ones as numbers of the arithmetic that `like` is evaluated in."""
        if not isinstance(like, Twin):
            return self
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return SimpleNamespace(
            **{name: like.hyperparameter(v) if isinstance(v, float) else v for name, v in values.items()}
        )

    @classmethod
    def conventions(cls) -> dict[str, Mapping[Any, str]]:
        """The convention fields of this rule: name -> {value: meaning}."""
        return {f.name: f.metadata["values"] for f in fields(cls) if "values" in f.metadata}


def _describe(limits: Mapping[str, float]) -> str:
    low = f"[{limits['at_least']:g}" if limits["above"] == -math.inf else f"({limits['above']:g}"
    high = f"{limits['at_most']:g}]" if limits["below"] == math.inf else f"{limits['below']:g})"
    return f"a finite number in {low.replace('[-inf', '(-inf')}, {high.replace('inf]', 'inf)')}"
