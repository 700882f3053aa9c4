"""Measure a backend's elementary functions and write its profile: ``python -m conformance.profiles.calibrate NAME``.

float32: every k-th bit pattern, against the same formula in float64. float64: random numbers of all magnitudes and from
regions where libraries are known to be weak, against the same formula in the platform's long double. The worst inputs found
are evaluated again with 50 digits, and only errors confirmed that way are written. A result counts where the arguments and
the exact result are normal numbers of the format.
"""

import argparse
import datetime
import functools
import heapq
import importlib.metadata
import math
import operator
import os
import pathlib
import platform
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import mpmath
import numpy as np

DIRECTORY = pathlib.Path(__file__).parent
WIDER = {"float32": np.float64, "float64": np.longdouble}
DIGITS = 50  # decimal digits of the evaluation that confirms an error
SUSPECTS = 16  # worst inputs of a sweep, whose neighbours are visited and whose errors are confirmed
ROUNDS = 3  # of visiting neighbours
DENSER = 16  # times that float32 numbers of moderate magnitude are visited more densely
CHUNK = 1 << 18  # elements evaluated at a time, so that a sweep stays far below 1 GB
REGION_CHUNKS = 6  # chunks of random float64 numbers per region
POWER_CHUNKS = 32  # chunks of random (base, step count) pairs
STEPS = 10_000  # largest step count
DECAYS = (0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999)

Arguments = tuple[np.ndarray, ...]
Evaluation = Callable[..., np.ndarray]
Suspect = tuple[float, Arguments, np.floating]  # error in ulp, arguments of length 1 or scalar, result


def _erf_series(x: np.ndarray) -> np.ndarray:
    """erf in the precision of `x` by DLMF 7.6.2, whose terms all have the sign of x, so that nothing cancels."""
    term = total = x
    k = 0
    while np.any(abs(term) > np.finfo(x.dtype).eps / 4 * abs(total)):
        k += 1
        term = term * (x * x) * (x.dtype.type(2) / (2 * k + 1))
        total = total + term
    return 2 / np.sqrt(4 * np.arctan(x.dtype.type(1))) * np.exp(-x * x) * total


def _erf(x: np.ndarray) -> np.ndarray:
    """erf by its series, in blocks of neighbours, because the number of terms grows with the argument."""
    clipped = np.clip(x, -7, 7)  # 1 - erf(7) = 4e-23 is below the resolution of an 80-bit long double
    values, where = np.unique(clipped, return_inverse=True)
    return np.concatenate([_erf_series(block) for block in np.array_split(values, 64)])[where]


def _erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x) in the precision of `x`: by the continued fraction of DLMF 7.9.1 where the difference cancels."""
    tail = np.clip(x, 2, 30)
    fraction = tail
    for k in range(120, 0, -1):
        fraction = tail + x.dtype.type(k) / 2 / fraction
    pi = 4 * np.arctan(x.dtype.type(1))
    return np.where(x > 2, np.exp(-tail * tail) / (np.sqrt(pi) * fraction), 1 - _erf(np.minimum(x, 2)))


def _erf_of_python(x: np.ndarray) -> np.ndarray:
    """erf as a NumPy program has it: Python's float64 erf, rounded to the format of `x`."""
    return np.frompyfunc(math.erf, 1, 1)(x).astype(x.dtype)


def _erfc_of_python(x: np.ndarray) -> np.ndarray:
    """erfc likewise."""
    return np.frompyfunc(math.erfc, 1, 1)(x).astype(x.dtype)


def _power_in_format(base: np.ndarray, count: np.ndarray) -> np.ndarray:
    """base**count in the format of `base`; NumPy alone promotes float32 with int32 to float64."""
    return np.power(base, count.astype(base.dtype))


_UFUNCS = {name: getattr(np, name) for name in ("sqrt", "exp", "expm1", "log", "log1p", "tanh", "cos", "sin")}
WIDE = types.SimpleNamespace(**_UFUNCS, erf=_erf, erfc=_erfc, power=np.power)
NUMPY = types.SimpleNamespace(**_UFUNCS, erf=_erf_of_python, erfc=_erfc_of_python, power=_power_in_format)

# What each function computes, in the arithmetic of a namespace m: WIDE, NUMPY or mpmath.
FORMULAS: dict[str, Callable] = {
    "sqrt": lambda m, x: m.sqrt(x),
    "rsqrt": lambda m, x: 1 / m.sqrt(x),
    "reciprocal": lambda m, x: 1 / x,
    "divide": lambda m, x, y: x / y,
    "exp": lambda m, x: m.exp(x),
    "expm1": lambda m, x: m.expm1(x),
    "log": lambda m, x: m.log(x),
    "log1p": lambda m, x: m.log1p(x),
    "power": lambda m, x, y: m.power(x, y),
    "tanh": lambda m, x: m.tanh(x),
    "sigmoid": lambda m, x: 1 / (1 + m.exp(-x)),
    "erf": lambda m, x: m.erf(x),
    "erfc": lambda m, x: m.erfc(x),
    "cos": lambda m, x: m.cos(x),
    "sin": lambda m, x: m.sin(x),
}


