"""From what a source's logs and record say to runs: identity, times, site, hardware, in that order.

A record wins over a log, a named site over the organisation's default; what nobody says stays unknown.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from green.factors.names import device_key, zone_of
from green.model import ConfiguredSite, Device, Record, Site, component_of
from green.sink import Intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from green.config import Config
    from green.readers import Found
    from green.record import ReadRecord
    from green.sink import FileSink
    from green.units import Quantity

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL = ("gpu", "cpu", "memory", "rest")
IDENTITY = ("project", "team", "model", "kind", "parent", "status")
FACTS = ("parameters", "dataset_size", "iterations", "precision", "flops")

Row = dict[str, Any]


@dataclass(slots=True)
class LogRead:
    """One log of a source, read."""

    file: str
    sink: FileSink
    holds_many: bool


@dataclass(slots=True)
class Draft:
    """A run in the making: the parts of logs that belong to it, and its record."""

    run_id: str
    file: str
    line: int
    parts: list[tuple[LogRead, int]] = field(default_factory=list)  # log, number of the run in it
    record: ReadRecord | None = None
    is_child: bool = False  # a row of a file in a run's folder: the record gives defaults only

    @property
    def founds(self) -> list[Found]:
        """What the logs say of the run as a whole."""
        return [log.sink.runs[number] for log, number in self.parts]


@dataclass(slots=True)
class Rows:
    """Rows of the ingest tables."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, **row: object) -> None:
        """Add one row."""
        self.tables.setdefault(table, []).append(row)


def drafts(source: str, logs: Sequence[LogRead], record: ReadRecord | None, name_of_root: str) -> list[Draft]:
    """Tell which runs a source holds, by the rules of docs/records.md."""
    folder = name_of_root if source == "." else source
    if record is not None:
        return _folder_drafts(record.record.run_id or folder, logs, record)
    by_id: dict[str, Draft] = {}
    for log in logs:
        native = log.file != source
        for number, found in enumerate(log.sink.runs):
            if native:
                run_id = found.own_id or folder
            else:
                run_id = f"{source}#{found.own_id or number + 1}" if log.holds_many else source
            by_id.setdefault(run_id, Draft(run_id, log.file, found.line)).parts.append((log, number))
    return list(by_id.values())


def _folder_drafts(run_id: str, logs: Sequence[LogRead], record: ReadRecord) -> list[Draft]:
    base = Draft(run_id, record.file, 1, record=record)
    children: dict[str, Draft] = {}
    for log in logs:
        many = len({found.own_id for found in log.sink.runs}) > 1
        for number, found in enumerate(log.sink.runs):
            if many:
                child = f"{run_id}#{found.own_id or number + 1}"
                draft = Draft(child, log.file, found.line, record=record, is_child=True)
                children.setdefault(child, draft).parts.append((log, number))
            else:
                base.parts.append((log, number))
    return [base, *children.values()] if base.parts or not children else list(children.values())


def matching(path: str, patterns: Mapping[str, Sequence[str]]) -> str | None:
    """Return the first name whose pattern matches a path (teams and projects of config.yaml)."""
    return next((name for name, globs in patterns.items() if any(fnmatch.fnmatchcase(path, g) for g in globs)), None)


def zone(name: str | None) -> tzinfo | None:
    """Return a time zone, or None where the name is unknown or not given."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def site_of(record: Record, founds: Sequence[Found], config: Config) -> tuple[str | None, ConfiguredSite, list[str]]:
    """Lay the record's site over the named or default one; return its name, the whole, and reasons."""
    own = record.site or Site()
    reasons: list[str] = []
    region = next((found.region for found in founds if found.region), None)
    name = own.name
    if name is None and record.site is None and config.default_site is not None:
        default = config.sites[config.default_site]
        if region is None or default.region is None or zone_of(region) == zone_of(default.region):
            name = config.default_site
    below = config.sites.get(name) if name is not None else None
    pue = next((found.pue for found in founds if found.pue is not None), None)
    merged: dict[str, Any] = {}
    if pue is not None:
        merged["pue"] = pue
    if region is not None:
        merged["region"] = region
    for layer in (below, own):
        if layer is not None:
            merged.update({key: value for key in type(layer).model_fields if (value := getattr(layer, key))})
    merged.pop("name", None)
    return name, ConfiguredSite(**merged), reasons


