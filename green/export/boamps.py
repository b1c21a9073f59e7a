"""BoAmps report: what one run used, on which hardware and where, as the open data of BoAmps collects it.

The form (Boavizta/BoAmps, model/*.json, CC BY 4.0) demands an energy and the number of each component: a run without
one of them has no report. It admits further keys: what it has no field for stands in `properties`, as `green:*`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from green.errors import InputError
from green.export import as_json, properties

if TYPE_CHECKING:
    from green.export import Facts, Row

FORMAT = "1.1.0"
SPECIFICATION = "https://github.com/Boavizta/BoAmps/tree/main/model"
STAGES = {"training": "training", "tuning": "finetuning", "inference": "inference", "evaluation": "evaluation"}
TRAINED = ("training", None, "other")  # the run makes the model; the others use one that is there
DATA = {"tokens": "token", "images": "image", "words": "word"}  # functional units that are a type of data
PER_BILLION = 1_000_000_000
QUALITY = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))  # the error that each word stands for
COUNTRY = re.compile(r"([A-Z]{2})(-|$)")  # ISO 3166-1, -2, and zones that begin so


def render(facts: Facts) -> str:
    """Return the report of a run, or a list of the reports of several; that there is none is an error."""
    reports = [_report(run, facts) for run in facts.runs if lacks(run, facts) is None]
    if not reports:
        raise InputError(
            f"no run has what a BoAmps report demands: {facts.runs[0]['run_id']} lacks {lacks(facts.runs[0], facts)}",
            mend="`green explain RUN` says why a figure is unknown and what to write where",
        )
    return as_json(reports[0] if len(facts.runs) == 1 else reports)


def lacks(run: Row, facts: Facts) -> str | None:
    """Say what the form demands and nobody knows of a run; None where it is all there."""
    if run["energy_kwh"] is None:
        return f"its energy ({', '.join(run['unknown_reasons'] or []) or 'no reason is recorded'})"
    if not _components(facts.devices.get(run["run_id"], [])):
        return "hardware with its number"
    return None


def _report(run: Row, facts: Facts) -> dict[str, Any]:
    told = json.loads(run["facts"] or "{}")
    units = facts.units.get(run["run_id"], [])
    (origin, *_) = facts.origin[run["run_id"]]
    report: dict[str, Any] = {
        "header": {
            "formatVersion": FORMAT,
            "formatVersionSpecificationUri": SPECIFICATION,
            "reportDatetime": _time(origin["recorded_at"]),
            "reportStatus": "draft",
        },
        "task": {
            "taskStage": STAGES.get(run["kind"], run["kind"] or "unknown"),
            "taskFamily": "unknown",
            **_requests(run, units),
            "algorithms": [_algorithm(run, told)],
            "dataset": _dataset(run, told, units),
        },
        "measures": [_measure(run, facts)],
        "infrastructure": {**_place(run), "components": _components(facts.devices[run["run_id"]])},
        "environment": _environment(run),
        "quality": _quality(run),
        "properties": [
            *properties(run),
            *({"name": f"green:unit:{row['unit']}", "value": repr(row["amount"])} for row in units),
            *(
                {"name": "green:hardware_left_out", "value": device["name"] or device["device_id"]}
                for device in facts.devices[run["run_id"]]
                if not _is_counted(device)
            ),
        ],
    }
    report = {key: value for key, value in report.items() if value}
    report["header"]["reportId"] = str(uuid5(NAMESPACE_URL, as_json(report)))
    return report


def _algorithm(run: Row, told: Row) -> dict[str, Any]:
    name = "algorithmName" if run["kind"] in TRAINED else "foundationModelName"
    parameters = told.get("parameters")
    found = {
        name: run["model"],
        "parametersNumber": None if parameters is None else parameters / PER_BILLION,
        "quantization": told.get("precision"),
    }
    return _known(found)


def _requests(run: Row, units: list[Row]) -> dict[str, Any]:
    if run["kind"] != "inference":
        return {}
    return _known({"nbRequest": next((row["amount"] for row in units if row["unit"] == "requests"), None)})


def _dataset(run: Row, told: Row, units: list[Row]) -> list[dict[str, Any]]:
    """Return the data of the task; the form demands one, so that an unknown one is `other`, without a quantity."""
    found = [
        {
            "dataUsage": "output" if run["kind"] == "inference" else "input",
            "dataType": DATA[row["unit"]],
            "dataQuantity": row["amount"],
        }
        for row in units
        if row["unit"] in DATA
    ]
    if not found and told.get("dataset_size") is not None:
        found = [{"dataUsage": "input", "dataType": "other", "dataQuantity": told["dataset_size"]}]
    return found or [{"dataUsage": "input", "dataType": "other"}]


def _measure(run: Row, facts: Facts) -> dict[str, Any]:
    """Return the one measure of a run: energy of the IT equipment, before PUE."""
    readers = sorted({row["reader"] for row in facts.origin[run["run_id"]] if row["reader"]})
    modes = {
        part: " + ".join(
            sorted({row["method"] for row in facts.parts.get(run["run_id"], []) if part in row["component"].split("+")})
        )
        for part in ("cpu", "gpu")
    }
    found = {
        "measurementMethod": " + ".join(readers) or run["method"] or "unknown",
        "cpuTrackingMode": modes["cpu"] or None,
        "gpuTrackingMode": modes["gpu"] or None,
        "powerConsumption": run["energy_kwh"],
        "measurementDuration": run["duration_s"],
        "measurementDateTime": None if run["started_at"] is None else _time(run["started_at"]),
    }
    return _known(found)


def _is_counted(device: Row) -> bool:
    """Tell whether a device has what the form demands of a component: its kind, and a whole number."""
    return bool(device["component"]) and device["count"] is not None and device["count"] == int(device["count"])


def _components(devices: list[Row]) -> list[dict[str, Any]]:
    """Return the hardware whose number is known and whole."""
    return [
        _known(
            {
                "componentName": device["name"],
                "componentType": device["component"],
                "nbComponent": int(device["count"]),
                "share": device["share"],
            }
        )
        for device in devices
        if _is_counted(device)
    ]


def _place(run: Row) -> dict[str, str]:
    provider, colon, _ = (run["region"] or "").partition(":")
    return {"infraType": "publicCloud", "cloudProvider": provider} if colon else {"infraType": "other"}


def _environment(run: Row) -> dict[str, Any]:
    """Return where the run was; the form demands a country, so that there is none of a cloud's region."""
    country = COUNTRY.match(run["region"] or "")
    if country is None:
        return {}
    found = {
        "country": country[1],
        "location": run["region"],
        "powerSourceCarbonIntensity": run["intensity_gco2e_per_kwh"],
    }
    return _known(found)


def _quality(run: Row) -> str | None:
    """Return the word for the error of the energy; none where its interval is unknown, or wider than all words."""
    value, low, high = (run[f"energy_kwh{end}"] for end in ("", "_low", "_high"))
    if low is None or high is None or not value or "NO_INTERVAL" in (run["flags"] or []):
        return None
    error = max(high / value - 1, 1 - low / value)
    return next((word for most, word in QUALITY if error <= most), None)


def _known(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _time(at: Any) -> str:  # noqa: ANN401 -- a time of DuckDB, in UTC
    return str(at.strftime("%Y-%m-%d %H:%M:%S"))
