"""Read carbontracker's logs: power and duration of each epoch (`_carbontracker.log`), or the totals (`_output.log`)."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from green.layout import Layout
from green.readers import Found
from green.readers.defects import defect, version_of
from green.readers.measure import kwh
from green.readers.parse import Clock, decimal

if TYPE_CHECKING:
    from green.readers import Log, Sink

HEAD_LINES = 64
COMPONENTS = ("gpu", "cpu")
MOST_CHARS = 4_000  # of a message that is looked into: 50 devices with long names
MOST_WRAPPED = 40  # lines of one printed list of powers: 300 devices
DIVIDED = "DIVIDED_BY_DEVICES"
UNMEASURED = "EPOCHS_UNMEASURED"

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) - ?(.*)", re.ASCII)
_OWN = re.compile(
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - )?(?:carbontracker version \S+|Only predicted and actual consumptions are"
    r" multiplied.*|(?:CarbonTracker: )?The following components were found:.*|CarbonTracker: ?(?:Actual .*)?)",
    re.ASCII,
)
_POWER = re.compile(r"Average power usage \(W\) for (\w{1,20}): (.*)", re.ASCII)
_DURATION = re.compile(r"Duration: (\d{1,6}):(\d\d):(\d\d(?:\.\d+)?)", re.ASCII)
_LOCATION = re.compile(r".* at detected location:? (.*?)(?:: \[.*|\.?)")
_RAPL = re.compile(r"(cpu|dram|package-\d+):\d+(?::\d+)?", re.ASCII)
_TOTAL = re.compile(r"\s*(Energy|CO2eq):\s*(\S+) (kWh|g)", re.ASCII)


@dataclass(slots=True)
class _Component:
    """What the log says of one component over all epochs."""

    joules: Decimal = Decimal(0)
    measured: int = 0  # epochs
    unmeasured: int = 0
    line: int = 0
    is_divided: bool = False
    unknown: str = ""  # why its energy is not known at all


@dataclass(slots=True)
class _Session:
    """What a log says, gathered line by line."""

    version: str = ""
    devices: dict[str, list[str]] = field(default_factory=dict)
    components: dict[str, _Component] = field(default_factory=dict)
    duration_s: Decimal | None = None  # of the epoch that is read
    region: str | None = None
    part: str = ""  # actual | predicted: what the totals that follow are of
    energy: tuple[int, Decimal] | None = None  # line of the first and kWh; a script may track several trainings
    co2_g: Decimal | None = None
    first: str = ""
    last: str = ""


def _devices(text: str) -> dict[str, list[str]]:
    """Split "GPU with device(s) A, B. CPU with device(s) cpu:0." by component."""
    found: dict[str, list[str]] = {}
    for piece in re.split(r"\.?\s*(?=\b(?:GPU|CPU) with device\(s\) )", text):
        component, _, names = piece.partition(" with device(s) ")
        if names:
            listed = [name.strip() for name in names.strip().removesuffix(".").split(",")]
            found[component.strip().lower()] = [name for name in listed if name]
    return found


def _count(names: list[str]) -> int:
    """Return how many values a sampling of the component has; Apple's GPU and neural engine are one."""
    return 1 if names == ["GPU", "ANE"] else max(len(names), 1)


