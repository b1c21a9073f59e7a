"""What the nvidia-smi reader makes of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from fake import FakeSink, write_log

from green.readers import Unreadable
from green.readers.nvidia_smi import READER
from green.readers.parse import Clock

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "timestamp, power.draw [W]\n"
T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z: date -u -d 2026-01-01 +%s → 1767225600


def stamp(second: int) -> str:
    return f"2026/01/01 00:00:{second:02d}.000"


def read(folder: Path, text: str, encoding: str = "utf-8") -> FakeSink:
    log = write_log(folder, text, encoding=encoding)
    assert READER.recognises(log)
    sink = FakeSink()
    READER.read(log, sink)
    return sink


def test_cells_with_and_without_units_are_read(tmp_path: Path) -> None:
    sink = read(tmp_path, f"{HEAD}{stamp(0)}, 46.19 W\n{stamp(1)}, 46.20\n{stamp(2)}, 46190.00 mW\n")
    assert sink.samples == [
        (0, T0, 46.19, None, 2),
        (0, T0 + 1_000_000, 46.20, None, 3),
        (0, T0 + 2_000_000, 46.19, None, 4),
    ]
    assert sink.rejects == []


def test_unit_of_the_header_is_minded(tmp_path: Path) -> None:
    assert read(tmp_path, f"timestamp, power.draw [mW]\n{stamp(0)}, 46190\n").powers() == [46.19]


@pytest.mark.parametrize(
    ("columns", "expected_w"),
    [
        ("power.draw.instant [W], power.draw.average [W], power.draw [W]", 3.0),
        ("power.draw.instant [W], power.draw.average [W], power.limit [W]", 2.0),
        ("power.draw.instant [W], power.limit [W], enforced.power.limit [W]", 1.0),
    ],
)
def test_draw_counts_before_average_before_instant(tmp_path: Path, columns: str, expected_w: float) -> None:
    sink = read(tmp_path, f"timestamp, {columns}\n{stamp(0)}, 1.00, 2.00, 3.00\n")
    assert sink.powers() == [expected_w]


def test_absent_cell_is_rejected_and_no_other_column_steps_in(tmp_path: Path) -> None:
    rows = f"{stamp(0)}, [N/A], 50.00\n{stamp(1)}, 40.00, 50.00\n"
    sink = read(tmp_path, f"timestamp, power.draw [W], power.draw.instant [W]\n{rows}")
    assert sink.powers() == [None, 40.0]
    assert sink.rejects == [(2, "UNREADABLE_POWER")]


@pytest.mark.parametrize("cell", ["[N/A]", "[Not Supported]", "[Unknown Error]", "46 %", "nan", ""])
def test_unreadable_power_keeps_its_time(tmp_path: Path, cell: str) -> None:
    sink = read(tmp_path, f"{HEAD}{stamp(0)}, {cell}\n{stamp(1)}, 1.00\n")
    assert sink.samples[0] == (0, T0, None, None, 2)
    assert sink.rejects == [(2, "UNREADABLE_POWER")]


def test_interleaved_devices_are_told_apart_by_uuid_before_index(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, 0, GPU-{n}, NVIDIA A40, {100 + n}.00" for s in (0, 1) for n in (0, 1)]
    sink = read(tmp_path, "timestamp, index, uuid, name, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert [(s["device"], s["uuid"], s["name"]) for s in sink.all_series] == [
        ("GPU-0", "GPU-0", "NVIDIA A40"),
        ("GPU-1", "GPU-1", "NVIDIA A40"),
    ]
    assert sink.powers(0) == [100.0, 100.0]
    assert sink.powers(1) == [101.0, 101.0]


@pytest.mark.parametrize(("column", "cells"), [("index", ("0", "1")), ("pci.bus_id", ("0:3B", "0:5E"))])
def test_index_or_bus_tell_devices_apart_where_there_is_no_uuid(
    tmp_path: Path, column: str, cells: tuple[str, str]
) -> None:
    rows = [f"{stamp(s)}, {cell}, 10.00" for s in (0, 1) for cell in cells]
    sink = read(tmp_path, f"timestamp, {column}, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert len(sink.all_series) == 2
    assert all(s["component"] == "gpu" and s["uuid"] is None for s in sink.all_series)


def test_unreadable_uuid_falls_back_to_the_index_of_its_row(tmp_path: Path) -> None:
    rows = [f"{stamp(0)}, [N/A], {index}, 10.00" for index in (0, 1)]
    sink = read(tmp_path, "timestamp, uuid, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert [s["device"] for s in sink.all_series] == ["gpu0", "gpu1"]


def test_line_that_names_no_device_is_rejected(tmp_path: Path) -> None:
    sink = read(tmp_path, f"timestamp, uuid, power.draw [W]\n{stamp(0)}, [N/A], 10.00\n")
    assert sink.samples == []
    assert sink.rejects == [(2, "UNKNOWN_DEVICE")]


@pytest.mark.parametrize("named", ["gpu", "gpu_id", "device"])
def test_another_column_tells_devices_apart_where_the_index_is_the_same_for_all(tmp_path: Path, named: str) -> None:
    rows = [f"{stamp(s)}, {n}, 0, {100 + n}.00" for s in (0, 1, 2) for n in (0, 1)]
    sink = read(tmp_path, f"timestamp, {named}, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert [s["device"] for s in sink.all_series] == ["gpu0", "gpu1"]
    assert sink.powers(0) == [100.0] * 3
    assert sink.powers(1) == [101.0] * 3
    assert "DEVICES_NOT_TOLD_APART" not in sink.runs[0].flags


def test_a_load_in_percent_is_no_device(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, {load}, 0, 100.00" for s, load in ((0, 97), (1, 97), (2, 98))]
    sink = read(tmp_path, "timestamp, gpu, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert [s["device"] for s in sink.all_series] == ["gpu0"]


def test_devices_that_their_own_column_does_not_tell_apart_are_flagged(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, 0, 10.00" for s in range(4) for _ in range(2)]
    sink = read(tmp_path, "timestamp, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert "DEVICES_NOT_TOLD_APART" in sink.runs[0].flags


def test_one_device_that_is_read_faster_than_its_clock_ticks_is_not_flagged(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, 0, 10.00" for s, times in enumerate((3, 5, 4, 5, 2)) for _ in range(times)]
    sink = read(tmp_path, "timestamp, index, power.draw [W]\n" + "\n".join(rows) + "\n")
    assert "DEVICES_NOT_TOLD_APART" not in sink.runs[0].flags


@pytest.mark.parametrize(("end", "flags"), [("", ["ASSUMED_UTC"]), ("+08:00", []), ("Z", [])])
def test_times_that_say_their_zone_need_none(tmp_path: Path, end: str, flags: list[str]) -> None:
    log = write_log(tmp_path, f"timestamp,power.draw\n2026-01-01T08:00:00{end},10.0\n", zone_assumed=True)
    sink = FakeSink()
    READER.read(log, sink)
    assert sink.runs[0].flags == flags


def test_devices_without_a_column_that_tells_them_are_flagged(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, 10.00" for s in range(4) for _ in range(2)]
    assert "DEVICES_NOT_TOLD_APART" in read(tmp_path, HEAD + "\n".join(rows) + "\n").runs[0].flags
    single = [f"{stamp(s)}, 10.00" for s in range(4)]
    assert read(tmp_path, HEAD + "\n".join(single) + "\n").runs[0].flags == []


def test_log_without_header_is_read_by_its_one_column_of_watts(tmp_path: Path) -> None:
    rows = [f"{stamp(s)}, 0 %, 2 MiB, 27, 11.6{s} W" for s in range(3)]
    assert read(tmp_path, "\n".join(rows) + "\n").powers() == [11.60, 11.61, 11.62]


def test_two_columns_of_watts_without_header_are_not_guessed(tmp_path: Path) -> None:
    log = write_log(tmp_path, f"{stamp(0)}, 11.64 W, 300.00 W\n" * 3)
    assert not READER.recognises(log)
    with pytest.raises(Unreadable):
        READER.read(log, FakeSink())


def test_header_in_other_words_is_rejected_and_its_log_read(tmp_path: Path) -> None:
    sink = read(tmp_path, f"Zeitstempel, Leistung\n{stamp(0)}, 11.64 W\n{stamp(1)}, 11.65 W\n")
    assert sink.powers() == [11.64, 11.65]
    assert sink.rejects == [(1, "BAD_TIME")]


def test_log_without_power_is_a_run_with_times_and_one_reject(tmp_path: Path) -> None:
    rows = f"{stamp(0)}, 3 %, 10 MiB\n{stamp(9)}, 3 %, 10 MiB\n"
    sink = read(tmp_path, f"timestamp, utilization.gpu [%], memory.used [MiB]\n{rows}")
    assert len(sink.runs) == 1
    assert [(s[1], s[2]) for s in sink.samples] == [(T0, None), (T0 + 9_000_000, None)]
    assert sink.rejects == [(None, "NO_POWER_COLUMN")]


def test_log_without_times_is_a_run_with_one_reject(tmp_path: Path) -> None:
    sink = read(tmp_path, "index, power.draw [W]\n0, 46.19 W\n0, 46.19 W\n")
    assert len(sink.runs) == 1
    assert sink.samples == []
    assert sink.rejects == [(None, "NO_TIME_COLUMN")]


def test_header_in_the_middle_moves_the_columns(tmp_path: Path) -> None:
    other = f"power.draw [W], pstate, timestamp\n3.00 W, P0, {stamp(2)}\n"
    sink = read(tmp_path, f"{HEAD}{stamp(0)}, 1.00 W\n{HEAD}{stamp(1)}, 2.00 W\n{other}")
    assert sink.powers() == [1.0, 2.0, 3.0]
    assert sink.rejects == []


def test_same_cell_under_another_header_is_another_device(tmp_path: Path) -> None:
    text = "".join(
        f"timestamp, {column}, power.draw [W]\n{stamp(0)}, 7, 1.00 W\n" for column in ("index", "pci.bus_id")
    )
    assert len(read(tmp_path, text).all_series) == 2


def test_byte_order_mark_of_a_joined_file_is_no_part_of_the_header(tmp_path: Path) -> None:
    sink = read(tmp_path, f"{HEAD}{stamp(0)}, 1.00 W\n\ufeffpower.draw [W], timestamp\n2.00 W, {stamp(1)}\n")
    assert sink.powers() == [1.0, 2.0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8"])
def test_encodings_and_windows_line_ends(tmp_path: Path, encoding: str) -> None:
    text = f"{HEAD}{stamp(0)}, 46.19 W\n{stamp(1)}, 46.20 W\n".replace("\n", "\r\n")
    assert read(tmp_path, text, encoding).powers() == [46.19, 46.20]


@pytest.mark.parametrize("tail", ["2026/01/01 00:0", f"{stamp(2)}, 4", f"{stamp(2)}, 46.1", f"{stamp(2)}, 46.19"])
def test_last_line_that_was_cut_is_rejected(tmp_path: Path, tail: str) -> None:
    sink = read(tmp_path, f"{HEAD}{stamp(0)}, 46.19 W\n{stamp(1)}, 46.19 W\n{tail}")
    assert len(sink.samples) == 2
    assert sink.rejects == [(4, "CUT")]


@pytest.mark.parametrize("cell", ["146.19 W", "[N/A]"])
def test_whole_last_line_without_an_end_is_read(tmp_path: Path, cell: str) -> None:
    assert len(read(tmp_path, f"{HEAD}{stamp(0)}, 46.19 W\n{stamp(1)}, {cell}").samples) == 2
    assert len(read(tmp_path, f"{HEAD}{stamp(1)}, {cell}").samples) == 1


def test_bad_lines_are_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    sink = read(
        tmp_path,
        f"{HEAD}garbage\n\n2026/99/01 00:00:00.000, 1.00 W\n{stamp(0)}, 1.00 W, 2\n{stamp(1)}, 3.00 W\n",
    )
    assert sink.rejects == [(2, "CELL_COUNT"), (4, "BAD_TIME"), (5, "CELL_COUNT")]
    assert sink.powers() == [3.0]


def test_naive_times_are_in_the_zone_of_the_log_and_an_assumed_zone_is_flagged(tmp_path: Path) -> None:
    text = f"{HEAD}2026/07/01 12:00:00.000, 1.00\n"
    sinks = []
    for zone, assumed in ((ZoneInfo("Europe/Berlin"), False), (ZoneInfo("UTC"), True)):
        sinks.append(FakeSink())
        READER.read(write_log(tmp_path, text, timezone=zone, zone_assumed=assumed), sinks[-1])
    berlin, utc = sinks
    assert utc.samples[0][1] - berlin.samples[0][1] == 2 * 3_600_000_000  # summer time
    assert (berlin.runs[0].flags, utc.runs[0].flags) == ([], ["ASSUMED_UTC"])
    assert utc.samples[0][1] == Clock(ZoneInfo("UTC")).us("2026-07-01T12:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "timestamp,GPU0,GPU1\n1763638585.215,199.975,256.513\n",
        "Timestamp (s),Power (mW)\n0.00,5031.42\n",
        "timestamp,name,value\n2026/01/01 00:00:00.000,a,3\n",
        "2026/01/01 00:00:00.000, started\n2026/01/01 00:00:01.000, ended\n",
        '{"timestamp": 1, "power.draw": 3}\n',
        "\x00\x01\x02",
    ],
)
def test_other_logs_are_not_recognised(tmp_path: Path, text: str) -> None:
    assert not READER.recognises(write_log(tmp_path, text))
