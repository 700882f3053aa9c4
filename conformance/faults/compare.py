"""The same seeded faults judged by this suite and by other methods: a page, a picture and the numbers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.faults import Fault, detectability, seeded
from conformance.faults.other_methods import METHODS, Method, alarms, calls
from conformance.faults.run import CAUGHT, EQUIVALENT, outcome, side_by_side
from conformance.faults.wrong import subject_with
from conformance.report.files import write_json, write_whole
from conformance.report.markdown import NUMBERS, table
from conformance.strategies.draws import EXAMPLES, load_profile
from conformance.subjects.reference import Reference

SUITE: dict[str, Method] = {"this suite": detectability.suite}
COMMAND = "conformance faults --compare"


def verdicts(fault: Fault) -> dict[str, bool | None]:
    """Whether each other method finds the fault; None: it does not run what is wrong."""
    load_profile()
    subject = subject_with(fault)
    return {name: alarms(method, subject, fault) if calls(name, fault) else None for name, method in METHODS.items()}


def false_alarms(fault: Fault) -> list[str]:
    """The methods, this suite among them, that find a mistake in the right reference."""
    load_profile()
    subject = Reference("numpy", "float64", "cpu")
    return [name for name, method in (SUITE | dict(METHODS)).items() if alarms(method, subject, fault)]


def compare(into: Path, docs: Path, workers: int | None, console: Console) -> int:
    """Writes power.md and detectability.svg into `docs`, and comparison.json into `into`.

    Returns 1 when a fault survives the suite. Raises ValueError where another method alarms on the right reference:
    its verdicts on faults would say nothing.
    """
    workers = workers or os.cpu_count() or 1
    faults = seeded()
    results = side_by_side(outcome, faults, workers, console)  # first, for it refuses an entry that is no fault
    families = [_with_all_cases(family, faults) for family in sorted({fault.family for fault in faults})]
    for fault, methods in zip(families, side_by_side(false_alarms, families, workers, console), strict=True):
        if methods:
            raise ValueError(f"{fault.family}: {', '.join(methods)} alarms on the right reference")
    caught = [number for number, result in enumerate(results) if result["outcome"] == CAUGHT]
    found = side_by_side(verdicts, [faults[number] for number in caught], workers, console)
    for number, methods in zip(caught, found, strict=True):
        results[number] |= {"methods": methods}
    detectable = detectability.tabled(side_by_side(detectability.largest_power, detectability.TASKS, workers, console))

    versions = {package: version(package) for package in ("numpy", "torch", "jax")}
    record = {"format": 1, "versions": versions, "faults": results, "detectability": detectable}
    write_json(into / "comparison.json", record)
    write_whole(docs / "detectability.svg", detectability.picture(detectable))
    write_whole(docs / "power.md", page(results, sum(len(fault.cases) for fault in families), detectable, versions))
    console.print(f"written: {docs / 'power.md'}, {docs / 'detectability.svg'}, {into / 'comparison.json'}")
    return 0 if all(result["outcome"] in (CAUGHT, EQUIVALENT) for result in results) else 1


def _with_all_cases(family: str, faults: Iterable[Fault]) -> Fault:
    """A fault of the family, with the cases of all of them."""
    members = [fault for fault in faults if fault.family == family]
    return replace(members[0], cases=tuple(sorted({case for fault in members for case in fault.cases})))


def page(
    results: list[dict[str, Any]],
    cases: int,
    detectable: Mapping[str, Mapping[str, int | None]],
    versions: Mapping[str, str],
) -> str:
    """The page of a comparison, as Markdown."""
    effective = [result for result in results if result["outcome"] != EQUIVALENT]
    families = sorted({result["family"] for result in effective})
    rows = [_row(family, [r for r in effective if r["family"] == family]) for family in families]
    header = ["family", "seeded", "this suite", *METHODS, "no other"]
    powers = [[name, *(_error(detectable[c][name]) for c in detectable)] for name in detectability.DETECTORS]
    return _PAGE.format(
        command=COMMAND,
        faults=table(header, [*rows, _row("all", effective)], NUMBERS),
        equivalent=len(results) - len(effective),
        raised=sum(result.get("raised", False) for result in effective),
        cases=cases,
        examples=EXAMPLES,
        detectability=table(["method", *detectable], powers, NUMBERS),
        **versions,
    )


def _row(name: str, results: list[dict[str, Any]]) -> list[str]:
    caught = [result["methods"] for result in results if "methods" in result]
    cells = [name, str(len(results)), str(len(caught))]
    for method in METHODS:
        verdicts = [methods[method] for methods in caught if methods[method] is not None]
        cells.append(f"{sum(verdicts)} of {len(verdicts)}" if verdicts else "–")
    applying = [found for methods in caught if (found := [v for v in methods.values() if v is not None])]
    return [*cells, f"{sum(not any(found) for found in applying)} of {len(applying)}" if applying else "–"]


def _error(power: int | None) -> str:
    if power is None:
        return "–"
    if power == detectability.NOT_DETECTED:
        return f"not 2^-{detectability.POWERS[0]}"
    return f"2^-{power} ({2.0**-power:.0e})"


_PAGE = """\
<!-- Written by `{command}`; changes belong there. -->

