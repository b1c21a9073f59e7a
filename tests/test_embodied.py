"""Embodied carbon of whole servers: what must hold for any bill, and the way from a record to the store and back."""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green import explain, factors, stages
from green.audit import store
from green.audit.verify import verify
from green.hardware import bill
from green.model import Device
from green.sql import text_of
from tests.core.helper import Work, smi
from tests.sql.test_sql import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

DEVICE = {
    "run_id": "a",
    "component": "host",
    "name": "X",
    "device_key": "x",
    "count": 1,
    "share": 1,
    "is_embodied": True,
    "lifetime_h": 1,
}
QUICK = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the tables are replaced in each example
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with stages.connect() as opened:
        factors.load(opened)
        yield opened


def charged(
    con: duckdb.DuckDBPyConnection, devices: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]] = ()
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of the embodied stage over the factors that we ship."""
    load(con, "run", list(runs) or [{"run_id": "a", "duration_s": 3600}])
    load(con, "device", [{**DEVICE, "device_id": f"d{n:03d}", **one} for n, one in enumerate(devices)])
    got = con.execute(text_of("embodied"), {"lifetime_h": None})
    names = [column[0] for column in got.description]
    found = [dict(zip(names, row, strict=True)) for row in got.fetchall()]
    return {(row["run_id"], row["device_id"]): row for row in found}


def totals(con: duckdb.DuckDBPyConnection, *bills: str) -> list[dict[str, Any]]:
    return [row for _, row in sorted(charged(con, [{"bill": one} for one in bills]).items())]


STAGES = ("manufacture_kgco2e", "transport_kgco2e", "end_of_life_kgco2e")


def measured(footprint: str | None) -> dict[str, tuple[float, float, float]]:
    """Read the text of a footprint: name=value,low,high, or name=value."""
    found = {}
    for cell in (footprint or "footprint").split(";")[1:]:
        name, _, text = cell.partition("=")
        ends = [float(one) for one in text.split(",")]
        found[name] = (ends[0], ends[-2], ends[-1]) if len(ends) == 3 else (ends[0],) * 3
    return found


def amount(low: float, high: float) -> st.SearchStrategy[str]:
    """Write a value with an interval, or without."""
    number = st.floats(low, high, allow_nan=False).map(lambda one: round(one, 3))
    return st.one_of(number.map(str), st.tuples(number, number, number).map(lambda t: "{1},{0},{2}".format(*sorted(t))))


COUNT = st.integers(1, 64)
PART = st.one_of(
    st.builds("cpu;count={};die_mm2={}".format, COUNT, amount(1, 2000)),
    st.builds("ram;capacity_gb={};count={}".format, amount(1, 512), COUNT),
    st.builds("ram;capacity_gb={};count={};density_gb_per_cm2={}".format, amount(1, 512), COUNT, amount(0.1, 9)),
    st.builds("ssd;capacity_gb={};count={}".format, amount(100, 30000), COUNT),
    st.builds("psu;count={};mass_kg={}".format, COUNT, amount(0.1, 9)),
    st.builds("{};count={}".format, st.sampled_from(["hdd", "board", "chassis", "blade", "assembly"]), COUNT),
    st.builds(
        (
            "gpu;boat_km={};casing_kg={};count={};die_mm2={};heatsink_kg={};mass_kg={};memory_dies={};memory_gb={};"
            "pwb_cm2={}"
        ).format,
        amount(0, 20000),
        amount(0, 2),
        COUNT,
        amount(10, 2000),
        amount(0, 3),
        amount(0.1, 5),
        st.integers(1, 24),
        amount(8, 288),
        amount(10, 900),
    ),
    st.builds("gpu;count={};device=h100 sxm5 80gb".format, COUNT),
    st.builds("other;count={};embodied_kgco2e={}".format, COUNT, amount(0, 500)),
)
BILL = st.lists(PART, min_size=1, max_size=8)


@QUICK
@given(st.lists(BILL, min_size=1, max_size=10))
def test_value_of_any_bill_lies_in_its_interval(con: duckdb.DuckDBPyConnection, bills: list[list[str]]) -> None:
    for row in totals(con, *("|".join(one) for one in bills)):
        assert row["reason"] is None, row
        assert row["embodied_low_kgco2e"] <= row["embodied_kgco2e"] <= row["embodied_high_kgco2e"]
        measures = measured(row["footprint"])
        assert all(low <= value <= high for value, low, high in measures.values())
        apart = [measures[name][0] for name in STAGES if name in measures]
        assert sum(apart) <= float(row["embodied_kgco2e"]) * (1 + 1e-9)


@QUICK
@given(BILL, st.randoms(use_true_random=False), st.integers(1, 40), st.integers(1, 40))
def test_order_and_splitting_of_a_bill_leave_every_digit(
    con: duckdb.DuckDBPyConnection, parts: list[str], order: random.Random, one: int, other: int
) -> None:
    whole = f"cpu;count={one + other};die_mm2=123.4|"
    split = f"cpu;count={one};die_mm2=123.4|cpu;count={other};die_mm2=123.4|"
    shuffled = order.sample(parts, len(parts))
    first, second, third = totals(con, whole + "|".join(parts), whole + "|".join(shuffled), split + "|".join(parts))
    for key in ("embodied_kgco2e", "embodied_low_kgco2e", "embodied_high_kgco2e", "life_cycle_stages", "footprint"):
        assert first[key] == second[key] == third[key], key


@QUICK
@given(BILL, COUNT, st.floats(1, 500), st.floats(1, 500))
def test_more_parts_and_larger_ones_never_embody_less(
    con: duckdb.DuckDBPyConnection, parts: list[str], count: int, capacity: float, die: float
) -> None:
    rest = "|" + "|".join(parts)
    small, many, large, wide = totals(
        con,
        f"ram;capacity_gb={capacity};count={count}|cpu;count=1;die_mm2={die}{rest}",
        f"ram;capacity_gb={capacity};count={count + 1}|cpu;count=1;die_mm2={die}{rest}",
        f"ram;capacity_gb={capacity * 1.5};count={count}|cpu;count=1;die_mm2={die}{rest}",
        f"ram;capacity_gb={capacity};count={count}|cpu;count=1;die_mm2={die * 1.5}{rest}",
    )
    for end in ("embodied_kgco2e", "embodied_low_kgco2e", "embodied_high_kgco2e"):
        assert small[end] < min(many[end], large[end], wide[end])


@QUICK
@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 500)), min_size=1, max_size=20), st.floats(0.2, 1))
def test_runs_of_a_machine_that_do_not_overlap_never_exceed_it(
    con: duckdb.DuckDBPyConnection, times: list[tuple[float, float]], used: float
) -> None:
    hours = [run for _, run in times]
    life_h = sum(map(sum, times)) + 1  # the last run ends within the lifetime
    fits = sum(hours) <= life_h * used  # of used hours there are no more than the share that is used
    runs = [{"run_id": f"r{n}", "duration_s": h * 3600} for n, h in enumerate(hours)]
    devices = [
        {"run_id": f"r{n}", "lifetime_h": life_h, "utilisation": used if fits else 1, "embodied_kgco2e": 1500}
        for n in range(len(hours))
    ]
    found = charged(con, devices, runs)
    assert sum(row["embodied_kgco2e"] for row in found.values()) <= Decimal("1500.000000001")


@QUICK
@given(st.lists(st.tuples(st.floats(1e-6, 1e9), st.floats(0.01, 1)), min_size=1, max_size=10), st.floats(1, 1e6))
def test_no_run_is_charged_more_than_its_share_of_the_whole_machine(
    con: duckdb.DuckDBPyConnection, runs: list[tuple[float, float]], life_h: float
) -> None:
    given_runs = [{"run_id": f"r{n}", "duration_s": h * 3600} for n, (h, _) in enumerate(runs)]
    devices = [
        {"run_id": f"r{n}", "share": share, "lifetime_h": life_h, "embodied_kgco2e": 100}
        for n, (_, share) in enumerate(runs)
    ]
    found = charged(con, devices, given_runs)
    for n, (_, share) in enumerate(runs):
        assert float(found[f"r{n}", f"d{n:03d}"]["embodied_kgco2e"]) <= 100 * share * (1 + 1e-12)


def test_a_bill_reads_the_same_in_any_order_of_its_parts() -> None:
    parts = [
        {"part": "ram", "count": 32, "capacity": "64 GB", "density": {"value": "1.2 GB/cm2", "low": "0.6 GB/cm2"}},
        {"part": "cpu", "count": 2, "device": "AMD EPYC 7R13", "die": "10.64 cm2"},
        {"part": "psu", "mass": "2990 g ± 10 %"},
    ]
    written = "cpu;count=2;device=epyc 7r13;die_mm2=1064|psu;count=1;mass_kg=2.99,2.691,3.289"
    written += "|ram;capacity_gb=64;count=32;density_gb_per_cm2=1.2,0.6,"
    for order in (parts, parts[::-1], [parts[1], parts[2], parts[0]]):
        assert bill(Device.model_validate({"device": "X", "parts": order})) == written
    assert bill(Device.model_validate({"device": "X"})) is None


# The data sheet of a DGX H100 through the method of Boavizta 2.5.0: 10,570.18 kg (8,143.07 to 17,047.91), computed by
# its own server; the accelerators 575.0979 kg each.
GPU = (
    '{part: gpu, count: 8, casing: "0.78923 kg", heatsink: "0.90077 kg", pwb: "296.37 cm2", die: "814 mm2",'
    ' memory: "80 GB", memory_dies: 6, mass: "1.69 kg", boat: "19000 km", truck: "1000 km", plane: "0 km"}'
)
PARTS = f"""
  - {{part: cpu, count: 2, die: "1908 mm2"}}
  - {{part: ram, count: 32, capacity: "64 GB"}}
  - {{part: ssd, count: 8, capacity: "3840 GB"}}
  - {GPU}
  - {{part: psu, count: 6, mass: "4 kg"}}
  - {{part: chassis}}
  - {{part: board}}
  - {{part: assembly}}
