"""Tell which device a row of a table is about, where a table has a row a device instead of a column.

A table of eight GPUs may have eight rows of each time. Taken as one device, they would be an eighth of their energy.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_DEVICES = 1024
MIXED = 0.4  # two devices share every second time
MOST_JOINTS, MOST_BACK = 2, 0.2  # times that run back, in all and of the lines

_ID = r"[ _.-]?(?:id|idx|index|name|no|num|number|uuid|serial)"
# Devices that stand beside each other: none of them holds another.
_BESIDE = re.compile(
    rf"(?:gpu|cuda|card|accelerator|socket|node|host|server|machine|outlet|plug|rank){_ID}"
    r"|uuid|serial|hostname|host|node|server|machine|outlet|plug|pci\.bus_id",
    re.IGNORECASE,
)
# What these name may hold one another: a package its cores, an inlet its outlets.
_MAY_HOLD = re.compile(
    rf"(?:device|sensor|meter|channel|domain|component|rail|zone|source|probe)(?:{_ID})?", re.IGNORECASE
)
# Only where they do what a device does: "gpu" may be a load in percent, "index" the number of the row.
_SPARE = re.compile(r"gpu|cuda|card|socket|rank|index|id|name", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """The columns of a table that say what a row is about."""

    columns: tuple[int, ...]
    words: str  # their names
    may_hold: bool  # one device may be a part of another

    def label(self, cells: Sequence[str]) -> str:
        """Return what a row is about."""
        return " ".join(cells[number].strip(' "') for number in self.columns)


def told_by(header: Sequence[str], rows: Sequence[Sequence[str]], times: Sequence[str]) -> Told | None:
    """Find the columns that tell devices apart in the first rows of a table; None where it has none."""
    named = [n for n, cell in enumerate(header) if _BESIDE.fullmatch(cell) or _MAY_HOLD.fullmatch(cell)]
    if not named and is_mixed(times):
        spare = (n for n, cell in enumerate(header) if _SPARE.fullmatch(cell))
        named = [n for n in spare if _tells([row[n].strip() for row in rows], times)][:1]
    if not named:
        return None
    may_hold = any(_MAY_HOLD.fullmatch(header[n]) or header[n].lower() == "name" for n in named)
    return Told(tuple(named), " ".join(header[n] for n in named), may_hold)


def _tells(values: Sequence[str], times: Sequence[str]) -> bool:
    """Tell whether a column has few values that come again, and each once a time."""
    return len(set(values)) * 2 <= len(values) and not is_mixed(
        [f"{t} {v}" for t, v in zip(times, values, strict=True)]
    )


def come_again(keys: Sequence[object]) -> bool:
    """Tell whether two fifths of some keys, and at least two, were there before."""
    return len(keys) - len(set(keys)) >= max(2, MIXED * len(keys))


def is_mixed(times: Sequence[str]) -> bool:
    """Tell whether times come several times, and equally often but for the first and the last.

    One device that is read faster than its clock ticks comes often, too, but not equally often.
    """
    counts = Counter(times)
    return come_again(times) and len(set(list(counts.values())[1:-1])) <= 1


@dataclass(slots=True)
class Steps:
    """How often the time of a device runs back: once where logs were joined, every other line in a table of results."""

    taken: int = 0
    back: int = 0
    last_us: dict[str, int] = field(default_factory=dict)

    def add(self, device: str, t_us: int) -> None:
        """Take the time of one reading."""
        before = self.last_us.get(device)
        self.taken += before is not None
        self.back += before is not None and t_us < before
        self.last_us[device] = t_us

    @property
    def are_mostly_none(self) -> bool:
        """Tell whether the lines are no course of time."""
        return self.back > MOST_JOINTS and self.back > MOST_BACK * self.taken
