"""The judgement for a terminal: a table where somebody looks, plain lines where a program reads."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from green.output import counted, plain, worst_first

if TYPE_CHECKING:
    from green.policy.judge import Judgement, Verdict

_STYLES = {
    "error": "bold magenta",
    "fail": "bold red",
    "unknown": "yellow",
    "at_risk": "yellow",
    "warn": "yellow",
    "waived": "cyan",
    "pass": "green",
}


def render(judgement: Judgement, *, is_terminal: bool | None = None, width: int | None = None) -> str:
    """Return text; `is_terminal` is found out where it is not said."""
    if sys.stdout.isatty() if is_terminal is None else is_terminal:
        return _table(judgement, width)
    lines = [line for verdict in worst_first(judgement.verdicts) for line in _lines(verdict)]
    return "\n".join([*lines, *_foot(judgement), ""])


def _lines(verdict: Verdict) -> list[str]:
    lead = f"{verdict.verdict:<8} {plain(verdict.policy)}  {plain(verdict.subject)}"
    if verdict.verdict == "pass":
        return [f"{lead}: {plain(verdict.message)}"]
    place = plain(_place(verdict))
    shown = [
        f"{lead}: {plain(verdict.message)}",
        f"           {plain(verdict.title)} ({verdict.enforcement}, {place})",
    ]
    return [*shown, f"           mend: {plain(verdict.mend)}"] if verdict.mend else shown


def _place(verdict: Verdict) -> str:
    line = "" if verdict.where_line is None else f":{verdict.where_line}"
    return f"{verdict.where_file or 'no file'}{line}"


def _foot(judgement: Judgement) -> list[str]:
    idle = (
        [f"selected no run: {', '.join(plain(one.policy) for one in judgement.idle)}"]
        if judgement.idle
        else []
    )
    return [*idle, f"{counted(judgement.summary)} (as of {judgement.as_of or 'no known time'})"]


def _table(judgement: Judgement, width: int | None) -> str:
    from rich.console import Console  # noqa: PLC0415 -- 60 ms that plain output should not pay
    from rich.table import Table  # noqa: PLC0415 -- likewise
    from rich.text import Text  # noqa: PLC0415 -- likewise

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("verdict", "policy", "subject", "what was found"):
        table.add_column(name, overflow="fold")
    for verdict in worst_first(judgement.verdicts):
        found = plain(verdict.message)
        if verdict.verdict != "pass" and verdict.mend:
            found += f"\nmend: {plain(verdict.mend)}"
        # Text, not str: a name with [markup] stays a name.
        cells = (plain(verdict.policy), plain(verdict.subject), found)
        table.add_row(Text(verdict.verdict, _STYLES[verdict.verdict]), *map(Text, cells))
    console = Console(force_terminal=True, width=width, highlight=False)
    with console.capture() as capture:
        console.print(table)
        for line in _foot(judgement):
            console.print(Text(line))
    return capture.get()
