"""Make synthetic readings: Parquet as ingest leaves it, and folders of logs as users have them.

Everything is seeded: the same arguments give the same figures on every machine.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from green import stages
from green.factors import device_key
from green.tables import DEVICE, INGEST, RUN, quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import duckdb

DEVICES = 8
GPU = "NVIDIA A100-SXM4-80GB"
HEADER = "timestamp, index, name, power.draw [W], utilization.gpu [%]"
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
BEGIN_US = int(BEGIN.timestamp()) * 1_000_000

# 1 Hz with up to 0.2 s of jitter; 2 % of the time is a gap of 40 s; 1 % of the powers are missing; every
# tenth run's counters are reset half-way. `hash` is DuckDB's own, so that no order of threads matters.
_READINGS = """
WITH device AS (
    SELECT format('team/project/run-{{:05d}}', r) AS run_id, format('GPU-{{:d}}', g) AS device_id, r, g
    FROM range({runs}) AS run (r), range({devices}) AS gpu (g)
),
tick AS (SELECT *, unnest(range({samples})) AS i FROM device),
noise AS (SELECT *, (hash(r, g, i) >> 11) / pow(2, 53) AS u, (hash(i, g, r) >> 11) / pow(2, 53) AS v FROM tick)
SELECT
    run_id,
    device_id,
    make_timestamptz({begin_us} + r * 977000000 + i * 1000000 + CAST(v * 200000 AS BIGINT)) AS sampled_at,
    {power} AS power_w,
    {counter} AS energy_j,
    CAST(10000000 AS BIGINT) AS max_gap_us
FROM noise
WHERE i // 40 % 50 <> 7
"""
_POWER = "CASE WHEN u >= 0.01 THEN round(300 + 200 * u, 2) END"
_COUNTER = "round((CASE WHEN r % 10 = 0 AND i >= 1800 THEN i - 1800 ELSE i END) * 300 + 200 * u, 3)"


def readings(results: Path, runs: int, samples: int, kind: str) -> None:
    """Write one shard's tables below `results`, with power or with energy counters."""
    folder = results / "ingest" / "all"
    folder.mkdir(parents=True)
    power, counter = (_POWER, "CAST(NULL AS DOUBLE)") if kind == "power" else ("CAST(NULL AS DOUBLE)", _COUNTER)
    with stages.connect(results, threads=2) as con:
        made = _READINGS.format(
            runs=runs, devices=DEVICES, samples=samples, begin_us=BEGIN_US, power=power, counter=counter
        )
        _copy(con, made, folder / "samples.parquet")
        stages.bind(con, "samples", [folder / "samples.parquet"])
        ends = {"run_id": "run_id", "started_at": "min(sampled_at)", "ended_at": "max(sampled_at)"}
        _copy(con, f"{_select(RUN, ends)} FROM samples GROUP BY run_id ORDER BY run_id", folder / "run.parquet")
        constant = {"component": "gpu", "origin": "log", "name": GPU, "device_key": device_key(GPU), "file": "gpu.csv"}
        cells = {
            **{name: quote(text) for name, text in constant.items()},
            "run_id": "run_id",
            "device_id": "device_id",
            "count": "1",
            "share": "1",
            "line": "1",
            "first_at": "min(sampled_at)",
            "last_at": "max(sampled_at)",
        }
        _copy(
            con,
            f"{_select(DEVICE, cells)} FROM samples GROUP BY run_id, device_id ORDER BY ALL",
            folder / "device.parquet",
        )
        for table in set(INGEST) - {"samples", "run", "device"}:
            _copy(con, f"{_select(INGEST[table], {})} WHERE false", folder / f"{table}.parquet")


def _select(columns: Mapping[str, str], cells: Mapping[str, str]) -> str:
    """Write a row of a table: the cells that are given, NULL for the rest."""
    return "SELECT " + ", ".join(
        f'CAST({cells.get(name, "NULL")} AS {kind}) AS "{name}"' for name, kind in columns.items()
    )


def _copy(con: duckdb.DuckDBPyConnection, select: str, out: Path) -> None:
    con.execute(f"COPY ({select}) TO {quote(out)} (FORMAT parquet, COMPRESSION zstd)")


def line(at: datetime, device: int, power_w: float) -> str:
    """Write a line as nvidia-smi does."""
    return f"{at:%Y/%m/%d %H:%M:%S}.{at.microsecond // 1000:03d}, {device}, {GPU}, {power_w:.2f} W, 97 %\n"


def logs(folder: Path, runs: int, samples: int, devices: int) -> None:
    """Write run folders, each with a record and the log of nvidia-smi."""
    noise = random.Random(runs)
    for run in range(runs):
        home = folder / f"group-{run % 100:02d}" / f"run-{run:05d}"
        home.mkdir(parents=True)
        begin = BEGIN + timedelta(seconds=97 * run)
        end = begin + timedelta(seconds=10 * samples)
        record = (
            f"project: project-{run % 20}\nteam: team-{run % 5}\nmodel: model-{run % 50}\nkind: training\n"
            f"status: completed\nstarted_at: {begin:%Y-%m-%dT%H:%M:%SZ}\nended_at: {end:%Y-%m-%dT%H:%M:%SZ}\n"
            f"site: {{region: DE, pue: 1.2, timezone: UTC}}\nhardware:\n- {{device: {GPU}, count: {devices}}}\n"
        )
        (home / "run.yaml").write_text(record, encoding="utf-8")
        with (home / "gpu.csv").open("w", encoding="utf-8") as stream:
            stream.write(f"{HEADER}\n")
            for sample in range(samples):
                at = begin + timedelta(seconds=10 * sample, milliseconds=noise.randrange(200))
                stream.writelines(line(at, device, noise.uniform(80, 400)) for device in range(devices))
