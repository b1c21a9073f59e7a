"""A program that meters itself: phases, counts and epochs reach the log, and however it ends the log says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_loop_processes import Rig

import green
from green.errors import InputError
from green.meters.pipe import ENVIRONMENT, METER, create
from tests.conftest import BIN

SENSORS = ["loop_family:FAMILY"]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    made = Rig(tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, value in made.environ().items():
        monkeypatch.setenv(name, value)
    for name in (ENVIRONMENT, METER, "GREEN_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return made


def events(rig: Rig) -> list[dict[str, Any]]:
    return [{k: v for k, v in one.items() if k != "t"} for one in rig.records() if "event" in one]


def test_what_a_program_says_is_in_its_log_in_the_order_of_time(rig: Rig) -> None:
    with green.meter("a/b", team="nlp", sensors=SENSORS, every_s=0.1, quiet=True) as meter:
        assert meter.run_id == "a/b" == os.environ["GREEN_RUN_ID"]
        assert meter.log == str(rig.log().relative_to(rig.folder))
        with meter.phase("train"):
            meter.epoch(1)
            for _ in range(1000):
                meter.count(tokens=4, images=0.5)
            with meter.phase("two\nlines"):
                pass
        meter.note("all went well")
    assert ENVIRONMENT not in os.environ
    assert not list(rig.folder.glob("green-meter-*"))
    assert events(rig) == [
        {"event": "phase", "name": "train", "edge": "begin"},
        {"event": "epoch", "number": 1},
        {"event": "count", "tokens": 4000, "images": 500},
        {"event": "phase", "name": "two lines", "edge": "begin"},
        {"event": "phase", "name": "two lines", "edge": "end"},
        {"event": "phase", "name": "train", "edge": "end"},
        {"event": "note", "note": "program", "text": "all went well"},
    ]
    footer = rig.records()[-1]
    assert footer["status"] == "completed"
    found = rig.read().runs[0]
    assert found.units == {"tokens": 4000.0, "images": 500.0}
    assert "NO_FOOTER" not in found.flags
    assert {"epochs", "phase_s.train", "phase_s.two lines"} < set(found.facts)
    assert (rig.log().parent / "run.yaml").read_text() == 'run_id: "a/b"\nteam: "nlp"\n'


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("x"), "failed"),
        (KeyboardInterrupt(), "killed"),
        (SystemExit(0), "completed"),
        (SystemExit(2), "failed"),
    ],
)
def test_how_the_block_was_left_is_the_status(rig: Rig, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), green.meter("r", sensors=SENSORS, quiet=True):
        raise error
    assert rig.records()[-1]["status"] == status


PROGRAM = """
import os, sys, green
with green.meter("r", sensors=["loop_family:FAMILY"], every_s=0.1, quiet=True) as meter:
    print("up", flush=True)
    {body}
"""


def program(rig: Rig, body: str) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body)], cwd=rig.folder, env=rig.environ(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    rig.started.append(started)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    return started


def test_program_that_is_killed_inside_the_block_was_killed(rig: Rig) -> None:
    started = program(rig, "sys.stdin.read()")
    started.send_signal(signal.SIGKILL)
    started.wait()
    rig.wait_for(lambda: '"ended_at"' in rig.log().read_text())
    assert rig.records()[-1]["status"] == "killed"


def test_program_whose_meter_is_killed_goes_on_and_is_told(rig: Rig) -> None:
    started = program(
        rig,
        "sys.stdin.readline(); [meter.count(x=1) or meter._flush() for _ in range(200_000)]; print('done')",
    )
    wanted = f"--pid={started.pid}".encode()
    processes = [one for one in Path("/proc").iterdir() if one.name.isdecimal()]
    (sampler,) = [int(one.name) for one in processes if wanted in (one / "cmdline").read_bytes().split(b"\0")]
    os.kill(sampler, signal.SIGKILL)
    out, err = started.communicate("go\n", timeout=30)
    assert (started.returncode, out) == (0, "done\n")
    assert "RuntimeWarning: the meter ended before the run, with -9" in err
    assert "events did not reach the meter" in err  # 200,000 lines are more than the pipe holds
    assert rig.read().runs[0].status == "killed"


def test_fork_of_the_program_does_not_end_the_run(rig: Rig) -> None:
    started = program(rig, "pid = os.fork(); pid and os.waitpid(pid, 0); sys.stdin.read() if pid else None")
    started.communicate("", timeout=20)
    assert started.returncode == 0
    footer = rig.records()[-1]
    assert footer["status"] == "completed"
    assert sum('"ended_at"' in line for line in rig.log().read_text().splitlines()) == 1


def test_program_below_green_meter_joins_its_log_and_starts_none(rig: Rig) -> None:
    body = "meter.count(tokens=3)\n    with meter.phase('eval'): pass\n    print(meter.log, meter.run_id)"
    code, _ = rig.run("--run-id", "outer", "--", sys.executable, "-c", PROGRAM.format(body=body))
    assert code == 0
    assert rig.log().parent.name == "outer"
    assert [one["event"] for one in events(rig)] == ["count", "phase", "phase"]


def test_meter_that_is_gone_is_told_and_stops_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(rig.folder / "no-such-pipe"))
    meter = green.meter()
    with pytest.warns(RuntimeWarning, match="the meter of this run is gone"):
        meter.__enter__()
    meter.count(tokens=1)
    with meter.phase("x"):
        pass
    meter.__exit__(None, None, None)


def test_meter_that_cannot_start_says_why(rig: Rig, capfd: pytest.CaptureFixture[str]) -> None:
    del rig
    with pytest.raises(InputError, match="the meter did not start"), green.meter("../x"):
        pass
    assert "cannot be a folder" in capfd.readouterr().err


@pytest.mark.parametrize(
    "units", [{"event": 1}, {"a b": 1}, {"": 1}, {"a=b": 1}, {"tokens": -1}, {"tokens": float("nan")}]
)
def test_count_that_is_none_is_refused_where_it_is_made(units: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"is no amount|no name of a unit"):
        green.meter().count(**units)


def test_package_has_a_meter_and_nothing_that_nobody_knows() -> None:
    with pytest.raises(AttributeError, match="no attribute 'metre'"):
        green.metre  # type: ignore[attr-defined]  # noqa: B018 -- the access is the test


def test_meter_below_another_leaves_the_metering_to_it(rig: Rig) -> None:
    inner = [str(BIN / "green"), "meter", "--sensors", "loop_family:FAMILY"]
    code, err = rig.run(
        "--run-id", "outer", "--", *inner, "--", "sh", "-c", "echo 'count x=1' > $GREEN_METER_PIPE; exit 5"
    )
    assert (code, err) == (5, "green meter: metered already, in the run outer\n")
    assert rig.log().parent.name == "outer"  # the one log
    assert [one["x"] for one in events(rig)] == [1]
    rig.log().unlink()
    code, err = rig.run("--run-id", "outer", "--", *inner, "--budget", "all", "--", "true")
    assert code == 3
    assert "give the budget to the outer" in err


def test_program_whose_outer_meter_was_killed_is_told(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    fd = create(str(rig.folder / "events"))
    monkeypatch.setenv(ENVIRONMENT, str(rig.folder / "events"))
    monkeypatch.setenv(METER, "4194304")  # beyond the highest process id of Linux
    meter = green.meter()
    with pytest.warns(RuntimeWarning, match="the meter of this run is gone"):
        meter.__enter__()
    meter.__exit__(None, None, None)
    os.close(fd)
