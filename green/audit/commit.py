"""Commit facts and verdicts: what is new goes to the ledger, what is known already adds nothing."""

from __future__ import annotations

import getpass
import json
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green.audit import ledger, migrate, schema, store
from green.audit.origin import written_by
from green.errors import StoreError
from green.sql import text_of
from green.stages import bind, files_of
from green.tables import FACTOR, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

Event = ledger.Event
SMALL_BYTES = 128 << 20  # of a store: below it a second thread costs more than it saves


@dataclass
class Receipt:
    """What a commit left: the head of the ledger, and what was said on the way."""

    head: str
    events: int
    size: int
    notes: list[str] = field(default_factory=list)


def actor_of(name: str | None) -> str:
    """Return a pseudonym: no personal name goes into the ledger in clear."""
    return "actor-" + sha256(b"green-actor\0" + (name or getpass.getuser()).encode()).hexdigest()[:12]


@contextmanager
def proposal(paths: store.Paths, actor: str) -> Iterator[tuple[duckdb.DuckDBPyConnection, str | None]]:
    """Open the working file read-only, with an empty table `proposed(ordinal, kind, subject, payload)`.

    A file of an older schema is upgraded first, and what was done is given beside the connection.
    """
    upgraded = None
    with store.damaged(paths):
        con = store.connect(paths.work, read_only=True)
        if not migrate.is_current(con):
            con.close()
            upgraded = migrate.upgrade(paths, actor=actor)
            con = store.connect(paths.work, read_only=True)
    with con:
        if paths.work.stat().st_size < SMALL_BYTES:
            con.execute("SET threads = 1")
        con.execute("CREATE TEMP TABLE proposed (ordinal BIGINT, kind VARCHAR, subject VARCHAR, payload VARCHAR)")
        yield con, upgraded


def propose(con: duckdb.DuckDBPyConnection, events: Iterable[Event]) -> None:
    """Add events to what is proposed."""
    rows = list(events)
    if rows:
        first = con.execute("SELECT count(*) FROM proposed").fetchone()
        start = int(first[0]) if first else 0
        kinds, subjects, payloads = (list(column) for column in zip(*rows, strict=True))
        con.execute(  # one statement: a parameter list an event costs ten times as much
            "INSERT INTO proposed SELECT $start + generate_subscripts($kinds, 1) - 1, unnest($kinds),"
            " unnest($subjects), unnest($payloads)",
            {"start": start, "kinds": kinds, "subjects": subjects, "payloads": payloads},
        )


def _new(con: duckdb.DuckDBPyConnection, out: Path) -> int:
    """Write the proposed events that say something new about their subject; return how many."""
    odd = con.execute("SELECT ordinal, payload FROM proposed WHERE contains(payload, '\\u')").fetchall()
    for ordinal, payload in odd:  # DuckDB writes \u001F where RFC 8785 wants \u001f
        con.execute(
            "UPDATE proposed SET payload = $text WHERE ordinal = $ordinal",
            {"text": ledger.canonical(json.loads(payload)), "ordinal": ordinal},
        )
    con.execute(
        "COPY (WITH known AS (SELECT kind, subject, arg_max(payload_sha256, seq) AS newest FROM ledger GROUP BY ALL)"
        " SELECT p.ordinal, p.kind, p.subject, p.payload, sha256(p.payload) AS payload_sha256"
        " FROM proposed AS p LEFT JOIN known AS k ON p.kind = k.kind AND p.subject = k.subject"
        f" WHERE k.newest IS DISTINCT FROM sha256(p.payload) ORDER BY p.ordinal) TO {quote(out)} (FORMAT parquet)"
    )
    row = con.execute("SELECT count(*) FROM read_parquet($file)", {"file": str(out)}).fetchone()
    return int(row[0]) if row else 0


