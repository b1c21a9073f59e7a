"""Readers turn the logs of other tools into readings, one file a format, behind one Protocol.

A reader recognises a log by its content, never by its name alone, and tells a `Sink` what it
found. It raises `Unreadable` where the file as a whole cannot be used; a bad line becomes
`sink.reject(...)` and reading goes on. Third parties add a reader as an entry point of the group
`green.readers` that names an object of this Protocol.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from io import StringIO
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol, TextIO, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from green.layout import Layout

# Where the readings of a log without a date stand until its run's record says when they were: no factor holds then.
UNDATED_US = 4_070_908_800_000_000  # 2099-01-01T00:00:00Z
COMPONENTS = ("gpu", "cpu", "memory", "rest")
HEAD_BYTES = 65_536
TOP = 8_192  # characters that are split where some lines are wanted
MOST_LINE = 64 << 20  # characters: no tool writes such a line, and it must not fill the memory


class Unreadable(ValueError):  # noqa: N818 -- what the log is; every reader raises it by this name
    """The log as a whole cannot be used; the message is the reason, for `rejects`."""


@dataclass(frozen=True, slots=True)
class Log:
    """One log file, opened lazily; times without a zone are in `timezone`."""

    path: str  # where the bytes are
    shown: str  # path below logs, with "/", as it is printed
    head: str  # the first 64 KiB, decoded, for recognition
    encoding: str  # utf-8 | utf-16-le | utf-16-be | latin-1
    timezone: tzinfo
    zone_assumed: bool  # nobody said which zone naive times are in: UTC
    is_whole: bool = False  # the head is all of it, so that a small log is read once
    _lines: list[str] = field(default_factory=list, init=False, repr=False, compare=False)  # every reader asks for them

    @contextmanager
    def open(self) -> Iterator[TextIO]:
        """Open the decoded text; undecodable bytes become U+FFFD, NULs stay."""
        if self.is_whole:
            yield StringIO(self.head if self.encoding == "latin-1" else self.head.removeprefix("\ufeff"), newline="")
            return
        with open(self.path, encoding=self.encoding, errors="replace", newline="") as stream:  # noqa: PTH123 -- paths from os.scandir may hold undecodable bytes; Path adds nothing
            if self.encoding != "latin-1" and stream.read(1) != "\ufeff":
                stream.seek(0)
            yield stream

    def lines(self) -> Iterator[str]:
        """Yield the decoded lines without their ends; of a line beyond MOST_LINE its beginning."""
        with self.open() as stream:
            if self.is_whole or os.fstat(stream.fileno()).st_size <= MOST_LINE:
                for line in stream:
                    yield line.rstrip("\r\n")
                return
            is_rest = False
            while line := stream.readline(MOST_LINE):
                if not is_rest:
                    yield line.rstrip("\r\n")
                is_rest = not line.endswith(("\n", "\r"))

    @property
    def head_lines(self) -> list[str]:
        """The lines of the head; the last may be cut."""
        if not self._lines:
            self._lines.extend(self.head.lstrip("\ufeff").splitlines())
        return self._lines

    def top(self, count: int) -> list[str]:
        """Return the first lines of the head, without splitting all of it where a part holds as many."""
        if not self._lines and len(lines := self.head[:TOP].lstrip("\ufeff").splitlines()) > count:
            return lines[:count]
        return self.head_lines[:count]


@dataclass(slots=True)
class Found:
    """What a log says of one run; everything is optional and unknown where the log is silent."""

    own_id: str | None = None  # the tool's own id, for formats that can hold many runs
    part_of: str | None = None  # the own id of the run that holds this one, where a tool writes a run and its parts
    line: int = 0  # where it stands in the log
    started_at_us: int | None = None  # µs since 1970, UTC
    ended_at_us: int | None = None
    duration_s: float | None = None
    project: str | None = None
    status: str | None = None
    region: str | None = None
    pue: float | None = None
    reported_kgco2e: float | None = None
    is_undated: bool = False  # times of readings, if any, count from UNDATED_US: from the run's start, whenever it was
    busy_core_h: float | None = None  # core-hours that were computed in, where a tool counts them and no energy
    memory_gb_h: float | None = None  # memory that was held, times hours, likewise
    flags: list[str] = field(default_factory=list)
    units: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str | float | None] = field(default_factory=dict)


class Sink(Protocol):
    """Where a reader puts what it finds; run and series numbers are only valid in this file."""

    def run(self, found: Found) -> int:
        """Open a run of this file and return its number."""

    def series(  # noqa: PLR0913 -- a sensor has that many properties, and all are keywords
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
        """Open a series of readings of one device of a run and return its number.

        `method` is said only where the meter models what it writes (modelled) or took it over (imported).
        """

    def bounds(self, series: int, low_ratio: float, high_ratio: float) -> None:
        """State the ends of what a series that a meter models gives, by its value: 0 <= low <= 1 <= high."""

    def sample(self, series: int, t_us: int, power_w: float | None, energy_j: float | None, line: int) -> None:
        """Add a reading; None or not finite is a line with a time and no usable value.

        Readings outside [0, 1 MW] and times outside 2000-2100 are rejected here, once for all readers.
        """

    def device(self, run: int, device: str, component: str, *, name: str | None, count: float, line: int) -> None:
        """Name hardware of the run that has no series of its own."""

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
        """Add energy that the tool computed itself."""

    def reject(self, line: int | None, reason: str, detail: str = "", *, run: int | None = None) -> None:
        """Record a line (or, with None, the file) that was not read, and why."""


class Reader(Protocol):
    """One format of log; `is_general` (below) and `layout` (green/layout.py) may be said, too."""

    name: str  # as in `green readers` and the entry point
    title: str  # one line for people
    holds_many: bool  # one file may hold many runs, so ids are always <path>#<own id>

    def recognises(self, log: Log) -> bool:
        """Tell from the head whether the log is of this format; never raises."""

    def read(self, log: Log, sink: Sink) -> None:
        """Read the whole log into the sink."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which cells of a line hold what, counted from 0; `device` is None where the log is of one device."""

    width: int
    time: int  # cells like 2026/01/31 23:59:59.999, in the zone of the log
    power: int  # cells like 46.19 or 46.19 W, in watts
    device: int | None


