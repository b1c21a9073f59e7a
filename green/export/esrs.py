"""ESRS E1 (Regulation (EU) 2023/2772): energy consumption and mix, gross Scope 2, as datapoints of each year.

E1-5 asks for electricity by source, and counts one as renewable only where a contract says so (AR 32 j): here, what a
contractual instrument states. E1-6 asks for Scope 2 by both methods. The numbers of datapoints stand in esrs_e1.csv,
for they are renumbered.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.export import as_json, because, properties, total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.export import Facts, Row

PER_1000 = 1000  # kWh in a MWh, kg in a t
MAPPING = Path(__file__).with_name("esrs_e1.csv")
CLASS = {
    **dict.fromkeys(("solar", "wind", "hydropower", "geothermal", "biofuel", "renewable"), "renewable"),
    **dict.fromkeys(("coal", "oil", "natural_gas", "fossil"), "fossil"),
    "nuclear": "nuclear",
}
COVERS = "electricity of the runs in this ledger that name no cloud's region; no fuels, no heat, no other operations"
NO_INSTRUMENT = "no contractual instrument is recorded for these runs"
NO_CLOUD = "no run names the region of a cloud; whether hardware was rented otherwise is not recorded"
CAPITAL = "the embodied carbon of a run is a share of its hardware; when that was bought, and by whom, is not recorded"
RATED = {"grid_intensity": "operational_kgco2e", "market_intensity": "operational_market_kgco2e"}
ROUNDED = 1e-9  # sums of parts are exact; a share was rounded when it was recorded


def render(facts: Facts) -> str:
    """Return the datapoints of every year of the chosen runs; what is unknown is null, with the reason beside."""
    years: dict[int | None, list[Row]] = {}
    for run in facts.runs:
        at = run["ended_at"] or run["started_at"]
        years.setdefault(None if at is None else at.year, []).append(run)
    return as_json(
        {
            "standard": "ESRS E1, Commission Delegated Regulation (EU) 2023/2772",
            "renumbered_by": "Commission Delegated Regulation (EU) 2026/1563: see requirement_2026",
            "tool": facts.tool,
            "ledger": {"events": facts.events, "head": facts.head},
            "covers": COVERS,
            "years": [
                {"year": year, "runs": len(rows), "datapoints": _datapoints(rows, facts)}
                for year, rows in sorted(years.items(), key=lambda item: (item[0] is None, item[0] or 0))
            ],
            "instruments": [properties(row) for row in facts.instruments],
            "runs": [properties(row) for row in facts.runs],
        }
    )


def mapping() -> dict[str, dict[str, str]]:
    """Return what each line is called and numbered in the standard, by the name that it has here."""
    with MAPPING.open(encoding="utf-8", newline="") as stream:
        return {row["line"]: row for row in csv.DictReader(stream)}


def _datapoints(runs: list[Row], facts: Facts) -> list[Row]:
    own = [run for run in runs if not _is_cloud(run)]
    cloud = [run for run in runs if _is_cloud(run)]
    covered = [row for run in own for row in facts.covered.get(run["run_id"], [])]
    found = {
        "electricity": _figure(own, "facility_energy_kwh", _energy_method(own), ["records and logs"]),
        **_mix(own, covered),
        "location_based": _figure(
            own, "operational_kgco2e", "location-based; life-cycle intensity", _sources(own, facts, "grid_intensity")
        ),
        "market_based": _figure(
            own,
            "operational_market_kgco2e",
            "market-based; instruments first, then the mix that is left",
            [*_sources(own, facts, "market_intensity"), *_contracts(covered)],
        ),
        **_instruments(own, covered),
        "category_1": _figure(
            cloud,
            "emissions_kgco2e",
            "operational (location-based) + embodied, of runs that name a cloud's region",
            _sources(cloud, facts, "grid_intensity"),
            none=NO_CLOUD,
        ),
        "category_2": {
            "value": None,
            "method": None,
            "source": [],
            "missing_because": CAPITAL,
            "properties": properties({"embodied_kgco2e": total(own, "embodied_kgco2e")}),
        },
    }
    named = ("datapoint", "requirement", "paragraph", "requirement_2026", "name")
    return [
        {**{key: row[key] for key in named}, "unit": row["unit"], **found[line], "numbering": row["source"]}
        for line, row in mapping().items()
    ]


def _is_cloud(run: Row) -> bool:
    """Tell whether a run names the region of a cloud: its electricity is not the undertaking's, but its service's."""
    return ":" in (run["region"] or "")


def _figure(
    runs: list[Row], name: str, method: str, source: list[str], *, none: str = "every run names the region of a cloud"
) -> dict[str, Any]:
    """Return a total of all runs, with its interval; half a total is no value, and stands beside."""
    if not runs:
        return {"value": None, "method": None, "source": [], "missing_because": none}
    value, low, high = (_scaled(total(runs, f"{name}{end}")) for end in ("", "_low", "_high"))
    known = [run for run in runs if run[name] is not None]
    entry = {"value": value, "low": low, "high": high, "method": method, "source": source}
    if value is None:
        entry |= {"missing_because": because(runs, name), "known": _scaled(total(known, name)) if known else None}
    return entry


def _mix(runs: list[Row], covered: list[Row]) -> dict[str, dict[str, Any]]:
    """Return electricity by source, as far as instruments state it; the rest is the grid's, whose mix nobody stated."""
    whole = total(runs, "facility_energy_kwh")
    stated = {kind: [row for row in covered if _class(row) == kind] for kind in ("fossil", "nuclear", "renewable")}
    parts = {kind: total(rows, "allocated_kwh") for kind, rows in stated.items()}
    known = [part for part in parts.values() if part is not None]
    silent = sorted({row["instrument_id"] for row in covered if _class(row) is None})
    rest = None if whole is None or len(known) < len(parts) else whole - sum(known)
    entries = {}
    for kind, rows in stated.items():
        why = None
        if not covered:
            why = NO_INSTRUMENT
        elif whole is None:
            why = because(runs, "facility_energy_kwh")
        elif rest is None:
            why = "how much an instrument covers is not recorded"
        elif silent:
            why = f"instruments that do not state their energy_source: {', '.join(silent)}"
        elif kind != "renewable" and rest > ROUNDED * whole:
            why = f"{rest / PER_1000:g} MWh are covered by no instrument, and the sources of the grid are not recorded"
        entries[kind] = {
            "value": None if why else _scaled(parts[kind]),
            "method": "contractual instruments that state the source (AR 32 j)",
            "source": _contracts(rows),
        }
        if why:
            entries[kind] |= {"missing_because": why, "known": _scaled(parts[kind])}
    return entries


