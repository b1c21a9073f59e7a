"""Ten thousand small logs of one folder through the real ingest, beside a loop over the csv module."""

from __future__ import annotations

import csv
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Cost, Ratio, in_turns, work

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = 10_000
LINES = (400, 20)  # of a log, one device; goals are held by the first
BEGIN = 1_767_225_600
HEADER = "timestamp, index, name, power.draw [W]\n"
GOAL_FILES = 2_000  # a CPU-second: 4,000 a second on two cores
GOAL_RATIO = 5


def make(folder: Path, lines: int, files: int = FILES) -> None:
    """Write the logs: nvidia-smi's CSV, a reading a second."""
    folder.mkdir(parents=True, exist_ok=True)
    times = [f"{datetime.fromtimestamp(BEGIN + n, UTC):%Y/%m/%d %H:%M:%S}.000" for n in range(lines)]
    for number in range(files):
        rows = [f"{time}, 0, NVIDIA A100-SXM4-80GB, {100 + (number + n) % 300}.25 W\n" for n, time in enumerate(times)]
        (folder / f"log-{number:05d}.csv").write_text(HEADER + "".join(rows), encoding="utf-8")


def loop(folder: Path) -> int:
    """Do what a script does: the csv module, a time and a number a row, trapezoids; return how many had energy."""
    found = 0
    for path in sorted(folder.iterdir()):
        energy_j, before = 0.0, None
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, skipinitialspace=True):
                at = datetime.strptime(row["timestamp"], "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
                power_w = float(row["power.draw [W]"].removesuffix(" W"))
                if before is not None:
                    energy_j += (power_w + before[1]) / 2 * (at - before[0])
                before = at, power_w
        found += energy_j > 0
    return found


def _checked(run: Callable[[], Cost], wanted: int) -> Callable[[], Cost]:
    """Hold a work to what it should find: an empty result must not be praised for its speed."""

    def measured() -> Cost:
        cost = run()
        if int(cost.output) != wanted:
            sys.exit(f"benchmark: {cost.output.strip()} instead of {wanted}")
        return cost

    return measured


def measure(folder: Path) -> list[Ratio]:
    """Return files per CPU-second, and the loop's CPU against ours, for small logs and for very small ones."""
    return [ratio for lines in LINES for ratio in _measured(folder / str(lines), lines, has_goal=lines == LINES[0])]


def _measured(folder: Path, lines: int, *, has_goal: bool) -> list[Ratio]:
    logs, out = folder / "logs", folder / "out"
    work("make_small_logs", logs, lines)

    def read() -> Cost:
        shutil.rmtree(out, ignore_errors=True)  # or the cache would answer
        return work("ingest", logs, out)

    cost = in_turns(
        {
            "start": lambda: work("start"),
            "loop": _checked(lambda: work("csv_loop", logs), FILES),
            "ingest": _checked(read, FILES * lines),
        }
    )
    shutil.rmtree(folder)
    ingest_s, loop_s = cost["ingest"].cpu_s - cost["start"].cpu_s, cost["loop"].cpu_s
    detail = f"{ingest_s:.2f} against {loop_s:.2f} CPU-s, {FILES:,} files"
    files, ratio = (GOAL_FILES, GOAL_RATIO) if has_goal else (None, None)
    what = f"logs of {lines} lines"
    return [
        Ratio("readers", what, FILES / ingest_s, "files/CPU-s", files, detail, is_floor=True),
        Ratio("readers", f"{what}: csv-module loop / CPU", loop_s / ingest_s, "x", ratio, is_floor=True),
    ]
