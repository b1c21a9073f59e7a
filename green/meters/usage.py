"""Processor time: how much of it a run used, and how much was used at all, between one reading and the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from green.meters.held import Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import Asked
    from green.meters.place import Place

TICKS_PER_S = 100  # USER_HZ, which Linux fixed for all programs
IDLE = (3, 4)  # places of idle and iowait in a line of /proc/stat
MOST_COUNTED = 8  # user to steal; what follows is in user already
MOST_LINE = 256  # bytes of a line of /proc/stat: a name, and ten numbers of at most 20 digits
MOST_GROUP = 256  # bytes of a group's file: its time stands alone, or in the first line
UNREAD = (ValueError, IndexError)  # of a text of the kernel that says nothing, or no number


def busy_s(stat: bytes, allowed: frozenset[int] = frozenset()) -> float:
    """Return the busy time of all processors, or of some, by the beginning of /proc/stat."""
    total = 0
    for line in stat.splitlines() if allowed else [stat[: stat.index(b"\n")]]:
        name, *cells = line.split()
        if not name.startswith(b"cpu"):
            break
        if not allowed or (name[3:].isdigit() and int(name[3:]) in allowed):
            counted = [int(cell) for cell in cells[:MOST_COUNTED]]
            total += sum(counted) - sum(counted[place] for place in IDLE) - sum(counted[7:8])  # stolen time is not ours
    return total / TICKS_PER_S


def _most_bytes(online: int, allowed: frozenset[int]) -> int:
    """Return how much of /proc/stat is read: the lines of single processors only where some of them count."""
    return (1 + (online if allowed else 0)) * MOST_LINE


def _microseconds(said: bytes) -> int:
    """Return what the file of a control group of version 2 tells."""
    return int(said.partition(b"usage_usec ")[2].split(None, 1)[0])


class GroupTime:
    """A control group's file of processor time; it is read with each reading, so that all it needs is at hand."""

    def __init__(self, file: str) -> None:
        """Take its path; version 1 tells nanoseconds and nothing else."""
        self._held = Held(file, MOST_GROUP)
        is_first = file.endswith("cpuacct.usage")
        self._number: Callable[[bytes], int] = int if is_first else _microseconds
        self._per_s = 1e9 if is_first else 1e6

    def seconds(self) -> float | None:
        """Return the time so far; None where it can't be read."""
        try:
            return self._number(self._held.read()) / self._per_s
        except UNREAD:
            return None

    def close(self) -> None:
        """Close the file."""
        self._held.close()


class MachineTime:
    """The time of all processors, or of some, by /proc/stat."""

    def __init__(self, proc: str, online: int, allowed: frozenset[int] = frozenset()) -> None:
        """Take the folder; some count where not all are allowed."""
        self._held = Held(f"{proc}/stat", _most_bytes(online, allowed))
        self._allowed = allowed

    def seconds(self) -> float | None:
        """Return the time so far; None where it can't be read."""
        try:
            return busy_s(self._held.read(), self._allowed)
        except UNREAD:
            return None

    def close(self) -> None:
        """Close the file."""
        self._held.close()


def run_time(asked: Asked, where: Place) -> GroupTime | MachineTime:
    """Return the processor time of a run: of its control group, else of the processors that it may use."""
    if where.usage_file is not None:
        return GroupTime(where.usage_file)
    return MachineTime(asked.proc, where.online, where.allowed)


class Usage:
    """What part of the machine's processor time is the run's."""

    def __init__(self, asked: Asked, where: Place) -> None:
        self._at_rest = where.cpus / where.online
        self._allowed = where.allowed
        self._all = Held(f"{asked.proc}/stat", _most_bytes(where.online, where.allowed))
        self._own = None if where.usage_file is None else GroupTime(where.usage_file)
        self._last: tuple[float, float] | None = None

    def share(self) -> float | None:
        """Return the run's part of the machine's busy time since the last call, its part of the processors at rest."""
        said = self._all.read()
        try:
            all_s = busy_s(said)
            run_s = busy_s(said, self._allowed) if self._own is None else self._own.seconds()
        except UNREAD:
            return None
        if run_s is None:
            return None
        last, self._last = self._last, (run_s, all_s)
        if last is None or all_s <= last[1]:
            return self._at_rest
        return min(max((run_s - last[0]) / (all_s - last[1]), 0.0), 1.0)

    def close(self) -> None:
        """Close the files."""
        self._all.close()
        if self._own is not None:
            self._own.close()
