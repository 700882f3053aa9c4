"""Which backend Keras has in this process: chosen when Keras is first imported, and for good."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "KERAS_BACKEND"


def choose(name: str) -> None:
    """Imports Keras with the backend "jax" or "tensorflow", whatever the environment requires: that stays as it is.

    Raises ImportError where Keras is loaded in this process already, with another one.
    """
    if "keras" not in sys.modules:
        required = os.environ.get(_VARIABLE)
        os.environ[_VARIABLE] = name
        try:
            import keras
        finally:
            os.environ.pop(_VARIABLE)
            if required is not None:
                os.environ[_VARIABLE] = required
    keras = sys.modules["keras"]
    if keras.config.backend() != name:
        raise ImportError(
            f"Keras is loaded in this process already, with the backend {keras.config.backend()}, which cannot change: "
            "run the suite in another process"
        )


@contextmanager
def default_format(name: str) -> Iterator[None]:
    """Within it Keras makes variables and tensors of this format unless told otherwise; afterwards as before."""
    import keras

    before = keras.config.floatx(), keras.config.dtype_policy()  # losses have the format of the policy
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])
