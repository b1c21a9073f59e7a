"""The sampling loop: waits for the next instant, asks every sensor, writes a line, and watches the budget."""

from __future__ import annotations

import math
import os
import select
import signal
from typing import TYPE_CHECKING, Any

from green.meters.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from green.meters import Note, Sensor
    from green.meters.clock import Clock, Strata
    from green.meters.log import Log
    from green.meters.pipe import Lines

MOST_NOTES = 20  # of one sensor that comes and goes
PLACES = 6  # of a second: microseconds


class Loop:
    """Sensors, a log and a clock, put together; who owns it says when it ends."""

    def __init__(
        self,
        sensors: Sequence[Sensor],
        log: Log,
        clock: Clock,
        strata: Strata,
        *,
        lines: Lines | None = None,
        fsync_s: float = 60.0,
    ) -> None:
        """Prepare; nothing is read before `sample`."""
        self.log, self.clock, self.strata, self.lines = log, clock, strata, lines
        self.readings = 0
        self.tally = Tally([sensor.about for sensor in sensors], longest_gap_s=10 * strata.every_s)
        self.is_tallied = False  # who watches needs the energy so far; nobody else pays for it
        self.on_energy: Callable[[float], None] | None = None  # is told that energy, in kWh, after each reading
        self.notes: Sequence[Note] = ()  # what families count beside their sensors: with each sync, and at the end
        self._asked: list[tuple[str, Callable[[], float | None]]] = [
            (f', "{sensor.about.id}": ', sensor.read) for sensor in sensors
        ]
        self._ids = [sensor.about.id for sensor in sensors]
        self._lost: set[int] = set()
        self._told = [0] * len(sensors)
        self._fsync_s = fsync_s
        self._sync_t = clock.started_at + fsync_s if fsync_s else math.inf
        self._due_s = 0.0
        self._poll = select.poll()
        self._heard = self._poll.poll
        self._on: dict[int, Callable[[], None]] = {}
        if lines is not None:
            self.listen(lines.fd, self._events)

    def listen(self, fd: int, call: Callable[[], None]) -> None:
        """Call a function when a descriptor can be read."""
        self._poll.register(fd, select.POLLIN)
        self._on[fd] = call

    def deafen(self, fd: int) -> None:
        """Listen to a descriptor no more."""
        self._poll.unregister(fd)
        del self._on[fd]

    def note(self, event: dict[str, Any]) -> None:
        """Write an event with the time of now."""
        self.log.record({"t": round(self.clock.now(), PLACES), **event})

    def _events(self) -> None:
        for event in self.lines.read() if self.lines is not None else ():
            self._counts()  # what was counted before a phase began belongs before it
            self.note(event)

    def _counts(self) -> None:
        counted = self.lines.counts() if self.lines is not None else None
        if counted is not None:
            self.note(counted)

    def sample(self) -> None:
        """Read every sensor once, and write a line."""
        t, changes = self.clock.tell()
        parts = [f'{{"t": {t:.6f}']
        readings: list[float | None] = []
        for number, (key, read) in enumerate(self._asked):
            try:
                reading = read()
            except Exception as error:  # noqa: BLE001 -- a sensor that somebody else brought must not end the run beside it
                self._gone(number, f"{type(error).__name__}: {error}"[:200])
                reading = None
            if reading is None or reading - reading != 0.0:  # null, NaN or infinite
                reading = None
                parts.append(f"{key}null")
                self._gone(number)
            else:  # microwatts and microjoules, as the pipeline keeps them
                parts.append(f"{key}{reading:.6f}".rstrip("0").rstrip("."))
                if number in self._lost:
                    self._lost.remove(number)
                    self._tell(number, {"is": "back"})
            readings.append(reading)
        parts.append("}")
        self.log.line("".join(parts))
        self.readings += 1
        if self.is_tallied:
            self._tally(t, readings)
        if self.lines is not None and self.lines.counted:
            self._counts()
        for kind, by_s in changes:
            self.note({"event": "note", "note": kind, "by_s": round(by_s, 3)})
        if t >= self._sync_t:
            self._sync(t)

    def _tally(self, t: float, readings: Sequence[float | None]) -> None:
        self.tally.see(t, readings)
        if self.on_energy is not None:
            self.on_energy(self.tally.energy_kwh())

    def _sync(self, t: float) -> None:
        self._sync_t = t + self._fsync_s
        self._note_all()
        self.log.sync()

    def _note_all(self) -> None:
        for said in filter(None, (note() for note in self.notes)):
            self.note({"event": "note", **said})

    def _gone(self, number: int, why: str = "") -> None:
        if number not in self._lost:
            self._lost.add(number)
            self._tell(number, {"is": "lost", **({"why": why} if why else {})})

    def _tell(self, number: int, said: dict[str, str]) -> None:
        self._told[number] += 1
        if self._told[number] <= MOST_NOTES:
            self.note({"event": "note", "note": "sensor", "id": self._ids[number], **said})

    def start(self) -> None:
        """Take the first reading and bring the header to the disk."""
        self.sample()
        self.log.sync()
        self._due_s = self.strata.next_s(self.clock.elapsed_s())

    def turn(self, until_s: float | None = None) -> None:
        """Wait for the next instant or for what comes first, and do what is to be done; `until_s` wakes it earlier."""
        wake_s = self._due_s if until_s is None else min(self._due_s, until_s)
        wait_s = wake_s - self.clock.elapsed_s()
        for fd, _ in self._heard(max(0, int(wait_s * 1000) + 1)):
            if fd in self._on:
                self._on[fd]()
        elapsed_s = self.clock.elapsed_s()
        if elapsed_s >= self._due_s:
            self.sample()
            self._due_s = self.strata.next_s(elapsed_s)

    def end(self, footer: dict[str, Any]) -> bool:
        """Take the last reading, write the footer, close the log; tell whether every line is in it."""
        self._events()
        self._sync_t = math.inf
        self.sample()
        self._note_all()
        if self.log.lost:
            self.note({"event": "note", "note": "lost", "lines": self.log.lost})
        said = {**footer, "readings": self.readings, "drift_s": round(self.clock.drift_s(), 3)}
        self.log.record({"ended_at": iso(self.clock.now()), **said})
        return self.log.close()


def iso(t: float) -> str:
    """Return a time in Unix seconds as ISO 8601 in UTC."""
    import time  # noqa: PLC0415 -- beside its one use

    micros = round(t * 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(micros // 1_000_000))}.{micros % 1_000_000:06d}Z"


class Signals:
    """Signals as bytes on a pipe, so that the loop meets them at a place of its own choice."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """Catch signals, but for those that this process was started to ignore."""
        self.fd, self._write = os.pipe()
        for end in (self.fd, self._write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in numbers:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)

    def read(self) -> set[int]:
        """Return the signals that came since the last call."""
        try:
            return set(os.read(self.fd, 512))
        except BlockingIOError:
            return set()
