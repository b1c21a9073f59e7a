"""Flip bits in, and cut, every file of the store: found, or harmless; never another figure, never a traceback."""

from __future__ import annotations

import io
import random
import shutil
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import duckdb

from green import cli
from green.audit import checkpoint, store, verify
from green.errors import GreenError, StoreError
from tests.reliability import kill, zygote
from tests.reliability.stores import commit_batch, partial, small, subjects
from tests.reliability.table import Outcome

CUT_SHARE = 0.25
READ = "published store, read by commands"
KINDS = ("published store", READ, "working store", "write-ahead log", "checkpoint")
COMMANDS = (
    ["query", "SELECT * FROM runs ORDER BY run_id", "--json"],
    ["explain", "a"],
    ["export", "json", "--view", "lineage"],
    ["check", "--no-commit", "--format", "json"],
)


def run(count: int) -> Outcome:
    """Damage each file `count` / 4 times; the published store twice as often, for commands read it, too."""
    outcome = Outcome(
        "Bits flipped (1 to 16) and files cut, followed by `verify`, or by the commit that reads the file first",
        ("file", "damaged", "found", "harmless", "another figure, unsaid", "tracebacks or crashes"),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zygote.run(lambda say: say(_prepared(folder)))
        for kind in KINDS:
            results = [_damaged(folder, kind, random.Random(f"{kind} {trial}")) for trial in range(count // 4)]  # noqa: S311 -- seeded
            counts = [results.count(one) for one in ("found", "harmless", "silent", "crash")]
            outcome.rows.append((kind, len(results), *counts))
            outcome.kept &= counts[2:] == [0, 0]
    return outcome


def _prepared(folder: Path) -> bool:
    """Make a whole store, and one with the write-ahead log of a commit that was killed."""
    work = small(folder / "whole")
    other = folder / "killed" / "green.duckdb"
    other.parent.mkdir()
    shutil.copyfile(work.store, other)
    commit_batch(other, "first")
    zygote.run(lambda _: (kill.STEPS["before the write-ahead log is merged"](), commit_batch(other, "waits"))[0])
    return store.Paths(other).work.with_name(f"{store.Paths(other).work.name}.wal").exists()


def _damaged(folder: Path, kind: str, rng: random.Random) -> str:
    is_killed = kind == "write-ahead log"
    source = folder / ("killed" if is_killed else "whole/audit")
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "audit"
        shutil.copytree(source, copy)
        paths = store.Paths(copy / "green.duckdb")
        file = {
            "published store": paths.published,
            READ: paths.published,
            "working store": paths.work,
            "write-ahead log": paths.work.with_name(f"{paths.work.name}.wal"),
            "checkpoint": copy / checkpoint.FILE,
        }[kind]
        if file == paths.published:
            paths.work.unlink()  # what an auditor gets is one file
        _damage(file, rng)
        key = folder / "whole" / "key.pem"
        said, ended = zygote.run(lambda say: say(_judged(paths, kind, folder / "whole/audit/green.duckdb", key)))
    if ended != 0:
        sys.stderr.write(f"{kind}: ended {ended}, said {said}\n")
    return str(said[0]) if ended == 0 and said else "crash"


def _damage(file: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if rng.random() < CUT_SHARE:
        del content[rng.randrange(len(content)) :]
    else:
        for _ in range(rng.choice((1, 1, 2, 16))):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def _judged(paths: store.Paths, kind: str, whole: Path, key: Path) -> str:
    try:
        if kind in {"working store", "write-ahead log"}:
            commit_batch(paths.published, "next")
        if kind == "checkpoint":
            witness = checkpoint.read(paths.published.with_name(checkpoint.FILE), own=key)
            return "found" if witness.wrong or not witness.signed else "silent"
        if kind == READ:
            return _answered(paths.published, whole)
        proof = verify.verify(paths.published)
    except GreenError:
        return "found"
    if not proof:
        return "found"
    if kind == "write-ahead log":  # it was not acknowledged: all of it is there, or nothing
        found = subjects(paths.published)
        names = [subject for subject in found if subject != "policies"]
        return "harmless" if not partial(names) and {"first-0", "next-0"} <= set(found) else "silent"
    return _compared(paths.published, whole)


def _compared(published: Path, whole: Path) -> str:
    """Compare all that counts; bytes that nobody reads make two copies differ, and the next commit says so."""
    if _content(published, "next") != _content(whole, "next"):
        return "silent"
    with store.reader(published) as con:
        told = con.execute("SELECT count(*) FROM ledger WHERE kind = 'integrity'").fetchone()
    return "harmless" if told == (0,) else "found"


def _answered(published: Path, whole: Path) -> str:
    """Ask a damaged store and a whole one the same: each answers as the whole one does, or says that it is damaged."""
    found = "harmless"
    for command in COMMANDS:
        (code, said), (wanted, answer) = (_said(store, command) for store in (published, whole))
        if code == StoreError.exit_code:
            found = "found"
        elif code not in {0, 1}:
            sys.stderr.write(f"{command}: ended {code}\n")
            return "crash"
        elif (code, said) != (wanted, answer):
            return "silent"
    return found


def _said(path: Path, command: list[str]) -> tuple[object, str]:
    out = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(out, write_through=True)), redirect_stderr(io.StringIO()):
        try:
            cli.main(["--store", str(path), *command])
        except SystemExit as ended:
            return ended.code or 0, out.getvalue().decode()
    raise AssertionError(command)


def _content(path: Path, but: str) -> list[Any]:
    """Return all events and figures, but those of the commit that came after the damage."""
    with duckdb.connect(str(path), read_only=True) as con:
        where = f"WHERE NOT starts_with(subject, '{but}') AND kind <> 'integrity'"
        events = con.execute(f"SELECT seq, payload, hash FROM ledger {where} ORDER BY seq").fetchall()
        return [events, con.execute("SELECT * FROM run ORDER BY seq").fetchall()]
