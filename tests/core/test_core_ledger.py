"""The ledger: canonical, chained, idempotent; every change to recorded history is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from green.audit import commit, ledger, schema, store, verify
from green.errors import StoreError
from green.sql import text_of
from tests.core.helper import Work, steady

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["\u2028\u2029", "\x00\x1f\x7f\x80", '"\\/\b\f\n\r\t', "\U0001f680", "\ufffe\uffff", "\\u001f", "é\u0301"]
)
ASCII = st.text(st.characters(max_codepoint=127), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ASCII, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300)
@given(JSON)
def test_canonical_json_is_that_of_rfc_8785(value: Any) -> None:
    assert ledger.canonical(value).encode() == rfc8785.dumps(value)


@settings(max_examples=25, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_any_text_of_a_record_is_canonical_in_the_ledger(texts: list[str]) -> None:
    with duckdb.connect() as con, tempfile.TemporaryDirectory() as folder:
        con.execute("CREATE TABLE proposed (ordinal BIGINT, kind VARCHAR, subject VARCHAR, payload VARCHAR)")
        con.execute("CREATE TABLE ledger (seq BIGINT, kind VARCHAR, subject VARCHAR, payload_sha256 VARCHAR)")
        for number, text in enumerate(texts):
            con.execute("INSERT INTO proposed SELECT ?, 'k', ?, to_json({'a': ?, 'b': 1})", [number, text, text])
        out = Path(folder) / "pending.parquet"
        commit._new(con, out)  # noqa: SLF001 -- the step that makes payloads canonical
        found = con.execute(f"SELECT payload FROM '{out}' ORDER BY ordinal").fetchall()
    assert [payload for (payload,) in found] == [rfc8785.dumps({"a": t, "b": 1}).decode() for t in texts]


def test_hash_is_what_the_design_says() -> None:
    head = {
        "actor": "a",
        "kind": "run",
        "payload_sha256": "0" * 64,
        "recorded_at": "2026-01-01T00:00:00.000000Z",
        "subject": "s",
        "tool_version": "1",
    }
    own = sha256(b"green-audit-v1\0" + bytes(32) + (7).to_bytes(8, "big") + sha256(rfc8785.dumps(head)).digest())
    header = ledger.Header(7, head["recorded_at"], "run", "s", "0" * 64, "a", "1")
    assert header.hash("0" * 64) == own.hexdigest()


def fill(*subjects: str, what: str = "x") -> Any:
    def propose(con: duckdb.DuckDBPyConnection) -> None:
        body = {"as_of": what, "digest": "d", "policies_sha256": "p", "summary": "{}"}
        commit.propose(con, [("check", subject, ledger.canonical(body)) for subject in subjects])

    return propose


def events(published: Path) -> list[tuple[str, str]]:
    with duckdb.connect(str(published), read_only=True) as con:
        rows = con.execute("SELECT subject, payload ->> '$.as_of' FROM ledger ORDER BY seq").fetchall()
    return [(str(subject), str(what)) for subject, what in rows]


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "audit" / "green.duckdb"


def test_same_facts_twice_add_nothing_and_a_b_a_appends_each_change(published: Path) -> None:
    paths = store.Paths(published)
    for what, added in (("A", 1), ("A", 0), ("B", 1), ("A", 1), ("A", 0)):
        before = published.read_bytes() if published.exists() else b""
        assert commit.commit(paths, fill("s", what=what)).events == added
        assert added or published.read_bytes() == before
    assert events(published) == [("s", "A"), ("s", "B"), ("s", "A")]
    assert verify.verify(published)


KILLED_AT = """
import os, sys
from pathlib import Path
from green.audit import commit, ledger, store
step, published = sys.argv[1], Path(sys.argv[2])
if step == "publish":
    store.publish = lambda paths: os._exit(9)
class Connection:
    def __init__(self, own): self.own = own
    def __enter__(self): return self
    def __exit__(self, *_): self.own.close()
    def __getattr__(self, name): return getattr(self.own, name)
    def execute(self, sql, *more):
        if sql == step: os._exit(9)
        return self.own.execute(sql, *more)
