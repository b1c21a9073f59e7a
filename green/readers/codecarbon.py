"""Read CodeCarbon's `emissions.csv`: a row a run (or a snapshot of one), energy as CodeCarbon computed it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from green.layout import Layout
from green.readers import Found
from green.readers.parse import Clock, counted_names, csv_rows, decimal, has_zone, seconds_us, split_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.readers import Log, Sink

NEEDED = frozenset({"timestamp", "duration", "emissions", "energy_consumed"})  # of every generation
PARTS = {"gpu": "gpu_energy", "cpu": "cpu_energy", "memory": "ram_energy"}
NAMED_BY = {
    "gpu": ("gpu_model", "gpu_count"),
    "cpu": ("cpu_model", "cpu_count"),
    "memory": ("ram_total_size",),
}
DEFAULT_PROJECT = "codecarbon"
BLANK = frozenset({"", "nan", "None"})  # pandas writes the two words where a tool handed it no value
PUE_COLUMN_SINCE = (2, 3)
SHIFTED = "SHIFTED_ROW"
PARTS_TOLERANCE = Decimal("1e-6")

# The tables of tasks of one run, beside the table that holds the run.
_TASKS = r"((?:.*/)?)emissions_[^/]+_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.csv(?:\.gz|\.zst)?)"
_VERSION = re.compile(r"v?(\d{1,4})\.(\d{1,4})(?!\d).*", re.ASCII)


def _is_number(text: str) -> bool:
    return decimal(text) is not None


# Cells that are not blank: a row written under another header fails, and is never guessed into place.
FITS: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(("duration", "emissions", *PARTS.values(), "wue"), _is_number),
    **dict.fromkeys(("gpu_count", "cpu_count"), re.compile(r"\d{1,6}(\.0*)?", re.ASCII).fullmatch),
    "pue": lambda text: (decimal(text) or 0) >= 1,
    "country_name": lambda text: not _is_number(text),
    "country_iso_code": re.compile(r"[A-Z]{3}").fullmatch,
    "codecarbon_version": _VERSION.fullmatch,
    "tracking_mode": str.isalpha,
    "on_cloud": ("Y", "N").__contains__,
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One data row: its first line, its number (1 = first data row) and its cells by column."""

    line: int
    number: int
    cells: dict[str, str]
    fault: tuple[str, str] | None  # reason and detail, where its energy is not to be used

    def get(self, column: str) -> str:
        """Return a cell; "" where it is blank or the column is not there."""
        return self.cells.get(column, "")

    def version(self) -> tuple[int, int] | None:
        """Return the version of CodeCarbon that wrote the row."""
        match = _VERSION.fullmatch(self.get("codecarbon_version"))
        return (int(match[1]), int(match[2])) if match else None


def _clean(cell: str) -> str:
    cell = cell.strip()
    return "" if cell in BLANK else cell


def _row(columns: list[str], cells: list[str], line: int, number: int) -> _Row:
    """Put the cells of a row below their columns, as far as they fit."""
    clean = [_clean(cell) for cell in cells]
    if len(cells) == len(columns):
        row = _Row(line, number, dict(zip(columns, clean, strict=True)), None)
        fault = _fault(row)
        if fault is None or fault[0] != SHIFTED:
            return _Row(line, number, row.cells, fault)
    else:
        fault = SHIFTED, f"{len(cells)} fields under {len(columns)} columns"
    # The id and the time stand before any column that may be left out; the last cell may be cut.
    before = list(zip(columns, clean[:-1], strict=False))[: columns.index("duration")]
    return _Row(line, number, {c: cell for c, cell in before if c in ("run_id", "timestamp")}, fault)


def _fault(row: _Row) -> tuple[str, str] | None:
    """Return why the energy of a row is not to be used."""
    for column, fits in FITS.items():
        cell = row.get(column)
        if cell and not fits(cell):
            return SHIFTED, f"{column} is {cell[:40]!r}"
    writes_pue = (row.version() or (0, 0)) >= PUE_COLUMN_SINCE
    for column, is_always in (("on_cloud", True), ("pue", writes_pue)):
        if is_always and row.cells.get(column) == "":
            return SHIFTED, f"{column} is blank"
    text = row.get("energy_consumed")
    energy_kwh = decimal(text)
    if energy_kwh is None:
        return "UNREADABLE_ENERGY", text[:40]
    if energy_kwh < 0:
        return "NEGATIVE", text[:40]
    return ("ZERO_ENERGY", text[:40]) if energy_kwh == 0 else None


def _own_id(row: _Row) -> str:
    """Return the id of the run; rows without one are different runs, tasks of one run likewise."""
    run_id, task = row.get("run_id"), row.get("task_name")
    if not run_id:
        return f"row-{row.number}"
    return f"{run_id}:{task}" if task else run_id


def _parts(row: _Row) -> dict[str, str] | None:
    """Return the energy of each component as written; None where there are none that add up."""
    if not all(column in row.cells for column in PARTS.values()):
        return None
    exact = {component: decimal(row.get(column) or "0") for component, column in PARTS.items()}
    known = [part for part in exact.values() if part is not None and part >= 0]
    total = decimal(row.get("energy_consumed"))
    if total is None or len(known) < len(PARTS) or abs(sum(known) - total) > PARTS_TOLERANCE * total:
        return None
    return {component: row.get(column) if exact[component] else "" for component, column in PARTS.items()}


