"""The sampling loop: waits for the next instant, asks every sensor, writes a line, and watches the budget."""

from __future__ import annotations

import math
import os
import select
import signal
from typing import TYPE_CHECKING, Any

from green.meters.readings import Readings
from green.meters.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from green.meters import Note, Sensor
    from green.meters.clock import Clock, Strata
    from green.meters.log import Log
    from green.meters.pipe import Lines

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
        self._sensors = Readings(sensors, self.note)
        self.tally = Tally(self._sensors.abouts, longest_gap_s=10 * strata.every_s)
        self.is_tallied = False  # who watches needs the energy so far; nobody else pays for it
        self.on_energy: Callable[[float], None] | None = None  # is told that energy, in kWh, after each reading
        self.notes: Sequence[Note] = ()  # what families count beside their sensors: with each sync, and at the end
        self._fsync_s = fsync_s
        self._sync_t = clock.started_at + fsync_s if fsync_s else math.inf
        self._due_s = 0.0
        self._poll = select.poll()
        self._on: dict[int, Callable[[], None]] = {}
        if lines is not None:
            self.listen(lines.fd, lambda: self._events(lines.read()))

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

    def _events(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            self._counts()  # what was counted before a phase began belongs before it
            self.note(event)

    def _counts(self) -> None:
        counted = self.lines.counts() if self.lines is not None else None
        if counted is not None:
            self.note(counted)

    def sample(self) -> None:
        """Read every sensor once, and write a line."""
        t, changes = self.clock.tell()
        self.log.line(self._sensors.line(t))
        self.readings += 1
        if self.is_tallied:
            self._tally(t, self._sensors.all())
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

    def start(self) -> None:
        """Take the first reading and bring the header to the disk."""
        self.sample()
        self.log.sync()
        self._due_s = self.strata.next_s(self.clock.elapsed_s())

    def turn(self, until_s: float | None = None) -> None:
        """Sample at each instant until something was heard; with `until_s`, or where the energy is told, wait once.

        A processor that slept has forgotten what a wait and a reading need, so that both cost what they touch.
        """
        boot, from_s, wait = self.clock.boot, self.clock.from_s, self._poll.poll
        while True:
            wake_s = self._due_s
            if until_s is not None and until_s < wake_s:
                wake_s = until_s
            wait_ms = (wake_s - (boot() - from_s)) * 1000.0
            heard = wait(wait_ms if wait_ms > 0.0 else 0.0)  # noqa: FURB136 -- max is one thing more; a negative wait has no end
            if heard:
                self._answer(heard)
            elapsed_s = boot() - from_s
            if elapsed_s >= self._due_s:
                self.sample()
                self._due_s = self.strata.next_s(elapsed_s)
            if heard or until_s is not None or self.is_tallied:
                return

    def _answer(self, heard: Sequence[tuple[int, int]]) -> None:
        for fd, _ in heard:
            if fd in self._on:
                self._on[fd]()

    def end(self, footer: dict[str, Any]) -> bool:
        """Take the last reading, write the footer, close the log; tell whether every line is in it."""
        if self.lines is not None:
            self._events(self.lines.read_all())
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
        """Catch signals, but for those that this process was started to ignore; the end of a child must be heard."""
        self.fd, self._write = os.pipe()
        for end in (self.fd, self._write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in numbers:
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)

    def read(self) -> set[int]:
        """Return the signals that came since the last call."""
        try:
            return set(os.read(self.fd, 512))
        except BlockingIOError:
            return set()
