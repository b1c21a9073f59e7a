"""What a person waits for: `green check` on the quickstart, against starting Python with DuckDB."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.measure import BIN, REPOSITORY, Ratio, command, in_turns

if TYPE_CHECKING:
    from pathlib import Path

GOAL = 4.0
ROUNDS = 7  # half a second each: the cheapest of seven says more than that of three
# The runs of the example break its policies: 1 is the answer, and the benchmark expects it.
BROKEN = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode != 1)"


def measure(folder: Path) -> list[Ratio]:
    """Return CPU of a check, alone and against a base, over CPU of `import duckdb`."""
    logs = REPOSITORY / "examples" / "quickstart"
    (folder / "config.yaml").write_text(f"logs: {logs}\nshards: 1\n", encoding="utf-8")
    command([BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile"], cwd=folder)
    wrap: list[str | Path] = [sys.executable, "-c", BROKEN]
    green: list[str | Path] = [*wrap, BIN / "green", "check"]
    cost = in_turns(
        {
            "wrapped": lambda: command([*wrap, sys.executable, "-S", "-c", "raise SystemExit(1)"], cwd=folder),
            "bare": lambda: command([sys.executable, "-S", "-c", "pass"], cwd=folder),
            "duckdb": lambda: command([sys.executable, "-c", "import duckdb"], cwd=folder),
            "check": lambda: command(green, cwd=folder),
            "sarif": lambda: command([*green, "--format", "sarif"], cwd=folder),
            "logs": lambda: command([*green, "--logs", logs, "--against", "results/verdicts.json"], cwd=folder),
        },
        rounds=ROUNDS,
    )
    duckdb_s, wrap_s = cost["duckdb"].cpu_s, cost["wrapped"].cpu_s - cost["bare"].cpu_s

    def against(what: str, name: str, goal: float | None = None) -> Ratio:
        cpu_s = cost[name].cpu_s - wrap_s
        detail = f"{1000 * cpu_s:.0f} against {1000 * duckdb_s:.0f} CPU-ms"
        return Ratio("check", f"{what}: CPU / import duckdb", cpu_s / duckdb_s, "x", goal, detail)

    return [
        against("green check on the quickstart", "check", GOAL),
        against("the same as SARIF", "sarif"),
        against("the logs read anew, against a base", "logs"),
    ]
