"""Meters of GPUs against the truth, and beside each other: one rig, one run, every tool at 1 Hz.

The rig is a stand-in for NVIDIA's library (tests/meters/rig) whose devices draw square waves of known energy. Each
tool is a process of its own, loads that library by its own binding, and is compared with the energy between the return
of its call that begins and its call that ends: what a program that uses it computes between the two.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.measure import NO_PEERS, PEERS, REPOSITORY, work
from tests.meters import rig as truth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGE = REPOSITORY / "docs" / "meter_rig.md"
COMMAND = "python -m benchmarks meter --write"
SETUP_S = 15.0
FOR_S = 60.0
TITLES = {"zeus": "Zeus", "codecarbon": "CodeCarbon", "carbontracker": "carbontracker"}
WAYS = {
    "green": {"counter": "Green, by counter", "power": "Green, by power at a random instant of each second"},
    "green_even": {"power": "Green, by power at even instants"},
}
CASES = {
    "1 GPU": (1, {}),
    "2 GPUs": (2, {}),
    "8 GPUs": (8, {}),
    "1 GPU without a counter": (1, {"counter_error": truth.NOT_SUPPORTED}),
}
LEFT_OUT = {
    "experiment-impact-tracker": "reads the text that `nvidia-smi -q -x` prints: the rig has none",
    "Scaphandre": "a daemon that reads the processors of its host, and no GPU",
    "Kepler, CEEMS, EAR": "daemons on the bare metal of a cluster, not installable from a package index beside the rig",
    "processors by RAPL": "the other tools read /sys/class/powercap of the host itself, where no test can put a tree; "
    "ours are tested on trees with wraps and unreadable ends (tests/meters/test_rapl.py)",
}


@dataclass(frozen=True)
class Row:
    """What one tool said of one case."""

    case: str
    tool: str
    true_j: float
    found_j: float | None  # None: it gave no figure
    devices: int
    note: str = ""

    @property
    def error_percent(self) -> float | None:
        """How far it is from the truth."""
        return None if self.found_j is None else (self.found_j / self.true_j - 1) * 100

    @property
    def cells(self) -> tuple[str, ...]:
        """Write a row of the table."""
        found = "nothing" if self.found_j is None else f"{self.found_j:,.0f}"
        off = "" if self.error_percent is None else f"{self.error_percent:+.2f} %".replace("-", "−")
        return self.case, self.tool, f"{self.true_j:,.0f}", found, off, self.note


@dataclass(frozen=True)
class Result:
    """All rows of a run, and the versions of the tools."""

    rows: list[Row]
    versions: Mapping[str, str]

    def table(self) -> str:
        """Write the rows as a table of Markdown."""
        lines = ["| case | tool | true J | found J | error | |", "|---|---|---|---|---|---|"]
        return "\n".join([*lines, *("| " + " | ".join(row.cells) + " |" for row in self.rows)])

    def page(self) -> str:
        """Write the page of the documentation."""
        tools = ", ".join(f"{TITLES[name]} {number}" for name, number in sorted(self.versions.items()))
        left = "\n".join(f"- {name}: {why}." for name, why in LEFT_OUT.items())
        return _PAGE.format(command=COMMAND, seconds=FOR_S, tools=tools, table=self.table(), left=left)


_PAGE = """# Meters against the truth

<!-- made by `{command}`; do not edit -->

The rig is a library with NVML's interface, built from [nvml.c](../tests/meters/rig/nvml.c) and loaded by the real
`pynvml` of every tool. Its devices draw square waves, 100 W and 400 W with periods from 3.7 s on, whose energy at any
time is known in closed form; counters move in steps of 0.1 s, power is the mean of the last second, as on an H100.
All tools ran at the same time on the same devices for {seconds:g} s, each set up to measure every second. Each is
compared with the true energy between the return of its call that begins and its call that ends: what a program that
uses it computes between the two. A step of a counter is worth up to 40 J a device at each end. The clock is the
machine's, so that a further run gives other last digits.

