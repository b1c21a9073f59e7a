"""The reference evaluator of budgets: exact sums over the runs of a window, in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from decimal import Context, Decimal
from typing import TYPE_CHECKING

from green.policy.bounds import exact
from green.policy.finding import LONGEST_S, NAMED_RUNS, UNATTRIBUTED, Finding, Moment, Number, escaped
from green.policy.logic import (
    apart_from,
    compared,
    exact_bounds,
    interval,
    is_point,
    placed,
    problem,
    selects,
    times,
)
from green.policy.metrics import CATALOGUE
from green.policy.window import first_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.policy.facts import Row
    from green.policy.load import Loaded
    from green.policy.model import BudgetPolicy

_SUM = Context(prec=80)


def end_us(row: Row) -> int | None:
    """Return when a run ended: as stated, else its start and its duration."""
    if row["ended_at"] is not None:
        return int(row["ended_at"])
    started, seconds = row["started_at"], row["duration_s"]
    if started is None or seconds is None or not 0 <= seconds <= LONGEST_S:
        return None
    us = seconds * 1_000_000
    whole: int = math.floor(us)  # half away from zero, as round() of SQL does and Python's does not
    return int(started) + whole + int(us - whole >= 0.5)  # noqa: PLR2004 -- a half


def budget(policy: BudgetPolicy, loaded: Loaded, moment: Moment, facts: Sequence[Row]) -> list[Finding]:
    """Judge a budget: a finding a group, and one a run that cannot be placed."""
    rows = [row for row in facts if row["is_counted"] or (row["is_current"] and row["error"] is not None)]
    seen = times([f"{row['status'] == 'planned'} {row['run_id']}" for row in rows])
    over = {row["run_id"] for row in rows if row["status"] != "planned" and _has_ended(row, moment)}
    apart: dict[str, Finding] = {}
    groups: dict[str, list[tuple[Row, str | None]]] = defaultdict(list)
    for row in sorted(rows, key=placed):
        planned = row["status"] == "planned"
        at_us = moment.as_of_us if planned else end_us(row)
        match = selects(policy.select, row)
        if match is False or (planned and row["run_id"] in over) or not _counts(policy, row, at_us, moment):
            continue
        fault = row["error"] or ("DUPLICATE_RUN_ID" if seen[f"{planned} {row['run_id']}"] > 1 else None)
        if fault is not None or match is None:
            one = apart_from(row, fault, policy.select)
            if row["run_id"] not in apart or (one.verdict == "error" != apart[row["run_id"]].verdict):
                apart[row["run_id"]] = one
            continue
        why = "MISSING_FIELD" if at_us is None else problem(CATALOGUE[policy.metric], row, has_most=True)
        groups[_subject(policy, row)].append((row, why))
    return [*apart.values(), *(_group(policy, loaded, moment, key, groups[key]) for key in groups)]


def _has_ended(row: Row, moment: Moment) -> bool:
    end = end_us(row)
    return end is not None and moment.as_of_us is not None and end <= moment.as_of_us


def _counts(policy: BudgetPolicy, row: Row, at_us: int | None, moment: Moment) -> bool:
    if row["status"] == "planned" and not policy.count.planned:
        return False
    if row["status"] in {"failed", "killed"} and not policy.count.failed:
        return False
    if at_us is None or moment.as_of_us is None:
        return True
    return first_us(policy.window, moment.as_of_us) <= at_us <= moment.as_of_us


def _subject(policy: BudgetPolicy, row: Row) -> str:
    parts = [f"{name}={escaped(row[name]) if row[name] else UNATTRIBUTED}" for name in policy.group_by]
    return ",".join(parts) or "*"


def _group(
    policy: BudgetPolicy, loaded: Loaded, moment: Moment, subject: str, rows: Sequence[tuple[Row, str | None]]
) -> Finding:
    metric = CATALOGUE[policy.metric]
    assert loaded.bounds is not None  # noqa: S101 -- a budget has bounds; this tells the type checker
    known = [interval(metric, row) for row, why in rows if why is None]
    planned = [row[metric.column] for row, why in rows if why is None and row["status"] == "planned"]
    unknown = sorted((row["run_id"], why) for row, why in rows if why is not None)
    value = _total([one[0] for one in known])
    low = _total([one[0] if one[1] is None else one[1] for one in known]) if metric.has_interval else None
    highs = [one[0] if one[1] is None and one[2] is None else one[2] for one in known]
    high = None if not metric.has_interval or None in highs else _total(highs)
    verdict, reason = compared(exact_bounds(loaded.bounds), (value, low, high))
    if verdict != "fail" and (moment.no_history or unknown):
        verdict, reason = "unknown", "NO_HISTORY" if moment.no_history else unknown[0][1]
    return Finding(
        subject,
        verdict,
        reason,
        value,
        low,
        high,
        points=sum(is_point(one) for one in known) if metric.has_interval else 0,
        runs=len(rows),
        unknown_runs=len(unknown),
        named=", ".join(run_id for run_id, _ in unknown[:NAMED_RUNS]),
        planned=_total(planned),
    )


def _total(numbers: Sequence[Number | None]) -> Decimal:
    total = Decimal(0)
    for number in numbers:
        if number is not None:
            total = _SUM.add(total, exact(number))
    return total
