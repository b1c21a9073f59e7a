"""Software Carbon Intensity, ISO/IEC 21031: SCI = (E × I + M) per R, with every term of it, for each run and unit.

The standard knows no market-based measures: neither instruments nor offsets lower the figure. A term that is unknown
is null, and the reason stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.export import as_json

if TYPE_CHECKING:
    from green.export import Facts, Row

G_PER_KG = 1000
BOUNDARY = "compute devices and hosts of the run, at the facility's meter (PUE included)"
EXCLUSIONS = ["network beyond the site", "end-user devices", "storage and staff that no record names", "offsets"]


def render(facts: Facts) -> str:
    """Return one entry for each functional unit of each run; a run that names none has one without R."""
    return as_json(
        {
            "standard": "ISO/IEC 21031:2024",
            "tool": facts.tool,
            "ledger": {"events": facts.events, "head": facts.head},
            "software_boundary": BOUNDARY,
            "exclusions": EXCLUSIONS,
            "scores": [
                _score(run, unit, facts.devices.get(run["run_id"], []))
                for run in facts.runs
                for unit in facts.units.get(run["run_id"], [{"unit": None, "amount": None}])
            ],
        }
    )


def _score(run: Row, unit: Row, devices: list[Row]) -> dict[str, Any]:
    amount = unit["amount"]
    carbon = run["emissions_kgco2e"]
    missing = sorted(run["unknown_reasons"] or []) if carbon is None else []
    if not amount:
        missing.append("no functional unit is declared")
    return {
        "run": run["run_id"],
        "sci_gco2e_per_unit": None if carbon is None or not amount else carbon * G_PER_KG / amount,
        "R": {"unit": unit["unit"], "amount": amount},
        "E_kwh": run["facility_energy_kwh"],
        "I_gco2e_per_kwh": run["intensity_gco2e_per_kwh"],
        "O_gco2e": None if run["operational_kgco2e"] is None else run["operational_kgco2e"] * G_PER_KG,
        "M_gco2e": None if run["embodied_kgco2e"] is None else run["embodied_kgco2e"] * G_PER_KG,
        "M_of_devices": [_device(device) for device in devices],
        "interval_gco2e": [
            None if run[name] is None else run[name] * G_PER_KG
            for name in ("emissions_kgco2e_low", "emissions_kgco2e_high")
        ],
        "method": run["method"],
        "missing_because": missing or None,
    }


def _device(device: Row) -> dict[str, Any]:
    """Return the terms of M = TE × TS × RS: TS = TiR / EL, RS = RR / ToR."""
    return {
        "device": device["name"],
        "count": device["count"],
        "TE_kgco2e": device["embodied_total_kgco2e"],
        "TiR_h": device["device_hours_h"],
        "EL_h": device["lifetime_h"],
        "utilisation": device["utilisation"],
        "RR": device["share"],
        "ToR": 1,
        "M_kgco2e": device["embodied_kgco2e"],
        "missing_because": device["reason"],
    }
