"""Times to the microsecond and numbers with units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from green.readers.parse import (
    Clock,
    counted_names,
    csv_rows,
    decimal,
    has_zone,
    power_w,
    seconds_us,
    split_cells,
    unix_us,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR_US = 3_600_000_000


def test_millisecond_stamp_is_exact() -> None:
    # date -u -d "2023-07-08 19:28:27" +%s → 1688844507
    assert Clock(UTC).us("2023/07/08 19:28:27.236") == 1_688_844_507_236_000


def test_stamps_of_one_minute_agree_whether_cached_or_not() -> None:
    clock = Clock(BERLIN)
    texts = [
        "2023/07/08 19:28:27.236",
        " 2023/07/08 19:28:59.001 ",
        "2023/07/08 19:28:27",
        "2023/07/08 19:29:00.000",
    ]
    assert [clock.us(text) for text in texts] == [Clock(BERLIN).us(text) for text in texts]


def test_naive_time_is_in_the_zone_of_the_log() -> None:
    assert Clock(BERLIN).us("2026-01-15T12:00:00") == Clock(UTC).us("2026-01-15T11:00:00")
    assert Clock(BERLIN).us("2026-07-15T12:00:00") == Clock(UTC).us("2026-07-15T10:00:00")


@pytest.mark.parametrize("zone", ["+02:00", "+0200", "+02"])
def test_written_zone_wins_over_the_zone_of_the_log(zone: str) -> None:
    assert Clock(ZoneInfo("Asia/Tokyo")).us(f"2026-01-15T12:00:00{zone}") == Clock(UTC).us("2026-01-15 10:00:00")
    assert has_zone(f"2026-01-15T12:00:00{zone}")
    assert not has_zone("2026-01-15T12:00:00")


def test_west_of_greenwich_is_later_in_utc() -> None:
    assert Clock(UTC).us("2026-01-15T12:00:00-03:30") == Clock(UTC).us("2026-01-15T15:30:00Z")


def test_repeated_autumn_hour_goes_on_when_local_time_runs_back() -> None:
    clock = Clock(BERLIN)  # 2026-10-25: 03:00 summer time becomes 02:00 winter time
    first, last, again, after = (
        clock.us(f"2026/10/25 {text}") for text in ("02:30:00.000", "02:59:59.000", "02:30:00.000", "03:00:00.000")
    )
    assert first == Clock(UTC).us("2026-10-25T00:30:00")
    assert last == Clock(UTC).us("2026-10-25T00:59:59")
    assert again == Clock(UTC).us("2026-10-25T01:30:00")
    assert after == Clock(UTC).us("2026-10-25T02:00:00")


@pytest.mark.parametrize(
    "text",
    ["", "2026/13/01 00:00:00.000", "2026/02/30 00:00:00", "2026/01-01 00:00:00", "2026/01/01 00:00:60.000",
     "27.236", "٢٠٢٦/01/01 00:00:00", "0001-01-01T00:00:00+01:00"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    clock = Clock(UTC)
    clock.us("2026/01/01 00:00:00.000")  # the minute is known, and must not help
    assert clock.us(text) is None


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1)))  # noqa: DTZ001 -- naive on purpose
def test_any_microsecond_survives(moment: datetime) -> None:
    expected = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert Clock(UTC).us(moment.strftime("%Y/%m/%d %H:%M:%S.%f")) == expected
    assert Clock(timezone(timedelta(hours=1))).us(moment.isoformat(sep=" ", timespec="microseconds")) == (
        expected - HOUR_US
    )


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_unix_seconds_give_back_every_whole_microsecond(t_us: int) -> None:
    written = f"{t_us // 1_000_000}.{t_us % 1_000_000:06d}"
    assert unix_us(float(written)) == t_us
    assert seconds_us(written) == t_us


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "1", True, None])
def test_what_is_no_unix_time_is_none(value: object) -> None:
    assert unix_us(value) is None


@pytest.mark.parametrize(
    ("text", "unit", "expected_w"),
    [("46.19 W", "W", 46.19), (" 46.19", "W", 46.19), ("46190 mW", "W", 46.19), ("46190", "mW", 46.19),
     ("46.19 W", "mW", 46.19), ("1.5 kW", "W", 1500.0), ("-3 W", "W", -3.0)],
)  # fmt: skip
def test_power_with_units(text: str, unit: str, expected_w: float) -> None:
    assert power_w(text, unit) == expected_w


@pytest.mark.parametrize("text", ["[N/A]", "", "46 %", "46 MiB", "nan", "inf W", "1_0 W", "12,5", "١٢ W", "46.19 W W"])
def test_what_is_no_power_is_none(text: str) -> None:
    assert power_w(text) is None


def test_decimal_takes_plain_numbers_only() -> None:
    assert decimal(" 1.08e-08 ") == Decimal("1.08e-08")
    for text in ("nan", "inf", "1_000", "", "N", "1e99999999999", "1" * 65):
        assert decimal(text) is None


def test_kinds_of_gpu_are_split() -> None:
    assert counted_names("8 x NVIDIA A40", Decimal(8)) == [("NVIDIA A40", 8.0)]
    assert counted_names("16 x NVIDIA A100, 12 x NVIDIA T4", Decimal(28)) == [
        ("NVIDIA A100", 16.0),
        ("NVIDIA T4", 12.0),
    ]
    assert counted_names("2 x NVIDIA A401 x Tesla T4", Decimal(3)) == [("NVIDIA A40", 2.0), ("Tesla T4", 1.0)]


def test_joined_kinds_that_do_not_add_up_stay_one_text() -> None:
    text = "2 x NVIDIA A4012 x Tesla T4"
    assert counted_names(text, Decimal(14)) == [(text, 14.0)]


def test_text_without_counts_is_one_kind() -> None:
    assert counted_names("Apple M1", Decimal("1.0")) == [("Apple M1", 1.0)]


def test_quoted_cells_hold_commas_and_lines() -> None:
    rows = list(csv_rows(["a,b", '1,"x, y', 'z"', "2,w"]))
    assert rows == [(1, ["a", "b"]), (2, ["1", "x, y\nz"]), (4, ["2", "w"])]


def test_quote_that_is_never_closed_costs_one_row() -> None:
    rows = list(csv_rows(["a,b,c", '1,"cut', "2,w,v", "3,w,v"]))
    assert [line for line, cells in rows if len(cells) == 3] == [1, 3, 4]


def test_split_minds_quotes() -> None:
    assert split_cells('1,"2,3"') == ["1", "2,3"]
    assert split_cells('"' + "x" * 200_000) == []