class _Reading:
    """The state of reading one log."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.found = _Session()
        self.about = Found(line=1)  # completed when all is read
        self.run = sink.run(self.about)
        self.open: tuple[int, str, str] | None = None  # a list of powers that goes on: line, component, text
        self.wrapped = 0

    def line(self, number: int, text: str) -> None:
        """Read one line."""
        stamp = _STAMP.fullmatch(text)
        if stamp is not None:
            self.found.first = self.found.first or stamp[1]
            self.found.last = stamp[1]
            text = stamp[2]
        if self.open is not None and stamp is None and self.wrapped < MOST_WRAPPED:
            line, component, so_far = self.open
            self.wrapped += 1
            self.open = None
            self.powers(line, component, f"{so_far} {text.strip()}")
            return
        if self.open is not None:
            self.sink.reject(self.open[0], "UNREADABLE_POWER", self.open[2][:80], run=self.run)
            self.open = None
        self.wrapped = 0
        self.said(number, text.removeprefix("CarbonTracker:").strip())

    def said(self, number: int, text: str) -> None:
        """Take what one message says; what is longer than any is none."""
        if len(text) > MOST_CHARS:
            return
        found = self.found
        if (power := _POWER.fullmatch(text)) is not None:
            self.powers(number, power[1].lower(), power[2].strip())
        elif (lasted := _DURATION.fullmatch(text)) is not None:
            found.duration_s = int(lasted[1]) * 3600 + int(lasted[2]) * 60 + Decimal(lasted[3])
        elif text.startswith("Epoch ") and text.endswith(":"):
            found.duration_s = None
        elif text.startswith("carbontracker version "):
            found.version = text.rpartition(" ")[2]
        elif text.startswith("The following components were found:"):
            found.devices = _devices(text.partition(":")[2].strip())
        elif text.startswith(("Actual consumption", "Predicted consumption")):
            found.part = text[:6]
        elif (total := _TOTAL.fullmatch(text)) is not None and found.part == "Actual":
            self.total(number, total[1], total[2])
        elif (place := _LOCATION.fullmatch(text)) is not None:
            country = place[1].rpartition(",")[2].strip()
            found.region = country if re.fullmatch(r"[A-Z]{2}", country) else None

    def total(self, number: int, what: str, cell: str) -> None:
        """Take a total of what was really used."""
        value = decimal(cell)
        if value is None or value < 0:
            self.sink.reject(number, "UNREADABLE_ENERGY", cell[:40], run=self.run)
        elif what == "Energy":
            line, before = self.found.energy or (number, Decimal(0))
            self.found.energy = (line, before + value)
        else:
            self.found.co2_g = value + (self.found.co2_g or 0)

    def powers(self, number: int, component: str, cell: str) -> None:
        """Take the average power of an epoch: a number, or one a device in brackets."""
        if component not in COMPONENTS:
            self.sink.reject(number, "UNREADABLE_POWER", f"{component}: no component that is known", run=self.run)
            return
        if cell.startswith("[") and not cell.endswith("]"):
            self.open = (number, component, cell)
            return
        own = self.found.components.setdefault(component, _Component(line=number))
        cells = cell.strip("[]").split()
        values = [value for value in map(decimal, cells) if value is not None and value >= 0]
        if len(values) != len(cells) or not any(values) or self.found.duration_s is None:
            own.unmeasured += 1  # 0 W stands for a sensor that could not be read
            self.sink.reject(number, "UNREADABLE_POWER", cell[:80], run=self.run)
            return
        watts = sum(values, Decimal(0))
        count = _count(self.found.devices.get(component, []))
        if not cell.startswith("[") and count > 1:
            if defect("carbontracker", DIVIDED, version_of(self.found.version)) is None:
                own.unknown = f"version {self.found.version[:20]} may state a mean or a sum over {count} devices"
            watts *= count
            own.is_divided = True
        own.joules += watts * self.found.duration_s
        own.measured += 1

    def finish(self, log: Log) -> None:
        """Tell the sink of the run."""
        found, about, clock = self.found, self.about, Clock(log.timezone)
        about.started_at_us = clock.us(found.first) if found.first else None
        about.ended_at_us = clock.us(found.last) if found.last else None
        about.region = found.region
        about.reported_kgco2e = None if found.co2_g is None else float(found.co2_g / 1000)
        about.facts = {"carbontracker_version": found.version[:40] or None}
        if log.zone_assumed and found.first:
            about.flags.append("ASSUMED_UTC")
        if found.components:
            self.parts()
        elif found.energy is not None:
            self.whole(log, *found.energy)
        if found.components or not _has_standard_log(log):
            self.hardware()

    def parts(self) -> None:
        """State the energy of each component, before PUE."""
        for component, own in sorted(self.found.components.items()):
            names = self.found.devices.get(component, [])
            covers = ["cpu", "memory"] if any(name.startswith("dram") for name in names) else [component]
            if own.unknown:
                self.sink.reject(own.line, "UNKNOWN_VERSION", own.unknown, run=self.run)
            elif own.measured:
                modelled = component == "cpu" and not any(_RAPL.fullmatch(name) or name == "CPU" for name in names)
                method = "modelled" if modelled and names else "imported"
                self.sink.statement(self.run, covers, kwh(own.joules), method=method, line=own.line)
            else:
                self.about.flags.append(f"UNMEASURED_{component.upper()}")
            if own.is_divided and not own.unknown:
                self.about.flags.append(DIVIDED)
            if own.measured and own.unmeasured:
                self.about.flags.append(UNMEASURED)

    def whole(self, log: Log, line: int, total: Decimal) -> None:
        """State the total of an output log, which holds carbontracker's own PUE."""
        energy_kwh = f"{total:f}"
        if _has_standard_log(log):  # its parts count: they hold no PUE, and say the version
            self.about.facts = {**self.about.facts, "carbontracker_total_kwh": energy_kwh}
        elif max((_count(names) for names in self.found.devices.values()), default=2) > 1:
            detail = "the total may be divided by the number of devices: keep _carbontracker.log beside it"
            self.sink.reject(line, DIVIDED, detail, run=self.run)
        else:
            covers = [component for component in COMPONENTS if component in self.found.devices]
            self.sink.statement(self.run, covers, energy_kwh, basis="facility", line=line)

    def hardware(self) -> None:
        """Name the devices; RAPL's domains are no names."""
        for component, names in sorted(self.found.devices.items()):
            kinds = Counter("" if _RAPL.fullmatch(name) or name in ("CPU", "GPU", "ANE") else name for name in names)
            for number, (name, count) in enumerate(kinds.items()):
                if name and component in COMPONENTS:
                    device = f"{component}-{number}"
                    self.sink.device(self.run, device, component, name=name, count=float(count), line=1)


def _has_standard_log(log: Log) -> bool:
    """Tell whether the standard log of the same run lies beside this output log."""
    stem = log.path.removesuffix("_output.log")
    return stem != log.path and os.path.isfile(f"{stem}.log")  # noqa: PTH113 -- paths may hold undecodable bytes


class Carbontracker:
    """The reader of carbontracker's logs."""

    name = "carbontracker"
    title = "carbontracker standard and output log"
    holds_many = False
    by_words = True
    layout = Layout(beside=r"(.*_carbontracker)(?:_output|_err)\.log", belongs_to=r"\1.log")

    def recognises(self, log: Log) -> bool:
        """Tell by the lines that every version begins with."""
        lines = [line for line in log.head_lines[:HEAD_LINES] if line.strip()]
        return any(map(_OWN.fullmatch, lines))

    def read(self, log: Log, sink: Sink) -> None:
        """Read all lines, then tell of the one run."""
        reading = _Reading(sink)
        for number, text in enumerate(log.lines(), 1):
            reading.line(number, text)
        reading.finish(log)


READER = Carbontracker()
