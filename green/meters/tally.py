"""The energy of a run so far, for who watches it live; the figure that counts is made from the log, by the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.meters import About

KWH_J = 3_600_000.0
LONGEST_GAP_S = 10.0  # without the run's own median at hand; the pipeline takes ten times that


class _Device:
    """One device: joules of its counter, else of its power by the trapezoid rule."""

    __slots__ = ("at", "counter", "counter_j", "kind", "name", "power_w", "sampled_j", "wraps_at_j")

    def __init__(self, about: About) -> None:
        self.kind, self.name = about.kind, about.name or about.id
        self.at: float | None = None
        self.power_w: float | None = None
        self.counter: float | None = None
        self.sampled_j = 0.0
        self.counter_j: float | None = None
        self.wraps_at_j: float | None = None


class Tally:
    """Joules of each device, from the readings in the order of the sensors."""

    def __init__(self, abouts: Sequence[About], longest_gap_s: float = LONGEST_GAP_S) -> None:
        """Put the sensors of one device together, as the reader of the log does: one kind and one uuid."""
        self.longest_gap_s = longest_gap_s
        self.first_t: float | None = None
        self.last_t: float | None = None
        self.devices: list[_Device] = []
        self._sensors: list[tuple[_Device | None, bool]] = []
        by_uuid: dict[tuple[str, str, str], _Device] = {}
        for about in abouts:
            if not about.is_ours:
                self._sensors.append((None, False))
                continue
            twin = ("energy_j" if about.reads == "power_w" else "power_w", about.kind, about.uuid or "")
            device = by_uuid.pop(twin, None) if about.uuid else None
            if device is None:
                device = _Device(about)
                self.devices.append(device)
                if about.uuid:
                    by_uuid[about.reads, about.kind, about.uuid] = device
            if about.reads == "energy_j":
                device.wraps_at_j = about.wraps_at_j
            self._sensors.append((device, about.reads == "energy_j"))

    def see(self, t: float, readings: Sequence[float | None]) -> None:
        """Add the readings of one moment, one a sensor."""
        self.first_t, self.last_t = t if self.first_t is None else self.first_t, t
        for (device, is_counter), reading in zip(self._sensors, readings, strict=True):
            if device is None or reading is None:
                continue
            if is_counter:
                self._count(device, reading)
                continue
            if device.at is not None and device.power_w is not None and t - device.at <= self.longest_gap_s:
                device.sampled_j += (device.power_w + reading) / 2 * (t - device.at)
            device.at, device.power_w = t, reading

    @staticmethod
    def _count(device: _Device, reading: float) -> None:
        before, device.counter = device.counter, reading
        if before is None:
            device.counter_j = 0.0
        elif device.counter_j is not None:
            grown = reading - before
            if grown < 0:  # a wrap where one is known; else a reset, whose energy nobody knows
                grown = grown + device.wraps_at_j if device.wraps_at_j else 0.0
            device.counter_j += max(grown, 0.0)

    def took_s(self) -> float:
        """Return the time from the first reading to the last."""
        return 0.0 if self.first_t is None or self.last_t is None else self.last_t - self.first_t

    def parts_j(self) -> list[tuple[str, str, float]]:
        """Return (kind, name, joules) of each device."""
        return [(d.kind, d.name, d.sampled_j if d.counter_j is None else d.counter_j) for d in self.devices]

    def energy_kwh(self) -> float:
        """Return the sum; a sensor of the whole host counts only where no part of it is read."""
        parts = self.parts_j()
        inner = [joules for kind, _, joules in parts if kind != "host"]
        return sum(inner or [joules for _, _, joules in parts]) / KWH_J