def _write(paths: store.Paths, pending: Path, temp: Path, actor: str) -> tuple[int, str]:
    """Append pending events and their projections in one transaction; return number and hash of the newest."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with store.connect(paths.work, read_only=False) as con:
        con.execute("BEGIN")
        before, _ = ledger.head(con)
        ledger.append(con, pending, temp, now=now, actor=actor, version=written_by())
        con.execute(f"CREATE TEMP VIEW event AS SELECT * FROM ledger WHERE seq > {before}")
        project(con)
        odd = con.execute("SELECT min(seq) FROM event WHERE sha256(payload) <> payload_sha256").fetchone()
        if odd and odd[0] is not None:  # what waited on the disk was damaged there
            raise StoreError(f"event {odd[0]} is not what was to be committed", mend="check the disk, and run again")
        con.execute("COMMIT")
        con.execute("CHECKPOINT")
        return ledger.head(con)


def project(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the projections from the relation `event`; what no event is about costs nothing."""
    kinds = {kind for (kind,) in con.execute("SELECT DISTINCT kind FROM event").fetchall()}
    if "run" in kinds:
        con.execute(f"CREATE OR REPLACE TEMP VIEW fact AS {schema.typed_facts()}")
        for statement in schema.fact_inserts():
            con.execute(statement)
    if "instruments" in kinds:
        con.execute(schema.instrument_insert())
    for kind, statement in schema.projections().items():
        if kind in kinds:
            con.execute(statement)


def commit(paths: store.Paths, fill: Any, *, actor: str | None = None) -> Receipt:  # noqa: ANN401 -- a callable, below
    """Commit what `fill(con)` proposes, under the lock, and publish; nothing new changes no byte.

    `fill` gets a read-only connection with the table `proposed` and may return notes for people.
    """
    with store.writing(paths), store.locked(paths), _workshop(paths) as temp:
        with store.damaged(paths):
            store.settle(paths)
            store.prepare(paths)
            wrong = store.unexplained(paths)
            kept = None if wrong is None else store.set_aside(paths)
        with store.unreadable(paths), proposal(paths, actor_of(actor)) as (con, upgraded):
            notes = [upgraded] if upgraded else []
            size, head = ledger.head(con)
            if wrong is not None and (size > 0 or kept):
                notes.append(_said(con, paths, wrong, kept, size))
            fill(con)
            count = _new(con, temp / "pending.parquet")
        if count:
            store.announce(paths)
            with store.damaged(paths):
                size, head = _write(paths, temp / "pending.parquet", temp, actor_of(actor))
        if count or upgraded or store.difference(paths) is not None:
            store.publish(paths)
    return Receipt(head, count, size, notes)


@contextmanager
def _workshop(paths: store.Paths) -> Iterator[Path]:
    """Give a folder beside the store for what a commit needs; those of killed commits are swept away."""
    prefix = f"{paths.work.name}.commit-"
    for stale in paths.work.parent.glob(f"{prefix}*"):
        shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=paths.work.parent) as folder:
        yield Path(folder)


def _said(con: duckdb.DuckDBPyConnection, paths: store.Paths, wrong: str, kept: str | None, size: int) -> str:
    """Record that the published copy was not the one that was published; return the words for people."""
    found = None if kept is None else store.digest(paths.published.with_name(kept))
    payload = {"after": size, "found_sha256": found, "kept_as": kept, "published": wrong}
    propose(con, [("integrity", "published", ledger.canonical(payload))])
    words = f"the published store was {wrong}"
    return words + (f"; what was found is kept as {kept}" if kept else "; it is published again")


