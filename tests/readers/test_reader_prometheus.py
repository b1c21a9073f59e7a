"""Exports of Prometheus: what is true is written in each of its forms, and read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fake import FakeSink, write_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.readers.prom import samples
from green.readers.prometheus import READER

if TYPE_CHECKING:
    from pathlib import Path

START_S = 1_767_225_600
from_truth = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
RISES = st.lists(st.integers(0, 10**6), min_size=1, max_size=8)


def read(folder: Path, text: str) -> FakeSink:
    log, sink = write_log(folder, text), FakeSink()
    assert READER.recognises(log)
    READER.read(log, sink)
    return sink


def labels(pairs: dict[str, str]) -> str:
    return ",".join(f'{key}="{value}"' for key, value in pairs.items())


@from_truth
@given(st.lists(RISES, min_size=1, max_size=3), st.sampled_from(["text", "range", "export", "list"]))
def test_counters_come_back_from_every_form(tmp_path: Path, truth: list[list[int]], form: str) -> None:
    series = []
    for number, rises in enumerate(truth):
        total, points = 0, []
        for step, rise_j in enumerate([0, *rises]):
            total += rise_j
            points.append((START_S + step, total * 1000))
        name = {"__name__": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "UUID": f"GPU-{number}", "instance": "n:1"}
        series.append((name, points))
    if form == "text":
        lines = [
            f"{name['__name__']}{{{labels({k: v for k, v in name.items() if k[0] != '_'})}}} {value} {t * 1000}"
            for name, points in series
            for t, value in points
        ]
        text = "\n".join(lines) + "\n"
    elif form == "export":
        rows = [
            {"metric": name, "values": [v for _, v in points], "timestamps": [t * 1000 for t, _ in points]}
            for name, points in series
        ]
        text = "\n".join(map(json.dumps, rows))
    else:
        found = [{"metric": name, "values": [[t, str(v)] for t, v in points]} for name, points in series]
        data = {"status": "success", "data": {"resultType": "matrix", "result": found}}
        text = json.dumps(found, indent=1) if form == "list" else json.dumps(data)
    sink = read(tmp_path, text)
    assert sink.rejects == []
    for number, rises in enumerate(truth):
        counted = [energy_j for at, _, _, energy_j, _ in sink.samples if at == number and energy_j is not None]
        assert counted[-1] - counted[0] == pytest.approx(sum(rises), abs=1e-6)
        assert len(counted) == len(rises) + 1


@from_truth
@given(RISES)
def test_scrapes_without_times_say_how_far_a_counter_rose(tmp_path: Path, rises: list[int]) -> None:
    total, lines = 7, ['kepler_node_package_joules_total{instance="a",mode="idle"} 7']
    for rise_j in rises:
        total += rise_j
        lines.append(f'kepler_node_package_joules_total{{instance="a",mode="idle"}} {total}')
    sink = read(tmp_path, "\n".join(lines) + "\n")
    assert [float(energy) for _, _, energy, _ in sink.statements] == pytest.approx([sum(rises) / 3.6e6])
    assert sink.runs[0].flags == ["NO_TIMES"]


def test_labels_with_quotes_braces_and_commas_are_one_sample(tmp_path: Path) -> None:
    text = 'scaph_host_power_microwatts{cmdline="a \\"b\\", {c=\\"d\\"}"} 5e6 1767225600000 # {trace="x"} 1\n'
    (sample,) = samples(write_log(tmp_path, text))
    assert not isinstance(sample, tuple)
    assert (sample.value, sample.t_us) == (5e6, START_S * 1_000_000)


def test_a_model_of_kepler_is_no_meter(tmp_path: Path) -> None:
    line = 'kepler_node_package_joules_total{source="trained_power_model"}'
    sink = read(tmp_path, f"{line} 0 1767225600000\n{line} 5 1767225601000\n")
    assert sink.all_series[0]["method"] == "modelled"
    assert sink.runs[0].flags == ["MODELLED_SENSOR"]


def test_seconds_of_openmetrics_are_told_from_milliseconds(tmp_path: Path) -> None:
    line = 'kepler_node_cpu_watts{zone="package"} 5'
    text = f"{line} 1767225600.25\n{line} 1767225601\n# EOF\n"
    assert [t_us for _, t_us, *_ in read(tmp_path, text).samples] == [START_S * 10**6 + 250_000, (START_S + 1) * 10**6]
