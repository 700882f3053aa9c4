"""Measure a backend's elementary functions and write its profile: ``python -m conformance.profiles.calibrate NAME``.

float32 functions are compared with the same formula in float64, at every k-th bit pattern. float64 functions are
compared with the same formula in the platform's long double, at random numbers of all magnitudes and from regions where
libraries are known to be weak. The neighbours of the worst inputs are visited next. Only errors that an evaluation with
50 digits confirms are written. A result counts where the arguments and the exact result are normal numbers of the
format.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import heapq
import importlib.metadata
import math
import multiprocessing
import operator
import os
import platform
import types
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

WIDER = {"float32": np.float64, "float64": np.longdouble}
DIGITS = 50  # decimal digits of the evaluation that confirms an error
SUSPECTS = 16  # the number of worst inputs of a sweep whose neighbours are visited and whose errors are confirmed
ROUNDS = 3  # of visiting neighbours
DENSER = 4  # how many times more densely float32 numbers of moderate magnitude are visited
CHUNK = 1 << 18  # elements evaluated at a time, so that a sweep stays far below 1 GB
REGION_CHUNKS = 3  # chunks of random float64 numbers per region
POWER_CHUNKS = 12  # chunks of random (base, step count) pairs
STEPS = 10_000  # largest step count
DECAYS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999)

# Libraries choose their algorithms by the processor's instruction set; a profile is valid on all of these.
INSTRUCTION_SETS: dict[str, dict[str, str]] = {
    "widest vectors": {},
    "AVX2": {
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
    },
}

Arguments = tuple[np.ndarray, ...]
Evaluation = Callable[..., np.ndarray]
Suspect = tuple[float, Arguments, np.floating]  # error in ulp, arguments of length 1 or scalar, result


# --- what each function computes ---


def _erf_series(x: np.ndarray) -> np.ndarray:
    """erf in the precision of `x` by DLMF 7.6.2, whose terms all have the sign of x, so that nothing cancels."""
    term: np.ndarray = x
    total: np.ndarray = x
    k = 0
    while np.any(abs(term) > np.finfo(x.dtype).eps / 4 * abs(total)):
        k += 1
        term = term * (x * x) * (x.dtype.type(2) / (2 * k + 1))
        total = total + term
    result: np.ndarray = 2 / np.sqrt(_pi(x.dtype)) * np.exp(-x * x) * total
    return result


def _pi(dtype: np.dtype) -> np.floating:
    pi: np.floating = 4 * np.arctan(dtype.type(1))
    return pi


def _erf(x: np.ndarray) -> np.ndarray:
    """erf by its series, in blocks of neighbours, because the number of terms grows with the argument."""
    clipped = np.clip(x, -7, 7)  # 1 - erf(7) = 4e-23 is below the resolution of an 80-bit long double
    values, where = np.unique(clipped, return_inverse=True)
    return np.concatenate([_erf_series(block) for block in np.array_split(values, 64)])[where]


def _erfc(x: np.ndarray) -> np.ndarray:
    """erfc in the precision of `x`: 1 - erf(x) below 1/2, and the trapezoidal rule of step h above.

    Chiarella and Reichel, Mathematics of Computation 22 (1968); its relative error is exp(-(pi/h)^2) = 2e-27.
    """
    h = x.dtype.type(0.4)
    y = np.clip(x, 0.5, 30)
    high = y.astype(np.float32).astype(x.dtype)  # its square is exact, and so is the rest
    gauss = np.exp(-high * high) * np.exp(-(y - high) * (y + high))
    nodes = [(k * h) ** 2 for k in range(1, 19)]
    total = 1 / (2 * y * y) + sum(np.exp(-node) / (y * y + node) for node in nodes)
    pole = np.where(y < _pi(x.dtype) / h, 2 / np.expm1(2 * _pi(x.dtype) * y / h), 0)
    return np.where(x < 0.5, 1 - _erf(np.minimum(x, 0.5)), 2 * h * y / _pi(x.dtype) * gauss * total - pole)


def _from_python(f: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """A function that NumPy lacks and users take from Python: evaluated in float64, rounded to the format of x."""

    def evaluate(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.frompyfunc(f, 1, 1)(x)).astype(x.dtype)

    return evaluate


def _power_in_format(base: np.ndarray, count: np.ndarray) -> np.ndarray:
    """base**count in the format of `base`; NumPy alone promotes float32 with int32 to float64."""
    power: np.ndarray = np.power(base, count.astype(base.dtype))
    return power


_UFUNCS = {name: getattr(np, name) for name in ("sqrt", "exp", "expm1", "log", "log1p", "tanh", "sin", "cos")}
WIDE = types.SimpleNamespace(**_UFUNCS, erf=_erf, erfc=_erfc, power=np.power)
NUMPY = types.SimpleNamespace(
    **_UFUNCS, erf=_from_python(math.erf), erfc=_from_python(math.erfc), power=_power_in_format
)  # fmt: skip

# Each function in the arithmetic of a namespace m: WIDE, NUMPY or mpmath.
FORMULAS: dict[str, Callable[..., np.ndarray]] = {
    "sqrt": lambda m, x: m.sqrt(x),
    "rsqrt": lambda m, x: 1 / m.sqrt(x),
    "reciprocal": lambda m, x: 1 / x,
    "divide": lambda m, x, y: x / y,
    "power": lambda m, x, y: m.power(x, y),
    "exp": lambda m, x: m.exp(x),
    "expm1": lambda m, x: m.expm1(x),
    "log": lambda m, x: m.log(x),
    "log1p": lambda m, x: m.log1p(x),
    "tanh": lambda m, x: m.tanh(x),
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "erf": lambda m, x: m.erf(x),
    "erfc": lambda m, x: m.erfc(x),
    "sin": lambda m, x: m.sin(x),
    "cos": lambda m, x: m.cos(x),
}


# --- the inputs a sweep visits ---


def _signs(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], CHUNK)


# float64: name of a region, and how a chunk of it is drawn
REGIONS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "all magnitudes": lambda rng: rng.integers(0, 1 << 64, CHUNK, dtype=np.uint64).view(np.float64),
    "magnitudes 2^-64 to 2^12": lambda rng: _signs(rng) * 2 ** rng.uniform(-64, 12, CHUNK),
    "near 1": lambda rng: 1 + _signs(rng) * 2 ** rng.uniform(-52, -1, CHUNK),
    "-1 to 1": lambda rng: rng.uniform(-1, 1, CHUNK),
    "-0.45 to -0.25 (log1p of XLA changes method)": lambda rng: rng.uniform(-0.45, -0.25, CHUNK),
    "-30 to 30 (tanh reaches 1, erfc 0)": lambda rng: rng.uniform(-30, 30, CHUNK),
    "-750 to 750 (exp is finite)": lambda rng: rng.uniform(-750, 750, CHUNK),
    "next to multiples of pi/2": lambda rng: rng.integers(1, 1 << 20, CHUNK) * (np.pi / 2),
}


def _random_numbers(rng: np.random.Generator) -> Iterator[np.ndarray]:
    for draw in REGIONS.values():
        for _ in range(REGION_CHUNKS):
            yield draw(rng)


def _patterns(every: int) -> Iterator[np.ndarray]:
    """Every k-th float32 bit pattern, and more of magnitude 2^-12 to 2^7, where most functions bend."""
    for sign in (0, 1 << 31):
        yield from _pattern_range(sign, sign + (1 << 31), every)
        yield from _pattern_range(sign + ((127 - 12) << 23), sign + ((127 + 7) << 23), math.ceil(every / DENSER))


def _pattern_range(start: int, stop: int, every: int) -> Iterator[np.ndarray]:
    for first in range(start, stop, CHUNK * every):
        bits = np.arange(first, min(first + CHUNK * every, stop), every, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def _decays(rng: np.random.Generator, dtype: np.dtype) -> Iterator[Arguments]:
    """Usual decays with all step counts, then random ones with a count that leaves the power normal."""
    for decay in DECAYS:
        yield np.full(STEPS, decay, dtype), np.arange(1, STEPS + 1, dtype=np.int32)
    for _ in range(POWER_CHUNKS):
        base = (1 - 2 ** rng.uniform(-20, -1, CHUNK)).astype(dtype)
        largest = np.minimum(STEPS, np.log(np.finfo(dtype).tiny) / np.log(base))
        yield base, np.exp(rng.uniform(0, np.log(largest))).astype(np.int32)


def inputs(function: str, format_name: str, every: int) -> Iterator[Arguments]:
    """Chunks of arguments of `function` in `format_name`, the same in each run.

    every: distance of the float32 bit patterns visited. A divisor is an array, or a scalar whose reciprocal rounds
    badly: XLA multiplies by the reciprocal of a divisor that it broadcasts, and flushes that to zero if the divisor is
    above 2^126. Step counts are int32 and floating-point.
    """
    rng = np.random.default_rng(20261121)
    dtype = np.dtype(format_name)
    if function == "power":
        for base, count in _decays(rng, dtype):
            yield base, count
            yield base, count.astype(dtype)
        return
    for x in _patterns(every) if format_name == "float32" else _random_numbers(rng):
        if function == "divide":
            yield x, rng.permutation(x)
            yield x, np.array(rng.uniform(1.9, 2), dtype)
        else:
            yield (x,)


def _neighbours(arguments: Arguments) -> Arguments:
    """The first argument replaced by all float32 numbers within 0.4 % of it, or by as many float64 ones."""
    first, *others = arguments
    steps = np.arange(-(1 << 15), 1 << 15)
    if first.dtype == np.float32:
        numbers = (first.view(np.int32) + steps.astype(np.int32)).view(np.float32)
    else:
        numbers = (first.view(np.int64) + ((1 << 29) + 1) * steps).view(np.float64)
    return numbers, *(np.repeat(a, numbers.size) if a.ndim else a for a in others)


def sweep(function: str, format_name: str, every: int) -> str:
    """A description of what `inputs` visits."""
    if function == "power":
        decays = ", ".join(map(str, DECAYS))
        return f"{decays} with counts 1 to {STEPS}, and {POWER_CHUNKS * CHUNK} random pairs; integer and float counts"
    if format_name == "float32":
        numbers = f"one in {every} bit patterns, one in {math.ceil(every / DENSER)} from 2^-12 to 2^7"
    else:
        numbers = f"{REGION_CHUNKS * CHUNK} random numbers of each region: {', '.join(REGIONS)}"
    return f"{numbers}; array and scalar divisors" if function == "divide" else numbers


# --- errors ---


def _is_normal(x: np.ndarray, limits: np.finfo) -> np.ndarray:
    return (abs(x) >= limits.tiny) & (abs(x) <= limits.max)


@np.errstate(all="ignore")
def _suspects(function: str, evaluations: list[Evaluation], chunks: Iterable[Arguments]) -> list[Suspect]:
    """The worst result of each evaluation on each chunk."""
    suspects = []
    for arguments in chunks:
        limits = np.finfo(arguments[0].dtype)
        wider = WIDER[limits.dtype.name]
        exact = FORMULAS[function](WIDE, *(a.astype(wider) for a in arguments))
        normal = functools.reduce(np.logical_and, (_is_normal(a, limits) for a in (exact, *arguments)))
        counted = np.flatnonzero(normal)
        if counted.size == 0:
            continue
        exact = exact[counted]
        ulp_exponent = np.frexp(exact)[1] - 1 - limits.nmant
        seen: list[np.ndarray] = []
        for evaluate in evaluations:
            results = evaluate(*arguments)[counted]
            if any(np.array_equal(results, others) for others in seen):
                continue
            seen.append(results)
            error = np.nan_to_num(np.ldexp(abs(results - exact), -ulp_exponent), nan=np.inf, posinf=np.inf)
            error[(results == 0) & (abs(exact) < 2 * limits.tiny)] = 0  # flushed next to tiny: underflow, not rounding
            worst = np.argmax(error)
            where = tuple(a[counted[worst], None] if a.ndim else a for a in arguments)
            suspects.append((error[worst], where, results[worst]))
    return suspects


def _worst(suspects: list[Suspect]) -> list[Suspect]:
    return heapq.nlargest(SUSPECTS, suspects, key=operator.itemgetter(0))


def _confirmed_error(function: str, arguments: Arguments, result: np.floating) -> float:
    """The error of `result` in ulp of the exact result, from an evaluation with 50 digits."""
    if not np.isfinite(result):
        return math.inf
    with mpmath.workdps(DIGITS):
        exact = FORMULAS[function](mpmath, *(mpmath.mpf(a.item()) for a in arguments))
        ulp = mpmath.ldexp(1, mpmath.frexp(exact)[1] - 1 - np.finfo(result.dtype).nmant)
        return float(abs(float(result) - exact) / ulp)


def largest_error(
    function: str, evaluations: list[Evaluation], chunks: Iterable[Arguments], rounds: int = ROUNDS
) -> tuple[float, list[float]]:
    """The largest error of any of `evaluations` on `chunks` or in `rounds` of neighbours, and the arguments there.

    The error is in ulp of the exact result. It is infinite where a result is not finite though the exact result is a
    normal number.
    """
    suspects = _worst(_suspects(function, evaluations, chunks))
    for _ in range(rounds):
        neighbourhoods = [_neighbours(where) for _, where, _ in suspects]
        suspects = _worst(suspects + _suspects(function, evaluations, neighbourhoods))
    return max((_confirmed_error(function, where, result), [a.item() for a in where]) for _, where, result in suspects)


# --- backends ---


@dataclass(frozen=True)
class Backend:
    """A library's functions, each evaluated in all `ways` that may differ. Evaluations take and return NumPy arrays."""

    version: str
    ways: str
    evaluations: Callable[[str], list[Evaluation]]


