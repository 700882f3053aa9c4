"""An independent NumPy reference for the mathematics of gradient training. Needs NumPy only."""

from refimpl.clipping import ClipByGlobalNorm, ClipByNorm, ClipByValue, WeightClipping, global_norm
from refimpl.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from refimpl.trees import leaves, map_leaves

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "ClipByGlobalNorm", "ClipByNorm", "ClipByValue", "Optimizer", "RMSprop",
    "WeightClipping", "global_norm", "leaves", "map_leaves",
]  # fmt: skip
