"""Ready subjects: one call makes a subject of an optimizer class, a transformation, a module or a plain function.

Each function takes an implementation and the rule of `refimpl` that it is to follow, and returns a subject class. Its
arguments are found by their names: as the rule calls them, or as PyTorch, JAX, optax and Keras do. Conventions that
are not given are identified (see `conformance.identify`), in a second or two. Hyperparameters that the implementation
does not take are the rule's defaults, unless they are given.

All raise ValueError for an implementation whose arguments do not fit the rule, and `FollowsNothing` for one that
follows no combination of the rule's conventions. A class derived from the result can declare more, such as `scalars`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from conformance.adapters.arguments import Arguments, arguments_of, name_of
from conformance.adapters.functions import Functions
from conformance.identification import Identification, task_of
from conformance.identification.search import hyperparameters, search
from conformance.subjects import SHIPPED, Subject, declarations
from refimpl.spec import Spec

__all__ = [
    "FollowsNothing",
    "from_function",
    "jax_function",
    "keras_optimizer",
    "optax_transformation",
    "torch_function",
    "torch_module",
    "torch_optimizer",
]


class FollowsNothing(AssertionError):
    """The implementation follows no combination of the rule's conventions; the message has the first difference from
    the nearest."""

    def __init__(self, name: str, found: Identification) -> None:
        self.found = found
        nearest = found.nearest()
        message = f"{name} follows {found.rule.__name__} under no combination of its conventions."
        if nearest is not None:
            conventions = ", ".join(f"{convention}={value!r}" for convention, value in nearest.conventions.items())
            message += f"\nThe nearest is {conventions or 'the rule itself'}.\nThe first difference from it: {nearest}"
        super().__init__(message)


def from_function(function: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A plain function of NumPy arrays, such as `conformance.identify` takes for rules of this kind."""
    return _adapted(Functions, function, rule, given, len(task_of(rule).arguments(rule)), "function")


def torch_optimizer(optimizer: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A class of torch.optim.Optimizer, or a function that takes parameters and returns one."""
    from conformance.adapters.torch_subjects import TorchOptimizer

    return _adapted(TorchOptimizer, optimizer, rule, given, 1)


def torch_function(function: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A function of tensors that PyTorch differentiates: an activation f(x, ...), or a loss f(prediction, target, ...).

    Of a `torch.autograd.Function` it is `apply`, with a function around it where it takes hyperparameters by position.
    """
    from conformance.adapters.torch_subjects import TorchFunction

    return _adapted(TorchFunction, function, rule, given, _arrays(rule))


def torch_module(module: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A class of torch.nn.Module without parameters, an activation or a loss; its constructor takes hyperparameters."""
    from conformance.adapters.torch_subjects import TorchModule

    return _adapted(TorchModule, module, rule, given, 0)


def optax_transformation(factory: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A function that makes an `optax.GradientTransformation` of hyperparameters, such as `optax.adam`."""
    from conformance.adapters.jax_subjects import OptaxTransformation

    return _adapted(OptaxTransformation, factory, rule, given, 0)


def jax_function(function: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A function of JAX arrays: an activation f(x, ...), or a loss f(prediction, target, ...)."""
    from conformance.adapters.jax_subjects import JaxFunction

    return _adapted(JaxFunction, function, rule, given, _arrays(rule))


def keras_optimizer(optimizer: Callable[..., Any], rule: type[Spec], **given: Any) -> type[Subject]:
    """A class of keras.optimizers.Optimizer, on the JAX backend."""
    from conformance.adapters.keras_subjects import KerasOptimizer

    return _adapted(KerasOptimizer, optimizer, rule, given, 0)


def _arrays(rule: type[Spec]) -> int:
    return len(task_of(rule).takes)


def _adapted(
    base: type[Subject],
    implementation: Callable[..., Any],
    rule: type[Spec],
    given: dict[str, Any],
    before: int,
    attribute: str = "implementation",
) -> type[Subject]:
    task = task_of(rule)
    arguments = arguments_of(implementation, rule, before)
    name = name_of(implementation)
    declared: dict[str, Any] = {
        "name": f"{name} of {getattr(implementation, '__module__', '?')}" if name in SHIPPED else name,
        "variants": {task.capability: base.variants[task.capability]},
        "conventions": {rule: {}},
        "arguments": arguments,
        attribute: staticmethod(implementation),
    }
    subject: type[Subject] = type(name, (base,), declared)
    subject.conventions = {rule: _conventions(subject, rule, arguments, given)}
    declarations.check(subject)
    return subject


def _conventions(
    subject: type[Subject], rule: type[Spec], arguments: Arguments, given: dict[str, Any]
) -> dict[str, Any]:
    """The fields that the implementation fixes: what was given, and else its defaults or what is identified."""
    task, names = task_of(rule), [f.name for f in fields(rule)]
    unknown = sorted(given.keys() - set(names))
    if unknown:
        raise ValueError(f"{rule.__name__} has no field {', '.join(unknown)}: it has {', '.join(names)}")
    defaults = {f.name: f.default for f in fields(rule)}
    lacking = {name: defaults[name] for name in hyperparameters(rule) if name not in arguments.names} | {
        name: value for name, value in given.items() if name not in rule.conventions()
    }
    open_ = [name for name in rule.conventions() if name not in given and name not in arguments.names]
    fixed = {name: value for name, value in given.items() if name in rule.conventions()}
    if open_:
        taken = [name for name in hyperparameters(rule) if name not in lacking]
        usual = {name: defaults[name] for name in rule.conventions() if name in arguments.names} | fixed
        dtype = "float64" if "float64" in subject.dtypes else subject.dtypes[0]
        instance = subject(subject.variants[task.capability][0], dtype)
        function = _named(
            task.of_subject(instance, lambda **h: rule(**lacking | h, **usual)), task.arguments(rule), taken
        )
        found = search(task, function, rule, usual | lacking, task.target(instance, rule))
        if not found.consistent:
            raise FollowsNothing(subject.name, found)
        fixed |= {name: found.consistent[0][name] for name in open_}
    return lacking | fixed


def _named(function: Callable[..., Any], arguments: tuple[str, ...], names: list[str]) -> Callable[..., Any]:
    """The function, with a signature that says which hyperparameters it takes."""
    positional = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_ONLY) for name in arguments]
    keywords = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]

    def call(*given: Any, **hyperparameters: Any) -> Any:
        return function(*given, **hyperparameters)

    call.__signature__ = inspect.Signature([*positional, *keywords])  # type: ignore[attr-defined]
    return call
