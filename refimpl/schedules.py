"""Learning-rate schedules: the rate as a function of the steps taken before, conventions as named fields."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from refimpl.arithmetic import collapsed, extended, forms, pi, quotient
from refimpl.arithmetic.dispatch import Twin
from refimpl.spec import Spec, convention, hyperparameter, whole

_LARGEST_STEP = 2**53  # float64 counts exactly up to here

_EVALUATION = {
    "closed": "each rate from its step alone (optax, Keras)",
    "recursive": "each rate from the one before (PyTorch's schedulers)",
}


@dataclass(frozen=True)
class Schedule(Spec):
    """A learning rate that depends on the steps taken before: the first update uses rate(0).

    Where a schedule has the convention `evaluation`, both values mean the same rates; bounds of a running-error
    evaluation cover the roundings of the recursion where it is declared, at a cost that grows with the step.
    """

    def rate(self, step: Any, like: Any = None) -> Any:
        """The rate at `step`, an integer in [0, 2**53] or an integer array of any shape: a float, or a float64 array.

        With `like`, a running-error or multiprecision array, the rate comes in the arithmetic of its hyperparameters.
        Raises TypeError for steps that are not integers, ValueError for steps out of range.
        """
        step = _counts(step)
        rate = self._rate(step, self.hyperparameters(like), like)
        if isinstance(like, Twin):
            return rate
        return np.array(rate, dtype=np.float64) if step.ndim else float(rate)

    @abstractmethod
    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        """The rates at an int64 array of steps; `h` has the fields as numbers of the arithmetic of `like`."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at each step; learning_rate >= 0."""

    learning_rate: float = hyperparameter(1e-3, at_least=0)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        return np.broadcast_to(h.learning_rate, step.shape)


@dataclass(frozen=True)
class Linear(Schedule):
    """From start (>= 0, at step 0) to end (>= 0, at step `steps` >= 1 and after) in equal steps, up or down.

    The recursive evaluation divides by the start, which must then be > 0.
    """

    start: float = hyperparameter(1e-1, at_least=0)
    end: float = hyperparameter(0.0, at_least=0)
    steps: int = whole(1000, at_least=1)
    evaluation: str = convention(_EVALUATION)

    def check(self) -> None:
        if self.evaluation == "recursive" and self.start == 0:
            self.refuse("evaluation", "recursive", "'closed' unless start > 0")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        return _line(h.start, h.end, step, self.steps, self.evaluation, like)


@dataclass(frozen=True)
class Exponential(Schedule):
    """initial * decay ** (step / decay_steps): initial >= 0, decay > 0 (above 1 it grows), decay_steps >= 1.

    The recursive evaluation multiplies by decay, so that it needs the staircase or decay_steps = 1.
    """

    initial: float = hyperparameter(1e-1, at_least=0)
    decay: float = hyperparameter(0.96, above=0)
    decay_steps: int = whole(1, at_least=1)
    staircase: bool = convention({False: "decays at each step", True: "decays at each decay_steps-th step"})
    evaluation: str = convention(_EVALUATION)

    def check(self) -> None:
        if self.evaluation == "recursive" and self.decay_steps > 1 and not self.staircase:
            self.refuse("evaluation", "recursive", "'closed' unless staircase is True or decay_steps = 1")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        periods, rest = np.divmod(step, self.decay_steps)
        decayed = _decayed(h.initial, h.decay, periods, self.evaluation, like)
        if self.staircase or self.decay_steps == 1:
            return decayed
        # A large exponent magnifies its own rounding, a whole one has none.
        return forms(
            lambda: decayed * h.decay ** (_number(rest, like) / self.decay_steps),
            lambda: h.initial * h.decay ** (_number(step, like) / self.decay_steps),
        )


