"""The samples of Prometheus: its text exposition, and its JSON as queries and exports give it, one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from green.readers.parse import MOST_SECONDS, decimal, json_number
from green.readers.pieces import objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from green.readers import Log

MOST_LINE = 100_000
SECONDS_BELOW = 10**11  # a larger time is in milliseconds: as seconds it would be the year 5138

_NAME = re.compile(r"([A-Za-z_:][\w:]{0,200})\s*(\{)?", re.ASCII)
_LABEL = re.compile(r'\s*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?', re.ASCII)
_REST = re.compile(r"\s+(\S{1,64})(?:\s+(-?[\d.]{1,24}))?\s*(?:#.*)?", re.ASCII)
OBJECT = re.compile(r'\{\s*"metric"\s*:\s*\{')  # the key that Prometheus writes first


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series; without a time where the exposition has none."""

    name: str
    labels: Mapping[str, str]
    t_us: int | None
    value: float | None  # None: no number
    line: int


def is_json(log: Log) -> bool:
    """Tell whether a log is JSON that holds series."""
    return log.head.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} and OBJECT.search(log.head) is not None


def samples(log: Log) -> Iterator[Sample | tuple[int, str]]:
    """Yield every sample; what is none is its line and a reason."""
    yield from _json_samples(log) if is_json(log) else _text_samples(log)


def _text_samples(log: Log) -> Iterator[Sample | tuple[int, str]]:
    for number, line in enumerate(log.lines(), 1):
        text = line.strip() if len(line) <= MOST_LINE else ""
        if not text or text.startswith("#"):
            if len(line) > MOST_LINE:
                yield number, "a line too long"
            continue
        sample = _sample(text, number)
        yield (number, text[:80]) if sample is None else sample


def _sample(text: str, line: int) -> Sample | None:
    """Read one line of the exposition; None where it is cut or wrong."""
    name = _NAME.match(text)
    if name is None:
        return None
    labels: dict[str, str] = {}
    at = name.end()
    if name[2]:
        while (match := _LABEL.match(text, at)) is not None:
            labels[match[1]] = match[2]
            at = match.end()
        if text[at:].lstrip()[:1] != "}":
            return None
        at = text.index("}", at) + 1
        rest = _REST.fullmatch(text, at) or _REST.fullmatch(" " + text[at:])  # a space need not follow the brace
    else:
        rest = _REST.fullmatch(text, name.end(1))
    if rest is None:
        return None
    return Sample(name[1], labels, None if rest[2] is None else _time_us(decimal(rest[2])), _number(rest[1]), line)


def _number(text: object) -> float | None:
    """Return a value; NaN, +Inf and anything else that is no number are none."""
    value = decimal(text) if isinstance(text, str) else None
    return float(value) if value is not None else json_number(text)


def _time_us(value: Decimal | None) -> int | None:
    """Return a time of seconds or milliseconds in µs; None where it is absurd."""
    if value is None or not 0 < value < MOST_SECONDS * 1000:
        return None
    return round(value * 1_000_000) if value < SECONDS_BELOW else round(value * 1000)


def _json_samples(log: Log) -> Iterator[Sample | tuple[int, str]]:
    for line, found in objects(log, OBJECT):
        if found is None:
            yield line, "half a series, or one too long"
            continue
        metric = found["metric"]
        labels = {str(key): value for key, value in metric.items() if isinstance(value, str)}
        for pair in _pairs(found):
            t_us, value = pair
            yield Sample(labels.get("__name__", ""), labels, t_us, _number(value), line)


def _pairs(found: Mapping[str, Any]) -> Iterator[tuple[int | None, object]]:
    """Yield time and value of a series: of a range, of an instant, or of an export with its times apart."""
    values, times = found.get("values"), found.get("timestamps")
    rows = values if isinstance(values, list) else [found.get("value")]
    if isinstance(times, list):
        rows = [list(pair) for pair in zip(times, rows, strict=False)]
    for row in rows:
        if isinstance(row, list) and len(row) == len(("time", "value")):
            stamp = decimal(repr(row[0])) if json_number(row[0]) is not None else None
            yield _time_us(stamp), row[1]
