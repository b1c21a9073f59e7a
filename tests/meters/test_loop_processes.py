"""`green meter` beside real processes: ends, signals and kills come through, and the log holds what was read before."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from green import config as configuration
from green.audit import store
from green.meters.child import descendants, stop_tree
from green.meters.loop import iso
from green.policy.load import load
from green.readers import Log as Read
from green.review import Review
from tests.conftest import BIN, REPO

HERE = Path(__file__).parent
PATIENCE_S = 60.0  # of a machine that is busy; each wait ends when its end is there
EVERY_S = 0.1

Started = subprocess.Popen[str]


class Rig:
    """A folder with a fake GPU, and meters started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Started] = []
        (folder / "gpu0").write_text("300")

    def environ(self, **more: str) -> dict[str, str]:
        mine = {key: value for key, value in os.environ.items() if not key.startswith(("GREEN_", "SLURM_", "RANK"))}
        return mine | {"PYTHONPATH": f"{REPO}:{HERE}", "RIG": str(self.folder), "TMPDIR": str(self.folder), **more}

    def start(self, *words: str, environ: dict[str, str] | None = None, **more: Any) -> Started:
        command = [str(BIN / "green"), "meter", "--sensors", "loop_family:FAMILY", "--every", str(EVERY_S), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        started = subprocess.Popen(
            command, cwd=self.folder, env=environ or self.environ(), text=True, **{**pipes, **more}
        )
        self.started.append(started)
        return started

    def run(self, *words: str, **more: Any) -> tuple[int, str]:
        started = self.start(*words, **more)
        err = started.communicate(timeout=PATIENCE_S)[1]
        return started.returncode, err

    def log(self) -> Path:
        (found,) = self.folder.glob("logs/**/*.green.jsonl")
        return found

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().read_text(encoding="ascii").splitlines()]

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """Wait until something is true: bounded, and no longer than it takes."""
        until_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < until_s:
            with suppress(ValueError, OSError):
                if found := what():
                    return found
            time.sleep(0.01)
        raise AssertionError("it did not happen")

    def readings(self) -> list[dict[str, Any]]:
        text = self.log().read_text(encoding="ascii")
        return [json.loads(line) for line in text.split("\n")[:-1] if '"gpu0": 3' in line]

    def read(self) -> Any:
        """Read the log as the pipeline does."""
        sys.path.insert(0, str(REPO / "tests" / "readers"))
        from fake import FakeSink  # noqa: PLC0415 -- of another folder of tests

        from green.readers.native import READER  # noqa: PLC0415 -- beside its one use

        path = self.log()
        sink = FakeSink()
        log = Read(str(path), path.name, path.read_text()[:65_536], "utf-8", UTC, zone_assumed=False)
        READER.read(log, sink)
        return sink

    def end(self) -> None:
        for started in self.started:
            if started.poll() is None:
                started.kill()
            started.communicate()


