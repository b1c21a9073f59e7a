"""What goes into figures: answers about energy, PUE, intensity, each with its factor or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.explain.check import same
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.explain.facts import Facts, Row

_SOURCE = ("factor_id", "subject", "value", "low", "high", "unit", "valid_from", "valid_to", "method", "source", "url")
_FORMULAS = {
    "log": "sampled_energy_kwh",
    "hardware": "device_energy_kwh",
    "site": "device_energy_kwh",
    "model": "capacity_energy_kwh",
}
_OF_MODEL = {
    **dict.fromkeys(("model/cpu", "model/busy-core", "model/held-memory"), "device_energy_kwh"),
    "model/network": "network_energy_kwh",
}


def sourced(row: Row) -> Row:
    """Return a factor row with all that says where it comes from, and the event that recorded it."""
    return {**{name: row[name] for name in (*_SOURCE, "licence", "note")}, "event": row["seq"]}


def place(row: Row, file: str = "file", line: str = "line") -> str | None:
    """Write a place below logs as file:line."""
    if row[file] is None:
        return None
    return str(row[file]) if row[line] is None else f"{row[file]}:{row[line]}"


def declared_at(facts: Facts) -> str | None:
    """Say where what is declared for a run stands: its record or log, and the site of config.yaml that it names."""
    where = place(facts.run, "where_file", "where_line")
    site = facts.run["site"]
    known = site is not None and "UNKNOWN_SITE" not in facts.run["flags"]
    return f"{where} or site {site!r} of config.yaml" if known else where


def answer(facts: Facts, row: Row) -> Row:
    """Return one answer to how much energy the run used, counted or not, and why."""
    keys = ("answer", "origin", "method", "covers", "basis", "energy_kwh", "from_at", "to_at")
    time = ("covered_s", "uncovered_s", "coverage_ratio", "gaps", "resets", "duplicates")
    ends = {"low": row["energy_low_kwh"], "high": row["energy_high_kwh"]}
    metered = row["origin"] == "log" and row["method"] in {"sampled", "counter", None}
    formula = None if row["origin"] == "log" and not metered else _FORMULAS.get(row["origin"])
    formula = _OF_MODEL.get(row["answer"], formula)
    return {
        "input": "energy",
        **{key: row[key] for key in keys},
        **ends,
        **{key: row[key] for key in time},
        "is_counted": row["is_counted"],
        "why": _why(facts.answers, row),
        "formula": formula,
        "factors": [sourced(facts.factors[name]) for name in row["factor_ids"] if name in facts.factors],
        "where": place(row),
    }


def _why(answers: Sequence[Row], row: Row) -> str:
    """Say why an answer counts or not, by the rules of energy.sql."""
    if row["energy_kwh"] is None:
        return "it has no usable reading" + (": its draw is in the high end" if row["is_counted"] else "")
    if row["is_counted"]:
        return f"the best answer for {', '.join(row['covers'])}"
    better = [
        f"{', '.join(sorted(shared))} from {other['answer']} ({other['method']})"
        for other in answers
        if other["is_counted"] and (shared := set(other["covers"]) & set(row["covers"]))
    ]
    return f"counted is {'; '.join(better)}" if better else "a better answer covers a part of it"


def pue(facts: Facts) -> Row:
    """Return the PUE of a run: a factor of its provider, or as it is declared."""
    value = facts.run["pue"]
    used = facts.used(facts.run["factor_ids"], "pue")
    record: Row = {"input": "pue", "value": value, "low": None, "high": None, "unit": "1", "factors": [], "where": None}
    if used:
        row = used[0]
        low, high = (row["value"] if row[end] is None else row[end] for end in ("low", "high"))
        return record | {"origin": "factor", "low": low, "high": high, "factors": [sourced(row)]}
    if value is None:
        return record | {"origin": None, **reason("NO_PUE")._asdict()}
    return record | {"origin": "declared", "where": declared_at(facts)}


def intensity(facts: Facts) -> Row:
    """Return the location-based intensity: factor rows of the zone's years, or as declared, or an hourly series."""
    used = facts.used(facts.run["factor_ids"], "grid_intensity")
    implied = facts.run["intensity_gco2e_per_kwh"]
    record: Row = {"input": "intensity", "value": implied, "low": None, "high": None, "unit": "gCO2e/kWh"}
    record |= {"age_y": facts.run["factor_age_y"], "has_interval": False, "wrong": None, "where": None}
    record["factors"] = [
        {**sourced(row), "year": int(row["valid_from"][:4]), "licence": row["licence"]} for row in used
    ]
    if not used:
        if implied is None:
            return record | {"origin": None, "mend": _no_intensity(facts)}
        return record | {"origin": "declared, or an hourly series of config.yaml", "where": declared_at(facts)}
    record["origin"] = "factor"
    lows, highs = ([row["value"] if row[end] is None else row[end] for row in used] for end in ("low", "high"))
    years = {(row["subject"], row["valid_from"]) for row in used}
    if len(years) > 1:  # energy of several years: the whole lies between their factors
        most, least = (pick(row["value"] for row in used) for pick in (max, min))
        inside = implied is None or least <= implied <= most or same(implied, least) or same(implied, most)
        return record | {
            "wrong": None if inside else f"intensity {implied!r} is outside its factors, {least!r} to {most!r}"
        }
    value = used[0]["value"]
    if implied is None or same(implied, value):
        record["value"] = value
    else:
        record["wrong"] = f"intensity is {implied!r}, its factor {used[0]['factor_id']} is {value!r}"
    if not facts.run["factor_age_y"]:  # an aged factor is widened by a change that other rows of its zone give
        record |= {"low": min(lows), "high": max(highs), "has_interval": True}
    return record


def _no_intensity(facts: Facts) -> str:
    """Say why nothing tells the intensity of a run."""
    codes = facts.run["unknown_reasons"]
    if facts.run["region"] is None:
        return "write region, or intensity, below site: in run.yaml"
    if "NO_FACTOR" in codes:
        return reason("NO_FACTOR").mend
    return "without facility energy nothing implies it: mend that first"


def missing(facts: Facts, metric: str) -> list[str]:
    """Name the fields of the record whose absence makes a figure unknown."""
    run = facts.run
    counted = [row for row in facts.answers if row["is_counted"] and row["energy_kwh"] is not None]
    found = {
        "energy, or hardware with its power": not counted,
        "basis of energy": any(row["basis"] is None for row in counted),
    }
    if metric.startswith("carbon."):
        found["region of site"] = run["region"] is None and run["operational_kgco2e"] is None
        found["started_at"] = run["started_at"] is None and run["ended_at"] is None
    lacks_time = any(row["reason"] == "MISSING_FIELD" for row in facts.devices)
    of_devices = {"duration, or started_at and ended_at": lacks_time}
    if metric == "carbon.embodied":
        found = of_devices
    elif metric == "carbon.total":
        found |= of_devices
    return [name for name, is_missing in found.items() if is_missing]
