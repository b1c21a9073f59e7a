"""From what a source's logs and record say to runs: identity, times, site, hardware, in that order.

A record wins over a log, a named site over the organisation's default; what nobody says stays unknown.
"""

from __future__ import annotations

import fnmatch
import json
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from green.draft import ALL, Draft, Row, Rows, spread
from green.factors.names import zone_of
from green.hardware import devices, silent
from green.model import ConfiguredSite
from green.readers import UNDATED_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from green.config import Config
    from green.model import Record, Site
    from green.readers import Found
    from green.record import ReadRecord
    from green.sink import Series
    from green.units import Quantity

Times = tuple[int | None, int | None, float | None]  # start and end (µs), duration (s)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
IDENTITY = ("project", "team", "model", "kind", "parent", "status")
ENCODE = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
FACTS = ("parameters", "dataset_size", "iterations", "precision", "flops")


@cache
def _nowhere() -> ConfiguredSite:
    """Return the site of which nothing is known; most folders of logs name none."""
    return ConfiguredSite()


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


def site_of(
    read: ReadRecord | None, founds: Sequence[Found], config: Config
) -> tuple[str | None, ConfiguredSite, list[str]]:
    """Lay the record's site over the named or default one; return its name, the whole, and flags.

    What a record says wrongly is unknown: nothing that lies below takes its place.
    """
    record = read.record if read else silent()
    wrong = {path[1:2] for path in (read.dropped if read else ()) if path[0] == "site"}
    own: Site = record.site or _nowhere()
    flags: list[str] = []
    region = next((found.region for found in founds if found.region), None)
    name = own.name
    if name is None and record.site is None and not wrong and config.default_site is not None:
        default = config.sites[config.default_site]
        if region is None or default.region is None or zone_of(region) == zone_of(default.region):
            name = config.default_site
    below = config.sites.get(name) if name is not None else None
    if name is not None and below is None:
        flags.append("UNKNOWN_SITE")
    pue = next((found.pue for found in founds if found.pue is not None), None)
    merged: dict[str, Any] = {}
    if pue is not None:
        merged["pue"] = pue
    if region is not None:
        merged["region"] = region
    for layer in (below, own):
        if layer is not None and layer is not _nowhere():
            said = ((key, getattr(layer, key)) for key in type(layer).model_fields)
            merged.update((key, value) for key, value in said if value is not None and value != ())
    for key in ("name", *(str(step[0]) for step in wrong if step)):
        merged.pop(key, None)
    if merged.get("timezone") is not None and zone(merged["timezone"]) is None:
        flags.append("UNKNOWN_TIMEZONE")
    return name, ConfiguredSite(**merged) if merged else _nowhere(), flags


def moment_us(moment: datetime | None, local: tzinfo | None, flags: list[str]) -> int | None:
    """Return µs since 1970 of a time; a naive one is in the site's zone, else UTC and flagged."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        if local is None:
            flags.append("ASSUMED_UTC")
        moment = moment.replace(tzinfo=local or UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def times(draft: Draft, local: tzinfo | None, flags: list[str]) -> Times:
    """Return start, end (µs) and duration (s): the record's, else the tool's, else the readings'."""
    record = draft.record.record if draft.record and not draft.is_child else silent()
    start, end = moment_us(record.started_at, local, flags), moment_us(record.ended_at, local, flags)
    duration = float(record.duration.value) if record.duration else None
    series = [s for s in _series(draft) if not s.is_undated]
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


def _series(draft: Draft) -> list[Series]:
    return [s for log, number in draft.parts for s in log.sink.all_series if s.run == number]


def _dated(draft: Draft, start: int | None, end: int | None, duration: float | None, flags: list[str]) -> Times:
    """Move readings without a date to the run's start; where nobody says when it began their length is known alone."""
    if not any(found.is_undated for found in draft.founds):
        return start, end, duration
    undated = [s for s in _series(draft) if s.is_undated and s.first_us is not None and s.last_us is not None]
    told_us = None if duration is None else round(duration * 1e6)
    span_us = max(((s.last_us or 0) - UNDATED_US for s in undated), default=told_us)
    if start is None:
        flags.append("UNDATED")
        return None, None, duration if duration is not None or span_us is None else span_us / 1e6
    for series in undated:
        series.shift_us = start - UNDATED_US
        series.first_us, series.last_us = (series.shift_us + (t or 0) for t in (series.first_us, series.last_us))
    end = end if end is not None or span_us is None else start + span_us
    return start, end, duration if end is None else (end - start) / 1e6


