"""`green query`: saved queries run, and no SQL of a user reaches a file, an extension or the store's bytes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from green.cli import main
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
    # by another function, another address, another statement around it
    "SELECT * FROM read_csv_auto(['{secret}'])",
    "SELECT * FROM read_ndjson_objects('{secret}')",
    "SELECT * FROM parquet_full_metadata('{secret}')",
    "SELECT * FROM read_duckdb('{secret}')",
    'SELECT * FROM "{secret}"',
    "SELECT * FROM 'file://{secret}'",
    "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT * FROM read_csv('/dev/fd/0')",
    "SELECT * FROM read_csv('{secret}', store_rejects = true)",
    "SELECT * FROM glob('{secret}*')",
    "SELECT * FROM query('SELECT * FROM ''{secret}''')",
    "SELECT * FROM query_table('{secret}')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM ''{secret}'''))",
    "WITH x AS (SELECT * FROM '{secret}') SELECT * FROM x",
    "DESCRIBE '{secret}'",
    "SUMMARIZE '{secret}'",
    "PIVOT '{secret}' ON swordfish",
    "EXPLAIN SELECT * FROM '{secret}'",
    "EXPLAIN ANALYZE SELECT * FROM '{secret}'",
    "EXPLAIN ANALYZE COPY ledger TO '{out}'",
    "EXPLAIN ANALYZE DELETE FROM ledger",
    "EXPLAIN ANALYZE ATTACH '{out}'",
    "EXPLAIN EXPORT DATABASE '{out}'",
    "SELECT * FROM sqlite_scan('{secret}', 't')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')",
    "SELECT * FROM st_read('{secret}')",
    "SELECT * FROM read_xlsx('{secret}')",
    "SELECT * FROM delta_scan('{secret}')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM which_secret('s3://x', 's3')",
    # the variables of the program that asks
    "SELECT * FROM con",
    "SELECT * FROM statements",
    # statements that do something
    "COPY ledger TO '/dev/stdout'",
    "COPY FROM DATABASE green TO other",
    "ATTACH 'http://127.0.0.1:9/x.duckdb' AS other",
    "ATTACH '{secret}' AS other (TYPE sqlite)",
    "DETACH green",
    "USE system",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:9'",
    "INSTALL '{out}/x.duckdb_extension'",
    "UPDATE EXTENSIONS",
    "SET allow_unsigned_extensions = true",
    "SET extension_directory = '{out}'",
    "SET secret_directory = '{out}'",
    "SET profiling_output = '{out}'",
    "SET log_query_path = '{out}'",
    "SET file_search_path = '/'",
    "SET VARIABLE x = '{secret}'",
    "RESET lock_configuration",
    "PRAGMA import_database('{out}')",
    "CALL enable_logging(storage = 'file', storage_path = '{out}')",
    "CREATE PERSISTENT SECRET s (TYPE S3, KEY_ID 'a', SECRET 'b')",
    "CREATE TEMP TABLE t AS SELECT * FROM '{secret}'",
    "CREATE TEMP MACRO m() AS TABLE SELECT * FROM '{secret}'",
    "MERGE INTO ledger USING ledger AS l ON true WHEN MATCHED THEN DELETE",
    "EXECUTE p",
    "SELECT 1 /* ; */; DELETE FROM ledger --",
    # a saved query is one that is there
    "superseded.sql",
    "../queries/superseded",
    "../../..{secret}",
    "{secret}",
    "/etc/passwd",
]


@pytest.mark.parametrize("sql", ATTEMPTS)
def test_attempt_to_reach_a_file_an_extension_or_the_store_fails(
    work: Work, tmp_path: Path, sql: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("swordfish\n1\n")
    (tmp_path / "secret.sql").write_text("SELECT 'swordfish'")
    monkeypatch.setenv("SECRET", "swordfish")
    monkeypatch.chdir(work.folder)
    before = work.store.read_bytes()
    there = {path for path in work.folder.rglob("*") if path.is_file()}
    asked = sql.format(secret=secret, out=tmp_path / "out")
    with pytest.raises(SystemExit) as ended:
        main(["query", asked, "--store", str(work.store)])
    said = "".join(capfd.readouterr())
    assert "swordfish" not in said or "swordfish" in asked
    assert work.store.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.csv", "secret.sql"]
    assert {path for path in work.folder.rglob("*") if path.is_file()} == there
    assert ended.value.code == 3, f"{sql}: {said}"
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM checkpoint()",
        "SELECT write_log('x')",
        "SELECT * FROM truncate_duckdb_logs()",
        "EXPLAIN DELETE FROM ledger",
        "EXPLAIN SET threads = 1",
    ],
)
def test_what_runs_and_sounds_like_a_change_changes_nothing(work: Work, sql: str) -> None:
    before = work.store.read_bytes()
    there = {path for path in work.folder.rglob("*") if path.is_file()}
    query(work, sql)
    assert work.store.read_bytes() == before
    assert {path for path in work.folder.rglob("*") if path.is_file()} == there
