"""Read Snakemake's benchmark files, plain, extended or JSON lines: time, load and memory of a job, and no energy.

Energy is modelled from the CPU time and the memory that the file counts. Rows of one file are repeats of one
job: all of them ran.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.parse import decimal
from green.readers.quantity import S_PER_H
from green.readers.table import Header, Row, header_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink

NEEDED = frozenset({"s", "h:m:s"})  # the two columns that every version writes
GB_PER_MIB = Decimal(1024 * 1024) / Decimal(10**9)
MOST_S = 10**10


def _json_row(text: str) -> dict[str, str] | None:
    """Return the cells of a row of JSON lines as text; None where it is none."""
    try:
        found = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not found.keys() >= NEEDED:
        return None
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _header(log: Log) -> Header | None:
    return header_of(log, NEEDED, "\t")


def _rows(log: Log) -> Iterator[Row | tuple[int, str]]:
    """Yield the rows of either form."""
    header = _header(log)
    if header is not None:
        yield from rows_of(log, header)
        return
    for number, text in enumerate(log.lines(), 1):
        if text.strip():
            cells = _json_row(text)
            yield (number, "no JSON object with s and h:m:s") if cells is None else Row(number, cells)


def _positive(row: Row, column: str) -> Decimal | None:
    """Return a number of a row; NA and - are unknown."""
    value = decimal(row.get(column))
    return value if value is not None and 0 <= value <= MOST_S else None


def _core_s(row: Row, took_s: Decimal) -> Decimal | None:
    """Return the CPU seconds of a job: counted, else by its mean load, which older versions write alone."""
    counted, load = _positive(row, "cpu_time"), _positive(row, "mean_load")
    if counted is not None:
        return counted
    return None if load is None else load / 100 * took_s


class Snakemake:
    """The reader of Snakemake benchmarks."""

    name = "snakemake"
    title = "Snakemake benchmark, plain, extended or JSON lines"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by the columns s and h:m:s."""
        if _header(log) is not None:
            return True
        first = next((line for line in log.head_lines if line.strip()), "")
        return first.startswith("{") and '"h:m:s"' in first and _json_row(first) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Add up the repeats and report the one run."""
        if not self.recognises(log):
            raise Unreadable("NO_HEADER")
        found = Found(line=1)
        run = sink.run(found)
        whole_s = core_s = memory_gb_s = Decimal(0)
        loads = memories = 0
        for row in _rows(log):
            if isinstance(row, tuple):
                sink.reject(row[0], "CELL_COUNT", row[1], run=run)
                found.flags = ["TASKS_UNREAD"]
                continue
            took_s = _positive(row, "s")
            if took_s is None:
                sink.reject(row.line, "NO_TIME_OF_TASK", row.get("s")[:40], run=run)
                found.flags = ["TASKS_UNREAD"]
                continue
            found.line = found.line if whole_s else row.line
            whole_s += took_s
            used_s, memory_mib = _core_s(row, took_s), _positive(row, "max_rss")
            if used_s is None:
                sink.reject(row.line, "NO_LOAD", "neither cpu_time nor mean_load", run=run)
                found.flags = ["TASKS_UNREAD"]
            else:
                core_s, loads = core_s + used_s, loads + 1
            if memory_mib is not None:
                memory_gb_s, memories = memory_gb_s + memory_mib * GB_PER_MIB * took_s, memories + 1
            if row.get("rule_name"):
                found.facts = {"rule": row.get("rule_name")[:200], "threads": row.get("threads")[:20] or None}
        found.duration_s = float(whole_s) if whole_s else None
        found.busy_core_h = float(core_s / S_PER_H) if loads else None
        found.memory_gb_h = float(memory_gb_s / S_PER_H) if loads and memories else None


READER = Snakemake()
