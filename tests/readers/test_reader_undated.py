"""A log whose times have no date is read like any other: its run's record dates it, or its length alone is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from green.readers import UNDATED_US
from green.readers.measure import YEAR_US, Stopwatch
from tests.core.helper import Work

S = 1_000_000
DATED = {"run.yaml": "started_at: 2026-03-01T08:00:00Z\n"}
UI = '"Relative Time (Process)","a - system/gpu.0.powerWatts"\n0,3600\n1,3600\n2,3600\n'
GADGET = (
    "System Time,RDTSC,Elapsed Time (sec),Cumulative Processor Energy_0(Joules)\n"
    "08:00:00:000,1,0.0,0\n08:00:02:000,2,2.0,7200\n"
)
LOGS = {"plug.csv": "elapsed_s,gpu_power_w\n5,3600\n6,3600\n7,3600\n", "ui.csv": UI, "gadget.csv": GADGET}


def run_of(tmp_path: Path, files: dict[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    work = Work(tmp_path)
    for name, text in files.items():
        work.put(f"r/{name}", text.encode())
    work.ingest()
    work.stage("energy")
    (run,) = work.rows("run")
    (energy,) = [row for row in work.rows("energy") if row["is_counted"]]
    return run, energy


@pytest.mark.parametrize("name", LOGS)
def test_a_record_dates_the_log_and_without_one_its_length_is_known(tmp_path: Path, name: str) -> None:
    run, energy = run_of(tmp_path / "dated", {name: LOGS[name], **DATED})
    assert [f"{run[key]:%m-%d %H:%M:%S}" for key in ("started_at", "ended_at")] == ["03-01 08:00:00", "03-01 08:00:02"]
    assert (run["duration_s"], run["flags"]) == (2.0, [])
    assert float(energy["energy_kwh"]) == pytest.approx(0.002)
    run, energy = run_of(tmp_path / "undated", {name: LOGS[name], "run.yaml": "team: nlp\n"})
    assert (run["started_at"], run["duration_s"], run["flags"]) == (None, 2.0, ["UNDATED"])
    assert float(energy["energy_kwh"]) == pytest.approx(0.002)


def test_two_logs_that_were_joined_count_both(tmp_path: Path) -> None:
    text = LOGS["plug.csv"] + "5.2,7200\n6.2,7200\n"
    run, energy = run_of(tmp_path, {"plug.csv": text, **DATED})
    assert float(energy["energy_kwh"]) == pytest.approx(0.004, rel=1e-5)
    assert run["duration_s"] == pytest.approx(3.0, abs=1e-5)


def test_the_first_reading_stands_at_the_start_and_a_line_out_of_order_stays_in_its_place() -> None:
    stopwatch = Stopwatch()
    placed = [stopwatch.t_us("a", t * S) - UNDATED_US for t in (100, 110, 108, 120)]
    assert placed == [0, 10 * S, 8 * S, 20 * S]
    assert stopwatch.t_us("b", 115 * S) - UNDATED_US == 15 * S  # a device that came later
    assert stopwatch.t_us("a", 100 * S) - UNDATED_US == 20 * S + 1  # the log begins again
    assert stopwatch.t_us("a", 101 * S) - UNDATED_US == 21 * S + 1


def test_a_time_that_no_run_has_moves_nothing_that_follows() -> None:
    stopwatch = Stopwatch()
    assert [stopwatch.t_us("a", t) - UNDATED_US for t in (0, 2 * YEAR_US, S)] == [0, 2 * YEAR_US, S]
