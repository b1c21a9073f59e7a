"""Checkpoints: what is signed, who can tell, and what a cut tail or a rewritten ledger looks like to them."""

from __future__ import annotations

import base64
import shutil
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest

from green.audit import checkpoint, commit, ledger, note, store, verify
from green.errors import StoreError, UsageError
from tests.conftest import BIN
from tests.core.test_core_ledger import fill

# The example of C2SP signed-note (https://c2sp.org/signed-note) and of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "audit" / "green.duckdb"
    commit.commit(store.Paths(path), fill("one", "two", "three"))
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "home" / "green" / "checkpoint.pem"


def signed(published: Path, key: Path) -> checkpoint.Signed:
    return checkpoint.make(published, published.with_name(checkpoint.FILE), key)


def proof(published: Path, *, vkey: str | None = None, own: Path | None = None) -> verify.Proof:
    return verify.verify(published, witness=checkpoint.read(published.with_name(checkpoint.FILE), vkey, own=own))


def test_note_of_another_program_is_read_and_its_signature_holds() -> None:
    text, (line,) = note.parse(GO_NOTE.encode())
    one = note.verifier(GO_KEY)
    assert (one.name, one.key_id, str(one)) == (line.name, line.key_id, GO_KEY)
    assert one.accepts(text, line.signature)
    assert not one.accepts(text.replace("problem", "Problem"), line.signature)


def test_checkpoint_has_the_form_of_c2sp_and_says_size_and_head(published: Path, key: Path) -> None:
    made = signed(published, key)
    lines = made.note.split("\n")
    with duckdb.connect(str(published), read_only=True) as con:
        first, head = (con.execute(f"SELECT hash FROM ledger WHERE seq = {seq}").fetchone()[0] for seq in (1, 3))
    assert lines[:3] == [f"green-ledger/{first[:16]}", "3", base64.b64encode(bytes.fromhex(head)).decode()]
    assert lines[3] == ""
    assert lines[4].startswith(f"— green-ledger/{first[:16]} ")
    public = base64.b64decode(made.key.split("+", 2)[2])
    named = sha256(lines[0].encode() + b"\n" + public).digest()[:4]
    assert base64.b64decode(lines[4].split(" ")[2])[:4] == named


