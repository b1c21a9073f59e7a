"""Forget what the ledger says about somebody's runs: tombstones take the place of payloads, and the chain stays whole.

The chain holds the digest of each payload, not the payload itself. What was forgotten, by whom and why is an event
of its own; projections are made anew without it, and the file is written anew, so that no old page keeps the words.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from green.audit import ledger, migrate, store
from green.audit.commit import actor_of
from green.audit.walk import walk
from green.errors import StoreError, UsageError, Where

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

SCOPES = ("subject", "project", "team")
# Of a run are the events about it, and the verdicts on it; of a project or team also the verdicts on its budgets.
# What policies, waivers and settings say stays: it is no fact about a run.
_ABOUT = ("run", "state", "verdict")


@dataclass(frozen=True)
class Forgotten:
    """What was forgotten, the event that says so, and where else the same may still lie."""

    events: int
    seq: int | None
    elsewhere: list[str]


def forget(published: Path, scope: str, name: str, *, reason: str, actor: str | None = None) -> Forgotten:
    """Forget all events about a run, or about the runs of a project or team; none are left: nothing is done."""
    if not reason.strip():
        raise UsageError("nobody says why", mend="--reason TEXT; it stays in the ledger")
    paths = store.Paths(published)
    store.demand(paths)
    with store.writing(paths), store.damaged(paths), store.locked(paths):
        store.settle(paths)
        store.prepare(paths)
        _whole(paths)
        migrate.upgrade(paths, actor=actor_of(actor))
        with store.connect(paths.work, read_only=True) as con:
            seqs, known = _events(con, scope, name)
            by = ledger.head(con)[0] + 1
        if not known:
            raise UsageError(
                f"no event that is still there is about {scope} {name}",
                mend="`green query` lists runs, projects and teams",
            )
        if seqs:
            body = {"events": seqs, "reason": reason.strip(), "scope": scope}
            store.announce(paths)
            migrate.rebuild(
                paths, ("forget", "events", ledger.canonical(body)), actor=actor_of(actor), forget=frozenset(seqs)
            )
        if seqs or store.difference(paths) is not None:
            store.publish(paths)
    found = sorted(os.path.relpath(path) for path in published.parent.glob(f"{published.name}.*.found"))
    return Forgotten(len(seqs), by if seqs else None, found)


def _whole(paths: store.Paths) -> None:
    """Refuse to write a store anew that is not what was committed: what was changed would be lost with it."""
    wrong = store.unexplained(paths)
    words = None if wrong is None else f"the published store is {wrong}"
    if words is None:
        with store.connect(paths.work, read_only=True) as con:
            words = next(iter(walk(con).wrong), None)
    if words is not None:
        raise StoreError(
            f"nothing is forgotten in a store that was changed: {words}",
            where=Where(os.path.relpath(paths.published)),
            mend="`green verify` tells what was changed",
        )


def _events(con: duckdb.DuckDBPyConnection, scope: str, name: str) -> tuple[list[int], bool]:
    """Return the events to forget, and whether the ledger ever had one about the name."""
    if scope not in SCOPES:
        raise UsageError(f'no scope "{scope}"', mend=f"one of: {', '.join(SCOPES)}")
    kinds = ", ".join(f"'{kind}'" for kind in _ABOUT)
    theirs = f"SELECT subject FROM ledger WHERE kind = 'run' AND (payload ->> '$.emissions.{scope}') = $name"
    whose = "SELECT $name" if scope == "subject" else theirs
    group = "false" if scope == "subject" else f"list_contains(string_split(about, ','), '{scope}=' || $name)"
    rows = con.execute(
        f"WITH told AS (SELECT seq, {ledger.is_tombstone()} AS is_gone, CASE kind WHEN 'verdict' THEN"
        " coalesce(payload ->> '$.subject', substr(subject, instr(subject, ' ') + 1)) ELSE subject END AS about"
        f" FROM ledger WHERE kind IN ({kinds}))"
        f" SELECT seq, is_gone FROM told WHERE about IN ({whose}) OR {group} ORDER BY seq",
        {"name": name},
    ).fetchall()
    return [int(seq) for seq, is_gone in rows if not is_gone], bool(rows)