def _names(row: _Row, component: str) -> bool:
    """Tell whether a row names hardware of a component: a model, or a count or size that is not zero."""
    return any(row.get(column) and decimal(row.get(column)) != 0 for column in NAMED_BY[component])


def _pue(row: _Row) -> tuple[float | None, str]:
    """Return the PUE and the basis of the row's energy; 1.0 is CodeCarbon's default, no statement.

    Every release with the column (2.2.7 to 3.3.2 were read) multiplies its energies by it.
    """
    pue = decimal(row.get("pue"))
    return (None, "device") if pue is None or pue == 1 else (float(pue), "facility")


def _found(row: _Row, log: Log, clock: Clock) -> Found:
    """Gather what a row says of its run; the time of a row is the end of the run."""
    project, provider = row.get("project_name"), row.get("cloud_provider").lower()
    is_cloud = row.get("on_cloud") == "Y" and provider and row.get("cloud_region")
    found = Found(
        own_id=_own_id(row),
        part_of=(row.get("run_id") or None) if row.get("task_name") else None,
        line=row.line,
        ended_at_us=clock.us(row.get("timestamp")),
        project=None if project == DEFAULT_PROJECT else project or None,
        region=f"{provider}:{row.get('cloud_region')}" if is_cloud else row.get("country_iso_code") or None,
    )
    if found.ended_at_us is None:
        found.flags.append("BAD_TIME")
    elif log.zone_assumed and not has_zone(row.get("timestamp")):
        found.flags.append("ASSUMED_UTC")
    duration_us = seconds_us(row.get("duration"))
    if duration_us is not None and duration_us >= 0:
        found.duration_s = duration_us / 1e6
        if found.ended_at_us is not None:
            found.started_at_us = found.ended_at_us - duration_us
    emissions_kg = decimal(row.get("emissions"))
    if emissions_kg is not None and emissions_kg >= 0:
        found.reported_kgco2e = float(emissions_kg)
    if row.get("codecarbon_version"):
        found.facts = {"codecarbon_version": row.get("codecarbon_version")}
    return found


def _devices(row: _Row, sink: Sink, run: int) -> None:
    """Name the hardware of a row: `8 x NVIDIA A40`, several kinds written one after the other."""
    if _names(row, "cpu"):
        sink.device(run, "cpu", "cpu", name=row.get("cpu_model") or None, count=1.0, line=row.line)
    if not _names(row, "gpu"):
        return
    for number, (name, count) in enumerate(counted_names(row.get("gpu_model"), decimal(row.get("gpu_count")))):
        known = None if name in ("", "Unknown GPU") else name
        sink.device(run, f"gpu-{number}", "gpu", name=known, count=count, line=row.line)


def _report(row: _Row, log: Log, clock: Clock, sink: Sink, *, is_last: bool) -> int:
    """Tell the sink of one run and return its number."""
    found = _found(row, log, clock)
    if not is_last:
        found.flags.append("LAST_ROW_UNREAD")  # an earlier snapshot stands for the run: energy is too low
    if row.fault is not None:
        return sink.run(found)
    found.pue, basis = _pue(row)
    parts = _parts(row)
    if parts is not None:
        found.flags += [f"UNMEASURED_{c.upper()}" for c, text in parts.items() if not text and _names(row, c)]
    elif any(row.get(column) for column in PARTS.values()):
        found.flags.append("PARTS_DISAGREE")
    run = sink.run(found)
    _devices(row, sink, run)
    if parts is None:
        sink.statement(run, tuple(PARTS), row.get("energy_consumed"), basis=basis, line=row.line)
    else:
        for component, text in parts.items():
            if text:
                sink.statement(run, [component], text, basis=basis, line=row.line)
    return run


class CodeCarbon:
    """The reader of CodeCarbon's CSV."""

    name = "codecarbon"
    title = "CodeCarbon emissions.csv"
    holds_many = True
    layout = Layout(beside=_TASKS, belongs_to=r"\1emissions\2")
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the columns that every generation has."""
        if "energy_consumed" not in log.head:
            return False
        first = next((line for line in log.head_lines if line.strip()), "")
        return {cell.strip() for cell in split_cells(first)} >= NEEDED

    def read(self, log: Log, sink: Sink) -> None:
        """Read all rows, then report each run by the last of its rows that can be used."""
        runs: dict[str, list[_Row]] = {}  # the row that stands for the run, and the last one of it
        faults: list[tuple[int, str, str, str]] = []  # line, run, reason, detail
        columns: list[str] = []
        number = 0
        for line, cells in csv_rows(log.lines()):
            names = [cell.strip("\ufeff ") for cell in cells]
            if set(names) >= NEEDED:
                columns = names  # also in the middle, where files were joined
            elif any(names) and columns:
                number += 1
                row = _row(columns, cells, line, number)
                own_id = _own_id(row)
                if row.fault is not None:
                    faults.append((line, own_id, *row.fault))
                kept = runs.setdefault(own_id, [row, row])
                kept[:] = [row if row.fault is None or kept[0].fault is not None else kept[0], row]
        clock = Clock(log.timezone)
        opened = {own_id: _report(row, log, clock, sink, is_last=row is last) for own_id, (row, last) in runs.items()}
        for line, own_id, reason, detail in faults:
            sink.reject(line, reason, detail, run=opened[own_id])


READER = CodeCarbon()
