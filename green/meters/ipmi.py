"""The power of a whole server, from the controller on its board, by IPMI's DCMI extension.

The controller answers slowly, so that a reading never waits for it: `ipmitool` runs beside the meter every ten seconds,
and what it said last holds until it says more. Only root may ask, as a rule.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

from green.meters import About, Blind, Sight
from green.meters.place import place
from green.meters.rapl import uuid_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from green.meters import Asked

COMMAND = ("dcmi", "power", "reading")
EVERY_S = 10.0
FIRST_ANSWER_S = 3.0
MOST_AGE_S = 60.0  # what is older says nothing of now
_WATTS = re.compile(r"Instantaneous power reading:\s*(\d+)\s*Watts")
_OFF = re.compile(r"Power reading state is:\s*deactivated")


def watts_of(text: str) -> float | None:
    """Return the power of an answer; None where the controller measures none."""
    found = _WATTS.search(text)
    return float(found[1]) if found is not None and float(found[1]) > 0 and not _OFF.search(text) else None


class _Board:
    """The server's power, as of the last answer."""

    def __init__(self, about: About, tool: str, first_w: float, clock: Callable[[], float]) -> None:
        self.about = about
        self._tool = tool
        self._clock = clock
        self._power_w: float | None = first_w
        self._at_s = self._asked_s = clock()
        self._running: subprocess.Popen[str] | None = None

    def read(self) -> float | None:
        """Return watts, and ask again where it is time; None where the last answer is too old."""
        now_s = self._clock()
        if self._running is not None and self._running.poll() is not None:
            found = watts_of(self._running.communicate()[0])
            self._running = None
            if found is not None:
                self._power_w, self._at_s = found, now_s
        if self._running is None and now_s - self._asked_s >= EVERY_S:
            self._asked_s = now_s
            try:
                self._running = subprocess.Popen(  # noqa: S603 -- a tool of the system, with words of ours
                    [self._tool, *COMMAND], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            except OSError:  # it is gone, or there is no room for a process: the last answer ages
                self._running = None
        return self._power_w if now_s - self._at_s <= MOST_AGE_S else None

    def end(self) -> None:
        """End an answer that is under way."""
        if self._running is not None:
            self._running.kill()
            self._running.communicate()
            self._running = None


class Ipmi:
    """The family of the controller on the board."""

    name = "ipmi"

    def __init__(
        self, measured: Callable[[], frozenset[str]] = frozenset, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.kinds: frozenset[str] = frozenset()
        self._measured = measured
        self._clock = clock
        self._board: _Board | None = None

    def look(self, asked: Asked) -> Sight:
        """Ask the controller once, where there is one and nothing else reads the whole machine."""
        self.close()
        self.kinds = frozenset()
        if not os.path.isdir(f"{asked.sys}/class/ipmi") or "host" in self._measured():  # noqa: PTH112 -- a folder of the kernel
            return Sight()
        what = "the server's power (IPMI)"
        tool = shutil.which("ipmitool", path=asked.environ.get("PATH"))
        if tool is None:
            return Sight(blind=[Blind(what, "ipmitool is not installed", "install ipmitool")])
        try:
            done = subprocess.run(  # noqa: S603 -- a tool of the system, with words of ours
                [tool, *COMMAND], capture_output=True, text=True, timeout=FIRST_ANSWER_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Sight(blind=[Blind(what, f"ipmitool gives no answer: {type(error).__name__}", "run it by hand")])
        first_w = watts_of(done.stdout)
        if first_w is None:
            words = (done.stderr or done.stdout).strip().splitlines() or ["no power in its answer"]
            return Sight(blind=[Blind(what, words[0][:120], "run the meter as root, if the controller measures power")])
        is_ours = place(asked).is_whole
        about = About("host_ipmi", "host", "power_w", "sampled", "server", uuid_of(asked, "ipmi"), None, is_ours)
        self._board = _Board(about, tool, first_w, self._clock)
        self.kinds = frozenset(("host",)) if is_ours else frozenset()
        return Sight((self._board,))

    def close(self) -> None:
        """End what is under way."""
        if self._board is not None:
            self._board.end()
            self._board = None
