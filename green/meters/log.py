"""The log that a meter writes: each line goes to the system at once, so that a kill loses no reading made before it.

What a full disk refuses waits in a bounded buffer and is tried again with each later line.
"""

from __future__ import annotations

import json
import os
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_BYTES = 1 << 20  # that wait for a full disk: three hours of a small machine, half an hour of eight GPUs
_sync = getattr(os, "fdatasync", os.fsync)  # the former is not everywhere


class Log:
    """A native log, open to be appended to; `say` is told once when it cannot be written, and when it can again."""

    def __init__(self, path: str, say: Callable[[str], None] = lambda _: None, most_bytes: int = MOST_BYTES) -> None:
        """Create the file; one that is there already is never touched (FileExistsError)."""
        self.path = path
        self.lost = 0  # lines that were thrown away, for they did not fit the buffer
        self._say, self._most_bytes = say, most_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._is_refused = self._is_dirty = False
        self._write = os.write
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def record(self, record: Mapping[str, object]) -> bool:
        """Write an object as a line: the header, an event, the footer."""
        return self.line(json.dumps(record, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n")

    def line(self, data: bytes) -> bool:
        """Write a line with its end; return whether the system took it."""
        if self._waiting_bytes:
            self._keep(data)
            return self._retry()
        self._is_dirty = True
        try:
            written = self._write(self._fd, data)
        except OSError as error:
            self._keep(data)
            self._refused(error)
            return False
        if written < len(data):  # the disk became full in the middle: the rest goes first as soon as it can
            self._keep(data[written:])
            return self._retry()
        return True

    def _keep(self, data: bytes) -> None:
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        while self._waiting_bytes > self._most_bytes and len(self._waiting) > 2:  # noqa: PLR2004 -- the first may be the rest of a line, the last is the newest
            self._waiting_bytes -= len(self._waiting[1])
            del self._waiting[1]
            self.lost += 1

    def _retry(self) -> bool:
        """Write what waits, as far as the system takes it."""
        try:
            while self._waiting:
                data = self._waiting[0]
                written = self._write(self._fd, data)
                self._waiting_bytes -= written
                if written < len(data):
                    self._waiting[0] = data[written:]
                else:
                    self._waiting.popleft()
        except OSError as error:
            self._refused(error)
            return False
        if self._is_refused:
            self._is_refused = False
            self._say("the log is written again" + (f"; {self.lost} lines are lost" if self.lost else ""))
        return True

    def _refused(self, error: OSError) -> None:
        if not self._is_refused:
            self._is_refused = True
            self._say(f"the log cannot be written ({error.strerror}): {self.path}; the run goes on, readings wait")

    def sync(self) -> None:
        """Ask the system to bring what was written to the disk, so that a loss of power spares it, too."""
        if not self._is_dirty:
            return
        try:
            _sync(self._fd)
            self._is_dirty = False
        except OSError as error:
            self._refused(error)

    def close(self) -> bool:
        """Try once more, sync and close; return whether every line was written."""
        is_whole = self._retry() and not self.lost
        self.sync()
        try:
            os.close(self._fd)
        except OSError as error:  # a file server tells some losses only now
            self._refused(error)
            return False
        return is_whole
