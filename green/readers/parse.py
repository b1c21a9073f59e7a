"""Small exact parsers that the readers share: times to whole microseconds, numbers with units."""

from __future__ import annotations

import csv
import math
import re
from collections import deque
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
MOST_HOURS = 24 * 40  # of a log whose zone is looked at hour by hour: a zone seldom holds still for longer
MINUTE_CHARS = 17  # "2023/07/08 19:28:"
MILLIS_CHARS = 6  # "27.236"
BACK_US = 120_000_000  # devices of one log are read within two minutes; a clock set back goes further
FOLD_US = 7_200_000_000  # no zone sets its clock back by more than two hours
MOST_CHARS = 64  # a longer cell is no number; it also bounds the cost of exact arithmetic
MOST_SECONDS = 10**11  # 3,000 years

_TIME = re.compile(
    r"(\d{4})([-/])(\d\d)\2(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d+))?\s*(Z|UTC|([+-])(\d\d):?(\d\d)?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_COUNTED = re.compile(r"(?:^|,\s*)(\d{1,6}) x |(\d) x ", re.ASCII)
_POWER = re.compile(rf"\s*({_NUMBER.pattern})\s*([A-Za-z]*)\s*", re.ASCII)


class Clock:
    """Turn the times of one log, in its order, into µs since 1970 UTC, without floating point.

    The text of a minute is parsed once, for a log holds many readings a minute, and no zone changes
    within one. Where a zone sets its clock back, an hour of local times comes twice: the first is
    meant until time runs back.
    """

    __slots__ = ("_last_us", "_minute", "_minute_us", "_zone")

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._minute = ""
        self._minute_us = 0
        self._last_us = 0

    def us(self, text: str) -> int | None:
        """Return the time, None where the text is none."""
        text = text.strip()
        rest = text[MINUTE_CHARS:]
        if len(rest) == MILLIS_CHARS and rest[2] == "." and text[:MINUTE_CHARS] == self._minute:
            millis = rest[:2] + rest[3:]
            if millis < "60" and millis.isdigit() and millis.isascii():
                return self._minute_us + int(millis) * 1000
        return self._parse(text)

    def _parse(self, text: str) -> int | None:
        match = _TIME.fullmatch(text)
        if match is None:
            return None
        micros = int((match[8] or "0")[:6].ljust(6, "0"))
        try:
            year, month, day, hour, minute, second = map(int, match.group(1, 3, 4, 5, 6, 7))
            moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            if match[9] is None:
                self._minute_us = self._last_us = self._local_us(moment.replace(second=0, tzinfo=self._zone))
                self._minute = text[:MINUTE_CHARS]
                return self._minute_us + second * 1_000_000 + micros
            ahead = timedelta(hours=int(match[11] or 0), minutes=int(match[12] or 0))
            return _since_epoch_us(moment + ahead if match[10] == "-" else moment - ahead) + micros
        except (ValueError, OverflowError):  # 30 February; the year 1 in a zone ahead of UTC
            return None

    def _local_us(self, first: datetime) -> int:
        """Return a time of the log's zone."""
        first_us, second_us = _since_epoch_us(first), _since_epoch_us(first.replace(fold=1))
        comes_twice = second_us > first_us
        runs_back = BACK_US < self._last_us - first_us < FOLD_US
        return second_us if comes_twice and runs_back else first_us


def _since_epoch_us(moment: datetime) -> int:
    return (moment.astimezone(UTC) - EPOCH) // MICROSECOND


def steady_us(zone: tzinfo, first_us: int, last_us: int) -> int | None:
    """Return what is added to the local times of a log for UTC; None where that changes near them, or nobody looks.

    No zone changes twice within an hour, so that a look an hour is enough.
    """
    if zone is UTC:
        return 0
    first = (EPOCH + first_us * MICROSECOND).replace(minute=0, second=0, microsecond=0) - HOUR
    hours = (last_us - first_us) // (HOUR // MICROSECOND) + 4
    if hours > MOST_HOURS:
        return None
    moments = (first + number * HOUR for number in range(hours))
    found = {
        (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) - moment) // MICROSECOND
        for moment in moments
        for fold in (0, 1)
    }
    return found.pop() if len(found) == 1 else None


