"""Read PowerJoular's CSV: power of CPU and GPU a line, of the machine or of one process."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from green.readers import Found
from green.readers.measure import uncut
from green.readers.parse import Clock, power_w, split_cells

if TYPE_CHECKING:
    from green.readers import Log, Sink

MACHINE = ["Date", "CPU Utilization", "Total Power", "CPU Power", "GPU Power"]
PROCESS = ["Date", "CPU Utilization", "CPU Power"]
COLUMNS = {"cpu": "CPU Power", "gpu": "GPU Power"}  # the total is their sum, and never read

# Numbers of a time with milliseconds are not padded: "2024- 11- 2  19: 17: 6. 96" is 6.096 s.
_LOOSE = re.compile(r"\s*(\d{4})-\s*(\d\d?)-\s*(\d\d?)\s+(\d\d?):\s*(\d\d?):\s*(\d\d?)\.\s*(\d{1,3})\s*", re.ASCII)


def _padded(text: str) -> str:
    """Return a time as it is written elsewhere."""
    match = _LOOSE.fullmatch(text)
    if match is None:
        return text
    year, month, day, hour, minute, second, millis = map(int, match.groups())
    return f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}.{millis:03d}"


def _header(text: str) -> list[str] | None:
    """Return the columns of a header; None where a line is none."""
    cells = [cell.strip("\ufeff ") for cell in split_cells(text)]
    return cells if cells in (MACHINE, PROCESS) else None


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        self.sink = sink
        self.clock = Clock(log.timezone)
        self.about = Found(line=1, flags=["ASSUMED_UTC"] if log.zone_assumed else [])
        self.run = sink.run(self.about)
        self.columns: list[str] = []
        self.series: dict[str, int] = {}

    def line(self, number: int, text: str) -> None:
        """Read one line; a header also stands in the middle of files that were joined."""
        header = _header(text)
        if header is not None:
            self.columns = header
            if header == PROCESS and "PROCESS_SHARE" not in self.about.flags:
                self.about.flags.append("PROCESS_SHARE")
            return
        cells = split_cells(text)
        if len(cells) != len(self.columns):
            if text.strip():
                detail = f"{len(cells)} cells under {len(self.columns)} columns"
                self.sink.reject(number, "CELL_COUNT", detail, run=self.run)
            return
        t_us = self.clock.us(_padded(cells[0]))
        if t_us is None:
            self.sink.reject(number, "BAD_TIME", cells[0].strip()[:80], run=self.run)
            return
        for component, column in COLUMNS.items():
            if column in self.columns:
                self.power(number, t_us, component, cells[self.columns.index(column)])

    def cut(self, line: int, detail: str) -> None:
        """Take the last line, where it is cut."""
        self.sink.reject(line, "CUT", detail, run=self.run)

    def power(self, number: int, t_us: int, component: str, cell: str) -> None:
        """Read one power; a GPU that never draws is one that PowerJoular did not find."""
        watts = power_w(cell)
        if watts is None:
            self.sink.reject(number, "UNREADABLE_POWER", f"{component}: {cell.strip()[:40]}", run=self.run)
        if component not in self.series:
            if component == "gpu" and not watts:
                return
            self.series[component] = self.sink.series(self.run, component, component)
        self.sink.sample(self.series[component], t_us, watts, None, number)


class PowerJoular:
    """The reader of PowerJoular's CSV."""

    name = "powerjoular"
    title = "PowerJoular CSV, of a machine or a process"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by the header."""
        return _header(next((line for line in log.head_lines if line.strip()), "")) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read every line."""
        reading = _Reading(log, sink)
        for number, text in enumerate(uncut(log, reading.cut), 1):
            reading.line(number, text)


READER = PowerJoular()
