"""Logs that are regular are read by columns, many at once, and give what their reader gives line by line."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from green import bulk, ingest
from green.alike import Alike, Form, first_rows
from green.readers import Columns, Found, by_words, readers
from green.readers.nvidia_smi import READER, NvidiaSmi
from green.readers.parse import Clock, steady_us
from green.tables import INGEST, quote
from green.testing import conformance, mutated, opened
from tests.core.helper import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.readers import Log, Sink

READERS_HOME = Path(__file__).parent.parent / "readers"
BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
UUIDS = [f"GPU-{number:08x}-aaaa-bbbb-cccc-0123456789ab" for number in (10, 11, 500, 7)]
# What a cell of a column holds in a line, by the number of the device and a random number.
CELLS = {
    "index": lambda device, _: f"{device}",
    "uuid": lambda device, _: UUIDS[device],
    "pci.bus_id": lambda device, _: f"00000000:{device:02X}:00.0",
    "name": lambda device, _: ("NVIDIA A100-SXM4-80GB", "Tesla V100", "NVIDIA A100-SXM4-80GB", "[N/A]")[device],
    "utilization.gpu [%]": lambda _, dice: f"{dice.randrange(101)} %",
    "pstate": lambda _, dice: f"P{dice.randrange(9)}",
    "clocks_throttle_reasons.active": lambda _, dice: dice.choice(["Active", "Not Active", "[N/A]"]),
}
ODD_LINES = (
    "",
    "  ",
    "timestamp, index, name, power.draw [W]",
    "2026/02/30 08:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 24:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/3/01 08:00:000.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 08:00:60.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "1999/03/01 08:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2100/01/01 00:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "0000/03/01 08:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W, 1",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 9 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB,9 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 9. W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, .5 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, . W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 10 .5 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB,  W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 1e5 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, nan W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, -5.00 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 1000000.01 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, " + "9" * 400 + " W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, " + "0" * 3_000 + "9.25 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 0.1000000000000000055511151231257827 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 123456.78901234567890123 W",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100250 mW",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 0.1 kW",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25",
    "2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, [N/A]",
    '2026/03/01 09:00:00.000, 0, NVIDIA "A100", 100.25 W',
    "2026/03/01 09:00:00.000, 0, NVIDIA A100\t, 100.25 W",
    "2026/03/01 09:00:00.000, 0, NVIDIÄ, 100.25 W",
    "2026/03/01 09:00:00.000, 0 , NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000,0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000, , NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000, N/A, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000, 3, NVIDIA A100-SXM4-80GB, 100.25 W",
    " 2026/03/01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026-03-01 09:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000 UTC, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 09:00:00.000000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
    "2026/03/01 07:00:00.000, 0, NVIDIA A100-SXM4-80GB, 100.25 W",
)  # fmt: skip
LINES = [f"2026/03/01 08:00:{second:02d}.000, 0, NVIDIA A100-SXM4-80GB, {100 + second}.25 W" for second in range(20)]
HEADER = "timestamp, index, name, power.draw [W]"


def text(lines: list[str], header: str = HEADER, end: str = "\n") -> bytes:
    return "".join(f"{line}{end}" for line in [header, *lines]).encode()


def written(dice: random.Random) -> bytes:
    """Write a log as nvidia-smi may have written it, whole or damaged."""
    others = dice.sample(list(CELLS), dice.randrange(5))
    columns = ["timestamp", *others, dice.choice(["power.draw [W]", "power.draw", "power.draw.instant [W]"])]
    if dice.random() < 0.2:
        dice.shuffle(columns)
    unit = dice.choice([" W", " W", " W", "", " mW"])
    devices = dice.choice([1, 1, 2, 4]) if set(others) & {"index", "uuid", "pci.bus_id"} else 1
    at = BEGIN + timedelta(milliseconds=dice.randrange(10**9))
    lines = []
    for _ in range(dice.randrange(30)):
        at += timedelta(milliseconds=dice.choice([0, 1, 999, 1000, 1000, 1000, 1007, 60_000, 4_000_000]))
        for device in range(devices):
            cells = {"timestamp": f"{at:%Y/%m/%d %H:%M:%S}.{at.microsecond // 1000:03d}"}
            cells |= {name: CELLS[name](device, dice) for name in others}
            cells[next(name for name in columns if name.startswith("power"))] = (
                f"{dice.randrange(0, 50_000) / 100}{unit}"
            )
            lines.append(", ".join(cells[name] for name in columns))
    kind = dice.random()
    if kind < 0.1 and lines:
        lines.insert(dice.randrange(len(lines)), dice.choice(ODD_LINES))
    elif kind < 0.2:
        dice.shuffle(lines)
    elif kind < 0.25 and lines:
        lines.pop(dice.randrange(len(lines)))
    log = text(lines, ", ".join(columns), "\r\n" if dice.random() < 0.05 else "\n")
    if kind > 0.9:
        log = mutated(log, 1, dice.randrange(10**6))[0]
    return log if kind < 0.85 else log[: dice.randrange(len(log) + 1)]


LOGS = st.randoms(use_true_random=False).map(written)


def tables(work: Work, *, by_columns: bool) -> dict[str, list[Any]]:
    """Return the rows of all tables of a shard, in the order of the files."""
    out = work.folder / f"out-{by_columns}"
    ingest.ingest(work.config, work.scan(), settings="1", out=out, cache=out / "cache", by_columns=by_columns)
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        return {
            table: con.execute(f"FROM read_parquet({quote(out / f'{table}.parquet')})").fetchall() for table in INGEST
        }


@pytest.fixture
def by_columns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Name every log that was read by columns."""
    names: list[str] = []
    settle = bulk.Bulk.settle

    def spy(self: bulk.Bulk) -> dict[str, bulk.Taken]:
        found = settle(self)
        names.extend(found)
        return found

    monkeypatch.setattr(bulk.Bulk, "settle", spy)
    return names


