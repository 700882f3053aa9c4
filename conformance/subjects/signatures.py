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
    arguments: field of the rule -> the argument for it, where that has another name."""

    function: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    def defaults(self, rule: type[Spec]) -> dict[str, tuple[str, Any]]:
        """Field -> (argument, its default, or inspect.Parameter.empty), for each field that the function takes.

        Read from the library as it is installed; nothing of a method that was compiled from C. Raises ImportError when
        the library is not there, ValueError when it has no such function, or that not one of `arguments`.
        """
        path = self.function.partition("(")[0]
        try:
            function = pkgutil.resolve_name(path)
        except AttributeError as problem:
            raise ValueError(f"{rule.__name__}: the library has no {path}: {problem}") from problem
        parameters = {} if isinstance(function, MethodDescriptorType) else inspect.signature(function).parameters
        unknown = sorted(set(self.arguments.values()) - set(parameters))
        if unknown:
            raise ValueError(f"{rule.__name__}: {path} has no {', '.join(unknown)}, only {', '.join(parameters)}")
        named = {f.name: self.arguments.get(f.name, f.name) for f in fields(rule)}
        return {name: (arg, parameters[arg].default) for name, arg in named.items() if arg in parameters}
