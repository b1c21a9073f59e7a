"""Hold a reader to what every reader must keep: `conformance(READER, folder)` returns what is wrong, if anything is.

The folder holds logs and `expect.csv`, a row a run: `file,run,energy_kwh,method,reasons`. `run` is the part of
its id after the file's name (blank: the file itself), a blank `energy_kwh` is an unknown energy, and `reasons`
are the codes of all lines of the file that are refused. A file with a blank `run` and the method `refused` is
one that no reader may recognise. Energies are those of the pipeline's own SQL.
"""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from green import ingest, stages
from green.config import Config
from green.index import scan
from green.readers import HEAD_BYTES, ByColumns, Log, Unreadable, is_general, readers
from green.sink import FileSink, SampleFile
from green.source import UTF16, guess
from green.tables import INGEST, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.readers import Reader

EXPECTED = "expect.csv"
REFUSED = "refused"
TOLERANCE = Decimal("1e-9")  # of an energy
MUTATIONS = 60  # of each log
SHARD = "all"
ODD = (b"", b"\0", b'"', b",", b"|", b"\t", b"\n", b"{", b"}", b"[", b"nan", b"-1", b"1e999", b"9" * 5000, b"\xff\xfe")


@dataclass(frozen=True, slots=True)
class _Row:
    """A run as it is expected, or as it was found."""

    run_id: str
    energy_kwh: Decimal | None
    method: str


def conformance(reader: Reader, folder: Path, *, mutations: int = MUTATIONS, seed: int = 0) -> list[str]:
    """Read every log of a folder as the pipeline does, and damaged copies of each; return what is wrong."""
    installed = readers()
    among = sorted([*(one for one in installed if one.name != reader.name), reader], key=is_general)
    wrong = _compared(reader, folder, among)
    if isinstance(reader, ByColumns):
        wrong += _either_way(folder, among, mutations, seed)
    for path in sorted(folder.iterdir()):
        if path.name == EXPECTED or not path.is_file():
            continue
        text = path.read_bytes()
        if (first := _told(reader, path, text)) != _told(reader, path, text):
            wrong.append(f"{path.name}: read twice, it says two things")
        elif isinstance(first, Exception):
            wrong.append(f"{path.name}: {type(first).__name__}: {first}")
        for number, damaged in enumerate(mutated(text, mutations, seed)):
            told = _told(reader, path, damaged)
            if isinstance(told, Exception):
                wrong.append(f"{path.name}, mutation {number} of seed {seed}: {type(told).__name__}: {told}")
    return wrong


def _either_way(folder: Path, among: Sequence[Reader], mutations: int, seed: int) -> list[str]:
    """Return the tables that differ between logs, and damaged copies, read by columns and read line by line."""
    with tempfile.TemporaryDirectory(prefix="green-") as work:
        logs = Path(work) / "logs"
        logs.mkdir()
        for path in sorted(folder.iterdir()):
            if path.name != EXPECTED and path.is_file():
                text = path.read_bytes()
                for number, copy in enumerate([text, *mutated(text, mutations, seed)]):
                    (logs / f"{number}-{path.name}").write_bytes(copy)
        config, sources = Config(logs=str(logs)), scan(logs).sources
        ways = {way: Path(work) / way for way in ("by columns", "line by line")}
        for way, out in ways.items():
            by_columns = way == "by columns"
            ingest.ingest(
                config, sources, settings="", out=out, cache=out / "cache", among=among, by_columns=by_columns
            )
        with stages.connect() as con:
            tables = {
                table: [con.execute(f"FROM {quote(out / f'{table}.parquet')}").fetchall() for out in ways.values()]
                for table in INGEST
            }
    return [
        f"{table}: other rows by columns than line by line" for table, (one, other) in tables.items() if one != other
    ]


def mutated(text: bytes, count: int, seed: int) -> list[bytes]:
    """Return damaged copies of a log: cut, repeated, swapped and odd bytes, the same ones for a seed."""
    found = []
    for number in range(count):
        random_ = random.Random(f"{seed}:{number}")  # noqa: S311 -- to repeat a damage, not to keep a secret
        copy = bytearray(text)
        for _ in range(random_.randint(1, 4)):
            start = random_.randint(0, len(copy))
            end = min(len(copy), start + random_.choice((0, 1, 4, 40, 400)))
            kind = random_.randrange(5)
            if kind == 0:
                copy[start:end] = random_.choice(ODD)
            elif kind == 1:
                del copy[start:]
            elif kind == 2:  # noqa: PLR2004 -- the kinds of damage in turn
                copy[start:start] = copy[start:end] * 3
            elif kind == 3:  # noqa: PLR2004 -- as above
                copy[start:end] = bytes(random_.randrange(256) for _ in range(end - start))
            else:
                lines = copy.split(b"\n")
                random_.shuffle(lines)
                copy = bytearray(b"\n".join(lines))
        found.append(bytes(copy))
    return found


def told_by(reader: Reader, log: Log) -> list[object]:
    """Return all that a reader says of a log, in its order; a log that it refuses says why."""
    samples = io.StringIO()
    file = SampleFile(samples)
    sink = FileSink(file, most_rejects=200)
    try:
        reader.read(log, sink)
    except Unreadable as reason:
        sink.reject(None, "UNREADABLE", str(reason))
    file.flush()
    said: list[object] = [sink.runs, sink.statements, sink.hardware, sink.rejects, sink.more, samples.getvalue()]
    return [repr(one) for one in said]


