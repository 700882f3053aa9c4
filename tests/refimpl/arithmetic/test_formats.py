"""The binary formats, against the bit patterns of NumPy's and ml_dtypes' numbers."""

import math

import ml_dtypes
import numpy as np
import pytest

from refimpl.arithmetic import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, FORMATS, RunningError, Target
from refimpl.arithmetic.formats import binade

# Type, unsigned integers of its size, and which of its positive numbers are looked at: all, or some 10**5 of them.
TYPES = {
    FLOAT16: (np.float16, np.uint16, 1),
    BFLOAT16: (ml_dtypes.bfloat16, np.uint16, 1),
    FLOAT32: (np.float32, np.uint32, 20011),
    FLOAT64: (np.float64, np.uint64, 2**46 + 12345678901),
}
SMALL = [FLOAT16, BFLOAT16, FLOAT32]


def neighbours(format_):
    """Pairs of positive finite numbers that follow each other (zero among them), and which is even, as float64."""
    dtype, unsigned, stride = TYPES[format_]
    largest = int(np.array(format_.largest, dtype).view(unsigned))
    ends = np.arange(0, 300), np.arange(largest - 300, largest)
    bits = np.unique(np.concatenate([np.arange(0, largest, stride), *ends])).astype(unsigned)
    lower, upper = (b.view(dtype).astype(np.float64) for b in (bits, bits + unsigned(1)))
    return lower, upper, np.where(bits & unsigned(1) == 0, lower, upper)


@pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda f: f.name)
def test_constants_are_those_of_the_type(format_):
    info = ml_dtypes.finfo(TYPES[format_][0])
    assert format_.unit_roundoff == float(info.eps) / 2
    assert format_.smallest_normal == float(info.smallest_normal)
    assert format_.smallest_subnormal == float(info.smallest_subnormal)
    assert format_.largest == float(info.max)
    assert FORMATS[str(np.dtype(TYPES[format_][0]))] is format_


@pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda f: f.name)
def test_ulp_is_the_distance_to_the_next_number(format_):
    lower, upper, _ = neighbours(format_)
    assert np.array_equal(format_.ulp(lower), upper - lower)


@pytest.mark.parametrize("format_", SMALL, ids=lambda f: f.name)
@pytest.mark.parametrize("sign", [1, -1])
def test_numbers_between_two_neighbours_round_to_the_nearer_and_ties_to_the_even_one(format_, sign):
    lower, upper, even = neighbours(format_)
    middle = (lower + upper) / 2
    for number, expected in [
        (lower, lower),
        (upper, upper),
        (middle, even),
        (np.nextafter(middle, lower), lower),
        (np.nextafter(middle, upper), upper),
    ]:
        rounded = format_.round(sign * number)
        assert np.array_equal(rounded, sign * expected)
        assert np.array_equal(np.signbit(rounded), np.full(rounded.shape, sign < 0))


@pytest.mark.parametrize("format_", SMALL, ids=lambda f: f.name)
def test_overflow_begins_half_a_unit_above_the_largest_number(format_):
    limit = format_.largest + float(format_.ulp(format_.largest)) / 2
    assert format_.round(np.nextafter(limit, 0)) == format_.largest
    assert format_.round(limit) == math.inf
    assert format_.round(-limit) == -math.inf


@pytest.mark.parametrize("format_", FORMATS.values(), ids=lambda f: f.name)
def test_infinities_and_nan_stay(format_):
    assert np.array_equal(format_.round([np.inf, -np.inf, np.nan]), [np.inf, -np.inf, np.nan], equal_nan=True)


def test_round_keeps_the_shape_and_float64():
    assert FLOAT32.round(0.1).shape == ()
    assert FLOAT32.round(np.zeros((0, 3))).shape == (0, 3)
    assert FLOAT64.round(0.1) == 0.1


def test_binade_is_the_power_of_two_below():
    numbers = np.array([1.0, 1.999, 2.0, 0.75, 3e-200, np.nextafter(4.0, 0)])
    assert np.array_equal(binade(numbers), 2.0 ** np.floor(np.log2([1.0, 1.5, 2.0, 0.75, 3e-200, 3.0])))
    assert binade(np.float64(5e-324)) == 0.0
    assert binade(np.array(np.inf)) == np.inf


def test_a_format_contains_those_with_fewer_bits_and_exponents():
    contained = {(outer, inner) for outer in FORMATS.values() for inner in FORMATS.values() if outer.contains(inner)}
    proper = {(FLOAT64, FLOAT32), (FLOAT64, FLOAT16), (FLOAT64, BFLOAT16), (FLOAT32, FLOAT16), (FLOAT32, BFLOAT16)}
    assert contained == proper | {(f, f) for f in FORMATS.values()}


def test_hyperparameters_have_a_target_of_their_own():
    target = Target(BFLOAT16, scalars=FLOAT64, powers=FLOAT32, flush_to_zero=True)
    assert target.for_scalars().format is FLOAT64
    assert target.for_powers().format is FLOAT32
    assert target.for_scalars() is target.for_scalars() is target.for_scalars().for_scalars()
    assert Target(FLOAT32, scalars=BFLOAT16).for_powers().format is BFLOAT16


def test_a_function_without_declared_accuracy_is_refused_with_all_that_are_missing():
    x = RunningError.exact([1.0], Target(FLOAT32, functions={"float32": {"exp": 1.0, "sin": 0.5}}))
    missing = "sqrt, rsqrt, power, expm1, log, log1p, tanh, erf, erfc, cos"
    message = rf"'tanh' in float32: .* Target\(functions=...\).* Missing are {missing}; declared are exp, sin"
    with pytest.raises(KeyError, match=message):
        np.tanh(x)


@pytest.mark.parametrize("ulps", [-0.5, np.nan, np.inf])
def test_a_target_refuses_errors_that_would_make_wrong_bounds(ulps):
    with pytest.raises(ValueError, match=r"functions\['float32'\]\['exp'\] must be in ulp"):
        Target(FLOAT32, functions={"float32": {"exp": ulps}})


def test_a_target_refuses_errors_of_functions_that_are_not_by_format():
    with pytest.raises(TypeError, match=r'by format name, such as \{"float32": .*, got \{'):
        Target(FLOAT32, functions={"sqrt": 0.5})


def test_a_target_refuses_an_unknown_format_and_names_those_there_are():
    with pytest.raises(ValueError, match="'float31'; there are float64, float32, float16, bfloat16"):
        Target(FLOAT32, functions={"float31": {"sqrt": 0.5}})


@pytest.mark.parametrize("name", ["scalars", "powers", "accumulator"])
def test_a_target_refuses_what_is_no_format_by_argument(name):
    with pytest.raises(TypeError, match=f"{name} must be one of refimpl.arithmetic's, such as FLOAT32, got 'float64'"):
        Target(FLOAT32, **{name: "float64"})


def test_a_target_refuses_the_name_of_a_format():
    with pytest.raises(TypeError, match="such as FLOAT32, got 'float32'"):
        Target("float32")


def test_exact_data_need_the_target_of_a_format():
    with pytest.raises(TypeError, match=r"target must be a Target, such as Target\(FLOAT32\), got Format"):
        RunningError.exact(1.0, FLOAT32)
