"""Kill a process that commits, at random moments and at each named step: nothing acknowledged is lost or in part."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from green.audit import checkpoint, commit, store, verify
from tests.reliability import zygote
from tests.reliability.stores import commit_batch, partial, subjects
from tests.reliability.table import Outcome

PER_STORE = 25


def _die(*_: object, **__: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _torn() -> None:
    """Stand for a kill in the middle of a write: a block of the working file is there in part."""

    def write(paths: store.Paths, *_: object) -> None:
        content = bytearray(paths.work.read_bytes())
        content[3 * 4096 + 8 : 3 * 4096 + 8192] = bytes(8192 - 8)  # its checksum stands before
        paths.work.write_bytes(content)
        _die()

    commit._write = write  # type: ignore[assignment]  # noqa: SLF001 -- a stand-in


def _half(source: Path, target: Path) -> None:
    Path(target).write_bytes(Path(source).read_bytes()[: Path(source).stat().st_size // 2])
    _die()


class _Connection:
    """A connection that dies when it is asked for one statement."""

    def __init__(self, own: Any, word: str, *, before: bool) -> None:
        self.own, self.word, self.before = own, word, before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.own.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)

    def execute(self, sql: str, *more: Any) -> Any:
        if sql == self.word and self.before:
            _die()
        result = self.own.execute(sql, *more)
        if sql == self.word:
            _die()
        return result


def _at(word: str, *, before: bool) -> Callable[[], None]:
    def arm() -> None:
        opened = store.connect
        store.connect = lambda path, *, read_only: (  # type: ignore[assignment]  # a stand-in
            opened(path, read_only=read_only)
            if read_only
            else _Connection(opened(path, read_only=False), word, before=before)
        )

    return arm


def _replace(module: Any, name: str, stand_in: Any = _die) -> Callable[[], None]:
    return lambda: setattr(module, name, stand_in)


STEPS: dict[str, Callable[[], None]] = {
    "before the events are written to the spool": _replace(commit, "_new"),
    "after the spool, before the transaction": _replace(commit, "_write"),
    "in the middle of a block of the working file": _torn,
    "after BEGIN": _at("BEGIN", before=False),
    "before COMMIT": _at("COMMIT", before=True),
    "after COMMIT": _at("COMMIT", before=False),
    "before the write-ahead log is merged": _at("CHECKPOINT", before=True),
    "after it": _at("CHECKPOINT", before=False),
    "in the middle of the snapshot": _replace(shutil, "copyfile", _half),
    "at fsync of the snapshot": _replace(os, "fsync"),
    "at its rename": _replace(os, "replace"),
}


def run(count: int) -> Outcome:
    """Kill `count` times at random moments, and a tenth as often at each step."""
    outcome = Outcome(
        "Processes that were killed with SIGKILL while they committed, each followed by one commit that heals",
        ("killed", "times", "acknowledged commits", "of them lost", "in part or twice", "stores that do not verify"),
    )
    rng = random.Random(1)  # noqa: S311 -- seeded moments
    moments = [rng.uniform(0, 1.5) for _ in range(count)]
    outcome.rows.append(("at a random moment", *_trials([(None, moment) for moment in moments])))
    for name, arm in STEPS.items():
        outcome.rows.append((name, *_trials([(arm, None)] * max(1, count // 10))))
    outcome.kept = all(row[3:] == (0, 0, 0) for row in outcome.rows)
    return outcome


def _trials(trials: list[tuple[Callable[[], None] | None, float | None]]) -> tuple[int, int, int, int, int]:
    acknowledged, lost, odd, broken = 0, 0, 0, 0
    for first in range(0, len(trials), PER_STORE):
        with tempfile.TemporaryDirectory() as folder:
            published = Path(folder) / "audit" / "green.duckdb"
            known: list[str] = []
            for number, (arm, moment) in enumerate(trials[first : first + PER_STORE]):
                said, _ = zygote.run(lambda say: _commits(published, say, arm, number), kill_after_s=moment)  # noqa: B023 -- runs at once
                known += said
                (found,), ended = zygote.run(lambda say: _heals(published, say, number))  # noqa: B023 -- runs at once
                known.append(f"heal{number}")
                if ended != 0:
                    raise AssertionError(found["traceback"])
                acknowledged += len(said)
                lost += len(set(known) - {subject.rpartition("-")[0] for subject in found["subjects"]})
                odd += len(partial(found["subjects"]))
                broken += bool(found["wrong"])
    return len(trials), acknowledged, lost, odd, broken


def _commits(published: Path, say: zygote.Say, arm: Callable[[], None] | None, number: int) -> None:
    if arm is not None:
        commit_batch(published, f"before{number}")
        say(f"before{number}")
        arm()
    for step in range(100):
        name = f"k{number}.{step}"
        commit_batch(published, name)
        say(name)


def _heals(published: Path, say: zygote.Say, number: int) -> None:
    receipt = commit_batch(published, f"heal{number}")
    witness = checkpoint.Witness("receipt", checkpoint.origin(_first(published)), receipt.size, receipt.head)
    say({"subjects": subjects(published), "wrong": verify.verify(published, witness=witness).wrong})


def _first(published: Path) -> str:
    with store.reader(published) as con:
        return str(con.execute("SELECT hash FROM ledger WHERE seq = 1").fetchone()[0])