def opened(path: Path, shown: str) -> Log:
    """Open a log as the pipeline does."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    encoding = UTF16.get(head[:2]) or guess(head)
    return Log(
        str(path),
        shown,
        head.decode(encoding, "replace"),
        encoding,
        UTC,
        zone_assumed=True,
        is_whole=len(head) < HEAD_BYTES,
    )


def _told(reader: Reader, path: Path, text: bytes) -> list[object] | Exception:
    """Return what a reader says of these bytes, or what it raised: any error at all is a finding."""
    with tempfile.TemporaryDirectory(prefix="green-") as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(text)
        log = opened(copy, path.name)
        try:
            return told_by(reader, log) if reader.recognises(log) else []
        except Exception as error:  # noqa: BLE001 -- whatever a reader raises is what this looks for
            return error


def _compared(reader: Reader, folder: Path, among: Sequence[Reader]) -> list[str]:
    """Return where recognition, energies, methods or refusals differ from what is expected."""
    wrong = []
    expected, reasons = _expected(folder)
    found, refused, read_as = _found(folder, among)
    for name in sorted(expected):
        every = [one for one in among if one.recognises(opened(folder / name, name))]
        takers = [one.name for one in [one for one in every if not is_general(one)] or every]
        wanted = [] if expected[name] is None else [reader.name]
        if takers != wanted:
            wrong.append(f"{name}: recognised by {takers or 'nobody'}, expected {wanted or 'nobody'}")
        if (read_as.get(name) is not None) != bool(wanted):
            wrong.append(f"{name}: read as {read_as.get(name)}")
        if wanted and refused[name] != reasons[name]:
            wrong.append(f"{name}: refused {sorted(refused[name])}, expected {sorted(reasons[name])}")
        rows = {row.run_id: row for row in expected[name] or ()}
        for run_id in sorted(rows.keys() | found[name].keys()):
            difference = _difference(rows.get(run_id), found[name].get(run_id))
            if difference:
                wrong.append(f"{run_id}: {difference}")
    unnamed = {path.name for path in folder.iterdir() if path.is_file()} - expected.keys() - {EXPECTED}
    return wrong + [f"{name}: {EXPECTED} does not name it" for name in sorted(unnamed)]


def _difference(wanted: _Row | None, found: _Row | None) -> str | None:
    """Say how a run differs from what is expected."""
    if wanted is None or found is None:
        return "is no run that is expected" if wanted is None else "is not found"
    if (wanted.energy_kwh is None) != (found.energy_kwh is None):
        return f"{found.energy_kwh} kWh, expected {wanted.energy_kwh}"
    if wanted.energy_kwh is not None and found.energy_kwh is not None:
        away = abs(found.energy_kwh - wanted.energy_kwh)
        if away > TOLERANCE * abs(wanted.energy_kwh):
            return f"{found.energy_kwh} kWh, expected {wanted.energy_kwh}"
    return (
        None if wanted.method == found.method else f"{found.method or 'no method'}, expected {wanted.method or 'none'}"
    )


def _expected(folder: Path) -> tuple[dict[str, list[_Row] | None], dict[str, set[str]]]:
    """Read expect.csv: runs by file (None: nobody may read it), and reasons by file."""
    rows: dict[str, list[_Row] | None] = {}
    reasons: dict[str, set[str]] = defaultdict(set)
    with (folder / EXPECTED).open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            name, own = row["file"], row["run"]
            reasons[name] |= set(row["reasons"].split())
            if row["method"] == REFUSED:
                rows[name] = None
                continue
            energy = Decimal(row["energy_kwh"]) if row["energy_kwh"] else None
            kept = rows.setdefault(name, [])
            if kept is not None and own != "-":  # a dash: a file that is read and yields no run
                kept.append(_Row(f"{name}#{own}" if own else name, energy, row["method"]))
    return rows, reasons


def _found(
    folder: Path, among: Sequence[Reader]
) -> tuple[dict[str, dict[str, _Row]], dict[str, set[str]], dict[str, str | None]]:
    """Read a folder by the stages ingest and energy; return runs, reasons and readers by file."""
    config = Config(logs=str(folder.resolve()))
    rows: dict[str, dict[str, _Row]] = defaultdict(dict)
    refused: dict[str, set[str]] = defaultdict(set)
    with tempfile.TemporaryDirectory(prefix="green-") as work:
        results = Path(work)
        sources = scan(folder).sources
        sources.pop(EXPECTED, None)
        out = results / "ingest" / SHARD
        ingest.ingest(config, sources, settings="", out=out, cache=results / "cache" / SHARD, among=among)
        energy = results / "energy" / f"{SHARD}.parquet"
        settings = stages.settings_of(config)["energy"]
        stages.run(stages.STAGES["energy"], results, [SHARD], energy, settings=settings)
        with stages.connect() as con:
            for table in ("run", "inputs", "rejects", "energy"):
                stages.bind(con, table, stages.files_of(table, results, [SHARD]))
            found = con.execute(
                "SELECT r.source, r.run_id, sum(e.energy_kwh) FILTER (WHERE e.is_counted), coalesce(string_agg("
                "DISTINCT e.method, '+' ORDER BY e.method) FILTER (WHERE e.is_counted AND e.energy_kwh IS NOT NULL),"
                " '') FROM run r LEFT JOIN energy e USING (run_id) GROUP BY ALL"
            ).fetchall()
            for source, run_id, energy_kwh, method in found:
                rows[source][run_id] = _Row(run_id, energy_kwh, method)
            for file, reason in con.execute("SELECT DISTINCT file, reason FROM rejects").fetchall():
                refused[file].add(reason)
            read_as = dict(con.execute("SELECT file, reader FROM inputs").fetchall())
    return rows, refused, read_as
