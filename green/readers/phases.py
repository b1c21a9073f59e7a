"""The time that a metered run spent in each of its phases, from the events of its log."""

from __future__ import annotations

from typing import Any

from green.readers.parse import unix_us

MOST_PHASES = 100  # whose time is kept


class Phases:
    """How long each phase took: the time in which at least one rank was in it."""

    def __init__(self) -> None:
        self.took_us: dict[str, int] = {}
        self.open: dict[str, tuple[int, int]] = {}  # how many are in it, since when

    def see(self, event: dict[str, Any]) -> None:
        """Take in a begin or an end; an end without a begin says nothing."""
        name, t_us = event.get("name"), unix_us(event.get("t"))
        if not isinstance(name, str) or t_us is None or (name not in self.took_us and len(self.took_us) >= MOST_PHASES):
            return
        count, since_us = self.open.get(name, (0, t_us))
        if event.get("edge") == "begin":
            self.open[name] = count + 1, since_us
            self.took_us.setdefault(name, 0)
        elif event.get("edge") == "end" and count:
            self.open[name] = count - 1, since_us
            if count == 1:
                self.took_us[name] += t_us - since_us
                del self.open[name]

    def end(self, t_us: int | None) -> dict[str, float]:
        """Return the seconds of each phase; an open one ends with the run, and is left out where that is unknown."""
        for name, (_, since_us) in self.open.items():
            self.took_us[name] = self.took_us[name] + t_us - since_us if t_us is not None else 0
        return {name: us / 1e6 for name, us in self.took_us.items() if us > 0}
