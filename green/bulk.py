"""Read the logs that are regular by columns: DuckDB parses the lines of many at once, to what their reader would give.

A log is regular where its header tells its reader all (`ByColumns`) and every line below it is a reading like the
others, in the order of time, with nothing to refuse and nothing to flag. Any other is left to its reader, as a whole:
when in doubt, a log is not regular. The lines go to a text, with the number of a piece before each: lines of one
device of one log that stand together there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from green.alike import Alike, Blocks, device_of, first_rows
from green.index import printable
from green.readers import HEAD_BYTES, ByColumns, Log, by_words
from green.readers.intervals import Asked, Intervals
from green.readers.parse import steady_us
from green.sink import FIRST_US, LAST_US, MOST_W
from green.tables import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import tzinfo
    from pathlib import Path
    from typing import BinaryIO

    import duckdb

    from green.alike import Form, Part
    from green.readers import Columns, Reader
    from green.sink import FileSink

MOST_HEADER = 4096  # bytes; a longer line is no header
MOST_HEADERS = 4096  # that are remembered
BUFFER = 1 << 20
TEXT = 32 << 20  # bytes of lines that wait for DuckDB
TIME = "____/__/__ __:__:__.___"
MIDNIGHT = " 24:"  # which DuckDB takes for the next day's

# The intervals of pieces: the lines of each stand together, as they were written.
_STEPS = """
SELECT piece, t_us, power_w, is_same, CASE WHEN piece = lag(piece) OVER () THEN t_us - lag(t_us) OVER () END AS us
FROM bulk WHERE piece BETWEEN $first AND $last
"""
_FOUND = f"""
SELECT
    piece,
    min(t_us),
    max(t_us),
    CAST(2 * median(us) FILTER (us > 0) AS BIGINT) AS middle_us,
    count(*) AS lines,
    count(t_us) = count(*) AND count(power_w) = count(*) AND min(power_w) >= 0 AND max(power_w) <= {MOST_W}
    AND count(*) FILTER (us < 0 OR is_same IS DISTINCT FROM true) = 0 AS is_regular
