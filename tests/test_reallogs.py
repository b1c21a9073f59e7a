"""Conformance over a folder of real logs that is not part of the project (GREEN_SHARED names it)."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Pipeline

SHARED = os.environ.get("GREEN_SHARED", "")
KINDS = {
    "nvidia_smi_csv": "gpu_energy_trapezoid",
    "codecarbon_emissions_csv": "energy_last_row_per_run_id",
    "mlperf_power_log": "wall_energy_trapezoid",
    "zeus_csv": "gpu_energy_sum",
    "eco2ai_emission_csv": "energy_sum_rows",
    "wandb_events_jsonl_DERIVED": "gpu0_energy_trapezoid",
}

pytestmark = pytest.mark.skipif(not SHARED, reason="GREEN_SHARED does not name a folder with reallogs/")


def expected(kind: str) -> dict[str, float]:
    with (Path(SHARED) / "reallogs" / "EXPECTED.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    out = {}
    for row in rows:
        folder, _, file = row["file"].partition("/")
        if folder == kind and row["quantity"] == KINDS[kind]:
            out[file] = float(row["value"]) * (1 / 3.6e6 if row["unit"] == "J" else 1.0)
    return out


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_energies_agree_with_an_independent_script(kind: str, pipeline: Pipeline, tmp_path: Path) -> None:
    store = pipeline(Path(SHARED) / "reallogs" / kind, tmp_path)
    found: dict[str, float] = defaultdict(float)
    with duckdb.connect(str(store), read_only=True) as con:
        rows = con.execute("SELECT source, energy_kwh FROM runs WHERE energy_kwh IS NOT NULL").fetchall()
    for source, energy_kwh in rows:
        found[source] += energy_kwh
    wanted = expected(kind)
    assert wanted, "EXPECTED.csv has no row of this kind"
    for file, energy_kwh in wanted.items():
        assert found[file] == pytest.approx(energy_kwh, rel=1e-6), file


def test_every_real_log_is_read_or_rejected_with_a_reason(pipeline: Pipeline, tmp_path: Path) -> None:
    logs = Path(SHARED) / "reallogs"
    pipeline(logs, tmp_path)
    files = {str(p.relative_to(logs)) for p in logs.rglob("*") if p.is_file()}
    with duckdb.connect() as con:
        read = con.execute(
            f"SELECT file, reader FROM read_parquet('{tmp_path}/results/ingest/*/inputs.parquet')"
        ).fetchall()
        refused = con.execute(
            f"SELECT DISTINCT file FROM read_parquet('{tmp_path}/results/rejects.parquet') WHERE reason <> ''"
        ).fetchall()
    assert {file for file, _ in read} == files
    silent = {file for file, reader in read if reader is None} - {file for (file,) in refused}
    assert silent == set()
    lookalike = [reader for file, reader in read if file.startswith("negative_lookalike/")]
    assert lookalike == [None]


BENCHMARK_SECONDS = "snakemake_benchmark"


def test_durations_of_benchmarks_agree_and_their_energy_is_modelled(pipeline: Pipeline, tmp_path: Path) -> None:
    store = pipeline(Path(SHARED) / "reallogs" / BENCHMARK_SECONDS, tmp_path)
    with (Path(SHARED) / "reallogs" / "EXPECTED.csv").open(newline="") as stream:
        wanted = {
            row["file"].partition("/")[2]: float(row["value"])
            for row in csv.DictReader(stream)
            if row["file"].startswith(BENCHMARK_SECONDS)
        }
    with duckdb.connect(str(store), read_only=True) as con:
        found = con.execute("SELECT run_id, duration_s, method FROM runs").fetchall()
    assert {run_id: duration_s for run_id, duration_s, _ in found} == pytest.approx(wanted, rel=1e-9)
    assert {method for *_, method in found} == {"modelled"}
