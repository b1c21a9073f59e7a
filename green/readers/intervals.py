"""The longest interval that two readings may span: 10 times the median of a device's own, at most an hour."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

GAP_FACTOR = 10
MOST_GAP_US = 3_600_000_000
MOST_INTERVALS = 65_536


def longest_us(middle_us: int) -> int:
    """Return the longest interval of a series: `middle_us` is the sum of its two middle ones."""
    return min(GAP_FACTOR * middle_us // 2, MOST_GAP_US)


class Intervals:
    """The positive intervals of a series, as a histogram: exact until it would grow without bound.

    Beyond 65,536 distinct lengths it keeps milliseconds, then tenths of a second, and so on; the
    result depends on the intervals alone, never on their order.
    """

    __slots__ = ("counts", "step_us")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.step_us = 1

    @classmethod
    def of(cls, counts: Iterable[tuple[int, int]]) -> Intervals:
        """Make the histogram of lengths and how often each comes."""
        made = cls()
        for length, count in counts:
            made.counts[length] += count
        made.coarsen()
        return made

    def add(self, length: int) -> None:
        """Count one interval, rounded like those before it, or the median would depend on the order of lines."""
        step = self.step_us
        self.counts[length if step == 1 else max(length // step * step, step)] += 1
        if len(self.counts) > MOST_INTERVALS:
            self.coarsen()

    def coarsen(self) -> None:
        """Round to the next step until the histogram is small again."""
        while len(self.counts) > MOST_INTERVALS:
            self._round(1_000 if self.step_us == 1 else self.step_us * 100)

    def _round(self, step_us: int) -> None:
        self.step_us = step_us
        merged: Counter[int] = Counter()
        for length, count in self.counts.items():
            merged[max(length // step_us * step_us, step_us)] += count
        self.counts = merged

    def merge(self, other: Intervals) -> None:
        """Take the intervals of another log of the same device in."""
        self.counts.update(other.counts)
        self._round(max(self.step_us, other.step_us))
        self.coarsen()

    def max_gap_us(self) -> int | None:
        """Return 10 × the median, at most an hour; None where no two readings have different times."""
        if not self.counts:
            return None
        total = sum(self.counts.values())
        ranks = ((total - 1) // 2, total // 2)
        lengths = sorted(self.counts)
        seen = 0
        found: list[int] = []
        for length in lengths:
            seen += self.counts[length]
            while len(found) < len(ranks) and seen > ranks[len(found)]:
                found.append(length)
        return longest_us(sum(found))

    def whole(self) -> Intervals:
        """Return the histogram."""
        return self


class Asked:
    """The intervals of a series that DuckDB holds; another log of the same device asks for their histogram."""

    __slots__ = ("_ask", "_longest_us")

    def __init__(self, middle_us: int | None, ask: Callable[[], Intervals]) -> None:
        self._longest_us = None if middle_us is None else longest_us(middle_us)
        self._ask = ask

    def max_gap_us(self) -> int | None:
        """Return 10 × the median, at most an hour; None where no two readings have different times."""
        return self._longest_us

    def whole(self) -> Intervals:
        """Return the histogram."""
        return self._ask()


def merged(parts: Sequence[Intervals | Asked]) -> Intervals | Asked:
    """Put the intervals of several logs of one device together; those of one log are as they are."""
    if len(parts) == 1:
        return parts[0]
    whole = Intervals()
    for part in parts:
        whole.merge(part.whole())
    return whole
