"""Ingest one shard: read its sources file by file, and leave typed, sorted Parquet.

A bad log is a row of `rejects`, never a failed shard. What a source yielded last time is kept in
`results/cache` and taken over while its files are unchanged, so that a changed log does not cost
the reading of its neighbours, however large.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from green.bulk import TEXT, Bulk
from green.draft import Rows
from green.index import printable
from green.readers import readers
from green.readers.intervals import GAP_FACTOR, MOST_GAP_US
from green.readers.mapped import Mapped
from green.sink import UNSORTED, FileSink, SampleFile
from green.source import Shard, close_source, open_source
from green.tables import INGEST, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import duckdb

    from green.config import Config
    from green.index import File
    from green.readers import Reader
    from green.source import Opened

VERSION = "4"  # bump when the same log would give other rows; the cache and every shard follow
ORDER = {
    "run": "run_id, source",
    "device": "run_id, device_id, file",
    "samples": "run_id, device_id, sampled_at, power_w, energy_j",
    "statement": "run_id, answer, file",
    "units": "run_id, unit",
    "metrics": "run_id, metric",
    "rejects": "file, line, reason",
    "inputs": "file",
    "run_inputs": "run_id, file",
}
MOST_WAITING = 2_000  # sources whose logs were taken and that are not put together yet
ENCODE = json.JSONEncoder(ensure_ascii=False).encode
BY_SOURCE = ("run", "rejects", "inputs")


def tried(config: Config, places: Iterable[str] | None = None) -> list[Reader]:
    """Return the readers that a configuration tries, its own mappings first; `places` as in `readers`."""
    return [*map(Mapped, config.readers), *readers(places)]


def ingest(  # noqa: PLR0913 -- one argument an input of the job
    config: Config,
    index: dict[str, list[File]],
    *,
    settings: str,
    out: Path,
    cache: Path,
    progress: Callable[[int], None] = lambda _: None,
    among: Sequence[Reader] | None = None,
    by_columns: bool = True,
) -> None:
    """Read every source of a shard and write one Parquet file a table below `out`.

    `among` are the readers that are tried, by default all that are installed; `by_columns` says whether regular logs
    are read by columns, which is faster and gives the same.
    """
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        temp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".ingest-", dir=out)))
        con = stack.enter_context(duckdb.connect(config={"threads": 1, "temp_directory": str(temp / "spill")}))
        con.execute("SET TimeZone = 'UTC'")
        kept = _kept(con, index, settings, cache)
        with (temp / "samples.csv").open("w", encoding="ascii") as stream:
            samples = SampleFile(stream)
            shard = Shard(
                config,
                Path(config.logs),
                samples,
                Rows(),
                [],
                tried(config) if among is None else among,
            )
            bulk = Bulk(con, temp, shard.readers, partial(FileSink, samples, config.ingest.most_rejects_per_file))
            waiting: list[Opened] = []
            for number, source in enumerate(sorted(index)):
                if source not in kept:
                    waiting.append(open_source(shard, source, index[source], bulk if by_columns else None))
                if bulk.bytes >= TEXT or len(waiting) >= MOST_WAITING:
                    _close(shard, bulk, waiting)
                progress(number + 1)
            _close(shard, bulk, waiting)
            samples.flush()
            bulk.place()
        _write(con, shard, temp, out, cache if kept else None)
    _remember(index, settings, out, cache)


def _close(shard: Shard, bulk: Bulk, waiting: list[Opened]) -> None:
    """Settle what was taken by columns and put the sources that wait together, in their order."""
    shard.taken = bulk.settle()
    for opened in waiting:
        close_source(shard, opened)
    waiting.clear()


def _kept(con: duckdb.DuckDBPyConnection, index: dict[str, list[File]], settings: str, cache: Path) -> set[str]:
    """Return the sources whose rows of last time still hold, and make them the table `kept`."""
    con.execute("CREATE TEMP TABLE kept (source VARCHAR)")
    try:
        state = json.loads((cache / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return set()
    if state["settings"] != settings or any(not (cache / f"{table}.parquet").exists() for table in INGEST):
        return set()
    same = {s for s, files in index.items() if state["sources"].get(s) == json.loads(json.dumps(files))}
    if not same:
        return set()
    con.execute("INSERT INTO kept SELECT unnest($sources)", {"sources": sorted(map(printable, same))})
    shared = con.execute(  # a run_id of two sources cannot be told apart below: read both anew
        f"SELECT list(DISTINCT source) FROM (SELECT source, count(DISTINCT source) OVER (PARTITION BY run_id) AS n"
        f" FROM {_scan(cache, 'run')}) WHERE n > 1"
    ).fetchone()
    again = set((shared[0] if shared else None) or ())
    con.execute("DELETE FROM kept WHERE list_contains($again, source)", {"again": sorted(again)})
    return {source for source in same if printable(source) not in again}


def _scan(folder: Path, table: str) -> str:
    return f"read_parquet({quote(folder / f'{table}.parquet')})"


def _columns(table: str) -> str:
    return ", ".join(f'"{name}"' for name in INGEST[table])


def _write(con: duckdb.DuckDBPyConnection, shard: Shard, temp: Path, out: Path, cache: Path | None) -> None:
    """Write every table, the rows taken over and the new ones together, in one order."""
    with (temp / "series.json").open("w", encoding="utf-8", errors="replace") as stream:
        for number, run_id, device_id, gap in shard.series:
            row = {"series": number, "run_id": run_id, "device_id": device_id, "max_gap_us": gap}
            row["shift_us"] = shard.shifts.get(number, 0)
            stream.write(ENCODE(row) + "\n")
    con.execute(
        "CREATE TEMP TABLE series AS SELECT * FROM read_json($file, format = 'newline_delimited', columns ="
        " {series: 'BIGINT', run_id: 'VARCHAR', device_id: 'VARCHAR', max_gap_us: 'BIGINT', shift_us: 'BIGINT'})",
        {"file": str(temp / "series.json")},
    )
    for column in ("run_id", "device_id") if shard.series else ():  # numbers sort in half the time of their texts
        con.execute(f"CREATE TYPE {column}s AS ENUM (SELECT DISTINCT {column} FROM series ORDER BY {column})")
        con.execute(f"ALTER TABLE series ALTER {column} TYPE {column}s")
    _readings(con, temp)
    _sort_gaps(con)
    for table, columns in INGEST.items():
        new = _SAMPLES if table == "samples" else _small(shard, table, columns, temp)
        parts = [new] + ([_taken_over(table, cache)] if cache is not None else [])
        part = temp / f"{table}.parquet"
        con.execute(
            f"COPY (SELECT {_columns(table)} FROM ({' UNION ALL '.join(parts)}) ORDER BY {ORDER[table]})"
            f" TO {quote(part)} (FORMAT parquet, COMPRESSION zstd)"
        )
        part.replace(out / part.name)


def _sort_gaps(con: duckdb.DuckDBPyConnection) -> None:
    """Find the longest interval of devices whose logs were not in order: the same rule, after sorting."""
    unsorted = con.execute("SELECT count(*) FROM series WHERE max_gap_us = $mark", {"mark": UNSORTED}).fetchone()
    if unsorted == (0,):
        return
    con.execute(
        "UPDATE series SET max_gap_us = found.gap FROM ("
        "SELECT run_id, device_id, cast(least($factor * median(us), $most) AS BIGINT) AS gap FROM ("
        "SELECT run_id, device_id, t_us - lag(t_us) OVER (PARTITION BY run_id, device_id ORDER BY t_us) AS us"
        " FROM readings JOIN series ON series.series = number WHERE max_gap_us = $mark)"
        " WHERE us > 0 GROUP BY run_id, device_id) AS found"
        " WHERE series.run_id = found.run_id AND series.device_id = found.device_id",
        {"factor": GAP_FACTOR, "most": MOST_GAP_US, "mark": UNSORTED},
    )
    con.execute("UPDATE series SET max_gap_us = NULL WHERE max_gap_us = $mark", {"mark": UNSORTED})


_SAMPLES = (
    "SELECT run_id, device_id, make_timestamptz(t_us + shift_us) AS sampled_at, power_w, energy_j, max_gap_us"
    " FROM readings JOIN series ON series.series = number"
)


def _readings(con: duckdb.DuckDBPyConnection, temp: Path) -> None:
    """Bring the readings of both ways together: of the readers' text, and of the logs that were read by columns."""
    con.execute(
        f"CREATE TEMP VIEW readings AS SELECT * FROM read_csv({quote(temp / 'samples.csv')}, header = false,"
        " auto_detect = false, delim = ',', quote = '', escape = '', columns = {'number': 'BIGINT', 't_us': 'BIGINT',"
        " 'power_w': 'DOUBLE', 'energy_j': 'DOUBLE'}) UNION ALL SELECT number, t_us + ahead_us, power_w, NULL"
        " FROM bulk JOIN placed USING (piece)"
    )


