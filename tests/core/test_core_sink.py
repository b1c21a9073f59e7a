"""The sink: bounds that no reader can pass, counters that wrap, and an exact median."""

from __future__ import annotations

import io
import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green.readers import Found
from green.readers.intervals import MOST_INTERVALS, Intervals
from green.sink import FileSink, SampleFile

T = 1_770_000_000_000_000


class Bench:
    """A sink with one series, and what it wrote."""

    def __init__(self, *, wraps_at_j: float | None = None, most_rejects: int = 200) -> None:
        self.stream = io.StringIO()
        self.file = SampleFile(self.stream)
        self.sink = FileSink(self.file, most_rejects)
        self.run = self.sink.run(Found())
        self.series = self.sink.series(self.run, "g", "gpu", wraps_at_j=wraps_at_j)

    def add(self, t_us: int, power_w: float | None = None, energy_j: float | None = None) -> None:
        self.sink.sample(self.series, t_us, power_w, energy_j, 7)

    def written(self) -> list[list[str]]:
        self.file.flush()
        return [line.split(",")[1:] for line in self.stream.getvalue().splitlines()]

    def counters(self) -> list[float]:
        return [float(cells[2]) for cells in self.written()]

    def reasons(self) -> list[str]:
        return [reject.reason for reject in self.sink.rejects]


@pytest.mark.parametrize(
    ("power_w", "reason"),
    [
        (0.0, None),
        (1e6, None),
        (math.nextafter(1e6, math.inf), "POWER_OUT_OF_RANGE"),
        (-1e-9, "POWER_OUT_OF_RANGE"),
        (math.nan, "NOT_A_NUMBER"),
        (math.inf, "NOT_A_NUMBER"),
        (-math.inf, "NOT_A_NUMBER"),
    ],
)
def test_power_outside_0_to_a_megawatt_is_rejected_and_its_time_still_counts(
    power_w: float, reason: str | None
) -> None:
    bench = Bench()
    bench.add(T, 100.0)
    bench.add(T + 10, power_w)
    assert bench.reasons() == ([] if reason is None else [reason])
    assert len(bench.written()) == (2 if reason is None else 1)
    assert bench.sink.all_series[0].last_us == T + 10


@pytest.mark.parametrize(
    ("t_us", "is_kept"),
    [
        (946_684_800_000_000, True),  # 2000-01-01T00:00:00Z, date -u -d @946684800
        (946_684_799_999_999, False),
        (4_102_444_799_999_999, True),  # the last microsecond of 2099
        (4_102_444_800_000_000, False),
        (-1, False),
        (1 << 70, False),
    ],
)
def test_time_outside_the_years_2000_to_2099_is_rejected(t_us: int, is_kept: bool) -> None:  # noqa: FBT001 -- a column of the table
    bench = Bench()
    bench.add(t_us, 100.0)
    assert len(bench.written()) == is_kept
    assert bench.reasons() == ([] if is_kept else ["TIME_OUT_OF_RANGE"])
    assert bench.sink.all_series[0].first_us == (t_us if is_kept else None)


def test_no_value_at_all_is_a_time_and_no_reading() -> None:
    bench = Bench()
    bench.add(T)
    assert (bench.written(), bench.reasons(), bench.sink.all_series[0].samples) == ([], [], 0)
    assert bench.sink.all_series[0].first_us == T


WRAP = st.integers(1000, 262_143)


@settings(max_examples=100)
@given(WRAP, st.lists(st.integers(0, 900), min_size=1, max_size=40), st.integers(0, 999))
def test_counter_that_wraps_is_unwrapped_to_the_true_one(wraps_at: int, steps: list[int], start: int) -> None:
    bench = Bench(wraps_at_j=float(wraps_at))
    true, total = [start], start
    for step in steps:
        total += step
        true.append(total)
    for number, value in enumerate(true):
        bench.add(T + number, None, float(value % wraps_at))
    assert bench.counters() == [float(value - start + start % wraps_at) for value in true]


def test_counter_without_a_known_wrap_falls_and_is_left_to_the_energy_stage() -> None:
    bench = Bench()
    for number, value in enumerate((50.0, 60.0, 5.0, 9.0)):
        bench.add(T + number, None, value)
    assert bench.counters() == [50.0, 60.0, 5.0, 9.0]


