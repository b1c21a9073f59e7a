"""Tables of text that the readers share: find the header in a head, and put cells below their columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from green.readers.parse import csv_rows, split_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log

HEAD_LINES = 16  # a note or a banner may stand before the header
MOST_COLUMNS = 4096
MOST_LINE = 1_000_000  # a longer line is no row of a table that a tool writes


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a table, where they stand, and what parts them."""

    line: int
    columns: tuple[str, ...]
    separator: str

    def holds(self, row: list[str]) -> bool:
        """Tell whether a row is this header again, as where files were joined."""
        return tuple(cell.strip() for cell in row[: len(self.columns)]) == self.columns


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the number of its line and its cells by column."""

    line: int
    cells: dict[str, str]

    def get(self, *names: str) -> str:
        """Return the first cell of these columns that is there and not blank; else ""."""
        return next((cell for name in names if (cell := self.cells.get(name, "").strip())), "")


def cells_of(line: str, separator: str) -> list[str]:
    """Split a line; only commas may stand within quotes."""
    return split_cells(line) if separator == "," else line.split(separator)


def header_of(log: Log, needed: frozenset[str], separators: str) -> Header | None:
    """Return the header of a log, which has all the needed columns; None where the head shows none."""
    if not all(name in log.head for name in needed):  # most logs are another reader's: a glance is enough
        return None
    for number, line in enumerate(log.head_lines[:HEAD_LINES], 1):
        for separator in separators:
            if line.count(separator) + 1 < len(needed) or len(line) > MOST_LINE:
                continue
            columns = [cell.strip().strip("\ufeff") for cell in cells_of(line, separator)]
            while columns and not columns[-1]:  # `sacct --parsable` ends each line with its separator
                columns.pop()
            if needed <= set(columns) and len(columns) <= MOST_COLUMNS:
                return Header(number, tuple(columns), separator)
    return None


def rows_of(log: Log, header: Header) -> Iterator[Row | tuple[int, str]]:
    """Yield the rows below a header; a line that does not fit is its number and why."""
    width = len(header.columns)
    for line, cells in _split(log, header.separator):
        if line <= header.line or not any(cell.strip() for cell in cells) or header.holds(cells):
            continue
        if len(cells) == width or (len(cells) == width + 1 and not cells[-1].strip()):
            yield Row(line, dict(zip(header.columns, cells, strict=False)))
        else:
            yield line, f"{len(cells)} cells under {width} columns"


def _split(log: Log, separator: str) -> Iterator[tuple[int, list[str]]]:
    if separator == ",":
        yield from csv_rows(log.lines())
        return
    for number, line in enumerate(log.lines(), 1):
        yield number, line.split(separator) if len(line) <= MOST_LINE else [""] * (MOST_COLUMNS + 2)
