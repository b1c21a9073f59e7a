"""Walk the hash chain: every event once, in order, in memory that does not grow with the ledger.

DuckDB writes the heads in bulk; Python hashes them and follows the chain, and looks closer at an event that does
not fit. A payload that was forgotten is not needed: the chain holds its digest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING

from green.audit.ledger import DOMAIN, GENESIS, TOMBSTONE, WHEN, Header, digest, is_tombstone

if TYPE_CHECKING:
    import duckdb

BATCH = 10_000  # events in memory at a time; DuckDB hashes four times slower than Python does
TYPES = {
    "seq": "BIGINT",
    "recorded_at": "TIMESTAMP WITH TIME ZONE",
    **dict.fromkeys(
        ("kind", "subject", "payload", "payload_sha256", "prev_hash", "hash", "actor", "tool_version"), "VARCHAR"
    ),
}
# The head of an event as `Header.hash` writes it. DuckDB writes control characters otherwise than RFC 8785: such a
# head is hashed again in Python before anything is called wrong.
# One concat of all parts: a chain of || copies what it has at every link, and costs half as much again.
_HEAD = (
    'concat(\'{"actor":\', to_json(actor), \',"kind":\', to_json(kind), \',"payload_sha256":"\', payload_sha256,'
    f' \'","recorded_at":"\', {WHEN}, \'","subject":\', to_json(subject), \',"tool_version":\','
    " to_json(tool_version), '}')"
)
# What an event says of itself, as one text: each text fewer counts in a million. It is hex and two spaces, so that no
# other three columns make the same; NULL is left out, and then one of the two spaces is where no digest ends.
_STATED = "concat(payload_sha256, ' ', prev_hash, ' ', hash)"
_LINK = Struct(f">{len(DOMAIN)}s32sQ32s")  # what the chain hashes: domain, hash before, number, sha256 of the head

_SEQ = itemgetter(0)


@dataclass
class Walked:
    """How far the chain holds, the hash at some places of it, and what is wrong with the first bad event."""

    events: int = 0
    head: str = GENESIS
    hashes: dict[int, str] = field(default_factory=dict)
    forgotten: int = 0
    wrong: list[str] = field(default_factory=list)


def walk(con: duckdb.DuckDBPyConnection, *, notice: tuple[int, ...] = ()) -> Walked:
    """Walk the whole chain, and keep the hashes of the events to `notice`."""
    walked = Walked()
    columns = {str(name): str(kind) for name, kind, *_ in con.execute("DESCRIBE ledger").fetchall()}
    if columns != TYPES:
        walked.wrong.append("event 1: its number or payload is of another type than the ledger's")
        return walked
    total = _one(con, "SELECT count(*) FROM ledger")
    wanted = frozenset(notice)
    while walked.events < total and not walked.wrong:
        _batch(con, walked, min(walked.events + BATCH, total), wanted)
    if not walked.wrong:
        _forgotten(con, walked)
    return walked


def _batch(con: duckdb.DuckDBPyConnection, walked: Walked, last: int, wanted: frozenset[int]) -> None:
    rows = con.execute(
        f"SELECT seq, {_STATED}, encode(payload), encode({_HEAD}) FROM ledger WHERE seq BETWEEN $first AND $last",
        {"first": walked.events + 1, "last": last},
    ).fetchall()
    rows.sort(key=_SEQ)  # they are in order already: DuckDB would sort the payloads, too
    previous, link, expected = walked.head, bytes.fromhex(walked.head), walked.events + 1
    pack = _LINK.pack
    for seq, stated, payload, head in rows:
        is_fit = False
        if seq == expected and payload is not None:  # no calls of our own: a million events pay for each
            link = sha256(pack(DOMAIN, link, seq, sha256(head).digest())).digest()
            own = link.hex()
            is_fit = f"{sha256(payload).hexdigest()} {previous} {own}" == stated
        if not is_fit:
            words = _closer(con, seq, expected, previous)
            if words is not None:
                walked.wrong.append(f"event {seq}: {words}")
                break
            own = stated.rpartition(" ")[2]
            link = bytes.fromhex(own)
        if seq in wanted:
            walked.hashes[seq] = own
        previous, expected = own, expected + 1
    else:
        if expected <= last:
            found = con.execute("SELECT min(seq) FROM ledger WHERE seq > $at", {"at": expected}).fetchone()
            at = found[0] if found and found[0] is not None else expected
            walked.wrong.append(f"event {at}: event {expected} is missing")
    walked.events, walked.head = expected - 1, previous


def _closer(con: duckdb.DuckDBPyConnection, seq: int, expected: int, previous: str) -> str | None:
    """Say what is wrong with an event, computed anew as the chain defines it; None where nothing is."""
    if seq != expected:
        return f"event {expected} is missing" if seq > expected else "there is another event of this number"
    row = con.execute(
        f"SELECT {WHEN}, kind, subject, payload, payload_sha256, prev_hash, hash, actor, tool_version"
        " FROM ledger WHERE seq = $seq",
        {"seq": seq},
    ).fetchone()
    if row is None or any(value is None for value in row):
        return "a part of it is missing"
    when, kind, subject, payload, stated, prev_hash, own, actor, version = row
    if not payload.startswith(TOMBSTONE) and digest(payload) != stated:
        return "the payload was changed (its sha256 differs)"
    if prev_hash != previous:
        return f"it does not follow event {seq - 1}"
    if Header(seq, when, kind, subject, stated, actor, version).hash(previous) != own:
        return "time, kind, subject or actor was changed (its hash differs)"
    return None


def _forgotten(con: duckdb.DuckDBPyConnection, walked: Walked) -> None:
    """Hold every tombstone to the event that says who forgot it and why."""
    walked.forgotten = _one(con, f"SELECT count(*) FROM ledger WHERE {is_tombstone()}")
    if not walked.forgotten and not _one(con, "SELECT count(*) FROM ledger WHERE kind = 'forget'"):
        return
    said = (
        "SELECT unnest(json_transform(payload -> '$.events', '[\"BIGINT\"]')) AS seq, seq AS by FROM ledger"
        f" WHERE kind = 'forget' AND NOT {is_tombstone()}"
    )
    rows = con.execute(
        f"WITH said AS ({said}), tomb AS (SELECT seq, payload FROM ledger WHERE {is_tombstone()})"
        " SELECT coalesce(t.seq, s.seq) AS seq, s.seq IS NULL, t.seq IS NULL, t.payload, s.by FROM tomb AS t"
        " FULL JOIN said AS s ON t.seq = s.seq"
        " WHERE t.seq IS NULL OR s.seq IS NULL OR s.by <= s.seq"
        " OR t.payload <> '{\"forgotten\":' || s.by::VARCHAR || '}' ORDER BY seq LIMIT 1"
    ).fetchall()
    for seq, is_unsaid, is_there, _, _ in rows:
        words = "its tombstone is not that of the event that forgot it"
        if is_unsaid:
            words = "the payload was taken away, and no event says who forgot it and why"
        elif is_there:
            words = "it was forgotten, and its payload is there"
        walked.wrong.append(f"event {seq}: {words}")


def _one(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = con.execute(sql).fetchone()
    return 0 if row is None else int(row[0])
