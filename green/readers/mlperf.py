"""Read the power logs of MLPerf: `spl.txt` of SPEC PTDaemon at the wall, and the windows of MLPerf Tiny's runner."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from green.readers import COMPONENTS, Found, Unreadable
from green.readers.parse import Clock, decimal
from green.readers.quantity import J_PER_KWH, PREFIX, plain

if TYPE_CHECKING:
    from green.readers import Log, Sink

TESTING = "_testing"  # the mark of the timed run; before it the same meter finds its ranges, marked _ranging
HEAD_LINES = 64
MOST_LINE = 20_000

_SPL = re.compile(r"Time,(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,6})?),Watts,([^,]{1,64})(?:,.*)?", re.ASCII)
_MARK = re.compile(r",Mark,([^,]{1,200})")
_WINDOW = re.compile(
    r"\S+ ulp-ml: Energy data for window (\d{1,6}) at time [\d.]{1,20} for (\d{1,12}(?:\.\d{1,12})?) sec\.:", re.ASCII
)
_ENERGY = re.compile(r"\S+ ulp-ml:\s+Energy\s+:\s+(\S{1,64}) ([pnumk]?)J", re.ASCII)
_COUNT = re.compile(r"\S+ ulp-ml:\s+# Inferences\s+:\s+(\d{1,15})", re.ASCII)


def _mark(text: str) -> str:
    match = _MARK.search(text)
    return match[1].strip() if match else ""


class Spl:
    """The reader of SPEC PTDaemon logs: the power of a whole system at the wall."""

    name = "mlperf_power"
    title = "MLPerf power, spl.txt of SPEC PTDaemon"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by a first line of Time and Watts, named in the line."""
        if "Watts," not in log.head:
            return False
        first = next((line for line in log.head_lines if line.strip()), "")
        return len(first) <= MOST_LINE and _SPL.fullmatch(first.strip()) is not None

    def read(self, log: Log, sink: Sink) -> None:
        """Read the samples of the test; those of the search for ranges before it are not part of the run."""
        if not self.recognises(log):
            raise Unreadable("NO_HEADER")
        tests = any(_mark(text).endswith(TESTING) for text in log.lines() if len(text) <= MOST_LINE)
        found = Found(line=1, flags=["ASSUMED_UTC"] if log.zone_assumed else [])
        run = sink.run(found)
        series = sink.series(run, "wall", "host")
        clock = Clock(log.timezone)
        outside = first_outside = 0
        for number, text in enumerate(log.lines(), 1):
            match = _SPL.fullmatch(text.strip()) if len(text) <= MOST_LINE else None
            if match is None:
                if text.strip():
                    sink.reject(number, "BAD_LINE", text[:80], run=run)
                continue
            if tests and not _mark(text).endswith(TESTING):
                first_outside, outside = first_outside or number, outside + 1
                continue
            t_us = clock.us(f"{match[3]}-{match[1]}-{match[2]} {match[4]}")
            power_w = decimal(match[5])
            if t_us is None:
                sink.reject(number, "BAD_TIME", text[:40], run=run)
                continue
            if power_w is None:
                sink.reject(number, "UNREADABLE_POWER", match[5][:40], run=run)
            sink.sample(series, t_us, None if power_w is None else float(power_w), None, number)
        if outside:
            sink.reject(first_outside, "OUTSIDE_TEST", f"{outside} samples that are not marked {TESTING}", run=run)


class Tiny:
    """The reader of the energy results of MLPerf Tiny: a statement a window of one board."""

    name = "mlperf_tiny"
    title = "MLPerf Tiny energy results"
    holds_many = False
    by_words = True

    def recognises(self, log: Log) -> bool:
        """Tell by the heading of a window."""
        lines = log.head_lines[:HEAD_LINES] if "ulp-ml: " in log.head else []
        return any(_WINDOW.fullmatch(line.strip()) for line in lines if len(line) <= MOST_LINE)

    def read(self, log: Log, sink: Sink) -> None:
        """Report one run of all windows, with the inferences that they held."""
        if not self.recognises(log):
            raise Unreadable("NO_HEADER")
        found = Found(line=1)
        run = sink.run(found)
        length_s, inferences = Decimal(0), 0
        window = ""
        for number, text in enumerate(log.lines(), 1):
            line = text.strip() if len(text) <= MOST_LINE else ""
            if (match := _WINDOW.fullmatch(line)) is not None:
                window = match[1]
                length_s += Decimal(match[2])
            elif (match := _COUNT.fullmatch(line)) is not None:
                inferences += int(match[1])
            elif window and (match := _ENERGY.fullmatch(line)) is not None:
                energy = decimal(match[1])
                if energy is None or energy <= 0:
                    sink.reject(number, "UNREADABLE_ENERGY", f"window {window}: {match[1]}"[:80], run=run)
                else:
                    sink.statement(run, COMPONENTS, plain(energy * PREFIX[match[2]] / J_PER_KWH), line=number)
                window = ""
        found.duration_s = float(length_s) if length_s else None
        found.units = {"inferences": float(inferences)} if inferences else {}


SPL = Spl()
TINY = Tiny()
