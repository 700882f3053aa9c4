"""The targets of the attack: each format, flushed or not, with varied accumulators, scalars and functions."""

from __future__ import annotations

from itertools import product
from typing import Any

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, TF32_INPUT_ROUNDOFF, Format, Target

# Errors of functions in ulp, similar to those of libraries.
ULPS = {"sqrt": 0.5, "rsqrt": 2.0, "exp": 2.5, "expm1": 3.0, "log": 1.5, "log1p": 2.0, "tanh": 3.5, "power": 2.0}
ULPS |= {"erf": 2.5, "erfc": 6.5, "sin": 2.0, "cos": 2.0}


def target(format_: Format, divide: float | None = None, **properties: Any) -> Target:
    errors = ULPS | ({} if divide is None else {"divide": divide})
    return Target(format_, functions={f.name: errors for f in (format_, FLOAT32, FLOAT64)}, **properties)


def _variants(format_: Format, flush: bool) -> list[Target]:
    tensor_cores = {"matmul_input_roundoff": TF32_INPUT_ROUNDOFF} if format_ is FLOAT32 else {}
    return [
        target(format_, flush_to_zero=flush),
        target(format_, flush_to_zero=flush, accumulator=FLOAT32, scalars=FLOAT32, divide=1.5),
        target(format_, flush_to_zero=flush, accumulator=FLOAT64, scalars=format_, powers=FLOAT32),
        target(format_, flush_to_zero=flush, accumulator=FLOAT32, truncating_accumulator=True, **tensor_cores),
        target(format_, flush_to_zero=flush, truncating_accumulator=True, scalars=FLOAT32),
    ]


# Name of a group of targets, under which results are counted -> its targets.
TARGETS: dict[str, list[Target]] = {
    format_.name + ", flushed" * flush: _variants(format_, flush)
    for format_, flush in product((FLOAT32, FLOAT16, BFLOAT16), (False, True))
}
