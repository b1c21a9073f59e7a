"""A file of the kernel that is read again and again: it stays open, for to open it costs more than to read it."""

from __future__ import annotations

import os

_CLOSED = -1


class Held:
    """The beginning of such a file, anew with each reading."""

    def __init__(self, path: str, most_bytes: int) -> None:
        """Keep where it is; it is opened with the first reading."""
        self._path, self._most_bytes = path, most_bytes
        self._fd = _CLOSED
        self._pread = os.pread

    def read(self) -> bytes:
        """Return what it says now, nothing where it can't be read."""
        try:
            return self._pread(self._fd, self._most_bytes, 0)
        except OSError:
            return self._anew()

    def _anew(self) -> bytes:
        """Open it, at first or because its control group was removed: another one may have its name by now."""
        self.close()
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return self._pread(self._fd, self._most_bytes, 0)
        except OSError:
            return b""

    def close(self) -> None:
        """Give the descriptor back; harmless when called again."""
        if self._fd != _CLOSED:
            os.close(self._fd)
            self._fd = _CLOSED