"""
SERVER = f"""
started_at: 2026-03-01T00:00:00Z
ended_at: 2026-03-11T00:00:00Z
site: {{region: DE, pue: 1.2}}
hardware:
- device: our 8-GPU node
  component: host
  serial: node-17
  lifetime: "240 h"
  average_power: "5 kW"
  parts:{PARTS}"""
WRONG = """
duration: 1 h
hardware:
- device: their node
  component: host
  parts:
  - {part: ram, die: "3 mm2"}
  - {part: psu, mass: "3 kW"}
  - {part: fan}
  - {part: hdd}
- {device: NVIDIA A100-SXM4-80GB, parts: {part: hdd}}
- device: NVIDIA H100 SXM5 80GB
  parts:
  - {part: other}
"""
LACKING = """
duration: 1 h
hardware:
- device: a node
  component: host
  parts:
  - {part: ram, count: 2}
  - {part: gpu, device: NVIDIA H100 SXM9 80GB}
  - {part: board}
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = Work(tmp_path_factory.mktemp("embodied"))
    made.put("server/run.yaml", SERVER)
    later = SERVER.replace("2026-03-11", "2026-03-21").replace("2026-03-01", "2026-03-11")
    made.put("later/run.yaml", later.replace("node-17", "node-18"))
    made.put("overlap/run.yaml", later.replace("2026-03-11", "2026-03-16").replace("node-17", "node-18"))
    made.put("wrong/run.yaml", WRONG)
    made.put("lacking/run.yaml", LACKING)
    log = smi([(n * 1000, 300.0) for n in range(60)])
    made.put("smi.csv", log.replace("timestamp,", "timestamp, uuid,").replace(", NVIDIA", ", GPU-1, NVIDIA"))
    made.ledgered()
    return made


