"""Read Eco2AI's `emission.csv`: a row a run, or an epoch of one; energy as Eco2AI computed it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.parse import Clock, csv_rows, decimal, seconds_us, split_cells

if TYPE_CHECKING:
    from green.readers import Log, Sink

TOTALS = ("power_consumption(kWh)", "power_consumption(kWTh)")  # energy, whatever the name says
PARTS = {"cpu": "cpu_power_consumption(kWh)", "memory": "ram_power_consumption(kWh)"}  # of a fork
NEEDED = frozenset({"project_name", "start_time", "duration(s)"})
DEFAULT_PROJECTS = frozenset({"", "Deafult project name", "Default project name"})  # the first is Eco2AI's own spelling
MOST_CHARS = 400  # of a device's name
MOST_ROWS = 500_000  # all are held, for rows of one run need not stand together
PARTS_TOLERANCE = Decimal("1e-6")

_CPU = re.compile(r"(.*?)/(\d{1,4}) device\(s\).*", re.ASCII)
_GPU = re.compile(r"(.*?)\s*(\d{1,4}) device\(s\).*", re.ASCII)


@dataclass(slots=True)
class _Run:
    """The rows of one id: epochs by their start, of which the last row counts."""

    epochs: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    faults: list[tuple[int, str, str]] = field(default_factory=list)  # line, reason, detail
    repeated: bool = False


def _total(cells: dict[str, str]) -> str:
    return next((cells[name] for name in TOTALS if name in cells), "")


def _fault(cells: dict[str, str]) -> tuple[str, str] | None:
    """Return why the energy of a row is not to be used."""
    energy = decimal(_total(cells))
    if energy is None:
        return "UNREADABLE_ENERGY", _total(cells)[:40]
    if energy <= 0:
        return ("NEGATIVE" if energy < 0 else "ZERO_ENERGY"), _total(cells)[:40]
    duration = decimal(cells.get("duration(s)", ""))
    return ("BAD_DURATION", cells.get("duration(s)", "")[:40]) if duration is None or duration < 0 else None


def _sum(rows: list[dict[str, str]], column: str) -> Decimal | None:
    """Add a column; None where a row has no number in it."""
    values = [decimal(row.get(column, "")) for row in rows]
    known = [value for value in values if value is not None and value >= 0]
    return sum(known, Decimal(0)) if len(known) == len(values) else None


def _counted(pattern: re.Pattern[str], text: str) -> tuple[str, float]:
    """Return name and number of "A100 4 device(s)"; one of a name alone."""
    text = text.strip()[:MOST_CHARS]
    match = pattern.fullmatch(text)
    return (match[1].strip(), float(match[2])) if match else (text, 1.0 if text else 0.0)


def _region(text: str) -> str | None:
    """Return the country of "IN/Tamil Nadu"."""
    country = text.partition("/")[0].strip()
    return country if re.fullmatch(r"[A-Z]{2}", country) else None


def _report(own_id: str, own: _Run, log: Log, clock: Clock, sink: Sink) -> None:
    """Tell the sink of one run: its epochs add up, for Eco2AI counts each from zero."""
    found = Found(own_id=own_id, line=min([line for line, _ in own.epochs.values()] or [own.faults[0][0]]))
    run = sink.run(found)
    for line, reason, detail in own.faults:
        sink.reject(line, reason, detail, run=run)
    if not own.epochs:
        return
    rows = [cells for _, cells in own.epochs.values()]
    last = rows[-1]
    spans = [(clock.us(cells["start_time"]), seconds_us(cells["duration(s)"]) or 0) for cells in rows]
    starts = [start for start, _ in spans if start is not None]
    if len(starts) == len(spans):
        found.started_at_us, found.ended_at_us = min(starts), max(start + lasted for start, lasted in spans if start)
        found.flags += ["ASSUMED_UTC"] if log.zone_assumed else []
    else:
        found.flags.append("BAD_TIME")
        found.duration_s = sum(lasted for _, lasted in spans) / 1e6
    found.flags += (["EPOCHS_UNMEASURED"] if own.faults else []) + (["REPEATED_ROWS"] if own.repeated else [])
    found.project = None if last["project_name"] in DEFAULT_PROJECTS else last["project_name"]
    found.region = _region(last.get("region/country", ""))
    emissions = _sum(rows, "CO2_emissions(kg)")
    found.reported_kgco2e = None if emissions is None else float(emissions)
    cpu, cpus = _counted(_CPU, last.get("CPU_name", ""))
    gpu, gpus = _counted(_GPU, last.get("GPU_name", ""))
    for component, name, count in (("cpu", cpu, cpus), ("gpu", gpu, gpus)):
        if count > 0:
            sink.device(run, f"{component}-0", component, name=name or None, count=count, line=found.line)
    _energy(rows, found, run, sink, has_gpu=gpus > 0)


def _energy(rows: list[dict[str, str]], found: Found, run: int, sink: Sink, *, has_gpu: bool) -> None:
    """State the energy: the parts where they add up to the total, else the total; CPU and memory are modelled."""
    total = sum((decimal(_total(cells)) or Decimal(0) for cells in rows), Decimal(0))
    parts = {component: _sum(rows, column) for component, column in PARTS.items()}
    known = {component: part for component, part in parts.items() if part}
    if known and not has_gpu and abs(sum(known.values(), Decimal(0)) - total) <= PARTS_TOLERANCE * total:
        for component, part in known.items():
            sink.statement(run, [component], f"{part:f}", method="modelled", line=found.line)
        return
    if known:
        found.flags.append("PARTS_DISAGREE")
    covers = ["gpu", "cpu", "memory"] if has_gpu else ["cpu", "memory"]
    sink.statement(run, covers, f"{total:f}", method="modelled", line=found.line)


class Eco2AI:
    """The reader of Eco2AI's CSV."""

    name = "eco2ai"
    title = "Eco2AI emission.csv"
    holds_many = True
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the columns that every version has."""
        first = next((line for line in log.head_lines if line.strip()), "")
        columns = {cell.strip() for cell in split_cells(first)}
        return columns >= NEEDED and not columns.isdisjoint(TOTALS)

    def read(self, log: Log, sink: Sink) -> None:
        """Read all rows, then report each id; of rows with one start the last holds the others."""
        runs: dict[str, _Run] = {}
        unnamed: dict[tuple[str, str], str] = {}
        columns: list[str] = []
        number = 0
        for line, cells in csv_rows(log.lines()):
            names = [cell.strip("\ufeff ") for cell in cells]
            if set(names) >= NEEDED:
                columns = names
                continue
            if not any(names) or not columns:
                continue
            number += 1
            if number > MOST_ROWS:
                raise Unreadable(f"more than {MOST_ROWS} rows: split the file")
            row = dict(zip(columns, names, strict=False))
            # Before rows had ids, a run was told by its project and start, and each write added a row.
            started = (row.get("project_name", ""), row.get("start_time", ""))
            own_id = row.get("id") or unnamed.setdefault(started, f"row-{number}")
            own = runs.setdefault(own_id, _Run())
            fault = _fault(row)
            if len(cells) != len(columns):
                fault = "CELL_COUNT", f"{len(cells)} cells under {len(columns)} columns"
            if fault is not None:
                own.faults.append((line, *fault))
                continue
            own.repeated = own.repeated or row["start_time"] in own.epochs
            own.epochs[row["start_time"]] = (line, row)
        clock = Clock(log.timezone)
        for own_id, own in runs.items():
            _report(own_id, own, log, clock, sink)


READER = Eco2AI()
