"""Read Redfish payloads that were saved over time: power of servers and of a PDU's outlets, at the wall."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from green.readers import Found
from green.readers.measure import json_document, json_object, part
from green.readers.parse import Clock, decimal, json_number, unix_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.readers import Log, Sink

TIMES = ("Timestamp", "timestamp", "ReadingTime", "@timestamp", "DateTime", "datetime", "time", "date", "t")
METRICS = {  # ids of metric reports, which several vendors share
    "PowerConsumedWatts": "host",
    "SystemPowerConsumption": "host",
    "TotalCPUPower": "cpu",
    "TotalMemoryPower": "memory",
}
DEPTH = 3  # of what a script may wrap around a payload

_OWN = re.compile(
    r'"(?:PowerConsumedWatts|MetricValues|PowerWatts|SystemPowerConsumption)"|"ReadingType"\s*:\s*"Power"'
)
_SCHEMA = re.compile(r'"@odata\.(?:id|type|context)"|"PowerControl"')


def _payload(found: object, depth: int = 0) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """Return the first object that holds power, and the objects around it, which may hold its time."""
    if not isinstance(found, dict) or depth > DEPTH:
        return None
    if (
        any(key in found for key in ("PowerControl", "MetricValues", "PowerWatts"))
        or found.get("ReadingType") == "Power"
    ):
        return found, [found]
    for value in found.values():
        inner = _payload(value, depth + 1)
        if inner is not None:
            return inner[0], [*inner[1], found]
    return None


def _number(value: object) -> float | None:
    """Return a number, also one that a metric report writes as text."""
    exact = decimal(value) if isinstance(value, str) else None
    return float(exact) if exact is not None else json_number(value)


def _powers(found: dict[str, Any]) -> Iterator[tuple[str, str, object, object]]:
    """Yield device, component, power and its own time of a payload.

    Of several power controls the first is the chassis; the others are parts of it.
    """
    name = str(found.get("@odata.id") or found.get("Id") or "power")[:120]
    controls, metrics = found.get("PowerControl"), found.get("MetricValues")
    if isinstance(controls, list):
        for control in controls[:1]:
            yield name, "host", part(control, "PowerConsumedWatts"), None
    elif isinstance(metrics, list):
        for metric in metrics:
            where = str(part(metric, "MetricProperty") or "")
            key = str(part(metric, "MetricId") or where.rpartition("/")[2])
            component = METRICS.get(key) or METRICS.get(where.rpartition("/")[2])
            if component is not None:
                device = where.partition("#")[0] or str(part(metric, "Oem", "Dell", "FQDD") or key)
                yield device[:120], component, part(metric, "MetricValue"), part(metric, "Timestamp")
    elif "PowerWatts" in found:
        power = found["PowerWatts"]
        yield name, "host", power.get("Reading") if isinstance(power, dict) else power, None
    else:
        yield name, "host", found.get("Reading"), found.get("ReadingTime")


class _Reading:
    """The state of reading one log."""

    def __init__(self, log: Log, sink: Sink) -> None:
        self.log = log
        self.sink = sink
        self.clock = Clock(log.timezone)
        self.run = sink.run(Found(line=1, flags=["ASSUMED_UTC"] if log.zone_assumed else []))
        self.series: dict[tuple[str, str], int] = {}

    def records(self) -> Iterator[tuple[int, object]]:
        """Yield the payloads of JSON lines, of a list, or the one of a document."""
        lines = [line for line in self.log.head_lines if line.strip()]
        if lines and json_object(lines[0]) is not None:
            for line, text in enumerate(self.log.lines(), 1):
                if text.strip():
                    yield line, json_object(text)
            return
        whole = json_document(self.log)
        for found in whole if isinstance(whole, list) else [whole]:
            yield 1, found

    def time(self, own: object, around: list[dict[str, Any]]) -> int | None:
        """Return the time of a reading: its own, else that of what holds it."""
        stated = [own, *(outer[key] for outer in around for key in TIMES if key in outer)]
        for value in stated:
            t_us = self.clock.us(value.replace("Z", "+00:00")) if isinstance(value, str) else unix_us(value)
            if t_us is not None:
                return t_us
        return None

    def read(self) -> None:
        """Read every payload."""
        for line, found in self.records():
            held = _payload(found)
            if held is None:
                self.sink.reject(line, "BAD_LINE", "no Redfish payload with power", run=self.run)
                continue
            for device, component, value, own in _powers(held[0]):
                t_us = self.time(own, held[1])
                power_w = _number(value)
                if t_us is None:
                    self.sink.reject(line, "BAD_TIME", f"{device}: a payload has no time of its own", run=self.run)
                    continue
                if power_w is None:
                    self.sink.reject(line, "UNREADABLE_POWER", f"{device}: {str(value)[:40]}", run=self.run)
                key = (device, component)
                if key not in self.series:
                    self.series[key] = self.sink.series(self.run, f"{device}:{component}", component)
                self.sink.sample(self.series[key], t_us, power_w, None, line)


class Redfish:
    """The reader of Redfish payloads."""

    name = "redfish"
    title = "Redfish power payloads and metric reports, JSON or JSONL"
    holds_many = False

    def recognises(self, log: Log) -> bool:
        """Tell by Redfish's own names."""
        head = log.head.lstrip("\ufeff \r\n\t")
        return head[:1] in ("{", "[") and _OWN.search(head) is not None and _SCHEMA.search(head) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read every payload that has a time."""
        _Reading(log, sink).read()


READER = Redfish()
