"""`green query`: saved queries run, and no SQL of a user reaches a file, an extension or the store's bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.conftest import BIN, REPO
from tests.core.helper import Work, steady

SAVED = sorted(path.stem for path in (REPO / "docs" / "queries").glob("*.sql"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Work:
    made = Work(tmp_path_factory.mktemp("query"))
    for name in ("a", "b"):
        made.put(f"{name}/run.yaml", f"team: t\nmodel: {name}\nsite: {{region: DE, pue: 1.2}}\n")
        made.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    made.ledgered()
    made.put("b/gpu.csv", steady(300, 20))
    made.put("unknown/gpu.csv", steady(50, 20))
    made.ledgered()
    return made


def query(work: Work, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "green"), "query", *arguments, "--store", str(work.store)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=work.folder)


def test_list_names_every_saved_query_with_its_title(work: Work) -> None:
    listed = json.loads(query(work, "--list", "--json").stdout)
    assert [row["name"] for row in listed] == SAVED
    assert all(row["title"].endswith(".") for row in listed)


@pytest.mark.parametrize("name", SAVED)
def test_saved_query_runs(work: Work, name: str) -> None:
    done = query(work, name, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)


def test_saved_queries_keep_unknown_unknown_and_name_what_changed(work: Work) -> None:
    top = json.loads(query(work, "top-emitters", "--json").stdout)
    assert [row["run_id"] for row in top] == ["b", "a", "unknown/gpu.csv"]
    assert top[2]["emissions_kgco2e"] is None
    rows = json.loads(query(work, "team-by-quarter", "--json").stdout)
    assert [(row["team"], row["quarter"], row["runs_unknown"]) for row in rows] == [
        ("t", "2026-Q1", 0),
        (None, "2026-Q1", 1),
    ]
    assert rows[0]["emissions_kgco2e"] == pytest.approx(sum(row["emissions_kgco2e"] for row in top[:2]), abs=1e-6)
    assert rows[1]["emissions_kgco2e"] is None
    (row,) = json.loads(query(work, "superseded", "--json").stdout)
    assert (row["run_id"], row["superseded_because"]) == ("b", ["inputs"])


def test_no_query_is_a_usage_error_that_names_the_saved_ones(work: Work) -> None:
    done = query(work)
    assert done.returncode == 3
    assert all(name in done.stderr for name in SAVED)


ATTEMPTS = [
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM '{secret}'",
    "FROM '{secret}'",
    "SELECT * FROM glob('/*')",
    "COPY (SELECT 1) TO '{out}'",
    "COPY runs TO '{out}' (FORMAT parquet)",
    "COPY ledger FROM '{secret}'",
    "EXPORT DATABASE '{out}'",
    "IMPORT DATABASE '{out}'",
    "ATTACH '{out}' AS other",
    "ATTACH ':memory:' AS other",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{secret}'",
    "SET enable_external_access = true",
    "SET GLOBAL enable_external_access = true",
    "RESET enable_external_access",
    "SET lock_configuration = false",
    "PRAGMA enable_profiling",
    "SET temp_directory = '{out}'",
    "SET allowed_directories = ['/']",
    "CREATE SECRET s (TYPE S3, KEY_ID 'a', SECRET 'b')",
    "CREATE TABLE t AS SELECT 1",
    "CREATE VIEW v AS SELECT 1",
    "CREATE OR REPLACE VIEW runs AS SELECT 1",
    "CREATE OR REPLACE MACRO finite(x) AS 0",
    "INSERT INTO ledger SELECT * FROM ledger",
    "UPDATE run SET energy_kwh = 0",
    "DELETE FROM ledger",
    "TRUNCATE ledger",
    "DROP TABLE ledger",
    "DROP VIEW runs",
    "ALTER TABLE run RENAME TO other",
    "COMMENT ON TABLE run IS 'x'",
    "CHECKPOINT",
    "FORCE CHECKPOINT",
    "VACUUM ledger; DELETE FROM ledger",
    "SELECT 1; DELETE FROM ledger",
    "BEGIN; DELETE FROM ledger; COMMIT",
    "SELECT getenv('HOME')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM parquet_metadata('{secret}')",
    "SELECT * FROM query('DELETE FROM ledger')",
    "PREPARE p AS DELETE FROM ledger",
    "CALL force_checkpoint()",
]


@pytest.mark.parametrize("sql", ATTEMPTS)
def test_attempt_to_reach_a_file_an_extension_or_the_store_fails(work: Work, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("swordfish\n1\n")
    before = work.store.read_bytes()
    there = {path for path in work.folder.rglob("*") if path.is_file()}
    done = query(work, sql.format(secret=secret, out=tmp_path / "out"))
    assert "swordfish" not in done.stdout + done.stderr
    assert work.store.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv"]
    assert {path for path in work.folder.rglob("*") if path.is_file()} == there
    assert done.returncode == 3, f"{sql}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
