"""Tell which columns of a table are power with its unit, and which of them add up."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from green.readers import HEAD_BYTES, Unreadable
from green.readers.devices import MOST_DEVICES, is_mixed, told_by
from green.readers.parse import split_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from green.readers import Log

COMPONENTS = ("gpu", "cpu", "memory", "rest", "host")
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
_ENERGY = re.compile(r"energ(y|ie|ia)$", re.IGNORECASE)  # "totEnergy(kW)": whether kW or energy is the slip is not said
_MEAN = re.compile(r"mean|average|avg", re.IGNORECASE)
_SPAN = re.compile(  # beside a mean power: each row is a run, and between rows nobody measured
    r"(start|end)[ _]?time\w*|duration|run[ _]?time|(total|execution|inference|training)[ _]?time|latency",
    re.IGNORECASE,
)
_NEVER = re.compile(
    r"limit|cap\b|capacity|max|min|peak|rated|tdp|std|dev|threshold|budget|reactive|apparent|power\.draw|per[ _]",
    re.IGNORECASE,
)
_NOT_OURS = re.compile(  # what a bicycle, an oar or a motor writes beside its power
    r"cadence|heart|gps|latitude|longitude|\blat\b|\blon\b|distance|pace\b|jump|elevation|altitude|stroke|torque|airspeed",
    re.IGNORECASE,
)
TOTAL = re.compile(r"total|system|inlet|pdu|node|server|wall|(?<!con)sum|board|machine|host", re.IGNORECASE)
_WORDS = (  # the first that is in a column's name tells its component
    ("gpu", re.compile(r"gpu|cuda", re.IGNORECASE)),
    ("memory", re.compile(r"dram|\bram|memory|_ram|_mem|ddr", re.IGNORECASE)),
    ("cpu", re.compile(r"cpu|package|processor|pkg|rapl", re.IGNORECASE)),
    ("rest", re.compile(r"\bane\b|npu|disk|ssd|fan|network|\bnic\b", re.IGNORECASE)),
)
_UNITS = {"sec": "s", "secs": "s", "seconds": "s", "milliseconds": "ms"}
_GADGET = "Elapsed Time (sec)"  # Intel Power Gadget has its own reader


@dataclass(frozen=True, slots=True)
class Column:
    """One column of power."""

    number: int
    name: str
    component: str
    divisor: int  # of its unit: 1 for W, 1000 for mW
    factor: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column is what."""

    separator: str
    width: int
    times: tuple[int, ...]  # one column, or a date and a time
    unit: str  # of times that are numbers; "" where the header does not say
    powers: tuple[Column, ...]
    header: tuple[str, ...]

    def moment(self, cells: list[str]) -> str:
        """Return the time of a row as it is written."""
        return " ".join(cells[number].strip() for number in self.times)


def cells_of(text: str, separator: str) -> list[str]:
    """Split a line at its separator; commas mind quotes."""
    return split_cells(text) if separator == "," else text.split(separator)


def _power(number: int, cell: str) -> Column | None:
    """Return the column of power that a cell of the header names; None where it names none, or no unit."""
    match = _POWER.fullmatch(cell) if len(cell) <= MOST_CHARS else None
    if match is None or _NEVER.search(cell) or _ENERGY.search(match[1].strip()):
        return None
    if not (match[2] or "watt" in match[3].lower() or _WORD.search(match[1])):
        return None
    component = next((name for name, word in _WORDS if word.search(cell)), "host")
    unit = match[3].lower()
    divisor = 1000 if unit in ("mw", "milliwatt", "milliwatts") else 1_000_000 if unit == "uw" else 1
    return Column(number, match[1] or cell, component, divisor, 1000 if unit == "kw" else 1)


