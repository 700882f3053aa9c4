"""JAX with optax as a subject: what it offers and declares; each capability has a file, imported when it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from conformance.subjects.subject import NotOffered, OptimizerRun, Subject
from refimpl.clipping import ClipByGlobalNorm, ClipByValue, WeightClipping
from refimpl.initializers import Normal, Orthogonal, TruncatedNormal, Uniform, VarianceScaling
from refimpl.optimizers import SGD, Adagrad, Adam, AdamW, RMSprop
from refimpl.schedules import Constant, Cosine, Exponential, Linear, StepDecay, WarmUp

_CAPABILITIES = ("optimizer", "clip", "schedule", "initializer")
_REMEDY = "pip install 'refimpl[jax]'"


class Jax(Subject):
    """optax's optimizers, clipping and schedules, JAX's initializers: eager and compiled by jax.jit.

    float32 runs with 64-bit types switched off, as JAX does by default, float64 with them on. Then Python floats meet
    arrays as weakly typed constants: what optax forms of hyperparameters alone (1 - decay, -learning_rate) is float64,
    rounded once. decay**count is raised in the format of the arrays, because the count is an array.
    """

    name = "jax"
    variants = {capability: ("eager", "jit") for capability in _CAPABILITIES}
    conventions = {
        SGD: {"dampening": 0.0, "first_velocity": "gradient", "rate": "outside"},
        Adagrad: {"learning_rate_decay": 0.0, "epsilon_placement": "inside_where_positive"},
        RMSprop: {"epsilon_placement": "inside", "rate": "inside"},
        Adam: {"epsilon_placement": "outside"},
        AdamW: {"epsilon_placement": "outside"},
        ClipByGlobalNorm: {"epsilon": 0.0},
        ClipByValue: {},
        WeightClipping: {},
        Constant: {},
        Linear: {"evaluation": "closed"},
        Exponential: {"evaluation": "closed"},
        StepDecay: {"boundary": "at", "evaluation": "closed"},
        Cosine: {"after_end": "holds", "evaluation": "closed"},
        WarmUp: {"clock": "after", "evaluation": "closed"},
        Uniform: {"low": 0.0},
        Normal: {"mean": 0.0},
        TruncatedNormal: {"mean": 0.0, "bounds": "relative"},
        VarianceScaling: {"truncation": "corrected", "layout": "input_output"},
        Orthogonal: {"layout": "input_output"},
    }
    profile = "jax-cpu"
    powers = {"float32": "float32"}
    flush_to_zero = frozenset({"float32", "float64"})

    @classmethod
    def version(cls) -> str:
        try:
            import jax
        except ImportError as problem:
            raise ImportError(f"JAX is not installed: {_REMEDY}") from problem
        try:
            import optax
        except ImportError as problem:
            raise ImportError(f"optax is not installed: {_REMEDY}") from problem
        return f"jax {jax.__version__}, optax {optax.__version__}"

    @classmethod
    def devices(cls) -> tuple[str, ...]:
        import jax

        return ("cpu", *sorted({device.platform for device in jax.devices()} - {"cpu"}))

    @contextmanager
    def arithmetic(self) -> Iterator[None]:
        """Within it JAX computes in this subject's formats, on its device, and without TF32; afterwards as before."""
        import jax

        device = jax.devices(self.device)[0]
        with (
            jax.enable_x64(self.dtype == "float64"),
            jax.default_device(device),
            jax.default_matmul_precision("highest"),
        ):
            yield

    def function(self, build: Callable[..., Callable], *arguments: Any) -> Callable:
        """build(*arguments), under jax.jit in the variant "jit"; the same function for equal arguments."""
        return _function(build, arguments, self.variant == "jit")

    def offered(self, spec: Any) -> None:
        """Raises NotOffered where `spec` is not under the conventions declared above."""
        for name, value in self.fixed(type(spec)).items():
            if getattr(spec, name) != value:
                found = f"{type(spec).__name__}({name}={getattr(spec, name)!r})"
                raise NotOffered(f"{self.name} has no {found}: there {name} is always {value!r}")

    def smoke(self) -> None:
        from conformance.subjects.jax.arrays import to_jax, to_numpy

        sent = np.arange(6, dtype=self.array_dtype).reshape(2, 3)
        with self.arithmetic():
            there = to_jax(sent)
            received = to_numpy(there, sent)
        platforms = {device.platform for device in there.devices()}
        if received.dtype != sent.dtype or not np.array_equal(received, sent) or platforms != {self.device}:
            raise RuntimeError(f"{self!r}: sent {sent!r}, received {received!r} from {platforms}")

    def optimizer(self, spec: Any, parameters: Any) -> OptimizerRun:
        from conformance.subjects.jax.optimizers import Run

        self.offered(spec)
        return Run(self, spec, parameters)

    def clip(self, spec: Any, gradients: Any) -> Any:
        from conformance.subjects.jax.arrays import to_jax, to_numpy
        from conformance.subjects.jax.clipping import clipping

        self.offered(spec)
        with self.arithmetic():
            return to_numpy(self.function(clipping, spec)(to_jax(gradients)), gradients)

    def schedule(self, spec: Any, steps: int) -> np.ndarray:
        import jax.numpy as jnp

        from conformance.subjects.jax.schedules import rates

        self.offered(spec)
        with self.arithmetic():
            return np.array(self.function(rates, spec)(jnp.arange(steps)))

    def initializer(self, spec: Any, shape: tuple[int, ...], seed: int) -> np.ndarray:
        import jax

        from conformance.subjects.jax.initializers import draw

        self.offered(spec)
        with self.arithmetic():
            return np.array(self.function(draw, spec, shape, self.dtype)(jax.random.key(seed)))


@lru_cache(maxsize=512)
def _function(build: Callable[..., Callable], arguments: tuple, jit: bool) -> Callable:
    import jax

    function = build(*arguments)
    return jax.jit(function) if jit else function
