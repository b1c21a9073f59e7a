"""Read the trace of nf-co2footprint: energy that the plug-in modelled for each task of a Nextflow workflow."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import Found, Unreadable
from green.readers.nextflow import SEPARATORS, Tasks, cell
from green.readers.quantity import energy_kwh, plain
from green.readers.table import Row, header_of, rows_of

if TYPE_CHECKING:
    from green.readers import Log, Sink

NEEDED = frozenset({"task_id", "status", "energy_consumption"})
PROCESSOR = ("raw_energy_processor", "rawEnergyProcessor")  # 1.2 and what was built between 1.1 and 1.2
MEMORY = ("raw_energy_memory", "rawEnergyMemory")
WRITTEN_TO = Decimal("0.01")  # the plug-in rounds each figure to two decimals of its unit
DEFAULT_PUE = 1


class Footprint:
    """The reader of nf-co2footprint traces."""

    name = "nfco2footprint"
    title = "nf-co2footprint trace"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by task_id beside energy_consumption."""
        return header_of(log, NEEDED, SEPARATORS) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Report the workflow as one run, with the figures of each task that ran."""
        head = header_of(log, NEEDED, SEPARATORS)
        if head is None:
            raise Unreadable("NO_HEADER")
        has_parts = any(name in head.columns for name in PROCESSOR) and any(name in head.columns for name in MEMORY)
        found, tasks = Found(line=head.line), Tasks()
        run = sink.run(found)
        total_kwh = parts_kwh = Decimal(0)
        for row in rows_of(log, head):
            if isinstance(row, tuple):
                line, text = row
                if not text.startswith("2 cells"):  # a task that never ended is written as its id and a dash
                    sink.reject(line, "CELL_COUNT", text, run=run)
                found.flags.append("TASKS_UNREAD")
                continue
            if tasks.add(row) == "cached":
                continue
            whole = energy_kwh(cell(row, "energy_consumption"))
            parts = _parts(row) if has_parts else None
            if whole is None or (has_parts and parts is None):
                sink.reject(row.line, "UNREADABLE_ENERGY", cell(row, "energy_consumption")[:40], run=run)
                found.flags.append("TASKS_UNREAD")
                continue
            total_kwh += whole
            if parts is None:
                sink.statement(run, ["cpu", "memory"], plain(whole), basis="facility", method="modelled", line=row.line)
                continue
            for component, part in parts.items():
                parts_kwh += part
                sink.statement(run, [component], plain(part), method="modelled", line=row.line)
        found.flags = sorted(set(found.flags))
        found.status, found.facts = tasks.status(), tasks.facts()
        if parts_kwh > 0:
            found.pue = _pue(total_kwh, parts_kwh)


def _parts(row: Row) -> dict[str, Decimal] | None:
    """Return the energy of processor and memory before PUE; None where one is missing."""
    parts = {"cpu": energy_kwh(cell(row, *PROCESSOR)), "memory": energy_kwh(cell(row, *MEMORY))}
    known = {component: part for component, part in parts.items() if part is not None}
    return known if len(known) == len(parts) else None


def _pue(total_kwh: Decimal, parts_kwh: Decimal) -> float | None:
    """Return the PUE that the plug-in used: what the totals are above their parts.

    A ratio that rounds to 1 is the default of a local run, which says nothing about the site.
    """
    ratio = (total_kwh / parts_kwh).quantize(WRITTEN_TO)
    return None if ratio <= DEFAULT_PUE else float(total_kwh / parts_kwh)


READER = Footprint()
