"""How a subject runs JAX: in its precision and on its device, compiled or eager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeAlias

from conformance.subjects.subject import Subject
from refimpl.types import Tree

Function: TypeAlias = Callable[..., Tree]


class Execution(Subject):
    """A subject whose variant "jit" is compiled."""

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within it JAX has this subject's precision and device, and no TF32 in products; afterwards what it had."""
        import jax

        with (
            jax.enable_x64(self.dtype == "float64"),
            jax.default_device(jax.devices(self.device)[0]),
            jax.default_matmul_precision("highest"),
        ):
            yield

    def function(self, build: Callable[..., Function], *arguments: object) -> Function:
        """build(*arguments), compiled in the variant "jit"; for equal arguments the same function again."""
        return _function(build, arguments, self.variant == "jit")


@lru_cache(maxsize=512)
def _function(build: Callable[..., Function], arguments: tuple[object, ...], jit: bool) -> Function:
    import jax

    function = build(*arguments)
    return jax.jit(function) if jit else function
