"""Energy against an exact calculator of our own, in fractions, on random readings."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green import stages
from green.sql import text_of
from tests.core.helper import START, Work, fetched, smi

HOUR_US = 3_600_000_000
T0 = int(START.timestamp()) * 1_000_000
Reading = tuple[str, int, int]  # device, µs after T0, µW


@pytest.fixture(scope="module", params=[1, 2], ids=["1 thread", "2 threads"])
def con(request: pytest.FixtureRequest) -> Iterator[duckdb.DuckDBPyConnection]:
    with stages.connect(threads=request.param) as con:
        con.execute("CREATE TABLE kept (run_id VARCHAR, device_id VARCHAR, t BIGINT, p DOUBLE, gap BIGINT)")
        con.execute(
            "CREATE TEMP VIEW samples AS SELECT run_id, device_id, make_timestamptz(t) AS sampled_at, p AS power_w,"
            " NULL::DOUBLE AS energy_j, gap AS max_gap_us FROM kept ORDER BY run_id, device_id, t, p"
        )
        for table in ("statement", "factor"):
            stages.bind(con, table, [])
        yield con


def energy(con: duckdb.DuckDBPyConnection, readings: list[Reading], gap_us: int) -> list[dict[str, Any]]:
    """Run the stage's own SQL on readings of one run, which lasts from the first to the last of them."""
    con.execute("DELETE FROM kept")
    con.executemany("INSERT INTO kept VALUES ('r', ?, ?, ?, ?)", [(d, T0 + t, p / 1e6, gap_us) for d, t, p in readings])
    start, end = (f(t for _, t, _ in readings) + T0 for f in (min, max))
    for table, rows in (
        ("run", [("r", {"started_at": f"make_timestamptz({start})", "ended_at": f"make_timestamptz({end})"})]),
        ("device", [(d, {"device_id": f"'{d}'"}) for d in sorted({d for d, _, _ in readings})]),
    ):
        selects = []
        for _, values in rows:
            given = {"run_id": "'r'", **values}
            if table == "device":
                given |= {"component": "'gpu'", "origin": "'log'", "count": "1", "share": "1", "first_at": "now()"}
                given |= {"rated_power_w": "1000", "first_at": f"make_timestamptz({start})"}
                given |= {"last_at": f"make_timestamptz({end})"}
            columns = ", ".join(
                f'CAST({given.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in stages.COLUMNS[table].items()
            )
            selects.append(f"SELECT {columns}")
        con.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {' UNION ALL '.join(selects)}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE out AS {_energy()}")
    return fetched(con, "SELECT * FROM out")


def _energy() -> str:
    return text_of("energy").replace("$max_gap_us", "NULL").replace("$model_rest", "NULL")


def exact(
    readings: list[Reading], gap_us: int
) -> tuple[dict[tuple[str, int], Fraction], dict[str, int], dict[str, int]]:
    """Return kWh by device and hour, covered and uncovered µs by device: the trapezoid rule and the gap rule."""
    kwh: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
    covered: dict[str, int] = defaultdict(int)
    uncovered: dict[str, int] = defaultdict(int)
    start, end = (f(t for _, t, _ in readings) for f in (min, max))
    by_device: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for device, t, p in readings:
        by_device[device].append((t, p))
    for device, own in by_device.items():
        own.sort()
        uncovered[device] += own[0][0] - start + end - own[-1][0]
        for (t0, p0), (t1, p1) in pairwise(own):
            if t1 - t0 > gap_us:
                uncovered[device] += t1 - t0
                continue
            covered[device] += t1 - t0
            cut = t0
            while cut < t1:
                hour = (T0 + cut) // HOUR_US
                stop = min(t1, (hour + 1) * HOUR_US - T0)
                a, b = (p0 + Fraction((p1 - p0) * (x - t0), t1 - t0) for x in (cut, stop))
                kwh[device, hour] += (a + b) / 2 * (stop - cut) / Fraction(3_600_000 * 10**12)
                cut = stop
    return kwh, covered, uncovered


OFFSETS = (0, 0, 1, -1, 45_000_000, -45_000_000, 600_000_000, -600_000_000, -1_799_999_999)
TIMES = st.one_of(  # most stand close to a full hour, where intervals end, begin and straddle
    st.builds(lambda hour, offset: hour * HOUR_US + offset, st.integers(1, 2), st.sampled_from(OFFSETS)),
    st.integers(0, 3 * HOUR_US),
)
POWERS = st.one_of(st.integers(0, 10**12), st.sampled_from([0, 1, 10**12, 250_000_000]))
READINGS = st.lists(st.tuples(st.sampled_from(["a", "a", "c/d"]), TIMES, POWERS), min_size=1, max_size=25)
GAPS = st.sampled_from([1, 60_000_000, 20 * 60_000_000, HOUR_US])
CHECKS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def close(found: Any, expected: Fraction) -> bool:
    # 1e-18 kWh is the place that is stored; the cut at an hour is rounded to half a picojoule
    return abs(Fraction(found) - expected) <= max(expected * Fraction(1, 10**12), Fraction(2, 10**18))


