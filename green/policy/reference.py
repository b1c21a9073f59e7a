"""The second evaluator: the meaning of policies in plain Python, which a test holds the SQL to.

It shares the models with the compiler and nothing else. None stands for "nobody can tell", as NULL does.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from green.policy.bounds import read
from green.policy.finding import LEAST_AMOUNT, MOST_AMOUNT, Finding, Moment
from green.policy.logic import (
    apart_from,
    as_floats,
    compared,
    interval,
    is_point,
    lacks,
    placed,
    problem,
    reason_of,
    selects,
    times,
)
from green.policy.metrics import CATALOGUE, TIER, TIERS
from green.policy.model import (
    AllowPolicy,
    BudgetPolicy,
    Check,
    IntensityPolicy,
    Limit,
    LimitPolicy,
    RequirePolicy,
)
from green.policy.reference_budget import budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from green.policy.facts import Row
    from green.policy.load import Loaded

Amounts = dict[tuple[str, str], list[float | None]]


def evaluate(
    loaded: Loaded, moment: Moment, facts: Sequence[Row], units: Sequence[tuple[str, str, float | None]]
) -> list[Finding]:
    """Judge one policy; findings are sorted by subject."""
    policy = loaded.policy
    if isinstance(policy, BudgetPolicy):
        found = budget(policy, loaded, moment, facts)
    else:
        amounts: Amounts = defaultdict(list)
        for run_id, unit, amount in units:
            amounts[run_id, unit].append(amount)
        found = _runs(loaded, facts, amounts)
    return sorted(found, key=lambda one: (one.subject, one.verdict))


def _runs(loaded: Loaded, facts: Sequence[Row], amounts: Amounts) -> list[Finding]:
    policy = loaded.policy
    judged = [
        row
        for row in facts
        if row["is_current"] and (row["is_counted"] or row["error"] is not None) and row["status"] != "planned"
    ]
    seen = times([row["run_id"] for row in judged])
    found: dict[str, Finding] = {}
    for row in sorted(judged, key=placed):
        match = selects(policy.select, row)
        if match is False:
            continue
        fault = row["error"] or ("DUPLICATE_RUN_ID" if seen[row["run_id"]] > 1 else None)
        if fault is not None or match is None:
            one = apart_from(row, fault, policy.select)
        elif isinstance(policy, LimitPolicy | IntensityPolicy):
            one = _bounded(policy, loaded, row, amounts)
        elif isinstance(policy, AllowPolicy):
            one = _allow(policy, row)
        elif isinstance(policy, RequirePolicy):
            one = _require(policy, row)
        else:
            raise TypeError(policy.kind)
        found.setdefault(row["run_id"], one)
    return list(found.values())


def _bounded(policy: LimitPolicy | IntensityPolicy, loaded: Loaded, row: Row, amounts: Amounts) -> Finding:
    metric = CATALOGUE[policy.metric]
    bounds = loaded.bounds
    assert bounds is not None  # noqa: S101 -- both kinds have bounds; this tells the type checker
    numbers = interval(metric, row)
    where = {"where_file": row["where_file"], "where_line": row["where_line"]}
    why = problem(metric, row, has_most=isinstance(policy, IntensityPolicy))
    if why is None and isinstance(policy, IntensityPolicy):
        stated = amounts.get((row["run_id"], policy.per), [])
        amount = stated[0] if len(stated) == 1 else None
        why = _amount_problem(amount)
        if amount is not None and why is None:
            value, low, high = (None if one is None else bounds.ratio(float(one), amount) for one in numbers)
            numbers = (value, low, high)
    if why is not None:
        return Finding(row["run_id"], "unknown", why, unknown_runs=1, **where)
    verdict, reason = compared(as_floats(bounds), numbers)
    points = int(metric.has_interval and is_point(numbers))
    return Finding(row["run_id"], verdict, reason, *numbers, points=points, **where)


def _amount_problem(amount: float | None) -> str | None:
    if amount is None:
        return "MISSING_FIELD"
    if not math.isfinite(amount):
        return "NON_FINITE"
    if amount <= 0:
        return "ZERO_DENOMINATOR" if amount == 0 else "NEGATIVE"
    return None if LEAST_AMOUNT <= amount <= MOST_AMOUNT else "OUT_OF_RANGE"


def _allow(policy: AllowPolicy, row: Row) -> Finding:
    value = row[policy.field]
    items = [item for item in (value if isinstance(value, list) else [value]) if item]
    refused = sorted({item for item in items if item not in policy.allow})
    where = {"where_file": row["where_file"], "where_line": row["where_line"]}
    if refused:
        return Finding(row["run_id"], "fail", None, named=", ".join(refused), **where)
    if lacks(row, policy.field):
        return Finding(row["run_id"], "unknown", "MISSING_FIELD", unknown_runs=1, named=policy.field, **where)
    return Finding(row["run_id"], "pass", **where)


def _require(policy: RequirePolicy, row: Row) -> Finding:
    states = [state for check in policy.all for state in _checked(check, row)]
    where = {"where_file": row["where_file"], "where_line": row["where_line"]}
    for verdict in ("fail", "unknown", "at_risk"):
        hit = [(label, reason) for label, state, reason in states if state == verdict]
        if hit:
            reason = next((reason for _, reason in hit if reason is not None), None)
            named = ", ".join(label for label, _ in hit)
            return Finding(row["run_id"], verdict, reason, unknown_runs=int(verdict == "unknown"), named=named, **where)
    return Finding(row["run_id"], "pass", **where)


def _checked(check: Check, row: Row) -> list[tuple[str, str, str | None]]:
    """Return label, state and reason of each requirement."""
    if check.present is not None:
        return [(name, "fail", "MISSING_FIELD") if lacks(row, name) else (name, "pass", None) for name in check.present]
    metric = CATALOGUE[check.metric or TIER]
    if check.at_least is not None:
        label = f"{check.metric} at least {check.at_least}"
        if row["quality_tier"] not in TIERS:
            return [(label, "unknown", reason_of(metric, row))]
        good = TIERS.index(row["quality_tier"]) >= TIERS.index(check.at_least)
        return [(label, "pass" if good else "fail", None)]
    label = f"{check.metric} " + " and ".join(
        f"{word} {raw}" for word, raw in (("at least", check.min), ("at most", check.max)) if raw is not None
    )
    why = problem(metric, row)
    if why is not None:
        return [(label, "unknown", why)]
    bounds = as_floats(read(Limit(max=check.max, min=check.min), metric.unit, metric.unit, ()))
    return [(label, compared(bounds, interval(metric, row))[0], None)]
