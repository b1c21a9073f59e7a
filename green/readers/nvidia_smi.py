"""Read the CSV that `nvidia-smi --query-gpu=timestamp,power.draw,... --format=csv` writes."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from green.readers import Columns, Found, Unreadable
from green.readers.devices import come_again
from green.readers.parse import Clock, has_zone, power_w, split_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.readers import Log, Sink

# `power.draw` is what most logs hold; since driver 530 it is the average on some devices and the
# instant value on others, so a log with all three keeps to the one that all tools read.
POWER = ("power.draw", "power.draw.average", "power.draw.instant")
DEVICE = (("uuid", "gpu_uuid"), ("index",), ("pci.bus_id", "gpu_bus_id"))  # the first that is there tells
SPARE = ("gpu", "gpu_id", "gpu_index", "device")  # of scripts; only where they do what no column above does
NAME = ("name", "gpu_name")
HEAD_LINES = 64
MOST_HEADER = 4096  # characters of a header that is remembered
KEY_LINES = 33  # a header, and two times of sixteen GPUs

_COLUMN = re.compile(r"\s*([a-z][a-z0-9_.]*)\s*(?:[\[(]\s*([^\])]*?)\s*[\])])?\s*", re.IGNORECASE)
_OWN = re.compile(  # columns that no other tool names so, which tell a log without power from a stranger
    r"power\.\w+(\.\w+)?|utilization\.(gpu|memory)|memory\.(used|free|total)|temperature\.(gpu|memory)"
    r"|clocks\..+|pstate|fan\.speed|pci\.bus_id|gpu_uuid|enforced\.power\.limit|clocks_\w+\..+"
)
_TIME = re.compile(r"\s*\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(\.\d+)?\s*", re.ASCII)
_WATTS = re.compile(r"\s*\d+(\.\d+)? m?W\s*", re.ASCII)
_ABSENT = re.compile(r"\s*(\[.*\]|N/A|)\s*")  # [N/A], [Not Supported], [Unknown Error] ...
_UUID = re.compile(r"\s*(GPU|MIG)-[0-9a-f-]{36}\s*")
_BUS = re.compile(r"\s*[0-9A-Fa-f]{8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]\s*")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Which column is what."""

    width: int
    time: int | None
    power: int | None
    unit: str  # of power cells that have none
    devices: tuple[tuple[str, int], ...]  # kind and column, the best first
    name: int | None
    spare: tuple[tuple[str, int], ...] = ()  # columns that may tell devices apart where those do not


def _from_header(cells: list[str]) -> _Layout | None:
    """Read a header; None where the cells are none."""
    columns: dict[str, tuple[int, str]] = {}
    for number, cell in enumerate(cells):
        match = _COLUMN.fullmatch(cell.strip("\ufeff"))
        if match is not None:
            columns.setdefault(match[1].lower(), (number, match[2] or "W"))
    has_time = "timestamp" in columns
    power = next((columns[name] for name in POWER if name in columns), None)
    if power is None and not (has_time and any(_OWN.fullmatch(name) for name in columns)):
        return None
    devices = [
        (names[0], columns[name][0]) for names in DEVICE for name in names if name in columns
    ]  # fmt: skip
    return _Layout(
        width=len(cells),
        time=columns["timestamp"][0] if has_time else None,
        power=None if power is None else power[0],
        unit="W" if power is None else power[1],
        devices=tuple(devices),
        name=next((columns[name][0] for name in NAME if name in columns), None),
        spare=tuple(("index", columns[name][0]) for name in SPARE if name in columns),
    )


@lru_cache(maxsize=64)  # a folder holds thousands of logs with a few headers
def _remembered(line: str) -> _Layout | None:
    return _from_header(split_cells(line) or [""])


def _headed(line: str) -> _Layout | None:
    """Read a line as a header; None where it is none."""
    return _remembered(line) if len(line) <= MOST_HEADER else _from_header(split_cells(line) or [""])