@runtime_checkable
class ByColumns(Reader, Protocol):
    """A reader of tables that tells where the cells are, so that a log whose lines are all alike is read by columns.

    What is read so must be what `read` gives: every such line is one reading, of the device that its cell names.
    """

    def columns(self, header: str) -> Columns | None:
        """Tell from the first line alone where the cells are; None where lines must be looked at one by one."""

    def begin(self, log: Log, sink: Sink, rows: Sequence[list[str]]) -> list[int | None]:
        """Open the run and the series of the first line of each device, as `read` would; None for no device."""


class Installed(NamedTuple):
    """A reader that a package brings."""

    name: str
    place: str  # module:attribute
    version: str  # of the package


def installed() -> list[Installed]:
    """Return every reader that is installed, by name."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- looks through every package, which costs 30 ms

    points = entry_points(group="green.readers")
    versions = {id(point.dist): point.dist.version for point in points if point.dist is not None}  # read from a file
    return sorted(Installed(point.name, point.value, versions.get(id(point.dist), "")) for point in points)


def readers(places: Iterable[str] | None = None) -> list[Reader]:
    """Load every reader that is installed: those of one tool's format by name, then those of any tool's.

    `places` are those of `installed`, where they are known.
    """
    found = [one.place for one in installed()] if places is None else places
    return sorted(map(_loaded, found), key=is_general)


def _loaded(place: str) -> Reader:
    module, _, attribute = place.partition("[")[0].strip().partition(":")
    reader: Reader = attrgetter(attribute)(import_module(module))
    return reader


def layouts(among: Sequence[Reader]) -> list[Layout]:
    """Return how the tools of some readers lay out their files, where a reader says it."""
    return [layout for reader in among if (layout := getattr(reader, "layout", None)) is not None]


def is_general(reader: Reader) -> bool:
    """Tell whether a reader takes a form that many tools write, so that a reader of one of them goes before it."""
    return bool(getattr(reader, "is_general", False))


def by_words(reader: Reader) -> bool:
    """Tell whether a reader recognises by the path, the first line and the words of others.

    For such a reader lines that differ in their digits are one line, and need not be looked at one by one.
    """
    return bool(getattr(reader, "by_words", False))


def recognise(log: Log, among: Sequence[Reader]) -> Reader | None:
    """Return the first reader that recognises a log, of the order of `readers`; None where none does."""
    return next((reader for reader in among if reader.recognises(log)), None)
