"""Make the store of this schema that later versions are held to: `python -m tests.audit.fixture`.

Run it with every engine that is supported when the number of the schema is raised, before it is released; it says what
to write into `green.audit.migrate.RELEASED`.
"""

from __future__ import annotations

import lzma
import sys
import tempfile
from pathlib import Path

import duckdb

from green import stages
from green.audit import commit, forget, ledger, migrate, reason, schema, store
from tests.core.helper import Work, steady

FIXTURES = Path(__file__).parent / "fixtures"
Column = tuple[str, str, str, bool]  # table, name, type, whether NULL is refused
INSTRUMENT = {
    "id": "wind",
    "kind": "ppa",
    "zone": "DE",
    "vintage": 2026,
    "quantity": "0.001 kWh",
    "energy_source": "wind",
    "source": "contract 4",
}


def columns(con: duckdb.DuckDBPyConnection) -> list[Column]:
    """Return all columns of the tables of a store, in order: what a schema with a number of its own consists of."""
    return con.execute(
        "SELECT table_name, column_name, data_type, NOT is_nullable FROM duckdb_columns()"
        " SEMI JOIN (SELECT table_oid FROM duckdb_tables() WHERE NOT internal) USING (table_oid)"
        " WHERE NOT internal ORDER BY table_name, column_index"
    ).fetchall()


def make(folder: Path) -> Path:
    """Make a store with every kind of event that somebody leaves: facts, a change, verdicts, a reason, a tombstone."""
    work = Work(folder, settings={"instruments": [INSTRUMENT]})
    for name in ("a", "b", "c", "d"):
        work.put(f"{name}/run.yaml", f"team: t\nproject: p\nmodel: {name}\nsite: {{region: DE, pue: 1.2}}\n")
        work.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    _record(work)
    work.put("b/gpu.csv", steady(300, 20))
    _record(work)
    check = {"as_of": "x", "digest": "d", "policies_sha256": "p", "summary": "{}"}
    verdict = {"policy": "P", "subject": "a", "verdict": "fail", "message": "m"}
    events = [("verdict", "P a", ledger.canonical(verdict)), ("check", "policies", ledger.canonical(check))]
    commit.commit(store.Paths(work.store), lambda con: commit.propose(con, events), actor="fixture")
    reason.give(work.store, "the log of b was that of another run", actor="fixture")
    forget.forget(work.store, "subject", "d", reason="request 1", actor="fixture")
    return work.store


def _record(work: Work) -> None:
    work.compute()
    work.record(instruments=stages.instruments_of(work.config), actor="fixture")


def main() -> int:
    """Write the fixture of this schema and engine."""
    engine = ".".join(duckdb.__version__.split(".")[:2])
    target = FIXTURES / f"schema-{schema.SCHEMA_VERSION}-duckdb-{engine}.duckdb.xz"
    with tempfile.TemporaryDirectory() as folder:
        made = make(Path(folder))
        target.write_bytes(lzma.compress(made.read_bytes(), preset=9 | lzma.PRESET_EXTREME))
        with duckdb.connect(str(made), read_only=True) as con:
            number, checksum = migrate.version_of(con)
    sys.stdout.write(f'{target.name}; in RELEASED: Migration({number}, "{checksum}", "what it brought"),\n')
    return 0


if __name__ == "__main__":
    sys.exit(main())
