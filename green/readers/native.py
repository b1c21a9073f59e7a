"""Read the native power log, `*.green.jsonl`: a header line, readings, events and a footer."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from green.readers import Found, Unreadable
from green.readers.ends import Ends
from green.readers.parse import Clock, json_number, seconds_us, unix_us
from green.readers.phases import Phases

if TYPE_CHECKING:
    from green.readers import Log, Sink

COMPONENTS = {"gpu": "gpu", "cpu": "cpu", "dram": "memory", "storage": "rest", "host": "host"}
STATUSES = frozenset({"completed", "failed", "killed"})
RESERVED = frozenset({"t", "event", "format", "ended_at", "status", "exit_code"})
MEASURED = frozenset({"counter", "sampled"})
REASONS = {"budget": "STOPPED_BY_BUDGET", "meter_stopped": "METER_STOPPED"}  # of the footer, and their flags
PLACE = ("container", "slurm_job_id", "cpus", "cpu_share", "gpus", "gpus_not_ours")  # facts of the header
TRAFFIC = ("read_b", "written_b")  # of a note about the disks
MOST_FLAGS = 20
OWN_US = 100_000  # the meter's own time between its header and its first reading, or its last reading and its footer

_FORMAT = re.compile(r'\{[^\n]{0,2000}?"format"\s*:\s*"green/')
_FLAG = re.compile(r"[A-Z][A-Z0-9_]{1,40}", re.ASCII)
_KNOWN = re.compile(r"green/1(\.\d+)?", re.ASCII)


def _object(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a line; None where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment_us(value: object, clock: Clock) -> int | None:
    """Return a time of the header or the footer, ISO 8601 or Unix seconds."""
    if isinstance(value, str):
        found = clock.us(value)
        return seconds_us(value) if found is None else found
    return unix_us(value)


@dataclass(slots=True)
class _Session:
    """What the header, the events and the footer say; the readings follow in a second pass."""

    header: dict[str, Any]
    footer: dict[str, Any] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)
    phases: Phases = field(default_factory=Phases)
    epochs: float | None = None
    storage: dict[str, float | None] = field(default_factory=dict)  # bytes, as last noted
    first_us: int | None = None  # of the readings
    last_us: int | None = None


def _amounts(event: dict[str, Any]) -> dict[str, float]:
    """Return the functional units that a count event adds."""
    numbers = {unit: json_number(amount) for unit, amount in event.items() if unit not in RESERVED}
    return {unit: n for unit, n in numbers.items() if n is not None and 0 <= n < math.inf}


def _session(log: Log) -> _Session:
    """Read all but the readings."""
    lines = log.lines()
    session = _Session(_header(_object(next(lines, ""))))
    last = ""
    for text in lines:
        if '"event"' not in text and '"ended_at"' not in text:
            if session.first_us is None:
                session.first_us = unix_us((_object(text) or {}).get("t"))
            last = text if text.endswith("}") else last
            continue
        found = _object(text) or {}
        if found.get("event") == "count":
            for unit, amount in _amounts(found).items():
                session.units[unit] = session.units.get(unit, 0.0) + amount
        elif found.get("event") == "phase":
            session.phases.see(found)
        elif found.get("event") == "epoch" and (number := json_number(found.get("number"))) is not None:
            session.epochs = max(number, session.epochs or 0.0)
        elif found.get("note") == "storage":
            session.storage = {f"storage_{key}": json_number(found.get(key)) for key in TRAFFIC}
        elif "ended_at" in found:
            session.footer = found
    session.last_us = unix_us((_object(last) or {}).get("t"))
    return session


def _near(moment_us: int | None, reading_us: int | None) -> int | None:
    """Return the time of a reading for one beside it, or nobody could bound what was drawn in the moment between."""
    if moment_us is None or reading_us is None or abs(moment_us - reading_us) > OWN_US:
        return moment_us
    return reading_us


def _header(found: dict[str, Any] | None) -> dict[str, Any]:
    """Check the header; the whole log hangs on it."""
    if found is None:
        raise Unreadable("CUT_HEADER")
    if not _KNOWN.fullmatch(str(found.get("format"))):
        raise Unreadable("UNSUPPORTED_FORMAT")
    if found.get("clock", "utc") != "utc":
        raise Unreadable("CLOCK_NOT_UTC")
    return found


def _found(session: _Session, clock: Clock) -> Found:
    """Say what is known of the run before its first reading."""
    header, footer = session.header, session.footer
    host = _text(header.get("host"))
    methods = {str(s.get("method")) for s in _sensors(header) if s.get("method") is not None}
    flags = _flags(header) if footer else [*_flags(header), "NO_FOOTER"]
    flags += [flag for reason, flag in REASONS.items() if footer.get("reason") == reason]
    ended_at_us = _near(_moment_us(footer.get("ended_at"), clock), session.last_us)
    facts: dict[str, str | float | None] = {"host": host, "epochs": session.epochs, **session.storage, **_place(header)}
    facts.update({f"phase_s.{name}": took_s for name, took_s in session.phases.end(ended_at_us).items()})
    return Found(
        own_id=_text(header.get("run_id")),
        line=1,
        started_at_us=_near(_moment_us(header.get("started_at"), clock), session.first_us),
        ended_at_us=ended_at_us,
        project=_text(header.get("project")),
        status=_status(footer),
        flags=[*flags, "MODELLED_SENSOR"] if methods - MEASURED else flags,
        units=session.units,
        facts={key: value for key, value in facts.items() if value is not None},
    )


def _status(footer: dict[str, Any]) -> str | None:
    """Return how the run ended; a log without a footer was killed with its run."""
    if not footer:
        return "killed"
    status, exit_code = _text(footer.get("status")), json_number(footer.get("exit_code"))
    if status in STATUSES:
        return status
    if exit_code is None:
        return None
    return "completed" if exit_code == 0 else "failed"


def _flags(header: dict[str, Any]) -> list[str]:
    """Return what the meter flagged when it looked at its machine."""
    listed = header.get("flags")
    found = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
    return [one for one in found if _FLAG.fullmatch(one)][:MOST_FLAGS]


def _place(header: dict[str, Any]) -> dict[str, str | float | None]:
    """Return where the run sat: the container, the job, its part of the processors."""
    facts = header.get("facts")
    said = facts if isinstance(facts, dict) else {}
    return {key: said[key] for key in PLACE if isinstance(said.get(key), str) or json_number(said.get(key)) is not None}


def _sensors(header: dict[str, Any], *, ours: bool = True) -> list[dict[str, Any]]:
    """Return the sensors of the run's own devices, or those that were recorded beside it."""
    listed = header.get("sensors")
    found = [sensor for sensor in listed if isinstance(sensor, dict)] if isinstance(listed, list) else []
    return [sensor for sensor in found if (sensor.get("is_ours") is not False) is ours]