def flags(sink: Any) -> set[str]:
    """Return the flags of a run, without what the family of these tests says of its machine."""
    return set(sink.runs[0].flags) - {"NO_DRAM_HERE"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.end()


def test_run_is_recorded_with_first_and_last_reading_and_its_exit_code(rig: Rig) -> None:
    code, err = rig.run("--run-id", "a/b", "--project", "nlp", "--", "sh", "-c", "sleep 0.25; exit 7")
    assert (code, err) == (7, "")
    header, *readings, footer = rig.records()
    assert rig.log().parent == rig.folder / "logs" / "a" / "b"
    assert (header["format"], header["run_id"], header["command"]) == ("green/1", "a/b", "sh")
    assert (header["facts"], header["flags"]) == ({"container": "rig"}, ["NO_DRAM_HERE"])
    assert [one["id"] for one in header["sensors"]] == ["gpu0", "gpu1", "cpu0_j"]
    assert [one.get("is_ours", True) for one in header["sensors"]] == [True, False, True]
    assert header["sensors"][2]["uuid"] == f"{header['host']}/cpu0_j"
    assert (footer["status"], footer["exit_code"]) == ("failed", 7)
    assert 3 <= len(readings) == footer["readings"]
    assert readings[-1]["t"] - readings[0]["t"] >= 0.25
    assert not list(rig.folder.glob("green-meter-*"))


def test_native_reader_takes_what_the_meter_writes_and_leaves_what_is_not_ours(rig: Rig) -> None:
    words = 'printf "phase train\ncount tokens=5\n" > $GREEN_METER_PIPE; echo "count tokens=7" > $GREEN_METER_PIPE'
    rig.run("--", "sh", "-c", f"{words}; sleep 0.15")
    sink = rig.read()
    assert sink.rejects == []
    assert next(series["uuid"] for series in sink.all_series) == "GPU-1"
    assert [series["component"] for series in sink.all_series] == ["gpu", "cpu"]
    assert sink.runs[0].units == {"tokens": 12.0}
    assert (sink.runs[0].status, flags(sink)) == ("completed", set())


@pytest.mark.parametrize(("name", "status"), [("KILL", "killed"), ("TERM", "killed"), ("SEGV", "failed")])
def test_signal_that_ends_the_command_ends_the_meter_likewise(rig: Rig, name: str, status: str) -> None:
    code, _ = rig.run("--", "sh", "-c", f"kill -{name} $$")
    number = signal.Signals[f"SIG{name}"]
    assert code == -number
    footer = rig.records()[-1]
    assert (footer["status"], footer["exit_code"], footer["signal"]) == (status, 128 + number, f"SIG{name}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signal_to_the_meter_reaches_the_command_which_decides(rig: Rig, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got; exit 5' {name}; echo up; while :; do sleep 0.02; done"
    started = rig.start("--", "sh", "-c", script, start_new_session=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    started.send_signal(number)
    assert started.stdout.readline() == "got\n"
    assert started.wait(PATIENCE_S) == 5
    assert rig.records()[-1]["exit_code"] == 5


def test_a_shell_that_reports_a_kill_of_its_child_was_killed(rig: Rig) -> None:
    code, _ = rig.run("--", "sh", "-c", "exit 137")
    assert code == 137
    assert rig.records()[-1]["status"] == "killed"


def test_kill_of_the_meter_loses_no_reading_and_leaves_the_command_running(rig: Rig) -> None:
    pid_file = rig.folder / "pid"
    script = f"echo $$ > {pid_file}; while :; do echo 'count steps=1' > $GREEN_METER_PIPE; sleep 0.05; done"
    started = rig.start("--", "sh", "-c", script, start_new_session=True)
    rig.wait_for(lambda: len(rig.readings()) >= 3)
    started.kill()
    killed_at = time.time()
    started.wait(PATIENCE_S)
    command = int(pid_file.read_text())
    try:
        assert killed_at - rig.readings()[-1]["t"] <= 2 * EVERY_S + 1.0  # strata, and a machine that is busy
        sink = rig.read()
        assert (sink.runs[0].status, flags(sink)) == ("killed", {"NO_FOOTER"})
        state = Path(f"/proc/{command}/stat").read_text().rpartition(")")[2].split()[0]
        assert state in "RS"  # it writes to the pipe that nobody reads, and is not held up
    finally:
        os.killpg(command, signal.SIGKILL)


def test_kill_of_both_leaves_a_log_up_to_the_last_interval(rig: Rig) -> None:
    pid_file = rig.folder / "pid"
    started = rig.start("--", "sh", "-c", f"echo $$ > {pid_file}; exec sleep 30", start_new_session=True)
    rig.wait_for(lambda: len(rig.readings()) >= 3)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    started.kill()
    started.wait(PATIENCE_S)
    sink = rig.read()
    assert sink.runs[0].status == "killed"
    assert len(sink.powers()) >= 3


def test_sensor_that_vanishes_in_mid_run_is_null_from_then_on(rig: Rig) -> None:
    started = rig.start("--", "sh", "-c", "read line", stdin=subprocess.PIPE)
    rig.wait_for(lambda: len(rig.readings()) >= 2)
    (rig.folder / "gpu0").unlink()
    rig.wait_for(lambda: '"lost"' in rig.log().read_text())
    started.communicate("go\n", timeout=PATIENCE_S)
    assert started.returncode == 0
    said = rig.records()
    assert said[-2]["gpu0"] is None
    assert said[-2]["cpu0_j"] > 0
    assert [one["id"] for one in said if one.get("is") == "lost"] == ["gpu0", "gpu1"]


def test_full_disk_holds_up_nothing_and_is_told(rig: Rig) -> None:
    """The limit is the meter's alone: the command lifts nothing and is not touched by it, for it writes nothing."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1200, 1200))

    code, err = rig.run("--run-id", "x", "--", "sh", "-c", "sleep 0.8; exit 4", preexec_fn=limited)
    assert code == 4
    assert err.splitlines()[0].startswith("green meter: the log cannot be written (File too large)")
    assert rig.log().stat().st_size == 1200
    sink = rig.read()
    assert (sink.runs[0].status, flags(sink)) == ("killed", {"NO_FOOTER"})
    assert len(sink.powers()) >= 2
    assert set(sink.rejects) <= {(len(rig.log().read_text().split("\n")), "CUT")}


def test_no_place_for_the_log_is_an_error_before_the_command_starts(rig: Rig) -> None:
    (rig.folder / "logs").write_text("a file")
    code, err = rig.run("--", "touch", "started")
    assert code == 4
    assert "the log cannot be written: Not a directory" in err
    assert not (rig.folder / "started").exists()


def test_disk_that_is_full_at_the_start_is_an_error_before_the_command_starts(rig: Rig) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    code, err = rig.run("--team", "x", "--", "touch", "started", preexec_fn=limited)
    assert code == 4
    assert "the disk is full, or a file must not grow" in err
    assert [path.name for path in rig.folder.rglob("*") if path.is_file()] == ["gpu0"]


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("./gpu0", 126)])
def test_command_that_cannot_run_leaves_no_log(rig: Rig, command: str, code: int) -> None:
    ended, err = rig.run("--", command)
    assert ended == code
    assert f"green meter: cannot run {command}: " in err
    assert not list(rig.folder.glob("logs/**/*.jsonl"))
    assert not list(rig.folder.glob("green-meter-*"))


def test_what_a_command_leaves_is_told_and_follow_waits_for_it(rig: Rig) -> None:
    script = "(trap '' HUP; exec setsid sleep 0.4) > /dev/null 2>&1 & exit 0"
    code, err = rig.run("--run-id", "left", "--", "sh", "-c", script)
    assert code == 0
    assert "1 processes of the run go on" in err
    assert rig.records()[-1]["left"] == 1
    rig.log().unlink()
    before_s = time.monotonic()
    code, err = rig.run("--run-id", "followed", "--follow", "--", "sh", "-c", script)
    assert (code, err) == (0, "")
    assert time.monotonic() - before_s >= 0.4
    assert "left" not in rig.records()[-1]


def test_the_end_of_the_command_is_heard_where_a_parent_ignored_such_ends(rig: Rig) -> None:
    code, err = rig.run("--", "sleep", "0.2", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert (code, err) == (0, "")
    assert rig.records()[-1]["status"] == "completed"


def test_process_that_runs_already_is_metered_until_it_ends(rig: Rig) -> None:
    with subprocess.Popen(["sleep", "30"]) as other:
        started = rig.start("--pid", str(other.pid))
        rig.wait_for(lambda: len(rig.readings()) >= 2)
        other.terminate()
        assert started.wait(PATIENCE_S) == 0
    header, *_, footer = rig.records()
    assert header["pid"] == other.pid
    assert "status" not in footer  # its exit is its parent's to know
    assert rig.read().runs[0].status is None


def test_meter_of_a_running_process_is_ended_by_a_signal_and_the_process_is_not(rig: Rig) -> None:
    with subprocess.Popen(["sleep", "30"]) as other:
        started = rig.start("--pid", str(other.pid))
        rig.wait_for(lambda: len(rig.readings()) >= 1)
        started.send_signal(signal.SIGINT)
        assert started.wait(PATIENCE_S) == 0
        assert other.poll() is None
        other.kill()
    assert rig.records()[-1]["reason"] == "meter_stopped"


def test_process_that_is_not_there_is_an_error(rig: Rig) -> None:
    code, err = rig.run("--pid", "4194304")
    assert code == 4
    assert "no process 4194304" in err


def test_pipe_that_somebody_removed_takes_no_footer_away(rig: Rig) -> None:
    code, err = rig.run("--", "sh", "-c", 'echo "count x=1" > $GREEN_METER_PIPE; rm $GREEN_METER_PIPE; exit 2')
    assert (code, err) == (2, "")
    assert rig.records()[-1]["exit_code"] == 2
    assert [one["x"] for one in rig.records() if one.get("event") == "count"] == [1]


def test_ranks_of_one_job_write_a_log_each_into_one_run(rig: Rig) -> None:
    for rank in ("0", "1"):
        rig.run("--", "true", environ=rig.environ(SLURM_JOB_ID="17", SLURM_PROCID=rank))
    rig.run("--", "true", environ=rig.environ(SLURM_JOB_ID="17", SLURM_PROCID="1"))  # it was started again
    host = os.uname().nodename
    assert sorted(path.relative_to(rig.folder).as_posix() for path in rig.folder.glob("logs/**/*.jsonl")) == [
        f"logs/slurm-17/{host}-rank0.green.jsonl",
        f"logs/slurm-17/{host}-rank1-2.green.jsonl",
        f"logs/slurm-17/{host}-rank1.green.jsonl",
    ]


def test_record_is_written_from_the_options_and_never_over_another(rig: Rig) -> None:
    from green import record  # noqa: PLC0415 -- pydantic, for this test alone

    words = ["--run-id", "r", "--team", "search", "--kind", "training", "--region", "NO", "--label", "a=x: y", "--"]
    rig.run(*words, "true")
    path = rig.folder / "logs" / "r" / "run.yaml"
    read = record.read(str(path), "run.yaml")
    assert read.mistakes == []
    assert (read.record.run_id, read.record.team, read.record.kind) == ("r", "search", "training")
    assert read.record.site is not None
    assert read.record.site.region == "NO"  # Norway, and no boolean
    assert read.record.labels == {"a": "x: y"}
    path.write_text("team: mine\n")
    rig.run(*words, "true")
    assert path.read_text() == "team: mine\n"


def test_command_inherits_no_signal_settings_of_python(rig: Rig) -> None:
    command = ["sh", "-c", "grep -E 'SigIgn|SigBlk' /proc/self/status | tee -a masks"]
    without = subprocess.run(command, cwd=rig.folder, capture_output=True, text=True, check=True).stdout
    (rig.folder / "masks").unlink()
    rig.run("--", *command)
    assert (rig.folder / "masks").read_text() == without  # whoever runs the tests may ignore signals himself


def test_ctrl_c_reaches_the_command_once_and_the_meter_writes_down_its_end(rig: Rig) -> None:
    """On a terminal the kernel sends the signal to both; the meter must neither die of it nor send it again."""
    script = "trap 'echo got >> got' INT; echo up; n=0; while [ $n -lt 20 ]; do sleep 0.02; n=$((n+1)); done; exit 6"
    words = ["meter", "--quiet", "--sensors", "loop_family:FAMILY", "--every", "0.1", "--", "sh", "-c", script]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(rig.folder)
        os.execve(BIN / "green", ["green", *words], rig.environ())  # noqa: S606 -- the command under test
    try:
        while b"up" not in os.read(terminal, 4096):
            pass
        os.write(terminal, b"\x03")
        status = os.waitpid(pid, 0)[1]
    finally:
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 6
    assert (rig.folder / "got").read_text() == "got\n"
    assert [one["name"] for one in rig.records() if one.get("note") == "signal"] == ["SIGINT"]
    assert rig.records()[-1]["exit_code"] == 6


def test_device_that_several_ranks_saw_counts_once_in_the_store(tmp_path: Path) -> None:
    """Two ranks of one node: 300 W of one GPU by power, 40 W of one package by counter, each seen by both."""
    utc0 = 1_767_225_600.0
    sensors = [
        {"id": "gpu0", "kind": "gpu", "uuid": "GPU-1", "reads": "power_w", "method": "sampled"},
        {"id": "cpu0_j", "kind": "cpu", "uuid": "node1/cpu0_j", "reads": "energy_j", "method": "counter"},
    ]
    for rank in (0, 1):
        head = {"format": "green/1", "run_id": "job", "host": "node1", "clock": "utc", "sensors": sensors}
        times = [utc0 + n + 0.3 * rank for n in range(101)]
        readings = [{"t": t, "gpu0": 300.0, "cpu0_j": 1e6 + 40 * (t - utc0)} for t in times]
        path = tmp_path / "logs" / "job" / f"node1-rank{rank}.green.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        records = [{**head, "started_at": iso(times[0])}, *readings, {"ended_at": iso(times[-1]), "exit_code": 0}]
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
    elsewhere = str(tmp_path / "none.duckdb")  # and not what an earlier run left in this folder
    said = {"policies": str(REPO / "policies"), "store": elsewhere}
    config = configuration.load([], said, root=REPO)
    _, published = Review(config, load(REPO / "policies"), tmp_path / "work").head(tmp_path / "logs", "latest")
    with store.reader(published) as con:
        found = con.execute("SELECT run_id, energy_kwh * 3600000, coverage_ratio, status FROM runs").fetchall()
    assert found == [("job", pytest.approx(340 * 100.3), pytest.approx(1.0), "completed")]


def test_stop_of_a_process_that_is_not_ours_reaches_all_that_descends_from_it() -> None:
    with subprocess.Popen(["sh", "-c", "setsid sleep 30 & sleep 30"], start_new_session=True) as other:
        until_s = time.monotonic() + PATIENCE_S
        while len(below := descendants(other.pid)) < 2 and time.monotonic() < until_s:
            time.sleep(0.01)
        assert len(below) == 2
        stop_tree(other.pid, signal.SIGKILL)
        assert other.wait(PATIENCE_S) in {
            -signal.SIGKILL,
            128 + signal.SIGKILL,
        }  # its child may die before it, and it says so
    while any(map(alive, below)) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not any(map(alive, below))


def alive(pid: int) -> bool:
    """Tell whether a process runs; what has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
