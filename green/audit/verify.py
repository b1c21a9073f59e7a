"""Prove the store: walk the chain, recompute every projection, compare definitions, published copy, checkpoint."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from green.audit import definitions, ledger, migrate, schema, store
from green.audit.commit import project
from green.audit.walk import walk
from green.errors import StoreError, Where
from green.sql import code_digest, text_of
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from green.audit.checkpoint import Witness

SLICE = 50_000  # events whose projections are in memory at a time


@dataclass
class Proof:
    """What was established, what was not, and what is wrong."""

    events: int = 0
    head: str = ledger.GENESIS
    forgotten: int = 0
    established: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    by_checkpoint: list[str] = field(default_factory=list)  # of what is wrong, what only a checkpoint tells

    def __bool__(self) -> bool:
        return not self.wrong


def verify(
    published: Path, progress: Callable[[str], None] = lambda _: None, *, witness: Witness | None = None
) -> Proof:
    """Verify a published store; what is wrong is returned, not raised, but for a file that is no store."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where the store is opened

    proof = Proof()
    paths = store.Paths(published)
    if paths.work.exists() and (wrong := store.difference(paths)) is not None:
        proof.wrong.append(f"the published store is {wrong}: it is not what was committed last")
    target = published if published.exists() else paths.work
    if not target.exists():
        raise StoreError(
            "there is no audit store here",
            where=Where(os.path.relpath(published)),
            mend="run `snakemake` first, or name the store with --store",
        )
    try:
        with store.connect(target, read_only=True) as con:
            store.check_version(con, target)
            progress("chain")
            _chain(con, proof, witness)
            progress("projections")
            _projections(target, proof, is_current=migrate.is_current(con))
            progress("views")
            _definitions(con, proof)
    except duckdb.Error as error:
        proof.wrong.append(f"the store cannot be read to its end: {str(error).splitlines()[0][:200]}")
    return proof


def _chain(con: duckdb.DuckDBPyConnection, proof: Proof, witness: Witness | None) -> None:
    """Walk the chain; with a witness, hold it to what was signed."""
    walked = walk(con, notice=(1,) if witness is None else (1, witness.size))
    proof.events, proof.head, proof.forgotten = walked.events, walked.head, walked.forgotten
    proof.wrong += walked.wrong
    if not walked.wrong:
        proof.established.append(f"the chain of {proof.events} events is whole; its head is {proof.head}")
    if walked.forgotten and not walked.wrong:
        proof.established.append(f"{walked.forgotten} events were forgotten, each by an event that says why")
    if witness is not None:
        established, is_open, wrong = witness.compare(walked)
        proof.established += established
        proof.open += is_open
        proof.wrong += wrong
        proof.by_checkpoint += wrong
    else:
        proof.open.append(
            "whether the newest events were cut off, or everything rewritten: that takes a checkpoint kept elsewhere"
        )


def _projections(path: Path, proof: Proof, *, is_current: bool) -> None:
    """Recompute all projections from the ledger in a database of our own, and name those that differ.

    A slice of the ledger at a time, so that memory does not grow with it; a row belongs to the slice of its `seq`.
    """
    differing: dict[str, tuple[int, int]] = {}
    ends = [*range(SLICE, proof.events, SLICE), None]
    first: int | None = None
    for last in ends:
        with tempfile.TemporaryDirectory(prefix="green-") as folder, _projected(path, Path(folder), first, last) as own:
            for table, (extra, absent) in _differing(own, _slice(first, last), is_current=is_current):
                before = differing.get(table, (0, 0))
                differing[table] = (before[0] + extra, before[1] + absent)
        first = last
    proof.wrong += [
        f"projection {table}: {differing[table][0]} rows are not in the ledger, {differing[table][1]} of the ledger"
        " are missing"
        for table in schema.PROJECTIONS
        if table in differing
    ]
    if not differing:
        proof.established.append("every projection is what the ledger says")


def _slice(first: int | None, last: int | None) -> str:
    """Return SQL for what comes after `first`, up to `last`; slices put together are all rows there may be."""
    ends = [*([] if first is None else [f"seq > {first}"]), *([] if last is None else [f"seq <= {last}"])]
    whole = " AND ".join(ends) or "true"
    return f"({whole} OR seq IS NULL)" if last is None else whole


def _differing(own: duckdb.DuckDBPyConnection, part: str, *, is_current: bool) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give the projections that differ in a slice: how many rows are too many, and how many are missing."""
    columns = _columns(own)
    for table in schema.PROJECTIONS:
        said, kept = columns.get(("said", table), []), columns.get(("audited", table), [])
        if not is_current:  # an older schema: what both have is compared
            said = [name for name in said if name in kept]
        if not said:
            continue
        names = ", ".join(f'"{name}"' for name in said)
        row = own.execute(
            f"WITH kept AS (SELECT {names} FROM audited.{table} WHERE {part}), said AS (SELECT {names} FROM {table})"
            " SELECT (SELECT count(*) FROM (FROM kept EXCEPT ALL FROM said)),"
            " (SELECT count(*) FROM (FROM said EXCEPT ALL FROM kept))"
        ).fetchone()
        if row is not None and row != (0, 0):
            yield table, (int(row[0]), int(row[1]))


def _columns(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], list[str]]:
    """Return the columns of every table, by database and table."""
    rows = con.execute(
        "SELECT database_name, table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()"
        " WHERE schema_name = 'main' AND NOT internal GROUP BY ALL"
    ).fetchall()
    return {(str(database), str(table)): list(names) for database, table, names in rows}


def _projected(path: Path, folder: Path, first: int | None, last: int | None) -> duckdb.DuckDBPyConnection:
    """Open a database of our own with the projections of a slice of the ledger in the file, attached as `audited`."""
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    own = duckdb.connect(str(folder / "said.duckdb"))  # a file, so that a large slice has where to spill
    own.execute("SET TimeZone = 'UTC'")
    own.execute(text_of("formulas"))
    schema.create_projections(own)
    own.execute(f"ATTACH {quote(path)} AS audited (READ_ONLY)")
    own.execute(
        f"CREATE TEMP VIEW event AS SELECT * FROM audited.ledger WHERE {_slice(first, last)}"
        f" AND NOT {ledger.is_tombstone()}"
    )
    project(own)
    return own


def _definitions(con: duckdb.DuckDBPyConnection, proof: Proof) -> None:
    """Compare what the store is made of with what this version makes, or with what its ledger says that it is."""
    number, checksum = migrate.version_of(con)
    row = con.execute(
        "SELECT arg_max(payload ->> '$.version', seq), arg_max(payload ->> '$.checksum', seq) FROM ledger"
        " WHERE kind = 'schema'"
    ).fetchone()
    if row is not None and row[0] is not None and row != (str(number), checksum):
        proof.wrong.append(f"the store says that it has schema {number}, its ledger says schema {row[0]}")
        return
    if not migrate.is_current(con):
        newest = con.execute("SELECT arg_max(code_sha256, seq) FROM assessment").fetchone()
        if newest == (code_digest(),):  # whoever wrote this says that its SQL is ours
            proof.wrong += definitions.differences(con, units=False)
        released = any((one.version, one.checksum) == (number, checksum) for one in migrate.RELEASED)
        proof.open.append(
            f"whether views and formulas are those of schema {number}"
            f"{'' if released else ', in a form that was never released'}: this version has schema"
            f" {schema.SCHEMA_VERSION}, makes its own, and the next commit upgrades the store"
        )
        return
    changed = definitions.differences(con)
    proof.wrong += changed
    if not changed:
        proof.established.append("views and formulas are those of this version")