connect = store.connect
store.connect = lambda path, *, read_only: (
    connect(path, read_only=True) if read_only else Connection(connect(path, read_only=False))
)
body = {"as_of": "x", "digest": "d", "policies_sha256": "p", "summary": "{}"}
commit.commit(store.Paths(published), lambda con: commit.propose(con, [("check", "two", ledger.canonical(body))]))
"""


@pytest.mark.parametrize("step", ["COMMIT", "CHECKPOINT", "publish"])
def test_a_kill_at_any_step_of_a_commit_heals_with_the_next_and_loses_or_doubles_nothing(
    published: Path, step: str
) -> None:
    paths = store.Paths(published)
    commit.commit(paths, fill("one"))
    done = subprocess.run([sys.executable, "-c", KILLED_AT, step, str(published)], check=False)
    assert done.returncode == 9
    receipt = commit.commit(paths, fill("two"))
    found = [subject for subject, _ in events(published)]
    assert [subject for subject in found if subject != "published"] == ["one", "two"]
    assert verify.verify(published)
    assert receipt.size == len(found)
    assert store.difference(paths) is None
    assert step == "publish" or receipt.notes == [], "a crash before the publication accuses nobody"


COMMITS = """
import sys
from pathlib import Path
from green.audit import commit, ledger, store
for n in range(4):
    body = {"as_of": "x", "digest": "d", "policies_sha256": "p", "summary": "{}"}
    event = ("check", sys.argv[2] + str(n), ledger.canonical(body))
    commit.commit(store.Paths(Path(sys.argv[1])), lambda con: commit.propose(con, [event]))
"""


def test_commits_of_two_processes_at_once_all_land_in_one_chain(published: Path) -> None:
    jobs = [subprocess.Popen([sys.executable, "-c", COMMITS, str(published), name]) for name in "ab"]
    assert [job.wait(60) for job in jobs] == [0, 0]
    assert {subject for subject, _ in events(published)} == {f"{name}{n}" for name in "ab" for n in range(4)}
    assert len(events(published)) == 8
    assert verify.verify(published)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of three runs and a check."""
    work = Work(tmp_path_factory.mktemp("whole"))
    for name in ("a", "b", "c"):
        work.put(f"{name}/run.yaml", f"team: t\nmodel: {name}\nsite: {{region: DE, pue: 1.2}}\n")
        work.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    work.ledgered()
    commit.commit(store.Paths(work.store), fill("policies"))
    assert verify.verify(work.store).wrong == []
    return work.store


def attacked(whole: Path, folder: Path, *statements: str) -> list[str]:
    copy = folder / "green.duckdb"
    shutil.copyfile(whole, copy)
    with duckdb.connect(str(copy)) as con:
        for sql in statements:
            con.execute(sql)
    return verify.verify(copy).wrong


EDITS = {
    "recorded_at": "TIMESTAMPTZ '2020-01-01 00:00:00+00'",
    "kind": "'x'",
    "subject": "'x'",
    "payload": "replace(payload, '\"', '''')",
    "payload_sha256": "repeat('1', 64)",
    "prev_hash": "repeat('1', 64)",
    "hash": "repeat('1', 64)",
    "actor": "'actor-x'",
    "tool_version": "'9.9.9'",
}


@pytest.mark.parametrize("column", EDITS)
def test_edit_of_any_column_of_the_ledger_is_found_at_its_event(whole: Path, tmp_path: Path, column: str) -> None:
    wrong = attacked(whole, tmp_path, f"UPDATE ledger SET {column} = {EDITS[column]} WHERE seq = 2")
    assert wrong
    assert wrong[0].startswith("event 2: ")


INSERTED = (
    "INSERT INTO ledger SELECT 2, recorded_at, kind, 'forged', payload, payload_sha256, hash, hash, actor, tool_version"
    " FROM ledger WHERE seq = 1"
)


@pytest.mark.parametrize(
    ("statements", "at"),
    [
        (["DELETE FROM ledger WHERE seq = 2"], "event 3: event 2 is missing"),
        (["DELETE FROM ledger WHERE seq = 1"], "event 2: event 1 is missing"),
        (["UPDATE ledger SET seq = CASE seq WHEN 2 THEN 3 ELSE 2 END WHERE seq IN (2, 3)"], "event 2: "),
        (["INSERT INTO ledger SELECT * FROM ledger WHERE seq = 2"], "event 2: "),
        (
            [
                "DELETE FROM ledger WHERE seq = 2",
                "UPDATE ledger SET seq = seq - 1 WHERE seq > 2",
            ],
            "event 2: it does not follow event 1",
        ),
        (
            [
                "UPDATE ledger SET seq = seq + 1 WHERE seq >= 2",
                INSERTED,
            ],
            "event 2: ",
        ),
        (
            [
                "UPDATE ledger SET payload = replace(payload, 'training', 'xx'), subject = 'y' WHERE seq = 3",
                "UPDATE ledger SET payload_sha256 = sha256(payload) WHERE seq = 3",
            ],
            "event 3: time, kind, subject or actor was changed",
        ),
        (
            ["ALTER TABLE ledger ALTER payload DROP NOT NULL", "UPDATE ledger SET payload = NULL WHERE seq = 2"],
            "event 2: ",
        ),
        (["ALTER TABLE ledger ALTER seq TYPE DOUBLE"], "event 1"),
    ],
    ids=["deleted", "first deleted", "swapped", "doubled", "closed gap", "inserted", "rehashed", "null", "retyped"],
)
def test_change_of_the_chain_is_found_and_the_event_is_named(
    whole: Path, tmp_path: Path, statements: list[str], at: str
) -> None:
    assert attacked(whole, tmp_path, *statements)[0].startswith(at)


