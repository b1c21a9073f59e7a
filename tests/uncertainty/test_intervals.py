"""Where an interval comes from: sources, hours, and what is stated and not used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from green import stages
from tests.core.helper import SHARD, Work, smi

YEAR_H = 8760


def assessed(folder: Path, *records: str, logs: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the runs of some records, in their order."""
    work = Work(folder)
    for number, record in enumerate(records):
        work.put(f"r{number}/run.yaml", record)
    for name, text in (logs or {}).items():
        work.put(name, text)
    work.compute()
    runs = work.runs()
    return [runs[f"r{number}"] for number in range(len(records))]


HEADER = "factor_id,quantity,subject,value,low,high,unit,valid_from,valid_to,method,source,url,licence,note"


def test_embodied_carbon_is_the_best_source_in_the_span_of_all_over_all_lifetimes(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    sources = [("a", 100, "", "", "maker"), ("b", 150, 140, 160, "bottom-up"), ("c", 90, 80, "", "published")]
    lines = [f"{i},embodied,Widget,{v},{low},{high},kgCO2e,,,{m},us,,own," for i, v, low, high, m in sources]
    lives = [f"life-{v},lifetime,Widget,{v},,,h,,,published,us,,own," for v in (10_000, 40_000)]
    table.write_text("\n".join([HEADER, *lines, *lives]) + "\n", encoding="utf-8")
    work = Work(tmp_path / "work")
    work.put("a/run.yaml", "duration: 10 h\nhardware: [{device: Widget, component: gpu}]\n")
    work.ingest()
    stage, out = stages.STAGES["embodied"], work.results / "embodied.parquet"
    stages.run(stage, work.results, [SHARD], out, settings={"lifetime_h": None}, factor_files=[str(table)])
    (row,) = work.rows("embodied")
    assert [float(row[f"embodied_{end}kgco2e"]) for end in ("low_", "", "high_")] == [80 / 4000, 100 / 1000, 160 / 1000]


HARDWARE = "hardware: [{device: X, count: 2, average_power: 100 W, embodied: 100 kgCO2e, lifetime: 1 y}]\n"


def test_hours_carry_their_interval_into_energy_embodied_carbon_and_cost(tmp_path: Path) -> None:
    rest = "site: {pue: 1}\ncost: {device_hour: 1 USD}\n" + HARDWARE
    duration, hours, both = assessed(
        tmp_path,
        "duration: 100 h ± 10 %\n" + rest,
        "device_hours: {value: 200 h, high: 220 h}\n" + rest,
        "duration: 100 h ± 50 %\ndevice_hours: 200 h ± 10 %\n" + rest,
    )
    for run, low in ((duration, 0.9), (hours, 1.0), (both, 0.9)):
        for name, value in (("energy_kwh", 20), ("embodied_kgco2e", 100 * 200 / YEAR_H), ("cost_usd", 200)):
            got = [float(run[f"{name}{end}"]) for end in ("_low", "", "_high")]
            assert got == pytest.approx([value * low, value, value * 1.1]), (name, got)
        assert "INTERVAL_UNUSED" not in run["flags"]
    assert "NO_INTERVAL" not in duration["flags"]


def test_a_run_that_may_outlive_its_device_is_charged_at_most_all_of_it(tmp_path: Path) -> None:
    (run,) = assessed(tmp_path, "duration: 1 y ± 50 %\n" + HARDWARE)
    assert [float(run[f"embodied_kgco2e{end}"]) for end in ("_low", "", "_high")] == [100, 200, 200]


@pytest.mark.parametrize(
    "record",
    [
        "duration: 1 h\nhardware: [{device: X, average_power: 9 W, share: 0.5 ± 0.1}]\n",
        "duration: 1 h\nhardware: [{device: X, average_power: 9 W, utilisation: 0.5 ± 0.1}]\n",
        "duration: 1 h ± 5 %\nstarted_at: 2026-03-01T08:00:00Z\nended_at: 2026-03-01T09:00:00Z\n" + HARDWARE,
    ],
)
def test_an_interval_that_nothing_uses_is_flagged(tmp_path: Path, record: str) -> None:
    (run,) = assessed(tmp_path, record)
    assert "INTERVAL_UNUSED" in run["flags"]
    assert run["energy_kwh_low"] == run["energy_kwh"]


def test_an_interval_of_the_duration_beside_readings_is_flagged(tmp_path: Path) -> None:
    log = smi([(second * 1000, 300) for second in range(0, 61, 10)])
    plain, stated = assessed(
        tmp_path, "duration: 60 s\n", "duration: 60 s ± 5 s\n", logs={"r0/smi.csv": log, "r1/smi.csv": log + "\n"}
    )
    assert "INTERVAL_UNUSED" not in plain["flags"]
    assert "INTERVAL_UNUSED" in stated["flags"]
    assert stated["energy_kwh_high"] == plain["energy_kwh_high"]


def test_the_error_of_a_sensor_does_not_shrink_with_readings_or_devices(tmp_path: Path) -> None:
    few = smi([(second * 1000, 300) for second in range(0, 601, 60)])
    many = smi([(second * 1000, 300) for second in range(601)])
    one, other = assessed(tmp_path, "model: a\n", "model: b\n", logs={"r0/smi.csv": few, "r1/smi.csv": many})
    for run in (one, other):
        assert float(run["energy_kwh_low"] / run["energy_kwh"]) == pytest.approx(0.95)
        assert float(run["energy_kwh_high"] / run["energy_kwh"]) == pytest.approx(1.05)