@dataclass(frozen=True)
class StepDecay(Schedule):
    """initial (>= 0) times factor (> 0) once for every `every` (>= 1) steps."""

    initial: float = hyperparameter(1e-1, at_least=0)
    factor: float = hyperparameter(0.1, above=0)
    every: int = whole(30, at_least=1)
    boundary: str = convention(
        {
            "at": "the rate at step `every` is the first one decayed (PyTorch, optax)",
            "after": "the rate at step `every` + 1 is the first one decayed (Keras's PiecewiseConstantDecay)",
        }
    )
    evaluation: str = convention(_EVALUATION)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        passed = step if self.boundary == "at" else np.maximum(step - 1, 0)
        return _decayed(h.initial, h.factor, passed // self.every, self.evaluation, like)


@dataclass(frozen=True)
class InverseTime(Schedule):
    """initial / (1 + decay * step / decay_steps): initial >= 0, decay >= 0, decay_steps >= 1."""

    initial: float = hyperparameter(1e-1, at_least=0)
    decay: float = hyperparameter(1.0, at_least=0)
    decay_steps: int = whole(1, at_least=1)
    staircase: bool = convention({False: "decays at each step", True: "decays at each decay_steps-th step"})

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        if self.staircase:
            return quotient(h.initial, 1 + h.decay * _number(step // self.decay_steps, like))
        return forms(
            lambda: quotient(h.initial, 1 + h.decay * (_number(step, like) / self.decay_steps)),
            lambda: quotient(h.initial, 1 + h.decay * _number(step, like) / self.decay_steps),
        )


@dataclass(frozen=True)
class Cosine(Schedule):
    """floor + (peak - floor) * (1 + cos(pi * step / steps)) / 2 (Loshchilov & Hutter 2017, equation 5).

    peak > 0 (at step 0), floor >= 0 (at step `steps` >= 1). Cosine(floor, peak, ...) rises.
    """

    peak: float = hyperparameter(1e-1, above=0)
    floor: float = hyperparameter(0.0, at_least=0)
    steps: int = whole(1000, at_least=1)
    after_end: str = convention(
        {
            "holds": "stays at the floor (optax, Keras)",
            "rises": "follows the cosine back to the peak, and so on (PyTorch)",
        }
    )
    evaluation: str = convention(_EVALUATION)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        if self.after_end == "holds":
            step = np.minimum(step, self.steps)
        phase = step % (2 * self.steps)
        passed = np.minimum(phase, 2 * self.steps - phase)

        def share(part: np.ndarray) -> Any:  # (1 - cos(pi * part / steps)) / 2, which cancels where part is small
            count = extended(_number(part, like))
            sine = np.sin(count * pi(count) / (2 * self.steps))  # extended: a square doubles the error
            return sine * sine

        def raised_cosine(step: Any) -> Any:
            return (1 + np.cos(np.pi * _number(step, like) / self.steps)) / 2

        def closed() -> Any:
            ratio = h.floor / h.peak
            return forms(
                lambda: collapsed(h.peak * share(self.steps - passed) + h.floor * share(passed)),
                lambda: h.floor + (h.peak - h.floor) * raised_cosine(step),
                lambda: h.peak * ((1 - ratio) * raised_cosine(step) + ratio),
            )

        def next_rate(rate: Any, now: int) -> Any:
            if (now - 1 - self.steps) % (2 * self.steps) == 0:  # the rate before was the floor: no ratio leads on
                return rate + (h.peak - h.floor) * (1 - raised_cosine(1))
            return raised_cosine(now) / raised_cosine(now - 1) * (rate - h.floor) + h.floor

        if self.evaluation == "closed":
            return closed()
        first = h.floor + (h.peak - h.floor) * raised_cosine(0)
        return forms(closed, lambda: _recursive(first, next_rate, step))


@dataclass(frozen=True)
class WarmUp(Schedule):
    """From start (>= 0, at step 0) in equal steps up (or down) to the schedule's first rate; then the schedule.

    The schedule has the say from step `steps` (>= 1) on. `evaluation` is that of the warm-up alone; the recursive one
    divides by the start, which must then be > 0.
    """

    schedule: Schedule = Constant()
    steps: int = whole(100, at_least=1)
    start: float = hyperparameter(0.0, at_least=0)
    clock: str = convention(
        {
            "after": "the schedule counts steps from the end of the warm-up: it begins with its own first rate",
            "from_start": "the schedule counts the steps of the warm-up too: the rate may jump at its end",
        }
    )
    evaluation: str = convention(_EVALUATION)

    def check(self) -> None:
        if not isinstance(self.schedule, Schedule):
            self.refuse("schedule", self.schedule, "a Schedule, such as Constant(learning_rate=0.1)")
        if self.evaluation == "recursive" and self.start == 0:
            self.refuse("evaluation", "recursive", "'closed' unless start > 0")

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        warming = _line(h.start, self.schedule.rate(0, like), step, self.steps, self.evaluation, like)
        counted = np.maximum(step - self.steps, 0) if self.clock == "after" else step
        return np.where(step < self.steps, warming, self.schedule.rate(counted, like))


# --- formulas that several schedules share ---------------------------------------------------------------------------


def _line(start: Any, end: Any, step: np.ndarray, steps: int, evaluation: str, like: Any) -> Any:
    """From start to end in `steps` equal steps, then the end; every term of the first form has one sign."""
    step = np.minimum(step, steps)

    def closed() -> Any:
        passed = _number(step, like) / steps
        return forms(
            lambda: start * (_number(steps - step, like) / steps) + end * passed,
            lambda: (start - end) * (1 - passed) + end,
            lambda: start + (end - start) * passed,
        )

    def by_factors() -> Any:  # of the larger rate, which is PyTorch's parametrization
        base = np.maximum(start, end)
        first, change = start / base, (end - start) / base
        return _recursive(
            base * first, lambda rate, now: rate * (1 + change / (steps * first + (now - 1) * change)), step
        )

    def by_differences() -> Any:
        change = (end - start) / steps
        return _recursive(start, lambda rate, _: rate + change, step)

    return closed() if evaluation == "closed" else forms(closed, by_factors, by_differences)


def _decayed(initial: Any, factor: Any, times: np.ndarray, evaluation: str, like: Any) -> Any:
    def closed() -> Any:
        return initial * factor ** _number(times, like)

    if evaluation == "closed":
        return closed()
    return forms(closed, lambda: _recursive(initial, lambda rate, _: rate * factor, times))


def _recursive(first: Any, next_rate: Callable[[Any, int], Any], step: np.ndarray) -> Any:
    """The rates at `step`, from the first one and next_rate(rate before, its step)."""
    rates = [first]
    for now in range(1, int(step.max(initial=0)) + 1):
        rates.append(next_rate(rates[-1], now))
    return np.stack(rates)[step]


def _number(count: Any, like: Any) -> Any:
    """Integers, exact in float64, as numbers of the arithmetic that the hyperparameters of `like` are computed in."""
    return like.hyperparameter(0.0).constant(count) if isinstance(like, Twin) else np.asarray(count, dtype=np.float64)


def _counts(step: Any) -> np.ndarray:
    counts = np.asarray(step)
    if counts.dtype.kind not in "iu":
        raise TypeError(f"step must be an integer >= 0 or an array of them, got {type(step).__name__} {step!r}")
    if counts.size and not (counts.min() >= 0 and counts.max() <= _LARGEST_STEP):
        raise ValueError(f"step must be in [0, 2**53], got {step!r}")
    return counts.astype(np.int64)
