"""Faults that attacks on the core found, each with its case: none of them may come back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from green import stages
from green.audit import commit, store
from tests.core.helper import Work, codecarbon, native, smi, steady
from tests.core.test_core_ledger import events, fill

POWER = [{"id": "g", "kind": "gpu", "reads": "power_w"}]
COUNTER = [{"id": "g", "kind": "gpu", "reads": "energy_j"}]
HUGE = [
    'energy: {total: "1e25 kWh", basis: facility}\n',
    'duration: 1 h\nhardware: [{device: X, average_power: "1e29 W"}]\n',
    "energy: {total: 1e10 kWh, basis: wall}\nsite: {pue: 1e29, intensity: 400 gCO2e/kWh}\n",
    'device_hours: 1e29 h\nhardware: [{device: X, average_power: "100 W", embodied: 1e20 kgCO2e}]\n',
    "energy: {total: 1e10 kWh, basis: wall}\nsite: {pue: 1, intensity: 1e29 gCO2e/kWh}\n",
    "energy: {total: 1e10 kWh, basis: wall}\nsite: {pue: 1, ewif: 1e29 L/kWh}\ncost: {tariff: 1e29 USD/kWh}\n",
]


@pytest.mark.parametrize("text", HUGE)
def test_huge_quantity_of_one_record_leaves_the_other_runs_alone(tmp_path: Path, text: str) -> None:
    work = Work(tmp_path)
    work.put("huge/run.yaml", text)
    work.put("good/run.yaml", "energy: {total: 1 kWh, basis: wall}\n")
    work.compute()
    assert float(work.runs()["good"]["energy_kwh"]) == 1.0


def test_two_huge_runs_do_not_break_the_views(tmp_path: Path) -> None:
    work = Work(tmp_path)
    for name in ("a", "b"):
        work.put(f"{name}/run.yaml", "energy: {total: 9e19 kWh, basis: wall}\nsite: {pue: 1}\n")
    work.ledgered()
    assert work.query("SELECT runs, known_energy_kwh FROM by_project")[0]["runs"] == 2


def test_counter_over_years_fails_no_shard(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a.green.jsonl", native("x", [{"t": -800e6, "g": 0}, {"t": 1000e6, "g": 9e12}], COUNTER))
    work.compute()
    total = sum(row["energy_kwh"] for row in work.rows("energy"))
    assert float(total) == pytest.approx(9e12 / 3.6e6, rel=1e-12)


@pytest.mark.parametrize("count", ["many", "2.5", "-1", "0"])
def test_bad_count_of_devices_is_unknown_and_not_one_device(tmp_path: Path, count: str) -> None:
    work = Work(tmp_path)
    work.put("a/run.yaml", f'duration: 1 h\nhardware: [{{device: X, average_power: "100 W", count: {count}}}]\n')
    work.compute()
    assert work.runs()["a"]["energy_kwh"] is None


def test_bad_device_hours_are_unknown_and_not_count_times_duration(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a/run.yaml", 'duration: 1 h\ndevice_hours: 5 parsec\nhardware: [{device: X, average_power: "100 W"}]\n')
    work.compute()
    assert work.runs()["a"]["energy_kwh"] is None


def test_bad_hardware_is_unknown_and_not_that_of_the_site(tmp_path: Path) -> None:
    site = {"hardware": [{"device": "Y", "average_power": "5 W"}]}
    work = Work(tmp_path, {"sites": {"s": site}, "default_site": "s"})
    work.put("a/run.yaml", "duration: 1 h\nhardware: A100\n")
    work.compute()
    assert work.runs()["a"]["energy_kwh"] is None


def test_bad_pue_of_a_record_is_unknown_and_not_that_of_its_site(tmp_path: Path) -> None:
    work = Work(tmp_path, {"sites": {"s": {"pue": 1.1}}})
    work.put("a/run.yaml", "energy: {total: 1 kWh, basis: wall}\nsite: {name: s, pue: lots}\n")
    work.compute()
    assert work.runs()["a"]["facility_energy_kwh"] is None


@pytest.mark.parametrize(
    "pair", [("1.10", "1.1"), ("20261001080000000001", "20261001080000000002"), ("1234e567", "9e999")]
)
def test_two_unquoted_ids_stay_two(tmp_path: Path, pair: tuple[str, str]) -> None:
    work = Work(tmp_path)
    for name, run_id in zip("ab", pair, strict=True):
        work.put(f"{name}/run.yaml", f"run_id: {run_id}\n")
    work.ingest()
    assert len({row["run_id"] for row in work.rows("run")}) == 2


def test_rows_with_a_blank_id_of_two_files_in_a_run_s_folder_are_different_runs(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a/run.yaml", "team: t\n")
    for number, name in enumerate(("one", "two"), start=1):
        work.put(f"a/{name}.csv", codecarbon(("", 1.0 * number), ("", 10.0 * number)))
    work.ingest()
    assert len(work.rows("run")) == 4


def test_unsorted_samples_with_equal_times_give_what_sorted_ones_give(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("gpu.csv", smi([(n // 3 * 1000, float(100 + 37 * n % 91)) for n in range(60)]))
    work.ingest()
    work.stage("energy")
    expected = work.rows("energy")
    (file,) = stages.files_of("samples", work.results, ["all"])
    with duckdb.connect() as con:
        con.execute(f"CREATE TABLE s AS FROM read_parquet('{file}')")
        con.execute(f"COPY (FROM s ORDER BY md5(sampled_at::VARCHAR || power_w::VARCHAR)) TO '{file}' (FORMAT parquet)")
    work.stage("energy")
    assert work.rows("energy") == expected


def test_a_kill_before_the_publication_accuses_nobody_and_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = store.Paths(tmp_path / "audit" / "green.duckdb")
    commit.commit(paths, fill("one"))

    def killed(_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            commit.commit(paths, fill("two"))
    assert commit.commit(paths, fill("two")).notes == []
    assert [subject for subject, _ in events(paths.published)] == ["one", "two"]


def test_a_small_copy_of_another_log_does_not_take_a_run_out_of_budgets(tmp_path: Path) -> None:
    work = Work(tmp_path)
    tiny = smi([(0, 1.0), (1000, 1.0)])
    for name in ("a", "b"):
        work.put(f"{name}/run.yaml", "team: t\n")
        work.put(f"{name}/tiny.csv", tiny)
        work.put(f"{name}/gpu.csv", smi([(n * 1000, 300.0 + ord(name)) for n in range(60)]))
    work.ledgered()
    assert [row["is_counted"] for row in work.query("SELECT is_counted FROM runs ORDER BY run_id")] == [True, True]


def test_hardware_of_an_unknown_time_has_no_embodied_share_known(tmp_path: Path) -> None:
    """`least(NULL, x)` is x in DuckDB: the whole footprint of the device is charged, 567.7 kg each."""
    work = Work(tmp_path)
    work.put("a/run.yaml", "hardware: [{device: NVIDIA A100-SXM4-80GB, count: 49}]\n")
    work.compute()
    assert work.runs()["a"]["embodied_kgco2e"] is None


@pytest.mark.parametrize("high_y", [n / 10 for n in range(11, 60)])
def test_capped_share_lies_in_its_interval_to_the_last_digit(tmp_path: Path, high_y: float) -> None:
    work = Work(tmp_path)
    life = f"{{low: 1 y, value: 1 y, high: {high_y} y}}"
    device = f"device: X, embodied: 567.7 kgCO2e, lifetime: {life}, count: 49"
    work.put("a/run.yaml", f"duration: 99 y\nhardware: [{{{device}}}]\n")
    work.compute()
    run = work.runs()["a"]
    assert run["embodied_kgco2e_low"] <= run["embodied_kgco2e"] <= run["embodied_kgco2e_high"]


def test_runs_in_slices_give_the_rows_of_all_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(tmp_path)
    for number in range(5):
        work.put(f"run-{number}.csv", steady(100.0 + number, seconds=60 + 10 * number))
    work.ingest()
    work.stage("energy")
    whole = work.rows("energy")
    assert len({row["run_id"] for row in whole}) == 5
    monkeypatch.setattr(stages, "SAMPLES_PER_SLICE", 1)
    work.stage("energy")
    assert work.rows("energy") == whole