def explained(work: Work, run_id: str) -> dict[str, Any]:
    with store.reader(work.store) as con:
        return explain.explain(con, run_id, "embodied")


def test_a_server_of_known_parts_is_what_boavizta_computes_for_it(work: Work) -> None:
    (row,) = work.query("SELECT * FROM embodied WHERE run_id = 'server'")
    found = [float(row[f"embodied{end}_kgco2e"]) for end in ("", "_low", "_high")]
    assert found == pytest.approx([10570.1770548715, 8143.07284077, 17047.9137137], rel=1e-6)
    assert row["embodied_total_kgco2e"] == pytest.approx(10570.1770548715, rel=1e-6)


def test_explain_gives_every_part_so_that_the_sum_can_be_redone(work: Work) -> None:
    found = explained(work, "server")
    assert found["agrees"], found["disagreements"]
    (device,) = found["figures"][0]["inputs"]
    by_part = {part["part"]: part for part in device["parts"]}
    assert len(device["parts"]) == 8
    assert by_part["cpu"]["value"] == pytest.approx(2 * (1908 * 0.0197 + 9.14))
    total = 0.0
    for part in device["parts"]:
        each = 0.0
        for term in part["terms"]:
            assert term["value"] == pytest.approx(term["amount"] * term["coefficient"])
            assert all(row["source"] and row["licence"] for row in term["factors"])
            each += term["value"]
        total += each * part["count"]
    assert total == pytest.approx(device["footprint"]["value"], rel=1e-12)
    assert [one["subject"] for one in by_part["ram"]["factors"]] == ["ram;density_gb_per_cm2"]


