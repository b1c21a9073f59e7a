"""Figures that are energy times a rate: water, market-based emissions, cost; the rate declared, or a factor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from green.explain.check import ENDS, Triple, compare, same, stored
from green.explain.facts import rows
from green.explain.formulas import formulas
from green.explain.inputs import declared_at, sourced

if TYPE_CHECKING:
    from green.explain.facts import Facts, Row


class Rate(NamedTuple):
    """What a figure multiplies energy by."""

    macro: str
    energy: str  # column of the energy that is multiplied
    name: str
    quantity: str  # of the factor, where nobody declared it
    unit: str
    grams: float  # of the result's unit


RATES = {
    "carbon.operational_market": Rate(
        "market_kgco2e", "facility_energy_kwh", "market_intensity", "market_intensity", "gCO2e/kWh", 1000.0
    ),
    "water.onsite": Rate("water_onsite_l", "energy_kwh", "wue", "wue", "L/kWh", 1.0),
    "water.offsite": Rate("water_offsite_l", "facility_energy_kwh", "ewif", "ewif", "L/kWh", 1.0),
    "cost.total": Rate("energy_cost_usd", "facility_energy_kwh", "tariff", "tariff", "USD/kWh", 1.0),
}
# What to add, and where, where no rate is known.
MISSING = {
    "carbon.operational_market": ["market_intensity of site, or instruments of config.yaml"],
    "water.onsite": ["wue of site"],
    "water.offsite": ["ewif of site"],
    "water.total": ["wue and ewif of site"],
    "cost.total": ["device_hour or tariff of cost"],
}


def rated(facts: Facts, name: str, said: Triple) -> Row:
    """Unfold a figure that is energy times a rate; what instruments cover is apart."""
    rate, is_market = RATES[name], name == "carbon.operational_market"
    covering = _instruments(facts) if is_market else []
    energy = stored(facts.run, rate.energy).value
    covered_kg = sum(one["allocated_kwh"] * one["intensity_gco2e_per_kwh"] / 1000 for one in covering)
    rest = None if energy is None else energy - sum(one["allocated_kwh"] for one in covering)
    implied = None if said.value is None or not rest else (said.value - covered_kg) * rate.grams / rest
    used = facts.used(facts.run["factor_ids"], rate.quantity)
    shown = _rate(facts, rate, implied, used)
    arguments = (covered_kg, rest, shown["value"]) if is_market else (energy, shown["value"])
    record: Row = {"formula": formulas()[rate.macro]._asdict()}
    named = dict(zip(formulas()[rate.macro].arguments, arguments, strict=True))
    record["terms"] = [{"call": rate.macro, "arguments": named, "result": said.value}]
    if len(used) == 1 and said.value is not None:
        record |= compare(said, _recomputed(facts, rate, used[0], covering), ends=not covering)
    elif len(used) > 1 and implied is not None and not _within(implied, used):
        wrong = f"{rate.name} {implied!r} is outside its factors"
        record |= {"agrees": False, "disagreements": [wrong]}
    known = shown["value"] is not None or used
    return record | {"inputs": [*covering, *([shown] if known else [])]}


def _rate(facts: Facts, rate: Rate, implied: float | None, used: list[Row]) -> Row:
    """Return the rate: the one that the result implies, with the factors that gave it or the place that declares it."""
    record: Row = {"input": "rate", "name": rate.name, "value": implied, "unit": rate.unit, "where": None}
    if not used:
        return record | {"origin": "declared", "where": declared_at(facts), "factors": []}
    one = used[0]
    ends = {end: one["value"] if one[end] is None else one[end] for end in ENDS} if len(used) == 1 else {}
    return record | {"origin": "factor", **ends, "age_y": _age_y(facts, used), "factors": list(map(sourced, used))}


def _age_y(facts: Facts, used: list[Row]) -> int:
    """Return how many years before the run's end the oldest of its factors ceased to hold."""
    end = facts.run["ended_at"] or facts.run["started_at"]
    ages = [int(end[:4]) - int(row["valid_to"][:4]) for row in used if end and row["valid_to"]]
    return max(0, *ages) if ages else 0


def _within(implied: float, used: list[Row]) -> bool:
    values = [row["value"] for row in used]
    least, most = min(values), max(values)
    return least <= implied <= most or same(implied, least) or same(implied, most)


def _recomputed(facts: Facts, rate: Rate, factor: Row, covering: list[Row]) -> Triple:
    """Call the stored formula on the stored energy and the factor's interval."""
    found: list[float | None] = []
    covered_kg = sum(one["allocated_kwh"] * one["intensity_gco2e_per_kwh"] / 1000 for one in covering)
    covered_kwh = sum(one["allocated_kwh"] for one in covering)
    for end, energy in zip(ENDS, stored(facts.run, rate.energy), strict=True):
        if energy is None:
            found.append(None)
            continue
        value = factor["value"] if factor[end] is None else factor[end]
        arguments = [energy, value]
        if rate.macro == "market_kgco2e":
            arguments = [covered_kg, energy - covered_kwh, value]
        slots = ", ".join(f"CAST($a{n} AS DOUBLE)" for n in range(len(arguments)))
        given = {f"a{n}": argument for n, argument in enumerate(arguments)}
        found.append(rows(facts.con, f"SELECT {rate.macro}({slots}) AS result", **given)[0]["result"])
    return Triple(*found)


def _instruments(facts: Facts) -> list[Row]:
    """Return the instruments that cover a part of the run, as they were configured when it was recorded."""
    said = {one["instrument_id"]: one for one in json.loads(facts.run["instruments"] or "[]")}
    found = rows(
        facts.con,
        # the list is recorded beside the runs, in the commit that the next assessment ends
        "SELECT * EXCLUDE (seq) FROM instrument WHERE seq = (SELECT max(seq) FROM instrument WHERE seq <="
        " (SELECT min(seq) FROM assessment WHERE seq > $seq)) ORDER BY instrument_id",
        seq=facts.run["seq"],
    )
    return [
        {"input": "instrument", **row, **{key: float(said[row["instrument_id"]][key]) for key in _AMOUNTS}}
        for row in found
        if row["instrument_id"] in said
    ]


_AMOUNTS = ("drawn_kwh", "allocated_kwh")
