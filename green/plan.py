"""Price runs that have not happened: their figures, what changes would make of them, and what policies would say.

Planned records go through ingest and the stages as every run does, in a folder that is thrown away; what-ifs are copies
of them (green.whatif). Nothing is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from green import index, ingest, stages, whatif
from green.errors import InputError, UsageError, Where
from green.factors.names import device_key, device_names, nearest, nearest_zones, zone_of
from green.foresee import foresee
from green.model import component_of
from green.policy.window import iso
from green.start import Window, best_start
from green.whatif import BASE, Change

if TYPE_CHECKING:
    import duckdb

    from green.config import Config
    from green.planned import Gathered
    from green.policy.load import PolicySet

Row = dict[str, Any]
FIGURES = {  # column -> its unit
    "energy_kwh": "kWh",
    "facility_energy_kwh": "kWh",
    "operational_kgco2e": "kgCO2e",
    "embodied_kgco2e": "kgCO2e",
    "emissions_kgco2e": "kgCO2e",
    "water_l": "L",
    "cost_usd": "USD",
}
# What-ifs are put in order by the first that is known, each beside the plan's as a ratio.
RANKED = {
    "emissions_kgco2e": "emissions_ratio",
    "operational_kgco2e": "operational_ratio",
    "energy_kwh": "energy_ratio",
}
MOST_NAMED = 6
_MOVED = """
UPDATE base_run SET
    started_at = make_timestamptz($start),
    ended_at = make_timestamptz($start + CAST(round(duration_s * 1000000) AS BIGINT))
WHERE run_id = $run
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """What else is to be priced: a copy of each plan for each of these."""

    regions: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    hours: tuple[float, ...] = ()
    start: int | Window | None = None  # a time (µs), which every plan takes; or where to look for the greenest


@dataclass(frozen=True, slots=True)
class Copy:
    """A plan, or a what-if of it: what was changed, to what."""

    change: Change
    kind: str = ""  # region, device, hours or start; nothing is the plan itself
    value: str | float = ""


def plan(
    config: Config, gathered: Gathered, wish: Wish, *, policies: PolicySet, as_of: str, no_history: bool = False
) -> Row:
    """Price the plans of a folder and their what-ifs; return all of it as values for JSON."""
    rates = whatif.rates_of(config)
    with TemporaryDirectory(prefix="green-plan-") as temp, whatif.connect(rates) as con:
        read = _ingested(con, config, gathered, Path(temp))
        copies = [copy for run in read for copy in _copies(con, run, wish)]
        whatif.price(con, [copy.change for copy in copies], rates)
        con.execute(f"CREATE TEMP VIEW priced AS {whatif.priced()}")
        found = {row["run_id"]: row for row in rows(con, "SELECT * FROM priced")}
        store = None if no_history else Path(config.store)
        names = _unknown_names(con, copies)
        own = [copy.change for copy in copies if not copy.kind]
        seen = foresee(con, own, policies, rates, as_of=as_of, store=store)
    plans = [_plan(run, [one for one in copies if one.change.run_id == run["run_id"]], found, gathered) for run in read]
    return {
        "exit_code": seen.exit_code,
        "as_of": seen.as_of,
        "digest": seen.digest,
        "plans": plans,
        "verdicts": [one.record() for one in seen.verdicts],
        "budgets": seen.budgets,
        "not_judged": list(seen.not_judged),
        "calibration": seen.calibration,
        "notes": [*gathered.notes, *names, *seen.notes],
    }


def rows(con: duckdb.DuckDBPyConnection, query: str, **values: object) -> list[Row]:
    """Return rows by their column names."""
    result = con.execute(query, values) if values else con.execute(query)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _ingested(con: duckdb.DuckDBPyConnection, config: Config, gathered: Gathered, temp: Path) -> list[Row]:
    """Read the plans into the base tables; return their runs in order."""
    own = config.model_copy(update={"logs": str(gathered.folder)})
    out = temp / "ingest"
    scanned = index.scan(gathered.folder, fingerprint="content")
    ingest.ingest(own, scanned.sources, settings="plan", out=out, cache=temp / "cache")
    for name in BASE:
        stages.bind(con, name, [out / f"{name}.parquet"], f"read_{name}")
        con.execute(f"CREATE TEMP TABLE base_{name} AS FROM read_{name}")
    found = rows(
        con,
        "SELECT r.*, coalesce(d.hardware, []) AS hardware FROM base_run AS r LEFT JOIN (SELECT run_id,"
        " list({'device': name, 'count': count} ORDER BY device_id) AS hardware FROM base_device GROUP BY run_id) AS d"
        " USING (run_id) ORDER BY run_id, where_file",
    )
    for one, other in pairwise(found):
        if one["run_id"] == other["run_id"]:
            where = Where(gathered.shown[other["where_file"]], 1)
            raise InputError(f"two plans of run_id {one['run_id']!r}", where=where, mend="give each an id of its own")
    return found


