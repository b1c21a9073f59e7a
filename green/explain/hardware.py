"""The share of each device in embodied carbon, led back to footprints, parts, lifetimes and their sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from green.explain.check import ENDS, UNKNOWN, Triple, compare, same
from green.explain.facts import rows
from green.explain.inputs import place, sourced
from green.explain.parts import bill_total, names_of, parts_of
from green.factors import device_key, nearest
from green.reasons import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.explain.facts import Facts, Row

_BESIDE = ("embodied_transport", "embodied_end_of_life")
_WHOLE = ("end of life", "cradle-to-grave")  # as embodied.sql reads the scope from the note


def device(facts: Facts, row: Row) -> Row:
    """Return one device's share of its embodied carbon, recomputed, with the sources of its footprint."""
    parts = parts_of(facts, row)
    published = _own(facts, row, parts)
    lifetimes = facts.used(row["factor_ids"], "lifetime")
    total, origin = _total(facts, row, published, bill_total(parts))
    life = _spread(row["lifetime_h"], lifetimes)
    said = Triple(row["embodied_kgco2e"], row["embodied_low_kgco2e"], row["embodied_high_kgco2e"])
    is_all_inside = row["inside"] is not None and row["device_hours_h"] == 0
    found, is_capped = (Triple(0.0, 0.0, 0.0), False) if is_all_inside else _shares(facts, row, total, life)
    record: Row = {"input": "device", **{key: row[key] for key in ("device_id", "component", "name")}, **said._asdict()}
    record["arguments"] = {
        "embodied_total_kgco2e": row["embodied_total_kgco2e"],
        "device_hours_h": _charged(facts, row) if is_capped else row["device_hours_h"],
        "lifetime_h": row["lifetime_h"],
        "utilisation": row["utilisation"],
        "share": row["share"],
    }
    record |= {"device_hours_h": row["device_hours_h"], "is_capped": is_capped}
    record |= {key: row[key] for key in ("count", "machine", "inside", "life_cycle_stages")}
    record |= {"footprint": total._asdict(), "parts": parts}
    record |= compare(said, found, ends=is_all_inside or bool(origin != "declared" and lifetimes))
    record["footprint_origin"] = origin
    record["lifetime_origin"] = "factor" if lifetimes else None if life.value is None else "declared"
    for what, value, agrees in (
        ("footprint", row["embodied_total_kgco2e"], same(row["embodied_total_kgco2e"], total.value)),
        ("lifetime", life.value, not lifetimes or any(same(life.value, one["value"]) for one in lifetimes)),
    ):
        if value is not None and not agrees:
            wrong = f"its {what} is {value!r}, none of its factors says so"
            record |= {"agrees": False, "disagreements": [*record["disagreements"], wrong]}
    code = row["reason"]
    record["unknown"] = [{"code": code, **reason(code)._asdict()}] if code else []
    record["nearest"] = nearest(row["name"]) if code == "UNKNOWN_DEVICE" and row["name"] else []
    beside = [one for quantity in _BESIDE for one in facts.used(row["factor_ids"], quantity)]
    used = [*published, *beside, *lifetimes]
    return record | {"factors": [sourced(one) for one in used], "where": place(row)}


def _own(facts: Facts, row: Row, parts: Sequence[Row]) -> list[Row]:
    """Return the published figures of the device itself, without those of devices that its bill refers to."""
    inner = {part["device"] for part in parts if part["device"]}
    found = facts.used(row["factor_ids"], "embodied")
    if not inner:
        return found
    key = device_key(row["name"] or "")
    return [one for one in found if key in (names := names_of(one["subject"])) or not inner & names]


def _total(facts: Facts, row: Row, published: Sequence[Row], bill: Triple) -> tuple[Triple, str | None]:
    """Return the footprint of one device by the rules of embodied.sql, and where it comes from."""
    said = row["embodied_total_kgco2e"]
    if not published and not same(bill.value, said):
        return Triple(said, said, said), None if said is None else "declared"
    figures = [_figure(facts, row, one) for one in published]
    ranked = sorted(zip(published, figures, strict=True), key=lambda pair: _rank(pair[0]))
    best = ranked[0] if ranked else None
    if best is not None and best[0]["method"] == "maker":
        value, origin = best[1].value, "factor"
    elif bill.value is not None:
        value, origin = bill.value, "bill"
    elif best is not None and said is not None:  # a declared bill with an unknown part lets no other figure count
        value, origin = best[1].value, "factor"
    else:
        return UNKNOWN, None
    every = [*figures, *([bill] if bill.value is not None else [])]
    lows, highs = ([end for one in every if (end := getattr(one, name)) is not None] for name in ("low", "high"))
    return Triple(value, min(lows), max(highs)), origin


def _rank(row: Row) -> str:
    return {"maker": "0", "bottom-up": "1"}.get(row["method"], "2") + str(row["factor_id"])


def _figure(facts: Facts, row: Row, one: Row) -> Triple:
    """Return a published figure, with what its source says beside it where the figure ends at the gate."""
    ends = [one["value"], *(one["value"] if one[end] is None else one[end] for end in ("low", "high"))]
    if not any(word in (one["note"] or "").lower() for word in _WHOLE):
        for quantity in _BESIDE:
            for more in facts.used(row["factor_ids"], quantity):
                if (more["subject"], more["method"], more["source"]) == (one["subject"], one["method"], one["source"]):
                    beside = [more["value"], *(more["value"] if more[e] is None else more[e] for e in ("low", "high"))]
                    ends = [a + b for a, b in zip(ends, beside, strict=True)]
    return Triple(*ends)


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
