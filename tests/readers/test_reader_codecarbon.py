"""What the CodeCarbon reader makes of emissions.csv."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from fake import FakeSink, write_log

from green.readers.codecarbon import READER
from tests.core.helper import Work

if TYPE_CHECKING:
    from pathlib import Path

FIRST_HEADER = "timestamp,project_name,duration,emissions,energy_consumed,country_name,country_iso_code,region,on_cloud"
FIRST = FIRST_HEADER.split(",")
NOW_HEADER = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,"
    "ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,country_iso_code,"
    "region,cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,"
    "gpu_model,longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,"
    "gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)
NOW = NOW_HEADER.split(",")
END_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
ROW: dict[str, Any] = {
    "timestamp": "2026-01-01T00:00:00",
    "project_name": "codecarbon",
    "run_id": "run-a",
    "duration": "3600.25",
    "emissions": "0.3",
    "cpu_energy": "0.25",
    "gpu_energy": "0.5",
    "ram_energy": "0.125",
    "energy_consumed": "0.875",
    "country_name": "Germany",
    "country_iso_code": "DEU",
    "codecarbon_version": "3.3.2",
    "cpu_count": "64",
    "cpu_model": "AMD EPYC 7742",
    "gpu_count": "8",
    "gpu_model": "8 x NVIDIA A40",
    "ram_total_size": "512",
    "tracking_mode": "machine",
    "on_cloud": "N",
    "pue": "1.0",
    "wue": "0.0",
}


def table(*rows: dict[str, Any], columns: list[str] = NOW) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for changes in rows:
        row = {**ROW, **changes}
        writer.writerow([row.get(column, "") for column in columns])
    return stream.getvalue()


def read(folder: Path, text: str, **log: Any) -> FakeSink:
    sink = FakeSink()
    opened = write_log(folder, text, **log)
    assert READER.recognises(opened)
    READER.read(opened, sink)
    return sink


def test_parts_that_add_up_are_statements_with_the_text_of_their_cells(tmp_path: Path) -> None:
    sink = read(tmp_path, table({}))
    assert sorted(sink.statements) == [
        (0, ("cpu",), "0.25", "device"),
        (0, ("gpu",), "0.5", "device"),
        (0, ("memory",), "0.125", "device"),
    ]
    found = sink.runs[0]
    assert (found.own_id, found.line, found.project, found.region, found.pue) == (
        "run-a",
        2,
        None,
        "DEU",
        None,
    )
    assert found.reported_kgco2e == 0.3
    assert found.flags == []


def test_time_of_a_row_is_the_end_and_the_start_is_exact(tmp_path: Path) -> None:
    found = read(tmp_path, table({})).runs[0]
    assert found.ended_at_us == END_US
    assert found.started_at_us == END_US - 3_600_250_000
    assert found.duration_s == 3600.25


def test_naive_end_is_local_and_an_offset_wins(tmp_path: Path) -> None:
    text = table({}, {"run_id": "b", "timestamp": "2026-01-01T00:00:00+00:00"})
    local, universal = read(tmp_path, text, timezone=ZoneInfo("Europe/Berlin"), zone_assumed=True).runs
    assert local.ended_at_us == END_US - 3_600_000_000
    assert universal.ended_at_us == END_US
    assert (local.flags, universal.flags) == (["ASSUMED_UTC"], [])


def test_unreadable_time_leaves_the_energy(tmp_path: Path) -> None:
    sink = read(tmp_path, table({"timestamp": "01/01/2026 00:00"}))
    assert (sink.runs[0].ended_at_us, sink.runs[0].started_at_us) == (None, None)
    assert sink.runs[0].flags == ["BAD_TIME"]
    assert len(sink.statements) == 3


@pytest.mark.parametrize("changes", [{"gpu_energy": "0.4"}, {"gpu_energy": "-0.5", "cpu_energy": "1.25"}])
def test_parts_that_do_not_add_up_give_one_total(tmp_path: Path, changes: dict[str, str]) -> None:
    sink = read(tmp_path, table(changes))
    assert sink.statements == [(0, ("gpu", "cpu", "memory"), "0.875", "device")]
    assert sink.runs[0].flags == ["PARTS_DISAGREE"]


def test_first_generation_has_one_total_and_numbered_runs(tmp_path: Path) -> None:
    sink = read(tmp_path, table({}, {"energy_consumed": "1.5"}, columns=FIRST))
    assert sink.statements == [
        (0, ("gpu", "cpu", "memory"), "0.875", "device"),
        (1, ("gpu", "cpu", "memory"), "1.5", "device"),
    ]
    assert [found.own_id for found in sink.runs] == ["row-1", "row-2"]
    assert sink.devices == []
    assert sink.runs[0].flags == []


def test_last_row_of_a_run_counts_and_blank_ids_are_different_runs(tmp_path: Path) -> None:
    snapshots = [{"gpu_energy": e, "energy_consumed": t} for e, t in (("0.5", "0.875"), ("1.5", "1.875"))]
    sink = read(tmp_path, table(snapshots[0], {"run_id": " "}, snapshots[1], {"run_id": "nan"}))
    assert [found.own_id for found in sink.runs] == ["run-a", "row-2", "row-4"]
    assert [energy for run, covers, energy, _ in sink.statements if covers == ("gpu",) and run == 0] == ["1.5"]
    assert sink.runs[0].line == 4
    assert sink.rejects == []


@pytest.mark.parametrize(
    ("energy", "reason"),
    [("", "UNREADABLE_ENERGY"), ("nan", "UNREADABLE_ENERGY"), ("much", "UNREADABLE_ENERGY"),
     ("0.0", "ZERO_ENERGY"), ("-0.1", "NEGATIVE")],
)  # fmt: skip
def test_row_without_usable_energy_is_a_run_with_no_statement(tmp_path: Path, energy: str, reason: str) -> None:
    sink = read(tmp_path, table({"energy_consumed": energy}))
    assert [found.own_id for found in sink.runs] == ["run-a"]
    assert sink.statements == []
    assert sink.rejects == [(2, reason)]
    assert sink.details[0][1] == 0


def test_earlier_row_stands_for_a_run_whose_last_row_is_unreadable(tmp_path: Path) -> None:
    sink = read(tmp_path, table({}, {"energy_consumed": "?"}))
    assert len(sink.statements) == 3
    assert sink.runs[0].flags == ["LAST_ROW_UNREAD"]
    assert sink.rejects == [(3, "UNREADABLE_ENERGY")]


def test_unreadable_row_before_a_good_one_is_only_a_reject(tmp_path: Path) -> None:
    sink = read(tmp_path, table({"energy_consumed": "?"}, {}))
    assert len(sink.statements) == 3
    assert sink.runs[0].flags == []


def test_shifted_row_of_fewer_fields_is_rejected_and_its_run_unknown(tmp_path: Path) -> None:
    text = table({})
    cells = [str({**ROW, "run_id": "run-b"}.get(column, "")) for column in NOW]
    kept = [cell for column, cell in zip(NOW, cells, strict=True) if column not in ("region", "longitude", "latitude")]
    assert len(kept) == 35
    sink = read(tmp_path, text + ",".join(kept) + "\n")
    assert sink.rejects == [(3, "SHIFTED_ROW")]
    assert sink.details == [("35 fields under 38 columns", 1)]
    assert [(found.own_id, found.region, found.duration_s) for found in sink.runs][1] == ("run-b", None, None)
    assert {run for run, *_ in sink.statements} == {0}


def test_row_in_the_order_of_another_header_is_rejected(tmp_path: Path) -> None:
    moved = [c for c in NOW if not c.startswith("cloud_")] + ["cloud_provider", "cloud_region"]
    row = table({}).splitlines()[1]
    sink = read(tmp_path, ",".join(moved) + "\n" + row + "\n")
    assert sink.rejects == [(2, "SHIFTED_ROW")]
    assert sink.statements == []


@pytest.mark.parametrize(
    "changes",
    [
        {"on_cloud": "1.0"},
        {"on_cloud": ""},
        {"pue": ""},
        {"pue": "0.0"},
        {"country_name": "52.5"},
        {"gpu_count": "-1"},
    ],
)
def test_values_that_do_not_fit_their_columns_are_a_shifted_row(tmp_path: Path, changes: dict[str, str]) -> None:
    sink = read(tmp_path, table(changes))
    assert sink.rejects == [(2, "SHIFTED_ROW")]
    assert sink.statements == []


def test_old_version_without_pue_is_no_shifted_row(tmp_path: Path) -> None:
    sink = read(tmp_path, table({"pue": "", "wue": "", "codecarbon_version": "2.1.4"}))
    assert sink.rejects == []
    assert len(sink.statements) == 3


@pytest.mark.parametrize("version", ["2.3.1", "3.2.9", "3.3.2"])
def test_pue_that_is_no_default_is_in_the_energy_of_every_version(tmp_path: Path, version: str) -> None:
    sink = read(tmp_path, table({"pue": "1.2", "codecarbon_version": version}))
    assert {basis for *_, basis in sink.statements} == {"facility"}
    assert sink.runs[0].pue == 1.2


def test_part_of_zero_is_unmeasured_hardware_where_the_row_names_some(tmp_path: Path) -> None:
    named = read(tmp_path, table({"gpu_energy": "0.0", "cpu_energy": "0", "energy_consumed": "0.125"}))
    assert named.statements == [(0, ("memory",), "0.125", "device")]
    assert sorted(named.runs[0].flags) == ["UNMEASURED_CPU", "UNMEASURED_GPU"]
    none = {"gpu_energy": "0", "gpu_count": "0", "gpu_model": "", "energy_consumed": "0.375"}
    absent = read(tmp_path, table(none))
    assert absent.runs[0].flags == []
    assert [covers for _, covers, *_ in absent.statements] == [("cpu",), ("memory",)]
    assert [component for _, _, component, *_ in absent.devices] == ["cpu"]


def test_devices_are_named_with_their_count(tmp_path: Path) -> None:
    sink = read(tmp_path, table({"gpu_model": "2 x NVIDIA A40, 1 x Tesla T4", "gpu_count": "3"}))
    assert sorted(sink.devices) == [
        (0, "cpu", "cpu", "AMD EPYC 7742", 1.0),
        (0, "gpu-0", "gpu", "NVIDIA A40", 2.0),
        (0, "gpu-1", "gpu", "Tesla T4", 1.0),
    ]


def test_unknown_gpu_has_no_name(tmp_path: Path) -> None:
    sink = read(tmp_path, table({"gpu_model": "1 x Unknown GPU", "gpu_count": "1"}))
    assert (0, "gpu-0", "gpu", None, 1.0) in sink.devices


def test_cloud_region_wins_over_the_country(tmp_path: Path) -> None:
    cloud = {"on_cloud": "Y", "cloud_provider": "GCP", "cloud_region": "us-central1"}
    assert read(tmp_path, table(cloud)).runs[0].region == "gcp:us-central1"
    assert read(tmp_path, table({**cloud, "on_cloud": "N"})).runs[0].region == "DEU"


def test_fields_with_commas_quotes_and_lines_are_read(tmp_path: Path) -> None:
    name = 'lr: 0.1, "big"\nsecond line'
    sink = read(tmp_path, table({"project_name": name}, {"run_id": "b"}))
    assert [found.project for found in sink.runs] == [name, None]
    assert [found.line for found in sink.runs] == [2, 4]
    assert sink.rejects == []


def test_padded_cells_are_read(tmp_path: Path) -> None:
    text = table({}).replace(",", " , ")
    assert len(read(tmp_path, text).statements) == 3


def test_second_header_starts_another_generation(tmp_path: Path) -> None:
    sink = read(tmp_path, table({}) + "\ufeff" + table({}, columns=FIRST))
    assert [found.own_id for found in sink.runs] == ["run-a", "row-2"]
    assert sink.rejects == []


def test_tasks_of_one_run_are_different_runs(tmp_path: Path) -> None:
    columns = ["task_name", *NOW]
    sink = read(tmp_path, table({"task_name": "load"}, {"task_name": "train"}, columns=columns))
    assert [found.own_id for found in sink.runs] == ["run-a:load", "run-a:train"]
    assert len(sink.statements) == 6


TASKS = "out/emissions_base_01234567-89ab-cdef-0123-456789abcdef.csv"


def tasks(**energies_kwh: str) -> str:
    """Write a task file of run-a; CPU and GPU used nothing."""
    rows = [
        {"task_name": name, "cpu_energy": "0", "gpu_energy": "0", "ram_energy": kwh, "energy_consumed": kwh}
        for name, kwh in energies_kwh.items()
    ]
    return table(*rows, columns=["task_name", *NOW])


@pytest.mark.parametrize("record", ["", "project: nlp\n"])
@pytest.mark.parametrize(
    ("total_kwh", "counted_kwh"),
    [
        ("0.875", 0.875),  # more than its tasks: it holds them
        ("0.75", 0.75),
        ("0.5", 1.25),  # less: it is not known to hold them, and nothing may be lost
        ("", 0.75),
    ],
)
def test_a_run_and_its_tasks_beside_it_are_counted_once(
    tmp_path: Path, total_kwh: str, counted_kwh: float, record: str
) -> None:
    work = Work(tmp_path)
    if record:
        work.put("out/run.yaml", record)
    parts = {"cpu_energy": "0", "gpu_energy": "0", "ram_energy": total_kwh}
    work.put("out/emissions.csv", table({**parts, "energy_consumed": total_kwh}))
    work.put(TASKS, tasks(load="0.25", train="0.5"))
    work.ingest()
    work.stage("energy")
    found = [row["energy_kwh"] for row in work.rows("energy") if row["is_counted"] and row["energy_kwh"] is not None]
    assert sum(map(float, found)) == counted_kwh
    assert ((TASKS, "PART_OF_TOTAL") in work.rejected()) == (counted_kwh == float(total_kwh or "nan"))


def test_a_task_file_alone_keeps_its_runs_and_their_names(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put(TASKS, tasks(load="0.25", train="0.5"))
    work.ingest()
    assert {row["run_id"] for row in work.rows("run")} == {f"{TASKS}#run-a:load", f"{TASKS}#run-a:train"}
    assert work.rejected() == set()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Type;Make;Model;Vehicle Class;CO2 Emissions(g/km)\nCar;ACME;X;COMPACT;199\n",
        "timestamp,emissions,duration\n2026-01-01,1,2\n",
        "timestamp,duration,emissions_rate,energy_consumed\n",
        '{"timestamp": 1, "duration": 2, "emissions": 3, "energy_consumed": 4}\n',
    ],
)
def test_other_logs_are_not_recognised(tmp_path: Path, text: str) -> None:
    assert not READER.recognises(write_log(tmp_path, text))
