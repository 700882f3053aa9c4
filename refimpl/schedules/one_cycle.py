"""One cycle: the rate rises to a peak, falls, and falls on to a small part of where it began."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from refimpl.arithmetic import forms, from_double_double, product, to_double_double
from refimpl.schedules.cosine import share
from refimpl.schedules.schedule import Schedule, number
from refimpl.spec import convention, hyperparameter, whole


@dataclass(frozen=True)
class OneCycle(Schedule):
    """From peak / start_divisor up to the peak, and down to peak / start_divisor / end_divisor (Smith & Topin 2017).

    peak > 0, divisors > 0, steps >= 2. rise in (0, 1): the share of the steps until the peak; fallen in (0, 1): until
    the first rate again, where there are three phases. Each phase takes more than no time, or the spec is refused.
    """

    peak: float = hyperparameter(1e-1, above=0)
    steps: int = whole(1000, at_least=2)
    rise: float = hyperparameter(0.3, above=0, below=1)
    fallen: float = hyperparameter(0.6, above=0, below=1)
    start_divisor: float = hyperparameter(25.0, above=0)
    end_divisor: float = hyperparameter(1e4, above=0)
    phases: int = convention(
        {
            2: "up to the peak, and down to the last rate",
            3: "up to the peak, down to the first rate, and down to the last one",
        }
    )
    shape: str = convention({"cosine": "each phase is half a cosine", "linear": "each phase is a line"})
    counting: str = convention(
        {
            "first_to_last": "step steps - 1 has the last rate, and there is none after; the peak is at step "
            "rise * steps - 1, the first rate again at fallen * steps - 2, whole or not (PyTorch)",
            "rounded_down": "step `steps` has the last rate, which stays; peak and first rate again are at steps "
            "rise * steps and fallen * steps, rounded down (optax)",
        }
    )

    def check(self) -> None:
        if self.phases == 3 and self.fallen <= self.rise:
            self.refuse("fallen", self.fallen, f"above rise = {self.rise!r} where phases = 3")
        if any(begin >= end for begin, end in pairwise(map(from_double_double, self._ends(self)))):
            allowed = "such that each phase takes time: choose more steps, or other shares rise and fallen"
            self.refuse("steps", self.steps, allowed)

    def _rate(self, step: np.ndarray, h: Any, like: Any) -> Any:
        if self.counting == "first_to_last" and step.max(initial=0) >= self.steps:
            allowed = f"below steps = {self.steps} where counting is 'first_to_last'"
            raise ValueError(f"OneCycle: step must be {allowed}, got {step!r}")
        step = np.minimum(step, self.steps)
        begin, *ends = self._ends(h)
        first, *rates = self._levels(h)
        phases = list(zip(pairwise((begin, *ends)), pairwise((first, *rates)), strict=True))
        found = self._phase(step, *phases[-1], like)
        for times, levels in reversed(phases[:-1]):
            found = np.where(step <= from_double_double(times[1]), self._phase(step, times, levels, like), found)
        return found

    def _ends(self, h: Any) -> list[Any]:
        """The times at which phases begin and end, in steps."""
        inner = slice(self.phases - 1)
        if self.counting == "rounded_down":  # Python's floats decide, as they do in optax
            return [0, *[int(self.rise * self.steps), int(self.fallen * self.steps)][inner], self.steps]
        return [
            0,
            *[to_double_double(h.rise) * self.steps - 1, to_double_double(h.fallen) * self.steps - 2][inner],
            self.steps - 1,
        ]

    def _levels(self, h: Any) -> list[Any]:
        """The rates at these times. optax multiplies the first one by factors that lead from each to the next."""
        up, down = h.start_divisor, h.end_divisor
        first = h.peak / up
        back = forms(lambda: first, lambda: product(first, up, 1 / up))
        last = forms(
            lambda: first / down,
            lambda: product(first, up, 1 / up, 1 / down),
            lambda: product(first, up, 1 / (up * down)),
        )
        return [first, forms(lambda: h.peak, lambda: product(first, up)), *[back][: self.phases - 2], last]

    def _phase(self, step: np.ndarray, times: tuple[Any, Any], levels: tuple[Any, Any], like: Any) -> Any:
        (begin, end), (start, stop), now = times, levels, to_double_double(number(step, like))
        done, left, length = now - begin, end - now, end - begin
        if self.shape == "linear":
            return forms(
                lambda: from_double_double(start * (left / length) + stop * (done / length)),
                lambda: (stop - start) * (done / length) + start,
            )
        return forms(
            lambda: from_double_double(start * share(left, length) + stop * share(done, length)),
            lambda: stop + (start - stop) / 2 * (np.cos(np.pi * (done / length)) + 1),
        )