ZONES = st.sampled_from(["", "timezone: UTC", "timezone: Europe/Berlin", "timezone: Asia/Kolkata"])


@settings(max_examples=60, deadline=None)
@given(st.lists(LOGS, min_size=3, max_size=8), st.lists(LOGS, max_size=3), ZONES)
def test_logs_read_by_columns_give_what_their_reader_gives(
    tmp_path_factory: pytest.TempPathFactory, alone: list[bytes], together: list[bytes], zone: str
) -> None:
    work = Work(tmp_path_factory.mktemp("columns"))
    for number, log in enumerate(alone):
        work.put(f"{number}.csv", log)
    for number, log in enumerate(together):
        work.put(f"run/{number}.csv", log)
        work.put("run/run.yaml", f"site: {{region: DE, {zone}}}\n" if zone else "site: {region: DE}\n")
    assert tables(work, by_columns=True) == tables(work, by_columns=False)


def test_regular_logs_are_read_by_columns(tmp_path: Path, by_columns: list[str]) -> None:
    work = Work(tmp_path)
    work.put("one.csv", text(LINES))
    work.put("two.csv", text([line for one in LINES for line in (one, one.replace(" 0,", " 1,"))]))
    work.put("no-unit.csv", text([line.removesuffix(" W") for line in LINES]))
    work.put(
        "no-device.csv",
        text([line.replace(" 0, NVIDIA A100-SXM4-80GB,", "") for line in LINES], "timestamp, power.draw"),
    )
    work.put("time-last.csv", text([f"{line[-8:]}, {line[:23]}" for line in LINES], "power.draw [W], timestamp"))
    work.put("windows.csv", text(LINES, end="\r\n"))
    work.put("cut.csv", text(LINES)[:-4])
    work.put("empty.csv", text([]))
    assert tables(work, by_columns=True) == tables(work, by_columns=False)
    assert by_columns == ["no-device.csv", "no-unit.csv", "one.csv", "time-last.csv", "two.csv", "windows.csv"]