def test_explain_says_what_an_unknown_part_lacks_and_where(work: Work) -> None:
    found = explained(work, "lacking")["figures"][0]
    (device,) = found["inputs"]
    assert [one["code"] for one in device["unknown"]] == ["UNKNOWN_PART"]
    assert device["where"] == "lacking/run.yaml:4"
    lacks = {part["part"]: part["lacks"] for part in device["parts"]}
    assert lacks["ram"] == ["capacity"]
    assert lacks["board"] == []
    assert "NVIDIA H100 SXM5 80GB" in lacks["gpu"][0]


def test_a_wrong_part_makes_its_bill_unknown_and_nothing_else(work: Work) -> None:
    rows = [row for row in work.rows("rejects") if row["file"] == "wrong/run.yaml"]
    rejected = [(row["line"], row["reason"], row["detail"]) for row in rows]
    assert [line for line, _, _ in rejected] == [7, 8, 9, 11]
    assert [reason for _, reason, _ in rejected] == ["BAD_VALUE", "BAD_UNIT", "BAD_VALUE", "BAD_VALUE"]
    assert rejected[0][2] == "hardware.0.parts.0: a ram has no die"
    devices = {row["device_id"]: row for row in work.query("SELECT * FROM embodied WHERE run_id = 'wrong'")}
    assert devices["hardware[0]"]["reason"] == "UNKNOWN_PART"
    assert devices["hardware[1]"]["reason"] == "UNKNOWN_PART", "nothing stands in for what was written"
    assert devices["hardware[2]"]["embodied_total_kgco2e"] == 164, "a maker's footprint does"
    assert work.runs()["wrong"]["embodied_kgco2e"] is None
    assert "UNKNOWN_PART" in work.runs()["wrong"]["unknown_reasons"]


def test_stages_of_a_run_add_up_to_its_emissions(work: Work) -> None:
    rows = work.query("SELECT * FROM life_cycle WHERE run_id = 'server'")
    run = work.query("SELECT * FROM runs WHERE run_id = 'server'")[0]
    by_stage = {row["life_cycle_stage"]: row for row in rows}
    assert set(by_stage) == {"manufacture", "transport", "end_of_life", "use"}
    assert sum(row["kgco2e"] for row in rows) == pytest.approx(run["emissions_kgco2e"], rel=1e-9)
    assert by_stage["use"]["kgco2e"] == run["operational_kgco2e"]
    assert by_stage["manufacture"]["is_complete"]
    # of the accelerators alone: 8 x 1.69 kg x 1.5062 kgCO2e/kg; of the rest of the server nobody says
    assert by_stage["end_of_life"]["kgco2e"] == pytest.approx(8 * 1.69 * 1.5062)
    assert not by_stage["end_of_life"]["is_complete"]