Versions: {tools}.

{table}

Not on the rig:

{left}

Ours go through the pipeline: the log of the same readings once by the counters alone, once by power alone. A meter that
reads moments must not read them evenly, or a rhythm of the run locks onto it; a power that the driver averages over a
second is best read evenly, once a second. Where there is a counter, it counts.

CodeCarbon takes a machine without the program `nvidia-smi` for one without GPUs, whatever the library says: the rig
gives it an empty program of that name. With a virtual clock, over minutes, ours are within 0.1 % by counter and 1 % by
power (tests/meters/test_nvml.py, tests/meters/test_to_the_store.py).
"""


def measure(folder: Path) -> Result:
    """Run every case."""
    if not truth.has_gcc():
        sys.exit(f"benchmark: {truth.NO_GCC}")
    versions = _versions()
    library = truth.build(folder)
    (folder / "nvidia-smi").write_text("#!/bin/sh\n", encoding="ascii")
    (folder / "nvidia-smi").chmod(0o755)
    rows = []
    for number, (case, (devices, changes)) in enumerate(CASES.items()):
        here = folder / str(number)
        here.mkdir()
        rows += _case(case, devices, changes, here, library)
    return Result(rows, versions)


def _versions() -> dict[str, str]:
    """Return the versions of the other tools; where one is missing, it is said before the minutes of measuring."""
    words = [str(PEERS), "-c", f"from importlib.metadata import version as v\nfor n in {list(TITLES)}: print(n, v(n))"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    if said.returncode:
        sys.exit(f"benchmark: {said.stderr.strip().splitlines()[-1]}; {NO_PEERS}")
    return dict(line.split() for line in said.stdout.splitlines())


def _case(case: str, devices: int, changes: Mapping[str, object], folder: Path, library: Path) -> list[Row]:
    """Let all tools measure the same devices at the same time."""
    rig = truth.Rig(folder / "rig", devices)
    for number in range(devices):
        rig.control.device[number] = truth.hopper(number, **changes)
    start_s = time.time()
    rig.run_by_the_clock(start_s)
    environ = {**os.environ, truth.VARIABLE: str(folder / "rig"), "LD_LIBRARY_PATH": str(library)}
    environ["PATH"] = f"{library}:{environ['PATH']}"
    running = {}
    for tool in (*WAYS, *TITLES):
        (folder / tool).mkdir()
        python = sys.executable if tool in WAYS else PEERS
        words = [python, "-m", "benchmarks.meter_tools", tool, str(start_s + SETUP_S), str(FOR_S), folder / tool]
        running[tool] = subprocess.Popen(
            [str(word) for word in words],
            cwd=REPOSITORY,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    rows = []
    for tool, child in running.items():
        output, _ = child.communicate(timeout=SETUP_S + FOR_S + 60)
        line = next((text for text in output.splitlines() if text.startswith("RESULT ")), None)
        if child.returncode != 0 or line is None:
            last = (output.strip().splitlines() or ["no word"])[-1]
            rows.append(
                Row(case, TITLES.get(tool, "Green"), _true(rig, 0, FOR_S), None, 0, f"ended with: {last[:120]}")
            )
            continue
        said = json.loads(line.removeprefix("RESULT "))
        true_j = _true(rig, said["begin_s"] - start_s, said["end_s"] - start_s)
        note = "" if said["devices"] == devices else f"found {said['devices']} of {devices} devices"
        if tool in WAYS:
            for way, title in WAYS[tool].items():
                home = folder / tool / way
                if way == "power" or "counter_error" not in changes:
                    (home / "logs").mkdir()
                    (home / "rig").rename(home / "logs" / "rig")
                    rows.append(Row(case, title, true_j, float(work("metered", home).output), devices, note))
        else:
            rows.append(Row(case, TITLES[tool], true_j, said["joules"], said["devices"], note))
    return rows


def _true(rig: truth.Rig, from_s: float, to_s: float) -> float:
    return sum(device.joules(from_s, to_s) for device in rig)
