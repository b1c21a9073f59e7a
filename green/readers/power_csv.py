"""Read a CSV whose header names power with its unit: smart plugs, PDUs, boards, one's own scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.measure import integrate, state, uncut
from green.readers.nvidia_smi import READER as NVIDIA_SMI
from green.readers.parse import Clock, decimal, has_zone, split_cells

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink
    from green.readers.measure import Reading

FIRST_S, LAST_S = 946_684_800, 4_102_444_800  # the years 2000 to 2099
US = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}
COVERS = {
    "gpu": ["gpu"],
    "cpu": ["cpu"],
    "memory": ["memory"],
    "rest": ["rest"],
    "host": ["gpu", "cpu", "memory", "rest"],
}
HEAD_LINES = 8
MOST_CHARS = 120  # of a column's name

_TIME = re.compile(
    r"(?:unix|epoch|elapsed|relative|run|wall)?[ _]?"
    r"(?:time|timestamp|time[ _]stamp|datetime|date[ _]time|date|epoch|elapsed|seconds|milliseconds)"
    r"(?:[ _]?(?:utc|local))?[ _]*[\[(]?(seconds|secs?|s|ms|milliseconds|us|ns)?[\])]?",
    re.IGNORECASE | re.ASCII,
)
_POWER = re.compile(r"(.*?)[ _]*(?:([\[(])\s*|^|[ _.])(mW|mw|milliwatts?|kW|kw|uW|W|w|[Ww]atts?)\s*[\])]?")
_WORD = re.compile(r"power|draw|consumption|load", re.IGNORECASE)  # "grad_w" is no power
_NEVER = re.compile(
    r"limit|cap\b|capacity|max|min|peak|rated|tdp|std|dev|threshold|budget|reactive|apparent|power\.draw|per[ _]",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(  # what a bicycle, an oar or a motor writes beside its power
    r"cadence|heart|gps|latitude|longitude|\blat\b|\blon\b|distance|pace\b|jump|elevation|altitude|stroke|torque|airspeed",
    re.IGNORECASE,
)
_TOTAL = re.compile(r"total|system|inlet|pdu|node|server|wall|sum|board|machine|host", re.IGNORECASE)
_WORDS = (  # the first that is in a column's name tells its component
    ("gpu", re.compile(r"gpu|cuda", re.IGNORECASE)),
    ("memory", re.compile(r"dram|\bram|memory|_ram|_mem|ddr", re.IGNORECASE)),
    ("cpu", re.compile(r"cpu|package|processor|pkg|rapl", re.IGNORECASE)),
    ("rest", re.compile(r"\bane\b|npu|disk|ssd|fan|network|\bnic\b", re.IGNORECASE)),
)
_UNITS = {"sec": "s", "secs": "s", "seconds": "s", "milliseconds": "ms"}
_GADGET = "Elapsed Time (sec)"  # Intel Power Gadget has its own reader


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of power."""

    number: int
    name: str
    component: str
    divisor: int  # of its unit: 1 for W, 1000 for mW
    factor: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column is what."""

    separator: str
    width: int
    times: tuple[int, ...]  # one column, or a date and a time
    unit: str  # of times that are numbers; "" where the header does not say
    powers: tuple[_Column, ...]


def _cells(text: str, separator: str) -> list[str]:
    return split_cells(text) if separator == "," else text.split(separator)


def _power(number: int, cell: str) -> _Column | None:
    """Return the column of power that a cell of the header names; None where it names none, or no unit."""
    match = _POWER.fullmatch(cell) if len(cell) <= MOST_CHARS else None
    if match is None or _NEVER.search(cell):
        return None
    if not (match[2] or "watt" in match[3].lower() or _WORD.search(match[1])):
        return None
    component = next((name for name, word in _WORDS if word.search(cell)), "host")
    unit = match[3].lower()
    divisor = 1000 if unit in ("mw", "milliwatt", "milliwatts") else 1_000_000 if unit == "uw" else 1
    return _Column(number, match[1] or cell, component, divisor, 1000 if unit == "kw" else 1)


def _layout(log: Log) -> _Layout | None:
    """Read the header; None where it names no time or no power with its unit."""
    text = next((line for line in log.head_lines[:HEAD_LINES] if line.strip()), "").lstrip("\ufeff")
    for separator in (",", ";", "\t"):
        cells = [cell.strip(' "') for cell in _cells(text, separator)]
        powers = [column for number, cell in enumerate(cells) if (column := _power(number, cell)) is not None]
        times = [number for number, cell in enumerate(cells) if _TIME.fullmatch(cell[:MOST_CHARS])]
        if any(map(_NOT_OURS.search, cells)) or not powers or not times or len(cells) < 2 or _GADGET in cells:  # noqa: PLR2004 -- a time and a power
            continue
        words = [cells[number].lower() for number in times]
        if words[:2] in (["date", "time"], ["time", "date"]):
            both = (times[words.index("date")], times[words.index("time")])
            return _Layout(separator, len(cells), both, "", tuple(powers))
        match = _TIME.fullmatch(cells[times[0]])
        named = next((word for word in ("milliseconds", "seconds") if words[0].endswith(word)), "")
        unit = (match[1] or named).lower() if match else ""
        return _Layout(separator, len(cells), (times[0],), _UNITS.get(unit, unit), tuple(powers))
    return None


def _chosen(powers: tuple[_Column, ...]) -> tuple[list[_Column], list[_Column]]:
    """Return the columns to add, and those left out as totals of others or parts of one.

    Columns that differ by a number alone are parts of a whole; what else stands side by side may hold one another.
    """
    kept: list[_Column] = []
    left: list[_Column] = []
    for component in COVERS:
        groups: dict[str, list[_Column]] = {}
        for column in powers:
            if column.component == component:
                groups.setdefault(re.sub(r"\d+", "#", column.name.lower()).strip(" _"), []).append(column)
        if len(groups) > 1:
            if component == "host":
                best = [group for name, group in groups.items() if _TOTAL.search(name) and len(group) == 1]
            else:
                best = [group for name, group in groups.items() if "#" in name]
            if len(best) != 1:
                names = ", ".join(column.name for group in groups.values() for column in group)
                raise Unreadable(f"which power holds which is not said: {names[:120]}")
            left += [column for group in groups.values() if group is not best[0] for column in group]
            kept += best[0]
        else:
            kept += [column for group in groups.values() for column in group]
    return kept, left


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        layout = _layout(log)
        if layout is None:
            raise Unreadable("no header that names a time and a power with its unit")
        self.log, self.sink, self.layout = log, sink, layout
        self.kept, left = _chosen(layout.powers)
        self.about = Found(line=1)
        self.run = sink.run(self.about)
        self.clock = Clock(log.timezone)
        self.is_told = False
        for column in left:
            sink.reject(1, "PART_OF_TOTAL", f"{column.name} stands beside what holds it", run=self.run)
        if any(column.component == "host" and not _TOTAL.search(column.name) for column in self.kept):
            self.about.flags.append("SCOPE_ASSUMED")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows after the header."""
        width, separator = self.layout.width, self.layout.separator
        header = ""
        for line, text in enumerate(uncut(self.log, self.cut), 1):
            if not text.strip():
                continue
            header = header or text.lstrip("\ufeff")
            cells = _cells(text, separator)
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

    def moment(self, cells: list[str]) -> str:
        return " ".join(cells[number].strip() for number in self.layout.times)

    def first(self) -> str:
        """Return the time of the first row that has the header's columns; nothing is rejected yet."""
        self.is_told = True
        found = next((self.moment(cells) for _, cells in self.rows()), "")
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
            text = self.moment(cells)
            number = decimal(text) if scale else None
            t_us = self.clock.us(text) if not scale else None if number is None else round(number * scale)
            if t_us is None or abs(t_us) > 10**17:
                self.reject(line, "BAD_TIME", text[:80])
                continue
            for column in self.kept:
                exact = decimal(cells[column.number])
                if exact is None:
                    self.reject(line, "UNREADABLE_POWER", f"{column.name}: {cells[column.number].strip()[:40]}")
                power_w = None if exact is None else float(exact) * column.factor / column.divisor
                yield column.name, t_us, power_w, line

    def read(self) -> None:
        """Read the log; where its times are not dated, its energy is integrated here."""
        scale, is_dated = self.scale()
        component = {column.name: column.component for column in self.kept}
        if is_dated:
            if not scale and self.log.zone_assumed and not has_zone(self.first()):
                self.about.flags.append("ASSUMED_UTC")
            series = {name: self.sink.series(self.run, name[:80], kind) for name, kind in component.items()}
            for name, t_us, power_w, line in self.readings(scale):
                self.sink.sample(series[name], t_us, power_w, None, line)
            return

        def passes() -> Iterator[Reading]:
            yield from self.readings(scale)
            self.is_told = True

        found = integrate(passes)
        self.is_told = False
        covers = {name: COVERS[kind] for name, kind in component.items()}
        self.about.flags += state(self.sink, self.run, covers, found)
        spans = [(own.first_us, own.last_us) for own in found.values()]
        if spans:
            first_us = min(first for first, _ in spans if first is not None)
            self.about.duration_s = (max(last for _, last in spans if last is not None) - first_us) / 1e6


class PowerCsv:
    """The reader of such CSV files."""

    name = "power_csv"
    title = "CSV whose header names power with its unit (plugs, PDUs, boards)"
    holds_many = False
    is_general = True  # any tool may write it: a reader of one tool goes first

    def recognises(self, log: Log) -> bool:
        """Tell by a time and a power with its unit in the header; nvidia-smi's lines are its own."""
        return _layout(log) is not None and not NVIDIA_SMI.recognises(log)

    def read(self, log: Log, sink: Sink) -> None:
        """Read every row."""
        _Reading(log, sink).read()


READER = PowerCsv()