def test_late_reading_of_a_counter_that_wraps_makes_no_energy() -> None:
    bench = Bench(wraps_at_j=262_144.0)
    for t_us, value in ((T, 10.0), (T + 20, 30.0), (T + 10, 20.0), (T + 30, 40.0)):
        bench.add(t_us, None, value)
    assert bench.counters() == [10.0, 30.0, 40.0]
    assert bench.reasons() == ["OUT_OF_ORDER"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 1e13])
def test_counter_that_no_register_can_hold_is_rejected(value: float) -> None:
    bench = Bench()
    bench.add(T, None, value)
    assert (bench.written(), bench.reasons()) == ([], ["NOT_A_NUMBER"])


def test_counter_that_wraps_beyond_64_bits_is_rejected_and_not_written() -> None:
    bench = Bench(wraps_at_j=9e12)
    for number, value in enumerate((8e12, 1e12, 8.5e12)):
        bench.add(T + number, None, value)
    assert bench.counters() == [8e12]
    assert bench.reasons() == ["COUNTER_OUT_OF_RANGE"] * 2


@settings(max_examples=200)
@given(st.lists(st.integers(1, 10**8), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_longest_gap_is_ten_medians_in_any_order(lengths: list[int], rng: random.Random) -> None:
    found = []
    for order in (sorted(lengths), rng.sample(lengths, len(lengths))):
        intervals = Intervals()
        for length in order:
            intervals.counts[length] += 1
        found.append(intervals.max_gap_us())
    expected = min(math.floor(10 * statistics.median(sorted(lengths))), 3_600_000_000)
    assert found == [expected, expected]


def test_longest_gap_is_an_hour_at_most_and_unknown_without_two_times() -> None:
    intervals = Intervals()
    assert intervals.max_gap_us() is None
    intervals.counts[10**12] += 1
    assert intervals.max_gap_us() == 3_600_000_000


def gap_of(lengths: list[int]) -> tuple[int | None, int]:
    bench = Bench()
    t_us = T
    bench.add(t_us, 1.0)
    for length in lengths:
        t_us += length
        bench.add(t_us, 1.0)
    intervals = bench.sink.all_series[0].intervals
    return intervals.max_gap_us(), len(intervals.counts)


def test_many_distinct_intervals_keep_memory_bounded_and_the_order_does_not_matter() -> None:
    lengths = [900_000 + 7 * n for n in range(MOST_INTERVALS + 9_000)]
    mixed = random.Random(5).sample(lengths, len(lengths))  # noqa: S311 -- seeded order of a test
    found = {gap_of(order) for order in (lengths, lengths[::-1], mixed)}
    assert len(found) == 1, found
    ((gap, size),) = found
    assert size <= MOST_INTERVALS
    assert gap is not None
    assert gap == pytest.approx(10 * statistics.median(lengths), abs=10_000)  # a step of 1 ms, ten times


def test_intervals_of_two_logs_are_those_of_one() -> None:
    one, two, both = Intervals(), Intervals(), Intervals()
    for length in (10, 20, 30):
        one.counts[length] += 1
        both.counts[length] += 1
    for length in (1000, 2000):
        two.counts[length] += 1
        both.counts[length] += 1
    one.merge(two)
    assert one.max_gap_us() == both.max_gap_us() == 300


def test_rejects_are_bounded_and_their_count_is_kept() -> None:
    bench = Bench(most_rejects=3)
    for number in range(10):
        bench.add(T + number, -1.0)
    bench.sink.reject(99, "OTHER")
    rows = [*bench.sink.rejects, *bench.sink.more.values()]
    assert sum(row.lines for row in rows if row.reason == "POWER_OUT_OF_RANGE") == 10
    assert [(row.reason, row.lines) for row in bench.sink.more.values()] == [("POWER_OUT_OF_RANGE", 7), ("OTHER", 1)]


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e16", "five", ""])
def test_stated_energy_that_is_no_quantity_is_rejected(text: str) -> None:
    bench = Bench()
    bench.sink.statement(bench.run, ["gpu"], text, line=3)
    assert (bench.sink.statements, bench.reasons()) == ([], ["NOT_A_NUMBER"])
