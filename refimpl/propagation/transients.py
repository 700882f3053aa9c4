"""How far the powers of one matrix grow before they decay."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from refimpl.propagation.accuracy import Bracket
from refimpl.propagation.arguments import square_matrix, whole_number
from refimpl.propagation.balancing import similar
from refimpl.propagation.exact_decisions import power_is_below_one
from refimpl.propagation.products import log_norm
from refimpl.propagation.rounding import (
    SMALLEST,
    UNIT_ROUNDOFF,
    gamma,
    norm_above,
    product_above,
    rescaled_enclosure,
    rounding_of_lapack,
    rounding_of_product,
)
from refimpl.propagation.spectra import spectral_radius


class Transient(NamedTuple):
    """log_peak: of the largest ||A^k||_2 over k >= 1; power: its k; decays_at: the first k with ||A^k|| < 1.

    Of powers that rounding cannot tell from the largest, `power` is one.
    """

    log_peak: Bracket
    power: int
    decays_at: int


def transient(matrix: Any, longest: int = 10_000) -> Transient:
    """How far powers of a square matrix grow before they decay.

    All later powers stay below the peak: ||A^(j + m)|| <= ||A^j|| ||A^m|| < ||A^j|| for the m with ||A^m|| < 1.
    No power before `decays_at` has a norm below 1, rounding included: where float64 leaves that open, whole numbers
    decide, as long as they are quick.
    Raises ValueError if the spectral radius is certainly 1 or more, since every norm then is; if no power up to
    `longest` has a norm below 1, or if rounding decides on that; TypeError or ValueError as `log_norm` does.
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
            return _before(matrix, norms)
    if radius.upper < 1:
        later = "so a later one has: raise `longest`"
    else:
        later = "which leaves open whether any has: log_norm([matrix] * depth) says how large they are at a depth"
    raise ValueError(
        f"matrix: no power up to longest={longest} has a norm below 1 (the last: exp({norms[-1].upper:.6g})); its "
        f"spectral radius is in [{radius.lower}, {radius.upper}], {later}"
    )


_MOST_REPEATED = 16  # powers of which every factor is gone through again, before they are left open


def _decays(matrix: np.ndarray, norms: list[Bracket], repeated: int) -> bool:
    """Whether ||A^k|| < 1, for the last k, by the bracket of `log_norm`."""
    k = len(norms)
    norm = log_norm([matrix] * k) if repeated <= _MOST_REPEATED else norms[-1]
    if norm.lower < 0 <= norm.upper:
        highest = max(norm.upper for norm in norms)
        raise ValueError(
            f"matrix: powers grow to exp({highest:.6g}), and their rounding decides on whether power {k} has a norm "
            "below 1; scale its rows and columns to similar size, or use fewer of them"
        )
    return norm.upper < 0


def _before(matrix: np.ndarray, norms: list[Bracket]) -> Transient:
    """The transient, from the logarithms of the norms up to the first that is below 0."""
    at = max(range(len(norms)), key=lambda k: norms[k].lower)
    peak = log_norm([matrix] * (at + 1))
    upper = max([peak.upper, *(norm.upper for k, norm in enumerate(norms) if k != at)])
    return Transient(Bracket(peak.lower, upper), at + 1, len(norms))


def _log_norms(matrix: np.ndarray, rate: float) -> Iterator[Bracket]:
    """log ||A^k||_2 for k = 1, 2, ..., which for a large k are about k log(rate).

    With F_k = A F_(k-1) + d_k for what is computed, the error of F_k is the sum of A^(k-j) d_j, so that ||A^(k-j)||,
    which earlier k have bounded, say how large it is. All that for B = D^-1 A D, D a diagonal of powers of two: the
    norms of A^k = D B^k D^-1 then have errors that go with the sizes of its entries.
    """
    scaled, of_scaling, exponent, shifts = similar(matrix)
    ratios = shifts[:, np.newaxis] - shifts
    top, size = int(ratios.max()), len(matrix)
    back = np.maximum(ratios - top, -4096).astype(np.intc)
    slope = math.log2(rate) if rate > _NEXT_TO_NOTHING else float(exponent)
    power, scale, k = np.eye(size), 0, 0
    norms, roundings = np.ones(1), np.zeros(0)  # bounds on ||B^k|| and ||d_k||, divided by rate^k
    while True:
        k += 1
        rounding = rounding_of_product(scaled, power) + product_above(of_scaling, np.abs(power))
        power, rounding, shift = rescaled_enclosure(scaled @ power, rounding)
        scale += exponent + shift
        unit = scale - slope * k  # 2^scale = rate^k 2^unit
        roundings = np.append(roundings, _times_power(norm_above(rounding), unit, scale))
        error = float(norms[::-1] @ roundings) * (1 + gamma(2 * k)) + (k * SMALLEST if roundings.any() else 0.0)
        own = float(np.linalg.norm(power, 2)) + rounding_of_lapack(power)
        norms = np.append(norms, (_times_power(own, unit, scale) + error) * (1 + gamma(4)))
        entries = np.ldexp(power, back)
        found, of_found = float(np.linalg.norm(entries, 2)), rounding_of_lapack(entries)
        error = of_found + size * _times_power(error, -unit, scale)
        yield Bracket(_log(found - error, scale + top, -1), _log((found + error) * (1 + gamma(4)), scale + top, +1))


_NEXT_TO_NOTHING = 2.0**-900


def _times_power(number: float, exponent: float, scale: int) -> float:
    """number * 2^exponent, rounded up; the exponent is off by a few units of roundoff of the scale."""
    if number == 0:
        return 0.0
    logarithm = math.log2(number) + exponent
    if logarithm > _LARGEST:
        return math.inf
    relative = 8 * UNIT_ROUNDOFF * (8 + abs(logarithm) + abs(exponent) + abs(scale))
    return 2.0 ** max(logarithm, -_LARGEST) * (1 + relative)


_LARGEST = 500  # the exponent of what is no bound at all, and products of which are floats


def _log(number: float, exponent: int, direction: int) -> float:
    """log(number * 2^exponent), rounded outward."""
    if not number > 0:
        return -math.inf
    logarithm, shift = math.log(number), exponent * math.log(2)
    return logarithm + shift + direction * 4 * UNIT_ROUNDOFF * (max(1.0, abs(logarithm)) + abs(shift))
