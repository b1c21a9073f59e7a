"""Read the text of macOS' `powermetrics`: the mean power of each unit of the chip over each sampled interval."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found
from green.readers.measure import MOST_W, kwh
from green.readers.parse import EPOCH, MICROSECOND, decimal

if TYPE_CHECKING:
    from green.readers import Log, Sink

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PARTS = {
    "CPU Power": "cpu",
    "Clusters Total Power": "cpu",  # macOS 11 has no line of the CPU, but of its clusters
    "GPU Power": "gpu",
    "DRAM Power": "memory",
    "ANE Power": "rest",
}
COMBINED = "Combined Power (CPU + GPU + ANE)"
WHOLE = "Intel energy model derived package power (CPUs+GT+SA)"  # cores, graphics and system agent in one
HEAD_LINES = 64
SLACK_US = 2_000_000  # headers are cut to whole seconds

_SAMPLE = re.compile(r"\*\*\* Sampled system activity \(([^()]*)\) \(([\d.]{1,20})ms elapsed\) \*\*\*", re.ASCII)
_POWER = re.compile(r"([A-Za-z][A-Za-z +()]{2,80}): +([^\sW]{1,20}?) ?(m?W)", re.ASCII)
_TIME = re.compile(r"\w{3} (\w{3}) +(\d\d?) (\d\d):(\d\d):(\d\d) (\d{4}) ([+-])(\d\d)(\d\d)", re.ASCII)


def _us(text: str) -> int | None:
    """Return the time of "Fri Nov 10 12:37:08 2023 +0100"; None where it is none."""
    match = _TIME.fullmatch(text)
    if match is None or match[1] not in MONTHS:
        return None
    year, day, hour, minute, second = (int(match[n]) for n in (6, 2, 3, 4, 5))
    ahead = timedelta(hours=int(match[8]), minutes=int(match[9]))
    try:
        zone = timezone(-ahead if match[7] == "-" else ahead)
        moment = datetime(year, MONTHS.index(match[1]) + 1, day, hour, minute, second, tzinfo=zone)
        return (moment - EPOCH) // MICROSECOND
    except (ValueError, OverflowError):  # 30 February; a zone of more than a day
        return None


class _Reading:
    """The state of reading one log."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.about = Found(line=1)  # completed when all is read
        self.run = sink.run(self.about)
        self.elapsed_ms: Decimal | None = None  # of the sample that is read
        self.total_ms = Decimal(0)
        self.joules: dict[str, Decimal] = {}
        self.read_ms: dict[str, Decimal] = {}
        self.seen: set[str] = set()  # powers of the sample that is read
        self.first_us: int | None = None
        self.last_us: int | None = None

    def line(self, number: int, text: str) -> None:
        """Read one line."""
        text = text.strip()
        sample = _SAMPLE.fullmatch(text)
        if sample is not None:
            self.sample(number, sample[1], sample[2])
            return
        power = _POWER.fullmatch(text)
        if power is None or power[1] not in (WHOLE, COMBINED, *PARTS) or self.elapsed_ms is None:
            return
        component = PARTS.get(power[1]) or ("package" if power[1] == WHOLE else "combined")
        if component in self.seen:
            return
        watts = decimal(power[2])
        watts = watts / 1000 if watts is not None and power[3] == "mW" else watts
        if watts is None or watts > MOST_W:
            self.sink.reject(number, "UNREADABLE_POWER", text[:80], run=self.run)
            return
        self.seen.add(component)
        self.joules[component] = self.joules.get(component, Decimal(0)) + watts * self.elapsed_ms / 1000
        self.read_ms[component] = self.read_ms.get(component, Decimal(0)) + self.elapsed_ms

    def sample(self, number: int, moment: str, elapsed: str) -> None:
        """Begin a sample."""
        self.seen.clear()
        self.elapsed_ms = decimal(elapsed)
        t_us = _us(moment)
        if self.elapsed_ms is None or t_us is None or self.elapsed_ms > 86_400_000:  # noqa: PLR2004 -- a day
            self.elapsed_ms = None
            self.sink.reject(number, "BAD_TIME", f"{moment} {elapsed}"[:80], run=self.run)
            return
        self.total_ms += self.elapsed_ms
        start_us = t_us - round(self.elapsed_ms * 1000)
        self.first_us = start_us if self.first_us is None else min(self.first_us, start_us)
        self.last_us = t_us if self.last_us is None else max(self.last_us, t_us)

    def finish(self) -> None:
        """State the energy of each unit."""
        self.about.started_at_us, self.about.ended_at_us = self.first_us, self.last_us
        if not self.joules:
            self.sink.reject(None, "NO_POWER_COLUMN", "record with --samplers cpu_power,gpu_power", run=self.run)
        whole = "package" in self.joules
        if self.read_ms.get("cpu", 0) >= self.read_ms.get("combined", 0):
            self.joules.pop("combined", None)  # its parts stand beside it
        else:
            for component in PARTS.values():
                self.joules.pop(component, None)
        for component, joules in sorted(self.joules.items()):
            if whole and component in ("cpu", "gpu"):
                continue  # the package holds both
            covers = {"package": ["gpu", "cpu"], "combined": ["gpu", "cpu", "rest"]}.get(component, [component])
            self.sink.statement(self.run, covers, kwh(joules), line=1)
            if self.read_ms[component] < self.total_ms:
                self.about.flags.append("GAPS")
        if self.first_us is not None and self.last_us is not None:
            span_us = self.last_us - self.first_us
            if span_us > self.total_ms * 1000 + SLACK_US:
                self.about.flags.append("GAPS")
        self.about.flags[:] = sorted(set(self.about.flags))


class Powermetrics:
    """The reader of powermetrics' text."""

    name = "powermetrics"
    title = "macOS powermetrics text"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by the head of the first sample."""
        return any(_SAMPLE.fullmatch(line.strip()) for line in log.head_lines[:HEAD_LINES])

    def read(self, log: Log, sink: Sink) -> None:
        """Read all samples: each states its power and its length, so that energy needs no clock."""
        reading = _Reading(sink)
        for number, text in enumerate(log.lines(), 1):
            reading.line(number, text)
        reading.finish()


READER = Powermetrics()
