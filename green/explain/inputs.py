"""What goes into figures: answers about energy, PUE, intensity, devices, each with its factor or its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.explain.check import ENDS, Triple, compare, same
from green.explain.facts import rows
from green.factors import nearest
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.explain.facts import Facts, Row

_SOURCE = ("factor_id", "subject", "value", "low", "high", "unit", "valid_from", "valid_to", "method", "source", "url")
_FORMULAS = {"log": "sampled_energy_kwh", "hardware": "device_energy_kwh", "site": "device_energy_kwh"}


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


def device(facts: Facts, row: Row) -> Row:
    """Return one device's share of its embodied carbon, recomputed, with the sources of its footprint."""
    totals, lifetimes = (facts.used(row["factor_ids"], quantity) for quantity in ("embodied", "lifetime"))
    total, life = _spread(row["embodied_total_kgco2e"], totals), _spread(row["lifetime_h"], lifetimes)
    found, is_capped = _shares(facts, row, total, life)
    said = Triple(row["embodied_kgco2e"], row["embodied_low_kgco2e"], row["embodied_high_kgco2e"])
    record: Row = {"input": "device", **{key: row[key] for key in ("device_id", "component", "name")}, **said._asdict()}
    record["arguments"] = {
        "embodied_total_kgco2e": row["embodied_total_kgco2e"],
        "device_hours_h": _charged(facts, row) if is_capped else row["device_hours_h"],
        "lifetime_h": row["lifetime_h"],
        "utilisation": row["utilisation"],
        "share": row["share"],
    }
    record |= {"device_hours_h": row["device_hours_h"], "is_capped": is_capped}
    record |= compare(said, found, ends=bool(totals and lifetimes))
    for what, value, used in (("footprint", total.value, totals), ("lifetime", life.value, lifetimes)):
        record[f"{what}_origin"] = "factor" if used else None if value is None else "declared"
        if used and value is not None and not any(same(value, one["value"]) for one in used):
            wrong = f"its {what} is {value!r}, none of its factors says so"
            record |= {"agrees": False, "disagreements": [*record["disagreements"], wrong]}
    code = row["reason"]
    record["unknown"] = [{"code": code, **reason(code)._asdict()}] if code else []
    record["nearest"] = nearest(row["name"]) if code == "UNKNOWN_DEVICE" and row["name"] else []
    return record | {"factors": [sourced(one) for one in (*totals, *lifetimes)], "where": place(row)}


def _spread(value: float | None, used: Sequence[Row]) -> Triple:
    """Return a value with the interval that spans all of its sources."""
    if not used:
        return Triple(value, value, value)
    lows, highs = ([row["value"] if row[end] is None else row[end] for row in used] for end in ("low", "high"))
    return Triple(value, min(lows), max(highs))


def _charged(facts: Facts, row: Row) -> float | None:
    """Return the device-hours that are charged where the run outlives the device."""
    duration_s, life_h = facts.run["duration_s"], row["lifetime_h"]
    if not duration_s or life_h is None or row["device_hours_h"] is None:
        return None
    count = row["device_hours_h"] * 3600 / duration_s
    return float(min(row["device_hours_h"], count * life_h * row["utilisation"]))


def _shares(facts: Facts, row: Row, total: Triple, life: Triple) -> tuple[Triple, bool]:
    """Return the share by the stored formula, and whether it is capped at the whole footprint.

    The store has no count of devices: it follows from hours and duration, except where device-hours
    are declared, and those are never capped. So a share above the whole footprint tells which it was.
    """
    call = "embodied_kgco2e(CAST($total AS DOUBLE), {}, CAST($life AS DOUBLE), $utilisation, $share)"
    capped = "least($hours, $hours * 3600 / nullif($duration, 0) * CAST($life AS DOUBLE) * $utilisation)"
    pairs = {"value": (total.value, life.value), "low": (total.low, life.high), "high": (total.high, life.low)}
    whole: dict[str, Any] = {}
    limited: dict[str, Any] = {}
    for end in ENDS:
        found = rows(
            facts.con,
            f"SELECT {call.format('$hours')} AS whole, {call.format(capped)} AS limited".replace(
                "$hours", "CAST($hours AS DOUBLE)"
            ).replace("$duration", "CAST($duration AS DOUBLE)"),
            total=pairs[end][0],
            life=pairs[end][1],
            hours=row["device_hours_h"],
            duration=facts.run["duration_s"],
            utilisation=row["utilisation"],
            share=row["share"],
        )[0]
        whole[end] = found["whole"]
        limited[end] = found["whole"] if found["limited"] is None else found["limited"]
    is_capped = same(row["embodied_kgco2e"], limited["value"]) and not same(whole["value"], limited["value"])
    # where only an end of the interval is capped, the value is the same either way: then the ends tell
    only_ends = same(whole["value"], limited["value"]) and same(row["embodied_high_kgco2e"], limited["high"])
    chosen = limited if is_capped or only_ends else whole
    return Triple(*(chosen[end] for end in ENDS)), is_capped
