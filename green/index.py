"""From a folder of logs to shards: one scan at parse time, whose cost does not depend on the content.

A source is a run's folder (it holds `run.yaml` or `run.json`), the `*.green.jsonl` of one folder together,
the files that a tool keeps apart for one run, or any other single file. Sources go to shards by the hash of
their path, so that a new log never moves another, and a shard's index file is written only if its text changed.
"""

from __future__ import annotations

import filecmp
import json
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from green.errors import InputError, Where

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from green.layout import Layouts

RECORDS = ("run.yaml", "run.json")
NATIVE = ".green.jsonl"
OPENED = frozenset(
    ".csv .tsv .txt .log .json .jsonl .yaml .parquet .prom .out .benchmark".split()  # noqa: SIM905 -- reads as the contract lists them
)
PACKED = (".gz", ".zst")
NOT_A_FILE = "not a file"  # in the place of a fingerprint: a pipe, a socket, a device
OURS = frozenset({"results", "audit", ".snakemake"})

File = tuple[str, int, int | str]  # path below logs, bytes, mtime in ns or sha256 of the content


@dataclass
class Scan:
    """What lies below logs: sources by path, and the files that nobody will open."""

    sources: dict[str, list[File]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)


class _How(NamedTuple):
    """How a scan goes about it."""

    fingerprint: str  # mtime | content
    ours: set[str]  # folders that hold no logs
    layouts: Layouts


def opened(name: str, folder: str, layouts: Layouts) -> bool:
    """Tell whether a file is opened at all, by its ending; recognition is by content, later."""
    ending = _ending(name)
    return ending in OPENED or (not ending and layouts.are_values(folder))


@lru_cache(maxsize=4096)  # ten thousand folders hold a few names, again and again
def _ending(name: str) -> str:
    for packed in PACKED:
        name = name.removesuffix(packed)
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 -- a name, not a path


def scan(logs: Path, *, fingerprint: str = "mtime", work: Path | None = None, layouts: Layouts | None = None) -> Scan:
    """Walk `logs` once and group its files into sources; symbolic links to folders are not followed.

    `layouts` are those of the readers that are installed, from who knows them already: to load them takes 70 ms.
    """
    if not logs.is_dir():
        raise InputError(
            f"logs: no such folder: {os.path.relpath(logs)}",
            where=Where(os.path.relpath(logs)),
            mend="set `logs:` in config.yaml, or --config logs=FOLDER",
        )
    ours = {os.path.join(work or Path.cwd(), name) for name in OURS}  # noqa: PTH118 -- compared with scandir's text
    found = Scan()
    _walk(str(logs), found, _How(fingerprint, ours, installed() if layouts is None else layouts))
    for files in found.sources.values():
        files.sort()
    return found


def installed() -> Layouts:
    """Return the layouts of the readers that are installed."""
    from green.layout import Layouts  # noqa: PLC0415 -- as below
    from green.readers import layouts, readers  # noqa: PLC0415 -- loads every reader

    return Layouts(layouts(readers()))


def _walk(root: str, found: Scan, how: _How) -> None:
    folders: list[tuple[str, str, str | None]] = [(root, "", None)]  # a list, for folders nest deeper than calls may
    while folders:
        folders += _folder(*folders.pop(), found, how)


def _folder(folder: str, below: str, owner: str | None, found: Scan, how: _How) -> list[tuple[str, str, str | None]]:
    """Group the files of one folder, and return the folders in it with the run that owns them."""
    inner: list[tuple[str, str, str | None]] = []
    entries = list(os.scandir(folder))  # in any order: sources and their files are sorted when all are found
    names = {entry.name: entry for entry in entries}
    if any(_is_file(names[record]) for record in RECORDS if record in names):
        owner = below or "."
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = f"{below}/{entry.name}" if below else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.path not in how.ours:
                inner.append((entry.path, path, owner))
        elif not opened(entry.name, below, how.layouts) or not ((is_file := _is_file(entry)) or _is_special(entry)):
            found.skipped[os.path.splitext(entry.name)[1] or "(none)"] += 1  # noqa: PTH122 -- a name, not a path
        else:
            source = owner or source_of(_unpacked(path, names), how.layouts)
            size, mark = _print(entry, how.fingerprint) if is_file else (0, NOT_A_FILE)
            found.sources.setdefault(source, []).append((path, size, mark))
    return inner


