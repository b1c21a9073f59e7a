"""A file of the kernel that holds a number of millionths: microwatts or microjoules."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from green.meters import About

MOST_DIGITS = 32


class MicroFile:
    """A sensor that is such a file; it stays open, for to open it costs more than to read it."""

    def __init__(self, about: About, file: int) -> None:
        """Take the open file."""
        self.about = about
        self._file = file

    def read(self) -> float | None:
        """Return watts or joules; None where the device sleeps, or the file is gone or closed."""
        try:
            return int(os.pread(self._file, MOST_DIGITS, 0)) / 1e6
        except (OSError, ValueError):
            return None
