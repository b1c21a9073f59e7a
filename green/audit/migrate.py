"""Bring a store of an older schema to that of this version: its ledger, event by event, and all else made anew.

Everything but the ledger is a projection of it, so that one way serves every migration: what is carried over is
the history, byte by byte, and the projections, views and formulas are those of the new schema.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from green.audit import ledger, schema, store
from green.audit.origin import written_by
from green.audit.walk import walk
from green.errors import StoreError, Where
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import duckdb


@dataclass(frozen=True)
class Migration:
    """A schema that was released: its number, its checksum, and what it brought."""

    version: int
    checksum: str
    what: str


# A fixture of each lies in tests/audit/fixtures, and holds the tables of a number to what they are: a test fails where
# they change without a new one. Views and formulas may: a store has those of the program that wrote to it last.
RELEASED = (
    Migration(1, "cc212fad936bcfd818af1dec932d2f6699e112edad82f4eae38a6f9142241945", "ledger, projections, views"),
    Migration(
        2,
        "a45bb9e476145da1e4bc670679c5185ebf12012ca9141b995aafaf1000e7a04e",
        "tombstones and checkpoints, markets and instruments, bills of materials, fleets, reasons",
    ),
)

Version = tuple[int, str]  # number and checksum of a schema


def version_of(con: duckdb.DuckDBPyConnection) -> Version:
    """Return the schema that a store says it has."""
    row = con.execute("SELECT CAST(schema_version AS INTEGER), checksum FROM store").fetchone()
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def is_current(con: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether a store has the schema of this version."""
    return version_of(con) == (schema.SCHEMA_VERSION, schema.checksum())


def fill(
    con: duckdb.DuckDBPyConnection,
    source: Path,
    *,
    forget: Collection[int] = (),
    by: int = 0,
    before: int | None = None,
) -> None:
    """Fill an empty store with the ledger of another file, or its part `before` an event, and all that follows from it.

    The payloads of the events to `forget` stay behind: a tombstone with the number of the event `by` takes their place.
    """
    from green.audit.commit import project  # noqa: PLC0415 -- a commit upgrades, and an upgrade projects

    con.execute(f"ATTACH {quote(source)} AS old (READ_ONLY)")
    con.execute("CREATE TEMP TABLE gone AS SELECT unnest($seqs::BIGINT[]) AS seq", {"seqs": sorted(forget)})
    con.execute(
        "INSERT INTO ledger SELECT seq, recorded_at, kind, subject, CASE WHEN seq IN (SELECT seq FROM gone)"
        " THEN $tombstone ELSE payload END, payload_sha256, prev_hash, hash, actor, tool_version"
        " FROM old.ledger WHERE $before IS NULL OR seq < $before ORDER BY seq",
        {"tombstone": ledger.tombstone(by), "before": before},
    )
    con.execute(f"CREATE TEMP VIEW event AS SELECT * FROM ledger WHERE NOT {ledger.is_tombstone()}")
    project(con)


def rebuild(paths: store.Paths, event: ledger.Event, *, actor: str, forget: Collection[int] = ()) -> None:
    """Put a store made anew from its ledger, with one event more, in the place of the working file."""
    part = paths.work.with_name(f"{paths.work.name}.part")
    part.unlink(missing_ok=True)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with store.connect(part, read_only=False) as con:
        con.execute("BEGIN")
        schema.create(con)
        with store.connect(paths.work, read_only=True) as old:
            by = ledger.head(old)[0] + 1
        fill(con, paths.work, forget=forget, by=by)
        kind, subject, payload = event
        ledger.append_one(con, kind, subject, payload, now=now, actor=actor, version=written_by())
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
    store.flush(part)
    os.replace(part, paths.work)  # noqa: PTH105 -- one atomic step, named as such


def upgrade(paths: store.Paths, *, actor: str) -> str | None:
    """Upgrade the working file where its schema is not ours; return what was done. Call it under the lock."""
    with store.connect(paths.work, read_only=True) as con:
        number, checksum = version_of(con)
        if (number, checksum) == (schema.SCHEMA_VERSION, schema.checksum()):
            return None
        wrong = walk(con).wrong
    if wrong:
        raise StoreError(
            f"a store whose history was changed is not upgraded: {wrong[0]}",
            where=Where(os.path.relpath(paths.work)),
            mend="`green verify` tells what was changed; restore the store from a copy",
        )
    body = {
        "checksum": schema.checksum(),
        "from_checksum": checksum,
        "from_version": number,
        "version": schema.SCHEMA_VERSION,
    }
    store.announce(paths)
    rebuild(paths, ("schema", "store", ledger.canonical(body)), actor=actor)
    if number == schema.SCHEMA_VERSION:
        return f"the store of schema {number} has the views and formulas of this version now"
    return f"the store was brought from schema {number} to schema {schema.SCHEMA_VERSION}"


def earlier(source: Path, target: Path, before: int) -> None:
    """Write the store as it was before an event: what had been committed by then, and nothing else."""
    with store.connect(target, read_only=False) as con:
        con.execute("BEGIN")
        schema.create(con)
        fill(con, source, before=before)
        con.execute("COMMIT")
        con.execute("CHECKPOINT")


def in_memory(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a store of an older schema as this version would have it, in memory; the file stays as it is."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    schema.create(con)
    fill(con, path)
    con.execute("DETACH old")
    return con
