"""The profiles: what they hold and refuse, and that NumPy keeps to its own while a function that is worse does not."""

import itertools

import mpmath
import numpy as np
import pytest

from conformance import profiles
from conformance.profiles import calibrate
from refimpl.arithmetic.formats import FLOAT32, Target

SPARSE = 1_000_003  # distance of the float32 bit patterns visited
CHUNKS = 24  # all of these; of the powers, those of the usual decays and some random ones


def worst_error_of_numpy(function: str, ulps: int = 0) -> float:
    """Of the function moved up and of the function moved down by so many ulp."""
    evaluations = [
        lambda *a, evaluate=evaluate, ulps=signed: (result := evaluate(*a)) + ulps * np.spacing(abs(result))
        for evaluate in calibrate.BACKENDS["numpy"]().evaluations(function)
        for signed in (ulps, -ulps)
    ]
    chunks = itertools.islice(calibrate.inputs(function, "float32", SPARSE), CHUNKS)
    return calibrate.largest_error(function, evaluations, chunks, rounds=0)[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of custom profiles, with nothing cached from the shipped ones."""
    monkeypatch.setattr(profiles, "_FOLDER", tmp_path)
    profiles.load.cache_clear()
    yield tmp_path
    profiles.load.cache_clear()


@pytest.mark.parametrize("name", calibrate.BACKENDS)
def test_each_profile_declares_every_function_in_both_formats(name):
    assert {format_name: set(table) for format_name, table in profiles.load(name).items()} == {
        "float32": set(calibrate.FORMULAS),
        "float64": set(calibrate.FORMULAS),
    }


def test_margin_is_added_unless_every_result_was_correctly_rounded(folder):
    (folder / "own.toml").write_text('version = "1"\n[float32.exp]\nulp = 2.0\n[float32.sqrt]\nulp = 0.4999\n')
    assert profiles.load("own") == {"float32": {"exp": 2.2, "sqrt": 0.5}}


def test_unknown_profile_is_refused_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown profile 'numpi': there are jax-cpu, numpy, tensorflow-cpu, torch-cpu; .*calibrate"
    ):
        profiles.load("numpi")


@pytest.mark.parametrize("entry", ["ulp = inf", "ulp = nan", "ulp = -1.0", "at = [1.0]"])
def test_an_entry_without_a_finite_maximum_is_refused(folder, entry):
    (folder / "own.toml").write_text(f"[float32.exp]\n{entry}\n")
    with pytest.raises(ValueError, match=r"own\.float32\.exp: ulp must be"):
        profiles.load("own")


def test_unknown_function_is_refused_by_whoever_requires_it():
    target = Target(FLOAT32, functions=profiles.load("numpy"))
    with pytest.raises(KeyError, match="no declared accuracy of 'gamma' in float32"):
        target.function_error("gamma")


@pytest.mark.parametrize("function", calibrate.FORMULAS)
def test_numpy_keeps_to_its_profile(function):
    assert worst_error_of_numpy(function) <= profiles.load("numpy")["float32"][function]


@pytest.mark.parametrize("function", calibrate.FORMULAS)
def test_a_function_three_ulp_worse_exceeds_the_profile(function):
    assert worst_error_of_numpy(function, ulps=3) > profiles.load("numpy")["float32"][function]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 0.0])
def test_one_wrong_result_among_thousands_is_found(wrong):
    def one_wrong(result: np.ndarray) -> np.ndarray:
        return np.where(result == np.float32(2), np.float32(wrong), result)

    chunks = [(np.arange(1, 10_000, dtype=np.float32),)]
    error, where = calibrate.largest_error("sqrt", [lambda x: one_wrong(np.sqrt(x))], chunks)
    assert error >= 2**23
    assert one_wrong(np.sqrt(np.float32(where[0]))) != np.sqrt(np.float32(where[0]))


@pytest.mark.parametrize("function", ["erf", "erfc"])
def test_error_functions_in_long_double_lie_within_an_eighth_ulp_of_float64(function):
    numbers = np.random.default_rng(1).uniform(-9, 26, 300)
    wide = calibrate.FORMULAS[function](calibrate.WIDE, numbers.astype(np.longdouble))
    with mpmath.workdps(50):
        for x, y in zip(numbers, wide, strict=True):
            exact = getattr(mpmath, function)(mpmath.mpf(x))
            high = float(y)
            error = abs(mpmath.mpf(high) + mpmath.mpf(float(y - high)) - exact)
            assert error <= np.spacing(abs(float(exact))) / 8
