"""Read the log of `ZeusMonitor(log_file=...)`: a row a measurement window, the energy of each GPU in joules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.measure import kwh, uncut
from green.readers.parse import csv_rows, decimal, seconds_us, split_cells

if TYPE_CHECKING:
    from green.readers import Log, Sink

FIRST = ["start_time", "window_name", "elapsed_time"]
FIRST_US = 946_684_800_000_000  # 2000-01-01: an earlier start is no Unix time
LAST_US = 4_102_444_800_000_000
MOST_WINDOWS = 250_000  # all are held, to find those that lie within others

_GPU = re.compile(r"gpu(\d{1,4})_energy", re.ASCII)


@dataclass(slots=True)
class _Window:
    """One measurement window."""

    line: int
    name: str
    start_us: int
    end_us: int
    joules: list[Decimal | None]


class _Reading:
    """The state of reading one log."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.about = Found(line=1)  # completed when all is read
        self.run = sink.run(self.about)
        self.gpus: list[str] = []
        self.windows: list[_Window] = []

    def row(self, line: int, cells: list[str]) -> None:
        """Read one row; a header also stands in the middle of files that were joined."""
        if [cell.strip("\ufeff ") for cell in cells[:3]] == FIRST:
            names = [_GPU.fullmatch(cell.strip()) for cell in cells[3:]]
            gpus = [f"gpu{match[1]}" for match in names if match is not None]
            if self.gpus and gpus != self.gpus:
                raise Unreadable(f"line {line}: a second header names other GPUs")
            self.gpus = gpus
            return
        energies = [cell for cell in cells[3:] if cell.strip() or self.gpus]
        if len(cells) < len(FIRST) or len(energies) != len(self.gpus):
            detail = f"{len(cells)} cells under {3 + len(self.gpus)} columns"
            self.sink.reject(line, "CELL_COUNT", detail, run=self.run)
            return
        start_us, elapsed_us = seconds_us(cells[0]), seconds_us(cells[2])
        if start_us is None or elapsed_us is None or elapsed_us < 0:
            self.sink.reject(line, "BAD_TIME", ",".join(cells[:3])[:80], run=self.run)
            return
        if len(self.windows) >= MOST_WINDOWS:
            raise Unreadable(f"more than {MOST_WINDOWS} windows")
        joules = [self.energy(line, cell) for cell in energies]
        self.windows.append(_Window(line, cells[1][:80], start_us, start_us + elapsed_us, joules))

    def energy(self, line: int, cell: str) -> Decimal | None:
        """Return the energy of a cell; 0 is a window shorter than the counter's update, and no measurement."""
        joules = decimal(cell)
        if joules is not None and joules > 0:
            return joules
        reason = "UNREADABLE_ENERGY" if joules is None else "ZERO_ENERGY" if joules == 0 else "NEGATIVE"
        self.sink.reject(line, reason, cell.strip()[:40], run=self.run)
        return None

    def cut(self, line: int, detail: str) -> None:
        """Take the last line, where it is cut."""
        self.sink.reject(line, "CUT", detail, run=self.run)

    def outer(self) -> list[_Window]:
        """Return the windows that lie within no other: what an inner one used is in the outer one's figure."""
        kept: list[_Window] = []
        inner = 0
        for window in sorted(self.windows, key=lambda w: (w.start_us, -w.end_us, w.line)):
            if kept and window.start_us < kept[-1].end_us:
                if window.end_us <= kept[-1].end_us:
                    inner += 1
                else:  # their common time would count twice
                    self.sink.reject(window.line, "OVERLAPPING_WINDOW", window.name, run=self.run)
                    self.about.flags.append("OVERLAPPING_WINDOWS")
            else:
                kept.append(window)
        if inner:
            self.about.flags.append("NESTED_WINDOWS")
        return kept

    def finish(self) -> None:
        """State the energy of each GPU."""
        kept = self.outer()
        self.about.facts = {"zeus_windows": float(len(self.windows))}
        if kept:
            start_us, end_us = kept[0].start_us, kept[-1].end_us
            if FIRST_US <= start_us < LAST_US:
                self.about.started_at_us, self.about.ended_at_us = start_us, end_us
            else:
                self.about.flags.append("MONOTONIC_CLOCK")
                self.about.duration_s = (end_us - start_us) / 1e6
        for number, gpu in enumerate(self.gpus):
            known = [window.joules[number] for window in kept]
            joules = sum((value for value in known if value is not None), Decimal(0))
            self.sink.device(self.run, gpu, "gpu", name=None, count=1.0, line=1)
            if joules > 0:
                self.sink.statement(self.run, ["gpu"], kwh(joules), line=1)
            if None in known:
                self.about.flags.append("WINDOWS_UNREAD" if joules > 0 else "UNMEASURED_GPU")
        self.about.flags[:] = sorted(set(self.about.flags))


class Zeus:
    """The reader of Zeus' log."""

    name = "zeus"
    title = "Zeus ZeusMonitor log_file CSV"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by the header, also that of a machine without a GPU."""
        first = next((line for line in log.head_lines if line.strip()), "")
        cells = [cell.strip() for cell in split_cells(first)]
        return cells[:3] == FIRST and all(cell == "" or _GPU.fullmatch(cell) for cell in cells[3:])

    def read(self, log: Log, sink: Sink) -> None:
        """Read all windows, then state the energy of those that lie within no other."""
        reading = _Reading(sink)
        for line, cells in csv_rows(uncut(log, reading.cut)):
            if any(cell.strip() for cell in cells):
                reading.row(line, cells)
        if not reading.gpus:
            sink.reject(None, "NO_ENERGY_COLUMN", "Zeus found no GPU; it writes no energy of CPUs", run=reading.run)
        reading.finish()


READER = Zeus()
