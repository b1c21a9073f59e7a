"""Tables of schedulers and workflows: what is true is written as the tool writes it, and read back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from fake import FakeSink, write_log
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from green.readers.mlperf import SPL
from green.readers.nextflow import READER as NEXTFLOW
from green.readers.nfco2 import READER as FOOTPRINT
from green.readers.nodes import names, shared
from green.readers.quantity import clock_s, energy_kwh, joules, size_b, spoken_s
from green.readers.slurm import READER as SLURM
from green.readers.snakemake import READER as SNAKEMAKE

if TYPE_CHECKING:
    from pathlib import Path

    from green.readers import Reader

from_truth = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(reader: Reader, folder: Path, text: str) -> FakeSink:
    log, sink = write_log(folder, text), FakeSink()
    assert reader.recognises(log)
    reader.read(log, sink)
    return sink


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1d 2h 3m 4.5s", "93784.5"), ("374ms", "0.374"), ("3s 1000ms", "4"), ("1500", "1.5"), ("-", None), ("", None),
     ("5 parsecs", None), ("9" * 10_000, None), ("1 day 1s", "86401")],
)  # fmt: skip
def test_spoken_durations(text: str, seconds: str | None) -> None:
    assert spoken_s(text) == (None if seconds is None else Decimal(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1-02:03:04", "93784"), ("00:15.057", "15.057"), ("04:00:25", "14425"), ("Unknown", None), ("1-2", None)],
)
def test_clock_durations(text: str, seconds: str | None) -> None:
    assert clock_s(text) == (None if seconds is None else Decimal(seconds))


def test_units_are_read_and_none_is_guessed() -> None:
    assert energy_kwh("17.85 mWh") == Decimal("0.00001785")
    assert energy_kwh("3.6 MJ") == 1
    assert (energy_kwh("12"), energy_kwh("12 W"), energy_kwh("1.2.3 Wh")) == (None, None, None)
    assert (size_b("7.4 KB"), size_b("6760Mc"), size_b("250Gn")) == (Decimal("7577.6"), 6760 * 2**20, 250 * 2**30)
    assert (joules("54156"), joules("1.23K"), joules("2M"), joules("x")) == (54156, 1230, 2_000_000, None)


def test_nodes_of_a_list_and_who_shares_them() -> None:
    assert names("gpu[01-03,7],cpu1") == ["gpu01", "gpu02", "gpu03", "gpu7", "cpu1"]
    assert names("n[1-999999999]") == ["n[1-999999999]"]
    jobs = {
        "a": ("n[1-2]", "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
        "b": ("n2", "2026-01-01T00:59:59", "Unknown"),
        "c": ("n1", "2026-01-01T01:00:00", "2026-01-01T02:00:00"),
        "d": ("n3", "Unknown", "Unknown"),
    }
    assert shared(jobs) == {"a", "b"}


@from_truth
@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**6)), min_size=1, max_size=6))
def test_jobs_of_slurm_come_back(tmp_path: Path, truth: list[tuple[int, int]]) -> None:
    lines = ["JobID|State|ElapsedRaw|ConsumedEnergyRaw"]
    for number, (energy_j, elapsed_s) in enumerate(truth, 1):
        lines.append(f"{number}|COMPLETED|{elapsed_s}|{energy_j}")
        lines.append(f"{number}.batch|COMPLETED|{elapsed_s}|{energy_j}")  # never added
    sink = read(SLURM, tmp_path, "\n".join(lines) + "\n")
    found_j = [Decimal(str(energy)) * 3_600_000 for _, _, energy, _ in sink.statements]
    assert all(abs(f - j) < Decimal("1e-9") * j for f, (j, _) in zip(found_j, truth, strict=True))
    assert [found.duration_s for found in sink.runs] == [elapsed for _, elapsed in truth]


def test_a_job_that_runs_on_and_the_name_of_its_gpus(tmp_path: Path) -> None:
    row = "1|RUNNING|2026-01-01T00:00:00|Unknown|gres/gpu:h100=4,gres/gpu=4|5|proj"
    sink = read(SLURM, tmp_path, f"JobID|State|Start|End|AllocTRES|ConsumedEnergyRaw|Account\n{row}\n")
    assert (sink.runs[0].status, sink.runs[0].project, sink.runs[0].ended_at_us) == (None, "proj", None)
    assert "STILL_RUNNING" in sink.runs[0].flags
    assert sink.devices == [(0, "gpu-0", "gpu", "h100", 4.0)]


TASK = st.tuples(
    st.sampled_from(["COMPLETED", "FAILED", "ABORTED", "CACHED"]),
    st.integers(1, 10**8),
    st.integers(0, 6400),
    st.integers(0, 2**40),
)


@from_truth
@given(st.lists(TASK, min_size=1, max_size=6))
def test_tasks_of_nextflow_come_back(tmp_path: Path, truth: list[tuple[str, int, int, int]]) -> None:
    rows = [f"{n}\tab\t{s}\t{ms}\t{percent}.0%\t{rss}" for n, (s, ms, percent, rss) in enumerate(truth)]
    sink = read(NEXTFLOW, tmp_path, "task_id\thash\tstatus\trealtime\t%cpu\tpeak_rss\n" + "\n".join(rows) + "\n")
    ran = [(ms, percent, rss) for status, ms, percent, rss in truth if status != "CACHED"]
    assert sink.runs[0].busy_core_h == pytest.approx(sum(ms * percent for ms, percent, _ in ran) / 3.6e8, rel=1e-12)
    if ran:
        assert sink.runs[0].memory_gb_h == pytest.approx(sum(ms * rss for ms, _, rss in ran) / 3.6e15, rel=1e-12)
    assert sink.rejects == []


@from_truth
@given(st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**7)), min_size=1, max_size=6))
def test_tasks_of_the_footprint_come_back_with_its_pue(tmp_path: Path, truth: list[tuple[int, int]]) -> None:
    head = "task_id\tstatus\tenergy_consumption\traw_energy_processor\traw_energy_memory"
    rows = [
        f"{n}\tCOMPLETED\t{(cpu + memory) * 1.5:.1f} uWh\t{cpu} uWh\t{memory} uWh"
        for n, (cpu, memory) in enumerate(truth)
    ]
    sink = read(FOOTPRINT, tmp_path, head + "\n" + "\n".join(rows) + "\n")
    assert sink.runs[0].pue == pytest.approx(1.5, rel=1e-12)
    assert sum(Decimal(str(e)) for *_, e, _ in sink.statements) == Decimal(sum(map(sum, truth))) / 10**9


def test_pue_of_one_is_the_default_of_a_local_run(tmp_path: Path) -> None:
    head = "task_id\tstatus\tenergy_consumption\traw_energy_processor\traw_energy_memory"
    sink = read(FOOTPRINT, tmp_path, f"{head}\n1\tCOMPLETED\t10.01 Wh\t8.00 Wh\t2.00 Wh\n")
    assert sink.runs[0].pue is None


@from_truth
@given(
    truth=st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**8)), min_size=1, max_size=4),
    as_json=st.booleans(),
)
def test_repeats_of_snakemake_come_back(tmp_path: Path, truth: list[tuple[int, int]], *, as_json: bool) -> None:
    if as_json:
        lines = [json.dumps({"s": s / 100, "h:m:s": "0", "cpu_time": cpu / 100, "max_rss": 1.0}) for s, cpu in truth]
    else:
        lines = ["s\th:m:s\tmax_rss\tcpu_time"] + [f"{s / 100:.4f}\t0:00\t1.0\t{cpu / 100:.2f}" for s, cpu in truth]
    sink = read(SNAKEMAKE, tmp_path, "\n".join(lines) + "\n")
    assert sink.runs[0].duration_s == pytest.approx(sum(s for s, _ in truth) / 100, rel=1e-12)
    assert sink.runs[0].busy_core_h == pytest.approx(sum(cpu for _, cpu in truth) / 360_000, rel=1e-12)


@from_truth
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=6), st.integers(0, 3))
def test_powers_of_the_test_come_back_from_spl(tmp_path: Path, truth: list[int], ranging: int) -> None:
    marks = ["x_ranging"] * ranging + ["x_testing"] * len(truth)
    powers = [77] * ranging + truth
    lines = [
        f"Time,03-17-2021 07:28:{n:02}.500,Watts,{power / 1000:.6f},Volts,1.0,Mark,{mark},Ch1,Watts,5.0"
        for n, (power, mark) in enumerate(zip(powers, marks, strict=True))
    ]
    sink = read(SPL, tmp_path, "\r\n".join(lines) + "\r\n")
    assert sink.powers() == pytest.approx([power / 1000 for power in truth])
    assert [t_us % 60_000_000 for _, t_us, *_ in sink.samples] == [
        (ranging + n) * 1_000_000 + 500_000 for n in range(len(truth))
    ]
    assert sink.rejects == ([(1, "OUTSIDE_TEST")] if ranging else [])
