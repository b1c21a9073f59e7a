"""Market-based figures: instruments cover no more than was bought and no more than was used, in any order."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from green import stages
from green.sql import text_of

CHECKS = settings(max_examples=25, deadline=None)
MIX = 500.0
NWH = Decimal("1e-12")  # amounts are whole billionths of a watt-hour


def market(
    runs: list[dict[str, Any]], instruments: list[dict[str, Any]], *, seed: int = 0, threads: int = 1
) -> dict[str, dict[str, Any]]:
    """Compute the emissions of runs given as {id, site, zone, hours: [(day of 2026, low, value, high)]}."""
    energy = [
        {
            "run_id": run["id"],
            "answer": f"g{number}",
            "origin": "log",
            "method": "imported",
            "covers": ["gpu"],
            "basis": "device",
            "from_at": f"2026-{month:02d}-01T00:00:00Z",
            "to_at": f"2026-{month:02d}-01T01:00:00Z",
            "energy_low_kwh": str(low),
            "energy_kwh": str(value),
            "energy_high_kwh": str(high),
            "is_counted": True,
            "factor_ids": [],
        }
        for run in runs
        for number, (month, low, value, high) in enumerate(run["hours"])
    ]
    record = {"pue": 1.0, "intensity_gco2e_per_kwh": 400.0, "market_gco2e_per_kwh": MIX, "flags": [], "reasons": []}
    tables: dict[str, list[dict[str, Any]]] = {
        "run": [
            {"run_id": run["id"], "site": run["site"], "region": run["zone"], "duration_s": 3600.0, "logs": 1, **record}
            for run in runs
        ],
        "energy": energy,
        "instrument": instruments,
    }
    with stages.connect(threads=threads) as con:
        for table in stages.STAGES["emissions"].reads:
            columns = stages.COLUMNS[table]
            typed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            con.execute(f"CREATE TEMP TABLE {table} ({typed})")
            rows = tables.get(table, [])
            Random(seed).shuffle(rows)  # noqa: S311 -- an order, no secret
            for row in rows:
                slots = ", ".join(f"CAST(? AS {columns[name]})" for name in row)
                con.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({slots})", list(row.values()))
        got = con.execute(text_of("emissions"))
        names = [column[0] for column in got.description]
        return {row[0]: dict(zip(names, row, strict=True)) for row in got.fetchall()}


def allocations(found: dict[str, dict[str, Any]]) -> dict[str, Decimal]:
    """Return what each instrument covers in all."""
    out: dict[str, Decimal] = {}
    for row in found.values():
        for one in json.loads(row["instruments"] or "[]"):
            out[one["instrument_id"]] = out.get(one["instrument_id"], Decimal(0)) + Decimal(one["allocated_kwh"])
    return out


def instrument(
    name: str, kwh: float, *, months: tuple[int, int] = (1, 12), g: float = 0, **market: str
) -> dict[str, Any]:
    last = f"2026-{months[1] + 1:02d}-01" if months[1] < 12 else "2027-01-01"
    times = {"from_at": f"2026-{months[0]:02d}-01T00:00:00Z", "to_at": f"{last}T00:00:00Z"}
    return {"instrument_id": name, "quantity_kwh": kwh, "intensity_gco2e_per_kwh": g, **times, **market}


# markets of a few kWh, and of more than 10 GWh, where products of two amounts would not fit
AMOUNT = st.one_of(st.decimals(0, 10_000, places=6), st.decimals(0, 10**11, places=3))
HOURS = st.lists(st.tuples(st.integers(1, 12), AMOUNT, AMOUNT, AMOUNT), min_size=1, max_size=3)
RUNS = st.lists(
    st.fixed_dictionaries({"site": st.sampled_from(["s", "t"]), "zone": st.sampled_from(["DE", "FR"]), "hours": HOURS}),
    min_size=1,
    max_size=6,
).map(
    lambda runs: [
        {**run, "id": f"r{number}", "hours": [(month, *sorted(three)) for month, *three in run["hours"]]}
        for number, run in enumerate(runs)
    ]
)
MARKET = st.sampled_from([{"site": "s"}, {"zone": "DE"}, {"zone": "FR"}, {"site": "t"}])
MONTHS = st.tuples(st.integers(1, 12), st.integers(1, 12)).map(lambda two: (min(two), max(two)))
INSTRUMENTS = st.lists(
    st.tuples(st.one_of(st.floats(0, 20_000), st.floats(0, 1e12)), MONTHS, st.sampled_from([0.0, 20.0, 900.0]), MARKET),
    max_size=4,
).map(
    lambda all_: [
        instrument(f"i{number}", kwh, months=months, g=g, **where)
        for number, (kwh, months, g, where) in enumerate(all_)
    ]
)


@CHECKS
@given(RUNS, INSTRUMENTS)
def test_instruments_cover_no_more_than_was_bought_and_no_more_than_was_used(
    runs: list[dict[str, Any]], instruments: list[dict[str, Any]]
) -> None:
    found = market(runs, instruments)
    covered = allocations(found)
    for one in instruments:
        assert covered.get(one["instrument_id"], Decimal(0)) <= Decimal(repr(one["quantity_kwh"]))
    for row in found.values():
        assert 0 <= row["market_covered_kwh"] <= row["facility_energy_kwh"]
        assert row["operational_market_kgco2e_low"] <= row["operational_market_kgco2e"]
        assert row["operational_market_kgco2e"] <= row["operational_market_kgco2e_high"]
    total = sum(row["market_covered_kwh"] for row in found.values())
    # what each row is covered by and what it is covered in all are one
    assert abs(total - sum(covered.values())) <= NWH * (1 + len(runs))


@CHECKS
@given(RUNS, INSTRUMENTS, st.integers(0, 1000))
def test_order_and_threads_change_no_bit(
    runs: list[dict[str, Any]], instruments: list[dict[str, Any]], seed: int
) -> None:
    assert market(runs, instruments) == market(runs, instruments, seed=seed, threads=2)


@CHECKS
@given(RUNS, INSTRUMENTS, st.decimals(0, 1000, places=3))
def test_more_energy_is_never_less_emissions(
    runs: list[dict[str, Any]], instruments: list[dict[str, Any]], more: Decimal
) -> None:
    clean = [one for one in instruments if one["intensity_gco2e_per_kwh"] < MIX]
    before = market(runs, clean)
    (month, low, value, high), *others = runs[0]["hours"]
    grown = [{**runs[0], "hours": [(month, low + more, value + more, high + more), *others]}, *runs[1:]]
    after = market(grown, clean)
    for name in ("operational_kgco2e", "operational_market_kgco2e"):
        assert after["r0"][name] >= before["r0"][name] - NWH
        assert sum(row[name] for row in after.values()) >= sum(row[name] for row in before.values()) - 100 * NWH


@CHECKS
@given(RUNS, INSTRUMENTS)
def test_splitting_a_run_leaves_the_totals(runs: list[dict[str, Any]], instruments: list[dict[str, Any]]) -> None:
    whole = market(runs, instruments)
    parts = [
        {**run, "id": f"{run['id']}-{number}", "hours": [hour]}
        for run in runs
        for number, hour in enumerate(run["hours"])
    ]
    split = market(parts, instruments)
    for name in ("facility_energy_kwh", "operational_kgco2e", "operational_market_kgco2e", "market_covered_kwh"):
        one, other = (sum(row[name] for row in found.values()) for found in (whole, split))
        # a share is cut to a millionth of a millionth, of each stretch
        assert abs(one - other) <= Decimal("1e-9") * (1 + one), name
    assert allocations(whole).keys() == allocations(split).keys()


def test_all_is_covered_where_enough_was_bought_and_no_mix_is_needed() -> None:
    runs = [{"id": "a", "site": "s", "zone": "DE", "hours": [(1, 10, 10, 10), (2, 20, 20, 20)]}]
    found = market(runs, [instrument("i", 30, zone="DE")])["a"]
    assert (found["operational_market_kgco2e"], found["market_covered_kwh"]) == (0, 30)
    half = market(runs, [instrument("i", 15, zone="DE")])["a"]
    assert half["operational_market_kgco2e"] == Decimal("7.5")


def test_unbounded_energy_leaves_the_high_end_of_the_market_based_figure_unknown() -> None:
    runs = [{"id": "a", "site": "s", "zone": "DE", "hours": [(1, 10, 10, 10)]}]
    runs.append({"id": "b", "site": "s", "zone": "DE", "hours": [(1, 10, 10, 10)]})
    found = market(runs, [instrument("i", 10, zone="DE")])
    assert found["a"]["operational_market_kgco2e_high"] == Decimal("2.5")
    (month, low, value, _), runs[1]["hours"] = runs[1]["hours"][0], []
    runs[1]["hours"] = [(month, low, value, "1e19")]  # as if anything
    found = market(runs, [instrument("i", 10, zone="DE")])
    assert found["a"]["operational_market_kgco2e"] == Decimal("2.5")
    assert found["a"]["operational_market_kgco2e_high"] == Decimal(5)  # nothing is sure to be covered
