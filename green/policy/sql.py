"""Pieces of SQL that every compiled policy is made of: literals, selectors, problems, bounds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from green.policy.bounds import MOST, Bounds, exact
from green.policy.metrics import SELECTABLE, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from green.policy.model import Matcher, Select

NO_NUMBER = "CAST(NULL AS DOUBLE)"
_LARGEST = f"CAST('{sys.float_info.max!r}' AS DOUBLE)"
_PLAIN = ("value", "low", "high")


def quoted(text: str) -> str:
    """Write a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


def listed(names: Iterable[str]) -> str:
    """Write the right side of IN."""
    return f"({', '.join(map(quoted, names))})"


def double(number: Decimal) -> str:
    """Write a bound beside figures that are DOUBLE; a bare 0.1 would be a DECIMAL(2,1)."""
    return f"CAST('{float(number)!r}' AS DOUBLE)"


def scaled(name: str, up: float, down: float) -> str:
    """Write a figure times `up` over `down`; neither is written where it is 1 and changes no bit."""
    times = "" if up == 1 else f" * CAST('{up!r}' AS DOUBLE)"
    over = "" if down == 1 else f" / CAST('{down!r}' AS DOUBLE)"
    return f"({name}{times}{over})"


def decimal(number: Decimal) -> str:
    """Write a bound beside exact sums."""
    return f"CAST('{exact(number):f}' AS DECIMAL(38,18))"


def selected(select: Select) -> str:
    """Write a selector: TRUE, FALSE, or NULL where a field that it needs is missing."""
    parts = _matches(select)
    if select.not_ is not None:
        parts.append(f"NOT ({' AND '.join(_matches(select.not_))})")
    return f"({' AND '.join(parts)})" if parts else "TRUE"


def matched(matcher: Matcher) -> str:
    """Write whether a run has all that a matcher names; NULL where a field is missing."""
    return f"({' AND '.join(_matches(matcher))})" if matcher.fields() or matcher.labels else "TRUE"


def _matches(matcher: Matcher) -> list[str]:
    fields = [f"NULLIF({name}, '') IN {listed(values)}" for name, values in matcher.fields().items()]
    # Labels are open: an absent one matches nothing, so it is FALSE and never NULL.
    labels = [f"coalesce(labels[{quoted(name)}] IN {listed(values)}, FALSE)" for name, values in matcher.labels.items()]
    return fields + labels


def needed(select: Select) -> list[str]:
    """List the fields that a selector needs."""
    named = set(select.fields()) | (set(select.not_.fields()) if select.not_ is not None else set())
    return [name for name in SELECTABLE if name in named]


def missing(select: Select) -> str:
    """Name the fields that a selector needs and a run lacks."""
    cases = [f"CASE WHEN {is_missing(name)} THEN '{name}' END" for name in needed(select)]
    return f"concat_ws(', ', {', '.join(cases)})" if cases else "''"


def is_missing(field: str) -> str:
    """Tell whether a field of a run is absent; of hardware, whether any device is unknown."""
    if field == "hardware":
        return "(coalesce(len(hardware), 0) = 0 OR list_count(hardware) < len(hardware) OR list_contains(hardware, ''))"
    if field in {"started_at", "ended_at"}:
        return f"(NOT coalesce(isfinite({field}), FALSE))"
    if field == "duration_s":
        return "(NOT coalesce(isfinite(duration_s) AND duration_s >= 0, FALSE))"
    return f"(coalesce({field}, '') = '')"


def problem(metric: Metric, *, has_most: bool = False, is_rank: bool = False) -> str:
    """Write why a metric is unknown, or NULL where it is known."""
    reason = (
        f"coalesce(list_filter(unknown_reasons, lambda code: code IN {listed(metric.reasons)})[1], 'MISSING_METRIC')"
    )
    if is_rank:
        return reason
    names = [metric.column, *(name for name in (metric.low, metric.high) if name is not None)]
    cases = [
        f"WHEN {metric.column} IS NULL THEN {reason}",
        f"WHEN {' OR '.join(f'NOT isfinite({name})' for name in names)} THEN 'NON_FINITE'",
        f"WHEN {' OR '.join(f'{name} < 0' for name in names)} THEN 'NEGATIVE'",
    ]
    if has_most:
        over = " OR ".join(f"{name} > {double(MOST)}" for name in names)
        cases.append(f"WHEN {over} THEN 'OUT_OF_RANGE'")
    most = double(MOST) if has_most else _LARGEST
    good = [f"coalesce({name} BETWEEN 0 AND {most}, {name} IS NULL)" for name in names[1:]]
    usual = f"WHEN {' AND '.join([f'{metric.column} BETWEEN 0 AND {most}', *good])} THEN NULL"  # NaN is above all
    return f"CASE {usual} {' '.join(cases)} END"


def broken(bounds: Bounds, literal: Callable[[Decimal], str], names: tuple[str, str, str] = _PLAIN) -> str:
    """Write when a figure breaks its bounds for certain."""
    value, low, high = names
    parts = []
    if bounds.max is not None:
        parts.append(f"{value} > {literal(bounds.max)} OR {low} > {literal(bounds.max)}")
    if bounds.min is not None:
        parts.append(f"{value} < {literal(bounds.min)} OR {high} < {literal(bounds.min)}")
    return " OR ".join(parts) or "FALSE"


def doubtful(bounds: Bounds, literal: Callable[[Decimal], str], names: tuple[str, str, str] = _PLAIN) -> str:
    """Write when the interval of a figure goes beyond a bound, or has no end on its side."""
    _, low, high = names
    parts = []
    if bounds.max is not None:
        parts.append(f"{high} > {literal(bounds.max)} OR ({high} IS NULL AND {low} IS NOT NULL)")
    if bounds.min is not None:
        parts.append(f"{low} < {literal(bounds.min)} OR ({low} IS NULL AND {high} IS NOT NULL)")
    return " OR ".join(parts) or "FALSE"


def unbounded(bounds: Bounds) -> str:
    """Write the reason of a doubt: which end of the interval is not known."""
    cases = []
    if bounds.max is not None:
        cases.append("WHEN high IS NULL AND low IS NOT NULL THEN 'NO_UPPER_BOUND'")
    if bounds.min is not None:
        cases.append("WHEN low IS NULL AND high IS NOT NULL THEN 'NO_LOWER_BOUND'")
    return f"CASE {' '.join(cases)} END" if cases else "NULL"


def point() -> str:
    """Write whether a figure has no interval."""
    return "coalesce(low = value AND high = value, low IS NULL AND high IS NULL)"
