"""Optimizers: one update rule per file, each with its conventions as named fields."""

from refimpl.optimizers.accumulation import GradientAccumulation
from refimpl.optimizers.adabelief import AdaBelief
from refimpl.optimizers.adadelta import Adadelta
from refimpl.optimizers.adagrad import Adagrad
from refimpl.optimizers.adam import Adam, AdamW, AMSGrad
from refimpl.optimizers.adamax import Adamax
from refimpl.optimizers.lamb import LAMB
from refimpl.optimizers.lars import LARS
from refimpl.optimizers.lion import Lion
from refimpl.optimizers.nadam import NAdam
from refimpl.optimizers.optimizer import Optimizer
from refimpl.optimizers.radam import RAdam
from refimpl.optimizers.rmsprop import RMSprop
from refimpl.optimizers.rprop import Rprop
from refimpl.optimizers.sgd import SGD
from refimpl.optimizers.sign_descent import SignDescent
from refimpl.optimizers.yogi import Yogi

__all__ = [
    "LAMB",
    "LARS",
    "SGD",
    "AMSGrad",
    "AdaBelief",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "GradientAccumulation",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SignDescent",
    "Yogi",
]
