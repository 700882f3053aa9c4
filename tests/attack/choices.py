"""The decisions of an adversary where a target leaves a choice: at random, always one way, or the worst so far."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_OFTEN = np.array([-1, -1, -1, 0, 1, 1, 1, 2], np.int8)
_ENDS = np.array([-1, 1], np.int8)


class Choices:
    """Decisions in the order in which they are requested; the same ones in each evaluation.

    seed: of everything that is random. lean: 1 or -1 makes that every direction; None draws them.
    """

    def __init__(self, seed: int, lean: int | None = None, made: tuple[list, list] | None = None) -> None:
        self.seed, self.lean = seed, lean
        self.directions, self.picks = made or ([], [])
        self.rng = np.random.default_rng(seed)
        self.requested = [0, 0]

    def restarted(self) -> Choices:
        """The same decisions, for one more evaluation of the same formula."""
        again = Choices(self.seed, self.lean, (self.directions, self.picks))
        again.rng = self.rng  # further decisions, if any, continue its sequence
        return again

    def direction(self, shape: tuple[int, ...]) -> np.ndarray:
        """For each element 1, the largest outcome; -1, the smallest; 0, the usual one; or 2, one between."""
        at, self.requested[0] = self.requested[0], self.requested[0] + 1
        if at < len(self.directions) and self.directions[at].shape == shape:
            return self.directions[at]
        if self.lean is not None:
            made = np.full(shape, self.lean, np.int8)
        else:
            made = _OFTEN[self.rng.integers(len(_OFTEN), size=shape, dtype=np.int8)]
        self.directions[at:] = [made]
        return made

    def pick(self, count: int) -> int:
        """One of the numbers 0 to count - 1."""
        at, self.requested[1] = self.requested[1], self.requested[1] + 1
        if at == len(self.picks):
            self.picks.append(int(self.rng.integers(count)))
        return self.picks[at] % count

    # --- climbing ---

    def changed(self, rng: np.random.Generator, share: float) -> Choices:
        """The decisions with about this share of the directions reversed."""
        reversed_ = [
            np.where(rng.random(d.shape) < share, np.where(np.abs(d) == 1, -d, rng.choice(_ENDS, d.shape)), d)
            for d in self.directions
        ]
        trial = Choices(self.seed, self.lean, (reversed_, list(self.picks)))
        trial.rng = self.rng
        return trial

    def taking(self, other: Choices, better: np.ndarray) -> Choices:
        """The decisions of `other` where it is better; all of them where a decision is not for a single element."""
        any_better = bool(np.any(better))
        made = []
        for mine, its in zip(self.directions, other.directions, strict=True):
            if better.ndim and mine.shape[mine.ndim - better.ndim :] == better.shape:
                made.append(np.where(better, its, mine))
            else:
                made.append(its if any_better and better.ndim == 0 else mine)
        return Choices(self.seed, self.lean, (made, self.picks))


def climbed(evaluate: Callable[[Choices], np.ndarray], seed: int, rounds: int, elementwise: bool) -> np.ndarray:
    """The worst ratios that hill climbing finds from random decisions. elementwise: each element climbs alone."""
    rng = np.random.default_rng([seed, 1])
    choices = Choices(seed)
    worst = evaluate(choices)
    for k in range(rounds):
        trial = choices.restarted().changed(rng, (0.5, 0.2, 0.1, 0.05)[k % 4])
        found = evaluate(trial)
        if len(trial.directions) != len(choices.directions):
            continue  # a comparison led the evaluation elsewhere
        better = np.nan_to_num(found, nan=0.0) > np.nan_to_num(worst, nan=0.0)
        if not elementwise:
            better = np.asarray(np.max(np.nan_to_num(found, nan=0.0)) > np.max(np.nan_to_num(worst, nan=0.0)))
        if better.any():
            choices = choices.taking(trial, better)
            worst = np.where(better, found, worst)
    return worst
