"""CycloneDX ML-BOM: a model as a component, with the energy consumption of each of its runs.

ECMA-424 has `modelCard.considerations.environmentalConsiderations.energyConsumptions`: an activity, its energy cost and
what it costs in CO2. A run whose energy is unknown has no such entry, for the form demands a number: it is named in
the properties beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from green.export import as_json, properties

if TYPE_CHECKING:
    from green.export import Facts, Row

ACTIVITY = {"training": "training", "tuning": "fine-tuning", "evaluation": "validation", "inference": "inference"}
KG_PER_T = 1000


def render(facts: Facts, version: str) -> str:
    """Return the BOM of all models in the facts."""
    models: dict[str, list[Row]] = {}
    for run in facts.runs:
        models.setdefault(run["model"] or "unknown model", []).append(run)
    body: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{version}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": version,
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "green", "version": facts.tool.split()[1]}]},
            "properties": [
                {"name": "green:ledger_events", "value": str(facts.events)},
                {"name": "green:ledger_head", "value": facts.head},
            ],
        },
        "components": [_component(name, runs) for name, runs in sorted(models.items())],
    }
    body["serialNumber"] = uuid5(NAMESPACE_URL, as_json(body)).urn
    return as_json(body)


def _component(name: str, runs: list[Row]) -> dict[str, Any]:
    unknown = [run for run in runs if _energy(run)[0] is None]
    environment: dict[str, Any] = {"energyConsumptions": [_consumption(run) for run in runs if run not in unknown]}
    if unknown:
        environment["properties"] = [
            {"name": f"green:run:{run['run_id']}:{one['name'].removeprefix('green:')}", "value": one["value"]}
            for run in unknown
            for one in properties(run, but=("run_id", "model"))
        ]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{name}",
        "name": name,
        "modelCard": {"considerations": {"environmentalConsiderations": environment}},
    }


def _energy(run: Row) -> tuple[float | None, str]:
    """Return the energy of a run and where it was taken: at the facility's meter if that is known."""
    if run["facility_energy_kwh"] is not None:
        return run["facility_energy_kwh"], "facility"
    return run["energy_kwh"], "IT equipment, before PUE"


def _consumption(run: Row) -> dict[str, Any]:
    energy, basis = _energy(run)
    cost = {"value": energy, "unit": "kWh"}
    organization: dict[str, Any] = {"address": {"region": run["region"]}} if run["region"] else {}
    entry: dict[str, Any] = {
        "activity": ACTIVITY.get(run["kind"], "other"),
        "energyProviders": [{"organization": organization, "energySource": "unknown", "energyProvided": cost}],
        "activityEnergyCost": cost,
    }
    if run["operational_kgco2e"] is not None:
        entry["co2CostEquivalent"] = {"value": run["operational_kgco2e"] / KG_PER_T, "unit": "tCO2eq"}
    entry["properties"] = [{"name": "green:energy_basis", "value": basis}, *properties(run, but=("model",))]
    return entry
