"""Layers: forward and backward of each side by side, one per file."""

from refimpl.layers.activated import Activated
from refimpl.layers.dense import Dense
from refimpl.layers.layer import Layer

__all__ = ["Activated", "Dense", "Layer"]