def _unpacked(path: str, beside: Container[str]) -> str:
    """Return the path of the plain log that lies beside its packed copy, so that both are one source; else the path."""
    if not path.endswith(PACKED):
        return path
    plain = next(path.removesuffix(packed) for packed in PACKED if path.endswith(packed))
    return plain if plain.rpartition("/")[2] in beside else path


def source_of(path: str, layouts: Layouts) -> str:
    """Return the source of a file outside any run's folder: the file itself, or what it is one of."""
    folder, _, name = path.rpartition("/")
    if any(name.endswith(NATIVE + packed) for packed in ("", *PACKED)):
        return folder or "."
    return layouts.source_of(path)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file, or leads to one; a symbolic link to itself does not."""
    try:
        return entry.is_file()
    except OSError:
        return False


def _is_special(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is there and neither file nor folder: a pipe, a socket, a device. It is never opened."""
    try:
        mode = entry.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _print(entry: os.DirEntry[str], fingerprint: str) -> tuple[int, int | str]:
    """Return size and fingerprint of a file: its mtime, or its content where mtimes are not kept."""
    found = entry.stat()
    if fingerprint == "content":
        with open(entry.path, "rb") as stream:  # noqa: PTH123 -- a name of undecodable bytes stays usable
            return found.st_size, digest_of(stream)
    return found.st_size, found.st_mtime_ns


def printable(name: str) -> str:
    """Make a path printable: a byte that is no UTF-8 becomes its hexadecimal escape, so that two names stay two."""
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def digest_of(stream: object) -> str:
    """Return the sha256 of an open file."""
    from hashlib import file_digest  # noqa: PLC0415 -- only content fingerprints and ingest pay for it

    return file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # any binary file


def shard_of(source: str, shards: int) -> str:
    """Return the shard of a source: the first hex digits of sha256(path below logs)."""
    digits = {1: 0, 16: 1, 256: 2}[shards]
    return sha256(os.fsencode(source)).hexdigest()[:digits] or "all"


def write_text(path: Path, text: str) -> bool:
    """Write a file atomically, and only if its text changed; tell whether it did."""
    content = text.encode("utf-8")
    try:
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)
    return True


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write a long file part after part, so that it is never held as a whole; as `write_text` else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    with new.open("wb", buffering=0) as stream:
        for part in parts:
            stream.write(part.encode())
    if path.exists() and path.stat().st_size == new.stat().st_size and filecmp.cmp(path, new, shallow=False):
        new.unlink()
    else:
        new.replace(path)


def write_index(found: Scan, folder: Path, *, shards: int, allow_empty: bool = False) -> list[str]:
    """Write one index file a shard below `folder`, remove those of empty shards, return the shards."""
    if not found.sources and not allow_empty:
        raise InputError(
            "logs: no log and no run record found"
            + (f" ({sum(found.skipped.values())} files of other kinds were left)" if found.skipped else ""),
            mend="point `logs:` at the folder with your logs; `allow_empty: true` if none is meant",
        )
    parts: dict[str, dict[str, list[File]]] = {}
    for source in sorted(found.sources):
        parts.setdefault(shard_of(source, shards), {})[source] = found.sources[source]
    names = sorted(parts)
    for name in names:
        write_text(folder / f"{name}.json", json.dumps(parts[name]) + "\n")  # an indent would take the slow encoder
    keep = {f"{name}.json" for name in names}
    for stale in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        if stale.name not in keep:
            stale.unlink()
    return names


def read_index(path: Path) -> dict[str, list[File]]:
    """Read one shard's index file."""
    raw: dict[str, list[list[str | int]]] = json.loads(path.read_text(encoding="utf-8"))
    return {source: [tuple(file) for file in files] for source, files in raw.items()}  # type: ignore[misc]