def moment_us(moment: datetime | None, local: tzinfo | None, flags: list[str]) -> int | None:
    """Return µs since 1970 of a time; a naive one is in the site's zone, else UTC and flagged."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        if local is None:
            flags.append("ASSUMED_UTC")
        moment = moment.replace(tzinfo=local or UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def times(draft: Draft, local: tzinfo | None, flags: list[str]) -> tuple[int | None, int | None, float | None]:
    """Return start, end (µs) and duration (s): the record's, else the tool's, else the readings'."""
    record = draft.record.record if draft.record and not draft.is_child else Record()
    start, end = moment_us(record.started_at, local, flags), moment_us(record.ended_at, local, flags)
    duration = float(record.duration.value) if record.duration else None
    series = [s for log, number in draft.parts for s in log.sink.all_series if s.run == number]
    starts = [f.started_at_us for f in draft.founds if f.started_at_us is not None]
    starts += [s.first_us for s in series if s.first_us is not None]
    ends = [f.ended_at_us for f in draft.founds if f.ended_at_us is not None]
    ends += [s.last_us for s in series if s.last_us is not None]
    if start is None and end is not None and duration is not None:
        start = end - round(duration * 1e6)
    elif end is None and start is not None and duration is not None:
        end = start + round(duration * 1e6)
    start = start if start is not None else min(starts, default=None)
    end = end if end is not None else max(ends, default=None)
    if start is not None and end is not None and end < start:
        flags.append("ENDS_BEFORE_START")
        return None, None, duration
    if start is not None and end is not None and (duration is None or record.started_at or record.ended_at):
        duration = (end - start) / 1e6
    if duration is None:
        duration = max((f.duration_s for f in draft.founds if f.duration_s is not None), default=None)
    return start, end, duration


def spread(row: Row, name: str, value: Quantity | float | None, unit: str) -> None:
    """Write a quantity as three columns: `<name>_<unit>`, and low and high."""
    tail = f"_{unit}" if unit else ""
    low = high = None
    if value is not None and not isinstance(value, int | float):
        low = None if value.low is None else float(value.low)
        high = None if value.high is None else float(value.high)
        value = float(value.value)
    row[f"{name}{tail}"], row[f"{name}_low{tail}"], row[f"{name}_high{tail}"] = value, low, high


def assemble(draft: Draft, source: str, config: Config, rows: Rows) -> list[tuple[int, str, str, int | None]]:
    """Add the rows of one run; return (series number, run_id, device_id, max_gap_us) of its readings."""
    read = draft.record
    record = read.record if read else Record()
    flags = sorted({flag for found in draft.founds for flag in found.flags})
    reasons = list(read.reasons) if read else []
    name, site, more = site_of(record, draft.founds, config)
    start, end, duration = times(draft, zone(site.timezone), flags)
    run: Row = {
        "run_id": draft.run_id,
        "source": source,
        "where_file": draft.file,
        "where_line": draft.line or 1,
    }
    for key in IDENTITY:
        run[key] = getattr(record, key)
    run["project"] = run["project"] or _first(draft.founds, "project") or matching(source, config.projects)
    run["team"] = run["team"] or matching(source, config.teams)
    run["status"] = run["status"] or _first(draft.founds, "status")
    run.update(site=name, region=zone_of(site.region) if site.region else None)
    if site.region and run["region"] is None:
        flags.append("UNKNOWN_REGION")
        run["region"] = site.region
    run.update(started_at=start, ended_at=end, duration_s=duration, error=None)
    run["logs"] = len({log.file for log, _ in draft.parts})
    hours = None if draft.is_child else record.device_hours
    run["device_hours_h"] = float(hours.value) if hours else None
    cost = record.cost or site.cost
    for key, value, unit in (
        ("pue", site.pue, ""),
        ("intensity", site.intensity, "gco2e_per_kwh"),
        ("market", site.market_intensity, "gco2e_per_kwh"),
        ("wue", site.wue, "l_per_kwh"),
        ("ewif", site.ewif, "l_per_kwh"),
        ("device_hour", cost.device_hour if cost else None, "usd"),
        ("tariff", cost.tariff if cost else None, "usd_per_kwh"),
    ):
        spread(run, key, value, unit)
    run["reported_kgco2e"] = _first(draft.founds, "reported_kgco2e")
    run["facts"] = _facts(record, draft)
    run["flags"], run["reasons"] = sorted(set(flags)), sorted({*reasons, *more})
    rows.tables.setdefault("run", []).append(run)
    _statements(draft, rows)
    _amounts(draft, rows)
    return _devices(draft, site.hardware, rows)


