"""Emissions: what must hold of every run, whatever was declared of it."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import factors, stages
from green.config import Config
from green.sql import text_of
from green.tables import PHYSICAL
from tests.core.helper import Work, fetched, steady

ULP = Decimal("1e-12")  # of the formulas in DOUBLE
CHECKS = settings(max_examples=10, deadline=None)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a place to compute the emissions of records."""
    return Bench(tmp_path_factory.mktemp("emissions"))


class Bench(Work):
    def of(self, records: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the emissions of runs, each from its record."""
        import json  # noqa: PLC0415 -- records are written here alone
        import shutil  # noqa: PLC0415 -- likewise

        shutil.rmtree(self.folder, ignore_errors=True)
        for name, record in records.items():
            self.put(f"{name}/run.json", json.dumps(record))
        self.ingest()
        with stages.connect() as con:
            factors.load(con, [])
            for table in ("run", "device", "samples", "statement"):
                stages.bind(con, table, stages.files_of(table, self.results, ["all"]))
            stages.bind(con, "series", [])
            stages.bind(con, "instrument", [])
            given = stages.settings_of(Config(logs="x"))
            for name, stage in stages.STAGES.items():
                sql = text_of(name)
                for key, value in given[name].items():
                    assert value is None
                    sql = sql.replace(f"${key}", "NULL")
                typed = ", ".join(f'CAST("{c}" AS {kind}) AS "{c}"' for c, kind in stage.gives.items())
                con.execute(f"CREATE TEMP TABLE {name}_out AS SELECT {typed} FROM ({sql})")
                con.execute(f"CREATE TEMP VIEW {name} AS FROM {name}_out")
            return {row["run_id"]: row for row in fetched(con, "FROM emissions")}


def quantity(low: float, high: float, unit: str) -> st.SearchStrategy[Any]:
    """Give a quantity of a unit: plain, with a tolerance, or as an interval."""
    number = st.floats(low, high).map(lambda x: float(f"{x:.6g}"))

    def interval(three: list[float]) -> dict[str, str]:
        a, b, c = sorted(three)
        return {"low": f"{a!r} {unit}", "value": f"{b!r} {unit}", "high": f"{c!r} {unit}"}

    return st.one_of(
        number.map(lambda x: f"{x!r} {unit}"),
        st.lists(number, min_size=3, max_size=3).map(interval),
    )


SITE = st.fixed_dictionaries(
    {},
    optional={
        "region": st.sampled_from(["DE", "SE", "US", "gcp:us-central1", "nowhere"]),
        "pue": st.floats(1, 3).map(lambda x: round(x, 3)),
        "intensity": quantity(1, 1500, "gCO2e/kWh"),
        "market_intensity": quantity(0.1, 900, "gCO2e/kWh"),
        "wue": quantity(0.1, 9, "L/kWh"),
        "ewif": quantity(0.1, 9, "L/kWh"),
    },
)
DEVICE = st.fixed_dictionaries(
    {"device": st.sampled_from(["NVIDIA A100-SXM4-80GB", "Intel Xeon", "Mystery 9000"])},
    optional={
        "count": st.integers(1, 64),
        "average_power": quantity(1, 900, "W"),
        "rated_power": quantity(1, 900, "W"),
        "load": st.floats(0.01, 1).map(lambda x: round(x, 3)),
        "embodied": quantity(1, 3000, "kgCO2e"),
        "lifetime": quantity(1, 9, "y"),
        "utilisation": st.floats(0.01, 1).map(lambda x: round(x, 3)),
        "share": st.floats(0.01, 1).map(lambda x: round(x, 3)),
    },
)
RECORD = st.fixed_dictionaries(
    {"site": SITE},
    optional={
        "started_at": st.sampled_from(["2019-12-31T23:00:00Z", "2024-06-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
        "duration": quantity(0.1, 90000, "h"),
        "hardware": st.lists(DEVICE, max_size=3),
        "device_hours": quantity(1, 1e6, "h"),
        "energy": st.fixed_dictionaries(
            {"total": quantity(0.001, 1e6, "kWh")}, optional={"basis": st.sampled_from(["device", "wall", "facility"])}
        ),
        "cost": st.fixed_dictionaries({}, optional={"device_hour": quantity(0.1, 9, "USD")}),
    },
)


@CHECKS
@given(st.lists(RECORD, min_size=1, max_size=6))
def test_value_lies_in_its_interval_and_totals_are_known_where_their_parts_are(
    work: Bench, records: list[dict[str, Any]]
) -> None:
    runs = work.of({f"r{n}": record for n, record in enumerate(records)})
    for run_id, row in runs.items():
        for name in PHYSICAL:
            value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
            if value is not None:
                assert low is None or low <= value + ULP * value, (run_id, name, low, value)
                assert high is None or value <= high + ULP * value, (run_id, name, value, high)
        op, em, total = row["operational_kgco2e"], row["embodied_kgco2e"], row["emissions_kgco2e"]
        assert total == (None if op is None or em is None else op + em)
        on, off, water = row["water_onsite_l"], row["water_offsite_l"], row["water_l"]
        assert water == (None if on is None or off is None else on + off)
        assert (row["facility_energy_kwh"] is not None) or (op is None and row["operational_market_kgco2e"] is None)
        if total is None:
            assert row["unknown_reasons"], run_id


@CHECKS
@given(st.floats(0.001, 1e6), st.floats(1, 3), st.sampled_from(["device", "host", "wall", "facility"]))
def test_pue_is_applied_once_and_never_to_energy_of_the_facility(
    work: Bench, kwh: float, pue: float, basis: str
) -> None:
    energy = {"total": f"{kwh!r} kWh", "basis": basis}
    site = {"intensity": "500 gCO2e/kWh"}
    runs = work.of(
        {"with": {"energy": energy, "site": {**site, "pue": pue}}, "without": {"energy": energy, "site": site}}
    )
    row, bare = runs["with"], runs["without"]
    it, facility = (kwh / pue, kwh) if basis == "facility" else (kwh, kwh * pue)
    assert float(row["energy_kwh"]) == pytest.approx(it, rel=1e-12, abs=1e-17)
    assert float(row["facility_energy_kwh"]) == pytest.approx(facility, rel=1e-12, abs=1e-17)
    assert float(row["operational_kgco2e"]) == pytest.approx(facility * 0.5, rel=1e-12, abs=1e-17)
    assert (bare["energy_kwh"] is None) == (basis == "facility")
    assert (bare["facility_energy_kwh"] is None) == (basis != "facility")
    assert (bare["operational_kgco2e"] is None) == (basis != "facility")
    assert "NO_PUE" in bare["unknown_reasons"]


UNKNOWN = [
    ({}, set(PHYSICAL)),
    ({"energy": {"total": "5 kWh"}}, set(PHYSICAL)),  # of what basis?
    (
        {"energy": {"total": "5 kWh", "basis": "wall"}},
        set(PHYSICAL) - {"energy_kwh"},
    ),
    (
        {"energy": {"total": "5 kWh", "basis": "wall"}, "site": {"pue": 1.2}},
        set(PHYSICAL) - {"energy_kwh", "facility_energy_kwh"},
    ),
    (
        {"energy": {"total": "5 kWh", "basis": "wall"}, "site": {"pue": 1.2, "intensity": "9 gCO2e/kWh"}},
        set(PHYSICAL) - {"energy_kwh", "facility_energy_kwh", "operational_kgco2e"},
    ),
    (
        {"hardware": [{"device": "Mystery 9000", "average_power": "5 W"}], "site": {"pue": 1, "region": "DE"}},
        set(PHYSICAL),  # for how long?
    ),
    (
        {
            "duration": "1 h",
            "hardware": [
                {"device": "Mystery 9000", "average_power": "5 W"},
                {"device": "X", "embodied": "9 kgCO2e", "lifetime": "1 y"},
            ],
            "site": {"pue": 1, "intensity": "9 gCO2e/kWh"},
        },
        {"embodied_kgco2e", "emissions_kgco2e", "operational_market_kgco2e", "cost_usd"}
        | {"water_onsite_l", "water_offsite_l", "water_l"},
    ),
]


def test_unknown_stays_null_through_every_stage_and_no_more_than_that(work: Bench) -> None:
    runs = work.of({f"r{n}": record for n, (record, _) in enumerate(UNKNOWN)})
    for number, (record, unknown) in enumerate(UNKNOWN):
        row = runs[f"r{number}"]
        assert {name for name in PHYSICAL if row[name] is None} == unknown, record
        for name in unknown:
            assert row[f"{name}_low"] is None, (record, name)


def test_scaling_the_power_of_a_log_scales_energy_and_emissions(tmp_path: Path) -> None:
    work = Work(tmp_path)
    for k in (1, 3):
        work.put(f"r{k}/run.yaml", "site: {pue: 1.25, intensity: 400 gCO2e/kWh}\n")
        work.put(f"r{k}/gpu.csv", steady(100.0 * k, 36))
    work.compute()
    one, three = work.runs()["r1"], work.runs()["r3"]
    assert float(one["energy_kwh"]) == pytest.approx(100 * 30 / 3.6e6, rel=1e-12)
    for name in ("energy_kwh", "facility_energy_kwh", "operational_kgco2e"):
        assert three[name] == pytest.approx(3 * one[name], abs=Decimal("1e-17")), name


def test_threads_and_the_order_of_files_change_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"r{n:02d}" for n in range(12)]
    made = []
    for threads, order in ((1, names), (2, names[::-1])):
        work = Work(tmp_path / str(threads))
        for name in order:
            number = int(name[1:])
            work.put(f"{name}/run.yaml", f"site: {{region: DE, pue: 1.{number}}}\nteam: t{number % 3}\n")
            work.put(f"{name}/gpu.csv", steady(100.1 + 0.3 * number, 7200, 60))
            work.put(f"{name}/b.csv", steady(33.3 + 0.7 * number, 3600, 30))
        connect = stages.connect
        with monkeypatch.context() as patch:
            patch.setattr(stages, "connect", partial(connect, threads=threads))
            work.compute()
        made.append([work.rows("energy"), work.rows("embodied"), work.rows("emissions")])
    assert made[0] == made[1]
    assert len(made[0][2]) == 12
