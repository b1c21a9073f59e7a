"""What a trial gives: a table for the page, and whether every promise was kept."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """The result of a trial."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    summary: str = ""
    kept: bool = True

    def table(self) -> str:
        lines = ["| " + " | ".join(self.columns) + " |", "|" + " --- |" * len(self.columns)]
        return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in self.rows)])
