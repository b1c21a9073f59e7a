"""Disks, modelled: no sensor reads them, so their power is by their number and size.

A watt a gigabyte is Cloud Carbon Footprint's, that of a solid-state disk; one that turns has the lower one. What is
behind a network, or stacked on another disk, is not counted.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from green.meters import About, Sight
from green.meters.coefficients import model
from green.meters.place import place
from green.meters.procfs import Constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import Asked

SECTOR_B = 512  # the unit of /sys/block/*/size, whatever the disk's own
GB = 1_000_000_000
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
        size_gb = sum(size_gb for size_gb, _ in disks)
        turning_gb = sum(size_gb for size_gb, turns in disks if turns)
        power_w = turning_gb * per_gb.low + (size_gb - turning_gb) * per_gb.value
        extra: dict[str, str | float] = {
            "devices": len(disks),
            "capacity_gb": size_gb,
            "low_ratio": min(size_gb * per_gb.low / power_w, 1.0),
            "high_ratio": max(size_gb * per_gb.high / power_w, 1.0),
        }
        # a job with a part of the node has a part of its disks, and nobody knows which
        about = About("storage", "storage", "power_w", "modelled", "disks", is_ours=where.is_whole, extra=extra)
        if where.is_whole:
            self.kinds = frozenset(("storage",))
        return Sight((Constant(about, power_w),))

    def close(self) -> None:
        """Nothing is held open."""


def _disks(root: str) -> list[tuple[float, bool]]:
    """Return the size of each disk in gigabytes, and whether it turns."""
    found = []
    try:
        names = sorted(os.listdir(root))  # noqa: PTH208 -- names, not paths
    except OSError:
        return []
    for name in names:
        size = _number(f"{root}/{name}/size")
        if size and not _VIRTUAL.match(name):
            found.append((size * SECTOR_B / GB, _number(f"{root}/{name}/queue/rotational") == 1))
    return found


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as stream:  # noqa: PTH123 -- a file of the kernel
            return int(stream.read())
    except (OSError, ValueError):
        return None