# Inputs: what a sweep visits.


def _signs(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], CHUNK)


# name of the region, and how a chunk of it is drawn
REGIONS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "all magnitudes": lambda rng: rng.integers(0, 1 << 64, CHUNK, dtype=np.uint64).view(np.float64),
    "magnitudes 2^-64 to 2^12": lambda rng: _signs(rng) * 2 ** rng.uniform(-64, 12, CHUNK),
    "near 1": lambda rng: 1 + _signs(rng) * 2 ** rng.uniform(-52, -1, CHUNK),
    "near 0": lambda rng: rng.uniform(-1, 1, CHUNK),
    "where log1p of XLA changes method": lambda rng: rng.uniform(-0.45, -0.25, CHUNK),
    "where tanh reaches 1": lambda rng: rng.uniform(-22, 22, CHUNK),
    "where exp is finite": lambda rng: rng.uniform(-750, 750, CHUNK),
    "near multiples of pi/2": lambda rng: rng.integers(1, 1 << 20, CHUNK) * (np.pi / 2),
}


def _patterns(every: int) -> Iterator[np.ndarray]:
    """All float32 bit patterns at one density, and those of magnitude 2^-24 to 2^7, where functions bend, at a higher one."""
    for sign in (0, 1 << 31):
        yield from _pattern_range(sign, sign + (1 << 31), every)
        yield from _pattern_range(sign + ((127 - 24) << 23), sign + ((127 + 7) << 23), math.ceil(every / DENSER))


def _pattern_range(start: int, stop: int, every: int) -> Iterator[np.ndarray]:
    for first in range(start, stop, CHUNK * every):
        bits = np.arange(first, min(first + CHUNK * every, stop), every, dtype=np.uint64)
        yield bits.astype(np.uint32).view(np.float32)


def _neighbours(arguments: Arguments) -> Arguments:
    """The first argument replaced by all float32 numbers within 0.4 % of it, or by as many float64 ones."""
    first, *others = arguments
    signed, step = (np.int32, 1) if first.dtype == np.float32 else (np.int64, (1 << 29) + 1)
    offsets = step * np.arange(-(1 << 15), 1 << 15, dtype=signed)
    return (first.view(signed) + offsets).view(first.dtype), *(np.repeat(a, offsets.size) if a.ndim else a for a in others)


def _random_numbers(rng: np.random.Generator) -> Iterator[np.ndarray]:
    for draw in REGIONS.values():
        for _ in range(REGION_CHUNKS):
            yield draw(rng)


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

    A divisor is an array or a scalar, because XLA multiplies by the reciprocal of a broadcast divisor; it stays near 1, because
    XLA flushes the reciprocal of one above 2^126. A step count is an int32 or a floating-point number. `every` is the step
    between the float32 bit patterns visited.
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


def how(function: str, format_name: str, every: int) -> str:
    """The sweep of `inputs` in words."""
    if function == "power":
        return (
            f"{len(DECAYS)} usual decays with counts 1 to {STEPS}, {POWER_CHUNKS * CHUNK} random pairs;"
            " integer and floating-point counts"
        )
    numbers = (
        f"every {every}. bit pattern"
        if format_name == "float32"
        else f"{REGION_CHUNKS * CHUNK} random numbers of each region: {', '.join(REGIONS)}"
    )
    return f"{numbers}; divisors permuted, and scalar" if function == "divide" else numbers


# Errors.


def _is_normal(x: np.ndarray, limits: np.finfo) -> np.ndarray:
    return (abs(x) >= limits.tiny) & (abs(x) <= limits.max)


def _confirmed_error(function: str, arguments: Arguments, result: np.floating) -> float:
    """The error of `result` in ulp of the exact result, from an evaluation with 50 digits."""
    if not np.isfinite(result):
        return math.inf
    with mpmath.workdps(DIGITS):
        exact = FORMULAS[function](mpmath, *(mpmath.mpf(a.item()) for a in arguments))
        ulp = mpmath.ldexp(1, mpmath.frexp(exact)[1] - 1 - np.finfo(result.dtype).nmant)
        return float(abs(float(result) - exact) / ulp)


