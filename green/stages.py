"""The stages: each binds the Parquet of earlier ones to the logical tables of its SQL file.

A SQL file names logical tables only; this registry says which Parquet they are, which settings the
file takes and which columns it gives. Nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from green import factors, kept, series
from green.factors import cached
from green.sql import formulas_in, text_digest, text_of
from green.tables import EMBODIED, EMISSIONS, ENERGY, FACTOR, INGEST, INSTRUMENT, SERIES, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from green.config import Config

UNSORTED = "samples are not sorted"
# Runs are computed in slices of about so many samples, so that memory does not grow with all of them. What a
# device gives (a row an hour) weighs in memory as so many samples.
SAMPLES_PER_SLICE = 10_000_000
SAMPLES_PER_DEVICE = 1_000


@dataclass(frozen=True)
class Stage:
    """One SQL stage: what it reads, what it gives, what may be set."""

    name: str
    version: str  # bump when the same input would give other numbers
    reads: tuple[str, ...]
    gives: Mapping[str, str]
    settings: tuple[str, ...] = ()
    per_shard: bool = False
    order: str = "run_id"


STAGES = {
    stage.name: stage
    for stage in (
        Stage(
            "energy",
            "2",
            ("samples", "run", "device", "statement", "factor"),
            ENERGY,
            ("max_gap_us", "model_rest"),
            per_shard=True,
        ),
        Stage("embodied", "2", ("run", "device", "factor"), EMBODIED, ("lifetime_h",), order="run_id, device_id"),
        Stage("emissions", "2", ("run", "energy", "embodied", "device", "factor", "series", "instrument"), EMISSIONS),
    )
}
COLUMNS: dict[str, Mapping[str, str]] = {
    **INGEST,
    "factor": FACTOR,
    "series": SERIES,
    "instrument": INSTRUMENT,
    **{name: stage.gives for name, stage in STAGES.items()},
}

KEPT = Path("cache")  # below results: what was computed before
FACTORS = Path("cache", "factors")  # below results: the factor tables as read, once for all jobs


def settings_of(config: Config) -> dict[str, dict[str, Any]]:
    """Return the settings of each stage, in the units that its SQL names."""
    gap, life = config.energy.max_gap, config.embodied.lifetime
    return {
        "energy": {
            "max_gap_us": None if gap is None else int(gap.value * 1_000_000),
            "model_rest": config.energy.model_rest or None,
        },
        "embodied": {"lifetime_h": None if life is None else float(life.value)},
        "emissions": {"instruments": instruments_of(config) or None},
    }


def instruments_of(config: Config) -> list[dict[str, Any]]:
    """Return the rows of the table `instrument`, each zone as runs name it."""
    return [one.row(None if one.zone is None else factors.zone_of(one.zone) or one.zone) for one in config.instruments]


def connect(spill: Path | None = None, *, threads: int = 1, calls: str | None = None) -> duckdb.DuckDBPyConnection:
    """Open a database in memory with the formulas, or with those that a text `calls`; spills below `spill`."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    options: dict[str, Any] = {"threads": threads, "enable_external_access": True}
    if spill is not None:
        options["temp_directory"] = str(spill / ".spill")
    con = duckdb.connect(config=options)
    con.execute("SET TimeZone = 'UTC'")
    # Joins run in the order in which they are written. DuckDB's guess of what a deep chain of joins gives reaches 10^11
    # rows, for which its windows make room: a third of what the energy of one shard costs.
    con.execute("SET disabled_optimizers = 'join_order'")
    con.execute(text_of("formulas") if calls is None else formulas_in(calls))
    return con


def bind(con: duckdb.DuckDBPyConnection, table: str, files: Sequence[Path], view: str = "") -> None:
    """Make a logical table (or `view`) of Parquet files with the columns that the registry names."""
    columns = ", ".join(f'"{name}"' for name in COLUMNS[table])
    if files:
        paths = ", ".join(quote(file) for file in files)
        con.execute(f"CREATE OR REPLACE TEMP VIEW {view or table} AS SELECT {columns} FROM read_parquet([{paths}])")
        return
    typed = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in COLUMNS[table].items())
    con.execute(f"CREATE OR REPLACE TEMP VIEW {view or table} AS SELECT {typed} WHERE false")


