"""The bill of materials of a device, part by part, so that a pocket calculator can redo its sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.explain.check import UNKNOWN, Triple
from green.explain.facts import rows
from green.explain.formulas import formulas
from green.explain.inputs import sourced
from green.factors import device_key, nearest
from green.factors.names import aliases
from green.hardware import ATTRIBUTES
from green.model import PART_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.explain.facts import Facts, Row

_OPTIONAL = {"boat", "truck", "plane"}
_TERMS = """
SELECT number, place, part_terms(part_kind(part), has) AS terms
FROM (
    SELECT number, part, place, part_attributes(part, place) AS has
    FROM (
        SELECT generate_subscripts(list, 1) AS number, unnest(list) AS part
        FROM (SELECT string_split(CAST($bill AS VARCHAR), '|') AS list)
    )
    CROSS JOIN (SELECT unnest([1, 2, 3]) AS place)
)
ORDER BY number, place
"""


def parts_of(facts: Facts, row: Row) -> list[Row]:
    """Return the parts of a device's bill, each with its terms and the coefficient of each term."""
    if row["bill"] is None:
        return []
    found = rows(facts.con, _TERMS, bill=row["bill"])
    return [
        _part(facts, row, text, [one for one in found if one["number"] == number])
        for number, text in enumerate(row["bill"].split("|"), 1)
    ]


def _part(facts: Facts, row: Row, text: str, found: Sequence[Row]) -> Row:
    """Return one part: what it has, its formula, its terms at value, low and high, and what it lacks."""
    kind, *cells = text.split(";")
    has = dict(cell.partition("=")[::2] for cell in cells)
    lists = [one["terms"] or [] for one in found]  # at the value, the low and the high end
    terms = [_term(facts, *ends) for ends in zip(*lists, strict=True) if ends[0]["unit"] not in {"kgSbeq", "MJ", "L"}]
    units = float(has["count"]) if "count" in has else None
    sums = [_sum([term[end] for term in terms], units) for end in ("value", "low", "high")]
    name = (
        "figure_terms"
        if "embodied_kgco2e" in has
        else f"{kind}_terms"
        if f"{kind}_terms" in formulas()
        else "piece_terms"
    )
    given = [one for one in facts.of("part_attribute") if one["subject"].startswith(f"{kind};") and _is_used(one, has)]
    if has.get("device") and "embodied_kgco2e" in has:
        given = [one for one in facts.used(row["factor_ids"], "embodied") if has["device"] in names_of(one["subject"])]
    return {
        "part": kind,
        "count": units,
        "device": has.get("device"),
        "attributes": {key: value for key, value in has.items() if key not in {"count", "device"}},
        "formula": formulas()[name]._asdict(),
        "terms": terms,
        **Triple(*sums)._asdict(),
        "unit": "kgCO2e",
        "lacks": _lacks(kind, has, terms) if sums[0] is None else [],
        "factors": [sourced(one) for one in given],
    }


def names_of(subject: str) -> set[str]:
    """Return what a bill may call a device of the catalogue: its name, its key, the keys of its other names."""
    key = device_key(subject)
    return {subject, key, *(alias for alias, other in aliases().items() if other == key)}


def _is_used(default: Row, has: dict[str, str]) -> bool:
    name = default["subject"].partition(";")[2]
    return name in has and float(has[name].split(",")[0]) == default["value"]


def _term(facts: Facts, value: Row, low: Row, high: Row) -> Row:
    """Return a term: amount × coefficient, at each end."""
    unit = value["unit"]
    is_own = unit == "kgCO2e"
    wanted = "kgCO2e" if unit == "1" else f"kgCO2e/{unit}"
    used = [one for one in facts.of("embodied_part") if one["subject"] == value["term"] and one["unit"] == wanted]
    used.sort(key=lambda one: ({"maker": "0", "bottom-up": "1"}.get(one["method"], "2"), one["factor_id"]))
    lows, highs = ([one["value"] if one[end] is None else one[end] for one in used] for end in ("low", "high"))
    at = (1.0, 1.0, 1.0) if is_own else (used[0]["value"], min(lows), max(highs)) if used else (None, None, None)
    amounts = [one["amount"] for one in (value, low, high)]
    products = [None if a is None or c is None else a * c for a, c in zip(amounts, at, strict=True)]
    return {
        "term": value["term"],
        "life_cycle_stage": value["life_cycle_stage"],
        "amount": amounts[0],
        "amount_unit": unit,
        "coefficient": at[0],
        "coefficient_unit": "1" if is_own else wanted,
        **Triple(*products)._asdict(),
        "factors": [sourced(one) for one in used],
    }


def _sum(products: Sequence[float | None], units: float | None) -> float | None:
    known = [one for one in products if one is not None]
    return sum(known) * units if units is not None and known and len(known) == len(products) else None


def _lacks(kind: str, has: dict[str, str], terms: Sequence[Row]) -> list[str]:
    """Say what an unknown part lacks, in the words of a record."""
    if has.get("device") and not terms:
        return [f"no device {has['device']!r} in the catalogue"]
    keys = [key for key in PART_KEYS.get(kind, ()) if key not in _OPTIONAL]
    found = [key for key in keys if ATTRIBUTES.get(key, key) not in has]
    if has.get("device"):
        near = ", ".join(nearest(has["device"]))
        known = f"; nearest: {near}" if near else ""
        found = [f"a figure of {has['device']!r} in the catalogue{known}", *found]
    if not terms:
        found.append("embodied" if kind != "unreadable" else "a reading: results/rejects.parquet names the line")
    return found + [
        f"a factor embodied_part for {term['term']!r} in {term['coefficient_unit']}"
        for term in terms
        if term["coefficient"] is None
    ]


def bill_total(parts: Sequence[Row]) -> Triple:
    """Return the sum of a bill; unknown where one part is, and where there is no bill."""
    if not parts or any(part["value"] is None for part in parts):
        return UNKNOWN
    return Triple(*(sum(part[end] for part in parts) for end in ("value", "low", "high")))
