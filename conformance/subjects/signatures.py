"""A library's own function for a rule: where it is, what it calls the rule's fields, and its defaults."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MethodDescriptorType
from typing import Any

from refimpl.spec import Spec


@dataclass(frozen=True)
class Signature:
    """function: where the library has it, with the arguments that make it this rule: "torch.optim.Adam(amsgrad=True)".
    arguments: field of the rule -> the argument for it, "betas[0]" for an entry of one, where that has another name;
    None where the argument of this name is something else. relations: field -> what holds between it and the
    library's arguments, in words or as a formula, where it is not just equal to the one, or has none."""

    function: str
    arguments: Mapping[str, str | None] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)

    def defaults(self, rule: type[Spec]) -> dict[str, tuple[str, Any]]:
        """Field -> (argument, its default, or inspect.Parameter.empty), for each field that the function takes.

        Read from the library as it is installed; nothing of a method that was compiled from C. Raises ImportError when
        the library is not there, ValueError when it has no such function, or that not one of `arguments`, or when
        the rule has no such field.
        """
        path = self.function.partition("(")[0]
        try:
            function = pkgutil.resolve_name(path)
        except AttributeError as problem:
            raise ValueError(f"{rule.__name__}: the library has no {path}: {problem}") from problem
        parameters = {} if isinstance(function, MethodDescriptorType) else inspect.signature(function).parameters
        names = [f.name for f in fields(rule)]
        strange = sorted({*self.arguments, *self.relations} - set(names))
        if strange:
            raise ValueError(f"{rule.__name__} has no field {', '.join(strange)}, only {', '.join(names)}")
        unknown = sorted({_entry(arg)[0] for arg in self.arguments.values() if arg} - set(parameters))
        if unknown:
            raise ValueError(f"{rule.__name__}: {path} has no {', '.join(unknown)}, only {', '.join(parameters)}")
        found = {}
        for name in names:
            argument = self.arguments.get(name, name)
            whole, index = _entry(argument or "")
            if whole in parameters:
                default = parameters[whole].default
                entry = default if index is None or default is inspect.Parameter.empty else default[index]
                found[name] = str(argument), entry
        return found


def _entry(argument: str) -> tuple[str, int | None]:
    """The argument that is meant, and which of its entries: "betas[0]" is entry 0 of betas."""
    whole, bracket, index = argument.partition("[")
    return whole, int(index.rstrip("]")) if bracket else None
