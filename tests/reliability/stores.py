"""Stores for the trials: a small one with runs, factors and verdicts, and one commit that a child process can make."""

from __future__ import annotations

from pathlib import Path

from green.audit import checkpoint, commit, ledger, store
from tests.core.helper import Work, steady


def small(folder: Path) -> Work:
    """Make a store with every kind of event that a pipeline leaves, and a checkpoint of it."""
    work = Work(folder)
    for name in ("a", "b", "c"):
        work.put(f"{name}/run.yaml", f"team: t\nproject: p\nmodel: {name}\nsite: {{region: DE, pue: 1.2}}\n")
        work.put(f"{name}/gpu.csv", steady(100 + ord(name), 20))
    work.ledgered()
    (work.logs / "c" / "gpu.csv").unlink()
    work.ledgered()
    events = [
        ("verdict", "P a", ledger.canonical({"policy": "P", "subject": "a", "verdict": "fail", "message": "m"})),
        check("policies", "x"),
    ]
    commit.commit(store.Paths(work.store), lambda con: commit.propose(con, events))
    checkpoint.make(work.store, work.store.with_name(checkpoint.FILE), folder / "key.pem")
    return work


def check(subject: str, digest: str) -> tuple[str, str, str]:
    body = {"as_of": "x", "digest": digest, "policies_sha256": "p", "summary": "{}"}
    return ("check", subject, ledger.canonical(body))


def batch(name: str, count: int = 5) -> list[tuple[str, str, str]]:
    """Return the events of one commit: all are in, or none."""
    return [check(f"{name}-{number}", name) for number in range(count)]


def commit_batch(published: Path, name: str, count: int = 5) -> commit.Receipt:
    return commit.commit(store.Paths(published), lambda con: commit.propose(con, batch(name, count)))


def subjects(published: Path) -> list[str]:
    """Return the subjects of all checks in the published store, in order."""
    with store.reader(published) as con:
        rows = con.execute("SELECT subject FROM ledger WHERE kind = 'check' ORDER BY seq").fetchall()
    return [str(subject) for (subject,) in rows]


def partial(found: list[str], count: int = 5) -> list[str]:
    """Return the commits that are there in part, or more than once."""
    numbers: dict[str, list[str]] = {}
    for subject in found:
        name, _, number = subject.rpartition("-")
        numbers.setdefault(name, []).append(number)
    return [name for name, there in numbers.items() if there != [str(number) for number in range(count)]]
