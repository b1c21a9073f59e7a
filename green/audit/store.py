"""Open, lock and publish the store: one writer at a time, readers are never blocked.

The writer works on `.store.duckdb` under the lock `.lock`; what people open, `green.duckdb`, is its
published copy, put in place by one rename after each commit. A published copy that is missing or is
not the one that was published is said, kept aside and never overwritten in silence.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.errors import StoreError, Where, is_damage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

STORAGE = "v1.5.0"  # files that DuckDB 1.5 and 2.0 both read and write


class Paths:
    """The files of a store, given its published path."""

    def __init__(self, published: Path) -> None:
        self.published = published
        self.work = published.with_name(f".{published.stem.removesuffix('.duckdb')}.work.duckdb")
        if published.name == "green.duckdb":
            self.work = published.with_name(".store.duckdb")
        self.lock = self.work.with_name(".lock" if published.name == "green.duckdb" else f"{self.work.name}.lock")
        self.marker = self.work.with_name(f"{self.work.name}.publishing")


@contextmanager
def locked(paths: Paths, *, shared: bool = False) -> Iterator[None]:
    """Hold the store's lock: exclusive to write, shared to read the working file."""
    paths.lock.parent.mkdir(parents=True, exist_ok=True)
    with paths.lock.open("a+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextmanager
def writing(paths: Paths) -> Iterator[None]:
    """Say in plain words that the disk failed or is full; what was committed before is there, and whole."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the store cannot be written: {error.strerror or error}",
            where=Where(os.path.relpath(paths.published)),
            mend="make room or mend the disk, and run again: nothing that was committed is lost",
        ) from error


@contextmanager
def damaged(paths: Paths) -> Iterator[None]:
    """Say in plain words that the engine could not read or write the working file."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    try:
        yield
    except duckdb.Error as error:
        raise StoreError(
            f"the store cannot be written: {str(error).splitlines()[0][:200]}",
            where=Where(os.path.relpath(paths.work)),
            mend="make room or mend the disk, and run again; `green verify` tells whether the store is whole",
        ) from error


@contextmanager
def unreadable(paths: Paths) -> Iterator[None]:
    """Say in plain words that a part of the working file cannot be read; an error in a query of ours stays one."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    try:
        yield
    except duckdb.Error as error:
        if not is_damage(error):
            raise
        raise StoreError(
            f"the store cannot be read to its end: {str(error).splitlines()[0][:200]}",
            where=Where(os.path.relpath(paths.work)),
            mend="restore it from a copy; `green verify --store COPY` tells whether a copy is whole",
        ) from error


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Open a store file, and say in plain words why it cannot be opened."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    shown = os.path.relpath(path)
    try:
        options: dict[str, Any] = {} if read_only else {"storage_compatibility_version": STORAGE}
        con = duckdb.connect(str(path), read_only=read_only, config=options)
    except duckdb.Error as error:
        raise StoreError(
            f"the store cannot be opened: {str(error).splitlines()[0][:200]}",
            where=Where(shown),
            mend="restore it from a copy; `green verify --store COPY` tells whether a copy is whole",
        ) from error
    con.execute("SET TimeZone = 'UTC'")
    return con


def check_version(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Refuse a file that is no store of ours, or one of a newer schema."""
    from green.audit.schema import SCHEMA_VERSION  # noqa: PLC0415 -- keeps reading a store cheap
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    shown = Where(os.path.relpath(path))
    try:
        row = con.execute("SELECT try_cast(schema_version AS INTEGER), checksum FROM store").fetchone()
    except duckdb.Error as error:
        raise StoreError("not an audit store", where=shown, mend="point --store at audit/green.duckdb") from error
    if row is None or row[0] is None:
        raise StoreError("the store does not say its version", where=shown, mend="restore it from a copy")
    if int(row[0]) > SCHEMA_VERSION:
        raise StoreError("the store was written by a newer green", where=shown, mend="upgrade green-ledger")


def digest(path: Path) -> str:
    """Return the sha256 of a file."""
    from hashlib import file_digest  # noqa: PLC0415 -- beside its one use

    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def difference(paths: Paths) -> str | None:
    """Tell what is wrong with the published copy: missing, different, or None."""
    if not paths.work.exists():
        return None
    if not paths.published.exists():
        return "missing"
    return None if _same(paths.published, paths.work) else "different"


def _same(one: Path, other: Path, chunk: int = 1 << 20) -> bool:
    """Compare two files byte by byte, which costs a tenth of hashing both."""
    with one.open("rb") as left, other.open("rb") as right:
        while (part := left.read(chunk)) == right.read(chunk):
            if not part:
                return True
    return False


def prepare(paths: Paths) -> bool:
    """Make sure that the working file exists; return whether it was made anew. Call it under the lock."""
    if paths.work.exists():
        return False
    paths.work.parent.mkdir(parents=True, exist_ok=True)
    part = paths.work.with_name(f"{paths.work.name}.part")
    part.unlink(missing_ok=True)
    if paths.published.exists():  # a store that was handed to us: take it as it is, once it is known to be one
        with connect(paths.published, read_only=True) as con:
            check_version(con, paths.published)
        shutil.copyfile(paths.published, part)
    else:
        from green.audit.schema import create  # noqa: PLC0415 -- only a new store needs it

        with connect(part, read_only=False) as con:
            con.execute("BEGIN")
            create(con)
            con.execute("COMMIT")
            con.execute("CHECKPOINT")
    os.replace(part, paths.work)  # noqa: PTH105 -- one atomic step, named as such
    return True


def demand(paths: Paths) -> None:
    """Refuse to go on where there is no store: what is asked for needs one that is there."""
    if not paths.published.exists() and not paths.work.exists():
        raise StoreError(
            "there is no audit store here", where=Where(os.path.relpath(paths.published)), mend="--store PATH"
        )


def settle(paths: Paths) -> None:
    """Take back a commit that was killed, or failed, before it was published: nobody was told that it is there.

    A kill in the middle of a write may leave a block of the working file in part, and DuckDB keeps parts of the old
    state and of the new one in one block; so the file is not mended but made anew from the published copy.
    """
    wal = paths.work.with_name(f"{paths.work.name}.wal")
    if paths.marker.exists() and paths.marker.read_text(encoding="ascii") == _published(paths):
        wal.unlink(missing_ok=True)
        paths.work.unlink(missing_ok=True)
        prepare(paths)
        paths.marker.unlink()
    elif wal.exists():  # of a reader or writer that was none of ours: what it holds was committed
        with connect(paths.work, read_only=False) as con:
            con.execute("CHECKPOINT")


def _published(paths: Paths) -> str:
    return digest(paths.published) if paths.published.exists() else ""


def announce(paths: Paths) -> None:
    """Note what is published before a commit: a kill before the next `publish` is then no tampering."""
    paths.marker.write_text(_published(paths), encoding="ascii")
    flush(paths.marker)


def unexplained(paths: Paths) -> str | None:
    """Tell what is wrong with the published copy, unless it is that of before a commit that was killed."""
    wrong = difference(paths)
    if wrong is None or not paths.marker.exists():
        return wrong
    return None if paths.marker.read_text(encoding="ascii") == _published(paths) else wrong


def set_aside(paths: Paths) -> str | None:
    """Keep a published copy that is not ours under another name; return that name."""
    if not paths.published.exists():
        return None
    aside = paths.published.with_name(f"{paths.published.name}.{digest(paths.published)[:12]}.found")
    os.replace(paths.published, aside)  # noqa: PTH105 -- as above
    return aside.name


def flush(path: Path) -> None:
    """Wait until the bytes of a file are on the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def publish(paths: Paths) -> None:
    """Put a copy of the working file in the place that people open; call it after the connection closed."""
    part = paths.published.with_name(f".{paths.published.name}.part")
    shutil.copyfile(paths.work, part)
    flush(part)
    os.replace(part, paths.published)  # noqa: PTH105 -- as above
    folder = os.open(paths.published.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    paths.marker.unlink(missing_ok=True)


def reader(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published store for reading."""
    if not path.exists():
        raise StoreError(
            "there is no audit store here",
            where=Where(os.path.relpath(path)),
            mend="run `snakemake` first, or name the store with --store",
        )
    con = connect(path, read_only=True)
    check_version(con, path)
    from green.audit import migrate  # noqa: PLC0415 -- as above

    if migrate.is_current(con):
        return con
    con.close()
    return migrate.in_memory(path)


def identity(published: Path, receipts: Sequence[Path], note: Path | None = None) -> str:
    """Return a text that changes when the store was lost, replaced or rolled back (read at parse time).

    With a file as `note`, the store is not opened where it and the receipts are the ones that were last looked at.
    """
    texts = [receipt.read_bytes() for receipt in receipts if receipt.exists()]
    fresh = sha256(b"".join(texts)).hexdigest()[:16]
    if not published.exists():
        return fresh
    seen = _seen(published, fresh)
    if note is not None and note.exists() and note.read_text(encoding="ascii").startswith(f"{seen} "):
        return note.read_text(encoding="ascii").partition(" ")[2].strip()
    found = _identity(published, texts) or fresh
    if note is not None:
        _note(note, seen, found)
    return found


def remember(published: Path, receipts: Sequence[Path], note: Path, identity: str) -> None:
    """Note what `identity` will find, by who has just committed: 50 ms less at each start of the pipeline."""
    fresh = sha256(b"".join(receipt.read_bytes() for receipt in receipts)).hexdigest()[:16]
    _note(note, _seen(published, fresh), identity)


def _note(note: Path, seen: str, identity: str) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    part = note.with_name(f".{note.name}.{os.getpid()}")
    part.write_text(f"{seen} {identity}\n", encoding="ascii")
    part.replace(note)


def _seen(published: Path, receipts: str) -> str:
    """Return the digest of what a file system says of a store; nobody can set the time of a change of its inode."""
    stat = published.stat()
    parts = (receipts, stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return sha256(repr(parts).encode()).hexdigest()


def _identity(published: Path, receipts: Sequence[bytes]) -> str | None:
    """Return the newest generation of a store that holds what the receipts say, None of any other store."""
    with locked(Paths(published), shared=True), connect(published, read_only=True) as con:
        check_version(con, published)
        heads = [json.loads(text).get("head") for text in receipts]
        for head in heads:
            if con.execute("SELECT 1 FROM ledger WHERE hash = $head", {"head": head}).fetchone() is None:
                return None
        row = con.execute("SELECT arg_max(payload ->> '$.store', seq) FROM ledger WHERE kind = 'generation'").fetchone()
    return None if row is None or row[0] is None else str(row[0])