FROM ({_STEPS})
GROUP BY piece
"""
_COUNTS = f"""
SELECT us, count(*) FROM ({_STEPS}) WHERE us > 0 AND piece IN (SELECT unnest($numbers)) GROUP BY us
"""


@dataclass(slots=True)
class Piece:
    """Lines of one device of one log that stand together in the text, and what DuckDB found in them."""

    number: int
    lines: int
    first_us: int = 0  # in the zone of the log
    last_us: int = 0
    middle_us: int | None = None  # the sum of the two middle intervals
    is_regular: bool = False


@dataclass(slots=True)
class Taken:
    """A log whose lines were taken, and what it yields."""

    known: tuple[str, int]  # sha256 and bytes
    reader: Reader
    sink: FileSink
    zone: tzinfo
    pieces: list[list[Piece]]  # of each series


@dataclass(slots=True)
class _Text:
    """Lines of one form that wait for DuckDB."""

    stream: BinaryIO
    insert: str
    bytes: int = 0


class Bulk:
    """The regular logs of a shard: taken one by one, settled many at once."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, folder: Path, among: Sequence[Reader], new_sink: Callable[[], FileSink]
    ) -> None:
        self.con = con
        self.folder = folder
        self.among = [(reader, by_words(reader)) for reader in among]
        self.new_sink = new_sink
        self.alike = Alike()
        self.headers: dict[bytes, tuple[ByColumns, Columns] | None] = {}
        self.texts: dict[tuple[Columns, Form], _Text] = {}
        self.taken: dict[str, Taken] = {}  # since the last settling
        self.pieces: dict[int, Piece] = {}  # likewise
        self.bytes = 0  # likewise
        self.count = 0  # of all pieces
        self.placed: list[tuple[int, int, int]] = []  # piece, number of its series, what its zone is from UTC
        con.execute("CREATE TEMP TABLE bulk (piece INTEGER, t_us BIGINT, power_w DOUBLE, is_same BOOLEAN)")

    def take(self, name: str, path: str, zone: tzinfo | None) -> None:
        """Take a log if its lines are alike; of any other nothing is kept."""
        with open(path, "rb") as stream:  # noqa: PTH123 -- a name of undecodable bytes stays usable
            head = stream.read(HEAD_BYTES)
            end = head.find(b"\n", 0, MOST_HEADER)
            known = self._header(head[:end].removesuffix(b"\r")) if end > 0 else None
            if known is None or not head.isascii():
                return
            reader, columns = known
            blocks = Blocks(stream, head, end + 1)
            parts = self._parts(columns, blocks)
            first = next(parts, None)
            if first is None:
                return
            rows = first_rows(columns, first.block)
            is_whole = len(head) < HEAD_BYTES
            text, about = head.decode("ascii"), ("utf-8", zone or UTC, zone is None, is_whole)
            log = few = Log(path, printable(name), text, *about)
            if first.is_one and is_whole:  # any line stands for all, where digits do not matter
                few = Log(path, log.shown, f"{text[: end + 1]}{rows[0].decode('ascii')}\n", *about)
            if next((one for one, by in self.among if one.recognises(few if by else log)), None) is not reader:
                return
            sink = self.new_sink()
            series = reader.begin(log, sink, [row.decode("ascii").split(",") for row in rows])
            if series != list(range(len(rows))) or sink.rejects:
                return
            pieces = self._pieces(columns, rows, chain([first], parts))
            if pieces is not None:
                self.taken[name] = Taken(blocks.known, reader, sink, zone or UTC, pieces)

    def _header(self, header: bytes) -> tuple[ByColumns, Columns] | None:
        """Return the reader that knows a header, and its columns: the same few headers come again and again."""
        if header not in self.headers:
            if len(self.headers) >= MOST_HEADERS:
                self.headers.clear()
            text = header.decode("ascii", "replace")
            told = ((reader, reader.columns(text)) for reader, _ in self.among if isinstance(reader, ByColumns))
            found = ((reader, columns) for reader, columns in told if columns is not None)
            self.headers[header] = next(found, None)
        return self.headers[header]

    def _parts(self, columns: Columns, blocks: Iterable[bytes]) -> Iterator[Part | None]:
        """Yield the lines of a log, a block at a time; None for a block whose lines are not alike."""
        for block in blocks:
            yield self.alike.look(columns, block)

    def _pieces(
        self, columns: Columns, rows: Sequence[bytes], parts: Iterable[Part | None]
    ) -> list[list[Piece]] | None:
        """Write lines to a text, those of one device together; None where they turn out not to be alike."""
        pieces: list[list[Piece]] = [[] for _ in rows]
        at, devices = 0, len(rows)
        for part in parts:
            if part is None:
                return None
            text = self._text(columns, part.form)
            lines = [part.block[:-1]] if devices == 1 else part.block[:-1].split(b"\n")
            for device, row in enumerate(rows):
                own = lines[(device - at) % devices :: devices]
                if own and at and device_of(columns, own[0]) != device_of(columns, row):
                    return None
                if own:
                    pieces[device].append(self._write(text, own, part.lines if devices == 1 else len(own)))
            at += part.lines
            self.bytes += len(part.block)
            if text.bytes >= TEXT:
                self._load(text)
        return pieces

    def _write(self, text: _Text, own: Sequence[bytes], lines: int) -> Piece:
        """Write one piece, which is one text of all its lines or a text a line."""
        self.count += 1
        mark = b"\n%d," % self.count
        body = mark.join(own) if len(own) > 1 else own[0].replace(b"\n", mark)
        text.bytes += text.stream.write(b"%b%b\n" % (mark[1:], body))
        piece = self.pieces[self.count] = Piece(self.count, lines)
        return piece

    def _text(self, columns: Columns, form: Form) -> _Text:
        """Return the text of the lines of a form, which is made where there is none."""
        if (columns, form) not in self.texts:
            path = self.folder / f"columns-{len(self.texts)}.csv"
            self.texts[columns, form] = _Text(path.open("wb", BUFFER), _insert(path, columns, form))
        return self.texts[columns, form]

    def _load(self, text: _Text) -> None:
        """Have DuckDB read the lines that wait."""
        text.stream.flush()
        if text.bytes:
            self.con.execute(text.insert)
        text.stream.seek(0)
        text.stream.truncate()
        text.bytes = 0

    def settle(self) -> dict[str, Taken]:
        """Return the logs that are regular, of all that were taken since the last time, by name."""
        for text in self.texts.values():
            self._load(text)
        if not self.pieces:
            return {}
        ends = {"first": min(self.pieces), "last": max(self.pieces)}
        for number, first_us, last_us, middle_us, lines, is_regular in self.con.execute(_FOUND, ends).fetchall():
            piece = self.pieces[number]
            piece.is_regular = is_regular is True and lines == piece.lines
            if piece.is_regular:
                piece.first_us, piece.last_us, piece.middle_us = first_us, last_us, middle_us
        regular = {name: taken for name, taken in self.taken.items() if self._fill(taken)}
        self.taken, self.pieces, self.bytes = {}, {}, 0
        return regular

    def _fill(self, taken: Taken) -> bool:
        """Tell the series of a log what DuckDB found; False where the log is not regular."""
        ahead: list[int] = []
        for pieces in taken.pieces:
            is_regular = all(piece.is_regular for piece in pieces)
            if not is_regular or any(after.first_us < before.last_us for before, after in pairwise(pieces)):
                return False
            first_us, last_us = pieces[0].first_us, pieces[-1].last_us
            ahead_us = steady_us(taken.zone, first_us, last_us)
            if ahead_us is None or not FIRST_US <= first_us + ahead_us <= last_us + ahead_us < LAST_US:
                return False
            ahead.append(ahead_us)
        for series, pieces, ahead_us in zip(taken.sink.all_series, taken.pieces, ahead, strict=True):
            series.first_us, series.last_us = pieces[0].first_us + ahead_us, pieces[-1].last_us + ahead_us
            series.samples = sum(piece.lines for piece in pieces)
            ask = partial(self._intervals, pieces)
            series.asked = Asked(pieces[0].middle_us, ask) if len(pieces) == 1 else None
            series.intervals = series.intervals if series.asked else ask()
            self.placed.extend((piece.number, series.number, ahead_us) for piece in pieces)
        return True

    def _intervals(self, pieces: Sequence[Piece]) -> Intervals:
        """Return the histogram of the intervals of a series."""
        numbers = [piece.number for piece in pieces]
        ends = {"first": numbers[0], "last": numbers[-1], "numbers": numbers}
        counts = self.con.execute(_COUNTS, ends).fetchall()
        between = (after.first_us - before.last_us for before, after in pairwise(pieces))
        return Intervals.of(chain(counts, ((us, 1) for us in between if us > 0)))

    def place(self) -> None:
        """Make the table `placed`: the pieces of regular logs, their series, and how far their zone is from UTC."""
        for text in self.texts.values():
            text.stream.close()
        columns = [list(column) for column in zip(*self.placed, strict=True)] or [[], [], []]
        self.con.execute("CREATE TEMP TABLE placed (piece INTEGER, number BIGINT, ahead_us BIGINT)")
        self.con.execute("INSERT INTO placed SELECT unnest($1), unnest($2), unnest($3)", columns)


