"""What a stage over all runs need not compute again: the rows of shards whose inputs are the same bytes.

Beside a result lies a state: the digest of everything that every row depends on (settings, SQL, factors, series),
and a digest of the inputs of each shard. A row is taken over only where both are what they were.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_CHANGED = 0.5  # above this share of shards, all are computed


@dataclass(frozen=True)
class State:
    """What a result was computed from."""

    key: str
    shards: dict[str, str]
    result: str  # its sha256; of an audit, the head of the ledger


def digest(*parts: object) -> str:
    """Return one digest of JSON values."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest_of(files: Sequence[Path]) -> str:
    """Return one digest of the bytes of files."""
    return digest([sha256(file.read_bytes()).hexdigest() for file in files])


def noted(folder: Path, name: str) -> State | None:
    """Return a state that was noted, None where there is none."""
    try:
        return State(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # lost, cut off, or of another version: all is done anew
        return None


def read(folder: Path, name: str) -> State | None:
    """Return the state of the kept result of a stage, None where that is not there or not what it was."""
    state, file = noted(folder, name), folder / f"{name}.parquet"
    if state is None or not file.exists():
        return None
    return state if sha256(file.read_bytes()).hexdigest() == state.result else None


def key_of(folder: Path, name: str, result: Path) -> str:
    """Return what a result was computed from, where it is the one that was noted; else the digest of its bytes."""
    state, found = noted(folder, name), sha256(result.read_bytes()).hexdigest()
    return state.key if state is not None and state.result == found else found


def same(kept: State | None, key: str, shards: Mapping[str, str]) -> list[str]:
    """Return the shards whose rows may be taken over, none where too little would be left of the work."""
    if kept is None or kept.key != key:
        return []
    found = [shard for shard, inputs in shards.items() if kept.shards.get(shard) == inputs]
    return found if len(found) >= (1 - MOST_CHANGED) * len(shards) else []


def give(folder: Path, name: str, out: Path, key: str, shards: Mapping[str, str]) -> bool:
    """Put the kept result in its place where all that it was computed from is the same; tell whether it was."""
    state = noted(folder, name)
    if state is None or (state.key, state.shards) != (key, shards) or read(folder, name) is None:
        return False
    part = out.with_name(f".{out.name}.part")
    _link(folder / f"{name}.parquet", part)
    part.replace(out)
    part.unlink(missing_ok=True)  # one file under two names is not renamed
    return True


def keep(folder: Path, name: str, result: Path, key: str, shards: Mapping[str, str]) -> None:
    """Keep a result for the next time: a link, for Snakemake removes the name of an output, not its bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    target, state = folder / f"{name}.parquet", folder / f"{name}.json"
    state.unlink(missing_ok=True)
    _link(result, target)
    note(folder, name, State(key, dict(shards), sha256(target.read_bytes()).hexdigest()))


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, made now as Snakemake sees it."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
        os.utime(target)
    except OSError:  # a file system without links, or somebody else's file
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)


def seal(part: Path, folder: Path, head: str) -> Path:
    """Put a finished file in its place, under a name that tells its bytes, and remove those of before."""
    file = folder / f"{head}-{_seal(head, part)}.parquet"
    part.replace(file)
    for stale in set(folder.glob("*.parquet")) - {file}:
        stale.unlink(missing_ok=True)
    return file


def sealed(folder: Path, start: str) -> Path | None:
    """Return the file that was put there under a name that starts so; None where there is none, or it was damaged."""
    for file in folder.glob(f"{start}-*.parquet"):
        head, _, told = file.stem.rpartition("-")
        if _seal(head, file) == told:
            return file
    return None


def _seal(head: str, file: Path) -> str:
    return sha256(head.encode() + file.read_bytes()).hexdigest()


def note(folder: Path, name: str, state: State) -> None:
    """Note a state."""
    part = folder / f".{name}.json.part"
    part.write_text(json.dumps(asdict(state), sort_keys=True) + "\n", encoding="utf-8")
    part.replace(folder / f"{name}.json")