def _instruments(runs: list[Row], covered: list[Row]) -> dict[str, dict[str, Any]]:
    """Return how much of the electricity instruments cover, and of which types they are."""
    whole, part = total(runs, "facility_energy_kwh"), total(runs, "market_covered_kwh")
    share: dict[str, Any] = {"value": None if not whole or part is None else 100 * part / whole}
    types: dict[str, Any] = {"value": ", ".join(sorted({row["kind"] for row in covered})) or None}
    if not covered:
        share["value"], share["missing_because"], types["missing_because"] = None, NO_INSTRUMENT, NO_INSTRUMENT
    elif share["value"] is None:
        share["missing_because"] = because(runs, "facility_energy_kwh")
    common = {"method": "kWh that instruments cover / kWh", "source": _contracts(covered)}
    return {"instruments_share": share | common, "instruments_types": types | common}


def _class(instrument: Row) -> str | None:
    """Return fossil, nuclear or renewable; a renewable energy certificate is for nothing else."""
    return CLASS.get(instrument["energy_source"] or ("renewable" if instrument["kind"] == "rec" else ""))


def _scaled(value: float | None) -> float | None:
    return None if value is None else value / PER_1000


def _energy_method(runs: list[Row]) -> str:
    return ", ".join(sorted({run["method"] or "unknown" for run in runs}))


def _sources(runs: list[Row], facts: Facts, quantity: str) -> list[str]:
    """Name the factors that the runs used; a run that used none has its intensity from its record, or none."""
    used = [
        [row for row in facts.rates.get(run["run_id"], []) if row["quantity"] == quantity]
        for run in runs
        if run[RATED[quantity]] is not None
    ]
    named = {f"{row['source']} ({row['method']}, {row['licence']})" for rows in used for row in rows}
    return sorted(named) + (["records and series"] if any(not rows for rows in used) else [])


def _contracts(covered: Sequence[Row]) -> list[str]:
    return sorted({f"{row['kind']} {row['instrument_id']}: {row['source']}" for row in covered})
