"""Read Nextflow's trace: a workflow execution is a run; its tasks give time, load and memory, and no energy.

Energy is modelled from what the trace counts: core-hours that were busy and memory that was held. A cached
task ran in an earlier execution and used nothing in this one; a failed task ran, and counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.parse import Clock, decimal, has_zone
from green.readers.quantity import B_PER_GB, S_PER_H, size_b, spoken_s
from green.readers.table import Header, Row, header_of, rows_of

if TYPE_CHECKING:
    from green.readers import Log, Sink

NEEDED = frozenset({"task_id", "status"})
OTHERS = frozenset({"hash", "native_id", "exit", "submit", "duration", "realtime", "%cpu", "peak_rss", "process"})
FOOTPRINT = "energy_consumption"  # the column that tells nf-co2footprint's trace from this one
SEPARATORS = "\t,;|"
CACHED = frozenset({"CACHED", "STORED"})
RAN = frozenset({"COMPLETED", "FAILED", "ABORTED"})
ABSENT = frozenset({"", "-", "null"})


def header(log: Log) -> Header | None:
    """Return the header of a trace of Nextflow itself."""
    found = header_of(log, NEEDED, SEPARATORS)
    if found is None or FOOTPRINT in found.columns or len(OTHERS & set(found.columns)) < 2:  # noqa: PLR2004 -- one such name may be another tool's
        return None
    return found


def cell(row: Row, *names: str) -> str:
    """Return the first of these cells that says something."""
    return next((text for name in names if (text := row.get(name)) not in ABSENT), "")


@dataclass(slots=True)
class Tasks:
    """How the tasks of a workflow ended: counts, and whether each task that failed was done by a later attempt."""

    counts: Counter[str] = field(default_factory=Counter)
    failed: set[str] = field(default_factory=set)

    def add(self, row: Row) -> str:
        """Count a task and return what it is to us: ran, cached or unknown."""
        status, name = row.get("status"), row.get("name") or row.get("process") or row.get("task_id")
        self.counts[status] += 1
        if status in CACHED:
            return "cached"
        if status in {"FAILED", "ABORTED"}:
            self.failed.add(name)
        elif status == "COMPLETED":
            self.failed.discard(name)
        return "ran" if status in RAN else "unknown"

    def status(self) -> str | None:
        """Return how the workflow ended, as far as its tasks say."""
        if self.failed:
            return "failed"
        return "completed" if self.counts and not set(self.counts) - RAN - CACHED else None

    def facts(self) -> dict[str, str | float | None]:
        """Return the counts by status."""
        return {f"tasks_{status.lower()}": float(n) for status, n in sorted(self.counts.items()) if status.isalpha()}


@dataclass(slots=True)
class _Sums:
    """What the tasks used, and when."""

    core_s: Decimal = Decimal(0)
    memory_gb_s: Decimal = Decimal(0)
    has_memory: bool = False
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def time(self, row: Row, clock: Clock, took_s: Decimal | None) -> None:
        """Widen the time of the workflow by a task."""
        start, end = (_moment_us(row, names, clock) for names in (("submit", "start"), ("complete",)))
        if start is not None:
            self.starts = [min([start, *self.starts])]
            whole = spoken_s(cell(row, "duration"))
            took = whole if whole is not None else took_s
            end = end if end is not None or took is None else start + int(took * 1_000_000)
        if end is not None:
            self.ends = [max([end, *self.ends])]

    def load(self, row: Row, took_s: Decimal) -> bool:
        """Add what a task used; tell whether its load is known."""
        percent = decimal(cell(row, "%cpu").removesuffix("%"))
        memory_b = size_b(cell(row, "peak_rss", "rss", "memory"))
        if memory_b is not None:
            self.memory_gb_s += memory_b / B_PER_GB * took_s
            self.has_memory = True
        if percent is None or percent < 0:
            return False
        self.core_s += percent / 100 * took_s
        return True


def _moment_us(row: Row, names: tuple[str, ...], clock: Clock) -> int | None:
    """Return a time of a task: local time, or milliseconds since 1970 in a raw trace."""
    text = cell(row, *names)
    return int(text) * 1000 if text.isdigit() and len(text) <= 15 else clock.us(text)  # noqa: PLR2004 -- the year 33658


class Nextflow:
    """The reader of Nextflow traces."""

    name = "nextflow"
    title = "Nextflow execution trace"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the columns: task_id, status and two others of Nextflow."""
        return header(log) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Add up all tasks, then report the one run."""
        head = header(log)
        if head is None:
            raise Unreadable("NO_HEADER")
        clock, tasks, sums = Clock(log.timezone), Tasks(), _Sums()
        rejects: list[tuple[int, str, str]] = []
        for row in rows_of(log, head):
            if isinstance(row, tuple):
                rejects.append((row[0], "CELL_COUNT", row[1]))
                continue
            kind = tasks.add(row)
            if kind == "cached":
                continue
            took_s = spoken_s(cell(row, "realtime", "duration"))
            sums.time(row, clock, took_s)
            if took_s is None or kind == "unknown":
                rejects.append((row.line, "NO_TIME_OF_TASK", f"{row.get('status')} {cell(row, 'name')}"[:80]))
            elif not sums.load(row, took_s):
                rejects.append((row.line, "NO_LOAD", f"no %cpu: {cell(row, 'name')}"[:80]))
        run = sink.run(_found(head, log, tasks, sums, bad=len(rejects)))
        for line, reason, detail in rejects:
            sink.reject(line, reason, detail, run=run)


def _found(head: Header, log: Log, tasks: Tasks, sums: _Sums, *, bad: int) -> Found:
    """Say what the trace says of the workflow; no task with a known load is no energy, never zero."""
    total = sum(tasks.counts.values())
    found = Found(
        line=head.line,
        started_at_us=sums.starts[0] if sums.starts else None,
        ended_at_us=sums.ends[0] if sums.ends else None,
        status=tasks.status(),
        facts=tasks.facts(),
    )
    if found.started_at_us is not None and log.zone_assumed and not _is_raw(log, head):
        found.flags.append("ASSUMED_UTC")
    if bad:
        found.flags.append("TASKS_UNREAD")
    if total and (sums.core_s or not bad):
        found.busy_core_h = float(sums.core_s / S_PER_H)
        found.memory_gb_h = float(sums.memory_gb_s / S_PER_H) if sums.has_memory else None
    return found


def _is_raw(log: Log, head: Header) -> bool:
    """Tell whether the first task's time says its zone, as milliseconds since 1970 do."""
    first = next((row for row in rows_of(log, head) if isinstance(row, Row)), None)
    text = cell(first, "submit", "start") if first else ""
    return text.isdigit() or has_zone(text)


READER = Nextflow()
