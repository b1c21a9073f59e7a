"""Read the JSON that Scaphandre's json exporter writes: power of sockets and their memory, moment by moment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from green.readers import Found, Unreadable
from green.readers.parse import json_number, unix_us
from green.readers.pieces import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink

W_PER_UW = 1e-6
MOST_SOCKETS = 1024

_REPORT = re.compile(r'\{\s*"host"\s*:\s*\{')
_OWN = re.compile(r'\{\s*"host"\s*:\s*\{[^{}]{0,200}"consumption"')


def _items(found: object) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _readings(report: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield device, component and reading; a host is the sum of its sockets, and stands in where none is listed."""
    sockets = _items(report.get("sockets"))
    for socket in sockets:
        name = f"socket-{str(socket.get('id'))[:20]}"
        yield name, "cpu", socket
        for domain in _items(socket.get("domains")):
            if str(domain.get("name")).lower() == "dram":  # core and uncore are within the socket
                yield f"{name}/dram", "memory", domain
    host = report.get("host")
    if not sockets and isinstance(host, dict):
        yield "host", "cpu", host


class Scaphandre:
    """The reader of Scaphandre's reports."""

    name = "scaphandre"
    title = "Scaphandre json exporter"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by an object that begins with a host and its consumption."""
        return log.head.lstrip("\ufeff \t\r\n")[:1] in {"{", "["} and _OWN.search(log.head) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read every report; consumers are shares of their host."""
        if not self.recognises(log):
            raise Unreadable("NO_HEADER")
        run = sink.run(Found(line=1))
        series: dict[str, int] = {}
        moments: set[int] = set()
        for line, report in objects(log, _REPORT):
            if report is None:
                sink.reject(line, "BAD_LINE", "half a report", run=run)
                continue
            for device, component, reading in _readings(report):
                if device not in series and len(series) < MOST_SOCKETS:
                    series[device] = sink.series(run, device, component)
                if device in series:
                    t_us = _reading(reading, series[device], line, sink)
                    moments |= {t_us} if t_us is not None and len(moments) < len(("first", "second")) else set()
                else:
                    sink.reject(line, "TOO_MANY_DEVICES", device, run=run)
        if len(moments) < len(("first", "second")):
            sink.reject(None, "SINGLE_SCRAPE", "one moment has a power and no energy", run=run)


def _reading(reading: dict[str, Any], series: int, line: int, sink: Sink) -> int | None:
    """Give the sink one reading and return its time."""
    t_us, power_uw = unix_us(reading.get("timestamp")), json_number(reading.get("consumption"))
    if t_us is None:
        sink.reject(line, "BAD_TIME", repr(reading.get("timestamp"))[:40])
        return None
    if power_uw is None:
        sink.reject(line, "UNREADABLE_POWER", repr(reading.get("consumption"))[:40])
    sink.sample(series, t_us, None if power_uw is None else power_uw * W_PER_UW, None, line)
    return t_us


READER = Scaphandre()
