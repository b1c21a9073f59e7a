"""Read tables of no known tool by what `readers:` of config.yaml says of their columns: CSV, JSON lines, Parquet."""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from green.mapping import J_OF, US_OF, W_OF
from green.readers import UNDATED_US, Found, Unreadable
from green.readers.parse import MOST_SECONDS, Clock, decimal, has_zone
from green.readers.quantity import J_PER_KWH, plain
from green.readers.table import Row, header_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from green.mapping import Mapping_, Measured
    from green.readers import Log, Sink

PARQUET = "PAR1"
ROWS = 10_000
DISAGREES = Decimal("0.01")  # of a total that is not the sum of its parts
MOST_SERIES = 20_000
ABSENT = frozenset({"", "nan", "NaN", "null", "None", "NA", "N/A", "-"})


def _json_rows(log: Log) -> Iterator[Row | tuple[int, str]]:
    """Yield the objects of JSON lines, values as text; keys within objects are joined by points."""
    for number, text in enumerate(log.lines(), 1):
        if not text.strip():
            continue
        try:
            found = json.loads(text, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            yield number, "no JSON object"
            continue
        cells: dict[str, str] = {}
        stack: list[tuple[str, object]] = [("", found)]
        while stack:
            prefix, value = stack.pop()
            if isinstance(value, dict):
                stack += [(f"{prefix}.{key}" if prefix else str(key), inner) for key, inner in value.items()]
            elif isinstance(value, str):
                cells[prefix] = value
        yield Row(number, cells)


def _parquet_rows(log: Log, columns: list[str]) -> Iterator[Row]:
    """Yield the rows of a Parquet file, values as text."""
    from green.engine import duckdb  # noqa: PLC0415 -- 120 ms, only where a Parquet file is read

    picked = ", ".join('CAST("' + name.replace('"', '""') + '" AS VARCHAR)' for name in columns)
    with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as con:
        con.execute("SET TimeZone = 'UTC'")
        try:
            rows = con.execute(f"SELECT {picked} FROM read_parquet($file)", {"file": log.path})
            before = 0
            while block := rows.fetchmany(ROWS):
                for number, cells in enumerate(block, before + 1):
                    yield Row(number, {c: "" if v is None else v for c, v in zip(columns, cells, strict=True)})
                before += len(block)
        except duckdb.Error as error:
            raise Unreadable(f"PARQUET: {str(error).splitlines()[0][:120]}") from error


@dataclass(slots=True)
class _Reading:
    """The state of one pass over a table."""

    mapping: Mapping_
    sink: Sink
    run: int
    clock: Clock
    series: dict[tuple[str, str], int]
    used_j: dict[tuple[str, str], tuple[Decimal, int]]
    disagrees: int = 0

    def t_us(self, text: str) -> int | None:
        """Return the time of a row; relative ones count from the run's start."""
        time = self.mapping.time
        if time.unit == "iso":
            return self.clock.us(text)
        value = decimal(text)
        us = None if value is None else value * US_OF[time.unit]
        if us is None or abs(us) > MOST_SECONDS * 1_000_000:
            return None
        return round(us) + (UNDATED_US if time.is_relative else 0)

    def row(self, row: Row) -> None:
        """Read the columns of one row."""
        text = row.get(self.mapping.time.column)
        t_us = self.t_us(text)
        if t_us is None:
            self.sink.reject(row.line, "BAD_TIME", text[:80], run=self.run)
            return
        owner = "" if self.mapping.device is None else row.get(self.mapping.device)
        if self.mapping.device is not None and not owner:
            self.sink.reject(row.line, "UNKNOWN_DEVICE", f"{self.mapping.device} is blank", run=self.run)
            return
        known: list[Decimal] = []
        for column in self.mapping.columns:
            value = self.value(row, column)
            known += [] if value is None else [value]
            self.measured(column, owner, t_us, value, row.line)
        total = self.mapping.total
        whole = None if total is None else decimal(row.get(total.column))
        if total is not None and whole is not None and len(known) == len(self.mapping.columns):
            whole *= W_OF.get(total.unit) or J_OF[total.unit]
            if abs(whole - sum(known)) > DISAGREES * abs(whole):
                self.disagrees = self.disagrees or row.line

    def value(self, row: Row, column: Measured) -> Decimal | None:
        """Return a cell in W or J; its own unit may follow it, where it is the one that the mapping says."""
        text = row.get(column.column)
        if text in ABSENT:
            return None
        number = decimal(text.removesuffix(column.unit))
        if number is None:
            self.sink.reject(row.line, "UNREADABLE_POWER", f"{column.column}: {text}"[:80], run=self.run)
            return None
        return number * (W_OF.get(column.unit) or J_OF[column.unit])

    def measured(self, column: Measured, owner: str, t_us: int, value: Decimal | None, line: int) -> None:
        """Give the sink what a column says of one moment."""
        device = column.device or column.column
        if owner:  # of a long table the device stands in the row; one column a device needs no name of its own
            device = owner if len(self.mapping.columns) == 1 else f"{owner}/{device}"
        key = column.component, device[:200]
        if column.unit in J_OF and column.each == "interval":
            if value is not None and value >= 0:
                before, first = self.used_j.get(key, (Decimal(0), line))
                self.used_j[key] = before + value, first
            elif value is not None:
                self.sink.reject(line, "NEGATIVE", f"{column.column}: {value}"[:80], run=self.run)
            return
        if key not in self.series:
            if len(self.series) >= MOST_SERIES:
                self.sink.reject(line, "TOO_MANY_DEVICES", device[:80], run=self.run)
                return
            self.series[key] = self.sink.series(self.run, key[1], column.component)
        number = None if value is None else float(value)
        power_w, energy_j = (number, None) if column.unit in W_OF else (None, number)
        self.sink.sample(self.series[key], t_us, power_w, energy_j, line)


class Mapped:
    """A reader made of one entry of `readers:`."""

    holds_many = False

    def __init__(self, mapping: Mapping_) -> None:
        self.mapping = mapping
        self.name = f"readers:{mapping.name}"
        self.title = f"{mapping.match}, as config.yaml maps its columns"
        named = [mapping.time.column, *(one.column for one in mapping.columns)]
        self.columns = [*named, *([mapping.device] if mapping.device else ())]

    def recognises(self, log: Log) -> bool:
        """Tell by the path, and by the columns that are named."""
        if not fnmatch.fnmatchcase(log.shown, self.mapping.match):
            return False
        if self.mapping.format == "parquet":
            return log.head.startswith(PARQUET)
        if self.mapping.format == "csv":
            return header_of(log, frozenset(self.columns), self.mapping.separator) is not None
        return log.head.lstrip("\ufeff \t\r\n").startswith("{")

    def _rows(self, log: Log) -> Iterator[Row | tuple[int, str]]:
        if self.mapping.format == "parquet":
            yield from _parquet_rows(log, self.columns + ([self.mapping.total.column] if self.mapping.total else []))
        elif self.mapping.format == "jsonl":
            yield from _json_rows(log)
        else:
            header = header_of(log, frozenset(self.columns), self.mapping.separator)
            if header is None:
                raise Unreadable("NO_HEADER")
            yield from rows_of(log, header)

    def read(self, log: Log, sink: Sink) -> None:
        """Read every row; a table of several devices is one run."""
        found = Found(line=1, is_undated=self.mapping.time.is_relative)
        run = sink.run(found)
        reading = _Reading(self.mapping, sink, run, Clock(log.timezone), {}, {})
        for row in self._rows(log):
            if isinstance(row, tuple):
                sink.reject(row[0], "CELL_COUNT", row[1], run=run)
                continue
            if self.mapping.time.unit == "iso" and log.zone_assumed and not found.flags:
                found.flags += [] if has_zone(row.get(self.mapping.time.column)) else ["ASSUMED_UTC"]
            reading.row(row)
        for (component, _), (energy_j, line) in reading.used_j.items():
            covers = ("gpu", "cpu", "memory", "rest") if component == "host" else (component,)
            sink.statement(run, covers, plain(energy_j / J_PER_KWH), line=line)
        if reading.disagrees:
            found.flags.append("TOTAL_DISAGREES")
            sink.reject(reading.disagrees, "TOTAL_DISAGREES", "the total is not the sum of its parts", run=run)