def _small(shard: Shard, table: str, columns: dict[str, str], temp: Path) -> str:
    path = temp / f"{table}.json"
    with path.open("w", encoding="utf-8", errors="replace") as stream:  # half a surrogate pair is no text
        for row in shard.rows.tables.get(table, ()):
            stream.write(ENCODE({key: value for key, value in row.items() if value is not None}) + "\n")
    raw = {"TIMESTAMPTZ": "BIGINT"}
    types = ", ".join(
        f"\"{name}\": '{'VARCHAR' if kind.startswith('DECIMAL') else raw.get(kind, kind)}'"
        for name, kind in columns.items()
    )
    picked = ", ".join(
        f'make_timestamptz("{name}") AS "{name}"' if kind == "TIMESTAMPTZ" else f'CAST("{name}" AS {kind}) AS "{name}"'
        for name, kind in columns.items()
    )
    return f"SELECT {picked} FROM read_json({quote(path)}, format = 'newline_delimited', columns = {{{types}}})"


def _taken_over(table: str, cache: Path) -> str:
    columns = _columns(table)
    if table in BY_SOURCE:
        return f"SELECT {columns} FROM {_scan(cache, table)} SEMI JOIN kept USING (source)"
    owners = f"(SELECT DISTINCT run_id FROM {_scan(cache, 'run')} SEMI JOIN kept USING (source))"
    return f"SELECT {columns} FROM {_scan(cache, table)} SEMI JOIN {owners} USING (run_id)"


def _remember(index: dict[str, list[File]], settings: str, out: Path, cache: Path) -> None:
    """Keep this time's Parquet for the next: hard links, for Snakemake deletes the outputs of a job that runs again."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "state.json").unlink(missing_ok=True)
    for table in INGEST:
        kept = cache / f"{table}.parquet"
        kept.unlink(missing_ok=True)
        try:
            os.link(out / kept.name, kept)
        except OSError:  # a file system without hard links: pay for a copy
            shutil.copyfile(out / kept.name, kept)
    state = {"settings": settings, "sources": index}
    part = cache / ".state.json"
    part.write_text(json.dumps(state), encoding="utf-8")
    part.replace(cache / "state.json")
