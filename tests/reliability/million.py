"""Verify a ledger of a million events in one pass: time beside that of hashing the same bytes alone, and memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from green.audit import commit, ledger, store, verify
from green.audit.walk import walk
from tests.reliability.table import Outcome

PROMISED, MOST_RATIO = 1_000_000, 3  # start-up weighs in a shorter ledger
CHILD = (
    "import re, sys; from pathlib import Path; from tests.reliability.million import {what};"
    "seconds = {what}(Path(sys.argv[1]));"  # VmHWM: ru_maxrss would count the memory of the parent
    "print(seconds, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
)


def grown(published: Path, count: int) -> None:
    """Commit `count` events with payloads of the size of a verdict's."""

    def fill(con: object) -> None:
        con.execute(  # type: ignore[attr-defined]  # a connection of DuckDB
            "INSERT INTO proposed SELECT i, 'check', 'policy ' || i,"
            ' \'{"as_of":"2026-01-01T00:00:00Z","digest":"\' || sha256(i::VARCHAR)'
            ' || \'","policies_sha256":"\' || sha256((-i)::VARCHAR)'
            " || '\",\"summary\":\"' || repeat('x', 400) || '\"}' FROM range($count) AS r(i)",
            {"count": count},
        )

    commit.commit(store.Paths(published), fill)


def walked(published: Path) -> float:
    """Walk the chain and return the seconds that it took."""
    with store.connect(published, read_only=True) as con:
        con.execute("SET threads = 1")
        started = time.process_time()
        found = walk(con)
        assert found.wrong == []
        return time.process_time() - started


def verified(published: Path) -> float:
    """Verify the whole store, projections and definitions too, and return the seconds of CPU that it took."""
    started = time.process_time()
    assert verify.verify(published).wrong == []
    return time.process_time() - started


def hashed(published: Path) -> tuple[float, int]:
    """Return the seconds that sha256 alone takes over the same bytes: payload, head and link of every event."""
    seconds, events, previous = 0.0, 0, bytes(32)
    with store.connect(published, read_only=True) as con:
        (total,) = con.execute("SELECT count(*) FROM ledger").fetchone() or (0,)
        for first in range(1, total + 1, 50_000):
            rows = con.execute(
                f"SELECT payload, actor, kind, payload_sha256, {ledger.WHEN}, subject, tool_version FROM ledger"
                " WHERE seq BETWEEN $first AND $first + 49999 ORDER BY seq",
                {"first": first},
            ).fetchall()
            texts = [(row[0].encode(), ("x" * 98 + "".join(row[1:])).encode()) for row in rows]
            started = time.process_time()
            for payload, head in texts:
                sha256(payload).digest()
                previous = sha256(ledger.DOMAIN + previous + bytes(8) + sha256(head).digest()).digest()
            seconds += time.process_time() - started
            events += len(rows)
    return seconds, events


def run(count: int) -> Outcome:
    """Make a ledger of `count` events, walk it and verify the store, each in a process of its own."""
    outcome = Outcome(
        "One pass over a ledger, on one thread, beside sha256 alone over the same bytes (payload, head, link); and the"
        " whole of `green verify`, which makes every projection anew",
        ("events", "what", "s of CPU", "beside sha256 alone", "most memory of the process, MB"),
    )
    with tempfile.TemporaryDirectory() as folder:
        published = Path(folder) / "green.duckdb"
        grown(published, count)
        alone, events = hashed(published)
        outcome.rows.append((f"{events:,}", "sha256 alone", f"{alone:.1f}", "1", ""))
        measured = {}
        for name, what in (("the walk", "walked"), ("whole verify", "verified")):
            command = [sys.executable, "-c", CHILD.format(what=what), str(published)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            measured[what], rss_kb = (float(part) for part in done.stdout.split())
            figures = (f"{measured[what]:.1f}", f"{measured[what] / alone:.2f}", f"{rss_kb / 1024:.0f}")
            outcome.rows.append((f"{events:,}", name, *figures))
    outcome.kept = events == count and (count < PROMISED or measured["walked"] <= MOST_RATIO * alone)
    outcome.summary = (
        "The promise is a ratio of at most 3 for the walk, which holds 10,000 events; `verify` holds the projections of"
        f" {verify.SLICE:,} events. The rest is what DuckDB keeps of the file."
    )
    return outcome
