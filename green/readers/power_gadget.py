"""Read Intel Power Gadget's log: cumulative energy of each package since the log began, in joules."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found
from green.readers.measure import kwh
from green.readers.parse import decimal, split_cells

if TYPE_CHECKING:
    from green.readers import Log, Sink

NEEDED = ("System Time", "RDTSC", "Elapsed Time (sec)")

# The processor holds cores (IA) and graphics (GT), which are not added; DRAM stands beside it.
_ENERGY = re.compile(r"Cumulative (Processor|Package|DRAM) Energy_(\d{1,2}) ?\(Joules\)", re.ASCII)
_SUMMARY = re.compile(
    r"(Cumulative \w+ Energy_\d{1,2} \(Joules\)|Total Elapsed Time \(sec\)) = ([\d.]{1,40})", re.ASCII
)


class _Reading:
    """The state of reading one log."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.about = Found(line=1, is_undated=True)
        self.run = sink.run(self.about)
        self.columns: list[str] = []
        self.energies: dict[str, tuple[int, Decimal]] = {}  # column → line and joules, the latest
        self.elapsed_s: Decimal | None = None

    def line(self, number: int, text: str) -> None:
        """Read one line: header, reading or summary."""
        cells = [cell.strip("\ufeff ") for cell in split_cells(text)]
        if cells[: len(NEEDED)] == list(NEEDED):
            self.columns = cells
        elif (summary := _SUMMARY.fullmatch(text.strip())) is not None:
            self.take(number, summary[1], summary[2])
        elif len(cells) == len(self.columns) and len(cells) > 1:
            for name, cell in zip(self.columns, cells, strict=True):
                if name == NEEDED[2] or _ENERGY.fullmatch(name):
                    self.take(number, name, cell)
        elif len(cells) > 1:
            self.sink.reject(
                number, "CELL_COUNT", f"{len(cells)} cells under {len(self.columns)} columns", run=self.run
            )

    def take(self, number: int, name: str, cell: str) -> None:
        """Take the latest value of a column; one that falls is of another log, and refused."""
        value = decimal(cell)
        energy = _ENERGY.fullmatch(name)
        if value is None or value < 0:
            self.sink.reject(
                number, "UNREADABLE_ENERGY" if energy else "BAD_TIME", f"{name}: {cell[:40]}", run=self.run
            )
        elif energy is None:
            self.elapsed_s = value if self.elapsed_s is None else max(self.elapsed_s, value)
        else:
            key = f"{'DRAM' if energy[1] == 'DRAM' else 'Processor'}_{energy[2]}"
            before = self.energies.get(key, (0, Decimal(0)))[1]
            if value < before - Decimal("0.001"):  # the summary has more digits than the rows
                self.sink.reject(number, "COUNTER_RESET", f"{name}: {cell[:40]} after {before}", run=self.run)
                self.about.flags.append("COUNTER_RESET")
            else:
                self.energies[key] = (number, value)

    def finish(self) -> None:
        """State the energy of each package and of the memory; 0 is a counter that the processor lacks."""
        if self.elapsed_s is not None and self.elapsed_s <= 10**9:
            self.about.duration_s = float(self.elapsed_s)
        for key, (line, joules) in sorted(self.energies.items()):
            component = "memory" if key.startswith("DRAM") else "cpu"
            if joules > 0:
                self.sink.statement(self.run, [component], kwh(joules), line=line)
            else:
                self.about.flags.append(f"UNMEASURED_{component.upper()}")
        if not self.energies:
            self.sink.reject(None, "NO_ENERGY_COLUMN", "no cumulative energy of a processor", run=self.run)
        self.about.flags[:] = sorted(set(self.about.flags))


class PowerGadget:
    """The reader of Intel Power Gadget's log."""

    name = "power_gadget"
    title = "Intel Power Gadget CSV"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by the first columns."""
        first = next((line for line in log.head_lines if line.strip()), "")
        return [cell.strip("\ufeff ") for cell in split_cells(first)][: len(NEEDED)] == list(NEEDED)

    def read(self, log: Log, sink: Sink) -> None:
        """Read the log: its times have no date, and its energies need none."""
        reading = _Reading(sink)
        for number, text in enumerate(log.lines(), 1):
            reading.line(number, text)
        reading.finish()


READER = PowerGadget()
