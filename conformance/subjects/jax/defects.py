"""Defects of JAX and optax that no case shows, each in a few lines: what they give, what is wrong, what is right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax

import refimpl
from conformance.subjects.reproduction import Reproduction


def rprop_takes_the_step_before() -> Reproduction:
    """Steps in powers of two, so that every number is exact: the gradient turns round in the fourth."""
    spec = refimpl.Rprop(learning_rate=0.25, growth=2.0, shrinkage=0.5)
    gradients = np.array([1.0, 1.0, 1.0, -1.0, 1.0], dtype=np.float32)
    rule = optax.rprop(0.25, eta_minus=0.5, eta_plus=2.0)
    return Reproduction(
        actual=_path(rule, gradients),
        wrong=_path_of(replace(spec, taken="stale"), gradients),
        right=_path_of(spec, gradients),
    )


def _path(rule: optax.GradientTransformation, gradients: Iterable[np.floating]) -> np.ndarray:
    """The parameter after each step, from 1."""
    parameter = jnp.ones(())
    state, path = rule.init(parameter), []
    for gradient in gradients:
        update, state = rule.update(jnp.asarray(gradient), state, parameter)
        parameter = optax.apply_updates(parameter, update)
        path.append(np.asarray(parameter))
    return np.array(path)


def _path_of(spec: refimpl.Optimizer, gradients: Iterable[np.floating]) -> np.ndarray:
    parameter = np.ones(())
    state, path = spec.init(parameter), []
    for gradient in gradients:
        parameter, state = spec.step(parameter, np.asarray(float(gradient)), state)
        path.append(parameter)
    return np.array(path)


def zero_gradients_in_float16() -> Reproduction:
    """By six optimizers: epsilon, 1e-8 or 1e-16, is 0 in float16."""
    optimizers: dict[Callable[[float], optax.GradientTransformation], refimpl.Optimizer] = {
        optax.adam: refimpl.Adam(),
        optax.amsgrad: refimpl.AMSGrad(),
        optax.adamax: refimpl.Adamax(),
        optax.nadam: refimpl.NAdam(),
        optax.rmsprop: refimpl.RMSprop(),
        optax.adabelief: refimpl.AdaBelief(),
    }
    start, ends, right = jnp.ones((), jnp.float16), [], []
    for optimizer, spec in optimizers.items():
        rule = optimizer(0.5)
        update, _ = rule.update(jnp.zeros_like(start), rule.init(start), start)
        ends.append(float(start + update))
        right.append(float(spec.step(np.ones(()), np.zeros(()), spec.init(np.ones(())))[0]))
    return Reproduction(np.array(ends), wrong=np.full(len(optimizers), np.nan), right=np.array(right))


def large_gradient_in_float16() -> Reproduction:
    """The norm of one entry is that entry, but its square is beyond float16."""
    gradient, max_norm = np.array([300.0], dtype=np.float16), np.float16(1.0)
    rule = optax.clip_by_global_norm(1.0)
    clipped = rule.update(jnp.asarray(gradient), rule.init(gradient))[0]
    with np.errstate(over="ignore"):
        norm = np.sqrt(gradient * gradient)
    right = refimpl.ClipByGlobalNorm(max_norm=1.0).apply(gradient.astype(np.float64))
    return Reproduction(np.asarray(clipped), wrong=gradient / norm * max_norm, right=right)


def logsumexp_of_minus_infinities() -> Reproduction:
    """Equal logits, however low, are one half each."""
    return Reproduction(
        actual=_gradient(jax.nn.logsumexp, [-np.inf, -np.inf]),
        wrong=np.full(2, np.nan),
        right=refimpl.Softmax().forward(np.full(2, -1e300)),
    )


def branch_not_taken() -> Reproduction:
    """The root at 0 is not taken, and its infinite derivative, times 0, is NaN."""
    return Reproduction(
        actual=_gradient(lambda x: jnp.where(x > 0, jnp.sqrt(x), 0.0).sum(), [0.0, 4.0]),
        wrong=np.array([np.nan, 0.25]),
        right=np.array([0.0, 0.25]),
    )


def norm_and_deviation_at_their_smallest() -> Reproduction:
    """The Euclidean norm of zeros and the standard deviation of equal numbers, where 0 is a subgradient of both."""
    norm = _gradient(jnp.linalg.norm, [0.0, 0.0])
    deviation = _gradient(jnp.std, [3.0, 3.0])
    return Reproduction(np.stack([norm, deviation]), wrong=np.full((2, 2), np.nan), right=np.zeros((2, 2)))


def _gradient(function: Callable[[jax.Array], jax.Array], at: list[float]) -> np.ndarray:
    return np.asarray(jax.grad(function)(jnp.asarray(at)))


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "optax-rprop-one-step-stale": rprop_takes_the_step_before,
    "optax-float16-zero-gradient": zero_gradients_in_float16,
    "optax-float16-large-gradient": large_gradient_in_float16,
    "jax-logsumexp-nan": logsumexp_of_minus_infinities,
    "jax-where-nan": branch_not_taken,
    "jax-norm-nan": norm_and_deviation_at_their_smallest,
}