def _insert(path: Path, columns: Columns, form: Form) -> str:
    """Write the statement that reads a text.

    A cell that is not as it should be is NULL, a line that DuckDB refuses is missing: its log is not regular then.
    """
    time, power = f"c{columns.time}", f"c{columns.power}"
    watts = f"CASE WHEN ends_with({power}, ' W') THEN TRY_CAST(left({power}, -2) AS DOUBLE) END"
    pad = " " if form.is_spaced else ""
    device = "true" if columns.device is None else f"c{columns.device} = lag(c{columns.device}) OVER ()"
    cells = ", ".join(["'piece': 'INTEGER'", *(f"'c{number}': 'VARCHAR'" for number in range(columns.width))])
    return (
        f"INSERT INTO bulk SELECT piece, CASE WHEN {time} LIKE '{pad}{TIME}' AND NOT contains({time}, '{MIDNIGHT}')"
        f" THEN epoch_us(TRY_CAST({time} AS TIMESTAMP)) END,"
        f" {watts if form.has_unit else f'TRY_CAST({power} AS DOUBLE)'},"
        f" piece <> lag(piece, 1, 0) OVER () OR {device}"
        f" FROM read_csv({quote(path)}, header = false, auto_detect = false, delim = ',', quote = '', escape = '',"
        f" new_line = '\\n', ignore_errors = true, columns = {{{cells}}})"
    )
