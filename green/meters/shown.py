"""The live view of a metered run: a program of its own that reads the log, so that the meter draws nothing."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from green.meters import itself
from green.meters.tally import KWH_J
from green.meters.watch import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from green.meters.options import Options
    from green.meters.tally import Tally

MODULE = "green.cli.meter_view"
PATIENCE_S = 2.0


def start_view(log: str, run_id: str, answer: Mapping[str, Any] | None, options: Options) -> int:
    """Start the view on standard error; return its process."""
    asked = {
        "log": log,
        "run_id": run_id,
        "answer": answer,
        "warn_at": options.warn_at,
        "project": options.project,
        "team": options.team,
        "model": options.model,
        "kind": options.kind,
        "site": options.site,
        "region": options.region,
        "common": options.common,
        "out": options.out,
    }
    words = itself.words(MODULE, json.dumps(asked))
    return os.posix_spawn(words[0], words, itself.environ())


def end_view(pid: int) -> None:
    """Let the view give the terminal back; what does not come to its end is ended, and the terminal freed for it."""
    until_s = time.monotonic() + PATIENCE_S
    number = signal.SIGTERM
    try:
        while time.monotonic() < until_s:
            os.kill(pid, number)
            time.sleep(0.02)
            if os.waitpid(pid, os.WNOHANG)[0]:
                return
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ChildProcessError, ProcessLookupError):
        pass  # it ended earlier, and was reaped with the other children
    else:
        os.write(2, b"\x1b7\x1b[r\x1b8")


def summary(tally: Tally, path: str) -> str:
    """Return the last line, for people: the figure that counts is made from the log."""
    took_s, energy_kwh = tally.took_s(), tally.energy_kwh()
    mean = f", {energy_kwh * KWH_J / took_s:.4g} W on average" if took_s > 0 else ""
    return f"about {quantity(energy_kwh, 'kWh')} in {took_s:.1f} s{mean}; log: {path}"
