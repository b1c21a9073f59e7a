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
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from green import record as records
from green.assemble import LogRead, Rows, assemble, drafts, site_of, zone
from green.index import PACKED, RECORDS, digest_of
from green.model import Record
from green.readers import HEAD_BYTES, Log, Unreadable, readers, recognise
from green.sink import FileSink, SampleFile
from green.tables import INGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import duckdb

    from green.config import Config
    from green.index import File
    from green.readers import Reader

VERSION = "1"  # bump when the same log would give other rows; the cache and every shard follow
UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
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
BY_SOURCE = ("run", "rejects", "inputs")


@dataclass(slots=True)
class Shard:
    """Where a shard's work goes while it is done."""

    config: Config
    logs: Path
    samples: SampleFile
    rows: Rows
    series: list[tuple[int, str, str, int | None]]
    readers: Sequence[Reader]


def ingest(
    config: Config,
    index: dict[str, list[File]],
    *,
    settings: str,
    out: Path,
    cache: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Read every source of a shard and write one Parquet file a table below `out`."""
    import duckdb  # noqa: PLC0415 -- 120 ms, only where data is moved

    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        temp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".ingest-", dir=out)))
        con = stack.enter_context(duckdb.connect(config={"threads": 1, "temp_directory": str(temp / "spill")}))
        con.execute("SET TimeZone = 'UTC'")
        kept = _kept(con, index, settings, cache)
        with (temp / "samples.csv").open("w", encoding="ascii") as stream:
            samples = SampleFile(stream)
            shard = Shard(config, Path(config.logs), samples, Rows(), [], readers())
            for number, source in enumerate(sorted(index)):
                if source not in kept:
                    _source(shard, source, index[source])
                progress(number + 1)
            samples.flush()
        _write(con, shard, temp, out, cache if kept else None)
    _remember(index, settings, out, cache)


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
    con.execute("INSERT INTO kept SELECT unnest($sources)", {"sources": sorted(map(_text, same))})
    shared = con.execute(  # a run_id of two sources cannot be told apart below: read both anew
        f"SELECT list(DISTINCT source) FROM (SELECT source, count(DISTINCT source) OVER (PARTITION BY run_id) AS n"
        f" FROM {_scan(cache, 'run')}) WHERE n > 1"
    ).fetchone()
    again = set((shared[0] if shared else None) or ())
    con.execute("DELETE FROM kept WHERE list_contains($again, source)", {"again": sorted(again)})
    return {source for source in same if _text(source) not in again}


def _text(name: str) -> str:
    """Make a path printable: bytes that are no UTF-8 and NULs become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\0", "\ufffd")


def _source(shard: Shard, source: str, files: Sequence[File]) -> None:
    """Read one source; whatever it holds, the shard goes on."""
    shown = _text(source)
    names = [str(file[0]) for file in files]
    home = "" if source == "." else f"{source}/"
    own = next((name for kind in RECORDS for name in names if name == f"{home}{kind}"), None)
    record = None
    if own is not None:
        record = records.read(str(shard.logs / own), _text(own))
        for mistake in record.mistakes:
            _reject(shard, shown, _text(own), mistake.line, mistake.reason, mistake.detail)
        _input(shard, shown, own, "record")
    site = site_of(record.record if record else Record(), [], shard.config)[1]
    local = zone(site.timezone)
    logs = []
    for name in names:
        if name == own:
            continue
        log = _log(shard, shown, name, local)
        if log is not None:
            logs.append(log)
    first = len(shard.rows.tables.get("run", ()))
    for draft in drafts(shown, logs, record, shard.logs.name):
        shard.series.extend(assemble(draft, shown, shard.config, shard.rows))
        inputs = [log.file for log, _ in draft.parts] + ([record.file] if record else [])
        for file in dict.fromkeys(inputs):
            shard.rows.add("run_inputs", run_id=draft.run_id, file=file)
    runs = [row["run_id"] for row in shard.rows.tables.get("run", ())[first:]]
    for log in logs:
        owner = runs[0] if len(runs) == 1 else None
        for reject in [*log.sink.rejects, *log.sink.more.values()]:
            _reject(
                shard,
                shown,
                log.file,
                reject.line,
                reject.reason,
                reject.detail,
                lines=reject.lines,
                run=owner,
            )


def _log(shard: Shard, source: str, name: str, local: Any) -> LogRead | None:  # noqa: ANN401 -- a tzinfo or None
    """Recognise and read one log; None where nobody can, with the reason in `rejects`."""
    path, shown = str(shard.logs / name), _text(name)
    if name.endswith(PACKED):
        _input(shard, source, name, None)
        _reject(shard, source, shown, None, "COMPRESSED", "compressed logs are not read yet: unpack it")
        return None
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 -- a name of undecodable bytes stays usable
            head = stream.read(HEAD_BYTES)
    except OSError as error:
        _reject(shard, source, shown, None, "UNREADABLE", error.strerror or "cannot be opened")
        return None
    encoding = UTF16.get(head[:2]) or _guess(head)
    text = head.decode(encoding, "replace")
    log = Log(path, shown, text, encoding, local or UTC, local is None)
    reader = recognise(log, shard.readers) if head else None
    if reader is None:
        _input(shard, source, name, None)
        reason = "EMPTY" if not head else "BINARY" if "\0" in text else "NOT_RECOGNISED"
        detail = "nothing in the file" if not head else "no reader recognises it; `green readers` lists the formats"
        _reject(shard, source, shown, None, reason, detail)
        return None
    sink = FileSink(shard.samples, shard.config.ingest.most_rejects_per_file)
    try:
        reader.read(log, sink)
    except Unreadable as error:
        sink.reject(None, "UNREADABLE", str(error))
    except OSError as error:
        sink.reject(None, "UNREADABLE", error.strerror or "cannot be read to its end")
    _input(
        shard,
        source,
        name,
        reader.name,
        has_readings=any(s.samples for s in sink.all_series) or bool(sink.statements),
    )
    return LogRead(shown, sink, reader.holds_many)


def _guess(head: bytes) -> str:
    """Tell the encoding of a text without a mark: UTF-16 by its NULs, else UTF-8, else Latin-1."""
    if len(head) > 3 and head[1:200:2].count(0) > 0.8 * len(head[1:200:2]):  # noqa: PLR2004 -- most high bytes are 0 in Western text
        return "utf-16-le"
    try:
        head[: max(len(head) - 4, 0)].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.reason == "unexpected end of data" else "latin-1"
    return "utf-8"


def _input(shard: Shard, source: str, name: str, reader: str | None, *, has_readings: bool = False) -> None:
    path = shard.logs / name
    try:
        with path.open("rb") as stream:
            digest = digest_of(stream)
            size = stream.tell()
    except OSError:
        return
    shard.rows.add(
        "inputs",
        source=source,
        file=_text(name),
        sha256=digest,
        bytes=size,
        reader=reader,
        has_readings=has_readings,
    )


def _reject(  # noqa: PLR0913 -- one argument a column
    shard: Shard,
    source: str,
    file: str,
    line: int | None,
    reason: str,
    detail: str,
    *,
    lines: int = 1,
    run: str | None = None,
) -> None:
    shard.rows.add(
        "rejects", source=source, file=file, line=line, lines=lines, reason=reason, detail=detail, run_id=run
    )


def _scan(folder: Path, table: str) -> str:
    path = str(folder / f"{table}.parquet").replace("'", "''")
    return f"read_parquet('{path}')"


def _columns(table: str) -> str:
    return ", ".join(f'"{name}"' for name in INGEST[table])


def _write(con: duckdb.DuckDBPyConnection, shard: Shard, temp: Path, out: Path, cache: Path | None) -> None:
    """Write every table, the rows taken over and the new ones together, in one order."""
    with (temp / "series.json").open("w", encoding="utf-8") as stream:
        for number, run_id, device_id, gap in shard.series:
            row = {"series": number, "run_id": run_id, "device_id": device_id, "max_gap_us": gap}
            stream.write(json.dumps(row) + "\n")
    con.execute(
        "CREATE TEMP TABLE series AS SELECT * FROM read_json($file, format = 'newline_delimited', columns ="
        " {series: 'BIGINT', run_id: 'VARCHAR', device_id: 'VARCHAR', max_gap_us: 'BIGINT'})",
        {"file": str(temp / "series.json")},
    )
    for table, columns in INGEST.items():
        new = _samples(temp) if table == "samples" else _small(shard, table, columns, temp)
        parts = [new] + ([_taken_over(table, cache)] if cache is not None else [])
        part = temp / f"{table}.parquet"
        con.execute(
            f"COPY (SELECT {_columns(table)} FROM ({' UNION ALL '.join(parts)}) ORDER BY {ORDER[table]})"
            f" TO '{str(part).replace(chr(39), chr(39) * 2)}' (FORMAT parquet, COMPRESSION zstd)"
        )
        part.replace(out / part.name)


def _samples(temp: Path) -> str:
    file = str(temp / "samples.csv").replace("'", "''")
    return (
        "SELECT run_id, device_id, make_timestamptz(t_us) AS sampled_at, power_w, energy_j, max_gap_us"
        f" FROM read_csv('{file}', header = false, auto_detect = false, delim = ',', quote = '', escape = '',"
        " columns = {'number': 'BIGINT', 't_us': 'BIGINT', 'power_w': 'DOUBLE', 'energy_j': 'DOUBLE'})"
        " JOIN series ON series.series = number"
    )


def _small(shard: Shard, table: str, columns: dict[str, str], temp: Path) -> str:
    path = temp / f"{table}.json"
    with path.open("w", encoding="utf-8") as stream:
        for row in shard.rows.tables.get(table, ()):
            stream.write(json.dumps(row) + "\n")
    raw = {"TIMESTAMPTZ": "BIGINT"}
    types = ", ".join(
        f"\"{name}\": '{'VARCHAR' if kind.startswith('DECIMAL') else raw.get(kind, kind)}'"
        for name, kind in columns.items()
    )
    picked = ", ".join(
        f'make_timestamptz("{name}") AS "{name}"' if kind == "TIMESTAMPTZ" else f'CAST("{name}" AS {kind}) AS "{name}"'
        for name, kind in columns.items()
    )
    file = str(path).replace("'", "''")
    return f"SELECT {picked} FROM read_json('{file}', format = 'newline_delimited', columns = {{{types}}})"


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
