"""The ends of what a meter models: fixed parts of its value, or what other sensors of the log read beside it.

A modelled sensor names `low_ratio` and `high_ratio`, or with `low_is` and `high_is` a sensor whose readings are that
end: another curve of the model, or the whole device of which the run has a part.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from green.readers.parse import json_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from green.readers import Sink

SIDES = ("low", "high")


class _Amount:
    """How much a sensor read in all: how far a counter went, or the sum of powers."""

    def __init__(self, sensor: Mapping[str, Any]) -> None:
        self.is_counter = sensor.get("reads") == "energy_j"
        self.wraps_at_j = json_number(sensor.get("wraps_at_j"))
        self.total = 0.0
        self.last: float | None = None

    def see(self, reading: float) -> None:
        """Add a reading."""
        if not self.is_counter:
            self.total += reading
            return
        grown = 0.0 if self.last is None else reading - self.last
        self.last = reading
        if grown < 0:  # round its end, or reset: then nobody knows how far it went
            grown = grown + self.wraps_at_j if self.wraps_at_j is not None else 0.0
        self.total += grown


class Ends:
    """The ends of the modelled series of one log."""

    def __init__(self, sensors: Sequence[Mapping[str, Any]]) -> None:
        self._sensors = {str(sensor.get("id")): sensor for sensor in sensors}
        self._amounts: dict[str, _Amount] = {}
        self._own: list[tuple[int, str, list[float | str | None]]] = []  # series, its sensor, low and high

    def own(self, series: int, sensor: Mapping[str, Any], sink: Sink, run: int) -> None:
        """Take in what a sensor says of its ends; what can't be is refused, and the sensor's error holds."""
        ends: list[float | str | None] = []
        for side in SIDES:
            beside = sensor.get(f"{side}_is")
            ratio = json_number(sensor.get(f"{side}_ratio"))
            ends.append(beside if isinstance(beside, str) and beside in self._sensors else ratio)
        if not any(f"{side}_{how}" in sensor for side in SIDES for how in ("is", "ratio")):
            return
        low, high = ends
        if (
            low is None
            or high is None
            or (isinstance(low, float) and not 0 <= low <= 1)
            or (isinstance(high, float) and not 1 <= high < math.inf)
        ):
            sink.reject(1, "BAD_SENSOR", f"{sensor.get('id')}: its ends are not understood", run=run)
            return
        self._own.append((series, str(sensor.get("id")), ends))
        for name in (str(sensor.get("id")), *(end for end in ends if isinstance(end, str))):
            self._amounts.setdefault(name, _Amount(self._sensors[name]))

    def see(self, record: Mapping[str, Any]) -> None:
        """Take the readings of one moment in."""
        for name, amount in self._amounts.items():
            reading = json_number(record.get(name))
            if reading is not None and math.isfinite(reading):
                amount.see(reading)

    def state(self, sink: Sink) -> None:
        """Tell the sink the ends of each series, now that all is read."""
        for series, name, ends in self._own:
            total = self._amounts[name].total
            low, high = (self._ratio(end, total) for end in ends)
            if low is not None and high is not None:
                sink.bounds(series, min(low, 1.0), max(high, 1.0))

    def _ratio(self, end: float | str | None, total: float) -> float | None:
        """Return an end by the value; None where there is no value to compare with."""
        if not isinstance(end, str):
            return end
        return max(self._amounts[end].total, 0.0) / total if total > 0 else None
