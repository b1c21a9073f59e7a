"""What a meter says of its models: ends, flags, the place, and what is recorded beside the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_reader_native import FOOTER, GPU, T0, US, head, read, text_of

if TYPE_CHECKING:
    from pathlib import Path

CPU = {
    "id": "cpu",
    "kind": "cpu",
    "reads": "energy_j",
    "method": "modelled",
    "low_is": "cpu_low",
    "high_is": "cpu_high",
}
BESIDE = [{**CPU, "id": name, "is_ours": False} for name in ("cpu_low", "cpu_high")]
MEMORY = {"id": "dram", "kind": "dram", "reads": "power_w", "method": "modelled", "low_ratio": 0.5, "high_ratio": 2}
WHOLE = {"id": "gpu0_j", "kind": "gpu", "reads": "energy_j", "method": "counter", "is_ours": False}
SHARE = {**WHOLE, "id": "gpu0_share", "is_ours": True, "method": "modelled", "high_is": "gpu0_j", "low_ratio": 0}


def test_fixed_ends_are_told(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(MEMORY), {"t": T0, "dram": 3}, FOOTER))
    assert sink.all_bounds == {0: (0.5, 2.0)}


def test_ends_that_other_sensors_read_are_parts_of_the_whole_log(tmp_path: Path) -> None:
    readings = [
        {"t": T0, "cpu": 0, "cpu_low": 0, "cpu_high": 0},
        {"t": T0 + 1, "cpu": 10, "cpu_low": 0, "cpu_high": 40},
        {"t": T0 + 2, "cpu": 40, "cpu_low": 10, "cpu_high": 60},
    ]
    sink = read(tmp_path, text_of(head(CPU, *BESIDE), *readings, FOOTER))
    assert sink.all_bounds == {0: (0.25, 1.5)}
    assert [series["device"] for series in sink.all_series] == ["cpu"]
    assert sink.rejects == []


def test_a_share_is_bounded_by_the_whole_which_is_no_device_of_the_run(tmp_path: Path) -> None:
    readings = [{"t": T0 + n, "gpu0_j": 1e6 + 100 * n, "gpu0_share": 20 * n} for n in range(5)]
    sink = read(tmp_path, text_of(head(SHARE, WHOLE), *readings, FOOTER))
    assert sink.all_bounds == {0: (0.0, 5.0)}
    assert [(series, energy_j) for series, _, _, energy_j, _ in sink.samples] == [(0, 20.0 * n) for n in range(5)]


def test_a_whole_that_goes_round_its_end_is_followed(tmp_path: Path) -> None:
    whole = {**WHOLE, "wraps_at_j": 100.0}
    readings = [{"t": T0 + n, "gpu0_j": (90 + 5 * n) % 100, "gpu0_share": n} for n in range(5)]
    sink = read(tmp_path, text_of(head(SHARE, whole), *readings, FOOTER))
    assert sink.all_bounds == {0: (0.0, 5.0)}


def test_where_there_is_no_value_no_end_is_made_up(tmp_path: Path) -> None:
    readings = [{"t": T0 + n, "gpu0_j": 100 * n, "gpu0_share": 0} for n in range(3)]
    assert read(tmp_path, text_of(head(SHARE, WHOLE), *readings, FOOTER)).all_bounds == {}


@pytest.mark.parametrize(
    "change",
    [
        {"low_ratio": 1.5},
        {"high_ratio": 0.5},
        {"low_ratio": -1},
        {"low_ratio": None},
        {"high_is": 7, "high_ratio": "2"},
    ],
)
def test_ends_that_cannot_be_are_refused_and_the_sensor_is_read(tmp_path: Path, change: dict[str, Any]) -> None:
    sink = read(tmp_path, text_of(head({**MEMORY, **change}), {"t": T0, "dram": 3}, FOOTER))
    assert sink.all_bounds == {}
    assert sink.rejects == [(1, "BAD_SENSOR")]
    assert len(sink.samples) == 1


def test_a_sensor_that_is_not_ours_is_no_device_and_no_unknown_one(tmp_path: Path) -> None:
    sink = read(tmp_path, text_of(head(GPU, WHOLE), {"t": T0, "gpu0": 1, "gpu0_j": 7}, FOOTER))
    assert [series["device"] for series in sink.all_series] == ["gpu0"]
    assert (len(sink.samples), sink.rejects, sink.runs[0].flags) == (1, [], [])


def test_flags_of_the_header_are_flags_of_the_run(tmp_path: Path) -> None:
    flags = ["UNKNOWN_CPU", "no flag", 7, "X" * 50]
    sink = read(tmp_path, text_of(head(MEMORY, flags=flags), FOOTER))
    assert sink.runs[0].flags == ["UNKNOWN_CPU", "MODELLED_SENSOR"]
    assert read(tmp_path, text_of(head(GPU, flags="UNKNOWN_CPU"), FOOTER)).runs[0].flags == []


def test_the_place_is_a_fact_of_the_run_and_nothing_else_is(tmp_path: Path) -> None:
    facts = {
        "container": "docker",
        "slurm_job_id": "7",
        "cpu_share": 0.25,
        "cpus": True,
        "parameters": 1e9,
        "gpus": [1],
    }
    sink = read(tmp_path, text_of(head(GPU, facts=facts), FOOTER))
    assert sink.runs[0].facts == {"host": "node1", "container": "docker", "slurm_job_id": "7", "cpu_share": 0.25}


def test_the_moments_before_the_first_and_after_the_last_reading_are_the_meters_own(tmp_path: Path) -> None:
    readings = [{"t": T0 + 0.02, "gpu0": 1}, {"t": T0 + 59.95, "gpu0": 1}]
    found = read(tmp_path, text_of(head(GPU), *readings, FOOTER)).runs[0]
    assert (found.started_at_us, found.ended_at_us) == (T0 * US + 20_000, T0 * US + 59_950_000)
    late = [{"t": T0 + 0.2, "gpu0": 1}, {"t": T0 + 59.8, "gpu0": 1}]
    found = read(tmp_path, text_of(head(GPU), *late, FOOTER)).runs[0]
    assert (found.started_at_us, found.ended_at_us) == (T0 * US, (T0 + 60) * US)  # that long was not metered
