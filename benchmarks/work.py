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


def make_small_logs(folder: str, lines: str) -> None:
    """Make the logs of the readers' benchmark."""
    from benchmarks import readers  # noqa: PLC0415 -- as above

    readers.make(Path(folder), int(lines))


def csv_loop(folder: str) -> None:
    """Print how many small logs a loop over the csv module gives energy for."""
    from benchmarks import readers  # noqa: PLC0415 -- as above

    print(readers.loop(Path(folder)))


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

    def limited(spill: Path | None = None, *, threads: int = 1, calls: str | None = None) -> duckdb.DuckDBPyConnection:
        con = connect(spill, threads=threads, calls=calls)
        con.execute(f"SET memory_limit = '{limit}'")
        return con

    if limit:
        stages.connect = limited
    out = Path(results) / "energy" / "all.parquet"
    stages.run(stages.STAGES["energy"], Path(results), ["all"], out, settings={"max_gap_us": None, "model_rest": None})


def devices_with_energy(results: str) -> None:
    """Print for how many devices the stage gave energy, so that no empty result is praised for its speed."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        stages.bind(con, "energy", stages.files_of("energy", Path(results), ["all"]))
        print(con.execute("SELECT count(DISTINCT (run_id, answer)) FROM energy WHERE energy_kwh > 0").fetchall()[0][0])


def bare_energy(results: str, out: str) -> None:
    """Do in SQL no more than the peers do: energy and coverage of each device, the order trusted."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        for table in ("samples", "run"):
            stages.bind(con, table, stages.files_of(table, Path(results), ["all"]))
        con.execute(f"COPY ({_BARE}) TO '{out}' (FORMAT parquet)")


_BARE = """
WITH sample AS (
    SELECT run_id, device_id, hash(run_id, device_id) AS series, epoch_us(sampled_at) AS t, max_gap_us AS gap,
        CAST(round(power_w * 1000000) AS BIGINT) AS p
    FROM samples WHERE power_w IS NOT NULL
),
pair AS (
    SELECT *, CASE WHEN same THEN t - lag(t) OVER () END AS us, CASE WHEN same THEN lag(p) OVER () END AS p0
    FROM (SELECT *, lag(series) OVER () = series AS same FROM sample)
),
device AS (
    SELECT run_id, device_id, sum(CAST(p0 + p AS HUGEINT) * us) AS e2, sum(us) AS us
    FROM pair WHERE us BETWEEN 1 AND gap GROUP BY ALL
)
SELECT device_id, run_id, sampled_energy_kwh(e2) AS energy_kwh, us / epoch_us(ended_at - started_at) AS coverage_ratio
FROM device INNER JOIN run USING (run_id)
"""


def compare_energy(results: str, theirs: str) -> None:
    """Print the largest relative difference of any device's energy or coverage; end where a device is missing."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        stages.bind(con, "energy", stages.files_of("energy", Path(results), ["all"]))
        rows = con.execute(
            """
            WITH ours AS (
                SELECT run_id, split_part(answer, '/', 1) AS device_id, CAST(sum(energy_kwh) AS DOUBLE) AS energy_kwh,
                    coverage_ratio(sum(covered_s), sum(uncovered_s)) AS coverage_ratio
                FROM energy GROUP BY ALL
            )
            SELECT count(*), count(*) FILTER (WHERE o.energy_kwh > 0 AND t.energy_kwh > 0),
                max(abs(t.energy_kwh / o.energy_kwh - 1)), max(abs(t.coverage_ratio / o.coverage_ratio - 1))
            FROM ours AS o FULL JOIN read_parquet($theirs) AS t USING (run_id, device_id)
            """,
            {"theirs": theirs},
        ).fetchall()
    devices, both, energy_off, coverage_off = rows[0]
    if devices != both or not devices:
        sys.exit(f"{both} of {devices} devices have energy on both sides")
    print(max(energy_off, coverage_off))


def rejects(home: str) -> None:
    """Print what the pipeline refused of its input, a line each."""
    from green import stages  # noqa: PLC0415 -- as above

    with stages.connect() as con:
        file = Path(home) / "results" / "rejects.parquet"
        for row in con.execute("SELECT * FROM read_parquet($file)", {"file": str(file)}).fetchall():
            print(*row)


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


def metered(home: str) -> None:
    """Print the joules of the one run below `home`/logs, as the pipeline makes them of its log."""
    from green import index, ingest, stages  # noqa: PLC0415 -- as above
    from green.config import Config  # noqa: PLC0415 -- as above

    work = Path(home)
    config = Config(logs=str(work / "logs"), shards=1)
    sources = index.scan(work / "logs", fingerprint="content", work=work).sources
    results = work / "results"
    ingest.ingest(config, sources, settings="1", out=results / "ingest" / "all", cache=results / "cache" / "all")
    out = results / "energy" / "all.parquet"
    stages.run(stages.STAGES["energy"], results, ["all"], out, settings=stages.settings_of(config)["energy"])
    with stages.connect() as con:
        found = con.execute(f"SELECT sum(energy_kwh) * 3600000 FROM read_parquet('{out}') WHERE is_counted").fetchone()
    print(float(found[0]) if found else 0.0)


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


def make_facts(database: str, runs: str) -> None:
    """Make the facts of the policy benchmark."""
    from benchmarks import judging  # noqa: PLC0415 -- as above

    judging.make(Path(database), int(runs))


def judge_by_sql(database: str, policies: str) -> None:
    """Count the verdicts of the compiled policies."""
    from benchmarks import judging  # noqa: PLC0415 -- as above

    print(json.dumps(judging.by_sql(Path(database), int(policies))))


def judge_by_loop(database: str, policies: str) -> None:
    """Count the verdicts of the loop over ready objects."""
    from benchmarks import judging  # noqa: PLC0415 -- as above

    print(json.dumps(judging.by_loop(Path(database), int(policies))))


WORKS = {
    function.__name__: function
    for function in (
        make_readings,
        make_logs,
        make_small_logs,
        csv_loop,
        start,
        scan,
        energy,
        devices_with_energy,
        bare_energy,
        compare_energy,
        rejects,
        ingest,
        metered,
        parse,
        make_facts,
        judge_by_sql,
        judge_by_loop,
    )
}

if __name__ == "__main__":
    WORKS[sys.argv[1]](*sys.argv[2:])