def test_key_is_made_once_and_only_its_owner_can_read_it(published: Path, key: Path) -> None:
    first = signed(published, key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert any("new signing key" in words for words in first.notes)
    before = key.read_bytes()
    commit.commit(store.Paths(published), fill("four"))
    second = signed(published, key)
    assert (key.read_bytes(), second.key, second.size) == (before, first.key, 5)


def test_key_that_others_may_read_or_that_lies_beside_the_store_is_refused(published: Path, key: Path) -> None:
    signed(published, key)
    key.chmod(0o640)
    with pytest.raises(UsageError, match="others may read"):
        signed(published, key)
    with pytest.raises(UsageError, match="beside the store"):
        signed(published, published.with_name("key.pem"))


def test_nothing_new_signs_nothing_new(published: Path, key: Path) -> None:
    first = signed(published, key)
    before = published.read_bytes()
    assert signed(published, key).note == first.note
    assert published.read_bytes() == before
    with duckdb.connect(str(published), read_only=True) as con:
        assert con.execute("SELECT size, head, note FROM checkpoint").fetchall() == [(3, first.head, first.note)]


def test_verify_says_which_events_were_signed_by_whom_and_what_stays_open(published: Path, key: Path) -> None:
    made = signed(published, key)
    commit.commit(store.Paths(published), fill("four", "five"))
    for vkey, own, words in ((made.key, None, "was given"), (None, key, "your own"), (None, None, "lies beside it")):
        found = proof(published, vkey=vkey, own=own)
        assert found.wrong == []
        (line,) = [line for line in found.established if "checkpoint.txt" in line]
        assert line.startswith("the first 3 events are those of ")
        assert words in line
        assert any("after event 3 (3 are there)" in line for line in found.open)


def test_without_a_key_the_ledger_is_compared_and_who_signed_stays_open(published: Path, key: Path) -> None:
    signed(published, key)
    published.with_name(checkpoint.PUBLIC).unlink()
    found = proof(published)
    assert found.wrong == []
    assert any(line.startswith("the first 3 events are those of ") for line in found.established)
    assert any(line.startswith("who signed ") for line in found.open)


def cut(published: Path, last: int) -> None:
    with duckdb.connect(str(published)) as con:
        con.execute(f"DELETE FROM ledger WHERE seq > {last}")
        con.execute(f"DELETE FROM check_run WHERE seq > {last}")
        con.execute(f"DELETE FROM checkpoint WHERE seq > {last}")
    store.Paths(published).work.unlink()


def rewritten(published: Path, *, from_seq: int) -> None:
    """Write the ledger anew from an event on, with right hashes and projections, as its owner could."""
    with duckdb.connect(str(published)) as con:
        con.execute("SET TimeZone = 'UTC'")
        names = "seq, kind, subject, payload, actor, tool_version"
        events = con.execute(f"SELECT {names} FROM ledger WHERE seq >= {from_seq} ORDER BY seq").fetchall()
        con.execute(f"DELETE FROM ledger WHERE seq >= {from_seq}")
        for seq, kind, subject, payload, actor, version in events:
            text = payload.replace('"d"', '"e"') if seq == from_seq else payload
            now = f"2026-01-01T00:00:00.{seq:06d}Z"
            ledger.append_one(con, kind, subject, text, now=now, actor=actor, version=version)
        con.execute(f"UPDATE check_run SET digest = 'e' WHERE seq = {from_seq}")
    store.Paths(published).work.unlink()


@pytest.mark.parametrize("last", [1, 2])
def test_cut_tail_is_found_with_a_checkpoint_only(published: Path, key: Path, last: int) -> None:
    signed(published, key)
    cut(published, last)
    assert verify.verify(published).wrong == []
    assert proof(published).wrong == [
        f"{3 - last} events that were signed are missing: the ledger ends at event {last}"
    ]


@pytest.mark.parametrize(("from_seq", "words"), [(1, "another ledger"), (2, "event 3 is not the one that was signed")])
def test_rewritten_ledger_is_found_with_a_checkpoint_only(
    published: Path, key: Path, from_seq: int, words: str
) -> None:
    signed(published, key)
    rewritten(published, from_seq=from_seq)
    assert verify.verify(published).wrong == []
    (wrong,) = proof(published).wrong
    assert words in wrong


def test_changed_ledger_is_not_signed(published: Path, key: Path) -> None:
    signed(published, key)
    kept = published.with_name(checkpoint.FILE).read_bytes()
    rewritten(published, from_seq=2)
    with pytest.raises(StoreError, match="not signed: event 3"):
        signed(published, key)
    assert published.with_name(checkpoint.FILE).read_bytes() == kept


def test_checkpoint_with_one_bit_flipped_is_never_taken_for_signed(published: Path, key: Path) -> None:
    signed(published, key)
    file = published.with_name(checkpoint.FILE)
    whole = file.read_bytes()
    for at in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        file.write_bytes(damaged)
        witness = checkpoint.read(file, own=key)
        assert witness.wrong or not witness.signed, f"bit {at}"


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"a\n1\nb\n\n", b"\xff" * 9, b"x" * 2_000_000, b"a\n0\n\n\xe2\x80\x94 a AAAA\n"]
)
def test_file_that_is_no_checkpoint_is_said_to_be_none(published: Path, content: bytes) -> None:
    published.with_name(checkpoint.FILE).write_bytes(content)
    (wrong,) = proof(published).wrong
    assert "is no checkpoint" in wrong


def test_note_signed_by_another_key_is_not_the_one_that_was_asked_for(published: Path, key: Path) -> None:
    signed(published, key)
    other = note.public_of(note.make_key(key.with_name("other.pem")), "green-ledger/0000000000000000")
    assert any("not signed by the key that was given" in line for line in proof(published, vkey=str(other)).wrong)
    with pytest.raises(UsageError, match="no Ed25519 key"):
        proof(published, vkey="nonsense+00+AA==")


def green(published: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "green"), *arguments, "--store", str(published)]
    environment = {"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(home), "HOME": str(home)}
    environment["PYTHONPATH"] = ":".join(path for path in sys.path if path)
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_commands_sign_and_verify_and_end_5_on_a_cut_tail(published: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = green(published, home, "checkpoint")
    assert (made.returncode, made.stdout) == (0, published.with_name("checkpoint.txt").read_text())
    assert stat.S_IMODE((home / "green" / "checkpoint.pem").stat().st_mode) == 0o600
    fine = green(published, home, "verify")
    assert (fine.returncode, "your own" in fine.stdout) == (0, True)
    elsewhere = tmp_path / "kept.txt"
    shutil.copy(published.with_name("checkpoint.txt"), elsewhere)
    cut(published, 2)
    published.with_name("checkpoint.txt").unlink()
    assert green(published, home, "verify").returncode == 0
    found = green(published, home, "verify", "--checkpoint", str(elsewhere))
    assert (found.returncode, "1 events that were signed are missing" in found.stdout) == (5, True)
    assert green(published, home, "verify", "--checkpoint", "nowhere.txt").returncode == 3


def test_head_is_found_after_events_were_deleted(published: Path) -> None:
    with duckdb.connect(str(published)) as con:
        con.execute("DELETE FROM ledger WHERE seq > 1")  # ORDER BY seq DESC LIMIT 1 gives no row now
        assert ledger.head(con)[0] == 1
        ledger.append_one(con, "k", "s", "{}", now="2026-01-01T00:00:00.000001Z", actor="a", version="v")
        assert ledger.head(con)[0] == 2
