"""What is a run: one test for each sentence of the contract (docs/records.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.helper import Work, codecarbon, native, steady

GPU = [{"id": "g0", "kind": "gpu", "reads": "power_w"}]
READINGS: list[dict[str, Any]] = [{"t": 0, "g0": 100.0}, {"t": 36, "g0": 100.0}]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def found(work: Work) -> dict[str, dict[str, Any]]:
    work.ingest()
    rows = work.rows("run")
    assert len({row["run_id"] for row in rows}) == len(rows)
    return {row["run_id"]: row for row in rows}


def files_of(work: Work, run_id: str) -> set[str]:
    return {row["file"] for row in work.rows("run_inputs") if row["run_id"] == run_id}


def test_a_folder_with_a_record_is_one_run_of_all_logs_at_and_below_it(work: Work) -> None:
    work.put("p/a/run.yaml", "kind: training\n")
    work.put("p/a/gpu.csv", steady(100))
    work.put("p/a/deep/er/node1.csv", steady(200))
    assert {run_id: row["logs"] for run_id, row in found(work).items()} == {"p/a": 2}
    assert files_of(work, "p/a") == {"p/a/run.yaml", "p/a/gpu.csv", "p/a/deep/er/node1.csv"}


def test_a_run_ends_where_the_next_record_begins(work: Work) -> None:
    work.put("a/run.yaml", "project: outer\n")
    work.put("a/b/run.json", '{"kind": "tuning"}')
    work.put("a/b/gpu.csv", steady(100))
    runs = found(work)
    assert {run_id: (row["logs"], row["project"]) for run_id, row in runs.items()} == {
        "a": (0, "outer"),
        "a/b": (1, None),
    }


def test_elsewhere_each_recognised_file_is_a_run_with_its_extension_in_its_id(work: Work) -> None:
    work.put("x/one.csv", steady(100))
    work.put("x/two.log", steady(200))
    work.put("x/note.txt", "nothing of ours\n")
    assert set(found(work)) == {"x/one.csv", "x/two.log"}
    assert work.rejected() == {("x/note.txt", "NOT_RECOGNISED")}


def test_the_root_of_logs_may_be_a_run_and_has_the_folder_s_name(tmp_path: Path) -> None:
    work = Work(tmp_path, name="nightly")
    work.put("run.yaml", "kind: other\n")
    work.put("gpu.csv", steady(100))
    assert set(found(work)) == {"nightly"}


def test_a_file_that_can_hold_many_runs_always_gives_its_own_ids(work: Work) -> None:
    work.put("e/emissions.csv", codecarbon(("one", 1.0)))
    work.put("f/emissions.csv", codecarbon(("x", 1.0), ("y", 2.0)))
    assert set(found(work)) == {"e/emissions.csv#one", "f/emissions.csv#x", "f/emissions.csv#y"}


def test_a_blank_id_is_the_number_of_its_data_row(work: Work) -> None:
    work.put("emissions.csv", codecarbon(("", 1.0), ("x", 2.0), ("", 3.0)))
    assert set(found(work)) == {"emissions.csv#row-1", "emissions.csv#x", "emissions.csv#row-3"}


def test_in_a_run_s_folder_a_file_with_one_id_is_a_log_of_that_run(work: Work) -> None:
    work.put("a/run.yaml", "kind: training\n")
    work.put("a/emissions.csv", codecarbon(("one", 1.0)))
    assert set(found(work)) == {"a"}


def test_in_a_run_s_folder_more_ids_are_children_and_the_record_gives_them_defaults_only(work: Work) -> None:
    record = "team: t\nstarted_at: 2020-01-01T00:00:00Z\nduration: 5 h\nsite: {pue: 1.5}\nmetrics: {accuracy: 0.5}\n"
    work.put("a/run.yaml", record + "energy: {total: 99 kWh, basis: wall}\ndevice_hours: 7 h\n")
    work.put("a/emissions.csv", codecarbon(("x", 1.0), ("y", 2.0)))
    runs = found(work)
    assert set(runs) == {"a#x", "a#y"}
    for row in runs.values():
        assert (row["team"], row["pue"], row["duration_s"], row["device_hours_h"]) == ("t", 1.5, 3600.0, None)
        assert row["started_at"].year == 2026
    assert sorted(float(row["energy_kwh"]) for row in work.rows("statement")) == [1.0, 2.0]
    assert work.rows("metrics") == []


def test_children_and_a_log_of_the_folder_itself_stand_side_by_side(work: Work) -> None:
    work.put("a/run.yaml", "kind: training\n")
    work.put("a/gpu.csv", steady(100))
    work.put("a/emissions.csv", codecarbon(("x", 1.0), ("y", 2.0)))
    assert set(found(work)) == {"a", "a#x", "a#y"}


def test_run_id_of_a_record_replaces_the_path_for_children_too(work: Work) -> None:
    work.put("a/run.yaml", "run_id: bert-07\n")
    work.put("b/run.yaml", "run_id: sweep\n")
    work.put("b/emissions.csv", codecarbon(("x", 1.0), ("y", 2.0)))
    assert set(found(work)) == {"bert-07", "sweep#x", "sweep#y"}


def test_native_logs_of_one_run_id_in_one_folder_are_one_run(work: Work) -> None:
    for rank in (0, 1):
        readings = [{"t": r["t"], "g0": 100.0 + rank} for r in READINGS]
        work.put(f"j/{rank}.green.jsonl", native("job-1", readings, GPU))
    work.put("j/other.green.jsonl", native("job-2", READINGS, GPU))
    runs = found(work)
    assert {run_id: row["logs"] for run_id, row in runs.items()} == {"job-1": 2, "job-2": 1}
    work.stage("energy")
    total = sum(float(row["energy_kwh"]) for row in work.rows("energy") if row["run_id"] == "job-1")
    assert total == pytest.approx((100 + 101) * 36 / 3.6e6, rel=1e-12)


def test_native_log_without_an_id_has_the_path_of_its_folder(work: Work) -> None:
    work.put("j/k/0.green.jsonl", native(None, READINGS, GPU))
    assert set(found(work)) == {"j/k"}


def test_a_file_that_no_reader_recognises_is_a_reject_and_no_run(work: Work) -> None:
    work.put("a/run.yaml", "kind: training\n")
    for name, text in (("a/x.csv", "a,b\n1,2\n"), ("b.json", "{}"), ("c.csv", ""), ("d.log", b"\0\1\2" * 99)):
        work.put(name, text)
    assert set(found(work)) == {"a"}
    assert work.rejected() == {
        ("a/x.csv", "NOT_RECOGNISED"),
        ("b.json", "NOT_RECOGNISED"),
        ("c.csv", "EMPTY"),
        ("d.log", "BINARY"),
    }


def test_a_copy_inside_a_run_s_folder_is_read_once_and_does_not_take_the_run_out_of_budgets(work: Work) -> None:
    work.put("a/run.yaml", "kind: training\n")
    work.put("a/gpu.csv", steady(360, 100))
    work.put("a/backup/gpu.csv", steady(360, 100))
    work.ledgered()
    (run,) = work.query("SELECT energy_kwh, is_counted, flags FROM runs")
    assert run["energy_kwh"] == pytest.approx(0.01, rel=1e-12)
    assert run["is_counted"]
    assert work.rejected() == {("a/gpu.csv", "DUPLICATE_INPUT")}, "of two copies the first path counts"


def test_same_run_id_in_two_places_is_an_error_for_both_until_one_is_gone(work: Work) -> None:
    work.put("a/run.yaml", "run_id: same\n")
    work.put("b/run.yaml", "run_id: same\n")
    work.ledgered()
    assert work.query("SELECT run_id, error FROM runs") == [{"run_id": "same", "error": "DUPLICATE_RUN_ID"}]
    (work.logs / "b" / "run.yaml").unlink()
    work.ledgered()
    assert work.query("SELECT run_id, error FROM runs") == [{"run_id": "same", "error": None}]


def test_missing_is_unknown_and_never_a_default(work: Work) -> None:
    work.put("a/run.yaml", "labels: {}\n")
    (row,) = found(work).values()
    said = {"run_id", "source", "where_file", "where_line", "facts", "flags", "reasons", "logs"}
    assert {key for key, value in row.items() if value is not None} == said
    assert work.rows("device") == work.rows("statement") == work.rows("units") == []


def test_teams_and_projects_come_by_pattern_and_a_record_wins(tmp_path: Path) -> None:
    work = Work(tmp_path, {"teams": {"search": ("nlp/*",)}, "projects": {"p": ("nlp/b*",)}})
    work.put("nlp/bert/run.yaml", "kind: training\n")
    work.put("nlp/xl/run.yaml", "team: own\n")
    runs = found(work)
    assert (runs["nlp/bert"]["team"], runs["nlp/bert"]["project"]) == ("search", "p")
    assert (runs["nlp/xl"]["team"], runs["nlp/xl"]["project"]) == ("own", None)


def test_odd_names_give_runs_of_their_own(work: Work) -> None:
    import os  # noqa: PLC0415 -- names of bytes, here alone

    work.logs.mkdir()
    for watts, name in ((100, b"a\nb.csv"), (200, b"q'\".csv"), (300, b"\xff.csv"), (400, b"\xfe.csv")):
        with open(os.fsencode(work.logs) + b"/" + name, "w") as stream:  # noqa: PTH123 -- a path of bytes
            stream.write(steady(watts, 36))
    work.ingest()
    work.stage("energy")
    found = sorted(float(row["energy_kwh"]) for row in work.rows("energy") if row["energy_kwh"])
    assert found == pytest.approx([watts * 30 / 3.6e6 for watts in (100, 200, 300, 400)], rel=1e-12)
