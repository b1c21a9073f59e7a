"""The sensors of a run, asked together, as one line of its log.

A processor that slept has forgotten what a reading needs, so that a reading costs what it touches: hence one call a
sensor, none for one whose reading never changes, and one format for the whole line that was made before.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import About, Sensor

MOST_NOTES = 20  # of one sensor that comes and goes
MOST_WORDS = 200  # of what a sensor raised
NO_NUMBER = (ArithmeticError, TypeError, ValueError)  # what comes of reckoning with a reading that is none


class Readings:
    """Sensors in the order of a line: those that are asked each time, then those whose reading never changes."""

    def __init__(self, sensors: Sequence[Sensor], note: Callable[[dict[str, Any]], None]) -> None:
        """Prepare; nothing that changes is read before `line`. `note` is told when a sensor is lost, and is back."""
        found = [(sensor, _constant(sensor)) for sensor in sensors]
        asked = [sensor for sensor, value in found if value is None]
        constant = [(sensor.about, value) for sensor, value in found if value is not None]
        self.abouts = [*(sensor.about for sensor in asked), *(about for about, _ in constant)]
        self._note = note
        self._asked: list[Callable[[], float | None]] = [sensor.read for sensor in asked]
        self._values: list[float | None] = []  # of those, as of the last line
        self._constants = [value for _, value in constant]
        self._end = b"".join(_part(about, value) for about, value in constant) + b"}\n"
        shapes = (_key(one.about).replace(b"%", b"%%") + _shape(one.about) for one in asked)
        self._shape = b'{"t": %.6f' + b"".join(shapes) + self._end.replace(b"%", b"%%")
        self._lost: set[int] = set()
        self._told = [0] * len(asked)

    def line(self, t: float) -> bytes:
        """Read every sensor, and return the line of the time t, in Unix seconds; what can't be read is null."""
        self._values = values = []
        whys = {}
        for read in self._asked:
            try:
                values.append(read())
            except Exception as error:  # noqa: BLE001 -- a sensor that somebody else brought must not end the run beside it
                whys[len(values)] = f"{type(error).__name__}: {error}"[:MOST_WORDS]
                values.append(None)
        try:
            total = 0.0
            for value in values:
                total += value  # type: ignore[operator]  # None is caught
            if total - total == 0.0 and not self._lost:  # neither NaN nor infinite
                return self._shape % (t, *values)
        except NO_NUMBER:
            pass  # which of them it was is told below
        return self._with_gaps(t, whys)

    def all(self) -> list[float | None]:
        """Return the readings of the last line, in the order of `abouts`."""
        return self._values + self._constants

    def _with_gaps(self, t: float, whys: dict[int, str]) -> bytes:
        """Return the line sensor by sensor, where one of them can't be read or is back."""
        parts = [b'{"t": %.6f' % t]
        for number, read in enumerate(self._values):
            about, why = self.abouts[number], whys.get(number, "")
            try:
                value = _sound(read)
                part = _part(about, value)
            except NO_NUMBER as error:
                value, part = None, _part(about, None)
                why = f"{type(error).__name__}: {error}"[:MOST_WORDS]
            self._values[number] = value
            parts.append(part)
            self._tell(number, why)
        return b"".join(parts) + self._end

    def _tell(self, number: int, why: str) -> None:
        """Tell that a sensor is lost or back, unless it was so before, or was so too often."""
        is_lost = self._values[number] is None
        if is_lost == (number in self._lost):
            return
        self._lost ^= {number}
        self._told[number] += 1
        if self._told[number] <= MOST_NOTES:
            said = {"is": "lost" if is_lost else "back", **({"why": why} if why else {})}
            self._note({"event": "note", "note": "sensor", "id": self.abouts[number].id, **said})


def _constant(sensor: Sensor) -> float | None:
    """Return the reading of a sensor that never changes; one that has none is asked each time, as the others are."""
    if not sensor.about.is_constant:
        return None
    try:
        value = _sound(sensor.read())
        _part(sensor.about, value)
    except Exception:  # noqa: BLE001 -- it is asked again, and then told
        return None
    return value


def _sound(value: float | None) -> float | None:
    """Return a reading, None for NaN and the infinite; whatever is no number at all may raise what it likes."""
    return None if value is None or value - value != 0.0 else value


def _key(about: About) -> bytes:
    return f", {json.dumps(about.id)}: ".encode("ascii")


def _shape(about: About) -> bytes:
    return f"%.{about.places}f".encode("ascii")


def _part(about: About, value: float | None) -> bytes:
    return _key(about) + (b"null" if value is None else _shape(about) % value)
