"""Prove the store: walk the chain, recompute every projection from the ledger, compare the published copy."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from green.audit import ledger, schema, store
from green.audit.commit import project
from green.errors import StoreError, Where
from green.stages import text_of
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb


@dataclass
class Proof:
    """What was established, what was not, and what is wrong."""

    events: int = 0
    head: str = ledger.GENESIS
    established: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.wrong


def verify(published: Path, progress: Callable[[str], None] = lambda _: None) -> Proof:
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
        with store.reader(target) as con:
            progress("chain")
            proof.events, proof.head, broken = ledger.broken_links(con)
            proof.wrong += broken
            if not broken:
                proof.established.append(f"the chain of {proof.events} events is whole; its head is {proof.head}")
            progress("projections")
            different = _projections(target)
            proof.wrong += different
            if not different:
                proof.established.append("every projection is what the ledger says")
            progress("views")
            changed = _definitions(con)
            proof.wrong += changed
            if not changed:
                proof.established.append("views and formulas are those of this version")
    except duckdb.Error as error:
        proof.wrong.append(f"the store cannot be read to its end: {str(error).splitlines()[0][:200]}")
    proof.open.append(
        "whether the newest events were cut off, or everything rewritten: that takes a checkpoint kept elsewhere"
    )
    return proof


def _projections(path: Path) -> list[str]:
    """Recompute all projections from the ledger in a database of our own, and name those that differ."""
    with store_in_memory(path) as own:
        own.execute("CREATE TEMP VIEW event AS SELECT * FROM audited.ledger")
        project(own)
        wrong = []
        for table in schema.PROJECTIONS:
            columns = own.execute(
                f"SELECT column_name FROM duckdb_columns() WHERE table_name = {quote(table)}"
                " AND database_name = 'memory' ORDER BY column_index"
            ).fetchall()
            names = ", ".join(f'"{name}"' for (name,) in columns)
            row = own.execute(
                f"WITH kept AS (SELECT {names} FROM audited.{table}), said AS (SELECT {names} FROM {table})"
                " SELECT (SELECT count(*) FROM (FROM kept EXCEPT ALL FROM said)),"
                " (SELECT count(*) FROM (FROM said EXCEPT ALL FROM kept))"
            ).fetchone()
            extra, absent = row or (0, 0)
            if extra or absent:
                wrong.append(
                    f"projection {table}: {extra} rows are not in the ledger, {absent} of the ledger are missing"
                )
    return wrong


def store_in_memory(path: Path) -> duckdb.DuckDBPyConnection:
    """Open an empty store in memory with the audited file attached read-only as `audited`."""
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    own = duckdb.connect()
    own.execute("SET TimeZone = 'UTC'")
    own.execute(text_of("formulas"))
    schema.create_projections(own)
    own.execute(f"ATTACH {quote(path)} AS audited (READ_ONLY)")
    return own


def _definitions(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Compare tables, views and macros with those that this version makes, both as DuckDB reads them from a file."""
    home = "CASE schema_name WHEN 'main' THEN '' ELSE schema_name || '.' END"
    queries = {
        "table": f"SELECT {home} || table_name, sql FROM duckdb_tables() WHERE NOT internal AND NOT temporary",
        "view": f"SELECT {home} || view_name, sql FROM duckdb_views() WHERE NOT internal AND NOT temporary",
        # the order of parameters is part of a formula: swapped names would leave its text as it was
        "macro": f"SELECT {home} || function_name AS name,"
        " list_sort(list(concat(parameters::VARCHAR, macro_definition))) FROM duckdb_functions()"
        " WHERE NOT internal AND function_type IN ('macro', 'table_macro') GROUP BY name",
    }
    wrong = []
    with tempfile.TemporaryDirectory(prefix="green-") as folder:
        fresh = store.Paths(Path(folder) / "green.duckdb")
        store.prepare(fresh)
        with store.connect(fresh.work, read_only=True) as own:
            for kind, query in queries.items():
                here, ours = dict(con.execute(query).fetchall()), dict(own.execute(query).fetchall())
                same = here.keys() & ours.keys()
                wrong += [f"{kind} {name} was changed" for name in sorted(same) if here[name] != ours[name]]
                wrong += [f"{kind} {name} is missing" for name in sorted(ours.keys() - here.keys())]
                wrong += [f"{kind} {name} is not ours" for name in sorted(here.keys() - ours.keys())]
    return wrong
