"""What a run draws: how many examples of Hypothesis, how large, and whether the same ones each time or others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from hypothesis import HealthCheck, Phase, settings

EXAMPLES = 3  # of Hypothesis per case; one holds hundreds of elements, and with so many no seeded fault survives
SIZE = 1  # times the elements that a case's own shapes have

# Of the whole process, as Hypothesis's profile is.
_size: int = SIZE
_seed: int | None = None


def load_profile(examples: int = EXAMPLES, size: int = SIZE, seed: int | None = None) -> None:
    """Sets the whole process up. Without a seed every run draws the same; seed: at least 0, that of Hypothesis."""
    global _size, _seed
    _size, _seed = size, seed
    settings.register_profile(
        "conformance",
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        # The cases themselves reduce failures to one element and its steps: see conformance.trajectories.program.
        phases=(Phase.explicit, Phase.generate),
        # Draws may be large and slow, but a case that throws most of them away fails.
        suppress_health_check=[check for check in HealthCheck if check is not HealthCheck.filter_too_much],
        print_blob=False,
    )
    settings.load_profile("conformance")


@contextmanager
def drawing() -> Iterator[None]:
    """Hypothesis draws as in a run, and afterwards as before: for a check in somebody's own tests."""
    before = settings.get_current_profile_name()
    load_profile(EXAMPLES, _size, _seed)
    try:
        yield
    finally:
        settings.load_profile(before)


def size() -> int:
    """How many times the elements of a case's own shapes are drawn."""
    return _size


def enlarged(shape: tuple[int, ...], axis: int = 0) -> tuple[int, ...]:
    """The shape with `axis` so many times longer as the run is to be larger; () stays ()."""
    axis %= len(shape) or 1
    return tuple(length * _size if number == axis else length for number, length in enumerate(shape))


def random_numbers(number: int) -> np.random.Generator:
    """The random numbers of draw `number`: the same in every run, or those of the run's seed.

    Without the seed in it, what Hypothesis tries first, draw 0 of the simplest example, would be the same in every run.
    """
    # Zeros at the end of NumPy's seeds change nothing: the last number is at least 1.
    return np.random.default_rng(number if _seed is None else [number, _seed + 1])
