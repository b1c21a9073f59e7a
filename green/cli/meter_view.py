"""The live view of `green meter`: power, energy, carbon and budgets in the last lines of the terminal.

It keeps those lines to itself by the terminal's scrolling region, so that the output of the command goes on above.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from green.errors import GreenError
from green.meters import About
from green.meters.allowed import KEYS, ask
from green.meters.options import Options
from green.meters.tally import Tally
from green.meters.watch import Guard, quantity
from green.output import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY_S = 1.0
MOST_LINES = 8
LEAST_ROWS = 12  # of a terminal that can spare some
BAR_CHARS = 20


class Followed:
    """The log as far as it is written: energy, power now, and the work done."""

    def __init__(self, path: str) -> None:
        """Open the log; its header is there before the view starts."""
        self.stream = open(path, encoding="utf-8")  # noqa: SIM115, PTH123 -- read until the view ends
        header = json.loads(self.stream.readline())
        sensors = header["sensors"]
        self.ids = [one["id"] for one in sensors]
        self.tally = Tally(
            [
                About(
                    *(one["id"], one["kind"], one["reads"], one["method"], one.get("name"), one.get("uuid")),
                    wraps_at_j=one.get("wraps_at_j"),
                    is_ours=one.get("is_ours", True),
                )
                for one in sensors
            ]
        )
        self.work: dict[str, float] = header.get("work", {})
        self.done: dict[str, float] = {}
        self.phases: list[str] = []
        self.last_t = 0.0
        self.watts: list[float] = []
        self.is_ended = False
        self._half = ""

    def read(self) -> None:
        """Take in what was written since."""
        text = self._half + self.stream.read()
        *lines, self._half = text.split("\n")
        for line in lines:
            said = json.loads(line)
            if "event" in said:
                self._event(said)
            elif "ended_at" in said:
                self.is_ended = True
            else:
                self._reading(said)

    def _event(self, said: Mapping[str, Any]) -> None:
        if said["event"] == "count":
            for unit, amount in said.items():
                if unit not in ("t", "event"):
                    self.done[unit] = self.done.get(unit, 0.0) + amount
        elif said["event"] == "epoch":
            self.done["epochs"] = max(self.done.get("epochs", 0.0), said["number"])
        elif said["event"] == "phase" and said["edge"] == "begin":
            self.phases.append(said["name"])
        elif said["event"] == "phase" and said["name"] in self.phases:
            self.phases.remove(said["name"])

    def _reading(self, said: Mapping[str, Any]) -> None:
        before, then = [joules for _, _, joules in self.tally.parts_j()], self.last_t
        self.last_t = said["t"]
        self.tally.see(self.last_t, [said.get(one) for one in self.ids])
        if then and self.last_t > then:
            after = [joules for _, _, joules in self.tally.parts_j()]
            self.watts = [(b - a) / (self.last_t - then) for a, b in zip(before, after, strict=True)]

    def forecast_kwh(self) -> float | None:
        """Return the energy at the end of the declared work, at the pace so far."""
        shares = [min(self.done.get(unit, 0.0) / amount, 1.0) for unit, amount in self.work.items() if amount]
        share = min(shares, default=0.0)
        return self.tally.energy_kwh() / share if share > 0 else None


def drawn(followed: Followed, guards: list[Guard], kg_per_kwh: float | None, width: int) -> list[str]:
    """Return the lines of the view, at most `width` columns wide."""
    energy_kwh = followed.tally.energy_kwh()
    took_s = int(followed.tally.took_s())
    table = Table.grid(padding=(0, 2))
    parts = [
        f"{took_s // 3600}:{took_s // 60 % 60:02}:{took_s % 60:02}",
        f"{sum(followed.watts):.4g} W",
        quantity(energy_kwh, "kWh"),
    ]
    if kg_per_kwh is not None:
        parts.append(quantity(energy_kwh * kg_per_kwh, "kgCO2e"))
    end_kwh = followed.forecast_kwh()
    if end_kwh is not None:
        parts.append(f"at the end {quantity(end_kwh, 'kWh')}")
    if followed.phases:
        parts.append(plain(followed.phases[-1], 20))
    table.add_row(Text("green meter", style="bold green"), Text("  ".join(parts)))
    devices = [
        f"{plain(name, 60)} {watts:.4g} W"
        for (_, name, _), watts in zip(followed.tally.parts_j(), followed.watts or [0.0] * 99, strict=False)
    ]
    if devices:
        table.add_row(Text("draws", style="dim"), Text(", ".join(devices)))
    for guard in guards[: MOST_LINES - 2]:
        table.add_row(Text(guard.policy, style="bold"), _bar(guard, energy_kwh, end_kwh))
    console = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(table, no_wrap=True, overflow="ellipsis", crop=True)
    return captured.get().rstrip("\n").split("\n")


def _bar(guard: Guard, energy_kwh: float, end_kwh: float | None) -> Text:
    """Draw how much of a limit is used, and what is left of it."""
    value = guard.used + guard.per_kwh * energy_kwh
    share = value / guard.limit if guard.limit else 1.0
    style = "red" if share > 1 else "yellow" if guard.warn_above is not None and value > guard.warn_above else "green"
    filled = min(int(share * BAR_CHARS), BAR_CHARS)
    left = guard.limit - value
    words = f" {share:.0%}, {quantity(left, guard.unit)} left" if left >= 0 else f" {share:.0%}, over by "
    words += "" if left >= 0 else quantity(-left, guard.unit)
    if end_kwh is not None and guard.limit:
        words += f", at the end {(guard.used + guard.per_kwh * end_kwh) / guard.limit:.0%}"
    return (
        Text("━" * filled, style=style) + Text("━" * (BAR_CHARS - filled), style="dim") + Text(words, style="default")
    )


class Screen:
    """The last lines of a terminal, kept out of what scrolls."""

    def __init__(self, fd: int) -> None:
        """Draw on a descriptor that is a terminal."""
        self.fd = fd
        self.lines = self.rows = 0

    def show(self, lines: list[str]) -> None:
        """Draw the lines; make room for them first where the terminal or their number changed."""
        rows = os.get_terminal_size(self.fd).lines
        if rows < LEAST_ROWS:
            return
        text = ""
        if (rows, len(lines)) != (self.rows, self.lines):
            text += self._freed() + "\n" * len(lines)
            text += f"\x1b7\x1b[1;{rows - len(lines)}r\x1b8\x1b[{len(lines)}A"
            self.rows, self.lines = rows, len(lines)
        text += "\x1b7" + "".join(
            f"\x1b[{rows - len(lines) + 1 + number};1H\x1b[2K{line}" for number, line in enumerate(lines)
        )
        os.write(self.fd, f"{text}\x1b8".encode())

    def _freed(self) -> str:
        """Return what clears our lines and lets the whole terminal scroll again."""
        if not self.lines:
            return ""
        cleared = "".join(f"\x1b[{self.rows - number};1H\x1b[2K" for number in range(self.lines))
        return f"\x1b7{cleared}\x1b[r\x1b8"

    def free(self) -> None:
        """Give the terminal back."""
        os.write(self.fd, self._freed().encode())
        self.lines = 0


def main() -> None:
    """Draw each second until the log or the meter ends."""
    asked = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the meter tells us when to end
    ends: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ends.append(number))
    meter = os.getppid()
    followed, screen = Followed(asked["log"]), Screen(sys.stderr.fileno())
    answer = asked["answer"] or _answer(asked)
    guards = [Guard(**{key: one[key] for key in KEYS}) for one in answer.get("guards", [])]
    try:
        while not ends and not followed.is_ended and os.getppid() == meter:
            followed.read()
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
            screen.show(drawn(followed, guards, answer.get("kgco2e_per_kwh"), columns)[:MOST_LINES])
            _pause(ends)
    finally:
        screen.free()


def _pause(ends: list[int]) -> None:
    """Wait until the next drawing; a SIGTERM ends the wait within a tenth of a second."""
    until_s = time.monotonic() + EVERY_S
    while not ends and time.monotonic() < until_s:
        time.sleep(0.1)


def _answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Ask what a kWh counts where the region is known; without it the view has no carbon, and says none."""
    options = Options(**{key: asked[key] for key in ("project", "team", "model", "kind", "site", "region", "out")})
    options.common = asked["common"]
    if not (options.site or options.region):
        return {}
    try:
        return ask(options, asked["run_id"])
    except GreenError as error:
        sys.stderr.write(f"green meter: the view shows no carbon: {error}\n")
        return {}


if __name__ == "__main__":
    main()
