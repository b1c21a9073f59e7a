"""Let the disk fail at each step of a commit: a clear error with exit 5, and a store that opens and verifies after."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from green.audit import verify
from green.errors import StoreError
from tests.reliability import zygote
from tests.reliability.stores import commit_batch, partial, subjects
from tests.reliability.table import Outcome


def _fails(module: Any, name: str, number: int) -> Callable[[], None]:
    def arm() -> None:
        def stand_in(*_: object, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        setattr(module, name, stand_in)

    return arm


def _full() -> None:
    limit = 300_000  # bytes a file may have: less than a store
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


FAULTS: dict[str, Callable[[], None]] = {
    "the disk is full (no file may grow)": _full,
    "the snapshot cannot be written (ENOSPC)": _fails(shutil, "copyfile", errno.ENOSPC),
    "the snapshot cannot be written (EIO)": _fails(shutil, "copyfile", errno.EIO),
    "fsync fails (EIO)": _fails(os, "fsync", errno.EIO),
    "rename fails (EIO)": _fails(os, "replace", errno.EIO),
    "the file system is read-only (EROFS)": _fails(os, "replace", errno.EROFS),
}


def run(count: int) -> Outcome:
    """Let each fault happen `count` times, and commit again afterwards."""
    outcome = Outcome(
        "A disk that fails during a commit, followed by one commit on a disk that works",
        (
            "fault",
            "times",
            "said, with exit 5",
            "earlier commits lost",
            "in part or twice",
            "stores that do not verify",
        ),
    )
    for name, arm in FAULTS.items():
        said, lost, odd, broken = 0, 0, 0, 0
        for trial in range(count):
            with tempfile.TemporaryDirectory() as folder:
                published = Path(folder) / "audit" / "green.duckdb"
                zygote.run(lambda say: say(commit_batch(published, "early", 400 if trial % 2 else 5).events))  # noqa: B023 -- runs at once
                told, _ = zygote.run(lambda say: say(_committed(published, arm)))  # noqa: B023 -- likewise
                (found,), _ = zygote.run(lambda say: say(_after(published)))  # noqa: B023 -- likewise
            said += told == [{"exit": 5}]
            lost += "early" not in {subject.rpartition("-")[0] for subject in found["subjects"]}
            names = [subject for subject in found["subjects"] if not subject.startswith("early")]
            odd += len(partial(names, 2000))
            broken += bool(found["wrong"])
        outcome.rows.append((name, count, said, lost, odd, broken))
        outcome.kept &= (said, lost, odd, broken) == (count, 0, 0, 0)
    return outcome


def _committed(published: Path, arm: Callable[[], None]) -> dict[str, int]:
    arm()
    try:
        commit_batch(published, "failing", 2000)
    except StoreError as error:
        return {"exit": error.exit_code}
    return {"exit": 0}


def _after(published: Path) -> dict[str, list[str]]:
    commit_batch(published, "after", 2000)
    return {"subjects": subjects(published), "wrong": verify.verify(published).wrong}