@CHECKS
@given(READINGS, GAPS)
def test_energy_is_the_exact_trapezoid_hour_by_hour(
    con: duckdb.DuckDBPyConnection, readings: list[Reading], gap_us: int
) -> None:
    rows = energy(con, readings, gap_us)
    kwh, covered, uncovered = exact(readings, gap_us)
    hours: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
    for row in rows:
        device = row["answer"].rpartition("/")[0]
        assert row["is_counted"] or row["energy_kwh"] is None or covered[device] == 0
        if row["covered_s"]:
            hours[device, int(row["from_at"].timestamp()) // 3600] += Fraction(row["energy_kwh"])
    for key in kwh.keys() | hours.keys():
        assert close(hours[key], kwh[key]), (key, hours[key], kwh[key])
    for device in {d for d, _, _ in readings}:
        own = [row for row in rows if row["answer"] == f"{device}/sampled"]
        assert sum(Fraction(row["energy_kwh"] or 0) for row in own) == sum(
            value for (name, _), value in hours.items() if name == device
        )
        assert sum(row["covered_s"] for row in own) == pytest.approx(covered[device] / 1e6, abs=1e-6)
        assert sum(row["uncovered_s"] for row in own) == pytest.approx(uncovered[device] / 1e6, abs=1e-6)
        if not covered[device]:
            assert all(row["energy_kwh"] is None for row in own), "no covered time is unknown, never 0"


@CHECKS
@given(READINGS, GAPS, st.integers(2, 1000))
def test_energy_scales_with_power(con: duckdb.DuckDBPyConnection, readings: list[Reading], gap_us: int, k: int) -> None:
    small = [(d, t, p // 1000) for d, t, p in readings]
    ones = {(r["answer"], r["from_at"], bool(r["covered_s"])): r["energy_kwh"] for r in energy(con, small, gap_us)}
    many = energy(con, [(d, t, p * k) for d, t, p in small], gap_us)
    assert len(ones) == len(many)
    for row in many:
        one = ones[row["answer"], row["from_at"], bool(row["covered_s"])]
        assert (one is None) == (row["energy_kwh"] is None)
        assert (
            one is None
            or abs(Fraction(row["energy_kwh"]) - k * Fraction(one))
            <= Fraction(k, 10**17) + Fraction(row["energy_kwh"]) / 10**12
        )


@CHECKS
@given(READINGS, GAPS)
def test_low_value_and_high_stand_in_order_and_high_holds_the_uncovered_time(
    con: duckdb.DuckDBPyConnection, readings: list[Reading], gap_us: int
) -> None:
    rows = energy(con, readings, gap_us)
    for row in rows:
        if row["energy_kwh"] is not None and row["energy_low_kwh"] is not None and row["energy_high_kwh"] is not None:
            assert row["energy_low_kwh"] <= row["energy_kwh"] <= row["energy_high_kwh"]
        if row["uncovered_s"]:
            assert Fraction(row["energy_high_kwh"]) >= Fraction(1000) * Fraction(row["uncovered_s"]) / 3_600_001


def shuffled_log(folder: Path, readings: list[tuple[int, float]], seed: int | None) -> list[dict[str, Any]]:
    lines = list(readings)
    if seed is not None:
        random.Random(seed).shuffle(lines)  # noqa: S311 -- a seeded order
    work = Work(folder)
    work.put("gpu.csv", smi(lines))
    work.ingest()
    return work.rows("samples")


def test_order_of_lines_changes_no_sample(tmp_path: Path) -> None:
    readings = [(n * 1000 + n * n * 100, 100.0 + n) for n in range(30)]
    keys = ("run_id", "device_id", "sampled_at", "power_w", "max_gap_us")
    expected = [[row[key] for key in keys] for row in shuffled_log(tmp_path / "0", readings, None)]
    for seed in (1, 2):
        found = [[row[key] for key in keys] for row in shuffled_log(tmp_path / str(seed), readings, seed)]
        assert found == expected


def test_unsorted_parquet_gives_what_sorted_gives(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("gpu.csv", smi([(n * 1000, 100.0 + n * n) for n in range(50)]))
    work.put("b.csv", smi([(n * 1000, 50.0) for n in range(50)]))
    work.ingest()
    work.stage("energy")
    expected = work.rows("energy")
    (file,) = stages.files_of("samples", work.results, ["all"])
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE s AS FROM read_parquet('{file}')")
        con.execute(f"COPY (FROM s ORDER BY md5(sampled_at::VARCHAR || run_id)) TO '{file}' (FORMAT parquet)")
    work.stage("energy")
    assert work.rows("energy") == expected
