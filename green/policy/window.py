"""Which time a budget counts: (as-of - length, as-of], or the calendar period up to as-of, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from green.errors import UsageError

if TYPE_CHECKING:
    from green.policy.model import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_STEP = timedelta(microseconds=1)


def first_us(window: Window, as_of_us: int) -> int:
    """Return the first microsecond that counts; as-of is the last one."""
    if window.length_us is not None:
        return as_of_us - window.length_us + 1  # the start itself is outside
    months = _MONTHS[window.calendar or "year"]
    moment = moment_of(as_of_us)
    month = (moment.month - 1) // months * months + 1
    return us_of(datetime(moment.year, month, 1, tzinfo=UTC))


def after_us(window: Window, as_of_us: int) -> int:
    """Return the first microsecond after the calendar period of as-of."""
    months = _MONTHS[window.calendar or "year"]
    moment = moment_of(as_of_us)
    count = moment.year * 12 + (moment.month - 1) // months * months + months
    return us_of(datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC))


def moment_of(us: int) -> datetime:
    """Return the time of a number of microseconds, exactly."""
    return _EPOCH + timedelta(microseconds=us)


def us_of(moment: datetime) -> int:
    """Return the microseconds of a time, exactly; a naive time is UTC, never the machine's zone."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _STEP


def iso(us: int) -> str:
    """Write a time as ISO 8601 in UTC."""
    return moment_of(us).isoformat().replace("+00:00", "Z")


def read_as_of(text: str) -> int:
    """Read an as-of that is a date (its first instant, UTC) or a time."""
    try:
        return us_of(datetime.fromisoformat(text))
    except ValueError as error:
        raise UsageError(
            f'"{text[:40]}" is no time', mend="write latest, now, or ISO 8601 as in 2026-10-01T00:00:00Z"
        ) from error
