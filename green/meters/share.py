"""A share of a device that others use, too: its own readings times what part of them is this run's.

No instrument measures such a share. It is modelled, from nothing to the whole device, and the log holds the whole
beside it, so that a reader can bound it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import About, Sensor


LEAST = 1e-6  # of the whole: an end is stated by the value, and nothing times anything is nothing


class Share:
    """The part of a whole sensor's readings that is ours."""

    def __init__(self, about: About, whole: Sensor, ratio: Callable[[], float | None]) -> None:
        self.about = about
        self._whole = whole
        self._ratio = ratio
        self._is_counter = about.reads == "energy_j"
        self._energy_j = 0.0
        self._last_j: float | None = None

    def read(self) -> float | None:
        """Return our part, of the power now or of the energy since the first reading; None where nobody can tell."""
        reading, ratio = self._whole.read(), self._ratio()
        if reading is None or ratio is None:
            return None
        ratio = max(ratio, LEAST)
        if not self._is_counter:
            return reading * ratio
        grown_j = 0.0 if self._last_j is None else reading - self._last_j
        self._last_j = reading
        if grown_j < 0:
            wraps_at_j = self._whole.about.wraps_at_j
            if wraps_at_j is None:  # a reset: ours falls, too, so that the interval is seen to be lost
                self._energy_j = 0.0
                return 0.0
            grown_j += wraps_at_j
        self._energy_j += grown_j * ratio
        return self._energy_j
