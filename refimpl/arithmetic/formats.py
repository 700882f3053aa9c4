"""Binary floating-point formats, and what a target may do to the exact result of an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType

import numpy as np

# The functions whose accuracy a target must declare where a formula uses them.
FUNCTIONS = ("sqrt", "rsqrt", "power", "exp", "expm1", "log", "log1p", "tanh", "erf", "erfc", "sin", "cos")

_EXPONENT_BITS = np.int64(0x7FF0000000000000)


@dataclass(frozen=True)
class Format:
    """A binary format with `precision` significand bits (the hidden one counted) and exponents of normal numbers
    from `min_exponent` to `max_exponent`."""

    name: str
    precision: int
    min_exponent: int
    max_exponent: int
    unit_roundoff: float = field(init=False)
    smallest_normal: float = field(init=False)
    smallest_subnormal: float = field(init=False)
    largest: float = field(init=False)

    def __post_init__(self) -> None:
        derived = {
            "unit_roundoff": 2.0**-self.precision,
            "smallest_normal": 2.0**self.min_exponent,
            "smallest_subnormal": 2.0 ** (self.min_exponent - self.precision + 1),
            "largest": (2.0 - 2.0 ** (1 - self.precision)) * 2.0**self.max_exponent,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def contains(self, other: Format) -> bool:
        """Whether every number of `other` is one of this format."""
        return (
            self.precision >= other.precision
            and self.smallest_subnormal <= other.smallest_subnormal
            and self.largest >= other.largest
        )

    def ulp(self, magnitude: np.ndarray | float) -> np.ndarray:
        """Unit in the last place at each non-negative float64 `magnitude`: the distance to the next larger number."""
        return np.maximum(binade(np.asarray(magnitude, np.float64)) * (2 * self.unit_roundoff), self.smallest_subnormal)

    def round(self, value: np.ndarray | float) -> np.ndarray:
        """`value` (float64) rounded to nearest, ties to even; overflow gives an infinity, underflow is gradual."""
        value = np.asarray(value, dtype=np.float64)
        if self.precision == FLOAT64.precision:
            return value
        with np.errstate(invalid="ignore"):
            ulp = self.ulp(np.abs(value))
            rounded = np.rint(value / ulp) * ulp  # a quotient by a power of two is exact
            rounded = np.where(np.abs(rounded) > self.largest, np.copysign(np.inf, value), rounded)
        return np.where(np.isfinite(value), rounded, value)


def binade(magnitude: np.ndarray) -> np.ndarray:
    """The power of two 2**floor(log2(magnitude)) of each non-negative float64, read off its exponent bits.

    Zero below the smallest normal float64; an infinity where not finite.
    """
    return (magnitude.view(np.int64) & _EXPONENT_BITS).view(np.float64)


FLOAT64 = Format("float64", 53, -1022, 1023)
FLOAT32 = Format("float32", 24, -126, 127)
FLOAT16 = Format("float16", 11, -14, 15)
BFLOAT16 = Format("bfloat16", 8, -126, 127)
FORMATS: Mapping[str, Format] = MappingProxyType({f.name: f for f in (FLOAT64, FLOAT32, FLOAT16, BFLOAT16)})

# Roundoff of a matmul's inputs under TF32: ten explicit significand bits, truncated where hardware does not round.
TF32_INPUT_ROUNDOFF = 2.0**-10


@dataclass(frozen=True, eq=False)
class Target:
    """How a subject evaluates a formula. Compared by identity: make one per subject and format, and share it.

    format: of the arrays and of every elementwise result.
    scalars: of hyperparameter arithmetic (learning rates, decays) before it meets an array.
    powers: of hyperparameters raised to the step count, as in Adam's bias correction; None means `scalars`.
    accumulator: of partial sums in sum, mean and matmul; None means `format`. A wider accumulator than declared
        only omits roundings, which every bound covers.
    truncating_accumulator: partial sums are truncated instead of rounded (tensor cores).
    matmul_input_roundoff: relative error of rounding matmul inputs first (TF32_INPUT_ROUNDOFF, or 0).
    flush_to_zero: operands and results below the smallest normal number, before or after rounding, may be replaced by
        zero; a number that one rule reads twice, both times or not at all.
    functions: largest error of each elementary function in ulp of the exact result, by format name: for example
        {"float32": {"exp": 0.63}}. One that is needed and missing is refused. Whatever its error, a function that
        refimpl/arithmetic/functions.py calls nonnegative returns no negative number.
    """

    format: Format
    scalars: Format = FLOAT64
    powers: Format | None = None
    accumulator: Format | None = None
    truncating_accumulator: bool = False
    matmul_input_roundoff: float = 0.0
    flush_to_zero: bool = False
    functions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    scalar: bool = False  # set on the targets of hyperparameters; see for_scalars

    def __post_init__(self) -> None:
        for name in ("format", "scalars", "powers", "accumulator"):
            value, optional = getattr(self, name), name in ("powers", "accumulator")
            if not (isinstance(value, Format) or (optional and value is None)):
                raise TypeError(f"Target: {name} must be one of refimpl.arithmetic's, such as FLOAT32, got {value!r}")
        if self.accumulator is not None and not self.accumulator.contains(self.format):
            raise ValueError(
                f"Target: accumulator must have every number of {self.format.name}, got {self.accumulator.name}; "
                "pass None for partial sums in the format itself"
            )
        for name, errors in self.functions.items():
            if not isinstance(errors, Mapping):
                raise TypeError(
                    'Target: functions must be errors by format name, such as {"float32": {"exp": 0.63}}, '
                    f"got {{{name!r}: {errors!r}}}"
                )
            if name not in FORMATS:
                raise ValueError(f"Target: functions names the format {name!r}; there are {', '.join(FORMATS)}")
            for function, ulps in errors.items():
                if not 0 <= ulps < float("inf"):
                    raise ValueError(f"Target: functions[{name!r}][{function!r}] must be in ulp, >= 0, got {ulps!r}")

    @cache  # noqa: B019 -- targets are few and live as long as the process
    def for_scalars(self) -> Target:
        """The target that hyperparameter arithmetic runs in."""
        return self if self.scalar else replace(self, format=self.scalars, accumulator=None, scalar=True)

    @cache  # noqa: B019
    def for_powers(self) -> Target:
        """The target in which a hyperparameter is raised to the step count."""
        return replace(self.for_scalars(), format=self.powers or self.scalars)

    def function_error(self, name: str) -> float:
        """Declared error bound of the elementary function `name` in this target's format, in ulp."""
        declared = self.functions.get(self.format.name, {})
        if name not in declared:
            missing = ", ".join(function for function in FUNCTIONS if function not in declared)
            raise KeyError(
                f"no declared accuracy of {name!r} in {self.format.name}: add it to Target(functions=...), or to the "
                f"profile of the subject. Missing are {missing or name}; declared are {', '.join(declared) or 'none'}"
            )
        return declared[name]