@pytest.mark.parametrize("odd", ODD_LINES)
def test_an_odd_line_leaves_its_log_to_the_reader_and_no_other(tmp_path: Path, by_columns: list[str], odd: str) -> None:
    work = Work(tmp_path)
    for number in (0, 10, 19):
        work.put(f"odd-{number}.csv", text([*LINES[:number], odd, *LINES[number:]]))
        work.put(f"odd-{number}-good.csv", text(LINES))
    assert tables(work, by_columns=True) == tables(work, by_columns=False)
    assert {name for name in by_columns if "good" in name} == {f"odd-{number}-good.csv" for number in (0, 10, 19)}


def test_one_bad_log_of_thirteen_kinds_changes_its_own_rows_only(tmp_path: Path, by_columns: list[str]) -> None:
    bad = {
        "empty": b"",
        "header-only": text([]),
        "missing-column": text([line[:-10] for line in LINES], "timestamp, index, name"),
        "truncated": text(LINES)[:-30],
        "binary": bytes(range(256)) * 8,
        "bad-utf8": text(LINES).replace(b"NVIDIA", b"\xff\xfe\xc3"),
        "semicolons": text(LINES).replace(b",", b";"),
        "absent": text([LINES[0].replace("100.25 W", "[N/A]"), *LINES[1:]]),
        "quoted": text([line.replace("NVIDIA A100-SXM4-80GB", '"A, B"') for line in LINES]),
        "no-header": text(LINES[1:], LINES[0]),
        "shuffled": text(LINES[::-1]),
        "mixed-ends": text(LINES[:9]) + b"\r".join(line.encode() for line in LINES[9:]) + b"\r\n",
        "huge": text([*LINES, "9" * 100_000]),
    }
    good = Work(tmp_path / "good")
    mixed = Work(tmp_path / "mixed")
    for number in range(13):
        for work in (good, mixed):
            work.put(f"good-{number}.csv", text(LINES[: number + 2]))
    for name, log in bad.items():
        mixed.put(f"{name}.csv", log)
    found = tables(mixed, by_columns=True)
    assert found == tables(mixed, by_columns=False)
    assert sorted(by_columns) == sorted(f"good-{number}.csv" for number in range(13))
    expected = tables(good, by_columns=True)
    for table in ("run", "device", "samples", "inputs"):
        own = [row for row in found[table] if any(str(cell).startswith("good-") for cell in row)]
        assert own == expected[table], table
    assert {row[1] for row in found["rejects"]} <= {f"{name}.csv" for name in bad}


