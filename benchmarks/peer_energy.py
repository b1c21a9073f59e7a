"""Energy and coverage of the same Parquet by polars and pandas: `python -m benchmarks.peer_energy FORM RESULTS OUT`.

It runs in the environment of the other tools, beside which Green is not installed. Each form does what a
user of that library would write, and less than the energy stage: no cut at the hour, no check of the order,
no interval, no rated power, and sums of floating-point numbers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

KEY = ["run_id", "device_id"]
COLUMNS = [*KEY, "sampled_at", "power_w", "max_gap_us"]
PICOJOULE_PER_KWH = 3.6e18
SECOND_US = 1e6
# twice the energy of watts x microseconds, as a trapezoid gives it, in kWh
TWICE_KWH = 2 * PICOJOULE_PER_KWH / 1e6


def polars_start(_results: Path, _out: Path) -> None:
    """Do what every form of polars does before any row is read."""
    import polars as pl  # type: ignore[import-not-found]  # noqa: PLC0415 -- only the environment of the peers has it

    pl.DataFrame({"x": [1]}).lazy().select(pl.col("x").sum()).collect(engine="streaming")


def polars_group_by(results: Path, out: Path) -> None:
    """Group the samples of a device and integrate inside the group: right for rows in the order of their times."""
    import polars as pl  # noqa: PLC0415 -- as above

    us, pair = _us(pl), pl.col("power_w") + pl.col("power_w").shift(1)
    counts = (us > 0) & (us <= pl.col("max_gap_us"))
    sums = _samples(pl, results).group_by(KEY).agg(e2=(pair * us).filter(counts).sum(), us=us.filter(counts).sum())
    _finish(pl, sums, results, out)


def polars_shift(results: Path, out: Path) -> None:
    """Shift the whole table, as our SQL does: right only where every device's samples stand together, in order."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # as many as ours has; a second one costs this form a tenth more
    import polars as pl  # noqa: PLC0415 -- as above

    same = (pl.col("run_id") == pl.col("run_id").shift(1)) & (pl.col("device_id") == pl.col("device_id").shift(1))
    pairs = _samples(pl, results).select(
        *KEY, "max_gap_us", us=_us(pl), pair=pl.col("power_w") + pl.col("power_w").shift(1), same=same
    )
    counts = pl.col("same") & (pl.col("us") > 0) & (pl.col("us") <= pl.col("max_gap_us"))
    sums = pairs.filter(counts).group_by(KEY).agg(e2=(pl.col("pair") * pl.col("us")).sum(), us=pl.col("us").sum())
    _finish(pl, sums, results, out)


def pandas_start(_results: Path, _out: Path) -> None:
    """Do what the form of pandas does before any row is read."""
    import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415 -- as above
    import pyarrow.parquet  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: F401, PLC0415 -- its reader

    pd.DataFrame({"x": [1]}).sum()


def pandas_group_by(results: Path, out: Path) -> None:
    """Group the samples of a device and integrate with a shift inside the group."""
    import pandas as pd  # noqa: PLC0415 -- as above

    samples = pd.read_parquet(_file(results, "samples"), columns=COLUMNS).dropna(subset=["power_w"])
    before = samples.groupby(KEY, sort=False)[["sampled_at", "power_w"]].shift(1)
    us = (samples["sampled_at"] - before["sampled_at"]).dt.total_seconds().mul(SECOND_US).round()
    counts = (us > 0) & (us <= samples["max_gap_us"])
    pairs = pd.DataFrame(
        {**{name: samples[name] for name in KEY}, "e2": (samples["power_w"] + before["power_w"]) * us, "us": us}
    )[counts]
    sums = pairs.groupby(KEY, as_index=False)[["e2", "us"]].sum()
    run = pd.read_parquet(_file(results, "run"), columns=["run_id", "started_at", "ended_at"])
    run["span_s"] = (run["ended_at"] - run["started_at"]).dt.total_seconds()
    sums = sums.merge(run, on="run_id")
    sums["energy_kwh"] = sums["e2"] / TWICE_KWH
    sums["coverage_ratio"] = sums["us"] / SECOND_US / sums["span_s"]
    sums[[*KEY, "energy_kwh", "coverage_ratio"]].to_parquet(out)


def _file(results: Path, table: str) -> Path:
    return results / "ingest" / "all" / f"{table}.parquet"


def _samples(pl: Any, results: Path) -> Any:  # noqa: ANN401 -- the types of a library that we lack
    return pl.scan_parquet(_file(results, "samples")).select(COLUMNS).filter(pl.col("power_w").is_not_null())


def _us(pl: Any) -> Any:  # noqa: ANN401 -- as above
    return pl.col("sampled_at").dt.epoch("us") - pl.col("sampled_at").dt.epoch("us").shift(1)


def _finish(pl: Any, sums: Any, results: Path, out: Path) -> None:  # noqa: ANN401 -- as above
    span = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds()
    runs = pl.scan_parquet(_file(results, "run")).select("run_id", span_us=span)
    sums.join(runs, on="run_id").select(
        *KEY, energy_kwh=pl.col("e2") / TWICE_KWH, coverage_ratio=pl.col("us") / pl.col("span_us")
    ).collect(engine="streaming").write_parquet(out)


FORMS = {
    function.__name__: function
    for function in (polars_start, polars_group_by, polars_shift, pandas_start, pandas_group_by)
}

if __name__ == "__main__":
    FORMS[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
