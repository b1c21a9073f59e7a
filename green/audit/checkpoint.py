"""A checkpoint: how many events the ledger has and what the newest one's hash is, signed, to be kept elsewhere.

The form is that of C2SP tlog-checkpoint: origin, size, and the hash in base64. The hash is the head of our chain,
not the root of a Merkle tree: who checks it needs the ledger, and no proof of inclusion can be given.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from green.audit import commit, ledger, note, store
from green.audit.verify import verify
from green.errors import StoreError, UsageError, Where

if TYPE_CHECKING:
    import duckdb

    from green.audit.walk import Walked

FILE, PUBLIC = "checkpoint.txt", "checkpoint.pub"
LINES, HASH_BYTES = 3, 32


@dataclass(frozen=True)
class Witness:
    """What a checkpoint says, who signed it, and whether that could be checked."""

    shown: str
    origin: str = ""
    size: int = 0
    head: str = ""
    signed: str = ""  # in words: by which key; empty where no key was known
    wrong: tuple[str, ...] = field(default=())

    def compare(self, walked: Walked) -> tuple[list[str], list[str], list[str]]:
        """Hold a ledger to the checkpoint: what is established, what is open, what is wrong."""
        cut = "whether the newest events were cut off"
        if self.wrong:
            return [], [f"{cut}, or everything rewritten: the checkpoint cannot be used"], list(self.wrong)
        if walked.wrong:
            return [], [f"whether the ledger is the one of {self.shown}: its chain is broken"], []
        if (differs := self._differs(walked)) is not None:
            return [], [], [differs]
        newer = walked.events - self.size
        is_open = [f"{cut} of those after event {self.size} ({newer} are there): that takes a newer checkpoint"]
        if not self.signed:
            is_open.insert(0, f"who signed {self.shown}: no key is known; name it with --key")
        by = f", {self.signed}" if self.signed else ""
        return [f"the first {self.size} events are those of {self.shown}{by}"], is_open, []

    def _differs(self, walked: Walked) -> str | None:
        if walked.events and origin(walked.hashes[1]) != self.origin:
            return f"{self.shown} is the checkpoint of another ledger ({self.origin}), or everything was written anew"
        if walked.events < self.size:
            lost = self.size - walked.events
            return f"{lost} events that were signed are missing: the ledger ends at event {walked.events}"
        if walked.hashes[self.size] != self.head:
            return f"event {self.size} is not the one that was signed: the ledger was written anew"
        return None


def origin(first: str) -> str:
    """Return the name of a ledger, from the hash of its first event: no two ledgers share one."""
    return f"green-ledger/{first[:16]}"


def body(first: str, size: int, head: str) -> str:
    """Return the text of a checkpoint."""
    return f"{origin(first)}\n{size}\n{base64.b64encode(bytes.fromhex(head)).decode()}\n"


def read(path: Path, key: str | None = None, *, own: Path | None = None) -> Witness:
    """Read a checkpoint and check who signed it; what is wrong with it is said, not raised.

    Keys are the one given (its text, or a file with it), the one beside the checkpoint, and this person's own.
    """
    shown = os.path.relpath(path)
    try:
        text, signatures = note.parse(path.read_bytes())
        name, size, head = _parsed(text)
    except note.BadNoteError as error:
        return Witness(shown, wrong=(f"{shown} is no checkpoint: {error}",))
    signed = ""
    for words, one in _keys(path, key, own, name):
        lines = [line for line in signatures if (line.name, line.key_id) == (one.name, one.key_id)]
        if any(not one.accepts(text, line.signature) for line in lines):
            return Witness(shown, wrong=(f"{shown} was changed: the signature of {one.name} is not of this text",))
        if lines and not signed:
            signed = f"signed by the key {one.key_id.hex()}, {words}"
    if key is not None and "given" not in signed:
        return Witness(shown, wrong=(f"{shown} is not signed by the key that was given",))
    return Witness(shown, name, size, head, signed)


def _parsed(text: str) -> tuple[str, int, str]:
    lines = text.splitlines()
    if len(lines) < LINES or not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise note.BadNoteError("its text is not origin, size and hash")
    raw = note.decoded(lines[2])
    if len(raw) != HASH_BYTES or int(lines[1]) < 1:
        raise note.BadNoteError("its text is not origin, size and hash")
    return lines[0], int(lines[1]), raw.hex()


def _keys(path: Path, key: str | None, own: Path | None, name: str) -> list[tuple[str, note.Verifier]]:
    """Return the keys that may have signed, the most trusted first, each with what it is."""
    found = []
    if key is not None:
        text = Path(key).read_text(encoding="utf-8") if Path(key).is_file() else key
        try:
            found.append(("the one that was given", note.verifier(text)))
        except note.BadNoteError as error:
            raise UsageError(
                str(error), where=Where(key), mend="`green checkpoint` wrote it to checkpoint.pub"
            ) from error
    if own is not None and own.exists():
        found.append(("your own", note.public_of(note.load_key(own), name)))
    beside = path.with_name(PUBLIC)
    if beside.exists():
        try:
            words = "which lies beside it: as trustworthy as that file"
            found.append((words, note.verifier(beside.read_text(encoding="utf-8", errors="replace"))))
        except note.BadNoteError as error:
            raise StoreError(str(error), where=Where(os.path.relpath(beside)), mend="restore it") from error
    return found


@dataclass(frozen=True)
class Signed:
    """A checkpoint that was made: its text, where it lies, and the key that checks it."""

    note: str
    size: int
    head: str
    key: str
    notes: list[str]


def make(published: Path, out: Path, key: Path, *, actor: str | None = None) -> Signed:
    """Sign the state of the ledger, write the note to `out`, and record it; nothing new signs nothing new.

    A ledger that does not verify, or is not the one that `out` was signed for, is not signed.
    """
    _outside(key, published)
    notes = []
    if not key.exists():
        note.make_key(key)
        notes.append(f"a new signing key lies in {key}: keep a copy, it is nowhere else")
    private = note.load_key(key)
    before = read(out, own=key) if out.exists() else None
    proof = verify(published, witness=before)
    if not proof:
        raise StoreError(
            f"this ledger is not signed: {proof.wrong[0]}",
            where=Where(os.path.relpath(published)),
            mend="`green verify` tells what is wrong",
        )
    with store.reader(published) as con:
        first, size, head = _state(con)
    text = note.sign(body(first, size, head), origin(first), private)
    public = note.public_of(private, origin(first))
    write(out, text)
    write(out.with_name(PUBLIC), f"{public}\n")
    payload = ledger.canonical({"head": head, "note": text, "size": size})

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        commit.propose(con, [("checkpoint", "ledger", payload)])

    notes += commit.commit(store.Paths(published), fill, actor=actor).notes
    return Signed(text, size, head, str(public), notes)


def _state(con: duckdb.DuckDBPyConnection) -> tuple[str, int, str]:
    """Return the first hash, the size and the head to sign; a checkpoint alone is nothing new."""
    row = con.execute(
        "SELECT (SELECT hash FROM ledger WHERE seq = 1), seq, hash, prev_hash, kind, payload ->> '$.head'"
        " FROM ledger WHERE seq = (SELECT max(seq) FROM ledger)"
    ).fetchone()
    if row is None:
        raise StoreError("the ledger is empty: there is nothing to sign", mend="run `snakemake` first")
    first, seq, own, previous, kind, head = row
    if kind == "checkpoint" and head == previous:
        return first, seq - 1, previous
    return first, seq, own


def _outside(key: Path, published: Path) -> None:
    if published.resolve().parent in key.resolve().parents:
        raise UsageError(
            "the signing key must not lie beside the store: who can change one could use the other",
            where=Where(str(key)),
            mend=f"--key elsewhere, such as {note.own_key()}",
        )


def write(path: Path, text: str) -> None:
    """Write a file that is either as it was or whole, and on the disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        store.flush(part)
        os.replace(part, path)  # noqa: PTH105 -- one atomic step, named as such
    except OSError as error:
        raise StoreError(f"the checkpoint cannot be written: {error.strerror}", where=Where(str(path))) from error