@np.errstate(all="ignore")
def _suspects(function: str, evaluations: list[Evaluation], chunks: Iterable[Arguments]) -> list[Suspect]:
    """The worst result of each evaluation on each chunk."""
    suspects = []
    for arguments in chunks:
        limits = np.finfo(arguments[0].dtype)
        wider = WIDER[limits.dtype.name]
        exact = FORMULAS[function](WIDE, *(a.astype(wider) for a in arguments))
        counted = np.flatnonzero(functools.reduce(np.logical_and, (_is_normal(a, limits) for a in (exact, *arguments))))
        if counted.size == 0:
            continue
        exact = exact[counted]
        ulp_exponent = np.frexp(exact)[1] - 1 - limits.nmant
        for evaluate in evaluations:
            results = evaluate(*arguments)[counted]
            error = np.nan_to_num(np.ldexp(abs(results - exact), -ulp_exponent), nan=np.inf, posinf=np.inf)
            error[(results == 0) & (abs(exact) < 2 * limits.tiny)] = 0  # flushed to zero next to tiny, which is underflow
            worst = np.argmax(error)
            where = tuple(a[counted[worst], None] if a.ndim else a for a in arguments)
            suspects.append((error[worst], where, results[worst]))
    return suspects


def _worst(suspects: list[Suspect]) -> list[Suspect]:
    return heapq.nlargest(SUSPECTS, suspects, key=operator.itemgetter(0))


def largest_error(
    function: str, evaluations: list[Evaluation], chunks: Iterable[Arguments]
) -> tuple[float, list[float]]:
    """The largest error in ulp of the exact result that any of `evaluations` makes on `chunks`, and the arguments there."""
    suspects = _worst(_suspects(function, evaluations, chunks))
    for _ in range(ROUNDS):
        neighbourhoods = [_neighbours(where) for _, where, _ in suspects]
        suspects = _worst(suspects + _suspects(function, evaluations, neighbourhoods))
    return max((_confirmed_error(function, where, result), [a.item() for a in where]) for _, where, result in suspects)


# Backends.


@dataclass(frozen=True)
class Backend:
    """A library's functions, each evaluated in all the ways that may differ; these take and give NumPy arrays."""

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
        return [lambda *a, layout=layout: formula(NUMPY, *map(layout, a)) for layout in (_contiguous, _strided)]

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

    others = {"rsqrt": jax.lax.rsqrt, "sigmoid": jax.nn.sigmoid, "erf": jax.scipy.special.erf, "erfc": jax.lax.erfc}

    def in_its_format(f: Callable) -> Evaluation:
        def evaluate(*arguments: np.ndarray) -> np.ndarray:
            with jax.enable_x64(arguments[0].dtype == np.float64):
                return np.asarray(f(*map(jax.numpy.asarray, arguments)))

        return evaluate

    def evaluations(function: str) -> list[Evaluation]:
        f = others.get(function) or getattr(jax.numpy, function)
        return [in_its_format(f), in_its_format(jax.jit(f))]

    return Backend(_version("jax", "jaxlib"), "eager and jit", evaluations)


def _version(*packages: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


BACKENDS: dict[str, Callable[[], Backend]] = {"numpy": _numpy, "torch-cpu": _torch_cpu, "jax-cpu": _jax_cpu}


# The command.


def calibrate(name: str, every: int) -> str:
    """The text of the profile of backend `name`, measured now; `every` as in `inputs`."""
    backend = BACKENDS[name]()
    lines = [
        f"# Largest errors of the elementary functions of {name}, in ulp of the exact result.",
        f"# Written by: python -m conformance.profiles.calibrate {name} --every {every}",
        f'version = "{backend.version}"',
        f'device = "{_device()}"',
        f"measured = {datetime.date.today()}",
    ]
    for format_name in WIDER:
        for function in FORMULAS:
            chunks = inputs(function, format_name, every)
            error, where = largest_error(function, backend.evaluations(function), chunks)
            lines += [
                "",
                f"[{format_name}.{function}]",
                f"ulp = {math.ceil(error * 1e4) / 1e4 if math.isfinite(error) else math.inf}",
                f"at = {where}",
                f'how = "{how(function, format_name, every)}; {backend.ways}"',
            ]
            print(*lines[-4:-1], flush=True)
    return "\n".join(lines) + "\n"


def _device() -> str:
    """Processor family and the widest instruction set found, on which the choice of algorithm depends."""
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return f"CPU, {platform.machine()}, {(extensions['baseline'] + extensions.get('found', []))[-1]}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the elementary functions of a backend and write its profile.")
    parser.add_argument("name", choices=BACKENDS)
    parser.add_argument("--every", type=int, default=127, help="step between float32 bit patterns; 1 visits all 2^32")
    options = parser.parse_args()
    if options.every < 1:
        parser.error(f"--every is {options.every}; it must be 1 or more")
    if np.finfo(np.longdouble).nmant < 63:
        parser.error("float64 is measured against long double, which has only 53 bits here; use Linux on x86-64 or ARM")
    text = calibrate(options.name, options.every)
    unfinished = DIRECTORY / f"{options.name}.toml.unfinished"
    unfinished.write_text(text)
    os.replace(unfinished, DIRECTORY / f"{options.name}.toml")


if __name__ == "__main__":
    main()
