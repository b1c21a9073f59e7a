"""Build small sets of facts and policies for the tests of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

from green.policy.facts import create, insert
from green.policy.judge import Judgement, judge, judge_by_reference
from green.policy.load import PolicySet, load
from green.policy.window import read_as_of

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: green/v1\nbundle: {id: test, version: 1.0.0}\npolicies:\n"


def at(text: str) -> int:
    """Return the microseconds of a time in UTC."""
    return read_as_of(text)


def run(run_id: str = "a", **columns: Any) -> dict[str, Any]:
    """Return one fact; times may be written as ISO 8601."""
    times = {name: at(columns[name]) for name in ("started_at", "ended_at") if isinstance(columns.get(name), str)}
    return {"run_id": run_id, **columns, **times}


def policies(folder: Path, text: str) -> PolicySet:
    """Load policies from the text of their list."""
    folder.mkdir(exist_ok=True)
    (folder / "p.yaml").write_text(HEAD + text, encoding="utf-8")
    return load(folder)


def facts(*rows: dict[str, Any], units: list[tuple[str, str, Any]] | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection with the relations that policies judge."""
    connection = duckdb.connect()
    create(connection)
    insert(connection, rows, units=units or [])
    return connection


def judged(folder: Path, text: str, *rows: dict[str, Any], **options: Any) -> Judgement:
    """Judge rows by the policies of a text, by both evaluators, which have to agree."""
    con = facts(*rows, units=options.pop("units", None))
    chosen = policies(folder, text)
    found = judge(con, chosen, **options)
    assert judge_by_reference(con, chosen, **options) == found
    return found


__all__ = ["at", "facts", "judged", "policies", "run"]
