"""What an evaluation costs: the SQL of 100 policies over a million runs, against a loop over ready objects."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.measure import Ratio, in_turns, work

if TYPE_CHECKING:
    from pathlib import Path

RUNS = 1_000_000
POLICIES = 100
LOOPED_RUNS = 50_000  # the loop is as fast on a twentieth, and what it counts is compared with the SQL's
COST_GOAL = 100.0  # ns of CPU an evaluation: ten million a second
SHARE_GOAL = 1 / 8  # of what the loop costs


def measure(folder: Path) -> list[Ratio]:
    """Return what an evaluation costs, alone and against the loop; both have to count the same verdicts."""
    few, many = folder / "few.duckdb", folder / "many.duckdb"
    work("make_facts", few, LOOPED_RUNS)
    work("make_facts", many, RUNS)
    cost = in_turns(
        {
            "start": lambda: work("judge_by_sql", many, 0),  # tables that are ready, as the loop's objects are
            "sql": lambda: work("judge_by_sql", many, POLICIES),
            "few": lambda: work("judge_by_sql", few, POLICIES),
            "ready": lambda: work("judge_by_loop", few, 0),
            "loop": lambda: work("judge_by_loop", few, POLICIES),
        }
    )
    if json.loads(cost["few"].output) != json.loads(cost["loop"].output):
        raise SystemExit(f"benchmark: the two count differently\n{cost['few'].output}{cost['loop'].output}")
    sql_s, loop_s = cost["sql"].cpu_s - cost["start"].cpu_s, cost["loop"].cpu_s - cost["ready"].cpu_s
    by_sql_ns, by_loop_ns = sql_s / RUNS / POLICIES * 1e9, loop_s / LOOPED_RUNS / POLICIES * 1e9
    what = f"{RUNS:,} runs x {POLICIES} policies: CPU an evaluation"
    rates = f"{1e3 / by_sql_ns:.1f} against {1e3 / by_loop_ns:.2f} M/CPU-s"
    return [
        Ratio("policy", what, by_sql_ns, "ns", COST_GOAL, f"{sql_s:.2f} CPU-s"),
        Ratio("policy", "SQL / a loop over ready objects", by_sql_ns / by_loop_ns, "x", SHARE_GOAL, rates),
    ]
