"""What the benchmarks measure, each in a fresh process: `python -m benchmarks.work NAME ARGUMENT...`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "500MB"


def make_readings(results: str, runs: str, samples: str, kind: str) -> None:
    """Make the Parquet of the energy benchmark."""
    from benchmarks import synthetic  # noqa: PLC0415 -- each work loads what it measures, and no more

    synthetic.readings(Path(results), int(runs), int(samples), kind)


def make_logs(folder: str, runs: str, samples: str, devices: str) -> None:
    """Make the folders of logs of the other two."""
    from benchmarks import synthetic  # noqa: PLC0415 -- as above

    synthetic.logs(Path(folder), int(runs), int(samples), int(devices))


def start() -> None:
    """Do what both sides do before any row is read: import, connect, define the formulas."""
    from green import stages  # noqa: PLC0415 -- as above

    stages.connect().close()


def scan(results: str) -> None:
    """Read every column that the energy stage reads, and fold it: the floor."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        stages.bind(con, "samples", stages.files_of("samples", Path(results), ["all"]))
        con.execute(
            "SELECT max(run_id), max(device_id), max(sampled_at), sum(power_w), sum(energy_j), max(max_gap_us)"
            " FROM samples"
        ).fetchall()


def energy(results: str, limit: str = "") -> None:
    """Run the energy stage as its rule does, under a memory limit where one is asked for."""
    from green import stages  # noqa: PLC0415 -- as above

    connect = stages.connect

    def limited(spill: Path | None = None, *, threads: int = 1) -> duckdb.DuckDBPyConnection:
        con = connect(spill, threads=threads)
        con.execute(f"SET memory_limit = '{limit}'")
        return con

    if limit:
        stages.connect = limited
    out = Path(results) / "energy" / "all.parquet"
    stages.run(stages.STAGES["energy"], Path(results), ["all"], out, settings={"max_gap_us": None})


def devices_with_energy(results: str) -> None:
    """Print for how many devices the stage gave energy, so that no empty result is praised for its speed."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        stages.bind(con, "energy", stages.files_of("energy", Path(results), ["all"]))
        print(con.execute("SELECT count(DISTINCT (run_id, answer)) FROM energy WHERE energy_kwh > 0").fetchall()[0][0])


def ingest(logs: str, out: str) -> None:
    """Read a folder of logs as one shard and print how many readings it gave."""
    from green import config, index, stages  # noqa: PLC0415 -- as above
    from green import ingest as ingesting  # noqa: PLC0415 -- as above

    found = index.scan(Path(logs))
    configured = config.load([], {"logs": logs}, root=Path(logs))
    ingesting.ingest(configured, found.sources, settings="", out=Path(out) / "out", cache=Path(out) / "cache")
    with stages.connect() as con:
        stages.bind(con, "samples", [Path(out) / "out" / "samples.parquet"])
        print(json.dumps(con.execute("SELECT count(*) FROM samples").fetchall()[0][0]))


def parse(logs: str) -> None:
    """Read the same text with DuckDB's own parser and our types: what a user would otherwise write."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        con.execute(
            "SELECT count(sampled_at), max(device), max(name), sum(CAST(rtrim(power, ' W') AS DOUBLE)) FROM"
            " read_csv($files, header = true, auto_detect = false, delim = ',', quote = '', escape = '',"
            " timestampformat = '%Y/%m/%d %H:%M:%S.%g', columns = {'sampled_at': 'TIMESTAMP', 'device': 'INTEGER',"
            " 'name': 'VARCHAR', 'power': 'VARCHAR', 'utilisation': 'VARCHAR'})",
            {"files": f"{logs}/**/*.csv"},
        ).fetchall()


WORKS = {
    function.__name__: function
    for function in (make_readings, make_logs, start, scan, energy, devices_with_energy, ingest, parse)
}

if __name__ == "__main__":
    WORKS[sys.argv[1]](*sys.argv[2:])