def _contiguous(x: np.ndarray) -> np.ndarray:
    return x


def _strided(x: np.ndarray) -> np.ndarray:
    return np.repeat(x, 2)[::2] if x.ndim else x


def _numpy() -> Backend:
    def evaluations(function: str) -> list[Evaluation]:
        formula = FORMULAS[function]
        layouts = (_contiguous,) if function in ("erf", "erfc") else (_contiguous, _strided)  # Python's do not differ
        return [lambda *a, layout=layout: formula(NUMPY, *map(layout, a)) for layout in layouts]

    return Backend(_version("numpy"), "contiguous and strided", evaluations)


def _torch_cpu() -> Backend:
    import torch

    def evaluations(function: str) -> list[Evaluation]:
        f = torch.pow if function == "power" else getattr(torch, function)
        return [
            lambda *a, layout=layout: f(*(torch.from_numpy(layout(x)) for x in a)).numpy()
            for layout in (_contiguous, _strided)
        ]

    return Backend(_version("torch"), "contiguous and strided", evaluations)


def _jax_cpu() -> Backend:
    import jax

    special = jax.scipy.special
    others = {"rsqrt": jax.lax.rsqrt, "sigmoid": jax.nn.sigmoid, "erf": special.erf, "erfc": special.erfc}

    def in_its_format(f: Evaluation) -> Evaluation:
        def evaluate(*arguments: np.ndarray) -> np.ndarray:
            with jax.enable_x64(arguments[0].dtype == np.float64):
                return np.asarray(f(*map(jax.numpy.asarray, arguments)))

        return evaluate

    def evaluations(function: str) -> list[Evaluation]:
        f = others.get(function) or getattr(jax.numpy, function)
        return [in_its_format(f), in_its_format(jax.jit(f))]

    return Backend(_version("jax", "jaxlib"), "eager and jit", evaluations)


