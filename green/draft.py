"""Which runs a source holds: identity first, by the rules of docs/records.md; figures come later."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.readers import Found
    from green.record import ReadRecord
    from green.sink import FileSink
    from green.units import Quantity

Row = dict[str, Any]
ALL = ("gpu", "cpu", "memory", "rest")
HELD = Decimal("1.000001")  # a total that was added in floating point may be that much less than its parts


@dataclass(slots=True)
class LogRead:
    """One log of a source, read."""

    file: str
    sink: FileSink
    holds_many: bool
    reader: str | None = None


@dataclass(slots=True)
class Draft:
    """A run in the making: the parts of logs that belong to it, and its record."""

    run_id: str
    file: str
    line: int
    parts: list[tuple[LogRead, int]] = field(default_factory=list)  # log, number of the run in it
    record: ReadRecord | None = None
    is_child: bool = False  # a row of a file in a run's folder: the record gives defaults only

    @property
    def founds(self) -> list[Found]:
        """What the logs say of the run as a whole."""
        return [log.sink.runs[number] for log, number in self.parts]


@dataclass(slots=True)
class Rows:
    """Rows of the ingest tables."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def add(self, table: str, **row: object) -> None:
        """Add one row."""
        self.tables.setdefault(table, []).append(row)


def drafts(source: str, logs: Sequence[LogRead], record: ReadRecord | None, name_of_root: str) -> list[Draft]:
    """Tell which runs a source holds, by the rules of docs/records.md."""
    folder = name_of_root if source == "." else source
    held = _held(logs)
    if record is not None:
        return _folder_drafts(record.record.run_id or folder, logs, record, held)
    by_id: dict[str, Draft] = {}
    for log in logs:
        for number, found in enumerate(log.sink.runs):
            if (log.file, number) in held:
                continue
            if log.holds_many:
                run_id = f"{log.file}#{found.own_id or number + 1}"
            else:
                run_id = (found.own_id or folder) if log.file != source else source
            by_id.setdefault(run_id, Draft(run_id, log.file, found.line)).parts.append((log, number))
    return list(by_id.values())


def _held(logs: Sequence[LogRead]) -> set[tuple[str, int]]:
    """Return the runs of logs that are parts of a run of another log, and say so once for each of those.

    Only a run that holds at least the energy of its parts stands for them: none is lost by a smaller total beside them.
    """
    if not any(found.part_of for log in logs for found in log.sink.runs):
        return set()
    kwh = {log.file: _kwh_by_run(log) for log in logs}
    whole_kwh = {
        found.own_id: kwh[log.file][number]
        for log in logs
        for number, found in enumerate(log.sink.runs)
        if found.part_of is None and number in kwh[log.file]
    }
    held: set[tuple[str, int]] = set()
    for log in logs:
        parts: dict[str, list[int]] = {}
        for number, found in enumerate(log.sink.runs):
            if found.part_of is not None and found.part_of in whole_kwh:
                parts.setdefault(found.part_of, []).append(number)
        for whole, numbers in parts.items():
            stated = [kwh[log.file][number] for number in numbers if number in kwh[log.file]]
            if sum(stated) <= whole_kwh[whole] * HELD:  # a part that states none has no energy to lose
                held.update((log.file, number) for number in numbers)
                detail = f"{len(numbers)} parts of {whole}, which stands beside them"
                log.sink.reject(log.sink.runs[numbers[0]].line, "PART_OF_TOTAL", detail)
    return held


def _kwh_by_run(log: LogRead) -> dict[int, Decimal]:
    """Return the energy that a log states of each of its runs."""
    found: dict[int, Decimal] = {}
    for one in log.sink.statements:
        found[one.run] = found.get(one.run, Decimal(0)) + Decimal(one.energy_kwh)
    return found


def _folder_drafts(run_id: str, logs: Sequence[LogRead], record: ReadRecord, held: set[tuple[str, int]]) -> list[Draft]:
    base = Draft(run_id, record.file, 1, record=record)
    children: dict[str, Draft] = {}
    for log in logs:
        many = len({found.own_id for found in log.sink.runs}) > 1
        for number, found in enumerate(log.sink.runs):
            if (log.file, number) in held:
                continue
            if many:
                child = f"{run_id}#{found.own_id or number + 1}"
                if child in children and children[child].file != log.file:  # the same id in two tables: two runs
                    child = f"{run_id}#{log.file}#{found.own_id or number + 1}"
                draft = Draft(child, log.file, found.line, record=record, is_child=True)
                children.setdefault(child, draft).parts.append((log, number))
            else:
                base.parts.append((log, number))
    return [base, *children.values()] if base.parts or not children else list(children.values())


def spread(row: Row, name: str, value: Quantity | float | None, unit: str) -> None:
    """Write a quantity as three columns: `<name>_<unit>`, and low and high."""
    tail = f"_{unit}" if unit else ""
    low = high = None
    if value is not None and not isinstance(value, int | float):
        low = None if value.low is None else float(value.low)
        high = None if value.high is None else float(value.high)
        value = float(value.value)
    row[f"{name}{tail}"], row[f"{name}_low{tail}"], row[f"{name}_high{tail}"] = value, low, high
