"""Where readers put what they find: one `FileSink` a log, which bounds, checks and keeps it.

Samples go straight to a text file (DuckDB turns it into typed, sorted Parquet in one pass), so that
a log of any length is read in bounded memory; everything else is small and kept as rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from green.readers.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.readers import Found
    from green.readers.intervals import Asked

FIRST_US = 946_684_800_000_000  # 2000-01-01
LAST_US = 4_102_444_800_000_000  # 2100-01-01
MOST_W = 1_000_000.0
MOST_J = 9e12  # what 64 bits of microjoule hold
UNSORTED = -1  # in the place of a longest interval: the log was not in order, so it is found after sorting
BUFFER_ROWS = 8_192


@dataclass(slots=True)
class Series:
    """One device's readings in one log."""

    number: int
    run: int
    device: str
    component: str
    name: str | None
    uuid: str | None
    wraps_at_j: float | None
    first_us: int | None = None
    last_us: int | None = None
    method: str | None = None
    is_undated: bool = False
    shift_us: int = 0  # what is added to its times: readings without a date start with their run
    previous_us: int | None = None
    is_ordered: bool = True
    previous_j: float | None = None
    offset_j: float = 0.0
    samples: int = 0
    intervals: Intervals = field(default_factory=Intervals)
    asked: Asked | None = None  # in their place, where the log was read by columns
    low_ratio: float | None = None  # ends of what a modelled series gives, by its value
    high_ratio: float | None = None

    def see(self, t_us: int) -> None:
        """Widen the time that the log speaks of, readable power or not."""
        if self.first_us is None or self.last_us is None:
            self.first_us = self.last_us = t_us
        elif t_us > self.last_us:
            self.last_us = t_us
        elif t_us < self.first_us:
            self.first_us = t_us


@dataclass(slots=True)
class Statement:
    """Energy that the tool computed itself."""

    run: int
    covers: tuple[str, ...]
    energy_kwh: str
    basis: str
    method: str
    line: int


@dataclass(slots=True)
class Hardware:
    """A device that a log names and does not meter."""

    run: int
    device: str
    component: str
    name: str | None
    count: float
    line: int


@dataclass(slots=True)
class Reject:
    """Lines that were not read, and why."""

    line: int | None
    lines: int
    reason: str
    detail: str


class SampleFile:
    """The text file that all samples of a shard go to; series are numbered through it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.series = 0
        self.rows: list[str] = []

    def flush(self) -> None:
        """Write what is buffered."""
        self.stream.write("".join(self.rows))
        self.rows.clear()


class FileSink:
    """What one log yields; see `green.readers.Sink` for the meaning of each method."""

    def __init__(self, samples: SampleFile, most_rejects: int) -> None:
        self.samples = samples
        self.most_rejects = most_rejects
        self.runs: list[Found] = []
        self.all_series: list[Series] = []
        self.statements: list[Statement] = []
        self.hardware: list[Hardware] = []
        self.rejects: list[Reject] = []
        self.more: dict[str, Reject] = {}

    def run(self, found: Found) -> int:
        """Open a run of this file."""
        self.runs.append(found)
        return len(self.runs) - 1

    def series(  # noqa: PLR0913 -- the arguments of the Protocol
        self,
        run: int,
        device: str,
        component: str,
        *,
        name: str | None = None,
        uuid: str | None = None,
        wraps_at_j: float | None = None,
        method: str | None = None,
    ) -> int:
        """Open a series of readings of one device."""
        series = Series(self.samples.series, run, device, component, name, uuid, wraps_at_j, method=method)
        series.is_undated = self.runs[run].is_undated if run < len(self.runs) else False
        self.samples.series += 1
        self.all_series.append(series)
        return len(self.all_series) - 1

    def bounds(self, series: int, low_ratio: float, high_ratio: float) -> None:
        """State the ends of what a modelled series gives, by its value."""
        own = self.all_series[series]
        own.low_ratio, own.high_ratio = low_ratio, high_ratio

    def sample(self, series: int, t_us: int, power_w: float | None, energy_j: float | None, line: int) -> None:
        """Add a reading, or reject it; its time counts for the run's head and tail either way."""
        if not FIRST_US <= t_us < LAST_US:
            self.reject(line, "TIME_OUT_OF_RANGE", "outside the years 2000 to 2099")
            return
        own = self.all_series[series]
        own.see(t_us)
        if power_w is not None and not 0.0 <= power_w <= MOST_W:  # NaN fails both comparisons
            self.reject(line, "POWER_OUT_OF_RANGE" if math.isfinite(power_w) else "NOT_A_NUMBER", repr(power_w)[:40])
            power_w = None
        if energy_j is not None:
            energy_j = self._counter(own, t_us, energy_j, line)
        if power_w is None and energy_j is None:
            return
        if own.previous_us is not None and t_us > own.previous_us:
            own.intervals.add(t_us - own.previous_us)
        if own.previous_us is not None and t_us < own.previous_us:
            own.is_ordered = False
        own.previous_us = t_us
        own.samples += 1
        rows = self.samples.rows
        power = "" if power_w is None else repr(power_w)
        energy = "" if energy_j is None else repr(energy_j)
        rows.append(f"{own.number},{t_us},{power},{energy}\n")
        if len(rows) >= BUFFER_ROWS:
            self.samples.flush()

    def _counter(self, own: Series, t_us: int, energy_j: float, line: int) -> float | None:
        """Unwrap a counter that wraps at a known value; any other fall is a reset, left to SQL."""
        if not (math.isfinite(energy_j) and 0.0 <= energy_j <= MOST_J):
            self.reject(line, "NOT_A_NUMBER", repr(energy_j)[:40])
            return None
        if own.wraps_at_j is None:
            return energy_j
        if own.last_us is not None and t_us < own.last_us:  # an earlier, lower reading is no wrap
            self.reject(line, "OUT_OF_ORDER", "a counter that wraps is read in the order of time")
            return None
        if own.previous_j is not None and energy_j < own.previous_j:
            own.offset_j += own.wraps_at_j
        own.previous_j = energy_j
        if energy_j + own.offset_j > MOST_J:
            self.reject(line, "COUNTER_OUT_OF_RANGE", f"{own.offset_j} J of wraps")
            return None
        return energy_j + own.offset_j

    def device(self, run: int, device: str, component: str, *, name: str | None, count: float, line: int) -> None:
        """Name hardware that has no series of its own."""
        self.hardware.append(Hardware(run, device, component, name, count, line))

    def statement(
        self,
        run: int,
        covers: Sequence[str],
        energy_kwh: float | str,
        *,
        basis: str = "device",
        method: str = "imported",
        line: int,
    ) -> None:
        """Add energy that the tool computed itself; not a positive number is a reject."""
        try:
            value = float(energy_kwh)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and 0.0 <= value <= 1e15):  # noqa: PLR2004 -- the world's electricity of 30 years
            self.reject(line, "NOT_A_NUMBER", str(energy_kwh)[:40])
            return
        self.statements.append(Statement(run, tuple(covers), str(energy_kwh).strip(), basis, method, line))

    def reject(self, line: int | None, reason: str, detail: str = "", *, run: int | None = None) -> None:
        """Record a line that was not read; beyond the bound, lines of one reason share a row."""
        del run  # all rejects of a file belong to its runs; kept in the Protocol for readers of many runs
        if len(self.rejects) < self.most_rejects:
            self.rejects.append(Reject(line, 1, reason, detail[:200]))
        elif reason in self.more:
            self.more[reason].lines += 1
        else:
            self.more[reason] = Reject(line, 1, reason, "this and later lines")
