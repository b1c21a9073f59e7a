"""Disks, modelled: no sensor reads them, so their power is by their number and size.

A watt a gigabyte is Cloud Carbon Footprint's, that of a solid-state disk; one that turns has the lower one. What is
behind a network, or stacked on another disk, is not counted. The bytes that are read and written are noted in the log,
and no power is made of them: no table here says what a disk draws busy and idle.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from green.meters import About, Sight
from green.meters.coefficients import model
from green.meters.place import place, text_of
from green.meters.procfs import Constant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from green.meters import Asked

SECTOR_B = 512  # the unit of /sys/block/*/size, whatever the disk's own
GB = 1_000_000_000
_COUNTED = (5, 9, 12)  # places in a line of /proc/diskstats: sectors read and written, milliseconds busy
_VIRTUAL = re.compile(r"(?:loop|ram|zram|dm-|md|sr|fd|nbd|drbd)\d", re.ASCII)


class Storage:
    """The family of disks."""

    name = "storage"

    def __init__(self, measured: Callable[[], frozenset[str]] = frozenset) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._measured = measured

    def look(self, asked: Asked) -> Sight:
        """Count the disks of this machine and their bytes."""
        self.kinds = frozenset()
        where = place(asked)
        disks = _disks(f"{asked.sys}/block")
        if not disks or "host" in self._measured() or not where.is_first:
            return Sight()
        per_gb = model().storage_w_per_gb
        size_gb = sum(size_gb for size_gb, _ in disks.values())
        turning_gb = sum(size_gb for size_gb, turns in disks.values() if turns)
        power_w = turning_gb * per_gb.low + (size_gb - turning_gb) * per_gb.value
        extra: dict[str, str | float] = {
            "devices": len(disks),
            "capacity_gb": size_gb,
            "low_ratio": min(size_gb * per_gb.low / power_w, 1.0),
            "high_ratio": max(size_gb * per_gb.high / power_w, 1.0),
        }
        is_ours = where.is_whole  # a job with a part of the node has a part of its disks, and nobody knows which
        about = About(
            "storage", "storage", "power_w", "modelled", "disks", None, None, is_ours, extra, is_constant=True
        )
        if is_ours:
            self.kinds = frozenset(("storage",))
        traffic = Traffic(f"{asked.proc}/diskstats", frozenset(disks))
        return Sight((Constant(about, power_w),), notes=[traffic] if traffic.is_told else ())

    def close(self) -> None:
        """Nothing is held open."""


class Traffic:
    """What went to and from the disks of this machine since the meter looked."""

    def __init__(self, file: str, names: frozenset[str]) -> None:
        self._file, self._names = file, names
        self._first = self._now() or {}
        self._last = dict(self._first)
        self.is_told = bool(self._first)

    def __call__(self) -> Mapping[str, object] | None:
        """Return bytes, and the seconds in which a disk was busy; those of a disk that is gone as they last were."""
        now = self._now()
        if now is None:
            return None
        self._last.update((name, counted) for name, counted in now.items() if name in self._first)
        pairs = [zip(self._last[name], first, strict=True) for name, first in self._first.items()]
        read, written, busy_ms = map(sum, zip(*([last - first for last, first in pair] for pair in pairs), strict=True))
        counted = {"read_b": read * SECTOR_B, "written_b": written * SECTOR_B, "busy_s": busy_ms / 1000}
        return {"note": "storage", "devices": len(self._first), **counted}

    def _now(self) -> dict[str, list[int]] | None:
        """Return sectors read, sectors written and milliseconds busy of each disk."""
        text = text_of(self._file)
        if text is None:
            return None
        lines = [cells for line in text.splitlines() if len(cells := line.split()) > max(_COUNTED)]
        return {cells[2]: [int(cells[place]) for place in _COUNTED] for cells in lines if cells[2] in self._names}


def _disks(root: str) -> dict[str, tuple[float, bool]]:
    """Return the size of each disk in gigabytes, and whether it turns."""
    found = {}
    try:
        names = sorted(os.listdir(root))  # noqa: PTH208 -- names, not paths
    except OSError:
        return {}
    for name in names:
        size = _number(f"{root}/{name}/size")
        if size and not _VIRTUAL.match(name):
            found[name] = size * SECTOR_B / GB, _number(f"{root}/{name}/queue/rotational") == 1
    return found


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as stream:  # noqa: PTH123 -- a file of the kernel
            return int(stream.read())
    except (OSError, ValueError):
        return None
