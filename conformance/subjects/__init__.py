"""The implementations under test, and what each must offer and declare.

`subject` is the contract: methods with NumPy arrays at the boundary, and declarations of formats, variants,
conventions and profiles, which `declarations` checks. `table` has the rows of a library's table: what it has of a rule.
`reproduction` shows a defect of a library. `reference` is refimpl itself; `torch`, `jax` and `keras` drive the
libraries, which nothing else imports. `load` finds a shipped subject by its name, and any other by
package.module:Class.
"""

from __future__ import annotations

import importlib

from conformance.subjects import declarations
from conformance.subjects.subject import NoDevice, OptimizerRun, Subject, Unsupported

SHIPPED = {
    "refimpl": "conformance.subjects.reference:Reference",
    "torch": "conformance.subjects.torch:Torch",
    "jax": "conformance.subjects.jax:Jax",
    "keras": "conformance.subjects.keras:Keras",
    "keras-tensorflow": "conformance.subjects.keras.with_tensorflow:KerasTensorFlow",
}

# What runs when no subject is named: the subjects of the default set-up.
DEFAULT = ("refimpl", "torch", "jax")

__all__ = ["DEFAULT", "SHIPPED", "NoDevice", "OptimizerRun", "Subject", "Unsupported", "load"]


def load(name: str) -> type[Subject]:
    """The subject class called `name`: a shipped one, or package.module:Class.

    Raises ValueError, saying what is allowed, when there is none, or when it declares what has no meaning.
    """
    path = SHIPPED.get(name, name)
    module_name, colon, class_name = path.partition(":")
    if not colon or not module_name or not class_name or module_name.startswith("."):
        shipped = ", ".join(SHIPPED)
        raise ValueError(
            f"unknown subject {name!r}: the shipped ones are {shipped}; name your own as package.module:Class"
        )
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        if not f"{module_name}.".startswith(f"{problem.name}."):
            raise ValueError(
                f"subject {name!r}: {module_name} imports a module that is missing: {problem}"
            ) from problem
        raise ValueError(
            f"subject {name!r}: {problem}; the module must be importable from here (set PYTHONPATH, or install it)"
        ) from problem
    subject = getattr(module, class_name, None)
    if not (isinstance(subject, type) and issubclass(subject, Subject)):
        raise ValueError(f"subject {name!r}: {module_name} has no class {class_name} derived from conformance.Subject")
    try:
        declarations.check(subject)
    except ValueError as problem:
        raise ValueError(f"subject {name!r}: {problem}") from None
    # By its name a subject is given the divergences that are known of it.
    if name not in SHIPPED and subject.name in SHIPPED and not issubclass(subject, load(subject.name)):
        raise ValueError(f"subject {name!r}: name must be none of {', '.join(SHIPPED)}, got {subject.name!r}")
    return subject