def test_a_large_log_is_read_in_blocks(tmp_path: Path, by_columns: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("green.alike.BLOCK", 70_000)
    monkeypatch.setattr("green.bulk.TEXT", 90_000)
    work, dice = Work(tmp_path), random.Random(3)  # noqa: S311 -- the same log each time
    for devices in (1, 3):
        lines = []
        for second in range(3_000):
            at = BEGIN + timedelta(milliseconds=second * 1000 + dice.randrange(300))
            for device in range(devices):
                cell = f"{at:%Y/%m/%d %H:%M:%S}.{at.microsecond // 1000:03d}"
                lines.append(f"{cell}, {UUIDS[device]}, {dice.randrange(40_000) / 100:.2f} W")
        header = "timestamp, uuid, power.draw [W]"
        work.put(f"{devices}.csv", text(lines, header))
        work.put(f"{devices}-turned.csv", text([*lines[:-1], lines[-2]], header))
        work.put(f"{devices}-back.csv", text([*lines[2000:], *lines[:2000]], header))
        work.put(f"{devices}-odd.csv", text([*lines, "odd"], header))
    assert tables(work, by_columns=True) == tables(work, by_columns=False)
    assert {"1.csv", "3.csv"} <= set(by_columns)
    assert not {name for name in by_columns if "back" in name or "odd" in name}


def test_a_log_in_a_zone_is_read_by_columns_unless_its_clock_is_set(tmp_path: Path, by_columns: list[str]) -> None:
    work = Work(tmp_path)
    for name, day in (("summer", "07/01 02"), ("autumn", "10/25 02"), ("spring", "03/29 02"), ("before", "10/25 01")):
        work.put(f"{name}/gpu.csv", text([line.replace("03/01 08", day) for line in LINES]))
        work.put(f"{name}/run.yaml", "site: {region: DE, timezone: Europe/Berlin}\n")
    found = tables(work, by_columns=True)
    assert found == tables(work, by_columns=False)
    assert by_columns == ["summer/gpu.csv"]
    assert found["samples"][-1][2] == datetime(2026, 7, 1, 0, 0, 19, tzinfo=UTC)


def test_logs_of_one_device_share_their_intervals(tmp_path: Path, by_columns: list[str]) -> None:
    work = Work(tmp_path)
    header = "timestamp, uuid, power.draw [W]"
    own = [line.replace(" 0, NVIDIA A100-SXM4-80GB,", f" {UUIDS[0]},") for line in LINES]
    for name, second in (("two", own[10::2]), ("disorder", [*own[10::2], own[9]]), ("doubled", own[:10])):
        work.put(f"{name}/a.csv", text(own[:10], header))
        work.put(f"{name}/b.csv", text(second, header))
        work.put(f"{name}/run.yaml", "site: {region: DE}\n")
    assert tables(work, by_columns=True) == tables(work, by_columns=False)
    assert by_columns == ["disorder/a.csv", "doubled/a.csv", "doubled/b.csv", "two/a.csv", "two/b.csv"]


def test_a_log_that_the_configuration_maps_is_left_to_its_mapping(tmp_path: Path, by_columns: list[str]) -> None:
    column = {"column": " power.draw [W]", "unit": "W"}
    mapping = {"name": "own", "match": "own*.csv", "time": {"column": "timestamp"}, "columns": [column]}
    work = Work(tmp_path, {"readers": [mapping]})
    work.put("own.csv", text(LINES))
    work.put("other.csv", text(LINES))
    found = tables(work, by_columns=True)
    assert found == tables(work, by_columns=False)
    assert by_columns == ["other.csv"]


COLUMNS = Columns(4, 0, 3, 1)


@pytest.mark.parametrize(
    ("lines", "form"),
    [
        ("2026/01/01 00:00:00.000, 0, A, 1.0 W\n" * 3, (3, Form(is_spaced=False, has_unit=True))),
        (
            "2026/01/01 00:00:00.000, 0, A, 1.0\n2026/01/01 00:00:00.000, 0, B, 1\n",
            (2, Form(is_spaced=False, has_unit=False)),
        ),
        ("2026/01/01 00:00:00.000, 0, A, 1.0\n2026/01/01 00:00:00.000, 0, B, 1 W\n", None),
        ("2026/01/01 00:00:00.000, 0, A, 1.0 W\n\n", None),
        ("\n2026/01/01 00:00:00.000, 0, A, 1.0 W\n", None),
        ("2026/01/01 00:00:00.000, 0, A, 1.0 W", None),
        ("2026/01/01 00:00:00.000, 0, A, 1.0 W\n2026", None),
        ("2026/01/01 00:00:00.000, [0], A, 1.0 W\n", None),
        ("2026/01/01 00:00:00.000, 0, A\r, 1.0 W\n", None),
        ('2026/01/01 00:00:00.000, 0, "A", 1.0 W\n', None),
        ("", None),
    ],
)
def test_lines_are_alike_where_each_is_a_reading_of_one_form(lines: str, form: tuple[int, Form] | None) -> None:
    part = Alike().look(COLUMNS, lines.encode())
    assert (part and (part.lines, part.form)) == form


def test_the_first_lines_of_a_log_name_its_devices() -> None:
    lines = b"t, 0, A, 1\nt, 1, B, 2\nt, 0, A, 3\n"
    assert first_rows(COLUMNS, lines) == [b"t, 0, A, 1", b"t, 1, B, 2"]
    assert first_rows(Columns(4, 0, 3, None), lines) == [b"t, 0, A, 1"]
    assert first_rows(COLUMNS, b"t, 0, A, 1\n") == [b"t, 0, A, 1"]


def test_only_headers_with_a_time_and_watts_have_columns() -> None:
    assert READER.columns(HEADER) == Columns(4, 0, 3, 1)
    assert READER.columns("timestamp, uuid, index, power.draw [W]") == Columns(4, 0, 3, 1)
    assert READER.columns("timestamp, power.draw") == Columns(2, 0, 1, None)
    for header in ("timestamp, power.draw [mW]", "power.draw [W]", "timestamp, utilization.gpu [%]", "a, b", ""):
        assert READER.columns(header) is None


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    st.integers(946_684_800, 2_000_000_000),
    st.integers(0, 40 * 86_400),
)
def test_a_steady_zone_gives_the_times_that_the_clock_gives(name: str, first_s: int, length_s: int) -> None:
    zone = ZoneInfo(name)
    first_us, last_us = first_s * 1_000_000, (first_s + length_s) * 1_000_000
    ahead_us = steady_us(zone, first_us, last_us)
    if ahead_us is not None:
        clock = Clock(zone)
        for at_us in (first_us, (first_us + last_us) // 2 // 1_000_000 * 1_000_000, last_us):
            cell = datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y/%m/%d %H:%M:%S.000")
            assert clock.us(cell) == at_us + ahead_us


def test_a_zone_whose_clock_is_set_is_not_steady() -> None:
    zone, hour_us = ZoneInfo("Europe/Berlin"), 3_600_000_000
    noon_us = int(datetime(2026, 10, 24, 12, tzinfo=UTC).timestamp()) * 1_000_000
    assert steady_us(zone, noon_us, noon_us + hour_us) == -2 * hour_us
    assert steady_us(zone, noon_us, noon_us + 24 * hour_us) is None
    assert steady_us(zone, noon_us, noon_us + 2 * 365 * 24 * hour_us) is None
    assert steady_us(UTC, noon_us, noon_us + 2 * 365 * 24 * hour_us) == 0


class Renaming(NvidiaSmi):
    """A reader whose columns give another device than its lines."""

    def begin(self, log: Log, sink: Sink, rows: Sequence[list[str]]) -> list[int | None]:
        run = sink.run(Found(line=1, flags=["ASSUMED_UTC"] if log.zone_assumed else []))
        return [sink.series(run, f"card{number}", "gpu") for number, _ in enumerate(rows)]


def test_a_reader_whose_columns_say_another_thing_than_its_lines_does_not_conform(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_bytes(text(LINES))
    (tmp_path / "expect.csv").write_text("file,run,energy_kwh,method,reasons\none.csv,,0.00057895833333,sampled,\n")
    assert not any("line by line" in wrong for wrong in conformance(READER, tmp_path, mutations=3))
    assert "device: other rows by columns than line by line" in conformance(Renaming(), tmp_path, mutations=3)


SAMPLES = sorted(path for path in READERS_HOME.glob("*/*") if path.is_file() and path.suffix != ".py")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_readers_that_recognise_by_words_mind_neither_digits_nor_how_many_lines(path: Path) -> None:
    log = opened(path, path.name)
    first, end, rest = log.head.partition("\n")
    other = rest.translate(str.maketrans("0123456789", "8901234567"))
    for reader in filter(by_words, readers()):
        known = reader.recognises(log)
        assert reader.recognises(replace(log, head=first + end + other, is_whole=True)) == known, reader.name
        assert reader.recognises(replace(log, head=first + end + rest + rest, is_whole=True)) == known, reader.name