def _clipped(f: Evaluation, clip: Evaluation) -> Evaluation:
    """`f`, which is constant beyond 2^60, of numbers clipped to 2^60."""
    return lambda x: f(clip(x, -(2.0**60), 2.0**60))


def _tensorflow_cpu() -> Backend:
    import tensorflow

    tensorflow.config.set_visible_devices([], "GPU")

    def in_its_format(f: Callable[..., Any]) -> Evaluation:
        def evaluate(x: np.ndarray, *others: np.ndarray) -> np.ndarray:
            return np.asarray(f(*(tensorflow.constant(a, x.dtype) for a in (x, *others))).numpy())

        return evaluate

    def evaluations(function: str) -> list[Evaluation]:
        f = getattr(tensorflow.math, {"power": "pow"}.get(function, function))
        if function == "erf":  # NaN for float64 whose square overflows is a known divergence: tensorflow-erf-nan
            f = _clipped(f, tensorflow.clip_by_value)
        ways = [in_its_format(f), in_its_format(tensorflow.function(f, jit_compile=True))]
        return [*ways, by_a_constant] if function == "divide" else ways

    def by_a_constant(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """In a graph, which multiplies by the rounded reciprocal of a divisor that is a constant scalar."""
        if y.ndim:
            return np.asarray(x / y)
        return np.asarray(tensorflow.function(lambda x: x / y, autograph=False)(tensorflow.constant(x)).numpy())

    ways = "eager and jit_compile, divide also by scalar constants of a graph"
    return Backend(_version("tensorflow-cpu"), ways, evaluations)


def _version(*packages: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


BACKENDS: dict[str, Callable[[], Backend]] = {
    "numpy": _numpy,
    "torch-cpu": _torch_cpu,
    "jax-cpu": _jax_cpu,
    "tensorflow-cpu": _tensorflow_cpu,
}


# --- the command ---


def measure(name: str, every: int, instruction_set: str) -> dict[tuple[str, str], tuple[float, list[float], str]]:
    """Largest error, the arguments there, and how it was found, of each format and function of backend `name`."""
    backend = BACKENDS[name]()
    measured = {}
    for format_name in WIDER:
        for function in FORMULAS:
            chunks = inputs(function, format_name, every)
            error, where = largest_error(function, backend.evaluations(function), chunks)
            print(f"{instruction_set}: {format_name} {function} {error:.4f} at {where}", flush=True)
            how = f"{sweep(function, format_name, every)}; {backend.ways}; worst with {instruction_set}"
            measured[format_name, function] = error, where, how
    return measured


def profile(name: str, every: int) -> str:
    """The text of the profile of backend `name`, measured now in one fresh process per instruction set."""
    runs = []
    for instruction_set, environment in INSTRUCTION_SETS.items():
        os.environ.update(environment)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            runs.append(pool.submit(measure, name, every, instruction_set).result())
    lines = [
        f"# Largest errors of the elementary functions of {name}, in ulp of the exact result.",
        f"# Written by: python -m conformance.profiles.calibrate {name} --every {every}",
        f'version = "{BACKENDS[name]().version}"',
        f'device = "CPU, {platform.machine()}, {_vectors()}"',
        f"measured = {datetime.date.today()}",
    ]
    for format_name, function in runs[0]:
        error, where, how = max(run[format_name, function] for run in runs)
        ulp = math.ceil(error * 1e4) / 1e4 if math.isfinite(error) else math.inf
        lines += ["", f"[{format_name}.{function}]", f"ulp = {ulp}", f"at = {where}", f'how = "{how}"']
    return "\n".join(lines) + "\n"


def _vectors() -> str:
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return (extensions["baseline"] + extensions.get("found", []))[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the elementary functions of a backend and write its profile.")
    parser.add_argument("name", choices=BACKENDS)
    parser.add_argument("--every", type=int, default=127, help="distance of float32 bit patterns; 1 visits all 2^32")
    options = parser.parse_args()
    if options.every < 1:
        parser.error(f"--every is {options.every}; it must be 1 or more")
    if np.finfo(np.longdouble).nmant < 63:
        parser.error("float64 is measured against long double, which has only 53 bits here; use Linux on x86-64 or ARM")
    text = profile(options.name, options.every)
    path = Path(__file__).with_name(f"{options.name}.toml")
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
