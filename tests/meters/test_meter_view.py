"""The live view: what it draws, where, and that the terminal is whole again afterwards."""

from __future__ import annotations

import json
import os
import pty
import re
import struct
import subprocess
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ
from typing import Any

import pytest
from test_loop_processes import PATIENCE_S, Rig

from green.cli.meter_view import Followed, Screen, drawn
from green.meters.watch import Guard

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[78]")
HEADER = {
    "format": "green/1",
    "work": {"epochs": 10.0},
    "sensors": [
        {"id": "g", "kind": "gpu", "name": "H100", "uuid": "GPU-1", "reads": "power_w", "method": "sampled"},
        {"id": "o", "kind": "gpu", "uuid": "GPU-2", "reads": "power_w", "method": "sampled", "is_ours": False},
        {"id": "c", "kind": "cpu", "name": "Xeon", "reads": "energy_j", "method": "counter", "wraps_at_j": 1000.0},
    ],
}


def log_of(folder: Path, *records: dict[str, Any]) -> Path:
    path = folder / "a.green.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (HEADER, *records)))
    return path


def plain(lines: list[str]) -> list[str]:
    return [ESCAPES.sub("", line).rstrip() for line in lines]


@pytest.fixture
def followed(tmp_path: Path) -> Followed:
    readings: list[dict[str, Any]] = [
        {"t": 1000.0 + n, "g": 720.0, "o": 9.0, "c": (900.0 + 90 * n) % 1000} for n in range(5)
    ]
    events = [{"t": 1.0, "event": "epoch", "number": 2}, {"t": 1.0, "event": "phase", "name": "eval", "edge": "begin"}]
    found = Followed(str(log_of(tmp_path, *readings, *events)))
    found.read()
    return found


def test_view_tells_power_energy_carbon_forecast_and_what_is_left(followed: Followed) -> None:
    """720 W and 90 W for 4 s are 3,240 J = 0.9 Wh; two epochs of ten are a fifth of the work."""
    guard = Guard("P-1", "t", "energy.facility", "kWh", 0.009, 0.008, used=0.0, per_kwh=1.25)
    lines = plain(drawn(followed, [guard], 0.4, 100))
    assert lines[0].split("  ") == [
        "green meter",
        "0:00:04",
        "810 W",
        "0.9 Wh",
        "0.36 gCO2e",
        "at the end 4.5 Wh",
        "eval",
    ]
    assert lines[1].split("  ", 1)[1].strip() == "H100 720 W, Xeon 90 W"
    assert lines[2].endswith("12%, 7.88 Wh left, at the end 62%")
    assert len(lines) == 3


def test_view_shows_no_carbon_that_nobody_knows_and_no_forecast_without_work(tmp_path: Path) -> None:
    found = Followed(str(log_of(tmp_path, {"t": 1.0, "g": 1.0, "c": 1.0})))
    found.read()
    assert plain(drawn(found, [], None, 80))[0] == "green meter  0:00:00  0 W  0 kWh"


def test_name_of_a_phase_cannot_drive_the_terminal(tmp_path: Path) -> None:
    event = {"t": 1.0, "event": "phase", "name": "\x1b[2Jx\x07", "edge": "begin"}
    found = Followed(str(log_of(tmp_path, event)))
    found.read()
    text = "".join(drawn(found, [], None, 80))
    assert "\x1b[2J" not in text
    assert "\x07" not in text


def test_view_never_draws_beyond_the_width(followed: Followed) -> None:
    guards = [Guard("P" * 200, "t", "energy.it", "kWh", 1.0, None, 0.0, 1.0)] * 20
    for width in (10, 40, 200):
        assert max(map(len, plain(drawn(followed, guards, 0.4, width)))) <= width


def test_budget_that_is_used_up_says_by_how_much(followed: Followed) -> None:
    guard = Guard("P-1", "t", "energy.it", "kWh", 0.0005, None, used=0.0, per_kwh=1.0)
    assert plain(drawn(followed, [guard], None, 100))[2].endswith("180%, over by 0.4 Wh, at the end 900%")


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = log_of(tmp_path)
    found = Followed(str(path))
    with path.open("a") as stream:
        stream.write('{"t": 1.0, "g": 1')
        stream.flush()
        found.read()
        assert found.last_t == 0.0
        stream.write('00, "c": 5}\n{"ended_at": "x"}\n')
    found.read()
    assert (found.last_t, found.is_ended) == (1.0, True)


def terminal(rows: int) -> tuple[int, int]:
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", rows, 100, 0, 0))
    return ours, theirs


def test_lines_are_kept_out_of_what_scrolls_and_given_back() -> None:
    ours, theirs = terminal(24)
    screen = Screen(theirs)
    screen.show(["one", "two"])
    assert "\x1b[1;22r" in (text := os.read(ours, 4096).decode())
    assert "\x1b[23;1H\x1b[2Kone\x1b[24;1H\x1b[2Ktwo" in text
    screen.show(["three", "four"])
    assert not re.search(r"\x1b\[[0-9;]*r", os.read(ours, 4096).decode())  # the region stands
    screen.free()
    assert os.read(ours, 4096).decode().endswith("\x1b[r\x1b8")
    os.close(ours)
    os.close(theirs)


def test_terminal_with_few_rows_is_left_alone() -> None:
    ours, theirs = terminal(5)
    os.set_blocking(ours, False)
    Screen(theirs).show(["one"])
    with pytest.raises(BlockingIOError):
        os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


def test_person_who_watches_sees_the_run_and_gets_the_terminal_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ours, theirs = terminal(24)
    started = rig.start("--run-id", "r", "--", "sh", "-c", "read line; exit 3", stderr=theirs, stdin=subprocess.PIPE)
    os.close(theirs)
    text = ""
    while " W" not in text or text.count("green meter") < 2:
        text += os.read(ours, 65_536).decode()
    assert "\x1b[1;22r" in text
    assert started.stdin is not None
    started.stdin.write("go\n")
    started.stdin.flush()
    assert started.wait(PATIENCE_S) == 3
    os.set_blocking(ours, False)
    text += os.read(ours, 65_536).decode()
    os.close(ours)
    assert text.rindex("\x1b[r") > text.rindex("\x1b[1;22r")
    last = text.splitlines()[-1]
    assert re.search(r"green meter: about .* Wh in .* s, 3[34]\d(\.\d)? W on average; log: logs/r/", last), last
    rig.end()


def test_nobody_who_watches_and_quiet_mean_silence(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.run("--", "true") == (0, "")
    ours, theirs = terminal(24)
    started = rig.start("--quiet", "--", "true", stderr=theirs)
    os.close(theirs)
    assert started.wait(PATIENCE_S) == 0
    with pytest.raises(OSError, match="Input/output error"):  # the other end is closed, and nothing was written
        os.read(ours, 4096)
    os.close(ours)
    rig.end()