def has_zone(text: str) -> bool:
    """Tell whether a time says its zone."""
    match = _TIME.fullmatch(text.strip())
    return match is not None and match[9] is not None


def decimal(text: str) -> Decimal | None:
    """Return the exact number; None for anything else, also "nan", "inf" and "1_000"."""
    text = text.strip()
    if len(text) > MOST_CHARS or _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text)


def seconds_us(text: str) -> int | None:
    """Return a number of seconds in whole µs, None where it is none or absurd."""
    seconds = decimal(text)
    if seconds is None or abs(seconds) > MOST_SECONDS:
        return None
    return round(seconds * 1_000_000)


def json_number(value: object) -> float | None:
    """Return a JSON number; None for anything else, also true and false."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf


def unix_us(value: object) -> int | None:
    """Return Unix seconds in µs.

    A double holds today's seconds to 0.24 µs, so that rounding gives back every whole µs that was
    written.
    """
    seconds = json_number(value)
    return round(seconds * 1_000_000) if seconds is not None and abs(seconds) <= MOST_SECONDS else None


def power_w(text: str, unit: str = "W") -> float | None:
    """Return the power of a cell like "46.19 W", "46.19" (in the header's unit) or "46190 mW".

    None for anything else: "[N/A]", "46 %", "". A cell's own unit wins over the header's.
    """
    match = _POWER.fullmatch(text)
    if match is None:
        return None
    unit = match[2] or unit
    if unit == "W":
        return float(match[1])
    if unit == "mW":
        return float(match[1]) / 1000
    return float(match[1]) * 1000 if unit == "kW" else None


def counted_names(text: str, total: Decimal | None) -> list[tuple[str, float]]:
    """Split a text of several kinds.

    CodeCarbon joins kinds with nothing between ("2 x NVIDIA A401 x Tesla T4"), so a split there
    is only taken where its counts add up to the number of GPUs.
    """
    joints = list(_COUNTED.finditer(text))
    if not joints or joints[0].start() != 0:
        return [(text, float(total or 1))]
    ends = [(joint.end(), after.start()) for joint, after in pairwise(joints)]
    spans = [*ends, (joints[-1].end(), len(text))]
    counts = [int(joint[1] or joint[2]) for joint in joints]
    if any(joint[2] for joint in joints) and sum(counts) != total:
        return [(text, float(total or 1))]
    return [(text[a:b].strip(), float(count)) for (a, b), count in zip(spans, counts, strict=True)]


def split_cells(line: str) -> list[str]:
    """Split one line at its commas, quotes minded; no cells where it cannot be split."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return []


def csv_rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of RFC 4180 text with the number of their first line; the first row is the header.

    A quote that is never closed (a writer was killed, another appended) swallows the rows that
    follow: such a row has not as many cells as the header, and its lines are read again one by one.
    """
    source = enumerate(lines, 1)
    again: deque[tuple[int, str]] = deque()
    width: int | None = None
    while True:
        taken: list[tuple[int, str]] = []
        cells = _next_row(again, source, taken)
        if not taken:
            return
        if len(taken) > 1 and width is not None and len(cells) != width:
            again.extendleft(reversed(taken[1:]))
            cells = split_cells(taken[0][1])
        if width is None and any(cells):
            width = len(cells)
        yield taken[0][0], cells


def _next_row(
    again: deque[tuple[int, str]], source: Iterator[tuple[int, str]], taken: list[tuple[int, str]]
) -> list[str]:
    """Read one row, which may span lines, and note the lines that it took."""

    def feed() -> Iterator[str]:
        while (numbered := again.popleft() if again else next(source, None)) is not None:
            taken.append(numbered)
            yield numbered[1] + "\n"

    try:
        return next(csv.reader(feed()), [])
    except csv.Error:  # a field beyond the module's limit of 128 KiB
        return []
