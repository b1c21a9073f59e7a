"""Unfold one figure of a run: its value, the formula with the figures put in, and what went into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.explain import inputs, rates
from green.explain.check import ENDS, Triple, compare, same, stored
from green.explain.facts import rows
from green.explain.formulas import formulas
from green.explain.hardware import device
from green.policy.metrics import METRICS, TIER, Metric
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.explain.facts import Facts, Row

_LIT = "is_counted AND (energy_kwh IS NOT NULL OR method NOT IN ('sampled', 'counter'))"
_OF_RATES = {"NO_MARKET_FACTOR", "NO_WUE", "NO_EWIF", "NO_TARIFF", "MISSING_METRIC"}
_PARTS: dict[str, tuple[str, ...]] = {  # what a figure is made of, in the order of its formula
    "energy.facility": ("energy.it",),
    "carbon.operational": ("energy.facility",),
    "carbon.operational_market": ("energy.facility",),
    "carbon.total": ("carbon.operational", "carbon.embodied"),
    "water.onsite": ("energy.it",),
    "water.offsite": ("energy.facility",),
    "water.total": ("water.onsite", "water.offsite"),
    "cost.total": ("energy.facility",),
}


def figure(facts: Facts, name: str, shown: set[str]) -> Row:
    """Return the record of a figure; what `shown` holds already is named and not unfolded again."""
    metric = METRICS[name]
    said = stored(facts.run, metric.column)
    record: Row = {"metric": name, "column": metric.column, "unit": metric.unit, "what": metric.description}
    record |= said._asdict()
    if name in shown:
        return record
    shown.add(name)
    record |= {"formula": None, "terms": [], "recomputed": None, "agrees": None, "disagreements": []}
    record |= {"not_recomputed": [], "unknown": _unknown(facts, metric, said), "inputs": []}
    if metric.column == "emissions_kgco2e" or name == "carbon.operational":
        record["reported_kgco2e"] = facts.run["reported_kgco2e"]
    record |= _UNFOLD.get(name, rates.rated if name in rates.RATES else _plain)(facts, name, said)
    parts = [{"input": "figure", **figure(facts, part, shown)} for part in _PARTS.get(name, ())]
    record["inputs"] = [*parts, *record["inputs"]]
    return record


def _formula(name: str) -> Row:
    return {"formula": formulas()[name]._asdict()}


def _term(name: str, *arguments: object, result: float | None) -> Row:
    """Return a formula with the figures put in."""
    return {
        "call": name,
        "arguments": dict(zip(formulas()[name].arguments, arguments, strict=True)),
        "result": result,
    }


def _unknown(facts: Facts, metric: Metric, said: Triple) -> list[Row]:
    """Say why a figure is unknown, by the codes of the run that concern it."""
    if said.value is not None:
        return []
    fields, rate = inputs.missing(facts, metric.name), rates.MISSING.get(metric.name, [])
    codes = _codes(facts, metric)
    missing = {code: rate if code in _OF_RATES else fields if code == "MISSING_FIELD" else [] for code in codes}
    return [{"code": code, **reason(code)._asdict(), "missing": missing[code]} for code in codes]


def _codes(facts: Facts, metric: Metric) -> list[str]:
    """Return the codes of a figure: embodied carbon has those of its devices, a total those of its parts."""
    if metric.name == "carbon.embodied":
        return sorted({row["reason"] for row in facts.devices if row["reason"]}) or ["NO_HARDWARE"]
    if metric.name == "carbon.total":
        parts = [METRICS[part] for part in _PARTS[metric.name]]
        return list(dict.fromkeys(c for one in parts if facts.run[one.column] is None for c in _codes(facts, one)))
    return [code for code in facts.run["unknown_reasons"] if code in metric.reasons] or ["MISSING_METRIC"]


def _energy(facts: Facts, name: str, said: Triple) -> Row:
    """IT energy or facility energy: the counted answers by their basis, with PUE applied at most once."""
    is_it = name == "energy.it"
    macro = "it_energy_kwh" if is_it else "facility_energy_kwh"
    pue = inputs.pue(facts)
    low, high = (pue["value"] if pue[end] is None else pue[end] for end in ("low", "high"))
    inner, outer = (high, low) if is_it else (low, high)  # dividing by the PUE turns its interval round
    total = "as_double(known_sum(exact({}(as_double({}), basis, {}))))"
    part = f"(SELECT {total} FROM energy WHERE seq = $seq AND {{}})"
    found = rows(
        facts.con,
        f"SELECT {part.format(macro, 'energy_kwh', '$pue', _LIT)} AS value,"
        f" {part.format(macro, 'energy_low_kwh', 'CAST($inner AS DOUBLE)', _LIT)} AS low,"
        f" {part.format(macro, 'energy_high_kwh', 'CAST($outer AS DOUBLE)', 'is_counted')} AS high",
        seq=facts.run["seq"],
        pue=pue["value"],
        inner=inner,
        outer=outer,
    )[0]
    counted = [row for row in facts.answers if row["is_counted"] and row["energy_kwh"] is not None]
    terms = rows(
        facts.con,
        f"SELECT energy_kwh, basis, {macro}(as_double(energy_kwh), basis, $pue) AS result"
        f" FROM energy WHERE seq = $seq AND {_LIT} ORDER BY answer",
        seq=facts.run["seq"],
        pue=pue["value"],
    )
    needs_pue = any((row["basis"] == "facility") == is_it for row in counted)
    record = _formula(macro)
    record["terms"] = [
        _term(macro, row["energy_kwh"], row["basis"], pue["value"], result=row["result"]) for row in terms
    ]
    record |= compare(said, Triple(*(found[end] for end in ENDS)), ends=not needs_pue or pue["origin"] == "factor")
    answers = [inputs.answer(facts, row) for row in facts.answers] if is_it else []
    return record | {"inputs": [*answers, *([pue] if needs_pue or not is_it else [])]}


def _operational(facts: Facts, _name: str, said: Triple) -> Row:
    """Facility energy times the intensity that the run's hours and years had on the whole."""
    intensity = inputs.intensity(facts)
    energy = stored(facts.run, "facility_energy_kwh")
    found = []
    for end, one in zip(ENDS, energy, strict=True):
        rate = intensity["value"] if intensity[end] is None else intensity[end]
        # no energy emits nothing at any intensity, and implies none
        found.append(_call(facts, "operational_kgco2e", one, 0.0 if rate is None and one == 0 else rate))
    record = _formula("operational_kgco2e")
    record["terms"] = [_term("operational_kgco2e", energy.value, intensity["value"], result=found[0])]
    record |= compare(said, Triple(*found), ends=intensity["has_interval"])
    if intensity["wrong"]:
        record |= {"agrees": False, "disagreements": [*record["disagreements"], intensity["wrong"]]}
    return record | {"inputs": [intensity]}


