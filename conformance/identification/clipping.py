"""Identifying clipping: gradients below, at and above the threshold, beyond the range, and broken ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from conformance.identification.task import Input, Part, Task, described
from conformance.strategies.gradients import representable
from conformance.subjects import Subject
from refimpl.arithmetic import FORMATS, RunningError, Target
from refimpl.clipping import AdaptiveClipping, Clipping

SHAPES = ((2,), (3, 5), (1, 7))


class Clippings(Task):
    """clip(gradients, **hyperparameters) -> gradients; clip(gradients, parameters, ...) for rules that look at both."""

    rules = (Clipping, AdaptiveClipping)
    capability = "clip"
    takes = ("gradients",)
    returns = f"the clipped gradients, a list of {len(SHAPES)} arrays as the one given"
    at_work = {  # noqa: RUF012
        "max_norm": 2.5, "epsilon": 0.2, "order": 3.0, "limit": 0.75, "clipping": 0.3, "smallest_divisor": 0.05,
    }  # fmt: skip

    def arguments(self, rule: type) -> tuple[str, ...]:
        return (*self.takes, "parameters") if rule is AdaptiveClipping else self.takes

    def inputs(self, specs: Sequence[Any], dtype: str, held: Collection[str]) -> list[Input]:
        normal = [np.random.default_rng(7).standard_normal(shape) for shape in SHAPES]
        scaled = {f"gradients times {scale:g}": [scale * array for array in normal] for scale in (0.02, 2.0)}
        threshold = {"a norm at the threshold": [np.array([1.5, 2.0]), *(np.zeros(shape) for shape in SHAPES[1:])]}
        large = FORMATS[dtype].largest ** 0.7
        broken = {
            "squares beyond the range": large, "an infinite entry": np.inf, "an entry that is NaN": np.nan,
        }  # fmt: skip
        certain = {name: [representable(a, dtype) for a in arrays] for name, arrays in (scaled | threshold).items()}
        return [Input(name, arrays) for name, arrays in certain.items()] + [
            Input(name, [np.array([0.5, value]), *certain["gradients times 2"][1:]], singular=True)
            for name, value in broken.items()
        ]

    def actual(self, function: Callable[..., Any], spec: Any, given: Input, names: Sequence[str]) -> list[Part]:
        gradients = [np.array(array) for array in given.data]
        clipped = function(*self._trees(spec, gradients), **{name: getattr(spec, name) for name in names})
        if not isinstance(clipped, (list, tuple)) or len(clipped) != len(SHAPES):
            raise self.unusable(f"got {described(clipped)}", {})
        numbered = enumerate(zip(clipped, SHAPES, strict=True))
        return [self.part("gradients", {"array": number}, a, shape) for number, (a, shape) in numbered]

    def expected(self, spec: Any, given: Input, target: Target) -> list[Part]:
        enter = np.array if given.singular else lambda x: RunningError.exact(x, target)
        clipped = spec.apply(*self._trees(spec, given.data, enter))
        return [Part("gradients", {"array": number}, array) for number, array in enumerate(clipped)]

    def of_subject(self, subject: Subject, build: Callable[..., Any]) -> Callable[..., Any]:
        def clip(*trees: Any, **hyperparameters: Any) -> Any:
            given = [[array.astype(subject.array_dtype) for array in tree] for tree in trees]
            return subject.clip(build(**hyperparameters), *given)

        return clip

    def _trees(self, spec: Any, gradients: Any, enter: Callable[[Any], Any] = np.array) -> list[Any]:
        """The gradients, and also the weights for a rule that reads both."""
        weights = [np.full(shape, 0.5) for shape in SHAPES]
        both = [gradients, weights] if isinstance(spec, AdaptiveClipping) else [gradients]
        return [[enter(array) for array in tree] for tree in both]
