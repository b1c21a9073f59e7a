"""Samples to energy, beside polars and pandas on the same Parquet: what a user would otherwise write.

The figures are compared before any cost is: a form whose energy or coverage differs from ours by more than a
billionth ends the benchmark. The peers do less than the stage (see `benchmarks.peer_energy`), which is why the
same work in bare SQL stands beside it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmarks.measure import Cost, Ratio, in_turns, peer, work

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 250
SAMPLES = 3_600  # of each of a run's 8 devices, as in benchmarks.energy
CPU_GOAL = 1.7
MEMORY_GOAL = 8.0
TOLERANCE = 1e-9
FORMS = {
    "polars_group_by": "polars streaming, group_by",
    "polars_shift": "polars streaming, shift",
    "pandas_group_by": "pandas",
}


def measure(folder: Path) -> list[Ratio]:
    """Return what each peer costs as a multiple of the energy stage, and of the same work in bare SQL."""
    work("make_readings", folder, RUNS, SAMPLES, "power")
    work("energy", folder)

    def run(name: str) -> Cost:
        return peer("benchmarks.peer_energy", name, folder, folder / f"{name}.parquet")

    def bare() -> Cost:
        return work("bare_energy", folder, folder / "bare.parquet")

    bare()
    _compare(folder / "bare.parquet", folder)
    for name in FORMS:
        run(name)
        _compare(folder / f"{name}.parquet", folder)

    cost = in_turns(
        {
            "start": lambda: work("start"),
            "energy": lambda: work("energy", folder),
            "bare": bare,
            **{name: partial(run, name) for name in ("polars_start", "pandas_start", *FORMS)},
        }
    )
    ours = {name: _less(cost[name], cost["start"]) for name in ("energy", "bare")}
    ratios = []
    for name, title in FORMS.items():
        theirs = _less(cost[name], cost[f"{name.split('_')[0]}_start"])
        goals = (CPU_GOAL, MEMORY_GOAL) if name.startswith("polars") else (None, None)
        for what, goal, mine, their, unit in (
            ("CPU / energy stage", goals[0], ours["energy"].cpu_s, theirs.cpu_s, "CPU-s"),
            ("CPU / the same work in SQL", None, ours["bare"].cpu_s, theirs.cpu_s, "CPU-s"),
            ("peak memory / energy stage", goals[1], ours["energy"].peak_mb, theirs.peak_mb, "MB"),
        ):
            detail = f"{their:.3g} against {mine:.3g} {unit}"
            ratios.append(Ratio("peers", f"{title}: {what}", their / mine, "x", goal, detail, is_floor=True))
    return ratios


def _less(cost: Cost, start: Cost) -> Cost:
    """Take the start of interpreter and library off the CPU; memory is what the process held in all."""
    return Cost(cost.cpu_s - start.cpu_s, cost.peak_mb)


def _compare(theirs: Path, results: Path) -> None:
    """End the benchmark where the energy or the coverage of any device is not what the stage gives."""
    off = float(work("compare_energy", results, theirs).output)
    if off > TOLERANCE:
        raise SystemExit(f"benchmark: {theirs.stem} differs from the energy stage by {off:.2g}, not {TOLERANCE:g}")
