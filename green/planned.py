"""Planned records: those that files hold, and one that is written from a command line.

A plan is a record like any other, with `status: planned`; what it lacks is unknown. Before it is priced its copy goes
into a folder of its own, so that ingest reads it as it reads every record, and no log beside it is taken for a run.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from green import record as records
from green.errors import InputError, UsageError, Where
from green.index import RECORDS
from green.vocabulary import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from green.record import Mistake

HOURS_MEND = 'write hours, or a quantity of time, as in --hours 72 or --hours "3 d"'
_OPTION = {"site": "region", "hardware": "device", "duration": "hours", "started_at": "start"}
# The share of its rated power that a device draws where nobody says: all of it, as model cards count, with an interval
# from an idle device (Teads, 0.12 of the rated power) up.
ASSUMED_LOAD = {"value": 1, "low": 0.12, "high": 1}


@dataclass(slots=True)
class Gathered:
    """Records in a folder of their own: what is shown of each by its run's path, and notes for people."""

    folder: Path
    shown: dict[str, str] = field(default_factory=dict)  # path below the folder -> path as it was named
    notes: list[str] = field(default_factory=list)


def gather(paths: Sequence[Path], logs: Path, folder: Path) -> Gathered:
    """Copy the planned records of files and folders; a folder's other records are left out and counted."""
    found = Gathered(folder)
    for path in paths:
        if not path.exists():
            raise InputError(
                f"no such record: {path}", where=Where(str(path)), mend="name a record, or a folder of them"
            )
        named = [path] if path.is_file() else list(_records(path))
        plans = [file for file in named if _is_plan(file, path)]
        if not plans:
            raise InputError(
                "no planned record here", where=Where(str(path)), mend="write `status: planned` into a run.yaml"
            )
        if len(plans) < len(named):
            found.notes.append(f"{path}: {len(named) - len(plans)} records are no plans, and left out")
        for file in plans:
            _take(file, _name(file, path, logs), found)
    return found


def write(record: Mapping[str, object], folder: Path) -> Gathered:
    """Write the record of a command line; what of it cannot be read is told by its option."""
    target = folder / "plan" / "run.yaml"
    target.parent.mkdir(parents=True)
    target.write_text(text_of(record), encoding="utf-8")
    for one in records.read(str(target), "run.yaml").mistakes:
        raise UsageError(_by_option(one), mend="`green plan --help` shows an example of each option")
    return Gathered(folder, {"plan/run.yaml": "command line"})


def text_of(record: Mapping[str, object]) -> str:
    """Write a record as YAML, a key a line; JSON is how its scalars and parts are written."""
    lines = ["# planned with `green plan`: set `status` when the run has ended"]
    for key, value in record.items():
        if key == "hardware" and isinstance(value, list):
            lines += ["hardware:", *(f"- {json.dumps(one, ensure_ascii=False)}" for one in value)]
        else:
            lines.append(f"{key}: {json.dumps(value, ensure_ascii=False)}")
    return "\n".join([*lines, ""])


def hours(text: str) -> str:
    """Return the duration of a record: a bare number is hours."""
    try:
        return f"{float(text):g} h" if repr(float(text)) != "nan" else text
    except ValueError:
        return text


def _by_option(mistake: Mistake) -> str:
    """Name the option that a mistake of a written record comes from."""
    key, _, text = mistake.detail.partition(": ")
    parts = key.split(".")
    option = parts[-1] if not parts[-1].isdigit() and len(parts) > 1 else _OPTION.get(parts[0], parts[0])
    return f"--{option}: {text}" if text else mistake.detail


def _records(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.name in RECORDS and path.is_file():
            yield path


def _is_plan(file: Path, named: Path) -> bool:
    """Tell whether a record is a plan; refuse what cannot be read, and a file that was named and is none."""
    shown = os.path.relpath(file)
    read = records.read(str(file), shown)
    status = read.record.status
    if status is not Status.PLANNED and file != named:
        return False
    for one in read.mistakes:
        raise InputError(f"{one.reason}: {one.detail}", where=Where(shown, one.line), mend="mend the record")
    if status is not Status.PLANNED:
        said = "no status" if status is None else f"status {status}"
        raise InputError(f"no plan: it has {said}", where=Where(shown, 1), mend="write `status: planned`")
    return True


def _name(file: Path, named: Path, logs: Path) -> Path:
    """Return the path of a run's folder, as the pipeline would have it where the record lies below logs."""
    home = file.parent if file.name in RECORDS else file.with_suffix("")
    for root in (logs.resolve(), (named if named.is_dir() else home.parent).resolve()):
        resolved = home.resolve()
        if resolved.is_relative_to(root) and resolved != root:
            return resolved.relative_to(root)
    return Path(home.resolve().name or "plan")


def _take(file: Path, name: Path, found: Gathered) -> None:
    own = name / ("run.json" if file.suffix == ".json" else "run.yaml")
    target = found.folder / own
    if target.exists():
        raise InputError(f"two plans named {name}", where=Where(os.path.relpath(file)), mend="give each its own folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(file.read_bytes())
    found.shown[own.as_posix()] = os.path.relpath(file)


def listed(texts: Iterable[str]) -> list[str]:
    """Return the names of an option that may be given again, and may hold several parted by commas."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]
