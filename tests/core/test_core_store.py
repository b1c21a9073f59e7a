"""The store as a file: newer, foreign, damaged, lost, or handed over."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import duckdb
import pytest

from green.audit import commit, store, verify
from green.errors import GreenError, StoreError
from tests.core.helper import Work, steady
from tests.core.test_core_ledger import events, fill


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    published = tmp_path_factory.mktemp("store") / "green.duckdb"
    commit.commit(store.Paths(published), fill("one", "two", "three"))
    return published


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    path = tmp_path / "audit" / "green.duckdb"
    path.parent.mkdir()
    shutil.copyfile(whole, path)
    return path


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["UPDATE store SET schema_version = 999"], "newer green"),
        (["DELETE FROM store"], "does not say its version"),
        (["DROP TABLE store"], "not an audit store"),
        (["ALTER TABLE store ALTER schema_version TYPE VARCHAR", "UPDATE store SET schema_version = 'x'"], "not say"),
    ],
)
def test_store_of_another_schema_is_refused_by_readers_and_the_writer(
    copy: Path, statements: list[str], words: str
) -> None:
    with duckdb.connect(str(copy)) as con:
        for sql in statements:
            con.execute(sql)
    before = copy.read_bytes()
    for use in (store.reader, verify.verify, lambda path: commit.commit(store.Paths(path), fill("four"))):
        with pytest.raises(StoreError, match=words):
            use(copy)
    assert copy.read_bytes() == before, "what is not understood is not touched"


@pytest.mark.parametrize(
    "content", [b"", b"hello\n" * 999, b"\0" * 99_999, None], ids=["empty", "text", "nulls", "folder"]
)
def test_file_that_is_no_store_is_a_store_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "green.duckdb"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    for use in (store.reader, verify.verify):
        with pytest.raises(StoreError):
            use(path)


@pytest.mark.parametrize("seed", range(24))
def test_damaged_bytes_are_found_or_harmless_and_never_a_traceback(whole: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 -- seeded damage
    blob = bytearray(whole.read_bytes())
    if seed % 4 == 3:
        del blob[rng.randrange(len(blob)) :]
    else:
        for _ in range((1, 1, 16)[seed % 3]):
            blob[rng.randrange(len(blob))] ^= 1 << rng.randrange(8)
    path = tmp_path / "green.duckdb"
    path.write_bytes(blob)
    try:
        proof = verify.verify(path)
    except GreenError:
        return
    if proof:
        with duckdb.connect(str(whole), read_only=True) as one, duckdb.connect(str(path), read_only=True) as two:
            for table in ("ledger", "check_run", "store"):
                assert one.execute(f"FROM {table}").fetchall() == two.execute(f"FROM {table}").fetchall()


def test_store_handed_over_as_one_file_continues_its_chain(copy: Path) -> None:
    assert not store.Paths(copy).work.exists()
    receipt = commit.commit(store.Paths(copy), fill("three", "four"))
    assert (receipt.events, receipt.size, receipt.notes) == (1, 4, [])
    assert [subject for subject, _ in events(copy)] == ["one", "two", "three", "four"]
    assert verify.verify(copy)


@pytest.mark.parametrize("is_lost", [True, False])
def test_published_copy_that_is_lost_or_replaced_is_said_and_kept(copy: Path, is_lost: bool) -> None:  # noqa: FBT001 -- a column of the table
    paths = store.Paths(copy)
    commit.commit(paths, fill("four"))
    if is_lost:
        copy.unlink()
    else:
        copy.write_bytes(b"something else")
    proof = verify.verify(copy) if is_lost else None
    assert proof is None or any("missing" in line for line in proof.wrong)
    receipt = commit.commit(paths, fill("four"))
    assert len(receipt.notes) == 1
    assert events(copy)[-1][0] == "published"
    assert verify.verify(copy)
    kept = list(copy.parent.glob("*.found"))
    assert [path.read_bytes() for path in kept] == ([] if is_lost else [b"something else"])


def test_readers_do_not_block_a_commit_and_see_their_own_state(copy: Path) -> None:
    paths = store.Paths(copy)
    commit.commit(paths, fill("four"))
    with duckdb.connect(str(copy), read_only=True) as con:
        commit.commit(paths, fill("five"))
        assert con.execute("SELECT count(*) FROM ledger").fetchone() == (4,)
    assert len(events(copy)) == 5


def test_identity_changes_where_the_store_is_lost_or_rolled_back(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("a.csv", steady(100, 20))
    receipt = work.folder / "audit.json"
    receipt.write_text(f'{{"head": "{work.ledgered().head}"}}')
    assert store.identity(work.store, [receipt]) == "g"
    receipt.write_text(f'{{"head": "{"0" * 64}"}}')
    rolled_back = store.identity(work.store, [receipt])
    shutil.rmtree(work.store.parent)
    assert "g" not in {rolled_back, store.identity(work.store, [receipt])}


def test_every_number_of_a_run_leads_to_the_bytes_that_it_was_read_from(tmp_path: Path) -> None:
    from hashlib import sha256  # noqa: PLC0415 -- beside its one use

    work = Work(tmp_path)
    log = work.put("a.csv", steady(100, 20))
    work.ledgered()
    (row,) = work.query("SELECT file, sha256, bytes, reader FROM lineage")
    assert row == {
        "file": "a.csv",
        "sha256": sha256(log.read_bytes()).hexdigest(),
        "bytes": log.stat().st_size,
        "reader": "nvidia_smi",
    }
