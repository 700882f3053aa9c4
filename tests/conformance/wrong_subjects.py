"""Subjects with one mistake each, which the suite must answer with a clear failure."""

import numpy as np
from own_subject import Own, OwnAdam

from refimpl.trees import map_leaves


class Right(Own):
    """Without a mistake."""


def subject(change):
    """A subject whose run is `change` of the right one."""

    class Wrong(Own):
        def optimizer(self, spec, parameters):
            return change(spec, parameters)

    return Wrong


class _Raises(OwnAdam):
    def step(self, gradients):
        raise RuntimeError("out of luck")


class _Shape(OwnAdam):
    def parameters(self):
        return map_leaves(lambda x: x[..., None], super().parameters())


class _Structure(OwnAdam):
    def parameters(self):
        return {"flat": super().parameters()}


class _Format(OwnAdam):
    def parameters(self):
        return map_leaves(lambda x: x.astype(np.float16), super().parameters())


class _NotANumber(OwnAdam):
    def parameters(self):
        return map_leaves(lambda x: x * np.float32(np.nan), super().parameters())


class _Slot(OwnAdam):
    def state(self):
        return {"momentum_buffer": super().parameters()}


class _LosesState(OwnAdam):
    def restore(self, saved):
        super().restore(saved)
        self.count = 0


class _ForgetsRate(OwnAdam):
    def change(self, spec):
        pass


class _SlightlyOff(OwnAdam):
    def step(self, gradients):
        super().step(map_leaves(lambda g: g * np.float32(1 + 1e-5), gradients))


class _Overwrites(OwnAdam):
    def step(self, gradients):
        super().step(gradients)
        map_leaves(lambda g: g.fill(0), gradients)


Raises, Shape, Structure, Format = map(subject, (_Raises, _Shape, _Structure, _Format))
NotANumber, Slot, LosesState = map(subject, (_NotANumber, _Slot, _LosesState))
ForgetsRate, SlightlyOff, Overwrites = map(subject, (_ForgetsRate, _SlightlyOff, _Overwrites))
NoSubject = object