def _first(founds: Iterable[Found], key: str) -> Any:  # noqa: ANN401 -- a field of Found
    return next((value for found in founds if (value := getattr(found, key)) is not None), None)


def _facts(record: Record, draft: Draft) -> str:
    facts: dict[str, Any] = {key: value for key in FACTS if (value := getattr(record, key)) is not None}
    if record.techniques:
        facts["techniques"] = list(record.techniques)
    if record.memory is not None:
        facts["memory_gb"] = float(record.memory.value)
    for found in draft.founds:
        facts.update({key: value for key, value in found.facts.items() if value is not None})
    facts["labels"] = dict(sorted(record.labels.items()))
    return json.dumps(facts, sort_keys=True, ensure_ascii=False)


def _statements(draft: Draft, rows: Rows) -> None:
    """Add the energy that logs and the record state, side by side."""
    number = 0
    for log, own in draft.parts:
        for item in log.sink.statements:
            if item.run == own:
                value = item.energy_kwh
                _statement(
                    rows,
                    draft,
                    f"log-{number}",
                    "log",
                    item.method,
                    item.covers,
                    item.basis,
                    value,
                    log.file,
                    item.line,
                )
                number += 1
    energy = draft.record.record.energy if draft.record and not draft.is_child else None
    if energy is None or draft.record is None:
        return
    line = draft.record.line_of.get("energy", 1)
    for key in (*ALL, "total"):
        value = getattr(energy, key)
        if value is not None:
            covers = ALL if key == "total" else (key,)
            _statement(
                rows,
                draft,
                f"energy-{key}",
                "energy",
                "declared",
                covers,
                energy.basis,
                value,
                draft.record.file,
                line,
            )


def _statement(  # noqa: PLR0913, PLR0917 -- one argument a column
    rows: Rows,
    draft: Draft,
    answer: str,
    origin: str,
    method: str,
    covers: Sequence[str],
    basis: str | None,
    value: Quantity | str,
    file: str,
    line: int,
) -> None:
    row: Row = {
        "run_id": draft.run_id,
        "answer": answer,
        "origin": origin,
        "method": method,
        "covers": list(covers),
    }
    row.update(basis=basis, file=file, line=line, energy_low_kwh=None, energy_high_kwh=None)
    if isinstance(value, str):
        row["energy_kwh"] = value
    else:
        row["energy_kwh"] = f"{value.value:f}"
        row["energy_low_kwh"] = None if value.low is None else f"{value.low:f}"
        row["energy_high_kwh"] = None if value.high is None else f"{value.high:f}"
    rows.tables.setdefault("statement", []).append(row)


def _amounts(draft: Draft, rows: Rows) -> None:
    """Add functional units and quality metrics."""
    counts: dict[str, float] = {}
    for found in draft.founds:
        for unit, amount in found.units.items():
            counts[unit] = counts.get(unit, 0.0) + amount
    if draft.record and not draft.is_child:
        counts.update(draft.record.functional_units)
        for metric, value in sorted(draft.record.record.metrics.items()):
            rows.add("metrics", run_id=draft.run_id, metric=metric, value=value)
    for unit, amount in sorted(counts.items()):
        rows.add("units", run_id=draft.run_id, unit=unit, amount=amount)


