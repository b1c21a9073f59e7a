"""Processor time: how much of it a run used, and how much was used at all, between one reading and the next."""

from __future__ import annotations

import time
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


def of_group(file: str) -> tuple[Held, Callable[[bytes], float]]:
    """Return a control group's file of processor time, and what reads the seconds in its text."""
    if file.endswith("cpuacct.usage"):  # version 1: nanoseconds
        return Held(file, MOST_GROUP), lambda said: int(said) / 1e9
    return Held(file, MOST_GROUP), lambda said: int(said.partition(b"usage_usec ")[2].split(None, 1)[0]) / 1e6


class Usage:
    """The processor time of a run and of its machine."""

    def __init__(self, asked: Asked, where: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cpus, self._at_rest = where.cpus, where.cpus / where.online
        lines = 1 + (where.online if where.allowed else 0)
        self._stat = self._own = Held(f"{asked.proc}/stat", lines * MOST_LINE)
        self._own_s: Callable[[bytes], float] = lambda said: busy_s(said, where.allowed)
        if where.usage_file is not None:
            self._own, self._own_s = of_group(where.usage_file)
        self._last: tuple[float, float] | None = None  # of the share
        self._at: tuple[float, float] | None = None  # of the load

    def run_s(self) -> float | None:
        """Return the run's time so far: of its control group, else of the processors that it may use."""
        try:
            return self._own_s(self._own.read())
        except UNREAD:
            return None

    def share(self) -> float | None:
        """Return the run's part of the machine's busy time since the last call, its part of the processors at rest."""
        said = self._stat.read()
        try:
            all_s = busy_s(said)
            run_s = self._own_s(said if self._own is self._stat else self._own.read())
        except UNREAD:
            return None
        last, self._last = self._last, (run_s, all_s)
        if last is None or all_s <= last[1]:
            return self._at_rest
        return min(max((run_s - last[0]) / (all_s - last[1]), 0.0), 1.0)

    def load(self) -> tuple[float, float] | None:
        """Return the seconds since the last call, and the load of the run's processors in them."""
        try:
            run_s, now_s = self._own_s(self._own.read()), self._clock()
        except UNREAD:
            return None
        last, self._at = self._at, (run_s, now_s)
        if last is None or now_s <= last[1]:
            return 0.0, 0.0
        passed_s = now_s - last[1]
        return passed_s, min(max((run_s - last[0]) / (passed_s * self._cpus), 0.0), 1.0)

    def close(self) -> None:
        """Close the files."""
        self._stat.close()
        self._own.close()