@pytest.mark.parametrize(
    "edit",
    [
        "prev_hash = prev_hash || left(hash, 1), hash = substr(hash, 2)",
        "prev_hash = left(prev_hash, 63), hash = right(prev_hash, 1) || hash",
        "prev_hash = prev_hash || ' ' || hash, hash = ''",
        "payload_sha256 = payload_sha256 || ' ' || prev_hash, prev_hash = hash, hash = ''",
        "payload_sha256 = '', prev_hash = payload_sha256 || ' ' || prev_hash",
        "hash = upper(hash)",
        "hash = hash || ' '",
        "payload_sha256 = upper(payload_sha256)",
        "prev_hash = upper(prev_hash)",
    ],
)
def test_digests_that_are_the_same_only_when_put_together_are_found(whole: Path, tmp_path: Path, edit: str) -> None:
    (wrong, *_) = attacked(whole, tmp_path, f"UPDATE ledger SET {edit} WHERE seq = 2")
    assert wrong.startswith("event 2: ")


@pytest.mark.parametrize(
    ("column", "value"),
    [*((column, "NULL") for column in EDITS), *((column, "''") for column in EDITS if column != "recorded_at")],
)
def test_column_of_the_ledger_without_a_value_is_found(whole: Path, tmp_path: Path, column: str, value: str) -> None:
    (wrong, *_) = attacked(
        whole,
        tmp_path,
        f"ALTER TABLE ledger ALTER {column} DROP NOT NULL",
        f"UPDATE ledger SET {column} = {value} WHERE seq = 2",
    )
    assert wrong.startswith("event 2: ")


PROJECTIONS = {
    "run": "UPDATE run SET energy_kwh = 0 WHERE run_id = 'a'",
    "energy": "DELETE FROM energy WHERE run_id = 'a'",
    "input_file": "UPDATE input_file SET sha256 = repeat('0', 64)",
    "state": "INSERT INTO state VALUES (2, 'a', 'replaced', false, [], NULL, NULL)",
    "factor": "UPDATE factor SET value = value / 2",
    "check_run": "UPDATE check_run SET digest = 'e'",
    "verdict": "INSERT INTO verdict (seq, policy_id, subject, verdict) VALUES (1, 'p', 's', 'pass')",
    "assessment": "UPDATE assessment SET config_sha256 = 'd'",
}


@pytest.mark.parametrize("table", PROJECTIONS)
def test_edited_projection_is_found_and_named(whole: Path, tmp_path: Path, table: str) -> None:
    (wrong,) = attacked(whole, tmp_path, PROJECTIONS[table])
    assert wrong.startswith(f"projection {table}: ")


