"""Replay: the recorded inputs give the recorded digest again, and what is not as it was is named."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from green.audit import commit, forget, reason, schema, store
from green.errors import UsageError
from green.factors import catalogue
from green.pipeline import config_digest
from green.replay import replay
from green.tables import FACTOR
from tests.core.helper import Work, steady


class Replayed(Work):
    """A working directory that records the digest of its configuration, as the pipeline does."""

    def record(self, **more: Any) -> commit.Receipt:
        return super().record(**{"config_sha256": config_digest(self.config), **more})


@pytest.fixture
def work(tmp_path: Path) -> Replayed:
    made = Replayed(tmp_path)
    for name in ("a", "b", "c"):
        made.put(f"{name}/run.yaml", f"team: t\nmodel: {name}\nsite: {{region: DE, pue: 1.2}}\n")
        made.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    made.ledgered()
    return made


def assessments(work: Work) -> list[int]:
    return [row["seq"] for row in work.query("SELECT seq FROM assessment ORDER BY seq")]


def test_recorded_inputs_give_the_recorded_digest_and_touch_no_byte(work: Replayed) -> None:
    before = work.store.read_bytes()
    found = replay(work.store, work.config)
    assert (found.now, found.first, found.inputs, found.other) == (found.then, None, [], [])
    assert found.same == ["6 input files", "factors", "configuration", "code", "green", "engine"]
    assert work.store.read_bytes() == before


def test_every_assessment_of_a_history_is_reached_from_the_store_of_its_time(work: Replayed) -> None:
    kept = work.put("kept/gpu.csv", steady(70, 20))
    work.ledgered()
    text = kept.read_text()
    kept.unlink()
    work.ledgered()  # gone
    kept.write_text(text)
    work.ledgered()  # back
    work.put("d/gpu.csv", text)
    work.ledgered()  # a copy
    numbers = assessments(work)
    assert len(numbers) == 5
    for number in numbers:
        found = replay(work.store, work.config, str(number))
        assert found.now == found.then, f"event {number}: {found.first}"


def test_reason_of_an_assessment_changes_no_digest(work: Replayed) -> None:
    (number,) = assessments(work)
    reason.give(work.store, "because")
    work.put("d/gpu.csv", steady(70, 20))
    work.ledgered()
    reason.give(work.store, "a log was missing")
    for one in (number, *assessments(work)[1:]):
        assert replay(work.store, work.config, str(one)), one


def test_log_that_was_added_since_is_no_input(work: Replayed) -> None:
    work.put("later/gpu.csv", steady(99, 20))
    assert replay(work.store, work.config)


@pytest.mark.parametrize("is_gone", [True, False])
def test_input_that_is_gone_or_changed_is_named(work: Replayed, is_gone: bool) -> None:  # noqa: FBT001 -- a column of the table
    path = work.logs / "b" / "gpu.csv"
    if is_gone:
        path.unlink()
    else:
        path.write_text(steady(1, 20))
    found = replay(work.store, work.config)
    assert found.now is None
    assert found.first is not None
    assert found.first.startswith("input b/gpu.csv is gone" if is_gone else "input b/gpu.csv changed: its sha256 was ")


def test_factor_that_changed_since_is_named_with_both_values(work: Replayed, tmp_path: Path) -> None:
    used = {row["factor_id"] for row in work.query("SELECT factor_id FROM factor WHERE quantity = 'grid_intensity'")}
    (row,) = [row for row in catalogue() if row["factor_id"] in used]
    table = tmp_path / "own.csv"
    with table.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [name for name in FACTOR if name != "subject_key"], extrasaction="ignore")
        writer.writeheader()
        writer.writerow(
            {**{key: "" if value is None else value for key, value in row.items()}, "value": 777, "high": 800}
        )
    config = work.config.model_copy(update={"factors": [str(table)]})
    found = replay(work.store, config)
    assert not found
    assert found.first is not None
    assert found.first.startswith(f"factor {row['factor_id']} changed: ")
    assert found.run is not None
    assert found.run.startswith("run a: ")


def test_other_configuration_code_version_and_engine_are_named(work: Replayed, tmp_path: Path) -> None:
    (body,) = work.query("SELECT payload FROM ledger WHERE kind = 'assessment'")
    said = json.loads(body["payload"])
    for key in ("config_sha256", "code_sha256", "green_version", "duckdb_version"):
        said[key] = "x"
    other = tmp_path / "other.duckdb"
    with store.connect(other, read_only=False) as con:
        schema.create(con)
        con.execute(f"ATTACH '{work.store}' AS old (READ_ONLY)")
        con.execute("INSERT INTO ledger FROM old.ledger")
        con.execute("UPDATE ledger SET payload = ? WHERE kind = 'assessment'", [json.dumps(said)])
        for table in schema.PROJECTIONS:
            con.execute(f"INSERT INTO {table} FROM old.{table}")
    found = replay(other, work.config)
    assert found, "what differs is named, and the digest is the same"
    assert [line.split(" is another")[0] for line in found.other] == ["configuration", "code", "green", "engine"]


def test_stored_facts_that_do_not_follow_from_the_inputs_are_named(work: Replayed, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_bytes(work.store.read_bytes())
    with duckdb.connect(str(other)) as con:
        con.execute(
            'UPDATE ledger SET payload = replace(payload, \'"facts_sha256":"\', \'"facts_sha256":"0\')'
            " WHERE kind = 'assessment'"
        )
        con.execute('UPDATE ledger SET payload = replace(payload, \'"model":"b"\', \'"model":"z"\')')
    found = replay(other, work.config)
    assert not found
    assert found.first == 'run b: emissions.model was "z", it is "b"'


def test_forgotten_run_cannot_be_replayed_and_this_is_said(work: Replayed) -> None:
    forget.forget(work.store, "subject", "b", reason="r")
    assert "1 runs were forgotten since" in str(replay(work.store, work.config).first)


def test_store_that_names_files_outside_of_logs_reaches_none_of_them(work: Replayed, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_bytes(work.store.read_bytes())
    (tmp_path / "outside.csv").write_text(steady(1, 20))
    with duckdb.connect(str(other)) as con:
        con.execute("UPDATE input_file SET file = '../outside.csv' WHERE file = 'b/gpu.csv'")
    assert replay(other, work.config).first == "input ../outside.csv does not lie below logs"


def test_no_such_assessment_is_a_usage_error(work: Replayed) -> None:
    for name in ("1", "999999", "nonsense"):
        with pytest.raises(UsageError):
            replay(work.store, work.config, name)


def test_an_hourly_series_is_recorded_by_its_content_and_a_changed_one_is_named(work: Replayed, tmp_path: Path) -> None:
    file = tmp_path / "grid.csv"
    file.write_text("zone,hour_at,intensity_gco2e_per_kwh\nDE,2026-03-01T08:00:00Z,300\n")
    config = work.config.model_copy(
        update={"emissions": work.config.emissions.model_copy(update={"series": (str(file),)})}
    )
    work.record(config_sha256=config_digest(config), series_files=[str(file)])
    (said,) = work.query("SELECT arg_max(payload, seq) AS payload FROM ledger WHERE kind = 'assessment'")
    assert json.loads(said["payload"])["series_sha256"] == {"grid.csv": store.digest(file)}
    assert "hourly series" in replay(work.store, config).same
    file.write_text("zone,hour_at,intensity_gco2e_per_kwh\nDE,2026-03-01T08:00:00Z,30\n")
    assert [found for found in replay(work.store, config).other if found.startswith("hourly series is another")]
    work.put("a/gpu.csv", steady(300, 20))
    work.compute()
    work.record(config_sha256=config_digest(config), series_files=[str(file)])
    (row,) = work.query("SELECT superseded_because FROM run_history WHERE run_id = 'a' AND superseded_by IS NOT NULL")
    assert {"inputs", "series"} <= set(row["superseded_because"])
    renamed = file.with_name("other.csv")
    file.rename(renamed)
    work.put("a/gpu.csv", steady(400, 20))
    work.compute()
    work.record(config_sha256=config_digest(config), series_files=[str(renamed)])
    history = "SELECT superseded_because FROM run_history WHERE run_id = 'a' AND superseded_by IS NOT NULL"
    (*_, row) = work.query(f"{history} ORDER BY superseded_by")
    assert "inputs" in row["superseded_because"]
    assert "series" not in row["superseded_because"], "the same content under another name"