# What this suite catches, and what other methods would have caught

`{command}` seeds every fault of `conformance/faults/*.toml` in a copy of the reference. This suite and
the usual methods judge the same copy. The command writes this page and its picture. The verdict of each method on each
fault is in `build/faults/comparison.json`. Versions: NumPy {numpy}, PyTorch {torch}, JAX {jax}.

{faults}

A cell shows how many faults a method finds, of those to which it applies, and – where it applies to none. A method
applies where it calls the function that is wrong. The last column counts the faults that no other method finds, of
those to which one applies. `assert_close` is one of these other methods, with the inputs of this suite.
Left out are {equivalent} faults that change no result. {raised} faults make the copy raise an error, which every
method that runs the copy finds.

A family is a file of faults: of state and aliasing, of activations at their kinks, of losses far from zero. Most faults
of initializers change the distribution of the draws. The cases decide on it by statistics, at a false-alarm rate of
1e-9, and compare nothing for equality.

The column of this suite is no measurement. A fault that survives makes the tests fail, so the cases were strengthened
until every fault was caught. The other methods were not. The table measures how many of these faults the others find.

- **this suite**: the cases listed with the fault, in float64, with {examples} examples where they draw.
- **assert_close**: `torch.testing.assert_close` with its default tolerances, on everything that these cases compare
  with the reference, in the same order. The inputs and the expected values are those of this suite, and only the
  tolerance differs. In float32 both sides are rounded to float32 first. The method does not apply where the cases
  compare nothing for equality.
- **gradcheck**: `torch.autograd.gradcheck` with its defaults, on the forward and backward of the wrong copy: every
  activation and loss under every convention, and small tanh networks. A wrong forward with the backward that belongs to
  it passes, which is no mistake of that method.
- **check_grads**: `jax.test_util.check_vjp` with its defaults, which is what `check_grads` does in reverse mode at
  first order, on the same functions in float64.
- **goldens**: expected values rounded to four decimals, compared at 1e-4 absolute plus relative, in the manner of
  Keras's unit tests: default hyperparameters, positive gradients, one to five steps, a handful of inputs. The goldens
  are correct here. In a project they are what the code returned on the day they were written.
- **convergence**: a quadratic of two parameters must lose 99 % of its value within 10 000 steps.

Each method first judged the correct reference with each listed case, {cases} pairs of family and case. The page is only
written if no method alarms. Random draws have no goldens here, because libraries draw in different ways.

## The smallest error that is seen

One coefficient is off by a relative 2^-k. The table shows the smallest error that each method still sees. 2^-50 is the
smallest error that is tried, and a method that sees it may see smaller ones. The search halves the range of k: it
assumes that a method that sees an error also sees a larger one. gradcheck and check_grads need float64. Comparison to
four decimals, or of 1 % of a loss, does not depend on the format.

![The smallest relative error each method sees](detectability.svg)

{detectability}

In float32 the suite judges the most accurate subject possible: the wrong copy computes in float64, and every result is
rounded once.
"""
