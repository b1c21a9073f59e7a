"""Measure what a command costs in CPU seconds and memory, its own children included.

Wall-clock time is never a verdict here: it tells how busy the machine is. CPU seconds drift, too (by
a fifth, from one minute to the next), so that what is compared is measured in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PEERS = REPOSITORY / ".venv-bench" / "bin" / "python"  # what we are measured against, never installed beside us
NO_PEERS = "the other tools are not installed: `make bench-peers` installs them into .venv-bench and measures"
ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """What one command took, and what it said."""

    cpu_s: float
    peak_mb: float
    output: str = ""


@dataclass(frozen=True)
class Ratio:
    """One line of the table: a figure, and the goal that it should not exceed (or fall below)."""

    benchmark: str
    what: str
    value: float
    unit: str
    goal: float | None = None
    detail: str = ""
    is_floor: bool = False  # the goal is the least that counts, not the most

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.is_floor else self.value <= self.goal


def command(arguments: Sequence[str | Path], *, cwd: Path) -> Cost:
    """Run a command and return its cost; its failure ends the benchmark."""
    # The child's peak memory begins at what this process holds (Linux keeps it over exec): so nothing
    # large is ever imported or held here, and synthetic data is made in children, too.
    with tempfile.TemporaryFile() as stream:
        child = subprocess.Popen(
            [str(argument) for argument in arguments], cwd=cwd, stdout=stream, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)  # we waited in its place
        stream.seek(0)
        output = stream.read().decode("utf-8", "replace")
    if child.returncode != 0:
        sys.exit(f"benchmark: {' '.join(map(str, arguments))} ended with {child.returncode}\n{output[-2000:]}")
    kib = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    return Cost(usage.ru_utime + usage.ru_stime, kib / 1024, output)


def work(name: str, *arguments: str | Path | int) -> Cost:
    """Run a function of `benchmarks.work` in a fresh interpreter."""
    return command([sys.executable, "-m", "benchmarks.work", name, *map(str, arguments)], cwd=REPOSITORY)


def peer(module: str, *arguments: str | Path) -> Cost:
    """Run a module of ours in a fresh interpreter of the environment of the other tools."""
    if not PEERS.exists():
        sys.exit(f"benchmark: {NO_PEERS}")
    return command([PEERS, "-m", module, *arguments], cwd=REPOSITORY)


def in_turns(parts: Mapping[str, Callable[[], Cost]], *, rounds: int = ROUNDS) -> dict[str, Cost]:
    """Run the parts one after the other, several rounds, and return the cheapest of each."""
    seen: dict[str, list[Cost]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, run in parts.items():
            seen[name].append(run())
    return {name: min(costs, key=lambda cost: cost.cpu_s) for name, costs in seen.items()}
