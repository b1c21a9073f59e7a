"""Say why an assessment was made: in what it differs from the one before is derived, why somebody wanted it is not.

The reason is an event of its own beside the assessment, so that neither the facts nor the configuration know of it:
the same facts still add nothing, and a replay gives the same digest. A later reason supersedes an earlier one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from green.audit import commit, ledger, store
from green.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

KIND = "reason"
MOST_CHARACTERS = 1000  # a sentence or two: what is longer belongs where the change was decided


@dataclass(frozen=True)
class Given:
    """The assessment that a reason is about, whether the ledger did not say so before, and notes for people."""

    assessment: int
    is_new: bool
    notes: list[str]


def give(published: Path, text: str, assessment: str = "latest", *, actor: str | None = None) -> Given:
    """Record why an assessment was made; `assessment` is the number of its event, or `latest`."""
    words = text.strip()
    if not words or len(words) > MOST_CHARACTERS:
        raise UsageError(
            "nobody says why" if not words else f"{len(words)} characters are no reason",
            mend=f"a sentence of at most {MOST_CHARACTERS} characters; it stays in the ledger",
        )
    if assessment != "latest" and not (assessment.isascii() and assessment.isdigit()):
        raise UsageError(f'"{assessment}" is no assessment', mend="the number of its event, or latest")
    paths = store.Paths(published)
    store.demand(paths)
    found: list[int] = []

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        found.append(_assessment(con, assessment))
        body = ledger.canonical({"assessment": found[0], "reason": words})
        commit.propose(con, [(KIND, str(found[0]), body)])

    receipt = commit.commit(paths, fill, actor=actor)
    return Given(found[0], receipt.events > 0, receipt.notes)


def _assessment(con: duckdb.DuckDBPyConnection, name: str) -> int:
    which = "true" if name == "latest" else f"seq = {int(name)}"
    row = con.execute(f"SELECT max(seq) FROM assessment WHERE {which}").fetchone()
    if row is None or row[0] is None:
        raise UsageError(
            "the ledger has no assessment" if name == "latest" else f"event {name} is no assessment",
            mend='green query "SELECT seq, runs FROM assessment"',
        )
    return int(row[0])
