"""The clock of a log: UTC is read once, then the time since boot, so that no jump of the wall clock moves energy."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLOCK = 64  # strata whose instants are made at once
JUMP_S = 0.5  # a smaller difference is the steering of NTP or a slow call
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # only Linux counts the time asleep
_boot_s = partial(time.clock_gettime, _BOOT)


class Clock:
    """UTC at the start plus the time since boot; how the wall clock and the sleep of the machine differ is told."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        boot: Callable[[], float] = _boot_s,
        awake: Callable[[], float] = time.monotonic,
    ) -> None:
        """Anchor the log's time to the wall clock of now."""
        self._wall, self.boot, self._awake = wall, boot, awake
        self.started_at, self.from_s = wall(), boot()
        self._expect(self.started_at - self.from_s, self.from_s - awake())

    def _expect(self, ahead_s: float, asleep_s: float) -> None:
        """Note by how much the time since boot is behind the wall clock, and ahead of the time awake."""
        self._ahead_s, self._asleep_s = ahead_s, asleep_s
        self._least_ahead_s, self._most_ahead_s = ahead_s - JUMP_S, ahead_s + JUMP_S
        self._most_asleep_s = asleep_s + JUMP_S

    def elapsed_s(self) -> float:
        """Return the seconds since the start, those asleep included."""
        return self.boot() - self.from_s

    def now(self) -> float:
        """Return the log's time, in Unix seconds."""
        return self.started_at + self.boot() - self.from_s

    def drift_s(self) -> float:
        """Return by how much the wall clock is ahead of the log's time."""
        return self._wall() - self.now()

    def tell(self) -> tuple[float, Sequence[tuple[str, float]]]:
        """Return the log's time, and what happened to the clocks since the last call.

        ("clock", drift) after the wall clock was set, ("suspend", seconds) after the machine slept.
        """
        boot_s = self.boot()
        t = self.started_at + boot_s - self.from_s
        ahead_s, asleep_s = self._wall() - boot_s, boot_s - self._awake()
        if self._least_ahead_s < ahead_s < self._most_ahead_s and asleep_s <= self._most_asleep_s:
            return t, ()
        return t, self._changed(ahead_s, asleep_s)

    def _changed(self, ahead_s: float, asleep_s: float) -> Sequence[tuple[str, float]]:
        """Return what happened, and expect it from now on."""
        found = []
        if self._least_ahead_s < ahead_s < self._most_ahead_s:
            ahead_s = self._ahead_s
        else:
            found.append(("clock", ahead_s - (self.started_at - self.from_s)))
        if asleep_s <= self._most_asleep_s:
            asleep_s = self._asleep_s
        else:
            found.append(("suspend", asleep_s - self._asleep_s))
        self._expect(ahead_s, asleep_s)
        return found


class Strata:
    """When to sample: at one random instant in each stratum of time, so that no rhythm of a run can lock onto it.

    The instant of stratum n is `(n + u) * every_s` after the start, where u is SplitMix64 of `seed` after n + 1
    steps, over 2^64: whoever has the header of a log can find its instants again. Sensors that average over a
    stratum or longer have no rhythm to be locked onto, and miss or count twice at random instants: `is_even`.
    """

    def __init__(self, every_s: float, seed: int) -> None:
        """Take the length of a stratum and the seed that the header records."""
        self.every_s = every_s
        self.seed = seed
        self.is_even = False
        self._made = 1  # the first stratum without an instant yet; that of the first reading needs none
        self._ready_s: list[float] = []  # those that are made, the next one last

    def instant_s(self, stratum: int) -> float:
        """Return the instant of a stratum, in seconds after the start."""
        if self.is_even:
            return stratum * self.every_s
        mixed = (self.seed + (stratum + 1) * _GOLDEN) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (stratum + (mixed ^ (mixed >> 31)) / 2**64) * self.every_s

    def next_s(self, elapsed_s: float) -> float:
        """Return the instant of the next stratum; those that went by unused (a slow disk, a sleep) are left out."""
        while True:
            ready_s = self._ready_s or self._more_s(elapsed_s)
            instant_s = ready_s.pop()
            if instant_s >= elapsed_s:
                return instant_s

    def _more_s(self, elapsed_s: float) -> list[float]:
        """Make some at once: to make one costs more than the rest of a wake-up of the loop."""
        first = max(self._made, int(elapsed_s / self.every_s))
        self._made = first + BLOCK
        self._ready_s = [self.instant_s(stratum) for stratum in reversed(range(first, self._made))]
        return self._ready_s
