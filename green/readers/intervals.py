"""The longest interval that two readings may span: 10 times the median of a device's own, at most an hour."""

from __future__ import annotations

from collections import Counter

GAP_FACTOR = 10
MOST_GAP_US = 3_600_000_000
MOST_INTERVALS = 65_536


class Intervals:
    """The positive intervals of a series, as a histogram: exact until it would grow without bound.

    Beyond 65,536 distinct lengths it keeps milliseconds, then tenths of a second, and so on; the
    result depends on the intervals alone, never on their order.
    """

    __slots__ = ("counts", "step_us")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.step_us = 1

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
        return min(GAP_FACTOR * sum(found) // 2, MOST_GAP_US)
