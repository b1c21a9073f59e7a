"""What the readers of power meters share: JSON in bounded memory, and energy where a log has no dates.

Readings whose times count from an unknown moment can be integrated, but no stage can place them in a
year: their energy becomes a statement of the log, by the same trapezoid rule as that of energy.sql.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from green.readers import Unreadable
from green.readers.intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from green.readers import Log, Sink

MOST_BYTES = 64 * 1024 * 1024  # of a document that must be read as one
MOST_W = 1_000_000.0
J_PER_KWH = 3_600_000
RELATIVE = "RELATIVE_TIME"
SMALL_JOULES = Decimal("1e-6")

Reading = tuple[str, int, float | None, int]  # device, µs from the log's own zero, W, line


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


def small(power_w: float | None) -> float | None:
    """Return a power that a sink would take; None where it is none, not finite, negative or above 1 MW."""
    return power_w if power_w is not None and math.isfinite(power_w) and 0.0 <= power_w <= MOST_W else None


@dataclass(slots=True)
class Integral:
    """The energy of one device, and the time that it is known of; whole µs and µW, so that no bit depends on order."""

    intervals: Intervals = field(default_factory=Intervals)
    first_us: int | None = None
    last_us: int | None = None
    line: int = 0
    twice: int = 0  # 2 × µW × µs
    covered_us: int = 0

    @property
    def joules(self) -> Decimal:
        """The energy."""
        with localcontext() as context:
            context.prec = 60
            return Decimal(self.twice) / 2_000_000_000_000

    @property
    def uncovered_us(self) -> int:
        """Time between the first and the last reading that no interval covers."""
        return 0 if self.first_us is None or self.last_us is None else self.last_us - self.first_us - self.covered_us


def integrate(readings: Callable[[], Iterable[Reading]]) -> dict[str, Integral]:
    """Integrate relative readings by the trapezoid rule; two passes, for the longest interval comes of the median.

    A reading without power ends an interval. Time that runs back begins a new one: the log was joined of two.
    """
    found: dict[str, Integral] = {}
    for own, t_us, last_us, _, _ in _intervals(readings, found):
        if t_us > last_us:
            own.intervals.add(t_us - last_us)
    gaps = {id(own): own.intervals.max_gap_us() for own in found.values()}
    for own, t_us, last_us, power, before in _intervals(readings, found):
        gap = gaps[id(own)]
        if gap is not None and 0 < t_us - last_us <= gap:
            own.twice += (power + before) * (t_us - last_us)
            own.covered_us += t_us - last_us
    return found


def _intervals(
    readings: Callable[[], Iterable[Reading]], found: dict[str, Integral]
) -> Iterator[tuple[Integral, int, int, int, int]]:
    """Yield device, end, start and both powers (µW) of each interval between readings of a power."""
    before: dict[str, tuple[int, int]] = {}
    for device, t_us, power_w, line in readings():
        own = found.setdefault(device, Integral(line=line))
        own.first_us = t_us if own.first_us is None else min(own.first_us, t_us)
        own.last_us = t_us if own.last_us is None else max(own.last_us, t_us)
        if small(power_w) is None or power_w is None:
            continue
        power = round(power_w * 1_000_000)
        if device in before:
            yield own, t_us, before[device][0], power, before[device][1]
        before[device] = (t_us, power)


def state(sink: Sink, run: int, covers: Mapping[str, Sequence[str]], found: dict[str, Integral]) -> list[str]:
    """State the energy of relative readings; return the flags of the run.

    A device of which no two readings span time has no energy.
    """
    flags = {RELATIVE}
    for device, own in found.items():
        if own.covered_us > 0:
            sink.statement(run, covers[device], kwh(own.joules), line=max(own.line, 1))
        else:
            sink.reject(max(own.line, 1), "TOO_FEW_READINGS", device[:80], run=run)
        if own.uncovered_us > 0:
            flags.add("GAPS")
    return sorted(flags)
