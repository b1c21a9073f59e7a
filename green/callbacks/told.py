"""What every callback shares: a meter that begins and ends by calls instead of a `with` block."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from green.meters.session import Meter, meter

if TYPE_CHECKING:
    from collections.abc import Mapping


class Told:
    """A meter and the phases that are open in it; harmless to begin or to end again."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Keep the options of `green.meter`."""
        self.options = dict(options)
        self.meter: Meter | None = None
        self._open = ExitStack()
        self._phases: dict[str, ExitStack] = {}

    def begin(self) -> Meter:
        """Start the meter, or join the one that this program runs under."""
        if self.meter is None:
            self._open = ExitStack()
            self.meter = self._open.enter_context(meter(**self.options))
            atexit.register(self._abandoned)
        return self.meter

    def end(self, error: BaseException | None = None) -> None:
        """End the phases and the meter; with what went wrong, where something did."""
        if self.meter is None:
            return
        for name in list(self._phases):
            self.end_phase(name)
        self.meter = None
        atexit.unregister(self._abandoned)
        self._open.__exit__(type(error) if error else None, error, None)

    def _abandoned(self) -> None:
        """Say that the training never came to its end, where the program does."""
        self.end(RuntimeError("the training did not end"))

    def begin_phase(self, name: str) -> None:
        """Begin a phase that is not open yet."""
        if self.meter is not None and name not in self._phases:
            self._phases[name] = ExitStack()
            self._phases[name].enter_context(self.meter.phase(name))

    def end_phase(self, name: str) -> None:
        """End a phase that is open."""
        if (phase := self._phases.pop(name, None)) is not None:
            phase.close()
