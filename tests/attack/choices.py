"""What an adversary decides where a target leaves a choice: at random, always one way, or the worst that was found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_OFTEN = np.array([-1, -1, -1, 0, 1, 1, 1, 2], np.int8)
_ENDS = np.array([-1, 1], np.int8)


class Choices:
    """Decisions in the order in which they are asked for; the same ones in each evaluation.

    seed: of all that is random. lean: 1 or -1, where every direction is that one; None, where they are drawn.
    """

    def __init__(self, seed: int, lean: int | None = None, made: tuple[list, list] | None = None) -> None:
        self.seed, self.lean = seed, lean
        self.directions, self.picks = made or ([], [])
        self.rng = np.random.default_rng(seed)
        self.asked = [0, 0]

    def restarted(self) -> Choices:
        """The same decisions, for one more evaluation of the same formula."""
        again = Choices(self.seed, self.lean, (self.directions, self.picks))
        again.rng = self.rng  # further decisions, if any, are drawn on
        return again

    def direction(self, shape: tuple[int, ...]) -> np.ndarray:
        """For each element 1, the largest outcome; -1, the smallest; 0, the usual one; or 2, one between."""
        at, self.asked[0] = self.asked[0], self.asked[0] + 1
        if at < len(self.directions) and self.directions[at].shape == shape:
            return self.directions[at]
        if self.lean is not None:
            made = np.full(shape, self.lean, np.int8)
        else:
            made = _OFTEN[self.rng.integers(len(_OFTEN), size=shape, dtype=np.int8)]
        self.directions[at:] = [made]
        return made

    def pick(self, count: int) -> int:
        """One of so many."""
        at, self.asked[1] = self.asked[1], self.asked[1] + 1
        if at == len(self.picks):
            self.picks.append(int(self.rng.integers(count)))
        return self.picks[at] % count

    # --- climbing ---

    def changed(self, rng: np.random.Generator, share: float) -> Choices:
        """With about such a share of the directions turned round."""
        turned = [
            np.where(rng.random(d.shape) < share, np.where(np.abs(d) == 1, -d, rng.choice(_ENDS, d.shape)), d)
            for d in self.directions
        ]
        trial = Choices(self.seed, self.lean, (turned, list(self.picks)))
        trial.rng = self.rng
        return trial

    def taking(self, other: Choices, better: np.ndarray) -> Choices:
        """The decisions of another where it is better; as a whole, where those of single elements cannot be told."""
        any_better = bool(np.any(better))
        made = []
        for mine, its in zip(self.directions, other.directions, strict=True):
            if better.ndim and mine.shape[mine.ndim - better.ndim :] == better.shape:
                made.append(np.where(better, its, mine))
            else:
                made.append(its if any_better and better.ndim == 0 else mine)
        return Choices(self.seed, self.lean, (made, self.picks))


def climbed(evaluate: Callable[[Choices], np.ndarray], seed: int, rounds: int, apart: bool) -> np.ndarray:
    """The worst ratios that hill climbing finds from random decisions; apart: each element climbs by itself."""
    rng = np.random.default_rng([seed, 1])
    choices = Choices(seed)
    worst = evaluate(choices)
    for k in range(rounds):
        trial = choices.restarted().changed(rng, (0.5, 0.2, 0.1, 0.05)[k % 4])
        found = evaluate(trial)
        if len(trial.directions) != len(choices.directions):
            continue  # a comparison led the evaluation elsewhere
        better = np.nan_to_num(found, nan=0.0) > np.nan_to_num(worst, nan=0.0)
        if not apart:
            better = np.asarray(np.max(np.nan_to_num(found, nan=0.0)) > np.max(np.nan_to_num(worst, nan=0.0)))
        if better.any():
            choices = choices.taking(trial, better)
            worst = np.where(better, found, worst)
    return worst