def layout_of(log: Log) -> Layout | None:
    """Read the header; None where it names no time or no power with its unit."""
    text = next((line for line in log.head_lines[:HEAD_LINES] if line.strip()), "").lstrip("\ufeff")
    for separator in (",", ";", "\t"):
        cells = [cell.strip(' "') for cell in cells_of(text, separator)]
        powers = [column for number, cell in enumerate(cells) if (column := _power(number, cell)) is not None]
        times = [number for number, cell in enumerate(cells) if _TIME.fullmatch(cell[:MOST_CHARS])]
        if any(_SPAN.match(cell) for number, cell in enumerate(cells) if number not in times[:1]):
            powers = [column for column in powers if not _MEAN.search(cells[column.number])]
        if any(map(_NOT_OURS.search, cells)) or not powers or not times or len(cells) < 2 or _GADGET in cells:  # noqa: PLR2004 -- a time and a power
            continue
        words = [cells[number].lower() for number in times]
        if words[:2] in (["date", "time"], ["time", "date"]):
            both = (times[words.index("date")], times[words.index("time")])
            return Layout(separator, len(cells), both, "", tuple(powers), tuple(cells))
        match = _TIME.fullmatch(cells[times[0]])
        named = next((word for word in ("milliseconds", "seconds") if words[0].endswith(word)), "")
        unit = (match[1] or named).lower() if match else ""
        unit = _UNITS.get(unit, unit)
        return Layout(separator, len(cells), (times[0],), unit, tuple(powers), tuple(cells))
    return None


def chosen(powers: tuple[Column, ...]) -> tuple[list[Column], list[Column]]:
    """Return the columns to add, and those left out as totals of others or parts of one.

    Columns that differ by a number alone are parts of a whole; what else stands side by side may hold one another.
    """
    kept: list[Column] = []
    left: list[Column] = []
    for component in COMPONENTS:
        groups: dict[str, list[Column]] = {}
        for column in powers:
            if column.component == component:
                groups.setdefault(re.sub(r"\d+", "#", column.name.lower()).strip(" _"), []).append(column)
        if len(groups) > 1:
            if component == "host":
                best = [group for name, group in groups.items() if TOTAL.search(name) and len(group) == 1]
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


def _renamed(power: Column, words: str, name: str) -> Column:
    """Return a column under another name; words tell the component of one whose own name does not."""
    component = next((name for name, word in _WORDS if word.search(words)), power.component)
    return replace(power, name=name, component=component if power.component == "host" else power.component)


class Devices:
    """What the powers of a row are of: of a column, or of the device that the row is about."""

    def __init__(self, log: Log, layout: Layout) -> None:
        lines = log.head_lines[: -1 if len(log.head) >= HEAD_BYTES // 4 else None]  # the last of a head may be cut
        header = layout.moment([*layout.header])
        rows = [row for line in lines if len(row := cells_of(line, layout.separator)) == layout.width]
        rows = [row for row in rows if layout.moment(row).strip('\ufeff "') != header]
        times = [layout.moment(row) for row in rows]
        self.told = told_by(layout.header, rows, times)
        self.is_mixed = self.told is None and is_mixed(times)
        self.words = self.told.words if self.told else ""
        self.powers = tuple(_renamed(power, self.words, power.name) for power in layout.powers)
        self.known: dict[str, list[Column]] = {}
        if self.told is None or not self.told.may_hold:
            self.kept, self.left = chosen(self.powers)
            return
        labels = list(dict.fromkeys(map(self.told.label, rows)))
        found = [self._named(label, self.powers) for label in labels]
        self.kept, self.left = chosen(tuple(column for columns in found for column in columns))
        self.known = {k: [c for c in columns if c in self.kept] for k, columns in zip(labels, found, strict=True)}

    @staticmethod
    def _named(label: str, powers: Iterable[Column]) -> list[Column]:
        """Return the columns of one device."""
        return [_renamed(power, label, f"{power.name} {label}") for power in powers]

    def of(self, cells: list[str]) -> list[Column] | None:
        """Return the columns of a row to take; None where nobody can tell what the row is about."""
        if self.told is None:
            return self.kept
        label = self.told.label(cells)
        if label not in self.known:
            if self.told.may_hold or len(self.known) >= MOST_DEVICES:
                return None
            self.known[label] = self._named(label, self.kept)
        return self.known[label]