def _call(facts: Facts, macro: str, *arguments: float | None) -> float | None:
    """Call a stored formula on numbers."""
    slots = ", ".join(f"CAST($a{n} AS DOUBLE)" for n in range(len(arguments)))
    values = {f"a{n}": value for n, value in enumerate(arguments)}
    result: float | None = rows(facts.con, f"SELECT {macro}({slots}) AS result", **values)[0]["result"]
    return result


def _embodied(facts: Facts, _name: str, said: Triple) -> Row:
    """The share of each device, summed; unknown where one of them is."""
    devices = [device(facts, row) for row in facts.devices]
    names = ("embodied_kgco2e", "embodied_low_kgco2e", "embodied_high_kgco2e")
    sums = ", ".join(f"as_double(known_sum({name})) AS {end}" for end, name in zip(ENDS, names, strict=True))
    found = rows(facts.con, f"SELECT {sums} FROM embodied WHERE seq = $seq", seq=facts.run["seq"])[0]
    record = _formula("embodied_kgco2e")
    record["terms"] = [
        _term("embodied_kgco2e", *one["arguments"].values(), result=one["recomputed"]["value"]) for one in devices
    ]
    record |= compare(said, Triple(*(found[end] for end in ENDS)), ends=True)
    wrong = [f"{one['device_id']}: {text}" for one in devices for text in one["disagreements"]]
    record |= {"agrees": record["agrees"] and not wrong, "disagreements": [*record["disagreements"], *wrong]}
    return record | {"inputs": devices}