def _from_cells(rows: list[list[str]]) -> _Layout | None:
    """Find the columns of a log without a header by what their cells look like."""
    width = len(rows[0])
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    power = [
        number
        for number, column in enumerate(columns)
        if any(map(_WATTS.fullmatch, column)) and all(_WATTS.fullmatch(c) or _ABSENT.fullmatch(c) for c in column)
    ]
    if len(power) != 1:  # the draw and its limit look alike: which is which would be a guess
        return None
    devices = [
        (kind, number)
        for kind, looks in (("uuid", _UUID), ("pci.bus_id", _BUS))
        for number, column in enumerate(columns)
        if all(map(looks.fullmatch, column))
    ]
    return _Layout(width, 0, power[0], "W", tuple(devices), None)


def _layout(log: Log) -> _Layout | None:
    """Find the columns in the head of a log; None where it is no log of nvidia-smi."""
    lines = (line for line in log.top(HEAD_LINES) if line.strip())
    for number, line in enumerate(islice(lines, 2)):  # a stray line, or a header in other words, may stand before it
        header = _headed(line)
        if header is not None:
            return header
        if _TIME.fullmatch((split_cells(line) or [""])[0]):
            rows = [split_cells(line) or [""] for line in log.top(HEAD_LINES) if line.strip()]
            whole = rows[number:-1] or rows[number:]  # the last line of a head may be cut
            return _from_cells([row for row in whole if _TIME.fullmatch(row[0])])
    return None


def _keys(log: Log, layout: _Layout) -> list[tuple[str, ...]]:
    """Return time and device, as the layout tells them, of the first lines."""
    if layout.time is None:
        return []
    columns = (layout.time, *(column for _, column in layout.devices[:1]))
    rows = map(split_cells, log.top(KEY_LINES))
    keys = [tuple([row[column] for column in columns]) for row in rows if len(row) == layout.width]
    return keys[1:] if keys and keys[0][0].strip("\ufeff ").lower() == "timestamp" else keys


def _is_mixed(keys: list[tuple[str, ...]]) -> bool:
    """Tell whether one device has several lines of most times.

    A device that a column names may be read several times a second and be stamped in seconds, yet never equally often.
    """
    if not come_again(keys):
        return False
    return len(keys[0]) == 1 or len(set(list(Counter(keys).values())[1:-1])) == 1


def _apart(log: Log, layout: _Layout) -> _Layout:
    """Put the column first that tells the lines of one time apart, where the best by its name does not."""
    if not layout.spare or not _is_mixed(_keys(log, layout)):
        return layout
    others = (replace(layout, devices=(column, *layout.devices)) for column in (*layout.devices, *layout.spare))
    return next((other for other in others if not _is_mixed(_keys(log, other))), layout)


