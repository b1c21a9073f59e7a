"""What is forgotten is gone from every page of the file; the chain stays whole, and how much and why is on record."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from green.audit import commit, ledger, store, verify
from green.audit.forget import forget
from green.errors import StoreError, UsageError
from tests.conftest import BIN
from tests.core.helper import Work, steady

WORD = "zanzibar"


@pytest.fixture
def work(tmp_path: Path) -> Work:
    made = Work(tmp_path)
    for name, project, model in (("a", "p", "m"), ("b", "p", "m"), ("c", "q", WORD)):
        record = f"team: t\nproject: {project}\nmodel: {model}\nsite: {{region: DE, pue: 1.2}}\n"
        made.put(f"{name}/run.yaml", record)
        made.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    made.ledgered()
    verdict = {"policy": "P", "subject": "c", "verdict": "fail", "message": f"{WORD} is over"}
    group = {"policy": "B", "subject": "project=q,team=t", "verdict": "fail", "message": f"{WORD} too"}
    events = [("verdict", "P c", ledger.canonical(verdict)), ("verdict", "B q", ledger.canonical(group))]
    commit.commit(store.Paths(made.store), lambda con: commit.propose(con, events))
    return made


def bytes_of(work: Work) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(work.store.parent.iterdir()))


def test_forgotten_run_leaves_every_byte_of_the_store_and_the_chain_stays_whole(work: Work) -> None:
    assert WORD.encode() in bytes_of(work)
    before = work.query("SELECT seq, payload_sha256, hash FROM ledger ORDER BY seq")
    done = forget(work.store, "project", "q", reason="erasure request 14", actor="Ada")
    assert (done.events, done.seq) == (3, len(before) + 1)
    assert WORD.encode() not in bytes_of(work)
    after = work.query("SELECT seq, payload_sha256, hash FROM ledger ORDER BY seq")
    assert after[: len(before)] == before
    proof = verify.verify(work.store)
    assert (proof.wrong, proof.forgotten) == ([], 3)
    assert "3 events were forgotten, each by an event that says why" in proof.established


def test_who_forgot_what_and_why_is_on_record_and_projections_drop_it(work: Work) -> None:
    done = forget(work.store, "subject", "c", reason="erasure request 14", actor="Ada")
    rows = work.query("SELECT kind, subject, forgotten_by, actor, forgotten_because FROM forgotten ORDER BY seq")
    assert [(row["kind"], row["subject"]) for row in rows] == [("run", "c"), ("verdict", "P c")]
    assert {(row["forgotten_by"], row["actor"], row["forgotten_because"]) for row in rows} == {
        (done.seq, commit.actor_of("Ada"), "erasure request 14")
    }
    assert [row["run_id"] for row in work.query("SELECT run_id FROM runs ORDER BY run_id")] == ["a", "b"]
    for table in ("energy", "embodied", "input_file"):
        assert work.query(f"SELECT count(*) AS n FROM {table} WHERE run_id = 'c'") == [{"n": 0}]


def test_forgotten_run_does_not_come_back_while_its_log_is_the_same(work: Work) -> None:
    forget(work.store, "subject", "c", reason="r")
    work.ledgered()
    assert work.ledgered().events == 0
    assert [row["run_id"] for row in work.query("SELECT run_id FROM runs ORDER BY run_id")] == ["a", "b"]
    work.put("c/gpu.csv", steady(333, 20))
    work.ledgered()
    assert len(work.query("FROM runs")) == 3, "another log is another fact"
    assert verify.verify(work.store)


def test_forgetting_twice_does_nothing_the_second_time(work: Work) -> None:
    forget(work.store, "subject", "c", reason="r")
    before = work.store.read_bytes()
    assert forget(work.store, "subject", "c", reason="r").events == 0
    assert work.store.read_bytes() == before


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["UPDATE ledger SET payload = '{\"forgotten\":1}' WHERE seq = 1"], "no event says who forgot it"),
        (["UPDATE ledger SET payload = '{\"forgotten\":999}' WHERE kind = 'run' AND subject = 'b'"], "no event says"),
        (["UPDATE ledger SET payload = '{\"forgotten\":2}' WHERE payload LIKE '{\"forgotten%'"], "is not that of the"),
        (["UPDATE ledger SET payload = '{\"forgotten\":1, }' WHERE payload LIKE '{\"forgotten%'"], "is not that of"),
    ],
)
def test_payload_that_was_taken_away_without_a_word_is_found(work: Work, statements: list[str], words: str) -> None:
    forget(work.store, "subject", "c", reason="r")
    store.Paths(work.store).work.unlink()
    with duckdb.connect(str(work.store)) as con:
        for sql in statements:
            con.execute(sql)
    assert any(words in line for line in verify.verify(work.store).wrong)


def test_payload_that_came_back_after_it_was_forgotten_is_found(work: Work, tmp_path: Path) -> None:
    kept = tmp_path / "kept.duckdb"
    shutil.copyfile(work.store, kept)
    forget(work.store, "subject", "c", reason="r")
    store.Paths(work.store).work.unlink()
    with duckdb.connect(str(work.store)) as con:
        con.execute(f"ATTACH '{kept}' AS kept (READ_ONLY)")
        con.execute(
            "UPDATE ledger SET payload = k.payload FROM kept.ledger AS k"
            " WHERE k.seq = ledger.seq AND ledger.kind = 'run' AND ledger.subject = 'c'"
        )
    assert any("it was forgotten, and its payload is there" in line for line in verify.verify(work.store).wrong)


def test_nothing_is_forgotten_without_a_reason_of_nobody_or_in_a_changed_store(work: Work) -> None:
    with pytest.raises(UsageError, match="nobody says why"):
        forget(work.store, "subject", "c", reason=" ")
    with pytest.raises(UsageError, match="no event"):
        forget(work.store, "team", "nobody", reason="r")
    work.store.write_bytes(b"something else")
    with pytest.raises(StoreError, match="changed"):
        forget(work.store, "subject", "c", reason="r")


def test_command_says_how_many_and_where_older_copies_lie(work: Work) -> None:
    (work.store.parent / "green.duckdb.0123.found").write_bytes(b"old")
    command = [str(BIN / "green"), "forget", "--team", "t", "--reason", "r", "--json", "--store", str(work.store)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=work.folder)
    found = json.loads(done.stdout)
    assert found["events"] == 5
    assert [Path(path).name for path in found["elsewhere"]] == ["green.duckdb.0123.found"]
    assert "is an older copy" in done.stderr