def _devices(session: _Session, sink: Sink, run: int) -> list[dict[str, dict[str, Any]]]:
    """Group the sensors by device: what a sensor reads → the sensor.

    A power sensor and a counter of one kind with one uuid are one device, so that it is not counted twice.
    """
    devices: list[dict[str, dict[str, Any]]] = []
    by_uuid: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    taken: set[str] = set()
    for sensor in _sensors(session.header):
        sensor_id, kind, uuid = _text(sensor.get("id")), _text(sensor.get("kind")), _text(sensor.get("uuid"))
        reads = _text(sensor.get("reads"))
        is_known = kind in COMPONENTS and reads in ("power_w", "energy_j")
        if sensor_id is None or kind is None or reads is None or not is_known or sensor_id in RESERVED | taken:
            sink.reject(1, "BAD_SENSOR", json.dumps(sensor)[:200], run=run)
            continue
        taken.add(sensor_id)
        device = by_uuid.get((kind, uuid)) if uuid else None
        if device is None or reads in device:
            device = {}
            devices.append(device)
        device[reads] = sensor
        if uuid:
            by_uuid.setdefault((kind, uuid), device)
    return devices


class _Reading:
    """The state of the second pass, over the readings."""

    def __init__(self, session: _Session, clock: Clock, sink: Sink) -> None:
        self.sink = sink
        self.run = sink.run(_found(session, clock))
        self.series: list[tuple[int, str | None, str | None]] = []  # series, id of its power, of its counter
        beside = _sensors(session.header, ours=False)
        self.known = {*RESERVED, *(str(sensor.get("id")) for sensor in beside)}
        self.ends = Ends([*_sensors(session.header), *beside])
        for device in _devices(session, sink, self.run):
            sensor_ids = {reads: str(sensor["id"]) for reads, sensor in device.items()}
            self.known.update(sensor_ids.values())
            sensor = next(iter(device.values()))
            wraps_at_j = json_number(device.get("energy_j", {}).get("wraps_at_j"))
            number = sink.series(
                self.run,
                str(sensor["id"]),
                COMPONENTS[sensor["kind"]],
                name=_text(sensor.get("name")),
                uuid=_text(sensor.get("uuid")),
                wraps_at_j=wraps_at_j if wraps_at_j is not None and 0 < wraps_at_j < math.inf else None,
                method=None if sensor.get("method") in (None, *MEASURED) else "modelled",
            )
            self.series.append((number, sensor_ids.get("power_w"), sensor_ids.get("energy_j")))
            self.ends.own(number, sensor, sink, self.run)

    def record(self, record: dict[str, Any], line: int) -> None:
        """Read one line after the header."""
        if "event" in record:
            if record["event"] == "count" and not _amounts(record):
                self.sink.reject(line, "BAD_COUNT", json.dumps(record)[:80], run=self.run)
        elif "format" in record:
            self.sink.reject(line, "SECOND_HEADER", "read on with the sensors of the first", run=self.run)
        elif "ended_at" not in record:
            self.reading(record, line)

    def reading(self, record: dict[str, Any], line: int) -> None:
        """Read the values of one moment; a sensor that is not in the line was not asked then."""
        t_us = unix_us(record.get("t"))
        if t_us is None:
            self.sink.reject(line, "BAD_TIME", str(record.get("t"))[:80], run=self.run)
            return
        self.ends.see(record)
        for series, power_id, counter_id in self.series:
            if power_id in record or counter_id in record:
                power_w, energy_j = (self.value(record, sensor_id, line) for sensor_id in (power_id, counter_id))
                self.sink.sample(series, t_us, power_w, energy_j, line)
        for unknown in sorted(record.keys() - self.known):
            self.known.add(unknown)  # said once
            self.sink.reject(line, "UNKNOWN_SENSOR", unknown[:80], run=self.run)

    def value(self, record: dict[str, Any], sensor_id: str | None, line: int) -> float | None:
        """Return what a sensor read; null where the meter could not read it."""
        written = None if sensor_id is None else record.get(sensor_id)
        number = json_number(written)
        if written is not None and number is None:
            self.sink.reject(line, "BAD_VALUE", f"{sensor_id}: {written!r}"[:80], run=self.run)
        return number


class Native:
    """The reader of the native power log."""

    name = "native"
    title = "native power log, *.green.jsonl"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the header's format, also of versions that are refused with a reason."""
        return _FORMAT.match(log.head.lstrip("\ufeff")) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read the log up to where it was cut."""
        reading = _Reading(_session(log), Clock(UTC), sink)
        half: tuple[int, str] | None = None  # a line that is no JSON is half a line only where nothing follows
        for number, text in enumerate(log.lines(), 1):
            if number == 1 or not text.strip():
                continue
            if half is not None:
                sink.reject(half[0], "BAD_LINE", half[1], run=reading.run)
                half = None
            record = _object(text)
            if record is None:
                half = (number, text[:80])
            else:
                reading.record(record, number)
        if half is not None:
            sink.reject(half[0], "CUT", half[1], run=reading.run)
        reading.ends.state(sink)


READER = Native()
