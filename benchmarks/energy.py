"""Samples to energy: the SQL of the energy stage against a bare scan of the Parquet that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import synthetic
from benchmarks.measure import Ratio, in_turns, work
from benchmarks.work import MEMORY_LIMIT

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 250
SAMPLES = 3_600  # of each of a run's 8 devices: 7.2 M rows, less 2 % in gaps
MORE = 10
CPU_GOAL = 3.5
MEMORY_GOAL = 1.2


def measure(folder: Path) -> list[Ratio]:
    """Return CPU against the scan, for powers and for counters, and memory against ten times the readings."""
    power, counter = folder / "power", folder / "counter"
    work("make_readings", power, RUNS, SAMPLES, "power")
    work("make_readings", counter, RUNS, SAMPLES, "counter")
    cost = in_turns(
        {
            "start": lambda: work("start"),
            "scan power": lambda: work("scan", power),
            "energy power": lambda: work("energy", power),
            "scan counter": lambda: work("scan", counter),
            "energy counter": lambda: work("energy", counter),
        }
    )
    start_s = cost["start"].cpu_s
    ratios = []
    for kind, results in (("power", power), ("counter", counter)):
        scan_s, stage_s = cost[f"scan {kind}"].cpu_s - start_s, cost[f"energy {kind}"].cpu_s - start_s
        _check(results, RUNS)
        detail = f"{stage_s:.2f} against {scan_s:.2f} CPU-s"
        ratios.append(Ratio("energy", f"{kind}: CPU / bare scan", stage_s / scan_s, "x", CPU_GOAL, detail))
    few_mb = work("energy", power, MEMORY_LIMIT).peak_mb
    for what, name, runs, samples in (
        (f"peak memory, runs {MORE} x as long", "long", RUNS, SAMPLES * MORE),
        (f"peak memory, {MORE} x as many runs", "many", RUNS * MORE, SAMPLES),
    ):
        work("make_readings", folder / name, runs, samples, "power")
        many_mb = work("energy", folder / name, MEMORY_LIMIT).peak_mb
        _check(folder / name, runs)
        detail = f"{many_mb:.0f} against {few_mb:.0f} MB, limit {MEMORY_LIMIT}"
        ratios.append(Ratio("energy", what, many_mb / few_mb, "x", MEMORY_GOAL, detail))
    return ratios


def _check(results: Path, runs: int) -> None:
    """End the benchmark where a device has no energy."""
    devices = int(work("devices_with_energy", results).output)
    if devices != runs * synthetic.DEVICES:
        raise SystemExit(f"benchmark: {devices} of {runs * synthetic.DEVICES} devices have energy")
