"""The judgement for a terminal: a table where somebody looks, plain lines where a program reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from green.compare import RESOLVED
from green.output import WORST_FIRST, collapsed, counted, plain, would
from green.output.json import record_of
from green.units import format_quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.compare import Cause, Comparison
    from green.policy.judge import Judgement

MOST_REJECTS = 20  # rows of a screen; results/rejects.parquet has all

_STYLES = {
    "error": "bold magenta",
    "fail": "bold red",
    "unknown": "yellow",
    "at_risk": "yellow",
    "warn": "yellow",
    "waived": "cyan",
    "pass": "green",
}


def render(
    judgement: Judgement,
    comparison: Comparison | None = None,
    *,
    is_terminal: bool | None = None,
    width: int | None = None,
) -> str:
    """Return text; `is_terminal` is found out where it is not said. Compared, it shows what became of findings."""
    idle = [verdict.policy for verdict in judgement.idle]
    notes = [f"selected no run: {', '.join(idle)}"] if idle else []
    if comparison is None:
        return render_record(record_of(judgement), notes=notes, is_terminal=is_terminal, width=width)
    return _compared(judgement, comparison, notes, is_terminal=is_terminal, width=width)


def _compared(
    judgement: Judgement, comparison: Comparison, notes: list[str], *, is_terminal: bool | None, width: int | None
) -> str:
    """Show the findings of both sides, each with its state; passes are counted."""
    order = {state: number for number, state in enumerate(comparison.counts)}
    records = []
    for change in sorted(comparison.changes, key=lambda one: (order[one.state], one.key)):
        is_gone = change.now is None or change.state == RESOLVED
        record = dict(change.before or {}) if is_gone or change.now is None else change.now.record()
        causes = [f"{cause.run_id} ({_added(cause)})" for cause in change.causes]
        message = record["message"] + (f"; by {', '.join(causes[:3])}" if causes else "")
        records.append({**record, "message": message, "state": change.state})
    notes += list(comparison.notes)
    notes.append(f"against {comparison.base.name}: {counted(comparison.counts)}".replace("no verdict", "no finding"))
    record = {"as_of": judgement.as_of, "summary": judgement.summary, "verdicts": records}
    return render_record(record, notes=notes, is_terminal=is_terminal, width=width)


def _added(cause: Cause) -> str:
    return "unknown" if cause.value is None else format_quantity(cause.value, cause.unit)


def render_record(
    record: dict[str, Any],
    rejected: Sequence[dict[str, Any]] | int = 0,
    *,
    notes: Sequence[str] = (),
    is_terminal: bool | None = None,
    width: int | None = None,
) -> str:
    """Return the text of a `verdicts.json`; `rejected` is what was not read, or only the number of its lines."""
    rank = {name: index for index, name in enumerate(WORST_FIRST)}
    verdicts = sorted(  # a comparison keeps its own order: what is new comes first
        record["verdicts"],
        key=lambda one: (0, "", "") if "state" in one else (rank[one["verdict"]], one["policy"], one["subject"]),
    )
    foot = [plain(note, 2000) for note in notes]
    is_seen = sys.stdout.isatty() if is_terminal is None else is_terminal
    foot += _rejected(rejected, MOST_REJECTS if is_seen else None)
    foot.append(f"{counted(record['summary'])} (as of {record['as_of'] or 'no known time'})")
    if is_seen:
        return _coloured(verdicts, foot, width)
    lines = [line for verdict in verdicts for line in _lines(verdict)]
    return "\n".join([*lines, *foot, ""])


def _rejected(rejected: Sequence[dict[str, Any]] | int, most: int | None) -> list[str]:
    """List what was not read, line by line; a pipe gets all of it, a screen the first rows."""
    if isinstance(rejected, int):
        return [f"{rejected} lines were not read: see results/rejects.parquet"] if rejected else []
    rows = collapsed(rejected)
    shown = []
    for one in rows[:most]:
        place = plain(one["file"] + ("" if one["line"] is None else f":{one['line']}"))
        many = f" ({one['lines']} lines)" if one["lines"] > 1 else ""
        shown.append(f"  {place}{many}  {plain(one['reason'])}  {plain(one['detail'] or '')}".rstrip())
    if len(shown) < len(rows):
        shown.append(f"  and {len(rows) - len(shown)} more: see results/rejects.parquet")
    return ["Rejected:", *shown] if shown else []


def _lines(verdict: dict[str, Any]) -> list[str]:
    state = f"{verdict['state']:<10} " if "state" in verdict else ""
    lead = f"{state}{verdict['verdict']:<8} {plain(verdict['policy'])}  {plain(verdict['subject'])}"
    head = f"{lead}: {plain(verdict['message'])}"
    if verdict["verdict"] == "pass":
        return [head]
    file, line = verdict["where"]["file"], verdict["where"]["line"]
    place = plain((file or "no file") + ("" if line is None else f":{line}"))
    shown = [head, f"           {plain(verdict['title'])} ({verdict['enforcement']}, {place})"]
    shown += [f"           mend: {plain(verdict['mend'])}"] if verdict["mend"] else []
    return [*shown, f"           would pass {plain(words)}"] if (words := _would(verdict)) else shown


def _would(verdict: dict[str, Any]) -> str:
    return would(verdict.get("would_pass") or (), verdict["subject"])


def _coloured(verdicts: Sequence[dict[str, Any]], foot: Sequence[str], width: int | None) -> str:
    rows = []
    for verdict in verdicts:
        found = f"{verdict['state']}: " if "state" in verdict else ""
        found += plain(verdict["message"])
        if verdict["verdict"] != "pass" and verdict["mend"]:
            found += f"\nmend: {plain(verdict['mend'])}"
        if words := _would(verdict):
            found += f"\nwould pass {plain(words)}"
        rows.append([verdict["verdict"], plain(verdict["policy"]), plain(verdict["subject"]), found])
    columns = ["verdict", "policy", "subject", "what was found"]
    return _drawn(columns, rows, width) + "".join(f"{line}\n" for line in foot)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, is_terminal: bool | None = None) -> str:
    """Return rows of text under their columns; a pipe gets tabs, so that nothing is cut or wrapped."""
    cells = [[plain(cell, 2000) for cell in row] for row in rows]
    if sys.stdout.isatty() if is_terminal is None else is_terminal:
        return _drawn(columns, cells, None)
    return "".join("\t".join(row) + "\n" for row in [columns, *cells])


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> str:
    from rich.console import Console  # noqa: PLC0415 -- 60 ms that plain output should not pay
    from rich.table import Table  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(Text(name), overflow="fold")
    for row in rows:  # Text, not str: a name with [markup] stays a name
        drawn.add_row(*(Text(cell, _STYLES.get(cell, "") if index == 0 else "") for index, cell in enumerate(row)))
    console = Console(force_terminal=True, width=width, highlight=False)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()
