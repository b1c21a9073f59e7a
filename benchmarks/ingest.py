"""Text to Parquet: the reader of nvidia-smi through the real ingest against a typed parse by DuckDB."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.measure import Cost, Ratio, in_turns, work

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 10
DEVICES = 8
SAMPLES = 3_600
LINES = RUNS * DEVICES * SAMPLES


def measure(folder: Path) -> list[Ratio]:
    """Return lines per CPU-second, and CPU against the parse."""
    logs, out = folder / "logs", folder / "out"
    work("make_logs", logs, RUNS, SAMPLES, DEVICES)

    def read() -> Cost:
        shutil.rmtree(out, ignore_errors=True)  # or the cache would answer
        cost = work("ingest", logs, out)
        if int(cost.output) != LINES:
            raise SystemExit(f"benchmark: {cost.output} of {LINES} lines became readings")
        return cost

    cost = in_turns({"start": lambda: work("start"), "parse": lambda: work("parse", logs), "ingest": read})
    start_s = cost["start"].cpu_s
    parse_s, ingest_s = cost["parse"].cpu_s - start_s, cost["ingest"].cpu_s - start_s
    detail = f"{ingest_s:.2f} against {parse_s:.2f} CPU-s, {LINES:,} lines"
    return [
        Ratio("ingest", "nvidia-smi text to Parquet", LINES / ingest_s / 1000, "k lines/CPU-s"),
        Ratio("ingest", "nvidia-smi text: CPU / typed parse", ingest_s / parse_s, "x", None, detail),
    ]
