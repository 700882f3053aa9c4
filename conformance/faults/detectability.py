"""How small an error of one coefficient each method detects, this suite and others, as numbers and a picture."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from conformance.faults import SYSTEMATIC, Fault
from conformance.faults.other_methods import METHODS, Method, alarms
from conformance.faults.wrong import subject_with
from conformance.report import drawing
from conformance.running.trace import run_case
from conformance.strategies.draws import load_profile
from conformance.subjects.subject import Subject
from refimpl.trees import map_leaves

POWERS = range(4, 51)  # relative errors 2**-4, ..., 2**-50
NOT_DETECTED = POWERS[0] - 1


def _coefficient(name: str, family: str, place: str, find: str, replace: str, case: str) -> Fault:
    return Fault(name, family, f"{name} is off by EXCESS", SYSTEMATIC, place, find, replace, (case,))


# EXCESS stands for the relative error.
COEFFICIENTS = (
    _coefficient(
        "Adam's learning rate",
        "optimizers",
        "refimpl.optimizers.adam.Adam.update",
        "parameter - increment",
        "parameter - (1 + EXCESS) * increment",
        "optimizers.all_terms_active[Adam]",
    ),
    _coefficient(
        "Adam's beta2 in the average",
        "optimizers",
        "refimpl.optimizers.adam.Adam.update",
        'moving_average(state["second_moment"], gradient**2, self.beta2)',
        'moving_average(state["second_moment"], gradient**2, self.beta2 * (1 - EXCESS))',
        "optimizers.all_terms_active[Adam]",
    ),
    _coefficient(
        "a weight's gradient",
        "networks",
        "refimpl.layers.dense.Dense.backward",
        "x_rows.T @ cotangent_rows",
        "(x_rows.T @ cotangent_rows) * (1 + EXCESS)",
        "networks.gradients",
    ),
    _coefficient(
        "the sigmoid's derivative",
        "activations",
        "refimpl.activations.logistic.Sigmoid._vjp",
        "return product(cotangent, value, complement)",
        "return (1 + EXCESS) * product(cotangent, value, complement)",
        "activations.elementwise[Sigmoid]",
    ),
)


def off_by(coefficient: Fault, excess: float) -> Subject:
    """The reference with this relative error in the coefficient."""
    return subject_with(replace(coefficient, replace=coefficient.replace.replace("EXCESS", repr(excess))))


def suite(subject: Subject, fault: Fault) -> None:
    """The cases themselves."""
    for case in fault.cases:
        run_case(case, subject)


def suite_in_float32(subject: Subject, fault: Fault) -> None:
    """The cases on the most accurate of float32 subjects: computed in float64, every result rounded once."""
    subject.dtype = "float32"
    for name in ("activation", "network", "optimizer"):
        setattr(subject, name, _rounding(getattr(subject, name)))
    suite(subject, fault)


def _rounding(method: Callable[..., Any]) -> Callable[..., Any]:
    def rounded(*inputs: Any) -> Any:
        result = method(*inputs)
        if isinstance(result, tuple | list | dict | np.ndarray):
            return map_leaves(lambda leaf: np.asarray(leaf, dtype=np.float32), result)
        for name in ("parameters", "state"):  # a run of an optimizer, whose state stays as it is
            setattr(result, name, _rounding(getattr(result, name)))
        return result

    return rounded


DETECTORS: Mapping[str, Method] = {
    "this suite, float32": suite_in_float32,
    "this suite, float64": suite,
} | dict(METHODS)


def largest_power(task: tuple[int, str]) -> int | None:
    """The power k at which the detector still sees an error of 2**-k in the coefficient with this number.

    NOT_DETECTED where it does not see the largest, None where it does not apply. What it sees it also sees larger: only
    so many powers are tried as a search by halves needs. Raises ValueError if it alarms without any error.
    """
    number, detector = task
    load_profile()
    coefficient, method = COEFFICIENTS[number], DETECTORS[detector]

    def seen(excess: float) -> bool | None:
        return alarms(method, off_by(coefficient, excess), coefficient)

    if (alarm := seen(0.0)) is None:
        return None
    if alarm:
        raise ValueError(f"{detector} alarms on the right {coefficient.id}")
    return NOT_DETECTED + bisect_left(POWERS, True, key=lambda power: not seen(2.0**-power))


TASKS = [(number, detector) for number in range(len(COEFFICIENTS)) for detector in DETECTORS]


def tabled(powers: list[int | None]) -> dict[str, dict[str, int | None]]:
    """The results of TASKS by coefficient and detector."""
    table: dict[str, dict[str, int | None]] = {coefficient.id: {} for coefficient in COEFFICIENTS}
    for (number, detector), power in zip(TASKS, powers, strict=True):
        table[COEFFICIENTS[number].id][detector] = power
    return table


def picture(table: Mapping[str, Mapping[str, int | None]]) -> str:
    """The table as an SVG file: a bar for each detector, as long as the errors it sees are small."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots(2, 2, sharex=True, sharey=True)
        for axis, (coefficient, powers) in zip(axes.flat, table.items(), strict=True):
            _bars(axis, coefficient, powers)
        figure.supxlabel("smallest relative error that is seen; dotted: unit roundoff of float32 and float64")

    return drawing.svg(draw, 10, 5.6)


def _bars(axis: Axes, coefficient: str, powers: Mapping[str, int | None]) -> None:
    axis.set_title(coefficient, loc="left")
    for row, (name, power) in enumerate(powers.items()):
        if power is None or power == NOT_DETECTED:
            text = "does not apply" if power is None else f"does not see 2⁻{_superscript(POWERS[0])}"
            axis.text(0.5, row, text, va="center", fontsize=8, color="gray")
        else:
            axis.barh(row, power, height=0.6, color="tab:blue" if "suite" in name else "tab:gray")
    for roundoff in (24, 53):
        axis.axvline(roundoff, color="black", linestyle=":", linewidth=1)
    axis.set_yticks(range(len(powers)), list(powers))
    axis.set_ylim(len(powers) - 0.5, -0.5)
    axis.set_xlim(0, 54)
    axis.set_xticks([10, 24, 40, 53], [f"2⁻{_superscript(power)}" for power in (10, 24, 40, 53)])
    axis.grid(False, axis="y")


def _superscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