def _devices(draft: Draft, site_hardware: Sequence[Device], rows: Rows) -> list[tuple[int, str, str, int | None]]:
    record = draft.record.record if draft.record else Record()
    declared = record.hardware or site_hardware
    origin = "hardware" if record.hardware else "site"
    for number, device in enumerate(declared):
        _declared(draft, device, number, origin, rows)
    sole = {c: [d for d in declared if (d.component or component_of(d.device)) == c] for c in ("gpu", "cpu", "host")}
    series_rows: dict[str, Row] = {}
    gaps: dict[str, Intervals] = {}
    mapping: list[tuple[int, str]] = []
    several = len({log.file for log, _ in draft.parts}) > 1
    for log, own in draft.parts:
        for item in log.sink.all_series:
            if item.run != own:
                continue
            device_id = item.uuid or (f"{log.file}:{item.device}" if several else item.device)
            mapping.append((item.number, device_id))
            gaps.setdefault(device_id, Intervals()).merge(item.intervals)
            known = sole.get(item.component, [])
            twin = known[0] if len(known) == 1 else None
            row = series_rows.setdefault(device_id, _log_device(draft, device_id, item.component, log.file, twin))
            row["name"] = row["name"] or item.name or (twin.device if twin else None)
            row["device_key"] = device_key(row["name"]) if row["name"] else None
            row["uuid"] = row["uuid"] or item.uuid
            row["is_embodied"] = not declared
            _widen(row, item.first_us, item.last_us)
    metered = {row["component"] for row in series_rows.values() if row["name"]}
    rows.tables.setdefault("device", []).extend(series_rows.values())
    for log, own in draft.parts:
        for number, hardware in enumerate(item for item in log.sink.hardware if item.run == own):
            row = _log_device(draft, f"{log.file}:{hardware.device}:{number}", hardware.component, log.file, None)
            row.update(name=hardware.name, count=hardware.count, line=hardware.line)
            row["device_key"] = device_key(hardware.name) if hardware.name else None
            row["is_embodied"] = not declared and hardware.component not in metered
            rows.tables["device"].append(row)
    max_gap = {device_id: intervals.max_gap_us() for device_id, intervals in gaps.items()}
    return [(number, draft.run_id, device_id, max_gap[device_id]) for number, device_id in mapping]


def _widen(row: Row, first_us: int | None, last_us: int | None) -> None:
    if first_us is not None and last_us is not None:
        row["first_at"] = first_us if row["first_at"] is None else min(row["first_at"], first_us)
        row["last_at"] = last_us if row["last_at"] is None else max(row["last_at"], last_us)


def _blank(draft: Draft, device_id: str, component: str) -> Row:
    row: Row = {
        "run_id": draft.run_id,
        "device_id": device_id,
        "component": component,
        "count": 1.0,
        "share": 1.0,
    }
    row.update(uuid=None, first_at=None, last_at=None, utilisation=None, is_embodied=True)
    return row


def _log_device(draft: Draft, device_id: str, component: str, file: str, twin: Device | None) -> Row:
    row = _blank(draft, device_id, component)
    row.update(origin="log", file=file, line=1, name=None, device_key=None)
    for key, unit in _QUANTITIES:
        spread(row, key, getattr(twin, key) if twin and key == "rated_power" else None, unit)
    return row


_QUANTITIES = (
    ("average_power", "w"),
    ("rated_power", "w"),
    ("load", ""),
    ("embodied", "kgco2e"),
    ("lifetime", "h"),
)


def _declared(draft: Draft, device: Device, number: int, origin: str, rows: Rows) -> None:
    row = _blank(draft, f"{origin}[{number}]", device.component or component_of(device.device))
    row.update(origin=origin, name=device.device, device_key=device_key(device.device), count=float(device.count))
    read = draft.record
    row["file"] = read.file if read and origin == "hardware" else "config.yaml"
    row["line"] = read.line_of.get(f"hardware[{number}]", 1) if read and origin == "hardware" else 1
    row["share"] = float(device.share.value) if device.share else 1.0
    row["utilisation"] = float(device.utilisation.value) if device.utilisation else None
    for key, unit in _QUANTITIES:
        spread(row, key, getattr(device, key), unit)
    if draft.is_child:  # the record's power was declared for the folder, not for each row of a file in it
        for key, unit in (("average_power", "w"), ("load", "")):
            spread(row, key, None, unit)
    rows.tables.setdefault("device", []).append(row)
