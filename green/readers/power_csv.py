"""Read a CSV whose header names power with its unit: smart plugs, PDUs, boards, one's own scripts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.devices import Steps
from green.readers.measure import Stopwatch, uncut
from green.readers.nvidia_smi import READER as NVIDIA_SMI
from green.readers.parse import Clock, decimal, has_zone
from green.readers.power_columns import TOTAL, Devices, cells_of, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink
    from green.readers.measure import Reading

FIRST_S, LAST_S = 946_684_800, 4_102_444_800  # the years 2000 to 2099
US = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        layout = layout_of(log)
        if layout is None:
            raise Unreadable("no header that names a time and a power with its unit")
        self.log, self.sink, self.layout = log, sink, layout
        self.devices = Devices(log, layout)
        self.about = Found(line=1)
        self.run = sink.run(self.about)
        self.clock = Clock(log.timezone)
        self.is_told = False
        self.components: dict[str, str] = {}  # of each device that was met
        for column in self.devices.left:
            sink.reject(1, "PART_OF_TOTAL", f"{column.name} stands beside what holds it", run=self.run)
        names = [f"{column.name} {self.devices.words}" for column in self.devices.kept if column.component == "host"]
        if not all(map(TOTAL.search, names)):
            self.about.flags.append("SCOPE_ASSUMED")
        if self.devices.is_mixed:
            self.about.flags.append("DEVICES_NOT_TOLD_APART")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows after the header."""
        width, separator = self.layout.width, self.layout.separator
        header = ""
        for line, text in enumerate(uncut(self.log, self.cut), 1):
            if not text.strip():
                continue
            header = header or text.lstrip("\ufeff")
            cells = cells_of(text, separator)
            if len(cells) != width:
                self.reject(line, "CELL_COUNT", f"{len(cells)} cells under {width} columns")
            elif text.lstrip("\ufeff") != header:
                yield line, cells

    def reject(self, line: int | None, reason: str, detail: str) -> None:
        if not self.is_told:
            self.sink.reject(line, reason, detail, run=self.run)

    def cut(self, line: int, detail: str) -> None:
        """Take the last line, where it is cut."""
        self.reject(line, "CUT", detail)

    def first(self) -> str:
        """Return the time of the first row that has the header's columns; nothing is rejected yet."""
        self.is_told = True
        found = next((self.layout.moment(cells) for _, cells in self.rows()), "")
        self.is_told = False
        return found

    def scale(self) -> tuple[Decimal, bool]:
        """Return µs in a unit of the numbers, and whether they are dated; (0, True) where times are dates."""
        number = decimal(self.first())
        if number is None:
            return Decimal(0), True
        for unit, us in US.items():
            if self.layout.unit in ("", unit) and FIRST_S <= number * us / 1_000_000 < LAST_S:
                return us, True
        if self.layout.unit:
            return US[self.layout.unit], False
        raise Unreadable("times are numbers of no known unit: name the column, as in elapsed_s")

    def readings(self, scale: Decimal) -> Iterator[Reading]:
        """Yield device, time, power and line of every reading."""
        for line, cells in self.rows():
            text = self.layout.moment(cells)
            number = decimal(text) if scale else None
            t_us = self.clock.us(text) if not scale else None if number is None else round(number * scale)
            if t_us is None or abs(t_us) > 10**17:
                self.reject(line, "BAD_TIME", text[:80])
                continue
            columns = self.devices.of(cells)
            if columns is None:
                self.reject(line, "UNKNOWN_DEVICE", f"{self.devices.words}: not among those of the first lines"[:80])
            for column in columns or ():
                self.components.setdefault(column.name, column.component)
                exact = decimal(cells[column.number])
                if exact is None:
                    self.reject(line, "UNREADABLE_POWER", f"{column.name}: {cells[column.number].strip()[:40]}")
                power_w = None if exact is None else float(exact) * column.factor / column.divisor
                yield column.name, t_us, power_w, line

    def read(self) -> None:
        """Read the log; times that are not dated count from its first one."""
        scale, is_dated = self.scale()
        if not is_dated:
            self.check(scale)
            self.about.is_undated = True
        elif not scale and self.log.zone_assumed and not has_zone(self.first()):
            self.about.flags.append("ASSUMED_UTC")
        stopwatch = Stopwatch()
        series: dict[str, int] = {}
        for name, t_us, power_w, line in self.readings(scale):
            if name not in series:
                series[name] = self.sink.series(self.run, name[:80], self.components[name])
            self.sink.sample(series[name], t_us if is_dated else stopwatch.t_us(name, t_us), power_w, None, line)

    def check(self, scale: Decimal) -> None:
        """Refuse a table whose times are no course of time; nothing else is told yet."""
        steps = Steps()
        self.is_told = True
        for name, t_us, _, _ in self.readings(scale):
            steps.add(name, t_us)
        self.is_told = False
        if steps.are_mostly_none:
            raise Unreadable(f"times run back in {steps.back} of {steps.taken} lines: no log of one run")


class PowerCsv:
    """The reader of such CSV files."""

    name = "power_csv"
    title = "CSV whose header names power with its unit (plugs, PDUs, boards)"
    holds_many = False
    is_general = True  # any tool may write it: a reader of one tool goes first

    def recognises(self, log: Log) -> bool:
        """Tell by a time and a power with its unit in the header; nvidia-smi's lines are its own."""
        return layout_of(log) is not None and not NVIDIA_SMI.recognises(log)

    def read(self, log: Log, sink: Sink) -> None:
        """Read every row."""
        _Reading(log, sink).read()


READER = PowerCsv()
