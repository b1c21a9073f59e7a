"""What the readers of power meters share: JSON in bounded memory, energies as text, and times that have no date."""

from __future__ import annotations

import json
import os
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from green.readers import UNDATED_US, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from green.readers import Log

MOST_BYTES = 64 * 1024 * 1024  # of a document that must be read as one
MOST_W = 1_000_000.0
J_PER_KWH = 3_600_000
YEAR_US = 365 * 86_400_000_000

Reading = tuple[str, int, float | None, int]  # device, µs, W, line


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a text; None where it is none."""
    found = json_value(text)
    return found if isinstance(found, dict) else None


def json_value(text: str) -> Any:  # noqa: ANN401 -- whatever JSON may be
    """Return the JSON value of a text; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also an integer of more digits than Python converts
        return None


def json_document(log: Log) -> Any:  # noqa: ANN401 -- likewise
    """Return the JSON value of a whole log, which must be small enough to be read as one."""
    if os.path.getsize(log.path) > MOST_BYTES:  # noqa: PTH202 -- paths from os.scandir may hold undecodable bytes
        raise Unreadable("a JSON document of more than 64 MiB")
    found = json_value("\n".join(log.lines()))
    if found is None:
        raise Unreadable("no JSON, or cut")
    return found


def part(found: object, *keys: str) -> Any:  # noqa: ANN401 -- likewise
    """Return what stands below the keys of nested objects; None where one is not there."""
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def uncut(log: Log, reject: Callable[[int, str], object]) -> Iterator[str]:
    """Yield the lines of a table, but not the last where its end is missing and its last number may be cut.

    With as many decimals as the line before, a number was written whole: some scripts end without a line end.
    """
    before, held, number = "", "", 0
    for number, text in enumerate(log.lines(), 1):
        if number > 1:
            yield held
        before, held = held, text
    decimals = [len(line.rstrip().rpartition(".")[2]) if "." in line else 0 for line in (before, held)]
    if number > 1 and decimals[0] != decimals[1] and not _is_ended(log.path):
        reject(number, held[:80])
    elif number:
        yield held


def _is_ended(path: str) -> bool:
    """Tell whether the last line of a file has its end; UTF-16 ends with two bytes a character."""
    with open(path, "rb") as stream:  # noqa: PTH123 -- paths from os.scandir may hold undecodable bytes
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 2))
        return b"\n" in stream.read()


def kwh(joules: Decimal) -> str:
    """Write an energy in kWh, as exactly as its statement is kept."""
    with localcontext() as context:
        context.prec = 60
        return f"{joules / J_PER_KWH:.24f}"


class Stopwatch:
    """Places readings whose times count from an unknown moment: the first of the log stands at the run's start.

    Time that runs back by more than half of its way begins a second log, which was joined to the first: it follows at
    once, device by device, for nobody knows of the pause between. Less than that is a line out of order.
    """

    def __init__(self) -> None:
        """Wait for the first reading."""
        self._start_us: int | None = None
        self._at: dict[str, tuple[int, int, int]] = {}  # device → first and latest time of its log, and what is added

    def t_us(self, device: str, t_us: int) -> int:
        """Return the time of a reading, for a run that is undated."""
        start_us = self._start_us = t_us if self._start_us is None else self._start_us
        first, latest, more = self._at.get(device, (t_us, t_us, -start_us))
        if 2 * (latest - t_us) > latest - first:
            first, latest, more = t_us, t_us, latest + more + 1 - t_us
        if abs(t_us + more) < YEAR_US:  # the sink refuses what is later, and it must move nothing that follows
            self._at[device] = first, max(latest, t_us), more
        return UNDATED_US + t_us + more