def _flags(log: Log, layout: _Layout) -> list[str]:
    """Say what a reader of the figures must know of this log."""
    keys = _keys(log, layout)
    flags = ["ASSUMED_UTC"] if log.zone_assumed and not (keys and has_zone(keys[0][0])) else []
    if _is_mixed(keys):
        flags.append("DEVICES_NOT_TOLD_APART")  # one series stands for several devices: energy is too low
    return flags


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        layout = _layout(log)
        if layout is None:
            raise Unreadable("NOT_NVIDIA_SMI")
        self.first, self.apart = layout, _apart(log, layout)  # as its header is written, and as its rows are read
        self.layout = self.apart  # every header that is met replaces it
        self.sink = sink
        self.clock = Clock(log.timezone)
        self.run = sink.run(Found(line=1, flags=_flags(log, self.apart)))
        self.devices: dict[str, int] = {}  # device → series
        self.seen: dict[str, int] = {}  # first device cell as written → series: the fast way
        self.warned: set[str] = set()

    def line(self, number: int, text: str) -> None:
        """Read one line."""
        cells = split_cells(text)
        layout = self.layout
        if len(cells) != layout.width or layout.time is None:
            self.odd(number, text, cells)
            return
        t_us = self.clock.us(cells[layout.time])
        if t_us is None:
            self.odd(number, text, cells)
            return
        series = self.seen.get(cells[layout.devices[0][1]] if layout.devices else "")
        if series is None:
            series = self.find(layout, cells)
            if series is None:
                self.sink.reject(number, "UNKNOWN_DEVICE", text[:80], run=self.run)
                return
        power: float | None = None
        if layout.power is not None:
            power = power_w(cells[layout.power], layout.unit)
            if power is None:
                self.sink.reject(number, "UNREADABLE_POWER", cells[layout.power].strip()[:80], run=self.run)
        self.sink.sample(series, t_us, power, None, number)

    def find(self, layout: _Layout, cells: list[str]) -> int | None:
        """Return the series of a line's device, opened where it is new; None where the line does not say."""
        device, uuid = ("", None) if layout.devices else ("gpu0", None)
        for kind, column in layout.devices:
            cell = cells[column].strip()
            if not _ABSENT.fullmatch(cell):
                device = f"gpu{cell}" if kind == "index" else cell
                uuid = cell if kind == "uuid" else None
                break
        if not device:
            return None
        series = self.devices.get(device)
        if series is None:
            name = None if layout.name is None else cells[layout.name].strip()
            name = None if name is None or _ABSENT.fullmatch(name) else name
            series = self.sink.series(self.run, device, "gpu", name=name, uuid=uuid)
            self.devices[device] = series
        first = cells[layout.devices[0][1]] if layout.devices else ""
        if not layout.devices or not _ABSENT.fullmatch(first):
            self.seen[first] = series
        return series

    def odd(self, number: int, text: str, cells: list[str]) -> None:
        """Take a line that is no reading: a header, also in the middle of the log, or a reject."""
        if not text.strip():
            return
        header = _from_header(cells)
        if header is not None:
            self.layout = self.apart if header == self.first else header
            self.seen.clear()
            if header.time is None:
                self.warn("NO_TIME_COLUMN", text)
            if header.power is None:
                self.warn("NO_POWER_COLUMN", text)
        elif len(cells) != self.layout.width:
            detail = f"{len(cells)} cells under {self.layout.width} columns"
            self.sink.reject(number, "CELL_COUNT", detail, run=self.run)
        elif self.layout.time is not None:  # without times the log was rejected as a whole
            self.sink.reject(number, "BAD_TIME", cells[self.layout.time].strip()[:80], run=self.run)

    def warn(self, reason: str, header: str) -> None:
        """Reject the log as a whole, once; the run stays and its energy is unknown."""
        if reason not in self.warned:
            self.warned.add(reason)
            self.sink.reject(None, reason, header[:200], run=self.run)

    def last(self, number: int, text: str, before: str, *, is_ended: bool) -> None:
        """Read the last line, which may have been cut within its last cell."""
        ends = [re.sub(r"\d", "0", line.rpartition(",")[2].partition(".")[2]) for line in (before, text)]
        is_like = ends[0] == ends[1] or text.rstrip().endswith("]")
        if is_ended or is_like or not before or _from_header(split_cells(before)) is not None:
            self.line(number, text)
        else:
            self.sink.reject(number, "CUT", text[:80], run=self.run)


def _is_ended(path: str) -> bool:
    """Tell whether the last line of a file has its end; UTF-16 ends with two bytes a character."""
    with open(path, "rb") as stream:  # noqa: PTH123 -- paths from os.scandir may hold undecodable bytes; Path adds nothing
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 2))
        return b"\n" in stream.read()


class NvidiaSmi:
    """The reader of nvidia-smi logs."""

    name = "nvidia_smi"
    title = "nvidia-smi --query-gpu CSV"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the header, or by nvidia-smi's own time format beside one column of watts."""
        return _layout(log) is not None

    def columns(self, header: str) -> Columns | None:
        """Tell the columns of a header with a time and a power in watts."""
        layout = _headed(header)
        if layout is None or layout.time is None or layout.power is None or layout.unit != "W" or layout.spare:
            return None
        return Columns(layout.width, layout.time, layout.power, layout.devices[0][1] if layout.devices else None)

    def begin(self, log: Log, sink: Sink, rows: Sequence[list[str]]) -> list[int | None]:
        """Open the run, and a series for the first line of each device."""
        reading = _Reading(log, sink)
        return [reading.find(reading.layout, cells) for cells in rows]

    def read(self, log: Log, sink: Sink) -> None:
        """Read every line; the last is held back, for it may be cut."""
        reading = _Reading(log, sink)
        before, held = "", ""
        number = 0
        line = reading.line
        for number, text in enumerate(log.lines(), 1):
            if number > 1:
                line(number - 1, held)
            before, held = held, text
        if number:
            reading.last(number, held, before, is_ended=_is_ended(log.path))


READER = NvidiaSmi()
