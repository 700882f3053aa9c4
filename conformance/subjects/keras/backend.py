"""Keras as this subject drives it: with the JAX backend, chosen when Keras is first imported and for good."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "KERAS_BACKEND"

if "keras" not in sys.modules:
    _asked = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = "jax"
    try:
        import keras
    finally:
        os.environ.pop(_VARIABLE)
        if _asked is not None:
            os.environ[_VARIABLE] = _asked

keras = sys.modules["keras"]

if keras.config.backend() != "jax":
    raise ImportError(
        f"Keras is in this process already, with the backend {keras.config.backend()}, and it has one for good: "
        "run the suite in a process of its own"
    )


@contextmanager
def default_format(name: str) -> Iterator[None]:
    """Within it Keras makes variables and tensors of this format unless told otherwise; afterwards as before."""
    before = keras.config.floatx()
    keras.config.set_floatx(name)
    try:
        yield
    finally:
        keras.config.set_floatx(before)
