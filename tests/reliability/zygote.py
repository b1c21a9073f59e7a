"""Run a function in a child that is forked from a process without DuckDB threads, and may be killed at any moment."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any

Say = Callable[[Any], None]


def run(action: Callable[[Say], None], *, kill_after_s: float | None = None) -> tuple[list[Any], int]:
    """Fork, run `action(say)`, and return what it said and how it ended (0, or minus the signal, or 70)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 70
        try:
            action(lambda value: _say(writer, value))
            code = 0
        except BaseException:  # noqa: BLE001 -- a child ends here, and never returns into the parent's stack
            _say(writer, {"traceback": traceback.format_exc()})
        os._exit(code)
    os.close(writer)
    if kill_after_s is not None:
        time.sleep(kill_after_s)  # the moment is what is tried
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, encoding="utf-8") as stream:
        said = [json.loads(line) for line in stream if line.endswith("\n")]
    _, status = os.waitpid(child, 0)
    return said, os.waitstatus_to_exitcode(status)


def _say(writer: int, value: Any) -> None:
    os.write(writer, (json.dumps(value) + "\n").encode())
