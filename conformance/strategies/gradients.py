"""Gradient histories for many elements at once: each element follows a pattern of its own."""

from __future__ import annotations

import numpy as np

from refimpl.arithmetic import FORMATS

PATTERNS = (
    "random", "constant", "zero", "spike", "sign_flips", "decreasing", "increasing", "sparse", "tiny", "huge",
    "around_epsilon",
)  # fmt: skip


def gradient_history(generator: np.random.Generator, steps: int, elements: int, dtype: str) -> np.ndarray:
    """Gradients of shape (steps, elements), representable in `dtype`; element i follows PATTERNS[i % len(PATTERNS)]."""
    random = generator.standard_normal((steps, elements))
    scale = 10.0 ** generator.uniform(-4, 3, elements)
    t = np.arange(steps)[:, None]
    # Squares of the extremes stay in the format's range: beyond it no rule has a value to compare with.
    largest, smallest = (0.4 * np.log10(x) for x in (FORMATS[dtype].largest, FORMATS[dtype].smallest_normal))
    ratio = generator.uniform(0.6, 0.99, elements)
    histories = {
        "random": random * scale,
        "constant": np.broadcast_to(random[0] * scale, random.shape),
        "zero": np.zeros_like(random),
        "spike": np.where(t == 0, random * scale, 0.0),
        "sign_flips": np.where(t % 2 == 0, 1.0, -1.0) * np.abs(random[0]) * scale,
        "decreasing": random[0] * scale * ratio**t,
        "increasing": random[0] * scale * 1e-3 / ratio ** np.minimum(t, 20),
        "sparse": np.where(generator.random((steps, elements)) < 0.1, random * scale, 0.0),
        "tiny": random * 10.0 ** generator.uniform(smallest, max(smallest, -8), elements),
        "huge": random * 10.0 ** generator.uniform(min(4, largest), largest, elements),
        "around_epsilon": random * 10.0 ** generator.uniform(-12, -5, elements),
    }
    chosen = np.arange(elements) % len(PATTERNS)
    history = np.empty((steps, elements))
    for number, name in enumerate(PATTERNS):
        history[:, chosen == number] = histories[name][:, chosen == number]
    return representable(history, dtype)


def representable(values: np.ndarray, dtype: str) -> np.ndarray:
    """The values rounded to `dtype` as float64. Subnormal numbers become zero: targets differ in what they keep."""
    rounded = FORMATS[dtype].round(values)
    return np.where(np.abs(rounded) < FORMATS[dtype].smallest_normal, 0.0, rounded)


def parameters(generator: np.random.Generator, elements: int, dtype: str) -> np.ndarray:
    """Start values of shape (elements,): all magnitudes of practice, zeros and powers of two among them."""
    values = generator.standard_normal(elements) * 10.0 ** generator.uniform(-3, 2, elements)
    values[::7] = 2.0 ** generator.integers(-4, 6, values[::7].shape)
    values[3::11] = 0.0
    return representable(values, dtype)
