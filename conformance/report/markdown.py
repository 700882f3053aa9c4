"""Tables of Markdown, for the pages that commands write."""

from __future__ import annotations

from collections.abc import Sequence

TEXT, NUMBERS = "---", "--:"  # how the columns after the first are aligned


def table(header: Sequence[str], rows: Sequence[Sequence[str]], columns: str = TEXT) -> str:
    """The table as text, without a line break at its end."""
    lines = [header, ["---", *[columns] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