def test_fleet_holds_runs_against_the_machine(work: Work) -> None:
    fleet = {row["machine"]: row for row in work.query("FROM fleet")}
    assert set(fleet) == {"node-17", "node-18", "GPU-1"}
    assert fleet["node-17"]["charged_ratio"] == pytest.approx(1)
    assert fleet["node-17"]["peak_ratio"] == 1
    assert fleet["node-17"]["flags"] == []
    assert fleet["node-18"]["runs"] == 2
    assert fleet["node-18"]["charged_ratio"] == pytest.approx(1.5)
    assert fleet["node-18"]["peak_ratio"] == 2
    assert fleet["node-18"]["flags"] == ["FLEET_EXCEEDED", "FLEET_OVERLAP"]


def test_what_stands_in_a_host_is_flagged_where_it_is_declared_again(tmp_path: Path) -> None:
    own = Work(tmp_path)
    host = "{device: S, component: host, lifetime: 2 h, parts: [{part: gpu, count: 8, device: NVIDIA A10}]}"
    own.put("twice/run.yaml", f"duration: 1 h\nhardware: [{host}, {{device: NVIDIA A10, count: 8}}]\n")
    own.put("once/run.yaml", f"duration: 1 h\nhardware: [{host}]\n")
    own.ledgered()
    found = {row["run_id"]: row for row in own.query("SELECT run_id, embodied_kgco2e, flags FROM runs")}
    assert found["twice"]["embodied_kgco2e"] == found["once"]["embodied_kgco2e"] == pytest.approx(8 * 184.1 / 2)
    assert found["twice"]["flags"] == ["INSIDE_HOST"]
    assert found["once"]["flags"] == []
    assert explained(own, "twice")["agrees"]


def test_criteria_of_a_processor_only_server(tmp_path: Path) -> None:
    """By hand: 1 h of 2 h of life; 2 x (500 x 5.87e-9 + 0.0204) kgSbeq and 2 x (500 x 0.265 + 156) MJ."""
    own = Work(tmp_path)
    parts = 'parts: [{part: cpu, count: 2, die: "500 mm2"}]'
    own.put("a/run.yaml", f"duration: 1 h\nhardware: [{{device: S, component: host, lifetime: 2 h, {parts}}}]\n")
    own.ledgered()
    found = {row["criterion"]: row for row in own.query("FROM criteria")}
    assert found["adp"]["value"] == pytest.approx(500 * 5.87e-9 + 0.0204)
    assert (found["adp"]["unit"], found["primary_energy"]["unit"]) == ("kgSbeq", "MJ")
    assert found["primary_energy"]["value"] == pytest.approx(500 * 0.265 + 156)
    assert not verify(own.store).wrong


def test_store_of_servers_is_proved(work: Work) -> None:
    assert verify(work.store).wrong == []


def test_every_bill_that_is_shipped_has_a_known_sum(con: duckdb.DuckDBPyConnection) -> None:
    machines = con.execute("SELECT DISTINCT subject, subject_key FROM factor WHERE quantity = 'bill'").fetchall()
    machines += con.execute("SELECT DISTINCT subject, subject_key FROM factor WHERE quantity = 'embodied'").fetchall()
    assert machines
    rows = charged(con, [{"name": name, "device_key": key} for name, key in machines])
    unknown = {row["name"] for row in rows.values() if row["embodied_kgco2e"] is None}
    assert unknown == set()
    silent = {row["name"] for row in rows.values() if row["life_cycle_stages"] is None}
    assert silent == {"cloud server base", "Google TPU v6e with its share of the host"}, "say the scope in the note"