def _total(facts: Facts, _name: str, said: Triple) -> Row:
    operational, embodied = stored(facts.run, "operational_kgco2e"), stored(facts.run, "embodied_kgco2e")
    pairs = zip(operational, embodied, strict=True)
    found = Triple(*(_call(facts, "emissions_kgco2e", one, other) for one, other in pairs))
    record = _formula("emissions_kgco2e")
    record["terms"] = [_term("emissions_kgco2e", operational.value, embodied.value, result=found.value)]
    return record | compare(said, found, ends=True)


def _water(facts: Facts, _name: str, said: Triple) -> Row:
    parts = zip(stored(facts.run, "water_onsite_l"), stored(facts.run, "water_offsite_l"), strict=True)
    found = Triple(*(None if one is None or other is None else one + other for one, other in parts))
    return compare(said, found, ends=True)


def _cost(facts: Facts, name: str, said: Triple) -> Row:
    """A cost is device-hours times a declared price, or energy times a tariff; the store keeps the result alone."""
    if facts.used(facts.run["factor_ids"], "tariff"):
        return rates.rated(facts, name, said)
    record = _formula("cost_usd")
    hours, energy = facts.run["device_hours_h"], facts.run["facility_energy_kwh"]
    implied = [
        {"input": "rate", "name": name, "value": said.value / of, "unit": unit, "origin": "declared"}
        for name, of, unit in (("device_hour", hours, "USD/h"), ("tariff", energy, "USD/kWh"))
        if said.value is not None and of
    ]
    return record | {"inputs": [one | {"where": inputs.declared_at(facts)} for one in implied]}


def _coverage(facts: Facts, _name: str, said: Triple) -> Row:
    """The share of the time that the counted answers cover."""
    counted = [row for row in facts.answers if row["is_counted"] and row["covered_s"] is not None]
    covered, uncovered = (sum(row[key] for row in counted) if counted else None for key in ("covered_s", "uncovered_s"))
    found = _call(facts, "coverage_ratio", covered, uncovered)
    record = _formula("coverage_ratio")
    record["terms"] = [_term("coverage_ratio", covered, uncovered, result=found)]
    answers = [inputs.answer(facts, row) for row in facts.answers]
    return record | compare(said, Triple(found, None, None), ends=False) | {"inputs": answers}


def _tier(facts: Facts, _name: str, _said: Triple) -> Row:
    return {"inputs": [inputs.answer(facts, row) for row in facts.answers]}


def _plain(facts: Facts, _name: str, said: Triple) -> Row:
    """Duration: from start to end where both are known, else as it is declared."""
    ends = rows(
        facts.con,
        "SELECT (epoch_us(ended_at) - epoch_us(started_at)) / 1e6 AS s FROM run WHERE seq = $seq",
        seq=facts.run["seq"],
    )[0]["s"]
    stated = {key: facts.run[key] for key in ("started_at", "ended_at")}
    is_same = said.value is not None and ends is not None and same(said.value, ends)
    return {
        "inputs": [{"input": "times", **stated, "where": inputs.declared_at(facts)}],
        "agrees": is_same or None,
    }


_UNFOLD: dict[str, Callable[[Facts, str, Triple], Row]] = {
    "energy.it": _energy,
    "energy.facility": _energy,
    "carbon.operational": _operational,
    "carbon.embodied": _embodied,
    "carbon.total": _total,
    "water.total": _water,
    "cost.total": _cost,
    "coverage.energy": _coverage,
    TIER: _tier,
}
