"""The page of the long attack: the worst ratio of each rule in each group of targets, and how much was compared."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version

from conformance.report import markdown
from tests.attack import brackets, digits
from tests.attack.operations import COMPOSITE, ELEMENTARY, FUNCTIONS, SUMS
from tests.attack.record import Entry, Record
from tests.attack.targets import TARGETS

GROUPS = (*TARGETS, digits.GROUP)


def page(record: Record, hours: float) -> str:
    """The text of docs/attack.md. hours: of one processor."""
    sections = {
        "Operations": ELEMENTARY, "Elementary functions": FUNCTIONS, "Composite rules": COMPOSITE,
        "Sums and products of matrices": SUMS,
    }  # fmt: skip
    known = {name for section in sections.values() for name in section}
    tables = {title: [name for name in section if name in record.entries] for title, section in sections.items()}
    tables["Whole rules"] = [name for name in record.entries if name not in known | set(brackets.NAMES)]
    entries = [entry for groups in record.entries.values() for entry in groups.values()]
    beyond = record.beyond()
    return _PAGE.format(
        compared=f"{record.compared:,}",
        beyond=f"{len(beyond)} ratio{'s' * (len(beyond) != 1)} above 1",
        unclaimed=f"{sum(entry.unclaimed for entry in entries):,}",
        alarms="".join(f"\n- {rule}, {group}: {entry.worst:.6g}. {entry.where}" for rule, group, entry in beyond),
        tables="\n\n".join(f"## {title}\n\n{_table(record.entries, names, GROUPS)}" for title, names in tables.items()),
        products=_table(record.entries, brackets.NAMES, (brackets.GROUP,)),
        hours=f"{hours:.1f}",
        versions=", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "ml_dtypes", "mpmath")),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        today=datetime.date.today(),
    )


def _table(entries: Mapping[str, Mapping[str, Entry]], names: Iterable[str], groups: Sequence[str]) -> str:
    rows = []
    for name in names:
        found = entries[name]
        ratios = [_ratio(found.get(group)) for group in groups]
        rows.append([name, *ratios, f"{sum(entry.compared for entry in found.values()):,}"])
    columns = [group.replace(", flushed", " F") for group in groups]
    return markdown.table(["rule", *columns, "elements"], rows, markdown.NUMBERS)


def _ratio(entry: Entry | None) -> str:
    """Rounded up from the third digit on, so that 1 is 1 and no more."""
    if entry is None or entry.compared == 0:
        return "–"
    return f"{entry.worst:.3f}" if entry.worst <= 1 else f"**{entry.worst:.6g}**"


_PAGE = """\
<!-- Written by `make attack`; changes belong in tests/attack/. -->

# An attack on the bounds

**{compared} elements compared with their bounds: {beyond}.**
{alarms}

An adversary evaluates the formulas of the reference in each target. At every operation it chooses the worst outcome
that the target admits:

- rounding to nearest once, or twice through float32; digits kept beyond the format;
- operands and results flushed to zero, before or after rounding;
- a product fused into a sum or not;
- a function with the largest error that the target declares;
- sums in any order, in the declared accumulator or a wider one, rounded or truncated;
- inputs of matrix products cut to TF32.

The adversary shares no rounding and no bound with `refimpl.arithmetic`. A cell is the largest error that it reached, as
a fraction of the certified bound. F marks a target that flushes to zero.

Operations, functions and composite rules are attacked with uncertain operands: at both ends of their intervals, in the
middle and between. The operands include neighbours of powers of two, ties, subnormal, tiny and largest numbers, and
zero. A bound that holds for each operation holds for what they compose. Whole rules start from exact data, and the
adversary searches from random decisions for worse ones. Some claims have no size, such as a sign that is kept or a
result in range. They count as an infinite ratio where they fail. float64, and one target of each group, are also
compared with 50 digits.

A ratio near 1 shows that a bound is sharp. {unclaimed} more elements have no bound.

{tables}

## Products of matrices

The table is about the brackets of `refimpl.propagation.log_gain` and `log_norm`, by families of matrices that cancel or
span all exponents. A ratio is the distance of the exact number from the middle of its bracket, divided by half the
width. Where rounding decides whether a product is zero, only an upper end is claimed.

{products}

Versions: {versions}; Python {python}, {platform}. Date: {today}. Hours of one processor: {hours}.

`make attack` repeats the attack and continues where it was interrupted. It fails if a ratio is above 1, and the ratio
appears here with its operands as hexadecimal numbers.
"""
