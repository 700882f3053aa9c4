"""Optimizers: one update rule per file, each with its conventions as named fields."""

from refimpl.optimizers.adagrad import Adagrad
from refimpl.optimizers.adam import Adam, AdamW
from refimpl.optimizers.optimizer import Optimizer
from refimpl.optimizers.rmsprop import RMSprop
from refimpl.optimizers.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop"]
