"""The cache of ingest: whatever was added, changed or deleted, the tables are those of a fresh run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import source
from green.tables import INGEST
from tests.core.helper import Work, codecarbon, steady

CONTENTS = {
    "a.csv": [steady(100, 20), steady(200, 20), "garbage\n"],
    "b/run.yaml": ["team: t\n", "run_id: shared\n", "team: [\n"],
    "b/gpu.csv": [steady(300, 20), steady(400, 20) + "2026/03/01 08:00:30.000, X, oops\n"],
    "c/run.yaml": ["run_id: shared\n", "functional_units: {tokens: 5}\nmetrics: {accuracy: 0.5}\n"],
    "d.csv": [codecarbon(("x", 1.0), ("y", 2.0)), codecarbon(("x", 1.5))],
}
STEP = st.tuples(st.sampled_from(sorted(CONTENTS)), st.integers(-1, 1))


def tables(work: Work) -> dict[str, list[list[tuple[str, Any]]]]:
    return {table: sorted((sorted(row.items()) for row in work.rows(table)), key=repr) for table in INGEST}


@settings(max_examples=6, deadline=None)
@given(st.lists(STEP, min_size=2, max_size=6))
def test_any_sequence_of_changes_gives_the_tables_of_a_fresh_run(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    work = Work(tmp_path_factory.mktemp("cache"))
    work.put("always.csv", steady(50, 20))
    for name, which in steps:
        if which < 0:
            (work.logs / name).unlink(missing_ok=True)
        else:
            work.put(name, CONTENTS[name][which])
        work.ingest()
    kept = tables(work)
    shutil.rmtree(work.results)
    work.ingest()
    assert kept == tables(work)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name every source that is read, in order."""
    seen: list[str] = []
    original = source.open_source

    def spy(shard: Any, name: str, files: Any, bulk: Any) -> Any:
        seen.append(name)
        return original(shard, name, files, bulk)

    monkeypatch.setattr("green.ingest.open_source", spy)
    return seen


def test_a_changed_log_reads_itself_only(tmp_path: Path, reads: list[str]) -> None:
    work = Work(tmp_path)
    for name in ("a.csv", "b.csv", "c.csv"):
        work.put(name, steady(100, 20))
    work.ingest()
    assert reads == ["a.csv", "b.csv", "c.csv"]
    reads.clear()
    work.put("b.csv", steady(200, 20))
    work.put("d.csv", steady(300, 20))
    (work.logs / "c.csv").unlink()
    work.ingest()
    assert reads == ["b.csv", "d.csv"]
    assert {row["run_id"] for row in work.rows("run")} == {"a.csv", "b.csv", "d.csv"}
    reads.clear()
    work.ingest()
    assert reads == []


def test_changed_settings_read_all_anew(tmp_path: Path, reads: list[str]) -> None:
    work = Work(tmp_path)
    work.put("a.csv", steady(100, 20))
    work.ingest()
    work.ingest(settings="2")
    assert reads == ["a.csv", "a.csv"]


@pytest.mark.parametrize("damage", ["state.json", "run.parquet", "torn"])
def test_a_cache_that_is_not_whole_is_not_used(tmp_path: Path, reads: list[str], damage: str) -> None:
    work = Work(tmp_path)
    work.put("a.csv", steady(100, 20))
    work.ingest()
    cache = work.results / "cache" / "all"
    if damage == "torn":
        (cache / "state.json").write_text((cache / "state.json").read_text()[:-5])
    else:
        (cache / damage).unlink()
    work.ingest()
    assert reads == ["a.csv", "a.csv"]


def test_one_bad_log_of_many_fails_no_shard(tmp_path: Path) -> None:
    work = Work(tmp_path)
    sensor = '{"id": "g", "kind": "gpu", "reads": "power_w"}'
    head = '{"format": "green/1", "run_id": "\\ud800", "host": "\\udfff\\u0000", "sensors": [' + sensor + "]}\n"
    work.put("half/a.green.jsonl", head + '{"t": 1770000000, "g": 5, "\\udc00": 1}\n{"t": 1770000010, "g": 5}\n')
    work.put("good.csv", steady(360, 100))
    work.put(
        "odd/run.yaml", 'model: "a\\0b\\u001f"\nlabels: {"k\'": "\\""}\nmetrics: {a: .nan, b: .inf}\nparameters: .inf\n'
    )
    work.ledgered()
    assert work.query("SELECT energy_kwh FROM runs WHERE run_id = 'good.csv'")[0]["energy_kwh"] == pytest.approx(0.01)
    assert len(work.query("SELECT * FROM runs")) == 3
