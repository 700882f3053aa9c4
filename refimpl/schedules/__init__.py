"""Learning-rate schedules, one family a file."""

from refimpl.schedules.composed import Sequential, WarmUp
from refimpl.schedules.cosine import Cosine, CosineRestarts
from refimpl.schedules.decays import Exponential, InverseTime, PiecewiseConstant, StepDecay
from refimpl.schedules.one_cycle import OneCycle
from refimpl.schedules.polynomial import Constant, Linear, Polynomial
from refimpl.schedules.schedule import Schedule

__all__ = [
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseTime",
    "Linear",
    "OneCycle",
    "PiecewiseConstant",
    "Polynomial",
    "Schedule",
    "Sequential",
    "StepDecay",
    "WarmUp",
]
