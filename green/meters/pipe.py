"""The pipe on which a run tells its meter phases, counts and epochs: a line of words each, from any language.

    phase eval          the phase eval begins, and ends the one that was begun this way before; alone it ends it
    begin eval          a phase inside another one begins ...
    end eval            ... and ends
    count tokens=4096   functional units that were made since the last count
    epoch 3
    note any text

A line that is none of these is kept as a note, so that nothing is lost unseen.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ENVIRONMENT, METER = "GREEN_METER_PIPE", "GREEN_METER_PID"  # of the pipe, and of the process that reads it
RESERVED = frozenset({"t", "event", "format", "ended_at", "status", "exit_code"})
MOST_NAME, MOST_LINE, MOST_UNITS, MOST_UNREAD = 200, 8192, 100, 100
CAPACITY_BYTES = 1 << 20  # what fits before a writer waits, if nobody reads any more
BLOCK_BYTES = 1 << 13  # that are read at once: a tenth of a second of a flood of phases
_F_SETPIPE_SZ = 1031

Event = dict[str, Any]


def create(path: str) -> int:
    """Make the FIFO at `path` and open both of its ends, so that no writer ever waits for a reader."""
    os.mkfifo(path, 0o600)
    return hold(path)


def hold(path: str) -> int:
    """Open both ends of a FIFO that is there."""
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, CAPACITY_BYTES)
    except OSError as error:  # a user's share of pipes is spent, or this is no Linux: 64 KiB do, too
        if error.errno not in (errno.EPERM, errno.EINVAL, errno.EBUSY):
            raise
    return fd


class Pipe:
    """The FIFO of one run: at a given place, else in a folder that only we may enter."""

    def __init__(self, given: str | None) -> None:
        """Make it, or take the one that is there; OSError where neither can be."""
        self._folder: str | None = None
        if given is None:
            home = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 -- the folder in it is new, and ours alone
            self._folder = os.path.join(home, f"green-meter-{os.getpid()}-{os.urandom(6).hex()}")  # noqa: PTH118 -- pathlib costs 10 ms to load
            os.mkdir(self._folder, 0o700)  # noqa: PTH102 -- likewise
        self.path = os.path.abspath(given or f"{self._folder}/events")  # noqa: PTH100 -- likewise
        self._is_ours = given is None or not os.path.exists(given)  # noqa: PTH110 -- likewise
        self.fd = create(self.path) if self._is_ours else hold(self.path)

    def remove(self) -> None:
        """Remove what we made; what is on the pipe can still be read."""
        with suppress(OSError):  # a cleaner of TMPDIR was here, or the run left something there: the log must be ended
            if self._is_ours:
                os.unlink(self.path)  # noqa: PTH108 -- as above
            if self._folder is not None:
                os.rmdir(self._folder)  # noqa: PTH106 -- as above


class Lines:
    """What arrives on the pipe, as events of the log; counts are summed until somebody takes them."""

    def __init__(self, fd: int) -> None:
        """Read from a descriptor that does not block."""
        self.fd = fd
        self.ended: str | None = None  # the status that the program itself said as it ended
        self._rest = b""
        self._phase: str | None = None
        self.counted: dict[str, float] = {}  # units since the last call of `counts`
        self._unread = 0

    def read(self) -> Iterator[Event]:
        """Yield the events of what is there now, a block of it: a flood must not keep the reader from all else."""
        try:
            data = os.read(self.fd, BLOCK_BYTES)
        except BlockingIOError:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:MOST_LINE]
        for line in lines:
            yield from self.parse(line.decode("utf-8", "replace").strip())

    def read_all(self) -> Iterator[Event]:
        """Yield the events of all that the pipe holds, and not of what is written meanwhile without an end."""
        for _ in range(CAPACITY_BYTES // BLOCK_BYTES + 1):
            yield from self.read()

    def counts(self) -> Event | None:
        """Take the counts since the last call, as one event."""
        if not self.counted:
            return None
        taken, self.counted = self.counted, {}
        return {"event": "count", **{unit: int(n) if n.is_integer() else n for unit, n in taken.items()}}

    def parse(self, line: str) -> Iterator[Event]:
        """Yield the events of one line."""
        word, _, rest = line.partition(" ")
        rest = rest.strip()[:MOST_NAME]
        if word == "phase":
            if self._phase is not None:
                yield {"event": "phase", "name": self._phase, "edge": "end"}
            self._phase = rest or None
            if rest:
                yield {"event": "phase", "name": rest, "edge": "begin"}
        elif word in ("begin", "end") and rest:
            yield {"event": "phase", "name": rest, "edge": word}
        elif word == "epoch" and rest.isdecimal():
            yield {"event": "epoch", "number": int(rest)}
        elif word == "note" and rest:
            yield {"event": "note", "note": "program", "text": rest}
        elif word == "ended" and rest in ("completed", "failed", "killed"):
            self.ended = rest
        elif not (word == "count" and self._count(rest)) and line:
            yield from self._unreadable(line)

    def _count(self, text: str) -> bool:
        """Add `unit=amount ...`; all of a line or nothing of it."""
        found: dict[str, float] = {}
        for part in text.split():
            unit, sign, written = part.partition("=")
            try:
                amount = float(written)
            except ValueError:
                return False
            if not sign or not unit or unit in RESERVED or not 0 <= amount < math.inf:
                return False
            found[unit] = found.get(unit, 0.0) + amount
        sums = {**self.counted, **{unit: self.counted.get(unit, 0.0) + amount for unit, amount in found.items()}}
        if len(sums) > MOST_UNITS or math.inf in sums.values():
            return False
        self.counted = sums
        return bool(found)

    def _unreadable(self, line: str) -> Iterator[Event]:
        self._unread += 1
        if self._unread <= MOST_UNREAD:
            yield {"event": "note", "note": "unread", "text": line[:MOST_NAME]}