def facts(  # noqa: PLR0913 -- one argument a thing that is recorded
    con: duckdb.DuckDBPyConnection,
    results: Path,
    shards: Sequence[str],
    *,
    present: Sequence[str],
    generation: str,
    assessment: dict[str, Any],
    instruments: Sequence[dict[str, Any]] = (),
    recent: Sequence[str] | None = None,
) -> None:
    """Propose the facts of a pipeline run: runs, what became of the others, factors, and the assessment.

    Only runs of the `recent` shards are compared with the store, where the others are known to be in it.
    """
    for table in ("embodied", "emissions", "inputs", "run_inputs", "run"):
        bind(con, table, files_of(table, results, shards), f"f_{table}")
    for table in ("energy", "units", "metrics"):
        bind(con, table, files_of(table, results, shards if recent is None else recent), f"f_{table}")
    bind(con, "run", files_of("run", results, shards if recent is None else recent), "recent_run")
    con.execute("CREATE TEMP TABLE recent AS SELECT DISTINCT run_id FROM recent_run")
    con.execute(
        "CREATE TEMP TABLE newest AS SELECT run_id, max(seq) AS seq, arg_max(source, seq) AS source FROM run GROUP BY 1"
    )
    con.execute("CREATE TEMP TABLE present AS SELECT unnest($sources) AS source", {"sources": list(present)})
    _summaries(con)
    parts = {
        "embodied": ("(FROM f_embodied SEMI JOIN recent USING (run_id))", "device_id"),
        "energy": ("e_energy", "answer, from_at"),
        "inputs": ("(FROM e_inputs SEMI JOIN recent USING (run_id))", "file"),
        "metrics": ("f_metrics", "metric"),
        "units": ("f_units", "unit"),
    }
    con.execute(f"CREATE TEMP TABLE changed AS {schema.changes('f_emissions', parts, 'recent')}")
    con.execute(f"CREATE TEMP TABLE new_run AS {schema.payloads('f_emissions', parts, 'changed')}")
    if con.execute("SELECT 1 FROM ledger WHERE kind = 'forget' LIMIT 1").fetchone():
        con.execute(  # what was forgotten and did not change is not a fact again
            "DELETE FROM new_run WHERE (run_id, sha256(payload)) IN (SELECT subject, payload_sha256 FROM ledger"
            f" WHERE kind = 'run' AND {ledger.is_tombstone()})"
        )
    con.execute(text_of("audit"))
    subjects = (("new_run", "run", "run_id"), ("new_factor", "factor", "factor_id"), ("new_state", "state", "run_id"))
    for table, kind, subject in subjects:
        con.execute(
            "INSERT INTO proposed SELECT (SELECT count(*) FROM proposed)"
            f" + row_number() OVER (ORDER BY {subject}) - 1, '{kind}', {subject}, payload"
            f" FROM {table} ORDER BY {subject}"
        )
    known = con.execute("SELECT count(*) FROM ledger WHERE kind = 'instruments'").fetchone()
    if instruments or (known and known[0]):  # none was ever configured: nothing to say
        propose(con, [("instruments", "config", ledger.canonical({"instruments": list(instruments)}))])
    propose(con, [("generation", "store", ledger.canonical({"store": generation}))])
    row = con.execute(
        "SELECT (SELECT count(*) FROM f_emissions), sha256(coalesce(string_agg(sha, '' ORDER BY kind, subject), ''))"
        " FROM (SELECT kind, subject, sha256(payload) AS sha FROM proposed WHERE kind IN ('run', 'state', 'factor')"
        " UNION ALL SELECT l.kind, l.subject, l.payload_sha256 FROM newest AS r JOIN ledger AS l USING (seq)"
        " JOIN f_emissions AS f ON r.run_id = f.run_id ANTI JOIN changed AS c ON r.run_id = c.run_id)"
    ).fetchone()
    runs, facts_sha256 = row or (0, "")
    body = {"runs": runs, "facts_sha256": facts_sha256, **assessment}
    propose(con, [("assessment", "facts", ledger.canonical(body))])


def _summaries(con: duckdb.DuckDBPyConnection) -> None:
    """Sum hourly energy to one row an answer: the hours stay in results, the ledger keeps the answer."""
    con.execute(
        "CREATE TEMP TABLE e_energy AS SELECT run_id, answer, origin, method, covers, basis,"
        " min(from_at) AS from_at, max(to_at) AS to_at, sum(energy_kwh) AS energy_kwh,"
        " sum(energy_low_kwh) AS energy_low_kwh, known_sum(energy_high_kwh) AS energy_high_kwh,"
        " as_double(sum(exact(covered_s))) AS covered_s, as_double(sum(exact(still_s))) AS still_s,"
        " as_double(sum(exact(uncovered_s))) AS uncovered_s,"
        " sum(gaps)::BIGINT AS gaps,"
        " sum(resets)::BIGINT AS resets, sum(duplicates)::BIGINT AS duplicates, bool_or(is_counted) AS is_counted,"
        " list_sort(list_distinct(flatten(list(factor_ids)))) AS factor_ids, min(file) AS file, min(line) AS line"
        " FROM f_energy GROUP BY run_id, answer, origin, method, covers, basis"
    )
    con.execute(
        "CREATE TEMP TABLE e_inputs AS SELECT DISTINCT r.run_id, i.file, i.sha256, i.bytes, i.reader, i.has_readings"
        " FROM f_run_inputs AS r JOIN f_inputs AS i USING (file)"
    )


def factor_payload() -> str:
    """Return SQL for the payload of a factor row."""
    columns = {name: kind for name, kind in FACTOR.items() if name != "subject_key"}
    dates = {name: "VARCHAR" if kind == "DATE" else kind for name, kind in columns.items()}
    return schema.struct(dates)
