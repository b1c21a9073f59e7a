"""What a meter costs the run beside it: ours and CodeCarbon's, at one reading a second, in the same minute.

Each is a process of its own beside a program that sleeps, and reads what this machine has. CPU time is that of all its
threads and of the programs that it called, from when it had started until a minute later. Beside them stands the floor:
bare loops that wake once a second at a random instant, as the meter does; one reads the one file of the kernel that the
meter reads here, and writes a line, the other does nothing at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import BIN, NO_PEERS, PEERS, Ratio
from green.meters import Asked
from green.meters.place import place
from green.meters.usage import busy_s

SECONDS = 60.0
START_S = 8.0  # CodeCarbon takes seconds to find its sensors
CPU_GOAL_S, SHARE_GOAL, MEMORY_GOAL_MB, START_GOAL_S = 0.02, 1 / 3, 40.0, 0.15
_SCHED = 2  # clock_getcpuclockid(3): the clock of the scheduler, of the process whose id is beside it
TICKS = os.sysconf("SC_CLK_TCK")
CODECARBON = """
import time
from codecarbon import OfflineEmissionsTracker
tracker = OfflineEmissionsTracker(country_iso_code="DEU", measure_power_secs=1, save_to_file=False, log_level="error")
tracker.start()
time.sleep({seconds})
tracker.stop()
"""
FLOOR = """
import os, random, time
source = os.open({source!r}, os.O_RDONLY)
log = os.open("floor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
start_s = time.monotonic()
for second in range(int({seconds})):
    time.sleep(max(0.0, start_s + second + random.random() - time.monotonic()))
    {work}
"""
WRITES = 'os.write(log, os.pread(source, 256, 0)[:16] + b" " * 111 + b"\\n")'
WAKES = "pass"


class Seen(NamedTuple):
    """A process at a moment."""

    at_s: float
    cpu_s: float
    peak_mb: float


def see(pid: int) -> Seen:
    """Return the CPU time of a process so far, to the nanosecond where its own, and its peak memory."""
    own_s = time.clock_gettime(~pid << 3 | _SCHED)  # all threads, those that ended included
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    of_children_s = (int(fields[13]) + int(fields[14])) / TICKS
    (peak,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmHWM" in line]
    return Seen(time.monotonic(), own_s + of_children_s, int(peak) / 1024)


def _busy_s() -> float:
    """Return the busy time of this machine so far."""
    return busy_s(Path("/proc/stat").read_bytes())


def measure(folder: Path) -> list[Ratio]:
    """Run both at once, and return what each minute of them costs."""
    if not PEERS.exists():
        sys.exit(f"benchmark: {NO_PEERS}")
    whole_s = str(START_S + SECONDS + 5)
    source = place(Asked(environ=os.environ)).usage_file or "/proc/stat"
    (folder / "other_meter.py").write_text(CODECARBON.format(seconds=whole_s), encoding="utf-8")
    for name, do in (("floor.py", WRITES), ("wakes.py", WAKES)):
        (folder / name).write_text(FLOOR.format(source=source, seconds=whole_s, work=do), encoding="utf-8")
    meter = [str(BIN / "green"), "meter", "--quiet", "--out", str(folder / "logs"), "--", "sleep", whole_s]
    with (
        subprocess.Popen(meter, cwd=folder) as ours,
        subprocess.Popen([PEERS, str(folder / "other_meter.py")], cwd=folder) as theirs,
        subprocess.Popen([sys.executable, "-I", "-S", str(folder / "floor.py")], cwd=folder) as floor,
        subprocess.Popen([sys.executable, "-I", "-S", str(folder / "wakes.py")], cwd=folder) as wakes,
    ):
        each = (ours, theirs, floor, wakes)
        try:
            time.sleep(START_S)
            before, busy_before_s = [see(one.pid) for one in each], _busy_s()
            time.sleep(SECONDS)
            after, busy_after_s = [see(one.pid) for one in each], _busy_s()
        finally:
            ours.terminate()
            for other in each[1:]:
                other.kill()
    (log,) = (folder / "logs").glob("*/*.green.jsonl")
    header, *lines = log.read_text(encoding="ascii").splitlines()
    sensors = len(json.loads(header)["sensors"])
    if not sensors:
        sys.exit("benchmark: nothing can be read on this machine, so that a meter costs nothing; use another")
    minute_s = [(b.cpu_s - a.cpu_s) / (b.at_s - a.at_s) * 60 for a, b in zip(before, after, strict=True)]
    detail = f"{sensors} sensors, {len(lines)} lines in {START_S + SECONDS:.0f} s"
    busy = (busy_after_s - busy_before_s) / (SECONDS * (os.cpu_count() or 1))
    name = "meter_cost"
    return [
        Ratio(name, "CPU a minute of our meter", minute_s[0], "s", CPU_GOAL_S, detail),
        Ratio(name, "CPU a minute of a loop that reads and writes", minute_s[2], "s", None, f"machine {busy:.0%} busy"),
        Ratio(name, "CPU a minute of a loop that only wakes", minute_s[3], "s", None, "nothing in Python costs less"),
        Ratio(name, "CPU a minute of CodeCarbon's", minute_s[1], "s", None, "measure_power_secs=1"),
        Ratio(name, "ours / CodeCarbon's", minute_s[0] / minute_s[1], "x", SHARE_GOAL, "the same minute"),
        Ratio(name, "peak memory of our meter", after[0].peak_mb, "MB", MEMORY_GOAL_MB),
        Ratio(name, "peak memory of CodeCarbon's", after[1].peak_mb, "MB"),
        Ratio(name, "CPU of our start, and of 8 s", before[0].cpu_s, "s", START_GOAL_S, "interpreter included"),
        Ratio(name, "CPU of CodeCarbon's start, and of 8 s", before[1].cpu_s, "s"),
    ]
