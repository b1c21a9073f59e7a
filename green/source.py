"""Read one source, log by log: recognise, read, put together; whatever it holds, the shard goes on."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from green import record as records
from green.assemble import assemble, site_of, zone
from green.draft import LogRead, Rows, drafts
from green.index import RECORDS, digest_of, printable
from green.layout import Layouts
from green.readers import HEAD_BYTES, Log, Unreadable, layouts, lookalikes, recognise
from green.sink import FileSink, SampleFile
from green.unpack import Packed, kind_of, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.bulk import Bulk, Taken
    from green.config import Config
    from green.index import File
    from green.readers import Reader
    from green.record import ReadRecord

UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(slots=True)
class Shard:
    """Where a shard's work goes while it is done."""

    config: Config
    logs: Path
    samples: SampleFile
    rows: Rows
    series: list[tuple[int, str, str, int | None]]
    readers: Sequence[Reader]
    shifts: dict[int, int] = field(default_factory=dict)  # of series without a date, from their run's record
    taken: dict[str, Taken] = field(default_factory=dict)  # regular logs, read already
    layouts: Layouts = field(init=False)

    def __post_init__(self) -> None:
        """Ask the readers how their tools lay out their files."""
        self.layouts = Layouts(layouts(self.readers))


@dataclass(slots=True)
class Opened:
    """A source whose record is read and whose logs are to be."""

    shown: str
    names: list[str]  # of its logs
    record: ReadRecord | None
    local: tzinfo | None


def open_source(shard: Shard, source: str, files: Sequence[File], bulk: Bulk | None = None) -> Opened:
    """Read the record of a source, and have its regular logs taken by `bulk`."""
    shown = printable(source)
    names = [str(file[0]) for file in files]
    home = "" if source == "." else f"{source}/"
    own = next((name for kind in RECORDS for name in names if name == f"{home}{kind}"), None)
    record = None
    if own is not None and (fault := _fault(shard.logs, str(shard.logs / own))) is not None:
        _reject(shard, shown, printable(own), None, *fault)
    elif own is not None:
        record = records.read(str(shard.logs / own), printable(own))
        for mistake in record.mistakes:
            _reject(shard, shown, printable(own), mistake.line, mistake.reason, mistake.detail)
        _input(shard, shown, own, "record")
    site = site_of(record, [], shard.config)[1]
    opened = Opened(shown, [name for name in names if name != own], record, zone(site.timezone))
    if bulk is not None:
        for name in opened.names:
            path = os.path.join(shard.logs, name)  # noqa: PTH118 -- a text, for thousands of logs
            if _fault(shard.logs, path) is None:
                with suppress(OSError):  # a log that cannot be read is refused when its turn comes
                    bulk.take(name, path, opened.local)
    return opened


def close_source(shard: Shard, opened: Opened) -> None:
    """Read the logs of a source that nobody has taken, and add what it holds to the shard's rows."""
    shown, record = opened.shown, opened.record
    seen: dict[str, str] = {}
    read = [_log(shard, shown, name, opened.local, seen) for name in opened.names]
    logs = [log for log in read if log is not None]
    first = len(shard.rows.tables.get("run", ()))
    for draft in drafts(shown, logs, record, shard.logs.name):
        shard.series.extend(assemble(draft, shown, shard.config, shard.rows))
        inputs = [log.file for log, _ in draft.parts] + ([record.file] if record else [])
        for file in dict.fromkeys(inputs):
            shard.rows.add("run_inputs", run_id=draft.run_id, file=file)
    shard.shifts.update({s.number: s.shift_us for log in logs for s in log.sink.all_series if s.shift_us})
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


def _log(shard: Shard, source: str, name: str, local: tzinfo | None, seen: dict[str, str]) -> LogRead | None:
    """Recognise and read one log, unpacked where it is compressed; None where nobody can, with the reason."""
    path, shown = os.path.join(shard.logs, name), printable(name)  # noqa: PTH118 -- as above
    if (taken := shard.taken.pop(name, None)) is not None:
        is_copy = _is_copy(shard, source, name, taken.known, taken.known[0], seen)
        return None if is_copy else _read(shard, source, name, taken.known, taken.reader, taken.sink)
    if (fault := _fault(shard.logs, path)) is not None:
        _reject(shard, source, shown, None, *fault)
        return None
    try:
        head, known = _glance(path)
    except OSError as error:
        _reject(shard, source, shown, None, "UNREADABLE", error.strerror or "cannot be opened")
        return None
    kind = kind_of(head)
    if kind is None:
        return _plain(shard, source, name, path, head, known, local, seen)
    beside = getattr(shard.samples.stream, "name", None)  # where there is room for what a shard writes
    with tempfile.NamedTemporaryFile(prefix=".unpacked-", dir=os.path.dirname(beside) if beside else None) as out:  # noqa: PTH120 -- a text
        try:
            digest = unpack(path, kind, out, most_bytes=shard.config.ingest.most_unpacked_bytes)
        except (Packed, OSError) as error:
            _input(shard, source, name, None, known=known)
            reason = error.reason if isinstance(error, Packed) else "UNREADABLE"
            _reject(shard, source, shown, None, reason, str(error)[:200])
            return None
        out.flush()
        out.seek(0)
        return _plain(shard, source, name, out.name, out.read(HEAD_BYTES), known, local, seen, digest=digest)


