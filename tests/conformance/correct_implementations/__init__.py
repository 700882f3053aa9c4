"""Correct implementations in NumPy, each written another way: none of them may be called wrong.

Every subject has a variant that is written as the papers have it ("plain"), or a class that has it, and others that
differ in rounding alone. They share nothing with the reference but its specifications. Imports within the package are
relative: a run loads it as `correct_implementations`, and the tests as `tests.conformance.correct_implementations`.
"""

from .activations import Activations, OtherActivations
from .clipping import Clipping
from .losses import Losses
from .networks import Float32Networks, Networks, OtherNetworks
from .optimizers import Float32Optimizers, NarrowOptimizers, Optimizers
from .schedules import RecursiveSchedules, Schedules

__all__ = [
    "Activations", "Clipping", "Float32Networks", "Float32Optimizers", "Losses", "NarrowOptimizers", "Networks",
    "Optimizers", "OtherActivations", "OtherNetworks", "RecursiveSchedules", "Schedules",
]  # fmt: skip
