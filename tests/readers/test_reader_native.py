"""What the reader of the native power log makes of whole, cut and foreign logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fake import FakeSink, write_log

from green.readers import Unreadable
from green.readers.native import READER
from green.reasons import reason as known_reason

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_767_225_600  # 2026-01-01T00:00:00Z
US = 1_000_000
GPU = {
    "id": "gpu0",
    "kind": "gpu",
    "name": "NVIDIA A40",
    "uuid": "GPU-1",
    "reads": "power_w",
    "method": "sampled",
}
CPU = {"id": "pkg0", "kind": "cpu", "reads": "energy_j", "wraps_at_j": 262143.3, "method": "counter"}
FOOTER = {"ended_at": "2026-01-01T00:01:00Z", "status": "completed", "exit_code": 0}


def head(*sensors: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "format": "green/1",
        "run_id": "bert-7",
        "host": "node1",
        "started_at": "2026-01-01T00:00:00Z",
        "clock": "utc",
        "sensors": list(sensors) or [GPU, CPU],
        **more,
    }


def text_of(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def read(folder: Path, text: str) -> FakeSink:
    log = write_log(folder, text, zone_assumed=True)
    assert READER.recognises(log)
    sink = FakeSink()
    READER.read(log, sink)
    return sink


def test_whole_log_is_read(tmp_path: Path) -> None:
    readings = [{"t": T0 + 0.5, "gpu0": 300.5, "pkg0": 10}, {"t": T0 + 1.5, "gpu0": None, "pkg0": 60.25}]
    sink = read(tmp_path, text_of(head(), *readings, FOOTER))
    assert sink.samples == [
        (0, T0 * US + 500_000, 300.5, None, 2),
        (1, T0 * US + 500_000, None, 10.0, 2),
        (0, T0 * US + 1_500_000, None, None, 3),
        (1, T0 * US + 1_500_000, None, 60.25, 3),
    ]
    found = sink.runs[0]
    assert (found.own_id, found.status, found.flags) == ("bert-7", "completed", [])
    assert (found.started_at_us, found.ended_at_us) == (T0 * US, (T0 + 60) * US)
    assert sink.rejects == []


def test_series_carry_what_the_header_says_of_sensors(tmp_path: Path) -> None:
    first, second = read(tmp_path, text_of(head(), FOOTER)).all_series
    assert (first["device"], first["component"], first["name"], first["uuid"]) == (
        "gpu0",
        "gpu",
        "NVIDIA A40",
        "GPU-1",
    )
    assert (second["device"], second["component"], second["wraps_at_j"]) == ("pkg0", "cpu", 262143.3)


@pytest.mark.parametrize(
    ("kind", "component"),
    [("gpu", "gpu"), ("cpu", "cpu"), ("dram", "memory"), ("storage", "rest"), ("host", "host")],
)
def test_kind_of_sensor_is_its_component(tmp_path: Path, kind: str, component: str) -> None:
    sink = read(tmp_path, text_of(head({"id": "a", "kind": kind, "reads": "power_w"})))
    assert [series["component"] for series in sink.all_series] == [component]


@pytest.mark.parametrize("order", [1, -1])
def test_power_and_counter_of_one_uuid_are_one_device(tmp_path: Path, order: int) -> None:
    counter = {**GPU, "id": "gpu0_j", "reads": "energy_j", "wraps_at_j": 1000}
    sink = read(tmp_path, text_of(head(*[GPU, counter][::order]), {"t": T0, "gpu0": 300, "gpu0_j": 5}))
    assert sink.samples == [(0, T0 * US, 300.0, 5.0, 2)]
    assert [series["wraps_at_j"] for series in sink.all_series] == [1000.0]


def test_two_power_sensors_of_one_uuid_stay_apart(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(GPU, {**GPU, "id": "mig1"}), {"t": T0, "gpu0": 1, "mig1": 2}))
    assert [(s[0], s[2]) for s in sink.samples] == [(0, 1.0), (1, 2.0)]


def test_sensor_that_is_not_in_a_line_was_not_asked(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(), {"t": T0, "gpu0": 1}, {"t": T0 + 1, "pkg0": 2}))
    assert [s[0] for s in sink.samples] == [0, 1]


def test_half_a_last_line_is_cut_and_the_run_was_killed(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(), {"t": T0, "gpu0": 1}) + '{"t": 17672')
    assert sink.rejects == [(3, "CUT")]
    assert len(sink.samples) == 1
    found = sink.runs[0]
    assert (found.status, found.flags, found.ended_at_us) == ("killed", ["NO_FOOTER"], None)


def test_bad_line_in_the_middle_is_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    sink = read(
        tmp_path,
        text_of(head()) + "\0\0\0\n[1]\n" + "[" * 100_000 + "\n\n" + text_of({"t": T0, "gpu0": 1}, FOOTER),
    )
    assert sink.rejects == [(2, "BAD_LINE"), (3, "BAD_LINE"), (4, "BAD_LINE")]
    assert len(sink.samples) == 1


@pytest.mark.parametrize(
    ("footer", "status"),
    [
        ({"ended_at": T0}, None),
        ({"ended_at": T0, "exit_code": 0}, "completed"),
        ({"ended_at": T0, "exit_code": 1}, "failed"),
        ({"ended_at": T0, "status": "failed", "exit_code": 0}, "failed"),
        ({"ended_at": T0, "status": ["odd"], "exit_code": [1]}, None),
    ],
)
def test_footer_says_how_the_run_ended(tmp_path: Path, footer: dict[str, Any], status: str | None) -> None:
    found = read(tmp_path, text_of(head(), footer)).runs[0]
    assert (found.status, found.ended_at_us, found.flags) == (status, T0 * US, [])


def test_counts_are_increments(tmp_path: Path) -> None:
    events = [
        {"t": T0, "event": "count", "tokens": 100, "images": 1},
        {"t": T0 + 1, "event": "epoch", "number": 7},
        {"t": T0 + 2, "event": "note", "text": 'says "ended_at"'},
        {"t": T0 + 3, "event": "count", "tokens": 50},
        {"t": T0 + 4, "event": "count", "tokens": "many"},
    ]
    sink = read(tmp_path, text_of(head(), *events, FOOTER))
    assert sink.runs[0].units == {"tokens": 150.0, "images": 1.0}
    assert sink.rejects == [(6, "BAD_COUNT")]
    assert sink.samples == []


def test_values_that_are_no_numbers_are_rejected(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(), {"t": T0, "gpu0": "300", "pkg0": True}))
    assert [(s[2], s[3]) for s in sink.samples] == [(None, None), (None, None)]
    assert sink.rejects == [(2, "BAD_VALUE"), (2, "BAD_VALUE")]


@pytest.mark.parametrize("t", ["soon", None, True, float("nan"), 1e300, 10**400])
def test_reading_without_a_time_is_rejected(tmp_path: Path, t: object) -> None:
    sink = read(tmp_path, text_of(head(), {"t": t, "gpu0": 1}, {"gpu0": 1}, FOOTER))
    assert sink.samples == []
    assert sink.rejects == [(2, "BAD_TIME"), (3, "BAD_TIME")]


def test_unknown_sensor_is_said_once(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(), {"t": T0, "gpu0": 1, "x": 1}, {"t": T0 + 1, "gpu0": 1, "x": 1}))
    assert sink.rejects == [(2, "UNKNOWN_SENSOR")]
    assert len(sink.samples) == 2


@pytest.mark.parametrize(
    "change",
    [{"id": "t"}, {"id": None}, {"kind": "psys"}, {"kind": ["gpu"]}, {"reads": "volts"}, {"id": "pkg0"}],
)
def test_sensor_that_cannot_be_used_is_rejected(tmp_path: Path, change: dict[str, Any]) -> None:
    sink = read(tmp_path, text_of(head(CPU, {**GPU, **change}), FOOTER))
    assert [series["device"] for series in sink.all_series] == ["pkg0"]
    assert sink.rejects == [(1, "BAD_SENSOR")]


def test_modelled_sensor_is_flagged(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head({**CPU, "method": "modelled"}), FOOTER))
    assert sink.runs[0].flags == ["MODELLED_SENSOR"]


def test_second_header_is_rejected_and_reading_goes_on(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(), {"t": T0, "gpu0": 1}, head(), {"t": T0 + 9, "gpu0": 1}, FOOTER))
    assert sink.rejects == [(3, "SECOND_HEADER")]
    assert len(sink.samples) == 2


def test_later_minor_format_is_read(tmp_path: Path) -> None:
    assert len(read(tmp_path, text_of(head(format="green/1.7"), {"t": T0, "gpu0": 1})).samples) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (text_of(head(format="green/2")), "UNSUPPORTED_FORMAT"),
        (text_of(head(format="green/10")), "UNSUPPORTED_FORMAT"),
        (text_of(head(clock="monotonic")), "CLOCK_NOT_UTC"),
        (text_of(head())[:60], "CUT_HEADER"),
    ],
)
def test_log_that_cannot_be_used_says_why(tmp_path: Path, text: str, reason: str) -> None:
    log = write_log(tmp_path, text)
    assert READER.recognises(log)
    with pytest.raises(Unreadable, match=reason):
        READER.read(log, FakeSink())


@pytest.mark.parametrize("text", ["", "{", '{"format": "other/1"}\n', '{"t": 1, "gpu0": 3}\n', "format: green/1\n"])
def test_other_logs_are_not_recognised(tmp_path: Path, text: str) -> None:
    assert not READER.recognises(write_log(tmp_path, text))


def test_device_that_is_not_of_the_run_is_known_and_not_counted(tmp_path: Path) -> None:
    other = {**GPU, "id": "gpu1", "uuid": "GPU-2", "is_ours": False, "method": "a model"}
    sink = read(tmp_path, text_of(head(GPU, other), {"t": T0, "gpu0": 1, "gpu1": 2}, FOOTER))
    assert [series["uuid"] for series in sink.all_series] == ["GPU-1"]
    assert (sink.powers(), sink.rejects, sink.runs[0].flags) == ([1.0], [], [])


def test_time_in_a_phase_is_that_in_which_any_rank_was_in_it(tmp_path: Path) -> None:
    edges = [(0, "begin", "train"), (1, "begin", "train"), (4, "end", "train"), (6, "end", "train")]
    edges += [(7, "end", "train"), (10, "begin", "eval"), (20, "begin", "train"), (30, "end", "train")]
    events = [{"t": T0 + t, "event": "phase", "edge": edge, "name": name} for t, edge, name in edges]
    epochs = [{"t": T0, "event": "epoch", "number": n} for n in (1, 3, 2)]
    facts = read(tmp_path, text_of(head(), *events, *epochs, FOOTER)).runs[0].facts
    assert facts == {"host": "node1", "epochs": 3.0, "phase_s.train": 16.0, "phase_s.eval": 50.0}
    cut = read(tmp_path, text_of(head(), *events)).runs[0].facts
    assert cut == {"host": "node1", "phase_s.train": 16.0}  # nobody knows when the last phase ended


@pytest.mark.parametrize(("reason", "flag"), [("budget", "STOPPED_BY_BUDGET"), ("meter_stopped", "METER_STOPPED")])
def test_reason_of_the_footer_is_a_flag_that_is_explained(tmp_path: Path, reason: str, flag: str) -> None:
    found = read(tmp_path, text_of(head(), {**FOOTER, "status": "killed", "reason": reason})).runs[0]
    assert (found.status, found.flags) == ("killed", [flag])
    assert known_reason(flag).mend


def test_bytes_of_the_disks_are_facts_as_they_were_noted_last(tmp_path: Path) -> None:
    notes = [
        {"t": T0, "event": "note", "note": "storage", "read_b": n, "written_b": 2 * n, "busy_s": 1.5} for n in (1, 3)
    ]
    facts = read(tmp_path, text_of(head(), *notes, FOOTER)).runs[0].facts
    assert (facts["storage_read_b"], facts["storage_written_b"]) == (3, 6)
    odd = {"t": T0, "event": "note", "note": "storage", "read_b": "much", "written_b": None}
    assert not {"storage_read_b", "storage_written_b"} & set(read(tmp_path, text_of(head(), odd)).runs[0].facts)
