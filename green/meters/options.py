"""What `green meter` was asked for: its words, read without a library, for every millisecond is the run's."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from green.errors import UsageError
from green.vocabulary import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEE = "see `green meter --help`"
MOST_EVERY_S = 60.0  # counters are read at least each minute
LEAST_EVERY_S = 0.1


@dataclass(slots=True)
class Options:
    """The options of `green meter`, with their defaults."""

    command: list[str] = field(default_factory=list)
    pid: int | None = None
    out: str = "logs"
    run_id: str | None = None
    project: str | None = None
    team: str | None = None
    model: str | None = None
    kind: str | None = None
    site: str | None = None
    region: str | None = None
    label: dict[str, str] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)
    every: float = 1.0
    fsync: float = 60.0
    seed: int | None = None
    sensors: list[str] = field(default_factory=list)
    budget: list[str] = field(default_factory=list)
    warn_at: float | None = None
    stop: bool = False
    grace: float = 30.0
    follow: bool = False
    pipe: str | None = None
    quiet: bool = False
    dry_run: bool = False
    json: bool = False
    session: bool = False  # a program meters itself, and says on the pipe how it ended
    common: list[str] = field(default_factory=list)  # --store and the like, for what reads policies


FLAGS = ("stop", "follow", "quiet", "dry_run", "json", "session")
NUMBERS = {"every": (LEAST_EVERY_S, MOST_EVERY_S), "fsync": (0.0, 1e9), "grace": (0.0, 1e9)}
WHOLE = ("pid", "seed")
PAIRS = ("label", "work")
LISTS = ("sensors", "budget")
TEXTS = ("out", "run_id", "project", "team", "model", "kind", "site", "region", "pipe")
COMMON = ("--config", "--store", "--policies", "--as-of")


def parse(words: Sequence[str]) -> Options:
    """Read the words after `green meter`; what stands behind `--`, or from the first word that is no option, is run."""
    found = Options()
    rest = list(words)
    while rest and rest[0] != "--" and rest[0].startswith("-"):
        option, sign, value = rest.pop(0).partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if name in FLAGS and not sign:
            setattr(found, name, True)
            continue
        if option not in COMMON and name not in (*NUMBERS, *WHOLE, *PAIRS, *LISTS, *TEXTS, "warn_at"):
            raise UsageError(f"no such option: {option}", mend=SEE)
        if not sign:
            if not rest:
                raise UsageError(f"{option} needs a value", mend=SEE)
            value = rest.pop(0)
        if option in COMMON:
            found.common += [option, value]
        else:
            _set(found, option, name, value)
    found.command = rest[1:] if rest[:1] == ["--"] else rest
    _check(found)
    return found


def _set(found: Options, option: str, name: str, value: str) -> None:
    if name in PAIRS:
        key, sign, amount = value.partition("=")
        if not sign or not key or not amount:
            raise UsageError(f"{option} {value!r} is no KEY=VALUE", mend=SEE)
        pairs: dict[str, Any] = getattr(found, name)
        pairs[key] = _number(option, amount, 0.0, float("inf")) if name == "work" else amount
    elif name in LISTS:
        getattr(found, name).extend(filter(None, value.split(",")))
    elif name in NUMBERS:
        setattr(found, name, _number(option, value.removesuffix("s"), *NUMBERS[name]))
    elif name in WHOLE:
        if not value.isdecimal():
            raise UsageError(f"{option} {value!r} is no whole number", mend=SEE)
        setattr(found, name, int(value))
    elif name == "warn_at":
        number, is_percent = value.removesuffix("%"), value.endswith("%")
        found.warn_at = _number(option, number, 0.0, 100.0 if is_percent else 1.0) / (100.0 if is_percent else 1.0)
    else:
        setattr(found, name, value)


def _number(option: str, text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most or number == float("inf"):
        raise UsageError(f"{option} {text!r} is no number from {least:g} to {most:g}", mend=SEE)
    return number


def _check(found: Options) -> None:
    if found.kind is not None and found.kind not in set(Kind):
        raise UsageError(f"--kind {found.kind!r} is none", mend=f"one of {', '.join(Kind)}")
    if found.run_id is not None:
        check_run_id(found.run_id)
    if not found.dry_run and bool(found.command) == (found.pid is not None):
        raise UsageError("name either a command to run or --pid", mend="write it as in: green meter -- python train.py")
    if (found.stop or found.warn_at is not None) and not found.budget:
        raise UsageError("--stop and --warn-at are about a budget", mend="name its policy with --budget")
    if found.follow and found.pid is not None:
        raise UsageError("--follow is about a command", mend="leave it away: with --pid only that process is followed")


def check_run_id(run_id: str) -> None:
    """Refuse a run_id that would lead out of the folder of logs; it becomes a folder of it."""
    parts = run_id.split("/")
    if any(part in ("", ".", "..") or part.startswith(".") for part in parts) or not run_id.isprintable():
        raise UsageError(f"--run-id {run_id!r} cannot be a folder", mend='write names, with "/" between them')


def run_id_of(found: Options, environ: Mapping[str, str], host: str, now: float) -> str:
    """Return the run_id: as asked, else the same on every node of a job, else one that is new."""
    if found.run_id is not None:
        return found.run_id
    if given := environ.get("GREEN_RUN_ID"):
        check_run_id(given)
        return given
    if job := environ.get("SLURM_JOB_ID"):
        array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
        return f"slurm-{array}_{task}" if array and task else f"slurm-{job}"
    elastic = environ.get("TORCHELASTIC_RUN_ID", "none")
    if elastic != "none" and environ.get("WORLD_SIZE", "1") != "1":
        return f"torch-{_plain(elastic)}"
    what = _plain(os.path.basename(found.command[0])) if found.command else f"pid-{found.pid}"  # noqa: PTH119 -- a text
    return f"{what}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}-{_plain(host)}-{os.getpid()}"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip(".") or "run"


def rank_of(environ: Mapping[str, str]) -> int | None:
    """Return the rank of this process among those of its job, where its launcher says so."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"):
        if (text := environ.get(name, "")).isdecimal():
            return int(text)
    return None


def log_name(environ: Mapping[str, str], host: str, number: int) -> str:
    """Return the file name of the `number`th log of this rank and host in a run's folder."""
    rank = rank_of(environ)
    middle = "" if rank is None else f"-rank{rank}"
    return f"{_plain(host)}{middle}{f'-{number}' if number > 1 else ''}.green.jsonl"


def record_of(found: Options, run_id: str) -> dict[str, object]:
    """Return what the options say of the run, as the keys of `run.yaml`; empty where they say nothing."""
    said: dict[str, object] = {
        key: getattr(found, key) for key in ("project", "team", "model", "kind") if getattr(found, key)
    }
    site = {"name": found.site, "region": found.region}
    if any(site.values()):
        said["site"] = {key: value for key, value in site.items() if value}
    if found.label:
        said["labels"] = found.label
    return {"run_id": run_id, **said} if said else {}
