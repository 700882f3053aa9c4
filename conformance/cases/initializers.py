"""Initializers: the law of the entries, tested at a stated false-alarm rate on fixed seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from conformance.case import case
from conformance.subjects import NotOffered
from refimpl.arithmetic import FORMATS
from refimpl.initializers import (
    Normal,
    NormalDistribution,
    Orthogonal,
    TruncatedNormal,
    Uniform,
    VarianceScaling,
)

FALSE_ALARM_RATE = 1e-9  # of each single test
SHAPES = {"dense": (300, 500), "convolution": (3, 5, 20, 30)}


def entries(subject, spec, shape, seed):
    """A draw as float64, once its type and shape are what was asked for."""
    draw = subject.initializer(spec, shape, seed)
    if draw.shape != shape or str(draw.dtype) != subject.dtype:
        raise AssertionError(f"asked for {subject.dtype} {shape}, got {draw.dtype} {draw.shape}")
    return np.asarray(draw, dtype=np.float64)


def hold_law(compare, sample, law, unit_roundoff):
    """Distribution (Dvoretzky, Kiefer & Wolfowitz 1956 with Massart's constant), mean and second moment of a sample.

    Rounding a sample to its format moves the distribution function by less than two units of roundoff.
    """
    x = np.sort(sample.ravel())
    n = x.size
    at, steps = np.asarray(law.cdf(x)), np.arange(n + 1) / n
    distance = max(np.max(steps[1:] - at), np.max(at - steps[:-1]))
    within = math.sqrt(math.log(2 / FALSE_ALARM_RATE) / (2 * n)) + 2 * unit_roundoff
    compare.at_most(float(distance), within, "distance of the distribution functions", entries=n)
    squares = (x - law.mean) ** 2
    excess = abs(float(np.mean(squares)) - law.variance) / law.variance
    compare.at_most(excess, _variance_limit(law, n) + 4 * unit_roundoff, "relative error of the variance", entries=n)


def _variance_limit(law, n):
    """How far the mean square may be off: exact for a normal law (chi squared), else by Hoeffding's inequality."""
    if isinstance(law, NormalDistribution):
        tail = FALSE_ALARM_RATE / 2
        return max(stats.chi2.isf(tail, n) / n - 1, 1 - stats.chi2.ppf(tail, n) / n)
    low, high = law.support
    largest = max((low - law.mean) ** 2, (high - law.mean) ** 2)
    return largest * math.sqrt(math.log(2 / FALSE_ALARM_RATE) / (2 * n)) / law.variance


@case(
    statement="Entries follow the declared law, with the fan of the shape in the variance.",
    source="Glorot & Bengio 2010; He et al. 2015; LeCun et al. 1998; DKW inequality with Massart's constant",
    kind="statistical",
    catches="the wrong fan, a standard deviation not corrected for truncation, a limit without its factor 3",
    capability="initializer",
)
@pytest.mark.parametrize("weights", SHAPES)
@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
def test_variance_scaling(subject, compare, mode, distribution, weights):
    asked = {"scale": 2.0, "mode": mode, "distribution": distribution}
    fixed, shape = subject.fixed(VarianceScaling), SHAPES[weights]
    clash = {name for name in asked if name in fixed and fixed[name] != asked[name]}
    if clash:
        raise NotOffered(f"{subject.name} fixes {', '.join(sorted(clash))}")
    layout = fixed.get("layout", "input_output")
    if layout == "output_input":
        shape = (*reversed(shape[-2:]), *shape[:-2])
    spec = VarianceScaling(**{**asked, **fixed})
    compare.example(spec=spec, shape=shape)
    hold_law(compare, entries(subject, spec, shape, seed=1), spec.law(shape), FORMATS[subject.dtype].unit_roundoff)


@case(
    statement="Entries of the plain initializers follow their law, bounds included.",
    source="DKW inequality with Massart's constant (1990); exact chi-squared test for normal laws",
    kind="statistical",
    catches="a standard deviation taken for a variance; bounds counted in the wrong unit",
    capability="initializer",
)
@pytest.mark.parametrize("rule", [Uniform, Normal, TruncatedNormal], ids=lambda rule: rule.__name__)
def test_plain(subject, compare, rule):
    asked = {
        Uniform: {"low": -0.3, "high": 0.7},
        Normal: {"mean": 0.1, "standard_deviation": 0.6},
        TruncatedNormal: {"mean": 0.1, "standard_deviation": 0.6, "lower": -1.2, "upper": 0.9},
    }[rule]
    spec = rule(**{**asked, **subject.fixed(rule)})
    compare.example(spec=spec)
    sample = entries(subject, spec, SHAPES["dense"], seed=2)
    hold_law(compare, sample, spec.law(SHAPES["dense"]), FORMATS[subject.dtype].unit_roundoff)


@case(
    statement="Orthogonal draws have orthonormal rows or columns, and their entries the signed law of Haar measure.",
    source="Mezzadri 2007; Higham 2002, theorem 19.4",
    kind="statistical",
    catches="Q of a QR decomposition without the signs of R's diagonal, which is not uniform; a gain left out",
    capability="initializer",
)
def test_orthogonal(subject, compare):
    spec = Orthogonal(**subject.fixed(Orthogonal))
    unit_roundoff = FORMATS[subject.dtype].unit_roundoff
    for shape in ((48, 30), (30, 48), (31, 31)):
        compare.example(spec=spec, shape=shape)
        q = entries(subject, spec, shape, seed=3)
        q = q if shape[0] >= shape[1] else q.T
        rows, columns = q.shape
        # Each of the reflections that make Q costs at most (4 rows + 20) u (Higham, lemma 19.2 counted out).
        limit = math.sqrt(columns) * columns * (4 * rows + 20) * unit_roundoff
        compare.at_most(float(np.max(np.abs(q.T @ q - np.eye(columns)))), limit, "distance from orthonormal")
    corners = np.array([entries(subject, spec, (6, 6), seed)[0, 0] for seed in range(400)])
    hold_law(compare, corners, spec.law((6, 6)), unit_roundoff)
