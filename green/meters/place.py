"""Where a run sits: in a container or a Slurm job, and with how much of its machine's processors and memory.

What a run may use is the least of its affinity, of the quota of its control groups (version 1 or 2) and of what Slurm
gave it. A run with less than the whole machine has a share of what instruments of the machine read.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from green.meters.usage import GroupTime

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from green.meters import Asked

_CONTAINERS = (
    ("kubernetes", re.compile(r"kubepods")),
    ("podman", re.compile(r"libpod")),
    ("docker", re.compile(r"/docker[-/][0-9a-f]{12,}|/docker-[0-9a-f]{12,}")),
    ("containerd", re.compile(r"cri-containerd|/containerd")),
    ("lxc", re.compile(r"/lxc[./]")),
)
_MARKS = (("docker", "root/.dockerenv"), ("podman", "root/run/.containerenv"))
_VARIABLES = (
    ("kubernetes", "KUBERNETES_SERVICE_HOST"),
    ("apptainer", "APPTAINER_CONTAINER"),
    ("apptainer", "SINGULARITY_CONTAINER"),
)
_SLURM_JOB = re.compile(r"/job_(\d+)(?:/|$)", re.ASCII)
_LOCAL_RANKS = ("LOCAL_RANK", "SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_LOCAL_RANK")
UNLIMITED_B = 1 << 60  # version 1 writes the largest multiple of a page where there is no limit
KIB = 1024


@dataclass(frozen=True, slots=True)
class Place:
    """What a run has of its machine."""

    online: int  # logical processors of the machine
    cpus: float  # of them the run's
    allowed: frozenset[int] = frozenset()  # which ones, where it may not use all
    memory_b: int | None = None  # what the run may use
    machine_memory_b: int | None = None
    container: str | None = None
    slurm_job_id: str | None = None
    usage_file: str | None = None  # of the processor time of its control group, where that is its own
    is_first: bool = True  # of the ranks of a run on this machine; what is modelled of a machine is counted by one
    facts: Mapping[str, str | float | None] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Tell whether the run has all processors."""
        return self.cpus >= self.online


def place(asked: Asked) -> Place:
    """Find out where a run sits; what can't be read limits nothing."""
    who = f"{asked.proc}/{asked.pid or 'self'}"
    online = _online(asked)
    allowed = _list(_line(f"{who}/status", "Cpus_allowed_list"))
    groups = list(_groups(who, asked.sys))
    quota = min((found for folder, version in groups if (found := _quota(folder, version)) is not None), default=None)
    slurm = _number(asked.environ.get("SLURM_CPUS_ON_NODE"))
    limits = [float(online), float(len(allowed)) if allowed else None, quota, slurm]
    cpus = min(one for one in limits if one)
    total = _kib(_line(f"{asked.proc}/meminfo", "MemTotal"))
    limit = min((found for folder, version in groups if (found := _memory(folder, version)) is not None), default=None)
    paths = text_of(f"{who}/cgroup") or ""
    in_job = _SLURM_JOB.search(paths)
    job = asked.environ.get("SLURM_JOB_ID") or (in_job[1] if in_job else None)
    container = _container(asked, who, paths)
    usage_file = next(filter(None, (_usage_file(folder, version) for folder, version in groups)), None)
    is_own = container is not None or job is not None or quota is not None
    return Place(
        online,
        cpus,
        frozenset(allowed) if 0 < len(allowed) < online else frozenset(),
        min((one for one in (limit, total) if one is not None), default=None),
        total,
        container,
        job,
        usage_file if is_own else None,
        _is_first(asked.environ) or "/task_" in (usage_file or ""),
        _facts(container, job, cpus, online),
    )


def _is_first(environ: Mapping[str, str]) -> bool:
    """Tell whether this is the first rank of its machine; one that has a group of its own in Slurm counts itself."""
    return not any(environ.get(name, "0").strip() not in {"", "0"} for name in _LOCAL_RANKS)


def _facts(container: str | None, job: str | None, cpus: float, online: int) -> dict[str, str | float | None]:
    found: dict[str, str | float | None] = {"container": container, "slurm_job_id": job, "cpus": cpus}
    found["cpu_share"] = cpus / online
    return {name: value for name, value in found.items() if value is not None}


def text_of(path: str) -> str | None:
    """Return the text of a file of the kernel, raw: a text stream takes twice the time."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, 65_536):
            parts.append(part)
        return b"".join(parts).decode("ascii", "replace")
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _line(path: str, key: str) -> str | None:
    """Return what stands behind `key:` in a file of the kernel."""
    for line in (text_of(path) or "").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return value.strip()
    return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _kib(text: str | None) -> int | None:
    number = _number(text.removesuffix("kB")) if text else None
    return None if number is None else int(number) * KIB


def _list(text: str | None) -> set[int]:
    """Read a list of numbers as the kernel writes it, `0-3,8`."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit():
            found.update(range(int(first), int(last if last.isdigit() else first) + 1))
    return found


def _online(asked: Asked) -> int:
    listed = _list(text_of(f"{asked.sys}/devices/system/cpu/online"))
    if listed:
        return len(listed)
    stat = re.findall(r"^cpu\d+ ", text_of(f"{asked.proc}/stat") or "", re.MULTILINE)
    return len(stat) or os.cpu_count() or 1


def _groups(who: str, sys: str) -> Iterator[tuple[str, int]]:
    """Yield the folders of a process's control groups and of those above them, with their version."""
    root = f"{sys}/fs/cgroup"
    for line in (text_of(f"{who}/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            bases = [(root, 2), (f"{root}/unified", 2)]
        elif {"cpu", "cpuacct", "memory"} & set(controllers.split(",")):
            bases = [(f"{root}/{name}", 1) for name in (controllers, *controllers.split(","))]
        else:
            continue
        for base, version in dict.fromkeys(bases):
            if os.path.isdir(base):  # noqa: PTH112 -- as above
                yield from ((f"{base}{above}".rstrip("/"), version) for above in _above(path))


def _above(path: str) -> Iterator[str]:
    """Yield a path and all above it, to the root: in a container that is its own, even where the path is the host's."""
    while path not in {"", "/"}:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _quota(folder: str, version: int) -> float | None:
    """Return how many processors a group may use at once, None where it has no quota."""
    if version == 1:
        quota, period = (_number(text_of(f"{folder}/cpu.cfs_{name}_us")) for name in ("quota", "period"))
    else:
        cells = (text_of(f"{folder}/cpu.max") or "").split()
        quota, period = (_number(cell) for cell in cells) if len(cells) == 2 else (None, None)  # noqa: PLR2004 -- quota and period
    return quota / period if quota and period and quota > 0 else None


def _memory(folder: str, version: int) -> int | None:
    number = _number(text_of(f"{folder}/memory.limit_in_bytes" if version == 1 else f"{folder}/memory.max"))
    return int(number) if number is not None and 0 < number < UNLIMITED_B else None


def _usage_file(folder: str, version: int) -> str | None:
    name = f"{folder}/cpuacct.usage" if version == 1 else f"{folder}/cpu.stat"
    group = GroupTime(name)
    try:
        return None if group.seconds() is None else name
    finally:
        group.close()


def _container(asked: Asked, who: str, paths: str) -> str | None:
    for name, pattern in _CONTAINERS:
        if pattern.search(paths):
            return name
    for name, mark in _MARKS:
        if os.path.exists(f"{who}/{mark}"):  # noqa: PTH110 -- as above
            return name
    for name, variable in _VARIABLES:
        if asked.environ.get(variable):
            return name
    return asked.environ.get("container") or None  # as systemd's interface for containers says