def assemble(draft: Draft, source: str, config: Config, rows: Rows) -> list[tuple[int, str, str, int | None]]:
    """Add the rows of one run; return (series number, run_id, device_id, max_gap_us) of its readings."""
    read = draft.record
    record = read.record if read else silent()
    founds = draft.founds
    flags = sorted({flag for found in founds for flag in found.flags})
    reasons = list(read.reasons) if read else []
    name, site, more = site_of(read, founds, config)
    flags += more
    start, end, duration = times(draft, zone(site.timezone), flags)
    start, end, duration = _dated(draft, start, end, duration, flags)
    run: Row = {
        "run_id": draft.run_id,
        "source": source,
        "where_file": draft.file,
        "where_line": draft.line or 1,
    }
    for key in IDENTITY:
        run[key] = getattr(record, key)
    run["project"] = run["project"] or _first(founds, "project") or matching(source, config.projects)
    run["team"] = run["team"] or matching(source, config.teams)
    run["status"] = run["status"] or _first(founds, "status")
    run.update(site=name, region=zone_of(site.region) if site.region else None)
    if site.region and run["region"] is None:
        flags.append("UNKNOWN_REGION")
        run["region"] = site.region
    run.update(started_at=start, ended_at=end, duration_s=duration, error=None)
    run["logs"] = len({log.file for log, _ in draft.parts})
    hours = None if draft.is_child else record.device_hours
    run["device_hours_h"] = float(hours.value) if hours else None
    flags += _hours(run, record, hours, draft)
    series = [item for log, number in draft.parts for item in log.sink.all_series if item.run == number]
    flags += ["CLOCK_JUMPED"] if any(not item.is_ordered for item in series) else []
    cost = record.cost or site.cost
    run["model_rest"] = site.model_rest
    for key, value, unit in (
        ("memory", memory_of(read, site), "gb"),
        ("storage", record.storage, "gb"),
        ("network", None if draft.is_child else record.network, "gb"),
        ("pue", site.pue, ""),
        ("intensity", site.intensity, "gco2e_per_kwh"),
        ("market", site.market_intensity, "gco2e_per_kwh"),
        ("wue", site.wue, "l_per_kwh"),
        ("ewif", site.ewif, "l_per_kwh"),
        ("device_hour", cost.device_hour if cost else None, "usd"),
        ("tariff", cost.tariff if cost else None, "usd_per_kwh"),
    ):
        spread(run, key, value, unit)
    for key in ("busy_core_h", "memory_gb_h"):
        known = [value for found in founds if (value := getattr(found, key)) is not None]
        run[key] = sum(known) if known else None
    reported = None if draft.is_child else record.reported_emissions
    run["reported_kgco2e"] = float(reported.value) if reported else _first(founds, "reported_kgco2e")
    run["facts"] = _facts(record, draft)
    run["flags"], run["reasons"] = sorted(set(flags)), reasons
    rows.tables.setdefault("run", []).append(run)
    _statements(draft, rows)
    _amounts(draft, rows)
    return devices(draft, site.hardware, rows)


def _hours(run: Row, record: Record, hours: Quantity | None, draft: Draft) -> list[str]:
    """Add the interval of the hours of a run: of its device-hours, else of its duration; flag what nothing uses."""
    whole = None if draft.is_child or (record.started_at and record.ended_at) else record.duration
    stated = hours or whole
    ends = (stated.low, stated.high) if stated and stated.value else (None, None)
    for name, end in zip(("hours_low_ratio", "hours_high_ratio"), ends, strict=True):
        run[name] = None if end is None or stated is None else float(end / stated.value)
    unused = [device.share for device in record.hardware] + [device.utilisation for device in record.hardware]
    if record.duration is not whole or draft.parts:  # two times, or readings: the duration is not what is multiplied
        unused.append(record.duration)
    return ["INTERVAL_UNUSED"] if any(one and one.low is not None for one in unused) else []


def memory_of(read: ReadRecord | None, site: ConfiguredSite) -> Quantity | None:
    """Return the memory of the host: the record's, else the site's; what a record says wrongly is unknown."""
    if read is None:
        return site.memory
    return read.record.memory or (None if ("memory",) in read.dropped else site.memory)


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
    if draft.record is not None and draft.record.line_of and not draft.is_child:
        facts["lines"] = draft.record.line_of
    return ENCODE(facts)


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
                    tool=log.reader,
                )
                number += 1
    energy = draft.record.record.energy if draft.record and not draft.is_child else None
    if energy is None or draft.record is None:
        return
    for key in (*ALL, "total"):
        value = getattr(energy, key)
        if value is not None:
            covers = ALL if key == "total" else (key,)
            line = draft.record.line_of.get(f"energy.{key}", 1)
            _statement(
                rows, draft, f"energy-{key}", "energy", "declared", covers, energy.basis, value, draft.record.file, line
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
    *,
    tool: str | None = None,
) -> None:
    row: Row = {
        "run_id": draft.run_id,
        "answer": answer,
        "origin": origin,
        "tool": tool,
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
