"""All published records through one run of the pipeline, and again with our own factors in place of theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb

from .cases import FACTORS, RUNS, VIEWS, Anomaly, Case, Published, anomalies, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Knob:
    """A key of `site:` that a source declares, and what of ours stands in its place."""

    key: str
    quantity: str
    reason: str
    metrics: tuple[str, ...]


_OPERATIONAL = ("operational_kgco2e", "emissions_kgco2e", "operational_amount")
_OFF_SITE = ("water_offsite_l", "water_l")
KNOBS = (
    Knob("intensity", "grid_intensity", "NO_FACTOR", _OPERATIONAL),
    Knob("pue", "pue", "NO_PUE", (*_OPERATIONAL, *_OFF_SITE, "facility_energy_kwh", "operational_market_kgco2e")),
    Knob("market_intensity", "market_intensity", "NO_MARKET_FACTOR", ("operational_market_kgco2e",)),
    Knob("wue", "wue", "NO_WUE", ("water_onsite_l", "water_l")),
    Knob("ewif", "ewif", "NO_EWIF", _OFF_SITE),
)


@dataclass(frozen=True)
class Second:
    """A second run of a case: one figure that the source declares is left out, for ours to take its place."""

    case: Case
    knob: Knob
    region: str

    @property
    def run_id(self) -> str:
        """Its own run."""
        return f"own/{self.case.id}/{self.knob.key}/{self.region.replace(':', '_')}"

    @property
    def record(self) -> dict[str, Any]:
        """The record of the case without what it declares, with its place and time."""
        record = self.case.record
        assert record is not None
        assert self.case.place is not None
        site = {key: value for key, value in record["site"].items() if key != self.knob.key}
        return {**record, "site": {**site, "region": self.region}, "started_at": f"{self.case.place.at}T00:00:00Z"}


def seconds(cases: Iterable[Case]) -> list[Second]:
    """List the second runs: of each case with a place, one for each figure that its result depends on."""
    found = []
    for case in cases:
        if case.record is None or case.place is None:
            continue
        is_facility = case.record.get("energy", {}).get("basis") == "facility"  # already holds its PUE
        for knob in KNOBS:
            is_stated = knob.key in case.record.get("site", {}) and not (knob.key == "pue" and is_facility)
            if is_stated and case.expect.metric in knob.metrics:
                found += [Second(case, knob, region) for region in case.place.regions]
    return found


@dataclass
class Results:
    """The store after one run of the pipeline over all records."""

    store: Path
    _runs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the store."""
        with duckdb.connect(str(self.store), read_only=True) as connection:
            return connection.execute(sql, list(values)).fetchall()

    @cached_property
    def runs(self) -> dict[str, dict[str, Any]]:
        """View `runs`: figures, flags, reasons and factors by run_id."""
        names = ["run_id", *RUNS, "flags", "unknown_reasons", "factor_ids"]
        return {
            row[0]: dict(zip(names, row, strict=True)) for row in self.query(f"SELECT {', '.join(names)} FROM runs")
        }

    @cached_property
    def quantity_of(self) -> dict[str, str]:
        """What each factor in the store gives, by factor_id."""
        return dict(self.query("SELECT DISTINCT factor_id, quantity FROM factor"))

    def figure(self, run_id: str, of: Published) -> float | None:
        """Return what the view of a published figure holds for it: exactly one row, or nothing is shown."""
        key = VIEWS[of.view].key
        where = {**({key: run_id} if key else {}), **of.row}
        tests = " AND ".join(f'"{name}" = ?' for name in where)
        ((found,),) = self.query(f"SELECT {of.metric} FROM {of.view} WHERE {tests}", *where.values())
        return None if found is None else float(found)

    def factors(self, run_id: str, quantity: str) -> list[str]:
        """Return the factor rows of a quantity that a run used."""
        return [one for one in self.runs[run_id]["factor_ids"] if self.quantity_of[one] == quantity]


def run(pipeline: Callable[[Path, Path], Path], work: Path) -> Results:
    """Write every record below `work` and run the pipeline over them."""
    logs = work / "logs"
    everything: list[Case | Anomaly] = [*counted(), *anomalies()]
    records = {run_id: record for one in everything for run_id, record in one.by_run.items()}
    records.update((one.run_id, one.record) for one in seconds(counted()))
    for run_id, record in records.items():
        (logs / run_id).mkdir(parents=True)
        (logs / run_id / "run.yaml").write_text(json.dumps(record), encoding="utf-8")  # JSON is YAML 1.2
    (work / "config.yaml").write_text(f"factors: [{json.dumps(str(FACTORS))}]\nshards: 1\n", encoding="utf-8")
    return Results(pipeline(logs, work))
