"""How far the powers of one matrix grow before they decay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_matrix, whole_number
from refimpl.propagation.balancing import balanced
from refimpl.propagation.exact_decisions import power_is_below_one
from refimpl.propagation.products import log_norm
from refimpl.propagation.rounding import (
    SMALLEST,
    UNIT_ROUNDOFF,
    gamma,
    lapack_rounding,
    norm_above,
    product_above,
    product_rounding,
    rescaled_enclosure,
)
from refimpl.propagation.spectra import spectral_radius
from refimpl.types import ArrayLike, Float64Array


class Transient(NamedTuple):
    """log_peak: the logarithm of the largest ||A^k||_2 over k >= 1. decays_at: the first k with ||A^k||_2 < 1.

    power: the k of the largest norm, or of one that rounding cannot distinguish from it.
    """

    log_peak: Bracket
    power: int
    decays_at: int


def transient(matrix: ArrayLike, longest: int = 10_000) -> Transient:
    """How far the powers of a square matrix grow before they decay.

    longest: >= 1, the largest power that is looked at. All later powers stay below the peak: ||A^(j + m)|| <= ||A^j||
    ||A^m|| < ||A^j|| for the m with ||A^m|| < 1. No power before `decays_at` has a norm below 1, rounding included:
    where float64 leaves that open, integer arithmetic decides, as long as it is quick.

    Raises TypeError or ValueError as `log_norm` does. Raises ValueError if the spectral radius is certainly 1 or more,
    so that no norm is below 1; if no power up to `longest` has a norm below 1; or if rounding decides on that.
    """
    matrix, longest = square_matrix("matrix", matrix), whole_number("longest", longest)
    radius = spectral_radius(matrix)
    if radius.lower >= 1:
        raise ValueError(
            f"matrix: powers never decay, as its spectral radius is at least {radius.lower} (needed: below 1); "
            "log_norm([matrix] * depth) says how large they are at a depth"
        )
    norms: list[Bracket] = []
    repeated = 0
    for norm in islice(_log_norms(matrix, radius.upper), longest):
        norms.append(norm)
        decays = norm.upper < 0 if norm.upper < 0 or norm.lower >= 0 else power_is_below_one(matrix, len(norms))
        if decays is None:
            repeated += 1
            decays = _decays(matrix, norms, repeated)
        if decays:
            return _transient(matrix, norms)
    later = (
        "so a later one has: raise `longest`"
        if radius.upper < 1
        else "which leaves open whether any has: log_norm([matrix] * depth) says how large they are at a depth"
    )
    raise ValueError(
        f"matrix: no power up to longest={longest} has a norm below 1 (the last: exp({norms[-1].upper:.6g})); its "
        f"spectral radius is in [{radius.lower}, {radius.upper}], {later}"
    )


_MOST_REPEATED = 16  # powers whose products are bounded again, factor by factor


def _decays(matrix: Float64Array, norms: list[Bracket], repeated: int) -> bool:
    """Whether ||A^k|| < 1, for the last k, by the bracket of `log_norm`."""
    k = len(norms)
    norm = log_norm([matrix] * k) if repeated <= _MOST_REPEATED else norms[-1]
    if norm.lower < 0 <= norm.upper:
        highest = max(norm.upper for norm in norms)
        raise ValueError(
            f"matrix: powers grow to exp({highest:.6g}), and their rounding decides on whether power {k} has a norm "
            "below 1; scale its rows and columns to similar size, or use a smaller matrix"
        )
    return norm.upper < 0


def _transient(matrix: Float64Array, norms: list[Bracket]) -> Transient:
    """The transient of log norms up to the first that is below 0."""
    at = max(range(len(norms)), key=lambda k: norms[k].lower)
    peak = log_norm([matrix] * (at + 1))
    upper = max([peak.upper, *(norm.upper for k, norm in enumerate(norms) if k != at)])
    return Transient(Bracket(peak.lower, upper), at + 1, len(norms))


def _log_norms(matrix: Float64Array, rate: float) -> Iterator[Bracket]:
    """log ||A^k||_2 for k = 1, 2, ...; for large k about k log(rate).

    With F_k = A F_(k-1) + d_k for what is computed, the error of F_k is the sum of A^(k-j) d_j. The norms ||A^(k-j)||,
    which earlier k have bounded, bound it. All this is done for B = D^-1 A D with D a diagonal of powers of two, and
    A^k = D B^k D^-1: the error then is relative to the size of each entry.
    """
    (scaled, scaling_error, exponent), shifts = balanced(matrix)
    ratios = shifts[:, np.newaxis] - shifts
    top, size = int(ratios.max()), len(matrix)
    back = np.maximum(ratios - top, -4096).astype(np.intc)
    slope = math.log2(rate) if rate > _NEXT_TO_NOTHING else float(exponent)
    power, scale, k = np.eye(size), 0, 0
    norms, roundings = np.ones(1), np.zeros(0)  # bounds on ||B^k|| and ||d_k||, divided by rate^k
    while True:
        k += 1
        rounding = product_rounding(scaled, power) + product_above(scaling_error, np.abs(power))
        power, rounding, shift = rescaled_enclosure(scaled @ power, rounding)
        scale += exponent + shift
        unit = scale - slope * k  # 2^scale = rate^k 2^unit
        roundings = np.append(roundings, _times_power(norm_above(rounding), unit, scale))
        error = float(norms[::-1] @ roundings) * (1 + gamma(2 * k)) + (k * SMALLEST if roundings.any() else 0.0)
        balanced_norm = float(np.linalg.norm(power, 2)) + lapack_rounding(power)
        norms = np.append(norms, (_times_power(balanced_norm, unit, scale) + error) * (1 + gamma(4)))
        entries = np.ldexp(power, back)
        norm, norm_error = float(np.linalg.norm(entries, 2)), lapack_rounding(entries)
        error = norm_error + size * _times_power(error, -unit, scale)
        yield Bracket(_log(norm - error, scale + top, -1), _log((norm + error) * (1 + gamma(4)), scale + top, +1))


_NEXT_TO_NOTHING = 2.0**-900


def _times_power(number: float, exponent: float, scale: int) -> float:
    """number * 2^exponent, rounded up. The exponent has an error of a few units roundoff of the scale."""
    if number == 0:
        return 0.0
    logarithm = math.log2(number) + exponent
    if logarithm > _LARGEST:
        return math.inf
    relative = 8 * UNIT_ROUNDOFF * (8 + abs(logarithm) + abs(exponent) + abs(scale))
    power: float = 2.0 ** max(logarithm, -_LARGEST)
    return power * (1 + relative)


_LARGEST = 500  # an exponent above which a bound says nothing, and up to which products are floats


def _log(number: float, exponent: int, direction: int) -> float:
    """log(number * 2^exponent), rounded up (+1) or down (-1)."""
    if not number > 0:
        return -math.inf
    logarithm, shift = math.log(number), exponent * math.log(2)
    return logarithm + shift + direction * 4 * UNIT_ROUNDOFF * (max(1.0, abs(logarithm)) + abs(shift))
