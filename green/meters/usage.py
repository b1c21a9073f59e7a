"""Processor time: how much of it a run used, and how much was used at all, between one reading and the next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from green.meters.place import text_of, usage_s

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import Asked
    from green.meters.place import Place

TICKS_PER_S = 100  # USER_HZ, which Linux fixed for all programs
IDLE = (3, 4)  # places of idle and iowait in a line of /proc/stat
MOST_COUNTED = 8  # user to steal; what follows is in user already


def busy_s(stat: str, allowed: frozenset[int] = frozenset()) -> float | None:
    """Return the busy time of all processors, or of some, by the text of /proc/stat."""
    total = 0
    for line in stat.splitlines():
        if not line.startswith("cpu"):
            break
        name, *cells = line.split()
        if (name == "cpu") if not allowed else (name[3:].isdigit() and int(name[3:]) in allowed):
            counted = [int(cell) for cell in cells[:MOST_COUNTED]]
            total += sum(counted) - sum(counted[place] for place in IDLE) - sum(counted[7:8])  # stolen time is not ours
    return total / TICKS_PER_S


class Usage:
    """The processor time of a run and of its machine."""

    def __init__(self, asked: Asked, where: Place, clock: Callable[[], float] = time.monotonic) -> None:
        self._stat = f"{asked.proc}/stat"
        self._where = where
        self._clock = clock
        self._last: tuple[float, float] | None = None  # of the share
        self._at: tuple[float, float] | None = None  # of the load

    def run_s(self) -> float | None:
        """Return the run's time so far: of its control group, else of the processors that it may use."""
        if self._where.usage_file is not None:
            return usage_s(self._where.usage_file)
        return self._machine_s(self._where.allowed)

    def _machine_s(self, allowed: frozenset[int] = frozenset()) -> float | None:
        text = text_of(self._stat)
        try:
            return None if text is None else busy_s(text, allowed)
        except (ValueError, IndexError):
            return None

    def share(self) -> float | None:
        """Return the run's part of the machine's busy time since the last call, its part of the processors at rest."""
        run_s, all_s = self.run_s(), self._machine_s()
        if run_s is None or all_s is None:
            return None
        last, self._last = self._last, (run_s, all_s)
        at_rest = self._where.cpus / self._where.online
        if last is None or all_s <= last[1]:
            return at_rest
        return min(max((run_s - last[0]) / (all_s - last[1]), 0.0), 1.0)

    def load(self) -> tuple[float, float] | None:
        """Return the seconds since the last call, and the load of the run's processors in them."""
        run_s, now_s = self.run_s(), self._clock()
        if run_s is None:
            return None
        last, self._at = self._at, (run_s, now_s)
        if last is None or now_s <= last[1]:
            return 0.0, 0.0
        passed_s = now_s - last[1]
        return passed_s, min(max((run_s - last[0]) / (passed_s * self._where.cpus), 0.0), 1.0)