def files_of(table: str, results: Path, shards: Sequence[str]) -> list[Path]:
    """Return the Parquet files of a table below `results`, those of the listed shards and no other."""
    if table in INGEST:
        return [results / "ingest" / shard / f"{table}.parquet" for shard in shards]
    if table == "energy":
        return [results / "energy" / f"{shard}.parquet" for shard in shards]
    return [results / f"{table}.parquet"]


def bind_instruments(con: duckdb.DuckDBPyConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Load the contractual instruments of the configuration."""
    typed = ", ".join(f'"{name}" {kind}' for name, kind in INSTRUMENT.items())
    con.execute(f"CREATE TEMP TABLE instrument ({typed})")
    slots = ", ".join("?" for _ in INSTRUMENT)
    for row in rows:
        con.execute(f"INSERT INTO instrument VALUES ({slots})", [row[name] for name in INSTRUMENT])


def run(  # noqa: PLR0913 -- one argument an input of the rule
    stage: Stage,
    results: Path,
    shards: Sequence[str],
    out: Path,
    *,
    settings: Mapping[str, Any],
    factor_files: Sequence[str] = (),
    series_files: Sequence[str] = (),
) -> None:
    """Run one stage and write its Parquet atomically."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    extra = [Path(file) for file in factor_files]
    if stage.per_shard:
        with connect(out.parent, calls=text_of(stage.name)) as con:
            cached.load(con, extra, results / FACTORS)
            _bind(con, stage, results, shards, settings, series_files)
            copy = _copy_slices if "samples" in stage.reads and _is_large(con) else _copy_sorted
            copy(con, stage, part, settings)
        part.replace(out)
        return
    key = _key(stage, results, settings, cached.fingerprint(extra), series_files)
    inputs = {shard: kept.digest_of(_of_shard(stage, results, shard)) for shard in shards}
    if kept.give(results / KEPT, stage.name, out, key, inputs):
        return
    with connect(out.parent, calls=text_of(stage.name)) as con:
        cached.load(con, extra, results / FACTORS)
        # instruments are spread over all runs: what one uses, another lacks
        same = [] if settings.get("instruments") else _same(con, stage, results, key, inputs)
        _bind(con, stage, results, [shard for shard in shards if shard not in same], settings, series_files)
        if same:
            _take_over(con, stage, results, same)
        _copy(con, stage, part, settings, taken=bool(same))
    part.replace(out)
    kept.keep(results / KEPT, stage.name, out, key, inputs)


def _bind(
    con: duckdb.DuckDBPyConnection,
    stage: Stage,
    results: Path,
    shards: Sequence[str],
    settings: Mapping[str, Any],
    series_files: Sequence[str],
) -> None:
    """Make the logical tables that a stage reads, of these shards."""
    for table in stage.reads:
        if table == "series":
            series.load(con, series_files)
        elif table == "instrument":
            bind_instruments(con, settings["instruments"] or ())
        elif table != "factor":
            bind(con, table, files_of(table, results, shards))


def _of_shard(stage: Stage, results: Path, shard: str) -> list[Path]:
    """Return the files of a shard that a stage reads."""
    return [
        file
        for table in stage.reads
        if table in INGEST or table == "energy"
        for file in files_of(table, results, [shard])
    ]


def _key(
    stage: Stage, results: Path, settings: Mapping[str, Any], factors_sha256: str, series_files: Sequence[str]
) -> str:
    """Return the digest of all that every row of a result depends on."""
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    before = [name for name in stage.reads if name in STAGES and not STAGES[name].per_shard]
    return kept.digest(
        stage.version,
        text_digest(stage.name),
        stage.gives,
        settings,
        factors_sha256,
        series.digest(series_files),
        [kept.key_of(results / KEPT, name, results / f"{name}.parquet") for name in before],
        duckdb.__version__,
    )


def _same(
    con: duckdb.DuckDBPyConnection, stage: Stage, results: Path, key: str, inputs: Mapping[str, str]
) -> list[str]:
    """Return the shards whose rows are taken over: none where a row depends on the runs of other shards."""
    same = kept.same(kept.read(results / KEPT, stage.name), key, inputs)
    if not same:
        return []
    bind(con, "run", files_of("run", results, list(inputs)), "every_run")
    doubled = con.execute("SELECT count(*) > count(DISTINCT run_id) FROM every_run").fetchall()
    return [] if doubled[0][0] else same


def _take_over(con: duckdb.DuckDBPyConnection, stage: Stage, results: Path, same: Sequence[str]) -> None:
    """Make the relation `taken`: the rows of before of the runs of some shards."""
    bind(con, stage.name, [results / KEPT / f"{stage.name}.parquet"], "kept_rows")
    bind(con, "run", files_of("run", results, same), "kept_run")
    con.execute("CREATE TEMP VIEW taken AS FROM kept_rows SEMI JOIN kept_run USING (run_id)")
    for table in stage.reads:
        if table in STAGES and not STAGES[table].per_shard:  # of all runs: those of the other shards are enough
            bind(con, table, files_of(table, results, ()), f"every_{table}")
            con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS FROM every_{table} SEMI JOIN run USING (run_id)")


def _is_large(con: duckdb.DuckDBPyConnection) -> bool:
    # Both counts stand in the footers of the Parquet: no column is read.
    found = con.execute(
        "SELECT (SELECT count(*) FROM samples) + $device * (SELECT count(*) FROM device) > $most",
        {"device": SAMPLES_PER_DEVICE, "most": SAMPLES_PER_SLICE},
    ).fetchall()
    return bool(found[0][0])


def _copy_slices(con: duckdb.DuckDBPyConnection, stage: Stage, out: Path, settings: Mapping[str, Any]) -> None:
    """Compute some runs after the others: none depends on another, and memory need not grow with all of them."""
    # What a slice gave back is not kept for the next one: 25 MB less for a tenth more CPU.
    con.execute("SET allocator_bulk_deallocation_flush_threshold = '1MB'")
    ends = con.execute(
        "SELECT max(run_id) FROM (SELECT run_id, sum(sum(n)) OVER (ORDER BY run_id) // $most AS slice FROM ("
        "SELECT run_id, count(*) AS n FROM samples GROUP BY run_id"
        " UNION ALL SELECT run_id, $device * count(*) FROM device GROUP BY run_id"
        ") GROUP BY run_id) GROUP BY slice ORDER BY slice",
        {"device": SAMPLES_PER_DEVICE, "most": SAMPLES_PER_SLICE},
    ).fetchall()
    within = [f"run_id <= {quote(end)}" for (end,) in ends[:-1]] + ["true"]
    beyond = ["true"] + [f"run_id > {quote(end)}" for (end,) in ends[:-1]]
    tables = [table for table in stage.reads if "run_id" in COLUMNS[table]]
    for table in tables:
        con.execute(f"ALTER VIEW {table} RENAME TO every_{table}")
    with TemporaryDirectory(dir=out.parent, prefix=f"{out.name}-") as folder:
        parts = [Path(folder) / f"{number}.parquet" for number in range(len(within))]
        for part, first, last in zip(parts, beyond, within, strict=True):
            for table in tables:
                con.execute(f"CREATE OR REPLACE TEMP VIEW {table} AS FROM every_{table} WHERE {first} AND {last}")
            _copy_sorted(con, stage, part, settings)
        files = ", ".join(quote(part) for part in parts)
        con.execute(f"COPY (FROM read_parquet([{files}])) TO {quote(out)} (FORMAT parquet, COMPRESSION zstd)")


def _copy_sorted(con: duckdb.DuckDBPyConnection, stage: Stage, out: Path, settings: Mapping[str, Any]) -> None:
    from green.engine import duckdb  # noqa: PLC0415 -- as above

    try:
        _copy(con, stage, out, settings)
    except duckdb.Error as error:
        if UNSORTED not in str(error):
            raise
        # as ingest sorts: of two powers at one time, the order decides the energy
        order = "run_id, device_id, sampled_at, power_w, energy_j"
        con.execute(f"CREATE TEMP TABLE in_order AS FROM samples ORDER BY {order}")
        con.execute("CREATE OR REPLACE TEMP VIEW samples AS FROM in_order")
        _copy(con, stage, out, settings)
        con.execute("DROP TABLE in_order")


def _copy(
    con: duckdb.DuckDBPyConnection, stage: Stage, out: Path, settings: Mapping[str, Any], *, taken: bool = False
) -> None:
    typed = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in stage.gives.items())
    rows = f"SELECT {typed} FROM ({text_of(stage.name)})"
    if taken:
        rows = f"{rows} UNION ALL FROM taken ORDER BY {stage.order}"
    con.execute(
        f"COPY ({rows}) TO {quote(out)} (FORMAT parquet, COMPRESSION zstd)",
        {name: settings[name] for name in stage.settings},
    )