def _copies(con: duckdb.DuckDBPyConnection, run: Row, wish: Wish) -> list[Copy]:
    """Return the plan and its what-ifs; one that changes nothing is the plan itself."""
    run_id = run["run_id"]
    best = best_start(con, run, wish.start) if isinstance(wish.start, Window) else None
    start_us = best[0] if best else wish.start
    if isinstance(start_us, int):
        con.execute(_MOVED, {"run": run_id, "start": start_us})
    base = Change(run_id, run_id)
    kinds = [Copy(base)]
    if best:
        kinds.append(Copy(base._replace(started_us=best[1]), "start", iso(best[1])))
    for region in map(_region, wish.regions):
        kinds += [Copy(base._replace(region=region), "region", region)]
    devices = rows(
        con, "SELECT name, device_key FROM base_device WHERE run_id = $run AND component = 'gpu'", run=run_id
    )
    if wish.devices and not devices:
        raise UsageError(f"{run_id!r} names no accelerator that another could replace", mend="leave --device out")
    for device in wish.devices:
        is_same = {one["device_key"] for one in devices} == {device_key(device)}
        kinds += [Copy(base if is_same else base._replace(device=device), "device", device)]
    kinds += [Copy(base._replace(duration_s=round(hours * 3600, 6)), "hours", hours) for hours in wish.hours]
    return [
        one if not one.kind else Copy(one.change._replace(copy_id=f"{run_id}\n{number}"), one.kind, one.value)
        for number, one in enumerate(kinds)
    ]


def _region(written: str) -> str:
    """Return a region as the tables name it; what they do not know stays as it is written, and unknown."""
    return zone_of(written) or written


def _plan(run: Row, copies: list[Copy], found: dict[str, Row], gathered: Gathered) -> Row:
    base = found[copies[0].change.copy_id]
    listed = [_what_if(one, found[one.change.copy_id], base) for one in copies[1:]]
    listed.sort(key=_rank)
    return {
        "run_id": run["run_id"],
        "where": {"file": gathered.shown.get(run["where_file"], run["where_file"]), "line": run["where_line"]},
        **{key: base[key] for key in ("team", "project", "model", "kind", "site", "region", "duration_s")},
        "hardware": run["hardware"],
        "started_at": _time(base["started_at"]),
        "ended_at": _time(base["ended_at"]),
        "device_hours_h": base["device_hours_h"],
        "figures": _figures(base),
        "unknown_reasons": base["unknown_reasons"],
        "flags": base["flags"],
        "what_if": listed,
    }


def _rank(one: Row) -> list[tuple[bool, float]]:
    """Put the least emissions first and what is unknown last."""
    values = [one["figures"][name]["value"] for name in RANKED]
    return [(value is None, value or 0.0) for value in values]


def _what_if(copy: Copy, row: Row, base: Row) -> Row:
    """Return a what-if beside its plan: ratios below 1 are less."""
    ratios = {
        ratio: None if row[name] is None or not base[name] else row[name] / base[name] for name, ratio in RANKED.items()
    }
    return {
        "change": copy.kind,
        "value": copy.value,
        "started_at": _time(row["started_at"]),
        "duration_s": row["duration_s"],
        "region": row["region"],
        "figures": _figures(row),
        **ratios,
        "unknown_reasons": row["unknown_reasons"],
        "flags": row["flags"],
    }


def _figures(row: Row) -> Row:
    return {
        name: {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"], "unit": unit}
        for name, unit in FIGURES.items()
    }


def _time(moment: Any) -> str | None:  # noqa: ANN401 -- a datetime of DuckDB, in UTC
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _unknown_names(con: duckdb.DuckDBPyConnection, copies: list[Copy]) -> list[str]:
    """Say which devices and regions the tables do not know, with the names that may be meant."""
    notes = []
    known = {key for (key,) in con.execute("SELECT DISTINCT subject_key FROM factor").fetchall()}
    named = con.execute("SELECT DISTINCT name FROM base_device WHERE name IS NOT NULL ORDER BY name").fetchall()
    for name in dict.fromkeys([name for (name,) in named] + [one.change.device for one in copies if one.change.device]):
        if name and device_key(name) not in known:
            near = candidates(name)
            notes.append(f'no device "{name}" in the tables' + (f": did you mean {', '.join(near)}?" if near else ""))
    regions = con.execute("SELECT DISTINCT region FROM run WHERE region IS NOT NULL ORDER BY region").fetchall()
    for (region,) in regions:
        if zone_of(region) is None and region not in known:
            near = nearest_zones(region)
            notes.append(f'no region "{region}" in the tables' + (f": did you mean {', '.join(near)}?" if near else ""))
    return notes


def candidates(name: str) -> list[str]:
    """Return the devices that a short name may stand for (`H100`), else those whose names look like it."""
    words = set(device_key(name).split())
    full = [own for key, own in device_names().items() if words and words <= set(key.split())]
    accelerators = sorted(own for own in full if component_of(own) == "gpu")
    return (accelerators or sorted(full))[:MOST_NAMED] or nearest(name)