def _glance(path: str) -> tuple[bytes, tuple[str, int]]:
    """Return the head of a file, its sha256 and its size: a small one is opened and read once."""
    with open(path, "rb") as stream:  # noqa: PTH123 -- a name of undecodable bytes stays usable
        head = stream.read(HEAD_BYTES)
        if len(head) < HEAD_BYTES:
            return head, (sha256(head).hexdigest(), len(head))
        stream.seek(0)
        return head, (digest_of(stream), stream.tell())


def _fault(logs: Path, path: str) -> tuple[str, str] | None:
    """Tell why a path is not to be opened at all: no file, or a link that leads out of the logs."""
    if not os.path.isfile(path):  # noqa: PTH113 -- a name of undecodable bytes stays usable
        return "NOT_A_FILE", "a pipe, a socket or a device"
    if os.path.islink(path):  # noqa: PTH114 -- as above
        root = os.path.join(os.path.realpath(logs), "")  # noqa: PTH118 -- as above
        if not os.path.realpath(path).startswith(root):
            return "OUTSIDE", "a link that leads out of the folder of logs"
    return None


def _plain(  # noqa: PLR0913, PLR0917 -- what is known of one log
    shard: Shard,
    source: str,
    name: str,
    path: str,
    head: bytes,
    known: tuple[str, int],
    local: tzinfo | None,
    seen: dict[str, str],
    digest: str | None = None,
) -> LogRead | None:
    """Recognise and read the plain bytes of a log; `digest` is theirs where the file holds them packed."""
    shown = printable(name)
    if _is_copy(shard, source, name, known, digest or known[0], seen):
        return None
    encoding = UTF16.get(head[:2]) or guess(head)
    text = head.decode(encoding, "replace")
    log = Log(path, shown, text, encoding, local or UTC, local is None, is_whole=len(head) < HEAD_BYTES)
    reader = recognise(log, shard.readers) if head else None
    if reader is None:
        _input(shard, source, name, None, known=known)
        reason = "EMPTY" if not head else "BINARY" if "\0" in text else "NOT_RECOGNISED"
        detail = {
            "EMPTY": "nothing in the file",
            "BINARY": "not a text: it holds NUL bytes",
            "NOT_RECOGNISED": lookalikes.words(text),
        }[reason]
        _reject(shard, source, shown, None, reason, detail)
        return None
    sink = FileSink(shard.samples, shard.config.ingest.most_rejects_per_file)
    try:
        reader.read(log, sink)
    except Unreadable as error:
        sink.reject(None, "UNREADABLE", str(error))
    except OSError as error:
        sink.reject(None, "UNREADABLE", error.strerror or "cannot be read to its end")
    if reader.holds_many and not sink.runs and not sink.rejects:  # others may read a file that only adds to a run
        sink.reject(None, "NO_RUN", "its header is there, and no row of a run that began")
    return _read(shard, source, name, known, reader, sink)


def _is_copy(shard: Shard, source: str, name: str, known: tuple[str, int], digest: str, seen: dict[str, str]) -> bool:
    """Refuse a log whose bytes a log of the same source had before."""
    shown = printable(name)
    is_copy = (first := seen.setdefault(digest, shown)) != shown and bool(digest)
    if not is_copy or shard.layouts.are_values(os.path.dirname(name)):  # noqa: PTH120 -- a text
        return False
    _input(shard, source, name, None, known=known)
    _reject(shard, source, shown, None, "DUPLICATE_INPUT", f"the same bytes as {first}, which counts")
    return True


def _read(shard: Shard, source: str, name: str, known: tuple[str, int], reader: Reader, sink: FileSink) -> LogRead:
    """Add a log that was read to the inputs."""
    has_readings = any(s.samples for s in sink.all_series) or bool(sink.statements)
    _input(shard, source, name, reader.name, known=known, has_readings=has_readings)
    return LogRead(printable(name), sink, reader.holds_many, reader.name)


def guess(head: bytes) -> str:
    """Tell the encoding of a text without a mark: UTF-16 by its NULs, else UTF-8, else Latin-1."""
    if len(head) > 3 and head[1:200:2].count(0) > 0.8 * len(head[1:200:2]):  # noqa: PLR2004 -- most high bytes are 0 in Western text
        return "utf-16-le"
    try:
        head[: max(len(head) - 4, 0)].decode("utf-8")
    except UnicodeDecodeError as error:
        return "utf-8" if error.reason == "unexpected end of data" else "latin-1"
    return "utf-8"


def _digest(path: Path) -> tuple[str, int]:
    """Return sha256 and size of a file; an empty digest where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return digest_of(stream), stream.tell()
    except OSError:
        return "", 0


def _input(
    shard: Shard,
    source: str,
    name: str,
    reader: str | None,
    *,
    known: tuple[str, int] | None = None,
    has_readings: bool = False,
) -> None:
    """Add a file to the inputs; one that cannot be opened has a row of `rejects` instead."""
    digest, size = known or _digest(shard.logs / name)
    if digest:
        shard.rows.add(
            "inputs",
            source=source,
            file=printable(name),
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
