"""Only what changed is written: comparing columns finds each change, and says the same as comparing payloads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from green.audit import store
from tests.core.helper import Work

if TYPE_CHECKING:
    from pathlib import Path

RECORD = """
team: a
started_at: 2026-03-01T08:00:00Z
duration: 2 h
site: {region: FR, pue: 1.2}
hardware:
- {device: NVIDIA T4, count: 2, average_power: 50 W}
- {device: NVIDIA A100-SXM4-80GB, average_power: 300 W}
functional_units: {tokens: 10, samples: 5}
metrics: {accuracy: 0.5}
"""
CHANGES = [
    ("team: a", "team: b"),
    ("300 W", "301 W"),
    ("- {device: NVIDIA T4, count: 2, average_power: 50 W}\n", ""),
    ("hardware:\n", "hardware:\n- {device: NVIDIA T4, average_power: 50 W}\n"),
    ("tokens: 10", "tokens: 11"),
    (", samples: 5", ""),
    ("accuracy: 0.5", "accuracy: 0.25"),
    ("accuracy: 0.5", "accuracy: 0.5, loss: 1"),
    ("region: FR", "region: SE"),
    ("team: a", "team: a # a word"),  # the bytes of an input are a fact, too
]


def written(work: Work) -> list[tuple[str, str]]:
    with store.reader(work.store) as con:
        return con.execute("SELECT subject, payload FROM ledger WHERE kind = 'run' ORDER BY seq").fetchall()


def facts_digest(work: Work) -> str:
    with store.reader(work.store) as con:
        query = "SELECT payload FROM ledger WHERE kind = 'assessment' ORDER BY seq DESC LIMIT 1"
        return str(json.loads(con.execute(query).fetchall()[0][0])["facts_sha256"])


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_change_is_one_event_of_the_run_that_changed(tmp_path: Path, old: str, new: str) -> None:
    work = Work(tmp_path / "again")
    for name in ("one", "two", "three"):
        work.put(f"{name}/run.yaml", RECORD)
    work.ledgered()
    assert old in RECORD
    work.put("two/run.yaml", RECORD.replace(old, new))
    work.ledgered()
    fresh = Work(tmp_path / "fresh")
    for name in ("one", "two", "three"):
        fresh.put(f"{name}/run.yaml", RECORD.replace(old, new) if name == "two" else RECORD)
    fresh.ledgered()
    assert [subject for subject, _ in written(work)] == ["one", "three", "two", "two"]
    assert dict(written(work)) == dict(written(fresh))
    assert facts_digest(work) == facts_digest(fresh)


def test_nothing_changed_is_no_event(tmp_path: Path) -> None:
    work = Work(tmp_path)
    work.put("one/run.yaml", RECORD)
    work.ledgered()
    before = work.store.read_bytes()
    work.ledgered()
    assert work.store.read_bytes() == before