SWAPPED = (
    "CREATE OR REPLACE MACRO embodied_kgco2e(embodied_total_kgco2e, lifetime_h, device_hours_h, utilisation, share) AS"
    " embodied_total_kgco2e * device_hours_h / nullif(lifetime_h * utilisation, 0) * share"
)
SHADOWED = "CREATE MACRO z.finite(x) AS CASE WHEN isfinite(x) THEN x END"


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE run SET energy_kwh = 0 WHERE run_id = 'a'",
        "UPDATE run SET energy_kwh = 0 WHERE run_id = 'c'",
        "UPDATE factor SET value = 0 WHERE seq = (SELECT max(seq) FROM factor)",
        "UPDATE run SET seq = seq + 1000000 WHERE run_id = 'a'",
        "UPDATE run SET seq = -seq WHERE run_id = 'a'",
        "ALTER TABLE run ALTER seq DROP NOT NULL; INSERT INTO run (seq, run_id) VALUES (NULL, 'a')",
        "INSERT INTO run SELECT * FROM run WHERE run_id = 'a'",
    ],
)
def test_projections_are_held_to_the_ledger_a_slice_at_a_time(
    whole: Path, tmp_path: Path, edit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SLICE", 40)
    assert len(events(whole)) > 3 * verify.SLICE, "more than one slice"
    assert verify.verify(whole).wrong == []
    wrong = attacked(whole, tmp_path, *edit.split("; "))
    assert any(line.startswith(("projection run: ", "projection factor: ")) for line in wrong), wrong


DEFINITIONS = {
    "view runs was changed": ["CREATE OR REPLACE VIEW runs AS SELECT * FROM current_run WHERE team <> 't'"],
    "view by_project is missing": ["DROP VIEW by_project"],
    "view mine is not ours": ["CREATE VIEW mine AS SELECT 1"],
    "view z.runs is not ours": ["CREATE SCHEMA z", "CREATE VIEW z.runs AS SELECT 1"],
    "macro finite was changed": ["CREATE OR REPLACE MACRO finite(x) AS 0"],
    "macro embodied_kgco2e was changed": [SWAPPED],
    "macro coverage_ratio is missing": ["DROP MACRO coverage_ratio"],
    "macro mine is not ours": ["CREATE MACRO mine() AS TABLE SELECT 1"],
    "macro z.finite is not ours": ["CREATE SCHEMA z", SHADOWED],
    "table run was changed": ["ALTER TABLE run ALTER cost_usd TYPE DOUBLE"],
    "table extra is not ours": ["CREATE TABLE extra AS SELECT 1 AS x"],
}


@pytest.mark.parametrize("expected", DEFINITIONS)
def test_redefined_view_formula_or_table_is_found_and_named(whole: Path, tmp_path: Path, expected: str) -> None:
    assert expected in attacked(whole, tmp_path, *DEFINITIONS[expected])


def test_a_cut_tail_needs_a_checkpoint_and_verify_says_so(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "green.duckdb"
    shutil.copyfile(whole, copy)
    with duckdb.connect(str(copy)) as con:
        con.execute("DELETE FROM check_run")
        con.execute("DELETE FROM ledger WHERE kind = 'check'")
    proof = verify.verify(copy)
    assert proof.wrong == []
    assert any("checkpoint" in line for line in proof.open)


def test_gone_back_and_gone_again_is_three_changes_of_state(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("stays.csv", steady(50, 20))
    log = work.put("a.csv", steady(100, 20))
    text = log.read_text()
    seen = []
    for is_there in (True, False, True, False):
        if is_there:
            log.write_text(text)
        else:
            log.unlink()
        work.ledgered()
        (row,) = work.query("SELECT state, is_counted, flags FROM runs WHERE run_id = 'a.csv'")
        seen.append((row["state"], row["is_counted"], "SOURCE_GONE" in row["flags"]))
    assert seen == [("current", True, False), ("gone", True, True)] * 2
    states = work.query("SELECT payload ->> '$.state' AS s FROM ledger WHERE kind = 'state' ORDER BY seq")
    assert [row["s"] for row in states] == ["gone", "current", "gone"]
    assert work.query("SELECT count(*) AS n FROM ledger WHERE kind = 'run' AND subject = 'a.csv'")[0]["n"] == 1


def test_committing_unchanged_logs_again_changes_no_byte(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a.csv", steady(100, 20))
    work.ledgered()
    before = work.store.read_bytes()
    receipt = work.ledgered()
    assert (receipt.events, work.store.read_bytes() == before) == (0, True)


def test_payload_of_every_event_is_canonical(whole: Path) -> None:
    with duckdb.connect(str(whole), read_only=True) as con:
        payloads = [row[0] for row in con.execute("SELECT payload FROM ledger").fetchall()]
    assert len(payloads) > 5
    for payload in payloads:
        assert rfc8785.dumps(json.loads(payload)).decode() == payload


def test_no_name_of_a_person_stands_in_the_ledger(published: Path) -> None:
    commit.commit(store.Paths(published), fill("s"), actor="Ada Lovelace")
    with duckdb.connect(str(published), read_only=True) as con:
        ((actor,),) = con.execute("SELECT DISTINCT actor FROM ledger").fetchall()
    assert actor == "actor-" + sha256(b"green-actor\0Ada Lovelace").hexdigest()[:12]


def test_a_missing_store_is_an_error_for_verify(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no audit store"):
        verify.verify(tmp_path / "green.duckdb")


def test_every_kind_of_event_that_has_a_projection_has_one_statement() -> None:
    statements = schema.projections()
    assert len(statements) == text_of("projections").count("INSERT INTO")
    for kind, statement in statements.items():
        assert statement.count("INSERT INTO") == 1
        assert statement.count(f"WHERE kind = '{kind}'") == 1
