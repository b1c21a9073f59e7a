"""What the configuration settles for the pipeline, kept from one start to the next.

Checking a configuration takes the models of everything that it may hold, which costs Snakemake a tenth of a second
at every start. What came of it depends on a few files alone; while they are the same, it is taken as it was.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green import __version__
from green.handover import RESULTS
from green.index import write_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MEMORY = RESULTS / "cache" / "settled.json"


@dataclass(frozen=True)
class Settled:
    """What planning takes from a configuration, and the texts that the jobs read."""

    logs: str
    fingerprint: str
    shards: int
    allow_empty: bool
    store: str
    policies: str
    factors: list[str]
    series: list[str]
    as_of: str
    layouts: list[list[str]]  # of the readers that are installed
    texts: dict[str, str]  # by the path of the file


def recalled(key: str, settle: Callable[[], Settled]) -> Settled:
    """Return what was settled under this key last time; else settle it, and keep it for the next start."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):  # none, cut, of another version: settle again
        kept = json.loads(MEMORY.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return Settled(**kept["settled"])
    settled = settle()
    write_text(MEMORY, json.dumps({"key": key, "settled": asdict(settled)}, sort_keys=True) + "\n")
    return settled


def key_of(files: Iterable[Path | str], overrides: Mapping[str, Any], *, root: Path) -> str:
    """Return the digest of all that a configuration depends on: its files, what was said beside them, and our code."""
    said = [__version__, sys.version, str(root), str(Path.cwd()), json.dumps(overrides, sort_keys=True, default=repr)]
    given = [[str(file), sha256(Path(file).read_bytes()).hexdigest()] for file in files]
    return sha256(json.dumps([said, given, sorted(_code(root)), sorted(_packages())]).encode()).hexdigest()


def _code(root: Path) -> Iterator[tuple[str, int, int, int]]:
    """Give the state of every file of ours: the time of its last change is not ours to set."""
    folders = [str(root / "green")]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    folders.append(entry.path)
            else:
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _packages() -> Iterator[tuple[str, int]]:
    """Give the state of the folders of packages: one that is installed, upgraded or taken away changes its folder."""
    for folder in dict.fromkeys(sys.path):
        try:
            yield folder, os.stat(folder or ".").st_mtime_ns  # noqa: PTH116 -- a text
        except FileNotFoundError:  # Python names folders that need not be there
            yield folder, 0
