"""A run that several tools describe is counted once, and figures that cannot be right are flagged."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from green.explain import explain
from green.policy.facts import select
from tests.core.helper import START, Work, native, smi, steady

RECORD = "project: nlp\nsite: {region: DE, pue: 1.2}\n"


def one(work: Work) -> dict[str, Any]:
    work.compute()
    (run,) = work.runs().values()
    return run


def counted(work: Work) -> dict[str, float]:
    """Return J by answer of what counts."""
    found: dict[str, float] = {}
    for row in work.rows("energy"):
        if row["is_counted"] and row["energy_kwh"] is not None:
            found[row["answer"]] = found.get(row["answer"], 0.0) + float(row["energy_kwh"]) * 3.6e6
    return found


def wandb(readings: list[tuple[int, float]], gpu: int = 0) -> str:
    lines = [{"_timestamp": START.timestamp() + s, f"system.gpu.{gpu}.powerWatts": watts} for s, watts in readings]
    return "\n".join(map(json.dumps, lines)) + "\n"


EMISSIONS = (
    "timestamp,project_name,run_id,duration,emissions,cpu_energy,gpu_energy,ram_energy,energy_consumed,on_cloud,"
    "gpu_count,gpu_model,country_iso_code\n"
)


def codecarbon(
    gpu_kwh: float, cpu_kwh: float = 0.001, seconds: int = 60, model: str = "1 x NVIDIA A100-SXM4-80GB"
) -> str:
    end = START + timedelta(seconds=seconds)
    row = f"{end:%Y-%m-%dT%H:%M:%S}+00:00,p,r,{seconds},0.001,{cpu_kwh},{gpu_kwh},0.0005,{gpu_kwh + cpu_kwh + 0.0005}"
    return f"{EMISSIONS}{row},N,1,{model},DEU\n"


def test_two_meters_of_one_device_count_once_and_the_one_that_covers_more(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/smi.csv", steady(300, 60))
    work.put("r/events.jsonl", wandb([(0, 290), (15, 290), (30, 290)]))
    run = one(work)
    assert counted(work) == pytest.approx({"r/smi.csv:gpu0/sampled": 18_000})
    assert "COUNTED_ONCE" in run["flags"]
    assert "ANSWERS_DISAGREE" in run["flags"]  # 8,700 J beside 18,000: half of the run is in one log alone


def test_meters_that_follow_each_other_both_count(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/smi.csv", steady(300, 60))
    work.put("r/events.jsonl", wandb([(100, 300), (110, 300)]))
    run = one(work)
    assert sum(counted(work).values()) == pytest.approx(21_000)
    assert "COUNTED_ONCE" not in run["flags"]


def test_ranks_of_one_tool_all_count(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/node1.csv", steady(300, 60))
    work.put("r/node2.csv", steady(200, 60))
    assert "COUNTED_ONCE" not in one(work)["flags"]
    assert sum(counted(work).values()) == pytest.approx(30_000)


def test_devices_that_two_tools_name_apart_all_count(tmp_path: Path) -> None:
    sensor = {"id": "g", "kind": "gpu", "reads": "power_w", "uuid": "GPU-b", "name": "NVIDIA A40"}
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/a.green.jsonl", native(None, [{"t": 0, "g": 100}, {"t": 10, "g": 100}], [sensor]))
    uuid = "GPU-aaaaaaaa-0000-0000-0000-000000000000"
    work.put("r/smi.csv", smi([(0, 50), (10_000, 50)]).replace("name,", "uuid,").replace("NVIDIA A100-SXM4-80GB", uuid))
    assert "COUNTED_ONCE" not in one(work)["flags"]
    assert sum(counted(work).values()) == pytest.approx(1_500)


def test_a_meter_counts_before_what_a_tool_computed_and_both_stay_in_the_energy_table(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/smi.csv", steady(300, 60))
    work.put("r/emissions.csv", codecarbon(gpu_kwh=0.0049))
    run = one(work)
    assert counted(work) == pytest.approx({"r/smi.csv:gpu0/sampled": 18_000, "log-1": 3_600, "log-2": 1_800})
    beside = [row for row in work.rows("energy") if row["answer"] == "log-0"]
    assert [float(row["energy_kwh"]) for row in beside] == [0.0049]
    assert "COUNTED_ONCE" in run["flags"]
    assert "ANSWERS_DISAGREE" not in run["flags"]


def test_two_tools_that_compute_energy_count_once(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/emissions.csv", codecarbon(gpu_kwh=0.005))
    start = START.timestamp()
    work.put("r/zeus.csv", f"start_time,window_name,elapsed_time,gpu0_energy\n{start},epoch,50,17500\n")
    run = one(work)
    assert counted(work) == pytest.approx({"log-0": 18_000, "log-1": 3_600, "log-2": 1_800})
    assert {"COUNTED_ONCE"} <= set(run["flags"])
    assert "SEVERAL_TOOLS" not in run["flags"]


@pytest.mark.parametrize(("kwh", "is_odd"), [(0.0066, False), (0.02, True), (1e-5, True), (20, True)])
def test_mean_power_that_a_device_cannot_draw_is_flagged(kwh: float, *, is_odd: bool, tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("emissions.csv", codecarbon(gpu_kwh=kwh))  # 0.0066 kWh in a minute are 396 W of 400
    assert ("IMPLAUSIBLE_POWER" in one(work)["flags"]) == is_odd


def test_a_laptop_of_800_kw_is_flagged_though_nobody_knows_its_rating(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put(
        "emission.csv",
        "id,project_name,start_time,duration(s),power_consumption(kWh),CPU_name\n"
        "a,p,2026-03-01 08:00:00,6.5,1.5,Ryzen\n",
    )
    assert "IMPLAUSIBLE_POWER" in one(work)["flags"]


def test_a_sensor_that_stands_still_for_minutes_is_flagged(tmp_path: Path) -> None:
    moving = [(s * 1000, 300 + s % 7 / 10) for s in range(400)]
    frozen = [(s * 1000, 300.0 if s > 50 else 290 + s % 7) for s in range(400)]
    short = [(s * 1000, 300.0 if s > 150 else 290 + s % 7) for s in range(400)]
    for readings, is_frozen in ((moving, False), (frozen, True), (short, False)):
        work = Work(tmp_path / str(id(readings)))
        work.put("smi.csv", smi(readings))
        assert ("FROZEN_SENSOR" in one(work)["flags"]) == is_frozen


def test_a_clock_that_runs_back_is_flagged(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("smi.csv", smi([(0, 300), (10_000, 300), (5_000, 300), (20_000, 300)]))
    assert "CLOCK_JUMPED" in one(work)["flags"]


def test_counter_and_power_of_one_device_that_disagree_are_flagged(tmp_path: Path) -> None:
    sensors = [
        {"id": "p", "kind": "gpu", "reads": "power_w", "uuid": "GPU-a"},
        {"id": "e", "kind": "gpu", "reads": "energy_j", "uuid": "GPU-a"},
    ]
    work = Work(tmp_path)
    work.put("a.green.jsonl", native("r", [{"t": t, "p": 100, "e": 200 * t} for t in range(0, 60, 10)], sensors))
    run = one(work)
    assert "ANSWERS_DISAGREE" in run["flags"]
    assert "COUNTED_ONCE" not in run["flags"]


def test_a_policy_counts_the_findings_of_a_run(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("odd.csv", codecarbon(gpu_kwh=0.02))
    work.put("plain.csv", codecarbon(gpu_kwh=0.005))
    work.put("none.csv", "timestamp, name, temperature.gpu\n2026/03/01 08:00:00.000, A100, 50\n")
    work.ledgered()
    with duckdb.connect(str(work.store), read_only=True) as con:
        runs = con.execute("SELECT * FROM runs")
        columns = [column[0] for column in runs.description]
        found = con.execute(
            f"SELECT run_id, findings FROM (SELECT {select(columns)} FROM runs) ORDER BY run_id"
        ).fetchall()
    # 1,200 W of a GPU, and 46 g/kWh reported where the grid has seven times as much
    assert found == [("none.csv", None), ("odd.csv#r", 2.0), ("plain.csv#r", 0.0)]


def test_explain_shows_both_answers_and_which_counts(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("r/run.yaml", RECORD)
    work.put("r/smi.csv", steady(300, 60))
    work.put("r/events.jsonl", wandb([(0, 290), (15, 290), (30, 290)]))
    work.put("r/emissions.csv", codecarbon(gpu_kwh=0.0049))
    work.ledgered()
    with duckdb.connect(str(work.store), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        (energy,) = explain(con, "r", "energy.it")["figures"]
    found = {one["answer"]: (one["is_counted"], one["why"]) for one in energy["inputs"] if one["input"] == "energy"}
    assert found["r/smi.csv:gpu0/sampled"] == (True, "the best answer for gpu")
    beside = "counted is gpu from r/smi.csv:gpu0/sampled (sampled)"
    assert found["r/events.jsonl:gpu0/sampled"] == (False, beside)
    assert found["log-0"] == (False, beside)


def test_two_gpus_of_mlflow_that_read_the_same_are_two(tmp_path: Path) -> None:
    work = Work(tmp_path)
    store = f"mlruns/0/{'0' * 32}"
    at = int(START.timestamp() * 1000)
    for gpu in (0, 1):
        work.put(f"{store}/metrics/system/gpu_{gpu}_power_usage_watts", f"{at} 100.0 0\n{at + 10_000} 100.0 1\n")
    work.put(f"{store}/params/lr", "0.1")
    work.put(f"{store}/params/momentum", "0.1")
    work.ledgered()
    assert sum(counted(work).values()) == pytest.approx(2_000)
    assert work.rejected() == set()
    (run,) = work.query("SELECT run_id, is_counted, flags FROM runs")
    assert (run["run_id"], run["is_counted"]) == (store, True)
    assert "DUPLICATE_INPUT" not in run["flags"]
