"""The whole pipeline: 10,000 runs in full, again with nothing to do, and with one log changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from benchmarks import synthetic
from benchmarks.measure import BIN, REPOSITORY, Cost, Ratio, command, in_turns, work

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 10_000
SAMPLES = 100
NOTHING_GOAL = 2.0
CHANGED_GOAL = 5.0


def measure(folder: Path) -> list[Ratio]:
    """Return CPU against Snakemake itself, starting on a workflow that has nothing to do."""
    logs, home, empty = (folder / name for name in ("logs", "work", "empty"))
    for path in (home, empty):
        path.mkdir()
    (empty / "Snakefile").write_text("rule all:\n    input: []\n", encoding="utf-8")
    work("make_logs", logs, RUNS, SAMPLES, 1)
    green: list[str | Path] = [BIN / "snakemake", "--snakefile", REPOSITORY / "Snakefile", "--config", f"logs={logs}"]
    full = command(green, cwd=home)
    changes = iter(range(1, 1_000))

    def changed() -> Cost:
        _append(logs / "group-07" / "run-00007" / "gpu.csv", next(changes))
        return _expect(command(green, cwd=home), "ingest           1\n")

    cost = in_turns(
        {
            "empty": lambda: command([BIN / "snakemake", "--cores", "1"], cwd=empty),
            "nothing": lambda: _expect(command(green, cwd=home), "Nothing to be done"),
            "changed": changed,
        }
    )
    empty_s = cost["empty"].cpu_s

    def against(what: str, part: Cost, goal: float | None = None) -> Ratio:
        detail = f"{part.cpu_s:.2f} against {empty_s:.2f} CPU-s"
        return Ratio("pipeline", f"{what}: CPU / Snakemake's start", part.cpu_s / empty_s, "x", goal, detail)

    return [
        against(f"{RUNS:,} runs in full", full),
        against("nothing to do", cost["nothing"], NOTHING_GOAL),
        against("one log changed", cost["changed"], CHANGED_GOAL),
    ]


def _append(log: Path, number: int) -> None:
    """Add a reading to a log, as a run that goes on does."""
    with log.open("a", encoding="utf-8") as stream:
        stream.write(synthetic.line(synthetic.BEGIN + timedelta(hours=1, seconds=number), 0, 100.0))


def _expect(cost: Cost, said: str) -> Cost:
    """End the benchmark where Snakemake did something else than what is measured."""
    if said not in cost.output:
        raise SystemExit(f"benchmark: snakemake did not say {said!r}:\n{cost.output[-2000:]}")
    return cost
